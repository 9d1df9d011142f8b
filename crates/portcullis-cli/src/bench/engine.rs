//! Threads that work, and the clock that they work by.

use std::io::IsTerminal as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::meter::{Counts, Meter, Pace, Schedule, Shared};
use super::process;
use super::settings::Load;
use super::work::Work;
use crate::failure::Failure;

/// How many connections a thread opens at a time, before time begins.
const OPENING: usize = 32;
/// How long what is under way at the end may take to end well.
const GRACE: Duration = Duration::from_secs(1);
/// How much of a thread's time may be processor time before the thread is what is measured.
const BUSY: f64 = 0.9;

/// What came of it.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) counts: Counts,
    /// Processor time of this process, in each round.
    pub(super) processor: Vec<Option<Duration>>,
    /// Whether somebody pressed Ctrl-C.
    pub(super) is_interrupted: bool,
    /// Whether a thread had no time left.
    pub(super) is_driver_busy: bool,
}

/// What a thread has to say.
enum Said {
    IsReady,
    Failed(Failure),
}

/// What a thread comes back with.
struct Worked {
    counts: Counts,
    is_busy: bool,
}

/// Opens all slots, lets them work through the warm-up and the rounds, and counts.
pub(super) async fn measure<W: Work>(
    work: &W,
    load: &Load,
    rate: Option<u32>,
) -> Result<Measured, Failure> {
    let shared = Shared::default();
    let (say, mut heard) = mpsc::unbounded_channel();
    let (begin, begun) = watch::channel(None);
    let mut processors = load.processors()?.map(Vec::into_iter);
    let mut threads = Vec::new();
    for worker in 0..load.workers {
        let thread = Thread {
            slots: load.connections / load.workers
                + u32::from(worker < load.connections % load.workers),
            pace: rate.map(|per_second| Pace {
                per_second,
                worker,
                workers: load.workers,
            }),
            processor: processors.as_mut().and_then(Iterator::next),
            shared: shared.clone(),
            say: say.clone(),
            begun: begun.clone(),
        };
        threads.push(thread.start(work.clone())?);
    }
    drop(say);
    for _ in 0..load.workers {
        match heard.recv().await {
            Some(Said::IsReady) => {}
            Some(Said::Failed(failure)) => return Err(failure),
            None => break,
        }
    }
    let schedule = Schedule {
        start: Instant::now(),
        warm_up: load.warm_up,
        round: load.duration,
        rounds: load.rounds,
    };
    begin.send_replace(Some(schedule));
    let (processor, is_interrupted) = watch_over(schedule, &shared).await;
    let mut measured = Measured {
        counts: Counts::new(load.rounds),
        processor,
        is_interrupted,
        is_driver_busy: false,
    };
    for thread in threads {
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        let Ok(Ok(worked)) = joined else {
            return Err(Failure::usage("a thread of this program has failed"));
        };
        measured.counts.add(&worked.counts);
        measured.is_driver_busy |= worked.is_busy;
    }
    Ok(measured)
}

/// Takes the processor time of each round, shows how far it is, and stops everything at Ctrl-C.
async fn watch_over(schedule: Schedule, shared: &Shared) -> (Vec<Option<Duration>>, bool) {
    let bar = Bar::new(schedule, shared.clone());
    let rounds = async {
        let mut spent = Vec::new();
        sleep_until(schedule.boundary(0)).await;
        let mut before = process::processor_time();
        for round in 1..=schedule.rounds {
            sleep_until(schedule.boundary(round)).await;
            let after = process::processor_time();
            spent.push(
                after
                    .zip(before)
                    .map(|(after, before)| after.saturating_sub(before)),
            );
            before = after;
        }
        spent
    };
    let mut result = (Vec::new(), false);
    tokio::select! {
        spent = rounds => result.0 = spent,
        _ = tokio::signal::ctrl_c() => {
            shared.is_stopped.store(true, Ordering::Relaxed);
            result.1 = true;
        }
        () = bar.show() => {}
    }
    bar.remove();
    result.0.resize(schedule.rounds as usize, None);
    result
}

/// How far it is, for somebody who sits before a terminal.
struct Bar {
    bar: ProgressBar,
    schedule: Schedule,
    shared: Shared,
}

impl Bar {
    fn new(schedule: Schedule, shared: Shared) -> Self {
        let milliseconds = schedule.end().duration_since(schedule.start).as_millis();
        let bar = match std::io::stderr().is_terminal() {
            true => ProgressBar::new(u64::try_from(milliseconds).unwrap_or(u64::MAX)),
            false => ProgressBar::hidden(),
        };
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            schedule,
            shared,
        }
    }

    /// Never ends.
    async fn show(&self) {
        let mut before = 0_u64;
        loop {
            sleep(Duration::from_millis(200)).await;
            let since = self.schedule.start.elapsed();
            let done = self.shared.progress.load(Ordering::Relaxed);
            let per_second = done.saturating_sub(before).saturating_mul(5);
            before = done;
            self.bar
                .set_position(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
            let phase = match since.checked_sub(self.schedule.warm_up) {
                None => "warm-up".to_owned(),
                Some(since) => {
                    let round = since.as_nanos() / self.schedule.round.as_nanos().max(1);
                    format!("round {}", round.saturating_add(1))
                }
            };
            self.bar.set_message(format!("{phase}, {per_second}/s"));
        }
    }

    fn remove(&self) {
        self.bar.finish_and_clear();
    }
}

/// One that is about to begin.
struct Thread {
    slots: u32,
    pace: Option<Pace>,
    /// Which one it is bound to.
    processor: Option<usize>,
    shared: Shared,
    say: mpsc::UnboundedSender<Said>,
    begun: watch::Receiver<Option<Schedule>>,
}

impl Thread {
    fn start<W: Work>(self, work: W) -> Result<JoinHandle<Worked>, Failure> {
        let failed = |error| Failure::transport("starting a thread", &error);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        std::thread::Builder::new()
            .name("bench".to_owned())
            .spawn(move || {
                let local = LocalSet::new();
                let worked = runtime.block_on(local.run_until(self.work(work)));
                // What has not ended by now is dropped with it.
                drop(local);
                worked
            })
            .map_err(failed)
    }

    async fn work<W: Work>(mut self, work: W) -> Worked {
        let nothing = Worked {
            counts: Counts::new(0),
            is_busy: false,
        };
        // This runs on the thread itself.
        if let Some(Err(error)) = self.processor.map(process::bind) {
            let failure = Failure::transport("--pin", &error);
            let _ = self.say.send(Said::Failed(failure));
            return nothing;
        }
        let slots = match self.open(&work).await {
            Ok(slots) => slots,
            Err(failure) => {
                let _ = self.say.send(Said::Failed(failure));
                return nothing;
            }
        };
        let _ = self.say.send(Said::IsReady);
        let Ok(schedule) = self
            .begun
            .wait_for(Option::is_some)
            .await
            .map(|begun| *begun)
        else {
            return nothing;
        };
        let Some(schedule) = schedule else {
            return nothing;
        };
        let meter = Rc::new(Meter::new(schedule, self.pace, self.shared));
        let mut running = JoinSet::new();
        for slot in slots {
            running.spawn_local(work.clone().run(slot, Rc::clone(&meter)));
        }
        sleep_until(schedule.boundary(0)).await;
        let (since, before) = (Instant::now(), process::thread_time());
        let all = async { while running.join_next().await.is_some() {} };
        let _ = timeout(schedule.end().duration_since(since) + GRACE, all).await;
        meter.fail_unfinished(GRACE);
        let measured = since.elapsed().min(schedule.end().duration_since(since));
        let spent = process::thread_time().zip(before);
        let spent = spent.map_or(Duration::ZERO, |(after, before)| {
            after.saturating_sub(before)
        });
        Worked {
            counts: meter.take_counts(),
            is_busy: spent.as_secs_f64() > BUSY * measured.as_secs_f64(),
        }
    }

    async fn open<W: Work>(&self, work: &W) -> Result<Vec<W::Slot>, Failure> {
        let places = Arc::new(Semaphore::new(OPENING));
        let mut opening = JoinSet::new();
        for _ in 0..self.slots {
            let (work, places) = (work.clone(), Arc::clone(&places));
            opening.spawn_local(async move {
                let _place = places.acquire().await;
                work.open().await
            });
        }
        let mut slots = Vec::new();
        while let Some(opened) = opening.join_next().await {
            match opened {
                Ok(slot) => slots.push(slot?),
                Err(_) => return Err(Failure::usage("a task of this program has failed")),
            }
        }
        Ok(slots)
    }
}
