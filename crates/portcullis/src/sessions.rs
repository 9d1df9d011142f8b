//! What becomes of the tickets that a client is sent: sessions that somebody takes, or that go
//! to a store.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use portcullis_core::session::ClientSession;
use portcullis_session_cache::SessionStore;

/// How many sessions one connection keeps until they are taken, or until a slow store has room.
const MAX_KEPT: usize = 8;
/// How long a store may take for the sessions of one connection that are there.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);

/// The sessions of one connection.
pub(crate) enum Received {
    Kept(VecDeque<ClientSession>),
    Stored(Arc<Deposit>),
}

/// The way of sessions into a store, one after another.
pub(crate) struct Deposit {
    store: Arc<dyn SessionStore>,
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
    pub(crate) fn stored(store: Arc<dyn SessionStore>) -> Self {
        Self::Stored(Arc::new(Deposit {
            store,
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
    /// Gives a session to the store: at once, if the store is as fast as that; else in a task,
    /// so that neither reading waits for it nor the end of the connection stops it. There is at
    /// most one such task for a connection.
    fn put(self: &Arc<Self>, session: ClientSession) {
        {
            let mut queue = self.queue();
            push(&mut queue.waiting, session);
            if queue.busy {
                return;
            }
            queue.busy = true;
        }
        let mut storing = Box::pin(self.clone().store_all());
        let mut cx = Context::from_waker(Waker::noop());
        if storing.as_mut().poll(&mut cx).is_ready() {
            return;
        }
        // Without a runtime nobody goes on with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { tokio::time::timeout(STORE_TIMEOUT, storing).await });
        }
    }

    async fn store_all(self: Arc<Self>) {
        let mut unfinished = Unfinished(Some(&self));
        while let Some(session) = self.next() {
            self.store.put(session).await;
        }
        unfinished.0 = None;
    }

    fn next(&self) -> Option<ClientSession> {
        let mut queue = self.queue();
        let next = queue.waiting.pop_front();
        queue.busy = next.is_some();
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
