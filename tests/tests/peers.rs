//! The peers against each other: that the wrappers work, before anything is proved with them.

use portcullis_tests::peers::{Group, Peer, Settings, Suite, Version, curl, gnutls, openssl};
use portcullis_tests::pki::pki;

/// One exchange with everything left at its default.
async fn talks(client: Peer, server: Peer) {
    let identity = &pki().ecdsa_p256;
    let running = server
        .server(&Settings::server(identity).alpn(&["echo", "other"]))
        .await;
    let settings = Settings::client().alpn(&["echo"]);
    let exchange = client
        .exchange(running.address, &settings, "hello from the client")
        .await;
    let context = format!("{client:?} to {server:?}: {exchange:?}");
    assert_eq!(
        exchange.reply.as_deref(),
        Ok(&*running.answer_to("hello from the client")),
        "{context}"
    );
    assert_eq!(exchange.report.version, Some(Version::Tls13), "{context}");
    assert!(exchange.report.suite.is_some(), "{context}");
    assert_eq!(exchange.report.alpn.as_deref(), Some("echo"), "{context}");
}

#[tokio::test]
async fn every_peer_talks_to_every_peer() {
    for server in Peer::ALL {
        for client in Peer::ALL {
            talks(client, server).await;
        }
    }
}

#[tokio::test]
async fn peers_keep_to_the_group_and_suite_they_are_given() {
    let identity = &pki().ecdsa_p256;
    for client in Peer::ALL {
        let server = if client == Peer::Openssl {
            Peer::Gnutls
        } else {
            Peer::Openssl
        };
        let running = server.server(&Settings::server(identity)).await;
        for group in client
            .groups()
            .iter()
            .copied()
            .filter(|group| server.groups().contains(group))
        {
            let exchange = client
                .exchange(
                    running.address,
                    &Settings::client().group(group),
                    "one group only",
                )
                .await;
            assert!(
                exchange.reply.is_ok(),
                "{client:?} with {group:?}: {exchange:?}"
            );
            assert!(
                exchange.report.group.is_none_or(|used| used == group),
                "{client:?}: {exchange:?}"
            );
        }
        for suite in client.suites() {
            let exchange = client
                .exchange(
                    running.address,
                    &Settings::client().suite(*suite),
                    "one suite only",
                )
                .await;
            assert_eq!(
                exchange.report.suite.as_deref(),
                Some(suite.name()),
                "{client:?}: {exchange:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_restricted_server_gets_its_group_and_suite() {
    let restricted = Settings::server(&pki().ecdsa_p256)
        .group(Group::Secp384r1)
        .suite(Suite::Chacha20Poly1305);
    for server in Peer::ALL
        .into_iter()
        .filter(|peer| !peer.groups().is_empty())
    {
        let running = server.server(&restricted).await;
        let exchange = Peer::Openssl
            .exchange(running.address, &Settings::client(), "after a retry")
            .await;
        assert!(exchange.reply.is_ok(), "{server:?}: {exchange:?}");
        assert_eq!(exchange.report.group, Some(Group::Secp384r1), "{server:?}");
        assert_eq!(
            exchange.report.suite.as_deref(),
            Some(Suite::Chacha20Poly1305.name()),
            "{server:?}"
        );
    }
}

#[tokio::test]
async fn hybrid_groups_work_between_rustls_and_itself() {
    for group in [Group::X25519MlKem768, Group::Secp256r1MlKem768] {
        let running = Peer::Rustls
            .server(&Settings::server(&pki().ed25519).group(group))
            .await;
        let exchange = Peer::Rustls
            .exchange(
                running.address,
                &Settings::client().group(group),
                "hybrid exchange",
            )
            .await;
        assert!(exchange.reply.is_ok(), "{exchange:?}");
        assert_eq!(exchange.report.group, Some(group));
    }
}

#[tokio::test]
async fn every_server_key_is_accepted_by_every_client() {
    for identity in pki().servers() {
        let running = Peer::Openssl.server(&Settings::server(identity)).await;
        for client in Peer::ALL {
            let exchange = client
                .exchange(running.address, &Settings::client(), "signed by this key")
                .await;
            assert!(
                exchange.reply.is_ok(),
                "{client:?} with {}: {exchange:?}",
                identity.name
            );
        }
    }
}

#[tokio::test]
async fn every_client_refuses_bad_servers() {
    for identity in [&pki().expired, &pki().wrong_name, &pki().unknown_ca] {
        let running = Peer::Rustls.server(&Settings::server(identity)).await;
        for client in Peer::ALL {
            let exchange = client
                .exchange(running.address, &Settings::client(), "never to be sent")
                .await;
            assert!(
                exchange.reply.is_err(),
                "{client:?} accepted {}",
                identity.name
            );
        }
    }
}

#[tokio::test]
async fn every_server_takes_a_client_certificate_and_refuses_none() {
    for server in Peer::ALL {
        let settings = Settings::server(&pki().ecdsa_p256).root(&pki().root);
        let running = server.server(&settings).await;
        for client in Peer::ALL {
            let with = Settings::client().identity(&pki().client);
            let exchange = client
                .exchange(running.address, &with, "both are known")
                .await;
            assert!(
                exchange.reply.is_ok(),
                "{client:?} to {server:?}: {exchange:?}"
            );
            let exchange = client
                .exchange(running.address, &Settings::client(), "anonymous client")
                .await;
            assert!(
                exchange.reply.is_err(),
                "{server:?} took {client:?} without a certificate"
            );
        }
    }
}

#[tokio::test]
async fn curl_fetches_and_verifies() {
    let good = Settings::server(&pki().ecdsa_p256);
    let page = "Cipher";
    for server in [
        openssl::server(openssl::Mode::Www, &good).await,
        gnutls::server(gnutls::Mode::Http, &good).await,
    ] {
        let fetch = curl::fetch(server.address, &Settings::client(), "/").await;
        assert!(
            fetch.body.as_ref().is_ok_and(|body| body.contains(page)),
            "{fetch:?}"
        );
        assert_eq!(fetch.report.version, Some(Version::Tls13));
        assert!(fetch.report.suite.is_some());
    }
    let bad = openssl::server(openssl::Mode::Www, &Settings::server(&pki().expired)).await;
    let fetch = curl::fetch(bad.address, &Settings::client(), "/").await;
    assert_eq!(fetch.body, Err(60), "{}", fetch.output);
}
