//! hyper 1.x on both sides: a server, and a client with a pool. ALPN decides between HTTP/2 and
//! HTTP/1.1.
//!
//! `cargo run --example hyper`

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, Version};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use portcullis::{ClientConfig, ConnectionInformation, HttpsConnector, ServerConfig, TlsListener};
use portcullis_examples::{Result, dev_identity};

/// How many connections the server has had.
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let config = ServerConfig::builder()
        .identity(identity)
        .alpn(["h2", "http/1.1"])
        .build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let port = listener.local_addr()?.port();
    let server = tokio::spawn(serve(listener));

    for (alpn, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
    ] {
        let config = ClientConfig::builder(roots.clone()).alpn(alpn).build()?;
        // adapter: client
        let connector = HttpsConnector::new(config);
        // adapter: end
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let before = CONNECTIONS.load(Ordering::Relaxed);
        for door in 1..=3 {
            let uri: Uri = format!("https://localhost:{port}/{door}").parse()?;
            let request = Request::get(uri).body(Empty::<Bytes>::new())?;
            let response = client.request(request).await?;
            assert_eq!(response.version(), version);
            let negotiated = response.extensions().get::<Arc<ConnectionInformation>>();
            let suite = negotiated.ok_or("no TLS")?.cipher_suite();
            let body = response.into_body().collect().await?.to_bytes();
            println!("{version:?}, {suite}: {}", body.escape_ascii());
            assert!(body.ends_with(format!("you asked for /{door}").as_bytes()));
        }
        // Three requests, one connection: the client keeps it.
        assert_eq!(CONNECTIONS.load(Ordering::Relaxed) - before, 1);
    }
    server.abort();
    Ok(())
}

async fn serve(listener: TlsListener) -> io::Result<()> {
    let mut connections = listener.connections(64);
    loop {
        let (stream, peer) = connections.accept().await?;
        CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<_>| async move {
                let _: &hyper::body::Incoming = request.body();
                let text = format!("hello {peer}, you asked for {}", request.uri().path());
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
            });
            // It looks at the first bytes; `stream.alpn_protocol()` says the same.
            let served = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                println!("{peer}: {error}");
            }
        });
    }
}
