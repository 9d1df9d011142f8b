//! What an answer does that comes late, or not at all.

use core::time::Duration;

use rustls_pki_types::UnixTime;

use super::attack::{resuming_client, server, ticket_keys};
use super::older::VERSIONS;
use super::questions::{names, opening, questions, stored, until};
use crate::question::Question;
use crate::testing::{now, resuming, sessions, sessions_of};

/// A store that does not answer has no session and keeps none; the others have to be waited for.
#[test]
fn a_late_answer() {
    for (version, count) in VERSIONS.into_iter().zip([3, 1]) {
        let (_, got) = stored(version, names(count));
        let (mut pair, question) = opening(got);
        let late = Question::OpenTickets(Box::new(question))
            .late_answer()
            .unwrap();
        pair.server.answer(late, now()).unwrap();
        let Question::IssueTickets(question) = until(&mut pair, true, "IssueTickets") else {
            unreachable!()
        };
        let late = Question::IssueTickets(question).late_answer().unwrap();
        pair.server.answer(late, now()).unwrap();
        let (client, server) = pair.run();
        let mut client = client.unwrap();
        assert!(!client.information.is_resumed());
        assert!(!server.unwrap().information.is_resumed());
        assert!(sessions(&mut client).is_empty());
    }

    for (asking, of_server, kind, _) in questions() {
        let question = until(&mut asking(), of_server, kind);
        let by_store = matches!(
            question,
            Question::OpenTickets(_)
                | Question::IssueTickets(_)
                | Question::FindSession(_)
                | Question::KeepSession(_)
                | Question::ClaimEarlyData(_)
        );
        assert_eq!(question.late_answer().is_some(), by_store, "{kind}");
    }
}

/// An answer can take hours. Tickets are judged when it comes, not when the hello did.
#[test]
fn an_answer_comes_at_its_own_time() {
    let [newest, older] = VERSIONS.map(|version| {
        let server = server().ticket_keys(ticket_keys()).pause_at_hello(true);
        let client = resuming_client().versions([version]).build().unwrap();
        (client, server.versions([version]).build().unwrap())
    });
    for ((client, server), (seconds, resumed)) in [
        (&newest, (7_199, true)),
        (&newest, (7_200, false)),
        (&older, (7_199, true)),
        (&older, (7_200, false)),
    ] {
        let session = sessions_of(client.clone(), server.clone());
        let mut pair = resuming(client.clone(), server.clone(), session);
        let question = until(&mut pair, true, "ChooseConfiguration");
        let then = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + seconds));
        pair.server.answer(question.default_answer(), then).unwrap();
        let (client, server) = pair.run();
        assert_eq!(client.unwrap().information.is_resumed(), resumed);
        assert_eq!(server.unwrap().information.is_resumed(), resumed);
    }
}
