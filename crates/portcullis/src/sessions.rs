//! Where a client's sessions come from, and what becomes of the tickets that it is sent: sessions
//! that somebody takes, or that go to a store.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use portcullis_core::session::{ClientSession, SessionKey};
use portcullis_core::{ConnectionInformation, NamedGroup};
use portcullis_session_cache::SessionStore;
use rustls_pki_types::UnixTime;
use tokio::time::{Instant, timeout, timeout_at};

use crate::environment::{Life, Member};
use crate::first_shares::FirstShares;
use crate::metrics;

/// How many sessions one connection keeps until they are taken, or until a slow store has room.
const MAX_KEPT: usize = 8;
/// How long a store may take for what nobody waits for.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);

/// The store of a connector.
#[derive(Clone)]
pub(crate) struct Store(pub(crate) Arc<dyn SessionStore>);

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionStore")
    }
}

/// A store, and what the sessions of one connection are under there.
#[derive(Clone)]
pub(crate) struct Place {
    store: Arc<dyn SessionStore>,
    key: Arc<SessionKey>,
    /// `None` where nothing may be remembered of the server.
    shares: Option<Arc<FirstShares>>,
    /// Of the environment, which waits for what goes to the store.
    life: Option<Arc<Life>>,
}

impl Place {
    pub(crate) fn new(
        store: Arc<dyn SessionStore>,
        key: SessionKey,
        shares: Option<Arc<FirstShares>>,
    ) -> Self {
        let key = Arc::new(key);
        let life = None;
        Self {
            store,
            key,
            shares,
            life,
        }
    }

    pub(crate) fn within(self, life: Option<Arc<Life>>) -> Self {
        Self { life, ..self }
    }

    /// Which share the server is known to want.
    pub(crate) fn first_share(&self) -> Option<NamedGroup> {
        self.shares.as_ref()?.of(&self.key)
    }

    /// What a connection says that has come about.
    pub(crate) fn note_share(&self, information: &ConnectionInformation) {
        if let (Some(shares), Some(group)) = (&self.shares, information.preferred_share()) {
            shares.note(&self.key, group);
        }
    }

    /// What the store gives in time; a store that is late has nothing.
    pub(crate) async fn take(&self, deadline: Instant) -> Vec<ClientSession> {
        let mut taking = self.store.take(&self.key, UnixTime::now());
        // A store in memory needs no timer.
        let at_once = poll_fn(|cx| Poll::Ready(taking.as_mut().poll(cx))).await;
        let mut taken = match at_once {
            Poll::Ready(taken) => taken,
            Poll::Pending => match timeout_at(deadline, taking).await {
                Ok(taken) => taken,
                Err(_) => {
                    metrics::store("take", "late");
                    return Vec::new();
                }
            },
        };
        taken.retain(|session| self.key.admits(session));
        metrics::store("take", if taken.is_empty() { "miss" } else { "hit" });
        taken
    }

    /// Makes the store forget all sessions under the key. Nobody waits for that.
    pub(crate) fn forget(self) {
        let life = self.life.clone();
        in_background(life.as_ref(), async move {
            self.store.forget(&self.key).await;
        });
    }
}

/// Does it at once, if it is ready at once; else in a task, so that neither a connection waits for
/// it nor its end stops it. Without a runtime nobody goes on with it.
pub(crate) fn in_background(
    life: Option<&Arc<Life>>,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let mut work = Box::pin(work);
    let mut cx = Context::from_waker(Waker::noop());
    if work.as_mut().poll(&mut cx).is_ready() {
        return;
    }
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let member = life.map(Member::of);
        runtime.spawn(async move {
            let _member = member;
            timeout(STORE_TIMEOUT, work).await
        });
    }
}

/// The sessions of one connection.
pub(crate) enum Received {
    Kept(VecDeque<ClientSession>),
    Stored(Arc<Deposit>),
}

/// The way of sessions into a store, one after another.
pub(crate) struct Deposit {
    place: Place,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<ClientSession>,
    /// Whether somebody is giving the store what waits.
    busy: bool,
}

impl Default for Received {
    fn default() -> Self {
        Self::Kept(VecDeque::new())
    }
}

impl Received {
    pub(crate) fn stored(place: Place) -> Self {
        Self::Stored(Arc::new(Deposit {
            place,
            queue: Mutex::default(),
        }))
    }

    pub(crate) fn receive(&mut self, session: ClientSession) {
        match self {
            Self::Kept(kept) => push(kept, session),
            Self::Stored(deposit) => deposit.put(session),
        }
    }

    pub(crate) fn take(&mut self) -> Option<ClientSession> {
        match self {
            Self::Kept(kept) => kept.pop_front(),
            Self::Stored(_) => None,
        }
    }
}

/// The oldest makes room.
fn push(sessions: &mut VecDeque<ClientSession>, session: ClientSession) {
    if sessions.len() >= MAX_KEPT {
        sessions.pop_front();
    }
    sessions.push_back(session);
}

impl Deposit {
    /// Gives a session to the store, if it could ever be offered. There is at most one task for a
    /// connection that does so.
    fn put(self: &Arc<Self>, session: ClientSession) {
        if !self.place.key.admits(&session) {
            return;
        }
        {
            let mut queue = self.queue();
            if queue.busy {
                return push(&mut queue.waiting, session);
            }
            queue.busy = true;
        }
        in_background(self.place.life.as_ref(), self.clone().store_all(session));
    }

    /// This one, and what has come meanwhile.
    async fn store_all(self: Arc<Self>, session: ClientSession) {
        let mut unfinished = Unfinished(Some(&self));
        let mut next = Some(session);
        while let Some(session) = next {
            let Place { store, key, .. } = &self.place;
            store.put(key, session).await;
            metrics::store("put", "kept");
            next = self.next();
        }
        unfinished.0 = None;
    }

    fn next(&self) -> Option<ClientSession> {
        let mut queue = self.queue();
        let next = queue.waiting.pop_front();
        if next.is_none() {
            // A connection lives long and has one or two tickets: it keeps no room for more.
            *queue = Queue::default();
        }
        next
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody gives the store what waits. Should that end early, by the timeout or with the
/// runtime, what still waits is forgotten, and the next session finds somebody again.
struct Unfinished<'a>(Option<&'a Deposit>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(deposit) = self.0 {
            *deposit.queue() = Queue::default();
        }
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(kept) => f.debug_tuple("Kept").field(&kept.len()).finish(),
            Self::Stored(_) => f.write_str("Stored"),
        }
    }
}
