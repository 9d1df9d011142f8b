//! `portcullis`: a TLS client, a TLS server, and certificates for development.

#![forbid(unsafe_code)]

mod algorithms;
mod cert;
mod client;
mod failure;
mod report;
mod server;

use clap::{Parser, Subcommand};

use failure::Failure;

/// TLS on the command line.
///
/// Exit codes: 0 all went well; 1 the transport failed; 2 bad usage or bad files; 3 the peer's
/// certificate was refused; 4 the handshake failed otherwise; 5 the connection broke after the
/// handshake; 6 time ran out.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version)]
struct Command {
    /// Say more on standard error: handshake messages, alerts.
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Connect, send standard input, print what comes back.
    Client(client::Client),
    /// Listen, and echo or show a page.
    Server(server::Server),
    /// Make certificates for development.
    #[command(subcommand)]
    Cert(cert::Cert),
}

#[tokio::main]
async fn main() {
    let command = Command::parse();
    let level = if command.verbose {
        "portcullis=debug"
    } else {
        "portcullis=error"
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let result = match command.action {
        Action::Client(client) => client.run().await,
        Action::Server(server) => server.run().await,
        Action::Cert(cert) => cert.run(),
    };
    if let Err(failure) = result {
        eprintln!("portcullis: {failure}");
        // Standard input may still be waited for in a thread that cannot be stopped.
        std::process::exit(failure.exit_code());
    }
    std::process::exit(0);
}

/// Opens the key log, if one is wanted.
fn key_log(path: Option<&std::path::Path>) -> Result<Option<portcullis::KeyLogFile>, Failure> {
    let Some(path) = path else { return Ok(None) };
    portcullis::KeyLogFile::open(path)
        .map(Some)
        .map_err(|error| Failure::usage(format!("--keylog {}: {error}", path.display())))
}
