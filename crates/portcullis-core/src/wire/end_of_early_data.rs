//! EndOfEarlyData: the client's 0-RTT data is complete.
//!
//! RFC 8446 §4.5.

use super::codec::{Cursor, DecodeError};
use super::handshake::HandshakeMessage;
use super::handshake_type::HandshakeType;

/// A message without a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndOfEarlyData;

impl EndOfEarlyData {
    /// Writes the message.
    pub fn put(out: &mut Vec<u8>) {
        Self.encode(out);
    }
}

impl HandshakeMessage<'_> for EndOfEarlyData {
    const TYPE: HandshakeType = HandshakeType::END_OF_EARLY_DATA;

    fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        Cursor::new(body).end().map(|()| Self)
    }

    fn encode_body(&self, _: &mut Vec<u8>) {}
}
