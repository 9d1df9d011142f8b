//! Distinguished names: what is in them, and whether two are the same however they are encoded.
//!
//! RFC 5280 §4.1.2.4, §7.1. Strings are compared without regard to their type, the case of ASCII
//! letters and how many spaces there are.

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

/// Names with more attributes, which nobody has, are the same byte by byte only.
const MAX_ATTRIBUTES: usize = 128;

/// What it costs to look at one is that of so many bytes.
const BYTES_OF_AN_ATTRIBUTE: usize = 16;

/// Whether two Names, with their headers, are the same however they are encoded. Where they are
/// not equal byte by byte, how many bytes were compared is added to `read`.
pub(super) fn is_same(one: &[u8], other: &[u8], read: &mut usize) -> bool {
    one == other || begins_with(one, other, read) == Ok(Beginning::Whole)
}

/// Whether a Name is that of a subtree, or of something in it (§4.2.1.10): it begins with the
/// names in `base`. Both are with their headers.
///
/// # Errors
/// When that cannot be told.
pub(super) fn is_within(name: &[u8], base: &[u8], read: &mut usize) -> Result<bool, NotDer> {
    Ok(begins_with(name, base, read)? != Beginning::Other)
}

/// The mail addresses in a Name with its header (RFC 2985 §5.2.1); that it cannot be read further is the last item.
pub(super) fn mail_addresses(name: &[u8]) -> impl Iterator<Item = Result<&[u8], NotDer>> {
    const EMAIL_ADDRESS: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01";
    let contents = der::only(name, der::SEQUENCE);
    let damaged = contents.is_none().then_some(Err(NotDer));
    let attributes = attributes(contents.unwrap_or_default());
    let addresses = attributes.filter_map(|attribute| match attribute {
        Ok(own) => (own.kind.contents == EMAIL_ADDRESS).then_some(Ok(own.value.contents)),
        Err(NotDer) => Some(Err(NotDer)),
    });
    damaged.into_iter().chain(addresses)
}

/// How a name begins.
#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    /// In another way.
    Other,
    /// So, and there is nothing behind that.
    Whole,
    /// So, and there is more.
    Part,
}

/// An error also where it is too long to be compared.
fn begins_with(name: &[u8], base: &[u8], read: &mut usize) -> Result<Beginning, NotDer> {
    let contents = |name| der::only(name, der::SEQUENCE).ok_or(NotDer);
    let mut name = attributes(contents(name)?);
    for (count, wanted) in attributes(contents(base)?).enumerate() {
        let wanted = wanted?;
        let Some(own) = name.next() else {
            return Ok(Beginning::Other);
        };
        let own = own?;
        // Either may be long by blanks alone, which are passed over one by one.
        let values = own.value.contents.len() + wanted.value.contents.len();
        *read = read.saturating_add(BYTES_OF_AN_ATTRIBUTE + values);
        if count >= MAX_ATTRIBUTES {
            return Err(NotDer);
        }
        if !own.is_same(&wanted) {
            return Ok(Beginning::Other);
        }
    }
    Ok(match name.next() {
        None => Beginning::Whole,
        // A part of a RelativeDistinguishedName is not the whole.
        Some(own) => match own?.is_first {
            true => Beginning::Part,
            false => Beginning::Other,
        },
    })
}

impl Attribute<'_> {
    fn is_same(&self, other: &Self) -> bool {
        let (own, others) = (&self.value, &other.value);
        let value = match STRINGS.contains(&own.tag) && STRINGS.contains(&others.tag) {
            true => {
                own.contents == others.contents || words(own.contents).eq(words(others.contents))
            }
            false => own.whole == others.whole,
        };
        value && self.is_first == other.is_first && self.kind.whole == other.kind.whole
    }
}

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
        let canonical = CanonicalName::new(one).unwrap();
        let same = CanonicalName::new(other).is_some_and(|other| other == canonical);
        let (one, other) = (der::sequence(one), der::sequence(other));
        assert_eq!(super::is_same(&one, &other, &mut 0), same);
        assert_eq!(super::is_same(&other, &one, &mut 0), same);
        same
    }

    /// Whole names, from the first on.
    #[test]
    fn names_are_within_what_they_begin_with() {
        let of = |attributes: &[(u8, u8, &str)]| der::sequence(&name(attributes));
        let base = of(&[(6, 0x13, "US"), (10, 0x0c, "Corp")]);
        for (within, expected) in [
            (of(&[(6, 0x13, "us"), (10, 0x13, "corp")]), true),
            (
                of(&[(6, 0x13, "US"), (10, 0x0c, "Corp"), (3, 0x0c, "a")]),
                true,
            ),
            (of(&[(6, 0x13, "US")]), false),
            (of(&[(10, 0x0c, "Corp"), (6, 0x13, "US")]), false),
            (of(&[(6, 0x13, "US"), (10, 0x0c, "Corp2")]), false),
            (of(&[]), false),
        ] {
            assert_eq!(
                is_within(&within, &base, &mut 0),
                Ok(expected),
                "{within:02x?}"
            );
        }
        // Nobody can tell.
        let long = of(&[(3, 0x0c, "a"); 3]);
        for (within, base) in [
            (vec![0x30, 1, 0], base.clone()),
            (base.clone(), vec![0x30, 1, 0]),
            (
                long.clone(),
                der::sequence(&[long.clone(), vec![5]].concat()),
            ),
        ] {
            assert_eq!(
                is_within(&within, &base, &mut 0),
                Err(NotDer),
                "{within:02x?}"
            );
        }
        // Two attributes of one name are not one of them.
        let attribute = |kind| der::sequence(&[6, 3, 0x55, 4, kind, 0x0c, 1, b'a']);
        let set = |attributes: &[u8]| {
            let mut set = vec![SET, u8::try_from(attributes.len()).unwrap()];
            set.extend(attributes);
            der::sequence(&set)
        };
        let (one, both) = (
            set(&attribute(3)),
            set(&[attribute(3), attribute(10)].concat()),
        );
        assert_eq!(is_within(&both, &one, &mut 0), Ok(false));
        assert_eq!(is_within(&one, &both, &mut 0), Ok(false));
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
