//! A peer that sends without end: the work and the memory it costs are bounded, and it is told
//! what it did wrong.

use super::attack::{
    By, authenticated_client, authenticating_server, client, pair, refused, server, transmitted,
};
use super::older::VERSIONS;
use super::parts::{client_hello, server_hello};
use super::tamper::{Put, Tamper, first};
use crate::testing::{Pair, now};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{Error, Handshake, ProtocolVersion, Stage, Violation};

/// Feeds a fresh server these bytes again and again, up to 4 MiB; gives its error, and the most
/// memory it held.
fn flood(version: ProtocolVersion, prefix: &[u8], again: &[u8]) -> (Error, usize) {
    let server = server().versions([version]).build().unwrap();
    let mut victim = Handshake::server(server);
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
fn hello(version: ProtocolVersion) -> Vec<u8> {
    let client = client().versions([version]).build().unwrap();
    let mut client = Handshake::client(client, crate::testing::name()).unwrap();
    transmitted(&mut client)
}

/// Two ends of this version, one of which is tampered with.
fn tampering(version: ProtocolVersion, by: By, tamper: Tamper) -> Pair {
    let (client, server) = (client().versions([version]), server().versions([version]));
    pair(client.build().unwrap(), server.build().unwrap(), by, tamper)
}

#[test]
fn a_message_of_16_mib_is_refused_on_its_header() {
    let header = [22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff];
    for version in VERSIONS {
        let (error, held) = flood(version, &[], &header);
        assert_eq!(error.violation(), Some(Violation::HandshakeMessageTooLong));
        assert!(held < 1024, "{held}");
    }
    // Before TLS 1.3 what follows the hello is in the clear, too.
    let header = [22, 3, 3, 0, 4, 16, 0xff, 0xff, 0xff];
    let version = ProtocolVersion::TLS_1_2;
    let (error, held) = flood(version, &hello(version), &header);
    assert_eq!(error.violation(), Some(Violation::HandshakeMessageTooLong));
    assert!(held < 8192, "{held}");
}

/// A hello of this length, as records of `size` bytes.
fn long_hello(length: u32, size: usize) -> Vec<u8> {
    let mut message = vec![1];
    message.extend_from_slice(&length.to_be_bytes()[1..]);
    message.resize(4 + length as usize, 0);
    message
        .chunks(size)
        .flat_map(|part| {
            let [high, low] = (part.len() as u16).to_be_bytes();
            [&[22, 3, 1, high, low], part].concat()
        })
        .collect()
}

/// Before a server has answered it knows nothing of a client, and a client can open thousands of
/// connections: 64 KiB for each, whatever `max_handshake_size` says.
#[test]
fn a_server_holds_little_until_the_hello_is_whole() {
    let all = VERSIONS.map(|version| [1_024, 256 * 1024, 0xff_ffff].map(|max| (version, max)));
    for (version, max) in all.into_iter().flatten() {
        // In records of one byte, of any, and of most bytes, fed in pieces of every kind.
        for (size, piece) in [(1, 1_024), (1_000, 7), (16_384, 1_000), (16_384, 100_000)] {
            let length = 47 * 1024;
            let config = server().versions([version]).max_handshake_size(max);
            let mut victim = Handshake::server(config.build().unwrap());
            let mut most = 0;
            for piece in long_hello(length, size).chunks(piece) {
                victim.receive(piece, now());
                transmitted(&mut victim);
                if victim.stage() != Stage::Closed {
                    most = most.max(victim.held());
                }
            }
            let expected = match max {
                1_024 => Violation::HandshakeMessageTooLong,
                // Nonsense, but all of it was needed to see that.
                _ => Violation::MalformedMessage,
            };
            assert_eq!(victim.poll().unwrap_err().violation(), Some(expected));
            assert!(most <= 64 * 1024, "{max}, {size}, {piece}: {most}");
        }
        let config = server().versions([version]).max_handshake_size(max);
        let mut victim = Handshake::server(config.build().unwrap());
        victim.receive(&long_hello(47 * 1024 + 1, 100)[..105], now());
        transmitted(&mut victim);
        let error = victim.poll().unwrap_err();
        assert_eq!(error.violation(), Some(Violation::HandshakeMessageTooLong));
    }
}

/// A client's certificates may be as long as `max_handshake_size` says.
#[test]
fn what_follows_the_hello_may_be_longer() {
    let long = |length: usize| {
        first(T::CERTIFICATE, move |raw| {
            let mut entry = raw[4..].to_vec();
            entry.resize(length, 0);
            vec![Put::Message(super::parts::message(T::CERTIFICATE, &entry))]
        })
    };
    for version in VERSIONS {
        for (length, violation) in [
            (100_000, Violation::MalformedMessage),
            (100_001, Violation::HandshakeMessageTooLong),
        ] {
            let server = authenticating_server().max_handshake_size(100_000);
            let server = server.versions([version]).build().unwrap();
            let client = authenticated_client().versions([version]).build().unwrap();
            let pair = pair(client, server, By::Client, long(length));
            assert_eq!(refused(pair, By::Client).violation(), Some(violation));
        }
    }
}

#[test]
fn empty_records() {
    for version in VERSIONS {
        for typ in [21, 22] {
            let (error, held) = flood(version, &[], &[typ, 3, 1, 0, 0]);
            assert_eq!(error.violation(), Some(Violation::EmptyRecord));
            assert!(held < 1024, "{held}");
        }
        let (error, _) = flood(version, &hello(version), &[23, 3, 3, 0, 0]);
        let expected = match version {
            ProtocolVersion::TLS_1_3 => Violation::BadRecordMac,
            _ => Violation::ApplicationDataTooEarly,
        };
        assert_eq!(error.violation(), Some(expected));
    }
}

#[test]
fn change_cipher_spec_records() {
    for version in VERSIONS {
        let (error, held) = flood(version, &hello(version), &[20, 3, 3, 0, 1, 1]);
        let expected = match version {
            ProtocolVersion::TLS_1_3 => Violation::TooManyChangeCipherSpecs,
            _ => Violation::UnexpectedChangeCipherSpec,
        };
        assert_eq!(error.violation(), Some(expected));
        assert!(held < 4096, "{held}");
    }
}

#[test]
fn warning_alerts() {
    for version in VERSIONS {
        let (error, held) = flood(version, &[], &[21, 3, 1, 0, 2, 1, 90]);
        assert_eq!(error.violation(), Some(Violation::TooManyWarnings));
        assert!(held < 1024, "{held}");
    }
    let version = ProtocolVersion::TLS_1_2;
    let (error, held) = flood(version, &hello(version), &[21, 3, 3, 0, 2, 1, 90]);
    assert_eq!(error.violation(), Some(Violation::TooManyWarnings));
    assert!(held < 8192, "{held}");
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

/// Of as many as may fit into a ClientHello, or into 64 KiB, none is known, none is there twice.
const IN_A_CLIENT_HELLO: usize = 11_000;
const IN_A_BLOCK: usize = 16_000;

fn extensions(count: usize) -> impl Iterator<Item = E> {
    (0x4000..)
        .map(E)
        .filter(|typ| typ.name().is_none())
        .take(count)
}

#[test]
fn thousands_of_unknown_extensions_are_ignored_in_a_client_hello() {
    for version in VERSIONS {
        let tamper = first(T::CLIENT_HELLO, |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                extensions(IN_A_CLIENT_HELLO).for_each(|typ| hello.extensions.add(typ, []));
            }))]
        });
        let mut pair = tampering(version, By::Client, tamper);
        super::attack::talk(&mut pair);
        assert_eq!(pair.server.stage(), Stage::Connected);
    }
}

#[test]
fn thousands_of_extensions_with_one_of_them_twice() {
    for version in VERSIONS {
        let tamper = first(T::CLIENT_HELLO, |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                extensions(IN_A_CLIENT_HELLO).for_each(|typ| hello.extensions.add(typ, []));
                hello.extensions.add(E(0x4000), []);
            }))]
        });
        let pair = tampering(version, By::Client, tamper);
        let error = refused(pair, By::Client);
        assert_eq!(error.violation(), Some(Violation::DuplicateNegotiation));
    }
}

#[test]
fn thousands_of_extensions_in_a_server_hello() {
    for version in VERSIONS {
        let tamper = first(T::SERVER_HELLO, |raw| {
            vec![Put::Message(server_hello(raw, |hello| {
                extensions(IN_A_BLOCK).for_each(|typ| hello.extensions.add(typ, []));
            }))]
        });
        let pair = tampering(version, By::Server, tamper);
        let error = refused(pair, By::Server);
        assert_eq!(error.violation(), Some(Violation::ExtensionNotOffered));
    }
}

/// 3,200 shares of groups that are all offered, and none of which anybody knows.
#[test]
fn thousands_of_key_shares() {
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            let groups: Vec<u8> = (0x4000..0x5000_u16).flat_map(u16::to_be_bytes).collect();
            let shares: Vec<u8> = groups
                .chunks(2)
                .flat_map(|group| [group[0], group[1], 0, 1, 7])
                .collect();
            let list = |list: &[u8]| [&(list.len() as u16).to_be_bytes(), list].concat();
            hello.extensions.set(E::SUPPORTED_GROUPS, list(&groups));
            hello.extensions.set(E::KEY_SHARE, list(&shares[..16_000]));
        }))]
    });
    let pair = pair(
        client().build().unwrap(),
        server().build().unwrap(),
        By::Client,
        tamper,
    );
    let error = refused(pair, By::Client);
    assert_eq!(error.violation(), Some(Violation::NoSharedGroup));
}

/// 4,096 groups before TLS 1.3, where no share goes with them.
#[test]
fn thousands_of_groups() {
    for known in [false, true] {
        let tamper = first(T::CLIENT_HELLO, move |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                // x25519, and the curve of the server's certificate (RFC 8422 §5.1).
                let ours = known.then_some([29, 23]).into_iter().flatten();
                let groups = (0x4000..0x5000_u16).chain(ours).flat_map(u16::to_be_bytes);
                let groups: Vec<u8> = groups.collect();
                let list = [&(groups.len() as u16).to_be_bytes(), &groups[..]].concat();
                hello.extensions.set(E::SUPPORTED_GROUPS, list);
            }))]
        });
        let mut pair = tampering(ProtocolVersion::TLS_1_2, By::Client, tamper);
        if known {
            super::attack::talk(&mut pair);
            assert_eq!(pair.server.stage(), Stage::Connected);
        } else {
            let error = refused(pair, By::Client);
            assert_eq!(error.violation(), Some(Violation::NoSharedGroup));
        }
    }
}

#[test]
fn thousands_of_suites() {
    for version in VERSIONS {
        let tamper = first(T::CLIENT_HELLO, |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                let ours = core::mem::take(&mut hello.suites);
                hello.suites = (0x2000..0x7000).chain(ours).collect();
            }))]
        });
        let mut pair = tampering(version, By::Client, tamper);
        super::attack::talk(&mut pair);
        assert_eq!(pair.server.stage(), Stage::Connected);
    }
}
