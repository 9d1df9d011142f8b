//! curl fetches a page of ours.

use portcullis::config::ServerConfigBuilder;
use portcullis::{AlertDescription, ClientAuthentication, Direction};
use portcullis_tests::peers::{Peer, Settings, Suite, Version, curl};
use portcullis_tests::pki::pki;
use tokio::io::AsyncBufReadExt as _;

use crate::ours;

/// An HTTP/1.0 page whose end is the end of the connection: cut short, curl would not take it.
pub(crate) async fn page(config: ServerConfigBuilder) -> ours::Server {
    let acceptor = ours::acceptor(config.alpn(["http/1.1"]));
    ours::Server::run(acceptor, |mut stream| async move {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            match stream.read_line(&mut line).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Ok(()),
            }
        }
        let suite = stream.information().cipher_suite();
        let page = format!("HTTP/1.0 200 OK\r\n\r\nsuite: {suite}\n");
        stream.send(&[page.as_bytes()]).await?;
        stream.close(ours::LIMIT).await
    })
    .await
}

#[tokio::test]
async fn with_every_group_and_suite() {
    let mut server = page(ours::server(&pki().ecdsa_p256)).await;
    for group in Peer::Openssl.groups(Version::Tls13) {
        for suite in Suite::TLS13 {
            let context = format!("curl with {group:?}, {suite:?}");
            let settings = Settings::client().group(*group).suite(suite);
            let fetch = curl::fetch(server.address, &settings, "/").await;
            assert_eq!(
                fetch.body,
                Ok(format!("suite: {}\n", suite.name())),
                "{context}"
            );
            assert_eq!(fetch.report.alpn.as_deref(), Some("http/1.1"), "{context}");
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(information.group(), Some(ours::group(*group)), "{context}");
            ours::compare(information, &fetch.report, &context);
            assert!(served.end.is_ok(), "{context}: {served:?}");
        }
    }
}

#[tokio::test]
async fn with_every_key() {
    for identity in pki().servers() {
        let server = page(ours::server(identity)).await;
        let fetch = curl::fetch(server.address, &Settings::client(), "/").await;
        assert!(fetch.body.is_ok(), "{}: {}", identity.name, fetch.output);
    }
}

#[tokio::test]
async fn with_a_client_certificate_and_without() {
    let required = ClientAuthentication::Required(ours::roots(&pki().root));
    let config = ours::server(&pki().ecdsa_p256).client_authentication(required);
    let mut server = page(config).await;
    let settings = Settings::client().identity(&pki().client);
    let fetch = curl::fetch(server.address, &settings, "/").await;
    assert!(fetch.body.is_ok(), "{}", fetch.output);
    assert!(server.served().await.handshake.is_ok());

    let fetch = curl::fetch(server.address, &Settings::client(), "/").await;
    assert!(fetch.body.is_err());
    let text = fetch.output.to_string();
    assert!(text.contains("alert certificate required"), "{text}");
    let served = server.served().await;
    assert_eq!(
        served.error("curl without a certificate").alert(),
        Some((Direction::Sent, AlertDescription::CERTIFICATE_REQUIRED))
    );
}

#[tokio::test]
async fn refuses_bad_servers_with_the_right_alert() {
    for (identity, alert) in [
        (&pki().expired, AlertDescription::CERTIFICATE_EXPIRED),
        (&pki().unknown_ca, AlertDescription::UNKNOWN_CA),
    ] {
        let mut server = page(ours::server(identity)).await;
        let fetch = curl::fetch(server.address, &Settings::client(), "/").await;
        assert_eq!(fetch.body, Err(60), "{}", fetch.output);
        let served = server.served().await;
        assert_eq!(
            served.error(identity.name).alert(),
            Some((Direction::Received, alert))
        );
    }
}
