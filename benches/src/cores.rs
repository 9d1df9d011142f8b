//! Threads that stay where they are: the scheduler would now and then put both ends of a
//! connection on one core, and what a wake-up costs depends on it. With `UNPINNED` in the
//! environment it decides.

use std::sync::LazyLock;

use core_affinity::CoreId;

/// Those that the process may use when it starts.
static CORES: LazyLock<Vec<CoreId>> =
    LazyLock::new(|| core_affinity::get_core_ids().unwrap_or_default());

/// The two threads of a case; on a machine with one core they share it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    /// The process's first thread too.
    Client,
    Server,
}

impl Side {
    /// Keeps this thread on this side's core. The first call has to come before any other thread
    /// is started: a new one has only the cores of the one that starts it.
    pub(crate) fn settle(self) {
        if std::env::var_os("UNPINNED").is_some() {
            return;
        }
        if let Some(core) = CORES.get(self as usize) {
            // Where that is not possible, the scheduler decides too.
            core_affinity::set_for_current(*core);
        }
    }
}
