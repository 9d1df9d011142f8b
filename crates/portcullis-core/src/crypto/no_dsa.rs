//! What [`dsa`](super) has, in builds without the feature `ffi`: nothing, so that nobody has a condition on it.

use aws_lc_rs::error::Unspecified;

use super::signature::BadSignature;
use crate::SignatureScheme;

/// There is none.
pub(super) enum DsaKey {}

impl DsaKey {
    pub(super) fn from_pkcs8(_: &[u8]) -> Option<Self> {
        None
    }

    pub(super) fn sign(&self, _: SignatureScheme, _: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match *self {}
    }

    pub(super) fn is_key_of(&self, _: &[u8]) -> bool {
        match *self {}
    }
}

pub(super) fn verify(_: SignatureScheme, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), BadSignature> {
    Err(BadSignature)
}
