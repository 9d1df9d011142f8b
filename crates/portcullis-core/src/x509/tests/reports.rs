//! Chains as they are met in the field, and what is said about those that are refused.
//!
//! Of each there is `reports/NAME.chain.pem`, what the peer shows; `NAME.roots.pem`, what is
//! trusted; `NAME.name`, the name asked for; and `NAME.key.pem` where the leaf's key is needed.

use rustls_pki_types::pem::PemObject;

use super::*;
use crate::AlertDescription;

/// 2026-11-29; they are valid until 2036.
const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_795_910_400));

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
        "certificate 2 of the peer's chain (CN=I) may not issue certificates: its key usage has to \
         include keyCertSign")),
    "certificate_over_64k" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "the peer's certificate (CN=l) is not supported: it is larger than 64 KiB")),
    "ecdsa_null_params" => Some((AlertDescription::BAD_CERTIFICATE,
        "the peer's certificate (CN=l) is signed with ecdsa-with-SHA256, whose parameters must be \
         absent (RFC 5758 §3.2) and are not: reissue the certificate")),
    // CVE-2020-0601: its key names a curve by its numbers, which may be anybody's.
    "explicit_curve_intermediate" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "the peer's certificate (CN=l) is signed with ecdsa-with-SHA256, which is not supported for \
         the issuer's key or not allowed by the configured schemes")),
    "fourth_of_same_subject" => ACCEPTED,
    "inhibit_any_policy_critical" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "certificate 2 of the peer's chain (CN=I) has a critical extension that is not supported: \
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
    "nc_directory_excludes_another" => ACCEPTED,
    "nc_directory_permitted" => ACCEPTED,
    "nc_email_permitted" => ACCEPTED,
    "nc_uri_permitted" => ACCEPTED,
    "not_before_1969" => ACCEPTED,
    "policies_critical_intermediate" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "certificate 2 of the peer's chain (CN=I) has a critical extension that is not supported: \
         certificatePolicies (2.5.29.32)")),
    "policy_constraints_critical" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "certificate 2 of the peer's chain (CN=I) has a critical extension that is not supported: \
         policyConstraints (2.5.29.36)")),
    "rsa1024_issuer" => Some((AlertDescription::BAD_CERTIFICATE,
        "the trust anchor (CN=Short) has an RSA key of 1024 bits: 2048 to 8192 bits are accepted")),
    // Their own keys are looked at where they sign: `handshake::tests::proofs::short_keys`.
    "rsa1024_leaf" => ACCEPTED,
    "rsa2047_leaf" => ACCEPTED,
    "self_signed_ca_not_trusted" => Some((AlertDescription::UNKNOWN_CA,
        "the peer's certificate (CN=db) is self-signed and not among the 1 trust anchors: add it \
         to the roots if it is to be trusted")),
    "unknown_critical_intermediate" => Some((AlertDescription::UNSUPPORTED_CERTIFICATE,
        "certificate 2 of the peer's chain (CN=I) has a critical extension that is not supported: \
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
            let refused = verdict
                .err()
                .map(|error| (error.alert(), error.to_string()));
            let expected = report
                .refused
                .map(|(alert, sentence)| (alert, sentence.to_owned()));
            assert_eq!(refused, expected, "{}", report.name);
        }
    }
}

/// A fault is found wherever it is: no refusal becomes vague because a chain is longer.
#[test]
fn refusals_name_the_certificate() {
    type Change = fn(&mut CertificateParams);
    let custom = |params: &mut CertificateParams, oid: &[u64], content: &[u8], critical| {
        let mut extension = rcgen::CustomExtension::from_oid_content(oid, content.to_vec());
        extension.set_criticality(critical);
        params.custom_extensions.push(extension);
    };
    let faults: &[(Change, &str)] = &[
        (
            |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1),
            " expired on Jan  1 00:00:00 2020",
        ),
        (
            |params| params.not_before = rcgen::date_time_ymd(2100, 1, 1),
            " is valid from Jan  1 00:00:00 2100",
        ),
        (
            |params| params.not_after = rcgen::date_time_ymd(1960, 1, 1),
            " is malformed: it ends before it begins",
        ),
        (
            |params| {
                params.not_before = rcgen::date_time_ymd(2030, 1, 1);
                params.not_after = rcgen::date_time_ymd(2020, 1, 1);
            },
            " is malformed: it ends before it begins",
        ),
        (
            |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning],
            " may not be used by a server: its extended key usage has to include serverAuth",
        ),
    ];
    let encoded: &[(&[u64], &[u8], bool, &str)] = &[
        (
            &[1, 2, 3, 4],
            b"",
            true,
            " has a critical extension that is not supported: 1.2.3.4",
        ),
        (
            &[2, 5, 29, 32],
            &[0x30, 0],
            true,
            " has a critical extension that is not supported: certificatePolicies (2.5.29.32)",
        ),
        (
            &[2, 5, 29, 37],
            &[0x30, 0],
            false,
            " is malformed: its extended key usage is empty",
        ),
    ];
    // Twice what is there once already.
    let (twice, usage): (&[u64], &[u8]) = (&[2, 5, 29, 15], &[3, 2, 7, 0x80]);
    let root = Ca::root("root");
    for at in 0..=2_usize {
        let check = |change: &dyn Fn(&mut CertificateParams), expected: &str| {
            let faulty = |place, mut params: CertificateParams| {
                if place == at {
                    change(&mut params);
                }
                params
            };
            let two = root.intermediate_from(faulty(2, ca_params("two")));
            let one = two.intermediate_from(faulty(1, ca_params("one")));
            let leaf = one.leaf(faulty(0, leaf_params(&["a.example"])));
            let chain = [leaf, one.der(), two.der()];
            let error = server(&chain, "a.example", &trusting(&root)).unwrap_err();
            let which = match at {
                0 => "the peer's certificate (CN=leaf)",
                1 => "certificate 2 of the peer's chain (CN=one)",
                _ => "certificate 3 of the peer's chain (CN=two)",
            };
            let sentence = error.to_string();
            assert!(
                sentence.starts_with(&format!("{which}{expected}")),
                "{sentence}"
            );
        };
        for (change, expected) in faults {
            check(change, expected);
        }
        for (oid, content, critical, expected) in encoded {
            let change = |params: &mut CertificateParams| {
                if oid[3..] == [37] {
                    params.extended_key_usages.clear();
                }
                custom(params, oid, content, *critical);
            };
            check(&change, expected);
        }
        let expected = " is malformed: an extension is in it twice";
        check(&|params| custom(params, twice, usage, false), expected);
    }
}

/// A signature that does not verify, at each place.
#[test]
fn a_bad_signature_is_found() {
    let root = Ca::root("root");
    let two = root.intermediate("two");
    let one = two.intermediate("one");
    let good = [one.leaf(leaf_params(&["a.example"])), one.der(), two.der()];
    for at in 0..3 {
        let mut chain = good.clone();
        let mut der = chain[at].to_vec();
        *der.last_mut().unwrap() ^= 1;
        chain[at] = der.into();
        let error = server(&chain, "a.example", &trusting(&root)).unwrap_err();
        assert_eq!(
            (error.index(), error.alert()),
            (Some(at), AlertDescription::BAD_CERTIFICATE)
        );
        assert!(
            error.to_string().starts_with("the signature of "),
            "{error}"
        );
    }
}

/// Name constraints of an intermediate, on a name of the leaf.
#[test]
fn constraints_name_who_breaks_them_or_who_set_them() {
    use rcgen::{GeneralSubtree, NameConstraints};
    let constrained = |permitted: GeneralSubtree| {
        let mut params = ca_params("bounded");
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![permitted],
            excluded_subtrees: vec![],
        });
        params
    };
    let plain = Ca::root("root");
    let of_leaf = "the peer's certificate (CN=leaf) contains a name its CA is not allowed to certify (name constraints)";
    let check = |bounded: &Ca, expected: &str| {
        let mut params = leaf_params(&["a.example"]);
        let address = "me@c.example".to_owned().try_into().unwrap();
        params
            .subject_alt_names
            .push(rcgen::SanType::Rfc822Name(address));
        params.subject_alt_names.push(rcgen::SanType::OtherName((
            vec![1, 2, 3],
            "other".to_owned().into(),
        )));
        let chain = [bounded.leaf(params), bounded.der()];
        let error = server(&chain, "a.example", &trusting(&plain)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    for permitted in [
        GeneralSubtree::DnsName("b.example".to_owned()),
        GeneralSubtree::Rfc822Name("b.example".to_owned()),
    ] {
        check(&plain.intermediate_from(constrained(permitted)), of_leaf);
    }
    // Of a kind that nobody compares.
    let mut params = ca_params("bounded");
    let other_name = [0xa0, 9, 6, 2, 0x2a, 3, 0xa0, 3, 0x0c, 1, b'x'];
    let subtree = [&[0x30, 11][..], &other_name].concat();
    let permitted = [&[0x30, 15, 0xa0, 13][..], &subtree].concat();
    params.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(
        &[2, 5, 29, 30],
        permitted,
    )];
    check(
        &plain.intermediate_from(params),
        "certificate 2 of the peer's chain (CN=bounded) limits which otherNames may be certified \
         (name constraints), and such limits are not supported",
    );
}

/// RFC 5280 §7.1: an issuer whose name is encoded otherwise, as an anchor and in a chain.
#[test]
fn names_in_another_encoding() {
    let named = |name: rcgen::DnValue| {
        let mut params = ca_params("");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let printable = || {
        named(rcgen::DnValue::PrintableString(
            "Corp CA".try_into().unwrap(),
        ))
    };
    let utf8 = || named(rcgen::DnValue::Utf8String("corp  ca".to_owned()));
    let root = Ca::root("root");
    let key = KeyPair::generate().unwrap();
    let leaf_key = KeyPair::generate().unwrap();
    let by = |params| leaf_params(&["a.example"]).signed_by(&leaf_key, &Issuer::new(params, &key));
    let leaf = by(utf8()).unwrap().der().clone();
    let anchor = printable().self_signed(&key).unwrap().der().clone();
    let intermediate = printable().signed_by(&key, &root.issuer).unwrap();
    let alone = std::slice::from_ref(&leaf);
    server(alone, "a.example", &ChainPolicy::new(roots(&[anchor]))).unwrap();
    // The key decides, whatever the name.
    let impostor = printable().self_signed(&leaf_key).unwrap().der().clone();
    let error = server(alone, "a.example", &ChainPolicy::new(roots(&[impostor]))).unwrap_err();
    assert_eq!(error.alert(), AlertDescription::BAD_CERTIFICATE);
    let chain = [leaf, intermediate.der().clone()];
    server(&chain, "a.example", &trusting(&root)).unwrap();
}
