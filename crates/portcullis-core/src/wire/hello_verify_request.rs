//! HelloVerifyRequest: a server of DTLS 1.2 or older wants its cookie back.
//!
//! RFC 6347 §4.2.1. DTLS 1.3 asks by HelloRetryRequest instead (RFC 9147 §5.1).

use super::codec::{Cursor, DecodeError, put_u16, put_vec8};
use super::handshake::HandshakeMessage;
use super::handshake_type::HandshakeType;
use crate::version::ProtocolVersion;

/// Asks for the same hello with a cookie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelloVerifyRequest<'a> {
    /// DTLS 1.0, whatever is negotiated later: it says nothing.
    pub server_version: ProtocolVersion,
    /// 0 to 255 bytes; DTLS 1.0 has 32 at most.
    pub cookie: &'a [u8],
}

impl<'a> HandshakeMessage<'a> for HelloVerifyRequest<'a> {
    const TYPE: HandshakeType = HandshakeType::HELLO_VERIFY_REQUEST;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                server_version: ProtocolVersion(cursor.u16()?),
                cookie: cursor.vec8()?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_u16(out, self.server_version.0);
        put_vec8(out, |out| out.extend_from_slice(self.cookie));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_all_that_is_left() {
        let body = [0xfe, 0xff, 2, 7, 8];
        let request = HelloVerifyRequest::decode(&body).unwrap();
        assert_eq!(request.server_version, ProtocolVersion::DTLS_1_0);
        assert_eq!(request.cookie, [7, 8]);
        assert!(HelloVerifyRequest::decode(&body[..4]).is_err());
        assert!(HelloVerifyRequest::decode(&[&body[..], &[0]].concat()).is_err());
    }
}
