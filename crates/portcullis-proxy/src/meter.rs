//! What is counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of a connection; the values of the label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Clean,
    Truncated,
    ClientReset,
    BackendReset,
    Idle,
    Stalled,
    Drained,
    Handshake,
    Probe,
    NoRoute,
    Rule,
    NoBackend,
    Limit,
    Internal,
}

/// Their names, in the order of [`Outcome`].
pub(crate) const OUTCOMES: [&str; 14] = [
    "clean",
    "truncated",
    "client_reset",
    "backend_reset",
    "idle",
    "stalled",
    "drained",
    "handshake",
    "probe",
    "no_route",
    "rule",
    "no_backend",
    "limit",
    "internal",
];

impl Outcome {
    pub(crate) const fn name(self) -> &'static str {
        OUTCOMES[self as usize]
    }
}

#[derive(Debug, Default)]
pub(crate) struct Meter {
    ids: AtomicU64,
    pub(crate) ended: [AtomicU64; OUTCOMES.len()],
    pub(crate) open: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) accept_failures: AtomicU64,
    pub(crate) reloads: AtomicU64,
    pub(crate) reloads_failed: AtomicU64,
}

/// A connection that bytes are passed on of.
#[derive(Debug)]
pub(crate) struct Open<'m>(&'m Meter);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Meter {
    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn open(&self) -> Open<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(self)
    }

    pub(crate) fn ended(&self, outcome: Outcome) {
        self.ended[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn moved(&self, bytes_in: u64, bytes_out: u64) {
        self.bytes_in.fetch_add(bytes_in, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
    }

    pub(crate) fn accept_failed(&self) {
        self.accept_failures.fetch_add(1, Ordering::Relaxed);
    }
}
