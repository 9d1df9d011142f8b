//! What is promised about revoked certificates: the traps of RFC 5280 §6.3, one test each. Every list that revokes
//! nothing is beside a twin that does.

use std::slice::from_ref;
use std::sync::Arc;

use rcgen::{CustomExtension, KeyPair, SerialNumber, SigningKey as _};
use rustls_pki_types::{CertificateDer, ServerName};

use super::revocation_lists::{
    HOST, List, URI, at, check, check_with, delta_of, extension, idp, leaf, reason, root,
    signing_ca,
};
use super::{Ca, NOW, ca_params, leaf_params, roots};
use crate::AlertDescription;
use crate::der;
use crate::x509::certificate::Certificate;
use crate::x509::error::CertificateErrorKind as Kind;
use crate::x509::{
    CertificateError, ChainPolicy, ChainWalk, Crl, CrlCheck, CrlQuery, CrlQueryKind,
    PresentedChain, RevocationCheck, RevocationReason, VerifiedChain, WalkStep,
};

fn is_unknown(verdict: &Result<VerifiedChain, CertificateError>) -> bool {
    matches!(verdict, Err(error) if matches!(error.kind(), Kind::RevocationUnknown { .. }))
}

fn is_revoked(verdict: &Result<VerifiedChain, CertificateError>) -> bool {
    matches!(verdict, Err(error) if matches!(error.kind(), Kind::Revoked { .. }))
}

/// What the list says of certificate 7, and its twin that has it.
#[track_caller]
fn says_nothing(leaf: &CertificateDer<'static>, ca: &Ca, lists: &[Arc<Crl>]) -> String {
    let verdict = check(leaf, ca, lists);
    assert!(is_unknown(&verdict), "{verdict:?}");
    verdict.unwrap_err().to_string()
}

#[test]
fn good_and_revoked() {
    let ca = root("CA");
    let list = List::new(41).entry(7, &[reason(1)]).by(&ca);
    let revoked = check(&leaf(&ca, 7, &[URI]), &ca, from_ref(&list)).unwrap_err();
    assert_eq!(revoked.alert(), AlertDescription::CERTIFICATE_REVOKED);
    assert!(matches!(
        revoked.kind(),
        Kind::Revoked {
            reason: RevocationReason::KeyCompromise,
            ..
        }
    ));
    assert_eq!(
        revoked.to_string(),
        "the peer's certificate (CN=leaf) was revoked on Nov  2 00:00:00 2026 +00:00 (keyCompromise), says the CRL \
         41 of CN=CA: the peer needs another certificate"
    );
    assert!(
        check(&leaf(&ca, 8, &[URI]), &ca, from_ref(&list))
            .unwrap()
            .is_verified()
    );
    // Without distribution points.
    assert!(is_revoked(&check(&leaf(&ca, 7, &[]), &ca, from_ref(&list))));
    assert!(check(&leaf(&ca, 8, &[]), &ca, from_ref(&list)).is_ok());
    assert!(list.is_verified());
}

#[test]
fn without_a_list_nothing_is_known() {
    let ca = root("CA");
    let unknown = check(&leaf(&ca, 8, &[URI]), &ca, &[]).unwrap_err();
    assert_eq!(unknown.alert(), AlertDescription::BAD_CERTIFICATE);
    assert_eq!(
        unknown.to_string(),
        "whether the peer's certificate (CN=leaf) was revoked cannot be told: no CRL of CN=CA, or of whom it names, \
         is there for all reasons: provide the CRL, or accept that with `CrlCheck::best_effort`"
    );
    let certificates = [leaf(&ca, 8, &[URI])];
    let best_effort = |lists: Vec<Arc<Crl>>| {
        check_with(&certificates, &ca, CrlCheck::best_effort(), |_| {
            lists.clone()
        })
    };
    assert!(best_effort(vec![]).is_ok());
    assert!(is_revoked(&best_effort(vec![
        List::new(1).revoking(8).by(&ca)
    ])));
}

#[test]
fn the_source_says_why_there_is_none() {
    let ca = root("CA");
    let chain = PresentedChain::new(vec![leaf(&ca, 8, &[URI])]).unwrap();
    let policy = super::trusting(&ca).crl_check(CrlCheck::peer());
    let mut check = RevocationCheck::begin(&chain, None, NOW, &policy).unwrap();
    assert_eq!(check.query().unwrap().uris(), [URI]);
    check.answer_nothing(Some(format!("{URI}: 404 after 120 ms\n")));
    let error = check.conclude().unwrap_err().to_string();
    assert!(
        error.contains(r"(http://crl.test/ca.crl: 404 after 120 ms\u{a})"),
        "{error}"
    );
}

#[test]
fn a_chain_is_looked_for_from_the_anchor_down() {
    let ca = root("CA");
    let mut params = signing_ca("Inter");
    params.serial_number = Some(SerialNumber::from(vec![5]));
    let inter = ca.intermediate_from(params);
    let certificates = [leaf(&inter, 7, &[]), inter.der()];
    let (of_ca, of_inter) = (List::new(1).by(&ca), List::new(2).by(&inter));
    let both = vec![of_ca.clone(), of_inter.clone()];
    let run = |check, lists: &[Arc<Crl>]| check_with(&certificates, &ca, check, |_| lists.to_vec());
    assert!(run(CrlCheck::chain(), &both).is_ok());
    assert!(is_unknown(&run(CrlCheck::chain(), from_ref(&of_inter))));
    // The peer's alone.
    assert!(run(CrlCheck::peer(), from_ref(&of_inter)).is_ok());
    assert!(is_unknown(&run(CrlCheck::peer(), from_ref(&of_ca))));
    assert!(run(CrlCheck::off(), &[]).is_ok());
    let of_ca = List::new(3).revoking(5).by(&ca);
    let error = run(CrlCheck::chain(), &[of_ca.clone(), of_inter.clone()]).unwrap_err();
    assert_eq!(error.index(), Some(1));
    assert!(
        error
            .to_string()
            .starts_with("certificate 2 of the peer's chain (CN=Inter) was revoked"),
        "{error}"
    );
    assert!(run(CrlCheck::peer(), &[of_ca, of_inter]).is_ok());
}

#[test]
fn a_list_for_others_says_nothing() {
    let ca = root("CA");
    let user = leaf(&ca, 8, &[URI]);
    for scope in [vec![0x82, 1, 0xff], vec![0x85, 1, 0xff]] {
        let list = List::new(1).with(idp(&[at(URI), scope])).by(&ca);
        let text = says_nothing(&user, &ca, &[list]);
        assert!(
            text.contains("CRL 1 of CN=CA: for other certificates"),
            "{text}"
        );
    }
    let users = |list: List| list.with(idp(&[at(URI), vec![0x81, 1, 0xff]])).by(&ca);
    assert!(check(&user, &ca, &[users(List::new(1))]).is_ok());
    assert!(is_revoked(&check(
        &user,
        &ca,
        &[users(List::new(1).revoking(8))]
    )));
    // A list of users, for a CA.
    let inter = ca.intermediate_from(signing_ca("Inter"));
    let certificates = [leaf(&inter, 7, &[]), inter.der()];
    let lists = [
        List::new(1).with(idp(&[vec![0x81, 1, 0xff]])).by(&ca),
        List::new(1).by(&inter),
    ];
    let verdict = check_with(&certificates, &ca, CrlCheck::chain(), |_| lists.to_vec());
    assert!(is_unknown(&verdict));
}

/// otp#8891: only the whole URI says which point is meant.
#[test]
fn a_list_of_another_point_says_nothing() {
    let ca = root("CA");
    let leaf = leaf(&ca, 8, &[URI]);
    for other in [
        "http://other.test/ca.crl",
        "http://crl.test/ca.crl?",
        "HTTP://crl.test/ca.crl",
    ] {
        let list = List::new(1).with(idp(&[at(other)])).by(&ca);
        let text = says_nothing(&leaf, &ca, &[list]);
        assert!(text.contains("of another distribution point"), "{text}");
    }
    let at_this = |list: List| list.with(idp(&[at(URI)])).by(&ca);
    assert!(check(&leaf, &ca, &[at_this(List::new(1))]).is_ok());
    assert!(is_revoked(&check(
        &leaf,
        &ca,
        &[at_this(List::new(1).revoking(8))]
    )));
}

#[test]
fn reasons_are_covered_together_or_not_at_all() {
    let ca = root("CA");
    let leaf = leaf(&ca, 8, &[URI]);
    let some = |number, reasons: [u8; 2], list: fn(List) -> List| {
        let value = [vec![0x83, 3], vec![7, reasons[0], reasons[1]]].concat();
        list(List::new(number)).with(idp(&[at(URI), value])).by(&ca)
    };
    let same: fn(List) -> List = |list| list;
    let revoking: fn(List) -> List = |list| list.revoking(8);
    // keyCompromise alone, and the other seven.
    let (one, rest) = ([0x40, 0], [0x3f, 0x80]);
    says_nothing(&leaf, &ca, &[some(1, one, same)]);
    assert!(check(&leaf, &ca, &[some(1, one, same), some(2, rest, same)]).is_ok());
    assert!(is_revoked(&check(&leaf, &ca, &[some(1, one, revoking)])));
    assert!(is_revoked(&check(
        &leaf,
        &ca,
        &[some(1, one, same), some(2, rest, revoking)]
    )));
}

#[test]
fn the_newest_list_counts() {
    let ca = root("CA");
    let leaf = leaf(&ca, 8, &[URI]);
    let held = List::new(1).entry(8, &[reason(6)]).by(&ca);
    let released = List::new(2).by(&ca);
    assert!(check(&leaf, &ca, &[held.clone(), released.clone()]).is_ok());
    let again = List::new(3).revoking(8).by(&ca);
    assert!(is_revoked(&check(
        &leaf,
        &ca,
        &[released.clone(), again.clone(), held.clone()]
    )));
    assert!(
        again.replaces(&released) && !released.replaces(&again) && released.replaces(&released)
    );
}

#[test]
fn dates_of_a_list_count() {
    let ca = root("CA");
    let leaf = leaf(&ca, 8, &[URI]);
    let mut endless = List::new(1);
    endless.next_update = None;
    let text = says_nothing(&leaf, &ca, &[endless.by(&ca)]);
    assert!(text.contains("until when"), "{text}");
    let mut future = List::new(1);
    future.this_update = "270120000000Z";
    let text = says_nothing(&leaf, &ca, &[future.by(&ca)]);
    assert!(text.contains("from the future"), "{text}");
    // NOW is 2027-01-15 08:00:00; four minutes are tolerated.
    future.this_update = "270115080400Z";
    assert!(check(&leaf, &ca, &[future.by(&ca)]).is_ok());

    let mut over = List::new(1);
    over.next_update = Some("270115080000Z");
    let over = over.by(&ca);
    let mut asked = 0;
    let mut run = |newer: Arc<Crl>| {
        check_with(
            from_ref(&leaf),
            &ca,
            CrlCheck::peer(),
            |query| match query.kind() {
                CrlQueryKind::Fresh(stale) => {
                    assert_eq!(stale.number().as_deref(), Some("1"));
                    assert_eq!(query.uris(), [URI]);
                    asked += 1;
                    vec![newer.clone()]
                }
                CrlQueryKind::Point => vec![over.clone()],
                _ => vec![],
            },
        )
    };
    assert!(run(List::new(2).by(&ca)).is_ok());
    assert!(is_revoked(&run(List::new(2).revoking(8).by(&ca))));
    // An older number, or another point, is no newer list.
    assert!(is_unknown(&run(List::new(0).by(&ca))));
    assert!(is_unknown(&run(List::new(2).with(idp(&[at(URI)])).by(&ca))));
    assert_eq!(asked, 4);
}

#[test]
fn only_what_the_issuer_signed_counts() {
    let ca = root("CA");
    let leaf = leaf(&ca, 8, &[URI]);
    let other = root("CA");
    let text = says_nothing(&leaf, &ca, &[List::new(9).by(&other)]);
    assert!(text.contains("its signature does not verify"), "{text}");
    // A forged list does not displace the good one, though it looks newer.
    let lists = [List::new(9).by(&other), List::new(1).revoking(8).by(&ca)];
    assert!(is_revoked(&check(&leaf, &ca, &lists)));
    let lists = [List::new(9).revoking(8).by(&other), List::new(1).by(&ca)];
    assert!(check(&leaf, &ca, &lists).is_ok());
    // A list that says nothing is beside it.
    let lists = [
        List::new(9).with(extension(99, true, &[5, 0])).by(&ca),
        List::new(1).by(&ca),
    ];
    assert!(check(&leaf, &ca, &lists).is_ok());

    // What signs certificates may not be what signs lists.
    let without = Ca::root("Without");
    let leaf = super::revocation_lists::leaf(&without, 8, &[URI]);
    let text = says_nothing(&leaf, &without, &[List::new(1).by(&without)]);
    assert!(text.contains("cRLSign"), "{text}");
}

/// The peer, or who is below, has the name of the authority in its certificate.
#[test]
fn nobody_below_signs_for_those_above() {
    let ca = root("CA");
    let mut params = signing_ca("Inter");
    params.serial_number = Some(SerialNumber::from(vec![5]));
    let inter = ca.intermediate_from(params);
    let mut params = leaf_params(&[HOST]);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "CA");
    params.key_usages.push(rcgen::KeyUsagePurpose::CrlSign);
    let key = KeyPair::generate().unwrap();
    let leaf = inter.leaf_with_key(params.clone(), &key);
    let own = Ca {
        certificate: params.signed_by(&key, &inter.issuer).unwrap(),
        issuer: rcgen::Issuer::new(params, key),
    };
    let certificates = [leaf, inter.der(), own.der()];
    let lists = [List::new(9).by(&own), List::new(1).by(&inter)];
    let verdict = check_with(&certificates, &ca, CrlCheck::chain(), |_| lists.to_vec());
    assert!(is_unknown(&verdict), "{verdict:?}");
    let lists = [
        List::new(9).by(&own),
        List::new(1).revoking(5).by(&ca),
        List::new(1).by(&inter),
    ];
    let verdict = check_with(&certificates, &ca, CrlCheck::chain(), |_| lists.to_vec());
    assert!(is_revoked(&verdict), "{verdict:?}");
}

/// Another key of the authority, for lists alone, in a certificate that the authority above has issued.
#[test]
fn a_designated_signer_stands_for_the_issuer() {
    let ca = root("CA");
    let inter = ca.intermediate_from(ca_params("Inter"));
    let mut params = super::named("Inter", &[]);
    params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
    params.serial_number = Some(SerialNumber::from(vec![6]));
    let designated = ca.intermediate_from(params.clone());
    let leaf = leaf(&inter, 8, &[]);
    let certificates = [leaf.clone(), inter.der(), designated.der()];
    let run = |certificates: &[CertificateDer<'static>], lists: &[Arc<Crl>]| {
        check_with(certificates, &ca, CrlCheck::peer(), |_| lists.to_vec())
    };
    let of_ca = List::new(1).by(&ca);
    let good = List::new(2).by(&designated);
    assert!(run(&certificates, &[of_ca.clone(), good.clone()]).is_ok());
    assert!(is_revoked(&run(
        &certificates,
        &[of_ca.clone(), List::new(2).revoking(8).by(&designated)]
    )));
    // It may be revoked itself, or nobody can tell.
    assert!(is_unknown(&run(
        &certificates,
        &[List::new(2).revoking(6).by(&ca), good.clone()]
    )));
    assert!(is_unknown(&run(&certificates, from_ref(&good))));
    // One whose certificate names two algorithms (§4.1.1.2).
    let algorithm = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
    let signed_as = |last: u8| {
        let mut tbs = Certificate::read(&designated.der()).unwrap().tbs.to_vec();
        let mut parts = tbs.windows(algorithm.len());
        let at = parts.position(|part| part == algorithm).unwrap();
        tbs[at + algorithm.len() - 1] = last;
        let signature = [vec![0], ca.issuer.key().sign(&tbs).unwrap()].concat();
        let signature = der::element(der::BIT_STRING, &signature);
        der::sequence(&[tbs, der::sequence(algorithm), signature].concat())
    };
    for (last, is_good) in [(2, true), (3, false)] {
        let certificates = [leaf.clone(), inter.der(), signed_as(last).into()];
        let verdict = run(&certificates, &[of_ca.clone(), good.clone()]);
        assert_eq!(verdict.is_ok(), is_good, "{verdict:?}");
    }
    // One that the anchor's CA has not issued, though it has its name.
    let stranger = root("CA").intermediate_from(params);
    let certificates = [leaf, inter.der(), stranger.der()];
    assert!(is_unknown(&run(
        &certificates,
        &[of_ca, List::new(2).by(&stranger)]
    )));
}

#[test]
fn an_entry_with_something_critical_spoils_the_list() {
    let ca = root("CA");
    let leaf = leaf(&ca, 8, &[URI]);
    // On another certificate's entry.
    let list = List::new(1)
        .entry(9, &[extension(99, true, &[5, 0])])
        .by(&ca);
    let text = says_nothing(&leaf, &ca, &[list]);
    assert!(
        text.contains("critical extension that is not known"),
        "{text}"
    );
    assert!(
        check(
            &leaf,
            &ca,
            &[List::new(1)
                .entry(9, &[extension(99, false, &[5, 0])])
                .by(&ca)]
        )
        .is_ok()
    );
    says_nothing(
        &leaf,
        &ca,
        &[List::new(1).with(extension(99, true, &[5, 0])).by(&ca)],
    );
    // Nor is this in a complete list.
    says_nothing(&leaf, &ca, &[List::new(1).entry(8, &[reason(8)]).by(&ca)]);
}

fn names_of(ca: &Ca) -> Vec<u8> {
    let name = Certificate::read(ca.certificate.der())
        .unwrap()
        .subject
        .to_vec();
    der::sequence(&der::element(0xa4, &name))
}

#[test]
fn in_an_indirect_list_the_issuer_of_an_entry_holds_for_those_that_follow() {
    let (ca, other) = (root("CA"), root("Other"));
    let certificate_issuer = |ca: &Ca| extension(29, true, &names_of(ca));
    let indirect = idp(&[vec![0x84, 1, 0xff]]);
    let leaf = leaf(&ca, 8, &[]);
    // 8 is Other's here, since 7 was.
    let list = List::new(1)
        .entry(7, &[certificate_issuer(&other)])
        .revoking(8)
        .with(indirect.clone())
        .by(&ca);
    assert!(check(&leaf, &ca, &[list]).is_ok());
    let list = List::new(1)
        .entry(7, &[certificate_issuer(&other)])
        .entry(9, &[certificate_issuer(&ca)])
        .revoking(8)
        .with(indirect)
        .by(&ca);
    assert!(is_revoked(&check(&leaf, &ca, &[list])));
    // Such entries in a list that is not indirect.
    says_nothing(
        &leaf,
        &ca,
        &[List::new(1).entry(9, &[certificate_issuer(&other)]).by(&ca)],
    );
}

/// The certificate names who signs the lists, whose certificate the anchor has issued.
#[test]
fn an_indirect_list_of_another_issuer() {
    let ca = root("CA");
    let inter = ca.intermediate_from(ca_params("Inter"));
    let signer = ca.intermediate_from(signing_ca("Signer"));
    let name = Certificate::read(signer.certificate.der())
        .unwrap()
        .subject
        .to_vec();
    let crl_issuer = der::element(der::context(2), &der::element(0xa4, &name));
    let points = der::sequence(&der::sequence(&crl_issuer));
    let mut params = leaf_params(&[HOST]);
    params.serial_number = Some(SerialNumber::from(vec![8]));
    let extension_of_points = CustomExtension::from_oid_content(&[2, 5, 29, 31], points);
    params.custom_extensions.push(extension_of_points);
    let certificates = [inter.leaf(params), inter.der(), signer.der()];
    let run = |list: &List| {
        let lists = [list.by(&signer), List::new(1).by(&ca)];
        check_with(&certificates, &ca, CrlCheck::peer(), |query| {
            match query.kind() {
                CrlQueryKind::Point => {
                    assert!(query.issuers().eq([&*name]) || query.issuers().count() == 1);
                    lists.to_vec()
                }
                _ => lists.to_vec(),
            }
        })
    };
    let indirect = idp(&[vec![0x84, 1, 0xff]]);
    let of_inter = extension(29, true, &names_of(&inter));
    assert!(run(&List::new(1).with(indirect.clone())).is_ok());
    let revoking = List::new(1).entry(8, &[of_inter]).with(indirect.clone());
    assert!(is_revoked(&run(&revoking)));
    // The signer's own 8.
    assert!(run(&List::new(1).revoking(8).with(indirect)).is_ok());
    // Not an indirect one.
    assert!(is_unknown(&run(&List::new(1))));
}

#[test]
fn a_delta_list_changes_what_a_complete_one_says() {
    let ca = root("CA");
    let leaf = leaf(&ca, 8, &[URI]);
    let complete = List::new(5).by(&ca);
    let held = List::new(5).entry(8, &[reason(6)]).by(&ca);
    let delta = |base, number| List::new(number).with(delta_of(base));
    let run = |complete: &Arc<Crl>, delta: Arc<Crl>| check(&leaf, &ca, &[delta, complete.clone()]);
    assert!(is_revoked(&run(&complete, delta(5, 6).revoking(8).by(&ca))));
    assert!(run(&held, delta(5, 6).entry(8, &[reason(8)]).by(&ca)).is_ok());
    // Alone it says nothing.
    says_nothing(&leaf, &ca, &[delta(5, 6).by(&ca)]);
    // Of a later base, or not newer than the complete one.
    assert!(run(&complete, delta(6, 7).revoking(8).by(&ca)).is_ok());
    assert!(run(&complete, delta(3, 5).revoking(8).by(&ca)).is_ok());
    assert!(is_revoked(&run(
        &held,
        delta(6, 7).entry(8, &[reason(8)]).by(&ca)
    )));
    assert!(is_revoked(&run(&complete, delta(2, 6).revoking(8).by(&ca))));
    // Of another key, or another scope.
    let other = root("CA");
    assert!(is_revoked(&run(
        &held,
        delta(5, 6).entry(8, &[reason(8)]).by(&other)
    )));
    let scoped = delta(5, 6).entry(8, &[reason(8)]).with(idp(&[at(URI)]));
    assert!(is_revoked(&run(&held, scoped.by(&ca))));
    let mut over = delta(5, 6).entry(8, &[reason(8)]);
    over.next_update = Some("270102000000Z");
    assert!(is_revoked(&run(&held, over.by(&ca))));
}

/// §4.2.1.15, §5.2.6: where the delta lists are.
#[test]
fn delta_lists_are_asked_for_where_they_are_said_to_be() {
    const DELTA: &str = "http://crl.test/delta.crl";
    let ca = root("CA");
    let point = der::sequence(&der::sequence(&at(DELTA)));
    let delta = List::new(6).with(delta_of(5)).revoking(8).by(&ca);
    let run = |leaf: CertificateDer<'static>, complete: List| {
        let complete = complete.by(&ca);
        check_with(&[leaf], &ca, CrlCheck::peer(), |query| match query.kind() {
            CrlQueryKind::Delta => {
                assert_eq!(query.uris(), [DELTA]);
                vec![delta.clone()]
            }
            _ => vec![complete.clone()],
        })
    };
    let plain = leaf(&ca, 8, &[URI]);
    assert!(run(plain.clone(), List::new(5)).is_ok());
    assert!(is_revoked(&run(
        plain,
        List::new(5).with(extension(46, false, &point))
    )));
    let mut params = leaf_params(&[HOST]);
    params.serial_number = Some(SerialNumber::from(vec![8]));
    params
        .custom_extensions
        .push(CustomExtension::from_oid_content(&[2, 5, 29, 46], point));
    assert!(is_revoked(&run(ca.leaf(params), List::new(5))));
}

#[test]
fn what_is_asked_has_a_bound() {
    let ca = root("CA");
    // More points than are looked at, and at each more lists than are; all of them forged.
    let uris: Vec<String> = (0..100).map(|at| format!("http://crl.test/{at}")).collect();
    let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
    let forger = root("CA");
    let forged: Vec<_> = (0..40)
        .map(|number| List::new(number).by(&forger))
        .collect();
    let mut asked = 0;
    let verdict = check_with(&[leaf(&ca, 8, &uris)], &ca, CrlCheck::best_effort(), |_| {
        asked += 1;
        forged.clone()
    });
    assert!(matches!(
        verdict.unwrap_err().kind(),
        Kind::TooExpensive { .. }
    ));
    assert!(asked <= 64, "{asked}");
}

#[test]
fn a_pinned_certificate_is_not_looked_for() {
    let key = KeyPair::generate().unwrap();
    let certificate = leaf_params(&[HOST]).self_signed(&key).unwrap();
    let chain = PresentedChain::new(vec![certificate.der().clone()]).unwrap();
    let policy = ChainPolicy::new(roots(&[certificate.der().clone()]));
    let policy = policy.crl_check(CrlCheck::chain());
    let check = RevocationCheck::begin(&chain, None, NOW, &policy).unwrap();
    assert!(check.query().is_none());
    assert!(check.conclude().is_ok());
}

/// What a walk has found without lists, or beside something wrong that was accepted, is no proof that nothing was
/// revoked.
#[test]
fn a_walk_knows_of_no_list() {
    let ca = root("CA");
    let chain = PresentedChain::new(vec![leaf(&ca, 8, &[URI])]).unwrap();
    let policy = |check| ChainPolicy::new(roots(&[ca.der()])).crl_check(check);
    let walk = |name: &str, check| {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut walk = ChainWalk::of_server(&chain, &name, NOW, &policy(check));
        while let WalkStep::Judge(pending) = walk.step() {
            pending.accept();
        }
        walk.into_verdict()
    };
    assert!(walk(HOST, CrlCheck::off()).unwrap().is_verified());
    assert!(is_unknown(&walk(HOST, CrlCheck::peer())));
    assert!(walk(HOST, CrlCheck::peer().or_accept()).is_ok());
    let overridden = walk("other.test", CrlCheck::off()).unwrap();
    assert_eq!(overridden.overrides().len(), 1);
    assert!(is_unknown(&walk("other.test", CrlCheck::peer())));

    let other = ServerName::try_from("other.test").unwrap();
    let lax = policy(CrlCheck::peer()).dangerous_lax();
    let check = RevocationCheck::begin(&chain, Some(&other), NOW, &lax).unwrap();
    assert!(check.query().is_some_and(CrlQuery::is_authenticated));
    assert!(is_unknown(&check.conclude()));
}
