//! What this side sends on an established connection: a message, a record, a datagram.
//!
//! RFC 9147 §4.2, §5.8, §7, §8.

use std::io::IoSlice;

use crate::AlertDescription;
use crate::error::Error;
use crate::step::Monotonic;

/// What [`Writer::poll_control`] wants to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Send a datagram, which is the first so many bytes of the output, and ask again.
    Transmit(usize),
    /// Ask again at this time, or when the reader has work.
    Wait {
        /// `None`: nothing is under way.
        deadline: Option<Monotonic>,
    },
}

/// The writing half of an established connection over datagrams.
#[derive(Debug)]
pub struct Writer;

impl Writer {
    /// Seals a message as one record, which is one datagram; gives its length. `out` has at least
    /// [`sealed_len`](Self::sealed_len) bytes.
    ///
    /// # Errors
    /// [`Reason::MessageTooLong`](crate::Reason::MessageTooLong) and, when `out` is too short,
    /// [`Reason::Misuse`](crate::Reason::Misuse): the connection is as it was. Else it is over.
    pub fn seal(&mut self, message: &[IoSlice<'_>], out: &mut [u8]) -> Result<usize, Error> {
        let _ = (message, out);
        todo!()
    }

    /// How long the datagram with a message of `n` bytes is.
    pub fn sealed_len(&self, n: usize) -> usize {
        let _ = n;
        todo!()
    }

    /// The longest message that can be sealed: 16,384 bytes, or what the peer has asked for.
    pub fn most_message_len(&self) -> usize {
        todo!()
    }

    /// The longest message whose datagram fits the path, as far as it is known
    /// ([`set_path_mtu`](Self::set_path_mtu)).
    pub fn max_message_len(&self) -> usize {
        todo!()
    }

    /// Says how long datagrams may be on the path, in bytes of UDP payload; at least 228.
    pub fn set_path_mtu(&mut self, bytes: u16) {
        let _ = bytes;
        todo!()
    }

    /// Gives what is to be sent besides messages: acknowledgements, retransmissions, KeyUpdates, alerts.
    /// To be called when the deadline it gave before has come, after
    /// [`writer_has_work`](super::Reader::writer_has_work), and after a call that says so. `out` has
    /// [`control_len`](Self::control_len) bytes at least.
    ///
    /// # Errors
    /// Why the connection is over, once the alert that says so was given.
    pub fn poll_control(&mut self, now: Monotonic, out: &mut [u8]) -> Result<Control, Error> {
        let _ = (now, out);
        todo!()
    }

    /// An output of this length takes whatever [`poll_control`](Self::poll_control) gives.
    pub fn control_len(&self) -> usize {
        todo!()
    }

    /// Updates this side's key, and asks the peer to update its own if `request_peer` (RFC 8446 §4.6.3).
    /// The new key is used once the peer has acknowledged that (RFC 9147 §8); what is asked for
    /// meanwhile is one update more. `poll_control` sends it.
    ///
    /// # Errors
    /// After close_notify, and when the connection is over.
    pub fn key_update(&mut self, request_peer: bool) -> Result<(), Error> {
        let _ = request_peer;
        todo!()
    }

    /// Says that no more comes; `poll_control` sends it. Nothing is sealed afterwards.
    pub fn close_notify(&mut self) {
        todo!()
    }

    /// Ends the connection with a fatal alert; `poll_control` sends it.
    pub fn alert(&mut self, description: AlertDescription) {
        let _ = description;
        todo!()
    }

    /// Whether close_notify was said.
    pub fn is_closed(&self) -> bool {
        todo!()
    }

    /// Gives the memory of the cipher back until the next record is sealed.
    pub fn hibernate(&mut self) {
        todo!()
    }
}
