//! Pre-shared keys over streams, of TLS 1.3 and before it: configured, looked up, resumed, and waited for in vain.

mod ends;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ends::*;
use portcullis::answers::{self, Answers, Questions};
use portcullis::question::{Answer, ChoosePsk};
use portcullis::suite::CipherSuite;
use portcullis::{
    AlertDescription, ClientConfig, Direction, PreSharedKey, Refusal, Roots, ServerConfig, Stage,
    TlsAcceptor, TlsConnector, TlsStream,
};
use tokio::io::{DuplexStream, duplex};

const SUITES: [CipherSuite; 1] = [CipherSuite::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384];

fn psk() -> PreSharedKey {
    PreSharedKey::new("meter-17", [7; 32]).unwrap()
}

fn connector() -> TlsConnector {
    let config = ClientConfig::builder(Roots::empty()).cipher_suites(SUITES);
    TlsConnector::new(config.psk(psk()).build().unwrap())
}

fn looking_up() -> TlsAcceptor {
    let config = ServerConfig::builder().cipher_suites(SUITES).ask_psk(true);
    TlsAcceptor::new(config.build().unwrap())
}

type Ends = (
    Result<TlsStream<DuplexStream>, portcullis::Error>,
    Result<TlsStream<DuplexStream>, portcullis::Error>,
);

async fn meet(connector: &TlsConnector, acceptor: &TlsAcceptor) -> Ends {
    let (client, server) = duplex(64 * 1024);
    tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server))
}

#[tokio::test]
async fn a_key_is_looked_up_once_for_a_connection_and_again_for_one_that_resumes() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let acceptor = looking_up().answers(answers::psk_by_identity(move |identity| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::task::yield_now().await;
            assert_eq!(identity, b"meter-17");
            Ok(Some(psk()))
        }
    }));
    let connector = connector();
    for times in 1..4 {
        let (client, server) = meet(&connector, &acceptor).await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        for end in [&client, &server] {
            let information = end.information();
            assert_eq!(information.psk_identity(), Some(&b"meter-17"[..]));
            assert!(information.peer_certificates().is_empty());
            assert_eq!(information.is_resumed(), times > 1);
        }
        assert_eq!(asked.load(Ordering::Relaxed), times);
        client.send(&[b"reading"]).await.unwrap();
        assert_eq!(&server.recv(7).await.unwrap()[..], b"reading");
    }
}

#[tokio::test]
async fn who_is_not_found_is_told_so() {
    for (refusal, alert) in [
        (None, AlertDescription::UNKNOWN_PSK_IDENTITY),
        (
            Some(Refusal::new(AlertDescription::ACCESS_DENIED, "not today")),
            AlertDescription::ACCESS_DENIED,
        ),
    ] {
        let acceptor = looking_up().answers(answers::psk_by_identity(move |_| {
            let refusal = refusal.clone();
            async move { refusal.map_or(Ok(None), Err) }
        }));
        let (client, server) = meet(&connector(), &acceptor).await;
        let seen = client.unwrap_err().alert();
        assert_eq!(seen, Some((Direction::Received, alert)));
        assert_eq!(server.unwrap_err().stage(), Stage::ChoosingPsk);
    }
}

struct Never;

impl Answers for Never {
    fn questions(&self) -> Questions {
        Questions::none().and_psk()
    }

    async fn choose_psk(&self, _: ChoosePsk) -> Answer {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_never_ends_ends_with_the_timeout() {
    let acceptor = looking_up().answers(Never);
    let acceptor = acceptor.handshake_timeout(Duration::from_secs(3));
    let start = tokio::time::Instant::now();
    let (client, server) = meet(&connector(), &acceptor).await;
    assert_eq!(start.elapsed().as_secs(), 3);
    let server = server.unwrap_err();
    assert!(server.is_timeout());
    assert_eq!(server.stage(), Stage::ChoosingPsk);
    let alert = client.unwrap_err().alert();
    assert_eq!(
        alert,
        Some((Direction::Received, AlertDescription::USER_CANCELED))
    );
}

/// A handshake that nobody waits for any more takes the look-up with it.
#[tokio::test]
async fn a_dropped_handshake_drops_the_look_up() {
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (begun, dropped) = (Arc::new(tokio::sync::Notify::new()), Arc::default());
    let (begins, drops) = (Arc::clone(&begun), Arc::clone(&dropped));
    let acceptor = looking_up().answers(answers::psk_by_identity(move |_| {
        let guard = Dropped(Arc::clone(&drops));
        begins.notify_one();
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    }));
    let (client, server) = duplex(64 * 1024);
    let connector = connector();
    let client = tokio::spawn(async move { connector.upgrade(client, name()).await.is_err() });
    let server = tokio::spawn(async move { acceptor.upgrade(server).await.map(|_| ()) });
    begun.notified().await;
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    assert!(client.await.unwrap());
}

/// All questions are asked by default, and answered as configured.
#[tokio::test]
async fn answers_without_a_word_about_keys_take_the_configured_one() {
    struct Silent;
    impl Answers for Silent {}
    let config = ServerConfig::builder().cipher_suites(SUITES).psk(psk());
    let acceptor = TlsAcceptor::new(config.build().unwrap()).answers(Silent);
    let connector = connector().answers(Silent);
    let (client, server) = meet(&connector, &acceptor).await;
    client.unwrap();
    server.unwrap();
}

/// The same in TLS 1.3, where a client offers several keys.
mod tls13 {
    use portcullis::{ImportedIdentity, ProtocolVersion};

    use super::*;

    fn key(identity: &str) -> PreSharedKey {
        PreSharedKey::new(identity, [7; 32]).unwrap()
    }

    fn connector(keys: impl IntoIterator<Item = PreSharedKey>) -> TlsConnector {
        let config = keys
            .into_iter()
            .fold(ClientConfig::builder(Roots::empty()), |config, key| {
                config.psk(key)
            });
        TlsConnector::new(config.build().unwrap())
    }

    fn looking_up() -> TlsAcceptor {
        let config = ServerConfig::builder().ask_psk(true);
        TlsAcceptor::new(config.build().unwrap())
    }

    #[tokio::test]
    async fn one_of_several_keys_is_looked_up_and_again_when_a_session_is_resumed() {
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let acceptor = looking_up().answers(answers::psk_by_identity(move |identity| {
            let name = String::from_utf8(identity).unwrap();
            seen.lock().unwrap().push(name.clone());
            async move {
                tokio::task::yield_now().await;
                Ok((name == "b").then(|| key("b")))
            }
        }));
        let connector = connector([key("a"), key("b"), key("c")]);
        for times in 0..3 {
            let (client, server) = meet(&connector, &acceptor).await;
            let (mut client, mut server) = (client.unwrap(), server.unwrap());
            for end in [&client, &server] {
                let information = end.information();
                assert_eq!(information.version(), ProtocolVersion::TLS_1_3);
                assert_eq!(information.psk_identity(), Some(&b"b"[..]));
                assert_eq!(information.is_resumed(), times > 0);
            }
            client.send(&[b"reading"]).await.unwrap();
            assert_eq!(&server.recv(7).await.unwrap()[..], b"reading");
            // So that the client has its tickets.
            server.send(&[b"thanks"]).await.unwrap();
            assert_eq!(&client.recv(6).await.unwrap()[..], b"thanks");
        }
        assert_eq!(*asked.lock().unwrap(), ["a", "b", "b", "b"]);
    }

    #[tokio::test]
    async fn an_imported_key_is_looked_up_by_what_its_identity_says() {
        let imported = || key("meter-17").imported("meter-17 to hub").unwrap();
        let acceptor = looking_up().answers(answers::psk_by_identity(move |identity| {
            let said = ImportedIdentity::decode(&identity).unwrap();
            let is_known = said.external_identity == b"meter-17";
            async move { Ok(is_known.then(imported)) }
        }));
        let (client, server) = meet(&connector([imported()]), &acceptor).await;
        for end in [client.unwrap(), server.unwrap()] {
            assert_eq!(end.information().psk_identity(), Some(&b"meter-17"[..]));
        }
    }

    /// A session that began with a key goes with it: who has lost it does not come back by way of the store.
    #[tokio::test]
    async fn a_key_that_is_withdrawn() {
        let config = ServerConfig::builder().psk(key("a")).build().unwrap();
        let acceptor = TlsAcceptor::new(config.clone());
        let connector = connector([key("a")]);
        let (client, server) = meet(&connector, &acceptor).await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        server.send(&[b"tickets"]).await.unwrap();
        client.recv(7).await.unwrap();
        let without = ServerConfig::builder().psk(key("b")).build().unwrap();
        let acceptor = TlsAcceptor::new(without.replacing(&config));
        let (client, server) = meet(&connector, &acceptor).await;
        let told = (Direction::Received, AlertDescription::UNKNOWN_PSK_IDENTITY);
        assert_eq!(client.unwrap_err().alert(), Some(told));
        assert_eq!(server.unwrap_err().stage(), Stage::WaitClientHello);
    }

    /// A handshake that nobody waits for any more, after any number of polls.
    #[tokio::test]
    async fn dropped_after_any_number_of_polls() {
        use std::future::Future as _;
        for polls in 0..200 {
            let acceptor = looking_up().answers(answers::psk_by_identity(|_| async {
                tokio::task::yield_now().await;
                Ok(Some(key("a")))
            }));
            let (client, server) = duplex(64 * 1024);
            let connector = connector([key("a")]);
            let mut both = Box::pin(async move {
                tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server))
            });
            let mut waker = std::task::Context::from_waker(std::task::Waker::noop());
            let done = (0..polls).any(|_| both.as_mut().poll(&mut waker).is_ready());
            if done {
                assert!(polls > 1);
                return;
            }
        }
        panic!("it never ended");
    }
}

/// The same of users who log in with a password.
#[cfg(feature = "finite-field")]
mod srp {
    use portcullis::question::LookUpUser;
    use portcullis::{MemorySessionStore, SrpGroup, SrpUsers, SrpVerifier};

    use super::*;

    const SUITES: [CipherSuite; 1] = [CipherSuite::TLS_SRP_SHA_WITH_AES_256_CBC_SHA];

    fn alice() -> SrpVerifier {
        SrpVerifier::from_password("alice", "password123", SrpGroup::Bits2048).unwrap()
    }

    fn connector(password: &str) -> TlsConnector {
        let config = ClientConfig::builder(Roots::empty()).cipher_suites(SUITES);
        TlsConnector::new(config.srp("alice", password).build().unwrap())
    }

    fn looking_up() -> TlsAcceptor {
        let config = ServerConfig::builder().cipher_suites(SUITES).ask_user(true);
        TlsAcceptor::new(config.build().unwrap())
    }

    #[tokio::test]
    async fn a_user_is_looked_up_once_for_a_connection_and_again_for_one_that_resumes() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let verifier = alice();
        let acceptor = looking_up().answers(answers::srp_user_by_name(move |name| {
            counted.fetch_add(1, Ordering::Relaxed);
            let found = (name == b"alice").then(|| verifier.clone());
            async move {
                tokio::task::yield_now().await;
                Ok(found)
            }
        }));
        let connector = connector("password123");
        for times in 1..4 {
            let (client, server) = meet(&connector, &acceptor).await;
            let (mut client, mut server) = (client.unwrap(), server.unwrap());
            for end in [&client, &server] {
                let information = end.information();
                assert_eq!(information.srp_user(), Some(&b"alice"[..]));
                assert_eq!(information.is_resumed(), times > 1);
            }
            assert_eq!(asked.load(Ordering::Relaxed), times);
            client.send(&[b"hello"]).await.unwrap();
            assert_eq!(&server.recv(5).await.unwrap()[..], b"hello");
        }
    }

    /// Whoever is not there, or has another password, sees the same.
    #[tokio::test]
    async fn who_is_not_found_is_not_told_so() {
        for found in [None, Some(alice())] {
            let acceptor = looking_up().answers(answers::srp_user_by_name(move |_| {
                let found = found.clone();
                async move { Ok(found) }
            }));
            let (client, server) = meet(&connector("guessed"), &acceptor).await;
            let (client, server) = (client.unwrap_err(), server.unwrap_err());
            let told = (Direction::Received, AlertDescription::BAD_RECORD_MAC);
            assert_eq!(client.alert(), Some(told));
            assert_eq!(server.stage(), Stage::WaitFinished);
        }
    }

    /// Connectors may share a store, whoever they log in as.
    #[tokio::test]
    async fn nobody_is_somebody_by_a_store() {
        let config = ServerConfig::builder().cipher_suites(SUITES);
        let users = SrpUsers::new([alice()]).unwrap();
        let acceptor = TlsAcceptor::new(config.srp_users(users).build().unwrap());
        let store = Arc::new(MemorySessionStore::default());
        let with = |password| connector(password).session_store(store.clone());
        for (password, resumed) in [
            ("password123", Some(false)),
            ("password123", Some(true)),
            ("guessed", None),
            // What may have been to blame is forgotten.
            ("password123", Some(false)),
        ] {
            let (client, server) = meet(&with(password), &acceptor).await;
            let is_resumed = |stream: TlsStream<_>| stream.information().is_resumed();
            assert_eq!(server.ok().map(is_resumed), resumed, "{password}");
            assert_eq!(client.is_ok(), resumed.is_some());
        }
    }

    struct Never;

    impl Answers for Never {
        fn questions(&self) -> Questions {
            Questions::none().and_user()
        }

        async fn look_up_user(&self, _: LookUpUser) -> Answer {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_that_never_ends_ends_with_the_timeout() {
        let acceptor = looking_up().answers(Never);
        let acceptor = acceptor.handshake_timeout(Duration::from_secs(3));
        let (client, server) = meet(&connector("password123"), &acceptor).await;
        let server = server.unwrap_err();
        assert!(server.is_timeout());
        assert_eq!(server.stage(), Stage::LookingUpUser);
        client.unwrap_err();
    }
}
