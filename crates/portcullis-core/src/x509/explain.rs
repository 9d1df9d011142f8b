//! The facts an operator needs, where there is no path or a signature does not count: which
//! certificate, and what to do. They are looked for on the way to a refusal only.

use super::authority;
use super::certificate::Certificate;
use super::chain::{MAX_CERTIFICATES, PresentedChain};
use super::error::{CertificateError, CertificateErrorKind as Kind};
use super::names::distinguished_name;
use super::path::{Path, Vain, Wanted};
use super::signature_algorithm::SignatureAlgorithm;
use super::signatures::{Signatures, is_signed_by};
use crate::crypto::{dsa_bits, modulus_bits, prime_bits, rsa_bits};
use crate::der;

/// An error about the certificate at a place of the chain.
pub(super) fn at(wanted: Wanted<'_>, kind: Kind, place: usize) -> CertificateError {
    match wanted.der(place) {
        Some(certificate) if place < MAX_CERTIFICATES => {
            CertificateError::at(kind, place, certificate)
        }
        Some(helper) => CertificateError::at_intermediate(kind, helper),
        None => CertificateError::new(kind),
    }
}

/// Says why a way leads nowhere.
pub(super) fn in_vain(
    wanted: Wanted<'_>,
    path: &Path,
    why: Vain,
    signatures: &mut Signatures,
) -> CertificateError {
    match why {
        Vain::NoIssuer => match no_authority(wanted, path) {
            Some(error) => error,
            None => no_issuer(wanted, path.head(), signatures),
        },
        Vain::TooDeep => too_deep(wanted, path, signatures),
        Vain::WrongIssuer { issuer } => wrong_issuer(wanted, path, issuer),
    }
}

/// What should have issued a certificate of the path may not. That no anchor is there either may
/// only be why nobody has come to the fault.
fn no_authority(wanted: Wanted<'_>, path: &Path) -> Option<CertificateError> {
    path.places().skip(1).find_map(|place| {
        let issuer = wanted.certificate(place)?;
        let kind = authority::check_issuer(&issuer).err()?;
        Some(at(wanted, kind, place))
    })
}

/// There are several certificates with the name of the head's issuer, and none has signed it.
fn wrong_issuer(wanted: Wanted<'_>, path: &Path, first: usize) -> CertificateError {
    let fields = wanted.certificate(first);
    let bits = fields.and_then(|fields| modulus_bits(fields.spki));
    if let Some(kind) = wrong_length(wanted, bits) {
        return at(wanted, kind, first);
    }
    let issuer = fields.map(|fields| distinguished_name(fields.subject));
    let issuer = issuer.unwrap_or_default();
    at(wanted, Kind::WrongIssuer { issuer }, path.head())
}

/// Whether the way would have led to an anchor is the more important fact.
fn too_deep(wanted: Wanted<'_>, path: &Path, signatures: &mut Signatures) -> CertificateError {
    let Wanted { chain, policy, .. } = wanted;
    let top = follow(chain, path.head());
    match wanted.certificate(top) {
        Some(fields) if policy.roots.named(fields.issuer).is_empty() => {
            no_issuer(wanted, top, signatures)
        }
        _ => CertificateError::new(Kind::PathTooDeep {
            limit: policy.effective_depth(),
        }),
    }
}

/// Nobody has the name of the issuer of the certificate at this place.
fn no_issuer(wanted: Wanted<'_>, place: usize, signatures: &mut Signatures) -> CertificateError {
    let Some(top) = wanted.certificate(place) else {
        return CertificateError::malformed_at(place);
    };
    let policy = wanted.policy;
    let issuer = || distinguished_name(top.issuer);
    let is_pinned = policy.roots.has_pinned_name(top.issuer);
    let has_own_name = top.issuer == top.subject;
    // Whoever has the key of a pinned certificate may have given its name to another one.
    let kind = if is_pinned && !(has_own_name && is_signed_by(signatures, wanted, &top, top.spki)) {
        Kind::PinnedIssuer { issuer: issuer() }
    } else if has_own_name {
        self_signed(wanted)
    } else {
        Kind::UnknownIssuer {
            issuer: issuer(),
            trust_anchors: policy.roots.len(),
        }
    };
    at(wanted, kind, place)
}

/// That nobody who is trusted has issued the certificate at this place, whatever others are called.
pub(super) fn unknown_issuer(wanted: Wanted<'_>, place: usize) -> CertificateError {
    let issuer = wanted.certificate(place);
    let kind = Kind::UnknownIssuer {
        issuer: issuer.map_or_else(String::new, |own| distinguished_name(own.issuer)),
        trust_anchors: wanted.policy.roots.len(),
    };
    at(wanted, kind, place)
}

pub(super) fn self_signed(wanted: Wanted<'_>) -> Kind {
    Kind::SelfSigned {
        trust_anchors: wanted.policy.roots.len(),
    }
}

/// Why no signature by an RSA key counts.
pub(super) fn wrong_length(wanted: Wanted<'_>, bits: Option<usize>) -> Option<Kind> {
    let least = wanted.policy.key_minimum;
    bits.filter(|bits| !rsa_bits(least).contains(bits))
        .map(|bits| Kind::RsaKeyLength { bits, least })
}

/// Why no signature by a key of DSA counts.
pub(super) fn wrong_prime(wanted: Wanted<'_>, (algorithm, key): (&[u8], &[u8])) -> Option<Kind> {
    let least = wanted.policy.key_minimum;
    prime_bits(&der::put_public_key_info(algorithm, key))
        .filter(|bits| !dsa_bits(least).contains(bits))
        .map(|bits| Kind::DsaKeyLength { bits, least })
}

/// Why nothing here verifies the signature of a certificate.
pub(super) fn unsupported_signature(certificate: &Certificate<'_>) -> Kind {
    let algorithm = certificate.signature_algorithm;
    let known = SignatureAlgorithm::find(algorithm);
    match known.and_then(|known| Some((known, known.wrong_parameters(algorithm)?))) {
        Some((known, expected)) => Kind::SignatureParameters {
            algorithm: known.name,
            expected,
        },
        None => Kind::UnsupportedSignature {
            algorithm: known
                .map_or("an unknown algorithm", |known| known.name)
                .to_owned(),
            broken_hash: known.is_some_and(|known| known.is_broken()),
        },
    }
}

/// Follows the issuers by name, to the certificate whose issuer is not in the chain.
fn follow(chain: &PresentedChain, from: usize) -> usize {
    let fields_at = |place: usize| Certificate::read(chain.certificates().get(place)?);
    let mut last = from;
    for _ in 0..MAX_CERTIFICATES {
        let Some(current) = fields_at(last).filter(|own| own.issuer != own.subject) else {
            break;
        };
        let is_issuer =
            |&place: &usize| fields_at(place).is_some_and(|own| own.subject == current.issuer);
        let Some(next) = (1..chain.certificates().len()).find(is_issuer) else {
            break;
        };
        last = next;
    }
    last
}
