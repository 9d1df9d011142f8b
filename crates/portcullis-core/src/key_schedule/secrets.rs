//! Early, Handshake and Master Secret.
//!
//! RFC 8446 §7.1.

use super::{ExporterSecret, SuiteParameters, TrafficSecret};
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::{Digest, HashAlgorithm};
use crate::crypto::hkdf::{Label, Prk, extract};
use crate::crypto::secret::{Secret, SharedSecret};

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

/// The start of the chain. There are no pre-shared keys yet, so nothing is derived from the
/// early secret but the next salt, which is the same for all connections.
pub(crate) struct EarlySecret {
    hash: HashAlgorithm,
}

impl EarlySecret {
    pub(crate) const fn without_psk(hash: HashAlgorithm) -> Self {
        Self { hash }
    }

    /// Adds the result of the key exchange; `aead` is the other half of the suite.
    pub(crate) fn into_handshake(
        self,
        aead: AeadAlgorithm,
        shared: &SharedSecret,
    ) -> HandshakeSecret {
        let hash = self.hash;
        HandshakeSecret {
            suite: SuiteParameters { hash, aead },
            prk: Prk::new(
                hash,
                &extract(hash, derived_without_psk(hash), shared.as_slice()),
            ),
        }
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
    /// What the connection lives on; `transcript` is the hash of ClientHello..server Finished.
    pub(crate) fn into_application_secrets(self, transcript: &Digest) -> ApplicationSecrets {
        let prk = Prk::new(self.suite.hash, &self.secret);
        let derive = |label| prk.derive_secret(label, transcript);
        ApplicationSecrets {
            client: TrafficSecret::new(self.suite, derive(CLIENT_APPLICATION)),
            server: TrafficSecret::new(self.suite, derive(SERVER_APPLICATION)),
            exporter: ExporterSecret::new(self.suite.hash, derive(EXPORTER_MASTER)),
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
