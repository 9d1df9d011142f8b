//! `ech_outer_extensions`: in a hello that is encrypted it stands for those of the hello around it.
//!
//! RFC 9849 §5.1.

use super::Extension;
use crate::wire::codec::{Cursor, DecodeError};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{List, code_point_elements, put_list8};

code_point_elements! { ExtensionType: u16; }

/// The types, in the order of ClientHelloOuter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchOuterExtensions<'a> {
    /// 1 to 127.
    pub types: List<'a, ExtensionType>,
}

impl EchOuterExtensions<'_> {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, types: impl IntoIterator<Item = ExtensionType>) {
        super::put_extension(out, Self::TYPE, |out| {
            put_list8::<ExtensionType>(out, types)
        });
    }
}

impl<'a> Extension<'a> for EchOuterExtensions<'a> {
    const TYPE: ExtensionType = ExtensionType::ECH_OUTER_EXTENSIONS;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let types = List::decode_non_empty(Cursor::whole(body, Cursor::vec8)?)?;
        Ok(Self { types })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_list8::<ExtensionType>(out, self.types);
    }
}
