//! Where sessions are kept, and who remembers early data: what a configuration of TLS has not in itself.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use portcullis::{ReplayGuard, ServerConfig, ServerSessionStore, TlsAcceptor};

/// Asks whether somebody is there, and says why not.
pub(crate) type Ping =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Of all routes.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    /// With the store; each connection takes it with a configuration of its own.
    acceptor: Option<TlsAcceptor>,
    guard: Option<Arc<dyn ReplayGuard>>,
    pings: Vec<Ping>,
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
        pings: Vec<Ping>,
    ) -> Self {
        let acceptor = config
            .zip(store)
            .map(|(config, store)| TlsAcceptor::new(config.clone()).session_store(store));
        Self {
            acceptor,
            guard,
            pings,
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

    /// Says which of them are not there. They are told of this proxy, too: the time until early data is accepted begins. A
    /// proxy can start without them, and finds them later.
    pub(crate) async fn greet(&self) {
        for ping in &self.pings {
            if let Err(error) = ping().await {
                tracing::warn!(%error, "sessions are not resumed, or early data not accepted, until it is there");
            }
        }
    }
}
