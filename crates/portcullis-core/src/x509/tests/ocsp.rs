//! What is promised about OCSP responses: the traps of RFC 6960 §3.2 and §4.2.2.2, one test each.

use core::time::Duration;
use std::slice::from_ref;

use rcgen::{ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::ocsp_responses::{
    Answer, HOST, Said, delegate, extension, failed, features, judge, judge_at, leaf, leaf_with,
    successful,
};
use super::{Ca, NOW, ca_params, leaf_params, name, roots, trusting};
use crate::der;
use crate::x509::error::CertificateErrorKind as Kind;
use crate::x509::{
    CertificateError, ChainPolicy, CrlCheck, Identity, OcspError, OcspPolicy, OcspStatus,
    OcspVerdict, PresentedChain, RevocationReason, VerifiedChain, ocsp_request, ocsp_responders,
    verify_client, verify_ocsp_response, verify_server,
};
use crate::{AlertDescription, SignatureScheme};

type Verdict = Result<VerifiedChain, CertificateError>;

#[track_caller]
fn why_bad(verdict: Verdict) -> OcspError {
    let error = verdict.unwrap_err();
    assert_eq!(
        error.alert(),
        AlertDescription::BAD_CERTIFICATE_STATUS_RESPONSE,
        "{error}"
    );
    match error.kind() {
        Kind::BadStaple(why) => why.clone(),
        _ => panic!("{error}"),
    }
}

fn accept(leaf: &CertificateDer<'static>, response: Vec<u8>, ca: &Ca) -> Verdict {
    judge(from_ref(leaf), Some(response), ca, OcspPolicy::Accept)
}

/// Why the response about certificate 7 is not usable.
#[track_caller]
fn why(response: &[u8], ca: &Ca) -> OcspError {
    said(response, ca).unwrap_err()
}

fn said(response: &[u8], ca: &Ca) -> Result<OcspVerdict, OcspError> {
    let leaf = leaf(ca, 7);
    verify_ocsp_response(response, &leaf, &ca.der(), NOW, &trusting(ca))
}

#[test]
fn good_revoked_and_unknown() {
    let ca = Ca::root("CA");
    let certificate = leaf(&ca, 7);
    let good = accept(&certificate, Answer::new(Said::good(7)).by(&ca), &ca).unwrap();
    assert!(good.is_verified());
    let verdict = good.ocsp_verdict().unwrap().as_ref().unwrap();
    assert_eq!(verdict.status(), OcspStatus::Good);
    assert_eq!(verdict.responder(), "CN=CA");
    assert_eq!(verdict.this_update().as_secs(), 1_799_884_800);
    assert_eq!(verdict.next_update().unwrap().as_secs(), 1_800_057_600);
    assert_eq!(verdict.expires_at().as_secs(), 1_800_057_600);
    assert_eq!(verdict.produced_at(), verdict.this_update());

    let revoked = Answer::new(Said::revoked(7, Some(1))).by(&ca);
    let error = accept(&certificate, revoked, &ca).unwrap_err();
    assert_eq!(error.alert(), AlertDescription::CERTIFICATE_REVOKED);
    assert!(matches!(
        error.kind(),
        Kind::RevokedByResponder {
            reason: RevocationReason::KeyCompromise,
            ..
        }
    ));
    assert_eq!(
        error.to_string(),
        "the peer's certificate (CN=leaf) was revoked on Nov  2 00:00:00 2026 +00:00 (keyCompromise), says an OCSP \
         response of CN=CA: the peer needs another certificate"
    );
    let error = accept(
        &certificate,
        Answer::new(Said::revoked(7, None)).by(&ca),
        &ca,
    );
    assert!(error.unwrap_err().to_string().contains("(unspecified)"));

    let unknown = Answer::new(Said::unknown(7)).by(&ca);
    let error = accept(&certificate, unknown, &ca).unwrap_err();
    assert_eq!(
        error.alert(),
        AlertDescription::BAD_CERTIFICATE_STATUS_RESPONSE
    );
    assert_eq!(
        error.to_string(),
        "the peer's certificate (CN=leaf) is unknown, says an OCSP response of CN=CA: the peer needs a certificate \
         that its CA knows"
    );
}

#[test]
fn nothing_is_looked_at_unless_the_policy_says_so() {
    let ca = Ca::root("CA");
    let certificate = leaf_with(&ca, 7, vec![features(&[5], false)]);
    for response in [
        None,
        Some(Answer::new(Said::revoked(7, None)).by(&ca)),
        Some(vec![7; 9]),
    ] {
        let proof = judge(from_ref(&certificate), response, &ca, OcspPolicy::Off).unwrap();
        assert!(proof.ocsp_verdict().is_none());
    }
    let chain = PresentedChain::new(vec![certificate]).unwrap();
    assert!(verify_server(&chain, &name(HOST), NOW, &trusting(&ca)).is_ok());
}

#[test]
fn a_response_is_of_the_certificate_and_of_its_issuer() {
    let (ca, other) = (Ca::root("CA"), Ca::root("Other"));
    // The same number, of another issuer.
    let of_other = Answer::new(Said::good(7)).by(&other);
    assert!(matches!(
        why_bad(accept(&leaf(&ca, 7), of_other, &ca)),
        OcspError::OtherCertificate { .. }
    ));
    // The same name, another key.
    let twin = Ca::root("CA");
    let of_twin = Answer::new(Said::good(7)).by(&twin);
    assert!(matches!(
        why_bad(accept(&leaf(&ca, 7), of_twin, &ca)),
        OcspError::OtherCertificate { .. }
    ));
    // Another certificate of the same issuer.
    let error = accept(&leaf(&ca, 7), Answer::new(Said::good(8)).by(&ca), &ca).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the OCSP response of the peer's certificate (CN=leaf) is about 1 other certificates, by serial number or \
         issuer, and not about 07: the server has to staple the one of this certificate"
    );
    // Among several it is found; one that revokes it counts before all others.
    let mut many = Answer::new(Said::good(8));
    many.said.push(Said::good(7));
    assert!(accept(&leaf(&ca, 7), many.by(&ca), &ca).is_ok());
    many.said.insert(0, Said::revoked(7, None));
    let error = accept(&leaf(&ca, 7), many.by(&ca), &ca).unwrap_err();
    assert!(matches!(error.kind(), Kind::RevokedByResponder { .. }));
}

#[test]
fn issuers_are_named_by_any_hash() {
    let ca = Ca::root("CA");
    for hash_len in [20, 32, 48, 64] {
        let mut said = Said::good(7);
        said.hash_len = hash_len;
        for by_key in [false, true] {
            let mut answer = Answer::new(said.clone());
            answer.by_key = by_key;
            assert!(accept(&leaf(&ca, 7), answer.by(&ca), &ca).is_ok());
        }
    }
}

#[test]
fn an_issuer_names_who_answers_for_it() {
    let (ca, other) = (Ca::root("CA"), Ca::root("Other"));
    let answer = Answer::new(Said::good(7));
    let by = |(certificate, key): &(CertificateDer<'static>, KeyPair)| {
        answer
            .clone()
            .with(certificate)
            .by_responder(&ca, certificate, key)
    };
    let refused = |responder: &(CertificateDer<'static>, KeyPair)| match why(&by(responder), &ca) {
        OcspError::NotAuthorized { responder, why } => {
            assert_eq!(responder, "CN=responder");
            why
        }
        other => panic!("{other}"),
    };
    let responder = delegate(&ca, |_| {});
    assert_eq!(
        said(&by(&responder), &ca).unwrap().responder(),
        "CN=responder"
    );
    let mut by_key = answer.clone().with(&responder.0);
    by_key.by_key = true;
    let by_key = by_key.by_responder(&ca, &responder.0, &responder.1);
    assert!(said(&by_key, &ca).is_ok());
    // nocheck, also a critical one.
    let nocheck = delegate(&ca, |params| {
        let oid = [1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
        let mut nocheck = rcgen::CustomExtension::from_oid_content(&oid, vec![5, 0]);
        nocheck.set_criticality(true);
        params.custom_extensions.push(nocheck);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    assert!(said(&by(&nocheck), &ca).is_ok());

    // Without the purpose, with any, and with another one.
    let none = delegate(&ca, |params| params.extended_key_usages.clear());
    let any = delegate(&ca, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
    });
    let server = delegate(&ca, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    for responder in [&none, &any, &server] {
        assert!(refused(responder).contains("OCSPSigning"));
    }
    // CVE-2026-42791: one that is over.
    let over = delegate(&ca, |params| {
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    });
    assert_eq!(refused(&over), "its certificate is not valid now");
    let no_signature = delegate(&ca, |params| {
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    });
    assert!(refused(&no_signature).contains("digitalSignature"));
    // Of another CA, also of one with the same name, and of one below the CA.
    assert!(refused(&delegate(&other, |_| {})).contains("another issuer"));
    let twin = Ca::root("CA");
    assert!(refused(&delegate(&twin, |_| {})).contains("has not signed its certificate"));
    let below = ca.intermediate("Below");
    assert!(refused(&delegate(&below, |_| {})).contains("another issuer"));
    // Its certificate did not come with it.
    let alone = answer.by_responder(&ca, &responder.0, &responder.1);
    assert_eq!(
        why(&alone, &ca).to_string(),
        "is signed by CN=responder, which may not: it is not the issuer of the certificate, and no certificate of it \
         came with the response"
    );
    // It came, and another key has signed.
    let forged = answer.clone().with(&responder.0).by_responder(
        &ca,
        &responder.0,
        &KeyPair::generate().unwrap(),
    );
    assert!(matches!(why(&forged, &ca), OcspError::BadSignature { .. }));
    let forged = answer.by_responder(&ca, &ca.der(), &KeyPair::generate().unwrap());
    assert!(matches!(why(&forged, &ca), OcspError::BadSignature { .. }));
}

#[test]
fn no_certificate_speaks_for_itself() {
    let ca = Ca::root("CA");
    let key = KeyPair::generate().unwrap();
    let mut params = leaf_params(&[HOST]);
    params.serial_number = Some(rcgen::SerialNumber::from(vec![7]));
    params
        .extended_key_usages
        .push(ExtendedKeyUsagePurpose::OcspSigning);
    let own = ca.leaf_with_key(params, &key);
    let response = Answer::new(Said::good(7))
        .with(&own)
        .by_responder(&ca, &own, &key);
    let error = why_bad(accept(&own, response, &ca));
    assert!(
        matches!(error, OcspError::NotAuthorized { why, .. } if why.contains("itself")),
        "{error}"
    );
}

#[test]
fn certificates_beside_a_response_are_few() {
    let ca = Ca::root("CA");
    let (certificate, key) = delegate(&ca, |_| {});
    let (other, _) = delegate(&ca, |params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "other");
    });
    let with = |before: usize| {
        let mut answer = Answer::new(Said::good(7));
        answer.certificates = vec![other.clone(); before];
        answer.certificates.push(certificate.clone());
        answer.by_responder(&ca, &certificate, &key)
    };
    assert!(said(&with(7), &ca).is_ok());
    assert_eq!(
        why(&with(8), &ca),
        OcspError::TooManyCertificates { limit: 8 }
    );
}

#[test]
fn dates_are_of_now() {
    let ca = Ca::root("CA");
    let at = |this: &'static str, next: Option<&'static str>| {
        said(&Answer::new(Said::good(7).at(this, next)).by(&ca), &ca)
    };
    // NOW is 2027-01-15 08:00:00; clocks differ.
    assert!(at("20270115080500Z", Some("20270116000000Z")).is_ok());
    let future = at("20270115080501Z", Some("20270116000000Z")).unwrap_err();
    assert!(matches!(future, OcspError::FromFuture { .. }) && !future.is_as_none());
    assert!(at("20270114000000Z", Some("20270115075501Z")).is_ok());
    let over = at("20270114000000Z", Some("20270115075500Z")).unwrap_err();
    assert!(matches!(over, OcspError::Over { .. }) && over.is_as_none());
    // Without an end it counts a day, and none counts longer than ten.
    assert!(at("20270114080000Z", None).is_ok());
    assert!(matches!(
        at("20270114070000Z", None),
        Err(OcspError::Over { .. })
    ));
    assert!(at("20270105080000Z", Some("20370101000000Z")).is_ok());
    assert!(matches!(
        at("20270105070000Z", Some("20370101000000Z")),
        Err(OcspError::Over { .. })
    ));
    // Signed in the future.
    let mut answer = Answer::new(Said::good(7));
    answer.produced_at = "20270115090000Z";
    assert!(matches!(
        why(&answer.by(&ca), &ca),
        OcspError::FromFuture { .. }
    ));
}

#[test]
fn critical_extensions_are_understood_or_refuse() {
    let ca = Ca::root("CA");
    for (last, critical, expected) in [(2, true, true), (99, false, true), (99, true, false)] {
        let mut of_response = Answer::new(Said::good(7));
        of_response.extensions.push(extension(last, critical));
        let mut of_single = Answer::new(Said::good(7));
        of_single.said[0].extensions.push(extension(last, critical));
        for answer in [of_response, of_single] {
            let said = said(&answer.by(&ca), &ca);
            assert_eq!(said.is_ok(), expected, "{last} {critical}");
            if let Err(error) = said {
                assert_eq!(
                    error.to_string(),
                    "has a critical extension that is not supported: 1.3.6.1.5.5.7.48.1.99"
                );
            }
        }
    }
}

#[test]
fn what_is_over_and_what_failed_is_as_none() {
    let ca = Ca::root("CA");
    let over = Answer::new(Said::good(7).at("20270101000000Z", Some("20270102000000Z"))).by(&ca);
    for response in [over, failed(3), failed(6), failed(77)] {
        let certificate = leaf(&ca, 7);
        let proof = accept(&certificate, response.clone(), &ca).unwrap();
        assert!(proof.ocsp_verdict().unwrap().is_err());
        let error = judge(
            from_ref(&certificate),
            Some(response.clone()),
            &ca,
            OcspPolicy::Require,
        );
        let error = error.unwrap_err();
        assert!(matches!(
            error.kind(),
            Kind::MissingStaple {
                demanded: false,
                unusable: Some(_)
            }
        ));
        let demanding = leaf_with(&ca, 7, vec![features(&[5], false)]);
        assert!(accept(&demanding, response, &ca).is_err());
    }
}

#[test]
fn a_certificate_may_demand_a_response() {
    let ca = Ca::root("CA");
    let good = || Answer::new(Said::good(7)).by(&ca);
    // What a server knows of its own.
    let demands = |chain: &[CertificateDer<'static>]| {
        let schemes = vec![SignatureScheme::ECDSA_SECP256R1_SHA256];
        let identity = Identity::with_external_key(chain.to_vec(), schemes);
        identity.unwrap().demands_ocsp_response()
    };
    assert!(!demands(&[leaf(&ca, 7), ca.der()]));
    for critical in [false, true] {
        let demanding = leaf_with(&ca, 7, vec![features(&[17, 5], critical)]);
        assert!(demands(from_ref(&demanding)));
        assert!(accept(&demanding, good(), &ca).is_ok());
        let error = judge(from_ref(&demanding), None, &ca, OcspPolicy::Accept).unwrap_err();
        assert_eq!(
            error.alert(),
            AlertDescription::BAD_CERTIFICATE_STATUS_RESPONSE
        );
        assert_eq!(
            error.to_string(),
            "the peer's certificate (CN=leaf) must come with an OCSP response (TLS feature extension) and has none: \
             switch stapling on at its end"
        );
        // Nobody has asked.
        assert!(judge(from_ref(&demanding), None, &ca, OcspPolicy::Off).is_ok());
    }
    // Other features, and none.
    let other = leaf_with(&ca, 7, vec![features(&[17], false)]);
    assert!(!demands(from_ref(&other)));
    assert!(judge(from_ref(&other), None, &ca, OcspPolicy::Accept).is_ok());
    // What cannot be read was meant to say something.
    let oid = [1, 3, 6, 1, 5, 5, 7, 1, 24];
    let damaged = rcgen::CustomExtension::from_oid_content(&oid, vec![2, 1, 5]);
    let damaged = leaf_with(&ca, 7, vec![damaged]);
    assert!(demands(from_ref(&damaged)));
    assert!(judge(from_ref(&damaged), None, &ca, OcspPolicy::Accept).is_err());
    // RFC 7633 §4.2.2: a CA says it for those below it.
    let mut params = ca_params("Inter");
    params.custom_extensions = vec![features(&[5], false)];
    let inter = ca.intermediate_from(params);
    let chain = [leaf(&inter, 7), inter.der()];
    assert!(demands(&chain));
    let error = judge(&chain, None, &ca, OcspPolicy::Accept).unwrap_err();
    assert!(matches!(
        error.kind(),
        Kind::MissingStaple { demanded: true, .. }
    ));
    let of_inter = Answer::new(Said::good(7)).by(&inter);
    assert!(judge(&chain, Some(of_inter), &ca, OcspPolicy::Accept).is_ok());
}

#[test]
fn a_configuration_may_demand_one() {
    let ca = Ca::root("CA");
    let certificate = leaf(&ca, 7);
    let error = judge(from_ref(&certificate), None, &ca, OcspPolicy::Require).unwrap_err();
    assert!(error.to_string().contains("(`OcspPolicy::Require`)"));
    let good = Answer::new(Said::good(7)).by(&ca);
    assert!(judge(from_ref(&certificate), Some(good), &ca, OcspPolicy::Require).is_ok());
    // One that is trusted itself was issued by nobody who could say anything.
    let key = KeyPair::generate().unwrap();
    let own = leaf_params(&[HOST]).self_signed(&key).unwrap();
    let own = own.der().clone();
    let pinned = PresentedChain::new(vec![own.clone()]).unwrap();
    let policy = ChainPolicy::new(roots(&[own])).ocsp(OcspPolicy::Require);
    assert!(verify_client(&pinned, NOW, &policy).is_ok());
}

#[test]
fn those_above_the_peer_may_have_responses_of_their_own() {
    let ca = Ca::root("CA");
    let mut params = ca_params("Inter");
    params.serial_number = Some(rcgen::SerialNumber::from(vec![5]));
    let inter = ca.intermediate_from(params);
    let certificates = [leaf(&inter, 7), inter.der()];
    let verify = |said: Said| {
        let responses = [
            Answer::new(Said::good(7)).by(&inter),
            Answer::new(said).by(&ca),
        ];
        let entries = certificates.iter().cloned().zip(responses);
        let entries = entries.map(|(own, response)| (own, Some(response.into_boxed_slice())));
        let chain = PresentedChain::from_entries(entries).unwrap();
        verify_server(
            &chain,
            &name(HOST),
            NOW,
            &trusting(&ca)
                .ocsp(OcspPolicy::Accept)
                .crl_check(CrlCheck::chain()),
        )
    };
    // Good ones stand for the lists, of which there is none here.
    assert!(verify(Said::good(5)).is_ok());
    let error = verify(Said::revoked(5, None)).unwrap_err();
    assert_eq!(error.index(), Some(1));
    assert_eq!(error.alert(), AlertDescription::CERTIFICATE_REVOKED);
}

#[test]
fn a_good_response_stands_for_lists() {
    let ca = Ca::root("CA");
    let certificate = leaf(&ca, 7);
    let verify = |response: Option<Vec<u8>>, check| {
        let entry = (certificate.clone(), response.map(Vec::into_boxed_slice));
        let chain = PresentedChain::from_entries([entry]).unwrap();
        let policy = trusting(&ca).ocsp(OcspPolicy::Accept).crl_check(check);
        verify_server(&chain, &name(HOST), NOW, &policy)
    };
    let good = || Some(Answer::new(Said::good(7)).by(&ca));
    assert!(verify(good(), CrlCheck::peer()).is_ok());
    assert!(verify(good(), CrlCheck::chain()).is_ok());
    // Nothing else does.
    for response in [None, Some(failed(3))] {
        let error = verify(response, CrlCheck::peer()).unwrap_err();
        assert!(matches!(error.kind(), Kind::RevocationUnknown { .. }));
    }
}

#[test]
fn what_is_damaged_says_nothing() {
    let ca = Ca::root("CA");
    let response = Answer::new(Said::revoked(7, Some(1))).by(&ca);
    for length in 0..response.len() {
        let error = why(&response[..length], &ca);
        assert!(
            matches!(error, OcspError::Malformed(_)),
            "{length}: {error}"
        );
    }
    let mut longer = response.clone();
    longer.push(0);
    assert!(matches!(why(&longer, &ca), OcspError::Malformed(_)));
    assert_eq!(
        why(&der::sequence(&vec![0; 70_000]), &ca).to_string(),
        "is malformed: it is longer than 64 KiB"
    );
    assert!(matches!(
        why(&successful(&[0x30, 0]), &ca),
        OcspError::Malformed(_)
    ));
    // No byte can be another one: either it is signed, or what it says is read.
    let good = Answer::new(Said::good(7)).by(&ca);
    let certificate = leaf(&ca, 7);
    let policy = trusting(&ca);
    for at in 0..good.len() {
        let mut other = good.clone();
        other[at] ^= 1;
        let said = verify_ocsp_response(&other, &certificate, &ca.der(), NOW, &policy);
        assert!(said.is_err(), "byte {at} of {}", good.len());
    }
}

#[test]
fn another_type_of_response_is_none() {
    let ca = Ca::root("CA");
    let mut other = Answer::new(Said::good(7)).by(&ca);
    let at = other
        .windows(3)
        .position(|three| three == [0x30, 0x01, 0x01])
        .unwrap();
    other[at + 2] = 2;
    assert_eq!(why(&other, &ca), OcspError::UnknownType);
}

#[test]
fn responses_that_are_over_are_told_apart_from_good_ones_by_the_clock_alone() {
    let ca = Ca::root("CA");
    let response = Answer::new(Said::good(7)).by(&ca);
    let later = UnixTime::since_unix_epoch(Duration::from_secs(NOW.as_secs() + 86_400));
    let certificate = leaf(&ca, 7);
    let verdict = |now| {
        judge_at(
            from_ref(&certificate),
            Some(response.clone()),
            &ca,
            OcspPolicy::Require,
            now,
        )
    };
    assert!(verdict(NOW).is_ok());
    assert!(verdict(later).is_err());
}

#[test]
fn requests_are_as_openssl_writes_them() {
    // `openssl ocsp -issuer ca.pem -cert leaf.pem -no_nonce -reqout`, by its structure: OCSPRequest, TBSRequest,
    // requestList, Request, CertID.
    let ca = Ca::root("CA");
    let request = ocsp_request(&leaf(&ca, 7), &ca.der()).unwrap();
    let mut inner = &*request;
    for _ in 0..4 {
        inner = der::only(inner, der::SEQUENCE).unwrap();
    }
    assert_eq!(&inner[..2], [0x30, 58]);
    assert_eq!(
        &inner[2..13],
        b"\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00"
    );
    assert!(inner.ends_with(&[2, 1, 7]));
    assert_eq!(ocsp_request(b"none", &ca.der()), None);
}

#[test]
fn responders_are_those_that_the_certificate_names() {
    let ca = Ca::root("CA");
    let describe = |method: u8, location: &[u8]| {
        let method = der::element(der::OID, &[0x2b, 6, 1, 5, 5, 7, 0x30, method]);
        der::sequence(&[method, location.to_vec()].concat())
    };
    let uri = |text: &str| der::element(0x86, text.as_bytes());
    let all = [
        describe(2, &uri("http://ca.test/ca.der")),
        describe(1, &uri("http://ocsp.test/")),
        describe(1, &der::element(0x82, b"ocsp.test")),
        describe(1, &uri("http://second.test/")),
    ];
    let oid = [1, 3, 6, 1, 5, 5, 7, 1, 1];
    let access = rcgen::CustomExtension::from_oid_content(&oid, der::sequence(&all.concat()));
    let certificate = leaf_with(&ca, 7, vec![access]);
    assert_eq!(
        ocsp_responders(&certificate),
        ["http://ocsp.test/", "http://second.test/"]
    );
    assert!(ocsp_responders(&leaf(&ca, 7)).is_empty());
    assert!(ocsp_responders(b"none").is_empty());
}
