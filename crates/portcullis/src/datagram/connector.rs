//! The client's side of DTLS: over a UDP socket of its own, or a transport that is there.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::config::ClientConfig;
use portcullis_core::session::ClientSession;
use portcullis_core::{DatagramOptions, Handshake, Misuse, Now, Stage};
use rustls_pki_types::ServerName;
use tokio::net::{ToSocketAddrs, lookup_host};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::connection::DtlsConnection;
use super::driver::Driver;
use super::endpoint::Endpoint;
use super::handshake::{Running, deadline_from, is_nobody_there};
use super::link::{Link, NOWHERE, Path};
use super::listener::DtlsListener;
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

/// How long an address is silent before the next one is tried: a hello was said again by then.
const PATIENCE: Duration = Duration::from_secs(2);

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
    ///
    /// ```
    /// use portcullis::{DtlsConnector, DtlsOptions};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (config, _) = dev_ends();
    /// // Of a `ClientConfig`, or of a `TlsConnector`.
    /// let connector = DtlsConnector::new(config).options(DtlsOptions::new());
    /// # Ok(())
    /// # }
    /// ```
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
    /// [`handshake_timeout`](TlsConnector::handshake_timeout). Of several addresses the next one is tried where there is no way
    /// to one, nobody listens there, or nothing has come from there for 2 seconds, or for less if that is more than its share of
    /// the time that is left; not so with [early data](Self::connect_with_early_data), which may have come where the answer was
    /// lost, and is not said twice.
    ///
    /// That nobody listens there is what the network says by ICMP, of a socket that is connected (Linux, Android, Windows), and
    /// what anybody can forge who guesses this client's port. So it ends a handshake only while nothing at all has come from
    /// there, and when it has been said again of the hello that was sent again: after a second, unless
    /// [`Retransmission::initial`](crate::Retransmission::initial) is longer, and never before 900 milliseconds. Whoever
    /// forges it has to begin before the server can answer and to keep the answer back for so long, and whoever can do that needs no
    /// ICMP. Nothing ends a connection that way, nor a handshake that has begun; time does.
    ///
    /// ```
    /// use portcullis::DtlsConnector;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = portcullis::DtlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # tokio::spawn(async move { listener.accept().await?.handshake().await });
    /// # let connector = DtlsConnector::new(connector);
    /// // The address is where to send to, the name whose certificate is expected.
    /// let connection = connector.connect(address, "localhost").await?;
    /// assert_eq!(connection.peer_addr(), Some(address));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When there is no way to the address, or the handshake fails; of the kind
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) where nobody listens.
    ///
    /// # Cancel safety
    /// Dropped, the server is told `user_canceled`, if that can be done at once.
    pub fn connect<A: ToSocketAddrs, N: ToServerName>(
        &self,
        address: A,
        name: N,
    ) -> impl Future<Output = Result<DtlsConnection, Error>> + use<A, N> {
        let connecting = self.connect_early(address, name, None);
        // As below.
        Box::pin(async move {
            let (connection, _) = connecting.await?;
            Ok(connection)
        })
    }

    /// Says, too, whether there was early data that could not be sent.
    pub(super) fn connect_early<A: ToSocketAddrs, N: ToServerName>(
        &self,
        address: A,
        name: N,
        early: Option<Bytes>,
    ) -> impl Future<Output = Result<(DtlsConnection, bool), Error>> + use<A, N> {
        let (this, name) = (self.clone(), name.to_server_name());
        // Boxed: the caller's task outlives the handshake, and this is given back after it.
        Box::pin(async move {
            let name = name?;
            let host = name.to_str().into_owned();
            this.check()?;
            let limit = this.tls.conduct.handshake_timeout;
            let deadline = deadline_from(Instant::now(), limit);
            let mut tried = Vec::new();
            let shaken = match timeout_at(deadline, lookup_host(address)).await {
                Ok(Ok(found)) => {
                    let found = found.collect();
                    this.shake_with_any(found, name, deadline, early, &mut tried)
                        .await
                }
                Ok(Err(error)) => Err(Error::io(error, Stage::Connecting)),
                Err(_) => Err(Error::timeout(Stage::Connecting, limit)),
            };
            shaken.map_err(|error| error.at(&host, None, &tried))
        })
    }

    /// With the first of these addresses at which somebody is. Those that an error is about stand in `tried`.
    async fn shake_with_any(
        &self,
        found: Vec<SocketAddr>,
        name: ServerName<'static>,
        deadline: Instant,
        early: Option<Bytes>,
        tried: &mut Vec<SocketAddr>,
    ) -> Result<(DtlsConnection, bool), Error> {
        let udp = self.udp.as_deref().cloned().unwrap_or_default();
        let none = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
        let mut last = Error::io(none, Stage::Connecting);
        let count = found.len();
        for (at, peer) in found.into_iter().enumerate() {
            tried.push(peer);
            let link = match socket::connect(peer, &udp).and_then(Socket::new) {
                Ok(socket) => Link::Socket(socket),
                Err(error) => {
                    last = Error::io(error, Stage::Connecting);
                    continue;
                }
            };
            let left = u32::try_from(count - at).unwrap_or(u32::MAX);
            let has_others = left > 1 && early.is_none();
            let patience = has_others.then(|| {
                let now = Instant::now();
                now + PATIENCE.min(deadline.saturating_duration_since(now) / left)
            });
            let way = Way::Own(link, Path { peer, local: None });
            let more = (early.clone(), patience);
            match self.shake(way, name.clone(), deadline, more).await {
                Err(error) if has_others && is_nobody_there(&error) => last = error,
                Err(error) if is_nobody_there(&error) => return Err(error),
                other => {
                    *tried = vec![peer];
                    return other;
                }
            }
        }
        Err(last)
    }

    /// Connects from the socket of a listener, as [`connect`](Self::connect) from one of its own: clients and servers share
    /// an address, as peers of ICE and of CoAP do. Idleness and hibernation are the listener's, and so is the number of
    /// bytes of [`connection_ids`](DtlsOptions::connection_ids) that are not none.
    ///
    /// Between two addresses there is one connection: where the peer is connected with this listener already, this fails,
    /// and when the peer connects with it later, that connection takes the place of this one. Of two that call each other at
    /// the same time one goes on, the one whose hello has the greater random: the other's call fails, and its listener
    /// accepts.
    ///
    /// ```
    /// # use portcullis::{DtlsConnector, DtlsListener};
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let other = DtlsListener::bind("127.0.0.1:0", acceptor.clone()).await?;
    /// # let address = other.local_addr()?;
    /// # tokio::spawn(async move { other.accept().await?.handshake().await });
    /// let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// let connector = DtlsConnector::new(connector);
    /// let connection = connector.connect_from(&listener, address, "localhost").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the name has no address of the socket's family, there is a connection with it at the socket, or the handshake
    /// fails; when there are [`udp_options`](Self::udp_options), which are those of a socket of its own; when the listener is
    /// one of several at its address ([`bind_many`](DtlsListener::bind_many)), of which any would get the answers.
    ///
    /// # Cancel safety
    /// Dropped, the server is told `user_canceled`, if that can be done at once.
    pub fn connect_from<A: ToSocketAddrs, N: ToServerName>(
        &self,
        listener: &DtlsListener,
        address: A,
        name: N,
    ) -> impl Future<Output = Result<DtlsConnection, Error>> + use<A, N> {
        let (this, name) = (self.clone(), name.to_server_name());
        let bytes = self.options.id_length();
        let endpoint = listener.shared_with(bytes).map(Arc::clone);
        // As in `connect`.
        Box::pin(async move {
            let (name, endpoint) = (name?, endpoint?);
            let host = name.to_str().into_owned();
            this.check()?;
            if this.udp.is_some() {
                return Err(Misuse::new(
                    "udp_options: they are those of a socket of the connector's own; leave them out here",
                )
                .into());
            }
            let limit = this.tls.conduct.handshake_timeout;
            let deadline = deadline_from(Instant::now(), limit);
            let found = match timeout_at(deadline, find(address, &endpoint)).await {
                Ok(found) => found.map_err(|error| Error::io(error, Stage::Connecting)),
                Err(_) => Err(Error::timeout(Stage::Connecting, limit)),
            };
            let mut tried = Vec::new();
            let shaken = match found {
                Ok(peer) => {
                    tried.push(peer);
                    let way = Way::Shared(endpoint, Path { peer, local: None });
                    let shaken = this.shake(way, name, deadline, (None, None)).await;
                    shaken.map(|(connection, _)| connection)
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
        let upgrading = self.upgrade_early(transport, name, None);
        // As in `connect`.
        Box::pin(async move {
            let (connection, _) = upgrading.await?;
            Ok(connection)
        })
    }

    /// With early data, and whether that was lost here.
    pub(super) fn upgrade_early<N: ToServerName>(
        &self,
        transport: impl DatagramTransport,
        name: N,
        early: Option<Bytes>,
    ) -> impl Future<Output = Result<(DtlsConnection, bool), Error>> + Send + 'static {
        let (this, name) = (self.clone(), name.to_server_name());
        let link = Link::over(transport);
        // As in `connect`.
        Box::pin(async move {
            let name = name?;
            this.check()?;
            let limit = this.tls.conduct.handshake_timeout;
            let deadline = deadline_from(Instant::now(), limit);
            let way = Way::Own(link, NOWHERE);
            this.shake(way, name, deadline, (early, None)).await
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
            let way = Way::Own(link, NOWHERE);
            let (running, span) = this.begin(way, name, deadline, (more, None)).await?;
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

    pub(super) fn check(&self) -> Result<(), Misuse> {
        self.options.check()?;
        if self.tls.socket.is_some() {
            return Err(Misuse::new(
                "socket_options: they are those of TCP; for datagrams there are `udp_options`",
            ));
        }
        Ok(())
    }

    /// Says, too, whether there was early data that could not be sent. If there is somewhere else to go, something has to have
    /// come by then.
    pub(super) async fn shake(
        &self,
        way: Way,
        name: ServerName<'static>,
        deadline: Instant,
        (early, patience): (Option<Bytes>, Option<Instant>),
    ) -> Result<(DtlsConnection, bool), Error> {
        let more = (Questions::none(), early);
        let (mut running, span) = self.begin(way, name, deadline, more).await?;
        running.be_answered_by(patience);
        let within = span.clone();
        let running = running.run_with_early_data(&within);
        running.instrument(span).await
    }

    /// A handshake that has said nothing yet, and asks `more` as well. Early data goes with it as a whole or not at all.
    pub(super) async fn begin(
        &self,
        way: Way,
        name: ServerName<'static>,
        deadline: Instant,
        (more, early): (Questions, Option<Bytes>),
    ) -> Result<(Running, tracing::Span), Error> {
        let (Way::Own(_, path) | Way::Shared(_, path)) = way;
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
        let (endpoint, is_shared) = match way {
            Way::Own(link, _) => (Arc::new(Endpoint::of_client(link)), false),
            Way::Shared(endpoint, _) => (endpoint, true),
        };
        let now = endpoint.now();
        let options = &self.options;
        let (datagrams, id) = options.identified(&endpoint)?;
        let offering = early.map(|early| {
            let (config, name, sessions) = (config.clone(), name.clone(), sessions.clone());
            offering(&early, config, name, sessions, (datagrams, now))
        });
        let handshake = match offering.transpose()?.flatten() {
            Some(handshake) => handshake,
            None => Handshake::datagram_client(config, name, sessions, datagrams, now)?,
        };
        let owner = match is_shared {
            true => endpoint.call(path, options, id),
            false => {
                let hibernate = conduct.hibernate_after;
                let (driver, owner) = Driver::calling(endpoint, path, (options, id), hibernate);
                driver.spawn();
                owner
            }
        };
        let sessions = place.map(|place| (place, offers));
        let running = Running::new(handshake, owner, conduct, deadline, sessions, false);
        Ok((running, span))
    }
}

/// A handshake with this message behind its hello; `None` if it does not fit: into what the session allows that is offered
/// in fact, a record, or a datagram. What has begun so far was not sent, so nothing is offered that does not follow.
fn offering(
    message: &[u8],
    config: ClientConfig,
    name: ServerName<'static>,
    sessions: Vec<ClientSession>,
    (datagrams, now): (DatagramOptions, Now),
) -> Result<Option<Handshake>, Error> {
    let allows = |session: &ClientSession| {
        let most = usize::try_from(session.max_early_data()).unwrap_or(usize::MAX);
        (1..=most).contains(&message.len())
    };
    if !sessions.iter().any(allows) {
        return Ok(None);
    }
    let begun = Handshake::datagram_client_with_early_data(config, name, sessions, datagrams, now);
    let mut handshake = begun?;
    let taken = handshake.send(message);
    Ok((taken == message.len()).then_some(handshake))
}

/// What a client says hello from, and where to.
pub(super) enum Way {
    Own(Link, Path),
    /// The socket of a listener, whose driver runs.
    Shared(Arc<Endpoint>, Path),
}

/// The first address of the socket's family; a socket of IPv6 has those of IPv4 in its own form (RFC 4291 §2.5.5.2).
async fn find(address: impl ToSocketAddrs, endpoint: &Endpoint) -> io::Result<SocketAddr> {
    let is_v6 = endpoint.link.local_addr().is_some_and(|own| own.is_ipv6());
    for address in lookup_host(address).await? {
        match address {
            SocketAddr::V4(v4) if is_v6 => {
                return Ok((v4.ip().to_ipv6_mapped(), v4.port()).into());
            }
            SocketAddr::V6(_) if !is_v6 => {}
            same => return Ok(same),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        "the name has no address of IPv4, and the listener's socket has no other",
    ))
}
