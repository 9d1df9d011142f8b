//! Where the halves of a connection of before TLS 1.3 meet for another handshake.
//!
//! The reading half runs it, since reading is most of it, with the writer of the other half, which
//! leaves that here when it is next polled, and takes a new one back. What the handshake says lies here
//! until the writing half sends it: each half does the I/O of its direction. Only connections that may
//! renegotiate have a meeting.
//!
//! Where nothing but the writer's key wants a handshake, the writing half says that it waits, the reading half that it is
//! there, and only then the writer is left. Whoever has waited to write and does no more, because that was cancelled, so
//! begins no handshake that nobody would send.

use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use portcullis_core::{ConnectionInformation, Stage, Writer};
use tokio::task::coop::unconstrained;
use tokio::time::{Sleep, sleep};

use crate::error::Error;
use crate::handshake::within_bounds;
use crate::sync::Mutex;
use crate::write::Sending;

/// How long a writer whose key is to be replaced waits for the reading half, which nobody may poll.
const OFFER: Duration = Duration::from_millis(100);

/// The lock is held for a move, or for a look at a timer.
#[derive(Debug)]
pub(crate) struct Meeting {
    table: Mutex<Table>,
    /// How long a handshake may take.
    limit: Duration,
}

/// What lies there.
#[derive(Debug)]
struct Table {
    place: Place,
    /// What the handshake says, to be sent by the writing half.
    said: Vec<u8>,
    /// Of the writing half, while it is without its writer.
    timer: Option<Pin<Box<Sleep>>>,
}

/// Where the writer is.
#[derive(Debug)]
enum Place {
    /// With its half.
    Apart,
    /// The same, and the reading half waits for it.
    Wanted,
    /// With its half, which waits because its key is to be replaced, for a moment.
    Waiting,
    /// The same, and the reading half, which is polled, has seen that.
    Expected,
    /// Here because of that, for the reading half to take; it does not stay for long.
    Offered(Writer),
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
    /// The same, as soon as it has another key, or has waited for that for a while.
    Waiting,
    /// The same, and this is what the connection is now.
    Information(Arc<ConnectionInformation>),
    /// The handshake has the writer: what it has said is to be sent.
    Handshake,
    /// The same, and it has just been left.
    Left,
    /// The handshake has failed. Its alert is to be sent.
    Failed(Error),
}

/// What the reading half sees of a writing half whose key is to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// That it waits for nothing, or for what comes anyway.
    Nothing,
    /// That it waits, with the writer.
    Waiting,
    /// The writer, which nobody takes back now.
    Writer,
}

impl Meeting {
    /// Of a stream whose handshake is under way, or of one that is between two.
    pub(crate) fn new(is_away: bool, limit: Duration) -> Self {
        let table = Table {
            place: match is_away {
                true => Place::Away,
                false => Place::Apart,
            },
            said: Vec::new(),
            timer: None,
        };
        Self {
            table: Mutex::new(table),
            limit,
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Table) -> T) -> T {
        // Nothing that is done with the lock held can panic half way.
        let mut table = match self.table.lock() {
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
                Place::Here(_) | Place::Offered(_) | Place::Away => Place::Away,
                Place::Waiting | Place::Expected => Place::Waiting,
                Place::Wanted => Place::Wanted,
                Place::Apart => Place::Apart,
                Place::Gone | Place::Deserted => Place::Gone,
            };
            if !matches!(place, Place::Away | Place::Waiting) {
                table.timer = None;
            }
            (mem::take(&mut table.said), place)
        });
        if !said.is_empty() {
            write.say(&said);
        }
        match place {
            Place::Apart | Place::Gone | Place::Deserted => Found::Nothing,
            Place::Waiting | Place::Expected => Found::Waiting,
            Place::Here(_) | Place::Offered(_) | Place::Away => Found::Handshake,
            Place::Wanted => self.leave(write),
            Place::Back(writer, transmit, information) => {
                write.go_on(Some((writer, transmit)));
                information.map_or(Found::Nothing, Found::Information)
            }
            Place::Failed(error) => Found::Failed(error),
        }
    }

    /// The writing half, which waits for its writer: whether that takes too long. The reading half has
    /// a timer of its own, but nobody may poll it; here it is twice as long, so that the half that is
    /// polled says why. A handshake that has not begun is given up, and writing goes on; one that only a key wants
    /// soon.
    pub(crate) fn poll_late(&self, write: &mut Sending, cx: &mut Context<'_>) -> Poll<()> {
        let mut late = within_bounds(self.limit.saturating_mul(2));
        let place = ready!(self.with(|table| {
            if let Place::Waiting | Place::Expected | Place::Offered(_) = table.place {
                late = late.min(OFFER);
            }
            let timer = table.timer.get_or_insert_with(|| Box::pin(sleep(late)));
            ready!(pin!(unconstrained(timer.as_mut())).poll(cx));
            table.timer = None;
            let left = match table.place {
                Place::Away => Place::Deserted,
                _ => Place::Apart,
            };
            Poll::Ready(mem::replace(&mut table.place, left))
        }));
        match place {
            Place::Here(writer) => write.go_on(Some((writer, Vec::new()))),
            Place::Waiting | Place::Expected => write.forget_wish(),
            Place::Offered(writer) => {
                write.go_on(Some((writer, Vec::new())));
                write.forget_wish();
            }
            _ => write.fail(Error::timeout(Stage::Connected, late)),
        }
        Poll::Ready(())
    }

    /// The writing half, which has a wish for another key and something to write: waits. Whether that is new for the
    /// reading half.
    pub(crate) fn wait(&self) -> bool {
        self.with(|table| {
            let waits = matches!(table.place, Place::Apart);
            if waits {
                table.place = Place::Waiting;
            }
            waits
        })
    }

    /// The writing half, which waits still: leaves its writer, if the reading half has seen that, so that it can begin.
    /// Whether it did.
    pub(crate) fn offer(&self, write: &mut Sending) -> bool {
        let is_expected = self.with(|table| matches!(table.place, Place::Expected));
        let Some(writer) = is_expected.then(|| write.leave_writer()).flatten() else {
            return false;
        };
        let mut left = Some(writer);
        self.with(|table| {
            if let Place::Expected = table.place
                && let Some(writer) = left.take()
            {
                table.place = Place::Offered(writer);
                table.timer = None;
            }
        });
        let is_left = left.is_none();
        if let Some(writer) = left {
            write.go_on(Some((writer, Vec::new())));
        }
        is_left
    }

    /// The reading half, which is polled: what the writing half has for it, whose key is to be replaced.
    pub(crate) fn look(&self) -> Seen {
        self.with(|table| {
            // From here on that has all its time again.
            if let Place::Waiting | Place::Offered(_) = table.place {
                table.timer = None;
            }
            match mem::replace(&mut table.place, Place::Away) {
                Place::Waiting => {
                    table.place = Place::Expected;
                    Seen::Waiting
                }
                Place::Offered(writer) => {
                    table.place = Place::Here(writer);
                    Seen::Writer
                }
                place => {
                    table.place = place;
                    Seen::Nothing
                }
            }
        })
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
            Place::Here(writer) | Place::Offered(writer) => {
                // That of the writing half is for a handshake from here on.
                table.timer = None;
                Ok(Some(writer))
            }
            Place::Apart | Place::Waiting | Place::Expected | Place::Wanted => {
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
                Place::Here(writer) | Place::Offered(writer) => {
                    Place::Back(writer, Vec::new(), None)
                }
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

    /// Whether the writing half was dropped, or has given up, while the handshake had its writer.
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
        if let Place::Here(writer) | Place::Offered(writer) = place {
            write.go_on(Some((writer, Vec::new())));
        }
    }
}
