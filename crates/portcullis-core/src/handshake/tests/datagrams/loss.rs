//! Whatever is lost, comes twice, or comes late: both ends are connected in the end.

use core::time::Duration;

use super::network::{LATENCY, Network, usual};
use super::older;
use crate::ProtocolVersion;
use crate::config::{ClientAuthentication, ClientConfig, KeyShares, ServerConfig};
use crate::named_group::NamedGroup;
use crate::record::DatagramOptions;
use crate::session::ClientSession;
use crate::testing::{client_config, client_config_in_pieces, pki, server_config};

/// What can happen to a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    Lost,
    Twice,
    /// Behind the next one.
    Late,
}

pub(super) const ALL: [Damage; 3] = [Damage::Lost, Damage::Twice, Damage::Late];

pub(super) fn damaged(damage: Damage, datagram: &[u8]) -> Vec<(Duration, Vec<u8>)> {
    match damage {
        Damage::Lost => Vec::new(),
        Damage::Twice => [usual(datagram), usual(datagram)].concat(),
        Damage::Late => vec![(LATENCY * 5 / 2, datagram.to_vec())],
    }
}

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

type Shape = (&'static str, fn() -> Network);

const SHAPES: [Shape; 6] = [
    ("full", || Network::new(client_config(), server_config())),
    ("tickets", || {
        let (client, server) = with_tickets();
        Network::new(client, server)
    }),
    ("retried", retried),
    ("client certificate, slow answers", with_client_certificate),
    ("resumed", resumed),
    ("many datagrams", || {
        let (client, server) = (client_config(), server_config());
        Network::resuming(client, server, Vec::new(), small())
    }),
];

/// Runs it with these datagrams damaged, and then a message each way.
fn must_succeed(shape: &Shape, damage: &[(usize, Damage)]) {
    let (what, network) = shape;
    let mut network = network();
    let mut fate = |index, datagram: &[u8]| match damage.iter().find(|(at, _)| *at == index) {
        Some((_, damage)) => damaged(*damage, datagram),
        None => usual(datagram),
    };
    network.run(&mut fate);
    for side in &network.sides {
        if let super::network::Side::Failed(error) = side {
            panic!("{what}, {damage:?}: {error}");
        }
    }
    network.check();
    network.say(0, b"ping", &mut |_, datagram| usual(datagram));
    network.say(1, b"pong", &mut |_, datagram| usual(datagram));
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.received[1], [b"ping"], "{what}, {damage:?}");
    assert_eq!(network.received[0], [b"pong"], "{what}, {damage:?}");
}

fn datagrams(shape: &Shape) -> usize {
    let mut network = shape.1();
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    network.sent
}

#[test]
fn one_datagram_is_damaged() {
    for shape in &SHAPES {
        for at in 0..datagrams(shape) {
            for damage in ALL {
                must_succeed(shape, &[(at, damage)]);
            }
        }
    }
}

#[test]
fn two_datagrams_are_damaged() {
    for shape in &SHAPES {
        let count = datagrams(shape).min(10);
        for first in 0..count {
            for second in first + 1..count {
                must_succeed(shape, &[(first, Damage::Lost), (second, Damage::Lost)]);
                must_succeed(shape, &[(first, Damage::Late), (second, Damage::Lost)]);
                must_succeed(shape, &[(first, Damage::Lost), (second, Damage::Late)]);
            }
        }
    }
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

/// Numbers that follow from a seed (xorshift).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn of(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Of each version by turns: as many seeds of DTLS 1.2 and 1.0 as shapes.
fn with_loss(seeds: core::ops::Range<u64>) {
    let newest = SHAPES.map(|(what, network)| (what, network, ProtocolVersion::DTLS_1_3));
    let shapes: Vec<older::Shape> = newest.into_iter().chain(older::SHAPES).collect();
    for seed in seeds {
        let shape = &shapes[(seed % shapes.len() as u64) as usize];
        let mut network = shape.1();
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut fate = |_: usize, datagram: &[u8]| {
            let mut copies = Vec::new();
            while copies.len() < 3 {
                if !chance.of(20) {
                    let delay = Duration::from_millis(5 + chance.next() % 40);
                    copies.push((delay, datagram.to_vec()));
                }
                if !chance.of(10) {
                    break;
                }
            }
            copies
        };
        network.run(&mut fate);
        for side in &network.sides {
            if let super::network::Side::Failed(error) = side {
                panic!("{}, seed {seed}: {error}", shape.0);
            }
        }
        match shape.2 {
            ProtocolVersion::DTLS_1_3 => network.check(),
            version => older::check(&mut network, version),
        }
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
            assert!(!heard.is_empty(), "{}, seed {seed}: all is lost", shape.0);
        }
    }
}

#[test]
fn a_fifth_of_all_datagrams_is_lost() {
    with_loss(1..200);
}

/// `cargo test -p portcullis-core --release -- --ignored a_fifth`
#[test]
#[ignore = "takes minutes without optimisation"]
fn a_fifth_of_all_datagrams_is_lost_for_long() {
    with_loss(200..10_000);
}
