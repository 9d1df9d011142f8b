//! `srp`: as whom the client logs in.
//!
//! RFC 5054 §2.8.1.

use super::Extension;
use crate::wire::codec::{Cursor, DecodeError, put_vec8};
use crate::wire::extension_type::ExtensionType;

/// `srp_I`, the user's name: 1 to 255 bytes, which nobody has checked. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SrpUser<'a>(pub &'a [u8]);

impl core::fmt::Debug for SrpUser<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SrpUser({} bytes)", self.0.len())
    }
}

impl SrpUser<'_> {
    /// Writes the extension. The name must have 1 to 255 bytes.
    pub fn put(out: &mut Vec<u8>, user: &[u8]) {
        SrpUser(user).encode(out);
    }
}

impl<'a> Extension<'a> for SrpUser<'a> {
    const TYPE: ExtensionType = ExtensionType::SRP;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| match cursor.vec8()? {
            [] => Err(DecodeError),
            user => Ok(Self(user)),
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| out.extend_from_slice(self.0));
    }
}
