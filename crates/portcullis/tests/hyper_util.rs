//! `HttpsConnector` in hyper-util's pooled client.

mod ends;

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use ends::*;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, Version};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use portcullis::{
    ConnectionInformation, Error, HttpsConnector, ServerConfig, Stage, TlsConnector, TlsListener,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

type Https = Client<HttpsConnector, Empty<Bytes>>;

struct Server {
    address: SocketAddr,
    /// How many connections there were.
    count: Arc<AtomicUsize>,
}

async fn serve_one(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let path = Bytes::copy_from_slice(request.uri().path().as_bytes());
        Ok::<_, Infallible>(Response::new(Full::new(path)))
    });
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(io), service)
        .await;
}

impl Server {
    async fn over_tls(config: ServerConfig) -> Self {
        let listener = TlsListener::bind("127.0.0.1:0", config).await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            let mut connections = listener.connections(16);
            while let Ok((stream, _)) = connections.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve_one(stream));
            }
        });
        Self { address, count }
    }

    fn uri(&self, scheme: &str, path: &str) -> Uri {
        let text = format!("{scheme}://localhost:{}{path}", self.address.port());
        text.parse().unwrap()
    }
}

fn speaking(protocols: &[&str]) -> ServerConfig {
    let config = server_config().to_builder().alpn(protocols);
    config.build().unwrap()
}

fn connector_for(protocols: &[&str]) -> TlsConnector {
    let config = client_config().to_builder().alpn(protocols);
    TlsConnector::new(config.build().unwrap())
}

fn client(connector: HttpsConnector) -> Https {
    Client::builder(TokioExecutor::new()).build(connector)
}

async fn get(client: &Https, uri: Uri) -> Result<Response<Bytes>, ClientError> {
    let (head, body) = client.get(uri).await?.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Ok(Response::from_parts(head, body))
}

/// What a user who asks for our error finds.
fn ours(error: &ClientError) -> &Error {
    assert!(error.is_connect(), "{error:?}");
    let source = error.source().unwrap();
    source.downcast_ref().unwrap()
}

#[tokio::test]
async fn alpn_decides_and_responses_know_their_connection() {
    let both: &[&str] = &["h2", "http/1.1"];
    for (offered, spoken, version) in [
        (both, both, Version::HTTP_2),
        (&["http/1.1"], both, Version::HTTP_11),
        (both, &["http/1.1"], Version::HTTP_11),
        // Whoever says nothing speaks HTTP/1.1.
        (&[], both, Version::HTTP_11),
    ] {
        let server = Server::over_tls(speaking(spoken)).await;
        let client = client(HttpsConnector::new(connector_for(offered)));
        let response = get(&client, server.uri("https", "/door")).await.unwrap();
        assert_eq!(response.version(), version, "{offered:?} {spoken:?}");
        assert_eq!(&response.body()[..], b"/door");
        let known = response.extensions().get::<Arc<ConnectionInformation>>();
        let known = known.unwrap();
        assert_eq!(known.server_name(), Some("localhost"));
        assert_eq!(known.peer_certificates().len(), 1);
    }
}

#[tokio::test]
async fn connections_are_pooled_and_new_ones_resumed() {
    let server = Server::over_tls(speaking(&["h2", "http/1.1"])).await;
    let connector = connector_for(&["h2", "http/1.1"]);
    let first = client(HttpsConnector::new(connector.clone()));
    for _ in 0..8 {
        get(&first, server.uri("https", "/")).await.unwrap();
    }
    assert_eq!(server.count.load(Ordering::Relaxed), 1);
    let second = client(HttpsConnector::new(connector));
    let response = get(&second, server.uri("https", "/")).await.unwrap();
    assert_eq!(server.count.load(Ordering::Relaxed), 2);
    let known = response.extensions().get::<Arc<ConnectionInformation>>();
    assert!(known.unwrap().is_resumed());
}

#[tokio::test]
async fn plain_http_is_spoken_on_request_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    let uri: Uri = uri.parse().unwrap();
    let refused = get(&client(HttpsConnector::new(client_config())), uri.clone()).await;
    let error = refused.unwrap_err();
    assert_eq!(
        ours(&error).to_string(),
        "http://127.0.0.1 is not encrypted: write https, or say `HttpsConnector::allow_http`"
    );
    tokio::spawn(async move {
        let (io, _) = listener.accept().await.unwrap();
        serve_one(io).await;
    });
    let connector = HttpsConnector::new(client_config()).allow_http(true);
    let response = get(&client(connector), uri).await.unwrap();
    assert_eq!(&response.body()[..], b"/");
    let known = response.extensions().get::<Arc<ConnectionInformation>>();
    assert!(known.is_none());
}

#[tokio::test]
async fn other_schemes_are_refused() {
    for allow in [false, true] {
        let connector = HttpsConnector::new(client_config()).allow_http(allow);
        let error = get(&client(connector), Uri::from_static("ftp://localhost/")).await;
        assert_eq!(
            ours(&error.unwrap_err()).to_string(),
            "localhost cannot be connected to: its scheme is ftp, and not https"
        );
    }
}

#[tokio::test]
async fn errors_name_host_and_port_and_what_failed() {
    // A name that the certificate does not have.
    let server = Server::over_tls(speaking(&["http/1.1"])).await;
    let https = client(HttpsConnector::new(client_config()));
    let port = server.address.port();
    let uri = format!("https://127.0.0.1:{port}/");
    let error = get(&https, uri.parse().unwrap()).await.unwrap_err();
    let said = ours(&error).to_string();
    assert!(said.starts_with(&format!("127.0.0.1:{port}: ")), "{said}");
    assert!(ours(&error).alert().is_some());

    // A port that nobody listens on.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let uri: Uri = format!("https://{address}/").parse().unwrap();
    let error = get(&https, uri).await.unwrap_err();
    assert_eq!(ours(&error).kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(ours(&error).stage(), Stage::Connecting);
    assert_eq!(
        ours(&error).to_string(),
        format!(
            "{address}: tcp connect error: Connection refused (os error 111), while connecting"
        )
    );
    assert!(ours(&error).source().is_none());
}

#[tokio::test]
async fn the_handshake_timeout_covers_it_all() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let limit = Duration::from_millis(50);
    let connector = connector_for(&[]).handshake_timeout(limit);
    let https = client(HttpsConnector::new(connector));
    let uri = format!("https://localhost:{port}/");
    let error = get(&https, uri.parse().unwrap()).await.unwrap_err();
    assert!(ours(&error).is_timeout(), "{error:?}");
}

/// Connects to one address, whatever it is asked for, as a proxy might.
#[derive(Clone)]
struct To(SocketAddr);

impl Service<Uri> for To {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let address = self.0;
        Box::pin(async move { Ok(TokioIo::new(TcpStream::connect(address).await?)) })
    }
}

#[tokio::test]
async fn another_connector_and_hosts_as_uris_have_them() {
    let server = Server::over_tls(speaking(&["h2"])).await;
    let connector = HttpsConnector::over(To(server.address), connector_for(&["h2"]));
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    // A dot at the end belongs to DNS, and not to the handshake.
    for host in ["localhost", "localhost.", "LOCALHOST:8443"] {
        let uri: Uri = format!("https://{host}/").parse().unwrap();
        let response = client.get(uri).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2, "{host}");
    }
    // Addresses are names that the certificate has not.
    for (host, named) in [
        ("[::1]", "::1"),
        ("[::1]:8443", "::1"),
        ("192.0.2.1", "192.0.2.1"),
    ] {
        let uri: Uri = format!("https://{host}/").parse().unwrap();
        let error = client.get(uri).await.unwrap_err();
        assert!(ours(&error).alert().is_some(), "{error:?}");
        assert!(ours(&error).to_string().contains(named), "{error:?}");
    }
}
