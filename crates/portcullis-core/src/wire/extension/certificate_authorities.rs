//! `certificate_authorities`: whose certificates are accepted.
//!
//! RFC 8446 §4.2.4.

use super::{Extension, put_extension};
use crate::wire::codec::{Cursor, DecodeError, put_vec16};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{Element, List};

/// The DER of an X.501 name, at least one byte. Not parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DistinguishedName<'a>(pub &'a [u8]);

impl AsRef<[u8]> for DistinguishedName<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl<'a> Element<'a> for DistinguishedName<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        match cursor.vec16()? {
            [] => Err(DecodeError),
            name => Ok(Self(name)),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_vec16(out, |out| out.extend_from_slice(self.0));
    }
}

/// At least one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateAuthorities<'a> {
    /// `authorities`.
    pub authorities: List<'a, DistinguishedName<'a>>,
}

impl CertificateAuthorities<'_> {
    /// Writes the extension from the DER of names. There must be at least one, and all of them
    /// must fit into 65,535 bytes.
    pub fn put(out: &mut Vec<u8>, authorities: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        put_extension(out, ExtensionType::CERTIFICATE_AUTHORITIES, |out| {
            put_names(out, authorities);
        });
    }
}

impl<'a> Extension<'a> for CertificateAuthorities<'a> {
    const TYPE: ExtensionType = ExtensionType::CERTIFICATE_AUTHORITIES;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let authorities = List::decode_non_empty(Cursor::whole(body, Cursor::vec16)?)?;
        Ok(Self { authorities })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_names(out, self.authorities);
    }
}

/// Writes names behind the length of them all.
pub(in crate::wire) fn put_names(
    out: &mut Vec<u8>,
    authorities: impl IntoIterator<Item = impl AsRef<[u8]>>,
) {
    put_vec16(out, |out| {
        for name in authorities {
            DistinguishedName(name.as_ref()).put(out);
        }
    });
}
