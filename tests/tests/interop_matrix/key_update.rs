//! KeyUpdate from either side, asked for and not, with data between.

use portcullis_tests::peers::erlang::{self, Session};
use portcullis_tests::peers::{Message, Peer, Program, Settings, gnutls, openssl, rustls};
use portcullis_tests::pki::pki;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ours;

/// How many KeyUpdate messages OpenSSL shows as sent (`>>>`) or received (`<<<`).
async fn wait_for_key_updates(program: &Program, direction: &str, count: usize) {
    let seen = |text: &str| {
        let mut lines = text.lines();
        let updates = lines
            .by_ref()
            .filter(|line| line.starts_with(direction) && line.ends_with(", KeyUpdate"));
        updates.count() >= count
    };
    let found = program.wait_until(|output| seen(&output.stdout)).await;
    if let Err(output) = found {
        let lines = output.stdout.lines();
        let text: Vec<_> = lines.filter(|line| !line.starts_with("    ")).collect();
        panic!("not {count} {direction}:\n{}", text.join("\n"));
    }
}

#[tokio::test]
async fn ours_to_every_server() {
    for peer in Peer::ALL {
        let context = format!("our client to {peer:?}");
        let server = peer.server(&Settings::server(&pki().ecdsa_p256)).await;
        let mut stream = ours::connect(server.address, ours::client())
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        for request_peer in [false, true, true, false] {
            let updated = ours::soon(stream.update_keys(request_peer)).await;
            updated.unwrap_or_else(|error| panic!("{context}: {error}"));
            let message = Message {
                line: "under another key",
                count: 1,
            };
            let answer = server.answer_to_message(&message);
            ours::exchange(&mut stream, message, &answer, &context).await;
        }
    }
}

#[tokio::test]
async fn between_our_client_and_openssl() {
    let settings = Settings::server(&pki().ecdsa_p256).extra(&["-msg"]);
    let mut server = openssl::server(openssl::Mode::Terminal, &settings).await;
    let mut stream = ours::connect(server.address, ours::client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let program = server.program_mut().expect("a program");

    // Ours, the second with the request for one of theirs.
    stream.update_keys(false).await.expect("an update");
    wait_for_key_updates(program, "<<<", 1).await;
    stream.update_keys(true).await.expect("an update");
    wait_for_key_updates(program, "<<<", 2).await;
    stream.send(&[b"after two\n"]).await.expect("data");
    program.wait_for_line("after two").await;
    // OpenSSL answers when it has something to send.
    program.send(b"after theirs\n").await;
    let received = ours::soon(stream.recv(13)).await.expect("a line");
    assert_eq!(received, b"after theirs\n"[..]);
    wait_for_key_updates(program, ">>>", 1).await;

    // Theirs, the second with the request for one of ours.
    for (command, line, sent) in [("k\n", "after k\n", 2), ("K\n", "after K\n", 3)] {
        program.send(command.as_bytes()).await;
        wait_for_key_updates(program, ">>>", sent).await;
        program.send(line.as_bytes()).await;
        let received = ours::soon(stream.recv(line.len())).await.expect("a line");
        assert_eq!(received, line.as_bytes());
    }
    wait_for_key_updates(program, "<<<", 3).await;
    stream.send(&[b"after three\n"]).await.expect("data");
    program.wait_for_line("after three").await;
}

#[tokio::test]
async fn from_openssl_to_our_server() {
    let mut server = ours::Server::echo(ours::server(&pki().ecdsa_p256)).await;
    let mut client = openssl::client(server.address, &Settings::client().extra(&["-msg"]));
    client.send(b"before\n").await;
    client.wait_for_line("before").await;
    for (command, line, sent, received) in [("k\n", "after k\n", 1, 0), ("K\n", "after K\n", 2, 1)]
    {
        client.send(command.as_bytes()).await;
        wait_for_key_updates(&client, ">>>", sent).await;
        wait_for_key_updates(&client, "<<<", received).await;
        client.send(line.as_bytes()).await;
        client.wait_for_line(line.trim_end()).await;
    }
    client.finish().await;
    assert!(server.served().await.end.is_ok());
}

#[tokio::test]
async fn from_gnutls_to_our_server() {
    let mut server = ours::Server::echo(ours::server(&pki().ecdsa_p256)).await;
    let settings = Settings::client().extra(&["--inline-commands"]);
    let mut client = gnutls::client(server.address, &settings);
    for (command, line) in [("^rekey1^\n", "after one\n"), ("^rekey^\n", "after both\n")] {
        client.send(command.as_bytes()).await;
        client.wait_for_line("- Rekey was completed").await;
        client.send(line.as_bytes()).await;
        client.wait_for_line(line.trim_end()).await;
    }
    client.finish().await;
    assert!(server.served().await.end.is_ok());
}

#[tokio::test]
async fn from_erlang_in_either_role() {
    let mut server = ours::Server::echo(ours::server(&pki().ecdsa_p256)).await;
    let steps = r#"{send, "one"}, {expect, "one"}, {update_keys, write}, {send, "two"},
        {expect, "two"}, {update_keys, read_write}, {send, "three"}, {expect, "three"}, close"#;
    let session = Session {
        steps,
        ..Session::default()
    };
    let client = erlang::client_session(server.address, &Settings::client(), session);
    erlang::finish_session(client).await;
    assert!(server.served().await.end.is_ok());

    let settings = Settings::server(&pki().ecdsa_p256);
    let (program, address) = erlang::server_session(&settings, session).await;
    let mut stream = ours::connect(address, ours::client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    for word in ["one", "two", "three"] {
        let received = ours::soon(stream.recv(word.len())).await;
        let received = received.unwrap_or_else(|error| panic!("{word}: {error}"));
        stream.send(&[&received]).await.expect("data");
    }
    let end = ours::soon(stream.recv(0)).await.expect_err("the end");
    assert!(end.is_closed(), "{end}");
    erlang::finish_session(program).await;
}

#[tokio::test]
async fn from_rustls_to_our_server() {
    let mut server = ours::Server::echo(ours::server(&pki().ecdsa_p256)).await;
    let talk = async {
        let tcp = TcpStream::connect(server.address).await?;
        let mut stream = rustls::connect(tcp, &Settings::client()).await?;
        for line in [b"first", b"other", b"third"] {
            let connection = stream.get_mut().1;
            connection
                .refresh_traffic_keys()
                .map_err(std::io::Error::other)?;
            stream.write_all(line).await?;
            stream.flush().await?;
            let mut reply = [0; 5];
            stream.read_exact(&mut reply).await?;
            assert_eq!(&reply, line);
        }
        stream.shutdown().await
    };
    let done = ours::soon(talk).await;
    done.unwrap_or_else(|error: std::io::Error| panic!("{error}"));
    assert!(server.served().await.end.is_ok());
}
