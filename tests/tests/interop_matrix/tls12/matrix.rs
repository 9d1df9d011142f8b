//! Every peer, both directions, every key with every suite that goes with it and every curve.

use portcullis::{ProtocolVersion, SignatureScheme};
use portcullis_tests::peers::{Group, Message, Peer, Settings, Suite, Version, curl, wolfssl};
use portcullis_tests::pki::{self, pki};

use super::{VERSIONS, groups, suites, their_client, their_server};
use crate::ours;

const HELLO: Message<'static> = Message {
    line: "hello to the older side",
    count: 1,
};

/// Python cannot choose among groups, so that our side does.
fn groups_of(peer: Peer) -> &'static [Group] {
    match peer {
        Peer::Python => Peer::Openssl.groups(Version::Tls12),
        peer => peer.groups(Version::Tls12),
    }
}

/// Our client, which chooses, and a server that has all its groups.
async fn our_client(peer: Peer) {
    let keys = pki().servers();
    for identity in keys
        .into_iter()
        .filter(|key| peer.has_key_before_tls13(key))
    {
        let settings = Settings {
            groups: peer.groups(Version::Tls12).to_vec(),
            ..their_server(identity)
        };
        let server = peer.server(&settings.alpn(&["other", "echo"])).await;
        let mut number = 0;
        // Python goes by its own order, and so by the curve of the key, which we must list.
        let is_free = |group: &Group| peer != Peer::Python || groups(*group, identity).len() == 1;
        let possible: Vec<_> = groups_of(peer).iter().copied().filter(is_free).collect();
        for (group, suite) in pairs(&possible, suites(identity)) {
            for versions in VERSIONS {
                let context = format!(
                    "our client ({versions:?}) to {peer:?} with {}, {group:?}, {suite:?}",
                    identity.name
                );
                let config = ours::client()
                    .versions(versions)
                    .groups(our_groups(group, identity))
                    .cipher_suites(our_suites(suite, versions))
                    .alpn(["echo"]);
                let mut stream = ours::connect(server.address, config)
                    .await
                    .unwrap_or_else(|error| panic!("{context}: {error}"));
                let information = stream.shared_information();
                assert_eq!(information.version(), ProtocolVersion::TLS_1_2, "{context}");
                assert_eq!(information.group(), Some(ours::group(group)), "{context}");
                assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
                assert_eq!(information.alpn_protocol(), Some(&b"echo"[..]), "{context}");
                assert_eq!(information.peer_certificates(), identity.chain, "{context}");
                assert!(!information.is_resumed(), "{context}");
                let scheme = information.peer_signature_scheme();
                assert!(
                    scheme.is_some_and(|scheme| signs(identity, scheme)),
                    "{context}: {scheme:?}"
                );
                let answer = server.answer_to_message(&HELLO);
                ours::exchange(&mut stream, HELLO, &answer, &context).await;
                ours::compare(&information, &server.report(number).await, &context);
                number += 1;
            }
        }
        assert!(number > 0 && number == possible.len() * 6);
    }
}

/// Our server, which has one group, and a client that has one suite.
async fn our_server(peer: Peer) {
    let keys = pki().servers();
    let mut number = 0;
    for identity in keys
        .into_iter()
        .filter(|key| peer.has_key_before_tls13(key))
    {
        for group in groups_of(peer) {
            let mut servers = Vec::new();
            for versions in VERSIONS {
                let config = ours::server(identity)
                    .versions(versions)
                    .groups([ours::group(*group)])
                    .alpn(["echo"]);
                servers.push(ours::Server::echo(config).await);
            }
            for suite in suites(identity) {
                number += 1;
                let versions = VERSIONS[number % 2];
                let server = &mut servers[number % 2];
                let context = format!(
                    "{peer:?} to our server ({versions:?}) with {}, {group:?}, {suite:?}",
                    identity.name
                );
                let mut client = their_client().suite(suite).alpn(&["other", "echo"]);
                if peer != Peer::Python {
                    client.groups = groups(*group, identity);
                }
                let exchange = peer.transfer(server.address, &client, HELLO).await;
                assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
                let served = server.served().await;
                let information = served.information(&context);
                assert_eq!(information.version(), ProtocolVersion::TLS_1_2, "{context}");
                assert_eq!(information.group(), Some(ours::group(*group)), "{context}");
                assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
                assert_eq!(information.alpn_protocol(), Some(&b"echo"[..]), "{context}");
                assert_eq!(information.server_name(), Some("localhost"), "{context}");
                let scheme = information.local_signature_scheme();
                assert!(
                    scheme.is_some_and(|scheme| signs(identity, scheme)),
                    "{context}: {scheme:?}"
                );
                assert!(served.end.is_ok(), "{context}: {served:?}");
                assert!(
                    exchange.closed.is_none_or(|closed| closed.is_ok()),
                    "{context}"
                );
                ours::compare(information, &exchange.report, &context);
            }
        }
    }
}

fn pairs(groups: &[Group], suites: [Suite; 3]) -> impl Iterator<Item = (Group, Suite)> {
    let of_group = move |group: &Group| suites.map(|suite| (*group, suite));
    groups.iter().flat_map(of_group)
}

fn our_groups(group: Group, identity: &pki::Identity) -> Vec<portcullis::NamedGroup> {
    groups(group, identity)
        .into_iter()
        .map(ours::group)
        .collect()
}

/// One of TLS 1.2, and with TLS 1.3 one of that too.
fn our_suites(suite: Suite, versions: &[ProtocolVersion]) -> Vec<portcullis::suite::CipherSuite> {
    let mut suites = vec![ours::suite(suite)];
    if versions.contains(&ProtocolVersion::TLS_1_3) {
        suites.push(ours::suite(Suite::Aes128Gcm));
    }
    suites
}

/// Whether this key can be used with the scheme in TLS 1.2, where an ECDSA scheme says nothing of
/// the curve (RFC 8446 §4.2.3).
fn signs(identity: &pki::Identity, scheme: SignatureScheme) -> bool {
    let fitting: &[SignatureScheme] = match identity.name {
        "ecdsa-p256" | "ecdsa-p384" | "ecdsa-p521" => &[
            SignatureScheme::ECDSA_SECP256R1_SHA256,
            SignatureScheme::ECDSA_SECP384R1_SHA384,
            SignatureScheme::ECDSA_SECP521R1_SHA512,
        ],
        "ed25519" => &[SignatureScheme::ED25519],
        "rsa-2048" => &[
            SignatureScheme::RSA_PSS_RSAE_SHA256,
            SignatureScheme::RSA_PSS_RSAE_SHA384,
            SignatureScheme::RSA_PSS_RSAE_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
        ],
        other => panic!("no scheme for {other}"),
    };
    fitting.contains(&scheme)
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
}

/// A peer with both versions and our side with both go on with the newer.
#[tokio::test]
async fn both_sides_with_both_versions_have_the_newer() {
    let server = Peer::Rustls
        .server(&Settings::server(&pki().ecdsa_p256))
        .await;
    let stream = ours::connect(server.address, ours::client().versions(VERSIONS[1]))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(stream.information().version(), ProtocolVersion::TLS_1_3);

    let config = ours::server(&pki().ecdsa_p256).versions(VERSIONS[1]);
    let mut server = ours::Server::echo(config).await;
    for (settings, version) in [
        (Settings::client(), ProtocolVersion::TLS_1_3),
        (their_client(), ProtocolVersion::TLS_1_2),
    ] {
        let exchange = Peer::Openssl
            .transfer(server.address, &settings, HELLO)
            .await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line));
        let served = server.served().await;
        assert_eq!(served.information("s_client").version(), version);
    }
}

#[tokio::test]
async fn wolfssl_and_we() {
    for identity in [&pki().ecdsa_p256, &pki().rsa_2048] {
        for suite in suites(identity) {
            let context = format!("our client to wolfSSL with {suite:?}");
            let settings = their_server(identity).suite(suite);
            let (mut program, address) = wolfssl::server(&settings, Group::Secp256r1).await;
            let config = super::client().groups([ours::group(Group::Secp256r1)]);
            let connected = ours::connect(address, config).await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            let information = stream.shared_information();
            ours::exchange(&mut stream, HELLO, HELLO.line, &context).await;
            let line = program.wait_for_line("CONNECTED ").await;
            ours::compare(&information, &wolfssl::report(&line), &context);

            let context = format!("wolfSSL to our server with {suite:?}");
            let mut server = ours::Server::echo(super::server(identity)).await;
            let settings = their_client().suite(suite);
            let group = Group::Secp256r1;
            let exchange = wolfssl::exchange(server.address, &settings, group, HELLO.line).await;
            assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
            let served = server.served().await;
            ours::compare(served.information(&context), &exchange.report, &context);
        }
    }
}

#[tokio::test]
async fn curl_and_our_server() {
    for identity in pki().servers() {
        for suite in suites(identity) {
            let context = format!("curl with {suite:?} and {}", identity.name);
            let mut server = crate::curl::page(super::server(identity)).await;
            let fetch = curl::fetch(server.address, &their_client().suite(suite), "/").await;
            assert_eq!(
                fetch.body,
                Ok(format!("suite: {}\n", suite.name())),
                "{context}: {}",
                fetch.output
            );
            let served = server.served().await;
            ours::compare(served.information(&context), &fetch.report, &context);
            assert!(served.end.is_ok(), "{context}: {served:?}");
        }
    }
}
