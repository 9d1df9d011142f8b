//! Which version is spoken: decided once, from the hellos and the configuration alone.
//!
//! RFC 8446 §4.1.3, §4.2.1.

use crate::Violation;
use crate::error::{Abort, list};
use crate::version::{DOWNGRADE_TO_TLS_1_1, DOWNGRADE_TO_TLS_1_2, ProtocolVersion};
use crate::wire::ServerHello;
use crate::wire::extension::SelectedVersion;

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
