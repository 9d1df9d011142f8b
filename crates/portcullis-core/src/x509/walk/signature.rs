//! Whether a certificate is signed by the one above it on the path.

use super::Walk;
use super::finding::{About, Fault};
use super::steps::Subject;
use crate::crypto::{ID_DSA, modulus_bits, modulus_bits_of_contents};
use crate::der;
use crate::x509::error::CertificateErrorKind as Kind;
use crate::x509::explain;
use crate::x509::path::{Top, Wanted};
use crate::x509::signatures::{MAX_SIGNATURES, Refused, lacks_parameters};

/// §6.1.3 (a) (1). That the issuer has the name that the certificate says ((a) (4)) is how it was
/// found.
pub(super) fn signature(
    walk: &mut Walk,
    wanted: Wanted<'_>,
    subject: &Subject<'_>,
) -> Result<(), Fault> {
    let above = subject.above;
    let here = About::Certificate(above);
    let issuer = match subject.path.place(above + 1) {
        Some(place) => wanted.certificate(place).map(|issuer| {
            let bits = modulus_bits(issuer.spki);
            (
                der::public_key_info(issuer.spki),
                bits,
                About::Certificate(above + 1),
            )
        }),
        None => match subject.top {
            Top::Pinned | Top::Unknown => return Ok(()),
            Top::Trusted(place) => wanted.certificate(place).map(|anchor| {
                let bits = modulus_bits(anchor.spki);
                (der::public_key_info(anchor.spki), bits, About::Anchor)
            }),
            Top::Root(at) => wanted.policy.roots.anchor(at).map(|(anchor, _)| {
                let spki = &*anchor.subject_public_key_info;
                let bits = modulus_bits_of_contents(spki);
                (der::public_key_info_contents(spki), bits, About::Anchor)
            }),
        },
    };
    let mut prime = None;
    let (verdict, bits, by) = match issuer {
        Some((Some(key), bits, by)) => {
            let key = with_parameters(wanted, subject, key);
            prime = key.0.starts_with(ID_DSA).then_some(key);
            let verdict = walk.signatures.verify(wanted, &subject.certificate, key);
            (verdict, bits, by)
        }
        _ => (Err(Refused::Bad), None, here),
    };
    let (kind, about) = match verdict {
        Ok(()) => return Ok(()),
        Err(Refused::TooMany) => {
            let (what, limit) = ("signatures", MAX_SIGNATURES);
            (Kind::TooExpensive { what, limit }, About::Chain)
        }
        Err(Refused::Unsupported) => (explain::unsupported_signature(&subject.certificate), here),
        Err(Refused::Bad) => match explain::wrong_length(wanted, bits)
            .or_else(|| prime.and_then(|key| explain::wrong_prime(wanted, key)))
        {
            Some(kind) => (kind, by),
            None => (Kind::BadSignature, here),
        },
    };
    Err(Fault::of_edge(kind, above, about))
}

/// §6.1.4 (e), RFC 3279 §2.3.2: an issuer's key of DSA without a group is in that of whoever issued its certificate.
fn with_parameters<'a>(
    wanted: Wanted<'a>,
    subject: &Subject<'_>,
    (algorithm, key): (&'a [u8], &'a [u8]),
) -> (&'a [u8], &'a [u8]) {
    if !lacks_parameters(algorithm) {
        return (algorithm, key);
    }
    for above in subject.above + 2..=subject.path.len() {
        let other = match subject.path.place(above) {
            Some(place) => wanted.certificate(place).map(|other| other.spki),
            None => match subject.top {
                Top::Root(at) => {
                    let anchor = wanted.policy.roots.anchor(at);
                    let contents = anchor.map(|(anchor, _)| &*anchor.subject_public_key_info);
                    let info = contents.and_then(der::public_key_info_contents);
                    return info
                        .filter(|(other, _)| is_group(other))
                        .map_or((algorithm, key), |(other, _)| (other, key));
                }
                Top::Trusted(place) => wanted.certificate(place).map(|other| other.spki),
                Top::Pinned | Top::Unknown => None,
            },
        };
        match other.and_then(der::public_key_info) {
            Some((other, _)) if lacks_parameters(other) => {}
            Some((other, _)) if is_group(other) => return (other, key),
            _ => break,
        }
    }
    (algorithm, key)
}

fn is_group(algorithm: &[u8]) -> bool {
    algorithm.starts_with(ID_DSA) && !lacks_parameters(algorithm)
}
