//! The keys with which a server seals sessions into tickets.
//!
//! RFC 8446 §4.6.1 ("self-encrypted and self-authenticated"), RFC 5077 §4 for the form: the
//! key's name, a salt, then what is sealed. Each ticket is sealed with a key of its own, made of the named one and the salt
//! (HMAC-SHA256): with one key for all, and nonces that are random, two tickets of 2^32 could have the same
//! (NIST SP 800-38D §8.3), and who counts the tickets of a fleet?

use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use rustls_pki_types::UnixTime;
use zeroize::Zeroizing;

use super::{Claims, MAX_TICKET, lifetime_in_seconds};
use crate::crypto::CryptoFailure;
use crate::crypto::aead::{AeadAlgorithm, AeadKey, IV_LEN, TAG_LEN};
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::hkdf::{LabelPrefix, Prk, extract};
use crate::crypto::hmac::HmacKey;
use crate::crypto::random::Random;
use crate::crypto::secret::{ConstantTimeEq as _, wipe_stack};
use crate::error::Misuse;

const NAME_LEN: usize = 16;
const KEY_LEN: usize = 32;
/// In one block of the hash with the label; no two of 2^64 are the same.
const SALT_LEN: usize = 24;
/// What the key of one ticket is derived from: random, and public.
pub(crate) type Salt = [u8; SALT_LEN];
const HEAD_LEN: usize = NAME_LEN + SALT_LEN;

const LABEL: &[u8] = b"portcullis ticket 2";

/// The most keys that are kept.
const MOST_KEYS: usize = 16;

/// Keys that seal and open tickets (AES-256-GCM). Cheap to clone; clones are the same keys.
///
/// Servers with the same keys resume each other's sessions, and only where the client would be
/// shown a certificate with the same names as the one that it has seen. Keys are not in that: a
/// renewed certificate keeps its sessions. Nor is what else a client may look at, so give the
/// same keys only to servers that are one to their clients.
///
/// Whoever gets a key can impersonate this server to clients that resume with a live ticket of it. In TLS 1.3
/// that opens no connections, since each resumption has a key exchange of its own, except where `psk_ke` is on; early
/// data has none in any case, and can be read. **Before TLS 1.3 it does open them**: a ticket holds the master secret, so
/// a recorded connection, and all that resumed it, can be read, however old they are.
#[derive(Clone)]
pub struct TicketKeys(Arc<Keys>);

struct Keys {
    /// The first one seals, all open.
    ring: RwLock<Vec<Arc<TicketKey>>>,
    change: Change,
    /// Of keys that this process alone has: who remembers which early data was accepted by their tickets.
    claims: OnceLock<Claims>,
}

/// How keys change.
enum Change {
    /// The user gives others.
    ByUser,
    /// A new one is made after so many seconds.
    Random(u32),
    /// Each period, of so many seconds, has its own.
    Derived(u32, Prk),
}

struct TicketKey {
    name: [u8; NAME_LEN],
    key: HmacKey,
    since: UnixTime,
}

impl TicketKey {
    fn new(name: [u8; NAME_LEN], key: &[u8; KEY_LEN], since: UnixTime) -> Arc<Self> {
        let key = HmacKey::new(HashAlgorithm::Sha256, key);
        Arc::new(Self { name, key, since })
    }

    /// The key of the ticket with this salt: it seals once, so that its nonce can be 0.
    fn of_ticket(&self, salt: &[u8; SALT_LEN]) -> Result<AeadKey, CryptoFailure> {
        let key = self.key.mac([LABEL, salt].into_iter());
        AeadKey::new(
            AeadAlgorithm::Aes256Gcm,
            key.as_slice(),
            &[0; IV_LEN as usize],
        )
    }
}

impl TicketKeys {
    /// The length of a secret that [`shared`](Self::shared) takes, in bytes.
    pub const SECRET_LEN: usize = NAME_LEN + KEY_LEN;

    /// Keys that nobody else knows, and that change by themselves: each seals for one `period`, and opens for one
    /// more. A period is 1 second to 7 days, in whole seconds; tickets live no longer than that.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use std::time::Duration;
    /// use portcullis::session::TicketKeys;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let keys = TicketKeys::rotating(Duration::from_secs(3_600))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When `period` is out of bounds, or no whole number of seconds.
    pub fn rotating(period: Duration) -> Result<Self, Misuse> {
        let seconds = lifetime_in_seconds("ticket keys", period)?;
        Ok(Self(Arc::new(Keys {
            ring: RwLock::new(Vec::new()),
            change: Change::Random(seconds),
            claims: OnceLock::new(),
        })))
    }

    /// Keys that every server with the same seed has, and that change by themselves everywhere at once, without
    /// a word between servers: time is divided into periods since 1970, and each period has a key of its own,
    /// made of the seed and the period's number (HKDF, SHA-256). It seals for one `period`; opened is what keys
    /// of the last, this, and the next period have sealed, so that clocks may be apart by as much. A
    /// period is 1 second to 7 days, in whole seconds, and the same everywhere; tickets live no longer than that.
    ///
    /// A seed is 32 to 1,024 bytes that nobody can guess, such as those of `openssl rand 48`. With it one opens
    /// all tickets there ever were and will be, unlike with one key, and so reads all connections of before TLS 1.3
    /// that had one: change it now and then, which costs a full handshake for
    /// each session.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use std::time::Duration;
    /// use portcullis::session::TicketKeys;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let seed = [7; 48];
    /// let keys = TicketKeys::derived(&seed, Duration::from_secs(3_600))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When `period` or the length of the seed is out of bounds, `period` is no whole number of seconds, or the seed is
    /// nothing but zeros.
    pub fn derived(seed: &[u8], period: Duration) -> Result<Self, Misuse> {
        let seconds = lifetime_in_seconds("ticket keys", period)?;
        if !(32..=1_024).contains(&seed.len()) {
            return Err(Misuse::new(format!(
                "ticket keys: the seed has {} bytes; it is 32 to 1,024 random bytes, such as those of \
                 `openssl rand 48`",
                seed.len()
            )));
        }
        // CVE-2020-13777: what was never filled.
        if seed.ct_eq(&vec![0; seed.len()]) {
            return Err(Misuse::new(
                "ticket keys: the seed is nothing but zeros; it is 32 to 1,024 random bytes, such as those of \
                 `openssl rand 48`",
            ));
        }
        let prk = extract(HashAlgorithm::Sha256, b"portcullis ticket keys 1", seed);
        let prk = Prk::new(HashAlgorithm::Sha256, LabelPrefix::Tls13, &prk);
        Ok(Self(Arc::new(Keys {
            ring: RwLock::new(Vec::new()),
            change: Change::Derived(seconds, prk),
            claims: OnceLock::new(),
        })))
    }

    /// Keys that every server of a fleet has: the first one seals as many tickets as one likes, all open. A secret is 48
    /// random bytes, of which the first 16 are its public name. Change the first one with
    /// [`replace`](Self::replace) at least once a day.
    ///
    /// # Errors
    /// As [`replace`](Self::replace).
    pub fn shared<'a>(
        secrets: impl IntoIterator<Item = &'a [u8; Self::SECRET_LEN]>,
    ) -> Result<Self, Misuse> {
        Ok(Self(Arc::new(Keys {
            ring: RwLock::new(ring(secrets)?),
            change: Change::ByUser,
            claims: OnceLock::new(),
        })))
    }

    /// Changes shared keys. To a running fleet a new key is given in two steps: first behind the
    /// old one, so that every server opens what others will seal, then before it.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::session::TicketKeys;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (old, new) = ([1; TicketKeys::SECRET_LEN], [2; TicketKeys::SECRET_LEN]);
    /// let keys = TicketKeys::shared([&old])?;
    /// // Everywhere first:
    /// keys.replace([&old, &new])?;
    /// // Then:
    /// keys.replace([&new, &old])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When there is no secret, more than 16, two have one name, a key is nothing but zeros, or
    /// these keys change by themselves.
    pub fn replace<'a>(
        &self,
        secrets: impl IntoIterator<Item = &'a [u8; Self::SECRET_LEN]>,
    ) -> Result<(), Misuse> {
        if self.lifetime().is_some() {
            return Err(Misuse::new(
                "ticket keys: these change by themselves; make shared ones",
            ));
        }
        *self.0.ring.write().unwrap_or_else(PoisonError::into_inner) = ring(secrets)?;
        Ok(())
    }

    /// How long a ticket can be opened at least, in seconds; `None` if only the user changes
    /// keys.
    pub(crate) fn lifetime(&self) -> Option<u32> {
        match self.0.change {
            Change::ByUser => None,
            Change::Random(period) | Change::Derived(period, _) => Some(period),
        }
    }

    /// Whether other processes may have them, or this one after a restart.
    pub(crate) fn are_shared(&self) -> bool {
        match self.0.change {
            Change::ByUser | Change::Derived(..) => true,
            Change::Random(_) => false,
        }
    }

    /// Whoever remembers which early data was accepted by tickets of these keys: whoever was the first to be told so, in the
    /// place of `claims`, or each configuration would accept the same once. Shared keys are those of others, too, and who
    /// remembers for these is asked.
    ///
    /// # Errors
    /// When the first was of another kind.
    pub(crate) fn claims(&self, claims: &Claims) -> Result<Claims, Misuse> {
        if self.are_shared() {
            return Ok(claims.clone());
        }
        match (self.0.claims.get_or_init(|| claims.clone()), claims) {
            (first @ Claims::Local(_), Claims::Local(_))
            | (first @ Claims::Asked, Claims::Asked) => Ok(first.clone()),
            _ => Err(Misuse::new(
                "early_data: another configuration with these ticket keys has early data accepted by another kind of \
                 AntiReplay, and neither would know what the other has accepted; give them the same, or each its \
                 own keys",
            )),
        }
    }

    /// Seals a session; `None` if it would make too long a ticket.
    pub(crate) fn seal(
        &self,
        session: &[u8],
        now: UnixTime,
        random: &mut Random,
    ) -> Result<Option<Vec<u8>>, CryptoFailure> {
        let mut salt = [0; SALT_LEN];
        random.fill(&mut salt)?;
        self.seal_salted(session, &salt, now, random)
    }

    /// The same with a salt that was drawn together with other random bytes, and is for this ticket alone.
    pub(crate) fn seal_salted(
        &self,
        session: &[u8],
        salt: &Salt,
        now: UnixTime,
        random: &mut Random,
    ) -> Result<Option<Vec<u8>>, CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingTicket;
        if HEAD_LEN + session.len() + TAG_LEN > MAX_TICKET {
            return Ok(None);
        }
        let current = self.current(now, random)?;
        let mut ticket = Vec::with_capacity(HEAD_LEN + session.len() + TAG_LEN);
        ticket.extend_from_slice(&current.name);
        ticket.extend_from_slice(salt);
        ticket.resize(HEAD_LEN + session.len() + TAG_LEN, 0);
        let (_, sealed) = ticket.split_at_mut_checked(HEAD_LEN).ok_or(FAILURE)?;
        current
            .of_ticket(salt)?
            .seal_scatter(0, &current.name, session, &[], sealed)
            .map_err(|_| FAILURE)?;
        Ok(Some(ticket))
    }

    /// For `benches/`: what a ticket costs, without a handshake around it.
    #[doc(hidden)]
    pub fn seal_and_open(&self, session: &[u8], now: UnixTime) -> bool {
        let sealed = self.seal(session, now, &mut Random::system());
        let opened = sealed
            .ok()
            .flatten()
            .and_then(|ticket| self.open(&ticket, now));
        opened.is_some_and(|opened| opened.len() == session.len())
    }

    /// Opens a ticket; `None` if none of the keys has sealed it.
    pub(crate) fn open(&self, ticket: &[u8], now: UnixTime) -> Option<Zeroizing<Vec<u8>>> {
        let (name, rest) = ticket.split_first_chunk::<NAME_LEN>()?;
        let (salt, sealed) = rest.split_first_chunk::<SALT_LEN>()?;
        let (body, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG_LEN)?)?;
        let mut key = {
            let ring = self.opening(now)?;
            let key = ring.iter().find(|key| key.name == *name)?;
            if !self.is_within(key, 2, now) {
                return None;
            }
            key.of_ticket(salt).ok()?
        };
        let mut session = Zeroizing::new(vec![0; body.len()]);
        key.open_into(0, name, body, tag, &mut session).ok()?;
        Some(session)
    }

    fn ring(&self) -> RwLockReadGuard<'_, Vec<Arc<TicketKey>>> {
        self.0.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that open now.
    fn opening(&self, now: UnixTime) -> Option<RwLockReadGuard<'_, Vec<Arc<TicketKey>>>> {
        let Change::Derived(period, prk) = &self.0.change else {
            return Some(self.ring());
        };
        let ring = self.ring();
        if is_of_period(&ring, *period, now) {
            return Some(ring);
        }
        drop(ring);
        self.derive(*period, prk, now).ok()?;
        Some(self.ring())
    }

    /// Makes the keys of this period, the next, and the last; what is there of them stays.
    fn derive(&self, period: u32, prk: &Prk, now: UnixTime) -> Result<(), CryptoFailure> {
        let number = now.as_secs() / u64::from(period);
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        let mut keys = Vec::with_capacity(3);
        for number in [number, number.saturating_add(1), number.saturating_sub(1)] {
            let since = number.saturating_mul(u64::from(period));
            let since = UnixTime::since_unix_epoch(Duration::from_secs(since));
            let known = ring.iter().find(|key| key.since == since);
            keys.push(match known {
                Some(key) => Arc::clone(key),
                None => derived_key(period, number, since, prk)?,
            });
        }
        *ring = keys;
        Ok(())
    }

    /// Whether a key is at most so many periods old. One from as far in the future is not
    /// used either: the clock was wrong, and the key would stay for as long as it was.
    fn is_within(&self, key: &TicketKey, periods: u64, now: UnixTime) -> bool {
        self.lifetime().is_none_or(|period| {
            key.since.as_secs().abs_diff(now.as_secs()) < periods * u64::from(period)
        })
    }

    /// The key that seals now.
    fn current(&self, now: UnixTime, random: &mut Random) -> Result<Arc<TicketKey>, CryptoFailure> {
        if let Change::Derived(..) = self.0.change {
            let ring = self.opening(now).ok_or(CryptoFailure::SealingTicket)?;
            return ring.first().cloned().ok_or(CryptoFailure::SealingTicket);
        }
        if let Some(key) = self.first_to_seal(&self.ring(), now) {
            return Ok(key);
        }
        let mut name = [0; NAME_LEN];
        let mut key = Zeroizing::new([0; KEY_LEN]);
        random.fill(&mut name)?;
        random.fill(&mut *key)?;
        let new = TicketKey::new(name, &key, now);
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        // Another connection may have been first.
        if let Some(key) = self.first_to_seal(&ring, now) {
            return Ok(key);
        }
        ring.retain(|key| self.is_within(key, 2, now));
        ring.insert(0, Arc::clone(&new));
        ring.truncate(MOST_KEYS);
        Ok(new)
    }

    /// The first key, if it is not too old to seal.
    fn first_to_seal(&self, ring: &[Arc<TicketKey>], now: UnixTime) -> Option<Arc<TicketKey>> {
        let key = ring.first().filter(|key| self.is_within(key, 1, now))?;
        Some(Arc::clone(key))
    }

    /// What another process would have if it could have these keys.
    #[cfg(test)]
    pub(crate) fn of_another_process(&self) -> Self {
        Self(Arc::new(Keys {
            ring: RwLock::new(self.ring().clone()),
            change: Change::Random(self.lifetime().unwrap()),
            claims: OnceLock::new(),
        }))
    }
}

/// Whether the first key is that of this period.
fn is_of_period(ring: &[Arc<TicketKey>], period: u32, now: UnixTime) -> bool {
    ring.first().is_some_and(|key| {
        let since = now.as_secs().checked_sub(key.since.as_secs());
        since.is_some_and(|since| since < period.into())
    })
}

/// The key of a period.
fn derived_key(
    period: u32,
    number: u64,
    since: UnixTime,
    prk: &Prk,
) -> Result<Arc<TicketKey>, CryptoFailure> {
    let mut name = [0; NAME_LEN];
    let mut key = Zeroizing::new([0; KEY_LEN]);
    let (period, number) = (period.to_be_bytes(), number.to_be_bytes());
    prk.expand(&[b"name", &period, &number], &mut name)?;
    prk.expand(&[b"key", &period, &number], &mut *key)?;
    Ok(TicketKey::new(name, &key, since))
}

fn ring<'a>(
    secrets: impl IntoIterator<Item = &'a [u8; TicketKeys::SECRET_LEN]>,
) -> Result<Vec<Arc<TicketKey>>, Misuse> {
    let mut ring: Vec<Arc<TicketKey>> = Vec::new();
    for (at, secret) in secrets.into_iter().enumerate() {
        let (Some(name), Some(secret)) = (secret.first_chunk(), secret.last_chunk::<KEY_LEN>())
        else {
            continue;
        };
        if ring.iter().any(|other| other.name == *name) {
            return Err(Misuse::new("ticket keys: two secrets have the same name"));
        }
        // CVE-2020-13777: what was never filled.
        if secret.ct_eq(&[0; KEY_LEN]) {
            return Err(Misuse::new(format!(
                "ticket keys: the last 32 bytes of secret {} are all zero; a secret is 48 random \
                 bytes, such as those of `openssl rand 48`",
                at + 1
            )));
        }
        let since = UnixTime::since_unix_epoch(Duration::ZERO);
        ring.push(TicketKey::new(*name, secret, since));
    }
    // Keys were moved to where they stay.
    wipe_stack();
    match ring.len() {
        1..=MOST_KEYS => Ok(ring),
        0 => Err(Misuse::new("ticket keys: there is no secret")),
        _ => Err(Misuse::new("ticket keys: at most 16 secrets")),
    }
}

impl core::fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TicketKeys")
            .field("keys", &self.ring().len())
            .finish_non_exhaustive()
    }
}
