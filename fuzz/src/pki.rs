//! Certificates that never change, so that recorded handshakes stay valid.
//!
//! Their keys are public: they are for fuzzing and nothing else.

use std::sync::LazyLock;
use std::time::Duration;

use portcullis_core::x509::{Identity, Roots};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

/// 2030-01-01, inside the validity of every certificate here.
pub const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_893_456_000));

pub const ROOT: &[u8] = include_bytes!("../pki/root.pem");
/// Of the keys that agree, and of DSA.
pub const ECDSA_ROOT: &[u8] = include_bytes!("../pki/ecdsa-root.pem");
/// Of the RSA key: before TLS 1.2 an issuer has a key of the same kind (RFC 4346 §7.4.2).
pub const RSA_ROOT: &[u8] = include_bytes!("../pki/rsa-root.pem");

/// A certificate with its key.
pub struct Leaf {
    pub certificate: &'static [u8],
    pub key: &'static [u8],
    pub identity: Identity,
}

impl Leaf {
    fn new(certificate: &'static [u8], key: &'static [u8]) -> Self {
        let identity = Identity::from_pem(certificate, Some(key)).expect("the leaf is sound");
        Self {
            certificate,
            key,
            identity,
        }
    }

    pub fn is_rsa(&self) -> bool {
        core::ptr::eq(self, &pki().rsa)
    }

    pub fn certificate_der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate).expect("a certificate")
    }

    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key).expect("a key")
    }
}

/// Everything, parsed once.
pub struct Pki {
    pub roots: Roots,
    pub server: Leaf,
    pub server_p256: Leaf,
    pub client: Leaf,
    /// Of a server or a client before TLS 1.3.
    pub rsa: Leaf,
    /// Its key is half of a secret, and does not sign (RFC 4492 §2.1).
    pub ecdh: Leaf,
    /// Of a server in TLS 1.2.
    pub dsa: Leaf,
    /// Those of these, too.
    pub all_roots: Roots,
}

impl Pki {
    /// Who has issued the servers' certificates.
    pub fn root_der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(ROOT).expect("a certificate")
    }

    pub fn leaves(&self) -> [&Leaf; 3] {
        [&self.server, &self.server_p256, &self.client]
    }
}

pub fn pki() -> &'static Pki {
    static PKI: LazyLock<Pki> = LazyLock::new(|| Pki {
        roots: Roots::from_pem(ROOT).expect("the root is sound"),
        server: Leaf::new(
            include_bytes!("../pki/server.pem"),
            include_bytes!("../pki/server.key"),
        ),
        server_p256: Leaf::new(
            include_bytes!("../pki/server-p256.pem"),
            include_bytes!("../pki/server-p256.key"),
        ),
        client: Leaf::new(
            include_bytes!("../pki/client.pem"),
            include_bytes!("../pki/client.key"),
        ),
        rsa: Leaf::new(
            include_bytes!("../pki/rsa.pem"),
            include_bytes!("../pki/rsa.key"),
        ),
        ecdh: Leaf::new(
            include_bytes!("../pki/ecdh.pem"),
            include_bytes!("../pki/ecdh.key"),
        ),
        dsa: Leaf::new(
            include_bytes!("../pki/dsa.pem"),
            include_bytes!("../pki/dsa.key"),
        ),
        all_roots: Roots::from_pem(&[ROOT, RSA_ROOT, ECDSA_ROOT].concat())
            .expect("the roots are sound"),
    });
    &PKI
}

/// The name of the servers.
pub fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a host name")
}
