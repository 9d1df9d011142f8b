//! A server's store in memory, with bounds for the number of sessions and for their bytes.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::ready;
use std::sync::Arc;

use portcullis_core::session::ServerSession;
use rustls_pki_types::UnixTime;

use crate::shards::Shards;
use crate::{ServerSessionStore, StoreFuture};

/// What a session takes beside its own bytes: two entries, the id and the number.
const ENTRY: usize = 256;

/// Sessions of a server in memory. Its futures are ready at once.
///
/// When it is full the oldest sessions make room. What has expired is dropped when it is met, and from
/// the oldest on when another session comes. One for many sessions is divided into parts, at most 64, which
/// have as much of the bounds each, so that threads seldom wait for each other.
pub struct MemoryServerSessionStore {
    sessions: Shards<Sessions>,
}

#[derive(Default)]
struct Sessions {
    by_id: HashMap<Arc<[u8]>, Kept>,
    /// In the order of their coming.
    by_age: BTreeMap<u64, Arc<[u8]>>,
    bytes: usize,
    next: u64,
}

struct Kept {
    number: u64,
    session: ServerSession,
    until: UnixTime,
    size: usize,
}

impl MemoryServerSessionStore {
    /// A store for at most `capacity` sessions, which take at most `bytes` together. A session takes
    /// about 600 bytes, and its client's certificates, if there are some.
    pub fn new(capacity: usize, bytes: usize) -> Self {
        Self {
            sessions: Shards::new(capacity, bytes),
        }
    }

    /// How many sessions there are, also those that have expired and were not met since.
    pub fn len(&self) -> usize {
        self.sessions.each().map(|part| part.by_id.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        self.sessions.each().map(|part| part.bytes).sum()
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        for mut part in self.sessions.each() {
            part.by_id.clear();
            part.by_age.clear();
            part.bytes = 0;
        }
    }
}

/// A store for 20,000 sessions of 32 MiB together.
impl Default for MemoryServerSessionStore {
    fn default() -> Self {
        Self::new(20_000, 32 * 1024 * 1024)
    }
}

impl ServerSessionStore for MemoryServerSessionStore {
    fn put<'a>(
        &'a self,
        id: &'a [u8],
        session: ServerSession,
        until: UnixTime,
    ) -> StoreFuture<'a, ()> {
        let size = ENTRY + session.size();
        let Shards {
            capacity, bytes, ..
        } = self.sessions;
        if capacity > 0 && size <= bytes {
            let mut sessions = self.sessions.of(id);
            sessions.remove(id);
            sessions.drop_expired(session.issued_at());
            while sessions.by_id.len() >= capacity || sessions.bytes > bytes - size {
                sessions.drop_oldest();
            }
            sessions.insert(id, session, until, size);
        }
        Box::pin(ready(()))
    }

    fn get<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        let mut sessions = self.sessions.of(id);
        let found = sessions.by_id.get(id);
        let session = found
            .filter(|kept| kept.is_good(now))
            .map(|kept| kept.session.clone());
        if session.is_none() {
            sessions.remove(id);
        }
        Box::pin(ready(session))
    }

    fn claim<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        let taken = self.sessions.of(id).remove(id);
        let session = taken
            .filter(|kept| kept.is_good(now))
            .map(|kept| kept.session);
        Box::pin(ready(session))
    }

    fn forget<'a>(&'a self, id: &'a [u8]) -> StoreFuture<'a, ()> {
        self.sessions.of(id).remove(id);
        Box::pin(ready(()))
    }

    fn len<'a>(&'a self) -> StoreFuture<'a, Option<usize>> {
        Box::pin(ready(Some(self.len())))
    }

    fn for_each<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(&ServerSession) + Send),
    ) -> StoreFuture<'a, bool> {
        for part in self.sessions.each() {
            // Not shown under the lock: `visit` may use the store.
            let shown: Vec<_> = part
                .by_id
                .values()
                .map(|kept| kept.session.clone())
                .collect();
            drop(part);
            shown.iter().for_each(&mut *visit);
        }
        Box::pin(ready(true))
    }
}

impl Kept {
    fn is_good(&self, now: UnixTime) -> bool {
        now < self.until && !self.session.is_expired(now)
    }
}

impl Sessions {
    fn insert(&mut self, id: &[u8], session: ServerSession, until: UnixTime, size: usize) {
        let id: Arc<[u8]> = id.into();
        let number = self.next;
        self.next += 1;
        self.bytes += size;
        self.by_age.insert(number, Arc::clone(&id));
        let kept = Kept {
            number,
            session,
            until,
            size,
        };
        self.by_id.insert(id, kept);
    }

    fn remove(&mut self, id: &[u8]) -> Option<Kept> {
        let kept = self.by_id.remove(id)?;
        self.by_age.remove(&kept.number);
        self.bytes -= kept.size;
        Some(kept)
    }

    fn oldest(&self) -> Option<&Kept> {
        let (_, id) = self.by_age.first_key_value()?;
        self.by_id.get(id)
    }

    /// There is no clock here: it is at least as late as the session was made that has just come.
    fn drop_expired(&mut self, now: UnixTime) {
        while self.oldest().is_some_and(|oldest| oldest.until <= now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, id)) = self.by_age.pop_first()
            && let Some(kept) = self.by_id.remove(&id)
        {
            self.bytes -= kept.size;
        }
    }
}

impl fmt::Debug for MemoryServerSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryServerSessionStore")
            .field("len", &self.len())
            .field("bytes", &self.bytes())
            .finish()
    }
}
