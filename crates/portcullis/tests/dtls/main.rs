//! DTLS over sockets and in memory: what is promised of connections, and what strangers may send.

#[path = "../ends/mod.rs"]
mod ends;
mod link;

mod anew;
mod authentication;
mod bounds;
mod cancel;
mod early_data;
mod ech;
mod forged;
mod front;
mod gates;
mod many;
mod media;
mod memory;
mod moves;
mod path;
mod pauses;
mod refused;
mod relay;
mod renegotiation;
mod shared;
mod sockets;
mod strangers;

use std::net::SocketAddr;
use std::time::Duration;

use ends::*;
use portcullis::{DtlsAcceptor, DtlsConnection, DtlsConnector, DtlsListener, Error};

/// A server on loopback, and where it is.
async fn listen(acceptor: impl Into<DtlsAcceptor>) -> (DtlsListener, SocketAddr) {
    let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Accepts one client.
async fn accept(listener: &DtlsListener) -> Result<DtlsConnection, Error> {
    listener.accept().await?.handshake().await
}

/// Both ends of a connection over UDP.
async fn over_udp() -> (DtlsConnection, DtlsConnection, DtlsListener) {
    let (listener, address) = listen(acceptor()).await;
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    (client.unwrap(), server.unwrap(), listener)
}

/// Gives back what comes, until the client closes.
async fn echo(mut server: DtlsConnection) -> Result<(), Error> {
    loop {
        match server.recv().await {
            Ok(message) => server.send(&[&message]).await?,
            Err(error) if error.is_closed() => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Says something until it is answered: either may be lost.
async fn ask(client: &mut DtlsConnection, message: &[u8]) {
    for _ in 0..100 {
        client.send(&[message]).await.unwrap();
        while let Ok(answer) = client.recv_timeout(Duration::from_millis(100)).await {
            // On a busy machine what was said before is answered late.
            if &answer[..] == message {
                return;
            }
        }
    }
    panic!("no answer");
}

/// Waits until something has become so.
async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
