//! What an answer does that comes late, or not at all.

use core::time::Duration;

use rustls_pki_types::UnixTime;

use super::attack::{resuming_client, server, ticket_keys};
use super::questions::{questions, until};
use super::stores::{names, opening, stored};
use crate::question::Question;
use crate::testing::{now, resuming, sessions, sessions_of};

/// A store that does not answer has no session and keeps none; the others have to be waited for.
#[test]
fn a_late_answer() {
    let (_, got) = stored(names(3));
    let (mut pair, question) = opening(got);
    let late = Question::OpenTickets(question).late_answer().unwrap();
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

    for (asking, of_server, kind, _) in questions() {
        let question = until(&mut asking(), of_server, kind);
        let by_store = matches!(
            question,
            Question::OpenTickets(_)
                | Question::IssueTickets(_)
                | Question::FindSession(_)
                | Question::KeepSession(_)
        );
        assert_eq!(question.late_answer().is_some(), by_store, "{kind}");
    }
}

/// An answer can take hours. Tickets are judged when it comes, not when the hello did.
#[test]
fn an_answer_comes_at_its_own_time() {
    let keys = ticket_keys();
    let server = server().ticket_keys(keys).pause_at_hello(true);
    let (client, server) = (resuming_client().build().unwrap(), server.build().unwrap());
    let session = sessions_of(client.clone(), server.clone());
    for (seconds, resumed) in [(7_199, true), (7_200, false)] {
        let mut pair = resuming(client.clone(), server.clone(), session.clone());
        let question = until(&mut pair, true, "ChooseConfiguration");
        let then = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + seconds));
        pair.server.answer(question.default_answer(), then).unwrap();
        let (client, server) = pair.run();
        assert_eq!(client.unwrap().information.is_resumed(), resumed);
        assert_eq!(server.unwrap().information.is_resumed(), resumed);
    }
}
