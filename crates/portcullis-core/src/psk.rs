//! Keys that both sides have before they meet.
//!
//! RFC 4279 §2, §5.3; RFC 9257 for how long they should be.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::hash::{HashAlgorithm, Hasher};
use crate::crypto::hmac::HmacKey;
use crate::crypto::secret::ConstantTimeEq;
use crate::misuse::Misuse;

/// The most bytes that an identity and a key may have: their lengths are sent, or hashed, in two.
const MOST: usize = u16::MAX as usize;

/// A key that both sides have before they meet, and the identity that it goes by (RFC 4279). Cheap to
/// clone; wiped when the last clone is dropped. `Debug` shows neither.
///
/// The key takes the place of certificates: who has it is who it is for, on either side. Whoever sees a
/// handshake can try keys on it for as long as he likes, so a key has to be made by a generator of
/// random numbers, with 16 bytes at least (RFC 9257 §6). With a suite of `PSK` alone he who learns
/// the key later can read what was said before; those of `ECDHE_PSK` do not have that. Whoever is client
/// and server has a key for each role: with one for both it can be led to itself (RFC 9257 §6).
#[derive(Clone)]
pub struct PreSharedKey {
    name: Arc<PskName>,
    key: Arc<Zeroizing<Box<[u8]>>>,
}

/// What both ends know before they meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shared {
    /// A key (RFC 4279).
    Psk,
    /// A password, or what is made of it (RFC 5054).
    Password,
}

impl Shared {
    /// What is the matter where it turns out not to be the same.
    pub(crate) const fn advice(self) -> &'static str {
        match self {
            Self::Psk => {
                "so ends a handshake of two that have different pre-shared keys, or of which one does not \
                 know the other's identity"
            }
            Self::Password => {
                "so ends a handshake with a wrong password, or of a user whom the server does not know"
            }
        }
    }
}

/// Which key it was, or which user's password: what sessions and connections remember of one.
#[derive(Clone)]
pub(crate) struct PskName {
    pub(crate) kind: Shared,
    /// Of the key, or the user's name.
    pub(crate) identity: Box<[u8]>,
    /// Another key of the same identity has another one, and another verifier of the same user. That of a
    /// password is made with a key of this process and does not leave it: whoever got one could try passwords
    /// on it.
    pub(crate) digest: [u8; 32],
}

impl PskName {
    /// The identity of a key.
    pub(crate) fn psk(&self) -> Option<&[u8]> {
        (self.kind == Shared::Psk).then_some(&*self.identity)
    }

    /// Whether it says which password it was. Zeros come from a record, which does not.
    pub(crate) fn has_digest(&self) -> bool {
        self.digest != [0; 32]
    }

    /// The name of a user.
    pub(crate) fn user(&self) -> Option<&[u8]> {
        (self.kind == Shared::Password).then_some(&*self.identity)
    }
}

impl PreSharedKey {
    /// A key of 1 to 65,535 bytes and its identity of at most as many. The identity is sent in the
    /// clear; RFC 4279 §5.1 wants it to be UTF-8.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::config::PreSharedKey; }
    /// use portcullis::PreSharedKey;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let key = [7; 32];
    /// let psk = PreSharedKey::new("meter-17", key)?;
    /// assert_eq!(psk.identity(), b"meter-17");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When one of them is longer, or the key is empty.
    pub fn new(identity: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, Misuse> {
        let (identity, key) = (identity.as_ref(), key.as_ref());
        if identity.len() > MOST || !(1..=MOST).contains(&key.len()) {
            return Err(Misuse::new(format!(
                "a pre-shared key must have 1 to {MOST} bytes and its identity at most {MOST}; these \
                 have {} and {}",
                key.len(),
                identity.len()
            )));
        }
        let parts = [b"portcullis: pre-shared key of ", identity];
        let mac = HmacKey::new(HashAlgorithm::Sha256, key).mac(parts.into_iter());
        let mut digest = [0; 32];
        digest.copy_from_slice(mac.as_slice());
        Ok(Self {
            name: Arc::new(PskName {
                kind: Shared::Psk,
                identity: identity.into(),
                digest,
            }),
            key: Arc::new(Zeroizing::new(key.into())),
        })
    }

    /// The identity.
    pub fn identity(&self) -> &[u8] {
        &self.name.identity
    }

    pub(crate) fn name(&self) -> &Arc<PskName> {
        &self.name
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }
}

/// The same key under the same identity. The digest tells keys apart, in constant time; the key itself
/// is not looked at.
impl PartialEq for PreSharedKey {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for PreSharedKey {}

impl PartialEq for PskName {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.identity == other.identity
            && self.digest[..].ct_eq(&other.digest)
    }
}

impl Eq for PskName {}

impl core::fmt::Debug for PreSharedKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PreSharedKey(..)")
    }
}

impl core::fmt::Debug for PskName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PskName(..)")
    }
}

/// Those of a configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Psks {
    /// In the order given.
    list: Vec<PreSharedKey>,
    /// By identity, once settled.
    sorted: Vec<PreSharedKey>,
}

impl Psks {
    pub(crate) fn add(&mut self, psk: PreSharedKey) {
        self.list.push(psk);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn first(&self) -> Option<&PreSharedKey> {
        self.list.first()
    }

    /// Makes them ready to be found.
    ///
    /// # Errors
    /// When an identity is there twice.
    pub(crate) fn settle(&mut self) -> Result<(), Misuse> {
        self.sorted.clone_from(&self.list);
        self.sorted
            .sort_unstable_by(|one, other| one.identity().cmp(other.identity()));
        let mut pairs = self.sorted.windows(2);
        match pairs.any(|pair| matches!(pair, [a, b] if a.identity() == b.identity())) {
            true => Err(Misuse::new(
                "psk: two pre-shared keys have the same identity; leave out one of them",
            )),
            false => Ok(()),
        }
    }

    /// The key of an identity.
    pub(crate) fn find(&self, identity: &[u8]) -> Option<&PreSharedKey> {
        let found = self
            .sorted
            .binary_search_by(|one| one.identity().cmp(identity));
        found.ok().and_then(|at| self.sorted.get(at))
    }

    /// Whether the key of that name is still there, and still the same.
    pub(crate) fn contains(&self, name: &PskName) -> bool {
        let found = self.find(&name.identity);
        found.is_some_and(|psk| *psk.name == *name)
    }

    /// Of the identities, in any order, and of what `with` is a digest of. What a session key is made
    /// of is no secret, so the keys are not in it.
    pub(crate) fn digest(&self, with: Option<[u8; 32]>) -> Option<[u8; 32]> {
        if self.sorted.is_empty() {
            return with;
        }
        let mut hasher = Hasher::new(HashAlgorithm::Sha256);
        hasher.update(b"portcullis: identities of pre-shared keys");
        hasher.update(&with.unwrap_or_default());
        for psk in &self.sorted {
            hasher.update(&psk.identity().len().to_be_bytes());
            hasher.update(psk.identity());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(hasher.finish().as_slice());
        Some(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded_and_nothing_is_shown() {
        for (identity, key, good) in [
            (0, 1, true),
            (65_535, 65_535, true),
            (1, 0, false),
            (65_536, 1, false),
            (1, 65_536, false),
        ] {
            let psk = PreSharedKey::new(vec![b'i'; identity], vec![b'k'; key]);
            assert_eq!(psk.is_ok(), good, "{identity} {key}");
        }
        let psk = PreSharedKey::new("me", b"key").unwrap();
        assert_eq!(format!("{psk:?}"), "PreSharedKey(..)");
    }

    #[test]
    fn keys_are_found_by_identity_and_told_apart() {
        let psk = |identity: &str, key: &str| PreSharedKey::new(identity, key).unwrap();
        let mut psks = Psks::default();
        for identity in ["b", "c", "", "a"] {
            psks.add(psk(identity, "key"));
        }
        psks.settle().unwrap();
        assert_eq!(psks.first().unwrap().identity(), b"b");
        for identity in ["a", "b", "c", ""] {
            let found = psks.find(identity.as_bytes()).unwrap();
            assert_eq!(found.identity(), identity.as_bytes());
            assert!(psks.contains(psk(identity, "key").name()));
            assert!(!psks.contains(psk(identity, "another").name()));
        }
        assert!(psks.find(b"d").is_none());
        psks.add(psk("a", "another"));
        assert!(psks.settle().is_err());
    }
}
