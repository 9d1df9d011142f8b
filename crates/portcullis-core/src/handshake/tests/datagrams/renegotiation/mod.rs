//! Another handshake on a connection of DTLS 1.2 or 1.0: whatever is lost meanwhile, and whoever sends again what was
//! recorded.
//!
//! RFC 6347 §4.1, §4.2; what both transports have in common is tested in `tests/renegotiation`.

mod given_up;
mod lasting;

use core::time::Duration;
use std::io::IoSlice;

use super::super::parts::server_hello;
use super::super::tamper::{Put, first};
use super::faults::{ALL, Damage, damaged};
use super::network::{Arrivals, Chance, LATENCY, Network, Side, usual};
use crate::config::{ClientAuthentication, ClientConfig, ServerConfig};
use crate::config::{ClientConfigBuilder, Renegotiation, ServerConfigBuilder};
use crate::error::Refusal;
use crate::question::{Answer, Question};
use crate::record::{ConnectionId, DatagramOptions};
use crate::suite::CipherSuite;
use crate::testing::pki;
use crate::wire::{ContentType, ExtensionType, HandshakeType};
use crate::{
    AlertDescription, ConnectionInformation, Handshake, ProtocolVersion, Reason, SrtpProfile,
    Violation,
};

const ALWAYS: Renegotiation = Renegotiation::Accept {
    apart: Duration::ZERO,
};
const GCM: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
const CBC: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA;

fn suites(version: ProtocolVersion) -> Vec<CipherSuite> {
    match version {
        V1_2 => vec![GCM, CBC],
        _ => vec![CBC],
    }
}

fn client(version: ProtocolVersion) -> ClientConfigBuilder {
    ClientConfig::builder(pki().roots.clone())
        .versions([version])
        .cipher_suites(suites(version))
        .alpn(["dot"])
        .session_tickets(true)
        .renegotiation(ALWAYS)
}

fn server(version: ProtocolVersion) -> ServerConfigBuilder {
    ServerConfig::builder()
        .identity(pki().server.clone())
        .versions([version])
        .cipher_suites(suites(version))
        .alpn(["dot"])
        .renegotiation(ALWAYS)
}

const V1_2: ProtocolVersion = ProtocolVersion::TLS_1_2;

fn of(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Network {
    Network::new(client.build().unwrap(), server.build().unwrap())
}

fn plain() -> Network {
    of(client(V1_2), server(V1_2))
}

fn older() -> Network {
    of(
        client(ProtocolVersion::TLS_1_1),
        server(ProtocolVersion::TLS_1_1),
    )
}

fn small() -> Network {
    let (client, server) = (client(V1_2).build(), server(V1_2).build());
    let options = DatagramOptions::default().mtu(228);
    Network::resuming(client.unwrap(), server.unwrap(), Vec::new(), options)
}

fn authenticated() -> Network {
    let client = client(V1_2)
        .identity(pki().client.clone())
        .ask_verification(true)
        .ask_signature(true);
    let server = server(V1_2)
        .client_authentication(ClientAuthentication::Required(pki().roots.clone()))
        .ask_signature(true);
    let mut network = of(client, server);
    network.thinking = Some(Duration::from_millis(35));
    network
}

/// The first handshake resumes a session, so the client has the last flight.
fn resumed() -> Network {
    let (client, server) = (client(V1_2).build().unwrap(), server(V1_2).build().unwrap());
    let mut network = Network::new(client.clone(), server.clone());
    network.run(&mut |_, datagram| usual(datagram));
    let ticket = network.sides[0].connection().reader.take_ticket();
    let sessions = vec![ticket.unwrap().into_session(network.now().wall)];
    Network::resuming(client, server, sessions, DatagramOptions::default())
}

fn id(bytes: &[u8]) -> ConnectionId {
    ConnectionId::new(bytes).unwrap()
}

fn identified() -> Network {
    let (client, server) = (client(V1_2).build().unwrap(), server(V1_2).build().unwrap());
    let options = DatagramOptions::default().connection_id(id(&[1, 2, 3]));
    let mut network = Network::resuming(client, server, Vec::new(), options);
    network.options = DatagramOptions::default().connection_id(id(&[4; 8]));
    network
}

type Shape = (&'static str, fn() -> Network);

const SHAPES: [Shape; 6] = [
    ("plain", plain),
    ("DTLS 1.0", older),
    ("many datagrams", small),
    ("client certificate, slow answers", authenticated),
    ("resumed", resumed),
    ("connection ids", identified),
];

fn exporter(information: &ConnectionInformation) -> [u8; 32] {
    let mut out = [0; 32];
    let exported = information.export_keying_material(b"EXPORTER-test", None, &mut out);
    exported.unwrap();
    out
}

fn run(network: &mut Network) {
    network.run(&mut |_, datagram| usual(datagram));
}

fn check(what: &str, network: &mut Network) {
    for side in &network.sides {
        if let Side::Failed(error) = side {
            panic!("{what}: {error}");
        }
    }
    let [client, server] = &mut network.sides;
    let (client, server) = (client.connection(), server.connection());
    let (c, s) = (&client.information, &server.information);
    assert!(c.is_renegotiated() && s.is_renegotiated(), "{what}");
    assert_eq!(exporter(c), exporter(s), "{what}");
    assert_eq!(c.alpn_protocol(), Some(&b"dot"[..]));
    assert_eq!(client.reader.newest_epoch(), server.reader.newest_epoch());
}

fn talk(what: &str, network: &mut Network) {
    for side in [0, 1] {
        network.received[1 - side].clear();
        network.say(side, b"a message", &mut |_, datagram| usual(datagram));
        network.say(side, b"", &mut |_, datagram| usual(datagram));
        run(network);
        assert_eq!(
            network.received[1 - side],
            [&b"a message"[..], b""],
            "{what}"
        );
    }
}

/// Each has its own keys and its own epoch.
#[test]
fn either_side_begins_again_and_again() {
    for (what, shape) in SHAPES {
        let mut network = shape();
        run(&mut network);
        talk(what, &mut network);
        let mut seen = Vec::new();
        for (round, side) in [0, 1, 1, 0, 0].into_iter().enumerate() {
            network.renegotiate(side);
            run(&mut network);
            check(what, &mut network);
            talk(what, &mut network);
            let connection = network.sides[0].connection();
            assert_eq!(usize::from(connection.reader.newest_epoch()), round + 2);
            let exporter = exporter(&connection.information);
            assert!(!seen.contains(&exporter));
            seen.push(exporter);
        }
        assert_eq!(network.declined, [0, 0]);
    }
}

/// One begins as soon as it is connected, so the last flight of the first handshake may be under way, or lost.
fn must_succeed((what, shape): Shape, side: usize, damage: &[(usize, Damage)]) {
    let what = format!("{what}, {side} begins, {damage:?}");
    let mut network = shape();
    network.begins = Some(side);
    network.run(
        &mut |index, datagram| match damage.iter().find(|(at, _)| *at == index) {
            Some((_, damage)) => damaged(*damage, datagram),
            None => usual(datagram),
        },
    );
    check(&what, &mut network);
    talk(&what, &mut network);
}

fn datagrams(shape: Shape, side: usize) -> usize {
    let mut network = shape.1();
    network.begins = Some(side);
    run(&mut network);
    check(shape.0, &mut network);
    network.sent
}

#[test]
fn one_datagram_is_damaged() {
    for shape in SHAPES {
        for side in [0, 1] {
            for at in 0..datagrams(shape, side) {
                for damage in ALL {
                    must_succeed(shape, side, &[(at, damage)]);
                }
            }
        }
    }
}

#[test]
fn two_datagrams_are_damaged() {
    for shape in [SHAPES[0], SHAPES[1], SHAPES[4], SHAPES[5]] {
        for side in [0, 1] {
            let count = datagrams(shape, side);
            for first in 0..count {
                for second in first + 1..count {
                    must_succeed(
                        shape,
                        side,
                        &[(first, Damage::Lost), (second, Damage::Lost)],
                    );
                    must_succeed(
                        shape,
                        side,
                        &[(first, Damage::Late), (second, Damage::Lost)],
                    );
                }
            }
        }
    }
}

#[test]
fn a_fifth_of_all_datagrams_is_lost() {
    for seed in 1..120_u64 {
        let (what, shape) = SHAPES[(seed % SHAPES.len() as u64) as usize];
        let mut network = shape();
        let mut chance = Chance::of_seed(seed);
        let mut fate = |_: usize, datagram: &[u8]| chance.fate(datagram);
        network.begins = Some((seed % 2) as usize);
        network.run(&mut fate);
        check(what, &mut network);
        for side in [0, 1] {
            network.renegotiate(side);
            network.run(&mut fate);
            check(what, &mut network);
        }
        talk(what, &mut network);
        assert_eq!(network.declined, [0, 0], "{what}, seed {seed}");
    }
}

/// What is under way when the keys change is taken, before and after (RFC 6347 §4.1), also while somebody is asked.
#[test]
fn data_is_under_way_between_the_epochs() {
    for side in [0, 1] {
        let mut network = authenticated();
        run(&mut network);
        let slow = |_: usize, datagram: &[u8]| vec![(LATENCY * 30, datagram.to_vec())];
        for from in [0, 1] {
            network.say(from, b"at once", &mut |_, datagram| usual(datagram));
            network.say(from, b"late", &mut |index, datagram| slow(index, datagram));
            network.say(from, b"meanwhile", &mut |_, datagram| {
                vec![(LATENCY * 5, datagram.to_vec())]
            });
        }
        network.renegotiate(side);
        run(&mut network);
        check("data", &mut network);
        for received in &network.received {
            assert_eq!(received, &[&b"at once"[..], b"meanwhile", b"late"]);
        }
        assert!(network.sides[0].connection().reader.epochs() == 2);
        // For four minutes, and not for ever.
        let later = network.clock + Duration::from_secs(241);
        network.clock = later;
        talk("data", &mut network);
        assert!(network.sides[0].connection().reader.epochs() == 1);
    }
}

/// Whoever has recorded all of it can send it again, at any time: nothing is answered, and nothing changes.
#[test]
fn what_was_recorded_changes_nothing() {
    for (what, shape) in SHAPES {
        let mut network = shape();
        let mut recorded = Vec::new();
        run(&mut network);
        network.renegotiate(0);
        network.run(&mut |_, datagram| {
            recorded.push(datagram.to_vec());
            usual(datagram)
        });
        check(what, &mut network);
        talk(what, &mut network);
        let sent = network.sent;
        for datagram in &recorded {
            network.inject(0, datagram.clone());
            network.inject(1, datagram.clone());
        }
        run(&mut network);
        assert_eq!(network.sent, sent, "{what}");
        // And while there is another one.
        network.renegotiate(1);
        network.run(&mut |_, datagram| {
            let mut fate = usual(datagram);
            fate.extend(recorded.iter().map(|old| (LATENCY / 2, old.clone())));
            fate
        });
        check(what, &mut network);
        talk(what, &mut network);
    }
}

/// The first handshake is in the clear: anybody can make up messages of one.
#[test]
fn what_is_in_the_clear_has_no_part_in_it() {
    let mut network = plain();
    let mut first = Vec::new();
    network.run(&mut |_, datagram| {
        first.push(datagram.to_vec());
        usual(datagram)
    });
    for side in [0, 1] {
        network.renegotiate(side);
        let mut sent = 0;
        network.run(&mut |_, datagram| {
            sent += 1;
            let mut fate = usual(datagram);
            fate.extend(first.iter().map(|old| (LATENCY / 2, old.clone())));
            fate
        });
        check("in the clear", &mut network);
        assert!(sent <= 6, "{sent} datagrams");
    }
    talk("in the clear", &mut network);
}

fn network_now() -> crate::Now {
    crate::testing::now().into()
}

/// RFC 6347 §4.2.1: a client is prepared for that in every handshake. And whether a server has counted its HelloRequest
/// or not, its answer is found.
#[test]
fn a_server_may_ask_for_a_cookie_once_more() {
    let mut network = plain();
    run(&mut network);
    network.renegotiate(0);
    let request = [3, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0xfe, 0xff, 1, 7];
    network.run_until(network.clock + LATENCY / 2, &mut |_, _| Vec::new());
    let typ = ContentType::HANDSHAKE;
    let request = network.sides[1].connection().writer.forge(typ, &request);
    network.inject(0, request);
    let mut said = 0;
    network.run_until(network.clock + LATENCY / 2, &mut |_, _| {
        said += 1;
        Vec::new()
    });
    assert_eq!(said, 1, "the second hello");
    let Side::Handshake(handshake) = &network.sides[0] else {
        panic!("it is over");
    };
    assert_eq!(handshake.stage(), crate::Stage::WaitServerHello);
}

/// A hello in the epoch before, sealed anew by the peer, is of the handshake that is over.
#[test]
fn late_messages_of_the_handshake_before_are_none_of_another() {
    let mut network = plain();
    run(&mut network);
    let hello = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 7];
    let typ = ContentType::HANDSHAKE;
    let late = network.sides[0].connection().writer.forge(typ, &hello);
    let ccs = ContentType::CHANGE_CIPHER_SPEC;
    let change = network.sides[0].connection().writer.forge(ccs, &[1]);
    network.renegotiate(0);
    run(&mut network);
    check("late", &mut network);
    let sent = network.sent;
    network.inject(1, late);
    network.inject(1, change);
    run(&mut network);
    assert_eq!(network.sent, sent);
    talk("late", &mut network);
}

/// What comes without an end while somebody is asked is not kept.
#[test]
fn data_that_nobody_takes_is_bounded() {
    let mut network = plain();
    run(&mut network);
    let records: Vec<_> = (0..100_u8)
        .map(|number| {
            let writer = &mut network.sides[0].connection().writer;
            let mut out = vec![0; writer.sealed_len(1)];
            writer.seal(&[IoSlice::new(&[number])], &mut out).unwrap();
            out
        })
        .collect();
    network.renegotiate(1);
    let now = network.now();
    let Side::Handshake(handshake) = &mut network.sides[1] else {
        panic!("it is over");
    };
    // In one datagram, and nobody polls.
    handshake.receive(&records.concat(), now);
    let mut taken = 0;
    while let Ok(crate::Step::Data(_) | crate::Step::Transmit(_)) = handshake.poll() {
        taken += 1;
    }
    assert_eq!(taken, 64 + 1, "64 messages, and the HelloRequest");
}

/// Without RFC 5746 there is none (CVE-2009-3555).
#[test]
fn never_for_a_peer_without_rfc_5746() {
    let mut network = plain();
    network.tamper = Some(first(HandshakeType::SERVER_HELLO, |raw| {
        vec![Put::Message(server_hello(raw, |hello| {
            hello.extensions.remove(ExtensionType::RENEGOTIATION_INFO);
        }))]
    }));
    run(&mut network);
    let reader = &mut network.sides[0].connection().reader;
    assert!(!reader.may_renegotiate());
    let error = Handshake::check_datagram_renegotiation(reader).unwrap_err();
    let why = error.to_string();
    assert!(why.contains("the peer does not know RFC 5746"), "{why}");
    talk("without", &mut network);

    // What the server says of the handshake before has to be right.
    let mut network = plain();
    run(&mut network);
    network.tamper = Some(first(HandshakeType::SERVER_HELLO, |raw| {
        vec![Put::Message(server_hello(raw, |hello| {
            hello.extensions.set(ExtensionType::RENEGOTIATION_INFO, [0]);
        }))]
    }));
    network.renegotiate(0);
    run(&mut network);
    let violation = network.sides[0].error().violation();
    assert_eq!(violation, Some(Violation::RenegotiationInfoMismatch));
}

/// A close that comes instead of an answer.
#[test]
fn a_peer_may_close_instead() {
    let mut network = plain();
    run(&mut network);
    network.renegotiate(0);
    network.run_until(network.clock + LATENCY / 2, &mut |_, _| Vec::new());
    network.sides[1].connection().writer.close_notify();
    run(&mut network);
    assert!(network.sides[0].connection().reader.is_closed());
    assert_eq!(network.closed[0], 1);
    assert!(!network.sides[0].connection().reader.may_renegotiate());
}

/// A question of a handshake that nobody wants to go on with.
#[test]
fn a_cancelled_one_ends_the_connection() {
    fn refuse(question: Question) -> Answer {
        match question {
            Question::Sign(question) => {
                question.refuse(Refusal::new(AlertDescription::ACCESS_DENIED, "no"))
            }
            other => crate::testing::answer(other),
        }
    }
    let mut network = authenticated();
    run(&mut network);
    network.answer = refuse;
    network.renegotiate(0);
    run(&mut network);
    assert!(
        network
            .sides
            .iter()
            .all(|side| matches!(side, Side::Failed(_)))
    );
}
