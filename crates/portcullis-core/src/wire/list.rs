//! Vectors of RFC structures, read where they lie: checked once, then walked without copying.
//!
//! RFC 8446 §3.4.

use core::borrow::Borrow;
use core::marker::PhantomData;

use super::codec::{Cursor, DecodeError, put_vec8, put_vec16};
use crate::named_group::NamedGroup;
use crate::signature_scheme::SignatureScheme;
use crate::suite::CipherSuite;
use crate::version::ProtocolVersion;

/// What a [`List`] can hold.
pub trait Element<'a>: Sized {
    /// Reads one element.
    ///
    /// # Errors
    /// When the bytes do not have the element's syntax.
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError>;

    /// Writes the element.
    fn put(&self, out: &mut Vec<u8>);

    /// Whether these bytes are nothing but elements.
    fn are_in(bytes: &'a [u8]) -> bool {
        let mut cursor = Cursor::new(bytes);
        while !cursor.is_empty() {
            if Self::decode(&mut cursor).is_err() {
                return false;
            }
        }
        true
    }
}

/// A vector of elements, borrowed from the message and checked when it was decoded.
pub struct List<'a, T> {
    bytes: &'a [u8],
    elements: PhantomData<fn() -> T>,
}

impl<'a, T: Element<'a>> List<'a, T> {
    /// Checks that `bytes`, without their length prefix, are nothing but elements.
    ///
    /// # Errors
    /// When they are not.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match T::are_in(bytes) {
            true => Ok(Self::checked(bytes)),
            false => Err(DecodeError),
        }
    }

    /// The same, and there must be at least one element.
    ///
    /// # Errors
    /// When there is none or `bytes` are not elements only.
    pub fn decode_non_empty(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            return Err(DecodeError);
        }
        Self::decode(bytes)
    }

    /// Bytes that have been through [`Self::decode`] before.
    pub(crate) const fn checked(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            elements: PhantomData,
        }
    }

    /// The elements in order.
    pub const fn iter(&self) -> Iter<'a, T> {
        Iter {
            cursor: Cursor::new(self.bytes),
            elements: PhantomData,
        }
    }

    /// Copies the elements, which take as much memory there as on the wire.
    pub(crate) fn to_vec(self) -> Vec<T> {
        let mut elements = Vec::with_capacity(self.bytes.len() / size_of::<T>().max(1));
        elements.extend(self.iter());
        elements
    }

    /// The first element.
    pub fn first(&self) -> Option<T> {
        self.iter().next()
    }

    /// Whether `wanted` is among the elements. Walks the list.
    pub fn contains(&self, wanted: T) -> bool
    where
        T: PartialEq,
    {
        self.iter().any(|element| element == wanted)
    }
}

impl<'a, T> List<'a, T> {
    /// The bytes of the elements, without the length before them.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether there are no elements.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<T> Default for List<'_, T> {
    fn default() -> Self {
        Self {
            bytes: &[],
            elements: PhantomData,
        }
    }
}

impl<T> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for List<'_, T> {}

impl<'a, T: Element<'a> + core::fmt::Debug> core::fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, T: Element<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// The elements of a [`List`].
pub struct Iter<'a, T> {
    cursor: Cursor<'a>,
    elements: PhantomData<fn() -> T>,
}

impl<'a, T: Element<'a>> Iterator for Iter<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.cursor.is_empty() {
            return None;
        }
        // The list was checked; if it had not been, the walk would end here.
        T::decode(&mut self.cursor).ok()
    }
}

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Self {
            cursor: self.cursor,
            elements: PhantomData,
        }
    }
}

/// Writes elements behind a length of one byte.
pub(crate) fn put_list8<'a, T: Element<'a>>(
    out: &mut Vec<u8>,
    elements: impl IntoIterator<Item = impl Borrow<T>>,
) {
    put_vec8(out, |out| put_elements(out, elements));
}

/// Writes elements behind a length of two bytes.
pub(crate) fn put_list16<'a, T: Element<'a>>(
    out: &mut Vec<u8>,
    elements: impl IntoIterator<Item = impl Borrow<T>>,
) {
    put_vec16(out, |out| put_elements(out, elements));
}

fn put_elements<'a, T: Element<'a>>(
    out: &mut Vec<u8>,
    elements: impl IntoIterator<Item = impl Borrow<T>>,
) {
    for element in elements {
        element.borrow().put(out);
    }
}

/// Makes code points elements of lists.
macro_rules! code_point_elements {
    ($($name:ty: $read:ident;)+) => { $(
        impl<'a> $crate::wire::list::Element<'a> for $name {
            fn decode(
                cursor: &mut $crate::wire::codec::Cursor<'a>,
            ) -> Result<Self, $crate::wire::codec::DecodeError> {
                cursor.$read().map(Self)
            }

            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0.to_be_bytes());
            }

            /// All values are numbers of one size.
            fn are_in(bytes: &'a [u8]) -> bool {
                bytes.len().is_multiple_of(size_of::<Self>())
            }
        }
    )+ };
}

pub(crate) use code_point_elements;

code_point_elements! {
    NamedGroup: u16;
    SignatureScheme: u16;
    CipherSuite: u16;
    ProtocolVersion: u16;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_what_it_checked() {
        let list = List::<NamedGroup>::decode(&[0, 0x17, 0, 0x1d]).unwrap();
        assert_eq!(list.first(), Some(NamedGroup::SECP256R1));
        assert!(list.contains(NamedGroup::X25519));
        assert!(!list.contains(NamedGroup::X448));
        assert_eq!(list.iter().count(), 2);
        assert_eq!(List::<NamedGroup>::decode(&[0, 0x17, 0]), Err(DecodeError));
        assert_eq!(List::<NamedGroup>::decode_non_empty(&[]), Err(DecodeError));
        let mut out = Vec::new();
        put_list16::<NamedGroup>(&mut out, list);
        assert_eq!(out, [0, 4, 0, 0x17, 0, 0x1d]);
    }
}
