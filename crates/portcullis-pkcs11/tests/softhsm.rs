//! Keys in SoftHSM2, with OpenSSL as the peer. Each test runs in a process of its own, since the module reads its
//! configuration from the environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use cryptoki::context::Pkcs11;
use cryptoki::object::{Attribute, KeyType, ObjectClass};
use cryptoki::types::AuthPin;
use portcullis::pki_types::pem::PemObject as _;
use portcullis::suite::CipherSuite;
use portcullis::{
    CertificateDer, ProtocolVersion, ServerConfig, SignatureScheme, TlsAcceptor, TlsListener,
};
use portcullis_pkcs11::{Builder, Pkcs11Key, Pkcs11Signer};
use tokio::process::Command as Child;
use tokio::time::timeout;

const FOLDER: &str = "PORTCULLIS_SOFTHSM_TEST";
const PIN: &str = "4821";
const KINDS: [(&str, &[&str]); 5] = [
    ("p256", &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p384", &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("p521", &["EC", "-pkeyopt", "ec_paramgen_curve:P-521"]),
    ("rsa", &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ("ed25519", &["ED25519"]),
];

fn module() -> PathBuf {
    let folders = [
        "/usr/lib/softhsm",
        "/usr/lib64/softhsm",
        "/usr/local/lib/softhsm",
    ];
    let paths = folders.map(|folder| Path::new(folder).join("libsofthsm2.so"));
    let path = paths.into_iter().find(|path| path.exists());
    path.expect("SoftHSM2 is installed: apt-get install softhsm2")
}

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

/// Runs the test with a token that has a key of each of these kinds, whose label is its name.
fn with_token<F: Future<Output = ()>>(test: &str, kinds: &[&str], body: impl FnOnce(Hsm) -> F) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(body(Hsm(folder.into())));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("tokens")).unwrap();
    let conf = format!(
        "directories.tokendir = {}\nlog.level = ERROR\n",
        path("tokens").display()
    );
    fs::write(path("softhsm2.conf"), conf).unwrap();
    fs::write(path("pin"), format!("{PIN}\n")).unwrap();
    let util = |arguments: &[&str]| {
        let mut command = Command::new("softhsm2-util");
        done(
            command
                .env("SOFTHSM2_CONF", path("softhsm2.conf"))
                .args(arguments),
        );
    };
    util(&[
        "--init-token",
        "--free",
        "--label",
        "test",
        "--so-pin",
        "123456",
        "--pin",
        PIN,
    ]);
    for (number, kind) in kinds.iter().enumerate() {
        let (name, arguments) = KINDS.iter().find(|(name, _)| name == kind).unwrap();
        let (key, certificate) = (path(&format!("{name}.key")), path(&format!("{name}.pem")));
        let mut genpkey = Command::new("openssl");
        done(
            genpkey
                .args(["genpkey", "-algorithm"])
                .args(*arguments)
                .arg("-out")
                .arg(&key),
        );
        let mut req = Command::new("openssl");
        req.args([
            "req",
            "-x509",
            "-days",
            "30",
            "-subj",
            "/CN=localhost",
            "-key",
        ])
        .arg(&key);
        done(
            req.args(["-addext", "subjectAltName=DNS:localhost", "-out"])
                .arg(&certificate),
        );
        let (id, key) = (format!("{:02x}", number + 1), key.to_str().unwrap());
        util(&[
            "--import", key, "--token", "test", "--label", name, "--id", &id, "--pin", PIN,
        ]);
        // Nobody has the key but the token.
        fs::remove_file(key).unwrap();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture"]);
    child
        .env(FOLDER, folder.path())
        .env("SOFTHSM2_CONF", path("softhsm2.conf"));
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains("1 passed"), "{text}");
}

struct Hsm(PathBuf);

impl Hsm {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn uri(path: &str) -> Builder {
        let uri = format!("pkcs11:{path}?module-path={}", module().display());
        Pkcs11Key::builder(uri.parse().unwrap())
    }

    async fn key(kind: &str) -> Pkcs11Key {
        let key = Self::uri(&format!("token=test;object={kind}"))
            .pin(PIN)
            .open()
            .await;
        key.unwrap_or_else(|error| panic!("{kind}: {error}"))
    }

    fn chain(&self, kind: &str) -> Vec<CertificateDer<'static>> {
        let pem = self.path(&format!("{kind}.pem"));
        vec![CertificateDer::from_pem_file(pem).unwrap()]
    }

    /// A connection of `openssl s_client` to a server with the key; what it says.
    async fn s_client(
        &self,
        kind: &str,
        key: &Pkcs11Key,
        suites: &[CipherSuite],
        arguments: &[&str],
    ) -> String {
        let identity = key.identity(self.chain(kind)).await.unwrap();
        let builder = ServerConfig::builder().identity(identity.clone());
        let builder = match suites {
            [] => builder.versions([ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2]),
            suites => builder
                .versions([ProtocolVersion::TLS_1_2])
                .cipher_suites(suites.to_vec()),
        };
        let acceptor = TlsAcceptor::new(builder.build().unwrap());
        let acceptor = acceptor.answers(Pkcs11Signer::new(identity, key.clone()));
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = TlsListener::from_listener(socket, acceptor);
        let address = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(async move {
            let incoming = timeout(Duration::from_secs(30), listener.accept()).await;
            let incoming = incoming.map_err(|_| "nobody came".to_owned())?.unwrap();
            let mut stream = incoming
                .handshake()
                .await
                .map_err(|error| error.to_string())?;
            let sent = stream.send(&[b"from the token"]).await;
            sent.map_err(|error| error.to_string())?;
            let closed = stream.close(Duration::from_secs(5)).await;
            closed.map_err(|error| error.to_string())
        });
        let mut client = Child::new("openssl");
        client.args(["s_client", "-connect", &address, "-servername", "localhost"]);
        client.args(["-verify_return_error", "-ign_eof", "-CAfile"]);
        client
            .arg(self.path(&format!("{kind}.pem")))
            .args(arguments);
        let output = client.stdin(Stdio::piped()).output();
        let output = timeout(Duration::from_secs(30), output)
            .await
            .unwrap()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        let served = serving.await.unwrap();
        assert!(
            said.contains("from the token"),
            "{kind}: {served:?} {said}{errors}"
        );
        assert!(
            said.contains("Verify return code: 0 (ok)"),
            "{kind}: {said}"
        );
        said
    }
}

#[test]
fn keys_of_every_kind_sign_for_openssl() {
    let kinds = KINDS.map(|(name, _)| name);
    with_token("keys_of_every_kind_sign_for_openssl", &kinds, async |hsm| {
        for (kind, first) in [
            ("p256", SignatureScheme::ECDSA_SECP256R1_SHA256),
            ("p384", SignatureScheme::ECDSA_SECP384R1_SHA384),
            ("p521", SignatureScheme::ECDSA_SECP521R1_SHA512),
            ("rsa", SignatureScheme::RSA_PSS_RSAE_SHA256),
            ("ed25519", SignatureScheme::ED25519),
        ] {
            let key = Hsm::key(kind).await;
            assert_eq!(key.schemes()[0], first, "{kind}");
            hsm.s_client(kind, &key, &[], &["-tls1_3"]).await;
            hsm.s_client(kind, &key, &[], &["-tls1_2"]).await;
        }
        let key = Hsm::key("rsa").await;
        for (version, algorithm) in [
            ("-tls1_3", "rsa_pss_rsae_sha256"),
            ("-tls1_3", "rsa_pss_rsae_sha384"),
            ("-tls1_3", "rsa_pss_rsae_sha512"),
            ("-tls1_2", "RSA+SHA256"),
            ("-tls1_2", "RSA+SHA384"),
            ("-tls1_2", "RSA+SHA512"),
        ] {
            let said = hsm
                .s_client("rsa", &key, &[], &[version, "-sigalgs", algorithm])
                .await;
            let kind = if version == "-tls1_3" {
                "RSA-PSS"
            } else {
                "RSA"
            };
            assert!(
                said.contains(&format!("Peer signature type: {kind}")),
                "{algorithm}: {said}"
            );
            let hash = algorithm.to_uppercase();
            let hash = &hash[hash.find("SHA").unwrap()..];
            assert!(
                said.contains(&format!("Peer signing digest: {hash}")),
                "{algorithm}: {said}"
            );
        }
    });
}

#[cfg(feature = "ffi")]
#[test]
fn an_rsa_key_decrypts_for_openssl() {
    with_token("an_rsa_key_decrypts_for_openssl", &["rsa"], async |hsm| {
        let key = Hsm::key("rsa").await;
        assert!(key.decrypts());
        let suite = CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256;
        let suites = ["-tls1_2", "-cipher", "AES128-GCM-SHA256"];
        let said = hsm.s_client("rsa", &key, &[suite], &suites).await;
        assert!(said.contains("AES128-GCM-SHA256"), "{said}");
        // What is no ciphertext is told from a token that fails.
        for wrong in [vec![], vec![1; 255], vec![0xff; 256]] {
            assert!(matches!(key.decrypt(wrong).await, Ok(None)));
        }
        let block = key.decrypt(vec![1; 256]).await.unwrap();
        assert_eq!(block.unwrap().len(), 256);
    });
}

#[test]
fn what_is_meant_has_to_be_there_once() {
    with_token(
        "what_is_meant_has_to_be_there_once",
        &["p256", "p384"],
        async |hsm| {
            // Before anybody has logged in, which counts for all of the process.
            let error = Hsm::uri("token=test;id=%02").open().await;
            let error = error.unwrap_err().to_string();
            assert!(error.contains("there is no PIN"), "{error}");
            for (path, expected) in [
                ("token=other", "there is no token for token \"other\""),
                (
                    "token=test;object=none",
                    "no private key for token \"test\", object \"none\"",
                ),
                ("token=test", "has 2 private keys for token \"test\""),
            ] {
                let error = Hsm::uri(path)
                    .pin(PIN)
                    .open()
                    .await
                    .unwrap_err()
                    .to_string();
                assert!(error.contains(expected), "{path}: {error}");
            }
            Hsm::uri("token=test;id=%02").pin(PIN).open().await.unwrap();
            let error = Pkcs11Key::builder("pkcs11:".parse().unwrap()).open().await;
            assert!(error.unwrap_err().to_string().contains("module-path"));
            let error = Hsm::uri("")
                .module("/nowhere.so")
                .open()
                .await
                .unwrap_err()
                .to_string();
            assert!(error.contains("the PKCS#11 module /nowhere.so"), "{error}");

            let key = Hsm::key("p256").await;
            let other = key
                .identity(hsm.chain("p384"))
                .await
                .unwrap_err()
                .to_string();
            assert!(
                other.contains("does not belong to the certificate"),
                "{other}"
            );
            let error = key
                .sign(SignatureScheme::ED25519, vec![1])
                .await
                .unwrap_err()
                .to_string();
            assert!(error.contains("does not sign ed25519"), "{error}");
            assert!(key.decrypt(vec![1]).await.is_err());
        },
    );
}

#[test]
fn a_pin_is_from_a_file_or_somebody() {
    with_token("a_pin_is_from_a_file_or_somebody", &["p256"], async |hsm| {
        let pin = hsm.path("pin");
        let text = format!(
            "pkcs11:token=test?module-path={}&pin-source=file:{}",
            module().display(),
            pin.display()
        );
        // Nobody is logged in any more when a key has gone, so each has to have the PIN.
        Pkcs11Key::builder(text.parse().unwrap())
            .open()
            .await
            .unwrap();
        Hsm::uri("token=test").pin_file(&pin).open().await.unwrap();
        let asking = Hsm::uri("token=test").ask_pin(|key| async move {
            assert_eq!(key, "token \"test\"");
            Ok::<_, std::io::Error>(PIN)
        });
        asking.open().await.unwrap();
        let refusing = Hsm::uri("token=test").ask_pin(|_| async { Err::<String, _>("at lunch") });
        let error = refusing.open().await.unwrap_err().to_string();
        assert!(error.contains("at lunch"), "{error}");
    });
}

#[test]
fn a_wrong_pin_is_tried_once() {
    with_token("a_wrong_pin_is_tried_once", &["p256"], async |_| {
        let wrong = Hsm::uri("token=test").pin("9917");
        let error = wrong.open().await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(
            said.contains("the PIN for the PKCS#11 token \"test\" is wrong"),
            "{said}"
        );
        assert!(
            said.contains("not tried again") && !said.contains("9917"),
            "{said}"
        );
        Hsm::key("p256").await;
    });
}

/// Another part of the process ends the module: all sessions go at once, and with them the login, as when a token is
/// pulled out and put back.
#[test]
fn a_token_that_was_lost_is_opened_again() {
    with_token(
        "a_token_that_was_lost_is_opened_again",
        &["p256"],
        async |_| {
            let key = Hsm::key("p256").await;
            let scheme = key.schemes()[0];
            for _ in 0..3 {
                for _ in 0..4 {
                    key.sign(scheme, b"text".to_vec()).await.unwrap();
                }
                Pkcs11::new(module()).unwrap().finalize().unwrap();
            }
            key.sign(scheme, b"text".to_vec()).await.unwrap();
        },
    );
}

/// A hardware module that hangs, or is slower than its clients, costs time and memory with bounds.
#[test]
fn waiting_has_bounds() {
    with_token("waiting_has_bounds", &["rsa"], async |_| {
        let key = Hsm::uri("token=test")
            .pin(PIN)
            .workers(1)
            .open()
            .await
            .unwrap();
        let scheme = key.schemes()[0];
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..600 {
            let key = key.clone();
            all.spawn(async move { key.sign(scheme, b"text".to_vec()).await });
        }
        let (mut signed, mut refused) = (0, 0);
        while let Some(done) = all.join_next().await {
            match done.unwrap() {
                Ok(_) => signed += 1,
                Err(error) => {
                    let said = error.to_string();
                    assert!(
                        said.contains("256 operations wait") || said.contains("within"),
                        "{said}"
                    );
                    refused += 1;
                }
            }
        }
        assert!(signed > 0 && refused > 0, "{signed} {refused}");
        let hasty = Hsm::uri("token=test").pin(PIN).workers(1);
        let hasty = hasty
            .timeout(Duration::from_millis(20))
            .open()
            .await
            .unwrap();
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..250 {
            let hasty = hasty.clone();
            all.spawn(async move { hasty.sign(scheme, b"text".to_vec()).await });
        }
        let done = all.join_all().await;
        let late = done.iter().filter_map(|done| done.as_ref().err());
        let late: Vec<_> = late.map(ToString::to_string).collect();
        assert!(late.len() > 10, "{}", late.len());
        assert!(late[0].contains("did not sign within 20ms"), "{}", late[0]);
        // Work that nobody waits for is not done: this is not behind 250 signatures.
        let begun = Instant::now();
        for _ in 0..250 {
            let signing = key.sign(scheme, b"text".to_vec());
            let mut signing = std::pin::pin!(signing);
            // It is begun to wait for, and no more.
            std::future::poll_fn(|context| {
                let _ = signing.as_mut().poll(context);
                std::task::Poll::Ready(())
            })
            .await;
        }
        key.sign(scheme, b"text".to_vec()).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
}

/// The numbers of a key (RFC 8017 §A.1.2): version, n, e, d, p, q, and the three of the CRT.
fn numbers(pkcs1: &[u8]) -> Vec<Vec<u8>> {
    fn element(der: &[u8]) -> (&[u8], &[u8]) {
        let (head, length) = match der[1] {
            0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
            0x81 => (3, usize::from(der[2])),
            short => (2, usize::from(short)),
        };
        der[head..].split_at(length)
    }
    let (mut rest, mut numbers) = (element(pkcs1).0, Vec::new());
    while !rest.is_empty() {
        let number;
        (number, rest) = element(rest);
        numbers.push(number.strip_prefix(&[0]).unwrap_or(number).to_vec());
    }
    numbers
}

/// The login belongs to one signature: without it the token says CKR_USER_NOT_LOGGED_IN.
#[test]
fn a_key_that_wants_its_pin_each_time() {
    let name = "a_key_that_wants_its_pin_each_time";
    with_token(name, &["p256"], async |hsm| {
        let (pem, der) = (hsm.path("always.key"), hsm.path("always.der"));
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
        ]);
        openssl.args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ]);
        done(
            openssl
                .arg("-keyout")
                .arg(&pem)
                .arg("-out")
                .arg(hsm.path("always.pem")),
        );
        let mut openssl = Command::new("openssl");
        openssl.args(["rsa", "-traditional", "-outform", "DER", "-in"]);
        done(openssl.arg(&pem).arg("-out").arg(&der));
        let numbers = numbers(&fs::read(&der).unwrap());
        // Nobody has the key but the token.
        fs::remove_file(&pem).unwrap();
        fs::remove_file(&der).unwrap();
        // Logged in until the end.
        let key = Hsm::key("p256").await;
        let module = Pkcs11::new(module()).unwrap();
        let slot = module.get_slots_with_initialized_token().unwrap()[0];
        let session = module.open_rw_session(slot).unwrap();
        let number = |at: usize| numbers[at].clone();
        session
            .create_object(&[
                Attribute::Class(ObjectClass::PRIVATE_KEY),
                Attribute::KeyType(KeyType::RSA),
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Sign(true),
                Attribute::Decrypt(true),
                Attribute::AlwaysAuthenticate(true),
                Attribute::Label(b"always".to_vec()),
                Attribute::Id(vec![9]),
                Attribute::Modulus(number(1)),
                Attribute::PublicExponent(number(2)),
                Attribute::PrivateExponent(number(3)),
                Attribute::Prime1(number(4)),
                Attribute::Prime2(number(5)),
                Attribute::Exponent1(number(6)),
                Attribute::Exponent2(number(7)),
                Attribute::Coefficient(number(8)),
            ])
            .unwrap();
        let builder = Hsm::uri("token=test;object=always").workers(4);
        let always = builder.clone().pin(PIN).open().await.unwrap();
        assert_eq!(always.schemes()[0], SignatureScheme::RSA_PSS_RSAE_SHA256);
        assert!(!always.decrypts());
        for (version, algorithm) in [
            ("-tls1_3", "rsa_pss_rsae_sha256"),
            ("-tls1_3", "rsa_pss_rsae_sha512"),
            ("-tls1_2", "RSA+SHA384"),
        ] {
            let arguments = [version, "-sigalgs", algorithm];
            hsm.s_client("always", &always, &[], &arguments).await;
        }
        // Many at once, by all workers: each has its login, and nobody has that of another.
        let mut all = tokio::task::JoinSet::new();
        for at in 0..60 {
            let always = always.clone();
            let scheme = always.schemes()[at % 6];
            all.spawn(async move { always.sign(scheme, b"text".to_vec()).await });
        }
        while let Some(signed) = all.join_next().await {
            assert_eq!(signed.unwrap().unwrap().len(), 256);
        }

        // No PIN: the token shows the key to those who are logged in, and does not sign.
        let without = builder.clone().open().await.unwrap();
        let scheme = without.schemes()[0];
        let error = without.sign(scheme, b"text".to_vec()).await.unwrap_err();
        assert!(error.to_string().contains("there is no PIN"), "{error}");

        // A PIN that is wrong by now is tried once: also when it would be right again.
        let pins = [PIN, "5932"].map(|pin| AuthPin::new(pin.into()));
        session.set_pin(&pins[0], &pins[1]).unwrap();
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let always = always.clone();
            all.spawn(async move { always.sign(scheme, b"text".to_vec()).await });
        }
        while let Some(signed) = all.join_next().await {
            let error = signed.unwrap().unwrap_err().to_string();
            assert!(error.contains("token \"test\" is wrong"), "{error}");
            assert!(
                error.contains("not tried again") && !error.contains(PIN),
                "{error}"
            );
        }
        session.set_pin(&pins[1], &pins[0]).unwrap();
        let error = always.sign(scheme, b"text".to_vec()).await.unwrap_err();
        assert!(error.to_string().contains("not tried again"), "{error}");
        // Nobody else is hurt by it.
        key.sign(key.schemes()[0], b"text".to_vec()).await.unwrap();
        let always = builder.pin(PIN).open().await.unwrap();
        always.sign(scheme, b"text".to_vec()).await.unwrap();
    });
}
