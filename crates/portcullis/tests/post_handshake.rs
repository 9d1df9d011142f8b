//! Authentication after the handshake (RFC 8446 §4.6.2): streams, halves and active delivery.

mod ends;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use portcullis::question::{Answer, ChooseIdentity, Sign, VerifyChain};
use portcullis::{
    Active, Answers, ClientAuthentication, ClientCertificate, Error, MemorySessionStore, Message,
    ProtocolVersion, Questions, TlsAcceptor, TlsConnector, TlsStream,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::Notify;
use tokio::time::timeout;

use ends::{client_config, name, pki, server_config};

type Stream = TlsStream<DuplexStream>;

fn connector(has_identity: bool) -> TlsConnector {
    let mut client = client_config().to_builder().alpn(["http/1.1", "h2"]);
    if has_identity {
        client = client.identity(pki().client.clone());
    }
    let client = client.post_handshake_authentication(true).build().unwrap();
    TlsConnector::new(client).without_resumption()
}

fn acceptor(clients: ClientAuthentication, protocol: &str) -> TlsAcceptor {
    let server = server_config().to_builder().alpn([protocol]);
    let server = server
        .client_authentication(clients)
        .post_handshake_authentication(true);
    TlsAcceptor::new(server.build().unwrap())
}

fn optional() -> TlsAcceptor {
    acceptor(
        ClientAuthentication::Optional(pki().roots.clone()),
        "http/1.1",
    )
}

async fn connected(connector: &TlsConnector, acceptor: &TlsAcceptor) -> (Stream, Stream) {
    // Small, so that nothing goes through at once.
    let (client, server) = duplex(1_000);
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    (client.unwrap(), server.unwrap())
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future)
        .await
        .expect("it hangs")
}

fn is_ours(shown: &ClientCertificate) -> bool {
    match shown {
        ClientCertificate::Presented(chain) => chain.chain().certificates() == pki().client.chain(),
        _ => false,
    }
}

/// A client that says what it hears, to its end.
fn echo(mut client: Stream) -> tokio::task::JoinHandle<Result<(), std::io::Error>> {
    tokio::spawn(async move {
        let mut line = [0; 5];
        while client.read_exact(&mut line).await.is_ok() {
            client.write_all(&line).await?;
            client.flush().await?;
        }
        client.shutdown().await
    })
}

#[tokio::test]
async fn a_server_asks_while_data_flows() {
    let (client, mut server) = connected(&connector(true), &optional()).await;
    let client = echo(client);
    let first = server.request_client_certificate().unwrap();
    let second = server.request_client_certificate().unwrap();
    server.send(&[b"hello"]).await.unwrap();
    let mut line = [0; 5];
    soon(server.read_exact(&mut line)).await.unwrap();
    // The answers stood before the data, or come with what follows.
    server.send(&[b"again"]).await.unwrap();
    soon(server.read_exact(&mut line)).await.unwrap();
    assert_eq!(&line, b"again");
    assert!(is_ours(&soon(first).await.unwrap()));
    assert!(is_ours(&soon(second).await.unwrap()));
    let third = soon(server.authenticate_client(Duration::from_secs(20))).await;
    assert!(is_ours(&third.unwrap()));
    server.shutdown().await.unwrap();
    soon(client).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_comes_before_the_answer_is_kept() {
    let (mut client, mut server) = connected(&connector(false), &optional()).await;
    client.send(&[b"early"]).await.unwrap();
    let client = echo(client);
    let shown = soon(server.authenticate_client(Duration::from_secs(20))).await;
    assert!(matches!(shown, Ok(ClientCertificate::Declined)));
    assert_eq!(&soon(server.recv(5)).await.unwrap()[..], b"early");
    drop(server);
    let _ = soon(client).await.unwrap();
}

#[tokio::test]
async fn a_client_that_has_to_show_one_is_told() {
    let required = ClientAuthentication::Required(pki().roots.clone());
    let (mut client, mut server) =
        connected(&connector(false), &acceptor(required, "http/1.1")).await;
    let reading = tokio::spawn(async move { client.recv(1).await.unwrap_err() });
    let error = soon(server.authenticate_client(Duration::from_secs(20)))
        .await
        .unwrap_err();
    assert_eq!(
        error.violation(),
        Some(portcullis::Violation::NoClientCertificate)
    );
    // Reading says the same, and has the alert sent.
    let again = soon(server.recv(1)).await.unwrap_err();
    assert_eq!(again.violation(), error.violation());
    let (_, alert) = soon(reading).await.unwrap().alert().unwrap();
    assert_eq!(alert, portcullis::AlertDescription::CERTIFICATE_REQUIRED);
}

#[tokio::test]
async fn halves_ask_and_answer() {
    let (client, server) = connected(&connector(true), &optional()).await;
    let (mut reading, mut writing) = client.into_split();
    let client = tokio::spawn(async move {
        let serving = tokio::spawn(async move { writing.serve().await });
        let end = reading.recv(1).await;
        serving.abort();
        end
    });
    let (mut reading, mut writing) = server.into_split();
    let pending = writing.request_client_certificate().unwrap();
    writing.flush().await.unwrap();
    let reading = tokio::spawn(async move { reading.recv(1).await });
    assert!(is_ours(&soon(pending).await.unwrap()));
    // Who waits hears when nothing more is read.
    let pending = writing.request_client_certificate().unwrap();
    reading.abort();
    assert!(soon(pending).await.unwrap_err().is_closed());
    drop(writing);
    let _ = soon(client).await.unwrap();
}

#[tokio::test]
async fn active_delivery_completes_it() {
    let (client, server) = connected(&connector(true), &optional()).await;
    let client = echo(client);
    let mut messages = server.into_active(Active::True);
    let pending = messages.get_mut().request_client_certificate().unwrap();
    messages.get_mut().send(&[b"hello"]).await.unwrap();
    let message = soon(messages.next()).await;
    assert!(
        matches!(&message, Some(Message::Data(data)) if &data[..] == b"hello"),
        "{message:?}"
    );
    messages.get_mut().send(&[b"again"]).await.unwrap();
    soon(messages.next()).await;
    assert!(is_ours(&soon(pending).await.unwrap()));
    drop(messages);
    let _ = soon(client).await.unwrap();
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

#[tokio::test]
async fn an_answer_that_takes_its_time_stops_nothing() {
    let touched = Arc::new(Notify::new());
    let connector = connector(true).answers(Token(touched.clone()));
    let (client, mut server) = connected(&connector, &optional()).await;
    let client = echo(client);
    let pending = server.request_client_certificate().unwrap();
    for _ in 0..3 {
        server.send(&[b"hello"]).await.unwrap();
        assert_eq!(&soon(server.recv(5)).await.unwrap()[..], b"hello");
    }
    // The client has nothing to say by now, and only its reading waits.
    touched.notify_one();
    let reading = tokio::spawn(async move {
        let end = server.recv(1).await;
        (server, end)
    });
    assert!(is_ours(&soon(pending).await.unwrap()));
    reading.abort();
    client.abort();
}

#[tokio::test]
async fn a_late_answer_is_for_nobody() {
    let touched = Arc::new(Notify::new());
    let connector = connector(true).answers(Token(touched.clone()));
    let (client, mut server) = connected(&connector, &optional()).await;
    let client = echo(client);
    let late = server.authenticate_client(Duration::from_millis(50)).await;
    assert!(late.unwrap_err().is_timeout());
    touched.notify_one();
    server.send(&[b"hello"]).await.unwrap();
    assert_eq!(&soon(server.recv(5)).await.unwrap()[..], b"hello");
    drop(server);
    let _ = soon(client).await.unwrap();
}

/// Nobody reads the answer.
#[tokio::test]
async fn behind_the_end_of_reading_there_is_no_answer() {
    let (_client, mut server) = connected(&connector(true), &optional()).await;
    server.shutdown_read();
    let error = server.authenticate_client(Duration::from_secs(20)).await;
    assert!(error.unwrap_err().is_closed());
    server.send(&[b"still"]).await.unwrap();
}

/// Panics when it is asked, but not at once.
struct Broken(Questions);

impl Answers for Broken {
    fn questions(&self) -> Questions {
        self.0
    }

    async fn sign(&self, _: Sign) -> Answer {
        tokio::task::yield_now().await;
        panic!("the token is gone");
    }

    async fn verify_chain(&self, _: VerifyChain) -> Answer {
        tokio::task::yield_now().await;
        panic!("the judge is gone");
    }
}

#[tokio::test]
async fn who_waits_is_told_when_an_answer_panics() {
    // The client's: it shows none.
    let token = Broken(Questions::none().and_signature());
    let broken = connector(true).answers(token);
    let (client, mut server) = connected(&broken, &optional()).await;
    let client = echo(client);
    let shown = soon(server.authenticate_client(Duration::from_secs(600))).await;
    assert!(
        matches!(shown, Ok(ClientCertificate::Declined)),
        "{shown:?}"
    );
    server.send(&[b"hello"]).await.unwrap();
    assert_eq!(&soon(server.recv(5)).await.unwrap()[..], b"hello");
    drop(server);
    let _ = soon(client).await.unwrap();

    // The server's: the certificate is as good as unseen, and the connection goes on.
    let judge = Broken(Questions::none().and_chain());
    let broken = optional().answers(judge);
    let (client, mut server) = connected(&connector(true), &broken).await;
    let client = echo(client);
    let shown = soon(server.authenticate_client(Duration::from_secs(600))).await;
    let error = shown.unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    server.send(&[b"hello"]).await.unwrap();
    assert_eq!(&soon(server.recv(5)).await.unwrap()[..], b"hello");
    drop(server);
    let _ = soon(client).await.unwrap();
}

#[tokio::test]
async fn behind_close_notify_nobody_is_asked() {
    let (_client, mut server) = connected(&connector(true), &optional()).await;
    soon(server.shutdown()).await.unwrap();
    assert!(server.request_client_certificate().unwrap_err().is_closed());
    let (_client, server) = connected(&connector(true), &optional()).await;
    let (_read, mut write) = server.into_split();
    soon(write.shutdown()).await.unwrap();
    assert!(write.request_client_certificate().unwrap_err().is_closed());
}

/// Counts what is signed.
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

/// The server goes while somebody chooses: nobody signs for nothing.
#[tokio::test]
async fn who_is_left_meanwhile_signs_nothing() {
    for is_left in [true, false] {
        let slow = Slow::default();
        let connector = connector(false).answers(slow.clone());
        let (client, mut server) = connected(&connector, &optional()).await;
        let pending = server.request_client_certificate().unwrap();
        server.send(&[b"hello"]).await.unwrap();
        let (mut read, mut write) = client.into_split();
        assert_eq!(&soon(read.recv(5)).await.unwrap()[..], b"hello");
        let reading = tokio::spawn(async move { read.recv(1).await });
        if is_left {
            drop(server);
            let _end = soon(reading).await;
            slow.0.notify_one();
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(pending.await.is_err());
        } else {
            let serving = tokio::spawn(async move { write.serve().await });
            let heard = tokio::spawn(async move { server.recv(1).await });
            slow.0.notify_one();
            assert!(is_ours(&soon(pending).await.unwrap()));
            reading.abort();
            serving.abort();
            heard.abort();
        }
        let signed = slow.1.0.load(Ordering::Relaxed);
        assert_eq!(signed, usize::from(!is_left));
    }
}

/// A server that says nothing more itself reads the answer all the same.
#[tokio::test]
async fn a_server_that_has_closed_hears_the_answer() {
    let (client, server) = connected(&connector(true), &optional()).await;
    let (mut read, mut write) = server.into_split();
    let pending = write.request_client_certificate().unwrap();
    write.send(&[b"hello"]).await.unwrap();
    soon(write.shutdown()).await.unwrap();
    let client = echo(client);
    let reading =
        tokio::spawn(
            async move { while read.recv(5).await.is_ok_and(|heard| !heard.is_empty()) {} },
        );
    assert!(is_ours(&soon(pending).await.unwrap()));
    soon(reading).await.unwrap();
    let _ = soon(client).await.unwrap();
}

/// The request is on its way when the client closes and reads on: its stream, and in halves.
#[tokio::test]
async fn who_has_closed_signs_nothing() {
    for (has_closed, in_halves) in [(true, false), (true, true), (false, false), (false, true)] {
        let signed = Counting::default();
        let connector = connector(true).answers(signed.clone());
        let (mut client, mut server) = connected(&connector, &optional()).await;
        let pending = server.request_client_certificate().unwrap();
        server.send(&[b"hello"]).await.unwrap();
        let read = tokio::spawn(async move {
            if in_halves {
                let (mut read, mut write) = client.into_split();
                if has_closed {
                    write.shutdown().await.unwrap();
                }
                let serving = tokio::spawn(async move { write.serve().await });
                assert_eq!(&read.recv(5).await.unwrap()[..], b"hello");
                let _end = read.recv(1).await;
                serving.abort();
            } else {
                if has_closed {
                    client.shutdown().await.unwrap();
                }
                assert_eq!(&client.recv(5).await.unwrap()[..], b"hello");
                let _end = client.recv(1).await;
            }
        });
        let serving = tokio::spawn(async move {
            // To the client's end, or until it has answered.
            let _end = server.recv(1).await;
            server
        });
        assert_eq!(soon(pending).await.is_ok(), !has_closed, "{in_halves}");
        // The server goes, so that the client has read all that there was.
        serving.abort();
        drop(serving.await);
        soon(read).await.unwrap();
        assert_eq!(signed.0.load(Ordering::Relaxed), usize::from(!has_closed));
    }
}

#[tokio::test]
async fn who_may_not_ask_is_told_why() {
    let misuse = |error: Error| {
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        error.to_string()
    };
    let clients = || ClientAuthentication::Optional(pki().roots.clone());
    let (mut client, mut server) = connected(&connector(true), &acceptor(clients(), "h2")).await;
    let why = misuse(server.request_client_certificate().unwrap_err());
    assert!(why.contains("HTTP/2"), "{why}");
    let why = misuse(client.request_client_certificate().unwrap_err());
    assert!(why.contains("not offered"), "{why}");

    let older = client_config()
        .to_builder()
        .versions([ProtocolVersion::TLS_1_2]);
    let older = TlsConnector::new(older.build().unwrap()).without_resumption();
    let versions = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let server = server_config().to_builder().versions(versions);
    let server = server
        .client_authentication(clients())
        .post_handshake_authentication(true);
    let acceptor = TlsAcceptor::new(server.build().unwrap());
    let (_client, mut server) = connected(&older, &acceptor).await;
    let why = misuse(server.request_client_certificate().unwrap_err());
    assert!(
        why.contains("in each handshake, or in none") && why.contains("`renegotiate`"),
        "{why}"
    );
}

#[tokio::test]
async fn the_next_connection_is_that_of_the_client_that_has_authenticated() {
    let store = Arc::new(MemorySessionStore::new(100));
    let connector = {
        let client = client_config().to_builder().identity(pki().client.clone());
        let client = client.post_handshake_authentication(true).build().unwrap();
        TlsConnector::new(client).session_store(store)
    };
    let server = server_config().to_builder();
    let server = server
        .client_authentication(ClientAuthentication::Optional(pki().roots.clone()))
        .post_handshake_authentication(true)
        .ticket_count(1);
    let acceptor = TlsAcceptor::new(server.build().unwrap());
    let (client, mut server) = connected(&connector, &acceptor).await;
    let client = echo(client);
    let shown = soon(server.authenticate_client(Duration::from_secs(20))).await;
    assert!(is_ours(&shown.unwrap()));
    server.send(&[b"hello"]).await.unwrap();
    soon(server.recv(5)).await.unwrap();
    server.shutdown().await.unwrap();
    soon(client).await.unwrap().unwrap();
    // Of the two tickets one is from before; the newest is offered.
    let mut shown = Vec::new();
    for _ in 0..2 {
        let (_client, server) = connected(&connector, &acceptor).await;
        assert!(server.is_resumed());
        shown.push(server.peer_certificates().len());
    }
    assert!(shown.contains(&1), "{shown:?}");
}
