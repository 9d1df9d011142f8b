//! The server's side of a transport that is there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::config::ServerConfig;
use portcullis_core::{Handshake, Misuse};
use portcullis_session_cache::{ReplayGuard, ServerSessionStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::answers::Questions;
use crate::conduct::{Conduct, conduct_options};
use crate::early_data::Guard;
use crate::error::HandshakeError;
use crate::handshake::{
    Driver, EarlyHandshake, Goal, Handshaking, PausedServer, span, within_bounds,
};
use crate::reload::Reloadable;
use crate::send_limits::SendLimits;
use crate::server_sessions::ServerStore;

/// Shakes hands with clients. Cheap to clone.
///
/// ```
/// use portcullis::{ServerConfig, TlsAcceptor};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (identity, roots) = dev_identity();
/// # let (transport, far) = tokio::io::duplex(65_536);
/// # let connector = portcullis::TlsConnector::new(portcullis::ClientConfig::builder(roots).build()?);
/// # tokio::spawn(async move { connector.upgrade(far, "localhost").await });
/// let config = ServerConfig::builder().identity(identity).build()?;
/// let acceptor = TlsAcceptor::new(config);
/// // Anything that is `AsyncRead + AsyncWrite + Unpin`.
/// let stream = acceptor.accept(transport).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    pub(crate) config: Reloadable<ServerConfig>,
    pub(crate) conduct: Conduct,
}

impl From<ServerConfig> for TlsAcceptor {
    fn from(config: ServerConfig) -> Self {
        Self::new(config)
    }
}

impl TlsAcceptor {
    /// An acceptor that waits 3 seconds for the first byte and 10 for the handshake, and answers as
    /// configured.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis::{ServerConfig, TlsAcceptor};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (identity, _) = dev_identity();
    /// let config = ServerConfig::builder().identity(identity).build()?;
    /// let acceptor = TlsAcceptor::new(config).handshake_timeout(Duration::from_secs(5));
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(config: ServerConfig) -> Self {
        let mut conduct = Conduct::default();
        conduct.send_limits = SendLimits::usual(true);
        Self::made(config, conduct)
    }

    pub(crate) fn made(config: ServerConfig, mut conduct: Conduct) -> Self {
        conduct.instruct = Conduct::instruct_server;
        let config = Reloadable::new(config);
        Self { config, conduct }
    }

    pub(crate) fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    conduct_options!();

    /// How long a client may be silent before its first byte. Default: 3 seconds; no longer than
    /// the [`handshake_timeout`](Self::handshake_timeout), which `Duration::MAX` leaves as the
    /// only limit.
    ///
    /// A client of TLS speaks first and does so at once (RFC 8446 §2): a silent one must not hold a
    /// place for as long as a slow handshake may. Time runs from where TCP has accepted
    /// the connection ([`TlsListener`](crate::TlsListener)), or from the call, for transports that
    /// are there: after STARTTLS, let it cover the round trip to the client. A prefix, and
    /// [`pause_at_hello`](Self::pause_at_hello) once it has paused, have passed it.
    ///
    /// A client that exceeds it costs an error with
    /// [`is_timeout`](crate::Error::is_timeout) and
    /// [`is_silent_peer`](crate::Error::is_silent_peer).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_, acceptor) = dev_ends();
    /// let acceptor = acceptor.first_byte_timeout(Duration::from_millis(50));
    /// let (_silent, transport) = tokio::io::duplex(4096);
    /// let error = acceptor.accept(transport).await.unwrap_err();
    /// assert!(error.is_silent_peer());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.conduct.first_byte_timeout = timeout;
        self
    }

    /// Whether a client that is silent, or does not speak TLS, is sent nothing, so that the transport
    /// can be used in plain text: [`Handshaking::or_transport`] gives it back with all that was read.
    /// Default: no, it is sent an alert.
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_, acceptor) = dev_ends();
    /// # let (mut client, transport) = tokio::io::duplex(4096);
    /// client.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    /// let acceptor = acceptor.plaintext_fallback(true);
    /// let failed = acceptor.accept(transport).or_transport().await.unwrap_err();
    /// assert!(failed.error().is_not_tls());
    /// let (_, transport, read) = failed.into_parts();
    /// assert!(read.starts_with(b"GET"));
    /// transport.unwrap().write_all(b"HTTP/1.0 400 Speak TLS\r\n\r\n").await?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer).await?;
    /// # assert!(answer.starts_with("HTTP/1.0 400"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn plaintext_fallback(mut self, on: bool) -> Self {
        self.conduct.plaintext_fallback = on;
        self
    }

    /// Resumes connections by sessions that are kept in `store`, in the place of tickets that hold the
    /// session themselves: those of TLS 1.3 under tickets that are names, each good for one
    /// connection (RFC 8446 §8.1), those of TLS 1.2 under session ids (RFC 5246 §7.3). Servers that
    /// share a store resume each other's connections. Default: none.
    ///
    /// The store is asked while a client waits, and told of TLS 1.3's sessions before their tickets
    /// go out. It has a tenth of the time that the handshake may take and at most 1 second; then there
    /// is a full handshake, or no ticket. Of TLS 1.2's sessions it is told behind the connection: at
    /// once if [`put`](ServerSessionStore::put) is ready at once, else in a Tokio task that is given
    /// up after 30 seconds; 1,024 sessions wait for it at most, and more are not kept.
    ///
    /// The configuration must not resume in another way: with
    /// [`ticket_keys`](portcullis_core::config::ServerConfigBuilder::ticket_keys) for TLS 1.3, or with
    /// [`resumption(false)`](portcullis_core::config::ServerConfigBuilder::resumption), every handshake
    /// fails with an error that says so, and [`TlsListener::bind`](crate::TlsListener::bind) does at
    /// once ([`check`](Self::check)). For TLS 1.2 alone keys and store go together: clients that take
    /// tickets get tickets.
    #[must_use]
    pub fn session_store(mut self, store: Arc<dyn ServerSessionStore>) -> Self {
        self.conduct.session_store = Some(ServerStore::new(store));
        self
    }

    /// Remembers which early data was accepted, for all servers that open the same tickets (RFC 8446 §8):
    /// the configuration has
    /// [`early_data(AntiReplay::asked())`](portcullis_core::config::ServerConfigBuilder::early_data), or
    /// every handshake fails with an error that says so, and
    /// [`TlsListener::bind`](crate::TlsListener::bind) does at once ([`check`](Self::check)). Default: none.
    ///
    /// The guard is asked while a client waits, when all else speaks for its early data. It has a tenth of
    /// the time that the handshake may take and at most 1 second; then there is no early data.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis::session::{AntiReplay, TicketKeys};
    /// use portcullis::{MemoryReplayGuard, ServerConfig, TlsAcceptor};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (identity, _) = dev_identity();
    /// # let secret = [7; TicketKeys::SECRET_LEN];
    /// // Other acceptors of this process have the same keys, and the same guard.
    /// let guard = Arc::new(MemoryReplayGuard::new(100_000));
    /// let config = ServerConfig::builder()
    ///     .identity(identity)
    ///     .ticket_keys(TicketKeys::shared([&secret])?)
    ///     .early_data(AntiReplay::asked())
    ///     .build()?;
    /// let acceptor = TlsAcceptor::new(config).replay_guard(guard);
    /// acceptor.check()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn replay_guard(mut self, guard: Arc<dyn ReplayGuard>) -> Self {
        self.conduct.replay_guard = Some(Guard::new(guard));
        self
    }

    /// Whether handshakes can be begun with the configuration that is there now:
    /// [`TlsListener::bind`](crate::TlsListener::bind) asks this. Not after a configuration was
    /// [replaced](Self::reloadable), which concerns the handshakes that follow.
    ///
    /// # Errors
    /// What every handshake would fail with: the [`session_store`](Self::session_store) or the
    /// [`replay_guard`](Self::replay_guard) and the configuration exclude each other, or the store
    /// [may give a ticket twice](ServerSessionStore::gives_once) and the configuration accepts early data because it
    /// does not; or the configuration is for datagrams alone, with SRTP.
    pub fn check(&self) -> Result<(), Misuse> {
        let config = self.config.current();
        self.conduct.server_config(&config, Questions::none())?;
        config.check_stream()
    }

    /// The configuration that new clients get, in a place where it can be replaced. All clones of
    /// this acceptor share it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (identity, _) = dev_identity();
    /// # let (_, acceptor) = dev_ends();
    /// let place = acceptor.reloadable();
    /// // Later, in any task: another certificate for the connections to come.
    /// place.replace(portcullis::ServerConfig::builder().identity(identity).build()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reloadable(&self) -> Reloadable<ServerConfig> {
        self.config.clone()
    }

    /// An acceptor with another configuration, in a place of its own, and the rest as it is: e.g.
    /// for one handshake.
    #[must_use]
    pub fn with_config(&self, config: ServerConfig) -> Self {
        Self {
            config: Reloadable::new(config),
            conduct: self.conduct.clone(),
        }
    }

    /// Shakes hands.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let (far, transport) = tokio::io::duplex(65_536);
    /// # tokio::spawn(async move { connector.upgrade(far, "localhost").await });
    /// let stream = acceptor.accept(transport).await?;
    /// assert_eq!(stream.server_name(), Some("localhost"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the handshake fails; [`Handshaking::or_transport`] gives the transport back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn accept<IO>(&self, io: IO) -> Handshaking<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.upgrade_with_prefix(io, Bytes::new())
    }

    /// Shakes hands up to where early data comes, if the configuration
    /// [accepts it](portcullis_core::config::ServerConfigBuilder::early_data) and the client sends some;
    /// else to the end. With every other way to shake hands none is accepted, since nobody could tell it
    /// from other data. There is an example at [`EarlyHandshake`].
    ///
    /// # Errors
    /// When the handshake fails before; [`Handshaking::or_transport`] gives the transport back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn accept_with_early_data<IO>(&self, io: IO) -> Handshaking<IO, EarlyHandshake<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.accept_with_early_data_from(io, Instant::now(), None)
    }

    /// The same on a transport from which `prefix` was read already.
    ///
    /// # Errors
    /// When the handshake fails before; [`Handshaking::or_transport`] gives the transport back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn upgrade_with_early_data<IO>(
        &self,
        io: IO,
        prefix: Bytes,
    ) -> Handshaking<IO, EarlyHandshake<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.start(io, &prefix, Instant::now(), None)
    }

    pub(crate) fn accept_with_early_data_from<IO>(
        &self,
        io: IO,
        since: Instant,
        peer: Option<&dyn fmt::Debug>,
    ) -> Handshaking<IO, EarlyHandshake<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.start(io, &[], since, peer)
    }

    /// Shakes hands on a transport that was used in plain text (STARTTLS); the same as
    /// [`accept`](Self::accept).
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
    /// # let (far, transport) = tokio::io::duplex(65_536);
    /// # tokio::spawn(async move {
    /// #     let mut far = BufReader::new(far);
    /// #     far.write_all(b"STARTTLS\r\n").await.unwrap();
    /// #     far.read_line(&mut String::new()).await.unwrap();
    /// #     connector.upgrade(far.into_inner(), "localhost").await
    /// # });
    /// let mut transport = BufReader::new(transport);
    /// let mut line = String::new();
    /// transport.read_line(&mut line).await?;
    /// // A client that goes on before the answer is attacked, or attacks.
    /// if line != "STARTTLS\r\n" || !transport.buffer().is_empty() {
    ///     return Err("only STARTTLS is understood".into());
    /// }
    /// transport.write_all(b"220 go ahead\r\n").await?;
    /// let stream = acceptor.upgrade(transport.into_inner()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the handshake fails; [`Handshaking::or_transport`] gives the transport back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn upgrade<IO>(&self, io: IO) -> Handshaking<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.accept(io)
    }

    /// Shakes hands on a transport from which `prefix` was read already.
    ///
    /// # Errors
    /// When the handshake fails; [`Handshaking::or_transport`] gives the transport back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn upgrade_with_prefix<IO>(&self, io: IO, prefix: Bytes) -> Handshaking<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.start(io, &prefix, Instant::now(), None)
    }

    pub(crate) fn accept_from<IO>(
        &self,
        io: IO,
        since: Instant,
        peer: Option<&dyn fmt::Debug>,
    ) -> Handshaking<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.start(io, &[], since, peer)
    }

    /// Reads the ClientHello and then stands still.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let (far, transport) = tokio::io::duplex(65_536);
    /// # tokio::spawn(async move { connector.upgrade(far, "localhost").await });
    /// # let other = acceptor.reloadable().current();
    /// let paused = acceptor.pause_at_hello(transport).await?;
    /// let stream = match paused.client_hello().server_name() {
    ///     Some("localhost") => paused.proceed().await?,
    ///     _ => paused.continue_with(other).await?,
    /// };
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the handshake fails before; [`Handshaking::or_transport`] gives the transport back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn pause_at_hello<IO>(&self, io: IO) -> Handshaking<IO, PausedServer<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.pause_at_hello_from(io, Instant::now(), None)
    }

    pub(crate) fn pause_at_hello_from<IO>(
        &self,
        io: IO,
        since: Instant,
        peer: Option<&dyn fmt::Debug>,
    ) -> Handshaking<IO, PausedServer<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.start(io, &[], since, peer)
    }

    fn start<IO, T>(
        &self,
        io: IO,
        prefix: &[u8],
        since: Instant,
        peer: Option<&dyn fmt::Debug>,
    ) -> Handshaking<IO, T>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        T: Goal<IO>,
    {
        if let Err(error) = self.conduct.check_life() {
            let error = HandshakeError::new(error, Some(io), prefix.to_vec());
            return Handshaking::failed(error);
        }
        let span = span::server(peer, self.conduct.log);
        let more = T::UNTIL.questions();
        let config = self.config.current();
        let checked = config.check_stream();
        match checked.and_then(|()| self.conduct.server_config(&config, more)) {
            Ok(config) => {
                let mut conduct = self.conduct.clone();
                conduct.hide(config.reads_encrypted_hellos());
                let mut handshake = Handshake::server(config);
                if !T::UNTIL.takes_early_data() {
                    handshake.decline_early_data();
                }
                let first_byte_by = since + within_bounds(self.conduct.first_byte_timeout);
                let first_byte_by = Some(first_byte_by);
                let driver = Driver::new(first_byte_by, io, handshake, prefix, conduct, span);
                Handshaking::running(driver)
            }
            Err(misuse) => {
                let error = HandshakeError::new(misuse.into(), Some(io), prefix.to_vec());
                Handshaking::failed(error)
            }
        }
    }
}
