//! `application_layer_protocol_negotiation`: which protocol is spoken inside.
//!
//! RFC 7301 §3.1.

use super::{Extension, put_extension};
use crate::wire::codec::{Cursor, DecodeError, put_vec8, put_vec16};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{Element, List};

/// The name of a protocol, 1 to 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolName<'a>(pub &'a [u8]);

impl AsRef<[u8]> for ProtocolName<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl<'a> Element<'a> for ProtocolName<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        match cursor.vec8()? {
            [] => Err(DecodeError),
            name => Ok(Self(name)),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| out.extend_from_slice(self.0));
    }
}

/// The client's form: at least one protocol, preferred ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alpn<'a> {
    /// `protocol_name_list`.
    pub protocols: List<'a, ProtocolName<'a>>,
}

impl Alpn<'_> {
    /// Writes the extension. Each name must have 1 to 255 bytes.
    pub fn put(out: &mut Vec<u8>, protocols: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        put_extension(
            out,
            ExtensionType::APPLICATION_LAYER_PROTOCOL_NEGOTIATION,
            |out| {
                put_names(out, protocols);
            },
        );
    }
}

impl<'a> Extension<'a> for Alpn<'a> {
    const TYPE: ExtensionType = ExtensionType::APPLICATION_LAYER_PROTOCOL_NEGOTIATION;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let protocols = List::decode_non_empty(Cursor::whole(body, Cursor::vec16)?)?;
        Ok(Self { protocols })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_names(out, self.protocols);
    }
}

/// The server's form: the one protocol it chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlpnSelected<'a> {
    /// The only name in `protocol_name_list`.
    pub protocol: &'a [u8],
}

impl AlpnSelected<'_> {
    /// Writes the extension. The name must have 1 to 255 bytes.
    pub fn put(out: &mut Vec<u8>, protocol: &[u8]) {
        AlpnSelected { protocol }.encode(out);
    }
}

impl<'a> Extension<'a> for AlpnSelected<'a> {
    const TYPE: ExtensionType = ExtensionType::APPLICATION_LAYER_PROTOCOL_NEGOTIATION;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let list = Cursor::whole(body, Cursor::vec16)?;
        let ProtocolName(protocol) = Cursor::whole(list, ProtocolName::decode)?;
        Ok(Self { protocol })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_names(out, [self.protocol]);
    }
}

fn put_names(out: &mut Vec<u8>, protocols: impl IntoIterator<Item = impl AsRef<[u8]>>) {
    put_vec16(out, |out| {
        for protocol in protocols {
            ProtocolName(protocol.as_ref()).put(out);
        }
    });
}
