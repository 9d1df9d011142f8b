//! Signatures that both sides have to name: keys in RSA-PSS form, a curve with another hash than its own, SHA-224
//! and SHA-1, short RSA keys, DSA; servers and clients prove who they are with them, in either direction.

use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::suite::CipherSuite;
use portcullis::{ClientAuthentication, ClientConfig, ServerConfig, SignatureScheme as S};
use portcullis_tests::peers::{Message, Peer, Settings, Version};
use portcullis_tests::pki::{Identity, Root, pki};
use portcullis_tests::scratch;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::ours;

const HELLO: Message<'static> = Message {
    line: "hello by name",
    count: 1,
};

/// Certificates of OpenSSL; what they are is said beside the file.
const OPENSSL: &str =
    include_str!("../../../crates/portcullis-core/src/handshake/tests/signatures/openssl.txt");

fn pem(title: &str) -> &'static str {
    let (_, rest) = OPENSSL
        .split_once(&format!("[{title}]\n"))
        .expect("a section");
    rest.split("\n[").next().expect("its end")
}

/// They live as long as the test. What is called `ecdsa` is of the tests' own PKI.
pub(crate) fn identity(name: &'static str, of_client: bool) -> &'static Identity {
    match (name, of_client) {
        ("ecdsa", false) => return &pki().ecdsa_p256,
        ("ecdsa", true) => return &pki().client,
        _ => {}
    }
    let (certificate, key) = pem(name)
        .split_once("-----BEGIN PRIVATE KEY-----")
        .expect("a key");
    let key = format!("-----BEGIN PRIVATE KEY-----{key}\n");
    let file = scratch::file("leaf.pem", certificate);
    Box::leak(Box::new(Identity {
        name,
        chain: vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("one")],
        chain_file: file.clone(),
        certificate_file: file,
        issuers_file: None,
        key_file: scratch::file("key.pem", &key),
        key: PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("one"),
    }))
}

pub(crate) fn root(name: &str) -> &'static Root {
    if name == "ecdsa" {
        return &pki().root;
    }
    let pem = pem(&format!("root {name}"));
    Box::leak(Box::new(Root {
        certificate: CertificateDer::from_pem_slice(pem.as_bytes()).expect("one"),
        file: scratch::file("root.pem", pem),
    }))
}

const OF_CERTIFICATES: [S; 2] = [S::RSA_PKCS1_SHA256, S::ECDSA_SECP256R1_SHA256];

/// What is tried: a key, and a signature by it.
#[derive(Clone, Copy)]
struct Case {
    version: Version,
    shown: &'static str,
    root: &'static str,
    scheme: S,
    suite: Option<CipherSuite>,
    /// The peers' words: for OpenSSL, behind GnuTLS's priority, and of Erlang.
    openssl: &'static [&'static str],
    gnutls: &'static str,
    erlang: &'static [&'static str],
}

impl Case {
    fn settings(self, peer: Peer, settings: Settings) -> Settings {
        let version = match self.version {
            Version::Tls10 => "1.0",
            Version::Tls11 => "1.1",
            Version::Tls12 => "1.2",
            Version::Tls13 => "1.3",
        };
        let priority = format!(
            "--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}{}",
            self.gnutls
        );
        let words: &[&str] = match peer {
            Peer::Openssl => self.openssl,
            Peer::Gnutls => &[&priority],
            _ => self.erlang,
        };
        settings.version(self.version).extra(words)
    }

    /// GnuTLS and Erlang hold the certificates against the list for the handshake.
    fn accepted(self) -> Vec<S> {
        let of_certificates = match self.scheme.0.to_be_bytes() {
            [_, 3] => S::ECDSA_SECP256R1_SHA256,
            _ => S::RSA_PKCS1_SHA256,
        };
        let is_more = self.version == Version::Tls12 && of_certificates != self.scheme;
        let of_certificates = is_more.then_some(of_certificates);
        [self.scheme].into_iter().chain(of_certificates).collect()
    }

    fn client(self) -> ClientConfigBuilder {
        let config = ClientConfig::builder(ours::roots(root(self.root)))
            .versions([ours::code(self.version)])
            .identity(ours::identity(identity(self.shown, true)))
            .signature_schemes(self.accepted())
            .certificate_signature_schemes(OF_CERTIFICATES)
            .key_minimum(1_024);
        match self.suite {
            Some(suite) => config.cipher_suites([suite]),
            None => config,
        }
    }

    fn server(self) -> ServerConfigBuilder {
        let required = ClientAuthentication::Required(ours::roots(root(self.root)));
        let config = ServerConfig::builder()
            .versions([ours::code(self.version)])
            .identity(ours::identity(identity(self.shown, false)))
            .client_authentication(required)
            .signature_schemes(self.accepted())
            .certificate_signature_schemes(OF_CERTIFICATES)
            .key_minimum(1_024);
        match self.suite {
            Some(suite) => config.cipher_suites([suite]),
            None => config,
        }
    }

    async fn our_client(self, peer: Peer) {
        let context = format!("our client to {peer:?}, {} of {}", self.scheme, self.shown);
        let settings = Settings::server(identity(self.shown, false)).root(root(self.root));
        let server = peer.server(&self.settings(peer, settings)).await;
        let mut stream = ours::connect(server.address, self.client())
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let information = stream.shared_information();
        assert_eq!(
            information.peer_signature_scheme(),
            Some(self.scheme),
            "{context}"
        );
        let own = information.local_signature_scheme();
        assert!(own.is_some(), "{context}");
        let answer = server.answer_to_message(&HELLO);
        ours::exchange(&mut stream, HELLO, &answer, &context).await;
    }

    async fn our_server(self, peer: Peer) {
        let context = format!("{peer:?} to our server, {} of {}", self.scheme, self.shown);
        let mut server = ours::Server::echo(self.server()).await;
        let settings = Settings::client()
            .root(root(self.root))
            .identity(identity(self.shown, true));
        let settings = self.settings(peer, settings);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        let served = server.served().await;
        let reply = exchange.reply.as_deref();
        assert_eq!(reply, Ok(HELLO.line), "{context}: {served:?}");
        let information = served.information(&context);
        assert_eq!(
            information.peer_signature_scheme(),
            Some(self.scheme),
            "{context}"
        );
        assert!(information.local_signature_scheme().is_some(), "{context}");
    }

    async fn both(self, peer: Peer) {
        self.our_client(peer).await;
        self.our_server(peer).await;
    }
}

/// A key in RSA-PSS form, for any hash, and one for SHA-384 alone; Erlang's processes fail over the former when they
/// read it.
async fn pss_form(peer: Peer) {
    for version in ours::VERSIONS {
        for (shown, scheme) in [
            ("pss", S::RSA_PSS_PSS_SHA256),
            ("pss384", S::RSA_PSS_PSS_SHA384),
        ] {
            if peer == Peer::Erlang && shown == "pss" {
                continue;
            }
            let case = Case {
                version,
                shown,
                root: "R",
                scheme,
                suite: None,
                openssl: &[],
                gnutls: "",
                erlang: &[],
            };
            case.both(peer).await;
        }
    }
}

/// A key on P-256 with the hashes of the other curves (RFC 8422 §5.4).
async fn another_hash(peer: Peer) {
    for (scheme, openssl, gnutls, erlang) in [
        (
            S::ECDSA_SECP384R1_SHA384,
            &["-sigalgs", "ECDSA+SHA384"],
            ":-SIGN-ALL:+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SHA256",
            &["{signature_algs, [{sha384, ecdsa}, {sha256, ecdsa}]}"],
        ),
        (
            S::ECDSA_SECP521R1_SHA512,
            &["-sigalgs", "ECDSA+SHA512"],
            ":-SIGN-ALL:+SIGN-ECDSA-SHA512:+SIGN-ECDSA-SHA256",
            &["{signature_algs, [{sha512, ecdsa}, {sha256, ecdsa}]}"],
        ),
    ] {
        let case = Case {
            version: Version::Tls12,
            shown: "ecdsa",
            root: "ecdsa",
            scheme,
            suite: None,
            openssl,
            gnutls,
            erlang,
        };
        case.both(peer).await;
    }
}

/// SHA-1 and SHA-224 of keys of both kinds; GnuTLS has no scheme with the latter.
async fn weak_hashes(peer: Peer) {
    for (shown, root, scheme, openssl, gnutls, erlang) in [
        (
            "ecdsa",
            "ecdsa",
            S::ECDSA_SHA1,
            &["-sigalgs", "ECDSA+SHA1", "-cipher", "DEFAULT:@SECLEVEL=0"],
            ":-SIGN-ALL:+SIGN-ECDSA-SHA1:+SIGN-ECDSA-SHA256:%VERIFY_ALLOW_SIGN_WITH_SHA1",
            &["{signature_algs, [{sha, ecdsa}, {sha256, ecdsa}]}"],
        ),
        (
            "ecdsa",
            "ecdsa",
            S::ECDSA_SHA224,
            &["-sigalgs", "ECDSA+SHA224", "-cipher", "DEFAULT:@SECLEVEL=0"],
            ":-SIGN-ALL:+SIGN-ECDSA-SHA224:+SIGN-ECDSA-SHA256",
            &["{signature_algs, [{sha224, ecdsa}, {sha256, ecdsa}]}"],
        ),
        (
            "rsa",
            "R",
            S::RSA_PKCS1_SHA1,
            &["-sigalgs", "RSA+SHA1", "-cipher", "DEFAULT:@SECLEVEL=0"],
            ":-SIGN-ALL:+SIGN-RSA-SHA1:+SIGN-RSA-SHA256:%VERIFY_ALLOW_SIGN_WITH_SHA1",
            &["{signature_algs, [{sha, rsa}, {sha256, rsa}]}"],
        ),
        (
            "rsa",
            "R",
            S::RSA_PKCS1_SHA224,
            &["-sigalgs", "RSA+SHA224", "-cipher", "DEFAULT:@SECLEVEL=0"],
            ":-SIGN-ALL:+SIGN-RSA-SHA224:+SIGN-RSA-SHA256",
            &["{signature_algs, [{sha224, rsa}, {sha256, rsa}]}"],
        ),
    ] {
        let is_sha224 = matches!(scheme, S::ECDSA_SHA224 | S::RSA_PKCS1_SHA224);
        if peer == Peer::Gnutls && is_sha224 {
            continue;
        }
        let case = Case {
            version: Version::Tls12,
            shown,
            root,
            scheme,
            suite: None,
            openssl,
            gnutls,
            erlang,
        };
        case.both(peer).await;
    }
}

/// RSA keys of 1,024 bits.
async fn short_keys(peer: Peer) {
    for (version, scheme) in [
        (Version::Tls12, S::RSA_PKCS1_SHA256),
        (Version::Tls13, S::RSA_PSS_RSAE_SHA256),
    ] {
        let case = Case {
            version,
            shown: "rsa1024",
            root: "R",
            scheme,
            suite: None,
            openssl: &["-cipher", "DEFAULT:@SECLEVEL=0"],
            gnutls: ":%PROFILE_VERY_WEAK",
            erlang: &[],
        };
        case.both(peer).await;
    }
}

/// Every suite of DHE_DSS, with what the peers call it. GnuTLS knows DSA with SHA-1 alone.
async fn dsa(peer: Peer) {
    for (suite, openssl, gnutls, erlang) in [
        (
            CipherSuite::TLS_DHE_DSS_WITH_AES_256_GCM_SHA384,
            &[
                "-cipher",
                "DHE-DSS-AES256-GCM-SHA384:@SECLEVEL=0",
                "-sigalgs",
                "DSA+SHA256",
            ],
            ":-KX-ALL:+DHE-DSS:-CIPHER-ALL:+AES-256-GCM:+SIGN-DSA-SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1",
            &["{ciphers, [\"TLS_DHE_DSS_WITH_AES_256_GCM_SHA384\"]}", DSA],
        ),
        (
            CipherSuite::TLS_DHE_DSS_WITH_AES_128_GCM_SHA256,
            &[
                "-cipher",
                "DHE-DSS-AES128-GCM-SHA256:@SECLEVEL=0",
                "-sigalgs",
                "DSA+SHA256",
            ],
            ":-KX-ALL:+DHE-DSS:-CIPHER-ALL:+AES-128-GCM:+SIGN-DSA-SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1",
            &["{ciphers, [\"TLS_DHE_DSS_WITH_AES_128_GCM_SHA256\"]}", DSA],
        ),
        (
            CipherSuite::TLS_DHE_DSS_WITH_AES_256_CBC_SHA256,
            &[
                "-cipher",
                "DHE-DSS-AES256-SHA256:@SECLEVEL=0",
                "-sigalgs",
                "DSA+SHA256",
            ],
            ":-KX-ALL:+DHE-DSS:-CIPHER-ALL:+AES-256-CBC:-MAC-ALL:+SHA256:+SIGN-DSA-SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1",
            &["{ciphers, [\"TLS_DHE_DSS_WITH_AES_256_CBC_SHA256\"]}", DSA],
        ),
        (
            CipherSuite::TLS_DHE_DSS_WITH_AES_128_CBC_SHA256,
            &[
                "-cipher",
                "DHE-DSS-AES128-SHA256:@SECLEVEL=0",
                "-sigalgs",
                "DSA+SHA256",
            ],
            ":-KX-ALL:+DHE-DSS:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA256:+SIGN-DSA-SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1",
            &["{ciphers, [\"TLS_DHE_DSS_WITH_AES_128_CBC_SHA256\"]}", DSA],
        ),
        (
            CipherSuite::TLS_DHE_DSS_WITH_AES_256_CBC_SHA,
            &[
                "-cipher",
                "DHE-DSS-AES256-SHA:@SECLEVEL=0",
                "-sigalgs",
                "DSA+SHA256",
            ],
            ":-KX-ALL:+DHE-DSS:-CIPHER-ALL:+AES-256-CBC:-MAC-ALL:+SHA1:+SIGN-DSA-SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1",
            &["{ciphers, [\"TLS_DHE_DSS_WITH_AES_256_CBC_SHA\"]}", DSA],
        ),
        (
            CipherSuite::TLS_DHE_DSS_WITH_AES_128_CBC_SHA,
            &[
                "-cipher",
                "DHE-DSS-AES128-SHA:@SECLEVEL=0",
                "-sigalgs",
                "DSA+SHA256",
            ],
            ":-KX-ALL:+DHE-DSS:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA1:+SIGN-DSA-SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1",
            &["{ciphers, [\"TLS_DHE_DSS_WITH_AES_128_CBC_SHA\"]}", DSA],
        ),
    ] {
        let case = Case {
            version: Version::Tls12,
            shown: "dsa",
            root: "R",
            scheme: match peer {
                Peer::Gnutls => S::DSA_SHA1,
                _ => S::DSA_SHA256,
            },
            suite: Some(suite),
            openssl,
            gnutls,
            erlang,
        };
        case.both(peer).await;
    }
}

const DSA: &str = "{signature_algs, [{sha256, dsa}, {sha256, rsa}]}";

of_each_peer! {
    openssl_and_keys_in_rsa_pss_form: pss_form(Openssl);
    gnutls_and_keys_in_rsa_pss_form: pss_form(Gnutls);
    erlang_and_keys_in_rsa_pss_form: pss_form(Erlang);
    openssl_and_another_hash: another_hash(Openssl);
    gnutls_and_another_hash: another_hash(Gnutls);
    erlang_and_another_hash: another_hash(Erlang);
    openssl_and_weak_hashes: weak_hashes(Openssl);
    gnutls_and_weak_hashes: weak_hashes(Gnutls);
    erlang_and_weak_hashes: weak_hashes(Erlang);
    openssl_and_short_keys: short_keys(Openssl);
    gnutls_and_short_keys: short_keys(Gnutls);
    erlang_and_short_keys: short_keys(Erlang);
    openssl_and_dsa: dsa(Openssl);
    gnutls_and_dsa: dsa(Gnutls);
    erlang_and_dsa: dsa(Erlang);
}
