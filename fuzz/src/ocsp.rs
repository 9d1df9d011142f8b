//! OCSP responses as anyone may staple them.

use portcullis_core::x509::{
    CertificateErrorKind as Kind, ChainPolicy, Identity, OcspError, OcspPolicy, PresentedChain,
    ocsp_request, ocsp_responders, verify_ocsp_response, verify_server,
};

use crate::pki::{Leaf, NOW, name, pki};

/// Takes what to do, and the bytes to do it with.
pub fn run(data: &[u8]) {
    let Some((&what, data)) = data.split_first() else {
        return;
    };
    match what % 3 {
        0 => forged(data),
        1 => shown(data),
        _ => certificate(data),
    }
}

/// The root has signed no response: whatever stands in one, it says nothing.
fn forged(response: &[u8]) {
    let leaf = &pki().server;
    let policy = ChainPolicy::new(pki().roots.clone());
    let root = pki().root_der();
    let verdict = verify_ocsp_response(response, &leaf.certificate_der(), &root, NOW, &policy);
    let why = verdict.expect_err("it is not genuine");
    assert!(!why.to_string().is_empty());
    for ocsp in [OcspPolicy::Accept, OcspPolicy::Require] {
        let entry = (leaf.certificate_der(), Some(response.into()));
        let chain = PresentedChain::from_entries([entry]).expect("our own chain");
        let verdict = verify_server(&chain, &name(), NOW, &policy.clone().ocsp(ocsp));
        match (verdict, why.is_as_none(), ocsp) {
            (Ok(proof), true, OcspPolicy::Accept) => {
                assert_eq!(proof.ocsp_verdict(), Some(&Err(why.clone())));
            }
            (Err(error), true, OcspPolicy::Require) => {
                assert!(
                    matches!(error.kind(), Kind::MissingStaple { .. }),
                    "{error}"
                );
            }
            (Err(error), false, _) => {
                assert!(
                    matches!(error.kind(), Kind::BadStaple(other) if *other == why),
                    "{error}"
                );
            }
            (verdict, ..) => panic!("{verdict:?}, although it {why}"),
        }
    }
}

/// What an identity shows was read whole, and is about its certificate.
fn shown(response: &[u8]) {
    let Leaf {
        certificate, key, ..
    } = &pki().server;
    let identity = Identity::from_pem(certificate, Some(*key)).expect("the leaf is sound");
    let set = identity.set_ocsp_response(Some(response.to_vec()));
    let seen = identity.ocsp_response(rustls_pki_types::UnixTime::since_unix_epoch(
        std::time::Duration::ZERO,
    ));
    match set {
        Ok(()) => assert!(seen.is_none_or(|seen| seen == response)),
        Err(_) => assert_eq!(seen, None),
    }
    let policy = ChainPolicy::new(pki().roots.clone());
    let leaf = &pki().server.certificate_der();
    let verdict = verify_ocsp_response(response, leaf, &pki().root_der(), NOW, &policy);
    if matches!(verdict, Err(OcspError::Malformed(_))) {
        assert_eq!(identity.ocsp_response(NOW), None);
    }
}

/// What is asked of whom.
fn certificate(der: &[u8]) {
    let root = pki().root_der();
    for url in ocsp_responders(der) {
        assert!(url.is_ascii());
    }
    let _ = ocsp_request(der, &root);
    let _ = ocsp_request(&root, der);
}
