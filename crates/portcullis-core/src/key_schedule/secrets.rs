//! Early, Handshake and Master Secret.
//!
//! RFC 8446 §7.1.

use std::sync::LazyLock;

use super::traffic::FinishedKey;
use super::{ExporterSecret, SuiteParameters, TrafficSecret};
use crate::crypto::CryptoFailure;
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::{Digest, HashAlgorithm};
use crate::crypto::hkdf::{Label, Prk, extract};
use crate::crypto::hmac::HmacKey;
use crate::crypto::secret::{Secret, SharedSecret};

const RESUMPTION_BINDER: Label = Label::new(b"tls13 res binder");
const RESUMPTION_MASTER: Label = Label::new(b"tls13 res master");
const DERIVED: Label = Label::new(b"tls13 derived");
const CLIENT_HANDSHAKE: Label = Label::new(b"tls13 c hs traffic");
const SERVER_HANDSHAKE: Label = Label::new(b"tls13 s hs traffic");
const CLIENT_APPLICATION: Label = Label::new(b"tls13 c ap traffic");
const SERVER_APPLICATION: Label = Label::new(b"tls13 s ap traffic");
const EXPORTER_MASTER: Label = Label::new(b"tls13 exp master");

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

/// The start of the chain.
pub(crate) struct EarlySecret {
    hash: HashAlgorithm,
    /// Without a pre-shared key nothing is derived from the early secret but the next salt,
    /// which is then the same for all connections.
    prk: Option<Prk>,
}

impl EarlySecret {
    pub(crate) const fn without_psk(hash: HashAlgorithm) -> Self {
        Self { hash, prk: None }
    }

    /// For a connection that resumes another.
    pub(crate) fn with_psk(psk: &ResumptionPsk) -> Self {
        let hash = psk.hash;
        let secret = extract(hash, &[], psk.secret.as_slice());
        Self {
            hash,
            prk: Some(Prk::new(hash, &secret)),
        }
    }

    /// Moves the secret and leaves none, as [`Secret::take`]: `Option::take` would leave its bytes.
    pub(crate) fn take(&mut self) -> Self {
        Self {
            hash: self.hash,
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

    fn binder_key(&self) -> Option<FinishedKey> {
        let hash = self.hash;
        let binder_key = self
            .prk
            .as_ref()?
            .derive_secret(RESUMPTION_BINDER, &hash.of_nothing());
        Some(FinishedKey::new(hash, &Prk::new(hash, &binder_key)))
    }

    /// Adds the result of the key exchange; `aead` is the other half of the suite.
    pub(crate) fn into_handshake(
        self,
        aead: AeadAlgorithm,
        shared: &SharedSecret,
    ) -> HandshakeSecret {
        let hash = self.hash;
        let secret = match &self.prk {
            None => salt_without_psk(hash).mac(core::iter::once(shared.as_slice())),
            Some(prk) => extract(hash, derived(hash, prk).as_slice(), shared.as_slice()),
        };
        HandshakeSecret {
            suite: SuiteParameters { hash, aead },
            prk: Prk::new(hash, &secret),
        }
    }
}

/// The salt of that extraction (RFC 5869 §2.2), the same for all connections.
fn salt_without_psk(hash: HashAlgorithm) -> &'static HmacKey {
    static SHA256: LazyLock<HmacKey> = LazyLock::new(|| salt(HashAlgorithm::Sha256));
    static SHA384: LazyLock<HmacKey> = LazyLock::new(|| salt(HashAlgorithm::Sha384));
    fn salt(hash: HashAlgorithm) -> HmacKey {
        HmacKey::new(hash, derived_without_psk(hash))
    }
    match hash {
        HashAlgorithm::Sha256 => &SHA256,
        HashAlgorithm::Sha384 => &SHA384,
    }
}

/// Derive-Secret(HKDF-Extract(0, 0), "derived", ""): two constants instead of four hashes.
const fn derived_without_psk(hash: HashAlgorithm) -> &'static [u8] {
    match hash {
        HashAlgorithm::Sha256 => &[
            0x6f, 0x26, 0x15, 0xa1, 0x08, 0xc7, 0x02, 0xc5, 0x67, 0x8f, 0x54, 0xfc, 0x9d, 0xba,
            0xb6, 0x97, 0x16, 0xc0, 0x76, 0x18, 0x9c, 0x48, 0x25, 0x0c, 0xeb, 0xea, 0xc3, 0x57,
            0x6c, 0x36, 0x11, 0xba,
        ],
        HashAlgorithm::Sha384 => &[
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
        TrafficSecret::new(self.suite, self.prk.derive_secret(label, transcript))
    }

    pub(crate) fn into_master(self) -> MasterSecret {
        let hash = self.suite.hash;
        MasterSecret {
            suite: self.suite,
            secret: extract_zeros(hash, derived(hash, &self.prk).as_slice()),
        }
    }
}

/// The end of the chain.
pub(crate) struct MasterSecret {
    suite: SuiteParameters,
    secret: Secret,
}

impl MasterSecret {
    /// Moves the secret and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self {
            suite: self.suite,
            secret: self.secret.take(),
        }
    }

    /// What the connection lives on; `transcript` is the hash of ClientHello..server Finished.
    pub(crate) fn into_application_secrets(self, transcript: &Digest) -> ApplicationSecrets {
        let prk = Prk::new(self.suite.hash, &self.secret);
        let derive = |label| prk.derive_secret(label, transcript);
        ApplicationSecrets {
            client: TrafficSecret::new(self.suite, derive(CLIENT_APPLICATION)),
            server: TrafficSecret::new(self.suite, derive(SERVER_APPLICATION)),
            exporter: ExporterSecret::new(self.suite.hash, derive(EXPORTER_MASTER)),
            resumption: ResumptionMaster {
                hash: self.suite.hash,
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
    pub(crate) resumption: ResumptionMaster,
}

/// The master secret, waiting for the client's Finished.
pub(crate) struct ResumptionMaster {
    hash: HashAlgorithm,
    prk: Prk,
}

impl ResumptionMaster {
    /// Moves the secret and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self {
            hash: self.hash,
            prk: self.prk.take(),
        }
    }

    /// resumption_master_secret; `transcript` is the hash of ClientHello..client Finished.
    pub(crate) fn into_secret(self, transcript: &Digest) -> ResumptionSecret {
        ResumptionSecret {
            hash: self.hash,
            secret: self.prk.derive_secret(RESUMPTION_MASTER, transcript),
        }
    }
}

/// The resumption_master_secret, from which each ticket has its own key.
pub(crate) struct ResumptionSecret {
    hash: HashAlgorithm,
    secret: Secret,
}

impl ResumptionSecret {
    /// Moves the secret and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self {
            hash: self.hash,
            secret: self.secret.take(),
        }
    }

    /// The key that a ticket stands for (§4.6.1).
    ///
    /// # Errors
    /// Never for a nonce from the wire, which has 255 bytes at most.
    pub(crate) fn psk(&self, nonce: &[u8]) -> Result<ResumptionPsk, CryptoFailure> {
        let mut secret = Secret::zeros(self.hash.output_len());
        Prk::new(self.hash, &self.secret).expand_any_label(
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

impl core::fmt::Debug for ResumptionSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ResumptionSecret(..)")
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
            let early = extract_zeros(hash, &[]);
            let prk = Prk::new(hash, &early);
            assert_eq!(derived(hash, &prk).as_slice(), derived_without_psk(hash));
        }
    }
}
