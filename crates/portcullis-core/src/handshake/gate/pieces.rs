//! First hellos that are too long for a datagram, until they are whole.
//!
//! RFC 9147 §5.1, §5.5. With a post-quantum share nearly every hello is. There are as many places as there are,
//! whoever asks. An address has its places in one of many sets, which nobody outside can tell: whoever forges
//! addresses takes places at random, and has to send thousands of pieces between two of a client's to keep it
//! out for sure.

use core::hash::BuildHasher as _;
use core::time::Duration;
use std::hash::RandomState;

use crate::clock::Monotonic;
use crate::record::{Discarded, HandshakeBytes, HelloPiece, Reassembly, Taken};

/// How many sets there are.
const SETS: usize = 64;
/// How many addresses have a place in one. A new one takes the oldest.
const PLACES: usize = 8;
/// The longest hello that is put together before a cookie, in bytes: shares of all hybrids, and 8 KiB of
/// tickets, which is what this side's own clients send at most.
pub(super) const MAX_HELLO: usize = 16 * 1024;
/// What pieces may cost besides their bytes.
const BESIDE: usize = 4 * 1024;
/// How long a place is kept for the rest.
const LIFETIME: Duration = Duration::from_secs(1);

/// Holds at most `SETS` times a hello of [`MAX_HELLO`] and what it costs [besides](BESIDE), allocated as they come.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    sets: Vec<Vec<Place>>,
    keys: RandomState,
}

#[derive(Debug)]
struct Place {
    peer: Box<[u8]>,
    since: Monotonic,
    message_seq: u16,
    reassembly: Reassembly,
    /// Bytes that came from there.
    received: usize,
}

impl Pieces {
    /// Of messages and what they cost beside them, in bytes.
    #[cfg(test)]
    pub(super) const MOST: usize = SETS * (MAX_HELLO + BESIDE);

    /// Adds what came from an address; gives its hello when that is whole, and how many bytes it took.
    pub(super) fn put(
        &mut self,
        peer: &[u8],
        pieces: &[HelloPiece<'_>],
        datagram: usize,
        now: Monotonic,
    ) -> Result<Option<(HandshakeBytes, usize)>, Discarded> {
        let message_seq = pieces.first().map_or(0, |piece| piece.header.message_seq);
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, Vec::new);
        }
        let set = self.set_of(peer);
        let Some(set) = self.sets.get_mut(set) else {
            return Err(Discarded::NoHello);
        };
        // The newest is the last.
        let mut place = take_place(set, peer, message_seq, now);
        place.received = place.received.saturating_add(datagram);
        let mut why = None;
        for piece in pieces {
            match place.reassembly.put(0, piece.header, piece.fragment) {
                Taken::New | Taken::Old => {}
                Taken::Dropped(reason) => why = Some(reason),
                Taken::Broken(_) => why = Some(Discarded::UnprotectedFault),
            }
            // The rest of the datagram is not worth the time of others.
            if why.is_some() {
                break;
            }
        }
        if let Some(message) = place.reassembly.pop(0) {
            return Ok(Some((message, place.received)));
        }
        set.push(place);
        make_room(set);
        why.map_or(Ok(None), Err)
    }

    fn set_of(&self, peer: &[u8]) -> usize {
        (self.keys.hash_one(peer) % SETS as u64) as usize
    }

    /// Whether the rest of a hello is to come from there.
    pub(super) fn has_begun(&self, peer: &[u8], now: Monotonic) -> bool {
        let mut places = self.sets.get(self.set_of(peer)).into_iter().flatten();
        places.any(|place| *place.peer == *peer && !place.is_over(now))
    }

    /// What is held, in bytes.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let places = self.sets.iter().flatten();
        places.map(|place| place.reassembly.held()).sum()
    }
}

impl Place {
    fn is_over(&self, now: Monotonic) -> bool {
        now.0.saturating_sub(self.since.0) > LIFETIME
    }
}

/// The place of this address, or a new one.
fn take_place(set: &mut Vec<Place>, peer: &[u8], message_seq: u16, now: Monotonic) -> Place {
    set.retain(|place| !place.is_over(now));
    let is_same = |place: &Place| *place.peer == *peer && place.message_seq == message_seq;
    match set.iter().position(is_same) {
        Some(at) => set.remove(at),
        None => Place {
            peer: peer.into(),
            since: now,
            message_seq,
            reassembly: Reassembly::bounded(message_seq, MAX_HELLO, BESIDE),
            received: 0,
        },
    }
}

/// The oldest make room for the newest.
fn make_room(set: &mut Vec<Place>) {
    let held = |set: &[Place]| -> usize { set.iter().map(|place| place.reassembly.held()).sum() };
    while set.len() > PLACES || set.len() > 1 && held(set) > MAX_HELLO + BESIDE {
        set.remove(0);
    }
}
