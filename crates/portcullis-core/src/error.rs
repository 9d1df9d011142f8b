//! What went wrong, for the user ([`Error`]) and inside ([`Abort`]).
//!
//! Six kinds of "no":
//!
//! | word | whose | what it says |
//! |---|---|---|
//! | [`Violation`] | the peer's | the rule it broke, with the alert and the RFC's section |
//! | [`Refusal`] | the caller's | the answer to a question: this is not wanted, with an alert |
//! | [`Misuse`] | the caller's | a mistake in configuring or calling; says what to do |
//! | [`Reason`] | | any of these, or what else ended the connection (an alert, the transport) |
//! | [`Abort`] | inside | a reason on its way out of a handler; decides the alert |
//! | [`Error`] | for the user | a reason with the stage, and which side sent which alert |

use std::sync::Arc;

use crate::alert::AlertDescription;
use crate::crypto::CryptoFailure;
use crate::ech::EchRejection;
pub(crate) use crate::misuse::Misuse;
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
    /// What this side knows that the peer's alert does not say.
    advice: Option<Box<str>>,
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
            advice: None,
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
        self.0.reason.violation()
    }

    /// A client: the server did not accept the encrypted ClientHello (RFC 9849 §6.1.6), and this is what can be tried.
    pub fn ech_rejection(&self) -> Option<&EchRejection> {
        match &self.0.reason {
            Reason::EchRejected(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// Whether two ends whose secrets differ end so (RFC 5054 §2.5.1.3, RFC 4279 §2).
    pub(crate) fn may_be_of_another_secret(&self) -> bool {
        use AlertDescription as A;
        match &self.0.reason {
            Reason::AlertReceived(alert) => [A::BAD_RECORD_MAC, A::DECRYPT_ERROR].contains(alert),
            reason => matches!(
                reason.violation(),
                Some(Violation::BadRecordMac | Violation::FinishedMismatch)
            ),
        }
    }

    /// The same, with what helps those who read it.
    pub(crate) fn with_advice(self, advice: impl Into<Box<str>>) -> Self {
        Self(Arc::new(Inner {
            stage: self.0.stage,
            alert: self.0.alert,
            reason: self.0.reason.clone(),
            advice: Some(advice.into()),
        }))
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.0.reason)?;
        if let Some(advice) = &self.0.advice {
            write!(f, "; {advice}")?;
        }
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
        // Of the reason itself `Display` speaks: a chain of sources says nothing twice.
        match &self.0.reason {
            Reason::Certificate(error) => error.source(),
            Reason::Misuse(error) => error.source(),
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

/// The stages, each with what is said of it in an error.
macro_rules! stages {
    ($($stage:ident = $sentence:literal,)+) => {
        /// What the connection was doing when it failed: the state of RFC 8446 Appendix A, the message
        /// of RFC 5246 §7.3 that is due, or what comes after it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "the names are those of RFC 8446 Appendix A")]
        pub enum Stage {
            $($stage,)+
        }

        impl core::fmt::Display for Stage {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self {
                    $(Self::$stage => $sentence,)+
                })
            }
        }
    };
}

stages! {
    // Before TLS: the transport is not there yet.
    Connecting = "connecting",
    Start = "starting the handshake",
    WaitClientHello = "waiting for ClientHello",
    ChoosingConfiguration = "choosing a configuration",
    OpeningTickets = "looking for the session of a ticket",
    FindingSession = "looking for the session of an id",
    ReverifyingChain = "verifying the client's chain of a session",
    ReverifyingPsk = "looking for the pre-shared key of a session",
    ChoosingPsk = "choosing a pre-shared key",
    LookingUpUser = "looking up a user",
    ReverifyingUser = "looking up the user of a session",
    ChoosingIdentity = "choosing an identity",
    WaitSecondClientHello = "waiting for the second ClientHello",
    WaitServerHello = "waiting for ServerHello",
    ReviewingServerHello = "reviewing ServerHello",
    WaitEncryptedExtensions = "waiting for EncryptedExtensions",
    WaitCertificateOrRequest = "waiting for Certificate or CertificateRequest",
    WaitCertificate = "waiting for Certificate",
    VerifyingChain = "verifying the peer's certificate chain",
    WaitCertificateVerify = "waiting for CertificateVerify",
    ClaimingEarlyData = "looking whether early data was accepted before",
    Signing = "signing the handshake",
    Decrypting = "decrypting the client's secret",
    WaitEndOfEarlyData = "waiting for early data and its end",
    WaitFinished = "waiting for Finished",
    WaitCertificateStatus = "waiting for CertificateStatus",
    WaitServerKeyExchange = "waiting for ServerKeyExchange",
    WaitCertificateRequest = "waiting for CertificateRequest or ServerHelloDone",
    WaitServerHelloDone = "waiting for ServerHelloDone",
    WaitClientKeyExchange = "waiting for ClientKeyExchange",
    WaitNewSessionTicket = "waiting for NewSessionTicket",
    WaitChangeCipherSpec = "waiting for change_cipher_spec",
    WaitNextProtocol = "waiting for NextProtocol",
    IssuingTickets = "making tickets",
    KeepingSession = "keeping the session",
    Connected = "connected",
    WaitCloseNotify = "waiting for the peer's close_notify",
    Closing = "sending what is left and close_notify",
    Closed = "closed",
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The peer broke a rule.
    Violation(Violation),
    /// The peer broke a rule, and this is what it sent.
    Explained {
        /// The rule.
        violation: Violation,
        /// What was seen and what was expected, in words; of what the peer sent only printable
        /// ASCII, the rest is escaped.
        facts: Box<str>,
    },
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
    /// The server did not accept the encrypted ClientHello (RFC 9849 §6.1.6), so that there is no connection with it.
    EchRejected(Arc<EchRejection>),
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
    /// Before TLS 1.3: this side's key has protected as many records as its cipher may (RFC 8446 §5.5
    /// for TLS 1.3, whose limits are those of the ciphers), and cannot be updated.
    KeyWornOut,
    /// Over datagrams: this side has no number left for another message of its own, or for another key (RFC 9147 §5.2,
    /// §4.2.1): both have 16 bits.
    NumbersUsedUp,
    /// Over datagrams: the peer has not answered, however often this side's last messages were sent.
    NoAnswer {
        /// How often.
        sent: u8,
    },
    /// Over datagrams: the peer has begun to answer, and has said nothing more for so long.
    RestMissing {
        /// How long.
        waited: core::time::Duration,
    },
    /// Over datagrams: the message was not sent, because it fits into no record. The connection is as it
    /// was.
    MessageTooLong {
        /// The bytes of the message.
        length: usize,
        /// The most that it may have.
        most: usize,
    },
    /// The connection is closed.
    Closed,
    /// The library was used in a way that cannot work.
    Misuse(Misuse),
    /// An operation of the crypto library failed that cannot fail for valid input.
    Crypto(CryptoFailure),
}

impl Reason {
    /// The rule the peer broke, if that is the reason.
    pub(crate) fn violation(&self) -> Option<Violation> {
        match self {
            Self::Violation(violation) | Self::Explained { violation, .. } => Some(*violation),
            Self::Unexpected { .. } => Some(Violation::UnexpectedMessage),
            Self::NotTls { .. } => Some(Violation::NotTls),
            _ => None,
        }
    }
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Violation(violation) => write!(f, "{violation}"),
            Self::Explained { violation, facts } => {
                let (sentence, section) = (violation.sentence(), violation.section());
                write!(f, "{sentence}: {facts} ({section})")
            }
            Self::Unexpected { expected, seen } => {
                write!(f, "expected {expected}, the peer sent {seen}")
            }
            Self::NotTls { first_bytes } => {
                f.write_str("the peer does not speak TLS")?;
                match protocol_of(first_bytes) {
                    Some(protocol) => write!(f, ": this looks like {protocol}"),
                    None if first_bytes.iter().any(u8::is_ascii_graphic) => {
                        write!(f, ": its first bytes are {}", quote(first_bytes))
                    }
                    None => write!(f, ": its first bytes are {first_bytes:02x?}"),
                }
            }
            Self::AlertReceived(alert) => {
                write!(f, "the peer sent the alert {alert}: {}", alert.sentence())
            }
            Self::EchRejected(rejection) => write!(f, "{rejection}"),
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
            Self::KeyWornOut => f.write_str(
                "this side's key has protected as many records as its cipher may, and TLS 1.2 and \
                 older cannot change it: open a new connection",
            ),
            Self::NumbersUsedUp => f.write_str(
                "this side has changed its key, or sent other messages of the handshake protocol, 65,536 times, which is as \
                 often as DTLS can count: open a new connection",
            ),
            Self::NoAnswer { sent } => write!(
                f,
                "the peer has not answered: this side's last messages were sent {sent} times"
            ),
            Self::RestMissing { waited } => write!(
                f,
                "the peer has begun to answer, and nothing more of it has come for {} s: was it ended, or does \
                 something on the way drop its datagrams?",
                waited.as_secs()
            ),
            Self::MessageTooLong { length, most } => write!(
                f,
                "the message was not sent: it has {length} bytes, and may have {most}"
            ),
            Self::Closed => f.write_str("the connection is closed"),
            Self::Misuse(misuse) => write!(f, "{misuse}"),
            Self::Crypto(what) => write!(f, "the crypto library failed at {what}"),
        }
    }
}

/// Names the protocol that starts with these bytes.
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
        (b"AMQP", "AMQP"),
        (b"PING", "Redis"),
        (b"-ERR ", "Redis"),
    ];
    let text = STARTS
        .iter()
        .find(|(start, _)| first_bytes.starts_with(start))
        .map(|(_, name)| *name);
    text.or(match first_bytes {
        // CONNECT, its length in one byte or two, and the length of "MQTT" or "MQIsdp".
        [0x10, _, 0, 4 | 6, b'M'] | [0x10, 0x80..=0xff, _, 0, 4 | 6] => Some("MQTT"),
        // A length, then the code of SSLRequest, GSSENCRequest and CancelRequest, or version 3.
        [0, 0, 0, 8 | 16, 4] | [0, 0, _, 8..=0xff, 0] => Some("PostgreSQL"),
        // An array of so many words.
        [b'*', b'1'..=b'9', b'\r', b'\n', b'$']
        | [b'*', b'1'..=b'9', b'0'..=b'9', b'\r', b'\n'] => Some("Redis"),
        // BER: a SEQUENCE, its length in short or long form, and the INTEGER of a message.
        [0x30, 0..=0x7f, 2, 1, _] | [0x30, 0x81, _, 2, 1] | [0x30, 0x82, _, _, 2] => Some("LDAP"),
        [0x30, 0x84, 0, 0, _] => Some("LDAP"),
        // A length, CLIENT-HELLO, and version 2, or one that the same hello offers besides.
        [0x80..=0xff, _, 1, 0, 2] | [0x80..=0xff, _, 1, 3, 0..=4] => Some("a hello of SSL 2.0"),
        // The greeting: a length of three bytes, packet 0, protocol version 10.
        [_, _, 0, 0, 10] => Some("MySQL"),
        _ => None,
    })
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

/// Why the machine stops; [`Reason`] with the alert decided in one place.
#[derive(Debug)]
pub(crate) struct Abort(pub(crate) Reason);

impl Abort {
    /// The alert this side sends, if it sends one.
    pub(crate) fn alert(&self) -> Option<AlertDescription> {
        match &self.0 {
            Reason::Violation(violation) | Reason::Explained { violation, .. } => {
                Some(violation.alert())
            }
            Reason::Unexpected { .. } => Some(Violation::UnexpectedMessage.alert()),
            Reason::NotTls { .. } => Some(Violation::NotTls.alert()),
            Reason::EchRejected(_) => Some(AlertDescription::ECH_REQUIRED),
            Reason::Certificate(error) => Some(error.alert()),
            Reason::Refused(refusal) => Some(refusal.alert),
            Reason::Cancelled => Some(AlertDescription::USER_CANCELED),
            Reason::Misuse(_) | Reason::Crypto(_) | Reason::NumbersUsedUp => {
                Some(AlertDescription::INTERNAL_ERROR)
            }
            Reason::AlertReceived(_)
            | Reason::ClosedInHandshake { .. }
            | Reason::Truncated
            | Reason::KeyWornOut
            | Reason::NoAnswer { .. }
            | Reason::RestMissing { .. }
            | Reason::MessageTooLong { .. }
            | Reason::Closed => None,
        }
    }

    /// The error the user sees where nothing is sent any more, or nothing has been sent yet.
    pub(crate) fn into_silent_error(self, stage: Stage) -> Error {
        Error::new(stage, None, self.0)
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

impl Violation {
    /// With what the peer sent, and what was expected instead.
    pub(crate) fn explained(self, facts: impl Into<Box<str>>) -> Abort {
        Abort(Reason::Explained {
            violation: self,
            facts: facts.into(),
        })
    }
}

/// Names for a sentence.
pub(crate) fn list(names: &[impl ToString]) -> String {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// What a peer sent, for a sentence: no control character of it, and not more than a line.
pub(crate) fn quote(bytes: &[u8]) -> String {
    const LONGEST: usize = 100;
    match bytes.get(..LONGEST) {
        Some(start) if bytes.len() > LONGEST => {
            format!("\"{}\"... ({} bytes)", start.escape_ascii(), bytes.len())
        }
        _ => format!("\"{}\"", bytes.escape_ascii()),
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

impl From<CryptoFailure> for Abort {
    fn from(failure: CryptoFailure) -> Self {
        Self(Reason::Crypto(failure))
    }
}

impl From<Misuse> for Abort {
    fn from(misuse: Misuse) -> Self {
        Self(Reason::Misuse(misuse))
    }
}
