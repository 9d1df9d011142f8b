//! The client's side: TCP connect and handshake, or a handshake on a transport that is there.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use portcullis_core::config::ClientConfig;
use portcullis_core::session::ClientSession;
use portcullis_core::{Handshake, Stage};
use portcullis_session_cache::SessionStore;
use rustls_pki_types::{ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::Instant;

use crate::answers::Questions;
use crate::conduct::{Conduct, conduct_options};
use crate::driver::{Driver, Role};
use crate::error::{Error, HandshakeError};
use crate::handshake::{PausedClient, complete, deadline};
use crate::stream::TlsStream;

/// Connects to servers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsConnector {
    config: ClientConfig,
    conduct: Conduct,
    /// For the next connection.
    offered: Option<Arc<Mutex<Vec<ClientSession>>>>,
}

impl TlsConnector {
    /// A connector with a handshake timeout of 10 seconds and the answers of the configuration.
    pub fn new(config: ClientConfig) -> Self {
        Self {
            config,
            conduct: Conduct::default(),
            offered: None,
        }
    }

    conduct_options!();

    /// Resumes connections by the sessions in `store`, and keeps there those that servers give
    /// (C20; RFC 8446 §2.2). Default: nothing is kept and nothing resumed.
    ///
    /// The store is asked before a handshake, in the time that this may take. It gets sessions
    /// while connections are read from: at once if [`put`](SessionStore::put) is ready at once,
    /// else in a Tokio task, at most one for a connection, that is given up after 30 seconds; 8
    /// sessions wait for it, and the oldest makes room.
    ///
    /// Share a store only among connectors with the same identity and the same roots: a server
    /// takes whoever resumes a session for the client that began it.
    #[must_use]
    pub fn session_store(mut self, store: Arc<dyn SessionStore>) -> Self {
        self.conduct.session_store = Some(store);
        // Nothing that was checked depends on this option.
        if let Ok(config) = self.config.to_builder().session_tickets(true).build() {
            self.config = config;
        }
        self
    }

    /// A connector whose next connection offers these sessions, the best first, to whoever is
    /// meant by them: what [`TlsStream::take_session`] has given, or was
    /// [written down](ClientSession::to_bytes). They are used once: the connection after that
    /// is without them, also one of a clone. A store is not asked when there is one of these.
    ///
    /// The configuration has to have
    /// [`session_tickets`](crate::config::ClientConfigBuilder::session_tickets). Whether the
    /// server has agreed says [`TlsStream::is_resumed`].
    #[must_use]
    pub fn offering(&self, sessions: impl IntoIterator<Item = ClientSession>) -> Self {
        let sessions = sessions.into_iter().collect();
        Self {
            offered: Some(Arc::new(Mutex::new(sessions))),
            ..self.clone()
        }
    }

    /// What to offer to `name`.
    async fn sessions(&self, name: &ServerName<'static>, deadline: Instant) -> Vec<ClientSession> {
        if let Some(offered) = &self.offered {
            let offered =
                std::mem::take(&mut *offered.lock().unwrap_or_else(PoisonError::into_inner));
            if !offered.is_empty() {
                return offered;
            }
        }
        match &self.conduct.session_store {
            Some(store) => {
                let taken = tokio::time::timeout_at(deadline, store.take(name, UnixTime::now()));
                taken.await.unwrap_or_default()
            }
            None => Vec::new(),
        }
    }

    /// Connects over TCP, with `TCP_NODELAY`, and shakes hands. The handshake's timeout covers
    /// both.
    ///
    /// # Errors
    /// When no address can be connected to, or the handshake fails.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub fn connect(
        &self,
        address: impl ToSocketAddrs,
        name: ServerName<'static>,
    ) -> impl Future<Output = Result<TlsStream<TcpStream>, Error>> {
        // Boxed: the caller's task outlives the handshake, and this is given back after it.
        Box::pin(self.connect_now(address, name))
    }

    async fn connect_now(
        &self,
        address: impl ToSocketAddrs,
        name: ServerName<'static>,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let deadline = deadline(self.conduct.handshake_timeout);
        let io = match tokio::time::timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(connected) => connected.map_err(|error| Error::io(error, Stage::Start))?,
            Err(_) => return Err(Error::timeout(Stage::Start)),
        };
        // A handshake is a dialogue of small messages.
        let _ = io.set_nodelay(true);
        let peer = io.peer_addr().ok();
        let sessions = self.sessions(&name, deadline).await;
        let driver = self.driver(io, name, sessions, &[], Questions::none(), peer)?;
        Ok(complete(driver, deadline).await?)
    }

    /// Shakes hands on a transport that is there (STARTTLS).
    ///
    /// Forget what the peer said in plain text (RFC 3207 §4.2).
    ///
    /// # Errors
    /// When the handshake fails; the transport comes back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn upgrade<IO>(
        &self,
        io: IO,
        name: ServerName<'static>,
    ) -> impl Future<Output = Result<TlsStream<IO>, HandshakeError<IO>>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.upgrade_with_prefix(io, name, Bytes::new())
    }

    /// Shakes hands on a transport from which `prefix` was read already.
    ///
    /// # Errors
    /// When the handshake fails; the transport comes back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn upgrade_with_prefix<IO>(
        &self,
        io: IO,
        name: ServerName<'static>,
        prefix: Bytes,
    ) -> impl Future<Output = Result<TlsStream<IO>, HandshakeError<IO>>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        // As in `connect`.
        Box::pin(async move {
            let deadline = deadline(self.conduct.handshake_timeout);
            let sessions = self.sessions(&name, deadline).await;
            let driver = self.driver(io, name, sessions, &prefix, Questions::none(), None)?;
            complete(driver, deadline).await
        })
    }

    /// Shakes hands up to the ServerHello and then stands still (B5).
    ///
    /// # Errors
    /// When the handshake fails before; the transport comes back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub async fn pause_at_hello<IO>(
        &self,
        io: IO,
        name: ServerName<'static>,
    ) -> Result<PausedClient<IO>, HandshakeError<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let deadline = deadline(self.conduct.handshake_timeout);
        let sessions = self.sessions(&name, deadline).await;
        let asked = Questions::none().and_hello();
        let driver = self.driver(io, name, sessions, &[], asked, None)?;
        PausedClient::start(driver, deadline).await
    }

    fn driver<IO>(
        &self,
        io: IO,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        prefix: &[u8],
        more: Questions,
        peer: Option<std::net::SocketAddr>,
    ) -> Result<Box<Driver<IO>>, HandshakeError<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let span = tracing::info_span!(
            "tls.handshake",
            role = "client",
            server.address = %name.to_str(),
            network.peer.address = tracing::field::Empty,
            tls.protocol.version = tracing::field::Empty,
            tls.cipher = tracing::field::Empty,
            tls.curve = tracing::field::Empty,
            tls.resumed = tracing::field::Empty,
            tls.next_protocol = tracing::field::Empty,
            tls.client.server_name = tracing::field::Empty,
        );
        if let Some(peer) = peer {
            span.record("network.peer.address", tracing::field::display(peer));
        }
        let config = match self.conduct.client_config(&self.config, more) {
            Ok(config) => config,
            Err(misuse) => {
                let error = Error::from(misuse);
                return Err(HandshakeError::new(error, Some(io), prefix.to_vec()));
            }
        };
        let started = match sessions.is_empty() {
            true => Handshake::client(config, name),
            false => Handshake::client_resuming(config, name, sessions, UnixTime::now()),
        };
        match started {
            Ok(handshake) => Ok(Driver::new(
                Role::Client,
                io,
                handshake,
                prefix,
                self.conduct.clone(),
                span,
            )),
            Err(error) => Err(HandshakeError::new(error.into(), Some(io), prefix.to_vec())),
        }
    }
}
