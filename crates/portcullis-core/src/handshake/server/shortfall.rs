//! Why a client and this server cannot come together: what it offered, and what there is here.
//!
//! RFC 8446 §4.1.1, §4.4.2.2; RFC 5246 §7.4.2; RFC 7301 §3.2; RFC 7919 §4.

use core::fmt::Display;

use super::super::find;
use crate::config::ServerOptions;
use crate::error::{Abort, Refusal, quote};
use crate::question::WantedIdentity;
use crate::suite::{CipherSuite, kinds_of_certificates};
use crate::version::{ProtocolVersion, Version};
use crate::wire::ClientHello;
use crate::wire::extension::{Alpn, SignatureAlgorithms, SupportedGroups};
use crate::x509::{Identity, kinds_of_keys, what_keys_lack};
use crate::{AlertDescription, NamedGroup, SignatureScheme, Violation};

/// So many of a list are shown: a sentence that a person reads, however long a hello is.
const MOST: usize = 8;

/// No suite is offered that is enabled here in this version.
#[cold]
pub(super) fn no_suite(
    config: &ServerOptions,
    version: ProtocolVersion,
    hello: &ClientHello<'_>,
) -> Abort {
    let signals = [
        CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV,
        CipherSuite::TLS_FALLBACK_SCSV,
    ];
    let offered = hello.cipher_suites.iter();
    let offered = offered.filter(|suite| !signals.contains(suite));
    let enabled = config.policy.cipher_suites.iter();
    let enabled = enabled.filter(|suite| suite.is_usable_in(version));
    both(
        Violation::NoSharedCipherSuite,
        &few(offered),
        &in_version(version, enabled),
    )
}

/// No group is offered that is enabled here in this version.
#[cold]
pub(super) fn no_group(
    config: &ServerOptions,
    version: ProtocolVersion,
    hello: &ClientHello<'_>,
) -> Abort {
    let offered = match find::<SupportedGroups<'_>>(&hello.extensions) {
        Ok(Some(offered)) => few(offered.groups.iter()),
        Ok(None) => few::<&str>([].into_iter()),
        Err(violation) => return violation.into(),
    };
    let enabled = config.policy.groups.iter();
    let enabled = enabled.filter(|group| group.is_usable_in(version));
    both(
        Violation::NoSharedGroup,
        &offered,
        &in_version(version, enabled),
    )
}

/// The client lists fields, and none of ours; nothing else is in common.
#[cold]
pub(super) fn no_field(
    listed: impl Iterator<Item = NamedGroup>,
    ours: impl Iterator<Item = NamedGroup>,
) -> Abort {
    both(
        Violation::NoSharedFiniteField,
        &few(listed.filter(|group| group.could_be_finite_field())),
        &format!(" with DHE: {}", few(ours)),
    )
}

/// No application protocol is offered that is enabled here.
#[cold]
pub(super) fn no_protocol(config: &ServerOptions, offered: &Alpn<'_>) -> Abort {
    let offered = offered.protocols.iter().map(|name| quote(name.0));
    let enabled = config.policy.alpn.iter().map(|name| quote(name));
    both(
        Violation::NoSharedProtocol,
        &few(offered),
        &format!(": {}", few(enabled)),
    )
}

/// No key of the identities here makes a signature that the client accepts in this version.
#[cold]
pub(super) fn no_scheme(
    config: &ServerOptions,
    version: ProtocolVersion,
    hello: &ClientHello<'_>,
) -> Abort {
    let signs_so = |identity: &Identity, wanted: SignatureScheme| {
        Version::of(version).is_some_and(|version| {
            let mut made = identity.schemes_for(version);
            config.policy.signs_with(wanted, version) && made.any(|made| made == wanted)
        })
    };
    let accepted = match find::<SignatureAlgorithms<'_>>(&hello.extensions) {
        Ok(Some(accepted)) => format!("it accepts {}", few(accepted.schemes.iter())),
        Ok(None) if version < ProtocolVersion::TLS_1_3 => {
            "it sent no signature_algorithms, which stands for SHA-1".to_owned()
        }
        Ok(None) => "it sent no signature_algorithms".to_owned(),
        Err(violation) => return violation.into(),
    };
    let schemes = SignatureScheme::SUPPORTED.iter();
    let identities = &config.identities;
    let made = schemes.filter(|scheme| identities.iter().any(|one| signs_so(one, **scheme)));
    Violation::NoSharedSignatureScheme.explained(format!(
        "{accepted}; those of the keys here in {version}: {}",
        few(made)
    ))
}

/// No identity is of a type that the client takes (RFC 7250 §4.2).
#[cold]
pub(super) fn no_type(config: &ServerOptions, wanted: &WantedIdentity) -> Option<Abort> {
    let mut identities = config.identities.iter();
    let is_any = identities.any(|identity| wanted.types.accepts(identity));
    (!is_any && !config.identities.is_empty())
        .then(|| Violation::NoSharedServerCertificateType.into())
}

/// Before TLS 1.3: both sides have these suites, and no key of the identities here goes with any.
#[cold]
pub(super) fn no_key_for(shared: &[CipherSuite], identities: &[Identity]) -> Abort {
    let why = what_keys_lack(shared, identities);
    Violation::NoSharedCipherSuite.explained(format!(
        "of those that are enabled here it offered only suites for {} certificates; the identities here \
         have {} keys{}{}",
        kinds_of_certificates(shared),
        kinds_of_keys(identities),
        why.map_or("", |_| "; "),
        why.unwrap_or_default(),
    ))
}

/// Nobody has given an identity, which is not the client's doing.
#[cold]
pub(super) fn no_identity() -> Abort {
    Refusal::new(
        AlertDescription::HANDSHAKE_FAILURE,
        "no identity: ask_identity is on, and no answers gave one",
    )
    .into()
}

fn in_version<T: Display>(version: ProtocolVersion, enabled: impl Iterator<Item = T>) -> String {
    format!(" in {version}: {}", few(enabled))
}

fn both(violation: Violation, offered: &str, enabled: &str) -> Abort {
    violation.explained(format!("it offered {offered}; enabled here{enabled}"))
}

/// The first of a list, and how many more there are.
fn few<T: Display>(mut list: impl Iterator<Item = T>) -> String {
    let shown: Vec<_> = list
        .by_ref()
        .take(MOST)
        .map(|one| one.to_string())
        .collect();
    match (shown.join(", "), list.count()) {
        (shown, 0) if shown.is_empty() => "none".to_owned(),
        (shown, 0) => shown,
        (shown, more) => format!("{shown} and {more} more"),
    }
}
