//! What stands for AES-CCM without the feature `ffi`: nothing has these types, so what is made for them is not
//! compiled.

use super::CryptoFailure;
use super::aead::{AeadError, IV_LEN};

type Nonce = [u8; IV_LEN as usize];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CcmAlgorithm {}

impl CcmAlgorithm {
    pub(crate) const AES_128: Option<Self> = None;
    pub(crate) const AES_256: Option<Self> = None;
    pub(crate) const AES_128_8: Option<Self> = None;
    pub(crate) const AES_256_8: Option<Self> = None;

    pub(crate) const fn key_len(self) -> u8 {
        match self {}
    }

    pub(crate) const fn tag_len(self) -> usize {
        match self {}
    }

    pub(crate) const fn record_limit(self) -> u64 {
        match self {}
    }
}

pub(super) enum CcmKey {}

impl CcmKey {
    pub(super) fn new(algorithm: CcmAlgorithm, _: &[u8]) -> Result<Self, CryptoFailure> {
        match algorithm {}
    }

    pub(super) fn seal_scatter(
        &mut self,
        _: &Nonce,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &mut [u8],
    ) -> Result<(), AeadError> {
        match *self {}
    }

    pub(super) fn seal_in_place(
        &mut self,
        _: &Nonce,
        _: &[u8],
        _: &mut [u8],
    ) -> Result<(), AeadError> {
        match *self {}
    }

    pub(super) fn open_in_place<'a>(
        &mut self,
        _: &Nonce,
        _: &[u8],
        _: &'a mut [u8],
    ) -> Result<&'a mut [u8], AeadError> {
        match *self {}
    }

    pub(super) fn open_into(
        &mut self,
        _: &Nonce,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &mut [u8],
    ) -> Result<(), AeadError> {
        match *self {}
    }
}
