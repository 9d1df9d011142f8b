//! Whether the names of a certificate are those that a CA above it may certify.
//!
//! RFC 5280 §4.2.1.10, §6.1.4 (g). Names of kinds that nobody compares are refused below a CA
//! that constrains them: nothing is permitted, everything excluded.

use crate::der::{self, NotDer};
use crate::x509::certificate::Certificate;
use crate::x509::extension::GeneralNames;
use crate::x509::extension::alt_name::{
    DIRECTORY_NAME, DNS_NAME, IP_ADDRESS, MAIL_ADDRESS, OTHER_NAME, REGISTERED_ID, URI,
};
use crate::x509::extension::name_constraints::{NameConstraints, Subtree};
use crate::x509::host_name::{Wildcard, is_dns_name};
use crate::x509::name;

/// How many comparisons of a name with a subtree one chain may cost.
pub(in crate::x509) const MAX_COMPARISONS: usize = 250_000;

/// A comparison of long names counts once for so many bytes.
const BYTES_PER_COMPARISON: usize = 64;

/// Names in parts are taken apart and compared letter by letter, which costs so much more for a byte.
const COST_OF_PARTS: usize = 4;

/// What a name below a CA does to the constraints of the CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Breach {
    /// It is not permitted, or is excluded.
    Forbidden,
    /// It is of a kind whose constraints are not supported.
    OtherNames,
    RegisteredIds,
    RareNames,
    /// The alternative names cannot be read.
    Names,
    /// Nor can the subject.
    Subject,
    /// Nor can the constraints.
    Constraints,
    /// There are too many comparisons.
    TooMany,
}

/// What somebody has accepted of the names below one CA: a bit for each breach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted(u8);

impl Accepted {
    pub(super) const NONE: Self = Self(0);

    pub(super) const fn has(self, breach: Breach) -> bool {
        self.0 & 1 << breach as u8 != 0
    }

    pub(super) const fn and(self, breach: Breach) -> Self {
        Self(self.0 | 1 << breach as u8)
    }

    /// The part of the row that goes on with this CA: the first, or so many below it.
    pub(super) const fn part(self, ca: usize) -> usize {
        ca << u8::BITS | self.0 as usize
    }

    pub(super) const fn of_part(part: usize) -> (usize, Self) {
        (part >> u8::BITS, Self((part & 0xff) as u8))
    }
}

/// Whether a certificate has only names that these constraints allow, but for what is accepted. What that costs is
/// taken from `left`.
pub(super) fn check(
    constraints: NameConstraints<'_>,
    below: &Certificate<'_>,
    left: &mut usize,
    accepted: Accepted,
) -> Result<(), Breach> {
    let but_accepted = |breach| match accepted.has(breach) {
        true => Ok(()),
        false => Err(breach),
    };
    let names = match GeneralNames::of_subject(below) {
        Ok(names) => names,
        Err(NotDer) => {
            but_accepted(Breach::Names)?;
            GeneralNames::default()
        }
    };
    let constraints = Constraints::read(constraints, left)?;
    let limits_mail = || {
        let lists = constraints.lists;
        let mut all = lists.permitted().chain(lists.excluded());
        all.any(|subtree| subtree.is_of(MAIL_ADDRESS))
    };
    let mut check = |kind, contents| {
        let verdict = Name::read(kind, contents).check(&constraints, left);
        verdict.or_else(but_accepted)
    };
    for name in names.iter() {
        check(name.tag, name.contents)?;
    }
    if der::only(below.subject, der::SEQUENCE).is_some_and(<[u8]>::is_empty) {
        return Ok(());
    }
    check(DIRECTORY_NAME, below.subject)?;
    for address in name::mail_addresses(below.subject) {
        match address {
            Ok(address) => check(MAIL_ADDRESS, address)?,
            // What is behind it may be another.
            Err(NotDer) if limits_mail() => but_accepted(Breach::Subject)?,
            Err(NotDer) => {}
        }
    }
    Ok(())
}

/// The lists of a CA, with what is found out once and not again for each name.
struct Constraints<'a> {
    lists: NameConstraints<'a>,
    /// An excluded host is none, and so nobody can tell which hosts are not in it.
    excludes_every_host: bool,
}

impl<'a> Constraints<'a> {
    fn read(lists: NameConstraints<'a>, left: &mut usize) -> Result<Self, Breach> {
        let mut excludes_every_host = false;
        for subtree in lists.excluded().filter(|one| one.is_of(DNS_NAME)) {
            spend(left, BYTES_PER_COMPARISON + subtree.base.contents.len())?;
            excludes_every_host |= !is_base_of_hosts(subtree.base.contents);
        }
        Ok(Self {
            lists,
            excludes_every_host,
        })
    }
}

/// Takes the comparison of so many bytes from what is left.
fn spend(left: &mut usize, bytes: usize) -> Result<(), Breach> {
    let rest = left.checked_sub(bytes / BYTES_PER_COMPARISON);
    *left = rest.ok_or(Breach::TooMany)?;
    Ok(())
}

/// A GeneralName. What is compared of it is found once, since there may be many to compare it with.
struct Name<'a> {
    /// Its tag.
    kind: u8,
    contents: &'a [u8],
    compared: Compared<'a>,
}

#[derive(Clone, Copy)]
enum Compared<'a> {
    Host(&'a [u8]),
    Address(&'a [u8]),
    /// What stands before and behind the last `@`.
    Mailbox(&'a [u8], &'a [u8]),
    HostOfUri(&'a [u8]),
    Directory(&'a [u8]),
    /// Of a kind that nobody compares, or not what it has to be.
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Subtrees {
    Permitted,
    Excluded,
}

impl<'a> Name<'a> {
    fn read(kind: u8, contents: &'a [u8]) -> Self {
        let compared = match kind {
            DNS_NAME => {
                is_dns_name(contents, Wildcard::Allowed).then_some(Compared::Host(contents))
            }
            IP_ADDRESS => Some(Compared::Address(contents)),
            MAIL_ADDRESS => mailbox(contents)
                .filter(|(_, host)| is_dns_name(host, Wildcard::Refused))
                .map(|(local, host)| Compared::Mailbox(local, host)),
            URI => host_of_uri(contents).map(Compared::HostOfUri),
            DIRECTORY_NAME => Some(Compared::Directory(contents)),
            _ => None,
        };
        Self {
            kind,
            contents,
            compared: compared.unwrap_or(Compared::Nothing),
        }
    }

    fn check(&self, constraints: &Constraints<'_>, left: &mut usize) -> Result<(), Breach> {
        let (mut is_limited, mut is_permitted) = (false, false);
        for subtree in constraints.lists.permitted() {
            let verdict = self.compare(&subtree, Subtrees::Permitted, left)?;
            is_limited |= verdict.is_some();
            is_permitted |= verdict == Some(true);
        }
        if is_limited && !is_permitted {
            return Err(self.breach());
        }
        if self.kind == DNS_NAME && constraints.excludes_every_host {
            return Err(self.breach());
        }
        for subtree in constraints.lists.excluded() {
            if self.compare(&subtree, Subtrees::Excluded, left)? == Some(true) {
                return Err(self.breach());
            }
        }
        Ok(())
    }

    /// Whether the name is in a subtree; `None` if that is of another kind.
    fn compare(
        &self,
        subtree: &Subtree<'_>,
        of: Subtrees,
        left: &mut usize,
    ) -> Result<Option<bool>, Breach> {
        let mut read = BYTES_PER_COMPARISON;
        let verdict = subtree.is_of(self.kind).then(|| {
            let is_within = match subtree.is_plain {
                true => self.is_within(subtree.base.contents, of, &mut read),
                false => None,
            };
            // What cannot be told is not permitted, or is excluded.
            is_within.unwrap_or(of == Subtrees::Excluded)
        });
        spend(left, read)?;
        Ok(verdict)
    }

    fn is_within(&self, base: &[u8], of: Subtrees, read: &mut usize) -> Option<bool> {
        if let Compared::Directory(name) = self.compared {
            let mut bytes = 0;
            let is_within = name::is_within(name, base, &mut bytes);
            *read = read.saturating_add(bytes.saturating_mul(COST_OF_PARTS));
            return is_within.ok();
        }
        *read += base.len() + self.contents.len();
        match self.compared {
            Compared::Host(name) => Some(is_host_within(name, base, of)),
            Compared::Address(address) => is_in_network(address, base),
            Compared::Mailbox(local, host) => Some(is_mailbox_within(local, host, base)),
            Compared::HostOfUri(host) => Some(is_host(host, base)),
            Compared::Directory(_) | Compared::Nothing => None,
        }
    }

    fn breach(&self) -> Breach {
        match self.kind {
            DNS_NAME | IP_ADDRESS | MAIL_ADDRESS | URI | DIRECTORY_NAME => Breach::Forbidden,
            OTHER_NAME => Breach::OtherNames,
            REGISTERED_ID => Breach::RegisteredIds,
            _ => Breach::RareNames,
        }
    }
}

/// Whether this is a host, or with a dot before it all hosts below one, or nothing, which is all.
fn is_base_of_hosts(base: &[u8]) -> bool {
    let host = base.strip_prefix(b".").unwrap_or(base);
    base.is_empty() || is_dns_name(host, Wildcard::Refused)
}

/// "Any DNS name that can be constructed by simply adding zero or more labels to the left-hand
/// side of the name satisfies the name constraint"; with a dot before it, one or more. The name is a host's; a base that
/// is none permits nothing.
fn is_host_within(name: &[u8], base: &[u8], of: Subtrees) -> bool {
    if is_below(name, base) {
        // A wildcard is permitted where all it stands for is: its label is one of theirs. What a host ends with is a
        // base of hosts, unless it is the wildcard.
        return of == Subtrees::Excluded || !base.starts_with(b"*");
    }
    // And excluded where anything that it stands for is (CVE-2025-61727).
    let (Subtrees::Excluded, Some(parent)) = (of, name.strip_prefix(b"*.")) else {
        return false;
    };
    let without_dot = base.strip_prefix(b".").unwrap_or(base);
    let mut labels = without_dot.splitn(2, |byte| *byte == b'.');
    let parent_of_base = labels.nth(1);
    parent_of_base.is_some_and(|own| own.eq_ignore_ascii_case(parent))
}

fn is_below(name: &[u8], base: &[u8]) -> bool {
    let Some(start) = name.len().checked_sub(base.len()) else {
        return false;
    };
    let (front, end) = name.split_at_checked(start).unwrap_or_default();
    let is_whole_label = match base.first() {
        None => true,
        Some(b'.') => !front.is_empty(),
        Some(_) => front.is_empty() || front.ends_with(b"."),
    };
    is_whole_label && end.eq_ignore_ascii_case(base)
}

/// A host itself, or with a dot before it all hosts below.
fn is_host(host: &[u8], base: &[u8]) -> bool {
    match base.first() {
        Some(b'.') => is_below(host, base),
        _ => host.eq_ignore_ascii_case(base),
    }
}

/// "A particular mailbox, all addresses at a particular host, or all mailboxes in a domain"; the
/// local part of one is compared as it is (RFC 5321 §2.4).
fn is_mailbox_within(local: &[u8], host: &[u8], base: &[u8]) -> bool {
    match mailbox(base) {
        Some((own, at)) => own == local && at.eq_ignore_ascii_case(host),
        None => is_host(host, base),
    }
}

fn mailbox(address: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = address.iter().rposition(|byte| *byte == b'@')?;
    Some((address.get(..at)?, address.get(at + 1..)?))
}

/// "The constraint applies to the host part of the name"; a name without one, or with an address
/// there, "MUST be rejected".
fn host_of_uri(uri: &[u8]) -> Option<&[u8]> {
    // RFC 3986 §3: scheme "://" [userinfo "@"] host [":" port], up to the path.
    let colon = uri.iter().position(|byte| *byte == b':')?;
    let authority = uri.get(colon..)?.strip_prefix(b"://")?;
    let end = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
    let authority = authority.split(end).next()?;
    let host = mailbox(authority).map_or(authority, |(_, host)| host);
    let host = match host.iter().position(|byte| *byte == b':') {
        Some(port) => host.get(..port)?,
        None => host,
    };
    is_dns_name(host, Wildcard::Refused).then_some(host)
}

/// A network is an address and a mask of the same length, whose ones come first (RFC 4632).
fn is_in_network(address: &[u8], network: &[u8]) -> Option<bool> {
    let (base, mask) = network.split_at_checked(network.len() / 2)?;
    let is_length = |bytes: &[u8]| matches!(bytes.len(), 4 | 16);
    if !is_length(address) || !is_length(base) || base.len() != mask.len() {
        return None;
    }
    let ones: u32 = mask.iter().map(|byte| byte.leading_ones()).sum();
    let is_prefix = mask
        .iter()
        .skip_while(|byte| **byte == 0xff)
        .skip(1)
        .all(|byte| *byte == 0)
        && mask.iter().map(|byte| byte.count_ones()).sum::<u32>() == ones;
    is_prefix.then(|| {
        address.len() == base.len()
            && address
                .iter()
                .zip(base)
                .zip(mask)
                .all(|((one, other), mask)| (one ^ other) & mask == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a name is permitted by a list of this one base, and whether it is excluded by it.
    fn verdicts(kind: u8, name: &str, base: &str) -> (bool, bool) {
        let check = |list: u8| {
            let subtree = der::sequence(&der::element(kind, base.as_bytes()));
            let lists = der::element(der::context(list), &subtree);
            let constraints = NameConstraints::from_contents(&lists).unwrap();
            let constraints = Constraints::read(constraints, &mut { MAX_COMPARISONS }).unwrap();
            let name = Name::read(kind, name.as_bytes());
            match name.check(&constraints, &mut { MAX_COMPARISONS }) {
                Ok(()) => true,
                Err(Breach::Forbidden) => false,
                Err(other) => panic!("{other:?}"),
            }
        };
        (check(0), !check(1))
    }

    /// What nobody can tell is not permitted, and is excluded.
    #[test]
    fn directories_that_cannot_be_compared() {
        let attribute = |value: &[u8]| {
            let value = der::element(0x0c, value);
            let attribute = [b"\x06\x03\x55\x04\x0a", &value[..]].concat();
            der::element(der::SET, &der::sequence(&attribute))
        };
        let one = attribute(b"Corp");
        let name = |parts: &[&[u8]]| der::sequence(&parts.concat());
        let whole = name(&[&one]);
        let damaged = der::element(der::SET, &[der::SEQUENCE, 9]);
        let long = name(&[&one.repeat(200)]);
        for (subject, base, permitted, excluded) in [
            (&whole, &whole, true, true),
            (&name(&[&one, &one]), &whole, true, true),
            (&name(&[&attribute(b"Other")]), &whole, false, false),
            (&name(&[&damaged]), &whole, false, true),
            (&name(&[&one, &damaged]), &whole, false, true),
            (&whole, &name(&[&damaged]), false, true),
            (&whole, &vec![5, 0], false, true),
            (&long, &long, false, true),
        ] {
            for (list, is_fine) in [(0, permitted), (1, !excluded)] {
                let subtree = der::sequence(&der::element(DIRECTORY_NAME, base));
                let lists = der::element(der::context(list), &subtree);
                let constraints = NameConstraints::from_contents(&lists).unwrap();
                let constraints = Constraints::read(constraints, &mut { MAX_COMPARISONS }).unwrap();
                let name = Name::read(DIRECTORY_NAME, subject);
                let verdict = name.check(&constraints, &mut { MAX_COMPARISONS });
                assert_eq!(
                    verdict.is_ok(),
                    is_fine,
                    "{list} {subject:02x?} {base:02x?}"
                );
            }
        }
    }

    /// An address may stand behind what cannot be read.
    #[test]
    fn a_subject_that_cannot_be_read_to_its_end() {
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        let made = made.self_signed(&key).unwrap();
        let mut certificate = Certificate::read(made.der()).unwrap();
        let subject = der::sequence(&der::element(der::SET, &[der::SEQUENCE, 9]));
        certificate.subject = &subject;
        for (kind, expected) in [(MAIL_ADDRESS, Err(Breach::Subject)), (DNS_NAME, Ok(()))] {
            let subtree = der::sequence(&der::element(kind, b"a.example"));
            let lists = der::element(der::context(0), &subtree);
            let constraints = NameConstraints::from_contents(&lists).unwrap();
            let check = |accepted| {
                check(
                    constraints,
                    &certificate,
                    &mut { MAX_COMPARISONS },
                    accepted,
                )
            };
            assert_eq!(check(Accepted::NONE), expected);
            assert_eq!(check(Accepted::NONE.and(Breach::Subject)), Ok(()));
        }
    }

    /// The verdicts of all four combinations of wildcards and lists.
    #[test]
    fn hosts() {
        // Name, base, whether it is permitted and whether it is excluded by it.
        for (name, base, permitted, excluded) in [
            ("a.example", "example", true, true),
            ("A.EXAMPLE", ".example", true, true),
            ("example", "example", true, true),
            ("example", ".example", false, false),
            ("bexample", "example", false, false),
            ("example", "a.example", false, false),
            ("anything", "", true, true),
            ("*.example", "example", true, true),
            // It stands for names that are not below.
            ("*.example", "a.example", false, true),
            ("*.example.org", "org", true, true),
            ("*.example.org", "com", false, false),
            ("*.example.org", "b.a.example.org", false, false),
            ("*.a.example.org", "b.example.org", false, false),
        ] {
            assert_eq!(
                verdicts(DNS_NAME, name, base),
                (permitted, excluded),
                "{name} {base}"
            );
        }
        for (name, base) in [
            ("a..example", "example"),
            ("a.example.", "example"),
            ("a\0.example", "example"),
            ("a.*.example", "example"),
            ("", "example"),
            ("a.example", "*.example"),
            ("*.example", "*.example"),
            ("a.example", "example."),
            ("a.example", "."),
            ("a.example", "-.example"),
            ("other.test", "a..example"),
        ] {
            assert_eq!(
                verdicts(DNS_NAME, name, base),
                (false, true),
                "{name} {base}"
            );
        }
    }

    #[test]
    fn mailboxes() {
        for (address, base, expected) in [
            ("me@a.example", "a.example", Some(true)),
            ("me@A.EXAMPLE", "a.example", Some(true)),
            ("me@b.a.example", "a.example", Some(false)),
            ("me@b.a.example", ".a.example", Some(true)),
            ("me@a.example", ".a.example", Some(false)),
            ("me@a.example", "me@a.example", Some(true)),
            ("Me@a.example", "me@a.example", Some(false)),
            ("you@a.example", "me@a.example", Some(false)),
            ("\"a@b\"@c.example", "c.example", Some(true)),
            ("a.example", "a.example", None),
            ("me@", "a.example", None),
        ] {
            let of_both = expected.map_or((false, true), |verdict| (verdict, verdict));
            assert_eq!(
                verdicts(MAIL_ADDRESS, address, base),
                of_both,
                "{address} {base}"
            );
        }
    }

    #[test]
    fn uris() {
        for (uri, base, expected) in [
            ("https://a.example/x", "a.example", Some(true)),
            ("ftp://u:p@A.example:21", "a.example", Some(true)),
            ("http://b.a.example?q", "a.example", Some(false)),
            ("http://b.a.example#f", ".a.example", Some(true)),
            ("http://a.example", ".a.example", Some(false)),
            // What only looks like the host.
            ("http://a.example@b.test/", "a.example", Some(false)),
            ("http://b.test/@a.example", "a.example", Some(false)),
            ("http://[::1]/", "a.example", None),
            ("http://127.0.0.1/", "a.example", None),
            ("mailto:me@a.example", "a.example", None),
            ("a.example", "a.example", None),
            ("http:///x", "a.example", None),
        ] {
            let of_both = expected.map_or((false, true), |verdict| (verdict, verdict));
            assert_eq!(verdicts(URI, uri, base), of_both, "{uri} {base}");
        }
    }

    #[test]
    fn networks() {
        for (address, network, expected) in [
            (
                &[10, 1, 2, 3][..],
                &[10, 1, 0, 0, 255, 255, 0, 0][..],
                Some(true),
            ),
            (&[10, 2, 2, 3], &[10, 1, 0, 0, 255, 255, 0, 0], Some(false)),
            (&[10, 2, 2, 3], &[0; 8], Some(true)),
            (&[10, 2, 2, 3], &[0; 32], Some(false)),
            (&[0; 16], &[0; 32], Some(true)),
            (&[10, 1, 2, 3], &[10, 1], None),
            (&[10, 1, 2, 3], &[10, 1, 0, 0, 255, 0, 255, 0], None),
            (&[10, 1, 2, 3], &[10, 1, 0, 0, 0, 255, 0, 0], None),
            (&[10, 1, 2, 3], &[10, 1, 0, 0, 253, 0, 0, 0], None),
            (&[10, 1, 2], &[10, 1, 0, 0, 255, 255, 0, 0], None),
        ] {
            assert_eq!(
                is_in_network(address, network),
                expected,
                "{address:?} {network:?}"
            );
        }
    }
}
