//! Compressed certificates (RFC 8879) against rustls, both roles: zlib and Brotli. Debian's GnuTLS knows no
//! algorithm, its OpenSSL is older than that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis::{CertificateCompression, ServerName};
use portcullis_tests::pki::pki;
use rustls::compress::{
    BROTLI_COMPRESSOR, BROTLI_DECOMPRESSOR, CertCompressor, CertDecompressor, CompressionFailed,
    CompressionLevel, DecompressionFailed, ZLIB_COMPRESSOR, ZLIB_DECOMPRESSOR,
};
use rustls::{CertificateCompressionAlgorithm, ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::ours;

/// rustls' own, and how often it was of use.
#[derive(Debug)]
struct Counting<T>(T, AtomicUsize);

impl<T> Counting<T> {
    fn new(of: T) -> &'static Self {
        Box::leak(Box::new(Self(of, AtomicUsize::new(0))))
    }

    fn count(&self) -> usize {
        self.1.load(Ordering::Relaxed)
    }
}

impl CertCompressor for Counting<&'static dyn CertCompressor> {
    fn compress(
        &self,
        input: Vec<u8>,
        level: CompressionLevel,
    ) -> Result<Vec<u8>, CompressionFailed> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.compress(input, level)
    }

    fn algorithm(&self) -> CertificateCompressionAlgorithm {
        self.0.algorithm()
    }
}

impl CertDecompressor for Counting<&'static dyn CertDecompressor> {
    fn decompress(&self, input: &[u8], output: &mut [u8]) -> Result<(), DecompressionFailed> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.decompress(input, output)
    }

    fn algorithm(&self) -> CertificateCompressionAlgorithm {
        self.0.algorithm()
    }
}

type Both = (
    CertificateCompression,
    &'static dyn CertCompressor,
    &'static dyn CertDecompressor,
);

fn algorithms() -> [Both; 2] {
    [
        (
            CertificateCompression::zlib(),
            ZLIB_COMPRESSOR,
            ZLIB_DECOMPRESSOR,
        ),
        (
            CertificateCompression::brotli(),
            BROTLI_COMPRESSOR,
            BROTLI_DECOMPRESSOR,
        ),
    ]
}

#[tokio::test]
async fn our_client_decompresses_what_rustls_sends() {
    for (ours, compressor, _) in algorithms() {
        let context = format!("{ours:?}");
        let compressor = Counting::new(compressor);
        let identity = &pki().rsa_2048;
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(identity.chain.clone(), identity.key.clone_key())
            .expect("a server's configuration");
        config.cert_compressors = vec![compressor];
        config.cert_compression_cache = Arc::new(rustls::compress::CompressionCache::Disabled);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("a client");
            let mut tls = TlsAcceptor::from(Arc::new(config)).accept(tcp).await?;
            tls.write_all(b"squeezed").await?;
            tls.shutdown().await
        });
        let config = ours::client().certificate_compression([ours]);
        let connected = ours::connect(address, config).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        let mut said = String::new();
        ours::soon(stream.read_to_string(&mut said))
            .await
            .expect("data");
        assert_eq!(said, "squeezed", "{context}");
        let shown = stream.information().peer_certificates();
        assert_eq!(shown, identity.chain, "{context}");
        ours::soon(server).await.expect("no panic").expect(&context);
        assert_eq!(compressor.count(), 1, "{context}");
    }
}

#[tokio::test]
async fn rustls_decompresses_what_our_server_sends() {
    for (ours, _, decompressor) in algorithms() {
        let context = format!("{ours:?}");
        let decompressor = Counting::new(decompressor);
        let mut roots = RootCertStore::empty();
        roots.add(pki().root.certificate.clone()).expect("a root");
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.cert_decompressors = vec![decompressor];
        let connector = TlsConnector::from(Arc::new(config));
        let server = ours::server(&pki().rsa_2048).certificate_compression([ours]);
        let mut server = ours::Server::echo(server).await;
        for number in 1..=2 {
            let tcp = TcpStream::connect(server.address).await.expect("a server");
            let name = ServerName::try_from("localhost").expect("a name");
            let mut tls = ours::soon(connector.connect(name, tcp))
                .await
                .expect(&context);
            tls.write_all(b"squeezed").await.expect("it is open");
            tls.shutdown().await.expect("it is open");
            let mut said = String::new();
            ours::soon(tls.read_to_string(&mut said))
                .await
                .expect("an answer");
            assert_eq!(said, "squeezed", "{context}");
            server.served().await.information(&context);
            // The second one resumes the first.
            assert_eq!(decompressor.count(), 1, "{context}, {number}");
        }
    }
}
