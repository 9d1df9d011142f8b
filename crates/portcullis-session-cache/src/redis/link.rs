//! The way to Redis, which may be slow, or gone.
//!
//! One connection for all. What it costs when Redis is dead: the first command waits for its time
//! limit; its end is the end of all that wait then; from there on nobody waits until a new connection has
//! answered, for which somebody looks once a second, in the background.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use redis::aio::ConnectionLike;
use redis::{ErrorKind, RedisError, ServerErrorKind, cmd};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::sealed::LastError;
use crate::{StoreError, StoreErrorKind};

/// How long nobody asks after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// How long making a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

type Connecting<C> = Pin<Box<dyn Future<Output = Result<C, RedisError>> + Send>>;

pub(super) struct Link<C> {
    connect: Box<dyn Fn() -> Connecting<C> + Send + Sync>,
    state: Mutex<State<C>>,
    /// The number of the last change of the state.
    changes: watch::Sender<u64>,
    last_error: LastError,
}

enum State<C> {
    /// Nobody has asked yet.
    New,
    /// The first connection is waited for, until this time; no later one is.
    Connecting {
        waited_for: Option<Instant>,
    },
    Up {
        connection: C,
        number: u64,
    },
    Down {
        since: Instant,
    },
    Closed,
}

enum Look<C> {
    Up(C, u64),
    /// To make a connection, and to wait for it until then.
    Begin {
        waited_for: Option<Instant>,
    },
    Wait(Instant),
    Nothing,
}

impl<C> Link<C> {
    pub(super) fn new(connect: impl Fn() -> Connecting<C> + Send + Sync + 'static) -> Self {
        Self {
            connect: Box::new(connect),
            state: Mutex::new(State::New),
            changes: watch::Sender::new(0),
            last_error: LastError::default(),
        }
    }

    /// Where it says what has failed.
    pub(super) fn errors(&self) -> LastError {
        Arc::clone(&self.last_error)
    }

    pub(super) fn last_error(&self) -> Option<StoreError> {
        lock(&self.last_error).clone()
    }

    pub(super) fn close(&self) {
        self.change(&mut self.state(), State::Closed);
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.state(), State::Closed)
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        lock(&self.state)
    }

    /// Changes the state, gives the change its number, and wakes those who wait.
    fn change(&self, state: &mut State<C>, to: State<C>) {
        *state = to;
        self.changes.send_modify(|number| {
            *number += 1;
            if let State::Up { number: up, .. } = state {
                *up = *number;
            }
        });
    }

    pub(super) fn note(&self, error: StoreError) {
        *lock(&self.last_error) = Some(error);
    }

    /// The connection of this number has failed.
    fn fail(&self, number: u64) {
        let mut state = self.state();
        if matches!(&*state, State::Up { number: up, .. } if *up == number) {
            let since = Instant::now();
            self.change(&mut state, State::Down { since });
        }
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Link<C> {
    /// Does something with the connection, for as long as `limit`; `None` if that failed.
    pub(super) async fn run<T, F>(
        self: &Arc<Self>,
        limit: Duration,
        run: impl FnOnce(C) -> F,
    ) -> Option<T>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        if tokio::runtime::Handle::try_current().is_err() {
            let says = "Redis: the store was used outside of a Tokio runtime; use it inside of one";
            self.note(StoreError::new(StoreErrorKind::Options, says));
            return None;
        }
        let deadline = Instant::now() + limit;
        let (connection, number) = self.connection(deadline).await?;
        let mut changes = self.changes.subscribe();
        let failed = pin!(changes.wait_for(|change| *change != number));
        let asking = pin!(timeout_at(deadline, run(connection)));
        match select(asking, failed).await {
            Either::Left((Ok(Ok(value)), _)) => Some(value),
            Either::Left((Ok(Err(error)), _)) => {
                self.note(sentence("a command failed", &error));
                if is_of_connection(&error) {
                    self.fail(number);
                }
                None
            }
            Either::Left((Err(_), _)) => {
                self.note(late("a command", limit));
                self.fail(number);
                None
            }
            Either::Right(_) => None,
        }
    }

    /// The connection and its number, for which only the first who need it wait.
    async fn connection(self: &Arc<Self>, deadline: Instant) -> Option<(C, u64)> {
        let mut changes = self.changes.subscribe();
        loop {
            let until = match self.look(deadline) {
                Look::Up(connection, number) => return Some((connection, number)),
                Look::Begin { waited_for } => {
                    // Not under the lock: a runtime that ends drops it at once.
                    let attempt = Attempt(Arc::clone(self));
                    tokio::spawn(attempt.run(deadline - Instant::now()));
                    waited_for?
                }
                Look::Wait(until) => until.min(deadline),
                Look::Nothing => return None,
            };
            timeout_at(until, changes.changed()).await.ok()?.ok()?;
        }
    }

    /// What a task that needs the connection has to do.
    fn look(&self, deadline: Instant) -> Look<C> {
        let mut state = self.state();
        let waited_for = match &*state {
            State::Up { connection, number } => return Look::Up(connection.clone(), *number),
            State::Connecting {
                waited_for: Some(until),
            } => return Look::Wait(*until),
            State::Down { since } if since.elapsed() < PAUSE => return Look::Nothing,
            State::Connecting { waited_for: None } | State::Closed => return Look::Nothing,
            State::New => Some(deadline),
            State::Down { .. } => None,
        };
        *state = State::Connecting { waited_for };
        Look::Begin { waited_for }
    }

    /// A connection that has answered.
    async fn answering(&self, limit: Duration) -> Result<C, StoreError> {
        let what = "no connection could be made";
        let mut connection = timeout(CONNECT_LIMIT, (self.connect)())
            .await
            .map_err(|_| late("making a connection", CONNECT_LIMIT))?
            .map_err(|error| sentence(what, &error))?;
        // One that is stopped still accepts connections.
        let ping = cmd("PING");
        let pinging = ping.query_async::<()>(&mut connection);
        timeout(limit, pinging)
            .await
            .map_err(|_| late("PING", limit))?
            .map_err(|error| sentence("PING failed", &error))?;
        Ok(connection)
    }

    pub(super) async fn ping(&self, limit: Duration) -> Result<(), StoreError> {
        if self.is_closed() {
            return Err(StoreError::new(
                StoreErrorKind::Closed,
                "Redis: the store was closed; open another",
            ));
        }
        let connection = self.answering(limit).await?;
        let mut state = self.state();
        if !matches!(*state, State::Up { .. } | State::Closed) {
            let number = 0;
            self.change(&mut state, State::Up { connection, number });
        }
        Ok(())
    }
}

/// A task that connects. Should it end early, with its runtime, the next one begins a second later.
struct Attempt<C>(Arc<Link<C>>);

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Attempt<C> {
    async fn run(self, limit: Duration) {
        let link = &self.0;
        match link.answering(limit).await {
            Ok(connection) => {
                let mut state = link.state();
                if let State::Connecting { .. } = *state {
                    let number = 0;
                    link.change(&mut state, State::Up { connection, number });
                }
            }
            Err(error) => link.note(error),
        }
    }
}

impl<C> Drop for Attempt<C> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if let State::Connecting { .. } = *state {
            let since = Instant::now();
            self.0.change(&mut state, State::Down { since });
        }
    }
}

/// Whether another connection may do better.
fn is_of_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_io_error()
        // What was the primary is a replica now.
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

fn sentence(what: &str, error: &RedisError) -> StoreError {
    let refused = error.code().is_some() || error.kind() == ErrorKind::AuthenticationFailed;
    let kind = match refused {
        true => StoreErrorKind::Refused,
        false => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, format!("Redis: {what}: {error}"))
}

fn late(what: &str, limit: Duration) -> StoreError {
    let sentence = format!("Redis: {what} took longer than {limit:?}; is it stopped, or busy?");
    StoreError::new(StoreErrorKind::Late, sentence)
}

/// Nothing is half done where a thread may panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
