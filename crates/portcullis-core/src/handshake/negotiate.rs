//! Choices as pure functions: the server's pick from what both sides have.
//!
//! RFC 8446 §4.1.1.

use crate::config::ServerOptions;
use crate::named_group::NamedGroup;
use crate::suite::{Cipher, CipherSuite};

/// The cipher suite, by the order of the server or of the client.
pub(super) fn cipher_suite(
    config: &ServerOptions,
    offered: impl Iterator<Item = CipherSuite> + Clone,
) -> Option<CipherSuite> {
    let ours = &config.policy.cipher_suites;
    let chacha20 = CipherSuite::TLS_CHACHA20_POLY1305_SHA256;
    let mut shared = offered.filter(|suite| ours.contains(suite));
    if !config.honor_cipher_order
        || (config.chacha20_for_mobile && shared.clone().next() == Some(chacha20))
    {
        return shared.next();
    }
    ours.iter()
        .copied()
        .find(|suite| shared.clone().any(|other| other == *suite))
}

/// All cipher suites that both sides have, by the same order.
pub(super) fn cipher_suites(
    config: &ServerOptions,
    offered: impl Iterator<Item = CipherSuite> + Clone,
) -> Vec<CipherSuite> {
    let ours = &config.policy.cipher_suites;
    let shared = offered.filter(|suite| ours.contains(suite));
    let prefers_chacha20 = |suite: &CipherSuite| {
        suite
            .info()
            .is_some_and(|info| info.cipher == Cipher::Chacha20Poly1305)
    };
    if !config.honor_cipher_order
        || (config.chacha20_for_mobile
            && shared.clone().next().as_ref().is_some_and(prefers_chacha20))
    {
        return shared.collect();
    }
    let is_shared = |suite: &&CipherSuite| shared.clone().any(|other| other == **suite);
    ours.iter().filter(is_shared).copied().collect()
}

/// Whether both sides have a suite of before TLS 1.3 whose key exchange has no curve.
pub(super) fn can_do_without_curve(
    config: &ServerOptions,
    mut offered: impl Iterator<Item = CipherSuite>,
) -> bool {
    let ours = &config.policy.cipher_suites;
    offered.any(|suite| {
        let exchange = suite.exchange();
        exchange.is_some_and(|exchange| !exchange.has_curve()) && ours.contains(&suite)
    })
}

/// The curve before TLS 1.3, where there are no shares; a client that lists none takes any (RFC
/// 8422 §4).
pub(super) fn curve(
    config: &ServerOptions,
    offered: Option<impl Iterator<Item = NamedGroup> + Clone>,
) -> Option<NamedGroup> {
    let ours = &config.policy.groups;
    let is_usable = |group: &NamedGroup| !group.is_post_quantum() && ours.contains(group);
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
    let ours = &config.policy.groups;
    let pick = |usable: &dyn Fn(NamedGroup) -> bool| {
        if config.honor_group_order {
            ours.iter()
                .copied()
                .find(|group| usable(*group) && offered.clone().any(|other| other == *group))
        } else {
            offered
                .clone()
                .find(|group| usable(*group) && ours.contains(group))
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

/// The application protocol, by the server's order.
pub(super) fn protocol<'a>(
    ours: &'a [Box<[u8]>],
    offered: impl Iterator<Item = &'a [u8]> + Clone,
) -> Option<&'a [u8]> {
    ours.iter()
        .map(|name| &**name)
        .find(|name| offered.clone().any(|other| other == *name))
}
