//! Rules about what may come once the handshake is over (RFC 8446 §4.6).

use super::super::attack::{By, connected, read_all, refused_after, transmitted};
use super::super::parts::message;
use super::super::tamper::Put;
use crate::wire::codec::{put_vec8, put_vec16};
use crate::wire::{ContentType, HandshakeType as T};
use crate::{Direction, Stage, Violation as V};

pub(super) type Puts = fn() -> Vec<Put>;

pub(super) const CASES: &[(V, By, Puts)] = &[
    (V::BadKeyUpdate, By::Server, || {
        handshake(T::KEY_UPDATE, &[2])
    }),
    (V::BadKeyUpdate, By::Client, || {
        handshake(T::KEY_UPDATE, &[2])
    }),
    (V::TooManyKeyUpdates, By::Client, || {
        times(33, &key_update())
    }),
    (V::TooManyTickets, By::Server, || {
        times(256, &handshake(T::NEW_SESSION_TICKET, &ticket(1)))
    }),
    (V::TicketLifetimeTooLong, By::Server, || {
        handshake(T::NEW_SESSION_TICKET, &ticket(604_801))
    }),
    // key_share does not belong here, whatever is in it (§4.2).
    (V::ExtensionMisplaced, By::Server, || {
        let mut body = ticket(1);
        body.truncate(body.len() - 2);
        body.extend([0, 4, 0, 51, 0, 0]);
        handshake(T::NEW_SESSION_TICKET, &body)
    }),
    (V::UnexpectedPostHandshakeMessage, By::Client, || {
        handshake(T::NEW_SESSION_TICKET, &ticket(1))
    }),
    (V::UnexpectedPostHandshakeMessage, By::Server, || {
        handshake(T::FINISHED, &[0; 48])
    }),
    (V::UnexpectedPostHandshakeMessage, By::Server, || {
        handshake(T::HELLO_REQUEST, &[])
    }),
    (V::UnexpectedPostHandshakeMessage, By::Client, || {
        handshake(T::CLIENT_HELLO, &[0; 40])
    }),
    (V::AuthenticationNotOffered, By::Server, || {
        handshake(T::CERTIFICATE_REQUEST, &[0, 0, 0])
    }),
    (V::TooManyEmptyRecords, By::Server, || {
        vec![Put::Record(ContentType::APPLICATION_DATA, vec![]); 33]
    }),
    (V::TooManyWarnings, By::Server, || {
        vec![Put::Record(ContentType::ALERT, vec![1, 90]); 5]
    }),
    (V::EmptyRecord, By::Server, || {
        vec![Put::Record(ContentType::HANDSHAKE, vec![])]
    }),
    (V::NoContentType, By::Server, || {
        vec![Put::Record(ContentType(0), vec![])]
    }),
    (V::UnknownRecordType, By::Server, || {
        vec![Put::Record(ContentType(24), vec![1])]
    }),
    (V::UnexpectedChangeCipherSpec, By::Server, || {
        vec![Put::Raw(vec![20, 3, 3, 0, 1, 1])]
    }),
    (V::UnprotectedRecord, By::Server, || {
        vec![Put::Raw(vec![21, 3, 3, 0, 2, 1, 0])]
    }),
    (V::InterleavedRecord, By::Server, || {
        vec![
            Put::Unhashed(message(T::KEY_UPDATE, &[0])[..3].to_vec()),
            Put::Record(ContentType::APPLICATION_DATA, b"between".to_vec()),
        ]
    }),
    (V::MessageSpansKeyChange, By::Server, || {
        vec![Put::Unhashed(message(T::KEY_UPDATE, &[0]).repeat(2))]
    }),
    (V::HandshakeMessageTooLong, By::Server, || {
        vec![Put::Unhashed(vec![
            T::NEW_SESSION_TICKET.0,
            0xff,
            0xff,
            0xff,
        ])]
    }),
    (V::MalformedMessage, By::Server, || {
        handshake(T::KEY_UPDATE, &[])
    }),
];

pub(super) fn handshake(typ: T, body: &[u8]) -> Vec<Put> {
    vec![Put::Unhashed(message(typ, body))]
}

pub(super) fn times(count: usize, puts: &[Put]) -> Vec<Put> {
    puts.iter()
        .cycle()
        .take(count * puts.len())
        .cloned()
        .collect()
}

fn key_update() -> Vec<Put> {
    let mut puts = handshake(T::KEY_UPDATE, &[0]);
    puts.push(Put::UpdateKeys);
    puts
}

fn ticket(lifetime: u32) -> Vec<u8> {
    let mut body = lifetime.to_be_bytes().to_vec();
    body.extend([0; 4]);
    put_vec8(&mut body, |_| {});
    put_vec16(&mut body, |out| out.push(7));
    put_vec16(&mut body, |_| {});
    body
}

#[test]
fn each_costs_its_alert() {
    for (violation, by, puts) in CASES {
        let error = refused_after(*by, &puts());
        assert_eq!(error.violation(), Some(*violation), "{error}");
        assert_eq!(error.stage(), Stage::Connected);
        assert_eq!(error.alert(), Some((Direction::Sent, violation.alert())));
    }
}

#[test]
fn the_most_that_is_allowed() {
    let allowed: [Vec<Put>; 4] = [
        times(32, &key_update()),
        times(255, &handshake(T::NEW_SESSION_TICKET, &ticket(604_800))),
        vec![Put::Record(ContentType::APPLICATION_DATA, vec![]); 32],
        vec![Put::Record(ContentType::ALERT, vec![1, 90]); 4],
    ];
    let data = Put::Record(ContentType::APPLICATION_DATA, b"progress".to_vec());
    let (mut victim, mut attacker) = connected(By::Server);
    // Data in between starts every count anew.
    for puts in allowed.iter().chain(&allowed) {
        puts.iter().chain([&data]).for_each(|put| attacker.put(put));
        let bytes = transmitted(&mut attacker);
        assert_eq!(read_all(&mut victim.reader, bytes).unwrap(), b"progress");
    }
}
