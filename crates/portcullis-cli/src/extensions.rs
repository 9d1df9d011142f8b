//! What a certificate says in its extensions beside its names and purposes, for people and for programs.
//!
//! RFC 5280 §4.2, RFC 6962 §3.3, RFC 7633.

use portcullis::x509::{PresentedChain, Sct};
use portcullis::{CertificateDer, x509};
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use x509_parser::extensions::{
    AuthorityInfoAccess, CRLDistributionPoints, DistributionPointName, GeneralName, GeneralSubtree,
    ParsedExtension,
};
use x509_parser::prelude::X509Certificate;

use crate::certificate::unix_date;
use crate::text::{hex, identifier, printable};

/// More of a kind are not shown.
const MOST: usize = 32;
/// TLS feature, and in it status_request.
const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";
const STATUS_REQUEST: &[u8] = &[2, 1, 5];

/// What is printed of them. All text is safe for a terminal.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    /// How many authorities may stand below this one.
    path_length: Option<u32>,
    key_identifier: Option<String>,
    authority_key_identifier: Option<String>,
    crls: Vec<String>,
    ocsp: Vec<String>,
    issuers: Vec<String>,
    must_staple: bool,
    timestamps: Vec<String>,
    policies: Vec<String>,
    permitted: Vec<String>,
    excluded: Vec<String>,
    /// Those that cannot be read.
    damaged: Vec<String>,
}

impl Extensions {
    pub(crate) fn read(der: &CertificateDer<'_>, read: &X509Certificate<'_>) -> Self {
        let mut this = Self {
            ocsp: x509::ocsp_responders(der)
                .iter()
                .map(|uri| printable(uri))
                .collect(),
            timestamps: timestamps(der),
            ..Self::default()
        };
        for extension in read.extensions() {
            let oid = extension.oid.to_id_string();
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(own) => {
                    this.path_length = own.path_len_constraint.filter(|_| own.ca);
                }
                ParsedExtension::SubjectKeyIdentifier(own) => {
                    this.key_identifier = Some(identifier(own.0));
                }
                ParsedExtension::AuthorityKeyIdentifier(own) => {
                    let key = own.key_identifier.as_ref();
                    this.authority_key_identifier = key.map(|key| identifier(key.0));
                }
                ParsedExtension::CRLDistributionPoints(own) => this.crls = points(own),
                ParsedExtension::AuthorityInfoAccess(own) => this.issuers = issuers(own),
                ParsedExtension::CertificatePolicies(own) => {
                    let oids = own
                        .iter()
                        .map(|policy| policy_name(&policy.policy_id.to_id_string()));
                    this.policies = oids.take(MOST).collect();
                }
                ParsedExtension::NameConstraints(own) => {
                    this.permitted = subtrees(own.permitted_subtrees.as_deref());
                    this.excluded = subtrees(own.excluded_subtrees.as_deref());
                }
                ParsedExtension::ParseError { .. } => this.damaged.push(oid),
                _ if oid == TLS_FEATURE => {
                    // A SEQUENCE of INTEGERs, each of one or two bytes.
                    let features = extension.value;
                    this.must_staple = features
                        .windows(STATUS_REQUEST.len())
                        .skip(2)
                        .any(|window| window == STATUS_REQUEST);
                }
                _ => {}
            }
        }
        this
    }

    /// One line for each fact that is there.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        if let Some(most) = self.path_length {
            let below = match most {
                0 => "no authority".to_owned(),
                1 => "one authority".to_owned(),
                _ => format!("at most {most} authorities in a row"),
            };
            lines.push(("below it", below));
        }
        for (name, names) in [("permitted", &self.permitted), ("excluded", &self.excluded)] {
            if !names.is_empty() {
                lines.push((name, names.join(", ")));
            }
        }
        for (name, values) in [
            ("CRL", &self.crls),
            ("OCSP", &self.ocsp),
            ("issuer at", &self.issuers),
        ] {
            lines.extend(values.iter().map(|value| (name, value.clone())));
        }
        if self.must_staple {
            lines.push(("staple", "required (RFC 7633)".to_owned()));
        }
        for timestamp in &self.timestamps {
            lines.push(("SCT", timestamp.clone()));
        }
        if !self.policies.is_empty() {
            lines.push(("policies", self.policies.join(", ")));
        }
        let identifiers = [
            ("key id", &self.key_identifier),
            ("issuer key", &self.authority_key_identifier),
        ];
        for (name, identifier) in identifiers {
            lines.extend(
                identifier
                    .iter()
                    .map(|identifier| (name, identifier.clone())),
            );
        }
        if !self.damaged.is_empty() {
            lines.push(("unreadable", self.damaged.join(", ")));
        }
        lines
    }

    /// What is there.
    pub(crate) fn json(&self) -> Map<String, Value> {
        let all = [
            ("path_length", json!(self.path_length)),
            ("permitted_names", json!(self.permitted)),
            ("excluded_names", json!(self.excluded)),
            ("crl_distribution_points", json!(self.crls)),
            ("ocsp_responders", json!(self.ocsp)),
            ("issuer_certificates", json!(self.issuers)),
            ("must_staple", json!(self.must_staple)),
            ("timestamps", json!(self.timestamps)),
            ("policies", json!(self.policies)),
            ("key_identifier", json!(self.key_identifier)),
            (
                "authority_key_identifier",
                json!(self.authority_key_identifier),
            ),
            ("unreadable_extensions", json!(self.damaged)),
        ];
        let is_there = |value: &Value| match value {
            Value::Array(values) => !values.is_empty(),
            Value::Bool(is_so) => *is_so,
            other => !other.is_null(),
        };
        let all = all.into_iter().filter(|(_, value)| is_there(value));
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn points(all: &CRLDistributionPoints<'_>) -> Vec<String> {
    let names = all
        .iter()
        .flat_map(|point| match &point.distribution_point {
            Some(DistributionPointName::FullName(names)) => {
                names.iter().map(general_name).collect()
            }
            Some(DistributionPointName::NameRelativeToCRLIssuer(_)) => {
                vec!["a name relative to that of the issuer of the list".to_owned()]
            }
            None => Vec::new(),
        });
    names.take(MOST).collect()
}

/// Where the certificate of the issuer is.
fn issuers(all: &AuthorityInfoAccess<'_>) -> Vec<String> {
    const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";
    let of_issuers = all
        .iter()
        .filter(|one| one.access_method.to_id_string() == CA_ISSUERS);
    let names = of_issuers.map(|one| general_name(&one.access_location));
    names.take(MOST).collect()
}

fn subtrees(all: Option<&[GeneralSubtree<'_>]>) -> Vec<String> {
    let names = all
        .unwrap_or_default()
        .iter()
        .map(|subtree| match &subtree.base {
            GeneralName::IPAddress(bytes) => network(bytes),
            other => general_name(other),
        });
    names.take(MOST).collect()
}

fn general_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName("") => "every DNS name".to_owned(),
        GeneralName::DNSName(name) | GeneralName::URI(name) => printable(name),
        GeneralName::RFC822Name(address) => format!("e-mail {}", printable(address)),
        GeneralName::DirectoryName(name) => printable(&name.to_string()),
        GeneralName::IPAddress(bytes) => match address(bytes) {
            Some(address) => address.to_string(),
            None => printable(&name.to_string()),
        },
        other => printable(&other.to_string()),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// An address and a mask (§4.2.1.10).
fn network(bytes: &[u8]) -> String {
    let (base, mask) = bytes.split_at(bytes.len() / 2);
    match (address(base), address(mask)) {
        (Some(base), Some(_)) if base.is_ipv4() == (mask.len() == 4) => {
            let ones: u32 = mask.iter().map(|byte| byte.leading_ones()).sum();
            let is_prefix = mask.iter().map(|byte| byte.count_ones()).sum::<u32>() == ones
                && mask.windows(2).all(|pair| pair[0] == 0xff || pair[1] == 0);
            match is_prefix {
                true => format!("{base}/{ones}"),
                false => format!("{base} with the mask {}", hex(mask, ":")),
            }
        }
        _ => format!("an IP range of {} bytes", bytes.len()),
    }
}

fn policy_name(oid: &str) -> String {
    let known = match oid {
        "2.5.29.32.0" => "any policy",
        "2.23.140.1.1" => "extended validation",
        "2.23.140.1.2.1" => "domain validated",
        "2.23.140.1.2.2" => "organization validated",
        "2.23.140.1.2.3" => "individual validated",
        _ => return oid.to_owned(),
    };
    format!("{oid} ({known})")
}

/// Those of logs that are in the certificate. Nobody has verified them.
fn timestamps(der: &CertificateDer<'_>) -> Vec<String> {
    let chain = PresentedChain::new(vec![der.clone().into_owned()]);
    let all = chain.map(|chain| chain.scts()).unwrap_or_default();
    all.iter().take(MOST).map(timestamp).collect()
}

fn timestamp(sct: &Sct) -> String {
    match (sct.log_id(), sct.timestamp()) {
        (Some(log), Some(time)) => format!("{} by the log {}", unix_date(time), hex(log, "")),
        _ => format!("{} bytes of another version", sct.as_bytes().len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_addresses() {
        for (bytes, expected) in [
            (&[10, 0, 0, 0, 255, 0, 0, 0][..], "10.0.0.0/8"),
            (&[10, 1, 2, 3, 255, 255, 255, 255], "10.1.2.3/32"),
            (&[0, 0, 0, 0, 0, 0, 0, 0], "0.0.0.0/0"),
            (
                &[10, 0, 0, 0, 255, 0, 255, 0],
                "10.0.0.0 with the mask ff:00:ff:00",
            ),
            (&[10, 0, 0, 0], "an IP range of 4 bytes"),
            (&[10, 0, 0], "an IP range of 3 bytes"),
            (&[], "an IP range of 0 bytes"),
        ] {
            assert_eq!(network(bytes), expected);
        }
        let mut v6 = [0; 32];
        v6[..2].copy_from_slice(&[0x20, 1]);
        v6[16..20].fill(0xff);
        assert_eq!(network(&v6), "2001::/32");
    }
}
