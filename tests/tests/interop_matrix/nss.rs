//! NSS, the library of Firefox, in both roles and in both versions: with a client's certificate and
//! without, and with sessions.

use std::sync::Arc;
use std::time::Duration;

use portcullis::config::Renegotiation;
use portcullis::suite::{Authentication, CipherSuite};
use portcullis::{ClientAuthentication, MemorySessionStore, ProtocolVersion};
use portcullis_tests::peers::{Settings, Version, nss};
use portcullis_tests::pki::{self, pki};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::ours;

const VERSIONS: [(Version, ProtocolVersion); 2] = [
    (Version::Tls13, ProtocolVersion::TLS_1_3),
    (Version::Tls12, ProtocolVersion::TLS_1_2),
];

/// An RSA certificate must be for key encipherment, too, or `tstclnt` refuses it in every version; the
/// test PKI's is for signatures only.
#[tokio::test]
async fn nss_and_our_server() {
    for identity in [&pki().ecdsa_p256, &pki().ecdsa_p384] {
        for (theirs, version) in VERSIONS {
            for certificate in [false, true] {
                let context = format!(
                    "NSS to our server with {}, {version}, a certificate: {certificate}",
                    identity.name
                );
                let mut config =
                    ours::server(identity).versions(VERSIONS.map(|(_, version)| version));
                let mut settings = Settings::client().version(theirs);
                if certificate {
                    let roots = ours::roots(&pki().root);
                    config = config.client_authentication(ClientAuthentication::Required(roots));
                    settings = settings.identity(&pki().client);
                }
                let mut server = ours::Server::echo(config).await;
                let line = "a line for NSS to get back";
                let exchange = nss::exchange(server.address, &settings, line).await;
                assert_eq!(exchange.reply.as_deref(), Ok(line), "{context}");
                assert_eq!(exchange.report.version, Some(theirs), "{context}");
                // It was killed, so that how it ended says nothing.
                let served = server.served().await;
                let information = served.information(&context);
                assert_eq!(information.version(), version, "{context}");
                assert_eq!(information.server_name(), Some("localhost"), "{context}");
                assert_eq!(
                    !information.peer_certificates().is_empty(),
                    certificate,
                    "{context}"
                );
            }
        }
    }
}

/// ECDH with the key of the server's certificate (RFC 4492 §2.1, §2.3): what NSS has of it. Its `selfserv` has a
/// certificate for no such suite, with `tstclnt` as well.
fn agreeing() -> impl Iterator<Item = (Version, CipherSuite)> {
    let suites = [
        CipherSuite::TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA,
        CipherSuite::TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA,
        CipherSuite::TLS_ECDH_RSA_WITH_AES_128_CBC_SHA,
        CipherSuite::TLS_ECDH_RSA_WITH_AES_256_CBC_SHA,
    ];
    let versions = [Version::Tls12, Version::Tls11, Version::Tls10];
    versions
        .into_iter()
        .flat_map(move |version| suites.map(|suite| (version, suite)))
}

fn keys(suite: CipherSuite) -> (&'static pki::Identity, &'static pki::Root) {
    match suite.info().expect("a suite of the table").authentication {
        Authentication::Rsa => (&pki().agreeing_by_rsa, &pki().rsa_root),
        _ => (&pki().agreeing, &pki().root),
    }
}

#[tokio::test]
async fn nss_agrees_with_our_certificate() {
    for (version, suite) in agreeing() {
        let context = format!("NSS to our server, {version:?}, {suite}");
        let (identity, root) = keys(suite);
        let config = ours::server_of(version, identity).cipher_suites([suite]);
        let mut server = ours::Server::echo(config).await;
        let words = ["-c".to_owned(), format!(":{:04X}", suite.0)];
        let settings = Settings::client().version(version).root(root);
        let settings = settings.extra(&words.each_ref().map(String::as_str));
        let line = "a line for NSS to get back";
        let exchange = nss::exchange(server.address, &settings, line).await;
        assert_eq!(exchange.reply.as_deref(), Ok(line), "{context}");
        let served = server.served().await;
        let information = served.information(&context);
        assert_eq!(information.cipher_suite(), suite, "{context}");
        assert_eq!(information.version(), ours::code(version), "{context}");
    }
}

#[tokio::test]
async fn our_client_and_nss() {
    for identity in [&pki().ecdsa_p256, &pki().ecdsa_p384, &pki().rsa_2048] {
        for (theirs, version) in VERSIONS {
            for certificate in [false, true] {
                let mut settings = Settings::server(identity).version(theirs);
                let mut config = ours::client().versions(VERSIONS.map(|(_, version)| version));
                if certificate {
                    settings = settings.root(&pki().root);
                    config = config.identity(ours::identity(&pki().client));
                }
                let (mut program, address) = nss::server(&settings).await;
                let store = Arc::<MemorySessionStore>::default();
                let connector = ours::connector(config).session_store(store);
                for number in 0..2 {
                    let context = format!(
                        "our client to NSS with {}, {version}, a certificate: {certificate}, number {number}",
                        identity.name
                    );
                    let connected = connector.connect(address, ours::name("localhost")).await;
                    let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
                    let mut page = Vec::new();
                    let read = ours::soon(async {
                        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
                        stream.read_to_end(&mut page).await
                    })
                    .await;
                    assert!(read.is_ok(), "{context}: {read:?}");
                    assert!(page.starts_with(b"HTTP/1.0 200 OK\r\n"), "{context}");
                    let information = stream.shared_information();
                    assert_eq!(information.version(), version, "{context}");
                    assert_eq!(information.is_resumed(), number > 0, "{context}");
                    let report = nss::report_of(&mut program, number).await;
                    assert_eq!(report.version, Some(theirs), "{context}");
                }
            }
        }
    }
}

const REQUEST: &str = "GET / HTTP/1.0\r\n\r\n";

#[tokio::test]
async fn nss_resumes_with_our_server() {
    for (theirs, version) in VERSIONS {
        let mut server = crate::curl::page(ours::server(&pki().ecdsa_p256)).await;
        let settings = Settings::client().version(theirs);
        let output = nss::fetch(server.address, &settings, REQUEST, 2).await;
        assert_eq!(output.stdout.matches("suite: ").count(), 2, "{output}");
        for number in 0..2 {
            let context = format!("NSS to our server, {version}, number {number}");
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(information.version(), version, "{context}");
            assert_eq!(information.is_resumed(), number > 0, "{context}");
        }
    }
}

/// The other direction is `openssl`'s and Erlang's alone: the certificate that `selfserv` shows with `-n` signs.
#[tokio::test]
async fn nss_encrypts_for_our_certificate() {
    for (version, suite) in [
        (Version::Tls12, CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256),
        (Version::Tls12, CipherSuite::TLS_RSA_WITH_AES_256_CBC_SHA256),
        (Version::Tls11, CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA),
        (Version::Tls10, CipherSuite::TLS_RSA_WITH_AES_256_CBC_SHA),
    ] {
        let context = format!("NSS to our server, {version:?}, {suite}");
        let config = ours::server_of(version, &pki().rsa_by_rsa).cipher_suites([suite]);
        let mut server = ours::Server::echo(config).await;
        let words = format!(":{:04X}", suite.0);
        let settings = Settings::client().version(version).root(&pki().rsa_root);
        let line = "a line for NSS to get back";
        let settings = settings.extra(&["-c", &words]);
        let exchange = nss::exchange(server.address, &settings, line).await;
        assert_eq!(exchange.reply.as_deref(), Ok(line), "{context}");
        let served = server.served().await;
        let information = served.information(&context);
        assert_eq!(information.cipher_suite(), suite, "{context}");
        assert_eq!(information.key_exchange(), Some("RSA"), "{context}");
    }
}

/// To our server and back, and from NSS's server, which answers a request with blocks of 16 KiB.
#[tokio::test]
async fn a_megabyte() {
    let lines = "a line of the large transfer\n".repeat(40_000);
    assert!(lines.len() > 1 << 20);
    for (theirs, version) in VERSIONS {
        let bytes = lines.len();
        let acceptor = ours::acceptor(ours::server(&pki().ecdsa_p256));
        let mut server = ours::Server::run(acceptor, move |mut stream| async move {
            let data = stream.recv(bytes).await?;
            stream.send(&[&data]).await?;
            stream.close(ours::LIMIT).await
        })
        .await;
        let settings = Settings::client().version(theirs);
        let output = nss::fetch(server.address, &settings, &lines, 1).await;
        assert!(output.stdout == lines, "NSS to our server, {version}");
        assert!(server.served().await.end.is_ok(), "{version}");

        let settings = Settings::server(&pki().ecdsa_p256).version(theirs);
        let (_program, address) = nss::server(&settings.extra(&["-g", "65"])).await;
        let context = format!("NSS's server to our client, {version}");
        let connected = ours::connect(address, ours::client()).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        let data = ours::soon(async {
            stream.send(&[REQUEST.as_bytes()]).await?;
            stream.recv(65 << 14).await
        })
        .await;
        assert!(data.is_ok_and(|data| data.len() == 65 << 14), "{context}");
    }
}

const ALWAYS: Renegotiation = Renegotiation::Accept {
    apart: Duration::ZERO,
};

/// Its client begins it before it sends anything, and its request comes behind its hello when it is quick, else behind its
/// Finished; its server begins it behind the request, with another wish for a certificate.
#[tokio::test]
async fn renegotiation() {
    for _ in 0..5 {
        let config = ours::server_of(Version::Tls12, &pki().ecdsa_p256).renegotiation(ALWAYS);
        let mut server = ours::Server::run(ours::acceptor(config), |mut stream| async move {
            let request = stream.recv(REQUEST.len()).await?;
            // It waits for the handshake, if that is not over.
            stream.send(&[&request]).await?;
            assert!(stream.information().is_renegotiated());
            stream.close(ours::LIMIT).await
        })
        .await;
        let settings = Settings::client().version(Version::Tls12);
        let settings = settings.extra(&["-r", "1"]);
        let output = nss::fetch(server.address, &settings, REQUEST, 1).await;
        assert!(output.stdout.contains("GET / HTTP/1.0"), "{output}");
        let served = server.served().await;
        assert!(served.end.is_ok(), "{served:?}");
    }

    let settings = Settings::server(&pki().ecdsa_p256).version(Version::Tls12);
    let (_program, address) = nss::server(&settings.extra(&["-r", "-r", "-r"])).await;
    let config = ours::client_of(Version::Tls12).renegotiation(ALWAYS);
    let connected = ours::connect(address, config).await;
    let mut stream = connected.unwrap_or_else(|error| panic!("{error}"));
    let mut page = Vec::new();
    let read = ours::soon(async {
        stream.write_all(REQUEST.as_bytes()).await?;
        stream.read_to_end(&mut page).await
    })
    .await;
    assert!(read.is_ok(), "{read:?}");
    assert!(page.starts_with(b"HTTP/1.0 200 OK\r\n"));
    assert!(stream.information().is_renegotiated());
}
