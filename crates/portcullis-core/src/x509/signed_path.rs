//! That the signatures of a chain's path were found good, kept with the chain itself.
//!
//! A session has the chain of the connection that it comes from, so whoever resumes verifies no signature a second
//! time, also where the [memo](super::memo) has forgotten it or remembers nothing. As there, it is one fact and no
//! more: these keys have made these signatures over these bytes. The certificates are those that it stands beside,
//! which never change; the one key that is not among them, the anchor's, is known by its digest. Names, dates,
//! usages, constraints and revocation, which algorithms count and how long keys have to be are looked at anew.
//!
//! Only a walk makes one. Bytes that leave the process have it only where they are sealed
//! ([`ClientSession::to_bytes_to_seal`](crate::session::ClientSession::to_bytes_to_seal)).

use std::sync::OnceLock;

use aws_lc_rs::digest;

use super::certificate::Certificate;
use super::chain::PresentedChain;
use super::path::Path;
use crate::der;
use crate::wire::codec::{Cursor, DecodeError};

/// The longest path of which it is kept. Another one is verified by what the memo remembers.
const LONGEST: usize = 15;

/// Half a digest: whoever could make a second key with the same would have to have it trusted.
const DIGEST_LEN: usize = 16;

/// Each certificate of a path was signed by the key of the next, and the last by the anchor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignedPath {
    anchor: [u8; DIGEST_LEN],
    /// Of the chain, from the leaf up.
    places: [u8; LONGEST],
    len: u8,
}

/// A public key, as [`der::public_key_info`] gives it: its algorithm, and what it is.
type Key<'a> = (&'a [u8], &'a [u8]);

impl SignedPath {
    /// For a walk, which has found the signatures good.
    pub(super) fn new(path: &Path, anchor: Key<'_>) -> Option<Self> {
        let mut places = [0; LONGEST];
        if path.len() > LONGEST {
            return None;
        }
        for (own, place) in places.iter_mut().zip(path.places()) {
            *own = u8::try_from(place).ok()?;
        }
        let len = u8::try_from(path.len()).ok()?;
        let anchor = digest_of(anchor);
        Some(Self {
            anchor,
            places,
            len,
        })
    }

    /// Whether it says that this key has signed the certificate, which is one of the chain's: that is known by where
    /// its bytes are.
    fn has(&self, chain: &PresentedChain, certificate: &Certificate<'_>, key: Key<'_>) -> bool {
        let all = chain.certificates();
        let read = |place: &u8| Certificate::read(all.get(usize::from(*place))?);
        let is_it = |place: &u8| {
            read(place).is_some_and(|own| {
                core::ptr::eq(own.tbs, certificate.tbs)
                    && core::ptr::eq(own.signature, certificate.signature)
            })
        };
        let places = self.places.get(..usize::from(self.len));
        let mut places = places.unwrap_or_default().iter();
        if !places.any(is_it) {
            return false;
        }
        match places.next() {
            Some(issuer) => {
                let issuer = read(issuer);
                issuer.is_some_and(|issuer| der::public_key_info(issuer.spki) == Some(key))
            }
            None => digest_of(key) == self.anchor,
        }
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.push(self.len);
        out.extend(self.places.iter().take(self.len.into()));
        out.extend(self.anchor);
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let len = cursor.u8()?;
        let mut places = [0; LONGEST];
        let own = places.get_mut(..usize::from(len)).ok_or(DecodeError)?;
        for place in own {
            *place = cursor.u8()?;
        }
        let anchor = *cursor.array()?;
        Ok(Self {
            anchor,
            places,
            len,
        })
    }

    /// The most bytes that it takes, written down.
    pub(crate) const MOST_BYTES: usize = 1 + LONGEST + DIGEST_LEN;
}

fn digest_of((algorithm, key): Key<'_>) -> [u8; DIGEST_LEN] {
    // On the stack: a handshake takes no allocation more for it.
    let mut few = [0; 640];
    let mut many = Vec::new();
    let parts = [&(algorithm.len() as u64).to_be_bytes(), algorithm, key];
    let length = parts.iter().map(|part| part.len()).sum();
    let all = match few.get_mut(..length) {
        Some(all) => all,
        None => {
            many.resize(length, 0);
            &mut many[..]
        }
    };
    let mut rest = &mut *all;
    for part in parts {
        let Some((own, behind)) = rest.split_at_mut_checked(part.len()) else {
            break;
        };
        own.copy_from_slice(part);
        rest = behind;
    }
    let digest = digest::digest(&digest::SHA256, all);
    let half = digest.as_ref().first_chunk();
    *half.unwrap_or(&[0; DIGEST_LEN])
}

/// What is known of a chain besides what it is: chains that differ in it alone are the same.
#[derive(Debug)]
pub(super) struct Known(OnceLock<SignedPath>);

impl PartialEq for Known {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Known {}

impl Known {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// What is known first stays.
    pub(super) fn note(&self, path: SignedPath) {
        let _ = self.0.set(path);
    }

    pub(super) fn get(&self) -> Option<&SignedPath> {
        self.0.get()
    }

    pub(super) fn says(
        &self,
        chain: &PresentedChain,
        certificate: &Certificate<'_>,
        key: Key<'_>,
    ) -> bool {
        self.get()
            .is_some_and(|path| path.has(chain, certificate, key))
    }
}
