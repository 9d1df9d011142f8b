//! Revocation lists in handshakes: who is asked, when, for how long, and what the ends see.

mod revocable;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::answers::{self, Answers, Questions, Verdict};
use portcullis::crl::{CrlFuture, CrlQuery, Lookup};
use portcullis::pki_types::PrivateKeyDer;
use portcullis::question::{Answer, VerifyChain};
use portcullis::x509::{CertificateError, Finding, Interest, WalkStep};
use portcullis::{
    AlertDescription, ClientConfig, Crl, CrlCheck, CrlInput, CrlSource, Direction, Identity,
    MemoryCrls, ProtocolVersion, Roots, ServerConfig, TlsAcceptor, TlsConnector,
};
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use revocable::*;
use tokio::io::duplex;

#[tokio::test]
async fn a_client_looks_for_the_server() {
    let ca = authority();
    let connector =
        |check, crls: Arc<MemoryCrls>| TlsConnector::new(ca.client_config(check)).crls(crls);
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let acceptor = TlsAcceptor::new(ca.server_config(CrlCheck::off(), version));
        let good = connector(CrlCheck::chain(), ca.crls(&[99]));
        let (client, server) = shake_hands(&good, &acceptor).await;
        assert_eq!(client.unwrap().information().version(), version);
        server.unwrap();

        let revoked = connector(CrlCheck::peer(), ca.crls(&[SERVER]));
        let (client, server) = shake_hands(&revoked, &acceptor).await;
        let error = client.unwrap_err();
        assert!(is_revoked(&error), "{error}");
        assert!(
            error
                .to_string()
                .contains("(CN=localhost) was revoked on Jan  2"),
            "{error}"
        );
        assert!(error.to_string().contains("keyCompromise"), "{error}");
        assert_eq!(
            server.unwrap_err().alert(),
            Some((Direction::Received, AlertDescription::CERTIFICATE_REVOKED))
        );

        let nothing = connector(CrlCheck::chain(), Arc::default());
        let (client, server) = shake_hands(&nothing, &acceptor).await;
        assert!(is_unknown(&client.unwrap_err()));
        assert_eq!(
            server.unwrap_err().alert(),
            Some((Direction::Received, AlertDescription::BAD_CERTIFICATE))
        );

        let best_effort = connector(CrlCheck::best_effort(), Arc::default());
        let (client, server) = shake_hands(&best_effort, &acceptor).await;
        assert!(client.is_ok() && server.is_ok());
        let best_effort = connector(CrlCheck::best_effort(), ca.crls(&[SERVER]));
        let (client, _) = shake_hands(&best_effort, &acceptor).await;
        assert!(is_revoked(&client.unwrap_err()));
    }
}

#[tokio::test]
async fn a_server_looks_for_the_client() {
    let ca = authority();
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let acceptor = |crls: Arc<MemoryCrls>| {
            TlsAcceptor::new(ca.server_config(CrlCheck::chain(), version)).crls(crls)
        };
        let (client, server) = shake_hands(&ca.plain_client(), &acceptor(ca.crls(&[]))).await;
        assert!(client.is_ok() && server.is_ok());
        let (client, server) = shake_hands(&ca.plain_client(), &acceptor(ca.crls(&[CLIENT]))).await;
        let error = server.unwrap_err();
        assert!(is_revoked(&error), "{error}");
        assert_eq!(
            client.unwrap_err().alert(),
            Some((Direction::Received, AlertDescription::CERTIFICATE_REVOKED))
        );
    }
}

#[tokio::test]
async fn without_a_source_nothing_begins() {
    let ca = authority();
    let connector = TlsConnector::new(ca.client_config(CrlCheck::chain()));
    let (client, _) = shake_hands(&connector, &ca.plain_server()).await;
    assert!(
        client
            .unwrap_err()
            .to_string()
            .contains("there is no CRL source; give one with `crls`")
    );
    let acceptor = TlsAcceptor::new(ca.server_config(CrlCheck::chain(), ProtocolVersion::TLS_1_3));
    assert!(
        acceptor
            .check()
            .unwrap_err()
            .to_string()
            .contains("there is no CRL source")
    );
    assert!(acceptor.crls(ca.crls(&[])).check().is_ok());
    // Nor is a source ignored.
    let error = ca.plain_server().crls(ca.crls(&[])).check().unwrap_err();
    assert!(
        error.to_string().contains("give it a `crl_check`"),
        "{error}"
    );
    let (client, _) = shake_hands(&ca.plain_client().crls(ca.crls(&[])), &ca.plain_server()).await;
    assert!(
        client
            .unwrap_err()
            .to_string()
            .contains("give it a `crl_check`")
    );
    // Where no chain is verified none is looked for.
    let nobody = ServerConfig::builder()
        .identity(ca.server.clone())
        .crl_check(CrlCheck::peer())
        .build();
    assert!(
        nobody
            .unwrap_err()
            .to_string()
            .contains("no chain of a client is verified")
    );
    let nobody = ClientConfig::dangerous_builder_without_verification()
        .crl_check(CrlCheck::peer())
        .build();
    assert!(
        nobody
            .unwrap_err()
            .to_string()
            .contains("does not verify servers")
    );
}

/// Counts what it is asked, and never answers.
#[derive(Default)]
struct Silent(AtomicUsize);

impl CrlSource for Silent {
    fn lookup<'a>(&'a self, _: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(pending())
    }

    fn select<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        self.lookup(query)
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_does_not_wait_longer_than_its_budget() {
    let ca = authority();
    for (check, timeout, budget) in [
        (
            CrlCheck::chain(),
            Duration::from_secs(60),
            Duration::from_secs(5),
        ),
        (
            CrlCheck::best_effort(),
            Duration::from_secs(2),
            Duration::from_secs(1),
        ),
    ] {
        let connector =
            TlsConnector::new(ca.client_config(check)).crls(Arc::new(Silent::default()));
        let begun = tokio::time::Instant::now();
        let (client, _) =
            shake_hands(&connector.handshake_timeout(timeout), &ca.plain_server()).await;
        let took = begun.elapsed();
        assert!(
            took >= budget && took < budget + Duration::from_millis(500),
            "{took:?}"
        );
        match check.accepts_undetermined() {
            true => assert!(client.is_ok()),
            false => {
                let error = client.unwrap_err();
                assert!(is_unknown(&error), "{error}");
                assert!(
                    error
                        .to_string()
                        .contains("the source of CRLs took longer than 5s"),
                    "{error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn nobody_is_asked_about_a_chain_of_an_unknown_authority() {
    let (ca, other) = (authority(), authority());
    let source = Arc::new(Silent::default());
    let config = ca.client_config(CrlCheck::chain());
    let connector = TlsConnector::new(config).crls(source.clone());
    let (client, _) = shake_hands(&connector, &other.plain_server()).await;
    let error = client.unwrap_err();
    assert!(!is_unknown(&error) && !is_revoked(&error), "{error}");
    assert_eq!(source.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_server_resumes_only_by_what_is_in_memory() {
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let ca = authority();
        let crls = ca.crls(&[]);
        let noting = Noting::new(crls.clone());
        let acceptor =
            TlsAcceptor::new(ca.server_config(CrlCheck::chain(), version)).crls(noting.clone());
        let connector = ca.plain_client();
        shake_hands(&connector, &acceptor).await.0.unwrap();
        assert_eq!(noting.take(), [false]);
        let (client, server) = shake_hands(&connector, &acceptor).await;
        assert!(
            client.unwrap().is_resumed() && server.unwrap().is_resumed(),
            "{version}"
        );
        assert_eq!(noting.take(), [true]);
        // Nothing is known any more: a full handshake, which does not depend on memory alone.
        crls.clear();
        let (_, server) = shake_hands(&connector, &acceptor).await;
        assert!(is_unknown(&server.unwrap_err()), "{version}");
        assert_eq!(noting.take(), [true, true, false, false]);
        // Revoked meanwhile.
        crls.insert(CrlInput::Der(ca.list(1, &[])), None).unwrap();
        shake_hands(&connector, &acceptor).await.0.unwrap();
        crls.insert(CrlInput::Der(ca.list(2, &[CLIENT])), None)
            .unwrap();
        let (_, server) = shake_hands(&connector, &acceptor).await;
        assert!(is_revoked(&server.unwrap_err()), "{version}");
    }
}

#[tokio::test]
async fn a_client_walks_the_chain_of_a_session_before_it_offers_it() {
    let ca = authority();
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let acceptor = TlsAcceptor::new(ca.server_config(CrlCheck::off(), version));
        let crls = ca.crls(&[]);
        let noting = Noting::new(crls.clone());
        let connector = TlsConnector::new(ca.client_config(CrlCheck::peer())).crls(noting.clone());
        shake_hands(&connector, &acceptor).await.0.unwrap();
        assert_eq!(noting.take(), [false]);
        let (client, server) = shake_hands(&connector, &acceptor).await;
        assert!(client.unwrap().is_resumed() && server.unwrap().is_resumed());
        assert_eq!(noting.take(), [true]);
        // Nothing is known any more: a full handshake, which does not depend on memory alone.
        crls.clear();
        let (client, _) = shake_hands(&connector, &acceptor).await;
        assert!(is_unknown(&client.unwrap_err()), "{version}");
        assert_eq!(noting.take(), [true, true, false, false]);
        // Revoked meanwhile: the server sees no session, and the full handshake says why.
        crls.insert(CrlInput::Der(ca.list(1, &[])), None).unwrap();
        shake_hands(&connector, &acceptor).await.0.unwrap();
        crls.insert(CrlInput::Der(ca.list(2, &[SERVER])), None)
            .unwrap();
        noting.take();
        let (client, _) = shake_hands(&connector, &acceptor).await;
        assert!(is_revoked(&client.unwrap_err()), "{version}");
        assert_eq!(noting.take(), [true, false], "{version}");
    }
}

/// What a full handshake would ask the network for is no reason to resume without.
#[tokio::test]
async fn what_cannot_be_told_is_not_offered() {
    let ca = authority();
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let acceptor = TlsAcceptor::new(ca.server_config(CrlCheck::off(), version));
        let crls = ca.crls(&[]);
        let connector =
            TlsConnector::new(ca.client_config(CrlCheck::best_effort())).crls(crls.clone());
        shake_hands(&connector, &acceptor).await.0.unwrap();
        crls.clear();
        let (client, _) = shake_hands(&connector, &acceptor).await;
        assert!(!client.unwrap().is_resumed());
        crls.insert(CrlInput::Der(ca.list(3, &[])), None).unwrap();
        let (client, _) = shake_hands(&connector, &acceptor).await;
        assert!(client.unwrap().is_resumed());
    }
    // A source that never answers costs the session, and no more time than a store.
    let acceptor = ca.plain_server();
    let (near, far) = duplex(65_536);
    let manual = TlsConnector::new(
        ClientConfig::builder(ca.roots.clone())
            .identity(ca.client.clone())
            .session_tickets(true)
            .build()
            .unwrap(),
    );
    let (client, server) = tokio::join!(manual.upgrade(near, "localhost"), acceptor.accept(far));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    server.send(&[b"hi"]).await.unwrap();
    client.recv(2).await.unwrap();
    let session = client.take_session().unwrap();
    let begun = tokio::time::Instant::now();
    let silent = TlsConnector::new(ca.client_config(CrlCheck::best_effort()))
        .crls(Arc::new(Silent::default()))
        .handshake_timeout(Duration::from_millis(1_000))
        .offering([session]);
    let (client, _) = shake_hands(&silent, &acceptor).await;
    assert!(!client.unwrap().is_resumed());
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// Whoever answers is asked about the session's chain, too, and told what the lists said.
#[tokio::test]
async fn who_answers_for_a_session_finds_what_the_lists_say() {
    let ca = authority();
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let acceptor = TlsAcceptor::new(ca.server_config(CrlCheck::off(), version));
        let count = Arc::new(AtomicUsize::new(0));
        let noting = Noting::new(ca.crls(&[]));
        let connector = TlsConnector::new(ca.client_config(CrlCheck::chain()))
            .crls(noting.clone())
            .answers(Counting(count.clone()));
        shake_hands(&connector, &acceptor).await.0.unwrap();
        assert_eq!(noting.take(), [false]);
        let (client, _) = shake_hands(&connector, &acceptor).await;
        assert!(client.unwrap().is_resumed());
        // Once before the hello, and not again.
        assert_eq!(noting.take(), [true]);
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}

/// Refuses the first path of each walk.
struct Detour;

impl Answers for Detour {
    fn questions(&self) -> Questions {
        Questions::none().and_chain()
    }

    async fn verify_chain(&self, question: VerifyChain) -> Answer {
        assert!(!question.wants_crls());
        let mut walk = question.walk().interest(Interest::ERRORS.and_paths());
        let mut paths = 0;
        loop {
            match walk.step() {
                WalkStep::Path(start) if paths == 0 => {
                    paths += 1;
                    start.skip(CertificateError::rejected(
                        AlertDescription::BAD_CERTIFICATE,
                        "the other one is liked better",
                    ));
                }
                WalkStep::Done => return question.conclude(walk),
                _ => paths += 1,
            }
        }
    }
}

#[tokio::test]
async fn lists_say_nothing_of_another_path_than_they_were_asked_about() {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params
    };
    let root = |name: &str| {
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        let der = params.self_signed(&key).unwrap().der().clone();
        (der, Issuer::new(params, key))
    };
    // One authority, certified by two roots.
    let (a, issuer_a) = root("A");
    let (b, issuer_b) = root("B");
    let key = KeyPair::generate().unwrap();
    let below = |issuer: &Issuer<'_, KeyPair>, serial: u8| {
        let mut params = authority("CA");
        params.serial_number = Some(SerialNumber::from(vec![serial]));
        params.signed_by(&key, issuer).unwrap().der().clone()
    };
    let (by_a, by_b) = (below(&issuer_a, 1), below(&issuer_b, 2));
    let mut roots = Roots::empty();
    for root in [a, b] {
        roots.add_der(root).unwrap();
    }
    let issuer = Issuer::new(authority("CA"), key);
    let leaf_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.serial_number = Some(SerialNumber::from(vec![SERVER]));
    let leaf = params.signed_by(&leaf_key, &issuer).unwrap().der().clone();
    let leaf_key = PrivateKeyDer::try_from(leaf_key.serialize_der()).unwrap();
    let server = Identity::from_der(vec![leaf, by_a, by_b], &leaf_key).unwrap();
    let config = ServerConfig::builder().identity(server).build().unwrap();
    let acceptor = TlsAcceptor::new(config);

    let list = |issuer: &Issuer<'_, KeyPair>, revoked: &[u8]| list_of(issuer, 1, revoked);
    // Of the way by B the lists would say that it is revoked, and are not asked.
    let crls = MemoryCrls::new();
    for der in [
        list(&issuer, &[]),
        list(&issuer_a, &[]),
        list(&issuer_b, &[2]),
    ] {
        crls.insert(CrlInput::Der(der), None).unwrap();
    }
    let crls = Arc::new(crls);
    let connector = |check: CrlCheck| {
        let config = ClientConfig::builder(roots.clone()).crl_check(check);
        TlsConnector::new(config.build().unwrap()).crls(crls.clone())
    };
    let (client, _) = shake_hands(&connector(CrlCheck::chain()), &acceptor).await;
    client.unwrap();
    let walked = connector(CrlCheck::chain()).answers(walking());
    shake_hands(&walked, &acceptor).await.0.unwrap();
    // What is known of one way is not known of the other: that is asked about by itself.
    for check in [CrlCheck::chain(), CrlCheck::best_effort()] {
        let detour = connector(check).answers(Detour);
        let error = shake_hands(&detour, &acceptor).await.0.unwrap_err();
        assert!(is_revoked(&error), "{error}");
    }
    let peer = connector(CrlCheck::peer()).answers(Detour);
    shake_hands(&peer, &acceptor).await.0.unwrap();
}

struct Counting(Arc<AtomicUsize>);

impl Answers for Counting {
    fn questions(&self) -> Questions {
        Questions::none().and_chain()
    }

    async fn verify_chain(&self, question: VerifyChain) -> Answer {
        assert!(!question.wants_crls());
        self.0.fetch_add(1, Ordering::Relaxed);
        question.verify()
    }
}

#[tokio::test]
async fn whoever_answers_finds_what_the_lists_say() {
    let ca = authority();
    let count = Arc::new(AtomicUsize::new(0));
    for (revoked, good) in [(&[][..], true), (&[SERVER], false)] {
        let config = ca.client_config(CrlCheck::chain());
        let connector = TlsConnector::new(config.clone()).crls(ca.crls(revoked));
        let counting = connector.clone().answers(Counting(count.clone()));
        let (client, _) = shake_hands(&counting, &ca.plain_server()).await;
        assert_eq!(client.is_ok(), good);
        let further = answers::further_check(|_| async { Ok(()) });
        let further = connector.clone().answers(further);
        let (client, _) = shake_hands(&further, &ca.plain_server()).await;
        assert_eq!(client.is_ok(), good);
        // Who walks along the same path knows the same.
        let (client, _) = shake_hands(&connector.answers(walking()), &ca.plain_server()).await;
        assert_eq!(client.is_ok(), good);
    }
    assert_eq!(count.load(Ordering::Relaxed), 2);
    // Alone, without a source, answers have no lists, and what they verify fails closed.
    let config = ca.client_config(CrlCheck::chain());
    let alone = TlsConnector::new(config);
    let further = answers::further_check(|_| async { Ok(()) });
    let (client, _) = shake_hands(&alone.clone().answers(further), &ca.plain_server()).await;
    assert!(is_unknown(&client.unwrap_err()));
    let (client, _) = shake_hands(&alone.answers(walking()), &ca.plain_server()).await;
    assert!(is_unknown(&client.unwrap_err()));
}

/// Finds everything good that is.
fn walking() -> impl Answers {
    answers::chain().verify_fun((), |judgement, ()| async move {
        let verdict = match judgement.finding() {
            Finding::Bad(error) => Verdict::Fail(error.clone()),
            Finding::Extension(_) => Verdict::Unknown,
            _ => Verdict::Valid,
        };
        (verdict, ())
    })
}

/// Answers of one's own may have lists of their own.
struct ByHand(Arc<Crl>);

impl Answers for ByHand {
    fn questions(&self) -> Questions {
        Questions::none().and_chain()
    }

    async fn verify_chain(&self, question: VerifyChain) -> Answer {
        let mut check = match question.revocation_check() {
            Ok(check) => check,
            Err(error) => return question.refuse(error),
        };
        while check.query().is_some() {
            check.answer(vec![self.0.clone()]);
        }
        match check.conclude() {
            Ok(proof) => question.accept(proof),
            Err(error) => question.refuse(error),
        }
    }
}

#[tokio::test]
async fn a_check_can_be_driven_by_hand() {
    let ca = authority();
    for (revoked, good) in [(&[][..], true), (&[SERVER], false)] {
        let list = Arc::new(Crl::from_der(ca.list(1, revoked)).unwrap());
        let connector =
            TlsConnector::new(ca.client_config(CrlCheck::chain())).answers(ByHand(list));
        let (client, _) = shake_hands(&connector, &ca.plain_server()).await;
        assert_eq!(client.is_ok(), good);
    }
}
