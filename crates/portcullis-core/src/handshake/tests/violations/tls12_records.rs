//! Rules about records and alerts before TLS 1.3 (RFC 5246 §6.2, §7.1, §7.2), and about what may come
//! after the handshake (§7.4.1).

use super::super::attack::{By, Case, connected_with, read_all, refused_after_with, transmitted};
use super::super::older::{older_client, older_server};
use super::super::parts::message;
use super::super::tamper::{Put, Tamper, first};
use super::after::{Puts, handshake, times};
use crate::wire::{ContentType, HandshakeType as T};
use crate::{Direction, Stage, Violation as V};

const CHANGE_CIPHER_SPEC: [u8; 6] = [20, 3, 3, 0, 1, 1];

/// Before the first message of a type these go out; it follows.
fn before(typ: T, puts: Vec<Put>) -> Tamper {
    first(typ, move |raw| {
        let mut all = puts.clone();
        all.push(Put::Message(raw.to_vec()));
        all
    })
}

fn case(violation: V, by: By, stage: Stage, tamper: Tamper) -> Case {
    Case::new(violation, by, stage, tamper)
        .client(older_client())
        .server(older_server())
}

/// Once the version is decided, without protection.
fn plain(violation: V, bytes: &[u8]) -> Case {
    let tamper = before(T::CERTIFICATE, vec![Put::Raw(bytes.to_vec())]);
    case(violation, By::Server, Stage::WaitCertificate, tamper)
}

/// Under the keys, as they are before Finished.
fn sealed(violation: V, by: By, typ: u8, content: &[u8]) -> Case {
    let record = Put::Record(ContentType(typ), content.to_vec());
    let tamper = before(T::FINISHED, vec![record]);
    case(violation, by, Stage::WaitFinished, tamper)
}

/// Not under the keys although it should be.
fn bare(violation: V, bytes: &[u8]) -> Case {
    let tamper = before(T::FINISHED, vec![Put::Raw(bytes.to_vec())]);
    case(violation, By::Server, Stage::WaitFinished, tamper)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = unprotected();
    cases.extend(protected());
    cases
}

fn unprotected() -> Vec<Case> {
    let warning = [21, 3, 3, 0, 2, 1, 112];
    let long = |typ| [&[typ, 3, 3, 0x40, 1][..], &[0; 0x4001]].concat();
    let split = |between: Vec<u8>| {
        first(T::CERTIFICATE, move |raw| {
            let (front, back) = raw.split_at(40);
            vec![
                Put::Message(front.to_vec()),
                Put::Raw(between.clone()),
                Put::Message(back.to_vec()),
            ]
        })
    };
    let at = Stage::WaitCertificate;
    vec![
        // Before, any 3.x will do; then it is that of the version (BoGo: CheckRecordVersion-*).
        plain(V::RecordVersionChanged, &[22, 3, 1, 0, 1, 0]),
        plain(V::RecordVersionChanged, &[22, 3, 4, 0, 1, 0]),
        plain(V::WrongRecordVersion, &[22, 2, 3, 0, 1, 0]),
        plain(V::UnknownRecordType, &[24, 3, 3, 0, 1, 0]),
        plain(V::RecordTooLong, &[22, 3, 3, 0x48, 1]),
        plain(V::PlaintextTooLong, &long(22)),
        plain(V::PlaintextTooLong, &long(23)),
        plain(V::EmptyRecord, &[22, 3, 3, 0, 0]),
        plain(V::EmptyRecord, &[21, 3, 3, 0, 0]),
        plain(V::ApplicationDataTooEarly, &[23, 3, 3, 0, 1, 7]),
        plain(V::MalformedChangeCipherSpec, &[20, 3, 3, 0, 1, 2]),
        plain(V::MalformedChangeCipherSpec, &[20, 3, 3, 0, 2, 1, 1]),
        plain(V::MalformedChangeCipherSpec, &[20, 3, 3, 0, 0]),
        plain(V::UnexpectedChangeCipherSpec, &CHANGE_CIPHER_SPEC),
        plain(V::MalformedAlert, &[21, 3, 3, 0, 1, 2]),
        plain(V::UnknownAlertLevel, &[21, 3, 3, 0, 2, 3, 40]),
        plain(V::TooManyWarnings, &warning.repeat(5)),
        plain(V::UnknownHandshakeType, &[22, 3, 3, 0, 4, 99, 0, 0, 0]),
        plain(
            V::HandshakeMessageTooLong,
            &[22, 3, 3, 0, 4, 11, 0xff, 0xff, 0xff],
        ),
        // One that meant nothing when it came, and would have meant something.
        case(
            V::UnexpectedChangeCipherSpec,
            By::Server,
            Stage::WaitServerHello,
            before(T::SERVER_HELLO, vec![Put::Raw(CHANGE_CIPHER_SPEC.into())]),
        ),
        case(
            V::UnexpectedChangeCipherSpec,
            By::Client,
            Stage::WaitClientHello,
            before(T::CLIENT_HELLO, vec![Put::Raw(CHANGE_CIPHER_SPEC.into())]),
        ),
        case(
            V::InterleavedRecord,
            By::Server,
            at,
            split(CHANGE_CIPHER_SPEC.into()),
        ),
        case(
            V::InterleavedRecord,
            By::Server,
            at,
            split(vec![23, 3, 3, 0, 1, 7]),
        ),
    ]
}

fn protected() -> Vec<Case> {
    let mut cases = vec![
        bare(V::BadRecordMac, &[22, 3, 3, 0, 4, 20, 0, 0, 12]),
        bare(V::BadRecordMac, &[21, 3, 3, 0, 2, 2, 40]),
        bare(
            V::BadRecordMac,
            &[&[22, 3, 3, 0, 40][..], &[0; 40]].concat(),
        ),
        bare(V::BadRecordMac, &CHANGE_CIPHER_SPEC),
        bare(V::RecordVersionChanged, &[22, 3, 1, 0, 40]),
        bare(V::WrongRecordVersion, &[22, 4, 3, 0, 40]),
        bare(V::UnknownRecordType, &[24, 3, 3, 0, 40]),
        bare(V::RecordTooLong, &[22, 3, 3, 0x48, 1]),
        case(
            V::RecordBeyondLimit,
            By::Server,
            Stage::WaitFinished,
            first(T::FINISHED, |raw| {
                let more = [raw, &[0; 64]].concat();
                vec![Put::Record(ContentType::HANDSHAKE, more)]
            }),
        )
        .client(older_client().record_size_limit(64)),
    ];
    for by in [By::Client, By::Server] {
        cases.extend([
            // Once, and not under the keys that it begins.
            sealed(V::UnexpectedChangeCipherSpec, by, 20, &[1]),
            sealed(V::ApplicationDataTooEarly, by, 23, b"too early"),
            sealed(V::EmptyRecord, by, 22, &[]),
            sealed(V::EmptyRecord, by, 21, &[]),
            sealed(V::PlaintextTooLong, by, 22, &[0; 16_385]),
            sealed(V::MalformedAlert, by, 21, &[2, 40, 2]),
            sealed(V::UnknownAlertLevel, by, 21, &[0, 40]),
            case(
                V::InterleavedRecord,
                by,
                Stage::WaitFinished,
                first(T::FINISHED, |raw| {
                    vec![
                        Put::Message(raw[..3].to_vec()),
                        Put::Record(ContentType::APPLICATION_DATA, b"between".to_vec()),
                        Put::Message(raw[3..].to_vec()),
                    ]
                }),
            ),
        ]);
    }
    cases
}

/// A ClientHello of as many bytes.
fn client_hello(length: u32) -> Vec<u8> {
    let mut raw = vec![T::CLIENT_HELLO.0];
    raw.extend_from_slice(&length.to_be_bytes()[1..]);
    raw
}

pub(super) const AFTER: &[(V, By, Puts)] = &[
    (V::TooManyRenegotiations, By::Server, || {
        asking(5, &handshake(T::HELLO_REQUEST, &[]))
    }),
    (V::TooManyRenegotiations, By::Client, || {
        asking(5, &handshake(T::CLIENT_HELLO, &[0; 40]))
    }),
    // The server waits for the answer now.
    (V::MessageAfterFlight, By::Server, || {
        vec![Put::Unhashed(message(T::HELLO_REQUEST, &[]).repeat(2))]
    }),
    (V::MessageAfterFlight, By::Client, || {
        let one = message(T::CLIENT_HELLO, &[0; 40]);
        vec![Put::Unhashed([&one[..], &[T::CLIENT_HELLO.0]].concat())]
    }),
    // BoGo: BadHelloRequest-1.
    (V::MalformedMessage, By::Server, || {
        handshake(T::HELLO_REQUEST, &[7])
    }),
    (V::HandshakeMessageTooLong, By::Client, || {
        vec![Put::Unhashed(client_hello(48 * 1_024))]
    }),
    (V::UnexpectedPostHandshakeMessage, By::Client, || {
        handshake(T::HELLO_REQUEST, &[])
    }),
    (V::UnexpectedPostHandshakeMessage, By::Server, || {
        handshake(T::CLIENT_HELLO, &[0; 40])
    }),
    (V::UnexpectedPostHandshakeMessage, By::Server, || {
        handshake(T::KEY_UPDATE, &[0])
    }),
    (V::UnexpectedPostHandshakeMessage, By::Client, || {
        handshake(T::KEY_UPDATE, &[1])
    }),
    (V::UnexpectedPostHandshakeMessage, By::Server, || {
        handshake(T::NEW_SESSION_TICKET, &[0, 0, 0, 9, 0, 1, 7])
    }),
    (V::UnexpectedPostHandshakeMessage, By::Server, || {
        handshake(T::FINISHED, &[0; 12])
    }),
    (V::TooManyEmptyRecords, By::Server, || {
        vec![Put::Record(ContentType::APPLICATION_DATA, vec![]); 33]
    }),
    (V::TooManyWarnings, By::Server, || {
        vec![Put::Record(ContentType::ALERT, vec![1, 100]); 5]
    }),
    (V::TooManyWarnings, By::Client, || {
        vec![Put::Record(ContentType::ALERT, vec![1, 90]); 5]
    }),
    (V::EmptyRecord, By::Server, || {
        vec![Put::Record(ContentType::HANDSHAKE, vec![])]
    }),
    (V::UnexpectedChangeCipherSpec, By::Server, || {
        vec![Put::Record(ContentType::CHANGE_CIPHER_SPEC, vec![1])]
    }),
    (V::BadRecordMac, By::Server, || {
        vec![Put::Raw(CHANGE_CIPHER_SPEC.to_vec())]
    }),
    (V::BadRecordMac, By::Client, || {
        vec![Put::Raw(vec![21, 3, 3, 0, 2, 1, 0])]
    }),
    (V::UnknownRecordType, By::Server, || {
        vec![Put::Raw(vec![24, 3, 3, 0, 1, 1])]
    }),
    (V::RecordVersionChanged, By::Server, || {
        vec![Put::Raw(vec![23, 3, 1, 0, 40])]
    }),
    (V::PlaintextTooLong, By::Server, || {
        vec![Put::Record(ContentType::APPLICATION_DATA, vec![0; 16_385])]
    }),
    (V::InterleavedRecord, By::Server, || {
        vec![
            Put::Unhashed(vec![T::HELLO_REQUEST.0, 0, 0]),
            Put::Record(ContentType::APPLICATION_DATA, b"between".to_vec()),
        ]
    }),
];

/// Each in a record of its own.
fn asking(count: usize, puts: &[Put]) -> Vec<Put> {
    times(count, &[puts, &[Put::Cut]].concat())
}

#[test]
fn each_costs_its_alert() {
    for (violation, by, puts) in AFTER {
        let error = refused_after_with(*by, older_client(), older_server(), &puts());
        assert_eq!(error.violation(), Some(*violation), "{error}");
        assert_eq!(error.stage(), Stage::Connected);
        assert_eq!(error.alert(), Some((Direction::Sent, violation.alert())));
    }
}

#[test]
fn the_most_that_is_allowed() {
    let data = Put::Record(ContentType::APPLICATION_DATA, b"progress".to_vec());
    for by in [By::Client, By::Server] {
        let asks = match by {
            By::Client => handshake(T::CLIENT_HELLO, &[0; 40]),
            By::Server => handshake(T::HELLO_REQUEST, &[]),
        };
        let allowed: [Vec<Put>; 3] = [
            asking(4, &asks),
            vec![Put::Record(ContentType::APPLICATION_DATA, vec![]); 32],
            vec![Put::Record(ContentType::ALERT, vec![1, 100]); 4],
        ];
        let (mut victim, mut attacker) = connected_with(by, older_client(), older_server());
        // Data in between starts every count anew.
        for puts in allowed.iter().chain(&allowed) {
            puts.iter().chain([&data]).for_each(|put| attacker.put(put));
            let bytes = transmitted(&mut attacker);
            assert_eq!(read_all(&mut victim.reader, bytes).unwrap(), b"progress");
        }
    }
}
