//! Authentication after the handshake (RFC 8446 §4.6.2), with OpenSSL, GnuTLS and Python in the other role.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::{
    AlertDescription, ClientAuthentication, ClientCertificate, ClientConfig, Direction, Error,
    Identity, Roots, ServerConfig, ServerName, TlsAcceptor, TlsConnector, TlsListener, TlsStream,
    Violation,
};
use portcullis_tests::peers::program::LIMIT;
use portcullis_tests::peers::{Program, Settings, gnutls, openssl};
use portcullis_tests::pki::{self, pki};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(LIMIT, future).await.expect("it comes in time")
}

fn identity(of: &pki::Identity) -> Identity {
    Identity::from_der(of.chain.clone(), &of.key).expect("an identity")
}

fn roots() -> Roots {
    let mut roots = Roots::empty();
    roots
        .add_der(pki().root.certificate.clone())
        .expect("a root");
    roots
}

fn client() -> ClientConfigBuilder {
    ClientConfig::builder(roots()).post_handshake_authentication(true)
}

fn server(clients: ClientAuthentication) -> ServerConfigBuilder {
    ServerConfig::builder()
        .identity(identity(&pki().ecdsa_p256))
        .client_authentication(clients)
        .post_handshake_authentication(true)
}

async fn connect(address: SocketAddr, config: ClientConfigBuilder) -> TlsStream<TcpStream> {
    let connector = TlsConnector::new(config.build().expect("a configuration"));
    let name = ServerName::try_from("localhost").expect("a name");
    soon(connector.connect(address, name))
        .await
        .expect("a connection")
}

/// Our server, whose next connection is to be accepted.
async fn listen(config: ServerConfigBuilder) -> TlsListener {
    let acceptor = TlsAcceptor::new(config.build().expect("a configuration"));
    TlsListener::bind("127.0.0.1:0", acceptor)
        .await
        .expect("a listener")
}

async fn accept(listener: &mut TlsListener) -> TlsStream<TcpStream> {
    let incoming = soon(listener.accept()).await.expect("a connection");
    soon(incoming.handshake()).await.expect("a handshake")
}

/// `s_server` that asks when it is sent `c`, but not in the handshake.
async fn s_server(verify: &str) -> portcullis_tests::peers::Server {
    let ca = pki().root.file.display().to_string();
    let settings = Settings::server(&pki().ecdsa_p256);
    let settings = settings.extra(&[verify, "4", "-CAfile", &ca, "-verify_return_error", "-msg"]);
    openssl::server(openssl::Mode::Terminal, &settings).await
}

/// Waits until OpenSSL has shown this message as received so often.
async fn received(program: &Program, message: &str, count: usize) {
    shown(program, "<<<", message, count).await;
}

/// Has `s_server` ask, which forgets what stands behind a command that it reads.
async fn ask(program: &mut Program, count: usize) {
    program.send(b"c\n").await;
    shown(program, ">>>", "CertificateRequest", count).await;
}

async fn shown(program: &Program, direction: &str, message: &str, count: usize) {
    let seen = |text: &str| {
        let lines = text.lines();
        let of_it = lines.filter(|line| line.starts_with(direction) && line.ends_with(message));
        of_it.count() >= count
    };
    let found = program.wait_until(|output| seen(&output.stdout)).await;
    assert!(found.is_ok(), "not {count} {message}: {found:?}");
}

/// Reads lines while the other end works.
async fn read_line(stream: &mut TlsStream<TcpStream>, line: &str) {
    let read = soon(stream.recv(line.len())).await.expect("a line");
    assert_eq!(read, line.as_bytes());
}

#[tokio::test]
async fn openssl_asks_our_client() {
    let mut server = s_server("-verify").await;
    let mut stream = connect(server.address, client().identity(identity(&pki().client))).await;
    let program = server.program_mut().expect("a program");
    // Asked in the handshake, too: s_server with -verify does so.
    let in_handshake = usize::from(stream.information().local_certificate().is_some());
    for round in 1..=3 {
        ask(program, in_handshake + round).await;
        program.send(format!("after {round}\n").as_bytes()).await;
        read_line(&mut stream, &format!("after {round}\n")).await;
        // With the next write at the latest, and here by the read.
        stream.send(&[b"still here\n"]).await.expect("data");
        received(program, "CertificateVerify", in_handshake + round).await;
        received(program, "Finished", 1 + round).await;
    }
    // Our key is another one by now (openssl#6564).
    stream.update_keys(true).await.expect("an update");
    ask(program, in_handshake + 4).await;
    program.send(b"after an update\n").await;
    read_line(&mut stream, "after an update\n").await;
    stream.send(&[b"under another key\n"]).await.expect("data");
    received(program, "CertificateVerify", in_handshake + 4).await;
    program.wait_for_line("under another key").await;
}

#[tokio::test]
async fn openssl_asks_our_client_that_has_nothing_to_show() {
    let mut server = s_server("-verify").await;
    let mut stream = connect(server.address, client()).await;
    let program = server.program_mut().expect("a program");
    // The first time was in the handshake.
    ask(program, 2).await;
    program.send(b"asked\n").await;
    read_line(&mut stream, "asked\n").await;
    stream.send(&[b"nothing to show\n"]).await.expect("data");
    received(program, "Finished", 2).await;
    program.wait_for_line("nothing to show").await;
}

/// OpenSSL does not ask who has not offered it.
#[tokio::test]
async fn openssl_does_not_ask_a_client_that_has_not_offered_it() {
    let mut server = s_server("-verify").await;
    let plain = client().post_handshake_authentication(false);
    let mut stream = connect(server.address, plain.identity(identity(&pki().client))).await;
    let program = server.program_mut().expect("a program");
    program.send(b"c\n").await;
    program.wait_for_line("extension not received").await;
    program.send(b"not asked\n").await;
    read_line(&mut stream, "not asked\n").await;
}

fn s_client(address: SocketAddr, identity: Option<&'static pki::Identity>) -> Program {
    let mut settings = Settings::client().extra(&["-enable_pha", "-msg"]);
    if let Some(identity) = identity {
        settings = settings.identity(identity);
    }
    openssl::client(address, &settings)
}

fn optional() -> ClientAuthentication {
    ClientAuthentication::Optional(roots())
}

#[tokio::test]
async fn our_server_asks_openssl() {
    let mut listener = listen(server(optional())).await;
    let address = listener.local_addr().expect("an address");
    let mut program = s_client(address, Some(&pki().client));
    let mut stream = accept(&mut listener).await;
    assert!(stream.peer_certificates().is_empty());
    // Two at once, while data flows.
    let first = stream.request_client_certificate().expect("a request");
    let second = stream.request_client_certificate().expect("a request");
    stream.send(&[b"who are you?\n"]).await.expect("data");
    program.wait_for_line("who are you?").await;
    program.send(b"it is me\n").await;
    read_line(&mut stream, "it is me\n").await;
    for pending in [first, second] {
        match soon(pending).await {
            Ok(ClientCertificate::Presented(chain)) => {
                assert!(chain.is_verified());
                assert_eq!(chain.end_entity(), &pki().client.chain[0]);
            }
            other => panic!("{other:?}"),
        }
    }
    // After both keys have changed.
    stream.update_keys(true).await.expect("an update");
    program.send(b"K\n").await;
    let third = soon(stream.authenticate_client(LIMIT)).await;
    assert!(
        matches!(third, Ok(ClientCertificate::Presented(_))),
        "{third:?}"
    );
    // What comes now is the session of the client that has shown a certificate.
    received(&program, "NewSessionTicket", 3).await;
}

#[tokio::test]
async fn our_server_asks_an_openssl_that_has_nothing_to_show() {
    let mut listener = listen(server(optional())).await;
    let address = listener.local_addr().expect("an address");
    let mut program = s_client(address, None);
    let mut stream = accept(&mut listener).await;
    let declined = soon(stream.authenticate_client(LIMIT)).await;
    assert!(
        matches!(declined, Ok(ClientCertificate::Declined)),
        "{declined:?}"
    );
    stream.send(&[b"as you like\n"]).await.expect("data");
    program.wait_for_line("as you like").await;

    let required = ClientAuthentication::Required(roots());
    let mut listener = listen(server(required)).await;
    let address = listener.local_addr().expect("an address");
    let program = s_client(address, None);
    let mut stream = accept(&mut listener).await;
    let refused: Result<_, Error> = soon(stream.authenticate_client(LIMIT)).await;
    let error = refused.expect_err("a refusal");
    assert_eq!(error.violation(), Some(Violation::NoClientCertificate));
    let alert = AlertDescription::CERTIFICATE_REQUIRED;
    assert_eq!(error.alert(), Some((Direction::Sent, alert)));
    let _ = soon(stream.recv(1)).await;
    let seen = |text: &str| text.contains("certificate required") || text.contains("number 116");
    let told = program.wait_until(|output| seen(&output.to_string())).await;
    assert!(told.is_ok(), "{told:?}");
}

#[tokio::test]
async fn our_server_refuses_a_certificate_of_nobody_it_knows() {
    let mut listener = listen(server(optional()).send_certificate_authorities(false)).await;
    let address = listener.local_addr().expect("an address");
    let _program = s_client(address, Some(&pki().unknown_ca));
    let mut stream = accept(&mut listener).await;
    let error = soon(stream.authenticate_client(LIMIT))
        .await
        .expect_err("a refusal");
    let alert = AlertDescription::UNKNOWN_CA;
    assert_eq!(error.alert(), Some((Direction::Sent, alert)), "{error}");
}

#[tokio::test]
async fn our_server_does_not_ask_an_openssl_that_has_not_offered_it() {
    let mut listener = listen(server(optional())).await;
    let address = listener.local_addr().expect("an address");
    let _program = openssl::client(address, &Settings::client());
    let mut stream = accept(&mut listener).await;
    let error = stream.request_client_certificate().expect_err("a misuse");
    assert!(error.to_string().contains("not offered"), "{error}");
}

#[tokio::test]
async fn our_server_asks_gnutls() {
    let mut listener = listen(server(optional())).await;
    let address = listener.local_addr().expect("an address");
    let settings = Settings::client().identity(&pki().client);
    let mut program = gnutls::client(address, &settings.extra(&["--post-handshake-auth"]));
    let mut stream = accept(&mut listener).await;
    let pending = stream.request_client_certificate().expect("a request");
    stream.send(&[b"who are you?\n"]).await.expect("data");
    let reading = async {
        program.wait_for_line("who are you?").await;
        program.send(b"it is me\n").await;
        read_line(&mut stream, "it is me\n").await;
    };
    let (shown, ()) = tokio::join!(timeout(LIMIT, pending), reading);
    assert!(
        matches!(shown, Ok(Ok(ClientCertificate::Presented(_)))),
        "{shown:?}"
    );
    let _ = timeout(Duration::from_millis(1), stream.recv(1)).await;
}
