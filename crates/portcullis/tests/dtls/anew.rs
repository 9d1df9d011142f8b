//! A client that gives its handshake up and begins anew, at the same address.

use std::time::Duration;

use portcullis::{
    DatagramOptions, DtlsConnector, DtlsListener, DtlsOptions, TlsAcceptor, TlsConnector,
};

use crate::ends::*;
use crate::moves::Router;
use crate::{accept, ask, echo, eventually, listen};

/// A server that waits for its clients for longer than a test.
fn patient() -> TlsAcceptor {
    acceptor().handshake_timeout(Duration::from_secs(300))
}

/// A client whose cookie is there, and that goes without a word.
async fn begun_and_gone(
    router: &Router,
    dtls: &DtlsConnector,
    to: std::net::SocketAddr,
    listener: &DtlsListener,
) {
    let admitted = listener.statistics().admitted;
    let connecting = dtls.connect(to, name());
    let client = tokio::spawn(connecting);
    eventually("it is let in", || {
        listener.statistics().admitted == admitted + 1
    })
    .await;
    *router.is_cut.lock().unwrap() = true;
    client.abort();
    let _gone = client.await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    *router.is_cut.lock().unwrap() = false;
}

/// RFC 9147 §5.11, RFC 6347 §4.2.8: a cookie has shown that whoever begins is there. The handshake before is over then, whether
/// it has the address, or waits for the place of a connection.
#[tokio::test]
async fn a_client_that_begins_anew_does_not_wait_for_its_handshake_before() {
    for has_connection in [false, true] {
        let (listener, server) = listen(patient()).await;
        let (router, address) = Router::new(server).await;
        let dtls = DtlsConnector::new(connector());
        let mut connection = None;
        if has_connection {
            let (client, served) = tokio::join!(dtls.connect(address, name()), accept(&listener));
            connection = Some((client.unwrap(), served.unwrap()));
        }
        begun_and_gone(&router, &dtls, address, &listener).await;
        let first = listener.accept().await.unwrap();
        let both = async { tokio::join!(dtls.connect(address, name()), accept(&listener)) };
        let within = tokio::time::timeout(Duration::from_secs(30), both).await;
        let (second, served) = within.expect("it is let in");
        let served = tokio::spawn(echo(served.unwrap()));
        let mut second = second.unwrap();
        ask(&mut second, b"anew").await;
        let why = first.handshake().await.unwrap_err();
        assert!(why.to_string().contains("has shown that it reads"), "{why}");
        drop(second);
        served.await.unwrap().unwrap();
        if let Some((_client, mut connection)) = connection {
            let why = connection.recv().await.unwrap_err();
            assert!(why.to_string().contains("another connection"), "{why}");
        }
    }
}

/// A hello of one before that was late on its way does not bring that back, however many there were since.
#[tokio::test]
async fn a_copy_of_the_hello_before_ends_nothing() {
    const BEFORE: u64 = 3;
    let (listener, server) = listen(patient()).await;
    let (router, address) = Router::new(server).await;
    let dtls = DtlsConnector::new(connector());
    let mut given_up = Vec::new();
    for _ in 0..BEFORE {
        begun_and_gone(&router, &dtls, address, &listener).await;
        given_up.push(listener.accept().await.unwrap());
    }
    let before: Vec<_> = std::mem::take(&mut *router.seen.lock().unwrap());
    let connecting = tokio::spawn(dtls.connect(address, name()));
    let last = listener.accept().await.unwrap();
    let far = std::sync::Arc::clone(&router.far.lock().unwrap());
    let is_handshake = |datagram: &&Vec<u8>| datagram.first() == Some(&22);
    for datagram in before.iter().filter(is_handshake) {
        far.send_to(datagram, server).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(listener.statistics().admitted, BEFORE + 1);
    let served = tokio::spawn(echo(last.handshake().await.unwrap()));
    let mut client = connecting.await.unwrap().unwrap();
    ask(&mut client, b"still here").await;
    drop(client);
    served.await.unwrap().unwrap();
}

/// A hello that is longer than a datagram, as those with shares of hybrids are, begins anew as well: beside a connection, too,
/// for whose place another handshake waits.
#[tokio::test]
async fn a_hello_in_pieces_does_not_wait_for_the_handshake_before() {
    for has_connection in [false, true] {
        let (listener, server) = listen(patient()).await;
        let (router, address) = Router::new(server).await;
        let dtls = DtlsConnector::new(connector());
        let datagrams = DatagramOptions::default().mtu(600);
        let in_pieces = portcullis::ClientConfig::builder(pki().roots.clone()).alpn([
            &*"abc".repeat(80),
            &*"def".repeat(80),
            "echo",
        ]);
        let in_pieces = TlsConnector::new(in_pieces.build().unwrap()).without_resumption();
        let in_pieces = DtlsConnector::new(in_pieces);
        let in_pieces = in_pieces.options(DtlsOptions::new().datagrams(datagrams));
        let mut connection = None;
        if has_connection {
            let (client, served) = tokio::join!(dtls.connect(address, name()), accept(&listener));
            connection = Some((client.unwrap(), served.unwrap()));
        }
        begun_and_gone(&router, &dtls, address, &listener).await;
        let _first = listener.accept().await.unwrap();
        let both = async { tokio::join!(in_pieces.connect(address, name()), accept(&listener)) };
        let within = tokio::time::timeout(Duration::from_secs(10), both).await;
        let (second, served) = within.expect("it is let in");
        let served = tokio::spawn(echo(served.unwrap()));
        let mut second = second.unwrap();

        ask(&mut second, b"anew").await;
        drop(second);
        served.await.unwrap().unwrap();
        drop(connection);
    }
}
