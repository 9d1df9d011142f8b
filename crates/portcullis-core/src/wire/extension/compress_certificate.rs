//! `compress_certificate`: how the certificate of the other end may be compressed.
//!
//! RFC 8879 §3, in ClientHello and CertificateRequest.

use core::borrow::Borrow;

use super::{Extension, put_extension};
use crate::code_point::code_points;
use crate::wire::codec::{Cursor, DecodeError};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{List, code_point_elements, put_list8};

code_points! {
    /// How certificates are compressed (RFC 8879 §7.3).
    pub struct CertificateCompressionAlgorithm(u16) {
        /// RFC 1950.
        ZLIB = 1, "zlib";
        /// RFC 7932.
        BROTLI = 2, "brotli";
        /// RFC 8878.
        ZSTD = 3, "zstd";
    }
}

code_point_elements! { CertificateCompressionAlgorithm: u16; }

/// At least one algorithm, in no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressCertificate<'a> {
    /// `algorithms`.
    pub algorithms: List<'a, CertificateCompressionAlgorithm>,
}

impl CompressCertificate<'_> {
    /// Writes the extension: 1 to 127 algorithms.
    pub fn put(
        out: &mut Vec<u8>,
        algorithms: impl IntoIterator<Item = impl Borrow<CertificateCompressionAlgorithm>>,
    ) {
        put_extension(out, ExtensionType::COMPRESS_CERTIFICATE, |out| {
            put_list8::<CertificateCompressionAlgorithm>(out, algorithms);
        });
    }
}

impl<'a> Extension<'a> for CompressCertificate<'a> {
    const TYPE: ExtensionType = ExtensionType::COMPRESS_CERTIFICATE;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let algorithms = List::decode_non_empty(Cursor::whole(body, Cursor::vec8)?)?;
        Ok(Self { algorithms })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_list8::<CertificateCompressionAlgorithm>(out, self.algorithms);
    }
}
