//! What went wrong, for the user ([`Error`]) and inside ([`Abort`]).

use std::sync::Arc;

use crate::alert::AlertDescription;
use crate::violation::Violation;
use crate::wire::codec::DecodeError;
use crate::x509::CertificateError;

/// Why a connection failed: at which stage, which alert went which way, and the facts.
///
/// Cheap to clone; the same error is given to everyone who asks again.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    stage: Stage,
    alert: Option<(Direction, AlertDescription)>,
    reason: Reason,
}

impl Error {
    pub(crate) fn new(
        stage: Stage,
        alert: Option<(Direction, AlertDescription)>,
        reason: Reason,
    ) -> Self {
        Self(Arc::new(Inner {
            stage,
            alert,
            reason,
        }))
    }

    /// What the connection was doing.
    pub fn stage(&self) -> Stage {
        self.0.stage
    }

    /// The fatal alert, and which side sent it; `None` when no alert was exchanged.
    pub fn alert(&self) -> Option<(Direction, AlertDescription)> {
        self.0.alert
    }

    /// What happened.
    pub fn reason(&self) -> &Reason {
        &self.0.reason
    }

    /// The rule the peer broke, if that is the reason.
    pub fn violation(&self) -> Option<Violation> {
        match &self.0.reason {
            Reason::Violation(violation) => Some(*violation),
            Reason::Unexpected { .. } => Some(Violation::UnexpectedMessage),
            Reason::NotTls { .. } => Some(Violation::NotTls),
            _ => None,
        }
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.0.reason)?;
        write!(f, ", while {}", self.0.stage)?;
        match self.0.alert {
            Some((Direction::Sent, alert)) => write!(f, "; the peer was sent the alert {alert}"),
            Some((Direction::Received, _)) | None => Ok(()),
        }
    }
}

impl core::fmt::Debug for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Error")
            .field("stage", &self.0.stage)
            .field("alert", &self.0.alert)
            .field("reason", &self.0.reason)
            .finish()
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.0.reason {
            Reason::Certificate(error) => Some(error),
            Reason::Misuse(error) => Some(error),
            _ => None,
        }
    }
}

/// Which side sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// We did.
    Sent,
    /// The peer did.
    Received,
}

/// What the connection was doing when it failed: the state of RFC 8446 Appendix A, or what
/// comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are those of RFC 8446 Appendix A")]
pub enum Stage {
    Start,
    WaitClientHello,
    ChoosingConfiguration,
    OpeningTickets,
    ReverifyingChain,
    ChoosingIdentity,
    WaitSecondClientHello,
    WaitServerHello,
    ReviewingServerHello,
    WaitEncryptedExtensions,
    WaitCertificateOrRequest,
    WaitCertificate,
    VerifyingChain,
    WaitCertificateVerify,
    Signing,
    WaitFinished,
    IssuingTickets,
    Connected,
    Closed,
}

impl core::fmt::Display for Stage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Start => "starting the handshake",
            Self::WaitClientHello => "waiting for ClientHello",
            Self::ChoosingConfiguration => "choosing a configuration",
            Self::OpeningTickets => "looking for the session of a ticket",
            Self::ReverifyingChain => "verifying the client's chain of a session",
            Self::ChoosingIdentity => "choosing an identity",
            Self::WaitSecondClientHello => "waiting for the second ClientHello",
            Self::WaitServerHello => "waiting for ServerHello",
            Self::ReviewingServerHello => "reviewing ServerHello",
            Self::WaitEncryptedExtensions => "waiting for EncryptedExtensions",
            Self::WaitCertificateOrRequest => "waiting for Certificate or CertificateRequest",
            Self::WaitCertificate => "waiting for Certificate",
            Self::VerifyingChain => "verifying the peer's certificate chain",
            Self::WaitCertificateVerify => "waiting for CertificateVerify",
            Self::Signing => "signing CertificateVerify",
            Self::WaitFinished => "waiting for Finished",
            Self::IssuingTickets => "making tickets",
            Self::Connected => "connected",
            Self::Closed => "closed",
        })
    }
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The peer broke a rule.
    Violation(Violation),
    /// The peer sent a message that does not belong here.
    Unexpected {
        /// What was due.
        expected: &'static str,
        /// What came.
        seen: &'static str,
    },
    /// The peer does not speak TLS; these are its first bytes.
    NotTls {
        /// At most the first 5 bytes.
        first_bytes: [u8; 5],
    },
    /// The peer sent a fatal alert.
    AlertReceived(AlertDescription),
    /// The peer's certificate chain was not accepted.
    Certificate(CertificateError),
    /// A question was answered with a refusal.
    Refused(Refusal),
    /// The handshake was cancelled on this side.
    Cancelled,
    /// The peer closed the transport before the handshake was over; the error's stage says what
    /// was due.
    ClosedInHandshake {
        /// Who closed it: `client` or `server`.
        peer: &'static str,
        /// How many bytes it had sent. 0: nothing, as a port scan or a health check does.
        received: u64,
        /// The last handshake message of it that came whole.
        after: Option<&'static str>,
    },
    /// The transport of a connection ended without close_notify (RFC 8446 §6.1).
    Truncated,
    /// The connection is closed.
    Closed,
    /// The library was used in a way that cannot work.
    Misuse(Misuse),
    /// An operation of the crypto library failed that cannot fail for valid input.
    Crypto(&'static str),
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Violation(violation) => write!(f, "{violation}"),
            Self::Unexpected { expected, seen } => {
                write!(f, "expected {expected}, the peer sent {seen}")
            }
            Self::NotTls { first_bytes } => {
                f.write_str("the peer does not speak TLS")?;
                match protocol_of(first_bytes) {
                    Some(protocol) => write!(f, ": this looks like {protocol}"),
                    None => write!(f, ": its first bytes are {first_bytes:02x?}"),
                }
            }
            Self::AlertReceived(alert) => {
                write!(f, "the peer sent the alert {alert}: {}", alert.sentence())
            }
            Self::Certificate(error) => write!(f, "{error}"),
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::Cancelled => f.write_str("the handshake was cancelled on this side"),
            Self::ClosedInHandshake {
                peer,
                received,
                after,
            } => {
                write!(f, "the {peer} closed the connection ")?;
                match (received, after) {
                    (0, _) => f.write_str("without sending anything"),
                    (1, None) => f.write_str("after 1 byte, within its first message"),
                    (count, None) => write!(f, "after {count} bytes, within its first message"),
                    (_, Some(message)) => write!(f, "in the handshake, after its {message}"),
                }
            }
            Self::Truncated => f.write_str(
                "the transport ended without close_notify: data may be missing at the end",
            ),
            Self::Closed => f.write_str("the connection is closed"),
            Self::Misuse(misuse) => write!(f, "{misuse}"),
            Self::Crypto(what) => write!(f, "the crypto library failed at: {what}"),
        }
    }
}

/// Names the plain-text protocol that starts with these bytes.
fn protocol_of(first_bytes: &[u8; 5]) -> Option<&'static str> {
    const STARTS: &[(&[u8], &str)] = &[
        (b"GET ", "plain HTTP"),
        (b"POST", "plain HTTP"),
        (b"HEAD", "plain HTTP"),
        (b"PUT ", "plain HTTP"),
        (b"DELET", "plain HTTP"),
        (b"OPTIO", "plain HTTP"),
        (b"PATCH", "plain HTTP"),
        (b"PRI *", "plain HTTP/2"),
        (b"CONNE", "an HTTP proxy request"),
        (b"HTTP/", "plain HTTP"),
        (b"SSH-", "SSH"),
        (b"PROXY", "the PROXY protocol"),
        (b"\r\n\r\n\0", "the PROXY protocol"),
        (b"220 ", "a mail or FTP greeting"),
        (b"220-", "a mail or FTP greeting"),
        (b"EHLO ", "plain SMTP"),
        (b"* OK", "plain IMAP"),
        (b"+OK", "plain POP3"),
    ];
    STARTS
        .iter()
        .find(|(start, _)| first_bytes.starts_with(start))
        .map(|(_, name)| *name)
}

/// Who refused, and the alert that says so.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub(crate) alert: AlertDescription,
    pub(crate) message: Arc<str>,
}

impl Refusal {
    /// Refuses with the alert the peer shall see and a sentence for this side's log.
    ///
    /// `close_notify` is no refusal and becomes `internal_error`.
    pub fn new(alert: AlertDescription, message: impl Into<Arc<str>>) -> Self {
        let alert = match alert {
            AlertDescription::CLOSE_NOTIFY => AlertDescription::INTERNAL_ERROR,
            other => other,
        };
        Self {
            alert,
            message: message.into(),
        }
    }

    /// The alert the peer is sent.
    pub fn alert(&self) -> AlertDescription {
        self.alert
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "refused by this side: {}", self.message)
    }
}

/// A mistake in how the library is used or configured: what was given, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misuse(pub(crate) Arc<str>);

impl Misuse {
    pub(crate) fn new(sentence: impl Into<Arc<str>>) -> Self {
        Self(sentence.into())
    }
}

impl core::fmt::Display for Misuse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Misuse {}

/// Why the machine stops; [`Reason`] with the alert decided in one place.
#[derive(Debug)]
pub(crate) struct Abort(pub(crate) Reason);

impl Abort {
    /// The alert this side sends, if it sends one.
    pub(crate) fn alert(&self) -> Option<AlertDescription> {
        match &self.0 {
            Reason::Violation(violation) => Some(violation.alert()),
            Reason::Unexpected { .. } => Some(Violation::UnexpectedMessage.alert()),
            Reason::NotTls { .. } => Some(Violation::NotTls.alert()),
            Reason::Certificate(error) => Some(error.alert()),
            Reason::Refused(refusal) => Some(refusal.alert),
            Reason::Cancelled => Some(AlertDescription::USER_CANCELED),
            Reason::Misuse(_) | Reason::Crypto(_) => Some(AlertDescription::INTERNAL_ERROR),
            Reason::AlertReceived(_)
            | Reason::ClosedInHandshake { .. }
            | Reason::Truncated
            | Reason::Closed => None,
        }
    }

    /// The error the user sees.
    pub(crate) fn into_error(self, stage: Stage) -> Error {
        let alert = match &self.0 {
            Reason::AlertReceived(alert) => Some((Direction::Received, *alert)),
            _ => self.alert().map(|alert| (Direction::Sent, alert)),
        };
        Error::new(stage, alert, self.0)
    }
}

impl From<Violation> for Abort {
    fn from(violation: Violation) -> Self {
        Self(Reason::Violation(violation))
    }
}

impl From<DecodeError> for Abort {
    fn from(_: DecodeError) -> Self {
        Violation::MalformedMessage.into()
    }
}

impl From<CertificateError> for Abort {
    fn from(error: CertificateError) -> Self {
        Self(Reason::Certificate(error))
    }
}

impl From<Refusal> for Abort {
    fn from(refusal: Refusal) -> Self {
        Self(Reason::Refused(refusal))
    }
}

impl From<Misuse> for Abort {
    fn from(misuse: Misuse) -> Self {
        Self(Reason::Misuse(misuse))
    }
}
