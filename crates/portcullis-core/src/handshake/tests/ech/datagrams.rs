//! The same over datagrams, where hellos have a field more, come in pieces, and are lost.

use core::time::Duration;

use super::super::datagrams::network::{Network, Side, usual};
use super::*;
use crate::clock::{Monotonic, Now};
use crate::record::{DatagramOptions, hello_pieces};

fn network(client: ClientConfig, server: ServerConfig) -> Network {
    with_options(client, server, DatagramOptions::default())
}

fn with_options(client: ClientConfig, server: ServerConfig, options: DatagramOptions) -> Network {
    let mut network = Network::resuming(client.clone(), server, Vec::new(), options);
    let name = ServerName::try_from(SECRET).unwrap();
    let at = Now {
        wall: now(),
        monotonic: Monotonic::default(),
    };
    let begun = Handshake::datagram_client(client, name, Vec::new(), options, at);
    network.sides[0] = Side::Handshake(Box::new(begun.unwrap()));
    network
}

/// Both ends are connected, and by the inner hello.
fn check(network: &mut Network) {
    network.check();
    for side in &mut network.sides {
        let information = &side.connection().information;
        assert_eq!(information.ech(), EchStatus::Accepted);
        assert_eq!(information.server_name(), Some(SECRET));
    }
}

fn retrying(key: &EchKey) -> [(ClientConfig, ServerConfig); 2] {
    let groups = [NamedGroup::X25519, NamedGroup::SECP384R1];
    [groups[0], groups[1]].map(|group| {
        let client = client(key.config_list())
            .groups(groups)
            .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]));
        let server = server(key).groups([group]);
        (client.build().unwrap(), server.build().unwrap())
    })
}

#[test]
fn over_datagrams_a_server_with_the_key_reads_the_inner_hello() {
    for kem in [EchKem::X25519, EchKem::P256] {
        let (key, _) = EchKey::builder(PUBLIC).kem(kem).generate().unwrap();
        for (client, server) in retrying(&key) {
            for mtu in [1_200, 228] {
                let options = DatagramOptions::default().mtu(mtu);
                let mut network = with_options(client.clone(), server.clone(), options);
                network.run(&mut |_, datagram| usual(datagram));
                check(&mut network);
                network.say(0, b"hidden", &mut |_, datagram| usual(datagram));
                network.run(&mut |_, datagram| usual(datagram));
                assert_eq!(network.received[1], [b"hidden"]);
            }
        }
    }
}

/// Each datagram is lost once, and once all come twice: the hello that is sent again is the same, and is opened once.
#[test]
fn encrypted_hellos_may_be_lost_and_come_twice() {
    let key = key(1);
    for (client, server) in retrying(&key) {
        for lost in 0..6 {
            let mut network = network(client.clone(), server.clone());
            network.run(&mut |index, datagram| match index == lost {
                true => Vec::new(),
                false => usual(datagram),
            });
            check(&mut network);
        }
        let mut network = network(client, server);
        network.run(&mut |_, datagram| [usual(datagram), usual(datagram)].concat());
        check(&mut network);
    }
}

/// Servers that keep nothing of strangers read a hello from one datagram.
#[test]
fn an_encrypted_hello_is_in_one_datagram() {
    let key = key(1);
    let plain = || ClientConfig::builder(names().roots.clone());
    for config in [
        client(key.config_list()),
        client(key.config_list())
            .alpn(["h2", "http/1.1"])
            .grease(true),
        plain().ech_grease(true),
        plain().ech_grease(true).grease(true),
    ] {
        let mut network = network(config.build().unwrap(), server(&key).build().unwrap());
        let mut first = Vec::new();
        network.run_until(Duration::ZERO, &mut |_, datagram| {
            first.push(datagram.to_vec());
            Vec::new()
        });
        let [first] = first.as_slice() else {
            panic!("{} datagrams", first.len());
        };
        assert!(first.len() <= 1_200);
        let pieces = hello_pieces(first).unwrap();
        assert_eq!(pieces[0].header.length as usize, pieces[0].fragment.len());
    }
}

/// What is left over says which configuration it is for, and what to try.
fn rejection(network: &mut Network) -> Retry<'_> {
    network.run(&mut |_, datagram| usual(datagram));
    let error = network.sides[0].error();
    let required = AlertDescription::ECH_REQUIRED;
    assert_eq!(error.alert(), Some((Direction::Sent, required)), "{error}");
    let rejection = error.ech_rejection().unwrap();
    assert_eq!(rejection.public_name(), PUBLIC);
    rejection.retry()
}

#[test]
fn over_datagrams_a_server_with_another_key_says_what_it_has() {
    let (old, new) = (key(1), key(2));
    for (config, _) in retrying(&old) {
        for (_, server) in retrying(&new) {
            let mut network = network(config.clone(), server.clone());
            let Retry::With(list) = rejection(&mut network) else {
                panic!("there is a list");
            };
            let config = config.with_ech(list.clone()).unwrap();
            let mut network = self::network(config, server);
            network.run(&mut |_, datagram| usual(datagram));
            check(&mut network);
        }
    }
}

/// Before DTLS 1.3 messages have their numbers in the transcript; of the outer hello there is one.
#[test]
fn a_server_of_dtls_1_2_has_switched_it_off() {
    let both = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    for versions in [[ProtocolVersion::TLS_1_3], [ProtocolVersion::TLS_1_2]] {
        let client = client(key(1).config_list()).versions(both).build();
        let server = both_names().versions(versions).build();
        let mut network = network(client.unwrap(), server.unwrap());
        assert_eq!(rejection(&mut network), Retry::WithoutEch);
    }
}

#[test]
fn over_datagrams_who_pretends_is_connected() {
    let pretender = |versions: &[ProtocolVersion]| {
        let builder = ClientConfig::builder(names().roots.clone());
        let builder = builder.versions(versions);
        builder.ech_grease(true).grease(true).build().unwrap()
    };
    let both = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    for server in [server(&key(1)), both_names()] {
        for versions in [&both[..1], &both] {
            let server = server.clone().build().unwrap();
            let mut network = network(pretender(versions), server);
            network.run(&mut |_, datagram| usual(datagram));
            network.check();
            let status = network.sides[0].connection().information.ech();
            assert_eq!(status, EchStatus::Grease);
        }
    }
}
