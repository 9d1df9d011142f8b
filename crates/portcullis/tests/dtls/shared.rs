//! One socket for several things: clients beside servers, and what is not DTLS.

use std::time::Duration;

use portcullis::{
    Discarded, DtlsAcceptor, DtlsConnector, DtlsListener, DtlsOptions, Foreign, TlsAcceptor,
    TlsConnector, UdpOptions,
};
use tokio::net::UdpSocket;

use crate::ends::*;
use crate::{accept, ask, echo, eventually, listen};

/// Echoes to all who come.
fn serve(listener: DtlsListener) {
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            tokio::spawn(async move { echo(incoming.handshake().await?).await });
        }
    });
}

#[tokio::test]
async fn clients_and_servers_share_a_socket() {
    let mut others = Vec::new();
    for _ in 0..2 {
        let (other, address) = listen(acceptor()).await;
        serve(other);
        others.push(address);
    }
    let (listener, address) = listen(acceptor()).await;
    let dtls = DtlsConnector::new(connector());
    // To two servers from the socket at which a third client is served.
    let (one, other, own, served) = tokio::join!(
        dtls.connect_from(&listener, others[0], name()),
        dtls.connect_from(&listener, others[1], name()),
        dtls.connect(address, name()),
        accept(&listener),
    );
    let mut clients = [one.unwrap(), other.unwrap(), own.unwrap()];
    tokio::spawn(echo(served.unwrap()));
    for client in &clients[..2] {
        assert_eq!(
            client.local_addr().map(|own| own.port()),
            Some(address.port())
        );
    }
    for client in &mut clients {
        ask(client, b"all at once").await;
    }
    assert_eq!(listener.statistics().connections, 3);
    // Between two addresses there is one.
    let again = dtls.connect_from(&listener, others[0], name()).await;
    let again = again.unwrap_err().to_string();
    assert!(again.contains("already"), "{again}");
    ask(&mut clients[0], b"which is as it was").await;
    // The listener goes, and its clients go on.
    drop(listener);
    for client in &mut clients {
        ask(client, b"and on").await;
    }
    for client in clients {
        client.close(Duration::from_secs(5)).await.unwrap();
    }
}

/// One after the other, and each is the other's server as well.
#[tokio::test]
async fn who_is_called_may_call_back() {
    let (one, other) = (listen(acceptor()).await, listen(acceptor()).await);
    let dtls = DtlsConnector::new(connector());
    let (client, server) =
        tokio::join!(dtls.connect_from(&one.0, other.1, name()), accept(&other.0));
    let (mut client, server) = (client.unwrap(), server.unwrap());
    let served = tokio::spawn(echo(server));
    ask(&mut client, b"one to the other").await;
    // That was the way between them: it is closed, and then it is the other way round.
    client.close(Duration::from_secs(5)).await.unwrap();
    served.await.unwrap().unwrap();
    eventually("the connections are forgotten", || {
        one.0.statistics().connections + other.0.statistics().connections == 0
    })
    .await;
    let (client, server) = tokio::join!(dtls.connect_from(&other.0, one.1, name()), accept(&one.0));
    tokio::spawn(echo(server.unwrap()));
    ask(&mut client.unwrap(), b"and back").await;
}

/// Whose connection is not closed yet.
#[tokio::test]
async fn who_is_connected_is_not_called() {
    let (one, other) = (listen(acceptor()).await, listen(acceptor()).await);
    let dtls = DtlsConnector::new(connector().handshake_timeout(Duration::from_secs(10)));
    let (client, server) =
        tokio::join!(dtls.connect_from(&one.0, other.1, name()), accept(&other.0));
    let mut client = client.unwrap();
    tokio::spawn(echo(server.unwrap()));
    let back = dtls.connect_from(&other.0, one.1, name()).await;
    let back = back.unwrap_err().to_string();
    assert!(back.contains("already"), "{back}");
    ask(&mut client, b"as it was").await;
}

/// Of two calls one goes on, and both sides agree which.
#[tokio::test]
async fn calls_that_cross_are_one_connection() {
    let older = [portcullis::ProtocolVersion::TLS_1_2];
    for round in 0..8 {
        let mut client = client_config().to_builder();
        if round % 2 == 1 {
            client = client.versions(older);
        }
        let tls = TlsConnector::new(client.build().unwrap());
        let dtls = DtlsConnector::new(tls.handshake_timeout(Duration::from_secs(20)));
        let both = TlsAcceptor::new(crate::gates::server());
        let (one, other) = (listen(both.clone()).await, listen(both).await);
        let calls = async {
            tokio::join!(
                dtls.connect_from(&one.0, other.1, name()),
                dtls.connect_from(&other.0, one.1, name()),
            )
        };
        let (called, served) = {
            let served = async {
                tokio::select! {
                    served = accept(&one.0) => (served, false),
                    served = accept(&other.0) => (served, true),
                }
            };
            let both = async { tokio::join!(calls, served) };
            let within = tokio::time::timeout(Duration::from_secs(30), both);
            within.await.expect("one of both goes on")
        };
        let (served, by_other) = served;
        let (gone_on, failed) = match by_other {
            true => called,
            false => (called.1, called.0),
        };
        let mut client = gone_on.unwrap();
        let failed = failed.unwrap_err().to_string();
        assert!(failed.contains("has called at the same time"), "{failed}");
        tokio::spawn(echo(served.unwrap()));
        ask(&mut client, b"one way or the other").await;
        let statistics = [&one.0, &other.0].map(|side| side.statistics());
        let admitted = statistics.each_ref().map(|side| side.admitted);
        assert_eq!(admitted, if by_other { [0, 1] } else { [1, 0] });
        eventually("there is one at each", || {
            [&one.0, &other.0].map(|side| side.statistics().connections) == [1, 1]
        })
        .await;
    }
}

/// Who was called has begun anew, and calls.
#[tokio::test]
async fn who_was_called_takes_the_place_of_the_connection() {
    let (listener, address) = listen(acceptor()).await;
    let (other, server) = listen(acceptor()).await;
    let relay = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let there = relay.local_addr().unwrap();
    // What the listener says goes to the server, and when a client has come, to him.
    let relaying = tokio::spawn(async move {
        let (mut buffer, mut to) = (vec![0; 65_536], server);
        loop {
            let (length, from) = relay.recv_from(&mut buffer).await.unwrap();
            if from != address && from != server {
                to = from;
            }
            let to = if from == address { to } else { address };
            relay.send_to(&buffer[..length], to).await.unwrap();
        }
    });
    let dtls = DtlsConnector::new(connector());
    let (called, served) =
        tokio::join!(dtls.connect_from(&listener, there, name()), accept(&other));
    let (mut called, served) = (called.unwrap(), served.unwrap());
    let (client, anew) = tokio::join!(dtls.connect(there, name()), accept(&listener));
    let mut client = client.unwrap();
    tokio::spawn(echo(anew.unwrap()));
    let ended = called.recv_timeout(Duration::from_secs(20)).await;
    let ended = ended.unwrap_err().to_string();
    assert!(ended.contains("another connection"), "{ended}");
    drop(called);
    ask(&mut client, b"in its place").await;
    eventually("the other is forgotten", || {
        listener.statistics().connections == 1
    })
    .await;
    ask(&mut client, b"and still there").await;
    client.close(Duration::from_secs(5)).await.unwrap();
    eventually("so is this", || listener.statistics().connections == 0).await;
    drop(served);
    relaying.abort();
}

/// Its driver has gone with the runtime: nobody will take anything, and that is said.
#[test]
fn nothing_waits_for_a_driver_that_has_gone() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let gone = runtime();
    let (listener, _) = gone.block_on(listen(acceptor()));
    drop(gone);
    runtime().block_on(async {
        let mut foreign = listener.foreign();
        let ended = tokio::time::timeout(Duration::from_secs(20), foreign.recv());
        assert!(ended.await.unwrap().is_none());
    });
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_for_a_socket_that_is_over_is_not_kept() {
    let options = DtlsOptions::new().connection_ids(Some(8));
    let with = DtlsAcceptor::new(acceptor()).options(options);
    let mut listeners = DtlsListener::bind_many("127.0.0.1:0", with, 2)
        .await
        .unwrap();
    let address = listeners[0].local_addr().unwrap();
    let over = listeners.pop().unwrap();
    let mut foreign = over.foreign();
    drop(over);
    let ended = tokio::time::timeout(Duration::from_secs(20), foreign.recv());
    assert!(ended.await.unwrap().is_none());
    // Held, the socket still gets its part. For a connection of the second socket, from many addresses.
    let record = [&[0x3f, 1][..], &[7; 40]].concat();
    let mut senders = Vec::new();
    for _ in 0..200 {
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        sender.send_to(&record, address).await.unwrap();
        senders.push(sender);
        let statistics = listeners[0].statistics();
        assert_eq!(statistics.handed_over, 0);
        if statistics.handed_over_full > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    eventually("some came to the first", || {
        listeners[0].statistics().handed_over_full > 0
    })
    .await;
    assert_eq!(listeners[0].statistics().handed_over, 0);
}

/// The answers would come to any of them.
#[cfg(unix)]
#[tokio::test]
async fn who_has_an_address_with_others_does_not_call_from_it() {
    let (other, there) = listen(acceptor()).await;
    serve(other);
    let dtls = DtlsConnector::new(connector());
    for (count, expected) in [(2, false), (1, true)] {
        let listeners = DtlsListener::bind_many("127.0.0.1:0", acceptor(), count)
            .await
            .unwrap();
        let called = dtls.connect_from(&listeners[0], there, name()).await;
        match called {
            Ok(mut client) => {
                assert!(expected);
                ask(&mut client, b"alone").await;
            }
            Err(error) => assert!(
                !expected && error.to_string().contains("bind_many"),
                "{error}"
            ),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_at_a_shared_socket_is_refused() {
    let ids = |bytes| DtlsOptions::new().connection_ids(Some(bytes));
    let with = DtlsAcceptor::new(acceptor()).options(ids(8));
    let (listener, _) = listen(with).await;
    let (other, there) = listen(DtlsAcceptor::new(acceptor()).options(ids(8))).await;
    serve(other);
    let dtls = DtlsConnector::new(connector());
    let refused = [
        (dtls.clone().options(ids(16)), "connection_ids"),
        (dtls.clone().udp_options(UdpOptions::new()), "udp_options"),
    ];
    for (dtls, expected) in refused {
        let error = dtls.connect_from(&listener, there, name()).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let of_ipv6 = "[2001:db8::1]:4433"
        .parse::<std::net::SocketAddr>()
        .unwrap();
    let error = dtls.connect_from(&listener, of_ipv6, name()).await;
    assert!(error.unwrap_err().to_string().contains("IPv4"));
    // As many bytes as the listener has, or none.
    for bytes in [8, 0] {
        let dtls = dtls.clone().options(ids(bytes));
        let mut client = dtls.connect_from(&listener, there, name()).await.unwrap();
        ask(&mut client, b"known by its id").await;
        assert_eq!(client.connection_ids().unwrap().0.len(), bytes);
        client.close(Duration::from_secs(5)).await.unwrap();
        eventually("it is forgotten", || listener.statistics().connections == 0).await;
    }
}

async fn next(foreign: &mut Foreign) -> Vec<u8> {
    let datagram = tokio::time::timeout(Duration::from_secs(10), foreign.recv());
    datagram.await.unwrap().unwrap().contents().to_vec()
}

#[tokio::test]
async fn what_is_not_dtls_goes_to_whoever_asks_for_it() {
    let (listener, address) = listen(acceptor()).await;
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let here = peer.local_addr().unwrap();
    // Nobody has asked.
    peer.send_to(&[0, 1, 0, 0], address).await.unwrap();
    eventually("it is counted", || {
        listener.statistics().discards.count(Discarded::ForeignByte) == 1
    })
    .await;
    let mut foreign = listener.foreign();
    let kinds: [&[u8]; 4] = [b"\0\x01STUN", b"\x10ZRTP", b"\x40\0TURN", b"\x80RTP"];
    for sent in kinds {
        peer.send_to(sent, address).await.unwrap();
        let datagram = foreign.recv().await.unwrap();
        assert_eq!(&datagram.contents()[..], sent);
        assert_eq!(datagram.peer_addr(), here);
        foreign.answer(b"\x01answer", &datagram).await.unwrap();
        let mut answer = [0; 20];
        let (length, from) = peer.recv_from(&mut answer).await.unwrap();
        assert_eq!((&answer[..length], from), (&b"\x01answer"[..], address));
    }
    foreign.send_to(b"\x80first", here).await.unwrap();
    let mut answer = [0; 20];
    assert_eq!(peer.recv_from(&mut answer).await.unwrap().0, 6);
    // Beside a connection, whose peer sends both.
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    let (mut client, server) = (client.unwrap(), server.unwrap());
    tokio::spawn(echo(server));
    for number in 0..3 {
        ask(&mut client, b"a message").await;
        peer.send_to(&[0x80, number], address).await.unwrap();
        assert_eq!(next(&mut foreign).await, [0x80, number]);
    }
    let statistics = listener.statistics();
    assert_eq!((statistics.foreign, statistics.foreign_full), (7, 0));
    assert_eq!(statistics.discards.count(Discarded::ForeignByte), 1);
    // Another one takes over, and the first is at its end.
    let mut another = listener.foreign();
    assert!(foreign.recv().await.is_none());
    peer.send_to(b"\x80 once more", address).await.unwrap();
    assert_eq!(next(&mut another).await, b"\x80 once more");
    drop(listener);
    client.close(Duration::from_secs(5)).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), another.recv());
    assert!(ended.await.unwrap().is_none());
}

/// Whoever floods a socket takes a fixed amount of memory, and nobody's connection.
#[tokio::test]
async fn what_nobody_takes_is_bounded() {
    let (listener, address) = listen(acceptor()).await;
    let mut foreign = listener.foreign();
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let seen = || {
        let statistics = listener.statistics();
        statistics.foreign + statistics.foreign_full
    };
    let mut sent = 0;
    while listener.statistics().foreign_full == 0 {
        peer.send_to(&[0x80; 20_000], address).await.unwrap();
        sent += 1;
        assert!(sent < 10_000);
        // Not faster than the socket takes it.
        eventually("it came", || seen() >= sent.min(50)).await;
        tokio::task::yield_now().await;
    }
    // 1 MiB.
    assert_eq!(listener.statistics().foreign, 52);
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    tokio::spawn(echo(server.unwrap()));
    ask(&mut client.unwrap(), b"meanwhile").await;
    for _ in 0..52 {
        assert_eq!(next(&mut foreign).await.len(), 20_000);
    }
    // There is room again.
    peer.send_to(&[0x80; 20_000], address).await.unwrap();
    assert_eq!(next(&mut foreign).await.len(), 20_000);
}
