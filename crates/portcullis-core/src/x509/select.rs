//! Which of several identities to present.
//!
//! RFC 8446 §4.4.2.2, §4.4.2.3; RFC 6066 §3 for the name.

use super::identity::Identity;
use crate::SignatureScheme;

/// Chooses an identity and the scheme to sign with, or `None` when no key can sign with what
/// the peer offers.
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
) -> Option<(&'a Identity, SignatureScheme)> {
    let certificate_schemes = certificate_schemes.unwrap_or(schemes);
    let mut best: Option<((NameMatch, bool, bool), &Identity, SignatureScheme)> = None;
    for identity in identities {
        let Some(&scheme) = identity
            .key()
            .schemes()
            .iter()
            .find(|scheme| schemes.contains(scheme))
        else {
            continue;
        };
        let rank = (
            name_match(identity, server_name),
            leads_to(identity, authorities),
            signed_with(identity, certificate_schemes),
        );
        if best.is_none_or(|(best, ..)| rank > best) {
            best = Some((rank, identity, scheme));
        }
    }
    best.map(|(_, identity, scheme)| (identity, scheme))
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameMatch {
    None,
    Wildcard,
    Exact,
}

pub(super) fn name_match(identity: &Identity, server_name: Option<&str>) -> NameMatch {
    let Some(server_name) = server_name else {
        return NameMatch::None;
    };
    identity
        .names()
        .map(|name| match name.strip_prefix('*') {
            None if name.eq_ignore_ascii_case(server_name) => NameMatch::Exact,
            Some(parent) if is_child(server_name, parent) => NameMatch::Wildcard,
            _ => NameMatch::None,
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

fn leads_to<N: AsRef<[u8]>>(identity: &Identity, authorities: &[N]) -> bool {
    authorities.iter().any(|authority| {
        identity
            .issuers()
            .iter()
            .any(|issuer| **issuer == *authority.as_ref())
    })
}

fn signed_with(identity: &Identity, schemes: &[SignatureScheme]) -> bool {
    identity
        .chain_schemes()
        .iter()
        .all(|scheme| scheme.is_some_and(|scheme| schemes.contains(&scheme)))
}
