//! Questions of a handshake and who answers them: late, in time, or never.

mod ends;

use std::sync::Mutex;
use std::time::Duration;

use ends::*;
use portcullis::answers::{self, Answers, Questions};
use portcullis::question::{Answer, ChooseConfiguration, ReviewServerHello, Sign, VerifyChain};
use portcullis::x509::CertificateError;
use portcullis::{
    AlertDescription, ClientAuthentication, ClientConfig, Direction, Identity, Reason, Refusal,
    ServerConfig, ServerName, Stage, TlsAcceptor, TlsConnector,
};
use tokio::io::duplex;
use tokio::sync::oneshot;

#[tokio::test]
async fn an_identity_is_looked_up_by_name() {
    let acceptor = acceptor().answers(answers::identity_by_name(|name| async move {
        tokio::task::yield_now().await;
        match name.as_deref() {
            Some("other.example") => Ok(Some(pki().other.clone())),
            Some("localhost") => Ok(None),
            _ => Err(Refusal::new(
                AlertDescription::UNRECOGNIZED_NAME,
                "nobody of that name",
            )),
        }
    }));
    let connector = connector();
    for name in [name(), other_name()] {
        let (client, server) = duplex(64 * 1024);
        let (client, server) =
            tokio::join!(connector.upgrade(client, name), acceptor.upgrade(server));
        client.unwrap();
        server.unwrap();
    }
    let (client, server) = duplex(64 * 1024);
    let unknown = ServerName::try_from("unknown.example").unwrap();
    let (client, server) =
        tokio::join!(connector.upgrade(client, unknown), acceptor.upgrade(server));
    let alert = client.unwrap_err().alert();
    assert_eq!(
        alert,
        Some((Direction::Received, AlertDescription::UNRECOGNIZED_NAME))
    );
    assert!(matches!(
        server.unwrap_err().reason(),
        Some(Reason::Refused(_))
    ));
}

#[tokio::test]
async fn a_signer_elsewhere_signs_late_or_fails() {
    let external = Identity::with_external_key(
        pki().server_chain.clone(),
        pki().server.key().schemes().to_vec(),
    )
    .unwrap();
    let config = ServerConfig::builder().identity(external).build().unwrap();
    for works in [true, false] {
        let acceptor = TlsAcceptor::new(config.clone()).answers(answers::signer(
            move |_, scheme, content: Vec<u8>| async move {
                tokio::task::yield_now().await;
                match pki().server.key() {
                    portcullis::x509::IdentityKey::Local(key) if works => key
                        .sign(scheme, &content)
                        .map_err(|error| error.to_string()),
                    _ => Err("the module is locked".to_owned()),
                }
            },
        ));
        let (client, server) = duplex(64 * 1024);
        let connector = connector();
        let (client, server) =
            tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
        assert_eq!(client.is_ok(), works);
        match server {
            Ok(_) => assert!(works),
            Err(failed) => {
                assert!(
                    failed.to_string().contains("the module is locked"),
                    "{failed}"
                );
                assert_eq!(
                    failed.alert(),
                    Some((Direction::Sent, AlertDescription::INTERNAL_ERROR))
                );
            }
        }
    }
}

/// A key that decrypts is asked late, cannot be reached, says nothing at all, or nobody answers for it. What it
/// makes of a ciphertext is tried with real clients (`tests/interop_matrix`).
#[cfg(feature = "ffi")]
#[tokio::test]
async fn a_key_elsewhere_decrypts_late_or_never() {
    use portcullis::config::ClientConfig;
    use portcullis::question::Decrypt;
    use portcullis::suite::CipherSuite;

    #[derive(Clone, Copy)]
    enum Module {
        Wrong,
        Unreachable,
        Silent,
    }

    impl Answers for Module {
        fn questions(&self) -> Questions {
            Questions::none()
        }

        async fn decrypt(&self, question: Decrypt) -> Answer {
            tokio::task::yield_now().await;
            assert_eq!(question.ciphertext().len(), question.block_len());
            match self {
                Self::Wrong => question.failed(),
                Self::Unreachable => question.refuse(Refusal::new(
                    AlertDescription::INTERNAL_ERROR,
                    "the module cannot be reached",
                )),
                Self::Silent => std::future::pending().await,
            }
        }
    }

    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
    let key = key.unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let der = params.self_signed(&key).unwrap().der().clone();
    let mut roots = portcullis::Roots::empty();
    roots.add_der(der.clone()).unwrap();
    let suites = [CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256];
    let identity = Identity::with_external_key_that_decrypts(vec![der], Vec::new());
    let config = ServerConfig::builder()
        .identity(identity.unwrap())
        .cipher_suites(suites);
    let config = config.build().unwrap();
    let client = ClientConfig::builder(roots).cipher_suites(suites);
    let connector = TlsConnector::new(client.build().unwrap());
    let plain = TlsAcceptor::new(config).handshake_timeout(Duration::from_secs(1));
    let ready_made = |of: fn() -> Result<Option<Vec<u8>>, &'static str>| {
        let signer = answers::signer(|_, _, _| async { Err::<Vec<u8>, _>("nothing is signed") });
        let keys = signer.and_decrypter(move |_, _| async move { of() });
        plain.clone().answers(keys)
    };
    for (acceptor, stage, expected) in [
        (
            ready_made(|| Ok(None)),
            Stage::WaitFinished,
            "does not open",
        ),
        (
            ready_made(|| Err("the module is locked")),
            Stage::Decrypting,
            "the decrypter failed: the module is locked",
        ),
        (
            plain.clone().answers(Module::Wrong),
            Stage::WaitFinished,
            "does not open",
        ),
        (
            plain.clone().answers(Module::Unreachable),
            Stage::Decrypting,
            "the module cannot be reached",
        ),
        (
            plain.clone().answers(Module::Silent),
            Stage::Decrypting,
            "decrypting the client's secret",
        ),
        (plain.clone(), Stage::Decrypting, "nobody answers `Decrypt`"),
    ] {
        let (client, server) = duplex(64 * 1024);
        let (client, server) =
            tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
        client.unwrap_err();
        let error = server.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.stage(), stage, "{error}");
    }
}

/// Two connections, each of which is given the answer to the other's question.
struct Mixed(Mutex<Vec<(oneshot::Sender<Sign>, oneshot::Receiver<Sign>)>>);

impl Mixed {
    fn new() -> Self {
        let (to_first, of_first) = oneshot::channel();
        let (to_second, of_second) = oneshot::channel();
        Self(Mutex::new(vec![
            (to_first, of_second),
            (to_second, of_first),
        ]))
    }
}

impl Answers for Mixed {
    fn questions(&self) -> Questions {
        Questions::none().and_signature()
    }

    async fn sign(&self, question: Sign) -> Answer {
        let (give, take) = self.0.lock().unwrap().pop().unwrap();
        give.send(question).unwrap();
        take.await.unwrap().sign_with_local_key()
    }
}

/// What one signs for the other is not sent: both end with what has happened, and their peers are told.
#[tokio::test]
async fn the_answer_to_anothers_question() {
    let acceptor = acceptor().answers(Mixed::new());
    let connector = connector();
    let connect = || async {
        let (client, server) = duplex(64 * 1024);
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server))
    };
    let (one, other) = tokio::join!(connect(), connect());
    for (client, server) in [one, other] {
        let error = server.unwrap_err();
        assert!(error.to_string().contains("another connection"), "{error}");
        let error = client.unwrap_err();
        let told = (Direction::Received, AlertDescription::USER_CANCELED);
        assert_eq!(error.alert(), Some(told), "{error}");
    }
}

/// Each question goes to the one who wants it, whatever the order.
#[tokio::test]
async fn two_answer_together() {
    let external = Identity::with_external_key(
        pki().server_chain.clone(),
        pki().server.key().schemes().to_vec(),
    );
    let external = external.unwrap();
    let by_name = answers::identity_by_name(move |name| {
        let external = external.clone();
        async move { Ok(name.is_some().then_some(external)) }
    });
    let signer = answers::signer(|_, scheme, content: Vec<u8>| async move {
        match pki().server.key() {
            portcullis::x509::IdentityKey::Local(key) => key.sign(scheme, &content),
            portcullis::x509::IdentityKey::External { .. } => unreachable!("it is local"),
        }
    });
    let config = ServerConfig::builder().ask_identity(true).build().unwrap();
    let plain = TlsAcceptor::new(config);
    for acceptor in [
        plain
            .clone()
            .answers(answers::together(by_name.clone(), signer.clone())),
        plain
            .clone()
            .answers(answers::together(signer, by_name.clone())),
    ] {
        let (client, server) = duplex(64 * 1024);
        let connector = connector();
        let (client, server) =
            tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
        client.unwrap();
        server.unwrap();
    }
    // One alone is not enough.
    let acceptor = plain.answers(by_name);
    let (client, server) = duplex(64 * 1024);
    let connector = connector();
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    assert!(client.is_err() && server.is_err());
}

struct Never;

impl Answers for Never {
    fn questions(&self) -> Questions {
        Questions::none().and_signature()
    }

    async fn sign(&self, _: Sign) -> Answer {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_ends_with_the_timeout() {
    let acceptor = acceptor()
        .answers(Never)
        .handshake_timeout(Duration::from_secs(3));
    let connector = connector();
    let (client, server) = duplex(64 * 1024);
    let start = tokio::time::Instant::now();
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    assert_eq!(start.elapsed().as_secs(), 3);
    let server = server.unwrap_err();
    assert!(server.is_timeout());
    assert_eq!(server.stage(), Stage::Signing);
    assert_eq!(
        client.unwrap_err().alert(),
        Some((Direction::Received, AlertDescription::USER_CANCELED))
    );
}

struct Policy;

impl Answers for Policy {
    async fn choose_configuration(&self, question: ChooseConfiguration) -> Answer {
        tokio::task::yield_now().await;
        assert_eq!(question.client_hello().server_name(), Some("localhost"));
        question.keep()
    }

    async fn review_server_hello(&self, question: ReviewServerHello) -> Answer {
        tokio::task::yield_now().await;
        question.proceed()
    }
}

#[tokio::test]
async fn every_question_can_be_asked_with_the_defaults() {
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .client_authentication(ClientAuthentication::Required(pki().roots.clone()))
        .build()
        .unwrap();
    let client = ClientConfig::builder(pki().roots.clone())
        .identity(pki().client.clone())
        .build()
        .unwrap();
    let (connector, acceptor) = (
        TlsConnector::new(client).answers(Policy),
        TlsAcceptor::new(server).answers(Policy),
    );
    let (client, server) = duplex(64 * 1024);
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    client.unwrap();
    assert_eq!(server.unwrap().peer_certificates().len(), 1);
}

#[tokio::test]
async fn a_further_check_refuses() {
    let connector = connector().answers(answers::further_check(|chain| async move {
        assert_eq!(chain.certificates(), &pki().server_chain[..]);
        Err(CertificateError::rejected(
            AlertDescription::CERTIFICATE_REVOKED,
            "the policy service says no",
        ))
    }));
    let acceptor = acceptor();
    let (client, server) = duplex(64 * 1024);
    let (client, server) = tokio::join!(connector.upgrade(client, name()), async {
        let mut server = acceptor.upgrade(server).await?;
        // The server of TLS 1.3 is done before the client is: the alert comes with the next read.
        server.recv(1).await.map(|_| ())
    });
    assert!(
        client
            .unwrap_err()
            .to_string()
            .contains("the policy service says no")
    );
    assert_eq!(
        server.unwrap_err().alert(),
        Some((Direction::Received, AlertDescription::CERTIFICATE_REVOKED))
    );
}

/// Goes on with another configuration once the server's hello is here, and looks at chains.
struct Late;

impl Answers for Late {
    fn questions(&self) -> Questions {
        Questions::none().and_hello().and_chain()
    }

    async fn review_server_hello(&self, question: ReviewServerHello) -> Answer {
        let config = ClientConfig::builder(pki().roots.clone()).alpn(["echo"]);
        question.proceed_with(config.build().unwrap())
    }

    async fn verify_chain(&self, question: VerifyChain) -> Answer {
        question.refuse(CertificateError::rejected(
            AlertDescription::CERTIFICATE_REVOKED,
            "the policy service says no",
        ))
    }
}

/// Its chains are shown to the same answers.
#[tokio::test]
async fn a_client_goes_on_with_another_configuration_and_the_same_answers() {
    let (connector, acceptor) = (connector().answers(Late), acceptor());
    let (client, server) = duplex(64 * 1024);
    let (client, _server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    let why = client.unwrap_err().to_string();
    assert!(why.contains("the policy service says no"), "{why}");
}
