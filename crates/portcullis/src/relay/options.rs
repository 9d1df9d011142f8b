//! How long a relay may take, and how much memory all of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What all relays of a process keep for ends that take nothing, unless told otherwise.
const MEMORY: usize = 256 * 1024 * 1024;
/// What is read for nobody, unless told otherwise.
const DISCARD: u32 = 1024 * 1024;

/// Limits of a [`relay`](crate::relay()). Each exists; a time is at least a millisecond, and at most 49 days.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    // In milliseconds: every connection has them.
    half_close: u32,
    idle: u32,
    stall: u32,
    /// In bytes.
    discard: u32,
    pub(super) memory: RelayMemory,
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(1_000_000))
        .unwrap_or(u32::MAX)
        .max(1)
}

fn time(millis: u32) -> Duration {
    Duration::from_millis(millis.into())
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            half_close: 60_000,
            idle: 3_600_000,
            stall: 60_000,
            discard: DISCARD,
            memory: RelayMemory::of_process().clone(),
        }
    }
}

impl RelayOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the relay goes on without a byte when one end has ended and the other has not. Default: 60 seconds.
    ///
    /// What comes for an end that has ended and gone is read and forgotten for as long, up to [`discard`](Self::discard).
    #[must_use]
    pub fn half_close(mut self, limit: Duration) -> Self {
        self.half_close = millis(limit);
        self
    }

    /// How long neither end may move a byte. Default: an hour.
    ///
    /// Only data counts: not KeyUpdates, nor tickets.
    #[must_use]
    pub fn idle(mut self, limit: Duration) -> Self {
        self.idle = millis(limit);
        self
    }

    /// How long an end may take nothing while bytes wait for it. Default: 60 seconds.
    ///
    /// A TLS stream has such a limit of its own, [`write_timeout`](crate::TlsAcceptor::write_timeout); the shorter one
    /// counts.
    #[must_use]
    pub fn stall(mut self, limit: Duration) -> Self {
        self.stall = millis(limit);
        self
    }

    /// How many bytes are read and forgotten that come for an end that has ended and gone; then the one that they come from
    /// is cut, as [unheard](crate::HowEnded::Unheard). At most 4 GiB - 1. Default: 1 MiB.
    #[must_use]
    pub fn discard(mut self, bytes: u64) -> Self {
        self.discard = u32::try_from(bytes).unwrap_or(u32::MAX);
        self
    }

    /// With which relays this one shares what may be kept for ends that take nothing. Default: all of the process, 256 MiB.
    #[must_use]
    pub fn memory(mut self, memory: RelayMemory) -> Self {
        self.memory = memory;
        self
    }

    pub(super) fn most_discarded(&self) -> u64 {
        self.discard.into()
    }

    pub(super) fn limits(&self) -> (Duration, Duration, Duration) {
        (time(self.half_close), time(self.idle), time(self.stall))
    }
}

/// What relays keep for ends that do not take it, counted together. Cheap to clone; clones count as one.
///
/// Beyond the limit a relay reads no more than 4 KiB at once from what is not TLS, and 16 KiB from TLS. A relay that would
/// have to keep something when there is twice the limit is ended as [stalled](crate::HowEnded::Stalled), so no more is ever
/// kept. Bytes are counted, data and what TLS has sealed of it; the system's buffers of sockets are not.
///
/// ```
/// use portcullis::{RelayMemory, RelayOptions};
///
/// let memory = RelayMemory::new(64 * 1024 * 1024);
/// let options = RelayOptions::new().memory(memory.clone());
/// // Given to relays, of which none keeps anything now.
/// assert_eq!(memory.held(), 0);
/// # drop(options);
/// ```
#[derive(Clone)]
pub struct RelayMemory(Arc<Ledger>);

struct Ledger {
    limit: usize,
    held: AtomicUsize,
}

impl RelayMemory {
    /// For `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let held = AtomicUsize::new(0);
        Self(Arc::new(Ledger { limit, held }))
    }

    fn of_process() -> &'static Self {
        static MEMORY_OF_PROCESS: OnceLock<RelayMemory> = OnceLock::new();
        MEMORY_OF_PROCESS.get_or_init(|| Self::new(MEMORY))
    }

    /// How many bytes are kept now.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// The limit, in bytes.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Whether more is kept than the limit.
    pub(super) fn is_short(&self) -> bool {
        self.held() > self.0.limit
    }

    /// One relay keeps so much more or less than before; whether it may.
    pub(super) fn change(&self, before: usize, now: usize) -> bool {
        if now <= before {
            self.0.held.fetch_sub(before - now, Ordering::Relaxed);
            return true;
        }
        let more = now - before;
        let all = self.0.held.fetch_add(more, Ordering::Relaxed) + more;
        all <= self.0.limit.saturating_mul(2)
    }
}

impl std::fmt::Debug for RelayMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayMemory")
            .field("held", &self.held())
            .field("limit", &self.limit())
            .finish()
    }
}
