//! Users who log in with a password.
//!
//! RFC 5054 §2.3 to §2.5; RFC 2945 §3 for what is made of a password.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use crate::crypto::CryptoFailure;
use crate::crypto::finite_field::{HAS_FINITE_FIELD, srp};
use crate::crypto::hash::{HashAlgorithm, Hasher};
use crate::crypto::hmac::HmacKey;
use crate::crypto::md5_sha1::sha1;
use crate::crypto::random::Random;
use crate::misuse::Misuse;
use crate::psk::{Shared, SharedSecretName};

pub use crate::crypto::srp_group::SrpGroup;

/// The most bytes of a user's name and of a salt (§2.8.1).
const MOST: usize = 255;
/// Of a seed that is chosen, in bytes.
const LEAST_SEED: usize = 16;
/// Of a salt that is made here, in bytes.
const SALT_LEN: usize = 16;

/// x = SHA1(s | SHA1(I | ":" | P)) (§2.4).
pub(crate) fn hash_of_password(user: &[u8], password: &[u8], salt: &[u8]) -> Zeroizing<[u8; 20]> {
    // Of its last size from the start: what had grown would have left its beginning in memory.
    let mut text = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
    for part in [user, b":", password] {
        text.extend_from_slice(part);
    }
    let inner = Zeroizing::new(sha1(&text));
    let mut salted = Zeroizing::new(Vec::with_capacity(salt.len() + inner.len()));
    salted.extend_from_slice(salt);
    salted.extend_from_slice(inner.as_slice());
    Zeroizing::new(sha1(&salted))
}

fn check_user(user: &[u8]) -> Result<(), Misuse> {
    match user.len() {
        1..=MOST => Ok(()),
        len => Err(Misuse::new(format!(
            "srp: a user's name must have 1 to {MOST} bytes; this one has {len}"
        ))),
    }
}

/// What a server has of a user's password: enough to see that the user knows it, and not to log in as
/// the user elsewhere. Cheap to clone; wiped when the last clone is dropped. `Debug` shows nothing.
///
/// Passwords can be tried on it, as on any hash of one: keep it as such.
#[derive(Clone)]
pub struct SrpVerifier(Arc<Entry>);

struct Entry {
    name: Arc<SharedSecretName>,
    group: SrpGroup,
    salt: Box<[u8]>,
    verifier: Zeroizing<Box<[u8]>>,
}

impl SrpVerifier {
    /// Makes one of a password, with a fresh random salt of 16 bytes. Name and password are taken as
    /// they are; what is not ASCII should be in the form of RFC 4013 (§2.3).
    ///
    /// # Errors
    /// When the name does not have 1 to 255 bytes, the build lacks the feature `finite-field`, or there
    /// is no randomness.
    pub fn from_password(
        user: impl AsRef<[u8]>,
        password: impl AsRef<[u8]>,
        group: SrpGroup,
    ) -> Result<Self, Misuse> {
        let user = user.as_ref();
        check_user(user)?;
        let mut salt = [0; SALT_LEN];
        Random::system()
            .fill(&mut salt)
            .map_err(|_| Misuse::new("srp: there are no random bytes"))?;
        let x = hash_of_password(user, password.as_ref(), &salt);
        let made = srp::verifier(group, x.as_slice()).ok_or_else(lacks_feature)?;
        Self::new(user, group, salt, &**made)
    }

    /// One that was made before, by this or another program: salt and verifier are big-endian.
    ///
    /// # Errors
    /// When the name or the salt does not have 1 to 255 bytes, the verifier is not above 0 and below the
    /// group's prime, or the build lacks the feature `finite-field`.
    pub fn new(
        user: impl AsRef<[u8]>,
        group: SrpGroup,
        salt: impl AsRef<[u8]>,
        verifier: impl AsRef<[u8]>,
    ) -> Result<Self, Misuse> {
        let (user, salt, verifier) = (user.as_ref(), salt.as_ref(), verifier.as_ref());
        check_user(user)?;
        if !(1..=MOST).contains(&salt.len()) {
            return Err(Misuse::new(format!(
                "srp: a salt must have 1 to {MOST} bytes; this one has {}",
                salt.len()
            )));
        } else if !HAS_FINITE_FIELD {
            return Err(lacks_feature());
        } else if !srp::is_verifier(group, verifier) {
            return Err(Misuse::new(format!(
                "srp: a verifier must be above 0 and below the prime of its group, which has {} bits",
                group.bits()
            )));
        }
        Ok(Self::of(user, group, salt.into(), verifier.into()))
    }

    fn of(user: &[u8], group: SrpGroup, salt: Box<[u8]>, verifier: Box<[u8]>) -> Self {
        let verifier = Zeroizing::new(verifier);
        let parts = [&b"portcullis: SRP verifier of "[..], user, b" with ", &salt];
        let mac = HmacKey::new(HashAlgorithm::Sha256, &verifier).mac(parts.into_iter());
        let mut digest = [0; 32];
        digest.copy_from_slice(mac.as_slice());
        let name = Arc::new(SharedSecretName {
            kind: Shared::Password,
            identity: user.into(),
            digest,
        });
        Self(Arc::new(Entry {
            name,
            group,
            salt,
            verifier,
        }))
    }

    /// Whose it is.
    pub fn user(&self) -> &[u8] {
        &self.0.name.identity
    }

    /// In which group.
    pub fn group(&self) -> SrpGroup {
        self.0.group
    }

    /// What was hashed with the password: 1 to 255 bytes, which every client is told that gives the name.
    pub fn salt(&self) -> &[u8] {
        &self.0.salt
    }

    /// The number itself, big-endian, to be written down where nobody else reads it.
    pub fn verifier(&self) -> &[u8] {
        &self.0.verifier
    }

    pub(crate) fn name(&self) -> &Arc<SharedSecretName> {
        &self.0.name
    }
}

/// The same user, with the same salt and verifier; the digest tells these apart, in constant time.
impl PartialEq for SrpVerifier {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name && self.0.group == other.0.group
    }
}

impl Eq for SrpVerifier {}

impl core::fmt::Debug for SrpVerifier {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SrpVerifier(..)")
    }
}

fn lacks_feature() -> Misuse {
    Misuse::new("srp: this needs the feature `finite-field`; build with it")
}

/// The users of a server, in memory. Cheap to clone.
///
/// A client that names a user who is not there is not told: it gets a salt that is always the same for
/// that name, and fails as with a wrong password (§2.5.1.3).
#[derive(Clone)]
pub struct SrpUsers {
    users: Arc<BTreeMap<Box<[u8]>, SrpVerifier>>,
    /// What simulated salts and verifiers are made of.
    seed: Arc<HmacKey>,
    /// How many bytes were chosen for it, if any were.
    chosen_seed: Option<usize>,
    /// As those of real users should be: nobody must see the difference.
    group: SrpGroup,
    salt_len: usize,
}

impl SrpUsers {
    /// These users. Group and length of salt of a user who is not there are those of the first one, so all
    /// should have the same; if there is none, 2,048 bits and 16 bytes.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{config::*, suite, x509::*}; }
    /// use portcullis::suite::CipherSuite;
    /// use portcullis::{ClientConfig, Roots, ServerConfig, SrpGroup, SrpUsers, SrpVerifier};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !cfg!(feature = "finite-field") { return Ok(()); }
    /// let suites = [CipherSuite::TLS_SRP_SHA_WITH_AES_256_CBC_SHA];
    /// let alice = SrpVerifier::from_password("alice", "password123", SrpGroup::Bits2048)?;
    /// let users = SrpUsers::new([alice])?;
    /// let server = ServerConfig::builder().cipher_suites(suites).srp_users(users).build()?;
    /// let client = ClientConfig::builder(Roots::empty()).cipher_suites(suites);
    /// let client = client.srp("alice", "password123").build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a user is there twice, or there is no randomness.
    pub fn new(users: impl IntoIterator<Item = SrpVerifier>) -> Result<Self, Misuse> {
        let mut seed = Zeroizing::new([0; 32]);
        Random::system()
            .fill(seed.as_mut_slice())
            .map_err(|_| Misuse::new("srp_users: there are no random bytes"))?;
        let (mut group, mut salt_len) = (SrpGroup::Bits2048, SALT_LEN);
        let mut map = BTreeMap::new();
        for user in users {
            if map.is_empty() {
                (group, salt_len) = (user.group(), user.salt().len());
            }
            if map.insert(user.user().into(), user).is_some() {
                return Err(Misuse::new(
                    "srp_users: two verifiers are of the same user; leave out one of them",
                ));
            }
        }
        Ok(Self {
            users: Arc::new(map),
            seed: Arc::new(HmacKey::new(HashAlgorithm::Sha256, seed.as_slice())),
            chosen_seed: None,
            group,
            salt_len,
        })
    }

    /// What the salts of users who are not there are made of, instead of random bytes: servers of
    /// one name, and one server before and after it was started again, should have the same, or a
    /// changed salt tells that there is no such user. At least 16 random bytes, which nobody may know: a
    /// configuration refuses fewer.
    pub fn seed(mut self, seed: impl AsRef<[u8]>) -> Self {
        let seed = seed.as_ref();
        self.seed = Arc::new(HmacKey::new(HashAlgorithm::Sha256, seed));
        self.chosen_seed = Some(seed.len());
        self
    }

    /// If the seed can be guessed, it is known which salts are of nobody.
    pub(crate) fn check(&self) -> Result<(), Misuse> {
        match self.chosen_seed {
            Some(len) if len < LEAST_SEED => Err(Misuse::new(format!(
                "srp_users: the seed must have at least {LEAST_SEED} random bytes; this one has {len}"
            ))),
            _ => Ok(()),
        }
    }

    /// Takes over the seed of what this replaces, unless one was chosen.
    pub(crate) fn carry_over(&mut self, before: &Self) {
        if self.chosen_seed.or(before.chosen_seed).is_none() {
            self.seed = Arc::clone(&before.seed);
        }
    }

    /// The group of users who are not there, where real ones are looked up elsewhere. Default:
    /// that of the first user.
    pub fn simulated_group(mut self, group: SrpGroup) -> Self {
        self.group = group;
        self
    }

    /// The length of their salt in bytes, from 1 to 255; what is outside is the next within. Default:
    /// that of the first user's.
    pub fn simulated_salt_len(mut self, bytes: usize) -> Self {
        self.salt_len = bytes.clamp(1, MOST);
        self
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(crate) fn find(&self, user: &[u8]) -> Option<&SrpVerifier> {
        self.users.get(user)
    }

    /// What stands for a user who is not there (§2.5.1.3). Nobody has the password.
    pub(crate) fn simulate(&self, user: &[u8]) -> SrpVerifier {
        let salt = self.expand(b"salt", user, self.salt_len);
        let mut verifier = self.expand(b"verifier", user, self.group.bits() as usize / 8);
        // The primes all begin with a one.
        if let Some(first) = verifier.first_mut() {
            *first &= 0x7f;
        }
        SrpVerifier::of(user, self.group, salt, verifier)
    }

    fn expand(&self, label: &[u8], user: &[u8], len: usize) -> Box<[u8]> {
        let mut out = vec![0; len].into_boxed_slice();
        for (number, part) in (0_u32..).zip(out.chunks_mut(32)) {
            let parts = [label, &number.to_be_bytes(), user];
            let mac = self.seed.mac(parts.into_iter());
            for (byte, made) in part.iter_mut().zip(mac.as_slice()) {
                *byte = *made;
            }
        }
        out
    }
}

impl core::fmt::Debug for SrpUsers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SrpUsers({})", self.len())
    }
}

/// Tells passwords apart as long as the process runs, so that a session of the right one is not resumed with
/// another; zeros without randomness.
fn password_digest(user: &[u8], password: &[u8]) -> [u8; 32] {
    static KEY: OnceLock<Option<HmacKey>> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let mut key = Zeroizing::new([0; 32]);
        Random::system().fill(key.as_mut_slice()).ok()?;
        Some(HmacKey::new(HashAlgorithm::Sha256, key.as_slice()))
    });
    let parts = [&user.len().to_be_bytes()[..], user, password];
    let mac = key.as_ref().map(|key| key.mac(parts.into_iter()));
    let mac = mac.as_ref().map(|mac| mac.as_slice()).unwrap_or_default();
    mac.try_into().unwrap_or_default()
}

/// As whom a client logs in.
#[derive(Clone)]
pub(crate) struct SrpLogin {
    name: Arc<SharedSecretName>,
    password: Arc<Zeroizing<Box<[u8]>>>,
}

impl SrpLogin {
    pub(crate) fn new(user: &[u8], password: &[u8]) -> Self {
        Self {
            name: Arc::new(SharedSecretName {
                kind: Shared::Password,
                identity: user.into(),
                digest: password_digest(user, password),
            }),
            password: Arc::new(Zeroizing::new(password.into())),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Misuse> {
        check_user(self.user())?;
        match self.name.has_digest() {
            true => Ok(()),
            false => Err(Misuse::new("srp: there are no random bytes")),
        }
    }

    /// Whether a session in which this user had logged in was with the same password, if that is known.
    pub(crate) fn is_of(&self, name: &SharedSecretName) -> bool {
        match name.has_digest() {
            true => *self.name == *name,
            false => name.user() == Some(self.user()),
        }
    }

    pub(crate) fn name(&self) -> &Arc<SharedSecretName> {
        &self.name
    }

    pub(crate) fn user(&self) -> &[u8] {
        &self.name.identity
    }

    /// Of the name, and of what `with` is a digest of.
    pub(crate) fn digest(&self, with: Option<[u8; 32]>) -> [u8; 32] {
        let mut hasher = Hasher::new(HashAlgorithm::Sha256);
        hasher.update(b"portcullis: user of SRP");
        hasher.update(&with.unwrap_or_default());
        hasher.update(self.user());
        let mut digest = [0; 32];
        digest.copy_from_slice(hasher.finish().as_slice());
        digest
    }

    pub(crate) fn hash(&self, salt: &[u8]) -> Zeroizing<[u8; 20]> {
        hash_of_password(self.user(), &self.password, salt)
    }
}

impl core::fmt::Debug for SrpLogin {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SrpLogin(..)")
    }
}

/// The server's part of one handshake, and whose verifier it is.
pub(crate) struct SrpShare {
    pub(crate) half: srp::ServerHalf,
    verifier: SrpVerifier,
}

impl SrpShare {
    pub(crate) fn start(verifier: SrpVerifier, random: &mut Random) -> Result<Self, CryptoFailure> {
        Ok(Self {
            half: srp::ServerHalf::generate(verifier.group(), verifier.verifier(), random)?,
            verifier,
        })
    }

    pub(crate) fn salt(&self) -> &[u8] {
        self.verifier.salt()
    }

    pub(crate) fn name(&self) -> &Arc<SharedSecretName> {
        self.verifier.name()
    }
}

#[cfg(all(test, feature = "finite-field"))]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded_and_nothing_is_shown() {
        let group = SrpGroup::Bits1024;
        for (user, salt, good) in [
            (1, 1, true),
            (255, 255, true),
            (0, 1, false),
            (256, 1, false),
            (1, 0, false),
            (1, 256, false),
        ] {
            let made = SrpVerifier::new(vec![b'u'; user], group, vec![7; salt], [9; 128]);
            assert_eq!(made.is_ok(), good, "{user} {salt}");
        }
        for verifier in [&[0][..], &[0xff; 128], &[1; 129]] {
            let made = SrpVerifier::new("u", group, "salt", verifier);
            let error = made.unwrap_err().to_string();
            assert!(error.contains("below the prime"), "{error}");
        }
        let made = SrpVerifier::from_password("u", "secret", group).unwrap();
        assert_eq!(format!("{made:?}"), "SrpVerifier(..)");
        let users = SrpUsers::new([made.clone()]).unwrap();
        assert_eq!(format!("{users:?}"), "SrpUsers(1)");
        assert!(SrpUsers::new([made.clone(), made]).is_err());
        let login = SrpLogin::new(b"u", b"secret");
        assert_eq!(format!("{login:?}"), "SrpLogin(..)");
    }

    /// §2.5.1.3: the same each time for a name, and nothing that a real user could not have.
    #[test]
    fn who_is_not_there_is_simulated() {
        for group in SrpGroup::ALL.iter().copied() {
            let alice = SrpVerifier::new("alice", group, [7; 40], [9; 64]).unwrap();
            let users = SrpUsers::new([alice.clone()]).unwrap().seed([1; 32]);
            let again = SrpUsers::new([alice]).unwrap().seed([1; 32]);
            let other = again.clone().seed([2; 32]);
            let bob = users.simulate(b"bob");
            assert_eq!((bob.group(), bob.salt().len()), (group, 40));
            assert!(srp::is_verifier(group, bob.verifier()));
            assert!(bob == again.simulate(b"bob"));
            assert_eq!(bob.salt(), again.simulate(b"bob").salt());
            for another in [users.simulate(b"eve"), other.simulate(b"bob")] {
                assert_ne!(bob.salt(), another.salt());
                assert_ne!(bob.verifier(), another.verifier());
            }
        }
    }
}
