//! EncryptedExtensions: answers that need not be read by everyone.
//!
//! RFC 8446 §4.3.1.

use super::codec::{Cursor, DecodeError, put_vec16};
use super::extension::Extensions;
use super::handshake::{HandshakeMessage, put_message};
use super::handshake_type::HandshakeType;

/// The first protected message of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncryptedExtensions<'a> {
    /// Never absent, often empty.
    pub extensions: Extensions<'a>,
}

impl EncryptedExtensions<'_> {
    /// Writes the message; `extensions` writes the extensions.
    pub fn put(out: &mut Vec<u8>, extensions: impl FnOnce(&mut Vec<u8>)) {
        put_message(out, Self::TYPE, |out| put_vec16(out, extensions));
    }
}

impl<'a> HandshakeMessage<'a> for EncryptedExtensions<'a> {
    const TYPE: HandshakeType = HandshakeType::ENCRYPTED_EXTENSIONS;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let extensions = Cursor::whole(body, Extensions::read)?;
        Ok(Self { extensions })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        self.extensions.put(out);
    }
}
