//! Says that old ways to encrypt a key need a feature.

use super::cipher::Cipher;
use super::{Fault, Found, Opener};
use crate::der::Reader;

const OLD: Fault = Fault::NeedsFeature(
    "PBES1, DES, 3DES or RC2, or in the format of `Proc-Type: 4,ENCRYPTED`",
    "legacy-keys",
);

pub(super) fn dek_info(_dek_info: &[u8], _password: &[u8]) -> Found<Opener> {
    Err(OLD)
}

pub(super) fn pbes1(_oid: &[u8], _parameters: &[u8], _password: Option<&[u8]>) -> Found<Opener> {
    Err(OLD)
}

pub(super) fn encryption_of<'a>(
    _oid: &[u8],
    _fields: &mut Reader<'a>,
    _key_length: Option<usize>,
) -> Found<(Cipher, &'a [u8])> {
    Err(OLD)
}
