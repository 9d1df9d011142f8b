//! Clients whose DTLS, if they speak it, does not end here: a flow for each address that datagrams come from.
//!
//! One task receives, and gives each datagram to the flow of its address. An address can be forged, so all of it is
//! bounded: flows by `limits.connections`, those that nobody serves yet, and what waits in each and in all of them.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use portcullis::DatagramPeek;
use tokio::sync::{Notify, mpsc};

use super::socket::{Area, Path, Socket};

/// Flows that nobody serves yet.
const NEWCOMERS: usize = 256;
/// What waits in one flow: datagrams, and their bytes.
const DATAGRAMS: usize = 64;
const BYTES: usize = 256 << 10;
/// The bytes that wait in all flows of a socket: those that nobody serves yet, whose addresses may be forged, and the others.
const ALL_BYTES: [usize; 2] = [4 << 20, 16 << 20];
/// After receiving has failed.
const PAUSE: Duration = Duration::from_millis(5);

/// Datagrams that were dropped before somebody served them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Of flows that take nothing at the moment.
    pub(crate) waiting: AtomicU64,
    /// Of addresses that there was no place for.
    pub(crate) newcomers: AtomicU64,
    /// With which nobody begins a connection.
    pub(crate) no_hello: AtomicU64,
}

/// What flows begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    Anything,
    /// A part of a ClientHello.
    Hello,
}

/// A socket whose clients are told apart by their addresses. Dropped, it takes no more of them.
#[derive(Debug)]
pub(crate) struct Flows {
    newcomers: mpsc::Receiver<Flow>,
    table: Arc<Table>,
}

/// What comes from one address. Dropped, it is forgotten.
#[derive(Debug)]
pub(crate) struct Flow {
    path: Path,
    table: Arc<Table>,
    datagrams: mpsc::Receiver<Bytes>,
    bytes: Arc<AtomicUsize>,
    is_served: bool,
}

#[derive(Debug)]
struct Table {
    socket: Socket,
    beginning: Beginning,
    there: Mutex<HashMap<Path, Way>>,
    /// Of all datagrams that wait, in flows that nobody serves yet and in the others.
    bytes: [AtomicUsize; 2],
    /// A flow has ended.
    ended: Notify,
    counts: Arc<Counts>,
}

/// To the flow of an address.
#[derive(Debug)]
struct Way {
    datagrams: mpsc::Sender<Bytes>,
    /// Of those that wait there.
    bytes: Arc<AtomicUsize>,
    is_served: bool,
}

impl Flows {
    /// Receives in a task of its own, which ends with the last flow.
    ///
    /// # Errors
    /// When the socket cannot be had.
    pub(crate) fn new(socket: std::net::UdpSocket, beginning: Beginning) -> io::Result<Self> {
        let table = Arc::new(Table {
            socket: Socket::new(socket)?,
            beginning,
            there: Mutex::default(),
            bytes: Default::default(),
            ended: Notify::new(),
            counts: Arc::default(),
        });
        let (sender, newcomers) = mpsc::channel(NEWCOMERS);
        tokio::spawn(receive(Arc::clone(&table), sender));
        Ok(Self { newcomers, table })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.table.socket.local_addr()
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.table.counts
    }

    /// The next address that something has come from.
    ///
    /// # Errors
    /// When nobody receives any more, with the runtime.
    ///
    /// # Cancel safety
    /// Dropped, no flow is lost.
    pub(crate) async fn accept(&mut self) -> io::Result<Flow> {
        let next = self.newcomers.recv().await;
        next.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

async fn receive(table: Arc<Table>, newcomers: mpsc::Sender<Flow>) {
    let mut area = Area::default();
    // `None` once no more are taken: flows that nobody has taken are dropped with it.
    let mut newcomers = Some(newcomers);
    loop {
        // Looked for before the table is read.
        let ended = table.ended.notified();
        if newcomers.is_none() && table.there().is_empty() {
            return;
        }
        let over = async {
            match &newcomers {
                Some(newcomers) => newcomers.closed().await,
                None => ended.await,
            }
        };
        let received = tokio::select! {
            received = table.socket.recv(&mut area) => received,
            () = over => {
                newcomers = None;
                continue;
            }
        };
        match received {
            Ok(()) => {
                for (path, datagram) in area.datagrams() {
                    table.give(path, datagram, newcomers.as_ref());
                }
                // Whoever sends without an end keeps nobody else from running.
                tokio::task::consume_budget().await;
            }
            // It is of one datagram, or there is no memory.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

impl Table {
    fn there(&self) -> MutexGuard<'_, HashMap<Path, Way>> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(self: &Arc<Self>, path: Path, datagram: &[u8], newcomers: Option<&mpsc::Sender<Flow>>) {
        let mut there = self.there();
        if let Some(way) = there.get(&path) {
            return self.put(way, datagram);
        }
        let Some(newcomers) = newcomers else { return };
        if self.beginning == Beginning::Hello && DatagramPeek::check(datagram).is_err() {
            self.counts.no_hello.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let place = match newcomers.try_reserve() {
            Ok(place) => place,
            Err(mpsc::error::TrySendError::Closed(())) => return,
            Err(mpsc::error::TrySendError::Full(())) => {
                self.counts.newcomers.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        let (sender, datagrams) = mpsc::channel(DATAGRAMS);
        let bytes = Arc::new(AtomicUsize::new(0));
        let way = Way {
            datagrams: sender,
            bytes: Arc::clone(&bytes),
            is_served: false,
        };
        self.put(&way, datagram);
        there.insert(path, way);
        // A client that is dropped at once forgets itself.
        drop(there);
        place.send(Flow {
            path,
            table: Arc::clone(self),
            datagrams,
            bytes,
            is_served: false,
        });
    }

    /// Nobody else adds anything, and what is taken meanwhile makes room.
    fn put(&self, way: &Way, datagram: &[u8]) {
        let length = datagram.len();
        let fits =
            |bytes: &AtomicUsize, most: usize| bytes.load(Ordering::Acquire) + length <= most;
        let ([new, served], [most_new, most_served]) = (&self.bytes, ALL_BYTES);
        let (all, most) = match way.is_served {
            false => (new, most_new),
            true => (served, most_served),
        };
        if fits(&way.bytes, BYTES)
            && fits(all, most)
            && let Ok(place) = way.datagrams.try_reserve()
        {
            for bytes in [&*way.bytes, all] {
                bytes.fetch_add(length, Ordering::AcqRel);
            }
            return place.send(Bytes::copy_from_slice(datagram));
        }
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
    }
}

impl Flow {
    pub(crate) const fn peer(&self) -> SocketAddr {
        self.path.peer
    }

    /// Where the client has sent to, as far as that is known.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        let bound = self.table.socket.local_addr().ok()?;
        let ip = self.path.local.unwrap_or(bound.ip());
        (!ip.is_unspecified()).then(|| SocketAddr::new(ip, bound.port()))
    }

    /// The next datagram.
    ///
    /// # Cancel safety
    /// Dropped, none is lost.
    pub(crate) async fn recv(&mut self) -> Bytes {
        if !self.is_served {
            self.serve();
        }
        match self.datagrams.recv().await {
            Some(datagram) => self.taken(datagram),
            // The other end is in the table for as long as this is there.
            None => std::future::pending().await,
        }
    }

    /// What waits here is no newcomer's any more.
    fn serve(&mut self) {
        self.is_served = true;
        // Nothing is put meanwhile.
        let mut there = self.table.there();
        if let Some(way) = there.get_mut(&self.path) {
            way.is_served = true;
        }
        let [new, served] = &self.table.bytes;
        let waiting = self.bytes.load(Ordering::Acquire);
        new.fetch_sub(waiting, Ordering::AcqRel);
        served.fetch_add(waiting, Ordering::AcqRel);
    }

    fn taken(&self, datagram: Bytes) -> Bytes {
        let [new, served] = &self.table.bytes;
        for bytes in [&*self.bytes, if self.is_served { served } else { new }] {
            bytes.fetch_sub(datagram.len(), Ordering::AcqRel);
        }
        datagram
    }

    /// Sends a datagram to it.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.table.socket.send(&self.path, datagram).await
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // With it the other end, so that nothing comes behind what is counted out.
        self.table.there().remove(&self.path);
        while let Ok(datagram) = self.datagrams.try_recv() {
            self.taken(datagram);
        }
        self.table.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    async fn flows() -> (Flows, SocketAddr) {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        (Flows::new(socket, Beginning::Anything).unwrap(), address)
    }

    impl Flows {
        fn waiting_bytes(&self) -> usize {
            let all = self.table.bytes.iter();
            all.map(|bytes| bytes.load(Ordering::Relaxed)).sum()
        }
    }

    async fn until(mut holds: impl FnMut() -> bool) {
        let seen = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(10), seen);
        seen.await.expect("within 10 seconds");
    }

    #[tokio::test]
    async fn what_waits_has_a_bound_in_each_flow_and_in_all_of_them() {
        let (mut flows, address) = flows().await;
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let waiting = |flows: &Flows| flows.counts().waiting.load(Ordering::Relaxed);
        // By number.
        for at in 0..DATAGRAMS + 10 {
            client.send_to(&[0; 10], address).await.unwrap();
            until(|| {
                flows.waiting_bytes() + 10 * usize::try_from(waiting(&flows)).unwrap()
                    == 10 * (at + 1)
            })
            .await;
        }
        assert_eq!(waiting(&flows), 10);
        let flow = flows.accept().await.unwrap();
        assert_eq!(flow.bytes.load(Ordering::Relaxed), 10 * DATAGRAMS);
        drop(flow);
        assert_eq!(flows.waiting_bytes(), 0);
        assert!(flows.table.there().is_empty());
        // By bytes: of one flow.
        let long = 60_000;
        for at in 0..6 {
            client.send_to(&vec![0; long], address).await.unwrap();
            let seen = |flows: &Flows| {
                flows.waiting_bytes() / long + usize::try_from(waiting(flows)).unwrap()
            };
            until(|| seen(&flows) == 10 + at + 1).await;
        }
        assert_eq!(flows.waiting_bytes(), BYTES / long * long);
        // Of all.
        let mut held = vec![flows.accept().await.unwrap()];
        let [new, _] = &flows.table.bytes;
        new.store(ALL_BYTES[0], Ordering::Relaxed);
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let before = waiting(&flows);
        other.send_to(b"x", address).await.unwrap();
        until(|| waiting(&flows) > before).await;
        new.store(BYTES / long * long, Ordering::Relaxed);
        held.push(flows.accept().await.unwrap());
        assert_eq!(held[1].bytes.load(Ordering::Relaxed), 0);
        // Whoever is served is not kept out by those who are not.
        assert_eq!(held[0].recv().await.len(), long);
        let [new, served] = &flows.table.bytes;
        assert_eq!(new.load(Ordering::Relaxed), 0);
        new.store(ALL_BYTES[0], Ordering::Relaxed);
        client.send_to(b"x", address).await.unwrap();
        until(|| held[0].bytes.load(Ordering::Relaxed) == 3 * long + 1).await;
        served.store(ALL_BYTES[1], Ordering::Relaxed);
        let before = waiting(&flows);
        client.send_to(b"x", address).await.unwrap();
        until(|| waiting(&flows) > before).await;
    }

    #[tokio::test]
    async fn newcomers_have_so_many_places_and_those_who_are_there_go_on_when_it_ends() {
        let (mut flows, address) = flows().await;
        let there = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        there.send_to(b"one", address).await.unwrap();
        let mut flow = flows.accept().await.unwrap();
        assert_eq!(flow.recv().await, "one");
        let mut others = Vec::new();
        for at in 0..NEWCOMERS + 3 {
            let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            other.send_to(b"x", address).await.unwrap();
            others.push(other);
            let counts = Arc::clone(flows.counts());
            let table = Arc::clone(&flows.table);
            until(|| {
                let refused = counts.newcomers.load(Ordering::Relaxed);
                // With the one that is served.
                table.there().len() - 1 + usize::try_from(refused).unwrap() == at + 1
            })
            .await;
        }
        assert_eq!(flows.counts().newcomers.load(Ordering::Relaxed), 3);
        let table = Arc::downgrade(&flows.table);
        drop(flows);
        there.send_to(b"two", address).await.unwrap();
        assert_eq!(flow.recv().await, "two");
        flow.send(b"back").await.unwrap();
        let mut answer = [0; 10];
        assert_eq!(there.recv(&mut answer).await.unwrap(), 4);
        drop(flow);
        // The task has ended, and with it the socket.
        until(|| table.upgrade().is_none()).await;
    }
}
