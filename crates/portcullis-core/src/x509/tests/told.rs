//! What an error says besides what is wrong: how many other paths there were, and that webpki alone refuses.

use rcgen::{CustomExtension, GeneralSubtree, NameConstraints, date_time_ymd};

use super::*;
use crate::x509::{CertificateErrorKind as Kind, ChainWalk, Finding, Gate, WalkStep};

const HOST: &str = "www.example.com";

/// The same CA, by another one.
fn certified(ca: &Ca, params: &CertificateParams, by: &Ca) -> CertificateDer<'static> {
    let certificate = params.signed_by(ca.issuer.key(), &by.issuer).unwrap();
    certificate.der().clone()
}

/// What is no list of distribution points: nobody here looks at it, and webpki does.
fn no_points() -> CustomExtension {
    CustomExtension::from_oid_content(&[2, 5, 29, 31], vec![5, 0])
}

#[test]
fn how_many_other_paths_were_tried() {
    let root = Ca::root("root");
    let ca = root.intermediate("ca");
    let mut expired = ca_params("ca");
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut chain = vec![
        ca.leaf(leaf_params(&[HOST])),
        certified(&ca, &expired, &root),
    ];
    for (others, said) in [
        "correct the clock",
        "(1 other path was tried)",
        "(2 other paths were tried)",
        "(3 other paths were tried)",
    ]
    .into_iter()
    .enumerate()
    {
        let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
        assert!(matches!(error.kind(), Kind::Expired { .. }), "{error}");
        assert_eq!(error.other_paths(), others);
        assert!(error.to_string().ends_with(said), "{error}");
        // A way without an anchor is judged twice where somebody listens, and is one.
        let presented = PresentedChain::new(chain.clone()).unwrap();
        let walk = ChainWalk::of_server(&presented, &name(HOST), NOW, &trusting(&root));
        assert_eq!(walk.into_verdict().unwrap_err(), error);
        let stranger = Ca::root(&format!("stranger {others}"));
        chain.push(certified(&ca, &ca_params("ca"), &stranger));
    }
}

#[test]
fn that_webpki_alone_refuses() {
    let root = Ca::root("root");
    let mut params = leaf_params(&[HOST]);
    params.custom_extensions = vec![no_points()];
    let ca = root.intermediate("ca");
    let chain = [ca.leaf(params), ca.der()];
    let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
    let Kind::Disagreement { says, path } = error.kind() else {
        panic!("{error}");
    };
    assert_eq!(says, "BadDer");
    assert_eq!(path, &["CN=leaf", "CN=ca", "CN=root"]);
    assert_eq!(error.kind().reason(), "disagreement");
    assert!(
        error.to_string().contains("webpki says `BadDer`"),
        "{error}"
    );

    // Another path is good, and what webpki has said of the first is not lost.
    let other = Ca::root("other");
    let mut params = ca_params("ca");
    params.custom_extensions = vec![no_points()];
    let leaf = ca.leaf(leaf_params(&[HOST]));
    let chain = [
        leaf.clone(),
        certified(&ca, &params, &root),
        certified(&ca, &ca_params("ca"), &other),
    ];
    let policy = ChainPolicy::new(roots(&[root.der(), other.der()]));
    for again in [false, true] {
        let proof = server(&chain, HOST, &policy).unwrap();
        assert_eq!(proof.anchor_certificate(), Some(&other.der()), "{again}");
        assert_eq!(proof.gate(), Some(Gate::Agreed { certificates: 2 }));
        let error = proof.disagreement().unwrap();
        let Kind::Disagreement { path, .. } = error.kind() else {
            panic!("{error}");
        };
        assert_eq!(path.last().unwrap(), "CN=root");
    }
    // Nor where the other one is none: it is what is told.
    let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
    assert!(matches!(error.kind(), Kind::Disagreement { .. }), "{error}");
    assert_eq!(error.other_paths(), 1);

    // However far the other one was judged.
    let mut elsewhere = ca_params("elsewhere");
    elsewhere.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("elsewhere.test".to_owned())],
        excluded_subtrees: Vec::new(),
    });
    let elsewhere = root.intermediate_from(elsewhere);
    let further = [
        leaf.clone(),
        certified(&ca, &params, &root),
        certified(&ca, &ca_params("ca"), &elsewhere),
        elsewhere.der(),
    ];
    let error = server(&further, HOST, &trusting(&root)).unwrap_err();
    assert!(matches!(error.kind(), Kind::Disagreement { .. }), "{error}");
    assert_eq!(error.other_paths(), 1);

    // Who accepts it all the same is told, too.
    let presented =
        PresentedChain::new(vec![leaf.clone(), certified(&ca, &params, &root)]).unwrap();
    let mut walk = ChainWalk::of_server(&presented, &name(HOST), NOW, &trusting(&root));
    loop {
        match walk.step() {
            WalkStep::Path(start) => start.go_on(),
            WalkStep::Judge(pending) => match pending.judgement().finding() {
                Finding::Bad(error) if matches!(error.kind(), Kind::Disagreement { .. }) => {
                    pending.accept();
                }
                _ => pending.default(),
            },
            WalkStep::Done => break,
        }
    }
    let proof = walk.into_verdict().unwrap();
    let error = proof.disagreement().unwrap();
    assert!(matches!(error.kind(), Kind::Disagreement { .. }), "{error}");
    assert_eq!(proof.gate(), None);

    // Where both agree there is nothing to tell.
    let chain = [leaf, ca.der()];
    let proof = server(&chain, HOST, &trusting(&root)).unwrap();
    assert_eq!(proof.gate(), Some(Gate::Agreed { certificates: 2 }));
    assert!(proof.disagreement().is_none());
}

/// For what counts failures: a word, and nothing of what the peer has sent.
#[test]
fn reasons_are_words() {
    let root = Ca::root("root");
    let stranger = Ca::root("stranger");
    let mut expired = leaf_params(&[HOST]);
    expired.not_after = date_time_ymd(2020, 1, 1);
    for (chain, expected) in [
        (vec![root.leaf(expired)], "cert_expired"),
        (vec![stranger.leaf(leaf_params(&[HOST]))], "unknown_ca"),
        (vec![stranger.der()], "selfsigned_peer"),
        (
            vec![root.leaf(leaf_params(&["a.b"]))],
            "hostname_check_failed",
        ),
    ] {
        let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
        assert_eq!(error.kind().reason(), expected, "{error}");
    }
    let error = CertificateError::rejected(crate::AlertDescription::ACCESS_DENIED, "A \n reason");
    assert_eq!(error.kind().reason(), "rejected");
}
