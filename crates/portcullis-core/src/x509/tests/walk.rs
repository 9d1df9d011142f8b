//! What a walk refuses, and what it accepts that webpki alone would not.

use rcgen::{
    CustomExtension, DistinguishedName, DnValue, GeneralSubtree, NameConstraints, SanType,
    date_time_ymd, string::Ia5String,
};

use super::paths::{longest, time};
use super::*;
use crate::x509::path::{MAX_PATHS, MAX_STEPS};
use crate::x509::{CertificateErrorKind as Kind, MAX_CERTIFICATES};
use crate::{AlertDescription, der};

const HOST: &str = "www.example.com";

/// Erlang's public_key 1.13 connects to the first four of these five, OpenSSL accepts the last.
#[test]
fn a_leaf_is_no_issuer() {
    let root = Ca::root("root");
    let without = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = leaf_params(&["inter.example"]);
        params.extended_key_usages.clear();
        change(&mut params);
        root.intermediate_from(params)
    };
    for (issuer, expected) in [
        // No basicConstraints, no keyUsage.
        (
            without(&|params| params.key_usages.clear()),
            Kind::WrongBasicConstraints,
        ),
        // cA=FALSE, no keyUsage.
        (
            without(&|params| {
                params.key_usages.clear();
                params.is_ca = IsCa::ExplicitNoCa;
            }),
            Kind::WrongBasicConstraints,
        ),
        // keyCertSign makes no CA.
        (
            without(&|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]),
            Kind::WrongBasicConstraints,
        ),
        // And cA without keyCertSign none either.
        (
            without(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            Kind::IssuerKeyUsage,
        ),
    ] {
        let chain = [issuer.leaf(leaf_params(&[HOST])), issuer.der()];
        for error in [
            server(&chain, HOST, &trusting(&root)).unwrap_err(),
            client(&chain, &trusting(&root)).unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.index()), (&expected, Some(1)));
            assert_eq!(error.alert(), AlertDescription::BAD_CERTIFICATE);
        }
    }
}

/// A certificate of version 1: as it comes, without extensions.
fn version_1(name: &str, key: &KeyPair, issuer: &Ca) -> CertificateDer<'static> {
    // One of version 3 without its version and extensions, and signed again.
    let mut params = ca_params(name);
    params.is_ca = IsCa::NoCa;
    params.key_usages.clear();
    let whole = params.signed_by(key, &issuer.issuer).unwrap();
    let fields = crate::x509::certificate::Certificate::read(whole.der()).unwrap();
    let mut parts = der::Reader::new(der::only(fields.tbs, der::SEQUENCE).unwrap());
    parts.any().unwrap(); // version
    let kept: Vec<u8> = (0..6)
        .flat_map(|_| parts.any().unwrap().whole.to_vec())
        .collect();
    let tbs = der::sequence(&kept);
    let signature = rcgen::SigningKey::sign(issuer.issuer.key(), &tbs).unwrap();
    let algorithm = der::sequence(fields.signature_algorithm);
    let mut bits = vec![3, u8::try_from(signature.len() + 1).unwrap(), 0];
    bits.extend(signature);
    der::sequence(&[tbs, algorithm, bits].concat()).into()
}

#[test]
fn a_version_1_certificate_is_an_anchor_and_no_intermediate() {
    let root = Ca::root("root");
    let key = KeyPair::generate().unwrap();
    let old = version_1("old", &key, &root);
    let issuer = Issuer::new(ca_params("old"), key);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = leaf_params(&[HOST]).signed_by(&leaf_key, &issuer).unwrap();
    let chain = [leaf.der().clone(), old.clone()];
    let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
    assert_eq!(error.alert(), AlertDescription::UNSUPPORTED_CERTIFICATE);
    assert_eq!(
        error.to_string(),
        "certificate 2 of the peer's chain (CN=old) is not supported: it is not X.509 version 3"
    );
    server(&chain, HOST, &ChainPolicy::new(roots(&[old]))).unwrap();
}

/// `CN=bank.test` below a CA that may certify `example.com` only: no name is ever taken from
/// there (CVE-2026-42790).
#[test]
fn a_common_name_is_no_way_around_constraints() {
    let root = Ca::root("root");
    let bounded = constrained(&root, &["example.com"], &[]);
    let mut params = leaf_params(&[]);
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "bank.test");
    let chain = [bounded.leaf(params), bounded.der()];
    let error = server(&chain, "bank.test", &trusting(&root)).unwrap_err();
    assert!(matches!(error.kind(), Kind::NameMismatch { .. }), "{error}");
}

fn constrained(root: &Ca, permitted: &[&str], excluded: &[&str]) -> Ca {
    let subtrees = |names: &[&str]| {
        let of = |name: &&str| GeneralSubtree::DnsName((*name).to_owned());
        names.iter().map(of).collect()
    };
    let mut params = ca_params("bounded");
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: subtrees(permitted),
        excluded_subtrees: subtrees(excluded),
    });
    root.intermediate_from(params)
}

/// RUSTSEC-2026-0099, CVE-2025-61727, go#76935.
#[test]
fn wildcards_and_constraints() {
    let root = Ca::root("root");
    for (permitted, excluded, name, accepted) in [
        (&["example.com"][..], &[][..], "*.example.com", true),
        (&["bar.example.com"], &[], "*.example.com", false),
        (&[], &["bar.example.com"], "*.example.com", false),
        (&[], &["example.com"], "*.example.com", false),
        (&[], &["a.bar.example.com"], "*.example.com", true),
        (&[], &["com"], "*.example.org", true),
        (&[], &["org"], "*.example.org", false),
        (&["org"], &[], "*.example.org", true),
    ] {
        let bounded = constrained(&root, permitted, excluded);
        let chain = [bounded.leaf(leaf_params(&[name])), bounded.der()];
        let verdict = client(&chain, &trusting(&root));
        let refused = verdict.map(|_| ()).map_err(|error| error.kind().clone());
        let expected = match accepted {
            true => Ok(()),
            false => Err(Kind::NameConstraints),
        };
        assert_eq!(refused, expected, "{permitted:?} {excluded:?} {name}");
    }
}

/// Constraints that are not about hosts: webpki refuses them whatever the name.
#[test]
fn constraints_of_every_kind() {
    let root = Ca::root("root");
    let text = |text: &str| Ia5String::try_from(text).unwrap();
    let organization = |name: &str| {
        let mut names = DistinguishedName::new();
        names.push(
            DnType::OrganizationName,
            DnValue::Utf8String(name.to_owned()),
        );
        names
    };
    let leaf = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = leaf_params(&[HOST]);
        params.distinguished_name = organization("Corp");
        params.distinguished_name.push(DnType::CommonName, "leaf");
        change(&mut params);
        params
    };
    let mail = |address: &'static str| {
        leaf(&move |params| {
            params
                .subject_alt_names
                .push(SanType::Rfc822Name(text(address)));
        })
    };
    let uri = |address: &'static str| {
        leaf(&move |params| params.subject_alt_names.push(SanType::URI(text(address))))
    };
    let of_mail = || GeneralSubtree::Rfc822Name("a.example".to_owned());
    let of_directory = |name: &str| GeneralSubtree::DirectoryName(organization(name));
    for (subtree, params, if_permitted) in [
        (of_mail(), mail("me@a.example"), true),
        (of_mail(), mail("me@b.a.example"), false),
        (of_mail(), mail("a.example"), false),
        (of_directory("corp"), leaf(&|_| ()), true),
        (of_directory("Corp 2"), leaf(&|_| ()), false),
    ] {
        for is_permitted in [true, false] {
            let (mut permitted, mut excluded) = (vec![], vec![]);
            match is_permitted {
                true => permitted.push(subtree.clone()),
                false => excluded.push(subtree.clone()),
            }
            let mut ca = ca_params("bounded");
            ca.name_constraints = Some(NameConstraints {
                permitted_subtrees: permitted,
                excluded_subtrees: excluded,
            });
            let bounded = root.intermediate_from(ca);
            let chain = [bounded.leaf(params.clone()), bounded.der()];
            let verdict = server(&chain, HOST, &trusting(&root));
            // What is no mail address is neither permitted nor not excluded.
            let is_name = params.subject_alt_names.len() < 2
                || !matches!(params.subject_alt_names.last(), Some(SanType::Rfc822Name(name))
                    if !name.as_str().contains('@'));
            let expected = is_name && if_permitted == is_permitted;
            assert_eq!(
                verdict.is_ok(),
                expected,
                "{subtree:?} {is_permitted}: {verdict:?}"
            );
        }
    }
    // URIs, which rcgen does not constrain: permitted ".a.example".
    let value = [0x30, 16, 0xa0, 14, 0x30, 12, 0x86, 10];
    let value = [&value[..], b".a.example"].concat();
    let mut ca = ca_params("bounded");
    ca.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 30], value)];
    let bounded = root.intermediate_from(ca);
    for (address, expected) in [
        ("https://b.a.example/x", true),
        ("https://a.example/x", false),
        ("https://127.0.0.1/x", false),
        ("urn:b.a.example", false),
    ] {
        let chain = [bounded.leaf(uri(address)), bounded.der()];
        let verdict = server(&chain, HOST, &trusting(&root));
        assert_eq!(verdict.is_ok(), expected, "{address}: {verdict:?}");
    }
}

/// CVE-2024-53846, otp#8806: of the leaf and of CAs, critical or not.
#[test]
fn extended_key_usage_of_every_certificate() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, CodeSigning, ServerAuth};
    let root = Ca::root("root");
    for (usages, accepted, with_any) in [
        (vec![], true, true),
        (vec![ServerAuth], true, true),
        (vec![ClientAuth], false, false),
        (vec![CodeSigning, ServerAuth], true, true),
        (vec![Any], false, true),
        (vec![Any, CodeSigning], false, true),
    ] {
        for of_leaf in [true, false] {
            let (mut ca, mut params) = (ca_params("ca"), leaf_params(&[HOST]));
            match of_leaf {
                true => params.extended_key_usages.clone_from(&usages),
                false => ca.extended_key_usages.clone_from(&usages),
            }
            let ca = root.intermediate_from(ca);
            let chain = [ca.leaf(params), ca.der()];
            for (policy, expected) in [
                (trusting(&root), accepted),
                (trusting(&root).any_purpose(true), with_any),
            ] {
                let verdict = server(&chain, HOST, &policy);
                assert_eq!(
                    verdict.is_ok(),
                    expected,
                    "{usages:?} {of_leaf}: {verdict:?}"
                );
                if let Err(error) = verdict {
                    let place = usize::from(!of_leaf);
                    assert!(matches!(error.kind(), Kind::WrongPurpose { .. }));
                    assert_eq!(error.index(), Some(place));
                }
            }
        }
    }
}

/// A root that has expired is none, unless another one of its name and key is good, or nobody
/// wants to know.
#[test]
fn the_dates_of_anchors() {
    let key = KeyPair::generate().unwrap();
    let with = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = ca_params("root");
        change(&mut params);
        params.self_signed(&key).unwrap().der().clone()
    };
    let expired = with(&|params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = with(&|params| params.not_before = date_time_ymd(2100, 1, 1));
    let good = with(&|_| ());
    let issuer = Issuer::new(ca_params("root"), &key);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = leaf_params(&[HOST]).signed_by(&leaf_key, &issuer).unwrap();
    let chain = [leaf.der().clone()];
    for (anchor, kind) in [(&expired, "expired on"), (&early, "is valid from")] {
        let policy = ChainPolicy::new(roots(std::slice::from_ref(anchor)));
        let error = server(&chain, HOST, &policy).unwrap_err();
        assert_eq!(error.alert(), AlertDescription::CERTIFICATE_EXPIRED);
        let text = error.to_string();
        assert!(text.starts_with("the trust anchor (CN=root) "), "{text}");
        assert!(text.contains(kind), "{text}");
        server(&chain, HOST, &policy.anchor_dates(false)).unwrap();
        let both = roots(&[anchor.clone(), good.clone()]);
        let proof = server(&chain, HOST, &ChainPolicy::new(both)).unwrap();
        assert_eq!(proof.anchor_certificate(), Some(&good));
    }
}

/// The root of a cross-signed CA has expired; the other one is good.
#[test]
fn the_second_path_is_tried() {
    let mut old = ca_params("old");
    old.not_after = date_time_ymd(2020, 1, 1);
    let key = KeyPair::generate().unwrap();
    let old = Ca {
        certificate: old.self_signed(&key).unwrap(),
        issuer: Issuer::new(old, key),
    };
    let new = Ca::root("new");
    let crossed = old.intermediate("crossed");
    let again = ca_params("crossed")
        .signed_by(crossed.issuer.key(), &new.issuer)
        .unwrap();
    let leaf = crossed.leaf(leaf_params(&[HOST]));
    let policy = ChainPolicy::new(roots(&[old.der(), new.der()]));
    let mut chain = [leaf.clone(), crossed.der(), again.der().clone()];
    for _ in 0..2 {
        let proof = server(&chain, HOST, &policy).unwrap();
        let path: Vec<_> = proof.path().collect();
        assert_eq!(path, [&leaf, again.der()]);
        assert_eq!(proof.anchor_certificate(), Some(&new.der()));
        chain[1..].reverse();
    }
    // An anchor that has expired says more than one that is not there.
    let error = server(&chain, HOST, &ChainPolicy::new(roots(&[old.der()]))).unwrap_err();
    assert!(matches!(error.kind(), Kind::Expired { .. }), "{error}");
}

/// What webpki does not know is cut, and it judges the rest: 7 intermediates are more than it
/// takes, and a bad signature is found at each place.
#[test]
fn long_paths() {
    let root = Ca::root("root");
    let mut cas = vec![root.intermediate("0")];
    for at in 1..10 {
        cas.push(cas[at - 1].intermediate(&at.to_string()));
    }
    for used in [1, 6, 7, 8, 10] {
        let mut chain = vec![cas[used - 1].leaf(leaf_params(&[HOST]))];
        chain.extend(cas[..used].iter().rev().map(Ca::der));
        let proof = server(&chain, HOST, &trusting(&root)).unwrap();
        assert_eq!(proof.path().count(), 1 + used);
        let error = server(&chain, HOST, &trusting(&root).depth(used - 1)).unwrap_err();
        assert_eq!(error.kind(), &Kind::PathTooDeep { limit: used - 1 });
        for bad in 0..=used {
            let mut chain = chain.clone();
            let mut der = chain[bad].to_vec();
            *der.last_mut().unwrap() ^= 1;
            chain[bad] = der.into();
            let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
            assert_eq!(
                (error.kind(), error.index()),
                (&Kind::BadSignature, Some(bad))
            );
        }
    }
    let last = cas.last().unwrap().intermediate("10");
    let mut chain = vec![last.leaf(leaf_params(&[HOST])), last.der()];
    chain.extend(cas.iter().rev().map(Ca::der));
    let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
    assert_eq!(error.kind(), &Kind::PathTooDeep { limit: 10 });
    server(&chain, HOST, &trusting(&root).depth(32)).unwrap();
}

/// A CA may renew its key: what it issued to itself counts for no limit and no constraint.
#[test]
fn self_issued_certificates_do_not_count() {
    let root = Ca::root("root");
    let mut params = ca_params("ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("example.com".to_owned()),
            GeneralSubtree::DirectoryName(leaf_params(&[]).distinguished_name),
        ],
        excluded_subtrees: vec![],
    });
    let ca = root.intermediate_from(params);
    let renewed = ca.intermediate("ca");
    let chain = [renewed.leaf(leaf_params(&[HOST])), renewed.der(), ca.der()];
    server(&chain, HOST, &trusting(&root)).unwrap();
    // And no more than one: another CA below it.
    let other = renewed.intermediate("other");
    let chain = [
        other.leaf(leaf_params(&[HOST])),
        other.der(),
        renewed.der(),
        ca.der(),
    ];
    let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
    let expected = Kind::PathLength {
        ca: "CN=ca".to_owned(),
        allowed: 0,
    };
    assert_eq!((error.kind(), error.index()), (&expected, Some(1)));
}

/// CAs that certify each other, crowds of one name, of one key, long lists of names: what a
/// refusal costs beside its signatures, which are counted.
#[test]
fn no_walk_is_expensive() {
    let root = Ca::root("root");
    let mut cases = Vec::new();
    // A and B certify each other.
    let (a, b) = (Ca::root("a"), Ca::root("b"));
    let cross = |ca: &Ca, name: &str, by: &Ca| {
        let certificate = ca_params(name).signed_by(ca.issuer.key(), &by.issuer);
        certificate.unwrap().der().clone()
    };
    let leaf = a.leaf(leaf_params(&[HOST]));
    cases.push((
        "a circle",
        vec![leaf, cross(&a, "a", &b), cross(&b, "b", &a)],
    ));
    // 60 with one subject and 60 keys, below the root.
    let crowd: Vec<_> = (0..60).map(|_| root.intermediate("crowd").der()).collect();
    let mut chain = vec![Ca::root("crowd").leaf(leaf_params(&[HOST]))];
    chain.extend(crowd);
    cases.push(("a crowd of one name", chain));
    // Ten subjects with one key, each certified by each other and all leading to a limited CA.
    let key = KeyPair::generate().unwrap();
    let issuer = |name: usize| Issuer::new(ca_params(&name.to_string()), &key);
    let mut limited = ca_params("limited");
    limited.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let limited = root.intermediate_from(limited);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = leaf_params(&[HOST])
        .signed_by(&leaf_key, &issuer(0))
        .unwrap();
    let mut chain = vec![leaf.der().clone(), limited.der()];
    for at in 0..7 {
        let params = ca_params(&at.to_string());
        let by = params.signed_by(&key, &limited.issuer).unwrap();
        chain.push(by.der().clone());
        for other in (0..7).filter(|other| *other != at) {
            let by = params.signed_by(&key, &issuer(other)).unwrap();
            chain.push(by.der().clone());
        }
    }
    assert!(chain.len() <= MAX_CERTIFICATES);
    cases.push(("many names of one key", chain));
    // 2,048 names below 2,048 constraints.
    let names: Vec<String> = (0..2_048).map(|at| format!("n{at}.example.test")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bounded = constrained(
        &root,
        &[],
        &names.iter().map(|name| &name[1..]).collect::<Vec<_>>(),
    );
    let chain = vec![bounded.leaf(leaf_params(&names)), bounded.der()];
    cases.push(("names and constraints", chain));
    // The same of names in parts, of which one is all blanks.
    let subtree = |at: usize| {
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, format!("Organization {at}"));
        GeneralSubtree::DirectoryName(name)
    };
    let mut params = ca_params("bounded");
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![],
        excluded_subtrees: (0..1_200).map(subtree).collect(),
    });
    let bounded = root.intermediate_from(params);
    let mut params = leaf_params(&[HOST]);
    params.distinguished_name = DistinguishedName::new();
    let blanks = format!("{:>8000}", "a");
    params
        .distinguished_name
        .push(DnType::OrganizationName, blanks);
    let chain = vec![bounded.leaf(params), bounded.der()];
    cases.push(("names of blanks and constraints", chain));
    // And of many parts, all but the last of which are the same.
    let parts = |last: usize| {
        let part = |kind, text: &str| {
            let oid = der::element(der::OID, &[0x55, 4, kind]);
            let part = [oid, der::element(0x0c, text.as_bytes())].concat();
            der::element(der::SET, &der::sequence(&part))
        };
        let last = last.to_string();
        let parts = [(10, "a"), (11, "a"), (7, "a"), (3, &*last)];
        der::sequence(&parts.map(|(kind, text)| part(kind, text)).concat())
    };
    let general = |at| der::element(der::context(4), &parts(at));
    let subtrees: Vec<u8> = (0..800)
        .flat_map(|at| der::sequence(&general(at)))
        .collect();
    let subtrees = der::sequence(&der::element(der::context(1), &subtrees));
    let mut params = ca_params("bounded");
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 30], subtrees)];
    let bounded = root.intermediate_from(params);
    let mut params = leaf_params(&[]);
    let names: Vec<u8> = (1_000..1_200).flat_map(general).collect();
    let names = der::sequence(&names);
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], names)];
    let chain = vec![bounded.leaf(params), bounded.der()];
    cases.push(("names of parts and constraints", chain));
    for (case, chain) in cases {
        let policy = trusting(&root);
        let started = time();
        let error = server(&chain, HOST, &policy).unwrap_err();
        let elapsed = time() - started;
        println!("{elapsed:>10.1?} {case}: {error}");
        // The bounds are the counts below. This is for what has none.
        assert!(
            elapsed < longest(Duration::from_secs(5)),
            "{case}: {elapsed:?}"
        );
        match error.kind() {
            Kind::TooExpensive { what, limit } => {
                let limits = [("paths", MAX_PATHS), ("steps", MAX_STEPS)];
                let of_names = ("comparisons of names", 250_000);
                assert!(limits.contains(&(what, *limit)) || (*what, *limit) == of_names);
            }
            Kind::WrongIssuer { .. } => assert_eq!(case, "a crowd of one name"),
            Kind::UnknownIssuer { .. } => assert_eq!(case, "a circle"),
            kind => panic!("{case}: {kind:?}"),
        }
    }
}

/// What no certificate of the Web has, and a bound for what is read of one.
#[test]
fn certificates_that_are_too_much() {
    let root = Ca::root("root");
    let mut params = leaf_params(&[HOST]);
    params.custom_extensions = (0..70)
        .map(|at| CustomExtension::from_oid_content(&[1, 3, at], vec![]))
        .collect();
    let error = server(&[root.leaf(params)], HOST, &trusting(&root)).unwrap_err();
    assert_eq!(
        error.kind(),
        &Kind::Malformed("it has more than 64 extensions")
    );
    let mut params = leaf_params(&[HOST]);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "x".repeat(9_000));
    let error = server(&[root.leaf(params)], HOST, &trusting(&root)).unwrap_err();
    assert_eq!(
        error.kind(),
        &Kind::Malformed("a name in it is longer than 8 KiB")
    );
    assert_eq!(error.alert(), AlertDescription::DECODE_ERROR);
    // Names that have to be understood, and are not.
    let mut params = leaf_params(&[]);
    let mut names = CustomExtension::from_oid_content(&[2, 5, 29, 17], vec![0x30, 2, 0x88, 0]);
    names.set_criticality(true);
    params.custom_extensions = vec![names];
    let error = client(&[root.leaf(params)], &trusting(&root)).unwrap_err();
    let oid = "2.5.29.17".to_owned();
    assert_eq!(error.kind(), &Kind::UnknownCriticalExtension { oid });
}
