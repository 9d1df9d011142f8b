//! Names in certificates, for people to read. Nothing is decided by what is printed here.
//!
//! RFC 5280 §4.1.2.6, §4.2.1.6.

use std::net::{Ipv4Addr, Ipv6Addr};

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
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    names.value.general_names.iter().filter_map(text).collect()
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some(printable(name))
        }
        GeneralName::IPAddress(bytes) => ip_address(bytes),
        _ => None,
    }
}

fn ip_address(bytes: &[u8]) -> Option<String> {
    <[u8; 4]>::try_from(bytes)
        .map(|v4| Ipv4Addr::from(v4).to_string())
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(|v6| Ipv6Addr::from(v6).to_string()))
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
        assert_eq!(ip_address(&[127, 0, 0, 1]).as_deref(), Some("127.0.0.1"));
        assert_eq!(ip_address(&[0; 16]).as_deref(), Some("::"));
        assert_eq!(ip_address(&[0; 5]), None);
    }
}
