//! close_notify from either side, and an end without it.

use portcullis_tests::peers::erlang::{self, Session};
use portcullis_tests::peers::{Message, Peer, gnutls, openssl};
use portcullis_tests::pki::pki;
use tokio::io::AsyncReadExt as _;

use super::{client, server, their_client, their_server};
use crate::ours;

const BYE: Message<'static> = Message {
    line: "that is all there is to say",
    count: 1,
};

/// A server that says something and closes at once.
async fn farewell() -> ours::Server {
    let acceptor = ours::acceptor(server(&pki().ecdsa_p256));
    ours::Server::run(acceptor, |mut stream| async move {
        stream.send(&[BYE.data().as_bytes()]).await?;
        stream.close(ours::LIMIT).await
    })
    .await
}

#[tokio::test]
async fn every_server_answers_our_close_notify() {
    for peer in Peer::ALL {
        let context = format!("our client to {peer:?}");
        let server = peer.server(&their_server(&pki().ecdsa_p256)).await;
        let mut stream = ours::connect(server.address, client())
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let answer = server.answer_to_message(&BYE);
        ours::exchange(&mut stream, BYE, &answer, &context).await;
        match ours::close(stream, &context).await {
            Ok(rest) => assert!(rest.is_empty() && peer != Peer::Erlang, "{context}"),
            // Erlang closes the transport and says nothing.
            Err(error) => assert!(
                error.is_truncated() && peer == Peer::Erlang,
                "{context}: {error}"
            ),
        }
    }
}

#[tokio::test]
async fn openssl_and_gnutls_see_our_close_notify() {
    let server = farewell().await;
    let mut client = openssl::client(server.address, &their_client());
    client.wait_for_line(BYE.line).await;
    // Otherwise `read:errno=` and, since OpenSSL 3, an error.
    client.wait_for_line("closed").await;
    let (status, output) = client.finish().await;
    assert!(
        status.success() && !output.stderr.contains(":error:"),
        "{output}"
    );

    let mut client = gnutls::client(server.address, &their_client());
    client.wait_for_line(BYE.line).await;
    client
        .wait_for_line("- Peer has closed the GnuTLS connection")
        .await;
    let (status, output) = client.finish().await;
    assert!(status.success(), "{output}");
}

#[tokio::test]
async fn erlang_and_we_close_in_turn() {
    let steps = format!("{{expect, {:?}}}, closed", BYE.data());
    let session = Session {
        steps: &steps,
        ..Session::default()
    };
    let mut server = farewell().await;
    let program = erlang::client_session(server.address, &their_client(), session);
    erlang::finish_session(program).await;
    assert!(server.served().await.end.is_ok());

    let steps = format!("{{send, {:?}}}, close", BYE.data());
    let session = Session {
        steps: &steps,
        ..Session::default()
    };
    let settings = their_server(&pki().ecdsa_p256);
    let (program, address) = erlang::server_session(&settings, session).await;
    let mut stream = ours::connect(address, client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let mut received = Vec::new();
    ours::soon(stream.read_to_end(&mut received))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(received, BYE.data().as_bytes());
    drop(stream);
    erlang::finish_session(program).await;
}

#[tokio::test]
async fn an_end_without_close_notify_is_truncation() {
    let server = Peer::Openssl.server(&their_server(&pki().ecdsa_p256)).await;
    let mut stream = ours::connect(server.address, client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let answer = server.answer_to_message(&BYE);
    ours::exchange(&mut stream, BYE, &answer, "our client to s_server").await;
    drop(server);
    let error = ours::soon(stream.recv(0)).await.expect_err("an end");
    assert!(error.is_truncated(), "{error}");
}
