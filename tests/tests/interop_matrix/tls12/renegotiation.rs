//! A peer that wants to renegotiate is told `no_renegotiation`, and the connection lives if the peer
//! lets it: it may end it then (RFC 5246 §7.2.2). Where it is accepted, either side begins it.

use std::time::Duration;

use portcullis::config::{ClientAuthentication, Renegotiation, ServerConfigBuilder};
use portcullis::suite::{Authentication, CipherSuite};
use portcullis::{
    AlertDescription, ClientConfig, Direction, PreSharedKey, ProtocolVersion, ServerConfig,
    TlsAcceptor,
};
use portcullis_tests::peers::erlang::{self, Session};
use portcullis_tests::peers::{Message, Program, Settings, Version, gnutls, openssl};
use portcullis_tests::pki::pki;
use tokio::net::{TcpListener, TcpStream};

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

const ALWAYS: Renegotiation = Renegotiation::Accept {
    apart: Duration::ZERO,
};

type Stream = portcullis::TlsStream<TcpStream>;

/// Our server's end of a connection with this client.
async fn accepted(start: impl FnOnce(std::net::SocketAddr) -> Program) -> (Stream, Program) {
    accepted_with(server(&pki().ecdsa_p256), start).await
}

async fn accepted_with(
    config: ServerConfigBuilder,
    start: impl FnOnce(std::net::SocketAddr) -> Program,
) -> (Stream, Program) {
    let config = config.renegotiation(ALWAYS).build();
    let acceptor = TlsAcceptor::new(config.expect("a configuration"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let program = start(listener.local_addr().expect("an address"));
    let (transport, _) = ours::soon(listener.accept()).await.expect("a client");
    let stream = ours::soon(acceptor.upgrade(transport)).await;
    (stream.unwrap_or_else(|error| panic!("{error}")), program)
}

async fn connected(address: std::net::SocketAddr) -> Stream {
    ours::connect(address, client().renegotiation(ALWAYS))
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

async fn expect(stream: &mut Stream, data: &[u8]) {
    let received = ours::soon(stream.recv(data.len()))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(received[..], *data);
}

async fn send(stream: &mut Stream, data: &[u8]) {
    ours::soon(stream.send(&[data]))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
}

async fn renegotiate(stream: &mut Stream) {
    let before = *stream.information().client_random();
    ours::soon(stream.renegotiate())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_ne!(*stream.information().client_random(), before);
}

/// Data goes before and behind, both ways, whoever begins it (otp#3763).
#[tokio::test]
async fn erlang_renegotiates() {
    let steps = |own: bool| {
        let line = AFTER.data();
        let begin = if own { "renegotiate, " } else { "" };
        format!(
            "{{send, {line:?}}}, {{expect, {line:?}}}, {begin}{{send, {line:?}}}, \
             {{expect, {line:?}}}, close"
        )
    };
    for own in [true, false] {
        let steps = steps(own);
        let session = Session {
            steps: &steps,
            ..Session::default()
        };
        let (mut stream, program) =
            accepted(|address| erlang::client_session(address, &their_client(), session)).await;
        talk(&mut stream, own).await;
        erlang::finish_session(program).await;

        let settings = their_server(&pki().ecdsa_p256);
        let (program, address) = erlang::server_session(&settings, session).await;
        let mut stream = connected(address).await;
        talk(&mut stream, own).await;
        erlang::finish_session(program).await;
    }
}

/// The other end of these steps.
async fn talk(stream: &mut Stream, theirs: bool) {
    let line = AFTER.data();
    let before = *stream.information().client_random();
    expect(stream, line.as_bytes()).await;
    if !theirs {
        renegotiate(stream).await;
    }
    send(stream, line.as_bytes()).await;
    expect(stream, line.as_bytes()).await;
    assert_ne!(*stream.information().client_random(), before);
    send(stream, line.as_bytes()).await;
    let _ = ours::soon(stream.recv(1)).await.expect_err("an end");
}

#[tokio::test]
async fn openssl_renegotiates() {
    // Its client begins, by a command.
    let (mut stream, mut program) =
        accepted(|address| openssl::client(address, &their_client())).await;
    program.wait_for_line("Verify return code").await;
    program.send(b"before\n").await;
    expect(&mut stream, b"before\n").await;
    let before = *stream.information().client_random();
    program.send(b"R\n").await;
    program.wait_for_line("RENEGOTIATING").await;
    program.send(b"behind\n").await;
    expect(&mut stream, b"behind\n").await;
    assert_ne!(*stream.information().client_random(), before);
    // Ours begins.
    let began = tokio::join!(renegotiate(&mut stream), async {
        program.send(b"under way\n").await;
    });
    let () = began.0;
    expect(&mut stream, b"under way\n").await;
    send(&mut stream, b"from the server\n").await;
    program.wait_for_line("from the server").await;

    // Its server begins, by a command.
    let settings = their_server(&pki().ecdsa_p256).extra(&["-client_renegotiation"]);
    let mut server = openssl::server(openssl::Mode::Terminal, &settings).await;
    let mut stream = connected(server.address).await;
    let program = server.program_mut().expect("a program");
    program.wait_for_line("CIPHER is ").await;
    let before = *stream.information().client_random();
    program.send(b"r\n").await;
    let answer = async { expect(&mut stream, b"behind\n").await };
    let ask = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        program.send(b"behind\n").await;
    };
    tokio::join!(answer, ask);
    assert_ne!(*stream.information().client_random(), before);
    renegotiate(&mut stream).await;
    send(&mut stream, b"from the client\n").await;
    program.wait_for_line("from the client").await;
}

/// A key exchange in the first handshake and in those behind it, whoever begins.
async fn openssl_renegotiates_with(suite: CipherSuite, version: Version, words: &[&str]) {
    let info = suite.info().expect("a suite of the table");
    let has_key = info.authentication == Authentication::Psk || info.name.contains("PSK");
    let cipher = format!("{}:@SECLEVEL=0", info.openssl_name);
    let words = [&["-cipher", &cipher], words].concat();
    let psk = PreSharedKey::new("meter-17", [7; 16]).expect("a key");
    let code = ours::code(version);
    let config = ServerConfig::builder()
        .identity(ours::identity(&pki().rsa_by_rsa))
        .versions([code])
        .cipher_suites([suite]);
    let config = match has_key {
        true => config.psk(psk.clone()),
        false => config,
    };
    let settings = Settings::client().version(version).root(&pki().rsa_root);
    let settings = settings.extra(&words);
    let (mut stream, mut program) =
        accepted_with(config, |address| openssl::client(address, &settings)).await;
    program.wait_for_line("Verify return code").await;
    program.send(b"R\n").await;
    program.wait_for_line("RENEGOTIATING").await;
    program.send(b"behind\n").await;
    expect(&mut stream, b"behind\n").await;
    assert!(stream.information().is_renegotiated());
    renegotiate(&mut stream).await;
    assert_eq!(stream.information().cipher_suite(), suite);
    send(&mut stream, b"from the server\n").await;
    program.wait_for_line("from the server").await;

    let settings = Settings::server(&pki().rsa_by_rsa).version(version);
    let settings = settings.extra(&words).extra(&["-client_renegotiation"]);
    let mut theirs = openssl::server(openssl::Mode::Terminal, &settings).await;
    // What it says of its version before TLS 1.2 is in what it encrypts, too.
    let mut versions = vec![ProtocolVersion::TLS_1_2, code];
    versions.dedup();
    let config = ClientConfig::builder(ours::roots(&pki().rsa_root))
        .versions(versions)
        .cipher_suites([suite])
        .renegotiation(ALWAYS);
    let config = match has_key {
        true => config.psk(psk),
        false => config,
    };
    let connected = ours::connect(theirs.address, config).await;
    let mut stream = connected.unwrap_or_else(|error| panic!("{suite}: {error}"));
    assert_eq!(stream.information().version(), code);
    let program = theirs.program_mut().expect("a program");
    program.wait_for_line("CIPHER is ").await;
    program.send(b"r\n").await;
    let answer = async { expect(&mut stream, b"behind\n").await };
    let ask = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        program.send(b"behind\n").await;
    };
    tokio::join!(answer, ask);
    assert!(stream.information().is_renegotiated());
    renegotiate(&mut stream).await;
    assert_eq!(stream.information().cipher_suite(), suite);
    send(&mut stream, b"from the client\n").await;
    program.wait_for_line("from the client").await;
}

/// What is encrypted begins with the version of each hello (RFC 5246 §7.4.7.1), not with the one that is spoken.
#[tokio::test]
async fn openssl_renegotiates_with_rsa_key_exchange() {
    let suite = CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256;
    openssl_renegotiates_with(suite, Version::Tls12, &[]).await;
    let suite = CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA;
    openssl_renegotiates_with(suite, Version::Tls11, &[]).await;
}

#[tokio::test]
async fn openssl_renegotiates_with_a_key() {
    let key = "07".repeat(16);
    let words = ["-psk", &key, "-psk_identity", "meter-17"];
    for suite in [
        CipherSuite::TLS_PSK_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_RSA_PSK_WITH_AES_128_GCM_SHA256,
    ] {
        openssl_renegotiates_with(suite, Version::Tls12, &words).await;
    }
}

/// What one key of this side is to protect, in bytes.
const WORN_OUT: u64 = 20_000;

/// A key is replaced before it is worn out. Where OpenSSL does not want that the connection goes on with it.
#[tokio::test]
async fn openssl_is_asked_for_another_key() {
    let config = server(&pki().ecdsa_p256).key_update_at(WORN_OUT);
    let (mut stream, mut program) =
        accepted_with(config, |address| openssl::client(address, &their_client())).await;
    program.wait_for_line("Verify return code").await;
    wears_out(&mut stream, &mut program, true).await;
    for (words, allowed) in [(&["-client_renegotiation"][..], true), (&[], false)] {
        let settings = their_server(&pki().ecdsa_p256).extra(words);
        let mut theirs = openssl::server(openssl::Mode::Terminal, &settings).await;
        let config = client().renegotiation(ALWAYS).key_update_at(WORN_OUT);
        let connected = ours::connect(theirs.address, config).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{error}"));
        let program = theirs.program_mut().expect("a program");
        program.wait_for_line("CIPHER is ").await;
        wears_out(&mut stream, program, allowed).await;
    }
}

/// Writes for the length of two keys, and reads what comes back.
async fn wears_out(stream: &mut Stream, program: &mut Program, is_replaced: bool) {
    for at in 0..6 {
        let end = format!("{at} of six");
        let line = format!("{}{end}\n", "x".repeat(8_000));
        send(stream, line.as_bytes()).await;
        program.wait_for_line(&end).await;
    }
    assert_eq!(stream.information().is_renegotiated(), is_replaced);
    program.send(b"and back\n").await;
    expect(stream, b"and back\n").await;
}

/// OpenSSL's server does not, unless told so: the connection goes on.
#[tokio::test]
async fn openssl_declines() {
    let settings = their_server(&pki().ecdsa_p256);
    let mut server = openssl::server(openssl::Mode::Terminal, &settings).await;
    let mut stream = connected(server.address).await;
    let program = server.program_mut().expect("a program");
    program.wait_for_line("CIPHER is ").await;
    let error = ours::soon(stream.renegotiate()).await.expect_err("refused");
    assert!(error.is_renegotiation_refused(), "{error}");
    send(&mut stream, b"and yet\n").await;
    program.wait_for_line("and yet").await;
}

#[tokio::test]
async fn gnutls_renegotiates() {
    // Its client begins, as soon as it is connected.
    let settings = their_client().extra(&["--rehandshake"]);
    let (mut stream, mut program) = accepted(|address| gnutls::client(address, &settings)).await;
    let before = *stream.information().client_random();
    program.send(b"behind\n").await;
    expect(&mut stream, b"behind\n").await;
    assert_ne!(*stream.information().client_random(), before);

    // Its server does so at a command; with tickets it fails, with OpenSSL's client, too.
    let settings = their_server(&pki().ecdsa_p256).extra(&["--noticket"]);
    let server = gnutls::server(gnutls::Mode::Echo, &settings).await;
    let mut stream = connected(server.address).await;
    let before = *stream.information().client_random();
    send(&mut stream, b"**REHANDSHAKE**\n").await;
    expect(&mut stream, b"Successfully executed command\n").await;
    let line = b"and it goes on\n";
    send(&mut stream, line).await;
    expect(&mut stream, line).await;
    assert_ne!(*stream.information().client_random(), before);
}

/// Each direction in a task of its own: whoever begins, and with data under way.
#[tokio::test]
async fn openssl_renegotiates_with_halves() {
    let settings = their_server(&pki().ecdsa_p256).extra(&["-client_renegotiation"]);
    let mut theirs = openssl::server(openssl::Mode::Terminal, &settings).await;
    let stream = connected(theirs.address).await;
    let program = theirs.program_mut().expect("a program");
    program.wait_for_line("CIPHER is ").await;
    both_ways(stream, program, b"r\n", 300_000).await;

    let (stream, mut program) = accepted(|address| openssl::client(address, &their_client())).await;
    program.wait_for_line("Verify return code").await;
    // OpenSSL's client, which begins while it writes, takes no data before it is over.
    both_ways(stream, &mut program, b"R\n", 0).await;
}

/// OpenSSL begins at a command, then our reading half does.
async fn both_ways(stream: Stream, program: &mut Program, command: &[u8], under_way: usize) {
    let before = *stream.information().client_random();
    let (mut reader, mut writer) = stream.into_split();
    let data = "x".repeat(under_way);
    let (all, written) = tokio::sync::oneshot::channel();
    let writing = tokio::spawn(async move {
        if under_way == 0 {
            let error = tokio::select! {
                error = writer.serve() => Some(error),
                _ = written => None,
            };
            assert!(error.is_none(), "{error:?}");
        }
        let written = writer.send(&[data.as_bytes(), b"\nall is written\n"]).await;
        written.unwrap_or_else(|error| panic!("{error}"));
        let error = writer.serve().await;
        (writer, error)
    });
    program.send(command).await;
    let read = async {
        // It reads nothing from its terminal before the handshake is over.
        let answer = ours::soon(reader.recv(7)).await;
        answer.unwrap_or_else(|error| panic!("{error}"))
    };
    let ask = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        program.send(b"behind\n").await;
    };
    let (read, ()) = tokio::join!(read, ask);
    assert_eq!(read[..], b"behind\n"[..]);
    let _ = all.send(());
    program.wait_for_line("all is written").await;
    let first = *reader.information().client_random();
    assert_ne!(first, before);
    ours::soon(reader.renegotiate())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_ne!(*reader.information().client_random(), first);
    program.send(b"after that\n").await;
    let read = ours::soon(reader.recv(11)).await;
    assert_eq!(
        read.unwrap_or_else(|error| panic!("{error}"))[..],
        b"after that\n"[..]
    );
    writing.abort();
}

/// Who the client is, is asked for in the renegotiation alone (RFC 5246 §7.4.4).
#[tokio::test]
async fn openssl_asks_for_a_certificate_in_a_renegotiation() {
    let settings = their_server(&pki().ecdsa_p256);
    let mut theirs = openssl::server(openssl::Mode::Terminal, &settings).await;
    let config = client()
        .renegotiation(ALWAYS)
        .identity(ours::identity(&pki().client));
    let mut stream = ours::connect(theirs.address, config)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(stream.information().local_certificate(), None);
    let program = theirs.program_mut().expect("a program");
    program.wait_for_line("CIPHER is ").await;
    program.send(b"R\n").await;
    let answer = async { expect(&mut stream, b"behind\n").await };
    let ask = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        program.send(b"behind\n").await;
    };
    tokio::join!(answer, ask);
    assert!(stream.information().local_certificate().is_some());
    assert!(stream.information().local_signature_scheme().is_some());
}

/// The client proves who it is each time.
#[tokio::test]
async fn openssl_proves_itself_again() {
    let config = server(&pki().ecdsa_p256)
        .renegotiation(ALWAYS)
        .client_authentication(ClientAuthentication::Required(ours::roots(&pki().root)))
        .build();
    let acceptor = TlsAcceptor::new(config.expect("a configuration"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let settings = their_client().identity(&pki().client);
    let mut program = openssl::client(listener.local_addr().expect("an address"), &settings);
    let (transport, _) = ours::soon(listener.accept()).await.expect("a client");
    let stream = ours::soon(acceptor.upgrade(transport)).await;
    let mut stream = stream.unwrap_or_else(|error| panic!("{error}"));
    program.wait_for_line("Verify return code").await;
    let before = stream.information().peer_certificates().to_vec();
    assert!(!before.is_empty());
    renegotiate(&mut stream).await;
    assert_eq!(stream.information().peer_certificates(), before);
    send(&mut stream, b"from the server\n").await;
    program.wait_for_line("from the server").await;
}
