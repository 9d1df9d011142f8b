//! An established connection: what a finished handshake leaves.

use std::sync::Arc;

use crate::handshake::PostHandshakeAuthentication;
use crate::information::ConnectionInformation;
#[cfg(feature = "dtls")]
use crate::record::{DatagramReader, DatagramWriter};
use crate::record::{Reader, Writer};

/// What a finished handshake leaves: two directions that share nothing but a mailbox.
#[derive(Debug)]
pub struct Connection {
    /// Opens what the peer sends.
    pub reader: Reader,
    /// Seals what is sent to the peer.
    pub writer: Writer,
    /// What was negotiated.
    pub information: Arc<ConnectionInformation>,
    /// Bytes that were received and not read: the start of the reader's input.
    pub unread: Vec<u8>,
    /// Bytes to transmit before any of the writer's; empty when every
    /// [`Step::Transmit`](crate::Step::Transmit) was done.
    pub transmit: Vec<u8>,
    /// There if the client may be asked for a certificate from here on (RFC 8446 §4.6.2).
    pub authentication: Option<PostHandshakeAuthentication>,
}

/// What a finished handshake over datagrams leaves.
#[cfg(feature = "dtls")]
#[derive(Debug)]
pub struct DatagramConnection {
    /// Opens what the peer sends.
    pub reader: DatagramReader,
    /// Seals what is sent to the peer, and sends again what was lost of the handshake.
    pub writer: DatagramWriter,
    /// What was negotiated.
    pub information: Arc<ConnectionInformation>,
    /// Datagrams that came before the handshake was over: to be given to the reader before any other.
    pub unread: Vec<Vec<u8>>,
    /// There if the client may be asked for a certificate from here on (RFC 8446 §4.6.2).
    pub authentication: Option<PostHandshakeAuthentication>,
}
