//! What both ends agree on when nothing is lost.

use super::network::{Network, usual};
use crate::config::{ClientAuthentication, ClientConfig, KeyShares, ServerConfig};
use crate::named_group::NamedGroup;
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
