//! What is required of a peer's chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::memo::SignatureMemo;
use super::roots::Roots;
use crate::SignatureScheme;
use crate::crypto::verification::{self as algorithms, Algorithm};

/// What webpki builds at most; a greater depth cannot be had.
pub(super) const WEBPKI_DEPTH: usize = 6;

/// All that [`algorithms_of`] knows.
pub(super) const MAX_ALGORITHMS: usize = 22;

/// Tells policies apart. Clones have the same, because they demand the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PolicyId(u64);

impl PolicyId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What is required of a peer's chain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChainPolicy {
    /// New with every change of what is demanded.
    pub(super) id: PolicyId,
    pub(super) roots: Roots,
    depth: usize,
    /// At most `MAX_ALGORITHMS`.
    pub(super) algorithms: Arc<[Algorithm]>,
    pub(super) check_name: bool,
    pub(super) memo: SignatureMemo,
}

impl ChainPolicy {
    /// Requires a path to one of the roots, signed with the default schemes of this library,
    /// with at most 10 intermediates, and that a server has the expected name.
    pub fn new(roots: Roots) -> Self {
        let schemes = [SignatureScheme::DEFAULT, SignatureScheme::CERTIFICATE_ONLY];
        Self {
            id: PolicyId::next(),
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
        self.id = PolicyId::next();
        self
    }

    /// Sets the schemes that certificates may be signed with. An ECDSA scheme stands for its
    /// hash with any of the curves P-256, P-384 and P-521; SHA-1 is never accepted.
    #[must_use]
    pub fn schemes(mut self, schemes: &[SignatureScheme]) -> Self {
        self.algorithms = algorithms_of(schemes.iter().copied());
        self.id = PolicyId::next();
        self
    }

    /// Accepts a server whatever its name: **any** holder of a certificate from one of the roots
    /// can impersonate it.
    #[must_use]
    pub fn dangerous_skip_name_check(mut self) -> Self {
        self.check_name = false;
        self.id = PolicyId::next();
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

    /// The depth that is in force.
    pub(super) fn effective_depth(&self) -> usize {
        self.depth.min(WEBPKI_DEPTH)
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
            #[cfg(feature = "curve448")]
            SignatureScheme::ED448 => all.push(algorithms::ED448),
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
