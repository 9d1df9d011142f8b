//! The peers against each other: that the wrappers work, before anything is proved with them.

use portcullis_tests::peers::{
    Group, Peer, Settings, Suite, Version, curl, gnutls, openssl, wolfssl,
};
use portcullis_tests::pki::pki;

const VERSIONS: [Version; 2] = [Version::Tls13, Version::Tls12];

/// One exchange with everything but the version left at its default.
async fn talks(client: Peer, server: Peer, version: Version) {
    let settings = Settings::server(&pki().ecdsa_p256).version(version);
    let running = server.server(&settings.alpn(&["echo", "other"])).await;
    let settings = Settings::client().version(version).alpn(&["echo"]);
    let exchange = client
        .exchange(running.address, &settings, "hello from the client")
        .await;
    let context = format!("{client:?} to {server:?}, {version:?}: {exchange:?}");
    assert_eq!(
        exchange.reply.as_deref(),
        Ok(&*running.answer_to("hello from the client")),
        "{context}"
    );
    assert_eq!(exchange.report.version, Some(version), "{context}");
    assert!(exchange.report.suite.is_some(), "{context}");
    let report = running.report(0).await;
    assert_eq!(report.version, Some(version), "{context}: {report:?}");
    assert_eq!(report.suite, exchange.report.suite, "{context}: {report:?}");
    assert_eq!(exchange.report.alpn.as_deref(), Some("echo"), "{context}");
}

#[tokio::test]
async fn every_peer_talks_to_every_peer() {
    for server in Peer::ALL {
        for client in Peer::ALL {
            for version in VERSIONS {
                talks(client, server, version).await;
            }
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
            .groups(Version::Tls13)
            .iter()
            .copied()
            .filter(|group| server.groups(Version::Tls13).contains(group))
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

/// In TLS 1.2 a suite also says which key the server must have.
#[tokio::test]
async fn peers_of_tls_1_2_keep_to_the_group_and_suite_they_are_given() {
    let ecdsa = (&pki().ecdsa_p256, Suite::ECDHE_ECDSA);
    let rsa = (&pki().rsa_2048, Suite::ECDHE_RSA);
    for client in Peer::ALL {
        let server = match client {
            Peer::Openssl => Peer::Gnutls,
            _ => Peer::Openssl,
        };
        for (identity, suites) in [ecdsa, rsa] {
            let settings = Settings::server(identity).version(Version::Tls12);
            let running = server.server(&settings).await;
            for suite in suites {
                let settings = Settings::client().version(Version::Tls12).suite(suite);
                let exchange = client
                    .exchange(running.address, &settings, "one suite only")
                    .await;
                assert!(exchange.reply.is_ok(), "{client:?}: {exchange:?}");
                let used = exchange.report.suite.as_deref();
                assert_eq!(used, Some(suite.name()), "{client:?}: {exchange:?}");
            }
            // An ECDSA key must be on one of the client's curves (RFC 8422 §5.1).
            let groups = match identity.name {
                "rsa-2048" => client.groups(Version::Tls12),
                _ => &[Group::Secp256r1],
            };
            for group in groups.iter().filter(|_| client != Peer::Python) {
                let settings = Settings::client().version(Version::Tls12).group(*group);
                let exchange = client
                    .exchange(running.address, &settings, "one group only")
                    .await;
                let context = format!("{client:?} with {group:?}: {exchange:?}");
                assert!(exchange.reply.is_ok(), "{context}");
                let used = exchange.report.group;
                assert!(used.is_none_or(|used| used == *group), "{context}");
            }
        }
    }
}

#[tokio::test]
async fn a_restricted_server_of_tls_1_2_gets_its_group_and_suite() {
    for server in Peer::ALL {
        for (identity, suite) in [
            (&pki().ecdsa_p256, Suite::EcdheEcdsaChacha20Poly1305),
            (&pki().rsa_2048, Suite::EcdheRsaAes128Gcm),
        ] {
            let mut settings = Settings::server(identity)
                .version(Version::Tls12)
                .suite(suite);
            if server != Peer::Python {
                settings = settings.group(Group::Secp384r1);
            }
            let running = server.server(&settings).await;
            let client = Settings::client().version(Version::Tls12);
            let exchange = Peer::Openssl
                .exchange(running.address, &client, "as it was told")
                .await;
            assert!(exchange.reply.is_ok(), "{server:?}: {exchange:?}");
            let used = exchange.report.suite.as_deref();
            assert_eq!(used, Some(suite.name()), "{server:?}");
            if server != Peer::Python {
                assert_eq!(exchange.report.group, Some(Group::Secp384r1), "{server:?}");
            }
        }
    }
}

#[tokio::test]
async fn wolfssl_reports_version_suite_and_group() {
    for version in VERSIONS {
        let suite = match version {
            Version::Tls10 | Version::Tls11 | Version::Tls12 => Suite::EcdheEcdsaChacha20Poly1305,
            Version::Tls13 => Suite::Chacha20Poly1305,
        };
        let settings = Settings::server(&pki().ecdsa_p256).version(version);
        let (mut program, address) = wolfssl::server(&settings, Group::Secp256r1).await;
        let settings = Settings::client().version(version).suite(suite);
        let exchange =
            wolfssl::exchange(address, &settings, Group::Secp256r1, "wolf to wolf").await;
        assert_eq!(exchange.reply.as_deref(), Ok("wolf to wolf"), "{version:?}");
        assert_eq!(exchange.report.version, Some(version));
        assert_eq!(exchange.report.suite.as_deref(), Some(suite.name()));
        assert_eq!(exchange.report.group, Some(Group::Secp256r1));
        let line = program.wait_for_line("CONNECTED ").await;
        assert_eq!(wolfssl::report(&line), exchange.report);
    }
}

#[tokio::test]
async fn a_restricted_server_gets_its_group_and_suite() {
    let restricted = Settings::server(&pki().ecdsa_p256)
        .group(Group::Secp384r1)
        .suite(Suite::Chacha20Poly1305);
    for server in Peer::ALL
        .into_iter()
        .filter(|peer| !peer.groups(Version::Tls13).is_empty())
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
    for (version, identity) in VERSIONS
        .into_iter()
        .flat_map(|version| pki().servers().map(|identity| (version, identity)))
    {
        let settings = Settings::server(identity).version(version);
        let running = Peer::Openssl.server(&settings).await;
        for client in Peer::ALL {
            if version == Version::Tls12 && !client.has_key_before_tls13(identity) {
                continue;
            }
            let settings = Settings::client().version(version);
            let exchange = client
                .exchange(running.address, &settings, "signed by this key")
                .await;
            assert!(
                exchange.reply.is_ok(),
                "{client:?} with {}, {version:?}: {exchange:?}",
                identity.name
            );
        }
    }
}

#[tokio::test]
async fn every_client_refuses_bad_servers() {
    for version in VERSIONS {
        for identity in [&pki().expired, &pki().wrong_name, &pki().unknown_ca] {
            let settings = Settings::server(identity).version(version);
            let running = Peer::Rustls.server(&settings).await;
            for client in Peer::ALL {
                let settings = Settings::client().version(version);
                let exchange = client
                    .exchange(running.address, &settings, "never to be sent")
                    .await;
                let accepted = exchange.reply.is_ok();
                assert!(!accepted, "{client:?} accepted {}", identity.name);
            }
        }
    }
}

#[tokio::test]
async fn every_server_takes_a_client_certificate_and_refuses_none() {
    for (version, server) in VERSIONS
        .into_iter()
        .flat_map(|version| Peer::ALL.map(|server| (version, server)))
    {
        let settings = Settings::server(&pki().ecdsa_p256).root(&pki().root);
        let running = server.server(&settings.version(version)).await;
        for client in Peer::ALL {
            let without = Settings::client().version(version);
            let with = without.clone().identity(&pki().client);
            let exchange = client
                .exchange(running.address, &with, "both are known")
                .await;
            assert!(
                exchange.reply.is_ok(),
                "{client:?} to {server:?}, {version:?}: {exchange:?}"
            );
            let exchange = client
                .exchange(running.address, &without, "anonymous client")
                .await;
            assert!(
                exchange.reply.is_err(),
                "{server:?} took {client:?} without a certificate, {version:?}"
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
    let server = openssl::server(openssl::Mode::Www, &good.version(Version::Tls12)).await;
    for suite in Suite::ECDHE_ECDSA {
        let settings = Settings::client().version(Version::Tls12).suite(suite);
        let fetch = curl::fetch(server.address, &settings, "/").await;
        assert!(fetch.body.is_ok(), "{fetch:?}");
        assert_eq!(fetch.report.version, Some(Version::Tls12));
        assert_eq!(fetch.report.suite.as_deref(), Some(suite.name()));
    }
    let bad = openssl::server(openssl::Mode::Www, &Settings::server(&pki().expired)).await;
    let fetch = curl::fetch(bad.address, &Settings::client(), "/").await;
    assert_eq!(fetch.body, Err(60), "{}", fetch.output);
}
