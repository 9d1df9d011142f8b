//! Certificate where raw public keys were negotiated: the key of the sender, and no list.
//!
//! RFC 7250 §3.

use crate::wire::codec::{Cursor, DecodeError, put_vec24};
use crate::wire::handshake::{HandshakeMessage, put_message};
use crate::wire::handshake_type::HandshakeType;

/// The public key of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawPublicKeyCertificate<'a> {
    /// The DER of a SubjectPublicKeyInfo; not parsed. Empty if the sender has none to show, which a
    /// server may not say; that is not checked here.
    pub spki: &'a [u8],
}

impl RawPublicKeyCertificate<'_> {
    /// Writes the message.
    pub fn put(out: &mut Vec<u8>, spki: &[u8]) {
        put_message(out, Self::TYPE, |out| {
            put_vec24(out, |out| out.extend_from_slice(spki));
        });
    }
}

impl<'a> HandshakeMessage<'a> for RawPublicKeyCertificate<'a> {
    const TYPE: HandshakeType = HandshakeType::CERTIFICATE;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let spki = Cursor::whole(body, Cursor::vec24)?;
        Ok(Self { spki })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec24(out, |out| out.extend_from_slice(self.spki));
    }
}
