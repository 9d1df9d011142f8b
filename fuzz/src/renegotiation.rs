//! Another handshake on a connection of before TLS 1.3, with somebody between the ends who has all keys.
//!
//! As in a [`conversation`](crate::conversation), but from the middle of a connection: what one end writes is
//! opened with its keys, changed as the input says, and sealed again with those of the end that reads.

use core::time::Duration;

use portcullis_core::config::Renegotiation;
use portcullis_core::{Connection, Event, Frame, Handshake, Opened, PeerRequest, Step};

use crate::end::learn;
use crate::keys::{HEADER, Keys, Older, Suite, plain_like};
use crate::messages::{Assembler, CLIENT_HELLO, FINISHED, SERVER_HELLO, message, suite};
use crate::mutation::flip;
use crate::observer::{ALERT, CCS, DATA, HANDSHAKE, Secrets};
use crate::other::OTHER;
use crate::pki::{NOW, name};
use crate::settings::{OLDER, Settings};

const ALWAYS: Renegotiation = Renegotiation::Accept {
    apart: Duration::ZERO,
};

/// Fewer than may be empty records in a row.
const MAX_OPERATIONS: usize = 24;

/// More than any honest pair of ends needs.
const TURNS: usize = 60;

/// How a run has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How often the client and the server were connected anew, without the first handshake.
    pub again: [usize; 2],
    /// The data that each was given.
    pub got: [Vec<u8>; 2],
    /// What each has objected to, if it was a rule of the protocol.
    pub violations: [Option<&'static str>; 2],
}

/// Takes who begins and how often, which suite and version, and up to 24 changes of records.
pub fn run(data: &[u8]) {
    let _ = ending(data);
}

/// The same, for tests; `None` if the first handshake of such ends comes to nothing.
pub fn ending(data: &[u8]) -> Option<Ending> {
    let (head, script) = data.split_first_chunk::<3>()?;
    let [first, byte, second] = *head;
    let authentication = if first & 0x20 == 0 { 0 } else { 6 };
    let settings = match first >> 2 & 7 {
        which @ 0..3 => [1 << which, 0, 0, authentication, 0, 0, 0, OLDER],
        _ => [
            byte,
            0x33,
            second & 0x30,
            authentication,
            0,
            second & 5,
            0,
            OTHER,
        ],
    };
    let operations = script.chunks_exact(4).take(MAX_OPERATIONS);
    let mut wire = Wire::new(&Settings::new(settings), operations.map(Operation::new));
    wire.talk(None);
    wire.ends
        .iter()
        .all(|end| end.connected == 1)
        .then_some(())?;
    let rounds = usize::from(first >> 6 & 1) + 1;
    for round in 0..rounds {
        for direction in &mut wire.directions {
            direction.units = 0;
        }
        for end in &mut wire.ends {
            end.say(b"before ");
        }
        match first & 3 {
            0 => wire.ends[0].begin(),
            1 => wire.ends[1].begin(),
            _ => wire.ends.iter_mut().for_each(End::begin),
        }
        // Under way, because the request is not there yet.
        for end in &mut wire.ends {
            end.say(b"meanwhile ");
        }
        wire.talk(Some(round));
        for end in &mut wire.ends {
            end.say(b"behind ");
        }
        wire.talk(Some(round));
        wire.check(round + 1);
    }
    for end in &mut wire.ends {
        end.hang_up();
    }
    let again = [0, 1].map(|role| wire.ends[role].connected - 1);
    let [client, server] = wire.ends;
    Some(Ending {
        again,
        violations: [client.violation(), server.violation()],
        got: [client.got, server.got],
    })
}

/// What is done to one record.
#[derive(Clone, Copy, Debug)]
struct Operation {
    writer: usize,
    round: usize,
    unit: usize,
    what: u8,
    position: u8,
    value: u8,
}

impl Operation {
    fn new(bytes: &[u8]) -> Self {
        let &[place, what, position, value] = bytes else {
            unreachable!("four bytes each");
        };
        Self {
            writer: usize::from(place >> 7),
            round: usize::from(place >> 6 & 1),
            unit: usize::from(place & 15),
            what: what % 9,
            position,
            value,
        }
    }
}

struct End {
    /// Between handshakes.
    connection: Option<Connection>,
    handshake: Option<Handshake>,
    input: Vec<u8>,
    sent: Vec<u8>,
    got: Vec<u8>,
    secrets: Secrets,
    error: Option<portcullis_core::Error>,
    connected: usize,
    seed: u64,
}

impl End {
    fn new(role: usize, handshake: Handshake) -> Self {
        let mut this = Self {
            connection: None,
            handshake: Some(handshake),
            input: Vec::new(),
            sent: Vec::new(),
            got: Vec::new(),
            secrets: Secrets::default(),
            error: None,
            connected: 0,
            seed: 2 + role as u64,
        };
        this.poll(64);
        this
    }

    fn say(&mut self, data: &[u8]) {
        let Some(Connection { writer, .. }) = &mut self.connection else {
            return;
        };
        let mut out = vec![0; writer.max_sealed_len(data.len())];
        if let Ok(sealed) = writer.seal(data, &mut out) {
            assert_eq!(sealed.consumed, data.len());
            self.sent.extend_from_slice(&out[..sealed.written]);
        }
    }

    fn begin(&mut self) {
        let Some(mut connection) = self.connection.take().filter(|_| self.error.is_none()) else {
            return;
        };
        self.seed += 2;
        let (reader, writer) = (&mut connection.reader, &mut connection.writer);
        match Handshake::renegotiate_seeded(reader, writer, NOW, self.seed) {
            Ok(mut handshake) => {
                handshake.receive(&core::mem::take(&mut self.input), NOW);
                self.handshake = Some(handshake);
                self.poll(1_000);
            }
            // It has closed, or the peer has.
            Err(_) => self.connection = Some(connection),
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.error.is_some() {
            return;
        }
        match &mut self.handshake {
            Some(handshake) => {
                handshake.receive(bytes, NOW);
                self.poll(64 + 4 * bytes.len());
            }
            None => {
                self.input.extend_from_slice(bytes);
                self.open();
            }
        }
    }

    /// `most` grows with what it was fed.
    fn poll(&mut self, most: usize) {
        for _ in 0..most {
            let Some(handshake) = &mut self.handshake else {
                return;
            };
            match handshake.poll() {
                Ok(Step::Transmit(bytes)) => self.sent.extend(bytes),
                Ok(Step::Event(Event::Secret(line))) => learn(&mut self.secrets, &line.to_line()),
                Ok(Step::Event(_)) => {}
                Ok(Step::Data(data)) => {
                    assert!(!data.is_empty() && self.connected > 0);
                    self.got.extend(data);
                }
                Ok(Step::Ask(question)) => {
                    let answer = question.default_answer();
                    handshake
                        .answer(answer, NOW)
                        .expect("it is for this question");
                }
                Ok(Step::Connected) => {
                    let was_declined = handshake.was_declined();
                    let mut connection = handshake.take_connection().expect("it is over");
                    self.handshake = None;
                    self.input = core::mem::take(&mut connection.unread);
                    self.sent.append(&mut connection.transmit);
                    assert_eq!(
                        connection.information.is_renegotiated(),
                        self.connected + usize::from(!was_declined) > 1
                    );
                    self.connected += usize::from(!was_declined);
                    self.connection = Some(connection);
                    return self.open();
                }
                Ok(Step::Wait { .. }) => return,
                Ok(step) => panic!("an unknown step: {step:?}"),
                Err(error) => {
                    let again = handshake.poll().expect_err("an error stays");
                    assert_eq!(format!("{again:?}"), format!("{error:?}"));
                    return self.fail(error);
                }
            }
        }
        panic!("polling comes to an end");
    }

    fn fail(&mut self, error: portcullis_core::Error) {
        let text = format!("{error:?}");
        assert!(
            !text.contains("Misuse(") && !text.contains("Crypto("),
            "{text}"
        );
        self.error = Some(error);
    }

    /// Opens what is there, up to a request.
    fn open(&mut self) {
        while let Some(Connection { reader, writer, .. }) = &mut self.connection {
            let (record, opened) = match reader.frame(&self.input) {
                Ok(Frame::Record { len, .. }) => {
                    let mut record: Vec<u8> = self.input.drain(..len).collect();
                    let opened = reader.open_in_place(&mut record);
                    (record, opened)
                }
                Ok(_) => return,
                Err(error) => (Vec::new(), Err(error)),
            };
            let mut control = vec![0; writer.control_len()];
            while reader.writer_has_work()
                && let Ok(written @ 1..) = writer.drain_mailbox(&mut control)
            {
                self.sent.extend_from_slice(&control[..written]);
            }
            match opened {
                Ok(Opened::Data(range)) => self.got.extend_from_slice(&record[range]),
                Ok(Opened::Nothing | Opened::Closed) => {}
                Err(error) => return self.fail(error),
            }
            if reader.take_request(NOW) == Some(PeerRequest::Renegotiation) {
                self.begin();
            }
        }
    }

    fn violation(&self) -> Option<&'static str> {
        let violation = self.error.as_ref()?.violation();
        violation.map(|violation| violation.name())
    }

    /// The transport ends: so does what is under way.
    fn hang_up(&mut self) {
        if let Some(handshake) = &mut self.handshake
            && self.error.is_none()
        {
            handshake.receive_eof();
            self.poll(64);
            assert!(self.handshake.is_none() || self.error.is_some());
        }
    }
}

/// One direction of what is between the ends.
#[derive(Default)]
struct Direction {
    /// What was not a whole record yet.
    buffer: Vec<u8>,
    /// Opens what the writer has sealed, and seals for the reader; `None` before the first keys.
    opener: Option<Keys>,
    sealer: Option<Keys>,
    /// The messages that the writer has sent, and those that the reader was given.
    sent: (Assembler, Vec<Vec<u8>>),
    given: (Assembler, Vec<Vec<u8>>),
    /// The reader has new keys, which no Finished has confirmed.
    is_unconfirmed: bool,
    /// The data that the reader may be given.
    data: Vec<u8>,
    /// Records of this round.
    units: usize,
}

struct Wire {
    ends: [End; 2],
    directions: [Direction; 2],
    operations: Vec<Operation>,
    /// Whether nothing was done that a peer may not do.
    is_honest: bool,
}

impl Wire {
    fn new(settings: &Settings, operations: impl Iterator<Item = Operation>) -> Self {
        let client = settings.client().to_builder().renegotiation(ALWAYS);
        let server = settings.server().to_builder().renegotiation(ALWAYS);
        let (client, server) = (client.build(), server.build());
        let client = Handshake::client_seeded(client.expect("it fits"), name(), 1);
        let server = Handshake::server_seeded(server.expect("it fits"), 2);
        Self {
            ends: [
                End::new(0, client.expect("a client can always start")),
                End::new(1, server),
            ],
            directions: Default::default(),
            operations: operations.collect(),
            is_honest: true,
        }
    }

    /// Carries what the ends say until they say nothing. The first handshake is left as it is.
    fn talk(&mut self, round: Option<usize>) {
        for _ in 0..TURNS {
            let mut moved = false;
            for writer in [0, 1] {
                let bytes = core::mem::take(&mut self.ends[writer].sent);
                moved |= !bytes.is_empty();
                self.carry(writer, &bytes, round);
            }
            if !moved {
                return;
            }
        }
        panic!("the two ends never come to rest");
    }

    fn carry(&mut self, writer: usize, bytes: &[u8], round: Option<usize>) {
        self.directions[writer].buffer.extend_from_slice(bytes);
        loop {
            let direction = &mut self.directions[writer];
            let Some(&[_, _, _, high, low]) = direction.buffer.first_chunk::<HEADER>() else {
                return;
            };
            let length = HEADER + usize::from(u16::from_be_bytes([high, low]));
            if direction.buffer.len() < length {
                return;
            }
            let record: Vec<u8> = direction.buffer.drain(..length).collect();
            self.on_record(writer, record, round);
        }
    }

    fn on_record(&mut self, writer: usize, record: Vec<u8>, round: Option<usize>) {
        let direction = &mut self.directions[writer];
        let opened = match &mut direction.opener {
            None => Some((record[0], record[HEADER..].to_vec())),
            Some(keys) => keys.open(&record).map(|inner| (inner.typ, inner.content)),
        };
        let Some((typ, content)) = opened else {
            // Its keys are of messages that were changed on their way.
            assert!(!self.is_honest, "an honest writer's record can be opened");
            return self.ends[1 - writer].receive(&record);
        };
        if typ == HANDSHAKE {
            let (assembler, messages) = &mut direction.sent;
            messages.extend(assembler.push(&content));
        }
        let unit = direction.units;
        direction.units += 1;
        let mut units = vec![(typ, content)];
        let mut raw = Vec::new();
        for operation in self.operations.clone() {
            let place = (operation.writer, Some(operation.round), operation.unit);
            if place == (writer, round, unit) {
                self.change(&mut units, &mut raw, operation);
            }
        }
        for (typ, content) in units {
            self.give(writer, typ, &content, &record);
        }
        self.ends[1 - writer].receive(&raw);
        if typ == CCS {
            self.directions[writer].opener = self.keys(writer, writer);
        }
    }

    fn change(&mut self, units: &mut Vec<(u8, Vec<u8>)>, raw: &mut Vec<u8>, of: Operation) {
        let Operation {
            writer,
            what,
            position,
            value,
            ..
        } = of;
        let Some((typ, content)) = units.last_mut() else {
            return;
        };
        match what {
            // Whatever stands behind it in the same message: in front of the record.
            0 => {
                let is_confirmed = !self.directions[writer].is_unconfirmed;
                self.is_honest &= is_confirmed;
                units.insert(0, (DATA, vec![value; position.into()]));
            }
            1 if *typ == HANDSHAKE && content.len() > 1 => {
                let at = 1 + usize::from(position) % (content.len() - 1);
                let rest = content.split_off(at);
                units.push((HANDSHAKE, rest));
            }
            1 => {}
            _ => {
                self.is_honest = false;
                match what {
                    2 => drop(units.pop()),
                    3 => {
                        let copy = (*typ, content.clone());
                        units.push(copy);
                    }
                    4 => flip(content, position.into(), value),
                    5 => *typ = value,
                    6 => {
                        let inserted = match value % 6 {
                            0 => (HANDSHAKE, message(position, &[])),
                            1 => (HANDSHAKE, message(position, &[value; 12])),
                            2 => (ALERT, vec![1, position]),
                            3 => (ALERT, vec![2, position]),
                            4 => (CCS, vec![1]),
                            _ => (HANDSHAKE, vec![position]),
                        };
                        units.insert(0, inserted);
                    }
                    7 => content.truncate(position.into()),
                    _ => raw.extend(vec![value; position.into()]),
                }
            }
        }
    }

    /// Gives the reader a record with this in it.
    fn give(&mut self, writer: usize, typ: u8, content: &[u8], like: &[u8]) {
        let direction = &mut self.directions[writer];
        match typ {
            HANDSHAKE => {
                let (assembler, messages) = &mut direction.given;
                let before = messages.len();
                messages.extend(assembler.push(content));
                let mut new = messages[before..].iter();
                direction.is_unconfirmed &= !new.any(|message| message[0] == FINISHED);
            }
            DATA if !direction.is_unconfirmed => direction.data.extend_from_slice(content),
            _ => {}
        }
        let record = match &mut direction.sealer {
            None => plain_like(like, typ, content),
            Some(keys) => keys.seal(typ, content, 0),
        };
        self.ends[1 - writer].receive(&record);
        if typ == CCS {
            self.directions[writer].sealer = self.keys(writer, 1 - writer);
            self.directions[writer].is_unconfirmed = true;
        }
    }

    /// What `writer` protects with from here on, as `role` sees it.
    fn keys(&self, writer: usize, role: usize) -> Option<Keys> {
        let last = |from: usize, typ: u8| {
            let direction = &self.directions[from];
            let (_, messages) = match from == role {
                true => &direction.sent,
                false => &direction.given,
            };
            messages.iter().rfind(|message| message[0] == typ)
        };
        let (client, server) = (last(0, CLIENT_HELLO)?, last(1, SERVER_HELLO)?);
        let suite = Suite::of(suite(server)?, Older::of(client, server)?)?;
        let master = self.ends[role].secrets.master.as_ref()?;
        Keys::of_master(suite, master, writer)
    }

    /// What holds whatever was done.
    fn check(&self, rounds: usize) {
        for (role, end) in self.ends.iter().enumerate() {
            let from = &self.directions[1 - role];
            // What was said, in its order, and nothing that came under keys which nobody had confirmed.
            assert!(from.data.starts_with(&end.got), "{:?}", end.got);
            if self.is_honest {
                assert!(end.error.is_none(), "{role}: {:?}", end.error);
                assert_eq!(end.connected, 1 + rounds, "{role}");
                assert_eq!(end.got, from.data, "{role}");
            }
            // Finished is about every message of its handshake; a HelloRequest is in none.
            let up_to_finished = |messages: &[Vec<u8>]| {
                let mut left = end.connected;
                let mut own: Vec<_> = messages.to_vec();
                own.retain(|message| message[0] != 0);
                let end = own.iter().position(|message| {
                    left -= usize::from(message[0] == FINISHED);
                    left == 0
                });
                own.truncate(end.map_or(own.len(), |end| end + 1));
                own
            };
            let sent = up_to_finished(&from.sent.1);
            assert_eq!(up_to_finished(&from.given.1), sent, "{role} was deceived");
        }
        let [client, server] = self.ends.each_ref().map(|end| end.connection.as_ref());
        if let (Some(client), Some(server)) = (client, server)
            && self.is_honest
        {
            let (client, server) = (&client.information, &server.information);
            assert_eq!(client.client_random(), server.client_random());
            assert_eq!(client.server_random(), server.server_random());
            assert_eq!(client.tls_unique().ok(), server.tls_unique().ok());
        }
    }
}
