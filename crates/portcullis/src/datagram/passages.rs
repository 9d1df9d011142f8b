//! Clients that are passed on to servers behind this one, each by a socket of its own.
//!
//! RFC 9849 §3.1. What is known of one: where it is, which server it is for, and when something was said last. Nothing of
//! what is passed on can be read here but its first bytes.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_core::{ConnectionId, FrontedAnswer};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

use super::endpoint::Endpoint;
use super::link::Path;
use super::lock;
use crate::accept::Place;
use crate::scratch::Scratch;
use crate::sync::Mutex;

/// How many passages one address has: a client that starts anew, or whoever looks like it, does not end the one
/// before.
const MOST_AT_A_PATH: usize = 2;
/// How many addresses besides its first a client is known at, by a connection id. The newest take the places of the oldest.
const MOST_MOVES: usize = 2;
/// How much time is between two of these: each has a socket, and whoever knows the id can say it from any address.
const BETWEEN_MOVES: Duration = Duration::from_secs(1);
/// A client that goes on speaking keeps its place for so many times the idle timeout, while its server is silent.
const ONE_SIDED: u32 = 6;
/// How many datagrams of a server are passed on before others have their turn.
const BATCH: usize = 32;

/// All of a listener.
pub(super) struct Passages {
    by_path: HashMap<Path, Vec<Arc<Passage>>>,
    count: usize,
    ids: Arc<Mutex<Ids>>,
    handshake: Duration,
    idle: Duration,
}

/// One client at one address, and its server.
pub(super) struct Passage {
    endpoint: Arc<Endpoint>,
    path: Path,
    server: SocketAddr,
    socket: UdpSocket,
    /// Of the hello that it began with; `None`: it has moved here.
    hello: Option<[u8; 32]>,
    began: Duration,
    /// When the client and the server have said something last, in milliseconds of the endpoint's clock.
    said: [AtomicU64; 2],
    /// Whether they have said something that was encrypted.
    has_keys: [AtomicBool; 2],
    ids: Arc<Mutex<Ids>>,
    /// What its client's records have, from when its server has said so.
    id: Mutex<Option<ConnectionId>>,
    /// Where else its client is, from the oldest on, and when it was seen there first.
    moved: Mutex<Vec<Path>>,
    moved_at: Mutex<Option<Duration>>,
    /// Where its client was at first, if it has moved here.
    origin: Option<Arc<Passage>>,
    _place: Option<Place>,
    task: Mutex<Option<AbortHandle>>,
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

/// Connection ids that servers have agreed on, and how many have which length.
#[derive(Default)]
struct Ids {
    known: HashMap<ConnectionId, Weak<Passage>>,
    lengths: BTreeMap<usize, usize>,
}

impl Ids {
    /// The first that has it keeps it: nobody takes another's by saying so.
    fn add(&mut self, id: ConnectionId, passage: &Arc<Passage>) -> bool {
        let is_taken = self
            .known
            .get(&id)
            .is_some_and(|known| known.strong_count() > 0);
        if is_taken {
            return false;
        }
        if self.known.insert(id, Arc::downgrade(passage)).is_none() {
            *self.lengths.entry(id.len()).or_default() += 1;
        }
        true
    }

    /// Who had it is gone.
    fn remove(&mut self, id: &ConnectionId) {
        let is_gone = |known: &Weak<Passage>| known.strong_count() == 0;
        if self.known.get(id).is_some_and(is_gone)
            && self.known.remove(id).is_some()
            && let Some(count) = self.lengths.get_mut(&id.len())
        {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&id.len());
            }
        }
    }

    /// Whose id a record has that begins so (RFC 9147 §4).
    fn find(&self, datagram: &[u8]) -> Option<Arc<Passage>> {
        if self.known.is_empty() || !matches!(datagram.first()?, 0x30..=0x3f) {
            return None;
        }
        self.lengths.keys().rev().find_map(|length| {
            let id = ConnectionId::new(datagram.get(1..=*length)?).ok()?;
            self.known.get(&id)?.upgrade()
        })
    }
}

fn is_encrypted(datagram: &[u8]) -> bool {
    matches!(datagram, [0x20..=0x3f, ..])
}

impl Passage {
    fn touch(&self, who: usize, datagram: &[u8]) {
        let now = self.endpoint.monotonic().0.as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        // As long as a client is somewhere, it is known by its id.
        let origin = self.origin.as_ref().and_then(|origin| origin.said.get(who));
        for said in self.said.get(who).into_iter().chain(origin) {
            said.store(now, Ordering::Relaxed);
        }
        if is_encrypted(datagram)
            && let Some(has_keys) = self.has_keys.get(who)
        {
            has_keys.store(true, Ordering::Relaxed);
        }
    }

    /// Whether its client may be at another address now, for all that is known.
    pub(super) fn may_move(&self) -> bool {
        let now = self.endpoint.monotonic().0;
        let mut last = lock(&self.moved_at);
        if last.is_some_and(|last| now.saturating_sub(last) < BETWEEN_MOVES) {
            return false;
        }
        *last = Some(now);
        true
    }

    /// Whether its server has said nothing to this address.
    fn is_unanswered(&self) -> bool {
        let said = self
            .said
            .get(SERVER)
            .map_or(0, |said| said.load(Ordering::Relaxed));
        self.hello.is_none() && Duration::from_millis(said) <= self.began
    }

    /// Whether both have gone beyond hellos.
    fn is_established(&self) -> bool {
        self.has_keys.iter().all(|one| one.load(Ordering::Relaxed))
    }

    /// To the server. What its socket does not take is lost, as what the network loses.
    fn to_server(&self, datagram: &[u8]) {
        self.touch(CLIENT, datagram);
        let sent = self.socket.try_send(datagram);
        let mut statistics = lock(&self.endpoint.statistics);
        match sent {
            Ok(_) => statistics.fronted.to_servers.count(datagram.len()),
            Err(_) => statistics.fronted.send_failures += 1,
        }
    }

    /// From the server, as long as it is not given up.
    async fn pump(self: Arc<Self>, mut answer: Option<FrontedAnswer>) {
        loop {
            if self.socket.readable().await.is_err() {
                return;
            }
            for _ in 0..BATCH {
                let mut scratch = Scratch::take();
                match self.socket.try_recv(&mut scratch) {
                    Ok(length) => {
                        let datagram = scratch.get(..length).unwrap_or_default();
                        self.to_client(datagram, &mut answer);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // Of a datagram that went there, e.g. that nobody listens.
                    Err(_) => lock(&self.endpoint.statistics).fronted.receive_failures += 1,
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn to_client(self: &Arc<Self>, datagram: &[u8], answer: &mut Option<FrontedAnswer>) {
        self.touch(SERVER, datagram);
        let id = answer
            .as_mut()
            .and_then(|watch| watch.on_datagram(datagram));
        if let Some(id) = id {
            let is_its = lock(&self.ids).add(id, self);
            *lock(&self.id) = Some(id).filter(|_| is_its);
        }
        if self.is_established() {
            *answer = None;
        }
        let sent = self.endpoint.link.try_send(&self.path, datagram, None);
        let mut statistics = lock(&self.endpoint.statistics);
        match sent {
            Ok(()) => statistics.fronted.to_clients.count(datagram.len()),
            Err(_) => statistics.fronted.send_failures += 1,
        }
    }

    fn end(&self) {
        let task = lock(&self.task).take();
        if let Some(task) = task {
            task.abort();
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let id = lock(&self.id).take();
        if let Some(id) = id {
            lock(&self.ids).remove(&id);
        }
    }
}

/// A socket that talks with a server alone.
fn socket_to(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

impl Passages {
    pub(super) fn new(handshake: Duration, idle: Duration) -> Self {
        Self {
            by_path: HashMap::new(),
            count: 0,
            ids: Arc::default(),
            handshake,
            idle,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// How often it is to be looked who is silent.
    pub(super) fn every(&self) -> Duration {
        self.idle.min(self.handshake)
    }

    pub(super) fn are_at(&self, path: &Path) -> bool {
        self.by_path.contains_key(path)
    }

    /// Passes something on that has come from there; to all that are there, since nobody can see whose it is.
    pub(super) fn pass_on(&self, path: &Path, datagram: &[u8]) {
        for passage in self.by_path.get(path).into_iter().flatten() {
            passage.to_server(datagram);
        }
    }

    /// The hello with this random came from there before: it is said to the server once more, unless that has answered
    /// and was understood.
    pub(super) fn again(
        &self,
        path: &Path,
        hello: Option<[u8; 32]>,
        datagrams: impl FnOnce() -> Vec<Vec<u8>>,
    ) -> bool {
        let here = self.by_path.get(path);
        let known = here.and_then(|here| here.iter().find(|one| one.hello == hello));
        let Some(known) = known.filter(|_| hello.is_some()) else {
            return false;
        };
        if !known
            .has_keys
            .first()
            .is_some_and(|one| one.load(Ordering::Relaxed))
        {
            for datagram in datagrams() {
                known.to_server(&datagram);
            }
        }
        true
    }

    /// Whose record this is, by a connection id, where it is not known yet.
    pub(super) fn identified(&self, datagram: &[u8]) -> Option<Arc<Passage>> {
        lock(&self.ids).find(datagram)
    }

    /// Another client, or one that begins anew.
    ///
    /// # Errors
    /// Those of a socket.
    pub(super) fn open(
        &mut self,
        endpoint: &Arc<Endpoint>,
        (path, server): (Path, SocketAddr),
        (hello, answer): (Option<[u8; 32]>, FrontedAnswer),
        place: Option<Place>,
        datagrams: &[Vec<u8>],
    ) -> io::Result<()> {
        let passage = self.begin(endpoint, (path, server), (hello, Some(answer)), place, None)?;
        for datagram in datagrams {
            passage.to_server(datagram);
        }
        Ok(())
    }

    /// A client that goes on from there: its server is the same, which sees that it has moved.
    ///
    /// # Errors
    /// Those of a socket.
    pub(super) fn follow(
        &mut self,
        endpoint: &Arc<Endpoint>,
        from: &Arc<Passage>,
        path: Path,
        datagram: &[u8],
    ) -> io::Result<()> {
        let origin = Some(Arc::clone(from));
        let passage = self.begin(endpoint, (path, from.server), (None, None), None, origin)?;
        // Its handshake is over.
        for has_keys in &passage.has_keys {
            has_keys.store(true, Ordering::Relaxed);
        }
        passage.to_server(datagram);
        let oldest = {
            let mut moved = lock(&from.moved);
            moved.retain(|one| self.by_path.contains_key(one));
            moved.push(path);
            let is_silent = |path: &Path| {
                let here = self.by_path.get(path).into_iter().flatten();
                here.into_iter().all(|one| one.is_unanswered())
            };
            // One where its server has not spoken yet, before one where it has.
            let others = moved
                .get(..MOST_MOVES)
                .filter(|others| others.len() < moved.len());
            let at = others.map(|others| others.iter().position(is_silent).unwrap_or(0));
            at.map(|at| moved.remove(at))
        };
        if let Some(oldest) = oldest {
            self.remove(&oldest, |one| one.hello.is_none());
        }
        Ok(())
    }

    fn begin(
        &mut self,
        endpoint: &Arc<Endpoint>,
        (path, server): (Path, SocketAddr),
        (hello, answer): (Option<[u8; 32]>, Option<FrontedAnswer>),
        place: Option<Place>,
        origin: Option<Arc<Passage>>,
    ) -> io::Result<Arc<Passage>> {
        let now = endpoint.monotonic().0;
        let milliseconds = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let passage = Arc::new(Passage {
            endpoint: Arc::clone(endpoint),
            path,
            server,
            socket: socket_to(server)?,
            hello,
            began: now,
            said: [milliseconds, milliseconds].map(AtomicU64::new),
            has_keys: Default::default(),
            ids: Arc::clone(&self.ids),
            id: Mutex::default(),
            moved: Mutex::default(),
            moved_at: Mutex::default(),
            origin,
            _place: place,
            task: Mutex::default(),
        });
        let here = self.by_path.entry(path).or_default();
        if here.len() >= MOST_AT_A_PATH {
            // One that has come to no end, or else the oldest.
            let at = here.iter().rposition(|one| !one.is_established());
            here.remove(at.unwrap_or_default()).end();
            self.count -= 1;
        }
        here.push(Arc::clone(&passage));
        self.count += 1;
        let task = tokio::spawn(Arc::clone(&passage).pump(answer));
        *lock(&passage.task) = Some(task.abort_handle());
        Ok(passage)
    }

    fn remove(&mut self, path: &Path, is_over: impl Fn(&Passage) -> bool) {
        let Some(here) = self.by_path.get_mut(path) else {
            return;
        };
        let before = here.len();
        here.retain(|passage| {
            let over = is_over(passage);
            if over {
                passage.end();
            }
            !over
        });
        self.count -= before - here.len();
        if here.is_empty() {
            self.by_path.remove(path);
        }
    }

    /// Forgets who has been silent for long, and who does not come to an end with its handshake.
    pub(super) fn sweep(&mut self, now: Duration) {
        let (handshake, idle) = (self.handshake, self.idle);
        let paths: Vec<_> = self.by_path.keys().copied().collect();
        for path in paths {
            let newest = self.by_path.get(&path).and_then(|here| here.last());
            let newest = newest.map(Arc::as_ptr);
            self.remove(&path, |passage| {
                if !passage.is_established() {
                    return now.saturating_sub(passage.began) >= handshake;
                }
                let [client, server] = passage.said.each_ref().map(|said| {
                    let said = Duration::from_millis(said.load(Ordering::Relaxed));
                    now.saturating_sub(said)
                });
                // What a client says may be for the newest alone, so of others their server's word counts.
                let is_newest = newest.is_some_and(|one| std::ptr::eq(one, passage));
                server
                    >= match is_newest && client < idle {
                        true => idle.saturating_mul(ONE_SIDED),
                        false => idle,
                    }
            });
        }
    }
}

impl Drop for Passages {
    fn drop(&mut self) {
        for passage in self.by_path.values().flatten() {
            passage.end();
        }
    }
}
