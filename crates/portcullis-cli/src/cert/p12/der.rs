//! Elements of DER, read one after the other and written.
//!
//! ITU-T X.690.

use x509_parser::asn1_rs::{Any, FromDer as _};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const BMP_STRING: u8 = 0x1e;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, with elements in it or without.
pub(super) const CONTEXT_0: u8 = 0xa0;
pub(super) const PLAIN_CONTEXT_0: u8 = 0x80;

/// What has not been read.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// The next element, with its header, and its contents; it has to have this tag.
    fn element(&mut self, tag: u8) -> Option<(&'a [u8], &'a [u8])> {
        let (rest, any) = Any::from_der(self.0).ok()?;
        let whole = self.0.get(..self.0.len().checked_sub(rest.len())?)?;
        if whole.first() != Some(&tag) {
            return None;
        }
        self.0 = rest;
        Some((whole, any.data))
    }

    pub(super) fn contents(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element(tag).map(|(_, contents)| contents)
    }

    /// With its header.
    pub(super) fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element(tag).map(|(whole, _)| whole)
    }

    /// The elements in the next one.
    pub(super) fn within(&mut self, tag: u8) -> Option<Self> {
        self.contents(tag).map(Self)
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        let contents = self.contents(INTEGER)?;
        let digits = match contents {
            [0, digits @ ..] => digits,
            [0x80..=0xff, ..] => return None,
            digits => digits,
        };
        // What is larger than all is too large anyway.
        let number = digits.iter().try_fold(0_u32, |number, digit| {
            number.checked_mul(0x100)?.checked_add(u32::from(*digit))
        });
        Some(number.unwrap_or(u32::MAX))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An element with these parts in it.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let header = header(tag, length);
    // Grown, it would leave a key behind.
    let mut out = Vec::with_capacity(header.len() + length);
    out.extend(header);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// Tag and length.
pub(super) fn header(tag: u8, length: usize) -> Vec<u8> {
    let digits = length.to_be_bytes();
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = digits.get(zeros..).unwrap_or_default();
    match u8::try_from(length) {
        Ok(short @ ..=0x7f) => vec![tag, short],
        _ => {
            let count = u8::try_from(digits.len()).unwrap_or_default();
            [&[tag, 0x80 | count], digits].concat()
        }
    }
}

pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, parts)
}

/// A number that is not negative.
pub(super) fn number(number: u32) -> Vec<u8> {
    let digits = number.to_be_bytes();
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    match digits.get(zeros..).unwrap_or_default() {
        digits @ [0..=0x7f, ..] => element(INTEGER, &[digits]),
        digits => element(INTEGER, &[&[0], digits]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let contents = vec![7; length];
            let written = element(OCTET_STRING, &[&contents]);
            let mut elements = Elements(&written);
            assert_eq!(elements.contents(OCTET_STRING), Some(&*contents));
            assert!(elements.is_empty());
            assert_eq!(Elements(&written).contents(SEQUENCE), None);
            assert_eq!(
                Elements(&written[..written.len() - 1]).contents(OCTET_STRING),
                None
            );
        }
        for value in [0, 1, 127, 128, 2_048, 65_535, 600_000, u32::MAX] {
            assert_eq!(Elements(&number(value)).number(), Some(value), "{value}");
        }
        assert_eq!(Elements(&[INTEGER, 1, 0x80]).number(), None);
        assert_eq!(
            Elements(&[INTEGER, 5, 1, 0, 0, 0, 0]).number(),
            Some(u32::MAX)
        );
    }
}
