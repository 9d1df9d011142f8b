//! From a failed search, or one error of webpki, to the facts an operator needs: which
//! certificate, and what to do.
//!
//! webpki does not say where it found an error; the place is looked for here, on the way to a
//! refusal only. Only certificates of the path that failed come into question.

use rustls_pki_types::UnixTime;
use webpki::{EndEntityCert, Error};

use super::authority;
use super::certificate::Certificate;
use super::chain::{MAX_CERTIFICATES, PresentedChain};
use super::constraints::{Breach, MAX_READ, breach};
use super::error::{CertificateError, CertificateErrorKind as Kind};
use super::extension::ExtendedKeyUsage;
use super::extension::name_constraints::NameConstraints;
use super::name::CanonicalName;
use super::names::{alt_names, distinguished_name, printable};
use super::path::{Failure, MAX_STEPS, Path, Wanted, Why, fields_at};
use super::signature_algorithm::SignatureAlgorithm;
use super::signatures::{Edge, MAX_SIGNATURES};
use super::time::Validity;
use crate::crypto::{modulus_bits, modulus_bits_of_contents, rsa_bits};
use crate::der::{self, Reader};

/// Most subjectAltName entries kept in an error.
const MAX_NAMES: usize = 100;

/// What webpki compares at most before it gives up.
const MAX_COMPARISONS: usize = 250_000;

/// The largest certificate that webpki reads: its length has two bytes, its header four.
const MAX_CERTIFICATE: usize = 4 + 0xffff;

/// Says why there is no path.
pub(super) fn explain(failure: Failure, wanted: Wanted<'_>) -> CertificateError {
    let Failure { path, why } = failure;
    let explained = Explained { wanted, path };
    match why {
        Why::Refused(error) => explained.refused(error),
        Why::BadSignature { issuer } => explained.wrong_issuer(issuer),
        Why::NotAnIssuer { issuer, kind } => explained.at(kind, Some(issuer)),
        Why::TooDeep => explained.too_deep(),
        Why::NoIssuer => explained.no_issuer(path.head()),
        Why::TooManySignatures => CertificateError::new(Kind::TooExpensive {
            what: "signatures",
            limit: MAX_SIGNATURES,
        }),
        Why::TooManySteps => CertificateError::new(Kind::TooExpensive {
            what: "steps",
            limit: MAX_STEPS,
        }),
    }
}

/// Says what is wrong with the leaf.
pub(super) fn explain_leaf(error: Error, wanted: Wanted<'_>) -> CertificateError {
    let path = Path::LEAF;
    Explained { wanted, path }.refused(error)
}

struct Explained<'a> {
    wanted: Wanted<'a>,
    path: Path,
}

impl Explained<'_> {
    fn refused(&self, error: Error) -> CertificateError {
        let now = self.wanted.now;
        let purpose = self.wanted.purpose;
        match error {
            Error::CertExpired { not_after, .. } => self
                .first(Kind::Expired { not_after, now }, |validity| {
                    is_second(validity.not_after, not_after)
                }),
            Error::CertNotValidYet { not_before, .. } => self
                .first(Kind::NotYetValid { not_before, now }, |validity| {
                    is_second(validity.not_before, not_before)
                }),
            Error::CertNotValidForName(context) => {
                let seen = alt_names(self.wanted.chain.end_entity(), MAX_NAMES);
                let expected = context.expected.to_str().into_owned();
                self.at(Kind::NameMismatch { expected, seen }, Some(0))
            }
            Error::InvalidSignatureForPublicKey => self.bad_signature(),
            Error::RequiredEkuNotFoundContext(_) => {
                let place = self.place(|own, _| {
                    extended_key_usage(own).is_some_and(|usage| !usage.allows(purpose))
                });
                self.at(Kind::WrongPurpose { needed: purpose }, place)
            }
            Error::CaUsedAsEndEntity => self.authority_as_peer(),
            Error::NameConstraintViolation => self.name_constraints(),
            Error::PathLenConstraintViolated => self.too_long_for_a_ca(),
            Error::UnsupportedSignatureAlgorithmContext(context) => {
                self.unsupported_signature(&context.signature_algorithm_id)
            }
            Error::UnsupportedSignatureAlgorithmForPublicKeyContext(context) => {
                self.unsupported_signature(&context.signature_algorithm_id)
            }
            Error::UnsupportedCriticalExtension => self.critical_extension(),
            Error::MaximumNameConstraintComparisonsExceeded => {
                CertificateError::new(Kind::TooExpensive {
                    what: "comparisons of names",
                    limit: MAX_COMPARISONS,
                })
            }
            Error::CertDistrusted => CertificateError::new(Kind::Other(
                "its CA was distrusted by the browsers for misissuing certificates".to_owned(),
            )),
            Error::BadDer | Error::BadDerTime | Error::TrailingData(_) => self.malformed(error),
            error => self.odd(error),
        }
    }

    /// What is wrong with one certificate by itself.
    fn odd(&self, error: Error) -> CertificateError {
        let kind = match error {
            Error::UnsupportedCertVersion => Kind::Unsupported("it is not X.509 version 3"),
            Error::UnsupportedNameType => Kind::Unsupported("it has names of an unknown type"),
            Error::EmptyEkuExtension => Kind::Malformed("its extended key usage is empty"),
            Error::InvalidCertValidity => Kind::Malformed("it ends before it begins"),
            Error::ExtensionValueInvalid | Error::MalformedExtensions => {
                Kind::Malformed("an extension of it")
            }
            Error::InvalidSerialNumber => Kind::Malformed("its serial number"),
            Error::SignatureAlgorithmMismatch => {
                Kind::Malformed("it names two different signature algorithms")
            }
            Error::MalformedDnsIdentifier => Kind::Malformed("a DNS name in it"),
            Error::MalformedNameConstraint | Error::InvalidNetworkMaskConstraint => {
                Kind::Malformed("its name constraints")
            }
            ref other => Kind::Other(other.to_string()),
        };
        let place = self.place(|fields, parsed| match error {
            Error::EmptyEkuExtension => {
                extended_key_usage(fields).is_some_and(|usage| usage.is_empty())
            }
            Error::InvalidCertValidity => {
                let validity = fields.validity();
                validity.is_some_and(|own| own.not_after < own.not_before)
            }
            Error::MalformedNameConstraint | Error::InvalidNetworkMaskConstraint => {
                NameConstraints::of(fields).is_some()
            }
            _ => read(parsed).is_err_and(|own| own == error),
        });
        self.at(kind, place)
    }

    fn malformed(&self, error: Error) -> CertificateError {
        if let Some(place) = self.place(|_, der| der.len() > MAX_CERTIFICATE) {
            return self.at(Kind::Unsupported("it is larger than 64 KiB"), Some(place));
        }
        if error == Error::BadDerTime {
            let is_early = |own: Validity| own.not_before < 0 || own.not_after < 0;
            let place = self.place(|own, _| own.validity().is_some_and(is_early));
            return match place {
                Some(_) => self.at(
                    Kind::Unsupported("its validity begins or ends before 1970"),
                    place,
                ),
                None => self.at(Kind::Malformed("a date in it"), self.only()),
            };
        }
        let place = self.place(|_, der| read(der).is_err_and(|own| own == error));
        let kind = Kind::Malformed("it is not DER-encoded X.509");
        self.at(kind, place.or_else(|| self.only()))
    }

    fn authority_as_peer(&self) -> CertificateError {
        let leaf = fields_at(self.wanted.chain, 0);
        let kind = match leaf {
            Some(leaf) if leaf.subject == leaf.issuer => self.self_signed(),
            _ => Kind::WrongBasicConstraints,
        };
        self.at(kind, Some(0))
    }

    fn critical_extension(&self) -> CertificateError {
        /// What webpki processes of 2.5.29.
        const PROCESSED: [u8; 6] = [15, 17, 19, 30, 31, 37];
        let unknown = |fields: &Certificate<'_>| {
            let mut extensions = fields.extensions().filter_map(Result::ok);
            extensions.find_map(|extension| match extension.oid {
                [0x55, 0x1d, known] if PROCESSED.contains(known) => None,
                oid if extension.critical => Some(match der::dotted(oid) {
                    Some(oid) => printable(&oid),
                    None => "its name is no OID".to_owned(),
                }),
                _ => None,
            })
        };
        let mut places = self.path.places().iter();
        let found = places.find_map(|&place| {
            let oid = unknown(&fields_at(self.wanted.chain, place)?)?;
            Some((place, Kind::UnknownCriticalExtension { oid }))
        });
        match found {
            Some((place, kind)) => self.at(kind, Some(place)),
            None => self.at(
                Kind::Unsupported("it has a critical extension that is not supported"),
                None,
            ),
        }
    }

    fn name_constraints(&self) -> CertificateError {
        let mut left = MAX_READ;
        // From the anchor down, as they are processed.
        let mut issuer = None;
        let of_anchor = self
            .anchors()
            .find_map(|anchor| anchor.name_constraints.as_deref());
        let mut constraints = of_anchor.map(NameConstraints::from_contents);
        for (height, &place) in self.path.places().iter().enumerate().rev() {
            let below = self.path.places().get(..=height).unwrap_or_default();
            for &lower in below.iter().rev() {
                let fields = fields_at(self.wanted.chain, lower);
                let breach = constraints
                    .zip(fields)
                    .and_then(|(constraints, fields)| breach(constraints, &fields, &mut left));
                match (breach, issuer) {
                    (None, _) => {}
                    (Some(Breach::Forbidden), _) => {
                        return self.at(Kind::NameConstraints, Some(lower));
                    }
                    (Some(Breach::Unsupported(names)), Some(issuer)) => {
                        return self.at(Kind::UnsupportedConstraint { names }, Some(issuer));
                    }
                    (Some(Breach::Unsupported(names)), None) => {
                        return self.at_anchor(Kind::UnsupportedConstraint { names });
                    }
                }
            }
            issuer = Some(place);
            let fields = fields_at(self.wanted.chain, place);
            constraints = fields.and_then(|fields| NameConstraints::of(&fields));
        }
        self.at(Kind::NameConstraints, self.only())
    }

    fn too_long_for_a_ca(&self) -> CertificateError {
        let kind = Kind::PathTooDeep { limit: None };
        let too_long = |&(below, &place): &(usize, &usize)| {
            let fields = fields_at(self.wanted.chain, place);
            let limit = fields.and_then(|fields| authority::path_length(&fields));
            limit.is_some_and(|limit| below > limit)
        };
        // Below the CA that issued the leaf there is none.
        let mut issuers = self.path.places().iter().skip(1).enumerate();
        match issuers.find(too_long) {
            Some((_, &place)) => self.at(kind, Some(place)),
            None => self.at_anchor(kind),
        }
    }

    fn unsupported_signature(&self, algorithm: &[u8]) -> CertificateError {
        let place = self.place(|fields, _| fields.signature_algorithm == algorithm);
        let known = SignatureAlgorithm::find(algorithm);
        let kind = match known.and_then(|known| Some((known, known.wrong_parameters(algorithm)?))) {
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
        };
        self.at(kind, place)
    }

    /// webpki found a signature on the path bad: the last one there was.
    fn bad_signature(&self) -> CertificateError {
        let Some(Edge { message, key }) = self.wanted.signatures.last_bad() else {
            return self.at(Kind::BadSignature, self.only());
        };
        let is_in = |bytes: &[u8], address: usize| {
            let range = bytes.as_ptr_range();
            (range.start.addr()..range.end.addr()).contains(&address)
        };
        if let Some(place) = self.place(|_, der| is_in(der, key)) {
            if let Some(kind) = fields_at(self.wanted.chain, place)
                .and_then(|fields| self.wrong_length(modulus_bits(fields.spki)))
            {
                return self.at(kind, Some(place));
            }
        } else if let Some(anchor) = self
            .anchors()
            .find(|anchor| is_in(&anchor.subject_public_key_info, key))
        {
            let bits = modulus_bits_of_contents(&anchor.subject_public_key_info);
            if let Some(kind) = self.wrong_length(bits) {
                return self.at_anchor(kind);
            }
        }
        self.at(Kind::BadSignature, self.place(|_, der| is_in(der, message)))
    }

    /// Of an RSA key.
    fn wrong_length(&self, bits: Option<usize>) -> Option<Kind> {
        let least = self.wanted.policy.key_minimum;
        bits.filter(|bits| !rsa_bits(least).contains(bits))
            .map(|bits| Kind::RsaKeyLength { bits, least })
    }

    /// There are several certificates with the name of the head's issuer, and none has signed it.
    fn wrong_issuer(&self, first: usize) -> CertificateError {
        let fields = fields_at(self.wanted.chain, first);
        if let Some(kind) = fields.and_then(|fields| self.wrong_length(modulus_bits(fields.spki))) {
            return self.at(kind, Some(first));
        }
        let head = self.path.head();
        let issuer = fields.map(|fields| distinguished_name(fields.subject));
        let issuer = issuer.unwrap_or_default();
        self.at(Kind::WrongIssuer { issuer }, Some(head))
    }

    /// Whether the way would have led to an anchor is the more important fact.
    fn too_deep(&self) -> CertificateError {
        let top = follow(self.wanted.chain, self.path.head());
        let Wanted { chain, policy, .. } = self.wanted;
        match fields_at(chain, top) {
            Some(fields) if policy.roots.named(fields.issuer).is_empty() => self.no_issuer(top),
            _ => CertificateError::new(Kind::PathTooDeep {
                limit: Some(policy.effective_depth()),
            }),
        }
    }

    /// Nobody has the name of the issuer of the certificate at this place.
    fn no_issuer(&self, place: usize) -> CertificateError {
        let Wanted {
            chain,
            policy,
            signatures,
            ..
        } = self.wanted;
        let Some(top) = fields_at(chain, place) else {
            return CertificateError::malformed_at(place);
        };
        let issuer = || distinguished_name(top.issuer);
        let is_pinned = policy.roots.has_pinned_name(top.issuer);
        let has_own_name = top.issuer == top.subject;
        // Who has the key of a pinned certificate may have given its name to another one.
        let kind = if is_pinned && !(has_own_name && signatures.is_signed_by(&top, top.spki)) {
            Kind::PinnedIssuer { issuer: issuer() }
        } else if has_own_name {
            self.self_signed()
        } else if let Some(found) = encoded_otherwise(chain, top.issuer) {
            Kind::NameEncoding {
                issuer: issuer(),
                found,
            }
        } else {
            Kind::UnknownIssuer {
                issuer: issuer(),
                trust_anchors: policy.roots.len(),
            }
        };
        self.at(kind, Some(place))
    }

    fn self_signed(&self) -> Kind {
        Kind::SelfSigned {
            trust_anchors: self.wanted.policy.roots.len(),
        }
    }

    /// The anchors that the path leads to.
    fn anchors(&self) -> impl Iterator<Item = &rustls_pki_types::TrustAnchor<'_>> {
        let head = fields_at(self.wanted.chain, self.path.head());
        let roots = &self.wanted.policy.roots;
        head.into_iter()
            .flat_map(|head| roots.named(head.issuer).anchors())
    }

    fn at_anchor(&self, kind: Kind) -> CertificateError {
        let head = fields_at(self.wanted.chain, self.path.head());
        let name = head.map(|head| distinguished_name(head.issuer));
        CertificateError::at_anchor(kind, &name.unwrap_or_default())
    }

    fn at(&self, kind: Kind, place: Option<usize>) -> CertificateError {
        let certificates = self.wanted.chain.certificates();
        match place.and_then(|at| Some((at, certificates.get(at)?))) {
            Some((at, certificate)) => CertificateError::at(kind, at, certificate),
            None => CertificateError::new(kind),
        }
    }

    /// The first certificate whose dates are so, or none in particular.
    fn first(&self, kind: Kind, is_it: impl Fn(Validity) -> bool) -> CertificateError {
        let place = self.place(|own, _| own.validity().is_some_and(&is_it));
        self.at(kind, place)
    }

    /// The place of the first certificate of the path, from the leaf up, for which a test holds.
    fn place(&self, is_it: impl Fn(&Certificate<'_>, &[u8]) -> bool) -> Option<usize> {
        let chain = self.wanted.chain;
        self.path.places().iter().copied().find(|&place| {
            let der = chain.certificates().get(place);
            der.is_some_and(|der| Certificate::read(der).is_some_and(|fields| is_it(&fields, der)))
        })
    }

    /// The leaf, if there is nothing else on the path.
    fn only(&self) -> Option<usize> {
        (self.path.places().len() == 1).then_some(0)
    }
}

/// What webpki says of a certificate before it knows its role.
fn read(der: &[u8]) -> Result<(), Error> {
    EndEntityCert::try_from(&der.into()).map(|_| ())
}

fn is_second(timestamp: i64, time: UnixTime) -> bool {
    u64::try_from(timestamp).is_ok_and(|seconds| seconds == time.as_secs())
}

fn extended_key_usage<'a>(certificate: &Certificate<'a>) -> Option<ExtendedKeyUsage<'a>> {
    ExtendedKeyUsage::of(certificate).ok().flatten()
}

/// Follows the issuers by name, to the certificate whose issuer is not in the chain.
fn follow(chain: &PresentedChain, from: usize) -> usize {
    let mut last = from;
    for _ in 0..MAX_CERTIFICATES {
        let Some(current) = fields_at(chain, last).filter(|own| own.issuer != own.subject) else {
            break;
        };
        let is_issuer = |&place: &usize| {
            fields_at(chain, place).is_some_and(|own| own.subject == current.issuer)
        };
        let Some(next) = (1..chain.certificates().len()).find(is_issuer) else {
            break;
        };
        last = next;
    }
    last
}

/// Where a certificate is that has this name in another encoding.
fn encoded_otherwise(chain: &PresentedChain, name: &[u8]) -> Option<usize> {
    let canonical = |name| CanonicalName::new(Reader::new(name).contents(der::SEQUENCE)?);
    let name = canonical(name)?;
    (1..chain.certificates().len()).find(|&place| {
        fields_at(chain, place)
            .and_then(|own| canonical(own.subject))
            .is_some_and(|subject| subject == name)
    })
}
