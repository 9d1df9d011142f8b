//! The client's side: TCP connect and handshake, or a handshake on a transport that is there.

use bytes::Bytes;
use portcullis_core::config::ClientConfig;
use portcullis_core::{Handshake, Stage};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};

use crate::answers::Questions;
use crate::conduct::{Conduct, conduct_options};
use crate::driver::Driver;
use crate::error::{Error, HandshakeError};
use crate::handshake::{PausedClient, complete, deadline};
use crate::stream::TlsStream;

/// Connects to servers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsConnector {
    config: ClientConfig,
    conduct: Conduct,
}

impl TlsConnector {
    /// A connector with a handshake timeout of 10 seconds and the answers of the configuration.
    pub fn new(config: ClientConfig) -> Self {
        Self {
            config,
            conduct: Conduct::default(),
        }
    }

    conduct_options!();

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
        let driver = self.driver(io, name, &[], Questions::none(), peer)?;
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
            let driver = self.driver(io, name, &prefix, Questions::none(), None)?;
            complete(driver, deadline(self.conduct.handshake_timeout)).await
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
        let driver = self.driver(io, name, &[], Questions::none().and_hello(), None)?;
        PausedClient::start(driver).await
    }

    fn driver<IO>(
        &self,
        io: IO,
        name: ServerName<'static>,
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
            tls.next_protocol = tracing::field::Empty,
            tls.client.server_name = tracing::field::Empty,
        );
        if let Some(peer) = peer {
            span.record("network.peer.address", tracing::field::display(peer));
        }
        let started = self
            .conduct
            .client_config(&self.config, more)
            .map_err(Error::from)
            .and_then(|config| Ok(Handshake::client(config, name)?));
        match started {
            Ok(handshake) => Ok(Driver::new(
                io,
                handshake,
                prefix,
                self.conduct.clone(),
                span,
            )),
            Err(error) => Err(HandshakeError::new(error, Some(io), prefix.to_vec())),
        }
    }
}
