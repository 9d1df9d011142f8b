//! What only a handshake over datagrams begins with, is told, and turns into.

use core::time::Duration;
use std::sync::Arc;

use super::datagram::{self, ConnectionId, DatagramOptions, Discards, Heard};
use super::{DatagramReader, DatagramWriter, Incoming, Outgoing, Role};
use crate::clock::Monotonic;
use crate::error::{Abort, Error};
use crate::violation::Violation;
use crate::wire::PathMessageType;

impl Incoming {
    /// Over datagrams; see [`datagram::Incoming::new`].
    pub(crate) fn datagrams(
        role: Role,
        max_handshake_size: usize,
        next_message: u16,
        connection_id: Option<(ConnectionId, bool)>,
    ) -> Self {
        let incoming =
            datagram::Incoming::new(role, max_handshake_size, next_message, connection_id);
        Self::Datagram(Box::new(incoming))
    }

    /// Over datagrams: what is not protected is taken for the peer's.
    pub(crate) fn trust_unprotected(&mut self) {
        if let Self::Datagram(datagram) = self {
            datagram.trust_unprotected();
        }
    }

    /// Over datagrams: takes over from an established connection.
    pub(crate) fn after_datagrams(reader: &mut DatagramReader) -> Self {
        Self::Datagram(Box::new(datagram::Incoming::after(reader)))
    }

    /// Over datagrams: a message of the application that came in a handshake that is not the first.
    pub(crate) fn take_data(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Stream(_) => None,
            Self::Datagram(datagram) => datagram.take_data(),
        }
    }

    /// Over datagrams: a handshake that is not the first comes to nothing.
    pub(crate) fn end_again(&mut self) {
        if let Self::Datagram(datagram) = self {
            datagram.end_again();
        }
    }

    /// Over datagrams: whether it is a handshake that is not the first, in which nothing of connection ids changes.
    ///
    /// # Errors
    /// When something does.
    pub(crate) fn agreed_again(
        &mut self,
        is_same: bool,
        checks_paths: bool,
    ) -> Result<bool, Violation> {
        match self {
            Self::Stream(_) => Ok(false),
            Self::Datagram(datagram) => datagram.agreed_again(is_same, checks_paths),
        }
    }

    /// Over datagrams: nobody has asked yet whether somebody reads where they come from.
    pub(crate) fn begin_unproved(&mut self) {
        if let Self::Datagram(datagram) = self {
            datagram.begin_unproved();
        }
    }

    /// Over datagrams: whether nothing has shown since that somebody does.
    pub(crate) fn is_unproved(&self) -> bool {
        match self {
            Self::Stream(_) => false,
            Self::Datagram(datagram) => datagram.is_unproved(),
        }
    }

    /// Over datagrams: what the last one has told, in a handshake that is not the first.
    pub(crate) fn heard(&self) -> Heard {
        match self {
            Self::Stream(_) => Heard::default(),
            Self::Datagram(datagram) => datagram.heard(),
        }
    }

    /// Over datagrams: whether paths are checked on a connection, and another handshake goes on with it.
    pub(crate) fn checks_paths(&self) -> bool {
        match self {
            Self::Stream(_) => false,
            Self::Datagram(datagram) => datagram.checks_paths(),
        }
    }

    /// What was dropped over datagrams.
    pub(crate) fn discards(&self) -> Discards {
        match self {
            Self::Stream(_) => Discards::default(),
            Self::Datagram(datagram) => datagram.discards(),
        }
    }

    /// Turns into the data path over datagrams.
    pub(crate) fn take_datagram_reader(
        &mut self,
        mail: Arc<datagram::Mail>,
    ) -> Option<(DatagramReader, Vec<Vec<u8>>)> {
        match self {
            Self::Stream(_) => None,
            Self::Datagram(datagram) => Some(datagram.take_reader(mail)),
        }
    }
}

impl Outgoing {
    /// Over datagrams, beginning with a client's first hello.
    pub(crate) fn first_datagrams(options: DatagramOptions) -> Self {
        let mut outgoing = datagram::Outgoing::new(options);
        outgoing.begin_with_hello();
        Self::Datagram(Box::new(outgoing))
    }

    /// Over datagrams, beginning with this message and this record.
    pub(crate) fn datagrams(options: DatagramOptions, next_message: u16, next_record: u64) -> Self {
        let mut outgoing = datagram::Outgoing::new(options);
        outgoing.go_on(next_message, next_record);
        Self::Datagram(Box::new(outgoing))
    }

    /// Over datagrams: takes over from an established connection; see [`datagram::Outgoing::after`].
    ///
    /// # Errors
    /// When nothing can be sent any more.
    pub(crate) fn after_datagrams(
        writer: &mut DatagramWriter,
        goes_on: bool,
        now: Monotonic,
    ) -> Result<Self, Error> {
        let outgoing = datagram::Outgoing::after(writer, goes_on, now)?;
        Ok(Self::Datagram(Box::new(outgoing)))
    }

    /// Over datagrams: a handshake that is not the first comes to nothing, or may go on where `keeps` is set.
    pub(crate) fn end_again(&mut self, keeps: bool) {
        if let Self::Datagram(datagram) = self {
            datagram.end_again(keeps);
        }
    }

    /// Over datagrams: seals a message about the path; `None` where there is no room for it.
    ///
    /// # Errors
    /// When the crypto library fails, or the key has done what it may.
    pub(crate) fn seal_path_message(
        &mut self,
        msg_type: PathMessageType,
        cookie: [u8; 8],
        out: &mut [u8],
    ) -> Result<Option<usize>, Abort> {
        match self {
            Self::Stream(_) => Ok(None),
            Self::Datagram(datagram) => datagram.seal_path_message(msg_type, cookie, out),
        }
    }

    /// Over datagrams: whether the peer may have declined a handshake before that which is under way.
    pub(crate) fn is_late_refusal(&mut self, now: Monotonic) -> bool {
        match self {
            Self::Stream(_) => false,
            Self::Datagram(datagram) => datagram.is_late_refusal(now),
        }
    }

    /// Over datagrams: what the peer wants on protected records.
    pub(crate) fn connection_id(&self) -> Option<ConnectionId> {
        match self {
            Self::Stream(_) => None,
            Self::Datagram(datagram) => Some(datagram.connection_id()),
        }
    }

    /// Over datagrams: until a peer has shown that it reads there, no more is sent than the few bytes for each that
    /// has come.
    pub(crate) fn begin_unproved(&mut self) {
        if let Self::Datagram(datagram) = self {
            datagram.begin_unproved();
        }
    }

    /// Over datagrams: a gate has seen how long a round trip takes.
    pub(crate) fn measured(&mut self, round_trip: Duration) {
        if let Self::Datagram(datagram) = self {
            datagram.measured(round_trip);
        }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// When the peer does not answer any more.
    pub(crate) fn on_time(&mut self, now: Monotonic) -> Result<(), Abort> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::Datagram(datagram) => datagram.on_time(now),
        }
    }

    /// Over datagrams: how long they may be from here on.
    pub(crate) fn set_mtu(&mut self, bytes: u16) {
        if let Self::Datagram(datagram) = self {
            datagram.set_mtu(bytes);
        }
    }

    /// Over datagrams: the network does not take one of this length. Whether that changes anything.
    pub(crate) fn shrink(&mut self, length: usize) -> bool {
        match self {
            Self::Datagram(datagram) => datagram.shrink(length),
            Self::Stream(_) => false,
        }
    }

    /// Over datagrams: how long a first answer is waited for.
    pub(crate) fn set_initial_timeout(&mut self, initial: Duration) {
        if let Self::Datagram(datagram) = self {
            datagram.set_initial_timeout(initial);
        }
    }

    /// The memory held for what may be sent again, in bytes.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        match self {
            Self::Stream(_) => panic!("a stream sends nothing again"),
            Self::Datagram(datagram) => datagram.kept(),
        }
    }

    /// Turns into the data path over datagrams.
    pub(crate) fn take_datagram_writer(
        &mut self,
        mail: Arc<datagram::Mail>,
        key_update_at: u64,
        own: (Option<ConnectionId>, bool),
    ) -> Option<DatagramWriter> {
        match self {
            Self::Stream(_) => None,
            Self::Datagram(datagram) => Some(datagram.take_writer(mail, key_update_at, own)),
        }
    }
}
