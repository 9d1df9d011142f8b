//! What is not DTLS at the socket of a client: media beside its connection (RFC 5764 §5.1.2).

use std::io::ErrorKind;
use std::time::Duration;

use portcullis::{Discarded, DtlsConnector, Foreign};

use crate::ends::*;
use crate::link::link;
use crate::memory::shake;
use crate::{accept, ask, echo, eventually, listen};

async fn next(foreign: &mut Foreign) -> Vec<u8> {
    let datagram = tokio::time::timeout(Duration::from_secs(10), foreign.recv());
    datagram.await.unwrap().unwrap().contents().to_vec()
}

#[tokio::test]
async fn a_client_takes_what_is_not_dtls_at_its_own_socket() {
    let (listener, address) = listen(acceptor()).await;
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    let (mut client, server) = (client.unwrap(), server.unwrap());
    let here = server.peer_addr().unwrap();
    let mut of_server = listener.foreign();
    // Nobody has asked.
    of_server.send_to(b"\x80early", here).await.unwrap();
    eventually("it is counted", || {
        client.statistics().discards.count(Discarded::ForeignByte) == 1
    })
    .await;
    let mut media = client.foreign().unwrap();
    tokio::spawn(echo(server));
    let kinds: [&[u8]; 4] = [b"\0\x01STUN", b"\x10ZRTP", b"\x40\0TURN", b"\x80RTP"];
    for sent in kinds {
        of_server.send_to(sent, here).await.unwrap();
        let datagram = media.recv().await.unwrap();
        assert_eq!(&datagram.contents()[..], sent);
        assert_eq!(datagram.peer_addr(), address);
        media.answer(b"\x81answer", &datagram).await.unwrap();
        assert_eq!(next(&mut of_server).await, b"\x81answer");
        // Beside what is.
        ask(&mut client, b"a message").await;
    }
    media.send_to(b"\x80first", address).await.unwrap();
    assert_eq!(next(&mut of_server).await, b"\x80first");
    let statistics = client.statistics();
    assert_eq!((statistics.foreign, statistics.foreign_full), (4, 0));
    assert_eq!(statistics.discards.count(Discarded::ForeignByte), 1);
    // Another one takes over, which ends with the connection.
    let mut another = client.foreign().unwrap();
    assert!(media.recv().await.is_none());
    of_server.send_to(b"\x80once more", here).await.unwrap();
    assert_eq!(next(&mut another).await, b"\x80once more");
    client.close(Duration::from_secs(5)).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), another.recv());
    assert!(ended.await.unwrap().is_none());
}

/// A listener's socket has what comes for all, and a transport is the caller's.
#[tokio::test]
async fn no_other_connection_takes_it() {
    let (listener, address) = listen(acceptor()).await;
    let (caller, _) = listen(acceptor()).await;
    let dtls = DtlsConnector::new(connector());
    let connecting = dtls.connect_from(&caller, address, name());
    let (called, server) = tokio::join!(connecting, accept(&listener));
    let (near, far) = link(64);
    let (over_transport, other) = shake(near, far).await;
    for connection in [called, server, over_transport, other] {
        let connection = connection.unwrap();
        let error = connection.foreign().unwrap_err();
        assert_eq!(std::io::Error::from(error).kind(), ErrorKind::InvalidInput);
        assert_eq!(connection.statistics().foreign, 0);
    }
}
