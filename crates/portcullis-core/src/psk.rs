//! Keys that both sides have before they meet.
//!
//! RFC 4279 §2, §5.3; RFC 8446 §4.2.11; RFC 9258 for those that are imported; RFC 9257 for how long they should be.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::hash::{HashAlgorithm, Hasher};
use crate::crypto::hmac::HmacKey;
use crate::crypto::secret::ConstantTimeEq;
use crate::misuse::Misuse;
use crate::sort::places;

/// The most bytes that an identity and a key may have: their lengths are sent, or hashed, in two.
const MOST: usize = u16::MAX as usize;

/// A key that both sides have before they meet, and the identity that it goes by (RFC 4279, RFC 8446 §2.2).
/// Cheap to clone; wiped when the last clone is dropped. `Debug` shows neither.
///
/// The key takes the place of certificates: an end that has it is taken for the one it is for. Keys can be tried
/// on a recorded handshake for as long as one likes, so a key has to be made by a generator of
/// random numbers, with 16 bytes at least (RFC 9257 §6). Before TLS 1.3, with a suite of `PSK` alone, the
/// key, if it is learned later, opens what was said before; those of `ECDHE_PSK` do not have that, nor does TLS 1.3.
///
/// A program that is client and server has a key for each role: with one for both it can be led to itself (RFC 9257
/// §4.1), unless the key is [imported](Self::imported) with a context that says who is the client.
///
/// One key serves in every version that a configuration speaks, as in OpenSSL and GnuTLS. In TLS 1.3 it goes with
/// the suites of one [hash](Self::for_hash). Nobody knows how to make something of a key that is used in TLS 1.2
/// and 1.3 alike, and nobody has proved that it cannot be done (RFC 8446 §E.7): whoever wants to be sure has a key for
/// each, or one that is imported.
#[derive(Clone)]
pub struct PreSharedKey {
    name: Arc<SharedSecretName>,
    key: Arc<Zeroizing<Box<[u8]>>>,
    hash: HashAlgorithm,
    /// If it is imported.
    context: Option<Arc<[u8]>>,
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
pub(crate) struct SharedSecretName {
    pub(crate) kind: Shared,
    /// Of the key, or the user's name.
    pub(crate) identity: Box<[u8]>,
    /// Another key of the same identity has another one, and another verifier of the same user. That of a
    /// password is made with a key of this process and does not leave it: whoever got one could try passwords
    /// on it.
    pub(crate) digest: [u8; 32],
}

impl SharedSecretName {
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
    /// clear; RFC 4279 §5.1 wants it to be UTF-8. An empty one is for versions before TLS 1.3, and not
    /// offered in that (RFC 8446 §4.2.11).
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
        Ok(Self {
            name: name_of(identity, key, [b"portcullis: pre-shared key of ", identity]),
            key: Arc::new(Zeroizing::new(key.into())),
            hash: HashAlgorithm::Sha256,
            context: None,
        })
    }

    /// The hash that the key goes with, which whoever hands it out says (RFC 8446 §4.2.11). Default: SHA-256.
    ///
    /// In TLS 1.3 it is used with cipher suites of this hash alone, unless it is [imported](Self::imported): then
    /// with all of them. Before TLS 1.3 it means nothing.
    #[must_use]
    pub fn for_hash(mut self, hash: HashAlgorithm) -> Self {
        self.hash = hash;
        self.rename();
        self
    }

    /// Imports the key (RFC 9258): what is used is derived from it, for each protocol and hash of its own, and
    /// for this `context`, which both ends have to have agreed on. It may be empty. One that names both ends, the
    /// client first, keeps two that have one key for both directions from being led to themselves.
    ///
    /// Such a key is for TLS 1.3 alone, and should not be used as it is anywhere else (RFC 9258 §7).
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{config::*, x509::*}; }
    /// use portcullis::{ClientConfig, PreSharedKey, Roots, ServerConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let key = [7; 32];
    /// let psk = PreSharedKey::new("meter-17", key)?.imported("meter-17 to hub")?;
    /// // With no trust anchors a client takes nobody but those who have the key.
    /// let client = ClientConfig::builder(Roots::empty()).psk(psk.clone()).build()?;
    /// let server = ServerConfig::builder().psk(psk).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the identity is empty, or has more than 65,527 bytes together with the context.
    pub fn imported(mut self, context: impl AsRef<[u8]>) -> Result<Self, Misuse> {
        /// What an ImportedIdentity has besides identity and context.
        const OVERHEAD: usize = 8;
        let (identity, context) = (self.identity(), context.as_ref());
        let length = identity.len() + context.len();
        if identity.is_empty() || length > MOST - OVERHEAD {
            return Err(Misuse::new(format!(
                "a key that is imported must have an identity, and identity and context together at most {} \
                 bytes; these have {} and {}",
                MOST - OVERHEAD,
                identity.len(),
                context.len(),
            )));
        }
        self.context = Some(context.into());
        self.rename();
        Ok(self)
    }

    /// What is another key to whoever remembers it has another name, also where the bytes are the same.
    fn rename(&mut self) {
        let of_hash = [self.hash.output_len_u8()];
        let length = self.name.identity.len().to_be_bytes();
        let context = self.context.as_deref();
        let parts = [
            b"portcullis: pre-shared key for a hash, or imported: ".as_slice(),
            &of_hash,
            &length,
            &self.name.identity,
            &[context.is_some().into()],
            context.unwrap_or_default(),
        ];
        self.name = name_of(&self.name.identity, &self.key, parts);
    }

    /// The identity.
    pub fn identity(&self) -> &[u8] {
        &self.name.identity
    }

    /// The hash that it goes with in TLS 1.3.
    pub(crate) const fn hash(&self) -> HashAlgorithm {
        self.hash
    }

    /// With what it is imported, if it is.
    pub(crate) fn context(&self) -> Option<&[u8]> {
        self.context.as_deref()
    }

    pub(crate) fn name(&self) -> &Arc<SharedSecretName> {
        &self.name
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }
}

fn name_of<const N: usize>(
    identity: &[u8],
    key: &[u8],
    parts: [&[u8]; N],
) -> Arc<SharedSecretName> {
    let mac = HmacKey::new(HashAlgorithm::Sha256, key).mac(parts.into_iter());
    let mut digest = [0; 32];
    digest.copy_from_slice(mac.as_slice());
    Arc::new(SharedSecretName {
        kind: Shared::Psk,
        identity: identity.into(),
        digest,
    })
}

/// The same key under the same identity, for the same use. The digest tells keys apart, in constant time; the key itself
/// is not looked at.
impl PartialEq for PreSharedKey {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for PreSharedKey {}

impl PartialEq for SharedSecretName {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.identity == other.identity
            && self.digest[..].ct_eq(&other.digest)
    }
}

impl Eq for SharedSecretName {}

impl core::fmt::Debug for PreSharedKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PreSharedKey(..)")
    }
}

impl core::fmt::Debug for SharedSecretName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SharedSecretName(..)")
    }
}

/// Those of a configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Psks {
    /// In the order given.
    list: Vec<PreSharedKey>,
    /// Where they are, by identity, once settled.
    sorted: Vec<usize>,
}

impl Psks {
    pub(crate) fn add(&mut self, psk: PreSharedKey) {
        self.list.push(psk);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// In the order given.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &PreSharedKey> {
        self.list.iter()
    }

    /// Those that can be used before TLS 1.3.
    pub(crate) fn of_older(&self) -> impl Iterator<Item = &PreSharedKey> {
        self.list.iter().filter(|psk| psk.context().is_none())
    }

    /// Makes them ready to be found.
    ///
    /// # Errors
    /// When an identity is there twice.
    pub(crate) fn settle(&mut self) -> Result<(), Misuse> {
        let identity = |at: &usize| self.list.get(*at).map(PreSharedKey::identity);
        let order = |one: usize, other: usize| identity(&one).cmp(&identity(&other));
        self.sorted = places(self.list.len(), &order);
        let mut pairs = self.sorted.windows(2);
        match pairs.any(|pair| matches!(pair, [a, b] if identity(a) == identity(b))) {
            true => Err(Misuse::new(
                "psk: two pre-shared keys have the same identity; leave out one of them",
            )),
            false => Ok(()),
        }
    }

    /// The key of an identity, and its place among those of the configuration.
    pub(crate) fn find(&self, identity: &[u8]) -> Option<(usize, &PreSharedKey)> {
        let of = |at: &usize| self.list.get(*at).map(PreSharedKey::identity);
        let found = self
            .sorted
            .binary_search_by(|at| of(at).cmp(&Some(identity)));
        let at = *self.sorted.get(found.ok()?)?;
        Some((at, self.list.get(at)?))
    }

    /// The key of an identity, if it can be used before TLS 1.3.
    pub(crate) fn find_older(&self, identity: &[u8]) -> Option<&PreSharedKey> {
        let (_, psk) = self.find(identity)?;
        psk.context().is_none().then_some(psk)
    }

    /// Whether the key of that name is still there, and still the same.
    pub(crate) fn contains(&self, name: &SharedSecretName) -> bool {
        let found = self.find(&name.identity);
        found.is_some_and(|(_, psk)| *psk.name == *name)
    }

    /// Of the identities, in any order, and of what `with` is a digest of. What a session key is made
    /// of is no secret, so the keys are not in it.
    pub(crate) fn digest(&self, with: Option<[u8; 32]>) -> Option<[u8; 32]> {
        if self.list.is_empty() {
            return with;
        }
        let mut hasher = Hasher::new(HashAlgorithm::Sha256);
        hasher.update(b"portcullis: identities of pre-shared keys");
        hasher.update(&with.unwrap_or_default());
        for psk in self.sorted.iter().filter_map(|at| self.list.get(*at)) {
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
        assert_eq!(psks.of_older().next().unwrap().identity(), b"b");
        for (identity, place) in [("a", 3), ("b", 0), ("c", 1), ("", 2)] {
            let (at, found) = psks.find(identity.as_bytes()).unwrap();
            assert_eq!(at, place);
            assert_eq!(found.identity(), identity.as_bytes());
            assert!(psks.contains(psk(identity, "key").name()));
            assert!(!psks.contains(psk(identity, "another").name()));
        }
        assert!(psks.find(b"d").is_none());
        psks.add(psk("a", "another"));
        assert!(psks.settle().is_err());
    }

    /// RFC 9258 §7: what is imported is not used as it is.
    #[test]
    fn a_key_for_another_use_is_another_key() {
        let psk = || PreSharedKey::new("me", b"key").unwrap();
        let imported = |context: &str| psk().imported(context).unwrap();
        let keys = [
            psk(),
            psk().for_hash(HashAlgorithm::Sha384),
            imported(""),
            imported("context"),
            imported("").for_hash(HashAlgorithm::Sha384),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(keys.iter().filter(|other| *other == key).count(), 1, "{at}");
        }
        let mut psks = Psks::default();
        psks.add(imported("context"));
        psks.settle().unwrap();
        assert!(psks.contains(imported("context").name()));
        for other in [imported("").name(), psk().name()] {
            assert!(!psks.contains(other));
        }
        assert!(psks.find(b"me").is_some() && psks.find_older(b"me").is_none());
        assert!(psks.of_older().next().is_none());
        assert!(PreSharedKey::new("", b"key").unwrap().imported("").is_err());
        let long = |length| psk().imported(vec![0; length]);
        assert!(long(65_525).is_ok() && long(65_526).is_err());
    }
}
