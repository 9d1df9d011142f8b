//! `supported_groups`: which groups the key exchange may use.
//!
//! RFC 8446 §4.2.7.

use core::borrow::Borrow;

use super::{Extension, put_extension};
use crate::named_group::NamedGroup;
use crate::wire::codec::{Cursor, DecodeError};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{List, put_list16};

/// In ClientHello, and in EncryptedExtensions as a hint for the next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupportedGroups<'a> {
    /// `named_group_list`: at least one, preferred ones first.
    pub groups: List<'a, NamedGroup>,
}

impl SupportedGroups<'_> {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, groups: impl IntoIterator<Item = impl Borrow<NamedGroup>>) {
        put_extension(out, ExtensionType::SUPPORTED_GROUPS, |out| {
            put_list16::<NamedGroup>(out, groups);
        });
    }
}

impl<'a> Extension<'a> for SupportedGroups<'a> {
    const TYPE: ExtensionType = ExtensionType::SUPPORTED_GROUPS;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let groups = List::decode_non_empty(Cursor::whole(body, Cursor::vec16)?)?;
        Ok(Self { groups })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_list16::<NamedGroup>(out, self.groups);
    }
}
