//! `Connections` in `axum::serve`.

mod ends;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use ends::*;
use portcullis::{
    ClientAuthentication, Connections, StopHandle, TlsConnectInfo, TlsConnector, TlsListener,
    TlsStream,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

async fn describe(ConnectInfo(client): ConnectInfo<TlsConnectInfo>) -> String {
    let protocol = client.alpn_protocol().unwrap_or_default();
    format!(
        "{} {} {:?} {} {}",
        client.get_ref(),
        client.version(),
        client.server_name(),
        protocol.escape_ascii(),
        client.peer_certificates().len()
    )
}

struct Server {
    address: SocketAddr,
    stop: StopHandle,
    /// axum closes connections that wait for a request: not before this.
    close: oneshot::Sender<()>,
    running: JoinHandle<io::Result<()>>,
}

impl Server {
    fn serve(connections: Connections) -> Self {
        let (address, stop) = (connections.local_addr().unwrap(), connections.stop_handle());
        let router = Router::new().route("/", get(describe));
        let service = router.into_make_service_with_connect_info::<TlsConnectInfo>();
        let stopped = stop.stopped();
        let (close, may_close) = oneshot::channel();
        let running = tokio::spawn(async move {
            let serve = axum::serve(connections, service);
            assert_eq!(serve.local_addr()?, address);
            let over = async {
                stopped.await;
                let _ = may_close.await;
            };
            serve.with_graceful_shutdown(over).await
        });
        Self {
            address,
            stop,
            close,
            running,
        }
    }
}

async fn connections() -> Connections {
    let config = server_config().to_builder().alpn(["http/1.1"]);
    let config = config.client_authentication(ClientAuthentication::Optional(pki().roots.clone()));
    let listener = TlsListener::bind("127.0.0.1:0", config.build().unwrap()).await;
    listener.unwrap().connections(16)
}

fn http() -> TlsConnector {
    let config = client_config().to_builder().alpn(["http/1.1"]);
    TlsConnector::new(config.build().unwrap())
}

async fn get_page(mut stream: TlsStream<TcpStream>) -> String {
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn handlers_know_who_has_connected() {
    let server = Server::serve(connections().await);
    for (identity, certificates) in [(None, 0), (Some(pki().client.clone()), 1)] {
        let mut config = client_config().to_builder().alpn(["http/1.1"]);
        if let Some(identity) = identity {
            config = config.identity(identity);
        }
        let connector = TlsConnector::new(config.build().unwrap());
        let stream = connector.connect(server.address, "localhost").await;
        let stream = stream.unwrap();
        let address = stream.local_addr().unwrap();
        assert_eq!(
            get_page(stream).await,
            format!("{address} TLSv1.3 Some(\"localhost\") http/1.1 {certificates}")
        );
    }
}

#[tokio::test]
async fn who_is_no_client_stops_nobody() {
    let server = Server::serve(connections().await);
    let _silent = TcpStream::connect(server.address).await.unwrap();
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let stream = http().connect(server.address, "localhost").await.unwrap();
    get_page(stream).await;
}

#[tokio::test]
async fn a_new_configuration_reaches_a_server_that_runs() {
    let connections = connections().await;
    let reloadable = connections.reloadable();
    let server = Server::serve(connections);
    let stream = http().connect(server.address, "localhost").await.unwrap();
    let refused = http().connect(server.address, "other.example").await;
    assert!(refused.is_err());
    let config = reloadable.current().to_builder();
    let config = config.clear_identities().identity(pki().other.clone());
    assert_eq!(reloadable.replace(config.build().unwrap()), 1);
    let new = http().connect(server.address, "other.example").await;
    get_page(new.unwrap()).await;
    get_page(stream).await;
}

#[tokio::test]
async fn a_graceful_stop_serves_whose_handshake_was_under_way() {
    let server = Server::serve(connections().await);
    // Connected, and not yet a word.
    let late = TcpStream::connect(server.address).await.unwrap();
    let open = http().connect(server.address, "localhost").await.unwrap();

    server.stop.stop();
    let stopped = timeout(SOON, async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    stopped.await.expect("still listening");
    let early = timeout(Duration::from_millis(50), server.stop.stopped()).await;
    assert!(early.is_err(), "one handshake is under way");

    let late = http().upgrade(late, "localhost").await.unwrap();
    get_page(late).await;
    get_page(open).await;
    timeout(SOON, server.stop.stopped()).await.unwrap();
    drop(server.close);
    timeout(SOON, server.running)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
