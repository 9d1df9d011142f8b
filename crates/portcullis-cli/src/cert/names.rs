//! Names that a certificate can be for.
//!
//! RFC 5280 §4.2.1.6, RFC 9525 §6.3.

use std::fmt;
use std::net::IpAddr;

use portcullis::pki_types::DnsName;
use rcgen::SanType;

/// A name in a subjectAltName, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// In lower case; `*.` may stand before it.
    Dns(String),
    Ip(IpAddr),
    Mail(String),
    /// Of a workload: `spiffe://` and whatever trusts it.
    Spiffe(String),
}

impl Name {
    /// Reads a name as a person writes it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{text:?} is no name for a certificate: {why}"));
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        if text.starts_with("spiffe:") {
            return match is_spiffe(text) {
                true => Ok(Self::Spiffe(text.to_owned())),
                false => wrong("it is not a SPIFFE ID such as spiffe://a.test/ns/one/sa/web"),
            };
        }
        if text.contains("://") {
            return wrong(
                "write the host of the URL alone; the only URI here is a SPIFFE ID, spiffe://a.test/web",
            );
        }
        if !text.is_ascii() {
            return wrong("write an international name in its ASCII form (xn--…)");
        }
        if let Some((mailbox, domain)) = text.split_once('@') {
            return match is_mailbox(mailbox) && is_host(domain) {
                true => Ok(Self::Mail(text.to_owned())),
                false => wrong("it is not an e-mail address such as alice@example.com"),
            };
        }
        let lower = text.to_ascii_lowercase();
        match lower.strip_prefix("*.") {
            None if is_host(&lower) => Ok(Self::Dns(lower)),
            Some(below) if is_host(below) => match below.contains('.') {
                true => Ok(Self::Dns(lower)),
                // OpenSSL and browsers.
                false => wrong("clients take no wildcard above a single label"),
            },
            _ if lower.contains('*') => {
                wrong("a wildcard is the whole first label, as in *.a.test")
            }
            _ if lower.contains(':') => wrong("write the host without a port"),
            _ => wrong("it is not a host name, an IP address or an e-mail address"),
        }
    }

    /// Whether a server can be found by it.
    pub(super) fn is_host(&self) -> bool {
        matches!(self, Self::Dns(_) | Self::Ip(_))
    }

    pub(super) fn is_spiffe(&self) -> bool {
        matches!(self, Self::Spiffe(_))
    }

    pub(super) fn to_san(&self) -> Result<SanType, rcgen::Error> {
        Ok(match self {
            Self::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
            Self::Ip(address) => SanType::IpAddress(*address),
            Self::Mail(address) => SanType::Rfc822Name(address.as_str().try_into()?),
            Self::Spiffe(uri) => SanType::URI(uri.as_str().try_into()?),
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) | Self::Mail(name) | Self::Spiffe(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// What clients of this library would ask for. The last label is not a number, or the name would
/// be a damaged address (RFC 3696 §2).
fn is_host(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    !is_number && !name.ends_with('.') && DnsName::try_from(name).is_ok()
}

/// A trust domain, and segments of a path, none of which leads elsewhere (SPIFFE-ID §2).
fn is_spiffe(text: &str) -> bool {
    let Some(rest) = text
        .strip_prefix("spiffe://")
        .filter(|_| text.len() <= 2_048)
    else {
        return false;
    };
    let of = |bytes: &str, upper: bool| {
        let mut bytes = bytes.bytes();
        bytes.all(|byte| match byte {
            b'A'..=b'Z' => upper,
            _ => byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte),
        })
    };
    let (domain, path) = rest
        .split_once('/')
        .map_or((rest, None), |(domain, path)| (domain, Some(path)));
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && of(segment, true);
    !domain.is_empty()
        && domain.len() <= 255
        && of(domain, false)
        && path.is_none_or(|path| path.split('/').all(is_segment))
}

/// A dot-atom (RFC 5322 §3.2.3); quoted ones are not for certificates of development.
fn is_mailbox(mailbox: &str) -> bool {
    let is_atom = |atom: &str| {
        let mut bytes = atom.bytes();
        !atom.is_empty()
            && bytes
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    mailbox.len() <= 64 && mailbox.split('.').all(is_atom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_in_a_certificate() {
        for (text, expected) in [
            ("localhost", Name::Dns("localhost".into())),
            ("A.Test", Name::Dns("a.test".into())),
            ("*.a.test", Name::Dns("*.a.test".into())),
            ("xn--bcher-kva.test", Name::Dns("xn--bcher-kva.test".into())),
            ("::1", Name::Ip("::1".parse().unwrap())),
            ("alice.b+c@a.test", Name::Mail("alice.b+c@a.test".into())),
            ("spiffe://a.test", Name::Spiffe("spiffe://a.test".into())),
            (
                "spiffe://a.test/ns/One/sa/web_1",
                Name::Spiffe("spiffe://a.test/ns/One/sa/web_1".into()),
            ),
        ] {
            assert_eq!(Name::parse(text), Ok(expected));
        }
    }

    #[test]
    fn names_that_cannot() {
        for text in [
            "",
            ".",
            "*",
            "*.",
            "*.test",
            "a*.b.test",
            "*.*.test",
            "a b",
            "a..b",
            "-a.test",
            "a.test.",
            "localhost:443",
            "https://a.test",
            "bücher.test",
            "256.1.1.1",
            "1.2.3",
            "@a.test",
            "a@",
            "a@b@c",
            "a b@a.test",
            "a..b@a.test",
            "\"a\"@a.test",
            "a\n.test",
            "a,b",
            "[::1]",
            "spiffe:",
            "spiffe://",
            "spiffe:///web",
            "spiffe://A.test/web",
            "spiffe://a.test:1/web",
            "spiffe://me@a.test/web",
            "spiffe://a.test/",
            "spiffe://a.test/a//b",
            "spiffe://a.test/a/../b",
            "spiffe://a.test/%61",
            "spiffe://a.test/a?b",
            "spiffe://a.test/*",
        ] {
            assert!(Name::parse(text).is_err(), "{text:?}");
        }
        let long = format!("{}.test", "a".repeat(64));
        assert!(Name::parse(&long).is_err());
    }
}
