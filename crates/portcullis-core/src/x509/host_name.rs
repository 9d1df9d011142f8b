//! Whether a certificate is for the host that is asked for.
//!
//! RFC 9525 §6: a DNS name is found in a dNSName only, an IP address in an iPAddress only, and
//! nothing in the common name.

use rustls_pki_types::{IpAddr, ServerName};

use super::extension::GeneralNames;
use super::extension::alt_name::{DNS_NAME, IP_ADDRESS};

/// Whether a `*` may stand for the leftmost label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wildcard {
    Allowed,
    Refused,
}

/// Whether one of the names is that of the server. One that is no name is as good as not there.
pub(super) fn is_for(names: GeneralNames<'_>, server: &ServerName<'_>) -> bool {
    match server {
        ServerName::DnsName(name) => {
            let wanted = name.as_ref().as_bytes();
            let mut dns = names.iter().filter(|name| name.tag == DNS_NAME);
            dns.any(|name| stands_for(name.contents, wanted, Wildcard::Allowed))
        }
        ServerName::IpAddress(address) => {
            let wanted: &[u8] = match address {
                IpAddr::V4(address) => address.as_ref(),
                IpAddr::V6(address) => address.as_ref(),
            };
            let mut addresses = names.iter().filter(|name| name.tag == IP_ADDRESS);
            addresses.any(|name| name.contents == wanted)
        }
        _ => false,
    }
}

/// §6.3: a wildcard is a whole leftmost label and stands for one. Two labels have to follow, as
/// nobody has all names of a top-level domain.
pub(super) fn stands_for(presented: &[u8], wanted: &[u8], wildcard: Wildcard) -> bool {
    if !is_dns_name(presented, wildcard) {
        return false;
    }
    let wanted = wanted.strip_suffix(b".").unwrap_or(wanted);
    let Some(parent) = presented.strip_prefix(b"*.") else {
        return presented.eq_ignore_ascii_case(wanted);
    };
    let dot = wanted.iter().position(|byte| *byte == b'.');
    let parent_of_wanted = dot.and_then(|dot| wanted.get(dot + 1..));
    parent.contains(&b'.') && parent_of_wanted.is_some_and(|own| own.eq_ignore_ascii_case(parent))
}

/// RFC 5280 §4.2.1.6, RFC 1034 §3.5, RFC 1123 §2.1, and underscores, which many have. The last
/// label is no number: that would be an address.
pub(super) fn is_dns_name(name: &[u8], wildcard: Wildcard) -> bool {
    let name = match (wildcard, name.strip_prefix(b"*.")) {
        (Wildcard::Allowed, Some(parent)) => parent,
        _ => name,
    };
    let is_label = |label: &[u8]| {
        let is_character = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len())
            && label.iter().all(is_character)
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
    };
    let last = || name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    // First, so that a long one costs nothing.
    name.len() <= 253
        && name.split(|byte| *byte == b'.').all(is_label)
        && !last().iter().all(u8::is_ascii_digit)
}
