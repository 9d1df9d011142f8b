//! In what the keys are exchanged: a curve, or the field of a prime.
//!
//! RFC 8422 §4, §5.1; RFC 7919 §4.

use super::super::super::negotiate;
use crate::NamedGroup;
use crate::config::ServerOptions;
use crate::crypto::finite_field::Group;
use crate::suite::CipherSuite;

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

pub(super) enum Field {
    /// Those of RFC 7919 that both sides have, the best first.
    Listed(Vec<NamedGroup>),
    /// The client says nothing of it.
    Any,
}

impl Field {
    /// A client that lists groups of RFC 7919, be they known here or not, gets one of them or none.
    fn choose(
        config: &ServerOptions,
        listed: impl Iterator<Item = NamedGroup> + Clone,
    ) -> Option<Self> {
        let listed = || {
            let listed = listed.clone();
            listed.filter(|group| group.could_be_finite_field())
        };
        if listed().next().is_none() {
            return Some(Self::Any);
        }
        let is_listed = |group: &NamedGroup| listed().any(|other| other == *group);
        let shared: Vec<_> = match config.honor_group_order {
            true => ours(config).filter(is_listed).collect(),
            false => listed()
                .filter(|group| ours(config).any(|other| other == *group))
                .collect(),
        };
        (!shared.is_empty()).then_some(Self::Listed(shared))
    }

    /// The group. Nothing has to be stronger than the certificate, whose RSA key has `strength` bits.
    pub(super) fn group(&self, config: &ServerOptions, strength: u32) -> Option<Group> {
        let enough = |groups: &[NamedGroup]| {
            let mut strong = groups.iter().filter(|group| group.field_bits() >= strength);
            strong.next().or(groups.last()).copied()
        };
        let group = match self {
            Self::Listed(groups) if names_fields(config) => groups.first().copied(),
            Self::Listed(groups) => enough(groups),
            Self::Any => match &config.dh_group {
                Some(own) => return Some(own.clone()),
                None => enough(NamedGroup::FINITE_FIELDS),
            },
        };
        group.and_then(Group::named)
    }
}

fn names_fields(config: &ServerOptions) -> bool {
    let mut named = config.policy.groups.iter();
    named.any(|group| group.is_finite_field())
}

/// The most bits of a group that nobody has named: in a larger one a hello costs its client nothing,
/// and this side milliseconds.
const MOST_UNNAMED: u32 = 4_096;

/// Those that are named; where none is, a suite of DHE was, and all that are large enough will do.
fn ours(config: &ServerOptions) -> impl Iterator<Item = NamedGroup> {
    let least = config.policy.dh_minimum;
    let (groups, bits) = match names_fields(config) {
        true => (&*config.policy.groups, 0..=u32::MAX),
        false => (NamedGroup::FINITE_FIELDS, least..=least.max(MOST_UNNAMED)),
    };
    let groups = groups.iter().copied();
    groups.filter(move |group| group.is_finite_field() && bits.contains(&group.field_bits()))
}
