//! Memory before a slower store.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::ProtocolVersion;
use portcullis_core::session::ServerSession;
use rustls_pki_types::UnixTime;

use crate::{MemoryServerSessionStore, ServerSessionStore, StoreFuture};

/// Memory before a store that others share, the authority, for a server's sessions: one that is in memory is
/// resumed without asking anybody.
///
/// Only sessions of before TLS 1.3 are kept in memory, since they are good for many connections. Those
/// of TLS 1.3 are good for one, and who gets them is for the authority alone to say: each
/// [`claim`](ServerSessionStore::claim) goes there. What [`forget`](ServerSessionStore::forget) takes
/// out of the authority other processes may still have in their memories until it expires.
pub struct LayeredServerSessionStore {
    near: MemoryServerSessionStore,
    authority: Arc<dyn ServerSessionStore>,
    /// How often the authority has forgotten a session that may be in memory. Whoever fetches one looks whether it has
    /// happened meanwhile: what was forgotten does not come back.
    forgotten: Mutex<u64>,
    closed: AtomicBool,
}

impl LayeredServerSessionStore {
    /// `near` before `authority`.
    pub fn new(near: MemoryServerSessionStore, authority: Arc<dyn ServerSessionStore>) -> Self {
        Self {
            near,
            authority,
            forgotten: Mutex::new(0),
            closed: AtomicBool::new(false),
        }
    }

    fn forgotten(&self) -> MutexGuard<'_, u64> {
        self.forgotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps in memory what is good for many connections. Memory is ready at once, and does it when it is called.
    fn keep(&self, id: &[u8], session: &ServerSession, until: UnixTime) {
        let is_closed = self.closed.load(Ordering::Relaxed);
        if is_of_many(session) && !is_closed {
            drop(self.near.put(id, session.clone(), until));
        }
    }

    /// The authority has forgotten it, and whoever had it before puts it into memory no more.
    fn forget_near(&self, id: &[u8]) {
        let mut forgotten = self.forgotten();
        *forgotten = forgotten.wrapping_add(1);
        drop(self.near.forget(id));
    }

    /// The store in memory.
    pub fn near(&self) -> &MemoryServerSessionStore {
        &self.near
    }
}

/// Whether it is good for many connections.
fn is_of_many(session: &ServerSession) -> bool {
    !matches!(
        session.version(),
        ProtocolVersion::TLS_1_3 | ProtocolVersion::DTLS_1_3
    )
}

impl ServerSessionStore for LayeredServerSessionStore {
    fn put<'a>(
        &'a self,
        id: &'a [u8],
        session: ServerSession,
        until: UnixTime,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            // First: what the authority has, somebody may have it forget.
            self.keep(id, &session, until);
            self.authority.put(id, session, until).await;
        })
    }

    fn get<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(async move {
            if let Some(session) = self.near.get(id, now).await {
                return Some(session);
            }
            let before = *self.forgotten();
            let session = self.authority.get(id, now).await?;
            let issued = session.issued_at().as_secs();
            let end = issued.saturating_add(session.lifetime().as_secs());
            let until = UnixTime::since_unix_epoch(Duration::from_secs(end));
            let forgotten = self.forgotten();
            if *forgotten == before {
                self.keep(id, &session, until);
            }
            drop(forgotten);
            Some(session)
        })
    }

    fn claim<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(async move {
            self.near.forget(id).await;
            let claimed = self.authority.claim(id, now).await;
            if claimed.as_ref().is_some_and(is_of_many) {
                self.forget_near(id);
            }
            claimed
        })
    }

    /// As the authority.
    fn gives_once(&self) -> bool {
        self.authority.gives_once()
    }

    fn forget<'a>(&'a self, id: &'a [u8]) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.near.forget(id).await;
            self.authority.forget(id).await;
            self.forget_near(id);
        })
    }

    fn len<'a>(&'a self) -> StoreFuture<'a, Option<usize>> {
        self.authority.len()
    }

    fn for_each<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(&ServerSession) + Send),
    ) -> StoreFuture<'a, bool> {
        self.authority.for_each(visit)
    }

    fn close<'a>(&'a self) -> StoreFuture<'a, ()> {
        self.closed.store(true, Ordering::Relaxed);
        self.near.clear();
        self.authority.close()
    }
}

impl fmt::Debug for LayeredServerSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayeredServerSessionStore")
            .field("near", &self.near)
            .finish_non_exhaustive()
    }
}
