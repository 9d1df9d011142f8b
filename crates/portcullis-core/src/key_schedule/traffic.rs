//! Traffic secrets: record keys, Finished and KeyUpdate.
//!
//! RFC 8446 §4.4.4, §7.2, §7.3; RFC 9147 §4.2.3.

use super::SuiteParameters;
use crate::crypto::CryptoFailure;
use crate::crypto::aead::{AeadKey, IV_LEN};
use crate::crypto::hash::{Digest, HashAlgorithm};
use crate::crypto::hkdf::{Label, LabelPrefix, Prk};
use crate::crypto::hmac::HmacKey;
#[cfg(feature = "dtls")]
use crate::crypto::number_key::NumberKey;
use crate::crypto::secret::Secret;

const KEY: Label = Label::new(b"key");
const IV: Label = Label::new(b"iv");
#[cfg(feature = "dtls")]
const NUMBER_KEY: Label = Label::new(b"sn");
const FINISHED: Label = Label::new(b"finished");
const TRAFFIC_UPDATE: Label = Label::new(b"traffic upd");

/// What one direction of an epoch is protected with.
pub(crate) struct TrafficSecret {
    suite: SuiteParameters,
    prefix: LabelPrefix,
    secret: Secret,
}

impl TrafficSecret {
    pub(super) const fn new(suite: SuiteParameters, prefix: LabelPrefix, secret: Secret) -> Self {
        Self {
            suite,
            prefix,
            secret,
        }
    }

    /// A secret of somebody else's connection.
    #[cfg(all(test, feature = "dtls"))]
    pub(crate) const fn for_tests(
        suite: SuiteParameters,
        prefix: LabelPrefix,
        secret: Secret,
    ) -> Self {
        Self::new(suite, prefix, secret)
    }

    /// Moves the secret and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self {
            suite: self.suite,
            prefix: self.prefix,
            secret: self.secret.take(),
        }
    }

    pub(crate) const fn suite_parameters(&self) -> SuiteParameters {
        self.suite
    }

    /// The key and IV of the records (§7.3).
    ///
    /// # Errors
    /// When the library cannot set up the key; not for any secret.
    pub(crate) fn aead_key(&self) -> Result<AeadKey, CryptoFailure> {
        self.aead_key_from(&self.prk())
    }

    /// The same, and the key of the side's Finished: the secrets of the handshake are for both.
    ///
    /// # Errors
    /// As [`aead_key`](Self::aead_key).
    pub(crate) fn handshake_keys(&self) -> Result<(AeadKey, FinishedKey), CryptoFailure> {
        let prk = self.prk();
        let finished = FinishedKey::new(self.suite.hash, &prk);
        Ok((self.aead_key_from(&prk)?, finished))
    }

    /// The key of a Finished after the handshake (§4.4.4): of the secret that is in force then.
    pub(crate) fn finished_key(&self) -> FinishedKey {
        FinishedKey::new(self.suite.hash, &self.prk())
    }

    fn aead_key_from(&self, prk: &Prk) -> Result<AeadKey, CryptoFailure> {
        let SuiteParameters { aead, .. } = self.suite;
        let key = prk.expand_label(KEY, None, aead.key_len());
        let iv = prk.expand_label(IV, None, IV_LEN);
        let iv = iv.as_slice().first_chunk();
        AeadKey::new(
            aead,
            key.as_slice(),
            iv.ok_or(CryptoFailure::KeyDerivation)?,
        )
    }

    /// The key that hides the numbers of records over datagrams (RFC 9147 §4.2.3).
    ///
    /// # Errors
    /// When the library cannot set up the key; not for any secret.
    #[cfg(feature = "dtls")]
    pub(crate) fn number_key(&self) -> Result<NumberKey, CryptoFailure> {
        let SuiteParameters { aead, .. } = self.suite;
        let key = self.prk().expand_label(NUMBER_KEY, None, aead.key_len());
        NumberKey::new(aead, key.as_slice())
    }

    /// The secret after a KeyUpdate (§7.2): application_traffic_secret_N+1.
    pub(crate) fn next(&self) -> Self {
        Self {
            suite: self.suite,
            prefix: self.prefix,
            secret: self.expand_one(TRAFFIC_UPDATE),
        }
    }

    /// For the key log, and nothing else.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.secret.as_slice()
    }

    fn expand_one(&self, label: Label) -> Secret {
        let len = self.suite.hash.output_len_u8();
        self.prk().expand_label(label, None, len)
    }

    fn prk(&self) -> Prk {
        Prk::new(self.suite.hash, self.prefix, &self.secret)
    }
}

/// The key that a Finished (§4.4.4), or a binder (§4.2.11.2), is computed with.
pub(crate) struct FinishedKey {
    hash: HashAlgorithm,
    secret: Secret,
}

impl FinishedKey {
    /// Of the side that writes with the secret of which `prk` is made, or of a binder key.
    pub(super) fn new(hash: HashAlgorithm, prk: &Prk) -> Self {
        let secret = prk.expand_label(FINISHED, None, hash.output_len_u8());
        Self { hash, secret }
    }

    /// Moves the secret and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self {
            hash: self.hash,
            secret: self.secret.take(),
        }
    }

    /// The verify_data; `transcript` is the hash of all messages before it.
    pub(crate) fn verify_data(&self, transcript: &Digest) -> Digest {
        let message = core::iter::once(transcript.as_slice());
        self.set_up().mac(message).into_public()
    }

    /// Whether `received` is the verify_data, in constant time.
    pub(crate) fn verify(&self, transcript: &Digest, received: &[u8]) -> bool {
        self.set_up().verify(transcript.as_slice(), received)
    }

    /// It is used once, and a third as large until then.
    fn set_up(&self) -> HmacKey {
        HmacKey::new(self.hash, self.secret.as_slice())
    }
}

impl core::fmt::Debug for FinishedKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("FinishedKey(..)")
    }
}

impl core::fmt::Debug for TrafficSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("TrafficSecret(..)")
    }
}
