//! What this side shows of itself.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::super::wrong_answer;
use crate::config::Policy;
use crate::error::Abort;
use crate::question::{AnswerContent, WantedIdentity};
use crate::x509::{Identity, Sha256Digest};
use crate::{AlertDescription, Misuse, SignatureScheme};

/// What the answer to `ChooseIdentity` shows, if anything, and with what it signs.
pub(super) fn answered(
    answer: AnswerContent,
    wanted: &WantedIdentity,
    policy: &Policy,
) -> Result<Option<(Identity, SignatureScheme)>, Abort> {
    let (identity, scheme) = match answer {
        AnswerContent::Identity(identity) => (identity, None),
        AnswerContent::ConfiguredIdentity(chosen) => {
            let (identity, scheme) = chosen.unzip();
            (identity, scheme.flatten())
        }
        _ => return Err(wrong_answer()),
    };
    let Some(identity) = identity else {
        return Ok(None);
    };
    policy.check_identity(&identity)?;
    wanted.check_type(&identity)?;
    let scheme = scheme.or_else(|| identity.scheme_for(&wanted.schemes, wanted.version));
    match scheme {
        Some(scheme) => Ok(Some((identity, scheme))),
        None => Err(Misuse::new(
            "the chosen identity's key cannot sign with any scheme the server accepts",
        )
        .into()),
    }
}

/// Empty if the server asked for nothing, or this side had nothing to show.
#[derive(Default)]
pub(super) struct ShownIdentity {
    pub(super) chain: Option<Arc<[CertificateDer<'static>]>>,
    pub(super) scheme: Option<SignatureScheme>,
    pub(super) key: Option<Arc<Sha256Digest>>,
}

impl ShownIdentity {
    pub(super) fn new(identity: &Identity, scheme: SignatureScheme) -> Self {
        Self {
            chain: Some(identity.shared_chain()),
            scheme: Some(scheme),
            key: Some(Arc::clone(identity.key_digest())),
        }
    }
}

/// Why a client before TLS 1.3 has answered a CertificateRequest with an empty list (RFC 5246 §7.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unshown {
    /// It has no certificate.
    NoneThere,
    /// It has some, and the server takes none of these.
    NoneFits,
    /// The answer to `ChooseIdentity` was none.
    Answered,
}

impl Unshown {
    /// What a server may have meant that says no more than this: a handshake_failure where it follows RFC 5246 §7.4.6, and
    /// the others where it does not.
    pub(crate) const fn advice(self, alert: AlertDescription) -> Option<&'static str> {
        if !matches!(
            alert,
            AlertDescription::HANDSHAKE_FAILURE
                | AlertDescription::BAD_CERTIFICATE
                | AlertDescription::CERTIFICATE_UNKNOWN
                | AlertDescription::CERTIFICATE_REQUIRED
                | AlertDescription::ACCESS_DENIED
        ) {
            return None;
        }
        Some(match self {
            Self::NoneThere => {
                "the server asked for a certificate, and this side has none to show: give it one with `identity`"
            }
            Self::NoneFits => {
                "the server asked for a certificate, and none that this side has is of an authority, a kind of key, and a \
                 signature scheme that it takes"
            }
            Self::Answered => {
                "the server asked for a certificate, and this side chose to show none"
            }
        })
    }
}
