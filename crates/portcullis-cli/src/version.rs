//! What the command is made of.

use std::sync::LazyLock;

use portcullis::ProtocolVersion;

/// Those of the library that the command is built with, besides its defaults.
const FEATURES: [&str; 13] = [
    "crl-hash-dir",
    "crl-http",
    "curve448",
    "disk",
    "dtls",
    "ffi",
    "finite-field",
    "legacy-ciphers",
    "legacy-keys",
    "ocsp-stapler",
    "redis",
    "scrypt",
    "watch",
];

/// What `--version` says; `-V` says its first line.
pub(crate) fn long() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let versions = ProtocolVersion::SUPPORTED.iter();
        let versions: Vec<_> = versions.map(ToString::to_string).collect();
        format!(
            "{}\nlibrary:   portcullis {}\ncrypto:    AWS-LC {}\nversions:  {}\nfeatures:  {}",
            env!("CARGO_PKG_VERSION"),
            portcullis::VERSION,
            portcullis_ffi::AWS_LC_VERSION,
            versions.join(" "),
            FEATURES.join(" "),
        )
    });
    &TEXT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_features_are_those_of_the_manifest() {
        let manifest = include_str!("../Cargo.toml");
        let mut lines = manifest.lines();
        let line = lines.find(|line| line.starts_with("portcullis = {"));
        let (_, list) = line.unwrap().split_once("features = [").unwrap();
        let (list, _) = list.split_once(']').unwrap();
        let named: Vec<_> = list
            .split(", ")
            .map(|name| name.trim_matches('"'))
            .collect();
        assert_eq!(named, FEATURES);
    }
}
