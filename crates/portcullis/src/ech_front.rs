//! The server in front: it decrypts hellos, and passes connections to the servers that they are for.
//!
//! RFC 9849 §3.1 (split mode).

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use portcullis_core::ech::EchKeys;
use portcullis_core::{ClientHelloView, FrontStep, Stage};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use crate::error::Error;
use crate::relay::{RelayEnd, RelayOptions, RelayOutcome, relay};

/// What is read at once.
const CHUNK: usize = 4_096;
/// How long one direction may go on without a byte when the other has ended.
const HALF_CLOSED: Duration = Duration::from_secs(30);
/// A fatal internal_error (RFC 8446 §6.2), as a server says it that cannot go on.
const INTERNAL_ERROR: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

/// Decrypts hellos (RFC 9849) for servers that are behind it, each of which has a configuration with
/// [`ech_backend`](crate::config::ServerConfigBuilder::ech_backend), and certificates of its own.
///
/// It has no keys of TLS and reads nothing but the hellos. Between it and the servers behind has to be something that
/// others cannot read, a private network or a tunnel: what was hidden stands in the clear there.
///
/// ```no_run
/// use portcullis::{EchFront, Fronted, TlsAcceptor};
/// use tokio::net::{TcpListener, TcpStream};
///
/// # async fn serve(keys: portcullis::ech::EchKeys, own: TlsAcceptor) -> Result<(), Box<dyn std::error::Error>> {
/// let front = EchFront::new(keys);
/// let listener = TcpListener::bind("0.0.0.0:443").await?;
/// loop {
///     let (io, _) = listener.accept().await?;
///     let (front, own) = (front.clone(), own.clone());
///     tokio::spawn(async move {
///         match front.accept(io).await? {
///             Fronted::Routed(routed) => {
///                 let backend = match routed.server_name() {
///                     Some("secret.example") => TcpStream::connect("10.0.0.7:443").await,
///                     _ => TcpStream::connect("10.0.0.8:443").await,
///                 };
///                 routed.splice(backend.map_err(|_| portcullis::Misuse::new("no backend"))?).await?;
///             }
///             // This server has the same keys, and tells clients of them that have others.
///             Fronted::NotOurs { io, received } => {
///                 let _stream = own.upgrade_with_prefix(io, received).await?;
///             }
///         }
///         Ok::<_, portcullis::Error>(())
///     });
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EchFront {
    keys: EchKeys,
    limit: Duration,
    idle: Duration,
}

/// What a connection is.
pub enum Fronted<IO> {
    /// It is for a server behind.
    Routed(Box<Routed<IO>>),
    /// Its hello is not encrypted, or for other keys, or it is none: for this side's own server.
    NotOurs {
        /// The transport.
        io: IO,
        /// What was read from it.
        received: bytes::Bytes,
    },
}

/// A connection whose hello was decrypted.
pub struct Routed<IO> {
    io: IO,
    front: portcullis_core::EchFront,
    hello: ClientHelloView,
    limit: Duration,
    idle: Duration,
}

impl<IO> fmt::Debug for Fronted<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Routed(routed) => f.debug_tuple("Routed").field(routed).finish(),
            Self::NotOurs { received, .. } => f
                .debug_struct("NotOurs")
                .field("received", &received.len())
                .finish_non_exhaustive(),
        }
    }
}

/// Not what was encrypted.
impl<IO> fmt::Debug for Routed<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routed")
            .field("front", &self.front)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl EchFront {
    /// Hellos for these keys, which can be [replaced](EchKeys::replace), with 10 seconds for each.
    pub const fn new(keys: EchKeys) -> Self {
        Self {
            keys,
            limit: Duration::from_secs(10),
            idle: Duration::from_secs(3_600),
        }
    }

    /// How long a client may take for its hello, and a server behind for its answer, each time. Default: 10 seconds.
    #[must_use]
    pub const fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// How long a connection that is passed on may be without a byte. Default: an hour. Once one direction has ended, the
    /// other has 30 seconds without a byte, or this if it is less.
    #[must_use]
    pub const fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// Passes a connection that is [not for those behind](Fronted::NotOurs) on to a server that is not in this process, to
    /// its end: what was `received` and then every byte as it is, as [`Routed::splice`] does. What was received counts as
    /// relayed.
    ///
    /// # Errors
    /// When the server does not take what was received, in time or at all.
    ///
    /// # Cancel safety
    /// Dropped, both transports are cut, see [`relay`](crate::relay()); before the server has what was received, they are
    /// closed.
    pub async fn pass_on<IO, B>(
        &self,
        io: IO,
        received: bytes::Bytes,
        mut server: B,
    ) -> Result<RelayOutcome, Error>
    where
        IO: RelayEnd,
        B: RelayEnd,
    {
        match timeout(self.limit, server.write_all(&received)).await {
            Ok(written) => written.map_err(of_transport)?,
            Err(_) => return Err(Error::timeout(Stage::WaitServerHello, self.limit)),
        }
        let mut outcome = relay(io, server, options(self.idle)).await;
        outcome.a_to_b.bytes += received.len() as u64;
        Ok(outcome)
    }

    /// Reads the hello.
    ///
    /// # Errors
    /// When the client breaks a rule, is silent for too long, or the transport fails; the client is told why, if that is
    /// possible.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub async fn accept<IO>(&self, mut io: IO) -> Result<Fronted<IO>, Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut front = portcullis_core::EchFront::new(self.keys.clone());
        let reading = async {
            let mut chunk = vec![0; CHUNK];
            loop {
                match front.poll() {
                    Ok(FrontStep::Wait) => {}
                    Ok(step) => return Ok(step),
                    Err(error) => return Err(refuse(&mut io, &front, error).await),
                }
                let mut buf = ReadBuf::new(&mut chunk);
                poll_fn(|cx| Pin::new(&mut io).poll_read(cx, &mut buf))
                    .await
                    .map_err(of_transport)?;
                match buf.filled() {
                    [] => return Err(of_transport(io::ErrorKind::UnexpectedEof.into())),
                    bytes => front.receive_client(bytes),
                }
            }
        };
        let step = timeout(self.limit, reading).await;
        match step.map_err(|_| Error::timeout(Stage::WaitClientHello, self.limit))?? {
            FrontStep::Routed(hello) => Ok(Fronted::Routed(Box::new(Routed {
                io,
                front,
                hello,
                limit: self.limit,
                idle: self.idle,
            }))),
            FrontStep::NotOurs(received) => Ok(Fronted::NotOurs {
                io,
                received: received.into(),
            }),
            _ => Err(Error::closed()),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Fronted<IO> {
    /// Tells the client that there is no server for it now, by a fatal internal_error (RFC 8446 §6.2), and closes. It waits
    /// for no more than a second.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed, and the client may not have heard why.
    pub async fn decline(self) {
        let mut io = match self {
            Self::Routed(routed) => routed.io,
            Self::NotOurs { io, .. } => io,
        };
        let declined = async {
            io.write_all(&INTERNAL_ERROR).await?;
            io.shutdown().await
        };
        // A client that does not take seven bytes does not want to know.
        let _ = timeout(Duration::from_secs(1), declined).await;
    }
}

/// How connections are passed on.
fn options(idle: Duration) -> RelayOptions {
    RelayOptions::new()
        .idle(idle)
        .half_close(HALF_CLOSED.min(idle))
}

/// Tells the client why.
async fn refuse<IO: AsyncWrite + Unpin>(
    io: &mut IO,
    front: &portcullis_core::EchFront,
    error: portcullis_core::Error,
) -> Error {
    if let Some(alert) = front.alert() {
        let _ = io.write_all(&alert).await;
        let _ = io.shutdown().await;
    }
    error.into()
}

fn of_transport(error: io::Error) -> Error {
    Error::io(error, Stage::WaitClientHello)
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Routed<IO> {
    /// The server that the client wants, in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.hello.server_name()
    }

    /// What the client says to it.
    pub const fn client_hello(&self) -> &ClientHelloView {
        &self.hello
    }

    /// The transport, e.g. for the client's address.
    pub const fn get_ref(&self) -> &IO {
        &self.io
    }

    /// Passes the connection on, to its end: the hello, a second one where the server behind asks for it, and then every
    /// byte as it is, as [`relay`](crate::relay()) does, with [`EchFront::idle_timeout`]. Gives what was behind the hellos,
    /// and how both sides have ended.
    ///
    /// # Errors
    /// Before the hellos are passed on: when one of the transports fails, the client breaks a rule in its second hello, or
    /// one of the two is silent for too long.
    ///
    /// # Cancel safety
    /// Dropped, both transports are cut, see [`relay`](crate::relay()); before the hellos are passed on, they are closed.
    pub async fn splice<B: RelayEnd>(mut self, mut backend: B) -> Result<RelayOutcome, Error>
    where
        IO: RelayEnd,
    {
        let (limit, idle) = (self.limit, self.idle);
        let hellos = self.pass_hellos(&mut backend);
        match timeout(limit, hellos).await {
            Ok(passed) => passed?,
            Err(_) => return Err(Error::timeout(Stage::WaitServerHello, limit)),
        }
        Ok(relay(self.io, backend, options(idle)).await)
    }

    async fn pass_hellos<B>(&mut self, backend: &mut B) -> Result<(), Error>
    where
        B: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut of_client, mut of_backend) = (vec![0; CHUNK], vec![0; CHUNK]);
        loop {
            let step = match self.front.poll() {
                Ok(step) => step,
                Err(error) => return Err(refuse(&mut self.io, &self.front, error).await),
            };
            match step {
                FrontStep::ToBackend(bytes) => {
                    backend.write_all(&bytes).await.map_err(of_transport)?;
                    backend.flush().await.map_err(of_transport)?;
                }
                FrontStep::ToClient(bytes) => {
                    self.io.write_all(&bytes).await.map_err(of_transport)?;
                    self.io.flush().await.map_err(of_transport)?;
                }
                FrontStep::Wait => {
                    let mut client = ReadBuf::new(&mut of_client);
                    let mut server = ReadBuf::new(&mut of_backend);
                    let io = &mut self.io;
                    poll_fn(|cx| {
                        let read = Pin::new(&mut *io).poll_read(cx, &mut client);
                        let answered = Pin::new(&mut *backend).poll_read(cx, &mut server);
                        match (read, answered) {
                            (Poll::Pending, Poll::Pending) => Poll::Pending,
                            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => {
                                Poll::Ready(Err(error))
                            }
                            // The end of one of them, before it has said what it has to.
                            (Poll::Ready(Ok(())), _) if client.filled().is_empty() => {
                                Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
                            }
                            (_, Poll::Ready(Ok(()))) if server.filled().is_empty() => {
                                Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
                            }
                            _ => Poll::Ready(Ok(())),
                        }
                    })
                    .await
                    .map_err(of_transport)?;
                    self.front.receive_client(client.filled());
                    self.front.receive_backend(server.filled());
                }
                FrontStep::Transparent => return Ok(()),
                _ => return Err(Error::closed()),
            }
        }
    }
}
