//! ServerHello, which is also HelloRetryRequest.
//!
//! RFC 8446 §4.1.3, §4.1.4.

use super::client_hello::{CompressionMethod, session_id};
use super::codec::{Cursor, DecodeError, put_u16, put_vec8, put_vec16};
use super::extension::Extensions;
use super::handshake::{HandshakeMessage, put_message};
use super::handshake_type::HandshakeType;
use crate::suite::CipherSuite;
use crate::version::ProtocolVersion;

/// The random that makes a ServerHello a HelloRetryRequest: SHA-256 of "HelloRetryRequest".
pub const HELLO_RETRY_REQUEST_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// ServerHello of any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerHello<'a> {
    /// 0x0303 in TLS 1.3; the selected version before.
    pub legacy_version: ProtocolVersion,
    /// 32 fresh bytes, or [`HELLO_RETRY_REQUEST_RANDOM`].
    pub random: &'a [u8; 32],
    /// 0 to 32 bytes.
    pub legacy_session_id_echo: &'a [u8],
    /// The suite the server chose.
    pub cipher_suite: CipherSuite,
    /// `null` in TLS 1.3, which is not checked here.
    pub legacy_compression_method: CompressionMethod,
    /// May be absent before TLS 1.3.
    pub extensions: Extensions<'a>,
}

impl ServerHello<'_> {
    /// Whether this is a HelloRetryRequest, provided that TLS 1.3 is spoken.
    pub fn is_hello_retry_request(&self) -> bool {
        *self.random == HELLO_RETRY_REQUEST_RANDOM
    }

    /// Writes a hello, header included; `extensions` writes the extensions.
    ///
    /// `legacy_version` is the version selected, and 0x0303 for TLS 1.3 (§4.1.3).
    /// With [`HELLO_RETRY_REQUEST_RANDOM`] it is a HelloRetryRequest.
    pub fn put(
        out: &mut Vec<u8>,
        legacy_version: ProtocolVersion,
        random: &[u8; 32],
        legacy_session_id_echo: &[u8],
        cipher_suite: CipherSuite,
        extensions: impl FnOnce(&mut Vec<u8>),
    ) {
        put_message(out, Self::TYPE, |out| {
            let fields = ServerHello {
                legacy_version,
                random,
                legacy_session_id_echo,
                cipher_suite,
                legacy_compression_method: CompressionMethod::NULL,
                extensions: Extensions::default(),
            };
            fields.put_fields(out);
            let at = out.len();
            put_vec16(out, extensions);
            // RFC 5246 §7.4.1.3, §E.1: a client that has sent none, and is older than they are, gets none.
            if out.len() == at + size_of::<u16>() {
                out.truncate(at);
            }
        });
    }

    fn put_fields(&self, out: &mut Vec<u8>) {
        put_u16(out, self.legacy_version.0);
        out.extend_from_slice(self.random);
        put_vec8(out, |out| {
            out.extend_from_slice(self.legacy_session_id_echo)
        });
        put_u16(out, self.cipher_suite.0);
        out.push(self.legacy_compression_method.0);
    }
}

impl<'a> HandshakeMessage<'a> for ServerHello<'a> {
    const TYPE: HandshakeType = HandshakeType::SERVER_HELLO;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                legacy_version: ProtocolVersion(cursor.u16()?),
                random: cursor.array()?,
                legacy_session_id_echo: session_id(cursor)?,
                cipher_suite: CipherSuite(cursor.u16()?),
                legacy_compression_method: CompressionMethod(cursor.u8()?),
                extensions: Extensions::read_optional(cursor)?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        self.put_fields(out);
        self.extensions.put(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::extension::SelectedVersion;

    #[test]
    fn retry_request() {
        let mut out = Vec::new();
        let suite = CipherSuite::TLS_AES_256_GCM_SHA384;
        ServerHello::put(
            &mut out,
            ProtocolVersion::TLS_1_2,
            &HELLO_RETRY_REQUEST_RANDOM,
            &[5; 32],
            suite,
            |out| {
                SelectedVersion::put(out, ProtocolVersion::TLS_1_3);
            },
        );
        let hello = ServerHello::decode(&out[4..]).unwrap();
        assert!(hello.is_hello_retry_request());
        assert_eq!(hello.cipher_suite, suite);
        assert_eq!(
            hello.extensions.find(),
            Some(Ok(SelectedVersion(ProtocolVersion::TLS_1_3)))
        );
        let mut again = Vec::new();
        hello.encode(&mut again);
        assert_eq!(again, out);
    }
}
