//! Why a certificate chain is refused, with the facts, and the alert that says so.
//!
//! RFC 8446 §6.2, §4.4.2.4.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::UnixTime;
use x509_parser::time::ASN1Time;

use crate::AlertDescription;

/// Why a certificate chain is not accepted: which certificate, what was expected, what was seen.
///
/// Cheap to clone. Displayed as one sentence for the operator; names from the certificate are
/// escaped and cut.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateError(Arc<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: CertificateErrorKind,
    index: Option<usize>,
    subject: Option<Box<str>>,
}

/// What is wrong, with the facts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateErrorKind {
    /// Past its notAfter.
    Expired {
        /// The end of its validity.
        not_after: UnixTime,
        /// The time it was verified for.
        now: UnixTime,
    },
    /// Before its notBefore.
    NotYetValid {
        /// The start of its validity.
        not_before: UnixTime,
        /// The time it was verified for.
        now: UnixTime,
    },
    /// The chain ends at a certificate whose issuer is not known.
    UnknownIssuer {
        /// The distinguished name that was looked for.
        issuer: String,
        /// How many trust anchors there are.
        trust_anchors: usize,
    },
    /// The chain ends at a self-signed certificate that is not trusted.
    SelfSigned {
        /// How many trust anchors there are.
        trust_anchors: usize,
    },
    /// There is nothing to trust: the set of roots is empty.
    NoTrustAnchors,
    /// The certificate is for another name. The common name is never looked at (RFC 9525 §1.2).
    NameMismatch {
        /// The name that was asked for.
        expected: String,
        /// The subjectAltName entries of the certificate, at most 100.
        seen: Vec<String>,
    },
    /// A signature in the chain does not verify with the issuer's key.
    BadSignature,
    /// The extended key usage does not allow what the certificate is used for.
    WrongPurpose {
        /// What was needed.
        needed: Purpose,
    },
    /// The key usage of the leaf does not include digitalSignature (RFC 8446 §4.4.2.2).
    KeyUsage,
    /// A CA certificate where the certificate of a peer belongs, or the other way round.
    WrongBasicConstraints,
    /// A CA is not allowed to certify this name.
    NameConstraints,
    /// Not a certificate, or with fields that contradict each other.
    Malformed(&'static str),
    /// More certificates than will be looked at.
    TooManyCertificates {
        /// The most that are accepted.
        limit: usize,
    },
    /// More intermediate certificates on the path than allowed, by us or by a CA.
    PathTooDeep {
        /// The most that are accepted; `None` when a CA's pathLenConstraint says so.
        limit: Option<usize>,
    },
    /// Signed in a way that is not accepted.
    UnsupportedSignature {
        /// The algorithm of the signature.
        algorithm: String,
        /// Whether it is refused because it uses MD5 or SHA-1.
        broken_hash: bool,
    },
    /// Not X.509 version 3, or with a critical extension that is not known.
    Unsupported(&'static str),
    /// Refused by the application.
    Rejected {
        /// The alert it chose.
        alert: AlertDescription,
        /// Its reason.
        message: String,
    },
    /// Anything else, in the words of webpki.
    Other(String),
}

/// What a certificate is used for (RFC 5280 §4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// serverAuth: the peer is the server.
    ServerAuth,
    /// clientAuth: the peer is the client.
    ClientAuth,
}

impl CertificateError {
    pub(super) fn new(kind: CertificateErrorKind) -> Self {
        Self(Arc::new(Inner {
            kind,
            index: None,
            subject: None,
        }))
    }

    pub(super) fn at(kind: CertificateErrorKind, index: usize, certificate: &[u8]) -> Self {
        Self(Arc::new(Inner {
            kind,
            index: Some(index),
            subject: super::subject(certificate).map(String::into_boxed_str),
        }))
    }

    pub(super) fn malformed_at(index: usize) -> Self {
        Self(Arc::new(Inner {
            kind: CertificateErrorKind::Malformed("it is not DER-encoded X.509"),
            index: Some(index),
            subject: None,
        }))
    }

    /// For an application that verifies chains itself: refuses one, with the alert the peer
    /// shall see and a sentence for this side's log.
    ///
    /// `close_notify` is no refusal and becomes `certificate_unknown`.
    pub fn rejected(alert: AlertDescription, message: impl Into<String>) -> Self {
        let alert = match alert {
            AlertDescription::CLOSE_NOTIFY => AlertDescription::CERTIFICATE_UNKNOWN,
            other => other,
        };
        Self::new(CertificateErrorKind::Rejected {
            alert,
            message: message.into(),
        })
    }

    /// What is wrong.
    pub fn kind(&self) -> &CertificateErrorKind {
        &self.0.kind
    }

    /// Whether the chain may have been good once: its owner may have another by now.
    pub(crate) fn is_expired(&self) -> bool {
        matches!(self.0.kind, CertificateErrorKind::Expired { .. })
    }

    /// Which certificate of the chain it is about, if one; 0 is the leaf.
    pub fn index(&self) -> Option<usize> {
        self.0.index
    }

    /// The subject of that certificate, if it could be parsed.
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// The alert the peer is sent (RFC 8446 §6.2).
    pub fn alert(&self) -> AlertDescription {
        use CertificateErrorKind as Kind;
        match self.kind() {
            Kind::Expired { .. } | Kind::NotYetValid { .. } => {
                AlertDescription::CERTIFICATE_EXPIRED
            }
            Kind::UnknownIssuer { .. }
            | Kind::SelfSigned { .. }
            | Kind::NoTrustAnchors
            | Kind::PathTooDeep { limit: Some(_) } => AlertDescription::UNKNOWN_CA,
            Kind::WrongPurpose { .. } | Kind::Unsupported(_) => {
                AlertDescription::UNSUPPORTED_CERTIFICATE
            }
            // §4.4.2.4: bad_certificate for MD5 and SHA-1.
            Kind::UnsupportedSignature { broken_hash, .. } => match broken_hash {
                true => AlertDescription::BAD_CERTIFICATE,
                false => AlertDescription::UNSUPPORTED_CERTIFICATE,
            },
            // A violation of §4.4.2.2 by the peer, not of its CA.
            Kind::KeyUsage => AlertDescription::ILLEGAL_PARAMETER,
            Kind::Malformed(_) => AlertDescription::DECODE_ERROR,
            Kind::Rejected { alert, .. } => *alert,
            Kind::NameMismatch { .. }
            | Kind::BadSignature
            | Kind::WrongBasicConstraints
            | Kind::NameConstraints
            | Kind::TooManyCertificates { .. }
            | Kind::PathTooDeep { limit: None }
            | Kind::Other(_) => AlertDescription::BAD_CERTIFICATE,
        }
    }

    fn which(&self) -> String {
        let subject = match self.subject() {
            Some(subject) if !subject.is_empty() => format!(" ({subject})"),
            _ => String::new(),
        };
        match self.index() {
            Some(0) => format!("the peer's certificate{subject}"),
            Some(index) => format!("certificate {index} of the peer's chain{subject}"),
            None => "the peer's certificate chain".to_owned(),
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use CertificateErrorKind as Kind;
        let which = self.which();
        match self.kind() {
            Kind::Expired { not_after, now } => write!(
                f,
                "{which} expired on {} and the clock of this machine says {}: renew the \
                 certificate or correct the clock",
                Date(*not_after),
                Date(*now)
            ),
            Kind::NotYetValid { not_before, now } => write!(
                f,
                "{which} is valid from {} on and the clock of this machine says {}: wait or \
                 correct the clock",
                Date(*not_before),
                Date(*now)
            ),
            Kind::UnknownIssuer {
                issuer,
                trust_anchors,
            } => write!(
                f,
                "{which} was issued by {issuer}, which is neither in the chain nor among the \
                 {trust_anchors} trust anchors: the peer has to send its intermediate \
                 certificates, or that CA has to be added to the roots"
            ),
            Kind::SelfSigned { trust_anchors } => write!(
                f,
                "{which} is self-signed and not among the {trust_anchors} trust anchors: add it \
                 to the roots if it is to be trusted"
            ),
            Kind::NoTrustAnchors => write!(
                f,
                "{which} cannot be verified because there are no trust anchors: configure roots"
            ),
            Kind::NameMismatch { expected, seen } => {
                write!(f, "{which} is not valid for {expected}: ")?;
                write_names(f, seen)
            }
            Kind::BadSignature => write!(
                f,
                "a signature of {which} does not verify: it is corrupt, or a trusted CA has the \
                 name of its issuer and another key"
            ),
            Kind::WrongPurpose { needed } => write!(
                f,
                "{which} may not be used by a {needed}: its extended key usage has to include \
                 {}",
                needed.name()
            ),
            Kind::KeyUsage => write!(
                f,
                "{which} may not sign in TLS: its key usage has to include digitalSignature"
            ),
            Kind::WrongBasicConstraints => write!(
                f,
                "{which} mixes up CAs and peers: the first certificate must not be of a CA, and \
                 all others must be"
            ),
            Kind::NameConstraints => write!(
                f,
                "{which} contains a name its CA is not allowed to certify (name constraints)"
            ),
            Kind::Malformed(what) => write!(f, "{which} is malformed: {what}"),
            Kind::TooManyCertificates { limit } => write!(
                f,
                "{which} has more than {limit} certificates: the peer has to send only those \
                 that lead to its CA"
            ),
            Kind::PathTooDeep { limit: Some(limit) } => write!(
                f,
                "{which} needs more than {limit} intermediate certificates to reach a trust \
                 anchor"
            ),
            Kind::PathTooDeep { limit: None } => write!(
                f,
                "{which} is longer than a CA in it allows (pathLenConstraint)"
            ),
            Kind::UnsupportedSignature {
                algorithm,
                broken_hash: true,
            } => write!(
                f,
                "{which} is signed with {algorithm}, which is broken: reissue the certificate"
            ),
            Kind::UnsupportedSignature { algorithm, .. } => write!(
                f,
                "{which} is signed with {algorithm}, which is not supported for the issuer's key \
                 or not allowed by the configured schemes"
            ),
            Kind::Unsupported(what) => write!(f, "{which} is not supported: {what}"),
            Kind::Rejected { message, .. } => {
                write!(f, "{which} was refused by the application: {message}")
            }
            Kind::Other(text) => write!(f, "{which} is not acceptable: {text}"),
        }
    }
}

/// The names a certificate is valid for, at most five of them.
fn write_names(f: &mut fmt::Formatter<'_>, names: &[String]) -> fmt::Result {
    const SHOWN: usize = 5;
    if names.is_empty() {
        return f.write_str(
            "it has no subjectAltName, and the common name is not looked at: reissue it with one",
        );
    }
    f.write_str("it is for ")?;
    for (at, name) in names.iter().take(SHOWN).enumerate() {
        write!(f, "{}{name}", if at == 0 { "" } else { ", " })?;
    }
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => f.write_str(" only"),
        Some(more) => write!(f, " and {more} more names"),
    }
}

impl fmt::Debug for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateError")
            .field("kind", &self.0.kind)
            .field("index", &self.0.index)
            .field("subject", &self.0.subject)
            .finish()
    }
}

impl core::error::Error for CertificateError {}

impl Purpose {
    /// As RFC 5280 spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServerAuth => "serverAuth",
            Self::ClientAuth => "clientAuth",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServerAuth => "server",
            Self::ClientAuth => "client",
        })
    }
}

struct Date(UnixTime);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = i64::try_from(self.0.as_secs())
            .ok()
            .and_then(|seconds| ASN1Time::from_timestamp(seconds).ok());
        match date {
            Some(date) => write!(f, "{date}"),
            None => write!(f, "second {} after 1970", self.0.as_secs()),
        }
    }
}
