//! Early, Handshake and Master Secret.
//!
//! RFC 8446 §7.1.

use std::sync::LazyLock;

use super::traffic::FinishedKey;
use super::{ExporterSecret, SuiteParameters, TrafficSecret};
use crate::crypto::CryptoFailure;
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::{Digest, HashAlgorithm, hash as hash_of};
use crate::crypto::hkdf::{Label, LabelPrefix, Prk, extract, extract_without_salt};
use crate::crypto::hmac::HmacKey;
use crate::crypto::secret::{Secret, SharedSecret};

const RESUMPTION_BINDER: Label = Label::new(b"res binder");
const EXTERNAL_BINDER: Label = Label::new(b"ext binder");
const IMPORTED_BINDER: Label = Label::new(b"imp binder");
const RESUMPTION_MASTER: Label = Label::new(b"res master");
const DERIVED: Label = Label::new(b"derived");
const CLIENT_EARLY: Label = Label::new(b"c e traffic");
const CLIENT_HANDSHAKE: Label = Label::new(b"c hs traffic");
const SERVER_HANDSHAKE: Label = Label::new(b"s hs traffic");
const CLIENT_APPLICATION: Label = Label::new(b"c ap traffic");
const SERVER_APPLICATION: Label = Label::new(b"s ap traffic");
const EXPORTER_MASTER: Label = Label::new(b"exp master");

/// The salt of the next extraction: Derive-Secret(., "derived", "").
fn derived(hash: HashAlgorithm, prk: &Prk) -> Secret {
    prk.derive_secret(DERIVED, &hash.of_nothing())
}

/// An extraction whose input is as many zero bytes as the hash gives.
fn extract_zeros(hash: HashAlgorithm, salt: &[u8]) -> Secret {
    const ZEROS: [u8; HashAlgorithm::MAX_OUTPUT_LEN] = [0; HashAlgorithm::MAX_OUTPUT_LEN];
    let zeros = ZEROS.get(..hash.output_len()).unwrap_or(&ZEROS);
    extract(hash, salt, zeros)
}

/// Where a pre-shared key comes from: its binders say so, so that no key is taken for one of another kind
/// (§7.1; RFC 9258 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PskOrigin {
    Resumption,
    External,
    Imported,
}

impl PskOrigin {
    const fn binder_label(self) -> Label {
        match self {
            Self::Resumption => RESUMPTION_BINDER,
            Self::External => EXTERNAL_BINDER,
            Self::Imported => IMPORTED_BINDER,
        }
    }
}

/// The start of the chain.
pub(crate) struct EarlySecret {
    hash: HashAlgorithm,
    prefix: LabelPrefix,
    origin: PskOrigin,
    /// Without a pre-shared key nothing is derived from the early secret but the next salt,
    /// which is then the same for all connections.
    prk: Option<Prk>,
}

impl EarlySecret {
    pub(crate) const fn without_psk(hash: HashAlgorithm, prefix: LabelPrefix) -> Self {
        Self {
            hash,
            prefix,
            origin: PskOrigin::Resumption,
            prk: None,
        }
    }

    /// For a connection that resumes another.
    pub(crate) fn with_psk(psk: &ResumptionPsk, prefix: LabelPrefix) -> Self {
        Self::of_key(
            psk.hash,
            psk.secret.as_slice(),
            PskOrigin::Resumption,
            prefix,
        )
    }

    /// For a connection by a key that both sides had before.
    pub(crate) fn with_external_psk(hash: HashAlgorithm, key: &[u8], prefix: LabelPrefix) -> Self {
        Self::of_key(hash, key, PskOrigin::External, prefix)
    }

    /// The same with a key that is imported (RFC 9258 §5.1): `key` goes with the hash `of_key`, `identity` is the
    /// ImportedIdentity, and `hash` the one that it is imported for.
    ///
    /// # Errors
    /// Never for a hash that suites have.
    pub(crate) fn with_imported_psk(
        hash: HashAlgorithm,
        key: &[u8],
        of_key: HashAlgorithm,
        identity: &[u8],
        prefix: LabelPrefix,
    ) -> Result<Self, CryptoFailure> {
        let secret = extract_without_salt(of_key, key);
        let mut imported = Secret::zeros(hash.output_len());
        Prk::new(of_key, prefix, &secret).expand_any_label(
            b"derived psk",
            hash_of(of_key, identity).as_slice(),
            imported.as_mut_slice(),
        )?;
        let imported = imported.as_slice();
        Ok(Self::of_key(hash, imported, PskOrigin::Imported, prefix))
    }

    fn of_key(hash: HashAlgorithm, key: &[u8], origin: PskOrigin, prefix: LabelPrefix) -> Self {
        let secret = extract_without_salt(hash, key);
        Self {
            hash,
            prefix,
            origin,
            prk: Some(Prk::new(hash, prefix, &secret)),
        }
    }

    /// Moves the secret and leaves none, as [`Secret::take`]: `Option::take` would leave its bytes.
    pub(crate) fn take(&mut self) -> Self {
        Self {
            hash: self.hash,
            prefix: self.prefix,
            origin: self.origin,
            prk: self.prk.as_mut().map(Prk::take),
        }
    }

    pub(crate) const fn hash(&self) -> HashAlgorithm {
        self.hash
    }

    /// The binder (§4.2.11.2); `transcript` is the hash of everything up to the truncated
    /// ClientHello. `None` when there is no key to bind.
    pub(crate) fn binder(&self, transcript: &Digest) -> Option<Digest> {
        Some(self.binder_key()?.verify_data(transcript))
    }

    /// Whether `received` is that binder, in constant time.
    pub(crate) fn verify_binder(&self, transcript: &Digest, received: &[u8]) -> bool {
        self.binder_key()
            .is_some_and(|key| key.verify(transcript, received))
    }

    /// What a client protects early data with; `transcript` is the hash of the ClientHello, and `aead`
    /// the other half of the session's suite. `None` when there is no key.
    pub(crate) fn client_early_traffic_secret(
        &self,
        aead: AeadAlgorithm,
        transcript: &Digest,
    ) -> Option<TrafficSecret> {
        let prk = self.prk.as_ref()?;
        let suite = SuiteParameters {
            hash: self.hash,
            aead,
        };
        let secret = prk.derive_secret(CLIENT_EARLY, transcript);
        Some(TrafficSecret::new(suite, self.prefix, secret))
    }

    fn binder_key(&self) -> Option<FinishedKey> {
        let hash = self.hash;
        let binder_key = self
            .prk
            .as_ref()?
            .derive_secret(self.origin.binder_label(), &hash.of_nothing());
        Some(FinishedKey::new(
            hash,
            &Prk::new(hash, self.prefix, &binder_key),
        ))
    }

    /// Adds nothing, where a key is used alone (`psk_ke`): zeros take the place of what a key exchange gives.
    ///
    /// # Errors
    /// Without a key all of it would be known to everybody.
    pub(crate) fn into_handshake_alone(
        self,
        aead: AeadAlgorithm,
    ) -> Result<HandshakeSecret, CryptoFailure> {
        let Self { hash, prefix, .. } = self;
        let prk = self.prk.as_ref().ok_or(CryptoFailure::KeyDerivation)?;
        let secret = extract_zeros(hash, derived(hash, prk).as_slice());
        Ok(HandshakeSecret {
            suite: SuiteParameters { hash, aead },
            prk: Prk::new(hash, prefix, &secret),
        })
    }

    /// Adds the result of the key exchange; `aead` is the other half of the suite.
    pub(crate) fn into_handshake(
        self,
        aead: AeadAlgorithm,
        shared: &SharedSecret,
    ) -> HandshakeSecret {
        let Self { hash, prefix, .. } = self;
        let secret = match &self.prk {
            None => salt_without_psk(hash, prefix).mac(core::iter::once(shared.as_slice())),
            Some(prk) => extract(hash, derived(hash, prk).as_slice(), shared.as_slice()),
        };
        HandshakeSecret {
            suite: SuiteParameters { hash, aead },
            prk: Prk::new(hash, prefix, &secret),
        }
    }
}

/// The salt of that extraction (RFC 5869 §2.2), the same for all connections.
fn salt_without_psk(hash: HashAlgorithm, prefix: LabelPrefix) -> &'static HmacKey {
    use HashAlgorithm::{Sha256, Sha384};
    use LabelPrefix::{Dtls13, Tls13};
    static TLS_SHA256: LazyLock<HmacKey> = LazyLock::new(|| salt(Sha256, Tls13));
    static TLS_SHA384: LazyLock<HmacKey> = LazyLock::new(|| salt(Sha384, Tls13));
    static DTLS_SHA256: LazyLock<HmacKey> = LazyLock::new(|| salt(Sha256, Dtls13));
    static DTLS_SHA384: LazyLock<HmacKey> = LazyLock::new(|| salt(Sha384, Dtls13));
    fn salt(hash: HashAlgorithm, prefix: LabelPrefix) -> HmacKey {
        HmacKey::new(hash, derived_without_psk(hash, prefix))
    }
    match (hash, prefix) {
        (Sha256, Tls13) => &TLS_SHA256,
        (Sha384, Tls13) => &TLS_SHA384,
        (Sha256, Dtls13) => &DTLS_SHA256,
        (Sha384, Dtls13) => &DTLS_SHA384,
    }
}

/// Derive-Secret(HKDF-Extract(0, 0), "derived", ""): constants instead of four hashes.
const fn derived_without_psk(hash: HashAlgorithm, prefix: LabelPrefix) -> &'static [u8] {
    match (hash, prefix) {
        (HashAlgorithm::Sha256, LabelPrefix::Tls13) => &[
            0x6f, 0x26, 0x15, 0xa1, 0x08, 0xc7, 0x02, 0xc5, 0x67, 0x8f, 0x54, 0xfc, 0x9d, 0xba,
            0xb6, 0x97, 0x16, 0xc0, 0x76, 0x18, 0x9c, 0x48, 0x25, 0x0c, 0xeb, 0xea, 0xc3, 0x57,
            0x6c, 0x36, 0x11, 0xba,
        ],
        (HashAlgorithm::Sha256, LabelPrefix::Dtls13) => &[
            0xb1, 0x7b, 0xce, 0x94, 0x51, 0xee, 0x8b, 0xc6, 0xe8, 0xae, 0xbc, 0x0a, 0xa9, 0xe9,
            0x82, 0x95, 0x67, 0x7a, 0x4a, 0x6a, 0x91, 0xf7, 0x84, 0x40, 0x83, 0x31, 0x46, 0xe4,
            0x65, 0xf2, 0xff, 0x95,
        ],
        (HashAlgorithm::Sha384, LabelPrefix::Dtls13) => &[
            0x27, 0x00, 0x86, 0x05, 0xd3, 0x39, 0x6f, 0x88, 0x44, 0x19, 0x75, 0x65, 0xca, 0xec,
            0xc5, 0x92, 0xb3, 0xe5, 0x8f, 0x2e, 0xae, 0x55, 0xf8, 0x41, 0xb5, 0x77, 0xcf, 0xbc,
            0xab, 0xb4, 0x7e, 0x22, 0x1f, 0x67, 0x4e, 0xd3, 0xa6, 0x8a, 0xa8, 0x93, 0x43, 0x9c,
            0xf5, 0x57, 0xf1, 0x11, 0xc0, 0xfc,
        ],
        (HashAlgorithm::Sha384, LabelPrefix::Tls13) => &[
            0x15, 0x91, 0xda, 0xc5, 0xcb, 0xbf, 0x03, 0x30, 0xa4, 0xa8, 0x4d, 0xe9, 0xc7, 0x53,
            0x33, 0x0e, 0x92, 0xd0, 0x1f, 0x0a, 0x88, 0x21, 0x4b, 0x44, 0x64, 0x97, 0x2f, 0xd6,
            0x68, 0x04, 0x9e, 0x93, 0xe5, 0x2f, 0x2b, 0x16, 0xfa, 0xd9, 0x22, 0xfd, 0xc0, 0x58,
            0x44, 0x78, 0x42, 0x8f, 0x28, 0x2b,
        ],
    }
}

/// Protects the rest of the handshake.
pub(crate) struct HandshakeSecret {
    suite: SuiteParameters,
    prk: Prk,
}

impl HandshakeSecret {
    /// `transcript` is the hash of ClientHello..ServerHello.
    pub(crate) fn client_handshake_traffic_secret(&self, transcript: &Digest) -> TrafficSecret {
        self.traffic_secret(CLIENT_HANDSHAKE, transcript)
    }

    /// `transcript` is the hash of ClientHello..ServerHello.
    pub(crate) fn server_handshake_traffic_secret(&self, transcript: &Digest) -> TrafficSecret {
        self.traffic_secret(SERVER_HANDSHAKE, transcript)
    }

    fn traffic_secret(&self, label: Label, transcript: &Digest) -> TrafficSecret {
        TrafficSecret::new(
            self.suite,
            self.prk.prefix(),
            self.prk.derive_secret(label, transcript),
        )
    }

    pub(crate) fn into_master(self) -> MasterSecret {
        let hash = self.suite.hash;
        MasterSecret {
            suite: self.suite,
            prefix: self.prk.prefix(),
            secret: extract_zeros(hash, derived(hash, &self.prk).as_slice()),
        }
    }
}

/// The end of the chain.
pub(crate) struct MasterSecret {
    suite: SuiteParameters,
    prefix: LabelPrefix,
    secret: Secret,
}

impl MasterSecret {
    /// Moves the secret and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self {
            suite: self.suite,
            prefix: self.prefix,
            secret: self.secret.take(),
        }
    }

    /// What the connection lives on; `transcript` is the hash of ClientHello..server Finished.
    pub(crate) fn into_application_secrets(self, transcript: &Digest) -> ApplicationSecrets {
        let Self { suite, prefix, .. } = self;
        let prk = Prk::new(suite.hash, prefix, &self.secret);
        let derive = |label| prk.derive_secret(label, transcript);
        ApplicationSecrets {
            client: TrafficSecret::new(suite, prefix, derive(CLIENT_APPLICATION)),
            server: TrafficSecret::new(suite, prefix, derive(SERVER_APPLICATION)),
            exporter: ExporterSecret::new(suite.hash, prefix, derive(EXPORTER_MASTER)),
            resumption: MasterSecretForTickets {
                hash: suite.hash,
                prk,
            },
        }
    }
}

/// The last row of the figure.
pub(crate) struct ApplicationSecrets {
    /// client_application_traffic_secret_0
    pub(crate) client: TrafficSecret,
    /// server_application_traffic_secret_0
    pub(crate) server: TrafficSecret,
    /// exporter_master_secret
    pub(crate) exporter: ExporterSecret,
    /// The master secret once more, for a connection that gives or takes tickets.
    pub(crate) resumption: MasterSecretForTickets,
}

/// The master secret, waiting for the client's Finished.
pub(crate) struct MasterSecretForTickets {
    hash: HashAlgorithm,
    prk: Prk,
}

impl MasterSecretForTickets {
    /// Moves the secret and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self {
            hash: self.hash,
            prk: self.prk.take(),
        }
    }

    /// resumption_master_secret; `transcript` is the hash of ClientHello..client Finished.
    pub(crate) fn into_secret(self, transcript: &Digest) -> ResumptionMasterSecret {
        ResumptionMasterSecret {
            hash: self.hash,
            prefix: self.prk.prefix(),
            secret: self.prk.derive_secret(RESUMPTION_MASTER, transcript),
        }
    }
}

/// The resumption_master_secret, from which each ticket has its own key.
pub(crate) struct ResumptionMasterSecret {
    hash: HashAlgorithm,
    prefix: LabelPrefix,
    secret: Secret,
}

impl ResumptionMasterSecret {
    /// Moves the secret and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self {
            hash: self.hash,
            prefix: self.prefix,
            secret: self.secret.take(),
        }
    }

    /// Another one, for tickets that come later.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            hash: self.hash,
            prefix: self.prefix,
            secret: self.secret.clone(),
        }
    }

    /// The key that a ticket stands for (§4.6.1).
    ///
    /// # Errors
    /// Never for a nonce from the wire, which has 255 bytes at most.
    pub(crate) fn psk(&self, nonce: &[u8]) -> Result<ResumptionPsk, CryptoFailure> {
        let mut secret = Secret::zeros(self.hash.output_len());
        Prk::new(self.hash, self.prefix, &self.secret).expand_any_label(
            b"resumption",
            nonce,
            secret.as_mut_slice(),
        )?;
        Ok(ResumptionPsk {
            hash: self.hash,
            secret: Box::new(secret),
        })
    }
}

impl core::fmt::Debug for ResumptionMasterSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ResumptionMasterSecret(..)")
    }
}

/// The key with which a connection is resumed. Boxed: sessions are moved, and a moved secret
/// would stay where it was.
#[derive(Clone)]
pub(crate) struct ResumptionPsk {
    hash: HashAlgorithm,
    secret: Box<Secret>,
}

impl ResumptionPsk {
    /// Takes a key that was written down.
    ///
    /// # Errors
    /// When it does not have the length of the hash's output.
    pub(crate) fn from_bytes(hash: HashAlgorithm, bytes: &[u8]) -> Result<Self, CryptoFailure> {
        if bytes.len() != hash.output_len() {
            return Err(CryptoFailure::KeyDerivation);
        }
        let secret = Box::new(Secret::new(bytes)?);
        Ok(Self { hash, secret })
    }

    /// For a ticket or a store, and nothing else.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.secret.as_slice()
    }

    pub(crate) const fn hash(&self) -> HashAlgorithm {
        self.hash
    }
}

impl core::fmt::Debug for ResumptionPsk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ResumptionPsk(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_what_would_be_derived() {
        for hash in [HashAlgorithm::Sha256, HashAlgorithm::Sha384] {
            for prefix in [LabelPrefix::Tls13, LabelPrefix::Dtls13] {
                let prk = Prk::new(hash, prefix, &extract_zeros(hash, &[]));
                let derived = derived(hash, &prk);
                assert_eq!(derived.as_slice(), derived_without_psk(hash, prefix));
            }
        }
    }
}
