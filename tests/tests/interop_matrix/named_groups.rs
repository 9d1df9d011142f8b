//! Groups that are there where they are named: X448 and the finite fields of RFC 7919.

use portcullis::NamedGroup;
use portcullis::config::KeyShares;
use portcullis_tests::peers::{Group, Message, Peer, Settings, Version};
use portcullis_tests::pki::pki;

use crate::ours;

const HELLO: Message<'static> = Message {
    line: "hello in another group",
    count: 1,
};

/// By a share, and by a HelloRetryRequest.
async fn our_client(peer: Peer) {
    for group in Group::NAMED {
        let settings = Settings::server(&pki().ecdsa_p256).group(group);
        let server = peer.server(&settings).await;
        let named = ours::group(group);
        for (number, share) in [named, NamedGroup::X25519].into_iter().enumerate() {
            let context = format!("our client to {peer:?} with {group:?} and a share of {share}");
            let config = ours::client_of(Version::Tls13)
                .groups([NamedGroup::X25519, named])
                .key_shares(KeyShares::Groups(vec![share]));
            let mut stream = ours::connect(server.address, config)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let information = stream.shared_information();
            assert_eq!(information.group(), Some(named), "{context}");
            assert_eq!(information.hello_retried(), share != named, "{context}");
            let answer = server.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;
            ours::compare(&information, &server.report(number).await, &context);
        }
    }
}

async fn our_server(peer: Peer) {
    for group in Group::NAMED {
        let named = ours::group(group);
        let config = ours::server_of(Version::Tls13, &pki().ecdsa_p256).groups([named]);
        let mut server = ours::Server::echo(config).await;
        for groups in [vec![group], vec![Group::X25519, group]] {
            let context = format!("{peer:?} to our server with {groups:?}");
            let retried = groups.len() > 1;
            let settings = Settings {
                groups,
                ..Settings::client()
            };
            let exchange = peer.transfer(server.address, &settings, HELLO).await;
            assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(information.group(), Some(named), "{context}");
            // GnuTLS sends a share of each kind of group.
            if peer != Peer::Gnutls {
                assert_eq!(information.hello_retried(), retried, "{context}");
            }
            ours::compare(information, &exchange.report, &context);
        }
    }
}

/// Before TLS 1.3 X448 is a curve as any, and Erlang has it in TLS 1.3 alone.
#[tokio::test]
async fn x448_in_tls_1_2() {
    let named = ours::group(Group::X448);
    for peer in [Peer::Openssl, Peer::Gnutls] {
        let context = format!("{peer:?}");
        let settings = Settings::server(&pki().rsa_2048).version(Version::Tls12);
        let server = peer.server(&settings.group(Group::X448)).await;
        let config = ours::client_of(Version::Tls12).groups([named]);
        let mut stream = ours::connect(server.address, config)
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(stream.information().group(), Some(named), "{context}");
        let answer = server.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, &context).await;

        let config = ours::server_of(Version::Tls12, &pki().rsa_2048).groups([named]);
        let mut server = ours::Server::echo(config).await;
        let settings = Settings::client().version(Version::Tls12);
        let settings = settings.group(Group::X448);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        let served = server.served().await;
        let information = served.information(&context);
        assert_eq!(information.group(), Some(named), "{context}");
    }
}

of_each_peer! {
    our_client_and_openssl: our_client(Openssl);
    our_client_and_gnutls: our_client(Gnutls);
    our_client_and_erlang: our_client(Erlang);
    openssl_and_our_server: our_server(Openssl);
    gnutls_and_our_server: our_server(Gnutls);
    erlang_and_our_server: our_server(Erlang);
}
