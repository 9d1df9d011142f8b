//! RFC 8446 §5.1: records before there are keys. Nothing here calls AWS-LC, so that Miri can run it.

use super::incoming::{accepted, drain, incoming, refused};
use super::*;
use crate::error::Abort;
use crate::record::stream::Incoming;

#[test]
fn one_byte_feeds_move_each_byte_a_bounded_number_of_times() {
    // An interpreter is slow.
    let length = if cfg!(miri) { 50 } else { 16000 };
    let mut incoming = incoming(Role::Server);
    let stream = plain(HANDSHAKE, &message(1, &vec![7; length])).repeat(3);
    let mut seen = 0;
    for byte in &stream {
        incoming.feed(core::slice::from_ref(byte));
        seen += drain(&mut incoming).0.len();
    }
    assert_eq!(seen, 3);
    assert!(incoming.take_unread().is_empty());
}

#[test]
fn what_is_no_tls_is_named_by_its_first_bytes() {
    let mut incoming = incoming(Role::Server);
    incoming.feed(b"GET ");
    assert!(incoming.next().unwrap().is_none());
    incoming.feed(b"/ HTTP/1.1");
    let Err(Abort(Reason::NotTls { first_bytes })) = incoming.next() else {
        panic!("taken for TLS");
    };
    assert_eq!(&first_bytes, b"GET /");
    assert_eq!(incoming.take_unread(), b"GET / HTTP/1.1");
}

#[test]
fn only_the_first_record_can_be_no_tls() {
    let mut incoming = incoming(Role::Server);
    assert_eq!(
        accepted(&mut incoming, &plain(HANDSHAKE, &message(1, b"x"))).len(),
        1
    );
    assert_eq!(
        refused(&mut incoming, b"GET / HTTP"),
        Violation::UnknownRecordType
    );
}

#[test]
fn a_message_too_long_is_refused_on_its_header() {
    let mut incoming = Incoming::new(Role::Server, 100);
    let small = plain(HANDSHAKE, &message(1, &[0; 100]));
    assert_eq!(accepted(&mut incoming, &small).len(), 1);
    assert_eq!(
        refused(&mut incoming, &plain(HANDSHAKE, &[1, 0, 0, 101])),
        Violation::HandshakeMessageTooLong
    );
}

#[test]
fn unprotected_messages_come_out_whole_however_they_are_cut() {
    let messages = [message(1, &[5; 70]), message(2, b""), message(3, &[6; 3])];
    let flight = messages.concat();
    for fragment in [1, 4, 73, 74, 75, flight.len()] {
        let stream: Vec<u8> = flight
            .chunks(fragment)
            .flat_map(|content| plain(HANDSHAKE, content))
            .collect();
        for step in [1, 6, stream.len()] {
            let mut incoming = incoming(Role::Server);
            let mut seen = Vec::new();
            for piece in stream.chunks(step) {
                seen.extend(accepted(&mut incoming, piece));
            }
            assert_eq!(seen, messages, "fragments of {fragment}, reads of {step}");
        }
    }
}

#[test]
fn unprotected_records_that_may_not_be() {
    let cases: &[(Vec<u8>, Violation)] = &[
        (vec![22, 3, 3, 0x41, 1], Violation::RecordTooLong),
        (plain(HANDSHAKE, b""), Violation::EmptyRecord),
        (plain(ALERT, &[2]), Violation::MalformedAlert),
        (plain(ALERT, &[3, 40]), Violation::UnknownAlertLevel),
    ];
    for (bytes, expected) in cases {
        assert_eq!(refused(&mut incoming(Role::Client), bytes), *expected);
    }
}
