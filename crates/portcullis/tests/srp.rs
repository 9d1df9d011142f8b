//! Users with passwords over streams: looked up, resumed, strangers, and a look-up that is waited for in vain or
//! given up.

mod ends;

use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ends::*;
use portcullis::answers::{self, Answers, Questions};
use portcullis::pki_types::UnixTime;
use portcullis::question::{Answer, LookUpUser};
use portcullis::session::{ClientSession, SessionKey};
use portcullis::suite::CipherSuite;
use portcullis::{
    AlertDescription, ClientConfig, Direction, Error, MemoryServerSessionStore, MemorySessionStore,
    Refusal, Roots, ServerConfig, SessionStore, SrpGroup, SrpUsers, SrpVerifier, Stage,
    StoreFuture, TlsAcceptor, TlsConnector, TlsStream,
};
use tokio::io::{DuplexStream, duplex};

const SUITES: [CipherSuite; 1] = [CipherSuite::TLS_SRP_SHA_WITH_AES_128_CBC_SHA];

const WRONG: Option<(Direction, AlertDescription)> =
    Some((Direction::Received, AlertDescription::BAD_RECORD_MAC));

fn alice() -> SrpVerifier {
    SrpVerifier::from_password("alice", "wonderland", SrpGroup::Bits1024).unwrap()
}

fn connector_of(user: &str, password: &str) -> TlsConnector {
    let config = ClientConfig::builder(Roots::empty()).cipher_suites(SUITES);
    // A short group takes little time.
    let config = config.srp(user, password).dh_minimum(1024);
    TlsConnector::new(config.build().unwrap())
}

fn connector() -> TlsConnector {
    connector_of("alice", "wonderland")
}

fn looking_up() -> TlsAcceptor {
    let config = ServerConfig::builder().cipher_suites(SUITES).ask_user(true);
    TlsAcceptor::new(config.build().unwrap())
}

/// Who is found after a while: one user.
fn finding(verifier: SrpVerifier) -> impl Answers {
    answers::srp_user_by_name(move |name| {
        let verifier = verifier.clone();
        async move {
            tokio::task::yield_now().await;
            Ok((name == b"alice").then_some(verifier))
        }
    })
}

type Ends = (
    Result<TlsStream<DuplexStream>, Error>,
    Result<TlsStream<DuplexStream>, Error>,
);

async fn meet(connector: &TlsConnector, acceptor: &TlsAcceptor) -> Ends {
    let (client, server) = duplex(64 * 1024);
    tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server))
}

#[tokio::test]
async fn a_user_is_looked_up_once_for_a_connection_and_again_for_one_that_resumes() {
    struct Counting(SrpVerifier, Arc<AtomicUsize>);

    impl Answers for Counting {
        fn questions(&self) -> Questions {
            Questions::none().and_user()
        }

        async fn look_up_user(&self, question: LookUpUser) -> Answer {
            let before = self.1.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            assert_eq!(question.user(), b"alice");
            assert_eq!(question.is_resumption(), before > 0);
            question.use_verifier(self.0.clone())
        }
    }

    let asked = Arc::new(AtomicUsize::new(0));
    let acceptor = looking_up().answers(Counting(alice(), Arc::clone(&asked)));
    let connector = connector();
    for times in 1..4 {
        let (client, server) = meet(&connector, &acceptor).await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        for end in [&client, &server] {
            let information = end.information();
            assert_eq!(information.srp_user(), Some(&b"alice"[..]));
            assert!(information.peer_certificates().is_empty());
            assert_eq!(information.is_resumed(), times > 1);
        }
        assert_eq!(asked.load(Ordering::Relaxed), times);
        client.send(&[b"down the hole"]).await.unwrap();
        assert_eq!(&server.recv(13).await.unwrap()[..], b"down the hole");
    }
}

/// RFC 5054 §2.5.1.3: which it was nobody is told but the server.
#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_end_alike() {
    let acceptor = looking_up().answers(finding(alice()));
    for (user, password) in [("alice", "looking-glass"), ("bob", "wonderland")] {
        let (client, server) = meet(&connector_of(user, password), &acceptor).await;
        let client = client.unwrap_err();
        assert_eq!(client.alert(), WRONG, "{user}: {client}");
        let server = server.unwrap_err();
        assert_eq!(server.stage(), Stage::WaitFinished, "{user}");
        for error in [client, server] {
            assert!(!error.to_string().contains(password), "{error}");
        }
    }
    // A look-up that fails need not be hidden.
    let acceptor = looking_up().answers(answers::srp_user_by_name(async |_| {
        Err(Refusal::new(
            AlertDescription::INTERNAL_ERROR,
            "no database",
        ))
    }));
    let (client, server) = meet(&connector(), &acceptor).await;
    let alert = Some((Direction::Received, AlertDescription::INTERNAL_ERROR));
    assert_eq!(client.unwrap_err().alert(), alert);
    assert_eq!(server.unwrap_err().stage(), Stage::LookingUpUser);
}

/// A session does not outlive the user, nor the password.
#[tokio::test]
async fn a_session_is_resumed_as_long_as_the_look_up_gives_the_same() {
    let connector = connector();
    // Another verifier of the same password is another one.
    let config = looking_up();
    for verifier in [alice(), alice()] {
        let acceptor = config.clone().answers(finding(verifier));
        for again in [false, true] {
            let (client, server) = meet(&connector, &acceptor).await;
            assert_eq!(client.unwrap().is_resumed(), again);
            assert_eq!(server.unwrap().is_resumed(), again);
        }
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
    let start = tokio::time::Instant::now();
    let (client, server) = meet(&connector(), &acceptor).await;
    assert_eq!(start.elapsed().as_secs(), 3);
    let server = server.unwrap_err();
    assert!(server.is_timeout());
    assert_eq!(server.stage(), Stage::LookingUpUser);
    let alert = Some((Direction::Received, AlertDescription::USER_CANCELED));
    assert_eq!(client.unwrap_err().alert(), alert);
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
    let acceptor = looking_up().answers(answers::srp_user_by_name(move |_| {
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

#[tokio::test]
async fn a_client_that_is_gone_meanwhile_is_found_out() {
    let (found, gone) = (
        Arc::new(tokio::sync::Notify::new()),
        Arc::new(tokio::sync::Notify::new()),
    );
    let (asks, waits) = (Arc::clone(&found), Arc::clone(&gone));
    let verifier = alice();
    let acceptor = looking_up().answers(answers::srp_user_by_name(move |_| {
        let (asks, waits, verifier) = (asks.clone(), waits.clone(), verifier.clone());
        async move {
            asks.notify_one();
            waits.notified().await;
            Ok(Some(verifier))
        }
    }));
    let (client, server) = duplex(64 * 1024);
    let connector = connector();
    let client = tokio::spawn(async move { connector.upgrade(client, name()).await.map(|_| ()) });
    let server = tokio::spawn(async move { acceptor.upgrade(server).await.map(|_| ()) });
    found.notified().await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    gone.notify_one();
    let error = server.await.unwrap().unwrap_err();
    assert!(!error.is_timeout(), "{error}");
}

/// Wherever either side is dropped, the other comes to an end at once, and not to one that looks good.
#[tokio::test]
async fn dropped_after_any_number_of_polls() {
    let acceptor = looking_up().answers(finding(alice()));
    let connector = connector();
    for server_is_dropped in [true, false] {
        let mut polls = 1;
        loop {
            let (client, server) = duplex(200);
            let (connector, acceptor) = (connector.clone(), acceptor.clone());
            let (own, peer) = match server_is_dropped {
                true => (acceptor.upgrade(server), connector.upgrade(client, name())),
                false => (connector.upgrade(client, name()), acceptor.upgrade(server)),
            };
            // How it ends for the other one.
            let peer = tokio::spawn(async move {
                match peer.await {
                    Ok(mut stream) => stream.recv(1).await.unwrap_err(),
                    Err(error) => error,
                }
            });
            let done = drop_after(polls, own).await;
            let is_done = done.is_some();
            if let Some(stream) = done {
                stream.unwrap().close(Duration::from_secs(5)).await.unwrap();
            }
            let peer = tokio::time::timeout(Duration::from_secs(5), peer);
            let end = peer.await.expect("it does not wait").unwrap();
            assert_eq!(end.is_closed(), is_done, "after {polls} polls: {end}");
            if is_done {
                break;
            }
            polls += 1;
        }
        assert!(polls > 2, "{polls}");
    }
}

/// A server's store keeps who has logged in, too, and the look-up is asked beside it.
#[tokio::test]
async fn a_server_keeps_sessions_by_their_ids() {
    let alice = alice();
    for asked in [false, true] {
        let config = ServerConfig::builder().cipher_suites(SUITES);
        let config = config.ask_user(asked);
        let config = match asked {
            false => config.srp_users(SrpUsers::new([alice.clone()]).unwrap()),
            true => config,
        };
        let store = Arc::<MemoryServerSessionStore>::default();
        let acceptor = TlsAcceptor::new(config.build().unwrap()).session_store(store.clone());
        let acceptor = match asked {
            false => acceptor,
            true => acceptor.answers(finding(alice.clone())),
        };
        let connector = connector();
        for resumed in [false, true, true] {
            let met = tokio::time::timeout(Duration::from_secs(5), meet(&connector, &acceptor));
            let (client, server) = met.await.expect("it does not wait");
            assert_eq!(server.unwrap().is_resumed(), resumed);
            assert_eq!(client.unwrap().is_resumed(), resumed);
        }
        assert_eq!(store.len(), 1);
    }
}

/// Sessions as they are in a file or a database: written down.
#[derive(Default)]
struct Elsewhere(Mutex<Vec<Vec<u8>>>);

impl SessionStore for Elsewhere {
    fn take<'a>(&'a self, _: &'a SessionKey, _: UnixTime) -> StoreFuture<'a, Vec<ClientSession>> {
        let written = std::mem::take(&mut *self.0.lock().unwrap());
        let read = |bytes: &Vec<u8>| ClientSession::from_sealed_bytes(bytes).unwrap();
        Box::pin(ready(written.iter().map(read).collect()))
    }

    fn put<'a>(&'a self, _: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
        let bytes = session.to_bytes_to_seal().to_vec();
        self.0.lock().unwrap().push(bytes);
        Box::pin(ready(()))
    }

    fn forget<'a>(&'a self, _: &'a SessionKey) -> StoreFuture<'a, ()> {
        self.0.lock().unwrap().clear();
        Box::pin(ready(()))
    }
}

/// Which password it was is not written down: whoever shares a store, or finds its file, would be alice by her session and
/// her name alone. So a connector takes no such session from a store; who keeps it by hand answers for it.
#[tokio::test]
async fn a_session_from_a_store_is_nobodys_password() {
    let users = SrpUsers::new([alice()]).unwrap();
    let config = ServerConfig::builder().cipher_suites(SUITES);
    let acceptor = TlsAcceptor::new(config.srp_users(users).build().unwrap());
    let store = Arc::<Elsewhere>::default();
    let of = |password| connector_of("alice", password).session_store(store.clone());
    for _ in 0..2 {
        let (client, server) = meet(&of("wonderland"), &acceptor).await;
        assert!(!client.unwrap().is_resumed());
        drop(server.unwrap());
        assert_eq!(store.0.lock().unwrap().len(), 1);
    }
    let (client, server) = meet(&of("looking-glass"), &acceptor).await;
    assert_eq!(client.unwrap_err().alert(), WRONG);
    assert_eq!(server.unwrap_err().stage(), Stage::WaitFinished);

    // In memory it is known.
    let store = Arc::<MemorySessionStore>::default();
    let of = |password| connector_of("alice", password).session_store(store.clone());
    for is_resumed in [false, true] {
        let (client, _server) = meet(&of("wonderland"), &acceptor).await;
        assert_eq!(client.unwrap().is_resumed(), is_resumed);
    }
    let (client, _server) = meet(&of("looking-glass"), &acceptor).await;
    assert_eq!(client.unwrap_err().alert(), WRONG);
}
