//! NewSessionTicket: the server's state, for the client to keep.
//!
//! RFC 5077 §3.3.

use crate::wire::codec::{Cursor, DecodeError, put_vec16};
use crate::wire::handshake::HandshakeMessage;
use crate::wire::handshake_type::HandshakeType;

/// A ticket for this connection's session. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NewSessionTicket<'a> {
    /// In seconds; 0 says nothing.
    pub ticket_lifetime_hint: u32,
    /// 0 to 65,535 bytes; empty from a server that has promised a ticket and has none to give.
    pub ticket: &'a [u8],
}

impl core::fmt::Debug for NewSessionTicket<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NewSessionTicket")
            .field("ticket_lifetime_hint", &self.ticket_lifetime_hint)
            .field("length", &self.ticket.len())
            .finish_non_exhaustive()
    }
}

impl NewSessionTicket<'_> {
    /// Writes the message.
    pub fn put(out: &mut Vec<u8>, ticket_lifetime_hint: u32, ticket: &[u8]) {
        NewSessionTicket {
            ticket_lifetime_hint,
            ticket,
        }
        .encode(out);
    }
}

impl<'a> HandshakeMessage<'a> for NewSessionTicket<'a> {
    const TYPE: HandshakeType = HandshakeType::NEW_SESSION_TICKET;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                ticket_lifetime_hint: cursor.u32()?,
                ticket: cursor.vec16()?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ticket_lifetime_hint.to_be_bytes());
        put_vec16(out, |out| out.extend_from_slice(self.ticket));
    }
}
