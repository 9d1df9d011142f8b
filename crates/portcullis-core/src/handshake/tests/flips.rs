//! A bit changed on the wire: somebody notices, and nobody panics or waits for ever.

use std::sync::OnceLock;

use super::attack::{
    authenticated_client, authenticating_server, client, server, ticket_keys, transmitted,
};
use crate::config::{ClientConfig, ServerConfig};
use crate::session::ClientSession;
use crate::testing::{Pair, now, resuming, sessions_of};
use crate::{ProtocolVersion, Stage, Step};

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1 << (at % 8);
}

/// Ends both sides as when the transport is closed; whether both were connected.
fn both_connected(mut pair: Pair) -> bool {
    pair.turn(&mut |_, question| Some(question.default_answer()));
    [pair.client, pair.server].map(|mut end| {
        end.receive_eof();
        match end.poll() {
            Ok(Step::Connected) => true,
            Ok(step) => panic!("{step:?}"),
            Err(_) => {
                assert_eq!(end.stage(), Stage::Closed);
                false
            }
        }
    }) == [true, true]
}

fn pair() -> Pair {
    Pair::new(client().build().unwrap(), server().build().unwrap())
}

/// Both of TLS 1.2, with certificates of both, and a ticket.
fn older_pair() -> Pair {
    let versions = [ProtocolVersion::TLS_1_2];
    let client = authenticated_client().versions(versions);
    let server = authenticating_server().versions(versions);
    let client = client.session_tickets(true).build().unwrap();
    Pair::new(client, server.ticket_keys(ticket_keys()).build().unwrap())
}

/// They resume a session of theirs; a client of TLS 1.2 that is refused has nothing to fall back on.
fn older_resumed_pair() -> Pair {
    type Resumable = (ClientConfig, ServerConfig, ClientSession);
    static RESUMABLE: OnceLock<Resumable> = OnceLock::new();
    let (client, server, session) = RESUMABLE.get_or_init(|| {
        let versions = [ProtocolVersion::TLS_1_2];
        let client = client().versions(versions).session_tickets(true);
        let server = server().versions(versions).ticket_keys(ticket_keys());
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        let session = sessions_of(client.clone(), server.clone()).remove(0);
        (client, server, session)
    });
    resuming(client.clone(), server.clone(), vec![session.clone()])
}

/// §5.1: the minor version of a hello's record is ignored, and so is that of change_cipher_spec. Of
/// what is protected it has to be right.
fn is_ignored(bytes: &[u8], at: usize) -> bool {
    let mut start = 0;
    while start + 5 <= at {
        let length = 5 + usize::from(u16::from_be_bytes([bytes[start + 3], bytes[start + 4]]));
        if at < start + length {
            break;
        }
        start += length;
    }
    at == start + 2 && matches!(bytes[start], 20 | 22)
}

#[test]
fn in_the_clients_hello() {
    let length = transmitted(&mut pair().client).len();
    for at in 0..length {
        let mut pair = pair();
        let mut hello = transmitted(&mut pair.client);
        flip(&mut hello, at);
        pair.server.receive(&hello, now());
        assert_eq!(both_connected(pair), is_ignored(&hello, at), "byte {at}");
    }
}

#[test]
fn in_the_servers_flight() {
    // ECDSA signatures differ in length: the end is not always reached.
    for at in (0..800).chain((800..2_000).step_by(5)) {
        let mut pair = pair();
        let hello = transmitted(&mut pair.client);
        pair.server.receive(&hello, now());
        let mut flight = transmitted(&mut pair.server);
        if at >= flight.len() {
            break;
        }
        flip(&mut flight, at);
        pair.client.receive(&flight, now());
        let ignored = is_ignored(&flight, at);
        assert_eq!(both_connected(pair), ignored, "byte {at}");
    }
}

#[test]
fn in_the_clients_finished() {
    for at in 0..100 {
        let mut pair = pair();
        let hello = transmitted(&mut pair.client);
        pair.server.receive(&hello, now());
        let flight = transmitted(&mut pair.server);
        pair.client.receive(&flight, now());
        let mut finished = transmitted(&mut pair.client);
        if at >= finished.len() {
            break;
        }
        flip(&mut finished, at);
        pair.server.receive(&finished, now());
        assert_eq!(both_connected(pair), is_ignored(&finished, at), "byte {at}");
    }
}

/// The flights of TLS 1.2: of each, every byte. Before the version is known the
/// minor version of a record is ignored, and that of the legacy version in a hello is not.
#[test]
fn in_the_flights_before_tls13() {
    every_byte_of(older_pair, 4);
}

#[test]
fn in_the_flights_of_a_resumption_before_tls13() {
    every_byte_of(older_resumed_pair, 3);
}

/// By a pre-shared key of TLS 1.3, as it is and imported.
#[test]
fn in_the_flights_by_a_shared_key() {
    use super::external_psk::{client, imported, psk, server};
    let ends: [fn() -> Pair; 2] = [
        || {
            let (client, server) = (client().psk(psk()).build(), server().psk(psk()).build());
            Pair::new(client.unwrap(), server.unwrap())
        },
        || {
            let (client, server) = (client().psk(imported()), server().psk(imported()));
            Pair::new(client.build().unwrap(), server.build().unwrap())
        },
    ];
    for of in ends {
        for flight in 0..3 {
            for at in 0.. {
                let mut pair = of();
                let mut bytes = transmitted(&mut pair.client);
                if flight > 0 {
                    pair.server.receive(&bytes, now());
                    bytes = transmitted(&mut pair.server);
                }
                if flight > 1 {
                    pair.client.receive(&bytes, now());
                    bytes = transmitted(&mut pair.client);
                }
                if at >= bytes.len() {
                    break;
                }
                flip(&mut bytes, at);
                match flight {
                    1 => pair.client.receive(&bytes, now()),
                    _ => pair.server.receive(&bytes, now()),
                }
                let ignored = is_ignored(&bytes, at);
                assert_eq!(both_connected(pair), ignored, "flight {flight}, byte {at}");
            }
        }
    }
}

/// The key exchanges that have to be named: what of them a certificate's key has not signed is in the
/// transcript.
#[cfg(all(feature = "ffi", feature = "finite-field"))]
#[test]
fn in_the_flights_of_other_key_exchanges() {
    use super::tls12::{rsa, rsa_psk, static_ecdh, user};
    use crate::config::{ClientConfigBuilder, ServerConfigBuilder};
    fn pair((client, server): (ClientConfigBuilder, ServerConfigBuilder)) -> Pair {
        Pair::new(client.build().unwrap(), server.build().unwrap())
    }
    let ends: [fn() -> Pair; 5] = [
        || pair((user::client(&[user::SRP]), user::server(&[user::SRP]))),
        || {
            pair((
                user::client(&[user::SRP_RSA]),
                user::server(&[user::SRP_RSA]),
            ))
        },
        || pair((rsa::client(), rsa::server())),
        || pair(rsa_psk::ends()),
        || pair((static_ecdh::client(), static_ecdh::server())),
    ];
    for of in ends {
        every_nth_byte_of(of, 4, 5);
    }
}

fn every_byte_of(of: fn() -> Pair, flights: usize) {
    every_nth_byte_of(of, flights, 1);
}

fn every_nth_byte_of(of: fn() -> Pair, flights: usize, step: usize) {
    for flight in 0..flights {
        for at in (0..).step_by(step) {
            let mut pair = of();
            let mut bytes = transmitted(&mut pair.client);
            for turn in 0..flight {
                let (from, to) = match turn % 2 {
                    0 => (&mut pair.server, &bytes),
                    _ => (&mut pair.client, &bytes),
                };
                from.receive(to, now());
                bytes = transmitted(from);
            }
            assert!(!bytes.is_empty(), "flight {flight}");
            let Some(_) = bytes.get(at) else {
                break;
            };
            flip(&mut bytes, at);
            match flight % 2 {
                0 => pair.server.receive(&bytes, now()),
                _ => pair.client.receive(&bytes, now()),
            }
            // The records up to and with the hello, and no others.
            let ignored = flight < 2 && at == 2;
            assert_eq!(both_connected(pair), ignored, "flight {flight}, byte {at}");
        }
    }
}
