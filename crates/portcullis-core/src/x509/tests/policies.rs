//! Certificate policies along a path, where somebody asks for them. NIST's judgement is in `tests/pkits.rs`.

use std::time::Instant;

use rcgen::CustomExtension;

use super::*;
use crate::der;
use crate::x509::CertificateErrorKind as Kind;
use crate::x509::{CertificatePolicies, ChainWalk, Gate, WalkStep};

const HOST: &str = "a.example";
const ANY: &[u8] = b"\x55\x1d\x20\x00";

/// 1.2.3.n, as the contents of an OID.
fn policy(number: u16) -> Vec<u8> {
    let [high, low] = [(number >> 7) as u8 | 0x80, (number & 0x7f) as u8];
    match number {
        0..=0x7f => vec![0x2a, 3, low],
        _ => vec![0x2a, 3, high, low],
    }
}

fn extension(last: u64, critical: bool, value: Vec<u8>) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, last], value);
    extension.set_criticality(critical);
    extension
}

fn oid(policy: &[u8]) -> Vec<u8> {
    der::element(der::OID, policy)
}

fn policies(all: &[Vec<u8>]) -> CustomExtension {
    let all: Vec<_> = all.iter().map(|own| der::sequence(&oid(own))).collect();
    extension(32, true, der::sequence(&all.concat()))
}

fn mappings(all: &[(Vec<u8>, Vec<u8>)]) -> CustomExtension {
    let pair = |(from, to): &(Vec<u8>, Vec<u8>)| der::sequence(&[oid(from), oid(to)].concat());
    let all: Vec<_> = all.iter().map(pair).collect();
    extension(33, true, der::sequence(&all.concat()))
}

fn constraints(explicit: Option<u8>, mapping: Option<u8>) -> CustomExtension {
    let field = |tag, number: Option<u8>| number.map(|own| der::element(tag, &[own]));
    let all = [field(0x80, explicit), field(0x81, mapping)];
    let all: Vec<_> = all.into_iter().flatten().collect();
    extension(36, true, der::sequence(&all.concat()))
}

fn inhibit_any(number: u8) -> CustomExtension {
    extension(54, true, der::element(der::INTEGER, &[number]))
}

/// A chain with these extensions, the highest CA first and the leaf last.
fn chain(all: &[Vec<CustomExtension>]) -> (Ca, Vec<CertificateDer<'static>>) {
    let root = Ca::root("root");
    let (leaf, cas) = all.split_last().unwrap();
    let mut made: Vec<Ca> = Vec::new();
    for (at, extensions) in cas.iter().enumerate() {
        let mut params = ca_params(&format!("ca {at}"));
        params.custom_extensions = extensions.clone();
        made.push(made.last().unwrap_or(&root).intermediate_from(params));
    }
    let mut params = leaf_params(&[HOST]);
    params.custom_extensions = leaf.clone();
    let mut chain = vec![made.last().unwrap_or(&root).leaf(params)];
    chain.extend(made.iter().rev().map(Ca::der));
    (root, chain)
}

fn verdict(all: &[Vec<CustomExtension>], wanted: CertificatePolicies) -> Result<(), Kind> {
    let (root, chain) = chain(all);
    let policy = trusting(&root).policies(wanted);
    let verdict = server(&chain, HOST, &policy);
    verdict.map(|_| ()).map_err(|error| error.kind().clone())
}

fn one_or_two() -> CertificatePolicies {
    CertificatePolicies::of(["1.2.3.1", "1.2.3.2"]).unwrap()
}

#[test]
fn critical_extensions_are_unknown_unless_somebody_asks() {
    let all = [
        vec![policies(&[policy(1)]), inhibit_any(0)],
        vec![policies(&[policy(1)])],
    ];
    let (root, chain) = chain(&all);
    let error = server(&chain, HOST, &trusting(&root)).unwrap_err();
    let Kind::UnknownCriticalExtension { oid } = error.kind() else {
        panic!("{error}");
    };
    assert_eq!((oid.as_str(), error.index()), ("2.5.29.32", Some(1)));
    let policy = trusting(&root).policies(CertificatePolicies::any());
    server(&chain, HOST, &policy).unwrap();
    // webpki knows none of it.
    let presented = PresentedChain::new(chain).unwrap();
    let mut walk = ChainWalk::of_server(&presented, &name(HOST), NOW, &policy);
    while !matches!(walk.step(), WalkStep::Done) {}
    assert!(matches!(walk.gate(), Some(Gate::NotAsked(_))));
}

#[test]
fn a_policy_has_to_hold_where_one_is_required() {
    let own = |numbers: &[u16]| {
        vec![policies(
            &numbers.iter().map(|own| policy(*own)).collect::<Vec<_>>(),
        )]
    };
    let explicit = || one_or_two().require_explicit();
    assert_eq!(verdict(&[own(&[1]), own(&[1])], explicit()), Ok(()));
    assert_eq!(verdict(&[own(&[1, 3]), own(&[3, 1])], explicit()), Ok(()));
    assert_eq!(
        verdict(&[own(&[1]), own(&[2])], explicit()),
        Err(Kind::NoPolicy)
    );
    assert_eq!(
        verdict(&[own(&[1]), vec![]], explicit()),
        Err(Kind::NoPolicy)
    );
    assert_eq!(
        verdict(&[vec![], own(&[1])], explicit()),
        Err(Kind::NoPolicy)
    );
    assert_eq!(
        verdict(&[own(&[3]), own(&[3])], explicit()),
        Err(Kind::PolicyNotAccepted)
    );
    // Nobody requires one.
    assert_eq!(verdict(&[own(&[3]), vec![]], one_or_two()), Ok(()));
    // A CA does, from so many certificates below it on, and then for the whole path (§6.1.5 (a)).
    let requires = |after| vec![policies(&[policy(3)]), constraints(Some(after), None)];
    assert_eq!(
        verdict(&[requires(0), own(&[4])], CertificatePolicies::any()),
        Err(Kind::NoPolicy)
    );
    assert_eq!(
        verdict(&[requires(0), own(&[3])], one_or_two()),
        Err(Kind::PolicyNotAccepted)
    );
    assert_eq!(
        verdict(&[requires(3), own(&[3]), vec![]], one_or_two()),
        Ok(())
    );
    assert_eq!(
        verdict(&[requires(2), own(&[3]), vec![]], one_or_two()),
        Err(Kind::NoPolicy)
    );
}

#[test]
fn any_policy_and_mappings() {
    let any = || vec![policies(&[ANY.to_vec()])];
    let leaf = |number| vec![policies(&[policy(number)])];
    let explicit = || one_or_two().require_explicit();
    assert_eq!(verdict(&[any(), leaf(1)], explicit()), Ok(()));
    assert_eq!(verdict(&[any(), any()], explicit()), Ok(()));
    assert_eq!(
        verdict(&[any(), leaf(3)], explicit()),
        Err(Kind::PolicyNotAccepted)
    );
    assert_eq!(
        verdict(&[any(), leaf(1)], explicit().inhibit_any()),
        Err(Kind::NoPolicy)
    );
    let inhibits = || [any(), vec![inhibit_any(0)]].concat();
    assert_eq!(verdict(&[inhibits(), leaf(1)], explicit()), Ok(()));
    assert_eq!(
        verdict(&[inhibits(), any()], explicit()),
        Err(Kind::NoPolicy)
    );
    // What this CA calls 1 is 7 below it.
    let maps = || vec![policies(&[policy(1)]), mappings(&[(policy(1), policy(7))])];
    assert_eq!(verdict(&[maps(), leaf(7)], explicit()), Ok(()));
    assert_eq!(verdict(&[maps(), leaf(1)], explicit()), Err(Kind::NoPolicy));
    assert_eq!(
        verdict(&[maps(), leaf(7)], explicit().inhibit_mapping()),
        Err(Kind::NoPolicy)
    );
    // Also of what stands for itself under anyPolicy.
    let maps_any = || [any(), vec![mappings(&[(policy(2), policy(7))])]].concat();
    assert_eq!(verdict(&[maps_any(), leaf(7)], explicit()), Ok(()));
    for pair in [(ANY.to_vec(), policy(1)), (policy(1), ANY.to_vec())] {
        let maps = [any(), vec![mappings(&[pair])]].concat();
        assert_eq!(
            verdict(&[maps, leaf(1)], CertificatePolicies::any()),
            Err(Kind::MapsAnyPolicy)
        );
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let good = || vec![policies(&[policy(1)])];
    let bad = [
        extension(32, false, der::sequence(&[])),
        extension(32, false, vec![0x30, 1]),
        policies(&[policy(1), policy(1)]),
        extension(36, false, der::sequence(&[])),
        constraints(Some(0x80), None),
        extension(54, false, der::element(der::INTEGER, &[])),
        extension(33, false, der::sequence(&[])),
        extension(33, false, der::sequence(&der::sequence(&oid(&policy(1))))),
    ];
    for extension in bad {
        let oid = extension.oid_components().last().unwrap();
        let ca = match oid {
            32 => vec![extension.clone()],
            _ => vec![policies(&[policy(1)]), extension.clone()],
        };
        let refused = verdict(&[ca, good()], CertificatePolicies::any());
        assert!(
            matches!(refused, Err(Kind::Malformed(_))),
            "{oid} {refused:?}"
        );
    }
}

/// CVE-2023-0464: in a tree each of these doubles what is below.
#[test]
fn what_would_make_a_tree_grow_costs_nothing() {
    let both = [policy(1), policy(2)];
    let crossed: Vec<_> = both
        .iter()
        .flat_map(|from| both.iter().map(|to| (from.clone(), to.clone())))
        .collect();
    let ca = || vec![policies(&both), mappings(&crossed)];
    let mut all: Vec<_> = (0..31).map(|_| ca()).collect();
    all.push(vec![policies(&[policy(1)])]);
    let (root, chain) = chain(&all);
    let wanted = CertificatePolicies::of(["1.2.3.2"])
        .unwrap()
        .require_explicit();
    let policy = trusting(&root).depth(32).policies(wanted);
    server(&chain, HOST, &policy).unwrap();
    let begun = Instant::now();
    // The signatures are known by now.
    server(&chain, HOST, &policy).unwrap();
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn policies_have_a_bound() {
    let many: Vec<_> = (0..1_001).map(policy).collect();
    let refused = verdict(&[vec![policies(&many)], vec![]], CertificatePolicies::any());
    assert!(
        matches!(
            refused,
            Err(Kind::TooExpensive {
                what: "certificate policies",
                ..
            })
        ),
        "{refused:?}"
    );
    let maps: Vec<_> = (0..1_001)
        .map(|own| (policy(own), policy(own + 1)))
        .collect();
    let ca = vec![policies(&[ANY.to_vec()]), mappings(&maps)];
    let refused = verdict(&[ca, vec![]], CertificatePolicies::any());
    assert!(
        matches!(refused, Err(Kind::TooExpensive { .. })),
        "{refused:?}"
    );
    // Nodes of several certificates together.
    let some: Vec<_> = (0..400).map(policy).collect();
    let all = vec![vec![policies(&some)]; 3];
    let refused = verdict(&all, CertificatePolicies::any());
    assert!(
        matches!(refused, Err(Kind::TooExpensive { .. })),
        "{refused:?}"
    );
}

/// Self-issued certificates do not count, and may have anyPolicy.
#[test]
fn a_change_of_keys_is_no_step() {
    let root = Ca::root("root");
    let mut params = ca_params("ca");
    params.custom_extensions = vec![
        policies(&[policy(1)]),
        constraints(Some(1), None),
        inhibit_any(0),
    ];
    let ca = root.intermediate_from(params);
    let mut params = ca_params("ca");
    params.custom_extensions = vec![policies(&[ANY.to_vec()])];
    let changed = ca.intermediate_from(params);
    let mut params = leaf_params(&[HOST]);
    params.custom_extensions = vec![policies(&[policy(1)])];
    let chain = [changed.leaf(params), changed.der(), ca.der()];
    let policy = trusting(&root).policies(one_or_two().require_explicit());
    server(&chain, HOST, &policy).unwrap();
}
