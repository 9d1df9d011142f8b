//! An encrypted ClientHello for keys that the server has no more (RFC 9849 §6.1.6).

mod ends;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis::ech::{EchKey, EchKeys, EchStatus, Retry};
use portcullis::{Identity, ServerConfig, TlsAcceptor, TlsConnector};
use tokio::io::{DuplexStream, duplex};

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
