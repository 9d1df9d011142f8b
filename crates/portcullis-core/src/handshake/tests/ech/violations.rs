//! What either end refuses, with the alert of the RFC.

use super::*;
use crate::crypto::aead::TAG_LEN;
use crate::crypto::hpke::Sealer;
use crate::crypto::random::Random;
use crate::ech::Selected;
use crate::handshake::tests::attack::transmitted;
use crate::handshake::tests::parts::{ClientHelloParts, client_hello, server_hello};
use crate::handshake::tests::tamper::{Put, Tamper, first, nth};
use crate::wire::extension::{EchOuter, EncryptedClientHello, Extension as _};
use crate::wire::{ClientHello, ExtensionType as E, HandshakeMessage as _, HandshakeType as T};

/// A hello in the clear.
fn plain() -> Vec<u8> {
    let config = ClientConfig::builder(names().roots.clone())
        .build()
        .unwrap();
    let name = ServerName::try_from(PUBLIC).unwrap();
    let mut client = Handshake::client(config, name).unwrap();
    transmitted(&mut client)[5..].to_vec()
}

fn body_of(selected: &Selected, enc: &[u8], payload: &[u8]) -> Vec<u8> {
    let outer = EchOuter {
        cipher_suite: selected.suite.ids(),
        config_id: selected.config_id,
        enc,
        payload,
    };
    let mut body = Vec::new();
    EncryptedClientHello::Outer(outer).encode_body(&mut body);
    body
}

/// An outer hello with these bytes encrypted in it, as whoever has read the configuration can make one.
fn outer(key: &EchKey, encoded: &[u8]) -> Vec<u8> {
    let selected = key.config_list().select().unwrap();
    let (kem, public) = (selected.kem, &selected.public_key);
    let random = &mut Random::system();
    let sealer = Sealer::new(kem, public, selected.suite, &selected.info, random);
    let mut sealer = sealer.unwrap();
    let mut payload = [encoded, &[0; TAG_LEN]].concat();
    let zeros = vec![0; payload.len()];
    let zeros = body_of(&selected, sealer.enc(), &zeros);
    let hello = client_hello(&plain(), |hello| {
        hello.extensions.add(E::ENCRYPTED_CLIENT_HELLO, zeros);
    });
    sealer.seal_in_place(&hello[4..], &mut payload).unwrap();
    let body = body_of(&selected, sealer.enc(), &payload);
    client_hello(&hello, |hello| {
        hello.extensions.set(E::ENCRYPTED_CLIENT_HELLO, body);
    })
}

/// What the server says to a hello.
fn refused(server: ServerConfig, hello: &[u8]) -> crate::Error {
    let mut server = Handshake::server(server);
    let length = u16::try_from(hello.len()).unwrap().to_be_bytes();
    server.receive(&[&[22, 3, 1], &length[..], hello].concat(), now());
    transmitted(&mut server);
    server.poll().unwrap_err()
}

#[track_caller]
fn assert_refused(error: &crate::Error, violation: Violation) {
    assert_eq!(error.violation(), Some(violation), "{error}");
    let alert = (Direction::Sent, violation.alert());
    assert_eq!(error.alert(), Some(alert));
}

/// EncodedClientHelloInner of a hello that is changed, with what stands behind it.
fn encoded(change: impl FnOnce(&mut ClientHelloParts), behind: &[u8]) -> Vec<u8> {
    let hello = client_hello(&plain(), |hello| {
        hello.session_id.clear();
        hello.extensions.set(E::SUPPORTED_VERSIONS, [2, 3, 4]);
        hello.extensions.add(E::ENCRYPTED_CLIENT_HELLO, [1]);
        change(hello);
    });
    [&hello[4..], behind].concat()
}

fn list(types: &[E]) -> Vec<u8> {
    let mut list = vec![u8::try_from(2 * types.len()).unwrap()];
    for typ in types {
        list.extend(typ.0.to_be_bytes());
    }
    list
}

#[test]
fn an_inner_hello_that_breaks_a_rule_is_fatal() {
    use Violation as V;
    let key = key(1);
    let server = || server(&key).build().unwrap();
    let check = |violation, encoded: Vec<u8>| {
        assert_refused(&refused(server(), &outer(&key, &encoded)), violation);
    };
    check(V::EchPaddingNotZero, encoded(|_| {}, &[0, 0, 1, 0]));
    check(
        V::EchSessionIdNotEmpty,
        encoded(|hello| hello.session_id = vec![7], &[]),
    );
    check(
        V::InnerWithoutEch,
        encoded(
            |hello| hello.extensions.remove(E::ENCRYPTED_CLIENT_HELLO),
            &[],
        ),
    );
    for versions in [&[4, 3, 4, 3, 3][..], &[2, 3, 3], &[4, 3, 2, 3, 4]] {
        let old = |hello: &mut ClientHelloParts| {
            hello.extensions.set(E::SUPPORTED_VERSIONS, versions);
        };
        check(V::InnerOffersOldVersion, encoded(old, &[]));
    }
    let none = |hello: &mut ClientHelloParts| hello.extensions.remove(E::SUPPORTED_VERSIONS);
    check(V::InnerOffersOldVersion, encoded(none, &[]));
    // Not there, there once, and in another order.
    for types in [
        &[E::PADDING][..],
        &[E::SUPPORTED_GROUPS, E::SUPPORTED_GROUPS],
        &[E::KEY_SHARE, E::SUPPORTED_GROUPS],
    ] {
        let refer = |hello: &mut ClientHelloParts| {
            hello.extensions.add(E::ECH_OUTER_EXTENSIONS, list(types));
        };
        check(V::OuterExtensionMissing, encoded(refer, &[]));
    }
    let twice = |hello: &mut ClientHelloParts| {
        hello.extensions.remove(E::SUPPORTED_GROUPS);
        hello.extensions.remove(E::KEY_SHARE);
        hello
            .extensions
            .add(E::ECH_OUTER_EXTENSIONS, list(&[E::SUPPORTED_GROUPS]));
        hello
            .extensions
            .add(E::ECH_OUTER_EXTENSIONS, list(&[E::KEY_SHARE]));
    };
    check(V::OuterExtensionMissing, encoded(twice, &[]));
    let itself = |hello: &mut ClientHelloParts| {
        let types = list(&[E::ENCRYPTED_CLIENT_HELLO]);
        hello.extensions.add(E::ECH_OUTER_EXTENSIONS, types);
    };
    check(V::OuterExtensionSelfReference, encoded(itself, &[]));
    for types in [vec![], vec![0], vec![1, 0]] {
        let odd = |hello: &mut ClientHelloParts| {
            hello.extensions.add(E::ECH_OUTER_EXTENSIONS, types);
        };
        check(V::MalformedExtension, encoded(odd, &[]));
    }
    check(V::MalformedMessage, vec![3, 3, 0]);
    let duplicate = |hello: &mut ClientHelloParts| hello.extensions.add(E::PADDING, []);
    let duplicates = |hello: &mut ClientHelloParts| {
        duplicate(hello);
        duplicate(hello);
    };
    check(V::DuplicateNegotiation, encoded(duplicates, &[]));
}

/// One that breaks none goes through, so that the cases above are refused for what they say.
#[test]
fn a_forged_hello_that_breaks_no_rule_is_answered() {
    let key = key(1);
    let mut server = Handshake::server(server(&key).build().unwrap());
    let hello = outer(&key, &encoded(|_| {}, &[0; 32]));
    let length = u16::try_from(hello.len()).unwrap().to_be_bytes();
    server.receive(&[&[22, 3, 1], &length[..], &hello].concat(), now());
    let answer = transmitted(&mut server);
    assert_eq!(answer.first(), Some(&22));
}

#[test]
fn the_kind_of_hello_has_to_fit_the_kind_of_server() {
    let key = key(1);
    let with = |body: &[u8]| {
        client_hello(&plain(), |hello| {
            hello.extensions.add(E::ENCRYPTED_CLIENT_HELLO, body)
        })
    };
    let front = || server(&key).build().unwrap();
    let backend = || both_names().ech_backend(true).build().unwrap();
    assert_refused(&refused(front(), &with(&[2])), Violation::EchTypeUnknown);
    assert_refused(
        &refused(backend(), &with(&[2, 7])),
        Violation::EchTypeUnknown,
    );
    assert_refused(
        &refused(front(), &with(&[1])),
        Violation::EchInnerFromNetwork,
    );
    for malformed in [&[][..], &[1, 0], &[0], &[0, 0, 1, 0, 1, 7, 0, 0, 0, 0]] {
        let error = refused(front(), &with(malformed));
        assert_refused(&error, Violation::MalformedExtension);
    }
    let outer = outer(&key, &encoded(|_| {}, &[]));
    assert_refused(&refused(backend(), &outer), Violation::EchOuterAtBackend);
}

/// Both ends of a handshake in which one of them is changed.
fn tampered(
    by_server: bool,
    server: ServerConfigBuilder,
    tamper: Tamper,
    key: &EchKey,
) -> crate::Error {
    let groups = [NamedGroup::X25519, NamedGroup::SECP384R1];
    let config = client(key.config_list())
        .groups(groups)
        .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]))
        .build()
        .unwrap();
    let mut pair = pair(config.clone(), server.build().unwrap());
    if by_server {
        pair.server.tamper(tamper);
    } else {
        let name = ServerName::try_from(SECRET).unwrap();
        pair.client = Handshake::client_tampering(config, name, Random::system(), tamper);
    }
    let (client, server) = pair.run();
    match by_server {
        true => client.unwrap_err(),
        false => server.unwrap_err(),
    }
}

#[test]
fn a_second_hello_belongs_to_the_first() {
    let key = key(1);
    let check = |violation, change: fn(&mut ClientHelloParts)| {
        let tamper = nth(2, T::CLIENT_HELLO, move |raw| {
            vec![Put::Message(client_hello(raw, change))]
        });
        let server = server(&key).groups([NamedGroup::SECP384R1]);
        assert_refused(&tampered(false, server, tamper, &key), violation);
    };
    check(Violation::EchMissingInSecondHello, |hello| {
        hello.extensions.remove(E::ENCRYPTED_CLIENT_HELLO);
    });
    // Its AEAD, its id, and a key.
    check(Violation::EchChangedInSecondHello, |hello| {
        hello.extensions.body(E::ENCRYPTED_CLIENT_HELLO)[4] ^= 2;
    });
    check(Violation::EchChangedInSecondHello, |hello| {
        hello.extensions.body(E::ENCRYPTED_CLIENT_HELLO)[5] ^= 1;
    });
    check(Violation::EchChangedInSecondHello, |hello| {
        let body = hello.extensions.body(E::ENCRYPTED_CLIENT_HELLO);
        body[7] = 1;
        body.insert(8, 0);
    });
    check(Violation::SecondEchNotOpened, |hello| {
        let body = hello.extensions.body(E::ENCRYPTED_CLIENT_HELLO);
        *body.last_mut().unwrap() ^= 1;
    });
    check(Violation::EchInnerFromNetwork, |hello| {
        hello.extensions.set(E::ENCRYPTED_CLIENT_HELLO, [1]);
    });
}

#[test]
fn a_server_says_the_same_twice() {
    let key = key(1);
    let tamper = nth(2, T::SERVER_HELLO, |raw| {
        let changed = server_hello(raw, |hello| hello.random[31] ^= 1);
        vec![Put::Message(changed)]
    });
    let server = server(&key).groups([NamedGroup::SECP384R1]);
    let error = tampered(true, server, tamper, &key);
    assert_refused(&error, Violation::EchAcceptanceRevoked);
}

#[test]
fn a_confirmation_has_eight_bytes() {
    let key = key(1);
    for length in [0, 7, 9] {
        let tamper = first(T::SERVER_HELLO, move |raw| {
            let changed = server_hello(raw, |hello| {
                hello
                    .extensions
                    .set(E::ENCRYPTED_CLIENT_HELLO, vec![0; length]);
            });
            vec![Put::Message(changed)]
        });
        let server = server(&key).groups([NamedGroup::SECP384R1]);
        let error = tampered(true, server, tamper, &key);
        assert_refused(&error, Violation::MalformedExtension);
    }
}

/// There was no such key in the outer hello, whatever looked like one.
#[test]
fn who_has_not_read_the_inner_hello_cannot_resume() {
    let (key, other) = (key(1), key(2));
    let tamper = first(T::SERVER_HELLO, |raw| {
        let changed = server_hello(raw, |hello| hello.extensions.add(E::PRE_SHARED_KEY, [0, 0]));
        vec![Put::Message(changed)]
    });
    let error = tampered(true, server(&other), tamper, &key);
    assert_refused(&error, Violation::EchRejectedButResumed);
}

#[test]
fn what_a_server_sends_to_try_again_with_is_a_list_and_only_for_who_is_rejected() {
    let (key, other) = (key(1), key(2));
    let retry = |body: Vec<u8>| -> Tamper {
        first(T::ENCRYPTED_EXTENSIONS, move |raw| {
            let mut message = raw[..4].to_vec();
            let mut block = raw[6..].to_vec();
            if let Some(at) = block.windows(2).position(|typ| typ == [0xfe, 0x0d]) {
                block.truncate(at);
            }
            block.extend([0xfe, 0x0d]);
            block.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
            block.extend(&body);
            message.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
            message.extend(block);
            let length = message.len() - 4;
            message[2] = u8::try_from(length >> 8).unwrap();
            message[3] = u8::try_from(length & 0xff).unwrap();
            vec![Put::Message(message)]
        })
    };
    let list = key.config_list().as_bytes().to_vec();
    let error = tampered(true, server(&key), retry(list.clone()), &key);
    assert_refused(&error, Violation::ExtensionNotOffered);
    for malformed in [
        vec![],
        vec![0, 0],
        list[..list.len() - 1].to_vec(),
        vec![0, 4, 0xfe, 0x0d, 0, 0],
    ] {
        let error = tampered(true, server(&other), retry(malformed), &key);
        assert_refused(&error, Violation::MalformedExtension);
    }
}

#[test]
fn the_bytes_of_the_payload_may_stand_elsewhere() {
    // What is authenticated has zeros where the payload stands, and not where the same bytes stand before it.
    let key = key(1);
    let selected = key.config_list().select().unwrap();
    let (kem, public) = (selected.kem, &selected.public_key);
    let random = &mut Random::system();
    let mut sealer = Sealer::new(kem, public, selected.suite, &selected.info, random).unwrap();
    // Nothing but the tag is encrypted, of which one byte is repeated.
    let mut payload = [0; TAG_LEN];
    let zeros = body_of(&selected, sealer.enc(), &payload);
    let hello = client_hello(&plain(), |hello| {
        hello.extensions.add(E::PADDING, [0; TAG_LEN]);
        hello.extensions.add(E::ENCRYPTED_CLIENT_HELLO, zeros);
    });
    sealer.seal_in_place(&hello[4..], &mut payload).unwrap();
    let body = body_of(&selected, sealer.enc(), &payload);
    let hello = client_hello(&hello, |hello| {
        hello.extensions.set(E::ENCRYPTED_CLIENT_HELLO, body);
    });
    assert!(ClientHello::decode(&hello[4..]).is_ok());
    // It opens: what was in it is no hello.
    let error = refused(server(&key).build().unwrap(), &hello);
    assert_refused(&error, Violation::MalformedMessage);
}
