//! KeyUpdate: the sender changes its traffic key.
//!
//! RFC 8446 §4.6.3.

use super::codec::{Cursor, DecodeError};
use super::handshake::HandshakeMessage;
use super::handshake_type::HandshakeType;
use crate::code_point::code_points;

code_points! {
    /// Whether the receiver is to do the same; other values are for the caller to refuse.
    pub struct KeyUpdateRequest(u8) {
        /// It need not.
        UPDATE_NOT_REQUESTED = 0, "update_not_requested";
        /// It must.
        UPDATE_REQUESTED = 1, "update_requested";
    }
}

/// The last message under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUpdate {
    /// `request_update`.
    pub request_update: KeyUpdateRequest,
}

impl KeyUpdate {
    /// Writes the message.
    pub fn put(out: &mut Vec<u8>, request_update: KeyUpdateRequest) {
        Self { request_update }.encode(out);
    }
}

impl HandshakeMessage<'_> for KeyUpdate {
    const TYPE: HandshakeType = HandshakeType::KEY_UPDATE;

    fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let request_update = KeyUpdateRequest(Cursor::whole(body, Cursor::u8)?);
        Ok(Self { request_update })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.push(self.request_update.0);
    }
}
