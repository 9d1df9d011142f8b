//! Accepting: sockets, what is read of a proxy's header, and limits.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use portcullis::Accept;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::ListenAddress;
use crate::arrival::begin;
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
                if is_dead(path) {
                    std::fs::remove_file(path)?;
                }
                UnixListener::bind(path).map(Self::Unix)
            }
        }
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
        }
    }

    /// Another descriptor of it, for whoever takes it over.
    ///
    /// # Errors
    /// When there are no more descriptors.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(listener) => listener.as_fd().try_clone_to_owned(),
            Self::Unix(listener) => listener.as_fd().try_clone_to_owned(),
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
    let mut phase = shared.phase();
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            accepted = poll_fn(|cx| listening.poll_accept(cx)) => accepted,
            () = phase.over(Phase::Running) => break,
        };
        match accepted {
            Ok((io, peer)) => {
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
                            begin(&shared, &name, io, &peer, place, handshake);
                        }
                        _ => return,
                    },
                    // Nobody waits for a place any more: it may have one that is free now.
                    () = phase.over(Phase::Running) => {
                        let (Some(place), Some(handshake)) = free_places(&shared) else {
                            return;
                        };
                        begin(&shared, &name, io, &peer, place, handshake);
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
        let waiting = poll_fn(|cx| match listening.poll_accept(cx) {
            Poll::Ready(accepted) => Poll::Ready(accepted.ok()),
            Poll::Pending => Poll::Ready(None),
        });
        let Some((io, peer)) = waiting.await else {
            return;
        };
        begin(&shared, &name, io, &peer, place, handshake);
    }
}

/// A place of a connection, and one of a handshake, that nobody has.
fn free_places(shared: &Shared) -> (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>) {
    let free = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
    (free(&shared.connections), free(&shared.handshakes))
}
