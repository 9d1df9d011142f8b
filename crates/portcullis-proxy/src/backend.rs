//! Where connections go: the servers of a backend, which of them is next, and how one is reached.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis::pki_types::ServerName;
use portcullis::{ClientConfig, EofPolicy, MemorySessionStore, SessionStore, TlsConnector};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use crate::address::ServerAddress;
use crate::config::Health;
use crate::proxy_header::{self, Version};
use crate::stream::{End, Plain};

/// So many failed connections in a row put a server out of use, for a time that doubles.
const FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Sessions that are kept of a backend: some for each of its servers' names.
const SESSIONS: usize = 1_024;

/// Servers that do the same.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) servers: Vec<Arc<Server>>,
    pub(crate) tls: Option<Originate>,
    pub(crate) send_proxy: Option<Version>,
    pub(crate) health: Option<Health>,
    /// Whose turn it is among equals.
    pub(crate) turn: AtomicUsize,
}

/// TLS to the servers.
#[derive(Clone)]
pub(crate) struct Originate {
    config: ClientConfig,
    sessions: Arc<MemorySessionStore>,
    connector: TlsConnector,
    /// Whose certificate is expected; without it that of the server's host.
    name: Option<ServerName<'static>>,
    /// Whether a server that ends without close_notify counts as one that has ended.
    is_lenient: bool,
}

impl fmt::Debug for Originate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Originate")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Originate {
    pub(crate) fn new(
        config: ClientConfig,
        name: Option<ServerName<'static>>,
        is_lenient: bool,
    ) -> Self {
        let sessions = Arc::new(MemorySessionStore::new(SESSIONS));
        Self::with(config, name, is_lenient, sessions)
    }

    fn with(
        config: ClientConfig,
        name: Option<ServerName<'static>>,
        is_lenient: bool,
        sessions: Arc<MemorySessionStore>,
    ) -> Self {
        let store: Arc<dyn SessionStore> = Arc::<MemorySessionStore>::clone(&sessions);
        Self {
            connector: TlsConnector::new(config.clone()).session_store(store),
            config,
            sessions,
            name,
            is_lenient,
        }
    }

    /// In the place of what was there before, with its sessions, which are verified again when they are resumed.
    pub(crate) fn replacing(&self, before: &Self) -> Self {
        let config = self.config.replacing(&before.config);
        let (name, sessions) = (self.name.clone(), Arc::clone(&before.sessions));
        Self::with(config, name, self.is_lenient, sessions)
    }
}

/// One server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: ServerAddress,
    open: AtomicUsize,
    /// What health checks say.
    is_down: AtomicBool,
    recent: Mutex<Recent>,
}

/// How connections have gone lately.
#[derive(Debug, Default)]
struct Recent {
    failures: u32,
    pause: Duration,
    out_until: Option<Instant>,
}

/// A connection's place at a server, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Server>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Place {
    pub(crate) fn server(&self) -> &ServerAddress {
        &self.0.address
    }
}

impl Server {
    pub(crate) fn new(address: ServerAddress) -> Self {
        Self {
            address,
            open: AtomicUsize::new(0),
            is_down: AtomicBool::new(false),
            recent: Mutex::default(),
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether connections are sent to it.
    pub(crate) fn is_up(&self) -> bool {
        let is_out = || {
            self.recent()
                .out_until
                .is_some_and(|at| at > Instant::now())
        };
        !self.is_down.load(Ordering::Relaxed) && !is_out()
    }

    /// Nobody checks it any more.
    pub(crate) fn is_not_down(&self) {
        self.is_down.store(false, Ordering::Relaxed);
    }

    fn note(&self, ok: bool) {
        let mut recent = self.recent();
        if ok {
            *recent = Recent::default();
            return;
        }
        recent.failures += 1;
        if recent.failures >= FAILURES {
            recent.failures = 0;
            recent.pause = (recent.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            recent.out_until = Some(Instant::now() + recent.pause);
        }
    }
}

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) io: End,
    pub(crate) place: Place,
}

/// Why there is none: what the last server has said.
#[derive(Debug)]
pub(crate) struct Unreachable(String);

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Backend {
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::of(&["127.0.0.1:1"])
    }

    #[cfg(test)]
    fn of(servers: &[&str]) -> Self {
        let server = |text: &&str| Arc::new(Server::new(ServerAddress::parse(text).unwrap()));
        Self {
            name: "test".to_owned(),
            servers: servers.iter().map(server).collect(),
            tls: None,
            send_proxy: None,
            health: None,
            turn: AtomicUsize::new(0),
        }
    }

    /// The server with the fewest connections that is up and was not tried; among equals in turn. When all are down
    /// all are tried: what is known of them may be wrong.
    fn next(&self, tried: &[usize]) -> Option<(usize, Place)> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.servers.len();
        let left = (0..count)
            .map(|at| at.wrapping_add(turn) % count)
            .filter(|at| !tried.contains(at));
        let is_up = |at: &usize| self.servers[*at].is_up();
        let best = left.clone().filter(is_up);
        let best = best.min_by_key(|at| self.servers[*at].open());
        let at = best.or_else(|| left.min_by_key(|at| self.servers[*at].open()))?;
        let server = Arc::clone(&self.servers[at]);
        server.open.fetch_add(1, Ordering::Relaxed);
        Some((at, Place(server)))
    }

    /// Connects to one of the servers, within this time in all; `header` is sent to it before anything else.
    ///
    /// # Cancel safety
    /// Dropped, what was connected is closed.
    pub(crate) async fn connect(
        &self,
        within: Duration,
        header: &[u8],
    ) -> Result<Connected, Unreachable> {
        let deadline = Instant::now() + within;
        let mut tried = Vec::new();
        let mut why = format!("backend {} has no server", self.name);
        while let Some((at, place)) = self.next(&tried) {
            tried.push(at);
            // One that answers nothing leaves time for the others.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(self.servers.len() + 1 - tried.len()).unwrap_or(1);
            let reaching = self.reach(place.server(), header);
            let reached = timeout_at(Instant::now() + share, reaching).await;
            let reached = reached.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            place.0.note(reached.is_ok());
            match reached {
                Ok(io) => return Ok(Connected { io, place }),
                Err(error) => {
                    why = format!("{}: {error}", place.server());
                    tracing::debug!(backend = self.name, server = %place.server(), %error, "not reached");
                }
            }
        }
        Err(Unreachable(why))
    }

    async fn reach(&self, server: &ServerAddress, header: &[u8]) -> io::Result<End> {
        let mut io = match server {
            ServerAddress::Tcp { host, port } => {
                let io = TcpStream::connect((host.as_str(), *port)).await?;
                // What is passed on was put together elsewhere.
                let _ = io.set_nodelay(true);
                Plain::Tcp(io)
            }
            ServerAddress::Unix(path) => Plain::Unix(UnixStream::connect(path).await?),
        };
        if !header.is_empty() {
            io.write_all(header).await?;
        }
        let Some(tls) = &self.tls else {
            return Ok(End::Plain(io));
        };
        let mut stream = match (&tls.name, server.host()) {
            (Some(name), _) => tls.connector.upgrade(io, name).await?,
            (None, Some(host)) => tls.connector.upgrade(io, host).await?,
            (None, None) => return Err(io::ErrorKind::InvalidInput.into()),
        };
        if tls.is_lenient {
            stream.set_eof_policy(EofPolicy::Lenient);
        }
        Ok(End::Tls(stream))
    }

    /// Checks the health of its servers for as long as it is polled.
    pub(crate) async fn check_health(&self, within: Duration) {
        let Some(health) = &self.health else { return };
        let header = self.send_proxy.map_or_else(Vec::new, proxy_header::own);
        let mut counts = vec![(0, 0); self.servers.len()];
        loop {
            for (server, (failed, passed)) in self.servers.iter().zip(&mut counts) {
                let reached = timeout_at(
                    Instant::now() + within,
                    self.reach(&server.address, &header),
                );
                let ok = matches!(reached.await, Ok(Ok(_)));
                (*failed, *passed) = if ok {
                    (0, *passed + 1)
                } else {
                    (*failed + 1, 0)
                };
                let was_down = server.is_down.load(Ordering::Relaxed);
                let is_down = match was_down {
                    true => *passed < health.pass,
                    false => *failed >= health.fail,
                };
                if was_down != is_down {
                    server.is_down.store(is_down, Ordering::Relaxed);
                    let (backend, server) = (&self.name, &server.address);
                    match is_down {
                        true => tracing::warn!(backend, %server, "is down"),
                        false => tracing::info!(backend, %server, "is up again"),
                    }
                }
            }
            tokio::time::sleep(health.every).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_connections_then_in_turn() {
        let backend = Backend::of(&["a:1", "b:1", "c:1"]);
        let places: Vec<_> = (0..6).map(|_| backend.next(&[]).unwrap().1).collect();
        assert!(backend.servers.iter().all(|server| server.open() == 2));
        // One of them gets three of the four places that are free now.
        drop(places);
        let held: Vec<_> = (0..3).map(|_| backend.next(&[1, 2]).unwrap()).collect();
        assert!(held.iter().all(|(at, _)| *at == 0));
        for _ in 0..4 {
            let (at, place) = backend.next(&[]).unwrap();
            assert_ne!(at, 0);
            std::mem::forget(place);
        }
        assert_eq!(backend.next(&[0, 1, 2]).map(|(at, _)| at), None);
    }

    #[test]
    fn what_is_down_gets_nothing_until_all_are() {
        let backend = Backend::of(&["a:1", "b:1"]);
        backend.servers[0].is_down.store(true, Ordering::Relaxed);
        for _ in 0..4 {
            assert_eq!(backend.next(&[]).unwrap().0, 1);
        }
        for _ in 0..FAILURES {
            assert!(backend.servers[1].is_up());
            backend.servers[1].note(false);
        }
        assert!(!backend.servers[1].is_up());
        let both: Vec<_> = (0..2).map(|_| backend.next(&[]).unwrap()).collect();
        assert_ne!(both[0].0, both[1].0);
        backend.servers[1].note(true);
        assert!(backend.servers[1].is_up());
    }
}
