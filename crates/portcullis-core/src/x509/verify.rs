//! Whether a chain leads from the peer to a trust anchor: path, dates, purpose, name, usage.
//!
//! RFC 5280 §6 by webpki, RFC 9525 for names, RFC 8446 §4.4.2.2 for the key usage.
//! Pure: the same arguments give the same answer.

use core::array::from_fn;
use std::sync::Arc;

use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, FipsStatus, InvalidSignature, ServerName,
    SignatureVerificationAlgorithm, UnixTime,
};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::chain::{PresentedChain, VerifiedChain};
use super::error::{CertificateError, CertificateErrorKind as Kind, Purpose};
use super::explain::explain;
use super::memo::{SignatureMemo, Walk};
use super::roots::Roots;
use crate::SignatureScheme;
use crate::crypto::verification::{self as algorithms, Algorithm};
use crate::der::{self, CertificateFields, Reader};

/// What webpki builds at most; a greater depth cannot be had.
pub(super) const WEBPKI_DEPTH: usize = 6;

/// How many certificates of the same subject are tried, so that names that lead to each other
/// in circles cannot make path building expensive.
const MAX_PER_SUBJECT: usize = 3;

/// All that [`algorithms_of`] knows.
const MAX_ALGORITHMS: usize = 22;

/// What is required of a peer's chain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChainPolicy {
    roots: Roots,
    depth: usize,
    /// At most `MAX_ALGORITHMS`.
    pub(super) algorithms: Arc<[Algorithm]>,
    check_name: bool,
    pub(super) memo: SignatureMemo,
}

impl ChainPolicy {
    /// Requires a path to one of the roots, signed with the default schemes of this library,
    /// with at most 10 intermediates, and that a server has the expected name.
    pub fn new(roots: Roots) -> Self {
        let schemes = [SignatureScheme::DEFAULT, SignatureScheme::CERTIFICATE_ONLY];
        Self {
            roots,
            depth: 10,
            algorithms: algorithms_of(schemes.into_iter().flatten().copied()),
            check_name: true,
            memo: SignatureMemo::default(),
        }
    }

    /// Sets how many intermediate certificates a path may have; 0 asks for certificates issued
    /// by a root directly. The path builder never takes more than 6, whatever is given here.
    #[must_use]
    pub fn depth(mut self, intermediates: usize) -> Self {
        self.depth = intermediates;
        self
    }

    /// Sets the schemes that certificates may be signed with. An ECDSA scheme stands for its
    /// hash with any of the curves P-256, P-384 and P-521; SHA-1 is never accepted.
    #[must_use]
    pub fn schemes(mut self, schemes: &[SignatureScheme]) -> Self {
        self.algorithms = algorithms_of(schemes.iter().copied());
        self
    }

    /// Accepts a server whatever its name: **any** holder of a certificate from one of the roots
    /// can impersonate it.
    #[must_use]
    pub fn dangerous_skip_name_check(mut self) -> Self {
        self.check_name = false;
        self
    }

    /// Sets how many signatures of certificates are remembered as good, so that they are not
    /// verified again when a chain comes back; 0 remembers none. Default: 1,024, about 200 bytes
    /// each. Everything else about a chain is verified each time. Clones made from here on share
    /// what they remember.
    #[must_use]
    pub fn remembered_signatures(self, count: usize) -> Self {
        self.memo(SignatureMemo::new(count))
    }

    /// Remembers signatures together with others.
    #[must_use]
    pub(crate) fn memo(mut self, memo: SignatureMemo) -> Self {
        self.memo = memo;
        self
    }

    /// The trust anchors.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }
}

/// What verifies the signatures of certificates that a scheme stands for.
fn algorithms_of(schemes: impl Iterator<Item = SignatureScheme>) -> Arc<[Algorithm]> {
    let mut all = Vec::new();
    let mut seen = Vec::new();
    for scheme in schemes {
        if seen.contains(&scheme) {
            continue;
        }
        seen.push(scheme);
        match scheme {
            SignatureScheme::ECDSA_SECP256R1_SHA256 => all.extend([
                algorithms::ECDSA_P256_SHA256,
                algorithms::ECDSA_P384_SHA256,
                algorithms::ECDSA_P521_SHA256,
            ]),
            SignatureScheme::ECDSA_SECP384R1_SHA384 => all.extend([
                algorithms::ECDSA_P384_SHA384,
                algorithms::ECDSA_P256_SHA384,
                algorithms::ECDSA_P521_SHA384,
            ]),
            SignatureScheme::ECDSA_SECP521R1_SHA512 => all.extend([
                algorithms::ECDSA_P521_SHA512,
                algorithms::ECDSA_P384_SHA512,
                algorithms::ECDSA_P256_SHA512,
            ]),
            SignatureScheme::ED25519 => all.push(algorithms::ED25519),
            SignatureScheme::MLDSA44 => all.push(algorithms::ML_DSA_44),
            SignatureScheme::MLDSA65 => all.push(algorithms::ML_DSA_65),
            SignatureScheme::MLDSA87 => all.push(algorithms::ML_DSA_87),
            SignatureScheme::RSA_PSS_RSAE_SHA256 => {
                all.push(algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY)
            }
            SignatureScheme::RSA_PSS_RSAE_SHA384 => {
                all.push(algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY)
            }
            SignatureScheme::RSA_PSS_RSAE_SHA512 => {
                all.push(algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY)
            }
            SignatureScheme::RSA_PKCS1_SHA256 => all.extend([
                algorithms::RSA_PKCS1_2048_8192_SHA256,
                algorithms::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
            ]),
            SignatureScheme::RSA_PKCS1_SHA384 => all.extend([
                algorithms::RSA_PKCS1_2048_8192_SHA384,
                algorithms::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
            ]),
            SignatureScheme::RSA_PKCS1_SHA512 => all.extend([
                algorithms::RSA_PKCS1_2048_8192_SHA512,
                algorithms::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
            ]),
            _ => {}
        }
    }
    all.into()
}

/// Verifies the chain of a server that is expected to have this name.
///
/// The name is looked for in the subjectAltName only: a DNS name in dNSName (a wildcard is a
/// whole leftmost label), an IP address in iPAddress.
///
/// # Errors
/// Why the chain is not accepted.
pub fn verify_server(
    chain: &PresentedChain,
    name: &ServerName<'_>,
    now: UnixTime,
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    let name = policy.check_name.then_some(name);
    verify(chain, Purpose::ServerAuth, name, now, policy)
}

/// Verifies the chain of a client. Who it is remains to be decided from its certificate.
///
/// # Errors
/// Why the chain is not accepted.
pub fn verify_client(
    chain: &PresentedChain,
    now: UnixTime,
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    verify(chain, Purpose::ClientAuth, None, now, policy)
}

fn verify(
    chain: &PresentedChain,
    purpose: Purpose,
    name: Option<&ServerName<'_>>,
    now: UnixTime,
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    if policy.roots.is_empty() {
        return Err(CertificateError::new(Kind::NoTrustAnchors));
    }
    let leaf = chain.end_entity();
    let fields = CertificateFields::find(leaf).ok_or_else(|| CertificateError::malformed_at(0))?;
    let explained = |error| explain(error, chain, purpose, now, policy);
    let end_entity = EndEntityCert::try_from(leaf).map_err(explained)?;
    let walk = policy.memo.walk();
    let signatures = if fields.subject == fields.issuer && policy.roots.contains(leaf) {
        verify_pinned(leaf, purpose, now)?;
        walk.iter().for_each(|walk| walk.note_root(leaf));
        1
    } else {
        verify_path(&end_entity, chain, purpose, now, policy, walk.as_ref()).map_err(explained)?
    };
    if let Some(name) = name {
        end_entity
            .verify_is_valid_for_subject_name(name)
            .map_err(explained)?;
    }
    verify_key_usage(leaf, &fields)?;
    Ok(VerifiedChain::proven(match walk {
        Some(walk) => walk.commit(chain, signatures),
        None => chain.clone(),
    }))
}

/// How many signatures lead from the anchor to the leaf.
fn verify_path(
    end_entity: &EndEntityCert<'_>,
    chain: &PresentedChain,
    purpose: Purpose,
    now: UnixTime,
    policy: &ChainPolicy,
    walk: Option<&Walk<'_>>,
) -> Result<usize, webpki::Error> {
    let usage = match purpose {
        Purpose::ServerAuth => KeyUsage::server_auth(),
        Purpose::ClientAuth => KeyUsage::client_auth(),
    };
    let few: Vec<CertificateDer<'_>>;
    let intermediates = match chain.intermediates() {
        all if all.len() <= MAX_PER_SUBJECT => all,
        all => {
            few = few_per_subject(all);
            &few
        }
    };
    let depth = policy.depth;
    let not_too_deep = |path: &VerifiedPath<'_>| match path.intermediate_certificates().count() {
        count if count > depth => Err(webpki::Error::MaximumPathDepthExceeded),
        _ => Ok(()),
    };
    // On the stack: nearly all of them are in vain.
    let verifying: [_; MAX_ALGORITHMS] = from_fn(|at| Verifying {
        algorithm: policy.algorithms.get(at).unwrap_or(&algorithms::ED25519),
        roots: &policy.roots,
        walk,
    });
    let algorithms = verifying
        .each_ref()
        .map(|one| one as &dyn SignatureVerificationAlgorithm);
    let path = end_entity.verify_for_usage(
        algorithms
            .get(..policy.algorithms.len())
            .unwrap_or_default(),
        policy.roots.anchors(),
        intermediates,
        now,
        usage,
        None,
        Some(&not_too_deep),
    );
    // By reference: a path is large.
    match &path {
        Ok(path) => Ok(path.intermediate_certificates().count() + 1),
        Err(error) => Err(error.clone()),
    }
}

/// An algorithm on one walk from an anchor: it does not verify what it is known to have found
/// good, and does not parse the keys of the anchors again.
#[derive(Debug)]
struct Verifying<'a> {
    algorithm: &'a Algorithm,
    roots: &'a Roots,
    walk: Option<&'a Walk<'a>>,
}

impl SignatureVerificationAlgorithm for Verifying<'_> {
    // Nothing here is secret, so nothing has to take constant time.
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let verify = || match self.roots.key(public_key) {
            Some(key) => self.algorithm.verify_with(key, message, signature),
            None => self
                .algorithm
                .verify_signature(public_key, message, signature),
        };
        let Some(walk) = self.walk else {
            return verify();
        };
        let parts = [
            &*self.signature_alg_id(),
            &*self.public_key_alg_id(),
            public_key,
            signature,
            message,
        ];
        walk.verify(parts, verify)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }

    fn fips_status(&self) -> FipsStatus {
        self.algorithm.fips_status()
    }

    fn fips(&self) -> bool {
        self.algorithm.fips()
    }
}

/// The certificates worth trying, in their order. A path through them has at most
/// `MAX_PER_SUBJECT` ways to go on from each certificate.
fn few_per_subject<'a>(all: &'a [CertificateDer<'_>]) -> Vec<CertificateDer<'a>> {
    let mut subjects: Vec<&[u8]> = Vec::with_capacity(all.len());
    let mut few = Vec::with_capacity(all.len());
    for certificate in all {
        let Some(fields) = CertificateFields::find(certificate) else {
            continue;
        };
        let seen = subjects
            .iter()
            .filter(|&&subject| subject == fields.subject)
            .count();
        if seen < MAX_PER_SUBJECT {
            subjects.push(fields.subject);
            few.push(CertificateDer::from(certificate.as_ref()));
        }
    }
    few
}

/// A self-signed certificate that is itself a root, to the last byte: nothing has to be proved
/// about who issued it, so CA:TRUE, which tools set on such certificates, does no harm here.
/// Its dates and purpose count all the same.
fn verify_pinned(
    leaf: &CertificateDer<'_>,
    purpose: Purpose,
    now: UnixTime,
) -> Result<(), CertificateError> {
    let at = |kind| CertificateError::at(kind, 0, leaf);
    let (_, certificate) =
        X509Certificate::from_der(leaf).map_err(|_| CertificateError::malformed_at(0))?;
    let validity = certificate.validity();
    let seconds = |time: x509_parser::time::ASN1Time| {
        // Before 1970 is before everything here.
        UnixTime::since_unix_epoch(core::time::Duration::from_secs(
            u64::try_from(time.timestamp()).unwrap_or(0),
        ))
    };
    let not_before = seconds(validity.not_before);
    let not_after = seconds(validity.not_after);
    if now < not_before {
        return Err(at(Kind::NotYetValid { not_before, now }));
    }
    if now > not_after {
        return Err(at(Kind::Expired { not_after, now }));
    }
    match certificate.extended_key_usage() {
        Ok(None) => Ok(()),
        Ok(Some(usage)) => {
            let allowed = match purpose {
                Purpose::ServerAuth => usage.value.server_auth,
                Purpose::ClientAuth => usage.value.client_auth,
            };
            match allowed {
                true => Ok(()),
                false => Err(at(Kind::WrongPurpose { needed: purpose })),
            }
        }
        Err(_) => Err(at(Kind::Malformed("its extended key usage"))),
    }
}

/// Checks the key usage of a leaf that was accepted without verification (§4.4.2.2).
pub(crate) fn check_key_usage(chain: &PresentedChain) -> Result<(), CertificateError> {
    let leaf = chain.end_entity();
    let fields = CertificateFields::find(leaf).ok_or_else(|| CertificateError::malformed_at(0))?;
    verify_key_usage(leaf, &fields)
}

/// §4.4.2.2: "if the X.509 certificate contains the Key Usage extension, the digitalSignature
/// bit MUST be set".
fn verify_key_usage(
    leaf: &CertificateDer<'_>,
    fields: &CertificateFields<'_>,
) -> Result<(), CertificateError> {
    /// 2.5.29.15
    const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";
    /// RFC 5280 §4.2.1.3: bit 0, the highest of the first byte.
    const DIGITAL_SIGNATURE: u8 = 0x80;
    let malformed = || CertificateError::at(Kind::Malformed("its key usage"), 0, leaf);
    let Some(value) = fields.extension(KEY_USAGE).map_err(|_| malformed())? else {
        return Ok(());
    };
    // The first byte counts the unused bits at the end.
    match Reader::new(value).contents(der::BIT_STRING) {
        Some([0..=7, first, ..]) if first & DIGITAL_SIGNATURE != 0 => Ok(()),
        Some([0..=7, ..]) => Err(CertificateError::at(Kind::KeyUsage, 0, leaf)),
        _ => Err(malformed()),
    }
}

impl ChainPolicy {
    /// The depth that is in force.
    pub(super) fn effective_depth(&self) -> usize {
        self.depth.min(WEBPKI_DEPTH)
    }
}
