//! Connections over datagrams: data, KeyUpdate, tickets, closing.

use core::time::Duration;
use std::io::IoSlice;

use super::network::{Network, Side, usual};
use crate::clock::Monotonic;
use crate::config::{ClientConfig, PaddingPolicy};
use crate::error::Reason;
use crate::record::Discarded;
use crate::testing::{client_config, pki, server_config};
use crate::wire::ContentType;
use crate::{AlertDescription, Direction};

fn connected() -> Network {
    let mut network = Network::new(client_config(), server_config());
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    network
}

/// Sends a message each way, which must come.
fn still_talk(network: &mut Network) {
    for side in [0, 1] {
        network.received[1 - side].clear();
        network.say(side, b"still there", &mut |_, datagram| usual(datagram));
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(network.received[1 - side], [b"still there"]);
    }
}

#[test]
fn a_message_is_a_datagram() {
    let mut network = connected();
    let writer = &mut network.sides[0].connection().writer;
    assert_eq!(writer.most_message_len(), 16_384);
    assert_eq!(writer.max_message_len(), 1_200 - 22);
    writer.set_path_mtu(500);
    assert_eq!(writer.max_message_len(), 478);
    let mut out = vec![0; 20_000];
    let error = writer
        .seal(&[IoSlice::new(&[0; 16_385])], &mut out)
        .unwrap_err();
    let too_long = Reason::MessageTooLong {
        length: 16_385,
        most: 16_384,
    };
    assert_eq!(format!("{:?}", error.reason()), format!("{too_long:?}"));
    let error = writer
        .seal(&[IoSlice::new(b"hello")], &mut out[..26])
        .unwrap_err();
    assert!(matches!(error.reason(), Reason::Misuse(_)));
    // In pieces, and the longest there is.
    let (start, end) = ([1; 16_000], [2; 384]);
    let pieces = [IoSlice::new(&start), IoSlice::new(&end)];
    let length = writer.seal(&pieces, &mut out).unwrap();
    assert_eq!(length, writer.sealed_len(16_384));
    network.inject(1, out[..length].to_vec());
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.received[1], [[&start[..], &end].concat()]);
    still_talk(&mut network);
}

#[test]
fn padding_hides_how_long_messages_are() {
    let client = ClientConfig::builder(pki().roots.clone())
        .padding(PaddingPolicy::Block(256))
        .build();
    let mut network = Network::new(client.unwrap(), server_config());
    network.run(&mut |_, datagram| usual(datagram));
    let writer = &network.sides[0].connection().writer;
    assert_eq!(writer.sealed_len(1), writer.sealed_len(200));
    network.say(0, b"short", &mut |_, datagram| usual(datagram));
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.received[1], [b"short"]);
}

#[test]
fn a_key_is_updated_when_that_is_acknowledged() {
    for request in [false, true] {
        let mut network = connected();
        for _ in 0..5 {
            let writer = &mut network.sides[0].connection().writer;
            writer.key_update(request).unwrap();
            assert!(network.sides[0].connection().reader.writer_has_work());
            network.run(&mut |_, datagram| usual(datagram));
            still_talk(&mut network);
        }
        network.check();
    }
}

/// message_seq has 16 bits: that this side has said so much is not its peer's fault, and the peer is told that it is over.
#[test]
fn numbers_of_messages_are_used_up() {
    let mut network = connected();
    let writer = &mut network.sides[0].connection().writer;
    writer.use_up_messages();
    writer.key_update(false).unwrap();
    network.run(&mut |_, datagram| usual(datagram));
    let error = network.sides[0].error();
    assert!(matches!(error.reason(), Reason::NumbersUsedUp), "{error}");
    let alert = AlertDescription::INTERNAL_ERROR;
    assert_eq!(error.alert(), Some((Direction::Sent, alert)));
    let told = network.sides[1].error();
    assert!(matches!(told.reason(), Reason::AlertReceived(seen) if *seen == alert));
}

#[test]
fn both_sides_update_at_once() {
    let mut network = connected();
    for _ in 0..3 {
        for side in [0, 1] {
            network.sides[side]
                .connection()
                .writer
                .key_update(true)
                .unwrap();
        }
        network.run(&mut |_, datagram| usual(datagram));
        still_talk(&mut network);
    }
    network.check();
}

/// Whatever of an update is lost, the message or what acknowledges it: data goes on meanwhile.
#[test]
fn a_lost_key_update_loses_no_data() {
    for lost in 0..4 {
        let mut network = connected();
        network.sides[0]
            .connection()
            .writer
            .key_update(true)
            .unwrap();
        let before = network.sent;
        let mut fate = |index: usize, datagram: &[u8]| match index - before == lost {
            true => Vec::new(),
            false => usual(datagram),
        };
        let start = network.clock;
        network.run_until(start + Duration::from_millis(15), &mut fate);
        // The old key is used as long as nobody has said that the new one is known.
        for side in [0, 1] {
            network.say(side, b"meanwhile", &mut |_, datagram| usual(datagram));
        }
        network.run(&mut fate);
        assert_eq!(network.received, [[b"meanwhile"], [b"meanwhile"]], "{lost}");
        still_talk(&mut network);
        network.check();
    }
}

#[test]
fn a_worn_out_key_is_updated_in_time() {
    let mut network = connected();
    network.sides[0].connection().writer.wear_out(5_000_000);
    network.say(0, b"the last under this key", &mut |_, datagram| {
        usual(datagram)
    });
    assert!(network.sides[0].connection().reader.writer_has_work());
    network.run(&mut |_, datagram| usual(datagram));
    still_talk(&mut network);
    network.check();
}

/// The server's acknowledgement of Finished is lost, and data comes first.
#[test]
fn finished_is_acknowledged_again_after_data() {
    let mut network = Network::new(client_config(), server_config());
    let mut acknowledgements = 0;
    let mut fate = |_: usize, datagram: &[u8]| {
        // All that the server sends under the keys of data: an acknowledgement of one record.
        if datagram[0] & 0xe3 == 0x23 && datagram.len() == 40 && acknowledgements < 2 {
            acknowledgements += 1;
            return Vec::new();
        }
        usual(datagram)
    };
    network.run_until(Duration::from_millis(60), &mut fate);
    network.say(0, b"data", &mut |_, datagram| usual(datagram));
    network.say(1, b"data", &mut |_, datagram| usual(datagram));
    assert!(!network.sides[0].connection().writer.is_acknowledged());
    network.run(&mut fate);
    assert_eq!(acknowledgements, 2);
    network.check();
    still_talk(&mut network);
}

/// Data that overtakes the client's Finished is held until the keys are there.
#[test]
fn data_before_finished_is_held() {
    let mut network = Network::new(client_config(), server_config());
    let mut held = None;
    let mut fate = |_: usize, datagram: &[u8]| {
        if held.is_none() && datagram.len() < 100 && datagram[0] & 0xe3 == 0x22 {
            held = Some(datagram.to_vec());
            return vec![(Duration::from_millis(50), datagram.to_vec())];
        }
        usual(datagram)
    };
    network.run_until(Duration::from_millis(50), &mut fate);
    assert!(matches!(network.sides[0], Side::Connected(_)));
    network.say(0, b"early bird", &mut |_, datagram| usual(datagram));
    network.run(&mut fate);
    assert!(held.is_some());
    assert_eq!(network.received[1], [b"early bird"]);
    network.check();
}

#[test]
fn closing_is_said_once_and_again_to_who_goes_on() {
    let mut network = connected();
    network.sides[0].connection().writer.close_notify();
    // It is lost.
    network.run(&mut |_, _| Vec::new());
    assert_eq!(network.closed, [0, 0]);
    let mut out = [0; 100];
    let error = network.sides[0]
        .connection()
        .writer
        .seal(&[IoSlice::new(b"x")], &mut out)
        .unwrap_err();
    assert!(matches!(error.reason(), Reason::Closed));
    network.say(1, b"are you there", &mut |_, datagram| usual(datagram));
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.closed, [0, 1]);
    assert_eq!(network.received[0], [b"are you there"]);
    assert!(network.sides[1].connection().reader.is_closed());
    // Twice is once.
    network.sides[1].connection().writer.close_notify();
    network.run(&mut |_, datagram| [usual(datagram), usual(datagram)].concat());
    assert_eq!(network.closed, [1, 1]);
}

#[test]
fn what_close_notify_has_overtaken_still_comes() {
    let mut network = connected();
    network.say(0, b"before", &mut |_, datagram| {
        vec![(Duration::from_millis(40), datagram.to_vec())]
    });
    network.sides[0].connection().writer.close_notify();
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.closed, [0, 1]);
    assert_eq!(network.received[1], [b"before"]);
}

/// RFC 9147 §5.10: by its number, and not by when it comes.
#[test]
fn what_comes_behind_close_notify_is_ignored() {
    let mut network = connected();
    network.sides[0].connection().writer.close_notify();
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.closed, [0, 1]);
    let writer = &mut network.sides[0].connection().writer;
    let behind = writer.forge(ContentType::APPLICATION_DATA, b"behind");
    network.inject(1, behind);
    network.run(&mut |_, datagram| usual(datagram));
    assert!(network.received[1].is_empty());
    let discards = network.sides[1].connection().reader.discards();
    assert_eq!(discards.count(Discarded::AfterClose), 1);
}

#[test]
fn an_alert_ends_both_sides() {
    let mut network = connected();
    network.sides[0]
        .connection()
        .writer
        .alert(AlertDescription::INTERNAL_ERROR);
    network.run(&mut |_, datagram| usual(datagram));
    let sent = Some((Direction::Sent, AlertDescription::INTERNAL_ERROR));
    assert_eq!(network.sides[0].error().alert(), sent);
    let received = Some((Direction::Received, AlertDescription::INTERNAL_ERROR));
    assert_eq!(network.sides[1].error().alert(), received);
}

#[test]
fn ciphers_that_were_given_back_come_again() {
    let mut network = connected();
    for side in [0, 1] {
        let connection = network.sides[side].connection();
        connection.reader.hibernate();
        connection.writer.hibernate();
    }
    still_talk(&mut network);
}

/// Also where nothing comes that would show that the peer has newer ones.
#[test]
fn keys_of_the_handshake_go_from_a_connection_on_which_nothing_comes() {
    let mut network = connected();
    let end = network.clock + Duration::from_secs(240);
    for side in [0, 1] {
        let (start, reader) = (network.clock, &mut network.sides[side].connection().reader);
        reader.forget_old_keys(Monotonic(start));
        reader.forget_old_keys(Monotonic(end - Duration::from_millis(1)));
        assert_eq!(reader.epochs(), 2);
        reader.forget_old_keys(Monotonic(end));
        assert_eq!(reader.epochs(), 1);
    }
    still_talk(&mut network);
}
