//! The server's side of a transport that is there.

use std::net::SocketAddr;

use bytes::Bytes;
use portcullis_core::Handshake;
use portcullis_core::config::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::answers::Questions;
use crate::conduct::{Conduct, conduct_options};
use crate::driver::{Driver, Role};
use crate::error::{Error, HandshakeError};
use crate::handshake::{PausedServer, complete, deadline};
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
    /// An acceptor with a handshake timeout of 10 seconds and the answers of the configuration.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            conduct: Conduct::default(),
        }
    }

    conduct_options!();

    /// Whether a client that does not speak TLS is sent nothing, so that the transport can be
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
            let driver = self.driver(io, &prefix, Questions::none(), None)?;
            complete(driver, deadline(self.conduct.handshake_timeout)).await
        })
    }

    pub(crate) async fn accept_from<IO>(
        &self,
        io: IO,
        peer: SocketAddr,
    ) -> Result<TlsStream<IO>, HandshakeError<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let driver = self.driver(io, &[], Questions::none(), Some(peer))?;
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
        self.pause_at_hello_from(io, None).await
    }

    pub(crate) async fn pause_at_hello_from<IO>(
        &self,
        io: IO,
        peer: Option<SocketAddr>,
    ) -> Result<PausedServer<IO>, HandshakeError<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let driver = self.driver(io, &[], Questions::none().and_hello(), peer)?;
        PausedServer::start(driver).await
    }

    fn driver<IO>(
        &self,
        io: IO,
        prefix: &[u8],
        more: Questions,
        peer: Option<SocketAddr>,
    ) -> Result<Box<Driver<IO>>, HandshakeError<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let span = tracing::info_span!(
            "tls.handshake",
            role = "server",
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
        match self.conduct.server_config(&self.config, more) {
            Ok(config) => {
                let handshake = Handshake::server(config);
                Ok(Driver::new(
                    Role::Server,
                    io,
                    handshake,
                    prefix,
                    self.conduct.clone(),
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
