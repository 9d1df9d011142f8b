//! What stays from one handshake to the next, and what has an end.
//!
//! RFC 6347 §4.1, RFC 9146 §3, RFC 9147 §4.5.3, RFC 9853.

use std::io::IoSlice;

use super::*;
use crate::{DatagramConnection, Heard};

/// The number has 16 bits: with the last one there is no further handshake.
#[test]
fn there_are_65_535_epochs() {
    let mut network = plain();
    run(&mut network);
    talk("epochs", &mut network);
    for side in &mut network.sides {
        let connection = side.connection();
        connection.reader.set_epoch(u16::MAX - 1);
        connection.writer.set_epoch(u16::MAX - 1);
    }
    talk("epochs", &mut network);
    network.renegotiate(0);
    run(&mut network);
    check("epochs", &mut network);
    assert_eq!(
        network.sides[0].connection().reader.newest_epoch(),
        u16::MAX
    );
    talk("epochs", &mut network);
    let connection = network.sides[0].connection();
    let (reader, writer) = (&mut connection.reader, &mut connection.writer);
    assert!(!reader.may_renegotiate());
    let error = Handshake::renegotiate_datagrams(reader, writer, network_now()).unwrap_err();
    assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
    talk("epochs", &mut network);
}

/// RFC 9147 §4.5.3 has the limits of keys; before DTLS 1.3 only another handshake brings one.
#[test]
fn a_key_that_wears_out_wishes_for_another_handshake() {
    let mut network = plain();
    run(&mut network);
    let writer = &mut network.sides[0].connection().writer;
    assert!(!writer.wishes_to_renegotiate());
    writer.wear_out(2_000);
    talk("worn", &mut network);
    assert!(network.sides[0].connection().writer.wishes_to_renegotiate());
    assert!(!network.sides[1].connection().writer.wishes_to_renegotiate());
    network.renegotiate(0);
    run(&mut network);
    check("worn", &mut network);
    assert!(!network.sides[0].connection().writer.wishes_to_renegotiate());
    talk("worn", &mut network);

    // As many bytes as the configuration says.
    let mut network = of(client(V1_2).key_update_at(1_000), server(V1_2));
    run(&mut network);
    network.say(0, &[7; 999], &mut |_, datagram| usual(datagram));
    assert!(!network.sides[0].connection().writer.wishes_to_renegotiate());
    network.say(0, &[7; 2], &mut |_, datagram| usual(datagram));
    assert!(network.sides[0].connection().writer.wishes_to_renegotiate());

    // Where there may be none the connection ends with its key.
    let mut network = of(
        client(V1_2).renegotiation(Renegotiation::Decline),
        server(V1_2),
    );
    run(&mut network);
    let writer = &mut network.sides[0].connection().writer;
    writer.wear_out(1_024);
    let mut out = vec![0; writer.sealed_len(1)];
    let error = writer.seal(&[IoSlice::new(b"x")], &mut out).unwrap_err();
    assert_eq!(error.violation(), Some(Violation::AeadLimitReached));
    assert!(!writer.wishes_to_renegotiate());
}

#[test]
fn connection_ids_stay() {
    let mut network = identified();
    run(&mut network);
    for side in [0, 1] {
        network.renegotiate(side);
        run(&mut network);
        check("ids", &mut network);
        talk("ids", &mut network);
        let connection = network.sides[0].connection();
        assert_eq!(connection.reader.connection_id(), Some(id(&[1, 2, 3])));
        assert_eq!(connection.writer.connection_id(), id(&[4; 8]));
    }
    // The server says another one, or none.
    for body in [Some(&[2, 9, 9][..]), None] {
        let mut network = identified();
        run(&mut network);
        network.tamper = Some(first(HandshakeType::SERVER_HELLO, move |raw| {
            vec![Put::Message(server_hello(raw, |hello| match body {
                Some(body) => hello.extensions.set(ExtensionType::CONNECTION_ID, body),
                None => hello.extensions.remove(ExtensionType::CONNECTION_ID),
            }))]
        }));
        network.renegotiate(0);
        run(&mut network);
        let violation = network.sides[0].error().violation();
        assert_eq!(violation, Some(Violation::RenegotiationChangedConnectionId));
    }
}

#[test]
fn the_profile_of_srtp_stays() {
    let profile = SrtpProfile::AEAD_AES_256_GCM;
    let network = || {
        let mut network = of(client(V1_2).srtp([profile]), server(V1_2).srtp([profile]));
        run(&mut network);
        network
    };
    let mut settled = network();
    settled.renegotiate(0);
    run(&mut settled);
    check("srtp", &mut settled);
    for side in &mut settled.sides {
        assert_eq!(side.connection().information.srtp_profile(), Some(profile));
    }
    let mut lost = network();
    lost.tamper = Some(first(HandshakeType::SERVER_HELLO, |raw| {
        vec![Put::Message(server_hello(raw, |hello| {
            hello.extensions.remove(ExtensionType::USE_SRTP);
        }))]
    }));
    lost.renegotiate(0);
    run(&mut lost);
    let violation = lost.sides[0].error().violation();
    assert_eq!(violation, Some(Violation::RenegotiationChangedSrtp));
}

/// What side 0 has sealed for side 1, which is in a handshake.
fn heard(network: &mut Network, seal: impl FnOnce(&mut DatagramConnection) -> Vec<u8>) -> Heard {
    let datagram = seal(network.sides[0].connection());
    let now = network.now();
    let Side::Handshake(handshake) = &mut network.sides[1] else {
        panic!("it is over");
    };
    handshake.receive(&datagram, now);
    handshake.heard()
}

fn say(connection: &mut DatagramConnection) -> Vec<u8> {
    let mut out = vec![0; connection.writer.sealed_len(1)];
    connection
        .writer
        .seal(&[IoSlice::new(b"x")], &mut out)
        .unwrap();
    out
}

/// RFC 9853: a peer may be followed while a handshake goes on.
#[test]
fn paths_are_checked_meanwhile() {
    let mut network = identified();
    run(&mut network);
    talk("paths", &mut network);
    network.renegotiate(1);
    let mut old = Vec::new();
    let first = heard(&mut network, |client| {
        old = say(client);
        say(client)
    });
    assert!(first.has_opened && first.is_newest);
    let copied = old.clone();
    let before = heard(&mut network, |_| copied);
    assert!(before.has_opened && !before.is_newest);
    // Once more, and garbage.
    let forged = [&old[..13], &[0; 40]].concat();
    for datagram in [old, forged, Vec::new()] {
        let nothing = heard(&mut network, |_| datagram);
        assert_eq!(nothing, Heard::default());
    }
    // The client asks, and so does the server.
    let mut asked = [0; 8];
    let challenge = heard(&mut network, |client| {
        let mut out = vec![0; 256];
        let (cookie, length) = client.writer.path_challenge(&mut out).unwrap();
        asked = cookie;
        out.truncate(length);
        out
    });
    assert_eq!(
        (challenge.challenge, challenge.response),
        (Some(asked), None)
    );
    let Side::Handshake(handshake) = &mut network.sides[1] else {
        panic!("it is over");
    };
    let (mut out, mut answer) = (vec![0; 256], vec![0; 256]);
    let (cookie, length) = handshake.path_challenge(&mut out).unwrap();
    out.truncate(length);
    let length = handshake.path_response(asked, &mut answer).unwrap();
    answer.truncate(length);
    assert!(handshake.path_challenge(&mut [0; 10]).is_err());
    let now = network.now().monotonic;
    let client = network.sides[0].connection();
    let mut records = client.reader.open(&mut answer, now);
    let response = crate::record::Received::PathResponse(asked);
    assert_eq!(records.next().unwrap(), Some(response));
    let mut records = client.reader.open(&mut out, now);
    let question = crate::record::Received::PathChallenge(cookie);
    assert_eq!(records.next().unwrap(), Some(question));
    let answered = heard(&mut network, |client| {
        let mut out = vec![0; 256];
        let length = client.writer.path_response(cookie, &mut out).unwrap();
        out.truncate(length);
        out
    });
    assert_eq!(
        (answered.challenge, answered.response),
        (None, Some(cookie))
    );
    run(&mut network);
    check("paths", &mut network);
    talk("paths", &mut network);
}

#[test]
fn a_message_about_a_path_that_is_none_ends_it() {
    let mut network = identified();
    run(&mut network);
    network.renegotiate(1);
    let typ = ContentType::RETURN_ROUTABILITY_CHECK;
    let _broken = heard(&mut network, |client| client.writer.forge(typ, &[0, 1]));
    run(&mut network);
    let violation = network.sides[1].error().violation();
    assert_eq!(violation, Some(Violation::MalformedPathMessage));
}

/// Not in a first handshake, nor where nothing was agreed on.
#[test]
fn no_path_is_checked_where_that_was_not_agreed_on() {
    for mut network in [identified(), plain()] {
        let Side::Handshake(handshake) = &mut network.sides[0] else {
            panic!("it is over");
        };
        let error = handshake.path_challenge(&mut [0; 256]).unwrap_err();
        assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
    }
    let mut network = plain();
    run(&mut network);
    network.renegotiate(0);
    let Side::Handshake(handshake) = &mut network.sides[0] else {
        panic!("it is over");
    };
    let error = handshake.path_response([0; 8], &mut [0; 256]).unwrap_err();
    assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
    run(&mut network);
    check("no paths", &mut network);
}
