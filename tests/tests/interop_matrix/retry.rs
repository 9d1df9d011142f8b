//! HelloRetryRequest, sent and received.

use portcullis_tests::peers::{Group, Message, Peer, Settings};
use portcullis_tests::pki::pki;

use crate::ours;

const AGAIN: Message<'static> = Message {
    line: "and once more, with a share",
    count: 1,
};

/// Our first hello has shares for the hybrid and X25519 only. Erlang's request has a cookie.
#[tokio::test]
async fn every_server_can_ask_our_client_for_p384() {
    for peer in Peer::ALL.into_iter().filter(|peer| *peer != Peer::Python) {
        let context = format!("our client to {peer:?}");
        let settings = Settings::server(&pki().ecdsa_p256).group(Group::Secp384r1);
        let server = peer.server(&settings).await;
        let mut stream = ours::connect(server.address, ours::client())
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let information = stream.shared_information();
        assert!(information.hello_retried(), "{context}");
        assert_eq!(
            information.group(),
            Some(ours::group(Group::Secp384r1)),
            "{context}"
        );
        ours::exchange(
            &mut stream,
            AGAIN,
            &server.answer_to_message(&AGAIN),
            &context,
        )
        .await;
        ours::compare(&information, &server.report(0).await, &context);
    }
}

/// No peer sends a share for P-384 unasked, and our server wants nothing else.
#[tokio::test]
async fn our_server_can_ask_every_client_for_another_share() {
    for cookie in [false, true] {
        let config = ours::server(&pki().ecdsa_p256)
            .groups([ours::group(Group::Secp384r1)])
            .cookie(cookie);
        let mut server = ours::Server::echo(config).await;
        for peer in Peer::ALL {
            let context = format!("{peer:?} to our server, cookie: {cookie}");
            let exchange = peer
                .transfer(server.address, &Settings::client(), AGAIN)
                .await;
            assert_eq!(exchange.reply.as_deref(), Ok(AGAIN.line), "{context}");
            let served = server.served().await;
            let information = served.information(&context);
            assert!(information.hello_retried(), "{context}");
            assert_eq!(
                information.group(),
                Some(ours::group(Group::Secp384r1)),
                "{context}"
            );
            ours::compare(information, &exchange.report, &context);
        }
    }
}

#[tokio::test]
async fn either_side_can_ask_for_a_share_of_a_hybrid() {
    let hybrid = Group::Secp256r1MlKem768;
    let settings = Settings::server(&pki().ecdsa_p256).group(hybrid);
    let server = Peer::Rustls.server(&settings).await;
    let mut stream = ours::connect(server.address, ours::client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(stream.information().hello_retried());
    assert_eq!(stream.information().group(), Some(ours::group(hybrid)));
    let answer = server.answer_to_message(&AGAIN);
    ours::exchange(&mut stream, AGAIN, &answer, "our client to rustls").await;

    let config = ours::server(&pki().ecdsa_p256).groups([ours::group(hybrid)]);
    let mut server = ours::Server::echo(config).await;
    let settings = Settings {
        groups: vec![Group::X25519, hybrid],
        ..Settings::client()
    };
    let exchange = Peer::Rustls
        .transfer(server.address, &settings, AGAIN)
        .await;
    assert_eq!(exchange.reply.as_deref(), Ok(AGAIN.line));
    let served = server.served().await;
    let information = served.information("rustls to our server");
    assert!(information.hello_retried());
    ours::compare(information, &exchange.report, "rustls to our server");
}
