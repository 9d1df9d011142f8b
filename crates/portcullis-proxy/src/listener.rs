//! Accepting: sockets and limits.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis::{AddressLimits, DtlsAcceptor, DtlsListener, DtlsOptions};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::ListenAddress;
use crate::arrival::{Came, begin};
use crate::config::{Limits, Listener, Plan};
use crate::datagrams::Client;
use crate::datagrams::doors::Doors;
use crate::datagrams::flows::{Beginning, Flows};
use crate::proxy::{Phase, Shared};
use crate::stream::Plain;
use crate::termination;

/// Connections that wait to be accepted; the system's limit may be lower.
const BACKLOG: i32 = 4_096;
/// The first and the longest pause after accepting has failed.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A listening socket.
pub(crate) enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
    Dtls(Arc<DtlsListener>),
    /// Datagrams without DTLS, or whose DTLS is passed on.
    Udp(Flows),
}

/// Whose a socket is.
pub(crate) enum Peer {
    Ip(SocketAddr),
    Unix,
}

impl Peer {
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(SocketAddr::new(address.ip().to_canonical(), address.port())),
            Self::Unix => None,
        }
    }
}

impl Listening {
    /// Listens on one of a listener's addresses.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(crate) fn bind(
        address: &ListenAddress,
        listener: &Listener,
        plan: &Plan,
    ) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => {
                let socket = unbound(*address, Type::STREAM, Protocol::TCP)?;
                socket.set_reuse_address(true)?;
                socket.bind(&(*address).into())?;
                socket.listen(BACKLOG)?;
                TcpListener::from_std(socket.into()).map(Self::Tcp)
            }
            ListenAddress::Udp(address) => {
                let socket = unbound(*address, Type::DGRAM, Protocol::UDP)?;
                socket.bind(&(*address).into())?;
                Self::of_datagrams(socket, listener, plan)
            }
            ListenAddress::Unix(path) => {
                if is_dead(path) {
                    std::fs::remove_file(path)?;
                }
                UnixListener::bind(path).map(Self::Unix)
            }
        }
    }

    /// A UDP socket: with DTLS, unless the listener's only route has none, or its routes pass it on.
    fn of_datagrams(socket: Socket, listener: &Listener, plan: &Plan) -> io::Result<Self> {
        let beginning = match listener.routes.passes() {
            true => Some(Beginning::Hello),
            false => listener.routes.plain().map(|_| Beginning::Anything),
        };
        if let Some(beginning) = beginning {
            return Flows::new(socket.into(), beginning).map(Self::Udp);
        }
        let Some(first) = termination::first(listener) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        // Time limits and answers are those of each client.
        let acceptor = DtlsAcceptor::new(plan.kept.acceptor(first)).options(options(&plan.limits));
        let listener = DtlsListener::from_std(socket.into(), acceptor)?;
        Ok(Self::Dtls(Arc::new(listener)))
    }

    /// One that listens already, of the kind that its address has.
    ///
    /// # Errors
    /// When it does not listen.
    pub(crate) fn inherited(socket: Socket, address: &ListenAddress) -> io::Result<Self> {
        if !socket.is_listener()? {
            return Err(io::Error::other(
                "the socket that was passed does not listen",
            ));
        }
        let socket = OwnedFd::from(socket);
        match address {
            ListenAddress::Tcp(_) => TcpListener::from_std(socket.into()).map(Self::Tcp),
            ListenAddress::Unix(_) => UnixListener::from_std(socket.into()).map(Self::Unix),
            ListenAddress::Udp(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Another descriptor of it, for whoever takes it over.
    ///
    /// # Errors
    /// When there are no more descriptors, or it is one of datagrams, which the configuration has refused.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(listener) => listener.as_fd().try_clone_to_owned(),
            Self::Unix(listener) => listener.as_fd().try_clone_to_owned(),
            Self::Dtls(_) | Self::Udp(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Where it listens, with the port that the system has chosen.
    pub(crate) fn address(&self, configured: &ListenAddress) -> ListenAddress {
        let found = match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            Self::Dtls(listener) => listener.local_addr().map(ListenAddress::Udp),
            Self::Udp(flows) => flows.local_addr().map(ListenAddress::Udp),
            Self::Unix(_) => Ok(configured.clone()),
        };
        found.unwrap_or_else(|_| configured.clone())
    }

    /// The next connection, or the next client of datagrams.
    ///
    /// # Errors
    /// Those of the system.
    ///
    /// # Cancel safety
    /// Dropped, nobody is lost.
    async fn accept(&mut self) -> io::Result<(Came, Peer)> {
        let (client, peer) = match self {
            Self::Tcp(listener) => {
                let (io, peer) = listener.accept().await?;
                let _ = io.set_nodelay(true);
                return Ok((Came::Stream(Plain::Tcp(io)), Peer::Ip(peer)));
            }
            Self::Unix(listener) => {
                let (io, _) = listener.accept().await?;
                return Ok((Came::Stream(Plain::Unix(io)), Peer::Unix));
            }
            Self::Dtls(listener) => {
                let incoming = listener.accept().await?;
                let peer = incoming
                    .peer_addr()
                    .ok_or(io::ErrorKind::AddrNotAvailable)?;
                (Client::Dtls(incoming), peer)
            }
            Self::Udp(flows) => {
                let flow = flows.accept().await?;
                let peer = flow.peer();
                (Client::Flow(flow), peer)
            }
        };
        Ok((Came::Datagrams(client), Peer::Ip(peer)))
    }

    /// The same of those who wait already. The system is asked itself: Tokio knows only what was there when it has looked last.
    async fn waiting(&mut self) -> Option<(Came, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (io, peer) = accepted(SockRef::from(&*listener)).ok()?;
                let io = TcpStream::from_std(io.into()).ok()?;
                let _ = io.set_nodelay(true);
                let peer = Peer::Ip(peer.as_socket()?);
                return Some((Came::Stream(Plain::Tcp(io)), peer));
            }
            Self::Unix(listener) => {
                let (io, _) = accepted(SockRef::from(&*listener)).ok()?;
                let io = UnixStream::from_std(io.into()).ok()?;
                return Some((Came::Stream(Plain::Unix(io)), Peer::Unix));
            }
            Self::Dtls(_) | Self::Udp(_) => {}
        }
        tokio::select! {
            biased;
            // What a task may do in one go may be spent, and then nobody would seem to wait.
            accepted = tokio::task::unconstrained(self.accept()) => accepted.ok(),
            () = std::future::ready(()) => None,
        }
    }

    /// Shows what is dropped there.
    pub(crate) fn enter(&self, doors: &Doors) {
        match self {
            Self::Dtls(listener) => doors.add_dtls(listener),
            Self::Udp(flows) => doors.add_flows(flows.counts()),
            Self::Tcp(_) | Self::Unix(_) => {}
        }
    }
}

/// Who waits in the queue. Those that have gone meanwhile are passed by.
fn accepted(listener: SockRef<'_>) -> io::Result<(Socket, SockAddr)> {
    loop {
        match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            other => {
                let (socket, peer) = other?;
                socket.set_nonblocking(true)?;
                return Ok((socket, peer));
            }
        }
    }
}

fn unbound(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // `0.0.0.0` may be listened on besides.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What clients of DTLS have before they are accepted. What one address may have, and how long they may be silent, is
/// looked at behind that, as over TCP.
fn options(limits: &Limits) -> DtlsOptions {
    let handshakes = limits.handshakes;
    DtlsOptions::new()
        .handshakes(handshakes)
        .per_address(AddressLimits::new().handshakes(handshakes))
        // With those that are closed, of which something may still come.
        .connections(limits.connections * 2)
        .idle_timeout(None)
}

/// Whether it is a socket that a program has left behind: nobody listens there. One that may not be connected to may be
/// somebody's.
pub(crate) fn is_dead(path: &Path) -> bool {
    if !std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket()) {
        return false;
    }
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Whose queue is full is there, and is not waited for.
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    connect().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Accepts until the proxy ends.
pub(crate) async fn run(shared: Arc<Shared>, name: Arc<str>, mut listening: Listening) {
    accept_all(&shared, &name, &mut listening).await;
    if let Listening::Dtls(listener) = listening {
        shared.doors.close(listener);
    }
}

async fn accept_all(shared: &Arc<Shared>, name: &Arc<str>, listening: &mut Listening) {
    let mut phase = shared.phase();
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            accepted = listening.accept() => accepted,
            () = phase.over(Phase::Running) => break,
        };
        match accepted {
            Ok((came, peer)) => {
                pause = FIRST_PAUSE;
                // It waits here, and others in the system's queue.
                let places = async {
                    tokio::join!(
                        Arc::clone(&shared.connections).acquire_owned(),
                        Arc::clone(&shared.handshakes).acquire_owned(),
                    )
                };
                tokio::select! {
                    places = places => match places {
                        (Ok(place), Ok(handshake)) => {
                            begin(shared, name, came, &peer, place, handshake);
                        }
                        _ => return,
                    },
                    // Nobody waits for a place any more: it may have one that is free now.
                    () = phase.over(Phase::Running) => {
                        let (Some(place), Some(handshake)) = free_places(shared) else {
                            return;
                        };
                        begin(shared, name, came, &peer, place, handshake);
                        break;
                    }
                }
            }
            Err(error) => {
                tracing::debug!(listener = %name, %error, "accepting");
                shared.meter.accept_failed();
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    // Whoever waits in the system's queue has been answered by it, and would be reset.
    loop {
        let (Some(place), Some(handshake)) = free_places(shared) else {
            return;
        };
        let Some((came, peer)) = listening.waiting().await else {
            return;
        };
        begin(shared, name, came, &peer, place, handshake);
        // Those who were accepted go on meanwhile.
        tokio::task::yield_now().await;
    }
}

/// A place of a connection, and one of a handshake, that nobody has.
fn free_places(shared: &Shared) -> (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>) {
    let free = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
    (free(&shared.connections), free(&shared.handshakes))
}
