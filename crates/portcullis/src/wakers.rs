//! Tasks that wait at one transport, which remembers one waker for each direction.

use std::sync::Arc;
use std::task::{Wake, Waker};

/// Wakes two tasks: the one that pushes, and the one whose bytes these are.
pub(crate) struct Both(pub(crate) Waker, pub(crate) Waker);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}

/// A task that waits, told from others by its waker; in four bytes, as every connection has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Task(u32);

impl Task {
    pub(crate) const NONE: Self = Self(0);

    /// `NONE` for the waker that does nothing.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Self {
        // Tasks are allocated: the last bits of their addresses say nothing.
        Self((waker.data().addr() >> 4) as u32)
    }
}
