//! NewSessionTicket: a key for the next connection.
//!
//! RFC 8446 §4.6.1. The form of TLS 1.2 and older is another.

use super::codec::{Cursor, DecodeError, put_vec8, put_vec16};
use super::extension::Extensions;
use super::handshake::{HandshakeMessage, put_message};
use super::handshake_type::HandshakeType;

/// A ticket and what the client needs to use it. `Debug` shows neither.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NewSessionTicket<'a> {
    /// In seconds; at most 604,800, which is not checked here.
    pub ticket_lifetime: u32,
    /// Hides the age of the ticket.
    pub ticket_age_add: u32,
    /// 0 to 255 bytes, unique among the tickets of a connection.
    pub ticket_nonce: &'a [u8],
    /// At least one byte.
    pub ticket: &'a [u8],
    /// `early_data` is the only one defined.
    pub extensions: Extensions<'a>,
}

impl core::fmt::Debug for NewSessionTicket<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NewSessionTicket")
            .field("ticket_lifetime", &self.ticket_lifetime)
            .field("length", &self.ticket.len())
            .field("extensions", &self.extensions)
            .finish_non_exhaustive()
    }
}

impl NewSessionTicket<'_> {
    /// Writes the message; `extensions` writes the extensions.
    ///
    /// The nonce must have at most 255 bytes, the ticket 1 to 65,535.
    pub fn put(
        out: &mut Vec<u8>,
        ticket_lifetime: u32,
        ticket_age_add: u32,
        ticket_nonce: &[u8],
        ticket: &[u8],
        extensions: impl FnOnce(&mut Vec<u8>),
    ) {
        put_message(out, Self::TYPE, |out| {
            let fields = NewSessionTicket {
                ticket_lifetime,
                ticket_age_add,
                ticket_nonce,
                ticket,
                extensions: Extensions::default(),
            };
            fields.put_fields(out);
            put_vec16(out, extensions);
        });
    }

    fn put_fields(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ticket_lifetime.to_be_bytes());
        out.extend_from_slice(&self.ticket_age_add.to_be_bytes());
        put_vec8(out, |out| out.extend_from_slice(self.ticket_nonce));
        put_vec16(out, |out| out.extend_from_slice(self.ticket));
    }
}

impl<'a> HandshakeMessage<'a> for NewSessionTicket<'a> {
    const TYPE: HandshakeType = HandshakeType::NEW_SESSION_TICKET;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let message = Cursor::whole(body, |cursor| {
            Ok(Self {
                ticket_lifetime: cursor.u32()?,
                ticket_age_add: cursor.u32()?,
                ticket_nonce: cursor.vec8()?,
                ticket: cursor.vec16()?,
                extensions: Extensions::read(cursor)?,
            })
        })?;
        if message.ticket.is_empty() {
            return Err(DecodeError);
        }
        Ok(message)
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        self.put_fields(out);
        self.extensions.put(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::extension::MaxEarlyDataSize;

    #[test]
    fn put_is_what_decode_reads() {
        let mut out = Vec::new();
        NewSessionTicket::put(&mut out, 7200, 0x0102_0304, &[0, 1], b"ticket", |out| {
            MaxEarlyDataSize::put(out, 16384);
        });
        let ticket = NewSessionTicket::decode(&out[4..]).unwrap();
        assert_eq!(
            (ticket.ticket_lifetime, ticket.ticket_age_add),
            (7200, 0x0102_0304)
        );
        assert_eq!(
            (ticket.ticket_nonce, ticket.ticket),
            (&[0, 1][..], &b"ticket"[..])
        );
        assert_eq!(ticket.extensions.find(), Some(Ok(MaxEarlyDataSize(16384))));
        let mut again = Vec::new();
        ticket.encode(&mut again);
        assert_eq!(again, out);
    }
}
