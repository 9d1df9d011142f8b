//! The handshake messages that TLS 1.1 and 1.0 have in another form than TLS 1.2: nothing in them says
//! how a signature is made.
//!
//! RFC 4346 §7.4, RFC 2246 §7.4. ServerKeyExchange, of which the same is true, has both forms
//! ([`ServerKeyExchange`](super::tls12::ServerKeyExchange)).

use core::borrow::Borrow;

use super::codec::{Cursor, DecodeError, put_vec16};
use super::extension::{DistinguishedName, put_names};
use super::handshake::{HandshakeMessage, put_message};
use super::handshake_type::HandshakeType;
use super::list::{List, put_list8};
use super::tls12::ClientCertificateType;

/// CertificateRequest: the server wants to know who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateRequest<'a> {
    /// At least one.
    pub certificate_types: List<'a, ClientCertificateType>,
    /// None means any, also in TLS 1.0, which wants one and whose servers send none.
    pub certificate_authorities: List<'a, DistinguishedName<'a>>,
}

impl CertificateRequest<'_> {
    /// Writes the message; there must be a type. The authorities are the DER of names.
    pub fn put(
        out: &mut Vec<u8>,
        certificate_types: impl IntoIterator<Item = impl Borrow<ClientCertificateType>>,
        certificate_authorities: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) {
        put_message(out, Self::TYPE, |out| {
            put_list8::<ClientCertificateType>(out, certificate_types);
            put_names(out, certificate_authorities);
        });
    }
}

impl<'a> HandshakeMessage<'a> for CertificateRequest<'a> {
    const TYPE: HandshakeType = HandshakeType::CERTIFICATE_REQUEST;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                certificate_types: List::decode_non_empty(cursor.vec8()?)?,
                certificate_authorities: List::decode(cursor.vec16()?)?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_list8::<ClientCertificateType>(out, self.certificate_types);
        put_names(out, self.certificate_authorities);
    }
}

/// CertificateVerify: the client has the key of its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateVerify<'a> {
    /// Over all messages before it; 0 to 65,535 bytes.
    pub signature: &'a [u8],
}

impl CertificateVerify<'_> {
    /// Writes the message.
    pub fn put(out: &mut Vec<u8>, signature: &[u8]) {
        CertificateVerify { signature }.encode(out);
    }
}

impl<'a> HandshakeMessage<'a> for CertificateVerify<'a> {
    const TYPE: HandshakeType = HandshakeType::CERTIFICATE_VERIFY;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                signature: cursor.vec16()?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec16(out, |out| out.extend_from_slice(self.signature));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::round_trip::round_trip;

    fn check<'a, M: HandshakeMessage<'a> + PartialEq + core::fmt::Debug>(
        expected: &M,
        message: &'a [u8],
    ) {
        let body = &message[4..];
        assert_eq!(M::decode(body).as_ref(), Ok(expected));
        assert!(round_trip(M::TYPE, body));
        for end in 0..body.len() {
            assert!(M::decode(&body[..end]).is_err(), "{end} of {body:02x?}");
        }
    }

    #[test]
    fn nothing_says_how_a_signature_is_made() {
        let mut out = Vec::new();
        CertificateVerify::put(&mut out, b"signature");
        assert_eq!(out, b"\x0f\0\0\x0b\0\x09signature");
        check(
            &CertificateVerify {
                signature: b"signature",
            },
            &out,
        );

        let (types, mut out) = ([ClientCertificateType::ECDSA_SIGN], Vec::new());
        CertificateRequest::put(&mut out, types, [b"\x30\0"]);
        assert_eq!(out, b"\x0d\0\0\x08\x01\x40\0\x04\0\x02\x30\0");
        let request = CertificateRequest::decode(&out[4..]).unwrap();
        check(&request, &out);
        assert!(CertificateRequest::decode(b"\0\0\0").is_err(), "no type");
    }
}
