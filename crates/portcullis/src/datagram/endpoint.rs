//! What a driver, its connections and its listener share: the link, the clock, and a bell.

use std::sync::Mutex;
use std::task::{Context, Waker};

use portcullis_core::{Monotonic, Now};
use rustls_pki_types::UnixTime;
use tokio::time::Instant;

use super::link::Link;
use super::lock;
use super::statistics::DtlsListenerStatistics;

/// Which association of a driver.
pub(super) type Id = u64;

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) link: Link,
    /// What deadlines are measured from.
    origin: Instant,
    bell: Mutex<Bell>,
    pub(super) statistics: Mutex<DtlsListenerStatistics>,
}

/// For whom the driver has something to do, although nothing has come for them.
#[derive(Debug, Default)]
struct Bell {
    /// Each at most once: an association says so in `is_rung`.
    waiting: Vec<Id>,
    /// Nobody accepts any more.
    is_closed: bool,
    driver: Option<Waker>,
}

impl Endpoint {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            origin: Instant::now(),
            bell: Mutex::default(),
            statistics: Mutex::default(),
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

    /// When this time is.
    pub(super) fn instant(&self, at: Monotonic) -> Instant {
        self.origin + crate::handshake::within_bounds(at.0)
    }

    /// Makes the driver look after an association.
    pub(super) fn ring(&self, id: Id) {
        let driver = {
            let mut bell = lock(&self.bell);
            bell.waiting.push(id);
            bell.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Nobody accepts any more: the driver ends with its last connection.
    pub(super) fn close(&self) {
        let driver = {
            let mut bell = lock(&self.bell);
            bell.is_closed = true;
            bell.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// For whom there is something to do, and whether nobody accepts; the driver is woken when that changes.
    pub(super) fn take_rung(&self, cx: &mut Context<'_>) -> (Vec<Id>, bool) {
        let mut bell = lock(&self.bell);
        match &mut bell.driver {
            Some(driver) => driver.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        (std::mem::take(&mut bell.waiting), bell.is_closed)
    }
}
