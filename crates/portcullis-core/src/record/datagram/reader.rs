//! What the peer sends on an established connection, record by record.
//!
//! RFC 9147 §4.2, §4.5, §7, §8.

use super::{Discarded, Discards};
use crate::error::Error;
use crate::session::ReceivedTicket;
use crate::step::Monotonic;

/// What was in a record of a datagram.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received<'a> {
    /// A message of the application; it may be empty. It stands in the datagram, which was opened in place.
    Data(&'a mut [u8]),
    /// Something that was handled: an acknowledgement, a KeyUpdate, a ticket ([`Reader::take_ticket`]).
    Nothing,
    /// The record was dropped.
    Discarded(Discarded),
    /// The peer's close_notify, once: it sends no more.
    Closed,
}

/// The reading half of an established connection over datagrams.
///
/// Whatever cannot be authenticated is dropped and counted, never an error. An [`Error`] ends the
/// connection: the same comes from then on, and the alert is with the [`Writer`](super::Writer).
#[derive(Debug)]
pub struct Reader;

/// The records of one datagram.
#[derive(Debug)]
pub struct Records<'r, 'd> {
    reader: &'r mut Reader,
    datagram: &'d mut [u8],
    now: Monotonic,
}

impl Reader {
    /// Opens the records of a datagram, one after the other, where they stand.
    ///
    /// Afterwards, if [`writer_has_work`](Self::writer_has_work), the writer's
    /// [`poll_control`](super::Writer::poll_control) is to be called.
    pub fn open<'r, 'd>(&'r mut self, datagram: &'d mut [u8], now: Monotonic) -> Records<'r, 'd> {
        Records {
            reader: self,
            datagram,
            now,
        }
    }

    /// The next ticket that has come (RFC 8446 §4.6.1); at most 8 are kept.
    pub fn take_ticket(&mut self) -> Option<ReceivedTicket> {
        todo!()
    }

    /// Whether the writer's [`poll_control`](super::Writer::poll_control) would do something.
    pub fn writer_has_work(&self) -> bool {
        todo!()
    }

    /// What was dropped so far, the handshake included.
    pub fn discards(&self) -> Discards {
        todo!()
    }

    /// Whether the peer has said close_notify.
    pub fn is_closed(&self) -> bool {
        todo!()
    }

    /// Gives the memory of the ciphers back until the next record comes.
    pub fn hibernate(&mut self) {
        todo!()
    }
}

impl Records<'_, '_> {
    /// The next record; `None` when the datagram is over.
    ///
    /// # Errors
    /// When the peer has broken a rule in a record that it has sealed, or has sent a fatal alert: the
    /// connection is over.
    #[allow(
        clippy::should_implement_trait,
        reason = "what it gives borrows from it"
    )]
    pub fn next(&mut self) -> Result<Option<Received<'_>>, Error> {
        let _ = (&self.reader, &self.datagram, self.now);
        todo!()
    }
}
