//! CompressedCertificate, in the place of Certificate.
//!
//! RFC 8879 §4.

use super::codec::{Cursor, DecodeError, put_u16, put_u24, put_vec24};
use super::extension::CertificateCompressionAlgorithm;
use super::handshake::{HandshakeMessage, put_message};
use super::handshake_type::HandshakeType;

/// A Certificate message that was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressedCertificate<'a> {
    /// How.
    pub algorithm: CertificateCompressionAlgorithm,
    /// How many bytes the Certificate has, without the header of the message: 0 to 2^24 − 1.
    pub uncompressed_length: u32,
    /// At least one byte.
    pub compressed: &'a [u8],
}

impl CompressedCertificate<'_> {
    /// Writes the message.
    pub fn put(
        out: &mut Vec<u8>,
        algorithm: CertificateCompressionAlgorithm,
        uncompressed_length: u32,
        compressed: &[u8],
    ) {
        put_message(out, HandshakeType::COMPRESSED_CERTIFICATE, |out| {
            CompressedCertificate {
                algorithm,
                uncompressed_length,
                compressed,
            }
            .encode_body(out);
        });
    }
}

impl<'a> HandshakeMessage<'a> for CompressedCertificate<'a> {
    const TYPE: HandshakeType = HandshakeType::COMPRESSED_CERTIFICATE;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            let algorithm = CertificateCompressionAlgorithm(cursor.u16()?);
            let uncompressed_length = cursor.u24()?;
            match cursor.vec24()? {
                [] => Err(DecodeError),
                compressed => Ok(Self {
                    algorithm,
                    uncompressed_length,
                    compressed,
                }),
            }
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_u16(out, self.algorithm.0);
        put_u24(out, self.uncompressed_length);
        put_vec24(out, |out| out.extend_from_slice(self.compressed));
    }
}
