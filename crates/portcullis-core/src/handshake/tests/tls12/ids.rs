//! Sessions of TLS 1.2 that a server keeps by their ids (RFC 5246 §7.3).

use core::time::Duration;

use rustls_pki_types::UnixTime;

use super::super::attack::{authenticated_client, authenticating_server, ticket_keys};
use super::super::older::{V1_2, older_client, older_server};
use super::super::parts::message;
use super::super::tamper::{Put, first};
use super::session_of;
use crate::config::{ClientConfigBuilder, ServerConfigBuilder};
use crate::question::Question;
use crate::session::{ClientSession, ServerSession};
use crate::testing::{Pair, answer, now, pki, resuming};
use crate::wire::HandshakeType as T;
use crate::{ProtocolVersion, Violation};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

fn client() -> ClientConfigBuilder {
    older_client().session_tickets(true)
}

fn server() -> ServerConfigBuilder {
    older_server().ask_sessions(true)
}

/// Whether the two resume, and what the server asked.
fn connects(
    client: &ClientConfigBuilder,
    server: &ServerConfigBuilder,
    session: &ClientSession,
) -> (bool, Vec<&'static str>) {
    let (client, server) = (client.clone().build(), server.clone().build());
    let pair = resuming(client.unwrap(), server.unwrap(), vec![session.clone()]);
    let mut asked = Vec::new();
    let (client, server) = pair.run_answering(|_, question| {
        asked.push(super::super::scripts::kind(&question));
        Some(answer(question))
    });
    let (client, server) = (client.unwrap(), server.unwrap());
    let resumed = client.information.is_resumed();
    assert_eq!(server.information.is_resumed(), resumed);
    // Whichever certificate that was: the server keeps it by its id.
    let end_point = client.information.tls_server_end_point();
    assert!(end_point.is_some());
    assert_eq!(server.information.tls_server_end_point(), end_point);
    (resumed, asked)
}

#[test]
fn a_session_is_resumed_as_often_as_its_client_likes() {
    let session = session_of(&client(), &server());
    assert!(session.is_id && session.ticket.len() == 32);
    for _ in 0..3 {
        // It is there already, under the same id.
        assert_eq!(
            connects(&client(), &server(), &session),
            (true, vec!["FindSession"])
        );
    }
    // Clients that have TLS 1.3 offer it in the same place.
    let both = client().versions(BOTH);
    assert!(connects(&both, &server(), &session).0);
    // Who does not ask does not look.
    let (resumed, asked) = connects(&client(), &older_server(), &session);
    assert!(!resumed && asked.is_empty());
}

/// What the server has called the session, and what the client has offered.
#[test]
fn the_id_is_known_at_both_ends() {
    let id_of = |client: &ClientConfigBuilder, server: &ServerConfigBuilder, sessions| {
        let (client, server) = (client.clone().build(), server.clone().build());
        let (client, server) = resuming(client.unwrap(), server.unwrap(), sessions).run();
        let (client, server) = (client.unwrap(), server.unwrap());
        let id = client.information.session_id().map(<[u8]>::to_vec);
        assert_eq!(server.information.session_id(), id.as_deref());
        assert_eq!(client.information.key_exchange(), Some("ECDHE_ECDSA"));
        id
    };
    let session = session_of(&client(), &server());
    assert_eq!(session.session_id(), Some(&*session.ticket));
    let again = id_of(&client(), &server(), vec![session.clone()]);
    assert_eq!(again.as_deref(), session.session_id());
    let new = id_of(&client(), &server(), Vec::new());
    assert!(new.is_some() && new != again);
    // A server that gives tickets calls the session nothing, and sends back what comes with one (RFC 5077 §3.4).
    let with_keys = server().ticket_keys(ticket_keys());
    assert_eq!(id_of(&client(), &with_keys, Vec::new()), None);
    let ticket = session_of(&client(), &with_keys);
    assert_eq!(ticket.session_id(), None);
    assert_eq!(
        id_of(&client(), &with_keys, vec![ticket]).unwrap().len(),
        32
    );
    // TLS 1.3 has none, whatever the hellos say.
    let (client, server) = (client().versions(BOTH), server().versions(BOTH));
    let (client, _) = Pair::new(client.build().unwrap(), server.build().unwrap()).run();
    let information = client.unwrap().information;
    assert_eq!(
        (information.session_id(), information.key_exchange()),
        (None, None)
    );
    assert!(!information.is_renegotiated());
}

/// RFC 8446 §D.4: a client that has TLS 1.3 names a session that does not exist.
#[test]
fn the_id_of_compatibility_is_looked_for_in_vain() {
    let client = client().versions(BOTH).build().unwrap();
    let server = server().build().unwrap();
    let mut asked = Vec::new();
    let (client, server) = Pair::new(client, server).run_answering(|_, question| {
        if let Question::FindSession(question) = &question {
            assert_eq!(question.session_id().len(), 32);
            assert_eq!(question.client_hello().session_id(), question.session_id());
            assert_eq!(question.now(), now());
        }
        asked.push(super::super::scripts::kind(&question));
        Some(answer(question))
    });
    assert_eq!(asked, ["FindSession", "KeepSession"]);
    assert!(!client.unwrap().information.is_resumed());
    server.unwrap();
}

/// RFC 5077 §3.4: a ticket and an id are two ways, and one client goes one of them.
#[test]
fn tickets_and_ids_side_by_side() {
    let with_keys = server().ticket_keys(ticket_keys());
    let ticket = session_of(&client(), &with_keys);
    assert!(!ticket.is_id);
    assert_eq!(connects(&client(), &with_keys, &ticket), (true, vec![]));
    // Without keys the tickets that somebody else keeps are those of TLS 1.3.
    let stateful = server().ask_tickets(true).versions(BOTH);
    let id = session_of(&client(), &stateful);
    assert!(id.is_id);
    let (resumed, asked) = connects(&client(), &stateful, &id);
    assert_eq!((resumed, asked), (true, vec!["FindSession"]));
    // Who sends a ticket means no other session.
    let (resumed, asked) = connects(&client(), &stateful, &ticket);
    assert_eq!((resumed, asked), (false, vec!["KeepSession"]));
    // Who keeps them asks about tickets of TLS 1.2 as well if there are keys to open them with.
    let both = stateful.ticket_keys(ticket_keys());
    assert!(!session_of(&client(), &both).is_id);
}

/// RFC 5246 §7.3: there is a session when both Finished have proved right.
#[test]
fn nothing_is_kept_of_a_handshake_that_fails() {
    let mut pair = Pair::new(client().build().unwrap(), server().build().unwrap());
    pair.server.tamper(first(T::CERTIFICATE, |_| {
        vec![Put::Message(message(T::CERTIFICATE, &[0; 3]))]
    }));
    pair.turn(&mut |_, question| panic!("{question:?}"));
    assert!(pair.server.poll().is_err());

    let wrong = first(T::FINISHED, |_| {
        vec![Put::Message(message(T::FINISHED, &[7; 12]))]
    });
    let mut pair = super::super::attack::pair(
        client().build().unwrap(),
        server().build().unwrap(),
        super::super::attack::By::Client,
        wrong,
    );
    pair.turn(&mut |_, question| panic!("{question:?}"));
    let error = pair.server.poll().unwrap_err();
    assert_eq!(error.violation(), Some(Violation::FinishedMismatch));
}

/// What a policy of the caller's can look at, and how long it lives.
#[test]
fn what_is_told_of_a_session() {
    let client = authenticated_client().versions(V1_2).session_tickets(true);
    let server = authenticating_server()
        .versions(V1_2)
        .ask_sessions(true)
        .ticket_lifetime(Duration::from_secs(604_800));
    let mut told = None;
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let pair = Pair::new(client.clone(), server.clone());
    let (mut first, _) = {
        let (client, server) = pair.run_answering(|_, question| {
            if let Question::KeepSession(question) = &question {
                told = Some((*question.session_id(), question.session().clone()));
            }
            Some(answer(question))
        });
        (client.unwrap(), server.unwrap())
    };
    let (id, session) = told.unwrap();
    let ticket = first.reader.take_ticket().unwrap().into_session(now());
    assert_eq!(*ticket.ticket, id);
    assert_eq!(session.version(), ProtocolVersion::TLS_1_2);
    assert_eq!(session.cipher_suite(), first.information.cipher_suite());
    assert_eq!(session.peer_certificates(), pki().client.chain());
    assert_eq!(session.server_name(), Some("localhost"));
    // §F.1.4: a day at most.
    assert_eq!(session.lifetime().as_secs(), 86_400);
    assert!(session.size() >= session.to_bytes().len());
    for (seconds, expected) in [(86_399, true), (86_400, false)] {
        let then = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() - seconds));
        let mut old = ServerSession::from_bytes(&session.to_bytes()).unwrap();
        old.issued_at = then;
        old.established.authenticated_at = then;
        let pair = resuming(client.clone(), server.clone(), vec![ticket.clone()]);
        let (client, _) = pair.run_answering(|_, question| match question {
            Question::FindSession(question) => Some(question.resume(old.clone())),
            other => Some(answer(other)),
        });
        assert_eq!(client.unwrap().information.is_resumed(), expected);
    }
}

/// A session of another kind under the id is none.
#[test]
fn a_session_of_tls_1_3_is_not_resumed_before_it() {
    let newer = super::super::attack::server().ask_tickets(true);
    let mut kept = None;
    let pair = Pair::new(
        super::super::attack::resuming_client().build().unwrap(),
        newer.build().unwrap(),
    );
    let (_, server_end) = pair.run_answering(|_, question| {
        if let Question::IssueTickets(question) = &question {
            kept = question.sessions().first().cloned();
            assert_eq!(question.names().len(), question.sessions().len());
        }
        Some(answer(question))
    });
    server_end.unwrap();
    let kept = kept.unwrap();
    let session = session_of(&client(), &server());
    let (client, server) = (client().build().unwrap(), server().build().unwrap());
    let pair = resuming(client, server, vec![session]);
    let (client, _) = pair.run_answering(|_, question| match question {
        Question::FindSession(question) => Some(question.resume(kept.clone())),
        other => Some(answer(other)),
    });
    assert!(!client.unwrap().information.is_resumed());
}
