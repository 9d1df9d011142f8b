//! Connections that come through a proxy which says whose they are.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::proxy_header::Fault;
use super::{Accept, proxy_header};
use crate::handshake::within_bounds;

/// Headers that are being read at once; further connections wait in the system's backlog.
const READING: usize = 1_024;

/// Accepts from another listener connections that begin with a header of the PROXY protocol,
/// version 1 or 2, and reads it.
///
/// A header is never guessed: which peers are proxies is told by the caller. From them it is
/// required; a connection with a wrong one is closed without a word, and logged with the reason
/// `proxy_header`. From others none is read.
pub struct ProxyProtocol<A: Accept> {
    listener: A,
    is_proxy: IsProxy<A::Addr>,
    timeout: Duration,
    /// `None` is a wrong header.
    reading: JoinSet<Option<Read<A>>>,
}

/// Reads the header of the PROXY protocol, version 1 or 2, that a proxy sends before a client's bytes, and not a byte more:
/// where the client is, and where it has connected to. `None` when the proxy does not know, or speaks for itself, as in a
/// health check. For those who accept by themselves; with [`Connections`](crate::Connections) there is [`ProxyProtocol`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut io = &b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 443\r\nthe client's"[..];
/// let (source, destination) = portcullis::read_proxy_header(&mut io).await?.unwrap();
/// assert_eq!(source.to_string(), "192.0.2.7:1234");
/// assert_eq!(destination.port(), 443);
/// assert_eq!(io, b"the client's");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`InvalidData`](io::ErrorKind::InvalidData) when it is no header, with what is wrong; those of the transport. A line of
/// version 1 has at most 107 bytes, what follows the first 16 bytes of version 2 at most 4,096. There is no time limit.
///
/// # Cancel safety
/// Dropped, what was read is lost.
pub async fn read_proxy_header<IO>(io: &mut IO) -> io::Result<Option<(SocketAddr, SocketAddr)>>
where
    IO: AsyncRead + Unpin,
{
    let read = proxy_header::read(io).await;
    read.map_err(|fault| match fault {
        Fault::Io(error) => error,
        fault => io::Error::new(io::ErrorKind::InvalidData, fault.to_string()),
    })
}

type IsProxy<Addr> = Box<dyn Fn(&Addr) -> bool + Send + Sync>;
type Read<A> = (<A as Accept>::Io, Forwarded<<A as Accept>::Addr>);

/// Whose a connection is that may have come through a proxy.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forwarded<A> {
    /// The other end of the transport: the proxy.
    pub socket: A,
    /// The client, as the proxy says; `None` when it does not know, or speaks for itself, as in a
    /// health check.
    pub source: Option<SocketAddr>,
    /// Where the client has connected to.
    pub destination: Option<SocketAddr>,
}

/// The client's address, if it is known.
impl<A: fmt::Debug> fmt::Debug for Forwarded<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => fmt::Display::fmt(source, f),
            None => self.socket.fmt(f),
        }
    }
}

impl<A: Accept> ProxyProtocol<A> {
    /// Expects a header from those peers that `is_proxy` names.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis::{Connections, ProxyProtocol};
    /// use tokio::net::TcpListener;
    ///
    /// # let (_, acceptor) = dev_ends();
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// // Only what comes from this machine is a proxy.
    /// let listener = ProxyProtocol::new(listener, |peer| peer.ip().is_loopback());
    /// let connections = Connections::new(listener, acceptor, 1_024);
    /// # let _ = connections;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(listener: A, is_proxy: impl Fn(&A::Addr) -> bool + Send + Sync + 'static) -> Self {
        Self {
            listener,
            is_proxy: Box::new(is_proxy),
            timeout: Duration::from_secs(3),
            reading: JoinSet::new(),
        }
    }

    /// How long a header may take. Default: 3 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl<A: Accept> Accept for ProxyProtocol<A> {
    type Io = A::Io;
    type Addr = Forwarded<A::Addr>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Self::Io, Self::Addr)>> {
        loop {
            match self.reading.poll_join_next(cx) {
                Poll::Ready(Some(Ok(Some(accepted)))) => return Poll::Ready(Ok(accepted)),
                Poll::Ready(Some(_)) => continue,
                Poll::Ready(None) | Poll::Pending => {}
            }
            if self.reading.len() >= READING {
                return Poll::Pending;
            }
            let (mut io, socket) = ready!(self.listener.poll_accept(cx))?;
            if !(self.is_proxy)(&socket) {
                let (source, destination) = (None, None);
                let peer = Forwarded {
                    socket,
                    source,
                    destination,
                };
                return Poll::Ready(Ok((io, peer)));
            }
            let limit = within_bounds(self.timeout);
            self.reading.spawn(async move {
                let reason = match timeout(limit, proxy_header::read(&mut io)).await {
                    Ok(Ok(addresses)) => {
                        let (source, destination) = addresses.unzip();
                        let peer = Forwarded {
                            socket,
                            source,
                            destination,
                        };
                        return Some((io, peer));
                    }
                    Ok(Err(fault)) => fault.to_string(),
                    Err(_) => format!("it did not come within {limit:?}"),
                };
                tracing::info!(peer = ?socket, %reason, "proxy_header");
                None
            });
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Forwarded {
            socket: self.listener.local_addr()?,
            source: None,
            destination: None,
        })
    }
}

impl<A: Accept + fmt::Debug> fmt::Debug for ProxyProtocol<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyProtocol")
            .field("listener", &self.listener)
            .field("timeout", &self.timeout)
            .field("reading", &self.reading.len())
            .finish_non_exhaustive()
    }
}
