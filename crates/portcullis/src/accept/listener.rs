//! Accepting connections: one at a time in two phases, or many at once.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use portcullis_core::config::ServerConfig;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::time::{Instant, sleep_until};

use super::Accept;
use super::connections::Connections;
use super::faults::Faults;
use crate::acceptor::TlsAcceptor;
use crate::environment::Life;
use crate::error::Error;
use crate::handshake::{EarlyHandshake, Handshaking, PausedServer};
use crate::reload::Reloadable;
use crate::socket::ListenOptions;
use crate::socket_options::SocketOptions;

/// Listens for TLS connections over TCP.
///
/// ```
/// use portcullis::{ServerConfig, TlsListener};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (identity, roots) = dev_identity();
/// let config = ServerConfig::builder().identity(identity).build()?;
/// let listener = TlsListener::bind("127.0.0.1:0", config).await?;
/// # let address = listener.local_addr()?;
/// # let connector = portcullis::TlsConnector::new(portcullis::ClientConfig::builder(roots).build()?);
/// # tokio::spawn(async move { connector.connect(address, "localhost").await });
/// let incoming = listener.accept().await?;
/// // A slow client holds up its own task, not the listener.
/// let task = tokio::spawn(async move {
///     match incoming.handshake().await {
///         Ok(stream) => println!("{:?}", stream.peer_addr()),
///         Err(error) => eprintln!("{error}"),
///     }
/// });
/// # task.await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    accepted: SocketOptions,
    /// Whether it listens on an address of IPv6.
    is_v6: bool,
    faults: Mutex<Faults>,
}

impl TlsListener {
    /// Listens on an address with the default options; the first that can be bound to.
    ///
    /// Takes a [`ServerConfig`](crate::ServerConfig), or a [`TlsAcceptor`] with what a configuration has not: answers,
    /// timeouts, a [`session_store`](TlsAcceptor::session_store), [`crls`](TlsAcceptor::crls).
    ///
    /// ```
    /// use portcullis::TlsListener;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_, acceptor) = dev_ends();
    /// // Port 0 is any that is free.
    /// let listener = TlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// println!("clients come to {}", listener.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of binding a socket, and what [`TlsAcceptor::check`] finds.
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
    /// ```
    /// use portcullis::{ListenOptions, TlsListener};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_, acceptor) = dev_ends();
    /// let options = ListenOptions::new().backlog(4096);
    /// let listener = TlsListener::bind_with("127.0.0.1:0", acceptor, &options).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of binding a socket, and what [`TlsAcceptor::check`] finds.
    ///
    /// # Cancel safety
    /// Dropped, nothing is bound.
    pub async fn bind_with(
        address: impl ToSocketAddrs,
        acceptor: impl Into<TlsAcceptor>,
        options: &ListenOptions,
    ) -> io::Result<Self> {
        let acceptor = acceptor.into();
        acceptor.check().map_err(Error::from)?;
        let mut last = io::Error::new(
            io::ErrorKind::InvalidInput,
            "there is no address to bind to",
        );
        for address in tokio::net::lookup_host(address).await? {
            match options.listen(address) {
                Ok(listener) => {
                    return Ok(Self {
                        accepted: options.of_accepted().clone(),
                        ..Self::from_listener(listener, acceptor)
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
        let is_v6 = listener.local_addr().is_ok_and(|address| address.is_ipv6());
        Self {
            listener,
            acceptor,
            accepted: SocketOptions::new(),
            is_v6,
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

    /// The configuration of the connections to come, in a place where it can be replaced, also
    /// when the listener has gone elsewhere.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (identity, _) = dev_identity();
    /// # let (_, acceptor) = dev_ends();
    /// # let listener = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// let certificates = listener.reloadable();
    /// // Later, in any task, with a new `identity`:
    /// let config = certificates.current().to_builder().clear_identities().identity(identity).build()?;
    /// certificates.replace(config);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reloadable(&self) -> Reloadable<ServerConfig> {
        self.acceptor.reloadable()
    }

    /// Another acceptor for the connections to come: e.g. with new certificates.
    pub fn set_acceptor(&mut self, acceptor: TlsAcceptor) {
        self.acceptor = acceptor;
    }

    /// Accepts a connection and does not shake hands: a stalled client cannot stop this.
    ///
    /// Connections that broke while they waited are passed over. When the system has run out of
    /// descriptors or memory, this waits and tries again, at most a second between tries. After
    /// any other error the next call waits as well, 5 ms at first and up to a second: a
    /// caller that retries at once does not spin.
    ///
    /// Several tasks may accept from one listener.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # tokio::spawn(async move { connector.connect(address, "localhost").await });
    /// let incoming = listener.accept().await?;
    /// println!("{} has come", incoming.peer_addr());
    /// let stream = incoming.handshake().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those that trying again does not cure; [`Error::is_shut_down`] once the
    /// [environment](crate::Environment) of its acceptor is.
    ///
    /// # Cancel safety
    /// Dropped, no connection is lost.
    pub async fn accept(&self) -> io::Result<Incoming> {
        loop {
            if let Some(until) = self.pause() {
                sleep_until(until).await;
            }
            let accepted = match &self.acceptor.conduct().life {
                None => self.listener.accept().await,
                Some(life) => {
                    let mut ending = pin!(Life::ending(Arc::clone(life)));
                    let mut accepting = pin!(self.listener.accept());
                    let accepted = poll_fn(|cx| match ending.as_mut().poll(cx) {
                        Poll::Ready(()) => Poll::Ready(None),
                        Poll::Pending => accepting.as_mut().poll(cx).map(Some),
                    });
                    accepted.await.ok_or_else(Error::shut_down)?
                }
            };
            if let Some(accepted) = self.sort(accepted) {
                return accepted;
            }
        }
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when nothing is to be accepted.
    fn pause(&self) -> Option<Instant> {
        self.faults().pause()
    }

    /// What the caller gets; `None` to try again.
    fn sort(&self, accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<io::Result<Incoming>> {
        let accepted = self.faults().sort(accepted)?;
        Some(accepted.map(|(io, peer)| Incoming {
            io: self.with_options(io),
            peer,
            since: Instant::now(),
            acceptor: self.acceptor.clone(),
        }))
    }

    fn with_options(&self, io: TcpStream) -> TcpStream {
        // The listening socket has taken them all, and a connection that is gone already fails in its handshake.
        if let Err(error) = self.accepted.set(&SockRef::from(&io), self.is_v6) {
            tracing::debug!(%error, "an option of a socket was not set");
        }
        io
    }

    /// Accepts connections and shakes hands with up to `limit` of them at once, each in a task
    /// of its own.
    ///
    /// While `limit` handshakes are under way, or finished ones wait to be taken, connections
    /// wait in the system's backlog: give a limit well above what is to be withstood. Each
    /// handshake ends by its timeout at the latest, and that of a client that says nothing by the
    /// [`first_byte_timeout`](TlsAcceptor::first_byte_timeout), 3 seconds. A client that is refused
    /// and does not close keeps its place for the
    /// [`alert_timeout`](TlsAcceptor::alert_timeout) more, 5 seconds.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # tokio::spawn(async move { connector.connect(address, "localhost").await });
    /// let mut connections = listener.connections(1024).on_failed(|failed| {
    ///     if !failed.is_probe() {
    ///         eprintln!("{failed}");
    ///     }
    /// });
    /// // Failed handshakes are passed over here.
    /// let (stream, peer) = connections.accept().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connections(self, limit: usize) -> Connections {
        let acceptor = self.acceptor.clone();
        let faults = std::mem::take(&mut *self.faults());
        let limits = acceptor.conduct().addresses;
        let connections = Connections::new(self, acceptor, limit).after(faults);
        match limits {
            Some(limits) => connections.per_address(limits, |peer| Some(peer.ip())),
            None => connections,
        }
    }
}

impl Accept for TlsListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accepted = ready!(self.listener.poll_accept(cx));
        Poll::Ready(accepted.map(|(io, peer)| (self.with_options(io), peer)))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
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

    /// The connection's socket. What is read from it is missing in the handshake.
    pub fn get_mut(&mut self) -> &mut TcpStream {
        &mut self.io
    }

    /// The connection without TLS.
    pub fn into_inner(self) -> TcpStream {
        self.io
    }

    /// Shakes hands, in any task.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # let _client = tokio::spawn(async move { connector.connect(address, "localhost").await });
    /// let incoming = listener.accept().await?;
    /// let task = tokio::spawn(async move {
    ///     let mut stream = incoming.handshake().await?;
    ///     stream.send(&[b"welcome"]).await
    /// });
    /// # task.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the handshake fails; [`Handshaking::or_transport`] gives the socket back.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub fn handshake(self) -> Handshaking<TcpStream> {
        self.acceptor
            .accept_from(self.io, self.since, Some(&self.peer))
    }

    /// Shakes hands with another configuration than the listener's.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let (usual, of_this_machine) = (acceptor.reloadable().current(), acceptor.reloadable().current());
    /// # let listener = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # tokio::spawn(async move { connector.connect(address, "localhost").await });
    /// let incoming = listener.accept().await?;
    /// let config = match incoming.peer_addr().ip().is_loopback() {
    ///     true => of_this_machine,
    ///     false => usual,
    /// };
    /// let stream = incoming.handshake_with(config).await?;
    /// # Ok(())
    /// # }
    /// ```
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

    /// Shakes hands up to where early data comes, if the configuration accepts it and the client sends
    /// some; else to the end: see [`TlsAcceptor::accept_with_early_data`].
    ///
    /// # Errors
    /// When the handshake fails before; [`Handshaking::or_transport`] gives the socket back.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub fn handshake_with_early_data(self) -> Handshaking<TcpStream, EarlyHandshake<TcpStream>> {
        self.acceptor
            .accept_with_early_data_from(self.io, self.since, Some(&self.peer))
    }

    /// Reads the ClientHello and then stands still.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # tokio::spawn(async move { connector.connect(address, "localhost").await });
    /// let paused = listener.accept().await?.pause_at_hello().await?;
    /// println!("{:?}", paused.client_hello().server_name());
    /// let stream = paused.proceed().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the handshake fails before; [`Handshaking::or_transport`] gives the socket back.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub fn pause_at_hello(self) -> Handshaking<TcpStream, PausedServer<TcpStream>> {
        self.acceptor
            .pause_at_hello_from(self.io, self.since, Some(&self.peer))
    }
}
