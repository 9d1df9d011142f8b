//! Pre-shared keys of TLS 1.3 (RFC 8446 §2.2) against OpenSSL and GnuTLS, both roles: with a key exchange and
//! without, after a HelloRetryRequest, sessions that began with a key, and what a peer says of an identity or a key
//! that is not ours.

use std::sync::Arc;
use std::time::Duration;

use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::session::TicketKeys;
use portcullis::suite::CipherSuite;
use portcullis::{
    AlertDescription, ClientConfig, ConnectionInformation, Direction, MemorySessionStore,
    NamedGroup, PreSharedKey, ProtocolVersion, Roots, ServerConfig,
};
use portcullis_tests::peers::{Message, Peer, Server, Settings, Version, gnutls, openssl};
use portcullis_tests::pki::pki;
use portcullis_tests::scratch;

use crate::ours;

const HELLO: Message<'static> = Message {
    line: "whoever has the key",
    count: 1,
};
const PEERS: [Peer; 2] = [Peer::Openssl, Peer::Gnutls];
const IDENTITY: &str = "meter-17";
const KEY: [u8; 16] = *b"sixteen bytes ..";

fn psk_of(identity: &str, key: &[u8]) -> PreSharedKey {
    PreSharedKey::new(identity, key).expect("a key")
}

fn psk() -> PreSharedKey {
    psk_of(IDENTITY, &KEY)
}

fn client(psk: PreSharedKey) -> ClientConfigBuilder {
    ClientConfig::builder(Roots::empty()).psk(psk)
}

fn server(psk: PreSharedKey) -> ServerConfigBuilder {
    ServerConfig::builder().psk(psk).resumption(false)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How the peer uses its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    WithExchange,
    /// `psk_ke`, and nothing else.
    Alone,
}

/// What the peer has to be told to have the key.
fn with(settings: Settings, peer: Peer, way: Way, is_server: bool) -> Settings {
    let mut words = Vec::new();
    match peer {
        Peer::Openssl => {
            words.extend(["-psk".to_owned(), hex(&KEY)]);
            words.extend(["-psk_identity".to_owned(), IDENTITY.to_owned()]);
        }
        _ => {
            let exchange = match way {
                Way::WithExchange => "ECDHE-PSK",
                Way::Alone => "PSK",
            };
            words.push(format!(
                "--priority=NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+{exchange}"
            ));
            if is_server {
                let file = scratch::file("keys13.psk", format!("{IDENTITY}:{}\n", hex(&KEY)));
                words.push(format!("--pskpasswd={}", file.display()));
            } else {
                words.push(format!("--pskusername={IDENTITY}"));
                words.push(format!("--pskkey={}", hex(&KEY)));
            }
        }
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    settings.extra(&words)
}

async fn their_server(peer: Peer, way: Way, more: &[&str]) -> Server {
    let settings = Settings::server(&pki().ecdsa_p256).version(Version::Tls13);
    peer.server(&with(settings, peer, way, true).extra(more))
        .await
}

fn their_client(peer: Peer, way: Way) -> Settings {
    with(Settings::client().version(Version::Tls13), peer, way, false)
}

fn check(information: &ConnectionInformation, context: &str) {
    assert_eq!(information.version(), ProtocolVersion::TLS_1_3, "{context}");
    let identity = information.psk_identity();
    assert_eq!(identity, Some(IDENTITY.as_bytes()), "{context}");
    assert!(information.peer_certificates().is_empty(), "{context}");
    assert_eq!(information.local_certificate(), None, "{context}");
}

/// A share of a group that the peer has, and one that it has not, so that it asks again.
async fn our_client(peer: Peer) {
    let server = their_server(peer, Way::WithExchange, &[]).await;
    for retries in [false, true] {
        let context = format!("our client to {peer:?}, retries: {retries}");
        let config = match retries {
            false => client(psk()),
            true => client(psk()).key_shares(portcullis::config::KeyShares::Groups(Vec::new())),
        };
        let connected = ours::connect(server.address, config).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        check(stream.information(), &context);
        assert!(stream.information().group().is_some(), "{context}");
        let retried = stream.information().hello_retried();
        assert_eq!(retried, retries, "{context}");
        let answer = server.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, &context).await;
    }
}

async fn our_server(peer: Peer) {
    for groups in [NamedGroup::X25519, NamedGroup::SECP384R1] {
        let context = format!("{peer:?} to our server, {groups}");
        let mut server = ours::Server::echo(server(psk()).groups([groups])).await;
        let settings = their_client(peer, Way::WithExchange);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        let served = server.served().await;
        check(served.information(&context), &context);
        assert_eq!(
            served.information(&context).group(),
            Some(groups),
            "{context}"
        );
    }
}

of_each_peer! {
    our_client_to_openssl: our_client(Openssl);
    our_client_to_gnutls: our_client(Gnutls);
    openssl_to_our_server: our_server(Openssl);
    gnutls_to_our_server: our_server(Gnutls);
}

/// OpenSSL has no way to say that it wants nothing else.
#[tokio::test]
async fn a_key_alone_with_gnutls() {
    let theirs = their_server(Peer::Gnutls, Way::Alone, &[]).await;
    let context = "our client to GnuTLS, psk_ke";
    let connected = ours::connect(theirs.address, client(psk()).psk_ke(true)).await;
    let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
    check(stream.information(), context);
    assert_eq!(stream.information().group(), None);
    let answer = theirs.answer_to_message(&HELLO);
    ours::exchange(&mut stream, HELLO, &answer, context).await;

    let settings = their_client(Peer::Gnutls, Way::Alone);
    let mut allowing = ours::Server::echo(server(psk()).psk_ke(true)).await;
    let exchange = Peer::Gnutls
        .transfer(allowing.address, &settings, HELLO)
        .await;
    assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line));
    let served = allowing.served().await;
    check(served.information("psk_ke"), "psk_ke");
    assert_eq!(served.information("psk_ke").group(), None);

    let mut refusing = ours::Server::echo(server(psk())).await;
    let exchange = Peer::Gnutls
        .transfer(refusing.address, &settings, HELLO)
        .await;
    assert!(exchange.reply.is_err());
    let alert = refusing.served().await.error("no psk_ke").alert();
    let expected = AlertDescription::HANDSHAKE_FAILURE;
    assert_eq!(alert, Some((Direction::Sent, expected)));
}

/// A server that looks the key up, and would like another suite better.
#[tokio::test]
async fn a_key_is_looked_up_for_openssl_and_gnutls() {
    let config = || {
        ServerConfig::builder()
            .cipher_suites([
                CipherSuite::TLS_AES_256_GCM_SHA384,
                CipherSuite::TLS_AES_128_GCM_SHA256,
            ])
            .resumption(false)
            .ask_psk(true)
    };
    for peer in PEERS {
        let context = format!("{peer:?} to a server that asks");
        let acceptor = ours::acceptor(config()).answers(portcullis::answers::psk_by_identity(
            |identity| async move {
                tokio::task::yield_now().await;
                Ok((identity == IDENTITY.as_bytes()).then(psk))
            },
        ));
        let mut server = ours::Server::run(acceptor, |stream| ours::echo(stream, 0)).await;
        let settings = their_client(peer, Way::WithExchange);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        let served = server.served().await;
        check(served.information(&context), &context);
        let suite = served.information(&context).cipher_suite();
        assert_eq!(suite, CipherSuite::TLS_AES_128_GCM_SHA256, "{context}");
    }
}

/// Sessions of theirs that began with a key. OpenSSL gives tickets with a key only where it has a certificate.
#[tokio::test]
async fn our_client_resumes() {
    for peer in PEERS {
        let server = their_server(peer, Way::WithExchange, &[]).await;
        let connector =
            ours::connector(client(psk())).session_store(Arc::<MemorySessionStore>::default());
        for number in 0..3 {
            let context = format!("our client to {peer:?}, {number}");
            let name = ours::name("localhost");
            let connected = connector.connect(server.address, name).await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            let information = stream.shared_information();
            check(&information, &context);
            assert_eq!(information.is_resumed(), number > 0, "{context}");
            let answer = server.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;
            let _ = ours::close(stream, &context).await;
        }
    }
}

/// Sessions of ours that began with a key.
#[tokio::test]
async fn openssl_and_gnutls_resume_with_our_server() {
    let keys = TicketKeys::rotating(Duration::from_secs(7_200)).expect("a period");
    let mut server = ours::Server::echo(server(psk()).ticket_keys(keys)).await;
    let file = scratch::file("session-psk13.pem", "").display().to_string();
    for (option, says) in [("-sess_out", "New, "), ("-sess_in", "Reused, ")] {
        let settings = their_client(Peer::Openssl, Way::WithExchange).extra(&[option, &file]);
        let mut client = openssl::client(server.address, &settings);
        client.send(HELLO.data().as_bytes()).await;
        client.wait_for_line(HELLO.line).await;
        let (_, output) = client.finish().await;
        let context = format!("s_client {option}");
        // Of a key OpenSSL says that it is reused as well; what we know is what counts.
        let served = server.served().await;
        check(served.information(&context), &context);
        let resumed = served.information(&context).is_resumed();
        assert_eq!(resumed, says == "Reused, ", "{context}:\n{output}");
    }
    let settings = their_client(Peer::Gnutls, Way::WithExchange).extra(&["--resume"]);
    let mut client = gnutls::client(server.address, &settings);
    client.wait_for_line("*** This is a resumed session").await;
    client.send(HELLO.data().as_bytes()).await;
    client.wait_for_line(HELLO.line).await;
    client.finish().await;
    for resumed in [false, true] {
        let context = format!("gnutls-cli, resumed: {resumed}");
        let served = server.served().await;
        check(served.information(&context), &context);
        assert_eq!(
            served.information(&context).is_resumed(),
            resumed,
            "{context}"
        );
    }
}

/// Our client with a key or an identity that the server does not have. What each says is its own.
#[tokio::test]
async fn a_server_refuses_a_stranger() {
    for peer in PEERS {
        let server = their_server(peer, Way::WithExchange, &[]).await;
        for (what, key) in [
            ("another key", psk_of(IDENTITY, b"another key ....")),
            ("another identity", psk_of("meter-18", &KEY)),
        ] {
            let context = format!("our client with {what} to {peer:?}");
            let refused = ours::connect(server.address, client(key)).await;
            let error = refused.err().unwrap_or_else(|| panic!("{context}"));
            match error.alert() {
                Some((Direction::Received, alert)) => {
                    let known = [
                        AlertDescription::DECRYPT_ERROR,
                        AlertDescription::UNKNOWN_PSK_IDENTITY,
                        AlertDescription::ILLEGAL_PARAMETER,
                        AlertDescription::HANDSHAKE_FAILURE,
                    ];
                    assert!(known.contains(&alert), "{context}: {error}");
                }
                // OpenSSL shows its certificate where it does not know the identity.
                Some((Direction::Sent, alert)) => {
                    assert_eq!(alert, AlertDescription::MISSING_EXTENSION, "{context}");
                }
                None => panic!("{context}: {error}"),
            }
        }
    }
}

/// The reverse; the client hears what ours says.
#[tokio::test]
async fn our_server_refuses_a_stranger() {
    use AlertDescription as A;
    let stranger = || psk_of("meter-18", &KEY);
    for (key, hides, expected) in [
        (stranger(), false, A::UNKNOWN_PSK_IDENTITY),
        (stranger(), true, A::DECRYPT_ERROR),
        (
            psk_of(IDENTITY, b"another key ...."),
            false,
            A::DECRYPT_ERROR,
        ),
    ] {
        for peer in PEERS {
            let context = format!("{peer:?}, {hides}, {expected}");
            let config = server(key.clone()).hide_unknown_psk_identities(hides);
            let mut server = ours::Server::echo(config).await;
            let settings = their_client(peer, Way::WithExchange);
            let exchange = peer.transfer(server.address, &settings, HELLO).await;
            assert!(exchange.reply.is_err(), "{context}");
            let served = server.served().await;
            let alert = served.error(&context).alert();
            assert_eq!(alert, Some((Direction::Sent, expected)), "{context}");
        }
    }
}
