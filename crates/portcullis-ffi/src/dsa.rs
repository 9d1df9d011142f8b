//! DSA.
//!
//! FIPS 186-4 §4, RFC 3279 §2.3.2. How long a key must be is for the callers to decide; AWS-LC has limits of its
//! own (a prime of at most 10,000 bits, and an order of 160, 224 or 256).

use core::fmt;
use core::ptr::{NonNull, null_mut};

use aws_lc_sys::{
    CBS, EVP_PKEY, EVP_PKEY_CTX, EVP_PKEY_CTX_free, EVP_PKEY_CTX_new, EVP_PKEY_DSA, EVP_PKEY_cmp,
    EVP_PKEY_free, EVP_PKEY_id, EVP_PKEY_sign, EVP_PKEY_sign_init, EVP_PKEY_size, EVP_PKEY_verify,
    EVP_PKEY_verify_init, EVP_parse_private_key, EVP_parse_public_key,
};

use crate::{Failed, forget_errors, success};

/// The longest hash that is signed, in bytes. A longer one than the order of the key is cut off (§4.6).
const LONGEST_DIGEST: usize = 64;

/// A key of AWS-LC that is ours alone and does not change any more.
struct Key(NonNull<EVP_PKEY>);

// SAFETY: no thread is special to a key.
unsafe impl Send for Key {}

// SAFETY: after its making the key is only given to functions that do not mutate it, which evp.h allows
// concurrently. What signing and verifying keep in it, Montgomery values, has a lock of its own, and the count
// of its holders is atomic.
unsafe impl Sync for Key {}

impl Key {
    /// Reads a key with `parse`, which moves the reader behind it.
    fn parse(
        der: &[u8],
        parse: unsafe extern "C" fn(*mut CBS) -> *mut EVP_PKEY,
    ) -> Result<Self, Failed> {
        let mut reader = CBS {
            data: der.as_ptr(),
            len: der.len(),
        };
        // SAFETY: one of two functions that read what the reader has, and move it; what they give is ours, or
        // null.
        let key = unsafe { parse(&raw mut reader) };
        let key = NonNull::new(key).map(Self);
        let key = key.filter(|key| reader.len == 0 && key.is_dsa());
        key.ok_or_else(|| {
            forget_errors();
            Failed
        })
    }

    fn is_dsa(&self) -> bool {
        // SAFETY: the key is live, and only read.
        let id = unsafe { EVP_PKEY_id(self.0.as_ptr()) };
        id == EVP_PKEY_DSA
    }

    /// What is computed with the key, for one computation.
    fn context(&self) -> Result<Context, Failed> {
        // SAFETY: the key is live, and the context holds on to it; null is no engine.
        let context = unsafe { EVP_PKEY_CTX_new(self.0.as_ptr(), null_mut()) };
        let context = NonNull::new(context).map(Context);
        context.ok_or_else(|| {
            forget_errors();
            Failed
        })
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key came from `parse` and is let go of once; `OPENSSL_free` overwrites its numbers.
        unsafe { EVP_PKEY_free(self.0.as_ptr()) }
    }
}

struct Context(NonNull<EVP_PKEY_CTX>);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it came from `EVP_PKEY_CTX_new`, and is freed once.
        unsafe { EVP_PKEY_CTX_free(self.0.as_ptr()) }
    }
}

fn check(digest: &[u8]) -> Result<(), Failed> {
    let fits = (1..=LONGEST_DIGEST).contains(&digest.len());
    fits.then_some(()).ok_or(Failed)
}

/// A private key. The number that makes each signature is random, and the time does not depend on it.
///
/// Dropping it overwrites its numbers.
pub struct DsaPrivateKey(Key);

impl DsaPrivateKey {
    /// Reads PKCS#8 with the parameters of the key's group, and computes its public half.
    ///
    /// # Errors
    /// When it is damaged, is no key of DSA, or there is something behind it.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, Failed> {
        Key::parse(pkcs8, EVP_parse_private_key).map(Self)
    }

    /// Whether `public` is its public half, in the same group.
    pub fn is_key_of(&self, public: &DsaPublicKey) -> bool {
        // SAFETY: both are live, of one type and with all numbers that are compared, and only read.
        let compared = unsafe { EVP_PKEY_cmp(self.0.0.as_ptr(), public.0.0.as_ptr()) };
        compared == 1
    }

    /// Signs a digest; gives a `Dss-Sig-Value` (RFC 3279 §2.2.2).
    ///
    /// # Errors
    /// When the digest has not 1 to 64 bytes, or there are no random bytes.
    pub fn sign(&self, digest: &[u8]) -> Result<Vec<u8>, Failed> {
        check(digest)?;
        let context = self.0.context()?;
        // SAFETY: the context is live.
        success(unsafe { EVP_PKEY_sign_init(context.0.as_ptr()) })?;
        // SAFETY: the key is live, and only read.
        let size = unsafe { EVP_PKEY_size(self.0.0.as_ptr()) };
        let mut signature = vec![0; usize::try_from(size).map_err(|_| Failed)?];
        let mut written = signature.len();
        let (bytes, len) = (digest.as_ptr(), digest.len());
        let place = signature.as_mut_ptr();
        // SAFETY: the context is live and was set up to sign. Reads `len` bytes, and writes at most as many as
        // `written` says.
        success(unsafe { EVP_PKEY_sign(context.0.as_ptr(), place, &raw mut written, bytes, len) })?;
        signature.truncate(written);
        Ok(signature)
    }
}

/// A public key.
pub struct DsaPublicKey(Key);

impl DsaPublicKey {
    /// Reads a SubjectPublicKeyInfo with the parameters of the key's group. It may come from anybody: nothing
    /// proves that the group is one: that is for its signature to show.
    ///
    /// # Errors
    /// When it is damaged, no key can be so, or there is something behind it.
    pub fn from_spki(spki: &[u8]) -> Result<Self, Failed> {
        Key::parse(spki, EVP_parse_public_key).map(Self)
    }

    /// Verifies a `Dss-Sig-Value` over a digest.
    ///
    /// # Errors
    /// When this key has not signed it, or the digest has not 1 to 64 bytes.
    pub fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<(), Failed> {
        check(digest)?;
        let context = self.0.context()?;
        // SAFETY: the context is live.
        success(unsafe { EVP_PKEY_verify_init(context.0.as_ptr()) })?;
        let (bytes, len) = (digest.as_ptr(), digest.len());
        let (signed, signed_len) = (signature.as_ptr(), signature.len());
        // SAFETY: the context is live and was set up to verify. Reads as many bytes as each length says.
        success(unsafe { EVP_PKEY_verify(context.0.as_ptr(), signed, signed_len, bytes, len) })
    }
}

impl fmt::Debug for DsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DsaPrivateKey(..)")
    }
}

impl fmt::Debug for DsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DsaPublicKey(..)")
    }
}

#[cfg(test)]
#[path = "dsa_tests.rs"]
mod tests;
