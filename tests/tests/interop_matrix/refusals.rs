//! What must fail in either version, and which alert the other side is told: bad servers, no protocol
//! in common, an unknown name, another version.

use portcullis::x509::{CertificateErrorKind, SubjectAltName};
use portcullis::{AlertDescription, Direction, Reason};
use portcullis_tests::peers::{Message, Peer, Settings, Version, gnutls};
use portcullis_tests::pki::pki;

use crate::ours;

const NEVER: Message<'static> = Message {
    line: "nobody will ever read this",
    count: 1,
};

#[tokio::test]
async fn our_client_refuses_bad_servers_and_says_why() {
    for version in ours::VERSIONS {
        for peer in Peer::ALL {
            for identity in [&pki().expired, &pki().wrong_name, &pki().unknown_ca] {
                let context = format!("our client to {peer:?}, {version:?}, {}", identity.name);
                let mut settings = Settings::server(identity).version(version);
                if peer == Peer::Gnutls {
                    settings = settings.extra(&["--debug=5"]);
                }
                let server = peer.server(&settings).await;
                let error = ours::connect(server.address, ours::client_of(version))
                    .await
                    .expect_err(&context);
                let Some(Reason::Certificate(reason)) = error.reason() else {
                    panic!("{context}: {error}")
                };
                let (as_expected, alert) = match (identity.name, reason.kind()) {
                    ("expired", CertificateErrorKind::Expired { .. }) => {
                        (true, AlertDescription::CERTIFICATE_EXPIRED)
                    }
                    ("wrong-name", CertificateErrorKind::NameMismatch { expected, seen }) => (
                        expected == "localhost"
                            && seen.contains(&SubjectAltName::DnsName("wrong.example".to_owned())),
                        AlertDescription::BAD_CERTIFICATE,
                    ),
                    ("unknown-ca", CertificateErrorKind::UnknownIssuer { .. }) => {
                        (true, AlertDescription::UNKNOWN_CA)
                    }
                    _ => (false, AlertDescription::CLOSE_NOTIFY),
                };
                assert!(as_expected, "{context}: {error}");
                assert_eq!(error.alert(), Some((Direction::Sent, alert)), "{context}");
                server
                    .wait_for_alert(alert.0, alert.name().expect("a known alert"))
                    .await;
            }
        }
    }
}

#[tokio::test]
async fn every_client_refuses_our_bad_servers_and_we_are_told() {
    use AlertDescription as Alert;
    for version in ours::VERSIONS {
        for identity in [&pki().expired, &pki().wrong_name, &pki().unknown_ca] {
            let mut server = ours::Server::echo(ours::server_of(version, identity)).await;
            for peer in Peer::ALL {
                let context = format!("{peer:?} to our server, {version:?}, {}", identity.name);
                let exchange = peer
                    .transfer(server.address, &Settings::client().version(version), NEVER)
                    .await;
                assert!(exchange.reply.is_err(), "{context}");
                let served = server.served().await;
                let alert = served.error(&context).alert();
                let expected = match (peer, identity.name) {
                    (Peer::Gnutls, _) => Alert::BAD_CERTIFICATE,
                    (Peer::Erlang, "wrong-name") => Alert::HANDSHAKE_FAILURE,
                    (_, "expired") => Alert::CERTIFICATE_EXPIRED,
                    (_, "unknown-ca") => Alert::UNKNOWN_CA,
                    _ => Alert::BAD_CERTIFICATE,
                };
                assert_eq!(alert, Some((Direction::Received, expected)), "{context}");
            }
        }
    }
}

#[tokio::test]
async fn no_protocol_in_common_ends_the_handshake() {
    for version in ours::VERSIONS {
        let config = ours::server_of(version, &pki().ecdsa_p256).alpn(["echo"]);
        let mut ours_server = ours::Server::echo(config).await;
        for peer in Peer::ALL {
            let context = format!("{peer:?} to our server, {version:?}");
            let settings = Settings::client().version(version).alpn(&["other"]);
            let exchange = peer.transfer(ours_server.address, &settings, NEVER).await;
            let text = exchange.reply.expect_err(&context);
            assert!(
                peer.names_alert(&text, 120, "no_application_protocol"),
                "{context}: {text}"
            );
            let served = ours_server.served().await;
            assert_eq!(
                served.error(&context).alert(),
                Some((Direction::Sent, AlertDescription::NO_APPLICATION_PROTOCOL)),
                "{context}"
            );

            let context = format!("our client to {peer:?}, {version:?}");
            let mut settings = Settings::server(&pki().ecdsa_p256)
                .version(version)
                .alpn(&["echo"]);
            if peer == Peer::Gnutls {
                settings = settings.extra(&["--alpn-fatal"]);
            }
            let server = peer.server(&settings).await;
            let connected =
                ours::connect(server.address, ours::client_of(version).alpn(["other"])).await;
            match connected {
                // Python goes on without a protocol, as RFC 7301 §3.2 forbids.
                Ok(stream) => assert!(
                    peer == Peer::Python && stream.alpn_protocol().is_none(),
                    "{context}"
                ),
                Err(error) => assert_eq!(
                    error.alert(),
                    Some((
                        Direction::Received,
                        AlertDescription::NO_APPLICATION_PROTOCOL
                    )),
                    "{context}: {error}"
                ),
            }
        }
    }
}

#[tokio::test]
async fn our_server_chooses_its_certificate_by_the_name_and_can_refuse_others() {
    for version in ours::VERSIONS {
        let config = ours::server_of(version, &pki().ecdsa_p256)
            .identity(ours::identity(&pki().wrong_name))
            .refuse_unknown_names(true);
        let mut server = ours::Server::echo(config).await;
        for peer in Peer::ALL {
            for (name, identity) in [
                ("localhost", &pki().ecdsa_p256),
                ("wrong.example", &pki().wrong_name),
            ] {
                let context = format!("{peer:?} to our server as {name}, {version:?}");
                let settings = Settings {
                    server_name: name,
                    ..Settings::client().version(version)
                };
                // Every peer compares the name with the certificate.
                let exchange = peer.transfer(server.address, &settings, NEVER).await;
                assert_eq!(exchange.reply.as_deref(), Ok(NEVER.line), "{context}");
                let served = server.served().await;
                let information = served.information(&context);
                assert_eq!(information.server_name(), Some(name), "{context}");
                assert_eq!(
                    information.local_certificate(),
                    identity.chain.first(),
                    "{context}"
                );
            }
            let context = format!("{peer:?} to our server as stranger.example, {version:?}");
            let settings = Settings {
                server_name: "stranger.example",
                ..Settings::client().version(version)
            };
            let exchange = peer.transfer(server.address, &settings, NEVER).await;
            let text = exchange.reply.expect_err(&context);
            assert!(
                peer.names_alert(&text, 112, "unrecognized_name"),
                "{context}: {text}"
            );
            let served = server.served().await;
            assert_eq!(
                served.error(&context).alert(),
                Some((Direction::Sent, AlertDescription::UNRECOGNIZED_NAME)),
                "{context}"
            );
        }
    }
}

#[tokio::test]
async fn our_client_names_its_server() {
    let settings = Settings::server(&pki().ecdsa_p256);
    let server = gnutls::server(gnutls::Mode::Echo, &settings).await;
    let stream = ours::connector(ours::client())
        .connect(server.address, ours::name("other.example"))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(stream.server_name(), Some("other.example"));
    let program = server.program().expect("a program");
    let told = program.wait_until(|output| {
        output
            .stdout
            .contains("Given server name[1]: other.example\n")
    });
    assert!(told.await.is_ok(), "{}", program.output());
}

#[tokio::test]
async fn a_peer_of_tls_1_2_is_refused_in_either_role_without_it() {
    let mut ours_server =
        ours::Server::echo(ours::server_of(Version::Tls13, &pki().ecdsa_p256)).await;
    for peer in Peer::ALL {
        let context = format!("{peer:?} to our server");
        let settings = Settings::client().version(Version::Tls12);
        let exchange = peer.transfer(ours_server.address, &settings, NEVER).await;
        let text = exchange.reply.expect_err(&context);
        assert!(
            peer.names_alert(&text, 70, "protocol_version"),
            "{context}: {text}"
        );
        let served = ours_server.served().await;
        assert_eq!(
            served.error(&context).alert(),
            Some((Direction::Sent, AlertDescription::PROTOCOL_VERSION)),
            "{context}"
        );

        let context = format!("our client to {peer:?}");
        let settings = Settings::server(&pki().ecdsa_p256).version(Version::Tls12);
        let server = peer.server(&settings).await;
        let error = ours::connect(server.address, ours::client_of(Version::Tls13))
            .await
            .expect_err(&context);
        let alert = match peer {
            Peer::Gnutls => AlertDescription::HANDSHAKE_FAILURE,
            _ => AlertDescription::PROTOCOL_VERSION,
        };
        assert_eq!(
            error.alert(),
            Some((Direction::Received, alert)),
            "{context}: {error}"
        );
    }
}
