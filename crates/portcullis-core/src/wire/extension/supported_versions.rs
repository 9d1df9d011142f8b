//! `supported_versions`: the real negotiation of the version.
//!
//! RFC 8446 §4.2.1.

use core::borrow::Borrow;

use super::{Extension, put_extension};
use crate::version::ProtocolVersion;
use crate::wire::codec::{Cursor, DecodeError, put_u16};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{List, put_list8};

/// The client's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupportedVersions<'a> {
    /// `versions`: at least one, preferred ones first.
    pub versions: List<'a, ProtocolVersion>,
}

impl SupportedVersions<'_> {
    /// Writes the extension.
    pub fn put(
        out: &mut Vec<u8>,
        versions: impl IntoIterator<Item = impl Borrow<ProtocolVersion>>,
    ) {
        put_extension(out, ExtensionType::SUPPORTED_VERSIONS, |out| {
            put_list8::<ProtocolVersion>(out, versions);
        });
    }
}

impl<'a> Extension<'a> for SupportedVersions<'a> {
    const TYPE: ExtensionType = ExtensionType::SUPPORTED_VERSIONS;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let versions = List::decode_non_empty(Cursor::whole(body, Cursor::vec8)?)?;
        Ok(Self { versions })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_list8::<ProtocolVersion>(out, self.versions);
    }
}

/// The server's form, in ServerHello and HelloRetryRequest: `selected_version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectedVersion(pub ProtocolVersion);

impl SelectedVersion {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, version: ProtocolVersion) {
        Self(version).encode(out);
    }
}

impl Extension<'_> for SelectedVersion {
    const TYPE: ExtensionType = ExtensionType::SUPPORTED_VERSIONS;

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, Cursor::u16).map(|version| Self(ProtocolVersion(version)))
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_u16(out, self.0.0);
    }
}
