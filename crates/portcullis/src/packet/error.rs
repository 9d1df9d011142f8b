//! What is wrong with a packet.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::Packet;

/// What is wrong with a packet. The connection goes on.
///
/// Says nothing of the content.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PacketError {
    /// It is longer than the limit; when received, known before its content is there. Sent: nothing
    /// was sent.
    TooLong {
        /// The mode.
        packet: Packet,
        /// The length that it has, or that it has at least; counted as [`PacketOptions::size`] says.
        ///
        /// [`PacketOptions::size`]: super::PacketOptions::size
        len: u64,
        /// The limit.
        limit: u64,
    },
    /// No packet of this mode begins so.
    Invalid {
        /// The mode.
        packet: Packet,
        /// Why not.
        why: &'static str,
    },
    /// The peer has closed in good order, within a packet.
    Unfinished {
        /// The mode.
        packet: Packet,
        /// How many bytes are there.
        have: usize,
        /// How many bytes there would have to be at least.
        needed: usize,
    },
    /// A packet that was being sent was given up when a part of it had gone out: nothing can follow it.
    SendInterrupted {
        /// How many bytes of it are missing.
        missing: usize,
    },
    /// Of a `PacketCodec`: what its transport says.
    Io(Arc<io::Error>),
}

impl PacketError {
    /// The kind that an [`io::Error`] gets.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::TooLong { .. } | Self::Invalid { .. } => io::ErrorKind::InvalidData,
            Self::Unfinished { .. } => io::ErrorKind::UnexpectedEof,
            Self::SendInterrupted { .. } => io::ErrorKind::BrokenPipe,
            Self::Io(error) => error.kind(),
        }
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { packet, len, limit } => write!(
                f,
                "a packet ({packet}) of {len} bytes or more, where at most {limit} are allowed: \
                 `PacketOptions::size`"
            ),
            Self::Invalid { packet, why } => write!(f, "not a packet ({packet}): {why}"),
            Self::Unfinished {
                packet,
                have,
                needed,
            } => write!(
                f,
                "the peer has closed within a packet ({packet}): {have} bytes are there, {needed} or more \
                 would be needed; `take_rest` gives them"
            ),
            Self::SendInterrupted { missing } => write!(
                f,
                "an earlier packet was given up {missing} bytes before its end: nothing can follow it"
            ),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PacketError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            _ => None,
        }
    }
}

impl From<io::Error> for PacketError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl From<PacketError> for io::Error {
    fn from(error: PacketError) -> Self {
        Self::new(error.kind(), error)
    }
}
