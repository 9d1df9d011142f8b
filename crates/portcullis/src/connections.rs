//! Many handshakes at once, each in a task of its own.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use portcullis_core::Stage;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Sleep;

use crate::error::Error;
use crate::listener::TlsListener;
use crate::stream::TlsStream;

/// A connection that [`Connections`] could not make.
#[derive(Debug)]
pub struct ConnectionError {
    /// Whose it was; `None` when the listening socket itself failed.
    pub peer_addr: Option<SocketAddr>,
    /// Why it failed.
    pub error: Error,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(peer) = self.peer_addr {
            write!(f, "{peer}: ")?;
        }
        self.error.fmt(f)
    }
}

impl std::error::Error for ConnectionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

type Shaken = (SocketAddr, Result<TlsStream<TcpStream>, Error>);

/// Connections whose handshake is over, in the order in which they finished: a stream of
/// `Result<TlsStream, ConnectionError>` that never ends.
///
/// An error is one failed handshake and means nothing for the others; without a
/// [`peer_addr`](ConnectionError::peer_addr) it is the listening socket's, which is tried again
/// after a pause if the stream is polled again.
///
/// Dropped, the handshakes under way are aborted.
#[derive(Debug)]
#[must_use = "connections are accepted when the stream is polled"]
pub struct Connections {
    listener: TlsListener,
    limit: usize,
    handshakes: JoinSet<Shaken>,
    /// While the listener recovers from an error.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Connections {
    pub(crate) fn new(listener: TlsListener, limit: usize) -> Self {
        Self {
            listener,
            limit: limit.max(1),
            handshakes: JoinSet::new(),
            pause: None,
        }
    }

    /// The listener.
    pub fn listener(&self) -> &TlsListener {
        &self.listener
    }

    /// The listener, e.g. to change its acceptor.
    pub fn listener_mut(&mut self) -> &mut TlsListener {
        &mut self.listener
    }

    /// Handshakes that are under way, or finished and not taken.
    pub fn handshakes(&self) -> usize {
        self.handshakes.len()
    }

    /// The next connection whose handshake succeeds; failed handshakes are logged and passed
    /// over.
    ///
    /// # Errors
    /// The listening socket's.
    ///
    /// # Cancel safety
    /// Dropped, no connection is lost.
    pub async fn accept(&mut self) -> io::Result<(TlsStream<TcpStream>, SocketAddr)> {
        loop {
            match std::future::poll_fn(|cx| self.poll_finished(cx)).await? {
                (peer, Ok(stream)) => return Ok((stream, peer)),
                (peer, Err(error)) => tracing::debug!(%peer, %error, "a handshake failed"),
            }
        }
    }

    /// Stops listening, and finishes the handshakes under way.
    ///
    /// # Cancel safety
    /// Dropped, they are aborted.
    pub async fn finish(mut self) -> Vec<Result<TlsStream<TcpStream>, ConnectionError>> {
        let mut finished = Vec::with_capacity(self.handshakes.len());
        drop(self.listener);
        while let Some(joined) = self.handshakes.join_next().await {
            if let Ok((peer_addr, result)) = joined {
                finished.push(result.map_err(|error| ConnectionError {
                    peer_addr: Some(peer_addr),
                    error,
                }));
            }
        }
        finished
    }

    fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Shaken>> {
        loop {
            match self.handshakes.poll_join_next(cx) {
                Poll::Ready(Some(Ok(shaken))) => return Poll::Ready(Ok(shaken)),
                // An answer that panicked costs its own connection only.
                Poll::Ready(Some(Err(error))) => {
                    tracing::error!(%error, "a handshake did not come to its end");
                    continue;
                }
                Poll::Ready(None) | Poll::Pending => {}
            }
            if self.handshakes.len() >= self.limit {
                return Poll::Pending;
            }
            let incoming = ready!(self.listener.poll_accept(cx, &mut self.pause))?;
            self.handshakes.spawn(async move {
                let peer = incoming.peer_addr();
                (peer, incoming.handshake().await)
            });
        }
    }
}

impl Stream for Connections {
    type Item = Result<TlsStream<TcpStream>, ConnectionError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(match ready!(self.get_mut().poll_finished(cx)) {
            Ok((peer_addr, result)) => result.map_err(|error| ConnectionError {
                peer_addr: Some(peer_addr),
                error,
            }),
            Err(error) => {
                let error = Error::io(error, Stage::Connecting);
                Err(ConnectionError {
                    peer_addr: None,
                    error,
                })
            }
        }))
    }
}
