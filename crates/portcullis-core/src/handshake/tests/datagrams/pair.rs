//! What both ends agree on when nothing is lost.

use super::network::{Network, usual};
use crate::config::{ClientAuthentication, ClientConfig, KeyShares, ServerConfig};
use crate::named_group::NamedGroup;
use crate::question::{Answer, Question};
use crate::suite::CipherSuite;
use crate::testing::{client_config, pki, server_config};

#[test]
fn both_ends_are_connected_and_exchange_messages() {
    let mut network = Network::new(client_config(), server_config());
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    network.say(0, b"from the client", &mut |_, datagram| usual(datagram));
    network.say(1, b"from the server", &mut |_, datagram| usual(datagram));
    network.say(1, b"", &mut |_, datagram| usual(datagram));
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.received[1], [b"from the client"]);
    assert_eq!(network.received[0], [&b"from the server"[..], b""]);
}

#[test]
fn every_suite_with_a_share_and_by_retry() {
    let of_dtls = |suite: &&CipherSuite| suite.is_usable_in(crate::ProtocolVersion::DTLS_1_3);
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
