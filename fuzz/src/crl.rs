//! Revocation lists as anyone may put them where a certificate says that they are.

use std::sync::Arc;

use portcullis_core::x509::{
    CertificateErrorKind, ChainPolicy, Crl, CrlCheck, PresentedChain, RevocationCheck,
    crl_issuer_hash,
};

use crate::pki::{NOW, name, pki};

/// Takes what to do, and the bytes to do it with.
pub fn run(data: &[u8]) {
    let Some((&what, data)) = data.split_first() else {
        return;
    };
    match what % 3 {
        0 => {
            if let Ok(list) = Crl::from_der(data) {
                assert_eq!(list.as_der(), data);
                forged(Arc::new(list));
            }
        }
        1 => {
            for list in Crl::from_der_or_pem(data).unwrap_or_default() {
                forged(list);
            }
        }
        _ => {
            let _ = crl_issuer_hash(data);
        }
    }
}

/// Nobody has signed it: it says nothing of anybody, and takes no more room than it may.
fn forged(list: Arc<Crl>) {
    let beside = list.bytes() - list.as_der().len();
    assert!(
        beside <= 24 * list.len() + size_of::<Crl>(),
        "{beside} for {}",
        list.len()
    );
    let _ = (
        list.number(),
        list.uris(),
        list.is_stale(NOW),
        format!("{list:?}"),
    );
    assert!(list.replaces(&list));
    let chain = PresentedChain::new(pki().server.identity.chain().to_vec()).expect("our own chain");
    let policy = ChainPolicy::new(pki().roots.clone()).crl_check(CrlCheck::chain());
    let mut check =
        RevocationCheck::begin(&chain, Some(&name()), NOW, &policy).expect("a good chain");
    let mut asked = 0;
    while check.query().is_some() {
        asked += 1;
        assert!(asked <= 64);
        check.answer(vec![list.clone(), list.clone()]);
    }
    let error = check.conclude().expect_err("it is not genuine");
    assert!(
        matches!(error.kind(), CertificateErrorKind::RevocationUnknown { .. }),
        "{error}"
    );
    assert!(!list.is_verified());
    let _ = error.to_string();
}
