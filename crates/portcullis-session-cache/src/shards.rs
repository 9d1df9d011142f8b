//! Parts of a store that threads lock each for itself.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};
#[cfg(not(portcullis_loom))]
use std::sync::{Mutex, MutexGuard};

#[cfg(portcullis_loom)]
use loom::sync::{Mutex, MutexGuard};

/// A part is worth a lock of its own if it may have so many sessions and bytes: with fewer the bounds of
/// the parts would be far from that of the whole.
const WORTHWHILE: usize = 1_024;
const WORTHWHILE_BYTES: usize = 1024 * 1024;
/// More threads than that seldom meet.
const MOST: usize = 64;

/// What belongs to one key is in one part, which a secret hash of the key names: whoever chooses keys
/// cannot fill a single part.
pub(crate) struct Shards<T> {
    parts: Box<[Part<T>]>,
    hasher: RandomState,
    /// The bounds of each part.
    pub(crate) capacity: usize,
    pub(crate) bytes: usize,
}

/// On a cache line of its own, or threads that use neighbours would wait for each other all the same.
#[repr(align(64))]
struct Part<T>(Mutex<T>);

impl<T: Default> Shards<T> {
    /// For so many sessions of so many bytes together.
    pub(crate) fn new(capacity: usize, bytes: usize) -> Self {
        let count = (capacity / WORTHWHILE).min(bytes / WORTHWHILE_BYTES);
        let count = count.clamp(1, MOST);
        let parts = (0..count).map(|_| Part(Mutex::new(T::default())));
        Self {
            parts: parts.collect(),
            hasher: RandomState::new(),
            capacity: capacity / count,
            bytes: bytes / count,
        }
    }

    /// A secret hash of a key.
    pub(crate) fn hash<K: Hash + ?Sized>(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The part that a key of this hash belongs to.
    pub(crate) fn of(&self, hash: u64) -> MutexGuard<'_, T> {
        #[allow(clippy::cast_possible_truncation, reason = "below 64")]
        let at = (hash % self.parts.len() as u64) as usize;
        lock(&self.parts[at].0)
    }

    /// All parts, one after another.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.parts.iter().map(|part| lock(&part.0))
    }
}

/// Nothing is half done where a thread may panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// For maps whose keys are hashes already.
#[derive(Clone, Copy, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    /// The low bits have named the part.
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash.rotate_right(6);
    }
}

/// A map by hashes.
pub(crate) type ByHash<T> = HashMap<u64, T, BuildHasherDefault<Hashed>>;
