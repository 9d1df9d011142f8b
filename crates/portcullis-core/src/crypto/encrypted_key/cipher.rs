//! The ciphers of encrypted keys, all with CBC and the padding of RFC 8018 §6.1.1.

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::{Fault, Found};

/// A block cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    #[cfg(feature = "legacy-keys")]
    Des,
    /// The third key is the first.
    #[cfg(feature = "legacy-keys")]
    TwoKeyTripleDes,
    #[cfg(feature = "legacy-keys")]
    TripleDes,
    /// With so many bytes of key, and so many bits of it that count (RFC 2268 §2).
    #[cfg(feature = "legacy-keys")]
    Rc2 {
        key: usize,
        bits: usize,
    },
}

impl Cipher {
    pub(super) const fn key_length(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
            #[cfg(feature = "legacy-keys")]
            Self::Des => 8,
            #[cfg(feature = "legacy-keys")]
            Self::TwoKeyTripleDes => 16,
            #[cfg(feature = "legacy-keys")]
            Self::TripleDes => 24,
            #[cfg(feature = "legacy-keys")]
            Self::Rc2 { key, .. } => key,
        }
    }

    pub(super) const fn block_length(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            #[cfg(feature = "legacy-keys")]
            _ => 8,
        }
    }

    #[cfg_attr(
        feature = "legacy-keys",
        allow(deprecated, reason = "keys that are there already")
    )]
    const fn algorithm(self) -> Option<&'static Algorithm> {
        match self {
            Self::Aes128 => Some(&AES_128),
            Self::Aes192 => Some(&AES_192),
            Self::Aes256 => Some(&AES_256),
            #[cfg(feature = "legacy-keys")]
            Self::Des => Some(&aws_lc_rs::cipher::DES_FOR_LEGACY_USE_ONLY),
            #[cfg(feature = "legacy-keys")]
            Self::TwoKeyTripleDes => Some(&aws_lc_rs::cipher::DES_EDE_FOR_LEGACY_USE_ONLY),
            #[cfg(feature = "legacy-keys")]
            Self::TripleDes => Some(&aws_lc_rs::cipher::DES_EDE3_FOR_LEGACY_USE_ONLY),
            #[cfg(feature = "legacy-keys")]
            Self::Rc2 { .. } => None,
        }
    }

    /// Decrypts and takes the padding away.
    pub(super) fn decrypt(self, key: &[u8], iv: &[u8], data: &[u8]) -> Found<Zeroizing<Vec<u8>>> {
        if data.is_empty() || !data.len().is_multiple_of(self.block_length()) {
            return Err(Fault::Damaged(
                "its encrypted part is not made of whole blocks",
            ));
        }
        if iv.len() != self.block_length() {
            return Err(Fault::Damaged(
                "its initialization vector has a wrong length",
            ));
        }
        let mut plain = Zeroizing::new(data.to_vec());
        let length = match self.algorithm() {
            Some(algorithm) => decrypt(algorithm, key, iv, &mut plain)?,
            #[cfg(feature = "legacy-keys")]
            None => super::legacy::decrypt_rc2(self, key, iv, &mut plain)?,
            #[cfg(not(feature = "legacy-keys"))]
            None => return Err(Fault::Unsupported("an unknown cipher")),
        };
        plain.truncate(length);
        Ok(plain)
    }
}

/// Decrypts in place; gives how much is not padding.
fn decrypt(algorithm: &'static Algorithm, key: &[u8], iv: &[u8], data: &mut [u8]) -> Found<usize> {
    // The library refuses keys that are weak, which a password almost never gives: then it is the wrong one.
    let key = UnboundCipherKey::new(algorithm, key).map_err(|_| Fault::Password)?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| Fault::Password)?;
    let iv = context(iv).ok_or(Fault::Damaged(
        "its initialization vector has a wrong length",
    ))?;
    let plain = key.decrypt(data, iv).map_err(|_| Fault::Password)?;
    Ok(plain.len())
}

fn context(iv: &[u8]) -> Option<DecryptionContext> {
    if let Ok(iv) = <[u8; 16]>::try_from(iv) {
        return Some(DecryptionContext::Iv128(FixedLength::from(iv)));
    }
    #[cfg(feature = "legacy-keys")]
    if let Ok(iv) = <[u8; 8]>::try_from(iv) {
        return Some(DecryptionContext::Iv64(FixedLength::from(iv)));
    }
    None
}
