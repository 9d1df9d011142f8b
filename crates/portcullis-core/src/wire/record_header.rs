//! The header of a TLS record.
//!
//! RFC 8446 §5.1, §5.2.

use super::codec::{Cursor, DecodeError, put_u16};
use super::content_type::ContentType;
use crate::version::ProtocolVersion;

/// The most content a record may carry, in bytes (§5.1).
pub const MAX_PLAINTEXT: usize = 1 << 14;
/// The most a protected TLS 1.3 record may carry behind its header, in bytes (§5.2).
pub const MAX_CIPHERTEXT_TLS13: usize = MAX_PLAINTEXT + 256;
/// The most a protected record of TLS 1.2 or older may carry behind its header, in bytes
/// (RFC 5246 §6.2.3).
pub const MAX_CIPHERTEXT_TLS12: usize = MAX_PLAINTEXT + 2048;

/// The five bytes before every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// What the record carries; `application_data` for whatever TLS 1.3 protects.
    pub content_type: ContentType,
    /// `legacy_record_version`: 0x0301 in a first ClientHello, else 0x0303.
    pub legacy_version: ProtocolVersion,
    /// How many bytes follow the header.
    pub length: u16,
}

impl RecordHeader {
    /// The size of the header, in bytes.
    pub const SIZE: usize = 5;

    /// Reads a header from the front of `bytes`. Types, versions and lengths are not judged.
    ///
    /// # Errors
    /// When there are fewer than [`Self::SIZE`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(bytes);
        Ok(Self {
            content_type: ContentType(cursor.u8()?),
            legacy_version: ProtocolVersion(cursor.u16()?),
            length: cursor.u16()?,
        })
    }

    /// The header as bytes.
    pub const fn to_bytes(self) -> [u8; Self::SIZE] {
        let [major, minor] = self.legacy_version.0.to_be_bytes();
        let [high, low] = self.length.to_be_bytes();
        [self.content_type.0, major, minor, high, low]
    }

    /// Writes the header.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.push(self.content_type.0);
        put_u16(out, self.legacy_version.0);
        put_u16(out, self.length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let bytes = [22, 3, 1, 0x40, 0x01];
        let header = RecordHeader::decode(&bytes).unwrap();
        assert_eq!(header.content_type, ContentType::HANDSHAKE);
        assert_eq!(header.legacy_version, ProtocolVersion::TLS_1_0);
        assert_eq!(usize::from(header.length), MAX_PLAINTEXT + 1);
        assert_eq!(header.to_bytes(), bytes);
        let mut out = Vec::new();
        header.encode(&mut out);
        assert_eq!(out, bytes);
        assert_eq!(RecordHeader::decode(&bytes[..4]), Err(DecodeError));
    }
}
