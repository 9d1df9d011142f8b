//! Users with passwords (SRP, RFC 5054): as whom a client logs in, and whom a server knows.

use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::Args;
use portcullis::suite::CipherSuite;
use portcullis::{ProtocolVersion, SrpGroup, SrpUsers, SrpVerifier};
use zeroize::Zeroizing;

use crate::algorithms::Versions;
use crate::failure::Failure;
use crate::files::secret;

/// What is negotiated with a password where no cipher suites are named: it proves both ends, without a
/// certificate.
const CIPHERS: [CipherSuite; 2] = [
    CipherSuite::TLS_SRP_SHA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_SRP_SHA_WITH_AES_128_CBC_SHA,
];

/// How long a seed is, in bytes.
const LEAST_SEED: usize = 16;
const MOST_SEED: usize = 1024;

/// Where the password is if it is in no file.
const VARIABLE: &str = "PORTCULLIS_SRP_PASSWORD";

fn ciphers(are_there: bool, named: &[CipherSuite]) -> &[CipherSuite] {
    match named.is_empty() && are_there {
        true => &CIPHERS,
        false => named,
    }
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Log in as this user (SRP, TLS 1.2). The password is in --srp-password-file, or in the variable
    /// PORTCULLIS_SRP_PASSWORD.
    #[arg(long, value_name = "USER", conflicts_with_all = ["psk", "psk_file"])]
    srp: Option<String>,
    /// The password of --srp: the first line of this file.
    #[arg(long, value_name = "FILE", requires = "srp")]
    srp_password_file: Option<PathBuf>,
}

/// What a client logs in with.
pub(crate) struct Credentials<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: Zeroizing<Vec<u8>>,
}

impl Login {
    /// The user and the password, if there is a user.
    pub(crate) fn load(&self) -> Result<Option<Credentials<'_>>, Failure> {
        let Some(user) = &self.srp else {
            return Ok(None);
        };
        let password = match (&self.srp_password_file, env::var_os(VARIABLE)) {
            (Some(file), _) => first_line(file).map_err(|error| {
                Failure::usage(format!("--srp-password-file {}: {error}", file.display()))
            })?,
            (None, Some(value)) if value.is_empty() => {
                return Err(Failure::usage(format!(
                    "--srp {user}: the variable {VARIABLE} is empty"
                )));
            }
            (None, Some(value)) => Zeroizing::new(value.into_encoded_bytes()),
            (None, None) => {
                return Err(Failure::usage(format!(
                    "--srp {user}: there is no password; put it into a file for --srp-password-file, or into the \
                     variable {VARIABLE}"
                )));
            }
        };
        Ok(Some(Credentials { user, password }))
    }

    pub(crate) const fn is_there(&self) -> bool {
        self.srp.is_some()
    }

    /// Whether the versions that are named have passwords.
    pub(crate) fn check(
        &self,
        named: &[CipherSuite],
        versions: Option<&Versions>,
    ) -> Result<(), Failure> {
        check("--srp", self.is_there() && named.is_empty(), versions)
    }

    /// The cipher suites that are named, or those that go with a password if there is one.
    pub(crate) fn ciphers<'a>(&self, named: &'a [CipherSuite]) -> &'a [CipherSuite] {
        ciphers(self.is_there(), named)
    }
}

/// Where no cipher suites are named each version takes one with which somebody logs in.
fn check(option: &str, are_chosen: bool, versions: Option<&Versions>) -> Result<(), Failure> {
    let newest = ProtocolVersion::TLS_1_3;
    match versions {
        Some(Versions(versions)) if are_chosen && versions.as_slice() == [newest] => {
            Err(Failure::usage(format!(
                "{option}: passwords are for TLS 1.2 and older; name such a version in --tls"
            )))
        }
        Some(Versions(versions)) if are_chosen && versions.contains(&newest) => {
            Err(Failure::usage(format!(
                "{option}: passwords are for TLS 1.2 and older; leave 1.3 out of --tls, or name cipher suites for it, \
                 too, in --ciphers"
            )))
        }
        _ => Ok(()),
    }
}

fn first_line(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = fs::read(file).map(Zeroizing::new);
    let text = text.map_err(|error| error.to_string())?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match line.strip_suffix(b"\r").unwrap_or(line) {
        [] => Err("its first line is empty".to_owned()),
        line => Ok(Zeroizing::new(line.to_vec())),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Users {
    /// Users who may log in with a password (SRP, TLS 1.2), from a file as `openssl srp -srpvfile` makes it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["psk", "psk_file"])]
    srp_file: Option<PathBuf>,
    /// What the salts of users who are not there are made of: 16 to 1,024 random bytes, the same for all servers of one
    /// name. Without it they are others after a new start, which tells who is not there.
    #[arg(long, value_name = "FILE", requires = "srp_file")]
    srp_seed: Option<PathBuf>,
}

impl Users {
    pub(crate) fn load(&self) -> Result<Option<SrpUsers>, Failure> {
        let Some(file) = &self.srp_file else {
            return Ok(None);
        };
        let named = |error| Failure::usage(format!("--srp-file {}: {error}", file.display()));
        let text = fs::read_to_string(file).map(Zeroizing::new);
        let text = text.map_err(|error| named(error.to_string()))?;
        let users = users(&text).map_err(named)?;
        let Some(file) = &self.srp_seed else {
            return Ok(Some(users));
        };
        let named = |error| Failure::usage(format!("--srp-seed {}: {error}", file.display()));
        let seed = secret(file, MOST_SEED).map_err(|error| named(error.to_string()))?;
        match seed.len() {
            LEAST_SEED.. => Ok(Some(users.seed(seed))),
            length => Err(named(format!(
                "{length} bytes, and at least {LEAST_SEED} are needed; make some with `openssl rand 32`"
            ))),
        }
    }

    /// As of [`Login`].
    pub(crate) fn check(
        &self,
        named: &[CipherSuite],
        versions: Option<&Versions>,
    ) -> Result<(), Failure> {
        let are_chosen = self.srp_file.is_some() && named.is_empty();
        check("--srp-file", are_chosen, versions)
    }

    /// The cipher suites that are named, or those that go with passwords if there are some.
    pub(crate) fn ciphers<'a>(&self, named: &'a [CipherSuite]) -> &'a [CipherSuite] {
        ciphers(self.srp_file.is_some(), named)
    }
}

/// Reads the lines of OpenSSL's file. What is wrong is told without the verifier.
fn users(text: &str) -> Result<SrpUsers, String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let read = verifier(line).map_err(|error| format!("line {number}: {error}"))?;
        found.extend(read);
    }
    if found.is_empty() {
        return Err("there is no user in it".to_owned());
    }
    SrpUsers::new(found).map_err(|error| error.to_string())
}

/// Reads the six fields of one, which are parted by tabs: the type, the verifier, the salt, the name, the group
/// and what is said of the user. `None` for a revoked user, a group, or a comment.
fn verifier(line: &str) -> Result<Option<SrpVerifier>, String> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let fields: Vec<&str> = line.split('\t').collect();
    let ["V", verifier, salt, user, group, _] = fields.as_slice() else {
        return match fields.as_slice() {
            ["R" | "I", _, _, _, _, _] => Ok(None),
            _ => Err(
                "not six fields parted by tabs, of which the first is V, R or I, as `openssl srp` writes them"
                    .to_owned(),
            ),
        };
    };
    let mut groups = SrpGroup::ALL.iter();
    let found = groups.find(|one| one.bits().to_string() == *group);
    let group = found.ok_or_else(|| {
        let all: Vec<String> = SrpGroup::ALL
            .iter()
            .map(|one| one.bits().to_string())
            .collect();
        format!(
            "the group {group:?} of {user:?} is none of RFC 5054, which are {}",
            all.join(", ")
        )
    })?;
    let number = |text: &str, of: &str| {
        bytes(text).ok_or_else(|| format!("the {of} of {user:?} is not in OpenSSL's base64"))
    };
    let (verifier, salt) = (number(verifier, "verifier")?, number(salt, "salt")?);
    let read = SrpVerifier::new(user, *group, &*salt, &*verifier);
    read.map(Some).map_err(|error| error.to_string())
}

/// Reads SRP's own base64: another order of the same signs, and what is missing to four of them is in front.
fn bytes(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    const SIGNS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz./";
    let missing = text.len().wrapping_neg() % 4;
    if missing == 3 {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let (mut bits, mut held) = (0_u32, 0);
    for sign in core::iter::repeat_n(b'0', missing).chain(text.bytes()) {
        let value = SIGNS.iter().position(|one| *one == sign)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
        bits &= 0xff;
    }
    // So many bytes there were none of.
    if bytes.iter().take(missing).any(|byte| *byte != 0) {
        return None;
    }
    bytes.drain(..missing);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base64_of_srp() {
        for (text, expected) in [
            ("", Some(&[][..])),
            ("0F", Some(&[0x0f])),
            ("3/", Some(&[0xff])),
            ("F//", Some(&[0xff, 0xff])),
            ("././", Some(&[0xfb, 0xff, 0xbf])),
            ("3/././", Some(&[0xff, 0xfb, 0xff, 0xbf])),
            // A bit more than fits, a sign that is no byte, and signs of other alphabets.
            ("4/", None),
            ("1", None),
            ("0+", None),
            ("0F==", None),
        ] {
            let read = bytes(text).map(|bytes| bytes.to_vec());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    /// Made by `openssl srp` of OpenSSL 3.0.22 for the password "wonderland", in the group of 1,024 bits. A revoked user is passed over.
    #[test]
    fn a_line_of_openssl() {
        let read = users(OPENSSL).unwrap();
        assert_eq!(read.len(), 1);
        for (line, why) in [
            ("V\t0F\t0F\talice\t1024", "not six fields"),
            ("X\t0F\t0F\talice\t1024\t", "not six fields"),
            (
                "V\t0F\t0F\talice\t1023\t",
                "the group \"1023\" of \"alice\" is none",
            ),
            ("V\ta=\tcd\talice\t1024\t", "the verifier of \"alice\""),
            ("V\t0F\t!F\talice\t1024\t", "the salt of \"alice\""),
            ("V\t00\t0F\talice\t1024\t", "above 0 and below the prime"),
        ] {
            let error = verifier(line).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(users("# nobody\n\n").unwrap_err(), "there is no user in it");
        let twice = [OPENSSL, OPENSSL].concat();
        assert!(users(&twice).unwrap_err().contains("of the same user"));
        let error = users("V\t0F\t0F\n").unwrap_err();
        assert!(error.starts_with("line 1: "), "{error}");
    }

    const OPENSSL: &str = concat!(
        "V\tDV22OEvWsr/8pqDHdbuuSGktvNEBgeRr47K5PGjCz8IpTpjcWgpZH4pJuzWAJAhNqI1BHwnAbFCnp3IKodghXxPRTSJJL",
        "//YaxA.gbyox7AkxmSe154oHDNOlALlgPpYZ4IEKk4LwZnZAyCZ/h4lvwoB53ABEjBgAYZ0.WKh3RB\t2hwXaKB4h7PGMfbH",
        "C3a8adI10X3\talice\t1024\t\n",
        "R\t8o65kKUKxS.LB49p3UVBqfRR5.F11X8ovxxeVRXzxJaVUW2JmilLXbiP42oQ9D9J/WcRYJEB05FO/S7.Hf/dEETe2206Q",
        "P6e1Xym.clU.ljtpnEBI3jnC8J41v6ckIb8sKMgMclLk0KtnbXoHoq4sC3YJnM7EvQiC24JRgARKMJ\tERQXpAasEkNK1WG8",
        "Q5.xNW41H9e\tcarol\t1024\t\n",
    );
}
