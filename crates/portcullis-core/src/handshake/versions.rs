//! Which version is spoken: decided once, from the hellos and the configuration alone.
//!
//! RFC 8446 §4.1.3, §4.2.1; RFC 7507.

use super::find;
use crate::Violation;
use crate::dialect::Dialect;
use crate::error::{Abort, list};
use crate::suite::CipherSuite;
use crate::version::{DOWNGRADE_TO_TLS_1_1, DOWNGRADE_TO_TLS_1_2, ProtocolVersion, Version};
use crate::wire::extension::{SelectedVersion, SupportedVersions};
use crate::wire::{ClientHello, ServerHello};

/// Server: the version of this hello, the newest that both sides have; `enabled` has the newest
/// first. With supported_versions that alone counts.
pub(super) fn choose(
    dialect: Dialect,
    enabled: &[ProtocolVersion],
    hello: &ClientHello<'_>,
) -> Result<Version, Abort> {
    let Some(legacy) = dialect.up_to(hello.legacy_version) else {
        let violation = Violation::LegacyVersionInClientHello;
        let offered = hello.legacy_version.to_string();
        return Err(unsupported(violation, &offered, enabled));
    };
    let offered = find::<SupportedVersions<'_>>(&hello.extensions)?;
    let is_offered = |version: Version| match &offered {
        Some(offered) => offered.versions.contains(dialect.code(version)),
        // §4.2.1: a client without the extension speaks what is older, too.
        None => version <= legacy,
    };
    let newest = generations(enabled).next();
    // RFC 7507 §3: the client could have had more, but its first hello did not get through.
    let is_fallback = hello.cipher_suites.contains(CipherSuite::TLS_FALLBACK_SCSV);
    let violation = if is_fallback && !newest.is_some_and(is_offered) {
        Violation::InappropriateFallback
    } else if let Some(version) = generations(enabled).find(|version| is_offered(*version)) {
        return Ok(version);
    } else {
        Violation::UnsupportedVersion
    };
    let offered = offered_versions(hello.legacy_version, offered.as_ref());
    Err(unsupported(violation, &offered, enabled))
}

/// §4.1.3: what a server that could have had a newer version than `chosen` writes into the end of
/// its random, for a client that could have had it, too. Servers of TLS 1.2 and newer do that.
pub(super) fn sentinel(enabled: &[ProtocolVersion], chosen: Version) -> Option<[u8; 8]> {
    let newest = generations(enabled).next()?;
    match chosen {
        _ if newest <= chosen || newest < Version::V1_2 => None,
        Version::V1_2 => Some(DOWNGRADE_TO_TLS_1_2),
        _ => Some(DOWNGRADE_TO_TLS_1_1),
    }
}

fn generations(versions: &[ProtocolVersion]) -> impl Iterator<Item = Version> {
    versions.iter().copied().filter_map(Version::of)
}

/// Says what the client offered, and what is enabled here.
#[cold]
fn unsupported(violation: Violation, offered: &str, enabled: &[ProtocolVersion]) -> Abort {
    let enabled = list(enabled);
    violation.explained(format!("it offered {offered}; enabled here: {enabled}"))
}

/// The versions of a hello that have a name; without supported_versions those up to
/// legacy_version (§4.2.1).
#[cold]
fn offered_versions(
    legacy_version: ProtocolVersion,
    versions: Option<&SupportedVersions<'_>>,
) -> String {
    let Some(offered) = versions else {
        return format!("{legacy_version} and older");
    };
    let named = offered.versions.iter().filter(|one| one.name().is_some());
    // A list may have 127; there are not so many names, but they may be repeated.
    match list(&named.take(8).collect::<Vec<_>>()) {
        names if names.is_empty() => "none that is known".to_owned(),
        names => names,
    }
}

/// Client: checks what a ServerHello, or a HelloRetryRequest, has selected among the versions
/// offered, the newest first. TLS 1.3 is selected in supported_versions and nowhere else.
pub(super) fn selected(
    dialect: Dialect,
    offered: &[ProtocolVersion],
    hello: &ServerHello<'_>,
    retried: bool,
) -> Result<Version, Abort> {
    let not_offered = |violation: Violation, selected: ProtocolVersion| match retried {
        // §4.1.4: what the HelloRetryRequest has selected stays.
        true => Violation::VersionChangedAfterRetry.into(),
        false => violation.explained(format!(
            "it selected {selected}; offered: {}",
            list(offered)
        )),
    };
    let Some(selected) = hello.extensions.find::<SelectedVersion>() else {
        let selected = hello.legacy_version;
        let version = generations(offered).find(|one| dialect.code(*one) == selected);
        if was_talked_down(offered, version, hello.random) {
            return Err(Violation::DowngradeDetected.into());
        }
        return match version {
            Some(version) if version < Version::V1_3 && !retried => Ok(version),
            _ => Err(not_offered(Violation::VersionNotOffered, selected)),
        };
    };
    // A client that has nothing newer does not send the extension.
    if !generations(offered).any(|version| version == Version::V1_3) {
        return Err(Violation::ExtensionNotOffered.into());
    }
    let SelectedVersion(selected) = selected.map_err(|_| Violation::MalformedExtension)?;
    if hello.legacy_version != dialect.legacy_version() {
        return Err(Violation::LegacyVersionInServerHello.into());
    }
    if selected != dialect.code(Version::V1_3) || !offered.contains(&selected) {
        return Err(not_offered(Violation::SelectedVersionNotOffered, selected));
    }
    Ok(Version::V1_3)
}

/// The same in another handshake on a connection, which offers the version that there was. That the
/// server could have had more (§4.1.3) it has said in the first.
pub(super) fn selected_again(
    dialect: Dialect,
    before: Version,
    hello: &ServerHello<'_>,
) -> Result<Version, Abort> {
    match dialect.code(before) == hello.legacy_version {
        true => Ok(before),
        false => Err(Violation::RenegotiationChangedVersion
            .explained(format!("it selected {}", hello.legacy_version))),
    }
}

/// Server: the version of the connection, if the client offers it again.
pub(super) fn choose_again(
    dialect: Dialect,
    before: Version,
    hello: &ClientHello<'_>,
) -> Result<Version, Abort> {
    let enabled = [dialect.code(before)];
    choose(dialect, &enabled, hello).map_err(|_| Violation::RenegotiationChangedVersion.into())
}

/// §4.1.3: the server says in its random that it could have had more, and so could this side.
/// `selected` is older than TLS 1.3, or was not even offered.
fn was_talked_down(
    offered: &[ProtocolVersion],
    selected: Option<Version>,
    random: &[u8; 32],
) -> bool {
    let newest = generations(offered).next();
    match random.last_chunk::<8>() {
        Some(&DOWNGRADE_TO_TLS_1_2) => newest == Some(Version::V1_3),
        Some(&DOWNGRADE_TO_TLS_1_1) => {
            newest >= Some(Version::V1_2) && selected < Some(Version::V1_2)
                || newest == Some(Version::V1_3)
        }
        _ => false,
    }
}
