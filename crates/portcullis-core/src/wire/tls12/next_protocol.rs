//! NextProtocol: what the client has chosen, between its change_cipher_spec and its Finished.
//!
//! draft-agl-tls-nextprotoneg-04 §3.

use crate::wire::codec::{Cursor, DecodeError, put_vec8};
use crate::wire::handshake::HandshakeMessage;
use crate::wire::handshake_type::HandshakeType;

/// Of what a block of the message must be a multiple, so that its length says little of the name.
const BLOCK: usize = 32;

/// The server need not have named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextProtocol<'a> {
    /// 0 to 255 bytes.
    pub selected: &'a [u8],
    /// Whatever stands there.
    pub padding: &'a [u8],
}

impl NextProtocol<'_> {
    /// Writes the message, padded as the draft wants it. The name has at most 255 bytes.
    pub fn put(out: &mut Vec<u8>, selected: &[u8]) {
        const ZEROS: [u8; BLOCK] = [0; BLOCK];
        let padding = BLOCK - (selected.len() + 2) % BLOCK;
        let padding = ZEROS.get(..padding).unwrap_or(&ZEROS);
        NextProtocol { selected, padding }.encode(out);
    }
}

impl<'a> HandshakeMessage<'a> for NextProtocol<'a> {
    const TYPE: HandshakeType = HandshakeType::NEXT_PROTOCOL;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                selected: cursor.vec8()?,
                padding: cursor.vec8()?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| out.extend_from_slice(self.selected));
        put_vec8(out, |out| out.extend_from_slice(self.padding));
    }
}
