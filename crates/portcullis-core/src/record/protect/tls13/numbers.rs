//! What the numbers of records over datagrams are hidden with.
//!
//! RFC 9147 §4.2.3.

use super::Tls13;
use crate::crypto::CryptoFailure;
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::number_key::NumberKey;

impl Tls13 {
    pub(in super::super::super) const fn aead(&self) -> AeadAlgorithm {
        self.secret.suite_parameters().aead
    }

    /// The key that hides the numbers of these records over datagrams (RFC 9147 §4.2.3).
    pub(in super::super::super) fn number_key(&self) -> Result<NumberKey, CryptoFailure> {
        self.secret.number_key()
    }
}
