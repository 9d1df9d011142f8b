//! Writing during the handshake, over either transport: one `match` for each call, and nothing else.

use std::sync::Arc;

use super::datagram::{self, ConnectionId, Notes};
use super::keys::Keys;
use super::{Mailbox, PaddingPolicy, Role, Writer, stream};
use crate::alert::AlertDescription;
use crate::clock::Monotonic;
use crate::crypto::CryptoFailure;
use crate::error::{Abort, Error};
use crate::key_schedule::Hashed;
use crate::version::ProtocolVersion;

/// The writing side during the handshake. That over datagrams is boxed, so that the other does not grow.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every handshake has the large one"
)]
#[derive(Debug)]
pub(crate) enum Outgoing {
    Stream(stream::Outgoing),
    #[cfg_attr(not(feature = "dtls"), allow(dead_code))]
    Datagram(Box<datagram::Outgoing>),
}

impl Outgoing {
    /// A server has asked for the first hello once more, with its cookie (RFC 6347 §4.2.1).
    pub(crate) fn say_hello_again(&mut self) {
        if let Self::Datagram(outgoing) = self {
            outgoing.begin_with_hello();
        }
    }

    /// Over a stream; see [`stream::Outgoing::new`].
    pub(crate) fn new(role: Role) -> Self {
        Self::Stream(stream::Outgoing::new(role))
    }

    /// See [`stream::Outgoing::after`].
    ///
    /// # Errors
    /// When the writer cannot seal any more.
    pub(crate) fn after(writer: &mut Writer) -> Result<Self, Error> {
        stream::Outgoing::after(writer).map(Self::Stream)
    }

    /// No newer version than this one was offered.
    pub(crate) fn offered_before_tls12(&mut self, version: ProtocolVersion) {
        match self {
            Self::Stream(stream) => stream.offered_before_tls12(version),
            Self::Datagram(datagram) => datagram.offered_before_tls12(version),
        }
    }

    /// The version is decided, and is older than TLS 1.3.
    pub(crate) fn decided_before_tls13(&mut self, version: ProtocolVersion) {
        match self {
            Self::Stream(stream) => stream.decided_before_tls13(version),
            Self::Datagram(datagram) => datagram.decided_before_tls13(version),
        }
    }

    /// Queues the handshake message that `put` writes with its header; gives what it wrote.
    pub(crate) fn handshake(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> Hashed<'_> {
        match self {
            Self::Stream(stream) => stream.handshake(put),
            Self::Datagram(datagram) => datagram.handshake(put),
        }
    }

    /// Over datagrams: how long a message may be, with its header of four bytes, that is in one of them, in the clear.
    pub(crate) fn longest_whole_message(&self) -> Option<usize> {
        match self {
            Self::Stream(_) => None,
            Self::Datagram(datagram) => Some(datagram.longest_whole_message()),
        }
    }

    /// Queues the dummy of middlebox compatibility mode, which datagrams do not have.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn change_cipher_spec(&mut self) -> Result<(), Abort> {
        match self {
            Self::Stream(stream) => stream.change_cipher_spec(),
            Self::Datagram(_) => Ok(()),
        }
    }

    /// The same before the first protected record.
    pub(crate) fn change_cipher_spec_before_protected(&mut self) {
        if let Self::Stream(stream) = self {
            stream.change_cipher_spec_before_protected();
        }
    }

    /// Queues an alert.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn alert(&mut self, description: AlertDescription) -> Result<(), Abort> {
        match self {
            Self::Stream(stream) => stream.alert(description),
            Self::Datagram(datagram) => {
                datagram.alert(description);
                Ok(())
            }
        }
    }

    /// Protects everything queued from now on with these keys.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn install_write(&mut self, keys: impl Into<Keys>) -> Result<(), Abort> {
        match self {
            Self::Stream(stream) => stream.install_write(keys),
            Self::Datagram(datagram) => {
                datagram.install_write(keys.into());
                Ok(())
            }
        }
    }

    /// Until the peer has answered data goes out under these keys, at most so many bytes of it (RFC 8446 §4.2.10).
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn begin_early_data(
        &mut self,
        keys: impl Into<Keys>,
        bytes: u64,
    ) -> Result<(), Abort> {
        match self {
            Self::Stream(stream) => {
                stream.install_write(keys)?;
                stream.allow_data(bytes);
            }
            Self::Datagram(datagram) => datagram.begin_early_data(keys.into(), bytes),
        }
        Ok(())
    }

    /// No more early data goes out. Over a stream other keys have taken the place of its own.
    pub(crate) fn end_early_data(&mut self) {
        if let Self::Datagram(datagram) = self {
            datagram.end_early_data();
        }
    }

    /// Gives up the keys of early data.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn drop_keys(&mut self) -> Result<(), Abort> {
        match self {
            Self::Stream(stream) => stream.drop_keys(),
            Self::Datagram(datagram) => {
                datagram.end_early_data();
                Ok(())
            }
        }
    }

    /// Lets a server's data go out before the handshake is over.
    pub(crate) fn allow_data(&mut self) {
        match self {
            Self::Stream(stream) => stream.allow_data(u64::MAX),
            Self::Datagram(datagram) => datagram.allow_data(),
        }
    }

    /// How many bytes of data may still go out before the handshake is over.
    pub(crate) fn room(&self) -> u64 {
        match self {
            Self::Stream(stream) => stream.room(),
            Self::Datagram(datagram) => datagram.room(),
        }
    }

    /// Queues data, as much as may go out before the handshake is over; gives how much that is. Over datagrams it is a message,
    /// whole or not at all.
    ///
    /// # Errors
    /// When the crypto library fails, or the key has done what it may.
    pub(crate) fn data(&mut self, data: &[u8]) -> Result<usize, Abort> {
        match self {
            Self::Stream(stream) => stream.data(data),
            Self::Datagram(datagram) => datagram.data(data),
        }
    }

    /// Changes to keys of before TLS 1.3.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn switch_keys(&mut self, keys: Keys) -> Result<(), Abort> {
        match self {
            Self::Stream(stream) => stream.switch_keys(keys),
            Self::Datagram(datagram) => {
                datagram.switch_keys(keys);
                Ok(())
            }
        }
    }

    /// Over datagrams: the peer wants this on protected records.
    pub(crate) fn set_connection_id(&mut self, id: ConnectionId) {
        if let Self::Datagram(datagram) = self {
            datagram.set_connection_id(id);
        }
    }

    /// Takes the peer's `record_size_limit` (RFC 8449 §4).
    pub(crate) fn set_record_size_limit(&mut self, limit: u16) {
        match self {
            Self::Stream(stream) => stream.set_record_size_limit(limit),
            Self::Datagram(datagram) => datagram.set_record_size_limit(limit),
        }
    }

    /// Bounds the content of every record.
    pub(crate) fn set_max_fragment(&mut self, limit: u16) {
        match self {
            Self::Stream(stream) => stream.set_max_fragment(limit),
            Self::Datagram(datagram) => datagram.set_max_fragment(limit),
        }
    }

    /// Sets how protected records are padded; over datagrams those of data.
    pub(crate) fn set_padding(&mut self, padding: PaddingPolicy) {
        match self {
            Self::Stream(stream) => stream.set_padding(padding),
            Self::Datagram(datagram) => datagram.set_padding(padding),
        }
    }

    /// The next handshake message has a record of its own.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn end_record(&mut self) -> Result<(), Abort> {
        match self {
            Self::Stream(stream) => stream.end_record(),
            Self::Datagram(_) => Ok(()),
        }
    }

    /// Takes in what reading has seen; there is nothing of that over a stream.
    pub(crate) fn heed(&mut self, notes: Notes, now: Monotonic) {
        if let Self::Datagram(datagram) = self {
            datagram.heed(notes, now);
        }
    }

    /// The peer is to answer what was queued.
    pub(crate) fn end_of_flight(&mut self, is_over: bool, now: Monotonic) {
        if let Self::Datagram(datagram) = self {
            datagram.end_of_flight(is_over, now);
        }
    }

    /// This side thinks: over datagrams the peer's silence does not count.
    pub(crate) fn pause(&mut self) {
        if let Self::Datagram(datagram) = self {
            datagram.pause();
        }
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Monotonic> {
        match self {
            Self::Stream(_) => None,
            Self::Datagram(datagram) => datagram.deadline(),
        }
    }

    /// Takes the bytes to transmit; over datagrams one of them.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn take(&mut self, now: Monotonic) -> Result<Vec<u8>, Abort> {
        match self {
            Self::Stream(stream) => stream.take(),
            Self::Datagram(datagram) => datagram.take(now),
        }
    }

    /// Turns into the data path over a stream.
    ///
    /// # Errors
    /// When no keys are installed, or the crypto library fails.
    pub(crate) fn take_writer(
        &mut self,
        mailbox: Arc<Mailbox>,
        key_update_at: u64,
    ) -> Result<(Writer, Vec<u8>), Abort> {
        match self {
            Self::Stream(stream) => stream.take_writer(mailbox, key_update_at),
            Self::Datagram(_) => Err(CryptoFailure::RecordKeys.into()),
        }
    }
}

/// What only a test sends, over a stream.
#[cfg(test)]
impl Outgoing {
    fn stream(&mut self) -> &mut stream::Outgoing {
        match self {
            Self::Stream(stream) => stream,
            Self::Datagram(_) => panic!("this test is of streams"),
        }
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.stream().raw(bytes);
    }

    pub(crate) fn any_record(&mut self, typ: crate::wire::ContentType, content: &[u8]) {
        self.stream().any_record(typ, content);
    }

    pub(crate) fn update_keys(&mut self) {
        self.stream().update_keys();
    }
}

/// What only a test sends, over datagrams.
#[cfg(all(test, feature = "dtls"))]
impl Outgoing {
    /// The newest key may seal so many records more.
    pub(crate) fn wear_out(&mut self, left: u64) {
        match self {
            Self::Datagram(datagram) => datagram.wear_out(left),
            Self::Stream(_) => panic!("this test is of datagrams"),
        }
    }

    pub(crate) fn forge_early_data(&mut self, typ: crate::wire::ContentType, content: &[u8]) {
        match self {
            Self::Datagram(datagram) => datagram.forge_early_data(typ, content),
            Self::Stream(_) => panic!("this test is of datagrams"),
        }
    }
}
