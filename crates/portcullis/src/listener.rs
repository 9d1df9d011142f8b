//! Accepting connections: one at a time in two phases, or many at once.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use portcullis_core::config::ServerConfig;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::acceptor::TlsAcceptor;
use crate::connections::Connections;
use crate::handshake::{Handshaking, PausedServer};
use crate::socket::ListenOptions;

/// The first and the longest pause after the system has run out of descriptors or memory.
const FIRST_BACK_OFF: Duration = Duration::from_millis(5);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// Listens for TLS connections over TCP (B1).
#[derive(Debug)]
pub struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    nodelay: bool,
    faults: Mutex<Faults>,
}

impl TlsListener {
    /// Listens on an address with the default options; the first that can be bound to.
    ///
    /// Takes a [`ServerConfig`](crate::ServerConfig), or an acceptor with answers and timeouts.
    ///
    /// # Errors
    /// Those of binding a socket.
    ///
    /// # Cancel safety
    /// Dropped, nothing is bound.
    pub async fn bind(
        address: impl ToSocketAddrs,
        acceptor: impl Into<TlsAcceptor>,
    ) -> io::Result<Self> {
        Self::bind_with(address, acceptor, &ListenOptions::default()).await
    }

    /// Listens with options of the caller's.
    ///
    /// # Errors
    /// Those of binding a socket.
    ///
    /// # Cancel safety
    /// Dropped, nothing is bound.
    pub async fn bind_with(
        address: impl ToSocketAddrs,
        acceptor: impl Into<TlsAcceptor>,
        options: &ListenOptions,
    ) -> io::Result<Self> {
        let acceptor = acceptor.into();
        let mut last = io::Error::new(
            io::ErrorKind::InvalidInput,
            "there is no address to bind to",
        );
        for address in tokio::net::lookup_host(address).await? {
            match options.listen(address) {
                Ok(listener) => {
                    return Ok(Self {
                        listener,
                        acceptor,
                        nodelay: options.has_nodelay(),
                        faults: Mutex::default(),
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Takes over a listening socket, e.g. one that was inherited.
    ///
    /// # Errors
    /// When the socket cannot be made non-blocking.
    pub fn from_std(listener: std::net::TcpListener, acceptor: TlsAcceptor) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::from_listener(
            TcpListener::from_std(listener)?,
            acceptor,
        ))
    }

    /// Takes over a listening socket.
    pub fn from_listener(listener: TcpListener, acceptor: TlsAcceptor) -> Self {
        Self {
            listener,
            acceptor,
            nodelay: true,
            faults: Mutex::default(),
        }
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The listening socket.
    pub fn get_ref(&self) -> &TcpListener {
        &self.listener
    }

    /// The acceptor of new connections.
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Another acceptor for the connections to come: e.g. with new certificates.
    pub fn set_acceptor(&mut self, acceptor: TlsAcceptor) {
        self.acceptor = acceptor;
    }

    /// Accepts a connection and does not shake hands (B2): a stalled client cannot stop this.
    ///
    /// Connections that broke while they waited are passed over. When the system has run out of
    /// descriptors or memory, this waits and tries again, at most a second between tries. After
    /// any other error the next call waits as well, 5 ms at first and up to a second: a
    /// caller that retries at once does not spin.
    ///
    /// Several tasks may accept from one listener.
    ///
    /// # Errors
    /// Those that trying again does not cure.
    ///
    /// # Cancel safety
    /// Dropped, no connection is lost.
    pub async fn accept(&self) -> io::Result<Incoming> {
        loop {
            if let Some(until) = self.pause() {
                sleep_until(until).await;
            }
            if let Some(accepted) = self.sort(self.listener.accept().await) {
                return accepted;
            }
        }
    }

    /// The same for one task; `pause` is its own and kept between polls.
    pub(crate) fn poll_accept(
        &self,
        cx: &mut Context<'_>,
        pause: &mut Option<Pin<Box<Sleep>>>,
    ) -> Poll<io::Result<Incoming>> {
        loop {
            if pause.is_none() {
                *pause = self.pause().map(|until| Box::pin(sleep_until(until)));
            }
            if let Some(running) = pause {
                ready!(running.as_mut().poll(cx));
                *pause = None;
            }
            if let Some(accepted) = self.sort(ready!(self.listener.poll_accept(cx))) {
                return Poll::Ready(accepted);
            }
        }
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when nothing is to be accepted.
    fn pause(&self) -> Option<Instant> {
        let until = self.faults().until?;
        (until > Instant::now()).then_some(until)
    }

    /// What the caller gets; `None` to try again.
    fn sort(&self, accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<io::Result<Incoming>> {
        let mut faults = self.faults();
        let error = match accepted {
            Ok((io, peer)) => {
                *faults = Faults::default();
                if self.nodelay {
                    // A connection that is gone already fails in its handshake.
                    let _ = io.set_nodelay(true);
                }
                return Some(Ok(Incoming {
                    io,
                    peer,
                    since: Instant::now(),
                    acceptor: self.acceptor.clone(),
                }));
            }
            Err(error) => error,
        };
        match Fault::of(&error) {
            Fault::Connection => {
                tracing::debug!(%error, "a connection broke before it was accepted");
                faults.pass_over();
                None
            }
            Fault::Exhaustion => {
                tracing::warn!(%error, "accepting pauses");
                faults.back_off();
                None
            }
            Fault::Listener => {
                faults.back_off();
                Some(Err(error))
            }
        }
    }

    /// Accepts connections and shakes hands with up to `limit` of them at once, each in a task
    /// of its own.
    ///
    /// While `limit` handshakes are under way, or finished ones wait to be taken, connections
    /// wait in the system's backlog: give a limit well above what is to be withstood. Each
    /// handshake ends by its timeout at the latest, and that of a client that says nothing by the
    /// [`first_byte_timeout`](TlsAcceptor::first_byte_timeout), 3 seconds.
    pub fn connections(self, limit: usize) -> Connections {
        Connections::new(self, limit)
    }
}

/// Whose fault it is that a connection could not be accepted.
enum Fault {
    Connection,
    Exhaustion,
    Listener,
}

impl Fault {
    fn of(error: &io::Error) -> Self {
        use io::ErrorKind::{
            ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, OutOfMemory,
            TimedOut,
        };

        match error.kind() {
            // Linux reports errors of the connection's network here (accept(2)).
            ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | TimedOut => {
                Self::Connection
            }
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Self::Connection,
            // A firewall's rule against the peer, and EOPNOTSUPP.
            io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported => Self::Connection,
            OutOfMemory => Self::Exhaustion,
            _ => match error.raw_os_error() {
                Some(code) if EXHAUSTION.contains(&code) => Self::Exhaustion,
                Some(code) if NETWORK.contains(&code) => Self::Connection,
                _ => Self::Listener,
            },
        }
    }
}

/// EMFILE, ENFILE, ENOMEM, ENOBUFS.
#[cfg(any(target_os = "linux", target_os = "android"))]
const EXHAUSTION: [i32; 4] = [24, 23, 12, 105];
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
const EXHAUSTION: [i32; 4] = [24, 23, 12, 55];
/// WSAEMFILE, WSAENOBUFS.
#[cfg(not(unix))]
const EXHAUSTION: [i32; 2] = [10024, 10055];

/// Errors of a connection's network that have no kind of their own: ENONET, EPROTO, ENOPROTOOPT,
/// EHOSTDOWN. accept(2) of Linux has them tried again like EAGAIN.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NETWORK: [i32; 4] = [64, 71, 92, 112];
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NETWORK: [i32; 0] = [];

/// After this many connections in a row that broke before they were accepted, it may not be them.
const MANY: u32 = 128;

/// What has gone wrong since a connection was accepted, and when to try again.
#[derive(Debug, Default)]
struct Faults {
    until: Option<Instant>,
    last: Duration,
    passed_over: u32,
}

impl Faults {
    fn back_off(&mut self) {
        self.last = (self.last * 2).clamp(FIRST_BACK_OFF, LONGEST_BACK_OFF);
        self.until = Some(Instant::now() + self.last);
    }

    fn pass_over(&mut self) {
        self.passed_over += 1;
        if self.passed_over >= MANY {
            self.passed_over = 0;
            self.back_off();
        }
    }
}

/// A connection that was accepted; nothing has been read from it.
#[derive(Debug)]
#[must_use = "the client waits"]
pub struct Incoming {
    io: TcpStream,
    peer: SocketAddr,
    /// When it was accepted.
    since: Instant,
    acceptor: TlsAcceptor,
}

impl Incoming {
    /// The client's address.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The connection's socket.
    pub fn get_ref(&self) -> &TcpStream {
        &self.io
    }

    /// The connection without TLS.
    pub fn into_inner(self) -> TcpStream {
        self.io
    }

    /// Shakes hands, in any task.
    ///
    /// # Errors
    /// When the handshake fails; [`Handshaking::or_transport`] gives the socket back.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub fn handshake(self) -> Handshaking<TcpStream> {
        self.acceptor.accept_from(self.io, self.since, self.peer)
    }

    /// Shakes hands with another configuration than the listener's (B3).
    ///
    /// # Errors
    /// When the handshake fails; [`Handshaking::or_transport`] gives the socket back.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub fn handshake_with(mut self, config: ServerConfig) -> Handshaking<TcpStream> {
        self.acceptor = self.acceptor.with_config(config);
        self.handshake()
    }

    /// Reads the ClientHello and then stands still (B5).
    ///
    /// # Errors
    /// When the handshake fails before; [`Handshaking::or_transport`] gives the socket back.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub fn pause_at_hello(self) -> Handshaking<TcpStream, PausedServer<TcpStream>> {
        self.acceptor
            .pause_at_hello_from(self.io, self.since, Some(self.peer))
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn errors_of_a_connections_network_are_not_the_listeners() {
        // EPERM, EINTR, ENONET, EPROTO, ENOPROTOOPT, EOPNOTSUPP, ENETDOWN, ENETUNREACH,
        // ECONNABORTED, ECONNRESET, ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH (accept(2)).
        for code in [1, 4, 64, 71, 92, 95, 100, 101, 103, 104, 110, 112, 113] {
            let error = io::Error::from_raw_os_error(code);
            assert!(matches!(Fault::of(&error), Fault::Connection), "{error:?}");
        }
        // EBADF, EINVAL, ENOTSOCK.
        for code in [9, 22, 88] {
            let error = io::Error::from_raw_os_error(code);
            assert!(matches!(Fault::of(&error), Fault::Listener), "{error:?}");
        }
    }

    #[test]
    fn connections_that_break_without_end_are_no_busy_loop() {
        let mut faults = Faults::default();
        let mut paused = 0;
        for _ in 0..10 * MANY {
            faults.pass_over();
            paused += usize::from(faults.until.take().is_some());
        }
        assert_eq!(paused, 10);
        assert_eq!(faults.last, LONGEST_BACK_OFF);
    }
}
