//! What an environment begins with.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis_core::session::TicketKeys;
use portcullis_core::{Misuse, ProtocolVersion};
use portcullis_crl_fetch::CrlSource;
use portcullis_session_cache::{ReplayGuard, ServerSessionStore, SessionStore};

use super::Environment;
use crate::accept::AddressLimits;
use crate::conduct::Conduct;
use crate::crls::Crls;
use crate::early_data::Guard;
use crate::log_level::LogLevel;
use crate::reload::PemFiles;

/// The longest life of a session (RFC 8446 §4.6.1).
const WEEK: Duration = Duration::from_secs(604_800);

/// What configurations, connectors and acceptors begin with; what is `None` is as it is without an environment.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    versions: Option<Vec<ProtocolVersion>>,
    #[cfg(feature = "dtls")]
    datagram_versions: Option<Vec<ProtocolVersion>>,
    max_handshake_size: Option<usize>,
    ticket_count: Option<u8>,
    ticket_lifetime: Option<Duration>,
    max_early_data: Option<u32>,
    pub(super) client_session_bound: usize,
    pub(super) client_session_lifetime: Duration,
    pub(super) addresses: Option<AddressLimits>,
    conduct: Conduct,
    /// `None`: that of the role.
    write_timeout: Option<Duration>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            versions: None,
            #[cfg(feature = "dtls")]
            datagram_versions: None,
            max_handshake_size: None,
            ticket_count: None,
            ticket_lifetime: None,
            max_early_data: None,
            client_session_bound: 1_000,
            client_session_lifetime: Duration::from_secs(7_200),
            addresses: None,
            conduct: Conduct::default(),
            write_timeout: None,
        }
    }
}

/// What connections go over.
#[derive(Clone, Copy)]
pub(super) enum Over {
    Streams,
    #[cfg(feature = "dtls")]
    Datagrams,
}

/// What was given to be shared.
#[derive(Clone, Default)]
pub(super) struct Stores {
    pub(super) client_sessions: Option<Arc<dyn SessionStore>>,
    pub(super) server_sessions: Option<Arc<dyn ServerSessionStore>>,
    pub(super) replay_guard: Option<Guard>,
    pub(super) crls: Option<Crls>,
    ticket_keys: Option<TicketKeys>,
}

impl Defaults {
    /// Of a role that has this limit by itself.
    pub(super) fn conduct(&self, write_timeout: Option<Duration>) -> Conduct {
        let mut conduct = self.conduct.clone();
        let limit = self.write_timeout.or(write_timeout);
        conduct.send_limits.set_write_timeout(limit);
        conduct
    }

    fn versions_over(&self, over: Over) -> Option<&[ProtocolVersion]> {
        match over {
            Over::Streams => self.versions.as_deref(),
            #[cfg(feature = "dtls")]
            Over::Datagrams => self.datagram_versions.as_deref(),
        }
    }

    pub(super) fn of_client(
        &self,
        mut config: ClientConfigBuilder,
        over: Over,
    ) -> ClientConfigBuilder {
        if let Some(versions) = self.versions_over(over) {
            config = config.versions(versions.to_vec());
        }
        if let Some(bytes) = self.max_handshake_size {
            config = config.max_handshake_size(bytes);
        }
        config
    }

    pub(super) fn of_server(
        &self,
        stores: &Stores,
        mut config: ServerConfigBuilder,
        over: Over,
    ) -> ServerConfigBuilder {
        if let Some(versions) = self.versions_over(over) {
            config = config.versions(versions.to_vec());
        }
        if let Some(bytes) = self.max_handshake_size {
            config = config.max_handshake_size(bytes);
        }
        if let Some(count) = self.ticket_count {
            config = config.ticket_count(count);
        }
        if let Some(lifetime) = self.ticket_lifetime {
            config = config.ticket_lifetime(lifetime);
        }
        if let Some(bytes) = self.max_early_data {
            config = config.max_early_data(bytes);
        }
        if let Some(keys) = &stores.ticket_keys {
            config = config.ticket_keys(keys.clone());
        }
        config
    }
}

/// Builds an [`Environment`]. What is not said is as it is for a connector or acceptor without one, but for the
/// sessions of clients, which all connectors share.
#[derive(Clone, Default)]
#[must_use]
pub struct EnvironmentBuilder {
    defaults: Defaults,
    stores: Stores,
    pem_files: PemFiles,
}

impl EnvironmentBuilder {
    /// The versions of configurations that name none.
    pub fn versions(mut self, versions: impl IntoIterator<Item = ProtocolVersion>) -> Self {
        self.defaults.versions = Some(versions.into_iter().collect());
        self
    }

    /// The versions of configurations for datagrams ([`Environment::datagram_client_config`] and
    /// [`Environment::datagram_server_config`]) that name none: `TLS_1_3` stands for DTLS 1.3 there, and so on.
    /// Default: DTLS 1.3 and 1.2.
    #[cfg(feature = "dtls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "dtls")))]
    pub fn datagram_versions(
        mut self,
        versions: impl IntoIterator<Item = ProtocolVersion>,
    ) -> Self {
        self.defaults.datagram_versions = Some(versions.into_iter().collect());
        self
    }

    /// The longest handshake message, in bytes: as
    /// [`max_handshake_size`](crate::config::ClientConfigBuilder::max_handshake_size).
    pub fn max_handshake_size(mut self, bytes: usize) -> Self {
        self.defaults.max_handshake_size = Some(bytes);
        self
    }

    /// How many tickets a server gives: as [`ticket_count`](crate::config::ServerConfigBuilder::ticket_count).
    pub fn ticket_count(mut self, count: u8) -> Self {
        self.defaults.ticket_count = Some(count);
        self
    }

    /// How long sessions of servers live: as [`ticket_lifetime`](crate::config::ServerConfigBuilder::ticket_lifetime).
    pub fn ticket_lifetime(mut self, lifetime: Duration) -> Self {
        self.defaults.ticket_lifetime = Some(lifetime);
        self
    }

    /// How much early data servers take, where they take some: as
    /// [`max_early_data`](crate::config::ServerConfigBuilder::max_early_data).
    pub fn max_early_data(mut self, bytes: u32) -> Self {
        self.defaults.max_early_data = Some(bytes);
        self
    }

    /// What seals the tickets of all servers: as [`ticket_keys`](crate::config::ServerConfigBuilder::ticket_keys).
    /// Default: each configuration has its own.
    pub fn ticket_keys(mut self, keys: TicketKeys) -> Self {
        self.stores.ticket_keys = Some(keys);
        self
    }

    /// Where all connectors keep sessions. Default: in memory, 1,000 of them.
    pub fn client_sessions(mut self, store: Arc<dyn SessionStore>) -> Self {
        self.stores.client_sessions = Some(store);
        self
    }

    /// How many sessions of clients are kept in memory, at least 1. Default: 1,000.
    pub fn client_session_bound(mut self, sessions: usize) -> Self {
        self.defaults.client_session_bound = sessions;
        self
    }

    /// How long they are kept there at most, if their servers do not say less: up to 7 days. Default: 2 hours.
    pub fn client_session_lifetime(mut self, lifetime: Duration) -> Self {
        self.defaults.client_session_lifetime = lifetime;
        self
    }

    /// Where all acceptors keep sessions whose configuration allows it: as
    /// [`TlsAcceptor::session_store`](crate::TlsAcceptor::session_store). Default: nowhere; tickets hold the session.
    pub fn server_sessions(mut self, store: Arc<dyn ServerSessionStore>) -> Self {
        self.stores.server_sessions = Some(store);
        self
    }

    /// Whoever remembers early data, for configurations that ask: as
    /// [`TlsAcceptor::replay_guard`](crate::TlsAcceptor::replay_guard). Default: nobody.
    pub fn replay_guard(mut self, guard: Arc<dyn ReplayGuard>) -> Self {
        self.stores.replay_guard = Some(Guard::new(guard));
        self
    }

    /// Where revocation lists come from, for configurations with a `crl_check`: as
    /// [`TlsConnector::crls`](crate::TlsConnector::crls). Default: nowhere.
    pub fn crls(mut self, source: Arc<dyn CrlSource>) -> Self {
        self.stores.crls = Some(Crls::new(source));
        self
    }

    /// The files of [`Environment::pem_files`]. Default: [`PemFiles::new`].
    pub fn pem_files(mut self, files: PemFiles) -> Self {
        self.pem_files = files;
        self
    }

    /// What one address may have of the connections of a [listener](crate::TlsListener::connections). Default: no limit.
    /// Not where a proxy stands before it, whose address all have.
    pub fn per_address(mut self, limits: AddressLimits) -> Self {
        self.defaults.addresses = Some(limits);
        self
    }

    /// As [`TlsConnector::handshake_timeout`](crate::TlsConnector::handshake_timeout). Default: 10 seconds.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.defaults.conduct.handshake_timeout = timeout;
        self
    }

    /// As [`TlsAcceptor::first_byte_timeout`](crate::TlsAcceptor::first_byte_timeout). Default: 3 seconds.
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.defaults.conduct.first_byte_timeout = timeout;
        self
    }

    /// As [`TlsConnector::alert_timeout`](crate::TlsConnector::alert_timeout). Default: 5 seconds.
    pub fn alert_timeout(mut self, timeout: Duration) -> Self {
        self.defaults.conduct.alert_timeout = timeout;
        self
    }

    /// As [`TlsConnector::hibernate_after`](crate::TlsConnector::hibernate_after). Default: never.
    pub fn hibernate_after(mut self, idle: Duration) -> Self {
        self.defaults.conduct.hibernate_after = Some(idle);
        self
    }

    /// As [`TlsConnector::reads_per_turn`](crate::TlsConnector::reads_per_turn). Default: 100.
    pub fn reads_per_turn(mut self, reads: NonZeroU16) -> Self {
        self.defaults.conduct.reads_per_turn = reads;
        self
    }

    /// As [`TlsConnector::write_timeout`](crate::TlsConnector::write_timeout), of both roles. Default: 5 minutes of
    /// servers, none of clients.
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.defaults.write_timeout = Some(limit);
        self
    }

    /// As [`TlsConnector::send_timeout`](crate::TlsConnector::send_timeout). Default: none.
    pub fn send_timeout(mut self, limit: Duration) -> Self {
        let limits = &mut self.defaults.conduct.send_limits;
        limits.set_send_timeout(Some(limit));
        self
    }

    /// As [`TlsConnector::log_level`](crate::TlsConnector::log_level). Default: as the subscriber says.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.defaults.conduct.log = Some(level);
        self
    }

    /// Checks the defaults. No runtime is needed for it.
    ///
    /// # Errors
    /// A sentence that names the option and what to do. What is wrong with a configuration's option is said here, too.
    pub fn build(self) -> Result<Environment, Misuse> {
        let Self {
            defaults,
            stores,
            pem_files,
        } = self;
        if defaults.client_session_bound == 0 {
            return Err(Misuse::new(
                "client_session_bound: 0 keeps nothing; for connectors without sessions there is \
                 `TlsConnector::without_resumption`",
            ));
        }
        if defaults.client_session_lifetime.is_zero() || defaults.client_session_lifetime > WEEK {
            return Err(Misuse::new(
                "client_session_lifetime: no session lives for longer than 7 days (RFC 8446 §4.6.1), and one that \
                 lives for no time is none",
            ));
        }
        if stores.ticket_keys.is_some() && stores.server_sessions.is_some() {
            return Err(Misuse::new(
                "ticket_keys, server_sessions: a ticket either is the session or stands for one in the store; leave \
                 out one of the two",
            ));
        }
        // What the defaults of configurations have to be is known where these are built.
        let all = [
            Over::Streams,
            #[cfg(feature = "dtls")]
            Over::Datagrams,
        ];
        for over in all {
            let client =
                portcullis_core::config::ClientConfig::dangerous_builder_without_verification();
            defaults.of_client(client, over).build()?;
            let server = portcullis_core::config::ServerConfig::builder();
            let server = defaults.of_server(&stores, server, over);
            server.ask_identity(true).build()?;
        }
        Ok(Environment::of(defaults, stores, pem_files))
    }
}

impl std::fmt::Debug for EnvironmentBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvironmentBuilder")
            .field("defaults", &self.defaults)
            .finish_non_exhaustive()
    }
}
