//! Sessions outside of the process: in a real Redis, over TLS, and in a file.

use std::sync::Arc;
use std::time::Duration;

use portcullis::config::ServerConfigBuilder;
use portcullis::{
    DiskStore, MemoryServerSessionStore, ProtocolVersion, RedisStore, ServerSessionStore,
    SessionStore, StoreErrorKind, StoreKeys, TlsAcceptor, TlsConnector, redis_over_tls,
};
use portcullis_tests::peers::Program;
use portcullis_tests::pki::{self, pki};
use portcullis_tests::scratch;
use tokio::io::{AsyncWriteExt as _, duplex};

use crate::{client, identity, server};

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

fn keys() -> StoreKeys {
    StoreKeys::new([&[7; 32]]).unwrap()
}

/// Redis, which speaks TLS alone, and asks who comes.
async fn redis(port: u16) -> Program {
    let of = &pki().ecdsa_p256;
    let text = |path: &std::path::Path| path.display().to_string();
    let port = port.to_string();
    let words = [
        ["--port", "0"],
        ["--tls-port", &port],
        ["--tls-cert-file", &text(&of.chain_file)],
        ["--tls-key-file", &text(&of.key_file)],
        ["--tls-ca-cert-file", &text(&pki().root.file)],
        ["--tls-auth-clients", "yes"],
        ["--save", ""],
    ];
    let words = words.as_flattened().to_vec();
    let mut redis = Program::start("redis-server", "redis-server", words);
    redis.wait_for_line("Ready to accept connections").await;
    redis
}

fn store(port: u16, of: Option<&pki::Identity>) -> RedisStore {
    let mut config = client();
    if let Some(of) = of {
        config = config.identity(identity(of));
    }
    let connector = TlsConnector::new(config.build().unwrap());
    let store = redis_over_tls(&format!("rediss://localhost:{port}"), connector, keys());
    store.unwrap().time_limit(Duration::from_millis(500))
}

/// Connects once; the client has read its tickets, and its store has them.
async fn connects(
    connector: &TlsConnector,
    acceptor: &TlsAcceptor,
    store: Option<&dyn SessionStore>,
) -> bool {
    let (ours, theirs) = duplex(64 * 1024);
    let serving = async {
        let mut stream = acceptor.upgrade(theirs).await.unwrap();
        stream.send(&[b"hello"]).await.unwrap();
        stream.shutdown().await.unwrap();
        stream
    };
    let using = async {
        let mut stream = connector.upgrade(ours, "localhost").await.unwrap();
        assert_eq!(&stream.recv(5).await.unwrap()[..], b"hello");
        stream
    };
    let (_, stream) = tokio::join!(serving, using);
    for _ in 0..200 {
        match store {
            Some(store) if store.len().await == Some(0) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            _ => break,
        }
    }
    stream.is_resumed()
}

fn acceptor(config: ServerConfigBuilder, store: Arc<dyn ServerSessionStore>) -> TlsAcceptor {
    let config = config.versions(VERSIONS).build().unwrap();
    TlsAcceptor::new(config).session_store(store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_shares_redis_over_tls() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let running = redis(port).await;
    let of_client = Some(&pki().client);
    let stores = [store(port, of_client), store(port, of_client)];
    for store in &stores {
        store.ping().await.unwrap();
    }
    let of_clients = store(port, of_client).prefix("clients:");
    of_clients.ping().await.unwrap();
    let servers = stores
        .each_ref()
        .map(|store| acceptor(server(&pki().ecdsa_p256), Arc::new(store.clone())));
    for version in VERSIONS {
        for round in 0..4 {
            // A client that starts anew each time.
            let config = client().versions([version]).build().unwrap();
            let connector = TlsConnector::new(config)
                .service_name(version.to_string())
                .session_store(Arc::new(of_clients.clone()));
            let resumed = connects(&connector, &servers[round % 2], Some(&of_clients)).await;
            assert_eq!(resumed, round > 0, "{version}, {round}");
        }
    }
    // Redis asks who comes.
    let nobody = store(port, None);
    let error = nobody.ping().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    // Gone, it costs full handshakes, and fails none.
    drop(running);
    let config = client().build().unwrap();
    let connector = TlsConnector::new(config);
    assert!(!connects(&connector, &servers[0], None).await);
    assert!(!connects(&connector, &servers[0], None).await);
    // Back again, it is found.
    let _running = redis(port).await;
    let mut resumed = false;
    for _ in 0..60 {
        resumed |= connects(&connector, &servers[0], None).await;
        if resumed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(resumed, "{:?}", stores[0].last_error());
}

#[tokio::test]
async fn a_restarted_process_resumes_from_its_file() {
    let file = scratch::directory().join("server.sessions");
    let of_client = scratch::directory().join("client.sessions");
    for round in 0..3 {
        // As if both processes had just started.
        let store = DiskStore::open(&file, keys()).await.unwrap();
        let clients = DiskStore::open(&of_client, keys()).await.unwrap();
        let server = acceptor(server(&pki().ecdsa_p256), Arc::new(store.clone()));
        for version in VERSIONS {
            // Each version has a key of its own, since they are as two services.
            let config = client().versions([version]).build().unwrap();
            let connector = TlsConnector::new(config)
                .service_name(version.to_string())
                .session_store(Arc::new(clients.clone()));
            let resumed = connects(&connector, &server, Some(&clients)).await;
            assert_eq!(resumed, round > 0, "{version}, {round}");
        }
        SessionStore::close(&clients).await;
        ServerSessionStore::close(&store).await;
    }
}

/// What is kept of a connection, and what is told of it, has nothing of the server's key: OTP's session data has
/// all of it.
#[tokio::test]
async fn otp_a_session_has_no_private_key() {
    let of = &pki().ecdsa_p256;
    // RFC 5915 §3: the number stands behind the version.
    let der = of.key.secret_der();
    let before = [2, 1, 1, 4, 32];
    let at = der.windows(before.len()).position(|at| at == before);
    let secret = &der[at.unwrap() + before.len()..][..32];
    let (text, debug) = (
        secret.iter().map(|byte| format!("{byte:02x}")),
        format!("{secret:?}"),
    );
    let (text, debug) = (text.collect::<String>(), debug.trim_matches(['[', ']']));
    for version in VERSIONS {
        let store = Arc::new(MemoryServerSessionStore::default());
        let acceptor = acceptor(server(of), store.clone());
        let config = client()
            .versions([version])
            .identity(identity(&pki().client));
        let connector = TlsConnector::new(config.build().unwrap());
        let (ours, theirs) = duplex(64 * 1024);
        let (client, server) = tokio::join!(
            connector.upgrade(ours, "localhost"),
            acceptor.upgrade(theirs)
        );
        let (_client, server) = (client.unwrap(), server.unwrap());
        // Before TLS 1.3 nobody waits until it is kept.
        for _ in 0..200 {
            if store.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        let mut shown = vec![format!("{:?}", server.information()).into_bytes()];
        let mut visit = |session: &portcullis::session::ServerSession| {
            shown.push(session.to_bytes().to_vec());
            shown.push(format!("{session:?}").into_bytes());
        };
        assert!(ServerSessionStore::for_each(&*store, &mut visit).await);
        assert!(shown.len() > 2, "{version}");
        for bytes in shown {
            for secret in [secret, text.as_bytes(), debug.as_bytes()] {
                let is_there = bytes.windows(secret.len()).any(|at| at == secret);
                assert!(!is_there, "{version}");
            }
        }
    }
}
