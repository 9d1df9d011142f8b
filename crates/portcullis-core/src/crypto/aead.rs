//! Record protection keys.
//!
//! RFC 8446 §5.2, §5.3, §5.5; RFC 5116.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::CryptoFailure;
use super::ccm::{CcmAlgorithm, CcmKey};
use super::ring_gcm::{self, RingKey};

/// The length of a tag, in bytes, but for CCM_8.
pub(crate) const TAG_LEN: usize = 16;

/// The length of every nonce and static IV, in bytes.
pub(crate) const IV_LEN: u8 = 12;

/// The AEADs of the suites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AeadAlgorithm {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
    /// With the feature `ffi`; else nothing is one of these.
    Ccm(CcmAlgorithm),
}

impl AeadAlgorithm {
    /// The length of the key, in bytes.
    pub(crate) const fn key_len(self) -> u8 {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
            Self::Ccm(ccm) => ccm.key_len(),
        }
    }

    /// The length of the tag, in bytes.
    pub(crate) const fn tag_len(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm | Self::ChaCha20Poly1305 => TAG_LEN,
            Self::Ccm(ccm) => ccm.tag_len(),
        }
    }

    /// How many records one key may protect (§5.5): 2^24.5 of full size for AES-GCM; for
    /// ChaCha20 the sequence number wraps first.
    pub(crate) const fn record_limit(self) -> u64 {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm => 23_726_566,
            Self::ChaCha20Poly1305 => u64::MAX,
            Self::Ccm(ccm) => ccm.record_limit(),
        }
    }

    /// How many records, and how many bytes in them, one key may protect where it cannot be
    /// replaced: both together are no more blocks than [`record_limit`](Self::record_limit) records
    /// of full size (RFC 9325 §4.4). A short record costs two blocks, so that a connection with many
    /// of them does not end early.
    pub(crate) const fn limits_for_good(self) -> (u64, u64) {
        const RECORDS: u64 = 1 << 31;
        const FULL: u64 = 16_384;
        const TWO_BLOCKS: u64 = 32;
        match self.record_limit() {
            u64::MAX => (u64::MAX, u64::MAX),
            full => {
                // A quarter of the bytes at most: CCM has fewer of them than GCM.
                let records = match full * FULL / (4 * TWO_BLOCKS) {
                    few if few < RECORDS => few,
                    _ => RECORDS,
                };
                (records, full * FULL - records * TWO_BLOCKS)
            }
        }
    }
}

/// Sealing was given lengths that do not fit together, or opening was given a forgery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AeadError;

/// A key and its static IV, for one direction and one epoch.
///
/// The caller counts: each `seq` may be sealed with once.
pub(crate) struct AeadKey {
    cipher: Cipher,
    iv: Zeroizing<[u8; IV_LEN as usize]>,
}

/// CCM is not in the library's safe interface. ring's AES-GCM is for the processors for which the library
/// has none that is as fast.
enum Cipher {
    Library(LessSafeKey),
    Ring(RingKey),
    Ccm(CcmKey),
}

/// The library whose AES-GCM protects the records of this process: `AWS-LC`, or `ring` with the feature
/// `ring-aead` on a processor with VAES and without AVX-512, for which AWS-LC's is slower. This is
/// decided once, and `OPENSSL_ia32cap` is heeded as AWS-LC heeds it.
pub fn aes_gcm() -> &'static str {
    match ring_gcm::is_faster() {
        true => "ring",
        false => "AWS-LC",
    }
}

impl AeadKey {
    /// # Errors
    /// When `key` does not have the algorithm's length.
    pub(crate) fn new(
        algorithm: AeadAlgorithm,
        key: &[u8],
        iv: &[u8; IV_LEN as usize],
    ) -> Result<Self, CryptoFailure> {
        if ring_gcm::is_faster()
            && let Some(key) = RingKey::new(algorithm, key)
        {
            return Ok(Self::from_cipher(Cipher::Ring(key?), iv));
        }
        Self::of_library(algorithm, key, iv)
    }

    /// By the library, whatever the processor is.
    pub(super) fn of_library(
        algorithm: AeadAlgorithm,
        key: &[u8],
        iv: &[u8; IV_LEN as usize],
    ) -> Result<Self, CryptoFailure> {
        let library = match algorithm {
            AeadAlgorithm::Aes128Gcm => &aead::AES_128_GCM,
            AeadAlgorithm::Aes256Gcm => &aead::AES_256_GCM,
            AeadAlgorithm::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
            AeadAlgorithm::Ccm(ccm) => return Self::ccm(ccm, key, iv),
        };
        let key = UnboundKey::new(library, key).map_err(|_| CryptoFailure::RecordKeys)?;
        let cipher = Cipher::Library(LessSafeKey::new(key));
        Ok(Self::from_cipher(cipher, iv))
    }

    #[cold]
    fn ccm(
        algorithm: CcmAlgorithm,
        key: &[u8],
        iv: &[u8; IV_LEN as usize],
    ) -> Result<Self, CryptoFailure> {
        let cipher = Cipher::Ccm(CcmKey::new(algorithm, key)?);
        Ok(Self::from_cipher(cipher, iv))
    }

    fn from_cipher(cipher: Cipher, iv: &[u8; IV_LEN as usize]) -> Self {
        Self {
            cipher,
            iv: Zeroizing::new(*iv),
        }
    }

    /// §5.3: the sequence number, padded on the left, exclusive-or'ed with the static IV.
    fn nonce(&self, seq: u64) -> [u8; IV_LEN as usize] {
        let mut nonce = *self.iv;
        if let Some(low) = nonce.last_chunk_mut::<8>() {
            *low = (u64::from_be_bytes(*low) ^ seq).to_be_bytes();
        }
        nonce
    }

    /// Seals `plaintext` then `content_type_and_padding` into `out`, which has room for both and for the
    /// tag, and no more.
    ///
    /// # Errors
    /// When `out` does not have exactly that length.
    #[inline]
    pub(crate) fn seal_scatter(
        &mut self,
        seq: u64,
        aad: &[u8],
        plaintext: &[u8],
        content_type_and_padding: &[u8],
        out: &mut [u8],
    ) -> Result<(), AeadError> {
        let nonce = self.nonce(seq);
        match &mut self.cipher {
            Cipher::Library(key) => {
                let split = out.split_at_mut_checked(plaintext.len());
                let (ciphertext, tail) = split.ok_or(AeadError)?;
                key.seal_out_of_place_scatter(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(aad),
                    plaintext,
                    ciphertext,
                    content_type_and_padding,
                    tail,
                )
                .map_err(|_| AeadError)
            }
            Cipher::Ring(key) => {
                key.seal_scatter(nonce, aad, plaintext, content_type_and_padding, out)
            }
            Cipher::Ccm(key) => {
                key.seal_scatter(&nonce, aad, plaintext, content_type_and_padding, out)
            }
        }
    }

    /// Seals the plaintext that stands in front of the place for the tag.
    ///
    /// # Errors
    /// When there is no place for the tag.
    pub(crate) fn seal_in_place(
        &mut self,
        seq: u64,
        aad: &[u8],
        plaintext_and_tag: &mut [u8],
    ) -> Result<(), AeadError> {
        let nonce = self.nonce(seq);
        match &mut self.cipher {
            Cipher::Library(key) => {
                let split = plaintext_and_tag.split_last_chunk_mut::<TAG_LEN>();
                let (plaintext, tag) = split.ok_or(AeadError)?;
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_scatter(nonce, Aad::from(aad), plaintext, &[], tag)
                    .map_err(|_| AeadError)
            }
            Cipher::Ring(key) => key.seal_in_place(nonce, aad, plaintext_and_tag),
            Cipher::Ccm(key) => key.seal_in_place(&nonce, aad, plaintext_and_tag),
        }
    }

    /// Opens where it stands; gives the plaintext, content type and padding included.
    ///
    /// # Errors
    /// When it is a forgery; what the buffer then holds must not be shown to anyone.
    pub(crate) fn open_in_place<'a>(
        &mut self,
        seq: u64,
        aad: &[u8],
        ciphertext_and_tag: &'a mut [u8],
    ) -> Result<&'a mut [u8], AeadError> {
        let nonce = self.nonce(seq);
        match &mut self.cipher {
            Cipher::Library(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.open_in_place(nonce, Aad::from(aad), ciphertext_and_tag)
                    .map_err(|_| AeadError)
            }
            Cipher::Ring(key) => key.open_in_place(nonce, aad, ciphertext_and_tag),
            Cipher::Ccm(key) => key.open_in_place(&nonce, aad, ciphertext_and_tag),
        }
    }

    /// Opens into `out`, which is as long as `ciphertext`.
    ///
    /// # Errors
    /// When it is a forgery or `out` has another length; what `out` then holds must not be
    /// shown to anyone.
    pub(crate) fn open_into(
        &mut self,
        seq: u64,
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        out: &mut [u8],
    ) -> Result<(), AeadError> {
        let nonce = self.nonce(seq);
        match &mut self.cipher {
            Cipher::Library(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, out)
                    .map_err(|_| AeadError)
            }
            Cipher::Ring(key) => key.open_into(nonce, aad, ciphertext, tag, out),
            Cipher::Ccm(key) => key.open_into(&nonce, aad, ciphertext, tag, out),
        }
    }
}

impl core::fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("AeadKey(..)")
    }
}

#[cfg(test)]
#[path = "aead_tests.rs"]
mod tests;
