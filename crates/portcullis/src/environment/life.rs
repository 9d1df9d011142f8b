//! What there is in an environment, and that it ends.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};

use crate::error::Error;

/// Counts members, and tells them of the end.
pub(crate) struct Life {
    ending: watch::Sender<bool>,
    members: AtomicUsize,
    /// The last one is gone.
    empty: Notify,
    clients_closed: AtomicBool,
    servers_closed: AtomicBool,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            ending: watch::Sender::new(false),
            members: AtomicUsize::new(0),
            empty: Notify::new(),
            clients_closed: AtomicBool::new(false),
            servers_closed: AtomicBool::new(false),
        }
    }
}

impl Life {
    pub(crate) fn is_ending(&self) -> bool {
        *self.ending.borrow()
    }

    /// Whether something may begin.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.is_ending() {
            true => Err(Error::shut_down()),
            false => Ok(()),
        }
    }

    pub(super) fn end(&self) {
        self.ending.send_replace(true);
    }

    /// Waits for the end.
    pub(crate) fn ending(this: Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let mut ending = this.ending.subscribe();
        async move {
            // The sender is here.
            let _this = this;
            let _ = ending.wait_for(|ending| *ending).await;
        }
    }

    pub(super) fn members(&self) -> usize {
        self.members.load(Ordering::SeqCst)
    }

    /// Waits until there is no member.
    pub(super) async fn empty(&self) {
        loop {
            let mut gone = std::pin::pin!(self.empty.notified());
            // Before it is looked: else the last one could go between.
            gone.as_mut().enable();
            if self.members() == 0 {
                return;
            }
            gone.await;
        }
    }

    /// Whether the clients' store is to be closed now.
    pub(super) fn closes_clients(&self) -> bool {
        !self.clients_closed.swap(true, Ordering::SeqCst)
    }

    pub(super) fn closes_servers(&self) -> bool {
        !self.servers_closed.swap(true, Ordering::SeqCst)
    }
}

/// Something that an environment waits for at its end.
pub(crate) struct Member(Arc<Life>);

impl Member {
    pub(crate) fn of(life: &Arc<Life>) -> Self {
        life.members.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(life))
    }

    pub(crate) fn life(&self) -> &Arc<Life> {
        &self.0
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.0.members.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.empty.notify_waiters();
        }
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Member")
    }
}
