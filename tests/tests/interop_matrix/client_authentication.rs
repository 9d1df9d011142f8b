//! Client certificates: shown, missing, and issued by nobody we know, with either side as server and
//! in either version.

use portcullis::{AlertDescription, ClientAuthentication, Direction, ProtocolVersion};
use portcullis_tests::peers::{Message, Peer, Settings, Version};
use portcullis_tests::pki::pki;

use crate::ours;

const WHO: Message<'static> = Message {
    line: "it is me, and here is proof",
    count: 1,
};

/// What our client has, each time.
const OURS: [&[ProtocolVersion]; 3] = [
    &[ProtocolVersion::TLS_1_2],
    &[ProtocolVersion::TLS_1_3],
    &[ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2],
];

#[tokio::test]
async fn every_server_takes_our_certificate_and_refuses_none() {
    let each = |peer| ours::VERSIONS.map(|version| (peer, version));
    for (peer, theirs) in Peer::ALL.into_iter().flat_map(each) {
        let settings = Settings::server(&pki().ecdsa_p256).root(&pki().root);
        let server = peer.server(&settings.version(theirs)).await;
        for versions in OURS
            .into_iter()
            .filter(|ours| ours.contains(&ours::code(theirs)))
        {
            let context = format!("our client ({versions:?}) with a certificate to {peer:?}");
            let client = || ours::client().versions(versions);
            let config = client().identity(ours::identity(&pki().client));
            let mut stream = ours::connect(server.address, config)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(
                stream.information().local_certificate(),
                pki().client.chain.first(),
                "{context}"
            );
            assert!(stream.information().local_signature_scheme().is_some());
            let answer = server.answer_to_message(&WHO);
            ours::exchange(&mut stream, WHO, &answer, &context).await;
            // s_server serves one after the other.
            drop(stream);

            let context = format!("our client ({versions:?}) without a certificate to {peer:?}");
            let connected = ours::connect(server.address, client()).await;
            let error = match theirs {
                // A client of TLS 1.3 is done before it is judged: the alert comes with the first
                // read.
                Version::Tls13 => {
                    let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
                    assert!(stream.information().local_certificate().is_none());
                    ours::soon(stream.recv(0)).await.expect_err(&context)
                }
                _ => connected.expect_err(&context),
            };
            let alert = match (theirs, peer) {
                // rustls uses the alert of TLS 1.3 before it, too.
                (Version::Tls13, _) | (_, Peer::Rustls) => AlertDescription::CERTIFICATE_REQUIRED,
                // Its word for "No certificate was found".
                (_, Peer::Gnutls) => AlertDescription::DECODE_ERROR,
                _ => AlertDescription::HANDSHAKE_FAILURE,
            };
            assert_eq!(
                error.alert(),
                Some((Direction::Received, alert)),
                "{context}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn our_server_takes_every_clients_certificate_and_refuses_none() {
    for version in ours::VERSIONS {
        // RFC 5246 §7.4.6; RFC 8446 §4.4.2.4 has a word of its own.
        let missing = match version {
            Version::Tls13 => AlertDescription::CERTIFICATE_REQUIRED,
            _ => AlertDescription::HANDSHAKE_FAILURE,
        };
        let required = ClientAuthentication::Required(ours::roots(&pki().root));
        let config = ours::server_of(version, &pki().ecdsa_p256).client_authentication(required);
        let mut server = ours::Server::echo(config).await;
        for peer in Peer::ALL {
            let context = format!("{peer:?} with a certificate to our server, {version:?}");
            let settings = Settings::client().version(version).identity(&pki().client);
            let exchange = peer.transfer(server.address, &settings, WHO).await;
            assert_eq!(exchange.reply.as_deref(), Ok(WHO.line), "{context}");
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(
                information.peer_certificates(),
                pki().client.chain,
                "{context}"
            );
            assert!(information.peer_signature_scheme().is_some(), "{context}");

            let context = format!("{peer:?} without a certificate to our server, {version:?}");
            let exchange = peer
                .transfer(server.address, &Settings::client().version(version), WHO)
                .await;
            let text = exchange.reply.expect_err(&context);
            let named = peer.names_alert(&text, missing.0, missing.name().expect("a known alert"));
            assert!(named, "{context}: {text}");
            let served = server.served().await;
            assert_eq!(
                served.error(&context).alert(),
                Some((Direction::Sent, missing)),
                "{context}"
            );

            let context =
                format!("{peer:?} with an unknown certificate to our server, {version:?}");
            let settings = Settings::client()
                .version(version)
                .identity(&pki().unknown_ca);
            let exchange = peer.transfer(server.address, &settings, WHO).await;
            let text = exchange.reply.expect_err(&context);
            // Some choose by our list of authorities, and then have none to show.
            let served = server.served().await;
            let Some((Direction::Sent, alert)) = served.error(&context).alert() else {
                panic!("{context}: {served:?}")
            };
            let expected = [AlertDescription::UNKNOWN_CA, missing];
            assert!(expected.contains(&alert), "{context}: {alert}");
            let (number, name) = (alert.0, alert.name().expect("a known alert"));
            assert!(peer.names_alert(&text, number, name), "{context}: {text}");
        }
    }
}

#[tokio::test]
async fn our_server_can_ask_without_insisting() {
    for version in ours::VERSIONS {
        let optional = ClientAuthentication::Optional(ours::roots(&pki().root));
        let config = ours::server_of(version, &pki().ecdsa_p256).client_authentication(optional);
        let mut server = ours::Server::echo(config).await;
        for peer in Peer::ALL {
            for settings in [
                Settings::client().version(version),
                Settings::client().version(version).identity(&pki().client),
            ] {
                let context = format!(
                    "{peer:?} to our server, {version:?}, {:?}",
                    settings.identity
                );
                let exchange = peer.transfer(server.address, &settings, WHO).await;
                assert_eq!(exchange.reply.as_deref(), Ok(WHO.line), "{context}");
                let shown = settings.identity.map_or(0, |identity| identity.chain.len());
                let served = server.served().await;
                let information = served.information(&context);
                assert_eq!(information.peer_certificates().len(), shown, "{context}");
            }
        }
    }
}
