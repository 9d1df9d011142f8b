//! The server's side of a transport that is there.

use std::net::SocketAddr;

use bytes::Bytes;
use portcullis_core::Handshake;
use portcullis_core::config::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::answers::Questions;
use crate::conduct::{Conduct, conduct_options};
use crate::error::{Error, HandshakeError};
use crate::handshake::{Driver, PausedServer, complete, deadline, span, within_bounds};
use crate::stream::TlsStream;

/// Shakes hands with clients. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    config: ServerConfig,
    conduct: Conduct,
}

impl From<ServerConfig> for TlsAcceptor {
    fn from(config: ServerConfig) -> Self {
        Self::new(config)
    }
}

impl TlsAcceptor {
    /// An acceptor with timeouts of 3 seconds for the first byte and 10 for the handshake, and the answers of the configuration.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            conduct: Conduct::default(),
        }
    }

    conduct_options!();

    /// How long a client may be silent before its first byte. Default: 3 seconds; no longer than
    /// the [`handshake_timeout`](Self::handshake_timeout), which `Duration::MAX` leaves as the
    /// only limit.
    ///
    /// A client of TLS speaks first and does so at once (RFC 8446 §2), so that who is silent must
    /// not hold a place for as long as a slow handshake may. Time runs from where TCP has accepted
    /// the connection ([`TlsListener`](crate::TlsListener)), or from the call, for transports that
    /// are there: after STARTTLS, let it cover the round trip to the client. A prefix, and
    /// [`pause_at_hello`](Self::pause_at_hello) once it has paused, have passed it.
    ///
    /// A client that exceeds it costs an error with
    /// [`is_timeout`](crate::Error::is_timeout) and
    /// [`is_silent_peer`](crate::Error::is_silent_peer).
    #[must_use]
    pub fn first_byte_timeout(mut self, timeout: std::time::Duration) -> Self {
        self.conduct.first_byte_timeout = timeout;
        self
    }

    /// Whether a client that does not speak TLS, or nothing, is sent nothing, so that the transport can be
    /// used in plain text: [`HandshakeError::into_parts`] gives it back with all that was read.
    /// Default: no, it is sent an alert.
    #[must_use]
    pub fn plaintext_fallback(mut self, on: bool) -> Self {
        self.conduct.plaintext_fallback = on;
        self
    }

    /// The configuration that clients get.
    pub fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// Another configuration, the rest as it is: e.g. for one handshake (B3).
    #[must_use]
    pub fn with_config(&self, config: ServerConfig) -> Self {
        Self {
            config,
            conduct: self.conduct.clone(),
        }
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// When the handshake fails; the transport comes back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub fn accept<IO>(
        &self,
        io: IO,
    ) -> impl Future<Output = Result<TlsStream<IO>, HandshakeError<IO>>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.upgrade_with_prefix(io, Bytes::new())
    }

    /// Shakes hands on a transport that was used in plain text (STARTTLS); the same as
    /// [`accept`](Self::accept).
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
    ) -> impl Future<Output = Result<TlsStream<IO>, HandshakeError<IO>>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.accept(io)
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
        prefix: Bytes,
    ) -> impl Future<Output = Result<TlsStream<IO>, HandshakeError<IO>>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        // Boxed: the caller's task outlives the handshake, and this is given back after it.
        Box::pin(async move {
            let driver = self.driver(io, &prefix, Questions::none(), Instant::now(), None)?;
            complete(driver, deadline(self.conduct.handshake_timeout)).await
        })
    }

    pub(crate) async fn accept_from<IO>(
        &self,
        io: IO,
        since: Instant,
        peer: SocketAddr,
    ) -> Result<TlsStream<IO>, HandshakeError<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let driver = self.driver(io, &[], Questions::none(), since, Some(peer))?;
        complete(driver, deadline(self.conduct.handshake_timeout)).await
    }

    /// Reads the ClientHello and then stands still (B5).
    ///
    /// # Errors
    /// When the handshake fails before; the transport comes back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub async fn pause_at_hello<IO>(&self, io: IO) -> Result<PausedServer<IO>, HandshakeError<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.pause_at_hello_from(io, Instant::now(), None).await
    }

    pub(crate) async fn pause_at_hello_from<IO>(
        &self,
        io: IO,
        since: Instant,
        peer: Option<SocketAddr>,
    ) -> Result<PausedServer<IO>, HandshakeError<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let driver = self.driver(io, &[], Questions::none().and_hello(), since, peer)?;
        PausedServer::start(driver).await
    }

    fn driver<IO>(
        &self,
        io: IO,
        prefix: &[u8],
        more: Questions,
        since: Instant,
        peer: Option<SocketAddr>,
    ) -> Result<Box<Driver<IO>>, HandshakeError<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let span = span::server(peer);
        match self.conduct.server_config(&self.config, more) {
            Ok(config) => {
                let handshake = Handshake::server(config);
                let first_byte_by = since + within_bounds(self.conduct.first_byte_timeout);
                let conduct = self.conduct.clone();
                Ok(Driver::new(
                    Some(first_byte_by),
                    io,
                    handshake,
                    prefix,
                    conduct,
                    span,
                ))
            }
            Err(misuse) => Err(HandshakeError::new(
                Error::from(misuse),
                Some(io),
                prefix.to_vec(),
            )),
        }
    }
}
