//! The signatures on the way from an anchor to a leaf: each is verified once, and not too many.
//!
//! What was found good for earlier chains comes from the memo and is not counted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

use super::certificate::Certificate;
use super::memo::Walk;
use super::policy::ChainPolicy;
use crate::crypto::verification::Algorithm;
use crate::der::{self};

/// The most signatures that one chain may cost: enough for a leaf whose issuer is the last of as
/// many as a chain can have, all of one name.
pub(super) const MAX_SIGNATURES: usize = 80;

/// By a key on P-521 it takes half a millisecond and more, several times as long as by others.
const SLOW: usize = 2;

/// The signatures of one chain, verified by the rules of a policy.
#[derive(Debug)]
pub(super) struct Signatures<'a> {
    policy: &'a ChainPolicy,
    walk: Option<Walk<'a>>,
    /// Locked by one thread only: the algorithms' trait asks for `Sync`.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of `MAX_SIGNATURES`.
    spent: usize,
    exhausted: bool,
    /// Whether good ones are kept too, because some come back.
    several_paths: bool,
    seen: Vec<Seen>,
}

#[derive(Debug)]
struct Seen {
    edge: Edge,
    /// Certificates may differ and have one key.
    key: Box<[u8]>,
    /// Of a good one, where the memo's log has it.
    good: Option<usize>,
}

/// What was signed and by which key, as the addresses of both: neither the chain nor the
/// anchors move while a path is looked for, so an address stands for its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) message: usize,
    pub(super) key: usize,
}

impl<'a> Signatures<'a> {
    pub(super) fn new(policy: &'a ChainPolicy) -> Self {
        Self {
            policy,
            walk: policy.memo.walk(),
            state: Mutex::default(),
        }
    }

    /// What the memo has noted of this chain.
    pub(super) fn into_walk(self) -> Option<Walk<'a>> {
        self.walk
    }

    pub(super) fn walk(&self) -> Option<&Walk<'a>> {
        self.walk.as_ref()
    }

    /// The algorithms of the policy, each of which verifies through this.
    pub(super) fn algorithm(&self, at: usize) -> Verifying<'_> {
        /// Stands in an array behind those that the policy has.
        static UNUSED: &Algorithm = &crate::crypto::verification::ED25519;
        Verifying {
            algorithm: self.policy.algorithms.get(at).unwrap_or(UNUSED),
            signatures: self,
        }
    }

    /// Whether the key in `spki` has signed a certificate, by an algorithm that the policy has.
    pub(super) fn is_signed_by(&self, certificate: &Certificate<'_>, spki: &[u8]) -> bool {
        self.state().several_paths = true;
        let (Some((key_algorithm, key)), Some((0, signature))) = (
            der::public_key_info(spki),
            certificate.signature.split_first(),
        ) else {
            return false;
        };
        let fits = |algorithm: &Verifying<'_>| {
            *algorithm.signature_alg_id() == *certificate.signature_algorithm
                && *algorithm.public_key_alg_id() == *key_algorithm
        };
        let mut algorithms = (0..self.policy.algorithms.len()).map(|at| self.algorithm(at));
        algorithms.find(fits).is_some_and(|algorithm| {
            algorithm
                .verify_signature(key, certificate.tbs, signature)
                .is_ok()
        })
    }

    /// Whether a signature was not verified because there were too many.
    pub(super) fn is_exhausted(&self) -> bool {
        self.state().exhausted
    }

    /// The last that did not verify.
    pub(super) fn last_bad(&self) -> Option<Edge> {
        let state = self.state();
        let bad = state.seen.iter().rfind(|seen| seen.good.is_none())?;
        Some(bad.edge)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole after each line of code that changes it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Verifies a signature, which is described to the memo by `parts`, unless that was done.
    fn verify(
        &self,
        parts: [&[u8]; 5],
        verify: impl FnOnce() -> Result<(), InvalidSignature>,
    ) -> Result<(), InvalidSignature> {
        let [_, key_algorithm, public_key, _, message] = parts;
        let edge = Edge {
            message: message.as_ptr().addr(),
            key: public_key.as_ptr().addr(),
        };
        let mut state = self.state();
        let is_same = |seen: &&Seen| seen.edge.message == edge.message && *seen.key == *public_key;
        if let Some(seen) = state.seen.iter().find(is_same) {
            let at = seen.good.ok_or(InvalidSignature)?;
            self.walk.iter().for_each(|walk| walk.repeat(at));
            return Ok(());
        }
        let counted = || {
            if state.spent >= MAX_SIGNATURES {
                state.exhausted = true;
                return Err(InvalidSignature);
            }
            state.spent += match *key_algorithm == *alg_id::ECDSA_P521 {
                true => SLOW,
                false => 1,
            };
            verify()
        };
        let (verdict, noted) = match &self.walk {
            Some(walk) => (walk.verify(parts, counted), walk.len()),
            None => (counted(), 1),
        };
        if verdict.is_err() || state.several_paths {
            let good = verdict.is_ok().then(|| noted.saturating_sub(1));
            let key = public_key.into();
            state.seen.push(Seen { edge, key, good });
        }
        verdict
    }
}

/// An algorithm on the way to one leaf: it does not verify what is known to be good or bad, and
/// does not parse the keys of the anchors again.
#[derive(Debug)]
pub(super) struct Verifying<'a> {
    algorithm: &'a Algorithm,
    signatures: &'a Signatures<'a>,
}

impl SignatureVerificationAlgorithm for Verifying<'_> {
    // Nothing here is secret, so nothing has to take constant time.
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let parts = [
            &*self.signature_alg_id(),
            &*self.public_key_alg_id(),
            public_key,
            signature,
            message,
        ];
        self.signatures.verify(parts, || {
            match self.signatures.policy.roots.key(public_key) {
                Some(key) => self.algorithm.verify_with(key, message, signature),
                None => self
                    .algorithm
                    .verify_signature(public_key, message, signature),
            }
        })
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}
