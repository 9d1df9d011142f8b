//! `ticket_request`: how many tickets a client can use.
//!
//! RFC 9149 §3.

use super::Extension;
use crate::wire::codec::{Cursor, DecodeError};
use crate::wire::extension_type::ExtensionType;

/// In ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketRequest {
    /// How many after a full handshake.
    pub new_session_count: u8,
    /// How many when a session is resumed.
    pub resumption_count: u8,
}

impl TicketRequest {
    /// Writes the extension.
    pub fn put(self, out: &mut Vec<u8>) {
        self.encode(out);
    }
}

impl Extension<'_> for TicketRequest {
    const TYPE: ExtensionType = ExtensionType::TICKET_REQUEST;

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                new_session_count: cursor.u8()?,
                resumption_count: cursor.u8()?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend([self.new_session_count, self.resumption_count]);
    }
}

/// In EncryptedExtensions: how many the server will send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedTickets(pub u8);

impl ExpectedTickets {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, count: u8) {
        Self(count).encode(out);
    }
}

impl Extension<'_> for ExpectedTickets {
    const TYPE: ExtensionType = ExtensionType::TICKET_REQUEST;

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, Cursor::u8).map(Self)
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }
}
