//! Lists and responses that contradict each other, and what somebody who listens is told of both.

use std::slice::from_ref;
use std::sync::Arc;

use rcgen::{CustomExtension, KeyPair, SerialNumber, date_time_ymd};
use rustls_pki_types::CertificateDer;

use super::ocsp_responses::{Answer, Said, delegate};
use super::revocation_lists::{HOST, List, URI, leaf, reason, root, signing_ca};
use super::{Ca, NOW, leaf_params, name, trusting};
use crate::x509::error::CertificateErrorKind as Kind;
use crate::x509::{
    CertificateError, ChainPolicy, ChainWalk, Crl, CrlCheck, Finding, Judgement, OcspError,
    OcspPolicy, PresentedChain, RevocationCheck, VerifiedChain, WalkStep,
};

type Verdict = Result<VerifiedChain, CertificateError>;

fn stapled(certificate: &CertificateDer<'static>, response: Option<Vec<u8>>) -> PresentedChain {
    let entry = (certificate.clone(), response.map(Vec::into_boxed_slice));
    PresentedChain::from_entries([entry]).unwrap()
}

/// Whatever is asked is answered with the same lists.
fn look(mut check: RevocationCheck, lists: &[Arc<Crl>]) -> RevocationCheck {
    while check.query().is_some() {
        check.answer(lists.to_vec());
    }
    check
}

fn verify(chain: &PresentedChain, policy: &ChainPolicy, lists: &[Arc<Crl>]) -> Verdict {
    let check = RevocationCheck::begin(chain, Some(&name(HOST)), NOW, policy)?;
    look(check, lists).conclude()
}

fn is_revoked(verdict: &Verdict) -> bool {
    matches!(verdict, Err(error) if matches!(error.kind(), Kind::Revoked { .. }))
}

fn is_unknown(verdict: &Verdict) -> bool {
    matches!(verdict, Err(error) if matches!(error.kind(), Kind::RevocationUnknown { .. }))
}

/// A stolen certificate is shown with the response of last week, while the list is of today.
#[test]
fn a_list_that_revokes_counts_against_a_good_response() {
    let ca = root("CA");
    let certificate = leaf(&ca, 7, &[URI]);
    let policy = trusting(&ca).ocsp(OcspPolicy::Accept);
    // The response is newer than the list, or older.
    for (this_update, list_of) in [
        ("20270114000000Z", "270101000000Z"),
        ("20270106000000Z", "270115000000Z"),
    ] {
        let said = Said::good(7).at(this_update, Some("20270116000000Z"));
        let chain = stapled(&certificate, Some(Answer::new(said).by(&ca)));
        let mut list = List::new(2);
        list.this_update = list_of;
        for check in [CrlCheck::peer(), CrlCheck::chain(), CrlCheck::best_effort()] {
            let policy = policy.clone().crl_check(check);
            let revoking = list.clone().revoking(7).by(&ca);
            assert!(is_revoked(&verify(&chain, &policy, &[revoking])));
            // Its twin, and none at all: then the response stands.
            assert!(verify(&chain, &policy, &[list.clone().by(&ca)]).is_ok());
            assert!(verify(&chain, &policy, &[]).is_ok());
        }
    }
    // And the other way round.
    let chain = stapled(
        &certificate,
        Some(Answer::new(Said::revoked(7, None)).by(&ca)),
    );
    let policy = policy.crl_check(CrlCheck::peer());
    let error = verify(&chain, &policy, &[List::new(2).by(&ca)]).unwrap_err();
    assert!(matches!(error.kind(), Kind::RevokedByResponder { .. }));
}

/// RFC 6960 §4.2.2.2.1.
#[test]
fn a_responder_whose_certificate_was_revoked_answers_for_nobody() {
    let ca = root("CA");
    let certificate = leaf(&ca, 7, &[URI]);
    let serial = |params: &mut rcgen::CertificateParams| {
        params.serial_number = Some(SerialNumber::from(vec![9]));
    };
    let responder = delegate(&ca, serial);
    let exempt = delegate(&ca, |params| {
        serial(params);
        let oid = [1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
        let nocheck = CustomExtension::from_oid_content(&oid, vec![5, 0]);
        params.custom_extensions.push(nocheck);
    });
    let by = |(own, key): &(CertificateDer<'static>, KeyPair)| {
        let answer = Answer::new(Said::good(7)).with(own);
        stapled(&certificate, Some(answer.by_responder(&ca, own, key)))
    };
    let (checked, exempt) = (by(&responder), by(&exempt));
    let policy = trusting(&ca).ocsp(OcspPolicy::Require);
    let strict = policy.clone().crl_check(CrlCheck::peer());
    let (nobody, him) = (List::new(1).by(&ca), List::new(1).revoking(9).by(&ca));

    assert!(verify(&checked, &strict, from_ref(&nobody)).is_ok());
    for check in [CrlCheck::peer(), CrlCheck::best_effort()] {
        let policy = policy.clone().crl_check(check);
        let error = verify(&checked, &policy, from_ref(&him)).unwrap_err();
        assert!(
            matches!(
                error.kind(),
                Kind::BadStaple(OcspError::NotAuthorized { .. })
            ),
            "{error}"
        );
        assert_eq!(
            error.to_string(),
            "the OCSP response of the peer's certificate (CN=leaf) is signed by CN=responder, which may not: its \
             certificate was revoked"
        );
    }
    // What cannot be told of the responder does not stand for what cannot be told of the certificate.
    let verdict = verify(&checked, &strict, &[]);
    assert!(is_unknown(&verdict), "{verdict:?}");
    let text = verdict.unwrap_err().to_string();
    assert!(
        text.contains("it cannot be told whether the certificate of CN=responder was revoked"),
        "{text}"
    );
    // Its issuer says that nobody need ask; or nobody asks for lists.
    assert!(verify(&exempt, &strict, from_ref(&him)).is_ok());
    assert!(verify(&exempt, &strict, &[]).is_ok());
    assert!(verify(&checked, &policy, &[]).is_ok());
    // The certificate comes before its responder.
    let both = List::new(1).revoking(7).revoking(9).by(&ca);
    assert!(is_revoked(&verify(&checked, &strict, &[both])));
}

#[test]
fn whoever_verifies_a_response_can_look_for_its_responder() {
    let ca = root("CA");
    let said = Answer::new(Said::good(7));
    let verify = |response: &[u8]| {
        let leaf = leaf(&ca, 7, &[]);
        let policy = trusting(&ca);
        crate::x509::verify_ocsp_response(response, &leaf, &ca.der(), NOW, &policy).unwrap()
    };
    assert!(verify(&said.by(&ca)).unchecked_responder().is_none());
    let (own, key) = delegate(&ca, |_| {});
    let response = said.with(&own).by_responder(&ca, &own, &key);
    assert_eq!(verify(&response).unchecked_responder(), Some(own.as_ref()));
    // A connection does not keep it.
    let policy = trusting(&ca).ocsp(OcspPolicy::Accept);
    let chain = stapled(&leaf(&ca, 7, &[]), Some(response));
    let mut proof = super::verify_server(&chain, &name(HOST), NOW, &policy).unwrap();
    let kept = proof.take_ocsp_verdict().unwrap();
    assert!(kept.unwrap().unchecked_responder().is_none());
}

/// Accepts what is bad, and gives what that was.
fn accepting_all(chain: &PresentedChain, policy: &ChainPolicy) -> (ChainWalk, Vec<Judgement>) {
    let mut walk = ChainWalk::of_server(chain, &name(HOST), NOW, policy);
    let mut seen = Vec::new();
    while let WalkStep::Judge(pending) = walk.step() {
        seen.push(pending.judgement());
        pending.accept();
    }
    (walk, seen)
}

fn bad(judgement: &Judgement) -> &CertificateError {
    match judgement.finding() {
        Finding::Bad(error) => error,
        other => panic!("{other:?}"),
    }
}

fn expired(ca: &Ca, serial: u8) -> CertificateDer<'static> {
    let mut params = leaf_params(&[HOST]);
    params.serial_number = Some(SerialNumber::from(vec![serial]));
    params.not_after = date_time_ymd(2026, 1, 1);
    ca.leaf(params)
}

#[test]
fn what_was_accepted_excuses_no_list() {
    let ca = root("CA");
    let chain = PresentedChain::new(vec![expired(&ca, 7)]).unwrap();
    let policy = trusting(&ca).crl_check(CrlCheck::chain());
    let begin = || {
        let (walk, seen) = accepting_all(&chain, &policy);
        assert_eq!(seen.len(), 1);
        RevocationCheck::of(walk.into_proof().unwrap(), NOW, &policy)
    };
    let (revoking, good) = (List::new(1).revoking(7).by(&ca), List::new(1).by(&ca));
    // The authority says where its lists are, also in a certificate that is over.
    let query = begin();
    let query = query.query().unwrap();
    assert!(query.is_authenticated() && !query.is_memory_only());

    let mut check = look(begin(), &[revoking]);
    let judgement = check.fault().unwrap();
    assert!(matches!(bad(&judgement).kind(), Kind::Revoked { .. }));
    assert_eq!((judgement.index(), judgement.position()), (Some(0), 0));
    assert_eq!(judgement.subject(), "CN=leaf");
    check.accept();
    assert!(check.fault().is_none() && check.query().is_none());
    let proof = check.conclude().unwrap();
    assert!(!proof.is_verified());
    let kinds: Vec<_> = proof
        .overrides()
        .iter()
        .map(CertificateError::kind)
        .collect();
    assert!(matches!(
        kinds[..],
        [Kind::Expired { .. }, Kind::Revoked { .. }]
    ));

    let proof = look(begin(), &[good]).conclude().unwrap();
    assert_eq!(proof.overrides().len(), 1);
    let check = look(begin(), &[]);
    assert!(matches!(
        bad(&check.fault().unwrap()).kind(),
        Kind::RevocationUnknown { .. }
    ));
    assert!(is_unknown(&check.conclude()));
    // Refused with a reason of one's own.
    let mut check = look(begin(), &[]);
    let why = CertificateError::rejected(crate::AlertDescription::ACCESS_DENIED, "not here");
    check.refuse(why.clone());
    assert_eq!(check.conclude().unwrap_err(), why);
}

/// Each certificate is a fault of its own.
#[test]
fn every_certificate_that_is_revoked_is_told_of() {
    let ca = root("CA");
    let mut params = signing_ca("Inter");
    params.serial_number = Some(SerialNumber::from(vec![5]));
    let inter = ca.intermediate_from(params);
    let chain = PresentedChain::new(vec![leaf(&inter, 7, &[]), inter.der()]).unwrap();
    let policy = trusting(&ca).crl_check(CrlCheck::chain());
    let lists = [
        List::new(1).entry(5, &[reason(2)]).by(&ca),
        List::new(2).revoking(7).by(&inter),
    ];
    let begin = || RevocationCheck::begin(&chain, Some(&name(HOST)), NOW, &policy).unwrap();
    let mut check = look(begin(), &lists);
    let first = check.fault().unwrap();
    assert_eq!(
        (first.subject(), first.position()),
        ("CN=Inter".to_owned(), 0)
    );
    check.accept();
    let mut check = look(check, &lists);
    let second = check.fault().unwrap();
    assert_eq!(
        (second.subject(), second.position()),
        ("CN=leaf".to_owned(), 1)
    );
    check.accept();
    let proof = look(check, &lists).conclude().unwrap();
    assert_eq!(proof.overrides().len(), 2);
    assert_eq!(proof.overrides()[0].index(), Some(1));
}

/// Nobody goes where a stranger says that a list is.
#[test]
fn of_an_unknown_authority_lists_are_asked_for_in_memory() {
    let (ca, other) = (root("CA"), root("Other"));
    let policy = trusting(&other).crl_check(CrlCheck::chain());
    let chain = PresentedChain::new(vec![leaf(&ca, 7, &[URI]), ca.der()]).unwrap();
    let begin = || {
        let (walk, seen) = accepting_all(&chain, &policy);
        assert!(matches!(bad(&seen[0]).kind(), Kind::SelfSigned { .. }));
        RevocationCheck::of(walk.into_proof().unwrap(), NOW, &policy)
    };
    let check = begin();
    let query = check.query().unwrap();
    assert!(!query.is_authenticated() && query.is_memory_only());
    // It is in the place of an anchor, so that only the peer's own certificate is looked for.
    let verdict = look(check, &[List::new(1).revoking(7).by(&ca)]).conclude();
    assert!(is_revoked(&verdict), "{verdict:?}");
    let proof = look(begin(), &[List::new(1).by(&ca)]).conclude().unwrap();
    assert_eq!(proof.overrides().len(), 1);
    assert!(is_unknown(&look(begin(), &[]).conclude()));
    // Of the peer alone nobody could say anything.
    let chain = PresentedChain::new(vec![leaf(&ca, 7, &[URI])]).unwrap();
    let (walk, _) = accepting_all(&chain, &policy);
    let check = RevocationCheck::of(walk.into_proof().unwrap(), NOW, &policy);
    assert!(is_unknown(&look(check, &[List::new(1).by(&ca)]).conclude()));
    // A fault of an issuer leaves open who says it, too.
    let forger = Ca::root("Forger");
    let mut own = leaf(&forger, 7, &[URI]).to_vec();
    let end = own.len() - 1;
    own[end] ^= 1;
    let chain = PresentedChain::new(vec![own.into()]).unwrap();
    let policy = trusting(&forger).crl_check(CrlCheck::chain());
    let (walk, seen) = accepting_all(&chain, &policy);
    assert!(matches!(bad(&seen[0]).kind(), Kind::BadSignature));
    let check = RevocationCheck::of(walk.into_proof().unwrap(), NOW, &policy);
    assert!(!check.query().unwrap().is_authenticated());
}

/// What responses say against a chain comes behind everything else, and can be accepted.
#[test]
fn somebody_who_listens_is_told_of_responses() {
    let ca = root("CA");
    let certificate = leaf(&ca, 7, &[]);
    let policy = trusting(&ca).ocsp(OcspPolicy::Accept);
    let required = policy.clone().ocsp(OcspPolicy::Require);
    let revoked = Answer::new(Said::revoked(7, Some(1))).by(&ca);
    let chain = stapled(&certificate, Some(revoked));
    let (walk, seen) = accepting_all(&chain, &required);
    assert_eq!(seen.len(), 1);
    assert!(matches!(
        bad(&seen[0]).kind(),
        Kind::RevokedByResponder { .. }
    ));
    assert_eq!((seen[0].index(), seen[0].position()), (Some(0), 0));
    let proof = walk.into_verdict().unwrap();
    assert!(!proof.is_verified());
    assert_eq!(proof.overrides().len(), 1);
    // What it says is not good because somebody has accepted it.
    let strict = policy.clone().crl_check(CrlCheck::peer());
    let (walk, _) = accepting_all(&chain, &strict);
    let check = RevocationCheck::of(walk.into_proof().unwrap(), NOW, &strict);
    assert!(is_unknown(&look(check, &[]).conclude()));

    let damaged = stapled(&certificate, Some(vec![7; 9]));
    let (walk, seen) = accepting_all(&damaged, &policy);
    assert!(matches!(bad(&seen[0]).kind(), Kind::BadStaple(_)));
    assert_eq!(walk.into_verdict().unwrap().overrides().len(), 1);
    // One that is damaged is also none.
    let (_, seen) = accepting_all(&damaged, &required);
    let kinds: Vec<_> = seen.iter().map(|own| bad(own).kind()).collect();
    assert!(matches!(
        kinds[..],
        [Kind::BadStaple(_), Kind::MissingStaple { .. }]
    ));

    // By default, and with a reason of one's own, it is refused.
    for (with, expected) in [(false, "revoked"), (true, "not here")] {
        let mut walk = ChainWalk::of_server(&chain, &name(HOST), NOW, &policy);
        let WalkStep::Judge(pending) = walk.step() else {
            panic!("nothing to judge");
        };
        match with {
            true => pending.refuse(CertificateError::rejected(
                crate::AlertDescription::ACCESS_DENIED,
                "not here",
            )),
            false => pending.unknown(),
        }
        assert!(matches!(walk.step(), WalkStep::Done));
        let error = walk.into_verdict().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
