//! DTLS: two ends and a network that an attacker has, a server's gate, and the reader of an established
//! connection.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use portcullis_core::config::{ClientConfig, Renegotiation, ServerConfig};
use portcullis_core::question::Question;
use portcullis_core::suite::CipherSuite;
use portcullis_core::{
    Admission, ConnectionId, Control, CookiePolicy, CookieSecret, DatagramConnection,
    DatagramOptions, Error, FrontedAnswer, FrontedHello, Gate, Handshake, Monotonic, NamedGroup,
    Now, ProtocolVersion, Received, Step, Verdict,
};

use crate::early_datagrams;
use crate::ech;
use crate::memory;
use crate::pki::{NOW, name, pki};

/// What a handshake may hold, and what the test holds beside it.
pub(crate) const MOST_HELD: usize = 2 << 20;

const ALWAYS: Renegotiation = Renegotiation::Accept {
    apart: Duration::ZERO,
};

pub(crate) fn at(milliseconds: u64) -> Now {
    Now {
        wall: NOW,
        monotonic: Monotonic(Duration::from_millis(milliseconds)),
    }
}

/// Of the byte that says which connection it is: its version is DTLS 1.2, with the suite of the other.
const OLDER: u8 = 0x80;
const WITH_CBC: u8 = 0x08;
/// Of the same byte, where its version is DTLS 1.2: there is another handshake, which the side of the lowest bit begins.
const AGAIN: u8 = 0x04;
/// Of the same byte, where its version is DTLS 1.3: the hello is encrypted, or pretends to be.
const ENCRYPTED: u8 = 0x04;
const PRETENDED: u8 = 0x08;
/// Both: it is a [conversation](early_datagrams::conversation) with early data.
const EARLY: u8 = ENCRYPTED | PRETENDED;

/// The suite of DTLS 1.2 that `shape` wants, if it wants that.
fn older(shape: u8) -> Option<CipherSuite> {
    (shape & OLDER != 0).then_some(match shape & WITH_CBC {
        0 => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        _ => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
    })
}

fn client(shape: u8) -> ClientConfig {
    let builder = ClientConfig::builder(pki().roots.clone());
    let builder = match older(shape) {
        None => {
            let builder = match shape & ENCRYPTED {
                0 => builder.ech_grease(shape & PRETENDED != 0),
                _ => builder.ech(ech::keys().1.clone()),
            };
            builder.groups([NamedGroup::X25519])
        }
        Some(suite) => builder
            .versions([ProtocolVersion::TLS_1_2])
            .renegotiation(ALWAYS)
            .cipher_suites([suite]),
    };
    builder.build().expect("it is sound")
}

fn server(shape: u8) -> ServerConfig {
    let builder = ServerConfig::builder().identity(pki().server.identity.clone());
    let builder = match older(shape) {
        None => {
            let builder = match shape & (ENCRYPTED | PRETENDED) {
                0 => builder,
                _ => builder.ech_keys(ech::keys().0.clone()),
            };
            builder.groups([NamedGroup::X25519, NamedGroup::SECP256R1])
        }
        Some(suite) => builder
            .versions([ProtocolVersion::TLS_1_2])
            .renegotiation(ALWAYS)
            .cipher_suites([suite]),
    };
    builder.build().expect("it is sound")
}

/// Who begins another handshake.
fn again(shape: u8) -> Option<usize> {
    (shape & (OLDER | AGAIN) == OLDER | AGAIN).then_some(usize::from(shape & 1))
}

/// What the client and the server offer of connection ids, by the bits of `shape`.
pub(crate) fn identified(options: DatagramOptions, shape: u8) -> [DatagramOptions; 2] {
    let with = |bit: u8, id: &[u8]| {
        let id = ConnectionId::new(id).expect("it is short");
        match shape & bit {
            0 => options,
            _ => options.connection_id(id),
        }
    };
    let clients: &[u8] = if shape & 0x20 == 0 { &[] } else { &[0xcc; 5] };
    [with(0x10, clients), with(0x40, &[0x55; 8])]
}

/// A script of the attacker's.
pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

impl Script<'_> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn number(&mut self) -> usize {
        let high = self.byte().unwrap_or(0);
        usize::from(u16::from_be_bytes([high, self.byte().unwrap_or(0)]))
    }

    /// Bytes with their length before them.
    fn bytes(&mut self) -> Vec<u8> {
        let length = self.number().min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes.to_vec()
    }

    /// Does something to a datagram; gives what comes of it.
    pub(crate) fn damage(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let mut changed = datagram.to_vec();
        match self.byte().unwrap_or(7) % 8 {
            0 => return Vec::new(),
            1 => return vec![changed.clone(), changed],
            2 => {
                let at = self.number() % changed.len().max(1);
                if let Some(byte) = changed.get_mut(at) {
                    *byte ^= self.byte().unwrap_or(1).max(1);
                }
            }
            3 => changed.truncate(self.number() % (datagram.len() + 1)),
            4 => changed.extend(self.bytes()),
            5 => return vec![self.bytes(), changed],
            6 => {
                if let Some(pieces) = cut(datagram, self.number()) {
                    return pieces;
                }
            }
            _ => {}
        }
        vec![changed]
    }
}

/// A message in the clear, in one record that fills the datagram, as two fragments in the wrong order.
fn cut(datagram: &[u8], at: usize) -> Option<Vec<Vec<u8>>> {
    let (record, content) = datagram.split_first_chunk::<13>()?;
    let (head, body) = content.split_first_chunk::<12>()?;
    let length = u32::from_be_bytes([0, head[9], head[10], head[11]]) as usize;
    if record[0] != 22 || record[3..5] != [0, 0] || length != body.len() || length < 2 {
        return None;
    }
    let at = 1 + at % (length - 1);
    let start = u32::from_be_bytes([0, head[6], head[7], head[8]]);
    let piece = |from: usize, to: usize| {
        let mut head = *head;
        let offset = (start + from as u32).to_be_bytes();
        head[6..9].copy_from_slice(&offset[1..]);
        head[9..12].copy_from_slice(&((to - from) as u32).to_be_bytes()[1..]);
        let mut record = record.to_vec();
        record[11..13].copy_from_slice(&((12 + to - from) as u16).to_be_bytes());
        [&record[..], &head[..], &body[from..to]].concat()
    };
    Some(vec![piece(at, length), piece(0, at)])
}

/// One end, in a handshake or behind it.
pub(crate) enum Side {
    Absent,
    Handshake(Box<Handshake>),
    Connected(Box<DatagramConnection>),
    Failed(String),
}

impl Side {
    /// What it sends now, and when it wants to be asked again.
    pub(crate) fn turn(&mut self, now: Now) -> (Vec<Vec<u8>>, Option<Monotonic>) {
        self.turn_with(now, &mut Vec::new())
    }

    /// The same, with what it has received in another handshake.
    fn turn_with(
        &mut self,
        now: Now,
        data: &mut Vec<Vec<u8>>,
    ) -> (Vec<Vec<u8>>, Option<Monotonic>) {
        let mut sent = Vec::new();
        // Nothing has more to say than a flight of a hundred datagrams.
        for _ in 0..1_000 {
            match self {
                Self::Absent | Self::Failed(_) => return (sent, None),
                Self::Handshake(handshake) => match handshake.poll() {
                    Ok(Step::Transmit(datagram)) => sent.push(datagram),
                    Ok(Step::Data(message)) => data.push(message),
                    Ok(Step::Ask(question)) => {
                        let answer = Question::default_answer(question);
                        handshake.answer(answer, now).expect("it was asked");
                    }
                    Ok(Step::Connected) => {
                        let connection = handshake.take_datagram_connection();
                        let connection = connection.expect("it is connected");
                        *self = Self::Connected(Box::new(connection));
                    }
                    Ok(Step::Wait { deadline }) => return (sent, deadline),
                    Ok(_) => {}
                    Err(error) => *self = Self::Failed(error.to_string()),
                },
                Self::Connected(connection) => {
                    let mut out = vec![0; connection.writer.control_len()];
                    match connection.writer.poll_control(now.monotonic, &mut out) {
                        Ok(Control::Transmit(length)) => sent.push(out[..length].to_vec()),
                        Ok(Control::Wait { deadline }) => return (sent, deadline),
                        Err(error) => *self = Self::Failed(error.to_string()),
                    }
                }
            }
        }
        panic!("polling does not end");
    }

    /// Begins another handshake, or answers one; not where the connection has ended.
    fn renegotiate(&mut self, now: Now) {
        if let Self::Connected(connection) = self {
            let (reader, writer) = (&mut connection.reader, &mut connection.writer);
            if let Ok(handshake) = Handshake::renegotiate_datagrams(reader, writer, now) {
                *self = Self::Handshake(Box::new(handshake));
            }
        }
    }

    pub(crate) fn receive(&mut self, datagram: &[u8], now: Now, data: &mut Vec<Vec<u8>>) {
        match self {
            Self::Absent | Self::Failed(_) => {}
            Self::Handshake(handshake) => handshake.receive(datagram, now),
            Self::Connected(connection) => {
                let unread = std::mem::take(&mut connection.unread);
                for mut datagram in unread.into_iter().chain([datagram.to_vec()]) {
                    // Why it failed comes again from its writer.
                    let _ = open(connection, &mut datagram, now, data);
                }
                if connection.reader.take_request(now.wall).is_some() {
                    self.renegotiate(now);
                }
            }
        }
    }
}

pub(crate) fn open(
    connection: &mut DatagramConnection,
    datagram: &mut [u8],
    now: Now,
    data: &mut Vec<Vec<u8>>,
) -> Result<(), Error> {
    let mut records = connection.reader.open(datagram, now.monotonic);
    while let Some(received) = records.next()? {
        if let Received::Data(message) = received {
            data.push(message.to_vec());
        }
    }
    Ok(())
}

/// Two ends, and somebody between them who has no keys: no panic; it comes to an end, connected or not, by
/// deadlines alone; memory stays bounded; each message comes at most once, and is one that was said;
/// with nothing done both are connected.
pub fn conversation(data: &[u8]) {
    let before = memory::held();
    let mut script = Script(data);
    let shape = script.byte().unwrap_or(0);
    let mtu = [1_200, 228, 400, 1_472][usize::from(shape % 4)];
    if shape & (OLDER | EARLY) == EARLY {
        let ends = identified(DatagramOptions::default().mtu(mtu), shape);
        return early_datagrams::conversation(ends, mtu >= 1_200, script);
    }
    let [options, of_server] = identified(DatagramOptions::default().mtu(mtu), shape);
    let is_untouched = script.0.is_empty();
    let begun = Handshake::datagram_client(client(shape), name(), Vec::new(), options, at(0));
    let mut sides = [
        Side::Handshake(Box::new(begun.expect("it begins"))),
        Side::Absent,
    ];
    let mut received = [Vec::new(), Vec::new()];
    let mut has_said = [false; 2];
    let mut to_begin = again(shape);
    let mut wire: VecDeque<(usize, Vec<u8>)> = VecDeque::new();
    let mut clock = 0;
    // Thirteen sendings of each flight are a few hundred rounds.
    for _ in 0..3_000 {
        let mut deadlines = Vec::new();
        for from in 0..2 {
            let (mut sent, deadline) = sides[from].turn_with(at(clock), &mut received[from]);
            deadlines.extend(deadline);
            if to_begin == Some(from) && has_said[from] && !received[from].is_empty() {
                to_begin = None;
                sides[from].renegotiate(at(clock));
                let (more, deadline) = sides[from].turn_with(at(clock), &mut received[from]);
                sent.extend(more);
                deadlines.extend(deadline);
            }
            if let Side::Connected(connection) = &mut sides[from]
                && !has_said[from]
            {
                has_said[from] = true;
                let mut out = vec![0; connection.writer.sealed_len(4)];
                let sealed = connection.writer.seal(&[IoSlice::new(b"ping")], &mut out);
                sent.extend(sealed.is_ok().then_some(out));
            }
            for datagram in sent {
                let damaged = match script.0.is_empty() {
                    true => vec![datagram],
                    false => script.damage(&datagram),
                };
                wire.extend(damaged.into_iter().map(|datagram| (1 - from, datagram)));
            }
        }
        match wire.pop_front() {
            Some((to, datagram)) => match &mut sides[to] {
                side @ Side::Absent => {
                    let admission = Admission::without_cookie(datagram);
                    let begun =
                        Handshake::datagram_server(server(shape), admission, of_server, at(clock));
                    *side = Side::Handshake(Box::new(begun.expect("it begins")));
                }
                side => side.receive(&datagram, at(clock), &mut received[to]),
            },
            None => {
                let Some(next) = deadlines.iter().min() else {
                    break;
                };
                clock = clock.max(u64::try_from(next.0.as_millis()).expect("it is soon") + 1);
                for side in &mut sides {
                    if let Side::Handshake(handshake) = side {
                        handshake.handle_timeout(at(clock));
                    }
                }
            }
        }
        assert!(memory::held().saturating_sub(before) < MOST_HELD + 8 * data.len());
    }
    for (side, received) in sides.iter().zip(&received) {
        if let (Side::Failed(error), true) = (side, is_untouched) {
            panic!("{error}");
        }
        // An end that waits has a deadline, so nobody waits now.
        assert!(!matches!(side, Side::Handshake(_)), "an end waits for ever");
        assert!(received.len() <= 1 && received.iter().all(|message| message == b"ping"));
        if is_untouched {
            let Side::Connected(connection) = side else {
                panic!("it is not connected");
            };
            let is_renegotiated = connection.information.is_renegotiated();
            assert_eq!(is_renegotiated, again(shape).is_some());
            assert_eq!(received.len(), 1);
        }
    }
}

/// What has come from an address, and what has gone there, in bytes.
#[derive(Clone, Copy, Default)]
struct Balance {
    received: usize,
    sent: usize,
}

impl Balance {
    /// A hello may have come in pieces, and its answer is to all of them.
    fn count(&mut self, datagram: &[u8], verdict: &Verdict) {
        self.received += datagram.len();
        if let Verdict::Reply(reply) = verdict {
            self.sent += reply.len();
        }
        assert!(self.sent <= 2 * self.received);
    }
}

/// The secret of cookies that a gate in front shares with the server behind.
fn secret() -> CookieSecret {
    CookieSecret::new([&[7; 32][..]]).expect("it is long enough")
}

/// The server behind, and its gate.
fn behind() -> (ServerConfig, Gate) {
    let builder = ServerConfig::builder().identity(pki().server.identity.clone());
    let builder = builder.groups([NamedGroup::X25519, NamedGroup::SECP256R1]);
    let config = builder.ech_backend(true).build().expect("it is sound");
    let gate = Gate::new(&config, CookiePolicy::Always).expect("it is sound");
    (config, gate.cookie_secret(secret(), at(0)))
}

/// What a front passes on, damaged on its way, and what the server behind says to it; whether that has begun a handshake.
fn pass_on(hello: &FrontedHello, script: &mut Script<'_>, now: Now) -> bool {
    let (config, mut gate) = behind();
    let mut answer = FrontedAnswer::new(hello);
    let mut is_admitted = false;
    for datagram in hello.datagrams(300) {
        for datagram in script.damage(&datagram) {
            let _none = answer.on_datagram(&datagram);
            let verdict = gate.on_datagram(b"front", &datagram, now);
            is_admitted |= matches!(verdict, Verdict::Admit(_));
            begin(verdict, &config, now);
        }
    }
    is_admitted
}

/// Datagrams from anywhere, of eight addresses, of which every second encrypts its hellos: no panic; no address is sent more than twice what came from there; what is held is
/// bounded, and an honest client comes through behind them. Where there is an odd number of bytes the gate is in front of
/// another server, for which all that was encrypted is.
pub fn gate(data: &[u8]) {
    let mut script = Script(data);
    let config = server(ENCRYPTED);
    let mut gate = Gate::new(&config, CookiePolicy::Always).expect("it is sound");
    let is_front = data.len() % 2 == 1;
    if is_front {
        gate = gate.cookie_secret(secret(), at(0)).in_front();
    }
    let options = DatagramOptions::default();
    let mut balances = [Balance::default(); 8];
    let mut clock = 0;
    let before = memory::held();
    while let Some(what) = script.byte() {
        let peer = [what & 7];
        let balance = &mut balances[usize::from(what & 7)];
        clock += u64::from(what >> 3) * 40;
        let client = client(if what & 1 == 0 { 0 } else { ENCRYPTED });
        let begun = Handshake::datagram_client(client, name(), Vec::new(), options, at(clock));
        let mut client = Side::Handshake(Box::new(begun.expect("it begins")));
        let (hello, _) = client.turn(at(clock));
        for datagram in script.damage(&hello.concat()) {
            let verdict = gate.on_datagram(&peer, &datagram, at(clock));
            balance.count(&datagram, &verdict);
            let Verdict::Reply(reply) = verdict else {
                continue;
            };
            client.receive(&reply, at(clock), &mut Vec::new());
            for second in client.turn(at(clock)).0 {
                for datagram in script.damage(&second) {
                    let mut verdict = gate.on_datagram(&peer, &datagram, at(clock));
                    balance.count(&datagram, &verdict);
                    if let Verdict::Admit(admission) = &mut verdict
                        && let Some(hello) = admission.take_fronted()
                    {
                        pass_on(&hello, &mut script, at(clock));
                    }
                    begin(verdict, &config, at(clock));
                }
            }
        }
        assert!(memory::held().saturating_sub(before) < MOST_HELD);
    }
    clock += 2_000;
    let client = client(ENCRYPTED);
    let begun = Handshake::datagram_client(client, name(), Vec::new(), options, at(clock));
    let mut client = Side::Handshake(Box::new(begun.expect("it begins")));
    let hello = client.turn(at(clock)).0.concat();
    let Verdict::Reply(reply) = gate.on_datagram(b"honest", &hello, at(clock)) else {
        panic!("an honest client is not answered");
    };
    client.receive(&reply, at(clock), &mut Vec::new());
    let second = client.turn(at(clock)).0.concat();
    let Verdict::Admit(mut admission) = gate.on_datagram(b"honest", &second, at(clock)) else {
        panic!("an honest client is not let in");
    };
    let hello = admission.take_fronted();
    assert_eq!(hello.is_some(), is_front);
    let comes_through = hello.is_none_or(|hello| pass_on(&hello, &mut Script(&[]), at(clock)));
    assert!(comes_through);
}

/// Who is admitted begins a handshake, whatever he has said.
fn begin(verdict: Verdict, config: &ServerConfig, now: Now) {
    if let Verdict::Admit(admission) = verdict {
        let options = DatagramOptions::default();
        let begun = Handshake::datagram_server(config.clone(), admission, options, now);
        Side::Handshake(Box::new(begun.expect("it begins"))).turn(now);
    }
}

/// A connection between two ends of ours.
fn connected(shape: u8) -> [Box<DatagramConnection>; 2] {
    let [options, of_server] = identified(DatagramOptions::default(), shape);
    let begun = Handshake::datagram_client(client(shape), name(), Vec::new(), options, at(0));
    let mut sides = [
        Side::Handshake(Box::new(begun.expect("it begins"))),
        Side::Absent,
    ];
    loop {
        let mut is_silent = true;
        for from in 0..2 {
            for datagram in sides[from].turn(at(0)).0 {
                is_silent = false;
                match &mut sides[1 - from] {
                    side @ Side::Absent => {
                        let admission = Admission::without_cookie(datagram);
                        let begun =
                            Handshake::datagram_server(server(shape), admission, of_server, at(0));
                        *side = Side::Handshake(Box::new(begun.expect("it begins")));
                    }
                    side => side.receive(&datagram, at(0), &mut Vec::new()),
                }
            }
        }
        if is_silent {
            return sides.map(|side| match side {
                Side::Connected(connection) => connection,
                _ => panic!("they are not connected"),
            });
        }
    }
}

/// The reader of an established connection, and what somebody without keys makes of its datagrams, and puts between
/// them: no panic; nothing ends the connection; each message comes at most once, and is one that was said; what
/// was not touched comes.
pub fn record(data: &[u8]) {
    let mut script = Script(data);
    let shape = script.byte().unwrap_or(0);
    let [mut client, mut server] = connected(shape);
    let mut untouched = Vec::new();
    let mut received = Vec::new();
    let mut count = 0_u32;
    while let Some(what) = script.byte() {
        let message = count.to_be_bytes();
        count += 1;
        // Before DTLS 1.3 keys stay.
        if what & 0x80 != 0 && older(shape).is_none() {
            let updated = client.writer.key_update(what & 0x40 != 0);
            updated.expect("the connection is open");
        }
        if what & 0x20 != 0 {
            // Of ids there are few, and none at all without an agreement.
            let new = ConnectionId::new(&[what, 1, 2, 3, 4, 5, 6, 7]).expect("it is short");
            let _few = server.writer.new_connection_ids(&[new], what & 0x10 != 0);
            let _none = client.writer.request_connection_ids(2);
            client.writer.use_next_connection_id();
        }
        let mut out = vec![0; client.writer.sealed_len(message.len())];
        let sealed = client.writer.seal(&[IoSlice::new(&message)], &mut out);
        sealed.expect("the connection is open");
        let damaged = match what & 1 {
            0 => vec![out],
            _ => script.damage(&out),
        };
        if what & 1 == 0 {
            untouched.push(message.to_vec());
        }
        for mut datagram in damaged {
            let opened = open(&mut server, &mut datagram, at(0), &mut received);
            opened.expect("nobody without keys ends it");
        }
        exchange(&mut client, &mut server, &mut received);
    }
    let mut once = received.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), received.len(), "a message came twice");
    let is_said = |message: &Vec<u8>| match <[u8; 4]>::try_from(&message[..]) {
        Ok(number) => u32::from_be_bytes(number) < count,
        Err(_) => false,
    };
    assert!(received.iter().all(is_said));
    assert!(untouched.iter().all(|message| received.contains(message)));
}

/// What both have to say besides data.
fn exchange(
    client: &mut DatagramConnection,
    server: &mut DatagramConnection,
    received: &mut Vec<Vec<u8>>,
) {
    loop {
        let mut is_silent = true;
        for is_client in [true, false] {
            let (from, to) = match is_client {
                true => (&mut *client, &mut *server),
                false => (&mut *server, &mut *client),
            };
            let mut out = vec![0; from.writer.control_len()];
            let control = from.writer.poll_control(at(0).monotonic, &mut out);
            if let Control::Transmit(length) = control.expect("nobody without keys ends it") {
                is_silent = false;
                let opened = open(to, &mut out[..length], at(0), received);
                opened.expect("the peer is honest");
            }
        }
        if is_silent {
            return;
        }
    }
}
