//! Floods by a peer that has the keys, or by somebody who repeats what it said: each costs what it says here and no more.

use core::time::Duration;

use super::faults::talk;
use super::network::{Chance, LATENCY, Network, Side, usual};
use crate::config::{ClientConfig, ServerConfig};
use crate::record::{DatagramOptions, Discarded};
use crate::testing::{client_config, pki, server_config};
use crate::wire::{Ack, ContentType, FragmentHeader, HandshakeType, RecordNumber};

const MANY: u64 = 5_000;
/// The epoch of data at first.
const DATA: u64 = 3;

fn connected() -> Network {
    let mut network = Network::new(client_config(), server_config());
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    network
}

/// The client acknowledges these.
fn acknowledge(network: &mut Network, numbers: impl IntoIterator<Item = RecordNumber>) {
    let mut content = Vec::new();
    Ack::put(&mut content, numbers);
    let writer = &mut network.sides[0].connection().writer;
    let record = writer.forge(ContentType::ACK, &content);
    network.inject(1, record);
}

fn of_data(sequence_number: u64) -> RecordNumber {
    RecordNumber {
        epoch: DATA,
        sequence_number,
    }
}

/// What was never sent, and what has no keys any more: nothing is said to that, nothing of it is kept (the network looks at
/// each step), and what is waited for is still waited for.
#[test]
fn acknowledgements_that_name_nothing_change_nothing() {
    let mut network = connected();
    let writer = &mut network.sides[1].connection().writer;
    writer.key_update(false).unwrap();
    let start = network.clock;
    network.run_until(start + Duration::from_millis(1), &mut |_, _| Vec::new());
    let (sent, kept) = (network.sent, network.sides[1].connection().writer.kept());
    assert!(kept > 0, "it waits for an acknowledgement");
    for round in 0..MANY / 5 {
        let numbers = (0..900).map(|number| match number % 3 {
            0 => of_data(1_000 + 900 * round + number),
            1 => RecordNumber {
                epoch: number,
                ..of_data(round + 100)
            },
            _ => RecordNumber {
                epoch: u64::MAX - number,
                sequence_number: u64::MAX,
            },
        });
        acknowledge(&mut network, numbers);
    }
    network.run_until(start + Duration::from_millis(2), &mut |_, _| Vec::new());
    assert_eq!(network.sent, sent, "somebody was answered");
    assert_eq!(network.sides[1].connection().writer.kept(), kept);
    assert!(!network.sides[1].connection().writer.is_acknowledged());
    // Said again once, and acknowledged once.
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    assert_eq!(network.sent, sent + 2);
    assert_eq!(network.sides[0].connection().reader.newest_epoch(), 4);
    talk(&mut network);
}

/// The same in the clear, where anybody can say it: dropped and counted.
#[test]
fn acknowledgements_in_the_clear_change_nothing() {
    let mut content = Vec::new();
    let number = |sequence_number| RecordNumber {
        epoch: 0,
        sequence_number,
    };
    Ack::put(&mut content, (0..32).map(number));
    let mut record = vec![ContentType::ACK.0, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
    record.extend((content.len() as u16).to_be_bytes());
    record.extend(content);
    let numbered = |number: u64| {
        let mut record = record.clone();
        record[5..11].copy_from_slice(&number.to_be_bytes()[2..]);
        record
    };
    // While they shake hands, and afterwards.
    for moment in [
        Duration::from_millis(5),
        Duration::from_millis(15),
        Duration::MAX,
    ] {
        let mut network = Network::new(client_config(), server_config());
        network.run_until(moment, &mut |_, datagram| usual(datagram));
        for side in [0, 1] {
            for number in 0..MANY / 4 {
                if !matches!(network.sides[side], Side::Absent) {
                    network.inject(side, numbered(1_000 + number));
                }
            }
        }
        let (clock, sent) = (network.clock, network.sent);
        network.run_until(clock, &mut |_, datagram| usual(datagram));
        assert_eq!(network.sent, sent, "somebody was answered");
        network.run(&mut |_, datagram| usual(datagram));
        network.check();
        let discards = network.sides[0].connection().reader.discards();
        assert!(discards.total() >= MANY / 4, "{}", discards.total());
        talk(&mut network);
    }
}

/// RFC 9147 §7.2: a part that is acknowledged has the rest sent again at once, but once in a round trip. A client that has
/// nothing, and names a record in each millisecond, gets no more than that.
#[test]
fn acknowledgements_of_a_part_are_worth_a_sending_in_a_round_trip() {
    let client = ClientConfig::builder(pki().roots.clone())
        .session_tickets(true)
        .build();
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .ticket_count(4)
        .build();
    let options = DatagramOptions::default().mtu(228);
    let mut network = Network::resuming(client.unwrap(), server.unwrap(), Vec::new(), options);
    let is_of_data = |datagram: &[u8]| datagram[0] & 0b1110_0011 == 0b0010_0011;
    while !matches!(network.sides, [Side::Connected(_), Side::Connected(_)]) {
        let end = network.clock + Duration::from_millis(1);
        network.run_until(end, &mut |_, datagram| match is_of_data(datagram) {
            true => Vec::new(),
            false => usual(datagram),
        });
    }
    let mut chance = Chance::of_seed(9);
    // When a datagram of the tickets went out: acknowledgements are shorter.
    let mut sendings = Vec::new();
    let start = network.clock;
    for millisecond in 1..5_000 {
        acknowledge(&mut network, [of_data(chance.next() % 100)]);
        let end = start + Duration::from_millis(millisecond);
        network.run_until(end, &mut |_, datagram| {
            if is_of_data(datagram) && datagram.len() > 100 {
                sendings.push(millisecond);
            }
            Vec::new()
        });
        if network.sides[1].connection().writer.is_acknowledged() {
            break;
        }
    }
    let count = sendings.len();
    sendings.dedup();
    let round_trip = 2 * LATENCY.as_millis() as u64;
    println!("{count} datagrams of tickets at {sendings:?} ms");
    assert!(sendings.len() > 2, "nothing is sent again: {sendings:?}");
    for two in sendings.windows(2) {
        assert!(two[1] - two[0] >= round_trip, "{sendings:?}");
    }
    assert!(count <= 100, "{count}");
}

/// Somebody repeats a KeyUpdate, and its client says an old message again and again under numbers that are new.
#[test]
fn a_key_update_that_comes_again_moves_no_key() {
    let mut network = connected();
    for round in 1..3 {
        let writer = &mut network.sides[0].connection().writer;
        writer.key_update(round == 2).unwrap();
        let mut update = Vec::new();
        network.run(&mut |_, datagram| {
            if update.is_empty() {
                update = datagram.to_vec();
            }
            usual(datagram)
        });
        network.check();
        let reader = &network.sides[1].connection().reader;
        let (epoch, before) = (
            reader.newest_epoch(),
            reader.discards().count(Discarded::Replayed),
        );
        assert_eq!(epoch, 3 + round);
        let sent = network.sent;
        for _ in 0..MANY {
            network.inject(1, update.clone());
        }
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(network.sent, sent, "a copy was answered");
        let reader = &network.sides[1].connection().reader;
        assert_eq!(reader.newest_epoch(), epoch);
        let replayed = reader.discards().count(Discarded::Replayed) - before;
        assert_eq!(u64::from(replayed), MANY);
        talk(&mut network);
    }
    // The first message there was, as if it were another KeyUpdate: it is one that is known, and no more is done about it
    // than to acknowledge it.
    let epoch = network.sides[1].connection().reader.newest_epoch();
    let mut content = Vec::new();
    FragmentHeader {
        msg_type: HandshakeType::KEY_UPDATE,
        length: 1,
        message_seq: 0,
        fragment_offset: 0,
        fragment_length: 1,
    }
    .put(&mut content);
    content.push(1);
    let (sent, many) = (network.sent, MANY / 5);
    for _ in 0..many {
        let writer = &mut network.sides[0].connection().writer;
        let record = writer.forge(ContentType::HANDSHAKE, &content);
        network.inject(1, record);
    }
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.sides[1].connection().reader.newest_epoch(), epoch);
    let acknowledged = (network.sent - sent) as u64;
    assert!(acknowledged <= many, "{acknowledged}");
    talk(&mut network);
}
