//! In the place of `legacy.rs` where the feature `legacy-ciphers` is not there: the same types, of which
//! there is no value. So records have no condition on the feature.

use aws_lc_rs::cipher::{DecryptionContext, EncryptionContext, UnboundCipherKey};

use super::CryptoFailure;

pub(crate) const HAS_LEGACY_CIPHERS: bool = false;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DesAlgorithm {}

impl DesAlgorithm {
    pub(crate) const TRIPLE: Option<Self> = None;
    pub(crate) const SINGLE: Option<Self> = None;

    /// Bytes of a block.
    pub(crate) const BLOCK: usize = 8;

    pub(crate) const fn key_len(self) -> u8 {
        match self {}
    }

    pub(crate) const fn limits_for_good(self) -> (u64, u64) {
        match self {}
    }

    pub(crate) const fn key(self, _: &[u8]) -> Result<UnboundCipherKey, CryptoFailure> {
        match self {}
    }
}

pub(crate) const fn encryption(_: &[u8]) -> Option<EncryptionContext> {
    None
}

pub(crate) const fn decryption(_: &[u8]) -> Option<DecryptionContext> {
    None
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StreamAlgorithm {}

impl StreamAlgorithm {
    pub(crate) const RC4_128: Option<Self> = None;

    pub(crate) const fn key_len(self) -> u8 {
        match self {}
    }
}

#[derive(Debug)]
pub(crate) enum StreamKey {}

impl StreamKey {
    pub(crate) const fn new(algorithm: StreamAlgorithm, _: &[u8]) -> Result<Self, CryptoFailure> {
        match algorithm {}
    }

    pub(crate) const fn apply(&mut self, _: &mut [u8]) {
        match *self {}
    }
}
