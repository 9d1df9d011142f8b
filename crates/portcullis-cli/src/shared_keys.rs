//! Pre-shared keys on the command line, or better in a file.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use clap::Args;
use portcullis::suite::CipherSuite;
use portcullis::{PreSharedKey, ProtocolVersion};
use zeroize::Zeroizing;

use crate::algorithms::Versions;
use crate::failure::Failure;

/// What is negotiated with keys where no cipher suites are named: those whose records are read by
/// nobody who learns the key later come first. Keys go with SHA-256 in TLS 1.3, unless they are imported.
const CIPHERS: [CipherSuite; 7] = [
    CipherSuite::TLS_AES_128_GCM_SHA256,
    CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_PSK_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_PSK_WITH_AES_128_GCM_SHA256,
];

#[derive(Debug, Args)]
pub(crate) struct SharedKeys {
    /// A pre-shared key in place of certificates, its bytes in hexadecimal. Everyone on this machine can see it:
    /// there is --psk-file.
    #[arg(long, value_parser = unread, value_name = "IDENTITY:HEX")]
    psk: Option<Unread>,
    /// Pre-shared keys from a file: lines IDENTITY:HEX, as `psktool` writes them.
    #[arg(long, value_name = "FILE", conflicts_with = "psk")]
    psk_file: Option<PathBuf>,
    /// Imports the keys with this context, which both ends have to know (RFC 9258): TLS 1.3 alone is spoken then.
    #[arg(long, value_name = "CONTEXT")]
    psk_import: Option<String>,
}

/// A key as it was typed. It is read later: what clap cannot read it shows.
#[derive(Clone)]
struct Unread(Zeroizing<String>);

impl fmt::Debug for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unread(..)")
    }
}

fn unread(text: &str) -> Result<Unread, Infallible> {
    Ok(Unread(Zeroizing::new(text.to_owned())))
}

impl SharedKeys {
    /// The keys, to be used in one of these versions.
    pub(crate) fn load(&self, versions: Option<&Versions>) -> Result<Vec<PreSharedKey>, Failure> {
        let keys = self.read()?;
        // The library leaves a key without an identity out of TLS 1.3: who types the option would not know why.
        let is_tls13 = versions.is_none_or(|Versions(all)| all.contains(&ProtocolVersion::TLS_1_3));
        if is_tls13 && keys.iter().any(|key| key.identity().is_empty()) {
            let option = match &self.psk_file {
                None => "--psk",
                Some(_) => "--psk-file",
            };
            return Err(Failure::usage(format!(
                "{option}: a key has an empty identity, which TLS 1.3 cannot send (RFC 8446 §4.2.11); give it one of a \
                 byte or more, or leave TLS 1.3 out of --tls"
            )));
        }
        let Some(context) = &self.psk_import else {
            return Ok(keys);
        };
        if keys.is_empty() {
            let said = "--psk-import: there is no key; give one with --psk-file or --psk";
            return Err(Failure::usage(said));
        }
        let imported = keys.into_iter().map(|key| key.imported(context));
        imported
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::usage(format!("--psk-import: {error}")))
    }

    fn read(&self) -> Result<Vec<PreSharedKey>, Failure> {
        match (&self.psk, &self.psk_file) {
            (None, None) => Ok(Vec::new()),
            (Some(Unread(text)), _) => psk(text)
                .map(|key| vec![key])
                .map_err(|error| Failure::usage(format!("--psk: {error}"))),
            (None, Some(file)) => read(file)
                .map_err(|error| Failure::usage(format!("--psk-file {}: {error}", file.display()))),
        }
    }

    pub(crate) const fn are_there(&self) -> bool {
        self.psk.is_some() || self.psk_file.is_some()
    }

    /// Whether a key can be used with one of the cipher suites and in the versions that are named.
    pub(crate) fn check(
        &self,
        named: &[CipherSuite],
        versions: Option<&Versions>,
    ) -> Result<(), Failure> {
        let is_old = |version: &ProtocolVersion| *version != ProtocolVersion::TLS_1_3;
        let mut others = versions.iter().flat_map(|Versions(versions)| versions);
        if self.psk_import.is_some() && named.is_empty() && others.any(is_old) {
            return Err(Failure::usage(
                "--psk-import: imported keys are for TLS 1.3 alone; name no other version in --tls, or leave it out",
            ));
        }
        let goes_with_keys = |suite: &CipherSuite| {
            let name = suite.to_string();
            match exists_in(*suite, ProtocolVersion::TLS_1_3) {
                true => self.psk_import.is_some() || name.ends_with("_SHA256"),
                false => name.contains("_PSK_"),
            }
        };
        if !self.are_there() || named.is_empty() || named.iter().any(goes_with_keys) {
            return Ok(());
        }
        Err(Failure::usage(
            "--ciphers: none goes with a pre-shared key; in TLS 1.3 these are the ones with SHA-256, as \
             TLS_AES_128_GCM_SHA256, or all with --psk-import, and before the ones of PSK and ECDHE_PSK",
        ))
    }

    /// The cipher suites that are named, or those that go with keys if there are some: of these versions, and of
    /// TLS 1.3 alone where keys are imported.
    pub(crate) fn ciphers(
        &self,
        named: &[CipherSuite],
        versions: Option<&Versions>,
    ) -> Vec<CipherSuite> {
        if !named.is_empty() || !self.are_there() {
            return named.to_vec();
        }
        let is_spoken = |suite: &CipherSuite| match versions {
            None => self.psk_import.is_none() || exists_in(*suite, ProtocolVersion::TLS_1_3),
            Some(Versions(versions)) => versions.iter().any(|version| exists_in(*suite, *version)),
        };
        CIPHERS.iter().copied().filter(is_spoken).collect()
    }
}

fn exists_in(suite: CipherSuite, version: ProtocolVersion) -> bool {
    suite.info().is_some_and(|info| info.exists_in(version))
}

fn read(file: &Path) -> Result<Vec<PreSharedKey>, String> {
    let text = fs::read_to_string(file).map(Zeroizing::new);
    let text = text.map_err(|error| error.to_string())?;
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if !line.is_empty() {
            keys.push(psk(line).map_err(|error| format!("line {number}: {error}"))?);
        }
    }
    match keys.is_empty() {
        true => Err("there is no key in it".to_owned()),
        false => Ok(keys),
    }
}

/// Reads `IDENTITY:HEX`; the identity may have colons. What is wrong is told without the key.
fn psk(text: &str) -> Result<PreSharedKey, String> {
    let (identity, key) = text
        .rsplit_once(':')
        .ok_or("not of the form IDENTITY:HEX")?;
    let key =
        bytes(key).ok_or("behind the last colon there must be pairs of hexadecimal digits")?;
    PreSharedKey::new(identity, &*key).map_err(|error| error.to_string())
}

fn bytes(hex: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits = hex.as_bytes();
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    for pair in digits.chunks(2) {
        let [high, low] = pair else { return None };
        bytes.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_and_never_told() {
        assert_eq!(psk("a:b:00ff").unwrap().identity(), b"a:b");
        assert!(psk(":00").unwrap().identity().is_empty());
        for wrong in ["a", "a:0", "a:zz", "a:", "a:00 "] {
            let error = psk(wrong).unwrap_err();
            assert!(!error.contains("zz"), "{error}");
        }
        assert_eq!(**bytes("00fFa1").unwrap(), [0, 0xff, 0xa1]);
    }
}
