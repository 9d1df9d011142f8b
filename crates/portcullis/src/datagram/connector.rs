//! The client's side of DTLS: over a UDP socket of its own, or a transport that is there.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_core::{Handshake, Misuse, Stage};
use rustls_pki_types::ServerName;
use tokio::net::{ToSocketAddrs, lookup_host};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::connection::DtlsConnection;
use super::driver::Driver;
use super::endpoint::Endpoint;
use super::handshake::{Running, deadline_from};
use super::link::{Link, NOWHERE, Path};
use super::options::DtlsOptions;
use super::paused::PausedDtlsClient;
use super::socket::{self, Socket};
use super::transport::DatagramTransport;
use super::udp_options::UdpOptions;
use crate::answers::Questions;
use crate::connector::TlsConnector;
use crate::error::Error;
use crate::handshake::{Until, span};
use crate::name::ToServerName;
use crate::preparation::{Prepared, Transport, look};

/// Connects to servers over DTLS: a [`TlsConnector`], which says who answers and where sessions are kept, and the
/// [`DtlsOptions`]. Cheap to clone.
///
/// ```no_run
/// use portcullis::{ClientConfig, DtlsConnector, Roots};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = ClientConfig::builder(Roots::os()?).build()?;
/// let connector = DtlsConnector::new(config);
/// let mut connection = connector.connect("example.com:4433", "example.com").await?;
/// connection.send(&[b"how warm is it?"]).await?;
/// println!("{:?}", connection.recv().await?);
/// connection.close(std::time::Duration::from_secs(1)).await?;
/// # Ok(())
/// # }
/// ```
///
/// Of the connector's options [`alert_timeout`](TlsConnector::alert_timeout) means nothing over datagrams, where an
/// alert is sent once, and the time limits of sending, which does not wait for the peer; [`socket_options`](TlsConnector::socket_options), which are those of TCP, are refused. Sessions
/// of TLS are not offered over DTLS, nor the other way.
#[derive(Clone, Debug)]
pub struct DtlsConnector {
    pub(super) tls: TlsConnector,
    options: DtlsOptions,
    udp: Option<Arc<UdpOptions>>,
}

impl<T: Into<TlsConnector>> From<T> for DtlsConnector {
    fn from(tls: T) -> Self {
        Self::new(tls)
    }
}

impl DtlsConnector {
    /// With the default options.
    pub fn new(tls: impl Into<TlsConnector>) -> Self {
        Self {
            tls: tls.into(),
            options: DtlsOptions::default(),
            udp: None,
        }
    }

    /// With these options.
    #[must_use]
    pub fn options(mut self, options: DtlsOptions) -> Self {
        self.options = options;
        self
    }

    /// Options of the sockets that it [connects](Self::connect) from. A transport that is brought along has its own.
    #[must_use]
    pub fn udp_options(mut self, options: UdpOptions) -> Self {
        self.udp = Some(Arc::new(options));
        self
    }

    /// Connects over a UDP socket of its own, and shakes hands, all within the
    /// [`handshake_timeout`](TlsConnector::handshake_timeout). Of several addresses it is the first that there is a way to.
    ///
    /// That nobody listens there ends nothing: anybody on the path can say so. Time does.
    ///
    /// # Errors
    /// When there is no way to the address, or the handshake fails.
    ///
    /// # Cancel safety
    /// Dropped, the server is told `user_canceled`, if that can be done at once.
    pub fn connect<A: ToSocketAddrs, N: ToServerName>(
        &self,
        address: A,
        name: N,
    ) -> impl Future<Output = Result<DtlsConnection, Error>> + use<A, N> {
        let (this, name) = (self.clone(), name.to_server_name());
        // Boxed: the caller's task outlives the handshake, and this is given back after it.
        Box::pin(async move {
            let name = name?;
            let host = name.to_str().into_owned();
            this.check()?;
            let limit = this.tls.conduct.handshake_timeout;
            let deadline = deadline_from(Instant::now(), limit);
            let mut tried = Vec::new();
            let udp = this.udp.as_deref().cloned().unwrap_or_default();
            let reaching = reach(address, &udp, &mut tried);
            let reached = match timeout_at(deadline, reaching).await {
                Ok(reached) => reached.map_err(|error| Error::io(error, Stage::Connecting)),
                Err(_) => Err(Error::timeout(Stage::Connecting, limit)),
            };
            let shaken = match reached {
                Ok((link, peer)) => {
                    let path = Path { peer, local: None };
                    tried = vec![peer];
                    this.shake(link, path, name, deadline).await
                }
                Err(error) => Err(error),
            };
            shaken.map_err(|error| error.at(&host, None, &tried))
        })
    }

    /// Shakes hands on a transport that is there.
    ///
    /// # Errors
    /// When the handshake fails.
    ///
    /// # Cancel safety
    /// Dropped, the transport is dropped.
    pub fn upgrade<N: ToServerName>(
        &self,
        transport: impl DatagramTransport,
        name: N,
    ) -> impl Future<Output = Result<DtlsConnection, Error>> + Send + 'static {
        let (this, name) = (self.clone(), name.to_server_name());
        let link = Link::over(transport);
        // As in `connect`.
        Box::pin(async move {
            let name = name?;
            this.check()?;
            let limit = this.tls.conduct.handshake_timeout;
            let deadline = deadline_from(Instant::now(), limit);
            this.shake(link, NOWHERE, name, deadline).await
        })
    }

    /// Says hello on a transport that is there, and stands still at the ServerHello.
    ///
    /// # Errors
    /// When the handshake fails before.
    ///
    /// # Cancel safety
    /// Dropped, the transport is dropped.
    pub fn pause_at_hello<N: ToServerName>(
        &self,
        transport: impl DatagramTransport,
        name: N,
    ) -> impl Future<Output = Result<PausedDtlsClient, Error>> + Send + 'static {
        let (this, name) = (self.clone(), name.to_server_name());
        let link = Link::over(transport);
        // As in `connect`.
        Box::pin(async move {
            let name = name?;
            this.check()?;
            let limit = this.tls.conduct.handshake_timeout;
            let deadline = deadline_from(Instant::now(), limit);
            let more = Until::ServerHello.questions();
            let (running, span) = this.begin(link, NOWHERE, name, deadline, more).await?;
            PausedDtlsClient::reach(running, span).await
        })
    }

    /// The same with another connector of TLS.
    pub(super) fn with(&self, tls: TlsConnector) -> Self {
        Self {
            tls,
            ..self.clone()
        }
    }

    fn check(&self) -> Result<(), Misuse> {
        self.options.check()?;
        if self.tls.socket.is_some() {
            return Err(Misuse::new(
                "socket_options: they are those of TCP; for datagrams there are `udp_options`",
            ));
        }
        Ok(())
    }

    async fn shake(
        &self,
        link: Link,
        path: Path,
        name: ServerName<'static>,
        deadline: Instant,
    ) -> Result<DtlsConnection, Error> {
        let more = Questions::none();
        let (running, span) = self.begin(link, path, name, deadline, more).await?;
        let within = span.clone();
        running.run(&within).instrument(span).await
    }

    /// A handshake that has said nothing yet, and asks `more` as well.
    async fn begin(
        &self,
        link: Link,
        path: Path,
        name: ServerName<'static>,
        deadline: Instant,
        more: Questions,
    ) -> Result<(Running, tracing::Span), Error> {
        let peer = (path != NOWHERE).then_some(path.peer);
        let port = peer.map(|peer| peer.port());
        let mut conduct = self.tls.conduct.clone();
        conduct.check_life()?;
        let Prepared {
            config,
            place,
            mut sessions,
        } = self.tls.prepare(&name, more, port, Transport::Datagrams)?;
        let config = config.for_datagrams()?;
        conduct.hide(config.seen_name().is_some());
        let span = {
            let peer = peer.as_ref().map(|peer| peer as &dyn fmt::Debug);
            span::client(&name, config.seen_name(), peer, conduct.log)
        };
        let from_store = place.clone().filter(|_| sessions.is_empty());
        let offers = from_store.is_some();
        sessions = look(&conduct, &config, from_store, sessions, deadline).await;
        let offers = offers && !sessions.is_empty();
        let endpoint = Arc::new(Endpoint::new(link));
        let now = endpoint.now();
        let options = &self.options;
        let (datagrams, id) = options.identified()?;
        let handshake = Handshake::datagram_client(config, name, sessions, datagrams, now)?;
        let (driver, owner) =
            Driver::calling(endpoint, path, (options, id), conduct.hibernate_after);
        driver.spawn();
        let sessions = place.map(|place| (place, offers));
        let running = Running::new(handshake, owner, conduct, deadline, sessions, false);
        Ok((running, span))
    }
}

/// A socket for the first address that there is a way to. Those that were tried stand in `tried`.
async fn reach(
    address: impl ToSocketAddrs,
    options: &UdpOptions,
    tried: &mut Vec<SocketAddr>,
) -> io::Result<(Link, SocketAddr)> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for address in lookup_host(address).await? {
        tried.push(address);
        match socket::connect(address, options).and_then(Socket::new) {
            Ok(socket) => return Ok((Link::Socket(socket), address)),
            Err(error) => last = error,
        }
    }
    Err(last)
}
