//! A store in memory, with bounds for all sessions and for those of one key.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::future::ready;
use std::sync::Arc;

use portcullis_core::session::{ClientSession, SessionKey};
use rustls_pki_types::UnixTime;

use crate::shards::Shards;
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
    /// Of each key, the oldest first, with the number of its coming. No list is empty.
    by_key: HashMap<Arc<SessionKey>, VecDeque<(u64, ClientSession)>>,
    /// All of them, in the order of their coming.
    by_age: BTreeMap<u64, Arc<SessionKey>>,
    bytes: usize,
    next: u64,
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
        self.sessions.each().map(|part| part.by_age.len()).sum()
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
            part.by_age.clear();
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
        let Shards {
            capacity, bytes, ..
        } = self.sessions;
        if capacity > 0 && size(&session) <= bytes {
            let mut part = self.sessions.of(key);
            part.put(key, session, capacity, bytes);
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
            let shown: Vec<_> = part.all().collect();
            drop(part);
            shown.iter().for_each(|(key, session)| visit(key, session));
        }
        Box::pin(ready(true))
    }
}

/// What a session takes in memory.
fn size(session: &ClientSession) -> usize {
    ENTRY + session.size()
}

impl Sessions {
    fn take(&mut self, key: &SessionKey, now: UnixTime) -> Option<ClientSession> {
        let list = self.by_key.get_mut(key)?;
        let (by_age, bytes) = (&mut self.by_age, &mut self.bytes);
        list.retain(|(number, session)| {
            let keep = !session.is_expired(now);
            if !keep {
                by_age.remove(number);
                *bytes -= size(session);
            }
            keep
        });
        // One of before TLS 1.3 is given as long as it lives.
        if let Some((_, newest)) = list.back()
            && !newest.is_single_use()
        {
            return Some(newest.clone());
        }
        let newest = list.pop_back();
        if list.is_empty() {
            self.by_key.remove(key);
        }
        let (number, session) = newest?;
        self.by_age.remove(&number);
        self.bytes -= size(&session);
        Some(session)
    }

    fn put(&mut self, key: &SessionKey, session: ClientSession, capacity: usize, bytes: usize) {
        // There is no clock here: it is at least as late as this session came.
        let now = session.received_at();
        let is_old = |oldest: &ClientSession| oldest.received_at() <= now && oldest.is_expired(now);
        let room = bytes.saturating_sub(size(&session));
        while let Some(oldest) = self.oldest()
            && (self.by_age.len() >= capacity || self.bytes > room || is_old(oldest))
        {
            self.drop_oldest();
        }
        let key = match self.by_key.get_key_value(key) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::new(key.clone()),
        };
        let number = self.next;
        self.next += 1;
        self.bytes += size(&session);
        self.by_age.insert(number, Arc::clone(&key));
        let list = self.by_key.entry(key).or_default();
        list.push_back((number, session));
        if list.len() > PER_KEY
            && let Some((number, session)) = list.pop_front()
        {
            self.by_age.remove(&number);
            self.bytes -= size(&session);
        }
    }

    fn forget(&mut self, key: &SessionKey) {
        for (number, session) in self.by_key.remove(key).unwrap_or_default() {
            self.by_age.remove(&number);
            self.bytes -= size(&session);
        }
    }

    fn all(&self) -> impl Iterator<Item = (Arc<SessionKey>, ClientSession)> {
        self.by_key.iter().flat_map(|(key, list)| {
            let sessions = list.iter().map(|(_, session)| session.clone());
            sessions.map(|session| (Arc::clone(key), session))
        })
    }

    fn oldest(&self) -> Option<&ClientSession> {
        let (_, key) = self.by_age.first_key_value()?;
        self.by_key.get(key)?.front().map(|(_, session)| session)
    }

    fn drop_oldest(&mut self) {
        let Some((_, key)) = self.by_age.pop_first() else {
            return;
        };
        if let Some(list) = self.by_key.get_mut(&key) {
            if let Some((_, session)) = list.pop_front() {
                self.bytes -= size(&session);
            }
            if list.is_empty() {
                self.by_key.remove(&key);
            }
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
