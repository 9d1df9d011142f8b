//! One connection, from its first byte to its line in the log.
//!
//! Up to where bytes are passed on everything is in futures that are boxed and gone by then: what is kept of a connection
//! that rests is its two streams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portcullis::{
    AlertDescription, ConnectionInformation, EarlyHandshake, EofPolicy, HowEnded, RelayEnd as _,
    RelayOptions, RelayOutcome, TlsStream, relay,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::access_log::cut;
use crate::arrival::{Arrived, left};
use crate::backend::{Backend, Connected};
use crate::config::{Listener, Plan};
use crate::early::{self, Failed};
use crate::meter::Outcome;
use crate::proxy::{Phase, Shared};
use crate::proxy_header::{self, Client};
use crate::record::{Record, version};
use crate::route::{Mode, Route};
use crate::stream::{End, Plain};
use crate::termination::{Refused, TOLD_WITHIN, Termination};

/// It is closed before it has begun.
pub(crate) fn refuse(shared: &Shared, arrived: &Arrived, outcome: Outcome, why: Option<&str>) {
    let mut record = Record::new(shared, arrived);
    if let Some(why) = why {
        record.note("reason", why);
    }
    record.end(shared, None, outcome);
}

/// How far it is.
enum Greeting {
    Over(End),
    /// It has early data, which does not wait for the end of its handshake.
    Early(Box<EarlyHandshake<Plain>>),
}

/// What bytes are passed on between.
struct Begun {
    client: End,
    route: Arc<Route>,
    connected: Connected,
}

/// What a client is connected to next.
struct Greeted {
    client: Greeting,
    route: Arc<Route>,
    /// What was read of it, and is not answered here.
    hello: Vec<u8>,
    name: Option<String>,
    protocol: Option<Vec<u8>>,
}

/// One connection, to its end.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    plan: &Plan,
    arrived: Arrived,
    io: Plain,
    handshake: OwnedSemaphorePermit,
) {
    let mut record = Record::new(shared, &arrived);
    let mut phase = shared.phase();
    let beginning = Box::pin(begin(plan, arrived, io, &mut record));
    let begun = tokio::select! {
        begun = beginning => begun,
        () = phase.over(Phase::Draining) => Err(Refused { route: None, outcome: Outcome::Drained }),
    };
    drop(handshake);
    let Begun {
        client,
        route,
        connected,
    } = match begun {
        Ok(begun) => begun,
        Err(Refused { route, outcome }) => {
            if let Some(route) = &route {
                let early = record.early;
                shared
                    .meter
                    .moved(&route.counts, early.said, early.answered);
            }
            return record.end(shared, route.as_deref(), outcome);
        }
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
    let early = record.early;
    let bytes_in = outcome.a_to_b.bytes + early.said;
    let bytes_out = outcome.b_to_a.bytes + early.answered;
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
    io: Plain,
    record: &mut Record,
) -> Result<Begun, Refused> {
    let began = SystemTime::now();
    let Arrived {
        listener,
        client: from,
        destination,
        ..
    } = arrived;
    let greeted = greet(plan, &listener, io, record).await?;
    let Greeted {
        client,
        route,
        hello,
        name,
        protocol,
    } = greeted;
    let addresses = from.zip(destination);
    let mut client = match client {
        Greeting::Over(client) => client,
        Greeting::Early(early) => {
            // Gone before bytes are passed on, and not there at all for others.
            return Box::pin(begin_early(plan, *early, route, addresses, record)).await;
        }
    };
    record.note_time("ms_handshake", began.elapsed().unwrap_or_default());
    record.note("server_name", name.as_deref().map(cut));
    let shown = protocol.as_deref().map(String::from_utf8_lossy);
    record.note("alpn", shown.map(|it| cut(&it)));
    let began = SystemTime::now();
    let information = match &client {
        End::Tls(stream) => Some(stream.shared_information()),
        End::Plain(_) => None,
    };
    let header = header(&route, information.as_deref(), addresses, name, protocol);
    let connecting = Backend::connect(&route.backend, plan.timeouts.connect, &header);
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
            Some(Ok(Ok(()))) => return Ok(Begun::new(client, route, connected)),
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
    Ok(Begun::new(client, route, connected))
}

impl Begun {
    fn new(client: End, route: Arc<Route>, connected: Connected) -> Self {
        Self {
            client,
            route,
            connected,
        }
    }
}

/// A server that has a part, which is not the whole: it is reset, also where nobody waits for the rest any more.
struct Part<'a>(Option<&'a mut End>);

impl Part<'_> {
    async fn pass(
        &mut self,
        early: EarlyHandshake<Plain>,
        within: Duration,
        bytes: &mut early::Bytes,
    ) -> Result<TlsStream<Plain>, Failed> {
        match &mut self.0 {
            Some(io) => early::pass(early, io, within, bytes).await,
            None => Err(Failed::Late),
        }
    }

    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if let Some(io) = &mut self.0 {
            io.reset();
        }
    }
}

/// The same for a client whose early data is passed on while it finishes its handshake.
async fn begin_early(
    plan: &Plan,
    early: EarlyHandshake<Plain>,
    route: Arc<Route>,
    addresses: Option<(SocketAddr, SocketAddr)>,
    record: &mut Record,
) -> Result<Begun, Refused> {
    let began = SystemTime::now();
    let header = header(&route, None, addresses, None, None);
    let connected = Backend::connect(&route.backend, plan.timeouts.connect, &header).await;
    let (outcome, reason) = match connected {
        Err(why) => (Outcome::NoBackend, why.to_string()),
        Ok(mut connected) => {
            record.note_time("ms_connect", began.elapsed().unwrap_or_default());
            let within = plan.timeouts.handshake;
            let mut part = Part(Some(&mut connected.io));
            let failed = match part.pass(early, within, &mut record.early).await {
                Ok(mut stream) => {
                    part.disarm();
                    record.note_time("ms_handshake", began.elapsed().unwrap_or_default());
                    record.note("server_name", stream.server_name().map(cut));
                    let protocol = stream.alpn_protocol().map(String::from_utf8_lossy);
                    record.note("alpn", protocol.map(|it| cut(&it)));
                    record.note("early_data", record.early.said);
                    record.note_tls(stream.information());
                    if route.is_lenient {
                        stream.set_eof_policy(EofPolicy::Lenient);
                    }
                    return Ok(Begun::new(End::Tls(stream), route, connected));
                }
                Err(Failed::Client(error)) => {
                    record.note_error(&error);
                    (Outcome::Handshake, error.to_string())
                }
                Err(Failed::Server(error)) => (Outcome::BackendReset, error.to_string()),
                Err(Failed::Late) => {
                    let why = format!("early data was not over within {within:?}");
                    (Outcome::Handshake, why)
                }
            };
            drop(part);
            failed
        }
    };
    record.note("backend", route.backend.name.as_str());
    record.note("reason", cut(&reason));
    let route = Some(route);
    Err(Refused { route, outcome })
}

/// What a server is told of the client before anything else.
pub(crate) fn header(
    route: &Route,
    information: Option<&ConnectionInformation>,
    addresses: Option<(SocketAddr, SocketAddr)>,
    name: Option<String>,
    protocol: Option<Vec<u8>>,
) -> Vec<u8> {
    let Some(wanted) = route.backend.send_proxy else {
        return Vec::new();
    };
    let words = information.map(|information| {
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
        is_of_datagrams: route.backend.is_udp(),
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
            client: Greeting::Over(End::Plain(io)),
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
                    client: Greeting::Over(End::Plain(io)),
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
    let Some(termination) = Termination::begin(plan, listener) else {
        // Every route passes: none was found, which was said.
        return Err(Refused {
            route: None,
            outcome: Outcome::NoRoute,
        });
    };
    let acceptor = &termination.acceptor;
    let read = read.into();
    let stream = match listener.takes_early_data {
        false => acceptor.upgrade_with_prefix(io, read).await,
        true => match acceptor.upgrade_with_early_data(io, read).await {
            Ok(early) if early.is_accepted() => {
                let Some(route) = termination.route() else {
                    return Err(Refused::internal());
                };
                return Ok(Greeted {
                    client: Greeting::Early(Box::new(early)),
                    route,
                    hello: Vec::new(),
                    name: None,
                    protocol: None,
                });
            }
            Ok(early) => early.handshake().await,
            Err(error) => Err(error),
        },
    };
    match (stream, termination.route()) {
        (Ok(mut stream), Some(route)) => {
            record.note_tls(stream.information());
            if route.is_lenient {
                stream.set_eof_policy(EofPolicy::Lenient);
            }
            Ok(Greeted {
                route,
                name: stream.server_name().map(str::to_owned),
                protocol: stream.alpn_protocol().map(<[u8]>::to_vec),
                client: Greeting::Over(End::Tls(stream)),
                hello: Vec::new(),
            })
        }
        (Ok(_), None) => Err(Refused::internal()),
        (Err(error), _) => Err(termination.failed(&error, record)),
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
