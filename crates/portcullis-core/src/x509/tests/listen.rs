//! What somebody who listens to a walk is told, and what comes of verdicts.

use rcgen::{CustomExtension, GeneralSubtree, NameConstraints, date_time_ymd};

use super::*;
use crate::AlertDescription;
use crate::x509::{
    CertificateErrorKind as Kind, ChainWalk, Finding, Gate, Interest, Judgement, Pending, WalkStep,
};

const HOST: &str = "www.example.com";

fn walk(chain: &[CertificateDer<'static>], host: &str, policy: &ChainPolicy) -> ChainWalk {
    let chain = PresentedChain::new(chain.to_vec()).unwrap();
    ChainWalk::new(chain, Some(name(host).to_owned()), NOW, policy.clone())
}

/// Walks to the end and gives what was seen: each finding, and `path` where one begins.
fn drive(
    walk: ChainWalk,
    judge: impl FnMut(&Judgement, Pending<'_>),
) -> (Vec<String>, Result<VerifiedChain, CertificateError>) {
    let mut walk = walk.interest(Interest::ALL);
    let mut seen = Vec::new();
    let mut judge = judge;
    loop {
        match walk.step() {
            WalkStep::Path(start) => {
                assert!(start.certificates().count() > 0);
                seen.push("path".to_owned());
                start.go_on();
            }
            WalkStep::Judge(pending) => {
                let judgement = pending.judgement();
                seen.push(format!("{} {}", judgement.subject(), label(&judgement)));
                judge(&judgement, pending);
            }
            WalkStep::Done => return (seen, walk.into_verdict()),
        }
    }
}

fn label(judgement: &Judgement) -> String {
    match judgement.finding() {
        Finding::Bad(error) => {
            let kind = format!("{:?}", error.kind());
            let end = kind.find([' ', '(', '{']).unwrap_or(kind.len());
            kind[..end].to_owned()
        }
        Finding::Extension(extension) => extension.oid().to_owned(),
        Finding::Valid => "valid".to_owned(),
        Finding::ValidPeer => "valid peer".to_owned(),
    }
}

fn accept(_: &Judgement, pending: Pending<'_>) {
    pending.accept();
}

fn default(_: &Judgement, pending: Pending<'_>) {
    pending.default();
}

fn without_extensions(seen: &[String]) -> Vec<&str> {
    let is_oid = |line: &&str| {
        line.rsplit(' ')
            .next()
            .is_some_and(|last| last.contains("."))
    };
    seen.iter()
        .map(String::as_str)
        .filter(|line| !is_oid(line))
        .collect()
}

/// A critical extension, with nothing in it.
fn critical(oid: &[u64]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, vec![5, 0]);
    extension.set_criticality(true);
    extension
}

/// Erlang's order: root → inter → inter2 → faulty leaf, with a function that accepts all.
#[test]
fn an_override_hides_no_later_fault() {
    let root = Ca::root("root");
    let mut params = ca_params("inter");
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("other.example".to_owned())],
        excluded_subtrees: vec![],
    });
    let inter = root.intermediate_from(params);
    let mut params = ca_params("inter2");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let inter2 = inter.intermediate_from(params);
    let inter3 = inter2.intermediate("inter3");
    let mut params = leaf_params(&["host.example"]);
    params.not_after = date_time_ymd(2020, 1, 1);
    params.custom_extensions = vec![critical(&[1, 2, 3, 4])];
    let mut leaf = inter3.leaf(params).to_vec();
    *leaf.last_mut().unwrap() ^= 1;
    let chain = [leaf.into(), inter3.der(), inter2.der(), inter.der()];
    let (seen, verdict) = drive(walk(&chain, HOST, &trusting(&root)), accept);
    assert_eq!(
        without_extensions(&seen),
        [
            "path",
            "CN=inter IssuerKeyUsage",
            "CN=inter valid",
            "CN=inter2 valid",
            "CN=inter3 PathLength",
            "CN=inter3 valid",
            "CN=leaf Expired",
            "CN=leaf NameConstraints",
            "CN=leaf BadSignature",
            "CN=leaf NameMismatch",
            "CN=leaf valid peer",
        ]
    );
    assert!(seen.contains(&"CN=leaf 1.2.3.4".to_owned()));
    let proof = verdict.unwrap();
    assert!(!proof.is_verified());
    let overridden: Vec<_> = proof
        .overrides()
        .iter()
        .map(CertificateError::index)
        .collect();
    assert_eq!(
        overridden,
        [Some(3), Some(1), Some(0), Some(0), Some(0), Some(0)]
    );
    // One who accepts the first alone is refused for the second.
    let mut accepted = 0;
    let (_, verdict) = drive(walk(&chain, HOST, &trusting(&root)), |_, pending| {
        accepted += 1;
        match accepted {
            1 => pending.accept(),
            _ => pending.default(),
        }
    });
    let expected = Kind::PathLength {
        ca: "CN=inter".to_owned(),
        allowed: 1,
    };
    assert_eq!(verdict.unwrap_err().kind(), &expected);
}

/// Erlang stops to look once its function has accepted an unknown CA.
#[test]
fn an_unknown_ca_that_is_accepted_excuses_nothing_else() {
    let (root, unknown) = (Ca::root("root"), Ca::root("unknown"));
    let mut params = leaf_params(&["host.example"]);
    params.not_after = date_time_ymd(2020, 1, 1);
    let chain = [unknown.leaf(params)];
    let (seen, verdict) = drive(walk(&chain, HOST, &trusting(&root)), accept);
    assert_eq!(
        without_extensions(&seen),
        [
            "path",
            "CN=leaf UnknownIssuer",
            "CN=leaf Expired",
            "CN=leaf NameMismatch",
            "CN=leaf valid peer",
        ]
    );
    let proof = verdict.unwrap();
    assert_eq!((proof.is_verified(), proof.overrides().len()), (false, 3));
    assert!(proof.anchor().is_none() && proof.anchor_certificate().is_none());

    // What is wrong besides is what is told then, and a reason of one's own before it.
    let chain = [unknown.leaf(leaf_params(&["host.example"]))];
    let unless = |judgement: &Judgement| {
        matches!(judgement.finding(), Finding::Bad(error)
        if matches!(error.kind(), Kind::UnknownIssuer { .. }))
    };
    let (_, verdict) = drive(
        walk(&chain, HOST, &trusting(&root)),
        |judgement, pending| match unless(judgement) {
            true => pending.accept(),
            false => pending.default(),
        },
    );
    assert!(matches!(
        verdict.unwrap_err().kind(),
        Kind::NameMismatch { .. }
    ));
    let (_, verdict) = drive(
        walk(&chain, HOST, &trusting(&root)),
        |judgement, pending| {
            if unless(judgement) {
                let error =
                    CertificateError::rejected(AlertDescription::ACCESS_DENIED, "my reason");
                pending.refuse(error);
            }
        },
    );
    assert!(verdict.unwrap_err().to_string().contains("my reason"));

    // A leaf as issuer, below it.
    let mut params = leaf_params(&["inter.example"]);
    params.key_usages.clear();
    let no_ca = unknown.intermediate_from(params);
    let chain = [no_ca.leaf(leaf_params(&[HOST])), no_ca.der()];
    let (_, verdict) = drive(
        walk(&chain, HOST, &trusting(&root)),
        |judgement, pending| match judgement.finding() {
            Finding::Bad(error) if matches!(error.kind(), Kind::UnknownIssuer { .. }) => {
                pending.accept();
            }
            _ => pending.default(),
        },
    );
    let error = verdict.unwrap_err();
    assert!(
        matches!(
            error.kind(),
            Kind::UnknownIssuer { .. } | Kind::WrongBasicConstraints
        ),
        "{error}"
    );
}

/// With default verdicts it is what nobody listens to, also when steps are dropped.
#[test]
fn default_verdicts_are_those_of_nobody() {
    let root = Ca::root("root");
    let inter = root.intermediate("inter");
    let good = inter.leaf(leaf_params(&[HOST]));
    let mut params = leaf_params(&[HOST]);
    params.not_after = date_time_ymd(2020, 1, 1);
    let expired = inter.leaf(params);
    let mut params = leaf_params(&[HOST]);
    params.custom_extensions = vec![critical(&[1, 2, 3, 4])];
    let unknown = inter.leaf(params);
    let other = Ca::root("other").leaf(leaf_params(&[HOST]));
    for leaf in [good, expired, unknown, other] {
        for chain in [vec![leaf.clone(), inter.der()], vec![leaf]] {
            let policy = trusting(&root);
            let expected = server(&chain, HOST, &policy).map(|_| ());
            let (_, of_default) = drive(walk(&chain, HOST, &policy), default);
            let (_, of_dropped) = drive(walk(&chain, HOST, &policy), |_, _| ());
            let (_, of_unknown) = drive(walk(&chain, HOST, &policy), |_, own| own.unknown());
            let of_none = walk(&chain, HOST, &policy).into_verdict();
            for verdict in [of_default, of_dropped, of_unknown, of_none] {
                assert_eq!(verdict.map(|_| ()), expected);
            }
        }
    }
}

/// The first path is refused, and the second is told from it.
#[test]
fn each_candidate_begins_anew() {
    let (old, new) = (Ca::root("old"), Ca::root("new"));
    let crossed = old.intermediate("crossed");
    let again = ca_params("crossed")
        .signed_by(crossed.issuer.key(), &new.issuer)
        .unwrap();
    let chain = [
        crossed.leaf(leaf_params(&[HOST])),
        crossed.der(),
        again.der().clone(),
    ];
    let policy = ChainPolicy::new(roots(&[old.der(), new.der()]));
    let mut refused = false;
    let (seen, verdict) = drive(
        walk(&chain, HOST, &policy),
        |judgement, pending| match judgement.finding() {
            Finding::Valid if !refused => {
                refused = true;
                pending.refuse(CertificateError::rejected(
                    AlertDescription::ACCESS_DENIED,
                    "not this way",
                ));
            }
            _ => pending.default(),
        },
    );
    assert_eq!(seen.iter().filter(|line| *line == "path").count(), 2);
    let proof = verdict.unwrap();
    assert!(proof.is_verified());
    assert_eq!(proof.anchor_certificate(), Some(&new.der()));
    // Of none the function's reason is told.
    let (_, verdict) = drive(
        walk(&chain, HOST, &policy),
        |judgement, pending| match judgement.finding() {
            Finding::ValidPeer => pending.refuse(CertificateError::rejected(
                AlertDescription::ACCESS_DENIED,
                "never",
            )),
            _ => pending.default(),
        },
    );
    let error = verdict.unwrap_err();
    assert_eq!(error.alert(), AlertDescription::ACCESS_DENIED);
    assert!(error.to_string().contains("never"), "{error}");
}

/// A certificate in the chain is trusted as an anchor: what is above it counts no more, what is
/// below as ever.
#[test]
fn a_partial_chain_is_trusted_where_somebody_says_so() {
    let unknown = Ca::root("unknown");
    let inter = unknown.intermediate("inter");
    let sub = inter.intermediate("sub");
    let nobody = trusting(&Ca::root("root"));
    let trust = |chain: &[CertificateDer<'static>], host: &str, index: usize| {
        let mut walk = walk(chain, host, &nobody).interest(Interest::ERRORS.and_paths());
        let mut paths = 0;
        loop {
            match walk.step() {
                WalkStep::Path(start) => {
                    paths += 1;
                    assert!(!start.is_anchored());
                    let certificates: Vec<_> = start.certificates().cloned().collect();
                    assert_eq!(certificates.last(), chain.first());
                    start.trust(index);
                }
                WalkStep::Judge(pending) => pending.default(),
                WalkStep::Done => break,
            }
        }
        assert_eq!(paths, 1);
        (walk.gate(), walk.into_verdict())
    };
    let chain = [sub.leaf(leaf_params(&[HOST])), sub.der(), inter.der()];
    for (index, anchor, certificates) in [(0, inter.der(), 2), (1, sub.der(), 1)] {
        let (gate, verdict) = trust(&chain, HOST, index);
        let proof = verdict.unwrap();
        assert!(proof.is_verified());
        assert_eq!(proof.anchor_certificate(), Some(&anchor));
        assert_eq!(proof.path().count(), certificates);
        assert_eq!(gate, Some(Gate::Agreed { certificates }));
    }
    // The peer itself, as if it were pinned.
    assert!(trust(&chain, HOST, 2).1.unwrap().is_verified());
    let error = trust(&chain, "other.example", 2).1.unwrap_err();
    assert!(matches!(error.kind(), Kind::NameMismatch { .. }), "{error}");
    let error = trust(&chain, HOST, 3).1.unwrap_err();
    assert!(
        matches!(error.kind(), Kind::UnknownIssuer { .. }),
        "{error}"
    );
    // What is below is judged.
    let mut params = leaf_params(&[HOST]);
    params.not_after = date_time_ymd(2020, 1, 1);
    let expired = [sub.leaf(params), sub.der(), inter.der()];
    let error = trust(&expired, HOST, 0).1.unwrap_err();
    assert!(matches!(error.kind(), Kind::Expired { .. }), "{error}");
    let forged = [
        Ca::root("sub").leaf(leaf_params(&[HOST])),
        sub.der(),
        inter.der(),
    ];
    let error = trust(&forged, HOST, 0).1.unwrap_err();
    assert_eq!(error.kind(), &Kind::BadSignature);
}

/// A critical extension that somebody knows is processed: that is no override, and webpki is
/// asked about what it can read.
#[test]
fn extensions_that_somebody_knows() {
    let root = Ca::root("root");
    for of_leaf in [true, false] {
        let (mut ca, mut params) = (ca_params("ca"), leaf_params(&[HOST]));
        match of_leaf {
            true => params.custom_extensions = vec![critical(&[1, 2, 3, 4])],
            false => ca.custom_extensions = vec![critical(&[1, 2, 3, 4])],
        }
        let ca = root.intermediate_from(ca);
        let chain = [ca.leaf(params), ca.der()];
        let mut walk =
            walk(&chain, HOST, &trusting(&root)).interest(Interest::ERRORS.and_extensions());
        let mut known = 0;
        while let WalkStep::Judge(pending) = walk.step() {
            match pending.judgement().finding() {
                Finding::Extension(extension) if extension.oid() == "1.2.3.4" => {
                    assert!(extension.is_critical() && !extension.is_processed());
                    assert_eq!(extension.value(), [5, 0]);
                    known += 1;
                    pending.accept();
                }
                _ => pending.unknown(),
            }
        }
        assert_eq!(known, 1);
        match (of_leaf, walk.gate().unwrap()) {
            (true, Gate::NotAsked(_)) | (false, Gate::Agreed { certificates: 1 }) => {}
            (_, gate) => panic!("{gate:?}"),
        }
        assert!(walk.into_verdict().unwrap().is_verified());
        let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
        assert!(matches!(
            error.kind(),
            Kind::UnknownCriticalExtension { .. }
        ));
    }
}

/// Everything that nobody refuses, and still everything is said.
#[test]
fn a_lax_policy_accepts_what_nobody_refuses() {
    let unknown = Ca::root("unknown");
    let mut params = leaf_params(&["host.example"]);
    params.not_after = date_time_ymd(2020, 1, 1);
    params.custom_extensions = vec![critical(&[1, 2, 3, 4])];
    let chain = [unknown.leaf(params)];
    for policy in [
        trusting(&Ca::root("root")),
        ChainPolicy::new(Roots::empty()),
    ] {
        let policy = policy.dangerous_lax();
        for proof in [
            server(&chain, HOST, &policy).unwrap(),
            drive(walk(&chain, HOST, &policy), default).1.unwrap(),
        ] {
            assert!(!proof.is_verified());
            assert!(proof.overrides().len() >= 3, "{:?}", proof.overrides());
        }
        let (_, verdict) = drive(
            walk(&chain, HOST, &policy),
            |judgement, pending| match judgement.finding() {
                Finding::Bad(error) if matches!(error.kind(), Kind::Expired { .. }) => {
                    pending.refuse(error.clone());
                }
                _ => pending.default(),
            },
        );
        assert!(verdict.is_err());
    }
}

/// Whatever a function does, a walk ends, and soon.
#[test]
fn verdicts_do_not_make_a_walk_expensive() {
    let root = Ca::root("root");
    let cas: Vec<Ca> = (0..8).map(|_| Ca::root("crowd")).collect();
    let mut chain = vec![cas[0].leaf(leaf_params(&[HOST]))];
    for (at, ca) in cas.iter().enumerate() {
        for (other, by) in cas.iter().enumerate() {
            if at != other && chain.len() < 62 {
                let certificate = ca_params("crowd").signed_by(ca.issuer.key(), &by.issuer);
                chain.push(certificate.unwrap().der().clone());
            }
        }
    }
    let never = CertificateError::rejected(AlertDescription::ACCESS_DENIED, "never");
    for judge in [
        (|_, pending| pending.default()) as fn(&CertificateError, Pending<'_>),
        |_, pending| pending.accept(),
        |never, pending| pending.refuse(never.clone()),
    ] {
        for policy in [trusting(&root), trusting(&cas[7])] {
            let started = paths::time();
            let (seen, _) = drive(walk(&chain, HOST, &policy), |_, pending| {
                judge(&never, pending);
            });
            let elapsed = paths::time() - started;
            println!("{elapsed:?}: {} steps", seen.len());
            assert!(elapsed < Duration::from_millis(500), "{elapsed:?}");
        }
    }
}

/// Behind a fault there may be another of the same kind, which nobody has accepted.
#[test]
fn an_override_hides_nothing_behind_it() {
    use crate::der;
    let root = Ca::root("root");
    // Of names of Windows' users, and of hosts.
    let upn = [1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
    let oid = b"\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03";
    let value = der::element(0xa0, &der::element(0x0c, b"@corp.example"));
    let user = der::sequence(&der::element(0xa0, &[&oid[..], &value].concat()));
    let host = der::sequence(&der::element(0x82, b"corp.example"));
    let permitted = der::element(0xa0, &[user, host].concat());
    let constraints = CustomExtension::from_oid_content(&[2, 5, 29, 30], der::sequence(&permitted));
    let mut params = ca_params("users");
    params.custom_extensions = vec![constraints];
    let users = root.intermediate_from(params);
    let mut params = ca_params("hosts");
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("other.example".to_owned())],
        excluded_subtrees: vec![],
    });
    let hosts = users.intermediate_from(params);
    let mut params = leaf_params(&[HOST]);
    let upn = (
        upn.to_vec(),
        rcgen::OtherNameValue::Utf8String("me@corp.example".to_owned()),
    );
    params
        .subject_alt_names
        .insert(0, rcgen::SanType::OtherName(upn));
    let chain = [hosts.leaf(params), hosts.der(), users.der()];
    let (seen, verdict) = drive(walk(&chain, HOST, &trusting(&root)), accept);
    assert_eq!(
        without_extensions(&seen)[3..],
        [
            "CN=leaf UnsupportedConstraint",
            "CN=leaf NameConstraints",
            "CN=leaf NameConstraints",
            "CN=leaf valid peer",
        ]
    );
    assert_eq!(verdict.unwrap().overrides().len(), 3);
    // Who accepts the first alone accepts none of the others.
    let only = |judgement: &Judgement, pending: Pending<'_>| match label(judgement)
        == "UnsupportedConstraint"
    {
        true => pending.accept(),
        false => pending.default(),
    };
    let (_, verdict) = drive(walk(&chain, HOST, &trusting(&root)), only);
    assert_eq!(verdict.unwrap_err().kind(), &Kind::NameConstraints);
}

/// Each critical extension that is not processed, also to those who are not interested in the others.
#[test]
fn an_unknown_extension_that_is_accepted_excuses_no_other() {
    let root = Ca::root("root");
    let mut params = leaf_params(&[HOST]);
    params.custom_extensions = vec![
        critical(&[1, 2, 3, 4]),
        critical(&[2, 5, 29, 32]),
        critical(&[1, 2, 3, 5]),
    ];
    let chain = [root.leaf(params)];
    let mut walk = walk(&chain, HOST, &trusting(&root));
    let mut seen = Vec::new();
    while let WalkStep::Judge(pending) = walk.step() {
        let judgement = pending.judgement();
        let Finding::Bad(error) = judgement.finding() else {
            panic!("{judgement:?}");
        };
        let Kind::UnknownCriticalExtension { oid } = error.kind() else {
            panic!("{error}");
        };
        seen.push(oid.clone());
        pending.accept();
    }
    assert_eq!(seen, ["1.2.3.4", "2.5.29.32", "1.2.3.5"]);
    let proof = walk.into_verdict().unwrap();
    assert_eq!(proof.overrides().len(), 3);
}

/// Version 1, two algorithms, and a signature over something else: all of it is told.
#[test]
fn a_form_that_is_accepted_in_part() {
    let root = Ca::root("root");
    let mut leaf = root.leaf(leaf_params(&[HOST])).to_vec();
    let mut set = |before: &[u8], last: u8| {
        let at = leaf.windows(before.len()).position(|own| own == before);
        leaf[at.unwrap() + before.len() - 1] = last;
    };
    set(&[0xa0, 3, 2, 1, 2], 1);
    set(b"\x2a\x86\x48\xce\x3d\x04\x03\x02", 3);
    let (seen, _) = drive(walk(&[leaf.into()], HOST, &trusting(&root)), accept);
    assert_eq!(
        without_extensions(&seen),
        [
            "path",
            "CN=leaf Unsupported",
            "CN=leaf Malformed",
            "CN=leaf BadSignature",
            "CN=leaf valid peer",
        ]
    );
}

/// Of two extensions of one kind nobody knows which counts: the rest could not be judged.
#[test]
fn what_cannot_be_read_cannot_be_accepted() {
    let root = Ca::root("root");
    let twice = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    let many = (0..65).map(|at| CustomExtension::from_oid_content(&[1, 2, 3, at], vec![5, 0]));
    for extensions in [vec![twice.clone(), twice], many.collect()] {
        let mut params = leaf_params(&["host.example"]);
        params.not_after = date_time_ymd(2020, 1, 1);
        params.custom_extensions = extensions;
        let chain = [root.leaf(params)];
        for policy in [trusting(&root), trusting(&root).dangerous_lax()] {
            let (_, verdict) = drive(walk(&chain, HOST, &policy), accept);
            let error = verdict.unwrap_err();
            assert!(matches!(error.kind(), Kind::Malformed(_)), "{error}");
        }
    }
}
