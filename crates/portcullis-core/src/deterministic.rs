//! Handshakes that repeat byte for byte, and views of hellos nobody sent: for fuzzing and tests.
//!
//! **Never for a real connection**: whoever knows the seed knows every key. ML-KEM key pairs,
//! ECDSA and RSA-PSS signatures are random even here.

use bytes::Bytes;
use rustls_pki_types::{ServerName, UnixTime};

use crate::config::{ClientConfig, ServerConfig};
use crate::crypto::random::Random;
use crate::session::ClientSession;
use crate::wire::codec::DecodeError;
use crate::{ClientHelloView, Error, Handshake, Now, Reader, Writer};

impl Handshake {
    /// As [`client`](Self::client), with random bytes that follow from `seed`.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub fn client_seeded(
        config: ClientConfig,
        name: ServerName<'static>,
        seed: u64,
    ) -> Result<Self, Error> {
        Self::client_with_random(config, name, Random::seeded(seed))
    }

    /// As [`client_resuming`](Self::client_resuming), with random bytes that follow from `seed`.
    ///
    /// # Errors
    /// As [`client_resuming`](Self::client_resuming).
    pub fn client_resuming_seeded(
        config: ClientConfig,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        now: UnixTime,
        seed: u64,
    ) -> Result<Self, Error> {
        Self::client_resuming_with_random(config, name, sessions, now, Random::seeded(seed))
    }

    /// As [`client_with_early_data`](Self::client_with_early_data), with random bytes that follow from
    /// `seed`.
    ///
    /// # Errors
    /// As [`client_with_early_data`](Self::client_with_early_data).
    pub fn client_with_early_data_seeded(
        config: ClientConfig,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        now: UnixTime,
        seed: u64,
    ) -> Result<Self, Error> {
        Self::client_with_early_data_and_random(config, name, sessions, now, Random::seeded(seed))
    }

    /// As [`server`](Self::server), with random bytes that follow from `seed`.
    pub fn server_seeded(config: ServerConfig, seed: u64) -> Self {
        Self::server_with_random(config, Random::seeded(seed))
    }

    /// As [`datagram_client`](Self::datagram_client), with random bytes that follow from `seed`.
    ///
    /// # Errors
    /// As [`datagram_client`](Self::datagram_client).
    #[cfg(feature = "dtls")]
    pub fn datagram_client_seeded(
        config: ClientConfig,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        options: crate::DatagramOptions,
        now: Now,
        seed: u64,
    ) -> Result<Self, Error> {
        let random = (Random::seeded(seed), false);
        Self::start_datagram_client(config, name, sessions, (options, now), random)
    }

    /// As [`datagram_server`](Self::datagram_server), with random bytes that follow from `seed`.
    ///
    /// # Errors
    /// As [`datagram_server`](Self::datagram_server).
    #[cfg(feature = "dtls")]
    pub fn datagram_server_seeded(
        config: ServerConfig,
        admission: crate::Admission,
        options: crate::DatagramOptions,
        now: Now,
        seed: u64,
    ) -> Result<Self, Error> {
        Self::start_datagram_server(config, admission, options, now, Random::seeded(seed))
    }

    /// As [`renegotiate`](Self::renegotiate), with random bytes that follow from `seed`.
    ///
    /// # Errors
    /// As [`renegotiate`](Self::renegotiate).
    pub fn renegotiate_seeded(
        reader: &mut Reader,
        writer: &mut Writer,
        now: impl Into<Now>,
        seed: u64,
    ) -> Result<Self, Error> {
        Self::renegotiate_with(
            reader,
            writer,
            now.into(),
            Random::seeded(seed),
            #[cfg(test)]
            None,
        )
    }
}

impl ClientHelloView {
    /// The view of a whole ClientHello message, header included, without the checks that a
    /// handshake makes first.
    ///
    /// # Errors
    /// When it is not a ClientHello or does not have its syntax.
    pub fn from_message(message: Bytes) -> Result<Self, DecodeError> {
        Self::new(message, crate::wire::Syntax::Tls)
    }
}
