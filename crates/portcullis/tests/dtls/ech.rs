//! An encrypted ClientHello over datagrams (RFC 9849), through the gate of a listener.

use portcullis::ech::{EchKey, EchKeys, EchStatus, Retry};
use portcullis::{
    AlertDescription, Direction, DtlsConnector, DtlsListener, ServerConfig, TlsAcceptor,
    TlsConnector,
};

use crate::ends::*;
use crate::{ask, echo};

const PUBLIC: &str = "localhost";

fn key() -> EchKey {
    EchKey::builder(PUBLIC).generate().unwrap().0
}

/// A server of both names, whose connections are echoed.
async fn serve(keys: &EchKeys) -> std::net::SocketAddr {
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .identity(pki().other.clone())
        .ech_keys(keys.clone());
    let acceptor = TlsAcceptor::new(server.build().unwrap());
    let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            tokio::spawn(async move { echo(incoming.handshake().await?).await });
        }
    });
    address
}

fn connector() -> DtlsConnector {
    DtlsConnector::new(TlsConnector::new(client_config()).without_resumption())
}

#[tokio::test]
async fn a_listener_reads_what_was_encrypted() {
    let key = key();
    let address = serve(&EchKeys::new([key.clone()]).unwrap()).await;
    let config = client_config().with_ech(key.config_list()).unwrap();
    let connector = TlsConnector::new(config);
    let mut resumed = Vec::new();
    for _ in 0..2 {
        let dtls = DtlsConnector::new(connector.clone());
        let mut client = dtls.connect(address, other_name()).await.unwrap();
        ask(&mut client, b"who is there?").await;
        let information = client.information();
        assert_eq!(information.ech(), EchStatus::Accepted);
        assert!(information.hello_retried());
        resumed.push(information.is_resumed());
    }
    // The second time by a ticket, which nobody else has seen.
    assert_eq!(resumed, [false, true]);
}

#[tokio::test]
async fn keys_that_are_gone_are_replaced_by_what_the_server_sends() {
    let (old, new) = (key(), key());
    let address = serve(&EchKeys::new([new.clone()]).unwrap()).await;
    for list in [old.config_list(), new.config_list()] {
        let dtls = connector();
        let connected = dtls.connect_with_ech_retry(address, other_name(), list);
        let (client, list) = connected.await.unwrap();
        assert_eq!(client.information().ech(), EchStatus::Accepted);
        assert_eq!(list, new.config_list());
    }
    let config = client_config().with_ech(old.config_list()).unwrap();
    let once = DtlsConnector::new(TlsConnector::new(config));
    let error = once.connect(address, other_name()).await.unwrap_err();
    let sent = (Direction::Sent, AlertDescription::ECH_REQUIRED);
    assert_eq!(error.alert(), Some(sent), "{error}");
    let retry = error.ech_rejection().unwrap().retry();
    assert!(matches!(retry, Retry::With(_)), "{error}");
}
