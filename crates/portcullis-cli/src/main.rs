//! `portcullis`: a TLS client, a TLS server, certificates for development, ticket keys, and what a server bears.

#![forbid(unsafe_code)]

// Before the others, for which it replaces `println!`.
#[macro_use]
mod output;

mod algorithms;
mod bench;
mod cert;
mod certificate;
mod client;
mod connect;
mod connecting;
mod crl;
mod ech;
mod ech_front;
mod extensions;
mod failure;
mod files;
mod io;
mod logins;
mod manual;
#[cfg(unix)]
mod proxy;
mod report;
mod said;
mod scan;
mod server;
mod shared_keys;
mod spoken;
mod starttls;
mod target;
mod text;
mod ticket_key;
mod tunnel;
mod version;
mod wording;

use clap::{Args, Parser, Subcommand};

use failure::Failure;

/// TLS on the command line.
///
/// Exit codes: 0 all went well; 1 the transport failed; 2 bad usage or bad files; 3 the peer's
/// certificate was refused, or expires too soon; 4 the handshake failed otherwise; 5 the
/// connection broke after the handshake; 6 time ran out; 7 a rule of `scan --fail-on` was hit; 8 what
/// one is about could not be found out.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, long_version = version::long())]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Connect, send standard input, print what comes back.
    Client(Box<client::Client>),
    /// Listen, and echo, show a page or give files out.
    Server(Box<server::Server>),
    /// Make certificates for development; show, verify and order certificates.
    #[command(subcommand)]
    Cert(cert::Cert),
    /// Make and change the ticket keys that servers share.
    #[command(subcommand)]
    TicketKey(ticket_key::TicketKey),
    /// Make keys for servers that decrypt hellos (Encrypted ClientHello); show configurations; decrypt for others.
    #[command(subcommand)]
    Ech(ech::Ech),
    /// Fetch revocation lists; look for certificates in them.
    #[command(subcommand)]
    Crl(crl::Command),
    /// Measure a TLS server: handshakes, throughput, answers, connections held.
    #[command(subcommand)]
    Bench(Box<bench::Bench>),
    /// Find out what a server of TLS or DTLS speaks, and what is to be said against it.
    Scan(Box<scan::Scan>),
    /// Terminate, originate and pass on TLS and DTLS, between clients and servers that are elsewhere.
    #[cfg(unix)]
    Proxy(Box<proxy::Command>),
    /// Print what completes this command in a shell.
    Completions(manual::Completions),
    /// Print the manual page, or write one for each command to a folder.
    Man(manual::Man),
}

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, Args)]
struct Verbosity {
    /// Say what was negotiated on standard error, which a client does without it on a terminal;
    /// twice, also say each handshake message and alert.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Verbosity {
    fn is_verbose(self) -> bool {
        self.verbose > 0
    }

    fn filter(self) -> &'static str {
        match self.verbose {
            0 | 1 => "portcullis=error",
            _ => "portcullis=debug",
        }
    }
}

impl Action {
    fn verbosity(&self) -> Verbosity {
        match self {
            Self::Client(client) => client.verbosity,
            Self::Server(server) => server.verbosity,
            _ => Verbosity { verbose: 0 },
        }
    }

    /// What is said on standard error besides.
    fn filter(&self) -> &'static str {
        match self {
            // Servers that are down, and up again.
            #[cfg(unix)]
            Self::Proxy(_) => "portcullis=error,portcullis_proxy=info",
            _ => self.verbosity().filter(),
        }
    }
}

#[tokio::main]
async fn main() {
    let action = match Command::try_parse() {
        Ok(command) => command.action,
        Err(error) if algorithms::asks_for_ciphers(&error) => {
            print!("{}", algorithms::all_ciphers());
            std::process::exit(output::finish().map_or_else(|failure| failure.exit_code(), |()| 0));
        }
        Err(error) => {
            let text = match std::io::IsTerminal::is_terminal(&std::io::stderr()) {
                true => error.render().ansi().to_string(),
                false => error.render().to_string(),
            };
            // What is asked for, as the help, goes to standard output.
            if !error.use_stderr() {
                error.exit();
            }
            eprint!("{}", wording::of_arguments(&text));
            std::process::exit(error.exit_code());
        }
    };
    let log = match &action {
        Action::Server(_) | Action::Ech(_) => said::log(),
        #[cfg(unix)]
        Action::Proxy(_) => said::log(),
        _ => said::log_at_once(),
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(action.filter()))
        .with_writer(log)
        // It would be said where nothing can be said.
        .log_internal_errors(false)
        .without_time()
        .init();
    let result = match action {
        Action::Client(client) => client.run().await,
        Action::Server(server) => server.run().await,
        Action::Cert(cert) => cert.run().await,
        Action::TicketKey(ticket_key) => ticket_key.run(),
        Action::Ech(ech) => ech.run().await,
        Action::Crl(crl) => crl.run().await,
        Action::Bench(bench) => bench.run().await,
        Action::Scan(scan) => scan.run().await,
        #[cfg(unix)]
        Action::Proxy(proxy) => proxy.run().await,
        Action::Completions(completions) => completions.run(),
        Action::Man(man) => man.run(),
    };
    let is_read = said::flush();
    if let Err(failure) = result.and_then(|()| output::finish()) {
        if failure.is_news() && is_read {
            eprintln!("portcullis: {failure}");
        }
        // Standard input may still be waited for in a thread that cannot be stopped.
        std::process::exit(failure.exit_code());
    }
    std::process::exit(0);
}

/// How DTLS is spoken.
fn datagram_options(mtu: Option<u16>, cid: Option<usize>) -> portcullis::DtlsOptions {
    let mut datagrams = portcullis::DatagramOptions::default();
    if let Some(mtu) = mtu {
        datagrams = datagrams.mtu(mtu);
    }
    portcullis::DtlsOptions::new()
        .datagrams(datagrams)
        .connection_ids(cid)
}

/// Where to listen.
fn parse_listen(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().unwrap_or_default();
        let port = port.parse::<u16>().unwrap_or(4433);
        format!("it is an IP address and a port: 127.0.0.1:{port}, 0.0.0.0:{port} for all of IPv4, or [::]:{port}")
    })
}

/// How long connection ids are; 0: the peer's records have none.
fn parse_cid(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(length @ (0 | 8..=32)) => Ok(length),
        _ => Err("it is a number of bytes: 0, or 8 to 32".to_owned()),
    }
}

/// What is said of the connection ids of a connection over DTLS.
fn connection_ids(connection: &portcullis::DtlsConnection) -> Option<String> {
    let (theirs, ours) = connection.connection_ids()?;
    let said = |id: portcullis::DtlsConnectionId| match id.is_empty() {
        true => "none".to_owned(),
        false => id.to_string(),
    };
    Some(format!(
        "on what comes {}, on what goes {}",
        said(theirs),
        said(ours)
    ))
}

/// Opens the key log, if one is wanted.
fn key_log(path: Option<&std::path::Path>) -> Result<Option<portcullis::KeyLogFile>, Failure> {
    let Some(path) = path else { return Ok(None) };
    portcullis::KeyLogFile::open(path)
        .map(Some)
        .map_err(|error| Failure::usage(format!("--keylog: {error}")))
}
