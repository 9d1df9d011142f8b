//! `next_protocol_negotiation`: which protocols a server speaks inside, for the client to choose from.
//!
//! draft-agl-tls-nextprotoneg-04 §3. [ALPN](super::Alpn) has replaced it.

use super::{Extension, ProtocolName, empty_extension, put_extension};
use crate::wire::codec::DecodeError;
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{Element, List};

empty_extension! {
    /// The client's form: it would choose.
    NextProtocolOffer = NEXT_PROTOCOL_NEGOTIATION
}

/// The server's form, in order of preference. There may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextProtocols<'a> {
    /// Without a length in front of the list.
    pub protocols: List<'a, ProtocolName<'a>>,
}

impl NextProtocols<'_> {
    /// Writes the extension. Each name must have 1 to 255 bytes.
    pub fn put(out: &mut Vec<u8>, protocols: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        put_extension(out, ExtensionType::NEXT_PROTOCOL_NEGOTIATION, |out| {
            for name in protocols {
                ProtocolName(name.as_ref()).put(out);
            }
        });
    }
}

impl<'a> Extension<'a> for NextProtocols<'a> {
    const TYPE: ExtensionType = ExtensionType::NEXT_PROTOCOL_NEGOTIATION;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        List::decode(body).map(|protocols| Self { protocols })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        self.protocols.iter().for_each(|name| name.put(out));
    }
}
