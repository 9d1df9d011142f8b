//! Which version is spoken: decided once, from the hellos and the configuration alone.
//!
//! RFC 8446 §4.1.3, §4.2.1.

use super::find;
use crate::Violation;
use crate::error::{Abort, list};
use crate::suite::CipherSuite;
use crate::version::{DOWNGRADE_TO_TLS_1_1, DOWNGRADE_TO_TLS_1_2, ProtocolVersion};
use crate::wire::extension::{SelectedVersion, SupportedVersions};
use crate::wire::{ClientHello, ServerHello};

/// Server: the version of this hello, the newest that both sides have. With supported_versions
/// that alone counts.
pub(super) fn choose(
    enabled: &[ProtocolVersion],
    hello: &ClientHello<'_>,
) -> Result<ProtocolVersion, Abort> {
    if hello.legacy_version < ProtocolVersion::TLS_1_0 {
        let violation = Violation::LegacyVersionInClientHello;
        return Err(unsupported(
            violation,
            &hello.legacy_version.to_string(),
            enabled,
        ));
    }
    let offered = find::<SupportedVersions<'_>>(&hello.extensions)?;
    let is_offered = |version: &&ProtocolVersion| {
        let versions = offered.as_ref().map(|offered| offered.versions);
        versions.is_some_and(|versions| versions.iter().any(|one| one == **version))
    };
    if let Some(version) = enabled.iter().find(is_offered) {
        return Ok(*version);
    }
    // RFC 7507 §3: the client could have had more, but its first hello did not get through.
    let violation = match hello.cipher_suites.contains(CipherSuite::TLS_FALLBACK_SCSV) {
        true => Violation::InappropriateFallback,
        false => Violation::UnsupportedVersion,
    };
    let offered = offered_versions(hello.legacy_version, offered.as_ref());
    Err(unsupported(violation, &offered, enabled))
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
/// offered. TLS 1.3 is selected in supported_versions and nowhere else.
pub(super) fn selected(
    offered: &[ProtocolVersion],
    hello: &ServerHello<'_>,
    retried: bool,
) -> Result<ProtocolVersion, Abort> {
    let not_offered = |violation: Violation, selected: ProtocolVersion| match retried {
        // §4.1.4: what the HelloRetryRequest has selected stays.
        true => Violation::VersionChangedAfterRetry.into(),
        false => violation.explained(format!(
            "it selected {selected}; offered: {}",
            list(offered)
        )),
    };
    let Some(selected) = hello.extensions.find::<SelectedVersion>() else {
        let end = hello.random.last_chunk::<8>().copied().unwrap_or_default();
        if end == DOWNGRADE_TO_TLS_1_2 || end == DOWNGRADE_TO_TLS_1_1 {
            return Err(Violation::DowngradeDetected.into());
        }
        let selected = hello.legacy_version;
        return Err(not_offered(Violation::VersionNotOffered, selected));
    };
    let SelectedVersion(selected) = selected.map_err(|_| Violation::MalformedExtension)?;
    if hello.legacy_version != ProtocolVersion::TLS_1_2 {
        return Err(Violation::LegacyVersionInServerHello.into());
    }
    if selected != ProtocolVersion::TLS_1_3 || !offered.contains(&selected) {
        return Err(not_offered(Violation::SelectedVersionNotOffered, selected));
    }
    Ok(selected)
}
