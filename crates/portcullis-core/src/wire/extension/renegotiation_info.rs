//! `renegotiation_info`: binds a renegotiation to the handshake before it.
//!
//! RFC 5746 §3.2.

use super::Extension;
use crate::wire::codec::{Cursor, DecodeError, put_vec8};
use crate::wire::extension_type::ExtensionType;

/// In ClientHello, and in ServerHello of TLS 1.2 and older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenegotiationInfo<'a> {
    /// 0 to 255 bytes: none in the first handshake; then the client's verify_data, with the
    /// server's after it in ServerHello. Compare in constant time.
    pub renegotiated_connection: &'a [u8],
}

impl RenegotiationInfo<'_> {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, renegotiated_connection: &[u8]) {
        RenegotiationInfo {
            renegotiated_connection,
        }
        .encode(out);
    }
}

impl<'a> Extension<'a> for RenegotiationInfo<'a> {
    const TYPE: ExtensionType = ExtensionType::RENEGOTIATION_INFO;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let renegotiated_connection = Cursor::whole(body, Cursor::vec8)?;
        Ok(Self {
            renegotiated_connection,
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| {
            out.extend_from_slice(self.renegotiated_connection);
        });
    }
}
