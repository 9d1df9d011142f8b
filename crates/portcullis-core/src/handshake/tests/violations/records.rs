//! Rules about records, alerts and what all handshake messages have in common.

use super::super::attack::{By, Case, client};
use super::super::parts::{body, client_hello, encrypted_extensions, message, server_hello};
use super::super::tamper::{Put, Tamper, first};
use crate::wire::{ContentType, ExtensionType as E, HandshakeType as T};
use crate::{Stage, Violation as V};

const CHANGE_CIPHER_SPEC: [u8; 6] = [20, 3, 3, 0, 1, 1];

/// Before the first message of a type these go out; it follows.
fn before(typ: T, puts: impl Fn(&[u8]) -> Vec<Put> + Send + 'static) -> Tamper {
    first(typ, move |raw| {
        let mut all = puts(raw);
        all.push(Put::Message(raw.to_vec()));
        all
    })
}

/// Before the ServerHello, that is without protection.
fn plain(violation: V, bytes: &[u8]) -> Case {
    let bytes = bytes.to_vec();
    let tamper = before(T::SERVER_HELLO, move |_| vec![Put::Raw(bytes.clone())]);
    Case::new(violation, By::Server, Stage::WaitServerHello, tamper)
}

/// After the ServerHello, and not protected although it should be.
fn bare(violation: V, bytes: &[u8]) -> Case {
    let bytes = bytes.to_vec();
    let tamper = before(T::ENCRYPTED_EXTENSIONS, move |_| {
        vec![Put::Raw(bytes.clone())]
    });
    Case::new(
        violation,
        By::Server,
        Stage::WaitEncryptedExtensions,
        tamper,
    )
}

/// After the ServerHello, protected.
fn sealed(violation: V, typ: u8, content: &[u8]) -> Case {
    let content = content.to_vec();
    let tamper = before(T::ENCRYPTED_EXTENSIONS, move |_| {
        vec![Put::Record(ContentType(typ), content.clone())]
    });
    Case::new(
        violation,
        By::Server,
        Stage::WaitEncryptedExtensions,
        tamper,
    )
}

/// In the place of EncryptedExtensions.
fn instead(violation: V, change: fn(&[u8]) -> Vec<u8>) -> Case {
    let tamper = first(T::ENCRYPTED_EXTENSIONS, move |raw| {
        vec![Put::Message(change(raw))]
    });
    Case::new(
        violation,
        By::Server,
        Stage::WaitEncryptedExtensions,
        tamper,
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = unprotected();
    cases.extend(protected());
    cases.extend(alerts());
    cases.extend(messages());
    cases
}

fn unprotected() -> Vec<Case> {
    vec![
        plain(V::WrongRecordVersion, &[22, 2, 0, 0, 1, 0]),
        plain(V::RecordTooLong, &[23, 3, 3, 0x41, 1]),
        plain(V::PlaintextTooLong, &[22, 3, 3, 0x40, 1]),
        plain(V::EmptyRecord, &[22, 3, 3, 0, 0]),
        plain(V::EmptyRecord, &[21, 3, 3, 0, 0]),
        plain(V::MalformedChangeCipherSpec, &[20, 3, 3, 0, 1, 2]),
        plain(V::MalformedChangeCipherSpec, &[20, 3, 3, 0, 2, 1, 1]),
        plain(V::TooManyChangeCipherSpecs, &CHANGE_CIPHER_SPEC.repeat(33)),
        plain(V::ApplicationDataTooEarly, &[23, 3, 3, 0, 1, 7]),
        plain(V::NotTls, b"HTTP/1.1 400 Bad Request\r\n"),
        Case::new(
            V::NotTls,
            By::Client,
            Stage::WaitClientHello,
            before(T::CLIENT_HELLO, |_| {
                vec![Put::Raw(b"GET / HTTP/1.1\r\n\r\n".to_vec())]
            }),
        ),
        Case::new(
            V::UnexpectedChangeCipherSpec,
            By::Client,
            Stage::WaitClientHello,
            before(T::CLIENT_HELLO, |_| {
                vec![Put::Raw(CHANGE_CIPHER_SPEC.to_vec())]
            }),
        ),
        Case::new(
            V::InterleavedRecord,
            By::Server,
            Stage::WaitServerHello,
            first(T::SERVER_HELLO, |raw| {
                let (front, back) = raw.split_at(40);
                vec![
                    Put::Message(front.to_vec()),
                    Put::Raw(CHANGE_CIPHER_SPEC.to_vec()),
                    Put::Message(back.to_vec()),
                ]
            }),
        ),
        Case::new(
            V::MessageSpansKeyChange,
            By::Server,
            Stage::WaitServerHello,
            first(T::SERVER_HELLO, |raw| {
                vec![
                    Put::Message(raw.to_vec()),
                    Put::Message(message(T::ENCRYPTED_EXTENSIONS, &[0, 0])),
                ]
            }),
        ),
        Case::new(
            V::TooMuchEarlyData,
            By::Client,
            Stage::WaitFinished,
            first(T::CLIENT_HELLO, |raw| {
                let record = [&[23, 3, 3, 0x20, 0][..], &[0; 0x2000]].concat();
                vec![
                    Put::Message(client_hello(raw, |hello| {
                        hello.extensions.add(E::EARLY_DATA, [])
                    })),
                    Put::Raw(record.repeat(3)),
                ]
            }),
        ),
    ]
}

fn protected() -> Vec<Case> {
    let part_of_a_message = |typ, content: &'static [u8]| {
        first(T::ENCRYPTED_EXTENSIONS, move |raw| {
            vec![
                Put::Message(raw[..3].to_vec()),
                Put::Record(typ, content.to_vec()),
                Put::Message(raw[3..].to_vec()),
            ]
        })
    };
    vec![
        bare(V::UnknownRecordType, &[99, 3, 3, 0, 1, 0]),
        bare(V::UnknownRecordType, &[24, 3, 3, 0, 1, 0]),
        bare(V::RecordVersionChanged, &[23, 3, 1, 0, 32]),
        bare(V::UnprotectedRecord, &[22, 3, 3, 0, 6, 8, 0, 0, 2, 0, 0]),
        bare(V::UnprotectedRecord, &[21, 3, 3, 0, 2, 2, 40]),
        bare(
            V::BadRecordMac,
            &[&[23, 3, 3, 0, 32][..], &[0; 32]].concat(),
        ),
        bare(V::BadRecordMac, &[23, 3, 3, 0, 1, 0]),
        sealed(V::UnknownRecordType, 99, b"?"),
        sealed(V::UnexpectedChangeCipherSpec, 20, &[1]),
        sealed(V::NoContentType, 0, &[]),
        sealed(V::NoContentType, 0, &[0; 100]),
        sealed(V::EmptyRecord, 22, &[]),
        sealed(V::EmptyRecord, 21, &[]),
        sealed(V::ApplicationDataTooEarly, 23, b"too early"),
        sealed(V::PlaintextTooLong, 22, &[0; 16_385]),
        Case::new(
            V::InterleavedRecord,
            By::Server,
            Stage::WaitEncryptedExtensions,
            part_of_a_message(ContentType::APPLICATION_DATA, b"between"),
        ),
        Case::new(
            V::InterleavedRecord,
            By::Server,
            Stage::WaitEncryptedExtensions,
            part_of_a_message(ContentType::ALERT, &[1, 90]),
        ),
        Case::new(
            V::MessageSpansKeyChange,
            By::Server,
            Stage::WaitFinished,
            first(T::FINISHED, |raw| {
                vec![
                    Put::Message(raw.to_vec()),
                    Put::Message(vec![T::KEY_UPDATE.0]),
                ]
            }),
        ),
        Case::new(
            V::MessageSpansKeyChange,
            By::Client,
            Stage::WaitFinished,
            first(T::FINISHED, |raw| {
                vec![
                    Put::Message(raw.to_vec()),
                    Put::Message(vec![T::KEY_UPDATE.0]),
                ]
            }),
        ),
        Case::new(
            V::RecordBeyondLimit,
            By::Server,
            Stage::WaitCertificateOrRequest,
            first(T::CERTIFICATE, |raw| {
                vec![Put::Record(ContentType::HANDSHAKE, raw.to_vec())]
            }),
        )
        .client(client().record_size_limit(64)),
    ]
}

fn alerts() -> Vec<Case> {
    let warning = [21, 3, 3, 0, 2, 1, 90];
    vec![
        plain(V::MalformedAlert, &[21, 3, 3, 0, 1, 2]),
        plain(V::MalformedAlert, &[21, 3, 3, 0, 4, 2, 40, 2, 40]),
        plain(V::UnknownAlertLevel, &[21, 3, 3, 0, 2, 3, 40]),
        plain(V::TooManyWarnings, &warning.repeat(5)),
        sealed(V::MalformedAlert, 21, &[2, 40, 2]),
        sealed(V::UnknownAlertLevel, 21, &[0, 40]),
        sealed(V::WrongAlertLevel, 21, &[1, 40]).client(client().strict_alert_levels(true)),
        sealed(V::WrongAlertLevel, 21, &[1, 0xee]).client(client().strict_alert_levels(true)),
    ]
}

fn messages() -> Vec<Case> {
    vec![
        instead(V::UnexpectedMessage, |_| message(T::SERVER_HELLO_DONE, &[])),
        instead(V::UnknownHandshakeType, |_| message(T(99), &[])),
        instead(V::HandshakeMessageTooLong, |_| vec![8, 0xff, 0xff, 0xff]),
        instead(V::MalformedMessage, |raw| body(raw, |body| body.push(0))),
        instead(V::MalformedExtension, |raw| {
            encrypted_extensions(raw, |parts| {
                parts.set(
                    E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION,
                    [0, 3, 9, b'h', b'2'],
                );
            })
        }),
        instead(V::DuplicateNegotiation, |raw| {
            encrypted_extensions(raw, |parts| parts.add(E::SERVER_NAME, []))
        }),
        instead(V::ExtensionNotOffered, |raw| {
            encrypted_extensions(raw, |parts| parts.add(E::EARLY_DATA, []))
        }),
        instead(V::ExtensionNotOffered, |raw| {
            encrypted_extensions(raw, |parts| parts.add(E(0x1234), []))
        }),
        instead(V::ExtensionMisplaced, |raw| {
            encrypted_extensions(raw, |parts| parts.add(E::KEY_SHARE, [0, 29, 0, 1, 0]))
        }),
        Case::new(
            V::DuplicateNegotiation,
            By::Client,
            Stage::WaitClientHello,
            first(T::CLIENT_HELLO, |raw| {
                vec![Put::Message(client_hello(raw, |hello| {
                    let again = hello.extensions.0[0].clone();
                    hello.extensions.0.push(again);
                }))]
            }),
        ),
        Case::new(
            V::DuplicateExtension,
            By::Server,
            Stage::WaitServerHello,
            first(T::SERVER_HELLO, |raw| {
                vec![Put::Message(server_hello(raw, |hello| {
                    let again = hello.extensions.0[0].clone();
                    hello.extensions.0.push(again);
                }))]
            }),
        ),
    ]
}
