//! What is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis::{Discarded, Discards};

use crate::datagrams::Moved;

/// What became of a connection; the values of the label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Clean,
    Discarded,
    Truncated,
    ClientReset,
    BackendReset,
    Idle,
    Stalled,
    Drained,
    Handshake,
    Probe,
    ProxyHeader,
    NoRoute,
    Rule,
    NoBackend,
    Limit,
    Internal,
}

/// Their names, in the order of [`Outcome`].
pub(crate) const OUTCOMES: [&str; 16] = [
    "clean",
    "discarded",
    "truncated",
    "client_reset",
    "backend_reset",
    "idle",
    "stalled",
    "drained",
    "handshake",
    "probe",
    "proxy_header",
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

/// Connections of a proxy, or of one route.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) ended: [AtomicU64; OUTCOMES.len()],
    pub(crate) open: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
}

impl Counts {
    fn moved(&self, bytes_in: u64, bytes_out: u64) {
        self.bytes_in.fetch_add(bytes_in, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Meter {
    ids: AtomicU64,
    pub(crate) all: Counts,
    pub(crate) accept_failures: AtomicU64,
    pub(crate) reloads: AtomicU64,
    pub(crate) reloads_failed: AtomicU64,
    pub(crate) datagrams: Datagrams,
}

/// What became of datagrams, of connections that have ended; of each the direction in, then out.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    pub(crate) moved: [AtomicU64; 2],
    pub(crate) too_long: [AtomicU64; 2],
    pub(crate) unsent: [AtomicU64; 2],
    /// What DTLS has dropped, in the order of [`Discarded::ALL`].
    pub(crate) discarded: [AtomicU64; Discarded::ALL.len()],
}

impl Datagrams {
    pub(crate) fn add(&self, ways: &[Moved; 2]) {
        for (at, way) in ways.iter().enumerate() {
            for (counts, count) in [
                (&self.moved, way.datagrams),
                (&self.too_long, way.too_long),
                (&self.unsent, way.unsent),
            ] {
                counts[at].fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn discard(&self, discards: &Discards) {
        for (count, reason) in self.discarded.iter().zip(Discarded::ALL) {
            count.fetch_add(u64::from(discards.count(*reason)), Ordering::Relaxed);
        }
    }
}

/// A connection that bytes are passed on of.
#[derive(Debug)]
pub(crate) struct Open<'m>([&'m Counts; 2]);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        for counts in self.0 {
            counts.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Meter {
    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn open<'m>(&'m self, route: &'m Counts) -> Open<'m> {
        for counts in [&self.all, route] {
            counts.open.fetch_add(1, Ordering::Relaxed);
        }
        Open([&self.all, route])
    }

    pub(crate) fn ended(&self, route: Option<&Counts>, outcome: Outcome) {
        for counts in [Some(&self.all), route].into_iter().flatten() {
            counts.ended[outcome as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn moved(&self, route: &Counts, bytes_in: u64, bytes_out: u64) {
        for counts in [&self.all, route] {
            counts.moved(bytes_in, bytes_out);
        }
    }

    pub(crate) fn accept_failed(&self) {
        self.accept_failures.fetch_add(1, Ordering::Relaxed);
    }
}
