//! What keeps a recorded first flight from being accepted again.
//!
//! RFC 8446 §8.

use core::time::Duration;

use rustls_pki_types::UnixTime;

use super::{
    Why, accepting, by_store, earlier, later, local, rejected, sending_with, server_with, session,
    session_in_store,
};
use crate::config::{ServerConfig, ServerConfigBuilder};
use crate::handshake::tests::attack::{resuming_client, server, ticket_keys, transmitted};
use crate::question::Question;
use crate::session::{AntiReplay, BloomFilters, TicketKeys};
use crate::testing::{Pair, client_config, name, now};
use crate::{Handshake, ProtocolVersion, Step};

/// §8.3: a hello that was under way for long, or was kept; and a clock that jumps.
#[test]
fn tickets_are_as_old_as_the_client_says() {
    let (server, session) = server_with(&resuming_client(), accepting(local()));
    for (came, is_fresh) in [
        (later(10), true),
        (later(11), false),
        (later(3_600), false),
        // A clock that is behind: the ticket is from the future.
        (earlier(10), true),
        (earlier(11), false),
        (earlier(60), false),
    ] {
        let server = server.to_builder().early_data(local()).build().unwrap();
        let mut pair = sending_with(resuming_client(), server, session.clone(), b"early");
        let hello = transmitted(&mut pair.client);
        pair.server.receive(&hello, came);
        transmitted(&mut pair.server);
        assert_eq!(pair.server.is_receiving_early_data(), is_fresh, "{came:?}");
    }
    // The other way round: the client says more than the server knows of.
    for (age, is_fresh) in [(10, true), (11, false)] {
        let server = server.to_builder().early_data(local()).build().unwrap();
        let config = resuming_client().build().unwrap();
        let sessions = vec![session.clone()];
        let client = Handshake::client_with_early_data(config, name(), sessions, later(age));
        let mut pair = Pair {
            client: client.unwrap(),
            ..Pair::new(client_config(), server)
        };
        let hello = transmitted(&mut pair.client);
        pair.server.receive(&hello, now());
        transmitted(&mut pair.server);
        assert_eq!(pair.server.is_receiving_early_data(), is_fresh, "{age}");
    }
}

/// A recorded first flight.
fn recorded(server: &ServerConfig) -> Vec<u8> {
    let session = session(&resuming_client(), server);
    let mut pair = sending_with(resuming_client(), server.clone(), session, b"pay");
    transmitted(&mut pair.client)
}

/// Whether a server takes early data that comes at that time.
fn takes(server: &ServerConfig, flight: &[u8], at: UnixTime) -> bool {
    let mut server = Handshake::server(server.clone());
    server.receive(flight, at);
    let mut taken = Vec::new();
    loop {
        match server.poll().unwrap() {
            Step::EarlyData(data) => taken.extend_from_slice(&data),
            Step::Ask(question) => server.answer(question.default_answer(), at).unwrap(),
            Step::Wait { .. } => break,
            _ => {}
        }
    }
    assert!(taken.is_empty() || taken == b"pay");
    !taken.is_empty()
}

/// §8: a hundred times the same, in order and out of it.
#[test]
fn a_replay() {
    let server = accepting(local()).build().unwrap();
    let (first, second) = (recorded(&server), recorded(&server));
    assert!(takes(&server, &first, now()));
    assert!(takes(&server, &second, now()));
    for seconds in 0..100 {
        assert!(!takes(&server, &first, later(seconds)), "{seconds}");
        assert!(!takes(&server, &second, later(seconds)), "{seconds}");
    }
}

/// A new configuration of the same process, and its clones, remember; after a restart two windows pass.
#[test]
fn a_replay_elsewhere() {
    let server = accepting(local()).build().unwrap();
    let flight = recorded(&server);
    let clone = server
        .to_builder()
        .ticket_lifetime(Duration::from_secs(60))
        .build()
        .unwrap();
    assert!(takes(&server, &flight, now()));
    assert!(!takes(&clone, &flight, now()));
    let reloaded = accepting(local()).build().unwrap().replacing(&server);
    assert!(!takes(&reloaded, &flight, now()));

    let keys = ticket_keys();
    // They are there before either process has them.
    let first = super::super::attack::server().ticket_keys(keys.clone());
    session(&resuming_client(), &first.build().unwrap());
    let of_process = |since| {
        let anti_replay = AntiReplay::local(BloomFilters::SMALL, since).unwrap();
        accepting(anti_replay)
            .ticket_keys(keys.of_another_process())
            .build()
            .unwrap()
    };
    let before = of_process(earlier(60));
    let flight = recorded(&before);
    assert!(takes(&before, &flight, now()));
    for (since, at) in [(0, 0), (0, 10), (0, 20), (1, 10)] {
        assert!(!takes(&of_process(later(since)), &flight, later(at)));
    }
    // Then it is too old.
    assert!(!takes(&of_process(now()), &flight, later(21)));
    let fresh = recorded(&before);
    assert!(!takes(&of_process(earlier(20)), &fresh, now()));
    assert!(takes(&of_process(earlier(21)), &fresh, now()));
}

/// Two configurations of a process with the same keys, each with filters of its own: whatever one has accepted the other
/// would accept once more. What remembers for the first remembers for both, and there is no other kind beside it.
#[test]
fn a_replay_to_another_configuration_with_the_same_keys() {
    let keys = ticket_keys();
    let of = |anti_replay| accepting(anti_replay).ticket_keys(keys.clone());
    let servers = [(); 3].map(|()| of(local()).build().unwrap());
    let flight = recorded(&servers[0]);
    let taken = servers
        .iter()
        .filter(|server| takes(server, &flight, now()));
    assert_eq!(taken.count(), 1);
    // Also one that takes the place of another, and one that is made later of either.
    let later = of(local()).build().unwrap();
    for server in [later.replacing(&servers[0]), later] {
        assert!(!takes(&server, &flight, now()));
        assert!(takes(&server, &recorded(&servers[1]), now()));
    }
    let error = of(AntiReplay::asked()).build().unwrap_err().to_string();
    assert!(error.contains("another kind of AntiReplay"), "{error}");
    let error = servers[0]
        .to_builder()
        .early_data(AntiReplay::asked())
        .build();
    assert!(error.is_err());
    // Nobody has to choose keys: where they would be those of the configuration before, they are not.
    let before = server().resumption(true).early_data(local());
    let before = before.build().unwrap();
    let flight = recorded(&before);
    assert!(takes(&before, &flight, now()));
    let asking = server().resumption(true).early_data(AntiReplay::asked());
    let asking = asking.build().unwrap();
    let replacing = asking.replacing(&before);
    assert!(replacing.asks_early_data());
    let mut server = Handshake::server(replacing);
    server.receive(&flight, now());
    while let Ok(step) = server.poll() {
        match step {
            Step::Ask(question) => panic!("{question:?}"),
            Step::Wait { .. } => break,
            _ => {}
        }
    }
}

/// A clock that is set back behind a ticket makes its age no less than it is: or a hello would be taken for new for as long
/// as the clock is behind, and a claim is not remembered for as long.
#[test]
fn a_replay_when_the_clock_is_set_back() {
    for (back, after) in [(11, 21), (30, 25), (30, 41), (60, 45), (60, 61), (60, 70)] {
        let anti_replay = AntiReplay::local(BloomFilters::SMALL, earlier(600)).unwrap();
        let server = accepting(anti_replay).build().unwrap();
        let flight = recorded(&server);
        let at = |second: u64| earlier(back - second.min(back));
        let first = takes(&server, &flight, at(0));
        // Others come, and the filters take turns.
        for second in [20, 40].into_iter().filter(|second| *second < after) {
            let _ = takes(&server, &recorded(&server), at(second));
        }
        let at = match after > back {
            true => later(after - back),
            false => at(after),
        };
        assert!(!(first && takes(&server, &flight, at)), "{back} {after}");
    }
}

/// The clock goes on by a day, so that nobody remembers, and back.
#[test]
fn a_replay_when_the_clock_jumps() {
    let server = accepting(local()).build().unwrap();
    let flight = recorded(&server);
    assert!(takes(&server, &flight, now()));
    for jump in [86_400, 86_440, 86_480] {
        let other = recorded(&server);
        assert!(!takes(&server, &other, later(jump)));
    }
    for at in [0, 5, 10] {
        assert!(!takes(&server, &flight, later(at)));
    }
}

/// A guard that several servers share is asked with the same name for the same hello, and its word is
/// what counts.
#[test]
fn a_shared_guard() {
    let keys = TicketKeys::shared([&[7; 48]]).unwrap();
    let server = || {
        let server = accepting(AntiReplay::asked()).ticket_keys(keys.clone());
        server.build().unwrap()
    };
    let flight = recorded(&server());
    let mut tokens = Vec::new();
    for is_first in [true, false] {
        let mut server = Handshake::server(server());
        server.receive(&flight, now());
        let Ok(Step::Ask(question)) = server.poll() else {
            panic!("nobody is asked")
        };
        let Question::ClaimEarlyData(question) = question else {
            panic!("another question")
        };
        assert_eq!(question.lifetime(), Duration::from_secs(81));
        assert_eq!(question.until(), later(81));
        assert_eq!(question.now(), now());
        tokens.push(*question.token());
        let answer = match is_first {
            true => question.accept(),
            false => question.reject(),
        };
        server.answer(answer, now()).unwrap();
        // The flight does not wait for somebody who reads.
        assert!(matches!(server.poll(), Ok(Step::Transmit(_))));
        let is_taken = matches!(server.poll(), Ok(Step::EarlyData(data)) if data == b"pay");
        assert_eq!(is_taken, is_first);
    }
    assert_eq!(tokens[0], tokens[1]);
    // Without an answerer nothing is accepted.
    assert!(!takes(&server(), &flight, now()));
}

/// What would accept replays cannot be built.
#[test]
fn what_is_refused_when_it_is_built() {
    let shared = || TicketKeys::shared([&[7; 48]]).unwrap();
    let says = |server: ServerConfigBuilder, words: &str| {
        let error = server.build().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    says(
        accepting(local()).ticket_keys(shared()),
        "AntiReplay::asked()",
    );
    let derived = TicketKeys::derived(&[7; 32], Duration::from_secs(3_600)).unwrap();
    says(
        accepting(local()).ticket_keys(derived),
        "AntiReplay::asked()",
    );
    says(accepting(local()).ask_tickets(true), "single_use_tickets");
    says(accepting(AntiReplay::single_use_tickets()), "used once");
    says(
        accepting(local()).max_early_data(0),
        "leave `early_data` out",
    );
    for window in [0, 61] {
        let server = accepting(local()).early_data_window(Duration::from_secs(window));
        says(server, "1 to 60 whole seconds");
    }
    says(accepting(local()).resumption(false), "resumption");
    says(
        accepting(local()).versions([ProtocolVersion::TLS_1_2]),
        "name TLS 1.3",
    );
    for filters in [
        (0, 5),
        (1_023, 5),
        ((1 << 32) + 1, 5),
        (1_024, 0),
        (1_024, 33),
    ] {
        let (bits, hashes) = filters;
        assert!(AntiReplay::local(BloomFilters { bits, hashes }, now()).is_err());
    }
    let shared = accepting(AntiReplay::asked()).ticket_keys(shared());
    shared.build().unwrap();
    let store = accepting(AntiReplay::single_use_tickets()).ask_tickets(true);
    store.build().unwrap();
}

/// A store that gives each ticket once: nothing can come again. A ticket that keys open can.
#[test]
fn single_use() {
    let server = accepting(AntiReplay::single_use_tickets()).ask_tickets(true);
    let server = server.build().unwrap();
    let session = session_in_store(resuming_client(), server.clone());
    for is_first in [true, false] {
        let mut pair = sending_with(resuming_client(), server.clone(), session.clone(), b"once");
        pair.turn(&mut |_, question| Some(by_store(question)));
        assert_eq!(pair.delivered[1] == b"once", is_first);
        let (client, _) = pair.run();
        assert_eq!(client.unwrap().information.is_resumed(), is_first);
    }
    let session = self::session(&resuming_client(), &server);
    let pair = sending_with(resuming_client(), server, session, b"again");
    rejected(pair, Why::NotAllowed);
}
