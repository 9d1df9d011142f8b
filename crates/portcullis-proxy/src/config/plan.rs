//! What the proxy runs with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipnet::IpNet;
use portcullis::Identity;

use super::model::{Limits, Timeouts};
use crate::account::Account;
use crate::address::ListenAddress;
use crate::backend::Backend;
use crate::kept::Kept;
use crate::route::{Mode, Routes};

/// All of a configuration, built.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Who the proxy becomes.
    pub(crate) account: Option<Account>,
    pub(crate) admin: Option<Admin>,
    pub(crate) access: Access,
    pub(crate) take_over: Option<PathBuf>,
    /// Threads that serve connections; without them they are served where the proxy was started.
    pub(crate) workers: Option<usize>,
    /// How often files are looked at.
    pub(crate) watch: Option<Duration>,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    pub(crate) kept: Kept,
    pub(crate) listeners: Vec<Arc<Listener>>,
    pub(crate) identities: Vec<(String, Identity)>,
    pub(crate) backends: Vec<Arc<Backend>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admin {
    pub(crate) listen: SocketAddr,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Off,
    Stdout,
    Stderr,
    File(PathBuf),
}

#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) addresses: Vec<ListenAddress>,
    /// Whoever sends a header of the PROXY protocol.
    pub(crate) proxies: Arc<[IpNet]>,
    pub(crate) routes: Routes,
    /// Whether clients are asked for certificates by some route.
    pub(crate) has_rules: bool,
    /// Whether some route takes early data.
    pub(crate) takes_early_data: bool,
}

impl Listener {
    /// Whether datagrams come there. All of its addresses are of one kind.
    pub(crate) fn is_udp(&self) -> bool {
        self.addresses.iter().any(ListenAddress::is_udp)
    }
}

impl Plan {
    pub(crate) fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| listener.name == name)
    }

    pub(super) fn summary(&self) -> String {
        let routes: usize = self.listeners.iter().map(|it| it.routes.0.len()).sum();
        let count = |number: usize, one: &str, many: &str| match number {
            1 => format!("1 {one}"),
            _ => format!("{number} {many}"),
        };
        let mut summary = [
            count(self.listeners.len(), "listener", "listeners"),
            count(routes, "route", "routes"),
            count(self.backends.len(), "backend", "backends"),
            count(self.identities.len(), "identity", "identities"),
        ]
        .join(", ");
        let days = self.identities.iter().filter_map(|(name, identity)| {
            let days = days_left(identity)?;
            Some(format!("{name}: {} left", count(days, "day", "days")))
        });
        let days: Vec<_> = days.collect();
        if !days.is_empty() {
            summary.push_str(&format!(" ({})", days.join(", ")));
        }
        summary
    }

    /// What only a restart changes, and is another there.
    pub(crate) fn needs_restart(&self, next: &Self) -> Option<String> {
        let sockets = |plan: &Self| -> Vec<_> {
            let sockets = plan.listeners.iter().map(|listener| {
                let passes = listener.is_udp() && listener.routes.passes();
                let kind = (listener.routes.plain().is_some(), passes);
                (listener.name.clone(), listener.addresses.clone(), kind)
            });
            sockets.collect()
        };
        let what = if self.limits != next.limits {
            "limits"
        } else if self.access != next.access {
            "log.access"
        } else if self.take_over != next.take_over {
            "process.take_over"
        } else if self.workers != next.workers {
            "process.workers"
        } else if self.account != next.account {
            "process.user and process.group"
        } else if self.admin != next.admin {
            "admin"
        } else if sockets(self) != sockets(next) {
            "names, addresses and kinds of listeners"
        } else {
            return None;
        };
        Some(format!("needs a restart: {what}"))
    }

    /// What goes on under a new configuration: ticket keys and sessions of TLS, and what is known of servers.
    pub(crate) fn carry_over(&mut self, before: &Self) {
        let fresh = self.backends.clone();
        for backend in &mut self.backends {
            let old = before.backends.iter().find(|old| old.name == backend.name);
            let Some(old) = old else { continue };
            // Nobody else has it yet, but for routes, which get it below.
            let servers = backend.servers.iter().map(|server| {
                let same = old.servers.iter().find(|it| it.address == server.address);
                Arc::clone(same.unwrap_or(server))
            });
            let tls = backend.tls.as_ref().map(|tls| match &old.tls {
                Some(old) => tls.replacing(old),
                None => tls.clone(),
            });
            let kept = Backend {
                name: backend.name.clone(),
                servers: servers.collect(),
                tls,
                send_proxy: backend.send_proxy,
                health: backend.health.clone(),
                turn: AtomicUsize::new(0),
            };
            if kept.health.is_none() {
                // Nobody would find it up again.
                kept.servers.iter().for_each(|server| server.is_not_down());
            }
            *backend = Arc::new(kept);
        }
        for listener in &mut self.listeners {
            let old = before.listener(&listener.name);
            let Some(made) = Arc::get_mut(listener) else {
                continue;
            };
            for route in &mut made.routes.0 {
                let Some(route) = Arc::get_mut(route) else {
                    continue;
                };
                let mut kept = fresh.iter().zip(&self.backends);
                if let Some((_, kept)) = kept.find(|(it, _)| Arc::ptr_eq(it, &route.backend)) {
                    route.backend = Arc::clone(kept);
                }
                let same = old.and_then(|old| {
                    let is_same = |it: &&Arc<crate::route::Route>| {
                        it.names == route.names && it.alpn == route.alpn
                    };
                    old.routes.0.iter().find(is_same)
                });
                if let Some(same) = same {
                    route.counts = Arc::clone(&same.counts);
                }
                if let (Mode::Terminate(config, _), Some(Mode::Terminate(old, _))) =
                    (&mut route.mode, same.map(|it| &it.mode))
                {
                    *config = config.replacing(old);
                }
            }
        }
    }
}

/// Whole days until the certificate has expired.
pub(crate) fn days_left(identity: &Identity) -> Option<usize> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let seconds = identity.not_after()?.as_secs().saturating_sub(now);
    usize::try_from(seconds / 86_400).ok()
}
