//! What a server says before it has the client's Finished: at once, behind its flight, and to nobody else than over a stream.
//!
//! RFC 8446 §2.3; RFC 9147 §5.1, §6.1.

use core::time::Duration;

use super::connection_ids::id;
use super::early_data::{
    accepting, accepting_many, client, handshake, many, saying, server, sessions, settled, step,
    unproved,
};
use super::faults::{ALL, Damage, damaged};
use super::network::{Chance, LATENCY, Network, Side, usual};
use crate::config::ServerConfig;
use crate::record::{ConnectionId, DatagramOptions, Discarded, PaddingPolicy};
use crate::session::ClientSession;
use crate::{EarlyDataStatus, Handshake, Stage, Step};

/// As long as the question.
fn answer(data: &[u8]) -> Vec<u8> {
    data.iter().map(u8::to_ascii_uppercase).collect()
}

/// As long as a datagram allows.
fn long_answer(data: &[u8]) -> Vec<u8> {
    data.iter().copied().cycle().take(1_100).collect()
}

/// A server that answers each message at once.
fn answering(server: &ServerConfig, messages: &[&[u8]]) -> Network {
    let mut network = saying(server, sessions(server), messages);
    network.early_answer = Some(answer);
    network
}

/// Moves on until the server has the hello, what came with it, and has said what it can.
fn until_it_has_answered(network: &mut Network) {
    network.run_until(LATENCY * 3 / 2, &mut |_, datagram| usual(datagram));
    assert_eq!(handshake(network, 1).stage(), Stage::WaitFinished);
}

#[test]
fn it_is_there_when_the_client_has_finished() {
    let server = accepting();
    let mut network = answering(&server, &[b"one", b"two"]);
    until_it_has_answered(&mut network);
    // Nobody waits for anything; and an empty one cannot be told from none.
    assert_eq!(handshake(&mut network, 1).room(), usize::MAX);
    assert_eq!(handshake(&mut network, 1).send(b""), 0);
    assert_eq!(handshake(&mut network, 1).send(b"by itself"), 9);
    network.run_until(LATENCY * 28 / 10, &mut |_, datagram| usual(datagram));
    // The client's Finished is still under way.
    assert_eq!(handshake(&mut network, 1).stage(), Stage::WaitFinished);
    assert_eq!(network.received[0], [&b"ONE"[..], b"TWO", b"by itself"]);
    network.received[0].clear();
    network.run(&mut |_, datagram| usual(datagram));
    settled(&mut network, EarlyDataStatus::Accepted, &"all is there");
    let discards = network.sides[0].connection().reader.discards();
    assert_eq!(discards.total(), 0);
}

/// Each comes once at most, and unharmed; the handshake ends whatever is lost.
#[test]
fn any_datagram_is_damaged() {
    for unproved in [None, Some((0, 0))] {
        let run = |damage: &[(usize, Damage)]| {
            let server = accepting();
            let mut network = answering(&server, &[b"one", b"two", b"three"]);
            network.unproved = unproved;
            network.run(
                &mut |index, datagram| match damage.iter().find(|(at, _)| *at == index) {
                    Some((_, damage)) => damaged(*damage, datagram),
                    None => usual(datagram),
                },
            );
            let mut heard = core::mem::take(&mut network.received[0]);
            let said = network.answered_early.clone();
            settled(&mut network, EarlyDataStatus::Accepted, &damage);
            assert!(heard.iter().all(|one| said.contains(one)), "{damage:?}");
            let count = heard.len();
            heard.sort();
            heard.dedup();
            assert_eq!(heard.len(), count, "{damage:?}: twice");
            (count, said.len(), network.sent)
        };
        let (heard, said, sent) = run(&[]);
        assert_eq!((heard, said), (3, 3));
        for at in 0..sent - 2 {
            for damage in ALL {
                let (heard, said, _) = run(&[(at, damage)]);
                let lost = usize::from(matches!(damage, Damage::Lost));
                assert!(heard + lost >= said, "{at} {damage:?}: {heard} of {said}");
                assert!(said >= 2, "{at} {damage:?}");
            }
        }
        for first in 0..5 {
            for second in first + 1..sent - 2 {
                run(&[(first, Damage::Lost), (second, Damage::Lost)]);
                run(&[(first, Damage::Late), (second, Damage::Lost)]);
                run(&[(first, Damage::Lost), (second, Damage::Late)]);
            }
        }
    }
}

/// A fifth is lost, some come twice, and all in any order; with an address that is proved, and one that is not, whose bound the
/// network looks after.
#[test]
fn whatever_is_lost_nobody_waits_for_ever() {
    let server = accepting_many();
    let sessions = sessions(&server);
    for seed in 1..120_u64 {
        let mut network = saying(&server, sessions.clone(), &[b"one", &[7; 400], b"three"]);
        network.unproved = (seed % 2 == 0).then_some((0, 0));
        network.early_answer = Some(if seed % 3 == 0 { answer } else { long_answer });
        network.options = DatagramOptions::default().mtu(if seed % 5 == 0 { 228 } else { 1_200 });
        let mut chance = Chance::of_seed(seed);
        network.run(&mut |_, datagram| chance.fate(datagram));
        let heard = core::mem::take(&mut network.received[0]);
        let mut once = heard.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), heard.len(), "seed {seed}: twice");
        assert!(once.iter().all(|one| network.answered_early.contains(one)));
        // Which claim of the same hello is the first is not for this test.
        let status = network.sides[1].connection().information.early_data();
        settled(&mut network, status, &seed);
    }
}

/// RFC 9147 §5.1: three times what has come, also of what the application says, and not a byte more until it is known that
/// somebody reads there.
#[test]
fn an_address_that_is_not_proved_is_not_flooded() {
    let server = accepting();
    let (mut server, recorded, mut now) = unproved(server);
    let heard: usize = recorded.iter().map(Vec::len).sum();
    // Nothing goes out before the flight.
    assert_eq!((server.room(), server.send(b"too soon")), (0, 0));
    server.receive(&recorded[1], now);
    let mut said = 0;
    while let Step::Transmit(datagram) = step(&mut server) {
        said += datagram.len();
    }
    let flight = said;
    let mut messages = 0;
    loop {
        let room = server.room();
        assert!(room <= 3 * heard - said - flight, "{room}");
        assert_eq!(server.send(&vec![7; room + 1]), 0);
        if server.send(&[7; 100]) == 0 {
            break;
        }
        messages += 1;
        let datagram = server.take_transmit().unwrap();
        assert_eq!(datagram.len(), 100 + 5 + 1 + 16);
        said += datagram.len();
        assert_eq!(server.take_transmit(), None);
    }
    assert!(messages > 0 && server.room() < 100);
    let rest = server.room();
    assert_eq!(server.send(&vec![7; rest]), rest);
    said += server.take_transmit().unwrap().len();
    assert_eq!((server.room(), server.send(b"!")), (0, 0));
    // What was kept is for the flight, whole, once more.
    assert!(
        (flight..flight + 250).contains(&(3 * heard - said)),
        "{said} {heard} {flight}"
    );
    let mut timeout = |server: &mut Handshake| {
        now.monotonic = server.deadline().unwrap();
        server.handle_timeout(now);
        let mut again = 0;
        while let Step::Transmit(datagram) = step(server) {
            again += datagram.len();
        }
        again
    };
    assert_eq!(timeout(&mut server), flight);
    assert_eq!((server.room(), server.send(b"!")), (0, 0));
    said += flight;
    // Then it is not said again, until more has come.
    let more: usize = (0..3).map(|_| timeout(&mut server)).sum();
    assert!(more + said <= 3 * heard && more < flight, "{more}");
    server.receive(&recorded[0], now);
    // It is the first to go.
    assert_eq!((server.room(), server.send(b"!")), (0, 0));
    while let Step::Transmit(_) = step(&mut server) {}
    assert_eq!(server.send(b"!"), 1);
    assert!(server.is_unproved());
}

/// What nobody sees of a message is sent, too.
#[test]
fn padding_counts_as_well() {
    let config = server().early_data(super::super::early_data::local());
    let config = config.padding(PaddingPolicy::Block(512)).build().unwrap();
    let mut network = saying(&config, sessions(&config), &[b"one"]);
    network.unproved = Some((0, 0));
    until_it_has_answered(&mut network);
    let server = handshake(&mut network, 1);
    let fits = (0..10).take_while(|_| server.send(b"short") > 0).count();
    assert!((1..10).contains(&fits) && server.room() > 100, "{fits}");
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(core::mem::take(&mut network.received[0]).len(), fits);
    settled(&mut network, EarlyDataStatus::Accepted, &"padded");
}

/// Whoever is not let say anything over a stream is not here either.
#[test]
fn who_has_accepted_none_says_nothing() {
    let granting = accepting();
    let plain = server().build().unwrap();
    let none: [(&ServerConfig, Vec<ClientSession>); 3] = [
        // A full handshake, early data that is not taken, and a session alone.
        (&granting, Vec::new()),
        (&plain, sessions(&granting)),
        (&granting, sessions(&plain)),
    ];
    for (at, (config, sessions)) in none.into_iter().enumerate() {
        let mut network = saying(config, sessions, &[]);
        network.run_until(LATENCY * 3 / 2, &mut |_, datagram| usual(datagram));
        let server = handshake(&mut network, 1);
        assert_eq!(server.stage(), Stage::WaitFinished);
        assert_eq!((server.room(), server.send(b"one")), (0, 0), "{at}");
        network.run(&mut |_, datagram| usual(datagram));
        assert!(network.received[0].is_empty());
        network.check();
    }
}

/// What comes before the client has the keys waits for them: 48 records at most, and the others are counted. What they are read
/// with has a place all the same.
#[test]
fn what_comes_before_the_flight_is_held_and_bounded() {
    let server = accepting_many();
    let many = many(100);
    let mut network = saying(&server, sessions(&server), &[b"one"]);
    let mut index = 0;
    network.run_until(LATENCY * 3 / 2, &mut |at, datagram| match at {
        0 | 1 => usual(datagram),
        // The flight.
        _ => {
            index = at;
            vec![(LATENCY * 4, datagram.to_vec())]
        }
    });
    assert_eq!(index, 2);
    for message in &many {
        assert_eq!(handshake(&mut network, 1).send(message), 100);
    }
    network.run_until(LATENCY * 3, &mut |_, datagram| usual(datagram));
    assert_eq!(handshake(&mut network, 0).held(), 48 * 122);
    assert_eq!(
        handshake(&mut network, 0)
            .discards()
            .count(Discarded::EarlyFull),
        52
    );
    let clock = network.clock;
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(core::mem::take(&mut network.received[0]), many[..48]);
    // Nothing had to be said again.
    assert!(network.clock < clock + Duration::from_millis(900));
    settled(&mut network, EarlyDataStatus::Accepted, &"held");
    let discards = network.sides[0].connection().reader.discards();
    assert_eq!(discards.count(Discarded::EarlyFull), 52);
}

/// As a whole or not at all: neither record nor datagram may be longer than this side sends them, or the client takes them.
#[test]
fn what_does_not_fit_is_not_taken() {
    let small = server().early_data(super::super::early_data::local());
    let small = small.max_fragment_sent(512).build().unwrap();
    for (config, longest) in [(accepting(), 1_200 - 22), (small, 512)] {
        let mut network = saying(&config, sessions(&config), &[b"one"]);
        until_it_has_answered(&mut network);
        let server = handshake(&mut network, 1);
        assert_eq!(server.send(&vec![7; longest + 1]), 0);
        assert_eq!(server.send(&vec![7; longest]), longest);
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(
            core::mem::take(&mut network.received[0]),
            [vec![7; longest]]
        );
        assert!(network.lengths.iter().all(|(_, length)| *length <= 1_200));
        settled(&mut network, EarlyDataStatus::Accepted, &longest);
    }
}

/// It is counted with what the connection says, for a key that is to be changed; numbers go on, too, or the client would take
/// what follows for what it has.
#[test]
fn the_key_goes_on() {
    let config = server().early_data(super::super::early_data::local());
    let config = config.key_update_at(100).build().unwrap();
    for (early, updates) in [(60, false), (90, true)] {
        let mut network = saying(&config, sessions(&config), &[b"one"]);
        until_it_has_answered(&mut network);
        assert_eq!(handshake(&mut network, 1).send(&vec![7; early]), early);
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(core::mem::take(&mut network.received[0]).len(), 1);
        let epoch = network.sides[0].connection().reader.newest_epoch();
        network.say(1, &[8; 30], &mut |_, datagram| usual(datagram));
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(core::mem::take(&mut network.received[0]), [[8; 30]]);
        let now = network.sides[0].connection().reader.newest_epoch();
        assert_eq!(now > epoch, updates, "{early}");
    }
}

/// Records of a key are left for what the connection has to say besides.
#[test]
fn a_key_is_not_used_up() {
    let server = accepting();
    let mut network = saying(&server, sessions(&server), &[b"one"]);
    until_it_has_answered(&mut network);
    let server = handshake(&mut network, 1);
    server.outgoing.wear_out(1_025);
    assert_eq!((server.send(b"one"), server.send(b"two")), (3, 0));
    network.run_until(LATENCY * 5 / 2, &mut |_, datagram| usual(datagram));
    assert_eq!(network.received[0], [b"one"]);
}

/// An alert is the last word.
#[test]
fn nothing_follows_an_alert() {
    let server = accepting();
    let mut network = saying(&server, sessions(&server), &[b"one"]);
    until_it_has_answered(&mut network);
    let server = handshake(&mut network, 1);
    assert_eq!(server.send(b"unsaid"), 6);
    server.cancel();
    assert_eq!((server.room(), server.send(b"more")), (0, 0));
    network.run(&mut |_, datagram| usual(datagram));
    assert!(network.received[0].is_empty());
    assert!(matches!(network.sides[1], Side::Failed(_)));
}

/// RFC 9147 §9: data of the server has the id that the client wants, early data none, which was not agreed on when it was sent.
#[test]
fn with_connection_ids() {
    let server = accepting();
    let sessions = sessions(&server);
    for (of_client, of_server) in [
        (id(b"client"), id(b"server")),
        (id(b""), id(b"server")),
        (id(b"client"), id(b"")),
    ] {
        let options = DatagramOptions::default();
        let with = |id: Option<ConnectionId>| id.map_or(options, |id| options.connection_id(id));
        let mut network = Network::new(client(), server.clone());
        let (config, options, now) = (client(), with(of_client), network.now());
        let early = Handshake::datagram_client_with_early_data(
            config,
            crate::testing::name(),
            sessions.clone(),
            options,
            now,
        );
        network.sides[0] = Side::Handshake(Box::new(early.unwrap()));
        network.options = with(of_server);
        network.early_answer = Some(answer);
        assert_eq!(handshake(&mut network, 0).send(b"one"), 3);
        let mut strays = 0;
        network.run(&mut |index, datagram| {
            if index != 1 || of_server == id(b"") {
                return usual(datagram);
            }
            // RFC 9147 §4: the same with the id that the server wants, as nobody sends it.
            strays += 1;
            let id = b"server";
            let stray = [&[datagram[0] | 0b1_0000], &id[..], &datagram[1..]].concat();
            [usual(&stray), usual(datagram)].concat()
        });
        assert_eq!(network.early_data, [b"one"]);
        assert_eq!(core::mem::take(&mut network.received[0]), [b"ONE"]);
        let connection = network.sides[0].connection();
        assert_eq!(connection.reader.connection_id(), of_client);
        assert_eq!(Some(connection.writer.connection_id()), of_server);
        assert_eq!(connection.reader.discards().total(), 0);
        let connection = network.sides[1].connection();
        let discards = connection.reader.discards();
        assert_eq!(discards.count(Discarded::UnknownConnectionId), strays);
        assert_eq!(discards.total(), strays.into());
        settled(&mut network, EarlyDataStatus::Accepted, &"with ids");
    }
}
