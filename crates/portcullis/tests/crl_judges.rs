//! Who judges chains and revocation lists: both have their say, one after the other.

mod revocable;

use std::sync::{Arc, Mutex};

use portcullis::answers::{self, Answers, Questions, Verdict};
use portcullis::question::{Answer, VerifyChain};
use portcullis::x509::{CertificateError, CertificateErrorKind, Finding, WalkStep};
use portcullis::{AlertDescription, CrlCheck, Direction, ServerConfig, TlsAcceptor, TlsConnector};
use revocable::*;

/// Accepts that the server has another name, and that its authority is not known.
fn accepting_strangers() -> impl Answers {
    answers::chain().verify_fun((), |judgement, ()| async move {
        let verdict = match judgement.finding() {
            Finding::Bad(error) => match error.kind() {
                CertificateErrorKind::NameMismatch { .. }
                | CertificateErrorKind::SelfSigned { .. }
                | CertificateErrorKind::UnknownIssuer { .. } => Verdict::Valid,
                _ => Verdict::Unknown,
            },
            _ => Verdict::Unknown,
        };
        (verdict, ())
    })
}

/// The same by hand.
struct AcceptingByHand;

impl Answers for AcceptingByHand {
    fn questions(&self) -> Questions {
        Questions::none().and_chain()
    }

    async fn verify_chain(&self, question: VerifyChain) -> Answer {
        let mut walk = question.walk();
        while let WalkStep::Judge(pending) = walk.step() {
            pending.accept();
        }
        question.conclude(walk)
    }
}

#[tokio::test]
async fn what_was_accepted_is_looked_for_all_the_same() {
    let ca = authority();
    // The server has the certificate of another name.
    let config = ServerConfig::builder().identity(ca.client.clone());
    let acceptor = TlsAcceptor::new(config.build().unwrap());
    for (revoked, good) in [(&[][..], true), (&[CLIENT], false)] {
        let noting = Noting::new(ca.crls(revoked));
        let connector = TlsConnector::new(ca.client_config(CrlCheck::chain())).crls(noting.clone());
        let connector = connector.without_resumption();
        let together = answers::together(
            answers::signer(|_, _, _| async { Err::<Vec<u8>, _>("nobody signs here") }),
            accepting_strangers(),
        );
        for connector in [
            connector.clone().answers(accepting_strangers()),
            connector.clone().answers(AcceptingByHand),
            connector.clone().answers(together),
        ] {
            let (client, _) = shake_hands(&connector, &acceptor).await;
            match good {
                true => drop(client.unwrap()),
                false => assert!(is_revoked(&client.unwrap_err())),
            }
            // An authority that is trusted says where the lists are.
            assert_eq!(noting.take(), [false]);
        }
        // Without it the name is refused, before any list is asked.
        let (client, _) = shake_hands(&connector, &acceptor).await;
        let error = client.unwrap_err();
        assert!(!is_revoked(&error) && !is_unknown(&error), "{error}");
        assert_eq!(noting.take(), []);
    }
}

/// Nobody goes where a stranger says that lists are.
#[tokio::test]
async fn of_an_unknown_authority_that_is_accepted_lists_are_asked_for_in_memory() {
    let (ca, other) = (authority(), authority());
    let config = ServerConfig::builder().identity(ca.server.clone());
    let acceptor = TlsAcceptor::new(config.build().unwrap());
    let noting = Noting::new(ca.crls(&[SERVER]));
    for check in [CrlCheck::chain(), CrlCheck::best_effort()] {
        let connector = TlsConnector::new(other.client_config(check)).crls(noting.clone());
        for connector in [
            connector.clone().answers(accepting_strangers()),
            connector.answers(AcceptingByHand),
        ] {
            let (client, _) = shake_hands(&connector, &acceptor).await;
            let asked = noting.take();
            assert!(!asked.is_empty() && asked.iter().all(|memory_only| *memory_only));
            // Nobody is known who could sign a list about a certificate that came alone.
            match check.accepts_undetermined() {
                true => assert!(client.is_ok()),
                false => assert!(is_unknown(&client.unwrap_err())),
            }
        }
    }
}

/// The function that judges is told of revocation, behind all else and with its state, and its word counts.
#[tokio::test]
async fn a_function_is_told_what_lists_say() {
    let ca = authority();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let judging = |verdict: Verdict| {
        let seen = Arc::clone(&seen);
        answers::chain().verify_fun(0, move |judgement, count| {
            let (seen, verdict) = (Arc::clone(&seen), verdict.clone());
            async move {
                let verdict = match judgement.finding() {
                    Finding::Bad(error) => {
                        seen.lock().unwrap().push((count, error.to_string()));
                        verdict
                    }
                    _ => Verdict::Unknown,
                };
                (verdict, count + 1)
            }
        })
    };
    let refusal = CertificateError::rejected(AlertDescription::ACCESS_DENIED, "by its own word");
    for (crls, word) in [
        (ca.crls(&[SERVER]), "was revoked"),
        (Arc::default(), "cannot be told"),
    ] {
        let connector = TlsConnector::new(ca.client_config(CrlCheck::peer())).crls(crls);
        let connector = connector.without_resumption();
        let (client, _) = shake_hands(
            &connector.clone().answers(judging(Verdict::Valid)),
            &ca.plain_server(),
        )
        .await;
        drop(client.unwrap());
        let said = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].0 > 0 && said[0].1.contains(word), "{said:?}");

        let (client, _) = shake_hands(
            &connector.clone().answers(judging(Verdict::Unknown)),
            &ca.plain_server(),
        )
        .await;
        let error = client.unwrap_err();
        assert!(is_revoked(&error) || is_unknown(&error), "{error}");
        let (client, server) = shake_hands(
            &connector.answers(judging(Verdict::Fail(refusal.clone()))),
            &ca.plain_server(),
        )
        .await;
        assert!(client.unwrap_err().to_string().contains("by its own word"));
        assert_eq!(
            server.unwrap_err().alert(),
            Some((Direction::Received, AlertDescription::ACCESS_DENIED))
        );
        seen.lock().unwrap().clear();
    }
}
