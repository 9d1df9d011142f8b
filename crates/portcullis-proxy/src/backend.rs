//! Where connections go: the servers of a backend, which of them is next, and how one is reached.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis::pki_types::ServerName;
use portcullis::{
    ClientConfig, DtlsConnector, EofPolicy, MemorySessionStore, SessionStore, TlsConnector,
};
use rustix::io::Errno;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket, UnixStream, lookup_host};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use crate::address::ServerAddress;
use crate::config::Health;
use crate::datagrams::Side;
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

/// So long the addresses of a name are good for datagrams, whose sources may be forged: each of them would be a look-up; and so
/// long it has none.
const KNOWN_FOR: Duration = Duration::from_secs(5);
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// What a look-up has said, and until when that is good.
type Known = Option<(Instant, Result<Arc<[SocketAddr]>, String>)>;

/// One server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: ServerAddress,
    /// Of servers that are sent datagrams. Whoever holds it looks up for all.
    known: Arc<tokio::sync::Mutex<Known>>,
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

    /// Whether the server was reached.
    pub(crate) fn note(&self, ok: bool) {
        self.0.note(ok);
    }
}

impl Server {
    pub(crate) fn new(address: ServerAddress) -> Self {
        Self {
            address,
            known: Arc::default(),
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

    /// The addresses of its name.
    ///
    /// # Cancel safety
    /// Dropped, looking up goes on, for whoever asks next: there is one look-up at a time.
    async fn addresses(&self, host: &str, port: u16) -> io::Result<Arc<[SocketAddr]>> {
        let host = host.to_owned();
        self.addresses_by(async move {
            let found = lookup_host((host, port)).await;
            found.map(Iterator::collect::<Arc<[_]>>)
        })
        .await
    }

    async fn addresses_by(
        &self,
        look_up: impl Future<Output = io::Result<Arc<[SocketAddr]>>> + Send + 'static,
    ) -> io::Result<Arc<[SocketAddr]>> {
        let mut known = Arc::clone(&self.known).lock_owned().await;
        if known
            .as_ref()
            .is_none_or(|(until, _)| *until <= Instant::now())
        {
            // The system's look-up is not over when nobody waits for it any more, so the next one does.
            let looking_up = tokio::spawn(async move {
                let (good_for, found) = match look_up.await {
                    Ok(found) if found.is_empty() => {
                        (UNKNOWN_FOR, Err("the name has no address".to_owned()))
                    }
                    Ok(found) => (KNOWN_FOR, Ok(found)),
                    Err(error) => (UNKNOWN_FOR, Err(error.to_string())),
                };
                *known = Some((Instant::now() + good_for, found));
                known
            });
            known = looking_up.await?;
        }
        match &*known {
            Some((_, Ok(found))) => Ok(Arc::clone(found)),
            Some((_, Err(why))) => Err(io::Error::new(io::ErrorKind::NotFound, why.clone())),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn note(&self, ok: bool) {
        let mut recent = self.recent();
        if ok {
            *recent = Recent::default();
            return;
        }
        if recent.out_until.is_some_and(|at| at > Instant::now()) {
            // Of one and the same outage.
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
    /// Whether its servers are sent datagrams. All of them are of one kind.
    pub(crate) fn is_udp(&self) -> bool {
        self.servers.iter().any(|server| server.address.is_udp())
    }

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
        this: &Arc<Self>,
        within: Duration,
        header: &[u8],
    ) -> Result<Connected, Unreachable> {
        let mut picking = Picking::new(this, within);
        while let Some((place, until)) = picking.next() {
            let reached = timeout_at(until, this.reach(place.server(), header)).await;
            match in_time(reached) {
                Ok(io) => {
                    place.note(true);
                    return Ok(Connected { io, place });
                }
                Err(error) => picking.failed(&place, &error),
            }
        }
        Err(picking.over())
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
            // The configuration has none where there are streams.
            ServerAddress::Udp { .. } => return Err(io::ErrorKind::InvalidInput.into()),
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

    /// A socket for datagrams to this server, with DTLS if it speaks that; else nobody was asked whether it is there.
    async fn reach_datagrams(&self, server: &Server) -> io::Result<Side> {
        let ServerAddress::Udp { host, port } = &server.address else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let socket = connect_udp(&server.addresses(host, *port).await?).await?;
        let Some(tls) = &self.tls else {
            return Ok(Side::Socket(socket));
        };
        let connector = DtlsConnector::new(tls.connector.clone());
        let connection = match &tls.name {
            Some(name) => connector.upgrade(socket, name).await?,
            None => connector.upgrade(socket, host.as_str()).await?,
        };
        Ok(Side::Dtls(connection))
    }

    /// Checks the health of its servers for as long as it is polled.
    pub(crate) async fn check_health(&self, within: Duration) {
        let Some(health) = &self.health else { return };
        let header = self.send_proxy.map_or_else(Vec::new, proxy_header::own);
        let mut counts = vec![(0, 0); self.servers.len()];
        loop {
            for (server, (failed, passed)) in self.servers.iter().zip(&mut counts) {
                let is_there = async {
                    match &server.address {
                        // With DTLS: without it nobody says whether somebody is there.
                        ServerAddress::Udp { .. } => self.reach_datagrams(server).await.map(drop),
                        address => self.reach(address, &header).await.map(drop),
                    }
                };
                let looked = in_time(timeout_at(Instant::now() + within, is_there).await);
                if looked.as_ref().is_err_and(is_of_this_machine) {
                    continue;
                }
                let ok = looked.is_ok();
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

/// A socket that is connected to the first address that there is a way to.
async fn connect_udp(addresses: &[SocketAddr]) -> io::Result<UdpSocket> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for &address in addresses {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let connected = async {
            let socket = UdpSocket::bind(any).await?;
            socket.connect(address).await?;
            Ok(socket)
        };
        match connected.await {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether it says something of this machine, and of no server: there are no more descriptors, ports or memory.
fn is_of_this_machine(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::MFILE
                | Errno::NFILE
                | Errno::NOBUFS
                | Errno::NOMEM
                | Errno::ADDRINUSE
                | Errno::ADDRNOTAVAIL
                | Errno::AGAIN
        )
    )
}

fn in_time<T>(reached: Result<io::Result<T>, Elapsed>) -> io::Result<T> {
    reached.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Servers that are tried one after another.
#[derive(Debug)]
pub(crate) struct Picking {
    backend: Arc<Backend>,
    deadline: Instant,
    tried: Vec<usize>,
    /// What the last one has said.
    why: Option<String>,
}

impl Picking {
    /// All of them within this time.
    pub(crate) fn new(backend: &Arc<Backend>, within: Duration) -> Self {
        Self {
            backend: Arc::clone(backend),
            deadline: Instant::now() + within,
            tried: Vec::new(),
            why: None,
        }
    }

    /// Those that are left have this time from now on.
    pub(crate) fn renew(&mut self, within: Duration) {
        self.deadline = Instant::now() + within;
    }

    /// One that was not tried, and until when.
    fn next(&mut self) -> Option<(Place, Instant)> {
        let (at, place) = self.backend.next(&self.tried)?;
        self.tried.push(at);
        // One that answers nothing leaves time for the others.
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now);
        let others = self.backend.servers.len() + 1 - self.tried.len();
        let share = left / u32::try_from(others).unwrap_or(1);
        Some((place, now + share))
    }

    /// It was not reached.
    pub(crate) fn failed(&mut self, place: &Place, error: &io::Error) {
        if !is_of_this_machine(error) {
            place.note(false);
        }
        let (backend, server) = (&self.backend.name, place.server());
        tracing::debug!(backend, %server, %error, "not reached");
        self.why = Some(format!("{server}: {error}"));
    }

    /// There is none left.
    fn over(&mut self) -> Unreachable {
        let none = || format!("backend {} has no server", self.backend.name);
        Unreachable(self.why.take().unwrap_or_else(none))
    }

    /// Reaches the next one that is sent datagrams.
    ///
    /// # Cancel safety
    /// Dropped, what was connected is closed.
    pub(crate) async fn datagrams(&mut self) -> Result<(Side, Place), Unreachable> {
        while let Some((place, until)) = self.next() {
            let backend = Arc::clone(&self.backend);
            let reached = timeout_at(until, backend.reach_datagrams(&place.0)).await;
            match in_time(reached) {
                Ok(side) => {
                    if matches!(side, Side::Dtls(_)) {
                        place.note(true);
                    }
                    return Ok((side, place));
                }
                Err(error) => self.failed(&place, &error),
            }
        }
        Err(self.over())
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

    /// Of a name whose addresses are known nobody asks again, until that is old.
    #[tokio::test]
    async fn datagrams_look_a_name_up_seldom() {
        let backend = Backend::of(&["udp:localhost:9"]);
        let server = &backend.servers[0];
        let known: SocketAddr = "127.0.0.99:9".parse().unwrap();
        let reached = async || match backend.reach_datagrams(server).await.unwrap() {
            Side::Socket(socket) => socket.peer_addr().unwrap(),
            other => panic!("{other:?}"),
        };
        *server.known.lock().await = Some((Instant::now() + KNOWN_FOR, Ok([known].into())));
        assert_eq!(reached().await, known);
        *server.known.lock().await = Some((Instant::now(), Ok([known].into())));
        assert_ne!(reached().await, known);
        // What is not there is remembered, too, and for less time.
        let (until, found) = server.known.lock().await.clone().unwrap();
        assert!(found.is_ok() && until > Instant::now() + UNKNOWN_FOR);
        *server.known.lock().await =
            Some((Instant::now() + UNKNOWN_FOR, Err("not there".to_owned())));
        let error = backend.reach_datagrams(server).await.unwrap_err();
        assert_eq!(error.to_string(), "not there");
    }

    /// The system's look-ups cannot be stopped: those that nobody waits for would pile up.
    #[tokio::test]
    async fn a_slow_look_up_is_the_only_one() {
        let backend = Backend::of(&["udp:localhost:9"]);
        let server = &backend.servers[0];
        let known: SocketAddr = "127.0.0.99:9".parse().unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        let slow = Arc::new(tokio::sync::Semaphore::new(0));
        let look_up = || {
            let (begun, slow) = (Arc::clone(&begun), Arc::clone(&slow));
            server.addresses_by(async move {
                begun.fetch_add(1, Ordering::Relaxed);
                let _held = slow.acquire().await.unwrap();
                Ok(Arc::from([known]))
            })
        };
        for _ in 0..3 {
            let in_time = tokio::time::timeout(Duration::from_millis(20), look_up());
            assert!(in_time.await.is_err());
        }
        assert_eq!(begun.load(Ordering::Relaxed), 1);
        slow.add_permits(1);
        for _ in 0..3 {
            assert_eq!(*look_up().await.unwrap(), [known]);
        }
        assert_eq!(begun.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_fails_here_says_nothing_of_a_server() {
        let backend = Arc::new(Backend::of(&["a:1"]));
        let failed = |errno: Errno| {
            for _ in 0..FAILURES {
                let (_, place) = backend.next(&[]).unwrap();
                Picking::new(&backend, Duration::ZERO).failed(&place, &errno.into());
            }
            backend.servers[0].is_up()
        };
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
            Errno::ADDRINUSE,
            Errno::ADDRNOTAVAIL,
            Errno::AGAIN,
        ] {
            assert!(failed(errno), "{errno:?}");
        }
        assert!(!failed(Errno::CONNREFUSED));
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
