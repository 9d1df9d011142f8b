//! The stacks of two languages, Go's and Java's, two of small devices, wolfSSL and Mbed TLS, and BoringSSL, in both roles and in
//! both versions: every kind of key, client certificates, sessions, renegotiation, and a megabyte each way. Of Python only
//! the sessions, by which its program is known here; the rest is in the files beside this one.

use std::sync::Arc;
use std::time::Duration;

use portcullis::config::{ClientConfigBuilder, Renegotiation, ServerConfigBuilder};
use portcullis::{
    AlertDescription, ClientAuthentication, Direction, MemoryServerSessionStore,
    MemorySessionStore, ProtocolVersion,
};
use portcullis_tests::peers::scripted::Scripted as Peer;
use portcullis_tests::peers::{Message, Settings, Version};
use portcullis_tests::pki::{self, pki};

use crate::{ours, transfer};

const HELLO: Message<'static> = Message {
    line: "hello from another language",
    count: 1,
};

const VERSIONS: [(Version, ProtocolVersion); 2] = [
    (Version::Tls13, ProtocolVersion::TLS_1_3),
    (Version::Tls12, ProtocolVersion::TLS_1_2),
];

/// Our side has both versions, so that the peer's has the last word.
fn client() -> ClientConfigBuilder {
    ours::client().versions(VERSIONS.map(|(_, version)| version))
}

fn server(identity: &pki::Identity) -> ServerConfigBuilder {
    ours::server(identity).versions(VERSIONS.map(|(_, version)| version))
}

/// What the peer has keys for: Mbed TLS has no Ed25519.
fn servers(peer: Peer) -> impl Iterator<Item = &'static pki::Identity> {
    let servers = pki().servers().into_iter();
    servers.filter(move |identity| peer != Peer::Mbedtls || identity.name != "ed25519")
}

/// Every key once, and whatever the two agree on.
async fn our_client(peer: Peer) {
    for identity in servers(peer) {
        for (theirs, version) in VERSIONS {
            let context = format!("our client to {peer:?} with {}, {version}", identity.name);
            let settings = Settings::server(identity).version(theirs);
            let server = peer.server(&settings.alpn(&["other", "echo"])).await;
            let connected = ours::connect(server.address, client().alpn(["echo"])).await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            let information = stream.shared_information();
            assert_eq!(information.version(), version, "{context}");
            assert_eq!(information.alpn_protocol(), Some(&b"echo"[..]), "{context}");
            ours::exchange(&mut stream, HELLO, &HELLO.data(), &context).await;
            ours::compare(&information, &server.report(0).await, &context);
            let rest = ours::close(stream, &context).await;
            assert_eq!(rest.ok(), Some(Vec::new()), "{context}");
        }
    }
}

async fn our_server(peer: Peer) {
    for identity in servers(peer) {
        let mut server = ours::Server::echo(server(identity).alpn(["echo"])).await;
        for (theirs, version) in VERSIONS {
            let context = format!("{peer:?} to our server with {}, {version}", identity.name);
            let settings = Settings::client().version(theirs).alpn(&["other", "echo"]);
            let (exchange, _) = peer.exchange(server.address, &settings, HELLO, 1).await;
            assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
            assert_eq!(exchange.closed, Some(Ok(())), "{context}");
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(information.version(), version, "{context}");
            assert_eq!(information.server_name(), Some("localhost"), "{context}");
            assert!(served.end.is_ok(), "{context}: {served:?}");
            ours::compare(information, &exchange.report, &context);
        }
    }
}

/// A certificate of the client's is demanded, and the session is resumed with it.
async fn our_client_resumes(peer: Peer) {
    for version in VERSIONS {
        resuming_client(peer, version, &[]).await;
    }
}

async fn our_client_resumes_by_an_id(peer: Peer) {
    resuming_client(peer, VERSIONS[1], &["tickets=no"]).await;
}

async fn resuming_client(
    peer: Peer,
    (theirs, version): (Version, ProtocolVersion),
    words: &[&str],
) {
    let settings = Settings::server(&pki().ecdsa_p256)
        .version(theirs)
        .root(&pki().root)
        .extra(words);
    let server = peer.server(&settings).await;
    let config = client().identity(ours::identity(&pki().client));
    let store = Arc::<MemorySessionStore>::default();
    let connector = ours::connector(config).session_store(store);
    for number in 0..2 {
        let context = format!("our client to {peer:?}, {version} {words:?}, number {number}");
        let connected = connector
            .connect(server.address, ours::name("localhost"))
            .await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        ours::exchange(&mut stream, HELLO, &HELLO.data(), &context).await;
        let information = stream.shared_information();
        assert_eq!(information.version(), version, "{context}");
        assert_eq!(information.is_resumed(), number > 0, "{context}");
        ours::compare(&information, &server.report(number).await, &context);
        let _ = ours::close(stream, &context).await;
    }
}

fn demanding() -> ServerConfigBuilder {
    let authentication = ClientAuthentication::Required(ours::roots(&pki().root));
    server(&pki().ecdsa_p256).client_authentication(authentication)
}

async fn our_server_resumes(peer: Peer) {
    let mut server = ours::Server::echo(demanding()).await;
    for version in VERSIONS {
        resuming_peer(peer, &mut server, version, &[]).await;
    }
}

/// Our server keeps the sessions; the peer offers tickets and is given none, or offers none.
async fn our_server_resumes_by_an_id(peer: Peer) {
    for words in [&[][..], &["tickets=no"]] {
        let store = Arc::<MemoryServerSessionStore>::default();
        let acceptor = ours::acceptor(demanding()).session_store(store.clone());
        let mut server = ours::Server::run(acceptor, |stream| ours::echo(stream, 0)).await;
        resuming_peer(peer, &mut server, VERSIONS[1], words).await;
        assert_eq!(store.len(), 1, "{peer:?} {words:?}");
    }
}

async fn resuming_peer(
    peer: Peer,
    server: &mut ours::Server,
    (theirs, version): (Version, ProtocolVersion),
    words: &[&str],
) {
    let context = format!("{peer:?} to our server, {version} {words:?}");
    let settings = Settings::client().version(theirs).identity(&pki().client);
    let settings = settings.extra(words);
    let (exchange, resumed) = peer.exchange(server.address, &settings, HELLO, 2).await;
    assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
    for number in 0..2 {
        let served = server.served().await;
        let information = served.information(&context);
        assert_eq!(information.is_resumed(), number > 0, "{context}");
        assert_eq!(
            information.peer_certificates(),
            pki().client.chain,
            "{context}"
        );
    }
    assert!(resumed, "{context}: {exchange:?}");
}

async fn a_megabyte(peer: Peer) {
    let (line, count) = transfer::message();
    let message = Message { line: &line, count };
    let data = message.data();
    assert!(data.len() > 1 << 20);
    let mut ours_up = ours::Server::echo(server(&pki().rsa_2048)).await;
    for (theirs, version) in VERSIONS {
        let context = format!("a megabyte to {peer:?} and back, {version}");
        let settings = Settings::server(&pki().rsa_2048).version(theirs);
        let server = peer.server(&settings).await;
        let connected = ours::connect(server.address, client()).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        ours::exchange(&mut stream, message, &data, &context).await;

        let context = format!("a megabyte from {peer:?} and back, {version}");
        let settings = Settings::client().version(theirs);
        let (exchange, _) = peer.exchange(ours_up.address, &settings, message, 1).await;
        assert_eq!(exchange.reply.as_deref(), Ok(&*line), "{context}");
        let served = ours_up.served().await;
        assert!(served.end.is_ok(), "{context}: {served:?}");
    }
}

/// What is wrong is refused by either side, and the other is told why.
async fn nobody_takes_a_stranger(peer: Peer) {
    for (theirs, version) in VERSIONS {
        let context = format!("our client to {peer:?} with an unknown root, {version}");
        let server = peer
            .server(&Settings::server(&pki().unknown_ca).version(theirs))
            .await;
        let error = ours::connect(server.address, client())
            .await
            .expect_err(&context);
        assert!(
            error.to_string().contains("certificate"),
            "{context}: {error}"
        );

        let context = format!("{peer:?} to our server with an unknown root, {version}");
        let mut server = ours::Server::echo(self::server(&pki().unknown_ca)).await;
        let settings = Settings::client().version(theirs);
        let (exchange, _) = peer.exchange(server.address, &settings, HELLO, 1).await;
        assert!(exchange.reply.is_err(), "{context}");
        let served = server.served().await;
        // Go and Java have different alerts for it; both say that it was the certificate.
        match (&served.handshake, &served.end) {
            (Err(error), _) | (Ok(_), Err(error)) => {
                assert!(error.alert().is_some(), "{context}: {error}");
            }
            _ => panic!("{context}: it was accepted"),
        }
    }
}

const ALWAYS: Renegotiation = Renegotiation::Accept {
    apart: Duration::ZERO,
};

/// Our server of TLS 1.2, which sends back a line, having asked for another handshake before if it `asks`, and then
/// what comes. A connection that was not renegotiated in the end is an error.
async fn renegotiating_server(asks: bool) -> ours::Server {
    let config = ours::server_of(Version::Tls12, &pki().ecdsa_p256).renegotiation(ALWAYS);
    ours::Server::run(ours::acceptor(config), move |mut stream| async move {
        let line = stream.recv(HELLO.data().len()).await?;
        if asks {
            stream.renegotiate().await?;
        }
        stream.send(&[&line]).await?;
        loop {
            match stream.recv(0).await {
                Ok(data) => stream.send(&[&data]).await?,
                Err(error) if error.is_closed() => break,
                Err(error) => return Err(error),
            }
        }
        assert!(stream.information().is_renegotiated());
        stream.close(ours::LIMIT).await
    })
    .await
}

async fn renegotiated(peer: Peer, asks: bool, words: &[&str]) {
    let context = format!("{peer:?} to our server, which asks: {asks}, {words:?}");
    let mut server = renegotiating_server(asks).await;
    let settings = Settings::client().version(Version::Tls12).extra(words);
    let (exchange, _) = peer.exchange(server.address, &settings, HELLO, 1).await;
    assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
    let served = server.served().await;
    assert!(
        served.handshake.is_ok() && served.end.is_ok(),
        "{context}: {served:?}"
    );
}

#[tokio::test]
async fn go_renegotiates_where_it_does() {
    renegotiated(Peer::Go, true, &["renegotiate=yes"]).await;

    // Its server does not, and says so in a way of its own.
    let settings = Settings::server(&pki().ecdsa_p256).version(Version::Tls12);
    let server = Peer::Go.server(&settings).await;
    let config = ours::client_of(Version::Tls12).renegotiation(ALWAYS);
    let connected = ours::connect(server.address, config).await;
    let mut stream = connected.unwrap_or_else(|error| panic!("{error}"));
    ours::exchange(&mut stream, HELLO, &HELLO.data(), "Go").await;
    let error = ours::soon(stream.renegotiate()).await.expect_err("refused");
    let alert = Some((Direction::Received, AlertDescription::UNEXPECTED_MESSAGE));
    assert_eq!(error.alert(), alert, "{error}");
}

#[tokio::test]
async fn java_renegotiates() {
    // Its client does as it is asked whatever it was told.
    renegotiated(Peer::Java, true, &[]).await;
    renegotiated(Peer::Java, false, &["renegotiate=yes"]).await;
    // Its data comes behind its hello, before it has an answer.
    renegotiated(Peer::Java, false, &["renegotiate=eagerly"]).await;
    our_client_renegotiates(Peer::Java).await;
}

async fn renegotiates(peer: Peer) {
    renegotiated(peer, true, &[]).await;
    renegotiated(peer, false, &["renegotiate=yes"]).await;
    our_client_renegotiates(peer).await;
}

/// By its own wish, and by its peer's.
async fn our_client_renegotiates(peer: Peer) {
    for words in [&[][..], &["renegotiate=yes"]] {
        let context = format!("our client to {peer:?}, {words:?}");
        let settings = Settings::server(&pki().ecdsa_p256).version(Version::Tls12);
        let server = peer.server(&settings.extra(words)).await;
        let config = ours::client_of(Version::Tls12).renegotiation(ALWAYS);
        let connected = ours::connect(server.address, config).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        ours::exchange(&mut stream, HELLO, &HELLO.data(), &context).await;
        if words.is_empty() {
            let done = ours::soon(stream.renegotiate()).await;
            done.unwrap_or_else(|error| panic!("{context}: {error}"));
        }
        // What was under way when the server asked has come; what is written next waits for the handshake.
        for _ in 0..2 {
            ours::exchange(&mut stream, HELLO, &HELLO.data(), &context).await;
        }
        assert!(stream.information().is_renegotiated(), "{context}");
    }
}

of_each_peer! {
    our_client_and_go: our_client(Go);
    our_client_and_java: our_client(Java);
    our_client_and_wolfssl: our_client(Wolfssl);
    our_client_and_mbedtls: our_client(Mbedtls);
    our_client_and_boringssl: our_client(Boringssl);
    go_and_our_server: our_server(Go);
    java_and_our_server: our_server(Java);
    wolfssl_and_our_server: our_server(Wolfssl);
    mbedtls_and_our_server: our_server(Mbedtls);
    boringssl_and_our_server: our_server(Boringssl);
    our_client_resumes_with_go: our_client_resumes(Go);
    our_client_resumes_with_java: our_client_resumes(Java);
    our_client_resumes_with_python: our_client_resumes(Python);
    our_client_resumes_with_wolfssl: our_client_resumes(Wolfssl);
    our_client_resumes_with_mbedtls: our_client_resumes(Mbedtls);
    our_client_resumes_with_boringssl: our_client_resumes(Boringssl);
    our_client_resumes_by_an_id_of_python: our_client_resumes_by_an_id(Python);
    our_client_resumes_by_an_id_of_wolfssl: our_client_resumes_by_an_id(Wolfssl);
    our_client_resumes_by_an_id_of_mbedtls: our_client_resumes_by_an_id(Mbedtls);
    our_client_resumes_by_an_id_of_boringssl: our_client_resumes_by_an_id(Boringssl);
    go_resumes_with_our_server: our_server_resumes(Go);
    java_resumes_with_our_server: our_server_resumes(Java);
    python_resumes_with_our_server: our_server_resumes(Python);
    wolfssl_resumes_with_our_server: our_server_resumes(Wolfssl);
    mbedtls_resumes_with_our_server: our_server_resumes(Mbedtls);
    boringssl_resumes_with_our_server: our_server_resumes(Boringssl);
    python_resumes_by_an_id_of_our_server: our_server_resumes_by_an_id(Python);
    wolfssl_resumes_by_an_id_of_our_server: our_server_resumes_by_an_id(Wolfssl);
    mbedtls_resumes_by_an_id_of_our_server: our_server_resumes_by_an_id(Mbedtls);
    boringssl_resumes_by_an_id_of_our_server: our_server_resumes_by_an_id(Boringssl);
    wolfssl_renegotiates: renegotiates(Wolfssl);
    mbedtls_renegotiates: renegotiates(Mbedtls);
    a_megabyte_with_go: a_megabyte(Go);
    a_megabyte_with_java: a_megabyte(Java);
    a_megabyte_with_wolfssl: a_megabyte(Wolfssl);
    a_megabyte_with_mbedtls: a_megabyte(Mbedtls);
    a_megabyte_with_boringssl: a_megabyte(Boringssl);
    neither_go_nor_we_take_a_stranger: nobody_takes_a_stranger(Go);
    neither_java_nor_we_take_a_stranger: nobody_takes_a_stranger(Java);
    neither_wolfssl_nor_we_take_a_stranger: nobody_takes_a_stranger(Wolfssl);
    neither_mbedtls_nor_we_take_a_stranger: nobody_takes_a_stranger(Mbedtls);
    neither_boringssl_nor_we_take_a_stranger: nobody_takes_a_stranger(Boringssl);
}
