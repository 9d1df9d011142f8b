//! ClientKeyExchange of ECDHE: the client's share.
//!
//! RFC 5246 §7.4.7, RFC 8422 §5.7.

use crate::wire::codec::{Cursor, DecodeError, put_vec8};
use crate::wire::handshake::HandshakeMessage;
use crate::wire::handshake_type::HandshakeType;

/// `ClientECDiffieHellmanPublic`, explicit: the implicit form went with static client keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientKeyExchange<'a> {
    /// At least one byte. Not checked to be a point.
    pub public: &'a [u8],
}

impl ClientKeyExchange<'_> {
    /// Writes the message.
    pub fn put(out: &mut Vec<u8>, public: &[u8]) {
        ClientKeyExchange { public }.encode(out);
    }
}

impl<'a> HandshakeMessage<'a> for ClientKeyExchange<'a> {
    const TYPE: HandshakeType = HandshakeType::CLIENT_KEY_EXCHANGE;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        match Cursor::whole(body, Cursor::vec8)? {
            [] => Err(DecodeError),
            public => Ok(Self { public }),
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| out.extend_from_slice(self.public));
    }
}
