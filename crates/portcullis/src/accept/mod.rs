//! Accepting connections: from a socket or from anywhere, one at a time or many at once.

mod address_limits;
mod connections;
mod faults;
mod handshakes;
mod listener;
mod proxy;
mod proxy_header;
mod socket;
mod stop;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub use address_limits::AddressLimits;
#[cfg(feature = "dtls")]
pub(crate) use address_limits::{Addresses, Place, host};
pub use connections::{ConnectionError, Connections};
#[cfg(feature = "dtls")]
pub(crate) use handshakes::{Handshakes, Shaken};
pub use listener::{Incoming, TlsListener};
pub use proxy::{Forwarded, ProxyProtocol, read_proxy_header};
pub use stop::StopHandle;

/// Where [`Connections`] come from: a listening socket, or whatever else brings transports.
///
/// There are TCP and Unix sockets of Tokio, which can be made of any socket that is there, e.g.
/// one from systemd; [`TlsListener`] with its [`ListenOptions`](crate::ListenOptions); a channel
/// of Tokio, for transports in memory; and [`ProxyProtocol`] around any of them.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis::Connections;
/// use tokio::net::TcpListener;
///
/// # let (_, acceptor) = dev_ends();
/// // With systemd: `listenfd::ListenFd::from_env().take_tcp_listener(0)`, of the crate `listenfd`.
/// let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
/// socket.set_nonblocking(true)?;
/// let connections = Connections::new(TcpListener::from_std(socket)?, acceptor, 1_024);
/// # let _ = connections;
/// # Ok(())
/// # }
/// ```
pub trait Accept: Send + 'static {
    /// The transport.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Whose it is, for logs.
    type Addr: fmt::Debug + Send + Sync + 'static;

    /// The next transport.
    ///
    /// # Errors
    /// Errors of single connections are passed over, and exhaustion is waited out, by
    /// [`Connections`].
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Self::Io, Self::Addr)>>;

    /// The address that is listened on.
    ///
    /// # Errors
    /// Those of the socket; [`Unsupported`](io::ErrorKind::Unsupported) where there is none.
    fn local_addr(&self) -> io::Result<Self::Addr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Connections send small segments at once.
impl Accept for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let (io, peer) = ready!(Self::poll_accept(self, cx))?;
        // A connection that is gone already fails in its handshake.
        let _ = io.set_nodelay(true);
        Poll::Ready(Ok((io, peer)))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

#[cfg(unix)]
impl Accept for tokio::net::UnixListener {
    type Io = tokio::net::UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Self::Io, Self::Addr)>> {
        Self::poll_accept(self, cx)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Self::local_addr(self)
    }
}

/// Transports in memory, or from anywhere else. When all senders are gone, accepting fails with
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe).
impl<IO, A> Accept for mpsc::Receiver<(IO, A)>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: fmt::Debug + Send + Sync + 'static,
{
    type Io = IO;
    type Addr = A;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(IO, A)>> {
        let received = ready!(self.poll_recv(cx));
        Poll::Ready(received.ok_or_else(|| io::ErrorKind::BrokenPipe.into()))
    }
}
