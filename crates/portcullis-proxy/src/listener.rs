//! Accepting: sockets, what is read of a proxy's header, and limits.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ipnet::IpNet;
use portcullis::{Accept, Forwarded, ProxyProtocol};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::ListenAddress;
use crate::proxied::{self, Arrived};
use crate::proxy::{Phase, Shared};
use crate::stream::Plain;

/// Connections that wait to be accepted; the system's limit may be lower.
const BACKLOG: i32 = 4_096;
/// The first and the longest pause after accepting has failed.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A listening socket.
pub(crate) enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Whose a socket is.
pub(crate) enum Peer {
    Tcp(SocketAddr),
    Unix,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl Peer {
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => {
                Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
            }
            Self::Unix => None,
        }
    }
}

impl Listening {
    /// # Errors
    /// When the address cannot be had.
    pub(crate) fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => {
                let socket = Socket::new(
                    Domain::for_address(*address),
                    Type::STREAM,
                    Some(Protocol::TCP),
                )?;
                socket.set_reuse_address(true)?;
                if address.is_ipv6() {
                    // `0.0.0.0` may be listened on besides.
                    socket.set_only_v6(true)?;
                }
                socket.set_nonblocking(true)?;
                socket.bind(&(*address).into())?;
                socket.listen(BACKLOG)?;
                TcpListener::from_std(socket.into()).map(Self::Tcp)
            }
            ListenAddress::Unix(path) => {
                // One that a program has left behind: nobody listens there. One that may not be connected to may be somebody's.
                let is_socket =
                    std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
                let is_dead = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
                if is_socket && std::os::unix::net::UnixStream::connect(path).is_err_and(is_dead) {
                    std::fs::remove_file(path)?;
                }
                UnixListener::bind(path).map(Self::Unix)
            }
        }
    }

    /// Where it listens, with the port that the system has chosen.
    pub(crate) fn address(&self, configured: &ListenAddress) -> ListenAddress {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| configured.clone(), ListenAddress::Tcp),
            Self::Unix(_) => configured.clone(),
        }
    }
}

impl Accept for Listening {
    type Io = Plain;
    type Addr = Peer;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Plain, Peer)>> {
        match self {
            Self::Tcp(listener) => {
                let (io, peer) = ready!(TcpListener::poll_accept(listener, cx))?;
                let _ = io.set_nodelay(true);
                Poll::Ready(Ok((Plain::Tcp(io), Peer::Tcp(peer))))
            }
            Self::Unix(listener) => {
                let (io, _) = ready!(UnixListener::poll_accept(listener, cx))?;
                Poll::Ready(Ok((Plain::Unix(io), Peer::Unix)))
            }
        }
    }
}

/// Whether a peer is one of those that send a header.
fn is_proxy(networks: &[IpNet], peer: &Peer) -> bool {
    let address: Option<IpAddr> = peer.address().map(|it| it.ip());
    address.is_some_and(|ip| networks.iter().any(|network| network.contains(&ip)))
}

/// Accepts until the proxy ends.
pub(crate) async fn run(shared: Arc<Shared>, name: Arc<str>, listening: Listening) {
    let networks = Arc::clone(&shared);
    let of_listener = Arc::clone(&name);
    let time = shared.plan().timeouts.proxy_header;
    // Read anew for each connection: a reload may name others.
    let is_proxy = move |peer: &Peer| {
        let plan = networks.plan();
        let listener = plan.listener(&of_listener);
        listener.is_some_and(|listener| is_proxy(&listener.proxies, peer))
    };
    let mut accept = ProxyProtocol::new(listening, is_proxy).timeout(time);
    let mut phase = shared.phase();
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            accepted = poll_fn(|cx| accept.poll_accept(cx)) => accepted,
            () = phase.over(Phase::Running) => break,
        };
        match accepted {
            Ok((io, from)) => {
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
                            begin(&shared, &name, io, from, place, handshake);
                        }
                        _ => return,
                    },
                    // Nobody waits for a place any more: it may have one that is free now.
                    () = phase.over(Phase::Running) => {
                        let (Some(place), Some(handshake)) = free_places(&shared) else {
                            return;
                        };
                        begin(&shared, &name, io, from, place, handshake);
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
        let (Some(place), Some(handshake)) = free_places(&shared) else {
            return;
        };
        let waiting = poll_fn(|cx| match accept.poll_accept(cx) {
            Poll::Ready(accepted) => Poll::Ready(accepted.ok()),
            Poll::Pending => Poll::Ready(None),
        });
        let Some((io, from)) = waiting.await else {
            return;
        };
        begin(&shared, &name, io, from, place, handshake);
    }
}

/// A place of a connection, and one of a handshake, that nobody has.
fn free_places(shared: &Shared) -> (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>) {
    let free = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
    (free(&shared.connections), free(&shared.handshakes))
}

/// Serves one connection in a task of its own.
fn begin(
    shared: &Arc<Shared>,
    name: &Arc<str>,
    io: Plain,
    from: Forwarded<Peer>,
    place: OwnedSemaphorePermit,
    handshake: OwnedSemaphorePermit,
) {
    let plan = shared.plan();
    let Some(listener) = plan.listener(name) else {
        return;
    };
    let socket = from.socket.address();
    let client = from.source.or(socket);
    let most = plan.limits.per_address;
    let of_address = shared.addresses.enter(client.map(|it| it.ip()), most);
    let arrived = Arrived {
        listener: Arc::clone(listener),
        client,
        via: from.source.and(socket),
        destination: from.destination.or_else(|| io.local_addr()),
        io,
    };
    let Some(of_address) = of_address else {
        proxied::refuse(shared, &arrived);
        return;
    };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        proxied::serve(&shared, &plan, arrived, handshake).await;
        drop((place, of_address));
    });
}
