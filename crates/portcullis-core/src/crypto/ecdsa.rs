//! ECDSA with any hash, as it is before TLS 1.3, where a scheme names a hash and no curve.
//!
//! RFC 5246 §7.4.1.4.1, RFC 8422 §5.4, §5.10. The library has SHA-224 and SHA-1 on few curves, and signs with
//! one hash on each; but it signs and verifies digests. What ECDSA signs is the number in the leftmost bits of a
//! hash (FIPS 186-4 §6.4), as many as the order of the curve has. So the hash that the library knows on a curve
//! can have the number of any other: a shorter one behind zeros, and of a longer one what fits.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, VerificationAlgorithm};
use rustls_pki_types::{AlgorithmIdentifier, alg_id};

use super::signature::{BadSignature, hash_of};
use crate::{NamedGroup, SignatureScheme};

/// A curve that there are keys on.
pub(super) struct Curve {
    pub(super) group: NamedGroup,
    pub(super) algorithm: AlgorithmIdentifier,
    library: &'static EcdsaVerificationAlgorithm,
    /// The one that the library knows there. None is longer than the order of its curve.
    hash: &'static digest::Algorithm,
}

pub(super) static P256: Curve = Curve {
    group: NamedGroup::SECP256R1,
    algorithm: alg_id::ECDSA_P256,
    library: &signature::ECDSA_P256_SHA256_ASN1,
    hash: &digest::SHA256,
};

pub(super) static P384: Curve = Curve {
    group: NamedGroup::SECP384R1,
    algorithm: alg_id::ECDSA_P384,
    library: &signature::ECDSA_P384_SHA384_ASN1,
    hash: &digest::SHA384,
};

pub(super) static P521: Curve = Curve {
    group: NamedGroup::SECP521R1,
    algorithm: alg_id::ECDSA_P521,
    library: &signature::ECDSA_P521_SHA512_ASN1,
    hash: &digest::SHA512,
};

impl Curve {
    /// The curve of a key with this algorithm.
    pub(super) fn of(algorithm: &[u8]) -> Option<&'static Self> {
        let mut curves = [&P256, &P384, &P521].into_iter();
        curves.find(|curve| curve.algorithm.as_ref() == algorithm)
    }

    /// The message's hash by this scheme, as the library takes it for this curve.
    pub(super) fn digest(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
    ) -> Result<Digest, Unspecified> {
        let hash = hash_of(scheme).ok_or(Unspecified)?;
        let digest = digest::digest(hash, message);
        if core::ptr::eq(hash, self.hash) {
            return Ok(digest);
        }
        let (digest, mut fitted) = (digest.as_ref(), [0; digest::MAX_OUTPUT_LEN]);
        let fitted = fitted
            .get_mut(..self.hash.output_len())
            .ok_or(Unspecified)?;
        match fitted.len().checked_sub(digest.len()) {
            Some(zeros) => fitted
                .get_mut(zeros..)
                .ok_or(Unspecified)?
                .copy_from_slice(digest),
            None => fitted.copy_from_slice(digest.get(..fitted.len()).ok_or(Unspecified)?),
        }
        Digest::import_less_safe(fitted, self.hash)
    }

    /// Verifies what a key on this curve has signed by this scheme.
    pub(super) fn verify(
        &self,
        scheme: SignatureScheme,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        // RFC 5480 §2.2: the forms of an EC point; the library would take more.
        if !matches!(public_key.first(), Some(2..=4)) {
            return Err(BadSignature);
        }
        let digest = self.digest(scheme, message).map_err(|_| BadSignature)?;
        let verified = self
            .library
            .verify_digest_sig(public_key, &digest, signature);
        verified.map_err(|_| BadSignature)
    }
}
