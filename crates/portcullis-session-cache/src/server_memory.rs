//! A server's store in memory, with bounds for the number of sessions and for their bytes.

use std::collections::HashMap;
use std::fmt;
use std::future::ready;

use portcullis_core::session::ServerSession;
use rustls_pki_types::UnixTime;

use crate::shards::Shards;
use crate::slots::{MOST, Slot, Slots};
use crate::{ServerSessionStore, StoreFuture};

/// What a session takes beside its own bytes: its place, and the id.
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
    by_id: HashMap<Id, Slot>,
    kept: Slots<Kept>,
    bytes: usize,
}

/// An id, in place: the bytes, and how many they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Id([u8; Id::MOST], u8);

impl Id {
    const MOST: usize = 32;

    /// `None` if no session can have it.
    fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MOST];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self(bytes, u8::try_from(id.len()).ok()?))
    }
}

struct Kept {
    id: Id,
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
        self.sessions.each().map(|part| part.kept.len()).sum()
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
            part.kept.clear();
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
        if let Some(id) = Id::new(id)
            && capacity > 0
            && size <= bytes
        {
            let mut sessions = self.sessions.of(self.sessions.hash(&id));
            sessions.remove(&id);
            sessions.drop_expired(session.issued_at());
            while sessions.kept.len() >= capacity.min(MOST) || sessions.bytes > bytes - size {
                sessions.drop_oldest();
            }
            sessions.insert(Kept {
                id,
                session,
                until,
                size,
            });
        }
        Box::pin(ready(()))
    }

    fn get<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        let session = Id::new(id).and_then(|id| {
            let mut sessions = self.sessions.of(self.sessions.hash(&id));
            let found = sessions.find(&id).filter(|kept| kept.is_good(now));
            let session = found.map(|kept| kept.session.clone());
            if session.is_none() {
                sessions.remove(&id);
            }
            session
        });
        Box::pin(ready(session))
    }

    fn claim<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        let taken =
            Id::new(id).and_then(|id| self.sessions.of(self.sessions.hash(&id)).remove(&id));
        let session = taken
            .filter(|kept| kept.is_good(now))
            .map(|kept| kept.session);
        Box::pin(ready(session))
    }

    /// It does: after a restart it is empty.
    fn gives_once(&self) -> bool {
        true
    }

    fn forget<'a>(&'a self, id: &'a [u8]) -> StoreFuture<'a, ()> {
        if let Some(id) = Id::new(id) {
            self.sessions.of(self.sessions.hash(&id)).remove(&id);
        }
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
            let shown: Vec<_> = part.kept.all().map(|kept| kept.session.clone()).collect();
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
    fn insert(&mut self, kept: Kept) {
        self.bytes += kept.size;
        let id = kept.id;
        self.by_id.insert(id, self.kept.insert(kept));
    }

    fn find(&self, id: &Id) -> Option<&Kept> {
        self.kept.get(*self.by_id.get(id)?)
    }

    fn remove(&mut self, id: &Id) -> Option<Kept> {
        let kept = self.kept.remove(self.by_id.remove(id)?)?;
        self.bytes -= kept.size;
        Some(kept)
    }

    /// There is no clock here: it is at least as late as the session was made that has just come.
    fn drop_expired(&mut self, now: UnixTime) {
        let is_over = |(_, oldest): (Slot, &Kept)| oldest.until <= now;
        while self.kept.oldest().is_some_and(is_over) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, oldest)) = self.kept.oldest() {
            let id = oldest.id;
            self.remove(&id);
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

#[cfg(all(test, portcullis_loom))]
mod model {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    /// A session of TLS 1.3, by the table in portcullis-core.
    fn session() -> ServerSession {
        let mut out = vec![2, 1, 3, 4, 0x13, 1, 1, 32];
        out.extend([0x52; 32]);
        out.extend(1_000_u64.to_be_bytes());
        out.extend([0; 5]);
        out.extend([0, 0, 0, 0, 0, 0, 0, 0, 2]);
        out.extend(7_u32.to_be_bytes());
        out.extend(600_u32.to_be_bytes());
        out.extend(1_000_u64.to_be_bytes());
        ServerSession::from_bytes(&out).expect("this is the form of a session")
    }

    /// Two want it while a third one comes and has a place beside it: in every interleaving
    /// exactly one has it.
    #[test]
    fn a_session_is_claimed_once() {
        loom::model(|| {
            let store = Arc::new(MemoryServerSessionStore::new(2, usize::MAX));
            let claimed = Arc::new(AtomicUsize::new(0));
            let put = |store: &MemoryServerSessionStore, id: u8| {
                let id = [id];
                let put = store.put(&id, session(), at(1_600));
                put.now_or_never().expect("it is ready at once");
            };
            put(&store, 1);
            let claim = {
                let claimed = Arc::clone(&claimed);
                move |store: &MemoryServerSessionStore| {
                    let claim = store.claim(&[1], at(1_000)).now_or_never();
                    if claim.flatten().is_some() {
                        claimed.fetch_add(1, Ordering::SeqCst);
                    }
                }
            };
            let other = {
                let (store, claim) = (Arc::clone(&store), claim.clone());
                loom::thread::spawn(move || claim(&store))
            };
            let third = {
                let store = Arc::clone(&store);
                loom::thread::spawn(move || put(&store, 2))
            };
            claim(&store);
            other.join().expect("it ends");
            third.join().expect("it ends");
            assert_eq!(claimed.load(Ordering::SeqCst), 1);
            assert_eq!(store.len(), 1);
        });
    }
}
