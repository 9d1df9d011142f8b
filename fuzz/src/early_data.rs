//! Conversations that begin with early data, and somebody on the wire who also sends it again.

use std::sync::LazyLock;
use std::time::Duration;

use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::question::Question;
use portcullis_core::session::{AntiReplay, BloomFilters, ClientSession, TicketKeys};
use portcullis_core::{
    ConnectionInformation, EarlyDataStatus, Frame, Handshake, NamedGroup, Opened, ProtocolVersion,
    Step,
};
use rustls_pki_types::UnixTime;

use crate::mutation;
use crate::pki::{NOW, name, pki};
use crate::plan::{Operation, Plan};

/// What the byte of flags has above those of [`Plan`] in a plan with early data.
pub const MARK: u8 = 0b1010_1000;

/// More than any honest pair of ends needs.
const TURNS: usize = 40;

/// Those of servers that remember themselves, and of servers that ask: no keys are of both.
static KEYS: LazyLock<[TicketKeys; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| TicketKeys::rotating(Duration::from_secs(7_200)).expect("a period"))
});

/// The first byte: bit 0: another server's keys, 1: another share is asked for, 2: another protocol,
/// 3: the server asks who remembers, 4 and 5: its answer, 6: it pauses at the hello. The second: how
/// many records of early data; the third: how long they are. The fourth: a small limit.
struct Choice([u8; 8]);

impl Choice {
    fn bit(&self, index: u8) -> bool {
        self.0[0] >> index & 1 != 0
    }

    fn is_accepted(&self) -> bool {
        !self.bit(0) && !self.bit(1) && !self.bit(2) && (!self.bit(3) || self.bit(4))
    }

    fn limit(&self) -> u32 {
        match self.0[3] {
            0 => 16_384,
            bytes => bytes.into(),
        }
    }

    fn server(&self) -> ServerConfig {
        let since = UnixTime::since_unix_epoch(Duration::ZERO);
        let anti_replay = match self.bit(3) {
            true => AntiReplay::asked(),
            false => AntiReplay::local(BloomFilters::SMALL, since).expect("a filter"),
        };
        let server = ServerConfig::builder()
            .versions([ProtocolVersion::TLS_1_3])
            .identity(pki().server.identity.clone())
            .alpn(["h2"])
            .ticket_keys(KEYS[usize::from(self.bit(3))].clone())
            .max_early_data(self.limit())
            .early_data(anti_replay);
        server.build().expect("it fits")
    }

    /// The same as it is when the client comes back.
    fn server_now(&self) -> ServerConfig {
        let mut server = self.server().to_builder().pause_at_hello(self.bit(6));
        if self.bit(0) {
            let keys = TicketKeys::rotating(Duration::from_secs(7_200)).expect("a period");
            server = server.ticket_keys(keys);
        }
        if self.bit(1) {
            server = server.groups([NamedGroup::SECP256R1]);
        }
        if self.bit(2) {
            server = server.alpn(["http/1.1"]);
        }
        server.build().expect("it fits")
    }
}

fn client() -> ClientConfig {
    let client = ClientConfig::builder(pki().roots.clone())
        .versions([ProtocolVersion::TLS_1_3])
        .groups([NamedGroup::X25519, NamedGroup::SECP256R1])
        .alpn(["h2", "http/1.1"])
        .session_tickets(true);
    client.build().expect("it fits")
}

/// One end, and what came out of it.
struct End {
    handshake: Option<Handshake>,
    early: Vec<u8>,
    accepts: bool,
    sent: Vec<u8>,
    connection: Option<portcullis_core::Connection>,
}

impl End {
    fn new(handshake: Handshake, accepts: bool) -> Self {
        Self {
            handshake: Some(handshake),
            early: Vec::new(),
            accepts,
            sent: Vec::new(),
            connection: None,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        if let Some(connection) = &mut self.connection {
            return connection.unread.extend_from_slice(bytes);
        }
        if let Some(handshake) = &mut self.handshake {
            handshake.receive(bytes, NOW);
        }
        // A record of early data is a step, and has a byte of content at least.
        for _ in 0..64 + 4 * bytes.len() {
            let Some(handshake) = &mut self.handshake else {
                return;
            };
            match handshake.poll() {
                Ok(Step::Transmit(bytes)) => self.sent.extend_from_slice(&bytes),
                Ok(Step::EarlyData(data)) => {
                    assert!(!data.is_empty());
                    self.early.extend_from_slice(&data);
                    // It is answered at once.
                    assert_eq!(handshake.send(&data), data.len());
                }
                Ok(Step::Ask(question)) => {
                    let answer = match question {
                        Question::ClaimEarlyData(question) if self.accepts => question.accept(),
                        other => other.default_answer(),
                    };
                    handshake.answer(answer, NOW).expect("it is open");
                }
                Ok(Step::Connected) => {
                    let connection = handshake.take_connection().expect("it is over");
                    self.sent.extend_from_slice(&connection.transmit);
                    self.connection = Some(connection);
                    self.handshake = None;
                }
                Ok(Step::Wait { .. }) => return,
                Ok(_) => {}
                Err(_) => self.handshake = None,
            }
        }
        assert!(self.handshake.is_none(), "polling comes to an end");
    }

    fn information(&self) -> Option<&ConnectionInformation> {
        self.connection.as_ref().map(|one| &*one.information)
    }
}

fn session(choice: &Choice) -> ClientSession {
    let mut client = End::new(Handshake::client(client(), name()).expect("a start"), false);
    let mut server = End::new(Handshake::server(choice.server()), false);
    client.feed(&[]);
    for _ in 0..4 {
        server.feed(&core::mem::take(&mut client.sent));
        client.feed(&core::mem::take(&mut server.sent));
    }
    // The server's tickets come behind the client's last word.
    let mut connection = client.connection.take().expect("connected");
    assert!(read(&mut connection).is_empty());
    let ticket = connection.reader.take_ticket().expect("a ticket");
    ticket.into_session(NOW)
}

/// The data that has come.
fn read(connection: &mut portcullis_core::Connection) -> Vec<u8> {
    let mut bytes = core::mem::take(&mut connection.unread);
    let mut data = Vec::new();
    let mut rest = &mut bytes[..];
    while let Ok(Frame::Record { len, .. }) = connection.reader.frame(rest) {
        let (record, behind) = rest.split_at_mut(len);
        match connection.reader.open_in_place(record) {
            Ok(Opened::Data(range)) => data.extend_from_slice(&record[range]),
            Ok(_) => {}
            Err(_) => break,
        }
        rest = behind;
    }
    data
}

/// The wire in one direction: whole records, changed as the plan says.
struct Wire {
    writer: usize,
    buffer: Vec<u8>,
    units: usize,
    earlier: Vec<Vec<u8>>,
}

impl Wire {
    fn carry(&mut self, bytes: &[u8], operations: &[Operation]) -> Vec<u8> {
        self.buffer.extend_from_slice(bytes);
        let mut out = Vec::new();
        while let Some(&[_, _, _, high, low]) = self.buffer.first_chunk() {
            let length = 5 + usize::from(u16::from_be_bytes([high, low]));
            if self.buffer.len() < length {
                break;
            }
            let record: Vec<u8> = self.buffer.drain(..length).collect();
            let mut pieces = vec![record.clone()];
            for operation in operations {
                if (operation.writer, operation.unit) == (self.writer, self.units) {
                    mutation::wire(&mut pieces, *operation, &self.earlier);
                }
            }
            self.earlier.push(record);
            self.units += 1;
            out.extend(pieces.concat());
        }
        out
    }
}

/// Runs one conversation and judges it.
pub fn run(plan: &Plan) {
    let choice = Choice(plan.settings);
    let session = session(&choice);
    assert_eq!(session.max_early_data(), choice.limit());
    let config = choice.server_now();
    let started = Handshake::client_with_early_data_seeded(client(), name(), vec![session], NOW, 1);
    let mut handshake = started.expect("a start");
    let mut said = Vec::new();
    for at in 0..choice.0[1] % 16 {
        let data = vec![at + 1; usize::from(choice.0[2]) + 1];
        let taken = handshake.send(&data);
        said.extend_from_slice(&data[..taken]);
    }
    assert!(said.len() <= choice.limit() as usize);
    let mut client = End::new(handshake, false);
    let mut server = End::new(Handshake::server_seeded(config.clone(), 2), choice.bit(4));
    let wire = |writer| Wire {
        writer,
        buffer: Vec::new(),
        units: 0,
        earlier: Vec::new(),
    };
    let mut wires = [wire(0), wire(1)];
    let mut given = Vec::new();
    client.feed(&[]);
    for _ in 0..TURNS {
        let (there, back) = (
            core::mem::take(&mut client.sent),
            core::mem::take(&mut server.sent),
        );
        if there.is_empty() && back.is_empty() {
            break;
        }
        let there = wires[0].carry(&there, &plan.operations);
        given.extend_from_slice(&there);
        server.feed(&there);
        client.feed(&wires[1].carry(&back, &plan.operations));
    }
    judge(&client, &server, &said, &choice, plan);
    if let Some(connection) = &mut client.connection {
        // The server has answered with what it was told.
        let answer = read(connection);
        assert!(server.early.starts_with(&answer));
    }
    if !choice.bit(3) {
        // The same again, to the same process: whatever it was, it is not delivered twice.
        let mut again = End::new(Handshake::server_seeded(config, 3), false);
        again.feed(&given);
        assert!(
            server.early.is_empty() || again.early.is_empty(),
            "a replay"
        );
    }
}

fn judge(client: &End, server: &End, said: &[u8], choice: &Choice, plan: &Plan) {
    // What is delivered is what was said, from its beginning; nothing where none is accepted.
    assert!(said.starts_with(&server.early));
    assert!(choice.is_accepted() || server.early.is_empty());
    let (ours, theirs) = (client.information(), server.information());
    if let Some(theirs) = theirs {
        // With the client's Finished it is known that nothing is missing.
        match theirs.early_data() {
            EarlyDataStatus::Accepted => assert_eq!(server.early, said),
            _ => assert!(server.early.is_empty()),
        }
    }
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        let accepted = |status| status == EarlyDataStatus::Accepted;
        assert_eq!(accepted(ours.early_data()), accepted(theirs.early_data()));
        let exporters = (ours.tls_exporter(), theirs.tls_exporter());
        assert_eq!(
            exporters.0.expect("it is there"),
            exporters.1.expect("it is there")
        );
    }
    if plan.operations.iter().all(|one| !one.what.is_wire()) {
        let status = theirs.expect("nobody disturbs it").early_data();
        assert_eq!(
            status == EarlyDataStatus::Accepted,
            choice.is_accepted(),
            "{status:?}"
        );
        ours.expect("nobody disturbs it");
    }
}
