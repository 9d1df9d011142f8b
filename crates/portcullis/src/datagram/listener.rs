//! Many peers at one socket: clients are accepted after their cookie and before their handshake.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use portcullis_core::config::{Instructions, ServerConfig};
use portcullis_core::{Admission, CookiePolicy, CookieSecret, DatagramOptions, Handshake, Misuse};
use tokio::net::ToSocketAddrs;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::acceptor::DtlsAcceptor;
use super::association::Owner;
use super::connection::DtlsConnection;
use super::connections::DtlsConnections;
use super::door::{Door, address, prepared, refuse_fallback};
use super::driver::Driver;
use super::early_data::DtlsEarlyHandshake;
use super::endpoint::Endpoint;
use super::foreign::Foreign;
use super::group::{self, MOST_SOCKETS};
use super::handshake::{Running, deadline_from};
use super::link::{Link, NOWHERE};
use super::lock;
use super::paused::PausedDtlsServer;
use super::socket::{self, Socket};
use super::statistics::DtlsListenerStatistics;
use super::udp_options::UdpOptions;
use crate::acceptor::TlsAcceptor;
use crate::conduct::Conduct;
use crate::error::Error;
use crate::handshake::span;
use crate::reload::Reloadable;

/// Listens for DTLS over UDP: one socket, any number of peers.
///
/// Of a client there is nothing before it has shown, by a cookie, that it reads at the address it writes from (RFC 9147
/// §5.1), and it is never answered by more than twice the bytes it has sent until then. There is a task for the
/// socket, none for a connection; handshakes run where [`DtlsIncoming::handshake`] is awaited. Dropped, it accepts
/// nobody else; the connections that are there go on.
///
/// ```
/// use portcullis::{DtlsConnector, DtlsListener, ServerConfig};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (identity, roots) = dev_identity();
/// let config = ServerConfig::builder().identity(identity).build()?;
/// let listener = DtlsListener::bind("127.0.0.1:0", config).await?;
/// # let address = listener.local_addr()?;
/// # let client = portcullis::ClientConfig::builder(roots).build()?;
/// # tokio::spawn(async move {
/// #     let connection = DtlsConnector::new(client).connect(address, "localhost").await.unwrap();
/// #     connection.send(&[b"hello"]).await.unwrap();
/// #     std::future::pending::<()>().await
/// # });
/// let incoming = listener.accept().await?;
/// // A slow client holds up its own task, not the listener.
/// let task = tokio::spawn(async move {
///     let mut connection = incoming.handshake().await?;
///     let message = connection.recv().await?;
///     connection.send(&[&message]).await
/// });
/// task.await??;
/// # Ok(())
/// # }
/// ```
pub struct DtlsListener {
    endpoint: Arc<Endpoint>,
    incoming: Mutex<mpsc::Receiver<DtlsIncoming>>,
    acceptor: DtlsAcceptor,
}

impl DtlsListener {
    /// Listens on an address; the first that can be bound to. Takes a [`ServerConfig`], or a
    /// [`TlsAcceptor`](crate::TlsAcceptor) with answers, stores and timeouts, or a [`DtlsAcceptor`], which has
    /// [`DtlsOptions`](crate::DtlsOptions) besides.
    ///
    /// ```
    /// use portcullis::DtlsListener;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_, acceptor) = dev_ends();
    /// let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// println!("clients come to {}", listener.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of binding a socket; when the configuration has nothing to speak over datagrams, or what
    /// [`TlsAcceptor::check`](crate::TlsAcceptor::check) and [`DtlsOptions::check`](crate::DtlsOptions::check) find.
    ///
    /// # Cancel safety
    /// Dropped, nothing is bound.
    pub async fn bind(
        address: impl ToSocketAddrs,
        acceptor: impl Into<DtlsAcceptor>,
    ) -> io::Result<Self> {
        Self::bind_with(address, acceptor, &UdpOptions::new()).await
    }

    /// The same on a socket with these options.
    ///
    /// # Errors
    /// As [`bind`](Self::bind); of [`UdpOptions::local_address`], which is a connector's; of an option that the system does
    /// not take, by its name.
    ///
    /// # Cancel safety
    /// Dropped, nothing is bound.
    pub async fn bind_with(
        address: impl ToSocketAddrs,
        acceptor: impl Into<DtlsAcceptor>,
        options: &UdpOptions,
    ) -> io::Result<Self> {
        if options.local().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "local_address: it is the address that is bound to",
            ));
        }
        let socket = bind(address, false, options).await?;
        Self::from_std(socket, acceptor)
    }

    /// Several listeners at one address, each with a socket and a task of its own, so that several processors receive:
    /// the system gives each peer to one of them (`SO_REUSEPORT`; Unix). Each is bounded as if it were alone. They take each
    /// other's cookies, since a peer whose address changes, or a listener that goes, brings a second hello to another one:
    /// without a [`cookie_secret`](DtlsAcceptor::cookie_secret) one is drawn for them.
    ///
    /// With [connection ids](crate::DtlsOptions::connection_ids) the first byte of each says which listener has the
    /// connection, and what comes to another one of them, since the peer has moved, is given to it: up to 1,024 datagrams and
    /// 1 MiB wait for it to take them. Without, datagrams of a peer that has moved are nobody's.
    ///
    /// # Errors
    /// As [`bind`](Self::bind), [`InvalidInput`](io::ErrorKind::InvalidInput) for more than 256, and
    /// [`Unsupported`](io::ErrorKind::Unsupported) elsewhere.
    ///
    /// # Cancel safety
    /// Dropped, nothing is bound.
    pub async fn bind_many(
        address: impl ToSocketAddrs,
        acceptor: impl Into<DtlsAcceptor>,
        count: usize,
    ) -> io::Result<Vec<Self>> {
        let mut acceptor = acceptor.into();
        if count > MOST_SOCKETS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("bind_many: {count} listeners; 256 are the most at one address"),
            ));
        }
        // All before one is read: peers are divided by how many there are.
        let mut sockets = vec![bind(address, true, &UdpOptions::new()).await?];
        let first = sockets.first().map_or_else(
            || Err(io::ErrorKind::NotFound.into()),
            std::net::UdpSocket::local_addr,
        )?;
        for _ in 1..count {
            sockets.push(socket::bind(first, true, &UdpOptions::new())?);
        }
        let mut endpoints = Vec::with_capacity(count);
        for socket in sockets {
            endpoints.push(Arc::new(Endpoint::new(Link::Socket(Socket::new(socket)?))));
        }
        group::join(&endpoints);
        if acceptor.cookie_secret.is_none() {
            acceptor = acceptor.cookie_secret(CookieSecret::random().map_err(Error::from)?);
        }
        let listeners = endpoints.into_iter();
        listeners
            .map(|endpoint| Ok(Self::at(endpoint, acceptor.clone())?))
            .collect()
    }

    /// Takes over a UDP socket that is bound, e.g. one that was inherited.
    ///
    /// # Errors
    /// When the socket cannot be made non-blocking; else as [`bind`](Self::bind).
    pub fn from_std(
        socket: std::net::UdpSocket,
        acceptor: impl Into<DtlsAcceptor>,
    ) -> io::Result<Self> {
        let link = Link::Socket(Socket::new(socket)?);
        Ok(Self::at(Arc::new(Endpoint::new(link)), acceptor.into())?)
    }

    /// At a socket.
    fn at(endpoint: Arc<Endpoint>, acceptor: DtlsAcceptor) -> Result<Self, Error> {
        let options = acceptor.options;
        let cookies = options.cookies.unwrap_or(CookiePolicy::Always);
        Self::over(endpoint, acceptor, cookies, options.listeners_idle())
    }

    pub(super) fn over(
        endpoint: Arc<Endpoint>,
        acceptor: DtlsAcceptor,
        cookies: CookiePolicy,
        idle: Option<std::time::Duration>,
    ) -> Result<Self, Error> {
        let (door, incoming) = Door::new(&acceptor, cookies)?;
        Driver::listening(Arc::clone(&endpoint), door, idle).spawn();
        Ok(Self {
            endpoint,
            incoming: Mutex::new(incoming),
            acceptor,
        })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// [`Unsupported`](io::ErrorKind::Unsupported) when the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.endpoint.link.local_addr();
        address.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// The configuration of the connections to come, in a place where it can be replaced, also when the listener has
    /// gone elsewhere. One that has nothing to speak over datagrams is not taken.
    pub fn reloadable(&self) -> Reloadable<ServerConfig> {
        self.acceptor.tls.reloadable()
    }

    /// The next client whose cookie has come back. Its handshake has not begun, and a stalled client cannot stop this.
    /// Several tasks may accept from one listener.
    ///
    /// Its handshake's time runs from when it came.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = portcullis::DtlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # let client = portcullis::DtlsConnector::new(connector);
    /// # tokio::spawn(async move { client.connect(address, "localhost").await });
    /// let incoming = listener.accept().await?;
    /// println!("{:?} has come", incoming.peer_addr());
    /// let connection = incoming.handshake().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::is_closed`] when the listener's task is gone, with its runtime.
    ///
    /// # Cancel safety
    /// Dropped, no client is lost.
    pub async fn accept(&self) -> Result<DtlsIncoming, Error> {
        let mut incoming = self.incoming.lock().await;
        incoming.recv().await.ok_or_else(Error::closed)
    }

    /// Takes what comes to the socket and is not DTLS, by the first byte of each datagram (RFC 7983, RFC 9443): STUN, TURN, ZRTP,
    /// RTP, whoever has sent it. Without this it is dropped and counted. Of several calls the last one gets it.
    ///
    /// ```
    /// # use tokio::net::UdpSocket;
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_, acceptor) = dev_ends();
    /// let listener = portcullis::DtlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// let mut foreign = listener.foreign();
    /// # let peer = UdpSocket::bind("127.0.0.1:0").await?;
    /// # peer.send_to(&[0, 1, 0, 0], listener.local_addr()?).await?;
    /// let Some(datagram) = foreign.recv().await else { return Ok(()) };
    /// match datagram.contents()[0] {
    ///     0..=3 => foreign.answer(b"what STUN says", &datagram).await?,
    ///     128..=191 => println!("RTP from {}", datagram.peer_addr()),
    ///     _ => {}
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn foreign(&self) -> Foreign {
        Foreign::new(Arc::clone(&self.endpoint))
    }

    /// Its socket, for a client that is to have `bytes` in its connection ids.
    pub(super) fn shared_with(&self, bytes: usize) -> Result<&Arc<Endpoint>, Misuse> {
        if self.endpoint.is_one_of_many() {
            return Err(Misuse::new(
                "connect_from: the listener has its address together with others (`bind_many`), and the server's answers                  would come to any of them; call from a socket that is alone at its address",
            ));
        }
        match self.acceptor.options.id_length() {
            own if bytes == 0 || bytes == own => Ok(&self.endpoint),
            own => Err(Misuse::new(format!(
                "connection_ids: {bytes} bytes, and the listener whose socket it is has {own}; all at a socket have as many, \
                 or 0"
            ))),
        }
    }

    /// Shakes hands with up to `limit` clients at once, each in a task of its own, and gives the connections that come of it.
    /// No more than [`DtlsOptions::handshakes`](crate::DtlsOptions::handshakes) are ever under way.
    pub fn connections(self, limit: usize) -> DtlsConnections {
        DtlsConnections::new(self, limit)
    }

    /// `None` when the listener's task is gone.
    pub(super) fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<DtlsIncoming>> {
        self.incoming.get_mut().poll_recv(cx)
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor.tls
    }

    /// What has come from those with whom there is no connection, and why it was dropped.
    pub fn statistics(&self) -> DtlsListenerStatistics {
        lock(&self.endpoint.statistics).clone()
    }
}

async fn bind(
    address: impl ToSocketAddrs,
    shared: bool,
    options: &UdpOptions,
) -> io::Result<std::net::UdpSocket> {
    let mut last = io::Error::new(
        io::ErrorKind::InvalidInput,
        "there is no address to bind to",
    );
    for address in tokio::net::lookup_host(address).await? {
        match socket::bind(address, shared, options) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Drop for DtlsListener {
    fn drop(&mut self) {
        self.endpoint.close();
    }
}

impl fmt::Debug for DtlsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsListener")
            .field("link", &self.endpoint.link)
            .finish_non_exhaustive()
    }
}

/// A client that reads at its address; its handshake has not begun. Dropped, it is forgotten.
#[must_use = "the client waits"]
pub struct DtlsIncoming {
    owner: Owner,
    admission: Admission,
    config: ServerConfig,
    conduct: Conduct,
    options: DatagramOptions,
    since: Instant,
}

impl DtlsIncoming {
    pub(super) fn new(
        owner: Owner,
        admission: Admission,
        config: ServerConfig,
        conduct: Conduct,
        options: DatagramOptions,
    ) -> Self {
        Self {
            owner,
            admission,
            config,
            conduct,
            options,
            since: Instant::now(),
        }
    }

    /// The client's address; `None` over a transport that has none.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        let path = self.owner.path();
        (path != NOWHERE).then_some(path.peer)
    }

    /// The same client, whom another acceptor than the listener's answers: with its configuration, its answers, its stores
    /// and its time limits, e.g. for a choice that differs from client to client, or after a reload. What the client was
    /// asked for before, a cookie and a share, the listener's configuration has decided.
    ///
    /// ```
    /// # use portcullis::{DtlsConnector, DtlsListener};
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let patient = acceptor.clone().handshake_timeout(std::time::Duration::from_secs(60));
    /// # let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # let client = DtlsConnector::new(connector);
    /// # tokio::spawn(async move { client.connect(address, "localhost").await });
    /// let connection = listener.accept().await?.with_acceptor(patient)?.handshake().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What [`DtlsListener::bind`] would fail with for this acceptor; the client is forgotten.
    pub fn with_acceptor(mut self, acceptor: impl Into<TlsAcceptor>) -> Result<Self, Misuse> {
        let acceptor = acceptor.into();
        refuse_fallback(&acceptor)?;
        let (config, _) = prepared(&acceptor)?;
        (self.config, self.conduct) = (config, acceptor.conduct);
        Ok(self)
    }

    /// Shakes hands, in any task. What is asked on the way is answered as over TLS ([`Answers`](crate::Answers)).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = portcullis::DtlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # let client = portcullis::DtlsConnector::new(connector);
    /// # let _client = tokio::spawn(async move { client.connect(address, "localhost").await });
    /// let incoming = listener.accept().await?;
    /// let task = tokio::spawn(async move {
    ///     let connection = incoming.handshake().await?;
    ///     connection.send(&[b"welcome"]).await
    /// });
    /// # task.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the handshake fails or its time is over ([`TlsAcceptor::handshake_timeout`](crate::TlsAcceptor)).
    ///
    /// # Cancel safety
    /// Dropped, the client is told `user_canceled`, if that can be done at once.
    pub fn handshake(self) -> impl Future<Output = Result<DtlsConnection, Error>> + Send + 'static {
        let span = self.span();
        let within = span.clone();
        // Boxed: the task that has the connection afterwards need not hold it.
        let running = Box::pin(async move { self.begin(false)?.run(&within).await });
        running.instrument(span)
    }

    /// Shakes hands, and gives the messages that the client has sent with its hello, if the configuration
    /// [accepts them](portcullis_core::config::ServerConfigBuilder::early_data): see [`DtlsEarlyHandshake`].
    ///
    /// # Errors
    /// When the handshake cannot begin, as [`handshake`](Self::handshake) says.
    pub fn handshake_with_early_data(self) -> Result<DtlsEarlyHandshake, Error> {
        let span = self.span();
        let running = self.start(false, true)?;
        Ok(DtlsEarlyHandshake::new(running, span))
    }

    /// Reads the ClientHello and then stands still.
    ///
    /// ```
    /// # use portcullis::{DtlsConnector, DtlsListener};
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let (address, other) = (listener.local_addr()?, listener.reloadable().current());
    /// # let client = DtlsConnector::new(connector);
    /// # tokio::spawn(async move { client.connect(address, "localhost").await });
    /// let paused = listener.accept().await?.pause_at_hello().await?;
    /// let connection = match paused.client_hello().server_name() {
    ///     Some("localhost") => paused.proceed().await?,
    ///     _ => paused.continue_with(other).await?,
    /// };
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the handshake fails before, or its time is over.
    ///
    /// # Cancel safety
    /// Dropped, the client is forgotten.
    pub fn pause_at_hello(
        self,
    ) -> impl Future<Output = Result<PausedDtlsServer, Error>> + Send + 'static {
        let span = self.span();
        Box::pin(async move { PausedDtlsServer::reach(self.begin(true)?, span).await })
    }

    /// The client's address, if a server in front has passed it on ([`DtlsEchFront`](crate::DtlsEchFront)): it is in the
    /// cookie that the two share. [`peer_addr`](Self::peer_addr) is that server's.
    pub fn fronted_client(&self) -> Option<SocketAddr> {
        self.admission.fronted_client().and_then(address)
    }

    fn span(&self) -> tracing::Span {
        let peer = self.peer_addr();
        let peer = peer.as_ref().map(|peer| peer as &dyn fmt::Debug);
        span::server(peer, self.conduct.log)
    }

    fn begin(self, pauses: bool) -> Result<Running, Error> {
        self.start(pauses, false)
    }

    fn start(self, pauses: bool, takes_early_data: bool) -> Result<Running, Error> {
        let Self {
            owner,
            admission,
            config,
            mut conduct,
            options,
            since,
        } = self;
        conduct.check_life()?;
        conduct.hide(config.reads_encrypted_hellos());
        let mut instructions = Instructions::default();
        instructions.pause_at_hello = pauses;
        let config = config.instructed(instructions)?;
        let now = owner.endpoint.now();
        let mut begun = Handshake::datagram_server(config, admission, options, now)?;
        if !takes_early_data {
            begun.decline_early_data();
        }
        let deadline = deadline_from(since, conduct.handshake_timeout);
        Ok(Running::new(begun, owner, conduct, deadline, None, true))
    }
}

impl fmt::Debug for DtlsIncoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsIncoming")
            .field("peer", &self.peer_addr())
            .finish_non_exhaustive()
    }
}
