//! 3DES and RC4 (feature `legacy-ciphers`) where the certificate's key agrees or decrypts, where it is one of DSA, and
//! beside a password: what `interop_matrix/legacy_ciphers.rs` leaves, in both roles. Erlang is the one that has them.
//!
//! What Erlang/OTP 25 (ssl 10.8.7) lacks of it, and who has it instead:
//!
//! | suite | why not |
//! |---|---|
//! | SRP_SHA with 3DES | it has a name for the suite and takes it from no list (`ssl_cipher:all_suites/1`); GnuTLS has it, in `srp.rs` |
//! | SRP_SHA_RSA and SRP_SHA_DSS with 3DES in TLS 1.2 | they are in its lists of TLS 1.1 and 1.0 alone; GnuTLS has the former, in `srp.rs` |
//! | RSA_PSK with 3DES in TLS 1.2 and 1.1, with RC4 in 1.1 | not in its lists of these versions; GnuTLS and OpenSSL have no RSA_PSK with either |
//! | DHE_DSS in TLS 1.1 and 1.0, as a server | it refuses its own client, too: `insufficient_security` |
//! | DES beside any of these | there are no such suites here but of RSA, DHE_RSA and DH_anon |

use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::suite::{Authentication, CipherSuite, KeyExchange, SuiteInfo};
use portcullis::{
    ClientConfig, ConnectionInformation, Roots, ServerConfig, SignatureScheme, SrpGroup, SrpUsers,
    SrpVerifier,
};
use portcullis_tests::peers::{Message, Peer, Settings, Version};
use portcullis_tests::pki::{self, pki};

use super::without_certificates::{IDENTITY, psk, with};
use crate::{ours, signatures};

const HELLO: Message<'static> = Message {
    line: "nobody else speaks like this any more",
    count: 1,
};
const USER: &str = "alice";
const PASSWORD: &str = "password123";

type Cases = &'static [(CipherSuite, &'static [Version])];

/// Each in the newest version and the oldest that Erlang has it in.
const CASES: Cases = {
    use CipherSuite as S;
    use Version::{Tls10, Tls11, Tls12};
    &[
        (S::TLS_ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA, &[Tls12, Tls10]),
        (S::TLS_ECDH_ECDSA_WITH_RC4_128_SHA, &[Tls12, Tls10]),
        (S::TLS_ECDH_RSA_WITH_3DES_EDE_CBC_SHA, &[Tls12, Tls10]),
        (S::TLS_ECDH_RSA_WITH_RC4_128_SHA, &[Tls12, Tls10]),
        (S::TLS_RSA_PSK_WITH_3DES_EDE_CBC_SHA, &[Tls10]),
        (S::TLS_RSA_PSK_WITH_RC4_128_SHA, &[Tls12, Tls10]),
        (S::TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA, &[Tls12]),
        (S::TLS_SRP_SHA_RSA_WITH_3DES_EDE_CBC_SHA, &[Tls11]),
        (S::TLS_SRP_SHA_DSS_WITH_3DES_EDE_CBC_SHA, &[Tls11, Tls10]),
        // No 3DES, and a key of DSA all the same.
        (S::TLS_SRP_SHA_DSS_WITH_AES_128_CBC_SHA, &[Tls12]),
        (S::TLS_SRP_SHA_DSS_WITH_AES_256_CBC_SHA, &[Tls12]),
    ]
};

/// As a client alone.
const OF_A_CLIENT: Cases = &[(
    CipherSuite::TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA,
    &[Version::Tls11, Version::Tls10],
)];

pub(super) fn info(suite: CipherSuite) -> &'static SuiteInfo {
    suite.info().expect("a suite of the table")
}

fn is_dss(suite: CipherSuite) -> bool {
    info(suite).authentication == Authentication::Dss
}

fn has_user(suite: CipherSuite) -> bool {
    info(suite).key_exchange == KeyExchange::Srp
}

fn has_key(suite: CipherSuite) -> bool {
    let info = info(suite);
    info.key_exchange == KeyExchange::RsaPsk || info.authentication == Authentication::Psk
}

fn shows_certificate(suite: CipherSuite) -> bool {
    use Authentication::{Dss, Ecdsa, Rsa};
    matches!(info(suite).authentication, Rsa | Dss | Ecdsa)
}

/// The server's certificate, and who is trusted for it. Not every suite has them.
pub(super) fn identity(suite: CipherSuite) -> (&'static pki::Identity, &'static pki::Root) {
    match (info(suite).key_exchange, info(suite).authentication) {
        (_, Authentication::Dss) => (signatures::identity("dsa", false), signatures::root("R")),
        (KeyExchange::Ecdh, Authentication::Ecdsa) => (&pki().agreeing, &pki().root),
        (KeyExchange::Ecdh, _) => (&pki().agreeing_by_rsa, &pki().rsa_root),
        (_, Authentication::Ecdsa) => (&pki().ecdsa_p256, &pki().root),
        _ => (&pki().rsa_by_rsa, &pki().rsa_root),
    }
}

/// DSA signs for who has named it.
const SCHEMES: [SignatureScheme; 3] = [
    SignatureScheme::DSA_SHA256,
    SignatureScheme::DSA_SHA1,
    SignatureScheme::RSA_PKCS1_SHA256,
];
const OF_CERTIFICATES: [SignatureScheme; 1] = [SignatureScheme::RSA_PKCS1_SHA256];

pub(super) fn client(version: Version, suite: CipherSuite) -> ClientConfigBuilder {
    let config = match (shows_certificate(suite), info(suite).authentication) {
        (true, _) => ClientConfig::builder(ours::roots(identity(suite).1)),
        (_, Authentication::Anonymous) => ClientConfig::dangerous_builder_without_verification(),
        _ => ClientConfig::builder(Roots::empty()),
    };
    let mut config = config
        .versions([ours::code(version)])
        .cipher_suites([suite]);
    if is_dss(suite) {
        config = config
            .signature_schemes(SCHEMES)
            .certificate_signature_schemes(OF_CERTIFICATES);
    }
    if has_key(suite) {
        config = config.psk(psk());
    }
    if has_user(suite) {
        config = config.srp(USER, PASSWORD);
    }
    config
}

pub(super) fn server(version: Version, suite: CipherSuite) -> ServerConfigBuilder {
    let mut config = ServerConfig::builder()
        .versions([ours::code(version)])
        .cipher_suites([suite]);
    if shows_certificate(suite) {
        config = config.identity(ours::identity(identity(suite).0));
    }
    if is_dss(suite) {
        config = config
            .signature_schemes(SCHEMES)
            .certificate_signature_schemes(OF_CERTIFICATES);
    }
    if has_key(suite) {
        config = config.psk(psk());
    }
    if has_user(suite) {
        let alice = SrpVerifier::from_password(USER, PASSWORD, SrpGroup::Bits2048);
        let users = SrpUsers::new([alice.expect("a verifier")]);
        config = config.srp_users(users.expect("users"));
    }
    config
}

pub(super) fn their_settings(
    settings: Settings,
    version: Version,
    suite: CipherSuite,
    login: &str,
) -> Settings {
    let settings = with(
        settings.version(version),
        Peer::Erlang,
        suite,
        login == "srp_user",
    );
    let login = format!("{{{login}, {{{USER:?}, {PASSWORD:?}}}}}");
    let settings = match has_user(suite) {
        true => settings.extra(&[&login]),
        false => settings,
    };
    match is_dss(suite) && version == Version::Tls12 {
        true => settings.extra(&["{signature_algs, [{sha256, dsa}, {sha256, rsa}]}"]),
        false => settings,
    }
}

pub(super) fn check(
    information: &ConnectionInformation,
    version: Version,
    suite: CipherSuite,
    context: &str,
) {
    assert_eq!(information.version(), ours::code(version), "{context}");
    assert_eq!(information.cipher_suite(), suite, "{context}");
    let user = has_user(suite).then_some(USER.as_bytes());
    assert_eq!(information.srp_user(), user, "{context}");
    let key = has_key(suite).then_some(IDENTITY.as_bytes());
    assert_eq!(information.psk_identity(), key, "{context}");
}

fn each(cases: Cases) -> impl Iterator<Item = (Version, CipherSuite)> {
    let cases = cases.iter();
    cases.flat_map(|(suite, versions)| versions.iter().map(move |version| (*version, *suite)))
}

#[tokio::test]
async fn our_client_to_erlang() {
    for (version, suite) in each(CASES) {
        let context = format!("our client to Erlang, {version:?}, {suite}");
        let settings = Settings::server(identity(suite).0);
        let settings = their_settings(settings, version, suite, "srp_user");
        let theirs = Peer::Erlang.server(&settings).await;
        let connected = ours::connect(theirs.address, client(version, suite)).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        check(stream.information(), version, suite, &context);
        let answer = theirs.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, &context).await;
    }
}

#[tokio::test]
async fn erlang_to_our_server() {
    for (version, suite) in each(CASES).chain(each(OF_A_CLIENT)) {
        let context = format!("Erlang to our server, {version:?}, {suite}");
        let mut server = ours::Server::echo(server(version, suite)).await;
        let settings = Settings::client().root(identity(suite).1);
        let settings = their_settings(settings, version, suite, "srp_identity");
        let exchange = Peer::Erlang
            .transfer(server.address, &settings, HELLO)
            .await;
        let served = server.served().await;
        check(served.information(&context), version, suite, &context);
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
    }
}
