//! A key that is to be replaced before it is worn out.

use super::super::attack::{By, pair, transmitted};
use super::super::tamper::{Put, first};
use super::{Ends, From, client, sealed, server};
use crate::config::{ClientConfigBuilder, Renegotiation, ServerConfigBuilder};
use crate::testing::now;
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{Connection, Handshake, ProtocolVersion, Step};

/// More than goes over a connection when it is made.
const AT: u64 = 100_000;

fn ends(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Ends {
    Ends::new(client.key_update_at(AT), server.key_update_at(AT))
}

/// Whether another key is wished for before much more data than this one is to protect.
fn wishes(end: &mut Connection) -> bool {
    let mut out = vec![0; end.writer.max_sealed_len(10_000)];
    for _ in 0..20 {
        let sealed = end.writer.seal(&[0; 10_000], &mut out).unwrap();
        if sealed.written == 0 {
            assert!(end.writer.bytes_under_key() <= AT);
            assert!(end.writer.mailbox().take_wish());
            return true;
        }
        assert!(!end.writer.mailbox().wishes_to_renegotiate());
    }
    false
}

fn of(ends: &mut Ends, from: From) -> &mut Connection {
    match from {
        From::Client => &mut ends.client,
        From::Server => &mut ends.server,
    }
}

/// Either end wishes for it, once for each key. What was sealed meanwhile is lost here, so each handshake has a
/// connection of its own.
#[test]
fn either_end_wishes_for_another_key() {
    for from in [From::Client, From::Server] {
        let mut ends = ends(client(), server());
        assert!(wishes(of(&mut ends, from)));
        assert!(!wishes(of(&mut ends, from)), "once");
        let mut ends = self::ends(client(), server()).renegotiate(from);
        for end in [&mut ends.client, &mut ends.server] {
            assert!(wishes(end), "again, with the new key");
        }
    }
}

/// Nobody wishes for what there cannot be: the key is used up instead.
#[test]
fn only_where_there_may_be_another_handshake() {
    let neither = |mut ends: Ends| {
        assert!(!wishes(&mut ends.client));
        assert!(!wishes(&mut ends.server));
    };
    for policy in [Renegotiation::Decline, Renegotiation::Forbid] {
        let (client, server) = (client(), server());
        neither(ends(
            client.renegotiation(policy),
            server.renegotiation(policy),
        ));
    }
    neither(ends(client().alpn(["h2"]), server().alpn(["h2"])));
    let without_alpn = || (client().alpn([""; 0]), server().alpn([""; 0]));
    let (client_of_npn, server_of_npn) = without_alpn();
    neither(ends(
        client_of_npn.next_protocols(["h2"]),
        server_of_npn.next_protocols(["h2"]),
    ));
    // The second is not allowed.
    let once = Renegotiation::Once;
    let used_up = ends(client().renegotiation(once), server().renegotiation(once));
    neither(used_up.renegotiate(From::Client));
    // RFC 5746 §4.1, §4.3: with whom nobody renegotiates.
    for (by, typ) in [(By::Client, T::CLIENT_HELLO), (By::Server, T::SERVER_HELLO)] {
        let tamper = first(typ, |raw| {
            vec![Put::Message(super::violations::without(
                raw,
                E::RENEGOTIATION_INFO,
            ))]
        });
        let client = client().key_update_at(AT).build().unwrap();
        let server = server().key_update_at(AT).build().unwrap();
        let (client, server) = pair(client, server, by, tamper).run();
        let mut end = match by {
            By::Client => server.unwrap(),
            By::Server => client.unwrap(),
        };
        assert!(!wishes(&mut end));
    }
    // TLS 1.3 has KeyUpdates.
    let versions = [ProtocolVersion::TLS_1_3];
    neither(ends(
        client().versions(versions),
        server().versions(versions),
    ));
}

/// A peer that declines is not asked again under the same key, and neither is one whose answer was not waited for.
#[test]
fn who_declines_is_not_asked_again() {
    for from in [From::Client, From::Server] {
        for is_said in [true, false] {
            let mut ends = ends(client(), server());
            let (first, second) = match from {
                From::Client => (&mut ends.client, &mut ends.server),
                From::Server => (&mut ends.server, &mut ends.client),
            };
            second.reader.decline_renegotiations();
            let mut begun =
                Handshake::renegotiate(&mut first.reader, &mut first.writer, now()).unwrap();
            let request = transmitted(&mut begun);
            if is_said {
                assert!(!super::asks(second, request));
                let mut warning = vec![0; 100];
                let written = second.writer.drain_mailbox(&mut warning).unwrap();
                begun.receive(&warning[..written], now());
                assert!(matches!(begun.poll(), Ok(Step::Connected)));
            } else {
                // What the peer says meanwhile is no answer.
                let data = sealed(second, b"data");
                begun.receive(&data, now());
                assert!(matches!(begun.poll(), Ok(Step::Data(_))));
                assert!(begun.give_up_renegotiation());
                assert!(begun.give_up_renegotiation(), "it has been");
                assert!(matches!(begun.poll(), Ok(Step::Connected)));
            }
            assert!(begun.was_declined());
            *first = begun.into_connection().unwrap();
            assert!(!wishes(first));
        }
    }
}

/// An answer that is late is one all the same: what was sent meanwhile was sent under the old keys.
#[test]
fn a_late_answer_is_one() {
    for from in [From::Client, From::Server] {
        let mut ends = ends(client(), server());
        let (first, second) = match from {
            From::Client => (&mut ends.client, &mut ends.server),
            From::Server => (&mut ends.server, &mut ends.client),
        };
        let mut begun =
            Handshake::renegotiate(&mut first.reader, &mut first.writer, now()).unwrap();
        let request = transmitted(&mut begun);
        assert!(begun.give_up_renegotiation());
        assert!(matches!(begun.poll(), Ok(Step::Connected)));
        *first = begun.into_connection().unwrap();
        let meanwhile = sealed(first, b"meanwhile");
        // Now the peer reads.
        assert!(super::asks(second, request));
        let mut answering =
            Handshake::renegotiate(&mut second.reader, &mut second.writer, now()).unwrap();
        answering.receive(&meanwhile, now());
        let data = answering.poll().unwrap();
        assert!(matches!(data, Step::Data(data) if data == b"meanwhile"));
        let answer = transmitted(&mut answering);
        let record = 5 + usize::from(u16::from_be_bytes([answer[3], answer[4]]));
        let (record, rest) = answer.split_at(record);
        assert!(super::asks(first, record.to_vec()));
        let mut begun =
            Handshake::renegotiate(&mut first.reader, &mut first.writer, now()).unwrap();
        begun.receive(rest, now());
        let (client, server) = match from {
            From::Client => (begun, answering),
            From::Server => (answering, begun),
        };
        let (client, server) = super::pair(client, server).run();
        let mut ends = Ends {
            client: client.unwrap(),
            server: server.unwrap(),
        };
        assert!(ends.client.information.is_renegotiated());
        ends.exchange();
    }
}

/// RFC 5246 §7.4.1.1: a server that asks before it has seen the hello that was given up gets no second one, and answers the
/// first.
#[test]
fn a_request_that_has_crossed_a_hello_says_nothing() {
    let mut ends = ends(client(), server());
    let (client, server) = (&mut ends.client, &mut ends.server);
    let mut begun = Handshake::renegotiate(&mut client.reader, &mut client.writer, now()).unwrap();
    let hello = transmitted(&mut begun);
    assert!(begun.give_up_renegotiation());
    assert!(matches!(begun.poll(), Ok(Step::Connected)));
    assert!(begun.was_declined());
    *client = begun.into_connection().unwrap();
    let mut asking = Handshake::renegotiate(&mut server.reader, &mut server.writer, now()).unwrap();
    let request = transmitted(&mut asking);
    assert!(super::asks(client, request));
    let mut begun = Handshake::renegotiate(&mut client.reader, &mut client.writer, now()).unwrap();
    assert!(transmitted(&mut begun).is_empty(), "its hello is out");
    asking.receive(&hello, now());
    let (client, server) = super::pair(begun, asking).run();
    let mut ends = Ends {
        client: client.unwrap(),
        server: server.unwrap(),
    };
    assert!(ends.client.information.is_renegotiated());
    assert!(ends.server.information.is_renegotiated());
    ends.exchange();
}

/// What has been answered goes on, and what is no renegotiation is not given up so.
#[test]
fn what_is_answered_is_not_given_up() {
    for from in [From::Client, From::Server] {
        let mut pair = ends(client(), server()).begin(from);
        let (first, second) = match from {
            From::Client => (&mut pair.client, &mut pair.server),
            From::Server => (&mut pair.server, &mut pair.client),
        };
        let answer = transmitted(second);
        if from == From::Client {
            assert!(!second.give_up_renegotiation());
        }
        first.receive(&answer, now());
        while !matches!(first.poll().unwrap(), Step::Wait { .. }) {}
        assert!(!first.give_up_renegotiation());
    }
    let mut first = Handshake::client(client().build().unwrap(), crate::testing::name()).unwrap();
    assert!(!first.give_up_renegotiation());
}

/// Nor is what has been answered in part, or has failed.
#[test]
fn what_is_answered_in_part_is_not_given_up() {
    for from in [From::Client, From::Server] {
        for fails in [false, true] {
            let ends = match from {
                From::Client => Ends::new(client(), server().max_fragment_sent(64)),
                From::Server => Ends::new(client().max_fragment_sent(64), server()),
            };
            let mut pair = ends.begin(from);
            let (first, second) = match from {
                From::Client => (&mut pair.client, &mut pair.server),
                From::Server => (&mut pair.server, &mut pair.client),
            };
            if fails {
                first.receive(&[99, 3, 3, 0, 1, 0], now());
                transmitted(first);
                assert!(first.poll().is_err());
                assert!(!first.give_up_renegotiation());
                continue;
            }
            // The hello is longer than its first record.
            let answer = transmitted(second);
            let record = 5 + usize::from(u16::from_be_bytes([answer[3], answer[4]]));
            let (record, rest) = answer.split_at(record);
            first.receive(record, now());
            assert!(matches!(first.poll(), Ok(Step::Wait { .. })));
            assert!(!first.give_up_renegotiation());
            first.receive(rest, now());
            let (client, server) = pair.run();
            for end in [client.unwrap(), server.unwrap()] {
                assert!(end.information.is_renegotiated());
            }
        }
    }
}
