//! Raw public keys (RFC 7250) against GnuTLS, both roles, TLS 1.3 and 1.2: the server's, the client's, and
//! ones that are not trusted. OpenSSL has them from 3.2 on; Erlang, Go and NSS do not.

use std::path::PathBuf;
use std::process::Command;

use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::{
    AlertDescription, CertificateType, ClientAuthentication, ClientConfig, Direction, Identity,
    PrivateKey, RawKeys, Roots, ServerConfig,
};
use portcullis_tests::peers::{Message, Peer, Settings, Version};
use portcullis_tests::pki::{self, pki};
use portcullis_tests::scratch;

use crate::ours::{self, VERSIONS, code};

const HELLO: Message<'static> = Message {
    line: "who needs a certificate",
    count: 1,
};
const PEER: Peer = Peer::Gnutls;

/// The key of a certificate, without it.
fn identity(of: &pki::Identity) -> Identity {
    let key = PrivateKey::from_der(&of.key).expect("a key");
    Identity::raw_public_key(key).expect("an identity")
}

fn keys(of: &pki::Identity) -> RawKeys {
    RawKeys::from_spki(identity(of).raw_key()).expect("a key")
}

/// The same in PEM, as OpenSSL has written it.
fn public_file(of: &pki::Identity) -> PathBuf {
    let made = Command::new("openssl")
        .args(["pkey", "-pubout", "-in"])
        .arg(&of.key_file)
        .output()
        .expect("openssl (Debian package openssl)");
    assert!(made.status.success(), "{made:?}");
    scratch::file("key.pub", made.stdout)
}

/// What GnuTLS shows, and what it takes.
fn with(settings: Settings, of: Option<&pki::Identity>, types: &str) -> Settings {
    let version = match settings.version {
        Version::Tls13 => "1.3",
        _ => "1.2",
    };
    let mut words = vec![format!(
        "--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}:-CTYPE-ALL:{types}"
    )];
    if let Some(of) = of {
        words.push(format!("--rawpkkeyfile={}", of.key_file.display()));
        words.push(format!("--rawpkfile={}", public_file(of).display()));
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    settings.extra(&words)
}

fn client(version: Version, trusted: &pki::Identity) -> ClientConfigBuilder {
    ClientConfig::builder(Roots::empty())
        .versions([code(version)])
        .server_certificate_types([CertificateType::RAW_PUBLIC_KEY])
        .raw_keys(keys(trusted))
}

fn server(version: Version, of: &pki::Identity) -> ServerConfigBuilder {
    ServerConfig::builder()
        .versions([code(version)])
        .identity(identity(of))
}

/// One key for ECDSA, and one for RSA.
fn shown() -> [&'static pki::Identity; 2] {
    [&pki().ecdsa_p256, &pki().rsa_2048]
}

#[tokio::test]
async fn our_client_to_gnutls() {
    for version in VERSIONS {
        for shown in shown() {
            let context = format!("our client to {PEER:?}, {version:?}, {}", shown.name);
            let settings = Settings::server(shown).version(version);
            let settings = with(settings, Some(shown), "+CTYPE-SRV-RAWPK:+CTYPE-CLI-X509");
            let server = PEER.server(&settings).await;
            let connected = ours::connect(server.address, client(version, shown)).await;
            let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
            let information = stream.information();
            assert_eq!(information.peer_raw_public_key(), identity(shown).raw_key());
            assert!(information.peer_certificates().is_empty(), "{context}");
            let answer = server.answer_to_message(&HELLO);
            ours::exchange(&mut stream, HELLO, &answer, &context).await;
            // Another key is refused.
            let other = client(version, &pki().ecdsa_p384);
            let refused = ours::connect(server.address, other).await;
            let alert = refused.map(|_| ()).expect_err(&context).alert();
            let expected = Some((Direction::Sent, AlertDescription::BAD_CERTIFICATE));
            assert_eq!(alert, expected, "{context}");
        }
    }
}

#[tokio::test]
async fn gnutls_to_our_server() {
    for version in VERSIONS {
        for shown in shown() {
            let context = format!("{PEER:?} to us, {version:?}, {}", shown.name);
            let mut server = ours::Server::echo(server(version, shown)).await;
            let settings = Settings::client().version(version);
            let settings = with(settings, None, "+CTYPE-SRV-RAWPK:+CTYPE-CLI-X509");
            let settings = settings.extra(&["--insecure"]);
            let exchange = PEER.transfer(server.address, &settings, HELLO).await;
            server.served().await.information(&context);
            assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        }
    }
}

/// The server by a certificate, the client by its key.
#[tokio::test]
async fn gnutls_shows_its_key_to_our_server() {
    let of_client = &pki().ecdsa_p256;
    for version in VERSIONS {
        for trusted in [of_client, &pki().ecdsa_p384] {
            let context = format!("{PEER:?} to us, {version:?}");
            let config = ours::server_of(version, &pki().rsa_2048)
                .client_authentication(ClientAuthentication::Required(Roots::empty()))
                .client_certificate_types([CertificateType::RAW_PUBLIC_KEY])
                .raw_keys(keys(trusted));
            let mut server = ours::Server::echo(config).await;
            let settings = Settings::client().version(version);
            let settings = with(
                settings,
                Some(of_client),
                "+CTYPE-SRV-X509:+CTYPE-CLI-RAWPK",
            );
            let exchange = PEER.transfer(server.address, &settings, HELLO).await;
            let served = server.served().await;
            if std::ptr::eq(trusted, of_client) {
                let shown = served.information(&context).peer_raw_public_key();
                assert_eq!(shown, identity(of_client).raw_key(), "{context}");
                assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
            } else {
                let alert = served.error(&context).alert();
                let expected = Some((Direction::Sent, AlertDescription::BAD_CERTIFICATE));
                assert_eq!(alert, expected, "{context}");
            }
        }
    }
}

#[tokio::test]
async fn our_client_shows_its_key_to_gnutls() {
    for version in VERSIONS {
        let context = format!("our client to {PEER:?}, {version:?}");
        let settings = Settings::server(&pki().ecdsa_p256).version(version);
        let settings = with(settings, None, "+CTYPE-SRV-X509:+CTYPE-CLI-RAWPK");
        let server = PEER
            .server(&settings.extra(&["--require-client-cert"]))
            .await;
        let config = ours::client_of(version).identity(identity(&pki().rsa_2048));
        let connected = ours::connect(server.address, config).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(
            stream.information().local_signature_scheme().is_some(),
            "{context}"
        );
        let answer = server.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, &context).await;
    }
}
