//! Which name constraint a path breaks, once webpki has refused it for one.
//!
//! RFC 5280 §4.2.1.10. webpki compares DNS names and IP addresses, and refuses every name of
//! another kind that a CA constrains. Nothing is decided here: this tells the two apart.

use crate::der::{self, CertificateFields, Element, Reader};

const SUBJECT_ALT_NAME: &[u8] = b"\x55\x1d\x11";
const NAME_CONSTRAINTS: &[u8] = b"\x55\x1d\x1e";

/// `[n]` of GeneralName, without the bit for what is constructed.
const DNS_NAME: u8 = 0x82;
const DIRECTORY_NAME: u8 = 0x84;
const IP_ADDRESS: u8 = 0x87;
const CONSTRUCTED: u8 = 0x20;

/// What a name below a CA does to the constraints of the CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breach {
    /// It is not permitted, or is excluded.
    Forbidden,
    /// It is of a kind whose constraints are not supported.
    Unsupported(&'static str),
}

/// The contents of a certificate's NameConstraints.
pub(super) fn of<'a>(fields: &CertificateFields<'a>) -> Option<&'a [u8]> {
    let value = fields.extension(NAME_CONSTRAINTS).ok()??;
    Reader::new(value).contents(der::SEQUENCE)
}

/// Whether the names of a certificate break these constraints, and how.
pub(super) fn breach(constraints: &[u8], below: &CertificateFields<'_>) -> Option<Breach> {
    let mut constraints = Reader::new(constraints);
    let permitted = constraints.optional(der::context(0)).unwrap_or_default();
    let excluded = constraints.optional(der::context(1)).unwrap_or_default();
    let names = below.extension(SUBJECT_ALT_NAME).ok().flatten();
    let names = names.and_then(|value| Reader::new(value).contents(der::SEQUENCE));
    let mut unsupported = None;
    for name in elements(names.unwrap_or_default()) {
        let kind = name.tag & !CONSTRUCTED;
        match kind {
            DNS_NAME | IP_ADDRESS => {
                let matches = |base: &Element<'_>| is_below(kind, name.contents, base.contents);
                let mut allowed = bases(permitted, kind).peekable();
                let is_permitted = allowed.peek().is_none() || allowed.any(|base| matches(&base));
                if !is_permitted || bases(excluded, kind).any(|base| matches(&base)) {
                    return Some(Breach::Forbidden);
                }
            }
            other => unsupported = unsupported.or_else(|| constrained(permitted, excluded, other)),
        }
    }
    // The subject is a directory name.
    unsupported
        .or_else(|| constrained(permitted, excluded, DIRECTORY_NAME))
        .map(Breach::Unsupported)
}

fn constrained(permitted: &[u8], excluded: &[u8], kind: u8) -> Option<&'static str> {
    let mut all = bases(permitted, kind).chain(bases(excluded, kind));
    all.next().map(|_| match kind & 0x1f {
        0 => "otherNames",
        1 => "mail addresses",
        4 => "directory names",
        6 => "URIs",
        8 => "registered IDs",
        _ => "names of a rare kind",
    })
}

/// The bases of the subtrees that are of this kind.
fn bases(subtrees: &[u8], kind: u8) -> impl Iterator<Item = Element<'_>> {
    elements(subtrees)
        .filter_map(|subtree| Reader::new(subtree.contents).any())
        .filter(move |base| base.tag & !CONSTRUCTED == kind)
}

fn elements(contents: &[u8]) -> impl Iterator<Item = Element<'_>> {
    let mut reader = Reader::new(contents);
    core::iter::from_fn(move || reader.any())
}

fn is_below(kind: u8, name: &[u8], base: &[u8]) -> bool {
    if kind == IP_ADDRESS {
        return is_in_network(name, base);
    }
    // A wildcard stands for names below what follows it.
    let name = name.strip_prefix(b"*.").unwrap_or(name);
    let base = base.strip_prefix(b".").unwrap_or(base);
    let Some(start) = name.len().checked_sub(base.len()) else {
        return false;
    };
    let (front, end) = name.split_at_checked(start).unwrap_or_default();
    end.eq_ignore_ascii_case(base) && (base.is_empty() || front.is_empty() || front.ends_with(b"."))
}

/// A network is an address and a mask of the same length.
fn is_in_network(address: &[u8], network: &[u8]) -> bool {
    let (base, mask) = network
        .split_at_checked(network.len() / 2)
        .unwrap_or_default();
    address.len() == base.len()
        && base.len() == mask.len()
        && address
            .iter()
            .zip(base)
            .zip(mask)
            .all(|((one, other), mask)| (one ^ other) & mask == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_below_what_they_end_with() {
        for (name, base, expected) in [
            ("a.example", "example", true),
            ("A.EXAMPLE", ".example", true),
            ("example", "example", true),
            ("*.example", "example", true),
            ("bexample", "example", false),
            ("example", "a.example", false),
            ("anything", "", true),
        ] {
            let below = is_below(DNS_NAME, name.as_bytes(), base.as_bytes());
            assert_eq!(below, expected, "{name} below {base}");
        }
        assert!(is_in_network(
            &[10, 1, 2, 3],
            &[10, 1, 0, 0, 255, 255, 0, 0]
        ));
        assert!(!is_in_network(
            &[10, 2, 2, 3],
            &[10, 1, 0, 0, 255, 255, 0, 0]
        ));
        assert!(!is_in_network(&[10, 1, 2, 3], &[10, 1]));
    }
}
