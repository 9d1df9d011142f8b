//! `cookie`: what a server without memory lets the client carry.
//!
//! RFC 8446 §4.2.2.

use super::Extension;
use crate::wire::codec::{Cursor, DecodeError, put_vec16};
use crate::wire::extension_type::ExtensionType;

/// In HelloRetryRequest, and echoed in the second ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie<'a> {
    /// At least one byte.
    pub cookie: &'a [u8],
}

impl Cookie<'_> {
    /// Bytes of the extension besides those of the cookie.
    pub(crate) const OVERHEAD: usize = 6;

    /// Writes the extension. The cookie must have 1 to 65,533 bytes.
    pub fn put(out: &mut Vec<u8>, cookie: &[u8]) {
        Cookie { cookie }.encode(out);
    }
}

impl<'a> Extension<'a> for Cookie<'a> {
    const TYPE: ExtensionType = ExtensionType::COOKIE;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        match Cursor::whole(body, Cursor::vec16)? {
            [] => Err(DecodeError),
            cookie => Ok(Self { cookie }),
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec16(out, |out| out.extend_from_slice(self.cookie));
    }
}
