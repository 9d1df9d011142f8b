//! What is said about connection ids after the handshake, and about the paths they lead to.
//!
//! RFC 9147 §9; RFC 9853.

use core::time::Duration;

use super::connection_ids::{CBC, GCM, between, connected, id, newest, older, run, talk};
use super::network::usual;
use crate::error::Reason;
use crate::record::{ConnectionId, Received};
use crate::wire::{ConnectionIdUsage, ContentType, FragmentHeader, HandshakeType, NewConnectionId};
use crate::{Direction, Violation};

fn fragment(typ: HandshakeType, message_seq: u16, body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let length = body.len() as u32;
    FragmentHeader {
        msg_type: typ,
        length,
        message_seq,
        fragment_offset: 0,
        fragment_length: length,
    }
    .put(&mut content);
    content.extend(body);
    content
}

fn ids_message(ids: &[&[u8]], usage: u8) -> Vec<u8> {
    let mut message = Vec::new();
    NewConnectionId::put(&mut message, ids, ConnectionIdUsage(usage));
    message.split_off(4)
}

/// The next message of a server without tickets.
const NEXT: u16 = 5;

/// The client refuses what the server has sealed.
fn refused(ids: [Option<ConnectionId>; 2], content: &[Vec<u8>], violation: Violation) {
    let mut network = between(newest(), ids[0], ids[1]);
    run(&mut network);
    for content in content {
        let writer = &mut network.sides[1].connection().writer;
        let record = writer.forge(ContentType::HANDSHAKE, content);
        network.inject(0, record);
    }
    network.run(&mut |_, datagram| usual(datagram));
    let error = network.sides[0].error();
    assert_eq!(error.violation(), Some(violation), "{error}");
    let alert = violation.alert();
    assert_eq!(error.alert(), Some((Direction::Sent, alert)));
    let told = network.sides[1].error();
    assert!(matches!(told.reason(), Reason::AlertReceived(seen) if *seen == alert));
}

#[test]
fn messages_about_ids_that_no_peer_sends() {
    use HandshakeType as T;
    let (some, none) = (id(&[3; 8]), id(&[]));
    let new = fragment(T::NEW_CONNECTION_ID, NEXT, &ids_message(&[&[9; 8]], 1));
    let request = fragment(T::REQUEST_CONNECTION_ID, NEXT, &[1]);
    let cases = [
        // Not agreed on, and an empty one on the records in that direction.
        ([None, some], &new, Violation::ConnectionIdsNotNegotiated),
        (
            [None, some],
            &request,
            Violation::ConnectionIdsNotNegotiated,
        ),
        ([some, none], &new, Violation::ConnectionIdsNotNegotiated),
        (
            [none, some],
            &request,
            Violation::ConnectionIdsNotNegotiated,
        ),
        (
            [some, some],
            &fragment(T::NEW_CONNECTION_ID, NEXT, &ids_message(&[&[9; 8]], 2)),
            Violation::BadConnectionIdUsage,
        ),
        (
            [some, some],
            &fragment(T::NEW_CONNECTION_ID, NEXT, &ids_message(&[], 0)),
            Violation::NoUsableConnectionId,
        ),
        (
            [some, some],
            &fragment(
                T::NEW_CONNECTION_ID,
                NEXT,
                &ids_message(&[&[], &[9; 33]], 0),
            ),
            Violation::NoUsableConnectionId,
        ),
        (
            [some, some],
            &fragment(T::NEW_CONNECTION_ID, NEXT, &[0, 3, 9, 1, 1]),
            Violation::MalformedMessage,
        ),
        (
            [some, some],
            &fragment(T::REQUEST_CONNECTION_ID, NEXT, &[1, 2]),
            Violation::MalformedMessage,
        ),
    ];
    for (ids, content, violation) in cases {
        refused(ids, core::slice::from_ref(content), violation);
    }
    let often =
        |typ, body: &[u8]| -> Vec<_> { (0..40).map(|n| fragment(typ, NEXT + n, body)).collect() };
    refused(
        [some, some],
        &often(T::NEW_CONNECTION_ID, &ids_message(&[&[9; 8]], 1)),
        Violation::TooManyConnectionIds,
    );
    refused(
        [some, some],
        &often(T::REQUEST_CONNECTION_ID, &[255]),
        Violation::TooManyConnectionIdsRequested,
    );
}

/// RFC 9853: a challenge comes to whoever has to answer it, and the answer to whoever has asked.
#[test]
fn a_peer_is_asked_where_it_reads() {
    let (some, none) = (id(&[3; 8]), id(&[]));
    for config in [
        newest as fn() -> _,
        || older(GCM, false),
        || older(CBC, true),
    ] {
        for ids in [[some, some], [none, some], [some, none]] {
            let mut network = between(config(), ids[0], ids[1]);
            run(&mut network);
            for side in [0, 1] {
                let now = network.now().monotonic;
                let mut out = vec![0; 1_200];
                let writer = &mut network.sides[side].connection().writer;
                let (cookie, length) = writer.path_challenge(&mut out).unwrap();
                let other = network.sides[1 - side].connection();
                let mut records = other.reader.open(&mut out[..length], now);
                let seen = records.next().unwrap();
                assert_eq!(seen, Some(Received::PathChallenge(cookie)));
                assert!(records.is_newest());
                let length = other.writer.path_response(cookie, &mut out).unwrap();
                let reader = &mut network.sides[side].connection().reader;
                let mut records = reader.open(&mut out[..length], now);
                let seen = records.next().unwrap();
                assert_eq!(seen, Some(Received::PathResponse(cookie)));
                // What is not known is passed over (§4).
                let typ = ContentType::RETURN_ROUTABILITY_CHECK;
                let writer = &mut network.sides[side].connection().writer;
                let mut later = writer.forge(typ, &[9, 9]);
                let other = network.sides[1 - side].connection();
                let mut records = other.reader.open(&mut later, now);
                assert_eq!(records.next().unwrap(), Some(Received::Nothing));
            }
            talk(&mut network);
        }
    }
}

#[test]
fn who_has_not_agreed_on_it_is_not_asked() {
    let some = id(&[3; 8]);
    for config in [newest as fn() -> _, || older(GCM, false)] {
        for (ids, content, violation) in [
            ([None, some], vec![0; 9], Violation::UnknownRecordType),
            ([some, some], vec![0; 8], Violation::MalformedPathMessage),
            ([some, some], vec![], Violation::MalformedPathMessage),
        ] {
            let mut network = between(config(), ids[0], ids[1]);
            run(&mut network);
            let writer = &mut network.sides[1].connection().writer;
            if ids[0].is_none() {
                let error = writer.path_challenge(&mut [0; 1_200]).unwrap_err();
                assert!(matches!(error.reason(), Reason::Misuse(_)));
            }
            let typ = ContentType::RETURN_ROUTABILITY_CHECK;
            let record = writer.forge(typ, &content);
            network.inject(0, record);
            network.run(&mut |_, datagram| usual(datagram));
            let error = network.sides[0].error();
            assert_eq!(error.violation(), Some(violation), "{error}");
        }
    }
}

/// What an honest peer may do: more than are kept, and some that this side does not write.
#[test]
fn more_ids_than_are_wanted_are_passed_over() {
    let mut network = connected();
    let ids: Vec<_> = (0..200_u8).map(|n| [n; 8]).collect();
    let mut ids: Vec<&[u8]> = ids.iter().map(|id| &id[..]).collect();
    ids.splice(0..0, [&[][..], &[9; 255]]);
    let content = fragment(
        HandshakeType::NEW_CONNECTION_ID,
        NEXT,
        &ids_message(&ids, 1),
    );
    let writer = &mut network.sides[1].connection().writer;
    let record = writer.forge(ContentType::HANDSHAKE, &content);
    network.inject(0, record);
    network.run_until(
        network.clock + Duration::from_secs(1),
        &mut |_, datagram| usual(datagram),
    );
    let client = &mut network.sides[0].connection().writer;
    assert_eq!(client.spare_connection_ids(), 4);
    assert!(client.use_next_connection_id());
    assert_eq!(client.connection_id(), id(&[0; 8]).unwrap());
}
