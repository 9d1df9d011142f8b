//! `key_share`: the public values of the key exchange.
//!
//! RFC 8446 §4.2.8.

use core::borrow::Borrow;

use super::{Extension, put_extension};
use crate::named_group::NamedGroup;
use crate::wire::codec::{Cursor, DecodeError, put_u16, put_vec16};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{Element, List, put_list16};

/// One public value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyShareEntry<'a> {
    /// The group the value belongs to.
    pub group: NamedGroup,
    /// At least one byte; its form is that of the group (§4.2.8.1, §4.2.8.2).
    pub key_exchange: &'a [u8],
}

impl<'a> Element<'a> for KeyShareEntry<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let group = NamedGroup(cursor.u16()?);
        match cursor.vec16()? {
            [] => Err(DecodeError),
            key_exchange => Ok(Self {
                group,
                key_exchange,
            }),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_u16(out, self.group.0);
        put_vec16(out, |out| out.extend_from_slice(self.key_exchange));
    }
}

/// The client's form. It may be empty: the client then asks for a HelloRetryRequest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyShareClientHello<'a> {
    /// `client_shares`.
    pub client_shares: List<'a, KeyShareEntry<'a>>,
}

impl KeyShareClientHello<'_> {
    /// Writes the extension.
    pub fn put<'e>(
        out: &mut Vec<u8>,
        client_shares: impl IntoIterator<Item = impl Borrow<KeyShareEntry<'e>>>,
    ) {
        put_extension(out, ExtensionType::KEY_SHARE, |out| {
            put_list16::<KeyShareEntry<'e>>(out, client_shares);
        });
    }
}

impl<'a> Extension<'a> for KeyShareClientHello<'a> {
    const TYPE: ExtensionType = ExtensionType::KEY_SHARE;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let client_shares = List::decode(Cursor::whole(body, Cursor::vec16)?)?;
        Ok(Self { client_shares })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_list16::<KeyShareEntry<'_>>(out, self.client_shares);
    }
}

/// The server's form in ServerHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyShareServerHello<'a> {
    /// `server_share`.
    pub server_share: KeyShareEntry<'a>,
}

impl KeyShareServerHello<'_> {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, group: NamedGroup, key_exchange: &[u8]) {
        let server_share = KeyShareEntry {
            group,
            key_exchange,
        };
        KeyShareServerHello { server_share }.encode(out);
    }
}

impl<'a> Extension<'a> for KeyShareServerHello<'a> {
    const TYPE: ExtensionType = ExtensionType::KEY_SHARE;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let server_share = Cursor::whole(body, KeyShareEntry::decode)?;
        Ok(Self { server_share })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        self.server_share.put(out);
    }
}

/// The server's form in HelloRetryRequest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyShareHelloRetryRequest {
    /// The group the client is to send a share for.
    pub selected_group: NamedGroup,
}

impl KeyShareHelloRetryRequest {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, selected_group: NamedGroup) {
        Self { selected_group }.encode(out);
    }
}

impl Extension<'_> for KeyShareHelloRetryRequest {
    const TYPE: ExtensionType = ExtensionType::KEY_SHARE;

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        let selected_group = NamedGroup(Cursor::whole(body, Cursor::u16)?);
        Ok(Self { selected_group })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_u16(out, self.selected_group.0);
    }
}
