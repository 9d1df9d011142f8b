//! RFC 5280 §4.2.1.1, §4.2.1.2: by which name a key is called. It is a hint, and proves nothing.

use crate::der::{self, Reader};
use crate::x509::certificate::Certificate;

/// 2.5.29.14, 2.5.29.35
const SUBJECT_KEY_IDENTIFIER: &[u8] = b"\x55\x1d\x0e";
const AUTHORITY_KEY_IDENTIFIER: &[u8] = b"\x55\x1d\x23";

/// `[0]`, primitive.
const KEY_IDENTIFIER: u8 = 0x80;

/// §4.2.1.2.
pub(in crate::x509) fn subject_key_identifier<'a>(
    certificate: &Certificate<'a>,
) -> Option<&'a [u8]> {
    let value = certificate.extension(SUBJECT_KEY_IDENTIFIER).ok()??;
    der::only(value, der::OCTET_STRING)
}

/// §4.2.1.1: `keyIdentifier`, the first field, which may be missing.
pub(in crate::x509) fn authority_key_identifier<'a>(
    certificate: &Certificate<'a>,
) -> Option<&'a [u8]> {
    let value = certificate.extension(AUTHORITY_KEY_IDENTIFIER).ok()??;
    Reader::new(der::only(value, der::SEQUENCE)?).optional(KEY_IDENTIFIER)
}
