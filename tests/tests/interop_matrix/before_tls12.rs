//! TLS 1.1 and 1.0, which both sides have to name: every peer that has them, both directions, both
//! kinds of keys, the MAC made before the encryption and after it, client certificates, sessions
//! resumed, and every way of writing in TLS 1.0.

use std::sync::Arc;

use portcullis::config::{BeastMitigation, ClientConfigBuilder, ServerConfigBuilder};
use portcullis::{
    ClientAuthentication, ClientConfig, MemorySessionStore, ProtocolVersion, SignatureScheme,
};
use portcullis_tests::peers::{Message, Peer, Settings, Suite, Version, openssl};
use portcullis_tests::pki::{self, pki};
use portcullis_tests::scratch;

use crate::{ours, transfer};

const PEERS: [Peer; 3] = [Peer::Openssl, Peer::Gnutls, Peer::Erlang];

const VERSIONS: [(Version, ProtocolVersion); 2] = [
    (Version::Tls11, ProtocolVersion::TLS_1_1),
    (Version::Tls10, ProtocolVersion::TLS_1_0),
];

const HELLO: Message<'static> = Message {
    line: "hello from the last century",
    count: 1,
};

/// A kind of key: who has one, how it signs, and the suites it goes with.
#[derive(Clone, Copy)]
struct Key {
    server: &'static pki::Identity,
    /// Of the server.
    root: &'static pki::Root,
    client: &'static pki::Identity,
    scheme: SignatureScheme,
    suites: [Suite; 2],
}

fn keys() -> [Key; 2] {
    let [ecdsa, rsa] = [Suite::CBC_ECDSA, Suite::CBC_RSA].map(|[short, long, ..]| [short, long]);
    [
        Key {
            server: &pki().ecdsa_p256,
            root: &pki().root,
            client: &pki().client,
            scheme: SignatureScheme::ECDSA_SHA1,
            suites: ecdsa,
        },
        // RFC 4346 §7.4.2, which Erlang goes by: the issuer's key is of the kind of the suite.
        Key {
            server: &pki().rsa_by_rsa,
            root: &pki().rsa_root,
            client: &pki().client_rsa,
            scheme: SignatureScheme::RSA_PKCS1_MD5_SHA1,
            suites: rsa,
        },
    ]
}

fn client(version: ProtocolVersion, suites: &[Suite]) -> ClientConfigBuilder {
    client_of(&pki().root, version, suites)
}

fn client_of(root: &pki::Root, version: ProtocolVersion, suites: &[Suite]) -> ClientConfigBuilder {
    let suites: Vec<_> = suites.iter().copied().map(ours::suite).collect();
    let client = ClientConfig::builder(ours::roots(root));
    client.versions([version]).cipher_suites(suites)
}

fn server(
    identity: &pki::Identity,
    version: ProtocolVersion,
    suites: &[Suite],
) -> ServerConfigBuilder {
    let suites: Vec<_> = suites.iter().copied().map(ours::suite).collect();
    ours::server(identity)
        .versions([version])
        .cipher_suites(suites)
}

/// Erlang does not know RFC 7366.
fn encrypts_first(peer: Peer, we_do: bool) -> bool {
    we_do && peer != Peer::Erlang
}

async fn our_client(peer: Peer) {
    for (their_version, version) in VERSIONS {
        for key in keys() {
            for suite in key.suites {
                let settings = Settings::server(key.server)
                    .version(their_version)
                    .suite(suite);
                let server = peer.server(&settings).await;
                for (number, encrypt_first) in [true, false].into_iter().enumerate() {
                    let context = format!("{version} to {peer:?}, {suite:?}, {encrypt_first}");
                    let config = client_of(key.root, version, &[suite]);
                    let config = config.encrypt_then_mac(encrypt_first);
                    let mut stream = ours::connect(server.address, config)
                        .await
                        .unwrap_or_else(|error| panic!("{context}: {error}"));
                    let information = stream.shared_information();
                    assert_eq!(information.version(), version, "{context}");
                    assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
                    let signed = information.peer_signature_scheme();
                    assert_eq!(signed, Some(key.scheme), "{context}");
                    let expected = encrypts_first(peer, encrypt_first);
                    assert_eq!(information.encrypt_then_mac(), expected, "{context}");
                    let answer = server.answer_to_message(&HELLO);
                    ours::exchange(&mut stream, HELLO, &answer, &context).await;
                    let report = server.report(number).await;
                    let told = report.version;
                    assert!(told.is_none_or(|told| told == their_version), "{context}");
                }
            }
        }
    }
}

async fn our_server(peer: Peer) {
    for (their_version, version) in VERSIONS {
        for key in keys() {
            for encrypt_first in [true, false] {
                let config = server(key.server, version, &key.suites);
                let config = config.encrypt_then_mac(encrypt_first);
                let mut server = ours::Server::echo(config).await;
                for suite in key.suites {
                    let context = format!("{peer:?} to us, {version}, {suite:?}, {encrypt_first}");
                    let settings = Settings::client().version(their_version).suite(suite);
                    let settings = settings.root(key.root);
                    let exchange = peer.transfer(server.address, &settings, HELLO).await;
                    assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
                    let served = server.served().await;
                    let information = served.information(&context);
                    assert_eq!(information.version(), version, "{context}");
                    assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
                    let expected = encrypts_first(peer, encrypt_first);
                    assert_eq!(information.encrypt_then_mac(), expected, "{context}");
                    assert!(served.end.is_ok(), "{context}: {served:?}");
                }
            }
        }
    }
}

/// With certificates of both sides, of either kind.
async fn both_authenticate(peer: Peer) {
    for (their_version, version) in VERSIONS {
        for key in keys() {
            let Key { scheme, suites, .. } = key;
            let context = format!("our client and {peer:?}, {version}, {scheme}");
            let settings = Settings::server(key.server).version(their_version);
            let settings = settings.suite(suites[0]).root(&pki().root);
            let theirs = peer.server(&settings).await;
            let config = client_of(key.root, version, &suites);
            let config = config.identity(ours::identity(key.client));
            let mut stream = ours::connect(theirs.address, config)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let signed = stream.information().local_signature_scheme();
            assert_eq!(signed, Some(scheme), "{context}");
            let answer = theirs.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;

            let context = format!("{peer:?} and our server, {version}, {scheme}");
            let required = ClientAuthentication::Required(ours::roots(&pki().root));
            let config = server(key.server, version, &suites).client_authentication(required);
            let mut server = ours::Server::echo(config).await;
            let settings = Settings::client().version(their_version).suite(suites[0]);
            let settings = settings.identity(key.client).root(key.root);
            let exchange = peer.transfer(server.address, &settings, HELLO).await;
            assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(
                information.peer_certificates(),
                key.client.chain,
                "{context}"
            );
            let signed = information.peer_signature_scheme();
            assert_eq!(signed, Some(scheme), "{context}");
        }
    }
}

/// A full handshake and two that resume it.
async fn our_client_resumes(peer: Peer) {
    for (their_version, version) in VERSIONS {
        let suite = Suite::EcdheEcdsaAes128CbcSha;
        let settings = Settings::server(&pki().ecdsa_p256).version(their_version);
        let server = peer.server(&settings.suite(suite)).await;
        let connector = ours::connector(client(version, &[suite]))
            .session_store(Arc::<MemorySessionStore>::default());
        for resumed in [false, true, true] {
            let context = format!("our client to {peer:?}, {version}, {resumed}");
            let name = ours::name("localhost");
            let connected = connector.connect(server.address, name).await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            let information = stream.shared_information();
            assert_eq!(information.version(), version, "{context}");
            assert_eq!(information.is_resumed(), resumed, "{context}");
            let answer = server.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;
            let _ = ours::close(stream, &context).await;
        }
    }
}

/// More than a megabyte to a server and back, split in each way that there is.
async fn a_megabyte(peer: Peer) {
    let (line, count) = transfer::message();
    let message = Message { line: &line, count };
    let suite = Suite::EcdheEcdsaAes256CbcSha;
    for (their_version, version) in VERSIONS {
        let settings = Settings::server(&pki().ecdsa_p256).version(their_version);
        let server = peer.server(&settings.suite(suite)).await;
        for mitigation in [
            BeastMitigation::OneNMinusOne,
            BeastMitigation::ZeroN,
            BeastMitigation::Off,
        ] {
            let context = format!("our client to {peer:?}, {version}, {mitigation:?}");
            let config = client(version, &[suite]).beast_mitigation(mitigation);
            let mut stream = ours::connect(server.address, config)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let answer = server.answer_to_message(&message);
            assert!(answer.len() > 1 << 20);
            ours::exchange(&mut stream, message, &answer, &context).await;
        }
    }
}

of_each_peer! {
    our_client_and_openssl: our_client(Openssl);
    our_client_and_gnutls: our_client(Gnutls);
    our_client_and_erlang: our_client(Erlang);
    openssl_and_our_server: our_server(Openssl);
    gnutls_and_our_server: our_server(Gnutls);
    erlang_and_our_server: our_server(Erlang);
    openssl_authenticates: both_authenticate(Openssl);
    gnutls_authenticates: both_authenticate(Gnutls);
    erlang_authenticates: both_authenticate(Erlang);
    our_client_resumes_with_openssl: our_client_resumes(Openssl);
    our_client_resumes_with_gnutls: our_client_resumes(Gnutls);
    our_client_resumes_with_erlang: our_client_resumes(Erlang);
    a_megabyte_with_openssl: a_megabyte(Openssl);
    a_megabyte_with_gnutls: a_megabyte(Gnutls);
    a_megabyte_with_erlang: a_megabyte(Erlang);
}

#[tokio::test]
async fn openssl_resumes_with_our_server() {
    let suite = Suite::EcdheEcdsaAes256CbcSha;
    for (their_version, version) in VERSIONS {
        let keys = portcullis::session::TicketKeys::rotating(std::time::Duration::from_secs(7_200))
            .expect("a period");
        let config = server(&pki().ecdsa_p256, version, &[suite]).ticket_keys(keys);
        let mut server = ours::Server::echo(config).await;
        let file = scratch::file("session-old.pem", "").display().to_string();
        for (resumed, option) in [(false, "-sess_out"), (true, "-sess_in")] {
            let context = format!("s_client {option}, {version}");
            let settings = Settings::client().version(their_version).suite(suite);
            let mut client = openssl::client(server.address, &settings.extra(&[option, &file]));
            client.send(HELLO.data().as_bytes()).await;
            client.wait_for_line(HELLO.line).await;
            client.finish().await;
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(information.version(), version, "{context}");
            assert_eq!(information.is_resumed(), resumed, "{context}");
        }
    }
}

/// A side of ours that has everything finds what such a peer has; one with defaults refuses it.
#[tokio::test]
async fn a_newer_end_goes_back_as_far_as_it_is_told() {
    let old = Suite::EcdheEcdsaAes128CbcSha;
    let suites = [Suite::Aes128Gcm, Suite::EcdheEcdsaAes128Gcm, old].map(ours::suite);
    for peer in PEERS {
        for (their_version, version) in VERSIONS {
            let context = format!("{peer:?}, {version}");
            let settings = Settings::server(&pki().ecdsa_p256).version(their_version);
            let server = peer.server(&settings.suite(old)).await;
            let all = ours::client().versions(ProtocolVersion::SUPPORTED);
            let mut stream = ours::connect(server.address, all.cipher_suites(suites))
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(stream.information().version(), version, "{context}");
            let answer = server.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;
            drop(stream);
            assert!(ours::connect(server.address, ours::client()).await.is_err());

            let all = ours::server(&pki().ecdsa_p256).versions(ProtocolVersion::SUPPORTED);
            let mut server = ours::Server::echo(all.cipher_suites(suites)).await;
            let settings = Settings::client().version(their_version).suite(old);
            let exchange = peer.transfer(server.address, &settings, HELLO).await;
            assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
            let served = server.served().await;
            assert_eq!(served.information(&context).version(), version);
        }
    }
}
