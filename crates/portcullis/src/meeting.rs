//! Where the halves of a connection of before TLS 1.3 meet for another handshake.
//!
//! The reading half runs it, since reading is most of it, with the writer of the other half, which
//! leaves that here when it is next polled, and takes a new one back. What the handshake says lies here
//! until the writing half sends it: each half does the I/O of its direction. Only connections that may
//! renegotiate have a meeting.

use std::mem;
use std::sync::Arc;

use portcullis_core::{ConnectionInformation, Writer};

use crate::error::Error;
use crate::sync::Mutex;
use crate::write::Sending;

/// The lock is held for a move.
#[derive(Debug)]
pub(crate) struct Meeting(Mutex<Table>);

/// What lies there.
#[derive(Debug)]
struct Table {
    place: Place,
    /// What the handshake says, to be sent by the writing half.
    said: Vec<u8>,
}

/// Where the writer is.
#[derive(Debug)]
enum Place {
    /// With its half.
    Apart,
    /// The same, and the reading half waits for it.
    Wanted,
    /// Here, for the reading half to take.
    Here(Writer),
    /// In the handshake.
    Away,
    /// Here, for its half to take: the handshake is over, or has not begun.
    Back(Writer, Vec<u8>, Option<Arc<ConnectionInformation>>),
    /// The handshake has failed.
    Failed(Error),
    /// Nobody brings it any more: its half has closed, failed, or was dropped.
    Gone,
    /// The same, and the handshake had it.
    Deserted,
}

/// What the writing half finds.
pub(crate) enum Found {
    /// It goes on by itself.
    Nothing,
    /// The same, and this is what the connection is now.
    Information(Arc<ConnectionInformation>),
    /// The handshake has the writer: what it has said is to be sent.
    Handshake,
    /// The same, and it has just been left.
    Left,
    /// The handshake has failed. Its alert is to be sent.
    Failed(Error),
}

impl Meeting {
    /// Of a stream whose handshake is under way, or of one that is between two.
    pub(crate) fn new(is_away: bool) -> Self {
        Self(Mutex::new(Table {
            place: match is_away {
                true => Place::Away,
                false => Place::Apart,
            },
            said: Vec::new(),
        }))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Table) -> T) -> T {
        // Nothing that is done with the lock held can panic half way.
        let mut table = match self.0.lock() {
            Ok(table) => table,
            Err(poisoned) => poisoned.into_inner(),
        };
        look(&mut table)
    }

    /// The writing half: leaves its writer where that is wanted, takes back what is for it, and what is
    /// to be said.
    pub(crate) fn attend(&self, write: &mut Sending) -> Found {
        let (said, place) = self.with(|table| {
            let place = match &mut table.place {
                Place::Back(..) => mem::replace(&mut table.place, Place::Apart),
                Place::Failed(_) => mem::replace(&mut table.place, Place::Gone),
                Place::Here(_) | Place::Away => Place::Away,
                Place::Wanted => Place::Wanted,
                Place::Apart => Place::Apart,
                Place::Gone | Place::Deserted => Place::Gone,
            };
            (mem::take(&mut table.said), place)
        });
        if !said.is_empty() {
            write.say(&said);
        }
        match place {
            Place::Apart | Place::Gone | Place::Deserted => Found::Nothing,
            Place::Here(_) | Place::Away => Found::Handshake,
            Place::Wanted => self.leave(write),
            Place::Back(writer, transmit, information) => {
                write.go_on(Some((writer, transmit)));
                information.map_or(Found::Nothing, Found::Information)
            }
            Place::Failed(error) => Found::Failed(error),
        }
    }

    fn leave(&self, write: &mut Sending) -> Found {
        let mut left = Some(write.leave_writer().map_or(Place::Gone, Place::Here));
        self.with(|table| {
            if let Place::Wanted = table.place
                && let Some(left) = left.take()
            {
                table.place = left;
            }
        });
        // It was given up in the meantime.
        if let Some(Place::Here(writer)) = left {
            write.go_on(Some((writer, Vec::new())));
        }
        Found::Left
    }

    /// The reading half: takes the writer, or asks for it. `None` while it is not there.
    ///
    /// # Errors
    /// When it does not come.
    pub(crate) fn take_writer(&self) -> Result<Option<Writer>, Error> {
        self.with(|table| match mem::replace(&mut table.place, Place::Away) {
            Place::Here(writer) => Ok(Some(writer)),
            Place::Apart | Place::Wanted => {
                table.place = Place::Wanted;
                Ok(None)
            }
            Place::Gone | Place::Deserted => {
                table.place = Place::Gone;
                Err(Error::limit(
                    "renegotiate: the writing half was shut down, has failed, or was dropped",
                ))
            }
            place => {
                table.place = place;
                Ok(None)
            }
        })
    }

    /// The reading half: what the handshake says.
    pub(crate) fn say(&self, bytes: &[u8]) {
        self.with(|table| table.said.extend_from_slice(bytes));
    }

    /// The reading half: the handshake is over, or has not begun, and this is to be written with.
    pub(crate) fn give_back(
        &self,
        writer: Writer,
        transmit: Vec<u8>,
        information: Option<Arc<ConnectionInformation>>,
    ) {
        self.with(|table| {
            if !matches!(table.place, Place::Gone | Place::Deserted) {
                table.place = Place::Back(writer, transmit, information);
            }
        });
    }

    /// The reading half: wants no handshake any more.
    pub(crate) fn give_up(&self) {
        self.with(|table| {
            table.place = match mem::replace(&mut table.place, Place::Apart) {
                Place::Wanted => Place::Apart,
                Place::Here(writer) => Place::Back(writer, Vec::new(), None),
                place => place,
            };
        });
    }

    /// The reading half: the handshake has failed, and has said so.
    pub(crate) fn fail(&self, error: Error) {
        self.with(|table| {
            if let Place::Away = table.place {
                table.place = Place::Failed(error);
            }
        });
    }

    /// Whether the writing half was dropped while the handshake had its writer.
    pub(crate) fn is_deserted(&self) -> bool {
        self.with(|table| matches!(table.place, Place::Deserted))
    }

    /// The writing half is dropped, or both halves become one: what is left for it is taken.
    pub(crate) fn desert(&self, write: &mut Sending) {
        if let Found::Failed(error) = self.attend(write) {
            write.fail(error);
        }
        let place = self.with(|table| {
            let left = match table.place {
                Place::Away => Place::Deserted,
                _ => Place::Gone,
            };
            mem::replace(&mut table.place, left)
        });
        if let Place::Here(writer) = place {
            write.go_on(Some((writer, Vec::new())));
        }
    }
}
