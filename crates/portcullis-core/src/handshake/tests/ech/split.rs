//! Split mode over datagrams (RFC 9849 §3.1): a gate in front asks for the cookie, and a server behind goes on.

use super::super::parts::ClientHelloParts;
use super::gate::{Ended, PEER, at, begin, changed, ended, sent};
use super::*;
use crate::record::{DatagramOptions, Discarded, plain_message};
use crate::suite::CipherSuite;
use crate::wire::ExtensionType as E;
use crate::{ConnectionId, CookiePolicy, CookieSecret, FrontedAnswer, Gate, Verdict};

/// What the server behind sees of the front.
const FRONT: &[u8] = b"10.0.0.1:50000";

fn secret(seed: u8) -> CookieSecret {
    CookieSecret::new([&[seed; 32][..]]).unwrap()
}

fn in_front(config: &ServerConfig) -> Gate {
    let gate = Gate::new(config, CookiePolicy::Always).unwrap();
    gate.cookie_secret(secret(1), at(0)).in_front()
}

fn behind() -> ServerConfigBuilder {
    ServerConfig::builder()
        .identity(names().secret.clone())
        .ech_backend(true)
}

fn gate_behind(config: &ServerConfig, seed: u8) -> Gate {
    let gate = Gate::new(config, CookiePolicy::Always).unwrap();
    gate.cookie_secret(secret(seed), at(0))
}

/// A conversation, in which `change` sees each datagram of the client's to the front.
struct Split<'a> {
    front: &'a mut Gate,
    behind: &'a mut Gate,
    config: &'a ServerConfig,
    options: DatagramOptions,
    /// The longest datagram with a hello from the front to the server.
    longest: usize,
    /// What the front has said by itself, and what of the client is for the server.
    answers: Vec<Vec<u8>>,
    forwarded: usize,
    connection_id: Option<ConnectionId>,
}

impl Split<'_> {
    fn run(
        &mut self,
        client: ClientConfig,
        mut change: impl FnMut(usize, Vec<u8>) -> Vec<u8>,
    ) -> (Ended, Option<Ended>) {
        let mut client = begin(client, self.options);
        let mut server: Option<Handshake> = None;
        let mut watch: Option<FrontedAnswer> = None;
        let mut count = 0;
        loop {
            let said = sent(&mut client);
            let mut is_silent = said.is_empty();
            for datagram in said {
                let datagram = change(count, datagram);
                count += 1;
                if let Some(server) = &mut server {
                    server.receive(&datagram, at(0));
                    continue;
                }
                let mut admission = match self.front.on_datagram(PEER, &datagram, at(0)) {
                    Verdict::Reply(reply) => {
                        client.receive(&reply, at(0));
                        self.answers.push(reply);
                        continue;
                    }
                    Verdict::Discard(why) => {
                        assert_eq!(why, Discarded::NotWhole);
                        continue;
                    }
                    Verdict::Admit(admission) => admission,
                };
                let Some(hello) = admission.take_fronted() else {
                    panic!("it is for the front's own server");
                };
                assert_eq!(hello.client_hello().server_name(), Some(SECRET));
                assert!(!format!("{hello:?}{admission:?}").contains(SECRET));
                watch = Some(FrontedAnswer::new(&hello));
                for datagram in hello.datagrams(self.longest) {
                    self.forwarded += 1;
                    assert!(datagram.len() <= self.longest);
                    if let Some(server) = &mut server {
                        server.receive(&datagram, at(0));
                        continue;
                    }
                    match self.behind.on_datagram(FRONT, &datagram, at(0)) {
                        Verdict::Admit(admission) => {
                            assert_eq!(admission.fronted_client(), Some(PEER));
                            let config = self.config.clone();
                            let options = self.options;
                            let begun =
                                Handshake::datagram_server(config, admission, options, at(0));
                            server = Some(begun.unwrap());
                        }
                        Verdict::Discard(Discarded::NotWhole) => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
            for datagram in server.as_mut().map(sent).unwrap_or_default() {
                is_silent = false;
                let id = watch
                    .as_mut()
                    .and_then(|watch| watch.on_datagram(&datagram));
                assert!(id.is_none() || self.connection_id.is_none());
                self.connection_id = self.connection_id.or(id);
                client.receive(&datagram, at(0));
            }
            if is_silent {
                return (ended(client), server.map(ended));
            }
        }
    }
}

fn run(
    front: &ServerConfig,
    behind: &ServerConfig,
    client: ClientConfig,
    options: DatagramOptions,
    longest: usize,
    change: impl FnMut(usize, Vec<u8>) -> Vec<u8>,
) -> (Ended, Option<Ended>, Vec<Vec<u8>>, Option<ConnectionId>) {
    let mut split = Split {
        front: &mut in_front(front),
        behind: &mut gate_behind(behind, 1),
        config: behind,
        options,
        longest,
        answers: Vec::new(),
        forwarded: 0,
        connection_id: None,
    };
    let (client, server) = split.run(client, change);
    (client, server, split.answers, split.connection_id)
}

#[test]
fn a_server_behind_goes_on_where_the_front_has_asked() {
    let suites = [
        CipherSuite::TLS_AES_128_GCM_SHA256,
        CipherSuite::TLS_AES_256_GCM_SHA384,
    ];
    for kem in [EchKem::X25519, EchKem::P256] {
        let (key, _) = EchKey::builder(PUBLIC).kem(kem).generate().unwrap();
        // With a share that is there, and with one that is asked for beside the cookie; in pieces as well.
        for (suite, group, mtu, longest) in [
            (suites[0], NamedGroup::X25519, 1_200, 1_200),
            (suites[0], NamedGroup::SECP256R1, 1_200, 300),
            (suites[1], NamedGroup::X25519, 228, 1_200),
            (suites[1], NamedGroup::X25519_MLKEM768, 1_200, 1_200),
        ] {
            let front = server(&key).cipher_suites([suite]).groups([group]);
            let front = front.build().unwrap();
            let behind = behind().groups([group]).build().unwrap();
            let client = client(key.config_list()).cipher_suites([suite]);
            let id = ConnectionId::new(&[7; 8]).unwrap();
            for ids in [false, true] {
                let mut options = DatagramOptions::default().mtu(mtu);
                if ids {
                    options = options.connection_id(id);
                }
                let client = client.clone().build().unwrap();
                let (client, server, answers, found) =
                    run(&front, &behind, client, options, longest, |_, it| it);
                assert_eq!(answers.len(), 1);
                assert_eq!(found, ids.then_some(id));
                let (client, server) = (client.unwrap(), server.unwrap().unwrap());
                let (client, server) = (&client.information, &server.information);
                for end in [client, server] {
                    assert_eq!(end.ech(), EchStatus::Accepted);
                    assert_eq!(end.server_name(), Some(SECRET));
                    assert_eq!(end.group(), Some(group));
                    assert!(end.hello_retried());
                }
                assert_eq!(
                    client.tls_exporter().unwrap(),
                    server.tls_exporter().unwrap()
                );
            }
        }
    }
}

/// The second hello of a client that was asked by this front.
fn second_hello(front: &mut Gate, config: ClientConfig) -> Vec<u8> {
    let mut client = begin(config, DatagramOptions::default());
    let first = sent(&mut client).remove(0);
    match front.on_datagram(PEER, &first, at(0)) {
        Verdict::Reply(reply) => client.receive(&reply, at(0)),
        other => panic!("{other:?}"),
    }
    sent(&mut client).remove(0)
}

#[test]
fn what_is_not_for_servers_behind_is_the_fronts_own() {
    let key = key(1);
    let config = server(&key).groups([NamedGroup::X25519]).build().unwrap();
    let plain = || ClientConfig::builder(names().roots.clone());
    for client in [
        plain(),
        plain().ech_grease(true),
        client(self::key(2).config_list()),
        plain().versions([ProtocolVersion::TLS_1_2]),
    ] {
        let mut front = in_front(&config);
        let second = second_hello(&mut front, client.build().unwrap());
        match front.on_datagram(PEER, &second, at(0)) {
            Verdict::Admit(mut admission) => assert!(admission.take_fronted().is_none()),
            other => panic!("{other:?}"),
        }
    }
}

/// What a front has given out says whose it is, and nobody else's it is.
#[test]
fn a_cookie_of_a_front_is_for_its_client_and_for_servers_behind() {
    let key = key(1);
    let config = server(&key).groups([NamedGroup::X25519]).build().unwrap();
    let mut front = in_front(&config);
    let client = client(key.config_list()).build().unwrap();
    let second = second_hello(&mut front, client);
    let verdict = front.on_datagram(b"192.0.2.2:4433", &second, at(0));
    assert!(matches!(verdict, Verdict::Reply(_)), "{verdict:?}");
    // A minute is its life.
    let verdict = front.on_datagram(PEER, &second, {
        let mut late = at(61_000);
        late.wall = rustls_pki_types::UnixTime::since_unix_epoch(core::time::Duration::from_secs(
            late.wall.as_secs() + 61,
        ));
        late
    });
    assert!(matches!(verdict, Verdict::Reply(_)), "{verdict:?}");
    let hello = match front.on_datagram(PEER, &second, at(0)) {
        Verdict::Admit(mut admission) => admission.take_fronted().unwrap(),
        other => panic!("{other:?}"),
    };
    let inner = hello.datagrams(1_200).remove(0);
    let admits = |gate: &mut Gate| match gate.on_datagram(FRONT, &inner, at(0)) {
        Verdict::Admit(_) => true,
        Verdict::Reply(_) | Verdict::Discard(_) => false,
    };
    let behind = behind().build().unwrap();
    assert!(admits(&mut gate_behind(&behind, 1)));
    // With another secret, or one of its own; and who is behind nobody.
    assert!(!admits(&mut gate_behind(&behind, 2)));
    assert!(!admits(
        &mut Gate::new(&behind, CookiePolicy::Always).unwrap()
    ));
    assert!(!admits(&mut gate_behind(&both_names().build().unwrap(), 1)));
    assert!(!admits(&mut gate_behind(&config, 1)));
}

#[test]
fn a_second_hello_that_breaks_a_rule_is_told_so_by_the_front() {
    let key = key(1);
    let config = server(&key).groups([NamedGroup::X25519]).build().unwrap();
    let check = |violation: Violation, change: fn(&mut ClientHelloParts)| {
        let mut front = in_front(&config);
        let client = client(key.config_list()).build().unwrap();
        let second = second_hello(&mut front, client);
        let second = changed(&second, change);
        let Verdict::Reply(alert) = front.on_datagram(PEER, &second, at(0)) else {
            panic!("{violation}");
        };
        assert_eq!(
            (alert[0], alert[14]),
            (21, violation.alert().0),
            "{violation}"
        );
    };
    check(Violation::EchMissingInSecondHello, |hello| {
        hello.extensions.remove(E::ENCRYPTED_CLIENT_HELLO);
    });
    check(Violation::EchChangedInSecondHello, |hello| {
        hello.extensions.body(E::ENCRYPTED_CLIENT_HELLO)[5] ^= 1;
    });
    check(Violation::EchInnerFromNetwork, |hello| {
        hello.extensions.set(E::ENCRYPTED_CLIENT_HELLO, [1]);
    });
    check(Violation::SecondEchNotOpened, |hello| hello.random[0] ^= 1);
}

/// Whoever reads at an address can say a hello again and again.
#[test]
fn second_hellos_are_decrypted_so_many_in_a_second() {
    let key = key(1);
    let config = server(&key).groups([NamedGroup::X25519]).build().unwrap();
    let mut front = in_front(&config).decryptions(10);
    let plain = ClientConfig::builder(names().roots.clone());
    let plain = second_hello(&mut front, plain.build().unwrap());
    let client = client(key.config_list()).build().unwrap();
    let second = second_hello(&mut front, client);
    let mut flood = |time: u64| {
        let mut passed_on = 0;
        for _ in 0..100 {
            match front.on_datagram(PEER, &second, at(time)) {
                Verdict::Admit(mut admission) => {
                    assert!(admission.take_fronted().is_some());
                    passed_on += 1;
                }
                Verdict::Discard(why) => assert_eq!(why, Discarded::TooManyEncrypted),
                other => panic!("{other:?}"),
            }
            // Who has nothing encrypted does not wait.
            let verdict = front.on_datagram(PEER, &plain, at(time));
            assert!(matches!(verdict, Verdict::Admit(_)), "{verdict:?}");
        }
        passed_on
    };
    // One, and what may be spent ahead; what first hellos have spent is apart.
    assert_eq!(flood(0), 2);
    assert_eq!(flood(99), 0);
    assert_eq!(flood(101), 1);
}

/// A host that says its hello again and again, from whichever port, leaves others theirs.
#[test]
fn no_host_has_all_second_hellos_decrypted() {
    let key = key(1);
    let config = server(&key).groups([NamedGroup::X25519]).build().unwrap();
    let mut front = in_front(&config).decryptions(10);
    let client = client(key.config_list()).build().unwrap();
    let second = second_hello(&mut front, client);
    let mut is_passed_on = |host: u8| {
        let verdict = front.on_datagram_of_host(&[host], PEER, &second, at(0));
        matches!(verdict, Verdict::Admit(_))
    };
    assert_eq!((0..1_000).filter(|_| is_passed_on(0)).count(), 2);
    // But for those that are in one set.
    let others = (1..=40).filter(|host| is_passed_on(*host)).count();
    assert!(others > 25, "{others}");
}

/// Without a connection: pieces of somebody else's at the client's address, before its own come.
#[test]
fn forged_pieces_keep_no_second_hello_out() {
    let key = key(1);
    let config = server(&key).groups([NamedGroup::X25519]).build().unwrap();
    let mut front = in_front(&config);
    let client = client(key.config_list()).build().unwrap();
    let second = second_hello(&mut front, client);
    // Of other lengths, of this one, and the whole of one that is none.
    for length in [100_usize, second.len() - 25, 5_000] {
        let forged = plain_message(9, 1, &[&[1, 0, 0, 0][..], &vec![0; length]].concat());
        let _verdict = front.on_datagram(PEER, &forged, at(0));
        let mut piece = second.clone();
        let end = piece.len() - 10;
        piece[end - 1] ^= 1;
        // A piece of it: the lengths of record and fragment.
        piece.truncate(end);
        let body = u16::try_from(end - 13).unwrap().to_be_bytes();
        piece[11..13].copy_from_slice(&body);
        let fragment = u32::try_from(end - 25).unwrap().to_be_bytes();
        piece[22..25].copy_from_slice(&fragment[1..]);
        let _verdict = front.on_datagram(PEER, &piece, at(0));
    }
    match front.on_datagram(PEER, &second, at(0)) {
        Verdict::Admit(mut admission) => assert!(admission.take_fronted().is_some()),
        other => panic!("{other:?}"),
    }
}

/// No bytes of a server end in a panic, or are held for long.
#[test]
fn what_is_no_server_hello_is_passed_by() {
    let key = key(1);
    let config = server(&key).groups([NamedGroup::X25519]).build().unwrap();
    let mut front = in_front(&config);
    let client = client(key.config_list()).build().unwrap();
    let second = second_hello(&mut front, client);
    let Verdict::Admit(mut admission) = front.on_datagram(PEER, &second, at(0)) else {
        panic!("it is admitted");
    };
    let hello = admission.take_fronted().unwrap();
    let mut watch = FrontedAnswer::new(&hello);
    for length in [0, 1, 12, 13, 24, 25, 60, 1_000] {
        for first in [0_u8, 20, 22, 26, 0x2e, 0x3f] {
            let mut datagram = vec![2; length];
            if let Some(byte) = datagram.first_mut() {
                *byte = first;
            }
            assert_eq!(watch.on_datagram(&datagram), None);
        }
    }
    // Too long, and of another number: neither is kept.
    for seq in [0, 1, 2] {
        let long = plain_message(0, seq, &[&[2, 0, 0, 0][..], &[0; 6_000]].concat());
        assert_eq!(watch.on_datagram(&long), None);
    }
}
