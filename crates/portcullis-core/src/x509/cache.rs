//! A bounded map from digests, which forgets first what was not asked for again.
//!
//! Each shard is a clock: a new entry takes the place of the first one behind the hand that was
//! not asked for since the hand came by. So what comes once, however much of it, does not push
//! out what comes back.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::digests::Sha256Digest;

/// Each has its own lock, which is held for one look-up.
const SHARDS: usize = 8;

/// With fewer entries there is one shard, so that a few digests find room wherever they fall.
const FEW: usize = 64;

pub(super) struct Cache<V> {
    shards: Box<[Mutex<Shard<V>>]>,
}

struct Shard<V> {
    capacity: usize,
    /// Where in `entries`.
    places: HashMap<Sha256Digest, usize, BuildHasherDefault<FirstBytes>>,
    entries: Vec<Entry<V>>,
    hand: usize,
}

struct Entry<V> {
    digest: Sha256Digest,
    value: V,
    /// Since the hand came by.
    was_asked_for: bool,
}

impl<V: Clone> Cache<V> {
    /// Room for so many entries, which is taken as they come. It is rounded down to whole shards.
    pub(super) fn new(capacity: usize) -> Self {
        let shards = if capacity < FEW { 1 } else { SHARDS };
        let shard = || {
            Mutex::new(Shard {
                capacity: capacity / shards,
                places: HashMap::default(),
                entries: Vec::new(),
                hand: 0,
            })
        };
        Self {
            shards: core::iter::repeat_with(shard).take(shards).collect(),
        }
    }

    pub(super) fn get(&self, digest: &Sha256Digest) -> Option<V> {
        let shard = &mut *self.shard(digest)?;
        let place = *shard.places.get(digest)?;
        let entry = shard.entries.get_mut(place)?;
        entry.was_asked_for = true;
        Some(entry.value.clone())
    }

    pub(super) fn insert(&self, digest: Sha256Digest, value: V) {
        // What was there is dropped when the lock is no longer held.
        let _old = self
            .shard(&digest)
            .map(|mut shard| shard.put(digest, value));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let lock = |shard: &Mutex<Shard<V>>| shard.lock().unwrap().entries.len();
        self.shards.iter().map(lock).sum()
    }

    fn shard(&self, digest: &Sha256Digest) -> Option<MutexGuard<'_, Shard<V>>> {
        // The hash table goes by the first bytes.
        let [.., last] = digest;
        let shard = self.shards.get(usize::from(*last) % self.shards.len())?;
        // Nothing between the changes to a shard can panic.
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<V> Shard<V> {
    /// Gives back what was in the entry's place.
    fn put(&mut self, digest: Sha256Digest, value: V) -> Option<Entry<V>> {
        let place = match self.places.get(&digest) {
            Some(place) => *place,
            None if self.entries.len() < self.capacity => self.entries.len(),
            None => self.least_wanted()?,
        };
        let entry = Entry {
            digest,
            value,
            was_asked_for: false,
        };
        let old = match self.entries.get_mut(place) {
            Some(old) => Some(core::mem::replace(old, entry)),
            None => {
                self.entries.push(entry);
                None
            }
        };
        if let Some(old) = &old {
            self.places.remove(&old.digest);
        }
        self.places.insert(digest, place);
        old
    }

    /// Moves the hand on, twice around at most.
    fn least_wanted(&mut self) -> Option<usize> {
        loop {
            let place = self.hand;
            self.hand = (place + 1) % self.entries.len().max(1);
            let entry = self.entries.get_mut(place)?;
            if !core::mem::take(&mut entry.was_asked_for) {
                return Some(place);
            }
        }
    }
}

/// The digests are those of a secret, so their bytes are as good as any hash of them.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    /// Of the length, which is the same for all.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> Sha256Digest {
        let mut digest = Sha256Digest::default();
        digest[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        digest[31] = u8::try_from(number % 251).unwrap();
        digest
    }

    #[test]
    fn it_has_no_more_than_there_is_room_for() {
        for capacity in [0, 1, 2, 63, 64, 100] {
            let cache = Cache::new(capacity);
            for number in 0..1_000 {
                cache.insert(digest(number), number);
                let found = cache.get(&digest(number));
                assert_eq!(found, (capacity > 0).then_some(number));
            }
            let room = if capacity < FEW {
                capacity
            } else {
                capacity - capacity % SHARDS
            };
            assert_eq!(cache.len(), room);
            for number in 0..1_000 {
                assert!(
                    cache
                        .get(&digest(number))
                        .is_none_or(|found| found == number)
                );
            }
        }
    }

    #[test]
    fn a_value_is_replaced() {
        let cache = Cache::new(2);
        cache.insert(digest(1), "old");
        cache.insert(digest(1), "new");
        assert_eq!((cache.get(&digest(1)), cache.len()), (Some("new"), 1));
    }

    /// What is asked for again and again stays, whatever comes once.
    #[test]
    fn what_comes_back_is_not_pushed_out() {
        let cache = Cache::new(64);
        for number in 0..8 {
            cache.insert(digest(number), number);
        }
        for passing in 1_000..20_000 {
            for number in 0..8 {
                assert_eq!(cache.get(&digest(number)), Some(number), "{passing}");
            }
            cache.insert(digest(passing), passing);
        }
    }
}
