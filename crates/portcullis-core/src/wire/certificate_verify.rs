//! CertificateVerify: the sender has the key of its certificate.
//!
//! RFC 8446 §4.4.3.

use super::codec::{Cursor, DecodeError, put_u16, put_vec16};
use super::handshake::HandshakeMessage;
use super::handshake_type::HandshakeType;
use crate::signature_scheme::SignatureScheme;

/// A signature over the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateVerify<'a> {
    /// How it was made.
    pub algorithm: SignatureScheme,
    /// The signature, 0 to 65,535 bytes.
    pub signature: &'a [u8],
}

impl CertificateVerify<'_> {
    /// Writes the message.
    pub fn put(out: &mut Vec<u8>, algorithm: SignatureScheme, signature: &[u8]) {
        CertificateVerify {
            algorithm,
            signature,
        }
        .encode(out);
    }
}

impl<'a> HandshakeMessage<'a> for CertificateVerify<'a> {
    const TYPE: HandshakeType = HandshakeType::CERTIFICATE_VERIFY;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                algorithm: SignatureScheme(cursor.u16()?),
                signature: cursor.vec16()?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_u16(out, self.algorithm.0);
        put_vec16(out, |out| out.extend_from_slice(self.signature));
    }
}
