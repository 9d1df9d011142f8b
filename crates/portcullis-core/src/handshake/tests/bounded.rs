//! A peer that sends without end: the work and the memory it costs are bounded, and it is told
//! what it did wrong.

use super::attack::{By, client, pair, refused, server, transmitted};
use super::parts::{client_hello, server_hello};
use super::tamper::{Put, first};
use crate::testing::now;
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{Error, Handshake, Stage, Violation};

/// Feeds a fresh server these bytes again and again, up to 4 MiB; gives its error, and the most
/// memory it held.
fn flood(prefix: &[u8], again: &[u8]) -> (Error, usize) {
    let mut victim = Handshake::server(server().build().unwrap());
    victim.receive(prefix, now());
    let mut most = 0;
    for _ in 0..4 * 1024 * 1024 / again.len() {
        victim.receive(again, now());
        transmitted(&mut victim);
        most = most.max(victim.held());
        if let Err(error) = victim.poll() {
            return (error, most);
        }
    }
    panic!("no end in sight, {most} bytes held");
}

/// A hello that makes the server wait for more, and what the server sends for it.
fn hello() -> Vec<u8> {
    let mut client = Handshake::client(client().build().unwrap(), crate::testing::name()).unwrap();
    transmitted(&mut client)
}

#[test]
fn a_message_of_16_mib_is_refused_on_its_header() {
    let header = [22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff];
    let (error, held) = flood(&[], &header);
    assert_eq!(error.violation(), Some(Violation::HandshakeMessageTooLong));
    assert!(held < 1024, "{held}");
}

#[test]
fn a_message_as_long_as_allowed_in_records_of_one_byte() {
    let mut victim = Handshake::server(server().build().unwrap());
    let length = 256 * 1024;
    let mut message = vec![1];
    message.extend_from_slice(&u32::to_be_bytes(length)[1..]);
    message.resize(4 + length as usize, 0);
    let mut most = 0;
    for bytes in message.chunks(1024) {
        let records: Vec<u8> = bytes
            .iter()
            .flat_map(|byte| [22, 3, 1, 0, 1, *byte])
            .collect();
        victim.receive(&records, now());
        transmitted(&mut victim);
        most = most.max(victim.held());
    }
    // Nonsense, but all of it was needed to see that.
    assert_eq!(
        victim.poll().unwrap_err().violation(),
        Some(Violation::MalformedMessage)
    );
    assert!(most < 3 * length as usize, "{most}");
}

#[test]
fn empty_records() {
    for typ in [21, 22] {
        let (error, held) = flood(&[], &[typ, 3, 1, 0, 0]);
        assert_eq!(error.violation(), Some(Violation::EmptyRecord));
        assert!(held < 1024, "{held}");
    }
    let (error, _) = flood(&hello(), &[23, 3, 3, 0, 0]);
    assert_eq!(error.violation(), Some(Violation::BadRecordMac));
}

#[test]
fn change_cipher_spec_records() {
    let (error, held) = flood(&hello(), &[20, 3, 3, 0, 1, 1]);
    assert_eq!(error.violation(), Some(Violation::TooManyChangeCipherSpecs));
    assert!(held < 4096, "{held}");
}

#[test]
fn warning_alerts() {
    let (error, held) = flood(&[], &[21, 3, 1, 0, 2, 1, 90]);
    assert_eq!(error.violation(), Some(Violation::TooManyWarnings));
    assert!(held < 1024, "{held}");
}

/// A client that sends early data which is not wanted.
#[test]
fn early_data() {
    for server in [server(), super::attack::retrying_server()] {
        let tamper = first(T::CLIENT_HELLO, |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                hello.extensions.add(E::EARLY_DATA, [])
            }))]
        });
        let client = client().build().unwrap();
        let mut pair = pair(client, server.build().unwrap(), By::Client, tamper);
        let hello = transmitted(&mut pair.client);
        pair.server.receive(&hello, now());
        let mut most = 0;
        let record = [&[23, 3, 3, 1, 0][..], &[7; 256]].concat();
        let error = (0..1_000)
            .find_map(|_| {
                pair.server.receive(&record, now());
                transmitted(&mut pair.server);
                most = most.max(pair.server.held());
                pair.server.poll().err()
            })
            .unwrap();
        assert_eq!(error.violation(), Some(Violation::TooMuchEarlyData));
        assert!(most < 4096, "{most}");
    }
}

/// As many as fit: none is known, none is there twice.
fn extensions() -> impl Iterator<Item = E> {
    (0x4000..)
        .map(E)
        .filter(|typ| typ.name().is_none())
        .take(16_000)
}

#[test]
fn thousands_of_unknown_extensions_are_ignored_in_a_client_hello() {
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            extensions().for_each(|typ| hello.extensions.add(typ, []));
        }))]
    });
    let mut pair = pair(
        client().build().unwrap(),
        server().build().unwrap(),
        By::Client,
        tamper,
    );
    super::attack::talk(&mut pair);
    assert_eq!(pair.server.stage(), Stage::Connected);
}

#[test]
fn thousands_of_extensions_with_one_of_them_twice() {
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            extensions().for_each(|typ| hello.extensions.add(typ, []));
            hello.extensions.add(E(0x4000), []);
        }))]
    });
    let pair = pair(
        client().build().unwrap(),
        server().build().unwrap(),
        By::Client,
        tamper,
    );
    let error = refused(pair, By::Client);
    assert_eq!(error.violation(), Some(Violation::DuplicateNegotiation));
}

#[test]
fn thousands_of_extensions_in_a_server_hello() {
    let tamper = first(T::SERVER_HELLO, |raw| {
        vec![Put::Message(server_hello(raw, |hello| {
            extensions().for_each(|typ| hello.extensions.add(typ, []));
        }))]
    });
    let pair = pair(
        client().build().unwrap(),
        server().build().unwrap(),
        By::Server,
        tamper,
    );
    let error = refused(pair, By::Server);
    assert_eq!(error.violation(), Some(Violation::ExtensionNotOffered));
}

/// 10,000 shares of groups that are all offered.
#[test]
fn thousands_of_key_shares() {
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            let groups: Vec<u8> = (0x4000..0x6710_u16).flat_map(u16::to_be_bytes).collect();
            let shares: Vec<u8> = groups
                .chunks(2)
                .flat_map(|group| [group[0], group[1], 0, 1, 7])
                .collect();
            let list = |list: &[u8]| [&(list.len() as u16).to_be_bytes(), list].concat();
            hello.extensions.set(E::SUPPORTED_GROUPS, list(&groups));
            hello.extensions.set(E::KEY_SHARE, list(&shares[..40_000]));
        }))]
    });
    let pair = pair(
        client().build().unwrap(),
        server().build().unwrap(),
        By::Client,
        tamper,
    );
    let error = refused(pair, By::Client);
    assert_eq!(error.violation(), Some(Violation::KeyShareOutsideGroups));
}

#[test]
fn thousands_of_suites() {
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            let ours = core::mem::take(&mut hello.suites);
            hello.suites = (0x2000..0x9000).chain(ours).collect();
        }))]
    });
    let mut pair = pair(
        client().build().unwrap(),
        server().build().unwrap(),
        By::Client,
        tamper,
    );
    super::attack::talk(&mut pair);
    assert_eq!(pair.server.stage(), Stage::Connected);
}
