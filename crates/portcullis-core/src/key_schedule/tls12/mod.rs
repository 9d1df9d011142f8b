//! The key schedule of TLS 1.2.
//!
//! RFC 5246 §6.3, §7.4.9, §8.1; RFC 7627; RFC 5705.
//!
//! ```text
//! PremasterSecret --hash of the messages, or randoms--> MasterSecret --randoms--> KeyBlock
//!                                                         |   |
//!                                          verify_data <--+   +--randoms--> keying material
//! ```

// Until the states use it.
#![allow(dead_code, unused_imports)]

mod exporter;
mod key_block;
mod master_secret;
mod transcript;

#[cfg(test)]
mod recorded;

pub(crate) use key_block::{DirectionKeys, KeyBlock};
pub(crate) use master_secret::{MasterSecret, MasterSeed, PremasterSecret, Side};
pub(crate) use transcript::Transcript;

use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::HashAlgorithm;

/// What the key schedule and the records need to know of a cipher suite before TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LegacyParameters {
    /// Of the PRF.
    pub(crate) hash: HashAlgorithm,
    pub(crate) aead: AeadAlgorithm,
}
