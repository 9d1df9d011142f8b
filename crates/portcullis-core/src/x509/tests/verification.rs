//! Chains: accepted where RFC 5280 and RFC 9525 accept them, refused with the right alert.

use std::time::Instant;

use rcgen::{CustomExtension, NameConstraints, date_time_ymd};

use super::*;
use crate::crypto::HAS_RSA;
use crate::x509::{CertificateErrorKind as Kind, MAX_CERTIFICATES, Purpose, SubjectAltName};
use crate::{AlertDescription, SignatureScheme};

const HOST: &str = "www.example.com";

#[test]
fn every_key_type_is_accepted_as_leaf_and_as_ca() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_RSA_SHA256,
        &rcgen::PKCS_ML_DSA_44,
        &rcgen::PKCS_ML_DSA_65,
        &rcgen::PKCS_ML_DSA_87,
    ] {
        let ca = Ca::root_with("root", algorithm);
        let leaf = ca.leaf_with_key(leaf_params(&[HOST]), &key_for(algorithm));
        let verified = server(std::slice::from_ref(&leaf), HOST, &trusting(&ca)).unwrap();
        assert_eq!(verified.end_entity(), &leaf);
        assert!(verified.is_verified());
        client(&[leaf], &trusting(&ca)).unwrap();
    }
}

#[test]
fn intermediates_come_in_any_order_and_with_strangers() {
    let root = Ca::root("root");
    let one = root.intermediate("one");
    let two = one.intermediate("two");
    let leaf = two.leaf(leaf_params(&[HOST]));
    let policy = trusting(&root);
    let stranger = Ca::root("stranger");
    for chain in [
        vec![leaf.clone(), two.der(), one.der()],
        vec![leaf.clone(), one.der(), two.der(), root.der()],
        vec![
            leaf.clone(),
            stranger.der(),
            one.der(),
            two.der(),
            one.der(),
        ],
    ] {
        server(&chain, HOST, &policy).unwrap();
    }
    let missing = server(&[leaf.clone(), two.der()], HOST, &policy).unwrap_err();
    assert_eq!(missing.alert(), AlertDescription::UNKNOWN_CA);
    assert_eq!(missing.index(), Some(1));
    assert!(
        matches!(missing.kind(), Kind::UnknownIssuer { issuer, trust_anchors: 1 } if issuer == "CN=one"),
        "{missing:?}"
    );

    let chain = [leaf, two.der(), one.der()];
    let shallow = server(&chain, HOST, &policy.clone().depth(1)).unwrap_err();
    assert_eq!(shallow.kind(), &Kind::PathTooDeep { limit: 1 });
    server(&chain, HOST, &policy.depth(2)).unwrap();
}

#[test]
fn dates() {
    let root = Ca::root("root");
    let mut expired = leaf_params(&[HOST]);
    expired.not_after = date_time_ymd(2020, 1, 1);
    let error = server(&[root.leaf(expired)], HOST, &trusting(&root)).unwrap_err();
    assert_eq!(error.alert(), AlertDescription::CERTIFICATE_EXPIRED);
    assert_eq!((error.index(), error.subject()), (Some(0), Some("CN=leaf")));
    let sentence = error.to_string();
    assert!(
        sentence.contains("expired on Jan  1 00:00:00 2020"),
        "{sentence}"
    );

    let mut early = ca_params("early");
    early.not_before = date_time_ymd(2100, 1, 1);
    let early = root.intermediate_from(early);
    let chain = [early.leaf(leaf_params(&[HOST])), early.der()];
    let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
    assert_eq!(error.alert(), AlertDescription::CERTIFICATE_EXPIRED);
    assert!(matches!(error.kind(), Kind::NotYetValid { .. }));
    assert_eq!(
        (error.index(), error.subject()),
        (Some(1), Some("CN=early"))
    );
}

#[test]
fn names_are_looked_for_in_the_subject_alt_name_only() {
    let root = Ca::root("root");
    let policy = trusting(&root);
    let leaf = [root.leaf(leaf_params(&["a.example", "*.b.example", "192.0.2.1"]))];
    for good in ["a.example", "A.Example", "x.b.example", "192.0.2.1"] {
        server(&leaf, good, &policy).unwrap();
    }
    for bad in ["b.example", "x.y.b.example", "192.0.2.2", "x.a.example"] {
        let error = server(&leaf, bad, &policy).unwrap_err();
        assert_eq!(error.alert(), AlertDescription::BAD_CERTIFICATE);
        let Kind::NameMismatch { expected, seen } = error.kind() else {
            panic!("{error:?}")
        };
        assert_eq!(expected, bad);
        let dns = |name: &str| SubjectAltName::DnsName(name.to_owned());
        let address = SubjectAltName::IpAddress([192, 0, 2, 1].into());
        assert_eq!(seen, &[dns("a.example"), dns("*.b.example"), address]);
    }

    // CVE-2026-42790: the common name is never looked at.
    let mut params = leaf_params(&[]);
    params.distinguished_name.push(DnType::CommonName, HOST);
    let common_name_only = [root.leaf(params)];
    let error = server(&common_name_only, HOST, &policy).unwrap_err();
    assert!(error.to_string().contains("no subjectAltName"), "{error}");
    server(&common_name_only, HOST, &policy.dangerous_skip_name_check()).unwrap();
}

#[test]
fn extended_key_usage_counts_whether_critical_or_not() {
    let root = Ca::root("root");
    let policy = trusting(&root);
    let with = |usages: &[ExtendedKeyUsagePurpose]| {
        let mut params = leaf_params(&[HOST]);
        params.extended_key_usages = usages.to_vec();
        [root.leaf(params)]
    };
    let for_clients = with(&[ExtendedKeyUsagePurpose::ClientAuth]);
    client(&for_clients, &policy).unwrap();
    let error = server(&for_clients, HOST, &policy).unwrap_err();
    assert_eq!(error.alert(), AlertDescription::UNSUPPORTED_CERTIFICATE);
    assert_eq!(
        error.kind(),
        &Kind::WrongPurpose {
            needed: Purpose::ServerAuth
        }
    );
    assert_eq!(error.index(), Some(0));
    let for_servers = with(&[ExtendedKeyUsagePurpose::ServerAuth]);
    server(&for_servers, HOST, &policy).unwrap();
    assert!(client(&for_servers, &policy).is_err());
    server(&with(&[]), HOST, &policy).unwrap();
}

#[test]
fn key_usage_has_to_include_digital_signature() {
    let root = Ca::root("root");
    let policy = trusting(&root);
    let mut params = leaf_params(&[HOST]);
    // Before TLS 1.3 a server's key may decrypt or agree instead; that it may not sign is found where it should.
    let chain = |usage| {
        let mut params = leaf_params(&[HOST]);
        params.key_usages = vec![usage];
        [root.leaf(params)]
    };
    let decrypting = chain(KeyUsagePurpose::KeyEncipherment);
    match server(&decrypting, HOST, &policy) {
        Ok(proof) => assert!(HAS_RSA && !proof.may_sign()),
        Err(error) => assert_eq!((HAS_RSA, error.kind()), (false, &Kind::KeyUsage)),
    }
    let agreeing = chain(KeyUsagePurpose::KeyAgreement);
    assert!(!server(&agreeing, HOST, &policy).unwrap().may_sign());
    for error in [
        client(&decrypting, &policy).unwrap_err(),
        client(&agreeing, &policy).unwrap_err(),
        server(&chain(KeyUsagePurpose::DataEncipherment), HOST, &policy).unwrap_err(),
    ] {
        assert_eq!(error.kind(), &Kind::KeyUsage);
        assert_eq!(error.alert(), AlertDescription::ILLEGAL_PARAMETER);
    }
    params.key_usages.clear();
    server(&[root.leaf(params.clone())], HOST, &policy).unwrap();
    for broken in [
        &[0x03, 0x02, 0x08, 0x80][..],
        &[0x03, 0x00],
        &[0x04, 0x02, 0x07, 0x80],
        &[],
    ] {
        params.custom_extensions = vec![CustomExtension::from_oid_content(
            &[2, 5, 29, 15],
            broken.to_vec(),
        )];
        let error = server(&[root.leaf(params.clone())], HOST, &policy).unwrap_err();
        assert!(matches!(error.kind(), Kind::Malformed(_)), "{error:?}");
    }
}

#[test]
fn self_signed_certificates_are_accepted_if_they_are_roots() {
    for is_ca in [
        IsCa::NoCa,
        IsCa::ExplicitNoCa,
        IsCa::Ca(BasicConstraints::Unconstrained),
    ] {
        let mut params = leaf_params(&[HOST]);
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap().der().clone();
        let pinned = ChainPolicy::new(roots(&[own.clone(), Ca::root("other").der()]));
        server(std::slice::from_ref(&own), HOST, &pinned).unwrap();
        client(std::slice::from_ref(&own), &pinned).unwrap();
        let error = server(std::slice::from_ref(&own), "other.example", &pinned).unwrap_err();
        assert!(matches!(error.kind(), Kind::NameMismatch { .. }));

        // The same name and key in another certificate is not the one that was pinned.
        let mut other = params.clone();
        other.serial_number = Some(7.into());
        other.not_after = date_time_ymd(2020, 1, 1);
        let other = other.self_signed(&key).unwrap().der().clone();
        assert!(server(&[other], HOST, &pinned).is_err());

        let unrelated = trusting(&Ca::root("unrelated"));
        let error = server(&[own], HOST, &unrelated).unwrap_err();
        assert_eq!(error.kind(), &Kind::SelfSigned { trust_anchors: 1 });
        assert_eq!(error.alert(), AlertDescription::UNKNOWN_CA);
    }
}

#[test]
fn pinned_certificates_expire_and_keep_their_purpose() {
    let pinned = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = leaf_params(&[HOST]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap().der().clone();
        let policy = ChainPolicy::new(roots(std::slice::from_ref(&own)));
        server(&[own], HOST, &policy).map_err(|error| error.kind().clone())
    };
    pinned(&|_| ()).unwrap();
    assert!(matches!(
        pinned(&|params| params.not_after = date_time_ymd(2020, 1, 1)),
        Err(Kind::Expired { .. })
    ));
    assert!(matches!(
        pinned(&|params| params.not_before = date_time_ymd(2100, 1, 1)),
        Err(Kind::NotYetValid { .. })
    ));
    assert!(matches!(
        pinned(&|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
        Err(Kind::WrongPurpose { .. })
    ));
    assert_eq!(
        pinned(&|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]).err(),
        Some(Kind::KeyUsage)
    );
}

#[test]
fn a_forged_signature_and_a_ca_that_is_none() {
    let root = Ca::root("root");
    let impostor = Ca::root("root");
    let forged = [impostor.leaf(leaf_params(&[HOST]))];
    let error = server(&forged, HOST, &trusting(&root)).unwrap_err();
    assert_eq!(error.kind(), &Kind::BadSignature);
    assert_eq!(error.alert(), AlertDescription::BAD_CERTIFICATE);

    let not_a_ca = root.intermediate_from(leaf_params(&["ca.example"]));
    let chain = [not_a_ca.leaf(leaf_params(&[HOST])), not_a_ca.der()];
    let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
    assert_eq!(error.kind(), &Kind::WrongBasicConstraints);

    let mut bounded = ca_params("bounded");
    bounded.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("other.example".to_owned())],
        excluded_subtrees: vec![],
    });
    let bounded = root.intermediate_from(bounded);
    let chain = [bounded.leaf(leaf_params(&[HOST])), bounded.der()];
    let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
    assert_eq!(error.kind(), &Kind::NameConstraints);
}

#[test]
fn only_configured_schemes_count() {
    let root = Ca::root("root");
    let leaf = [root.leaf(leaf_params(&[HOST]))];
    let policy = trusting(&root).schemes(&[SignatureScheme::RSA_PKCS1_SHA256]);
    let error = server(&leaf, HOST, &policy).unwrap_err();
    assert_eq!(
        error.kind(),
        &Kind::UnsupportedSignature {
            algorithm: "ecdsa-with-SHA256".to_owned(),
            broken_hash: false
        }
    );
    assert_eq!(error.alert(), AlertDescription::UNSUPPORTED_CERTIFICATE);
    let policy = trusting(&root).schemes(&[SignatureScheme::ECDSA_SECP256R1_SHA256]);
    server(&leaf, HOST, &policy).unwrap();
}

#[test]
fn nothing_is_trusted_without_roots() {
    let root = Ca::root("root");
    let leaf = [root.leaf(leaf_params(&[HOST]))];
    let error = server(&leaf, HOST, &ChainPolicy::new(Roots::empty())).unwrap_err();
    assert_eq!(error.kind(), &Kind::NoTrustAnchors);
}

#[test]
fn what_is_presented_is_bounded() {
    let root = Ca::root("root");
    let leaf = root.leaf(leaf_params(&[HOST]));
    assert!(PresentedChain::new(vec![]).is_err());
    assert!(PresentedChain::new(vec![b"junk".to_vec().into()]).is_err());
    assert!(PresentedChain::new(vec![leaf.clone(); MAX_CERTIFICATES]).is_ok());
    let error = PresentedChain::new(vec![leaf; MAX_CERTIFICATES + 1]).unwrap_err();
    assert!(matches!(error.kind(), Kind::TooManyCertificates { .. }));
}

/// RUSTSEC-2023-0053: CAs of one name that could all have issued each other.
#[test]
fn circles_of_names_are_cheap() {
    let trusted = Ca::root("trusted");
    let circle = Ca::root("circle");
    let mut chain = vec![circle.leaf(leaf_params(&[HOST]))];
    while chain.len() < MAX_CERTIFICATES {
        chain.push(Ca::root("circle").der());
    }
    // The same with ten names, each of which leads to three certificates of the next.
    let mut names = vec![Ca::root("0").leaf(leaf_params(&[HOST]))];
    for at in 0..30_usize {
        let next = Ca::root(&((at + 1) % 10).to_string());
        names.push(next.intermediate(&(at % 10).to_string()).der());
    }
    let started = Instant::now();
    assert!(server(&chain, HOST, &trusting(&trusted)).is_err());
    assert!(server(&chain, HOST, &trusting(&circle)).is_ok());
    let error = server(&names, HOST, &trusting(&trusted)).unwrap_err();
    assert_eq!(error.alert(), AlertDescription::UNKNOWN_CA);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn a_proof_belongs_to_its_chain() {
    let root = Ca::root("root");
    let one = PresentedChain::new(vec![root.leaf(leaf_params(&[HOST]))]).unwrap();
    let two = PresentedChain::new(vec![root.leaf(leaf_params(&[HOST]))]).unwrap();
    let proof = verify_client(&one, NOW, &trusting(&root)).unwrap();
    assert!(proof.proves(&one) && !proof.proves(&two));
    let accepted = VerifiedChain::dangerous_accept_without_verification(two.clone());
    assert!(accepted.proves(&two) && !accepted.is_verified());
    let refused = CertificateError::rejected(AlertDescription::ACCESS_DENIED, "not on the list");
    assert_eq!(refused.alert(), AlertDescription::ACCESS_DENIED);
    assert!(refused.to_string().contains("not on the list"));
}
