//! Trust anchors: loading them, and what is said when that fails.

use rustls_pki_types::{Der, TrustAnchor};

use super::*;
use crate::x509::Identity;

#[test]
fn roots_from_pem() {
    let (one, two) = (Ca::root("one"), Ca::root("two"));
    let text = one.certificate.pem() + &two.certificate.pem() + &one.certificate.pem();
    let loaded = Roots::from_pem(text.as_bytes()).unwrap();
    assert_eq!(loaded.len(), 2);
    let subjects: Vec<&[u8]> = loaded.subjects().collect();
    assert_eq!(subjects.len(), 2);
    assert_eq!(subjects[0][0], 0x30);
    assert!(subjects[0].ends_with(b"one"));

    let mut more = loaded.clone();
    more.add_der(Ca::root("three").der()).unwrap();
    assert_eq!((loaded.len(), more.len()), (2, 3));
}

#[test]
fn roots_that_are_none() {
    let empty = Roots::from_pem(b"nothing here").unwrap_err().to_string();
    assert!(empty.contains("no certificate"), "{empty}");
    let damaged = Ca::root("one").certificate.pem()
        + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let damaged = Roots::from_pem(damaged.as_bytes()).unwrap_err().to_string();
    assert!(damaged.contains("certificate 2"), "{damaged}");
    assert!(Roots::empty().add_der(vec![0x30, 0]).is_err());
    let missing = Roots::from_pem_file("/no/such/roots.pem").unwrap_err();
    assert!(missing.to_string().contains("/no/such/roots.pem"));
}

#[test]
fn pem_is_added_whole_or_not_at_all() {
    let (one, two) = (
        Ca::root("one").certificate.pem(),
        Ca::root("two").certificate.pem(),
    );
    let mut roots = Roots::from_pem(&one).unwrap();
    let before = roots.clone();
    roots.add_pem(one + &two).unwrap();
    assert_eq!((before.len(), roots.len()), (1, 2));
    let three = Ca::root("three").certificate.pem();
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = roots.add_pem(three + damaged).unwrap_err().to_string();
    assert!(error.contains("certificate 2"), "{error}");
    assert_eq!(roots.len(), 2);
    let error = roots.add_pem_file("/no/such/roots.pem").unwrap_err();
    assert!(error.to_string().contains("/no/such/roots.pem"), "{error}");
}

/// A bundle has the chain and its key, in whatever order.
#[test]
fn what_files_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let ca = Ca::root("one");
    std::fs::write(path("one.pem"), ca.certificate.pem()).unwrap();
    std::fs::write(path("two.pem"), Ca::root("two").certificate.pem()).unwrap();
    let mut roots = Roots::from_pem_file(path("one.pem")).unwrap();
    roots.add_pem_file(path("two.pem")).unwrap();
    assert_eq!(roots.len(), 2);
    #[cfg(feature = "os-roots")]
    if let Ok(os) = Roots::os() {
        let both = Roots::os_and_pem_file(path("one.pem")).unwrap();
        assert_eq!(both.len(), os.len() + 1);
    }

    let key = KeyPair::generate().unwrap();
    let leaf = leaf_params(&["a.example"]);
    let leaf = leaf.signed_by(&key, &ca.issuer).unwrap();
    let chain = leaf.pem() + &ca.certificate.pem();
    for (name, text) in [
        ("chain-first.pem", chain.clone() + &key.serialize_pem()),
        ("key-first.pem", key.serialize_pem() + &chain),
    ] {
        std::fs::write(path(name), text).unwrap();
        let identity = Identity::from_pem_file(path(name)).unwrap();
        assert_eq!(identity.chain(), [leaf.der().clone(), ca.der()], "{name}");
    }
}

/// Name, key and constraints of an authority, and no certificate.
fn anchor(certificate: &CertificateDer<'_>) -> TrustAnchor<'static> {
    webpki::anchor_from_trusted_cert(certificate)
        .unwrap()
        .to_owned()
}

#[test]
fn the_anchors_of_browsers() {
    let all = webpki_roots::TLS_SERVER_ROOTS;
    let mut roots: Roots = all.iter().cloned().collect();
    assert_eq!((roots.len(), roots.ignored()), (all.len(), 0));
    roots.extend(all.iter().cloned());
    assert_eq!(roots.len(), all.len(), "they are there");
    for (anchor, name) in all.iter().zip(roots.subjects()) {
        assert_eq!(
            crate::der::only(name, crate::der::SEQUENCE),
            Some(&*anchor.subject)
        );
    }
}

#[test]
fn an_anchor_without_a_certificate_is_trusted_for_what_it_issued() {
    let ca = Ca::root("root");
    let sub = ca.intermediate("sub");
    let leaf = sub.leaf(leaf_params(&["a.example"]));
    let policy = ChainPolicy::new([anchor(&ca.der())].into_iter().collect());
    server(&[leaf.clone(), sub.der()], "a.example", &policy).unwrap();
    // Once more, with what is remembered.
    server(&[leaf.clone(), sub.der()], "a.example", &policy).unwrap();
    let other = ChainPolicy::new([anchor(&Ca::root("root").der())].into_iter().collect());
    server(&[leaf, sub.der()], "a.example", &other).unwrap_err();
    // To the last byte nothing can be compared with it.
    let mut params = ca_params("self");
    params.subject_alt_names = leaf_params(&["a.example"]).subject_alt_names;
    params.key_usages.push(KeyUsagePurpose::DigitalSignature);
    let own = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let own = own.der().clone();
    let bare: Roots = [anchor(&own)].into_iter().collect();
    server(
        std::slice::from_ref(&own),
        "a.example",
        &ChainPolicy::new(roots(std::slice::from_ref(&own))),
    )
    .unwrap();
    server(&[own], "a.example", &ChainPolicy::new(bare)).unwrap_err();
}

#[test]
fn name_constraints_of_an_anchor_count_and_no_limit_of_its_certificate() {
    let key = KeyPair::generate().unwrap();
    let mut params = ca_params("root");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.name_constraints = Some(rcgen::NameConstraints {
        permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("example".to_owned())],
        excluded_subtrees: Vec::new(),
    });
    let ca = Ca {
        certificate: params.self_signed(&key).unwrap(),
        issuer: Issuer::new(params, key),
    };
    let sub = ca.intermediate("sub");
    let chain = |name: &str| [sub.leaf(leaf_params(&[name])), sub.der()];
    let of_certificate = roots(&[ca.der()]);
    let limited = ChainPolicy::new(of_certificate.clone());
    server(&chain("a.example"), "a.example", &limited).unwrap_err();
    let bare = ChainPolicy::new([anchor(&ca.der())].into_iter().collect());
    server(&chain("a.example"), "a.example", &bare).unwrap();
    server(&chain("a.test"), "a.test", &bare).unwrap_err();
    // Both: what either allows.
    let mut both = of_certificate;
    both.add_trust_anchor(anchor(&ca.der()));
    assert_eq!(both.len(), 2);
    server(&chain("a.example"), "a.example", &ChainPolicy::new(both)).unwrap();
}

#[test]
fn damaged_anchors_make_nothing_trusted() {
    let ca = Ca::root("root");
    let chain = [ca.leaf(leaf_params(&["a.example"]))];
    let good = anchor(&ca.der());
    let with = |change: fn(&mut TrustAnchor<'static>)| {
        let mut anchor = good.clone();
        change(&mut anchor);
        ChainPolicy::new([anchor].into_iter().collect())
    };
    for policy in [
        with(|own| own.subject = Der::from_slice(&[])),
        with(|own| own.subject = Der::from_slice(&[0x31, 0xff])),
        with(|own| own.subject_public_key_info = Der::from_slice(&[])),
        with(|own| own.subject_public_key_info = Der::from_slice(&[0x30, 0x80, 1])),
        with(|own| own.name_constraints = Some(Der::from_slice(&[0xa0, 9]))),
    ] {
        server(&chain, "a.example", &policy).unwrap_err();
        assert_eq!(policy.roots().subjects().count(), 1);
    }
    server(&chain, "a.example", &with(|_| ())).unwrap();
}

/// A machine may have none, which is an error and not an empty set.
#[cfg(feature = "os-roots")]
#[test]
fn roots_of_the_system() {
    match Roots::os() {
        Ok(roots) => assert!(!roots.is_empty()),
        Err(error) => assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}"),
    }
    let error = Roots::os_and_pem_file("/no/such/roots.pem").unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("SSL_CERT_FILE") || error.contains("/no/such/roots.pem"),
        "{error}"
    );
}
