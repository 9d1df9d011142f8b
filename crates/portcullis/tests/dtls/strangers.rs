//! What anybody can send: it is dropped, counted, and ends nothing.

use std::net::UdpSocket;
use std::time::Duration;

use portcullis::{Discarded, DtlsConnector, ProtocolVersion, TlsAcceptor, TlsConnector};

use crate::ends::*;
use crate::link::{Stranger, link};
use crate::memory::shake;
use crate::{accept, ask, echo, eventually, listen};

/// What Erlang's DTLS was ended by, and more.
fn garbage() -> Vec<Vec<u8>> {
    let header = |typ: u8, epoch: u8, sequence: u8, body: &[u8]| {
        let mut record = vec![
            typ,
            254,
            253,
            0,
            epoch,
            0,
            0,
            0,
            0,
            0,
            sequence,
            0,
            body.len() as u8,
        ];
        record.extend(body);
        record
    };
    let mut hello = vec![1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 3, 3];
    let mut all = vec![
        vec![0],
        vec![255; 100],
        vec![22; 1_400],
        header(21, 0, 1, &[2, 40]),
        header(21, 0, 2, &[1, 0]),
        header(21, 0, 3, &[2, 0]),
        header(22, 0, 4, &hello),
        header(22, 0, 5, &[]),
        header(20, 0, 6, &[1]),
        header(23, 1, 7, b"data in epoch 1, which nobody has"),
        header(23, 0, 8, b"data in the clear"),
        header(26, 0, 9, &[0, 0]),
        header(22, 0, 10, &[2; 60]),
    ];
    hello.truncate(5);
    all.push(header(22, 0, 11, &hello));
    for first in 0x20..0x40_u8 {
        all.push(vec![first]);
        all.push([&[first, 0, 1, 0, 30][..], &[7; 30]].concat());
        all.push([&[first, 255, 255, 255, 255][..], &[7; 40]].concat());
    }
    all
}

#[tokio::test(start_paused = true)]
async fn garbage_leaves_a_connection_as_it_is() {
    let (client, server) = link(1_024);
    let strangers: [Stranger; 2] = [client.stranger(), server.stranger()];
    let (client, server) = shake(client, server).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    for datagram in garbage() {
        for stranger in &strangers {
            stranger.send(&datagram);
        }
    }
    for _ in 0..3 {
        client.send(&[b"hello"]).await.unwrap();
        assert_eq!(&server.recv().await.unwrap()[..], b"hello");
        server.send(&[b"hello"]).await.unwrap();
        assert_eq!(&client.recv().await.unwrap()[..], b"hello");
    }
    for side in [&client, &server] {
        let discards = side.statistics().discards;
        assert!(discards.total() >= 100, "{discards:?}");
        assert!(discards.count(Discarded::DoesNotOpen) > 0);
        assert!(discards.count(Discarded::UnprotectedAfterKeys) > 0);
        assert!(discards.count(Discarded::ForeignByte) > 0);
    }
}

/// What comes twice is delivered once.
#[tokio::test(start_paused = true)]
async fn a_datagram_that_comes_twice_is_one_message() {
    let (client, server) = link(1_024);
    let again = server.stranger();
    let client = client.losing(move |datagram| {
        again.send(datagram);
        false
    });
    let (client, server) = shake(client, server).await;
    let (client, mut server) = (client.unwrap(), server.unwrap());
    for number in 0..10_u8 {
        client.send(&[&[number]]).await.unwrap();
    }
    for number in 0..10_u8 {
        assert_eq!(&server.recv().await.unwrap()[..], [number]);
    }
    let silence = server.recv_timeout(Duration::from_secs(1)).await;
    assert!(silence.unwrap_err().is_timeout());
    assert!(server.statistics().discards.count(Discarded::Replayed) >= 10);
}

/// From everywhere, before, in and after handshakes of others.
#[tokio::test]
async fn a_listener_goes_on() {
    let (listener, address) = listen(acceptor()).await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = || {
        for datagram in garbage() {
            socket.send_to(&datagram, address).unwrap();
        }
        socket.send_to(&[], address).unwrap();
    };
    send();
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    let (mut client, server) = (client.unwrap(), server.unwrap());
    let server = tokio::spawn(echo(server));
    send();
    ask(&mut client, b"hello").await;
    eventually("all of it was looked at", || {
        listener.statistics().discards.total() >= 200
    })
    .await;
    assert_eq!(listener.statistics().connections, 1);
    let (another, server2) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    another.unwrap();
    server2.unwrap();
    drop(client);
    server.await.unwrap().unwrap();
}

/// Alerts in the clear and other garbage while a server thinks.
#[tokio::test]
async fn garbage_from_a_clients_own_port_ends_nothing() {
    let (listener, address) = listen(acceptor()).await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    let other = socket.try_clone().unwrap();
    let transport = tokio::net::UdpSocket::from_std(socket).unwrap();
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.upgrade(transport, name()), accept(&listener));
    let (mut client, server) = (client.unwrap(), server.unwrap());
    let server = tokio::spawn(echo(server));
    for datagram in garbage() {
        other.send(&datagram).unwrap();
    }
    ask(&mut client, b"hello").await;
    drop(client);
    server.await.unwrap().unwrap();
}

/// The hello with which a client was let in, once more: it is no second client's.
#[tokio::test]
async fn a_hello_that_comes_twice_begins_nothing() {
    let older = [ProtocolVersion::TLS_1_2];
    let server = server_config().to_builder().versions(older).build();
    let (listener, address) = listen(TlsAcceptor::new(server.unwrap())).await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let relay = socket.local_addr().unwrap();
    let relaying = async {
        let (mut buffer, mut of_client, mut said) = (vec![0; 2_000], None, Vec::new());
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let of_client = *of_client.get_or_insert(from);
            let to = if from == address { of_client } else { address };
            if from != address {
                said.push(buffer[..length].to_vec());
            }
            if said.len() == 100 {
                break;
            }
            socket.send_to(&buffer[..length], to).await.unwrap();
            if buffer[0] == 23 {
                // All that the client has said in the clear, again.
                for datagram in said.drain(..).filter(|datagram| datagram[0] == 22) {
                    socket.send_to(&datagram, address).await.unwrap();
                }
            }
        }
    };
    let client = client_config().to_builder().versions(older).build();
    let dtls = DtlsConnector::new(TlsConnector::new(client.unwrap()));
    let shaking = async {
        let (client, server) = tokio::join!(dtls.connect(relay, name()), accept(&listener));
        let (mut client, server) = (client.unwrap(), tokio::spawn(echo(server.unwrap())));
        let admitted = listener.statistics().admitted;
        for _ in 0..3 {
            ask(&mut client, b"still here").await;
        }
        assert_eq!(listener.statistics().admitted, admitted);
        client.close(Duration::from_secs(1)).await.unwrap();
        server.await.unwrap().unwrap();
    };
    tokio::select! {
        () = shaking => {}
        () = relaying => panic!("more than 100 datagrams"),
    }
}

/// No connection prints what it has received.
#[tokio::test]
async fn nobody_prints_messages() {
    let (client, server, _listener) = crate::over_udp().await;
    client.send(&[&[222; 30]]).await.unwrap();
    eventually("it has come", || {
        server.statistics().received.operations() > 0
    })
    .await;
    let (sender, receiver) = server.into_split();
    assert!(!format!("{sender:?} {receiver:?}").contains("222, 222"));
}
