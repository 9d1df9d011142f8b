//! Sessions that began with a key: whose they are, and for how long.

use super::super::early_data::{local, sending};
use super::{client, imported, psk, server, ticket_keys};
use crate::config::{ClientConfigBuilder, PreSharedKey, ServerConfigBuilder};
use crate::question::Question;
use crate::session::ClientSession;
use crate::suite::HashAlgorithm;
use crate::testing::{answer, name, now, pki, resuming, sessions_of};
use crate::{EarlyDataStatus, Handshake, Violation};

/// The sessions that a handshake by this key leaves.
fn sessions(client: &ClientConfigBuilder, server: &ServerConfigBuilder) -> Vec<ClientSession> {
    let (client, server) = (client.clone().build(), server.clone().build());
    sessions_of(client.unwrap(), server.unwrap())
}

/// Whether the session is resumed. If it is not, the key itself connects them, or nothing.
fn resumes(
    client: &ClientConfigBuilder,
    server: &ServerConfigBuilder,
    session: &ClientSession,
) -> Result<bool, Option<Violation>> {
    let (client, server) = (client.clone().build(), server.clone().build());
    let pair = resuming(client.unwrap(), server.unwrap(), vec![session.clone()]);
    let (client, server) = pair.run_answering(|_, question| Some(answer(question)));
    let server = server.map_err(|error| error.violation())?;
    let client = client.unwrap().information;
    assert_eq!(client.psk_identity(), server.information.psk_identity());
    assert_eq!(client.is_resumed(), server.information.is_resumed());
    Ok(client.is_resumed())
}

/// Nothing is had by resuming that a full handshake would refuse: the key of the session must still be there, and
/// be the same.
#[test]
fn a_session_goes_with_its_key() {
    let client = client().session_tickets(true);
    let server = server().ticket_keys(ticket_keys());
    for key in [psk(), psk().for_hash(HashAlgorithm::Sha384), imported()] {
        let (with_key, known) = (
            client.clone().psk(key.clone()),
            server.clone().psk(key.clone()),
        );
        let sessions = sessions(&with_key, &known);
        assert_eq!(sessions.len(), 3);
        let session = &sessions[0];
        assert_eq!(session.psk_identity(), Some(&b"meter-17"[..]));
        assert!(session.is_authenticated());
        assert_eq!(resumes(&with_key, &known, session), Ok(true));
        // Written down and read again.
        let again = ClientSession::from_bytes(&session.to_bytes()).unwrap();
        assert_eq!(resumes(&with_key, &known, &again), Ok(true));
        let more = PreSharedKey::new("meter-18", [8; 32]).unwrap();
        let more = more.for_hash(key.hash());
        let both = known.clone().psk(more.clone());
        assert_eq!(resumes(&with_key, &both, session), Ok(true));
        // The server knows the client no more, or by another key.
        let changed = PreSharedKey::new("meter-17", [9; 32]).unwrap();
        let changed = changed.for_hash(key.hash());
        let without = server.clone().psk(more.clone());
        let unknown = Err(Some(Violation::UnknownPskIdentity));
        assert_eq!(resumes(&with_key, &without, session), unknown);
        let other = server.clone().psk(changed);
        assert!(resumes(&with_key, &other, session).is_err());
        // A client offers it only where it has the key.
        assert_eq!(
            resumes(&client.clone().psk(more), &both, session),
            Ok(false)
        );
    }
    // A key for another use is another one.
    let (with_key, known) = (client.clone().psk(psk()), server.clone().psk(psk()));
    let session = &sessions(&with_key, &known)[0];
    let other = server.psk(imported());
    assert!(resumes(&with_key, &other, session).is_err());
}

/// A key that is withdrawn is not resumed by way of sessions that go back to it.
#[test]
fn a_key_is_held_along_a_line_of_resumptions() {
    let client = client().session_tickets(true).psk(psk());
    let server = server().ticket_keys(ticket_keys());
    let known = server.clone().psk(psk());
    let first = sessions(&client, &known).remove(0);
    let (ours, theirs) = (client.clone().build(), known.build());
    let pair = resuming(ours.unwrap(), theirs.unwrap(), vec![first]);
    let (connected, _) = pair.run();
    let mut connected = connected.unwrap();
    assert!(connected.information.is_resumed());
    let second = crate::testing::sessions(&mut connected).remove(0);
    assert_eq!(second.psk_identity(), Some(&b"meter-17"[..]));
    let without = server.identity(pki().server.clone());
    assert_eq!(resumes(&client.clone(), &without, &second).ok(), None);
}

/// A server that asks is asked again before it resumes, and for the key itself if the answer is another one.
#[test]
fn the_key_of_a_session_is_asked_for_again() {
    let client = client().session_tickets(true).psk(psk());
    let server = server().ticket_keys(ticket_keys());
    let session = sessions(&client, &server.clone().psk(psk())).remove(0);
    let server = server.ask_psk(true);
    let run = |answers: &[Option<PreSharedKey>]| {
        let mut answers = answers.iter();
        let (client, server) = (client.clone().build(), server.clone().build());
        let pair = resuming(client.unwrap(), server.unwrap(), vec![session.clone()]);
        let mut asked = Vec::new();
        let (_, server) = pair.run_answering(|_, question| match question {
            Question::ChoosePsk(question) => {
                asked.push(question.is_resumption());
                if question.is_resumption() {
                    assert!(question.identities().eq([&b"meter-17"[..]]));
                }
                Some(match answers.next().unwrap() {
                    Some(psk) => question.use_psk(psk.clone()),
                    None => question.none(),
                })
            }
            other => Some(answer(other)),
        });
        let resumed = server.map(|server| server.information.is_resumed());
        (resumed.map_err(|error| error.violation()), asked)
    };
    assert_eq!(run(&[Some(psk())]), (Ok(true), vec![true]));
    let changed = PreSharedKey::new("meter-17", [9; 32]).unwrap();
    let full = vec![true, false];
    assert_eq!(
        run(&[Some(changed), Some(psk())]),
        (Ok(false), full.clone())
    );
    let unknown = Err(Some(Violation::UnknownPskIdentity));
    assert_eq!(run(&[None, None]), (unknown, full));
}

/// A ticket is offered before a key, and the key is there where the ticket no longer opens.
#[test]
fn a_key_stands_behind_a_ticket() {
    let client = client().session_tickets(true).psk(psk());
    let server = server().psk(psk());
    let keys = ticket_keys();
    let session = sessions(&client, &server.clone().ticket_keys(keys.clone())).remove(0);
    for (server, resumed) in [
        (server.clone().ticket_keys(keys), true),
        (server.clone().ticket_keys(ticket_keys()), false),
        (server, false),
    ] {
        assert_eq!(resumes(&client, &server, &session), Ok(resumed));
    }
}

/// A certificate was shown where the session began, and by the key it is another one; and the reverse.
#[test]
fn a_session_of_a_certificate_is_not_one_of_a_key() {
    let keys = ticket_keys();
    let trusting = super::super::attack::resuming_client();
    let certified = super::super::attack::server().ticket_keys(keys.clone());
    let session = sessions(&trusting, &certified).remove(0);
    let with_keys = server().ticket_keys(keys).psk(psk());
    let both = trusting.clone().psk(psk());
    // The server shows no certificate with the names any more.
    assert_eq!(resumes(&both, &with_keys, &session), Ok(false));
    // Who takes keys alone does not offer it.
    let alone = client().session_tickets(true).psk(psk());
    assert_eq!(resumes(&alone, &with_keys, &session), Ok(false));
    let session = sessions(&alone, &with_keys).remove(0);
    assert!(resumes(&trusting, &certified, &session) == Ok(false));
}

/// §4.2.11: none with the key itself, which has no age; with the session that came of it there is.
#[test]
fn early_data_with_the_session_and_not_with_the_key() {
    let client = client().session_tickets(true).psk(psk());
    let server = server()
        .ticket_keys(ticket_keys())
        .early_data(local())
        .psk(psk());
    let session = sessions(&client, &server).remove(0);
    assert!(session.max_early_data() > 0);
    let pair = sending(client.clone(), server.clone(), b"early");
    let (_, server_side) = pair.run();
    let information = server_side.unwrap().information;
    assert_eq!(information.early_data(), EarlyDataStatus::Accepted);
    assert_eq!(information.psk_identity(), Some(&b"meter-17"[..]));
    // Nothing is taken where there is no session.
    let config = client.build().unwrap();
    let mut first = Handshake::client_with_early_data(config, name(), Vec::new(), now()).unwrap();
    assert_eq!(first.send(b"early"), 0);
}
