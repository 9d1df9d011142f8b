//! Many handshakes over datagrams at once, each in a task of its own.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::DtlsConnection;
use super::listener::DtlsListener;
use crate::accept::{ConnectionError, StopHandle, Stopping};
use crate::environment::Life;
use crate::error::Error;
use crate::log_level::{LogLevel, log_at};

type Shaken = Result<DtlsConnection, ConnectionError>;
type OnFailed = Box<dyn FnMut(&ConnectionError) + Send>;

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
    stopping: Stopping,
    limit: usize,
    handshakes: JoinSet<Shaken>,
    on_failed: Option<OnFailed>,
    log: Option<LogLevel>,
    /// Of the environment.
    ending: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl DtlsConnections {
    pub(super) fn new(listener: DtlsListener, limit: usize) -> Self {
        let life = listener.conduct().life.clone();
        let log = listener.conduct().log;
        Self {
            listener: Some(listener),
            stopping: Stopping::new(),
            limit: limit.max(1),
            handshakes: JoinSet::new(),
            on_failed: None,
            log,
            ending: life.map(|life| Box::pin(Life::ending(life)) as Pin<Box<_>>),
        }
    }

    /// Calls this with each handshake that fails, also with those that [`accept`](Self::accept) passes over: for counters
    /// and bans. It is called while connections are polled and must not block.
    pub fn on_failed(mut self, call: impl FnMut(&ConnectionError) + Send + 'static) -> Self {
        self.on_failed = Some(Box::new(call));
        self
    }

    /// The listener; `None` once it was stopped.
    pub fn listener(&self) -> Option<&DtlsListener> {
        self.listener.as_ref()
    }

    /// What stops these connections from elsewhere: nobody else comes in, the handshakes that are under way are handed on, and
    /// behind the last one the stream is over. The connections that are there go on.
    pub fn stop_handle(&self) -> StopHandle {
        self.stopping.handle()
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
                Some(Ok(connection)) => return Ok(connection),
                Some(Err(error)) => log_at!(self.log, DEBUG, %error, "a handshake failed"),
                None => return Err(Error::closed()),
            }
        }
    }

    /// `None` when it was stopped and all handshakes are over.
    fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<Option<Shaken>> {
        if let Some(ending) = &mut self.ending
            && ending.as_mut().poll(cx).is_ready()
        {
            self.ending = None;
            self.stopping.handle().stop();
        }
        if self.stopping.poll(cx) {
            self.listener = None;
        }
        loop {
            match self.handshakes.poll_join_next(cx) {
                Poll::Ready(Some(Ok(shaken))) => {
                    if let (Err(error), Some(call)) = (&shaken, &mut self.on_failed) {
                        call(error);
                    }
                    return Poll::Ready(Some(shaken));
                }
                // An answer that panicked costs its own connection only.
                Poll::Ready(Some(Err(error))) => {
                    log_at!(self.log, ERROR, %error, "a handshake did not come to its end");
                    continue;
                }
                Poll::Ready(None) | Poll::Pending => {}
            }
            let Some(listener) = &mut self.listener else {
                if !self.handshakes.is_empty() {
                    return Poll::Pending;
                }
                self.stopping.over();
                return Poll::Ready(None);
            };
            if self.handshakes.len() >= self.limit {
                return Poll::Pending;
            }
            let Some(incoming) = ready!(listener.poll_incoming(cx)) else {
                self.listener = None;
                continue;
            };
            let (peer_addr, since) = (incoming.peer_addr(), Instant::now());
            self.handshakes.spawn(async move {
                incoming.handshake().await.map_err(|error| {
                    let after: Duration = since.elapsed();
                    ConnectionError {
                        peer_addr,
                        error,
                        after,
                    }
                })
            });
        }
    }
}

impl Stream for DtlsConnections {
    type Item = Result<DtlsConnection, ConnectionError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_finished(cx)
    }
}

impl fmt::Debug for DtlsConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsConnections")
            .field("listener", &self.listener)
            .field("limit", &self.limit)
            .field("handshakes", &self.handshakes.len())
            .finish_non_exhaustive()
    }
}
