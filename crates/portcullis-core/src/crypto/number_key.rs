//! The key that hides the numbers of records over datagrams.
//!
//! RFC 9147 §4.2.3: the same construction as QUIC's header protection (RFC 9001 §5.4.3, §5.4.4).

use aws_lc_rs::aead::quic::{self, HeaderProtectionKey};

use super::CryptoFailure;
use super::aead::AeadAlgorithm;

/// How many bytes of the ciphertext a number is hidden with.
pub(crate) const SAMPLE: usize = 16;

/// For one direction and one epoch.
pub(crate) struct NumberKey(Box<HeaderProtectionKey>);

impl NumberKey {
    /// # Errors
    /// When `key` does not have the length of the algorithm's keys.
    pub(crate) fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Result<Self, CryptoFailure> {
        let algorithm = match algorithm {
            AeadAlgorithm::Aes128Gcm => &quic::AES_128,
            AeadAlgorithm::Aes256Gcm => &quic::AES_256,
            AeadAlgorithm::ChaCha20Poly1305 => &quic::CHACHA20,
            AeadAlgorithm::Ccm(ccm) if ccm.key_len() == 32 => &quic::AES_256,
            AeadAlgorithm::Ccm(_) => &quic::AES_128,
        };
        let key =
            HeaderProtectionKey::new(algorithm, key).map_err(|_| CryptoFailure::RecordKeys)?;
        // Half a kilobyte, which an idle connection does without.
        Ok(Self(Box::new(key)))
    }

    /// What a number of 16 bits is combined with by exclusive or, given the start of the ciphertext.
    ///
    /// # Errors
    /// Never for a sample of this length.
    pub(crate) fn mask(&self, sample: &[u8; SAMPLE]) -> Result<[u8; 2], CryptoFailure> {
        let mask = self.0.new_mask(sample);
        let [first, second, ..] = mask.map_err(|_| CryptoFailure::RecordKeys)?;
        Ok([first, second])
    }
}

impl core::fmt::Debug for NumberKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("NumberKey(..)")
    }
}
