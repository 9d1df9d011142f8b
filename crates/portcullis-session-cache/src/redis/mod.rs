//! Sessions, and what is known of early data, in Redis, which any servers and clients share (feature `redis`).
//!
//! | of | key | value | commands |
//! |---|---|---|---|
//! | servers | prefix `s:` digest of the id | a sealed session | `SET … PX`, `GET`, `GETDEL`, `UNLINK` |
//! | clients, TLS 1.3 | prefix `c:{` digest of the key `}` | a list of them, the newest last | `RPUSH`, `LTRIM`, `PEXPIRE`, `RPOP`, `UNLINK` |
//! | clients, before | prefix `m:{` digest of the key `}` | a sealed session | `SET … PX`, `GET`, `UNLINK` |
//! | claims of early data | prefix `{r}:` the token | nothing | `SET … NX PX` |
//! | their marker | prefix `{r}:since` | `run_id` and `master_replid` of Redis | `SET … PX`, `GET`, `PTTL`, `INFO` |
//!
//! What is asked of one session touches keys of one slot, so that a cluster does as well as a single server. Redis
//! 6.2 or later is needed, for `GETDEL`.

mod client;
mod link;
mod password;
mod replay;
mod server;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError, cmd};
use rustls_pki_types::UnixTime;

pub use self::password::redis_url_with_password;
pub use self::replay::RedisReplayGuard;

use self::link::Link;
use crate::sealed::{Place, Seal};
use crate::{StoreError, StoreErrorKind, StoreFuture, StoreKeys};

/// How many keys one `SCAN` looks at.
const PAGE: usize = 500;
const PREFIX: &str = "portcullis:";
const TIME_LIMIT: Duration = Duration::from_millis(50);

/// The sessions of clients or servers in Redis, or in what speaks its protocol. Cheap to clone; clones are
/// the same store.
///
/// Reading the database is not enough to resume a session, since all are [sealed](StoreKeys), and its keys
/// show neither ids nor names.
///
/// **When Redis is slow or gone** connections have full handshakes, and hardly wait: nothing takes longer than the
/// [`time_limit`](Self::time_limit). The first command that does, or that finds the connection broken, ends those
/// that are under way, and for a second, and until a connection has answered again, everything is a miss at once. So
/// all connections together wait for one time limit in a second at most. Errors that Redis answers with, such as
/// out of memory, take no time and are a miss each. [`last_error`](Self::last_error) tells what it was.
///
/// A fail-over that loses writes, and a memory policy that evicts, lose sessions, which costs full handshakes; one
/// that brings back what was claimed lets a ticket of TLS 1.3 be resumed twice.
///
/// ```no_run
/// # use portcullis_session_cache as portcullis;
/// use portcullis::{RedisStore, StoreKeys};
///
/// # async fn example(secret: &[u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
/// // Read from where your other secrets are.
/// let keys = StoreKeys::new([secret])?;
/// let store = RedisStore::open("redis://127.0.0.1:6379/0", keys)?;
/// // A server can start without; but if something is wrong, know it now.
/// store.ping().await?;
/// # Ok(())
/// # }
/// ```
pub struct RedisStore<C = MultiplexedConnection> {
    link: Arc<Link<C>>,
    keys: Seal,
    prefix: Arc<str>,
    limit: Duration,
}

impl RedisStore {
    /// A store at a URL, `redis://[user:password@]host[:port][/database]` or `unix:///path`. It connects when it
    /// is first used, in a task of the Tokio runtime that it is used in.
    ///
    /// # Errors
    /// When the URL is none of Redis, or asks for TLS (`rediss://`): for that
    /// [`connecting`](Self::connecting) takes connections over any stream.
    pub fn open(url: &str, keys: StoreKeys) -> Result<Self, StoreError> {
        Ok(Self::connecting(connections(url)?, keys))
    }
}

type Connected = Result<MultiplexedConnection, RedisError>;

/// What makes connections to a URL.
fn connections(
    url: &str,
) -> Result<impl Fn() -> StoreFuture<'static, Connected> + Send + Sync + use<>, StoreError> {
    let wrong = |reason: &dyn fmt::Display| {
        // Not the URL: it may have a password in it.
        let sentence = format!("the URL of Redis cannot be used: {reason}");
        StoreError::new(StoreErrorKind::Options, sentence)
    };
    if url.trim_start().starts_with("rediss:") {
        return Err(wrong(
            &"rediss:// is TLS, which this store does not bring: `portcullis` has `redis_over_tls` and \
              `replay_guard_over_tls`; or make connections over a TLS stream and give them to `RedisStore::connecting`",
        ));
    }
    let client = Client::open(url).map_err(|error| {
        wrong(&format!(
            "{error}; it is redis://HOST:PORT/DATABASE, or unix://PATH"
        ))
    })?;
    Ok(move || -> StoreFuture<'static, Connected> {
        let client = client.clone();
        // This store has time limits of its own.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        Box::pin(async move {
            client
                .get_multiplexed_async_connection_with_config(&config)
                .await
        })
    })
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisStore<C> {
    /// A store that has its connections from `connect`, which is asked for one when it is first used and whenever
    /// the last one has failed: over TLS, to a cluster, or whatever is a
    /// [`ConnectionLike`](redis::aio::ConnectionLike). What `connect` does may take a second.
    pub fn connecting<F>(connect: impl Fn() -> F + Send + Sync + 'static, keys: StoreKeys) -> Self
    where
        F: Future<Output = Result<C, RedisError>> + Send + 'static,
    {
        let link = Link::new(move || Box::pin(connect()));
        Self {
            keys: Seal::new(keys, link.errors()),
            link: Arc::new(link),
            prefix: PREFIX.into(),
            limit: TIME_LIMIT,
        }
    }

    /// What the keys begin with. Default: `portcullis:`.
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

    /// Asks Redis whether it is there. Unlike all else here it waits for a second for a connection.
    ///
    /// # Errors
    /// What is wrong.
    ///
    /// # Cancel safety
    /// It can be dropped at any time.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.link.ping(self.limit).await
    }

    /// How many sessions were asked for, had not expired, and could be opened with none of the store's
    /// [keys](StoreKeys): those it was filled with are others. There is a full handshake for each.
    pub fn unopened(&self) -> u64 {
        self.keys.unopened()
    }

    /// What has failed last, if anything has. The first session that was asked for and that none of its keys opens
    /// ([`Keys`](crate::StoreErrorKind::Keys)) is among that; [`unopened`](Self::unopened) counts them all.
    pub fn last_error(&self) -> Option<StoreError> {
        self.link.last_error()
    }

    /// Sends one command; `None` if that failed, or there is no such value.
    async fn ask<T: FromRedisValue>(&self, command: redis::Cmd) -> Option<T> {
        let run = |mut connection: C| async move { command.query_async(&mut connection).await };
        self.link.run(self.limit, run).await
    }

    /// The same with commands that are done together.
    async fn ask_all<T: FromRedisValue>(&self, commands: Pipeline) -> Option<T> {
        let run = |mut connection: C| async move { commands.query_async(&mut connection).await };
        self.link.run(self.limit, run).await
    }

    /// All keys of a kind; of a cluster, those of the node that answers. `None` if that failed.
    async fn scan(&self, kind: &str) -> Option<Vec<String>> {
        let mut pattern = String::new();
        for character in self.prefix.chars() {
            if "*?[]^-\\".contains(character) {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push_str(kind);
        pattern.push('*');
        let (mut all, mut cursor) = (Vec::new(), 0_u64);
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern);
            scan.arg("COUNT").arg(PAGE);
            let (next, mut page): (u64, Vec<String>) = self.ask(scan).await?;
            all.append(&mut page);
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        // Redis may show one twice.
        all.sort_unstable();
        all.dedup();
        Some(all)
    }
}

/// The end of a key's name, in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let digit = |digit: u8| char::from_digit(digit.into(), 16).unwrap_or_default();
        out.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    out
}

/// What [`hex`] has written, at the end of a key's name, before `}` if there is one.
fn place(name: &str) -> Option<Place> {
    let name = name.strip_suffix('}').unwrap_or(name).as_bytes();
    let digits = name.last_chunk::<64>()?;
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Place(out))
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime::since_unix_epoch(since.unwrap_or_default())
}

/// For how many milliseconds Redis keeps what ends then, by its own clock; `None` if that is past.
fn time_to_live(end: UnixTime) -> Option<u64> {
    let seconds = end.as_secs().saturating_sub(now().as_secs());
    (seconds > 0).then(|| seconds.saturating_mul(1_000))
}

impl<C> Clone for RedisStore<C> {
    fn clone(&self) -> Self {
        Self {
            link: Arc::clone(&self.link),
            keys: self.keys.clone(),
            prefix: Arc::clone(&self.prefix),
            limit: self.limit,
        }
    }
}

impl<C> fmt::Debug for RedisStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("prefix", &self.prefix)
            .field("time_limit", &self.limit)
            .finish_non_exhaustive()
    }
}
