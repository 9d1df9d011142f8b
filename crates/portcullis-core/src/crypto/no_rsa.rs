//! What [`rsa`](super) has, in builds without the feature `ffi`: nothing, so that nobody has a condition on it.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::RsaKeyPair;
use zeroize::Zeroizing;

use super::signature::BadSignature;
use crate::SignatureScheme;

#[derive(Default)]
pub(super) struct LegacyKey(());

impl LegacyKey {
    pub(super) fn sign(
        &self,
        _: &RsaKeyPair,
        _: SignatureScheme,
        _: &[u8],
    ) -> Result<Vec<u8>, Unspecified> {
        Err(Unspecified)
    }

    pub(super) fn decrypt_raw(
        &self,
        _: &RsaKeyPair,
        _: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        Err(Unspecified)
    }
}

/// There is none.
pub(super) enum ShortKey {}

impl ShortKey {
    pub(super) fn from_pkcs1(_: &[u8]) -> Option<Self> {
        None
    }

    pub(super) fn public(&self) -> &[u8] {
        match *self {}
    }

    pub(super) fn sign(&self, _: SignatureScheme, _: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match *self {}
    }

    pub(super) fn decrypt_raw(&self, _: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        match *self {}
    }
}

pub(super) fn verify(
    _: SignatureScheme,
    _: &[u8],
    _: core::ops::RangeInclusive<usize>,
    _: &[u8],
    _: &[u8],
) -> Result<(), BadSignature> {
    Err(BadSignature)
}

pub(super) fn verify_short(
    _: SignatureScheme,
    _: &[u8],
    _: u32,
    _: &[u8],
    _: &[u8],
) -> Result<(), BadSignature> {
    Err(BadSignature)
}

pub(super) fn encrypt_short(_: &[u8], _: &[u8]) -> Result<Vec<u8>, Unspecified> {
    Err(Unspecified)
}
