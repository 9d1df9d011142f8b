//! RFC 5280 §4.2.1.10: which names may stand in the certificates below a CA.

use crate::der::{self, Element, NotDer, Reader};

/// 2.5.29.30
pub(in crate::x509) const NAME_CONSTRAINTS: &[u8] = b"\x55\x1d\x1e";

/// The bit that tells GeneralNames with parts from those without.
const CONSTRUCTED: u8 = 0x20;

/// Each a list of GeneralSubtrees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::x509) struct NameConstraints<'a> {
    permitted: &'a [u8],
    excluded: &'a [u8],
}

/// GeneralSubtree.
#[derive(Clone, Copy, Debug)]
pub(in crate::x509) struct Subtree<'a> {
    /// A GeneralName.
    pub(in crate::x509) base: Element<'a>,
    /// Whether it has neither `minimum` nor `maximum`: "the minimum MUST be zero, and maximum
    /// MUST be absent", and a default is not written.
    pub(in crate::x509) is_plain: bool,
}

impl Subtree<'_> {
    /// Whether the base is of the kind of a GeneralName's tag. Whether a name has its parts in it
    /// or not is no matter here: wrong ones are refused as such.
    pub(in crate::x509) const fn is_of(&self, kind: u8) -> bool {
        self.base.tag | CONSTRUCTED == kind | CONSTRUCTED
    }
}

impl<'a> NameConstraints<'a> {
    /// From the contents of the extnValue.
    pub(in crate::x509) fn read(value: &'a [u8]) -> Result<Self, NotDer> {
        Self::from_contents(der::only(value, der::SEQUENCE).ok_or(NotDer)?)
    }

    /// From the contents of the SEQUENCE, as anchors have them.
    pub(in crate::x509) fn from_contents(contents: &'a [u8]) -> Result<Self, NotDer> {
        let mut fields = Reader::new(contents);
        let constraints = Self {
            permitted: fields.optional(der::context(0)).unwrap_or_default(),
            excluded: fields.optional(der::context(1)).unwrap_or_default(),
        };
        let is_read = |list| read_all(list).is_some();
        let is_whole =
            fields.is_empty() && is_read(constraints.permitted) && is_read(constraints.excluded);
        is_whole.then_some(constraints).ok_or(NotDer)
    }

    pub(in crate::x509) fn permitted(&self) -> impl Iterator<Item = Subtree<'a>> + use<'a> {
        subtrees(self.permitted)
    }

    pub(in crate::x509) fn excluded(&self) -> impl Iterator<Item = Subtree<'a>> + use<'a> {
        subtrees(self.excluded)
    }
}

fn read_all(list: &[u8]) -> Option<()> {
    let mut reader = Reader::new(list);
    while !reader.is_empty() {
        subtree(&mut reader)?;
    }
    Some(())
}

fn subtrees(list: &[u8]) -> impl Iterator<Item = Subtree<'_>> {
    let mut reader = Reader::new(list);
    core::iter::from_fn(move || subtree(&mut reader))
}

fn subtree<'a>(list: &mut Reader<'a>) -> Option<Subtree<'a>> {
    let mut fields = Reader::new(list.contents(der::SEQUENCE)?);
    let base = fields.any()?;
    let is_plain = fields.is_empty();
    Some(Subtree { base, is_plain })
}
