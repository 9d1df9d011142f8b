//! The thread that reads and writes the file, and what it is asked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redb::Database;
use tokio::sync::oneshot;

use super::file::File;
use super::now;
use super::tables::{Answer, Tables};
use crate::sealed::LastError;
use crate::{StoreError, StoreErrorKind, StoreFuture};

/// How many wait at most; whoever comes then has no session.
const MOST_WAITING: usize = 4_096;
/// How many are written together at most.
const MOST_TOGETHER: usize = 1_024;
/// How often what has expired is removed where nobody asks for anything.
const SWEEP: Duration = Duration::from_secs(10);
/// How long a file that has failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Says the answer, once it is on the disk.
type Tell = Box<dyn FnOnce() + Send>;
type Work = Box<dyn FnOnce(&mut Tables<'_>) -> Answer<Tell> + Send>;

enum Job {
    Work(Work),
    Close(oneshot::Sender<()>),
}

#[derive(Clone)]
pub(super) struct Thread {
    jobs: SyncSender<Job>,
    last_error: LastError,
}

impl Thread {
    /// Starts it; it opens the file.
    pub(super) async fn start(file: Arc<File>, capacity: u64) -> Result<Self, StoreError> {
        let (jobs, receiver) = sync_channel(MOST_WAITING);
        let (tell, told) = oneshot::channel();
        let last_error = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&last_error);
        let run = move || match file.open() {
            Ok(database) => {
                if tell.send(Ok(())).is_ok() {
                    let keeper = Keeper {
                        file,
                        capacity,
                        database: Some(database),
                        sweep_after: SWEEP,
                        failed: Instant::now(),
                        last_error: noted,
                    };
                    keeper.run(&receiver);
                }
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        };
        let started = std::thread::Builder::new()
            .name("portcullis-sessions".to_owned())
            .spawn(run);
        let unavailable = |what: &dyn std::fmt::Display| {
            let sentence = format!("the thread of a store on disk cannot run: {what}");
            StoreError::new(StoreErrorKind::Unavailable, sentence)
        };
        started.map_err(|error| unavailable(&error))?;
        told.await.map_err(|_| unavailable(&"it has ended"))??;
        Ok(Self { jobs, last_error })
    }

    /// Where it says what has failed.
    pub(super) fn errors(&self) -> LastError {
        Arc::clone(&self.last_error)
    }

    pub(super) fn last_error(&self) -> Option<StoreError> {
        let last = self.last_error.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives the thread something to do; `None` if it cannot. It is asked before the future is made.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Answer<T> + Send + 'static,
    ) -> StoreFuture<'static, Option<T>> {
        let (tell, told) = oneshot::channel();
        let work = move |tables: &mut Tables<'_>| {
            let value = work(tables)?;
            let tell: Tell = Box::new(move || drop(tell.send(value)));
            Ok(tell)
        };
        // Where too many wait, the job is dropped, and so is who would tell.
        let _ = self.jobs.try_send(Job::Work(Box::new(work)));
        Box::pin(async move { told.await.ok() })
    }

    /// Ends it, when all that was asked before is done.
    pub(super) async fn close(&self) {
        loop {
            let (tell, told) = oneshot::channel();
            match self.jobs.try_send(Job::Close(tell)) {
                Ok(()) => return drop(told.await),
                Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return,
                // It is behind: what waits is written first.
                Err(std::sync::mpsc::TrySendError::Full(_)) => {
                    let written = self.ask(|_| Ok(()));
                    let _ = written.await;
                }
            }
        }
    }
}

/// What the thread has.
struct Keeper {
    file: Arc<File>,
    capacity: u64,
    /// `None` after an error, since which nothing is sure of the file until it is opened again.
    database: Option<Database>,
    /// How long nobody asks for anything before what has expired is removed.
    sweep_after: Duration,
    failed: Instant,
    last_error: LastError,
}

impl Keeper {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let first = match jobs.recv_timeout(self.sweep_after) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let (mut batch, mut closing) = (Vec::new(), None);
            for job in first.into_iter().chain(jobs.try_iter()) {
                match job {
                    Job::Work(work) => batch.push(work),
                    Job::Close(tell) => closing = Some(tell),
                }
                if closing.is_some() || batch.len() >= MOST_TOGETHER {
                    break;
                }
            }
            self.work_through(batch);
            if let Some(tell) = closing {
                drop(self);
                let _ = tell.send(());
                return;
            }
        }
    }

    /// Does the work, or drops it, and so tells that there is nothing.
    fn work_through(&mut self, batch: Vec<Work>) {
        if self.database.is_none() && self.failed.elapsed() >= PAUSE {
            match self.file.open() {
                Ok(database) => self.database = Some(database),
                Err(error) => self.fail(error),
            }
        }
        let Some(database) = &self.database else {
            return;
        };
        let capacity = self.capacity;
        // What is damaged enough makes redb panic.
        let done = catch_unwind(AssertUnwindSafe(|| commit(database, batch, capacity)));
        match done {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => self.fail(self.file.error(&fault.0)),
            Err(_) => self.fail(self.file.damaged(&"it makes no sense")),
        }
    }

    fn fail(&mut self, error: StoreError) {
        self.database = None;
        self.failed = Instant::now();
        let mut last = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(error);
    }
}

/// Does all the work in one transaction, and tells what came of it when that is on the disk.
fn commit(database: &Database, batch: Vec<Work>, capacity: u64) -> Answer<()> {
    let mut transaction = database.begin_write()?;
    // After a `kill -9` the file is good at once.
    transaction.set_quick_repair(true);
    let mut answers = Vec::with_capacity(batch.len());
    let changed = {
        let mut tables = Tables::open(&transaction)?;
        for work in batch {
            answers.push(work(&mut tables)?);
        }
        tables.sweep(now(), capacity)?;
        tables.changed
    };
    // A mere look, or an id that was made up, costs no write.
    if changed {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    answers.into_iter().for_each(|tell| tell());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Key, SERVER};
    use super::*;
    use crate::sealed::Place;

    /// The thread is started and ended again until it has had its time: on a machine that does other things that may
    /// take a while. Nothing is asked of it, as any question would remove what has expired, too.
    #[test]
    fn what_has_expired_goes_where_nobody_asks() {
        let name = format!("portcullis-disk-sweep-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = Arc::new(File::new(&path, false));
        let count = |database: &Database| -> Answer<usize> {
            let transaction = database.begin_write()?;
            let count = Tables::open(&transaction)?.count((SERVER, SERVER))?;
            transaction.abort()?;
            Ok(count)
        };
        let database = file.open().unwrap();
        let put = |end: u64| -> Answer<()> {
            let transaction = database.begin_write()?;
            let key = Key::new(SERVER, &Place([7; 32]), end);
            // The head of what is sealed, which says when it ends.
            let sealed = [&[0][..], &end.to_be_bytes()].concat();
            Tables::open(&transaction)?.put(key, &sealed)?;
            Ok(transaction.commit()?)
        };
        let (past, future) = (1_000, now().as_secs() + 1_000);
        assert!([past, future].into_iter().all(|end| put(end).is_ok()));
        assert!(matches!(count(&database), Ok(2)));
        drop(database);
        let begun = Instant::now();
        let left = loop {
            let (jobs, receiver) = sync_channel(1);
            let keeper = Keeper {
                file: Arc::clone(&file),
                capacity: 10,
                database: Some(file.open().unwrap()),
                sweep_after: Duration::from_millis(5),
                failed: Instant::now(),
                last_error: Arc::default(),
            };
            let thread = std::thread::spawn(move || keeper.run(&receiver));
            std::thread::sleep(Duration::from_millis(50));
            drop(jobs);
            thread.join().unwrap();
            let left = count(&file.open().unwrap()).ok();
            if left != Some(2) || begun.elapsed() > Duration::from_secs(20) {
                break left;
            }
        };
        std::fs::remove_file(&path).unwrap();
        assert_eq!(left, Some(1), "sessions after the time of one of two");
    }
}
