//! A server to measure.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use portcullis::pki_types::UnixTime;
use portcullis::session::{AntiReplay, BloomFilters, TicketKeys};
use portcullis::{Identity, Incoming, ServerConfig, TlsAcceptor, TlsListener, TlsStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::{plain, process};
use crate::cert::{self, KeyPassword};
use crate::failure::Failure;
use crate::spoken::Spoken;

/// How much is read, or sent, at a time.
pub(super) const PART: usize = 64 << 10;
/// How long a client may take to close after we have.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// How long a ticket key seals.
const PERIOD: Duration = Duration::from_secs(7_200);
/// How many failures are said; a load has very many of the same.
const SAID: u32 = 20;
/// How long nothing is accepted after the system could not.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen: ADDRESS:PORT; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = crate::parse_listen, default_value = "127.0.0.1:4433")]
    listen: SocketAddr,
    /// What it does with data.
    #[arg(long, value_enum, default_value_t = Service::Echo)]
    service: Service,
    /// Speak no TLS: what stands behind a proxy that terminates it.
    #[arg(long, conflicts_with_all = ["cert", "tls", "groups", "ciphers", "alpn", "no_tickets", "early_data"])]
    plain: bool,
    /// The certificate chain (PEM). Without one a certificate is made for localhost.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key of --cert (PEM), if it is in a file of its own.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    #[command(flatten)]
    password: KeyPassword,
    #[command(flatten)]
    spoken: Spoken,
    /// Give no tickets.
    #[arg(long, conflicts_with = "early_data")]
    no_tickets: bool,
    /// Accept so many bytes of early data, 16,384 unless it is said.
    #[arg(long, value_name = "BYTES", num_args = 0..=1, default_missing_value = "16384", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    early_data: Option<u32>,
    /// The most connections at a time, 1 to 1,000,000; others wait to be accepted.
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Service {
    /// What comes goes back.
    Echo,
    /// What comes is thrown away.
    Discard,
    /// Sends without end, and throws away what comes.
    Source,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        process::raise_descriptor_limit();
        let listen = |error| Failure::transport(&format!("listening on {}", self.listen), &error);
        let service = self.service;
        if self.plain {
            let socket = TcpListener::bind(self.listen).await.map_err(listen)?;
            println!("READY {}", socket.local_addr().map_err(listen)?);
            let accept = async || socket.accept().await.map(|(io, _)| io);
            let serve = move |io| async move {
                let served = plain::serve(service, io).await;
                served.map_err(|error| Failure::transport("a connection", &error))
            };
            return self.accept(accept, serve).await;
        }
        let acceptor = TlsAcceptor::new(self.config()?);
        let socket = TcpListener::bind(self.listen).await.map_err(listen)?;
        let listener = TlsListener::from_listener(socket, acceptor);
        println!("READY {}", listener.local_addr().map_err(listen)?);
        let takes_early_data = self.early_data.is_some();
        let serve = move |incoming| service.serve(incoming, takes_early_data);
        self.accept(async || listener.accept().await, serve).await
    }

    /// Accepts without end, each connection in a task of its own.
    async fn accept<T, F: Future<Output = Result<(), Failure>> + Send + 'static>(
        &self,
        accept: impl AsyncFn() -> std::io::Result<T>,
        serve: impl Fn(T) -> F,
    ) -> Result<(), Failure> {
        let places = Arc::new(Semaphore::new(self.max_connections as usize));
        let said = Arc::new(AtomicU32::new(0));
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            let accepted = match accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    say(&said, &format!("accepting: {error}"));
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let (said, served) = (Arc::clone(&said), serve(accepted));
            tokio::spawn(async move {
                if let Err(failure) = served.await {
                    say(&said, &failure.to_string());
                }
                drop(place);
            });
        }
    }

    fn config(&self) -> Result<ServerConfig, Failure> {
        let misuse = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let identity = match &self.cert {
            Some(cert) => self.password.identity(cert, self.key.as_deref())?,
            None => {
                let made = cert::Leaf::for_localhost()?;
                Identity::from_pem(made.certificate.as_bytes(), Some(made.key.as_bytes()))
                    .map_err(misuse)?
            }
        };
        let builder = ServerConfig::builder().identity(identity);
        let mut builder = self.spoken.server(builder, self.spoken.ciphers.clone());
        builder = match self.no_tickets {
            true => builder.resumption(false),
            false => builder.ticket_keys(TicketKeys::rotating(PERIOD).map_err(misuse)?),
        };
        if let Some(most) = self.early_data {
            // Nothing was accepted with keys that have just been made.
            let since = UnixTime::since_unix_epoch(Duration::ZERO);
            let guard = AntiReplay::local(BloomFilters::LARGE, since).map_err(misuse)?;
            builder = builder.early_data(guard).max_early_data(most);
        }
        builder.build().map_err(misuse)
    }
}

/// Says the first failures, and that there are more.
fn say(said: &AtomicU32, what: &str) {
    match said.fetch_add(1, Ordering::Relaxed) {
        0..SAID => eprintln!("portcullis: {what}"),
        SAID => eprintln!("portcullis: there are more failures, which are not said"),
        // It stays above.
        _ => said.store(SAID.saturating_add(1), Ordering::Relaxed),
    }
}

impl Service {
    async fn serve(self, incoming: Incoming, takes_early_data: bool) -> Result<(), Failure> {
        let (stream, early) = match takes_early_data {
            true => early(incoming).await?,
            false => {
                let stream = incoming.handshake().await;
                (
                    stream.map_err(|error| Failure::handshake(&error))?,
                    Vec::new(),
                )
            }
        };
        let served = match self {
            Self::Echo => echo(stream, &early).await,
            Self::Discard => discard(stream).await,
            Self::Source => source(stream).await,
        };
        served.map_err(|error| Failure::connection(&error))
    }
}

/// A handshake, with the data that came before its end: what the tickets allow at most.
async fn early(incoming: Incoming) -> Result<(TlsStream<TcpStream>, Vec<u8>), Failure> {
    let failed = |error: portcullis::Error| Failure::handshake(&error);
    let mut early = incoming.handshake_with_early_data().await.map_err(failed)?;
    let mut data = Vec::new();
    let read = early.reader().read_to_end(&mut data).await;
    read.map_err(|error| Failure::connection(&error))?;
    Ok((early.handshake().await.map_err(failed)?, data))
}

async fn echo(mut stream: TlsStream<TcpStream>, early: &[u8]) -> std::io::Result<()> {
    if !early.is_empty() {
        stream.send(&[early]).await?;
    }
    let mut part = vec![0; PART];
    loop {
        let count = stream.read(&mut part).await?;
        let Some(data) = part.get(..count).filter(|data| !data.is_empty()) else {
            break;
        };
        stream.send(&[data]).await?;
    }
    Ok(stream.close(CLOSE_WITHIN).await?)
}

async fn discard(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let mut part = vec![0; PART];
    while stream.read(&mut part).await? > 0 {}
    Ok(stream.close(CLOSE_WITHIN).await?)
}

/// Ends when the client does.
async fn source(stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let (mut reading, mut writing) = stream.into_split();
    let (data, mut part) = (vec![b'x'; PART], vec![0; PART]);
    let send = async {
        // A client that has enough goes, which is no failure.
        while writing.send(&[&data]).await.is_ok() {}
    };
    let until_closed = async { while matches!(reading.read(&mut part).await, Ok(1..)) {} };
    tokio::select! {
        () = send => {}
        () = until_closed => {}
    }
    writing.shutdown().await
}
