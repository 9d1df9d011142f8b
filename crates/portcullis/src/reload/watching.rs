//! Looks at files again when they change, and from time to time.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use portcullis_core::Misuse;
use tokio::sync::{Notify, broadcast};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::parts::ReloadWarning;
use super::reloader::{LoadedFiles, Looked};
use super::{Configuration, Reloadable, folders};

/// How many events are kept for whoever does not take them; then the oldest are lost.
pub(super) const EVENTS: usize = 64;
/// The longest time that changes are waited for which do not end.
const RESTLESS: Duration = Duration::from_secs(5);
/// How often files are read again that do not fit together, while their writer may be between two of them.
const AGAIN: Duration = Duration::from_millis(100);
/// How often it is looked for a folder that cannot be watched: it may not be there at the moment.
const LOST: Duration = Duration::from_secs(1);

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
    /// What is in the files is wrong, and nothing of it was taken over. Said once for each content, until the next
    /// [`Published`](Self::Published) or [`Restored`](Self::Restored). Also of a certificate
    /// without the OCSP response that it demands: that is taken over once it has come.
    Rejected {
        /// Why.
        error: Misuse,
        /// The generation that stays.
        serving: u64,
    },
    /// The files say again what new handshakes have had all along: what was [rejected](Self::Rejected) is gone, and an
    /// alarm of it is over. Said once after each rejection that nothing was published after.
    Restored {
        /// The generation that has stayed.
        serving: u64,
    },
    /// Something is to be seen to, of what is served. Said once for each content.
    Warning {
        /// The file: of an identity that of its chain.
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

impl fmt::Display for ReloadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published {
                generation,
                changed,
            } => {
                write!(
                    f,
                    "generation {generation} is served, with what has changed in"
                )?;
                for (at, path) in changed.iter().enumerate() {
                    let before = if at == 0 { " " } else { ", " };
                    write!(f, "{before}{}", path.display())?;
                }
                Ok(())
            }
            Self::Rejected { error, serving } => write!(
                f,
                "nothing was taken over, and generation {serving} is still served: {error}"
            ),
            Self::Restored { serving } => write!(
                f,
                "the files say again what is served, generation {serving}"
            ),
            Self::Warning { path, warning } => write!(f, "{}: {warning}", path.display()),
            Self::NotWatched { error } => write!(
                f,
                "the system does not tell of changes, so files are looked at from time to time alone: {error}"
            ),
        }
    }
}

/// The task that looks at the files: dropping this ends it, and what is served stays. OCSP responses are fetched no more,
/// and the last ones are shown until they are over.
pub struct Watching {
    task: AbortHandle,
    look: Arc<Notify>,
    events: broadcast::Receiver<ReloadEvent>,
}

impl Watching {
    pub(super) fn start<C: Configuration + Send + Sync + 'static>(
        loaded: LoadedFiles<C>,
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
            is_lost: Arc::new(AtomicBool::new(false)),
            folders: BTreeSet::new(),
            unwatched: BTreeSet::new(),
        };
        let task = tokio::spawn(task.run()).abort_handle();
        Self { task, look, events }
    }

    /// Looks at the files now, e.g. on SIGHUP; an event tells what came of it, if they have changed. Whoever asks while files are
    /// there that do not fit together says that their writer is done: they are not waited for any longer. Of an identity
    /// without the OCSP response that it should have, the responder is asked now, too.
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
    loaded: LoadedFiles<C>,
    reloadable: Reloadable<C>,
    events: broadcast::Sender<ReloadEvent>,
    /// Somebody asks.
    look: Arc<Notify>,
    /// The system tells.
    changed: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    /// Whether one of the folders may not be watched any more.
    is_lost: Arc<AtomicBool>,
    /// What is watched.
    folders: BTreeSet<PathBuf>,
    /// What should be.
    unwatched: BTreeSet<PathBuf>,
}

impl<C: Configuration + Send + Sync + 'static> Task<C> {
    async fn run(mut self) {
        self.watch();
        // What has changed since they were read.
        let mut is_thorough = true;
        let mut poll = Instant::now();
        loop {
            self.look(is_thorough).await;
            if is_thorough {
                poll = Instant::now() + self.loaded.poll_every();
            }
            for (path, warning) in self.loaded.take_warnings() {
                tracing::warn!(?path, %warning, "what is served is to be seen to");
                self.tell(ReloadEvent::Warning { path, warning });
            }
            // Links may lead elsewhere now.
            if self.watch_folders() {
                self.changed.notify_one();
            }
            is_thorough = tokio::select! {
                () = self.look.notified() => {
                    self.loaded.fetch_now();
                    true
                }
                () = sleep_until(poll) => true,
                () = self.loaded.response() => true,
                () = sleep(LOST), if !self.unwatched.is_empty() => false,
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
                Looked::Restored => {
                    let serving = self.reloadable.generation();
                    tracing::info!(serving, "files say again what is served");
                    return self.tell(ReloadEvent::Restored { serving });
                }
                Looked::Wrong(error) => error,
            };
            // No writer is waited for where only a responder is.
            if Instant::now() >= end || self.loaded.is_waiting() {
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
        let (changed, is_lost) = (Arc::clone(&self.changed), Arc::clone(&self.is_lost));
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            match event.map(|event| event.kind) {
                // Reading, which we do ourselves, changes nothing.
                Ok(EventKind::Access(kind)) if kind != AccessKind::Close(AccessMode::Write) => {
                    return;
                }
                // A folder that goes is watched no more, and one that is made in its place is not yet.
                Ok(EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) => {
                    is_lost.store(true, Ordering::Release);
                }
                Ok(_) => {}
                // It may be a loss of events.
                Err(_) => is_lost.store(true, Ordering::Release),
            }
            changed.notify_one();
        });
        match watcher {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => self.not_watched(&error),
        }
        self.watch_folders();
    }

    /// Watches the folders that the files are in now; whether something may have changed before one was watched.
    fn watch_folders(&mut self) -> bool {
        let Some(watcher) = &mut self.watcher else {
            return false;
        };
        let now = folders::of(self.loaded.paths());
        for gone in self.folders.difference(&now) {
            // It may not be there any more.
            let _ = watcher.unwatch(gone);
        }
        let is_lost = self.is_lost.swap(false, Ordering::AcqRel);
        let before = std::mem::take(&mut self.folders);
        let (mut unwatched, mut failed) = (BTreeSet::new(), None);
        for folder in now {
            // To watch one again is to watch what is there now.
            let watched = match before.contains(&folder) && !is_lost {
                true => Ok(()),
                false => watcher.watch(&folder, RecursiveMode::NonRecursive),
            };
            match watched {
                Ok(()) => {
                    self.folders.insert(folder);
                }
                Err(error) => {
                    // Said once.
                    if !self.unwatched.contains(&folder) {
                        failed = Some(error);
                    }
                    unwatched.insert(folder);
                }
            }
        }
        let is_new = is_lost || !self.folders.is_subset(&before);
        self.unwatched = unwatched;
        if let Some(error) = failed {
            self.not_watched(&error);
        }
        is_new
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_sentences() {
        let path = |name| PathBuf::from(name);
        let missing = ReloadWarning::Incomplete {
            issuer: "CN=An authority".to_owned(),
        };
        for (event, sentence) in [
            (
                ReloadEvent::Published {
                    generation: 2,
                    changed: vec![path("tls.crt"), path("tls.key")],
                },
                "generation 2 is served, with what has changed in tls.crt, tls.key",
            ),
            (
                ReloadEvent::Rejected {
                    error: Misuse::new("tls.key: there is no private key"),
                    serving: 1,
                },
                "nothing was taken over, and generation 1 is still served: tls.key: there is no private key",
            ),
            (
                ReloadEvent::Restored { serving: 1 },
                "the files say again what is served, generation 1",
            ),
            (
                ReloadEvent::NotWatched {
                    error: Misuse::new("no more watches"),
                },
                "the system does not tell of changes, so files are looked at from time to time alone: no more watches",
            ),
        ] {
            assert_eq!(event.to_string(), sentence);
        }
        let warning = ReloadEvent::Warning {
            path: path("tls.crt"),
            warning: missing.clone(),
        };
        assert_eq!(warning.to_string(), format!("tls.crt: {missing}"));
    }
}
