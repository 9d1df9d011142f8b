//! From one webpki error to the facts an operator needs: which certificate, and what to do.
//!
//! webpki gives the most specific error of all paths it tried, without a position; the position
//! is looked for here, on the way to a refusal only.

use rustls_pki_types::UnixTime;
use webpki::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::chain::{MAX_CERTIFICATES, PresentedChain};
use super::error::{CertificateError, CertificateErrorKind as Kind, Purpose};
use super::names::{distinguished_name, subject_alt_names};
use super::signature_algorithm::SignatureAlgorithm;
use super::verify::ChainPolicy;
use crate::der::CertificateFields;

/// Most subjectAltName entries kept in an error.
const MAX_NAMES: usize = 100;

pub(super) fn explain(
    error: Error,
    chain: &PresentedChain,
    purpose: Purpose,
    now: UnixTime,
    policy: &ChainPolicy,
) -> CertificateError {
    let leaf = |kind| CertificateError::at(kind, 0, chain.end_entity());
    let found = |kind, is_it: &dyn Fn(&X509Certificate<'_>) -> bool| locate(chain, kind, is_it);
    match error {
        Error::CertExpired { not_after, .. } => {
            found(Kind::Expired { not_after, now }, &|certificate| {
                same_second(certificate.validity().not_after.timestamp(), not_after)
            })
        }
        Error::CertNotValidYet { not_before, .. } => {
            found(Kind::NotYetValid { not_before, now }, &|certificate| {
                same_second(certificate.validity().not_before.timestamp(), not_before)
            })
        }
        Error::UnknownIssuer => unknown_issuer(chain, policy.roots().len()),
        Error::CertNotValidForName(context) => {
            let mut seen = subject_alt_names(chain.end_entity());
            seen.truncate(MAX_NAMES);
            leaf(Kind::NameMismatch {
                expected: context.expected.to_str().into_owned(),
                seen,
            })
        }
        Error::InvalidSignatureForPublicKey => only_if_alone(chain, Kind::BadSignature),
        Error::RequiredEkuNotFoundContext(_) => {
            found(Kind::WrongPurpose { needed: purpose }, &|certificate| {
                lacks_purpose(certificate, purpose)
            })
        }
        Error::CaUsedAsEndEntity => leaf(Kind::WrongBasicConstraints),
        Error::EndEntityUsedAsCa => only_if_alone(chain, Kind::WrongBasicConstraints),
        Error::NameConstraintViolation => only_if_alone(chain, Kind::NameConstraints),
        Error::PathLenConstraintViolated => {
            CertificateError::new(Kind::PathTooDeep { limit: None })
        }
        Error::MaximumPathDepthExceeded => CertificateError::new(Kind::PathTooDeep {
            limit: Some(policy.effective_depth()),
        }),
        Error::UnsupportedSignatureAlgorithmContext(context) => {
            unsupported_signature(chain, &context.signature_algorithm_id)
        }
        Error::UnsupportedSignatureAlgorithmForPublicKeyContext(context) => {
            unsupported_signature(chain, &context.signature_algorithm_id)
        }
        Error::UnsupportedCriticalExtension => only_if_alone(
            chain,
            Kind::Unsupported("it has a critical extension that is not known"),
        ),
        Error::UnsupportedCertVersion => {
            only_if_alone(chain, Kind::Unsupported("it is not X.509 version 3"))
        }
        Error::UnsupportedNameType => {
            only_if_alone(chain, Kind::Unsupported("it has names of an unknown type"))
        }
        Error::EmptyEkuExtension => {
            only_if_alone(chain, Kind::Malformed("its extended key usage is empty"))
        }
        Error::BadDer | Error::BadDerTime | Error::TrailingData(_) => {
            only_if_alone(chain, Kind::Malformed("it is not DER-encoded X.509"))
        }
        Error::InvalidCertValidity => {
            only_if_alone(chain, Kind::Malformed("it ends before it begins"))
        }
        Error::ExtensionValueInvalid | Error::MalformedExtensions => {
            only_if_alone(chain, Kind::Malformed("an extension of it"))
        }
        Error::InvalidSerialNumber => only_if_alone(chain, Kind::Malformed("its serial number")),
        Error::SignatureAlgorithmMismatch => only_if_alone(
            chain,
            Kind::Malformed("it names two different signature algorithms"),
        ),
        Error::MalformedDnsIdentifier => only_if_alone(chain, Kind::Malformed("a DNS name in it")),
        Error::MalformedNameConstraint | Error::InvalidNetworkMaskConstraint => {
            only_if_alone(chain, Kind::Malformed("its name constraints"))
        }
        Error::CertDistrusted => CertificateError::new(Kind::Other(
            "its CA was distrusted by the browsers for misissuing certificates".to_owned(),
        )),
        other => CertificateError::new(Kind::Other(other.to_string())),
    }
}

/// The first certificate for which the test holds.
fn locate(
    chain: &PresentedChain,
    kind: Kind,
    is_it: &dyn Fn(&X509Certificate<'_>) -> bool,
) -> CertificateError {
    let found = chain.certificates().iter().position(|certificate| {
        X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| is_it(&certificate))
    });
    at_position(chain, kind, found)
}

/// webpki does not say which one, which is clear when there is only one.
fn only_if_alone(chain: &PresentedChain, kind: Kind) -> CertificateError {
    let alone = chain.intermediates().is_empty().then_some(0);
    at_position(chain, kind, alone)
}

fn at_position(chain: &PresentedChain, kind: Kind, position: Option<usize>) -> CertificateError {
    match position.and_then(|at| Some((at, chain.certificates().get(at)?))) {
        Some((at, certificate)) => CertificateError::at(kind, at, certificate),
        None => CertificateError::new(kind),
    }
}

fn same_second(timestamp: i64, time: UnixTime) -> bool {
    u64::try_from(timestamp).is_ok_and(|seconds| seconds == time.as_secs())
}

fn lacks_purpose(certificate: &X509Certificate<'_>, purpose: Purpose) -> bool {
    match certificate.extended_key_usage() {
        Ok(Some(usage)) => match purpose {
            Purpose::ServerAuth => !usage.value.server_auth,
            Purpose::ClientAuth => !usage.value.client_auth,
        },
        _ => false,
    }
}

fn unsupported_signature(chain: &PresentedChain, algorithm: &[u8]) -> CertificateError {
    let position = chain.certificates().iter().position(|certificate| {
        CertificateFields::find(certificate)
            .is_some_and(|fields| fields.signature_algorithm == algorithm)
    });
    let known = SignatureAlgorithm::find(algorithm);
    let kind = Kind::UnsupportedSignature {
        algorithm: known
            .map_or("an unknown algorithm", |known| known.name)
            .to_owned(),
        broken_hash: known.is_some_and(|known| known.is_broken()),
    };
    at_position(chain, kind, position)
}

/// Follows the issuers by name to where the chain breaks off.
fn unknown_issuer(chain: &PresentedChain, trust_anchors: usize) -> CertificateError {
    let fields: Vec<_> = chain
        .certificates()
        .iter()
        .map(|certificate| CertificateFields::find(certificate))
        .collect();
    let mut last = 0;
    let mut issuer = fields.first().copied().flatten();
    for _ in 0..MAX_CERTIFICATES {
        let Some(current) = issuer.filter(|current| current.issuer != current.subject) else {
            break;
        };
        let next = fields.iter().enumerate().find_map(|(at, fields)| {
            let fields = (*fields)?;
            (fields.subject == current.issuer).then_some((at, fields))
        });
        let Some((at, fields)) = next else { break };
        (last, issuer) = (at, Some(fields));
    }
    let kind = match issuer {
        Some(top) if top.issuer == top.subject => Kind::SelfSigned { trust_anchors },
        Some(top) => Kind::UnknownIssuer {
            issuer: distinguished_name(top.issuer),
            trust_anchors,
        },
        None => Kind::Malformed("it is not DER-encoded X.509"),
    };
    at_position(chain, kind, Some(last))
}
