//! Many connections at once over streams.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use portcullis_core::Stage;
use portcullis_core::config::ServerConfig;
use tokio::time::{Sleep, sleep_until};

use super::Accept;
use super::address_limits::AddressLimits;
use super::faults::Faults;
use super::handshakes::Handshakes;
use super::listener::TlsListener;
use super::stop::StopHandle;
use crate::acceptor::TlsAcceptor;
use crate::error::Error;
use crate::reload::Reloadable;
use crate::stream::TlsStream;

/// A connection that [`Connections`] could not make.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionError<A = SocketAddr> {
    /// Whose it was; `None` when the listener itself failed.
    pub peer_addr: Option<A>,
    /// Why it failed.
    pub error: Error,
    /// How long it took, from where it was accepted.
    pub after: Duration,
}

impl<A> ConnectionError<A> {
    /// Whether the client came without a word: a health check, a port scan, or a connection made
    /// in advance, and no broken handshake. The same as [`Error::is_silent_peer`].
    pub fn is_probe(&self) -> bool {
        self.error.is_silent_peer()
    }
}

impl<A: fmt::Debug> fmt::Display for ConnectionError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(peer) = &self.peer_addr {
            write!(f, "{peer:?}: ")?;
        }
        self.error.fmt(f)
    }
}

impl<A: fmt::Debug> std::error::Error for ConnectionError<A> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

type Shaken<A> = super::handshakes::Shaken<TlsStream<<A as Accept>::Io>, <A as Accept>::Addr>;

/// Connections whose handshake is over, in the order in which they finished: a stream of
/// `Result<TlsStream, ConnectionError>` that ends only when it was [stopped](Self::stop_handle).
///
/// An error is one failed handshake and means nothing for the others; without a
/// [`peer_addr`](ConnectionError::peer_addr) it is the listener's, which is tried again after a
/// pause if the stream is polled again.
///
/// Dropped, the handshakes under way are aborted; see [`finish`](Self::finish) and
/// [`stop_handle`](Self::stop_handle).
#[must_use = "connections are accepted when the stream is polled"]
pub struct Connections<A: Accept = TlsListener> {
    /// `None` once it was stopped.
    listener: Option<A>,
    acceptor: TlsAcceptor,
    handshakes: Handshakes<TlsStream<A::Io>, A::Addr>,
    faults: Faults,
    /// While the listener recovers from an error.
    pause: Option<Pin<Box<Sleep>>>,
}

impl<A: Accept> Connections<A> {
    /// Accepts from `listener` and shakes hands with up to `limit` clients at once; see
    /// [`TlsListener::connections`].
    ///
    /// ```
    /// use portcullis::Connections;
    /// use tokio::net::TcpListener;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// // Anything that is `Accept`: here TCP without TLS.
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let address = listener.local_addr()?;
    /// # tokio::spawn(async move { connector.connect(address, "localhost").await });
    /// let mut connections = Connections::new(listener, acceptor, 1_024);
    /// let (stream, peer) = connections.accept().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(listener: A, acceptor: impl Into<TlsAcceptor>, limit: usize) -> Self {
        let acceptor = acceptor.into();
        Self {
            listener: Some(listener),
            handshakes: Handshakes::new(limit, acceptor.conduct()),
            acceptor,
            faults: Faults::default(),
            pause: None,
        }
    }

    /// What went wrong before is remembered.
    pub(super) fn after(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Calls this with each handshake that fails, also with those that
    /// [`accept`](Self::accept) passes over: for counters and bans. It is called while connections
    /// are polled and must not block.
    ///
    /// A client that came without a word is told apart by
    /// [`is_probe`](ConnectionError::is_probe).
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokio::io::AsyncWriteExt;
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # tokio::spawn(async move {
    /// #     let mut wrong = tokio::net::TcpStream::connect(address).await.unwrap();
    /// #     wrong.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    /// #     connector.connect(address, "localhost").await
    /// # });
    /// let failures = Arc::new(AtomicU64::new(0));
    /// let counted = Arc::clone(&failures);
    /// let mut connections = listener.connections(1).on_failed(move |failed| {
    ///     eprintln!("{failed}");
    ///     counted.fetch_add(1, Ordering::Relaxed);
    /// });
    /// let (stream, _) = connections.accept().await?;
    /// # assert_eq!(failures.load(Ordering::Relaxed), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_failed(
        mut self,
        call: impl FnMut(&ConnectionError<A::Addr>) + Send + 'static,
    ) -> Self {
        self.handshakes.on_failed(call);
        self
    }

    /// Limits what one address may have, so that one client cannot take all places. `address_of` says which it
    /// is; `None` has no limit.
    ///
    /// What is over a limit is closed at once, before a byte is read, and is a handshake that has failed:
    /// with [`Error::is_over_limit`].
    ///
    /// ```
    /// use portcullis::AddressLimits;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_, acceptor) = dev_ends();
    /// # let listener = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// let limits = AddressLimits::new().handshakes(16).rate(50, 10);
    /// let connections = listener
    ///     .connections(1024)
    ///     .per_address(limits, |peer| Some(peer.ip()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn per_address(
        mut self,
        limits: AddressLimits,
        address_of: impl Fn(&A::Addr) -> Option<IpAddr> + Send + 'static,
    ) -> Self {
        self.handshakes.per_address(limits, address_of);
        self
    }

    /// The listener; `None` once it was stopped.
    pub fn listener(&self) -> Option<&A> {
        self.listener.as_ref()
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// Those of [`Accept::local_addr`]; [`NotConnected`](io::ErrorKind::NotConnected) once it
    /// was stopped.
    pub fn local_addr(&self) -> io::Result<A::Addr> {
        match &self.listener {
            Some(listener) => listener.local_addr(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// What stops these connections from elsewhere, gracefully, also when they were moved into
    /// `axum::serve` or another server. That server ends by its own means: axum's `with_graceful_shutdown` takes
    /// [`stopped`](StopHandle::stopped).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// let mut connections = listener.connections(256);
    /// let stop = connections.stop_handle();
    /// // In another task, when a signal comes:
    /// stop.stop();
    /// while let Ok((stream, _)) = connections.accept().await {
    ///     # drop(stream);
    /// }
    /// // No handshake is under way any more.
    /// stop.stopped().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop_handle(&self) -> StopHandle {
        self.handshakes.stop_handle()
    }

    /// As [`TlsListener::reloadable`].
    pub fn reloadable(&self) -> Reloadable<ServerConfig> {
        self.acceptor.reloadable()
    }

    /// Another acceptor for the connections to come: e.g. with new certificates.
    pub fn set_acceptor(&mut self, acceptor: TlsAcceptor) {
        self.handshakes.set_log(acceptor.conduct());
        self.acceptor = acceptor;
    }

    /// Handshakes that are under way, or finished and not taken.
    pub fn handshakes(&self) -> usize {
        self.handshakes.len()
    }

    /// The next connection whose handshake succeeds; those that fail are passed over.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let listener = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?;
    /// # let address = listener.local_addr()?;
    /// # tokio::spawn(async move { connector.connect(address, "localhost").await });
    /// let mut connections = listener.connections(1024);
    /// let (stream, peer) = connections.accept().await?;
    /// println!("{peer} speaks {:?}", stream.alpn_protocol());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The listener's, and [`BrokenPipe`](io::ErrorKind::BrokenPipe) behind the last
    /// connection of those that were [stopped](Self::stop_handle).
    ///
    /// # Cancel safety
    /// Dropped, no connection is lost.
    pub async fn accept(&mut self) -> io::Result<(TlsStream<A::Io>, A::Addr)> {
        let stopped = || io::Error::new(io::ErrorKind::BrokenPipe, "the listener was stopped");
        self.next_established().await.ok_or_else(stopped)?
    }

    /// As [`accept`](Self::accept); `None` behind the last one of those that were stopped.
    pub(crate) async fn next_established(
        &mut self,
    ) -> Option<io::Result<(TlsStream<A::Io>, A::Addr)>> {
        loop {
            match std::future::poll_fn(|cx| self.poll_finished(cx)).await? {
                Ok(Ok(connection)) => return Some(Ok(connection)),
                Ok(Err(error)) => self.report(&error),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// What is passed over. The handshake has told why it failed, as far as that may be told.
    fn report(&self, error: &ConnectionError<A::Addr>) {
        let config = self.acceptor.reloadable().current();
        let may_be_told = !config.reads_encrypted_hellos();
        self.handshakes.report(may_be_told.then_some(error));
    }

    /// Stops listening, and finishes the handshakes under way: each ends by its timeout at the
    /// latest, or where the client is refused, by the
    /// [`alert_timeout`](crate::TlsAcceptor::alert_timeout) after it.
    ///
    /// # Cancel safety
    /// Dropped, they are aborted.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis::Connections;
    /// use tokio::net::TcpListener;
    ///
    /// # let (_, acceptor) = dev_ends();
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let connections = Connections::new(listener, acceptor, 1_024);
    /// // …until there is a reason to end:
    /// for finished in connections.finish().await {
    ///     let stream = finished?;
    ///     // It is served like the others.
    ///     # drop(stream);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn finish(self) -> Vec<Result<TlsStream<A::Io>, ConnectionError<A::Addr>>> {
        drop(self.listener);
        self.handshakes.finish().await
    }

    /// `None` when it was stopped and all handshakes are over.
    fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Shaken<A>>>> {
        let Self {
            listener,
            acceptor,
            handshakes,
            faults,
            pause,
        } = self;
        handshakes.poll(
            listener,
            |listener, cx| poll_accept(listener, faults, pause, cx).map(Some),
            |io, since, peer| acceptor.accept_from(io, since, Some(peer)),
            cx,
        )
    }
}

fn poll_accept<A: Accept>(
    listener: &mut A,
    faults: &mut Faults,
    pause: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<(A::Io, A::Addr)>> {
    loop {
        if pause.is_none() {
            *pause = faults.pause().map(|until| Box::pin(sleep_until(until)));
        }
        if let Some(running) = pause {
            ready!(running.as_mut().poll(cx));
            *pause = None;
        }
        let accepted = ready!(listener.poll_accept(cx));
        if let Some(accepted) = faults.sort(accepted) {
            return Poll::Ready(accepted);
        }
    }
}

impl<A: Accept + Unpin> Stream for Connections<A> {
    type Item = Result<TlsStream<A::Io>, ConnectionError<A::Addr>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let finished = ready!(self.get_mut().poll_finished(cx));
        Poll::Ready(finished.map(|finished| match finished {
            Ok(shaken) => shaken.map(|(stream, _)| stream),
            Err(error) => Err(ConnectionError {
                peer_addr: None,
                error: Error::io(error, Stage::Connecting),
                after: Duration::ZERO,
            }),
        }))
    }
}

impl<A: Accept + fmt::Debug> fmt::Debug for Connections<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("listener", &self.listener)
            .field("handshakes", &self.handshakes)
            .finish_non_exhaustive()
    }
}
