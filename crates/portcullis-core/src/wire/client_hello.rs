//! ClientHello: what the client offers.
//!
//! RFC 8446 §4.1.2; the same bytes in RFC 5246 §7.4.1.2 and older; over datagrams RFC 9147 §5.3.

use core::borrow::Borrow;

use super::codec::{Cursor, DecodeError, put_u16, put_vec8, put_vec16};
use super::extension::Extensions;
use super::handshake::{HandshakeMessage, Syntax, put_message};
use super::handshake_type::HandshakeType;
use super::list::{List, code_point_elements, put_list8, put_list16};
use crate::code_point::code_points;
use crate::suite::CipherSuite;
use crate::version::ProtocolVersion;

code_points! {
    /// A way to compress records; only `null` is left (RFC 3749, RFC 8446 §4.1.2).
    pub struct CompressionMethod(u8) {
        /// No compression.
        NULL = 0, "null";
        /// RFC 3749; never supported.
        DEFLATE = 1, "DEFLATE";
        /// RFC 3943; never supported.
        LZS = 64, "LZS";
    }
}

code_point_elements! { CompressionMethod: u8; }

/// The most bytes in a session id (§4.1.2).
pub const MAX_SESSION_ID: usize = 32;

/// ClientHello of any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// 0x0303 since TLS 1.2.
    pub legacy_version: ProtocolVersion,
    /// 32 fresh bytes.
    pub random: &'a [u8; 32],
    /// 0 to 32 bytes.
    pub legacy_session_id: &'a [u8],
    /// What a HelloVerifyRequest had, and in DTLS 1.3 empty (RFC 9147 §5.3). `None` over a stream, where
    /// there is no such field.
    pub legacy_cookie: Option<&'a [u8]>,
    /// At least one, preferred ones first; GREASE and signalling values included.
    pub cipher_suites: List<'a, CipherSuite>,
    /// At least one; in TLS 1.3 it must be `null` alone, which is not checked here.
    pub legacy_compression_methods: List<'a, CompressionMethod>,
    /// Absent in old hellos.
    pub extensions: Extensions<'a>,
}

impl ClientHello<'_> {
    /// Writes a hello, header included; `extensions` writes the extensions.
    ///
    /// `legacy_version` is the newest version offered, and 0x0303 for TLS 1.3 (§4.1.2).
    /// The session id must have at most [`MAX_SESSION_ID`] bytes; there must be a suite.
    pub fn put(
        out: &mut Vec<u8>,
        legacy_version: ProtocolVersion,
        random: &[u8; 32],
        legacy_session_id: &[u8],
        cipher_suites: impl IntoIterator<Item = impl Borrow<CipherSuite>>,
        extensions: impl FnOnce(&mut Vec<u8>),
    ) {
        let ids = (legacy_session_id, None);
        Self::put_with_cookie(out, legacy_version, random, ids, cipher_suites, extensions);
    }

    /// The same over either transport: over datagrams there is a cookie of at most 255 bytes behind the
    /// session id, in DTLS 1.3 an empty one (RFC 9147 §5.3).
    pub fn put_with_cookie(
        out: &mut Vec<u8>,
        legacy_version: ProtocolVersion,
        random: &[u8; 32],
        (legacy_session_id, legacy_cookie): (&[u8], Option<&[u8]>),
        cipher_suites: impl IntoIterator<Item = impl Borrow<CipherSuite>>,
        extensions: impl FnOnce(&mut Vec<u8>),
    ) {
        put_message(out, Self::TYPE, |out| {
            put_fields(
                out,
                legacy_version,
                random,
                (legacy_session_id, legacy_cookie),
                cipher_suites,
            );
            put_list8::<CompressionMethod>(out, [CompressionMethod::NULL]);
            put_vec16(out, extensions);
        });
    }
}

impl<'a> ClientHello<'a> {
    /// Reads a body that has been through [`decode_as`](HandshakeMessage::decode_as) before: lists are not walked. Of other
    /// bytes a list may be cut short where it has no syntax.
    ///
    /// # Errors
    /// When the fields and their lengths are not those of a hello.
    pub(crate) fn of_decoded(syntax: Syntax, body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                legacy_version: ProtocolVersion(cursor.u16()?),
                random: cursor.array()?,
                legacy_session_id: session_id(cursor)?,
                legacy_cookie: match syntax {
                    Syntax::Tls => None,
                    Syntax::Dtls => Some(cursor.vec8()?),
                },
                cipher_suites: List::checked(cursor.vec16()?),
                legacy_compression_methods: List::checked(cursor.vec8()?),
                extensions: match cursor.is_empty() {
                    true => Extensions::default(),
                    false => Extensions::checked(cursor.vec16()?),
                },
            })
        })
    }
}

impl<'a> HandshakeMessage<'a> for ClientHello<'a> {
    const TYPE: HandshakeType = HandshakeType::CLIENT_HELLO;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Self::decode_as(Syntax::Tls, body)
    }

    fn decode_as(syntax: Syntax, body: &'a [u8]) -> Result<Self, DecodeError> {
        let hello = Self::of_decoded(syntax, body)?;
        // What that leaves out.
        Extensions::decode(hello.extensions.as_bytes())?;
        Ok(Self {
            cipher_suites: List::decode_non_empty(hello.cipher_suites.as_bytes())?,
            legacy_compression_methods: List::decode_non_empty(
                hello.legacy_compression_methods.as_bytes(),
            )?,
            ..hello
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_fields(
            out,
            self.legacy_version,
            self.random,
            (self.legacy_session_id, self.legacy_cookie),
            self.cipher_suites,
        );
        put_list8::<CompressionMethod>(out, self.legacy_compression_methods);
        self.extensions.put(out);
    }
}

/// Reads a session id: at most [`MAX_SESSION_ID`] bytes.
pub(super) fn session_id<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], DecodeError> {
    let id = cursor.vec8()?;
    if id.len() > MAX_SESSION_ID {
        return Err(DecodeError);
    }
    Ok(id)
}

fn put_fields(
    out: &mut Vec<u8>,
    legacy_version: ProtocolVersion,
    random: &[u8; 32],
    (legacy_session_id, legacy_cookie): (&[u8], Option<&[u8]>),
    cipher_suites: impl IntoIterator<Item = impl Borrow<CipherSuite>>,
) {
    put_u16(out, legacy_version.0);
    out.extend_from_slice(random);
    put_vec8(out, |out| out.extend_from_slice(legacy_session_id));
    if let Some(cookie) = legacy_cookie {
        put_vec8(out, |out| out.extend_from_slice(cookie));
    }
    put_list16::<CipherSuite>(out, cipher_suites);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::extension::ServerName;

    #[test]
    fn put_is_what_decode_reads() {
        let mut out = Vec::new();
        let suites = [CipherSuite::TLS_AES_128_GCM_SHA256];
        ClientHello::put(
            &mut out,
            ProtocolVersion::TLS_1_2,
            &[7; 32],
            &[1, 2],
            suites,
            |out| {
                ServerName::put(out, "example.com");
            },
        );
        let hello = ClientHello::decode(&out[4..]).unwrap();
        assert_eq!(hello.random, &[7; 32]);
        assert_eq!(hello.legacy_session_id, [1, 2]);
        assert!(hello.cipher_suites.iter().eq(suites));
        let name = hello.extensions.find::<ServerName<'_>>().unwrap().unwrap();
        assert_eq!(name.host_name, b"example.com");
        let mut again = Vec::new();
        hello.encode(&mut again);
        assert_eq!(again, out);
    }

    #[test]
    fn a_hello_over_datagrams_has_a_cookie() {
        let suites = [CipherSuite::TLS_AES_128_GCM_SHA256];
        for cookie in [&[][..], &[5; 255]] {
            let mut out = Vec::new();
            ClientHello::put_with_cookie(
                &mut out,
                ProtocolVersion::DTLS_1_2,
                &[7; 32],
                (&[], Some(cookie)),
                suites,
                |_| {},
            );
            let hello = ClientHello::decode_as(Syntax::Dtls, &out[4..]).unwrap();
            assert_eq!(hello.legacy_cookie, Some(cookie));
            assert!(hello.cipher_suites.iter().eq(suites));
            let mut again = Vec::new();
            hello.encode(&mut again);
            assert_eq!(again, out);
            assert!(ClientHello::decode(&out[4..]).is_err());
        }
        let mut over_stream = Vec::new();
        ClientHello::put(
            &mut over_stream,
            ProtocolVersion::TLS_1_2,
            &[7; 32],
            &[],
            suites,
            |_| {},
        );
        let hello = ClientHello::decode(&over_stream[4..]).unwrap();
        assert_eq!(hello.legacy_cookie, None);
        assert!(ClientHello::decode_as(Syntax::Dtls, &over_stream[4..]).is_err());
    }

    #[test]
    fn what_was_decoded_is_read_again() {
        let whole = |cookie: Option<&[u8]>| {
            let mut out = Vec::new();
            let suites = [CipherSuite(0x1a1a), CipherSuite::TLS_AES_128_GCM_SHA256];
            let ids = (&[4; 32][..], cookie);
            ClientHello::put_with_cookie(
                &mut out,
                ProtocolVersion::TLS_1_2,
                &[3; 32],
                ids,
                suites,
                |out| {
                    out.extend_from_slice(&[0, 0x2b, 0, 3, 2, 3, 4, 0x2a, 0x2a, 0, 0]);
                },
            );
            out.split_off(4)
        };
        for (syntax, body) in [
            (Syntax::Tls, whole(None)),
            (Syntax::Dtls, whole(Some(&[5; 20]))),
        ] {
            let mut decoded = 0;
            // Each length of the body, and each byte of it changed.
            let shorter = (0..=body.len()).map(|len| body[..len].to_vec());
            let changed = (0..body.len()).flat_map(|at| {
                [1, 2, 0x7f, 0xff].map(|change| {
                    let mut body = body.clone();
                    body[at] ^= change;
                    body
                })
            });
            for body in shorter.chain(changed) {
                let again = ClientHello::of_decoded(syntax, &body);
                match ClientHello::decode_as(syntax, &body) {
                    Ok(hello) => {
                        assert_eq!(again, Ok(hello));
                        decoded += 1;
                    }
                    // Bytes that nobody should ask it about end all the same.
                    Err(_) => {
                        let count = again.map_or(0, |again| again.extensions.iter().count());
                        assert!(count <= body.len());
                    }
                }
            }
            assert!(decoded > 2);
        }
    }

    #[test]
    fn a_hello_may_end_before_its_extensions() {
        let mut body = vec![3, 1];
        body.extend([9; 32]);
        body.extend([0, 0, 2, 0, 0x2f, 1, 0]);
        let hello = ClientHello::decode(&body).unwrap();
        assert!(hello.extensions.is_absent());
        assert!(hello.extensions.is_empty());
        for wrong in [&[0][..], &[0, 1], &[0, 0, 0]] {
            let longer = [&body, wrong].concat();
            assert_eq!(ClientHello::decode(&longer), Err(DecodeError));
        }
        body.extend([0, 0]);
        assert!(!ClientHello::decode(&body).unwrap().extensions.is_absent());
    }

    #[test]
    fn bounds() {
        let hello = |id: usize, suites: &[u8], methods: &[u8]| {
            let mut body = vec![3, 3];
            body.extend([9; 32]);
            put_vec8(&mut body, |out| out.resize(out.len() + id, 0));
            put_vec16(&mut body, |out| out.extend_from_slice(suites));
            put_vec8(&mut body, |out| out.extend_from_slice(methods));
            ClientHello::decode(&body).is_ok()
        };
        assert!(hello(32, &[0, 1], &[1, 0]));
        assert!(!hello(33, &[0, 1], &[0]));
        assert!(!hello(0, &[], &[0]));
        assert!(!hello(0, &[0, 1, 2], &[0]));
        assert!(!hello(0, &[0, 1], &[]));
    }
}
