//! What polling a handshake gives.

use crate::AlertDescription;
use crate::clock::Monotonic;
use crate::error::Direction;
use crate::question::Question;
use crate::wire::HandshakeType;
use crate::x509::{CertificateError, Gate};

/// What the driver has to do next.
#[derive(Debug)]
#[non_exhaustive]
#[must_use]
pub enum Step {
    /// Send these bytes to the peer, then poll again. Over datagrams they are one.
    Transmit(Vec<u8>),
    /// Something happened; nothing need be done.
    Event(Event),
    /// Application data that the peer has sent under the keys that a renegotiation is to change, before or
    /// between its messages (RFC 5246 §6.2.1). There is none in a first handshake.
    Data(Vec<u8>),
    /// Server: data that the client has sent before the handshake was over. Somebody may have recorded it
    /// and sent it once more (RFC 8446 §8). There is none unless the configuration
    /// [accepts it](crate::config::ServerConfigBuilder::early_data).
    EarlyData(Vec<u8>),
    /// The handshake stands still until [`answer`](crate::Handshake::answer) is called. Boxed:
    /// most handshakes ask nothing, and a step moves often.
    Ask(Question),
    /// The handshake is over: take the connection with
    /// [`into_connection`](crate::Handshake::into_connection).
    Connected,
    /// Nothing can be done before the peer sends more, or an open question is answered.
    Wait {
        /// When something is to be done all the same. Never over a stream, which repeats by
        /// itself what is lost.
        deadline: Option<Monotonic>,
    },
}

/// A fact about a handshake under way.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A handshake message went over the wire (asked for with `observe_messages`).
    Message {
        /// Which way.
        direction: Direction,
        /// Its type.
        typ: HandshakeType,
        /// Its length with its header, in bytes.
        length: usize,
    },
    /// The peer sent an alert that does not end the handshake.
    Warning(AlertDescription),
    /// A secret for the key log (asked for with `key_log`).
    Secret(KeyLogLine),
    /// The peer's chain is accepted, and webpki, which has a second look at chains, could not judge all of its path.
    SecondOpinion {
        /// What it has judged, or why nothing.
        gate: Gate,
        /// How many certificates the path has below its anchor.
        certificates: usize,
    },
    /// The peer's chain is accepted, and webpki has refused a path of it that is good by the rules of this library: another
    /// path was accepted, or somebody has accepted that one. See
    /// [`VerifiedChain::disagreement`](crate::x509::VerifiedChain::disagreement).
    Disagreement(CertificateError),
}

/// One secret in the format of SSLKEYLOGFILE. `Debug` shows only its label.
pub struct KeyLogLine {
    label: &'static str,
    client_random: [u8; 32],
    secret: zeroize::Zeroizing<Vec<u8>>,
}

impl KeyLogLine {
    pub(crate) fn new(label: &'static str, client_random: [u8; 32], secret: &[u8]) -> Self {
        Self {
            label,
            client_random,
            secret: secret.to_vec().into(),
        }
    }

    /// What the secret is, e.g. `CLIENT_TRAFFIC_SECRET_0`.
    pub fn label(&self) -> &'static str {
        self.label
    }

    /// The line, without a line break: label, client random and secret in hexadecimal.
    /// With it one can read the connection.
    pub fn to_line(&self) -> zeroize::Zeroizing<String> {
        use core::fmt::Write as _;

        let length = self.label.len() + 2 + 64 + 2 * self.secret.len();
        let mut line = zeroize::Zeroizing::new(String::with_capacity(length));
        line.push_str(self.label);
        for part in [&self.client_random[..], &self.secret] {
            line.push(' ');
            for byte in part {
                // Writing to a String cannot fail.
                let _ = write!(line, "{byte:02x}");
            }
        }
        line
    }
}

impl core::fmt::Debug for KeyLogLine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeyLogLine({}, ..)", self.label)
    }
}
