//! Many handshakes at once, by `DtlsListener::connections`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use portcullis::{
    ClientConfig, DtlsConnector, DtlsListener, Roots, TlsAcceptor, TlsConnector, answers,
};

use crate::ends::*;
use crate::{ask, echo, eventually, listen};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn failures_reach_the_callback_and_hold_up_nobody() {
    let (listener, address) = listen(acceptor()).await;
    let failed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&failed);
    let mut connections = listener.connections(4).on_failed(move |failure| {
        assert!(failure.peer_addr.is_some());
        assert!(failure.error.alert().is_some(), "{failure}");
        count.fetch_add(1, Ordering::Relaxed);
    });
    let stop = connections.stop_handle();
    let serving = tokio::spawn(async move {
        let mut served = 0;
        while let Ok(connection) = connections.accept().await {
            assert!(connection.peer_addr().is_some());
            served += 1;
            tokio::spawn(echo(connection));
        }
        assert!(connections.listener().is_none());
        served
    });
    for round in 0..6 {
        let stranger = ClientConfig::builder(other_roots()).build().unwrap();
        let stranger = TlsConnector::new(stranger).without_resumption();
        let connector = if round % 2 == 0 {
            connector()
        } else {
            stranger
        };
        let connected = DtlsConnector::new(connector).connect(address, name()).await;
        assert_eq!(connected.is_ok(), round % 2 == 0);
        if let Ok(mut client) = connected {
            ask(&mut client, b"hello").await;
            client.close(5 * SECOND).await.unwrap();
        }
    }
    stop.stop();
    assert_eq!(serving.await.unwrap(), 3);
    assert_eq!(failed.load(Ordering::Relaxed), 3);
    stop.stopped().await;
}

fn other_roots() -> Roots {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = root.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let mut roots = Roots::empty();
    roots.add_der(root.der().clone()).unwrap();
    roots
}

/// So many at once, and the others behind them; who was under way when it was stopped is handed on.
#[tokio::test]
async fn handshakes_are_bounded_and_come_to_their_end_after_a_stop() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (asked, waiting) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&gate));
    let counting = Arc::clone(&asked);
    let slow = answers::identity_by_name(move |_| {
        let (waiting, counting) = (Arc::clone(&waiting), Arc::clone(&counting));
        async move {
            counting.fetch_add(1, Ordering::Relaxed);
            waiting.acquire().await.unwrap().forget();
            Ok(Some(pki().server.clone()))
        }
    });
    let acceptor = TlsAcceptor::new(server_config()).answers(slow);
    let (listener, address) = listen(acceptor).await;
    let mut connections = listener.connections(2);
    let stop = connections.stop_handle();
    let serving = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(connection) = connections.next().await {
            all.push(connection.unwrap());
            assert!(connections.handshakes() <= 2);
        }
        all
    });
    let clients: Vec<_> = (0..5)
        .map(|_| {
            tokio::spawn(async move {
                DtlsConnector::new(connector())
                    .connect(address, name())
                    .await
            })
        })
        .collect();
    let reached = |count| asked.load(Ordering::Relaxed) == count;
    eventually("two are asked", || reached(2)).await;
    tokio::time::sleep(SECOND / 5).await;
    assert!(reached(2));
    gate.add_permits(1);
    eventually("a third has its turn", || reached(3)).await;
    stop.stop();
    tokio::time::sleep(SECOND / 5).await;
    gate.add_permits(9);
    let served = serving.await.unwrap();
    assert_eq!((served.len(), asked.load(Ordering::Relaxed)), (3, 3));
    stop.stopped().await;
    // Nobody listens there any more, and the connections that are there go on.
    let mut connected = 0;
    let mut abandoned = Vec::new();
    for client in clients {
        match client.is_finished() {
            true => connected += usize::from(client.await.unwrap().is_ok()),
            false => abandoned.push(client),
        }
    }
    assert!(connected <= 3);
    abandoned.iter().for_each(tokio::task::JoinHandle::abort);
    for connection in served {
        connection.send(&[b"still there"]).await.unwrap();
    }
}

/// Finished, they accept nobody else and give what was under way, also what has failed.
#[tokio::test]
async fn handshakes_under_way_are_finished() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let asked = Arc::new(AtomicUsize::new(0));
    let (waiting, counting) = (Arc::clone(&gate), Arc::clone(&asked));
    let slow = answers::identity_by_name(move |_| {
        let waiting = Arc::clone(&waiting);
        counting.fetch_add(1, Ordering::Relaxed);
        async move {
            waiting.acquire().await.unwrap().forget();
            Ok(Some(pki().server.clone()))
        }
    });
    let acceptor = TlsAcceptor::new(server_config()).answers(slow);
    let (listener, address) = listen(acceptor).await;
    let failed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&failed);
    let mut connections = listener.connections(8).on_failed(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let stranger = ClientConfig::builder(other_roots()).build().unwrap();
    let clients = [connector(), TlsConnector::new(stranger)].map(|connector| {
        tokio::spawn(async move { DtlsConnector::new(connector).connect(address, name()).await })
    });
    let begun = async {
        while asked.load(Ordering::Relaxed) < 2 {
            tokio::select! {
                biased;
                _ = connections.next() => panic!("none is over"),
                () = tokio::time::sleep(SECOND / 50) => {}
            }
        }
    };
    tokio::time::timeout(20 * SECOND, begun).await.unwrap();
    gate.add_permits(2);
    let finished = connections.finish().await;
    assert_eq!(finished.len(), 2);
    assert_eq!(finished.iter().filter(|one| one.is_ok()).count(), 1);
    assert_eq!(failed.load(Ordering::Relaxed), 1);
    let mut connected = 0;
    for client in clients {
        connected += usize::from(client.await.unwrap().is_ok());
    }
    assert_eq!(connected, 1);
}

/// A socket that was bound elsewhere is as good, and nobody comes once its connections are dropped.
#[tokio::test]
async fn dropped_they_accept_nobody_else() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listener = DtlsListener::from_std(socket, acceptor()).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener.connections(2));
    let connector = connector().handshake_timeout(SECOND);
    let error = DtlsConnector::new(connector).connect(address, name()).await;
    assert!(error.unwrap_err().is_timeout());
}
