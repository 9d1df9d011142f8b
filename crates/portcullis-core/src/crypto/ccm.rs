//! AES-CCM, for devices that have AES and nothing else.
//!
//! RFC 6655, RFC 7251; RFC 8446 §B.4. With the feature `ffi`: the library has it, but not in its safe
//! interface.

use portcullis_ffi::{Ccm, TagLen};

use super::CryptoFailure;
use super::aead::{AeadError, IV_LEN};

type Nonce = [u8; IV_LEN as usize];

/// What is enciphered with, and how long the tag is. One byte, as the algorithms of the library are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CcmAlgorithm {
    Aes128,
    Aes256,
    Aes128Short,
    Aes256Short,
}

impl CcmAlgorithm {
    pub(crate) const AES_128: Option<Self> = Some(Self::Aes128);
    pub(crate) const AES_256: Option<Self> = Some(Self::Aes256);
    /// CCM_8: its tags have 8 bytes.
    pub(crate) const AES_128_8: Option<Self> = Some(Self::Aes128Short);
    pub(crate) const AES_256_8: Option<Self> = Some(Self::Aes256Short);

    /// The length of the key, in bytes.
    pub(crate) const fn key_len(self) -> u8 {
        match self {
            Self::Aes128 | Self::Aes128Short => 16,
            Self::Aes256 | Self::Aes256Short => 32,
        }
    }

    /// The length of the tag, in bytes.
    pub(crate) const fn tag_len(self) -> usize {
        self.tag().bytes()
    }

    const fn tag(self) -> TagLen {
        match self {
            Self::Aes128 | Self::Aes256 => TagLen::Sixteen,
            Self::Aes128Short | Self::Aes256Short => TagLen::Eight,
        }
    }

    /// How many records one key may protect: 2^23 of full size (RFC 9147 §B.1, which has the calculation
    /// that RFC 8446 §5.5 lacks). A bound on forgeries is not needed over TCP: the first one ends
    /// the connection.
    pub(crate) const fn record_limit(self) -> u64 {
        1 << 23
    }
}

/// A key that is set up.
pub(super) struct CcmKey(Ccm);

impl CcmKey {
    pub(super) fn new(algorithm: CcmAlgorithm, key: &[u8]) -> Result<Self, CryptoFailure> {
        if key.len() != algorithm.key_len().into() {
            return Err(CryptoFailure::RecordKeys);
        }
        let ccm = Ccm::new(key, algorithm.tag()).map_err(|_| CryptoFailure::RecordKeys)?;
        Ok(Self(ccm))
    }

    /// As [`AeadKey::seal_scatter`](super::aead::AeadKey::seal_scatter). The MAC is over one piece, so
    /// the plaintext is moved to where it is sealed.
    pub(super) fn seal_scatter(
        &mut self,
        nonce: &Nonce,
        aad: &[u8],
        plaintext: &[u8],
        behind: &[u8],
        out: &mut [u8],
    ) -> Result<(), AeadError> {
        let split = out.split_at_mut_checked(plaintext.len());
        let (front, rest) = split.ok_or(AeadError)?;
        let split = rest.split_at_mut_checked(behind.len());
        let (end, tag) = split.ok_or(AeadError)?;
        // Before anything is put there that nobody would then seal.
        if tag.len() != self.0.tag_len().bytes() {
            return Err(AeadError);
        }
        front.copy_from_slice(plaintext);
        end.copy_from_slice(behind);
        self.seal_in_place(nonce, aad, out)
    }

    /// As [`AeadKey::seal_in_place`](super::aead::AeadKey::seal_in_place).
    pub(super) fn seal_in_place(
        &mut self,
        nonce: &Nonce,
        aad: &[u8],
        plaintext_and_tag: &mut [u8],
    ) -> Result<(), AeadError> {
        let (plaintext, tag) = self.split(plaintext_and_tag)?;
        let sealed = self.0.seal(nonce, aad, plaintext, tag);
        sealed.map_err(|_| AeadError)
    }

    /// As [`AeadKey::open_in_place`](super::aead::AeadKey::open_in_place).
    pub(super) fn open_in_place<'a>(
        &mut self,
        nonce: &Nonce,
        aad: &[u8],
        ciphertext_and_tag: &'a mut [u8],
    ) -> Result<&'a mut [u8], AeadError> {
        let (text, tag) = self.split(ciphertext_and_tag)?;
        let opened = self.0.open(nonce, aad, text, tag);
        opened.map_err(|_| AeadError)?;
        Ok(text)
    }

    /// As [`AeadKey::open_into`](super::aead::AeadKey::open_into).
    pub(super) fn open_into(
        &mut self,
        nonce: &Nonce,
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        out: &mut [u8],
    ) -> Result<(), AeadError> {
        let opened = self.0.open_into(nonce, aad, ciphertext, tag, out);
        opened.map_err(|_| AeadError)
    }

    /// What stands before the tag, and the tag.
    fn split<'a>(&self, text: &'a mut [u8]) -> Result<(&'a mut [u8], &'a mut [u8]), AeadError> {
        let before = text.len().checked_sub(self.0.tag_len().bytes());
        let split = text.split_at_mut_checked(before.ok_or(AeadError)?);
        split.ok_or(AeadError)
    }
}

#[cfg(test)]
mod tests {
    use super::super::aead::{AeadAlgorithm, AeadKey};
    use super::super::hex;
    use super::*;

    /// SP 800-38C, Example 3, whose nonce has 12 bytes and whose tag has 8.
    #[test]
    fn nist_example_3() {
        let key = hex("404142434445464748494a4b4c4d4e4f");
        let iv = hex("101112131415161718191a1b").try_into().unwrap();
        let data = hex("000102030405060708090a0b0c0d0e0f10111213");
        let plaintext = hex("202122232425262728292a2b2c2d2e2f3031323334353637");
        let expected = hex("
            e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5 484392fbc1b09951");
        let algorithm = AeadAlgorithm::Ccm(CcmAlgorithm::AES_128_8.unwrap());
        let mut key = AeadKey::new(algorithm, &key, &iv).unwrap();
        let mut out = vec![0; expected.len()];
        let (front, behind) = plaintext.split_at(20);
        key.seal_scatter(0, &data, front, behind, &mut out).unwrap();
        assert_eq!(out, expected);
        assert_eq!(key.open_in_place(0, &data, &mut out).unwrap(), plaintext);
    }

    /// Records of 2^14 bytes have 2^10 blocks, each of which CCM enciphers twice. With 2^23 of them
    /// (2 · 2^10 · 2^23)^2 / 2^129 is at most the 2^-60 that RFC 8446 §5.5 has for GCM.
    #[test]
    fn the_limit_leaves_the_margin_of_gcm() {
        let limit = CcmAlgorithm::AES_256.unwrap().record_limit();
        let blocks = (2 * (1_u128 << 10) * u128::from(limit)).ilog2();
        assert!(2 * blocks <= 129 - 60 + 1, "2^{blocks}");
    }
}
