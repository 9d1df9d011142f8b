//! The key schedule of TLS 1.2, 1.1 and 1.0.
//!
//! RFC 5246 §6.3, §7.4.9, §8.1, and the same of RFC 4346 and RFC 2246; RFC 7627; RFC 5705.
//!
//! ```text
//! PremasterSecret --hash of the messages, or randoms--> MasterSecret --randoms--> KeyBlock
//!                                                         |   |
//!                                          verify_data <--+   +--randoms--> keying material
//! ```

mod exporter;
mod key_block;
mod master_secret;
mod transcript;

#[cfg(test)]
mod recorded;

pub(crate) use key_block::{DirectionKeys, KeyBlock};
pub(crate) use master_secret::{MasterSecret, MasterSeed, PremasterSecret};
pub(crate) use transcript::Transcript;

use crate::crypto::aead::{AeadAlgorithm, IV_LEN};
use crate::crypto::cbc::CbcAlgorithm;
use crate::crypto::legacy::StreamAlgorithm;
use crate::crypto::prf::PrfHash;
use crate::crypto::record_mac::MacAlgorithm;
use crate::rules::{BeastMitigation, Iv};
use crate::version::ProtocolVersion;

/// What the key schedule and the records need to know of a cipher suite before TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OlderParameters {
    /// What the headers of records say.
    pub(crate) version: ProtocolVersion,
    /// Of the PRF.
    pub(crate) hash: PrfHash,
    pub(crate) cipher: OlderCipher,
}

/// What protects records before TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OlderCipher {
    /// RFC 5246 §6.2.3.3.
    Aead(AeadAlgorithm),
    /// RFC 5246 §6.2.3.2.
    Cbc(CbcParameters),
    /// RFC 5246 §6.2.3.1.
    Stream(StreamParameters),
}

/// A stream cipher and a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamParameters {
    pub(crate) cipher: StreamAlgorithm,
    pub(crate) mac: MacAlgorithm,
}

/// A block cipher and a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CbcParameters {
    pub(crate) cipher: CbcAlgorithm,
    pub(crate) mac: MacAlgorithm,
    /// Which comes first is negotiated (RFC 7366): without that the MAC.
    pub(crate) encrypt_then_mac: bool,
    /// Where the IV of a record is.
    pub(crate) iv: Iv,
    /// Whether every byte of the padding has to be right, and not the last alone.
    pub(crate) checks_padding: bool,
    /// What is done about a chained IV.
    pub(crate) beast_mitigation: BeastMitigation,
}

impl CbcParameters {
    /// MAC first, an explicit IV, and everything looked at.
    pub(crate) const fn new(cipher: CbcAlgorithm, mac: MacAlgorithm) -> Self {
        Self {
            cipher,
            mac,
            encrypt_then_mac: false,
            iv: Iv::Explicit,
            checks_padding: true,
            beast_mitigation: BeastMitigation::OneNMinusOne,
        }
    }
}

impl OlderParameters {
    /// Encrypts first if that was negotiated and there is a choice (RFC 7366 §3); whether it is so.
    pub(crate) const fn encrypt_then_mac(&mut self, negotiated: bool) -> bool {
        if let OlderCipher::Cbc(parameters) = &mut self.cipher {
            parameters.encrypt_then_mac = negotiated;
        }
        self.has_encrypt_then_mac()
    }

    /// What a configuration says of TLS 1.0, where IVs are chained.
    pub(crate) const fn set_chained(&mut self, checks_padding: bool, mitigation: BeastMitigation) {
        if let OlderCipher::Cbc(
            parameters @ CbcParameters {
                iv: Iv::Chained, ..
            },
        ) = &mut self.cipher
        {
            parameters.checks_padding = checks_padding;
            parameters.beast_mitigation = mitigation;
        }
    }

    /// Whether records are encrypted before they get a MAC.
    pub(crate) const fn has_encrypt_then_mac(&self) -> bool {
        matches!(
            self.cipher,
            OlderCipher::Cbc(CbcParameters {
                encrypt_then_mac: true,
                ..
            })
        )
    }
}

impl OlderCipher {
    const fn mac_key_len(self) -> u8 {
        match self {
            Self::Aead(_) => 0,
            Self::Cbc(parameters) => parameters.mac.len(),
            Self::Stream(parameters) => parameters.mac.len(),
        }
    }

    const fn key_len(self) -> u8 {
        match self {
            Self::Aead(aead) => aead.key_len(),
            Self::Cbc(parameters) => parameters.cipher.key_len(),
            Self::Stream(parameters) => parameters.cipher.key_len(),
        }
    }

    /// `SecurityParameters.fixed_iv_length`. GCM and CCM write the rest of a nonce into each record, CBC
    /// all of its IV, but in TLS 1.0 none of it.
    const fn fixed_iv_len(self) -> u8 {
        match self {
            Self::Aead(AeadAlgorithm::ChaCha20Poly1305) => IV_LEN,
            Self::Aead(_) => 4,
            Self::Cbc(CbcParameters {
                iv: Iv::Chained,
                cipher,
                ..
            }) => cipher.block_len() as u8,
            Self::Cbc(_) | Self::Stream(_) => 0,
        }
    }
}
