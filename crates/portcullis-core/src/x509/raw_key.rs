//! Public keys that a peer shows instead of certificates, and which of them are trusted.
//!
//! RFC 7250. Such a key has no name, no dates and nobody who could revoke it: it is trusted because
//! whoever made the configuration has it from its owner.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use rustls_pki_types::SubjectPublicKeyInfoDer;

use super::error::{CertificateError, CertificateErrorKind as Kind};
use super::presented::{Presented, Shown};
use crate::crypto::hash::{HashAlgorithm, Hasher};
use crate::der;
use crate::misuse::Misuse;

/// SHA-256 of a SubjectPublicKeyInfo, as the pins of RFC 7469 are.
type Pin = [u8; 32];

fn pin_of(spki: &[u8]) -> Pin {
    let mut hasher = Hasher::new(HashAlgorithm::Sha256);
    hasher.update(spki);
    let digest = hasher.finish();
    digest.as_slice().first_chunk().copied().unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A public key as a peer showed it, which nobody has judged. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct RawPublicKey(Arc<Shown>);

impl RawPublicKey {
    /// Takes the DER of a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    ///
    /// # Errors
    /// When it is something else, or has something behind its end.
    pub fn new(spki: &[u8]) -> Result<Self, CertificateError> {
        match der::public_key_info(spki) {
            Some(_) => Ok(Self(Arc::new(Shown::RawKey(spki.into())))),
            None => Err(CertificateError::new(Kind::MalformedKey)),
        }
    }

    /// For [`Presented::kind`], which has looked.
    pub(super) fn of(shown: Arc<Shown>) -> Self {
        Self(shown)
    }

    pub(super) fn into_shown(self) -> Arc<Shown> {
        self.0
    }

    /// The DER of the SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        match &*self.0 {
            Shown::RawKey(spki) => spki,
            // The constructors refuse it.
            Shown::Chain(_) => &[],
        }
    }

    /// SHA-256 of the SubjectPublicKeyInfo, which [`RawKeys::from_sha256_pins`] takes.
    pub fn sha256(&self) -> [u8; 32] {
        pin_of(self.spki())
    }
}

impl core::fmt::Debug for RawPublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RawPublicKey(sha256/{})", hex(&self.sha256()))
    }
}

/// The raw public keys that are trusted. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawKeys(Arc<HashSet<Pin>>);

impl RawKeys {
    /// Trusts these keys, each the DER of a SubjectPublicKeyInfo: what
    /// `openssl pkey -pubout -outform DER` writes.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{CertificateType, ClientConfig, RawKeys, Roots};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let key = rcgen::KeyPair::generate()?;
    /// # let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    /// let config = ClientConfig::builder(Roots::empty())
    ///     .server_certificate_types([CertificateType::RAW_PUBLIC_KEY])
    ///     .raw_keys(RawKeys::from_spki([&spki])?)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When one is something else: a certificate, a private key, or PEM.
    pub fn from_spki(keys: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<Self, Misuse> {
        let mut pins = HashSet::new();
        for (at, spki) in keys.into_iter().enumerate() {
            let spki = spki.as_ref();
            if der::public_key_info(spki).is_none() {
                return Err(Misuse::new(format!(
                    "raw key {} is no SubjectPublicKeyInfo in DER: give what `openssl pkey -pubout \
                     -outform DER` writes",
                    at + 1
                )));
            }
            pins.insert(pin_of(spki));
        }
        Ok(Self(Arc::new(pins)))
    }

    /// Trusts the keys whose SubjectPublicKeyInfo has one of these SHA-256 digests.
    pub fn from_sha256_pins(pins: impl IntoIterator<Item = [u8; 32]>) -> Self {
        Self(Arc::new(pins.into_iter().collect()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none, so that no peer is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Trusts the key, or says why not.
    ///
    /// # Errors
    /// When it is not among these.
    pub fn verify(&self, key: &RawPublicKey) -> Result<VerifiedRawKey, CertificateError> {
        let pin = key.sha256();
        match self.0.contains(&pin) {
            true => Ok(VerifiedRawKey {
                key: key.clone(),
                by: Some(self.clone()),
            }),
            false => Err(CertificateError::new(Kind::UntrustedKey {
                sha256: hex(&pin),
                trusted: self.len(),
            })),
        }
    }
}

/// Proof that a raw public key is trusted: only [`RawKeys`] make one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct VerifiedRawKey {
    key: RawPublicKey,
    /// `None` if nobody verified it.
    by: Option<RawKeys>,
}

impl VerifiedRawKey {
    /// Accepts a key that **nobody verified**: anyone in the middle can impersonate the peer.
    ///
    /// For an application that knows keys by rules of its own, and for tests.
    pub fn dangerous_accept_without_verification(key: RawPublicKey) -> Self {
        Self { key, by: None }
    }

    /// The key.
    pub fn key(&self) -> &RawPublicKey {
        &self.key
    }

    /// Whether it was found among [`RawKeys`].
    pub fn is_verified(&self) -> bool {
        self.by.is_some()
    }

    pub(crate) fn proves(&self, key: &RawPublicKey) -> bool {
        self.key == *key
    }

    /// Whether it was found among the keys that a configuration trusts, if it trusts some. A caller
    /// that accepts a key without verification answers for it.
    pub(crate) fn is_by(&self, keys: Option<&RawKeys>) -> bool {
        match (&self.by, keys) {
            (Some(by), Some(keys)) => Arc::ptr_eq(&by.0, &keys.0) || by == keys,
            _ => true,
        }
    }

    pub(crate) fn into_presented(self) -> Presented {
        self.key.into()
    }
}

/// For `rustls_pki_types`' form of the same.
impl TryFrom<&SubjectPublicKeyInfoDer<'_>> for RawPublicKey {
    type Error = CertificateError;

    fn try_from(spki: &SubjectPublicKeyInfoDer<'_>) -> Result<Self, Self::Error> {
        Self::new(spki.as_ref())
    }
}
