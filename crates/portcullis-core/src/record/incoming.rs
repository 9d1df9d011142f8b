//! Reading during the handshake, over either transport: one `match` for each call, and nothing else.

use std::sync::Arc;

use super::datagram::{self, ConnectionId, Notes};
use super::keys::Keys;
use super::stream::{self, Message};
use super::{Mailbox, Reader, Role};
use crate::clock::Monotonic;
use crate::crypto::CryptoFailure;
use crate::dialect::Dialect;
use crate::error::Abort;
use crate::version::ProtocolVersion;
use crate::violation::Violation;

/// The reading side during the handshake. That over datagrams is boxed, so that the other does not grow.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every handshake has the large one"
)]
#[derive(Debug)]
pub(crate) enum Incoming {
    Stream(stream::Incoming),
    #[cfg_attr(not(feature = "dtls"), allow(dead_code))]
    Datagram(Box<datagram::Incoming>),
}

impl Incoming {
    /// Over a stream; see [`stream::Incoming::new`].
    pub(crate) fn new(role: Role, max_handshake_size: usize) -> Self {
        Self::Stream(stream::Incoming::new(role, max_handshake_size))
    }

    /// See [`stream::Incoming::after`].
    pub(crate) fn after(reader: &mut Reader) -> Self {
        Self::Stream(stream::Incoming::after(reader))
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        match self {
            Self::Stream(_) => Dialect::Tls,
            Self::Datagram(_) => Dialect::Dtls,
        }
    }

    /// Only before TLS 1.3, and over a stream.
    pub(crate) fn forget_message(&mut self) {
        if let Self::Stream(stream) = self {
            stream.forget_message();
        }
    }

    /// The server's flight is out: messages have at most so many bytes from here on.
    pub(crate) fn hello_answered(&mut self, max_handshake_size: usize) {
        match self {
            Self::Stream(stream) => stream.hello_answered(max_handshake_size),
            Self::Datagram(datagram) => datagram.set_max_handshake_size(max_handshake_size),
        }
    }

    /// Says whether a protected alert that names an error must be fatal.
    pub(crate) fn set_strict_alert_levels(&mut self, on: bool) {
        match self {
            Self::Stream(stream) => stream.set_strict_alert_levels(on),
            Self::Datagram(datagram) => datagram.set_strict_alert_levels(on),
        }
    }

    /// Adds received bytes, or takes a datagram.
    ///
    /// # Errors
    /// Over datagrams, when the peer has broken a rule in a record that it has sealed.
    pub(crate) fn feed(&mut self, bytes: &[u8], now: Monotonic) -> Result<(), Abort> {
        match self {
            Self::Stream(stream) => {
                stream.feed(bytes);
                Ok(())
            }
            Self::Datagram(datagram) => datagram.receive(bytes, now),
        }
    }

    /// What writing has to know of what has come.
    pub(crate) fn take_notes(&mut self) -> Option<Notes> {
        match self {
            Self::Stream(_) => None,
            Self::Datagram(datagram) => datagram.take_notes(),
        }
    }

    /// Gives the next message, or `None` until more comes.
    pub(crate) fn next(&mut self, now: Monotonic) -> Result<Option<Message>, Abort> {
        match self {
            Self::Stream(stream) => stream.next(),
            Self::Datagram(datagram) => datagram.next(now),
        }
    }

    /// Installs the keys that are due next: over a stream those of the next record.
    ///
    /// # Errors
    /// When part of a message waits that came under the old ones.
    pub(crate) fn install_read(&mut self, keys: impl Into<Keys>) -> Result<(), Abort> {
        match self {
            Self::Stream(stream) => stream.install_read(keys),
            Self::Datagram(datagram) => datagram.install_read(keys.into()),
        }
    }

    /// Says that the peer has to wait for this side's answer now.
    ///
    /// # Errors
    /// When more has come all the same.
    pub(crate) fn end_of_flight(&mut self) -> Result<(), Violation> {
        match self {
            Self::Stream(stream) => stream.end_of_flight(),
            Self::Datagram(datagram) => datagram.end_of_flight(),
        }
    }

    /// See [`stream::Incoming::decided_before_tls13`].
    pub(crate) fn decided_before_tls13(
        &mut self,
        version: ProtocolVersion,
    ) -> Result<(), Violation> {
        match self {
            Self::Stream(stream) => stream.decided_before_tls13(version),
            Self::Datagram(datagram) => {
                datagram.decided_before_tls13();
                Ok(())
            }
        }
    }

    pub(crate) fn is_before_tls13(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.is_before_tls13(),
            Self::Datagram(datagram) => datagram.is_before_tls13(),
        }
    }

    /// What this side wants on the peer's records, if it knows of connection ids, and whether it checks paths; over a
    /// stream it does not.
    pub(crate) fn connection_id(&self) -> Option<(ConnectionId, bool)> {
        match self {
            Self::Stream(_) => None,
            Self::Datagram(datagram) => datagram.connection_id(),
        }
    }

    /// Both sides know of connection ids, and the peer wants this one on what it receives.
    /// With `checks_paths` both also answer when they are asked where they are (RFC 9853).
    pub(crate) fn agree_connection_ids(&mut self, theirs: ConnectionId, checks_paths: bool) {
        if let Self::Datagram(datagram) = self {
            datagram.agree_connection_ids(theirs, checks_paths);
        }
    }

    /// What this side has announced (RFC 8449 §4).
    pub(crate) fn set_record_size_limit(&mut self, limit: u16) {
        match self {
            Self::Stream(stream) => stream.set_record_size_limit(limit),
            Self::Datagram(datagram) => datagram.limit_inner(limit.into()),
        }
    }

    /// What was negotiated (RFC 6066 §4).
    pub(crate) fn set_max_fragment(&mut self, limit: u16) {
        match self {
            Self::Stream(stream) => stream.set_max_fragment(limit),
            Self::Datagram(datagram) => datagram.limit_inner(usize::from(limit) + 1),
        }
    }

    /// Whether change_cipher_spec is let pass. Over datagrams it is dropped whenever it comes.
    pub(crate) fn allow_ccs(&mut self, allow: bool) {
        if let Self::Stream(stream) = self {
            stream.allow_ccs(allow);
        }
    }

    /// Skips early data. Over datagrams it has an epoch of its own, for which there are no keys.
    pub(crate) fn skip_early_data(&mut self, max_bytes: usize) {
        if let Self::Stream(stream) = self {
            stream.skip_early_data(max_bytes);
        }
    }

    /// Says that nobody here takes early data.
    pub(crate) fn decline_early_data(&mut self) {
        match self {
            Self::Stream(stream) => stream.decline_early_data(),
            Self::Datagram(datagram) => datagram.decline_early_data(),
        }
    }

    pub(crate) fn declines_early_data(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.declines_early_data(),
            Self::Datagram(datagram) => datagram.declines_early_data(),
        }
    }

    /// Whether early data may come, over datagrams: over a stream it has an end, which is waited for.
    pub(crate) fn takes_early_data(&self) -> bool {
        match self {
            Self::Stream(_) => false,
            Self::Datagram(datagram) => datagram.takes_early_data(),
        }
    }

    /// See [`stream::Incoming::take_early_data`].
    ///
    /// # Errors
    /// As [`install_read`](Self::install_read).
    pub(crate) fn take_early_data(
        &mut self,
        keys: impl Into<Keys>,
        max_bytes: u32,
    ) -> Result<(), Abort> {
        match self {
            Self::Stream(stream) => stream.take_early_data(keys, max_bytes),
            Self::Datagram(datagram) => {
                datagram.take_early_data(keys.into(), max_bytes);
                Ok(())
            }
        }
    }

    /// The bytes fed and not consumed, when the handshake is given up.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        match self {
            Self::Stream(stream) => stream.take_unread(),
            Self::Datagram(_) => Vec::new(),
        }
    }

    /// Turns into the data path over a stream.
    ///
    /// # Errors
    /// When part of a handshake message waits, or there are no keys.
    pub(crate) fn take_reader(
        &mut self,
        mailbox: Arc<Mailbox>,
    ) -> Result<(Reader, Vec<u8>), Abort> {
        match self {
            Self::Stream(stream) => stream.take_reader(mailbox),
            Self::Datagram(_) => Err(CryptoFailure::RecordKeys.into()),
        }
    }
}

/// What only a test asks.
#[cfg(test)]
impl Incoming {
    pub(crate) fn wear_out(&mut self) {
        match self {
            Self::Stream(stream) => stream.wear_out(),
            Self::Datagram(_) => panic!("keys of datagrams wear out in their own tests"),
        }
    }

    /// The memory held for what came, in bytes.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Stream(stream) => stream.held(),
            Self::Datagram(datagram) => datagram.held(),
        }
    }

    #[cfg(feature = "dtls")]
    pub(crate) fn leave_early_forgeries(&mut self, left: u64) {
        match self {
            Self::Stream(_) => panic!("a stream ends with the first forgery"),
            Self::Datagram(datagram) => datagram.leave_early_forgeries(left),
        }
    }
}
