//! `early_data`: data before the handshake is over.
//!
//! RFC 8446 §4.2.10.

use super::{Extension, empty_extension};
use crate::wire::codec::{Cursor, DecodeError};
use crate::wire::extension_type::ExtensionType;

empty_extension! {
    /// In ClientHello: early data follows. In EncryptedExtensions: it is accepted.
    EarlyData = EARLY_DATA
}

/// In NewSessionTicket: `max_early_data_size`, in bytes of application data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxEarlyDataSize(pub u32);

impl MaxEarlyDataSize {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, bytes: u32) {
        Self(bytes).encode(out);
    }
}

impl Extension<'_> for MaxEarlyDataSize {
    const TYPE: ExtensionType = ExtensionType::EARLY_DATA;

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, Cursor::u32).map(Self)
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}
