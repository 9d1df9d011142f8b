//! Names of algorithms on the command line.

use portcullis::NamedGroup;
use portcullis::suite::CipherSuite;

/// Reads a group by its IANA name.
pub(crate) fn group(name: &str) -> Result<NamedGroup, String> {
    NamedGroup::from_name(name)
        .filter(|group| NamedGroup::SUPPORTED.contains(group))
        .ok_or_else(|| {
            format!(
                "not a supported group; choose from {}",
                list(NamedGroup::SUPPORTED)
            )
        })
}

/// Reads a cipher suite by its RFC or OpenSSL name.
pub(crate) fn cipher(name: &str) -> Result<CipherSuite, String> {
    name.parse::<CipherSuite>()
        .ok()
        .filter(|suite| CipherSuite::SUPPORTED.contains(suite))
        .ok_or_else(|| {
            format!(
                "not a supported cipher suite; choose from {}",
                list(CipherSuite::SUPPORTED)
            )
        })
}

fn list<T: ToString>(values: &[T]) -> String {
    values
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
