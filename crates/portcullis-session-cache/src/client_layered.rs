//! Memory before a slower store, of clients.

use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use portcullis_core::session::{ClientSession, SessionKey};
use rustls_pki_types::UnixTime;

use crate::client_memory::PER_KEY;
use crate::{MemorySessionStore, SessionStore, StoreFuture};

/// Memory before a store on disk or in Redis, for a client's sessions: what is in memory is taken at once, and
/// whatever becomes of the store behind.
///
/// A session that is [to be used once](ClientSession::is_single_use), as all of TLS 1.3 are, is in one of the two, so
/// that nobody can take it twice, whoever shares the store behind and whenever a process is killed. The first one of a
/// key stays in memory, those that come while it is there go behind, and so does what memory has no room for. Servers
/// mostly send two or three: then one of them outlives the process. What is in memory goes behind when the
/// store is [closed](SessionStore::close), and is lost with a process that ends without that.
///
/// A session of before TLS 1.3 is good for many connections, and is in both. What [`forget`](SessionStore::forget)
/// takes out of the store behind other processes may still have in their memories.
///
/// ```
/// # use portcullis_session_cache as portcullis;
/// use std::sync::Arc;
///
/// use portcullis::{LayeredSessionStore, MemorySessionStore, SessionStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // In its place a `DiskStore` or `RedisStore`.
/// let far = Arc::new(MemorySessionStore::default());
/// let store = Arc::new(LayeredSessionStore::new(MemorySessionStore::default(), far));
/// // `TlsConnector::session_store(store.clone())`, and at the end of the program:
/// store.close().await;
/// # }
/// ```
pub struct LayeredSessionStore {
    near: MemorySessionStore,
    far: Arc<dyn SessionStore>,
    per_key: usize,
    /// How often something was forgotten. Whoever fetches a session looks whether it has happened meanwhile: what was
    /// forgotten does not come back.
    forgotten: Mutex<u64>,
    /// Whoever puts something into memory holds it meanwhile, so that nothing is put there behind what is closed.
    closed: RwLock<bool>,
}

impl LayeredSessionStore {
    /// `near` before `far`.
    pub fn new(near: MemorySessionStore, far: Arc<dyn SessionStore>) -> Self {
        Self {
            near,
            far,
            per_key: 1,
            forgotten: Mutex::new(0),
            closed: RwLock::new(false),
        }
    }

    /// How many sessions of one key that are to be used once stay in memory, from 1 to 6, before others go behind: as
    /// many as there are connections at a time. They are lost when the process is killed. Default: 1.
    #[must_use]
    pub fn in_memory_per_key(mut self, sessions: usize) -> Self {
        self.per_key = sessions.clamp(1, PER_KEY);
        self
    }

    /// The store in memory.
    pub fn near(&self) -> &MemorySessionStore {
        &self.near
    }

    fn forgotten(&self) -> MutexGuard<'_, u64> {
        self.forgotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when it is closed; it is not, as long as one has this.
    fn open(&self) -> Option<RwLockReadGuard<'_, bool>> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        (!*closed).then_some(closed)
    }

    /// The store behind has forgotten it, and whoever had it before puts it into memory no more.
    fn forget_near(&self, key: &SessionKey) {
        let mut forgotten = self.forgotten();
        *forgotten = forgotten.wrapping_add(1);
        drop(self.near.forget(key));
    }
}

impl SessionStore for LayeredSessionStore {
    fn take<'a>(
        &'a self,
        key: &'a SessionKey,
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<ClientSession>> {
        if self.open().is_none() {
            return Box::pin(ready(Vec::new()));
        }
        Box::pin(async move {
            let taken = self.near.take(key, now).await;
            if !taken.is_empty() {
                return taken;
            }
            let before = *self.forgotten();
            let taken = self.far.take(key, now).await;
            let (forgotten, open) = (self.forgotten(), self.open());
            if *forgotten == before && open.is_some() {
                for session in taken.iter().filter(|session| !session.is_single_use()) {
                    // Memory is ready at once, and does it when it is called.
                    drop(self.near.put(key, session.clone()));
                }
            }
            drop((forgotten, open));
            taken
        })
    }

    /// # Cancel safety
    /// The session is in memory when the future is made. Dropped before it is ready, those that have made room for it, and
    /// the copy behind of one that is good for many connections, may be lost: for each there is a full handshake. So may
    /// they be where the store is closed meanwhile.
    fn put<'a>(&'a self, key: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
        let Some(open) = self.open() else {
            return Box::pin(ready(()));
        };
        let many = (!session.is_single_use()).then(|| session.clone());
        let (now, most) = (session.received_at(), self.per_key);
        let mut behind = self.near.put_or_pass(key, session, most);
        drop(open);
        // Of one that is good for many connections a copy is behind already.
        behind.retain(|(_, session)| session.is_single_use() && !session.is_expired(now));
        Box::pin(async move {
            if let Some(session) = many {
                self.far.put(key, session).await;
            }
            for (key, session) in behind {
                self.far.put(&key, session).await;
            }
        })
    }

    fn forget<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, ()> {
        drop(self.near.forget(key));
        Box::pin(async move {
            self.far.forget(key).await;
            self.forget_near(key);
        })
    }

    /// Those behind, and what is in memory alone.
    fn len<'a>(&'a self) -> StoreFuture<'a, Option<usize>> {
        Box::pin(async move {
            let behind = self.far.len().await?;
            let mut here = 0;
            let mut count = |_: &SessionKey, session: &ClientSession| {
                here += usize::from(session.is_single_use());
            };
            self.near.for_each(&mut count).await;
            Some(behind + here)
        })
    }

    fn for_each<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(&SessionKey, &ClientSession) + Send),
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut here = |key: &SessionKey, session: &ClientSession| {
                if session.is_single_use() {
                    visit(key, session);
                }
            };
            self.near.for_each(&mut here).await;
            self.far.for_each(visit).await
        })
    }

    /// Puts what is in memory alone behind, and closes the store there. What is put later is nowhere.
    ///
    /// # Cancel safety
    /// Dropped, one session may be lost; call it again.
    fn close<'a>(&'a self) -> StoreFuture<'a, ()> {
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = true;
        Box::pin(async move {
            while let Some((key, session)) = self.near.take_oldest() {
                if session.is_single_use() {
                    self.far.put(&key, session).await;
                }
            }
            self.far.close().await;
        })
    }
}

impl fmt::Debug for LayeredSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayeredSessionStore")
            .field("near", &self.near)
            .field("per_key", &self.per_key)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use std::sync::Barrier;
    use std::thread;
    use std::time::{Duration, Instant};

    use futures_util::FutureExt as _;

    use super::*;

    /// A session with `a.example`, by the table in portcullis-core: of TLS 1.3, or of TLS 1.2, which is good for many
    /// connections.
    fn session(is_tls13: bool) -> ClientSession {
        let mut out = match is_tls13 {
            true => [&[2, 1, 3, 4, 0x13, 1, 1, 32][..], &[0x51; 32]].concat(),
            false => [&[2, 1, 3, 3, 0xc0, 0x2b, 3, 48][..], &[0x51; 48], &[0, 29]].concat(),
        };
        out.extend(1_000_u64.to_be_bytes());
        // No peer, and this side is nobody.
        out.extend([0; 5]);
        out.extend(*b"\0\x09a.example");
        // Names, ALPN, early data; of a client; a ticket and not an id.
        out.extend([0, 0, 0, 0, 0, 0, 1, 0]);
        out.extend([0, 4, 7, 7, 7, 7, 0, 0, 0, 7]);
        out.extend(600_u32.to_be_bytes());
        out.extend(1_000_u64.to_be_bytes());
        ClientSession::from_bytes(&out).expect("this is the form of a session")
    }

    fn key() -> SessionKey {
        let key = [&[2, 1, 0, 1, 0, 0, 9][..], b"a.example1"].concat();
        SessionKey::from_bytes(&key).expect("this is the form of a key")
    }

    fn now() -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(1_000))
    }

    fn done<T>(future: StoreFuture<'_, T>) -> T {
        future.now_or_never().expect("nobody is waited for")
    }

    /// Waits for somebody who keeps the store open, and is not done with it.
    fn is_kept_open(store: &LayeredSessionStore) {
        let start = Instant::now();
        let mut seen = 0;
        while seen < 5 {
            match store.closed.try_write() {
                Ok(_) => seen = 0,
                Err(_) => seen += 1,
            }
            let waited = start.elapsed();
            assert!(waited < Duration::from_secs(10), "nobody keeps it open");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whoever puts while a store is closed has put before it, and so behind.
    #[test]
    fn what_is_put_while_it_is_closed_is_behind() {
        let far = Arc::new(MemorySessionStore::default());
        let store = LayeredSessionStore::new(MemorySessionStore::default(), far.clone());
        let key = key();
        // Memory lets nobody in, so that it is put when the store is to be closed.
        let locked = store.near.lock();
        thread::scope(|scope| {
            scope.spawn(|| done(SessionStore::put(&store, &key, session(true))));
            is_kept_open(&store);
            scope.spawn(|| done(SessionStore::close(&store)));
            drop(locked);
        });
        assert_eq!((store.near.len(), far.len()), (0, 1));
        // What comes later is nowhere.
        done(SessionStore::put(&store, &key, session(true)));
        assert_eq!((store.near.len(), far.len()), (0, 1));
    }

    /// Gives a session when it may.
    struct Late {
        asked: Barrier,
        may: Barrier,
    }

    impl SessionStore for Late {
        fn take<'a>(
            &'a self,
            _: &'a SessionKey,
            _: UnixTime,
        ) -> StoreFuture<'a, Vec<ClientSession>> {
            Box::pin(async {
                self.asked.wait();
                self.may.wait();
                vec![session(false)]
            })
        }

        fn put<'a>(&'a self, _: &'a SessionKey, _: ClientSession) -> StoreFuture<'a, ()> {
            Box::pin(ready(()))
        }

        fn forget<'a>(&'a self, _: &'a SessionKey) -> StoreFuture<'a, ()> {
            Box::pin(ready(()))
        }
    }

    /// What is fetched while a store is closed does not stay in memory either, whichever of the two is first.
    #[test]
    fn what_is_fetched_while_it_is_closed_does_not_stay() {
        for is_closed_first in [true, false] {
            let (asked, may) = (Barrier::new(2), Barrier::new(2));
            let far = Arc::new(Late { asked, may });
            let store = LayeredSessionStore::new(MemorySessionStore::default(), far.clone());
            let key = key();
            thread::scope(|scope| {
                let taking = scope.spawn(|| done(store.take(&key, now())).len());
                far.asked.wait();
                match is_closed_first {
                    true => {
                        done(SessionStore::close(&store));
                        far.may.wait();
                    }
                    false => {
                        let locked = store.near.lock();
                        far.may.wait();
                        is_kept_open(&store);
                        scope.spawn(|| done(SessionStore::close(&store)));
                        drop(locked);
                    }
                }
                assert_eq!(taking.join().unwrap(), 1);
            });
            assert!(store.near.is_empty(), "{is_closed_first}");
        }
    }
}
