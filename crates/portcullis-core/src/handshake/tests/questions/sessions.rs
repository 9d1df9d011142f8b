//! Questions about tickets, and about the chain of a session.

use super::super::attack::{
    authenticated_client, authenticating_server, resuming_client, server, ticket_keys,
};
use super::super::older::VERSIONS;
use super::{connects, ended_by, refuse, until};
use crate::config::ClientAuthentication;
use crate::question::{IssueTickets, OpenTickets, Question};
use crate::session::{ClientSession, ServerSession};
use crate::testing::{Pair, now, pki, resuming, sessions, sessions_of};
use crate::x509::{CertificateErrorKind, PresentedChain, Roots, VerifiedChain};
use crate::{AlertDescription, Direction, ProtocolVersion, Reason, Stage, Violation};

/// How many tickets a server sends: before TLS 1.3 one (RFC 5077 §3.3).
fn count(version: ProtocolVersion) -> u8 {
    match version {
        ProtocolVersion::TLS_1_3 => 3,
        _ => 1,
    }
}

/// A server that keeps its sessions: what it was asked to keep, and the sessions of a client
/// that got these tickets.
pub(in super::super) fn stored(
    version: ProtocolVersion,
    tickets: Vec<Vec<u8>>,
) -> (Vec<ServerSession>, Vec<ClientSession>) {
    let (mut pair, question) = issuing(version);
    let kept = question.sessions().to_vec();
    pair.server.answer(question.send(tickets), now()).unwrap();
    let (client, server) = pair.run();
    server.unwrap();
    (kept, sessions(&mut client.unwrap()))
}

/// A server that asks for the tickets it is to send.
fn issuing(version: ProtocolVersion) -> (Pair, IssueTickets) {
    let client = resuming_client().versions([version]).build().unwrap();
    let server = server().versions([version]).ask_tickets(true);
    let mut pair = Pair::new(client, server.build().unwrap());
    match until(&mut pair, true, "IssueTickets") {
        Question::IssueTickets(question) => (pair, *question),
        question => panic!("{question:?}"),
    }
}

/// A server that asks what these sessions are.
pub(in super::super) fn opening(sessions: Vec<ClientSession>) -> (Pair, OpenTickets) {
    let version = sessions[0].version();
    let client = resuming_client().versions([version]).build().unwrap();
    let server = server().versions([version]).ask_tickets(true);
    let mut pair = resuming(client, server.build().unwrap(), sessions);
    match until(&mut pair, true, "OpenTickets") {
        Question::OpenTickets(question) => (pair, *question),
        question => panic!("{question:?}"),
    }
}

pub(in super::super) fn names(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|at| vec![at; 32]).collect()
}

#[test]
fn sessions_in_a_store() {
    for version in VERSIONS {
        let count = count(version);
        let (kept, got) = stored(version, names(count));
        assert_eq!((kept.len(), got.len()), (count.into(), count.into()));
        assert_eq!(kept[0].server_name(), Some("localhost"));
        assert_eq!(
            (kept[0].lifetime().as_secs(), kept[0].issued_at()),
            (7_200, now())
        );
        let (mut pair, question) = opening(got);
        assert_eq!(question.now(), now());
        assert!(question.tickets().eq(names(count)));
        // The second one, if there is one; what a store gives back is bytes.
        let at = usize::from(count > 1);
        let session = ServerSession::from_bytes(&kept[at].to_bytes()).unwrap();
        pair.server
            .answer(question.resume(at, session), now())
            .unwrap();
        let (client, server) = pair.run();
        assert!(client.unwrap().information.is_resumed());
        assert!(server.unwrap().information.is_resumed());
    }
}

/// The ticket of one session, the key of another.
#[test]
fn another_session_than_that_of_the_ticket() {
    let (kept, got) = stored(ProtocolVersion::TLS_1_3, names(3));
    let (pair, question) = opening(got);
    let error = ended_by(question.resume(0, kept[1].clone()), pair, true);
    assert_eq!(error.violation(), Some(Violation::BadPskBinder));
    // Before TLS 1.3 the server's Finished is the first that shows it, and the client notices.
    let version = ProtocolVersion::TLS_1_2;
    let [(kept, _), (_, got)] = [7, 8].map(|name| stored(version, vec![vec![name]]));
    let (mut pair, question) = opening(got);
    let answer = question.resume(0, kept[0].clone());
    pair.server.answer(answer, now()).unwrap();
    let error = pair.run().0.unwrap_err();
    assert_eq!(error.violation(), Some(Violation::BadRecordMac));
}

#[test]
fn a_ticket_that_was_not_offered() {
    for version in VERSIONS {
        let count = count(version);
        let (kept, got) = stored(version, names(count));
        for index in [count.into(), 4, 65_536, usize::MAX] {
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
}

#[test]
fn no_session_is_a_full_handshake() {
    for version in VERSIONS {
        let (_, got) = stored(version, names(count(version)));
        let (mut pair, question) = opening(got);
        pair.server.answer(question.none(), now()).unwrap();
        let (client, server) = pair.run();
        assert!(!client.unwrap().information.is_resumed());
        assert!(!server.unwrap().information.is_resumed());
    }
}

#[test]
fn four_tickets_are_shown_at_most() {
    for (version, shown) in VERSIONS.into_iter().zip([4, 1]) {
        let (_, got) = stored(version, names(count(version)));
        let many: Vec<_> = got.iter().cycle().take(9).cloned().collect();
        let (_, question) = opening(many);
        assert_eq!(question.tickets().len(), shown);
    }
}

#[test]
fn fewer_tickets_than_sessions() {
    for version in VERSIONS {
        for count in 0..=count(version) {
            let (_, got) = stored(version, names(count));
            // Before TLS 1.3 the id that the server has given it names the session, too.
            assert_eq!(got.len(), usize::from(count), "{version:?}");
        }
        let (_, got) = stored(version, vec![vec![7; 16_384]]);
        assert_eq!(got.len(), 1);
        let (mut pair, question) = issuing(version);
        pair.server.answer(question.none(), now()).unwrap();
        let (client, server) = pair.run();
        server.unwrap();
        assert!(sessions(&mut client.unwrap()).is_empty());
    }
}

#[test]
fn tickets_that_cannot_be_sent() {
    for version in VERSIONS {
        for tickets in [
            names(count(version) + 1),
            vec![Vec::new()],
            vec![vec![1], Vec::new()],
            vec![vec![7; 16_385]],
        ] {
            let (pair, question) = issuing(version);
            let error = ended_by(question.send(tickets), pair, true);
            assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
            assert_eq!(error.stage(), Stage::IssuingTickets);
            assert_eq!(
                error.alert(),
                Some((Direction::Sent, AlertDescription::INTERNAL_ERROR))
            );
        }
    }
}

/// The chain that a client had shown when its session began, judged again.
#[test]
fn a_proof_about_the_chain_of_a_session() {
    VERSIONS
        .into_iter()
        .for_each(a_proof_about_a_sessions_chain);
}

fn a_proof_about_a_sessions_chain(version: ProtocolVersion) {
    let client = authenticated_client()
        .versions([version])
        .session_tickets(true);
    let server = authenticating_server()
        .versions([version])
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

    // Who refuses it is asked about what the client has by now.
    let again = || {
        let (mut pair, question) = asked();
        let refusal = refuse(Question::VerifyChain(question));
        pair.server.answer(refusal, now()).unwrap();
        let Question::VerifyChain(question) = until(&mut pair, true, "VerifyChain") else {
            unreachable!()
        };
        assert_eq!(pair.server.stage(), Stage::VerifyingChain);
        assert!(!question.is_resumption());
        (pair, question)
    };
    let (mut pair, question) = again();
    pair.server.answer(question.verify(), now()).unwrap();
    pair.turn(&mut |_, question| Some(question.default_answer()));
    let connection = pair.server.take_connection().unwrap();
    assert!(!connection.information.is_resumed());

    let (pair, question) = again();
    let error = ended_by(refuse(Question::VerifyChain(question)), pair, true);
    assert_eq!(error.stage(), Stage::VerifyingChain);
    assert!(error.to_string().contains("not today"), "{error}");
}

/// The authorities were replaced: the session's chain is none of theirs, but what the client shows now may be.
#[test]
fn the_authority_of_a_session_was_replaced() {
    let own = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let other = params.self_signed(&own).unwrap();
    for version in VERSIONS {
        let client = authenticated_client()
            .versions([version])
            .session_tickets(true);
        let server = authenticating_server()
            .versions([version])
            .ticket_keys(ticket_keys())
            .ask_verification(true);
        let client = client.build().unwrap();
        let session = sessions_of(client.clone(), server.clone().build().unwrap());
        let roots = Roots::from_pem(other.pem()).unwrap();
        let server = server.client_authentication(ClientAuthentication::Required(roots));
        let mut pair = resuming(client, server.build().unwrap(), session);
        for is_resumption in [true, false] {
            let question = until(&mut pair, true, "VerifyChain");
            let Question::VerifyChain(question) = question else {
                unreachable!()
            };
            assert_eq!(question.is_resumption(), is_resumption);
            let error = question.check().unwrap_err();
            assert!(matches!(
                error.kind(),
                CertificateErrorKind::UnknownIssuer { .. }
            ));
            let answer = match is_resumption {
                true => question.refuse(error),
                // Whoever is asked may trust it all the same.
                false => {
                    let chain = question.chain().clone();
                    question.accept(VerifiedChain::dangerous_accept_without_verification(chain))
                }
            };
            pair.server.answer(answer, now()).unwrap();
        }
        let (client, server) = pair.run();
        assert!(!client.unwrap().information.is_resumed());
        assert!(!server.unwrap().information.is_resumed());
    }
}
