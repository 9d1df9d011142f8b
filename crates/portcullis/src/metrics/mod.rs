//! What connections do, in numbers, for the recorder of the crate [`metrics`] that a program has.
//!
//! Nothing is written anywhere by this crate: a program installs a recorder, such as one that answers Prometheus
//! (`examples/metrics.rs`). Without one, a number costs a look at an atomic and no allocation.
//!
//! The values of labels are those in the tables here and no others, so that there are never more series than these
//! tables have rows: no name, no address and nothing else that a peer has sent becomes a label.
//!
//! [`METRICS`] has all numbers with their labels, [`describe`] gives their descriptions to the recorder.
//!
//! ```
//! portcullis::metrics::describe();
//! for metric in portcullis::metrics::METRICS {
//!     println!("{}{:?}: {}", metric.name, metric.labels, metric.description);
//! }
//! ```

mod discarded;
mod failure;
mod table;

use std::time::Instant;

use metrics::{Counter, Gauge, Histogram, Key, Level, Metadata, Recorder, SharedString, Unit};
use portcullis_core::EarlyDataStatus;
use portcullis_core::{ConnectionInformation, Direction, ProtocolVersion};

use crate::error::Error;

#[cfg(feature = "dtls")]
pub(crate) use self::discarded::{Full, Way, discarded, discards, full, passed_on};
use self::table::Table;

/// A number, as [`METRICS`] has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// What it is called.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// Its labels, each with all its values.
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// One sentence.
    pub description: &'static str,
}

/// What a number does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// It grows.
    Counter,
    /// It grows and shrinks.
    Gauge,
    /// Seconds, each counted where it belongs.
    Histogram,
}

const SIDES: &[&str] = &["client", "server"];
const VERSIONS: &[&str] = &[
    "1.0", "1.1", "1.2", "1.3", "dtls1.0", "dtls1.2", "dtls1.3", "unknown",
];
const RESUMED: &[&str] = &["no", "yes"];
const RESULTS: &[&str] = &["ok", "failed", "probe"];
const DIRECTIONS: &[&str] = &["sent", "received"];
const EARLY_DATA: &[&str] = &["accepted", "rejected"];
const OPERATIONS: &[&str] = &["take", "put", "get", "claim"];
const OUTCOMES: &[&str] = &["hit", "miss", "kept", "late", "lost"];
const TAKEN: &[&str] = &["taken", "full"];

const HANDSHAKES: &str = "tls_handshakes_total";
const FAILURES: &str = "tls_handshake_failures_total";
const SECONDS: &str = "tls_handshake_seconds";
const OPEN: &str = "tls_connections_open";
const ALERTS: &str = "tls_alerts_total";
const EARLY: &str = "tls_early_data_total";
const STORE: &str = "tls_session_store_ops_total";
const DISCARDED: &str = "dtls_discarded_total";
const FOREIGN: &str = "dtls_foreign_total";
const HANDED_OVER: &str = "dtls_handed_over_total";

/// All numbers.
pub const METRICS: &[Metric] = &[
    Metric {
        name: HANDSHAKES,
        kind: MetricKind::Counter,
        labels: &[
            ("side", SIDES),
            ("version", VERSIONS),
            ("resumed", RESUMED),
            ("result", RESULTS),
        ],
        description: "Handshakes that have ended. A probe is a client that closed or kept silent without a byte: \
                      a port scan or a health check.",
    },
    Metric {
        name: FAILURES,
        kind: MetricKind::Counter,
        labels: &[("side", SIDES), ("reason", failure::REASONS)],
        description: "Handshakes that have failed, probes left out, by what stopped them.",
    },
    Metric {
        name: SECONDS,
        kind: MetricKind::Histogram,
        labels: &[("side", SIDES), ("resumed", RESUMED)],
        description: "How long handshakes took that came to their end, answers to their questions included.",
    },
    Metric {
        name: OPEN,
        kind: MetricKind::Gauge,
        labels: &[("side", SIDES)],
        description: "Connections between the end of their handshake and the moment they are dropped.",
    },
    Metric {
        name: ALERTS,
        kind: MetricKind::Counter,
        labels: &[("direction", DIRECTIONS), ("description", failure::ALERTS)],
        description: "Fatal alerts that ended a handshake or a connection.",
    },
    Metric {
        name: EARLY,
        kind: MetricKind::Counter,
        labels: &[("side", SIDES), ("outcome", EARLY_DATA)],
        description: "Handshakes in which the client has offered early data.",
    },
    Metric {
        name: STORE,
        kind: MetricKind::Counter,
        labels: &[("operation", OPERATIONS), ("outcome", OUTCOMES)],
        description: "What stores of sessions were asked. Late: no answer in time; lost: a session that found \
                      no room among those that wait for a slow store.",
    },
    Metric {
        name: DISCARDED,
        kind: MetricKind::Counter,
        labels: &[("reason", discarded::REASONS)],
        description: "Records, datagrams and messages that were dropped over DTLS, by why; with the feature `dtls`.",
    },
    Metric {
        name: FOREIGN,
        kind: MetricKind::Counter,
        labels: &[("outcome", TAKEN)],
        description: "Datagrams at a socket of DTLS that are something else, where somebody takes these; full: there was \
                      no room for them. With the feature `dtls`.",
    },
    Metric {
        name: HANDED_OVER,
        kind: MetricKind::Counter,
        labels: &[("outcome", TAKEN)],
        description: "Datagrams for a connection at another socket of the same address, by their connection id; full: \
                      there was no room for them there, or nobody. With the feature `dtls`.",
    },
];

/// Bounds, in seconds, for the histogram `tls_handshake_seconds`: from half a millisecond, which a
/// resumed handshake on the same machine takes, to 10 seconds.
pub const HANDSHAKE_SECONDS_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Gives the recorder the description of each number. Call it once, behind the installation of the recorder.
pub fn describe() {
    metrics::with_recorder(|recorder| {
        for metric in METRICS {
            let (name, text) = (metric.name.into(), SharedString::from(metric.description));
            match metric.kind {
                MetricKind::Counter => recorder.describe_counter(name, Some(Unit::Count), text),
                MetricKind::Gauge => recorder.describe_gauge(name, Some(Unit::Count), text),
                MetricKind::Histogram => {
                    recorder.describe_histogram(name, Some(Unit::Seconds), text)
                }
            }
        }
    });
}

static HANDSHAKES_BY: Table<4> = Table::new(&METRICS[0]);
static FAILURES_BY: Table<2> = Table::new(&METRICS[1]);
static SECONDS_BY: Table<2> = Table::new(&METRICS[2]);
static OPEN_BY: Table<1> = Table::new(&METRICS[3]);
static ALERTS_BY: Table<2> = Table::new(&METRICS[4]);
static EARLY_BY: Table<2> = Table::new(&METRICS[5]);
static STORE_BY: Table<2> = Table::new(&METRICS[6]);
#[cfg(feature = "dtls")]
static DISCARDED_BY: Table<1> = Table::new(&METRICS[7]);
#[cfg(feature = "dtls")]
static FOREIGN_BY: Table<1> = Table::new(&METRICS[8]);
#[cfg(feature = "dtls")]
static HANDED_OVER_BY: Table<1> = Table::new(&METRICS[9]);

static METADATA: Metadata<'static> = Metadata::new("portcullis", Level::INFO, Some("portcullis"));

fn with<T>(key: &Key, register: fn(&dyn Recorder, &Key, &Metadata<'_>) -> T, then: impl FnOnce(T)) {
    metrics::with_recorder(|recorder| then(register(recorder, key, &METADATA)));
}

fn count<const N: usize>(table: &'static Table<N>, values: [&str; N]) {
    count_many(table, values, 1);
}

fn count_many<const N: usize>(table: &'static Table<N>, values: [&str; N], times: u64) {
    with(
        &table.key(values),
        |r, k, m| r.register_counter(k, m),
        |counter: Counter| counter.increment(times),
    );
}

fn side(is_server: bool) -> &'static str {
    SIDES[usize::from(is_server)]
}

fn resumed(is_resumed: bool) -> &'static str {
    RESUMED[usize::from(is_resumed)]
}

/// A handshake that is counted when it ends: once, also if it is dropped.
#[derive(Debug)]
pub(crate) struct Meter {
    is_server: bool,
    begun: Instant,
    is_over: bool,
}

impl Meter {
    pub(crate) fn begin(is_server: bool) -> Self {
        let begun = Instant::now();
        Self {
            is_server,
            begun,
            is_over: false,
        }
    }

    /// It has come to its end. What is given back counts as an open connection for as long as it lives.
    pub(crate) fn connected(&mut self, information: &ConnectionInformation) -> Open {
        self.is_over = true;
        let side = side(self.is_server);
        let version = match information.version() {
            ProtocolVersion::TLS_1_0 => "1.0",
            ProtocolVersion::TLS_1_1 => "1.1",
            ProtocolVersion::TLS_1_2 => "1.2",
            ProtocolVersion::TLS_1_3 => "1.3",
            ProtocolVersion::DTLS_1_0 => "dtls1.0",
            ProtocolVersion::DTLS_1_2 => "dtls1.2",
            ProtocolVersion::DTLS_1_3 => "dtls1.3",
            _ => "unknown",
        };
        let resumed = resumed(information.is_resumed());
        count(&HANDSHAKES_BY, [side, version, resumed, "ok"]);
        let took = self.begun.elapsed();
        let record = |histogram: Histogram| histogram.record(took);
        with(
            &SECONDS_BY.key([side, resumed]),
            |r, k, m| r.register_histogram(k, m),
            record,
        );
        match information.early_data() {
            EarlyDataStatus::Accepted => count(&EARLY_BY, [side, "accepted"]),
            EarlyDataStatus::Rejected(_) => count(&EARLY_BY, [side, "rejected"]),
            _ => {}
        }
        Open::new(self.is_server)
    }

    /// It has failed.
    pub(crate) fn failed(&mut self, error: &Error) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        if error.is_silent_peer() {
            return self.count("probe");
        }
        self.count("failed");
        count(&FAILURES_BY, [side(self.is_server), failure::reason(error)]);
        alert(error);
    }

    fn count(&self, result: &'static str) {
        let resumed = resumed(false);
        count(
            &HANDSHAKES_BY,
            [side(self.is_server), "unknown", resumed, result],
        );
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if !self.is_over {
            self.count("failed");
            count(&FAILURES_BY, [side(self.is_server), "cancelled"]);
        }
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Open {
    is_server: bool,
}

impl Open {
    fn new(is_server: bool) -> Self {
        let open = Self { is_server };
        open.change(|gauge| gauge.increment(1.0));
        open
    }

    fn change(&self, change: fn(Gauge)) {
        let key = OPEN_BY.key([side(self.is_server)]);
        with(&key, |r, k, m| r.register_gauge(k, m), change);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.change(|gauge| gauge.decrement(1.0));
    }
}

/// A connection, or a handshake, has ended with this.
pub(crate) fn alert(error: &Error) {
    if let Some((direction, alert)) = error.alert() {
        let direction = match direction {
            Direction::Sent => "sent",
            Direction::Received => "received",
        };
        count(&ALERTS_BY, [direction, failure::name(alert)]);
    }
}

/// A store of sessions was asked.
pub(crate) fn store(operation: &'static str, outcome: &'static str) {
    count(&STORE_BY, [operation, outcome]);
}

#[cfg(test)]
mod tests;
