//! Giving memory back while nothing is read or written.
//!
//! A connection that waits to be read from looks at its timer, and only if there is something to
//! give back: ciphers, and memory beyond the bytes that are kept. The timer goes with it. Off,
//! this is one comparison each time that the connection waits.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::Context;
use std::time::Duration;

use portcullis_core::ParkedCipher;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::write::Sending;

/// No time is long enough.
const OFF: u32 = u32::MAX;

/// When a connection gives its memory back.
#[derive(Debug)]
pub(crate) struct Hibernation {
    /// In milliseconds.
    after: u32,
    /// How many bytes had gone over the transport when the connection last waited.
    moved: u32,
    timer: Option<Box<Timer>>,
}

#[derive(Debug)]
struct Timer {
    idle_since: Instant,
    /// Ends no later than the time that is up; looked at when it ends, not moved with each byte.
    sleep: Pin<Box<Sleep>>,
}

impl Hibernation {
    pub(crate) fn new(after: Option<Duration>) -> Self {
        let millis = |after: Duration| after.as_nanos().div_ceil(1_000_000);
        Self {
            after: after.map_or(OFF, |after| {
                u32::try_from(millis(after)).unwrap_or(OFF).min(OFF - 1)
            }),
            moved: 0,
            timer: None,
        }
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.after != OFF
    }

    /// After which time, if it is on.
    pub(crate) fn after(&self) -> Option<Duration> {
        self.is_on()
            .then(|| Duration::from_millis(self.after.into()))
    }

    /// There is nothing to give back.
    pub(crate) fn rest(&mut self) {
        self.timer = None;
    }

    /// The connection waits and has something to give back: whether it is time. If not, the task
    /// is woken when it may be. `moved` says how many bytes went over the transport in all,
    /// `used` when the other half was used, if that is elsewhere.
    pub(crate) fn is_due(
        &mut self,
        cx: &mut Context<'_>,
        moved: u64,
        used: Option<Instant>,
    ) -> bool {
        let after = Duration::from_millis(self.after.into());
        // A change is all that is looked for.
        let moved = moved as u32;
        let has_moved = std::mem::replace(&mut self.moved, moved) != moved;
        let timer = match &mut self.timer {
            Some(timer) => {
                if has_moved {
                    timer.idle_since = Instant::now();
                }
                timer
            }
            none => {
                let idle_since = Instant::now();
                none.insert(Box::new(Timer {
                    idle_since,
                    sleep: Box::pin(sleep_until(idle_since + after)),
                }))
            }
        };
        timer.idle_since = used.map_or(timer.idle_since, |used| used.max(timer.idle_since));
        while timer.sleep.as_mut().poll(cx).is_ready() {
            let due = timer.idle_since + after;
            if due <= timer.sleep.deadline() {
                self.timer = None;
                return true;
            }
            timer.sleep.as_mut().reset(due);
        }
        false
    }
}

/// Where a writing half leaves its cipher between two writes, since only the reading half has
/// someone who waits. Without hibernation it is never touched.
#[derive(Debug, Default)]
pub(crate) struct Parking(Mutex<Place>);

#[derive(Debug, Default)]
enum Place {
    #[default]
    Empty,
    /// The writing half has it.
    InUse,
    Taken(ParkedCipher, Instant),
}

impl Parking {
    fn replace(&self, place: Place) -> Place {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut now, place)
    }

    /// Lets the writing half use its cipher, and then keeps it. Whether it had none before: then
    /// the reading half, which may be asleep, has to be told.
    pub(crate) fn lend<T>(
        &self,
        write: &mut Sending,
        using: impl FnOnce(&mut Sending) -> T,
    ) -> (T, bool) {
        let was_empty = match self.replace(Place::InUse) {
            Place::Taken(cipher, _) => {
                write.unpark(cipher);
                false
            }
            Place::InUse => false,
            Place::Empty => true,
        };
        let result = using(write);
        let parked = write.park();
        let is_new = was_empty && parked.is_some();
        self.replace(parked.map_or(Place::Empty, |cipher| Place::Taken(cipher, Instant::now())));
        (result, is_new)
    }

    /// When what stands here was used.
    pub(crate) fn used(&self) -> Option<Instant> {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Place::Empty => None,
            Place::InUse => Some(Instant::now()),
            Place::Taken(_, when) => Some(when),
        }
    }

    /// The writing half is gone, and with it its cipher, even if it panicked while using it.
    pub(crate) fn abandon(&self) {
        self.replace(Place::Empty);
    }

    /// Gives the cipher back, unless it is in use.
    pub(crate) fn clear(&self) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Place::Taken(..) = *place {
            *place = Place::Empty;
        }
    }
}
