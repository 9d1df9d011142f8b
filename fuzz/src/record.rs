//! The reader of an established connection, fed by a peer that has the keys.

use std::collections::VecDeque;

use portcullis_core::{Connection, Event, Frame, Handshake, Opened, Reader, Step};

use crate::end::learn;
use crate::keys::{Keys, Older, Suite};
use crate::messages::{KEY_UPDATE, NEW_SESSION_TICKET, message};
use crate::mutation::flip;
use crate::observer::{DATA, HANDSHAKE, Secrets};
use crate::other::OTHER;
use crate::pki::{NOW, name};
use crate::settings::{OLDER, Settings};

/// Takes which end reads and what it was told, then one record after the other; how many bytes of data were read.
pub fn run(data: &[u8]) -> usize {
    let [head, script @ ..] = data else {
        return 0;
    };
    let limits = if head & 2 == 0 { 0 } else { 0x26 };
    let suites = 1 << (head >> 2 & 3);
    // Of TLS 1.2, with a suite that is a default, or with one that the next byte names, and then of TLS 1.1 or 1.0 as
    // the byte behind it says, which also takes encrypt_then_mac away; no input that is older than this choice has
    // these bits.
    let is_older = matches!(head >> 4, 5..=7);
    let mut script = Script(script);
    let mut byte = || script.byte().unwrap_or(0);
    let settings = match head >> 4 {
        7 => {
            let (suite, what) = (byte(), byte());
            let (version, without) = ((what & 3) << 4, what >> 2 & 1);
            [suite, 0x33, version, 0, limits, without, 0, OTHER]
        }
        6 => [byte(), 0x33, 0, 0, limits, 0, 0, OTHER],
        5 => [suites, 0, 0, 0, limits, 0, 0, OLDER],
        _ => [suites, 0, 0, 0, limits, 0, 0, 0],
    };
    let settings = Settings::new(settings);
    let (client, server, secrets, finished) = connect(&settings);
    let role = usize::from(head & 1);
    let connection = if role == 0 { client } else { server };
    let information = &connection.information;
    let randoms = [*information.client_random(), *information.server_random()];
    let older = Older {
        randoms,
        version: information.version().0,
        encrypt_then_mac: information.encrypt_then_mac(),
    };
    let suite = Suite::of(information.cipher_suite().0, older).expect("a suite that is known");
    let mut keys = match connection.reader.traffic_secret() {
        Some(secret) => Keys::new(suite, secret),
        None => {
            let master = secrets.master.expect("a logged secret");
            let mut keys = Keys::of_master(suite, &master, 1 - role).expect("of TLS 1.2");
            // Finished had the first number, its length of a stream, and in TLS 1.0 the next IV.
            let finished = keys.open(&finished[1 - role]);
            assert_eq!(finished.expect("the peer's Finished").typ, HANDSHAKE);
            keys
        }
    };
    let data_of = |typ: u8, content: &[u8]| match is_older {
        true => (typ == DATA).then(|| content.to_vec()),
        false => application_data(typ, content),
    };

    let mut expected = VecDeque::new();
    let mut wire = Vec::new();
    while let Some(what) = script.byte() {
        match what % 8 {
            0 => {
                let (typ, padding) = (script.number() as u8, script.number() % 2_000);
                let content = script.bytes();
                wire.extend(keys.seal(typ, content, padding));
                expected.extend(data_of(typ, content));
            }
            1 => {
                let content = script.bytes();
                wire.extend(keys.seal(DATA, content, 0));
                expected.push_back(content.to_vec());
            }
            2 => {
                let request = script.number() as u8;
                wire.extend(keys.seal(HANDSHAKE, &message(KEY_UPDATE, &[request]), 0));
                keys.update();
            }
            3 => {
                let mut ticket = vec![0, 9, 58, 128, 1, 2, 3, 4, 1, 9];
                let bytes = script.bytes();
                ticket.extend((bytes.len() as u16).to_be_bytes());
                ticket.extend(bytes);
                ticket.extend([0, 0]);
                let ticket = message(NEW_SESSION_TICKET, &ticket);
                let (one, two) = ticket.split_at(script.number() % ticket.len());
                for part in [one, two] {
                    if !part.is_empty() {
                        wire.extend(keys.seal(HANDSHAKE, part, 0));
                    }
                }
            }
            4 => wire.extend(script.bytes()),
            5 => {
                let content = vec![7; (script.number() << 8 | script.number()) % 17_000];
                wire.extend(keys.seal(DATA, &content, 0));
                expected.push_back(content);
            }
            6 => {
                let mut record = keys.seal(DATA, script.bytes(), 0);
                flip(&mut record, script.number() as u16, script.number() as u8);
                wire.extend(record);
            }
            _ => {
                let typ = script.number() as u8;
                let count = script.number() % 40;
                let content = script.bytes();
                for _ in 0..count {
                    wire.extend(keys.seal(typ, content, 0));
                    expected.extend(data_of(typ, content));
                }
            }
        }
    }
    let mut delivered = 0;
    read(connection.reader, &mut wire, expected, &mut delivered);
    delivered
}

/// The application data in a record, if it is that: the type is the last byte that is not zero.
fn application_data(typ: u8, content: &[u8]) -> Option<Vec<u8>> {
    let mut inner = content.to_vec();
    inner.push(typ);
    let end = inner.iter().rposition(|byte| *byte != 0)?;
    (inner[end] == DATA).then(|| inner[..end].to_vec())
}

/// Reads everything: data comes whole and in order, and an error stays.
fn read(
    mut reader: Reader,
    wire: &mut [u8],
    mut expected: VecDeque<Vec<u8>>,
    delivered: &mut usize,
) {
    let mut at = 0;
    let mut idle = 0;
    for turn in 0.. {
        let rest = &mut wire[at..];
        let frame = match reader.frame(rest) {
            Ok(frame) => frame,
            Err(error) => return failed(reader, &error),
        };
        let (len, plaintext) = match frame {
            Frame::Record { len, plaintext } => (len, plaintext),
            Frame::NeedMore { at_least } => {
                assert!((1..=5 + 16_384 + 256).contains(&at_least));
                assert!(reader.eof().is_err());
                return;
            }
            Frame::Closed => {
                assert!(reader.is_closed());
                return assert!(reader.eof().is_ok());
            }
        };
        assert!(len <= rest.len() && plaintext < len);
        let record = &mut rest[..len];
        let (opened, buffer) = if turn % 2 == 0 {
            let mut out = vec![0xee; plaintext + 3];
            let opened = reader.open_into(record, &mut out);
            assert_eq!(out[plaintext..], [0xee; 3], "written beyond what was said");
            (opened, out)
        } else {
            let opened = reader.open_in_place(record);
            (opened, record.to_vec())
        };
        match opened {
            Ok(Opened::Data(range)) => {
                idle = 0;
                while expected.front().is_some_and(Vec::is_empty) {
                    expected.pop_front();
                }
                *delivered += range.len();
                assert_eq!(expected.pop_front().as_deref(), Some(&buffer[range]));
            }
            Ok(Opened::Nothing | Opened::Closed) => {
                idle += 1;
                // Of each kind of idleness there is a bound; a ticket may come in pieces.
                assert!(idle < 4_000, "idleness without bound");
            }
            Err(error) => return failed(reader, &error),
        }
        at += len;
    }
}

fn failed(mut reader: Reader, error: &portcullis_core::Error) {
    let text = format!("{error:?}");
    assert!(
        !text.contains("Misuse(") && !text.contains("Crypto("),
        "{text}"
    );
    for bytes in [&[][..], &[23, 3, 3, 0, 20]] {
        let again = reader.frame(bytes).expect_err("an error stays");
        assert_eq!(format!("{again:?}"), text);
    }
    let again = reader
        .open_in_place(&mut [23; 40])
        .expect_err("an error stays");
    assert_eq!(format!("{again:?}"), text);
    assert!(reader.eof().is_err() && reader.writer_has_work());
}

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn number(&mut self) -> usize {
        self.byte().unwrap_or_default().into()
    }

    /// A length in one byte and so many bytes, or all there are.
    fn bytes(&mut self) -> &'a [u8] {
        let length = self.number().min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }
}

/// Both ends, their secrets, and the record of each one's Finished, which is the last of the handshake.
fn connect(settings: &Settings) -> (Connection, Connection, Secrets, [Vec<u8>; 2]) {
    let mut finished = [const { Vec::new() }; 2];
    let mut secrets = Secrets::default();
    let mut client = Handshake::client_seeded(settings.client(), name(), 1).expect("a client");
    let mut server = Handshake::server_seeded(settings.server(), 2);
    loop {
        let (to_server, one) = said(&mut client, &mut secrets);
        server.receive(&to_server, NOW);
        let (to_client, two) = said(&mut server, &mut secrets);
        client.receive(&to_client, NOW);
        for (last, flight) in finished.iter_mut().zip([to_server, to_client]) {
            let mut rest = &flight[..];
            while let Some(length) = rest.get(3..5) {
                let length = 5 + usize::from(u16::from_be_bytes([length[0], length[1]]));
                let (record, after) = rest.split_at(length);
                record.clone_into(last);
                rest = after;
            }
        }
        if one && two {
            let connection = |end: Handshake| end.into_connection().expect("connected");
            let (client, server) = (connection(client), connection(server));
            return (client, server, secrets, finished);
        }
    }
}

/// What an end has to say, and whether it is connected.
fn said(end: &mut Handshake, secrets: &mut Secrets) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        match end.poll().expect("both ends are ours") {
            Step::Transmit(more) => bytes.extend(more),
            Step::Event(Event::Secret(line)) => learn(secrets, &line.to_line()),
            Step::Connected => return (bytes, true),
            Step::Wait { .. } => return (bytes, false),
            _ => {}
        }
    }
}
