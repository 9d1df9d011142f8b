//! Authentication after the handshake (RFC 8446 §4.6.2) while messages flow, or are lost.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis::question::{Answer, ChooseIdentity, Sign, VerifyChain};
use portcullis::{
    Answers, ClientAuthentication, ClientCertificate, DatagramTransport, DtlsAcceptor,
    DtlsConnection, DtlsConnector, Error, ProtocolVersion, Questions, TlsAcceptor, TlsConnector,
    Violation,
};
use tokio::io::ReadBuf;
use tokio::sync::Notify;

use crate::ends::*;
use crate::link::{End, at_random, link};
use crate::{ask, echo};

/// Longer than any of it takes.
const LIMIT: Duration = Duration::from_secs(600);

fn connector(has_identity: bool) -> TlsConnector {
    let mut client = client_config().to_builder();
    if has_identity {
        client = client.identity(pki().client.clone());
    }
    let client = client.post_handshake_authentication(true).build().unwrap();
    TlsConnector::new(client)
        .handshake_timeout(LIMIT)
        .without_resumption()
}

fn acceptor(clients: ClientAuthentication) -> TlsAcceptor {
    let versions = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let server = server_config().to_builder().versions(versions);
    let server = server.client_authentication(clients);
    let server = server.post_handshake_authentication(true).build().unwrap();
    TlsAcceptor::new(server).handshake_timeout(LIMIT)
}

fn optional() -> TlsAcceptor {
    acceptor(ClientAuthentication::Optional(pki().roots.clone()))
}

/// Of a thousand datagrams in each direction so many are lost.
async fn connected(
    connector: TlsConnector,
    acceptor: TlsAcceptor,
    lost: u64,
) -> (DtlsConnection, DtlsConnection) {
    let (near, far) = link(64);
    let (near, far) = (
        near.losing(at_random(7, lost)),
        far.losing(at_random(11, lost)),
    );
    let (dtls, acceptor) = (DtlsConnector::new(connector), DtlsAcceptor::new(acceptor));
    let (client, server) = tokio::join!(dtls.upgrade(near, name()), acceptor.accept(far));
    (client.unwrap(), server.unwrap())
}

fn is_ours(shown: &ClientCertificate) -> bool {
    match shown {
        ClientCertificate::Presented(chain) => chain.chain().certificates() == pki().client.chain(),
        _ => false,
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_asks_while_messages_are_lost() {
    let (client, mut server) = connected(connector(true), optional(), 200).await;
    let client = tokio::spawn(echo(client));
    let first = server.request_client_certificate().unwrap();
    let second = server.request_client_certificate().unwrap();
    ask(&mut server, b"hello").await;
    assert!(is_ours(&first.await.unwrap()));
    assert!(is_ours(&second.await.unwrap()));
    server.update_keys(true).unwrap();
    // Nobody has to receive anything.
    assert!(is_ours(&server.authenticate_client(LIMIT).await.unwrap()));
    let (mut receiver, sender) = server.into_split();
    let pending = sender.request_client_certificate().unwrap();
    assert!(is_ours(&pending.await.unwrap()));
    sender.send(&[b"again"]).await.unwrap();
    let _maybe_lost = receiver.recv_timeout(Duration::from_secs(1)).await;
    drop((receiver, sender));
    let _ = client.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_has_none_declines_or_is_refused() {
    let (_client, server) = connected(connector(false), optional(), 0).await;
    let shown = server.authenticate_client(LIMIT).await;
    assert!(
        matches!(shown, Ok(ClientCertificate::Declined)),
        "{shown:?}"
    );

    let required = ClientAuthentication::Required(pki().roots.clone());
    let (mut client, mut server) = connected(connector(false), acceptor(required), 0).await;
    let error = server.authenticate_client(LIMIT).await.unwrap_err();
    assert_eq!(error.violation(), Some(Violation::NoClientCertificate));
    let error = server.recv().await.unwrap_err();
    assert_eq!(error.violation(), Some(Violation::NoClientCertificate));
    let (_, alert) = client.recv().await.unwrap_err().alert().unwrap();
    assert_eq!(alert, portcullis::AlertDescription::CERTIFICATE_REQUIRED);
}

/// Signs when it is told to.
struct Token(Arc<Notify>);

impl Answers for Token {
    fn questions(&self) -> Questions {
        Questions::none().and_signature()
    }

    async fn sign(&self, question: Sign) -> Answer {
        self.0.notified().await;
        question.sign_with_local_key()
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_its_time_stops_nothing() {
    let touched = Arc::new(Notify::new());
    let connector = connector(true).answers(Token(touched.clone()));
    let (client, mut server) = connected(connector, optional(), 0).await;
    let client = tokio::spawn(echo(client));
    let late = server.authenticate_client(Duration::from_millis(50)).await;
    assert!(late.unwrap_err().is_timeout());
    let pending = server.request_client_certificate().unwrap();
    for _ in 0..3 {
        ask(&mut server, b"hello").await;
    }
    // Longer than anything is sent again for.
    tokio::time::sleep(Duration::from_secs(50)).await;
    touched.notify_waiters();
    assert!(is_ours(&pending.await.unwrap()));
    drop(server);
    let _ = client.await.unwrap();
}

/// Counts what it signs.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Answers for Counting {
    fn questions(&self) -> Questions {
        Questions::none().and_signature()
    }

    async fn sign(&self, question: Sign) -> Answer {
        self.0.fetch_add(1, Ordering::Relaxed);
        question.sign_with_local_key()
    }
}

/// What cannot be answered any more is not begun: nobody is asked for a PIN for nothing.
#[tokio::test(start_paused = true)]
async fn who_has_closed_signs_nothing() {
    let signed = Counting::default();
    for (has_closed, is_gone) in [(true, false), (false, true), (false, false)] {
        let connector = connector(true).answers(signed.clone());
        let (client, server) = connected(connector, optional(), 0).await;
        assert_eq!(signed.0.load(Ordering::Relaxed), 0);
        // It is on its way when the client closes.
        let pending = server.request_client_certificate().unwrap();
        let (receiver, sender) = client.into_split();
        if has_closed {
            sender.close_notify();
        }
        let halves = Some((receiver, sender)).filter(|_| !is_gone);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let is_open = !has_closed && !is_gone;
        assert_eq!(pending.await.is_ok(), is_open);
        let expected = if is_open { 1 } else { 0 };
        assert_eq!(signed.0.load(Ordering::Relaxed), expected);
        drop(halves);
    }
}

/// Chooses when it is told to, and counts what it signs then.
#[derive(Clone, Default)]
struct Slow(Arc<Notify>, Counting);

impl Answers for Slow {
    fn questions(&self) -> Questions {
        Questions::none().and_identity().and_signature()
    }

    async fn choose_identity(&self, question: ChooseIdentity) -> Answer {
        self.0.notified().await;
        question.present(pki().client.clone())
    }

    async fn sign(&self, question: Sign) -> Answer {
        self.1.sign(question).await
    }
}

/// Nor is it gone on with.
#[tokio::test(start_paused = true)]
async fn who_closes_meanwhile_signs_nothing() {
    for has_closed in [true, false] {
        let slow = Slow::default();
        let connector = connector(false).answers(slow.clone());
        let (client, server) = connected(connector, optional(), 0).await;
        let pending = server.request_client_certificate().unwrap();
        let (receiver, sender) = client.into_split();
        tokio::time::sleep(Duration::from_secs(1)).await;
        if has_closed {
            sender.close_notify();
        }
        slow.0.notify_waiters();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let signed = slow.1.0.load(Ordering::Relaxed);
        assert_eq!(signed, usize::from(!has_closed));
        assert_eq!(pending.await.is_ok(), !has_closed);
        drop((receiver, sender));
    }
}

/// A transport that holds a datagram back, once it is told to, and sends it with the next one, in one.
struct Joining {
    end: End,
    joins: Arc<AtomicBool>,
    held: Mutex<Vec<u8>>,
}

impl DatagramTransport for Joining {
    fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.end.poll_recv(cx, buf)
    }

    fn try_send(&self, datagram: &[u8]) -> io::Result<()> {
        let mut held = self.held.lock().unwrap();
        held.extend(datagram);
        match self.joins.swap(false, Ordering::Relaxed) {
            true => Ok(()),
            false => self.end.try_send(&std::mem::take(&mut *held)),
        }
    }

    fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end.poll_send_ready(cx)
    }
}

/// Nor is what comes with the end, in one datagram: nobody reads the answer.
#[tokio::test(start_paused = true)]
async fn who_is_left_signs_nothing() {
    for leaves in [true, false] {
        let signed = Counting::default();
        let dtls = DtlsConnector::new(connector(true).answers(signed.clone()));
        let (near, end) = link(64);
        let joins = Arc::new(AtomicBool::new(false));
        let far = Joining {
            end,
            joins: Arc::clone(&joins),
            held: Mutex::default(),
        };
        let acceptor = DtlsAcceptor::new(optional());
        let (client, server) = tokio::join!(dtls.upgrade(near, name()), acceptor.accept(far));
        let (client, (receiver, sender)) = (client.unwrap(), server.unwrap().into_split());
        // What is said of the handshake and for tickets is over.
        tokio::time::sleep(Duration::from_secs(5)).await;
        joins.store(true, Ordering::Relaxed);
        let _pending = sender.request_client_certificate().unwrap();
        // Before the request is said again.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!joins.load(Ordering::Relaxed));
        match leaves {
            true => sender.close_notify(),
            false => sender.send(&[b"and more"]).await.unwrap(),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        let signed = signed.0.load(Ordering::Relaxed);
        assert_eq!(signed, usize::from(!leaves));
        drop((client, receiver, sender));
    }
}

/// Panics when it is asked, but not at once.
struct Broken;

impl Answers for Broken {
    fn questions(&self) -> Questions {
        Questions::none().and_chain()
    }

    async fn verify_chain(&self, _: VerifyChain) -> Answer {
        tokio::task::yield_now().await;
        panic!("the judge is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_when_there_is_no_answer() {
    let (client, mut server) = connected(connector(true), optional().answers(Broken), 0).await;
    let client = tokio::spawn(echo(client));
    let error = server.authenticate_client(LIMIT).await.unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    ask(&mut server, b"hello").await;
    drop(server);
    client.await.unwrap().unwrap();

    // The client goes.
    let touched = Arc::new(Notify::new());
    let token = connector(true).answers(Token(touched));
    let (client, server) = connected(token, optional(), 0).await;
    let pending = server.request_client_certificate().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(client);
    assert!(pending.await.unwrap_err().is_closed());
    // So does the server.
    let (_client, server) = connected(connector(true), optional(), 0).await;
    let (receiver, sender) = server.into_split();
    let pending = sender.request_client_certificate().unwrap();
    drop((receiver, sender));
    assert!(pending.await.unwrap_err().is_closed());
}

#[tokio::test(start_paused = true)]
async fn who_may_not_ask_is_told_why() {
    let misuse = |error: Error| {
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        error.to_string()
    };
    let (client, server) = connected(connector(true), optional(), 0).await;
    let why = misuse(client.request_client_certificate().unwrap_err());
    assert!(why.contains("the server asks"), "{why}");
    let (_receiver, sender) = server.into_split();
    sender.close_notify();
    assert!(sender.request_client_certificate().unwrap_err().is_closed());

    let plain = TlsConnector::new(client_config());
    let (_client, server) = connected(plain, optional(), 0).await;
    let why = misuse(server.request_client_certificate().unwrap_err());
    assert!(why.contains("not offered"), "{why}");

    let older = client_config()
        .to_builder()
        .versions([ProtocolVersion::TLS_1_2]);
    let older = TlsConnector::new(older.build().unwrap()).without_resumption();
    let (_client, server) = connected(older, optional(), 0).await;
    assert_eq!(server.information().version(), ProtocolVersion::DTLS_1_2);
    let why = misuse(server.request_client_certificate().unwrap_err());
    assert!(why.contains("before DTLSv1.3"), "{why}");
}
