//! The server's side of DTLS: what a listener accepts with, and of a transport that is there.

use std::sync::Arc;

use portcullis_core::{CookiePolicy, CookieSecret, Misuse, Stage};
use tokio::time::{Instant, timeout_at};

use super::connection::DtlsConnection;
use super::door::prepared;
use super::early_data::DtlsEarlyHandshake;
use super::ech_front::DtlsEchFront;
use super::endpoint::Endpoint;
use super::handshake::deadline_from;
use super::link::Link;
use super::listener::{DtlsIncoming, DtlsListener};
use super::options::DtlsOptions;
use super::paused::PausedDtlsServer;
use super::transport::DatagramTransport;
use crate::acceptor::TlsAcceptor;
use crate::error::Error;

/// A [`TlsAcceptor`], which says who answers, and the [`DtlsOptions`]. Cheap to clone.
///
/// Of the acceptor's options [`first_byte_timeout`](TlsAcceptor::first_byte_timeout) and
/// [`alert_timeout`](TlsAcceptor::alert_timeout) mean nothing over datagrams: a client is there by what it has said, and
/// an alert is sent once. So do the time limits of sending: what is sent does not wait for the peer.
/// [`plaintext_fallback`](TlsAcceptor::plaintext_fallback) is refused. Early data is accepted where it is asked for alone
/// ([`accept_with_early_data`](Self::accept_with_early_data)). In an
/// [`Environment`](crate::Environment) nobody is accepted once that was shut down, but its connections over datagrams
/// are neither told, nor waited for, nor counted.
#[derive(Clone, Debug)]
pub struct DtlsAcceptor {
    pub(super) tls: TlsAcceptor,
    pub(super) options: DtlsOptions,
    pub(super) cookie_secret: Option<CookieSecret>,
    pub(super) front: Option<DtlsEchFront>,
}

impl<T: Into<TlsAcceptor>> From<T> for DtlsAcceptor {
    fn from(tls: T) -> Self {
        Self::new(tls)
    }
}

impl DtlsAcceptor {
    /// With the default options.
    pub fn new(tls: impl Into<TlsAcceptor>) -> Self {
        Self {
            tls: tls.into(),
            options: DtlsOptions::default(),
            cookie_secret: None,
            front: None,
        }
    }

    /// Seals cookies with what other servers have, too, so that the second hello of a client may come to another of
    /// them than the first: behind an address that leads to several, or as one of
    /// [`bind_many`](DtlsListener::bind_many). The default is a secret of each listener's own. The secret can be
    /// [replaced](CookieSecret::replace) while listeners have it.
    #[must_use]
    pub fn cookie_secret(mut self, secret: CookieSecret) -> Self {
        self.cookie_secret = Some(secret);
        self
    }

    /// Passes clients on whose hellos were encrypted for servers behind this one (RFC 9849 §3.1); of a listener. Its
    /// secret is that of the cookies.
    #[must_use]
    pub fn ech_front(mut self, front: DtlsEchFront) -> Self {
        self.cookie_secret = Some(front.secret.clone());
        self.front = Some(front);
        self
    }

    /// With these options.
    #[must_use]
    pub fn options(mut self, options: DtlsOptions) -> Self {
        self.options = options;
        self
    }

    /// Waits for a client on a transport that is there, and shakes hands; both within the
    /// [`handshake_timeout`](TlsAcceptor::handshake_timeout). A cookie is asked for only if the
    /// [options](DtlsOptions::cookies) say so.
    ///
    /// ```
    /// use portcullis::{DtlsAcceptor, DtlsConnector};
    /// use tokio::net::UdpSocket;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let (near, far) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// // Any transport of datagrams to one peer.
    /// near.connect(far.local_addr()?).await?;
    /// # far.connect(near.local_addr()?).await?;
    /// # let client = DtlsConnector::new(connector);
    /// # let client = tokio::spawn(async move { client.upgrade(far, "localhost").await });
    /// let mut connection = DtlsAcceptor::new(acceptor).accept(near).await?;
    /// # client.await??.send(&[b"hello"]).await?;
    /// assert_eq!(&connection.recv().await?[..], b"hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the handshake fails, or its time is over.
    ///
    /// # Cancel safety
    /// Dropped, the transport is dropped.
    pub fn accept(
        &self,
        transport: impl DatagramTransport,
    ) -> impl Future<Output = Result<DtlsConnection, Error>> + Send + 'static {
        let this = self.clone();
        Box::pin(this.wait(transport, DtlsIncoming::handshake))
    }

    /// Waits for a client on a transport that is there, and stands still at its ClientHello; both within the
    /// [`handshake_timeout`](TlsAcceptor::handshake_timeout).
    ///
    /// # Errors
    /// When the handshake fails before, or its time is over.
    ///
    /// # Cancel safety
    /// Dropped, the transport is dropped.
    pub fn pause_at_hello(
        &self,
        transport: impl DatagramTransport,
    ) -> impl Future<Output = Result<PausedDtlsServer, Error>> + Send + 'static {
        let this = self.clone();
        Box::pin(this.wait(transport, DtlsIncoming::pause_at_hello))
    }

    /// Waits for a client on a transport that is there, and gives its handshake, and the messages that came with its hello:
    /// see [`DtlsIncoming::handshake_with_early_data`].
    ///
    /// # Errors
    /// When no client says hello within the [`handshake_timeout`](TlsAcceptor::handshake_timeout).
    ///
    /// # Cancel safety
    /// Dropped, the transport is dropped.
    pub fn accept_with_early_data(
        &self,
        transport: impl DatagramTransport,
    ) -> impl Future<Output = Result<DtlsEarlyHandshake, Error>> + Send + 'static {
        let this = self.clone();
        Box::pin(this.wait(transport, |incoming| async move {
            incoming.handshake_with_early_data()
        }))
    }

    /// What `go_on` makes of the only client of a transport.
    async fn wait<T, F>(
        self,
        transport: impl DatagramTransport,
        go_on: impl FnOnce(DtlsIncoming) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let limit = self.tls.conduct.handshake_timeout;
        let deadline = deadline_from(Instant::now(), limit);
        let cookies = self.options.cookies.unwrap_or(CookiePolicy::Never);
        let idle = self.options.others_idle();
        let endpoint = Arc::new(Endpoint::new(Link::over(transport)));
        let listener = DtlsListener::over(endpoint, self, cookies, idle)?;
        let incoming = match timeout_at(deadline, listener.accept()).await {
            Ok(incoming) => incoming?,
            Err(_) => return Err(Error::timeout(Stage::WaitClientHello, limit)),
        };
        // Nobody else is accepted there.
        drop(listener);
        match timeout_at(deadline, go_on(incoming)).await {
            Ok(gone_on) => gone_on,
            Err(_) => Err(Error::timeout(Stage::WaitClientHello, limit)),
        }
    }

    /// Whether handshakes can be begun with what is there now.
    ///
    /// # Errors
    /// What [`DtlsListener::bind`] would fail with.
    pub fn check(&self) -> Result<(), Misuse> {
        self.options.check()?;
        let (config, _) = prepared(&self.tls)?;
        if let Some(front) = &self.front {
            let cookies = self.options.cookies.unwrap_or(CookiePolicy::Always);
            front.check(cookies, config.decrypts_hellos())?;
        }
        Ok(())
    }
}
