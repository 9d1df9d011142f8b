//! `oid_filters`: what a client certificate must contain.
//!
//! RFC 8446 §4.2.5.

use core::borrow::Borrow;

use super::{Extension, put_extension};
use crate::wire::codec::{Cursor, DecodeError, put_vec8, put_vec16};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{Element, List, put_list16};

/// A certificate extension and the values it must have. Not parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OidFilter<'a> {
    /// `certificate_extension_oid`, DER, at least one byte.
    pub oid: &'a [u8],
    /// `certificate_extension_values`, DER, may be empty.
    pub values: &'a [u8],
}

impl<'a> Element<'a> for OidFilter<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let oid = cursor.vec8()?;
        let values = cursor.vec16()?;
        if oid.is_empty() {
            return Err(DecodeError);
        }
        Ok(Self { oid, values })
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| out.extend_from_slice(self.oid));
        put_vec16(out, |out| out.extend_from_slice(self.values));
    }
}

/// Any number of filters, none included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OidFilters<'a> {
    /// `filters`.
    pub filters: List<'a, OidFilter<'a>>,
}

impl OidFilters<'_> {
    /// Writes the extension.
    pub fn put<'e>(
        out: &mut Vec<u8>,
        filters: impl IntoIterator<Item = impl Borrow<OidFilter<'e>>>,
    ) {
        put_extension(out, ExtensionType::OID_FILTERS, |out| {
            put_list16::<OidFilter<'e>>(out, filters);
        });
    }
}

impl<'a> Extension<'a> for OidFilters<'a> {
    const TYPE: ExtensionType = ExtensionType::OID_FILTERS;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let filters = List::decode(Cursor::whole(body, Cursor::vec16)?)?;
        Ok(Self { filters })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_list16::<OidFilter<'_>>(out, self.filters);
    }
}
