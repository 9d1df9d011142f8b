//! When something is sent again, and when it is not.

use core::time::Duration;
use std::collections::BTreeSet;

use super::network::{LATENCY, Network, Side, usual};
use crate::config::{ClientAuthentication, ClientConfig, ServerConfig};
use crate::error::Reason;
use crate::record::{DatagramOptions, Retransmission, hello_pieces};
use crate::testing::{client_config, client_config_in_pieces, pki, server_config};
use crate::{CookiePolicy, ProtocolVersion};

#[test]
fn a_peer_that_never_answers_is_given_up_after_thirteen_sendings() {
    let mut network = Network::new(client_config_in_pieces(), server_config());
    let mut times = Vec::new();
    let clock = core::cell::Cell::new(Duration::ZERO);
    for _ in 0..40 {
        let before = network.clock;
        network.run_until(before + Duration::from_secs(20), &mut |_, _| {
            times.push(clock.get());
            Vec::new()
        });
        clock.set(network.clock);
    }
    let error = network.sides[0].error();
    assert!(
        matches!(error.reason(), Reason::NoAnswer { sent: 13 }),
        "{error}"
    );
    assert_eq!(error.alert(), None);
    // A hello with a post-quantum share has two datagrams, and three when 548 bytes are tried.
    assert_eq!(times.len(), 4 * 2 + 9 * 3);
}

#[test]
fn timeouts_double() {
    let mut network = Network::new(client_config(), server_config());
    let mut expected = Duration::ZERO;
    for doubling in 0..6 {
        network.run_until(expected, &mut |_, _| Vec::new());
        let Side::Handshake(handshake) = &network.sides[0] else {
            panic!("it waits");
        };
        expected += Duration::from_secs(1 << doubling);
        assert_eq!(handshake.deadline().map(|at| at.0), Some(expected));
    }
}

#[test]
fn what_is_lost_later_is_sent_again_after_three_round_trips() {
    let mut network = Network::new(client_config(), server_config());
    let mut lost = false;
    // The first that the server sends is there; the client's Finished is not.
    let mut from_client = 0;
    let lengths = core::cell::RefCell::new(Vec::new());
    network.run(&mut |_, datagram| {
        lengths.borrow_mut().push(datagram.len());
        // Finished alone: the only short one before anything else.
        if !lost && datagram.len() < 100 && datagram[0] & 0xe3 == 0x22 {
            lost = true;
            from_client += 1;
            return Vec::new();
        }
        usual(datagram)
    });
    assert!(lost, "{:?}", lengths.borrow());
    network.check();
    assert!(
        network.clock < Duration::from_millis(400),
        "{:?}",
        network.clock
    );
}

/// The pause is not the end of the flight: its first half is not forgotten.
#[test]
fn a_lost_server_hello_is_sent_again_after_an_external_signature() {
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .ask_signature(true)
        .resumption(false)
        .build();
    let mut network = Network::new(client_config(), server.unwrap());
    network.thinking = Some(Duration::from_millis(50));
    let mut lost = 0;
    network.run(&mut |_, datagram| {
        // What the server says before it signs begins with ServerHello.
        let is_server_hello = datagram[0] == 22 && datagram[13] == 2;
        if is_server_hello && lost == 0 {
            lost += 1;
            return Vec::new();
        }
        usual(datagram)
    });
    assert_eq!(lost, 1);
    network.check();
}

#[test]
fn a_slow_answer_is_not_followed_by_a_resend() {
    let client = ClientConfig::builder(pki().roots.clone())
        .ask_verification(true)
        .build();
    let mut network = Network::new(client.unwrap(), server_config());
    network.thinking = Some(Duration::from_millis(700));
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    // The client acknowledged the server's flight while it thought, so nothing was sent twice.
    let long = |side: usize| {
        let lengths = network.lengths.iter().filter(|(from, _)| *from == side);
        lengths.filter(|(_, length)| *length > 400).count()
    };
    assert!(long(0) <= 2, "{:?}", network.lengths);
    assert!(long(1) <= 3, "{:?}", network.lengths);
}

/// RFC 9147 §7.1: where the next flight takes its time, this one is acknowledged before.
#[test]
fn a_slow_signature_is_not_followed_by_a_resend() {
    let client = ClientConfig::builder(pki().roots.clone())
        .identity(pki().client.clone())
        .ask_signature(true)
        .build();
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .client_authentication(ClientAuthentication::Required(pki().roots.clone()))
        .build();
    let mut network = Network::new(client.unwrap(), server.unwrap());
    network.thinking = Some(Duration::from_millis(700));
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    let lengths = network.lengths.iter().filter(|(from, _)| *from == 1);
    let long = lengths.filter(|(_, length)| *length > 400).count();
    assert!(long <= 3, "{:?}", network.lengths);
}

#[test]
fn without_adaptive_timeouts_a_lost_finished_costs_a_second() {
    let options = DatagramOptions::default()
        .retransmission(Retransmission::default().adaptive(false).prompt(false));
    let mut network = Network::resuming(client_config(), server_config(), Vec::new(), options);
    let mut lost = false;
    network.run(&mut |_, datagram| {
        if !lost && datagram.len() < 100 && datagram[0] & 0xe3 == 0x22 {
            lost = true;
            return Vec::new();
        }
        usual(datagram)
    });
    network.check();
    assert!(network.clock >= Duration::from_secs(1));
}

#[test]
fn a_handshake_without_loss_sends_nothing_twice() {
    let mut network = Network::new(client_config(), server_config());
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    // A hello, a retry, a hello of two datagrams, a flight of one or two, Finished, its acknowledgement.
    assert!(network.sent <= 8, "{:?}", network.lengths);
    assert!(network.clock <= LATENCY * 8, "{:?}", network.clock);
}

/// RFC 9147 §5.5: however often a message is said, and however it is cut, it has the same bytes; its pieces lie side by side,
/// each in a datagram of its own.
#[test]
fn what_is_said_again_is_the_same() {
    let mut network = Network::new(client_config_in_pieces(), server_config());
    let (mut message, mut end, mut sendings) = (Vec::new(), 0, 0);
    let mut lengths = BTreeSet::new();
    for _ in 0..40 {
        let until = network.clock + Duration::from_secs(20);
        network.run_until(until, &mut |_, datagram| {
            assert!(datagram.len() <= 1_200);
            for piece in hello_pieces(datagram).unwrap() {
                let start = piece.header.fragment_offset as usize;
                if start == 0 {
                    (end, sendings) = (0, sendings + 1);
                }
                assert_eq!(start, end);
                end += piece.fragment.len();
                if end > message.len() {
                    message.extend_from_slice(piece.fragment);
                }
                assert_eq!(&message[start..end], piece.fragment);
                lengths.insert(piece.fragment.len());
            }
            Vec::new()
        });
    }
    assert_eq!(sendings, 13);
    // Two, and when it is cut for 548 bytes three others.
    assert!(lengths.len() >= 4, "{lengths:?}");
}

/// RFC 9147 §7.2: what was acknowledged of a flight is left out when the rest of it is sent again.
#[test]
fn of_a_flight_only_what_was_lost_is_sent_again() {
    let sent_by_server = |lost: usize| {
        let options = DatagramOptions::default().mtu(228);
        let mut network = Network::resuming(client_config(), server_config(), Vec::new(), options);
        let mut protected = 0;
        network.run(&mut |_, datagram| {
            // Under the keys of the handshake the server is the first who speaks.
            protected += usize::from(datagram[0] & 0xe3 == 0x22);
            match protected == lost && datagram[0] & 0xe3 == 0x22 {
                true => Vec::new(),
                false => usual(datagram),
            }
        });
        network.check();
        network
            .lengths
            .iter()
            .filter(|(from, _)| *from == 1)
            .count()
    };
    let whole = sent_by_server(0);
    let with_loss = sent_by_server(2);
    assert!(
        (whole + 1..=whole + 2).contains(&with_loss),
        "{whole}, {with_loss}"
    );
}

/// Nothing of the client's is under way then: it is the server's timer that sends again what is lost.
#[test]
fn a_server_that_begins_and_says_nothing_more_is_given_up() {
    for versions in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let server = ServerConfig::builder().identity(pki().server.clone());
        let server = server.versions([versions]).build().unwrap();
        let mut network = Network::new(client_config_in_pieces(), server);
        let mut is_begun = false;
        network.run(&mut |_, datagram| {
            // ServerHello comes, alone.
            if datagram[0] == 22 && datagram[13] == 2 && !is_begun {
                is_begun = true;
                let end = 13 + usize::from(u16::from_be_bytes([datagram[11], datagram[12]]));
                return usual(&datagram[..end]);
            }
            match is_begun {
                true => Vec::new(),
                false => usual(datagram),
            }
        });
        assert!(is_begun);
        let error = network.sides[0].error();
        let waited = Duration::from_secs(240);
        let is_missing =
            matches!(error.reason(), Reason::RestMissing { waited: so } if *so == waited);
        assert!(is_missing, "{error}");
        assert_eq!(error.alert(), None);
    }
}

/// How long it takes until both ends are connected, if the first datagram for which `is_lost` says so does not come.
fn with_lost(network: &mut Network, is_lost: &dyn Fn(&[u8]) -> bool) -> Duration {
    let mut lost = false;
    while !matches!(network.sides, [Side::Connected(_), Side::Connected(_)]) {
        let end = network.clock + Duration::from_millis(1);
        network.run_until(end, &mut |_, datagram| {
            if !lost && is_lost(datagram) {
                lost = true;
                return Vec::new();
            }
            usual(datagram)
        });
        network.clock = end;
        assert!(end < Duration::from_secs(60));
    }
    network.clock
}

/// RFC 9147 §5.8.2: once it is known how long a round trip takes, nobody has to wait for a second. The cookie, which has gone to
/// the client and back, tells a server before it has said anything.
#[test]
fn a_server_knows_by_its_cookie_when_to_send_again() {
    let begins = |datagram: &[u8]| datagram[0] == 22 && datagram[13] == 2;
    // Its certificate and what follows, where that is long; before DTLS 1.3 the client says nothing of what it has.
    let goes_on = |datagram: &[u8]| datagram[0] == 22 && matches!(datagram[13], 11 | 12);
    type Lost<'a> = &'a dyn Fn(&[u8]) -> bool;
    let cases: [(_, u16, Lost<'_>); 3] = [
        // The retry is the gate's, and is no ServerHello of a server whose flight has more in the same datagram.
        (ProtocolVersion::TLS_1_3, 1_200, &|datagram| {
            begins(datagram) && datagram.len() > 300
        }),
        (ProtocolVersion::TLS_1_2, 1_200, &begins),
        (ProtocolVersion::TLS_1_2, 548, &goes_on),
    ];
    for (version, mtu, is_lost) in cases {
        let server = ServerConfig::builder().identity(pki().server.clone());
        let server = server
            .versions([version])
            .resumption(false)
            .build()
            .unwrap();
        let options = DatagramOptions::default().mtu(mtu);
        let began = || {
            let client = client_config();
            let mut network = Network::resuming(client, server.clone(), Vec::new(), options);
            network.begin_with_gate(&server, CookiePolicy::Always);
            network
        };
        let later = with_lost(&mut began(), is_lost) - with_lost(&mut began(), &|_| false);
        // Else nothing was lost.
        let least = Duration::from_millis(100);
        let most = Duration::from_millis(220);
        assert!((least..=most).contains(&later), "{version:?}: {later:?}");
    }
}

/// Who says its hello again has not got the answer, and may know how long a round trip takes where the server does not.
#[test]
fn a_repeated_hello_is_answered_where_no_round_trip_was_measured() {
    let server = ServerConfig::builder().identity(pki().server.clone());
    let server = server.versions([ProtocolVersion::TLS_1_2]).build().unwrap();
    let hasty = Retransmission::default().initial(Duration::from_millis(200));
    let hasty = DatagramOptions::default().retransmission(hasty);
    let mut network = Network::resuming(client_config(), server, Vec::new(), hasty);
    network.options = DatagramOptions::default();
    let took = with_lost(&mut network, &|datagram| {
        datagram[0] == 22 && datagram[13] == 2
    });
    assert!(took < Duration::from_millis(300), "{took:?}");
}

/// Anybody may repeat what is said in the clear: however often, and where no round trip was measured, it is answered a few times.
#[test]
fn a_hello_that_is_repeated_without_end_is_answered_ever_less_often() {
    let server = ServerConfig::builder().identity(pki().server.clone());
    let server = server.versions([ProtocolVersion::TLS_1_2]).build().unwrap();
    let mut network = Network::new(client_config(), server);
    let mut hello = Vec::new();
    network.run_until(LATENCY * 2, &mut |index, datagram| {
        if index == 0 {
            hello = datagram.to_vec();
        }
        match datagram[13] {
            1 => usual(datagram),
            _ => Vec::new(),
        }
    });
    let began = network.clock;
    let mut sendings = BTreeSet::new();
    for millisecond in 1..=900 {
        network.inject(1, hello.clone());
        network.run_until(
            began + Duration::from_millis(millisecond),
            &mut |_, datagram| {
                // ServerHello begins each.
                if datagram[0] == 22 && datagram[13] == 2 {
                    sendings.insert(millisecond);
                }
                Vec::new()
            },
        );
    }
    let times: Vec<_> = sendings.into_iter().collect();
    assert_eq!(times.len(), 3, "{times:?}");
    let pauses: Vec<_> = times.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(pauses[0] >= 200 && pauses[1] >= 400, "{times:?}");
}
