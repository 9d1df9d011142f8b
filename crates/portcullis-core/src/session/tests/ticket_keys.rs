//! The keys with which tickets are sealed.

use std::time::Duration;

use super::*;

/// Seals something at that time.
fn seal(keys: &TicketKeys, now: UnixTime) -> Vec<u8> {
    let sealed = keys.seal(b"session", now, &mut Random::system());
    sealed.unwrap().unwrap()
}

fn opens(keys: &TicketKeys, ticket: &[u8], now: UnixTime) -> bool {
    match keys.open(ticket, now) {
        Some(session) => {
            assert_eq!(*session, b"session");
            true
        }
        None => false,
    }
}

#[test]
fn rotating_keys_open_one_period_more() {
    let keys = TicketKeys::rotating(Duration::from_secs(100)).unwrap();
    let first = seal(&keys, now());
    let same = seal(&keys, later(99));
    assert_eq!(first[..16], same[..16]);
    assert_ne!(first[16..], same[16..]);
    let second = seal(&keys, later(100));
    assert_ne!(first[..16], second[..16]);
    for ticket in [&first, &same, &second] {
        assert!(opens(&keys, ticket, later(199)));
    }
    // Also if nothing has been sealed since.
    assert!(!opens(&keys, &first, later(200)));
    assert!(opens(&keys, &second, later(299)));
    assert!(!opens(&keys, &second, later(300)));
    let third = seal(&keys, later(250));
    assert!(opens(&keys, &second, later(250)));
    assert!(opens(&keys, &third, later(250)));
    assert!(!opens(&keys, &first, later(0)), "it is gone");
    // A clock that is put back does not keep a key for as long as it was wrong.
    let future = seal(&keys, later(1_000_000));
    assert!(opens(&keys, &future, later(1_000_000)));
    let back = seal(&keys, later(300));
    assert_ne!(future[..16], back[..16]);
    assert!(!opens(&keys, &future, later(300)));
    // A little does not matter.
    let again = seal(&keys, later(299));
    assert_eq!(back[..16], again[..16]);

    for period in [
        Duration::ZERO,
        Duration::from_millis(999),
        Duration::from_millis(604_800_001),
    ] {
        assert!(TicketKeys::rotating(period).is_err());
    }
    assert!(TicketKeys::rotating(Duration::from_secs(604_800)).is_ok());
}

/// NIST SP 800-38D §8.3: no two tickets are sealed with one key and one nonce, however many servers have the keys.
#[test]
fn each_ticket_has_a_key_of_its_own() {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    use aws_lc_rs::hmac;

    let secret: [u8; 48] = core::array::from_fn(|at| at as u8 + 1);
    let keys = TicketKeys::shared([&secret]).unwrap();
    let tickets = [(); 3].map(|()| seal(&keys, now()));
    for (at, ticket) in tickets.iter().enumerate() {
        let (name, rest) = ticket.split_at(16);
        let (salt, sealed) = rest.split_at(24);
        assert_eq!(name, &secret[..16]);
        for other in &tickets[..at] {
            assert_ne!(&other[16..40], salt);
        }
        let mut message = b"portcullis ticket 2".to_vec();
        message.extend_from_slice(salt);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret[16..]);
        let key = hmac::sign(&key, &message);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let mut sealed = sealed.to_vec();
        let opened = key.open_in_place(nonce, Aad::from(name), &mut sealed);
        assert_eq!(opened.unwrap(), b"session");
    }
}

/// Keys that a clock makes which jumps to and fro are not more than a few.
#[test]
fn rotating_keys_are_bounded() {
    let keys = TicketKeys::rotating(Duration::from_secs(100)).unwrap();
    let tickets: Vec<_> = (0..20)
        .map(|times| seal(&keys, later(150 * (times % 2))))
        .collect();
    let open = tickets
        .iter()
        .filter(|ticket| opens(&keys, ticket, later(100)));
    assert_eq!(open.count(), 16);
}

#[test]
fn forged_tickets_are_unknown() {
    let keys = keys();
    let ticket = seal(&keys, now());
    assert!(opens(&keys, &ticket, now()));
    for at in 0..ticket.len() {
        for bit in 0..8 {
            let mut flipped = ticket.clone();
            flipped[at] ^= 1 << bit;
            assert!(!opens(&keys, &flipped, now()));
        }
        assert!(!opens(&keys, &ticket[..at], now()));
        assert!(!opens(&keys, &ticket[at + 1..], now()));
    }
    assert!(!opens(&keys, &[&ticket[..], &[0]].concat(), now()));
    assert!(!opens(
        &TicketKeys::rotating(Duration::from_secs(7_200)).unwrap(),
        &ticket,
        now()
    ));

    // In a handshake: forged is the same as unknown, and the next one may be good.
    let good = first(&client(), &server(&keys));
    let mut forged = good[0].clone();
    *forged.ticket.last_mut().unwrap() ^= 1;
    assert!(!is_resumed(client(), server(&keys), vec![forged.clone()]));
    let mut offered = vec![forged; 3];
    offered.extend_from_slice(&good[1..2]);
    assert!(is_resumed(client(), server(&keys), offered.clone()));
    // Only four are looked at.
    offered.insert(0, offered[0].clone());
    assert!(!is_resumed(client(), server(&keys), offered));
}

#[test]
fn a_session_that_is_too_long_for_a_ticket() {
    let mut random = Random::system();
    let keys = keys();
    let room = MAX_TICKET - 16 - 24 - 16;
    let longest = keys.seal(&vec![0; room], now(), &mut random).unwrap();
    assert_eq!(longest.unwrap().len(), MAX_TICKET);
    let longer = keys.seal(&vec![0; room + 1], now(), &mut random).unwrap();
    assert!(longer.is_none());
}

#[test]
fn shared_keys() {
    let secret = |name: u8, key: u8| {
        let mut secret = [key; TicketKeys::SECRET_LEN];
        secret[..16].fill(name);
        secret
    };
    let (old, new) = (secret(1, 2), secret(3, 4));
    let here = TicketKeys::shared([&old]).unwrap();
    let there = TicketKeys::shared([&old]).unwrap();
    let session = first(&client(), &server(&here));
    assert!(is_resumed(client(), server(&there), session.clone()));
    // The new key comes behind the old one, then before it, then alone.
    let ticket = seal(&here, now());
    there.replace([&old, &new]).unwrap();
    here.replace([&new, &old]).unwrap();
    let newer = seal(&here, now());
    assert_eq!((ticket[0], newer[0]), (1, 3));
    for keys in [&here, &there] {
        assert!(opens(keys, &ticket, now()));
        assert!(opens(keys, &newer, now()));
        // They do not age by themselves.
        assert!(opens(keys, &newer, later(10_000_000)));
    }
    here.replace([&new]).unwrap();
    assert!(!opens(&here, &ticket, now()));
    assert!(!is_resumed(client(), server(&here), session));
    // The same name with another key is another key.
    assert!(!opens(
        &TicketKeys::shared([&secret(1, 9)]).unwrap(),
        &ticket,
        now()
    ));

    let same_name = [secret(1, 2), secret(1, 3)];
    assert!(here.replace(&same_name).is_err());
    assert!(here.replace([]).is_err());
    let many: Vec<_> = (0..17).map(|name| secret(name, 5)).collect();
    assert!(here.replace(&many).is_err());
    // A secret that nobody has filled, with a name or without.
    for name in [0, 9] {
        let error = here.replace([&old, &secret(name, 0)]).unwrap_err();
        assert!(error.to_string().contains("secret 2"), "{error}");
        assert!(TicketKeys::shared([&secret(name, 0)]).is_err());
    }
    // What is refused changes nothing.
    assert!(opens(&here, &newer, now()));
    assert!(here.replace(&many[..16]).is_ok());
    assert!(keys().replace([&old]).is_err());
}

/// At a time in seconds since 1970.
fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// Servers with one seed open each other's tickets: of the period before, of this and of the next, whichever of them
/// has sealed or opened anything before.
#[test]
fn derived_keys_are_the_same_everywhere() {
    const PERIOD: u64 = 100;
    let seed = [7; 32];
    let with =
        |seed: &[u8], period| TicketKeys::derived(seed, Duration::from_secs(period)).unwrap();
    // What a restart forgets.
    let fresh = || with(&seed, PERIOD);
    let (one, other) = (fresh(), fresh());
    let first = seal(&one, at(10_000));
    let same = seal(&other, at(10_099));
    assert_eq!(first[..16], same[..16]);
    assert_ne!(first[16..], same[16..]);
    let next = seal(&one, at(10_100));
    assert_ne!(first[..16], next[..16]);
    for keys in [&one, &other, &fresh()] {
        for (ticket, from, until) in [(&first, 9_900, 10_199), (&next, 10_000, 10_299)] {
            for now in (9_500..10_600).chain((9_500..10_600).rev()).step_by(50) {
                let expected = (from..=until).contains(&now);
                assert_eq!(opens(keys, ticket, at(now)), expected, "{now}");
            }
            for (now, expected) in [
                (from - 1, false),
                (from, true),
                (until, true),
                (until + 1, false),
            ] {
                assert_eq!(opens(keys, ticket, at(now)), expected, "{now}");
            }
        }
    }
    // The first period has none before it.
    let early = seal(&one, at(0));
    assert!(opens(&fresh(), &early, at(199)));
    assert!(!opens(&fresh(), &early, at(200)));
    let late = seal(&one, at(u64::MAX));
    assert!(opens(&fresh(), &late, at(u64::MAX)));
    // Another seed, or another period, are other keys.
    assert!(!opens(&with(&[8; 32], PERIOD), &first, at(10_000)));
    assert!(!opens(&with(&seed, 2 * PERIOD), &first, at(10_000)));
    assert_eq!(one.lifetime(), Some(100));

    for (seed, period, says) in [
        (&[7; 31][..], 100, "31 bytes"),
        (&[7; 1_025], 100, "1025 bytes"),
        (&[0; 32], 100, "nothing but zeros"),
        (&[7; 32], 0, "outside of 1 second to 7 days"),
        (&[7; 32], 604_801, "outside of 1 second to 7 days"),
    ] {
        let error = TicketKeys::derived(seed, Duration::from_secs(period)).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    // A part of a second is another period than the one that is named, and servers would not have the same keys.
    for period in [1_500, 7_200_001] {
        let period = Duration::from_millis(period);
        for made in [
            TicketKeys::derived(&[7; 32], period),
            TicketKeys::rotating(period),
        ] {
            let error = made.unwrap_err().to_string();
            assert!(error.contains("no whole number of seconds"), "{error}");
        }
    }
    let error = TicketKeys::derived(&[7; 32], Duration::from_millis(999)).unwrap_err();
    assert!(
        error.to_string().contains("outside of 1 second to 7 days"),
        "{error}"
    );
    let error = one.replace([&[7; 48]]).unwrap_err();
    assert!(error.to_string().contains("change by themselves"));
    assert_eq!(format!("{one:?}"), "TicketKeys { keys: 3, .. }");
}

/// The keys of a period, worked out elsewhere (Python's `hmac`): other releases and nodes have the same.
#[test]
fn derived_keys_never_change() {
    let keys = TicketKeys::derived(&[7; 32], Duration::from_secs(3_600)).unwrap();
    let ticket = seal(&keys, at(3_600 * 500_000));
    let name: String = ticket[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(name, "0038e9c002f1ec2338d4e24981a32120");
}

/// A connection that goes over such keys is resumed by another server.
#[test]
fn a_fleet_with_a_seed_resumes() {
    let keys = || TicketKeys::derived(&[7; 48], Duration::from_secs(3_600)).unwrap();
    let session = first(&client(), &server(&keys()));
    assert!(is_resumed(client(), server(&keys()), session.clone()));
    let other = TicketKeys::derived(&[8; 48], Duration::from_secs(3_600)).unwrap();
    assert!(!is_resumed(client(), server(&other), session));
}
