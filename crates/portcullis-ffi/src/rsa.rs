//! RSA, also with keys and hashes that are too weak for aws-lc-rs, and decryption that checks no padding.
//!
//! RFC 8017. How long a key must be is for the callers to decide; AWS-LC has limits of its own (512 to
//! 16,384 bits, an odd exponent of at most 33 bits).

use core::ffi::{c_int, c_uint};
use core::fmt;
use core::ptr::{NonNull, null};

use aws_lc_sys::{
    EVP_MD, EVP_sha256, EVP_sha384, EVP_sha512, NID_md5_sha1, NID_sha1, NID_sha224, NID_sha256,
    NID_sha384, NID_sha512, RSA, RSA_NO_PADDING, RSA_PKCS1_PADDING, RSA_decrypt, RSA_encrypt,
    RSA_free, RSA_get0_e, RSA_private_key_from_bytes, RSA_public_key_from_bytes, RSA_sign,
    RSA_sign_pss_mgf1, RSA_size, RSA_verify, RSA_verify_pss_mgf1,
};

use crate::{Failed, forget_errors, success};

/// What a message was hashed with before it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// MD5 and behind it SHA-1, 36 bytes, which are signed without a DigestInfo (RFC 4346 §7.4.3).
    Md5Sha1,
    /// 20 bytes.
    Sha1,
    /// 28 bytes.
    Sha224,
    /// 32 bytes.
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
}

impl Hash {
    const fn len(self) -> usize {
        match self {
            Self::Md5Sha1 => 36,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    const fn nid(self) -> c_int {
        match self {
            Self::Md5Sha1 => NID_md5_sha1,
            Self::Sha1 => NID_sha1,
            Self::Sha224 => NID_sha224,
            Self::Sha256 => NID_sha256,
            Self::Sha384 => NID_sha384,
            Self::Sha512 => NID_sha512,
        }
    }

    /// For RSASSA-PSS, which TLS has with these hashes only.
    fn pss(self) -> Result<*const EVP_MD, Failed> {
        Ok(match self {
            Self::Md5Sha1 | Self::Sha1 | Self::Sha224 => return Err(Failed),
            // SAFETY: takes nothing; what it gives lives as long as the program.
            Self::Sha256 => unsafe { EVP_sha256() },
            // SAFETY: as above.
            Self::Sha384 => unsafe { EVP_sha384() },
            // SAFETY: as above.
            Self::Sha512 => unsafe { EVP_sha512() },
        })
    }

    fn check(self, digest: &[u8]) -> Result<(), Failed> {
        (digest.len() == self.len()).then_some(()).ok_or(Failed)
    }
}

/// RFC 8446 §4.2.3: the salt is as long as the hash.
const SALT_LIKE_DIGEST: c_int = -1;

/// A key of AWS-LC that is ours alone and does not change any more.
struct Key(NonNull<RSA>);

// SAFETY: no thread is special to a key.
unsafe impl Send for Key {}

// SAFETY: after its making only functions of "Encryption / Decryption" and "Signing / Verification" of
// rsa.h and those that take it as `const` are called, which "may be used concurrently"; what
// they keep in it, blinding and Montgomery values, has a lock of its own.
unsafe impl Sync for Key {}

impl Key {
    /// `key` is ours, or null where there is none.
    fn new(key: *mut RSA) -> Result<Self, Failed> {
        let key = NonNull::new(key).map(Self);
        key.ok_or_else(|| {
            forget_errors();
            Failed
        })
    }

    /// The length of the modulus in bytes.
    fn size(&self) -> usize {
        // SAFETY: the key is live, and only read.
        let size = unsafe { RSA_size(self.0.as_ptr()) };
        size.try_into().unwrap_or_default()
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key came from one of the two constructors and is freed once; `OPENSSL_free`
        // overwrites its numbers.
        unsafe { RSA_free(self.0.as_ptr()) }
    }
}

/// A private key. What is computed with it is blinded, takes a time that does not depend on it, and
/// is checked before it is given out.
///
/// Dropping it overwrites its numbers.
pub struct RsaPrivateKey(Key);

impl RsaPrivateKey {
    /// Reads an RSAPrivateKey with two primes (RFC 8017 §A.1.2), and checks that its numbers belong
    /// together.
    ///
    /// # Errors
    /// When it is damaged, there is something behind it, or its public exponent is missing, without which
    /// nothing could be blinded.
    pub fn from_der(rsa_private_key: &[u8]) -> Result<Self, Failed> {
        let (bytes, len) = (rsa_private_key.as_ptr(), rsa_private_key.len());
        // SAFETY: reads `len` bytes; what it gives is ours, or null.
        let key = Key::new(unsafe { RSA_private_key_from_bytes(bytes, len) })?;
        // SAFETY: the key is live, and only read.
        let exponent = unsafe { RSA_get0_e(key.0.as_ptr()) };
        match exponent.is_null() {
            true => Err(Failed),
            false => Ok(Self(key)),
        }
    }

    /// The length of the modulus, and of what is signed and decrypted, in bytes.
    pub fn modulus_len(&self) -> usize {
        self.0.size()
    }

    /// RSADP (RFC 8017 §5.1.2), without a look at what comes out: `out` is then the whole block, with
    /// its padding, if it has one. The time does not depend on the block.
    ///
    /// An attacker that learns anything of the padding can decrypt with this key (Bleichenbacher 1998): it
    /// must be looked at in constant time, and a bad one must have the same effects as a good one.
    ///
    /// # Errors
    /// When `ciphertext` or `out` is not as long as the modulus; and when `ciphertext` is 0, 1, or
    /// at least the modulus less 1. The peer that made it knows that anyway.
    pub fn decrypt_raw(&self, ciphertext: &[u8], out: &mut [u8]) -> Result<(), Failed> {
        let size = self.0.size();
        if ciphertext.len() != size || out.len() != size {
            return Err(Failed);
        }
        let (mut written, key) = (0, self.0.0.as_ptr());
        let (place, room) = (out.as_mut_ptr(), out.len());
        let (bytes, len) = (ciphertext.as_ptr(), ciphertext.len());
        // SAFETY: the key is live and has its private half; this is one of the functions that may be
        // used concurrently. Reads `len` bytes, writes at most `room`.
        success(unsafe {
            RSA_decrypt(
                key,
                &raw mut written,
                place,
                room,
                bytes,
                len,
                RSA_NO_PADDING,
            )
        })?;
        (written == size).then_some(()).ok_or(Failed)
    }

    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2.1) of a message whose hash is `digest`.
    ///
    /// # Errors
    /// When `digest` has not the hash's length, or `signature` not that of the modulus; or when the modulus
    /// is too short for this hash.
    pub fn sign_pkcs1(
        &self,
        hash: Hash,
        digest: &[u8],
        signature: &mut [u8],
    ) -> Result<(), Failed> {
        hash.check(digest)?;
        // Less room than this would be written past.
        if signature.len() != self.0.size() {
            return Err(Failed);
        }
        let (mut written, key): (c_uint, _) = (0, self.0.0.as_ptr());
        let (bytes, len, place) = (digest.as_ptr(), digest.len(), signature.as_mut_ptr());
        // SAFETY: the key is live; this is one of the functions that may be used concurrently. Reads
        // `len` bytes, writes `RSA_size` bytes, and as many there are.
        success(unsafe { RSA_sign(hash.nid(), bytes, len, place, &raw mut written, key) })?;
        let written = usize::try_from(written).map_err(|_| Failed)?;
        (written == signature.len()).then_some(()).ok_or(Failed)
    }

    /// RSASSA-PSS (RFC 8017 §8.1.1) of a message whose hash is `digest`: MGF1 has the same hash, and the
    /// salt its length.
    ///
    /// # Errors
    /// As [`sign_pkcs1`](Self::sign_pkcs1), and with a hash that TLS has no such scheme for.
    pub fn sign_pss(&self, hash: Hash, digest: &[u8], signature: &mut [u8]) -> Result<(), Failed> {
        hash.check(digest)?;
        let md = hash.pss()?;
        let (mut written, key) = (0, self.0.0.as_ptr());
        let (place, room) = (signature.as_mut_ptr(), signature.len());
        let (bytes, len) = (digest.as_ptr(), digest.len());
        // SAFETY: the key is live; this is one of the functions that may be used concurrently. `md` is
        // static, and stands for MGF1 too where that is null. Reads `len` bytes, writes at most `room`.
        success(unsafe {
            let written = &raw mut written;
            RSA_sign_pss_mgf1(
                key,
                written,
                place,
                room,
                bytes,
                len,
                md,
                null(),
                SALT_LIKE_DIGEST,
            )
        })?;
        (written == signature.len()).then_some(()).ok_or(Failed)
    }
}

/// A public key.
pub struct RsaPublicKey(Key);

impl RsaPublicKey {
    /// Reads an RSAPublicKey (RFC 8017 §A.1.1). It may come from anybody.
    ///
    /// # Errors
    /// When it is damaged or no key can be so, or there is something behind it.
    pub fn from_der(rsa_public_key: &[u8]) -> Result<Self, Failed> {
        let (bytes, len) = (rsa_public_key.as_ptr(), rsa_public_key.len());
        // SAFETY: reads `len` bytes; what it gives is ours, or null.
        Key::new(unsafe { RSA_public_key_from_bytes(bytes, len) }).map(Self)
    }

    /// The length of the modulus in bytes.
    pub fn modulus_len(&self) -> usize {
        self.0.size()
    }

    /// RSAES-PKCS1-v1_5 (RFC 8017 §7.2.1): `out` is what only the private key opens.
    ///
    /// # Errors
    /// When `out` is not as long as the modulus, or `message` not at least 11 bytes shorter; or when there are
    /// no random bytes.
    pub fn encrypt_pkcs1(&self, message: &[u8], out: &mut [u8]) -> Result<(), Failed> {
        let size = self.0.size();
        if out.len() != size {
            return Err(Failed);
        }
        let (mut written, key) = (0, self.0.0.as_ptr());
        let (place, room) = (out.as_mut_ptr(), out.len());
        let (bytes, len) = (message.as_ptr(), message.len());
        // SAFETY: the key is live; this is one of the functions that may be used concurrently. Reads `len`
        // bytes, writes at most `room`.
        success(unsafe {
            let written = &raw mut written;
            RSA_encrypt(key, written, place, room, bytes, len, RSA_PKCS1_PADDING)
        })?;
        (written == size).then_some(()).ok_or(Failed)
    }

    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2.2) over a message whose hash is `digest`.
    ///
    /// # Errors
    /// When this key has not signed it, or `digest` has not the hash's length.
    pub fn verify_pkcs1(&self, hash: Hash, digest: &[u8], signature: &[u8]) -> Result<(), Failed> {
        hash.check(digest)?;
        let key = self.0.0.as_ptr();
        let (bytes, len) = (digest.as_ptr(), digest.len());
        let (signed, signed_len) = (signature.as_ptr(), signature.len());
        // SAFETY: the key is live; this is one of the functions that may be used concurrently. Reads as
        // many bytes as each length says.
        success(unsafe { RSA_verify(hash.nid(), bytes, len, signed, signed_len, key) })
    }

    /// RSASSA-PSS (RFC 8017 §8.1.2) over a message whose hash is `digest`, as
    /// [`sign_pss`](RsaPrivateKey::sign_pss).
    ///
    /// # Errors
    /// When this key has not signed it so, `digest` has not the hash's length, or TLS has no such scheme.
    pub fn verify_pss(&self, hash: Hash, digest: &[u8], signature: &[u8]) -> Result<(), Failed> {
        hash.check(digest)?;
        let md = hash.pss()?;
        let key = self.0.0.as_ptr();
        let (bytes, len) = (digest.as_ptr(), digest.len());
        let (signed, signed_len) = (signature.as_ptr(), signature.len());
        // SAFETY: the key is live; this is one of the functions that may be used concurrently. `md` is
        // static, and stands for MGF1 too where that is null. Reads as many bytes as each length says.
        success(unsafe {
            let salt = SALT_LIKE_DIGEST;
            RSA_verify_pss_mgf1(key, bytes, len, md, null(), salt, signed, signed_len)
        })
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaPrivateKey(..)")
    }
}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaPublicKey(..)")
    }
}

#[cfg(test)]
#[path = "rsa_tests.rs"]
mod tests;
