//! Nobody listens where a client says hello, or so it is said.
#![cfg(target_os = "linux")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portcullis::{DatagramOptions, DtlsConnector, DtlsListener, DtlsOptions, Retransmission};
use tokio::net::UdpSocket;

use crate::ends::*;
use crate::{accept, ask, echo};

/// Where nobody listens.
async fn nowhere() -> SocketAddr {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    closed.local_addr().unwrap()
}

fn patient() -> DtlsConnector {
    DtlsConnector::new(connector().handshake_timeout(Duration::from_secs(30)))
}

/// The hello is said again soon.
fn soon() -> DtlsOptions {
    let soon = Retransmission::default().initial(Duration::from_millis(50));
    DtlsOptions::new().datagrams(DatagramOptions::default().retransmission(soon))
}

#[tokio::test]
async fn a_closed_port_is_told_of_after_a_second() {
    let address = nowhere().await;
    for dtls in [patient(), patient().options(soon())] {
        let begun = Instant::now();
        let error = dtls.connect(address, name()).await.unwrap_err();
        let took = begun.elapsed();
        let refused = error.transport().map(std::io::Error::kind);
        assert_eq!(refused, Some(ErrorKind::ConnectionRefused), "{error}");
        assert!(
            error.to_string().contains("nobody listens there"),
            "{error}"
        );
        // A third hello would be said after three.
        let range = Duration::from_millis(900)..Duration::from_millis(2_500);
        assert!(range.contains(&took), "{took:?}");
    }
}

/// However often it is said before the server could have answered a hello, whoever says so.
#[tokio::test]
async fn a_server_that_is_there_is_connected_with_whatever_is_said_before() {
    let address = nowhere().await;
    let dtls = patient().options(soon());
    let connecting = tokio::spawn(async move { dtls.connect(address, name()).await });
    // Of four hellos by now.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let listener = DtlsListener::bind(address, acceptor()).await.unwrap();
    let server = tokio::spawn(echo(accept(&listener).await.unwrap()));
    let mut client = connecting.await.unwrap().unwrap();
    ask(&mut client, b"hello").await;
    drop(client);
    server.await.unwrap().unwrap();
}

/// Something has come from there, were it nothing that can be read: from there on time alone ends it.
#[tokio::test]
async fn who_was_heard_is_not_said_to_be_gone() {
    let there = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = there.local_addr().unwrap();
    let dtls = DtlsConnector::new(connector().handshake_timeout(Duration::from_secs(4)));
    let connecting = tokio::spawn(async move { dtls.connect(address, name()).await });
    let (_, client) = there.recv_from(&mut [0; 2_000]).await.unwrap();
    there.send_to(b"what?", client).await.unwrap();
    drop(there);
    let error = connecting.await.unwrap().unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

/// Of a name with several addresses the next one is tried, where nobody listens at one, or nobody answers there.
#[tokio::test]
async fn the_next_address_is_tried_where_nobody_is() {
    let listener = DtlsListener::bind("127.0.0.1:0", acceptor()).await.unwrap();
    let there = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            tokio::spawn(async move { echo(incoming.handshake().await?).await });
        }
    });
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let silent = (silent.local_addr().unwrap(), silent);
    for (first, most) in [(nowhere().await, 2_000), (silent.0, 3_000)] {
        let begun = Instant::now();
        let connecting = patient().connect(&[first, there][..], name()).await;
        let mut client = connecting.unwrap();
        ask(&mut client, b"hello").await;
        assert_eq!(client.peer_addr(), Some(there));
        let range = Duration::from_millis(900)..Duration::from_millis(most + 3_000);
        assert!(range.contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
    // Each has its share of the time there is.
    let dtls = DtlsConnector::new(connector().handshake_timeout(Duration::from_secs(3)));
    let all = [silent.0, silent.0, there];
    dtls.connect(&all[..], name()).await.unwrap();
}

/// Who was heard is there: whatever becomes of its handshake.
#[tokio::test]
async fn no_other_address_is_tried_where_somebody_has_spoken() {
    let there = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let first = there.local_addr().unwrap();
    let next = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let all = [first, next.local_addr().unwrap()];
    let dtls = DtlsConnector::new(connector().handshake_timeout(Duration::from_secs(4)));
    let connecting = tokio::spawn(async move { dtls.connect(&all[..], name()).await });
    let (_, client) = there.recv_from(&mut [0; 2_000]).await.unwrap();
    there.send_to(b"what?", client).await.unwrap();
    let error = connecting.await.unwrap().unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(next.try_recv_from(&mut [0; 2_000]).is_err());
}

/// Where nobody is anywhere, the last one says why.
#[tokio::test]
async fn nobody_is_anywhere() {
    let all = [nowhere().await, nowhere().await];
    let error = patient().connect(&all[..], name()).await.unwrap_err();
    let refused = error.transport().map(std::io::Error::kind);
    assert_eq!(refused, Some(ErrorKind::ConnectionRefused), "{error}");
    for address in all {
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
