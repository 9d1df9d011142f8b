//! Stopping, from elsewhere, to accept connections.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use tokio::sync::watch;

/// Stops [`Connections`](super::Connections) that have gone elsewhere, e.g. into `axum::serve`.
///
/// Its clones stop the same ones.
///
/// ```no_run
/// use portcullis::{ServerConfig, TlsListener};
///
/// # async fn serve(config: ServerConfig) -> std::io::Result<()> {
/// let mut connections = TlsListener::bind("0.0.0.0:443", config).await?.connections(256);
/// let stop = connections.stop_handle();
/// tokio::spawn(async move {
///     // Or a signal of the system.
///     tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
///     stop.stop();
/// });
/// // An error once all handshakes are over that were under way.
/// while let Ok((stream, _)) = connections.accept().await {
///     # drop(stream);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StopHandle(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    over: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    stopping: bool,
    /// The task that polls the connections.
    waker: Option<Waker>,
}

impl StopHandle {
    /// Stops listening. Handshakes under way go on, each until its timeout at the latest, and can
    /// be accepted; behind the last one [`accept`](super::Connections::accept) fails, and the
    /// stream ends.
    ///
    /// The connections have to be polled for that. Once stopped, they stay stopped.
    pub fn stop(&self) {
        let waker = {
            let mut state = self.state();
            state.stopping = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until no further connection will come: the last handshake that was under way
    /// at [`stop`](Self::stop) has been accepted or has failed, or the connections were
    /// dropped.
    ///
    /// It borrows nothing: it is what `with_graceful_shutdown` of axum and others wait
    /// for. They close connections that wait for a request: let some time pass behind it, so that a
    /// client that has just shaken hands can still ask.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost: it can be called again.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut over = self.0.over.subscribe();
        async move {
            // The sender is gone when everybody is.
            let _ = over.wait_for(|over| *over).await;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        let locked = self.0.state.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle")
            .field("stopping", &self.state().stopping)
            .field("stopped", &*self.0.over.borrow())
            .finish()
    }
}

/// The other end, of the connections themselves.
pub(crate) struct Stopping(StopHandle);

impl Stopping {
    pub(crate) fn new() -> Self {
        Self(StopHandle(Arc::new(Shared {
            state: Mutex::default(),
            over: watch::Sender::new(false),
        })))
    }

    pub(crate) fn handle(&self) -> StopHandle {
        self.0.clone()
    }

    /// Whether to stop; if not, the task is woken when that changes.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> bool {
        let mut state = self.0.state();
        if !state.stopping {
            match &mut state.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        state.stopping
    }

    /// No further connection will come.
    pub(crate) fn over(&self) {
        self.0.0.over.send_replace(true);
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        self.over();
    }
}
