//! What stands for ring's AES-GCM without the feature `ring-aead`: nothing has this type, so what is made for
//! it is not compiled.

use super::CryptoFailure;
use super::aead::{AeadAlgorithm, AeadError, IV_LEN};

type Nonce = [u8; IV_LEN as usize];

pub(super) const fn is_faster() -> bool {
    false
}

pub(super) enum RingKey {}

impl RingKey {
    pub(super) fn new(_: AeadAlgorithm, _: &[u8]) -> Option<Result<Self, CryptoFailure>> {
        None
    }

    pub(super) fn seal_scatter(
        &self,
        _: Nonce,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &mut [u8],
    ) -> Result<(), AeadError> {
        match *self {}
    }

    pub(super) fn seal_in_place(&self, _: Nonce, _: &[u8], _: &mut [u8]) -> Result<(), AeadError> {
        match *self {}
    }

    pub(super) fn open_in_place<'a>(
        &self,
        _: Nonce,
        _: &[u8],
        _: &'a mut [u8],
    ) -> Result<&'a mut [u8], AeadError> {
        match *self {}
    }

    pub(super) fn open_into(
        &self,
        _: Nonce,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &mut [u8],
    ) -> Result<(), AeadError> {
        match *self {}
    }
}
