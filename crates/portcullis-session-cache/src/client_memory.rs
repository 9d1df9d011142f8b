//! A store in memory, with bounds for all sessions and for those of one key.

use std::collections::HashMap;
use std::fmt;
use std::future::ready;
use std::sync::Arc;

use portcullis_core::session::{ClientSession, SessionKey};
use rustls_pki_types::UnixTime;

use crate::shards::Shards;
use crate::slots::{MOST, Slot, Slots};
use crate::{SessionStore, StoreFuture};

/// How many sessions of one key are kept: twice what a server of this library sends.
const PER_KEY: usize = 6;

/// What a session takes beside its own bytes: its place and its number.
const ENTRY: usize = 256;

/// Sessions in memory. Its futures are ready at once.
///
/// It gives the newest session of a key first, and one for each connection. When it is full the
/// oldest makes room, whatever its key; one key has at most 6. One for many sessions is divided into parts,
/// at most 64, which have as much of the bounds each, so that threads seldom wait for each other.
pub struct MemorySessionStore {
    sessions: Shards<Sessions>,
}

#[derive(Default)]
struct Sessions {
    /// Of each key, the oldest first. No list is empty.
    by_key: HashMap<Arc<SessionKey>, List>,
    kept: Slots<Kept>,
    bytes: usize,
}

struct Kept {
    key: Arc<SessionKey>,
    session: ClientSession,
    size: usize,
}

impl MemorySessionStore {
    /// A store for at most `capacity` sessions; one of 0 keeps none. A session is some hundred
    /// bytes, its ticket, which has a few thousand with a client's certificate in it, and the
    /// server's certificates, mostly some thousand and at most as long as a handshake message may
    /// be ([`max_handshake_size`](portcullis_core::config::ClientConfigBuilder::max_handshake_size));
    /// sessions with servers that show the same chain share it while the process lives.
    pub fn new(capacity: usize) -> Self {
        Self::bounded(capacity, usize::MAX)
    }

    /// The same, of which all sessions together take at most `bytes`. Counted is what a session takes if it
    /// shares nothing; one that is longer than `bytes`, or than its part's share of them, is not kept.
    pub fn bounded(capacity: usize, bytes: usize) -> Self {
        Self {
            sessions: Shards::new(capacity, bytes),
        }
    }

    /// How many sessions there are, also those that have expired and were not met since.
    pub fn len(&self) -> usize {
        self.sessions.each().map(|part| part.kept.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many bytes they take, if they share nothing.
    pub fn bytes(&self) -> usize {
        self.sessions.each().map(|part| part.bytes).sum()
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        for mut part in self.sessions.each() {
            part.by_key.clear();
            part.kept.clear();
            part.bytes = 0;
        }
    }
}

/// A store for 1,000 sessions.
impl Default for MemorySessionStore {
    fn default() -> Self {
        Self::new(1_000)
    }
}

impl SessionStore for MemorySessionStore {
    fn take<'a>(
        &'a self,
        key: &'a SessionKey,
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<ClientSession>> {
        let taken = self.sessions.of(key).take(key, now);
        Box::pin(ready(taken.into_iter().collect()))
    }

    fn put<'a>(&'a self, key: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
        let size = ENTRY + session.size();
        if self.sessions.capacity > 0 && size <= self.sessions.bytes {
            let mut part = self.sessions.of(key);
            part.make_room(session.received_at(), size, &self.sessions);
            part.put(key, session, size);
        }
        Box::pin(ready(()))
    }

    fn forget<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, ()> {
        self.sessions.of(key).forget(key);
        Box::pin(ready(()))
    }

    fn len<'a>(&'a self) -> StoreFuture<'a, Option<usize>> {
        Box::pin(ready(Some(self.len())))
    }

    fn for_each<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(&SessionKey, &ClientSession) + Send),
    ) -> StoreFuture<'a, bool> {
        for part in self.sessions.each() {
            // Not shown under the lock: `visit` may use the store.
            let one = |kept: &Kept| (Arc::clone(&kept.key), kept.session.clone());
            let shown: Vec<_> = part.kept.all().map(one).collect();
            drop(part);
            shown.iter().for_each(|(key, session)| visit(key, session));
        }
        Box::pin(ready(true))
    }
}

/// The places of the sessions of one key.
#[derive(Clone, Copy, Default)]
struct List {
    slots: [Slot; PER_KEY],
    len: usize,
}

impl List {
    fn as_slice(&self) -> &[Slot] {
        self.slots.get(..self.len).unwrap_or_default()
    }

    /// It is not full.
    fn push(&mut self, slot: Slot) {
        if let Some(free) = self.slots.get_mut(self.len) {
            *free = slot;
            self.len += 1;
        }
    }

    fn remove(&mut self, slot: Slot) {
        if let Some(at) = self.as_slice().iter().position(|one| *one == slot) {
            self.slots.copy_within(at + 1..self.len, at);
            self.len -= 1;
        }
    }
}

impl Sessions {
    fn take(&mut self, key: &SessionKey, now: UnixTime) -> Option<ClientSession> {
        loop {
            let list = self.by_key.get(key)?;
            let newest = *list.as_slice().last()?;
            let session = &self.kept.get(newest)?.session;
            let is_expired = session.is_expired(now);
            // One of before TLS 1.3 is given as long as it lives.
            if !is_expired && !session.is_single_use() {
                return Some(session.clone());
            }
            let session = self.remove(newest)?;
            if !is_expired {
                return Some(session);
            }
        }
    }

    /// Room for one of so many bytes, of which the bounds have enough.
    fn make_room(&mut self, received_at: UnixTime, size: usize, bounds: &Shards<Self>) {
        // There is no clock here: it is at least as late as this session came.
        let now = received_at;
        let is_old = |oldest: &ClientSession| oldest.received_at() <= now && oldest.is_expired(now);
        let (most, room) = (bounds.capacity.min(MOST), bounds.bytes - size);
        while let Some((slot, oldest)) = self.kept.oldest()
            && (self.kept.len() >= most || self.bytes > room || is_old(&oldest.session))
        {
            self.remove(slot);
        }
    }

    fn put(&mut self, key: &SessionKey, session: ClientSession, size: usize) {
        let known = self.by_key.get_key_value(key);
        let known = known.map(|(key, list)| (Arc::clone(key), *list));
        let (key, list) = known.unwrap_or_else(|| (Arc::new(key.clone()), List::default()));
        if let [oldest, ..] = list.as_slice()
            && list.len == PER_KEY
        {
            self.remove(*oldest);
        }
        self.bytes += size;
        let kept = Kept {
            key: Arc::clone(&key),
            session,
            size,
        };
        let slot = self.kept.insert(kept);
        self.by_key.entry(key).or_default().push(slot);
    }

    fn remove(&mut self, slot: Slot) -> Option<ClientSession> {
        let Kept { key, session, size } = self.kept.remove(slot)?;
        self.bytes -= size;
        if let Some(list) = self.by_key.get_mut(&key) {
            list.remove(slot);
            if list.len == 0 {
                self.by_key.remove(&key);
            }
        }
        Some(session)
    }

    fn forget(&mut self, key: &SessionKey) {
        let list = self.by_key.get(key).copied().unwrap_or_default();
        for slot in list.as_slice() {
            self.remove(*slot);
        }
    }
}

impl fmt::Debug for MemorySessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessionStore")
            .field("len", &self.len())
            .field("bytes", &self.bytes())
            .finish()
    }
}
