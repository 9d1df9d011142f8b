//! What must fail in TLS 1.2 alone, and which alert the other side is told: no suite for the key,
//! another version, a fallback.

use portcullis::{AlertDescription, Direction, ProtocolVersion};
use portcullis_tests::peers::{Message, Peer, Settings, Suite, Version, openssl};
use portcullis_tests::pki::pki;

use super::{VERSIONS, client, server, their_client, their_server};
use crate::ours;

const NEVER: Message<'static> = Message {
    line: "nobody will ever read this",
    count: 1,
};

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
