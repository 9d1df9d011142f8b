//! curl fetches a page of ours.

use std::sync::Arc;

use portcullis::config::ServerConfigBuilder;
use portcullis::{AlertDescription, ClientAuthentication, Direction, MemoryServerSessionStore};
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

/// Two requests over two connections of one process, and a page of a megabyte, in TLS 1.2 as well: curl resumes
/// by itself, before TLS 1.3 by ids alone (it sets `SSL_OP_NO_TICKET`).
#[tokio::test]
async fn resumes_and_fetches_a_megabyte() {
    let long = "a line of the long page\n".repeat(50_000);
    assert!(long.len() > 1 << 20);
    for version in ours::VERSIONS {
        let acceptor = ours::acceptor(ours::server(&pki().ecdsa_p256).alpn(["http/1.1"]))
            .session_store(Arc::<MemoryServerSessionStore>::default());
        let page = format!("HTTP/1.0 200 OK\r\n\r\n{long}");
        let page = Arc::new(page);
        let mut server = ours::Server::run(acceptor, move |mut stream| {
            let page = Arc::clone(&page);
            async move {
                let mut line = String::new();
                while line != "\r\n" {
                    line.clear();
                    match stream.read_line(&mut line).await {
                        Ok(1..) => {}
                        Ok(0) | Err(_) => return Ok(()),
                    }
                }
                stream.send(&[page.as_bytes()]).await?;
                stream.close(ours::LIMIT).await
            }
        })
        .await;
        let again = format!("https://localhost:{}/", server.address.port());
        let settings = Settings::client().version(version).extra(&[&again]);
        let fetch = curl::fetch(server.address, &settings, "/").await;
        let twice = long.clone() + &long;
        assert!(fetch.body.as_ref() == Ok(&twice), "{version:?}");
        for number in 0..2 {
            let context = format!("curl, {version:?}, number {number}");
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(information.version(), ours::code(version), "{context}");
            assert_eq!(information.is_resumed(), number > 0, "{context}");
            assert!(served.end.is_ok(), "{context}: {served:?}");
        }
    }
}
