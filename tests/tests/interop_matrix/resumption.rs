//! Sessions resumed with real peers, in both directions; also after a HelloRetryRequest, and with
//! a client's certificate.
//!
//! Erlang's client names no psk_key_exchange_modes before it has a ticket, so a server that follows
//! RFC 8446 §4.2.9 gives it none.

use std::sync::Arc;
use std::time::Duration;

use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::session::TicketKeys;
use portcullis::{
    ConnectionInformation, MemorySessionStore, NamedGroup, SignatureScheme, TlsConnector,
};
use portcullis_tests::peers::{Group, Message, Peer, Server, Settings};
use portcullis_tests::peers::{gnutls, openssl, rustls};
use portcullis_tests::pki::{self, pki};
use portcullis_tests::scratch;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ours;

const HELLO: Message<'static> = Message {
    line: "here I am, as I was before",
    count: 1,
};

/// What makes a server of this peer give tickets that it takes back.
fn giving_tickets(peer: Peer, settings: Settings) -> Settings {
    match peer {
        Peer::Erlang => settings.extra(&["{session_tickets, stateless}"]),
        _ => settings,
    }
}

/// Our client to this peer. Erlang's server encodes a hello again to check its binder, and fails
/// over signature schemes that it does not know.
fn client_for(peer: Peer) -> ClientConfigBuilder {
    match peer {
        Peer::Erlang => ours::client()
            .groups([NamedGroup::X25519, NamedGroup::SECP384R1])
            .signature_schemes([
                SignatureScheme::ECDSA_SECP256R1_SHA256,
                SignatureScheme::RSA_PSS_RSAE_SHA256,
            ]),
        _ => ours::client(),
    }
}

fn keeping(config: ClientConfigBuilder) -> TlsConnector {
    ours::connector(config).session_store(Arc::<MemorySessionStore>::default())
}

fn resuming(of: &pki::Identity) -> ServerConfigBuilder {
    ours::server(of)
        .ticket_keys(TicketKeys::rotating(Duration::from_secs(7_200)).expect("a period"))
}

/// Connects twice: the second connection resumes the first.
async fn twice(connector: &TlsConnector, server: &Server, retried: bool, context: &str) {
    for resumed in [false, true] {
        let context = format!("{context}, again: {resumed}");
        let information = once(connector, server, resumed, &context).await;
        // The group that the server has asked for is in the next hello.
        let retried = retried && !resumed;
        assert_eq!(information.hello_retried(), retried, "{context}");
    }
}

async fn once(
    connector: &TlsConnector,
    server: &Server,
    resumed: bool,
    context: &str,
) -> Arc<ConnectionInformation> {
    let connected = connector
        .connect(server.address, ours::name("localhost"))
        .await;
    let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
    let information = stream.shared_information();
    assert_eq!(information.is_resumed(), resumed, "{context}");
    assert!(!information.peer_certificates().is_empty(), "{context}");
    let answer = server.answer_to_message(&HELLO);
    ours::exchange(&mut stream, HELLO, &answer, context).await;
    let _ = ours::close(stream, context).await;
    let report = server.report(resumed.into()).await;
    ours::compare(&information, &report, context);
    information
}

#[tokio::test]
async fn our_client_resumes_with_every_server() {
    for peer in Peer::ALL {
        let settings = giving_tickets(peer, Settings::server(&pki().ecdsa_p256));
        let server = peer.server(&settings).await;
        let context = format!("our client to {peer:?}");
        twice(&keeping(client_for(peer)), &server, false, &context).await;
    }
}

/// Erlang's request has a cookie.
#[tokio::test]
async fn our_client_resumes_after_a_retry() {
    for peer in [Peer::Openssl, Peer::Gnutls, Peer::Erlang, Peer::Rustls] {
        let settings = Settings::server(&pki().ecdsa_p256).group(Group::Secp384r1);
        let server = peer.server(&giving_tickets(peer, settings)).await;
        let context = format!("our client to {peer:?}, which wants P-384");
        twice(&keeping(client_for(peer)), &server, true, &context).await;
    }
}

/// Two services of one host have different sessions: the client of OTP keeps tickets by the name alone, gives
/// one of them the other's, and resumes neither.
#[tokio::test]
async fn otp_services_of_one_host_are_not_mixed_up() {
    for peer in [Peer::Erlang, Peer::Openssl] {
        let settings = giving_tickets(peer, Settings::server(&pki().ecdsa_p256));
        let servers = [peer.server(&settings).await, peer.server(&settings).await];
        let connector = keeping(client_for(peer));
        for round in 0..2 {
            for (at, server) in servers.iter().enumerate() {
                let context = format!("our client to {peer:?} {at}, round {round}");
                once(&connector, server, round > 0, &context).await;
            }
        }
    }
}

/// A connection that resumes knows the application protocol and the server's certificates: the client of OTP
/// says that there are none.
#[tokio::test]
async fn otp_a_resumed_connection_knows_as_much_as_the_first() {
    let of = &pki().ecdsa_p256;
    for peer in [Peer::Erlang, Peer::Openssl, Peer::Gnutls, Peer::Rustls] {
        let settings = giving_tickets(peer, Settings::server(of).alpn(&["second"]));
        let server = peer.server(&settings).await;
        let connector = keeping(client_for(peer).alpn(["first", "second"]));
        for resumed in [false, true] {
            let context = format!("our client to {peer:?}, again: {resumed}");
            let information = once(&connector, &server, resumed, &context).await;
            let protocol = information.alpn_protocol();
            assert_eq!(protocol, Some(&b"second"[..]), "{context}");
            let shown = information.peer_certificates();
            assert_eq!(shown.first(), of.chain.first(), "{context}");
            assert_eq!(shown.len(), of.chain.len(), "{context}");
        }
    }
}

#[tokio::test]
async fn our_client_stays_who_it_was() {
    for peer in [Peer::Openssl, Peer::Gnutls, Peer::Rustls] {
        let settings = Settings::server(&pki().ecdsa_p256).root(&pki().root);
        let server = peer.server(&settings).await;
        let client = ours::client().identity(ours::identity(&pki().client));
        let context = format!("our client with a certificate to {peer:?}");
        twice(&keeping(client), &server, false, &context).await;
    }
}

#[tokio::test]
async fn openssl_says_that_our_client_has_resumed() {
    let settings = Settings::server(&pki().ecdsa_p256);
    let mut server = openssl::server(openssl::Mode::Terminal, &settings).await;
    let address = server.address;
    let program = server.program_mut().expect("a process");
    let connector = keeping(ours::client());
    for line in ["first words\n", "second words\n"] {
        let connected = connector.connect(address, ours::name("localhost")).await;
        let mut stream = connected.expect("a connection");
        program.send(line.as_bytes()).await;
        let received = ours::soon(stream.recv(line.len())).await;
        assert_eq!(received.expect("the words"), line.as_bytes());
        ours::close(stream, "our client to s_server").await.ok();
    }
    program.wait_for_line("Reused session-id").await;
}

pub(crate) async fn served(server: &mut ours::Server, resumed: bool, retried: bool, context: &str) {
    let served = server.served().await;
    let information = served.information(context);
    assert_eq!(information.is_resumed(), resumed, "{context}");
    assert_eq!(information.hello_retried(), retried, "{context}");
}

/// OpenSSL does with a HelloRetryRequest as well.
#[tokio::test]
async fn openssl_resumes_with_our_server() {
    for retried in [false, true] {
        let mut config = resuming(&pki().ecdsa_p256);
        if retried {
            config = config.groups([ours::group(Group::Secp384r1)]);
        }
        let mut server = ours::Server::echo(config).await;
        let file = scratch::file("session.pem", "");
        let file = file.display().to_string();
        for (resumed, option, says) in [
            (false, "-sess_out", "New, TLSv1.3"),
            (true, "-sess_in", "Reused, TLSv1.3"),
        ] {
            let context = format!("s_client {option}, retried: {retried}");
            let settings = Settings::client().extra(&[option, &file]);
            let mut client = openssl::client(server.address, &settings);
            client.send(HELLO.data().as_bytes()).await;
            client.wait_for_line(HELLO.line).await;
            let (_, output) = client.finish().await;
            assert!(output.line(says).is_some(), "{context}:\n{output}");
            served(&mut server, resumed, retried, &context).await;
        }
    }
}

#[tokio::test]
async fn gnutls_resumes_with_our_server() {
    let mut server = ours::Server::echo(resuming(&pki().ecdsa_p256)).await;
    let settings = Settings::client().extra(&["--resume", "--waitresumption"]);
    let mut client = gnutls::client(server.address, &settings);
    client.wait_for_line("*** This is a resumed session").await;
    client.send(HELLO.data().as_bytes()).await;
    client.wait_for_line(HELLO.line).await;
    client.finish().await;
    served(&mut server, false, false, "gnutls-cli").await;
    served(&mut server, true, false, "gnutls-cli, again").await;
}

/// With a certificate, by which our server knows it again.
#[tokio::test]
async fn rustls_resumes_with_our_server() {
    let config = resuming(&pki().ecdsa_p256).client_authentication(
        portcullis::ClientAuthentication::Required(ours::roots(&pki().root)),
    );
    let mut server = ours::Server::echo(config).await;
    let config = rustls::client_config(&Settings::client().identity(&pki().client));
    let connector = tokio_rustls::TlsConnector::from(config);
    for resumed in [false, true] {
        let io = TcpStream::connect(server.address).await.expect("TCP");
        let name = ours::name("localhost");
        let mut stream = connector.connect(name, io).await.expect("a connection");
        let kind = stream.get_ref().1.handshake_kind();
        assert_eq!(kind == Some(::rustls::HandshakeKind::Resumed), resumed);
        let mut reply = [0; 5];
        stream.write_all(b"hello").await.expect("sent");
        ours::soon(stream.read_exact(&mut reply))
            .await
            .expect("a reply");
        stream.shutdown().await.expect("closed");
        let served = server.served().await;
        let information = served.information("rustls");
        assert_eq!(information.is_resumed(), resumed);
        assert_eq!(
            information.peer_certificates().first(),
            pki().client.chain.first()
        );
    }
}
