//! Chains that are judged certificate by certificate: late, in time, or never.

mod ends;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ends::*;
use portcullis::answers::{self, Answers, Questions, Verdict};
use portcullis::question::{Answer, VerifyChain};
use portcullis::x509::{
    CertificateError, CertificateErrorKind as Kind, ChainWalk, Finding, Judgement,
};
use portcullis::{
    AlertDescription, ClientAuthentication, ClientConfig, Direction, Error, Reason, Roots,
    ServerConfig, Stage, TlsAcceptor, TlsConnector,
};
use tokio::io::duplex;

/// A client that trusts nobody who has issued anything here.
fn distrusting() -> ClientConfig {
    ClientConfig::builder(distrusting_roots())
        .versions([version()])
        .build()
        .unwrap()
}

async fn connect(
    connector: &TlsConnector,
    acceptor: &TlsAcceptor,
) -> (Result<(), Error>, Result<(), Error>) {
    let (client, server) = duplex(64 * 1024);
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    (client.map(|_| ()), server.map(|_| ()))
}

fn is_unknown_ca(judgement: &Judgement) -> bool {
    matches!(judgement.finding(), Finding::Bad(error)
        if matches!(error.kind(), Kind::UnknownIssuer { .. } | Kind::SelfSigned { .. }))
}

/// Each judgement sees the state that the one before has left, and each connection begins anew.
#[tokio::test]
async fn a_function_judges_with_a_state_that_is_carried_along() {
    let finished = Arc::new(AtomicUsize::new(0));
    let seen_by = Arc::clone(&finished);
    let answers = answers::chain().verify_fun(0_usize, move |judgement, count| {
        let seen_by = Arc::clone(&seen_by);
        async move {
            tokio::task::yield_now().await;
            if let Finding::ValidPeer = judgement.finding() {
                seen_by.store(count, Ordering::Relaxed);
            }
            let verdict = match is_unknown_ca(&judgement) {
                true => Verdict::Valid,
                false => Verdict::Unknown,
            };
            (verdict, count + 1)
        }
    });
    let connector = TlsConnector::new(distrusting())
        .without_resumption()
        .answers(answers);
    let mut counts = Vec::new();
    for _ in 0..2 {
        let (client, server) = connect(&connector, &acceptor()).await;
        client.unwrap();
        server.unwrap();
        counts.push(finished.swap(0, Ordering::Relaxed));
    }
    // The unknown CA and at least one extension came before.
    assert!(counts[0] >= 2 && counts[0] == counts[1], "{counts:?}");
    // What it does not accept is refused.
    let other = other_name();
    let (client, server) = duplex(64 * 1024);
    let (client, server) =
        tokio::join!(connector.upgrade(client, other), acceptor().upgrade(server));
    let error = client.unwrap_err();
    assert!(
        matches!(error.reason(), Some(Reason::Certificate(error))
            if matches!(error.kind(), Kind::NameMismatch { .. })),
        "{error}"
    );
    assert_eq!(
        server.unwrap_err().alert(),
        Some((Direction::Received, AlertDescription::BAD_CERTIFICATE))
    );
}

#[tokio::test]
async fn a_refusal_has_its_alert() {
    let refuse = |_, ()| async {
        let error = CertificateError::rejected(AlertDescription::ACCESS_DENIED, "not today");
        (Verdict::Fail(error), ())
    };
    let connector =
        TlsConnector::new(client_config()).answers(answers::chain().verify_fun((), refuse));
    let (client, server) = connect(&connector, &acceptor()).await;
    assert!(client.unwrap_err().to_string().contains("not today"));
    assert_eq!(
        server.unwrap_err().alert(),
        Some((Direction::Received, AlertDescription::ACCESS_DENIED))
    );
}

/// A server judges its clients, and where nobody is verified, what is not refused is accepted.
#[tokio::test]
async fn a_server_judges_clients_that_nobody_verifies() {
    let config = ServerConfig::builder()
        .versions([version()])
        .identity(pki().server.clone())
        .client_authentication(ClientAuthentication::DangerouslyUnverified)
        .resumption(false)
        .build()
        .unwrap();
    for is_welcome in [true, false] {
        let judge = move |judgement: Judgement, ()| async move {
            let verdict = match judgement.finding() {
                Finding::ValidPeer if !is_welcome => Verdict::Fail(CertificateError::rejected(
                    AlertDescription::ACCESS_DENIED,
                    "unknown",
                )),
                _ => Verdict::Unknown,
            };
            (verdict, ())
        };
        let answers = answers::chain().verify_fun((), judge);
        let acceptor = TlsAcceptor::new(config.clone()).answers(answers);
        let client = ClientConfig::builder(pki().roots.clone())
            .versions([version()])
            .identity(pki().client.clone())
            .build()
            .unwrap();
        let (_, server) = connect(&TlsConnector::new(client), &acceptor).await;
        assert_eq!(server.is_ok(), is_welcome, "{server:?}");
    }
}

#[tokio::test]
async fn a_partial_chain_is_trusted_where_a_function_says_so() {
    for place in [Some(0), Some(7), None] {
        let answers = answers::chain().partial_chain(move |certificates| async move {
            tokio::task::yield_now().await;
            assert_eq!(certificates, pki().server_chain);
            place
        });
        let connector = TlsConnector::new(distrusting())
            .without_resumption()
            .answers(answers);
        let (client, _) = connect(&connector, &acceptor()).await;
        assert_eq!(client.is_ok(), place == Some(0), "{client:?}");
    }
    // Nobody asks where there is an anchor.
    let answers = answers::chain().partial_chain(|_| async { panic!("asked") });
    let connector = TlsConnector::new(client_config()).answers(answers);
    connect(&connector, &acceptor()).await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_function_that_never_answers_ends_with_the_timeout() {
    let dropped = Arc::new(());
    let kept = Arc::clone(&dropped);
    let answers = answers::chain().verify_fun((), move |_, ()| {
        let kept = Arc::clone(&kept);
        async move {
            std::future::pending::<()>().await;
            drop(kept);
            (Verdict::Valid, ())
        }
    });
    let connector = TlsConnector::new(client_config())
        .answers(answers)
        .handshake_timeout(Duration::from_secs(3));
    let start = tokio::time::Instant::now();
    let (client, server) = connect(&connector, &acceptor()).await;
    assert_eq!(start.elapsed().as_secs(), 3);
    let client = client.unwrap_err();
    assert!(client.is_timeout());
    assert_eq!(client.stage(), Stage::VerifyingChain);
    assert_eq!(
        server.unwrap_err().alert(),
        Some((Direction::Received, AlertDescription::USER_CANCELED))
    );
    // No task waits for it.
    drop(connector);
    assert_eq!(Arc::strong_count(&dropped), 1);
}

/// Answers each question with the walk of the one before.
#[derive(Default)]
struct MixedUp(std::sync::Mutex<Option<ChainWalk>>);

impl Answers for MixedUp {
    fn questions(&self) -> Questions {
        Questions::none().and_chain()
    }

    async fn verify_chain(&self, question: VerifyChain) -> Answer {
        let own = question.walk();
        let before = self.0.lock().unwrap().replace(own);
        match before {
            Some(walk) => question.conclude(walk),
            None => question.verify(),
        }
    }
}

/// What was found about one peer proves nothing about another.
#[tokio::test]
async fn a_walk_is_an_answer_to_its_own_question() {
    let connector = TlsConnector::new(client_config()).answers(MixedUp::default());
    connect(&connector, &acceptor()).await.0.unwrap();
    let other = ServerConfig::builder()
        .versions([version()])
        .identity(pki().other.clone())
        .build()
        .unwrap();
    let other = TlsAcceptor::new(other);
    let (client, server) = duplex(64 * 1024);
    let (client, _) = tokio::join!(
        connector.upgrade(client, other_name()),
        other.upgrade(server)
    );
    let error = client.unwrap_err();
    assert!(error.to_string().contains("another chain"), "{error}");
}

/// What one function has accepted another need not: a session is worth what its chain is.
#[tokio::test]
async fn an_override_is_not_resumed_where_nobody_overrides() {
    let config = ClientConfig::builder(distrusting_roots())
        .versions([version()])
        .build()
        .unwrap();
    let lenient = TlsConnector::new(config).answers(answers::chain().verify_fun(
        (),
        |judgement, ()| async move {
            let verdict = match is_unknown_ca(&judgement) {
                true => Verdict::Valid,
                false => Verdict::Unknown,
            };
            (verdict, ())
        },
    ));
    let server = ServerConfig::builder()
        .versions([version()])
        .identity(pki().server.clone())
        .build()
        .unwrap();
    let acceptor = TlsAcceptor::new(server);
    // The same connector, which keeps sessions: each connection is judged anew.
    for _ in 0..3 {
        let (client, server) = duplex(64 * 1024);
        let (client, server) =
            tokio::join!(lenient.upgrade(client, name()), acceptor.upgrade(server));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        server.send(&[b"x"]).await.unwrap();
        assert_eq!(&client.recv(1).await.unwrap()[..], b"x");
    }
    let strict = lenient.clone().answers(Plain);
    let (client, _) = connect(&strict, &acceptor).await;
    let error = client.unwrap_err();
    assert!(
        matches!(error.reason(), Some(Reason::Certificate(_))),
        "{error}"
    );
}

fn distrusting_roots() -> Roots {
    let made = rcgen::generate_simple_self_signed(["nobody.example".to_owned()]).unwrap();
    Roots::from_pem(made.cert.pem()).unwrap()
}

struct Plain;

impl Answers for Plain {
    fn questions(&self) -> Questions {
        Questions::none().and_chain()
    }
}
