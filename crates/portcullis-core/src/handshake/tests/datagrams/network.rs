//! Two ends, what is under way between them, and a clock that is moved by hand.

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use std::io::IoSlice;

use rustls_pki_types::UnixTime;

use super::super::Tamper;
use crate::clock::{Monotonic, Now};
use crate::config::{ClientConfig, ServerConfig};
use crate::connection::DatagramConnection;
use crate::error::Error;
use crate::question::{Answer, Question};
use crate::record::{Control, DatagramOptions, Received};
use crate::session::ClientSession;
use crate::step::Step;
use crate::testing::{name, now};
use crate::{
    Admission, Authenticating, AuthenticationId, AuthenticationStep, CookiePolicy, Gate, Handshake,
    Verdict,
};

/// Deals with a request or an answer; what it came to, unless it has ended the connection.
fn settle(
    mut one: Authenticating,
    now: UnixTime,
    answer: fn(Question) -> Answer,
) -> Option<(AuthenticationId, AuthenticationStep)> {
    loop {
        match one.poll(now) {
            Ok(AuthenticationStep::Ask(question)) => one.answer(answer(question), now).unwrap(),
            Ok(step) => return Some((one.id(), step)),
            Err(_) => return None,
        }
    }
}

/// How long a datagram is under way if nothing else is said.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);

/// Where the client is, to a gate.
const PEER: &[u8] = b"192.0.2.1:4433";
/// What an end may hold of its peer's messages, whatever comes: the longest message, and what comes ahead of it.
const MOST_HELD: usize = (256 + 16 + 16) * 1024;
/// The same for each byte that has come: a piece of a message costs 64 bytes besides its own, and 12 on the wire.
const MOST_WORTH: usize = 6;
/// What it may hold of its own, to send it again.
const MOST_KEPT: usize = 64 * 1024;

/// An end.
pub(crate) enum Side {
    /// A server of whom nobody has asked anything.
    Absent,
    Handshake(Box<Handshake>),
    Connected(Box<DatagramConnection>),
    Failed(Error),
}

impl Side {
    pub(crate) fn connection(&mut self) -> &mut DatagramConnection {
        match self {
            Self::Connected(connection) => connection,
            Self::Failed(error) => panic!("{error}"),
            Self::Absent => panic!("there is no server"),
            Self::Handshake(handshake) => panic!("{:?}", handshake.stage()),
        }
    }

    pub(crate) fn error(&self) -> &Error {
        match self {
            Self::Failed(error) => error,
            _ => panic!("it has not failed"),
        }
    }
}

/// What becomes of a datagram: when it comes, each time it comes.
pub(crate) type Fate<'a> = dyn FnMut(usize, &[u8]) -> Arrivals + 'a;
/// After which time it comes, each time, and as what.
pub(crate) type Arrivals = Vec<(Duration, Vec<u8>)>;

/// Numbers that follow from a seed (xorshift).
pub(super) struct Chance(u64);

impl Chance {
    /// Of seeds that follow one another the numbers differ from the first on.
    pub(super) const fn of_seed(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) const fn of(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// What a bad network makes of a datagram: a fifth is lost, a tenth comes twice, and they overtake one another.
    pub(super) fn fate(&mut self, datagram: &[u8]) -> Arrivals {
        let mut copies = Vec::new();
        while copies.len() < 3 {
            if !self.of(20) {
                let delay = Duration::from_millis(5 + self.next() % 40);
                copies.push((delay, datagram.to_vec()));
            }
            if !self.of(10) {
                break;
            }
        }
        copies
    }
}

/// It comes once, after the usual time.
pub(crate) fn usual(datagram: &[u8]) -> Arrivals {
    vec![(LATENCY, datagram.to_vec())]
}

/// What answers a message.
pub(crate) type Answering = fn(&[u8]) -> Vec<u8>;

pub(crate) struct Network {
    /// The client and the server.
    pub(crate) sides: [Side; 2],
    server_config: ServerConfig,
    pub(crate) options: DatagramOptions,
    pub(crate) clock: Duration,
    /// When, to which side, in which order, and what.
    under_way: BTreeSet<(Duration, usize, usize, Vec<u8>)>,
    /// How many were sent, in all, and how many bytes by each side.
    pub(crate) sent: usize,
    pub(crate) lengths: Vec<(usize, usize)>,
    arrived: usize,
    /// The messages that each side has received.
    pub(crate) received: [Vec<Vec<u8>>; 2],
    pub(crate) closed: [usize; 2],
    pub(crate) sessions: Vec<ClientSession>,
    /// How long a question stays open, and how it is answered.
    pub(crate) thinking: Option<Duration>,
    pub(crate) answer: fn(Question) -> Answer,
    answers: Vec<(Duration, usize, Answer)>,
    /// What becomes of the server's messages.
    pub(crate) tamper: Option<Tamper>,
    /// The early data that the server was given.
    pub(crate) early_data: Vec<Vec<u8>>,
    pub(crate) declines_early_data: bool,
    /// What the server answers each with, before the handshake is over; and what it could say of that.
    pub(crate) early_answer: Option<Answering>,
    pub(crate) answered_early: Vec<Vec<u8>>,
    /// How many bytes the server has heard and said, as long as nothing has shown that the client reads at its address.
    pub(crate) unproved: Option<(usize, usize)>,
    /// What is before the server until it lets somebody in, and what that has answered.
    gate: Option<Gate>,
    replies: VecDeque<Vec<u8>>,
    /// How many bytes have come to each side.
    heard: [usize; 2],
    /// A side that begins another handshake as soon as it is connected.
    pub(crate) begins: Option<usize>,
    /// How often each side was told that there is none.
    pub(crate) declined: [usize; 2],
    /// What authentications after the handshake have come to, on each side.
    pub(crate) authenticated: [Vec<(AuthenticationId, AuthenticationStep)>; 2],
}

impl Network {
    pub(crate) fn new(client: ClientConfig, server: ServerConfig) -> Self {
        Self::resuming(client, server, Vec::new(), DatagramOptions::default())
    }

    pub(crate) fn resuming(
        client: ClientConfig,
        server: ServerConfig,
        sessions: Vec<ClientSession>,
        options: DatagramOptions,
    ) -> Self {
        let at = Now {
            wall: now(),
            monotonic: Monotonic::default(),
        };
        let client = Handshake::datagram_client(client, name(), sessions, options, at).unwrap();
        Self {
            sides: [Side::Handshake(Box::new(client)), Side::Absent],
            server_config: server.for_datagrams().unwrap(),
            options,
            clock: Duration::ZERO,
            under_way: BTreeSet::new(),
            sent: 0,
            lengths: Vec::new(),
            arrived: 0,
            received: Default::default(),
            closed: [0; 2],
            sessions: Vec::new(),
            thinking: None,
            answer: crate::testing::answer,
            answers: Vec::new(),
            tamper: None,
            early_data: Vec::new(),
            declines_early_data: false,
            early_answer: None,
            answered_early: Vec::new(),
            unproved: None,
            gate: None,
            replies: VecDeque::new(),
            heard: [0; 2],
            begins: None,
            declined: [0; 2],
            authenticated: Default::default(),
        }
    }

    /// The client's address may be forged, and is not asked for a cookie.
    pub(crate) fn begin_unproved(&mut self) {
        self.unproved = Some((0, 0));
    }

    /// The client's address may be forged, and a gate of this configuration is before the server.
    pub(crate) fn begin_with_gate(&mut self, config: &ServerConfig, policy: CookiePolicy) {
        self.begin_unproved();
        self.gate = Some(Gate::new(config, policy).unwrap());
    }

    /// This side begins another handshake, or answers one.
    pub(crate) fn renegotiate(&mut self, side: usize) {
        let (now, tamper) = (self.now(), self.tamper.take_if(|_| side == 1));
        let connection = self.sides[side].connection();
        let (reader, writer) = (&mut connection.reader, &mut connection.writer);
        let random = crate::crypto::random::Random::system();
        let begun = Handshake::renegotiate_datagrams_with(reader, writer, now, random, tamper);
        self.sides[side] = Side::Handshake(Box::new(begun.unwrap()));
    }

    /// The client offers early data, of which there is none yet.
    pub(crate) fn with_early_data(
        client: ClientConfig,
        server: ServerConfig,
        sessions: Vec<ClientSession>,
    ) -> Self {
        let mut this = Self::new(client.clone(), server);
        let (options, now) = (this.options, this.now());
        let client =
            Handshake::datagram_client_with_early_data(client, name(), sessions, options, now);
        this.sides[0] = Side::Handshake(Box::new(client.unwrap()));
        this
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            wall: now(),
            monotonic: Monotonic(self.clock),
        }
    }

    /// Sends a datagram from this side.
    fn send(&mut self, from: usize, datagram: &[u8], fate: &mut Fate<'_>) {
        assert!(!datagram.is_empty());
        if from == 1
            && let Some((heard, said)) = &mut self.unproved
        {
            *said += datagram.len();
            let most = if self.gate.is_some() { 2 } else { 3 };
            assert!(*said <= most * *heard, "{said} of {heard}");
        }
        self.lengths.push((from, datagram.len()));
        let index = self.sent;
        self.sent += 1;
        for (delay, bytes) in fate(index, datagram) {
            self.arrived += 1;
            self.under_way
                .insert((self.clock + delay, 1 - from, self.arrived, bytes));
        }
    }

    /// Lets something come to this side as if it were from the other.
    pub(crate) fn inject(&mut self, to: usize, datagram: Vec<u8>) {
        self.arrived += 1;
        self.under_way
            .insert((self.clock, to, self.arrived, datagram));
    }

    /// Sends a message of the application.
    pub(crate) fn say(&mut self, from: usize, message: &[u8], fate: &mut Fate<'_>) {
        let writer = &mut self.sides[from].connection().writer;
        let mut out = vec![0; writer.sealed_len(message.len())];
        let length = writer.seal(&[IoSlice::new(message)], &mut out).unwrap();
        assert_eq!(length, out.len());
        self.send(from, &out, fate);
    }

    /// Lets a side do what it can; gives its deadline.
    fn turn(&mut self, side: usize, fate: &mut Fate<'_>) -> Option<Monotonic> {
        loop {
            let mut to_send = Vec::new();
            let waits = match &mut self.sides[side] {
                Side::Failed(_) => return None,
                Side::Absent => match self.replies.pop_front() {
                    Some(reply) if side == 1 => {
                        to_send = reply;
                        None
                    }
                    _ => return None,
                },
                Side::Connected(connection) => {
                    let mut out = vec![0; connection.writer.control_len()];
                    match connection
                        .writer
                        .poll_control(Monotonic(self.clock), &mut out)
                    {
                        Ok(Control::Transmit(length)) => {
                            to_send = out[..length].to_vec();
                            None
                        }
                        Ok(Control::Wait { deadline }) => Some(deadline),
                        Err(error) => {
                            self.sides[side] = Side::Failed(error);
                            return None;
                        }
                    }
                }
                Side::Handshake(handshake) => match handshake.poll() {
                    Ok(Step::Transmit(datagram)) => {
                        to_send = datagram;
                        None
                    }
                    Ok(Step::Event(_)) => None,
                    Ok(Step::Data(data)) => {
                        self.received[side].push(data);
                        None
                    }
                    Ok(Step::EarlyData(data)) => {
                        if let Some(answer) = self.early_answer {
                            let answer = answer(&data);
                            if handshake.send(&answer) > 0 {
                                self.answered_early.push(answer);
                            }
                        }
                        self.early_data.push(data);
                        None
                    }
                    Ok(Step::Ask(question)) => {
                        self.ask(side, question);
                        None
                    }
                    Ok(Step::Connected) => {
                        self.connect(side);
                        None
                    }
                    Ok(Step::Wait { deadline }) => {
                        assert_eq!(deadline, handshake.deadline());
                        Some(deadline)
                    }
                    Err(error) => {
                        self.sides[side] = Side::Failed(error);
                        return None;
                    }
                },
            };
            if !to_send.is_empty() {
                self.send(side, &to_send, fate);
            }
            if let Some(deadline) = waits {
                return deadline;
            }
        }
    }

    fn ask(&mut self, side: usize, question: Question) {
        let answer = (self.answer)(question);
        match self.thinking {
            Some(delay) => self.answers.push((self.clock + delay, side, answer)),
            None => {
                let now = self.now();
                let Side::Handshake(handshake) = &mut self.sides[side] else {
                    panic!("only a handshake asks");
                };
                handshake.answer(answer, now).unwrap();
            }
        }
    }

    fn connect(&mut self, side: usize) {
        let Side::Handshake(handshake) = core::mem::replace(&mut self.sides[side], Side::Absent)
        else {
            panic!("only a handshake becomes a connection");
        };
        self.declined[side] += usize::from(handshake.was_declined());
        let mut connection = handshake.into_datagram_connection().unwrap();
        let unread = core::mem::take(&mut connection.unread);
        self.closed[side] += usize::from(connection.reader.is_closed());
        self.sides[side] = Side::Connected(Box::new(connection));
        if self.begins.take_if(|begins| *begins == side).is_some() {
            self.renegotiate(side);
        }
        for datagram in unread {
            self.deliver(side, datagram);
        }
    }

    fn deliver(&mut self, side: usize, mut datagram: Vec<u8>) {
        let now = self.now();
        self.heard[side] += datagram.len();
        if side == 1
            && let Some((heard, _)) = &mut self.unproved
        {
            *heard += datagram.len();
            if datagram[0] & 0b1110_0011 == 0b0010_0010 {
                // RFC 9147 §6.1: of epoch 2.
                self.unproved = None;
            }
        }
        match &mut self.sides[side] {
            Side::Absent => {
                let Some(admission) = self.admit(datagram) else {
                    return;
                };
                let config = self.server_config.clone();
                let server = Handshake::datagram_server(config, admission, self.options, now);
                let mut server = server.unwrap();
                if self.declines_early_data {
                    server.decline_early_data();
                }
                if let Some(tamper) = self.tamper.take() {
                    server.tamper(tamper);
                }
                self.sides[side] = Side::Handshake(Box::new(server));
            }
            Side::Handshake(handshake) => handshake.receive(&datagram, now),
            Side::Failed(_) => {}
            Side::Connected(connection) => {
                let mut records = connection.reader.open(&mut datagram, now.monotonic);
                loop {
                    match records.next() {
                        Ok(None) | Err(_) => break,
                        Ok(Some(Received::Data(data))) => self.received[side].push(data.to_vec()),
                        Ok(Some(Received::Closed)) => self.closed[side] += 1,
                        Ok(Some(_)) => {}
                    }
                }
                if let Some(authentication) = &connection.authentication {
                    let settled = &mut self.authenticated[side];
                    while let Some(one) = authentication.take() {
                        settled.extend(settle(one, now.wall, self.answer));
                    }
                }
                // Before DTLS 1.3 the session is there without a message, and stays for those who ask.
                let is_older = connection.information.version() != crate::ProtocolVersion::DTLS_1_3;
                let tickets = core::iter::from_fn(|| connection.reader.take_ticket());
                let tickets = tickets.take(if is_older { 0 } else { usize::MAX });
                self.sessions
                    .extend(tickets.map(|ticket| ticket.into_session(now.wall)));
                if connection.reader.take_request(now.wall).is_some() {
                    self.renegotiate(side);
                }
            }
        }
    }

    /// What a server begins with, where somebody is let in.
    fn admit(&mut self, datagram: Vec<u8>) -> Option<Admission> {
        let now = self.now();
        let Some(gate) = &mut self.gate else {
            let mut admission = Admission::without_cookie(datagram);
            admission.is_unproved = self.unproved.is_some();
            return Some(admission);
        };
        match gate.on_datagram(PEER, &datagram, now) {
            Verdict::Discard(_) => None,
            Verdict::Reply(reply) => {
                self.replies.push_back(reply);
                None
            }
            Verdict::Admit(admission) => {
                self.gate = None;
                if !admission.is_unproved() {
                    self.unproved = None;
                }
                Some(admission)
            }
        }
    }

    /// What has to be so at all times: neither end holds more of what has come than a bound, nor than what that was worth; nor
    /// more of its own than a flight.
    fn check_bounds(&self) {
        for (side, heard) in self.sides.iter().zip(self.heard) {
            let (held, kept) = match side {
                Side::Absent | Side::Failed(_) => continue,
                Side::Handshake(handshake) => (handshake.held(), handshake.kept()),
                Side::Connected(connection) => (connection.reader.held(), connection.writer.kept()),
            };
            assert!(
                held <= MOST_HELD.min(MOST_WORTH * heard),
                "{held} of {heard}"
            );
            assert!(kept <= MOST_KEPT, "{kept}");
        }
    }

    /// Lets both do what they can, and time pass until neither has anything to do. Somebody who waits for
    /// the other must have a deadline, or something must be under way.
    pub(crate) fn run(&mut self, fate: &mut Fate<'_>) {
        self.run_until(Duration::MAX, fate);
    }

    /// The same, but until this time at most.
    pub(crate) fn run_until(&mut self, end: Duration, fate: &mut Fate<'_>) {
        for _ in 0..10_000 {
            let deadlines = [self.turn(0, fate), self.turn(1, fate)];
            self.check_bounds();
            let arrival = self.under_way.first().map(|(at, ..)| *at);
            let answer = self.answers.iter().map(|(at, ..)| *at).min();
            let deadline = deadlines.iter().flatten().map(|deadline| deadline.0).min();
            let Some(next) = [arrival, answer, deadline].into_iter().flatten().min() else {
                let waits = |side: &Side| matches!(side, Side::Handshake(_));
                let is_stuck = self.sides.iter().any(waits)
                    && !self
                        .sides
                        .iter()
                        .any(|side| matches!(side, Side::Failed(_)));
                assert!(!is_stuck, "both wait for ever");
                return;
            };
            assert!(
                next >= self.clock || deadline != Some(next),
                "a deadline is past"
            );
            if next > end {
                self.clock = end;
                return;
            }
            self.clock = self.clock.max(next);
            let now = self.now();
            for (side, deadline) in deadlines.into_iter().enumerate() {
                if deadline.is_some_and(|deadline| deadline <= now.monotonic)
                    && let Side::Handshake(handshake) = &mut self.sides[side]
                {
                    handshake.handle_timeout(now);
                }
            }
            if let Some(at) = self.answers.iter().position(|(at, ..)| *at <= self.clock) {
                let (_, side, answer) = self.answers.remove(at);
                if let Side::Handshake(handshake) = &mut self.sides[side] {
                    handshake.handle_timeout(now);
                    handshake.answer(answer, now).unwrap();
                }
                continue;
            }
            if arrival.is_some_and(|at| at <= self.clock) {
                let (_, side, _, datagram) = self.under_way.pop_first().unwrap();
                self.deliver(side, datagram);
            }
        }
        panic!("it does not come to an end");
    }

    /// Both ends are connected, agree, and wait for nothing.
    pub(crate) fn check(&mut self) {
        let [client, server] = &mut self.sides;
        let (client, server) = (client.connection(), server.connection());
        assert!(client.writer.is_acknowledged() && server.writer.is_acknowledged());
        let (c, s) = (&client.information, &server.information);
        assert_eq!(c.tls_exporter().unwrap(), s.tls_exporter().unwrap());
        assert_eq!(c.cipher_suite(), s.cipher_suite());
        assert_eq!(c.version(), crate::ProtocolVersion::DTLS_1_3);
        assert_eq!(s.version(), crate::ProtocolVersion::DTLS_1_3);
    }
}
