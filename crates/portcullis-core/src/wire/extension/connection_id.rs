//! `connection_id`: what its sender wants to see on the records of its peer.
//!
//! RFC 9146 §3; RFC 9147 §9.

use super::Extension;
use crate::wire::codec::{Cursor, DecodeError, put_vec8};
use crate::wire::extension_type::ExtensionType;

/// In ClientHello and ServerHello, over datagrams alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId<'a> {
    /// 0 to 255 bytes; none: the records of the peer have none.
    pub cid: &'a [u8],
}

impl ConnectionId<'_> {
    /// Writes the extension. The id must have at most 255 bytes.
    pub fn put(out: &mut Vec<u8>, cid: &[u8]) {
        ConnectionId { cid }.encode(out);
    }
}

impl<'a> Extension<'a> for ConnectionId<'a> {
    const TYPE: ExtensionType = ExtensionType::CONNECTION_ID;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let cid = Cursor::whole(body, Cursor::vec8)?;
        Ok(Self { cid })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| out.extend_from_slice(self.cid));
    }
}
