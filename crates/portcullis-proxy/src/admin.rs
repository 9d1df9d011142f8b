//! The administration's port: HTTP/1.1, to read alone. `/health`, `/ready`, `/metrics`, `/status`.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use portcullis::Discarded;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::config::{Admin, Plan, days_left};
use crate::datagrams::doors::REFUSED;
use crate::meter::{Counts, OUTCOMES};
use crate::proxy::Shared;

/// The longest head of a request.
const LONGEST: usize = 8 * 1_024;
/// How long one request may take.
const WITHIN: Duration = Duration::from_secs(2);
/// Requests at once: for one more the oldest is left alone of those that are not being answered.
const AT_ONCE: usize = 16;

/// Where it listens; `passed` is a socket that does already.
///
/// # Errors
/// When the address cannot be had.
pub(crate) fn bind(
    admin: &Admin,
    passed: Option<socket2::Socket>,
) -> io::Result<(SocketAddr, TcpListener)> {
    let socket = match passed {
        Some(socket) => socket.into(),
        None => std::net::TcpListener::bind(admin.listen)?,
    };
    socket.set_nonblocking(true)?;
    Ok((socket.local_addr()?, TcpListener::from_std(socket)?))
}

/// Answers for as long as it is polled.
pub(crate) async fn run(shared: Arc<Shared>, listener: TcpListener) {
    let mut answering = JoinSet::new();
    let mut order: VecDeque<(AbortHandle, Arc<Progress>)> = VecDeque::with_capacity(AT_ONCE);
    loop {
        let Ok((mut io, _)) = listener.accept().await else {
            // Descriptors may be used up for a while.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        while answering.try_join_next().is_some() {}
        order.retain(|(one, _)| !one.is_finished());
        if order.len() >= AT_ONCE {
            match to_leave(order.iter().map(|(_, progress)| progress.get())) {
                Some(at) => order.remove(at).into_iter().for_each(|it| it.0.abort()),
                // Others are left in the system's queue.
                None => drop(answering.join_next().await),
            }
            order.retain(|(one, _)| !one.is_finished());
        }
        let (shared, progress) = (Arc::clone(&shared), Arc::new(Progress::new()));
        let task = answering.spawn({
            let progress = Arc::clone(&progress);
            async move {
                let _ = timeout(WITHIN, answer(&shared, &mut io, &progress)).await;
            }
        });
        order.push_back((task, progress));
    }
}

/// How far a request is.
struct Progress(AtomicU8);

impl Progress {
    /// It has no whole head.
    const ASKS: u8 = 0;
    /// It has its answer.
    const DONE: u8 = 1;
    const IS_ANSWERED: u8 = 2;

    const fn new() -> Self {
        Self(AtomicU8::new(Self::ASKS))
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, to: u8) {
        self.0.store(to, Ordering::Relaxed);
    }
}

/// Which is left alone for one more: the oldest of those that ask, then of those that have their answer.
fn to_leave(all: impl Iterator<Item = u8>) -> Option<usize> {
    let all = all
        .enumerate()
        .filter(|(_, it)| *it != Progress::IS_ANSWERED);
    Some(all.min_by_key(|(at, it)| (*it, *at))?.0)
}

async fn answer(shared: &Shared, io: &mut TcpStream, progress: &Progress) -> io::Result<()> {
    let mut head = Vec::with_capacity(512);
    let is_whole = |head: &[u8]| head.windows(4).any(|it| it == b"\r\n\r\n");
    while !is_whole(&head) {
        if head.len() >= LONGEST || io.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    progress.set(Progress::IS_ANSWERED);
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let (status, kind, body) = page(shared, line);
    let has_body = !line.starts_with(b"HEAD ");
    let length = body.len();
    let mut said = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n"
    );
    if has_body {
        said.push_str(&body);
    }
    io.write_all(said.as_bytes()).await?;
    io.shutdown().await?;
    progress.set(Progress::DONE);
    // What is closed over unread bytes is reset, and the answer may be lost.
    let mut rest = [0; 512];
    while io.read(&mut rest).await? > 0 {}
    Ok(())
}

type Page = (&'static str, &'static str, String);

fn page(shared: &Shared, line: &[u8]) -> Page {
    const TEXT: &str = "text/plain; charset=utf-8";
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let is_http = version.is_some_and(|it| it.starts_with(b"HTTP/1.")) && words.next().is_none();
    if !is_http {
        return (
            "400 Bad Request",
            TEXT,
            "this is no request of HTTP/1.1\n".to_owned(),
        );
    }
    if !matches!(method, Some(b"GET" | b"HEAD")) {
        return ("405 Method Not Allowed", TEXT, "GET or HEAD\n".to_owned());
    }
    match target {
        Some(b"/health") => ("200 OK", TEXT, "ok\n".to_owned()),
        Some(b"/ready") if shared.is_running() => ("200 OK", TEXT, "ready\n".to_owned()),
        Some(b"/ready") => ("503 Service Unavailable", TEXT, "draining\n".to_owned()),
        Some(b"/metrics") => (
            "200 OK",
            "text/plain; version=0.0.4; charset=utf-8",
            metrics(shared, &shared.plan()),
        ),
        Some(b"/status") => ("200 OK", "application/json", status(shared, &shared.plan())),
        _ => (
            "404 Not Found",
            TEXT,
            "/health, /ready, /metrics, /status\n".to_owned(),
        ),
    }
}

/// A value of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Prometheus' text format, 0.0.4. Values of labels are from the configuration alone.
fn metrics(shared: &Shared, plan: &Plan) -> String {
    let meter = &shared.meter;
    let mut page = String::new();
    let mut family = |name: &str, kind: &str, help: &str, rows: &[(String, u64)]| {
        let name = format!("portcullis_proxy_{name}");
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(page, "{name}{labels} {value}");
        }
    };
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let one = |count: u64| vec![(String::new(), count)];
    let ended = OUTCOMES.iter().zip(&meter.all.ended);
    let ended: Vec<_> = ended
        .map(|(outcome, count)| (format!("{{outcome=\"{outcome}\"}}"), read(count)))
        .collect();
    let what = "Connections that have ended, by what became of them.";
    family("connections_total", "counter", what, &ended);
    let what = "Connections whose bytes are passed on.";
    family(
        "connections_open",
        "gauge",
        what,
        &one(read(&meter.all.open)),
    );
    let bytes = [
        ("{direction=\"in\"}".to_owned(), read(&meter.all.bytes_in)),
        ("{direction=\"out\"}".to_owned(), read(&meter.all.bytes_out)),
    ];
    let what = "Bytes from clients and to clients, of connections that have ended.";
    family("bytes_total", "counter", what, &bytes);
    let routes = of_routes(plan);
    let what =
        "Connections of a route that have ended, by what became of them; where there were some.";
    family("route_connections_total", "counter", what, &routes.ended);
    let what = "Connections of a route whose bytes are passed on.";
    family("route_connections_open", "gauge", what, &routes.open);
    let what = "Bytes from clients and to clients of a route, of connections that have ended.";
    family("route_bytes_total", "counter", what, &routes.bytes);
    let [datagrams, dropped, discarded, refused] = of_datagrams(shared);
    let what = "Datagrams that were passed on, of connections that have ended.";
    family("datagrams_total", "counter", what, &datagrams);
    let what = "Datagrams that were not passed on, of connections that have ended: too long for a record or for the path, or \
                with nobody or no room to be sent to.";
    family("datagrams_dropped_total", "counter", what, &dropped);
    let what = "Records that DTLS has dropped without a word, by reason; where there were some.";
    family("dtls_discarded_total", "counter", what, &discarded);
    let what = "Datagrams of clients that there was no room for, by what was full.";
    family("datagrams_refused_total", "counter", what, &refused);
    let servers = plan.backends.iter().flat_map(|backend| {
        backend.servers.iter().map(|server| {
            let (backend, address) = (label(&backend.name), label(&server.address.to_string()));
            let labels = format!("{{backend=\"{backend}\",server=\"{address}\"}}");
            (labels, server)
        })
    });
    let servers: Vec<_> = servers.collect();
    let open = servers
        .iter()
        .map(|(labels, server)| (labels.clone(), server.open() as u64));
    let what = "Connections to a server.";
    family(
        "backend_connections_open",
        "gauge",
        what,
        &open.collect::<Vec<_>>(),
    );
    let up = servers
        .iter()
        .map(|(labels, server)| (labels.clone(), u64::from(server.is_up())));
    let what = "Whether a server is sent connections.";
    family("backend_up", "gauge", what, &up.collect::<Vec<_>>());
    let stores = plan.kept.watched.iter();
    let stores = stores.map(|it| {
        let labels = format!("{{store=\"{}\"}}", it.what);
        (labels, u64::from(it.is_up()))
    });
    let what = "Whether a Redis answers, by what it is for; where there is one.";
    family("store_up", "gauge", what, &stores.collect::<Vec<_>>());
    let failures = one(read(&meter.accept_failures));
    let what = "Failures of accepting, as when descriptors are used up.";
    family("accept_failures_total", "counter", what, &failures);
    let reloads = [
        ("{result=\"ok\"}".to_owned(), read(&meter.reloads)),
        (
            "{result=\"failed\"}".to_owned(),
            read(&meter.reloads_failed),
        ),
    ];
    family(
        "reloads_total",
        "counter",
        "Reloads of the configuration.",
        &reloads,
    );
    let ends = plan.identities.iter().filter_map(|(name, identity)| {
        let end = identity.not_after()?.as_secs();
        Some((format!("{{identity=\"{}\"}}", label(name)), end))
    });
    let what = "When a certificate ends, in seconds since 1970.";
    let ends: Vec<_> = ends.collect();
    family("certificate_expiry_timestamp_seconds", "gauge", what, &ends);
    let what = "Lines of the access log that were not written.";
    family(
        "log_lines_dropped_total",
        "counter",
        what,
        &one(shared.log.dropped()),
    );
    page
}

/// What was passed on, what was not, what DTLS has dropped, and who had no room.
fn of_datagrams(shared: &Shared) -> [Vec<(String, u64)>; 4] {
    let counts = &shared.meter.datagrams;
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let ways = |counts: &[AtomicU64; 2], more: &str| {
        let ways = ["in", "out"].iter().zip(counts);
        let ways = ways.map(|(way, it)| (format!("{{direction=\"{way}\"{more}}}"), read(it)));
        ways.collect::<Vec<_>>()
    };
    let mut dropped = ways(&counts.too_long, ",reason=\"too_long\"");
    dropped.extend(ways(&counts.unsent, ",reason=\"unsent\""));
    let heard = shared.doors.heard();
    let reasons = Discarded::ALL.iter().enumerate();
    let discarded = reasons.filter_map(|(at, reason)| {
        let before = heard.discarded.get(at).copied().unwrap_or_default();
        let count = before + read(&counts.discarded[at]);
        (count > 0).then(|| (format!("{{reason=\"{}\"}}", snake(reason.name())), count))
    });
    let refused = REFUSED.iter().zip(heard.refused);
    let refused = refused.map(|(what, count)| (format!("{{full=\"{what}\"}}"), count));
    [
        ways(&counts.moved, ""),
        dropped,
        discarded.collect(),
        refused.collect(),
    ]
}

/// `DoesNotOpen` as labels are written.
fn snake(name: &str) -> String {
    let mut label = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !label.is_empty() {
            label.push('_');
        }
        label.push(letter.to_ascii_lowercase());
    }
    label
}

/// Rows by route.
#[derive(Default)]
struct OfRoutes {
    ended: Vec<(String, u64)>,
    open: Vec<(String, u64)>,
    bytes: Vec<(String, u64)>,
}

/// Routes of one listener that begin with the same name, and differ in protocols, are counted together.
fn of_routes(plan: &Plan) -> OfRoutes {
    let mut all: BTreeMap<String, Vec<&Counts>> = BTreeMap::new();
    for listener in &plan.listeners {
        for route in &listener.routes.0 {
            let (listener, route_label) = (label(&listener.name), label(&route.label));
            let labels = format!("listener=\"{listener}\",route=\"{route_label}\"");
            all.entry(labels).or_default().push(&route.counts);
        }
    }
    let mut rows = OfRoutes::default();
    for (labels, counts) in all {
        let sum = |of: &dyn Fn(&Counts) -> &AtomicU64| -> u64 {
            let counts = counts.iter().map(|it| of(it).load(Ordering::Relaxed));
            counts.sum()
        };
        for (at, outcome) in OUTCOMES.iter().enumerate() {
            match sum(&|it| &it.ended[at]) {
                0 => {}
                count => {
                    let labels = format!("{{{labels},outcome=\"{outcome}\"}}");
                    rows.ended.push((labels, count));
                }
            }
        }
        rows.open
            .push((format!("{{{labels}}}"), sum(&|it| &it.open)));
        for (direction, count) in [
            ("in", sum(&|it| &it.bytes_in)),
            ("out", sum(&|it| &it.bytes_out)),
        ] {
            let labels = format!("{{{labels},direction=\"{direction}\"}}");
            rows.bytes.push((labels, count));
        }
    }
    rows
}

fn status(shared: &Shared, plan: &Plan) -> String {
    let listeners = plan.listeners.iter().map(|listener| {
        let addresses: Vec<_> = listener.addresses.iter().map(ToString::to_string).collect();
        let routes: Vec<_> = listener
            .routes
            .0
            .iter()
            .map(|it| it.label.as_str())
            .collect();
        json!({ "name": listener.name, "addresses": addresses, "routes": routes })
    });
    let backends = plan.backends.iter().map(|backend| {
        let servers = backend.servers.iter().map(|server| {
            json!({ "server": server.address.to_string(), "up": server.is_up(), "open": server.open() })
        });
        json!({ "name": backend.name, "servers": servers.collect::<Vec<_>>() })
    });
    let identities = plan.identities.iter();
    let identities =
        identities.map(|(name, it)| json!({ "name": name, "days_left": days_left(it) }));
    let page = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": shared.is_running(),
        "last_reload_error": shared.reload_error(),
        "listeners": listeners.collect::<Vec<_>>(),
        "backends": backends.collect::<Vec<_>>(),
        "identities": identities.collect::<Vec<_>>(),
    });
    format!("{page:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_being_answered_is_not_left_alone() {
        let (asks, done, is_answered) = (Progress::ASKS, Progress::DONE, Progress::IS_ANSWERED);
        for (all, expected) in [
            ([is_answered, done, asks, asks], Some(2)),
            ([is_answered, done, is_answered, done], Some(1)),
            ([is_answered; 4], None),
        ] {
            assert_eq!(to_leave(all.into_iter()), expected, "{all:?}");
        }
    }
}
