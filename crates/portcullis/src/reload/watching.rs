//! Looks at files again when they change, and from time to time.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use portcullis_core::Misuse;
use tokio::sync::{Notify, broadcast};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::parts::ReloadWarning;
use super::reloader::{Loaded, Looked};
use super::{Configuration, Reloadable, folders};

/// How many events are kept for whoever does not take them; then the oldest are lost.
pub(super) const EVENTS: usize = 64;
/// The longest time that changes are waited for which do not end.
const RESTLESS: Duration = Duration::from_secs(5);
/// How often files are read again that do not fit together, while their writer may be between two of them.
const AGAIN: Duration = Duration::from_millis(100);

/// What came of looking at the files.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReloadEvent {
    /// New handshakes have what is in the files now.
    Published {
        /// As [`Reloadable::generation`].
        generation: u64,
        /// Which files had changed.
        changed: Vec<PathBuf>,
    },
    /// What is in the files is wrong, and nothing of it was taken over. Said once for each content.
    Rejected {
        /// Why.
        error: Misuse,
        /// The generation that stays.
        serving: u64,
    },
    /// Something is to be seen to, of an identity that is served. Said once for each content.
    Warning {
        /// The file of its chain.
        path: PathBuf,
        /// What.
        warning: ReloadWarning,
    },
    /// The system does not tell of changes: the files are looked at from time to time alone.
    NotWatched {
        /// Why.
        error: Misuse,
    },
}

/// The task that looks at the files: dropping this ends it, and what is served stays.
pub struct Watching {
    task: AbortHandle,
    look: Arc<Notify>,
    events: broadcast::Receiver<ReloadEvent>,
}

impl Watching {
    pub(super) fn start<C: Configuration + Send + Sync + 'static>(
        loaded: Loaded<C>,
        reloadable: Reloadable<C>,
    ) -> Self {
        let (sender, events) = broadcast::channel(EVENTS);
        let look = Arc::new(Notify::new());
        let task = Task {
            loaded,
            reloadable,
            events: sender,
            look: Arc::clone(&look),
            changed: Arc::new(Notify::new()),
            watcher: None,
            folders: BTreeSet::new(),
        };
        let task = tokio::spawn(task.run()).abort_handle();
        Self { task, look, events }
    }

    /// Looks at the files now, e.g. on SIGHUP; an event tells what came of it, if they have changed. Who asks while files are
    /// there that do not fit together says that their writer is done: they are not waited for any longer.
    pub fn look_now(&self) {
        self.look.notify_one();
    }

    /// The next event; `None` when the runtime has ended. The last 64 are kept.
    ///
    /// # Cancel safety
    /// No event is lost.
    pub async fn next_event(&mut self) -> Option<ReloadEvent> {
        loop {
            match self.events.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Task<C> {
    loaded: Loaded<C>,
    reloadable: Reloadable<C>,
    events: broadcast::Sender<ReloadEvent>,
    /// Somebody asks.
    look: Arc<Notify>,
    /// The system tells.
    changed: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    /// What it watches.
    folders: BTreeSet<PathBuf>,
}

impl<C: Configuration + Send + Sync + 'static> Task<C> {
    async fn run(mut self) {
        self.watch();
        // What has changed since they were read.
        let mut is_thorough = true;
        loop {
            self.look(is_thorough).await;
            for (path, warning) in self.loaded.take_warnings() {
                tracing::warn!(?path, %warning, "an identity that is served");
                self.tell(ReloadEvent::Warning { path, warning });
            }
            // Links may lead elsewhere now.
            self.watch_folders();
            is_thorough = tokio::select! {
                () = self.look.notified() => true,
                () = sleep(self.loaded.poll_every()) => true,
                () = self.changed.notified() => {
                    self.settled().await;
                    false
                }
            };
        }
    }

    /// Waits until nothing has changed for a while.
    async fn settled(&self) {
        let end = Instant::now() + RESTLESS;
        while Instant::now() < end {
            let quiet = (Instant::now() + self.loaded.settle()).min(end);
            if timeout_at(quiet, self.changed.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Takes over what is right. What is wrong may be half of something that is right.
    async fn look(&mut self, is_thorough: bool) {
        let mut end = Instant::now() + self.loaded.patience();
        loop {
            let wrong = match self.loaded.look(is_thorough, &self.reloadable).await {
                Looked::Nothing => return,
                Looked::Published {
                    generation,
                    changed,
                } => {
                    tracing::info!(generation, ?changed, "files taken over");
                    return self.tell(ReloadEvent::Published {
                        generation,
                        changed,
                    });
                }
                Looked::Wrong(error) => error,
            };
            if Instant::now() >= end {
                if let Some(error) = self.loaded.reject(wrong) {
                    let serving = self.reloadable.generation();
                    tracing::warn!(%error, serving, "files were not taken over");
                    self.tell(ReloadEvent::Rejected { error, serving });
                }
                return;
            }
            if self.loaded.is_rejected(&wrong) {
                return;
            }
            tokio::select! {
                () = sleep(AGAIN) => {}
                () = self.look.notified() => end = Instant::now(),
            }
        }
    }

    /// Nobody may listen.
    fn tell(&self, event: ReloadEvent) {
        let _ = self.events.send(event);
    }

    fn watch(&mut self) {
        let changed = Arc::clone(&self.changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading, which we do ourselves, changes nothing. An error may be a loss of events.
            let is_change = event.is_ok_and(|event| match event.kind {
                EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
                _ => true,
            });
            if is_change {
                changed.notify_one();
            }
        });
        match watcher {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => self.not_watched(&error),
        }
        self.watch_folders();
    }

    fn watch_folders(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let now = folders::of(self.loaded.paths());
        let mut failed = None;
        for gone in self.folders.difference(&now) {
            // It may not be there any more.
            let _ = watcher.unwatch(gone);
        }
        for folder in now.difference(&self.folders) {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                failed = Some(error);
            }
        }
        self.folders = now;
        if let Some(error) = failed {
            self.not_watched(&error);
        }
    }

    fn not_watched(&self, error: &notify::Error) {
        let error = Misuse::new(format!("files are not watched: {error}"));
        tracing::warn!(%error, every = ?self.loaded.poll_every(), "files are looked at from time to time alone");
        self.tell(ReloadEvent::NotWatched { error });
    }
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").finish_non_exhaustive()
    }
}
