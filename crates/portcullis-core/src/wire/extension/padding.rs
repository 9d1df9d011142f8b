//! `padding`: bytes that make a ClientHello longer.
//!
//! RFC 7685.

use super::{Extension, put_extension};
use crate::wire::codec::DecodeError;
use crate::wire::extension_type::ExtensionType;

/// In ClientHello. A server need not look at the bytes, and we do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding<'a>(pub &'a [u8]);

impl Padding<'_> {
    /// Writes the extension with `length` bytes of zero.
    pub fn put(out: &mut Vec<u8>, length: u16) {
        put_extension(out, ExtensionType::PADDING, |out| {
            out.resize(out.len() + usize::from(length), 0);
        });
    }
}

impl<'a> Extension<'a> for Padding<'a> {
    const TYPE: ExtensionType = ExtensionType::PADDING;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self(body))
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }
}
