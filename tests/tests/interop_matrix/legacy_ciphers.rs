//! 3DES, RC4 and DES (feature `legacy-ciphers`), which both sides have to name: every peer that has them, with each
//! key exchange, both directions, each version, the MAC made before the encryption and after it, client
//! certificates, sessions resumed, keys given back, and a megabyte.
//!
//! OpenSSL is not among the peers: what distributions build has none of the three in TLS
//! (`no-weak-ssl-ciphers`). Of DES Erlang is the only one.

use std::sync::Arc;
use std::time::Duration;

use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::suite::{Authentication, Cipher, CipherSuite, KeyExchange, Mac, SuiteInfo};
use portcullis::{
    ClientAuthentication, ClientConfig, ConnectionInformation, MemorySessionStore, PreSharedKey,
    Roots, ServerConfig,
};
use portcullis_tests::peers::{Message, Peer, Server, Settings, Version};
use portcullis_tests::pki::{self, pki};
use portcullis_tests::scratch;

use crate::{ours, transfer};

const HELLO: Message<'static> = Message {
    line: "hello to a machine that nobody dares to replace",
    count: 1,
};
const IDENTITY: &str = "boiler-3";
const KEY: [u8; 16] = *b"sixteen bytes ..";
const TRIPLE_DES: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA;
const RC4: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_RC4_128_SHA;
const DES: CipherSuite = CipherSuite::TLS_RSA_WITH_DES_CBC_SHA;

fn info(suite: CipherSuite) -> &'static SuiteInfo {
    suite.info().expect("a suite of the table")
}

fn cipher(suite: CipherSuite) -> Cipher {
    info(suite).cipher
}

/// All of the three, as far as the peer has them.
fn suites(peer: Peer) -> Vec<CipherSuite> {
    let has = |suite: &CipherSuite| match cipher(*suite) {
        Cipher::TripleDesEdeCbc | Cipher::Rc4_128 => true,
        Cipher::DesCbc => peer == Peer::Erlang,
        _ => false,
    };
    // Of the keys in certificates, of DSA and of passwords `tls12/legacy_ciphers.rs` has them.
    let is_elsewhere = |suite: &CipherSuite| {
        let info = info(*suite);
        let exchange = info.key_exchange;
        matches!(
            exchange,
            KeyExchange::Ecdh | KeyExchange::RsaPsk | KeyExchange::Srp
        ) || info.authentication == Authentication::Dss
    };
    let suites = CipherSuite::SUPPORTED.iter().copied().filter(has);
    let suites = suites.filter(|suite| !is_elsewhere(suite));
    let suites: Vec<_> = suites.collect();
    assert!(suites.len() >= 16, "{suites:?}");
    suites
}

/// Of each cipher one for a certificate and one for a key.
fn some_suites(peer: Peer) -> Vec<CipherSuite> {
    let mut suites = vec![
        TRIPLE_DES,
        RC4,
        CipherSuite::TLS_RSA_WITH_RC4_128_MD5,
        CipherSuite::TLS_PSK_WITH_3DES_EDE_CBC_SHA,
    ];
    suites.extend((peer == Peer::Erlang).then_some(DES));
    suites
}

/// Who shows a certificate in this suite, and by whom it was issued.
fn identity(suite: CipherSuite) -> (&'static pki::Identity, &'static pki::Root) {
    match info(suite).authentication {
        Authentication::Ecdsa => (&pki().ecdsa_p256, &pki().root),
        _ => (&pki().rsa_by_rsa, &pki().rsa_root),
    }
}

fn shows_certificate(suite: CipherSuite) -> bool {
    let authentication = info(suite).authentication;
    matches!(authentication, Authentication::Ecdsa | Authentication::Rsa)
}

fn has_key(suite: CipherSuite) -> bool {
    info(suite).authentication == Authentication::Psk
}

fn psk() -> PreSharedKey {
    PreSharedKey::new(IDENTITY, KEY).expect("a key")
}

fn client(version: Version, suite: CipherSuite) -> ClientConfigBuilder {
    let builder = match info(suite).authentication {
        Authentication::Anonymous => ClientConfig::dangerous_builder_without_verification(),
        Authentication::Psk => ClientConfig::builder(Roots::empty()).psk(psk()),
        _ => ClientConfig::builder(ours::roots(identity(suite).1)),
    };
    builder
        .versions([ours::code(version)])
        .cipher_suites([suite])
}

fn server(version: Version, suite: CipherSuite) -> ServerConfigBuilder {
    let builder = match info(suite).authentication {
        Authentication::Anonymous => ServerConfig::builder().resumption(false),
        Authentication::Psk => ServerConfig::builder().resumption(false).psk(psk()),
        _ => ours::server(identity(suite).0),
    };
    builder
        .versions([ours::code(version)])
        .cipher_suites([suite])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the peer has to be told to have this suite and no other.
fn words(peer: Peer, version: Version, suite: CipherSuite, is_server: bool) -> Vec<String> {
    let info = info(suite);
    if peer == Peer::Gnutls {
        let mut words = vec![format!("--priority={}", priority(version, info))];
        match (has_key(suite), is_server) {
            (false, _) => {}
            (true, true) => {
                let file = scratch::file("keys.psk", format!("{IDENTITY}:{}\n", hex(&KEY)));
                words.push(format!("--pskpasswd={}", file.display()));
            }
            (true, false) => {
                words.push(format!("--pskusername={IDENTITY}"));
                words.push(format!("--pskkey={}", hex(&KEY)));
            }
        }
        return words;
    }
    let mut words = vec![format!("{{ciphers, [{:?}]}}", info.name)];
    if has_key(suite) {
        let key: Vec<_> = KEY.iter().map(u8::to_string).collect();
        words.push(format!("{{shared_key, <<{}>>}}", key.join(",")));
        words.push(format!("{{psk_identity, {IDENTITY:?}}}"));
    }
    words
}

fn priority(version: Version, info: &SuiteInfo) -> String {
    let version = match version {
        Version::Tls10 => "TLS1.0",
        Version::Tls11 => "TLS1.1",
        _ => "TLS1.2",
    };
    let exchange = match (info.key_exchange, info.authentication) {
        (KeyExchange::Rsa, _) => "RSA",
        (KeyExchange::Ecdhe, Authentication::Ecdsa) => "ECDHE-ECDSA",
        (KeyExchange::Ecdhe, Authentication::Rsa) => "ECDHE-RSA",
        (KeyExchange::Ecdhe, _) => "ANON-ECDH",
        (KeyExchange::Dhe, Authentication::Rsa) => "DHE-RSA",
        (KeyExchange::Dhe, _) => "ANON-DH",
        (KeyExchange::EcdhePsk, _) => "ECDHE-PSK",
        (KeyExchange::DhePsk, _) => "DHE-PSK",
        (KeyExchange::Psk, _) => "PSK",
        other => panic!("{other:?} is not spelled here"),
    };
    let cipher = match info.cipher {
        Cipher::Rc4_128 => "ARCFOUR-128",
        _ => "3DES-CBC",
    };
    let mac = match info.mac {
        Mac::HmacMd5 => "MD5",
        _ => "SHA1",
    };
    format!(
        "NORMAL:-VERS-ALL:+VERS-{version}:-KX-ALL:+{exchange}:-CIPHER-ALL:+{cipher}:-MAC-ALL:+{mac}"
    )
}

fn with(settings: Settings, words: &[String]) -> Settings {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    settings.extra(&words)
}

async fn their_server(peer: Peer, version: Version, suite: CipherSuite) -> Server {
    let settings = Settings::server(identity(suite).0).version(version);
    let words = words(peer, version, suite, true);
    peer.server(&with(settings, &words)).await
}

fn their_client(peer: Peer, version: Version, suite: CipherSuite) -> Settings {
    let settings = Settings::client().version(version).root(identity(suite).1);
    with(settings, &words(peer, version, suite, false))
}

/// With these `gnutls-cli` 3.7.9 has a segmentation fault when the handshake is over, whichever the
/// server.
fn falls_over(peer: Peer, suite: CipherSuite) -> bool {
    let exchange = info(suite).key_exchange;
    peer == Peer::Gnutls && matches!(exchange, KeyExchange::EcdhePsk | KeyExchange::DhePsk)
}

/// Erlang does not know RFC 7366, and a stream cipher has no use for it (§3).
fn encrypts_first(peer: Peer, suite: CipherSuite, we_do: bool) -> bool {
    we_do && peer != Peer::Erlang && cipher(suite) != Cipher::Rc4_128
}

/// Every suite in TLS 1.2, and some in the versions before.
fn cases(peer: Peer) -> Vec<(Version, CipherSuite)> {
    let newest = suites(peer)
        .into_iter()
        .map(|suite| (Version::Tls12, suite));
    let older = [Version::Tls11, Version::Tls10].into_iter();
    let older = older.flat_map(|version| {
        let suites = some_suites(peer).into_iter();
        suites.map(move |suite| (version, suite))
    });
    newest.chain(older).collect()
}

fn check(
    information: &ConnectionInformation,
    (version, suite): (Version, CipherSuite),
    context: &str,
) {
    assert_eq!(information.version(), ours::code(version), "{context}");
    assert_eq!(information.cipher_suite(), suite, "{context}");
    let identity = has_key(suite).then_some(IDENTITY.as_bytes());
    assert_eq!(information.psk_identity(), identity, "{context}");
}

async fn our_client(peer: Peer) {
    for (version, suite) in cases(peer) {
        let server = their_server(peer, version, suite).await;
        for we_encrypt_first in [true, false] {
            let context = format!("us to {peer:?}, {version:?}, {suite}, {we_encrypt_first}");
            let config = client(version, suite).encrypt_then_mac(we_encrypt_first);
            let connected = ours::connect(server.address, config).await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            let information = stream.shared_information();
            check(&information, (version, suite), &context);
            let shown = !information.peer_certificates().is_empty();
            assert_eq!(shown, shows_certificate(suite), "{context}");
            let expected = encrypts_first(peer, suite, we_encrypt_first);
            assert_eq!(information.encrypt_then_mac(), expected, "{context}");
            let answer = server.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;
        }
    }
}

async fn our_server(peer: Peer) {
    for (version, suite) in cases(peer) {
        let context = format!("{peer:?} to us, {version:?}, {suite}");
        let mut server = ours::Server::echo(server(version, suite)).await;
        let settings = their_client(peer, version, suite);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        if !falls_over(peer, suite) {
            assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        }
        let served = server.served().await;
        let information = served.information(&context);
        check(information, (version, suite), &context);
        let expected = encrypts_first(peer, suite, true);
        assert_eq!(information.encrypt_then_mac(), expected, "{context}");
    }
}

/// With certificates of both sides.
async fn both_authenticate(peer: Peer) {
    let version = Version::Tls12;
    for suite in [TRIPLE_DES, RC4] {
        let context = format!("us and {peer:?}, {suite}");
        let settings = Settings::server(identity(suite).0).version(version);
        let settings = settings.root(&pki().root);
        let settings = with(settings, &words(peer, version, suite, true));
        let theirs = peer.server(&settings).await;
        let config = client(version, suite).identity(ours::identity(&pki().client));
        let connected = ours::connect(theirs.address, config).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(stream.information().local_certificate().is_some());
        let answer = theirs.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, &context).await;

        let required = ClientAuthentication::Required(ours::roots(&pki().root));
        let config = server(version, suite).client_authentication(required);
        let mut server = ours::Server::echo(config).await;
        let settings = their_client(peer, version, suite).identity(&pki().client);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        let served = server.served().await;
        let shown = served.information(&context).peer_certificates();
        assert_eq!(shown, pki().client.chain, "{context}");
    }
}

/// A full handshake and two that resume it.
async fn our_client_resumes(peer: Peer) {
    for version in [Version::Tls12, Version::Tls10] {
        for suite in some_suites(peer) {
            let server = their_server(peer, version, suite).await;
            let connector = ours::connector(client(version, suite))
                .session_store(Arc::<MemorySessionStore>::default());
            for resumed in [false, true, true] {
                let context = format!("us to {peer:?}, {version:?}, {suite}, {resumed}");
                let name = ours::name("localhost");
                let connected = connector.connect(server.address, name).await;
                let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
                let information = stream.shared_information();
                check(&information, (version, suite), &context);
                assert_eq!(information.is_resumed(), resumed, "{context}");
                let answer = server.answer_to_message(&HELLO);
                ours::exchange(&mut stream, HELLO, &answer, &context).await;
                let _ = ours::close(stream, &context).await;
            }
        }
    }
}

/// Between one message and the next what can be set up again is given back: the state of RC4 cannot.
async fn keys_are_given_back(peer: Peer) {
    let soon = Duration::from_millis(10);
    for version in [Version::Tls12, Version::Tls10] {
        for suite in some_suites(peer) {
            let context = format!("us to {peer:?}, {version:?}, {suite}");
            let server = their_server(peer, version, suite).await;
            let connector = ours::connector(client(version, suite)).hibernate_after(soon);
            let name = ours::name("localhost");
            let connected = connector.connect(server.address, name).await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            for _ in 0..3 {
                let answer = server.answer_to_message(&HELLO);
                ours::exchange(&mut stream, HELLO, &answer, &context).await;
                // Only while it waits for something does a connection hibernate.
                let nothing = tokio::time::timeout(10 * soon, stream.recv(0)).await;
                assert!(nothing.is_err(), "{context}: {nothing:?}");
                assert!(stream.is_hibernating(), "{context}");
            }
        }
    }
}

/// More than a megabyte to a server and back.
async fn a_megabyte(peer: Peer) {
    let (line, count) = transfer::message();
    let message = Message { line: &line, count };
    for version in [Version::Tls12, Version::Tls10] {
        for suite in some_suites(peer) {
            let context = format!("us to {peer:?}, {version:?}, {suite}");
            let server = their_server(peer, version, suite).await;
            let connected = ours::connect(server.address, client(version, suite)).await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            let answer = server.answer_to_message(&message);
            assert!(answer.len() > 1 << 20);
            ours::exchange(&mut stream, message, &answer, &context).await;
        }
    }
}

of_each_peer! {
    our_client_and_gnutls: our_client(Gnutls);
    our_client_and_erlang: our_client(Erlang);
    gnutls_and_our_server: our_server(Gnutls);
    erlang_and_our_server: our_server(Erlang);
    gnutls_authenticates: both_authenticate(Gnutls);
    erlang_authenticates: both_authenticate(Erlang);
    our_client_resumes_with_gnutls: our_client_resumes(Gnutls);
    our_client_resumes_with_erlang: our_client_resumes(Erlang);
    keys_are_given_back_with_gnutls: keys_are_given_back(Gnutls);
    keys_are_given_back_with_erlang: keys_are_given_back(Erlang);
    a_megabyte_with_gnutls: a_megabyte(Gnutls);
    a_megabyte_with_erlang: a_megabyte(Erlang);
}

/// By a ticket of ours.
#[tokio::test]
async fn gnutls_resumes_with_our_server() {
    for suite in [TRIPLE_DES, RC4] {
        let keys = portcullis::session::TicketKeys::rotating(Duration::from_secs(7_200));
        let config = server(Version::Tls12, suite).ticket_keys(keys.expect("a period"));
        let mut server = ours::Server::echo(config).await;
        let settings = their_client(Peer::Gnutls, Version::Tls12, suite).extra(&["--resume"]);
        let mut client = portcullis_tests::peers::gnutls::client(server.address, &settings);
        client.wait_for_line("*** This is a resumed session").await;
        client.send(HELLO.data().as_bytes()).await;
        client.wait_for_line(HELLO.line).await;
        client.finish().await;
        for resumed in [false, true] {
            let served = server.served().await;
            let information = served.information("gnutls-cli");
            check(information, (Version::Tls12, suite), "gnutls-cli");
            assert_eq!(information.is_resumed(), resumed);
        }
    }
}

/// Whatever either side prefers, an AES suite is taken where there is one.
#[tokio::test]
async fn they_are_the_last_resort() {
    let aes = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA;
    for honor in [true, false] {
        let config = ours::server(&pki().ecdsa_p256)
            .versions([ours::code(Version::Tls12)])
            .cipher_suites([RC4, TRIPLE_DES, aes])
            .honor_cipher_order(honor);
        let server = ours::Server::echo(config).await;
        for (offered, expected) in [
            (&[RC4, TRIPLE_DES, aes][..], aes),
            (&[TRIPLE_DES, RC4], if honor { RC4 } else { TRIPLE_DES }),
        ] {
            let config = client(Version::Tls12, RC4).cipher_suites(offered.to_vec());
            let stream = ours::connect(server.address, config).await;
            let stream = stream.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(stream.information().cipher_suite(), expected, "{honor}");
        }
    }
}
