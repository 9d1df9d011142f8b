//! Trust anchors: the authorities whose word is taken.
//!
//! RFC 5280 §6.1.1.

use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, TrustAnchor};

use super::pem::{self, Contents};
use crate::crypto::verification::KeptKey;
use crate::der::{self, CertificateFields};
use crate::error::Misuse;

/// A set of trusted certificates. Cheap to clone; a clone that is added to becomes its own set.
///
/// A root is trusted by its name and key; its own dates and extensions are not looked at, as
/// with every store of roots, except for its name constraints. A self-signed certificate of a
/// peer can be put here too and is then accepted itself.
#[derive(Clone, Default)]
pub struct Roots(Arc<Set>);

#[derive(Clone, Default)]
struct Set {
    anchors: Vec<TrustAnchor<'static>>,
    certificates: Vec<CertificateDer<'static>>,
    /// Those of the anchors, in the order of their encoding.
    keys: Vec<KeptKey>,
    ignored: usize,
}

impl Roots {
    /// Trusts nobody, until something is added.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The roots of the operating system, or those in the environment variables `SSL_CERT_FILE`
    /// and `SSL_CERT_DIR` if one is set.
    ///
    /// Reads and parses files or asks the system: a few milliseconds on Linux, hundreds on
    /// macOS. Load once and clone. What cannot be read or parsed is passed over and counted in
    /// [`ignored`](Self::ignored).
    ///
    /// # Errors
    /// When not a single root was found.
    pub fn os() -> Result<Self, Misuse> {
        let loaded = rustls_native_certs::load_native_certs();
        let mut roots = Self::empty();
        let set = Arc::make_mut(&mut roots.0);
        set.ignored = loaded.errors.len();
        for certificate in loaded.certs {
            if set.add(certificate).is_none() {
                set.ignored += 1;
            }
        }
        if !roots.is_empty() {
            return Ok(roots);
        }
        let why = match loaded.errors.first() {
            Some(error) => format!("{error}"),
            None => "its store is empty".to_owned(),
        };
        Err(Misuse::new(format!(
            "no trusted roots were found on this system ({why}): install its CA certificates \
             package, set SSL_CERT_FILE, or give roots explicitly"
        )))
    }

    /// The certificates in a PEM text.
    ///
    /// # Errors
    /// When there is none, or one is damaged.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Misuse> {
        let certificates = Contents::read(pem)?.certificates;
        if certificates.is_empty() {
            return Err(Misuse::new(
                "there is no certificate (expected -----BEGIN CERTIFICATE-----)",
            ));
        }
        let mut roots = Self::empty();
        for (at, certificate) in certificates.into_iter().enumerate() {
            Arc::make_mut(&mut roots.0)
                .add(certificate)
                .ok_or_else(|| not_a_certificate(&format!("certificate {}", at + 1)))?;
        }
        Ok(roots)
    }

    /// The certificates in a PEM file.
    ///
    /// # Errors
    /// When it cannot be read, contains no certificate, or one is damaged.
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Self, Misuse> {
        let path = path.as_ref();
        let pem = pem::read_file(path)?;
        Self::from_pem(&pem).map_err(|error| pem::in_file(path, &error))
    }

    /// Trusts one more certificate; one that is there already is not added again.
    ///
    /// # Errors
    /// When it is not a certificate.
    pub fn add_der(&mut self, der: impl Into<CertificateDer<'static>>) -> Result<(), Misuse> {
        Arc::make_mut(&mut self.0)
            .add(der.into())
            .ok_or_else(|| not_a_certificate("the certificate"))
    }

    /// How many certificates are trusted.
    pub fn len(&self) -> usize {
        self.0.anchors.len()
    }

    /// Whether nothing is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.anchors.is_empty()
    }

    /// How many certificates of the operating system could not be used.
    pub fn ignored(&self) -> usize {
        self.0.ignored
    }

    /// The subjects as DER-encoded Names, for the extension certificate_authorities
    /// (RFC 8446 §4.2.4).
    pub fn subjects(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .certificates
            .iter()
            .filter_map(|certificate| Some(CertificateFields::find(certificate)?.subject))
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.0.anchors
    }

    /// The key of an anchor that is encoded so.
    pub(super) fn key(&self, encoded: &[u8]) -> Option<&KeptKey> {
        let at = self.0.key_at(encoded).ok()?;
        self.0.keys.get(at)
    }

    /// Whether exactly this certificate, to the last byte, was added.
    pub(super) fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        self.0.certificates.contains(certificate)
    }
}

impl Set {
    fn add(&mut self, certificate: CertificateDer<'static>) -> Option<()> {
        if self.certificates.contains(&certificate) {
            return Some(());
        }
        let spki = CertificateFields::find(&certificate)?.spki;
        let anchor = webpki::anchor_from_trusted_cert(&certificate)
            .ok()?
            .to_owned();
        if let Some((_, key)) = der::public_key_info(spki)
            && let Err(at) = self.key_at(key)
        {
            self.keys.insert(at, KeptKey::new(key));
        }
        self.anchors.push(anchor);
        self.certificates.push(certificate);
        Some(())
    }

    /// Where the key is, or where it belongs.
    fn key_at(&self, encoded: &[u8]) -> Result<usize, usize> {
        self.keys.binary_search_by(|key| key.encoded().cmp(encoded))
    }
}

fn not_a_certificate(which: &str) -> Misuse {
    Misuse::new(format!("{which} is damaged: it is not DER-encoded X.509"))
}

impl core::fmt::Debug for Roots {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Roots")
            .field("len", &self.len())
            .field("ignored", &self.ignored())
            .finish()
    }
}
