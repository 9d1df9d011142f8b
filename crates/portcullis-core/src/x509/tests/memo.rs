//! What is remembered about chains saves signature work and changes no verdict.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use webpki::aws_lc_rs::ECDSA_P256_SHA256;

use super::*;
use crate::SignatureScheme;
use crate::x509::CertificateErrorKind as Kind;

const HOST: &str = "www.example.com";

/// Counts what is really verified.
#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicUsize);

impl Counting {
    /// A policy that verifies by this alone.
    pub(super) fn policy(&'static self, roots: Roots) -> ChainPolicy {
        let mut policy = ChainPolicy::new(roots);
        self.count(&mut policy);
        policy
    }

    /// From now on it verifies by this alone.
    pub(crate) fn count(&'static self, policy: &mut ChainPolicy) {
        let counted: &'static dyn SignatureVerificationAlgorithm = self;
        policy.algorithms = Arc::new([counted.into()]);
    }

    pub(crate) fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Since the last time.
    pub(crate) fn verified(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl SignatureVerificationAlgorithm for Counting {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.0.fetch_add(1, Ordering::Relaxed);
        ECDSA_P256_SHA256.verify_signature(public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        ECDSA_P256_SHA256.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        ECDSA_P256_SHA256.signature_alg_id()
    }
}

/// A root, an intermediate and a chain of two certificates.
struct Pki {
    root: Ca,
    intermediate: Ca,
    chain: [CertificateDer<'static>; 2],
}

impl Pki {
    fn new() -> Self {
        let root = Ca::root("root");
        let intermediate = root.intermediate("intermediate");
        let chain = [intermediate.leaf(leaf_params(&[HOST])), intermediate.der()];
        Self {
            root,
            intermediate,
            chain,
        }
    }

    fn roots(&self) -> Roots {
        roots(&[self.root.der()])
    }

    fn another_chain(&self) -> [CertificateDer<'static>; 2] {
        let leaf = self.intermediate.leaf(leaf_params(&[HOST]));
        [leaf, self.intermediate.der()]
    }
}

#[test]
fn a_chain_seen_before_costs_no_signature() {
    let (pki, counting) = (Pki::new(), Counting::new());
    let policy = counting.policy(pki.roots());
    server(&pki.chain, HOST, &policy).unwrap();
    assert_eq!(counting.verified(), 2);
    for _ in 0..3 {
        server(&pki.chain, HOST, &policy.clone().depth(1)).unwrap();
        client(&pki.chain, &policy).unwrap();
        assert_eq!(counting.verified(), 0);
    }
    // The intermediate's signature is known whatever leaf comes with it.
    server(&pki.another_chain(), HOST, &policy).unwrap();
    assert_eq!(counting.verified(), 1);
}

#[test]
fn everything_but_the_signature_is_examined_anew() {
    let (pki, counting) = (Pki::new(), Counting::new());
    let mut params = leaf_params(&[HOST]);
    params.not_after = rcgen::date_time_ymd(2028, 1, 1);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let chain = [pki.intermediate.leaf(params), pki.intermediate.der()];
    let policy = counting.policy(pki.roots());
    server(&chain, HOST, &policy).unwrap();
    assert_eq!(counting.verified(), 2);

    let presented = PresentedChain::new(chain.to_vec()).unwrap();
    let later = UnixTime::since_unix_epoch(Duration::from_secs(1_900_000_000));
    let expired = verify_server(&presented, &name(HOST), later, &policy).unwrap_err();
    assert!(matches!(expired.kind(), Kind::Expired { .. }));
    let elsewhere = server(&chain, "other.example.com", &policy).unwrap_err();
    assert!(matches!(elsewhere.kind(), Kind::NameMismatch { .. }));
    let as_client = client(&chain, &policy).unwrap_err();
    assert!(matches!(as_client.kind(), Kind::WrongPurpose { .. }));
    let too_deep = server(&chain, HOST, &policy.clone().depth(0)).unwrap_err();
    assert!(matches!(too_deep.kind(), Kind::PathTooDeep { .. }));
    let without_issuer = server(&chain[..1], HOST, &policy).unwrap_err();
    assert!(matches!(without_issuer.kind(), Kind::UnknownIssuer { .. }));
    let mut none = policy.clone();
    none.algorithms = Arc::new([]);
    let unsupported = server(&chain, HOST, &none).unwrap_err();
    assert!(matches!(
        unsupported.kind(),
        Kind::UnsupportedSignature { .. }
    ));
    assert_eq!(counting.verified(), 0);
    server(&chain, HOST, &policy).unwrap();
}

#[test]
fn other_anchors_know_nothing() {
    let (pki, counting) = (Pki::new(), Counting::new());
    server(&pki.chain, HOST, &counting.policy(pki.roots())).unwrap();
    assert_eq!(counting.verified(), 2);
    // Even if what is remembered is shared: another key of the same name.
    let policy = counting.policy(pki.roots());
    server(&pki.chain, HOST, &policy).unwrap();
    assert_eq!(counting.verified(), 2);
    let impostor = roots(&[Ca::root("root").der()]);
    let other = counting.policy(impostor).memo(policy.memo.clone());
    let error = server(&pki.chain, HOST, &other).unwrap_err();
    assert_eq!(error.kind(), &Kind::BadSignature);
    assert_eq!(counting.verified(), 1);
}

#[test]
fn a_changed_bit_is_found_although_the_certificate_was_seen() {
    let (pki, counting) = (Pki::new(), Counting::new());
    let policy = counting.policy(pki.roots());
    server(&pki.chain, HOST, &policy).unwrap();
    counting.verified();
    for which in 0..2 {
        // In the signature, and in what is signed.
        let last = pki.chain[which].len() - 1;
        for at in [last, serial_number(&pki.chain[which])] {
            let mut changed = pki.chain.clone();
            let mut der = changed[which].to_vec();
            der[at] ^= 1;
            changed[which] = der.into();
            let error = server(&changed, HOST, &policy).unwrap_err();
            assert_eq!(error.kind(), &Kind::BadSignature);
            assert_eq!(counting.verified(), 1);
        }
    }
    assert_eq!(policy.memo.len(), 2);
}

/// Where the last byte of a certificate's serial number is.
fn serial_number(der: &[u8]) -> usize {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).unwrap();
    let serial = certificate.raw_serial();
    serial.as_ptr_range().end.addr() - der.as_ptr().addr() - 1
}

#[test]
fn a_chain_that_fails_leaves_nothing_behind() {
    let (pki, counting) = (Pki::new(), Counting::new());
    let policy = counting.policy(pki.roots());
    server(&pki.chain, "other.example.com", &policy).unwrap_err();
    let mut expired = leaf_params(&[HOST]);
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let expired = [pki.intermediate.leaf(expired), pki.intermediate.der()];
    server(&expired, HOST, &policy).unwrap_err();
    let mut forged = pki.chain[0].to_vec();
    *forged.last_mut().unwrap() ^= 1;
    server(&[forged.into(), pki.chain[1].clone()], HOST, &policy).unwrap_err();
    let mut usage = leaf_params(&[HOST]);
    usage.key_usages = vec![KeyUsagePurpose::DataEncipherment];
    let usage = [pki.intermediate.leaf(usage), pki.intermediate.der()];
    server(&usage, HOST, &policy).unwrap_err();
    assert!(counting.verified() > 4, "good signatures were among them");
    assert_eq!(policy.memo.len(), 0);

    // Nor does a way that was tried in vain before the accepted one.
    let detour = pki.root.intermediate("intermediate");
    let [leaf, intermediate] = pki.chain.clone();
    server(&[leaf, detour.der(), intermediate], HOST, &policy).unwrap();
    assert!(counting.verified() > 2, "the detour was tried");
    assert_eq!(policy.memo.len(), 2);
}

#[test]
fn memory_is_bounded_and_can_be_none() {
    let (pki, counting) = (Pki::new(), Counting::new());
    for capacity in [10, 70] {
        let policy = counting.policy(pki.roots()).remembered_signatures(capacity);
        for _ in 0..10 * capacity {
            server(&pki.another_chain(), HOST, &policy).unwrap();
            assert!(policy.memo.len() <= capacity);
        }
        assert!(policy.memo.len() > capacity / 2);
        counting.verified();
        // What is seen all the time is not driven out by what is seen once.
        server(&pki.another_chain(), HOST, &policy).unwrap();
        assert_eq!(counting.verified(), 1);
    }
    let off = counting.policy(pki.roots()).remembered_signatures(0);
    for _ in 0..2 {
        server(&pki.chain, HOST, &off).unwrap();
        assert_eq!(counting.verified(), 2);
    }
    assert_eq!(off.memo.len(), 0);
}

#[test]
fn threads_share_what_is_remembered() {
    let (pki, counting) = (Pki::new(), Counting::new());
    let policy = counting.policy(pki.roots());
    server(&pki.chain, HOST, &policy).unwrap();
    assert_eq!(counting.verified(), 2);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    server(&pki.chain, HOST, &policy).unwrap();
                }
            });
        }
    });
    assert_eq!(counting.verified(), 0);
}

#[test]
fn connections_to_the_same_peer_share_one_chain_and_the_memo_keeps_none() {
    let pki = Pki::new();
    let policy = trusting(&pki.root);
    let same = |one: &VerifiedChain, other: &VerifiedChain| {
        std::ptr::eq(one.chain().certificates(), other.chain().certificates())
    };
    let one = server(&pki.chain, HOST, &policy).unwrap();
    let two = server(&pki.chain, HOST, &policy).unwrap();
    assert!(same(&one, &two) && two.is_verified());
    assert!(two.proves(&PresentedChain::new(pki.chain.to_vec()).unwrap()));

    // The same leaf with other company is what it is.
    let mut longer = pki.chain.to_vec();
    longer.push(pki.root.der());
    let other = server(&longer, HOST, &policy).unwrap();
    assert_eq!(other.chain().certificates(), longer);
    assert!(!same(&one, &other));

    let alive = other.chain().downgrade();
    assert!(alive.upgrade().is_some());
    drop(other);
    assert!(alive.upgrade().is_none());
    let again = server(&longer, HOST, &policy).unwrap();
    assert!(same(&again, &server(&longer, HOST, &policy).unwrap()));

    // A leaf that is a root itself.
    let pinned = Ca::root("pinned");
    let mut params = leaf_params(&[HOST]);
    params.is_ca = IsCa::NoCa;
    let own = params.self_signed(pinned.issuer.key()).unwrap();
    let policy = ChainPolicy::new(roots(&[own.der().clone()]));
    let chain = [own.der().clone()];
    let one = server(&chain, HOST, &policy).unwrap();
    assert!(same(&one, &server(&chain, HOST, &policy).unwrap()));
}

/// An algorithm that is not allowed any more is not consulted, whatever is remembered of it.
#[test]
fn what_is_remembered_does_not_outlive_its_algorithm() {
    let pki = Pki::new();
    let policy = trusting(&pki.root);
    server(&pki.chain, HOST, &policy).unwrap();
    assert_eq!(policy.memo.len(), 2);
    for schemes in [
        &[SignatureScheme::ED25519][..],
        // The same keys with another hash.
        &[SignatureScheme::ECDSA_SECP384R1_SHA384],
    ] {
        let narrowed = policy.clone().schemes(schemes);
        let error = server(&pki.chain, HOST, &narrowed).unwrap_err();
        assert!(
            matches!(error.kind(), Kind::UnsupportedSignature { .. }),
            "{error:?}"
        );
    }
    server(&pki.chain, HOST, &policy).unwrap();
}
