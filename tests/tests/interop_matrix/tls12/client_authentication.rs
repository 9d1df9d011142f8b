//! Client certificates: shown, missing, and issued by nobody we know, with either side as server.

use portcullis::{AlertDescription, ClientAuthentication, Direction};
use portcullis_tests::peers::{Message, Peer};
use portcullis_tests::pki::pki;

use super::{VERSIONS, server, their_client, their_server};
use crate::ours;

const WHO: Message<'static> = Message {
    line: "it is me, and here is proof",
    count: 1,
};

#[tokio::test]
async fn every_server_takes_our_certificate_and_refuses_none() {
    for peer in Peer::ALL {
        let settings = their_server(&pki().ecdsa_p256).root(&pki().root);
        let server = peer.server(&settings).await;
        for versions in VERSIONS {
            let context = format!("our client ({versions:?}) with a certificate to {peer:?}");
            let config = ours::client()
                .versions(versions)
                .identity(ours::identity(&pki().client));
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

            // Before TLS 1.3 a client is done after the server: it sees the refusal at once.
            let context = format!("our client ({versions:?}) without a certificate to {peer:?}");
            let error = ours::connect(server.address, ours::client().versions(versions))
                .await
                .expect_err(&context);
            let alert = match peer {
                // Its word for "No certificate was found".
                Peer::Gnutls => AlertDescription::DECODE_ERROR,
                // An alert of TLS 1.3.
                Peer::Rustls => AlertDescription::CERTIFICATE_REQUIRED,
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
    let required = ClientAuthentication::Required(ours::roots(&pki().root));
    let config = server(&pki().ecdsa_p256).client_authentication(required);
    let mut server = ours::Server::echo(config).await;
    for peer in Peer::ALL {
        let context = format!("{peer:?} with a certificate to our server");
        let settings = their_client().identity(&pki().client);
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

        // RFC 5246 §7.4.6; certificate_required is of TLS 1.3.
        let context = format!("{peer:?} without a certificate to our server");
        let exchange = peer.transfer(server.address, &their_client(), WHO).await;
        let text = exchange.reply.expect_err(&context);
        assert!(
            peer.names_alert(&text, 40, "handshake_failure"),
            "{context}: {text}"
        );
        let served = server.served().await;
        assert_eq!(
            served.error(&context).alert(),
            Some((Direction::Sent, AlertDescription::HANDSHAKE_FAILURE)),
            "{context}"
        );

        let context = format!("{peer:?} with an unknown certificate to our server");
        let settings = their_client().identity(&pki().unknown_ca);
        let exchange = peer.transfer(server.address, &settings, WHO).await;
        let text = exchange.reply.expect_err(&context);
        // Some choose by our list of authorities, and then have none to show.
        let served = server.served().await;
        let Some((Direction::Sent, alert)) = served.error(&context).alert() else {
            panic!("{context}: {served:?}")
        };
        assert!(
            [
                AlertDescription::UNKNOWN_CA,
                AlertDescription::HANDSHAKE_FAILURE
            ]
            .contains(&alert),
            "{context}: {alert}"
        );
        let (number, name) = (alert.0, alert.name().expect("a known alert"));
        assert!(peer.names_alert(&text, number, name), "{context}: {text}");
    }
}

#[tokio::test]
async fn our_server_can_ask_without_insisting() {
    let optional = ClientAuthentication::Optional(ours::roots(&pki().root));
    let config = server(&pki().ecdsa_p256).client_authentication(optional);
    let mut server = ours::Server::echo(config).await;
    for peer in Peer::ALL {
        for settings in [their_client(), their_client().identity(&pki().client)] {
            let context = format!("{peer:?} to our server, {:?}", settings.identity);
            let exchange = peer.transfer(server.address, &settings, WHO).await;
            assert_eq!(exchange.reply.as_deref(), Ok(WHO.line), "{context}");
            let shown = settings.identity.map_or(0, |identity| identity.chain.len());
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(information.peer_certificates().len(), shown, "{context}");
        }
    }
}
