//! Which version is spoken: decided once, from the hellos and the configuration alone.
//!
//! RFC 8446 §4.1.3, §4.2.1.

use crate::Violation;
use crate::version::{DOWNGRADE_TO_TLS_1_1, DOWNGRADE_TO_TLS_1_2, ProtocolVersion};
use crate::wire::ServerHello;
use crate::wire::extension::SelectedVersion;

/// Client: checks what a ServerHello, or a HelloRetryRequest, has selected among the versions
/// offered. TLS 1.3 is selected in supported_versions and nowhere else.
pub(super) fn selected(
    offered: &[ProtocolVersion],
    hello: &ServerHello<'_>,
    retried: bool,
) -> Result<ProtocolVersion, Violation> {
    // §4.1.4: what the HelloRetryRequest has selected stays.
    let not_offered = |violation| match retried {
        true => Violation::VersionChangedAfterRetry,
        false => violation,
    };
    let Some(selected) = hello.extensions.find::<SelectedVersion>() else {
        let end = hello.random.last_chunk::<8>().copied().unwrap_or_default();
        if end == DOWNGRADE_TO_TLS_1_2 || end == DOWNGRADE_TO_TLS_1_1 {
            return Err(Violation::DowngradeDetected);
        }
        return Err(not_offered(Violation::VersionNotOffered));
    };
    let SelectedVersion(selected) = selected.map_err(|_| Violation::MalformedExtension)?;
    if hello.legacy_version != ProtocolVersion::TLS_1_2 {
        return Err(Violation::LegacyVersionInServerHello);
    }
    if selected != ProtocolVersion::TLS_1_3 || !offered.contains(&selected) {
        return Err(not_offered(Violation::SelectedVersionNotOffered));
    }
    Ok(selected)
}
