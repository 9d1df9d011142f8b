//! What must fail, and which alert the other side is told: bad servers, no protocol in common, an
//! unknown name, no suite for the key, an older version.

use portcullis::x509::CertificateErrorKind;
use portcullis::{AlertDescription, Direction, ProtocolVersion, Reason};
use portcullis_tests::peers::{Message, Peer, Settings, Suite, Version, openssl};
use portcullis_tests::pki::pki;

use super::{VERSIONS, client, server, their_client, their_server};
use crate::ours;

const NEVER: Message<'static> = Message {
    line: "nobody will ever read this",
    count: 1,
};

#[tokio::test]
async fn our_client_refuses_bad_servers_and_says_why() {
    for peer in Peer::ALL {
        for identity in [&pki().expired, &pki().wrong_name, &pki().unknown_ca] {
            let context = format!("our client to {peer:?}, {}", identity.name);
            let mut settings = their_server(identity);
            if peer == Peer::Gnutls {
                settings = settings.extra(&["--debug=5"]);
            }
            let server = peer.server(&settings).await;
            let error = ours::connect(server.address, client())
                .await
                .expect_err(&context);
            let Some(Reason::Certificate(reason)) = error.reason() else {
                panic!("{context}: {error}")
            };
            let (as_expected, alert) = match (identity.name, reason.kind()) {
                ("expired", CertificateErrorKind::Expired { .. }) => {
                    (true, AlertDescription::CERTIFICATE_EXPIRED)
                }
                ("wrong-name", CertificateErrorKind::NameMismatch { .. }) => {
                    (true, AlertDescription::BAD_CERTIFICATE)
                }
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

#[tokio::test]
async fn every_client_refuses_our_bad_servers_and_we_are_told() {
    use AlertDescription as Alert;
    for identity in [&pki().expired, &pki().wrong_name, &pki().unknown_ca] {
        let mut server = ours::Server::echo(server(identity)).await;
        for peer in Peer::ALL {
            let context = format!("{peer:?} to our server, {}", identity.name);
            let exchange = peer.transfer(server.address, &their_client(), NEVER).await;
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

#[tokio::test]
async fn no_protocol_in_common_ends_the_handshake() {
    let config = server(&pki().ecdsa_p256).alpn(["echo"]);
    let mut ours_server = ours::Server::echo(config).await;
    for peer in Peer::ALL {
        let context = format!("{peer:?} to our server");
        let settings = their_client().alpn(&["other"]);
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

        let context = format!("our client to {peer:?}");
        let mut settings = their_server(&pki().ecdsa_p256).alpn(&["echo"]);
        if peer == Peer::Gnutls {
            settings = settings.extra(&["--alpn-fatal"]);
        }
        let server = peer.server(&settings).await;
        match ours::connect(server.address, client().alpn(["other"])).await {
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

#[tokio::test]
async fn our_server_can_refuse_unknown_names() {
    let config = server(&pki().ecdsa_p256).refuse_unknown_names(true);
    let mut server = ours::Server::echo(config).await;
    for peer in Peer::ALL {
        let context = format!("{peer:?} to our server as stranger.example");
        let settings = Settings {
            server_name: "stranger.example",
            ..their_client()
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

/// RFC 5246 §7.4.1.3: handshake_failure, where nothing that the client offers goes with our key.
#[tokio::test]
async fn a_suite_that_does_not_go_with_the_key_is_refused() {
    let mut ours_server = ours::Server::echo(server(&pki().ecdsa_p256)).await;
    for peer in Peer::ALL {
        let context = format!("{peer:?} to our server");
        let settings = their_client().suite(Suite::EcdheRsaAes128Gcm);
        let exchange = peer.transfer(ours_server.address, &settings, NEVER).await;
        let text = exchange.reply.expect_err(&context);
        assert!(
            peer.names_alert(&text, 40, "handshake_failure"),
            "{context}: {text}"
        );
        let served = ours_server.served().await;
        assert_eq!(
            served.error(&context).alert(),
            Some((Direction::Sent, AlertDescription::HANDSHAKE_FAILURE)),
            "{context}"
        );

        let context = format!("our client to {peer:?}");
        let server = peer.server(&their_server(&pki().ecdsa_p256)).await;
        let config = client().cipher_suites([ours::suite(Suite::EcdheRsaAes128Gcm)]);
        let error = ours::connect(server.address, config)
            .await
            .expect_err(&context);
        let alert = match peer {
            // "no_suitable_ciphers".
            Peer::Erlang => AlertDescription::INSUFFICIENT_SECURITY,
            _ => AlertDescription::HANDSHAKE_FAILURE,
        };
        assert_eq!(
            error.alert(),
            Some((Direction::Received, alert)),
            "{context}: {error}"
        );
    }
}

/// A peer of TLS 1.1 alone, which we do not speak, and one of TLS 1.3 alone for our TLS 1.2.
#[tokio::test]
async fn another_version_is_refused_in_either_role() {
    for (versions, theirs) in [
        (VERSIONS[0], Version::Tls11),
        (VERSIONS[1], Version::Tls11),
        (VERSIONS[0], Version::Tls13),
    ] {
        let context = format!("s_client with {theirs:?} to our server ({versions:?})");
        let config = ours::server(&pki().ecdsa_p256).versions(versions);
        let mut server = ours::Server::echo(config).await;
        let settings = Settings::client().version(theirs);
        let exchange = Peer::Openssl
            .transfer(server.address, &settings, NEVER)
            .await;
        let text = exchange.reply.expect_err(&context);
        assert!(
            Peer::Openssl.names_alert(&text, 70, "protocol_version"),
            "{context}: {text}"
        );
        let served = server.served().await;
        assert_eq!(
            served.error(&context).alert(),
            Some((Direction::Sent, AlertDescription::PROTOCOL_VERSION)),
            "{context}"
        );

        let context = format!("our client ({versions:?}) to s_server with {theirs:?}");
        let settings = Settings::server(&pki().ecdsa_p256).version(theirs);
        let server = openssl::server(openssl::Mode::Reverse, &settings).await;
        let config = ours::client().versions(versions);
        let error = ours::connect(server.address, config)
            .await
            .expect_err(&context);
        let alert = match theirs {
            // Without supported_versions we offer that, too, but no suite of it.
            Version::Tls11 if versions == VERSIONS[0] => AlertDescription::HANDSHAKE_FAILURE,
            _ => AlertDescription::PROTOCOL_VERSION,
        };
        assert_eq!(
            error.alert(),
            Some((Direction::Received, alert)),
            "{context}: {error}"
        );
    }
}

/// RFC 7507: what offers TLS 1.2 after a failure must not be answered by a server of TLS 1.3.
#[tokio::test]
async fn a_fallback_is_refused_where_it_is_not_needed() {
    let settings = || their_client().extra(&["-fallback_scsv"]);
    for (versions, refused) in [(VERSIONS[0], false), (VERSIONS[1], true)] {
        let context = format!("a fallback to our server ({versions:?})");
        let config = ours::server(&pki().ecdsa_p256).versions(versions);
        let mut server = ours::Server::echo(config).await;
        let exchange = Peer::Openssl
            .transfer(server.address, &settings(), NEVER)
            .await;
        assert_eq!(exchange.reply.is_err(), refused, "{context}");
        let served = server.served().await;
        match refused {
            true => assert_eq!(
                served.error(&context).alert(),
                Some((Direction::Sent, AlertDescription::INAPPROPRIATE_FALLBACK)),
                "{context}"
            ),
            false => assert_eq!(
                served.information(&context).version(),
                ProtocolVersion::TLS_1_2
            ),
        }
    }

    let server = Peer::Openssl.server(&their_server(&pki().ecdsa_p256)).await;
    let connected = ours::connect(server.address, client().fallback(true)).await;
    assert!(connected.is_ok(), "our fallback to a server of TLS 1.2");
}
