//! In what the keys are exchanged: a curve, or the field of a prime.
//!
//! RFC 8422 §4, §5.1; RFC 7919 §4.

use super::super::super::{find, negotiate};
use super::super::shortfall::{no_field, no_group};
use crate::NamedGroup;
use crate::config::ServerOptions;
use crate::crypto::finite_field::Group;
use crate::error::Abort;
use crate::suite::{CipherSuite, Exchange};
use crate::version::ProtocolVersion;
use crate::wire::ClientHello;
use crate::wire::extension::SupportedGroups;

/// What either kind of key exchange would have; `None` where the two sides have nothing in common.
pub(super) struct Groups {
    pub(super) curve: Option<NamedGroup>,
    pub(super) field: Option<Field>,
}

impl Groups {
    /// By what the client lists; one that lists nothing takes anything.
    pub(super) fn choose(
        config: &ServerOptions,
        listed: Option<impl Iterator<Item = NamedGroup> + Clone>,
    ) -> Self {
        Self {
            field: Field::choose(config, listed.clone().into_iter().flatten()),
            curve: negotiate::curve(config, listed),
        }
    }

    /// Whether the key exchange of a suite can be done.
    pub(super) fn fit(&self, suite: CipherSuite) -> bool {
        suite.exchange().is_some_and(|exchange| {
            (self.curve.is_some() || !exchange.has_curve())
                && (self.field.is_some() || !exchange.has_field())
        })
    }

    /// Whether that of any suite can be that both sides have.
    pub(super) fn fit_any(
        &self,
        config: &ServerOptions,
        mut offered: impl Iterator<Item = CipherSuite>,
    ) -> bool {
        let ours = &config.policy.cipher_suites;
        offered.any(|suite| self.fit(suite) && ours.contains(&suite))
    }
}

/// Why no suite can be had, if it is for want of a group.
#[cold]
pub(super) fn none_fits(
    config: &ServerOptions,
    version: ProtocolVersion,
    hello: &ClientHello<'_>,
) -> Abort {
    let mut shared = negotiate::cipher_suites(config, version, hello.cipher_suites.iter());
    let has_field = |suite: CipherSuite| suite.exchange().is_some_and(Exchange::has_field);
    match find::<SupportedGroups<'_>>(&hello.extensions) {
        // RFC 7919 §4: the alert is another one where a field was what the two could have had.
        Ok(Some(listed)) if lists_fields(listed.groups.iter()) && shared.any(has_field) => {
            no_field(listed.groups.iter(), ours(config))
        }
        _ => no_group(config, version, hello),
    }
}

/// Of RFC 7919, be they known here or not.
fn lists_fields(mut listed: impl Iterator<Item = NamedGroup>) -> bool {
    listed.any(NamedGroup::could_be_finite_field)
}

pub(super) enum Field {
    /// Those of RFC 7919 that both sides have, the best first.
    Listed(Vec<NamedGroup>),
    /// The client says nothing of it.
    Any,
}

impl Field {
    /// A client that lists some gets one of them or none.
    fn choose(
        config: &ServerOptions,
        listed: impl Iterator<Item = NamedGroup> + Clone,
    ) -> Option<Self> {
        if !lists_fields(listed.clone()) {
            return Some(Self::Any);
        }
        let is_listed = |group: &NamedGroup| listed.clone().any(|other| other == *group);
        let is_ours = |group: &NamedGroup| ours(config).any(|other| other == *group);
        let shared: Vec<_> = match config.honor_group_order {
            true => ours(config).filter(is_listed).collect(),
            false => listed.clone().filter(is_ours).collect(),
        };
        (!shared.is_empty()).then_some(Self::Listed(shared))
    }

    /// The group. Nothing has to be stronger than the certificate, whose RSA key has `strength` bits.
    pub(super) fn group(&self, config: &ServerOptions, strength: u32) -> Option<Group> {
        let any: Vec<_>;
        let groups = match (self, &config.dh_group) {
            (Self::Listed(groups), _) => groups,
            (Self::Any, Some(own)) => return Some(own.clone()),
            (Self::Any, None) => {
                any = ours(config).collect();
                &any
            }
        };
        // Whoever has named some has said which is the best.
        let is_enough =
            |group: &&NamedGroup| names_fields(config) || group.field_bits() >= strength;
        let group = groups.iter().find(is_enough).or(groups.last());
        group.copied().and_then(Group::named)
    }
}

fn names_fields(config: &ServerOptions) -> bool {
    let mut named = config.policy.groups.iter();
    named.any(|group| group.is_finite_field())
}

/// The most bits of a group that nobody has named: in a larger one a hello costs its client nothing,
/// and this side milliseconds.
const MOST_UNNAMED: u32 = 4_096;

/// Those that are named, of which none is too small, as `build` has checked. Where none is, a suite of DHE
/// was, and all that are large enough will do.
fn ours(config: &ServerOptions) -> impl Iterator<Item = NamedGroup> {
    let fields = NamedGroup::FINITE_FIELDS;
    let least = config.policy.dh_minimum;
    let mut bits = fields.iter().map(|group| group.field_bits());
    let smallest = bits.find(|bits| *bits >= least).unwrap_or(least);
    let (groups, most) = match names_fields(config) {
        true => (&*config.policy.groups, u32::MAX),
        false => (fields, smallest.max(MOST_UNNAMED)),
    };
    let fits = move |group: &NamedGroup| (least..=most).contains(&group.field_bits());
    groups.iter().copied().filter(fits)
}

#[cfg(all(test, feature = "finite-field"))]
mod tests {
    use super::*;
    use crate::config::{ServerConfig, ServerConfigBuilder};
    use crate::suite::CipherSuite;

    fn server() -> ServerConfigBuilder {
        ServerConfig::builder()
            .versions([ProtocolVersion::TLS_1_2])
            .cipher_suites([CipherSuite::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256])
            .ask_identity(true)
    }

    /// What a client gets that lists nothing: by the strength of a key, and by what the server demands.
    #[test]
    fn bounds_hold_where_the_client_says_nothing() {
        use NamedGroup as G;
        let curve = G::X25519;
        for (strength, minimum, named, expected) in [
            (0, 2048, &[curve][..], G::FFDHE2048),
            (2048, 2048, &[curve], G::FFDHE2048),
            (2056, 2048, &[curve], G::FFDHE3072),
            // A key of more bits does not make a client cost more.
            (8192, 2048, &[curve], G::FFDHE4096),
            // Without a key, or with a short one, the minimum stays one.
            (0, 3072, &[curve], G::FFDHE3072),
            (2048, 3072, &[curve], G::FFDHE3072),
            (0, 5000, &[curve], G::FFDHE6144),
            (8192, 5000, &[curve], G::FFDHE6144),
            (0, 8192, &[curve], G::FFDHE8192),
            // What was named counts, in its order.
            (
                2048,
                2048,
                &[curve, G::FFDHE8192, G::FFDHE2048],
                G::FFDHE8192,
            ),
            (8192, 2048, &[curve, G::FFDHE2048], G::FFDHE2048),
        ] {
            let config = server()
                .groups(named)
                .dh_minimum(minimum)
                .build()
                .unwrap()
                .0;
            let none = [curve].into_iter();
            let group = Field::choose(&config, none)
                .unwrap()
                .group(&config, strength);
            let group = group.unwrap().name();
            assert_eq!(group, Some(expected), "{strength} {minimum} {named:?}");
        }
    }
}
