//! The state of one direction: traffic secret, key, sequence number, and how long they last.
//!
//! RFC 8446 §5.3, §5.5, §7.2. A cipher that is set up takes ten times the memory of its secret,
//! so it is set up when the first record needs it, and can be given back in between.

use crate::crypto::aead::AeadKey;
use crate::error::Abort;
use crate::key_schedule::TrafficSecret;

/// One direction's keys.
pub(crate) struct Keys {
    /// Key and IV, which follow from the secret; `None` while nothing is protected.
    key: Option<AeadKey>,
    pub(super) secret: TrafficSecret,
    /// The sequence number of the next record (§5.3).
    ///
    /// It cannot wrap: `left` starts at no more than `u64::MAX` and counts down with it.
    pub(super) seq: u64,
    /// Records until the cipher's limit is reached (§5.5).
    pub(super) left: u64,
    /// How many times the secret was updated: the N of `application_traffic_secret_N`.
    pub(super) generation: u32,
}

impl Keys {
    pub(super) fn new(secret: TrafficSecret) -> Self {
        Self {
            left: secret.suite_parameters().aead.record_limit(),
            key: None,
            secret,
            seq: 0,
            generation: 0,
        }
    }

    /// With the cipher, which follows from the secret.
    pub(crate) fn ready(secret: TrafficSecret, key: AeadKey) -> Self {
        Self {
            key: Some(key),
            ..Self::new(secret)
        }
    }

    /// Moves the keys; the secret that stays is none.
    pub(super) fn take(&mut self) -> Self {
        Self {
            key: self.key.take(),
            secret: self.secret.take(),
            ..*self
        }
    }

    /// The cipher, set up if it is not, and the sequence number.
    ///
    /// # Errors
    /// When the crypto library cannot set up a key.
    #[inline]
    pub(super) fn cipher(&mut self) -> Result<(&AeadKey, u64), Abort> {
        let key = match &mut self.key {
            Some(key) => key,
            empty => empty.insert(set_up(&self.secret)?),
        };
        Ok((key, self.seq))
    }

    /// Gives the cipher back until a record needs it.
    pub(super) fn hibernate(&mut self) {
        self.key = None;
    }

    /// Whether no cipher is set up.
    pub(super) fn is_hibernating(&self) -> bool {
        self.key.is_none()
    }

    /// Hands the cipher out; it comes back, or is set up again.
    pub(super) fn take_cipher(&mut self) -> Option<AeadKey> {
        self.key.take()
    }

    pub(super) fn put_cipher(&mut self, key: AeadKey) {
        self.key = Some(key);
    }

    /// Goes on to the next secret (§7.2).
    pub(super) fn update(&mut self) {
        let generation = self.generation.saturating_add(1);
        *self = Self {
            generation,
            ..Self::new(self.secret.next())
        };
    }

    /// Counts a record.
    #[inline]
    pub(super) fn advance(&mut self) {
        self.seq = self.seq.wrapping_add(1);
        self.left = self.left.saturating_sub(1);
    }
}

impl From<TrafficSecret> for Keys {
    fn from(secret: TrafficSecret) -> Self {
        Self::new(secret)
    }
}

/// Derives key and IV (§7.3).
#[cold]
fn set_up(secret: &TrafficSecret) -> Result<AeadKey, Abort> {
    Ok(secret.aead_key()?)
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Keys")
            .field("seq", &self.seq)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
