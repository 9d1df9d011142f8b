//! What came of it, for people and for programs.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::engine::Measured;
use super::meter::{Counts, Failures, Round};
use super::process;
use super::settings::{Load, Peer};
use crate::failure::Failure;

/// Which percentiles are told, with their names.
const PERCENTILES: [(f64, &str); 5] = [
    (50.0, "p50"),
    (90.0, "p90"),
    (99.0, "p99"),
    (99.9, "p99.9"),
    (99.99, "p99.99"),
];

pub(super) struct Results<'a> {
    pub(super) mode: &'static str,
    /// What is counted.
    pub(super) what: &'static str,
    /// What the times are of.
    pub(super) timed: &'static str,
    pub(super) peer: &'a Peer,
    pub(super) load: &'a Load,
    pub(super) rate: Option<u32>,
    /// Those of the mode alone.
    pub(super) settings: Value,
    pub(super) agreed: Value,
    pub(super) measured: Measured,
    /// What may be wrong where nothing at all came to an end, if it is not the time.
    pub(super) if_nothing: Option<&'static str>,
    /// Whether what is sent is to come back, and both are told.
    pub(super) is_both_ways: bool,
}

impl Results<'_> {
    /// Prints it, and fails if more has failed than may, or a round has nothing in it.
    pub(super) fn tell(&self) -> Result<(), Failure> {
        match self.peer.json {
            true => print(&format!("{}\n", self.json()))?,
            false => print(&self.text())?,
        }
        let Counts { rounds, failures } = &self.measured.counts;
        let is_empty = |round: &Round| round.operations == 0;
        let nothing = self
            .if_nothing
            .filter(|_| rounds.iter().all(is_empty) && !self.measured.is_interrupted);
        match (too_many(failures, self.load.max_failures), nothing) {
            (Some(failed), Some(why)) => return Err(Failure::unmet(format!("{failed}; {why}"))),
            (Some(sentence), None) => return Err(Failure::unmet(sentence)),
            (None, Some(why)) => return Err(Failure::unmet(why)),
            (None, None) if self.measured.is_interrupted => return Ok(()),
            (None, None) => {}
        }
        if rounds.iter().any(is_empty) {
            return Err(Failure::unmet(format!(
                "there is a round without {} that came to an end: take a longer --duration",
                self.what
            )));
        }
        if self.is_both_ways && rounds.iter().any(|round| round.received == 0) {
            return Err(Failure::unmet(
                "there is a round in which nothing came back: --direction both is for a server that echoes, as `bench \
                 serve --service echo` does; for one that only reads there is --direction up, and a slow one takes a \
                 longer --duration",
            ));
        }
        Ok(())
    }

    fn seconds(&self) -> f64 {
        self.load.duration.as_secs_f64()
    }

    /// How much is due in a round, if there is a rate.
    fn due(&self) -> Option<u64> {
        self.rate
            .map(|rate| (f64::from(rate) * self.seconds()).round() as u64)
    }

    /// All rounds together.
    fn sum(&self) -> Round {
        let mut sum = Round::default();
        for round in &self.measured.counts.rounds {
            sum.add(round);
        }
        sum
    }

    /// Something of each round, in order of size.
    fn sorted(&self, of: impl Fn(&Round) -> u64) -> Vec<f64> {
        let rounds = self.measured.counts.rounds.iter();
        let mut values: Vec<_> = rounds
            .map(|round| of(round) as f64 / self.seconds())
            .collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn json(&self) -> Value {
        let measured = &self.measured;
        let rounds = measured.counts.rounds.iter().zip(&measured.processor);
        let rounds: Vec<_> = rounds
            .map(|(round, processor)| {
                json!({
                    "seconds": self.seconds(),
                    "due": self.due(),
                    "operations": round.operations,
                    "per_second": round.operations as f64 / self.seconds(),
                    "resumed": round.resumed,
                    "bytes_sent": round.sent,
                    "bytes_received": round.received,
                    "processor_us": processor.map(|time| time.as_micros() as u64),
                    "latency_us": latency(&round.latency),
                    "longer_than_60_s": round.too_long,
                })
            })
            .collect();
        let sum = self.sum();
        json!({
            "schema": "portcullis.bench/1",
            "mode": self.mode,
            "target": self.peer.target,
            "verified": !self.peer.insecure,
            "agreed": self.agreed,
            "portcullis": env!("CARGO_PKG_VERSION"),
            "system": process::system(),
            "loop": match self.rate { Some(_) => "open", None => "closed" },
            "settings": self.settings,
            "load": {
                "connections": self.load.connections,
                "workers": self.load.workers,
                "pinned": self.load.pin,
                "warm_up": self.load.warm_up.as_secs_f64(),
                "duration": self.seconds(),
                "rounds": self.load.rounds,
            },
            "complete": !measured.is_interrupted,
            "driver_is_the_limit": measured.is_driver_busy,
            "rounds": rounds,
            "per_second": range(&self.sorted(|round| round.operations)),
            "bytes_per_second": range(&self.sorted(|round| round.sent.saturating_add(round.received))),
            "bytes_sent_per_second": range(&self.sorted(|round| round.sent)),
            "bytes_received_per_second": range(&self.sorted(|round| round.received)),
            "latency_us": latency(&sum.latency),
            "histogram_us": recorded(&sum.latency),
            "failed": measured.counts.failures.total(),
            "failures": failures(&measured.counts.failures),
        })
    }

    fn text(&self) -> String {
        let measured = &self.measured;
        let agreed = |name: &str| self.agreed[name].as_str().unwrap_or("none").to_owned();
        let mut text = format!(
            "{}: {}, {}, {}, certificates {}\n",
            self.peer.target,
            agreed("version"),
            agreed("cipher_suite"),
            agreed("group"),
            match self.peer.insecure {
                true => "NOT verified",
                false => "verified",
            }
        );
        let who = format!(
            "{}, {}",
            several(self.load.connections, "connection"),
            several(self.load.workers, "thread")
        );
        let _ = match self.rate {
            Some(rate) => writeln!(text, "{who}, {rate} {} are due in a second", self.what),
            None => writeln!(
                text,
                "{who}; the next begins when one has ended, so the server sets the pace: what it delays is less, not later"
            ),
        };
        for (number, round) in measured.counts.rounds.iter().enumerate() {
            let processor = measured.processor.get(number).copied().flatten();
            let _ = writeln!(
                text,
                "round {}: {}",
                number.saturating_add(1),
                self.of(round, processor)
            );
        }
        let [least, median, most] = three(&self.sorted(|round| round.operations));
        let _ = writeln!(text, "median: {median:.1}/s ({least:.1} to {most:.1})");
        let mut flow = |name: &str, sorted: Vec<f64>, behind: &str| {
            let [least, median, most] = three(&sorted).map(|bytes| bytes / 1e6);
            let numbers = format!("{median:.1} MB/s ({least:.1} to {most:.1})");
            let _ = writeln!(text, "{name:<8}{numbers}{behind}");
        };
        if self.is_both_ways {
            flow("sent:", self.sorted(|round| round.sent), "");
            flow("back:", self.sorted(|round| round.received), "");
        }
        if self.mode == "throughput" {
            let sorted = self.sorted(|round| round.sent.saturating_add(round.received));
            let behind = match self.is_both_ways {
                true => ", both directions together",
                false => "",
            };
            flow("bytes:", sorted, behind);
        }
        let sum = self.sum();
        if !sum.latency.is_empty() {
            let _ = writeln!(
                text,
                "time {}, in µs: {}",
                self.timed,
                percentiles(&sum.latency)
            );
        }
        if sum.too_long > 0 {
            let _ = writeln!(text, "{} took longer than 60 s", sum.too_long);
        }
        if measured.is_driver_busy {
            text.push_str("THE DRIVER IS THE LIMIT: a thread of this program had no time left; take more --workers\n");
        }
        if measured.is_interrupted {
            text.push_str("INTERRUPTED: the last round is not whole\n");
        }
        text.push_str(&failed(&measured.counts.failures));
        text
    }

    /// One round.
    fn of(&self, round: &Round, processor: Option<Duration>) -> String {
        let each = |of: u64, what: &str| match (processor, of) {
            (Some(time), 1..) => {
                let time = time.as_micros() as f64 / of as f64;
                format!(", {time:.1} µs of processor time here {what}")
            }
            _ => String::new(),
        };
        let operations = round.operations;
        let rate = operations as f64 / self.seconds();
        let due = self.due().map(|due| format!(" of {due} due"));
        let due = due.unwrap_or_default();
        let mut text = format!("{operations} {}{due}, {rate:.1}/s", self.what);
        if self.mode == "throughput" {
            let bytes = round.sent.saturating_add(round.received);
            let rate = |bytes: u64| bytes as f64 / 1e6 / self.seconds();
            let _ = write!(text, ", {:.1} MB/s", rate(bytes));
            if self.is_both_ways {
                let (sent, back) = (rate(round.sent), rate(round.received));
                let _ = write!(text, " ({sent:.1} sent, {back:.1} back)");
            }
            text.push_str(&each(bytes >> 20, "a MiB"));
        } else {
            text.push_str(&each(operations, "each"));
        }
        if round.resumed > 0 {
            let _ = write!(text, ", {} resumed", round.resumed);
        }
        text
    }
}

/// Fails if more has failed than may.
pub(super) fn verdict(failures: &Failures, most: u64) -> Result<(), Failure> {
    match too_many(failures, most) {
        Some(sentence) => Err(Failure::unmet(sentence)),
        None => Ok(()),
    }
}

/// How many have failed, if these are more than may.
fn too_many(failures: &Failures, most: u64) -> Option<String> {
    let total = failures.total();
    (total > most).then(|| format!("{} (--max-failures {most})", several(total, "failure")))
}

/// For people; nothing if nothing has failed.
pub(super) fn failed(failures: &Failures) -> String {
    let listed = failures.listed();
    let mut text = match listed.is_empty() {
        true => String::new(),
        false => format!(
            "{} in all, also before the first round:\n",
            several(failures.total(), "failure")
        ),
    };
    for (reason, count) in listed {
        let _ = writeln!(text, "{count:>8} {reason}");
    }
    text
}

pub(super) fn failures(failures: &Failures) -> Value {
    let listed = failures.listed().into_iter();
    let listed = listed.map(|(reason, count)| json!({ "reason": reason, "count": count }));
    listed.collect::<Vec<_>>().into()
}

pub(super) fn percentiles(histogram: &Histogram<u64>) -> String {
    let told = PERCENTILES.iter();
    let told = told.map(|(at, name)| format!("{name} {}, ", histogram.value_at_percentile(*at)));
    told.collect::<String>() + &format!("most {}", histogram.max())
}

/// Nothing of an empty one.
pub(super) fn latency(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let mut told = json!({
        "min": histogram.min(),
        "mean": histogram.mean(),
        "max": histogram.max(),
    });
    for (at, name) in PERCENTILES {
        told[name] = histogram.value_at_percentile(at).into();
    }
    told
}

/// How often there was what, to three digits.
pub(super) fn recorded(histogram: &Histogram<u64>) -> Value {
    let recorded = histogram.iter_recorded();
    recorded
        .map(|step| json!([step.value_iterated_to(), step.count_at_value()]))
        .collect::<Vec<_>>()
        .into()
}

fn range(sorted: &[f64]) -> Value {
    let [least, median, most] = three(sorted);
    json!({ "least": least, "median": median, "most": most })
}

/// The least, the median, and the most.
fn three(sorted: &[f64]) -> [f64; 3] {
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    let last = sorted.len().saturating_sub(1);
    // Of an even number, what is between the two in the middle.
    let median = (at(last / 2) + at(last.div_ceil(2))) / 2.0;
    [at(0), median, at(last)]
}

pub(super) fn several(number: impl Into<u64>, what: &str) -> String {
    match number.into() {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

/// Standard output has the results and nothing else.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    written.map_err(|error| Failure::transport("standard output", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(three(&[]), [0.0, 0.0, 0.0]);
        assert_eq!(three(&[3.0]), [3.0, 3.0, 3.0]);
        assert_eq!(three(&[1.0, 2.0]), [1.0, 1.5, 2.0]);
        assert_eq!(three(&[1.0, 5.0, 9.0]), [1.0, 5.0, 9.0]);
    }

    #[test]
    fn of_nothing_there_are_no_numbers() {
        let empty = Histogram::new(3).unwrap();
        assert!(latency(&empty).is_null());
        assert_eq!(recorded(&empty), json!([]));
    }
}
