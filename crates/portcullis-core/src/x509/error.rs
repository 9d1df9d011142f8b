//! Why a certificate chain is refused, with the facts, and the alert that says so.
//!
//! RFC 8446 §6.2, §4.4.2.4.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::UnixTime;

use super::names::SubjectAltName;
use super::ocsp::OcspError;
use super::revocation::RevocationReason;
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
    /// Whether it is about one that the configuration brought along.
    is_own: bool,
    subject: Option<Box<str>>,
    /// How many other paths were tried.
    others: usize,
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
        seen: Vec<SubjectAltName>,
    },
    /// A signature in the chain does not verify with the issuer's key.
    BadSignature,
    /// The peer sent certificates that have the name of the issuer, and none of them has signed
    /// the certificate.
    WrongIssuer {
        /// The distinguished name that was looked for.
        issuer: String,
    },
    /// The issuer is trusted for itself alone, because it is not a CA.
    PinnedIssuer {
        /// Its distinguished name.
        issuer: String,
    },
    /// An RSA key is shorter or longer than is accepted.
    RsaKeyLength {
        /// Its length.
        bits: usize,
        /// The shortest that this configuration accepts.
        least: u32,
    },
    /// The prime of a DSA key is shorter or longer than is accepted.
    DsaKeyLength {
        /// Its length.
        bits: usize,
        /// The shortest that this configuration accepts.
        least: u32,
    },
    /// The extended key usage does not allow what the certificate is used for.
    WrongPurpose {
        /// What was needed.
        needed: Purpose,
    },
    /// The key usage of the leaf does not include digitalSignature (RFC 8446 §4.4.2.2).
    KeyUsage,
    /// The key usage of the leaf does not include keyEncipherment, and its key was to decrypt (RFC 5246
    /// §7.4.2).
    NoKeyEncipherment,
    /// The key usage of the leaf does not include keyAgreement, and its key was to be half of the secret (RFC
    /// 5246 §7.4.2).
    NoKeyAgreement,
    /// The key usage of a certificate that issued another does not include keyCertSign (RFC 5280
    /// §6.1.4 (n)).
    IssuerKeyUsage,
    /// A CA certificate where the certificate of a peer belongs, or the other way round.
    WrongBasicConstraints,
    /// A CA is not allowed to certify this name.
    NameConstraints,
    /// The name constraints of a CA are about names of a kind for which that is not supported
    /// (RFC 5280 §4.2.1.10).
    UnsupportedConstraint {
        /// The kind of name.
        names: &'static str,
    },
    /// A certificate policy has to hold for the whole path, and from this certificate down none does (RFC 5280 §6.1.3
    /// (f)).
    NoPolicy,
    /// Certificate policies hold for the path, and none of those that this configuration asks for (RFC 5280 §6.1.5
    /// (g)).
    PolicyNotAccepted,
    /// A CA says that anyPolicy is the same as another policy, which is not allowed (RFC 5280 §4.2.1.5).
    MapsAnyPolicy,
    /// Not a certificate, or with fields that contradict each other.
    Malformed(&'static str),
    /// A raw public key that is no SubjectPublicKeyInfo (RFC 7250 §3).
    MalformedKey,
    /// A raw public key that is not among those that are trusted (RFC 7250 §6).
    UntrustedKey {
        /// SHA-256 of its SubjectPublicKeyInfo, in hexadecimal digits.
        sha256: String,
        /// How many are trusted.
        trusted: usize,
    },
    /// More certificates than will be looked at.
    TooManyCertificates {
        /// The most that are accepted.
        limit: usize,
    },
    /// More intermediate certificates on the path than this configuration accepts.
    PathTooDeep {
        /// The most that are accepted.
        limit: usize,
    },
    /// More intermediate certificates on the path than one of its CAs allows, whose pathLenConstraint says how many there may
    /// be below it (RFC 5280 §4.2.1.9). The error is about the one that is one too many.
    PathLength {
        /// The distinguished name of that CA.
        ca: String,
        /// How many it allows. Those that a CA issued to itself do not count.
        allowed: usize,
    },
    /// Signed in a way that is not accepted.
    UnsupportedSignature {
        /// The algorithm of the signature.
        algorithm: String,
        /// Whether it is refused because it uses MD5 or SHA-1.
        broken_hash: bool,
    },
    /// The signature algorithm has parameters that it must not have, or lacks some.
    SignatureParameters {
        /// The algorithm.
        algorithm: &'static str,
        /// What its parameters must be, and where that stands.
        expected: &'static str,
    },
    /// Not X.509 version 3, or with something else that is not supported.
    Unsupported(&'static str),
    /// A critical extension that is not processed, so that the certificate has to be refused
    /// (RFC 5280 §4.2).
    UnknownCriticalExtension {
        /// Its OID in dotted decimals.
        oid: String,
    },
    /// To verify it would take too much work.
    TooExpensive {
        /// What there would be more of.
        what: &'static str,
        /// The most there may be.
        limit: usize,
    },
    /// A revocation list of its issuer, or of whoever this has named, has it (RFC 5280 §6.3).
    Revoked {
        /// Why it was revoked.
        reason: RevocationReason,
        /// Since when.
        date: UnixTime,
        /// The number of the list, if it has one.
        crl_number: Option<String>,
        /// Who issued the list.
        crl_issuer: String,
    },
    /// No list says whether it was revoked, or none for all reasons.
    RevocationUnknown {
        /// Who issued it.
        issuer: String,
        /// What was tried, and why that was in vain; not all if it was much.
        tried: Vec<String>,
    },
    /// The OCSP response that came with it says so (RFC 6960 §2.2).
    RevokedByResponder {
        /// Why it was revoked.
        reason: RevocationReason,
        /// Since when.
        date: UnixTime,
        /// Who has signed the response.
        responder: String,
    },
    /// The OCSP response that came with it says that it is not known.
    UnknownToResponder {
        /// Who has signed the response.
        responder: String,
    },
    /// The OCSP response that came with it is not genuine, or about something else.
    BadStaple(OcspError),
    /// No OCSP response came with it that counts, and one had to.
    MissingStaple {
        /// Whether the certificate, or a CA above it, says so (RFC 7633); else the configuration does.
        demanded: bool,
        /// Why that does not count which came, if one did.
        unusable: Option<OcspError>,
    },
    /// Refused by the application.
    Rejected {
        /// The alert it chose.
        alert: AlertDescription,
        /// Its reason.
        message: String,
    },
    /// The rules of this library accept the chain, and webpki, which is asked as well, does not.
    /// That is a mistake of one of the two.
    Disagreement {
        /// What webpki says.
        says: String,
        /// The subjects of the path that is good by the rules of this library: the peer's own first, and the anchor last.
        path: Vec<String>,
    },
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
            is_own: false,
            subject: None,
            others: 0,
        }))
    }

    pub(super) fn at(kind: CertificateErrorKind, index: usize, certificate: &[u8]) -> Self {
        Self(Arc::new(Inner {
            kind,
            index: Some(index),
            is_own: false,
            subject: super::subject(certificate).map(String::into_boxed_str),
            others: 0,
        }))
    }

    /// About a certificate that the configuration brought along.
    pub(super) fn at_intermediate(kind: CertificateErrorKind, certificate: &[u8]) -> Self {
        Self(Arc::new(Inner {
            kind,
            index: None,
            is_own: true,
            subject: super::subject(certificate).map(String::into_boxed_str),
            others: 0,
        }))
    }

    pub(super) fn is_about_intermediate(&self) -> bool {
        self.0.is_own
    }

    /// About the trust anchor of this name.
    pub(super) fn at_anchor(kind: CertificateErrorKind, name: &str) -> Self {
        Self(Arc::new(Inner {
            kind,
            index: None,
            is_own: false,
            subject: Some(name.into()),
            others: 0,
        }))
    }

    pub(super) fn malformed_at(index: usize) -> Self {
        Self(Arc::new(Inner {
            kind: CertificateErrorKind::Malformed("it is not DER-encoded X.509"),
            index: Some(index),
            is_own: false,
            subject: None,
            others: 0,
        }))
    }

    /// A peer of a session had shown itself in a way that is not accepted here (RFC 7250 §4).
    pub(crate) fn of_another_type() -> Self {
        Self::new(CertificateErrorKind::Unsupported(
            "certificates of its type are not accepted",
        ))
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

    /// Whether it was, or may have been, revoked.
    pub(crate) fn is_about_revocation(&self) -> bool {
        matches!(
            self.0.kind,
            CertificateErrorKind::Revoked { .. } | CertificateErrorKind::RevocationUnknown { .. }
        )
    }

    /// Which certificate of the chain it is about, if one; 0 is the leaf. `None` with a
    /// [`subject`](Self::subject) means a trust anchor, or one of the configuration's own
    /// [`intermediates`](super::ChainPolicy::intermediates).
    pub fn index(&self) -> Option<usize> {
        self.0.index
    }

    /// The subject of that certificate, if it could be parsed.
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// How many other paths to a trust anchor were tried, or ways that lead to none. Of several failures the one is told that
    /// got furthest. 0 where the work has ended the search.
    pub fn other_paths(&self) -> usize {
        self.0.others
    }

    pub(super) fn with_other_paths(mut self, others: usize) -> Self {
        if self.0.others != others {
            Arc::make_mut(&mut self.0).others = others;
        }
        self
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
            | Kind::WrongIssuer { .. }
            | Kind::PinnedIssuer { .. }
            | Kind::PathTooDeep { .. } => AlertDescription::UNKNOWN_CA,
            Kind::WrongPurpose { .. }
            | Kind::Unsupported(_)
            | Kind::UnknownCriticalExtension { .. }
            | Kind::UnsupportedConstraint { .. } => AlertDescription::UNSUPPORTED_CERTIFICATE,
            // §4.4.2.4: bad_certificate for MD5 and SHA-1.
            Kind::UnsupportedSignature { broken_hash, .. } => match broken_hash {
                true => AlertDescription::BAD_CERTIFICATE,
                false => AlertDescription::UNSUPPORTED_CERTIFICATE,
            },
            // A violation of §4.4.2.2 by the peer, not of its CA.
            Kind::KeyUsage | Kind::NoKeyEncipherment | Kind::NoKeyAgreement => {
                AlertDescription::ILLEGAL_PARAMETER
            }
            Kind::Malformed(_) | Kind::MalformedKey => AlertDescription::DECODE_ERROR,
            Kind::Revoked { .. } | Kind::RevokedByResponder { .. } => {
                AlertDescription::CERTIFICATE_REVOKED
            }
            Kind::UnknownToResponder { .. } | Kind::BadStaple(_) | Kind::MissingStaple { .. } => {
                AlertDescription::BAD_CERTIFICATE_STATUS_RESPONSE
            }
            Kind::Rejected { alert, .. } => *alert,
            Kind::NameMismatch { .. }
            | Kind::BadSignature
            | Kind::UntrustedKey { .. }
            | Kind::RsaKeyLength { .. }
            | Kind::DsaKeyLength { .. }
            | Kind::SignatureParameters { .. }
            | Kind::TooExpensive { .. }
            | Kind::RevocationUnknown { .. }
            | Kind::IssuerKeyUsage
            | Kind::WrongBasicConstraints
            | Kind::NameConstraints
            | Kind::NoPolicy
            | Kind::PolicyNotAccepted
            | Kind::MapsAnyPolicy
            | Kind::TooManyCertificates { .. }
            | Kind::PathLength { .. }
            | Kind::Disagreement { .. } => AlertDescription::BAD_CERTIFICATE,
        }
    }
}

impl CertificateErrorKind {
    /// A word for it that never changes, for logs and for what counts failures. Where Erlang's `public_key` and `ssl` have
    /// one for the same, it is theirs.
    ///
    /// Several kinds may have the same word, and new kinds bring new ones.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "cert_expired",
            Self::NotYetValid { .. } => "cert_not_yet_valid",
            Self::UnknownIssuer { .. } => "unknown_ca",
            Self::SelfSigned { .. } => "selfsigned_peer",
            Self::NoTrustAnchors => "no_trust_anchors",
            Self::NameMismatch { .. } => "hostname_check_failed",
            Self::BadSignature => "invalid_signature",
            Self::WrongIssuer { .. } => "invalid_issuer",
            Self::PinnedIssuer { .. } => "pinned_issuer",
            Self::RsaKeyLength { .. } | Self::DsaKeyLength { .. } => "key_length",
            Self::WrongPurpose { .. } => "invalid_ext_key_usage",
            Self::KeyUsage
            | Self::NoKeyEncipherment
            | Self::NoKeyAgreement
            | Self::IssuerKeyUsage => "invalid_key_usage",
            Self::WrongBasicConstraints => "wrong_basic_constraints",
            Self::NameConstraints => "name_not_permitted",
            Self::UnsupportedConstraint { .. } => "unsupported_name_constraint",
            Self::NoPolicy | Self::PolicyNotAccepted => "policy_requirement_not_met",
            Self::MapsAnyPolicy => "invalid_policy_mapping",
            Self::Malformed(_) => "malformed",
            Self::MalformedKey => "malformed_key",
            Self::UntrustedKey { .. } => "untrusted_key",
            Self::TooManyCertificates { .. } => "too_many_certificates",
            Self::PathTooDeep { .. } | Self::PathLength { .. } => "max_path_length_reached",
            Self::UnsupportedSignature { .. } => "unsupported_signature",
            Self::SignatureParameters { .. } => "signature_parameters",
            Self::Unsupported(_) => "unsupported",
            Self::UnknownCriticalExtension { .. } => "unknown_critical_extension",
            Self::TooExpensive { .. } => "too_expensive",
            Self::Revoked { .. } | Self::RevokedByResponder { .. } => "revoked",
            Self::RevocationUnknown { .. } => "revocation_status_undetermined",
            Self::UnknownToResponder { .. } => "unknown_to_responder",
            Self::BadStaple(_) => "bad_ocsp_response",
            Self::MissingStaple { .. } => "missing_ocsp_response",
            Self::Rejected { .. } => "rejected",
            Self::Disagreement { .. } => "disagreement",
        }
    }
}

impl fmt::Debug for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateError")
            .field("kind", &self.0.kind)
            .field("index", &self.0.index)
            .field("subject", &self.0.subject)
            .field("other_paths", &self.0.others)
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
