//! `max_fragment_length`: smaller records, in four sizes.
//!
//! RFC 6066 §4.

use super::Extension;
use crate::code_point::code_points;
use crate::wire::codec::{Cursor, DecodeError};
use crate::wire::extension_type::ExtensionType;

code_points! {
    /// The client's request, or the server's echo of it.
    pub struct MaxFragmentLength(u8) {
        /// 512 bytes.
        TWO_TO_9 = 1, "2^9";
        /// 1,024 bytes.
        TWO_TO_10 = 2, "2^10";
        /// 2,048 bytes.
        TWO_TO_11 = 3, "2^11";
        /// 4,096 bytes.
        TWO_TO_12 = 4, "2^12";
    }
}

impl MaxFragmentLength {
    /// The most content in a record, in bytes; `None` for a value that means nothing.
    pub const fn bytes(self) -> Option<usize> {
        match self.0 {
            1 => Some(512),
            2 => Some(1024),
            3 => Some(2048),
            4 => Some(4096),
            _ => None,
        }
    }

    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, length: Self) {
        length.encode(out);
    }
}

impl Extension<'_> for MaxFragmentLength {
    const TYPE: ExtensionType = ExtensionType::MAX_FRAGMENT_LENGTH;

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, Cursor::u8).map(Self)
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }
}
