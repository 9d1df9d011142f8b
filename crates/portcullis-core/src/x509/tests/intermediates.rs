//! Certificates that a configuration or an identity brings along.

use super::memo::Counting;
use super::*;
use crate::config::{ClientAuthentication, ClientConfig, ServerConfig};
use crate::x509::CertificateErrorKind as Kind;
use crate::x509::{ChainWalk, Finding, Gate, Identity, Interest, WalkStep};

const HOST: &str = "a.example";

#[test]
fn a_path_leads_through_what_the_peer_has_forgotten() {
    let root = Ca::root("root");
    let upper = root.intermediate("upper");
    let lower = upper.intermediate("lower");
    let leaf = lower.leaf(leaf_params(&[HOST]));
    let plain = trusting(&root);
    let error = server(std::slice::from_ref(&leaf), HOST, &plain).unwrap_err();
    assert!(matches!(error.kind(), Kind::UnknownIssuer { .. }));
    let helped = plain
        .intermediates([upper.der(), lower.der(), leaf.clone()])
        .unwrap();
    for sent in [
        vec![leaf.clone()],
        vec![leaf.clone(), lower.der()],
        vec![leaf.clone(), upper.der()],
        vec![leaf.clone(), lower.der(), upper.der()],
    ] {
        let proof = server(&sent, HOST, &helped).unwrap();
        assert!(proof.is_verified());
        let path: Vec<_> = proof.path().cloned().collect();
        assert_eq!(path, [leaf.clone(), lower.der(), upper.der()]);
        assert_eq!(proof.chain().certificates(), sent);
        assert_eq!(proof.anchor_certificate(), Some(&root.der()));
    }
    // Nobody trusts them.
    let stranger = trusting(&Ca::root("other"));
    let stranger = stranger.intermediates([upper.der(), lower.der(), root.der()]);
    server(&[leaf], HOST, &stranger.unwrap()).unwrap_err();
}

#[test]
fn what_is_wrong_with_one_is_said() {
    let root = Ca::root("root");
    let mut params = ca_params("old");
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let old = root.intermediate_from(params);
    let leaf = old.leaf(leaf_params(&[HOST]));
    let policy = trusting(&root).intermediates([old.der()]).unwrap();
    let error = server(std::slice::from_ref(&leaf), HOST, &policy).unwrap_err();
    assert!(error.is_expired() && error.index().is_none());
    let sentence = error.to_string();
    let begin = "the intermediate certificate of this configuration (CN=old) expired on ";
    assert!(sentence.starts_with(begin), "{sentence}");
    // Who listens sees it, and that the peer has not sent it.
    let chain = PresentedChain::new(vec![leaf]).unwrap();
    let mut walk = ChainWalk::of_server(&chain, &name(HOST), NOW, &policy).interest(Interest::ALL);
    let mut seen = Vec::new();
    loop {
        match walk.step() {
            WalkStep::Path(start) => {
                assert_eq!(start.certificates().next(), Some(&old.der()));
                start.go_on();
            }
            WalkStep::Judge(pending) => {
                let judgement = pending.judgement();
                match judgement.finding() {
                    Finding::Extension(_) => {}
                    _ => seen.push((judgement.subject(), judgement.index())),
                }
                pending.accept();
            }
            WalkStep::Done => break,
        }
    }
    let old = || ("CN=old".to_owned(), None);
    assert_eq!(seen, [old(), old(), ("CN=leaf".to_owned(), Some(0))]);
}

#[test]
fn they_come_behind_those_of_the_peer_and_webpki_is_asked_about_them() {
    let root = Ca::root("root");
    let (sent, own) = (root.intermediate("same"), root.intermediate("same"));
    let leaf = sent.leaf(leaf_params(&[HOST]));
    let counting = Counting::new();
    let policy = counting.policy(roots(&[root.der()]));
    let policy = policy.intermediates([own.der()]).unwrap();
    server(&[leaf.clone(), sent.der()], HOST, &policy).unwrap();
    // The leaf by that of the peer, and that by the root.
    assert_eq!(counting.verified(), 2);
    let policy = trusting(&root)
        .intermediates([own.der(), sent.der()])
        .unwrap();
    let chain = PresentedChain::new(vec![leaf]).unwrap();
    let mut walk = ChainWalk::of_server(&chain, &name(HOST), NOW, &policy);
    while !matches!(walk.step(), WalkStep::Done) {}
    assert_eq!(walk.gate(), Some(Gate::Agreed { certificates: 2 }));
    assert!(walk.into_verdict().is_ok());
}

#[test]
fn how_many_there_may_be() {
    let root = Ca::root("root");
    let inter = root.intermediate("inter");
    let leaf = inter.leaf(leaf_params(&[HOST]));
    let strangers: Vec<_> = (0..64).map(|_| Ca::root("inter").der()).collect();
    let mut helpers = strangers.clone();
    helpers[63] = inter.der();
    let policy = trusting(&root).intermediates(helpers).unwrap();
    server(std::slice::from_ref(&leaf), HOST, &policy).unwrap();
    let many = [strangers, vec![inter.der()]].concat();
    let refused = |error: crate::Misuse, says: &str| {
        assert!(error.to_string().contains(says), "{error}");
    };
    refused(
        trusting(&root).intermediates(many.clone()).unwrap_err(),
        "more than 64",
    );
    let none = CertificateDer::from(vec![1, 2, 3]);
    refused(
        trusting(&root)
            .intermediates([inter.der(), none])
            .unwrap_err(),
        "certificate 2 is not DER",
    );
    let client = || ClientConfig::builder(roots(&[root.der()]));
    refused(
        client().intermediates(many.clone()).build().unwrap_err(),
        "more than 64",
    );
    client().intermediates([inter.der()]).build().unwrap();
    let nobody = ClientConfig::dangerous_builder_without_verification();
    refused(
        nobody.intermediates([inter.der()]).build().unwrap_err(),
        "does not verify servers",
    );
    let key = KeyPair::generate().unwrap();
    let own = inter.leaf_with_key(leaf_params(&[HOST]), &key);
    let server = || {
        let identity = Identity::from_der(vec![own.clone()], &pkcs8(&key)).unwrap();
        ServerConfig::builder().identity(identity)
    };
    refused(
        server().intermediates([inter.der()]).build().unwrap_err(),
        "no chain of a client is verified",
    );
    let clients = ClientAuthentication::Required(roots(&[root.der()]));
    let server = server().client_authentication(clients);
    server.intermediates([inter.der()]).build().unwrap();
}

#[test]
fn an_identity_is_completed_from_what_is_trusted() {
    let root = Ca::root("root");
    let upper = root.intermediate("upper");
    let lower = upper.intermediate("lower");
    let key = KeyPair::generate().unwrap();
    let leaf = lower.leaf_with_key(leaf_params(&[HOST]), &key);
    let identity = |chain: &[CertificateDer<'static>]| {
        Identity::from_der(chain.to_vec(), &pkcs8(&key)).unwrap()
    };
    let alone = || identity(std::slice::from_ref(&leaf));
    // One of the same name has not signed it.
    let given = [
        Ca::root("lower").der(),
        root.der(),
        upper.der(),
        lower.der(),
    ];
    let whole = alone().completed_from(&given).unwrap();
    assert_eq!(whole.chain(), [leaf.clone(), lower.der(), upper.der()]);
    server(whole.chain(), HOST, &trusting(&root)).unwrap();
    // As far as it goes.
    let part = alone().completed_from(&[lower.der()]).unwrap();
    assert_eq!(part.chain(), [leaf.clone(), lower.der()]);
    // What is more than a leaf is sent as it was given.
    let as_given = identity(&[leaf.clone(), root.der()])
        .completed_from(&given)
        .unwrap();
    assert_eq!(as_given.chain(), [leaf.clone(), root.der()]);
    let direct = root.leaf_with_key(leaf_params(&[HOST]), &key);
    let direct = identity(&[direct]).completed_from(&given).unwrap();
    assert_eq!(direct.chain().len(), 1);
    let mut params = leaf_params(&[HOST]);
    params.is_ca = IsCa::NoCa;
    let own = params.self_signed(&key).unwrap().der().clone();
    assert_eq!(
        identity(&[own]).completed_from(&[]).unwrap().chain().len(),
        1
    );

    let error = alone().completed_from(&given[..3]).unwrap_err().to_string();
    assert!(
        error.starts_with("none of the 3 certificates given has issued CN=leaf"),
        "{error}"
    );
    // Also one that others have, as it comes from files that are watched.
    let shared = alone();
    let whole = shared.clone().completed_from(&given).unwrap();
    assert_eq!((shared.chain().len(), whole.chain().len()), (1, 3));
}

/// A root has the name of the issuer and another key: who trusts parts of chains is asked all the same.
#[test]
fn a_partial_chain_below_a_root_of_the_same_name() {
    let (renewed, old) = (Ca::root("root"), Ca::root("root"));
    let inter = old.intermediate("inter");
    let chain = [inter.leaf(leaf_params(&[HOST])), inter.der()];
    let policy = trusting(&renewed);
    let presented = PresentedChain::new(chain.to_vec()).unwrap();
    let walk = |interest: Interest, trust: bool| {
        let mut walk = ChainWalk::of_server(&presented, &name(HOST), NOW, &policy);
        walk = walk.interest(interest);
        let mut paths = Vec::new();
        loop {
            match walk.step() {
                WalkStep::Path(start) => {
                    paths.push(start.is_anchored());
                    match trust && !start.is_anchored() {
                        true => start.trust(0),
                        false => start.go_on(),
                    }
                }
                WalkStep::Judge(pending) => pending.default(),
                WalkStep::Done => break,
            }
        }
        (paths, walk.into_verdict())
    };
    let (paths, verdict) = walk(Interest::ERRORS.and_paths(), true);
    assert_eq!(paths, [true, false]);
    assert_eq!(verdict.unwrap().anchor_certificate(), Some(&inter.der()));
    let (paths, verdict) = walk(Interest::ERRORS.and_paths(), false);
    assert_eq!(paths, [true, false]);
    assert_eq!(verdict.unwrap_err().kind(), &Kind::BadSignature);
    // Who only judges faults is told what he was told before.
    let (paths, verdict) = walk(Interest::ERRORS, false);
    assert!(paths.is_empty());
    assert_eq!(verdict.unwrap_err().kind(), &Kind::BadSignature);
}
