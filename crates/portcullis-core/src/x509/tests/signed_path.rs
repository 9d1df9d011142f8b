//! What a chain brings along of its own signatures saves work and changes no verdict.

#[cfg(feature = "ffi")]
use rustls_pki_types::pem::PemObject;

use super::memo::Counting;
use super::*;
use crate::wire::codec::Cursor;
use crate::x509::{CertificateErrorKind as Kind, Finding, Interest, SignedPath, WalkStep};
use crate::x509::{ChainWalk, Presented};

const HOST: &str = "www.example.com";

struct Pki {
    root: Ca,
    chain: [CertificateDer<'static>; 2],
}

impl Pki {
    fn new() -> Self {
        let root = Ca::root("root");
        let intermediate = root.intermediate("intermediate");
        let chain = [intermediate.leaf(leaf_params(&[HOST])), intermediate.der()];
        Self { root, chain }
    }

    /// That remembers nothing.
    fn policy(&self, counting: &'static Counting) -> ChainPolicy {
        let policy = counting.policy(roots(&[self.root.der()]));
        policy.remembered_signatures(0)
    }

    fn presented(&self) -> PresentedChain {
        PresentedChain::new(self.chain.to_vec()).unwrap()
    }
}

fn verify(chain: &PresentedChain, policy: &ChainPolicy) -> Result<VerifiedChain, CertificateError> {
    verify_server(chain, &name(HOST), NOW, policy)
}

fn written(path: SignedPath) -> Vec<u8> {
    let mut out = Vec::new();
    path.put(&mut out);
    out
}

/// The chain as it comes out of a sealed session.
fn with_proof(chain: Vec<CertificateDer<'static>>, bytes: &[u8]) -> PresentedChain {
    let chain = PresentedChain::new(chain).unwrap();
    chain.note_signed(Cursor::whole(bytes, SignedPath::read).unwrap());
    chain
}

#[test]
fn a_chain_that_was_verified_costs_no_signature_again_with_the_memo_off() {
    let (pki, counting) = (Pki::new(), Counting::new());
    let policy = pki.policy(counting);
    let chain = verify(&pki.presented(), &policy).unwrap().into_chain();
    assert_eq!(counting.verified(), 2);
    for _ in 0..3 {
        assert!(verify(&chain, &policy).unwrap().is_verified());
        verify_client(&chain, NOW, &policy.clone().depth(1)).unwrap();
    }
    assert_eq!(counting.verified(), 0);
    // The same certificates, as another peer shows them, prove nothing.
    verify(&pki.presented(), &policy).unwrap();
    assert_eq!(counting.verified(), 2);
}

#[test]
fn nor_when_the_memo_has_rolled_over() {
    let (pki, counting) = (Pki::new(), Counting::new());
    let policy = counting.policy(roots(&[pki.root.der()]));
    let policy = policy.remembered_signatures(2);
    let chain = verify(&pki.presented(), &policy).unwrap().into_chain();
    let other = pki.root.intermediate("other");
    for _ in 0..20 {
        let chain = [other.leaf(leaf_params(&[HOST])), other.der()];
        verify(&PresentedChain::new(chain.to_vec()).unwrap(), &policy).unwrap();
    }
    counting.verified();
    verify(&chain, &policy).unwrap();
    assert_eq!(counting.verified(), 0);
}

#[test]
fn nor_when_somebody_listens() {
    let (pki, counting) = (Pki::new(), Counting::new());
    let policy = pki.policy(counting);
    let chain = verify(&pki.presented(), &policy).unwrap().into_chain();
    counting.verified();
    let mut walk = ChainWalk::of_server(&chain, &name(HOST), NOW, &policy);
    walk = walk.interest(Interest::ALL);
    let mut good = 0;
    loop {
        match walk.step() {
            WalkStep::Judge(pending) => {
                let judgement = pending.judgement();
                good += usize::from(matches!(
                    judgement.finding(),
                    Finding::Valid | Finding::ValidPeer
                ));
                pending.default();
            }
            WalkStep::Path(start) => start.go_on(),
            WalkStep::Done => break,
        }
    }
    assert_eq!(good, 2);
    assert!(walk.into_verdict().unwrap().is_verified());
    assert_eq!(counting.verified(), 0);
}

#[test]
fn everything_else_is_examined_anew() {
    let (pki, counting) = (Pki::new(), Counting::new());
    let policy = pki.policy(counting);
    let chain = verify(&pki.presented(), &policy).unwrap().into_chain();
    counting.verified();
    let elsewhere = verify_server(&chain, &name("other.example.com"), NOW, &policy);
    assert!(matches!(
        elsewhere.unwrap_err().kind(),
        Kind::NameMismatch { .. }
    ));
    let later = UnixTime::since_unix_epoch(Duration::from_secs(70_000_000_000));
    let expired = verify_server(&chain, &name(HOST), later, &policy).unwrap_err();
    assert!(expired.is_expired());
    let mut none = policy.clone();
    none.algorithms = std::sync::Arc::new([]);
    // What is demanded has changed.
    let none = none.depth(9);
    let unsupported = verify(&chain, &none).unwrap_err();
    assert!(matches!(
        unsupported.kind(),
        Kind::UnsupportedSignature { .. }
    ));
    assert_eq!(counting.verified(), 0);
    // An anchor of the same name with another key has signed nothing.
    let impostor = counting.policy(roots(&[Ca::root("root").der()]));
    let error = verify(&chain, &impostor.remembered_signatures(0)).unwrap_err();
    assert_eq!(error.kind(), &Kind::BadSignature);
    assert_eq!(counting.verified(), 1);
}

/// A walk with nobody to listen ends the same for the same chain, name and policy, until a date of the path has passed:
/// then it is not walked again.
#[test]
fn the_same_walk_is_not_walked_twice() {
    let (pki, counting) = (Pki::new(), Counting::new());
    let policy = pki.policy(counting);
    let fresh = pki.presented();
    let host = name(HOST);
    assert!(fresh.judged(Some(&host), NOW, &policy).is_none());
    let proof = verify(&fresh, &policy).unwrap();
    let chain = proof.clone().into_chain();
    let judged =
        |name: Option<&ServerName<'_>>, now, policy: &ChainPolicy| chain.judged(name, now, policy);
    let known = judged(Some(&host), NOW, &policy).unwrap();
    assert!(known.is_verified() && known.may_sign() && known.has_path_of(&proof));
    assert!(known.is_for(Some(&host), Some(&policy)) && known.anchor().is_some());
    assert!(judged(Some(&host), NOW, &policy.clone()).is_some());
    // For nobody else, by no other rules, and at no time at which a certificate or the root is not valid.
    let other = name("other.example.com");
    assert!(judged(Some(&other), NOW, &policy).is_none());
    assert!(judged(None, NOW, &policy).is_none());
    assert!(judged(Some(&host), NOW, &policy.clone().depth(9)).is_none());
    let validity = crate::x509::certificate::Certificate::read(&pki.chain[0]);
    let validity = validity.unwrap().validity().unwrap();
    let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds as u64));
    for (time, is_known) in [
        (validity.not_before - 1, false),
        (validity.not_before, true),
        (validity.not_after, true),
        (validity.not_after + 1, false),
    ] {
        assert_eq!(
            judged(Some(&host), at(time), &policy).is_some(),
            is_known,
            "{time}"
        );
    }
    // The first stays; what others find is theirs.
    let second = pki.policy(counting);
    let theirs = verify_server(&chain, &host, NOW, &second).unwrap();
    assert!(theirs.is_for(Some(&host), Some(&second)) && theirs.has_path_of(&proof));
    assert!(judged(Some(&host), NOW, &second).is_none());
    assert!(judged(Some(&host), NOW, &policy).is_some());
}

/// What was accepted although it is wrong is not known afterwards.
#[test]
fn what_somebody_has_accepted_is_asked_again() {
    let (pki, counting) = (Pki::new(), Counting::new());
    let policy = pki.policy(counting);
    let wrong = name("other.example.com");
    let mut walk = ChainWalk::of_server(&pki.presented(), &wrong, NOW, &policy);
    loop {
        match walk.step() {
            WalkStep::Judge(pending) => match pending.judgement().finding() {
                Finding::Bad(_) => pending.accept(),
                _ => pending.default(),
            },
            WalkStep::Path(start) => start.go_on(),
            WalkStep::Done => break,
        }
    }
    let proof = walk.into_verdict().unwrap();
    assert!(!proof.is_verified());
    assert!(proof.chain().judged(Some(&wrong), NOW, &policy).is_none());
}

#[test]
fn a_proof_goes_with_its_own_chain_alone() {
    let (pki, counting) = (Pki::new(), Counting::new());
    let policy = pki.policy(counting);
    let proved = verify(&pki.presented(), &policy).unwrap().into_chain();
    let path = Presented::from(proved).signed_path().unwrap();
    counting.verified();
    let bytes = written(path);
    assert_eq!(bytes.len(), 1 + 2 + 16);
    assert!(bytes.len() <= SignedPath::MOST_BYTES);
    // Of a session that was sealed.
    let read = with_proof(pki.chain.to_vec(), &bytes);
    verify(&read, &policy).unwrap();
    assert_eq!(counting.verified(), 0);

    // Of another anchor, or of another way through the chain: it says nothing, so all is verified.
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let Ok(path) = Cursor::whole(&other, SignedPath::read) else {
            assert_eq!(at, 0);
            continue;
        };
        let chain = pki.presented();
        chain.note_signed(path);
        verify(&chain, &policy).unwrap();
        assert!(counting.verified() >= 1, "byte {at}");
    }
    for end in 0..bytes.len() {
        assert!(Cursor::whole(&bytes[..end], SignedPath::read).is_err());
    }
    let mut longer = bytes.clone();
    longer[0] = 16;
    assert!(Cursor::whole(&longer, SignedPath::read).is_err());
}

/// A key of which only some policies accept so short a one.
#[cfg(feature = "ffi")]
#[test]
fn a_signature_by_a_short_key_is_forgotten_at_once() {
    let pem = include_bytes!("reports/rsa1024_issuer.chain.pem");
    let chain = CertificateDer::pem_slice_iter(pem).map(Result::unwrap);
    let chain = PresentedChain::new(chain.collect()).unwrap();
    let mut roots = Roots::empty();
    let pem = include_bytes!("reports/rsa1024_issuer.roots.pem");
    roots.add_pem(pem).unwrap();
    let host = include_str!("reports/rsa1024_issuer.name").trim();
    let accepting = ChainPolicy::new(roots).key_minimum(1_024);
    let proved = verify_server(&chain, &name(host), NOW, &accepting);
    let proved = proved.unwrap().into_chain();
    // The same memo, and the same chain.
    let strict = accepting.key_minimum(2_048);
    for chain in [&chain, &proved] {
        let error = verify_server(chain, &name(host), NOW, &strict).unwrap_err();
        assert!(
            matches!(error.kind(), Kind::RsaKeyLength { bits: 1_024, .. }),
            "{error}"
        );
    }
}
