//! What reading tells writing: what has come, and what the peer says has come there.
//!
//! RFC 9147 §5.8.1, §7.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection_id::{ConnectionId, MOST_OWN, MOST_SPARE};
use crate::error::Error;
use crate::record::Authentication;
use crate::sync::{AtomicU32, OnceLock, Ordering};
use crate::wire::RecordNumber;

/// How many numbers an ACK has at most; the newest are kept.
pub(super) const MOST_NUMBERS: usize = 32;

/// What one or more datagrams have brought.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Records with handshake messages, for an ACK.
    pub(super) arrived: Vec<RecordNumber>,
    /// What the peer's ACKs name.
    pub(super) acknowledged: Vec<RecordNumber>,
    /// The peer has begun the next flight, which acknowledges the last one of this side.
    pub(super) answered: bool,
    /// The peer has all of the last handshake that has come to an end.
    pub(super) has_before: bool,
    /// How often the peer has said after a handshake that it wanted none.
    pub(super) refusals: u8,
    /// A message has come again, so the peer waits for something.
    pub(super) repeated: bool,
    /// The same of the handshake before the one that is under way.
    pub(super) repeated_before: bool,
    /// The ACK is worth a record of its own now.
    pub(super) at_once: bool,
    /// What the peer wants on its records besides: a few of them, and whether from here on.
    pub(super) peer_ids: Option<(Vec<ConnectionId>, bool)>,
    /// Bytes that have come from an address at which nobody may read, where that counts.
    pub(super) unproved: usize,
    /// Somebody reads there.
    pub(super) proved: bool,
}

impl Notes {
    pub(super) fn is_empty(&self) -> bool {
        self.arrived.is_empty()
            && self.unproved == 0
            && !self.proved
            && self.acknowledged.is_empty()
            && !self.answered
            && !self.has_before
            && self.refusals == 0
            && !self.repeated
            && !self.repeated_before
            && !self.at_once
            && self.peer_ids.is_none()
    }

    /// A record with handshake messages has come.
    pub(super) fn arrived(&mut self, number: RecordNumber) {
        push(&mut self.arrived, number);
    }

    /// The peer says that it has this record.
    pub(super) fn acknowledged(&mut self, number: RecordNumber) {
        push(&mut self.acknowledged, number);
    }

    fn merge(&mut self, other: Self) {
        for number in other.arrived {
            self.arrived(number);
        }
        for number in other.acknowledged {
            self.acknowledged(number);
        }
        self.answered |= other.answered;
        self.has_before |= other.has_before;
        self.refusals = self.refusals.saturating_add(other.refusals);
        self.repeated |= other.repeated;
        self.repeated_before |= other.repeated_before;
        self.at_once |= other.at_once;
        self.unproved += other.unproved;
        self.proved |= other.proved;
        if let Some((ids, immediate)) = other.peer_ids {
            match &mut self.peer_ids {
                Some((before, _)) if !immediate => before.extend(ids),
                // What was wanted before is void.
                place => *place = Some((ids, immediate)),
            }
            if let Some((ids, _)) = &mut self.peer_ids {
                ids.truncate(MOST_SPARE + 1);
            }
        }
    }
}

/// Keeps the newest, each once.
pub(super) fn push(numbers: &mut Vec<RecordNumber>, number: RecordNumber) {
    if numbers.contains(&number) {
        return;
    }
    if numbers.len() == MOST_NUMBERS {
        numbers.remove(0);
    }
    numbers.push(number);
}

/// There are notes.
const NOTES: u32 = 1;
/// The peer asked for a KeyUpdate.
const ANSWER_KEY_UPDATE: u32 = 1 << 1;
/// The peer has used its key for as long as it may.
const REQUEST_KEY_UPDATE: u32 = 1 << 2;
/// The reader has failed.
const FAILED: u32 = 1 << 3;
/// The writer has something to send by itself.
const OWN: u32 = 1 << 4;
/// The peer wants another handshake, before DTLS 1.3.
const DECLINE: u32 = 1 << 6;
/// The peer goes on although this side has said close_notify.
const PEER_GOES_ON: u32 = 1 << 5;
/// Something of an authentication after the handshake waits to be sent, or was answered.
const AUTHENTICATE: u32 = 1 << 7;

/// Between a reader and its writer. Looking into it is one relaxed load; only records that are not data
/// take the lock.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    flags: AtomicU32,
    /// Whether this side has said close_notify.
    closed: AtomicU32,
    /// There while it holds something: on an idle connection it is a pointer.
    post: Mutex<Option<Box<Post>>>,
    failure: OnceLock<Error>,
    /// There if the client may be asked for a certificate after the handshake. Boxed: most connections have none.
    authentication: Option<Box<Arc<dyn Authentication>>>,
}

/// What takes the lock.
#[derive(Debug, Default)]
struct Post {
    notes: Notes,
    /// Ids that the writer has given to the peer after the handshake, for the reader.
    issued: Vec<ConnectionId>,
}

/// What was in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work(u32);

impl Work {
    pub(super) const fn answers_key_update(self) -> bool {
        self.0 & ANSWER_KEY_UPDATE != 0
    }

    pub(super) const fn requests_key_update(self) -> bool {
        self.0 & REQUEST_KEY_UPDATE != 0
    }

    pub(super) const fn declines(self) -> bool {
        self.0 & DECLINE != 0
    }

    pub(super) const fn peer_goes_on(self) -> bool {
        self.0 & PEER_GOES_ON != 0
    }
}

impl Mail {
    pub(crate) fn new(authentication: Option<Arc<dyn Authentication>>) -> Self {
        Self {
            authentication: authentication.map(Box::new),
            ..Self::default()
        }
    }

    pub(super) fn authentication(&self) -> Option<&dyn Authentication> {
        Some(&***self.authentication.as_ref()?)
    }

    /// The writer is to look at it.
    pub(crate) fn authenticate(&self) {
        self.flags.fetch_or(AUTHENTICATE, Ordering::Release);
    }

    fn post(&self) -> MutexGuard<'_, Option<Box<Post>>> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(super) fn has_work(&self) -> bool {
        self.flags.load(Ordering::Relaxed) != 0
    }

    pub(super) fn failure(&self) -> Option<&Error> {
        self.failure.get()
    }

    pub(super) fn note(&self, notes: Notes) {
        if notes.is_empty() {
            return;
        }
        self.post().get_or_insert_default().notes.merge(notes);
        self.flags.fetch_or(NOTES, Ordering::Release);
    }

    /// These are given to the peer.
    pub(super) fn issue(&self, ids: &[ConnectionId]) {
        let mut post = self.post();
        let issued = &mut post.get_or_insert_default().issued;
        issued.extend_from_slice(ids);
        issued.truncate(MOST_OWN.into());
    }

    /// What was given to the peer.
    pub(super) fn issued(&self) -> Vec<ConnectionId> {
        let post = self.post();
        post.as_ref().map_or(Vec::new(), |post| post.issued.clone())
    }

    pub(super) fn answer_key_update(&self) {
        self.flags.fetch_or(ANSWER_KEY_UPDATE, Ordering::Release);
    }

    pub(super) fn request_key_update(&self) {
        self.flags.fetch_or(REQUEST_KEY_UPDATE, Ordering::Release);
    }

    /// This side says close_notify.
    pub(super) fn close(&self) {
        self.closed.store(1, Ordering::Relaxed);
        self.own_work();
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed) != 0
    }

    pub(super) fn decline(&self) {
        self.flags.fetch_or(DECLINE, Ordering::Release);
    }

    pub(super) fn peer_goes_on(&self) {
        self.flags.fetch_or(PEER_GOES_ON, Ordering::Release);
    }

    /// The writer has something to send that nobody has asked for.
    pub(super) fn own_work(&self) {
        self.flags.fetch_or(OWN, Ordering::Release);
    }

    pub(crate) fn fail(&self, error: Error) {
        // The first failure is the one that counts.
        let _ = self.failure.set(error);
        self.flags.fetch_or(FAILED, Ordering::Release);
    }

    /// Takes what there is.
    pub(super) fn take(&self) -> (Work, Notes) {
        let work = Work(self.flags.swap(0, Ordering::Acquire));
        let mut notes = Notes::default();
        if work.0 & NOTES != 0 {
            let mut place = self.post();
            if let Some(post) = &mut *place {
                notes = core::mem::take(&mut post.notes);
            }
            place.take_if(|post| post.issued.is_empty());
        }
        (work, notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An idle connection has a pointer, but for the ids that a reader goes on needing.
    #[test]
    fn what_was_taken_holds_nothing() {
        let mail = Mail::new(None);
        let worth = || Notes {
            at_once: true,
            ..Notes::default()
        };
        mail.note(worth());
        assert!(mail.post().is_some());
        assert!(mail.take().1.at_once);
        assert!(mail.post().is_none());
        let ids = [ConnectionId::new(b"id").unwrap()];
        mail.issue(&ids);
        mail.note(worth());
        assert!(mail.take().1.at_once);
        assert_eq!(mail.issued(), ids);
        // Two numbers, a lock with a pointer in it, and a pointer.
        assert!(size_of::<Mail>() <= size_of::<OnceLock<Error>>() + 8 + 16 + 8);
    }
}
