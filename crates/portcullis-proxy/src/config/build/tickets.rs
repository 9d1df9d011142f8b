//! How sessions are resumed, and which early data is taken.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis::config::ServerConfigBuilder;
use portcullis::pki_types::UnixTime;
use portcullis::session::{AntiReplay, BloomFilters, TicketKeys};
use portcullis::{Misuse, ReplayGuard, ServerSessionStore, TicketKeyFile};

use super::{Maker, is_readable_by_others};
use crate::config::model::{self, RouteBackend, Text};
use crate::config::plan::Listener;
#[cfg(feature = "redis")]
use crate::kept::Ping;
use crate::kept::{Kept, Watched};
use crate::proxy_header::Version;
use crate::route::Mode;

/// The longest password, in bytes.
#[cfg(feature = "redis")]
const PASSWORD: usize = 4_096;

/// What all routes have in common.
#[derive(Default)]
pub(super) struct Tickets {
    /// What seals tickets; without them each route has some of its own.
    keys: Option<TicketKeys>,
    /// Where sessions are, whose names tickets are then.
    store: Option<Arc<dyn ServerSessionStore>>,
    guard: Option<Arc<dyn ReplayGuard>>,
    watched: Vec<Watched>,
}

impl Tickets {
    pub(super) fn configure(&self, builder: ServerConfigBuilder) -> ServerConfigBuilder {
        match (&self.keys, &self.store) {
            (Some(keys), _) => builder.ticket_keys(keys.clone()),
            (None, Some(_)) => builder.ask_tickets(true),
            (None, None) => builder,
        }
    }

    pub(super) fn kept(self, listeners: &[Listener]) -> Kept {
        let routes = listeners.iter().flat_map(|it| &it.routes.0);
        let mut configs = routes.filter_map(|route| match &route.mode {
            Mode::Terminate(config, _) => Some(config),
            _ => None,
        });
        Kept::new(configs.next(), self.store, self.guard, self.watched)
    }
}

impl Maker<'_> {
    pub(super) fn tickets(&self) -> Tickets {
        let mut tickets = Tickets::default();
        let Some(entry) = &self.file.tickets else {
            return tickets;
        };
        self.check_tickets(entry);
        if let Some(file) = &entry.file {
            let told = |misuse: Misuse| self.wrong(&file.span(), misuse.to_string());
            self.warn_of_readers(file);
            tickets.keys = TicketKeyFile::load(file.get_ref()).map_err(told).ok();
        }
        self.open(entry, &mut tickets);
        tickets
    }

    fn warn_of_readers(&self, file: &Text) {
        if is_readable_by_others(Path::new(file.get_ref())) {
            let text = format!("others can read {}; chmod 600 it", file.get_ref());
            self.report.warn(&file.span(), text);
        }
    }

    fn takes_early_data(&self) -> bool {
        self.file.routes.iter().any(|it| it.early_data.is_some())
    }

    /// What does not go together.
    fn check_tickets(&self, entry: &model::Tickets) {
        let wrong = |place: &Option<Text>, text: &str| {
            let span = place.as_ref().map_or(entry.span.clone(), |it| it.span());
            self.wrong(&span, text);
        };
        let is_over_tls = |url: &Option<Text>| {
            let url = url.as_ref().map(|it| it.get_ref().as_str());
            url.is_some_and(|url| url.starts_with("rediss:"))
        };
        match (&entry.file, &entry.store) {
            (Some(_), Some(_)) => wrong(
                &entry.file,
                "tickets are names of sessions where there is a `store`, and sealed with nothing; leave `file` or `store` out",
            ),
            (None, None) if entry.replay_guard.is_some() => wrong(
                &entry.replay_guard,
                "keys of this process have nobody else to replay to, and it remembers by itself; leave `replay_guard` out",
            ),
            _ => {}
        }
        match (&entry.store, &entry.store_key) {
            (Some(_), None) => wrong(
                &entry.store,
                "sessions outside of the process are sealed; name a `store_key`, a file of 32 random bytes",
            ),
            (None, Some(_)) => wrong(
                &entry.store_key,
                "without a `store` there is nothing to seal",
            ),
            _ => {}
        }
        if entry.replay_guard.is_some() && entry.store.is_some() {
            let text = "early data is remembered where the sessions are; leave `replay_guard` out";
            wrong(&entry.replay_guard, text);
        } else if entry.replay_guard.is_some() && !self.takes_early_data() {
            let text = "no route has `early_data`, so there is nothing to remember; leave `replay_guard` out";
            wrong(&entry.replay_guard, text);
        }
        if entry.redis_password_file.is_some()
            && entry.store.is_none()
            && entry.replay_guard.is_none()
        {
            let text = "there is no Redis that wants a password; leave `redis_password_file` out";
            wrong(&entry.redis_password_file, text);
        }
        if entry.redis_roots.is_some()
            && ![&entry.store, &entry.replay_guard]
                .into_iter()
                .any(is_over_tls)
        {
            let text = "only a Redis at rediss:// shows a certificate; leave `redis_roots` out";
            wrong(&entry.redis_roots, text);
        }
    }

    #[cfg(not(feature = "redis"))]
    fn open(&self, entry: &model::Tickets, _: &mut Tickets) {
        for place in [&entry.store, &entry.replay_guard].into_iter().flatten() {
            let text = "this proxy was built without Redis (feature `redis` of portcullis-proxy)";
            self.wrong(&place.span(), text);
        }
    }

    /// Nothing is connected to yet.
    #[cfg(feature = "redis")]
    fn open(&self, entry: &model::Tickets, tickets: &mut Tickets) {
        use portcullis::{
            RedisReplayGuard, RedisStore, StoreError, redis_over_tls, replay_guard_over_tls,
        };

        // What is said of a URL does not have it: there may be a password in it.
        let wrong = |place: &Text, error: StoreError| self.wrong(&place.span(), error.to_string());
        if let Some(place) = &entry.store
            && let Some(keys) = entry.store_key.as_ref().and_then(|it| self.store_keys(it))
            && let Some(over_tls) = self.redis(place, entry)
            && let Some(url) = self.with_password(place, entry)
        {
            let store = match over_tls {
                Some(connector) => redis_over_tls(&url, connector, keys),
                None => RedisStore::open(&url, keys),
            };
            if let Ok(store) = store.map_err(|error| wrong(place, error)) {
                if self.takes_early_data() {
                    let guard = store.replay_guard();
                    let ping = ping(guard.clone(), |it| async move { it.ping().await });
                    tickets.watched.push(Watched::new("replay_guard", ping));
                    tickets.guard = Some(Arc::new(guard));
                }
                let ping = ping(store.clone(), |it| async move { it.ping().await });
                tickets.watched.push(Watched::new("sessions", ping));
                tickets.store = Some(Arc::new(store));
            }
        }
        if let Some(place) = entry
            .replay_guard
            .as_ref()
            .filter(|_| entry.store.is_none())
            && let Some(over_tls) = self.redis(place, entry)
            && let Some(url) = self.with_password(place, entry)
        {
            let guard = match over_tls {
                Some(connector) => replay_guard_over_tls(&url, connector),
                None => RedisReplayGuard::open(&url),
            };
            if let Ok(guard) = guard.map_err(|error| wrong(place, error)) {
                let ping = ping(guard.clone(), |it| async move { it.ping().await });
                tickets.watched.push(Watched::new("replay_guard", ping));
                tickets.guard = Some(Arc::new(guard));
            }
        }
    }

    /// What speaks TLS to it, if it does; `None` if it is no place.
    #[cfg(feature = "redis")]
    fn redis(
        &self,
        place: &Text,
        entry: &model::Tickets,
    ) -> Option<Option<portcullis::TlsConnector>> {
        use portcullis::{ClientConfig, Roots, TlsConnector};

        let told = |misuse: Misuse| self.wrong(&place.span(), misuse.to_string());
        match place.get_ref().split_once(':').map(|(scheme, _)| scheme) {
            Some("redis" | "unix" | "redis+unix") => Some(None),
            Some("rediss") => {
                let roots = match &entry.redis_roots {
                    Some(file) => self.roots(file)?,
                    None => Roots::os().map_err(told).ok()?,
                };
                let config = ClientConfig::builder(roots).build();
                Some(Some(TlsConnector::new(config.map_err(told).ok()?)))
            }
            _ => {
                let text = "this is redis://HOST:PORT/DATABASE, rediss:// for TLS, or unix://PATH";
                self.wrong(&place.span(), text);
                None
            }
        }
    }

    /// Its URL, with the password of the file if there is one; `None` if that is of no use.
    #[cfg(feature = "redis")]
    fn with_password(
        &self,
        place: &Text,
        entry: &model::Tickets,
    ) -> Option<zeroize::Zeroizing<String>> {
        use portcullis::redis_url_with_password;
        use zeroize::Zeroizing;

        let Some(file) = &entry.redis_password_file else {
            return Some(Zeroizing::new(place.get_ref().clone()));
        };
        self.warn_of_readers(file);
        let told = |what: String| self.wrong(&file.span(), format!("{}: {what}", file.get_ref()));
        let bytes = self.secret(file, PASSWORD)?;
        if bytes.len() > PASSWORD {
            told(format!("longer than {PASSWORD} bytes"));
            return None;
        }
        let mut lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
        let Ok(password) = std::str::from_utf8(lines.next().unwrap_or_default()) else {
            told("the password is no UTF-8".to_owned());
            return None;
        };
        redis_url_with_password(place.get_ref(), password)
            .map_err(|error| told(error.to_string()))
            .ok()
    }

    /// What is in a file, up to a byte more than it may have: what is read does not grow, which would leave its beginning in
    /// memory.
    #[cfg(feature = "redis")]
    fn secret(&self, file: &Text, most: usize) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        use std::io::Read as _;

        let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(most + 1));
        let most = bytes.capacity() as u64;
        let read = std::fs::File::open(file.get_ref());
        let read = read.and_then(|open| open.take(most).read_to_end(&mut bytes));
        let told = |error| self.wrong(&file.span(), format!("{}: {error}", file.get_ref()));
        read.map_err(told).ok()?;
        Some(bytes)
    }

    #[cfg(feature = "redis")]
    fn store_keys(&self, file: &Text) -> Option<portcullis::StoreKeys> {
        use portcullis::StoreKeys;

        /// The most keys in a file.
        const MOST: usize = 8;

        self.warn_of_readers(file);
        let told = |what: String| self.wrong(&file.span(), format!("{}: {what}", file.get_ref()));
        let bytes = self.secret(file, MOST * StoreKeys::KEY_LEN)?;
        let (keys, rest) = bytes.as_chunks::<{ StoreKeys::KEY_LEN }>();
        if !rest.is_empty() || keys.is_empty() || keys.len() > MOST {
            let expected =
                "no file of store keys, which are 1 to 8 times 32 random bytes and nothing else";
            told(expected.to_owned());
            return None;
        }
        StoreKeys::new(keys)
            .map_err(|error| told(error.to_string()))
            .ok()
    }

    /// `None` where something is wrong, which was told.
    pub(super) fn early_data(
        &self,
        title: &str,
        early: &model::EarlyData,
        route: &model::Route,
        builder: ServerConfigBuilder,
    ) -> Option<ServerConfigBuilder> {
        let backend = match &route.backend {
            RouteBackend::Own(backend) => Some(&**backend),
            RouteBackend::Named(name) => self
                .file
                .backends
                .iter()
                .find(|it| it.name.as_ref().map(|it| it.get_ref()) == Some(name.get_ref())),
            RouteBackend::Missing => None,
        };
        if backend.is_some_and(|it| matches!(it.send_proxy, Some(Version::V2))) {
            let text = format!(
                "{title}: early data does not go with send_proxy = \"v2\", which tells of a handshake that is not over by then; \
                 take \"v1\", or leave one of both out"
            );
            self.wrong(&early.span, text);
            return None;
        }
        let anti_replay = match (&self.tickets.guard, &self.tickets.keys) {
            (Some(_), _) => AntiReplay::asked(),
            (None, Some(_)) => {
                let text = format!(
                    "{title}: early_data with ticket keys from a file and no replay guard: the same early data could be accepted \
                     by several proxies, and by this one once more after a restart. Name a tickets.replay_guard that all of \
                     them share, or leave `early_data` out"
                );
                self.wrong(&early.span, text);
                return None;
            }
            (None, None) => {
                // Nothing was accepted with keys that have just been made.
                let since = UnixTime::since_unix_epoch(Duration::ZERO);
                let told = |misuse: Misuse| self.wrong(&early.span, format!("{title}: {misuse}"));
                AntiReplay::local(BloomFilters::LARGE, since)
                    .map_err(told)
                    .ok()?
            }
        };
        Some(builder.early_data(anti_replay).max_early_data(early.limit))
    }
}

#[cfg(feature = "redis")]
fn ping<T, F>(of: T, ask: impl Fn(T) -> F + Send + Sync + 'static) -> Ping
where
    T: Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), portcullis::StoreError>> + Send + 'static,
{
    Arc::new(move || {
        let asking = ask(of.clone());
        Box::pin(async move { asking.await.map_err(|error| error.to_string()) })
    })
}
