//! Certificates, configurations and pairs of streams for the tests.
#![allow(dead_code, reason = "each test file uses its part")]

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::task::{Context, Poll};

use portcullis::pki_types::{CertificateDer, PrivateKeyDer};
use portcullis::suite::CipherSuite;
use portcullis::{
    ClientConfig, Identity, ProtocolVersion, Roots, ServerConfig, ServerName, TlsAcceptor,
    TlsConnector, TlsStream,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};

pub(crate) struct Pki {
    pub(crate) roots: Roots,
    pub(crate) server: Identity,
    /// The same chain, with a key that is elsewhere: here.
    pub(crate) server_chain: Vec<CertificateDer<'static>>,
    pub(crate) other: Identity,
    pub(crate) client: Identity,
}

pub(crate) fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| {
        use rcgen::{
            BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        };

        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.distinguished_name
            .push(rcgen::DnType::CommonName, "testing root");
        let root_key = KeyPair::generate().unwrap();
        let root_der = root.self_signed(&root_key).unwrap().der().clone();
        let issuer = Issuer::new(root, root_key);
        let leaf = |name: &str, purpose| {
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            params.extended_key_usages = vec![purpose];
            let key = KeyPair::generate().unwrap();
            let der: CertificateDer<'static> =
                params.signed_by(&key, &issuer).unwrap().der().clone();
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            (Identity::from_der(vec![der.clone()], &key).unwrap(), der)
        };
        let mut roots = Roots::empty();
        roots.add_der(root_der).unwrap();
        let (server, server_der) = leaf("localhost", ExtendedKeyUsagePurpose::ServerAuth);
        Pki {
            roots,
            server,
            server_chain: vec![server_der],
            other: leaf("other.example", ExtendedKeyUsagePurpose::ServerAuth).0,
            client: leaf("client.example", ExtendedKeyUsagePurpose::ClientAuth).0,
        }
    })
}

pub(crate) fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

pub(crate) fn other_name() -> ServerName<'static> {
    ServerName::try_from("other.example").unwrap()
}

/// What the tests of this file speak: `before_tls13.rs` has those files again whose promises do not
/// depend on the version.
pub(crate) fn version() -> ProtocolVersion {
    match module_path!().starts_with("before_tls13::") {
        true => ProtocolVersion::TLS_1_2,
        false => ProtocolVersion::TLS_1_3,
    }
}

/// Whether keys change while the connection lasts.
pub(crate) fn has_key_updates() -> bool {
    version() == ProtocolVersion::TLS_1_3
}

/// Where they do not, to ask for it is a mistake, and that is all.
pub(crate) async fn no_key_updates() -> bool {
    if has_key_updates() {
        return false;
    }
    let (mut client, mut server) = pair().await;
    let error = client.update_keys(true).await.unwrap_err();
    assert!(error.to_string().contains("not updated"), "{error}");
    client.send(&[b"x"]).await.unwrap();
    assert_eq!(&server.recv(1).await.unwrap()[..], b"x");
    true
}

/// What a record has besides its content, with the suite that both prefer.
pub(crate) fn record_overhead() -> usize {
    let (header, tag) = (5, 16);
    match version() {
        ProtocolVersion::TLS_1_3 => header + 1 + tag,
        // The part of the nonce that is sent (RFC 5288 §3).
        _ => header + 8 + tag,
    }
}

pub(crate) fn client_config() -> ClientConfig {
    ClientConfig::builder(pki().roots.clone())
        .versions([version()])
        .alpn(["h2", "echo"])
        .build()
        .unwrap()
}

pub(crate) fn server_config() -> ServerConfig {
    ServerConfig::builder()
        .versions([version()])
        .identity(pki().server.clone())
        .alpn(["echo"])
        .build()
        .unwrap()
}

pub(crate) fn connector() -> TlsConnector {
    TlsConnector::new(client_config()).without_resumption()
}

pub(crate) fn acceptor() -> TlsAcceptor {
    TlsAcceptor::new(server_config())
}

/// Of TLS 1.2 alone, with one suite and without sessions.
pub(crate) fn tls12(suite: CipherSuite) -> (TlsConnector, TlsAcceptor) {
    let versions = [ProtocolVersion::TLS_1_2];
    let client = client_config().to_builder().versions(versions);
    let server = server_config().to_builder().versions(versions);
    let client = client.cipher_suites([suite]);
    let server = server.cipher_suites([suite]);
    let client = client.encrypt_then_mac(suite != MAC_THEN_ENCRYPT);
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let connector = TlsConnector::new(client).without_resumption();
    (connector, TlsAcceptor::new(server))
}

/// Here CBC makes the MAC first, elsewhere last.
const MAC_THEN_ENCRYPT: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256;

/// A suite for each of the ciphers that TLS 1.2 has by default, and for each form of CBC.
pub(crate) const TLS12_SUITES: [CipherSuite; 5] = [
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MAC_THEN_ENCRYPT,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
];

pub(crate) async fn tls12_pair_over<A, B>(
    suite: CipherSuite,
    client: A,
    server: B,
) -> (TlsStream<A>, TlsStream<B>)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (connector, acceptor) = tls12(suite);
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    let (client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(client.information().cipher_suite(), suite);
    (client, server)
}

pub(crate) async fn pair_over<A, B>(client: A, server: B) -> (TlsStream<A>, TlsStream<B>)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (connector, acceptor) = (connector(), acceptor());
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    (client.unwrap(), server.unwrap())
}

pub(crate) async fn pair_with(
    capacity: usize,
) -> (TlsStream<DuplexStream>, TlsStream<DuplexStream>) {
    let (client, server) = duplex(capacity);
    pair_over(client, server).await
}

pub(crate) async fn pair() -> (TlsStream<DuplexStream>, TlsStream<DuplexStream>) {
    pair_with(64 * 1024).await
}

pub(crate) async fn tcp_pair() -> (
    TlsStream<tokio::net::TcpStream>,
    TlsStream<tokio::net::TcpStream>,
) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
    pair_over(client.unwrap(), server.unwrap().0).await
}

/// Bytes that repeat late, so that what is lost or doubled shows.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes())
        .take(length)
        .collect()
}

/// What was sent of `data` by a future that was dropped, and `then` after it.
pub(crate) fn assert_is_start(received: &[u8], data: &[u8], then: &[u8], whole: bool) {
    let sent = received.strip_suffix(then).unwrap();
    assert!(data.starts_with(sent), "in order, and once");
    assert!(!whole || sent.len() == data.len());
}

/// Polls a future at most `polls` times without an answer, then drops it.
pub(crate) async fn drop_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let output = {
        let mut future = pin!(future);
        let mut left = polls;
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => {
                left -= 1;
                if left == 0 {
                    Poll::Ready(None)
                } else {
                    Poll::Pending
                }
            }
        })
        .await
    };
    if output.is_none() {
        // It is gone; others go on before the next try.
        tokio::task::yield_now().await;
    }
    output
}

/// Polls once; `None` when pending.
pub(crate) async fn now<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx: &mut Context<'_>| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A transport whose other end can be cut and spied on.
pub(crate) struct Tap<IO> {
    pub(crate) io: IO,
    /// Everything that was read from it.
    pub(crate) seen: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
    /// Whether reads pretend that the peer has closed.
    pub(crate) cut: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl<IO> Tap<IO> {
    pub(crate) fn new(io: IO) -> Self {
        Self {
            io,
            seen: Default::default(),
            cut: Default::default(),
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Tap<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.cut.load(std::sync::atomic::Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        self.seen
            .lock()
            .unwrap()
            .extend_from_slice(&buf.filled()[before..]);
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Tap<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A transport that takes bytes, and does not flush or does not end.
pub(crate) struct Stuck {
    pub(crate) io: DuplexStream,
    /// Whether it flushes; it never ends.
    pub(crate) flushes: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl AsyncRead for Stuck {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stuck {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.flushes.load(std::sync::atomic::Ordering::SeqCst) {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}
