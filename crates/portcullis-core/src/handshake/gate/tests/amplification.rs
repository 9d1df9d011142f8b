//! How many bytes go out for each that comes from an address that may be forged: measured, and bounded. The figures are in
//! `docs/performance.md`, and printed with `--nocapture amplification`.

use super::*;

const GOES_WITH_SHA256: CipherSuite = CipherSuite::TLS_AES_128_GCM_SHA256;
const GOES_WITH_SHA384: CipherSuite = CipherSuite::TLS_AES_256_GCM_SHA384;

fn any_server() -> ServerConfig {
    let builder = ServerConfig::builder().identity(pki().server.clone());
    builder.build().unwrap()
}

/// A hello with nothing but what it must have, and then so many bytes of padding, and a share if that is wanted.
fn least_hello(
    versions: &[ProtocolVersion],
    suite: CipherSuite,
    has_share: bool,
    padding: Option<usize>,
) -> Vec<u8> {
    let mut hello = Vec::new();
    let put = |out: &mut Vec<u8>, typ: u8, body: &[u8]| {
        out.extend([0, typ]);
        out.extend((body.len() as u16).to_be_bytes());
        out.extend(body);
    };
    ClientHello::put_with_cookie(
        &mut hello,
        ProtocolVersion::DTLS_1_2,
        &[7; 32],
        (&[], Some(&[])),
        [suite],
        |out| {
            if !versions.is_empty() {
                let list: Vec<u8> = versions.iter().flat_map(|v| v.0.to_be_bytes()).collect();
                put(out, 43, &[&[list.len() as u8][..], &list].concat());
                // x25519; ecdsa_secp256r1_sha256.
                put(out, 10, &[0, 2, 0, 29]);
                put(out, 13, &[0, 2, 4, 3]);
                match has_share {
                    true => put(out, 51, &[&[0, 36, 0, 29, 0, 32][..], &[9; 32]].concat()),
                    false => put(out, 51, &[0, 0]),
                }
            }
            if let Some(length) = padding {
                put(out, 21, &vec![0; length]);
            }
        },
    );
    plain_message(0, 0, &hello)
}

/// What a gate says to it: how many bytes for each.
fn ratio(what: &str, gate: &mut Gate, datagrams: &[Vec<u8>]) -> f64 {
    let mut answered = 0;
    let mut is_request = false;
    for datagram in datagrams {
        match gate.on_datagram(PEER, datagram, at(0)) {
            Verdict::Reply(reply) => {
                // A handshake message, and no alert.
                is_request = reply[0] == 22;
                answered += reply.len();
            }
            Verdict::Discard(Discarded::NotWhole) => {}
            other => panic!("{what}: {other:?}"),
        }
    }
    assert!(is_request, "{what}: it is not asked for a cookie");
    let asked: usize = datagrams.iter().map(Vec::len).sum();
    let ratio = answered as f64 / asked as f64;
    println!("amplification, {what}: {answered} bytes for {asked}, {ratio:.2}");
    ratio
}

#[test]
fn amplification_of_a_gate_that_always_asks() {
    let mut gate = Gate::new(&any_server(), CookiePolicy::Always).unwrap();
    let options = DatagramOptions::default();
    // HelloRetryRequest, with a group besides the cookie and without one.
    let usual = sent(&mut begin(client_config(), options));
    assert!(ratio("a usual hello", &mut gate, &usual) < 1.0);
    let short = sent(&mut begin(client(GOES_WITH_SHA256), options));
    assert!(ratio("a usual hello of X25519 alone", &mut gate, &short) < 1.0);
    let pieces = sent(&mut begin(client_config_in_pieces(), options.mtu(228)));
    assert!(pieces.len() > 5);
    assert!(ratio("a hello in pieces", &mut gate, &pieces) < 0.2);

    // HelloVerifyRequest: the shortest hello of DTLS 1.2 has no extensions.
    let older = begin(older().0, options);
    assert!(
        ratio(
            "a usual hello of DTLS 1.2",
            &mut gate,
            &sent(&mut { older })
        ) < 0.5
    );
    let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    let least = least_hello(&[], suite, false, None);
    assert!(ratio("the shortest hello of DTLS 1.2", &mut gate, &[least]) < 0.8);
}

/// With nothing that it could leave out, a hello of DTLS 1.3 has more than half of the longest HelloRetryRequest: the gate's
/// bound of two is not reached.
#[test]
fn amplification_of_the_shortest_hello_is_less_than_two() {
    let mut gate = Gate::new(&any_server(), CookiePolicy::Always).unwrap();
    let versions = [ProtocolVersion::DTLS_1_3];
    for (what, suite, has_share, most) in [
        (
            "the shortest hello with SHA-256",
            GOES_WITH_SHA256,
            false,
            1.6,
        ),
        ("with SHA-384", GOES_WITH_SHA384, false, 1.7),
        ("with SHA-256 and a share", GOES_WITH_SHA256, true, 1.1),
        ("with SHA-384 and a share", GOES_WITH_SHA384, true, 1.2),
    ] {
        let hello = least_hello(&versions, suite, has_share, None);
        let seen = ratio(what, &mut gate, &[hello]);
        assert!((1.0..most).contains(&seen), "{what}: {seen}");
    }
}

/// Whoever is not asked gets three times what he said, and never more, however long his server waits for him.
#[test]
fn amplification_without_load_is_three() {
    let config = any_server();
    let options = DatagramOptions::default();
    let versions = [ProtocolVersion::DTLS_1_3];
    // The shortest that a gate takes: the answer is as long as three of them.
    let mut gate = Gate::new(&config, CookiePolicy::UnderLoad { handshakes: 1 }).unwrap();
    gate.set_handshakes(0);
    let mut admitted = (0..1_000).find_map(|padding| {
        let hello = least_hello(&versions, GOES_WITH_SHA256, true, Some(padding));
        match gate.on_datagram(PEER, &hello, at(0)) {
            Verdict::Admit(admission) => Some((hello.len(), admission)),
            Verdict::Reply(_) | Verdict::Discard(Discarded::TooShort) => None,
            other => panic!("{other:?}"),
        }
    });
    let (by_gate, admission) = admitted.take().unwrap();
    assert!(admission.is_unproved());
    // And any hello, as if a gate had let it in.
    let least = least_hello(&versions, GOES_WITH_SHA256, true, None);
    let by_force = Admission {
        is_unproved: true,
        ..Admission::without_cookie(least.clone())
    };
    for (what, asked, admission, least_ratio) in [
        (
            "the shortest hello let in without a cookie",
            by_gate,
            admission,
            1.5,
        ),
        (
            "the shortest of all, let in by force",
            least.len(),
            by_force,
            2.0,
        ),
    ] {
        let mut server =
            Handshake::datagram_server(config.clone(), admission, options, at(0)).unwrap();
        let mut said: usize = sent(&mut server).iter().map(Vec::len).sum();
        let at_once = said;
        let mut timeouts = 0;
        while server.poll().is_ok() {
            let due = server.deadline().unwrap().0.as_millis();
            server.handle_timeout(at(u64::try_from(due).unwrap() - 1_000_000 + 1));
            said += sent(&mut server).iter().map(Vec::len).sum::<usize>();
            timeouts += 1;
            assert!(timeouts < 20, "it waits for ever");
        }
        let ratio = said as f64 / asked as f64;
        println!(
            "amplification, {what}: {at_once} bytes at once and {said} in all for {asked}, {ratio:.2}"
        );
        assert!((least_ratio..=3.0).contains(&ratio), "{what}: {ratio}");
    }
}
