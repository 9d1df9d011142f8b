//! An encrypted ClientHello for keys that the server has no more (RFC 9849 §6.1.6).

mod ends;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::ech::{EchKey, EchKeys, EchStatus, Retry};
use portcullis::session::{ClientSession, SessionKey, TicketKeys};
use portcullis::{
    Identity, MemorySessionStore, ServerConfig, SessionStore, Stage, StoreFuture, TlsAcceptor,
    TlsConnector,
};
use tokio::io::{DuplexStream, duplex};
use tokio::time::Instant;

use ends::{client_config, other_name, pki};

const PUBLIC: &str = "localhost";

fn key() -> EchKey {
    EchKey::builder(PUBLIC).generate().unwrap().0
}

fn acceptor(identities: &[&Identity], keys: &EchKeys) -> TlsAcceptor {
    let mut server = ServerConfig::builder().ech_keys(keys.clone());
    for identity in identities {
        server = server.identity((*identity).clone());
    }
    TlsAcceptor::new(server.build().unwrap())
}

/// A transport to a new connection of this server.
fn to(acceptor: &TlsAcceptor) -> DuplexStream {
    let (near, far) = duplex(16_384);
    let acceptor = acceptor.clone();
    tokio::spawn(async move { acceptor.upgrade(far).await.map(drop) });
    near
}

fn connector() -> TlsConnector {
    TlsConnector::new(client_config()).without_resumption()
}

#[tokio::test]
async fn the_second_hello_is_for_the_keys_that_the_server_has() {
    let (old, new) = (key(), key());
    let keys = EchKeys::new([new.clone()]).unwrap();
    let acceptor = acceptor(&[&pki().server, &pki().other], &keys);
    for (list, tries) in [(old.config_list(), 2), (new.config_list(), 1)] {
        let count = AtomicUsize::new(0);
        let connect = || {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(io::Result::Ok(to(&acceptor)))
        };
        let connector = connector();
        let connected = connector.connect_with_ech_retry(other_name(), list, connect);
        let (stream, list) = connected.await.unwrap();
        assert_eq!(stream.information().ech(), EchStatus::Accepted);
        assert_eq!(list, new.config_list());
        assert_eq!(count.into_inner(), tries);
    }
}

/// What it sends then is nothing: nobody has proved to be the server of the public name.
#[tokio::test]
async fn a_server_without_a_certificate_for_the_public_name_is_not_asked_again() {
    let keys = EchKeys::new([key()]).unwrap();
    let acceptor = acceptor(&[&pki().other], &keys);
    let count = AtomicUsize::new(0);
    let connect = || {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(io::Result::Ok(to(&acceptor)))
    };
    let connector = connector();
    let connected = connector.connect_with_ech_retry(other_name(), key().config_list(), connect);
    let error = connected.await.unwrap_err();
    assert!(error.ech_rejection().is_none(), "{error}");
    assert_eq!(count.into_inner(), 1);
}

#[tokio::test]
async fn there_is_no_third_try() {
    let keys = EchKeys::new([key()]).unwrap();
    let acceptor = acceptor(&[&pki().server, &pki().other], &keys);
    let count = AtomicUsize::new(0);
    let connect = || {
        count.fetch_add(1, Ordering::Relaxed);
        // It has forgotten what it has sent.
        keys.replace([key()]).unwrap();
        std::future::ready(io::Result::Ok(to(&acceptor)))
    };
    let connector = connector();
    let connected = connector.connect_with_ech_retry(other_name(), key().config_list(), connect);
    let error = connected.await.unwrap_err();
    let rejection = error.ech_rejection().unwrap();
    assert!(matches!(rejection.retry(), Retry::With(_)));
    assert_eq!(count.into_inner(), 2);
}

/// A configuration that nobody can use: it has an extension that has to be known, and is not.
fn unusable() -> EchKey {
    let (key, private) = EchKey::builder(PUBLIC).generate().unwrap();
    let mut list = key.config_list().as_bytes().to_vec();
    // The lengths of the list, of the configuration, and of its extensions.
    list[1] += 4;
    list[5] += 4;
    *list.last_mut().unwrap() = 4;
    list.extend([0xfa, 0xfa, 0, 0]);
    let key = EchKey::from_pkcs8(&list, &private).unwrap();
    assert!(!key.config_list().is_usable());
    key
}

/// `ech_required(false)` is for those who would rather be seen than not connected; whoever calls this would not.
#[tokio::test]
async fn a_list_that_cannot_be_used_is_no_reason_to_be_seen() {
    let keys = EchKeys::new([unusable()]).unwrap();
    let acceptor = acceptor(&[&pki().server, &pki().other], &keys);
    let config = client_config().to_builder().ech_required(false);
    let connector = TlsConnector::new(config.build().unwrap()).without_resumption();
    let count = AtomicUsize::new(0);
    let connect = || {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(io::Result::Ok(to(&acceptor)))
    };
    let list = key().config_list();
    let connected = connector.connect_with_ech_retry(other_name(), list, connect);
    let error = connected.await.unwrap_err();
    let retry = error.ech_rejection().unwrap().retry();
    assert_eq!(retry, Retry::With(&keys.config_list()));
    assert_eq!(count.load(Ordering::Relaxed), 1);
    // Nor is the first one.
    let connect = || {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(io::Result::Ok(to(&acceptor)))
    };
    let list = keys.config_list();
    let connected = connector.connect_with_ech_retry(other_name(), list, connect);
    let error = connected.await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    assert_eq!(count.into_inner(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_does_not_come_has_the_time_of_a_handshake() {
    let connector = connector().handshake_timeout(Duration::from_secs(7));
    let start = Instant::now();
    let connect = std::future::pending::<io::Result<DuplexStream>>;
    let connected = connector.connect_with_ech_retry(other_name(), key().config_list(), connect);
    let error = connected.await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.stage(), Stage::Connecting);
    assert_eq!(start.elapsed(), Duration::from_secs(7));
}

/// Counts how often a server's sessions are forgotten.
#[derive(Default)]
struct Forgetting(MemorySessionStore, AtomicUsize);

impl SessionStore for Forgetting {
    fn take<'a>(
        &'a self,
        key: &'a SessionKey,
        now: portcullis::pki_types::UnixTime,
    ) -> StoreFuture<'a, Vec<ClientSession>> {
        self.0.take(key, now)
    }

    fn put<'a>(&'a self, key: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
        self.0.put(key, session)
    }

    fn forget<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, ()> {
        self.1.fetch_add(1, Ordering::Relaxed);
        SessionStore::forget(&self.0, key)
    }
}

/// It was not the hidden server that has rejected the hello.
#[tokio::test]
async fn a_rejection_says_nothing_of_the_sessions_of_the_hidden_server() {
    let (ours, changed) = (key(), key());
    let server = |key: &EchKey| {
        let keys = EchKeys::new([key.clone()]).unwrap();
        let server = ServerConfig::builder()
            .identity(pki().server.clone())
            .identity(pki().other.clone())
            .ticket_keys(TicketKeys::shared([&[7; 48]]).unwrap())
            .ech_keys(keys);
        TlsAcceptor::new(server.build().unwrap())
    };
    let store = Arc::new(Forgetting::default());
    let config = client_config().to_builder().ech(ours.config_list());
    let connector = TlsConnector::new(config.build().unwrap()).session_store(store.clone());
    let first = async |acceptor: TlsAcceptor| {
        let (near, far) = duplex(16_384);
        let (client, server) =
            tokio::join!(connector.upgrade(near, other_name()), acceptor.upgrade(far));
        let (mut client, mut server) = (client?, server.unwrap());
        server.send(&[b"!"]).await.unwrap();
        client.recv(1).await.unwrap();
        Ok::<_, portcullis::Error>(client.is_resumed())
    };
    assert!(!first(server(&ours)).await.unwrap());
    let near = to(&server(&changed));
    let error = connector.upgrade(near, other_name()).await.unwrap_err();
    assert!(error.ech_rejection().is_some(), "{error}");
    assert_eq!(store.1.load(Ordering::Relaxed), 0);
    // Another failure is still one that a session may be to blame for.
    assert!(first(server(&ours)).await.is_ok());
    let (near, far) = duplex(16_384);
    drop(far);
    connector.upgrade(near, other_name()).await.unwrap_err();
    assert_eq!(store.1.load(Ordering::Relaxed), 1);
}
