//! `record_size_limit`: the largest record a side is willing to receive.
//!
//! RFC 8449 §4.

use super::Extension;
use crate::wire::codec::{Cursor, DecodeError, put_u16};
use crate::wire::extension_type::ExtensionType;

/// The most plaintext in a protected record, in bytes; in TLS 1.3 content type and padding
/// count. The bounds of §4 are not checked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordSizeLimit(pub u16);

impl RecordSizeLimit {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, bytes: u16) {
        Self(bytes).encode(out);
    }
}

impl Extension<'_> for RecordSizeLimit {
    const TYPE: ExtensionType = ExtensionType::RECORD_SIZE_LIMIT;

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, Cursor::u16).map(Self)
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_u16(out, self.0);
    }
}
