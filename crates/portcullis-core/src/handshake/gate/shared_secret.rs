//! The secret of cookies that several servers share: what one has asked for comes back to another.
//!
//! RFC 9147 §5.1, RFC 8446 §4.2.2. Time is divided into periods since 1970, and each has a key of its own, made of the seed and the
//! period's number (HMAC-SHA256), so that keys change everywhere at once, without a word between servers.

use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::cookie::SECRET_LIFETIME;
use crate::crypto::CryptoFailure;
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::hmac::HmacKey;
use crate::crypto::random::Random;
use crate::crypto::secret::ConstantTimeEq as _;
use crate::error::{Abort, Error, Misuse, Stage};

const LABEL: &[u8] = b"portcullis cookie 1";
/// The most seeds that are kept.
const MOST_SEEDS: usize = 4;

/// What the cookies of a fleet are sealed with ([`Gate::cookie_secret`](super::Gate::cookie_secret)): behind one address that
/// leads to several servers, a client's second hello may come to another server than its first one. Cheap to clone; clones are
/// the same secret. Never printed, and wiped.
///
/// Each ten minutes since 1970 have a key of their own, made of the seed, and those before and after are good as well. A
/// cookie is good for a minute by the clock of whoever reads it, or a minute ahead of it: clocks have to be closer together
/// than that.
///
/// One fleet, one secret: servers with the same seed take each other's cookies, whatever else they are configured for. With
/// Encrypted ClientHello they need the same keys of that as well, or a second hello that comes to another server ends the
/// handshake.
///
/// Whoever has the seed can begin handshakes in the name of any address, and no more: it says nothing of any connection.
#[derive(Clone)]
pub struct CookieSecret(Arc<RwLock<Seeds>>);

struct Seeds {
    /// The first one seals, all open.
    keys: Vec<HmacKey>,
    /// How often they were replaced.
    generation: u64,
}

impl CookieSecret {
    /// Of seeds that every server of the fleet has: each 32 to 1,024 bytes that nobody can guess, such as those of
    /// `openssl rand 32`. The first one seals, all open.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::*; }
    /// use portcullis::CookieSecret;
    ///
    /// # fn main() -> Result<(), portcullis::Misuse> {
    /// # let seed = [7; 32];
    /// let secret = CookieSecret::new([&seed[..]])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When there is no seed, or more than 4, or one is too short, too long, or nothing but zeros.
    pub fn new<'a>(seeds: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, Misuse> {
        Ok(Self(Arc::new(RwLock::new(Seeds {
            keys: keys(seeds)?,
            generation: 0,
        }))))
    }

    /// Of a seed that is drawn here and that nobody else has: for several gates of one process.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn random() -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 32]);
        let filled = Random::system().fill(&mut *seed);
        filled
            .map_err(|failure| Abort::from(CryptoFailure::from(failure)))
            .and_then(|()| Self::new([&seed[..]]).map_err(Abort::from))
            .map_err(|abort| abort.into_silent_error(Stage::Start))
    }

    /// Changes the seeds, while gates have them. To a running fleet a new one is given in two steps: first behind the old
    /// one, so that every server opens what others will seal, then before it.
    ///
    /// # Errors
    /// As [`new`](Self::new); then nothing changes.
    pub fn replace<'a>(&self, seeds: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Misuse> {
        let keys = keys(seeds)?;
        let mut seeds = self.0.write().unwrap_or_else(PoisonError::into_inner);
        seeds.keys = keys;
        seeds.generation = seeds.generation.wrapping_add(1);
        Ok(())
    }

    pub(super) fn generation(&self) -> u64 {
        let seeds = self.0.read().unwrap_or_else(PoisonError::into_inner);
        seeds.generation
    }

    /// The key that seals in a period.
    pub(super) fn sealing(&self, period: u64) -> Option<HmacKey> {
        let seeds = self.0.read().unwrap_or_else(PoisonError::into_inner);
        seeds.keys.first().map(|seed| of_period(seed, period))
    }

    /// The keys that open in a period, which are those of the one before and of the next as well; with their ids.
    pub(super) fn opening(&self, period: u64) -> Vec<(u8, HmacKey)> {
        let seeds = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let periods = [period, period.wrapping_sub(1), period.wrapping_add(1)];
        // A vector that grows leaves what it had behind.
        let mut keys = Vec::with_capacity(periods.len() * seeds.keys.len());
        for period in periods {
            for seed in &seeds.keys {
                keys.push((id(period), of_period(seed, period)));
            }
        }
        keys
    }
}

fn of_period(seed: &HmacKey, period: u64) -> HmacKey {
    let key = seed.mac([LABEL, &period.to_be_bytes()].into_iter());
    HmacKey::new(HashAlgorithm::Sha256, key.as_slice())
}

/// What stands for a period in cookies.
pub(super) const fn id(period: u64) -> u8 {
    let [.., id] = period.to_be_bytes();
    id
}

/// Which period that is, counted since 1970.
pub(super) const fn period(since_1970: core::time::Duration) -> u64 {
    since_1970.as_secs() / SECRET_LIFETIME.as_secs()
}

fn keys<'a>(seeds: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<HmacKey>, Misuse> {
    const WHAT: &str = "it is 32 to 1,024 random bytes, such as those of `openssl rand 32`";
    let mut keys = Vec::with_capacity(MOST_SEEDS);
    for seed in seeds {
        if keys.len() == MOST_SEEDS {
            return Err(Misuse::new(format!(
                "cookie secret: there are more than {MOST_SEEDS} seeds; one seals, and the one before it still opens"
            )));
        }
        if !(32..=1_024).contains(&seed.len()) {
            let length = seed.len();
            return Err(Misuse::new(format!(
                "cookie secret: a seed has {length} bytes; {WHAT}"
            )));
        }
        // CVE-2020-13777: what was never filled.
        if seed.ct_eq(&vec![0; seed.len()]) {
            return Err(Misuse::new(format!(
                "cookie secret: a seed is nothing but zeros; {WHAT}"
            )));
        }
        keys.push(HmacKey::new(HashAlgorithm::Sha256, seed));
    }
    match keys.is_empty() {
        true => Err(Misuse::new(format!(
            "cookie secret: there is no seed; {WHAT}"
        ))),
        false => Ok(keys),
    }
}

impl core::fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CookieSecret(..)")
    }
}
