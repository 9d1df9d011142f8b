//! Handshakes: answers, pauses, failures, timeouts.

mod ends;

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use ends::*;
use portcullis::answers::{self, Answers, Questions};
use portcullis::question::{Answer, ChooseConfiguration, ReviewServerHello, Sign};
use portcullis::x509::CertificateError;
use portcullis::{
    AlertDescription, ClientAuthentication, ClientConfig, Direction, Identity, Reason, Refusal,
    ServerConfig, ServerName, Stage, TlsAcceptor, TlsConnector,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf, duplex};

fn other_name() -> ServerName<'static> {
    ServerName::try_from("other.example").unwrap()
}

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
    let alert = client.unwrap_err().error().alert();
    assert_eq!(
        alert,
        Some((Direction::Received, AlertDescription::UNRECOGNIZED_NAME))
    );
    assert!(matches!(
        server.unwrap_err().error().reason(),
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
                    failed.error().alert(),
                    Some((Direction::Sent, AlertDescription::INTERNAL_ERROR))
                );
            }
        }
    }
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
    assert!(server.error().is_timeout());
    assert_eq!(server.error().stage(), Stage::Signing);
    assert_eq!(
        client.unwrap_err().error().alert(),
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

#[tokio::test]
async fn a_server_pauses_at_the_hello_and_goes_on_or_not() {
    let (connector, acceptor) = (connector(), acceptor());
    for action in ["proceed", "continue", "cancel", "refuse", "drop"] {
        let (client, server) = duplex(64 * 1024);
        let serve = async {
            let paused = acceptor.pause_at_hello(server).await.unwrap();
            assert_eq!(paused.client_hello().server_name(), Some("localhost"));
            assert!(
                paused
                    .client_hello()
                    .alpn_protocols()
                    .eq([&b"h2"[..], b"echo"])
            );
            match action {
                "proceed" => paused.proceed().await.is_ok(),
                "continue" => {
                    let config = ServerConfig::builder()
                        .identity(pki().server.clone())
                        .alpn(["h2"])
                        .build()
                        .unwrap();
                    let stream = paused.continue_with(config).await.unwrap();
                    assert_eq!(stream.alpn_protocol(), Some(&b"h2"[..]));
                    true
                }
                "cancel" => paused.cancel().await.is_none(),
                "refuse" => {
                    let refusal = Refusal::new(AlertDescription::ACCESS_DENIED, "not you");
                    paused.refuse(refusal).await.error().alert().is_none()
                }
                _ => false,
            }
        };
        let (client, ok) = tokio::join!(connector.upgrade(client, name()), serve);
        match client {
            Ok(_) => assert!(ok),
            Err(failed) => {
                let expected = if action == "refuse" {
                    AlertDescription::ACCESS_DENIED
                } else {
                    AlertDescription::USER_CANCELED
                };
                assert_eq!(
                    failed.error().alert(),
                    Some((Direction::Received, expected)),
                    "{action}"
                );
                assert!(!ok);
            }
        }
    }
}

/// A transport that has everything at once, and tells how much of it was taken.
struct Eager<'a> {
    bytes: &'a [u8],
    taken: Arc<AtomicUsize>,
}

impl AsyncRead for Eager<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (taken, rest) = self.bytes.split_at(self.bytes.len().min(buf.remaining()));
        buf.put_slice(taken);
        self.taken.fetch_add(taken.len(), Ordering::Relaxed);
        self.bytes = rest;
        Poll::Ready(Ok(()))
    }
}

/// While somebody thinks about a hello, whatever the client had sent behind it would be held.
#[tokio::test]
async fn a_server_holds_a_record_at_most_behind_a_hello_that_is_not_answered() {
    let (client, mut hello_end) = duplex(64 * 1024);
    let mut bytes = vec![0; 64 * 1024];
    let length = {
        let connector = connector();
        let connecting = connector.upgrade(client, name());
        let reading = hello_end.read(&mut bytes);
        tokio::select! {
            _ = connecting => panic!("nobody answers"),
            length = reading => length.unwrap(),
        }
    };
    bytes.truncate(length);
    bytes.resize(length + 256 * 1024, 0x17);
    let taken = Arc::new(AtomicUsize::new(0));
    let eager = Eager {
        bytes: &bytes,
        taken: taken.clone(),
    };
    let transport = tokio::io::join(eager, tokio::io::sink());
    let paused = acceptor().pause_at_hello(transport).await.unwrap();
    assert_eq!(paused.client_hello().server_name(), Some("localhost"));
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken <= 5 + 16_384 + 256, "{taken}");
}

#[tokio::test]
async fn a_client_pauses_at_the_hello_and_goes_on_or_not() {
    let (connector, acceptor) = (connector(), acceptor());
    for action in ["proceed", "continue", "cancel"] {
        let (client, server) = duplex(64 * 1024);
        let connect = async {
            let paused = connector.pause_at_hello(client, name()).await.unwrap();
            let _ = paused.server_hello();
            match action {
                "proceed" => paused.proceed().await.is_ok(),
                "continue" => {
                    let config = client_config()
                        .to_builder()
                        .identity(pki().client.clone())
                        .build()
                        .unwrap();
                    paused.continue_with(config).await.is_ok()
                }
                _ => paused.cancel().await.is_none(),
            }
        };
        let (ok, server) = tokio::join!(connect, acceptor.upgrade(server));
        match server {
            Ok(_) => assert!(ok),
            Err(failed) => {
                assert_eq!(
                    failed.error().alert(),
                    Some((Direction::Received, AlertDescription::USER_CANCELED))
                );
                assert!(!ok);
            }
        }
    }
}

#[tokio::test]
async fn bytes_read_before_are_the_start_of_the_handshake() {
    let (connector, acceptor) = (connector(), acceptor());
    for length in [1, 5, 100, 2000] {
        let (client, mut server) = duplex(64 * 1024);
        let serve = async {
            let mut prefix = vec![0; length];
            let length = server.read(&mut prefix).await.unwrap();
            prefix.truncate(length);
            acceptor
                .upgrade_with_prefix(server, Bytes::from(prefix))
                .await
        };
        let (client, server) = tokio::join!(connector.upgrade(client, name()), serve);
        client.unwrap();
        server.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn plain_http_is_named_and_answered_or_handed_back() {
    for fallback in [false, true] {
        let acceptor = acceptor().plaintext_fallback(fallback);
        let (mut client, server) = duplex(64 * 1024);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let (error, transport, unread) = acceptor.upgrade(server).await.unwrap_err().into_parts();
        assert!(error.is_not_tls());
        assert!(error.to_string().contains("plain HTTP"), "{error}");
        assert_eq!(unread, b"GET / HTTP/1.1\r\n\r\n");
        let mut transport = transport.unwrap();
        if fallback {
            transport
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .unwrap();
        }
        drop(transport);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        if fallback {
            assert_eq!(answer, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        } else {
            assert_eq!(answer, [21, 3, 3, 0, 2, 2, 10]);
        }
    }
}

#[tokio::test]
async fn the_alert_of_a_failed_handshake_arrives_over_tcp() {
    let connector = TlsConnector::new(
        ClientConfig::builder(pki().roots.clone())
            .alpn(["none"])
            .build()
            .unwrap(),
    );
    let acceptor = acceptor();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(connector.connect(address, name()), async {
        let (io, _) = listener.accept().await.unwrap();
        acceptor
            .accept(io)
            .await
            .map(drop)
            .map_err(portcullis::Error::from)
    });
    assert_eq!(
        client.unwrap_err().alert(),
        Some((
            Direction::Received,
            AlertDescription::NO_APPLICATION_PROTOCOL
        ))
    );
    assert_eq!(
        server.unwrap_err().alert(),
        Some((Direction::Sent, AlertDescription::NO_APPLICATION_PROTOCOL))
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_times_out_in_both_roles() {
    let start = tokio::time::Instant::now();
    let (mut client, server) = duplex(1024);
    client.write_all(&[22]).await.unwrap();
    let failed = acceptor().upgrade(server).await.unwrap_err();
    assert!(failed.error().is_timeout() && !failed.error().is_silent_peer());
    assert_eq!(io::Error::from(failed).kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), 10, "the default");

    let (client, _server) = duplex(64 * 1024);
    let failed = connector()
        .handshake_timeout(Duration::from_secs(2))
        .upgrade(client, name())
        .await
        .unwrap_err();
    assert!(failed.error().is_timeout());
    assert_eq!(failed.error().stage(), Stage::WaitServerHello);

    // A transport that takes nothing.
    let (client, _server) = duplex(16);
    let failed = connector().upgrade(client, name()).await.unwrap_err();
    assert!(failed.error().is_timeout());
}

#[tokio::test(start_paused = true)]
async fn no_timeout_means_at_once_and_none_is_too_long() {
    for timeout in [Duration::ZERO, Duration::MAX] {
        let start = tokio::time::Instant::now();
        let (_client, server) = duplex(1024);
        let acceptor = acceptor()
            .handshake_timeout(timeout)
            .first_byte_timeout(timeout)
            .alert_timeout(timeout);
        let failed = acceptor.upgrade(server).await.unwrap_err();
        assert!(failed.error().is_timeout());
        let elapsed = start.elapsed();
        if timeout.is_zero() {
            assert!(elapsed < Duration::from_millis(10), "{elapsed:?}");
        } else {
            assert!(elapsed > Duration::from_secs(86_400), "{elapsed:?}");
        }
    }
    // What can be done at once does not time out, and the longest timeout does not overflow.
    let (client, server) = duplex(64 * 1024);
    let (connector, acceptor) = (
        connector().handshake_timeout(Duration::MAX),
        acceptor().handshake_timeout(Duration::MAX),
    );
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    client.unwrap();
    server.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_alert_waits_for_its_reader_no_longer_than_told() {
    for (timeout, seconds) in [(None, 5), (Some(2), 2), (Some(0), 0)] {
        // The alert has 7 bytes, and nobody reads them.
        let (mut client, server) = duplex(4);
        let client = tokio::spawn(async move {
            // Ends with the transport.
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await
        });
        let acceptor = match timeout {
            Some(seconds) => acceptor().alert_timeout(Duration::from_secs(seconds)),
            None => acceptor(),
        };
        let start = tokio::time::Instant::now();
        let failed = acceptor.upgrade(server).await.unwrap_err();
        assert!(failed.error().is_not_tls());
        assert_eq!(start.elapsed().as_secs(), seconds);
        drop(failed);
        assert!(client.await.unwrap().is_err());
    }
}

/// Linux lets a connection wait without an answer when the backlog is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_timeout_covers_the_connection() {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let waiting: Vec<_> = std::iter::from_fn(|| connect().ok()).take(100).collect();
    assert!(waiting.len() < 100);

    let start = std::time::Instant::now();
    let connector = connector().handshake_timeout(Duration::from_millis(300));
    let error = connector.connect(address, name()).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.stage(), Stage::Start);
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// Who says nothing has less time than who says something, unless it has said it before.
#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_has_three_seconds() {
    for (limit, seconds) in [(None, 3), (Some(1), 1), (Some(60), 10)] {
        let acceptor = match limit {
            Some(limit) => acceptor().first_byte_timeout(Duration::from_secs(limit)),
            None => acceptor(),
        };
        let start = tokio::time::Instant::now();
        let (mut client, server) = duplex(1024);
        let error = acceptor.upgrade(server).await.unwrap_err().into_parts().0;
        assert_eq!(start.elapsed().as_secs(), seconds);
        assert!(error.is_timeout(), "{error}");
        assert_eq!(error.is_silent_peer(), limit != Some(60));
        assert_eq!(error.stage(), Stage::WaitClientHello);
        if limit.is_none() {
            assert_eq!(
                error.to_string(),
                "timed out: the client sent nothing within 3s (`first_byte_timeout`)"
            );
        }
        let mut alert = [0; 7];
        client.read_exact(&mut alert).await.unwrap();
        assert_eq!(alert[6], 90, "user_canceled");

        let start = tokio::time::Instant::now();
        let (_client, server) = duplex(1024);
        let prefix = Bytes::from_static(&[22]);
        let failed = acceptor.upgrade_with_prefix(server, prefix).await;
        assert!(!failed.unwrap_err().error().is_silent_peer());
        assert_eq!(start.elapsed().as_secs(), 10);

        let start = tokio::time::Instant::now();
        let (_client, server) = duplex(1024);
        acceptor.pause_at_hello(server).await.unwrap_err();
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    // Who may not speak TLS is sent nothing.
    let (client, server) = duplex(1024);
    let acceptor = acceptor().plaintext_fallback(true);
    let (error, transport, _) = acceptor.upgrade(server).await.unwrap_err().into_parts();
    assert!(error.is_silent_peer());
    transport.unwrap().write_all(b"220 hello").await.unwrap();
    let mut greeting = [0; 9];
    let mut client = client;
    client.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"220 hello");
    // A slow handshake is not cut short, nor is a pause.
    let connector = connector();
    let (client, server) = duplex(64 * 1024);
    let serve = async {
        let paused = acceptor.pause_at_hello(server).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        paused.proceed().await
    };
    let patient = connector.handshake_timeout(Duration::from_secs(100));
    let (client, server) = tokio::join!(patient.upgrade(client, name()), serve);
    client.unwrap();
    server.unwrap();
}

/// As the sequence `scan` of the reports.
#[tokio::test]
async fn a_peer_that_closes_in_the_handshake_is_told_apart() {
    for (sent, text) in [
        (
            0,
            "the client closed the connection without sending anything",
        ),
        (
            1,
            "the client closed the connection after 1 byte, within its first message",
        ),
        (
            8,
            "the client closed the connection after 8 bytes, within its first message",
        ),
    ] {
        let (mut client, server) = duplex(1024);
        let start = [22, 3, 1, 2, 0, 1, 0, 1];
        client.write_all(&start[..sent]).await.unwrap();
        drop(client);
        let failed = acceptor().upgrade(server).await.unwrap_err();
        let error = failed.error();
        assert_eq!(
            error.to_string(),
            format!("{text}, while waiting for ClientHello")
        );
        assert!(error.is_closed_in_handshake() && !error.is_truncated());
        assert_eq!(error.is_silent_peer(), sent == 0);
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
    // After the server's flight.
    let (client, mut relayed) = duplex(64 * 1024);
    let (mut relay, server) = duplex(64 * 1024);
    let (connector, acceptor) = (connector(), acceptor());
    let relaying = async {
        let mut hello = vec![0; 4_096];
        let count = relayed.read(&mut hello).await.unwrap();
        relay.write_all(&hello[..count]).await.unwrap();
        assert!(relay.read(&mut hello).await.unwrap() > 0);
        drop((relay, relayed));
    };
    let (_, server, ()) = tokio::join!(
        connector.upgrade(client, name()),
        acceptor.upgrade(server),
        relaying
    );
    let error = server.unwrap_err().into_parts().0;
    assert_eq!(
        error.to_string(),
        "the client closed the connection in the handshake, after its client_hello, while waiting \
         for Finished"
    );
    assert!(error.is_closed_in_handshake() && !error.is_silent_peer());

    // A server that takes the hello and goes.
    let (client, mut server) = duplex(64 * 1024);
    let taken = async {
        assert!(server.read(&mut [0; 4_096]).await.unwrap() > 0);
        drop(server);
    };
    let (client, ()) = tokio::join!(connector.upgrade(client, name()), taken);
    let error = client.unwrap_err().into_parts().0;
    assert_eq!(
        error.to_string(),
        "the server closed the connection without sending anything, while waiting for ServerHello"
    );
}

/// Some health checks reset.
#[tokio::test]
async fn a_client_that_resets_at_once_has_said_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let client = socket2::Socket::from(client);
    client.set_linger(Some(Duration::ZERO)).unwrap();
    let (io, _) = listener.accept().await.unwrap();
    drop(client);
    let failed = acceptor().accept(io).await.unwrap_err();
    assert!(failed.error().is_silent_peer(), "{failed}");
}

#[tokio::test]
async fn secrets_are_logged_when_asked_for_even_if_the_handshake_fails() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let log =
        move |line: &portcullis::KeyLogLine| sink.lock().unwrap().push(line.to_line().to_string());
    // The client does not trust the server: handshake secrets are there, and no more.
    let connector = TlsConnector::new(client_config()).key_log(log);
    let acceptor = acceptor();
    let (client, server) = duplex(64 * 1024);
    let (client, _server) = tokio::join!(
        connector.upgrade(client, other_name()),
        acceptor.upgrade(server)
    );
    assert!(matches!(
        client.unwrap_err().error().reason(),
        Some(Reason::Certificate(_))
    ));
    let lines = lines.lock().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("CLIENT_HANDSHAKE_TRAFFIC_SECRET ")),
        "{}",
        lines.len()
    );
    assert!(lines.iter().all(|line| line.split(' ').count() == 3));
}

#[tokio::test]
async fn a_key_log_file_gets_whole_lines() {
    let path = std::env::temp_dir().join(format!("portcullis-key-log-{}", std::process::id()));
    let connector = connector().key_log(portcullis::KeyLogFile::open(&path).unwrap());
    let acceptor = acceptor();
    let (client, server) = duplex(64 * 1024);
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    client.unwrap();
    server.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(text.lines().count() >= 4 && text.ends_with('\n'));
    assert!(
        text.lines()
            .any(|line| line.starts_with("SERVER_TRAFFIC_SECRET_0 "))
    );
}

#[tokio::test]
async fn one_byte_at_a_time() {
    let (mut client, mut server) = pair_with(1).await;
    let data = pattern(3_000);
    let buffers = [&data[..]];
    let (sent, all) = tokio::join!(client.send(&buffers), server.recv(3_000));
    sent.unwrap();
    assert_eq!(&all.unwrap()[..], data);
}
