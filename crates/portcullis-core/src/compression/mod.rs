//! Certificates that are compressed on their way.
//!
//! RFC 8879. The core knows no algorithm by itself: each comes with a feature of its name, or from the
//! caller.

#[cfg(feature = "brotli")]
mod brotli;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(feature = "zlib")]
mod zlib;
#[cfg(feature = "zstd")]
mod zstd;

use std::sync::Arc;

use crate::wire::extension::CertificateCompressionAlgorithm as Algorithm;

/// An algorithm of the caller's own, for [`CertificateCompression::custom`]. Those of the RFC come with the
/// features `zlib`, `brotli` and `zstd`.
pub trait CompressCertificate: Send + Sync + 'static {
    /// Its number (RFC 8879 §7.3).
    fn algorithm(&self) -> Algorithm;

    /// Compresses a Certificate message, which is public; `None` to send it as it is. Called when a
    /// configuration is built, and never in a handshake.
    fn compress(&self, message: &[u8]) -> Option<Vec<u8>>;

    /// Decompresses what a peer sent, which may be anything, into `out`. Whether that is full then, and
    /// nothing is left of `compressed`.
    ///
    /// It must take no more memory than its algorithm needs, whatever the peer sent, and never panic.
    fn decompress(&self, compressed: &[u8], out: &mut [u8]) -> bool;
}

/// A way to compress certificates (RFC 8879), for
/// [`certificate_compression`](crate::config::ServerConfigBuilder::certificate_compression). Cheap to clone.
///
/// ```
/// # #[cfg(feature = "zlib")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # mod portcullis { pub use portcullis_core::{*, compression::*, config::*, x509::*}; }
/// use portcullis::{CertificateCompression, Identity, ServerConfig};
///
/// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
/// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
/// # let identity = Identity::from_pem(&pem, None)?;
/// let config = ServerConfig::builder()
///     .identity(identity)
///     .certificate_compression([CertificateCompression::zlib()])
///     .build()?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "zlib"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct CertificateCompression(Arc<dyn CompressCertificate>);

impl CertificateCompression {
    /// zlib (RFC 1950), which most have: a chain of two RSA certificates becomes about a fifth smaller. A
    /// peer can make it take 50 KiB beside the message.
    #[cfg(feature = "zlib")]
    #[cfg_attr(docsrs, doc(cfg(feature = "zlib")))]
    pub fn zlib() -> Self {
        Self::custom(zlib::Zlib)
    }

    /// Brotli (RFC 7932), which browsers have: a little smaller than zlib. It is the slowest to compress, and
    /// a peer can make it take 5 MiB while it decompresses.
    #[cfg(feature = "brotli")]
    #[cfg_attr(docsrs, doc(cfg(feature = "brotli")))]
    pub fn brotli() -> Self {
        Self::custom(brotli::Brotli)
    }

    /// Zstandard (RFC 8878), the fastest to decompress. Its library is C.
    #[cfg(feature = "zstd")]
    #[cfg_attr(docsrs, doc(cfg(feature = "zstd")))]
    pub fn zstd() -> Self {
        Self::custom(zstd::Zstd)
    }

    /// An algorithm of the caller's own.
    pub fn custom(algorithm: impl CompressCertificate) -> Self {
        Self(Arc::new(algorithm))
    }

    /// Which it is.
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }

    /// Compresses a Certificate message; `None` where it should go as it is.
    pub fn compress(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.0.compress(message)
    }

    /// Decompresses into `out`; whether that is full then, and nothing is left of `compressed`.
    pub fn decompress(&self, compressed: &[u8], out: &mut [u8]) -> bool {
        self.0.decompress(compressed, out)
    }
}

impl core::fmt::Debug for CertificateCompression {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "CertificateCompression({})", self.algorithm())
    }
}

/// What is not smaller is not worth the peer's work.
#[cfg(any(feature = "zlib", feature = "brotli", feature = "zstd"))]
fn if_smaller(compressed: Vec<u8>, message: &[u8]) -> Option<Vec<u8>> {
    (compressed.len() < message.len()).then_some(compressed)
}
