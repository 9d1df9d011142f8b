//! The keys of the records, of both directions.
//!
//! RFC 5246 §6.3; RFC 5288 §3 and RFC 7905 §2 for the IVs.

use super::LegacyParameters;
use crate::crypto::CryptoFailure;
use crate::crypto::aead::{AeadAlgorithm, AeadKey, IV_LEN};
use crate::crypto::secret::Inline;

const MAX_KEY_LEN: usize = 32;
const MAX_IV_LEN: usize = IV_LEN as usize;

/// What is cut from the key block.
pub(crate) struct KeyBlock {
    /// What the client writes with.
    pub(crate) client: DirectionKeys,
    /// What the server writes with.
    pub(crate) server: DirectionKeys,
}

impl KeyBlock {
    /// `derive` fills its argument with `key_block`.
    pub(super) fn new(
        suite: LegacyParameters,
        derive: impl FnOnce(&mut [u8]),
    ) -> Result<Self, CryptoFailure> {
        let (key_len, iv_len) = (suite.aead.key_len().into(), fixed_iv_len(suite.aead));
        let mut block = Inline::<{ 2 * (MAX_KEY_LEN + MAX_IV_LEN) }>::zeros(2 * (key_len + iv_len));
        derive(block.as_mut_slice());
        // An AEAD has no MAC keys, which would stand before the others.
        let (keys, ivs) = block.as_slice().split_at(2 * key_len);
        let ((client_key, server_key), (client_iv, server_iv)) =
            (keys.split_at(key_len), ivs.split_at(iv_len));
        Ok(Self {
            client: DirectionKeys::new(suite, client_key, client_iv)?,
            server: DirectionKeys::new(suite, server_key, server_iv)?,
        })
    }
}

/// `SecurityParameters.fixed_iv_length`. GCM writes the rest of a nonce into each record.
const fn fixed_iv_len(aead: AeadAlgorithm) -> usize {
    match aead {
        AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm => 4,
        AeadAlgorithm::ChaCha20Poly1305 => MAX_IV_LEN,
    }
}

/// What one direction is protected with: enough to set its key up as often as need be.
pub(crate) struct DirectionKeys {
    pub(crate) suite: LegacyParameters,
    pub(crate) key: Inline<MAX_KEY_LEN>,
    /// As long as a nonce: behind the four bytes that GCM has stand zeros. A nonce is this with the
    /// number of the record xored into its end, whichever the AEAD: with GCM that number is
    /// what the record calls its `nonce_explicit`.
    pub(crate) iv: Inline<MAX_IV_LEN>,
}

impl DirectionKeys {
    fn new(suite: LegacyParameters, key: &[u8], fixed_iv: &[u8]) -> Result<Self, CryptoFailure> {
        let mut iv = Inline::zeros(MAX_IV_LEN);
        for (to, byte) in iv.as_mut_slice().iter_mut().zip(fixed_iv) {
            *to = *byte;
        }
        let key = Inline::new(key)?;
        Ok(Self { suite, key, iv })
    }

    /// Moves the keys and leaves none, as [`Inline::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self {
            suite: self.suite,
            key: self.key.take(),
            iv: self.iv.take(),
        }
    }

    /// Whether they were not [taken](Self::take). What may have keys is no `Option`: to write
    /// `None` there, over bytes that are never read, can write what is left on the stack.
    pub(crate) fn are_there(&self) -> bool {
        !self.key.as_slice().is_empty()
    }

    /// # Errors
    /// When the library cannot set up the key; not for any that was derived.
    pub(crate) fn aead_key(&self) -> Result<AeadKey, CryptoFailure> {
        let iv = self.iv.as_slice().first_chunk();
        let iv = iv.ok_or(CryptoFailure::RecordKeys)?;
        AeadKey::new(self.suite.aead, self.key.as_slice(), iv)
    }
}

impl core::fmt::Debug for DirectionKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("DirectionKeys(..)")
    }
}

impl core::fmt::Debug for KeyBlock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("KeyBlock(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash::HashAlgorithm;

    /// §6.3: first both keys, then both IVs, the client's before the server's.
    #[test]
    fn the_block_is_cut_in_the_order_of_the_rfc() {
        for (aead, key_len, iv_len) in [
            (AeadAlgorithm::Aes128Gcm, 16, 4),
            (AeadAlgorithm::Aes256Gcm, 32, 4),
            (AeadAlgorithm::ChaCha20Poly1305, 32, 12),
        ] {
            let hash = HashAlgorithm::Sha256;
            let suite = LegacyParameters { hash, aead };
            let mut length = 0;
            let mut block = KeyBlock::new(suite, |out| {
                length = out.len();
                (1..).zip(out).for_each(|(value, byte)| *byte = value);
            })
            .unwrap();
            assert_eq!(length, 2 * (key_len + iv_len));
            let bytes: Vec<u8> = (1..=length as u8).collect();
            let (keys, ivs) = bytes.split_at(2 * key_len);
            let zeros = vec![0; 12 - iv_len];
            for (direction, key, iv) in [
                (&block.client, &keys[..key_len], &ivs[..iv_len]),
                (&block.server, &keys[key_len..], &ivs[iv_len..]),
            ] {
                assert_eq!(direction.key.as_slice(), key);
                assert_eq!(direction.iv.as_slice(), [iv, &zeros].concat());
                assert!(direction.aead_key().is_ok());
            }
            let taken = block.client.take();
            assert_eq!(taken.key.as_slice(), &keys[..key_len]);
            assert!(taken.are_there() && !block.client.are_there());
            assert!(block.client.aead_key().is_err());
            assert_eq!(
                format!("{block:?} {taken:?}"),
                "KeyBlock(..) DirectionKeys(..)"
            );
        }
    }
}
