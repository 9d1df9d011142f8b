//! One connection, from its first byte to its line in the log.
//!
//! Up to where bytes are passed on everything is in futures that are boxed and gone by then: what is kept of a connection
//! that rests is its two streams.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use portcullis::pki_types::CertificateDer;
use portcullis::question::{Answer, ChooseConfiguration, VerifyChain};
use portcullis::x509::{CertificateError, SubjectAltName, general_names, subject};
use portcullis::{
    AlertDescription, Answers, ConnectionInformation, Direction, EofPolicy, Error, HowEnded,
    Questions, Refusal, RelayEnd as _, RelayOptions, RelayOutcome, TlsAcceptor, relay,
};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::OwnedSemaphorePermit;

use crate::access_log::cut;
use crate::arrival::{Arrived, left};
use crate::backend::Connected;
use crate::config::{Listener, Plan};
use crate::meter::Outcome;
use crate::proxy::{Phase, Shared};
use crate::proxy_header::{self, Client};
use crate::route::{Mode, NoRoute, Route};
use crate::stream::{End, Plain};

/// How long a client that is refused may take to hear why.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// So many URIs of a client's certificate are in the log; rules look at all of them.
const MOST_URIS: usize = 16;

/// What is known of a connection, for its line in the log.
struct Record {
    began: SystemTime,
    /// What was known when bytes began to be passed on, as it will be written but for its end: it waits for as long as
    /// the connection lasts.
    head: Box<str>,
    entry: Map<String, Value>,
    is_on: bool,
}

impl Record {
    fn new(shared: &Shared, arrived: &Arrived) -> Self {
        let mut record = Self {
            began: SystemTime::now(),
            head: Box::default(),
            entry: Map::new(),
            is_on: shared.log.is_on(),
        };
        let time = OffsetDateTime::from(record.began).format(&Rfc3339);
        record.note("time", time.unwrap_or_default());
        record.note("id", shared.meter.next_id());
        record.note("listener", arrived.listener.name.as_str());
        let address = |it: SocketAddr| it.ip().to_string();
        record.note("client", arrived.client.map(address));
        record.note("client_port", arrived.client.map(|it| it.port()));
        if let Some(via) = arrived.via {
            record.note("via", via.to_string());
        }
        record
    }

    fn note(&mut self, key: &str, value: impl Into<Value>) {
        if self.is_on {
            self.entry.insert(key.to_owned(), value.into());
        }
    }

    fn note_time(&mut self, key: &str, time: Duration) {
        self.note(key, u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    /// What was agreed on with the client.
    fn note_tls(&mut self, information: &ConnectionInformation) {
        if !self.is_on {
            return;
        }
        self.note("version", version(information));
        self.note("suite", information.cipher_suite().to_string());
        self.note("group", information.group().map(|it| it.to_string()));
        self.note("resumed", information.is_resumed());
        if let Some(certificate) = information.peer_certificates().first() {
            self.note_certificate(certificate);
        }
    }

    fn note_certificate(&mut self, certificate: &CertificateDer<'_>) {
        self.note("client_subject", subject(certificate).map(|it| cut(&it)));
        let uris = general_names(certificate)
            .into_iter()
            .filter_map(|name| match name {
                SubjectAltName::Uri(uri) => Some(cut(&uri)),
                _ => None,
            });
        self.note("client_uris", uris.take(MOST_URIS).collect::<Vec<_>>());
    }

    fn note_error(&mut self, error: &Error) {
        if !self.is_on {
            return;
        }
        if let Some((direction, alert)) = error.alert() {
            let who = match direction {
                Direction::Sent => "sent",
                Direction::Received => "received",
            };
            self.note(
                "alert",
                json!({ "name": alert.to_string(), "direction": who }),
            );
        }
        self.note("reason", cut(&error.to_string()));
    }

    /// What was said to a side that had gone, if something was.
    fn note_discarded(&mut self, outcome: &RelayOutcome) {
        for (key, way) in [
            ("discarded_in", &outcome.a_to_b),
            ("discarded_out", &outcome.b_to_a),
        ] {
            if way.discarded > 0 {
                self.note(key, way.discarded);
            }
        }
    }

    /// Sides that were cut, and cannot know that: there is no reset, so it looks to them as if all had ended.
    fn note_unseen(&mut self, outcome: &RelayOutcome, has_reset: [bool; 2]) {
        let sides = [("client", &outcome.b_to_a), ("backend", &outcome.a_to_b)];
        let unseen = sides.into_iter().zip(has_reset);
        let unseen = unseen.filter(|((_, way), has_reset)| !way.is_told && !has_reset);
        let unseen: Vec<_> = unseen.map(|((side, _), _)| side).collect();
        if !unseen.is_empty() {
            self.note("cut_unseen", unseen);
        }
    }

    /// Makes what is known so far small.
    fn rest(&mut self) {
        if self.is_on {
            let mut head = Value::Object(std::mem::take(&mut self.entry)).to_string();
            head.pop();
            self.head = head.into();
        }
    }

    fn end(mut self, shared: &Shared, route: Option<&Route>, outcome: Outcome) {
        shared.meter.ended(route.map(|it| &*it.counts), outcome);
        if !self.is_on {
            return;
        }
        if self.head.is_empty() {
            self.note("route", route.map(|it| it.label.as_str()));
        }
        self.note("outcome", outcome.name());
        let total = self.began.elapsed().unwrap_or_default();
        self.note_time("ms_total", total);
        let line = Value::Object(self.entry).to_string();
        shared
            .log
            .line(match (&*self.head, line.strip_prefix('{')) {
                ("", _) | (_, None) => line,
                (head, Some(rest)) => format!("{head},{rest}"),
            });
    }
}

/// `TLSv1.3`, as OpenSSL has it.
fn version(information: &ConnectionInformation) -> String {
    format!("{:?}", information.version())
}

/// It is closed before it has begun.
pub(crate) fn refuse(shared: &Shared, arrived: &Arrived, outcome: Outcome, why: Option<&str>) {
    let mut record = Record::new(shared, arrived);
    if let Some(why) = why {
        record.note("reason", why);
    }
    record.end(shared, None, outcome);
}

/// What a client is connected to next.
struct Greeted {
    client: End,
    route: Arc<Route>,
    /// What was read of it, and is not answered here.
    hello: Vec<u8>,
    name: Option<String>,
    protocol: Option<Vec<u8>>,
}

/// Why a connection comes to nothing.
struct Refused {
    route: Option<Arc<Route>>,
    outcome: Outcome,
}

/// One connection, to its end.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    plan: &Plan,
    arrived: Arrived,
    handshake: OwnedSemaphorePermit,
) {
    let mut record = Record::new(shared, &arrived);
    let mut phase = shared.phase();
    let beginning = Box::pin(begin(plan, arrived, &mut record));
    let begun = tokio::select! {
        begun = beginning => begun,
        () = phase.over(Phase::Draining) => Err(Refused { route: None, outcome: Outcome::Drained }),
    };
    drop(handshake);
    let (client, route, connected) = match begun {
        Ok(begun) => begun,
        Err(Refused { route, outcome }) => return record.end(shared, route.as_deref(), outcome),
    };
    let Connected { io, place } = connected;
    record.note("backend", route.backend.name.as_str());
    record.note("server", place.server().to_string());
    record.note("route", route.label.as_str());
    record.rest();
    let times = &plan.timeouts;
    let options = RelayOptions::new()
        .idle(times.idle)
        .half_close(times.half_close)
        .stall(times.stall);
    let open = shared.meter.open(&route.counts);
    let has_reset = [client.has_reset(), io.has_reset()];
    let mut relaying = relay(client, io, options);
    let (outcome, drained) = tokio::select! {
        outcome = &mut relaying => (outcome, false),
        () = phase.over(Phase::Draining) => (relaying.cut(), true),
    };
    drop((open, place));
    let (bytes_in, bytes_out) = (outcome.a_to_b.bytes, outcome.b_to_a.bytes);
    shared.meter.moved(&route.counts, bytes_in, bytes_out);
    record.note("bytes_in", bytes_in);
    record.note("bytes_out", bytes_out);
    record.note("end_client", word(&outcome.a_to_b.end));
    record.note("end_backend", word(&outcome.b_to_a.end));
    record.note_discarded(&outcome);
    record.note_unseen(&outcome, has_reset);
    for way in [&outcome.b_to_a, &outcome.a_to_b] {
        if let HowEnded::Failed(error) = &way.end {
            record.note_error(error);
        }
    }
    let said = match drained {
        true => Outcome::Drained,
        false => said(&outcome),
    };
    record.end(shared, Some(&route), said);
}

/// Up to where bytes can be passed on.
async fn begin(
    plan: &Plan,
    arrived: Arrived,
    record: &mut Record,
) -> Result<(End, Arc<Route>, Connected), Refused> {
    let began = SystemTime::now();
    let Arrived {
        listener,
        client: from,
        destination,
        io,
        ..
    } = arrived;
    let greeted = greet(plan, &listener, io, record).await?;
    let Greeted {
        mut client,
        route,
        hello,
        name,
        protocol,
    } = greeted;
    record.note_time("ms_handshake", began.elapsed().unwrap_or_default());
    record.note("server_name", name.as_deref().map(cut));
    let shown = protocol.as_deref().map(String::from_utf8_lossy);
    record.note("alpn", shown.map(|it| cut(&it)));
    let began = SystemTime::now();
    let header = header(&route, &client, from.zip(destination), name, protocol);
    let connecting = route.backend.connect(plan.timeouts.connect, &header);
    let connected = tokio::select! {
        biased;
        connected = connecting => connected,
        () = left(client.socket()) => {
            record.note("backend", route.backend.name.as_str());
            record.note("reason", "the client has left while its server was being connected");
            let route = Some(route);
            let outcome = Outcome::ClientReset;
            return Err(Refused { route, outcome });
        }
    };
    let connected = match connected {
        Ok(connected) => connected,
        Err(why) => {
            record.note("backend", route.backend.name.as_str());
            record.note("reason", cut(&why.to_string()));
            match &mut client {
                // Nothing was answered yet, so this is read as the server's.
                End::Plain(io) if !hello.is_empty() => {
                    alert(io, AlertDescription::INTERNAL_ERROR).await;
                }
                other => other.reset(),
            }
            let route = Some(route);
            let outcome = Outcome::NoBackend;
            return Err(Refused { route, outcome });
        }
    };
    record.note_time("ms_connect", began.elapsed().unwrap_or_default());
    let mut connected = connected;
    if !hello.is_empty() {
        use tokio::io::AsyncWriteExt as _;

        let limit = plan.timeouts.stall;
        let writing = tokio::time::timeout(limit, connected.io.write_all(&hello));
        let written = tokio::select! {
            biased;
            written = writing => Some(written),
            () = left(client.socket()) => None,
        };
        let (outcome, reason) = match written {
            Some(Ok(Ok(()))) => return Ok((client, route, connected)),
            Some(Ok(Err(error))) => (Outcome::BackendReset, error.to_string()),
            Some(Err(_)) => (
                Outcome::Stalled,
                format!("the server took nothing of the hello for {limit:?}"),
            ),
            None => (
                Outcome::ClientReset,
                "the client has left while its hello was passed on".to_owned(),
            ),
        };
        record.note("reason", cut(&reason));
        client.reset();
        connected.io.reset();
        let route = Some(route);
        return Err(Refused { route, outcome });
    }
    Ok((client, route, connected))
}

/// What a server is told of the client before anything else.
fn header(
    route: &Route,
    client: &End,
    addresses: Option<(SocketAddr, SocketAddr)>,
    name: Option<String>,
    protocol: Option<Vec<u8>>,
) -> Vec<u8> {
    let Some(wanted) = route.backend.send_proxy else {
        return Vec::new();
    };
    let information = match client {
        End::Tls(stream) => Some(stream.shared_information()),
        End::Plain(_) => None,
    };
    let words = information.as_deref().map(|information| {
        let has_certificate = !information.peer_certificates().is_empty();
        let suite = information.cipher_suite().to_string();
        (version(information), suite, has_certificate)
    });
    let tls = words
        .as_ref()
        .map(|(version, suite, has_certificate)| proxy_header::Tls {
            version,
            suite,
            has_certificate: *has_certificate,
        });
    let client = Client {
        addresses,
        alpn: protocol.as_deref(),
        authority: name.as_deref(),
        tls,
    };
    proxy_header::header(wanted, &client)
}

/// Up to where it is known who the client wants, and TLS is spoken with it if it ends here.
async fn greet(
    plan: &Plan,
    listener: &Arc<Listener>,
    io: Plain,
    record: &mut Record,
) -> Result<Greeted, Refused> {
    if let Some(route) = listener.routes.plain() {
        return Ok(Greeted {
            client: End::Plain(io),
            route: Arc::clone(route),
            hello: Vec::new(),
            name: None,
            protocol: None,
        });
    }
    let (mut io, mut read) = (io, Vec::new());
    if listener.routes.passes() {
        let hello = crate::hello::read(&mut io, &plan.timeouts).await;
        let hello = match hello {
            Ok(hello) => hello,
            Err(why) => {
                record.note("reason", why.reason());
                if let Some(description) = why.alert() {
                    alert(&mut io, description).await;
                }
                let outcome = why.outcome();
                return Err(Refused {
                    route: None,
                    outcome,
                });
            }
        };
        let chosen = listener.routes.choose(
            hello.view.server_name(),
            hello.view.alpn_protocols().collect::<Vec<_>>().into_iter(),
        );
        match chosen {
            Ok(route) if matches!(route.mode, Mode::Pass) => {
                return Ok(Greeted {
                    client: End::Plain(io),
                    route: Arc::clone(route),
                    name: hello.view.server_name().map(str::to_owned),
                    protocol: hello.view.alpn_protocols().next().map(<[u8]>::to_vec),
                    hello: hello.read,
                });
            }
            Ok(_) => read = hello.read,
            Err(why) => {
                record.note("server_name", hello.view.server_name().map(cut));
                record.note("reason", why.reason());
                alert(&mut io, why.alert()).await;
                return Err(Refused {
                    route: None,
                    outcome: Outcome::NoRoute,
                });
            }
        }
    }
    terminate(plan, listener, io, read, record).await
}

async fn terminate(
    plan: &Plan,
    listener: &Arc<Listener>,
    io: Plain,
    read: Vec<u8>,
    record: &mut Record,
) -> Result<Greeted, Refused> {
    let first = listener
        .routes
        .0
        .iter()
        .find_map(|route| match &route.mode {
            Mode::Terminate(config, _) => Some(config.clone()),
            _ => None,
        });
    let Some(first) = first else {
        // Every route passes: none was found, which was said.
        return Err(Refused {
            route: None,
            outcome: Outcome::NoRoute,
        });
    };
    let decided = Arc::new(Decided::default());
    let acceptor = TlsAcceptor::new(first)
        .handshake_timeout(plan.timeouts.handshake)
        .first_byte_timeout(plan.timeouts.first_byte)
        .alert_timeout(TOLD_WITHIN)
        .answers(Decide {
            listener: Arc::clone(listener),
            decided: Arc::clone(&decided),
        });
    let stream = acceptor.upgrade_with_prefix(io, read.into()).await;
    let route = decided.route.get().cloned();
    match (stream, route) {
        (Ok(mut stream), Some(route)) => {
            record.note_tls(stream.information());
            if route.is_lenient {
                stream.set_eof_policy(EofPolicy::Lenient);
            }
            Ok(Greeted {
                route,
                name: stream.server_name().map(str::to_owned),
                protocol: stream.alpn_protocol().map(<[u8]>::to_vec),
                client: End::Tls(stream),
                hello: Vec::new(),
            })
        }
        (Ok(_), None) => Err(Refused {
            route: None,
            outcome: Outcome::Internal,
        }),
        (Err(error), route) => {
            record.note_error(&error);
            record.note("stage", format!("{:?}", error.stage()));
            let outcome = if decided.no_route.load(Ordering::Relaxed) {
                Outcome::NoRoute
            } else if decided.rule.load(Ordering::Relaxed) {
                Outcome::Rule
            } else if error.is_silent_peer() || error.is_not_tls() || error.is_closed_in_handshake()
            {
                Outcome::Probe
            } else {
                Outcome::Handshake
            };
            Err(Refused { route, outcome })
        }
    }
}

/// What was decided during a handshake.
#[derive(Default)]
struct Decided {
    route: OnceLock<Arc<Route>>,
    no_route: AtomicBool,
    rule: AtomicBool,
}

/// Decides which route a client takes, and whether it may.
struct Decide {
    listener: Arc<Listener>,
    decided: Arc<Decided>,
}

impl Answers for Decide {
    fn questions(&self) -> Questions {
        match self.listener.has_rules {
            true => Questions::none().and_hello().and_chain(),
            false => Questions::none().and_hello(),
        }
    }

    async fn choose_configuration(&self, question: ChooseConfiguration) -> Answer {
        let hello = question.client_hello();
        let protocols: Vec<_> = hello.alpn_protocols().collect();
        let routes = &self.listener.routes;
        let chosen = routes.choose(hello.server_name(), protocols.into_iter());
        let chosen = chosen.and_then(|route| match &route.mode {
            Mode::Terminate(config, _) => Ok((route, config.clone())),
            Mode::Pass | Mode::Off => Err(NoRoute::Name),
        });
        match chosen {
            Ok((route, config)) => {
                let _ = self.decided.route.set(Arc::clone(route));
                question.use_config(config)
            }
            Err(why) => {
                self.decided.no_route.store(true, Ordering::Relaxed);
                question.refuse(Refusal::new(why.alert(), why.reason()))
            }
        }
    }

    async fn verify_chain(&self, question: VerifyChain) -> Answer {
        let proof = match question.check() {
            Ok(proof) => proof,
            Err(error) => return question.refuse(error),
        };
        let route = self.decided.route.get().map(|route| &route.mode);
        let Some(Mode::Terminate(_, Some(rules))) = route else {
            return question.accept(proof);
        };
        if rules.allow(&proof) {
            return question.accept(proof);
        }
        self.decided.rule.store(true, Ordering::Relaxed);
        question.refuse(CertificateError::rejected(
            AlertDescription::ACCESS_DENIED,
            "no rule of the route lets this client in",
        ))
    }
}

/// Tells a client that was answered nothing yet why there is no answer, and closes.
async fn alert(io: &mut Plain, description: AlertDescription) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    // RFC 8446 §5.1, §6.2: a record with a fatal alert.
    let record = [21, 3, 3, 0, 2, 2, description.0];
    let told = async {
        io.write_all(&record).await?;
        io.shutdown().await?;
        // Closed over unread bytes a socket resets, and the client may not see the alert.
        let mut rest = [0; 1_024];
        for _ in 0..64 {
            if io.read(&mut rest).await? == 0 {
                break;
            }
        }
        Ok::<_, std::io::Error>(())
    };
    let _ = tokio::time::timeout(TOLD_WITHIN, told).await;
}

const fn word(end: &HowEnded) -> &'static str {
    match end {
        HowEnded::Clean => "clean",
        HowEnded::Truncated => "truncated",
        HowEnded::Reset => "reset",
        HowEnded::Idle => "idle",
        HowEnded::HalfClosed => "half_closed",
        HowEnded::Unheard => "unheard",
        HowEnded::Stalled => "stalled",
        HowEnded::Cut => "cut",
        _ => "failed",
    }
}

/// What became of a connection, by how its ends have ended.
fn said(outcome: &RelayOutcome) -> Outcome {
    match (&outcome.a_to_b.end, &outcome.b_to_a.end) {
        (HowEnded::Stalled, _) | (_, HowEnded::Stalled) => Outcome::Stalled,
        (HowEnded::Truncated, _) | (_, HowEnded::Truncated) => Outcome::Truncated,
        (HowEnded::Reset | HowEnded::Failed(_), _) => Outcome::ClientReset,
        (_, HowEnded::Reset | HowEnded::Failed(_)) => Outcome::BackendReset,
        (HowEnded::Idle | HowEnded::HalfClosed, _) | (_, HowEnded::Idle | HowEnded::HalfClosed) => {
            Outcome::Idle
        }
        (HowEnded::Unheard, _) | (_, HowEnded::Unheard) => Outcome::Discarded,
        (HowEnded::Clean, HowEnded::Clean) => {
            match outcome.a_to_b.discarded + outcome.b_to_a.discarded {
                0 => Outcome::Clean,
                _ => Outcome::Discarded,
            }
        }
        _ => Outcome::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_has_so_many_names_in_the_log() {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        for at in 0..100 {
            let uri = format!("spiffe://example.com/{at}").try_into().unwrap();
            params.subject_alt_names.push(rcgen::SanType::URI(uri));
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let mut record = Record {
            began: SystemTime::now(),
            head: Box::default(),
            entry: Map::new(),
            is_on: true,
        };
        record.note_certificate(params.self_signed(&key).unwrap().der());
        let uris = record.entry["client_uris"].as_array().unwrap();
        assert_eq!(uris.len(), MOST_URIS);
        assert_eq!(uris[15], "spiffe://example.com/15");
    }
}
