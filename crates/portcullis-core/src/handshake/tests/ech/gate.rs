//! A server that keeps nothing of a first hello, not even what opens the second: its cookie has it.

use super::super::parts::{ClientHelloParts, client_hello};
use super::*;
use crate::clock::{Monotonic, Now};
use crate::crypto::hash::{HashAlgorithm, hash};
use crate::ech::confirmation::{IN_SERVER_HELLO, Within, confirmation};
use crate::key_schedule::{AddMessage as _, Hashed, Transcript};
use crate::record::{DatagramOptions, Discarded, plain_message};
use crate::step::Step;
use crate::suite::CipherSuite;
use crate::wire::extension::{Cookie, EchConfirmation};
use crate::wire::{ExtensionType as E, HandshakeMessage as _, ServerHello};
use crate::{CookiePolicy, DatagramConnection, Error, Gate, Verdict};

pub(super) const PEER: &[u8] = b"192.0.2.1:4433";
/// Before the body of a message that is whole in one record: the headers of record and fragment.
const HEADERS: usize = 13 + 12;

pub(super) fn at(milliseconds: u64) -> Now {
    Now {
        wall: now(),
        monotonic: Monotonic(core::time::Duration::from_millis(milliseconds)),
    }
}

fn gate(server: &ServerConfig) -> Gate {
    Gate::new(server, CookiePolicy::Always).unwrap()
}

pub(super) fn begin(client: ClientConfig, options: DatagramOptions) -> Handshake {
    let name = ServerName::try_from(SECRET).unwrap();
    Handshake::datagram_client(client, name, Vec::new(), options, at(0)).unwrap()
}

pub(super) fn sent(handshake: &mut Handshake) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    loop {
        match handshake.poll() {
            Ok(Step::Transmit(datagram)) => datagrams.push(datagram),
            Ok(Step::Event(_)) => {}
            Ok(Step::Ask(question)) => {
                let answer = question.default_answer();
                handshake.answer(answer, at(0)).unwrap();
            }
            _ => return datagrams,
        }
    }
}

pub(super) type Ended = Result<DatagramConnection, Error>;

pub(super) fn ended(mut handshake: Handshake) -> Ended {
    match handshake.poll() {
        Err(error) => Err(error),
        Ok(_) => handshake.into_datagram_connection(),
    }
}

/// Through the gate, and to the end; `change` sees each datagram of the client's on its way there.
fn run(
    gate: &mut Gate,
    server: &ServerConfig,
    client: ClientConfig,
    options: DatagramOptions,
    mut change: impl FnMut(usize, Vec<u8>) -> Vec<u8>,
) -> (Ended, Option<Ended>) {
    let mut client = begin(client, options);
    let mut admitted: Option<Handshake> = None;
    let mut count = 0;
    loop {
        let said = sent(&mut client);
        let mut is_silent = said.is_empty();
        for datagram in said {
            let datagram = change(count, datagram);
            count += 1;
            match &mut admitted {
                Some(server) => server.receive(&datagram, at(0)),
                None => match gate.on_datagram(PEER, &datagram, at(0)) {
                    Verdict::Reply(reply) => client.receive(&reply, at(0)),
                    Verdict::Discard(why) => assert_eq!(why, Discarded::NotWhole),
                    Verdict::Admit(admission) => {
                        let config = server.clone();
                        let begun = Handshake::datagram_server(config, admission, options, at(0));
                        admitted = Some(begun.unwrap());
                    }
                },
            }
        }
        for datagram in admitted.as_mut().map(sent).unwrap_or_default() {
            is_silent = false;
            client.receive(&datagram, at(0));
        }
        if is_silent {
            return (ended(client), admitted.map(ended));
        }
    }
}

fn connect(gate: &mut Gate, server: &ServerConfig, client: ClientConfig, options: DatagramOptions) {
    let (client, server) = run(gate, server, client, options, |_, datagram| datagram);
    let (client, server) = (client.unwrap(), server.unwrap().unwrap());
    let (client, server) = (&client.information, &server.information);
    assert!(client.hello_retried() && server.hello_retried());
    for end in [client, server] {
        assert_eq!(end.ech(), EchStatus::Accepted);
        assert_eq!(end.server_name(), Some(SECRET));
    }
    let exported = client.tls_exporter().unwrap();
    assert_eq!(exported, server.tls_exporter().unwrap());
}

#[test]
fn a_cookie_has_what_opens_the_second_hello() {
    let suites = [
        CipherSuite::TLS_AES_128_GCM_SHA256,
        CipherSuite::TLS_AES_256_GCM_SHA384,
    ];
    for kem in [EchKem::X25519, EchKem::P256] {
        let (key, _) = EchKey::builder(PUBLIC).kem(kem).generate().unwrap();
        // With a share that is there, and with one that is asked for beside the cookie; in pieces as well.
        for (suite, group, mtu) in [
            (suites[0], NamedGroup::X25519, 1_200),
            (suites[0], NamedGroup::SECP256R1, 1_200),
            (suites[1], NamedGroup::X25519, 228),
            (suites[1], NamedGroup::X25519_MLKEM768, 1_200),
        ] {
            let server = server(&key).cipher_suites([suite]).groups([group]);
            let server = server.build().unwrap();
            let client = client(key.config_list()).cipher_suites([suite]);
            let options = DatagramOptions::default().mtu(mtu);
            connect(
                &mut gate(&server),
                &server,
                client.build().unwrap(),
                options,
            );
        }
    }
}

/// Of the same id, of which any may be the one.
#[test]
fn the_key_is_found_again_among_those_of_its_id() {
    let keys = [key(7), key(7), key(7)];
    let server = both_names().ech_keys(EchKeys::new(keys.clone()).unwrap());
    let server = server.build().unwrap();
    for key in &keys {
        let client = client(key.config_list()).build().unwrap();
        connect(
            &mut gate(&server),
            &server,
            client,
            DatagramOptions::default(),
        );
    }
}

#[test]
fn behind_a_cookie_a_server_with_another_key_says_what_it_has() {
    let (old, new) = (key(1), key(2));
    let server = server(&new).build().unwrap();
    let config = client(old.config_list()).build().unwrap();
    let options = DatagramOptions::default();
    let (ended, _) = run(
        &mut gate(&server),
        &server,
        config.clone(),
        options,
        |_, it| it,
    );
    let error = ended.unwrap_err();
    let Retry::With(list) = error.ech_rejection().unwrap().retry() else {
        panic!("{error}");
    };
    let config = config.with_ech(list.clone()).unwrap();
    connect(&mut gate(&server), &server, config, options);
    // And one that has none.
    let server = both_names().build().unwrap();
    let config = client(old.config_list()).build().unwrap();
    let (ended, _) = run(&mut gate(&server), &server, config, options, |_, it| it);
    let error = ended.unwrap_err();
    let retry = error.ech_rejection().unwrap().retry();
    assert_eq!(retry, Retry::WithoutEch, "{error}");
}

/// It asks by HelloVerifyRequest: the outer hello is said again, and what means nothing with it.
#[test]
fn who_asks_for_a_cookie_as_dtls_1_2_does_has_read_no_inner_hello() {
    let both = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let server = both_names().versions([ProtocolVersion::TLS_1_2]);
    let server = server.build().unwrap();
    let options = DatagramOptions::default();
    let config = client(key(1).config_list()).versions(both).grease(true);
    let mut hellos = Vec::new();
    let (ended, _) = run(
        &mut gate(&server),
        &server,
        config.build().unwrap(),
        options,
        |at, datagram| {
            if at < 2 {
                hellos.push(datagram[HEADERS..].to_vec());
            }
            datagram
        },
    );
    let error = ended.unwrap_err();
    let retry = error.ech_rejection().unwrap().retry();
    assert_eq!(retry, Retry::WithoutEch, "{error}");
    // With the cookie, and else the same.
    let length = usize::from(hellos[1][35]);
    hellos[1].drain(36..36 + length);
    hellos[1][35] = 0;
    assert_eq!(hellos[0], hellos[1]);
    // Who pretends is connected.
    let pretender = ClientConfig::builder(names().roots.clone()).versions(both);
    let pretender = pretender.ech_grease(true).grease(true).build().unwrap();
    let (client, server) = run(&mut gate(&server), &server, pretender, options, |_, it| it);
    let (client, server) = (client.unwrap(), server.unwrap().unwrap());
    assert_eq!(client.information.ech(), EchStatus::Grease);
    assert_eq!(
        client.information.tls_exporter().unwrap(),
        server.information.tls_exporter().unwrap()
    );
}

/// Changes a hello that is whole in a datagram.
pub(super) fn changed(datagram: &[u8], change: impl FnOnce(&mut ClientHelloParts)) -> Vec<u8> {
    // The parts know hellos of streams: without a cookie, which is empty, as the session id before it is.
    const COOKIE: usize = 4 + 2 + 32 + 1;
    let mut message = datagram[13..17].to_vec();
    message.extend_from_slice(&datagram[HEADERS..]);
    assert_eq!(message[COOKIE - 1..=COOKIE], [0, 0]);
    message.remove(COOKIE);
    let mut message = client_hello(&message, change);
    message.insert(COOKIE, 0);
    let length = u32::try_from(message.len() - 4).unwrap().to_be_bytes();
    message[1..4].copy_from_slice(&length[1..]);
    plain_message(1, u16::from(datagram[18]), &message)
}

#[test]
fn a_second_hello_behind_a_cookie_belongs_to_the_first() {
    let key = key(1);
    let server = server(&key).groups([NamedGroup::X25519]).build().unwrap();
    let check = |violation, change: fn(&mut ClientHelloParts)| {
        let client = client(key.config_list()).build().unwrap();
        let options = DatagramOptions::default();
        let (_, ended) = run(
            &mut gate(&server),
            &server,
            client,
            options,
            |at, datagram| match at {
                1 => changed(&datagram, change),
                _ => datagram,
            },
        );
        let error = ended.unwrap().unwrap_err();
        assert_eq!(error.violation(), Some(violation), "{error}");
        assert_eq!(error.alert(), Some((Direction::Sent, violation.alert())));
    };
    check(Violation::EchMissingInSecondHello, |hello| {
        hello.extensions.remove(E::ENCRYPTED_CLIENT_HELLO);
    });
    check(Violation::EchChangedInSecondHello, |hello| {
        hello.extensions.body(E::ENCRYPTED_CLIENT_HELLO)[5] ^= 1;
    });
    check(Violation::EchChangedInSecondHello, |hello| {
        hello.extensions.body(E::ENCRYPTED_CLIENT_HELLO)[4] ^= 2;
    });
    check(Violation::EchChangedInSecondHello, |hello| {
        let body = hello.extensions.body(E::ENCRYPTED_CLIENT_HELLO);
        body[7] = 1;
        body.insert(8, 0);
    });
    check(Violation::EchInnerFromNetwork, |hello| {
        hello.extensions.set(E::ENCRYPTED_CLIENT_HELLO, [1]);
    });
    check(Violation::EchTypeUnknown, |hello| {
        hello.extensions.set(E::ENCRYPTED_CLIENT_HELLO, [2]);
    });
    check(Violation::SecondEchNotOpened, |hello| {
        let body = hello.extensions.body(E::ENCRYPTED_CLIENT_HELLO);
        *body.last_mut().unwrap() ^= 1;
    });
    // What is authenticated with it.
    check(Violation::SecondEchNotOpened, |hello| hello.random[0] ^= 1);
}

/// Keys are replaced between the two hellos: who was asked is let in as long as the key is there.
#[test]
fn keys_may_be_replaced_while_a_cookie_is_under_way() {
    let (old, new) = (key(1), key(2));
    for (is_kept, list) in [(true, vec![new.clone(), old.clone()]), (false, vec![new])] {
        let keys = EchKeys::new([old.clone()]).unwrap();
        let server = both_names().ech_keys(keys.clone());
        let server = server.groups([NamedGroup::X25519]).build().unwrap();
        let client = client(old.config_list()).build().unwrap();
        let mut list = Some(list);
        let options = DatagramOptions::default();
        let (client, ended) = run(
            &mut gate(&server),
            &server,
            client,
            options,
            |at, datagram| {
                if at == 1 {
                    keys.replace(list.take().unwrap()).unwrap();
                }
                datagram
            },
        );
        match is_kept {
            true => assert_eq!(client.unwrap().information.ech(), EchStatus::Accepted),
            false => {
                let violation = ended.unwrap().unwrap_err().violation();
                assert_eq!(violation, Some(Violation::SecondEchNotOpened));
            }
        }
    }
}

/// The answer to a first hello.
fn answer(gate: &mut Gate, hello: &[u8]) -> Vec<u8> {
    match gate.on_datagram(PEER, hello, at(0)) {
        Verdict::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// Whoever looks on does not see whether a hello was read: neither by what the answer has in it, nor by its length.
#[test]
fn who_was_not_understood_is_answered_as_who_was() {
    let (mine, others) = (key(1), key(1));
    let suite = CipherSuite::TLS_AES_128_GCM_SHA256;
    let server = server(&mine).groups([NamedGroup::X25519]).build().unwrap();
    let plain = || ClientConfig::builder(names().roots.clone());
    let mut gate = gate(&server);
    let mut lengths = Vec::new();
    for client in [
        client(mine.config_list()),
        client(others.config_list()),
        plain().ech_grease(true),
    ] {
        let client = client.cipher_suites([suite]).build().unwrap();
        let hello = sent(&mut begin(client, DatagramOptions::default())).remove(0);
        let [one, two] = [(); 2].map(|()| answer(&mut gate, &hello));
        assert!(one.len() <= 2 * hello.len());
        let parts = |reply: &[u8]| {
            let hello = ServerHello::decode(&reply[HEADERS..]).unwrap();
            let types = hello.extensions.iter().map(|one| one.extension_type);
            let types: Vec<_> = types.collect();
            let confirmation: EchConfirmation<'_> = hello.extensions.find().unwrap().unwrap();
            let cookie: Cookie<'_> = hello.extensions.find().unwrap().unwrap();
            (types, *confirmation.0, cookie.cookie.to_vec())
        };
        let (types, confirmation, cookie) = parts(&one);
        assert_eq!(*types.last().unwrap(), E::ENCRYPTED_CLIENT_HELLO);
        assert_ne!(confirmation, [0; 8]);
        lengths.push((one.len(), cookie.len(), types));
        // The hash of what everybody has read is not to be found.
        let message = [&hello[13..17], &hello[HEADERS..]].concat();
        let digest = hash(HashAlgorithm::Sha256, &message);
        let digest = digest.as_slice();
        assert!(!one.windows(8).any(|bytes| bytes == &digest[..8]));
        // Nor by saying it twice: what nobody has confirmed does not change either.
        assert!(one == two);
    }
    assert!(lengths.iter().all(|one| *one == lengths[0]), "{lengths:?}");
    // Of a server that does not look there is no such answer.
    let silent = both_names().groups([NamedGroup::X25519]).build().unwrap();
    let client = plain().ech_grease(true).build().unwrap();
    let hello = sent(&mut begin(client, DatagramOptions::default())).remove(0);
    let reply = answer(&mut self::gate(&silent), &hello);
    let hello = ServerHello::decode(&reply[HEADERS..]).unwrap();
    assert!(!hello.extensions.contains(E::ENCRYPTED_CLIENT_HELLO));
}

/// Whatever bit of a cookie is another one, it is none.
#[test]
fn no_bit_of_a_cookie_that_hides_something_can_be_changed() {
    for key in [key(1), key(2)] {
        let server = server(&key).groups([NamedGroup::X25519]).build().unwrap();
        let mut gate = gate(&server);
        let own = client(self::key(1).config_list());
        let lists = [client(key.config_list()), own];
        for client in lists {
            let client = client.build().unwrap();
            let mut client = begin(client, DatagramOptions::default());
            let first = sent(&mut client).remove(0);
            client.receive(&answer(&mut gate, &first), at(0));
            let second = sent(&mut client).remove(0);
            let is_admitted = |verdict| matches!(verdict, Verdict::Admit(_));
            assert!(is_admitted(gate.on_datagram(PEER, &second, at(0))));
            assert!(!is_admitted(gate.on_datagram(b"elsewhere", &second, at(0))));
            let mut length = 0;
            let _ = changed(&second, |hello| {
                length = hello.extensions.body(E::COOKIE).len();
            });
            for bit in 16..8 * length {
                let other = changed(&second, |hello| {
                    hello.extensions.body(E::COOKIE)[bit / 8] ^= 1 << (bit % 8);
                });
                assert!(!is_admitted(gate.on_datagram(PEER, &other, at(0))), "{bit}");
            }
        }
    }
}

/// Anybody can send one, and what it costs to find it wrong must not grow with it.
#[test]
fn a_cookie_that_is_too_long_is_none() {
    let server = server(&key(1))
        .groups([NamedGroup::X25519])
        .build()
        .unwrap();
    let mut gate = gate(&server);
    let client = client(key(1).config_list()).build().unwrap();
    let mut client = begin(client, DatagramOptions::default());
    let first = sent(&mut client).remove(0);
    client.receive(&answer(&mut gate, &first), at(0));
    let second = sent(&mut client).remove(0);
    // More blocks of what hides than a byte counts.
    let other = changed(&second, |hello| {
        let body = hello.extensions.body(E::COOKIE);
        // Behind the length of the cookie, and in it behind what says how long `enc` is.
        body[2 + 15] = 0;
        body.resize(2 + 9_000, 7);
        body[..2].copy_from_slice(&9_000_u16.to_be_bytes());
    });
    let verdict = gate.on_datagram(PEER, &other, at(0));
    assert!(matches!(verdict, Verdict::Reply(_)), "{verdict:?}");
}

/// A rule that the inner hello breaks is told by the gate already, with the alert of the rule.
#[test]
fn what_only_a_front_may_say_is_refused_at_the_gate() {
    let server = server(&key(1)).build().unwrap();
    let client = ClientConfig::builder(names().roots.clone()).ech_grease(true);
    let client = client.build().unwrap();
    let hello = sent(&mut begin(client, DatagramOptions::default())).remove(0);
    for (body, violation) in [
        (vec![1], Violation::EchInnerFromNetwork),
        (vec![9], Violation::EchTypeUnknown),
        (vec![], Violation::MalformedExtension),
    ] {
        let hello = changed(&hello, |hello| {
            hello.extensions.set(E::ENCRYPTED_CLIENT_HELLO, body);
        });
        let reply = answer(&mut gate(&server), &hello);
        assert_eq!(
            (reply.len(), reply[0], reply[14]),
            (15, 21, violation.alert().0)
        );
    }
}

/// Behind a server that decrypts: both answers confirm, and the first is made again of the cookie, bit by bit.
#[test]
fn a_server_behind_another_confirms_what_it_has_not_kept() {
    let server = both_names().ech_backend(true).groups([NamedGroup::X25519]);
    let server = server.build().unwrap();
    let suite = CipherSuite::TLS_AES_128_GCM_SHA256;
    // It pretends, so that it takes the answers.
    let client = ClientConfig::builder(names().roots.clone()).ech_grease(true);
    let client = client.cipher_suites([suite]);
    let client = client.versions([ProtocolVersion::TLS_1_3]).build().unwrap();
    let mut client = begin(client, DatagramOptions::default());
    let inner = |datagram: &[u8]| {
        changed(datagram, |hello| {
            hello.extensions.set(E::ENCRYPTED_CLIENT_HELLO, [1])
        })
    };
    let message = |datagram: &[u8]| {
        let length = usize::from(u16::from_be_bytes([datagram[11], datagram[12]]));
        [&datagram[13..17], &datagram[HEADERS..13 + length]].concat()
    };
    let mut gate = gate(&server);
    let first = inner(&sent(&mut client).remove(0));
    let request = answer(&mut gate, &first);
    let random: [u8; 32] = first[HEADERS + 2..HEADERS + 34].try_into().unwrap();
    let mut transcript = Transcript::new(HashAlgorithm::Sha256);
    transcript.add(Hashed::new(&message(&first)));
    transcript.replace_with_message_hash();
    let confirmed = |within, transcript: &Transcript, message: &[u8], at: usize| {
        let mut message = message.to_vec();
        let found: [u8; 8] = message[at..at + 8].try_into().unwrap();
        message[at..at + 8].fill(0);
        let mut transcript = transcript.clone();
        transcript.add(Hashed::new(&message));
        let prefix = crate::dialect::Dialect::Dtls.label_prefix();
        let hash = HashAlgorithm::Sha256;
        let expected = confirmation(within, hash, prefix, &random, &mut transcript);
        assert_eq!(expected.unwrap(), found);
    };
    let request = message(&request);
    // The extension is the last.
    let end = request.len() - 8;
    confirmed(Within::HelloRetryRequest, &transcript, &request, end);
    client.receive(&plain_message(0, 0, &request), at(0));
    let second = sent(&mut client).remove(0);
    let second = inner(&second);
    let Verdict::Admit(admission) = gate.on_datagram(PEER, &second, at(0)) else {
        panic!("the cookie is good");
    };
    let options = DatagramOptions::default();
    let begun = Handshake::datagram_server(server, admission, options, at(0));
    let answers = sent(&mut begun.unwrap());
    transcript.add(Hashed::new(&request));
    transcript.add(Hashed::new(&message(&second)));
    let hello = message(&answers[0]);
    confirmed(
        Within::ServerHello,
        &transcript,
        &hello,
        IN_SERVER_HELLO.start,
    );
}

/// Hellos of addresses that may be forged: a bound on keys that are tried, and nobody else waits for it.
#[test]
fn strangers_hellos_are_decrypted_so_many_in_a_second() {
    let key = key(1);
    let server = server(&key).groups([NamedGroup::X25519]).build().unwrap();
    let options = DatagramOptions::default();
    let hello = |config: ClientConfig| sent(&mut begin(config, options)).remove(0);
    let encrypted = client(key.config_list()).build().unwrap();
    let plain = || ClientConfig::builder(names().roots.clone());
    let others = [
        plain().build().unwrap(),
        client(self::key(2).config_list()).build().unwrap(),
    ];
    let policies = [
        CookiePolicy::Always,
        CookiePolicy::UnderLoad { handshakes: 1 },
    ];
    for policy in policies {
        let mut gate = Gate::new(&server, policy).unwrap().decryptions(10);
        gate.set_handshakes(0);
        let first = hello(encrypted.clone());
        let flood = |gate: &mut Gate, time: u64| {
            let verdicts = (0..100_u8).map(|peer| gate.on_datagram(&[peer], &first, at(time)));
            let mut served = 0;
            for verdict in verdicts {
                match verdict {
                    Verdict::Discard(why) => assert_eq!(why, Discarded::TooManyEncrypted),
                    Verdict::Reply(_) | Verdict::Admit(_) => served += 1,
                }
            }
            served
        };
        // One, and what may be spent ahead.
        assert_eq!(flood(&mut gate, 0), 2);
        for config in &others {
            let verdict = gate.on_datagram(PEER, &hello(config.clone()), at(0));
            assert!(!matches!(verdict, Verdict::Discard(_)), "{verdict:?}");
        }
        assert_eq!(flood(&mut gate, 99), 0);
        assert_eq!(flood(&mut gate, 101), 1);
        // Whose cookie has come back has had his turn.
        gate.set_handshakes(1);
        let mut client = begin(encrypted.clone(), options);
        let mut first = sent(&mut client);
        let reply = gate.on_datagram(PEER, &first.remove(0), at(900));
        let Verdict::Reply(reply) = reply else {
            panic!("{reply:?}");
        };
        client.receive(&reply, at(900));
        assert!(flood(&mut gate, 900) > 0);
        let second = sent(&mut client).remove(0);
        let verdict = gate.on_datagram(PEER, &second, at(900));
        assert!(matches!(verdict, Verdict::Admit(_)), "{verdict:?}");
    }
}
