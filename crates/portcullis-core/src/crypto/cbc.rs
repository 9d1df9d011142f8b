//! Block ciphers in CBC mode, without padding: AES, and with the feature `legacy-ciphers` 3DES and DES.
//!
//! RFC 5246 §6.2.3.2, RFC 3268. What is encrypted so is neither authentic nor of a length that is
//! known to be right: that is what [`record_mac`](super::record_mac) and the records see to.

use aws_lc_rs::cipher::{
    AES_128, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;

use super::CryptoFailure;
use super::legacy::{self, DesAlgorithm};
use super::random::Random;

/// Bytes of the largest block, and of its IV.
pub(crate) const MAX_BLOCK: usize = 16;

/// The block ciphers of the suites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CbcAlgorithm {
    Aes128,
    Aes256,
    Des(DesAlgorithm),
}

impl CbcAlgorithm {
    /// The length of the key, in bytes.
    pub(crate) const fn key_len(self) -> u8 {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
            Self::Des(des) => des.key_len(),
        }
    }

    /// Bytes of a block, and of an IV.
    pub(crate) const fn block_len(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes256 => MAX_BLOCK,
            Self::Des(_) => DesAlgorithm::BLOCK,
        }
    }

    /// How many records, and how many bytes in them, one key may protect where it cannot be replaced.
    pub(crate) const fn limits_for_good(self) -> (u64, u64) {
        match self {
            // Blocks of 128 bits repeat after 2^64 of them: the sequence number wraps first.
            Self::Aes128 | Self::Aes256 => (u64::MAX, u64::MAX),
            Self::Des(des) => des.limits_for_good(),
        }
    }

    fn key(self, key: &[u8]) -> Result<UnboundCipherKey, CryptoFailure> {
        let algorithm = match self {
            Self::Aes128 => &AES_128,
            Self::Aes256 => &AES_256,
            Self::Des(des) => return des.key(key),
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
    /// When they or the IV are not whole, or the key is for decrypting.
    pub(crate) fn encrypt(&self, iv: &[u8], blocks: &mut [u8]) -> Result<(), CbcError> {
        let Self::Encrypting(key) = self else {
            return Err(CbcError);
        };
        let iv = match <[u8; MAX_BLOCK]>::try_from(iv) {
            Ok(iv) => EncryptionContext::Iv128(FixedLength::from(iv)),
            Err(_) => legacy::encryption(iv).ok_or(CbcError)?,
        };
        let encrypted = key.less_safe_encrypt(blocks, iv);
        encrypted.map(|_| ()).map_err(|_| CbcError)
    }

    /// Decrypts whole blocks where they stand.
    ///
    /// # Errors
    /// When they or the IV are not whole, or the key is for encrypting.
    pub(crate) fn decrypt(&self, iv: &[u8], blocks: &mut [u8]) -> Result<(), CbcError> {
        let Self::Decrypting(key) = self else {
            return Err(CbcError);
        };
        let iv = match <[u8; MAX_BLOCK]>::try_from(iv) {
            Ok(iv) => DecryptionContext::Iv128(FixedLength::from(iv)),
            Err(_) => legacy::decryption(iv).ok_or(CbcError)?,
        };
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
        let iv = hex("000102030405060708090a0b0c0d0e0f");
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
            for length in (0..64).filter(|length| length % MAX_BLOCK != 0) {
                assert!(encrypting.encrypt(&iv, &mut blocks[..length]).is_err());
                assert!(decrypting.decrypt(&iv, &mut blocks[..length]).is_err());
            }
            assert!(CbcKey::encrypting(algorithm, &key[1..]).is_err());
            assert!(CbcKey::decrypting(algorithm, &key[1..]).is_err());
        }
    }

    /// Of 3DES what `openssl enc -des-ede3-cbc -nopad` makes of the same.
    #[cfg(feature = "legacy-ciphers")]
    #[test]
    fn known_answers_of_des() {
        let plaintext = hex("4e6f77206973207468652074696d6520 666f7220616c6c20");
        let iv = hex("1234567890abcdef");
        for (des, key, ciphertext) in [
            // FIPS 81, appendix C: the example of CBC.
            (
                DesAlgorithm::Single,
                "0123456789abcdef",
                "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6",
            ),
            (
                DesAlgorithm::Triple,
                "0123456789abcdef23456789abcdef01456789abcdef0123",
                "f3c0ff026c023089656fbb169def7edb30ba36075d6f0176",
            ),
        ] {
            let algorithm = CbcAlgorithm::Des(des);
            let (key, ciphertext) = (hex(key), hex(ciphertext));
            assert_eq!(key.len(), algorithm.key_len().into());
            let encrypting = CbcKey::encrypting(algorithm, &key).unwrap();
            let decrypting = CbcKey::decrypting(algorithm, &key).unwrap();
            let mut blocks = plaintext.clone();
            encrypting.encrypt(&iv, &mut blocks).unwrap();
            assert_eq!(blocks, ciphertext);
            decrypting.decrypt(&iv, &mut blocks).unwrap();
            assert_eq!(blocks, plaintext);
            for wrong in [&iv[1..], &[0; MAX_BLOCK]] {
                assert_eq!(encrypting.encrypt(wrong, &mut blocks), Err(CbcError));
                assert_eq!(decrypting.decrypt(wrong, &mut blocks), Err(CbcError));
            }
            assert!(encrypting.encrypt(&iv, &mut blocks[..12]).is_err());
            assert!(CbcKey::encrypting(algorithm, &key[1..]).is_err());
            // A weak key: every round has the same.
            assert!(CbcKey::encrypting(algorithm, &vec![1; key.len()]).is_err());
        }
    }
}
