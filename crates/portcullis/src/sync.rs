//! What the halves share is made of; under `cfg(portcullis_loom)`, of loom's stand-ins.

use std::task::Waker;

#[cfg(all(feature = "dtls", portcullis_loom))]
pub(crate) use loom::sync::MutexGuard;
#[cfg(all(feature = "dtls", portcullis_loom))]
pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
#[cfg(all(feature = "dtls", not(portcullis_loom)))]
pub(crate) use std::sync::MutexGuard;
#[cfg(all(feature = "dtls", not(portcullis_loom)))]
pub(crate) use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(portcullis_loom)]
pub(crate) use loom::sync::Mutex;
#[cfg(not(portcullis_loom))]
pub(crate) use std::sync::Mutex;

#[cfg(portcullis_loom)]
pub(crate) use portcullis_core::sync::OnceLock;
#[cfg(not(portcullis_loom))]
pub(crate) use std::sync::OnceLock;

/// The waker of the one task that waits. The lock is held for a comparison or a move.
#[derive(Debug)]
pub(crate) struct WakerCell(Mutex<Option<Waker>>);

impl WakerCell {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Keeps the waker in place of the one before. What is waited for has to be looked at after
    /// that: a change before has woken the task before.
    pub(crate) fn register(&self, waker: &Waker) {
        let is_there = |kept: &Option<Waker>| {
            let kept = kept.as_ref();
            kept.is_some_and(|kept| kept.will_wake(waker))
        };
        if self.with(|kept| is_there(kept)) {
            return;
        }
        // A waker is made and dropped by whoever made it, so not while the lock is held.
        let new = Some(waker.clone());
        let _old = self.with(|kept| core::mem::replace(kept, new));
    }

    /// Wakes the task that waits, if there is one.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.with(Option::take) {
            waker.wake();
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Option<Waker>) -> T) -> T {
        // Nothing that is done with the lock held can panic half way.
        let mut kept = match self.0.lock() {
            Ok(kept) => kept,
            Err(poisoned) => poisoned.into_inner(),
        };
        look(&mut kept)
    }
}

impl Default for WakerCell {
    fn default() -> Self {
        Self::new()
    }
}
