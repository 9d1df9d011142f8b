//! CertificateStatus: an OCSP response for the server's certificate.
//!
//! RFC 6066 §8.

use crate::wire::codec::DecodeError;
use crate::wire::extension::{self, Extension};
use crate::wire::handshake::HandshakeMessage;
use crate::wire::handshake_type::HandshakeType;

/// The body is that of the extension which took the message's place in TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateStatus<'a>(pub extension::CertificateStatus<'a>);

impl CertificateStatus<'_> {
    /// Writes the message; the response has at least one byte.
    pub fn put(out: &mut Vec<u8>, ocsp_response: &[u8]) {
        CertificateStatus(extension::CertificateStatus { ocsp_response }).encode(out);
    }
}

impl<'a> HandshakeMessage<'a> for CertificateStatus<'a> {
    const TYPE: HandshakeType = HandshakeType::CERTIFICATE_STATUS;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Extension::decode_body(body).map(Self)
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        Extension::encode_body(&self.0, out);
    }
}
