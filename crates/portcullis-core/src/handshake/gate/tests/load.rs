//! Cookies that are asked for under load alone, and what goes out to those who were not asked.

use super::*;
use crate::config::ServerConfigBuilder;

const UNDER_LOAD: CookiePolicy = CookiePolicy::UnderLoad { handshakes: 2 };

/// Whose hello is long enough for the answer.
fn talkative() -> ClientConfig {
    let names = (0..40).map(|number| format!("protocol {number}"));
    ClientConfig::builder(pki().roots.clone())
        .groups([NamedGroup::X25519])
        .alpn(names)
        .build()
        .unwrap()
}

fn terse(version: ProtocolVersion) -> ClientConfig {
    ClientConfig::builder(pki().roots.clone())
        .groups([NamedGroup::X25519, NamedGroup::SECP256R1])
        .versions([version])
        .build()
        .unwrap()
}

fn builder() -> ServerConfigBuilder {
    ServerConfig::builder().identity(pki().server.clone())
}

#[test]
fn everybody_is_asked_under_load_and_nobody_else() {
    let config = builder().build().unwrap();
    let mut gate = Gate::new(&config, UNDER_LOAD).unwrap();
    let options = DatagramOptions::default();
    let hello = sent(&mut begin(talkative(), options)).remove(0);
    let is_asked = |gate: &mut Gate| match gate.on_datagram(PEER, &hello, at(0)) {
        Verdict::Reply(_) => true,
        Verdict::Admit(admission) => {
            assert!(admission.is_unproved && admission.hello_random().is_some());
            false
        }
        Verdict::Discard(why) => panic!("{why:?}"),
    };
    assert!(is_asked(&mut gate), "nothing was said of load");
    for (under_way, expected) in [(0, false), (1, false), (2, true), (100, true), (1, false)] {
        gate.set_handshakes(under_way);
        assert_eq!(is_asked(&mut gate), expected, "{under_way}");
    }
    let (client, _) = connect(&mut gate, &config, talkative(), options).unwrap();
    assert!(!client.information.hello_retried());
    // Asked while there was load, and answered when there is none.
    let mut client = begin(talkative(), options);
    gate.set_handshakes(2);
    let first = sent(&mut client).remove(0);
    client.receive(&reply(gate.on_datagram(PEER, &first, at(0))), at(0));
    let second = sent(&mut client).remove(0);
    gate.set_handshakes(0);
    match gate.on_datagram(PEER, &second, at(0)) {
        Verdict::Admit(admission) => assert!(!admission.is_unproved),
        other => panic!("{other:?}"),
    }
}

/// The rest of the answer would wait for a timeout.
#[test]
fn who_says_too_little_for_the_answer_is_asked_all_the_same() {
    let chain = vec![pki().server.chain()[0].clone(); 8];
    let schemes = pki().server.schemes_for(Version::V1_3).collect();
    let long = Identity::with_external_key(chain, schemes).unwrap();
    let config = ServerConfig::builder().identity(long).build().unwrap();
    let mut gate = Gate::new(&config, UNDER_LOAD).unwrap();
    gate.set_handshakes(0);
    let hello = sent(&mut begin(talkative(), DatagramOptions::default())).remove(0);
    assert!(3 * hello.len() > 1_000);
    let asked = reply(gate.on_datagram(PEER, &hello, at(0)));
    assert!(asked.len() <= 2 * hello.len());
    // Who acknowledges nothing, and who says it in pieces.
    let older = talkative()
        .to_builder()
        .versions([ProtocolVersion::TLS_1_2])
        .build()
        .unwrap();
    let mut short = Gate::new(&builder().build().unwrap(), UNDER_LOAD).unwrap();
    short.set_handshakes(0);
    let of_older = sent(&mut begin(older, DatagramOptions::default())).remove(0);
    assert!(matches!(
        short.on_datagram(PEER, &of_older, at(0)),
        Verdict::Reply(_)
    ));
    let pieces = sent(&mut begin(talkative(), DatagramOptions::default().mtu(600)));
    assert!(pieces.len() > 1);
    for piece in &pieces[..pieces.len() - 1] {
        let verdict = short.on_datagram(PEER, piece, at(0));
        assert!(matches!(verdict, Verdict::Discard(Discarded::NotWhole)));
    }
    let whole = short.on_datagram(PEER, &pieces[pieces.len() - 1], at(0));
    assert!(matches!(whole, Verdict::Reply(_)));
    // Another chain, another answer.
    gate.replace_config(&builder().build().unwrap()).unwrap();
    let verdict = gate.on_datagram(PEER, &hello, at(0));
    assert!(matches!(verdict, Verdict::Admit(_)), "{verdict:?}");
}

/// The gate hands nothing on that is longer than what it would put together itself: copies behind a hello make it so.
#[test]
fn who_says_far_too_much_is_asked_without_load_too() {
    let mut gate = Gate::new(&builder().build().unwrap(), UNDER_LOAD).unwrap();
    gate.set_handshakes(0);
    let hello = sent(&mut begin(talkative(), DatagramOptions::default())).remove(0);
    for (copies, is_let_in) in [
        (MAX_HELLO / hello.len(), true),
        (MAX_HELLO / hello.len() + 1, false),
    ] {
        let verdict = gate.on_datagram(PEER, &hello.repeat(copies), at(0));
        let seen = matches!(verdict, Verdict::Admit(_));
        assert_eq!(seen, is_let_in, "{verdict:?}");
    }
}

/// Whether a record is under keys: only who has read the ServerHello has some.
fn is_protected(mut datagram: &[u8]) -> bool {
    while let [typ, _, _, epoch @ ..] = datagram {
        if typ & 0xe0 == 0x20 || epoch.first_chunk() == Some(&[0, 1]) {
            return true;
        }
        let length = u16::from_be_bytes(*datagram[11..].first_chunk().unwrap());
        datagram = &datagram[13 + usize::from(length)..];
    }
    false
}

/// However short the hello, however often its client, or somebody in its name, says it again, and however long the server
/// waits: until a record has come that is sealed, the server says three times what it has heard, and no more. Both come to an
/// end all the same.
#[test]
fn who_was_not_asked_is_sent_three_times_what_came_from_there() {
    let versions = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    for (mtu, version) in [1_200, 600, 228]
        .into_iter()
        .flat_map(|mtu| versions.map(|version| (mtu, version)))
    {
        let config = builder().build().unwrap();
        let options = DatagramOptions::default().mtu(mtu);
        let mut client = begin(terse(version), options);
        let hellos = sent(&mut client);
        let admission = Admission {
            is_unproved: true,
            ..Admission::without_cookie(hellos[0].clone())
        };
        let mut server = Handshake::datagram_server(config, admission, options, at(0)).unwrap();
        let (mut heard, mut said) = (hellos[0].len(), 0);
        let mut is_proved = false;
        let mut clock = 0;
        let mut waited = 0;
        for hello in &hellos[1..] {
            heard += hello.len();
            server.receive(hello, at(0));
        }
        let is_connected = |end: &Handshake| end.stage() == Stage::Connected;
        while !is_connected(&client) || !is_connected(&server) {
            let mut is_quiet = true;
            for datagram in sent(&mut server) {
                said += datagram.len();
                assert!(
                    is_proved || said <= 3 * heard,
                    "{mtu} {version}: {said} {heard}"
                );
                client.receive(&datagram, at(clock));
                is_quiet = false;
            }
            for datagram in sent(&mut client) {
                heard += datagram.len();
                is_proved |= is_protected(&datagram);
                server.receive(&datagram, at(clock));
                is_quiet = false;
            }
            if is_quiet {
                waited += 1;
                // The server's timer alone gets nothing out.
                let due = [server.deadline(), client.deadline()];
                let next = due.into_iter().flatten().min().unwrap();
                clock = u64::try_from(next.0.as_millis()).unwrap() - 1_000_000 + 1;
                server.handle_timeout(at(clock));
                client.handle_timeout(at(clock));
            }
            assert!(waited < 40, "{mtu} {version}: it does not end");
        }
        assert!(is_proved);
        assert!(said > 3 * hellos.iter().map(Vec::len).sum::<usize>());
    }
}

/// Whoever forges an address gets what he has paid for, whatever he waits for.
#[test]
fn a_forged_address_is_not_flooded() {
    let config = builder().build().unwrap();
    let options = DatagramOptions::default();
    let hello = sent(&mut begin(terse(ProtocolVersion::TLS_1_3), options)).remove(0);
    let admission = Admission {
        is_unproved: true,
        ..Admission::without_cookie(hello.clone())
    };
    let mut server = Handshake::datagram_server(config, admission, options, at(0)).unwrap();
    let mut said: usize = sent(&mut server).iter().map(Vec::len).sum();
    assert!(said > 0);
    let mut timeouts = 0;
    while server.poll().is_ok() {
        let due = server.deadline().unwrap().0.as_millis();
        server.handle_timeout(at(u64::try_from(due).unwrap() - 1_000_000 + 1));
        timeouts += 1;
        said += sent(&mut server).iter().map(Vec::len).sum::<usize>();
        assert!(timeouts < 20, "it waits for ever");
    }
    assert!(timeouts > 5 && said <= 3 * hello.len());
}
