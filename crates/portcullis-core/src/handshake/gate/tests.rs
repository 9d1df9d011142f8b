//! The gate: whom it lets in, what it answers, and that nothing grows.

use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{ClientConfig, KeyShares};
use crate::error::Error;
use crate::handshake::Handshake;
use crate::named_group::NamedGroup;
use crate::record::DatagramOptions;
use crate::step::Step;
use crate::suite::CipherSuite;
use crate::testing::{client_config, client_config_in_pieces, name, now, part, pki};
use crate::{DatagramConnection, ProtocolVersion, Violation};

mod amplification;
mod load;
mod shared;

const PEER: &[u8] = b"192.0.2.1:4433";

fn at(milliseconds: u64) -> Now {
    Now {
        wall: now(),
        monotonic: Monotonic(Duration::from_millis(1_000_000 + milliseconds)),
    }
}

fn server(group: NamedGroup) -> ServerConfig {
    ServerConfig::builder()
        .identity(pki().server.clone())
        .groups([group])
        .resumption(false)
        .versions([ProtocolVersion::TLS_1_3])
        .build()
        .unwrap()
}

/// A client that shares a key of X25519, whose hello is short.
fn client(suite: CipherSuite) -> ClientConfig {
    ClientConfig::builder(pki().roots.clone())
        .cipher_suites([suite])
        .groups([NamedGroup::X25519, NamedGroup::SECP256R1])
        .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]))
        .build()
        .unwrap()
}

fn begin(config: ClientConfig, options: DatagramOptions) -> Handshake {
    Handshake::datagram_client(config, name(), Vec::new(), options, at(0)).unwrap()
}

fn sent(handshake: &mut Handshake) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    while let Ok(Step::Transmit(datagram)) = handshake.poll() {
        datagrams.push(datagram);
    }
    datagrams
}

fn reply(verdict: Verdict) -> Vec<u8> {
    match verdict {
        Verdict::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// Through the gate, and to the end.
fn connect(
    gate: &mut Gate,
    server: &ServerConfig,
    client: ClientConfig,
    options: DatagramOptions,
) -> Result<(DatagramConnection, DatagramConnection), Error> {
    let mut client = begin(client, options);
    let mut admitted: Option<Handshake> = None;
    for _ in 0..20 {
        for datagram in sent(&mut client) {
            if let Some(server) = &mut admitted {
                server.receive(&datagram, at(0));
                continue;
            }
            match gate.on_datagram(PEER, &datagram, at(0)) {
                Verdict::Reply(reply) => {
                    assert!(reply.len() <= 2 * datagram.len());
                    client.receive(&reply, at(0));
                }
                Verdict::Discard(why) => assert_eq!(why, Discarded::NotWhole),
                Verdict::Admit(admission) => {
                    let config = server.clone();
                    admitted = Some(Handshake::datagram_server(
                        config,
                        admission,
                        options,
                        at(0),
                    )?);
                }
            }
        }
        let Some(server) = &mut admitted else {
            continue;
        };
        for datagram in sent(server) {
            client.receive(&datagram, at(0));
        }
        let is_connected = |end: &Handshake| end.stage() == Stage::Connected;
        if is_connected(&client) && is_connected(server) && sent(&mut client).is_empty() {
            let server = admitted.take().unwrap().into_datagram_connection()?;
            return Ok((client.into_datagram_connection()?, server));
        }
    }
    panic!("they do not come to an end");
}

#[test]
fn every_suite_and_group_comes_through() {
    let of_dtls = |suite: &&CipherSuite| suite.is_usable_in(ProtocolVersion::DTLS_1_3);
    for &suite in CipherSuite::SUPPORTED.iter().filter(of_dtls) {
        // With a share that is there, and with one that is asked for beside the cookie.
        for group in [NamedGroup::X25519, NamedGroup::SECP256R1] {
            let config = ServerConfig::builder()
                .identity(pki().server.clone())
                .cipher_suites([suite])
                .groups([group])
                .build()
                .unwrap();
            let mut gate = Gate::new(&config, CookiePolicy::Always).unwrap();
            let options = DatagramOptions::default();
            let (client, server) = connect(&mut gate, &config, client(suite), options).unwrap();
            let (client, server) = (client.information, server.information);
            assert_eq!(
                client.tls_exporter().unwrap(),
                server.tls_exporter().unwrap()
            );
            assert_eq!(client.group(), Some(group));
            assert_eq!(client.cipher_suite(), suite);
            assert!(client.hello_retried() && server.hello_retried());
        }
    }
}

/// The post-quantum share needs two datagrams, and many where they are short; it is asked for beside the cookie.
#[test]
fn hellos_in_pieces_come_through() {
    let config = ServerConfig::builder()
        .identity(pki().server.clone())
        .build()
        .unwrap();
    for mtu in [1_200, 600, 228] {
        let mut gate = Gate::new(&config, CookiePolicy::Always).unwrap();
        let options = DatagramOptions::default().mtu(mtu);
        let (client, _) = connect(&mut gate, &config, client_config(), options).unwrap();
        let group = client.information.group();
        assert_eq!(group, Some(NamedGroup::X25519_MLKEM768));
    }
}

#[test]
fn without_cookies_the_first_datagram_begins() {
    let config = server(NamedGroup::X25519);
    let mut gate = Gate::new(&config, CookiePolicy::Never).unwrap();
    let options = DatagramOptions::default();
    let suite = CipherSuite::TLS_AES_128_GCM_SHA256;
    let (client, _) = connect(&mut gate, &config, client(suite), options).unwrap();
    assert!(!client.information.hello_retried());
}

/// The first and the second hello of a client whose suite has SHA-256.
fn hellos(gate: &mut Gate) -> [Vec<u8>; 2] {
    let suite = CipherSuite::TLS_AES_128_GCM_SHA256;
    let mut client = begin(client(suite), DatagramOptions::default());
    let first = sent(&mut client).remove(0);
    client.receive(&reply(gate.on_datagram(PEER, &first, at(0))), at(0));
    let second = sent(&mut client).remove(0);
    [first, second]
}

#[test]
fn a_cookie_is_of_an_address_and_of_a_minute() {
    let mut gate = Gate::new(&server(NamedGroup::X25519), CookiePolicy::Always).unwrap();
    let [_, second] = hellos(&mut gate);
    let is_admitted = |verdict| matches!(verdict, Verdict::Admit(_));
    assert!(is_admitted(gate.on_datagram(PEER, &second, at(59_000))));
    // A refusal is an alert in the clear.
    let refused = reply(gate.on_datagram(PEER, &second, at(61_000)));
    assert_eq!((refused.len(), refused[0], refused[14]), (15, 21, 47));
    let refused = reply(gate.on_datagram(b"192.0.2.2:4433", &second, at(1)));
    assert_eq!((refused.len(), refused[0], refused[14]), (15, 21, 47));
    let mut other = Gate::new(&server(NamedGroup::X25519), CookiePolicy::Always).unwrap();
    assert!(!is_admitted(other.on_datagram(PEER, &second, at(1))));
}

#[test]
fn a_cookie_outlives_its_secret_by_its_own_time() {
    let mut gate = Gate::new(&server(NamedGroup::X25519), CookiePolicy::Always).unwrap();
    let [_, _] = hellos(&mut gate);
    let suite = CipherSuite::TLS_AES_128_GCM_SHA256;
    let mut client = begin(client(suite), DatagramOptions::default());
    let first = sent(&mut client).remove(0);
    client.receive(&reply(gate.on_datagram(PEER, &first, at(599_000))), at(0));
    let second = sent(&mut client).remove(0);
    // A new secret is drawn between the two.
    let verdict = gate.on_datagram(PEER, &second, at(601_000));
    assert!(matches!(verdict, Verdict::Admit(_)), "{verdict:?}");
    let verdict = gate.on_datagram(PEER, &second, at(1_300_000));
    assert!(!matches!(verdict, Verdict::Admit(_)), "{verdict:?}");
}

/// Whatever bit of a second hello is another one: no handshake comes to an end, and mostly none begins.
#[test]
fn no_bit_of_a_second_hello_can_be_changed() {
    let config = server(NamedGroup::X25519);
    let mut gate = Gate::new(&config, CookiePolicy::Always).unwrap();
    let [_, second] = hellos(&mut gate);
    // What is behind the headers of record and fragment.
    for at_byte in 25..second.len() {
        let mut changed = second.clone();
        changed[at_byte] ^= 1;
        let Verdict::Admit(admission) = gate.on_datagram(PEER, &changed, at(0)) else {
            continue;
        };
        let options = DatagramOptions::default();
        let mut server =
            Handshake::datagram_server(config.clone(), admission, options, at(0)).unwrap();
        let answers = sent(&mut server);
        // What may differ between two hellos is in the transcript all the same: Finished fails then.
        let may_differ = [
            None,
            Some(Violation::SecondHelloChanged),
            Some(Violation::BadCookie),
            Some(Violation::RetryIgnored),
            Some(Violation::BadKeyShare),
            Some(Violation::KeyShareMissing),
            Some(Violation::KeyShareOutsideGroups),
            Some(Violation::MalformedMessage),
            Some(Violation::MalformedExtension),
            Some(Violation::LegacyCookieInHello),
            Some(Violation::UnsupportedVersion),
            Some(Violation::LegacyVersionInClientHello),
            Some(Violation::CompressionOffered),
            Some(Violation::DuplicateNegotiation),
            Some(Violation::SupportedGroupsMissing),
        ];
        match server.poll() {
            Err(error) => assert!(
                may_differ.contains(&error.violation()),
                "{at_byte}: {error}"
            ),
            Ok(_) => assert!(!answers.is_empty() || at_byte < 40, "{at_byte}"),
        }
    }
}

#[test]
fn nothing_is_answered_by_more_than_twice_its_length() {
    let mut gate = Gate::new(&server(NamedGroup::X25519), CookiePolicy::Always).unwrap();
    let [first, second] = hellos(&mut gate);
    for hello in [first, second] {
        for length in 0..hello.len() {
            for flip in [None, Some(length)] {
                let mut datagram = hello[..length].to_vec();
                if let Some(byte) = flip.and_then(|at| datagram.get_mut(at.wrapping_sub(1))) {
                    *byte ^= 0x55;
                }
                if let Verdict::Reply(reply) = gate.on_datagram(PEER, &datagram, at(0)) {
                    assert!(reply.len() <= 2 * datagram.len());
                }
            }
        }
    }
}

/// Wherever a hello is cut, whichever half comes first: no address is sent more than twice what came from there, and
/// who has sent enough is answered, however short the last piece is.
#[test]
fn a_hello_in_pieces_is_answered_by_no_more_than_twice_all_of_them() {
    let mut gate = Gate::new(&server(NamedGroup::X25519), CookiePolicy::Always).unwrap();
    let [hello, _] = hellos(&mut gate);
    let length = hello.len() - 25;
    let piece = |from: usize, to: usize| {
        let mut datagram = hello[..25].to_vec();
        datagram[11..13].copy_from_slice(&(12 + to - from).to_be_bytes()[6..]);
        datagram[19..22].copy_from_slice(&from.to_be_bytes()[5..]);
        datagram[22..25].copy_from_slice(&(to - from).to_be_bytes()[5..]);
        datagram.extend_from_slice(&hello[25 + from..25 + to]);
        datagram
    };
    let mut longest_for_its_last = 0;
    for cut in 1..length {
        for is_turned in [false, true] {
            let mut pieces = [piece(0, cut), piece(cut, length)];
            if is_turned {
                pieces.reverse();
            }
            let peer = [&cut.to_be_bytes()[..], &[u8::from(is_turned)]].concat();
            let verdict = gate.on_datagram(&peer, &pieces[0], at(0));
            assert!(matches!(verdict, Verdict::Discard(Discarded::NotWhole)));
            let answer = reply(gate.on_datagram(&peer, &pieces[1], at(0))).len();
            assert!(answer <= 2 * (pieces[0].len() + pieces[1].len()));
            longest_for_its_last = longest_for_its_last.max(answer / pieces[1].len());
            // What was answered is spent: a piece that comes again is not answered by what came before.
            let verdict = gate.on_datagram(&peer, &pieces[1], at(0));
            assert!(matches!(verdict, Verdict::Discard(_)), "{verdict:?}");
        }
    }
    // More than twice the last piece alone.
    assert!(longest_for_its_last > 2);
}

#[test]
fn hellos_from_everywhere_leave_nothing() {
    let mut gate = Gate::new(&server(NamedGroup::X25519), CookiePolicy::Always).unwrap();
    let [first, _] = hellos(&mut gate);
    let suite = CipherSuite::TLS_AES_128_GCM_SHA256;
    // With a post-quantum share it does not fit.
    let mut in_pieces = begin(client_config_in_pieces(), DatagramOptions::default());
    let piece = sent(&mut in_pieces).remove(0);
    // 100,000 addresses, or a part of them.
    let count = 100_000 / part().1 as u32;
    for number in 0..count {
        let peer = number.to_be_bytes();
        let verdict = gate.on_datagram(&peer, &first, at(0));
        assert!(matches!(verdict, Verdict::Reply(_)));
        let verdict = gate.on_datagram(&peer, &piece, at(0));
        assert!(matches!(verdict, Verdict::Discard(Discarded::NotWhole)));
        assert!(gate.pieces.held() <= Pieces::MOST);
    }
    println!(
        "hellos of {count} addresses: {} bytes of pieces held",
        gate.pieces.held()
    );
    // An honest client comes through meanwhile.
    let config = server(NamedGroup::X25519);
    let options = DatagramOptions::default();
    connect(&mut gate, &config, client(suite), options).unwrap();
}

/// With many tickets or shares a hello has more than 4 KiB; its pieces may have any length.
#[test]
fn long_hellos_come_through() {
    let config = server(NamedGroup::X25519);
    for mtu in [1_200, 228] {
        let mut gate = Gate::new(&config, CookiePolicy::Always).unwrap();
        let names = (0..50).map(|number| vec![number; 255]);
        let client = client(CipherSuite::TLS_AES_128_GCM_SHA256);
        let client = client.to_builder().alpn(names).build().unwrap();
        let options = DatagramOptions::default().mtu(mtu);
        connect(&mut gate, &config, client, options).unwrap();
        assert_eq!(gate.pieces.held(), 0);
    }
}

#[test]
fn who_begins_too_long_a_hello_is_told_so() {
    let mut gate = Gate::new(&server(NamedGroup::X25519), CookiePolicy::Always).unwrap();
    let mut hello = plain_message(5, 0, &[1, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // The length of the message: 16 KiB are taken.
    hello[14..17].copy_from_slice(&[0, 0x40, 1]);
    let refused = reply(gate.on_datagram(PEER, &hello, at(0)));
    let alert = Violation::HandshakeMessageTooLong.alert();
    assert_eq!(
        refused,
        [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 5, 0, 2, 2, alert.0]
    );
    hello[14..17].copy_from_slice(&[0, 0x40, 0]);
    let verdict = gate.on_datagram(PEER, &hello, at(0));
    assert!(matches!(verdict, Verdict::Discard(Discarded::NotWhole)));
}

/// Between two pieces of a hello come others from as many addresses as there are sets of places, each time four
/// times over.
#[test]
fn forged_addresses_do_not_keep_a_client_out() {
    let mut gate = Gate::new(&server(NamedGroup::X25519), CookiePolicy::Always).unwrap();
    let mut client = begin(client_config_in_pieces(), DatagramOptions::default());
    let pieces = sent(&mut client);
    assert_eq!(pieces.len(), 2);
    let is_answered = (0..20_u32).any(|sending| {
        let first = gate.on_datagram(PEER, &pieces[0], at(u64::from(sending) * 2_000));
        assert!(matches!(first, Verdict::Discard(Discarded::NotWhole)));
        for number in 0..256 {
            let peer = (sending * 256 + number).to_be_bytes();
            let verdict = gate.on_datagram(&peer, &pieces[0], at(u64::from(sending) * 2_000));
            assert!(matches!(verdict, Verdict::Discard(Discarded::NotWhole)));
        }
        assert!(gate.pieces.held() <= Pieces::MOST);
        let verdict = gate.on_datagram(PEER, &pieces[1], at(u64::from(sending) * 2_000));
        matches!(verdict, Verdict::Reply(_))
    });
    assert!(is_answered);
}

#[test]
fn a_client_of_an_older_version_is_told_so() {
    let mut gate = Gate::new(&server(NamedGroup::X25519), CookiePolicy::Always).unwrap();
    let mut hello = Vec::new();
    ClientHello::put_with_cookie(
        &mut hello,
        ProtocolVersion::DTLS_1_2,
        &[7; 32],
        (&[], Some(&[])),
        [CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256],
        |_| {},
    );
    let datagram = plain_message(5, 0, &hello);
    let refused = reply(gate.on_datagram(PEER, &datagram, at(0)));
    // Its record has the number of the hello's, and says protocol_version.
    assert_eq!(
        refused,
        [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 5, 0, 2, 2, 70]
    );
}

#[test]
fn what_is_no_hello_is_dropped() {
    let mut gate = Gate::new(&server(NamedGroup::X25519), CookiePolicy::Always).unwrap();
    for datagram in [
        &[][..],
        &[0; 30],
        &[0x2e, 0, 0, 0, 1, 7],
        &plain_alert(0, AlertDescription::CLOSE_NOTIFY),
        &plain_message(0, 0, &[20, 0, 0, 1, 7]),
        &plain_message(0, 7, &[1, 0, 0, 1, 7]),
        &b"GET / HTTP/1.1"[..],
    ] {
        let verdict = gate.on_datagram(PEER, datagram, at(0));
        assert!(matches!(verdict, Verdict::Discard(_)), "{verdict:?}");
    }
}

#[test]
fn a_configuration_of_tls_1_0_has_no_gate() {
    let older = ServerConfig::builder()
        .identity(pki().server.clone())
        .versions([ProtocolVersion::TLS_1_0])
        .cipher_suites([CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA])
        .build()
        .unwrap();
    let error = Gate::new(&older, CookiePolicy::Always).unwrap_err();
    assert!(error.to_string().contains("DTLSv1.3"), "{error}");
}

proptest! {
    #[test]
    fn any_datagram_is_judged(
        first in proptest::collection::vec(any::<u8>(), 0..60),
        body in proptest::collection::vec(any::<u8>(), 0..200),
        header in (0_u16..3, 0_u32..300, 0_u32..300),
    ) {
        let mut gate = Gate::new(&server(NamedGroup::X25519), CookiePolicy::Always).unwrap();
        let mut content = Vec::new();
        crate::wire::FragmentHeader {
            msg_type: crate::wire::HandshakeType::CLIENT_HELLO,
            length: header.1 + header.2 + body.len() as u32,
            message_seq: header.0,
            fragment_offset: header.1,
            fragment_length: body.len() as u32,
        }
        .put(&mut content);
        content.extend(&body);
        let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
        record.extend((content.len() as u16).to_be_bytes());
        record.extend(content);
        for datagram in [first, record, plain_message(0, 0, &[&[1, 0, 0, 0][..], &body].concat())] {
            if let Verdict::Reply(reply) = gate.on_datagram(PEER, &datagram, at(0)) {
                prop_assert!(reply.len() <= 2 * datagram.len());
            }
        }
    }
}

fn older() -> (ClientConfig, ServerConfig) {
    let client = ClientConfig::builder(pki().roots.clone())
        .versions([ProtocolVersion::TLS_1_2])
        .build();
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .build();
    (client.unwrap(), server.unwrap())
}

/// RFC 6347 §4.2.1: by HelloVerifyRequest, with nothing kept.
#[test]
fn dtls_1_2_comes_through() {
    let (client, server) = older();
    for mtu in [1_200, 228] {
        let mut gate = Gate::new(&server, CookiePolicy::Always).unwrap();
        let options = DatagramOptions::default().mtu(mtu);
        let (client, server) = connect(&mut gate, &server, client.clone(), options).unwrap();
        let version = client.information.version();
        assert_eq!(version, ProtocolVersion::DTLS_1_2);
        assert_eq!(
            client.information.tls_exporter().unwrap(),
            server.information.tls_exporter().unwrap()
        );
    }
}

#[test]
fn an_older_cookie_is_of_an_address_a_hello_and_a_minute() {
    let (client, server) = older();
    let mut gate = Gate::new(&server, CookiePolicy::Always).unwrap();
    let mut client = begin(client, DatagramOptions::default());
    let first = sent(&mut client).remove(0);
    let request = reply(gate.on_datagram(PEER, &first, at(0)));
    // Shorter than any hello: 13 + 12 + 3 + 22.
    assert_eq!(request.len(), 50);
    client.receive(&request, at(0));
    let second = sent(&mut client).remove(0);
    let is_admitted = |verdict| matches!(verdict, Verdict::Admit(_));
    assert!(is_admitted(gate.on_datagram(PEER, &second, at(59_000))));
    for (peer, time) in [(PEER, 61_000), (b"192.0.2.2:4433", 1)] {
        // A new one, which a client may take (RFC 6347 §4.2.1).
        let again = reply(gate.on_datagram(peer, &second, at(time)));
        assert_eq!((again.len(), again[13]), (50, 3));
    }
    // Version, random, session id and cookie, bit by bit.
    for at_byte in 25..25 + 2 + 32 + 1 + 1 + 22 {
        let mut changed = second.clone();
        changed[at_byte] ^= 1;
        let verdict = gate.on_datagram(PEER, &changed, at(0));
        assert!(!is_admitted(verdict), "{at_byte}");
    }
}

/// RFC 6347 §4.2.1: a server that has started anew knows nothing of the cookies before; it asks again, and the client
/// obeys, but not for ever.
#[test]
fn a_cookie_may_be_asked_for_again() {
    let (client, server) = older();
    let gate = || Gate::new(&server, CookiePolicy::Always).unwrap();
    let mut client = begin(client, DatagramOptions::default());
    let mut hello = sent(&mut client).remove(0);
    for message_seq in 0..3 {
        assert_eq!(hello[13 + 5], message_seq);
        let mut gate = gate();
        let request = reply(gate.on_datagram(PEER, &hello, at(0)));
        client.receive(&request, at(0));
        hello = sent(&mut client).remove(0);
        let Verdict::Admit(admission) = gate.on_datagram(PEER, &hello, at(0)) else {
            panic!("{message_seq}");
        };
        assert_eq!(admission.next_message, u16::from(message_seq) + 1);
        assert_eq!(admission.hello_random().unwrap(), hello[27..59]);
    }
    // Nobody asks a fourth time, and who does is refused.
    let mut request = reply(gate().on_datagram(PEER, &hello, at(0)));
    assert_eq!(request[13 + 5], 3);
    client.receive(&request, at(0));
    // Behind its alert.
    let refused = (0..4).find_map(|_| client.poll().err());
    assert_eq!(refused.unwrap().violation(), Some(Violation::SecondRetry));
    // A hello beyond them is none.
    request = hello;
    request[13 + 5] = 4;
    let verdict = gate().on_datagram(PEER, &request, at(0));
    assert!(matches!(verdict, Verdict::Discard(Discarded::NoHello)));
}

/// Nor does DTLS 1.3 ask twice; and what waits for its handshake is no longer than a hello.
#[test]
fn a_second_hello_is_the_second_and_no_longer_than_hellos_are() {
    let mut gate = Gate::new(&server(NamedGroup::X25519), CookiePolicy::Always).unwrap();
    let [_, second] = hellos(&mut gate);
    assert!(matches!(
        gate.on_datagram(PEER, &second, at(0)),
        Verdict::Admit(_)
    ));
    let mut third = second.clone();
    third[13 + 5] = 2;
    let verdict = gate.on_datagram(PEER, &third, at(0));
    assert!(matches!(verdict, Verdict::Discard(Discarded::NoHello)));
    // More records of the same behind it.
    let long = second.repeat(MAX_HELLO / second.len() + 1);
    let verdict = gate.on_datagram(PEER, &long, at(0));
    assert!(matches!(verdict, Verdict::Discard(Discarded::NoHello)));
}
