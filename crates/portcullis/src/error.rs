//! What went wrong on a connection: the stage, the alert, and the facts.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{AlertDescription, Direction, Misuse, Reason, Stage, Violation};

use crate::packet::PacketError;

/// Why a handshake or a connection failed.
///
/// Cheap to clone; a connection that has failed gives the same error to everyone who asks.
///
/// ```
/// use portcullis::{AlertDescription, Direction};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_, acceptor) = dev_ends();
/// # let (_, roots) = dev_identity();
/// # let stranger = portcullis::TlsConnector::new(portcullis::ClientConfig::builder(roots).build()?);
/// # let (near, far) = tokio::io::duplex(65_536);
/// # tokio::spawn(async move { acceptor.accept(far).await });
/// let error = stranger.upgrade(near, "localhost").await.unwrap_err();
/// // One sentence: what happened, when, and who sent which alert.
/// println!("{error}");
/// assert!(!error.is_timeout() && !error.is_closed());
/// assert!(matches!(error.alert(), Some((Direction::Sent, AlertDescription::UNKNOWN_CA))));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Error(Cause);

#[derive(Clone, Debug)]
enum Cause {
    Protocol(portcullis_core::Error),
    Io {
        error: Arc<io::Error>,
        stage: Stage,
    },
    Timeout {
        stage: Stage,
        /// Rare, and not to make every result larger.
        after: Box<Duration>,
    },
    Silence(Box<Duration>),
    /// A send that took longer than it may.
    LateSend(Box<LateSend>),
    /// The transport took nothing.
    Stalled(Box<Duration>),
    Closed,
    /// Of an environment that was shut down.
    ShutDown,
    Misuse(Misuse),
    Limit(&'static str),
    /// Of a peer's address.
    Crowded(&'static str),
    /// An option that cannot be so.
    Options(&'static str),
    /// The connection goes on.
    Packet(Box<PacketError>),
    /// Of a renegotiation.
    Declined,
    /// Of a connection made here.
    At(Arc<At>),
}

/// A send that took longer than it may.
#[derive(Clone, Copy, Debug)]
struct LateSend {
    after: Duration,
    sent: usize,
}

/// Whereto a connection was made, and what happened to it.
#[derive(Debug)]
struct At {
    destination: String,
    error: Error,
}

impl Error {
    pub(crate) fn io(error: io::Error, stage: Stage) -> Self {
        // An error of ours that went through an inner stream is ours again.
        let error = match error.downcast::<Self>() {
            Ok(ours) => return ours,
            Err(error) => error,
        };
        Self(Cause::Io {
            error: Arc::new(error),
            stage,
        })
    }

    pub(crate) fn timeout(stage: Stage, after: Duration) -> Self {
        Self(Cause::Timeout {
            stage,
            after: Box::new(after),
        })
    }

    /// The same, of the connection with this host, by these of its addresses.
    pub(crate) fn at(self, host: &str, port: Option<u16>, addresses: &[SocketAddr]) -> Self {
        let list = addresses.iter().map(ToString::to_string);
        let list = list.collect::<Vec<_>>().join(", ");
        let port = port.or_else(|| Some(addresses.first()?.port()));
        let destination = match (addresses, port) {
            ([address], _) if address.ip().to_string() == host => list,
            ([], None) => host.to_owned(),
            ([], Some(port)) => format!("{host}:{port}"),
            (_, Some(port)) => format!("{host}:{port} ({list})"),
            (_, None) => format!("{host} ({list})"),
        };
        let error = self;
        Self(Cause::At(Arc::new(At { destination, error })))
    }

    fn cause(&self) -> &Cause {
        match &self.0 {
            Cause::At(at) => at.error.cause(),
            cause => cause,
        }
    }

    pub(crate) fn silence(limit: Duration) -> Self {
        Self(Cause::Silence(Box::new(limit)))
    }

    pub(crate) fn late_send(after: Duration, sent: usize) -> Self {
        Self(Cause::LateSend(Box::new(LateSend { after, sent })))
    }

    pub(crate) fn stalled(limit: Duration) -> Self {
        Self(Cause::Stalled(Box::new(limit)))
    }

    pub(crate) fn shut_down() -> Self {
        Self(Cause::ShutDown)
    }

    pub(crate) fn closed() -> Self {
        Self(Cause::Closed)
    }

    pub(crate) fn declined() -> Self {
        Self(Cause::Declined)
    }

    pub(crate) fn limit(sentence: &'static str) -> Self {
        Self(Cause::Limit(sentence))
    }

    pub(crate) fn crowded(sentence: &'static str) -> Self {
        Self(Cause::Crowded(sentence))
    }

    pub(crate) fn option(sentence: &'static str) -> Self {
        Self(Cause::Options(sentence))
    }

    /// What the connection was doing.
    ///
    /// ```
    /// use portcullis::{Error, Stage};
    ///
    /// /// Whether another server may be tried: nothing of the application was sent to this one.
    /// fn may_be_tried_elsewhere(error: &Error) -> bool {
    ///     matches!(error.stage(), Stage::Connecting | Stage::Start)
    /// }
    /// ```
    pub fn stage(&self) -> Stage {
        match self.cause() {
            Cause::Protocol(error) => error.stage(),
            Cause::Io { stage, .. } | Cause::Timeout { stage, .. } => *stage,
            Cause::Silence(_) => Stage::WaitClientHello,
            Cause::Closed => Stage::Closed,
            Cause::Misuse(_) | Cause::Options(_) | Cause::Crowded(_) | Cause::ShutDown => {
                Stage::Start
            }
            Cause::Limit(_)
            | Cause::Packet(_)
            | Cause::Declined
            | Cause::LateSend(_)
            | Cause::Stalled(_) => Stage::Connected,
            Cause::At(at) => at.error.stage(),
        }
    }

    /// The fatal alert, and which side sent it; `None` when no alert was exchanged.
    pub fn alert(&self) -> Option<(Direction, AlertDescription)> {
        self.protocol()?.alert()
    }

    /// What happened in the protocol; `None` for a transport error, a timeout, and after close.
    pub fn reason(&self) -> Option<&Reason> {
        Some(self.protocol()?.reason())
    }

    /// The rule the peer broke, if that is the reason.
    pub fn violation(&self) -> Option<Violation> {
        self.protocol()?.violation()
    }

    /// A client whose hello was encrypted: its server did not accept that, and this is what can be tried (RFC 9849 §6.1.6).
    pub fn ech_rejection(&self) -> Option<&portcullis_core::ech::EchRejection> {
        self.protocol()?.ech_rejection()
    }

    /// The error of the protocol core, if it is one.
    pub fn protocol(&self) -> Option<&portcullis_core::Error> {
        match self.cause() {
            Cause::Protocol(error) => Some(error),
            _ => None,
        }
    }

    /// The error of the transport, if it is one.
    pub fn transport(&self) -> Option<&io::Error> {
        match self.cause() {
            Cause::Io { error, .. } => Some(error),
            _ => None,
        }
    }

    /// What is wrong with a packet, if it is that: the connection goes on, see
    /// [`Packets`](crate::Packets).
    pub fn packet(&self) -> Option<&PacketError> {
        match self.cause() {
            Cause::Packet(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the peer has sent what is no packet of the mode that was asked for, or too long a one.
    pub fn is_invalid_packet(&self) -> bool {
        matches!(
            self.packet(),
            Some(PacketError::TooLong { .. } | PacketError::Invalid { .. })
        )
    }

    /// Whether a client was turned away because its address has all that it
    /// [may have](crate::AddressLimits).
    pub fn is_over_limit(&self) -> bool {
        matches!(self.cause(), Cause::Crowded(_))
    }

    /// Whether time ran out.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self.cause(),
            Cause::Timeout { .. } | Cause::Silence(_) | Cause::LateSend(_) | Cause::Stalled(_)
        )
    }

    /// Of a [send](crate::TlsStream::send_timeout) for which time ran out, how many of its bytes were taken: they go out,
    /// and the rest was not looked at.
    pub fn sent(&self) -> Option<usize> {
        match self.cause() {
            Cause::LateSend(late) => Some(late.sent),
            _ => None,
        }
    }

    /// Whether nothing begins any more in the [`Environment`](crate::Environment), because it was shut down.
    pub fn is_shut_down(&self) -> bool {
        matches!(self.cause(), Cause::ShutDown)
    }

    /// Whether the connection was closed in good order: by the peer's close_notify, or here.
    pub fn is_closed(&self) -> bool {
        matches!(self.cause(), Cause::Closed) || matches!(self.reason(), Some(Reason::Closed))
    }

    /// Whether the transport of an established connection ended without close_notify, so that
    /// data may be missing (RFC 8446 §6.1).
    pub fn is_truncated(&self) -> bool {
        matches!(self.reason(), Some(Reason::Truncated))
    }

    /// Whether the peer closed the transport before the handshake was over.
    pub fn is_closed_in_handshake(&self) -> bool {
        matches!(self.reason(), Some(Reason::ClosedInHandshake { .. }))
    }

    /// Whether the handshake ended without a byte of the peer's: it closed, or was silent for
    /// longer than the [`first_byte_timeout`](crate::TlsAcceptor::first_byte_timeout). For a
    /// server these are port scans, health checks and connections made in advance, and no
    /// broken handshakes.
    pub fn is_silent_peer(&self) -> bool {
        matches!(self.cause(), Cause::Silence(_))
            || matches!(
                self.reason(),
                Some(Reason::ClosedInHandshake { received: 0, .. })
            )
    }

    /// Whether [`TlsStream::renegotiate`](crate::TlsStream::renegotiate) has failed because the peer
    /// does not want to, or has closed instead. The connection goes on as it was.
    pub fn is_renegotiation_refused(&self) -> bool {
        matches!(self.cause(), Cause::Declined)
    }

    /// Whether the peer is sent a fatal alert for it.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.alert(), Some((Direction::Sent, _)))
    }

    /// Whether the peer's fatal alert is the reason.
    pub(crate) fn is_received_alert(&self) -> bool {
        matches!(self.reason(), Some(Reason::AlertReceived(_)))
    }

    /// Whether the peer does not speak TLS.
    pub fn is_not_tls(&self) -> bool {
        matches!(self.reason(), Some(Reason::NotTls { .. }))
    }

    /// The kind that [`io::Error`] gets.
    pub fn kind(&self) -> io::ErrorKind {
        match self.cause() {
            Cause::Io { error, .. } => error.kind(),
            Cause::Timeout { .. } | Cause::Silence(_) | Cause::LateSend(_) | Cause::Stalled(_) => {
                io::ErrorKind::TimedOut
            }
            Cause::Closed | Cause::ShutDown => io::ErrorKind::BrokenPipe,
            Cause::Misuse(_) | Cause::Options(_) => io::ErrorKind::InvalidInput,
            Cause::Packet(error) => error.kind(),
            Cause::Limit(_) | Cause::Crowded(_) | Cause::Declined => io::ErrorKind::Other,
            Cause::At(at) => at.error.kind(),
            Cause::Protocol(error) => match error.reason() {
                Reason::ClosedInHandshake { .. } | Reason::Truncated => {
                    io::ErrorKind::UnexpectedEof
                }
                Reason::Closed => io::ErrorKind::BrokenPipe,
                Reason::Cancelled => io::ErrorKind::ConnectionAborted,
                Reason::AlertReceived(_) => io::ErrorKind::ConnectionAborted,
                Reason::Refused(_) => io::ErrorKind::PermissionDenied,
                Reason::Misuse(_) => io::ErrorKind::InvalidInput,
                Reason::Crypto(_) => io::ErrorKind::Other,
                _ => io::ErrorKind::InvalidData,
            },
        }
    }

    /// Finds this error in an [`io::Error`] that a stream gave.
    ///
    /// ```
    /// use portcullis::Error;
    /// use tokio::io::AsyncReadExt;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, server) = connected().await;
    /// # drop(server.into_inner());
    /// // Reading gives an `io::Error`, with an `Error` inside.
    /// let error = client.read(&mut [0; 1]).await.unwrap_err();
    /// assert!(Error::from_io(&error).is_some_and(|error| error.is_truncated()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_io(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Cause::Protocol(error) => error.fmt(f),
            Cause::Io { error, stage } => write!(f, "{error}, while {stage}"),
            Cause::Timeout { stage, after } => {
                write!(f, "timed out after {after:?}, while {stage}")
            }
            Cause::Silence(limit) => write!(
                f,
                "timed out: the client sent nothing within {limit:?} (`first_byte_timeout`)"
            ),
            Cause::LateSend(late) => write!(
                f,
                "timed out: after {:?} the peer has not taken what was sent; {} bytes of it are on their way",
                late.after, late.sent
            ),
            Cause::Stalled(limit) => write!(
                f,
                "timed out: the peer has taken nothing of what was sent for {limit:?} (`write_timeout`)"
            ),
            Cause::ShutDown => f.write_str("the environment was shut down"),
            Cause::Closed => f.write_str("the connection is closed"),
            Cause::Misuse(misuse) => misuse.fmt(f),
            Cause::Limit(sentence) | Cause::Crowded(sentence) | Cause::Options(sentence) => {
                f.write_str(sentence)
            }
            Cause::Packet(error) => error.fmt(f),
            Cause::Declined => {
                f.write_str("the peer does not renegotiate; the connection goes on as it was")
            }
            Cause::At(at) => write!(f, "{}: {}", at.destination, at.error),
        }
    }
}

/// `Display` says it all in one sentence; what stands behind that is the source.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.cause() {
            Cause::Protocol(error) => error.source(),
            Cause::Io { error, .. } => error.source(),
            Cause::Misuse(misuse) => misuse.source(),
            Cause::Packet(error) => error.source(),
            _ => None,
        }
    }
}

impl From<portcullis_core::Error> for Error {
    fn from(error: portcullis_core::Error) -> Self {
        Self(Cause::Protocol(error))
    }
}

impl From<PacketError> for Error {
    fn from(error: PacketError) -> Self {
        Self(Cause::Packet(Box::new(error)))
    }
}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        Self(Cause::Misuse(misuse))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

/// A handshake that failed on a transport of the caller's.
///
/// The transport comes back with what was read from it and not used.
pub struct HandshakeError<IO> {
    error: Error,
    transport: Option<IO>,
    unread: Vec<u8>,
}

impl<IO> HandshakeError<IO> {
    pub(crate) fn new(error: Error, transport: Option<IO>, unread: Vec<u8>) -> Self {
        Self {
            error,
            transport,
            unread,
        }
    }

    /// Why it failed.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The error, the transport, and the bytes that were read from it and not used.
    ///
    /// Unless the acceptor was told to [hold back](crate::TlsAcceptor::plaintext_fallback) the
    /// alert for a peer that does not speak TLS, the alert was sent, the transport's write side
    /// was shut down, and what the peer went on sending was read and forgotten.
    pub fn into_parts(self) -> (Error, Option<IO>, Vec<u8>) {
        (self.error, self.transport, self.unread)
    }
}

impl<IO> std::fmt::Debug for HandshakeError<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandshakeError")
            .field("error", &self.error)
            .field("unread", &self.unread.len())
            .finish_non_exhaustive()
    }
}

impl<IO> std::fmt::Display for HandshakeError<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl<IO> std::error::Error for HandshakeError<IO> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl<IO> From<HandshakeError<IO>> for Error {
    fn from(failed: HandshakeError<IO>) -> Self {
        failed.error
    }
}

impl<IO> From<HandshakeError<IO>> for io::Error {
    fn from(failed: HandshakeError<IO>) -> Self {
        failed.error.into()
    }
}
