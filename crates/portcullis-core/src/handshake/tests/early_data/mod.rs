//! Early data: when it is accepted, and what nobody gets to do with it.
//!
//! RFC 8446 §2.3, §4.2.10, §8.

mod hostile;
mod replay;

use core::time::Duration;
use std::cell::RefCell;
use std::collections::HashMap;

use rustls_pki_types::UnixTime;

use super::attack::{
    By, read_all, refused, resuming_client, server, talk, ticket_keys, transmitted,
};
use super::tamper::Put;
use crate::config::{ClientConfigBuilder, KeyShares, ServerConfig, ServerConfigBuilder};
use crate::question::{Answer, Question};
use crate::session::{AntiReplay, BloomFilters, ClientSession, ServerSession};
use crate::suite::CipherSuite;
use crate::testing::{Pair, client_config, name, now, pki, sessions_of};
use crate::wire::ContentType;
use crate::{
    Connection, EarlyDataRejection as Why, EarlyDataStatus, Handshake, NamedGroup, ProtocolVersion,
    Step, Violation,
};

/// A server that has served for a minute, and remembers by itself.
pub(super) fn local() -> AntiReplay {
    AntiReplay::local(BloomFilters::SMALL, earlier(60)).unwrap()
}

pub(super) fn accepting(anti_replay: AntiReplay) -> ServerConfigBuilder {
    server().ticket_keys(ticket_keys()).early_data(anti_replay)
}

fn earlier(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() - seconds))
}

fn later(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + seconds))
}

/// A client that says its hello and this, with a session of the server's.
pub(super) fn sending(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    data: &[u8],
) -> Pair {
    let server = server.build().unwrap();
    let session = session(&client, &server);
    sending_with(client, server, session, data)
}

fn session(client: &ClientConfigBuilder, server: &ServerConfig) -> ClientSession {
    sessions_of(client.clone().build().unwrap(), server.clone()).remove(0)
}

fn sending_with(
    client: ClientConfigBuilder,
    server: ServerConfig,
    session: ClientSession,
    data: &[u8],
) -> Pair {
    let mut client = offering(client, vec![session]);
    assert_eq!(client.send(data), data.len());
    Pair {
        client,
        ..Pair::new(client_config(), server)
    }
}

fn offering(client: ClientConfigBuilder, sessions: Vec<ClientSession>) -> Handshake {
    let config = client.build().unwrap();
    Handshake::client_with_early_data(config, name(), sessions, now()).unwrap()
}

/// Runs the pair; gives the early data that the server was given, and both connections.
fn run(mut pair: Pair) -> (Vec<u8>, Connection, Connection) {
    talk(&mut pair);
    let [_, delivered] = core::mem::take(&mut pair.delivered);
    let (client, server) = pair.run();
    let (client, server) = (client.unwrap(), server.unwrap());
    let (ours, theirs) = (&client.information, &server.information);
    assert_eq!(ours.tls_exporter().unwrap(), theirs.tls_exporter().unwrap());
    let accepted = |status| status == EarlyDataStatus::Accepted;
    assert_eq!(accepted(ours.early_data()), accepted(theirs.early_data()));
    (delivered, client, server)
}

/// Runs the pair, whose server takes nothing for this reason.
fn rejected(pair: Pair, why: Why) {
    let (delivered, client, server) = run(pair);
    assert!(delivered.is_empty());
    assert!(matches!(
        client.information.early_data(),
        EarlyDataStatus::Rejected(_)
    ));
    let why = EarlyDataStatus::Rejected(why);
    assert_eq!(server.information.early_data(), why);
    works(client, server);
}

/// Data goes both ways.
fn works(mut client: Connection, mut server: Connection) {
    assert_eq!(carried(&mut client, &mut server), b"abc");
    assert_eq!(carried(&mut server, &mut client), b"abc");
}

/// What one end gets to read when the other writes `abc`.
fn carried(from: &mut Connection, to: &mut Connection) -> Vec<u8> {
    let mut out = vec![0; from.writer.max_sealed_len(3)];
    let sealed = from.writer.seal(b"abc", &mut out).unwrap();
    let mut bytes = core::mem::take(&mut to.unread);
    bytes.extend_from_slice(&out[..sealed.written]);
    read_all(&mut to.reader, bytes).unwrap()
}

thread_local! {
    /// The sessions of servers whose tickets are names.
    static KEPT: RefCell<HashMap<Vec<u8>, ServerSession>> = RefCell::default();
}

/// The answers of a store that gives each ticket once.
pub(super) fn by_store(question: Question) -> Answer {
    KEPT.with_borrow_mut(|kept| match question {
        Question::IssueTickets(question) => {
            let sessions = question.names().iter().zip(question.sessions());
            kept.extend(sessions.map(|(name, session)| (name.to_vec(), session.clone())));
            question.send_names()
        }
        Question::OpenTickets(question) => {
            let ticket = question.tickets().next().unwrap().to_vec();
            match kept.remove(&ticket) {
                Some(session) => question.resume(0, session),
                None => question.none(),
            }
        }
        other => other.default_answer(),
    })
}

/// What the store has under this ticket, once.
pub(super) fn kept(ticket: &[u8]) -> Option<ServerSession> {
    KEPT.with_borrow_mut(|kept| kept.remove(ticket))
}

/// A session that this store knows.
pub(super) fn session_in_store(client: ClientConfigBuilder, server: ServerConfig) -> ClientSession {
    let pair = Pair::new(client.build().unwrap(), server);
    let (client, _) = pair.run_answering(|_, question| Some(by_store(question)));
    crate::testing::sessions(&mut client.unwrap()).remove(0)
}

#[test]
fn what_comes_with_the_hello() {
    let server = accepting(local());
    let mut pair = sending(resuming_client(), server, b"GET /");
    assert_eq!(pair.client.send(b" HTTP/1.1"), 9);
    let (delivered, client, server) = run(pair);
    assert_eq!(delivered, b"GET / HTTP/1.1");
    for end in [&client, &server] {
        assert!(end.information.is_resumed());
        assert_eq!(end.information.early_data(), EarlyDataStatus::Accepted);
    }
    works(client, server);
}

/// It may come as late as the client's Finished, and nothing need come at all.
#[test]
fn later_or_nothing() {
    let mut pair = sending(resuming_client(), accepting(local()), b"");
    let hello = transmitted(&mut pair.client);
    pair.server.receive(&hello, now());
    let flight = transmitted(&mut pair.server);
    assert!(pair.server.is_receiving_early_data());
    assert_eq!(pair.client.send(b"late"), 4);
    // ServerHello and EncryptedExtensions do not end it.
    let (most, last) = flight.split_at(flight.len() - 1);
    pair.client.receive(most, now());
    let late = transmitted(&mut pair.client);
    assert_eq!(pair.client.send(b"r"), 1);
    pair.client.receive(last, now());
    pair.server.receive(&late, now());
    let (delivered, client, server) = run(pair);
    assert_eq!(delivered, b"later");
    works(client, server);

    let (delivered, client, server) = run(sending(resuming_client(), accepting(local()), b""));
    assert!(delivered.is_empty());
    works(client, server);
}

/// §2.3: a server answers before the handshake is over, and no server that has accepted nothing.
#[test]
fn an_answer_before_the_handshake_is_over() {
    let mut pair = sending(resuming_client(), accepting(local()), b"question");
    let hello = transmitted(&mut pair.client);
    pair.server.receive(&hello, now());
    let Ok(Step::Transmit(flight)) = pair.server.poll() else {
        panic!("there is a flight")
    };
    let Ok(Step::EarlyData(data)) = pair.server.poll() else {
        panic!("there is early data")
    };
    assert_eq!(data, b"question");
    assert_eq!(pair.server.send(b"answer"), 6);
    pair.client.receive(&flight, now());
    pair.client.receive(&transmitted(&mut pair.server), now());
    let (_, mut client, server) = run(pair);
    let unread = core::mem::take(&mut client.unread);
    // Tickets are behind it.
    assert_eq!(read_all(&mut client.reader, unread).unwrap(), b"answer");
    works(client, server);

    let resuming = server_with(&resuming_client(), accepting(local()));
    let mut pair = Pair {
        client: Handshake::client_resuming(
            resuming_client().build().unwrap(),
            name(),
            vec![resuming.1],
            now(),
        )
        .unwrap(),
        ..Pair::new(client_config(), resuming.0)
    };
    let hello = transmitted(&mut pair.client);
    pair.server.receive(&hello, now());
    transmitted(&mut pair.server);
    assert_eq!((pair.server.room(), pair.server.send(b"no")), (0, 0));
    assert_eq!((pair.client.room(), pair.client.send(b"no")), (0, 0));
}

fn server_with(
    client: &ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> (ServerConfig, ClientSession) {
    let server = server.build().unwrap();
    let session = session(client, &server);
    (server, session)
}

/// D.4: a middlebox sees a change_cipher_spec between the hello and what is protected, and one only.
#[test]
fn middleboxes() {
    let mut pair = sending(resuming_client(), accepting(local()), b"early");
    talk(&mut pair);
    let types = |mut bytes: &[u8]| {
        let mut types = Vec::new();
        while let [typ, _, _, high, low, rest @ ..] = bytes {
            types.push(*typ);
            bytes = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
        }
        types
    };
    // EndOfEarlyData and Finished are under different keys.
    assert_eq!(types(&pair.client_sent), [22, 20, 23, 23, 23]);
    let client = resuming_client().middlebox_compatibility(false);
    let mut pair = sending(client, accepting(local()), b"early");
    talk(&mut pair);
    assert_eq!(types(&pair.client_sent), [22, 23, 23, 23]);
}

#[test]
fn a_limit_for_both() {
    let limited = || accepting(local()).max_early_data(10);
    let (server, session) = server_with(&resuming_client(), limited());
    assert_eq!(session.max_early_data(), 10);
    let mut client = offering(resuming_client(), vec![session]);
    assert_eq!(client.room(), 10);
    assert_eq!(client.send(b"12345678"), 8);
    assert_eq!(client.send(b"9abc"), 2);
    assert_eq!((client.room(), client.send(b"c")), (0, 0));
    let pair = Pair {
        client,
        ..Pair::new(client_config(), server)
    };
    let (delivered, client, server) = run(pair);
    assert_eq!(delivered, b"123456789a");
    works(client, server);

    // One byte more: in one record, and in many.
    for sizes in [&[11][..], &[10, 1], &[1; 11]] {
        let mut pair = sending(resuming_client(), limited(), b"");
        for size in sizes {
            let record = Put::Record(ContentType::APPLICATION_DATA, vec![7; *size]);
            pair.client.put(&record);
        }
        let error = refused(pair, By::Client);
        assert_eq!(error.violation(), Some(Violation::EarlyDataBeyondLimit));
    }
}

/// What has no content does not count as such, and is not without end.
#[test]
fn empty_records() {
    let puts = |count: usize| {
        let mut pair = sending(resuming_client(), accepting(local()), b"");
        for _ in 0..count {
            let record = Put::Record(ContentType::APPLICATION_DATA, Vec::new());
            pair.client.put(&record);
        }
        pair
    };
    let (delivered, client, server) = run(puts(32));
    assert!(delivered.is_empty());
    works(client, server);
    let error = refused(puts(33), By::Client);
    assert_eq!(error.violation(), Some(Violation::TooManyEmptyRecords));
}

/// A record limit of this handshake is for its keys (RFC 8449 §4): the client has not seen it.
#[test]
fn a_record_limit_that_the_client_has_not_seen() {
    let server = accepting(local()).record_size_limit(64);
    let client = resuming_client().record_size_limit(64);
    let (delivered, client, server) = run(sending(client, server, &[7; 5_000]));
    assert_eq!(delivered, [7; 5_000]);
    works(client, server);
}

/// As much as a ticket of this server's may say is skipped, too.
#[test]
fn a_large_limit_is_skipped_as_well() {
    let server = accepting(local()).max_early_data(100_000);
    let (server, session) = server_with(&resuming_client(), server);
    let other = server
        .to_builder()
        .ticket_keys(ticket_keys())
        .build()
        .unwrap();
    let pair = sending_with(resuming_client(), other, session, &[7; 100_000]);
    rejected(pair, Why::NotResumed);
}

/// The three ways to say no. Defect 3 of Erlang's `ssl` is an end of the connection, and a client that
/// is told "accepted".
#[test]
fn rejections() {
    let client = resuming_client;
    // Another server's ticket.
    let (server, session) = server_with(&client(), accepting(local()));
    let other = server
        .to_builder()
        .ticket_keys(ticket_keys())
        .build()
        .unwrap();
    let pair = sending_with(client(), other, session.clone(), b"lost");
    rejected(pair, Why::NotResumed);
    // Switched off since.
    let off = server.to_builder().early_data(None).build().unwrap();
    let pair = sending_with(client(), off, session.clone(), b"lost");
    rejected(pair, Why::Disabled);
    // Another hello is asked for: early data stands between the two.
    let retrying = server.to_builder().groups([NamedGroup::SECP256R1]);
    let asking = retrying.clone().build().unwrap();
    let pair = sending_with(client(), asking, session.clone(), b"lost");
    rejected(pair, Why::Retried);
    let retrying = retrying.ticket_keys(ticket_keys()).build().unwrap();
    let pair = sending_with(client(), retrying, session.clone(), b"lost");
    rejected(pair, Why::NotResumed);
    // Another protocol, or none, or one where there was none.
    let other = server.to_builder().alpn(["http/1.1"]).build().unwrap();
    let pair = sending_with(client(), other, session.clone(), b"lost");
    rejected(pair, Why::OtherProtocol);
    let none = server.to_builder().alpn([""; 0]);
    let (none, without) = server_with(&client(), none);
    let pair = sending_with(client(), none.clone(), session.clone(), b"lost");
    rejected(pair, Why::OtherProtocol);
    let pair = sending_with(client(), server.clone(), without, b"lost");
    rejected(pair, Why::OtherProtocol);
    // Another suite with the same hash.
    let suites = [
        CipherSuite::TLS_AES_128_GCM_SHA256,
        CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
    ];
    let (first, session) = server_with(&client(), server.to_builder().cipher_suites([suites[0]]));
    let second = first
        .to_builder()
        .cipher_suites([suites[1]])
        .build()
        .unwrap();
    let pair = sending_with(client(), second, session, b"lost");
    rejected(pair, Why::OtherSuite);
}

/// A client offers nothing that cannot be accepted.
#[test]
fn what_is_not_offered() {
    let (server, session) = server_with(&resuming_client(), accepting(local()));
    let room = |client: ClientConfigBuilder, sessions: &[&ClientSession]| {
        let sessions = sessions.iter().map(|session| (*session).clone()).collect();
        offering(client, sessions).room()
    };
    let client = resuming_client;
    assert_eq!(room(client(), &[&session]), 16_384);
    assert_eq!(room(client(), &[]), 0);
    let without = server.to_builder().early_data(None).build().unwrap();
    let without = self::session(&client(), &without);
    assert_eq!(without.max_early_data(), 0);
    // §4.2.10: early data is of the first session.
    assert_eq!(room(client(), &[&without, &session]), 0);
    assert_eq!(room(client(), &[&session, &without]), 16_384);
    // The session's protocol is not offered any more.
    assert_eq!(room(client().alpn(["http/1.1"]), &[&session]), 0);
    assert_eq!(room(client().alpn([""; 0]), &[&session]), 0);
    let chacha = [CipherSuite::TLS_CHACHA20_POLY1305_SHA256];
    assert_eq!(room(client().cipher_suites(chacha), &[&session]), 0);
    // Nor with what cannot be resumed.
    let config = client().build().unwrap();
    let late = Handshake::client_with_early_data(config, name(), vec![session], later(7_200));
    assert_eq!(late.unwrap().room(), 0);
    let older = client().versions([ProtocolVersion::TLS_1_2]);
    let server = super::attack::server()
        .versions([ProtocolVersion::TLS_1_2])
        .ticket_keys(ticket_keys());
    let (_, session) = server_with(&older, server);
    let both = client().versions([ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2]);
    assert_eq!(room(both, &[&session]), 0);
}
/// A client that is asked for another share has sent its data in vain, and its session is resumed.
#[test]
fn a_retry_keeps_the_session() {
    let client = || resuming_client().key_shares(KeyShares::Groups(vec![NamedGroup::X25519]));
    let (server, session) = server_with(&client(), accepting(local()));
    let retrying = server.to_builder().groups([NamedGroup::SECP256R1]);
    let pair = sending_with(client(), retrying.build().unwrap(), session, b"lost");
    let (delivered, client, server) = run(pair);
    assert!(delivered.is_empty());
    assert!(client.information.is_resumed() && client.information.hello_retried());
    assert_eq!(
        client.information.early_data(),
        EarlyDataStatus::Rejected(Why::Retried)
    );
    works(client, server);
}

/// The terms are in the records of both ends, and come back from them.
#[test]
fn terms_are_written_down() {
    let (server, session) = server_with(&resuming_client(), accepting(local()).max_early_data(77));
    let again = ClientSession::from_bytes(&session.to_bytes()).unwrap();
    assert_eq!(again.max_early_data(), 77);
    let pair = sending_with(resuming_client(), server, again, b"early");
    let (delivered, ..) = run(pair);
    assert_eq!(delivered, b"early");
}

/// A ticket that a resumed connection brings says as much as the first.
#[test]
fn again_and_again() {
    let (server, mut session) = server_with(&resuming_client(), accepting(local()));
    for _ in 0..5 {
        let pair = sending_with(resuming_client(), server.clone(), session, b"early");
        let (delivered, mut client, _) = run(pair);
        assert_eq!(delivered, b"early");
        session = crate::testing::sessions(&mut client).remove(0);
        assert_eq!(session.max_early_data(), 16_384);
    }
}

/// Which client certificates there were is known from the session, and so is who gets the answer.
#[test]
fn with_a_client_that_has_shown_a_certificate() {
    let roots = pki().roots.clone();
    let server = accepting(local())
        .client_authentication(crate::config::ClientAuthentication::Required(roots));
    let client = resuming_client().identity(pki().client.clone());
    let (delivered, client, server) = run(sending(client, server, b"early"));
    assert_eq!(delivered, b"early");
    assert_eq!(server.information.peer_certificates().len(), 1);
    works(client, server);
}

#[test]
#[cfg(feature = "key-log")]
fn the_key_log_has_its_secret() {
    let client = resuming_client().key_log(true);
    let server = accepting(local()).key_log(true);
    let mut pair = sending(client, server, b"early");
    talk(&mut pair);
    let lines = pair.events.iter().filter_map(|event| match event {
        crate::Event::Secret(line) if line.label() == "CLIENT_EARLY_TRAFFIC_SECRET" => {
            Some(line.to_line())
        }
        _ => None,
    });
    let [one, other] = &lines.collect::<Vec<_>>()[..] else {
        panic!("one of each end")
    };
    assert_eq!(one, other);
}
