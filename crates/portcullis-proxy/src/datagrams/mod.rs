//! One connection of datagrams, from its first one to its line in the log.
//!
//! A message of DTLS is a datagram and the other way round: none is joined to another, cut or kept. What cannot be passed
//! on whole is dropped and counted.

pub(crate) mod doors;
pub(crate) mod flows;
mod hello;
mod side;
mod socket;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use portcullis::{AlertDescription, ConnectionInformation, DtlsIncoming};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};

use self::flows::Flow;
use self::hello::Trial;
pub(crate) use self::side::Side;
use self::side::{NoMore, Unsent};
use crate::access_log::cut;
use crate::arrival::Arrived;
use crate::backend::{Picking, Place};
use crate::config::{Listener, Plan};
use crate::meter::Outcome;
use crate::proxied;
use crate::proxy::{Phase, Shared};
use crate::record::Record;
use crate::route::{Mode, Route};
use crate::termination::{Refused, Termination};

/// So often in a row a server may not be reached that has been there.
const REFUSALS: u32 = 16;

/// A client of datagrams that has come.
pub(crate) enum Client {
    /// It reads at its address.
    Dtls(DtlsIncoming),
    Flow(Flow),
}

/// What datagrams are passed on between.
struct Begun {
    client: Side,
    route: Arc<Route>,
    server: Server,
    /// What was read of a client whose hello is passed on.
    hello: Vec<Bytes>,
}

/// A client that is known as far as it takes to choose its server.
struct Greeted {
    client: Side,
    route: Arc<Route>,
    hello: Vec<Bytes>,
    name: Option<String>,
    protocol: Option<Vec<u8>>,
}

/// A server, and those that are left if nobody is there.
struct Server {
    side: Side,
    place: Place,
    picking: Picking,
    /// What stands before each datagram to it: nobody else tells them that come from different clients apart.
    header: Vec<u8>,
    /// Whether it has said something.
    is_heard: bool,
    refusals: u32,
}

/// What became of datagrams of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moved {
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    /// Dropped: too long for a record, or for the path.
    pub(crate) too_long: u64,
    /// Dropped: there was nobody, or no room.
    pub(crate) unsent: u64,
}

/// Why it is over.
struct Over {
    outcome: Outcome,
    /// How that side has ended.
    client: Option<&'static str>,
    server: Option<&'static str>,
    why: Option<NoMore>,
    reason: Option<&'static str>,
}

/// One connection, to its end.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    plan: &Plan,
    arrived: Arrived,
    client: Client,
    handshake: OwnedSemaphorePermit,
) {
    let mut record = Record::new(shared, &arrived);
    let mut phase = shared.phase();
    let is_flow = matches!(client, Client::Flow(_));
    let beginning = Box::pin(begin(plan, &arrived, client, &mut record));
    let begun = tokio::select! {
        begun = beginning => begun,
        () = phase.over(Phase::Draining) => Err(Refused { route: None, outcome: Outcome::Drained }),
    };
    let begun = match begun {
        Ok(begun) => begun,
        Err(Refused { route, outcome }) => {
            let route = route.as_deref();
            return match is_flow {
                true => record.end_of_anybody(shared, route, outcome),
                false => record.end(shared, route, outcome),
            };
        }
    };
    let Begun {
        client,
        route,
        server,
        hello,
    } = begun;
    record.note("backend", route.backend.name.as_str());
    record.note("route", route.label.as_str());
    record.rest();
    let open = shared.meter.open(&route.counts);
    let times = &plan.timeouts;
    let is_passed = matches!(route.mode, Mode::Pass);
    let mut passing = Passing {
        idle: match client {
            Side::Flow(_) | Side::Socket(_) if !is_passed => times.udp_idle,
            _ => times.dtls_idle,
        },
        // Others give theirs back.
        trial: is_passed.then(|| Trial::new(times.handshake, handshake)),
        hello,
        within: times.connect,
        stall: times.stall,
        client,
        server,
        moved: [Moved::default(); 2],
    };
    let over = tokio::select! {
        over = passing.run() => over,
        () = phase.over(Phase::Draining) => Over::both(Outcome::Drained, "cut"),
    };
    drop(open);
    let Passing {
        client,
        server,
        moved,
        trial,
        ..
    } = passing;
    record.note("server", server.place.server().to_string());
    let [inward, outward] = moved;
    shared
        .meter
        .moved(&route.counts, inward.bytes, outward.bytes);
    shared.meter.datagrams.add(&moved);
    record.note_datagrams(inward, outward);
    let mut dropped = 0;
    for side in [&client, &server.side] {
        let discards = side.discards().unwrap_or_default();
        dropped += discards.total();
        shared.meter.datagrams.discard(&discards);
    }
    if dropped > 0 {
        record.note("dtls_discarded", dropped);
    }
    over.note(&mut record);
    let is_unserved = is_flow && over.outcome == Outcome::NoBackend;
    if let (Side::Flow(flow), true, true) = (&client, is_unserved, is_passed) {
        hello::alert(flow, AlertDescription::INTERNAL_ERROR).await;
    }
    let is_anybody = trial.is_some() || is_unserved;
    // Before the line: whoever reads it finds it so.
    drop((client, server, trial));
    match is_anybody {
        true => record.end_of_anybody(shared, Some(&route), over.outcome),
        false => record.end(shared, Some(&route), over.outcome),
    }
}

/// Up to where datagrams can be passed on.
async fn begin(
    plan: &Plan,
    arrived: &Arrived,
    client: Client,
    record: &mut Record,
) -> Result<Begun, Refused> {
    let listener = &arrived.listener;
    let greeted = match client {
        Client::Dtls(incoming) => terminate(plan, listener, incoming, record).await?,
        Client::Flow(flow) => match listener.routes.plain() {
            Some(route) => Greeted {
                client: Side::Flow(flow),
                route: Arc::clone(route),
                hello: Vec::new(),
                name: None,
                protocol: None,
            },
            None => greet(plan, listener, flow, record).await?,
        },
    };
    let Greeted {
        client,
        route,
        hello,
        name,
        protocol,
    } = greeted;
    let (information, destination) = match &client {
        Side::Dtls(connection) => (Some(connection.information()), connection.local_addr()),
        Side::Flow(flow) => (None, flow.destination()),
        Side::Socket(_) => (None, None),
    };
    let header = header(arrived, &route, information, destination, name, protocol);
    let began = Instant::now();
    let mut picking = Picking::new(&route.backend, plan.timeouts.connect);
    match picking.datagrams().await {
        Ok((side, place)) => {
            record.note_time("ms_connect", began.elapsed());
            let server = Server {
                side,
                place,
                picking,
                header,
                is_heard: false,
                refusals: 0,
            };
            Ok(Begun {
                client,
                route,
                server,
                hello,
            })
        }
        Err(why) => {
            record.note("backend", route.backend.name.as_str());
            record.note("reason", cut(&why.to_string()));
            if let (Side::Flow(flow), Mode::Pass) = (&client, &route.mode) {
                hello::alert(flow, AlertDescription::INTERNAL_ERROR).await;
            }
            Err(Refused {
                route: Some(route),
                outcome: Outcome::NoBackend,
            })
        }
    }
}

/// What stands before each datagram to a server that wants it.
fn header(
    arrived: &Arrived,
    route: &Route,
    information: Option<&ConnectionInformation>,
    destination: Option<SocketAddr>,
    name: Option<String>,
    protocol: Option<Vec<u8>>,
) -> Vec<u8> {
    let addresses = arrived.client.map(|client| (client, destination));
    let addresses = addresses.map(|(from, to)| (from, to.unwrap_or_else(|| unspecified(from))));
    proxied::header(route, information, addresses, name, protocol)
}

/// In the place of where this client has sent to, when that is not known, as when it was a group's address: where the client is
/// has to be said all the same, else it would be taken for the proxy.
fn unspecified(client: SocketAddr) -> SocketAddr {
    match client.ip().to_canonical() {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// Reads the hello of a client, and finds its route.
async fn greet(
    plan: &Plan,
    listener: &Arc<Listener>,
    mut flow: Flow,
    record: &mut Record,
) -> Result<Greeted, Refused> {
    let began = Instant::now();
    let hello = hello::read(&mut flow, plan.timeouts.handshake).await;
    let hello = hello.map_err(|why| {
        record.note("reason", why.reason());
        Refused {
            route: None,
            outcome: Outcome::Handshake,
        }
    })?;
    let view = &hello.view;
    record.note("server_name", view.server_name().map(cut));
    let protocols: Vec<_> = view.alpn_protocols().collect();
    let chosen = listener
        .routes
        .choose(view.server_name(), protocols.iter().copied());
    match chosen {
        Ok(route) => {
            record.note_time("ms_handshake", began.elapsed());
            let protocol = protocols.first().map(|it| it.to_vec());
            let shown = protocol.as_deref().map(String::from_utf8_lossy);
            record.note("alpn", shown.map(|it| cut(&it)));
            Ok(Greeted {
                client: Side::Flow(flow),
                route: Arc::clone(route),
                name: view.server_name().map(str::to_owned),
                protocol,
                hello: hello.read,
            })
        }
        Err(why) => {
            record.note("reason", why.reason());
            hello::alert(&flow, why.alert()).await;
            Err(Refused {
                route: None,
                outcome: Outcome::NoRoute,
            })
        }
    }
}

/// Shakes hands with a client.
async fn terminate(
    plan: &Plan,
    listener: &Arc<Listener>,
    incoming: DtlsIncoming,
    record: &mut Record,
) -> Result<Greeted, Refused> {
    let began = Instant::now();
    let Some(termination) = Termination::begin(plan, listener) else {
        return Err(Refused::internal());
    };
    let shaken = match incoming.with_acceptor(termination.acceptor.clone()) {
        Ok(incoming) => incoming.handshake().await,
        Err(misuse) => {
            record.note("reason", cut(&misuse.to_string()));
            return Err(Refused::internal());
        }
    };
    let connection = match shaken {
        Ok(connection) => connection,
        Err(error) => return Err(termination.failed(&error, record)),
    };
    let Some(route) = termination.route() else {
        return Err(Refused::internal());
    };
    record.note_time("ms_handshake", began.elapsed());
    let information = connection.information();
    record.note_tls(information);
    record.note("server_name", information.server_name().map(cut));
    let protocol = information.alpn_protocol();
    let shown = protocol.map(String::from_utf8_lossy);
    record.note("alpn", shown.map(|it| cut(&it)));
    Ok(Greeted {
        route,
        hello: Vec::new(),
        name: information.server_name().map(str::to_owned),
        protocol: protocol.map(<[u8]>::to_vec),
        client: Side::Dtls(connection),
    })
}

/// Datagrams that are passed on both ways.
struct Passing {
    client: Side,
    server: Server,
    /// From the client, and to it.
    moved: [Moved; 2],
    /// As long as the client may be nobody.
    trial: Option<Trial>,
    /// What is passed on first.
    hello: Vec<Bytes>,
    idle: Duration,
    /// For another server, if nobody is at this one.
    within: Duration,
    stall: Duration,
}

enum Came {
    FromClient(Result<Bytes, NoMore>),
    FromServer(Result<Bytes, NoMore>),
    Nothing,
}

impl Passing {
    /// Until it is over. Dropped, what is counted is right but for one datagram.
    async fn run(&mut self) -> Over {
        for datagram in std::mem::take(&mut self.hello) {
            if let Err(over) = self.pass_in(&datagram).await {
                return over;
            }
        }
        let mut last = Instant::now();
        let mut silence = Box::pin(sleep(self.left(last)));
        loop {
            let came = tokio::select! {
                came = self.client.recv() => Came::FromClient(came),
                came = self.server.side.recv() => Came::FromServer(came),
                () = &mut silence => Came::Nothing,
            };
            match came {
                Came::FromClient(Ok(datagram)) => {
                    last = Instant::now();
                    // Its place for a handshake is free with it.
                    self.trial = self.trial.take().filter(|trial| !trial.is_over());
                    if let Err(over) = self.pass_in(&datagram).await {
                        return over;
                    }
                }
                Came::FromServer(Ok(datagram)) => {
                    last = Instant::now();
                    self.server.answered();
                    if let Some(trial) = &mut self.trial {
                        trial.on_answer(&datagram);
                    }
                    let sent = timeout(self.stall, self.client.send(&datagram)).await;
                    self.moved[1].count(&datagram, sent.unwrap_or(Err(Unsent::Lost)));
                }
                Came::FromServer(Err(NoMore::Unreachable(error))) => {
                    if let Err(over) = self.server.refused(error, self.within).await {
                        return over;
                    }
                }
                Came::FromClient(Err(why)) => return Over::client(why),
                Came::FromServer(Err(why)) => return Over::server(why),
                Came::Nothing => match self.left(last) {
                    Duration::ZERO if self.is_late() => return Over::late(),
                    Duration::ZERO => return Over::both(Outcome::Idle, "idle"),
                    left => silence.set(sleep(left)),
                },
            }
        }
    }

    /// For so long nobody has to say anything.
    fn left(&self, last: Instant) -> Duration {
        let idle = self.idle.saturating_sub(last.elapsed());
        self.trial
            .as_ref()
            .map_or(idle, |trial| idle.min(trial.left()))
    }

    fn is_late(&self) -> bool {
        let trial = self.trial.as_ref();
        trial.is_some_and(|trial| trial.left().is_zero())
    }

    async fn pass_in(&mut self, datagram: &Bytes) -> Result<(), Over> {
        let whole = match &*self.server.header {
            [] => datagram.clone(),
            header => [header, datagram].concat().into(),
        };
        let mut sent = timeout(self.stall, self.server.side.send(&whole)).await;
        if let Ok(Err(Unsent::Unreachable(error))) = sent {
            self.server.refused(error, self.within).await?;
            sent = timeout(self.stall, self.server.side.send(&whole)).await;
        }
        self.moved[0].count(datagram, sent.unwrap_or(Err(Unsent::Lost)));
        Ok(())
    }
}

impl Server {
    fn answered(&mut self) {
        self.refusals = 0;
        if !self.is_heard {
            self.is_heard = true;
            self.place.note(true);
        }
    }

    /// Nobody is there. Of a server that has never said anything another one takes the place; one that has may be back
    /// in a moment.
    async fn refused(&mut self, error: std::io::Error, within: Duration) -> Result<(), Over> {
        self.refusals += 1;
        if !self.is_heard {
            self.picking.failed(&self.place, &error);
            self.picking.renew(within);
            return match self.picking.datagrams().await {
                Ok((side, place)) => {
                    (self.side, self.place) = (side, place);
                    Ok(())
                }
                Err(_) => Err(Over {
                    outcome: Outcome::NoBackend,
                    ..Over::server(NoMore::Unreachable(error))
                }),
            };
        }
        self.place.note(false);
        if self.refusals < REFUSALS {
            return Ok(());
        }
        Err(Over::server(NoMore::Unreachable(error)))
    }
}

impl Moved {
    fn count(&mut self, datagram: &Bytes, sent: Result<(), Unsent>) {
        match sent {
            Ok(()) => {
                self.datagrams += 1;
                self.bytes += u64::try_from(datagram.len()).unwrap_or_default();
            }
            Err(Unsent::TooLong) => self.too_long += 1,
            Err(Unsent::Unreachable(_) | Unsent::Lost | Unsent::Over) => self.unsent += 1,
        }
    }
}

impl Over {
    const fn both(outcome: Outcome, word: &'static str) -> Self {
        Self {
            outcome,
            client: Some(word),
            server: Some(word),
            why: None,
            reason: None,
        }
    }

    /// The client may be nobody, and has had its time.
    const fn late() -> Self {
        Self {
            outcome: Outcome::Handshake,
            client: None,
            server: None,
            why: None,
            reason: Some("no handshake came about in time"),
        }
    }

    fn client(why: NoMore) -> Self {
        let (outcome, word) = why.word(Outcome::ClientReset);
        Self {
            outcome,
            client: Some(word),
            server: None,
            why: Some(why),
            reason: None,
        }
    }

    fn server(why: NoMore) -> Self {
        let (outcome, word) = why.word(Outcome::BackendReset);
        Self {
            outcome,
            client: None,
            server: Some(word),
            why: Some(why),
            reason: None,
        }
    }

    fn note(&self, record: &mut Record) {
        for (key, word) in [("end_client", self.client), ("end_backend", self.server)] {
            if let Some(word) = word {
                record.note(key, word);
            }
        }
        if let Some(reason) = self.reason {
            record.note("reason", reason);
        }
        match &self.why {
            Some(NoMore::Failed(error)) => record.note_error(error),
            Some(NoMore::Unreachable(error)) => record.note("reason", cut(&error.to_string())),
            Some(NoMore::Closed) | None => {}
        }
    }
}

impl NoMore {
    const fn word(&self, reset: Outcome) -> (Outcome, &'static str) {
        match self {
            Self::Closed => (Outcome::Clean, "clean"),
            Self::Failed(_) => (reset, "failed"),
            Self::Unreachable(_) => (reset, "unreachable"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_that_is_not_known_is_of_the_family_of_its_client() {
        for (client, shown) in [
            ("192.0.2.1:7", "0.0.0.0:0"),
            ("[::ffff:192.0.2.1]:7", "0.0.0.0:0"),
            ("[2001:db8::1]:7", "[::]:0"),
        ] {
            assert_eq!(unspecified(client.parse().unwrap()).to_string(), shown);
        }
    }
}
