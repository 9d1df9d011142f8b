//! AES-CCM as an AEAD with nonces of 12 bytes.
//!
//! RFC 3610, RFC 5116 §5.3, RFC 6655 §3 and §4.

use core::ffi::{c_int, c_void};
use core::fmt;
use core::ptr::{NonNull, null, null_mut};

use aws_lc_sys::{
    EVP_CIPHER, EVP_CIPHER_CTX, EVP_CIPHER_CTX_ctrl, EVP_CIPHER_CTX_free, EVP_CIPHER_CTX_new,
    EVP_CTRL_AEAD_GET_TAG, EVP_CTRL_AEAD_SET_IVLEN, EVP_CTRL_AEAD_SET_TAG, EVP_CipherInit_ex,
    EVP_CipherUpdate, EVP_aes_128_ccm, EVP_aes_256_ccm,
};

use crate::{Failed, forget_errors, int, success};

/// How many bytes a tag has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TagLen {
    /// `CCM_8` (RFC 6655 §4): a forgery succeeds once in 2^64 tries.
    Eight,
    /// CCM.
    Sixteen,
}

impl TagLen {
    /// The same as a number.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Eight => 8,
            Self::Sixteen => 16,
        }
    }
}

/// Whether a tag is made or checked.
#[derive(Clone, Copy)]
enum Direction {
    Opening = 0,
    Sealing = 1,
}

/// A key of AES-CCM. It seals and opens, one message at a time.
///
/// Each nonce may be sealed with once: whoever sees two messages under the same one learns of their
/// content. That is for the caller to see to.
///
/// Dropping it overwrites the key.
pub struct Ccm {
    /// It has its cipher, its key, and the lengths of nonce and tag. Nothing that an operation leaves in
    /// it has an effect on the next: that sets nonce, direction, length, tag, and the state of the
    /// MAC anew.
    context: NonNull<EVP_CIPHER_CTX>,
    tag: TagLen,
}

// SAFETY: the context is memory that belongs to this value alone; no thread is special to it.
unsafe impl Send for Ccm {}

// SAFETY: what changes the context takes `&mut self`; with `&self` nobody can do anything to it.
unsafe impl Sync for Ccm {}

impl Ccm {
    /// The length of a nonce, in bytes.
    pub const NONCE_LEN: usize = 12;

    /// A key of 16 bytes (AES-128) or 32 (AES-256).
    ///
    /// # Errors
    /// When it has another length, or there is no memory.
    pub fn new(key: &[u8], tag: TagLen) -> Result<Self, Failed> {
        let cipher: *const EVP_CIPHER = match key.len() {
            // SAFETY: takes nothing; what it gives lives as long as the program.
            16 => unsafe { EVP_aes_128_ccm() },
            // SAFETY: as above.
            32 => unsafe { EVP_aes_256_ccm() },
            _ => return Err(Failed),
        };
        // SAFETY: takes nothing; what it gives is ours, or null.
        let context = NonNull::new(unsafe { EVP_CIPHER_CTX_new() });
        let Some(context) = context else {
            forget_errors();
            return Err(Failed);
        };
        // From here on dropped whatever happens.
        let mut ccm = Self { context, tag };
        // In this order: the lengths have their place in the cipher's state, and are taken over with the key.
        ccm.init(cipher, null(), null(), Direction::Sealing)?;
        ccm.control(EVP_CTRL_AEAD_SET_IVLEN, Self::NONCE_LEN, null_mut())?;
        ccm.control(EVP_CTRL_AEAD_SET_TAG, tag.bytes(), null_mut())?;
        ccm.init(null(), key.as_ptr(), null(), Direction::Sealing)?;
        Ok(ccm)
    }

    /// How long the tags are.
    pub fn tag_len(&self) -> TagLen {
        self.tag
    }

    /// Seals `in_out` where it stands, and puts the tag into `tag`.
    ///
    /// # Errors
    /// When `tag` has not the length of a tag, or a length is above 2^31 − 1. `in_out` is then as it
    /// was or overwritten, and must not be sent.
    pub fn seal(
        &mut self,
        nonce: &[u8; Self::NONCE_LEN],
        additional_data: &[u8],
        in_out: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), Failed> {
        if tag.len() != self.tag.bytes() {
            return Err(Failed);
        }
        let len = int(in_out.len())?;
        self.begin(nonce, Direction::Sealing, None, additional_data, len)?;
        let content = in_out.as_mut_ptr();
        self.update(content, content.cast_const(), len)?;
        self.control(EVP_CTRL_AEAD_GET_TAG, tag.len(), tag.as_mut_ptr().cast())
    }

    /// Opens `in_out` where it stands.
    ///
    /// # Errors
    /// When it was not sealed so under this key, or with another tag; `in_out` is then zeros. When
    /// `tag` has not the length of a tag, or a length is above 2^31 − 1; `in_out` is then as it was.
    pub fn open(
        &mut self,
        nonce: &[u8; Self::NONCE_LEN],
        additional_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8],
    ) -> Result<(), Failed> {
        let len = int(in_out.len())?;
        self.begin(nonce, Direction::Opening, Some(tag), additional_data, len)?;
        let content = in_out.as_mut_ptr();
        self.update(content, content.cast_const(), len)
    }

    /// Opens `ciphertext` into `out`, which is as long.
    ///
    /// # Errors
    /// As [`open`](Self::open), with `out` in the place of `in_out`; and when `out` has another
    /// length.
    pub fn open_into(
        &mut self,
        nonce: &[u8; Self::NONCE_LEN],
        additional_data: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        out: &mut [u8],
    ) -> Result<(), Failed> {
        if out.len() != ciphertext.len() {
            return Err(Failed);
        }
        let len = int(ciphertext.len())?;
        self.begin(nonce, Direction::Opening, Some(tag), additional_data, len)?;
        self.update(out.as_mut_ptr(), ciphertext.as_ptr(), len)
    }

    /// All that comes before the content, in the order that the library wants. It is the same whether the
    /// operation before has succeeded or not.
    fn begin(
        &mut self,
        nonce: &[u8; Self::NONCE_LEN],
        direction: Direction,
        tag: Option<&[u8]>,
        additional_data: &[u8],
        len: c_int,
    ) -> Result<(), Failed> {
        self.init(null(), null(), nonce.as_ptr(), direction)?;
        if let Some(tag) = tag {
            if tag.len() != self.tag.bytes() {
                return Err(Failed);
            }
            let tag_ptr = tag.as_ptr().cast_mut().cast();
            self.control(EVP_CTRL_AEAD_SET_TAG, tag.len(), tag_ptr)?;
        }
        // Without input and output: how long the content is.
        self.update(null_mut(), null(), len)?;
        // Without output: what is authenticated besides. Also when that is empty, for this is what sets
        // the MAC up: without it the state of an operation that failed would be gone on with.
        let additional_len = int(additional_data.len())?;
        self.update(null_mut(), additional_data.as_ptr(), additional_len)
    }

    /// `cipher`, `key` and `nonce` stay as they are where they are null.
    ///
    /// Callers: `key` is null or of the cipher's length, `nonce` null or [`Self::NONCE_LEN`] bytes.
    fn init(
        &mut self,
        cipher: *const EVP_CIPHER,
        key: *const u8,
        nonce: *const u8,
        direction: Direction,
    ) -> Result<(), Failed> {
        let context = self.context.as_ptr();
        // SAFETY: the context is live and ours alone. `cipher` is null or static; `key` and `nonce` are
        // null or have as many bytes as are read: those of the cipher, and 15 − L, which is 12
        // since `EVP_CTRL_AEAD_SET_IVLEN` (before that no nonce is given). No engine.
        success(unsafe {
            EVP_CipherInit_ex(context, cipher, null_mut(), key, nonce, direction as c_int)
        })
    }

    /// Callers: `pointer` is null, or `len` bytes that `command` reads or writes.
    fn control(&mut self, command: i32, len: usize, pointer: *mut c_void) -> Result<(), Failed> {
        let context = self.context.as_ptr();
        let len = int(len)?;
        // SAFETY: the context is live and ours alone, and has a cipher since `new`.
        // `EVP_CTRL_AEAD_SET_IVLEN` uses no pointer; `EVP_CTRL_AEAD_SET_TAG` reads `len` bytes, or
        // none if it is null, and never writes; `EVP_CTRL_AEAD_GET_TAG` writes `len` bytes.
        success(unsafe { EVP_CIPHER_CTX_ctrl(context, command, len, pointer) })
    }

    /// Callers: `input` is null or `len` bytes, `out` is null or `len` bytes that may be written;
    /// they are the same or apart.
    fn update(&mut self, out: *mut u8, input: *const u8, len: c_int) -> Result<(), Failed> {
        let context = self.context.as_ptr();
        let mut written = 0;
        // SAFETY: the context is live and ours alone. With `out` null nothing is written; otherwise
        // CCM, a stream cipher, writes `len` bytes, and may do so over its input.
        success(unsafe { EVP_CipherUpdate(context, out, &raw mut written, input, len) })?;
        (written == len).then_some(()).ok_or(Failed)
    }
}

impl Drop for Ccm {
    fn drop(&mut self) {
        // SAFETY: the context came from `EVP_CIPHER_CTX_new` and is freed once; `OPENSSL_free`
        // overwrites it, and the cipher's state with the key.
        unsafe { EVP_CIPHER_CTX_free(self.context.as_ptr()) }
    }
}

impl fmt::Debug for Ccm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ccm(..)")
    }
}

#[cfg(test)]
#[path = "ccm_tests.rs"]
mod tests;
