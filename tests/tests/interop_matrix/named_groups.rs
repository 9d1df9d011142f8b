//! Groups that are there where they are named: X448, the finite fields of RFC 7919, the curves of RFC 7027.

use portcullis::NamedGroup;
use portcullis::config::KeyShares;
use portcullis::suite::CipherSuite;
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
    for peer in [Peer::Openssl, Peer::Gnutls] {
        before_tls13(peer, Group::X448, Version::Tls12).await;
    }
}

/// OpenSSL 3.0 and Erlang have them in no other version, GnuTLS 3.7 in none.
#[tokio::test]
async fn brainpool_before_tls_1_3() {
    for peer in [Peer::Openssl, Peer::Erlang] {
        for group in Group::BRAINPOOL {
            before_tls13(peer, group, Version::Tls12).await;
        }
    }
    before_tls13(Peer::Openssl, Group::BrainpoolP384r1, Version::Tls10).await;
}

/// A client's default has more, and so has a server's: both can be among those of the peer.
#[tokio::test]
async fn brainpool_beside_others() {
    let named = ours::group(Group::BrainpoolP512r1);
    let settings = Settings::server(&pki().ecdsa_p256);
    let server = Peer::Openssl.server(&settings).await;
    let config = ours::client().groups([named, NamedGroup::X25519]);
    let stream = ours::connect(server.address, config).await.unwrap();
    let information = stream.information();
    assert_eq!(information.version(), portcullis::ProtocolVersion::TLS_1_3);
    assert_eq!(information.group(), Some(NamedGroup::X25519));
}

/// With a group that only older versions have, or have otherwise; both roles.
async fn before_tls13(peer: Peer, group: Group, version: Version) {
    let named = ours::group(group);
    let suite = match version {
        Version::Tls12 => CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        _ => CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
    };
    let context = format!("{peer:?} {group:?} {version:?}");
    let settings = Settings::server(&pki().rsa_2048).version(version);
    let server = peer.server(&settings.group(group)).await;
    let config = ours::client_of(version)
        .groups([named])
        .cipher_suites([suite]);
    let mut stream = ours::connect(server.address, config)
        .await
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(stream.information().group(), Some(named), "{context}");
    let answer = server.answer_to_message(&HELLO);
    ours::exchange(&mut stream, HELLO, &answer, &context).await;

    let config = ours::server_of(version, &pki().rsa_2048).groups([named]);
    let mut server = ours::Server::echo(config.cipher_suites([suite])).await;
    let settings = Settings::client().version(version);
    let settings = settings.group(group);
    let exchange = peer.transfer(server.address, &settings, HELLO).await;
    assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
    let served = server.served().await;
    let information = served.information(&context);
    assert_eq!(information.group(), Some(named), "{context}");
}

of_each_peer! {
    our_client_and_openssl: our_client(Openssl);
    our_client_and_gnutls: our_client(Gnutls);
    our_client_and_erlang: our_client(Erlang);
    openssl_and_our_server: our_server(Openssl);
    gnutls_and_our_server: our_server(Gnutls);
    erlang_and_our_server: our_server(Erlang);
}
