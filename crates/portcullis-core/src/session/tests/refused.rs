//! What a server does not resume.

use super::*;

/// A server with a store, whose sessions are changed on the way back.
#[test]
fn what_a_server_does_not_resume() {
    let asks = || {
        ServerConfig::builder()
            .identity(pki().server.clone())
            .ask_tickets(true)
    };
    let mut kept = Vec::new();
    let (mut client_end, _) = connect_answering(client(), asks(), Vec::new(), |question| {
        if let Question::IssueTickets(question) = question {
            kept = question.sessions().to_vec();
            return question.send(vec![b"ticket".to_vec()]);
        }
        question.default_answer()
    });
    let session = sessions(&mut client_end);
    let resumes = |change: fn(&mut ServerSession)| {
        let mut changed = kept[0].clone();
        change(&mut changed);
        let (client, _) =
            connect_answering(
                client(),
                asks(),
                session.clone(),
                |question| match question {
                    Question::OpenTickets(question) => question.resume(0, changed.clone()),
                    other => other.default_answer(),
                },
            );
        client.information.is_resumed()
    };
    assert!(resumes(|_| {}));
    assert!(resumes(|session| session.issued_at = earlier(7_199)));
    assert!(!resumes(|session| session.issued_at = earlier(7_200)));
    assert!(!resumes(|session| session.lifetime = 0));
    // Servers' clocks may differ by a minute.
    assert!(resumes(|session| session.issued_at = later(60)));
    assert!(!resumes(|session| session.issued_at = later(61)));
    assert!(!resumes(
        |session| session.established.authenticated_at = earlier(604_800)
    ));
    assert!(!resumes(|session| session.server_name = None));
    assert!(!resumes(
        |session| session.server_name = Some("other".into())
    ));
    assert!(!resumes(|session| std::sync::Arc::make_mut(
        session.leaf.as_mut().unwrap()
    )
    .names[31] ^= 1));
    // The same key, with other records: nobody is told of that.
    assert!(!resumes(
        |session| session.established.dialect = Dialect::Dtls
    ));
    assert!(!resumes(
        |session| session.established.version = Version::V1_2
    ));
    // Nobody has signed in the future.
    assert!(resumes(
        |session| session.established.authenticated_at = later(60)
    ));
    assert!(!resumes(
        |session| session.established.authenticated_at = later(61)
    ));
    // Without keys the default answer knows none.
    let (client, _) = connect(client(), asks(), session);
    assert!(!client.information.is_resumed());
}

/// §4.6.1: resuming again and again does not put off the day on which the peer has to sign.
#[test]
fn a_line_of_resumptions_ends() {
    let keys = keys();
    let mut session = first(&client(), &server(&keys)).remove(0);
    session.established.authenticated_at = earlier(604_800 - 100);
    let bytes = session.to_bytes();
    let session = ClientSession::from_bytes(&bytes).unwrap();
    let (mut client_end, _) = connect(client(), server(&keys), vec![session]);
    assert!(client_end.information.is_resumed());
    let next = sessions(&mut client_end).remove(0);
    assert!(!next.is_expired(later(99)));
    assert!(next.is_expired(later(100)));

    // The server's side of it, whose clock is its own.
    let asks = || server(&keys).ask_tickets(true);
    let mut kept = Vec::new();
    connect_answering(client(), asks(), vec![next], |question| match question {
        Question::OpenTickets(question) => question.open_configured(),
        Question::IssueTickets(question) => {
            kept = question.sessions().to_vec();
            question.none()
        }
        other => other.default_answer(),
    });
    assert_eq!(kept[0].lifetime().as_secs(), 7_200);
    let mut old = kept.remove(0);
    old.established.authenticated_at = earlier(604_800 - 100);
    let mut lifetimes = Vec::new();
    let (mut first, _) = connect_answering(client(), asks(), Vec::new(), |question| {
        if let Question::IssueTickets(question) = question {
            old.established.secret = question.sessions()[0].established.secret.clone();
            return question.send(vec![vec![1]]);
        }
        question.default_answer()
    });
    let session = sessions(&mut first);
    connect_answering(client(), asks(), session, |question| match question {
        Question::OpenTickets(question) => question.resume(0, old.clone()),
        Question::IssueTickets(question) => {
            let sessions = question.sessions().iter();
            lifetimes.extend(sessions.map(|session| session.lifetime().as_secs()));
            question.none()
        }
        other => other.default_answer(),
    });
    // One ticket for the one that was used.
    assert_eq!(lifetimes, [100]);
}
