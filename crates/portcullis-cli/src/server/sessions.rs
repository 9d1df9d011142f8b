//! What a server does for clients that come back: tickets, where sessions are kept, and early data.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use portcullis::config::ServerConfigBuilder;
use portcullis::pki_types::UnixTime;
use portcullis::session::{AntiReplay, BloomFilters, TicketKeys};
use portcullis::{
    ClientConfig, DiskStore, MemoryReplayGuard, MemoryServerSessionStore, RedisReplayGuard,
    RedisStore, ReplayGuard, Roots, ServerSessionStore, StoreError, StoreErrorKind, StoreKeys,
    TicketKeyFile, TlsAcceptor, TlsConnector, redis_over_tls, redis_url_with_password,
    replay_guard_over_tls,
};
use zeroize::Zeroizing;

use super::changes;
use crate::failure::Failure;
use crate::files;
use crate::text::given;

/// How long a key seals tickets; it opens them for as long again.
const PERIOD: u64 = 7_200;
/// How often a file of ticket keys is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How far the age of a ticket may be off, in seconds.
const WINDOW: u64 = 10;
/// How much longer than two windows a claim is remembered, in seconds.
const CLAIM_MARGIN: u64 = 61;
/// How much early data a guard in memory remembers at a time.
const CLAIMS: usize = 100_000;
/// The longest seed, and the longest file of store keys, in bytes.
const MOST: usize = 1_024;

#[derive(Debug, Args)]
pub(crate) struct Sessions {
    /// Give clients tickets, and resume their sessions. Stateless: tickets are the sessions, sealed with keys that
    /// only this process has, unless there is --ticket-seed or --ticket-key. Stateful: sessions are kept in --store,
    /// also those of TLS 1.2 by their ids, and a ticket is good for one connection.
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "stateless", value_name = "HOW")]
    tickets: Option<Tickets>,
    /// Derive the ticket keys from the 32 to 1,024 random bytes in this file: servers with the same seed open each
    /// other's tickets, and change keys together.
    #[arg(long, value_name = "FILE", conflicts_with = "ticket_key")]
    ticket_seed: Option<PathBuf>,
    /// How long a key seals tickets, without --ticket-key: 1 to 604,800 seconds, 7,200 unless it is said. With a seed
    /// all servers need the same.
    #[arg(long, value_name = "SECONDS", conflicts_with = "ticket_key", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    ticket_period: Option<u64>,
    /// Take the ticket keys from this file, as `portcullis ticket-key` makes it, and again whenever it changes.
    #[arg(long, value_name = "FILE")]
    ticket_key: Option<PathBuf>,
    /// Where sessions are kept: memory, disk:PATH, redis://HOST:PORT/DATABASE, rediss:// for TLS, or
    /// unix://PATH. Tickets are stateful then.
    #[arg(long, value_name = "PLACE", value_parser = unread)]
    store: Option<Place>,
    /// What sessions on disk or in Redis are sealed with: 1 to 8 keys of 32 random bytes, of which the first seals and
    /// all open.
    #[arg(long, value_name = "FILE", requires = "store")]
    store_key: Option<PathBuf>,
    /// Trust the certificates in this PEM file, instead of those of the operating system, for rediss://.
    #[arg(long, value_name = "FILE")]
    store_cafile: Option<PathBuf>,
    /// The password of Redis, in --store and in --replay-guard, is the first line of this file, which others cannot read as
    /// they can a command line. A user is named in the place: redis://USER@HOST.
    #[arg(long, value_name = "FILE")]
    store_password_file: Option<PathBuf>,
    /// Accept so many bytes of early data, 16,384 unless it is said, from clients that resume a session of TLS 1.3.
    #[arg(long, value_name = "BYTES", num_args = 0..=1, default_missing_value = "16384")]
    early_data: Option<u32>,
    /// How far the age of a ticket may be off for its early data to be accepted: 1 to 60 seconds, 10 unless it is said.
    #[arg(long, value_name = "SECONDS", requires = "early_data", value_parser = clap::value_parser!(u64).range(1..=60))]
    early_data_window: Option<u64>,
    /// Who remembers which early data was accepted, where others have the ticket keys, too: redis://, rediss:// or
    /// unix://, the same for all servers; or memory, for a single one that keeps its keys.
    #[arg(long, value_name = "PLACE", requires = "early_data", value_parser = unread)]
    replay_guard: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tickets {
    Stateless,
    Stateful,
}

/// A place as it was typed. It is read later: what clap cannot read it shows, and a URL may have a password.
#[derive(Clone)]
struct Place(Zeroizing<String>);

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(..)")
    }
}

fn unread(text: &str) -> Result<Place, Infallible> {
    Ok(Place(Zeroizing::new(text.to_owned())))
}

enum Kind<'a> {
    Memory,
    Disk(&'a Path),
    Redis(&'a str),
    RedisOverTls(&'a str),
}

impl Place {
    fn kind(&self, option: &str) -> Result<Kind<'_>, Failure> {
        let text = self.0.as_str();
        match text.split_once(':') {
            None if text == "memory" => Ok(Kind::Memory),
            Some(("disk", path)) if !path.is_empty() => Ok(Kind::Disk(Path::new(path))),
            Some(("redis" | "unix" | "redis+unix", _)) => Ok(Kind::Redis(text)),
            Some(("rediss", _)) => Ok(Kind::RedisOverTls(text)),
            _ => {
                let disk = match option {
                    "--store" => "disk:PATH, ",
                    _ => "",
                };
                Err(Failure::usage(format!(
                    "{option}: no such place; there are memory, {disk}redis://, rediss:// and unix://"
                )))
            }
        }
    }
}

/// What the options have opened.
#[derive(Default)]
pub(crate) struct Opened {
    ticket_keys: Option<TicketKeys>,
    store: Option<Arc<dyn ServerSessionStore>>,
    guard: Option<Arc<dyn ReplayGuard>>,
    anti_replay: Option<AntiReplay>,
    limit: u32,
    window: Option<Duration>,
}

impl Sessions {
    pub(crate) const fn takes_early_data(&self) -> bool {
        self.early_data.is_some()
    }

    /// Opens what is named, if the options go together.
    pub(crate) async fn open(&self) -> Result<Opened, Failure> {
        let has_keys = self.ticket_seed.is_some() || self.ticket_key.is_some();
        let tickets = match (self.tickets, &self.store) {
            (Some(Tickets::Stateless), Some(_)) => {
                return Err(Failure::usage(
                    "--store has no effect with --tickets stateless, which are the sessions themselves",
                ));
            }
            (Some(tickets), _) => Some(tickets),
            (None, Some(_)) => Some(Tickets::Stateful),
            (None, None) if has_keys => Some(Tickets::Stateless),
            (None, None) => None,
        };
        let mut opened = match tickets {
            Some(Tickets::Stateless) => self.stateless().await?,
            Some(Tickets::Stateful) if has_keys || self.ticket_period.is_some() => {
                let given = given(&[
                    ("--ticket-seed", self.ticket_seed.is_some()),
                    ("--ticket-key", self.ticket_key.is_some()),
                    ("--ticket-period", self.ticket_period.is_some()),
                ]);
                let with = match self.tickets {
                    Some(_) => "--tickets stateful, which",
                    None => "--store, where tickets",
                };
                return Err(Failure::usage(format!(
                    "{given} no effect with {with} are names of sessions that are kept"
                )));
            }
            Some(Tickets::Stateful) => self.stateful().await?,
            None if self.takes_early_data() || self.ticket_period.is_some() => {
                let given = given(&[
                    ("--early-data", self.takes_early_data()),
                    ("--ticket-period", self.ticket_period.is_some()),
                ]);
                // Keys of a file have no period, nor have sessions that are kept.
                let missing = match self.ticket_period.is_some() {
                    true => "--tickets or --ticket-seed",
                    false => "--tickets, --ticket-seed, --ticket-key or --store",
                };
                return Err(Failure::usage(format!(
                    "{given} no effect without {missing}"
                )));
            }
            None => Opened::default(),
        };
        let places = [&self.store, &self.replay_guard];
        let mut places = places.into_iter().flatten();
        let is_over_tls = |place: &Place| place.0.starts_with("rediss:");
        let is_redis =
            |place: &Place| matches!(place.kind(""), Ok(Kind::Redis(_) | Kind::RedisOverTls(_)));
        if self.store_password_file.is_some() && !places.clone().any(is_redis) {
            return Err(Failure::usage(
                "--store-password-file has no effect without a Redis in --store or --replay-guard",
            ));
        }
        if self.store_cafile.is_some() && !places.any(is_over_tls) {
            return Err(Failure::usage(
                "--store-cafile has no effect without rediss://",
            ));
        }
        opened.limit = self.early_data.unwrap_or_default();
        opened.window = self.early_data_window.map(Duration::from_secs);
        Ok(opened)
    }

    async fn stateless(&self) -> Result<Opened, Failure> {
        let misuse = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let period = Duration::from_secs(self.ticket_period.unwrap_or(PERIOD));
        let mut opened = Opened::default();
        let (keys, are_shared) = match (&self.ticket_seed, &self.ticket_key) {
            (Some(file), _) => {
                let seed = secret("--ticket-seed", file)?;
                let about =
                    |error| Failure::usage(format!("--ticket-seed {}: {error}", file.display()));
                let keys = TicketKeys::derived(&seed, period);
                (keys.map_err(about)?, true)
            }
            (None, Some(path)) => {
                let file = TicketKeyFile::open(path, LOOK_EVERY).await;
                let file = file.map_err(misuse)?;
                let keys = file.keys();
                tokio::spawn(changes::of_file(file));
                (keys, true)
            }
            (None, None) => (TicketKeys::rotating(period).map_err(misuse)?, false),
        };
        opened.ticket_keys = Some(keys);
        match (&self.replay_guard, are_shared) {
            _ if !self.takes_early_data() => {}
            (Some(place), _) => opened.asks(self.guard(place).await?),
            (None, true) => {
                return Err(Failure::usage(
                    "--early-data: others may have these ticket keys, too, and this process once more after a \
                     restart; name a --replay-guard that all of them share",
                ));
            }
            (None, false) => {
                // Nothing was accepted with keys that have just been made.
                let since = UnixTime::since_unix_epoch(Duration::ZERO);
                let local = AntiReplay::local(BloomFilters::LARGE, since).map_err(misuse)?;
                opened.anti_replay = Some(local);
            }
        }
        Ok(opened)
    }

    async fn stateful(&self) -> Result<Opened, Failure> {
        if self.replay_guard.is_some() {
            return Err(Failure::usage(
                "--replay-guard has no effect with stateful tickets: it is where the sessions are",
            ));
        }
        let memory = Place(Zeroizing::new("memory".to_owned()));
        let place = self.store.as_ref().unwrap_or(&memory);
        let kind = place.kind("--store")?;
        let keys = match (&kind, &self.store_key) {
            (Kind::Memory, Some(_)) => {
                return Err(Failure::usage(
                    "--store-key has no effect with --store memory, where nothing is sealed",
                ));
            }
            (Kind::Memory, None) => None,
            (_, Some(file)) => Some(store_keys(file)?),
            (_, None) => {
                return Err(Failure::usage(
                    "--store: sessions outside of the process are sealed; name a --store-key, a file of 32 random bytes",
                ));
            }
        };
        let mut opened = Opened::default();
        let wrong = |error: StoreError| Failure::usage(format!("--store: {error}"));
        match (kind, keys) {
            (Kind::Disk(path), Some(keys)) => {
                let store = DiskStore::open(path, keys).await.map_err(wrong)?;
                let asked = store.clone();
                let last_error = move || asked.last_error();
                tokio::spawn(changes::of_store("--store", &[], last_error));
                opened.store = Some(Arc::new(store));
            }
            (Kind::Redis(url), Some(keys)) => {
                let url = self.with_password(url, "--store")?;
                let store = RedisStore::open(&url, keys).map_err(wrong)?;
                self.keep_in_redis(&mut opened, store).await;
            }
            (Kind::RedisOverTls(url), Some(keys)) => {
                let url = self.with_password(url, "--store")?;
                let store = redis_over_tls(&url, self.connector()?, keys).map_err(wrong)?;
                self.keep_in_redis(&mut opened, store).await;
            }
            _ => opened.store = Some(Arc::new(MemoryServerSessionStore::default())),
        }
        if self.takes_early_data() && opened.guard.is_none() {
            opened.anti_replay = Some(AntiReplay::single_use_tickets());
        }
        Ok(opened)
    }

    /// A server can start without Redis, and finds it later.
    async fn keep_in_redis(&self, opened: &mut Opened, store: RedisStore) {
        let answer = store.ping().await;
        if let Err(error) = &answer {
            eprintln!("portcullis: --store: {error}");
        }
        let (asked, is_there) = (store.clone(), answer.is_ok());
        let ask = move || {
            let store = asked.clone();
            async move { store.ping().await }
        };
        tokio::spawn(changes::of_redis(
            "--store",
            "no sessions are kept",
            is_there,
            ask,
        ));
        let asked = store.clone();
        let gone = &[StoreErrorKind::Unavailable, StoreErrorKind::Late];
        let last_error = move || asked.last_error();
        tokio::spawn(changes::of_store("--store", gone, last_error));
        if self.takes_early_data() {
            opened.asks(self.begun(store.replay_guard(), "--store").await);
        }
        opened.store = Some(Arc::new(store));
    }

    async fn guard(&self, place: &Place) -> Result<Arc<dyn ReplayGuard>, Failure> {
        const OPTION: &str = "--replay-guard";
        let wrong = |error: StoreError| Failure::usage(format!("{OPTION}: {error}"));
        let guard = match place.kind(OPTION)? {
            Kind::Memory => return Ok(Arc::new(MemoryReplayGuard::new(CLAIMS))),
            Kind::Disk(_) => {
                return Err(Failure::usage(
                    "--replay-guard: there is none on disk; take redis://, rediss://, unix:// or memory",
                ));
            }
            Kind::Redis(url) => RedisReplayGuard::open(&self.with_password(url, OPTION)?),
            Kind::RedisOverTls(url) => {
                replay_guard_over_tls(&self.with_password(url, OPTION)?, self.connector()?)
            }
        };
        let guard = guard.map_err(wrong)?;
        let asked = guard.clone();
        let is_there = guard.ping().await.is_ok();
        let ask = move || {
            let guard = asked.clone();
            async move { guard.ping().await }
        };
        let without = "no early data is accepted";
        tokio::spawn(changes::of_redis("--replay-guard", without, is_there, ask));
        Ok(self.begun(guard, "--replay-guard").await)
    }

    /// The time until early data is accepted begins now, if it has not before.
    async fn begun(&self, guard: RedisReplayGuard, option: &str) -> Arc<dyn ReplayGuard> {
        let window = self.early_data_window.unwrap_or(WINDOW);
        let needed = Duration::from_secs(2 * window + CLAIM_MARGIN);
        match guard.age().await {
            Err(error) => eprintln!("portcullis: {option}: no early data is accepted: {error}"),
            Ok(age) if age <= needed => eprintln!(
                "portcullis: {option}: no early data is accepted for {} s more: Redis has just begun to remember which was",
                needed.saturating_sub(age).as_secs() + 1
            ),
            Ok(_) => {}
        }
        Arc::new(guard)
    }

    /// The URL of a Redis, with the password of the file if there is one.
    fn with_password(&self, url: &str, option: &str) -> Result<Zeroizing<String>, Failure> {
        let Some(file) = &self.store_password_file else {
            return Ok(Zeroizing::new(url.to_owned()));
        };
        let wrong = |what: &dyn fmt::Display| {
            Failure::usage(format!("--store-password-file {}: {what}", file.display()))
        };
        let line = files::first_line(file).map_err(|error| wrong(&error))?;
        let password =
            std::str::from_utf8(&line).map_err(|_| wrong(&"the password is no UTF-8"))?;
        redis_url_with_password(url, password).map_err(|error| wrong(&format!("{option}: {error}")))
    }

    /// For a Redis that speaks TLS.
    fn connector(&self) -> Result<TlsConnector, Failure> {
        let misuse = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let roots = match &self.store_cafile {
            Some(file) => Roots::from_pem_file(file),
            None => Roots::os(),
        };
        let config = ClientConfig::builder(roots.map_err(misuse)?);
        Ok(TlsConnector::new(config.build().map_err(misuse)?))
    }
}

impl Opened {
    fn asks(&mut self, guard: Arc<dyn ReplayGuard>) {
        self.guard = Some(guard);
        self.anti_replay = Some(AntiReplay::asked());
    }

    pub(crate) fn configure(&self, builder: ServerConfigBuilder) -> ServerConfigBuilder {
        let mut builder = match (&self.ticket_keys, &self.store) {
            (Some(keys), _) => builder.ticket_keys(keys.clone()),
            (None, Some(_)) => builder.ask_tickets(true),
            (None, None) => builder.resumption(false),
        };
        if let Some(anti_replay) = &self.anti_replay {
            builder = builder.early_data(anti_replay.clone());
            builder = builder.max_early_data(self.limit);
        }
        match self.window {
            Some(window) => builder.early_data_window(window),
            None => builder,
        }
    }

    pub(crate) fn equip(&self, mut acceptor: TlsAcceptor) -> TlsAcceptor {
        if let Some(store) = &self.store {
            acceptor = acceptor.session_store(Arc::clone(store));
        }
        if let Some(guard) = &self.guard {
            acceptor = acceptor.replay_guard(Arc::clone(guard));
        }
        acceptor
    }
}

fn store_keys(path: &Path) -> Result<StoreKeys, Failure> {
    let about =
        |what: &dyn fmt::Display| Failure::usage(format!("--store-key {}: {what}", path.display()));
    let bytes = secret("--store-key", path)?;
    let (keys, rest) = bytes.as_chunks::<{ StoreKeys::KEY_LEN }>();
    if !rest.is_empty() {
        return Err(about(&format!(
            "no file of store keys, which are 32 random bytes each, such as those of `openssl rand 32`, and nothing else; \
             it has {} bytes",
            bytes.len()
        )));
    }
    StoreKeys::new(keys).map_err(|error| about(&error))
}

fn secret(option: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let read = files::secret(path, MOST);
    read.map_err(|error| Failure::usage(format!("{option} {}: {error}", path.display())))
}
