//! Connection ids, of all versions of DTLS that have them.
//!
//! RFC 9146; RFC 9147 §4, §9.

use super::network::{LATENCY, Network, Side, usual};
use crate::config::{ClientConfig, ServerConfig};
use crate::error::Reason;
use crate::named_group::NamedGroup;
use crate::record::{ConnectionId, DatagramOptions, Discarded, Received};
use crate::suite::CipherSuite;
use crate::testing::pki;
use crate::wire::{ContentType, HandshakeType};
use crate::{ProtocolVersion, Violation};

pub(super) const GCM: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
const CHACHA: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
pub(super) const CBC: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA;

const OLDER: [ProtocolVersion; 1] = [ProtocolVersion::TLS_1_2];

pub(super) fn id(bytes: &[u8]) -> Option<ConnectionId> {
    Some(ConnectionId::new(bytes).unwrap())
}

fn options(id: Option<ConnectionId>) -> DatagramOptions {
    let options = DatagramOptions::default();
    id.map_or(options, |id| options.connection_id(id))
}

/// Both offer and answer this, if anything.
pub(super) fn between(
    configs: (ClientConfig, ServerConfig),
    client: Option<ConnectionId>,
    server: Option<ConnectionId>,
) -> Network {
    let mut network = Network::resuming(configs.0, configs.1, Vec::new(), options(client));
    network.options = options(server);
    network
}

/// The hello is one datagram.
pub(super) fn newest() -> (ClientConfig, ServerConfig) {
    let client = ClientConfig::builder(pki().roots.clone())
        .groups([NamedGroup::X25519])
        .build();
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .build();
    (client.unwrap(), server.unwrap())
}

pub(super) fn older(suite: CipherSuite, encrypt_then_mac: bool) -> (ClientConfig, ServerConfig) {
    let client = ClientConfig::builder(pki().roots.clone())
        .versions(OLDER)
        .cipher_suites([suite])
        .encrypt_then_mac(encrypt_then_mac)
        .build();
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .versions(OLDER)
        .cipher_suites([suite])
        .build();
    (client.unwrap(), server.unwrap())
}

pub(super) fn run(network: &mut Network) {
    network.run(&mut |_, datagram| usual(datagram));
    for side in &network.sides {
        if let Side::Failed(error) = side {
            panic!("{error}");
        }
    }
}

pub(super) fn talk(network: &mut Network) {
    for side in [0, 1] {
        network.received[1 - side].clear();
        network.say(side, b"a message", &mut |_, datagram| usual(datagram));
        network.say(side, b"", &mut |_, datagram| usual(datagram));
        run(network);
        assert_eq!(network.received[1 - side], [&b"a message"[..], b""]);
    }
}

/// What stands on each protected record of a datagram.
fn ids_of(datagram: &[u8], length: usize) -> Vec<Option<Vec<u8>>> {
    let (mut rest, mut ids) = (datagram, Vec::new());
    while let Some(first) = rest.first() {
        let id = match first {
            25 => Some(rest[11..11 + length].to_vec()),
            0x30..=0x3f => Some(rest[1..1 + length].to_vec()),
            _ => None,
        };
        let with = id.as_ref().map_or(0, Vec::len);
        let (at, is_protected) = match first {
            0x20..=0x3f => (3 + with, true),
            _ => (11 + with, rest[4] > 0),
        };
        let body = usize::from(u16::from_be_bytes([rest[at], rest[at + 1]]));
        if is_protected {
            ids.push(id);
        }
        rest = &rest[at + 2 + body..];
    }
    ids
}

/// All that is agreed on, in all versions and with all that protects records before DTLS 1.3.
#[test]
fn each_side_has_on_its_records_what_the_other_wants() {
    let (long, short) = (id(&[0xa5; 32]), id(&[7]));
    let none = id(&[]);
    let pairs = [
        (long, short),
        (short, long),
        (none, short),
        (short, none),
        (none, none),
        (None, short),
        (short, None),
    ];
    let configs: [fn() -> (ClientConfig, ServerConfig); 5] = [
        newest,
        || older(GCM, false),
        || older(CHACHA, false),
        || older(CBC, false),
        || older(CBC, true),
    ];
    for (at, config) in configs.iter().enumerate() {
        for (client, server) in pairs {
            let context = format!("{at}: {client:?} and {server:?}");
            let mut network = between(config(), client, server);
            let is_agreed = client.is_some() && server.is_some();
            let wanted = |from: usize| {
                let id = [server, client][from].filter(|_| is_agreed);
                id.filter(|id| !id.is_empty())
                    .map(|id| id.as_slice().to_vec())
            };
            let mut count = 0;
            let mut look = |from: usize, datagram: &[u8]| {
                let wanted = wanted(from);
                for seen in ids_of(datagram, wanted.as_ref().map_or(0, Vec::len)) {
                    assert_eq!(seen, wanted, "{context}");
                    count += 1;
                }
            };
            let mut sent = Vec::new();
            network.run(&mut |_, datagram| {
                sent.push(datagram.to_vec());
                usual(datagram)
            });
            for (datagram, (from, _)) in sent.iter().zip(&network.lengths) {
                look(*from, datagram);
            }
            assert!(count >= 2, "{context}");
            talk(&mut network);
            for side in [0, 1] {
                let connection = network.sides[side].connection();
                let own = [client, server][side].filter(|_| is_agreed);
                assert_eq!(connection.reader.connection_id(), own, "{context}");
                let theirs = [server, client][side].filter(|_| is_agreed);
                let theirs = theirs.unwrap_or(ConnectionId::EMPTY);
                assert_eq!(connection.writer.connection_id(), theirs, "{context}");
                let writer = &connection.writer;
                let sealed = writer.sealed_len(writer.max_message_len());
                assert!(sealed <= 1_200, "{context}: {sealed}");
                let discards = connection.reader.discards();
                let before = discards.count(Discarded::ChangeCipherSpec);
                assert_eq!(discards.total(), u64::from(before), "{context}");
            }
        }
    }
}

/// Without asking for them nobody speaks of them.
#[test]
fn they_are_off_by_default() {
    let mut network = between(newest(), None, None);
    let mut hello = Vec::new();
    network.run(&mut |index, datagram| {
        if index == 0 {
            hello = datagram.to_vec();
        }
        usual(datagram)
    });
    let extension = [0, 54, 0, 1, 0];
    assert!(!hello.windows(5).any(|bytes| bytes == extension));
    let mut network = between(newest(), id(&[]), None);
    network.run(&mut |index, datagram| {
        if index == 0 {
            hello = datagram.to_vec();
        }
        usual(datagram)
    });
    assert!(hello.windows(5).any(|bytes| bytes == extension));
}

/// A record without the id that was agreed on, with another, or with one that nobody has agreed on.
#[test]
fn a_record_without_its_id_is_dropped() {
    for config in [
        newest as fn() -> _,
        || older(GCM, false),
        || older(CBC, false),
    ] {
        let mut network = between(config(), id(&[1; 8]), id(&[2; 8]));
        run(&mut network);
        let writer = &mut network.sides[0].connection().writer;
        let right = writer.forge(ContentType::APPLICATION_DATA, b"right");
        let at = if right[0] == 25 { 11 } else { 1 };
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        let mut without = right.clone();
        without.drain(at..at + 8);
        without[0] = if at == 1 { right[0] & !0x10 } else { 23 };
        // The rest of a datagram with another one is lost, too.
        let both = [&wrong[..], &right].concat();
        for (datagram, is_taken) in [
            (wrong, false),
            (both, false),
            (without, false),
            (right, true),
        ] {
            network.received[1].clear();
            network.inject(1, datagram);
            run(&mut network);
            assert_eq!(!network.received[1].is_empty(), is_taken);
        }
        let discards = network.sides[1].connection().reader.discards();
        assert_eq!(discards.count(Discarded::UnknownConnectionId), 3);
        // And where none was agreed on.
        let mut network = between(config(), None, id(&[2; 8]));
        run(&mut network);
        let record = [&[0x3f][..], &[2; 8], &[0, 0, 0, 20], &[0; 20]].concat();
        network.inject(1, record);
        let record = [
            &[25, 0xfe, 0xfd, 0, 1][..],
            &[0; 6],
            &[2; 8],
            &[0, 20],
            &[0; 20],
        ]
        .concat();
        network.inject(1, record);
        run(&mut network);
        let discards = network.sides[1].connection().reader.discards();
        assert_eq!(discards.count(Discarded::UnknownConnectionId), 2);
        talk(&mut network);
    }
}

/// Of each bit of a record: in DTLS 1.2 the header with its id is authenticated as well (RFC 9146 §5).
#[test]
fn no_bit_of_a_record_can_be_changed() {
    for config in [
        newest as fn() -> _,
        || older(GCM, false),
        || older(CBC, false),
        || older(CBC, true),
    ] {
        let mut network = between(config(), id(&[1; 8]), id(&[2; 8]));
        run(&mut network);
        let writer = &mut network.sides[0].connection().writer;
        let record = writer.forge(ContentType::APPLICATION_DATA, b"as it is");
        let now = network.now().monotonic;
        let reader = &mut network.sides[1].connection().reader;
        for at in 0..record.len() {
            for bit in 0..8 {
                let mut forged = record.clone();
                forged[at] ^= 1 << bit;
                let mut records = reader.open(&mut forged, now);
                assert!(
                    matches!(records.next().unwrap(), Some(Received::Discarded(_))),
                    "{at}.{bit}"
                );
                assert!(!records.is_newest());
            }
        }
        let mut record = record;
        let mut records = reader.open(&mut record, now);
        let received = records.next().unwrap();
        assert!(matches!(received, Some(Received::Data(data)) if data == b"as it is"));
        assert!(records.is_newest());
    }
}

#[test]
fn handshakes_go_on_whatever_is_lost() {
    for config in [
        newest as fn() -> _,
        || older(GCM, false),
        || older(CBC, true),
    ] {
        for lost in 0..12 {
            for late in [false, true] {
                let mut network = between(config(), id(&[1; 4]), id(&[2; 9]));
                network.run(&mut |index, datagram| match index == lost {
                    true if late => vec![(LATENCY * 5 / 2, datagram.to_vec())],
                    true => Vec::new(),
                    false => usual(datagram),
                });
                run(&mut network);
                talk(&mut network);
            }
        }
    }
}

/// Data that overtakes Finished: before DTLS 1.3 only opening it tells what it is.
#[test]
fn data_that_comes_too_early_waits() {
    for config in [
        newest as fn() -> _,
        || older(GCM, false),
        || older(CBC, false),
    ] {
        let mut network = between(config(), id(&[1; 4]), id(&[2; 9]));
        // The last flight of the server, and what it says then.
        let mut fate = |index: usize, datagram: &[u8]| match index {
            0..=2 => usual(datagram),
            _ => vec![(LATENCY * 30, datagram.to_vec())],
        };
        network.run_until(LATENCY * 5, &mut fate);
        if let Side::Connected(_) = &network.sides[1] {
            network.say(1, b"early", &mut |_, datagram| usual(datagram));
        }
        run(&mut network);
        talk(&mut network);
    }
    // The client's Finished in DTLS 1.2 is behind a datagram of its data.
    let mut network = between(older(GCM, false), id(&[1; 4]), id(&[2; 9]));
    let mut delayed = None;
    network.run(&mut |index, datagram| {
        // Hello, the server's flight, the client's, the server's Finished.
        if index == 3 && delayed.is_none() {
            delayed = Some(datagram.to_vec());
            return Vec::new();
        }
        usual(datagram)
    });
    talk(&mut network);
}

pub(super) fn connected() -> Network {
    let mut network = between(newest(), id(&[1; 8]), id(&[2; 8]));
    run(&mut network);
    network.check();
    network
}

/// The id on the next message of this side.
fn seen(network: &mut Network, side: usize) -> Vec<u8> {
    let mut id = Vec::new();
    network.say(side, b"x", &mut |_, datagram| {
        id = datagram[1..9].to_vec();
        usual(datagram)
    });
    network.received[1 - side].clear();
    run(network);
    assert_eq!(network.received[1 - side], [b"x"]);
    id
}

#[test]
fn new_ids_are_given_and_used() {
    let mut network = connected();
    let new: Vec<_> = (10..13).map(|n| id(&[n; 8]).unwrap()).collect();
    let server = &mut network.sides[1].connection().writer;
    server.new_connection_ids(&new, false).unwrap();
    run(&mut network);
    assert_eq!(seen(&mut network, 0), [2; 8]);
    let client = &mut network.sides[0].connection().writer;
    assert_eq!(client.spare_connection_ids(), 3);
    for n in 10..13 {
        let client = &mut network.sides[0].connection().writer;
        assert!(client.use_next_connection_id());
        assert_eq!(seen(&mut network, 0), [n; 8]);
    }
    let client = &mut network.sides[0].connection().writer;
    assert!(!client.use_next_connection_id());
    // At once, also on what is sent again.
    let server = &mut network.sides[1].connection().writer;
    server
        .new_connection_ids(&[id(&[20; 8]).unwrap(), id(&[21; 8]).unwrap()], true)
        .unwrap();
    run(&mut network);
    assert_eq!(seen(&mut network, 0), [20; 8]);
    // Those before are taken from whoever sends late.
    talk(&mut network);
    network.check();
    // Bounds of this side.
    let server = &mut network.sides[1].connection().writer;
    let more: Vec<_> = (30..33).map(|n| id(&[n; 8]).unwrap()).collect();
    for (ids, immediate) in [
        (&more[..], false),
        (&[id(&[1; 7]).unwrap()], false),
        (&[], true),
    ] {
        let error = server.new_connection_ids(ids, immediate).unwrap_err();
        assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
    }
}

#[test]
fn ids_are_asked_for() {
    for lost in 0..4 {
        let mut network = connected();
        let client = &mut network.sides[0].connection().writer;
        client.request_connection_ids(2).unwrap();
        let first = network.sent;
        network.run(&mut |index, datagram| match index == first + lost {
            true => Vec::new(),
            false => usual(datagram),
        });
        let server = network.sides[1].connection();
        assert_eq!(server.reader.take_connection_id_request(), Some(2));
        assert_eq!(server.reader.take_connection_id_request(), None);
        let new = [id(&[10; 8]).unwrap(), id(&[11; 8]).unwrap()];
        server.writer.new_connection_ids(&new, false).unwrap();
        // One request at a time.
        let client = &mut network.sides[0].connection().writer;
        client.request_connection_ids(1).unwrap();
        let first = network.sent;
        network.run(&mut |index, datagram| match index == first + lost {
            true => Vec::new(),
            false => usual(datagram),
        });
        let server = network.sides[1].connection();
        assert_eq!(server.reader.take_connection_id_request(), None);
        let client = &mut network.sides[0].connection().writer;
        assert_eq!(client.spare_connection_ids(), 2);
        client.request_connection_ids(1).unwrap();
        let error = client.request_connection_ids(5).unwrap_err();
        assert!(matches!(error.reason(), Reason::Misuse(_)));
        run(&mut network);
        let server = network.sides[1].connection();
        assert_eq!(server.reader.take_connection_id_request(), Some(1));
    }
}

/// RFC 9147 §9: who has none on the records that come to it gives none, and who writes none asks for none.
#[test]
fn only_who_has_ids_speaks_of_them() {
    let (some, none) = (id(&[3; 8]), id(&[]));
    for (client, server, gives, asks) in [
        (None, some, false, false),
        (none, some, false, true),
        (some, none, true, false),
        (some, some, true, true),
    ] {
        let mut network = between(newest(), client, server);
        run(&mut network);
        let writer = &mut network.sides[0].connection().writer;
        let given = writer.new_connection_ids(&[id(&[4; 8]).unwrap()], false);
        assert_eq!(given.is_ok(), gives, "{client:?} and {server:?}");
        // Nor is an empty one given, also where all are.
        assert!(
            writer
                .new_connection_ids(&[id(&[]).unwrap()], false)
                .is_err()
        );
        let asked = writer.request_connection_ids(1);
        assert_eq!(asked.is_ok(), asks, "{client:?} and {server:?}");
    }
}

#[test]
fn before_dtls_1_3_ids_stay() {
    let mut network = between(older(GCM, false), id(&[1; 8]), id(&[2; 8]));
    run(&mut network);
    let writer = &mut network.sides[0].connection().writer;
    let new = [id(&[10; 8]).unwrap()];
    for error in [
        writer.new_connection_ids(&new, false).unwrap_err(),
        writer.request_connection_ids(1).unwrap_err(),
    ] {
        assert!(matches!(error.reason(), Reason::Misuse(_)));
    }
    assert!(!writer.use_next_connection_id());
    talk(&mut network);
}

/// A server with longer ids than this side writes.
#[test]
fn an_id_that_is_too_long() {
    for (config, version) in [
        (newest as fn() -> _, ProtocolVersion::DTLS_1_3),
        (|| older(GCM, false), ProtocolVersion::DTLS_1_2),
    ] {
        let mut network = between(config(), id(&[1; 8]), id(&[2; 8]));
        network.run(&mut |index, datagram| {
            if index != 1 {
                return usual(datagram);
            }
            usual(&with_longer_id(datagram, 2))
        });
        let error = network.sides[0].error();
        assert_eq!(
            error.violation(),
            Some(Violation::ConnectionIdTooLong),
            "{version}: {error}"
        );
    }
}

/// A datagram with a hello in front, whose `connection_id` has 33 bytes instead of 8.
fn with_longer_id(datagram: &[u8], id: u8) -> Vec<u8> {
    let extension = [&[0, 54, 0, 9, 8][..], &[id; 8]].concat();
    let at = datagram
        .windows(extension.len())
        .position(|bytes| bytes == extension)
        .unwrap();
    let longer = [&[0, 54, 0, 34, 33][..], &[id; 33]].concat();
    let mut changed = datagram.to_vec();
    changed.splice(at..at + extension.len(), longer);
    let add = |bytes: &mut [u8]| {
        let value = u16::from_be_bytes([bytes[0], bytes[1]]) + 25;
        bytes.copy_from_slice(&value.to_be_bytes());
    };
    // Behind version and random: the session id, and of a client the cookie, the suites and the methods.
    let mut at = 13 + 12 + 2 + 32;
    at += 1 + usize::from(datagram[at]);
    if datagram[13] == HandshakeType::CLIENT_HELLO.0 {
        at += 1 + usize::from(datagram[at]);
        at += 2 + usize::from(u16::from_be_bytes([datagram[at], datagram[at + 1]]));
        at += 1 + usize::from(datagram[at]);
    } else {
        at += 2 + 1;
    }
    // The record, the message, its fragment, and the block of extensions.
    for place in [11, 13 + 2, 13 + 10, at] {
        add(&mut changed[place..place + 2]);
    }
    changed
}

/// A client with a longer id than this side writes is not answered with one.
#[test]
fn a_client_whose_id_is_too_long_gets_none() {
    for config in [newest as fn() -> _, || older(GCM, false)] {
        let mut network = between(config(), id(&[0xee; 8]), id(&[0xdd; 8]));
        let mut answer = Vec::new();
        network.run(&mut |index, datagram| match index {
            0 => usual(&with_longer_id(datagram, 0xee)),
            1 => {
                answer = datagram.to_vec();
                usual(datagram)
            }
            _ => usual(datagram),
        });
        assert_eq!(answer[13], HandshakeType::SERVER_HELLO.0);
        let extension = [0, 54, 0, 9, 8, 0xdd];
        assert!(!answer.windows(6).any(|bytes| bytes == extension));
    }
}
