//! Where sessions are kept, and who remembers early data: what a configuration of TLS has not in itself.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis::{ReplayGuard, ServerConfig, ServerSessionStore, TlsAcceptor};
use tokio::task::JoinSet;

/// Asks whether somebody is there, and says why not.
pub(crate) type Ping =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// How often it is looked whether somebody is there.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A store that may be gone.
#[derive(Clone)]
pub(crate) struct Watched {
    /// What it is for, as metrics have it.
    pub(crate) what: &'static str,
    ping: Ping,
    is_up: Arc<AtomicBool>,
}

impl Watched {
    #[cfg(any(feature = "redis", test))]
    pub(crate) fn new(what: &'static str, ping: Ping) -> Self {
        Self {
            what,
            ping,
            is_up: Arc::default(),
        }
    }

    /// Whether it was there when somebody looked last.
    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Says when it is gone, and when it is back.
    async fn watch(&self, every: Duration) {
        let mut was_up = true;
        loop {
            let answer = (self.ping)().await;
            self.is_up.store(answer.is_ok(), Ordering::Relaxed);
            match answer {
                Err(error) if was_up => {
                    tracing::warn!(%error, "sessions are not resumed, or early data not accepted, until it is there");
                }
                Ok(()) if !was_up => {
                    tracing::info!("what keeps sessions, or remembers early data, is there again")
                }
                _ => {}
            }
            was_up = self.is_up();
            tokio::time::sleep(every).await;
        }
    }
}

/// Of all routes.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    /// With the store; each connection takes it with a configuration of its own.
    acceptor: Option<TlsAcceptor>,
    guard: Option<Arc<dyn ReplayGuard>>,
    pub(crate) watched: Vec<Watched>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("store", &self.acceptor.is_some())
            .field("guard", &self.guard.is_some())
            .finish()
    }
}

impl Kept {
    /// `config` is one of those that have the store.
    pub(crate) fn new(
        config: Option<&ServerConfig>,
        store: Option<Arc<dyn ServerSessionStore>>,
        guard: Option<Arc<dyn ReplayGuard>>,
        watched: Vec<Watched>,
    ) -> Self {
        let acceptor = config
            .zip(store)
            .map(|(config, store)| TlsAcceptor::new(config.clone()).session_store(store));
        Self {
            acceptor,
            guard,
            watched,
        }
    }

    /// For a connection that begins with this configuration.
    pub(crate) fn acceptor(&self, first: ServerConfig) -> TlsAcceptor {
        let guard = self.guard.as_ref().filter(|_| first.asks_early_data());
        let acceptor = match &self.acceptor {
            Some(acceptor) => acceptor.with_config(first),
            None => TlsAcceptor::new(first),
        };
        match guard {
            Some(guard) => acceptor.replay_guard(Arc::clone(guard)),
            None => acceptor,
        }
    }

    /// Says which of them are not there, and looks for them from then on. They are told of this proxy, too: the time until
    /// early data is accepted begins. A proxy can start without them, and finds them later.
    pub(crate) async fn watch(&self) {
        self.watch_every(LOOK_EVERY).await;
    }

    async fn watch_every(&self, every: Duration) {
        let mut watching = JoinSet::new();
        for watched in &self.watched {
            let watched = watched.clone();
            watching.spawn(async move { watched.watch(every).await });
        }
        // Dropped, it ends them.
        while watching.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_that_is_gone_is_found_again() {
        let there = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&there);
        let ping: Ping = Arc::new(move || {
            let is_there = asked.load(Ordering::Relaxed);
            Box::pin(async move { is_there.then_some(()).ok_or_else(|| "gone".to_owned()) })
        });
        let watched = Watched::new("sessions", ping);
        let kept = Kept::new(None, None, None, vec![watched.clone()]);
        let every = Duration::from_millis(5);
        let mut watching = JoinSet::new();
        watching.spawn(async move { kept.watch_every(every).await });
        for is_there in [true, false, true] {
            there.store(is_there, Ordering::Relaxed);
            let seen = async {
                while watched.is_up() != is_there {
                    tokio::time::sleep(every).await;
                }
            };
            let seen = tokio::time::timeout(Duration::from_secs(20), seen);
            seen.await.expect("it is noticed");
        }
    }
}
