//! What a peer wants to see of this side.

use crate::misuse::Misuse;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::extension::CertificateCompressionAlgorithm;
use crate::x509::{self, AcceptedTypes, CertificateFilter, Identity};
use crate::{NamedGroup, SignatureScheme};

/// What the peer said about certificates it would accept.
#[derive(Clone, Debug)]
pub(crate) struct WantedIdentity {
    pub(crate) version: Version,
    pub(crate) server_name: Option<String>,
    pub(crate) schemes: Vec<SignatureScheme>,
    /// The suites for which a key will do that signs nothing.
    pub(crate) unsigned: Vec<CipherSuite>,
    /// `None` is the same as `schemes`.
    pub(crate) certificate_schemes: Option<Vec<SignatureScheme>>,
    pub(crate) curves: WantedCurves,
    pub(crate) types: AcceptedTypes,
    /// Client: how its certificate is compressed, if both sides have a way.
    pub(crate) compression: Option<CertificateCompressionAlgorithm>,
    /// Client: whether the server asks for an OCSP response with its certificate (RFC 8446 §4.4.2.1).
    pub(crate) staples: bool,
    pub(crate) authorities: Vec<Vec<u8>>,
    /// Client: what has to be in its certificate.
    pub(crate) filters: Vec<CertificateFilter>,
}

/// Which curves the key of an ECDSA certificate may be on (RFC 8422 §5.1).
#[derive(Clone, Debug)]
pub(crate) enum WantedCurves {
    /// Whichever the schemes say (TLS 1.3), or a client that lists none: any.
    Any,
    /// A client lists them.
    Listed(Vec<NamedGroup>),
    /// This client has listed them. A server that goes by that refuses a certificate on another
    /// curve, as OpenSSL does; most do not, so one is shown if there is no better.
    Preferred(Vec<NamedGroup>),
}

impl WantedCurves {
    pub(crate) fn listed(groups: impl Iterator<Item = NamedGroup> + Clone) -> Self {
        Self::Listed(of_ecdsa(groups))
    }

    pub(crate) fn preferred(groups: impl Iterator<Item = NamedGroup> + Clone) -> Self {
        Self::Preferred(of_ecdsa(groups))
    }

    pub(crate) fn list(&self) -> Option<&[NamedGroup]> {
        match self {
            Self::Any => None,
            Self::Listed(curves) | Self::Preferred(curves) => Some(curves),
        }
    }
}

/// Those of a list that there are keys on, once each, however long the list is.
fn of_ecdsa(groups: impl Iterator<Item = NamedGroup> + Clone) -> Vec<NamedGroup> {
    let is_listed = |curve: &NamedGroup| groups.clone().any(|group| group == *curve);
    let curves = NamedGroup::OF_ECDSA.iter().copied();
    curves.filter(is_listed).collect()
}

impl WantedIdentity {
    pub(crate) fn choose(&self, identities: &[Identity]) -> Option<(Identity, SignatureScheme)> {
        let chosen = self.choose_on(self.curves.list(), identities);
        match self.curves {
            WantedCurves::Preferred(_) => chosen.or_else(|| self.choose_on(None, identities)),
            _ => chosen,
        }
    }

    /// The same, and if no key can sign one that need not, if that will do; it has no scheme.
    pub(crate) fn choose_any(
        &self,
        identities: &[Identity],
    ) -> Option<(Identity, Option<SignatureScheme>)> {
        if let Some((identity, scheme)) = self.choose(identities) {
            return Some((identity, Some(scheme)));
        }
        let will_do = |identity: &Identity| {
            self.exchanges_keys(identity) && self.is_on_listed_curve(identity)
        };
        let chosen = x509::choose_unsigned(identities, self.server_name.as_deref(), will_do)?;
        Some((chosen.clone(), None))
    }

    fn exchanges_keys(&self, identity: &Identity) -> bool {
        let mut suites = self.unsigned.iter();
        self.types.accepts(identity) && suites.any(|suite| identity.exchanges_keys(*suite))
    }

    /// Whether the identity can be shown, but for its curve.
    pub(crate) fn accepts(&self, identity: &Identity) -> bool {
        let can_be_used = identity.scheme_for(&self.schemes, self.version).is_some()
            || self.exchanges_keys(identity);
        can_be_used && self.types.accepts(identity) && self.meets_filters(identity)
    }

    /// RFC 8446 §4.2.5: of a raw key nothing is to be found.
    fn meets_filters(&self, identity: &Identity) -> bool {
        let leaf = identity.chain().first();
        leaf.is_none_or(|leaf| self.filters.iter().all(|filter| filter.admits(leaf)))
    }

    /// Somebody has chosen it.
    pub(crate) fn check_type(&self, identity: &Identity) -> Result<(), Misuse> {
        match self.types.accepts(identity) {
            true => Ok(()),
            false => Err(Misuse::new(format!(
                "the chosen identity is of the type {}, which the peer does not take: see `accepts_type` of the \
                 question",
                identity.certificate_type()
            ))),
        }
    }

    /// The identity that would have been chosen but for its curve.
    pub(crate) fn choose_on_any_curve(&self, identities: &[Identity]) -> Option<Identity> {
        let signing = self.choose_on(None, identities);
        let signing = signing.map(|(identity, _)| identity);
        signing.or_else(|| {
            let mut identities = identities.iter();
            identities.find(|one| self.exchanges_keys(one)).cloned()
        })
    }

    fn choose_on(
        &self,
        curves: Option<&[NamedGroup]>,
        identities: &[Identity],
    ) -> Option<(Identity, SignatureScheme)> {
        let fitting: Vec<Identity>;
        let identities = match self.filters.is_empty() {
            true => identities,
            false => {
                let all = identities.iter().filter(|one| self.meets_filters(one));
                fitting = all.cloned().collect();
                &fitting
            }
        };
        x509::choose(
            identities,
            self.server_name.as_deref(),
            &self.schemes,
            self.certificate_schemes.as_deref(),
            &self.authorities,
            x509::Within {
                version: self.version,
                types: self.types,
                curves,
            },
        )
        .map(|(identity, scheme)| (identity.clone(), scheme))
    }

    /// Whether the curve of the identity is listed, where it has one and a list binds.
    pub(crate) fn is_on_listed_curve(&self, identity: &Identity) -> bool {
        match (&self.curves, identity.curve()) {
            (WantedCurves::Listed(curves), Some(curve)) => curves.contains(&curve),
            _ => true,
        }
    }
}
