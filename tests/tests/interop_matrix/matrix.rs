//! Every peer, both directions, every group and suite that both sides have, every key.

use portcullis::SignatureScheme;
use portcullis_tests::peers::{Group, Message, Peer, Settings, Suite, Version};
use portcullis_tests::pki::{self, pki};

use crate::ours;

const HELLO: Message<'static> = Message {
    line: "hello to the other side",
    count: 1,
};

/// Python cannot choose among groups and suites, so that our side does.
fn groups(peer: Peer) -> &'static [Group] {
    match peer {
        Peer::Python => Peer::Openssl.groups(Version::Tls13),
        peer => peer.groups(Version::Tls13),
    }
}

/// Our client and a server that has all its groups: our client chooses.
async fn our_client(peer: Peer) {
    let settings = Settings {
        groups: peer.groups(Version::Tls13).to_vec(),
        ..Settings::server(&pki().ecdsa_p256)
    };
    let server = peer.server(&settings.alpn(&["other", "echo"])).await;
    let mut number = 0;
    for group in groups(peer) {
        for suite in Suite::TLS13 {
            let context = format!("our client to {peer:?} with {group:?}, {suite:?}");
            let config = ours::client()
                .groups([ours::group(*group)])
                .cipher_suites([ours::suite(suite)])
                .alpn(["echo"]);
            let mut stream = ours::connect(server.address, config)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let information = stream.shared_information();
            assert_eq!(information.group(), Some(ours::group(*group)), "{context}");
            assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
            assert_eq!(information.alpn_protocol(), Some(&b"echo"[..]), "{context}");
            assert!(!information.hello_retried(), "{context}");
            ours::exchange(
                &mut stream,
                HELLO,
                &server.answer_to_message(&HELLO),
                &context,
            )
            .await;
            ours::compare(&information, &server.report(number).await, &context);
            number += 1;
        }
    }
    assert_eq!(number, groups(peer).len() * Suite::TLS13.len());
}

/// Our server, and a client that has one group and one suite.
async fn our_server(peer: Peer) {
    let config = || ours::server(&pki().ecdsa_p256).alpn(["echo"]);
    let mut all = ours::Server::echo(config()).await;
    for group in groups(peer) {
        for suite in Suite::TLS13 {
            let context = format!("{peer:?} to our server with {group:?}, {suite:?}");
            let client = Settings::client().alpn(&["other", "echo"]);
            let mut restricted;
            let (server, client) = if peer == Peer::Python {
                let config = config()
                    .groups([ours::group(*group)])
                    .cipher_suites([ours::suite(suite)]);
                restricted = ours::Server::echo(config).await;
                (&mut restricted, client)
            } else {
                (&mut all, client.group(*group).suite(suite))
            };
            let exchange = peer.transfer(server.address, &client, HELLO).await;
            assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(information.group(), Some(ours::group(*group)), "{context}");
            assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
            assert_eq!(information.alpn_protocol(), Some(&b"echo"[..]), "{context}");
            assert_eq!(information.server_name(), Some("localhost"), "{context}");
            assert!(served.end.is_ok(), "{context}: {served:?}");
            assert!(
                exchange.closed.is_none_or(|closed| closed.is_ok()),
                "{context}"
            );
            ours::compare(information, &exchange.report, &context);
        }
    }
}

/// Every kind of key at either end.
async fn keys(peer: Peer) {
    for identity in pki().servers() {
        let context = format!("our client to {peer:?} with {}", identity.name);
        let server = peer.server(&Settings::server(identity)).await;
        let mut stream = ours::connect(server.address, ours::client())
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let information = stream.shared_information();
        let scheme = information.peer_signature_scheme();
        assert!(
            scheme.is_some_and(|scheme| schemes(identity).contains(&scheme)),
            "{context}: {scheme:?}"
        );
        assert_eq!(information.peer_certificates(), identity.chain, "{context}");
        ours::exchange(
            &mut stream,
            HELLO,
            &server.answer_to_message(&HELLO),
            &context,
        )
        .await;

        let context = format!("{peer:?} to our server with {}", identity.name);
        let mut server = ours::Server::echo(ours::server(identity)).await;
        let exchange = peer
            .transfer(server.address, &Settings::client(), HELLO)
            .await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        let served = server.served().await;
        let information = served.information(&context);
        let scheme = information.local_signature_scheme();
        assert!(
            scheme.is_some_and(|scheme| schemes(identity).contains(&scheme)),
            "{context}: {scheme:?}"
        );
        ours::compare(information, &exchange.report, &context);
    }
}

/// The schemes that this key can be used with in TLS 1.3.
fn schemes(identity: &pki::Identity) -> &'static [SignatureScheme] {
    match identity.name {
        "ecdsa-p256" => &[SignatureScheme::ECDSA_SECP256R1_SHA256],
        "ecdsa-p384" => &[SignatureScheme::ECDSA_SECP384R1_SHA384],
        "ecdsa-p521" => &[SignatureScheme::ECDSA_SECP521R1_SHA512],
        "ed25519" => &[SignatureScheme::ED25519],
        "rsa-2048" => &[
            SignatureScheme::RSA_PSS_RSAE_SHA256,
            SignatureScheme::RSA_PSS_RSAE_SHA384,
            SignatureScheme::RSA_PSS_RSAE_SHA512,
        ],
        other => panic!("no scheme for {other}"),
    }
}

of_each_peer! {
    our_client_and_openssl: our_client(Openssl);
    our_client_and_gnutls: our_client(Gnutls);
    our_client_and_erlang: our_client(Erlang);
    our_client_and_python: our_client(Python);
    our_client_and_rustls: our_client(Rustls);
    openssl_and_our_server: our_server(Openssl);
    gnutls_and_our_server: our_server(Gnutls);
    erlang_and_our_server: our_server(Erlang);
    python_and_our_server: our_server(Python);
    rustls_and_our_server: our_server(Rustls);
    every_key_with_openssl: keys(Openssl);
    every_key_with_gnutls: keys(Gnutls);
    every_key_with_erlang: keys(Erlang);
    every_key_with_python: keys(Python);
    every_key_with_rustls: keys(Rustls);
}
