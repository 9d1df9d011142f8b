//! What the responses that came with a chain mean for it.
//!
//! RFC 6066 §8, RFC 8446 §4.4.2.1, RFC 7633 §4.2. They are looked at when the path is known, and before revocation
//! lists are. One that calls a certificate good stands for lists that are missing, and never against one that has it.

use rustls_pki_types::UnixTime;

use super::error::OcspError;
use super::verify::{Authority, MAX_SIGNATURES, OcspStatus, OcspVerdict, verify};
use crate::x509::certificate::Certificate;
use crate::x509::chain::VerifiedChain;
use crate::x509::error::{CertificateError, CertificateErrorKind as Kind};
use crate::x509::extension::demands_staple;
use crate::x509::policy::ChainPolicy;
use crate::x509::through::Through;

/// What becomes of a server by the OCSP responses that it was asked for and that came with its chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OcspPolicy {
    /// They are not looked at; whoever verifies may.
    Off,
    /// One that says of a certificate on the path that it was revoked, or that it is unknown, refuses the chain, and
    /// so does one that is not genuine. None, and one that is over, refuses it only if the certificate says that it
    /// comes with one (RFC 7633).
    #[default]
    Accept,
    /// The same, and the server's own certificate has to have one that calls it good.
    Require,
}

/// What the responses say of the certificates of a path, the peer's first; `None` of one without.
pub(in crate::x509) type Statuses = Vec<Option<Result<OcspVerdict, OcspError>>>;

type Look = fn(&mut VerifiedChain, UnixTime, &ChainPolicy) -> Vec<StapleFault>;

/// A policy, with what looks at responses where somebody has asked for them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Staples {
    policy: OcspPolicy,
    look: Option<Through<Look>>,
}

impl Staples {
    /// Nobody has asked for any, and what comes all the same is not looked at.
    pub(crate) const OFF: Self = Self::unasked(OcspPolicy::Off);
    /// Nobody has asked for any yet; where somebody does, they are judged by the default policy.
    pub(crate) const UNASKED: Self = Self::unasked(OcspPolicy::Accept);

    const fn unasked(policy: OcspPolicy) -> Self {
        Self { policy, look: None }
    }

    pub(crate) const fn by(policy: OcspPolicy) -> Self {
        match policy {
            OcspPolicy::Off => Self::OFF,
            OcspPolicy::Accept | OcspPolicy::Require => Self {
                policy,
                look: Some(Through(look_at_all)),
            },
        }
    }

    pub(crate) const fn policy(self) -> OcspPolicy {
        self.policy
    }
}

/// Whether a certificate of the path says that it comes with one.
fn is_demanded(proof: &VerifiedChain) -> bool {
    let mut fields = proof
        .path()
        .map(|certificate| Certificate::read(certificate));
    fields.any(|fields| fields.is_some_and(|fields| demands_staple(&fields)))
}

/// What is wrong with a certificate by the responses, and its place on the path.
pub(in crate::x509) type StapleFault = (usize, CertificateError);

/// Looks at the responses that came with a chain: the first fault refuses it.
pub(in crate::x509) fn judge(
    mut proof: VerifiedChain,
    now: UnixTime,
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    let faults = look(&mut proof, now, policy);
    match faults.into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(proof),
    }
}

/// The same, and gives all faults, in the order of the path, so that somebody may judge each. What the responses say is
/// in the proof from here on.
pub(in crate::x509) fn look(
    proof: &mut VerifiedChain,
    now: UnixTime,
    policy: &ChainPolicy,
) -> Vec<StapleFault> {
    match policy.staples.look {
        Some(Through(look)) => look(proof, now, policy),
        None => Vec::new(),
    }
}

fn look_at_all(proof: &mut VerifiedChain, now: UnixTime, policy: &ChainPolicy) -> Vec<StapleFault> {
    let demand = policy.staples.policy;
    let mut faults = Vec::new();
    // Nearly always none came and none is due: then the path is not made, which copies it.
    let nothing_to_judge = match demand {
        OcspPolicy::Off => true,
        OcspPolicy::Accept => !proof.chain().has_ocsp_responses() && !is_demanded(proof),
        OcspPolicy::Require => false,
    };
    if nothing_to_judge {
        return faults;
    }
    let path = proof.checked_path();
    let presented = proof.chain().certificates();
    let mut statuses = Statuses::new();
    let mut signatures = MAX_SIGNATURES;
    let mut demanded = false;
    for (place, certificate) in path.certificates().iter().enumerate() {
        let fields = Certificate::read(certificate);
        // RFC 7633 §4.2.2: what a CA has, those below it have.
        demanded |= fields.is_some_and(|fields| demands_staple(&fields));
        let index = presented.iter().position(|own| own == certificate);
        let response = index.and_then(|index| proof.chain().ocsp_response(index));
        let issuer = Authority {
            name: path.name(place + 1),
            spki: path.spki(place + 1),
        };
        let verdict = response.map(|response| match issuer.spki {
            [] => Err(OcspError::NoIssuer),
            _ => verify(response, certificate, issuer, now, policy, &mut signatures),
        });
        let refused = match &verdict {
            None => None,
            Some(Err(error)) if error.is_as_none() => None,
            Some(Err(error)) => Some(Kind::BadStaple(error.clone())),
            Some(Ok(verdict)) => match verdict.status() {
                OcspStatus::Good => None,
                OcspStatus::Revoked { reason, date } => Some(Kind::RevokedByResponder {
                    reason,
                    date,
                    responder: verdict.responder().to_owned(),
                }),
                OcspStatus::Unknown => Some(Kind::UnknownToResponder {
                    responder: verdict.responder().to_owned(),
                }),
            },
        };
        if let Some(kind) = refused {
            let error = CertificateError::at(kind, index.unwrap_or(place), certificate);
            faults.push((place, error));
        }
        statuses.push(verdict);
    }
    // A certificate that is trusted itself has nobody above it who could say anything.
    if let (Some(leaf), Some(own)) = (path.certificates().first(), statuses.first())
        && (demanded || demand == OcspPolicy::Require)
        && !matches!(own, Some(Ok(_)))
    {
        let kind = Kind::MissingStaple {
            demanded,
            unusable: own.clone().and_then(Result::err),
        };
        faults.push((0, CertificateError::at(kind, 0, leaf)));
    }
    if statuses.iter().any(Option::is_some) {
        proof.set_statuses(statuses);
    }
    faults
}
