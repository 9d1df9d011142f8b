//! How much is logged of one connection.

mod ends;

use std::io;
use std::sync::{Arc, Mutex};

use ends::*;
use portcullis::ech::{EchKey, EchKeys};
use portcullis::pki_types::PrivateKeyDer;
use portcullis::{
    ClientAuthentication, ClientConfig, CrlCheck, Identity, LogLevel, MemoryCrls, ProtocolVersion,
    Roots, ServerConfig, TlsAcceptor, TlsConnector, TlsListener,
};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncWriteExt as _, duplex};
use tokio::net::TcpStream;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn listening(level: tracing::Level) -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

async fn connect(connector: &TlsConnector, acceptor: &TlsAcceptor) {
    let (near, far) = duplex(64 * 1024);
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
    client.unwrap();
    server.unwrap();
}

async fn fail(acceptor: &TlsAcceptor) {
    let (mut near, far) = duplex(64 * 1024);
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    drop(near);
    acceptor.accept(far).await.unwrap_err();
}

#[tokio::test]
async fn one_connection_at_debug_under_an_info_subscriber() {
    let (log, _guard) = listening(tracing::Level::INFO);
    connect(&connector(), &acceptor()).await;
    assert_eq!(log.take(), "");
    connect(&connector(), &acceptor().log_level(LogLevel::Debug)).await;
    let text = log.take();
    for message in ["client_hello", "finished"] {
        let line = text.lines().find(|line| line.contains(message));
        let line = line.unwrap_or_else(|| panic!("{message} is missing in:\n{text}"));
        assert!(
            line.contains("portcullis::verbose") && line.contains("INFO"),
            "{line}"
        );
        assert!(line.contains("role=\"server\""), "{line}");
    }
    assert!(!text.contains("role=\"client\""), "{text}");
}

#[tokio::test]
async fn less_than_the_subscriber_takes() {
    let (log, _guard) = listening(tracing::Level::DEBUG);
    for (level, shown) in [
        (None, true),
        (Some(LogLevel::Debug), true),
        (Some(LogLevel::Info), false),
        (Some(LogLevel::Off), false),
    ] {
        let acceptor = match level {
            Some(level) => acceptor().log_level(level),
            None => acceptor(),
        };
        connect(&connector().log_level(LogLevel::Off), &acceptor).await;
        let text = log.take();
        assert_eq!(
            text.contains("handshake message"),
            shown,
            "{level:?}: {text}"
        );
    }
    for (level, shown) in [
        (LogLevel::Info, true),
        (LogLevel::Warn, false),
        (LogLevel::Error, false),
        (LogLevel::Off, false),
    ] {
        fail(&acceptor().log_level(level)).await;
        let text = log.take();
        assert_eq!(
            text.contains("the handshake failed"),
            shown,
            "{level:?}: {text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn level_changes_while_it_runs() {
    let (log, _guard) = listening(tracing::Level::INFO);
    for (level, shown) in [
        (None, true),
        (Some(LogLevel::Info), true),
        (Some(LogLevel::Error), false),
    ] {
        let (mut client, mut server) = pair().await;
        server.set_log_level(level);
        client.get_mut().write_all(&[9; 40]).await.unwrap();
        server.recv(1).await.unwrap_err();
        let text = log.take();
        // An alert of either side.
        assert_eq!(
            text.contains("the connection failed"),
            shown,
            "{level:?}: {text}"
        );
        assert_eq!(text.contains("direction=Sent"), shown, "{text}");
        // The peer that gets it.
        assert!(client.recv(1).await.unwrap_err().alert().is_some());
        assert!(log.take().contains("direction=Received"));
    }
}

#[tokio::test]
async fn a_connector_that_accepts_anybody_says_so_once() {
    let (log, _guard) = listening(tracing::Level::INFO);
    let config = ClientConfig::dangerous_builder_without_verification();
    let config = config.versions([version()]).alpn(["echo"]).build().unwrap();
    let connector = TlsConnector::new(config.clone());
    for _ in 0..2 {
        connect(&connector, &acceptor()).await;
    }
    let text = log.take();
    let warning = "dangerous_builder_without_verification";
    assert_eq!(text.matches(warning).count(), 1, "{text}");
    assert!(text.contains("WARN"));
    let quiet = portcullis::Environment::builder().log_level(LogLevel::Error);
    quiet.build().unwrap().connector(config);
    assert_eq!(log.take(), "");
}

#[test]
fn names_of_levels() {
    for (name, level) in [
        ("none", LogLevel::Off),
        ("emergency", LogLevel::Error),
        ("alert", LogLevel::Error),
        ("critical", LogLevel::Error),
        ("error", LogLevel::Error),
        ("warning", LogLevel::Warn),
        ("notice", LogLevel::Info),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("all", LogLevel::Debug),
    ] {
        assert_eq!(name.parse::<LogLevel>().unwrap(), level);
    }
    assert!("loud".parse::<LogLevel>().is_err());
}

/// Where the hello is encrypted, what fails is told, and of whom is not.
#[tokio::test]
async fn the_name_of_an_encrypted_hello_is_in_no_log() {
    let (log, _guard) = listening(tracing::Level::DEBUG);
    let (key, _) = EchKey::builder("localhost").generate().unwrap();
    let server = || ServerConfig::builder().identity(pki().server.clone());
    let keys = EchKeys::new([key.clone()]).unwrap();
    let hidden = || server().ech_keys(keys.clone());
    let client = client_config().to_builder().alpn(Vec::<&str>::new());
    let plain = TlsConnector::new(client.build().unwrap()).without_resumption();
    let client = client_config().to_builder().alpn(Vec::<&str>::new());
    let client = client.ech(key.config_list()).build().unwrap();
    let connector = TlsConnector::new(client).without_resumption();
    for (connector, server, is_told) in [
        // The client finds another name, or the server has not this one.
        (&plain, server(), true),
        (&plain, server().refuse_unknown_names(true), true),
        (&connector, hidden(), false),
        (&connector, hidden().refuse_unknown_names(true), false),
    ] {
        let acceptor = TlsAcceptor::new(server.build().unwrap());
        let listener = TlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = listener.connections(1);
        let io = TcpStream::connect(address).await.unwrap();
        // The server passes it over, and says so, while it waits for the next.
        let accepting = async {
            tokio::select! { biased;
                _ = connections.accept() => panic!("nobody is connected"),
                failed = async {
                    let failed = connector.upgrade(io, other_name()).await;
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    failed
                } => failed,
            }
        };
        let error = accepting.await.unwrap_err();
        let text = log.take();
        let failures = text.matches("the handshake failed").count();
        assert_eq!(failures, 2, "{error}: {text}");
        assert!(text.contains(": a handshake failed"), "{text}");
        assert_eq!(text.contains("other.example"), is_told, "{text}");
        assert!(text.contains("alert="), "{text}");
        if !is_told {
            assert!(text.contains("not told here"), "{text}");
        }
    }
}

/// Nor over datagrams, in either role.
#[cfg(feature = "dtls")]
#[tokio::test]
async fn the_name_of_an_encrypted_hello_is_in_no_log_over_datagrams() {
    use portcullis::{DtlsConnector, DtlsListener};
    let (log, _guard) = listening(tracing::Level::DEBUG);
    let (key, _) = EchKey::builder("localhost").generate().unwrap();
    let keys = EchKeys::new([key.clone()]).unwrap();
    let client = client_config().to_builder().alpn(Vec::<&str>::new());
    let plain = client.build().unwrap();
    let hidden = plain.with_ech(key.config_list()).unwrap();
    for (client, hides) in [(plain, false), (hidden, true)] {
        let server = ServerConfig::builder()
            .identity(pki().server.clone())
            .refuse_unknown_names(true);
        let server = match hides {
            true => server.ech_keys(keys.clone()),
            false => server,
        };
        let acceptor = TlsAcceptor::new(server.build().unwrap());
        let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = listener.connections(1);
        let connector = TlsConnector::new(client).without_resumption();
        let dtls = DtlsConnector::new(connector);
        let connecting = async {
            let failed = dtls.connect(address, other_name()).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            failed
        };
        let error = tokio::select! { biased;
            _ = connections.accept() => panic!("nobody is connected"),
            failed = connecting => failed.unwrap_err(),
        };
        let text = log.take();
        let failures = text.matches("the handshake failed").count();
        assert_eq!(failures, 2, "{error}: {text}");
        assert!(text.contains(": a handshake failed"), "{text}");
        assert_ne!(text.contains("other.example"), hides, "{text}");
        assert_eq!(text.contains("not told here"), hides, "{text}");
    }
}

/// Also not what is passed over, or asked later.
#[tokio::test]
async fn off_is_nothing_at_all() {
    let (log, _guard) = listening(tracing::Level::DEBUG);
    let server = server_config()
        .to_builder()
        .client_authentication(ClientAuthentication::Optional(pki().roots.clone()))
        .post_handshake_authentication(true);
    let server = TlsAcceptor::new(server.build().unwrap());
    let client = client_config()
        .to_builder()
        .post_handshake_authentication(true)
        .alpn(["echo"])
        .crl_check(CrlCheck::best_effort())
        .build();
    let client = TlsConnector::new(client.unwrap())
        .without_resumption()
        .crls(Arc::new(MemoryCrls::new()));
    for (level, is_told) in [(LogLevel::Debug, true), (LogLevel::Off, false)] {
        let acceptor = server.clone().log_level(level);
        let connector = client.clone().log_level(level);
        let listener = TlsListener::bind("127.0.0.1:0", acceptor.clone())
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = listener.connections(1);
        let mut io = TcpStream::connect(address).await.unwrap();
        io.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        drop(io);
        let limit = std::time::Duration::from_millis(200);
        let passed_over = tokio::time::timeout(limit, connections.accept()).await;
        assert!(passed_over.is_err());

        let (near, far) = duplex(64 * 1024);
        let (near, far) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        let asked = tokio::spawn(async move { near.recv(1).await });
        let limit = std::time::Duration::from_secs(10);
        far.authenticate_client(limit).await.unwrap();
        drop(far);
        let _ = asked.await;
        let text = log.take();
        for event in [
            ": a handshake failed",
            "the server has asked for a certificate",
            "accepted all the same",
        ] {
            assert_eq!(text.contains(event), is_told, "{event}: {text}");
        }
        assert!(is_told || text.is_empty(), "{text}");
    }
}

/// Nor over datagrams, of which many are accepted at once.
#[cfg(feature = "dtls")]
#[tokio::test]
async fn off_is_nothing_over_datagrams() {
    use portcullis::{DtlsConnector, DtlsListener};
    let (log, _guard) = listening(tracing::Level::DEBUG);
    for (level, is_told) in [(LogLevel::Debug, true), (LogLevel::Off, false)] {
        let acceptor = acceptor().log_level(level);
        let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = listener.connections(1);
        let dtls = DtlsConnector::new(connector().log_level(LogLevel::Off));
        let limit = std::time::Duration::from_secs(1);
        let both =
            async { tokio::join!(dtls.connect(address, other_name()), connections.accept()) };
        // What is refused is passed over, and nobody else comes.
        assert!(tokio::time::timeout(limit, both).await.is_err());
        let text = log.take();
        let event = "a handshake failed";
        assert_eq!(text.contains(event), is_told, "{text}");
        assert!(is_told || text.is_empty(), "{text}");
    }
}

/// What webpki, the second opinion, says otherwise, and what it was not asked about: in both roles and versions, and also where
/// the handshake goes on.
#[tokio::test]
async fn what_webpki_does_not_agree_with_is_told() {
    let (log, _guard) = listening(tracing::Level::DEBUG);
    let (key, other_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let named = |name: &str, is_ca: bool, is_odd: bool| {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        if is_odd {
            // No list of distribution points, at which nobody looks but webpki.
            let odd = CustomExtension::from_oid_content(&[2, 5, 29, 31], vec![5, 0]);
            params.custom_extensions.push(odd);
        }
        params
    };
    let authority = |name| {
        let (key, params) = (KeyPair::generate().unwrap(), named(name, true, false));
        let der = params.self_signed(&key).unwrap().der().clone();
        (Issuer::new(params, key), der)
    };
    let ((first, first_der), (second, second_der)) = (authority("first"), authority("second"));
    let signed = |params: &CertificateParams, key: &KeyPair, by: &Issuer<'_, KeyPair>| {
        params.signed_by(key, by).unwrap().der().clone()
    };
    let below = Issuer::new(named("below", true, false), other_key);
    let odd_leaf = signed(&named("leaf", false, true), &key, &first);
    let crossed = vec![
        signed(&named("leaf", false, false), &key, &below),
        signed(&named("below", true, true), below.key(), &first),
        signed(&named("below", true, false), below.key(), &second),
    ];
    let pinned = named("pinned", false, false);
    let pinned = pinned.self_signed(&key).unwrap().der().clone();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    for (chain, trusted, is_good, level, told) in [
        (
            vec![odd_leaf],
            vec![&first_der],
            false,
            "ERROR",
            r#"webpki="BadDer" portcullis="good" path=["CN=leaf", "CN=first"]"#,
        ),
        (
            crossed,
            vec![&first_der, &second_der],
            true,
            "ERROR",
            r#"webpki="BadDer" portcullis="good" path=["CN=leaf", "CN=below", "CN=first"]"#,
        ),
        (
            vec![pinned.clone()],
            vec![&pinned],
            true,
            "DEBUG",
            r#"certificates=1 why="it is trusted itself""#,
        ),
    ] {
        let identity = Identity::from_der(chain, &private).unwrap();
        let mut roots = Roots::empty();
        for der in trusted {
            roots.add_der(der.clone()).unwrap();
        }
        for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
            for of_client in [false, true] {
                let (client, server) = (client_config().to_builder(), server_config().to_builder());
                let (client, server) = match of_client {
                    true => (
                        client.identity(identity.clone()),
                        server.client_authentication(ClientAuthentication::Required(roots.clone())),
                    ),
                    false => (
                        ClientConfig::builder(roots.clone()),
                        ServerConfig::builder().identity(identity.clone()),
                    ),
                };
                let client = client.versions([version]).build().unwrap();
                let server = server.versions([version]).build().unwrap();
                let connector = TlsConnector::new(client).without_resumption();
                let acceptor = TlsAcceptor::new(server);
                let (near, far) = duplex(64 * 1024);
                let (client, server) = tokio::join!(
                    async {
                        let mut stream = connector.upgrade(near, name()).await.ok()?;
                        stream.recv(1).await.ok()
                    },
                    async {
                        let mut stream = acceptor.accept(far).await.ok()?;
                        stream.send(&[b"x"]).await.ok()
                    },
                );
                assert_eq!(client.is_some() && server.is_some(), is_good);
                let text = log.take();
                let role = if of_client { "server" } else { "client" };
                let lines: Vec<_> = text
                    .lines()
                    .filter(|line| line.contains(" webpki=") || line.contains(": webpki was "))
                    .collect();
                let [line] = lines[..] else {
                    panic!("{version} {role}: {text}");
                };
                for part in [level, told, &format!("role=\"{role}\"")] {
                    assert!(line.contains(part), "{part}: {line}");
                }
                let reason = text.contains(r#"reason="disagreement""#);
                assert_eq!(reason, !is_good, "{text}");
            }
        }
    }
    connect(&connector(), &acceptor()).await;
    let text = log.take();
    assert!(
        text.contains("connected") && !text.contains("webpki"),
        "{text}"
    );
}
