//! What a server keeps of others, and what it answers: both are bounded.

use std::net::UdpSocket;
use std::time::Duration;

use portcullis::{AddressLimits, DtlsAcceptor, DtlsConnector, DtlsOptions};

use crate::ends::*;
use crate::link::link;
use crate::{accept, ask, echo, eventually, listen, over_udp};

/// The first datagram of a client.
async fn hello() -> Vec<Vec<u8>> {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let limited = connector().handshake_timeout(Duration::from_millis(200));
        let _ = DtlsConnector::new(limited).connect(address, name()).await;
    });
    let (mut datagrams, mut buffer) = (Vec::new(), vec![0; 65_536]);
    let more = Duration::from_millis(100);
    while let Ok(length) = tokio::time::timeout(more, socket.recv(&mut buffer)).await {
        datagrams.push(buffer[..length.unwrap()].to_vec());
    }
    task.abort();
    // What is said of its end is none.
    datagrams.retain(|datagram| datagram[0] == 22);
    datagrams
}

#[tokio::test]
async fn hellos_leave_nothing_before_their_cookie() {
    let (listener, address) = listen(acceptor()).await;
    let hello = hello().await;
    let received: usize = hello.iter().map(Vec::len).sum();
    for _ in 0..500 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        for datagram in &hello {
            socket.send_to(datagram, address).unwrap();
        }
        tokio::task::yield_now().await;
    }
    let answered = || listener.statistics().sent.operations();
    eventually("most are answered", || answered() > 100).await;
    let statistics = listener.statistics();
    assert_eq!((statistics.connections, statistics.admitted), (0, 0));
    // A usual hello is longer than what answers it.
    assert!(
        statistics.sent.largest() as usize <= received,
        "{statistics:?}"
    );
    assert!(statistics.sent.bytes() <= statistics.received.bytes());
    // And others connect.
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    client.unwrap();
    server.unwrap();
}

#[tokio::test]
async fn so_many_handshakes_and_no_more() {
    let options = DtlsOptions::new().handshakes(3);
    let tls = acceptor().handshake_timeout(Duration::from_millis(700));
    let (listener, address) = listen(DtlsAcceptor::new(tls).options(options)).await;
    let clients: Vec<_> = (0..6)
        .map(|_| {
            tokio::spawn(async move {
                let limited = connector().handshake_timeout(Duration::from_millis(600));
                DtlsConnector::new(limited).connect(address, name()).await
            })
        })
        .collect();
    // Nobody accepts.
    eventually("some are turned away", || {
        listener.statistics().handshakes_full > 0
    })
    .await;
    let statistics = listener.statistics();
    assert_eq!((statistics.admitted, statistics.connections), (3, 3));
    for client in clients {
        assert!(client.await.unwrap().unwrap_err().is_timeout());
    }
    // They have given up where they are accepted, and there is room again.
    for _ in 0..3 {
        accept(&listener).await.unwrap_err();
    }
    eventually("there is room", || listener.statistics().connections == 0).await;
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    client.unwrap();
    server.unwrap();
}

#[tokio::test]
async fn so_many_of_an_address() {
    let limits = AddressLimits::new().handshakes(1);
    let options = DtlsOptions::new().per_address(limits);
    let (listener, address) = listen(DtlsAcceptor::new(acceptor()).options(options)).await;
    let clients: Vec<_> = (0..2)
        .map(|_| {
            tokio::spawn(async move {
                DtlsConnector::new(connector())
                    .connect(address, name())
                    .await
            })
        })
        .collect();
    eventually("one is turned away", || {
        listener.statistics().address_full > 0
    })
    .await;
    // It comes again when the other is through.
    for _ in 0..2 {
        accept(&listener).await.unwrap();
    }
    for client in clients {
        client.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn so_many_connections() {
    let options = DtlsOptions::new().connections(2);
    let (listener, address) = listen(DtlsAcceptor::new(acceptor()).options(options)).await;
    let dtls = DtlsConnector::new(connector());
    let mut kept = Vec::new();
    for _ in 0..2 {
        let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
        kept.push((client.unwrap(), server.unwrap()));
    }
    let limited = DtlsConnector::new(connector().handshake_timeout(Duration::from_millis(300)));
    assert!(limited.connect(address, name()).await.is_err());
    assert!(listener.statistics().connections_full > 0);
    kept.pop();
    eventually("one is gone", || listener.statistics().connections == 1).await;
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    client.unwrap();
    server.unwrap();
}

/// What nobody reads is dropped, the newest first.
#[tokio::test(start_paused = true)]
async fn an_inbox_has_an_end() {
    let (client, server) = link(4_096);
    let options = DtlsOptions::new().inbox(5, 16 * 1_024);
    let acceptor = DtlsAcceptor::new(acceptor()).options(options);
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.upgrade(client, name()), acceptor.accept(server));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    for number in 0..20_u8 {
        client.send(&[&[number; 1_000]]).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.statistics().inbox_full, 15);
    for number in 0..5_u8 {
        assert_eq!(server.recv().await.unwrap()[0], number);
    }
    // By bytes, too.
    for number in 0..3_u8 {
        client.send(&[&[number; 8_000]]).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.statistics().inbox_full, 16);
    for number in 0..2_u8 {
        assert_eq!(server.recv().await.unwrap()[0], number);
    }
    let server = tokio::spawn(echo(server));
    ask(&mut client, b"goes on").await;
    drop(client);
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn nothing_is_left_of_what_is_over() {
    let (client, server, listener) = over_udp().await;
    assert_eq!(listener.statistics().connections, 1);
    // Both at once: neither answers the other.
    drop((client, server));
    eventually("it is forgotten", || listener.statistics().connections == 0).await;
}
