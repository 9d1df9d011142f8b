//! The ciphers that nobody chooses who has a choice: 3DES, DES and RC4.
//!
//! NIST SP 800-67, FIPS 46-3; RC4 was never published. None of them is safe, each for a reason of its own:
//! - 3DES has blocks of 64 bits: from 2^32 of them, 32 GiB, on they repeat, and a repeated block tells
//!   what two plaintexts have in common (Sweet32, CVE-2016-2183).
//! - A key of DES has 56 bits, which a day of rented hardware tries out.
//! - The first bytes of an RC4 key stream are not random enough: what is sent again and again at the
//!   same place, as a cookie is, can be read (Bar Mitzvah, RC4 NOMORE; RFC 7465 forbids it).
//!
//! None of them takes the same time for every key and every plaintext, here or elsewhere: they are
//! made of table look-ups at secret places, so that whoever shares the machine's caches can learn the
//! key. What is done in constant time around them, the MAC and the padding, still is.

use aws_lc_rs::cipher::{Algorithm, DecryptionContext, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use rc4::{KeyInit as _, Rc4, StreamCipher as _};

use super::CryptoFailure;

pub(crate) const HAS_LEGACY_CIPHERS: bool = true;

/// The block ciphers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DesAlgorithm {
    /// EDE, with three keys.
    Triple,
    Single,
}

impl DesAlgorithm {
    pub(crate) const TRIPLE: Option<Self> = Some(Self::Triple);
    pub(crate) const SINGLE: Option<Self> = Some(Self::Single);

    /// Bytes of a block.
    pub(crate) const BLOCK: usize = 8;

    /// The length of the key, in bytes; an eighth of its bits means nothing.
    pub(crate) const fn key_len(self) -> u8 {
        match self {
            Self::Triple => 24,
            Self::Single => 8,
        }
    }

    /// How many records, and how many bytes in them, one key may protect: both together are at most
    /// 2^26 blocks, 512 MiB, where two blocks are the same with a probability of 2^-13. A record
    /// costs five blocks besides its content at most: the IV, and 20 bytes of MAC and 8 of padding.
    pub(crate) const fn limits_for_good(self) -> (u64, u64) {
        const BLOCKS: u64 = 1 << 26;
        const RECORDS: u64 = 1 << 22;
        (RECORDS, (BLOCKS - 5 * RECORDS) * Self::BLOCK as u64)
    }

    /// # Errors
    /// When `key` does not have the algorithm's length. That it is one of the weak keys, 64 of
    /// 2^56, is found when it is set up.
    pub(crate) fn key(self, key: &[u8]) -> Result<UnboundCipherKey, CryptoFailure> {
        UnboundCipherKey::new(self.algorithm(), key).map_err(|_| CryptoFailure::RecordKeys)
    }

    #[expect(deprecated, reason = "that is how the library says what stands above")]
    const fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Triple => &aws_lc_rs::cipher::DES_EDE3_FOR_LEGACY_USE_ONLY,
            Self::Single => &aws_lc_rs::cipher::DES_FOR_LEGACY_USE_ONLY,
        }
    }
}

/// The IV of a block cipher here; `None` if it has another length.
pub(crate) fn encryption(iv: &[u8]) -> Option<EncryptionContext> {
    let iv: [u8; DesAlgorithm::BLOCK] = iv.try_into().ok()?;
    Some(EncryptionContext::Iv64(FixedLength::from(iv)))
}

/// The same to decrypt.
pub(crate) fn decryption(iv: &[u8]) -> Option<DecryptionContext> {
    let iv: [u8; DesAlgorithm::BLOCK] = iv.try_into().ok()?;
    Some(DecryptionContext::Iv64(FixedLength::from(iv)))
}

/// The stream ciphers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StreamAlgorithm {
    Rc4_128,
}

impl StreamAlgorithm {
    pub(crate) const RC4_128: Option<Self> = Some(Self::Rc4_128);

    /// The length of the key, in bytes.
    pub(crate) const fn key_len(self) -> u8 {
        match self {
            Self::Rc4_128 => 16,
        }
    }
}

/// A key, and how far its stream has come.
pub(crate) struct StreamKey(Rc4);

impl StreamKey {
    /// # Errors
    /// When `key` does not have the algorithm's length.
    pub(crate) fn new(algorithm: StreamAlgorithm, key: &[u8]) -> Result<Self, CryptoFailure> {
        if key.len() != usize::from(algorithm.key_len()) {
            return Err(CryptoFailure::RecordKeys);
        }
        let stream = Rc4::new_from_slice(key).map_err(|_| CryptoFailure::RecordKeys)?;
        Ok(Self(stream))
    }

    /// Encrypts what is plain and decrypts what is not, where it stands: the next bytes of the stream.
    pub(crate) fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }
}

impl core::fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("StreamKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    /// RFC 6229 §2, key of 128 bits: the stream at 0, 240 and 4096.
    #[test]
    fn known_answers() {
        for (key, at, expected) in [
            (
                "0102030405060708090a0b0c0d0e0f10",
                0,
                "9ac7cc9a609d1ef7b2932899cde41b97 5248c4959014126a6e8a84f11d1a9e1c",
            ),
            (
                "0102030405060708090a0b0c0d0e0f10",
                240,
                "065902e4b620f6cc36c8589f66432f2b d39d566bc6bce3010768151549f3873f",
            ),
            (
                "ebb46227c6cc8b37641910833222772a",
                0,
                "720c94b63edf44e131d950ca211a5a30 c366fdeacf9ca80436be7c358424d20b",
            ),
        ] {
            let mut stream = StreamKey::new(StreamAlgorithm::Rc4_128, &hex(key)).unwrap();
            let mut bytes = vec![0; at];
            stream.apply(&mut bytes);
            // In pieces, as records are.
            let mut bytes = vec![0; 32];
            let (one, two) = bytes.split_at_mut(5);
            stream.apply(one);
            stream.apply(&mut []);
            stream.apply(two);
            assert_eq!(bytes, hex(expected));
            assert_eq!(format!("{stream:?}"), "StreamKey(..)");
        }
        for length in [0, 5, 15, 17, 32] {
            assert!(StreamKey::new(StreamAlgorithm::Rc4_128, &vec![1; length]).is_err());
        }
    }

    #[test]
    fn no_more_blocks_than_sweet32_allows() {
        for des in [DesAlgorithm::Triple, DesAlgorithm::Single] {
            let (records, bytes) = des.limits_for_good();
            assert_eq!(bytes / 8 + 5 * records, 1 << 26);
            for content in 0..64_u64 {
                let blocks = 1 + (content + 20 + 1).div_ceil(8);
                assert!(8 * blocks <= content + 5 * 8);
            }
        }
    }
}
