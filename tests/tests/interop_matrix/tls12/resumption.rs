//! Sessions of TLS 1.2 resumed with real peers: our client and our server by a ticket (RFC 5077) and by
//! an id; with a client's certificate, and without the extended master secret.

use std::sync::Arc;
use std::time::Duration;

use portcullis::config::{ClientConfigBuilder, ExtendedMasterSecret, ServerConfigBuilder};
use portcullis::session::TicketKeys;
use portcullis::{
    ClientAuthentication, MemoryServerSessionStore, MemorySessionStore, ProtocolVersion,
    TlsConnector,
};
use portcullis_tests::peers::{Message, Peer, Server};
use portcullis_tests::peers::{erlang, gnutls, openssl, rustls};
use portcullis_tests::pki::{self, pki};
use portcullis_tests::scratch;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{VERSIONS, client, their_client, their_server};
use crate::ours;

const HELLO: Message<'static> = Message {
    line: "here I am, as I was before",
    count: 1,
};

fn keeping(config: ClientConfigBuilder) -> TlsConnector {
    ours::connector(config).session_store(Arc::<MemorySessionStore>::default())
}

fn resuming(of: &pki::Identity) -> ServerConfigBuilder {
    super::server(of)
        .ticket_keys(TicketKeys::rotating(Duration::from_secs(7_200)).expect("a period"))
}

/// Connects three times to a server that has had none: each connection but the first resumes, since a session of TLS 1.2 is good
/// for many.
async fn thrice(connector: &TlsConnector, peer: Peer, server: &Server, context: &str) {
    for number in 0..3 {
        let context = format!("{context}, number {number}");
        let connected = connector
            .connect(server.address, ours::name("localhost"))
            .await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        let information = stream.shared_information();
        assert_eq!(information.version(), ProtocolVersion::TLS_1_2, "{context}");
        assert_eq!(information.is_resumed(), number > 0, "{context}");
        assert!(!information.peer_certificates().is_empty(), "{context}");
        let answer = server.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, &context).await;
        let _ = ours::close(stream, &context).await;
        // Of a session resumed s_server tells less, and nothing at the end.
        if peer != Peer::Openssl {
            let mut report = server.report(number).await;
            // There is no key exchange here: only GnuTLS keeps the group with the session, as we do.
            if number > 0 && peer != Peer::Gnutls {
                report.group = None;
            }
            ours::compare(&information, &report, &context);
        }
    }
}

#[tokio::test]
async fn our_client_resumes_with_every_server() {
    for peer in Peer::ALL {
        // Erlang's starts are slow, and its sessions do not differ.
        let sets = match peer {
            Peer::Erlang => &VERSIONS[..1],
            _ => &VERSIONS[..],
        };
        for versions in sets {
            let server = peer.server(&their_server(&pki().ecdsa_p256)).await;
            let context = format!("our client ({versions:?}) to {peer:?}");
            let connector = keeping(ours::client().versions(*versions));
            thrice(&connector, peer, &server, &context).await;
        }
    }
}

/// Without tickets, by the id in ServerHello.
#[tokio::test]
async fn our_client_resumes_by_an_id() {
    for (peer, word) in [(Peer::Openssl, "-no_ticket"), (Peer::Gnutls, "--noticket")] {
        let settings = their_server(&pki().ecdsa_p256).extra(&[word]);
        let server = peer.server(&settings).await;
        let context = format!("our client to {peer:?}");
        thrice(&keeping(client()), peer, &server, &context).await;
    }
}

#[tokio::test]
async fn our_client_stays_who_it_was() {
    for peer in [Peer::Openssl, Peer::Gnutls, Peer::Rustls] {
        let settings = their_server(&pki().ecdsa_p256).root(&pki().root);
        // OpenSSL resumes a session with a client's certificate in its own context only.
        let settings = match peer {
            Peer::Openssl => settings.extra(&["-id_prefix", "test"]),
            _ => settings,
        };
        let server = peer.server(&settings).await;
        let config = client().identity(ours::identity(&pki().client));
        let context = format!("our client with a certificate to {peer:?}");
        thrice(&keeping(config), peer, &server, &context).await;
    }
}

#[tokio::test]
async fn our_client_resumes_without_the_extended_master_secret() {
    for peer in [Peer::Openssl, Peer::Gnutls] {
        let server = peer.server(&their_server(&pki().ecdsa_p256)).await;
        let config = client().extended_master_secret(ExtendedMasterSecret::Off);
        let context = format!("our client without it to {peer:?}");
        thrice(&keeping(config), peer, &server, &context).await;
    }
}

async fn served(server: &mut ours::Server, resumed: bool, context: &str) {
    let served = server.served().await;
    let information = served.information(context);
    assert_eq!(information.version(), ProtocolVersion::TLS_1_2, "{context}");
    assert_eq!(information.is_resumed(), resumed, "{context}");
    assert_eq!(information.server_name(), Some("localhost"), "{context}");
}

#[tokio::test]
async fn openssl_resumes_with_our_server() {
    for when in [ExtendedMasterSecret::IfOffered, ExtendedMasterSecret::Off] {
        let config = resuming(&pki().ecdsa_p256).extended_master_secret(when);
        let mut server = ours::Server::echo(config).await;
        let file = scratch::file("session12.pem", "");
        let file = file.display().to_string();
        for (resumed, option, says) in [
            (false, "-sess_out", "New, TLSv1.2"),
            (true, "-sess_in", "Reused, TLSv1.2"),
        ] {
            let context = format!("s_client {option}, {when:?}");
            let settings = their_client().extra(&[option, &file]);
            let mut client = openssl::client(server.address, &settings);
            client.send(HELLO.data().as_bytes()).await;
            client.wait_for_line(HELLO.line).await;
            let (_, output) = client.finish().await;
            assert!(output.line(says).is_some(), "{context}:\n{output}");
            served(&mut server, resumed, &context).await;
        }
    }
}

#[tokio::test]
async fn gnutls_resumes_with_our_server() {
    let mut server = ours::Server::echo(resuming(&pki().ecdsa_p256)).await;
    let settings = their_client().extra(&["--resume"]);
    let mut client = gnutls::client(server.address, &settings);
    client.wait_for_line("*** This is a resumed session").await;
    client.send(HELLO.data().as_bytes()).await;
    client.wait_for_line(HELLO.line).await;
    client.finish().await;
    served(&mut server, false, "gnutls-cli").await;
    served(&mut server, true, "gnutls-cli, again").await;
}

/// With a certificate, by which our server knows it again; and not with a server that has other
/// keys for its tickets.
#[tokio::test]
async fn rustls_resumes_with_our_server() {
    let required = || ClientAuthentication::Required(ours::roots(&pki().root));
    let config = || resuming(&pki().ecdsa_p256).client_authentication(required());
    let mut server = ours::Server::echo(config()).await;
    let mut other = ours::Server::echo(config()).await;
    let settings = their_client().identity(&pki().client);
    let connector = tokio_rustls::TlsConnector::from(rustls::client_config(&settings));
    for (resumed, server) in [(false, &mut server), (false, &mut other)] {
        resumes(&connector, server, resumed).await;
    }
    // What it keeps for the name is of the other one now.
    resumes(&connector, &mut other, true).await;
    resumes(&connector, &mut other, true).await;
}

async fn resumes(connector: &tokio_rustls::TlsConnector, server: &mut ours::Server, resumed: bool) {
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

/// A server that keeps sessions by their ids.
async fn keeping_server() -> (ours::Server, Arc<MemoryServerSessionStore>) {
    let store = Arc::<MemoryServerSessionStore>::default();
    let acceptor = ours::acceptor(super::server(&pki().ecdsa_p256)).session_store(store.clone());
    let server = ours::Server::run(acceptor, |stream| ours::echo(stream, 0)).await;
    (server, store)
}

#[tokio::test]
async fn openssl_resumes_by_an_id_of_our_server() {
    // With session_ticket in its hello, and without.
    for extra in [&[][..], &["-no_ticket"]] {
        let (mut server, store) = keeping_server().await;
        let file = scratch::file("session12-id.pem", "");
        let file = file.display().to_string();
        for (resumed, option, says) in [
            (false, "-sess_out", "New, TLSv1.2"),
            (true, "-sess_in", "Reused, TLSv1.2"),
            (true, "-sess_in", "Reused, TLSv1.2"),
        ] {
            let context = format!("s_client {option} {extra:?}");
            let extra = [extra, &[option, &file]].concat();
            let mut client = openssl::client(server.address, &their_client().extra(&extra));
            client.send(HELLO.data().as_bytes()).await;
            client.wait_for_line(HELLO.line).await;
            let (_, output) = client.finish().await;
            assert!(output.line(says).is_some(), "{context}:\n{output}");
            served(&mut server, resumed, &context).await;
        }
        assert_eq!(store.len(), 1);
    }
}

#[tokio::test]
async fn gnutls_resumes_by_an_id_of_our_server() {
    for extra in [&["--resume"][..], &["--resume", "--noticket"]] {
        let (mut server, store) = keeping_server().await;
        let mut client = gnutls::client(server.address, &their_client().extra(extra));
        client.wait_for_line("*** This is a resumed session").await;
        client.send(HELLO.data().as_bytes()).await;
        client.wait_for_line(HELLO.line).await;
        client.finish().await;
        served(&mut server, false, "gnutls-cli").await;
        served(&mut server, true, "gnutls-cli, again").await;
        assert_eq!(store.len(), 1);
    }
}

/// Erlang/OTP 25 has neither tickets of TLS 1.2 nor the extended master secret.
#[tokio::test]
async fn erlang_resumes_by_an_id_of_our_server() {
    let (mut server, store) = keeping_server().await;
    let settings = their_client();
    // Whether it has resumed it tells of TLS 1.3 only.
    let (exchange, _) = erlang::exchange_again(server.address, &settings, HELLO).await;
    assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line));
    served(&mut server, false, "Erlang").await;
    served(&mut server, true, "Erlang, again").await;
    assert_eq!(store.len(), 1);
}
