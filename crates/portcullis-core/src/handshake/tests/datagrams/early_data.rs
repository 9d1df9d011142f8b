//! Early data over datagrams: before the hello and behind it, lost, repeated, refused.
//!
//! RFC 8446 §4.2.10, §8; RFC 9147 §5.6, §6.1.

use core::time::Duration;
use std::sync::OnceLock;

use super::super::attack::{resuming_client, ticket_keys};
use super::super::early_data::local;
use super::faults::{ALL, Damage, damaged};
use super::network::{LATENCY, Network, Side, usual};
use crate::clock::Now;
use crate::config::{ClientConfig, KeyShares, ServerConfig, ServerConfigBuilder};
use crate::error::Reason;
use crate::record::DatagramOptions;
use crate::session::{AntiReplay, ClientSession, TicketKeys};
use crate::testing::pki;
use crate::wire::ContentType;
use crate::{
    Admission, AlertDescription, Direction, EarlyDataRejection as Why, EarlyDataStatus, Handshake,
    NamedGroup, Step, Violation,
};

pub(super) fn client() -> ClientConfig {
    resuming_client().alpn(Vec::<&str>::new()).build().unwrap()
}

/// All know each other's tickets.
pub(super) fn server() -> ServerConfigBuilder {
    static KEYS: OnceLock<TicketKeys> = OnceLock::new();
    let keys = KEYS.get_or_init(ticket_keys);
    ServerConfig::builder()
        .identity(pki().server.clone())
        .groups([NamedGroup::X25519])
        .ticket_keys(keys.clone())
        .ticket_count(1)
}

pub(super) fn accepting() -> ServerConfig {
    server().early_data(local()).build().unwrap()
}

pub(super) fn sessions(server: &ServerConfig) -> Vec<ClientSession> {
    let mut network = Network::new(client(), server.clone());
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    assert!(network.early_data.is_empty());
    network.sessions
}

pub(super) fn handshake(network: &mut Network, side: usize) -> &mut Handshake {
    match &mut network.sides[side] {
        Side::Handshake(handshake) => handshake,
        _ => panic!("it is over"),
    }
}

/// A client that resumes, and has said these with its hello.
pub(super) fn saying(
    server: &ServerConfig,
    sessions: Vec<ClientSession>,
    messages: &[&[u8]],
) -> Network {
    let mut network = Network::with_early_data(client(), server.clone(), sessions);
    for message in messages {
        assert!(handshake(&mut network, 0).room() >= message.len());
        assert_eq!(handshake(&mut network, 0).send(message), message.len());
    }
    network
}

/// Both are connected, know what became of it, and talk.
pub(super) fn settled(
    network: &mut Network,
    expected: EarlyDataStatus,
    what: &dyn core::fmt::Debug,
) {
    for side in &network.sides {
        if let Side::Failed(error) = side {
            panic!("{what:?}: {error}");
        }
    }
    network.check();
    let server = network.sides[1].connection().information.early_data();
    assert_eq!(server, expected, "{what:?}");
    let client = network.sides[0].connection().information.early_data();
    let is_accepted = |status| status == EarlyDataStatus::Accepted;
    assert_eq!(is_accepted(client), is_accepted(expected), "{what:?}");
    for side in [0, 1] {
        network.say(side, b"and on", &mut |_, datagram| usual(datagram));
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(network.received[1 - side], [b"and on"], "{what:?}");
    }
}

#[test]
fn it_is_there_before_the_handshake_is_over() {
    let server = accepting();
    let mut network = saying(&server, sessions(&server), &[b"one", b"two"]);
    // The server's flight is not there yet.
    network.run_until(LATENCY * 3 / 2, &mut |_, datagram| usual(datagram));
    assert_eq!(network.early_data, [b"one", b"two"]);
    assert!(handshake(&mut network, 1).is_receiving_early_data());
    // As long as the handshake is not over more can be said; whole, or not at all.
    let room = handshake(&mut network, 0).room();
    assert_eq!(room, sessions(&server)[0].max_early_data() as usize - 6);
    assert_eq!(handshake(&mut network, 0).send(&vec![0; room + 1]), 0);
    assert_eq!(handshake(&mut network, 0).send(b"three"), 5);
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.early_data, [&b"one"[..], b"two", b"three"]);
    settled(&mut network, EarlyDataStatus::Accepted, &"all is there");
    let resumed = &network.sides[1].connection().information;
    assert!(resumed.is_resumed());
}

/// Each message comes once at most, and the handshake goes on whatever is lost.
#[test]
fn any_datagram_is_damaged() {
    let messages: [&[u8]; 3] = [b"one", b"two", b"three"];
    let run = |damage: &[(usize, Damage)]| {
        let server = accepting();
        let mut network = saying(&server, sessions(&server), &messages);
        network.run(
            &mut |index, datagram| match damage.iter().find(|(at, _)| *at == index) {
                Some((_, damage)) => damaged(*damage, datagram),
                None => usual(datagram),
            },
        );
        settled(&mut network, EarlyDataStatus::Accepted, &damage);
        let mut heard = network.early_data.clone();
        heard.sort();
        heard.dedup();
        assert_eq!(heard.len(), network.early_data.len(), "{damage:?}: twice");
        assert!(heard.iter().all(|one| messages.contains(&one.as_slice())));
        (network.early_data.len(), network.sent)
    };
    let (all, sent) = run(&[]);
    assert_eq!(all, 3);
    for at in 0..sent - 2 {
        for damage in ALL {
            let (heard, _) = run(&[(at, damage)]);
            // The hello is the first, and they are behind it: what comes before it is held.
            let expected = match (at, damage) {
                (1..=3, Damage::Lost) => 2,
                _ => 3,
            };
            assert!(heard >= expected, "{at} {damage:?}: {heard}");
        }
    }
    for first in 0..4 {
        for second in first + 1..sent - 2 {
            run(&[(first, Damage::Lost), (second, Damage::Lost)]);
            run(&[(first, Damage::Late), (second, Damage::Lost)]);
        }
    }
}

/// So many messages of this length, with which the server's limit has nothing to do.
pub(super) fn many(length: usize) -> Vec<Vec<u8>> {
    (0..100_u8).map(|number| vec![number; length]).collect()
}

pub(super) fn accepting_many() -> ServerConfig {
    let server = server().early_data(local()).max_early_data(1_000_000);
    server.build().unwrap()
}

/// What comes before the hello waits for it, as long as there is room: for 64 records, and for 16 KiB.
#[test]
fn what_comes_before_the_hello_is_held_and_bounded() {
    let server = accepting_many();
    for (length, fit) in [(100, 64), (1_000, 16)] {
        let many = many(length);
        let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
        let mut network = saying(&server, sessions(&server), &many);
        let mut record = 0;
        network.run_until(LATENCY * 2, &mut |index, datagram| match index {
            0 => vec![(LATENCY * 3, datagram.to_vec())],
            _ => {
                record = datagram.len();
                usual(datagram)
            }
        });
        assert_eq!(handshake(&mut network, 1).held(), fit * record);
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(network.early_data.len(), fit);
        settled(&mut network, EarlyDataStatus::Accepted, &length);
    }
}

/// Nor is more held of what has been accepted and nobody has fetched.
#[test]
fn what_nobody_fetches_is_bounded() {
    let server = accepting_many();
    let many = many(100);
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    let mut network = saying(&server, sessions(&server), &many);
    // Within the limit, and longer than a record.
    assert!(handshake(&mut network, 0).room() > 20_000);
    assert_eq!(handshake(&mut network, 0).send(&[0; 20_000]), 0);
    let mut messages = Vec::new();
    network.run_until(LATENCY * 3 / 2, &mut |index, datagram| match index {
        1..=100 => {
            messages.push(datagram.to_vec());
            Vec::new()
        }
        _ => usual(datagram),
    });
    let now = network.now();
    for message in &messages {
        handshake(&mut network, 1).receive(message, now);
    }
    assert_eq!(handshake(&mut network, 1).held(), 64 * 100);
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.early_data.len(), 64);
    settled(&mut network, EarlyDataStatus::Accepted, &"nobody fetches");
}

/// Nor is more held while somebody is asked.
#[test]
fn what_comes_while_somebody_is_asked_is_held_and_bounded() {
    // Keys of its own: those of the others go with another kind.
    let server = server().ticket_keys(ticket_keys());
    let server = server.early_data(AntiReplay::asked()).build().unwrap();
    let many = many(100);
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    let sessions = {
        let mut network = Network::new(client(), server.clone());
        network.run(&mut |_, datagram| usual(datagram));
        network.sessions
    };
    let mut network = saying(&server, sessions, &many);
    network.thinking = Some(LATENCY * 10);
    network.answer = |question| match question {
        crate::question::Question::ClaimEarlyData(question) => question.accept(),
        other => other.default_answer(),
    };
    let mut record = 0;
    network.run_until(LATENCY * 5, &mut |index, datagram| {
        if index == 1 {
            record = datagram.len();
        }
        usual(datagram)
    });
    assert!(network.early_data.is_empty());
    assert_eq!(handshake(&mut network, 1).held(), 64 * record);
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.early_data.len(), 64);
    settled(&mut network, EarlyDataStatus::Accepted, &"asked");
}

/// Nothing is held either, however long the driver takes to go on with the connection.
#[test]
fn when_the_handshake_is_over_none_is_received() {
    let server = accepting();
    let mut network = saying(&server, sessions(&server), &[b"late"]);
    let (mut late, mut finished) = (Vec::new(), Vec::new());
    network.run_until(LATENCY * 3 / 2, &mut |index, datagram| match index {
        1 => {
            late.extend_from_slice(datagram);
            Vec::new()
        }
        _ => usual(datagram),
    });
    assert!(handshake(&mut network, 1).is_receiving_early_data());
    network.run_until(LATENCY * 5 / 2, &mut |_, datagram| {
        finished.push(datagram.to_vec());
        Vec::new()
    });
    let now = network.now();
    let server = handshake(&mut network, 1);
    for datagram in finished {
        server.receive(&datagram, now);
    }
    loop {
        match server.poll().unwrap() {
            Step::Connected => break,
            Step::Transmit(_) | Step::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(!server.is_receiving_early_data());
    server.receive(&late, now);
    assert_eq!(server.held(), 0);
    assert!(matches!(server.poll(), Ok(Step::Connected)));
}

#[test]
fn what_comes_when_the_handshake_is_over_is_dropped() {
    let server = accepting();
    let mut network = saying(&server, sessions(&server), &[b"late", b"in time"]);
    network.run(&mut |index, datagram| match index {
        1 => vec![(Duration::from_secs(1), datagram.to_vec())],
        _ => usual(datagram),
    });
    assert_eq!(network.early_data, [b"in time"]);
    assert!(network.received[1].is_empty());
    settled(&mut network, EarlyDataStatus::Accepted, &"late");
}

/// A server that takes none, or not of this client, goes on without.
#[test]
fn who_takes_none_goes_on() {
    let granting = accepting();
    // Another configuration than that of the ticket.
    let plain = server().build().unwrap();
    let mut network = saying(&plain, sessions(&granting), &[b"one", b"two"]);
    network.run(&mut |_, datagram| usual(datagram));
    assert!(network.early_data.is_empty());
    let why = EarlyDataStatus::Rejected(Why::Disabled);
    settled(&mut network, why, &"another configuration");
    assert!(network.sides[1].connection().information.is_resumed());
    // Whoever drives it may have no use for any.
    let mut network = saying(&granting, sessions(&granting), &[b"one", b"two"]);
    network.declines_early_data = true;
    let mut record = 0;
    network.run_until(LATENCY * 2, &mut |index, datagram| match index {
        0 => vec![(LATENCY * 3, datagram.to_vec())],
        _ => {
            record = datagram.len();
            usual(datagram)
        }
    });
    // The first came before that was said; no other waits for the hello.
    assert_eq!(handshake(&mut network, 1).held(), record);
    network.run(&mut |_, datagram| usual(datagram));
    assert!(network.early_data.is_empty());
    let why = EarlyDataStatus::Rejected(Why::Disabled);
    settled(&mut network, why, &"declined");
    // A session of a server that allows none.
    let plain = server().build().unwrap();
    let mut network = saying(&granting, sessions(&plain), &[]);
    assert_eq!(handshake(&mut network, 0).room(), 0);
    assert_eq!(handshake(&mut network, 0).send(b"one"), 0);
    network.run(&mut |_, datagram| usual(datagram));
    settled(
        &mut network,
        EarlyDataStatus::NotOffered,
        &"none is allowed",
    );
}

/// §8: what somebody has recorded is taken once, wherever it seems to come from.
#[test]
fn a_replay_is_rejected() {
    let server = accepting();
    let mut network = saying(&server, sessions(&server), &[b"once"]);
    let mut recorded = Vec::new();
    network.run_until(LATENCY / 2, &mut |_, datagram| {
        recorded.push(datagram.to_vec());
        usual(datagram)
    });
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.early_data, [b"once"]);
    // To the same server, which has forgotten the connection.
    let mut again = Network::new(client(), server);
    for datagram in recorded {
        again.inject(1, datagram);
    }
    again.run_until(LATENCY / 2, &mut |_, _| Vec::new());
    assert!(again.early_data.is_empty());
    assert!(!handshake(&mut again, 1).is_receiving_early_data());
}

/// A server that has read the hello of a client with early data, at an address where nobody may read; and all that the client
/// has said, the hello first.
pub(super) fn unproved(config: ServerConfig) -> (Handshake, Vec<Vec<u8>>, Now) {
    let mut network = saying(&config, sessions(&config), &[b"one"]);
    let mut recorded = Vec::new();
    network.run_until(LATENCY / 2, &mut |_, datagram| {
        recorded.push(datagram.to_vec());
        Vec::new()
    });
    let mut admission = Admission::without_cookie(recorded[0].clone());
    admission.is_unproved = true;
    let (options, now) = (DatagramOptions::default(), network.now());
    let server = Handshake::datagram_server(config, admission, options, now).unwrap();
    (server, recorded, now)
}

/// What somebody has recorded can be sent from anywhere: that it opens does not say who reads there.
#[test]
fn it_proves_no_address() {
    let server = accepting();
    let (mut server, recorded, mut now) = unproved(server);
    let heard: usize = recorded.iter().map(Vec::len).sum();
    for datagram in &recorded[1..] {
        server.receive(datagram, now);
    }
    let (mut said, mut taken) = (0, Vec::new());
    loop {
        match server.poll() {
            Ok(Step::Transmit(datagram)) => said += datagram.len(),
            Ok(Step::EarlyData(data)) => taken.push(data),
            Ok(Step::Event(_)) => {}
            Ok(Step::Wait { deadline }) => {
                now.monotonic = deadline.unwrap();
                server.handle_timeout(now);
            }
            Ok(other) => panic!("{other:?}"),
            // Nobody answers.
            Err(_) => break,
        }
    }
    assert_eq!(taken, [b"one"]);
    assert!(said > 0 && said <= 3 * heard, "{said} of {heard}");
}

/// The server refuses what the client has sealed under the keys of early data.
#[test]
fn what_no_client_seals_ends_the_handshake() {
    let server = server()
        .early_data(local())
        .max_early_data(10)
        .build()
        .unwrap();
    let data = ContentType::APPLICATION_DATA;
    let handshake_message = [24, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 1, 0];
    for (typ, content, violation) in [
        (data, &[7; 11][..], Violation::EarlyDataBeyondLimit),
        (
            ContentType::HANDSHAKE,
            &handshake_message,
            Violation::MessageInOldEpoch,
        ),
        (ContentType::ACK, &[0], Violation::MalformedAck),
        (ContentType(99), &[0], Violation::UnknownRecordType),
    ] {
        let mut network = saying(&server, sessions(&server), &[]);
        let outgoing = &mut handshake(&mut network, 0).outgoing;
        outgoing.forge_early_data(typ, content);
        network.run(&mut |_, datagram| usual(datagram));
        let error = network.sides[1].error();
        assert_eq!(error.violation(), Some(violation), "{error}");
        assert_eq!(error.alert(), Some((Direction::Sent, violation.alert())));
        let told = network.sides[0].error();
        let alert = violation.alert();
        assert!(matches!(told.reason(), Reason::AlertReceived(seen) if *seen == alert));
    }
    // As much as it may; and an alert is heard.
    let mut network = saying(&server, sessions(&server), &[&[7; 10]]);
    network.run(&mut |_, datagram| usual(datagram));
    settled(&mut network, EarlyDataStatus::Accepted, &"the limit");
    let mut network = saying(&server, sessions(&server), &[]);
    let outgoing = &mut handshake(&mut network, 0).outgoing;
    outgoing.forge_early_data(ContentType::ALERT, &[2, 80]);
    network.run_until(LATENCY * 3 / 2, &mut |_, datagram| usual(datagram));
    let told = network.sides[1].error();
    let alert = AlertDescription::INTERNAL_ERROR;
    assert!(matches!(told.reason(), Reason::AlertReceived(seen) if *seen == alert));
}

/// The number of a record, as an ACK has it.
fn number(epoch: u64, sequence: u64) -> Vec<u8> {
    [epoch.to_be_bytes(), sequence.to_be_bytes()].concat()
}

/// RFC 9147 §7: a client that misses something of the ServerHello has no newer keys to say so under. What it has is not
/// sent again; of an epoch above that of its keys it has nothing (erratum 8108).
#[test]
fn an_acknowledgement_under_its_keys_is_heeded() {
    let server = accepting();
    let (hello, behind) = (number(0, 0), [number(2, 0), number(2, 1)].concat());
    for (named, has_hello) in [
        (Vec::new(), false),
        (behind.clone(), false),
        (hello.clone(), true),
        ([hello, behind].concat(), true),
    ] {
        let mut network = saying(&server, sessions(&server), &[b"one"]);
        // Nothing of what the server says comes: its hello in plain text, and what stands behind it.
        let mut said = (false, false);
        let losing = |said: &mut (bool, bool), datagram: &[u8]| {
            let is_plain = datagram[0] == 22;
            if is_plain && datagram[13] == 1 || datagram[0] & 0b1110_0011 == 0b0010_0001 {
                return usual(datagram);
            }
            let mut rest = datagram;
            if is_plain {
                said.0 = true;
                rest =
                    &datagram[13 + usize::from(u16::from_be_bytes([datagram[11], datagram[12]]))..];
            }
            said.1 |= !rest.is_empty();
            Vec::new()
        };
        network.run_until(LATENCY * 3 / 2, &mut |_, datagram| {
            losing(&mut said, datagram)
        });
        let outgoing = &mut handshake(&mut network, 0).outgoing;
        let length = u16::try_from(named.len()).unwrap().to_be_bytes();
        outgoing.forge_early_data(ContentType::ACK, &[&length[..], &named].concat());
        network.run_until(LATENCY * 5 / 2, &mut |_, datagram| {
            losing(&mut said, datagram)
        });
        assert_eq!(network.early_data, [b"one"]);
        assert_eq!(core::mem::take(&mut said), (true, true));
        // Again, in its time.
        network.run_until(Duration::from_millis(1_500), &mut |_, datagram| {
            losing(&mut said, datagram)
        });
        assert_eq!(said, (!has_hello, true), "{named:?}");
        if !has_hello {
            network.run(&mut |_, datagram| usual(datagram));
            settled(&mut network, EarlyDataStatus::Accepted, &named);
        }
    }
}

/// Over a stream so many end the connection; here the rest is dropped.
#[test]
fn empty_messages_are_bounded() {
    let server = accepting();
    let mut network = saying(&server, sessions(&server), &[]);
    for _ in 0..40 {
        let outgoing = &mut handshake(&mut network, 0).outgoing;
        outgoing.forge_early_data(ContentType::APPLICATION_DATA, &[]);
    }
    assert_eq!(handshake(&mut network, 0).send(b"one"), 3);
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.early_data.pop().unwrap(), b"one");
    assert_eq!(network.early_data, vec![Vec::new(); 32]);
    settled(&mut network, EarlyDataStatus::Accepted, &"empty ones");
}

/// What a client has said: its hello, and early data.
fn said(network: &mut Network) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut datagrams = Vec::new();
    network.run_until(LATENCY / 2, &mut |_, datagram| {
        datagrams.push(datagram.to_vec());
        Vec::new()
    });
    let hello = datagrams.remove(0);
    (hello, datagrams)
}

/// A server that has this hello and has done nothing yet.
fn greeted(config: &ServerConfig, hello: Vec<u8>, network: &Network) -> Handshake {
    let (config, admission) = (config.clone(), Admission::without_cookie(hello));
    Handshake::datagram_server(config, admission, network.options, network.now()).unwrap()
}

/// Its next step that is no event.
pub(super) fn step(server: &mut Handshake) -> Step {
    loop {
        match server.poll().unwrap() {
            Step::Event(_) => {}
            step => return step,
        }
    }
}

#[test]
fn the_answer_goes_out_before_anybody_gets_a_message() {
    let config = accepting();
    let mut network = saying(&config, sessions(&config), &[b"one", b"two"]);
    let (hello, messages) = said(&mut network);
    let mut server = greeted(&config, hello, &network);
    for message in &messages {
        server.receive(message, network.now());
    }
    let mut sent = 0;
    while let Step::Transmit(_) = step(&mut server) {
        sent += 1;
    }
    assert!(sent > 0);
    // It is sent again if it is lost, also while nobody asks for the next one.
    assert!(server.deadline().is_some());
    assert!(matches!(step(&mut server), Step::EarlyData(two) if two == b"two"));
}

/// A limit for bytes that is high costs no memory while nobody reads.
#[test]
fn what_nobody_has_read_is_bounded() {
    let config = server().early_data(local()).max_early_data(1 << 20);
    let config = config.build().unwrap();
    let many: [&[u8]; 64] = [&[7; 1_100]; 64];
    let mut network = saying(&config, sessions(&config), &many);
    let (hello, messages) = said(&mut network);
    assert_eq!(messages.len(), 64);
    let mut server = greeted(&config, hello, &network);
    while let Step::Transmit(_) = step(&mut server) {}
    for message in &messages {
        server.receive(message, network.now());
    }
    let held = server.held();
    assert!((60_000..=64 * 1_024).contains(&held), "{held}");
    let mut heard = 0;
    while let Step::EarlyData(_) = step(&mut server) {
        heard += 1;
    }
    assert_eq!(heard, 64 * 1_024 / 1_100);
}

/// RFC 9147 §4.5.3: what anybody can send costs the early data at most, and not the handshake.
#[test]
fn forgeries_cost_its_key_alone() {
    let server = accepting();
    let mut network = saying(&server, sessions(&server), &[b"one"]);
    network.run_until(LATENCY * 3 / 2, &mut |_, datagram| usual(datagram));
    let incoming = &mut handshake(&mut network, 1).incoming;
    incoming.leave_early_forgeries(1);
    network.inject(1, [&[0x2d, 0, 9, 0, 40][..], &[7; 40]].concat());
    network.run_until(LATENCY * 8 / 5, &mut |_, datagram| usual(datagram));
    assert_eq!(handshake(&mut network, 0).send(b"two"), 3);
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.early_data, [b"one"]);
    settled(&mut network, EarlyDataStatus::Accepted, &"forged");
}

/// As a whole or not at all: neither record nor datagram may be longer than this side sends them.
#[test]
fn what_does_not_fit_is_not_taken() {
    let server = accepting();
    let mut network = saying(&server, sessions(&server), &[]);
    for (length, taken) in [(1_200, 0), (1_179, 0), (1_178, 1_178)] {
        assert_eq!(handshake(&mut network, 0).send(&vec![7; length]), taken);
    }
    let (_, messages) = said(&mut network);
    assert_eq!(messages[0].len(), 1_200);
    let client = client().to_builder().max_fragment_sent(512);
    let client = client.build().unwrap();
    let mut network = Network::with_early_data(client, server.clone(), sessions(&server));
    for (length, taken) in [(513, 0), (512, 512)] {
        assert_eq!(handshake(&mut network, 0).send(&vec![7; length]), taken);
    }
}

/// What does not open is anybody's, and ends nothing.
#[test]
fn garbage_under_its_epoch_is_dropped() {
    let server = accepting();
    let mut network = saying(&server, sessions(&server), &[b"one"]);
    for _ in 0..3 {
        network.inject(0, [&[0x2d, 0, 0, 0, 40][..], &[7; 40]].concat());
        network.inject(1, [&[0x2d, 0, 0, 0, 40][..], &[7; 40]].concat());
    }
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.early_data, [b"one"]);
    settled(&mut network, EarlyDataStatus::Accepted, &"garbage");
}

/// A client whose hello has no share that the server takes says a second one, without early data.
#[test]
fn a_second_hello_has_none() {
    let server = accepting();
    let config = resuming_client()
        .alpn(Vec::<&str>::new())
        .key_shares(KeyShares::Groups(Vec::new()));
    let sessions = sessions(&server);
    let mut network = Network::with_early_data(config.build().unwrap(), server, sessions);
    assert_eq!(handshake(&mut network, 0).send(b"one"), 3);
    network.run_until(LATENCY * 5 / 2, &mut |_, datagram| usual(datagram));
    assert_eq!(handshake(&mut network, 0).send(b"two"), 0);
    network.run(&mut |_, datagram| usual(datagram));
    assert!(network.early_data.is_empty());
    let why = EarlyDataStatus::Rejected(Why::Retried);
    settled(&mut network, why, &"a second hello");
}
