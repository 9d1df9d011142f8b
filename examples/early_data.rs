//! Early data for HTTP with axum 0.8: what is safe to do twice is answered a round trip earlier, and the
//! rest gets `425 Too Early` (RFC 8470), upon which the client sends it again.
//!
//! `cargo run --example early_data`

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::extract::{Extension, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, routing::get};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use portcullis::pki_types::UnixTime;
use portcullis::session::{AntiReplay, BloomFilters};
use portcullis::{
    ClientConfig, EarlyDataOutcome, EarlyHandshake, Error, ServerConfig, TlsConnector, TlsListener,
    TlsStream,
};
use portcullis_examples::{Authority, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Whether what was read last is early data. A request whose end came otherwise cannot be replayed.
#[derive(Clone, Default)]
struct IsEarly(Arc<AtomicBool>);

/// A connection of which HTTP is read before its handshake is over.
struct EarlyIo {
    state: State,
    is_early: IsEarly,
}

enum State {
    Early(Option<EarlyHandshake<TcpStream>>),
    Finishing(Pin<Box<dyn Future<Output = Result<TlsStream<TcpStream>, Error>> + Send>>),
    Stream(TlsStream<TcpStream>),
}

impl EarlyIo {
    /// The handshake while there is early data, and then the stream.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut TlsStream<TcpStream>>> {
        if let State::Early(early) = &mut self.state {
            let early = early.take().ok_or(io::ErrorKind::NotConnected)?;
            self.state = State::Finishing(Box::pin(early.handshake()));
        }
        if let State::Finishing(handshake) = &mut self.state {
            self.state = State::Stream(ready!(handshake.as_mut().poll(cx))?);
        }
        match &mut self.state {
            State::Stream(stream) => Poll::Ready(Ok(stream)),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn writer(&mut self) -> Option<impl AsyncWrite + Unpin> {
        match &mut self.state {
            State::Early(Some(early)) => early.writer(),
            _ => None,
        }
    }
}

impl AsyncRead for EarlyIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if let State::Early(Some(early)) = &mut this.state {
            ready!(Pin::new(&mut early.reader()).poll_read(cx, buf))?;
            if buf.filled().len() > before {
                this.is_early.0.store(true, Ordering::Relaxed);
                return Poll::Ready(Ok(()));
            }
        }
        let read = Pin::new(ready!(this.poll_stream(cx))?).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.is_early.0.store(false, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for EarlyIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(mut writer) = this.writer() {
            return Pin::new(&mut writer).poll_write(cx, data);
        }
        Pin::new(ready!(this.poll_stream(cx))?).poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(mut writer) = this.writer() {
            return Pin::new(&mut writer).poll_flush(cx);
        }
        Pin::new(ready!(this.poll_stream(cx))?).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(ready!(self.get_mut().poll_stream(cx))?).poll_shutdown(cx)
    }
}

/// RFC 8470 §5.2: what may not be done twice is not done early.
async fn too_early(
    Extension(is_early): Extension<IsEarly>,
    request: Request,
    next: Next,
) -> Response {
    match is_early.0.load(Ordering::Relaxed) && !request.method().is_safe() {
        true => StatusCode::TOO_EARLY.into_response(),
        false => next.run(request).await,
    }
}

async fn serve(listener: TlsListener, router: Router) -> io::Result<()> {
    loop {
        let incoming = listener.accept().await?;
        let router = router.clone();
        tokio::spawn(async move {
            let early = incoming.handshake_with_early_data().await?;
            let is_early = IsEarly::default();
            let io = EarlyIo {
                state: State::Early(Some(early)),
                is_early: is_early.clone(),
            };
            let service = TowerToHyperService::new(router.layer(Extension(is_early)));
            // What ends a connection is for a log.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(io), service)
                .await;
            Ok::<_, Error>(())
        });
    }
}

/// One answer, up to the end of its head at least.
async fn answer(stream: &mut TlsStream<TcpStream>) -> Result<String> {
    let mut text = String::new();
    while !text.contains("\r\n\r\n") {
        text += str::from_utf8(&stream.recv(0).await?)?;
    }
    Ok(text)
}

#[tokio::main]
async fn main() -> Result {
    let authority = Authority::new()?;
    // This process has accepted nothing yet, and nobody else has its ticket keys: so it need not wait
    // until what it may have forgotten is too old.
    let nothing_before = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
    let config = ServerConfig::builder()
        .identity(authority.identity("localhost")?)
        .alpn(["http/1.1"])
        .early_data(AntiReplay::local(BloomFilters::LARGE, nothing_before)?)
        .build()?;
    let orders = get(|| async { "three" }).post(|| async { "one more" });
    let router = Router::new()
        .route("/orders", orders)
        .layer(from_fn(too_early));
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, router));

    let config = ClientConfig::builder(authority.roots()?).alpn(["http/1.1"]);
    let connector = TlsConnector::new(config.build()?);
    let request = |method| {
        format!("{method} /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
    };
    for (is_first, method, status) in [
        (true, "GET", "200"),
        (false, "GET", "200"),
        (false, "POST", "425"),
    ] {
        let request = request(method);
        let connecting = connector.connect_with_early_data(address, "localhost", request.clone());
        let (mut stream, outcome) = connecting.await?;
        println!("{method}: {outcome:?}");
        assert_eq!(outcome == EarlyDataOutcome::Accepted, !is_first);
        // There was no session, or the server has thrown it away.
        if let Some(unsent) = outcome.into_unsent() {
            stream.send(&[&unsent]).await?;
        }
        let text = answer(&mut stream).await?;
        println!("{}", text.lines().next().unwrap_or_default());
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
        if status == "425" {
            // The handshake is over by now.
            stream.send(&[request.as_bytes()]).await?;
            let text = answer(&mut stream).await?;
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        }
    }
    Ok(())
}
