//! What a TLS 1.3 cipher suite means to the key schedule.
//!
//! RFC 8446 §B.4.

use crate::Misuse;
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::HashAlgorithm;
use crate::key_schedule::SuiteParameters;
use crate::suite::CipherSuite;

impl CipherSuite {
    /// The hash of the handshake and the cipher of the records.
    pub(crate) fn parameters(self) -> Result<SuiteParameters, Misuse> {
        let (hash, aead) = match self {
            Self::TLS_AES_128_GCM_SHA256 => (HashAlgorithm::Sha256, AeadAlgorithm::Aes128Gcm),
            Self::TLS_AES_256_GCM_SHA384 => (HashAlgorithm::Sha384, AeadAlgorithm::Aes256Gcm),
            Self::TLS_CHACHA20_POLY1305_SHA256 => {
                (HashAlgorithm::Sha256, AeadAlgorithm::ChaCha20Poly1305)
            }
            _ => return Err(Misuse::new(format!("{self} is not implemented"))),
        };
        Ok(SuiteParameters { hash, aead })
    }

    /// The hash of the handshake.
    pub(crate) fn handshake_hash(self) -> Result<HashAlgorithm, Misuse> {
        self.parameters().map(|parameters| parameters.hash)
    }
}
