//! `pre_shared_key`: which keys the sides already share.
//!
//! RFC 8446 §4.2.11.

use core::borrow::Borrow;

use super::{Extension, put_extension};
use crate::wire::codec::{Cursor, DecodeError, put_u16, put_vec8, put_vec16};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{Element, List, put_list16};

/// A key the client offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PskIdentity<'a> {
    /// A ticket or the label of an external key; at least one byte.
    pub identity: &'a [u8],
    /// The age of the ticket in milliseconds plus `ticket_age_add`, modulo 2^32; 0 for an
    /// external key.
    pub obfuscated_ticket_age: u32,
}

impl<'a> Element<'a> for PskIdentity<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let identity = cursor.vec16()?;
        let obfuscated_ticket_age = cursor.u32()?;
        if identity.is_empty() {
            return Err(DecodeError);
        }
        Ok(Self {
            identity,
            obfuscated_ticket_age,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_vec16(out, |out| out.extend_from_slice(self.identity));
        out.extend_from_slice(&self.obfuscated_ticket_age.to_be_bytes());
    }
}

/// The proof that the client has the key: an HMAC over the hello up to the binders.
///
/// The RFC's minimum of 32 bytes is not checked: a binder of a wrong length is a binder that
/// does not verify, whichever length it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PskBinder<'a>(pub &'a [u8]);

impl AsRef<[u8]> for PskBinder<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl<'a> Element<'a> for PskBinder<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        cursor.vec8().map(Self)
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| out.extend_from_slice(self.0));
    }
}

/// The client's form: identities and as many binders (a count that is not checked here).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferedPsks<'a> {
    /// At least one.
    pub identities: List<'a, PskIdentity<'a>>,
    /// At least one.
    pub binders: List<'a, PskBinder<'a>>,
}

impl OfferedPsks<'_> {
    /// Writes the extension with room, filled with zeros, for binders of the lengths given.
    ///
    /// Nothing may be written to the ClientHello afterwards but the binders themselves: cut
    /// [`Self::size_of_binders`] bytes off its end, hash the rest, then [`Self::put_binders`].
    pub fn put<'e>(
        out: &mut Vec<u8>,
        identities: impl IntoIterator<Item = impl Borrow<PskIdentity<'e>>>,
        binder_lengths: impl IntoIterator<Item = u8>,
    ) {
        put_extension(out, ExtensionType::PRE_SHARED_KEY, |out| {
            put_list16::<PskIdentity<'e>>(out, identities);
            put_vec16(out, |out| {
                for length in binder_lengths {
                    out.push(length);
                    out.resize(out.len() + usize::from(length), 0);
                }
            });
        });
    }

    /// Writes `binders` with all lengths, as the end of a ClientHello (§4.2.11.2).
    pub fn put_binders(out: &mut Vec<u8>, binders: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        put_vec16(out, |out| {
            for binder in binders {
                PskBinder(binder.as_ref()).put(out);
            }
        });
    }

    /// How many bytes [`Self::put_binders`] writes for binders of the lengths given.
    pub fn size_of_binders(binder_lengths: impl IntoIterator<Item = u8>) -> usize {
        binder_lengths
            .into_iter()
            .fold(2, |size, length| size + 1 + usize::from(length))
    }

    /// How many bytes the binders take at the end of the ClientHello, lengths included: what
    /// their own transcript hash leaves out (§4.2.11.2).
    pub fn binders_size(&self) -> usize {
        2 + self.binders.as_bytes().len()
    }
}

impl<'a> Extension<'a> for OfferedPsks<'a> {
    const TYPE: ExtensionType = ExtensionType::PRE_SHARED_KEY;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                identities: List::decode_non_empty(cursor.vec16()?)?,
                binders: List::decode_non_empty(cursor.vec16()?)?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_list16::<PskIdentity<'_>>(out, self.identities);
        Self::put_binders(out, self.binders);
    }
}

/// The server's form: the identity it chose, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectedIdentity(pub u16);

impl SelectedIdentity {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, index: u16) {
        Self(index).encode(out);
    }
}

impl Extension<'_> for SelectedIdentity {
    const TYPE: ExtensionType = ExtensionType::PRE_SHARED_KEY;

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, Cursor::u16).map(Self)
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_u16(out, self.0);
    }
}
