//! What a thread counts, and when.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::text::printable_sentence;

/// What a histogram tells apart: 1 µs to 60 s, three digits.
const SHORTEST: u64 = 1;
const LONGEST: u64 = 60_000_000;
const DIGITS: u8 = 3;
/// How many reasons of failures are told apart.
const REASONS: usize = 32;

/// When is measured what: a warm-up, then rounds without a pause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) start: Instant,
    pub(super) warm_up: Duration,
    pub(super) round: Duration,
    pub(super) rounds: u32,
}

impl Schedule {
    /// When a round begins, or the one before it ends.
    pub(super) fn boundary(&self, round: u32) -> Instant {
        self.start + self.warm_up + self.round * round
    }

    pub(super) fn end(&self) -> Instant {
        self.boundary(self.rounds)
    }

    /// The round of this time, if it is in one.
    fn round_at(&self, now: Instant) -> Option<usize> {
        let since = now.checked_duration_since(self.boundary(0))?;
        let round = since.as_nanos().checked_div(self.round.as_nanos())?;
        usize::try_from(round)
            .ok()
            .filter(|round| *round < self.rounds as usize)
    }
}

/// How often a thread begins: the due times of all threads together are evenly spread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) per_second: u32,
    pub(super) worker: u32,
    pub(super) workers: u32,
}

/// What is known to all threads.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    /// How often something was done, for whoever looks on.
    pub(super) progress: Arc<AtomicU64>,
    /// Set, everything ends.
    pub(super) is_stopped: Arc<AtomicBool>,
}

/// What one turn has brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    pub(super) sent: usize,
    pub(super) received: usize,
    /// Whether a session was resumed, as the server said.
    pub(super) is_resumed: bool,
    /// When it was over, if something came behind it that does not count.
    pub(super) at: Option<Instant>,
}

/// What has begun and not ended, by slots.
#[derive(Debug, Default)]
struct Open {
    began: Vec<Option<Instant>>,
    free: Vec<usize>,
}

/// A place for one turn after the other.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    meter: &'a Meter,
    at: usize,
}

impl Slot<'_> {
    pub(super) fn begins(&self, began: Instant) {
        self.set(Some(began));
    }

    pub(super) fn ends(&self) {
        self.set(None);
    }

    fn set(&self, began: Option<Instant>) {
        if let Some(slot) = self.meter.open.borrow_mut().began.get_mut(self.at) {
            *slot = began;
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.ends();
        self.meter.open.borrow_mut().free.push(self.at);
    }
}

#[derive(Debug)]
pub(super) struct Meter {
    schedule: Schedule,
    pace: Option<Pace>,
    begun: Cell<u64>,
    open: RefCell<Open>,
    shared: Shared,
    counts: RefCell<Counts>,
}

impl Meter {
    pub(super) fn new(schedule: Schedule, pace: Option<Pace>, shared: Shared) -> Self {
        Self {
            schedule,
            pace,
            begun: Cell::new(0),
            open: RefCell::default(),
            shared,
            counts: RefCell::new(Counts::new(schedule.rounds)),
        }
    }

    pub(super) fn end(&self) -> Instant {
        self.schedule.end()
    }

    pub(super) fn is_over(&self) -> bool {
        self.shared.is_stopped.load(Ordering::Relaxed) || Instant::now() >= self.end()
    }

    /// When the next turn is due, if there is a pace.
    pub(super) fn due(&self) -> Option<Instant> {
        let pace = self.pace?;
        let number = self.begun.get();
        self.begun.set(number.saturating_add(1));
        let number = number
            .saturating_mul(pace.workers.into())
            .saturating_add(pace.worker.into());
        // 3,600 s and 10^6 a second are 4 × 10^18 ns at most.
        let nanoseconds = number.saturating_mul(1_000_000_000) / u64::from(pace.per_second);
        Some(self.schedule.start + Duration::from_nanos(nanoseconds))
    }

    pub(super) fn done(&self, began: Instant, done: Done) {
        self.shared.progress.fetch_add(1, Ordering::Relaxed);
        let at = done.at.unwrap_or_else(Instant::now);
        if let Some(round) = self.schedule.round_at(at) {
            let took = at.saturating_duration_since(began);
            if let Some(round) = self.counts.borrow_mut().rounds.get_mut(round) {
                round.count(took, done);
            }
        }
    }

    /// Bytes that came beside what is repeated.
    pub(super) fn received(&self, bytes: usize) {
        let Some(round) = self.schedule.round_at(Instant::now()) else {
            return;
        };
        if let Some(round) = self.counts.borrow_mut().rounds.get_mut(round) {
            round.received = round.received.saturating_add(bytes as u64);
        }
    }

    pub(super) fn failed(&self, failure: &Failure) {
        self.counts.borrow_mut().failures.count(failure, 1);
    }

    /// For turns that somebody is to look for at the end.
    pub(super) fn slot(&self) -> Slot<'_> {
        let mut open = self.open.borrow_mut();
        let at = open.free.pop().unwrap_or_else(|| {
            open.began.push(None);
            open.began.len() - 1
        });
        Slot { meter: self, at }
    }

    /// Counts as failures what should have come to an end, and has not: a server that says nothing any more is not to
    /// look as good as one that answers. What is under way for no longer than `grace`, or than something that did end, is
    /// none; nor is what was due in the last `grace`, or one turn of each slot.
    pub(super) fn fail_unfinished(&self, grace: Duration) {
        if self.shared.is_stopped.load(Ordering::Relaxed) {
            return;
        }
        let open = self.open.borrow();
        let mut counts = self.counts.borrow_mut();
        let longest = counts.rounds.iter().map(|round| round.latency.max()).max();
        let normal = grace.max(Duration::from_micros(longest.unwrap_or_default()));
        for began in open.began.iter().flatten() {
            let open = self.end().saturating_duration_since(*began);
            if open > normal {
                let seconds = open.as_secs();
                let failure = Failure::timeout(format!("no answer by the end ({seconds} s)"));
                counts.failures.count(&failure, 1);
            }
        }
        let slots = open.began.len() as u64;
        let late = self.due_by(self.end() - grace);
        let left = late.saturating_sub(self.begun.get()).saturating_sub(slots);
        if left > 0 {
            let failure = Failure::unmet("due, and not begun by the end: no connection was free");
            counts.failures.count(&failure, left);
        }
    }

    /// How many turns are due by then, if there is a pace.
    fn due_by(&self, then: Instant) -> u64 {
        let Some(pace) = self.pace else { return 0 };
        let since = then
            .saturating_duration_since(self.schedule.start)
            .as_nanos();
        let all = since.saturating_mul(pace.per_second.into()) / 1_000_000_000 + 1;
        let all = u64::try_from(all).unwrap_or(u64::MAX);
        let own = all.saturating_sub(pace.worker.into());
        own.div_ceil(u64::from(pace.workers).max(1))
    }

    pub(super) fn take_counts(&self) -> Counts {
        self.counts.replace(Counts::new(0))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Counts {
    pub(super) rounds: Vec<Round>,
    pub(super) failures: Failures,
}

impl Counts {
    pub(super) fn new(rounds: u32) -> Self {
        Self {
            rounds: (0..rounds).map(|_| Round::default()).collect(),
            failures: Failures::default(),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, other) in self.rounds.iter_mut().zip(&other.rounds) {
            sum.add(other);
        }
        self.failures.add(&other.failures);
    }
}

/// What was done in one round.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) operations: u64,
    pub(super) resumed: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    /// How many took longer than a histogram can tell, and are in it as 60 s.
    pub(super) too_long: u64,
    pub(super) latency: Histogram<u64>,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            operations: 0,
            resumed: 0,
            sent: 0,
            received: 0,
            too_long: 0,
            latency: histogram(),
        }
    }
}

/// An empty one, which grows with what is in it.
pub(super) fn histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(SHORTEST, 2 * SHORTEST, DIGITS)
        .expect("the bounds are constants");
    histogram.auto(true);
    histogram
}

/// Notes a time; says whether it was longer than can be told.
pub(super) fn note(histogram: &mut Histogram<u64>, took: Duration) -> bool {
    let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    // It grows as far as is asked for here.
    let _ = histogram.record(microseconds.clamp(SHORTEST, LONGEST));
    microseconds > LONGEST
}

impl Round {
    fn count(&mut self, took: Duration, done: Done) {
        self.operations = self.operations.saturating_add(1);
        self.resumed = self.resumed.saturating_add(done.is_resumed.into());
        self.sent = self.sent.saturating_add(done.sent as u64);
        self.received = self.received.saturating_add(done.received as u64);
        let too_long = note(&mut self.latency, took);
        self.too_long = self.too_long.saturating_add(too_long.into());
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.operations = self.operations.saturating_add(other.operations);
        self.resumed = self.resumed.saturating_add(other.resumed);
        self.sent = self.sent.saturating_add(other.sent);
        self.received = self.received.saturating_add(other.received);
        self.too_long = self.too_long.saturating_add(other.too_long);
        // What is in the other is within the bounds of both, and this one grows.
        let _ = self.latency.add(&other.latency);
    }
}

/// Failures, by their reasons.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    reasons: BTreeMap<String, u64>,
    /// For which there was no room.
    others: u64,
}

impl Failures {
    pub(super) fn count(&mut self, failure: &Failure, times: u64) {
        // There may be text of the server's in it.
        self.note(printable_sentence(&failure.to_string()), times);
    }

    fn note(&mut self, reason: String, times: u64) {
        let has_room = self.reasons.len() < REASONS;
        match self.reasons.get_mut(&reason) {
            Some(count) => *count = count.saturating_add(times),
            None if has_room => {
                self.reasons.insert(reason, times);
            }
            None => self.others = self.others.saturating_add(times),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (reason, times) in &other.reasons {
            self.note(reason.clone(), *times);
        }
        self.others = self.others.saturating_add(other.others);
    }

    pub(super) fn total(&self) -> u64 {
        let counts = self.reasons.values();
        counts.fold(self.others, |sum, count| sum.saturating_add(*count))
    }

    /// The most frequent ones first.
    pub(super) fn listed(&self) -> Vec<(&str, u64)> {
        let reasons = self.reasons.iter();
        let mut listed: Vec<_> = reasons.map(|(reason, count)| (&**reason, *count)).collect();
        listed.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        if self.others > 0 {
            listed.push(("other reasons", self.others));
        }
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule {
            start: Instant::now(),
            warm_up: Duration::from_secs(2),
            round: Duration::from_secs(1),
            rounds: 3,
        }
    }

    #[test]
    fn what_is_done_counts_in_its_round_and_in_the_warm_up_in_none() {
        let schedule = schedule();
        let meter = Meter::new(schedule, None, Shared::default());
        for (milliseconds, round) in [
            (0, None),
            (1_999, None),
            (2_000, Some(0)),
            (3_999, Some(1)),
            (4_999, Some(2)),
            (5_000, None),
        ] {
            let at = schedule.start + Duration::from_millis(milliseconds);
            assert_eq!(schedule.round_at(at), round, "{milliseconds}");
            meter.done(
                schedule.start,
                Done {
                    at: Some(at),
                    ..Done::default()
                },
            );
        }
        let counts = meter.take_counts();
        let operations: Vec<_> = counts.rounds.iter().map(|round| round.operations).collect();
        assert_eq!(operations, [1, 1, 1]);
        assert_eq!(counts.rounds[1].latency.max() / 1_000, 3_999);
    }

    #[test]
    fn due_times_of_all_workers_are_evenly_spread() {
        let schedule = schedule();
        let mut due = Vec::new();
        for worker in 0..3 {
            let pace = Pace {
                per_second: 100,
                worker,
                workers: 3,
            };
            let meter = Meter::new(schedule, Some(pace), Shared::default());
            due.extend((0..100).map(|_| meter.due().unwrap().duration_since(schedule.start)));
        }
        due.sort();
        for (number, due) in due.iter().enumerate() {
            assert_eq!(*due, Duration::from_millis(10 * number as u64));
        }
    }

    #[test]
    fn what_is_open_at_the_end_for_long_is_a_failure() {
        let grace = Duration::from_secs(1);
        let schedule = schedule();
        let meter = Meter::new(schedule, None, Shared::default());
        let ago = |seconds: f64| schedule.end() - Duration::from_secs_f64(seconds);
        let slots = [4.2, 0.9, 2.0, 3.0].map(|seconds| {
            let slot = meter.slot();
            slot.begins(ago(seconds));
            slot
        });
        let [_dead, _short, ended, dropped] = slots;
        ended.ends();
        drop(dropped);
        meter.fail_unfinished(grace);
        let failures = meter.take_counts().failures;
        let expected = [("no answer by the end (4 s)", 1)];
        assert_eq!(failures.listed(), expected);
        // Where answers take as long, nothing is wrong with one that is waited for.
        let meter = Meter::new(schedule, None, Shared::default());
        let slot = meter.slot();
        slot.begins(ago(2.0));
        let at = Some(ago(0.5));
        meter.done(
            ago(3.0),
            Done {
                at,
                ..Done::default()
            },
        );
        meter.fail_unfinished(grace);
        assert_eq!(meter.take_counts().failures.total(), 0);
    }

    #[test]
    fn what_was_due_and_not_begun_is_a_failure() {
        for (begun, left) in [(1, 131), (131, 1), (132, 0), (200, 0)] {
            let pace = Pace {
                per_second: 100,
                worker: 1,
                workers: 3,
            };
            let meter = Meter::new(schedule(), Some(pace), Shared::default());
            let _slots = [meter.slot(), meter.slot()];
            for _ in 0..begun {
                meter.due();
            }
            // 401 in the first 4 s of 5, of which 134 are this thread's, and its slots may be behind by one each.
            meter.fail_unfinished(Duration::from_secs(1));
            assert_eq!(meter.take_counts().failures.total(), left);
        }
    }

    #[test]
    fn what_takes_too_long_for_a_histogram_is_counted() {
        let mut round = Round::default();
        round.count(Duration::from_secs(61), Done::default());
        round.count(Duration::ZERO, Done::default());
        assert_eq!((round.operations, round.too_long), (2, 1));
        assert!(round.latency.max() >= LONGEST);
        let mut sum = Round::default();
        sum.add(&round);
        assert_eq!((sum.latency.len(), sum.too_long), (2, 1));
    }

    #[test]
    fn reasons_are_bounded_and_none_is_lost() {
        let mut failures = Failures::default();
        for number in 0..1_000 {
            failures.count(&Failure::usage(format!("reason {}", number % 100)), 1);
        }
        assert_eq!(failures.total(), 1_000);
        assert_eq!(failures.listed().len(), REASONS + 1);
        failures.add(&failures.clone());
        assert_eq!(failures.total(), 2_000);
        assert_eq!(failures.listed().len(), REASONS + 1);
    }
}
