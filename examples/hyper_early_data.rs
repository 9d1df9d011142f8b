//! A client of hyper 1.x that sends what does no harm twice before the handshake is over, and sends it once more
//! when the server has thrown it away, or answers `425 Too Early` (RFC 8470).
//!
//! `cargo run --example hyper_early_data`; `early_data.rs` has more of the server's side.

use std::convert::Infallible;
use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use portcullis::pki_types::UnixTime;
use portcullis::session::{AntiReplay, BloomFilters};
use portcullis::{
    ClientConfig, EarlyDataStatus, EarlyStream, Error, ServerConfig, TlsConnector, TlsListener,
    TlsStream,
};
use portcullis_examples::{Result, dev_identity};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, join};
use tokio::net::TcpStream;

/// A client's connection whose first request goes out with the hello, if there is a session that allows it.
struct EarlyIo {
    state: State,
    /// What was sent early: it goes out again if the server has not taken it.
    sent: Vec<u8>,
    /// Who wanted to read before there was anything to answer.
    reader: Option<Waker>,
}

enum State {
    Early(Option<EarlyStream<TcpStream>>),
    Finishing(Pin<Box<dyn Future<Output = Result<Finished, Error>> + Send>>),
    Resending(TlsStream<TcpStream>, usize),
    Stream(TlsStream<TcpStream>),
}

type Finished = (TlsStream<TcpStream>, EarlyDataStatus);

impl EarlyIo {
    fn new(early: EarlyStream<TcpStream>) -> Self {
        Self {
            state: State::Early(Some(early)),
            sent: Vec::new(),
            reader: None,
        }
    }

    /// The stream after the handshake, and after what was lost has gone out again.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut TlsStream<TcpStream>>> {
        if let State::Early(early) = &mut self.state {
            let early = early.take().ok_or(io::ErrorKind::NotConnected)?;
            self.state = State::Finishing(Box::pin(early.handshake()));
        }
        if let State::Finishing(handshake) = &mut self.state {
            let (stream, status) = ready!(handshake.as_mut().poll(cx))?;
            println!("  early data: {status:?}");
            self.state = match status {
                EarlyDataStatus::Accepted => State::Stream(stream),
                _ => State::Resending(stream, 0),
            };
        }
        while let State::Resending(stream, done) = &mut self.state {
            match self.sent.get(*done..) {
                Some(rest) if !rest.is_empty() => {
                    *done += ready!(Pin::new(stream).poll_write(cx, rest))?;
                }
                _ => {
                    ready!(Pin::new(&mut *stream).poll_flush(cx))?;
                    let state = std::mem::replace(&mut self.state, State::Early(None));
                    if let State::Resending(stream, _) = state {
                        self.state = State::Stream(stream);
                    }
                }
            }
        }
        match &mut self.state {
            State::Stream(stream) => Poll::Ready(Ok(stream)),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
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
        // hyper looks for an answer before it has asked.
        if matches!(&this.state, State::Early(Some(early)) if this.sent.is_empty() && early.room() > 0)
        {
            this.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Pin::new(ready!(this.poll_stream(cx))?).poll_read(cx, buf)
    }
}

impl AsyncWrite for EarlyIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let State::Early(Some(early)) = &mut this.state
            && early.room() > 0
        {
            let count = ready!(Pin::new(early).poll_write(cx, data))?;
            this.sent.extend(data.iter().take(count));
            this.reader.take().into_iter().for_each(Waker::wake);
            return Poll::Ready(Ok(count));
        }
        Pin::new(ready!(this.poll_stream(cx))?).poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let State::Early(Some(early)) = &mut this.state {
            return Pin::new(early).poll_flush(cx);
        }
        Pin::new(ready!(this.poll_stream(cx))?).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(ready!(self.get_mut().poll_stream(cx))?).poll_shutdown(cx)
    }
}

/// Asks on a connection of its own; how often it was asked for until there was an answer, and that.
async fn get(
    connector: &TlsConnector,
    address: std::net::SocketAddr,
    path: &str,
) -> Result<(u32, Bytes)> {
    // Of GET nothing changes, so that it may be sent early. What may not, has `connector.connect`.
    let early = connector.early_stream(address, "localhost").await?;
    let io = TokioIo::new(EarlyIo::new(early));
    let (mut sender, connection) = http1::handshake(io).await?;
    let driver = tokio::spawn(connection);
    for count in 1..=2 {
        let request = Request::get(path).header("host", "localhost");
        let response = sender
            .send_request(request.body(Empty::<Bytes>::new())?)
            .await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        // By now the handshake is over (RFC 8470 §5.2).
        if status != StatusCode::TOO_EARLY {
            driver.abort();
            return Ok((count, body));
        }
        sender.ready().await?;
    }
    Err("425 for what was not early".into())
}

async fn serve(listener: TlsListener) -> Result {
    loop {
        let incoming = listener.accept().await?;
        tokio::spawn(async move {
            let mut handshake = incoming.handshake_with_early_data().await?;
            let mut early = Vec::new();
            handshake.reader().read_to_end(&mut early).await?;
            let (reader, writer) = handshake.handshake().await?.into_split();
            // The first request, if it came early; those that follow did not.
            let is_early = std::sync::atomic::AtomicBool::new(!early.is_empty());
            let io = TokioIo::new(join(Cursor::new(early).chain(reader), writer));
            let service = service_fn(|request: Request<_>| {
                let _: &hyper::body::Incoming = request.body();
                let is_early = is_early.swap(false, std::sync::atomic::Ordering::Relaxed);
                let status = match is_early && request.uri().path() == "/costly" {
                    true => StatusCode::TOO_EARLY,
                    false => StatusCode::OK,
                };
                let text = format!("{status}, early: {is_early}");
                let response = Response::builder().status(status).body(text);
                async { Ok::<_, Infallible>(response.unwrap_or_default()) }
            });
            // What ends a connection is for a log.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(io, service)
                .await;
            Ok::<_, io::Error>(())
        });
    }
}

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let config = ServerConfig::builder()
        .identity(identity)
        .alpn(["http/1.1"]);
    // With ticket keys that nobody else has, nothing was accepted before.
    let nothing_before = UnixTime::since_unix_epoch(Duration::ZERO);
    let anti_replay = AntiReplay::local(BloomFilters::LARGE, nothing_before)?;
    let accepting = config.clone().early_data(anti_replay).build()?;
    let listener = TlsListener::bind("127.0.0.1:0", accepting).await?;
    let (address, reloadable) = (listener.local_addr()?, listener.reloadable());
    tokio::spawn(serve(listener));

    let config = ClientConfig::builder(roots).alpn(["http/1.1"]).build()?;
    let connector = TlsConnector::new(config);
    for (path, count, answer) in [
        // There is no session yet.
        ("/", 1, "200 OK, early: false"),
        ("/", 1, "200 OK, early: true"),
        ("/costly", 2, "200 OK, early: false"),
    ] {
        println!("GET {path}");
        let (asked, body) = get(&connector, address, path).await?;
        println!("  {}, asked {asked} times", body.escape_ascii());
        assert_eq!((asked, &body[..]), (count, answer.as_bytes()));
    }
    // A server that takes none any more, though its tickets had said so.
    reloadable.replace(reloadable.current().to_builder().early_data(None).build()?);
    println!("GET /, of a server that takes no early data now");
    let (asked, body) = get(&connector, address, "/").await?;
    println!("  {}, asked {asked} times", body.escape_ascii());
    assert_eq!((asked, &body[..]), (1, &b"200 OK, early: false"[..]));
    Ok(())
}
