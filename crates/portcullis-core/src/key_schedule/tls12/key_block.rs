//! The keys of the records, of both directions.
//!
//! RFC 5246 §6.3; RFC 5288 §3 and RFC 7905 §2 for the IVs.

use super::OlderParameters;
use crate::crypto::CryptoFailure;
use crate::crypto::aead::{AeadAlgorithm, AeadKey, IV_LEN};
use crate::crypto::cbc::{CbcAlgorithm, CbcKey, MAX_BLOCK};
use crate::crypto::legacy::{StreamAlgorithm, StreamKey};
use crate::crypto::record_mac::{MacAlgorithm, RecordMac};
use crate::crypto::secret::Inline;

const MAX_KEY_LEN: usize = 32;
/// Of an AEAD; a block cipher whose IVs are chained has more.
const NONCE_LEN: usize = IV_LEN as usize;
const MAX_IV_LEN: usize = MAX_BLOCK;

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
        suite: OlderParameters,
        derive: impl FnOnce(&mut [u8]),
    ) -> Result<Self, CryptoFailure> {
        let mac_len = suite.cipher.mac_key_len().into();
        let key_len = suite.cipher.key_len().into();
        let iv_len: usize = suite.cipher.fixed_iv_len().into();
        let mut block = Inline::<{ 2 * (MacAlgorithm::MAX_LEN + MAX_KEY_LEN + MAX_IV_LEN) }>::zeros(
            2 * (mac_len + key_len + iv_len),
        );
        derive(block.as_mut_slice());
        let (mac_keys, rest) = block.as_slice().split_at(2 * mac_len);
        let (keys, ivs) = rest.split_at(2 * key_len);
        let (client_mac_key, server_mac_key) = mac_keys.split_at(mac_len);
        let (client_key, server_key) = keys.split_at(key_len);
        let (client_iv, server_iv) = ivs.split_at(iv_len);
        Ok(Self {
            client: DirectionKeys::new(suite, [client_mac_key, client_key, client_iv])?,
            server: DirectionKeys::new(suite, [server_mac_key, server_key, server_iv])?,
        })
    }
}

/// What one direction is protected with: enough to set its key up as often as need be.
pub(crate) struct DirectionKeys {
    pub(crate) suite: OlderParameters,
    /// An AEAD has none.
    pub(crate) mac_key: Inline<{ MacAlgorithm::MAX_LEN }>,
    pub(crate) key: Inline<MAX_KEY_LEN>,
    /// As long as a nonce: behind the four bytes that GCM has stand zeros. A nonce is this with the
    /// number of the record xored into its end, whichever the AEAD: with GCM that number is
    /// what the record calls its `nonce_explicit`. With CBC its front is the IV of the next record where
    /// IVs are chained. Otherwise these are zeros that nobody uses.
    pub(crate) iv: Inline<MAX_IV_LEN>,
}

impl DirectionKeys {
    fn new(
        suite: OlderParameters,
        [mac_key, key, fixed_iv]: [&[u8]; 3],
    ) -> Result<Self, CryptoFailure> {
        let mut iv = Inline::zeros(fixed_iv.len().max(NONCE_LEN));
        for (to, byte) in iv.as_mut_slice().iter_mut().zip(fixed_iv) {
            *to = *byte;
        }
        Ok(Self {
            suite,
            mac_key: Inline::new(mac_key)?,
            key: Inline::new(key)?,
            iv,
        })
    }

    /// Moves the keys and leaves none, as [`Inline::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self {
            suite: self.suite,
            mac_key: self.mac_key.take(),
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
    pub(crate) fn aead_key(&self, aead: AeadAlgorithm) -> Result<AeadKey, CryptoFailure> {
        let iv = self.iv.as_slice().first_chunk();
        let iv = iv.ok_or(CryptoFailure::RecordKeys)?;
        AeadKey::new(aead, self.key.as_slice(), iv)
    }

    /// The block cipher's key, to write with.
    ///
    /// # Errors
    /// As [`aead_key`](Self::aead_key).
    pub(crate) fn encrypting_key(&self, cipher: CbcAlgorithm) -> Result<CbcKey, CryptoFailure> {
        CbcKey::encrypting(cipher, self.key.as_slice())
    }

    /// The same to read with.
    ///
    /// # Errors
    /// As [`aead_key`](Self::aead_key).
    pub(crate) fn decrypting_key(&self, cipher: CbcAlgorithm) -> Result<CbcKey, CryptoFailure> {
        CbcKey::decrypting(cipher, self.key.as_slice())
    }

    /// The stream cipher's key at the beginning of its stream: once for a connection.
    ///
    /// # Errors
    /// As [`aead_key`](Self::aead_key).
    pub(crate) fn stream_key(&self, cipher: StreamAlgorithm) -> Result<StreamKey, CryptoFailure> {
        StreamKey::new(cipher, self.key.as_slice())
    }

    pub(crate) fn record_mac(&self, mac: MacAlgorithm) -> RecordMac {
        RecordMac::new(mac, self.mac_key.as_slice())
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
    use super::super::{CbcParameters, OlderCipher, StreamParameters};
    use super::*;
    use crate::crypto::hash::HashAlgorithm;
    use crate::rules::Iv;
    use crate::version::ProtocolVersion;

    #[cfg(feature = "legacy-ciphers")]
    mod legacy {
        use super::*;
        use crate::crypto::legacy::DesAlgorithm;

        pub(super) fn triple_des(iv: Iv) -> OlderCipher {
            let cipher = CbcAlgorithm::Des(DesAlgorithm::Triple);
            OlderCipher::Cbc(CbcParameters {
                iv,
                ..CbcParameters::new(cipher, MacAlgorithm::Sha1)
            })
        }

        pub(super) fn rc4(mac: MacAlgorithm) -> OlderCipher {
            let cipher = StreamAlgorithm::Rc4_128;
            OlderCipher::Stream(StreamParameters { cipher, mac })
        }
    }

    /// §6.3: MAC keys, keys and IVs, of each the client's before the server's.
    #[test]
    fn the_block_is_cut_in_the_order_of_the_rfc() {
        let cbc = |cipher, mac| OlderCipher::Cbc(CbcParameters::new(cipher, mac));
        let chained = OlderCipher::Cbc(CbcParameters {
            iv: Iv::Chained,
            ..CbcParameters::new(CbcAlgorithm::Aes256, MacAlgorithm::Sha1)
        });
        for (cipher, mac_len, key_len, iv_len) in [
            (OlderCipher::Aead(AeadAlgorithm::Aes128Gcm), 0, 16, 4),
            (OlderCipher::Aead(AeadAlgorithm::Aes256Gcm), 0, 32, 4),
            (
                OlderCipher::Aead(AeadAlgorithm::ChaCha20Poly1305),
                0,
                32,
                12,
            ),
            (cbc(CbcAlgorithm::Aes128, MacAlgorithm::Sha1), 20, 16, 0),
            (cbc(CbcAlgorithm::Aes256, MacAlgorithm::Sha256), 32, 32, 0),
            (cbc(CbcAlgorithm::Aes256, MacAlgorithm::Sha384), 48, 32, 0),
            // RFC 2246 §6.3: IVs as long as a block.
            (chained, 20, 32, 16),
            #[cfg(feature = "legacy-ciphers")]
            (legacy::triple_des(Iv::Explicit), 20, 24, 0),
            #[cfg(feature = "legacy-ciphers")]
            (legacy::triple_des(Iv::Chained), 20, 24, 8),
            #[cfg(feature = "legacy-ciphers")]
            (legacy::rc4(MacAlgorithm::Sha1), 20, 16, 0),
            #[cfg(feature = "legacy-ciphers")]
            (legacy::rc4(MacAlgorithm::Md5), 16, 16, 0),
        ] {
            let suite = OlderParameters {
                version: ProtocolVersion::TLS_1_2,
                hash: HashAlgorithm::Sha256.into(),
                cipher,
            };
            let mut length = 0;
            let mut block = KeyBlock::new(suite, |out| {
                length = out.len();
                (1..).zip(out).for_each(|(value, byte)| *byte = value);
            })
            .unwrap();
            assert_eq!(length, 2 * (mac_len + key_len + iv_len));
            let bytes: Vec<u8> = (1..=length as u8).collect();
            let (mac_keys, rest) = bytes.split_at(2 * mac_len);
            let (keys, ivs) = rest.split_at(2 * key_len);
            let zeros = vec![0; 12_usize.saturating_sub(iv_len)];
            for (direction, mac_key, key, iv) in [
                (
                    &block.client,
                    &mac_keys[..mac_len],
                    &keys[..key_len],
                    &ivs[..iv_len],
                ),
                (
                    &block.server,
                    &mac_keys[mac_len..],
                    &keys[key_len..],
                    &ivs[iv_len..],
                ),
            ] {
                assert_eq!(direction.mac_key.as_slice(), mac_key);
                assert_eq!(direction.key.as_slice(), key);
                assert_eq!(direction.iv.as_slice(), [iv, &zeros].concat());
            }
            let taken = block.client.take();
            assert_eq!(taken.mac_key.as_slice(), &mac_keys[..mac_len]);
            assert_eq!(taken.key.as_slice(), &keys[..key_len]);
            assert!(taken.are_there() && !block.client.are_there());
            assert!(block.client.mac_key.as_slice().is_empty());
            match cipher {
                OlderCipher::Aead(aead) => {
                    assert!(taken.aead_key(aead).is_ok());
                    assert!(block.client.aead_key(aead).is_err());
                }
                OlderCipher::Cbc(CbcParameters { cipher, .. }) => {
                    assert!(taken.encrypting_key(cipher).is_ok());
                    assert!(taken.decrypting_key(cipher).is_ok());
                    assert!(block.client.encrypting_key(cipher).is_err());
                }
                OlderCipher::Stream(StreamParameters { cipher, .. }) => {
                    assert!(taken.stream_key(cipher).is_ok());
                    assert!(block.client.stream_key(cipher).is_err());
                }
            }
            assert_eq!(
                format!("{block:?} {taken:?}"),
                "KeyBlock(..) DirectionKeys(..)"
            );
        }
    }
}
