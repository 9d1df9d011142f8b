//! RFC 5280 §4.2.1.10: which names may stand in the certificates below a CA.

use crate::der::{self, Element, Reader};
use crate::x509::certificate::Certificate;

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

impl<'a> NameConstraints<'a> {
    pub(in crate::x509) fn of(certificate: &Certificate<'a>) -> Option<Self> {
        let value = certificate.extension(NAME_CONSTRAINTS).ok()??;
        Some(Self::from_contents(der::only(value, der::SEQUENCE)?))
    }

    /// From the contents of the SEQUENCE, as anchors have them.
    pub(in crate::x509) fn from_contents(contents: &'a [u8]) -> Self {
        let mut fields = Reader::new(contents);
        Self {
            permitted: fields.optional(der::context(0)).unwrap_or_default(),
            excluded: fields.optional(der::context(1)).unwrap_or_default(),
        }
    }

    /// Its length in bytes.
    pub(in crate::x509) const fn len(&self) -> usize {
        self.permitted.len() + self.excluded.len()
    }

    /// The bases of the permitted subtrees that are of the kind of a GeneralName's tag.
    pub(in crate::x509) fn permitted(
        &self,
        kind: u8,
    ) -> impl Iterator<Item = Element<'a>> + use<'a> {
        bases(self.permitted, kind)
    }

    /// The bases of the excluded ones.
    pub(in crate::x509) fn excluded(
        &self,
        kind: u8,
    ) -> impl Iterator<Item = Element<'a>> + use<'a> {
        bases(self.excluded, kind)
    }
}

/// Whether a name has its parts in it or not is no matter here: wrong ones are refused as such.
fn bases(subtrees: &[u8], kind: u8) -> impl Iterator<Item = Element<'_>> {
    let mut reader = Reader::new(subtrees);
    core::iter::from_fn(move || reader.any())
        .filter_map(|subtree| Reader::new(subtree.contents).any())
        .filter(move |base| base.tag | CONSTRUCTED == kind | CONSTRUCTED)
}
