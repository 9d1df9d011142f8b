//! Choices as pure functions: the server's pick from what both sides have.
//!
//! RFC 8446 §4.1.1.

use crate::config::{ClientOptions, ServerOptions};
use crate::crypto::legacy::HAS_LEGACY_CIPHERS;
use crate::named_group::NamedGroup;
use crate::suite::{Cipher, CipherSuite, SuiteInfo};
use crate::version::ProtocolVersion;

/// The cipher suites of `version` that both sides have, by the order of the server or of the client.
pub(super) fn cipher_suites<'a>(
    config: &'a ServerOptions,
    version: ProtocolVersion,
    offered: impl Iterator<Item = CipherSuite> + Clone + 'a,
) -> impl Iterator<Item = CipherSuite> + 'a {
    let ours = &config.policy.cipher_suites;
    // Either list may hold those of other versions, too.
    let shared = offered.filter(move |suite| ours.contains(suite) && suite.is_usable_in(version));
    let prefers_chacha20 = |suite: CipherSuite| {
        suite
            .info()
            .is_some_and(|info| info.cipher == Cipher::Chacha20Poly1305)
    };
    let by_client = !config.honor_cipher_order
        || (config.chacha20_for_mobile && shared.clone().next().is_some_and(prefers_chacha20));
    let of_client = by_client.then(|| shared.clone());
    let of_server = (!by_client).then(|| {
        let is_shared = move |suite: &CipherSuite| shared.clone().any(|other| other == *suite);
        ours.iter().copied().filter(is_shared)
    });
    let of_client = of_client.into_iter().flatten();
    last_resorts_last(of_client.chain(of_server.into_iter().flatten()))
}

/// Whatever both lists prefer: an AES suite comes before any of 3DES, RC4 and DES.
fn last_resorts_last(
    suites: impl Iterator<Item = CipherSuite> + Clone,
) -> impl Iterator<Item = CipherSuite> {
    let is_last =
        |suite: &CipherSuite| HAS_LEGACY_CIPHERS && suite.info().is_some_and(SuiteInfo::is_legacy);
    let first = suites.clone().filter(move |suite| !is_last(suite));
    let last = HAS_LEGACY_CIPHERS.then(|| suites.filter(is_last));
    first.chain(last.into_iter().flatten())
}

/// The curve before TLS 1.3, where there are no shares; a client that lists none takes any (RFC
/// 8422 §4).
pub(super) fn curve(
    config: &ServerOptions,
    offered: Option<impl Iterator<Item = NamedGroup> + Clone>,
) -> Option<NamedGroup> {
    let ours = &config.policy.groups;
    let is_usable = |group: &NamedGroup| group.is_curve() && ours.contains(group);
    match offered {
        None if is_usable(&NamedGroup::SECP256R1) => Some(NamedGroup::SECP256R1),
        None => ours.iter().copied().find(is_usable),
        Some(mut offered) if !config.honor_group_order => offered.find(is_usable),
        Some(offered) => {
            let is_offered = |group: &NamedGroup| offered.clone().any(|other| other == *group);
            ours.iter()
                .copied()
                .find(|group| is_usable(group) && is_offered(group))
        }
    }
}

/// The group, and whether the client sent a share for it.
///
/// The order decides among all shared groups, except that a post-quantum group is never
/// passed over for a classical group only because its share is missing: that costs one round
/// trip and is worth it; among classical groups one with a share wins, unless
/// `retry_for_better_group` says otherwise.
pub(super) fn group(
    config: &ServerOptions,
    offered: impl Iterator<Item = NamedGroup> + Clone,
    shares: impl Iterator<Item = NamedGroup> + Clone,
) -> Option<Group> {
    let ours = config.policy.groups.iter().copied();
    let ours = ours.filter(|group| group.is_usable_in_tls13());
    let pick = |usable: &dyn Fn(NamedGroup) -> bool| {
        if config.honor_group_order {
            ours.clone()
                .find(|group| usable(*group) && offered.clone().any(|other| other == *group))
        } else {
            offered
                .clone()
                .find(|group| usable(*group) && ours.clone().any(|own| own == *group))
        }
    };
    let has_share = |group: NamedGroup| shares.clone().any(|other| other == group);
    let best = pick(&|_| true)?;
    if has_share(best) {
        return Some(Group::Shared(best));
    }
    if best.is_post_quantum() {
        return Some(
            match pick(&|group| group.is_post_quantum() && has_share(group)) {
                Some(other) => Group::Shared(other),
                None => Group::Retry(best),
            },
        );
    }
    Some(match pick(&has_share) {
        Some(group) if !config.retry_for_better_group => Group::Shared(group),
        _ => Group::Retry(best),
    })
}

/// The group that will be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// There is a share.
    Shared(NamedGroup),
    /// A HelloRetryRequest has to ask for it.
    Retry(NamedGroup),
}

/// What a client says to a server that names `offered` by NPN (draft-agl-tls-nextprotoneg-04 §4).
pub(super) fn next_protocol<'a>(
    config: &'a ClientOptions,
    mut offered: impl Iterator<Item = &'a [u8]> + Clone,
) -> &'a [u8] {
    let ours = config.policy.next_protocols.as_deref().unwrap_or_default();
    let is_ours = |name: &&[u8]| ours.iter().any(|own| **own == **name);
    let shared = match config.honor_next_protocol_order {
        true => offered.find(is_ours),
        false => protocol(ours, offered),
    };
    let first = || ours.first().map_or(&[][..], |name| name);
    let fallback = || config.next_protocol_fallback.as_deref();
    shared.or_else(fallback).unwrap_or_else(first)
}

/// The application protocol, by the server's order.
pub(super) fn protocol<'a>(
    ours: &'a [Box<[u8]>],
    offered: impl Iterator<Item = &'a [u8]> + Clone,
) -> Option<&'a [u8]> {
    ours.iter()
        .map(|name| &**name)
        .find(|name| offered.clone().any(|other| other == *name))
}
