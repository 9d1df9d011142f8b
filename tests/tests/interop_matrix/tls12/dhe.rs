//! DHE_RSA, which both sides have to name: every peer that has it, both directions, every suite; groups of
//! RFC 7919 and of one's own; sessions resumed and client certificates.

use std::sync::Arc;
use std::time::Duration;

use portcullis::config::PreSharedKey;
use portcullis::suite::CipherSuite;
use portcullis::x509::DhParameters;
use portcullis::{ClientConfig, MemorySessionStore, NamedGroup, ProtocolVersion, ServerConfig};
use portcullis_tests::peers::{Group, Message, Peer, Settings, Suite, Version, openssl};
use portcullis_tests::pki::pki;
use portcullis_tests::scratch;

use super::{client, server, their_client, their_server};
use crate::ours;

const PEERS: [Peer; 3] = [Peer::Openssl, Peer::Gnutls, Peer::Erlang];

const HELLO: Message<'static> = Message {
    line: "hello in a finite field",
    count: 1,
};

/// `openssl dhparam 2048`.
const OWN: &str = "\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA4WZGf6IG62GvePbRFpCdDcUWuV5HWwFRgWPwwReHw9k8XZ/lzTG9
gjUT8i0zEQOo58NjvUHDCeWYQzP1//3ZciUf9oI2tV+5UjSrr7kDuLc0yd9sh6Nf
yEuPyHlYLo7TnT5xnW5WzJ6m6PgNxPoHs1kihBTLl7KxVenBzuPXUaNckCjeprbx
dlX3UXqIT+kP+Hi91V8fKVTXd6Z92OTc6Y04LVz836wIMXq3HyfYbpENjyXVm77/
dhXZHkb5oOzbyF/9s/w5x4KSm/XnI08S4jlnssPGUVri/FyVlXtjDnWDa+vlLJBY
/WPiPMU0xqACSBCLNEOtdLS07tmtf0h/bwIBAg==
-----END DH PARAMETERS-----
";

async fn our_client(peer: Peer) {
    let identity = &pki().rsa_2048;
    for suite in Suite::DHE_RSA {
        let context = format!("our client to {peer:?}, {suite:?}");
        let server = peer.server(&their_server(identity).suite(suite)).await;
        let config = client().cipher_suites([ours::suite(suite)]);
        let mut stream = ours::connect(server.address, config)
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let information = stream.shared_information();
        assert_eq!(information.version(), ProtocolVersion::TLS_1_2, "{context}");
        assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
        assert_eq!(information.peer_certificates(), identity.chain, "{context}");
        let answer = server.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, &context).await;
        ours::compare(&information, &server.report(0).await, &context);
    }
}

async fn our_server(peer: Peer) {
    let config = server(&pki().rsa_2048).cipher_suites(Suite::DHE_RSA.map(ours::suite));
    let mut server = ours::Server::echo(config).await;
    for suite in Suite::DHE_RSA {
        let context = format!("{peer:?} to our server, {suite:?}");
        let settings = their_client().suite(suite);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        let served = server.served().await;
        let information = served.information(&context);
        assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
        assert_eq!(
            information.group(),
            Some(NamedGroup::FFDHE2048),
            "{context}"
        );
        assert!(served.end.is_ok(), "{context}: {served:?}");
        ours::compare(information, &exchange.report, &context);
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

/// RFC 7919: GnuTLS lists what it has, and takes what is listed.
#[tokio::test]
async fn gnutls_negotiates_the_group() {
    let suite = Suite::DheRsaAes128Gcm;
    for group in [Group::Ffdhe3072, Group::Ffdhe4096] {
        let context = format!("{group:?}");
        let config = server(&pki().rsa_2048).cipher_suites([ours::suite(suite)]);
        let mut server = ours::Server::echo(config).await;
        let settings = their_client().suite(suite).group(group);
        let exchange = Peer::Gnutls
            .transfer(server.address, &settings, HELLO)
            .await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        let served = server.served().await;
        let information = served.information(&context);
        assert_eq!(information.group(), Some(ours::group(group)), "{context}");

        let server = Peer::Gnutls.server(&their_server(&pki().rsa_2048)).await;
        let config = client().cipher_suites([ours::suite(suite)]);
        let stream = ours::connect(server.address, config.groups([ours::group(group)]))
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let information = stream.shared_information();
        assert_eq!(information.group(), Some(ours::group(group)), "{context}");
    }
}

#[tokio::test]
async fn groups_of_one_s_own() {
    let suite = Suite::DheRsaAes256Gcm;
    let file = scratch::file("dh.pem", OWN).display().to_string();
    let settings = their_server(&pki().rsa_2048).suite(suite);
    let server_of = Peer::Openssl
        .server(&settings.extra(&["-dhparam", &file]))
        .await;
    let config = client().cipher_suites([ours::suite(suite)]);
    let mut stream = ours::connect(server_of.address, config)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(stream.information().group(), None);
    let answer = server_of.answer_to_message(&HELLO);
    ours::exchange(&mut stream, HELLO, &answer, "our client").await;

    let own = DhParameters::from_pem_file(&file).expect("a group");
    for peer in PEERS {
        let context = format!("{peer:?}");
        let config = server(&pki().rsa_2048).cipher_suites([ours::suite(suite)]);
        let mut server = ours::Server::echo(config.dh_parameters(&own)).await;
        let settings = their_client().suite(suite);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        let served = server.served().await;
        let group = served.information(&context).group();
        // GnuTLS lists groups of RFC 7919, and gets one of them.
        let expected = (peer == Peer::Gnutls).then_some(NamedGroup::FFDHE2048);
        assert_eq!(group, expected, "{context}");
    }
}

#[tokio::test]
async fn client_certificates() {
    let suite = Suite::DheRsaAes128CbcSha256;
    for peer in PEERS {
        let context = format!("our client to {peer:?}");
        let settings = their_server(&pki().rsa_2048).suite(suite);
        let server_of = peer.server(&settings.root(&pki().root)).await;
        let config = client().cipher_suites([ours::suite(suite)]);
        let config = config.identity(ours::identity(&pki().client_rsa));
        let mut stream = ours::connect(server_of.address, config)
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let answer = server_of.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, &context).await;

        let context = format!("{peer:?} to our server");
        let config = server(&pki().rsa_2048).cipher_suites([ours::suite(suite)]);
        let required = portcullis::ClientAuthentication::Required(ours::roots(&pki().root));
        let mut server = ours::Server::echo(config.client_authentication(required)).await;
        let settings = their_client().suite(suite).identity(&pki().client_rsa);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        let served = server.served().await;
        let shown = served.information(&context).peer_certificates();
        assert_eq!(shown, pki().client_rsa.chain, "{context}");
    }
}

#[tokio::test]
async fn our_client_resumes() {
    let suite = Suite::DheRsaAes128Gcm;
    for peer in PEERS {
        let server = peer
            .server(&their_server(&pki().rsa_2048).suite(suite))
            .await;
        let config = client().cipher_suites([ours::suite(suite)]);
        let connector = ours::connector(config).session_store(Arc::<MemorySessionStore>::default());
        for resumed in [false, true, true] {
            let context = format!("our client to {peer:?}, {resumed}");
            let connected = connector
                .connect(server.address, ours::name("localhost"))
                .await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(stream.information().is_resumed(), resumed, "{context}");
            let answer = server.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;
            let _ = ours::close(stream, &context).await;
        }
    }
}

#[tokio::test]
async fn openssl_resumes_with_our_server() {
    let suite = Suite::DheRsaAes128Gcm;
    let keys =
        portcullis::session::TicketKeys::rotating(Duration::from_secs(7_200)).expect("a period");
    let config = server(&pki().rsa_2048).cipher_suites([ours::suite(suite)]);
    let mut server = ours::Server::echo(config.ticket_keys(keys)).await;
    let file = scratch::file("session-dhe.pem", "").display().to_string();
    for (resumed, option) in [(false, "-sess_out"), (true, "-sess_in")] {
        let settings = their_client().suite(suite).extra(&[option, &file]);
        let mut client = openssl::client(server.address, &settings);
        client.send(HELLO.data().as_bytes()).await;
        client.wait_for_line(HELLO.line).await;
        client.finish().await;
        let served = server.served().await;
        assert_eq!(served.information(option).is_resumed(), resumed, "{option}");
    }
}

/// In TLS 1.1 and 1.0, where MD5 and SHA-1 sign the group, and the issuer's key has to be of the kind of the
/// suite (RFC 4346 §7.4.2), which Erlang goes by.
#[tokio::test]
async fn in_the_oldest_versions() {
    let suite = Suite::DheRsaAes256CbcSha;
    for version in [Version::Tls10, Version::Tls11] {
        for peer in PEERS {
            let context = format!("our client to {peer:?}, {version:?}");
            let settings = Settings::server(&pki().rsa_by_rsa).version(version);
            let server_of = peer.server(&settings.suite(suite)).await;
            let config = ClientConfig::builder(ours::roots(&pki().rsa_root));
            let config = config.versions([ours::code(version)]);
            let config = config.cipher_suites([ours::suite(suite)]);
            let mut stream = ours::connect(server_of.address, config)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let answer = server_of.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;

            let context = format!("{peer:?} to our server, {version:?}");
            let config = ours::server_of(version, &pki().rsa_by_rsa);
            let config = config.cipher_suites([ours::suite(suite)]);
            let mut server = ours::Server::echo(config).await;
            let settings = Settings::client().root(&pki().rsa_root).version(version);
            let settings = settings.suite(suite);
            let exchange = peer.transfer(server.address, &settings, HELLO).await;
            assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
            let served = server.served().await;
            assert_eq!(
                served.information(&context).cipher_suite(),
                ours::suite(suite)
            );
        }
    }
}

/// DHE_PSK and DH_anon, each as a suite of ours, OpenSSL's name of it, and GnuTLS's of the key exchange.
const WITHOUT: [(CipherSuite, &str, &str); 4] = [
    (
        CipherSuite::TLS_DHE_PSK_WITH_AES_128_GCM_SHA256,
        "DHE-PSK-AES128-GCM-SHA256",
        "DHE-PSK",
    ),
    (
        CipherSuite::TLS_DHE_PSK_WITH_AES_256_CBC_SHA,
        "DHE-PSK-AES256-CBC-SHA",
        "DHE-PSK",
    ),
    (
        CipherSuite::TLS_DH_anon_WITH_AES_128_GCM_SHA256,
        "ADH-AES128-GCM-SHA256",
        "ANON-DH",
    ),
    (
        CipherSuite::TLS_DH_anon_WITH_AES_256_CBC_SHA,
        "ADH-AES256-SHA",
        "ANON-DH",
    ),
];

/// The words for a peer that has this key exchange alone, and the key where there is one.
fn without(peer: Peer, is_server: bool, cipher: &str, exchange: &str) -> Vec<String> {
    let key = "07".repeat(32);
    let words = match peer {
        Peer::Openssl => {
            let cipher = format!("{cipher}:@SECLEVEL=0");
            vec!["-cipher".to_owned(), cipher, "-psk".to_owned(), key]
        }
        _ => vec![
            format!(
                "--pskpasswd={}",
                scratch::file("psk", format!("meter-17:{key}\n")).display()
            ),
            format!("--priority=NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+{exchange}"),
        ],
    };
    let more = match (peer, is_server) {
        // Without a certificate it would take a group of 1,024 bits, which we refuse.
        (Peer::Openssl, true) => {
            let file = scratch::file("dh.pem", OWN).display().to_string();
            vec!["-dhparam".to_owned(), file]
        }
        (Peer::Openssl, false) => vec!["-psk_identity".to_owned(), "meter-17".to_owned()],
        _ => Vec::new(),
    };
    [words, more].concat()
}

#[tokio::test]
async fn without_certificates() {
    let psk = PreSharedKey::new("meter-17", [7; 32]).expect("a key");
    for peer in [Peer::Openssl, Peer::Gnutls] {
        for (suite, cipher, exchange) in WITHOUT {
            let has_key = exchange == "DHE-PSK";
            let context = format!("our client to {peer:?}, {suite}");
            let settings = Settings {
                extra: without(peer, true, cipher, exchange),
                ..their_server(&pki().rsa_2048)
            };
            let server_of = peer.server(&settings).await;
            let config = ClientConfig::dangerous_builder_without_verification();
            let config = config.cipher_suites([suite]);
            let config = match has_key {
                true => config.psk(psk.clone()),
                false => config,
            };
            let mut stream = ours::connect(server_of.address, config)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(stream.information().cipher_suite(), suite, "{context}");
            let answer = server_of.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;

            // gnutls-cli says nothing that a script could wait for where there is no certificate.
            if peer == Peer::Gnutls {
                continue;
            }
            let context = format!("{peer:?} to our server, {suite}");
            let config = ServerConfig::builder().cipher_suites([suite]);
            let config = match has_key {
                true => config.psk(psk.clone()),
                false => config,
            };
            let mut server = ours::Server::echo(config).await;
            let settings = Settings {
                extra: without(peer, false, cipher, exchange),
                ..their_client()
            };
            let exchange = peer.transfer(server.address, &settings, HELLO).await;
            assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(information.cipher_suite(), suite, "{context}");
            let identity = has_key.then_some(&b"meter-17"[..]);
            assert_eq!(information.psk_identity(), identity, "{context}");
        }
    }
}
