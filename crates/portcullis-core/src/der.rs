//! Just enough DER to find the fields of a certificate or key without copying them.
//!
//! ITU-T X.690. Nothing here allocates or calls itself, and every length is checked against what
//! is there, so the cost of reading is at most that of looking at each byte.

use core::fmt::Write as _;

/// INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// BIT STRING.
pub(crate) const BIT_STRING: u8 = 0x03;
/// OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// OBJECT IDENTIFIER.
pub(crate) const OID: u8 = 0x06;
/// SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
/// SET.
pub(crate) const SET: u8 = 0x31;
/// BOOLEAN.
pub(crate) const BOOLEAN: u8 = 0x01;
/// `[n]`, constructed.
pub(crate) const fn context(n: u8) -> u8 {
    0xa0 | n
}

/// One element: its tag, its contents, and both with the header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) contents: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// Reads elements one after the other; every method answers `None` for what is not DER.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What has not been read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next element, whatever it is. Lengths need at most four bytes: long lists of revoked certificates have
    /// more than 16 MiB.
    pub(crate) fn any(&mut self) -> Option<Element<'a>> {
        let (&tag, after_tag) = self.rest.split_first()?;
        // X.690 §8.1.2.4: a tag number of 31 or more, which no certificate has.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, after_first) = after_tag.split_first()?;
        let (len, body) = match first {
            0..=0x7f => (usize::from(first), after_first),
            0x81..=0x84 => {
                let (bytes, body) = after_first.split_at_checked(usize::from(first & 0x7f))?;
                let len = bytes
                    .iter()
                    .fold(0_usize, |len, &byte| (len << 8) | usize::from(byte));
                // X.690 §10.1: the shortest form only.
                let shortest = len >= 0x80 && bytes.first() != Some(&0);
                (shortest.then_some(len)?, body)
            }
            _ => return None,
        };
        let (contents, rest) = body.split_at_checked(len)?;
        let (whole, _) = self
            .rest
            .split_at_checked(self.rest.len().checked_sub(rest.len())?)?;
        self.rest = rest;
        Some(Element {
            tag,
            contents,
            whole,
        })
    }

    /// The next element, which has to have this tag.
    pub(crate) fn element(&mut self, tag: u8) -> Option<Element<'a>> {
        self.any().filter(|element| element.tag == tag)
    }

    /// The contents of the next element, which has to have this tag.
    pub(crate) fn contents(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element(tag).map(|element| element.contents)
    }

    /// The contents of the next element if it has this tag; otherwise nothing is read.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.rest.first() == Some(&tag) {
            self.contents(tag)
        } else {
            None
        }
    }
}

/// The contents of the one element that these bytes are, which has to have this tag.
pub(crate) fn only(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes);
    let contents = reader.contents(tag)?;
    reader.is_empty().then_some(contents)
}

/// The value of a BOOLEAN (X.690 §11.1). FALSE is the default wherever certificates have one, so
/// DER leaves it out; but many write it, and there is only one way to take it.
pub(crate) const fn boolean(contents: &[u8]) -> Option<bool> {
    match contents {
        [0xff] => Some(true),
        [0x00] => Some(false),
        _ => None,
    }
}

/// The value of an INTEGER (X.690 §8.3) that must not be negative; what is too large for the type
/// is its largest value.
pub(crate) fn unsigned(contents: &[u8]) -> Option<usize> {
    match contents {
        [] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => None,
        digits => Some(digits.iter().fold(0, |value: usize, &digit| {
            let shifted = value.checked_mul(0x100);
            shifted.map_or(usize::MAX, |value| value | usize::from(digit))
        })),
    }
}

/// The bits of a BIT STRING, from the highest bit of the first byte on (X.690 §8.6, §11.2.1: what
/// is left of the last byte is zero, so that no bit is set that is not there).
pub(crate) fn bits(contents: &[u8]) -> Option<&[u8]> {
    let (&unused, bits) = contents.split_first()?;
    let padding = match (unused, bits.last()) {
        (0, None) => 0,
        (0..=7, Some(last)) => last & ((1 << unused) - 1),
        _ => return None,
    };
    (padding == 0).then_some(bits)
}

/// An OBJECT IDENTIFIER in digits and dots (X.690 §8.19); `None` for what is none, or has a
/// number of more than 63 bits.
pub(crate) fn dotted(contents: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut number: u64 = 0;
    let mut is_complete = false;
    for &byte in contents {
        // §8.19.2: the shortest form only.
        if number == 0 && byte == 0x80 || number >> 56 != 0 {
            return None;
        }
        number = number << 7 | u64::from(byte & 0x7f);
        is_complete = byte & 0x80 == 0;
        if !is_complete {
            continue;
        }
        if text.is_empty() {
            // §8.19.4: the first two are in one number.
            let first = (number / 40).min(2);
            text = first.to_string();
            number -= first * 40;
        }
        // Writing to a string does not fail.
        let _ = write!(text, ".{number}");
        number = 0;
    }
    is_complete.then_some(text)
}

/// The algorithm (OID and parameters) and the key of a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
pub(crate) fn public_key_info(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    public_key_info_contents(only(spki, SEQUENCE)?)
}

/// The same of one without its header.
pub(crate) fn public_key_info_contents(contents: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut spki = Reader::new(contents);
    let algorithm = spki.contents(SEQUENCE)?;
    match (spki.contents(BIT_STRING)?.split_first()?, spki.is_empty()) {
        ((0, key), true) => Some((algorithm, key)),
        _ => None,
    }
}

/// A SubjectPublicKeyInfo, from what [`public_key_info`] gives.
pub(crate) fn put_public_key_info(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    // No bit of the last byte is unused.
    let key = [&[0], key].concat();
    sequence(&[sequence(algorithm), element(BIT_STRING, &key)].concat())
}

/// A SEQUENCE with these contents (X.690 §8.1.3).
pub(crate) fn sequence(contents: &[u8]) -> Vec<u8> {
    element(SEQUENCE, contents)
}

/// A SET with these contents.
pub(crate) fn set(contents: &[u8]) -> Vec<u8> {
    element(SET, contents)
}

/// An element of this tag.
pub(crate) fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let length = length.get(zeros..).unwrap_or_default();
    let mut out = Vec::with_capacity(2 + length.len() + contents.len());
    out.push(tag);
    if contents.len() >= 0x80 {
        // At most eight bytes of length.
        out.push(0x80 | u8::try_from(length.len()).unwrap_or(8));
    }
    match length {
        [] => out.push(0),
        length => out.extend_from_slice(length),
    }
    out.extend_from_slice(contents);
    out
}

/// The bytes are not DER, or not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotDer;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_their_lengths() {
        let mut long = vec![OCTET_STRING, 0x81, 0x80];
        long.extend([7; 0x80]);
        long.push(0);
        let mut reader = Reader::new(&long);
        let element = reader.any().unwrap();
        assert_eq!(element.contents, [7; 0x80]);
        assert_eq!(element.whole.len(), 0x83);
        assert!(!reader.is_empty());

        for bad in [
            &[][..],
            &[0x30],
            &[0x30, 1],
            &[0x30, 0x80],          // indefinite
            &[0x30, 0x81, 0x01, 0], // not the shortest form
            &[0x30, 0x84, 0, 0, 0, 0],
            &[0x30, 0x85, 0, 0, 0, 0, 0],
            &[0x1f, 0x01, 0],
        ] {
            assert!(Reader::new(bad).any().is_none(), "{bad:02x?}");
        }
    }

    #[test]
    fn values() {
        assert_eq!(boolean(&[0xff]), Some(true));
        assert_eq!(boolean(&[0]), Some(false));
        for bad in [&[][..], &[1], &[0xff, 0xff]] {
            assert_eq!(boolean(bad), None, "{bad:02x?}");
        }

        assert_eq!(unsigned(&[0]), Some(0));
        assert_eq!(unsigned(&[0, 0x80]), Some(0x80));
        assert_eq!(unsigned(&[1, 0, 0]), Some(0x1_0000));
        assert_eq!(unsigned(&[0x7f; 9]), Some(usize::MAX));
        for bad in [&[][..], &[0xff], &[0, 0x7f], &[0, 0]] {
            assert_eq!(unsigned(bad), None, "{bad:02x?}");
        }

        assert_eq!(bits(&[0]), Some(&[][..]));
        assert_eq!(bits(&[7, 0x80]), Some(&[0x80][..]));
        assert_eq!(bits(&[0, 0xff, 1]), Some(&[0xff, 1][..]));
        for bad in [&[][..], &[1], &[8, 0], &[7, 0x84], &[1, 0, 1]] {
            assert_eq!(bits(bad), None, "{bad:02x?}");
        }

        assert_eq!(only(&[INTEGER, 1, 7], INTEGER), Some(&[7][..]));
        for bad in [&[][..], &[INTEGER, 1, 7, 0], &[OID, 1, 7]] {
            assert_eq!(only(bad, INTEGER), None, "{bad:02x?}");
        }
    }

    #[test]
    fn what_is_wrapped_is_read_again() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let contents = vec![7; length];
            assert_eq!(
                only(&sequence(&contents), SEQUENCE),
                Some(&*contents),
                "{length}"
            );
        }
    }

    #[test]
    fn object_identifiers() {
        for (contents, expected) in [
            (&b"\x55\x1d\x36"[..], "2.5.29.54"),
            (
                b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01",
                "1.2.840.113549.1.9.1",
            ),
            (
                b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19",
                "0.9.2342.19200300.100.1.25",
            ),
            (b"\x88\x37\x03", "2.999.3"),
            (b"\x00", "0.0"),
        ] {
            assert_eq!(dotted(contents).as_deref(), Some(expected));
        }
        let too_large = [&[0x55][..], &[0xff; 9], &[0x7f]].concat();
        for bad in [&[][..], &[0x55, 0x80, 1], &[0x55, 0x81], &too_large] {
            assert_eq!(dotted(bad), None, "{bad:02x?}");
        }
    }
}
