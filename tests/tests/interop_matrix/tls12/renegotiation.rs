//! A peer that wants to renegotiate is told `no_renegotiation`, and the connection lives if the peer
//! lets it: it may end it then (RFC 5246 §7.2.2).

use portcullis::{AlertDescription, Direction};
use portcullis_tests::peers::erlang::{self, Session};
use portcullis_tests::peers::{Message, gnutls, openssl};
use portcullis_tests::pki::pki;

use super::{client, server, their_client, their_server};
use crate::ours;

const AFTER: Message<'static> = Message {
    line: "and yet it goes on",
    count: 1,
};

#[tokio::test]
async fn erlang_asks_in_either_role_and_goes_on() {
    let before = "before it was asked\n";
    let steps = format!(
        "{{send, {before:?}}}, {{expect, {before:?}}}, renegotiation_is_rejected, {{send, {:?}}}, \
         {{expect, {:?}}}, close",
        AFTER.data(),
        AFTER.data()
    );
    let session = Session {
        steps: &steps,
        ..Session::default()
    };
    let mut server = ours::Server::echo(server(&pki().ecdsa_p256)).await;
    let program = erlang::client_session(server.address, &their_client(), session);
    erlang::finish_session(program).await;
    let served = server.served().await;
    assert!(served.end.is_ok(), "{served:?}");

    let steps = format!(
        "renegotiation_is_rejected, {{send, {:?}}}, {{expect, {before:?}}}, closed",
        AFTER.data()
    );
    let session = Session {
        steps: &steps,
        ..Session::default()
    };
    let settings = their_server(&pki().ecdsa_p256);
    let (program, address) = erlang::server_session(&settings, session).await;
    let mut stream = ours::connect(address, client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let received = ours::soon(stream.recv(AFTER.data().len()))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(received, AFTER.data().as_bytes());
    stream
        .send(&[before.as_bytes()])
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    stream
        .close(ours::LIMIT)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    erlang::finish_session(program).await;
}

/// OpenSSL ends the connection when it is told so: "the application presumably had a good reason".
#[tokio::test]
async fn openssl_asks_in_either_role_and_is_told() {
    let mut server = ours::Server::echo(server(&pki().ecdsa_p256)).await;
    let mut program = openssl::client(server.address, &their_client());
    program.wait_for_line("Verify return code").await;
    program.send(b"R\n").await;
    program.wait_for_line("no renegotiation").await;
    drop(program);
    let served = server.served().await;
    assert!(served.handshake.is_ok());
    let error = served.end.expect_err("s_client ends it");
    assert_eq!(
        error.alert(),
        Some((Direction::Received, AlertDescription::HANDSHAKE_FAILURE)),
        "{error}"
    );

    let settings = their_server(&pki().ecdsa_p256);
    let mut server = openssl::server(openssl::Mode::Terminal, &settings).await;
    let mut stream = ours::connect(server.address, client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let program = server.program_mut().expect("a program");
    program.wait_for_line("CIPHER is ").await;
    program.send(b"r\n").await;
    let error = ours::soon(stream.recv(0))
        .await
        .expect_err("s_server ends it");
    assert_eq!(
        error.alert(),
        Some((Direction::Received, AlertDescription::HANDSHAKE_FAILURE)),
        "{error}"
    );
    program.wait_for_line("no renegotiation").await;
}

/// Its server takes a command from the client. It ends the connection, too, and without a word.
#[tokio::test]
async fn gnutls_asks_as_a_server_and_is_told() {
    let settings = their_server(&pki().ecdsa_p256).extra(&["--debug=5"]);
    let server = gnutls::server(gnutls::Mode::Echo, &settings).await;
    let mut stream = ours::connect(server.address, client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    stream
        .send(&[b"**REHANDSHAKE**\n"])
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let answer = b"Successfully executed command\n";
    let received = ours::soon(stream.recv(answer.len()))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(received[..], answer[..]);
    let error = ours::soon(stream.recv(0)).await.expect_err("an end");
    assert!(error.is_truncated(), "{error}");
    let program = server.program().expect("a program");
    let told = program.wait_until(|output| output.line("Alert[1|100] - ").is_some());
    assert!(told.await.is_ok(), "{}", program.output());
}
