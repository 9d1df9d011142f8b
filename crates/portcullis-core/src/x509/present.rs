//! Showing an identity: the Certificate message and the signature.
//!
//! RFC 8446 §4.4.2, §4.4.3.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rustls_pki_types::CertificateDer;

use super::identity::{Identity, IdentityKey};
use super::select::{NameMatch, name_match};
use crate::SignatureScheme;
use crate::compression::CertificateCompression;
use crate::crypto::SignError;
use crate::misuse::Misuse;
use crate::version::Version;
use crate::wire::extension::CertificateCompressionAlgorithm as Algorithm;
use crate::wire::{Certificate, CompressedCertificate, tls12};

impl Identity {
    /// Whether the leaf is valid for this name, in lower case, exactly or by wildcard.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        name_match(self, Some(name)) != NameMatch::None
    }

    /// The best scheme the key has among those the peer accepts, in this version.
    pub(crate) fn scheme_for(
        &self,
        accepted: &[SignatureScheme],
        version: Version,
    ) -> Option<SignatureScheme> {
        self.schemes_for(version)
            .find(|scheme| accepted.contains(scheme))
    }

    /// Whether the key is somewhere else, so that a signature has to be asked for.
    pub(crate) fn is_external(&self) -> bool {
        matches!(self.key(), IdentityKey::External { .. })
    }

    /// Signs with the key, if it is here.
    pub(crate) fn sign(&self, scheme: SignatureScheme, content: &[u8]) -> Result<Vec<u8>, Misuse> {
        match self.key() {
            IdentityKey::Local(key) => key
                .sign(scheme, content)
                .map_err(|error: SignError| Misuse::new(format!("signing with {scheme}: {error}"))),
            IdentityKey::External { .. } => Err(Misuse::new(
                "the identity's key is external: answer the question `Sign` with a signature",
            )),
        }
    }
}

/// A form of the Certificate message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// With a context and extensions (§4.4.2).
    Tls13,
    /// Certificates alone (RFC 5246 §7.4.2).
    Before13,
}

/// The messages that show one chain, each encoded when it is first needed.
#[derive(Default)]
pub(super) struct CertificateMessages {
    tls13: OnceLock<Box<[u8]>>,
    before_tls13: OnceLock<Box<[u8]>>,
    /// Of TLS 1.3; `None` of what compresses to nothing smaller. They come with the configurations that have the
    /// algorithms, so there are few.
    compressed: RwLock<Vec<Compressed>>,
}

/// By which algorithm, and what came of it.
type Compressed = (CertificateCompression, Option<Arc<[u8]>>);

impl CertificateMessages {
    /// `message` is the same each time.
    pub(super) fn compress(&self, message: &[u8], compression: &CertificateCompression) {
        let algorithm = compression.algorithm();
        if self.find(algorithm).is_some() {
            return;
        }
        // The header is not compressed.
        let body = message.get(4..).unwrap_or_default();
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let compressed = compression.compress(body).map(|compressed| {
            let mut message = Vec::with_capacity(compressed.len() + 12);
            CompressedCertificate::put(&mut message, algorithm, length, &compressed);
            message.into()
        });
        let mut all = self
            .compressed
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.push((compression.clone(), compressed));
    }

    pub(super) fn compressions(&self) -> Vec<CertificateCompression> {
        let all = self
            .compressed
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|(compression, _)| compression.clone())
            .collect()
    }

    pub(super) fn compressed(&self, algorithm: Algorithm) -> Option<Arc<[u8]>> {
        self.find(algorithm).flatten()
    }

    fn find(&self, algorithm: Algorithm) -> Option<Option<Arc<[u8]>>> {
        let all = self
            .compressed
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find(|(other, _)| other.algorithm() == algorithm);
        found.map(|(_, message)| message.clone())
    }

    /// `chain` is the same each time; so is `raw_key`, which takes its place.
    pub(super) fn get_or_encode(
        &self,
        form: Form,
        chain: &[CertificateDer<'static>],
        raw_key: Option<&[u8]>,
    ) -> &[u8] {
        let message = match form {
            Form::Tls13 => &self.tls13,
            Form::Before13 => &self.before_tls13,
        };
        message.get_or_init(|| match raw_key {
            Some(spki) => encoded_key(form, spki),
            None => encoded(form, chain),
        })
    }
}

fn encoded(form: Form, chain: &[CertificateDer<'static>]) -> Box<[u8]> {
    let size: usize = chain.iter().map(|certificate| certificate.len() + 5).sum();
    let mut message = Vec::with_capacity(size + 8);
    match form {
        Form::Tls13 => {
            let entries = chain.iter().map(|certificate| (certificate, []));
            Certificate::put(&mut message, &[], entries);
        }
        Form::Before13 => tls12::Certificate::put(&mut message, chain),
    }
    message.into_boxed_slice()
}

/// §4.4.2, RFC 7250 §3: one entry, or before TLS 1.3 no list at all.
fn encoded_key(form: Form, spki: &[u8]) -> Box<[u8]> {
    let mut message = Vec::with_capacity(spki.len() + 16);
    match form {
        Form::Tls13 => Certificate::put(&mut message, &[], [(spki, [])]),
        Form::Before13 => tls12::RawPublicKeyCertificate::put(&mut message, spki),
    }
    message.into_boxed_slice()
}
