//! Remembers signatures of certificates that verified before, so that they are not verified again.
//!
//! What is remembered is one fact: this algorithm found this signature of this key over these
//! bytes good. That never changes, and nothing else is taken from it. The path to an anchor,
//! names, dates, usages and constraints are examined for each chain anew, so what is
//! remembered cannot outlive a change of any of them.

use core::fmt;
use std::sync::{Arc, OnceLock, Weak};

use aws_lc_rs::digest;
use rustls_pki_types::InvalidSignature;

use super::cache::Cache;
use super::chain::PresentedChain;
use super::digests::Sha256Digest as Digest;
use super::presented::Shown;

/// How many signatures are remembered unless something else is configured.
const DEFAULT_REMEMBERED_SIGNATURES: usize = 1_024;

/// Signatures that were found good. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub(crate) struct SignatureMemo(Arc<Inner>);

struct Inner {
    capacity: usize,
    /// Made on first use: most servers never see a certificate. `None` if there are no random
    /// bytes for it; then nothing is remembered.
    memory: OnceLock<Option<Memory>>,
}

struct Memory {
    /// Hashed first, so that nobody can look for collisions: SHA-256 then stands behind
    /// signatures of any strength.
    secret: Digest,
    /// For the signature of a leaf also the chain it came with, as long as a connection has it.
    seen: Cache<Weak<Shown>>,
}

impl SignatureMemo {
    /// Remembers at most `capacity` signatures, about 200 bytes each; 0 remembers nothing.
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Arc::new(Inner {
            capacity,
            memory: OnceLock::new(),
        }))
    }

    /// The same size with nothing in it.
    pub(crate) fn emptied(&self) -> Self {
        Self::new(self.0.capacity)
    }

    /// What is remembered; `None` if nothing is to be.
    fn memory(&self) -> Option<&Memory> {
        let memory = self.0.memory.get_or_init(|| Memory::new(self.0.capacity));
        memory.as_ref()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let memory = self.0.memory.get().and_then(Option::as_ref);
        memory.map_or(0, |memory| memory.seen.len())
    }
}

impl Default for SignatureMemo {
    fn default() -> Self {
        Self::new(DEFAULT_REMEMBERED_SIGNATURES)
    }
}

impl Memory {
    fn new(capacity: usize) -> Option<Self> {
        if capacity == 0 {
            return None;
        }
        let mut secret = Digest::default();
        aws_lc_rs::rand::fill(&mut secret).ok()?;
        let seen = Cache::new(capacity);
        Some(Self { secret, seen })
    }

    /// Hashes parts so that no two lists of parts look alike.
    fn digest(&self, parts: [&[u8]; 5], scratch: &mut Vec<u8>) -> Digest {
        scratch.clear();
        let bytes: usize = parts.iter().map(|part| 8 + part.len()).sum();
        scratch.reserve(self.secret.len() + bytes);
        scratch.extend_from_slice(&self.secret);
        for part in parts {
            scratch.extend_from_slice(&(part.len() as u64).to_be_bytes());
            scratch.extend_from_slice(part);
        }
        let mut digest = Digest::default();
        digest.copy_from_slice(digest::digest(&digest::SHA256, scratch).as_ref());
        digest
    }
}

/// The verification of one chain: collects what was found good, in the order of the walk, and
/// leaves nothing behind unless it is told at the end that all was well.
#[derive(Debug, Default)]
pub(super) struct Log {
    good: Vec<Good>,
    scratch: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Good {
    digest: Digest,
    /// What is remembered about it; `None` if it had to be verified.
    known: Option<Weak<Shown>>,
}

impl Log {
    /// Whether the signature that these parts describe is good: from memory, or by `verify`. If
    /// it is, gives its place in the log.
    pub(super) fn verify(
        &mut self,
        memo: &SignatureMemo,
        parts: [&[u8]; 5],
        verify: impl FnOnce() -> Result<(), InvalidSignature>,
    ) -> Result<usize, InvalidSignature> {
        let Some(memory) = memo.memory() else {
            return verify().map(|()| 0);
        };
        let digest = memory.digest(parts, &mut self.scratch);
        let known = memory.seen.get(&digest);
        if known.is_none() {
            verify()?;
        }
        self.good.push(Good { digest, known });
        Ok(self.good.len().saturating_sub(1))
    }

    /// Notes once more what was found good before, because it is on another path, too.
    pub(super) fn repeat(&mut self, at: usize) {
        if let Some(good) = self.good.get(at).cloned() {
            self.good.push(good);
        }
    }

    /// Notes a leaf that is a root itself. Its signature was not verified, so it is told apart
    /// from one by having no algorithm; only the chain is shared.
    pub(super) fn note_root(&mut self, memo: &SignatureMemo, leaf: &[u8]) {
        let Some(memory) = memo.memory() else {
            return;
        };
        let digest = memory.digest([&[], &[], &[], &[], leaf], &mut self.scratch);
        let known = memory.seen.get(&digest);
        self.good.push(Good { digest, known });
    }

    /// Everything about the chain was found good: remembers the `signatures` of the accepted
    /// path, which were the last in the walk. Gives the chain back, shared with the connections
    /// whose peer has shown the same.
    pub(super) fn commit(
        &self,
        memo: &SignatureMemo,
        chain: &PresentedChain,
        signatures: usize,
    ) -> PresentedChain {
        let path = self.good.get(self.good.len().saturating_sub(signatures)..);
        // Anchor first.
        let (Some(memory), Some((leaf, issuers))) =
            (memo.memory(), path.and_then(<[Good]>::split_last))
        else {
            return chain.clone();
        };
        let seen = &memory.seen;
        for issuer in issuers.iter().filter(|issuer| issuer.known.is_none()) {
            seen.insert(issuer.digest, Weak::new());
        }
        let shared = leaf.known.as_ref().and_then(Weak::upgrade);
        if let Some(shared) = shared
            .map(PresentedChain::of)
            .filter(|shared| shared == chain)
        {
            return shared;
        }
        seen.insert(leaf.digest, chain.downgrade());
        chain.clone()
    }
}

impl fmt::Debug for SignatureMemo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureMemo")
            .field("capacity", &self.0.capacity)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
