//! `ImportedIdentity`: how the identity of a pre-shared key stands in a hello when the key is imported.
//!
//! RFC 9258 §5.1.

use super::codec::{Cursor, DecodeError, put_u16, put_vec16};
use crate::code_point::code_points;
use crate::version::ProtocolVersion;

code_points! {
    /// For which hash a key is imported (RFC 9258 §10).
    pub struct KdfIdentifier(u16) {
        /// HKDF with SHA-256.
        HKDF_SHA256 = 1, "HKDF_SHA256";
        /// HKDF with SHA-384.
        HKDF_SHA384 = 2, "HKDF_SHA384";
    }
}

/// What stands in a hello in the place of the identity of a key that is imported (RFC 9258). The answer to
/// a question for keys can be looked up by it: it is read from an identity of [`ChoosePsk`](crate::question::ChoosePsk::identities).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportedIdentity<'a> {
    /// What the key goes by: at least one byte.
    pub external_identity: &'a [u8],
    /// What the two ends have agreed on besides, such as who is the client.
    pub context: &'a [u8],
    /// The version that it is imported for.
    pub target_protocol: ProtocolVersion,
    /// The hash of the cipher suites that it is imported for.
    pub target_kdf: KdfIdentifier,
}

impl<'a> ImportedIdentity<'a> {
    /// How many bytes the fields take besides identity and context.
    pub const OVERHEAD: usize = 2 + 2 + 2 + 2;

    /// Reads one that fills `identity`.
    ///
    /// # Errors
    /// When it is something else: most identities are.
    pub fn decode(identity: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(identity, |cursor| {
            let external_identity = cursor.vec16()?;
            if external_identity.is_empty() {
                return Err(DecodeError);
            }
            Ok(Self {
                external_identity,
                context: cursor.vec16()?,
                target_protocol: ProtocolVersion(cursor.u16()?),
                target_kdf: KdfIdentifier(cursor.u16()?),
            })
        })
    }

    /// Writes it.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_vec16(out, |out| out.extend_from_slice(self.external_identity));
        put_vec16(out, |out| out.extend_from_slice(self.context));
        put_u16(out, self.target_protocol.0);
        put_u16(out, self.target_kdf.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        let identity = ImportedIdentity {
            external_identity: b"me",
            context: b"c",
            target_protocol: ProtocolVersion::TLS_1_3,
            target_kdf: KdfIdentifier::HKDF_SHA384,
        };
        let mut out = Vec::new();
        identity.put(&mut out);
        assert_eq!(out, b"\0\x02me\0\x01c\x03\x04\0\x02");
        assert_eq!(ImportedIdentity::decode(&out), Ok(identity));
        assert_eq!(out.len(), 3 + ImportedIdentity::OVERHEAD);
        for short in 0..out.len() {
            assert!(ImportedIdentity::decode(&out[..short]).is_err());
        }
        out.push(0);
        assert!(ImportedIdentity::decode(&out).is_err());
        // The identity of a key is not empty.
        assert!(ImportedIdentity::decode(&[0, 0, 0, 0, 3, 4, 0, 1]).is_err());
    }
}
