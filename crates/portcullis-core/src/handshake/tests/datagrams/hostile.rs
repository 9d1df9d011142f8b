//! What anybody can send ends, moves and changes nothing.

use core::time::Duration;
use std::io::IoSlice;

use proptest::prelude::*;

use super::network::{Network, Side, usual};
use crate::error::Reason;
use crate::record::{DatagramOptions, Discarded, hello_pieces};
use crate::testing::{client_config, part, server_config};
use crate::wire::{ContentType, FragmentHeader, HandshakeType};
use crate::{AlertDescription, ProtocolVersion, Violation};

/// A record in the clear.
fn plain(typ: ContentType, content: &[u8]) -> Vec<u8> {
    let mut record = vec![typ.0, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9];
    record.extend((content.len() as u16).to_be_bytes());
    record.extend(content);
    record
}

fn fragment(
    typ: HandshakeType,
    message_seq: u16,
    length: u32,
    offset: u32,
    body: &[u8],
) -> Vec<u8> {
    let mut content = Vec::new();
    FragmentHeader {
        msg_type: typ,
        length,
        message_seq,
        fragment_offset: offset,
        fragment_length: body.len() as u32,
    }
    .put(&mut content);
    content.extend(body);
    plain(ContentType::HANDSHAKE, &content)
}

/// What a stranger can say.
fn garbage(captured: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![
        vec![0],
        vec![0xff; 100],
        vec![0x2f],
        vec![0x2c, 0, 0],
        vec![0x3f; 60],
        plain(ContentType::ALERT, &[2, 40]),
        plain(ContentType::ALERT, &[1, 0]),
        plain(ContentType::ALERT, &[]),
        plain(ContentType::CHANGE_CIPHER_SPEC, &[1]),
        plain(ContentType::APPLICATION_DATA, b"data"),
        plain(ContentType::ACK, &[0, 0]),
        plain(ContentType::HANDSHAKE, &[]),
        plain(ContentType::HANDSHAKE, &[1, 2, 3]),
        fragment(HandshakeType::CLIENT_HELLO, 0, 4, 0, &[0; 4]),
        fragment(HandshakeType::FINISHED, 9, 32, 0, &[0; 32]),
        fragment(HandshakeType::KEY_UPDATE, 3, 1, 0, &[0]),
    ];
    for at in 0..captured.len() {
        all.push(captured[..at].to_vec());
        let mut flipped = captured.to_vec();
        flipped[at] ^= 0x10;
        all.push(flipped);
    }
    all.retain(|datagram| !datagram.is_empty());
    all
}

#[test]
fn garbage_leaves_a_connection_as_it_is() {
    let mut network = Network::new(client_config(), server_config());
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    for side in [0, 1] {
        let writer = &mut network.sides[1 - side].connection().writer;
        let mut captured = vec![0; writer.sealed_len(9)];
        writer
            .seal(&[IoSlice::new(b"the datum")], &mut captured)
            .unwrap();
        let before = network.sides[side].connection().reader.discards().total();
        let garbage = garbage(&captured);
        for datagram in &garbage {
            network.inject(side, datagram.clone());
        }
        let sent = network.sent;
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(network.sent, sent, "somebody was answered");
        assert!(network.received[side].is_empty());
        let discards = network.sides[side].connection().reader.discards();
        // Of some the length is wrong, so that there are two records.
        assert!(discards.total() - before >= garbage.len() as u64);
        // A number that nobody has sealed has moved nothing: the record opens, once.
        network.inject(side, captured.clone());
        network.inject(side, captured.clone());
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(network.received[side], [b"the datum"]);
        let discards = network.sides[side].connection().reader.discards();
        assert_eq!(discards.count(Discarded::Replayed), 1);
    }
    network.check();
}

#[test]
fn garbage_leaves_a_handshake_as_it_is() {
    // Alerts and whole messages in the clear may end one (RFC 9147 has nothing to tell them by).
    let harmless: Vec<_> = garbage(&[0x2e, 1, 2, 0, 40, 9, 9, 9])
        .into_iter()
        .filter(|datagram| datagram[0] != ContentType::ALERT.0 && datagram.get(13) != Some(&1))
        .collect();
    for moment in [5, 15, 25] {
        let mut network = Network::new(client_config(), server_config());
        network.run_until(Duration::from_millis(moment), &mut |_, datagram| {
            usual(datagram)
        });
        for side in [0, 1] {
            if !matches!(network.sides[side], Side::Absent) {
                for datagram in &harmless {
                    network.inject(side, datagram.clone());
                }
            }
        }
        network.run(&mut |_, datagram| usual(datagram));
        network.check();
    }
}

#[test]
fn a_message_in_the_clear_is_not_taken() {
    // EncryptedExtensions comes before ServerHello, and in the clear: whole, and in part.
    for body in [&[0, 0][..], &[0]] {
        let mut network = Network::new(client_config(), server_config());
        let forged = fragment(HandshakeType::ENCRYPTED_EXTENSIONS, 1, 2, 0, body);
        network.inject(0, forged.clone());
        network.run_until(Duration::from_millis(15), &mut |_, datagram| {
            usual(datagram)
        });
        network.inject(0, forged);
        network.run(&mut |_, datagram| usual(datagram));
        network.check();
    }
}

/// A piece of a message that is far ahead stands before the server's, in one record: that is taken all the same.
#[test]
fn a_piece_that_is_dropped_takes_no_other_with_it() {
    let mut network = Network::new(client_config(), server_config());
    let far = fragment(HandshakeType::SERVER_HELLO, 99, 2, 0, &[7; 2]);
    let mut is_first = true;
    network.run(&mut |_, datagram| {
        let is_of_server = hello_pieces(datagram).is_err();
        if !is_of_server || !core::mem::take(&mut is_first) {
            return usual(datagram);
        }
        // It has one record, which is the whole request to say hello again.
        let content = [&far[13..], &datagram[13..]].concat();
        let mut changed = plain(ContentType::HANDSHAKE, &content);
        changed[..11].copy_from_slice(&datagram[..11]);
        usual(&changed)
    });
    network.check();
    assert!(
        network.clock < Duration::from_millis(500),
        "{:?}",
        network.clock
    );
    let discards = network.sides[0].connection().reader.discards();
    assert_eq!(discards.count(Discarded::BeyondWindow), 1);
}

/// The numbers of an ACK, each an epoch and a sequence number.
fn acknowledgement(numbers: &[(u64, u64)]) -> Vec<u8> {
    let mut content = ((numbers.len() * 16) as u16).to_be_bytes().to_vec();
    for (epoch, number) in numbers {
        content.extend([epoch.to_be_bytes(), number.to_be_bytes()].concat());
    }
    plain(ContentType::ACK, &content)
}

fn trusting(trusts: bool) -> Network {
    let options = DatagramOptions::default().dangerous_trust_unprotected(trusts);
    let client = client_config().to_builder().ask_verification(true).build();
    Network::resuming(client.unwrap(), server_config(), Vec::new(), options)
}

/// For a suite of conformance a fault of anybody ends the handshake; for everybody else it is dropped.
#[test]
fn what_is_in_the_clear_is_trusted_by_name_alone() {
    use HandshakeType as T;
    use Violation as V;
    let contradicting = |typ, length| {
        let first = fragment(T::SERVER_HELLO, 0, 100, 0, &[2]);
        [first, fragment(typ, 0, length, 1, &[2])].concat()
    };
    // Before the server has answered, and while the client thinks about its certificate.
    let at_first = Duration::ZERO;
    let with_keys = Duration::from_millis(500);
    let after_retry = Duration::from_millis(25);
    let cases = [
        (
            at_first,
            plain(ContentType::APPLICATION_DATA, b"data"),
            V::ApplicationDataTooEarly,
        ),
        (
            at_first,
            plain(ContentType::CHANGE_CIPHER_SPEC, &[2]),
            V::MalformedChangeCipherSpec,
        ),
        (
            at_first,
            plain(ContentType::CHANGE_CIPHER_SPEC, &[1, 1]),
            V::MalformedChangeCipherSpec,
        ),
        (
            at_first,
            plain(ContentType::HANDSHAKE, &[1, 2, 3]),
            V::MalformedFragment,
        ),
        (
            at_first,
            contradicting(T::SERVER_HELLO, 101),
            V::FragmentContradictsMessage,
        ),
        (
            at_first,
            contradicting(T::FINISHED, 100),
            V::FragmentContradictsMessage,
        ),
        (
            at_first,
            plain(ContentType::ACK, &[0, 1, 7]),
            V::MalformedAck,
        ),
        (
            at_first,
            acknowledgement(&[(0, 0), (2, 0)]),
            V::MalformedAck,
        ),
        // Erratum 8108: more than the 16 bits that epochs have here.
        (at_first, acknowledgement(&[(1 << 63, 0)]), V::MalformedAck),
        // The one behind that which is due, and then the keys come that it should be under.
        (
            after_retry,
            fragment(T::ENCRYPTED_EXTENSIONS, 2, 2, 0, &[0, 0]),
            V::MessageSpansKeyChange,
        ),
        (
            with_keys,
            fragment(T::FINISHED, 6, 32, 0, &[7; 32]),
            V::MessageInOldEpoch,
        ),
    ];
    assert_eq!(trusting(false).options, DatagramOptions::default());
    for (at, datagram, violation) in cases {
        for trusts in [false, true] {
            let mut network = trusting(trusts);
            network.thinking = Some(Duration::from_secs(1));
            network.run_until(at, &mut |_, datagram| usual(datagram));
            network.inject(0, datagram.clone());
            network.run(&mut |_, datagram| usual(datagram));
            if trusts {
                let Side::Failed(error) = &network.sides[0] else {
                    panic!("{violation:?}: it has not failed");
                };
                assert_eq!(error.violation(), Some(violation), "{error}");
            } else {
                network.check();
                let discards = network.sides[0].connection().reader.discards();
                // What only waits for its turn goes when the keys come, or the true message does.
                let waits = [V::MessageSpansKeyChange, V::FragmentContradictsMessage];
                let waits = waits.contains(&violation);
                assert!(waits || discards.total() > 0, "{violation:?}");
            }
        }
    }
}

/// A hello that is lost is sent again, whatever a stranger says of it.
#[test]
fn an_acknowledgement_in_the_clear_counts_by_name_alone() {
    // With the first one a client does not even know the version.
    for (number, is_known) in [(0, false), (1, true)] {
        for trusts in [false, true] {
            let mut network = trusting(trusts);
            // The second hello is lost, or the first.
            network.run_until(
                Duration::from_millis(50),
                &mut |_, datagram| match hello_pieces(datagram)
                    .is_ok_and(|pieces| pieces[0].header.message_seq == number)
                {
                    true => Vec::new(),
                    false => usual(datagram),
                },
            );
            // The second one has two records.
            network.inject(0, acknowledgement(&[(0, 0), (0, 1), (0, 2)]));
            network.run_until(Duration::from_millis(60), &mut |_, _| Vec::new());
            let Side::Handshake(client) = &network.sides[0] else {
                panic!("it goes on");
            };
            // What it waits for else is the rest of the answer, for minutes.
            let due = client.deadline().unwrap().0;
            let waits = due < Duration::from_secs(10);
            assert!(waits || due > Duration::from_secs(100), "{due:?}");
            assert_eq!(waits, !(trusts && is_known), "{number} {trusts}");
        }
    }
}

/// Somebody begins a ServerHello that never ends; that of the server, in one piece, is worth more.
#[test]
fn a_message_that_a_stranger_has_begun_does_not_keep_out_the_whole_one() {
    let mut network = Network::new(client_config(), server_config());
    network.inject(
        0,
        fragment(HandshakeType::SERVER_HELLO, 0, 2_000, 5, &[7; 100]),
    );
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
}

/// The same where the server's comes in many pieces: nothing is sent twice.
#[test]
fn a_message_that_a_stranger_has_begun_does_not_keep_out_one_in_pieces() {
    let options = DatagramOptions::default().mtu(228);
    for message_seq in [0, 1] {
        let (client, server) = (client_config(), server_config());
        let mut network = Network::resuming(client, server, Vec::new(), options);
        for length in 2_000..2_003 {
            network.inject(
                0,
                fragment(
                    HandshakeType::SERVER_HELLO,
                    message_seq,
                    length,
                    5,
                    &[7; 100],
                ),
            );
        }
        network.run(&mut |_, datagram| usual(datagram));
        network.check();
        assert!(
            network.clock < Duration::from_millis(500),
            "{:?}",
            network.clock
        );
    }
}

#[test]
fn what_a_stranger_begins_is_bounded() {
    let mut network = Network::new(client_config(), server_config());
    network.run_until(Duration::from_millis(1), &mut |_, _| Vec::new());
    for message_seq in 0..7 {
        for at in 0..300 {
            let body = [message_seq as u8; 1_000];
            network.inject(
                0,
                fragment(
                    HandshakeType::SERVER_HELLO,
                    message_seq,
                    300_000,
                    at * 1_001,
                    &body[..900],
                ),
            );
            network.inject(
                0,
                fragment(
                    HandshakeType::CERTIFICATE,
                    message_seq,
                    200_000,
                    at * 1_001 % 199_000,
                    &body,
                ),
            );
        }
    }
    for _ in 0..100 {
        network.inject(0, [vec![0x2e], vec![7; 1_100]].concat());
    }
    network.run_until(Duration::from_millis(2), &mut |_, _| Vec::new());
    let Side::Handshake(client) = &network.sides[0] else {
        panic!("it goes on");
    };
    let held = client.held();
    assert!(held <= (256 + 16 + 16) * 1024, "{held}");
}

/// A captured hello, again and again: the server's flight is sent so often and no more.
#[test]
fn a_repeated_hello_is_answered_a_bounded_number_of_times() {
    let mut network = Network::new(client_config(), server_config());
    let mut hello = Vec::new();
    network.run_until(Duration::from_millis(15), &mut |_, datagram| {
        if hello.len() < 2 {
            hello.push(datagram.to_vec());
            return usual(datagram);
        }
        Vec::new()
    });
    network.sides[0] = Side::Absent;
    let before = network.sent;
    // Longer than the last timeout, in steps of less than half of the first one: 100,000 in all, or a part of them.
    let copies = (100 / part().1).max(1);
    for step in 1..1_000 {
        for datagram in core::iter::repeat_n(&hello, copies).flatten() {
            network.inject(1, datagram.clone());
        }
        let end = Duration::from_millis(15 + step * 400);
        network.run_until(end, &mut |_, _| Vec::new());
    }
    // Each time it is two or three datagrams, and a client that is not there does not answer.
    let sent = network.lengths.iter().skip(before);
    let sent = sent.filter(|(from, _)| *from == 1).count();
    assert!(sent <= (13 + 13) * 4, "{sent}");
}

#[test]
fn an_alert_in_the_clear_tells_a_client_that_it_is_refused() {
    let mut network = Network::new(client_config(), server_config());
    network.inject(0, plain(ContentType::ALERT, &[2, 40]));
    network.run(&mut |_, _| Vec::new());
    let Reason::AlertReceived(alert) = network.sides[0].error().reason() else {
        panic!("{}", network.sides[0].error());
    };
    assert_eq!(*alert, AlertDescription::HANDSHAKE_FAILURE);
}

#[test]
fn a_server_of_dtls_1_2_is_refused_by_name() {
    let client = client_config().to_builder();
    let client = client.versions([ProtocolVersion::TLS_1_3]).build();
    let mut network = Network::new(client.unwrap(), server_config());
    let body = [0xfe, 0xff, 2, 1, 2];
    network.inject(
        0,
        fragment(HandshakeType::HELLO_VERIFY_REQUEST, 0, 5, 0, &body),
    );
    network.run(&mut |_, _| Vec::new());
    let error = network.sides[0].error();
    assert_eq!(error.violation(), Some(Violation::VersionNotOffered));
    assert!(error.to_string().contains("offered: DTLSv1.3"), "{error}");
}

/// Bytes that look like records, more often than not.
fn any_datagram() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..80);
    let typ = prop_oneof![Just(20_u8), Just(21), Just(22), Just(23), Just(26)];
    prop_oneof![
        bytes(),
        (0x20_u8..0x40, bytes()).prop_map(|(first, rest)| [vec![first], rest].concat()),
        (typ, bytes()).prop_map(|(typ, content)| plain(ContentType(typ), &content)),
        (0_u8..26, 0_u16..9, 0_u32..90, 0_u32..90, bytes()).prop_map(
            |(typ, message_seq, more, offset, body)| {
                let length = offset + body.len() as u32 + more;
                fragment(HandshakeType(typ), message_seq, length, offset, &body)
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever comes: no panic, an end, little memory, and of what is established nothing is lost.
    #[test]
    fn any_datagrams(
        datagrams in proptest::collection::vec(any_datagram(), 1..16),
        cuts in proptest::collection::vec(0_usize..100, 16),
    ) {
        let mut network = Network::new(client_config(), server_config());
        network.run_until(Duration::from_millis(15), &mut |_, datagram| usual(datagram));
        for (datagram, cut) in datagrams.iter().zip(&cuts) {
            let cut = (*cut).min(datagram.len());
            for (side, piece) in [(0, &datagram[..]), (1, &datagram[..cut]), (1, &datagram[cut..])] {
                if !piece.is_empty() {
                    network.inject(side, piece.to_vec());
                }
            }
        }
        network.run_until(Duration::from_millis(16), &mut |_, datagram| usual(datagram));
        for side in &network.sides {
            if let Side::Handshake(handshake) = side {
                prop_assert!(handshake.held() <= (256 + 32) * 1024);
            }
        }

        let mut network = Network::new(client_config(), server_config());
        network.run(&mut |_, datagram| usual(datagram));
        for datagram in datagrams {
            if !datagram.is_empty() {
                network.inject(0, datagram.clone());
                network.inject(1, datagram);
            }
        }
        network.run(&mut |_, datagram| usual(datagram));
        network.check();
        for side in [0, 1] {
            network.say(side, b"as before", &mut |_, datagram| usual(datagram));
        }
        network.run(&mut |_, datagram| usual(datagram));
        prop_assert_eq!(&network.received, &[[b"as before"], [b"as before"]]);
    }
}
