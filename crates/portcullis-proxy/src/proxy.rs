//! A proxy that runs: its sockets, the configuration that it has now, and its end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinSet;

use crate::access_log::{self, AccessLog};
use crate::address::ListenAddress;
use crate::admin;
use crate::config::{Config, Limits, Plan};
use crate::datagrams::doors::Doors;
use crate::limits::Addresses;
use crate::listener::{self, Listening};
use crate::meter::Meter;
use crate::quiet::Quiet;
use crate::take_over::{self, Inherited};
use crate::watch::Watch;
use crate::workers::{Share, Workers};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Running,
    /// Nothing is accepted, and what is there goes on.
    Draining,
    /// What is there is cut.
    Over,
}

/// What all connections have in common.
pub(crate) struct Shared {
    plan: RwLock<Arc<Plan>>,
    pub(crate) log: AccessLog,
    pub(crate) meter: Meter,
    pub(crate) connections: Arc<Semaphore>,
    /// Of connections, in all.
    places: usize,
    pub(crate) handshakes: Arc<Semaphore>,
    pub(crate) addresses: Addresses,
    /// Of flows alone: their addresses may be forged, so they take no place of anybody else's.
    pub(crate) flow_addresses: Addresses,
    pub(crate) doors: Doors,
    pub(crate) quiet: Quiet,
    phase: watch::Sender<Phase>,
    /// What the last reload was refused for.
    reload_error: RwLock<Option<String>>,
}

/// Waits for phases.
pub(crate) struct Phases(watch::Receiver<Phase>);

impl Phases {
    /// Until that phase is over.
    pub(crate) async fn over(&mut self, phase: Phase) {
        // Without a sender all is over.
        let _ = self.0.wait_for(|now| *now > phase).await;
    }
}

impl Shared {
    /// The configuration that a connection gets that begins now.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        let plan = self.plan.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&plan)
    }

    pub(crate) fn phase(&self) -> Phases {
        Phases(self.phase.subscribe())
    }

    /// What the last reload was refused for, if it was.
    pub(crate) fn reload_error(&self) -> Option<String> {
        let error = self.reload_error.read();
        error.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Until no connection has a place.
    pub(crate) async fn ended(&self) {
        // The limit of the configuration is far below 2^32.
        let all = u32::try_from(self.places).unwrap_or(u32::MAX);
        let _ = self.connections.acquire_many(all).await;
    }

    pub(crate) fn is_running(&self) -> bool {
        *self.phase.borrow() == Phase::Running
    }
}

/// A proxy that runs. Dropped, it accepts nothing more and cuts its connections.
pub struct Proxy {
    shared: Arc<Shared>,
    limits: Limits,
    listening: Vec<(String, ListenAddress)>,
    admin: Option<SocketAddr>,
    tasks: JoinSet<()>,
    /// Ends last: it says how the end goes.
    admin_task: JoinSet<()>,
    checks: Mutex<JoinSet<()>>,
    watch: Watch,
    /// Gives the sockets away.
    giver: Mutex<JoinSet<()>>,
    is_taken: AtomicBool,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("listening", &self.listening)
            .finish_non_exhaustive()
    }
}

/// Why a configuration was not taken over. The one before goes on.
#[derive(Debug)]
pub struct ReloadError(String);

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReloadError {}

impl Proxy {
    /// Listens on all addresses of the configuration, and accepts. In the runtime that it is called in, whose timer and I/O
    /// it needs. Where the configuration has a `process.user`, the whole process becomes that user, with all of its threads.
    ///
    /// # Errors
    /// When an address cannot be listened on, the access log cannot be opened, or the process may not become that user; nothing
    /// is left behind.
    pub fn start(config: Config) -> io::Result<Self> {
        Self::start_with(config, Inherited::none())
    }

    /// The same with sockets that listen already. The proxy that they were taken over from is told when all of it runs; that
    /// it has heard this is waited for, in this thread and for at most 10 seconds.
    ///
    /// # Errors
    /// Also when one of the sockets has an address that the configuration does not have.
    pub fn start_with(config: Config, mut inherited: Inherited) -> io::Result<Self> {
        let Config { plan, seen, .. } = config;
        let limits = plan.limits.clone();
        let mut log_of_account = None;
        if let Some(account) = &plan.account {
            let is_refused = |error: io::Error| {
                let text = format!(
                    "becoming {account} (process.user): {error}; start it as root, or as that user"
                );
                io::Error::new(error.kind(), text)
            };
            if account.is_this() {
                // What is left of root is not there any more when files are opened.
                account.take().map_err(is_refused)?;
            }
            // By the account, and not by root a second time: the folder may be its own, and what is in it as well.
            let opened = account.tried(|| access_log::writer(&plan.access));
            log_of_account = Some(opened.map_err(is_refused)?.map_err(|error| {
                let text = format!("log.access as {account}, who opens it anew: {error}");
                io::Error::new(error.kind(), text)
            })?);
        }
        let mut sockets = Vec::new();
        for listener in &plan.listeners {
            let name: Arc<str> = listener.name.as_str().into();
            for address in &listener.addresses {
                let listening = match inherited.take(address)? {
                    Some(socket) => Listening::inherited(socket, address),
                    None => Listening::bind(address, listener, &plan),
                };
                let listening = listening.map_err(|error| {
                    let text = format!("listening on {address} (listener \"{name}\"): {error}");
                    io::Error::new(error.kind(), text)
                })?;
                let address = listening.address(address);
                sockets.push((Arc::clone(&name), address, listening));
            }
        }
        let admin = match &plan.admin {
            None => None,
            Some(admin) => {
                let passed = inherited.take(&ListenAddress::Tcp(admin.listen))?;
                Some(admin::bind(admin, passed).map_err(|error| {
                    let text = format!("admin.listen {}: {error}", admin.listen);
                    io::Error::new(error.kind(), text)
                })?)
            }
        };
        inherited.check_used()?;
        let mut shares: Vec<Vec<Share>> = Vec::new();
        for _ in 0..plan.workers.unwrap_or(0) {
            let own = sockets.iter().filter(|(_, address, _)| !address.is_udp());
            let own = own.map(|(name, address, socket)| {
                Ok(Share {
                    name: Arc::clone(name),
                    address: address.clone(),
                    socket: socket.duplicate()?,
                })
            });
            shares.push(own.collect::<io::Result<_>>()?);
        }
        let workers = Workers::prepare(shares)
            .map_err(|error| io::Error::new(error.kind(), format!("process.workers: {error}")))?;
        let opened = log_of_account.map_or_else(|| access_log::writer(&plan.access), Ok);
        let log = opened.and_then(|writer| AccessLog::begin(&plan.access, writer));
        let log =
            log.map_err(|error| io::Error::new(error.kind(), format!("log.access: {error}")))?;
        inherited.check_waits()?;
        let giving = match &plan.take_over {
            None => None,
            Some(path) => {
                let about = |error: io::Error| {
                    let text = format!("process.take_over {}: {error}", path.display());
                    io::Error::new(error.kind(), text)
                };
                if sockets.len() >= take_over::MOST {
                    let text = format!("{} addresses are too many to give away", sockets.len());
                    return Err(about(io::Error::new(io::ErrorKind::InvalidInput, text)));
                }
                let own = sockets.iter().map(|(_, _, socket)| socket.duplicate());
                let own = own.chain(admin.iter().map(|(_, it)| it.as_fd().try_clone_to_owned()));
                let own = own.collect::<io::Result<Vec<_>>>()?;
                let asked = take_over::Asked::bind(path, plan.account.as_ref()).map_err(about)?;
                // The last that can fail: the one before is not found there any more.
                Some((asked.put(&inherited).map_err(about)?, own))
            }
        };
        if let Some(account) = &plan.account {
            // Nothing was accepted yet, and nothing is opened any more that this user may not open.
            account.take().map_err(|error| {
                let text = format!("becoming {account} (process.user): {error}");
                io::Error::new(error.kind(), text)
            })?;
        }
        let shared = Arc::new(Shared {
            log,
            meter: Meter::default(),
            connections: Arc::new(Semaphore::new(limits.connections)),
            places: limits.connections,
            handshakes: Arc::new(Semaphore::new(limits.handshakes)),
            addresses: Addresses::default(),
            flow_addresses: Addresses::default(),
            doors: Doors::default(),
            quiet: Quiet::default(),
            phase: watch::Sender::new(Phase::Running),
            reload_error: RwLock::default(),
            plan: RwLock::new(Arc::new(plan)),
        });
        let mut admin_task = JoinSet::new();
        let mut admin_address = None;
        if let Some((address, socket)) = admin {
            admin_address = Some(address);
            let shared = Arc::clone(&shared);
            admin_task.spawn(admin::run(shared, socket));
        }
        let mut tasks = JoinSet::new();
        let has_workers = shared.plan().workers.is_some();
        for ends in workers.start(&shared) {
            tasks.spawn(async move { drop(ends.await) });
        }
        let mut listening = Vec::new();
        for (name, address, socket) in sockets {
            listening.push((name.to_string(), address.clone()));
            socket.enter(&shared.doors);
            if has_workers && !address.is_udp() {
                // They have it.
                continue;
            }
            tasks.spawn(listener::run(Arc::clone(&shared), name, socket));
        }
        let checks = Mutex::new(checks(&shared.plan()));
        let mut giver = JoinSet::new();
        if let Some((listener, own)) = giving {
            giver.spawn(take_over::give(listener, own));
        }
        inherited.ready();
        Ok(Self {
            shared,
            limits,
            listening,
            admin: admin_address,
            tasks,
            admin_task,
            checks,
            watch: Watch::new(seen),
            giver: Mutex::new(giver),
            is_taken: AtomicBool::new(false),
        })
    }

    /// Where the administration's port is, if there is one.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Where it listens, with the names of its listeners; port 0 is here the one that the system has chosen.
    pub fn listening(&self) -> &[(String, ListenAddress)] {
        &self.listening
    }

    /// Takes over a configuration, whole or not at all: connections that begin from now on have it, those that are there
    /// keep what they have. Ticket keys and sessions go on where a route or a backend of the same names has them; so does
    /// what is known of servers.
    ///
    /// # Errors
    /// When something has changed that only a restart changes: addresses, names and kinds of listeners, limits, the access
    /// log, the administration's address.
    ///
    /// # Cancel safety
    /// Dropped, it has changed nothing or everything.
    pub async fn reload(&self, config: Config) -> Result<(), ReloadError> {
        let mut checking = self.checks.lock().await;
        let now = self.shared.plan();
        let mut plan = config.plan;
        if let Some(why) = now.needs_restart(&plan) {
            self.reload_failed(&why);
            return Err(ReloadError(why));
        }
        plan.carry_over(&now);
        let plan = Arc::new(plan);
        *checking = checks(&plan);
        self.watch.set(config.seen);
        *(self.shared.plan.write()).unwrap_or_else(PoisonError::into_inner) = plan;
        self.note_reload(None);
        Ok(())
    }

    /// Notes that a configuration could not be read; what is there goes on.
    pub fn reload_failed(&self, why: &str) {
        self.note_reload(Some(why.to_owned()));
    }

    fn note_reload(&self, why: Option<String>) {
        let meter = &self.shared.meter;
        let count = match why {
            Some(_) => &meter.reloads_failed,
            None => &meter.reloads,
        };
        count.fetch_add(1, Ordering::Relaxed);
        *(self.shared.reload_error.write()).unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Waits until another proxy has taken over the sockets, and accepts: this one is to [drain](Self::drain). Never ends where
    /// the configuration has no `process.take_over`.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost.
    pub async fn taken_over(&self) {
        let mut giver = self.giver.lock().await;
        match giver.join_next().await {
            Some(_) => self.is_taken.store(true, Ordering::Relaxed),
            None => std::future::pending().await,
        }
    }

    /// Waits until there is something else in the configuration's file, which is this one, or in one that it names, and has
    /// been there for two looks; never ends where the configuration has no `reload.watch`. To be waited for again after each
    /// [`reload`](Self::reload).
    ///
    /// # Cancel safety
    /// Dropped, what has changed is found the next time.
    pub async fn files_changed(&self, file: impl AsRef<Path>) {
        match self.shared.plan().watch {
            Some(every) => self.watch.changed(file.as_ref(), every).await,
            None => std::future::pending().await,
        }
    }

    /// Opens the file of the access log anew, which may have been moved away, as logrotate does.
    ///
    /// # Errors
    /// When it cannot be opened, or not within 5 seconds; the file that was there goes on.
    ///
    /// # Cancel safety
    /// Dropped, it may be opened all the same.
    pub async fn reopen_log(&self) -> io::Result<()> {
        self.shared.log.reopen(Duration::from_secs(5)).await
    }

    /// Accepts nothing more, and waits until all connections have ended, for at most the `drain` of the configuration; then
    /// it cuts those that are left. Gives how many these were.
    ///
    /// # Cancel safety
    /// Dropped, what is left is cut, and may have no line in the access log.
    pub async fn drain(self) -> usize {
        self.drain_until(std::future::pending()).await
    }

    /// The same, but it cuts what is left also as soon as this is ready. It ends at most 2 seconds behind that: by then the
    /// access log has been written.
    ///
    /// # Cancel safety
    /// Dropped, what is left is cut, and may have no line in the access log.
    pub async fn drain_until(mut self, cut: impl Future<Output = ()>) -> usize {
        let limit = self.shared.plan().timeouts.drain;
        // It has descriptors of the sockets, too.
        self.giver.get_mut().shutdown().await;
        if self.is_taken.load(Ordering::Relaxed) {
            // Whoever asks is to hear of the one that runs.
            self.admin_task.abort_all();
        }
        self.shared.phase.send_replace(Phase::Draining);
        self.checks.lock().await.abort_all();
        let drained = tokio::time::timeout(limit, async {
            while self.tasks.join_next().await.is_some() {}
            self.shared.ended().await;
        });
        tokio::select! {
            _ = drained => {}
            () = cut => {}
        }
        let left = self.limits.connections - self.shared.connections.available_permits();
        self.shared.phase.send_replace(Phase::Over);
        // To write down how they have ended takes no time.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.shared.ended()).await;
        self.shared.log.flush(Duration::from_secs(1)).await;
        left
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.phase.send_replace(Phase::Over);
    }
}

/// The health checks of a configuration.
fn checks(plan: &Plan) -> JoinSet<()> {
    let mut checks = JoinSet::new();
    let within = plan.timeouts.connect;
    for backend in plan.backends.iter().filter(|it| it.health.is_some()) {
        let backend = Arc::clone(backend);
        checks.spawn(async move { backend.check_health(within).await });
    }
    let kept = plan.kept.clone();
    checks.spawn(async move { kept.watch().await });
    checks
}
