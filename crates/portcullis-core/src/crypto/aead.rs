//! Record protection keys.
//!
//! RFC 8446 §5.2, §5.3, §5.5; RFC 5116.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::CryptoFailure;

/// The length of every tag, in bytes.
pub(crate) const TAG_LEN: usize = 16;

/// The length of every nonce and static IV, in bytes.
pub(crate) const IV_LEN: u8 = 12;

/// The AEADs of the suites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AeadAlgorithm {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

impl AeadAlgorithm {
    /// The length of the key, in bytes.
    pub(crate) const fn key_len(self) -> u8 {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
        }
    }

    /// How many records one key may protect (§5.5): 2^24.5 of full size for AES-GCM; for
    /// ChaCha20 the sequence number wraps first.
    pub(crate) const fn record_limit(self) -> u64 {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm => 23_726_566,
            Self::ChaCha20Poly1305 => u64::MAX,
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
            full => (RECORDS, full * FULL - RECORDS * TWO_BLOCKS),
        }
    }

    fn library(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128Gcm => &aead::AES_128_GCM,
            Self::Aes256Gcm => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
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
    key: LessSafeKey,
    iv: Zeroizing<[u8; IV_LEN as usize]>,
}

impl AeadKey {
    /// # Errors
    /// When `key` does not have the algorithm's length.
    pub(crate) fn new(
        algorithm: AeadAlgorithm,
        key: &[u8],
        iv: &[u8; IV_LEN as usize],
    ) -> Result<Self, CryptoFailure> {
        let key =
            UnboundKey::new(algorithm.library(), key).map_err(|_| CryptoFailure::RecordKeys)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            iv: Zeroizing::new(*iv),
        })
    }

    /// §5.3: the sequence number, padded on the left, exclusive-or'ed with the static IV.
    fn nonce(&self, seq: u64) -> Nonce {
        let mut nonce = *self.iv;
        if let Some(low) = nonce.last_chunk_mut::<8>() {
            *low = (u64::from_be_bytes(*low) ^ seq).to_be_bytes();
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seals `plaintext` then `content_type_and_padding` without copying either: the first into
    /// `out_ciphertext`, of its length; the second and the tag into `out_tail`.
    ///
    /// # Errors
    /// When an output does not have exactly that length.
    #[inline]
    pub(crate) fn seal_scatter(
        &self,
        seq: u64,
        aad: &[u8],
        plaintext: &[u8],
        content_type_and_padding: &[u8],
        out_ciphertext: &mut [u8],
        out_tail: &mut [u8],
    ) -> Result<(), AeadError> {
        self.key
            .seal_out_of_place_scatter(
                self.nonce(seq),
                Aad::from(aad),
                plaintext,
                out_ciphertext,
                content_type_and_padding,
                out_tail,
            )
            .map_err(|_| AeadError)
    }

    /// As [`Self::seal_scatter`], over the plaintext in `in_out`.
    ///
    /// # Errors
    /// When `out_tail` is not [`TAG_LEN`] longer than `content_type_and_padding`.
    pub(crate) fn seal_in_place(
        &self,
        seq: u64,
        aad: &[u8],
        in_out: &mut [u8],
        content_type_and_padding: &[u8],
        out_tail: &mut [u8],
    ) -> Result<(), AeadError> {
        self.key
            .seal_in_place_scatter(
                self.nonce(seq),
                Aad::from(aad),
                in_out,
                content_type_and_padding,
                out_tail,
            )
            .map_err(|_| AeadError)
    }

    /// Opens where it stands; gives the plaintext, content type and padding included.
    ///
    /// # Errors
    /// When it is a forgery; what the buffer then holds must not be shown to anyone.
    pub(crate) fn open_in_place<'a>(
        &self,
        seq: u64,
        aad: &[u8],
        ciphertext_and_tag: &'a mut [u8],
    ) -> Result<&'a mut [u8], AeadError> {
        self.key
            .open_in_place(self.nonce(seq), Aad::from(aad), ciphertext_and_tag)
            .map_err(|_| AeadError)
    }

    /// Opens into `out`, which is as long as `ciphertext`.
    ///
    /// # Errors
    /// When it is a forgery or `out` has another length; what `out` then holds must not be
    /// shown to anyone.
    pub(crate) fn open_into(
        &self,
        seq: u64,
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        out: &mut [u8],
    ) -> Result<(), AeadError> {
        self.key
            .open_separate_gather(self.nonce(seq), Aad::from(aad), ciphertext, tag, out)
            .map_err(|_| AeadError)
    }
}

impl core::fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("AeadKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [AeadAlgorithm; 3] = [
        AeadAlgorithm::Aes128Gcm,
        AeadAlgorithm::Aes256Gcm,
        AeadAlgorithm::ChaCha20Poly1305,
    ];

    fn key(algorithm: AeadAlgorithm) -> AeadKey {
        assert_eq!(algorithm.library().key_len(), algorithm.key_len().into());
        assert_eq!(algorithm.library().tag_len(), TAG_LEN);
        AeadKey::new(algorithm, &vec![7; algorithm.key_len().into()], &[9; 12]).unwrap()
    }

    #[test]
    fn all_forms_agree() {
        for algorithm in ALL {
            let key = key(algorithm);
            for len in [0, 1, 15, 16, 17, 1000, 16384] {
                let plaintext: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
                let aad = [23, 3, 3, 0, 9];
                let seq = 0x0102_0304_0506_0708;

                let mut scattered = vec![0; len + 3 + TAG_LEN];
                let (body, tail) = scattered.split_at_mut(len);
                key.seal_scatter(seq, &aad, &plaintext, &[23, 0, 0], body, tail)
                    .unwrap();

                let mut in_place = plaintext.clone();
                let mut tail = vec![0; 3 + TAG_LEN];
                key.seal_in_place(seq, &aad, &mut in_place, &[23, 0, 0], &mut tail)
                    .unwrap();
                assert_eq!(scattered, [in_place, tail].concat());

                let expected = [plaintext.as_slice(), &[23, 0, 0]].concat();
                let (ciphertext, tag) = scattered.split_at(len + 3);
                let mut out = vec![0; len + 3];
                key.open_into(seq, &aad, ciphertext, tag, &mut out).unwrap();
                assert_eq!(out, expected);

                let mut other = scattered.clone();
                assert!(key.open_in_place(seq + 1, &aad, &mut other).is_err());
                let mut other = scattered.clone();
                assert!(key.open_in_place(seq, &aad[1..], &mut other).is_err());
                scattered[len] ^= 1;
                let mut other = scattered.clone();
                assert!(key.open_in_place(seq, &aad, &mut other).is_err());
                scattered[len] ^= 1;
                assert_eq!(
                    key.open_in_place(seq, &aad, &mut scattered).unwrap(),
                    expected
                );
            }
        }
    }

    #[test]
    fn wrong_lengths_are_errors() {
        for algorithm in ALL {
            assert!(AeadKey::new(algorithm, &[0; 15], &[0; 12]).is_err());
            let key = key(algorithm);
            let mut tail = [0; 1 + TAG_LEN];
            let (mut four, mut five) = ([0; 4], [0; 5]);
            let seal = |out: &mut [u8], tail: &mut [u8]| {
                key.seal_scatter(0, &[], &[1, 2, 3, 4, 5], &[23], out, tail)
            };
            assert!(seal(&mut four, &mut tail).is_err());
            assert!(seal(&mut five, &mut tail[1..]).is_err());
            assert!(seal(&mut five, &mut tail).is_ok());
            for short in 0..TAG_LEN {
                assert!(key.open_in_place(0, &[], &mut vec![0; short]).is_err());
            }
            assert!(key.open_into(0, &[], &four, &tail, &mut five).is_err());
        }
    }

    /// §5.3: the sequence number is exclusive-or'ed into the right end of the IV.
    #[test]
    fn nonce_is_iv_xor_seq() {
        let key = key(AeadAlgorithm::Aes128Gcm);
        assert_eq!(key.nonce(0).as_ref(), &[9; 12]);
        assert_eq!(
            key.nonce(0xff00_0000_0000_0102).as_ref(),
            &[9, 9, 9, 9, 0xf6, 9, 9, 9, 9, 9, 8, 11]
        );
    }
}
