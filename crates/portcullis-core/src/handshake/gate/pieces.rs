//! First hellos that are too long for a datagram, until they are whole.
//!
//! RFC 9147 §5.1, §5.5. With a post-quantum share nearly every hello is. There are as many places as there are,
//! whoever asks: a new address takes the oldest.

use core::time::Duration;

use crate::clock::Monotonic;
use crate::record::{Discarded, HandshakeBytes, HelloPiece, Reassembly, Taken};

/// How many addresses are under way at once.
const PLACES: usize = 64;
/// The longest hello that is put together before a cookie, in bytes: with the places that is 256 KiB, and what
/// each piece costs besides.
const MAX_HELLO: usize = 4 * 1024;
/// What pieces may cost besides their bytes.
const BESIDE: usize = 1_024;
/// How long a place is kept for the rest.
const LIFETIME: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Pieces {
    places: Vec<Place>,
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
    /// Adds what came from an address; gives its hello when that is whole, and how many bytes it took.
    pub(super) fn put(
        &mut self,
        peer: &[u8],
        pieces: &[HelloPiece<'_>],
        datagram: usize,
        now: Monotonic,
    ) -> Result<Option<(HandshakeBytes, usize)>, Discarded> {
        let message_seq = pieces.first().map_or(0, |piece| piece.header.message_seq);
        let at = self.place(peer, message_seq, now);
        let Some(place) = self.places.get_mut(at) else {
            return Err(Discarded::NoHello);
        };
        place.received = place.received.saturating_add(datagram);
        let mut why = None;
        for piece in pieces {
            match place.reassembly.put(0, piece.header, piece.fragment) {
                Taken::New | Taken::Old => {}
                Taken::Dropped(reason) => why = Some(reason),
                Taken::Broken(_) => why = Some(Discarded::UnprotectedFault),
            }
        }
        if let Some(message) = place.reassembly.pop(0) {
            let received = place.received;
            self.places.swap_remove(at);
            return Ok(Some((message, received)));
        }
        why.map_or(Ok(None), Err)
    }

    /// The place of this address, or another one that it takes.
    fn place(&mut self, peer: &[u8], message_seq: u16, now: Monotonic) -> usize {
        let is_over = |place: &Place| now.0.saturating_sub(place.since.0) > LIFETIME;
        self.places.retain(|place| !is_over(place));
        let mut places = self.places.iter();
        let is_same = |place: &Place| *place.peer == *peer && place.message_seq == message_seq;
        if let Some(at) = places.position(is_same) {
            return at;
        }
        if self.places.len() >= PLACES {
            let oldest = self.places.iter().enumerate();
            if let Some((at, _)) = oldest.min_by_key(|(_, place)| place.since) {
                self.places.swap_remove(at);
            }
        }
        self.places.push(Place {
            peer: peer.into(),
            since: now,
            message_seq,
            reassembly: Reassembly::bounded(message_seq, MAX_HELLO, BESIDE),
            received: 0,
        });
        self.places.len() - 1
    }

    /// What is held, in bytes.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.places
            .iter()
            .map(|place| place.reassembly.held())
            .sum()
    }
}
