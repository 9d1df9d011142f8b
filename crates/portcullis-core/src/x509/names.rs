//! Names in certificates, for people to read. Nothing is decided by what is printed here.
//!
//! RFC 5280 §4.1.2.6, §4.2.1.6.

use std::fmt;
use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

/// Longest printed name, in characters; a peer chooses what is in it.
const MAX_PRINTED: usize = 256;

/// The subject of a certificate, such as `CN=www.example.com, O=Example`.
///
/// Control characters are escaped and long names are cut. `None` when the certificate cannot be
/// parsed; an empty subject is an empty string.
pub fn subject(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(printable(&certificate.subject().to_string()))
}

/// A DER-encoded Name in words.
pub(super) fn distinguished_name(name: &[u8]) -> String {
    match X509Name::from_der(name) {
        Ok((_, name)) => match printable(&name.to_string()) {
            name if name.is_empty() => "an empty name".to_owned(),
            name => name,
        },
        Err(_) => "a name that cannot be parsed".to_owned(),
    }
}

/// The subjectAltName entries of a certificate as text: DNS names (`*.example.com`), IP
/// addresses, mail addresses and URIs. Empty when there are none or it cannot be parsed.
pub fn subject_alt_names(certificate: &[u8]) -> Vec<String> {
    let text = |name| match name {
        SubjectAltName::DnsName(name)
        | SubjectAltName::MailAddress(name)
        | SubjectAltName::Uri(name) => Some(name),
        SubjectAltName::IpAddress(address) => Some(address.to_string()),
        _ => None,
    };
    alt_names(certificate)
        .into_iter()
        .filter_map(text)
        .collect()
}

/// A name in a subjectAltName, with its kind (RFC 5280 §4.2.1.6): a host is only found under a
/// DNS name, an address only under an IP address (RFC 9525 §6). Text is safe for logs, and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectAltName {
    /// dNSName.
    DnsName(String),
    /// iPAddress.
    IpAddress(IpAddr),
    /// rfc822Name.
    MailAddress(String),
    /// uniformResourceIdentifier.
    Uri(String),
    /// directoryName.
    DirectoryName(String),
    /// Of another kind or damaged: what it is.
    Other(&'static str),
}

impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DnsName(name) => write!(f, "the DNS name \"{name}\""),
            Self::IpAddress(address) => write!(f, "the IP address {address}"),
            Self::MailAddress(name) => write!(f, "the mail address \"{name}\""),
            Self::Uri(name) => write!(f, "the URI \"{name}\""),
            Self::DirectoryName(name) => write!(f, "the directory name \"{name}\""),
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

/// The entries of the subjectAltName. Empty when there are none or it cannot be parsed.
pub(super) fn alt_names(certificate: &[u8]) -> Vec<SubjectAltName> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    names.value.general_names.iter().map(alt_name).collect()
}

fn alt_name(name: &GeneralName<'_>) -> SubjectAltName {
    match name {
        GeneralName::DNSName(name) => SubjectAltName::DnsName(printable(name)),
        GeneralName::RFC822Name(name) => SubjectAltName::MailAddress(printable(name)),
        GeneralName::URI(name) => SubjectAltName::Uri(printable(name)),
        GeneralName::IPAddress(bytes) => match ip_address(bytes) {
            Some(address) => SubjectAltName::IpAddress(address),
            None => SubjectAltName::Other("an IP address of a wrong length"),
        },
        GeneralName::DirectoryName(name) => {
            SubjectAltName::DirectoryName(printable(&name.to_string()))
        }
        GeneralName::OtherName(..) => SubjectAltName::Other("an otherName"),
        GeneralName::X400Address(_) => SubjectAltName::Other("an x400Address"),
        GeneralName::EDIPartyName(_) => SubjectAltName::Other("an ediPartyName"),
        GeneralName::RegisteredID(_) => SubjectAltName::Other("a registeredID"),
        GeneralName::Invalid(..) => SubjectAltName::Other("a name that cannot be parsed"),
    }
}

pub(super) fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Makes text of a peer safe for logs and terminals.
fn printable(text: &str) -> String {
    let mut printed = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == MAX_PRINTED {
            printed.push('…');
            break;
        }
        // The second range changes the direction of writing.
        if character.is_control()
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            printed.extend(character.escape_unicode());
        } else {
            printed.push(character);
        }
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_writes_cannot_forge_log_lines() {
        assert_eq!(printable("a\nb\u{202e}c"), "a\\u{a}b\\u{202e}c");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 257);
    }

    #[test]
    fn addresses() {
        assert_eq!(ip_address(&[127, 0, 0, 1]), "127.0.0.1".parse().ok());
        assert_eq!(ip_address(&[0; 16]), "::".parse().ok());
        assert_eq!(ip_address(&[0; 5]), None);
    }
}
