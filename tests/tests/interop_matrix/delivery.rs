//! Active delivery of what an Erlang process sends, and plain text before and after TLS.

use futures_util::StreamExt as _;
use portcullis::{Active, ActiveStream, Message, TlsStream};
use portcullis_tests::peers::Settings;
use portcullis_tests::peers::erlang::{self, Session};
use portcullis_tests::pki::pki;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ours;

const SEVERAL: &str = r#"{send, "one"}, {send, "two"}, {send, "three"}, {send, "four"},
    {send, "five"}, {expect, "all there"}, close"#;

async fn next(stream: &mut ActiveStream<TlsStream<TcpStream>>) -> String {
    match ours::soon(stream.next()).await {
        Some(Message::Data(data)) => String::from_utf8_lossy(&data).into_owned(),
        Some(Message::Passive) => "PASSIVE".to_owned(),
        Some(Message::Closed) => "CLOSED".to_owned(),
        Some(other) => format!("{other:?}"),
        None => "NONE".to_owned(),
    }
}

/// Each message sent is a record and comes as one, with credits, one by one, and without limit.
#[tokio::test]
async fn messages_from_erlang_come_one_by_one_and_then_the_end() {
    let settings = Settings::server(&pki().ecdsa_p256);
    let session = Session {
        steps: SEVERAL,
        ..Session::default()
    };
    let (program, address) = erlang::server_session(&settings, session).await;
    let stream = ours::connect(address, ours::client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let mut stream = stream.into_active(Active::N(2));
    for expected in ["one", "two", "PASSIVE"] {
        assert_eq!(next(&mut stream).await, expected);
    }
    stream.set_active(Active::Once).expect("it is open");
    assert_eq!(next(&mut stream).await, "three");
    assert_eq!(stream.active(), Active::False);
    // What comes next is read passively.
    let received = ours::soon(stream.get_mut().recv(4)).await;
    assert_eq!(received.expect("data"), b"four"[..]);
    stream.set_active(Active::True).expect("it is open");
    assert_eq!(next(&mut stream).await, "five");
    stream.write_all(b"all there").await.expect("data");
    stream.flush().await.expect("data");
    assert_eq!(next(&mut stream).await, "CLOSED");
    assert_eq!(next(&mut stream).await, "NONE");
    drop(stream);
    erlang::finish_session(program).await;
}

#[tokio::test]
async fn messages_from_an_erlang_client_come_one_by_one_too() {
    let acceptor = ours::acceptor(ours::server(&pki().ecdsa_p256));
    let mut server = ours::Server::run(acceptor, |stream| async move {
        let mut stream = stream.into_active(Active::True);
        for expected in ["one", "two", "three", "four", "five"] {
            assert_eq!(next(&mut stream).await, expected);
        }
        stream.get_mut().send(&[b"all there"]).await?;
        assert_eq!(next(&mut stream).await, "CLOSED");
        stream.into_passive().close(ours::LIMIT).await
    })
    .await;
    let session = Session {
        steps: SEVERAL,
        ..Session::default()
    };
    let client = erlang::client_session(server.address, &Settings::client(), session);
    erlang::finish_session(client).await;
    assert!(server.served().await.end.is_ok());
}

/// STARTTLS with an Erlang server, and back to plain text.
#[tokio::test]
async fn tls_starts_and_ends_in_the_middle_of_a_connection_with_erlang() {
    let session = Session {
        plain: r#"{expect, "STARTTLS\n"}, {send, "OK\n"}"#,
        steps: r#"{expect, "secret"}, {send, "answer"}, downgrade, {expect, "plain"},
            {send, "again"}"#,
    };
    let settings = Settings::server(&pki().ecdsa_p256);
    let (program, address) = erlang::server_session(&settings, session).await;
    let mut tcp = TcpStream::connect(address).await.expect("a connection");
    tcp.write_all(b"STARTTLS\n").await.expect("it takes data");
    let mut ok = [0; 3];
    ours::soon(tcp.read_exact(&mut ok))
        .await
        .expect("an answer");
    assert_eq!(&ok, b"OK\n");

    let mut stream = ours::connector(ours::client())
        .upgrade(tcp, ours::name("localhost"))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    stream.send(&[b"secret"]).await.expect("data");
    let received = ours::soon(stream.recv(6)).await.expect("data");
    assert_eq!(received, b"answer"[..]);

    // Erlang takes the connection for lost when close_notify comes before it wants to downgrade.
    let end = ours::soon(stream.recv(0)).await.expect_err("the end");
    assert!(end.is_closed(), "{end}");
    let downgraded = ours::soon(stream.downgrade(ours::LIMIT))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(downgraded.data.is_empty() && downgraded.leftover.is_empty());
    let mut tcp = downgraded.transport;
    tcp.write_all(b"plain").await.expect("it takes data");
    let mut again = [0; 5];
    ours::soon(tcp.read_exact(&mut again))
        .await
        .expect("an answer");
    assert_eq!(&again, b"again");
    erlang::finish_session(program).await;
}
