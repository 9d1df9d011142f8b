//! BER in DER: NSS, Firefox and macOS write lengths that are not known beforehand, and strings in pieces.
//!
//! ITU-T X.690 §8.1.3, §8.7.3, §10.

use zeroize::Zeroizing;

use super::der::{OCTET_STRING, header};

/// Elements in each other.
const DEEPEST: u32 = 32;
const CONSTRUCTED: u8 = 0x20;
const END_OF_CONTENTS: &[u8] = &[0, 0];

/// The first element, with lengths that are definite and as short as can be, and strings in one piece; and what is
/// behind it. What is in strings stays as it is. `None` if there is no element, or it is too deep.
pub(super) fn to_der(ber: &[u8]) -> Option<(Zeroizing<Vec<u8>>, &[u8])> {
    // There may be keys in it, and what grows leaves its beginning behind. Only the header of what was indefinite grows,
    // by a byte for each that has 64 KiB in it.
    let mut der = Zeroizing::new(Vec::with_capacity(ber.len() + ber.len() / 1_024 + 64));
    let rest = add(ber, &mut der, DEEPEST)?;
    Some((der, rest))
}

fn add<'a>(ber: &'a [u8], der: &mut Vec<u8>, depth: u32) -> Option<&'a [u8]> {
    let (tag, length, behind) = read_header(ber)?;
    let start = der.len();
    let (tag, rest) = match tag {
        _ if tag & CONSTRUCTED == 0 => {
            let (contents, rest) = behind.split_at_checked(length?)?;
            der.extend_from_slice(contents);
            (tag, rest)
        }
        // A string in pieces.
        _ if tag & !CONSTRUCTED == OCTET_STRING => {
            let rest = each(length, behind, |piece| add_piece(piece, der, depth))?;
            (OCTET_STRING, rest)
        }
        _ => {
            let depth = depth.checked_sub(1)?;
            (tag, each(length, behind, |part| add(part, der, depth))?)
        }
    };
    let header = header(tag, der.len().checked_sub(start)?);
    der.splice(start..start, header);
    Some(rest)
}

/// What is in a piece of a string, which may be in pieces itself.
fn add_piece<'a>(ber: &'a [u8], der: &mut Vec<u8>, depth: u32) -> Option<&'a [u8]> {
    let (tag, length, behind) = read_header(ber)?;
    match tag & !CONSTRUCTED == OCTET_STRING {
        false => None,
        true if tag == OCTET_STRING => {
            let (contents, rest) = behind.split_at_checked(length?)?;
            der.extend_from_slice(contents);
            Some(rest)
        }
        true => {
            let depth = depth.checked_sub(1)?;
            each(length, behind, |piece| add_piece(piece, der, depth))
        }
    }
}

/// Takes the elements of one that has this length, or an end. What is behind it.
fn each<'a>(
    length: Option<usize>,
    behind: &'a [u8],
    mut take: impl FnMut(&'a [u8]) -> Option<&'a [u8]>,
) -> Option<&'a [u8]> {
    let (mut contents, rest) = match length {
        Some(length) => behind.split_at_checked(length)?,
        None => (behind, &[][..]),
    };
    loop {
        match length {
            Some(_) if contents.is_empty() => return Some(rest),
            None if contents.starts_with(END_OF_CONTENTS) => {
                return contents.get(END_OF_CONTENTS.len()..);
            }
            _ => contents = take(contents)?,
        }
    }
}

/// Tag, length, if it is definite, and what is behind them.
fn read_header(ber: &[u8]) -> Option<(u8, Option<usize>, &[u8])> {
    let (&tag, rest) = ber.split_first()?;
    // No tag of more bytes is in such files.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    match first {
        0..=0x7f => Some((tag, Some(usize::from(first)), rest)),
        0x80 => (tag & CONSTRUCTED != 0).then_some((tag, None, rest)),
        0x81..=0xff => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits.iter().try_fold(0_usize, |length, digit| {
                length.checked_mul(0x100)?.checked_add((*digit).into())
            });
            Some((tag, Some(length?), rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::der::{SEQUENCE, element};
    use super::*;

    fn converted(ber: &[u8]) -> Option<Vec<u8>> {
        let (der, rest) = to_der(ber)?;
        assert_eq!(rest, b"rest");
        Some(der.to_vec())
    }

    #[test]
    fn lengths_and_strings_become_those_of_der() {
        for (ber, der) in [
            (
                &b"\x30\x80\x02\x01\x03\0\0rest"[..],
                &b"\x30\x03\x02\x01\x03"[..],
            ),
            (b"\x30\x81\x03\x02\x01\x03rest", b"\x30\x03\x02\x01\x03"),
            (b"\x30\x83\0\0\x03\x02\x01\x03rest", b"\x30\x03\x02\x01\x03"),
            (b"\x24\x80\x04\x02ab\x04\x01c\0\0rest", b"\x04\x03abc"),
            (b"\x24\x07\x04\x02ab\x04\x01crest", b"\x04\x03abc"),
            (
                b"\x24\x80\x24\x80\x04\x01a\0\0\x24\x03\x04\x01b\0\0rest",
                b"\x04\x02ab",
            ),
            (b"\xa0\x80\x24\x80\0\0\0\0rest", b"\xa0\x02\x04\0"),
            // What is in a string is not looked at.
            (b"\x04\x04\x30\x80\0\0rest", b"\x04\x04\x30\x80\0\0"),
        ] {
            assert_eq!(
                converted(ber).as_deref(),
                Some(der),
                "{}",
                ber.escape_ascii()
            );
        }
    }

    #[test]
    fn what_is_der_stays_as_it_is() {
        for length in [0, 127, 128, 255, 256, 65_535, 65_536] {
            let der = element(SEQUENCE, &[&element(OCTET_STRING, &[&vec![7; length]])]);
            let (same, rest) = to_der(&der).unwrap();
            assert_eq!((&*same, rest), (&der, &[][..]));
        }
    }

    #[test]
    fn what_has_no_end_or_is_too_deep_is_refused() {
        for bad in [
            &b""[..],
            b"\x30",
            b"\x30\x80",
            b"\x30\x80\x02\x01\x03",
            b"\x30\x80\x02\x01\x03\0",
            // Only what has elements in it may have no length.
            b"\x04\x80\0\0",
            b"\x04\x82\x01",
            b"\x04\x89\x01\0\0\0\0\0\0\0\0",
            b"\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff",
            // A string of numbers.
            b"\x24\x80\x02\x01\x03\0\0",
            b"\x1f\x01\0",
        ] {
            assert!(to_der(bad).is_none(), "{}", bad.escape_ascii());
        }
        for begin in [b"\x30\x80", b"\x24\x80"] {
            let deep = |depth: usize| [begin.repeat(depth), b"\0\0".repeat(depth)].concat();
            assert!(to_der(&deep(32)).is_some());
            assert!(to_der(&deep(2_000_000)).is_none());
        }
    }

    /// Each level is copied once, and nothing of it is left where it has grown.
    #[test]
    fn the_largest_files_are_converted_in_place() {
        let inner = element(OCTET_STRING, &[&vec![7; 4 * 1024 * 1024 - 200]]);
        let mut ber = b"\x30\x80".repeat(30);
        ber.extend(inner);
        ber.extend(b"\0\0".repeat(30));
        let (der, _) = to_der(&ber).unwrap();
        assert!(der.len() > ber.len());
        assert!(der.capacity() < ber.len() + ber.len() / 1_024 + 100);
        // Many small ones.
        let small = element(SEQUENCE, &[&b"\x24\x80\0\0".repeat(1_000_000)]);
        assert_eq!(to_der(&small).unwrap().0.len(), 2_000_000 + 5);
    }
}
