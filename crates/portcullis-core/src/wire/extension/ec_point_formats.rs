//! `ec_point_formats`: how points of curves are written in TLS 1.2 and older.
//!
//! RFC 8422 §5.1.2.

use core::borrow::Borrow;

use super::{Extension, put_extension};
use crate::code_point::code_points;
use crate::wire::codec::{Cursor, DecodeError};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{List, code_point_elements, put_list8};

code_points! {
    /// How a point is written.
    pub struct EcPointFormat(u8) {
        /// The only one left (RFC 8422 §5.1.2).
        UNCOMPRESSED = 0, "uncompressed";
        /// Deprecated.
        ANSI_X962_COMPRESSED_PRIME = 1, "ansiX962_compressed_prime";
        /// Deprecated.
        ANSI_X962_COMPRESSED_CHAR2 = 2, "ansiX962_compressed_char2";
    }
}

code_point_elements! { EcPointFormat: u8; }

/// At least one format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcPointFormats<'a> {
    /// `ec_point_format_list`.
    pub formats: List<'a, EcPointFormat>,
}

impl EcPointFormats<'_> {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, formats: impl IntoIterator<Item = impl Borrow<EcPointFormat>>) {
        put_extension(out, ExtensionType::EC_POINT_FORMATS, |out| {
            put_list8::<EcPointFormat>(out, formats);
        });
    }
}

impl<'a> Extension<'a> for EcPointFormats<'a> {
    const TYPE: ExtensionType = ExtensionType::EC_POINT_FORMATS;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let formats = List::decode_non_empty(Cursor::whole(body, Cursor::vec8)?)?;
        Ok(Self { formats })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_list8::<EcPointFormat>(out, self.formats);
    }
}
