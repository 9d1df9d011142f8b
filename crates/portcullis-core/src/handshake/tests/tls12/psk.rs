//! Pre-shared keys of before TLS 1.3: hints and identities of every length, unknown ones, wrong keys, and
//! sessions that began with a key.

use super::super::attack::{By, refused, ticket_keys};
use super::super::scripts::kind;
use super::exchanges::{ECDHE_PSK, PSK, client, ends, psk, server};
use super::session_of;
use crate::config::{ClientConfigBuilder, PreSharedKey, ServerConfigBuilder};
use crate::question::{Answer, ChoosePsk, Question};
use crate::session::ClientSession;
use crate::testing::{Pair, answer, resuming};
use crate::{AlertDescription, Direction, Error, Stage, Violation};

fn pair(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Pair {
    Pair::new(client.build().unwrap(), server.build().unwrap())
}

/// What the asked end answers, and whether it was asked; the rest is by default.
fn run_choosing(
    pair: Pair,
    of_server: bool,
    mut choose: impl FnMut(ChoosePsk) -> Answer,
) -> (Result<Vec<u8>, Error>, Result<Vec<u8>, Error>) {
    let mut asked = 0;
    let (client, server) = pair.run_answering(|is_server, question| match question {
        Question::ChoosePsk(question) => {
            assert_eq!(is_server, of_server);
            asked += 1;
            Some(choose(*question))
        }
        other => Some(answer(other)),
    });
    assert_eq!(asked, 1);
    let identity = |connection: crate::Connection| {
        let identity = connection.information.psk_identity();
        identity.unwrap().to_vec()
    };
    (client.map(identity), server.map(identity))
}

/// RFC 4279 §5.3: up to the longest that fits.
#[test]
fn identities_and_keys_of_every_length() {
    for suite in [PSK, ECDHE_PSK] {
        for (identity, key) in [(0, 1), (1, 16), (128, 64), (129, 1_000), (65_535, 65_535)] {
            let key = PreSharedKey::new(vec![b'i'; identity], vec![9; key]).unwrap();
            let client = client(&[suite]).psk(key.clone());
            let server = server(&[suite]).psk(psk()).psk(key.clone());
            let (client, server) = pair(client, server).run();
            for connection in [client.unwrap(), server.unwrap()] {
                let seen = connection.information.psk_identity();
                assert_eq!(seen, Some(key.identity()));
            }
        }
    }
}

/// A long identity makes a long session: one of which there is no ticket, but an id.
#[test]
fn sessions_of_long_identities() {
    for (identity, fits) in [(8_000, true), (65_535, false)] {
        let key = PreSharedKey::new(vec![b'i'; identity], [9; 16]).unwrap();
        let client = client(&[PSK]).psk(key.clone()).session_tickets(true);
        let server = server(&[PSK]).psk(key);
        let kept = server.clone().ask_sessions(true);
        let session = session_of(&client, &kept);
        assert_eq!(session.psk_identity().unwrap().len(), identity);
        assert!(resumes(&client, &kept, &session));
        let sealed = server.ticket_keys(ticket_keys());
        let (client, sealed) = (client.build().unwrap(), sealed.build().unwrap());
        let sessions = crate::testing::sessions_of(client, sealed);
        assert_eq!(sessions.len(), usize::from(fits));
    }
}

fn resumes(
    client: &ClientConfigBuilder,
    server: &ServerConfigBuilder,
    session: &ClientSession,
) -> bool {
    let (client, server) = (client.clone().build(), server.clone().build());
    let pair = resuming(client.unwrap(), server.unwrap(), vec![session.clone()]);
    let (client, server) = pair.run_answering(|_, question| Some(answer(question)));
    let resumed = client.unwrap().information.is_resumed();
    assert_eq!(server.unwrap().information.is_resumed(), resumed);
    resumed
}

/// RFC 4279 §2: the client is told; or it is as if its key were wrong.
#[test]
fn an_unknown_identity_and_a_wrong_key() {
    let stranger = PreSharedKey::new("meter-18", [7; 32]).unwrap();
    let wrong = PreSharedKey::new("meter-17", [8; 32]).unwrap();
    for suite in [PSK, ECDHE_PSK] {
        let run = |key: &PreSharedKey, hide| {
            let client = client(&[suite]).psk(key.clone());
            let server = server(&[suite])
                .psk(psk())
                .hide_unknown_psk_identities(hide);
            let error = refused(pair(client, server), By::Client);
            (error.violation().unwrap(), error.stage(), error.alert())
        };
        let unknown = Violation::UnknownPskIdentity;
        let told = (
            unknown,
            Stage::WaitClientKeyExchange,
            Some((Direction::Sent, AlertDescription::UNKNOWN_PSK_IDENTITY)),
        );
        assert_eq!(run(&stranger, false), told);
        // Nobody sees the difference.
        let hidden = run(&stranger, true);
        let (violation, stage, _) = hidden;
        assert_eq!(
            (violation, stage),
            (Violation::BadRecordMac, Stage::WaitFinished)
        );
        assert_eq!(run(&wrong, false), hidden);
        assert_eq!(run(&wrong, true), hidden);
    }
}

#[test]
fn a_client_is_asked_with_the_hint() {
    let another = PreSharedKey::new("meter-17 of b", [5; 16]).unwrap();
    for suite in [PSK, ECDHE_PSK] {
        for (hint, expected) in [
            (Some(vec![b'h'; 65_535]), Some(vec![b'h'; 65_535])),
            (Some(b"b".to_vec()), Some(b"b".to_vec())),
            (Some(Vec::new()), None),
            (None, None),
        ] {
            let client = client(&[suite]).psk(psk()).ask_psk(true);
            let mut server = server(&[suite]).psk(psk()).psk(another.clone());
            if let Some(hint) = &hint {
                server = server.psk_identity_hint(hint);
            }
            let ends = run_choosing(pair(client, server), false, |question| {
                assert_eq!(question.hint(), expected.as_deref());
                assert_eq!(question.server_name(), Some("localhost"));
                assert_eq!(question.version(), crate::ProtocolVersion::TLS_1_2);
                assert_eq!(question.identities().count(), 0);
                assert!(!question.is_resumption());
                assert!(!format!("{question:?}").contains("104, 104"));
                match question.hint() {
                    Some(_) => question.use_psk(another.clone()),
                    None => question.choose_configured(),
                }
            });
            let expected = match expected {
                Some(_) => &b"meter-17 of b"[..],
                None => b"meter-17",
            };
            assert_eq!(ends.0.unwrap(), expected);
            assert_eq!(ends.1.unwrap(), expected);
        }
    }
}

/// A client that has no key for the server says so, and sends nothing that was made with one.
#[test]
fn a_client_without_a_key_ends_the_handshake() {
    let client = client(&[PSK]).ask_psk(true);
    let server = server(&[PSK]).psk(psk());
    let ends = run_choosing(pair(client, server), false, ChoosePsk::none);
    let alert = AlertDescription::HANDSHAKE_FAILURE;
    let error = ends.0.unwrap_err();
    assert_eq!(error.alert(), Some((Direction::Sent, alert)));
    assert_eq!(error.stage(), Stage::ChoosingPsk);
    let alert = Some((Direction::Received, alert));
    assert_eq!(ends.1.unwrap_err().alert(), alert);
}

#[test]
fn a_server_is_asked_for_the_key_of_an_identity() {
    for suite in [PSK, ECDHE_PSK] {
        let asked = || {
            let (client, server) = ends(suite);
            pair(client, server.ask_psk(true))
        };
        let (client, server) = run_choosing(asked(), true, |question| {
            assert!(question.identities().eq([&b"meter-17"[..]]));
            assert_eq!((question.hint(), question.is_resumption()), (None, false));
            assert_eq!(question.server_name(), Some("localhost"));
            question.use_psk(psk())
        });
        assert_eq!(client.unwrap(), server.unwrap());
        let (client, _) = run_choosing(asked(), true, ChoosePsk::choose_configured);
        client.unwrap();
        let (_, server) = run_choosing(asked(), true, ChoosePsk::none);
        let error = server.unwrap_err();
        assert_eq!(error.violation(), Some(Violation::UnknownPskIdentity));
        assert_eq!(error.stage(), Stage::ChoosingPsk);
        // A key that is not the client's.
        let (_, server) = run_choosing(asked(), true, |question| {
            let other = PreSharedKey::new("meter-18", [7; 32]).unwrap();
            question.use_psk(other)
        });
        let said = server.unwrap_err().to_string();
        assert!(said.contains("of another identity"), "{said}");
    }
}

/// Nothing is had by resuming that a full handshake would refuse: the key of the session must still be
/// there, and be the same.
#[test]
fn a_session_goes_with_its_key() {
    let client = client(&[PSK]).session_tickets(true);
    let keys = ticket_keys();
    let server = server(&[PSK]).ticket_keys(keys);
    let with_key = client.clone().psk(psk());
    let session = session_of(&with_key, &server.clone().psk(psk()));
    let more = PreSharedKey::new("meter-18", [8; 32]).unwrap();
    let changed = PreSharedKey::new("meter-17", [9; 32]).unwrap();
    let first = server.clone().psk(more.clone()).psk(psk());
    assert!(resumes(&with_key, &first, &session));
    // The server knows the client no more, or by another key.
    for key in [&more, &changed] {
        let server = server.clone().psk(key.clone()).build().unwrap();
        let client = with_key.clone().build().unwrap();
        let pair = resuming(client, server, vec![session.clone()]);
        let (client, server) = pair.run();
        assert!(client.is_err() && server.is_err());
    }
    // A client offers it only where it has the key.
    let both = server.psk(psk()).psk(more.clone());
    assert!(!resumes(&client.clone().psk(more), &both, &session));
    // The caller that gave the session answers for it.
    let asking = client.ask_psk(true);
    assert!(resumes(&asking, &both, &session));
}

/// A server that asks is asked again before it resumes.
#[test]
fn the_key_of_a_session_is_asked_for_again() {
    let (client, server) = ends(PSK);
    let client = client.session_tickets(true);
    for server in [
        server.clone().ticket_keys(ticket_keys()),
        server.ask_sessions(true),
    ] {
        let session = session_of(&client, &server);
        let server = server.ask_psk(true);
        let run = |answers: &[Option<PreSharedKey>]| {
            let mut answers = answers.iter();
            let (client, server) = (client.clone().build(), server.clone().build());
            let pair = resuming(client.unwrap(), server.unwrap(), vec![session.clone()]);
            let mut asked = Vec::new();
            let (client, server) = pair.run_answering(|_, question| match question {
                Question::ChoosePsk(question) => {
                    asked.push(question.is_resumption());
                    assert!(question.identities().eq([&b"meter-17"[..]]));
                    Some(match answers.next().unwrap() {
                        Some(psk) => question.use_psk(psk.clone()),
                        None => question.none(),
                    })
                }
                other => {
                    assert_ne!(kind(&other), "ChooseIdentity");
                    Some(answer(other))
                }
            });
            let resumed = server.map(|server| server.information.is_resumed());
            assert_eq!(client.is_ok(), resumed.is_ok());
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
}
