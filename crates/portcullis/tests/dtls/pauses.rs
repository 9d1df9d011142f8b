//! Handshakes over datagrams that stand still at the peer's hello.

use std::time::Duration;

use portcullis::{
    AlertDescription, ClientConfig, Direction, DtlsAcceptor, DtlsConnection, DtlsConnector, Error,
    ProtocolVersion, Refusal, ServerConfig, TlsAcceptor, TlsConnector,
};

use crate::ends::*;
use crate::link::link;
use crate::{ask, echo, listen};

const SECOND: Duration = Duration::from_secs(1);
const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

fn server(version: ProtocolVersion, protocol: &str) -> ServerConfig {
    let server = server_config().to_builder().versions([version]);
    server.alpn([protocol]).build().unwrap()
}

fn client(version: ProtocolVersion) -> ClientConfig {
    let client = client_config().to_builder().versions([version]);
    client.build().unwrap()
}

fn received(failed: &Error, alert: AlertDescription) {
    assert_eq!(
        failed.alert(),
        Some((Direction::Received, alert)),
        "{failed}"
    );
}

#[tokio::test]
async fn a_server_pauses_at_the_hello_and_goes_on_or_not() {
    for version in VERSIONS {
        for action in ["proceed", "continue", "refuse", "drop"] {
            let (listener, address) = listen(TlsAcceptor::new(server(version, "echo"))).await;
            let serve = async {
                let incoming = listener.accept().await.unwrap();
                let peer = incoming.peer_addr();
                let paused = incoming.pause_at_hello().await.unwrap();
                assert_eq!(paused.peer_addr(), peer);
                let hello = paused.client_hello();
                assert_eq!(hello.server_name(), Some("localhost"));
                assert!(hello.alpn_protocols().eq([&b"h2"[..], b"echo"]));
                match action {
                    "proceed" => paused.proceed().await.ok(),
                    "continue" => paused.continue_with(server(version, "h2")).await.ok(),
                    "refuse" => {
                        let alert = AlertDescription::ACCESS_DENIED;
                        let error = paused.refuse(Refusal::new(alert, "not you")).await;
                        assert!(error.to_string().contains("not you"), "{error}");
                        None
                    }
                    _ => None,
                }
            };
            let dtls = DtlsConnector::new(TlsConnector::new(client(version)));
            let (client, server) = tokio::join!(dtls.connect(address, name()), serve);
            match action {
                "proceed" => goes_on(client, server, b"echo").await,
                "continue" => goes_on(client, server, b"h2").await,
                "refuse" => received(&client.unwrap_err(), AlertDescription::ACCESS_DENIED),
                _ => received(&client.unwrap_err(), AlertDescription::USER_CANCELED),
            }
        }
    }
}

async fn goes_on(
    client: Result<DtlsConnection, Error>,
    server: Option<DtlsConnection>,
    protocol: &[u8],
) {
    let (mut client, server) = (client.unwrap(), server.unwrap());
    let chosen = client.information().alpn_protocol();
    assert_eq!(chosen, Some(protocol));
    let server = tokio::spawn(echo(server));
    ask(&mut client, b"hello").await;
    client.close(5 * SECOND).await.unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_pauses_at_the_hello_and_goes_on_or_not() {
    for version in VERSIONS {
        for action in ["proceed", "continue", "refuse", "drop"] {
            let (near, far) = link(64);
            let acceptor = DtlsAcceptor::new(TlsAcceptor::new(server(version, "echo")));
            let connect = async {
                let dtls = DtlsConnector::new(TlsConnector::new(client(version)));
                let paused = dtls.pause_at_hello(near, name()).await.unwrap();
                let over_datagrams = match version {
                    ProtocolVersion::TLS_1_3 => ProtocolVersion::DTLS_1_3,
                    _ => ProtocolVersion::DTLS_1_2,
                };
                assert_eq!(paused.server_hello().version(), over_datagrams);
                match action {
                    "proceed" => paused.proceed().await.ok(),
                    "continue" => paused.continue_with(client(version)).await.ok(),
                    "refuse" => {
                        let alert = AlertDescription::ACCESS_DENIED;
                        let error = paused.refuse(Refusal::new(alert, "not you")).await;
                        assert!(error.to_string().contains("not you"), "{error}");
                        None
                    }
                    _ => None,
                }
            };
            let (client, server) = tokio::join!(connect, acceptor.accept(far));
            match action {
                "proceed" | "continue" => {
                    let (mut client, server) = (client.unwrap(), server.unwrap());
                    tokio::spawn(echo(server));
                    ask(&mut client, b"hello").await;
                }
                _ => assert!(server.unwrap_err().alert().is_some()),
            }
        }
    }
}

/// The limit of the handshake does not run meanwhile, and begins anew; the client says its hello again.
#[tokio::test]
async fn no_time_runs_while_it_is_paused() {
    let short = TlsAcceptor::new(server(ProtocolVersion::TLS_1_3, "echo"));
    let (listener, address) = listen(short.handshake_timeout(2 * SECOND)).await;
    let serve = async {
        let paused = listener.accept().await.unwrap().pause_at_hello().await;
        tokio::time::sleep(3 * SECOND).await;
        paused.unwrap().proceed().await
    };
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.connect(address, name()), serve);
    goes_on(client, server.ok(), b"echo").await;
}

/// As the client of a listener.
#[tokio::test(start_paused = true)]
async fn the_client_of_a_transport_waits_too() {
    for goes in [true, false] {
        let (near, far) = link(64);
        let acceptor = DtlsAcceptor::new(TlsAcceptor::new(server(VERSIONS[0], "echo")));
        let serve = async {
            let paused = acceptor.pause_at_hello(far).await.unwrap();
            assert_eq!(paused.client_hello().server_name(), Some("localhost"));
            assert_eq!(paused.peer_addr(), None);
            match goes {
                true => paused.proceed().await.ok(),
                false => None,
            }
        };
        let dtls = DtlsConnector::new(TlsConnector::new(client(VERSIONS[0])));
        let (client, server) = tokio::join!(dtls.upgrade(near, name()), serve);
        match goes {
            true => goes_on(client, server, b"echo").await,
            false => received(&client.unwrap_err(), AlertDescription::USER_CANCELED),
        }
    }
    // Nobody comes.
    let (_near, far) = link(64);
    let tls = TlsAcceptor::new(server(VERSIONS[0], "echo")).handshake_timeout(SECOND);
    let error = DtlsAcceptor::new(tls).pause_at_hello(far).await;
    assert!(error.unwrap_err().is_timeout());
}
