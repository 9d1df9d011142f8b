//! Many connections at once over datagrams.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::connection::DtlsConnection;
use super::listener::{DtlsIncoming, DtlsListener};
use crate::accept::{ConnectionError, Handshakes, Shaken, StopHandle};
use crate::acceptor::TlsAcceptor;
use crate::error::Error;

/// A transport may have no addresses.
type Peer = Option<SocketAddr>;

/// Connections over DTLS whose handshake is over, in the order in which they finished: a stream of
/// `Result<DtlsConnection, ConnectionError>`, as [`Connections`](crate::Connections) is over TCP. What one address may have
/// is in [`DtlsOptions`](crate::DtlsOptions::per_address).
///
/// An error is one failed handshake and means nothing for the others. The stream ends when it was
/// [stopped](Self::stop_handle), or the listener's task is gone, with its runtime; behind the handshakes that were under way.
///
/// Dropped, the handshakes under way are aborted.
#[must_use = "connections are accepted when the stream is polled"]
pub struct DtlsConnections {
    /// `None` once it was stopped.
    listener: Option<DtlsListener>,
    handshakes: Handshakes<DtlsConnection, Peer, SocketAddr>,
    acceptor: TlsAcceptor,
}

impl DtlsConnections {
    pub(super) fn new(listener: DtlsListener, limit: usize) -> Self {
        Self {
            handshakes: Handshakes::new(limit, &listener.acceptor().conduct),
            acceptor: listener.acceptor().clone(),
            listener: Some(listener),
        }
    }

    /// Calls this with each handshake that fails, also with those that [`accept`](Self::accept) passes over: for counters
    /// and bans. It is called while connections are polled and must not block.
    pub fn on_failed(mut self, call: impl FnMut(&ConnectionError) + Send + 'static) -> Self {
        self.handshakes.on_failed(call);
        self
    }

    /// The listener; `None` once it was stopped.
    pub fn listener(&self) -> Option<&DtlsListener> {
        self.listener.as_ref()
    }

    /// What stops these connections from elsewhere: nobody else comes in, the handshakes that are under way are handed on, and
    /// behind the last one the stream is over. The connections that are there go on.
    pub fn stop_handle(&self) -> StopHandle {
        self.handshakes.stop_handle()
    }

    /// Handshakes that are under way, or finished and not taken.
    pub fn handshakes(&self) -> usize {
        self.handshakes.len()
    }

    /// The next connection whose handshake succeeds; those that fail are passed over.
    ///
    /// ```
    /// # use portcullis::DtlsConnector;
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = portcullis::DtlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # let client = DtlsConnector::new(connector);
    /// # tokio::spawn(async move { client.connect(address, "localhost").await });
    /// let mut connections = listener.connections(1024).on_failed(|failed| println!("{failed}"));
    /// let connection = connections.accept().await?;
    /// println!("{:?} is here", connection.peer_addr());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::is_closed`] behind the last connection of those that were [stopped](Self::stop_handle).
    ///
    /// # Cancel safety
    /// Dropped, no connection is lost.
    pub async fn accept(&mut self) -> Result<DtlsConnection, Error> {
        loop {
            match std::future::poll_fn(|cx| self.poll_finished(cx)).await {
                Some(Ok((connection, _))) => return Ok(connection),
                Some(Err(error)) => self.report(&error),
                None => return Err(Error::closed()),
            }
        }
    }

    /// What is passed over. The handshake has told why it failed, as far as that may be told.
    fn report(&self, error: &ConnectionError) {
        let config = self.acceptor.config.current();
        let may_be_told = !config.reads_encrypted_hellos();
        self.handshakes.report(may_be_told.then_some(error));
    }

    /// Accepts nobody else, and finishes the handshakes under way, as [`Connections::finish`](crate::Connections::finish):
    /// each ends by its timeout at the latest.
    ///
    /// # Cancel safety
    /// Dropped, they are aborted.
    pub async fn finish(self) -> Vec<Result<DtlsConnection, ConnectionError>> {
        drop(self.listener);
        self.handshakes.finish().await
    }

    /// `None` when it was stopped and all handshakes are over.
    fn poll_finished(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Shaken<DtlsConnection, Peer, SocketAddr>>> {
        let finished = self.handshakes.poll(
            &mut self.listener,
            |listener, cx| {
                // Faults of the socket are its task's.
                let incoming = ready!(listener.poll_incoming(cx));
                let with_peer = |incoming: DtlsIncoming| {
                    let peer = incoming.peer_addr();
                    Ok::<_, Infallible>((incoming, peer))
                };
                Poll::Ready(incoming.map(with_peer))
            },
            |incoming, _, _| incoming.handshake(),
            cx,
        );
        Poll::Ready(ready!(finished).map(|Ok(shaken)| shaken))
    }
}

impl Stream for DtlsConnections {
    type Item = Result<DtlsConnection, ConnectionError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let finished = ready!(self.get_mut().poll_finished(cx));
        Poll::Ready(finished.map(|shaken| shaken.map(|(connection, _)| connection)))
    }
}

impl fmt::Debug for DtlsConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsConnections")
            .field("listener", &self.listener)
            .field("handshakes", &self.handshakes)
            .finish()
    }
}
