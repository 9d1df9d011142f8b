//! The extensions of a message, as they stand there.
//!
//! RFC 8446 §4.2.

use super::{Extension, put_extension};
use crate::wire::codec::{Cursor, DecodeError, put_vec16};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{Element, Iter, List};

/// One extension whose body has not been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawExtension<'a> {
    /// What it is.
    pub extension_type: ExtensionType,
    /// `extension_data`, without its length.
    pub body: &'a [u8],
}

impl<'a> RawExtension<'a> {
    /// Type and body.
    pub const fn parts(self) -> (ExtensionType, &'a [u8]) {
        (self.extension_type, self.body)
    }
}

impl<'a> Element<'a> for RawExtension<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            extension_type: ExtensionType(cursor.u16()?),
            body: cursor.vec16()?,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_extension(out, self.extension_type, |out| {
            out.extend_from_slice(self.body);
        });
    }
}

/// The extensions of a message, in order, unknown ones and duplicates included.
///
/// A hello of TLS 1.2 or older may end before its extensions; that differs from an empty block
/// only in the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions<'a>(Option<List<'a, RawExtension<'a>>>);

impl<'a> Extensions<'a> {
    /// Checks a block, without the length before it, for syntax only.
    ///
    /// # Errors
    /// When it is not a sequence of extensions.
    pub fn decode(block: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self(Some(List::decode(block)?)))
    }

    /// A block that has been through [`Self::decode`] before.
    pub(crate) const fn checked(block: &'a [u8]) -> Self {
        Self(Some(List::checked(block)))
    }

    /// Reads a block behind its two-byte length.
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        Self::decode(cursor.vec16()?)
    }

    /// The same, or nothing when the message ends here.
    pub(crate) fn read_optional(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        if cursor.is_empty() {
            Ok(Self(None))
        } else {
            Self::read(cursor)
        }
    }

    /// Writes the block behind its two-byte length, or nothing when it was absent.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        if let Some(list) = self.0 {
            put_vec16(out, |out| out.extend_from_slice(list.as_bytes()));
        }
    }

    /// Whether the message ended before its extensions.
    pub const fn is_absent(&self) -> bool {
        self.0.is_none()
    }

    /// Whether there are no extensions.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The block without its length.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0.unwrap_or_default().as_bytes()
    }

    /// The extensions in order.
    pub fn iter(&self) -> Iter<'a, RawExtension<'a>> {
        self.0.unwrap_or_default().iter()
    }

    /// The last extension; RFC 8446 §4.2.11 has a rule about it.
    pub fn last(&self) -> Option<RawExtension<'a>> {
        self.iter().last()
    }

    /// The body of the first extension of that type.
    pub fn raw(&self, extension_type: ExtensionType) -> Option<&'a [u8]> {
        self.iter()
            .find(|extension| extension.extension_type == extension_type)
            .map(|extension| extension.body)
    }

    /// Whether there is an extension of that type.
    pub fn contains(&self, extension_type: ExtensionType) -> bool {
        self.raw(extension_type).is_some()
    }

    /// The first extension of that type, decoded; `None` when there is none.
    pub fn find<E: Extension<'a>>(&self) -> Option<Result<E, DecodeError>> {
        self.raw(E::TYPE).map(E::decode_body)
    }

    /// The first type that occurs a second time. Linear in the size of the block.
    pub fn duplicate(&self) -> Option<ExtensionType> {
        // Most registered types are below 64, and most blocks hold few others: GREASE, renegotiation_info.
        let mut seen = 0_u64;
        let (mut others, mut count) = ([0_u16; 8], 0);
        for extension in self.iter() {
            let ExtensionType(value) = extension.extension_type;
            let is_seen = match 1_u64.checked_shl(value.into()) {
                Some(bit) => {
                    let is_seen = seen & bit != 0;
                    seen |= bit;
                    is_seen
                }
                None => {
                    let is_seen = others.get(..count).unwrap_or_default().contains(&value);
                    let Some(free) = others.get_mut(count) else {
                        return self.duplicate_of_any();
                    };
                    *free = value;
                    count += 1;
                    is_seen
                }
            };
            if is_seen {
                return Some(extension.extension_type);
            }
        }
        None
    }

    fn duplicate_of_any(&self) -> Option<ExtensionType> {
        // One bit for each of the 2^16 types: 8 KiB of stack, whatever the peer sends.
        let mut seen = [0_u64; 1024];
        for extension in self.iter() {
            let ExtensionType(value) = extension.extension_type;
            let bit = 1 << (value % 64);
            if let Some(word) = seen.get_mut(usize::from(value / 64)) {
                if *word & bit != 0 {
                    return Some(extension.extension_type);
                }
                *word |= bit;
            }
        }
        None
    }
}

impl<'a> IntoIterator for Extensions<'a> {
    type Item = RawExtension<'a>;
    type IntoIter = Iter<'a, RawExtension<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
