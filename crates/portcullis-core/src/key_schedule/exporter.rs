//! What outlives the handshake beside the traffic secrets: keying material for the application.
//!
//! RFC 8446 §7.5.

use crate::crypto::hash::{HashAlgorithm, hash};
use crate::crypto::hkdf::{LabelPrefix, Prk};
use crate::crypto::secret::Secret;

/// The exporter_master_secret.
pub(crate) struct ExporterSecret {
    hash: HashAlgorithm,
    prefix: LabelPrefix,
    secret: Secret,
}

/// The label, the context or the length asked for is outside what the version can express, or the
/// label is one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExportError;

impl ExporterSecret {
    pub(super) const fn new(hash: HashAlgorithm, prefix: LabelPrefix, secret: Secret) -> Self {
        Self {
            hash,
            prefix,
            secret,
        }
    }

    /// None yet.
    pub(crate) const fn pending() -> Self {
        Self::new(HashAlgorithm::Sha256, LabelPrefix::Tls13, Secret::empty())
    }

    /// As [`Secret::take_from`].
    pub(crate) fn take_from(&mut self, other: &mut Self) {
        self.hash = other.hash;
        self.prefix = other.prefix;
        self.secret.take_from(&mut other.secret);
    }

    /// Moves the secret and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self::new(self.hash, self.prefix, self.secret.take())
    }

    /// Fills `out` with TLS-Exporter(label, context, length of `out`) (§7.5). No context and an
    /// empty one are the same.
    ///
    /// # Errors
    /// When `label` is longer than 249 bytes, or `out` longer than 255 outputs of the
    /// hash; nothing is written then.
    pub(crate) fn export(
        &self,
        label: &[u8],
        context: &[u8],
        out: &mut [u8],
    ) -> Result<(), ExportError> {
        let nothing = self.hash.of_nothing();
        let derived = Prk::new(self.hash, self.prefix, &self.secret)
            .derive_any_secret(label, &nothing)
            .map_err(|_| ExportError)?;
        let context = hash(self.hash, context);
        Prk::new(self.hash, self.prefix, &derived)
            .expand_any_label(b"exporter", context.as_slice(), out)
            .map_err(|_| ExportError)
    }

    /// For the key log, and nothing else.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.secret.as_slice()
    }
}

impl core::fmt::Debug for ExporterSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ExporterSecret(..)")
    }
}
