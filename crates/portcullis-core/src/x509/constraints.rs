//! Which name constraint a path breaks, once webpki has refused it for one.
//!
//! RFC 5280 §4.2.1.10. webpki compares DNS names and IP addresses, and refuses every name of
//! another kind that a CA constrains. Nothing is decided here: this finds the first name that is
//! so, in webpki's order, and tells the two apart.

use super::certificate::Certificate;
use super::extension::alt_name::{
    DIRECTORY_NAME, DNS_NAME, GeneralNames, IP_ADDRESS, MAIL_ADDRESS, OTHER_NAME, REGISTERED_ID,
    URI,
};
use super::extension::name_constraints::NameConstraints;
use crate::der::Element;

/// What a name below a CA does to the constraints of the CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breach {
    /// It is not permitted, or is excluded.
    Forbidden,
    /// It is of a kind whose constraints are not supported.
    Unsupported(&'static str),
}

/// How much of constraints is read at most to explain one refusal, in bytes: a CA may have
/// thousands, and a certificate below it as many names.
pub(super) const MAX_READ: usize = 4 << 20;

/// Whether the names of a certificate break these constraints, and how the first one does; `None`
/// also when no more is `left` to be read.
pub(super) fn breach(
    constraints: NameConstraints<'_>,
    below: &Certificate<'_>,
    left: &mut usize,
) -> Option<Breach> {
    for name in GeneralNames::of_subject(below).unwrap_or_default().iter() {
        *left = left.checked_sub(constraints.len())?;
        match name.tag {
            kind @ (DNS_NAME | IP_ADDRESS) => {
                let matches = |base: &Element<'_>| is_below(kind, name.contents, base.contents);
                let mut allowed = constraints.permitted(kind).peekable();
                let is_permitted = allowed.peek().is_none() || allowed.any(|base| matches(&base));
                if !is_permitted || constraints.excluded(kind).any(|base| matches(&base)) {
                    return Some(Breach::Forbidden);
                }
            }
            other => {
                if let Some(names) = constrained(constraints, other) {
                    return Some(Breach::Unsupported(names));
                }
            }
        }
    }
    // The subject is a directory name.
    constrained(constraints, DIRECTORY_NAME).map(Breach::Unsupported)
}

fn constrained(constraints: NameConstraints<'_>, kind: u8) -> Option<&'static str> {
    let mut all = constraints
        .permitted(kind)
        .chain(constraints.excluded(kind));
    all.next().map(|_| match kind {
        OTHER_NAME => "otherNames",
        MAIL_ADDRESS => "mail addresses",
        DIRECTORY_NAME => "directory names",
        URI => "URIs",
        REGISTERED_ID => "registered IDs",
        _ => "names of a rare kind",
    })
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
