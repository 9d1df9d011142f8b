//! Configurations that are replaced while connections are made.

mod ends;

use ends::*;
use portcullis::{
    Identity, Reloadable, ServerConfig, TlsAcceptor, TlsConnector, TlsListener, TlsStream,
};
use tokio::io::{DuplexStream, duplex};

fn config(identity: &Identity) -> ServerConfig {
    let builder = ServerConfig::builder().identity(identity.clone());
    builder.build().unwrap()
}

#[test]
fn a_handle_goes_anywhere() {
    fn assert_kind<T: Clone + Send + Sync + 'static>() {}
    assert_kind::<Reloadable<ServerConfig>>();
    assert_kind::<Reloadable<portcullis::ClientConfig>>();
}

/// The listener is in another task, as in `axum::serve`.
#[tokio::test]
async fn a_listener_that_has_gone_elsewhere_gets_a_new_certificate() {
    let listener = TlsListener::bind("127.0.0.1:0", config(&pki().server))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let handle = listener.reloadable();
    let mut connections = listener.connections(4);
    assert_eq!(connections.reloadable().generation(), 0);
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = connections.accept().await.unwrap();
            // The connection of before goes on with what it has.
            tokio::spawn(async move {
                let word = stream.recv(5).await.unwrap();
                stream.send(&[&word]).await.unwrap();
            });
        }
    });
    let connector = connector();
    let mut before = connector.connect(address, "localhost").await.unwrap();
    connector
        .connect(address, "other.example")
        .await
        .unwrap_err();

    assert_eq!(handle.replace(config(&pki().other)), 1);
    assert_eq!(handle.clone().generation(), 1);
    connector.connect(address, "localhost").await.unwrap_err();
    connector.connect(address, "other.example").await.unwrap();
    before.send(&[b"hello"]).await.unwrap();
    assert_eq!(&before.recv(5).await.unwrap()[..], b"hello");
    serving.abort();
}

async fn shake(connector: &TlsConnector, acceptor: &TlsAcceptor, name: &str) -> bool {
    let (client, server) = duplex(64 * 1024);
    let (client, _) = tokio::join!(connector.upgrade(client, name), acceptor.upgrade(server));
    client.is_ok()
}

#[tokio::test]
async fn clones_share_a_place_and_others_do_not() {
    let acceptor = TlsAcceptor::new(config(&pki().server));
    let clone = acceptor
        .clone()
        .handshake_timeout(std::time::Duration::from_secs(3));
    let apart = acceptor.with_config(config(&pki().server));
    acceptor.reloadable().replace(config(&pki().other));
    let connector = connector();
    assert!(!shake(&connector, &acceptor, "localhost").await);
    assert!(!shake(&connector, &clone, "localhost").await);
    assert!(shake(&connector, &apart, "localhost").await);
    // A configuration that is built from the current one.
    let handle = acceptor.reloadable();
    let builder = handle.current().to_builder().identity(pki().server.clone());
    assert_eq!(handle.replace(builder.build().unwrap()), 2);
    assert!(shake(&connector, &clone, "localhost").await);
    assert!(shake(&connector, &clone, "other.example").await);
    // One that cannot be built is none: the old one stays.
    assert!(
        handle
            .current()
            .to_builder()
            .clear_identities()
            .build()
            .is_err()
    );
    assert!(shake(&connector, &clone, "localhost").await);
    assert_eq!(handle.generation(), 2);
}

#[tokio::test]
async fn a_connector_gets_other_roots() {
    let connector = connector();
    let handle = connector.clone().reloadable();
    let acceptor = acceptor();
    assert!(shake(&connector, &acceptor, "localhost").await);
    let stranger = rcgen::generate_simple_self_signed(["stranger".to_owned()]).unwrap();
    let roots = portcullis::Roots::from_pem(stranger.cert.pem().as_bytes()).unwrap();
    handle.replace(portcullis::ClientConfig::builder(roots).build().unwrap());
    assert!(!shake(&connector, &acceptor, "localhost").await);
}

/// What is remembered of peers goes on, unless the new configuration says how much that may be.
#[tokio::test]
async fn what_nobody_chose_is_carried_over() {
    let build = || portcullis::ClientConfig::builder(pki().roots.clone());
    for (chosen, remembered) in [(false, true), (true, false)] {
        let connector = connector();
        let one = connect(&connector).await;
        let config = match chosen {
            true => build().remembered_signatures(1_024),
            false => build(),
        };
        connector.reloadable().replace(config.build().unwrap());
        let two = connect(&connector).await;
        assert_eq!(one.peer_certificates(), two.peer_certificates());
        let shared = std::ptr::eq(one.peer_certificates(), two.peer_certificates());
        assert_eq!(shared, remembered);
    }
}

/// Resumption is on by itself; who says that there is none is heard, at once and later.
#[tokio::test]
async fn tickets_that_are_switched_off() {
    let build = || portcullis::ClientConfig::builder(pki().roots.clone());
    let takes = |connector: &TlsConnector| connector.reloadable().current().takes_tickets();
    let connector = TlsConnector::new(build().build().unwrap());
    assert!(takes(&connector));
    connector.reloadable().replace(build().build().unwrap());
    assert!(takes(&connector));
    let off = build().session_tickets(false).build().unwrap();
    connector.reloadable().replace(off.clone());
    assert!(!takes(&connector));
    assert!(!takes(&TlsConnector::new(off)));
}

async fn connect(connector: &TlsConnector) -> TlsStream<DuplexStream> {
    let (client, server) = duplex(64 * 1024);
    let acceptor = acceptor();
    let (client, _) = tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    client.unwrap()
}
