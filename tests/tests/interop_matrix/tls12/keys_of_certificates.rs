//! Key exchanges in which the key of the server's certificate decrypts or agrees, against real peers, both roles: RSA with a
//! key that is elsewhere, RSA_PSK (RFC 4279 §4), ECDH_ECDSA and ECDH_RSA (RFC 4492). RSA with a key that is here
//! is in `rsa.rs`.

use std::sync::Arc;

use portcullis::answers::{self, Answers};
use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::suite::{Authentication, Cipher, CipherSuite, KeyExchange, Mac};
use portcullis::{
    ClientAuthentication, ClientConfig, Identity, MemorySessionStore, ProtocolVersion, ServerConfig,
};
use portcullis_ffi::RsaPrivateKey;
use portcullis_tests::peers::{Message, Peer, Settings, Version};
use portcullis_tests::pki::{self, pki};

use super::without_certificates::{IDENTITY, psk, with};
use crate::{ours, transfer};

const HELLO: Message<'static> = Message {
    line: "the key is in the certificate",
    count: 1,
};

fn exchange(suite: CipherSuite) -> KeyExchange {
    suite.info().expect("a suite of the table").key_exchange
}

/// `tls12/legacy_ciphers.rs` is about these.
fn is_legacy(suite: CipherSuite) -> bool {
    let cipher = suite.info().map(|info| info.cipher);
    matches!(
        cipher,
        Some(Cipher::TripleDesEdeCbc | Cipher::DesCbc | Cipher::Rc4_128)
    )
}

/// Every suite of these, in TLS 1.2 and in the versions before that it has.
fn cases(of: &'static [KeyExchange]) -> impl Iterator<Item = (Version, CipherSuite)> {
    let suites = CipherSuite::SUPPORTED.iter().copied();
    let suites = suites.filter(move |suite| of.contains(&exchange(*suite)) && !is_legacy(*suite));
    suites.flat_map(|suite| {
        let versions = [Version::Tls12, Version::Tls11, Version::Tls10].into_iter();
        let has = move |version: &Version| {
            let info = suite.info().expect("a suite of the table");
            info.exists_in(ours::code(*version))
        };
        versions.filter(has).map(move |version| (version, suite))
    })
}

/// The server's certificate, and who is trusted for it.
fn identity(suite: CipherSuite) -> (&'static pki::Identity, &'static pki::Root) {
    let authentication = suite.info().map(|info| info.authentication);
    match (exchange(suite), authentication) {
        (KeyExchange::Ecdh, Some(Authentication::Ecdsa)) => (&pki().agreeing, &pki().root),
        (KeyExchange::Ecdh, _) => (&pki().agreeing_by_rsa, &pki().rsa_root),
        _ => (&pki().rsa_by_rsa, &pki().rsa_root),
    }
}

fn client((version, suite): (Version, CipherSuite)) -> ClientConfigBuilder {
    let (_, root) = identity(suite);
    let client = ClientConfig::builder(ours::roots(root))
        .versions([ours::code(version)])
        .cipher_suites([suite]);
    match exchange(suite) {
        KeyExchange::RsaPsk => client.psk(psk()),
        _ => client,
    }
}

fn server((version, suite): (Version, CipherSuite), identity: Identity) -> ServerConfigBuilder {
    let server = ServerConfig::builder()
        .identity(identity)
        .versions([ours::code(version)])
        .cipher_suites([suite]);
    match exchange(suite) {
        KeyExchange::RsaPsk => server.psk(psk()).psk_identity_hint("which meter?"),
        _ => server,
    }
}

fn check(
    information: &portcullis::ConnectionInformation,
    (version, suite): (Version, CipherSuite),
    context: &str,
) {
    assert_eq!(information.version(), ours::code(version), "{context}");
    assert_eq!(information.cipher_suite(), suite, "{context}");
    let has_key = exchange(suite) == KeyExchange::RsaPsk;
    let identity = has_key.then_some(IDENTITY.as_bytes());
    assert_eq!(information.psk_identity(), identity, "{context}");
}

/// The priority that GnuTLS gets is of TLS 1.2 alone. Erlang/OTP 25 has RSA_PSK in TLS 1.2 and 1.0, and not in
/// 1.1; with SHA-384 in 1.0 its records are not those that OpenSSL makes, either.
fn has(peer: Peer, (version, suite): &(Version, CipherSuite)) -> bool {
    let is_psk = exchange(*suite) == KeyExchange::RsaPsk;
    let sha384 = suite.info().map(|info| info.mac) == Some(Mac::HmacSha384);
    match (peer, version) {
        (Peer::Gnutls, version) => *version == Version::Tls12,
        (Peer::Erlang, Version::Tls11) => !is_psk,
        (Peer::Erlang, Version::Tls10) => !(is_psk && sha384),
        _ => true,
    }
}

async fn our_client(peer: Peer, of: &'static [KeyExchange]) {
    for case in cases(of).filter(|case| has(peer, case)) {
        let (version, suite) = case;
        let context = format!("our client to {peer:?}, {version:?}, {suite}");
        let (theirs, _) = identity(suite);
        let settings = Settings::server(theirs).version(version);
        let server = peer.server(&with(settings, peer, suite, true)).await;
        let (line, count) = transfer::message();
        let long = Message { line: &line, count };
        for message in [HELLO, long] {
            let connected = ours::connect(server.address, client(case)).await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            let information = stream.shared_information();
            check(&information, case, &context);
            assert_eq!(information.peer_signature_scheme(), None, "{context}");
            assert_eq!(information.peer_certificates(), theirs.chain, "{context}");
            let answer = server.answer_to_message(&message);
            ours::exchange(&mut stream, message, &answer, &context).await;
        }
    }
}

async fn our_server(peer: Peer, of: &'static [KeyExchange]) {
    for case in cases(of).filter(|case| has(peer, case)) {
        let (version, suite) = case;
        let context = format!("{peer:?} to us, {version:?}, {suite}");
        let (identity, root) = identity(suite);
        let mut server = ours::Server::echo(server(case, ours::identity(identity))).await;
        let settings = Settings::client().version(version).root(root);
        let settings = with(settings, peer, suite, false);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        let served = server.served().await;
        check(served.information(&context), case, &context);
    }
}

const RSA_PSK: &[KeyExchange] = &[KeyExchange::RsaPsk];
const ECDH: &[KeyExchange] = &[KeyExchange::Ecdh];

async fn our_client_with_both_keys(peer: Peer) {
    our_client(peer, RSA_PSK).await;
}

async fn our_server_with_both_keys(peer: Peer) {
    our_server(peer, RSA_PSK).await;
}

async fn our_client_agrees(peer: Peer) {
    our_client(peer, ECDH).await;
}

async fn our_server_agrees(peer: Peer) {
    our_server(peer, ECDH).await;
}

of_each_peer! {
    our_client_to_openssl_with_both_keys: our_client_with_both_keys(Openssl);
    our_client_to_gnutls_with_both_keys: our_client_with_both_keys(Gnutls);
    our_client_to_erlang_with_both_keys: our_client_with_both_keys(Erlang);
    openssl_to_our_server_with_both_keys: our_server_with_both_keys(Openssl);
    gnutls_to_our_server_with_both_keys: our_server_with_both_keys(Gnutls);
    erlang_to_our_server_with_both_keys: our_server_with_both_keys(Erlang);
    our_client_agrees_with_erlangs_certificate: our_client_agrees(Erlang);
    erlang_agrees_with_our_certificate: our_server_agrees(Erlang);
}

/// A key that is elsewhere: another task computes with it, and knows nothing of TLS.
fn elsewhere(key: Arc<RsaPrivateKey>) -> impl Answers {
    let signer = answers::signer(|_, _, _| async { Err::<Vec<u8>, _>("nothing is signed") });
    signer.and_decrypter(move |_, ciphertext| {
        let key = Arc::clone(&key);
        async move {
            let raw = tokio::task::spawn_blocking(move || {
                let mut block = vec![0; key.modulus_len()];
                let decrypted = key.decrypt_raw(&ciphertext, &mut block);
                decrypted.is_ok().then_some(block)
            });
            raw.await
        }
    })
}

/// The key of a test's identity, which is PKCS#8, as RSAPrivateKey: what is in the last of its fields.
fn rsa_key(identity: &pki::Identity) -> RsaPrivateKey {
    let pkcs8 = identity.key.secret_der();
    let starts = (0..pkcs8.len()).rev();
    let mut keys = starts.filter_map(|at| RsaPrivateKey::from_der(&pkcs8[at..]).ok());
    keys.next().expect("an RSA key")
}

/// RSA and RSA_PSK, with the key elsewhere, and with a client certificate where there may be one.
async fn our_server_asks_for_decryption(peer: Peer) {
    let identity = &pki().rsa_by_rsa;
    let key = Arc::new(rsa_key(identity));
    for case in cases(&[KeyExchange::Rsa, KeyExchange::RsaPsk]).filter(|case| has(peer, case)) {
        let (version, suite) = case;
        let context = format!("{peer:?} to us, {version:?}, {suite}");
        let chain = identity.chain.clone();
        let external = Identity::with_external_key_that_decrypts(chain, Vec::new());
        let config = server(case, external.expect("an external key"));
        let settings = Settings::client().version(version).root(&pki().rsa_root);
        let authenticates = suite == CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256;
        let (config, settings) = match authenticates {
            false => (config, settings),
            true => {
                let required = ClientAuthentication::Required(ours::roots(&pki().root));
                let config = config.client_authentication(required);
                (config, settings.identity(&pki().client))
            }
        };
        let acceptor = ours::acceptor(config).answers(elsewhere(Arc::clone(&key)));
        let mut server = ours::Server::run(acceptor, |stream| ours::echo(stream, 0)).await;
        let settings = with(settings, peer, suite, false);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        let served = server.served().await;
        let information = served.information(&context);
        check(information, case, &context);
        let is_known = !information.peer_certificates().is_empty();
        assert_eq!(is_known, authenticates, "{context}");
    }
}

of_each_peer! {
    openssl_to_a_key_elsewhere: our_server_asks_for_decryption(Openssl);
    gnutls_to_a_key_elsewhere: our_server_asks_for_decryption(Gnutls);
    erlang_to_a_key_elsewhere: our_server_asks_for_decryption(Erlang);
}

/// By a ticket of OpenSSL's, and by an id of Erlang's.
#[tokio::test]
async fn sessions_are_resumed() {
    for (peer, suite) in [
        (
            Peer::Openssl,
            CipherSuite::TLS_RSA_PSK_WITH_AES_128_GCM_SHA256,
        ),
        (
            Peer::Erlang,
            CipherSuite::TLS_RSA_PSK_WITH_AES_128_GCM_SHA256,
        ),
        (
            Peer::Erlang,
            CipherSuite::TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256,
        ),
    ] {
        let case = (Version::Tls12, suite);
        let settings = Settings::server(identity(suite).0).version(Version::Tls12);
        let server = peer.server(&with(settings, peer, suite, true)).await;
        let connector =
            ours::connector(client(case)).session_store(Arc::<MemorySessionStore>::default());
        for number in 0..2 {
            let context = format!("connection {number} to {peer:?}, {suite}");
            let name = ours::name("localhost");
            let connected = connector.connect(server.address, name).await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(stream.is_resumed(), number > 0, "{context}");
            assert_eq!(stream.information().version(), ProtocolVersion::TLS_1_2);
            let answer = server.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;
            let _ = ours::close(stream, &context).await;
        }
    }
}
