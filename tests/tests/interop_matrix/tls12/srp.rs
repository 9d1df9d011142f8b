//! Users who log in with a password (SRP, RFC 5054) against real peers, both roles: each suite that is
//! there, full and resumed, TLS 1.2 to 1.0, and wrong passwords and users who are not there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::session::TicketKeys;
use portcullis::suite::{Authentication, Cipher, CipherSuite, KeyExchange};
use portcullis::{
    AlertDescription, ClientConfig, ConnectionInformation, Direction, MemoryServerSessionStore,
    MemorySessionStore, ProtocolVersion, Roots, ServerConfig, SrpGroup, SrpUsers, SrpVerifier,
};
use portcullis_tests::peers::{Message, Peer, Server, Settings, Version};
use portcullis_tests::peers::{erlang, gnutls};
use portcullis_tests::pki::pki;
use portcullis_tests::scratch;

use crate::ours;

const HELLO: Message<'static> = Message {
    line: "alice knows the password",
    count: 1,
};
/// Not OpenSSL 3.0.22: its `s_server` tells its own `s_client`, too, that there is no such user, whose name it
/// prints otherwise, and its `s_client` ends without a word, whoever the other is.
const PEERS: [Peer; 2] = [Peer::Gnutls, Peer::Erlang];
const USER: &str = "alice";
const PASSWORD: &str = "password123";
const SRP: CipherSuite = CipherSuite::TLS_SRP_SHA_WITH_AES_256_CBC_SHA;

/// What `srptool -i 3` has made of the password.
const GNUTLS: &str = "alice:6wzgqI5suxvzTZJ9XvhRvWjQcaazLDDxPfE4zmYeR04Rhu0RGoZFZrUJZohasMjI28vwFdGOTZU4T3I4RCOFLQpBHFqkipa0oGszJkZZLyzSGdSh0/LVOCFfbnQIFVq8vi/2xurE93En9Y4p3Xefq7RL8P/HkTBS02rJ1C88705.P9qol1p0NhfBqtzOChrqt8Pb0T4THBWRC48sdkDTHH59xxidk9.QC99IPn9aBt7Y/Ljd9ZODmQpsi6ZVXwhBVx2p7OrmQ6VDygETxBQYw4E8f.NJHPoNtjHmWxXQd0XgFNheKO1qkTwCKmk9tHt8shMCkeQRa.dieUQM4pE3y:36Qa47j6OYtFmv4jDSI1GT:3\n";

/// Without those of keys of DSA, which `legacy_ciphers.rs` has. Those of 3DES are tried with GnuTLS alone: of Erlang,
/// which has them in older versions or not at all and goes on with its defaults then, that file tells.
fn suites(peer: Peer) -> impl Iterator<Item = CipherSuite> {
    let is_one = move |suite: &CipherSuite| {
        let info = suite.info().expect("a suite of the table");
        info.key_exchange == KeyExchange::Srp
            && info.authentication != Authentication::Dss
            && (peer != Peer::Erlang || info.cipher != Cipher::TripleDesEdeCbc)
    };
    CipherSuite::SUPPORTED.iter().copied().filter(is_one)
}

fn is_signed(suite: CipherSuite) -> bool {
    suite.info().expect("a suite of the table").authentication == Authentication::Rsa
}

fn client(suite: CipherSuite) -> ClientConfigBuilder {
    let builder = match is_signed(suite) {
        true => ours::client_of(Version::Tls12),
        false => ClientConfig::builder(Roots::empty()),
    };
    builder.cipher_suites([suite]).srp(USER, PASSWORD)
}

fn users() -> SrpUsers {
    let alice = SrpVerifier::from_password(USER, PASSWORD, SrpGroup::Bits2048);
    SrpUsers::new([alice.expect("a verifier")]).expect("users")
}

fn server(suite: CipherSuite) -> ServerConfigBuilder {
    let builder = match is_signed(suite) {
        true => ours::server_of(Version::Tls12, &pki().rsa_2048),
        false => ServerConfig::builder(),
    };
    let builder = builder.cipher_suites([suite]).resumption(false);
    builder.srp_users(users())
}

fn gnutls_groups() -> PathBuf {
    let path = scratch::file("tpasswd.conf", "");
    let made = std::process::Command::new("srptool")
        .arg(format!("--create-conf={}", path.display()))
        .output()
        .expect("srptool (Debian package gnutls-bin)");
    assert!(made.status.success(), "{made:?}");
    path
}

/// What the peer has to be told to have this suite and no other.
fn with(
    settings: Settings,
    peer: Peer,
    suite: CipherSuite,
    login: Option<(&str, &str)>,
) -> Settings {
    let info = suite.info().expect("a suite of the table");
    let mut words: Vec<String> = Vec::new();
    match (peer, login) {
        (Peer::Gnutls, _) => {
            words.push(format!("--priority={}", priority(suite, settings.version)));
            match login {
                Some((user, password)) => {
                    words.push(format!("--srpusername={user}"));
                    words.push(format!("--srppasswd={password}"));
                }
                None => {
                    let file = scratch::file("tpasswd", GNUTLS);
                    words.push(format!("--srppasswd={}", file.display()));
                    words.push(format!("--srppasswdconf={}", gnutls_groups().display()));
                }
            }
        }
        (_, login) => {
            words.push(format!("{{ciphers, [{:?}]}}", info.name));
            words.push(match login {
                Some((user, password)) => format!("{{srp_identity, {{{user:?}, {password:?}}}}}"),
                None => format!("{{srp_user, {{{USER:?}, {PASSWORD:?}}}}}"),
            });
        }
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    settings.extra(&words)
}

fn priority(suite: CipherSuite, version: Version) -> String {
    let info = suite.info().expect("a suite of the table");
    let exchange = if is_signed(suite) { "SRP-RSA" } else { "SRP" };
    let cipher = match info.cipher {
        Cipher::Aes128Cbc => "AES-128-CBC",
        Cipher::Aes256Cbc => "AES-256-CBC",
        _ => "3DES-CBC",
    };
    let version = match version {
        Version::Tls10 => "1.0",
        Version::Tls11 => "1.1",
        _ => "1.2",
    };
    format!(
        "NORMAL:-VERS-ALL:+VERS-TLS{version}:-KX-ALL:+{exchange}:-CIPHER-ALL:+{cipher}:-MAC-ALL:+SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1"
    )
}

async fn their_server(peer: Peer, suite: CipherSuite, version: Version) -> Server {
    let settings = Settings::server(&pki().rsa_2048).version(version);
    peer.server(&with(settings, peer, suite, None)).await
}

fn their_client(peer: Peer, suite: CipherSuite, login: (&str, &str)) -> Settings {
    let settings = Settings::client().version(Version::Tls12);
    with(settings, peer, suite, Some(login))
}

fn check(information: &ConnectionInformation, suite: CipherSuite, context: &str) {
    assert_eq!(information.cipher_suite(), suite, "{context}");
    assert_eq!(information.srp_user(), Some(USER.as_bytes()), "{context}");
}

async fn our_client(peer: Peer) {
    for suite in suites(peer) {
        let context = format!("our client to {peer:?}, {suite}");
        let server = their_server(peer, suite, Version::Tls12).await;
        let connected = ours::connect(server.address, client(suite)).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        check(stream.information(), suite, &context);
        let shown = stream.information().peer_certificates();
        assert_eq!(shown.is_empty(), !is_signed(suite), "{context}");
        let answer = server.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, &context).await;
    }
}

async fn our_server(peer: Peer) {
    for suite in suites(peer) {
        let context = format!("{peer:?} to us, {suite}");
        let mut server = ours::Server::echo(server(suite)).await;
        let settings = their_client(peer, suite, (USER, PASSWORD));
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        let served = server.served().await;
        check(served.information(&context), suite, &context);
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
    }
}

of_each_peer! {
    our_client_to_gnutls: our_client(Gnutls);
    our_client_to_erlang: our_client(Erlang);
    gnutls_to_our_server: our_server(Gnutls);
    erlang_to_our_server: our_server(Erlang);
}

/// The records are others there.
#[tokio::test]
async fn our_client_in_older_versions() {
    for (version, code) in [
        (Version::Tls11, ProtocolVersion::TLS_1_1),
        (Version::Tls10, ProtocolVersion::TLS_1_0),
    ] {
        let peer = Peer::Gnutls;
        let context = format!("our client to {peer:?}, {version:?}");
        let server = their_server(peer, SRP, version).await;
        let connected = ours::connect(server.address, client(SRP).versions([code])).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        check(stream.information(), SRP, &context);
        assert_eq!(stream.information().version(), code, "{context}");
        let answer = server.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, &context).await;
    }
}

#[tokio::test]
async fn our_client_resumes() {
    for peer in PEERS {
        let server = their_server(peer, SRP, Version::Tls12).await;
        let connector =
            ours::connector(client(SRP)).session_store(Arc::<MemorySessionStore>::default());
        for number in 0..3 {
            let context = format!("our client to {peer:?}, {number}");
            let name = ours::name("localhost");
            let connected = connector.connect(server.address, name).await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            let information = stream.shared_information();
            check(&information, SRP, &context);
            assert_eq!(information.is_resumed(), number > 0, "{context}");
            let answer = server.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;
            let _ = ours::close(stream, &context).await;
        }
    }
}

/// A client of GnuTLS comes back in the same process, by a ticket or by an id; the verifier is looked at again.
#[tokio::test]
async fn gnutls_resumes_with_our_server() {
    let alice = users();
    for (ticket, extra) in [
        (true, &["--resume"][..]),
        (false, &["--resume", "--noticket"]),
    ] {
        let config = server(SRP).resumption(true).srp_users(alice.clone());
        let config = match ticket {
            true => config
                .ticket_keys(TicketKeys::rotating(Duration::from_secs(7_200)).expect("a period")),
            false => config,
        };
        let acceptor = ours::acceptor(config);
        let acceptor = match ticket {
            true => acceptor,
            false => acceptor.session_store(Arc::<MemoryServerSessionStore>::default()),
        };
        let (connected, mut connections) = tokio::sync::mpsc::unbounded_channel();
        let serve = move |stream| {
            let _ = connected.send(());
            ours::echo(stream, 0)
        };
        let mut server = ours::Server::run(acceptor, serve).await;
        let settings = their_client(Peer::Gnutls, SRP, (USER, PASSWORD)).extra(extra);
        let mut client = gnutls::client(server.address, &settings);
        for number in 1..3 {
            let connected = ours::soon(connections.recv()).await;
            assert!(connected.is_some(), "{extra:?}: {number}");
        }
        // What it says of the handshake is there at its end; the echo, at once.
        client.send(HELLO.data().as_bytes()).await;
        client.wait_for_line(HELLO.line).await;
        let (_, output) = client.finish().await;
        for line in ["*** This is a resumed session", HELLO.line] {
            assert!(output.line(line).is_some(), "{extra:?}:\n{output}");
        }
        for resumed in [false, true] {
            let context = format!("{extra:?}, resumed: {resumed}");
            let served = server.served().await;
            let information = served.information(&context);
            check(information, SRP, &context);
            assert_eq!(information.is_resumed(), resumed, "{context}");
        }
    }
}

/// Erlang by an id.
#[tokio::test]
async fn erlang_resumes_with_our_server() {
    let store = Arc::<MemoryServerSessionStore>::default();
    let acceptor = ours::acceptor(server(SRP).resumption(true)).session_store(store);
    let mut server = ours::Server::run(acceptor, |stream| ours::echo(stream, 0)).await;
    let settings = their_client(Peer::Erlang, SRP, (USER, PASSWORD));
    let (exchange, _) = erlang::exchange_again(server.address, &settings, HELLO).await;
    assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line));
    for resumed in [false, true] {
        let context = format!("Erlang, resumed: {resumed}");
        let served = server.served().await;
        let information = served.information(&context);
        check(information, SRP, &context);
        assert_eq!(information.is_resumed(), resumed, "{context}");
    }
}

/// A client with a wrong password, or of nobody, hears the same from us.
#[tokio::test]
async fn our_server_refuses_a_stranger() {
    for peer in PEERS {
        for login in [(USER, "password124"), ("eve", PASSWORD)] {
            let context = format!("{peer:?}, {login:?}");
            let mut server = ours::Server::echo(server(SRP)).await;
            let settings = their_client(peer, SRP, login);
            let exchange = peer.transfer(server.address, &settings, HELLO).await;
            assert!(exchange.reply.is_err(), "{context}");
            let served = server.served().await;
            let alert = served.error(&context).alert();
            let expected = Some((Direction::Sent, AlertDescription::BAD_RECORD_MAC));
            assert_eq!(alert, expected, "{context}");
        }
    }
}

/// What each says is its own.
#[tokio::test]
async fn a_server_refuses_a_stranger() {
    for peer in PEERS {
        let server = their_server(peer, SRP, Version::Tls12).await;
        for (user, password) in [(USER, "password124"), ("eve", PASSWORD)] {
            let config = client(SRP).srp(user, password);
            let refused = ours::connect(server.address, config).await;
            assert!(refused.is_err(), "our client as {user} to {peer:?}");
        }
    }
}
