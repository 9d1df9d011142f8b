//! One request and its answer, within bounds.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request;
use hyper::rt::ReadBufCursor;
use hyper::{Request, Response, StatusCode};
use portcullis_core::x509::Crl;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use super::guard::{Guard, Target};
use crate::CrlFuture;

/// Of the head of an answer, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Finds the addresses of a host. The one of the system is used unless something else is said.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of this host, with this port.
    ///
    /// # Cancel safety
    /// The future is dropped when the time of the request is over.
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> CrlFuture<'a, io::Result<Vec<SocketAddr>>>;
}

pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> CrlFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
    }
}

/// What bounds a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) connect: Duration,
    pub(crate) whole: Duration,
    /// Of the body, in bytes.
    pub(crate) body: usize,
}

/// What is known of the list that is there, so that it need not be sent again.
#[derive(Clone, Debug, Default)]
pub(super) struct Validators {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

/// What came of a request.
pub(super) enum Fetched {
    List {
        list: Arc<Crl>,
        validators: Validators,
        max_age: Option<Duration>,
    },
    /// The one that is there is still that which is there.
    NotModified,
}

/// Fetches a list. The host is resolved once, and what is connected to is an address that was looked at.
pub(super) async fn fetch(
    target: &Target,
    guard: &Guard,
    resolver: &dyn Resolve,
    validators: &Validators,
    bounds: Bounds,
) -> Result<Fetched, String> {
    let begun = Instant::now();
    match timeout(
        bounds.whole,
        request(target, guard, resolver, validators, bounds),
    )
    .await
    {
        Ok(Ok(fetched)) => Ok(fetched),
        Ok(Err(why)) => Err(format!("{why} after {} ms", begun.elapsed().as_millis())),
        Err(_) => Err(format!("it took longer than {:?}", bounds.whole)),
    }
}

async fn request(
    target: &Target,
    guard: &Guard,
    resolver: &dyn Resolve,
    validators: &Validators,
    bounds: Bounds,
) -> Result<Fetched, String> {
    let mut head = Request::get(&target.path);
    if let Some(etag) = &validators.etag {
        head = head.header(header::IF_NONE_MATCH, etag);
    }
    if let Some(modified) = &validators.last_modified {
        head = head.header(header::IF_MODIFIED_SINCE, modified);
    }
    let Some(Received { headers, body }) =
        exchange(target, guard, resolver, head, Bytes::new(), bounds).await?
    else {
        return Ok(Fetched::NotModified);
    };
    // Long lists are indexed where nobody waits for the thread.
    let lists = tokio::task::spawn_blocking(move || Crl::from_der_or_pem(&body)).await;
    let lists = lists
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    match <[_; 1]>::try_from(lists) {
        Ok([list]) => Ok(Fetched::List {
            list,
            validators: Validators {
                etag: headers.get(header::ETAG).cloned(),
                last_modified: headers.get(header::LAST_MODIFIED).cloned(),
            },
            max_age: max_age(&headers),
        }),
        Err(lists) => Err(format!(
            "it is {} lists, where one was expected,",
            lists.len()
        )),
    }
}

/// Sends an OCSP request to a responder (RFC 6960 appendix A.1), and gives what it answers.
#[cfg(feature = "stapler")]
pub(crate) async fn post_ocsp(
    target: &Target,
    guard: &Guard,
    resolver: &dyn Resolve,
    request: Vec<u8>,
    bounds: Bounds,
) -> Result<Vec<u8>, String> {
    let exchanging = async {
        let head = Request::post(&target.path)
            .header(header::CONTENT_TYPE, "application/ocsp-request")
            .header(header::ACCEPT, "application/ocsp-response");
        match exchange(target, guard, resolver, head, request.into(), bounds).await? {
            Some(Received { body, .. }) => Ok(body),
            None => Err("304, though nothing was there,".to_owned()),
        }
    };
    let begun = Instant::now();
    match timeout(bounds.whole, exchanging).await {
        Ok(answered) => {
            answered.map_err(|why| format!("{why} after {} ms", begun.elapsed().as_millis()))
        }
        Err(_) => Err(format!("it took longer than {:?}", bounds.whole)),
    }
}

/// What an answer brings.
struct Received {
    headers: HeaderMap,
    body: Vec<u8>,
}

/// One request and its answer; `None` if what is there is still the same.
async fn exchange(
    target: &Target,
    guard: &Guard,
    resolver: &dyn Resolve,
    head: request::Builder,
    body: Bytes,
    bounds: Bounds,
) -> Result<Option<Received>, String> {
    let transport = match timeout(bounds.connect, connect(target, guard, resolver)).await {
        Ok(connected) => connected?,
        Err(_) => return Err(format!("connecting took longer than {:?}", bounds.connect)),
    };
    let handshake = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(Transport(transport));
    let (mut sender, connection) = handshake.await.map_err(|error| error.to_string())?;
    let request = head
        .header(header::HOST, &target.authority)
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::CONNECTION, "close")
        .header(
            header::USER_AGENT,
            concat!("portcullis/", env!("CARGO_PKG_VERSION")),
        )
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    // The connection is driven here, so that it ends with this future.
    let mut answering = std::pin::pin!(async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?;
        read(response, bounds).await
    });
    let mut connection = std::pin::pin!(connection);
    let mut is_driven = true;
    std::future::poll_fn(|cx| {
        if is_driven && connection.as_mut().poll(cx).is_ready() {
            is_driven = false;
        }
        answering.as_mut().poll(cx)
    })
    .await
}

async fn connect(
    target: &Target,
    guard: &Guard,
    resolver: &dyn Resolve,
) -> Result<TcpStream, String> {
    let found = resolver.resolve(&target.host, target.port).await;
    let addresses = found.map_err(|error| format!("{} is not found: {error}", target.host))?;
    guard.check(target, &addresses)?;
    let mut failure = String::new();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = format!("{address}: {error}"),
        }
    }
    Err(failure)
}

async fn read(response: Response<Incoming>, bounds: Bounds) -> Result<Option<Received>, String> {
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED => return Ok(None),
        status if status.is_redirection() => {
            return Err(format!(
                "{}, and redirections are not followed,",
                status.as_u16()
            ));
        }
        status => return Err(status.as_u16().to_string()),
    }
    let is_plain = |encoding: &HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    let encodings = response.headers().get_all(header::CONTENT_ENCODING);
    if !encodings.iter().all(is_plain) {
        return Err("it came with a Content-Encoding, which was not asked for,".to_owned());
    }
    let headers = response.headers().clone();
    let too_long = || format!("it has more than {} bytes", bounds.body);
    let mut frames = response.into_body();
    if frames.size_hint().lower() > bounds.body as u64 {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(frame) = frames.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if body.len() + data.len() > bounds.body {
            return Err(too_long());
        }
        body.extend_from_slice(&data);
    }
    Ok(Some(Received { headers, body }))
}

/// `max-age` in Cache-Control.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let control = headers.get(header::CACHE_CONTROL)?.to_str().ok()?;
    let mut directives = control.split(',').map(str::trim);
    let seconds = directives.find_map(|directive| directive.strip_prefix("max-age="))?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// A transport of Tokio's as hyper wants it.
struct Transport(TcpStream);

impl hyper::rt::Read for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut buffer = [0; 8 * 1024];
        let room = into.remaining().min(buffer.len());
        let mut read = ReadBuf::new(buffer.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut read))?;
        into.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
