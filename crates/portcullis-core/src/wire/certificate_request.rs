//! CertificateRequest: the server wants to know who the client is.
//!
//! RFC 8446 §4.3.2.

use super::codec::{Cursor, DecodeError, put_vec8, put_vec16};
use super::extension::Extensions;
use super::handshake::{HandshakeMessage, put_message};
use super::handshake_type::HandshakeType;

/// In the handshake or, with a context, after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateRequest<'a> {
    /// Empty in the handshake; 0 to 255 bytes.
    pub certificate_request_context: &'a [u8],
    /// Never empty; that `signature_algorithms` is among them is not checked here.
    pub extensions: Extensions<'a>,
}

impl CertificateRequest<'_> {
    /// Writes the message; `extensions` writes the extensions, at least one.
    pub fn put(
        out: &mut Vec<u8>,
        certificate_request_context: &[u8],
        extensions: impl FnOnce(&mut Vec<u8>),
    ) {
        put_message(out, Self::TYPE, |out| {
            put_vec8(out, |out| {
                out.extend_from_slice(certificate_request_context)
            });
            put_vec16(out, extensions);
        });
    }
}

impl<'a> HandshakeMessage<'a> for CertificateRequest<'a> {
    const TYPE: HandshakeType = HandshakeType::CERTIFICATE_REQUEST;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let request = Cursor::whole(body, |cursor| {
            Ok(Self {
                certificate_request_context: cursor.vec8()?,
                extensions: Extensions::read(cursor)?,
            })
        })?;
        if request.extensions.is_empty() {
            return Err(DecodeError);
        }
        Ok(request)
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| {
            out.extend_from_slice(self.certificate_request_context);
        });
        self.extensions.put(out);
    }
}
