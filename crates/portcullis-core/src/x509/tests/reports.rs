//! Chains as they are met in the field, and what is said about those that are refused.
//!
//! Of each there is `reports/NAME.chain.pem`, what the peer shows; `NAME.roots.pem`, what is
//! trusted; `NAME.name`, the name asked for; and `NAME.key.pem` where the leaf's key is needed.

use rustls_pki_types::pem::PemObject;

use super::*;
use crate::AlertDescription;

/// 2026-11-28; they are valid until 2036.
const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_795_824_000));

struct Report {
    name: &'static str,
    chain: &'static [u8],
    roots: &'static [u8],
    host: &'static str,
    /// The alert and the sentence if it is refused.
    refused: Option<(AlertDescription, &'static str)>,
}

macro_rules! reports {
    ($($name:literal => $refused:expr,)*) => {
        &[$(Report {
            name: $name,
            chain: include_bytes!(concat!("reports/", $name, ".chain.pem")),
            roots: include_bytes!(concat!("reports/", $name, ".roots.pem")),
            host: include_str!(concat!("reports/", $name, ".name")),
            refused: $refused,
        },)*]
    };
}

const ACCEPTED: Option<(AlertDescription, &str)> = None;

const REPORTS: &[Report] = reports![
    "ca_without_keycertsign" => Some((AlertDescription::BAD_CERTIFICATE,
        "certificate 1 of the peer's chain (CN=I) may not issue certificates: its key usage has to \
         include keyCertSign")),
    "certificate_over_64k" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "the peer's certificate (CN=l) is not supported: it is larger than 64 KiB")),
    "ecdsa_null_params" => Some((AlertDescription::BAD_CERTIFICATE,
        "the peer's certificate (CN=l) is signed with ecdsa-with-SHA256, whose parameters must be \
         absent (RFC 5758 §3.2) and are not: reissue the certificate")),
    "fourth_of_same_subject" => ACCEPTED,
    "inhibit_any_policy_critical" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "certificate 1 of the peer's chain (CN=I) has a critical extension that is not supported: \
         inhibitAnyPolicy (2.5.29.54)")),
    "ip_in_dns_name" => Some((AlertDescription::BAD_CERTIFICATE,
        "the peer's certificate (CN=l) is not valid for 127.0.0.1: it is for the DNS name \
         \"127.0.0.1\" only, not for an IP address")),
    "issuer_printable_root_utf8" => ACCEPTED,
    "leaf_as_root" => ACCEPTED,
    "name_in_directory_name" => Some((AlertDescription::BAD_CERTIFICATE,
        "the peer's certificate (CN=l) is not valid for a.example.test: it is for the directory \
         name \"CN=a.example.test\" only, not for a DNS name")),
    "name_in_uri" => Some((AlertDescription::BAD_CERTIFICATE,
        "the peer's certificate (CN=l) is not valid for a.example.test: it is for the URI \
         \"a.example.test\" only, not for a DNS name")),
    "nc_directory_excludes_another" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "the trust anchor (CN=NC Root) limits which directory names may be certified (name \
         constraints), and only limits of DNS names and IP addresses are supported")),
    "nc_directory_permitted" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "the trust anchor (CN=NC Root) limits which directory names may be certified (name \
         constraints), and only limits of DNS names and IP addresses are supported")),
    "nc_email_permitted" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "the trust anchor (CN=NC Root) limits which mail addresses may be certified (name \
         constraints), and only limits of DNS names and IP addresses are supported")),
    "nc_uri_permitted" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "the trust anchor (CN=NC Root) limits which URIs may be certified (name constraints), and \
         only limits of DNS names and IP addresses are supported")),
    "not_before_1969" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "the peer's certificate (CN=l) is not supported: its validity begins or ends before 1970")),
    "policies_critical_intermediate" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "certificate 1 of the peer's chain (CN=I) has a critical extension that is not supported: \
         certificatePolicies (2.5.29.32)")),
    "policy_constraints_critical" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "certificate 1 of the peer's chain (CN=I) has a critical extension that is not supported: \
         policyConstraints (2.5.29.36)")),
    "rsa1024_issuer" => Some((AlertDescription::BAD_CERTIFICATE,
        "the trust anchor (CN=Short) has an RSA key of 1024 bits: 2048 to 8192 bits are accepted")),
    // Their own keys are looked at where they sign: `handshake::tests::short_keys`.
    "rsa1024_leaf" => ACCEPTED,
    "rsa2047_leaf" => ACCEPTED,
    "self_signed_ca_not_trusted" => Some((AlertDescription::UNKNOWN_CA,
        "the peer's certificate (CN=db) is self-signed and not among the 1 trust anchors: add it \
         to the roots if it is to be trusted")),
    "unknown_critical_intermediate" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "certificate 1 of the peer's chain (CN=I) has a critical extension that is not supported: \
         1.3.6.1.4.1.99999.1")),
    "version1_leaf" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "the peer's certificate (CN=localhost) is not supported: it is not X.509 version 3")),
];

fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .map(Result::unwrap)
        .collect()
}

#[test]
fn chains_are_accepted_or_truly_refused() {
    for report in REPORTS {
        let chain = PresentedChain::new(certificates(report.chain)).unwrap();
        let policy = ChainPolicy::new(roots(&certificates(report.roots)));
        // The second time the memo knows what was good.
        for _ in 0..2 {
            let verdict = verify_server(&chain, &name(report.host.trim()), NOW, &policy);
            let refused = verdict.err().map(|error| (error.alert(), error.to_string()));
            let expected = report
                .refused
                .map(|(alert, sentence)| (alert, sentence.to_owned()));
            assert_eq!(refused, expected, "{}", report.name);
        }
    }
}
