//! Answers of who keeps a server's sessions: which ticket stands for which session.

use super::attack::{
    authenticated_client, authenticating_server, resuming_client, server, ticket_keys,
};
use super::questions::{connects, ended_by, refuse, until};
use crate::question::Question;
use crate::session::{ClientSession, ServerSession};
use crate::testing::{Pair, now, pki, resuming, sessions, sessions_of};
use crate::x509::{PresentedChain, VerifiedChain};
use crate::{AlertDescription, Direction, Reason, Stage, Violation};

/// A server that keeps its sessions: what it was asked to keep, and the sessions of a client
/// that got these tickets.
pub(super) fn stored(tickets: Vec<Vec<u8>>) -> (Vec<ServerSession>, Vec<ClientSession>) {
    let (pair, question) = issuing();
    let kept = question.sessions().to_vec();
    let mut pair = pair;
    pair.server.answer(question.send(tickets), now()).unwrap();
    let (client, server) = pair.run();
    server.unwrap();
    (kept, sessions(&mut client.unwrap()))
}

/// A server that asks for the tickets it is to send.
fn issuing() -> (Pair, crate::question::IssueTickets) {
    let mut pair = Pair::new(
        resuming_client().build().unwrap(),
        server().ask_tickets(true).build().unwrap(),
    );
    match until(&mut pair, true, "IssueTickets") {
        Question::IssueTickets(question) => (pair, question),
        question => panic!("{question:?}"),
    }
}

/// A server that asks what these sessions are.
pub(super) fn opening(sessions: Vec<ClientSession>) -> (Pair, crate::question::OpenTickets) {
    let mut pair = resuming(
        resuming_client().build().unwrap(),
        server().ask_tickets(true).build().unwrap(),
        sessions,
    );
    match until(&mut pair, true, "OpenTickets") {
        Question::OpenTickets(question) => (pair, question),
        question => panic!("{question:?}"),
    }
}

pub(super) fn names(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|at| vec![at; 32]).collect()
}

#[test]
fn sessions_in_a_store() {
    let (kept, got) = stored(names(3));
    assert_eq!((kept.len(), got.len()), (3, 3));
    assert_eq!(kept[0].server_name(), Some("localhost"));
    assert_eq!((kept[0].lifetime(), kept[0].issued_at()), (7_200, now()));
    let (mut pair, question) = opening(got);
    assert_eq!(question.now(), now());
    assert!(question.tickets().eq(names(3)));
    // The second one; what a store gives back is bytes.
    let session = ServerSession::from_bytes(&kept[1].to_bytes()).unwrap();
    pair.server
        .answer(question.resume(1, session), now())
        .unwrap();
    let (client, server) = pair.run();
    assert!(client.unwrap().information.is_resumed());
    assert!(server.unwrap().information.is_resumed());
}

/// The ticket of one session, the key of another.
#[test]
fn another_session_than_that_of_the_ticket() {
    let (kept, got) = stored(names(3));
    let (pair, question) = opening(got);
    let error = ended_by(question.resume(0, kept[1].clone()), pair, true);
    assert_eq!(error.violation(), Some(Violation::BadPskBinder));
}

#[test]
fn a_ticket_that_was_not_offered() {
    let (kept, got) = stored(names(3));
    for index in [3, 4, 65_536, usize::MAX] {
        let (pair, question) = opening(got.clone());
        let error = ended_by(question.resume(index, kept[0].clone()), pair, true);
        assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
        assert!(error.to_string().contains("not offered"), "{error}");
        assert_eq!(
            error.alert(),
            Some((Direction::Sent, AlertDescription::INTERNAL_ERROR))
        );
    }
}

#[test]
fn no_session_is_a_full_handshake() {
    let (_, got) = stored(names(3));
    let (mut pair, question) = opening(got);
    pair.server.answer(question.none(), now()).unwrap();
    let (client, server) = pair.run_answering(|_, question| Some(question.default_answer()));
    assert!(!client.unwrap().information.is_resumed());
    assert!(!server.unwrap().information.is_resumed());
}

#[test]
fn four_tickets_are_shown_at_most() {
    let (_, got) = stored(names(3));
    let many: Vec<_> = got.iter().cycle().take(9).cloned().collect();
    let (_, question) = opening(many);
    assert_eq!(question.tickets().len(), 4);
}

#[test]
fn fewer_tickets_than_sessions() {
    for count in 0..=3 {
        let (_, got) = stored(names(count));
        assert_eq!(got.len(), usize::from(count));
    }
    let (_, got) = stored(vec![vec![7; 16_384]]);
    assert_eq!(got.len(), 1);
    let (mut pair, question) = issuing();
    pair.server.answer(question.none(), now()).unwrap();
    let (client, server) = pair.run();
    server.unwrap();
    assert!(sessions(&mut client.unwrap()).is_empty());
}

#[test]
fn tickets_that_cannot_be_sent() {
    for tickets in [
        names(4),
        vec![Vec::new()],
        vec![vec![1], Vec::new()],
        vec![vec![7; 16_385]],
    ] {
        let (pair, question) = issuing();
        let error = ended_by(question.send(tickets), pair, true);
        assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
        assert_eq!(error.stage(), Stage::IssuingTickets);
        assert_eq!(
            error.alert(),
            Some((Direction::Sent, AlertDescription::INTERNAL_ERROR))
        );
    }
}

/// The chain that a client had shown when its session began, judged again.
#[test]
fn a_proof_about_the_chain_of_a_session() {
    let client = authenticated_client().session_tickets(true);
    let server = authenticating_server()
        .ticket_keys(ticket_keys())
        .ask_verification(true);
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let session = sessions_of(client.clone(), server.clone());
    let asked = || {
        let mut pair = resuming(client.clone(), server.clone(), session.clone());
        let question = until(&mut pair, true, "VerifyChain");
        assert_eq!(pair.server.stage(), Stage::ReverifyingChain);
        let Question::VerifyChain(question) = question else {
            unreachable!()
        };
        assert!(question.is_resumption());
        (pair, question)
    };
    let (mut pair, question) = asked();
    let proof = question.check().unwrap();
    pair.server.answer(question.accept(proof), now()).unwrap();
    connects(pair);

    let other = PresentedChain::new(pki().server.chain().to_vec()).unwrap();
    let proof = VerifiedChain::dangerous_accept_without_verification(other);
    let (pair, question) = asked();
    let error = ended_by(question.accept(proof), pair, true);
    assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");

    let (pair, question) = asked();
    let error = ended_by(refuse(Question::VerifyChain(question)), pair, true);
    assert_eq!(error.stage(), Stage::ReverifyingChain);
    assert!(error.to_string().contains("not today"), "{error}");
}
