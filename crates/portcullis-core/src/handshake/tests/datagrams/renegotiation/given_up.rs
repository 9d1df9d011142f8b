//! A wish that is declined, ignored, or given up by the side that has it.
//!
//! RFC 5246 §7.2.2, §7.4.1; RFC 6347 §4.2.4.

use super::*;

/// Both ends, when their first handshake is over.
fn connected(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Network {
    let mut network = of(client, server);
    run(&mut network);
    network
}

#[test]
fn who_does_not_want_to_says_so_and_the_connection_goes_on() {
    for side in [0, 1] {
        let mut network = match side {
            0 => of(
                client(V1_2),
                server(V1_2).renegotiation(Renegotiation::Decline),
            ),
            _ => of(
                client(V1_2).renegotiation(Renegotiation::Decline),
                server(V1_2),
            ),
        };
        run(&mut network);
        for time in 1..4 {
            network.renegotiate(side);
            run(&mut network);
            assert_eq!(network.declined[side], time);
            talk("declined", &mut network);
        }
        let connection = network.sides[0].connection();
        assert_eq!(connection.reader.newest_epoch(), 1);
        assert!(!connection.information.is_renegotiated());
        // The other has no such policy at all.
        let connection = network.sides[1 - side].connection();
        let (reader, writer) = (&mut connection.reader, &mut connection.writer);
        let now = network_now();
        let error = Handshake::renegotiate_datagrams(reader, writer, now).unwrap_err();
        assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
        talk("declined", &mut network);
    }
}

#[test]
fn forbidden_ends_the_connection_and_ignored_does_not() {
    let mut network = connected(
        client(V1_2),
        server(V1_2).renegotiation(Renegotiation::Forbid),
    );
    network.renegotiate(0);
    run(&mut network);
    let error = network.sides[1].error();
    assert_eq!(error.violation(), Some(Violation::RenegotiationForbidden));
    assert!(matches!(
        network.sides[0].error().reason(),
        Reason::AlertReceived(_)
    ));

    // Nobody answers, and in the end the server goes on as it was.
    let client = client(V1_2).renegotiation(Renegotiation::Ignore);
    let mut network = connected(client, server(V1_2));
    network.renegotiate(1);
    let sent = network.sent;
    run(&mut network);
    assert!(network.sent > sent + 10, "{} times", network.sent - sent);
    assert_eq!(network.declined, [0, 1]);
    talk("ignored", &mut network);
}

#[test]
fn once_is_once_and_apart_is_apart() {
    let mut network = connected(
        client(V1_2),
        server(V1_2).renegotiation(Renegotiation::Once),
    );
    network.renegotiate(0);
    run(&mut network);
    check("once", &mut network);
    network.renegotiate(0);
    run(&mut network);
    let error = network.sides[1].error();
    assert_eq!(error.violation(), Some(Violation::RenegotiationForbidden));

    let apart = Renegotiation::Accept {
        apart: Duration::from_secs(12),
    };
    let mut network = connected(client(V1_2), server(V1_2).renegotiation(apart));
    network.renegotiate(0);
    run(&mut network);
    check("apart", &mut network);
    network.renegotiate(0);
    run(&mut network);
    assert_eq!(network.declined, [1, 0]);
    talk("apart", &mut network);
}

/// Each that is declined costs an alert.
#[test]
fn a_flood_of_wishes_ends_the_connection() {
    let mut network = connected(
        client(V1_2),
        server(V1_2).renegotiation(Renegotiation::Decline),
    );
    for time in 0..6 {
        if let Side::Failed(error) = &network.sides[1] {
            assert_eq!(error.violation(), Some(Violation::TooManyWarnings));
            assert_eq!(time, 5);
            return;
        }
        network.renegotiate(0);
        run(&mut network);
    }
    panic!("it has no end");
}

/// An answer that comes when it is not waited for any more is one all the same.
#[test]
fn an_answer_after_giving_up_is_taken() {
    let mut network = connected(client(V1_2), server(V1_2));
    network.renegotiate(0);
    network.run_until(
        network.clock + Duration::from_millis(1),
        &mut |_, datagram| vec![(Duration::from_secs(2), datagram.to_vec())],
    );
    let Side::Handshake(handshake) = &mut network.sides[0] else {
        panic!("it is over");
    };
    assert!(handshake.give_up_renegotiation());
    run(&mut network);
    check("late", &mut network);
    assert_eq!(network.declined, [1, 0]);
    talk("late", &mut network);
}

/// A hello that was lost, given up, and wished for once more: it is the same hello that is said.
#[test]
fn a_hello_that_was_lost_is_said_again_after_giving_up() {
    let mut network = connected(client(V1_2), server(V1_2));
    network.renegotiate(0);
    network.run_until(network.clock + Duration::from_millis(1), &mut |_, _| vec![]);
    let Side::Handshake(handshake) = &mut network.sides[0] else {
        panic!("it is over");
    };
    assert!(handshake.give_up_renegotiation());
    run(&mut network);
    assert_eq!(network.declined, [1, 0]);
    talk("given up", &mut network);
    network.renegotiate(0);
    run(&mut network);
    check("again", &mut network);
    assert_eq!(network.declined, [1, 0]);
    talk("again", &mut network);
}

/// Nothing has waited for a timeout.
const SOON: Duration = Duration::from_millis(500);

/// What arrives of a datagram, and when.
/// Of a side whose hello is out for a moment.
fn give_up(network: &mut Network, hello: &mut dyn FnMut(usize, &[u8]) -> Arrivals) {
    network.renegotiate(0);
    network.run_until(network.clock + Duration::from_millis(1), hello);
    let Side::Handshake(handshake) = &mut network.sides[0] else {
        panic!("it is over");
    };
    assert!(handshake.give_up_renegotiation());
    // It becomes a connection.
    network.run_until(network.clock, hello);
    assert_eq!(network.declined, [1, 0]);
}

/// RFC 5246 §7.4.1.1: it has crossed the hello. Another hello would not be the one that the server answers.
#[test]
fn a_hello_request_after_giving_up_goes_on_with_the_same_hello() {
    for (what, shape) in SHAPES {
        let mut network = shape();
        run(&mut network);
        talk(what, &mut network);
        // The first comes behind the HelloRequest, and before it is said again.
        let slow = LATENCY + LATENCY / 2;
        give_up(&mut network, &mut |_, datagram| {
            vec![(slow, datagram.to_vec())]
        });
        network.renegotiate(1);
        run(&mut network);
        check(what, &mut network);
        assert_eq!(network.declined, [1, 0], "{what}");
        talk(what, &mut network);
        // Or it is lost.
        give_up_and_lose(what, &mut network);
    }
}

fn give_up_and_lose(what: &str, network: &mut Network) {
    network.declined = [0, 0];
    give_up(network, &mut |_, _| Vec::new());
    let begun = network.clock;
    network.renegotiate(1);
    run(network);
    check(what, network);
    // It is said at once.
    assert!(network.clock - begun < SOON, "{what}");
    assert_eq!(network.declined, [1, 0], "{what}");
    talk(what, network);
}

/// Nor does data that shows that the server has the last flight: it has nothing of the hello.
#[test]
fn data_after_giving_up_answers_no_hello() {
    for (what, shape) in SHAPES {
        let mut network = shape();
        run(&mut network);
        give_up(&mut network, &mut |_, _| Vec::new());
        talk(what, &mut network);
        let begun = network.clock;
        network.renegotiate(0);
        run(&mut network);
        check(what, &mut network);
        assert_eq!(network.declined, [1, 0], "{what}");
        assert!(network.clock - begun < SOON, "{what}");
    }
}

/// A server that has not got the last flight of the handshake before gets that, and nothing of what was given up.
#[test]
fn a_hello_that_was_given_up_is_not_said_with_the_flight_before() {
    let mut network = resumed();
    network.begins = Some(0);
    let mut is_connected = false;
    // All that the client says behind its first hello is lost.
    network.run_until(LATENCY * 2 + LATENCY / 2, &mut |index, datagram| {
        is_connected |= index > 1;
        match index {
            0 | 1 => usual(datagram),
            _ => Vec::new(),
        }
    });
    assert!(is_connected);
    let Side::Handshake(handshake) = &mut network.sides[0] else {
        panic!("it is over");
    };
    assert!(handshake.give_up_renegotiation());
    run(&mut network);
    assert_eq!(network.declined, [1, 0]);
    for side in &mut network.sides {
        let connection = side.connection();
        assert_eq!(connection.reader.newest_epoch(), 1);
        assert!(!connection.information.is_renegotiated());
    }
    talk("resumed", &mut network);
    network.renegotiate(0);
    run(&mut network);
    check("resumed", &mut network);
}

/// The first part of an answer says that the hello is there.
#[test]
fn a_hello_whose_answer_has_begun_is_not_said_again() {
    let mut network = small();
    run(&mut network);
    give_up(&mut network, &mut |_, datagram| {
        vec![(LATENCY * 3, datagram.to_vec())]
    });
    let said = network.sent;
    let ours = |network: &Network| {
        network
            .lengths
            .iter()
            .filter(|(from, _)| *from == 0)
            .count()
    };
    let before = ours(&network);
    let mut slow = |index: usize, datagram: &[u8]| {
        let delay = if index == said { LATENCY } else { LATENCY * 10 };
        vec![(delay, datagram.to_vec())]
    };
    network.run_until(network.clock + LATENCY * 9, &mut slow);
    assert!(matches!(network.sides[0], Side::Handshake(_)));
    assert_eq!(ours(&network), before);
    run(&mut network);
    check("in pieces", &mut network);
    assert_eq!(network.declined, [1, 0]);
}

/// RFC 6298 §3: which of the two was answered nobody knows.
#[test]
fn no_round_trip_is_measured_of_a_hello_that_was_said_twice() {
    let slow = |_: usize, datagram: &[u8]| vec![(LATENCY * 10, datagram.to_vec())];
    let mut network = plain();
    network.run(&mut { slow });
    let begun = network.clock;
    give_up(&mut network, &mut |_, datagram| {
        vec![(LATENCY * 100, datagram.to_vec())]
    });
    // Once more, just before the first is there.
    network.clock = begun + LATENCY * 99;
    network.renegotiate(0);
    network.run_until(begun + LATENCY * 110, &mut { slow });
    let Side::Handshake(handshake) = &network.sides[0] else {
        panic!("it is over");
    };
    // The next flight is out, and has three times what was measured before.
    let deadline = handshake.deadline().unwrap();
    assert_eq!(deadline.0, begun + LATENCY * (110 + 60));
}

/// Of two answers to a wish that was said twice the second is none to the next wish.
#[test]
fn a_refusal_that_is_late_declines_nothing_else() {
    for side in [0, 1] {
        let mut network = plain();
        run(&mut network);
        talk("refused", &mut network);
        let refuse = |network: &mut Network| {
            let writer = &mut network.sides[1 - side].connection().writer;
            writer.forge(ContentType::ALERT, &[1, 100])
        };
        let (first, second) = (refuse(&mut network), refuse(&mut network));
        network.renegotiate(side);
        let mut sent = 0;
        while sent < 2 {
            let soon = network.clock + LATENCY;
            network.run_until(soon, &mut |_, _| {
                sent += 1;
                Vec::new()
            });
        }
        network.inject(side, first);
        run(&mut network);
        assert_eq!(network.declined[side], 1);
        network.renegotiate(side);
        network.inject(side, second);
        run(&mut network);
        check("refused", &mut network);
        assert_eq!(network.declined[side], 1);
        talk("refused", &mut network);
    }
}

/// One that came between the two is not waited for any more, and one that does not come is not waited for without an end.
#[test]
fn refusals_are_believed_in_the_end() {
    for is_seen in [true, false] {
        let mut network = connected(
            client(V1_2),
            server(V1_2).renegotiation(Renegotiation::Decline),
        );
        let refusal = {
            let writer = &mut network.sides[1].connection().writer;
            writer.forge(ContentType::ALERT, &[1, 100])
        };
        network.renegotiate(0);
        // Of the two only the second comes.
        run_without(&mut network, 1);
        assert_eq!(network.declined, [1, 0]);
        if is_seen {
            network.inject(0, refusal);
        }
        talk("refused", &mut network);
        let before = network.sent;
        network.renegotiate(0);
        run(&mut network);
        assert_eq!(network.declined, [2, 0]);
        let said = if is_seen { 2 } else { 4 };
        assert_eq!(network.sent - before, said, "hellos and alerts");
        talk("refused", &mut network);
    }
}

/// The first so many datagrams are lost.
fn run_without(network: &mut Network, lost: usize) {
    let mut sent = 0;
    network.run(&mut |_, datagram| {
        sent += 1;
        match sent > lost {
            true => usual(datagram),
            false => Vec::new(),
        }
    });
}

/// However often it was said: as many answers in a row as are not too many.
#[test]
fn refusals_that_do_not_come_are_few() {
    let mut network = connected(
        client(V1_2),
        server(V1_2).renegotiation(Renegotiation::Decline),
    );
    network.renegotiate(0);
    run_without(&mut network, 6);
    assert_eq!(network.declined, [1, 0]);
    talk("refused", &mut network);
    network.renegotiate(0);
    run(&mut network);
    assert_eq!(network.declined, [2, 0]);
    talk("refused", &mut network);
}

/// What has not come in ten seconds does not come.
#[test]
fn refusals_that_are_lost_are_not_waited_for_later() {
    let mut network = connected(
        client(V1_2),
        server(V1_2).renegotiation(Renegotiation::Decline),
    );
    network.renegotiate(0);
    run_without(&mut network, 3);
    assert_eq!(network.declined, [1, 0]);
    network.clock += Duration::from_secs(11);
    talk("refused", &mut network);
    let before = network.sent;
    network.renegotiate(0);
    run(&mut network);
    assert_eq!(network.declined, [2, 0]);
    assert_eq!(network.sent - before, 2, "a hello and an alert");
    talk("refused", &mut network);
}
