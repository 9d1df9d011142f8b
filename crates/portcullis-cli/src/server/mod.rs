//! `portcullis server`: echo, a page with what was negotiated, or the files of a folder.

mod folder;
mod http;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use portcullis::session::TicketKeys;
use portcullis::suite::CipherSuite;
use portcullis::{
    ClientAuthentication, Identity, Incoming, NamedGroup, Roots, ServerConfig, TlsAcceptor,
    TlsListener, TlsStream,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::failure::Failure;
use crate::logins::Users;
use crate::shared_keys::SharedKeys;
use crate::{Verbosity, algorithms, cert, key_log, report};
use folder::Folder;

/// How long a client may take to close after we have.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// How long a key seals tickets; it opens them for as long again.
const TICKET_KEYS_SEAL: Duration = Duration::from_secs(7_200);
/// The most connections at a time; others wait to be accepted.
const MAX_CONNECTIONS: usize = 1_024;
/// What HTTP is spoken here, as ALPN calls it (RFC 7301 §6).
const HTTP: [&str; 2] = ["http/1.1", "http/1.0"];

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Where to listen: ADDRESS:PORT; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4433")]
    listen: SocketAddr,
    /// The certificate chain (PEM). Without one a certificate is made for localhost.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key of --cert (PEM), if it is in a file of its own.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Answer HTTP with a page that shows what was negotiated, instead of echoing.
    #[arg(long)]
    www: bool,
    /// Answer HTTP with the files of this folder; links do not lead out of it.
    #[arg(long, value_name = "FOLDER", conflicts_with = "www")]
    dir: Option<PathBuf>,
    /// Whether clients show a certificate.
    #[arg(long, value_enum, default_value_t = ClientAuth::None, requires_ifs = [("optional", "cafile"), ("required", "cafile")])]
    client_auth: ClientAuth,
    /// The authorities of client certificates (PEM).
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Application protocols in order of preference, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    alpn: Vec<String>,
    /// Versions of TLS: one, as 1.3, or a range, as 1.2..1.3.
    #[arg(long, value_parser = algorithms::versions, value_name = "MIN..MAX")]
    tls: Option<algorithms::Versions>,
    /// Groups in order of preference, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = algorithms::group, value_name = "NAMES")]
    groups: Vec<NamedGroup>,
    /// Cipher suites in order of preference, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = algorithms::cipher, value_name = "NAMES")]
    ciphers: Vec<CipherSuite>,
    #[command(flatten)]
    keys: SharedKeys,
    #[command(flatten)]
    users: Users,
    /// Give clients tickets, and resume their sessions.
    #[arg(long)]
    tickets: bool,
    /// Append the connections' secrets to this file (SSLKEYLOGFILE format).
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// Serve one connection and exit; the exit code says how it went.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClientAuth {
    None,
    Optional,
    Required,
}

impl Server {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let service = self.service()?;
        let mut acceptor = TlsAcceptor::new(self.config()?);
        if let Some(log) = key_log(self.keylog.as_deref())? {
            acceptor = acceptor.key_log(log);
        }
        let listen = |error| Failure::transport(&format!("listening on {}", self.listen), &error);
        let socket = TcpListener::bind(self.listen).await.map_err(listen)?;
        let listener = TlsListener::from_listener(socket, acceptor);
        println!("READY {}", listener.local_addr().map_err(listen)?);
        let is_verbose = self.verbosity.is_verbose();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            let incoming = match listener.accept().await {
                Ok(incoming) => incoming,
                Err(error) if self.once => return Err(Failure::transport("accepting", &error)),
                Err(error) => {
                    eprintln!("portcullis: accepting: {error}");
                    continue;
                }
            };
            if self.once {
                return service.serve(incoming, is_verbose).await;
            }
            let service = service.clone();
            tokio::spawn(async move {
                let peer = incoming.peer_addr();
                if let Err(failure) = service.serve(incoming, is_verbose).await {
                    eprintln!("portcullis: {peer}: {failure}");
                }
                drop(place);
            });
        }
    }

    /// What to do, if the options go together.
    fn service(&self) -> Result<Service, Failure> {
        if self.cafile.is_some() && self.client_auth == ClientAuth::None {
            return Err(Failure::usage(
                "--cafile has no effect without --client-auth optional or required",
            ));
        }
        let service = match (&self.dir, self.www) {
            (Some(folder), _) => Service::Files(Folder::open(folder)?),
            (None, true) => Service::Page,
            (None, false) => return Ok(Service::Echo),
        };
        match self.alpn.iter().find(|name| !HTTP.contains(&name.as_str())) {
            Some(other) => Err(Failure::usage(format!(
                "--alpn {other}: --www and --dir speak {} alone",
                HTTP.join(" and ")
            ))),
            None => Ok(service),
        }
    }

    fn config(&self) -> Result<ServerConfig, Failure> {
        let usage = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let identity = match &self.cert {
            Some(cert) => Some(cert::identity(cert, self.key.as_deref()).map_err(usage)?),
            // Whoever has no key is to get nothing in its place.
            None if self.keys.are_there() && self.ciphers.is_empty() => None,
            None => {
                let made = cert::Leaf::for_localhost()?;
                let made = (made.certificate.as_bytes(), Some(made.key.as_bytes()));
                Some(Identity::from_pem(made.0, made.1).map_err(usage)?)
            }
        };
        let mut builder = ServerConfig::builder();
        if let Some(identity) = identity {
            builder = builder.identity(identity);
        }
        if let (Some(file), true) = (&self.cafile, self.client_auth != ClientAuth::None) {
            let roots = Roots::from_pem_file(file).map_err(usage)?;
            builder = builder.client_authentication(match self.client_auth {
                ClientAuth::Required => ClientAuthentication::Required(roots),
                _ => ClientAuthentication::Optional(roots),
            });
        }
        if let Some(algorithms::Versions(versions)) = &self.tls {
            builder = builder.versions(versions.clone());
        }
        if !self.groups.is_empty() {
            builder = builder.groups(self.groups.clone());
        }
        let named = self.keys.ciphers(&self.ciphers, self.tls.as_ref());
        let ciphers = self.users.ciphers(&named);
        if !ciphers.is_empty() {
            builder = builder.cipher_suites(ciphers);
        }
        for key in self.keys.load()? {
            builder = builder.psk(key);
        }
        if let Some(users) = self.users.load()? {
            builder = builder.srp_users(users);
        }
        builder = builder.resumption(false);
        if self.tickets {
            builder = builder.ticket_keys(TicketKeys::rotating(TICKET_KEYS_SEAL).map_err(usage)?);
        }
        // A client that speaks HTTP/2 alone is to hear so in the handshake, not in its midst.
        let speaks_http = self.www || self.dir.is_some();
        builder = match self.alpn.is_empty() && speaks_http {
            true => builder.alpn(HTTP),
            false => builder.alpn(&self.alpn),
        };
        builder
            .key_log(self.keylog.is_some())
            .build()
            .map_err(usage)
    }
}

/// What is done with a connection.
#[derive(Clone, Debug)]
enum Service {
    /// What comes goes back.
    Echo,
    /// A page with what was negotiated.
    Page,
    /// The files of a folder.
    Files(Folder),
}

impl Service {
    /// One connection from handshake to close.
    async fn serve(&self, incoming: Incoming, is_verbose: bool) -> Result<(), Failure> {
        let peer = incoming.peer_addr();
        let stream = incoming
            .handshake()
            .await
            .map_err(|error| Failure::handshake(&error))?;
        if is_verbose {
            eprint!(
                "{:<17}{peer}\n{}",
                "client:",
                report::text(stream.information())
            );
        }
        let served = match self {
            Self::Echo => echo(stream).await,
            Self::Page => http::page(stream).await,
            Self::Files(folder) => http::file(stream, folder).await,
        };
        served.map_err(|error| Failure::connection(&error))
    }
}

/// Gives back what comes.
async fn echo(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        let Some(data) = buffer.get(..count).filter(|data| !data.is_empty()) else {
            break;
        };
        stream.write_all(data).await?;
        stream.flush().await?;
    }
    Ok(stream.close(CLOSE_WITHIN).await?)
}
