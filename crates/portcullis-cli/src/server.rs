//! `portcullis server`: echo, or a page with what was negotiated.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use portcullis::session::TicketKeys;
use portcullis::suite::CipherSuite;
use portcullis::{
    ClientAuthentication, Identity, Incoming, NamedGroup, Roots, ServerConfig, TlsAcceptor,
    TlsListener, TlsStream,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::failure::Failure;
use crate::{algorithms, cert, key_log, report};

/// How long a client may take to close after we have.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// How long a client may take to send its request.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// How long a key seals tickets, in seconds; it opens them for as long again.
const TICKET_KEYS_SEAL: u32 = 7_200;
/// The longest request that is read, in bytes.
const MAX_REQUEST: u64 = 64 * 1024;

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
    /// Whether clients show a certificate.
    #[arg(long, value_enum, default_value_t = ClientAuth::None, requires_ifs = [("optional", "cafile"), ("required", "cafile")])]
    client_auth: ClientAuth,
    /// The authorities of client certificates (PEM).
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Application protocols in order of preference, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    alpn: Vec<String>,
    /// Groups in order of preference, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = algorithms::group, value_name = "NAMES")]
    groups: Vec<NamedGroup>,
    /// Cipher suites in order of preference, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = algorithms::cipher, value_name = "NAMES")]
    ciphers: Vec<CipherSuite>,
    /// Give clients tickets, and resume their sessions.
    #[arg(long)]
    tickets: bool,
    /// Append the connections' secrets to this file (SSLKEYLOGFILE format).
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// Serve one connection and exit; the exit code says how it went.
    #[arg(long)]
    once: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClientAuth {
    None,
    Optional,
    Required,
}

impl Server {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut acceptor = TlsAcceptor::new(self.config()?);
        if let Some(log) = key_log(self.keylog.as_deref())? {
            acceptor = acceptor.key_log(log);
        }
        let listen = |error| Failure::transport(&format!("listening on {}", self.listen), &error);
        let socket = TcpListener::bind(self.listen).await.map_err(listen)?;
        let listener = TlsListener::from_listener(socket, acceptor);
        println!("READY {}", listener.local_addr().map_err(listen)?);
        loop {
            let incoming = match listener.accept().await {
                Ok(incoming) => incoming,
                Err(error) if self.once => return Err(Failure::transport("accepting", &error)),
                Err(error) => {
                    eprintln!("portcullis: accepting: {error}");
                    continue;
                }
            };
            let www = self.www;
            if self.once {
                return serve(incoming, www).await;
            }
            tokio::spawn(async move {
                let peer = incoming.peer_addr();
                if let Err(failure) = serve(incoming, www).await {
                    eprintln!("portcullis: {peer}: {failure}");
                }
            });
        }
    }

    fn config(&self) -> Result<ServerConfig, Failure> {
        let usage = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let identity = match &self.cert {
            Some(cert) => Identity::from_pem_files(cert, self.key.as_deref()).map_err(usage)?,
            None => {
                let made = cert::Development::new(&[
                    "localhost".into(),
                    "127.0.0.1".into(),
                    "::1".into(),
                ])?;
                Identity::from_pem(made.leaf.as_bytes(), Some(made.key.as_bytes()))
                    .map_err(usage)?
            }
        };
        let mut builder = ServerConfig::builder().identity(identity);
        if let (Some(file), true) = (&self.cafile, self.client_auth != ClientAuth::None) {
            let roots = Roots::from_pem_file(file).map_err(usage)?;
            builder = builder.client_authentication(match self.client_auth {
                ClientAuth::Required => ClientAuthentication::Required(roots),
                _ => ClientAuthentication::Optional(roots),
            });
        }
        if !self.groups.is_empty() {
            builder = builder.groups(self.groups.clone());
        }
        if !self.ciphers.is_empty() {
            builder = builder.cipher_suites(self.ciphers.clone());
        }
        if self.tickets {
            builder = builder.ticket_keys(TicketKeys::rotating(TICKET_KEYS_SEAL).map_err(usage)?);
        }
        builder
            .alpn(&self.alpn)
            .key_log(self.keylog.is_some())
            .build()
            .map_err(usage)
    }
}

/// One connection from handshake to close.
async fn serve(incoming: Incoming, www: bool) -> Result<(), Failure> {
    let stream = incoming
        .handshake()
        .await
        .map_err(|error| Failure::handshake(error.error()))?;
    let served = if www {
        page(stream).await
    } else {
        echo(stream).await
    };
    served.map_err(|error| Failure::connection(&error))
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

/// Answers one HTTP request with what was negotiated.
async fn page(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let request = async {
        let mut head = (&mut stream).take(MAX_REQUEST);
        let mut line = Vec::new();
        loop {
            line.clear();
            let count = head.read_until(b'\n', &mut line).await?;
            if count == 0 || line == b"\r\n" || line == b"\n" {
                return std::io::Result::Ok(());
            }
        }
    };
    match tokio::time::timeout(REQUEST_WITHIN, request).await {
        Ok(read) => read?,
        Err(_) => {
            return Err(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "the client sent no request",
            ));
        }
    }
    let body = report::text(stream.information());
    let head = format!(
        "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    Ok(stream.close(CLOSE_WITHIN).await?)
}
