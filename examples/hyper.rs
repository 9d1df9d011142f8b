//! hyper 1.x on both sides; ALPN decides between HTTP/2 and HTTP/1.1.
//!
//! `cargo run --example hyper`

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, Version};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use portcullis::{
    ClientConfig, Roots, ServerConfig, ServerName, TlsConnector, TlsListener, TlsStream,
};
use portcullis_examples::{Result, dev_identity};
use tokio::net::TcpStream;
use tower_service::Service;

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let config = ServerConfig::builder()
        .identity(identity)
        .alpn(["h2", "http/1.1"])
        .build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    for (alpn, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
    ] {
        let answered = get(address, &roots, alpn).await?;
        println!("offered {alpn:?}: {answered:?}");
        assert_eq!(answered, version);
    }
    server.abort();
    Ok(())
}

async fn serve(listener: TlsListener) -> io::Result<()> {
    let mut connections = listener.connections(64);
    loop {
        let (stream, peer) = connections.accept().await?;
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

async fn get(address: SocketAddr, roots: &Roots, alpn: &[&str]) -> Result<Version> {
    let config = ClientConfig::builder(roots.clone()).alpn(alpn).build()?;
    let client: Client<_, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build(HttpsConnector(TlsConnector::new(config)));
    let uri: Uri = format!("https://localhost:{}/door", address.port()).parse()?;
    let response = client.get(uri).await?;
    let version = response.version();
    let body = response.into_body().collect().await?.to_bytes();
    assert!(body.ends_with(b"you asked for /door"), "{body:?}");
    Ok(version)
}

/// Connects hyper's pooled client.
#[derive(Clone)]
struct HttpsConnector(TlsConnector);

impl Service<Uri> for HttpsConnector {
    type Response = Https;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Https>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.0.clone();
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
            let port = uri.port_u16().unwrap_or(443);
            let name = ServerName::try_from(host.to_owned())?;
            let stream = connector.connect((host, port), name).await?;
            Ok(Https(TokioIo::new(stream)))
        })
    }
}

/// A connection that tells hyper what ALPN has decided.
struct Https(TokioIo<TlsStream<TcpStream>>);

impl Connection for Https {
    fn connected(&self) -> Connected {
        let connected = self.0.inner().get_ref().connected();
        match self.0.inner().alpn_protocol() {
            Some(b"h2") => connected.negotiated_h2(),
            _ => connected,
        }
    }
}

impl Read for Https {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Https {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
