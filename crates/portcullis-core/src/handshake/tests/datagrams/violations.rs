//! What a peer may not seal: each rule costs its alert, which comes to it.

use super::network::{Network, usual};
use crate::config::{ClientConfig, KeyShares};
use crate::error::Reason;
use crate::named_group::NamedGroup;
use crate::record::{hello_pieces, plain_message};
use crate::testing::{client_config_in_pieces, pki, server_config};
use crate::wire::{
    ClientHello, ContentType, FragmentHeader, HandshakeMessage, HandshakeType, NewSessionTicket,
    Syntax,
};
use crate::{Direction, Violation};

fn connected() -> Network {
    let mut network = Network::new(client_config_in_pieces(), server_config());
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    network
}

fn fragment(typ: HandshakeType, message_seq: u16, length: u32, body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    FragmentHeader {
        msg_type: typ,
        length,
        message_seq,
        fragment_offset: 0,
        fragment_length: body.len() as u32,
    }
    .put(&mut content);
    content.extend(body);
    content
}

/// The server has sent five messages: the next one is the sixth.
const NEXT: u16 = 5;

/// The client has refused what the server sent.
fn check(network: &mut Network, violation: Violation) {
    network.run(&mut |_, datagram| usual(datagram));
    let error = network.sides[0].error();
    assert_eq!(error.violation(), Some(violation), "{error}");
    let alert = violation.alert();
    assert_eq!(error.alert(), Some((Direction::Sent, alert)));
    let told = network.sides[1].error();
    assert!(matches!(told.reason(), Reason::AlertReceived(seen) if *seen == alert));
}

#[test]
fn what_no_peer_seals_ends_the_connection() {
    use HandshakeType as T;
    let ticket = |length| fragment(T::NEW_SESSION_TICKET, NEXT, length, &[7; 9]);
    let cases: [(ContentType, Vec<Vec<u8>>, Violation); 10] = [
        (
            ContentType::ACK,
            vec![vec![0, 1, 7]],
            Violation::MalformedAck,
        ),
        (ContentType::HANDSHAKE, vec![vec![]], Violation::EmptyRecord),
        (
            ContentType::HANDSHAKE,
            vec![vec![24, 0, 0]],
            Violation::MalformedFragment,
        ),
        (
            ContentType::HANDSHAKE,
            vec![fragment(T::KEY_UPDATE, NEXT, 1, &[7])],
            Violation::BadKeyUpdate,
        ),
        (
            ContentType::HANDSHAKE,
            vec![fragment(T::KEY_UPDATE, NEXT, 2, &[0, 0])],
            Violation::MalformedMessage,
        ),
        (
            ContentType::HANDSHAKE,
            vec![fragment(T::FINISHED, NEXT, 32, &[7; 32])],
            Violation::UnexpectedPostHandshakeMessage,
        ),
        (
            ContentType::HANDSHAKE,
            vec![ticket(50), ticket(60)],
            Violation::FragmentContradictsMessage,
        ),
        (ContentType::ALERT, vec![vec![2]], Violation::MalformedAlert),
        (ContentType(99), vec![vec![1]], Violation::UnknownRecordType),
        (ContentType(0), vec![vec![0]], Violation::NoContentType),
    ];
    for (typ, contents, violation) in cases {
        let mut network = connected();
        for content in contents {
            let record = network.sides[1].connection().writer.forge(typ, &content);
            network.inject(0, record);
        }
        check(&mut network, violation);
    }
}

/// After a KeyUpdate of the server, and data under its next key.
fn under_another_key(late: &[u8]) -> Network {
    let mut network = connected();
    let typ = ContentType::HANDSHAKE;
    let late = network.sides[1].connection().writer.forge(typ, late);
    network.sides[1]
        .connection()
        .writer
        .key_update(false)
        .unwrap();
    network.run(&mut |_, datagram| usual(datagram));
    network.say(1, b"under the new one", &mut |_, datagram| usual(datagram));
    network.run(&mut |_, datagram| usual(datagram));
    network.inject(0, late);
    network
}

#[test]
fn a_key_update_under_an_old_key() {
    let content = fragment(HandshakeType::KEY_UPDATE, NEXT + 1, 1, &[0]);
    check(
        &mut under_another_key(&content),
        Violation::MessageInOldEpoch,
    );
}

/// A whole one, the next that is due.
fn ticket() -> Vec<u8> {
    let mut ticket = Vec::new();
    NewSessionTicket::put(&mut ticket, 7_200, 0, &[9], &[7; 30], |_| {});
    let body = &ticket[4..];
    let typ = HandshakeType::NEW_SESSION_TICKET;
    fragment(typ, NEXT, body.len() as u32, body)
}

/// It was sent before the server knew that its KeyUpdate had come, and was lost at first.
#[test]
fn a_late_ticket_under_an_old_key_is_taken() {
    let mut ticket = Vec::new();
    NewSessionTicket::put(&mut ticket, 7_200, 0, &[9], &[7; 30], |_| {});
    let body = &ticket[4..];
    let content = fragment(
        HandshakeType::NEW_SESSION_TICKET,
        NEXT + 1,
        body.len() as u32,
        body,
    );
    let mut network = under_another_key(&content);
    network.run(&mut |_, datagram| usual(datagram));
    network.say(1, b"and on", &mut |_, datagram| usual(datagram));
    network.say(0, b"and on", &mut |_, datagram| usual(datagram));
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.received[0], [&b"under the new one"[..], b"and on"]);
    network.check();
}

/// §8: a KeyUpdate behind a message that is missing is acknowledged when the next key is there, and not
/// before.
#[test]
fn a_key_update_is_acknowledged_when_its_key_is_there() {
    let mut network = connected();
    let update = fragment(HandshakeType::KEY_UPDATE, NEXT + 1, 1, &[0]);
    let typ = ContentType::HANDSHAKE;
    let update = network.sides[1].connection().writer.forge(typ, &update);
    network.inject(0, update);
    let before = network.sent;
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.sent, before, "it was acknowledged");
    let ticket = network.sides[1].connection().writer.forge(typ, &ticket());
    network.inject(0, ticket);
    let mut acknowledgements = Vec::new();
    network.run(&mut |_, datagram| {
        acknowledgements.push(datagram.len());
        usual(datagram)
    });
    // One, of both records: 5 + 2 + 2 * 16 + 1 + 16.
    assert_eq!(acknowledgements, [56]);
}

/// §7: what is neither taken nor kept is not acknowledged, so that its sender says it again.
#[test]
fn what_is_dropped_is_not_acknowledged() {
    // Seven messages are looked at ahead, the next one included.
    for (ahead, is_kept) in [(6, true), (7, false)] {
        let mut network = connected();
        let content = fragment(HandshakeType::NEW_SESSION_TICKET, NEXT + ahead, 9, &[7; 9]);
        let typ = ContentType::HANDSHAKE;
        let record = network.sides[1].connection().writer.forge(typ, &content);
        network.inject(0, record);
        let before = network.sent;
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(network.sent > before, is_kept, "{ahead}");
    }
}

/// What stands beside it in its record is taken all the same, and the record is not acknowledged.
#[test]
fn what_stands_beside_a_piece_that_is_dropped_is_taken() {
    let dropped = fragment(HandshakeType::NEW_SESSION_TICKET, NEXT + 7, 9, &[7; 9]);
    let ticket = ticket();
    for content in [[&dropped[..], &ticket], [&ticket[..], &dropped]] {
        let mut network = connected();
        let typ = ContentType::HANDSHAKE;
        let writer = &mut network.sides[1].connection().writer;
        let record = writer.forge(typ, &content.concat());
        network.inject(0, record);
        let before = network.sent;
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(network.sent, before, "it was acknowledged");
        // The one behind the ticket is due.
        let wrong = fragment(HandshakeType::KEY_UPDATE, NEXT + 1, 1, &[7]);
        let writer = &mut network.sides[1].connection().writer;
        let record = writer.forge(typ, &[&dropped[..], &wrong].concat());
        network.inject(0, record);
        check(&mut network, Violation::BadKeyUpdate);
    }
}

#[test]
fn a_cookie_of_an_older_version() {
    let client = ClientConfig::builder(pki().roots.clone())
        .groups([NamedGroup::X25519])
        .key_shares(KeyShares::Preferred)
        .build();
    let mut network = Network::new(client.unwrap(), server_config());
    network.run(&mut |_, datagram| {
        let Ok(pieces) = hello_pieces(datagram) else {
            return usual(datagram);
        };
        let hello = ClientHello::decode_as(Syntax::Dtls, pieces[0].fragment).unwrap();
        let changed = ClientHello {
            legacy_cookie: Some(b"cookie"),
            ..hello
        };
        let mut message = Vec::new();
        changed.encode(&mut message);
        usual(&plain_message(0, 0, &message))
    });
    let error = network.sides[1].error();
    assert_eq!(error.violation(), Some(Violation::LegacyCookieInHello));
    let told = network.sides[0].error();
    let alert = Violation::LegacyCookieInHello.alert();
    assert!(matches!(told.reason(), Reason::AlertReceived(seen) if *seen == alert));
}
