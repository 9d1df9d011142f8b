//! What both ends agree on when nothing is lost.

use core::time::Duration;

use super::super::super::find;
use super::network::{Network, usual};
use crate::ProtocolVersion;
use crate::config::{ClientAuthentication, ClientConfig, KeyShares, ServerConfig};
use crate::named_group::NamedGroup;
use crate::question::{Answer, Question};
use crate::record::{DatagramOptions, hello_pieces};
use crate::suite::CipherSuite;
use crate::testing::{client_config, client_config_in_pieces, pki, server_config};
use crate::wire::extension::KeyShareClientHello;
use crate::wire::{ClientHello, HandshakeMessage as _, Syntax};

#[test]
fn both_ends_are_connected_and_exchange_messages() {
    let mut network = Network::new(client_config(), server_config());
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    let before = network.sent;
    network.say(0, b"from the client", &mut |_, datagram| usual(datagram));
    network.say(1, b"from the server", &mut |_, datagram| usual(datagram));
    network.say(1, b"", &mut |_, datagram| usual(datagram));
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.received[1], [b"from the client"]);
    assert_eq!(network.received[0], [&b"from the server"[..], b""]);
    // §7.1: what is data is not acknowledged.
    assert_eq!(network.sent, before + 3);
}

#[test]
fn every_suite_with_a_share_and_by_retry() {
    let of_dtls = |suite: &&CipherSuite| suite.is_usable_in(ProtocolVersion::DTLS_1_3);
    for &suite in CipherSuite::SUPPORTED.iter().filter(of_dtls) {
        for group in [NamedGroup::X25519, NamedGroup::SECP256R1] {
            let server = ServerConfig::builder()
                .identity(pki().server.clone())
                .cipher_suites([suite])
                .groups([NamedGroup::X25519])
                .build()
                .unwrap();
            let client = ClientConfig::builder(pki().roots.clone())
                .cipher_suites([suite])
                .key_shares(KeyShares::Groups(vec![group]))
                .build()
                .unwrap();
            let mut network = Network::new(client, server);
            network.run(&mut |_, datagram| usual(datagram));
            network.check();
            let information = &network.sides[0].connection().information;
            assert_eq!(information.cipher_suite(), suite);
            assert_eq!(information.hello_retried(), group != NamedGroup::X25519);
            network.say(0, b"x", &mut |_, datagram| usual(datagram));
            network.run(&mut |_, datagram| usual(datagram));
            assert_eq!(network.received[1], [b"x"]);
        }
    }
}

/// The datagrams of a client's first hello, and the groups of its shares.
fn first_hello(client: &ClientConfig, mtu: u16) -> (usize, Vec<NamedGroup>) {
    let options = DatagramOptions::default().mtu(mtu);
    let mut network = Network::resuming(client.clone(), server_config(), Vec::new(), options);
    let (mut datagrams, mut reassembled) = (0, Vec::new());
    network.run_until(Duration::ZERO, &mut |_, datagram| {
        datagrams += 1;
        let pieces = hello_pieces(datagram).unwrap();
        reassembled.extend_from_slice(pieces[0].fragment);
        Vec::new()
    });
    let hello = ClientHello::decode_as(Syntax::Dtls, &reassembled).unwrap();
    let shares = find::<KeyShareClientHello<'_>>(&hello.extensions).unwrap();
    let groups = shares
        .unwrap()
        .client_shares
        .iter()
        .map(|entry| entry.group);
    (datagrams, groups.collect())
}

/// Servers that keep nothing of strangers read a hello from one datagram (wolfSSL's of DTLS 1.3): what does not fit is
/// asked for.
#[test]
fn shares_that_do_not_fit_into_a_datagram_are_left_out_at_first() {
    let [hybrid, classical] = [NamedGroup::X25519_MLKEM768, NamedGroup::X25519];
    let client = |groups: &[NamedGroup]| client_config().to_builder().groups(groups).build();
    let usual_client = client_config();
    assert_eq!(first_hello(&usual_client, 1_200), (1, vec![classical]));
    // There is room.
    let whole = (1, vec![hybrid, classical]);
    assert_eq!(first_hello(&usual_client, 1_500), whole);
    // There is room for nothing, and nothing is lost by more pieces.
    let long = client_config().to_builder().alpn([[7; 255]]).build();
    let (datagrams, groups) = first_hello(&long.unwrap(), 228);
    assert!(datagrams > 5 && groups == [hybrid, classical], "{groups:?}");
    // The caller's choice is followed.
    let in_pieces = client_config_in_pieces();
    assert_eq!(first_hello(&in_pieces, 1_200), (2, vec![hybrid]));
    // Nothing that is not offered is shared instead.
    let alone = client(&[hybrid]).unwrap();
    assert_eq!(first_hello(&alone, 1_200), (1, Vec::new()));
    let alone_first = client(&[NamedGroup::MLKEM1024, classical]).unwrap();
    assert_eq!(first_hello(&alone_first, 1_200), (1, Vec::new()));
    let curves = client(&[classical, NamedGroup::SECP256R1]).unwrap();
    assert_eq!(first_hello(&curves, 1_200), (1, vec![classical]));

    let only_classical = server_config().to_builder().groups([classical]).build();
    for (client, server, group, is_retried) in [
        (usual_client.clone(), server_config(), hybrid, true),
        (alone, server_config(), hybrid, true),
        (in_pieces, server_config(), hybrid, false),
        // Who does not want the other group goes on at once.
        (usual_client, only_classical.unwrap(), classical, false),
    ] {
        let mut network = Network::new(client, server);
        network.run(&mut |_, datagram| usual(datagram));
        network.check();
        let information = &network.sides[0].connection().information;
        assert_eq!(information.group(), Some(group));
        assert_eq!(information.hello_retried(), is_retried);
    }
}

#[test]
fn a_client_shows_its_certificate() {
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .client_authentication(ClientAuthentication::Required(pki().roots.clone()))
        .build();
    let client = ClientConfig::builder(pki().roots.clone())
        .identity(pki().client.clone())
        .build();
    let mut network = Network::new(client.unwrap(), server.unwrap());
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    let information = &network.sides[1].connection().information;
    assert!(!information.peer_certificates().is_empty());
}

#[test]
fn a_session_is_resumed_by_a_ticket_that_came_over_datagrams() {
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .build()
        .unwrap();
    let client = ClientConfig::builder(pki().roots.clone())
        .session_tickets(true)
        .build()
        .unwrap();
    let mut network = Network::new(client.clone(), server.clone());
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    let sessions = network.sessions;
    assert!(!sessions.is_empty());
    let mut network = Network::resuming(client, server, sessions, network.options);
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    assert!(network.sides[0].connection().information.is_resumed());
}

/// A gate takes hellos of 16 KiB: so much is issued, and so much is offered.
#[test]
fn tickets_are_no_longer_than_gates_take_hellos() {
    let server = |ask| {
        ServerConfig::builder()
            .identity(pki().server.clone())
            .ask_tickets(ask)
            .build()
            .unwrap()
    };
    let client = ClientConfig::builder(pki().roots.clone())
        .session_tickets(true)
        .build()
        .unwrap();
    for (length, is_allowed) in [(4_096, true), (4_097, false)] {
        let mut network = Network::new(client.clone(), server(true));
        network.answer = match is_allowed {
            true => |question| tickets_of(4_096, question),
            false => |question| tickets_of(4_097, question),
        };
        network.run(&mut |_, datagram| usual(datagram));
        if is_allowed {
            network.check();
            assert!(!network.sessions.is_empty());
        } else {
            let error = network.sides[1].error().to_string();
            assert!(error.contains("1 to 4096 bytes"), "{length}: {error}");
        }
    }
    // Whatever a client was given: two of the longest.
    let mut network = Network::new(client.clone(), server(false));
    network.run(&mut |_, datagram| usual(datagram));
    let mut session = network.sessions.remove(0);
    session.ticket = vec![7; 4_000].into();
    let sessions = vec![session; 5];
    let mut network = Network::resuming(client, server(false), sessions, network.options);
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    let hello = network.lengths.iter().take_while(|(from, _)| *from == 0);
    let hello: usize = hello.map(|(_, length)| length).sum();
    assert!((8_000..12_000).contains(&hello), "{hello}");
}

fn tickets_of(length: usize, question: Question) -> Answer {
    match question {
        Question::IssueTickets(question) => question.send(vec![vec![7; length]]),
        other => crate::testing::answer(other),
    }
}

/// As servers of DTLS 1.0 may want it; behind a HelloRetryRequest there is none (RFC 9147 §4).
#[test]
fn the_first_hello_says_dtls_1_0_and_nothing_else_does() {
    let client = ClientConfig::builder(pki().roots.clone())
        .key_shares(KeyShares::Groups(Vec::new()))
        .build();
    let mut network = Network::new(client.unwrap(), server_config());
    let mut versions = Vec::new();
    network.run(&mut |_, datagram| {
        if datagram[0] == 22 {
            versions.push([datagram[1], datagram[2]]);
        }
        usual(datagram)
    });
    network.check();
    assert!(versions.len() >= 4, "{versions:?}");
    assert_eq!(versions[0], [0xfe, 0xff]);
    assert!(versions[1..].iter().all(|version| *version == [0xfe, 0xfd]));
}
