//! close_notify from either side, half a close, and an end without close_notify.

use portcullis_tests::peers::erlang::{self, Session};
use portcullis_tests::peers::{Message, Peer, Settings, Version, gnutls, openssl, rustls};
use portcullis_tests::pki::pki;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::ours;

const BYE: Message<'static> = Message {
    line: "that is all there is to say",
    count: 1,
};

/// A server that says something and closes at once.
async fn farewell(version: Version) -> ours::Server {
    let acceptor = ours::acceptor(ours::server_of(version, &pki().ecdsa_p256));
    ours::Server::run(acceptor, |mut stream| async move {
        stream.send(&[BYE.data().as_bytes()]).await?;
        stream.close(ours::LIMIT).await
    })
    .await
}

#[tokio::test]
async fn every_server_answers_our_close_notify() {
    for version in ours::VERSIONS {
        for peer in Peer::ALL {
            let context = format!("our client to {peer:?}, {version:?}");
            let server = peer
                .server(&Settings::server(&pki().ecdsa_p256).version(version))
                .await;
            let mut stream = ours::connect(server.address, ours::client_of(version))
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let answer = server.answer_to_message(&BYE);
            ours::exchange(&mut stream, BYE, &answer, &context).await;
            match ours::close(stream, &context).await {
                Ok(rest) => assert!(rest.is_empty(), "{context}"),
                // Erlang mostly closes the transport and says nothing.
                Err(error) => assert!(
                    error.is_truncated() && peer == Peer::Erlang,
                    "{context}: {error}"
                ),
            }
        }
    }
}

#[tokio::test]
async fn the_end_of_a_page_is_an_end() {
    let settings = Settings::server(&pki().ecdsa_p256);
    for server in [
        openssl::server(openssl::Mode::Www, &settings).await,
        gnutls::server(gnutls::Mode::Http, &settings).await,
    ] {
        let mut stream = ours::connect(server.address, ours::client())
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        stream
            .send(&[b"GET / HTTP/1.0\r\n\r\n"])
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let mut page = Vec::new();
        ours::soon(stream.read_to_end(&mut page))
            .await
            .unwrap_or_else(|error| panic!("{error} after {} bytes", page.len()));
        assert!(page.starts_with(b"HTTP/1.0 200 "));
        assert!(
            page.trim_ascii_end()
                .to_ascii_lowercase()
                .ends_with(b"</html>")
        );
    }
}

#[tokio::test]
async fn openssl_sees_our_close_notify() {
    for version in ours::VERSIONS {
        let server = farewell(version).await;
        let mut client = openssl::client(server.address, &Settings::client().version(version));
        client.wait_for_line(BYE.line).await;
        // Otherwise `read:errno=` and, since OpenSSL 3, an error.
        client.wait_for_line("closed").await;
        let (status, output) = client.finish().await;
        assert!(
            status.success() && !output.stderr.contains(":error:"),
            "{output}"
        );
    }
}

#[tokio::test]
async fn gnutls_sees_our_close_notify() {
    for version in ours::VERSIONS {
        let server = farewell(version).await;
        let mut client = gnutls::client(server.address, &Settings::client().version(version));
        client.wait_for_line(BYE.line).await;
        client
            .wait_for_line("- Peer has closed the GnuTLS connection")
            .await;
        let (status, output) = client.finish().await;
        assert!(status.success(), "{output}");
    }
}

#[tokio::test]
async fn erlang_and_we_close_in_turn() {
    for version in ours::VERSIONS {
        let settings = Settings::client().version(version);
        let steps = format!("{{expect, {:?}}}, closed", BYE.data());
        let session = Session {
            steps: &steps,
            ..Session::default()
        };
        let mut server = farewell(version).await;
        let client = erlang::client_session(server.address, &settings, session);
        erlang::finish_session(client).await;
        assert!(server.served().await.end.is_ok());

        let steps = format!("{{send, {:?}}}, close", BYE.data());
        let session = Session {
            steps: &steps,
            ..Session::default()
        };
        let settings = Settings::server(&pki().ecdsa_p256).version(version);
        let (program, address) = erlang::server_session(&settings, session).await;
        let mut stream = ours::connect(address, ours::client_of(version))
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
}

/// rustls is the one peer here whose sides close independently.
#[tokio::test]
async fn half_a_close_leaves_the_other_direction_open() {
    // Our client closes, rustls' server goes on.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let server = async {
        let (tcp, _) = listener.accept().await?;
        let mut stream = rustls::accept(tcp, &Settings::server(&pki().ecdsa_p256)).await?;
        let mut received = String::new();
        stream.read_to_string(&mut received).await?;
        assert_eq!(received, BYE.data());
        stream.write_all(b"but I have").await?;
        stream.shutdown().await
    };
    let client = async {
        let mut stream = ours::connect(address, ours::client()).await?;
        stream.write_all(BYE.data().as_bytes()).await?;
        stream.shutdown().await?;
        let mut received = String::new();
        stream.read_to_string(&mut received).await?;
        assert_eq!(received, "but I have");
        Ok::<_, std::io::Error>(())
    };
    ours::soon(async { tokio::try_join!(server, client) })
        .await
        .unwrap_or_else(|error| panic!("{error}"));

    // rustls' client closes, our server goes on.
    let acceptor = ours::acceptor(ours::server(&pki().ecdsa_p256));
    let mut server = ours::Server::run(acceptor, |mut stream| async move {
        let received = stream.recv(BYE.data().len()).await?;
        assert_eq!(received, BYE.data().as_bytes());
        let end = stream.recv(0).await.expect_err("the end");
        assert!(end.is_closed(), "{end}");
        stream.send(&[b"but I have"]).await?;
        stream.close(ours::LIMIT).await
    })
    .await;
    let received = ours::soon(async {
        let tcp = TcpStream::connect(server.address).await?;
        let mut stream = rustls::connect(tcp, &Settings::client()).await?;
        stream.write_all(BYE.data().as_bytes()).await?;
        stream.shutdown().await?;
        let mut received = String::new();
        stream.read_to_string(&mut received).await?;
        Ok::<_, std::io::Error>(received)
    });
    assert_eq!(received.await.ok().as_deref(), Some("but I have"));
    assert!(server.served().await.end.is_ok());
}

#[tokio::test]
async fn an_end_without_close_notify_is_truncation() {
    for version in ours::VERSIONS {
        let settings = Settings::server(&pki().ecdsa_p256).version(version);
        let server = Peer::Openssl.server(&settings).await;
        let mut stream = ours::connect(server.address, ours::client_of(version))
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let answer = server.answer_to_message(&BYE);
        ours::exchange(&mut stream, BYE, &answer, "our client to s_server").await;
        drop(server);
        let error = ours::soon(stream.recv(0)).await.expect_err("an end");
        assert!(error.is_truncated(), "{error}");
    }
}
