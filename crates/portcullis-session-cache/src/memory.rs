//! A store in memory, with bounds for all sessions and for those of one server.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_core::session::ClientSession;
use rustls_pki_types::{ServerName, UnixTime};

use crate::{SessionStore, StoreFuture};

/// How many sessions with one server are kept: twice what a server of this library sends.
const PER_SERVER: usize = 6;

/// Sessions in memory. Its futures are ready at once.
///
/// It gives the newest session with a server first, and one for each connection. When it is
/// full the oldest makes room, whichever server it is with; one server has at most 6.
pub struct MemorySessionStore {
    sessions: Mutex<Sessions>,
    capacity: usize,
}

#[derive(Default)]
struct Sessions {
    /// Of each server, the oldest first, with the number of its coming. No list is empty.
    by_name: HashMap<ServerName<'static>, VecDeque<(u64, ClientSession)>>,
    /// All of them, in the order of their coming.
    by_age: BTreeMap<u64, ServerName<'static>>,
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
        sessions.by_name.clear();
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
        name: &'a ServerName<'static>,
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<ClientSession>> {
        let taken = self.lock().take(name, now);
        Box::pin(ready(taken.into_iter().collect()))
    }

    fn put(&self, session: ClientSession) -> StoreFuture<'_, ()> {
        if self.capacity > 0 {
            self.lock().put(session, self.capacity);
        }
        Box::pin(ready(()))
    }
}

impl Sessions {
    fn take(&mut self, name: &ServerName<'static>, now: UnixTime) -> Option<ClientSession> {
        let Self {
            by_name, by_age, ..
        } = self;
        let list = by_name.get_mut(name)?;
        list.retain(|(number, session)| {
            let keep = !session.is_expired(now);
            if !keep {
                by_age.remove(number);
            }
            keep
        });
        let newest = list.pop_back();
        if list.is_empty() {
            by_name.remove(name);
        }
        let (number, session) = newest?;
        by_age.remove(&number);
        Some(session)
    }

    fn put(&mut self, session: ClientSession, capacity: usize) {
        // There is no clock here: it is at least as late as this session came.
        let now = session.received_at();
        let is_old = |oldest: &ClientSession| oldest.received_at() <= now && oldest.is_expired(now);
        while let Some(oldest) = self.oldest()
            && (self.by_age.len() >= capacity || is_old(oldest))
        {
            self.drop_oldest();
        }
        let name = session.server_name().clone();
        let number = self.next;
        self.next += 1;
        self.by_age.insert(number, name.clone());
        let list = self.by_name.entry(name).or_default();
        list.push_back((number, session));
        if list.len() > PER_SERVER
            && let Some((number, _)) = list.pop_front()
        {
            self.by_age.remove(&number);
        }
    }

    fn oldest(&self) -> Option<&ClientSession> {
        let (_, name) = self.by_age.first_key_value()?;
        self.by_name.get(name)?.front().map(|(_, session)| session)
    }

    fn drop_oldest(&mut self) {
        let Some((_, name)) = self.by_age.pop_first() else {
            return;
        };
        if let Some(list) = self.by_name.get_mut(&name) {
            list.pop_front();
            if list.is_empty() {
                self.by_name.remove(&name);
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
