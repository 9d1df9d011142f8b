//! What all handshake messages have in common: a type, a length and a codec.
//!
//! RFC 8446 §4.

use super::codec::{Cursor, DecodeError, put_vec24};
use super::handshake_type::HandshakeType;
use crate::dialect::Dialect;

/// Over which transport a message came: a ClientHello has a field more over datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// RFC 8446.
    Tls,
    /// RFC 9147.
    Dtls,
}

impl Syntax {
    pub(crate) const fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Tls => Self::Tls,
            Dialect::Dtls => Self::Dtls,
        }
    }
}

/// A handshake message: a borrowed view of its body, and back.
pub trait HandshakeMessage<'a>: Sized {
    /// The type in the header.
    const TYPE: HandshakeType;

    /// Reads the body, without the header, to its end. Checks the whole syntax and nothing
    /// else.
    ///
    /// # Errors
    /// When `body` does not have the syntax of the message, or bytes are left over.
    fn decode(body: &'a [u8]) -> Result<Self, DecodeError>;

    /// The same of a message that came over either transport.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn decode_as(_: Syntax, body: &'a [u8]) -> Result<Self, DecodeError> {
        Self::decode(body)
    }

    /// Writes the body, without the header.
    fn encode_body(&self, out: &mut Vec<u8>);

    /// Writes the message: header and body.
    fn encode(&self, out: &mut Vec<u8>) {
        put_message(out, Self::TYPE, |out| self.encode_body(out));
    }
}

/// Writes a message of type `msg_type` with what `body` writes as its body.
pub fn put_message(out: &mut Vec<u8>, msg_type: HandshakeType, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(msg_type.0);
    put_vec24(out, body);
}

/// Defines a message without a body.
macro_rules! empty_message {
    ($(#[$meta:meta])* $name:ident = $msg_type:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;

        impl $name {
            /// Writes the message.
            pub fn put(out: &mut Vec<u8>) {
                $crate::wire::handshake::HandshakeMessage::encode(&Self, out);
            }
        }

        impl $crate::wire::handshake::HandshakeMessage<'_> for $name {
            const TYPE: $crate::wire::handshake_type::HandshakeType =
                $crate::wire::handshake_type::HandshakeType::$msg_type;

            fn decode(body: &[u8]) -> Result<Self, $crate::wire::codec::DecodeError> {
                $crate::wire::codec::Cursor::new(body).end().map(|()| Self)
            }

            fn encode_body(&self, _: &mut Vec<u8>) {}
        }
    };
}

pub(super) use empty_message;

/// The four bytes before every handshake message (over TLS; DTLS adds eight).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeHeader {
    /// The type of the message.
    pub msg_type: HandshakeType,
    /// How many bytes of body follow; below 2^24.
    pub length: u32,
}

impl HandshakeHeader {
    /// The size of the header, in bytes.
    pub const SIZE: usize = 4;

    /// Reads a header from the front of `bytes`.
    ///
    /// # Errors
    /// When there are fewer than [`Self::SIZE`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(bytes);
        Ok(Self {
            msg_type: HandshakeType(cursor.u8()?),
            length: cursor.u24()?,
        })
    }

    /// Splits a whole message, header and body with nothing after it, into type and body.
    ///
    /// # Errors
    /// When the length in the header is not the length of what follows.
    pub fn split(message: &[u8]) -> Result<(HandshakeType, &[u8]), DecodeError> {
        let mut cursor = Cursor::new(message);
        let msg_type = HandshakeType(cursor.u8()?);
        let body = cursor.vec24()?;
        cursor.end()?;
        Ok((msg_type, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_body() {
        let mut out = Vec::new();
        put_message(&mut out, HandshakeType::FINISHED, |out| out.push(7));
        assert_eq!(out, [20, 0, 0, 1, 7]);
        let header = HandshakeHeader::decode(&out).unwrap();
        assert_eq!(
            (header.msg_type, header.length),
            (HandshakeType::FINISHED, 1)
        );
        assert_eq!(
            HandshakeHeader::split(&out),
            Ok((HandshakeType::FINISHED, &[7][..]))
        );
        out.push(8);
        assert_eq!(HandshakeHeader::split(&out), Err(DecodeError));
    }
}
