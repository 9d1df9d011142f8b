//! Names of algorithms on the command line.

use std::fmt::Write as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use portcullis::suite::{Authentication, CipherSuite, KeyExchange};
use portcullis::{NamedGroup, ProtocolVersion, SignatureScheme};

use crate::failure::Failure;

/// The versions of TLS between two, which may be the same.
#[derive(Clone, Debug)]
pub(crate) struct Versions(pub(crate) Vec<ProtocolVersion>);

/// Refuses an option that is of TLS 1.3 where `--tls` names others.
pub(crate) fn takes_newest(option: &str, versions: Option<&Versions>) -> Result<(), Failure> {
    match versions {
        Some(Versions(versions)) if !versions.contains(&ProtocolVersion::TLS_1_3) => Err(
            Failure::usage(format!("{option}: it takes TLSv1.3, and --tls has it not")),
        ),
        _ => Ok(()),
    }
}

/// Refuses `--groups` where none is agreed on. Without suites they are those of everyone.
pub(crate) fn check_groups(
    groups: &[NamedGroup],
    suites: &[CipherSuite],
    versions: Option<&Versions>,
) -> Result<(), Failure> {
    let agrees = |suite: &CipherSuite| {
        suite.info().is_some_and(|info| {
            let has_none = matches!(
                info.key_exchange,
                KeyExchange::Rsa | KeyExchange::Psk | KeyExchange::RsaPsk | KeyExchange::Srp
            );
            is_spoken(*suite, versions) && !has_none
        })
    };
    match groups.is_empty() || suites.is_empty() || suites.iter().any(agrees) {
        true => Ok(()),
        false => Err(Failure::usage(
            "--groups has no effect: no cipher suite that is offered agrees on a group",
        )),
    }
}

/// Refuses a protocol that is named twice.
pub(crate) fn check_alpn(names: &[String]) -> Result<(), Failure> {
    let mut known = std::collections::HashSet::new();
    match names.iter().find(|name| !known.insert(*name)) {
        Some(name) => Err(Failure::usage(format!("--alpn: {name} is there twice"))),
        None => Ok(()),
    }
}

/// Reads `1.2..1.3`, or `1.3` alone.
pub(crate) fn versions(range: &str) -> Result<Versions, String> {
    let (from, to) = range.split_once("..").unwrap_or((range, range));
    let place = |number: &str| {
        let number = number.trim();
        // TLSv1.3 and TLS1.3 are what others write.
        let bare = number.to_ascii_lowercase();
        let bare = bare.strip_prefix("tls").unwrap_or(&bare);
        let bare = bare.strip_prefix('v').unwrap_or(bare).trim_start();
        let name = format!("TLSv{bare}");
        let mut supported = ProtocolVersion::SUPPORTED.iter();
        supported
            .position(|version| {
                version
                    .name()
                    .is_some_and(|known| known.eq_ignore_ascii_case(&name))
            })
            .ok_or_else(|| {
                format!(
                    "{number:?} is no version of TLS that is spoken here; give one of {}, or two as \
                     1.2..1.3",
                    list(ProtocolVersion::SUPPORTED).replace("TLSv", "")
                )
            })
    };
    // The newest stands first.
    let (oldest, newest) = (place(from)?, place(to)?);
    match ProtocolVersion::SUPPORTED.get(newest..=oldest) {
        Some(versions) if !versions.is_empty() => Ok(Versions(versions.to_vec())),
        _ => Err(format!(
            "{range}: the older version comes first, as in 1.2..1.3"
        )),
    }
}

/// What others call a group: NIST, OpenSSL (X9.62), and whoever leaves a hyphen out.
const OTHER_NAMES: &[(&str, NamedGroup)] = &[
    ("P-256", NamedGroup::SECP256R1),
    ("P256", NamedGroup::SECP256R1),
    ("prime256v1", NamedGroup::SECP256R1),
    ("P-384", NamedGroup::SECP384R1),
    ("P384", NamedGroup::SECP384R1),
    ("P-521", NamedGroup::SECP521R1),
    ("P521", NamedGroup::SECP521R1),
    ("ML-KEM-768", NamedGroup::MLKEM768),
    ("ML-KEM-1024", NamedGroup::MLKEM1024),
];

/// Reads a group by its IANA name, or by another one that it has.
pub(crate) fn group(name: &str) -> Result<NamedGroup, String> {
    let name = name.trim();
    let other = OTHER_NAMES
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name));
    let other = other.map(|(_, group)| *group);
    let known = NamedGroup::from_name(name).or(other);
    if let Some(why) = known.and_then(NamedGroup::why_never) {
        return Err(format!("not implemented: {why}"));
    }
    known
        .filter(|group| NamedGroup::SUPPORTED.contains(group))
        .ok_or_else(|| {
            format!(
                "not a supported group{}; choose from {}",
                meant(name, NamedGroup::SUPPORTED),
                list(NamedGroup::SUPPORTED)
            )
        })
}

/// What is asked for in place of a cipher suite.
const HELP: &str = "help";

/// Whether arguments were not understood because they ask which cipher suites there are.
pub(crate) fn asks_for_ciphers(error: &clap::Error) -> bool {
    let said = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    error.kind() == ErrorKind::ValueValidation
        && said(ContextKind::InvalidValue) == HELP
        && said(ContextKind::InvalidArg).starts_with("--ciphers ")
}

/// A line for each cipher suite: its name, what OpenSSL calls it, and whether it is there unnamed.
pub(crate) fn all_ciphers() -> String {
    let mut lines = String::new();
    for suite in CipherSuite::SUPPORTED {
        let openssl = suite.openssl_name().unwrap_or_default();
        let default = match CipherSuite::DEFAULT.contains(suite) {
            true => "  default",
            false => "",
        };
        let line = format!("{:<45}  {openssl:<31}{default}", suite.to_string());
        let _ = writeln!(lines, "{}", line.trim_end());
    }
    lines
}

/// Reads a cipher suite by its RFC or OpenSSL name. There are too many to be told unasked.
pub(crate) fn cipher(name: &str) -> Result<CipherSuite, String> {
    let name = name.trim();
    name.parse::<CipherSuite>()
        .ok()
        .filter(|suite| CipherSuite::SUPPORTED.contains(suite))
        .ok_or_else(|| {
            let near = meant(name, CipherSuite::SUPPORTED);
            format!("not a supported cipher suite{near}; `--ciphers help` lists all")
        })
}

/// What may have been meant, as a part of a sentence.
fn meant<T: ToString>(typed: &str, values: &[T]) -> String {
    match nearest(typed, values) {
        near if near.is_empty() => String::new(),
        near => format!("; the nearest are {}", near.join(", ")),
    }
}

/// At most three that have pairs of letters in common with what was typed, the most alike first.
fn nearest<T: ToString>(typed: &str, values: &[T]) -> Vec<String> {
    let typed = typed.to_uppercase().replace('-', "_");
    let names = values.iter().map(ToString::to_string);
    let mut near: Vec<_> = names
        .map(|name| (strsim::sorensen_dice(&typed, &name.to_uppercase()), name))
        .filter(|(alike, _)| *alike > 0.0)
        .collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Whether there is a suite in one of these versions.
pub(crate) fn is_spoken(suite: CipherSuite, versions: Option<&Versions>) -> bool {
    let Some(info) = suite.info() else {
        return false;
    };
    versions.is_none_or(|Versions(versions)| {
        let mut versions = versions.iter();
        versions.any(|version| info.exists_in(*version))
    })
}

/// Whether a server can show a certificate with a suite, in one of these versions.
pub(crate) fn has_certificates(suite: CipherSuite, versions: Option<&Versions>) -> bool {
    let Some(info) = suite.info() else {
        return false;
    };
    let by_certificate = !matches!(
        info.authentication,
        Authentication::Psk | Authentication::Srp | Authentication::Anonymous
    );
    is_spoken(suite, versions) && by_certificate
}

/// What TLS 1.1 and 1.0 have with keys that are agreed on anew for each connection.
const OLD: [CipherSuite; 4] = [
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
];

/// The cipher suites that are named; where none are, those of the library, if versions are named that none of these are
/// for, and behind them those of such versions.
pub(crate) fn with_old(named: &[CipherSuite], versions: Option<&Versions>) -> Vec<CipherSuite> {
    let Some(Versions(versions)) = versions.filter(|_| named.is_empty()) else {
        return named.to_vec();
    };
    let is_for = |suite: &CipherSuite, version: ProtocolVersion| {
        let info = suite.info();
        info.is_some_and(|info| info.exists_in(version))
    };
    let has_none = |version: &&ProtocolVersion| {
        !CipherSuite::DEFAULT
            .iter()
            .any(|suite| is_for(suite, **version))
    };
    if versions.iter().find(has_none).is_none() {
        return Vec::new();
    }
    let all = CipherSuite::DEFAULT.iter().chain(&OLD).copied();
    all.filter(|suite| versions.iter().any(|version| is_for(suite, *version)))
        .collect()
}

/// Reads a signature scheme by its IANA name, or as OpenSSL writes it: `ECDSA+SHA256`, `RSA+SHA256`, `RSA-PSS+SHA256`.
pub(crate) fn signature_scheme(name: &str) -> Result<SignatureScheme, String> {
    let name = name.trim();
    SignatureScheme::from_name(name)
        .or_else(|| key_and_hash(name))
        .filter(|scheme| SignatureScheme::SUPPORTED.contains(scheme))
        .ok_or_else(|| {
            format!(
                "not a supported signature scheme{}; choose from {}",
                meant(name, SignatureScheme::SUPPORTED),
                list(SignatureScheme::SUPPORTED)
            )
        })
}

/// A kind of key and a hash, with a plus between. A scheme for ECDSA has the curve in its name that is as strong as the hash.
fn key_and_hash(name: &str) -> Option<SignatureScheme> {
    let (key, hash) = name.split_once('+')?;
    let (key, hash) = (key.to_lowercase(), hash.to_lowercase());
    let curve = match &*hash {
        "sha256" => "secp256r1_",
        "sha384" => "secp384r1_",
        "sha512" => "secp521r1_",
        _ => "",
    };
    SignatureScheme::from_name(&match &*key {
        "ecdsa" => format!("ecdsa_{curve}{hash}"),
        "rsa" => format!("rsa_pkcs1_{hash}"),
        "rsa-pss" | "pss" => format!("rsa_pss_rsae_{hash}"),
        "dsa" => format!("dsa_{hash}"),
        _ => return None,
    })
}

/// Whether a side signs so only where the scheme is named.
pub(crate) fn signs_only_by_name(scheme: SignatureScheme) -> bool {
    let name = scheme.name().unwrap_or_default();
    name.ends_with("_sha1") || name.ends_with("_sha224")
}

fn list<T: ToString>(values: &[T]) -> String {
    values
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_written_in_many_ways() {
        for text in ["1.3", "TLSv1.3", "tlsv1.3", "TLS1.3", "tls 1.3", " 1.3 "] {
            let read = versions(text).map(|Versions(versions)| versions);
            assert_eq!(read, Ok(vec![ProtocolVersion::TLS_1_3]), "{text}");
        }
        for text in ["", "TLS", "1.4", "1.2,1.3", "1.2-1.3", "SSLv3"] {
            let said = versions(text).unwrap_err();
            assert!(said.contains("as 1.2..1.3"), "{text}: {said}");
        }
    }

    #[test]
    fn groups_have_other_names() {
        for (name, expected) in [
            ("secp256r1", NamedGroup::SECP256R1),
            ("P-256", NamedGroup::SECP256R1),
            ("p256", NamedGroup::SECP256R1),
            ("prime256v1", NamedGroup::SECP256R1),
            (" P-384 ", NamedGroup::SECP384R1),
            ("P-521", NamedGroup::SECP521R1),
            ("X25519", NamedGroup::X25519),
            ("x25519mlkem768", NamedGroup::X25519_MLKEM768),
            ("ML-KEM-768", NamedGroup::MLKEM768),
        ] {
            assert_eq!(group(name), Ok(expected), "{name}");
        }
        for (name, near) in [
            ("secp256", "the nearest are secp256r1, "),
            ("curve25519", "the nearest are x25519, "),
            ("x25519kyber768", "the nearest are x25519, X25519MLKEM768, "),
        ] {
            let said = group(name).unwrap_err();
            assert!(said.contains(near), "{name}: {said}");
        }
        // Nothing is like it.
        let said = group("?").unwrap_err();
        assert!(
            said.starts_with("not a supported group; choose from X25519MLKEM768, "),
            "{said}"
        );
    }

    #[test]
    fn schemes_may_be_written_as_openssl_writes_them() {
        for (name, expected) in [
            ("ed25519", "ed25519"),
            ("ECDSA+SHA256", "ecdsa_secp256r1_sha256"),
            ("ecdsa+sha512", "ecdsa_secp521r1_sha512"),
            ("ECDSA+SHA1", "ecdsa_sha1"),
            ("RSA+SHA384", "rsa_pkcs1_sha384"),
            ("RSA-PSS+SHA256", "rsa_pss_rsae_sha256"),
            ("PSS+SHA512", "rsa_pss_rsae_sha512"),
            ("DSA+SHA256", "dsa_sha256"),
        ] {
            assert_eq!(
                signature_scheme(name).map(|scheme| scheme.to_string()),
                Ok(expected.to_owned())
            );
        }
        for (name, near) in [
            (
                "ecdsa_p256_sha256",
                "the nearest are ecdsa_secp256r1_sha256",
            ),
            (
                "rsa_pss_sha256",
                "the nearest are rsa_pss_pss_sha256, rsa_pss_rsae_sha256",
            ),
        ] {
            let said = signature_scheme(name).unwrap_err();
            assert!(said.contains(near), "{name}: {said}");
        }
        for name in ["RSA+MD5", "ECDSA+SHA3", "+", "RSA+"] {
            let said = signature_scheme(name).unwrap_err();
            assert!(
                said.starts_with("not a supported signature scheme"),
                "{said}"
            );
        }
    }
}
