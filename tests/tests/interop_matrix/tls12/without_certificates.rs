//! Key exchanges without certificates against real peers, both roles: pre-shared keys (RFC 4279, RFC
//! 5489) and ECDH_anon, each suite that the peer has, full and resumed, and what a peer says of an
//! identity or a key that is not ours.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::session::TicketKeys;
use portcullis::suite::{Authentication, Cipher, CipherSuite, KeyExchange, Mac, SuiteInfo};
use portcullis::{
    AlertDescription, ClientConfig, Direction, MemoryServerSessionStore, MemorySessionStore,
    PreSharedKey, Roots, ServerConfig,
};
use portcullis_tests::peers::{Message, Peer, Server, Settings, gnutls, openssl};
use portcullis_tests::pki::pki;
use portcullis_tests::scratch;

use super::{their_client, their_server};
use crate::ours;

const HELLO: Message<'static> = Message {
    line: "nobody shows a certificate",
    count: 1,
};
const PEERS: [Peer; 3] = [Peer::Openssl, Peer::Gnutls, Peer::Erlang];
pub(super) const IDENTITY: &str = "meter-17";
const KEY: [u8; 16] = *b"sixteen bytes ..";
const PSK: CipherSuite = CipherSuite::TLS_PSK_WITH_AES_256_GCM_SHA384;
const ECDHE_PSK: CipherSuite = CipherSuite::TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256;
const ANONYMOUS: CipherSuite = CipherSuite::TLS_ECDH_anon_WITH_AES_128_CBC_SHA;

fn info(suite: CipherSuite) -> &'static SuiteInfo {
    suite.info().expect("a suite of the table")
}

fn has_key(suite: CipherSuite) -> bool {
    let info = info(suite);
    info.authentication == Authentication::Psk || info.key_exchange == KeyExchange::RsaPsk
}

/// The registry has two spellings.
fn has_field(suite: CipherSuite) -> bool {
    let name = info(suite).name;
    name.starts_with("TLS_DH") || name.starts_with("TLS_PSK_DHE_")
}

/// Ours without certificates, as far as the peer has them.
fn suites(peer: Peer) -> Vec<CipherSuite> {
    let without = |suite: &&CipherSuite| {
        let authentication = info(**suite).authentication;
        matches!(
            authentication,
            Authentication::Psk | Authentication::Anonymous
        )
    };
    let has = |suite: &CipherSuite| {
        if let Cipher::TripleDesEdeCbc | Cipher::Rc4_128 | Cipher::DesCbc = info(*suite).cipher {
            // `legacy_ciphers.rs` has these.
            return false;
        }
        let is_chacha20 = info(*suite).cipher == Cipher::Chacha20Poly1305;
        // Erlang is slow; `every_suite.rs` has these once.
        let has_field = has_field(*suite);
        // RFC 8442 came late; of ECDHE_PSK Erlang/OTP 25 has some of each kind.
        match *suite {
            CipherSuite::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384 => false,
            CipherSuite::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256
            | CipherSuite::TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256 => peer == Peer::Erlang,
            CipherSuite::TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA => peer != Peer::Erlang,
            _ => peer != Peer::Erlang || !(is_chacha20 || has_field),
        }
    };
    let suites = CipherSuite::SUPPORTED.iter().filter(without).copied();
    suites.filter(has).collect()
}

fn psk_of(identity: &str, key: &[u8]) -> PreSharedKey {
    PreSharedKey::new(identity, key).expect("a key")
}

pub(super) fn psk() -> PreSharedKey {
    psk_of(IDENTITY, &KEY)
}

fn client(suite: CipherSuite) -> ClientConfigBuilder {
    match has_key(suite) {
        true => ClientConfig::builder(Roots::empty()).psk(psk()),
        false => ClientConfig::dangerous_builder_without_verification(),
    }
    .cipher_suites([suite])
}

fn server(suite: CipherSuite) -> ServerConfigBuilder {
    let server = ServerConfig::builder()
        .cipher_suites([suite])
        .resumption(false);
    match has_key(suite) {
        true => server.psk(psk()),
        false => server,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// GnuTLS's file of keys.
fn key_file() -> PathBuf {
    scratch::file("keys.psk", format!("{IDENTITY}:{}\n", hex(&KEY)))
}

/// What the peer has to be told to have this suite and no other.
pub(super) fn with(
    settings: Settings,
    peer: Peer,
    suite: CipherSuite,
    is_server: bool,
) -> Settings {
    let info = info(suite);
    let mut words: Vec<String> = Vec::new();
    match peer {
        Peer::Openssl => {
            words.extend([
                "-cipher".to_owned(),
                format!("{}:@SECLEVEL=0", info.openssl_name),
            ]);
            if has_key(suite) {
                words.extend(["-psk".to_owned(), hex(&KEY)]);
                words.extend(["-psk_identity".to_owned(), IDENTITY.to_owned()]);
            }
        }
        Peer::Gnutls => {
            words.push(format!("--priority={}", priority(info)));
            match (has_key(suite), is_server) {
                (false, _) => {}
                (true, true) => words.push(format!("--pskpasswd={}", key_file().display())),
                (true, false) => {
                    words.push(format!("--pskusername={IDENTITY}"));
                    words.push(format!("--pskkey={}", hex(&KEY)));
                }
            }
        }
        _ => {
            // It has one spelling of these.
            let name = info.name.replace("TLS_PSK_DHE_", "TLS_DHE_PSK_");
            words.push(format!("{{ciphers, [{name:?}]}}"));
            if has_key(suite) {
                let key: Vec<_> = KEY.iter().map(u8::to_string).collect();
                words.push(format!("{{shared_key, <<{}>>}}", key.join(",")));
                // Of a server that is a hint. With RSA_PSK Erlang's ServerKeyExchange has more in it than the hint
                // of RFC 4279 §4, and does not decode.
                if !(is_server && info.key_exchange == KeyExchange::RsaPsk) {
                    words.push(format!("{{psk_identity, {IDENTITY:?}}}"));
                }
            }
        }
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    settings.extra(&words)
}

fn priority(info: &SuiteInfo) -> String {
    let exchange = match info.name {
        name if name.starts_with("TLS_ECDHE_PSK_") => "ECDHE-PSK",
        name if name.starts_with("TLS_DHE_PSK_") || name.starts_with("TLS_PSK_DHE_") => "DHE-PSK",
        name if name.starts_with("TLS_PSK_") => "PSK",
        name if name.starts_with("TLS_RSA_PSK_") => "RSA-PSK",
        name if name.starts_with("TLS_RSA_WITH_") => "RSA",
        name if name.starts_with("TLS_DH_anon_") => "ANON-DH",
        _ => "ANON-ECDH",
    };
    let cipher = match info.cipher {
        Cipher::Aes128Gcm => "AES-128-GCM",
        Cipher::Aes256Gcm => "AES-256-GCM",
        Cipher::Aes128Ccm => "AES-128-CCM",
        Cipher::Aes256Ccm => "AES-256-CCM",
        Cipher::Aes128Ccm8 => "AES-128-CCM-8",
        Cipher::Aes256Ccm8 => "AES-256-CCM-8",
        Cipher::Aes128Cbc => "AES-128-CBC",
        Cipher::Aes256Cbc => "AES-256-CBC",
        Cipher::Chacha20Poly1305 => "CHACHA20-POLY1305",
        other => panic!("{other:?} is not spelled here"),
    };
    let mac = match info.mac {
        Mac::HmacSha1 => "SHA1",
        Mac::HmacSha256 => "SHA256",
        Mac::HmacSha384 => "SHA384",
        _ => "AEAD",
    };
    format!(
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+{exchange}:-CIPHER-ALL:+{cipher}:-MAC-ALL:+{mac}"
    )
}

async fn their_server_with(peer: Peer, suite: CipherSuite, more: &[&str]) -> Server {
    let settings = their_server(&pki().ecdsa_p256).extra(more);
    peer.server(&with(settings, peer, suite, true)).await
}

fn check(information: &portcullis::ConnectionInformation, suite: CipherSuite, context: &str) {
    assert_eq!(information.cipher_suite(), suite, "{context}");
    let identity = has_key(suite).then_some(IDENTITY.as_bytes());
    assert_eq!(information.psk_identity(), identity, "{context}");
    assert!(information.peer_certificates().is_empty(), "{context}");
}

/// With these `gnutls-cli` 3.7.9 has a segmentation fault when the handshake is over, whichever the
/// server.
fn falls_over(peer: Peer, suite: CipherSuite) -> bool {
    let is_one = info(suite).name.starts_with("TLS_ECDHE_PSK_") || has_field(suite);
    peer == Peer::Gnutls && has_key(suite) && is_one
}

/// At the security level that it needs for these suites OpenSSL takes a prime of 1,024 bits, which is
/// refused here.
fn has_short_prime(peer: Peer, suite: CipherSuite) -> bool {
    peer == Peer::Openssl && has_field(suite)
}

async fn our_client(peer: Peer) {
    let suites = suites(peer).into_iter();
    for suite in suites.filter(|suite| !has_short_prime(peer, *suite)) {
        let context = format!("our client to {peer:?}, {suite}");
        let server = their_server_with(peer, suite, &[]).await;
        let connected = ours::connect(server.address, client(suite)).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        check(stream.information(), suite, &context);
        let answer = server.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, &context).await;
    }
}

async fn our_server(peer: Peer) {
    for suite in suites(peer) {
        let context = format!("{peer:?} to us, {suite}");
        // GnuTLS tells its user of a hint, which is no harm.
        let config = match has_key(suite) {
            true => server(suite).psk_identity_hint("which meter?"),
            false => server(suite),
        };
        let mut server = ours::Server::echo(config).await;
        let settings = with(their_client(), peer, suite, false);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        if !falls_over(peer, suite) {
            assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        }
        let served = server.served().await;
        check(served.information(&context), suite, &context);
    }
}

of_each_peer! {
    our_client_to_openssl: our_client(Openssl);
    our_client_to_gnutls: our_client(Gnutls);
    our_client_to_erlang: our_client(Erlang);
    openssl_to_our_server: our_server(Openssl);
    gnutls_to_our_server: our_server(Gnutls);
    erlang_to_our_server: our_server(Erlang);
}

/// By a ticket, and by an id.
#[tokio::test]
async fn our_client_resumes() {
    for (peer, words) in [
        (Peer::Openssl, &[][..]),
        (Peer::Openssl, &["-no_ticket"]),
        (Peer::Gnutls, &[]),
        (Peer::Gnutls, &["--noticket"]),
        (Peer::Erlang, &[]),
    ] {
        for suite in [PSK, ECDHE_PSK, ANONYMOUS] {
            let server = their_server_with(peer, suite, words).await;
            let connector =
                ours::connector(client(suite)).session_store(Arc::<MemorySessionStore>::default());
            for number in 0..3 {
                let context = format!("our client to {peer:?} {words:?}, {suite}, {number}");
                let name = ours::name("localhost");
                let connected = connector.connect(server.address, name).await;
                let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
                let information = stream.shared_information();
                check(&information, suite, &context);
                assert_eq!(information.is_resumed(), number > 0, "{context}");
                let answer = server.answer_to_message(&HELLO);
                ours::exchange(&mut stream, HELLO, &answer, &context).await;
                let _ = ours::close(stream, &context).await;
            }
        }
    }
}

/// Ours that gives tickets, and one that keeps ids.
async fn resuming_servers(suite: CipherSuite) -> [ours::Server; 2] {
    let keys = TicketKeys::rotating(Duration::from_secs(7_200)).expect("a period");
    let sealing = ours::Server::echo(server(suite).ticket_keys(keys)).await;
    let config = server(suite).resumption(true);
    let store = Arc::<MemoryServerSessionStore>::default();
    let acceptor = ours::acceptor(config).session_store(store);
    let keeping = ours::Server::run(acceptor, |stream| ours::echo(stream, 0)).await;
    [sealing, keeping]
}

async fn served(server: &mut ours::Server, suite: CipherSuite, resumed: bool, context: &str) {
    let served = server.served().await;
    let information = served.information(context);
    check(information, suite, context);
    assert_eq!(information.is_resumed(), resumed, "{context}");
}

#[tokio::test]
async fn openssl_resumes_with_our_server() {
    for suite in [PSK, ECDHE_PSK, ANONYMOUS] {
        for server in &mut resuming_servers(suite).await {
            let file = scratch::file("session-psk.pem", "").display().to_string();
            for (resumed, option, says) in [
                (false, "-sess_out", "New, "),
                (true, "-sess_in", "Reused, "),
            ] {
                let context = format!("s_client {option}, {suite}");
                let settings = with(their_client(), Peer::Openssl, suite, false);
                let settings = settings.extra(&[option, &file]);
                let mut client = openssl::client(server.address, &settings);
                client.send(HELLO.data().as_bytes()).await;
                client.wait_for_line(HELLO.line).await;
                let (_, output) = client.finish().await;
                assert!(output.line(says).is_some(), "{context}:\n{output}");
                served(server, suite, resumed, &context).await;
            }
        }
    }
}

#[tokio::test]
async fn gnutls_resumes_with_our_server() {
    for suite in [PSK, ANONYMOUS] {
        for server in &mut resuming_servers(suite).await {
            let settings = with(their_client(), Peer::Gnutls, suite, false);
            let settings = settings.extra(&["--resume"]);
            let mut client = gnutls::client(server.address, &settings);
            client.wait_for_line("*** This is a resumed session").await;
            client.send(HELLO.data().as_bytes()).await;
            client.wait_for_line(HELLO.line).await;
            client.finish().await;
            let context = format!("gnutls-cli, {suite}");
            served(server, suite, false, &context).await;
            served(server, suite, true, &context).await;
        }
    }
}

/// Our client with a key or an identity that the server does not have. What each says is its own.
#[tokio::test]
async fn a_server_refuses_a_stranger() {
    for peer in PEERS {
        let server = their_server_with(peer, PSK, &[]).await;
        for (what, key) in [
            ("another key", psk_of(IDENTITY, b"another key ....")),
            ("another identity", psk_of("meter-18", b"another key ....")),
        ] {
            let context = format!("our client with {what} to {peer:?}");
            let config = ClientConfig::builder(Roots::empty())
                .cipher_suites([PSK])
                .psk(key);
            let refused = ours::connect(server.address, config).await;
            let error = refused.err().unwrap_or_else(|| panic!("{context}"));
            let alert = match error.alert() {
                Some((Direction::Received, alert)) => alert,
                // It may close without a word.
                None if peer == Peer::Erlang => continue,
                _ => panic!("{context}: {error}"),
            };
            let known = [
                AlertDescription::BAD_RECORD_MAC,
                AlertDescription::DECRYPT_ERROR,
                AlertDescription::UNKNOWN_PSK_IDENTITY,
                AlertDescription::ILLEGAL_PARAMETER,
            ];
            assert!(known.contains(&alert), "{context}: {error}");
        }
    }
}

/// The reverse; the client hears what ours says.
#[tokio::test]
async fn our_server_refuses_a_stranger() {
    for (key, hides, expected) in [
        (
            psk_of("meter-18", &KEY),
            false,
            AlertDescription::UNKNOWN_PSK_IDENTITY,
        ),
        (
            psk_of("meter-18", &KEY),
            true,
            AlertDescription::BAD_RECORD_MAC,
        ),
        (
            psk_of(IDENTITY, b"another key ...."),
            false,
            AlertDescription::BAD_RECORD_MAC,
        ),
    ] {
        for peer in PEERS {
            let context = format!("{peer:?}, {hides}, {expected}");
            let config = ServerConfig::builder()
                .cipher_suites([PSK])
                .psk(key.clone())
                .hide_unknown_psk_identities(hides);
            let mut server = ours::Server::echo(config).await;
            let settings = with(their_client(), peer, PSK, false);
            let exchange = peer.transfer(server.address, &settings, HELLO).await;
            assert!(exchange.reply.is_err(), "{context}");
            let served = server.served().await;
            let alert = served.error(&context).alert();
            assert_eq!(alert, Some((Direction::Sent, expected)), "{context}");
        }
    }
}
