//! `signed_certificate_timestamp`: proofs that a certificate was logged.
//!
//! RFC 6962 §3.3, RFC 8446 §4.4.2.1.

use super::Extension;
use crate::wire::codec::{Cursor, DecodeError};
use crate::wire::extension_type::ExtensionType;

/// A request for timestamps (empty) or a `SignedCertificateTimestampList`; not parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedCertificateTimestamp<'a>(pub &'a [u8]);

impl SignedCertificateTimestamp<'_> {
    /// Writes the extension; `list` is empty or a serialized `SignedCertificateTimestampList`.
    pub fn put(out: &mut Vec<u8>, list: &[u8]) {
        SignedCertificateTimestamp(list).encode(out);
    }
}

impl<'a> Extension<'a> for SignedCertificateTimestamp<'a> {
    const TYPE: ExtensionType = ExtensionType::SIGNED_CERTIFICATE_TIMESTAMP;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self(body))
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }
}

/// A `SignedCertificateTimestampList`: at least one, none of them empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SctList<'a>(pub &'a [u8]);

impl<'a> Extension<'a> for SctList<'a> {
    const TYPE: ExtensionType = ExtensionType::SIGNED_CERTIFICATE_TIMESTAMP;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut list = Cursor::whole(body, |cursor| Ok(Cursor::new(cursor.vec16()?)))?;
        if list.is_empty() {
            return Err(DecodeError);
        }
        while !list.is_empty() {
            if list.vec16()?.is_empty() {
                return Err(DecodeError);
            }
        }
        Ok(Self(body))
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }
}
