//! A store in memory, with bounds for all sessions and for those of one key.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::session::{ClientSession, SessionKey};
use rustls_pki_types::UnixTime;

use crate::{SessionStore, StoreFuture};

/// How many sessions of one key are kept: twice what a server of this library sends.
const PER_KEY: usize = 6;

/// Sessions in memory. Its futures are ready at once.
///
/// It gives the newest session of a key first, and one for each connection. When it is full the
/// oldest makes room, whatever its key; one key has at most 6.
pub struct MemorySessionStore {
    sessions: Mutex<Sessions>,
    capacity: usize,
}

#[derive(Default)]
struct Sessions {
    /// Of each key, the oldest first, with the number of its coming. No list is empty.
    by_key: HashMap<Arc<SessionKey>, VecDeque<(u64, ClientSession)>>,
    /// All of them, in the order of their coming.
    by_age: BTreeMap<u64, Arc<SessionKey>>,
    next: u64,
}

impl MemorySessionStore {
    /// A store for at most `capacity` sessions; one of 0 keeps none. A session is some hundred
    /// bytes, its ticket, which has a few thousand with a client's certificate in it, and the
    /// server's certificates, mostly some thousand and at most as long as a handshake message may
    /// be ([`max_handshake_size`](portcullis_core::config::ClientConfigBuilder::max_handshake_size));
    /// sessions with servers that show the same chain share it while the process lives.
    pub fn new(capacity: usize) -> Self {
        Self {
            sessions: Mutex::default(),
            capacity,
        }
    }

    /// How many sessions there are, also those that have expired and were not met since.
    pub fn len(&self) -> usize {
        self.lock().by_age.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        let mut sessions = self.lock();
        sessions.by_key.clear();
        sessions.by_age.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
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
        let taken = self.lock().take(key, now);
        Box::pin(ready(taken.into_iter().collect()))
    }

    fn put<'a>(&'a self, key: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
        if self.capacity > 0 {
            self.lock().put(key, session, self.capacity);
        }
        Box::pin(ready(()))
    }

    fn forget<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, ()> {
        self.lock().forget(key);
        Box::pin(ready(()))
    }
}

impl Sessions {
    fn take(&mut self, key: &SessionKey, now: UnixTime) -> Option<ClientSession> {
        let Self { by_key, by_age, .. } = self;
        let list = by_key.get_mut(key)?;
        list.retain(|(number, session)| {
            let keep = !session.is_expired(now);
            if !keep {
                by_age.remove(number);
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
            by_key.remove(key);
        }
        let (number, session) = newest?;
        by_age.remove(&number);
        Some(session)
    }

    fn put(&mut self, key: &SessionKey, session: ClientSession, capacity: usize) {
        // There is no clock here: it is at least as late as this session came.
        let now = session.received_at();
        let is_old = |oldest: &ClientSession| oldest.received_at() <= now && oldest.is_expired(now);
        while let Some(oldest) = self.oldest()
            && (self.by_age.len() >= capacity || is_old(oldest))
        {
            self.drop_oldest();
        }
        let key = match self.by_key.get_key_value(key) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::new(key.clone()),
        };
        let number = self.next;
        self.next += 1;
        self.by_age.insert(number, Arc::clone(&key));
        let list = self.by_key.entry(key).or_default();
        list.push_back((number, session));
        if list.len() > PER_KEY
            && let Some((number, _)) = list.pop_front()
        {
            self.by_age.remove(&number);
        }
    }

    fn forget(&mut self, key: &SessionKey) {
        for (number, _) in self.by_key.remove(key).unwrap_or_default() {
            self.by_age.remove(&number);
        }
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
            list.pop_front();
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
            .field("capacity", &self.capacity)
            .finish()
    }
}
