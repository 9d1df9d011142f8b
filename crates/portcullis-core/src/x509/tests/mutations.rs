//! Whatever a peer sends as a certificate, nothing panics and nothing forged is accepted.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::crypto::verify_tls13;
use crate::x509::signature_algorithm::server_end_point;
use crate::x509::{Identity, subject, subject_alt_names};

static PKI: LazyLock<(ChainPolicy, Vec<CertificateDer<'static>>)> = LazyLock::new(|| {
    let root = Ca::root("root");
    let intermediate = root.intermediate("intermediate");
    let leaf = intermediate.leaf(leaf_params(&["a.example", "*.b.example", "192.0.2.1"]));
    (trusting(&root), vec![leaf, intermediate.der()])
});

fn look_at_everything(chain: Vec<CertificateDer<'static>>) -> bool {
    let (policy, _) = &*PKI;
    for der in &chain {
        subject(der);
        subject_alt_names(der);
        server_end_point(der);
        let _ = roots_of(der).map(|roots| {
            let pinned = ChainPolicy::new(roots);
            server(std::slice::from_ref(der), "a.example", &pinned)
                .map_err(|error| format!("{error} {error:?}"))
        });
    }
    let _ = Identity::with_external_key(chain.clone(), vec![]);
    if let Ok(presented) = PresentedChain::new(chain.clone()) {
        let scheme = crate::SignatureScheme::ECDSA_SECP256R1_SHA256;
        assert!(verify_tls13(scheme, presented.end_entity_spki(), b"m", b"s").is_err());
    }
    server(&chain, "a.example", policy)
        .map_err(|error| format!("{error} {error:?}"))
        .is_ok()
}

fn roots_of(der: &CertificateDer<'static>) -> Option<Roots> {
    let mut roots = Roots::empty();
    roots.add_der(der.clone()).ok().map(|()| roots)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes(
        which in 0..2_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
    ) {
        let mut chain = PKI.1.clone();
        let mut der = chain[which].to_vec();
        for (at, change) in changes {
            let at = at.index(der.len());
            der[at] ^= change;
        }
        let unchanged = der == chain[which].as_ref();
        chain[which] = der.into();
        let accepted = look_at_everything(chain);
        // Only the signature's own bytes have more than one encoding, and ECDSA's do not here.
        prop_assert_eq!(accepted, unchanged);
    }

    #[test]
    fn cut_and_extended(which in 0..2_usize, len in any::<prop::sample::Index>(), tail in any::<Vec<u8>>()) {
        let mut chain = PKI.1.clone();
        let mut der = chain[which].to_vec();
        der.truncate(len.index(der.len()));
        der.extend(tail);
        chain[which] = der.into();
        look_at_everything(chain);
    }

    #[test]
    fn random_bytes(der in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!look_at_everything(vec![der.into()]));
    }
}
