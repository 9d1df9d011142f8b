//! Distinguished names: what is in them, and whether two are the same however they are encoded.
//!
//! RFC 5280 §4.1.2.4, §7.1. They are only compared to find an issuer where no name is equal byte
//! by byte: the signature then decides.

use crate::der::{self, Element, NotDer, Reader, SET};

/// One AttributeTypeAndValue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    /// Whether it begins a RelativeDistinguishedName; else it belongs to the one before.
    pub(super) is_first: bool,
    /// The OID.
    pub(super) kind: Element<'a>,
    pub(super) value: Element<'a>,
}

/// The attributes in the contents of a Name; the first error is the last item.
pub(super) fn attributes(name: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, NotDer>> {
    let mut names = Reader::new(name);
    let mut name = Reader::new(&[]);
    core::iter::from_fn(move || {
        let is_first = name.is_empty();
        if is_first && names.is_empty() {
            return None;
        }
        let mut read = || {
            if is_first {
                name = Reader::new(names.contents(SET)?);
            }
            let mut fields = Reader::new(name.contents(der::SEQUENCE)?);
            let (kind, value) = (fields.element(der::OID)?, fields.any()?);
            fields.is_empty().then_some(Attribute {
                is_first,
                kind,
                value,
            })
        };
        let attribute = read();
        if attribute.is_none() {
            (names, name) = (Reader::new(&[]), Reader::new(&[]));
        }
        Some(attribute.ok_or(NotDer))
    })
}

/// UTF8String, NumericString, PrintableString, TeletexString, IA5String: one byte for a character
/// of ASCII in each.
const STRINGS: [u8; 5] = [0x0c, 0x12, 0x13, 0x14, 0x16];

/// A Name written in one way only: names that are the same attribute by attribute, without regard
/// to the type of string, the case of ASCII letters, and how many spaces there are, are equal
/// bytes. Comparing two costs no more than the shorter.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CanonicalName(Box<[u8]>);

impl CanonicalName {
    /// From the contents of a Name; `None` for what is none.
    pub(super) fn new(name: &[u8]) -> Option<Self> {
        let mut canonical = Vec::with_capacity(name.len());
        for attribute in attributes(name) {
            let Attribute {
                is_first,
                kind,
                value,
            } = attribute.ok()?;
            if is_first {
                canonical.push(SET);
            }
            canonical.extend_from_slice(kind.whole);
            if STRINGS.contains(&value.tag) {
                let len = words(value.contents).count();
                canonical.extend_from_slice(&len.to_be_bytes());
                canonical.extend(words(value.contents));
            } else {
                canonical.extend_from_slice(value.whole);
            }
        }
        Some(Self(canonical.into_boxed_slice()))
    }
}

/// The characters in lower case, with one space between words.
fn words(text: &[u8]) -> impl Iterator<Item = u8> {
    text.split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty())
        .enumerate()
        .flat_map(|(at, word)| {
            let space = (at > 0).then_some(b' ');
            space
                .into_iter()
                .chain(word.iter().map(u8::to_ascii_lowercase))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One RDN for each attribute of `2.5.4.x`.
    fn name(attributes: &[(u8, u8, &str)]) -> Vec<u8> {
        let wrap = |tag: u8, contents: &[u8]| {
            let mut element = vec![tag, u8::try_from(contents.len()).unwrap()];
            element.extend_from_slice(contents);
            element
        };
        attributes
            .iter()
            .flat_map(|(kind, tag, value)| {
                let value = wrap(*tag, value.as_bytes());
                let attribute = [wrap(der::OID, &[0x55, 4, *kind]), value].concat();
                wrap(SET, &wrap(der::SEQUENCE, &attribute))
            })
            .collect()
    }

    fn is_same(one: &[u8], other: &[u8]) -> bool {
        let one = CanonicalName::new(one).unwrap();
        CanonicalName::new(other).is_some_and(|other| other == one)
    }

    #[test]
    fn names_are_compared_as_they_are_meant() {
        let one = name(&[(10, 0x0c, "Corp"), (3, 0x13, "Corp CA")]);
        for same in [
            name(&[(10, 0x13, "Corp"), (3, 0x0c, "Corp CA")]),
            name(&[(10, 0x13, "CORP "), (3, 0x0c, " corp   ca")]),
        ] {
            assert!(is_same(&one, &same));
        }
        for other in [
            name(&[(10, 0x0c, "Corp")]),
            name(&[(10, 0x0c, "Corp"), (11, 0x13, "Corp CA")]),
            name(&[(10, 0x0c, "Corp"), (3, 0x13, "CorpCA")]),
            name(&[(3, 0x13, "Corp CA"), (10, 0x0c, "Corp")]),
            // BMPString has two bytes for a character, so equal bytes mean nothing.
            name(&[(10, 0x0c, "Corp"), (3, 0x1e, "Corp CA")]),
            vec![],
            b"not DER".to_vec(),
        ] {
            assert!(!is_same(&one, &other), "{other:02x?}");
        }
    }
}
