//! Which early data was accepted, in Redis, for all servers that open the same tickets.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{RedisError, cmd, pipe};

use super::link::Link;
use super::{PREFIX, RedisStore, TIME_LIMIT, connections, hex};
use crate::{Claim, ReplayGuard, StoreError, StoreErrorKind, StoreFuture};

/// For how long the marker lives, in milliseconds: a hundred years. What is left of them tells its age by the clock
/// of Redis, which is that of the claims' ends, too.
const MARKER_LIFE: i64 = 100 * 365 * 24 * 3_600 * 1_000;

/// How much faster than the clock of this process, which nobody sets, the marker may grow older between two looks at it, and a
/// thousandth of the time: clocks are corrected a little all the time, and a claim lives a minute longer than it has to.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// A guard in Redis, or in what speaks its protocol, for all servers that have its address. Cheap to clone.
///
/// A claim is a key that is set if it is not there, and ends by Redis's own clock. Beside the claims is a marker with
/// the identity of the process that Redis is (`run_id`), of its history (`master_replid`), and how many keys it has evicted. Where
/// there is none, or that of another, claims may have been forgotten: after a start, with a file or without one, a
/// fail-over, `FLUSHALL`, or when something was evicted; and so they may where the marker grows older faster than time
/// passes here, because somebody has set Redis's clock. Then a new marker is made, and until it is older than the lifetime of a claim, 81 seconds unless
/// another window was configured, all claims are [`Claim::Unavailable`]: handshakes go on without early data.
///
/// **Redis must not evict.** One with `maxmemory` and another policy than `noeviction` could forget a claim and keep the
/// marker: it is refused, by [`ping`](Self::ping) and whenever a marker would be made. Nor may two primaries be
/// written to for longer than a lifetime, where Redis fails over: `min-replicas-to-write` sees to that. All keys
/// have one hash tag, so that a cluster keeps them in one place.
///
/// When Redis is slow or gone it costs as little as a [`RedisStore`] that is: claims are `Unavailable` at once.
///
/// ```no_run
/// # mod portcullis { pub use portcullis_session_cache::*; }
/// use std::sync::Arc;
/// use portcullis::RedisReplayGuard;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let guard = RedisReplayGuard::open("redis://127.0.0.1:6379/0")?;
/// guard.ping().await?;
/// // TlsAcceptor::new(config).replay_guard(Arc::new(guard))
/// # Ok(())
/// # }
/// ```
pub struct RedisReplayGuard<C = MultiplexedConnection> {
    link: Arc<Link<C>>,
    prefix: Arc<str>,
    limit: Duration,
    watch: Arc<Mutex<Watch>>,
}

/// What this process has seen of the marker.
#[derive(Default)]
struct Watch {
    /// When it was looked at last, and how old it was.
    seen: Option<(Instant, Duration)>,
    /// Whether it has grown older than time has passed, and was not made anew since.
    is_doubtful: bool,
    /// When it was made anew here. What Redis was asked earlier tells of the one before.
    made: Option<Instant>,
}

impl Watch {
    /// Whether the marker tells for how long claims are remembered. Where it has grown older than time has passed, by more
    /// than clocks do, claims have ended too early: then no claim is made until another marker is there.
    fn trusts(&mut self, state: &State) -> bool {
        let jumped = self.seen.is_some_and(|(asked, age)| {
            let passed = asked.elapsed();
            state.age() > age + passed + passed / 1_000 + CLOCK_TOLERANCE
        });
        self.is_doubtful |= jumped;
        if self.is_doubtful || self.is_of_before(state) {
            return false;
        }
        self.seen = Some((state.asked, state.age()));
        true
    }

    fn is_of_before(&self, state: &State) -> bool {
        self.made.is_some_and(|made| state.asked < made)
    }

    /// It was made anew, by a command that was sent then.
    fn begin(&mut self, sent: Instant) {
        *self = Self {
            seen: Some((sent, Duration::ZERO)),
            is_doubtful: false,
            made: Some(Instant::now()),
        };
    }
}

impl RedisReplayGuard {
    /// A guard at a URL, as [`RedisStore::open`].
    ///
    /// # Errors
    /// When the URL is none of Redis, or asks for TLS (`rediss://`): for that there is
    /// [`RedisStore::replay_guard`] of a store that has it.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        Ok(Self::connecting(connections(url)?))
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisReplayGuard<C> {
    /// A guard that has its connections from `connect`, as [`RedisStore::connecting`].
    pub fn connecting<F>(connect: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<C, RedisError>> + Send + 'static,
    {
        Self {
            link: Arc::new(Link::new(move || Box::pin(connect()))),
            prefix: PREFIX.into(),
            limit: TIME_LIMIT,
            watch: Arc::default(),
        }
    }

    /// What the keys begin with. Default: `portcullis:`. Servers that open the same tickets need the same.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a command may take, 1 millisecond at least. Default: 50 milliseconds.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.limit = limit.max(Duration::from_millis(1));
        self
    }

    /// Asks Redis whether it is there, and whether it evicts. Makes the marker if there is none, so that the time until
    /// claims can be made begins before the first client comes.
    ///
    /// # Errors
    /// What is wrong.
    ///
    /// # Cancel safety
    /// It can be dropped at any time.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.link.ping(self.limit).await?;
        let failed = || {
            self.last_error().unwrap_or_else(|| {
                let sentence = "Redis: the marker cannot be read or made";
                StoreError::new(StoreErrorKind::Unavailable, sentence)
            })
        };
        if let Some(error) = self.evicts().await.ok_or_else(failed)? {
            return Err(error);
        }
        let state = self.state(None, Duration::ZERO).await.ok_or_else(failed)?;
        match self.is_sound(&state) {
            true => Ok(()),
            false => self.mark(&state.who).await.ok_or_else(failed),
        }
    }

    /// For how long it remembers which early data was accepted. Claims are made where that is longer than a claim lives.
    ///
    /// # Errors
    /// What is wrong; as [`ping`](Self::ping), which this does first.
    ///
    /// # Cancel safety
    /// It can be dropped at any time.
    pub async fn age(&self) -> Result<Duration, StoreError> {
        self.ping().await?;
        let state = self.state(None, Duration::ZERO).await;
        let marked = state.filter(State::is_marked);
        Ok(marked.map_or(Duration::ZERO, |state| state.age()))
    }

    /// What has failed last, if anything has.
    pub fn last_error(&self) -> Option<StoreError> {
        self.link.last_error()
    }

    fn name(&self, end: &str) -> String {
        format!("{}{{r}}:{end}", self.prefix)
    }

    /// Sets the claim, if it is one, and looks at the marker, in one step: had Redis forgotten something in between,
    /// the marker would not tell.
    async fn state(&self, token: Option<&[u8; 16]>, lifetime: Duration) -> Option<State> {
        let marker = self.name("since");
        let mut all = pipe();
        all.atomic();
        if let Some(token) = token {
            let milliseconds = u64::try_from(lifetime.as_millis()).ok()?;
            let mut set = cmd("SET");
            set.arg(self.name(&hex(token))).arg("").arg("NX");
            set.arg("PX").arg(milliseconds.max(1));
            all.add_command(set);
        } else {
            all.cmd("PING");
        }
        all.get(&marker).cmd("PTTL").arg(&marker);
        all.cmd("INFO").arg("server");
        all.cmd("INFO").arg("replication");
        all.cmd("INFO").arg("stats");
        type Said = (Option<()>, Option<String>, i64, String, String, String);
        let asked = Instant::now();
        let (set, marked, left, server, replication, statistics): Said = self
            .link
            .run(self.limit, |mut connection| async move {
                all.query_async(&mut connection).await
            })
            .await?;
        Some(State {
            asked,
            is_new: set.is_some(),
            who: format!(
                "{} {} {}",
                field(&server, "run_id")?,
                field(&replication, "master_replid").unwrap_or_default(),
                field(&statistics, "evicted_keys").unwrap_or_default()
            ),
            marked,
            left,
        })
    }

    /// Begins anew. That this comes late, or of two at once, makes the marker younger and nothing worse.
    async fn mark(&self, who: &str) -> Option<()> {
        let mut set = cmd("SET");
        set.arg(self.name("since")).arg(who);
        set.arg("PX").arg(MARKER_LIFE);
        let sent = Instant::now();
        self.link
            .run(self.limit, |mut connection| async move {
                set.query_async::<()>(&mut connection).await
            })
            .await?;
        self.watch().begin(sent);
        Some(())
    }

    /// Why it cannot be a guard, if it evicts.
    async fn evicts(&self) -> Option<Option<StoreError>> {
        let mut command = cmd("INFO");
        command.arg("memory");
        let info: String = self
            .link
            .run(self.limit, |mut connection| async move {
                command.query_async(&mut connection).await
            })
            .await?;
        let policy = field(&info, "maxmemory_policy").unwrap_or("noeviction");
        let is_bounded = field(&info, "maxmemory").is_some_and(|bytes| bytes != "0");
        Some((is_bounded && policy != "noeviction").then(|| {
            let sentence = format!(
                "Redis: its memory is bounded, and its policy {policy} may evict what a replay guard has to remember; \
                 set maxmemory-policy to noeviction, or have a Redis for the guard alone"
            );
            StoreError::new(StoreErrorKind::Refused, sentence)
        }))
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a marker that tells for how long claims are remembered.
    fn is_sound(&self, state: &State) -> bool {
        state.is_marked() && self.watch().trusts(state)
    }

    async fn claimed(&self, token: &[u8; 16], lifetime: Duration) -> Claim {
        let Some(state) = self.state(Some(token), lifetime).await else {
            return Claim::Unavailable;
        };
        // What was asked before the marker was made anew knows nothing of it: whoever made it younger again for that, with claims all
        // the time, would never be old enough.
        if self.watch().is_of_before(&state) {
            return Claim::Unavailable;
        }
        if !self.is_sound(&state) {
            match self.evicts().await {
                Some(None) => drop(self.mark(&state.who).await),
                Some(Some(error)) => self.link.note(error),
                None => {}
            }
            return Claim::Unavailable;
        }
        match state.age() {
            _ if !state.is_new => Claim::Seen,
            age if age > lifetime => Claim::First,
            _ => Claim::Unavailable,
        }
    }
}

/// What Redis knows.
struct State {
    /// When that was asked, by the clock here.
    asked: Instant,
    /// Whether nobody had claimed it.
    is_new: bool,
    /// Which process it is, and with which history.
    who: String,
    /// By which process the marker was made.
    marked: Option<String>,
    /// What is left of its life, in milliseconds; negative if it has no end, or is not there.
    left: i64,
}

impl State {
    /// Whether there is a marker, of this process. A clock that was set back has made it too young.
    fn is_marked(&self) -> bool {
        self.marked.as_ref() == Some(&self.who) && (0..=MARKER_LIFE).contains(&self.left)
    }

    fn age(&self) -> Duration {
        let age = MARKER_LIFE.saturating_sub(self.left);
        Duration::from_millis(u64::try_from(age).unwrap_or_default())
    }
}

/// One field of what `INFO` says.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = info.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> ReplayGuard for RedisReplayGuard<C> {
    fn claim<'a>(&'a self, token: &'a [u8; 16], lifetime: Duration) -> StoreFuture<'a, Claim> {
        Box::pin(self.claimed(token, lifetime))
    }
}

impl<C> RedisStore<C> {
    /// A guard in the same Redis, with the connection, time limit and prefix of this store: a Redis that is slow costs
    /// both together one time limit in a second. It ends with the store's
    /// [`close`](crate::ServerSessionStore::close).
    pub fn replay_guard(&self) -> RedisReplayGuard<C> {
        RedisReplayGuard {
            link: Arc::clone(&self.link),
            prefix: Arc::clone(&self.prefix),
            limit: self.limit,
            watch: Arc::default(),
        }
    }
}

impl<C> Clone for RedisReplayGuard<C> {
    fn clone(&self) -> Self {
        Self {
            link: Arc::clone(&self.link),
            prefix: Arc::clone(&self.prefix),
            limit: self.limit,
            watch: Arc::clone(&self.watch),
        }
    }
}

impl<C> fmt::Debug for RedisReplayGuard<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReplayGuard")
            .field("prefix", &self.prefix)
            .field("time_limit", &self.limit)
            .finish_non_exhaustive()
    }
}
