//! RSA as it is used before TLS 1.3 only, with the feature `ffi`: signatures of TLS 1.1 and 1.0, which
//! are PKCS#1 around MD5 and SHA-1, without a DigestInfo, and decryption without a look at the padding.
//!
//! RFC 4346 §7.4.3, RFC 5246 §7.4.7.1, RFC 8017 §8.2. The crypto library has neither in its safe interface.

use core::fmt;
use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::RsaKeyPair;
use portcullis_ffi::{Hash, RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use super::md5_sha1::md5_sha1;
use super::signature::{BadSignature, RSA_BITS, modulus_bits};
use crate::der::{self, Reader};

/// A private key in the form that does this, made when it is first asked for.
#[derive(Default)]
pub(super) struct LegacyKey(OnceLock<Option<RsaPrivateKey>>);

impl LegacyKey {
    /// The key of `pair`, which is always the same.
    fn of(&self, pair: &RsaKeyPair) -> Result<&RsaPrivateKey, Unspecified> {
        let key = self.0.get_or_init(|| private_key(pair));
        key.as_ref().ok_or(Unspecified)
    }

    /// Signs MD5 and SHA-1 of the message.
    ///
    /// # Errors
    /// When the key cannot be read, or the library fails.
    pub(super) fn sign(&self, pair: &RsaKeyPair, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let key = self.of(pair)?;
        let digest = md5_sha1(message);
        let mut signature = vec![0; key.modulus_len()];
        let signed = key.sign_pkcs1(Hash::Md5Sha1, digest.as_slice(), &mut signature);
        signed.map_err(|_| Unspecified)?;
        Ok(signature)
    }

    /// The block that was encrypted, with its padding, whatever that is.
    ///
    /// # Errors
    /// When the ciphertext has not the length of the key, or is a number that nobody encrypts.
    pub(super) fn decrypt_raw(
        &self,
        pair: &RsaKeyPair,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let key = self.of(pair)?;
        let mut block = Zeroizing::new(vec![0; key.modulus_len()]);
        let decrypted = key.decrypt_raw(ciphertext, &mut block);
        decrypted.map_err(|_| Unspecified)?;
        Ok(block)
    }
}

/// Reads RSAPrivateKey (RFC 8017 §A.1.2) out of PKCS#8.
fn private_key(pair: &RsaKeyPair) -> Option<RsaPrivateKey> {
    let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(pair).ok()?;
    let mut info = Reader::new(Reader::new(pkcs8.as_ref()).contents(der::SEQUENCE)?);
    info.contents(der::INTEGER)?;
    info.contents(der::SEQUENCE)?;
    RsaPrivateKey::from_der(info.contents(der::OCTET_STRING)?).ok()
}

/// Verifies a signature over MD5 and SHA-1 with the key in a SubjectPublicKeyInfo.
///
/// # Errors
/// When the key is damaged or of a length that is not accepted, or the signature is wrong.
pub(super) fn verify(
    spki_der: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    let bits = modulus_bits(spki_der).ok_or(BadSignature)?;
    // Before anything is computed with it.
    if !RSA_BITS.contains(&bits) {
        return Err(BadSignature);
    }
    let (_, public) = der::public_key_info(spki_der).ok_or(BadSignature)?;
    let key = RsaPublicKey::from_der(public).map_err(|_| BadSignature)?;
    key.verify_pkcs1(Hash::Md5Sha1, md5_sha1(message).as_slice(), signature)
        .map_err(|_| BadSignature)
}

impl fmt::Debug for LegacyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyKey(..)")
    }
}
