//! What a peer does with early data that it must not.
//!
//! RFC 8446 §4.2.10, §4.5, D.3.

use super::{accepting, local, offering, run, sending, sending_with, server_with, session, works};
use crate::config::{ClientConfigBuilder, ServerConfig};
use crate::handshake::tests::attack::{
    By, refused, resuming_client, server, talk, ticket_keys, transmitted,
};
use crate::handshake::tests::parts::{encrypted_extensions, message};
use crate::handshake::tests::tamper::{Put, Tamper, first};
use crate::session::ClientSession;
use crate::suite::CipherSuite;
use crate::testing::{Pair, client_config, now};
use crate::wire::{ContentType, ExtensionType as E, HandshakeType as T};
use crate::{NamedGroup, ProtocolVersion, Reason, Step, Violation};

/// §4.5: EndOfEarlyData is there once, alone in its record, and whole.
#[test]
fn the_end_of_it() {
    let ending = |tamper: Tamper| {
        let mut pair = sending(resuming_client(), accepting(local()), b"early");
        pair.client.tamper(tamper);
        pair
    };
    let of = |tamper: Tamper| refused(ending(tamper), By::Client).violation().unwrap();
    let raw = |raw: &[u8]| Put::Message(raw.to_vec());
    let typ = T::END_OF_EARLY_DATA;
    // Missing: Finished comes under other keys.
    assert_eq!(of(first(typ, |_| vec![])), Violation::BadRecordMac);
    // Twice, in one record and in two.
    let twice = first(typ, move |one| vec![raw(one), raw(one)]);
    assert_eq!(of(twice), Violation::MessageSpansKeyChange);
    let twice = first(T::FINISHED, move |finished| {
        vec![
            raw(&message(T::END_OF_EARLY_DATA, &[])),
            Put::Cut,
            raw(finished),
        ]
    });
    assert_eq!(of(twice), Violation::UnexpectedMessage);
    // With something in it.
    let body = first(typ, |_| {
        vec![Put::Message(message(T::END_OF_EARLY_DATA, &[0]))]
    });
    assert_eq!(of(body), Violation::MalformedMessage);
    // Data behind it, which is early data no more.
    let data = || Put::Record(ContentType::APPLICATION_DATA, vec![7]);
    let behind = first(typ, move |one| vec![raw(one), Put::Cut, data()]);
    assert_eq!(of(behind), Violation::BadRecordMac);
    let behind = first(T::FINISHED, move |one| vec![data(), raw(one)]);
    assert_eq!(of(behind), Violation::ApplicationDataTooEarly);
    // In pieces, and with data between them.
    let split = |between: Vec<Put>| {
        first(typ, move |one| {
            let mut puts = vec![raw(&one[..1]), Put::Cut];
            puts.extend(between.clone());
            puts.push(raw(&one[1..]));
            puts
        })
    };
    let (delivered, client, server) = run(ending(split(vec![])));
    assert_eq!(delivered, b"early");
    works(client, server);
    assert_eq!(of(split(vec![data()])), Violation::InterleavedRecord);
    // Another message in its place, such as one that would change the keys (§4.6.3).
    for typ in [T::KEY_UPDATE, T::FINISHED, T::CERTIFICATE] {
        let other = first(T::END_OF_EARLY_DATA, move |_| {
            vec![Put::Message(message(typ, &[0]))]
        });
        assert_eq!(of(other), Violation::UnexpectedMessage, "{typ}");
    }
    // Keys that nobody has changed.
    let updated = first(typ, move |one| vec![Put::UpdateKeys, raw(one)]);
    assert_eq!(of(updated), Violation::BadRecordMac);
}

/// Where no early data was accepted, its end has no place.
#[test]
fn an_end_of_nothing() {
    let mut pair = Pair::new(
        resuming_client().build().unwrap(),
        server().build().unwrap(),
    );
    pair.client.tamper(first(T::FINISHED, |finished| {
        vec![
            Put::Message(message(T::END_OF_EARLY_DATA, &[])),
            Put::Message(finished.to_vec()),
        ]
    }));
    let error = refused(pair, By::Client);
    assert_eq!(error.violation(), Some(Violation::UnexpectedMessage));
}

/// The transport ends in the midst of it: what came is delivered, and the handshake has failed.
#[test]
fn an_end_of_the_transport() {
    let mut pair = sending(resuming_client(), accepting(local()), b"early");
    let flight = transmitted(&mut pair.client);
    // All but the last byte of the record.
    pair.server.receive(&flight[..flight.len() - 1], now());
    transmitted(&mut pair.server);
    assert!(matches!(pair.server.poll(), Ok(Step::Wait { .. })));
    assert!(pair.server.is_receiving_early_data());
    pair.server.receive(&flight[flight.len() - 1..], now());
    assert!(matches!(pair.server.poll(), Ok(Step::EarlyData(data)) if data == b"early"));
    pair.server.receive_eof();
    let error = loop {
        match pair.server.poll() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error.reason(), Reason::ClosedInHandshake { .. }),
        "{error}"
    );
}

/// What the client says against a server that may not understand its alert: to it, what is under the
/// keys of early data is to be skipped.
fn objection(mut pair: Pair) -> Violation {
    talk(&mut pair);
    pair.client.poll().unwrap_err().violation().unwrap()
}

/// §4.2.10: a server that accepts early data has selected what it was sent with.
#[test]
fn what_a_server_accepts_it_with() {
    let adding = || -> Tamper {
        first(T::ENCRYPTED_EXTENSIONS, |raw| {
            vec![Put::Message(encrypted_extensions(raw, |extensions| {
                extensions.add(E::EARLY_DATA, []);
            }))]
        })
    };
    let (server, session) = server_with(&resuming_client(), accepting(local()));
    let refuses =
        |server: ServerConfig, sessions: Vec<ClientSession>, client: ClientConfigBuilder| {
            let mut pair = Pair {
                client: offering(client, sessions),
                ..Pair::new(client_config(), server)
            };
            pair.server.tamper(adding());
            objection(pair)
        };
    let client = resuming_client;
    // Full handshake; the second session; another suite; another protocol.
    let other = server
        .to_builder()
        .ticket_keys(ticket_keys())
        .build()
        .unwrap();
    let unknown = self::session(&client(), &other);
    assert_eq!(
        refuses(other, vec![session.clone()], client()),
        Violation::EarlyDataWithAnotherPsk
    );
    assert_eq!(
        refuses(server.clone(), vec![unknown, session.clone()], client()),
        Violation::EarlyDataWithAnotherPsk
    );
    let other = server.to_builder().alpn(["http/1.1"]).build().unwrap();
    assert_eq!(
        refuses(other, vec![session.clone()], client()),
        Violation::EarlyDataWithAnotherProtocol
    );
    let suites = [
        CipherSuite::TLS_AES_128_GCM_SHA256,
        CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
    ];
    let (one, of_one) = server_with(&client(), server.to_builder().cipher_suites([suites[0]]));
    let other = one.to_builder().cipher_suites([suites[1]]).build().unwrap();
    assert_eq!(
        refuses(other, vec![of_one], client()),
        Violation::EarlyDataWithAnotherSuite
    );
    // Not offered: at all, or after another hello was asked for.
    let without = server.to_builder().early_data(None).build().unwrap();
    let plain = self::session(&client(), &without);
    assert_eq!(
        refuses(without, vec![plain], client()),
        Violation::ExtensionNotOffered
    );
    let retrying = server.to_builder().groups([NamedGroup::SECP256R1]);
    assert_eq!(
        refuses(retrying.build().unwrap(), vec![session], client()),
        Violation::ExtensionNotOffered
    );
}

/// D.3: who has said that it takes early data of TLS 1.3 does not speak less by now.
#[test]
fn an_older_version_afterwards() {
    let both = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let client = || resuming_client().versions(both);
    let (server, session) = server_with(&client(), accepting(local()));
    let older = server
        .to_builder()
        .early_data(None)
        .versions([ProtocolVersion::TLS_1_2])
        .build()
        .unwrap();
    let pair = sending_with(client(), older, session, b"lost");
    assert_eq!(objection(pair), Violation::OlderVersionAfterEarlyData);
}

/// An alert of the client's reaches the server whatever keys are in place: those of early data, of the
/// handshake, or none.
#[test]
fn alerts_on_the_way() {
    let breaking = |typ| {
        first(typ, move |_| {
            vec![Put::Message(message(T::CERTIFICATE_REQUEST, &[]))]
        })
    };
    let (server, session) = server_with(&resuming_client(), accepting(local()));
    let rejecting = server.to_builder().early_data(None).build().unwrap();
    let retrying = server
        .to_builder()
        .groups([NamedGroup::SECP256R1])
        .build()
        .unwrap();
    for (server, typ) in [
        (&server, T::ENCRYPTED_EXTENSIONS),
        (&server, T::FINISHED),
        (&rejecting, T::FINISHED),
        (&retrying, T::FINISHED),
    ] {
        let server = server.to_builder();
        let server = match server.clone().build().unwrap().0.early_data.granted() {
            0 => server,
            _ => server.early_data(local()),
        };
        let session = session.clone();
        let mut pair = sending_with(
            resuming_client(),
            server.build().unwrap(),
            session,
            b"early",
        );
        pair.server.tamper(breaking(typ));
        // Checks that the alert was understood.
        refused(pair, By::Server);
    }
    // And the server's, at the client that has not said Finished.
    let mut pair = sending(
        resuming_client(),
        accepting(local()).max_early_data(5),
        b"early",
    );
    pair.client
        .put(&Put::Record(ContentType::APPLICATION_DATA, vec![7]));
    refused(pair, By::Client);
}
