//! The keys of the handshake, which both roles derive and install the other way round.
//!
//! RFC 8446 §7.1.

use super::secret_log::SecretLog;
use crate::crypto::CryptoFailure;
use crate::crypto::hash::Digest;
use crate::key_schedule::{FinishedKey, HandshakeSecret};
use crate::record::Keys;

/// What each side protects the rest of the handshake with, and proves it with in Finished.
pub(super) struct HandshakeKeys {
    pub(super) client: Keys,
    pub(super) server: Keys,
    pub(super) client_finished: FinishedKey,
    pub(super) server_finished: FinishedKey,
}

impl HandshakeKeys {
    /// `transcript` is the hash of ClientHello..ServerHello.
    pub(super) fn derive(
        secret: &HandshakeSecret,
        transcript: &Digest,
        mut log: SecretLog<'_>,
    ) -> Result<Self, CryptoFailure> {
        let client = secret.client_handshake_traffic_secret(transcript);
        let server = secret.server_handshake_traffic_secret(transcript);
        log.of_handshake(&client, &server);
        let (client_key, client_finished) = client.handshake_keys()?;
        let (server_key, server_finished) = server.handshake_keys()?;
        Ok(Self {
            client: Keys::ready(client, client_key),
            server: Keys::ready(server, server_key),
            client_finished,
            server_finished,
        })
    }
}
