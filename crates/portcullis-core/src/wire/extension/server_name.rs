//! `server_name`: whom the client wants to talk to.
//!
//! RFC 6066 §3.

use super::{Extension, empty_extension};
use crate::wire::codec::{Cursor, DecodeError, put_vec16};
use crate::wire::extension_type::ExtensionType;

/// `NameType` of a `HostName`, the only one there ever was.
const HOST_NAME: u8 = 0;

/// The client's form: one host name.
///
/// The list was meant to grow other types of names; old servers broke on them, so none was ever
/// defined and anything but a single host name is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerName<'a> {
    /// 1 to 255 bytes, none of them zero. Whether it is the name of a host is not checked.
    pub host_name: &'a [u8],
}

impl ServerName<'_> {
    /// Bytes of the extension besides the name.
    pub(crate) const OVERHEAD: usize = 9;

    /// Writes the extension. `host` is a DNS name in ASCII without a trailing dot.
    pub fn put(out: &mut Vec<u8>, host: &str) {
        let host_name = host.as_bytes();
        ServerName { host_name }.encode(out);
    }
}

impl<'a> Extension<'a> for ServerName<'a> {
    const TYPE: ExtensionType = ExtensionType::SERVER_NAME;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let list = Cursor::whole(body, Cursor::vec16)?;
        let (name_type, host_name) =
            Cursor::whole(list, |cursor| Ok((cursor.u8()?, cursor.vec16()?)))?;
        if name_type != HOST_NAME || !(1..=255).contains(&host_name.len()) || host_name.contains(&0)
        {
            return Err(DecodeError);
        }
        Ok(Self { host_name })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec16(out, |out| {
            out.push(HOST_NAME);
            put_vec16(out, |out| out.extend_from_slice(self.host_name));
        });
    }
}

empty_extension! {
    /// The server's form: the name was used.
    ServerNameAcknowledgement = SERVER_NAME
}
