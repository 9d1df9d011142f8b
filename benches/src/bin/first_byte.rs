//! How long a client waits for the first byte of an answer when the way there takes long.
//!
//! `cargo run --release -p portcullis-benches --bin first_byte [ROUNDS]` prints a Markdown table: a connection through a
//! proxy on loopback that gives on what it reads after 25 ms, so a round trip takes 50 ms; from before the TCP
//! connection to the proxy until the answer's first byte, in a full handshake, a resumed one, and one whose question
//! is early data (of portcullis alone: tokio-rustls has a switch for it when it is built, which would be on in the other
//! measurements as well).

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::pki_types::UnixTime;
use portcullis::session::{AntiReplay, BloomFilters};
use portcullis_benches::pki::{Pki, SERVER_NAME};
use portcullis_benches::processor::Processor;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant as At, sleep_until};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const DELAY: Duration = Duration::from_millis(25);
const QUESTION: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// What the client does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Full,
    Resumed,
    Early,
}

/// Gives on what comes, [`DELAY`] later.
async fn delay(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (tell, mut hear) = mpsc::unbounded_channel();
    let read = async {
        loop {
            let mut buffer = vec![0; 16_384];
            let count = from.read(&mut buffer).await?;
            buffer.truncate(count);
            if tell.send((At::now() + DELAY, buffer)).is_err() || count == 0 {
                return io::Result::Ok(());
            }
        }
    };
    let write = async {
        while let Some((when, data)) = hear.recv().await {
            sleep_until(when).await;
            if data.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&data).await?;
        }
        Ok(())
    };
    tokio::try_join!(read, write).map(|_| ())
}

/// The address of a proxy before this one. TCP itself connects without a delay.
async fn proxy(server: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let server = TcpStream::connect(server).await?;
                client.set_nodelay(true)?;
                server.set_nodelay(true)?;
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::try_join!(delay(from_client, to_server), delay(from_server, to_client))
            });
        }
    });
    Ok(address)
}

async fn answered(stream: &mut (impl AsyncRead + Unpin), start: Instant) -> io::Result<Duration> {
    stream.read_u8().await?;
    let waited = start.elapsed();
    // Tickets come after the client's Finished, so after an answer to early data.
    stream.read_to_end(&mut Vec::new()).await?;
    Ok(waited)
}

/// A client, and its server behind the proxy.
trait Client {
    /// `None` where the stack is not asked.
    async fn wait(&self, way: Way) -> Result<Option<Duration>>;
}

struct Ours {
    connector: portcullis::TlsConnector,
    address: SocketAddr,
}

impl Ours {
    async fn new(pki: &Pki) -> Result<Self> {
        let chain = vec![pki.ecdsa_p256.certificate.clone().into()];
        let key = pki.ecdsa_p256.key.as_slice().try_into()?;
        let nothing_before = UnixTime::since_unix_epoch(Duration::ZERO);
        let config = portcullis::ServerConfig::builder()
            .identity(portcullis::Identity::from_der(chain, &key)?)
            .early_data(AntiReplay::local(BloomFilters::LARGE, nothing_before)?)
            .build()?;
        let listener = portcullis::TlsListener::bind("127.0.0.1:0", config).await?;
        let address = proxy(listener.local_addr()?).await?;
        tokio::spawn(async move {
            while let Ok(incoming) = listener.accept().await {
                tokio::spawn(async move {
                    let mut early = incoming.handshake_with_early_data().await?;
                    let mut question = vec![0; QUESTION.len()];
                    let read = early.reader().read(&mut question).await?;
                    if read > 0 {
                        // Half a round trip after the hello, the server can answer.
                        if let Some(mut writer) = early.writer() {
                            writer.write_all(ANSWER).await?;
                            writer.flush().await?;
                        }
                        let mut stream = early.handshake().await?;
                        stream.shutdown().await?;
                        return Ok(());
                    }
                    let mut stream = early.handshake().await?;
                    stream.read_exact(&mut question).await?;
                    stream.send(&[ANSWER]).await?;
                    stream.shutdown().await?;
                    io::Result::Ok(())
                });
            }
        });
        let mut roots = portcullis::Roots::empty();
        roots.add_der(pki.root.clone())?;
        let config = portcullis::ClientConfig::builder(roots).build()?;
        Ok(Self {
            connector: portcullis::TlsConnector::new(config),
            address,
        })
    }
}

impl Client for Ours {
    async fn wait(&self, way: Way) -> Result<Option<Duration>> {
        let start = Instant::now();
        let mut stream = match way {
            Way::Early => {
                let connecting =
                    self.connector
                        .connect_with_early_data(self.address, SERVER_NAME, QUESTION);
                let (stream, outcome) = connecting.await?;
                if outcome.into_unsent().is_some() {
                    return Err("early data was not taken".into());
                }
                stream
            }
            Way::Full | Way::Resumed => {
                let connector = match way {
                    // A store of its own has nothing.
                    Way::Full => self
                        .connector
                        .clone()
                        .session_store(Arc::<portcullis::MemorySessionStore>::default()),
                    _ => self.connector.clone(),
                };
                let mut stream = connector.connect(self.address, SERVER_NAME).await?;
                stream.send(&[QUESTION]).await?;
                stream
            }
        };
        let waited = answered(&mut stream, start).await?;
        if stream.is_resumed() != (way != Way::Full) {
            return Err("it was resumed, or not".into());
        }
        Ok(Some(waited))
    }
}

struct Rustls {
    full: tokio_rustls::TlsConnector,
    connector: tokio_rustls::TlsConnector,
    address: SocketAddr,
}

impl Rustls {
    async fn new(pki: &Pki) -> Result<Self> {
        let key = PrivateKeyDer::try_from(pki.ecdsa_p256.key.clone())?;
        let chain = vec![pki.ecdsa_p256.certificate.clone().into()];
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = proxy(listener.local_addr()?).await?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    stream.set_nodelay(true)?;
                    let mut stream = acceptor.accept(stream).await?;
                    let mut question = vec![0; QUESTION.len()];
                    stream.read_exact(&mut question).await?;
                    stream.write_all(ANSWER).await?;
                    stream.flush().await?;
                    stream.shutdown().await?;
                    io::Result::Ok(())
                });
            }
        });
        let client = || -> Result<rustls::ClientConfig> {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(pki.root.clone().into())?;
            Ok(
                rustls::ClientConfig::builder_with_provider(provider.clone())
                    .with_safe_default_protocol_versions()?
                    .with_root_certificates(roots)
                    .with_no_client_auth(),
            )
        };
        let (mut full, resuming) = (client()?, client()?);
        full.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            full: Arc::new(full).into(),
            connector: Arc::new(resuming).into(),
            address,
        })
    }
}

impl Client for Rustls {
    async fn wait(&self, way: Way) -> Result<Option<Duration>> {
        let connector = match way {
            Way::Full => self.full.clone(),
            Way::Resumed => self.connector.clone(),
            Way::Early => return Ok(None),
        };
        let start = Instant::now();
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut stream = connector
            .connect(ServerName::try_from(SERVER_NAME)?, stream)
            .await?;
        stream.write_all(QUESTION).await?;
        stream.flush().await?;
        let waited = answered(&mut stream, start).await?;
        let kind = stream.get_ref().1.handshake_kind();
        if (kind == Some(rustls::HandshakeKind::Resumed)) != (way == Way::Resumed) {
            return Err("it was resumed, or not".into());
        }
        Ok(Some(waited))
    }
}

async fn row(name: &str, client: &impl Client, rounds: usize) -> Result<()> {
    let mut cells = Vec::new();
    // A session for those that resume.
    let _ = client.wait(Way::Resumed).await;
    for way in [Way::Full, Way::Resumed, Way::Early] {
        let mut waited = Vec::new();
        for _ in 0..rounds {
            waited.extend(client.wait(way).await?);
        }
        waited.sort();
        cells.push(match waited.get(rounds / 2) {
            Some(median) => format!("{:.1} ms", median.as_secs_f64() * 1e3),
            None => "–".to_owned(),
        });
    }
    println!("| {name} | {} |", cells.join(" | "));
    Ok(())
}

fn main() -> Result<()> {
    let rounds = std::env::args()
        .nth(1)
        .map_or(Ok(21), |rounds| rounds.parse())?;
    let pki = Pki::generate()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        println!(
            "The first byte of an answer over a round trip of 50 ms; medians of {rounds}. {}",
            Processor::here()
        );
        println!("\n| | full | resumed | early data |\n|---|---|---|---|");
        row("portcullis", &Ours::new(&pki).await?, rounds).await?;
        row("tokio-rustls", &Rustls::new(&pki).await?, rounds).await
    })
}
