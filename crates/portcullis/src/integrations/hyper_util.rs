//! A connector for hyper-util's client and for tonic's channels.

use std::error::Error as StdError;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use portcullis_core::{ConnectionInformation, Misuse, Stage};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout_at;
use tower_service::Service;

use crate::connector::TlsConnector;
use crate::error::Error;
use crate::handshake::deadline;
use crate::stream::TlsStream;

/// Connects hyper-util's pooled client to `https://`, and tonic's channels; with feature
/// `hyper-util`. Cheap to clone.
///
/// ALPN decides between HTTP/2 and HTTP/1.1: the configuration lists what the client speaks, and
/// without a list that is HTTP/1.1. What was negotiated is in the extensions of each response, as
/// an `Arc<`[`ConnectionInformation`]`>`.
///
/// The connector's [`handshake_timeout`](TlsConnector::handshake_timeout) covers TCP and the handshake.
/// An error is an [`Error`], which names host and port; in hyper-util's it is the source.
///
/// ```no_run
/// use bytes::Bytes;
/// use http_body_util::Empty;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use portcullis::{ClientConfig, HttpsConnector, Roots};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = ClientConfig::builder(Roots::os()?).alpn(["h2", "http/1.1"]).build()?;
/// let client: Client<_, Empty<Bytes>> =
///     Client::builder(TokioExecutor::new()).build(HttpsConnector::new(config));
/// let response = client.get("https://example.com/".parse()?).await?;
/// # let _ = response;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpsConnector<H = HttpConnector> {
    http: H,
    tls: TlsConnector,
    allow_http: bool,
}

impl HttpsConnector {
    /// Connects over TCP by hyper-util's own connector, with `TCP_NODELAY`.
    ///
    /// Takes a [`ClientConfig`](crate::ClientConfig), or a connector with answers and timeouts.
    ///
    /// ```
    /// use portcullis::HttpsConnector;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, _) = dev_ends();
    /// # use bytes::Bytes;
    /// # use http_body_util::Empty;
    /// # use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    /// let https = HttpsConnector::new(connector);
    /// let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(https);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(tls: impl Into<TlsConnector>) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        Self::over(http, tls)
    }
}

impl<H> HttpsConnector<H> {
    /// Connects by another connector: one with a resolver of its own, a proxy, a Unix
    /// socket. It is given the URIs as they are: an [`HttpConnector`] must not
    /// [`enforce_http`](HttpConnector::enforce_http).
    pub fn over(http: H, tls: impl Into<TlsConnector>) -> Self {
        Self {
            http,
            tls: tls.into(),
            allow_http: false,
        }
    }

    /// Whether `http://` URIs are connected to, in plain text. Default: no, they are an
    /// error.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() {
    /// # let (connector, _) = dev_ends();
    /// use hyper_util::client::legacy::connect::HttpConnector;
    /// use portcullis::HttpsConnector;
    ///
    /// // A connector with settings of its own; `http://` is plain text.
    /// let mut http = HttpConnector::new();
    /// http.enforce_http(false);
    /// http.set_connect_timeout(Some(std::time::Duration::from_secs(5)));
    /// let https = HttpsConnector::over(http, connector).allow_http(true);
    /// # }
    /// ```
    #[must_use]
    pub fn allow_http(mut self, on: bool) -> Self {
        self.allow_http = on;
        self
    }

    /// What is to be done for this URI: `None` is plain text.
    fn target(&self, uri: &Uri) -> Result<Option<(String, u16)>, Misuse> {
        let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
            return Err(Misuse::new(format!("{uri} names no host")));
        };
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if self.allow_http => return Ok(None),
            Some("http") => {
                return Err(Misuse::new(format!(
                    "http://{host} is not encrypted: write https, or say \
                     `HttpsConnector::allow_http`"
                )));
            }
            other => {
                let scheme = other.unwrap_or("none");
                return Err(Misuse::new(format!(
                    "{host} cannot be connected to: its scheme is {scheme}, and not https"
                )));
            }
        }
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        // A dot at the end belongs to DNS, not to server_name (RFC 6066 §3).
        let name = bare.unwrap_or_else(|| host.strip_suffix('.').unwrap_or(host));
        Ok(Some((name.to_owned(), uri.port_u16().unwrap_or(443))))
    }
}

impl<H> Service<Uri> for HttpsConnector<H>
where
    H: Service<Uri>,
    H::Response: Read + Write + Unpin + Send + 'static,
    H::Error: Into<Box<dyn StdError + Send + Sync>>,
    H::Future: Send + 'static,
{
    type Response = MaybeHttpsStream<H::Response>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.http.poll_ready(cx).map_err(connecting)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let target = match self.target(&uri) {
            Ok(target) => target,
            Err(misuse) => return Box::pin(async { Err(misuse.into()) }),
        };
        let at = (uri.host().unwrap_or_default().to_owned(), uri.port_u16());
        let connecting = self.http.call(uri);
        let tls = self.tls.clone();
        Box::pin(async move {
            let limit = tls.limit();
            let deadline = deadline(limit);
            let connected = match timeout_at(deadline, connecting).await {
                Ok(connected) => connected.map_err(self::connecting),
                Err(_) => Err(Error::timeout(Stage::Connecting, limit)),
            };
            let Some((name, port)) = target else {
                let io = connected.map_err(|error| error.at(&at.0, at.1.or(Some(80)), &[]))?;
                return Ok(MaybeHttpsStream::Http(io));
            };
            let shaken = match connected {
                Ok(io) => {
                    tls.upgrade_by(deadline, TokioIo::new(io), &*name, Some(port))
                        .await
                }
                Err(error) => Err(error),
            };
            let stream = shaken.map_err(|error| error.at(&name, Some(port), &[]))?;
            Ok(MaybeHttpsStream::Https(TokioIo::new(stream)))
        })
    }
}

/// An error of the inner connector, with the kind that it has from the system.
fn connecting(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    let error = match error.into().downcast::<Error>() {
        Ok(ours) => return *ours,
        Err(error) => error,
    };
    let mut kind = io::ErrorKind::Other;
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&*error);
    while let Some(this) = cause {
        if let Some(io) = this.downcast_ref::<io::Error>() {
            kind = io.kind();
        }
        cause = this.source();
    }
    Error::io(io::Error::new(kind, Whole(error)), Stage::Connecting)
}

/// An error with all that stands behind it in one sentence, as [`Error`] has it.
#[derive(Debug)]
struct Whole(Box<dyn StdError + Send + Sync>);

impl std::fmt::Display for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut said = self.0.to_string();
        let mut source = self.0.source();
        while let Some(error) = source {
            let more = error.to_string();
            if !said.contains(&more) {
                write!(f, ": {more}")?;
            }
            said = more;
            source = error.source();
        }
        Ok(())
    }
}

impl StdError for Whole {}

/// A connection of [`HttpsConnector`]: over TLS, or, where that was allowed, in plain text.
#[derive(Debug)]
pub enum MaybeHttpsStream<T> {
    /// In plain text.
    Http(T),
    /// Over TLS.
    Https(TokioIo<TlsStream<TokioIo<T>>>),
}

impl<T> MaybeHttpsStream<T> {
    /// What was negotiated; `None` in plain text.
    pub fn information(&self) -> Option<&ConnectionInformation> {
        match self {
            Self::Http(_) => None,
            Self::Https(stream) => Some(stream.inner().information()),
        }
    }
}

/// With feature `hyper-util`: says whether HTTP/2 was agreed on, for connectors of one's own.
impl<IO: AsyncRead + AsyncWrite + Unpin + Connection> Connection for TlsStream<IO> {
    fn connected(&self) -> Connected {
        let connected = self.get_ref().connected();
        let connected = connected.extra(self.shared_information());
        match self.alpn_protocol() {
            Some(b"h2") => connected.negotiated_h2(),
            _ => connected,
        }
    }
}

impl<T: Read + Write + Unpin + Connection> Connection for MaybeHttpsStream<T> {
    fn connected(&self) -> Connected {
        match self {
            Self::Http(stream) => stream.connected(),
            Self::Https(stream) => stream.connected(),
        }
    }
}

impl<T: Read + Write + Unpin> Read for MaybeHttpsStream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Http(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Https(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl<T: Read + Write + Unpin> Write for MaybeHttpsStream<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Http(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Https(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Http(stream) => Pin::new(stream).poll_write_vectored(cx, data),
            Self::Https(stream) => Pin::new(stream).poll_write_vectored(cx, data),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Http(stream) => stream.is_write_vectored(),
            Self::Https(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Http(stream) => Pin::new(stream).poll_flush(cx),
            Self::Https(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Http(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Https(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
