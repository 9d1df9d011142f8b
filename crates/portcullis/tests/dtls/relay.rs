//! Between a client and a server over UDP: datagrams are lost there, and clients look as if they were one.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis::{DatagramOptions, DtlsAcceptor, DtlsConnector, DtlsOptions, Retransmission};
use tokio::net::UdpSocket;

use crate::ends::*;
use crate::link::at_random;
use crate::{accept, ask, echo, listen};

/// Its address for clients. It sends to the last one that has sent.
pub(crate) async fn relay(server: SocketAddr, lost_of_a_thousand: u64) -> SocketAddr {
    let (near, far) = (
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    );
    far.connect(server).await.unwrap();
    let address = near.local_addr().unwrap();
    tokio::spawn(async move {
        let mut lost = at_random(address.port().into(), lost_of_a_thousand);
        let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
        let mut client = None;
        loop {
            tokio::select! {
                came = near.recv_from(&mut up) => {
                    let (length, from) = came.unwrap();
                    client = Some(from);
                    if !lost(&[]) {
                        let _ = far.send(&up[..length]).await;
                    }
                }
                came = far.recv(&mut down) => {
                    if let (Ok(length), Some(client)) = (came, client)
                        && !lost(&[])
                    {
                        let _ = near.send_to(&down[..length], client).await;
                    }
                }
            }
        }
    });
    address
}

/// Impatient, so that a test is short.
fn impatient() -> DtlsOptions {
    let retransmission = Retransmission::default().initial(Duration::from_millis(30));
    let datagrams = DatagramOptions::default()
        .mtu(600)
        .retransmission(retransmission);
    DtlsOptions::new().datagrams(datagrams)
}

#[tokio::test]
async fn a_tenth_of_all_datagrams_is_lost() {
    let acceptor = DtlsAcceptor::new(acceptor()).options(impatient());
    let (listener, server) = listen(acceptor).await;
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            tokio::spawn(async move { echo(incoming.handshake().await?).await });
        }
    });
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..10 {
        clients.spawn(async move {
            let address = relay(server, 100).await;
            let connector = connector().handshake_timeout(Duration::from_secs(30));
            let dtls = DtlsConnector::new(connector).options(impatient());
            let mut client = dtls.connect(address, name()).await.unwrap();
            for round in 0..10_u8 {
                ask(&mut client, &[round; 100]).await;
                client.update_keys(round % 2 == 0).unwrap();
            }
        });
    }
    clients.join_all().await;
}

/// RFC 6347 §4.2.8: the one before goes on until the new one's handshake is over.
#[tokio::test]
async fn a_client_that_starts_anew_takes_the_place_of_its_connection() {
    let (listener, server) = listen(acceptor()).await;
    let address = relay(server, 0).await;
    let dtls = DtlsConnector::new(connector());
    let (first, old) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    let (first, mut old) = (first.unwrap(), old.unwrap());
    first.send(&[b"from the first"]).await.unwrap();
    assert_eq!(&old.recv().await.unwrap()[..], b"from the first");

    let (second, new) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    let (mut second, mut new) = (second.unwrap(), new.unwrap());
    second.send(&[b"from the second"]).await.unwrap();
    assert_eq!(&new.recv().await.unwrap()[..], b"from the second");
    new.send(&[b"to the second"]).await.unwrap();
    assert_eq!(&second.recv().await.unwrap()[..], b"to the second");
    let error = old.recv().await.unwrap_err();
    assert!(error.to_string().contains("another connection"), "{error}");
}

/// Somebody who only says hello at an address does not end the connection there.
#[tokio::test]
async fn a_hello_alone_takes_no_place() {
    let (listener, server) = listen(acceptor()).await;
    let address = relay(server, 0).await;
    let dtls = DtlsConnector::new(connector());
    let (first, old) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    let (mut first, old) = (first.unwrap(), old.unwrap());
    // Its handshake ends where the server's certificate is not accepted.
    let wrong = dtls.connect(address, other_name());
    let (wrong, refused) = tokio::join!(wrong, accept(&listener));
    assert!(wrong.is_err() && refused.is_err());
    let old = tokio::spawn(echo(old));
    ask(&mut first, b"still here").await;
    drop(first);
    old.await.unwrap().unwrap();
}

/// The relay's own promise: what it is told to lose is lost.
#[tokio::test]
async fn a_relay_that_loses_all_connects_nobody() {
    let (_listener, server) = listen(acceptor()).await;
    let address = relay(server, 1_000).await;
    let connector = connector().handshake_timeout(Duration::from_millis(300));
    let error = DtlsConnector::new(connector).connect(address, name()).await;
    assert!(error.unwrap_err().is_timeout());
}
