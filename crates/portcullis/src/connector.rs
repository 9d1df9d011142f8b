//! The client's side: TCP connect and handshake, or a handshake on a transport that is there.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use portcullis_core::Stage;
use portcullis_core::config::ClientConfig;
use portcullis_core::session::ClientSession;
use portcullis_session_cache::{MemorySessionStore, SessionStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::{Instant, timeout_at};

use crate::answers::Questions;
use crate::conduct::{Conduct, conduct_options};
use crate::early_data::EarlyDataOutcome;
use crate::error::{Error, HandshakeError};
use crate::first_shares::FirstShares;
use crate::handshake::{
    Early, EarlyStream, Goal, Handshaking, PausedClient, Start, Until, deadline,
};
use crate::log_level::LogLevel;
use crate::name::{ToServerName, split_port};
use crate::preparation::{Prepared, Transport};
use crate::reload::Reloadable;
use crate::sessions::Store;
use crate::socket_options::{SocketOptions, connect_any};
use crate::stream::TlsStream;

/// How many sessions a connector keeps by itself.
const SESSIONS: usize = 256;

/// Connects to servers. Cheap to clone.
///
/// ```no_run
/// use portcullis::{ClientConfig, Roots, TlsConnector};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = ClientConfig::builder(Roots::os()?).alpn(["http/1.1"]).build()?;
/// let connector = TlsConnector::new(config);
/// match connector.connect_to("example.com:443").await {
///     Ok(stream) => println!("{}", stream.information().version()),
///     Err(error) => eprintln!("{error}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TlsConnector {
    pub(crate) config: Reloadable<ClientConfig>,
    pub(crate) conduct: Conduct,
    pub(crate) store: Option<Store>,
    pub(crate) service: Option<Arc<str>>,
    /// Of the sockets of connections.
    pub(crate) socket: Option<Arc<SocketOptions>>,
    pub(crate) first_shares: Arc<FirstShares>,
    /// For the next connection.
    pub(crate) offered: Option<Arc<Mutex<Vec<ClientSession>>>>,
}

impl From<ClientConfig> for TlsConnector {
    fn from(config: ClientConfig) -> Self {
        Self::new(config)
    }
}

impl TlsConnector {
    /// A connector with a handshake timeout of 10 seconds and the answers of the configuration.
    ///
    /// It resumes connections: it has a [`session_store`](Self::session_store) of its own, in
    /// memory, for 256 sessions. Where the configuration says whether there are
    /// [`session_tickets`](crate::config::ClientConfigBuilder::session_tickets) it has none: then
    /// the sessions are the caller's, or there are none. What another connector has made of a
    /// configuration that comes from its [`reloadable`](Self::reloadable) does not count.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis::{ClientConfig, TlsConnector};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let roots = dev_identity().1;
    /// let config = ClientConfig::builder(roots).build()?;
    /// let connector = TlsConnector::new(config).handshake_timeout(Duration::from_secs(5));
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(config: ClientConfig) -> Self {
        let store = || -> Arc<dyn SessionStore> { Arc::new(MemorySessionStore::new(SESSIONS)) };
        Self::made(config, Conduct::default(), store, Arc::default())
    }

    /// With a store for sessions, unless the configuration says that these are the caller's.
    pub(crate) fn made(
        config: ClientConfig,
        mut conduct: Conduct,
        store: impl FnOnce() -> Arc<dyn SessionStore>,
        first_shares: Arc<FirstShares>,
    ) -> Self {
        if !config.verifies_servers() && conduct.log.is_none_or(|log| log >= LogLevel::Warn) {
            tracing::warn!(
                "a connector accepts any server whatsoever (`dangerous_builder_without_verification`)"
            );
        }
        conduct.instruct = Conduct::instruct_client;
        let has_own = config.session_tickets().is_none();
        let config = config.taking_tickets(None);
        let this = Self {
            config: Reloadable::new(config),
            conduct,
            store: None,
            service: None,
            socket: None,
            offered: None,
            first_shares,
        };
        match has_own {
            true => this.session_store(store()),
            false => this,
        }
    }

    /// Resumes no connection, unless by sessions that are [offered](Self::offering) by hand.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = portcullis::ClientConfig::builder(dev_identity().1).build()?;
    /// let connector = portcullis::TlsConnector::new(config).without_resumption();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn without_resumption(mut self) -> Self {
        self.store = None;
        self.take_tickets(false);
        self
    }

    fn take_tickets(&mut self, on: bool) {
        let config = self.config.current().taking_tickets(Some(on));
        self.config = Reloadable::new(config);
    }

    conduct_options!();

    /// The configuration that new connections get, in a place where it can be replaced. All clones
    /// of this connector share it, but not those that were given a
    /// [`session_store`](Self::session_store) afterwards.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let roots = dev_identity().1;
    /// # let (connector, _) = dev_ends();
    /// let place = connector.reloadable();
    /// // Later, in any task: other roots for the connections to come.
    /// place.replace(portcullis::ClientConfig::builder(roots).build()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reloadable(&self) -> Reloadable<ClientConfig> {
        self.config.clone()
    }

    /// Resumes connections by the sessions in `store`, and keeps there those that servers give
    /// (RFC 8446 §2.2). Default: a store of this connector and its clones, in memory. There is one: the
    /// last call counts.
    ///
    /// The store is asked before a handshake. It has a tenth of the time that this may take and at
    /// most 1 second; then the handshake is a full one. It gets sessions while connections are
    /// read from: at once if [`put`](SessionStore::put) is ready at once, else in a Tokio task, at
    /// most one for a connection, that is given up after 30 seconds; 8 sessions wait for it, and
    /// the oldest makes room. Nobody waits for that task: a program that ends at once after its last
    /// connection loses sessions of a store whose `put` is not ready at once.
    ///
    /// Any connectors may share a store. To a server the client that resumes a session is the client
    /// that began it, so each connector finds only those of its own identities. Where
    /// [identities are chosen](crate::answers::Answers::choose_identity) during the handshake that
    /// cannot be known: sessions in which a certificate was shown are then kept only under a
    /// [`service_name`](Self::service_name).
    ///
    /// A connector with a store also remembers, for a day and for 1,000 servers, which key share a server wants, under the same
    /// keys as its sessions: it comes first then, and no round trip is lost to a HelloRetryRequest again (RFC 8446
    /// §4.2.7). Nothing else that is offered changes. Where the hello is encrypted nothing is remembered: the shares stand in
    /// the clear, and would show which of the hidden servers is meant.
    ///
    /// When a handshake fails that has offered a session from the store, all sessions of this kind
    /// with this server are forgotten there: some servers end every connection that offers one.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis::{MemorySessionStore, TlsConnector};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = portcullis::ClientConfig::builder(dev_identity().1).build()?;
    /// // Both find the sessions of either.
    /// let store = Arc::new(MemorySessionStore::new(10_000));
    /// let one = TlsConnector::new(config.clone()).session_store(store.clone());
    /// let other = TlsConnector::new(config).session_store(store);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn session_store(mut self, store: Arc<dyn SessionStore>) -> Self {
        self.store = Some(Store(store));
        self.take_tickets(true);
        self
    }

    /// Gives what is connected to a name of the caller's, in the place of the port: connections by
    /// another name or port, or by none, have other sessions in the [`session_store`](Self::session_store). For several services on
    /// one host, and for connectors that choose their identity during the handshake, which are to
    /// have one name for each identity. Default: none.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis::TlsConnector;
    ///
    /// # let (_, roots) = dev_identity();
    /// # let config = portcullis::ClientConfig::builder(roots).build()?;
    /// let connector = TlsConnector::new(config);
    /// // Two identities of one host, whose sessions are kept apart.
    /// let alice = connector.clone().service_name("alice");
    /// let bob = connector.service_name("bob");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn service_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// A connector whose next connection offers these sessions, the best first, to the
    /// servers that they are of: what [`TlsStream::take_session`] has given, or was
    /// [written down](ClientSession::to_bytes). They are used once: the connection after that
    /// is without them, also one of a clone. A store is not asked when there is one of these.
    /// [`TlsStream::is_resumed`] says whether the server agreed.
    ///
    /// Any connector may offer sessions, also one [without
    /// resumption](Self::without_resumption); only where the configuration has `session_tickets(false)`
    /// the handshake fails before it begins. To *get* sessions by hand, as below, a configuration has
    /// [`session_tickets(true)`](crate::config::ClientConfigBuilder::session_tickets): without it they
    /// go into the connector's own store.
    ///
    /// ```
    /// use portcullis::{ClientConfig, TlsConnector, session::ClientSession};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (identity, roots) = dev_identity();
    /// # let acceptor = portcullis::TlsAcceptor::new(portcullis::ServerConfig::builder().identity(identity).build()?);
    /// # let pair = || tokio::io::duplex(65_536);
    /// let config = ClientConfig::builder(roots).session_tickets(true).build()?;
    /// let connector = TlsConnector::new(config);
    /// # let (near, far) = pair();
    /// # let (client, server) = tokio::join!(connector.upgrade(near, "localhost"), acceptor.accept(far));
    /// # let (mut client, mut server) = (client?, server?);
    /// # server.send(&[b"hello"]).await?;
    /// // A ticket comes with the first data.
    /// client.recv(5).await?;
    /// let session = client.take_session().expect("the server gives tickets");
    /// let bytes = session.to_bytes();
    ///
    /// // Later, maybe in another process:
    /// let session = ClientSession::from_bytes(&bytes)?;
    /// # let (near, far) = pair();
    /// # let (client, server) = tokio::join!(connector.offering([session]).upgrade(near, "localhost"), acceptor.accept(far));
    /// # let (client, _server) = (client?, server?);
    /// assert!(client.is_resumed());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn offering(&self, sessions: impl IntoIterator<Item = ClientSession>) -> Self {
        let sessions = sessions.into_iter().collect();
        Self {
            offered: Some(Arc::new(Mutex::new(sessions))),
            ..self.clone()
        }
    }

    /// Connects over TCP, with `TCP_NODELAY`, and shakes hands. The handshake's timeout covers
    /// both. The future keeps what it needs of the connector: with an address and a name that are
    /// owned, or `'static`, it may go into a task.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # tokio::spawn(async move { listener.accept().await.unwrap().handshake().await });
    /// // The address is where to connect to, the name whose certificate is expected.
    /// let stream = connector.connect(address, "localhost").await?;
    /// assert_eq!(stream.peer_addr()?, address);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When no address can be connected to, or the handshake fails. It names the host and its
    /// addresses; until TCP stands the stage is [`Connecting`](Stage::Connecting).
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub fn connect<A: ToSocketAddrs, N: ToServerName>(
        &self,
        address: A,
        name: N,
    ) -> impl Future<Output = Result<TlsStream<TcpStream>, Error>> + use<A, N> {
        let (this, name) = (self.clone(), name.to_server_name());
        // Boxed: the caller's task outlives the handshake, and this is given back after it.
        Box::pin(async move { this.connect_now(address, None, name?, Early::None).await })
    }

    /// [`connect`](Self::connect), and sends `data` with the first flight (0-RTT, RFC 8446 §2.3) if a session
    /// is there whose server allows as much. The server has it a round trip earlier than it would have
    /// otherwise; what became of it is in the [`EarlyDataOutcome`].
    ///
    /// An attacker that records the first flight can send it again, and what the server does about that is not
    /// known here: send nothing that does harm when it is done twice. The data has no forward secrecy:
    /// with the key of the session's ticket it can be read. Before it goes out the server's chain is verified
    /// again as the configuration says, but nobody is [asked](crate::Answers::verify_chain) about it before
    /// the server answers.
    ///
    /// When this fails, the server may have got the data or not.
    ///
    /// ```no_run
    /// use portcullis::{ClientConfig, EarlyDataOutcome, Roots, TlsConnector};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let connector = TlsConnector::new(ClientConfig::builder(Roots::os()?).build()?);
    /// let request = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
    /// let address = ("example.com", 443);
    /// let (mut stream, outcome) =
    ///     connector.connect_with_early_data(address, "example.com", request).await?;
    /// if let Some(unsent) = outcome.into_unsent() {
    ///     stream.send(&[&unsent]).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As `connect`.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed; the server may have got the data.
    pub fn connect_with_early_data<A: ToSocketAddrs, N: ToServerName, D: Into<Bytes>>(
        &self,
        address: A,
        name: N,
        data: D,
    ) -> impl Future<Output = Result<(TlsStream<TcpStream>, EarlyDataOutcome), Error>> + use<A, N, D>
    {
        let (this, name, data) = (self.clone(), name.to_server_name(), data.into());
        // As in `connect`.
        Box::pin(async move {
            let early = Early::Whole(data.clone());
            let stream: TlsStream<_> = this.connect_now(address, None, name?, early).await?;
            let outcome = EarlyDataOutcome::of(stream.information(), data);
            Ok((stream, outcome))
        })
    }

    /// [`connect`](Self::connect) up to where the hello is out, so that early data can be written as it
    /// comes to be; without a session that allows any there is no [room](EarlyStream::room). What was
    /// written is lost if the server does not accept it, and kept by nobody:
    /// [`connect_with_early_data`](Self::connect_with_early_data), which says more about it, keeps it.
    ///
    /// ```no_run
    /// use portcullis::{ClientConfig, EarlyDataStatus, Roots, TlsConnector};
    /// use tokio::io::AsyncWriteExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let connector = TlsConnector::new(ClientConfig::builder(Roots::os()?).build()?);
    /// let request = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
    /// let mut early = connector.early_stream(("example.com", 443), "example.com").await?;
    /// if early.room() >= request.len() {
    ///     early.write_all(request).await?;
    /// }
    /// let (mut stream, status) = early.handshake().await?;
    /// if status != EarlyDataStatus::Accepted {
    ///     stream.send(&[request]).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As `connect`, as far as it comes.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub fn early_stream<A: ToSocketAddrs, N: ToServerName>(
        &self,
        address: A,
        name: N,
    ) -> impl Future<Output = Result<EarlyStream<TcpStream>, Error>> + use<A, N> {
        let (this, name) = (self.clone(), name.to_server_name());
        // As in `connect`.
        Box::pin(async move {
            this.connect_now(address, None, name?, Early::Streamed)
                .await
        })
    }

    /// [`upgrade`](Self::upgrade) up to where the hello is out: see [`early_stream`](Self::early_stream).
    ///
    /// # Errors
    /// As `upgrade`, as far as it comes; [`Handshaking::or_transport`] gives the transport back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn upgrade_early<IO>(
        &self,
        io: IO,
        name: impl ToServerName,
    ) -> Handshaking<IO, EarlyStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.handshake(io, name, Bytes::new())
    }

    /// [`upgrade`](Self::upgrade), and sends `data` with the first flight if a session is there whose server
    /// allows as much: see [`connect_with_early_data`](Self::connect_with_early_data).
    ///
    /// # Errors
    /// As `upgrade`; the transport is dropped.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed; the server may have got the data.
    pub fn upgrade_with_early_data<IO, N: ToServerName, D: Into<Bytes>>(
        &self,
        io: IO,
        name: N,
        data: D,
    ) -> impl Future<Output = Result<(TlsStream<IO>, EarlyDataOutcome), Error>> + use<IO, N, D>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let (this, name, data) = (self.clone(), name.to_server_name(), data.into());
        // As in `connect`.
        Box::pin(async move {
            let mut start = this.start(io, name?, Questions::none(), Bytes::new(), None)?;
            start.early_data = Early::Whole(data.clone());
            let stream: TlsStream<IO> = start.handshake().await?;
            let outcome = EarlyDataOutcome::of(stream.information(), data);
            Ok((stream, outcome))
        })
    }

    /// [`connect`](Self::connect) to a host with its port, which is the server's name too:
    /// `example.com:443`, `192.0.2.1:443`, `[::1]:443`.
    ///
    /// ```no_run
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, _) = dev_ends();
    /// let stream = connector.connect_to("example.com:443").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As `connect`, and when this is no host with a port.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub fn connect_to(
        &self,
        host_and_port: &str,
    ) -> impl Future<Output = Result<TlsStream<TcpStream>, Error>> + use<> {
        let this = self.clone();
        let target = split_port(host_and_port)
            .and_then(|(host, port)| Ok((host.to_owned(), port, host.to_server_name()?)));
        // As in `connect`.
        Box::pin(async move {
            let (host, port, name) = target?;
            this.connect_now((host, port), Some(port), name, Early::None)
                .await
        })
    }

    async fn connect_now<T: Goal<TcpStream>>(
        &self,
        address: impl ToSocketAddrs,
        port: Option<u16>,
        name: ServerName<'static>,
        early_data: Early,
    ) -> Result<T, Error> {
        self.conduct.check_life()?;
        self.config.current().check_stream()?;
        let host = name.to_str().into_owned();
        let deadline = deadline(self.conduct.handshake_timeout);
        let mut tried = Vec::new();
        let connecting = connect_any(address, self.socket.as_deref(), &mut tried);
        let io = match timeout_at(deadline, connecting).await {
            Ok(connected) => connected.map_err(|error| Error::io(error, Stage::Connecting)),
            Err(_) => Err(Error::timeout(
                Stage::Connecting,
                self.conduct.handshake_timeout,
            )),
        };
        let io = io.map_err(|error| error.at(&host, port, &tried))?;
        if self.socket.is_none() {
            // A handshake is a dialogue of small messages.
            let _ = io.set_nodelay(true);
        }
        let peer = tried.pop();
        let service = port.or_else(|| Some(peer?.port()));
        let mut start = self.start(io, name, T::UNTIL.questions(), Bytes::new(), service)?;
        start.peer = peer;
        start.early_data = early_data;
        start.deadline = Some(deadline);
        let peer = peer.as_slice();
        start
            .handshake()
            .await
            .map_err(|error: Error| error.at(&host, port, peer))
    }

    /// Shakes hands on a transport that is there (STARTTLS).
    ///
    /// Forget what the peer said in plain text (RFC 3207 §4.2).
    ///
    /// ```
    /// use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let (transport, far) = tokio::io::duplex(4096);
    /// # tokio::spawn(async move {
    /// #     let mut far = BufReader::new(far);
    /// #     let mut line = String::new();
    /// #     far.read_line(&mut line).await.unwrap();
    /// #     far.write_all(b"220 go ahead\r\n").await.unwrap();
    /// #     acceptor.upgrade(far.into_inner()).await
    /// # });
    /// let mut transport = BufReader::new(transport);
    /// transport.write_all(b"STARTTLS\r\n").await?;
    /// let mut answer = String::new();
    /// transport.read_line(&mut answer).await?;
    /// // What else the server said in plain text may be an attacker's.
    /// if !answer.starts_with("220 ") || !transport.buffer().is_empty() {
    ///     return Err("no STARTTLS".into());
    /// }
    /// let stream = connector.upgrade(transport.into_inner(), "localhost").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the handshake fails; [`Handshaking::or_transport`] gives the transport back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn upgrade<IO>(&self, io: IO, name: impl ToServerName) -> Handshaking<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.upgrade_with_prefix(io, name, Bytes::new())
    }

    /// Shakes hands on a transport from which `prefix` was read already.
    ///
    /// # Errors
    /// When the handshake fails; [`Handshaking::or_transport`] gives the transport back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn upgrade_with_prefix<IO>(
        &self,
        io: IO,
        name: impl ToServerName,
        prefix: Bytes,
    ) -> Handshaking<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.handshake(io, name, prefix)
    }

    /// Shakes hands up to the ServerHello and then stands still.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let (transport, far) = tokio::io::duplex(65_536);
    /// # tokio::spawn(async move { acceptor.accept(far).await });
    /// let paused = connector.pause_at_hello(transport, "localhost").await?;
    /// println!("{:?}", paused.server_hello());
    /// let stream = paused.proceed().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the handshake fails before; [`Handshaking::or_transport`] gives the transport back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn pause_at_hello<IO>(
        &self,
        io: IO,
        name: impl ToServerName,
    ) -> Handshaking<IO, PausedClient<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.handshake(io, name, Bytes::new())
    }

    /// [`upgrade`](Self::upgrade) of what was connected here, to this port if it is known, until `deadline`.
    pub(crate) async fn upgrade_by<IO>(
        &self,
        deadline: Instant,
        io: IO,
        name: impl ToServerName,
        port: Option<u16>,
    ) -> Result<TlsStream<IO>, Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let name = name.to_server_name()?;
        let mut start = self.start(io, name, Questions::none(), Bytes::new(), port)?;
        start.deadline = Some(deadline);
        start.handshake().await
    }

    /// How long TCP and the handshake may take.
    #[cfg(feature = "hyper-util")]
    pub(crate) fn limit(&self) -> std::time::Duration {
        self.conduct.handshake_timeout
    }

    /// With this [`service_name`](Self::service_name), if it has none.
    #[cfg(any(feature = "redis", feature = "tokio-postgres"))]
    pub(crate) fn or_service_name(mut self, name: &str) -> Self {
        self.service.get_or_insert_with(|| name.into());
        self
    }

    fn handshake<IO, T>(&self, io: IO, name: impl ToServerName, prefix: Bytes) -> Handshaking<IO, T>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        T: Goal<IO>,
    {
        let name = match name.to_server_name() {
            Ok(name) => name,
            Err(misuse) => {
                let error = HandshakeError::new(misuse.into(), Some(io), prefix.into());
                return Handshaking::failed(error);
            }
        };
        match self.start(io, name, T::UNTIL.questions(), prefix, None) {
            Ok(mut start) => {
                if T::UNTIL == Until::HelloSent {
                    start.early_data = Early::Streamed;
                }
                start.handshake()
            }
            Err(error) => Handshaking::failed(error),
        }
    }

    /// What a handshake with `name` starts with: a configuration that asks what it has to, and
    /// the sessions that were given by hand.
    fn start<IO>(
        &self,
        io: IO,
        name: ServerName<'static>,
        more: Questions,
        prefix: Bytes,
        port: Option<u16>,
    ) -> Result<Start<IO>, HandshakeError<IO>> {
        if let Err(error) = self.conduct.check_life() {
            return Err(HandshakeError::new(error, Some(io), prefix.into()));
        }
        let Prepared {
            config,
            place,
            sessions,
        } = match self.prepare(&name, more, port, Transport::Stream) {
            Ok(prepared) => prepared,
            Err(misuse) => {
                return Err(HandshakeError::new(misuse.into(), Some(io), prefix.into()));
            }
        };
        Ok(Start {
            io,
            name,
            prefix,
            peer: None,
            config,
            conduct: self.conduct.clone(),
            deadline: None,
            place,
            sessions,
            early_data: Early::None,
        })
    }
}
