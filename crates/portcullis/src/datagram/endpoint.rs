//! What a driver, its connections and its listener share: the link, the clock, and a bell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use portcullis_core::{ConnectionId, Monotonic, Now};
use rustls_pki_types::UnixTime;
use tokio::time::Instant;

use super::association::{Association, Owner};
use super::foreign::Taker;
use super::group::{Group, Handed};
use super::link::{Link, Path};
use super::lock;
use super::options::DtlsOptions;
use super::rivals::Origin;
use super::statistics::DtlsListenerStatistics;
use crate::error::Error;
use crate::sync::Mutex;

/// Which association of a driver.
pub(super) type Id = u64;

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) link: Link,
    /// A socket of a client, which is connected with one server.
    pub(super) is_clients: bool,
    /// What deadlines are measured from.
    origin: Instant,
    bell: Mutex<Bell>,
    pub(super) group: Group,
    /// Who takes what is not DTLS.
    pub(super) foreign: Mutex<Option<Taker>>,
    last_id: AtomicU64,
    pub(super) statistics: Mutex<DtlsListenerStatistics>,
}

/// For whom the driver has something to do, although nothing has come for them.
#[derive(Debug, Default)]
pub(super) struct Bell {
    /// Each at most once: an association says so in `is_rung`.
    waiting: Vec<Id>,
    handed: Handed,
    /// Of peers whom this side calls, with what their records have.
    newcomers: Vec<(Arc<Association>, ConnectionId)>,
    /// Nobody accepts any more.
    is_closed: bool,
    /// The driver has gone, with its runtime or its last connection.
    is_over: bool,
    driver: Option<Waker>,
}

impl Bell {
    /// Something that has come to another socket. Whether there was room for it, and anybody.
    pub(super) fn hand(&mut self, path: Path, datagram: &[u8]) -> bool {
        !self.is_over && self.handed.put(path, datagram)
    }
}

/// What a driver is woken for.
pub(super) struct Rung {
    pub(super) waiting: Vec<Id>,
    pub(super) handed: Vec<(Path, Vec<u8>)>,
    pub(super) newcomers: Vec<(Arc<Association>, ConnectionId)>,
    pub(super) is_closed: bool,
}

impl Endpoint {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            is_clients: false,
            origin: Instant::now(),
            bell: Mutex::default(),
            group: Group::default(),
            foreign: Mutex::default(),
            last_id: AtomicU64::new(0),
            statistics: Mutex::default(),
        }
    }

    /// Of a client that brings nothing but its own socket, or a transport.
    pub(super) fn of_client(link: Link) -> Self {
        let is_clients = matches!(link, Link::Socket(_));
        Self {
            is_clients,
            ..Self::new(link)
        }
    }

    pub(super) fn monotonic(&self) -> Monotonic {
        Monotonic(self.origin.elapsed())
    }

    pub(super) fn now(&self) -> Now {
        Now {
            wall: UnixTime::now(),
            monotonic: self.monotonic(),
        }
    }

    /// The id of another association.
    pub(super) fn next_id(&self) -> Id {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A handshake with a peer whom this side calls, at a socket whose driver runs.
    pub(super) fn call(
        self: &Arc<Self>,
        path: Path,
        options: &DtlsOptions,
        connection_id: ConnectionId,
    ) -> Owner {
        let bounds = (options.inbox_bounds(), options.migration);
        let (id, now) = (self.next_id(), self.monotonic());
        let association = Association::new(Arc::clone(self), id, path, Origin::Called, bounds, now);
        let association = Arc::new(association);
        let newcomer = (Arc::clone(&association), connection_id);
        let is_over = self.with_bell(|bell| {
            if !bell.is_over {
                bell.newcomers.push(newcomer);
            }
            bell.is_over
        });
        if is_over {
            association.end(Error::closed());
        }
        Owner(association, None)
    }

    /// The driver goes; gives who was called since it has looked.
    pub(super) fn leave(&self) -> Vec<(Arc<Association>, ConnectionId)> {
        self.with_bell(|bell| {
            bell.is_over = true;
            bell.handed = Handed::default();
        });
        // Behind that: whoever asks for it looks afterwards whether it is over.
        *lock(&self.foreign) = None;
        self.take_newcomers()
    }

    /// Whether the driver has gone.
    pub(super) fn is_over(&self) -> bool {
        lock(&self.bell).is_over
    }

    /// Who was called since the driver has looked.
    pub(super) fn take_newcomers(&self) -> Vec<(Arc<Association>, ConnectionId)> {
        std::mem::take(&mut lock(&self.bell).newcomers)
    }

    /// When this time is.
    pub(super) fn instant(&self, at: Monotonic) -> Instant {
        self.origin + crate::handshake::within_bounds(at.0)
    }

    /// Makes the driver look after an association.
    pub(super) fn ring(&self, id: Id) {
        self.with_bell(|bell| bell.waiting.push(id));
    }

    /// Says something to the driver.
    pub(super) fn with_bell<T>(&self, say: impl FnOnce(&mut Bell) -> T) -> T {
        let (said, driver) = {
            let mut bell = lock(&self.bell);
            (say(&mut bell), bell.driver.take())
        };
        if let Some(driver) = driver {
            driver.wake();
        }
        said
    }

    /// Nobody accepts any more: the driver ends with its last connection.
    pub(super) fn close(&self) {
        self.with_bell(|bell| bell.is_closed = true);
    }

    /// For whom there is something to do, and whether nobody accepts; the driver is woken when that changes.
    pub(super) fn take_rung(&self, cx: &mut Context<'_>) -> Rung {
        let mut bell = lock(&self.bell);
        match &mut bell.driver {
            Some(driver) => driver.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Rung {
            waiting: std::mem::take(&mut bell.waiting),
            handed: std::mem::take(&mut bell.handed).datagrams,
            newcomers: std::mem::take(&mut bell.newcomers),
            is_closed: bell.is_closed,
        }
    }
}
