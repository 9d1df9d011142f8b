//! RSA key exchange (feature `ffi`), which both sides have to name: every peer that has it, both directions, every
//! version, client certificates, and sessions resumed.

use std::sync::Arc;

use portcullis::{ClientAuthentication, MemorySessionStore, ProtocolVersion};
use portcullis_tests::peers::{Message, Peer, Settings, Suite, Version};
use portcullis_tests::pki::pki;

use crate::{ours, transfer};

const HELLO: Message<'static> = Message {
    line: "hello without a share",
    count: 1,
};

/// Every suite in TLS 1.2, and in the versions before those that they have.
fn cases() -> impl Iterator<Item = (Version, Suite)> {
    let [.., short, long] = Suite::RSA;
    let older =
        [Version::Tls11, Version::Tls10].map(|version| [short, long].map(|suite| (version, suite)));
    let newer = Suite::RSA.map(|suite| (Version::Tls12, suite));
    newer.into_iter().chain(older.into_iter().flatten())
}

/// `@SECLEVEL=0`: OpenSSL has none of it by default.
fn settings(peer: Peer, settings: Settings, (version, suite): (Version, Suite)) -> Settings {
    let settings = settings.version(version).suite(suite);
    let ciphers = format!("{}:@SECLEVEL=0", suite.openssl_name());
    match peer {
        Peer::Openssl => settings.extra(&["-cipher", &ciphers]),
        _ => settings,
    }
}

async fn our_client(peer: Peer) {
    for (version, suite) in cases() {
        let context = format!("our client to {peer:?}, {version:?}, {suite:?}");
        let server = Settings::server(&pki().rsa_by_rsa);
        let server = peer.server(&settings(peer, server, (version, suite))).await;
        let (line, count) = transfer::message();
        let long = Message { line: &line, count };
        for message in [HELLO, long] {
            let config = portcullis::ClientConfig::builder(ours::roots(&pki().rsa_root))
                .versions([ours::code(version)])
                .cipher_suites([ours::suite(suite)]);
            let mut stream = ours::connect(server.address, config)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let information = stream.shared_information();
            assert_eq!(information.version(), ours::code(version), "{context}");
            assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
            assert_eq!(information.peer_signature_scheme(), None, "{context}");
            let answer = server.answer_to_message(&message);
            ours::exchange(&mut stream, message, &answer, &context).await;
        }
    }
}

async fn our_server(peer: Peer) {
    for (version, suite) in cases() {
        // It makes no difference to the suite.
        let authenticating = version == Version::Tls12 && suite == Suite::RsaAes128Gcm;
        for authenticates in [false, true]
            .into_iter()
            .take(1 + usize::from(authenticating))
        {
            let context = format!("{peer:?} to us, {version:?}, {suite:?}, {authenticates}");
            let config = ours::server(&pki().rsa_by_rsa)
                .versions([ours::code(version)])
                .cipher_suites([ours::suite(suite)]);
            let client = Settings::client().root(&pki().rsa_root);
            let (config, client) = match authenticates {
                false => (config, client),
                true => {
                    let roots = ours::roots(&pki().root);
                    let required = ClientAuthentication::Required(roots);
                    let config = config.client_authentication(required);
                    (config, client.identity(&pki().client))
                }
            };
            let mut server = ours::Server::echo(config).await;
            let client = settings(peer, client, (version, suite));
            let exchange = peer.transfer(server.address, &client, HELLO).await;
            assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(information.version(), ours::code(version), "{context}");
            assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
            let is_known = !information.peer_certificates().is_empty();
            assert_eq!(is_known, authenticates, "{context}");
            assert!(served.end.is_ok(), "{context}: {served:?}");
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
}

/// By a ticket of OpenSSL's, and by an id of Erlang's.
#[tokio::test]
async fn sessions_are_resumed() {
    for peer in [Peer::Openssl, Peer::Erlang] {
        let case = (Version::Tls12, Suite::RsaAes128Gcm);
        let server = Settings::server(&pki().rsa_by_rsa);
        let server = peer.server(&settings(peer, server, case)).await;
        let config = portcullis::ClientConfig::builder(ours::roots(&pki().rsa_root))
            .versions([ProtocolVersion::TLS_1_2])
            .cipher_suites([ours::suite(case.1)]);
        let connector = ours::connector(config);
        let connector = connector.session_store(Arc::<MemorySessionStore>::default());
        for number in 0..2 {
            let context = format!("connection {number} to {peer:?}");
            let connected = connector
                .connect(server.address, ours::name("localhost"))
                .await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(stream.is_resumed(), number > 0, "{context}");
            let answer = server.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;
            let _ = ours::close(stream, &context).await;
        }
    }
}
