//! Chains as anyone may send them, with somebody who judges each step, by chance.

use portcullis_core::AlertDescription;
use portcullis_core::x509::{
    CertificateError, ChainPolicy, ChainWalk, Interest, PresentedChain, WalkStep, verify_client,
    verify_server,
};
use rustls_pki_types::CertificateDer;

use crate::certificate::cut;
use crate::pki::{NOW, name, pki};

/// Steps of one walk: 17 paths of 64 certificates with 64 extensions and a few faults each.
const MAX_STEPS: usize = 17 * 64 * (64 + 16);

/// Takes eight bytes of verdicts, two bits for each step over and over, and certificates, each
/// after its length in two bytes.
pub fn run(data: &[u8]) {
    let Some((verdicts, data)) = data.split_first_chunk::<8>() else {
        return;
    };
    let certificates: Vec<_> = cut(data)
        .into_iter()
        .map(|der| CertificateDer::from(der.to_vec()))
        .collect();
    let genuine = certificates.first().is_some_and(|leaf| {
        let leaves = pki().leaves();
        leaves.iter().any(|own| own.certificate_der() == *leaf)
    });
    let Ok(chain) = PresentedChain::new(certificates) else {
        return;
    };
    let policy = ChainPolicy::new(pki().roots.clone());
    let walks = || {
        [
            ChainWalk::of_server(&chain, &name(), NOW, &policy),
            ChainWalk::of_client(&chain, NOW, &policy),
        ]
    };
    let checked = [
        verify_server(&chain, &name(), NOW, &policy),
        verify_client(&chain, NOW, &policy),
    ];
    for (walk, checked) in walks().into_iter().zip(checked) {
        // With nobody who judges it is as good as what nobody listens to.
        let walk = walk.interest(Interest::ALL);
        assert_eq!(walk.into_verdict().is_ok(), checked.is_ok());
    }
    for walk in walks() {
        judge(walk, u64::from_le_bytes(*verdicts), genuine);
    }
}

fn judge(walk: ChainWalk, verdicts: u64, genuine: bool) {
    let mut walk = walk.interest(Interest::ALL);
    let mut is_trusted = false;
    let mut steps = 0;
    loop {
        steps += 1;
        assert!(steps < MAX_STEPS, "a walk that does not end");
        let verdict = verdicts.rotate_right(2 * (steps as u32 % 32)) & 3;
        let refusal = || CertificateError::rejected(AlertDescription::ACCESS_DENIED, "no");
        match (walk.step(), verdict) {
            (WalkStep::Path(start), 0) => {
                is_trusted = true;
                start.trust(steps % 4);
            }
            (WalkStep::Path(start), 1) => start.skip(refusal()),
            (WalkStep::Path(start), _) => start.go_on(),
            (WalkStep::Judge(pending), 0) => pending.accept(),
            (WalkStep::Judge(pending), 1) => pending.refuse(refusal()),
            (WalkStep::Judge(pending), 2) => {
                assert!(!pending.judgement().certificate().is_empty());
                pending.unknown();
            }
            (WalkStep::Judge(pending), _) => pending.default(),
            (WalkStep::Done, _) => break,
            _ => {}
        }
    }
    // Nobody has the root's key: what is accepted is what it has signed, or what somebody said.
    if let Ok(proof) = walk.into_verdict() {
        assert!(genuine || is_trusted || !proof.overrides().is_empty());
        assert_eq!(proof.is_verified(), proof.overrides().is_empty());
    }
}
