//! Where datagrams come in, and what was dropped there.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis::{Discarded, Discards, DtlsListener};

use super::flows::Counts;

/// The doors of a proxy.
#[derive(Debug, Default)]
pub(crate) struct Doors(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    dtls: Vec<Arc<DtlsListener>>,
    flows: Vec<Arc<Counts>>,
    /// Of those that are closed.
    heard: Heard,
}

/// What was dropped before there was a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// By reason, in the order of [`Discarded::ALL`].
    pub(crate) discarded: Vec<u64>,
    /// Clients that there was no place for, by what has none.
    pub(crate) refused: [u64; REFUSED.len()],
}

/// What may be full.
pub(crate) const REFUSED: [&str; 4] = ["handshakes", "connections", "newcomers", "flow"];

impl Heard {
    fn add(&mut self, discards: &Discards, refused: [u64; REFUSED.len()]) {
        self.discarded.resize(Discarded::ALL.len(), 0);
        for (sum, reason) in self.discarded.iter_mut().zip(Discarded::ALL) {
            *sum += u64::from(discards.count(*reason));
        }
        for (sum, count) in self.refused.iter_mut().zip(refused) {
            *sum += count;
        }
    }

    fn add_dtls(&mut self, listener: &DtlsListener) {
        let seen = listener.statistics();
        let refused = [seen.handshakes_full, seen.connections_full, 0, 0];
        self.add(&seen.discards, refused);
    }

    fn add_flows(&mut self, counts: &Counts) {
        let [newcomers, waiting] =
            [&counts.newcomers, &counts.waiting].map(|it| it.load(Ordering::Relaxed));
        self.add(&Discards::default(), [0, 0, newcomers, waiting]);
        let no_hello = Discarded::ALL
            .iter()
            .position(|it| *it == Discarded::NoHello);
        if let Some(sum) = no_hello.and_then(|at| self.discarded.get_mut(at)) {
            *sum += counts.no_hello.load(Ordering::Relaxed);
        }
    }
}

impl Doors {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_dtls(&self, listener: &Arc<DtlsListener>) {
        self.lock().dtls.push(Arc::clone(listener));
    }

    pub(crate) fn add_flows(&self, counts: &Arc<Counts>) {
        self.lock().flows.push(Arc::clone(counts));
    }

    /// Nobody comes in there any more; what was dropped is remembered.
    pub(crate) fn close(&self, listener: Arc<DtlsListener>) {
        let mut inner = self.lock();
        inner.heard.add_dtls(&listener);
        inner.dtls.retain(|it| !Arc::ptr_eq(it, &listener));
    }

    /// So far.
    pub(crate) fn heard(&self) -> Heard {
        let inner = self.lock();
        let mut heard = inner.heard.clone();
        inner.dtls.iter().for_each(|it| heard.add_dtls(it));
        inner.flows.iter().for_each(|it| heard.add_flows(it));
        heard
    }
}
