//! Cookies of one server at another.

use rustls_pki_types::UnixTime;

use super::*;

const SEEDS: [[u8; 32]; 3] = [[1; 32], [2; 32], [3; 32]];

/// So many seconds into a period of keys.
fn wall(seconds: u64) -> Now {
    Now {
        wall: UnixTime::since_unix_epoch(Duration::from_secs(600 * 2_970_000 + seconds)),
        monotonic: Monotonic(Duration::from_secs(seconds)),
    }
}

fn secret(seeds: &[usize]) -> CookieSecret {
    CookieSecret::new(seeds.iter().map(|at| &SEEDS[*at][..])).unwrap()
}

fn gate(secret: &CookieSecret, now: Now) -> Gate {
    let config = ServerConfig::builder()
        .identity(pki().server.clone())
        .build()
        .unwrap();
    let gate = Gate::new(&config, CookiePolicy::Always).unwrap();
    gate.cookie_secret(secret.clone(), now)
}

/// The second hello of a client that was asked at this time.
fn second(gate: &mut Gate, version: ProtocolVersion, now: Now) -> Vec<u8> {
    let client = ClientConfig::builder(pki().roots.clone())
        .groups([NamedGroup::X25519])
        .versions([version])
        .build()
        .unwrap();
    let mut client = begin(client, DatagramOptions::default());
    let first = sent(&mut client).remove(0);
    client.receive(&reply(gate.on_datagram(PEER, &first, now)), at(0));
    sent(&mut client).remove(0)
}

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

fn admits(gate: &mut Gate, hello: &[u8], now: Now) -> bool {
    matches!(gate.on_datagram(PEER, hello, now), Verdict::Admit(_))
}

#[test]
fn what_one_server_asks_for_may_come_to_another() {
    for version in VERSIONS {
        // The clock of whoever asks, and of whoever is answered; the second across the change of keys.
        for (asks, answers, expected) in [
            (10, 11, true),
            (599, 601, true),
            (601, 599, true),
            (580, 639, true),
            // Ahead of the other by less than a cookie lives.
            (70, 20, true),
            (10, 71, false),
            (100, 30, false),
            (10, 2_000, false),
        ] {
            let fleet = secret(&[0]);
            let mut one = gate(&fleet, wall(0));
            let mut other = gate(&secret(&[0]), wall(5_000));
            let hello = second(&mut one, version, wall(asks));
            let is_admitted = admits(&mut other, &hello, wall(answers));
            assert_eq!(is_admitted, expected, "{version}: {asks} {answers}");
            // Of another address, and at a server of another fleet, it is nothing.
            let verdict = other.on_datagram(b"192.0.2.2:4433", &hello, wall(answers));
            assert!(!matches!(verdict, Verdict::Admit(_)), "{verdict:?}");
            let mut stranger = gate(&secret(&[1]), wall(0));
            assert!(!admits(&mut stranger, &hello, wall(answers)));
        }
    }
}

#[test]
fn gates_of_one_process_have_a_secret_that_nobody_else_has() {
    let [own, others] = [(); 2].map(|()| CookieSecret::random().unwrap());
    for version in VERSIONS {
        let hello = second(&mut gate(&own, wall(0)), version, wall(1));
        assert!(admits(&mut gate(&own, wall(0)), &hello, wall(2)));
        assert!(!admits(&mut gate(&others, wall(0)), &hello, wall(2)));
    }
    assert_eq!(format!("{own:?}"), "CookieSecret(..)");
}

#[test]
fn a_seed_is_replaced_while_servers_run() {
    let (ours, theirs) = (secret(&[0]), secret(&[0]));
    let (mut one, mut other) = (gate(&ours, wall(0)), gate(&theirs, wall(0)));
    let comes_through = |one: &mut Gate, other: &mut Gate| {
        VERSIONS.map(|version| {
            let hello = second(one, version, wall(1));
            admits(other, &hello, wall(1))
        })
    };
    assert_eq!(comes_through(&mut one, &mut other), [true; 2]);
    let old_hello = second(&mut one, VERSIONS[0], wall(1));
    // Everywhere behind the old one, then before it, and no cookie is refused meanwhile.
    for (ours_now, theirs_now) in [
        (&[0, 1][..], &[0][..]),
        (&[0, 1], &[0, 1]),
        (&[1, 0], &[0, 1]),
        (&[1, 0], &[1, 0]),
    ] {
        ours.replace(ours_now.iter().map(|at| &SEEDS[*at][..]))
            .unwrap();
        theirs
            .replace(theirs_now.iter().map(|at| &SEEDS[*at][..]))
            .unwrap();
        assert_eq!(comes_through(&mut one, &mut other), [true; 2]);
        assert_eq!(comes_through(&mut other, &mut one), [true; 2]);
        assert!(admits(&mut other, &old_hello, wall(1)));
    }
    theirs.replace([&SEEDS[1][..]]).unwrap();
    assert!(!admits(&mut other, &old_hello, wall(1)));
    assert_eq!(comes_through(&mut one, &mut other), [true; 2]);
    // What is refused changes nothing.
    assert!(theirs.replace([]).is_err());
    assert_eq!(comes_through(&mut one, &mut other), [true; 2]);
}

#[test]
fn seeds_that_anybody_could_guess_are_refused() {
    let five = vec![&SEEDS[0][..]; 5];
    let wrong: [(Vec<&[u8]>, &str); 5] = [
        (vec![], "there is no seed"),
        (vec![&[1; 31]], "31 bytes"),
        (vec![&[1; 1_025]], "1025 bytes"),
        (vec![&[0; 32]], "nothing but zeros"),
        (five, "more than 4"),
    ];
    for (seeds, expected) in wrong {
        let error = CookieSecret::new(seeds).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(format!("{:?}", secret(&[0])), "CookieSecret(..)");
}
