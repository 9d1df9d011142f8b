//! Why a response is not usable, with the facts.

use core::fmt;

use rustls_pki_types::UnixTime;

use crate::x509::time::Date;

/// Why an OCSP response says nothing about a certificate that counts.
///
/// Displayed as what is wrong with the response, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OcspError {
    /// Not DER, or not what RFC 6960 §4.2.1 says.
    Malformed(&'static str),
    /// The responder had no answer (§4.2.1).
    NotSuccessful {
        /// Its OCSPResponseStatus: 1 malformedRequest, 2 internalError, 3 tryLater, 5 sigRequired, 6 unauthorized.
        status: u8,
    },
    /// Another type of response than id-pkix-ocsp-basic.
    UnknownType,
    /// It is about other certificates: by serial number, or by issuer.
    OtherCertificate {
        /// The serial number of the certificate, in hexadecimal digits.
        serial: String,
        /// About how many it is.
        statuses: usize,
    },
    /// It begins later than now (thisUpdate or producedAt).
    FromFuture {
        /// When it begins.
        from: UnixTime,
        /// The time that it was verified for.
        now: UnixTime,
    },
    /// It is over: past its nextUpdate, or so old that no such date counts.
    Over {
        /// When it ended.
        until: UnixTime,
        /// The time that it was verified for.
        now: UnixTime,
    },
    /// A critical extension that is not processed.
    UnknownCriticalExtension {
        /// Its OID in dotted decimals.
        oid: String,
    },
    /// Whoever has signed it may not speak for the issuer of the certificate (§4.2.2.2).
    NotAuthorized {
        /// Who that is, as far as the response says.
        responder: String,
        /// Why not.
        why: &'static str,
    },
    /// Its signature does not verify with the key of its responder, or is made in a way that is not accepted.
    BadSignature {
        /// Who the responder is, as far as the response says.
        responder: String,
    },
    /// More certificates came with it than are looked at.
    TooManyCertificates {
        /// The most that are.
        limit: usize,
    },
    /// The responses of the chain have more signatures than are verified.
    TooExpensive {
        /// The most that are.
        limit: usize,
    },
    /// It is not known who has issued the certificate.
    NoIssuer,
}

impl OcspError {
    /// Whether it is as good as none, because operators do serve such responses: it is over, or its responder had no
    /// answer. Everything else was made by nobody who means well.
    pub const fn is_as_none(&self) -> bool {
        matches!(
            self,
            Self::Over { .. } | Self::NotSuccessful { .. } | Self::NoIssuer
        )
    }
}

impl fmt::Display for OcspError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "is malformed: {what}"),
            Self::NotSuccessful { status } => {
                let name = match status {
                    1 => "malformedRequest",
                    2 => "internalError",
                    3 => "tryLater",
                    5 => "sigRequired",
                    6 => "unauthorized",
                    _ => "a status that is not known",
                };
                write!(
                    f,
                    "has no answer in it, but {name} ({status}): whoever staples has to ask the responder again"
                )
            }
            Self::UnknownType => f.write_str("is of another type than id-pkix-ocsp-basic"),
            Self::OtherCertificate { serial, statuses } => write!(
                f,
                "is about {statuses} other certificates, by serial number or issuer, and not about {serial}: the \
                 server has to staple the one of this certificate"
            ),
            Self::FromFuture { from, now } => write!(
                f,
                "begins on {} and the clock of this machine says {}: correct the clock",
                Date(*from),
                Date(*now)
            ),
            Self::Over { until, now } => write!(
                f,
                "was over on {} and the clock of this machine says {}: whoever staples has to fetch a new one, or \
                 the clock has to be corrected",
                Date(*until),
                Date(*now)
            ),
            Self::UnknownCriticalExtension { oid } => {
                write!(f, "has a critical extension that is not supported: {oid}")
            }
            Self::NotAuthorized { responder, why } => {
                write!(f, "is signed by {responder}, which may not: {why}")
            }
            Self::BadSignature { responder } => write!(
                f,
                "has a signature that does not verify with the key of {responder}, or is made in a way that is not \
                 accepted"
            ),
            Self::TooManyCertificates { limit } => {
                write!(f, "comes with more than {limit} certificates")
            }
            Self::TooExpensive { limit } => write!(
                f,
                "is too expensive to verify: the responses of the chain have more than {limit} signatures"
            ),
            Self::NoIssuer => f.write_str("cannot be verified: the issuer is not known"),
        }
    }
}

impl core::error::Error for OcspError {}
