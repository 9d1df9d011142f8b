//! Which of several identities to present.
//!
//! RFC 8446 §4.4.2.2, §4.4.2.3; RFC 6066 §3 for the name, RFC 8422 §5.1 for curves before TLS 1.3. A server may have thousands of
//! identities, and a peer decides how long its lists are: the work is linear in both together, and
//! no product of them.

use std::collections::HashSet;

use super::identity::Identity;
use crate::version::Version;
use crate::wire::extension::CertificateType;
use crate::{NamedGroup, SignatureScheme};

/// Of what types the identity may be (RFC 7250 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AcceptedTypes {
    x509: bool,
    raw_public_key: bool,
}

impl AcceptedTypes {
    /// What everybody accepts who says nothing (§4.1).
    pub(crate) const DEFAULT: Self = Self {
        x509: true,
        raw_public_key: false,
    };

    /// Those of a peer's list that there are here.
    pub(crate) fn of(types: impl Iterator<Item = CertificateType>) -> Self {
        let mut accepted = Self {
            x509: false,
            raw_public_key: false,
        };
        for typ in types {
            match typ {
                CertificateType::X509 => accepted.x509 = true,
                CertificateType::RAW_PUBLIC_KEY => accepted.raw_public_key = true,
                _ => {}
            }
        }
        accepted
    }

    pub(crate) const fn has(self, typ: CertificateType) -> bool {
        match typ {
            CertificateType::X509 => self.x509,
            CertificateType::RAW_PUBLIC_KEY => self.raw_public_key,
            _ => false,
        }
    }

    pub(crate) fn accepts(self, identity: &Identity) -> bool {
        self.has(identity.certificate_type())
    }
}

/// What an identity has to be, whatever else it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Within<'a> {
    pub(crate) version: Version,
    pub(crate) types: AcceptedTypes,
    /// Of a key for ECDSA, if they count.
    pub(crate) curves: Option<&'a [NamedGroup]>,
}

/// Chooses an identity and the scheme to sign with, or `None` when none is of a type that the peer accepts, no key
/// can sign with what it offers in this version, or none for ECDSA is on one of the `curves`, if they count.
///
/// Counts in this order: an exact match of `server_name`, then one by wildcard; a chain that
/// leads to one of `authorities` (DER-encoded Names), if there are any; a chain signed with
/// `certificate_schemes`, or with `schemes` if the peer did not send the former; the order of
/// configuration. Where nothing matches, the first identity that can sign is presented all the
/// same (§4.4.2.2). Of the schemes in common the key's own preference decides.
pub(crate) fn choose<'a, N: AsRef<[u8]>>(
    identities: &'a [Identity],
    server_name: Option<&str>,
    schemes: &[SignatureScheme],
    certificate_schemes: Option<&[SignatureScheme]>,
    authorities: &[N],
    within: Within<'_>,
) -> Option<(&'a Identity, SignatureScheme)> {
    let Within {
        version,
        types,
        curves,
    } = within;
    let accepted = SchemeSet::new(schemes);
    // At most three.
    let is_on_one = |curve| curves.is_none_or(|curves| curves.contains(&curve));
    let usable = |identity: &'a Identity| {
        if !identity.curve().is_none_or(is_on_one) || !types.accepts(identity) {
            return None;
        }
        let scheme = accepted.first_of(identity.schemes_for(version))?;
        let name = match identity.raw_key() {
            // A peer that takes one knows whose it is.
            Some(_) => NameMatch::Exact,
            None => name_match(identity, server_name),
        };
        Some((name, (identity, scheme)))
    };
    // The name counts most, and settles the matter nearly always.
    let mut best = None;
    let mut is_tied = false;
    for (name, chosen) in identities.iter().filter_map(usable) {
        match best {
            Some((before, _)) if name < before => {}
            Some((before, _)) if name == before => is_tied = true,
            _ => (best, is_tied) = (Some((name, chosen)), false),
        }
    }
    let (name, first) = best?;
    if !is_tied {
        return Some(first);
    }
    let authorities = authority_set(authorities);
    let certificates = certificate_schemes.map(SchemeSet::new);
    let certificates = certificates.as_ref().unwrap_or(&accepted);
    let tied = identities.iter().filter_map(usable);
    tied.filter(|(other, _)| *other == name)
        .map(|(_, chosen)| chosen)
        // Of equals the first: `max_by_key` takes the last.
        .rev()
        .max_by_key(|(identity, _)| {
            let leads = leads_to(identity, &authorities);
            (leads, signed_with(identity, certificates))
        })
}

/// Chooses an identity that will do where nothing is signed (RFC 5246 §7.4.2): by its name, then by the order of
/// configuration.
pub(crate) fn choose_unsigned<'a>(
    identities: &'a [Identity],
    server_name: Option<&str>,
    will_do: impl Fn(&Identity) -> bool,
) -> Option<&'a Identity> {
    let usable = identities.iter().filter(|identity| will_do(identity));
    // Of equals the first: `max_by_key` takes the last.
    usable
        .rev()
        .max_by_key(|identity| name_match(identity, server_name))
}

/// Signature schemes as bits: a row for each upper byte, where those that there are keys for have
/// small values. Others are never looked for.
struct SchemeSet([u32; 16]);

impl SchemeSet {
    fn new(schemes: &[SignatureScheme]) -> Self {
        let mut set = Self([0; 16]);
        for scheme in schemes {
            compared();
            if let Some((row, bit)) = Self::place(*scheme)
                && let Some(row) = set.0.get_mut(row)
            {
                *row |= bit;
            }
        }
        set
    }

    fn place(SignatureScheme(code): SignatureScheme) -> Option<(usize, u32)> {
        let [row, column] = code.to_be_bytes();
        // The last is for numbers of private use, of which no peer is told.
        let row = usize::from(row).min(15);
        Some((row, 1_u32.checked_shl(column.into())?))
    }

    fn contains(&self, scheme: SignatureScheme) -> bool {
        compared();
        Self::place(scheme)
            .is_some_and(|(row, bit)| self.0.get(row).is_some_and(|row| row & bit != 0))
    }

    fn first_of(
        &self,
        mut schemes: impl Iterator<Item = SignatureScheme>,
    ) -> Option<SignatureScheme> {
        schemes.find(|scheme| self.contains(*scheme))
    }
}

fn authority_set<N: AsRef<[u8]>>(authorities: &[N]) -> HashSet<&[u8]> {
    // The hash is keyed anew in each process, so a peer cannot choose names that collide.
    authorities
        .iter()
        .map(|name| {
            compared();
            name.as_ref()
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameMatch {
    None,
    Wildcard,
    Exact,
}

/// A raw public key has no name.
pub(super) fn name_match(identity: &Identity, server_name: Option<&str>) -> NameMatch {
    let Some(server_name) = server_name else {
        return NameMatch::None;
    };
    identity
        .names()
        .map(|name| {
            compared();
            match name.strip_prefix('*') {
                None if name.eq_ignore_ascii_case(server_name) => NameMatch::Exact,
                Some(parent) if is_child(server_name, parent) => NameMatch::Wildcard,
                _ => NameMatch::None,
            }
        })
        .max()
        .unwrap_or(NameMatch::None)
}

/// Whether the name is one label and `parent`, which starts with a dot.
fn is_child(server_name: &str, parent: &str) -> bool {
    match server_name.find('.') {
        Some(dot @ 1..) => server_name
            .get(dot..)
            .is_some_and(|rest| rest.eq_ignore_ascii_case(parent)),
        _ => false,
    }
}

fn leads_to(identity: &Identity, authorities: &HashSet<&[u8]>) -> bool {
    identity.issuers().iter().any(|issuer| {
        compared();
        authorities.contains(&**issuer)
    })
}

fn signed_with(identity: &Identity, schemes: &SchemeSet) -> bool {
    identity
        .chain_schemes()
        .iter()
        .all(|scheme| scheme.is_some_and(|scheme| schemes.contains(scheme)))
}

/// Counts a look at one entry of a list, for the test that there are not too many.
#[inline]
fn compared() {
    #[cfg(test)]
    COMPARED.with(|count| count.set(count.get() + 1));
}

#[cfg(test)]
thread_local! {
    pub(super) static COMPARED: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}
