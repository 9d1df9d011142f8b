//! RSA as the crypto library has it in no safe interface, with the feature `ffi`: keys shorter than 2,048 bits,
//! signatures of old hashes, and decryption without a look at the padding.
//!
//! RFC 4346 §7.4.3, RFC 5246 §7.4.1.4.1, §7.4.7.1, RFC 8017.

use core::fmt;
use core::ops::RangeInclusive;
use std::sync::OnceLock;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::RsaKeyPair;
use portcullis_ffi::{Hash, RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use super::key_length::{LEAST_KEY_BITS, bits_of_encoded};
use super::md5_sha1::md5_sha1;
use super::private_key::pkcs8_key;
use super::signature::{BadSignature, hash_of};
use crate::SignatureScheme;
use crate::der::{self, Reader};

/// A private key in the form that does this, made when it is first asked for.
#[derive(Default)]
pub(super) struct LegacyKey(OnceLock<Option<RsaPrivateKey>>);

impl LegacyKey {
    /// The key of `pair`, which is always the same.
    fn of(&self, pair: &RsaKeyPair) -> Result<&RsaPrivateKey, Unspecified> {
        let key = self.0.get_or_init(|| {
            let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(pair).ok()?;
            RsaPrivateKey::from_der(pkcs8_key(pkcs8.as_ref())?).ok()
        });
        key.as_ref().ok_or(Unspecified)
    }

    /// Signs by a scheme that the pair has not.
    ///
    /// # Errors
    /// When the key cannot be read, or the library fails.
    pub(super) fn sign(
        &self,
        pair: &RsaKeyPair,
        scheme: SignatureScheme,
        message: &[u8],
    ) -> Result<Vec<u8>, Unspecified> {
        sign(self.of(pair)?, scheme, message)
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
        decrypt_raw(self.of(pair)?, ciphertext)
    }
}

impl fmt::Debug for LegacyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyKey(..)")
    }
}

/// A private key that is too short for the library's safe interface: of 1,024 to 2,047 bits.
pub(super) struct ShortKey {
    private: RsaPrivateKey,
    /// RSAPublicKey (RFC 8017 §A.1.1).
    public: Vec<u8>,
}

impl ShortKey {
    /// Reads RSAPrivateKey (RFC 8017 §A.1.2).
    pub(super) fn from_pkcs1(pkcs1: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(der::only(pkcs1, der::SEQUENCE)?);
        fields.contents(der::INTEGER)?;
        let modulus = fields.element(der::INTEGER)?.whole;
        let exponent = fields.element(der::INTEGER)?.whole;
        let public = der::sequence(&[modulus, exponent].concat());
        let bits = bits_of_encoded(&public)?;
        let private = RsaPrivateKey::from_der(pkcs1).ok()?;
        SHORT_BITS
            .contains(&bits)
            .then_some(Self { private, public })
    }

    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    /// # Errors
    /// When the library fails.
    pub(super) fn sign(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
    ) -> Result<Vec<u8>, Unspecified> {
        sign(&self.private, scheme, message)
    }

    /// As [`LegacyKey::decrypt_raw`].
    pub(super) fn decrypt_raw(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        decrypt_raw(&self.private, ciphertext)
    }
}

/// The lengths of keys that are short, and that a configuration may nevertheless accept.
const SHORT_BITS: RangeInclusive<usize> = LEAST_KEY_BITS as usize..=2_047;

fn sign(
    key: &RsaPrivateKey,
    scheme: SignatureScheme,
    message: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let hash = ffi_hash(scheme).ok_or(Unspecified)?;
    let digest = hashed(scheme, message).ok_or(Unspecified)?;
    let mut signature = vec![0; key.modulus_len()];
    let signed = match is_pss(scheme) {
        true => key.sign_pss(hash, &digest, &mut signature),
        false => key.sign_pkcs1(hash, &digest, &mut signature),
    };
    signed.map_err(|_| Unspecified)?;
    Ok(signature)
}

fn decrypt_raw(key: &RsaPrivateKey, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let mut block = Zeroizing::new(vec![0; key.modulus_len()]);
    let decrypted = key.decrypt_raw(ciphertext, &mut block);
    decrypted.map_err(|_| Unspecified)?;
    Ok(block)
}

/// Verifies a signature with a key, as it is in SubjectPublicKeyInfo, of a length in bits that is accepted.
///
/// # Errors
/// When the key is damaged or of another length, or the signature is wrong.
pub(super) fn verify(
    scheme: SignatureScheme,
    public_key: &[u8],
    accepted: RangeInclusive<usize>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    let bits = bits_of_encoded(public_key).ok_or(BadSignature)?;
    // Before anything is computed with it.
    if !accepted.contains(&bits) {
        return Err(BadSignature);
    }
    let hash = ffi_hash(scheme).ok_or(BadSignature)?;
    let digest = hashed(scheme, message).ok_or(BadSignature)?;
    let key = RsaPublicKey::from_der(public_key).map_err(|_| BadSignature)?;
    let verified = match is_pss(scheme) {
        true => key.verify_pss(hash, &digest, signature),
        false => key.verify_pkcs1(hash, &digest, signature),
    };
    verified.map_err(|_| BadSignature)
}

/// Verifies with a key of `least` to 2,047 bits, which the library's safe interface has not.
///
/// # Errors
/// As [`verify`].
pub(super) fn verify_short(
    scheme: SignatureScheme,
    public_key: &[u8],
    least: u32,
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    let least = least.max(LEAST_KEY_BITS) as usize;
    let accepted = least..=*SHORT_BITS.end();
    verify(scheme, public_key, accepted, message, signature)
}

/// Encrypts for such a key (RFC 8017 §7.2.1).
///
/// # Errors
/// When the key is damaged or of another length, or there are no random bytes.
pub(super) fn encrypt_short(public_key: &[u8], message: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let bits = bits_of_encoded(public_key).ok_or(Unspecified)?;
    if !SHORT_BITS.contains(&bits) {
        return Err(Unspecified);
    }
    let key = RsaPublicKey::from_der(public_key).map_err(|_| Unspecified)?;
    let mut ciphertext = vec![0; key.modulus_len()];
    let encrypted = key.encrypt_pkcs1(message, &mut ciphertext);
    encrypted.map_err(|_| Unspecified)?;
    Ok(ciphertext)
}

const fn is_pss(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PSS_RSAE_SHA256
            | SignatureScheme::RSA_PSS_RSAE_SHA384
            | SignatureScheme::RSA_PSS_RSAE_SHA512
            | SignatureScheme::RSA_PSS_PSS_SHA256
            | SignatureScheme::RSA_PSS_PSS_SHA384
            | SignatureScheme::RSA_PSS_PSS_SHA512
    )
}

const fn ffi_hash(scheme: SignatureScheme) -> Option<Hash> {
    Some(match scheme {
        SignatureScheme::RSA_PKCS1_MD5_SHA1 => Hash::Md5Sha1,
        SignatureScheme::RSA_PKCS1_SHA1 => Hash::Sha1,
        SignatureScheme::RSA_PKCS1_SHA224 => Hash::Sha224,
        SignatureScheme::RSA_PKCS1_SHA256
        | SignatureScheme::RSA_PSS_RSAE_SHA256
        | SignatureScheme::RSA_PSS_PSS_SHA256 => Hash::Sha256,
        SignatureScheme::RSA_PKCS1_SHA384
        | SignatureScheme::RSA_PSS_RSAE_SHA384
        | SignatureScheme::RSA_PSS_PSS_SHA384 => Hash::Sha384,
        SignatureScheme::RSA_PKCS1_SHA512
        | SignatureScheme::RSA_PSS_RSAE_SHA512
        | SignatureScheme::RSA_PSS_PSS_SHA512 => Hash::Sha512,
        _ => return None,
    })
}

fn hashed(scheme: SignatureScheme, message: &[u8]) -> Option<Vec<u8>> {
    if scheme == SignatureScheme::RSA_PKCS1_MD5_SHA1 {
        return Some(md5_sha1(message).as_slice().to_vec());
    }
    let digest = digest::digest(hash_of(scheme)?, message);
    Some(digest.as_ref().to_vec())
}
