//! What is dropped before it is over: nothing is lost that had come, and nothing is left.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use portcullis::{DtlsConnector, Reason};

use crate::ends::*;
use crate::link::link;
use crate::memory::shake;
use crate::{accept, eventually, listen};

#[tokio::test(start_paused = true)]
async fn a_receive_that_is_dropped_loses_nothing() {
    let (client, server) = link(64);
    let (client, server) = shake(client, server).await;
    let (client, mut server) = (client.unwrap(), server.unwrap());
    for number in 0..50_u8 {
        // Polled, and dropped.
        {
            let mut receiving = pin!(server.recv());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(receiving.as_mut().poll(&mut cx).is_pending());
        }
        client.send(&[&[number]]).await.unwrap();
        let waited = server.recv_timeout(Duration::from_secs(1)).await;
        assert_eq!(&waited.unwrap()[..], [number]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_dropped_is_whole_or_not_at_all() {
    let (client, server) = link(1);
    let (client, server) = shake(client, server).await;
    let (client, mut server) = (client.unwrap(), server.unwrap());
    for number in 0..20_u8 {
        let message = [number; 500];
        let slices = [&message[..]];
        let mut sending = pin!(client.send(&slices));
        let mut cx = Context::from_waker(Waker::noop());
        let _ = sending.as_mut().poll(&mut cx);
    }
    let mut before = None;
    while let Ok(message) = server.recv_timeout(Duration::from_secs(1)).await {
        assert_eq!(message.len(), 500);
        assert!(message.iter().all(|byte| *byte == message[0]));
        assert!(before < Some(message[0]));
        before = Some(message[0]);
    }
    assert!(before.is_some());
    // And others have their turn.
    client.send(&[b"last"]).await.unwrap();
    assert_eq!(&server.recv().await.unwrap()[..], b"last");
}

/// At each point where it waits.
#[tokio::test]
async fn a_clients_handshake_that_is_dropped_is_cancelled() {
    let (listener, address) = listen(acceptor()).await;
    let mut was_told = 0;
    for polls in 1..12 {
        let dtls = DtlsConnector::new(connector());
        let connecting = tokio::spawn(async move {
            let mut connecting = pin!(dtls.connect(address, name()));
            let mut left = polls;
            std::future::poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(None);
                }
                left -= 1;
                connecting.as_mut().poll(cx).map(Some)
            })
            .await
        });
        let server = async {
            let incoming = listener.accept().await?;
            incoming.handshake().await
        };
        let server = tokio::time::timeout(Duration::from_secs(2), server).await;
        let client = connecting.await.unwrap();
        if let (None, Ok(Err(error))) = (&client, &server) {
            was_told += i32::from(matches!(error.reason(), Some(Reason::AlertReceived(_))));
        }
        drop((client, server));
        eventually("it is forgotten", || listener.statistics().connections == 0).await;
    }
    assert!(was_told > 0);
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    client.unwrap();
    server.unwrap();
}

#[tokio::test]
async fn accepting_that_is_dropped_loses_no_client() {
    let (listener, address) = listen(acceptor()).await;
    for _ in 0..5 {
        let mut accepting = pin!(listener.accept());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(accepting.as_mut().poll(&mut cx).is_pending());
    }
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    client.unwrap();
    server.unwrap();
}
