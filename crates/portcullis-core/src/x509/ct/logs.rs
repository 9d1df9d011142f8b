//! Which logs are trusted, and what they have signed.
//!
//! RFC 6962 §2.1.4, §3.2.

use core::fmt;
use std::sync::Arc;

use rustls_pki_types::{SignatureVerificationAlgorithm as _, UnixTime};

use super::sct::{OF_CERTIFICATE, Parts, Sct, SctSource};
use crate::crypto::hash::{HashAlgorithm, Hasher};
use crate::crypto::verification::{ECDSA_P256_SHA256, RSA_PKCS1_2048_8192_SHA256};
use crate::der::{self, BOOLEAN, OCTET_STRING, OID, Reader, SEQUENCE, context};
use crate::misuse::Misuse;
use crate::wire::codec::{put_u16, put_vec16, put_vec24};
use crate::x509::certificate::Certificate;

/// Clocks differ, by so many milliseconds.
const TOLERATED: u64 = 300_000;

/// SignatureAndHashAlgorithm: SHA-256 with RSA (PKCS #1) and with ECDSA.
const SHA256_RSA: [u8; 2] = [4, 1];
const SHA256_ECDSA: [u8; 2] = [4, 3];

/// Logs that are trusted, each by its key. Cheap to clone. Empty at first: which logs count, and until when, is for
/// whoever keeps the list.
#[derive(Clone, Default)]
pub struct CtLogs(Arc<Vec<Log>>);

#[derive(Clone)]
struct Log {
    id: [u8; 32],
    name: String,
    /// With its header.
    spki: Box<[u8]>,
}

/// Why a timestamp does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SctError {
    /// It is of another version than 1, or damaged.
    Unreadable,
    /// Of a log that is not among those that are trusted.
    UnknownLog {
        /// Its id.
        log_id: [u8; 32],
    },
    /// Its log is known and has not signed this, about this certificate.
    BadSignature {
        /// The name of the log.
        log: String,
    },
    /// It is of later than now.
    FromFuture {
        /// The name of the log.
        log: String,
    },
    /// The certificate, or for a timestamp in it that of its issuer, cannot be read.
    NoCertificate,
}

impl CtLogs {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a log: a name for people, and its key, a SubjectPublicKeyInfo in DER with a key of ECDSA on P-256 or of
    /// RSA.
    ///
    /// # Errors
    /// When the key is of another kind, or there already.
    pub fn add(&mut self, name: impl Into<String>, key: impl Into<Vec<u8>>) -> Result<(), Misuse> {
        let (name, spki) = (name.into(), key.into());
        if algorithm_for(&spki, SHA256_ECDSA).is_none()
            && algorithm_for(&spki, SHA256_RSA).is_none()
        {
            return Err(Misuse::new(format!(
                "the log {name}: its key is no SubjectPublicKeyInfo in DER with a key of ECDSA on P-256 or of RSA"
            )));
        }
        let id = sha256(&spki);
        if let Some(known) = self.0.iter().find(|log| log.id == id) {
            return Err(Misuse::new(format!(
                "the log {name}: its key is that of {}",
                known.name
            )));
        }
        Arc::make_mut(&mut self.0).push(Log {
            id,
            name,
            spki: spki.into(),
        });
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Verifies a timestamp of this certificate, and gives the name of the log. One that stands in the certificate is
    /// about what its authority had asked the log before, so it needs the certificate of the authority, too; the
    /// others do not look at it.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn verify(
        &self,
        sct: &Sct,
        certificate: &[u8],
        issuer: &[u8],
        now: UnixTime,
    ) -> Result<&str, SctError> {
        let parts = sct.parts().ok_or(SctError::Unreadable)?;
        let log = self.0.iter().find(|log| log.id == *parts.log);
        let log = log.ok_or(SctError::UnknownLog { log_id: *parts.log })?;
        let name = || log.name.clone();
        let now = now.as_secs().saturating_mul(1_000);
        if u64::from_be_bytes(*parts.timestamp) > now.saturating_add(TOLERATED) {
            return Err(SctError::FromFuture { log: name() });
        }
        let entry = match sct.source {
            SctSource::Certificate => precertificate(certificate, issuer),
            SctSource::TlsExtension | SctSource::OcspResponse => {
                Certificate::read(certificate).map(|_| x509_entry(certificate))
            }
        };
        let signed = signed(&parts, &entry.ok_or(SctError::NoCertificate)?);
        let good = algorithm_for(&log.spki, *parts.algorithm).and_then(|algorithm| {
            let (_, key) = der::public_key_info(&log.spki)?;
            algorithm
                .verify_signature(key, &signed, parts.signature)
                .ok()
        });
        match good {
            Some(()) => Ok(&log.name),
            None => Err(SctError::BadSignature { log: name() }),
        }
    }
}

impl fmt::Debug for CtLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|log| &log.name))
            .finish()
    }
}

impl fmt::Display for SctError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("it is of another version than 1, or damaged"),
            Self::UnknownLog { log_id } => {
                f.write_str("the log ")?;
                let mut id = log_id.iter();
                id.try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str(" is not among those that are trusted")
            }
            Self::BadSignature { log } => {
                write!(f, "{log} has not signed it about this certificate")
            }
            Self::FromFuture { log } => {
                write!(f, "{log} dates it later than now: correct the clock")
            }
            Self::NoCertificate => {
                f.write_str("the certificate, or that of its issuer, cannot be read")
            }
        }
    }
}

impl core::error::Error for SctError {}

/// What a log's key signs with (RFC 6962 §2.1.4), if that is what a timestamp says.
fn algorithm_for(
    spki: &[u8],
    said: [u8; 2],
) -> Option<&'static crate::crypto::verification::Algorithm> {
    let (kind, _) = der::public_key_info(spki)?;
    let algorithm = match said {
        SHA256_ECDSA => &ECDSA_P256_SHA256,
        SHA256_RSA => &RSA_PKCS1_2048_8192_SHA256,
        _ => return None,
    };
    (*algorithm.public_key_alg_id() == *kind).then_some(algorithm)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Hasher::new(HashAlgorithm::Sha256);
    hasher.update(bytes);
    let digest = hasher.finish();
    digest.as_slice().first_chunk().copied().unwrap_or_default()
}

/// What is signed: version, kind of signature, timestamp, entry and extensions.
fn signed(parts: &Parts<'_>, entry: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0];
    out.extend_from_slice(parts.timestamp);
    out.extend_from_slice(entry);
    put_vec16(&mut out, |out| out.extend_from_slice(parts.extensions));
    out
}

/// x509_entry: the certificate.
fn x509_entry(certificate: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_u16(&mut out, 0);
    put_vec24(&mut out, |out| out.extend_from_slice(certificate));
    out
}

/// precert_entry: who was to issue it, and what was to be signed, which is what was signed without the timestamps.
fn precertificate(certificate: &[u8], issuer: &[u8]) -> Option<Vec<u8>> {
    let fields = Certificate::read(certificate)?;
    let issuer = Certificate::read(issuer)?;
    let tbs = without_timestamps(der::only(fields.tbs, SEQUENCE)?)?;
    let mut out = Vec::new();
    put_u16(&mut out, 1);
    out.extend_from_slice(&sha256(issuer.spki));
    put_vec24(&mut out, |out| out.extend_from_slice(&tbs));
    Some(out)
}

pub(in crate::x509) fn without_timestamps(contents: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Reader::new(contents);
    let mut out = Vec::with_capacity(contents.len());
    while !fields.is_empty() {
        let field = fields.any()?;
        if field.tag != context(3) {
            out.extend_from_slice(field.whole);
            continue;
        }
        let mut extensions = Reader::new(der::only(field.contents, SEQUENCE)?);
        let mut kept = Vec::with_capacity(field.contents.len());
        while !extensions.is_empty() {
            let extension = extensions.element(SEQUENCE)?;
            let mut parts = Reader::new(extension.contents);
            let oid = parts.contents(OID)?;
            parts.optional(BOOLEAN);
            parts.contents(OCTET_STRING)?;
            if oid != OF_CERTIFICATE {
                kept.extend_from_slice(extension.whole);
            }
        }
        if !kept.is_empty() {
            out.extend(der::element(context(3), &der::sequence(&kept)));
        }
    }
    Some(der::sequence(&out))
}
