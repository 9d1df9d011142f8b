//! AES in CBC mode, without padding: the block cipher of records before TLS 1.3.
//!
//! RFC 5246 §6.2.3.2, RFC 3268. What is encrypted so is neither authentic nor of a length that is
//! known to be right: that is what [`record_mac`](super::record_mac) and the records see to.

use aws_lc_rs::cipher::{
    AES_128, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;

use super::CryptoFailure;
use super::random::Random;

/// Bytes of a block, and of an IV.
pub(crate) const BLOCK: usize = 16;

/// The block ciphers of the suites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CbcAlgorithm {
    Aes128,
    Aes256,
}

impl CbcAlgorithm {
    /// The length of the key, in bytes.
    pub(crate) const fn key_len(self) -> u8 {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }

    fn key(self, key: &[u8]) -> Result<UnboundCipherKey, CryptoFailure> {
        let algorithm = match self {
            Self::Aes128 => &AES_128,
            Self::Aes256 => &AES_256,
        };
        UnboundCipherKey::new(algorithm, key).map_err(|_| CryptoFailure::RecordKeys)
    }
}

/// A key, for the one direction it is first used in.
pub(crate) enum CbcKey {
    Encrypting(EncryptingKey),
    Decrypting(DecryptingKey),
}

/// The lengths do not fit together, or the key is for the other direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CbcError;

impl CbcKey {
    /// # Errors
    /// When `key` does not have the algorithm's length.
    pub(crate) fn encrypting(algorithm: CbcAlgorithm, key: &[u8]) -> Result<Self, CryptoFailure> {
        let key = EncryptingKey::cbc(algorithm.key(key)?);
        key.map(Self::Encrypting)
            .map_err(|_| CryptoFailure::RecordKeys)
    }

    /// # Errors
    /// As [`Self::encrypting`].
    pub(crate) fn decrypting(algorithm: CbcAlgorithm, key: &[u8]) -> Result<Self, CryptoFailure> {
        let key = DecryptingKey::cbc(algorithm.key(key)?);
        key.map(Self::Decrypting)
            .map_err(|_| CryptoFailure::RecordKeys)
    }

    /// Encrypts whole blocks where they stand.
    ///
    /// # Errors
    /// When they are not whole, or the key is for decrypting.
    pub(crate) fn encrypt(&self, iv: &[u8; BLOCK], blocks: &mut [u8]) -> Result<(), CbcError> {
        let Self::Encrypting(key) = self else {
            return Err(CbcError);
        };
        let iv = EncryptionContext::Iv128(FixedLength::from(*iv));
        let encrypted = key.less_safe_encrypt(blocks, iv);
        encrypted.map(|_| ()).map_err(|_| CbcError)
    }

    /// Decrypts whole blocks where they stand.
    ///
    /// # Errors
    /// When they are not whole, or the key is for encrypting.
    pub(crate) fn decrypt(&self, iv: &[u8; BLOCK], blocks: &mut [u8]) -> Result<(), CbcError> {
        let Self::Decrypting(key) = self else {
            return Err(CbcError);
        };
        let iv = DecryptionContext::Iv128(FixedLength::from(*iv));
        let decrypted = key.decrypt(blocks, iv);
        decrypted.map(|_| ()).map_err(|_| CbcError)
    }
}

/// Makes the IV of a record: nobody may know it before the content is fixed (RFC 5246 §6.2.3.2).
///
/// # Errors
/// When there are no random bytes.
pub(crate) fn put_iv(iv: &mut [u8]) -> Result<(), CryptoFailure> {
    Ok(Random::system().fill(iv)?)
}

impl core::fmt::Debug for CbcKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CbcKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    /// NIST SP 800-38A, F.2.1 and F.2.5.
    #[test]
    fn known_answers() {
        let plaintext = hex(
            "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
             30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710",
        );
        let iv: [u8; BLOCK] = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
        for (algorithm, key, ciphertext) in [
            (
                CbcAlgorithm::Aes128,
                "2b7e151628aed2a6abf7158809cf4f3c",
                "7649abac8119b246cee98e9b12e9197d 5086cb9b507219ee95db113a917678b2
                 73bed6b8e3c1743b7116e69e22229516 3ff1caa1681fac09120eca307586e1a7",
            ),
            (
                CbcAlgorithm::Aes256,
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                "f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d
                 39f23369a9d9bacfa530e26304231461 b2eb05e2c39be9fcda6c19078c6a9d1b",
            ),
        ] {
            let (key, ciphertext) = (hex(key), hex(ciphertext));
            assert_eq!(key.len(), algorithm.key_len().into());
            let encrypting = CbcKey::encrypting(algorithm, &key).unwrap();
            let decrypting = CbcKey::decrypting(algorithm, &key).unwrap();
            let mut blocks = plaintext.clone();
            encrypting.encrypt(&iv, &mut blocks).unwrap();
            assert_eq!(blocks, ciphertext);
            decrypting.decrypt(&iv, &mut blocks).unwrap();
            assert_eq!(blocks, plaintext);
            assert_eq!(encrypting.decrypt(&iv, &mut blocks), Err(CbcError));
            assert_eq!(decrypting.encrypt(&iv, &mut blocks), Err(CbcError));
            assert_eq!(blocks, plaintext);
            for length in (0..64).filter(|length| length % BLOCK != 0) {
                assert!(encrypting.encrypt(&iv, &mut blocks[..length]).is_err());
                assert!(decrypting.decrypt(&iv, &mut blocks[..length]).is_err());
            }
            assert!(CbcKey::encrypting(algorithm, &key[1..]).is_err());
            assert!(CbcKey::decrypting(algorithm, &key[1..]).is_err());
        }
    }
}
