//! The key schedule as a chain of types, after the figure of RFC 8446 §7.1.
//!
//! ```text
//! EarlySecret --(EC)DHE--> HandshakeSecret ----> MasterSecret
//!                            | c hs, s hs          | c ap, s ap     | exp master
//!                            v                     v                v
//!                          TrafficSecret         TrafficSecret    ExporterSecret
//! ```
//!
//! Each step consumes the secret before it, so the old one is wiped and none can be skipped.
//! That of TLS 1.2 is beside it, in [`tls12`].

mod exporter;
mod secrets;
pub(crate) mod tls12;
mod traffic;
mod transcript;

#[cfg(test)]
pub(crate) mod rfc_8448;
#[cfg(test)]
mod rfc_9147;

pub(crate) use exporter::{ExportError, ExporterSecret};
pub(crate) use secrets::{
    ApplicationSecrets, EarlySecret, HandshakeSecret, MasterSecret, MasterSecretForTickets,
    ResumptionMasterSecret, ResumptionPsk,
};
pub(crate) use traffic::{FinishedKey, TrafficSecret};
pub(crate) use transcript::{AddMessage, Hashed, Transcript, TranscriptBuffer, Unhashed};

use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::HashAlgorithm;

/// What the key schedule needs to know of the cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SuiteParameters {
    pub(crate) hash: HashAlgorithm,
    pub(crate) aead: AeadAlgorithm,
}
