//! Whatever is lost, comes twice, or comes late: both ends are connected in the end.

use core::time::Duration;

use super::faults::{Shape, check, one_is_damaged, two_are_damaged};
use super::network::{Chance, Network, Side, usual};
use super::older;
use crate::config::{ClientAuthentication, ClientConfig, KeyShares, ServerConfig};
use crate::named_group::NamedGroup;
use crate::record::DatagramOptions;
use crate::session::ClientSession;
use crate::testing::{client_config, client_config_in_pieces, part, pki, server_config};
use crate::{CookiePolicy, ProtocolVersion};

fn small() -> DatagramOptions {
    DatagramOptions::default().mtu(228)
}

fn with_tickets() -> (ClientConfig, ServerConfig) {
    let client = ClientConfig::builder(pki().roots.clone())
        .session_tickets(true)
        .build();
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .build();
    (client.unwrap(), server.unwrap())
}

fn retried() -> Network {
    let client = ClientConfig::builder(pki().roots.clone())
        .key_shares(KeyShares::Groups(Vec::new()))
        .build();
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .groups([NamedGroup::X25519])
        .cookie(true)
        .resumption(false)
        .build();
    Network::new(client.unwrap(), server.unwrap())
}

fn with_client_certificate() -> Network {
    let client = ClientConfig::builder(pki().roots.clone())
        .identity(pki().client.clone())
        .ask_verification(true)
        .ask_signature(true)
        .build();
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .client_authentication(ClientAuthentication::Required(pki().roots.clone()))
        .ask_signature(true)
        .build();
    let mut network = Network::new(client.unwrap(), server.unwrap());
    network.thinking = Some(Duration::from_millis(35));
    network
}

fn sessions(client: &ClientConfig, server: &ServerConfig) -> Vec<ClientSession> {
    let mut network = Network::new(client.clone(), server.clone());
    network.run(&mut |_, datagram| usual(datagram));
    network.sessions
}

fn resumed() -> Network {
    let (client, server) = with_tickets();
    let sessions = sessions(&client, &server);
    Network::resuming(client, server, sessions, DatagramOptions::default())
}

/// The network of these, behind a gate that always asks.
fn behind_a_gate(client: ClientConfig, options: DatagramOptions) -> Network {
    let mut network = Network::resuming(client, server_config(), Vec::new(), options);
    network.begin_with_gate(&server_config(), CookiePolicy::Always);
    network
}

const NEWEST: ProtocolVersion = ProtocolVersion::DTLS_1_3;

/// The last two are not among those that lose a fifth of all. A gate keeps pieces of a hello for a second, and all have to
/// come in it; and a server that may send no more waits for a client that has said all that it has to say, where that was lost.
const SHAPES: [Shape; 10] = [
    (
        "full",
        || Network::new(client_config(), server_config()),
        NEWEST,
    ),
    (
        "tickets",
        || {
            let (client, server) = with_tickets();
            Network::new(client, server)
        },
        NEWEST,
    ),
    ("retried", retried, NEWEST),
    (
        "client certificate, slow answers",
        with_client_certificate,
        NEWEST,
    ),
    ("resumed", resumed, NEWEST),
    (
        "many datagrams",
        || {
            let (client, server) = (client_config(), server_config());
            Network::resuming(client, server, Vec::new(), small())
        },
        NEWEST,
    ),
    (
        "a hello in pieces",
        || {
            let (client, server) = (client_config_in_pieces(), server_config());
            Network::resuming(client, server, Vec::new(), small())
        },
        NEWEST,
    ),
    (
        "behind a gate",
        || behind_a_gate(client_config(), DatagramOptions::default()),
        NEWEST,
    ),
    (
        "an address that is not proved",
        || {
            let mut network = Network::new(client_config(), server_config());
            network.begin_unproved();
            network
        },
        NEWEST,
    ),
    (
        "a hello in pieces behind a gate",
        || behind_a_gate(client_config_in_pieces(), small()),
        NEWEST,
    ),
];

#[test]
fn one_datagram_is_damaged() {
    one_is_damaged(&SHAPES);
}

#[test]
fn two_datagrams_are_damaged() {
    two_are_damaged(&SHAPES);
}

/// A client that holds nothing that comes before its keys, and drops a datagram whole that begins in the clear when it has
/// them, as wolfSSL's does: ServerHello has two datagrams, and its first is lost.
#[test]
fn a_lost_head_of_server_hello_holds_nobody_up_who_drops_what_is_in_the_clear() {
    for options in [DatagramOptions::default(), small()] {
        let (client, server) = (client_config_in_pieces(), server_config());
        let mut network = Network::resuming(client, server, Vec::new(), options);
        let (mut is_lost, mut has_keys, mut dropped) = (false, false, 0);
        network.run(&mut |_, datagram| {
            let is_clear = datagram[0] == 22;
            let is_server_hello = is_clear && datagram[13] == 2;
            let is_head = is_server_hello && datagram[19..22] == [0; 3];
            match (is_clear, has_keys) {
                (true, _) if datagram[13] == 1 => usual(datagram),
                (true, false) if !is_server_hello => usual(datagram),
                (true, false) if is_head && !is_lost => {
                    is_lost = true;
                    Vec::new()
                }
                (true, false) => {
                    has_keys = is_head;
                    let end = 13 + usize::from(u16::from_be_bytes([datagram[11], datagram[12]]));
                    usual(&datagram[..end])
                }
                (false, true) => usual(datagram),
                (true, true) | (false, false) => {
                    dropped += 1;
                    Vec::new()
                }
            }
        });
        assert!(is_lost && has_keys && dropped > 0);
        network.check();
        assert!(
            network.clock < Duration::from_secs(5),
            "{:?}",
            network.clock
        );
    }
}

/// Of each version by turns: as many seeds of DTLS 1.2 and 1.0 as shapes.
fn with_loss(seeds: impl Iterator<Item = u64>) -> usize {
    let newest = SHAPES.iter().take(SHAPES.len() - 2);
    let shapes: Vec<&Shape> = newest.chain(&older::SHAPES).collect();
    let mut count = 0;
    for seed in seeds {
        count += 1;
        let (what, network, version) = shapes[(seed % shapes.len() as u64) as usize];
        let mut network = network();
        let mut chance = Chance::of_seed(seed);
        let mut fate = |_: usize, datagram: &[u8]| chance.fate(datagram);
        network.run(&mut fate);
        for side in &network.sides {
            if let Side::Failed(error) = side {
                panic!("{what}, seed {seed}: {error}");
            }
        }
        check(&mut network, *version);
        for side in [0, 1] {
            let mut said = Vec::new();
            for number in 0..10_u8 {
                network.say(side, &[number], &mut fate);
                said.push(vec![number]);
            }
            network.run(&mut fate);
            let mut heard = network.received[1 - side].clone();
            heard.sort();
            let before = heard.len();
            heard.dedup();
            assert_eq!(before, heard.len(), "seed {seed}: a message came twice");
            assert!(heard.iter().all(|message| said.contains(message)));
            // Ten in a row are lost once in ten million times.
            assert!(!heard.is_empty(), "{what}, seed {seed}: all is lost");
        }
    }
    count
}

/// Of 10,000 seeds a part; CONTRIBUTING.md says how to run all.
#[test]
fn a_fifth_of_all_datagrams_is_lost() {
    let (turn, of) = part();
    let count = with_loss((1..=10_000).skip(turn).step_by(of));
    println!("seeds with a fifth of all datagrams lost: {count}, part {turn}/{of} of 10,000");
    assert!(count > 0);
}
