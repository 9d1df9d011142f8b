//! What many connectors and acceptors share: stores, caches, defaults, and their end.

mod builder;
mod life;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portcullis_core::config::{
    ClientConfig, ClientConfigBuilder, ServerConfig, ServerConfigBuilder,
};
use portcullis_core::x509::Roots;
use portcullis_session_cache::{MemorySessionStore, ServerSessionStore, SessionStore};
use tokio::time::{Instant, timeout_at};

pub use self::builder::EnvironmentBuilder;
use self::builder::{Defaults, Over, Stores};
pub(crate) use self::life::{Life, Member};
use crate::acceptor::TlsAcceptor;
use crate::connector::TlsConnector;
use crate::first_shares::FirstShares;
use crate::handshake::within_bounds;
use crate::reload::PemFiles;
use crate::send_limits::WRITE_TIMEOUT;
use crate::server_sessions::ServerStore;

/// What connectors and acceptors share that are made in it: the stores of sessions, the caches of files and revocation
/// lists, the defaults of their configurations, and their end. Cheap to clone; clones are the same one.
///
/// A connector or acceptor that is made without has these for itself: there is nothing that all of a process share.
/// What is said more closely counts: a handshake's, then that of the connector or acceptor, of the configuration, of
/// the environment. A default counts when a configuration is built, or a connector or acceptor made, and not later.
/// Of connections over datagrams (DTLS) it knows when they begin, and not when they end.
///
/// ```
/// use std::time::Duration;
/// use portcullis::Environment;
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (identity, roots) = dev_identity();
/// let environment = Environment::builder()
///     .handshake_timeout(Duration::from_secs(5))
///     .build()?;
/// let server = environment.server_config().identity(identity).build()?;
/// let acceptor = environment.acceptor(server);
/// let client = environment.client_config(roots).build()?;
/// // All connectors of the environment find each other's sessions.
/// let connector = environment.connector(client);
/// # let (near, far) = tokio::io::duplex(65_536);
/// # let (client, server) = tokio::join!(connector.upgrade(near, "localhost"), acceptor.accept(far));
/// # let (client, server) = (client?, server?);
/// // Who serves connections hears of the end, and finishes.
/// let ending = environment.ending();
/// tokio::spawn(async move {
///     ending.await;
///     server.close(Duration::from_secs(1)).await
/// });
/// # drop(client);
/// let report = environment.shut_down(Duration::from_secs(5)).await;
/// assert!(report.is_complete());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Environment(Arc<Shared>);

struct Shared {
    defaults: Defaults,
    stores: Stores,
    /// Made when the first connector wants it.
    client_sessions: OnceLock<Arc<dyn SessionStore>>,
    first_shares: Arc<FirstShares>,
    /// Made when the first acceptor wants it.
    server_sessions: OnceLock<ServerStore>,
    pem_files: PemFiles,
    life: Arc<Life>,
    /// The stores that are being closed.
    closing: Arc<Life>,
}

/// What an environment has: [`Environment::statistics`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvironmentStatistics {
    /// Handshakes and connections that there are, and sessions on their way into a store.
    pub members: usize,
    /// Sessions of clients; `None` if the store does not count them.
    pub client_sessions: Option<usize>,
    /// Sessions of servers; `None` without a store, or if it does not count them.
    pub server_sessions: Option<usize>,
    /// Identities and roots that are kept of files.
    pub pem_files: usize,
    /// Servers of which is known which key share they want.
    pub first_shares: usize,
}

/// How an environment has ended: [`Environment::shut_down`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Handshakes and connections that there still were, and sessions that no store has.
    pub unfinished: usize,
    /// Stores that had not ended by then; they go on to end.
    pub unfinished_stores: usize,
}

impl ShutdownReport {
    /// Whether everything has come to its end.
    pub fn is_complete(&self) -> bool {
        self.unfinished == 0 && self.unfinished_stores == 0
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::new()
    }
}

impl Environment {
    /// With the defaults of [`EnvironmentBuilder`].
    pub fn new() -> Self {
        Self::of(Defaults::default(), Stores::default(), PemFiles::new())
    }

    /// Starts from the defaults.
    pub fn builder() -> EnvironmentBuilder {
        EnvironmentBuilder::default()
    }

    fn of(defaults: Defaults, stores: Stores, pem_files: PemFiles) -> Self {
        Self(Arc::new(Shared {
            defaults,
            stores,
            client_sessions: OnceLock::new(),
            first_shares: Arc::default(),
            server_sessions: OnceLock::new(),
            pem_files,
            life: Arc::default(),
            closing: Arc::default(),
        }))
    }

    /// Starts a client's configuration from the defaults of this environment: as
    /// [`ClientConfig::builder`](crate::ClientConfig::builder).
    pub fn client_config(&self, roots: Roots) -> ClientConfigBuilder {
        self.0
            .defaults
            .of_client(ClientConfig::builder(roots), Over::Streams)
    }

    /// Starts a server's configuration from the defaults of this environment: as
    /// [`ServerConfig::builder`](crate::ServerConfig::builder).
    pub fn server_config(&self) -> ServerConfigBuilder {
        self.0
            .defaults
            .of_server(&self.0.stores, ServerConfig::builder(), Over::Streams)
    }

    /// As [`client_config`](Self::client_config), for connections over datagrams: their versions are those of
    /// [`EnvironmentBuilder::datagram_versions`]. [`connector`](Self::connector) makes a
    /// [`DtlsConnector`](crate::DtlsConnector) of it as well.
    #[cfg(feature = "dtls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "dtls")))]
    pub fn datagram_client_config(&self, roots: Roots) -> ClientConfigBuilder {
        self.0
            .defaults
            .of_client(ClientConfig::builder(roots), Over::Datagrams)
    }

    /// As [`server_config`](Self::server_config), for connections over datagrams: their versions are those of
    /// [`EnvironmentBuilder::datagram_versions`].
    #[cfg(feature = "dtls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "dtls")))]
    pub fn datagram_server_config(&self) -> ServerConfigBuilder {
        self.0
            .defaults
            .of_server(&self.0.stores, ServerConfig::builder(), Over::Datagrams)
    }

    /// A connector that shares what this environment has: sessions, unless the configuration says whether there are
    /// [`session_tickets`](crate::config::ClientConfigBuilder::session_tickets); revocation lists, if the
    /// configuration asks for them; timeouts, and the end.
    pub fn connector(&self, config: ClientConfig) -> TlsConnector {
        let shared = &self.0;
        let sessions = || {
            Arc::clone(shared.client_sessions.get_or_init(|| {
                shared.stores.client_sessions.clone().unwrap_or_else(|| {
                    let store = MemorySessionStore::new(shared.defaults.client_session_bound);
                    Arc::new(store.expire_after(shared.defaults.client_session_lifetime))
                })
            }))
        };
        let mut conduct = shared.defaults.conduct(None);
        conduct.crls = shared
            .stores
            .crls
            .clone()
            .filter(|_| config.crl_check().is_on());
        conduct.life = Some(Arc::clone(&shared.life));
        TlsConnector::made(config, conduct, sessions, Arc::clone(&shared.first_shares))
    }

    /// An acceptor that shares what this environment has: sessions and the memory of early data, if stores were given for
    /// them and the configuration wants them; revocation lists, if the configuration asks for them; timeouts, limits
    /// and the end.
    pub fn acceptor(&self, config: ServerConfig) -> TlsAcceptor {
        let shared = &self.0;
        let mut conduct = shared.defaults.conduct(Some(WRITE_TIMEOUT));
        conduct.crls = shared
            .stores
            .crls
            .clone()
            .filter(|_| config.crl_check().is_on());
        conduct.replay_guard = shared
            .stores
            .replay_guard
            .clone()
            .filter(|_| config.asks_early_data());
        conduct.session_store = self
            .server_store()
            .filter(|_| config.for_session_store().is_ok());
        conduct.addresses = shared.defaults.addresses;
        conduct.life = Some(Arc::clone(&shared.life));
        TlsAcceptor::made(config, conduct)
    }

    fn server_store(&self) -> Option<ServerStore> {
        let store = self.0.stores.server_sessions.clone()?;
        let made = || ServerStore::new(store).within(Arc::clone(&self.0.life));
        Some(self.0.server_sessions.get_or_init(made).clone())
    }

    /// The files of this environment.
    pub fn pem_files(&self) -> &PemFiles {
        &self.0.pem_files
    }

    /// What there is now.
    ///
    /// # Cancel safety
    /// It can be dropped at any time.
    pub async fn statistics(&self) -> EnvironmentStatistics {
        let client_sessions = match self.0.client_sessions.get() {
            Some(store) => store.len().await,
            None => Some(0),
        };
        let server_sessions = match &self.0.stores.server_sessions {
            Some(store) => store.len().await,
            None => None,
        };
        EnvironmentStatistics {
            members: self.0.life.members(),
            client_sessions,
            server_sessions,
            pem_files: self.0.pem_files.len(),
            first_shares: self.0.first_shares.len(),
        }
    }

    /// Whether it was [shut down](Self::shut_down).
    pub fn is_ending(&self) -> bool {
        self.0.life.is_ending()
    }

    /// Waits until it is [shut down](Self::shut_down): for whoever serves a connection, and is to finish then. It borrows
    /// nothing.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost: it can be called again.
    pub fn ending(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        Life::ending(Arc::clone(&self.0.life))
    }

    /// Ends it, in at most `within`.
    ///
    /// * What would begin fails with [`Error::is_shut_down`](crate::Error::is_shut_down): connecting and accepting.
    ///   [Listeners](crate::TlsListener::accept) stop, and [`Connections`](crate::Connections) end behind the
    ///   handshakes that are under way.
    /// * Connections are told: those of a [`Handle`](crate::Handle) send what is queued and close in good order, and their
    ///   owners get [`Message::Closed`](crate::Message::Closed); whoever has a stream hears it from
    ///   [`ending`](Self::ending), and closes it.
    /// * Connections, handshakes and sessions that are on their way to a store are waited for, for three quarters of
    ///   `within`. A connection counts as long as there is a stream, a half or a handle's task of it.
    /// * Then the stores that were given are [closed](crate::SessionStore::close), each once, and the caches emptied.
    ///   Connections that are left go on, without these.
    ///
    /// # Cancel safety
    /// Dropped, what has begun to end ends; call it again for the rest.
    pub async fn shut_down(&self, within: Duration) -> ShutdownReport {
        let shared = &self.0;
        let (begin, within) = (Instant::now(), within_bounds(within));
        shared.life.end();
        let _ = timeout_at(begin + within / 4 * 3, shared.life.empty()).await;
        let unfinished_stores = self.close_stores(begin + within).await;
        shared.pem_files.clear();
        shared.first_shares.clear();
        ShutdownReport {
            unfinished: shared.life.members(),
            unfinished_stores,
        }
    }

    /// Closes stores that were not, at once with each other; how many take too long. These end in tasks of their own,
    /// whether anybody waits or not.
    async fn close_stores(&self, deadline: Instant) -> usize {
        let stores = &self.0.stores;
        let closing = &self.0.closing;
        if let Some(store) = self.0.client_sessions.get().cloned()
            && self.0.life.closes_clients()
        {
            let closing = Member::of(closing);
            tokio::spawn(async move {
                let _closing = closing;
                store.close().await;
            });
        }
        if let Some(store) = stores.server_sessions.clone()
            && self.0.life.closes_servers()
        {
            let closing = Member::of(closing);
            tokio::spawn(async move {
                let _closing = closing;
                ServerSessionStore::close(&*store).await;
            });
        }
        let _ = timeout_at(deadline, closing.empty()).await;
        closing.members()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("members", &self.0.life.members())
            .field("is_ending", &self.is_ending())
            .finish_non_exhaustive()
    }
}
