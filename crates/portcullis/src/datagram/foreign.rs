//! What comes to a socket and is not DTLS: STUN, TURN channels, ZRTP, RTP.
//!
//! RFC 7983 §7, as RFC 9443 §3 has it: the first byte of a datagram says whose it is, and 20 to 63 are DTLS. Anybody can send the
//! rest; nothing of it is looked at here.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::mpsc;

use portcullis_core::Misuse;

use super::connection::DtlsConnection;
use super::endpoint::Endpoint;
use super::link::Path;
use super::lock;
use crate::error::Error;
use crate::metrics::{self, Way};

/// How many datagrams wait to be taken at most, and how many bytes of them.
const MOST: (usize, usize) = (1_024, 1 << 20);

/// Datagrams that have come to the socket of a [`DtlsListener`](crate::DtlsListener), or of a client, and are not DTLS: a stream
/// of [`ForeignDatagram`], from [`DtlsListener::foreign`](crate::DtlsListener::foreign) or
/// [`DtlsConnection::foreign`](crate::DtlsConnection::foreign). Up to 1,024 of them, and 1 MiB,
/// wait to be taken; what comes besides is dropped, and counted in
/// [`DtlsListenerStatistics::foreign_full`](crate::DtlsListenerStatistics::foreign_full) or
/// [`DtlsStatistics::foreign_full`](crate::DtlsStatistics::foreign_full).
///
/// It ends when another one is asked for, or with the listener and its last connection; a client's with its connection.
pub struct Foreign {
    endpoint: Arc<Endpoint>,
    datagrams: mpsc::Receiver<ForeignDatagram>,
    /// Of those that wait.
    bytes: Arc<AtomicUsize>,
}

/// A datagram that is not DTLS.
#[derive(Clone, Debug)]
pub struct ForeignDatagram {
    contents: Bytes,
    path: Path,
}

impl ForeignDatagram {
    /// What is in it: at least a byte, which is not 20 to 63.
    pub fn contents(&self) -> &Bytes {
        &self.contents
    }

    /// From where it says that it comes; that can be forged.
    pub fn peer_addr(&self) -> SocketAddr {
        self.path.peer
    }
}

/// The driver's end.
#[derive(Debug)]
pub(super) struct Taker {
    datagrams: mpsc::Sender<ForeignDatagram>,
    bytes: Arc<AtomicUsize>,
}

impl Taker {
    /// Whether there was room for it, and anybody.
    fn take(&self, path: Path, datagram: &[u8]) -> bool {
        // Nobody else adds anything.
        if self.bytes.load(Ordering::Acquire) + datagram.len() > MOST.1 {
            return false;
        }
        self.bytes.fetch_add(datagram.len(), Ordering::AcqRel);
        let contents = Bytes::copy_from_slice(datagram);
        let is_taken = self.datagrams.try_send(ForeignDatagram { contents, path });
        if is_taken.is_err() {
            self.bytes.fetch_sub(datagram.len(), Ordering::AcqRel);
        }
        is_taken.is_ok()
    }
}

/// Whether a datagram is for somebody else (RFC 9443 §3).
const fn is_foreign(datagram: &[u8]) -> bool {
    matches!(datagram, [first, ..] if !matches!(*first, 20..=63))
}

impl Endpoint {
    /// Gives what is not DTLS to whoever has asked for it. `false`: it is DTLS, or nobody has.
    pub(super) fn give_away(&self, path: Path, datagram: &[u8]) -> bool {
        if !is_foreign(datagram) {
            return false;
        }
        let taken = match &*lock(&self.foreign) {
            Some(taker) if !taker.datagrams.is_closed() => taker.take(path, datagram),
            _ => return false,
        };
        metrics::passed_on(Way::Foreign, taken);
        let mut statistics = lock(&self.statistics);
        match taken {
            true => statistics.foreign += 1,
            false => statistics.foreign_full += 1,
        }
        true
    }
}

impl DtlsConnection {
    /// Client with a socket of its own ([`DtlsConnector::connect`](crate::DtlsConnector::connect)): takes what comes to that and is not
    /// DTLS, by the first byte of each datagram (RFC 7983, RFC 9443): STUN, TURN, ZRTP, RTP, whoever has sent it. Without this
    /// it is dropped and counted. Of several calls the last one gets it. Where the system connects sockets (Linux, Android,
    /// Windows) only what has the server's address comes, and elsewhere anything.
    ///
    /// ```
    /// # use portcullis::{DtlsConnector, DtlsListener};
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # let mut other = listener.foreign();
    /// # tokio::spawn(async move { listener.accept().await?.handshake().await?.recv().await });
    /// let client = DtlsConnector::new(connector).connect(address, "localhost").await?;
    /// let mut media = client.foreign()?;
    /// media.send_to(&[128, 0, 0, 1], address).await?;
    /// # let Some(packet) = other.recv().await else { return Ok(()) };
    /// # other.answer(&[129, 0, 0, 1], &packet).await?;
    /// if let Some(packet) = media.recv().await {
    ///     println!("{} bytes of RTP", packet.contents().len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) of any other connection: at the socket of a listener
    /// [`DtlsListener::foreign`](crate::DtlsListener::foreign) takes it, of whatever peer, and a transport of the caller's
    /// gets nothing here but what the caller gives it.
    pub fn foreign(&self) -> Result<Foreign, Error> {
        match self.owner.endpoint.is_clients {
            true => Ok(Foreign::new(Arc::clone(&self.owner.endpoint))),
            false => Err(Misuse::new(
                "foreign: the socket is a listener's, which has `foreign` as well, or the transport is the caller's",
            )
            .into()),
        }
    }
}

impl Foreign {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        let (sender, datagrams) = mpsc::channel(MOST.0);
        let bytes = Arc::default();
        *lock(&endpoint.foreign) = Some(Taker {
            datagrams: sender,
            bytes: Arc::clone(&bytes),
        });
        if endpoint.is_over() {
            *lock(&endpoint.foreign) = None;
        }
        Self {
            endpoint,
            datagrams,
            bytes,
        }
    }

    /// The next one; `None` when it has ended.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost.
    pub async fn recv(&mut self) -> Option<ForeignDatagram> {
        std::future::poll_fn(|cx| self.poll_datagram(cx)).await
    }

    /// Sends something from the socket, as it is: an answer of STUN, a packet of RTP. It should begin as RFC 9443 §3 says,
    /// or whoever receives it takes it for DTLS.
    ///
    /// # Errors
    /// Those of the system for this datagram, as for one that is too long.
    ///
    /// # Cancel safety
    /// Dropped, nothing was sent.
    pub async fn send_to(&self, contents: &[u8], peer: SocketAddr) -> io::Result<()> {
        let path = Path { peer, local: None };
        self.endpoint.link.send(&path, contents, None).await
    }

    /// The same, to where a datagram has come from, and from the address that it was sent to.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    ///
    /// # Cancel safety
    /// Dropped, nothing was sent.
    pub async fn answer(&self, contents: &[u8], to: &ForeignDatagram) -> io::Result<()> {
        self.endpoint.link.send(&to.path, contents, None).await
    }

    fn poll_datagram(&mut self, cx: &mut Context<'_>) -> Poll<Option<ForeignDatagram>> {
        let next = ready!(self.datagrams.poll_recv(cx));
        if let Some(datagram) = &next {
            self.bytes
                .fetch_sub(datagram.contents.len(), Ordering::AcqRel);
        }
        Poll::Ready(next)
    }
}

impl Stream for Foreign {
    type Item = ForeignDatagram;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_datagram(cx)
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign")
            .field("waiting", &self.datagrams.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9443 §3, figure 1.
    #[test]
    fn the_first_byte_says_whose_it_is() {
        for first in 0..=u8::MAX {
            let is_dtls = (20..=63).contains(&first);
            assert_eq!(is_foreign(&[first, 0]), !is_dtls, "{first}");
        }
        assert!(!is_foreign(&[]));
    }
}
