//! DSA, before TLS 1.3 and with the feature `ffi`.
//!
//! RFC 5246 §7.4.1.4.1, FIPS 186-4 §4; RFC 3279 §2.3.2 for keys. In the algorithm of a key stands its
//! group, so no row of a table has it: chains ask by themselves.

use aws_lc_rs::digest;
use aws_lc_rs::error::Unspecified;
use portcullis_ffi::{DsaPrivateKey, DsaPublicKey};

use super::key_length::{LEAST_KEY_BITS, dsa_bits, prime_bits};
use super::signature::{BadSignature, hash_of};
use crate::SignatureScheme;

/// A private key.
pub(super) struct DsaKey(DsaPrivateKey);

impl DsaKey {
    /// Reads PKCS#8.
    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        DsaPrivateKey::from_pkcs8(pkcs8).ok().map(Self)
    }

    /// # Errors
    /// When the library fails.
    pub(super) fn sign(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
    ) -> Result<Vec<u8>, Unspecified> {
        let hash = hash_of(scheme).ok_or(Unspecified)?;
        let digest = digest::digest(hash, message);
        self.0.sign(digest.as_ref()).map_err(|_| Unspecified)
    }

    pub(super) fn is_key_of(&self, spki_der: &[u8]) -> bool {
        DsaPublicKey::from_spki(spki_der).is_ok_and(|public| self.0.is_key_of(&public))
    }
}

/// Verifies with the key in a SubjectPublicKeyInfo, of a length that some configuration accepts.
///
/// # Errors
/// When the key is damaged or of another length, or the signature is wrong.
pub(super) fn verify(
    scheme: SignatureScheme,
    spki_der: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    // Before anything is computed with it.
    let bits = prime_bits(spki_der).filter(|bits| dsa_bits(LEAST_KEY_BITS).contains(bits));
    bits.ok_or(BadSignature)?;
    let hash = hash_of(scheme).ok_or(BadSignature)?;
    let key = DsaPublicKey::from_spki(spki_der).map_err(|_| BadSignature)?;
    let digest = digest::digest(hash, message);
    key.verify(digest.as_ref(), signature)
        .map_err(|_| BadSignature)
}
