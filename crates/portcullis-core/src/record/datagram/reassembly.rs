//! Fragments become messages, once each and in order.
//!
//! RFC 9147 §5.2, §5.5. In the clear anybody can begin a message, or change one: what contradicts is kept apart, so
//! that a stranger's fragment keeps none of the peer's out.

use core::cmp::Ordering;
use std::collections::VecDeque;

use super::Discarded;
use crate::record::assembler::HandshakeBytes;
use crate::violation::Violation;
use crate::wire::{FragmentHeader, HandshakeHeader};

/// How many messages may be under way at once, the next one included.
const WINDOW: u16 = 7;
/// What a piece of a message costs besides its bytes.
const PIECE: usize = 64;
/// What may be held beyond the longest message.
const BESIDE: usize = 16 * 1024;
/// How many versions of a message are held in the clear; the oldest makes room.
const MOST_VERSIONS: usize = 4;
/// How many pieces with gaps between them a message may have: more than one for each gap that a lossy network makes
/// in 256 KiB, and few enough that a fragment costs about its bytes.
const MOST_PIECES: usize = 256;

/// What became of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It brought something, or nothing that was not there.
    New,
    /// Its message was given out before.
    Old,
    /// It is dropped, and the record it came in is not acknowledged.
    Dropped(Discarded),
    /// It contradicts another one of its epoch, which is protected.
    Broken(Violation),
}

/// The messages that are not whole, or not due.
///
/// Held is what has come: at most the longest message and 16 KiB in all.
#[derive(Debug)]
pub(crate) struct Reassembly {
    /// The message_seq that is due; `None` when there are no more.
    next: Option<u16>,
    /// From the one that is due on: what has come of each. Protected it is one, in the clear there may be
    /// several that contradict each other.
    parts: Vec<Vec<Part>>,
    /// The longest body, and what may be held beyond that; in bytes.
    max_body: u32,
    beside: u32,
}

/// A message of which something has come.
struct Part {
    header: FragmentHeader,
    epoch: u16,
    /// Apart from each other, in order. A piece grows at both ends.
    pieces: Vec<(usize, VecDeque<u8>)>,
    /// Bytes in all.
    bytes: usize,
}

impl core::fmt::Debug for Part {
    /// Without what it says.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Part")
            .field("header", &self.header)
            .field("epoch", &self.epoch)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Part {
    const fn new(header: FragmentHeader, epoch: u16) -> Self {
        Self {
            header,
            epoch,
            pieces: Vec::new(),
            bytes: 0,
        }
    }

    /// Whether it is of the same type and length.
    fn is_same(&self, header: FragmentHeader) -> bool {
        self.header.msg_type == header.msg_type && self.header.length == header.length
    }

    /// Whether the fragment can be of this message, by all that has come of it.
    fn agrees(&self, header: FragmentHeader, fragment: &[u8]) -> bool {
        let (start, end) = range(header, fragment);
        self.is_same(header)
            && self.pieces_in(start, end).all(|(piece, bytes)| {
                let from = start.max(*piece);
                let to = end.min(piece + bytes.len());
                let theirs = fragment.get(from.saturating_sub(start)..to.saturating_sub(start));
                from >= to
                    || bytes
                        .range(from - piece..to - piece)
                        .eq(theirs.unwrap_or_default())
            })
    }

    /// The pieces that end behind `start`, up to `end`.
    fn pieces_in(&self, start: usize, end: usize) -> impl Iterator<Item = &(usize, VecDeque<u8>)> {
        let is_before = |(piece, bytes): &(usize, VecDeque<u8>)| piece + bytes.len() <= start;
        let first = self.pieces.partition_point(is_before);
        let pieces = self.pieces.get(first..).unwrap_or_default();
        pieces.iter().take_while(move |(piece, _)| *piece < end)
    }

    /// Adds what of the fragment was not there; `false`: there are too many gaps for some of it.
    fn put(&mut self, header: FragmentHeader, fragment: &[u8]) -> bool {
        let (start, end) = range(header, fragment);
        if header.length == 0 && self.pieces.is_empty() {
            self.pieces.push((0, VecDeque::new()));
        }
        for (from, to) in self.missing(start, end) {
            if self.pieces.len() >= MOST_PIECES && !self.touches(from, to) {
                return false;
            }
            let bytes = fragment.get(from - start..to - start).unwrap_or_default();
            self.insert(from, bytes);
        }
        true
    }

    /// Whether a piece ends or begins there.
    fn touches(&self, start: usize, end: usize) -> bool {
        let behind = self.pieces.partition_point(|(piece, _)| *piece < start);
        let before = behind.checked_sub(1).and_then(|at| self.pieces.get(at));
        before.is_some_and(|(piece, bytes)| piece + bytes.len() == start)
            || self
                .pieces
                .get(behind)
                .is_some_and(|(piece, _)| *piece == end)
    }

    fn is_whole(&self) -> bool {
        let length = self.header.length as usize;
        match self.pieces.as_slice() {
            [(0, bytes)] => bytes.len() == length,
            _ => false,
        }
    }

    const fn cost(&self) -> usize {
        self.bytes + self.pieces.len() * PIECE
    }

    /// What of `start..end` is not there.
    fn missing(&self, start: usize, end: usize) -> Vec<(usize, usize)> {
        let (mut at, mut gaps) = (start, Vec::new());
        for (piece, bytes) in self.pieces_in(start, end) {
            if *piece > at {
                gaps.push((at, *piece));
            }
            at = at.max(piece + bytes.len());
        }
        if at < end {
            gaps.push((at, end));
        }
        gaps
    }

    /// Adds what was missing.
    fn insert(&mut self, start: usize, bytes: &[u8]) {
        self.bytes += bytes.len();
        let behind = self.pieces.partition_point(|(piece, _)| *piece < start);
        let before = behind.checked_sub(1).and_then(|at| self.pieces.get_mut(at));
        let at = match before {
            Some((piece, before)) if *piece + before.len() == start => {
                before.extend(bytes);
                behind - 1
            }
            _ => {
                let bytes = bytes.iter().copied().collect();
                self.pieces.insert(behind, (start, bytes));
                behind
            }
        };
        // The gap before the next one may be closed.
        let end = start + bytes.len();
        let Some((_, mut next)) = self
            .pieces
            .get(at + 1)
            .is_some_and(|(piece, _)| *piece == end)
            .then(|| self.pieces.remove(at + 1))
        else {
            return;
        };
        // The shorter one is copied: else each byte that comes before a long piece would cost all of that.
        if let Some((_, piece)) = self.pieces.get_mut(at) {
            if piece.len() < next.len() {
                core::mem::swap(piece, &mut next);
                for byte in next.into_iter().rev() {
                    piece.push_front(byte);
                }
            } else {
                piece.append(&mut next);
            }
        }
    }
}

/// Where the fragment stands in its message.
const fn range(header: FragmentHeader, fragment: &[u8]) -> (usize, usize) {
    let start = header.fragment_offset as usize;
    (start, start + fragment.len())
}

/// Lengths of messages have 24 bits.
fn bounded(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Reassembly {
    /// Begins with this message_seq; bodies have at most `max_body` bytes.
    pub(super) fn new(next: u16, max_body: usize) -> Self {
        Self::bounded(next, max_body, BESIDE)
    }

    /// The same; so much may be held beyond the longest message.
    pub(crate) fn bounded(next: u16, max_body: usize, beside: usize) -> Self {
        Self {
            next: Some(next),
            parts: Vec::new(),
            max_body: bounded(max_body),
            beside: bounded(beside),
        }
    }

    pub(super) fn set_max_body(&mut self, max_body: usize) {
        self.max_body = bounded(max_body);
    }

    /// What is due does not come: the one behind it is.
    pub(super) fn skip(&mut self) {
        if !self.parts.is_empty() {
            self.parts.remove(0);
        }
        self.next = self.next.and_then(|next| next.checked_add(1));
    }

    /// The message_seq that is due.
    pub(super) const fn next(&self) -> Option<u16> {
        self.next
    }

    /// Whether this message was given out before.
    pub(super) fn is_old(&self, message_seq: u16) -> bool {
        self.next.is_none_or(|next| message_seq < next)
    }

    /// Takes a fragment that came in this epoch.
    pub(crate) fn put(&mut self, epoch: u16, header: FragmentHeader, fragment: &[u8]) -> Taken {
        let Some(next) = self.next else {
            return Taken::Old;
        };
        let Some(ahead) = header.message_seq.checked_sub(next) else {
            return Taken::Old;
        };
        if ahead >= WINDOW {
            return Taken::Dropped(Discarded::BeyondWindow);
        }
        if header.length > self.max_body {
            return match epoch {
                0 => Taken::Dropped(Discarded::UnprotectedFault),
                _ => Taken::Broken(Violation::HandshakeMessageTooLong),
            };
        }
        let at = usize::from(ahead);
        if self.parts.len() <= at {
            self.parts.resize_with(at + 1, Vec::new);
        }
        let slot = self.parts.get(at).map(Vec::as_slice).unwrap_or_default();
        if let Some(part) = slot.first() {
            match epoch.cmp(&part.epoch) {
                // What anybody can send makes no room for what only the peer can, and keeps none from it.
                Ordering::Less => return Taken::Dropped(Discarded::UnprotectedFault),
                Ordering::Equal if epoch > 0 && !part.is_same(header) => {
                    return Taken::Broken(Violation::FragmentContradictsMessage);
                }
                Ordering::Equal if epoch == 0 => {
                    // One that is whole waits for its turn, or for those before it.
                    if let Some(whole) = slot.iter().find(|part| part.is_whole()) {
                        return match whole.agrees(header, fragment) {
                            true => Taken::New,
                            false => Taken::Dropped(Discarded::ContradictsFragment),
                        };
                    }
                }
                Ordering::Equal => {}
                Ordering::Greater => self.forget(at),
            }
        }
        self.insert(at, epoch, header, fragment)
    }

    /// Adds it to the message, or in the clear to each that it can be of; if there is none it begins one.
    fn insert(&mut self, at: usize, epoch: u16, header: FragmentHeader, fragment: &[u8]) -> Taken {
        // What is protected has one writer: there what came first stays, as it is the same.
        let fits = |part: &Part| epoch > 0 || part.agrees(header, fragment);
        let slot = self.parts.get(at).map(Vec::as_slice).unwrap_or_default();
        let is_first = !slot.iter().any(fits);
        let versions = slot.iter().filter(|part| fits(part)).count().max(1);
        if is_first && slot.len() >= MOST_VERSIONS {
            self.forget_version(at, 0);
        }
        if !self.make_room(at, versions * (fragment.len() + PIECE), fits) {
            return Taken::Dropped(Discarded::ReassemblyFull);
        }
        let Some(slot) = self.parts.get_mut(at) else {
            return Taken::Dropped(Discarded::BeyondWindow);
        };
        if is_first {
            slot.push(Part::new(header, epoch));
        }
        let mut is_taken = true;
        for part in slot.iter_mut().filter(|part| fits(part)) {
            is_taken &= part.put(header, fragment);
        }
        match is_taken {
            true => Taken::New,
            false => Taken::Dropped(Discarded::ReassemblyFull),
        }
    }

    fn forget(&mut self, at: usize) {
        if let Some(slot) = self.parts.get_mut(at) {
            *slot = Vec::new();
        }
    }

    fn forget_version(&mut self, at: usize, version: usize) {
        if let Some(slot) = self.parts.get_mut(at)
            && version < slot.len()
        {
            slot.remove(version);
        }
    }

    /// Whether there is room for so much of the message at this place: those behind it make some, and then what
    /// of it does not fit.
    fn make_room(&mut self, at: usize, bytes: usize, fits: impl Fn(&Part) -> bool) -> bool {
        let most = self.max_body as usize + self.beside as usize;
        let mut farthest = self.parts.len();
        while self.held() + bytes > most {
            farthest -= 1;
            if farthest > at {
                self.forget(farthest);
                continue;
            }
            farthest = at + 1;
            let slot = self.parts.get(at).map(Vec::as_slice).unwrap_or_default();
            match slot.iter().position(|part| !fits(part)) {
                Some(version) => self.forget_version(at, version),
                None => return false,
            }
        }
        true
    }

    /// The message that is due, if it is whole and came in the epoch that is due. One of an older epoch is
    /// dropped: anybody could have sent it.
    pub(crate) fn pop(&mut self, epoch: u16) -> Option<HandshakeBytes> {
        let of = self.parts.first()?.first()?.epoch;
        if of < epoch {
            self.forget(0);
        }
        if of != epoch {
            return None;
        }
        self.pop_any().map(|(_, message)| message)
    }

    /// The message that is due, if it is whole, and the epoch in which it came.
    pub(super) fn pop_any(&mut self) -> Option<(u16, HandshakeBytes)> {
        let (epoch, message) = self.take_version()?;
        // There are a few at most.
        self.parts.remove(0);
        self.next = self.next.and_then(|next| next.checked_add(1));
        if self.parts.is_empty() {
            self.parts = Vec::new();
        }
        Some((epoch, message))
    }

    /// A version of the message that is due, if one is whole, and the epoch in which it came. The message stays due, and its
    /// other versions are held.
    pub(crate) fn take_version(&mut self) -> Option<(u16, HandshakeBytes)> {
        let slot = self.parts.first_mut()?;
        let at = slot.iter().position(Part::is_whole)?;
        let part = slot.swap_remove(at);
        let message_seq = self.next.unwrap_or_default();
        let body = part.pieces.into_iter().next().map(|(_, bytes)| bytes);
        let body = Vec::from(body.unwrap_or_default());
        let mut message = Vec::with_capacity(HandshakeHeader::SIZE + body.len());
        crate::wire::put_message(&mut message, part.header.msg_type, |out| {
            out.extend_from_slice(&body);
        });
        Some((
            part.epoch,
            HandshakeBytes::of_datagrams(message, message_seq),
        ))
    }

    /// Drops what came in an epoch before this one.
    pub(super) fn forget_before(&mut self, epoch: u16) {
        for at in 0..self.parts.len() {
            let is_older = |slot: &Vec<Part>| slot.first().is_some_and(|one| one.epoch < epoch);
            if self.parts.get(at).is_some_and(is_older) {
                self.forget(at);
            }
        }
    }

    /// Whether what is held of this message has another type or length.
    pub(super) fn contradicts(&self, header: FragmentHeader) -> bool {
        let ahead = self
            .next
            .and_then(|next| header.message_seq.checked_sub(next));
        let slot = ahead.and_then(|ahead| self.parts.get(usize::from(ahead)));
        slot.is_some_and(|slot| slot.iter().any(|part| !part.is_same(header)))
    }

    /// Whether something is held of a message that came in this epoch or a later one.
    pub(super) fn holds(&self, epoch: u16) -> bool {
        let mut parts = self.parts.iter().flatten();
        parts.any(|part| part.epoch >= epoch)
    }

    /// Whether a message is missing before one that has come.
    pub(super) fn has_gap(&self) -> bool {
        let mut parts = self.parts.iter();
        let is_whole = |slot: &Vec<Part>| slot.iter().any(Part::is_whole);
        let first_missing = parts.position(|slot| !is_whole(slot));
        let behind = first_missing.map_or(0, |at| at + 1);
        self.parts.iter().skip(behind).any(|slot| !slot.is_empty())
    }

    /// What is held, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.parts.iter().flatten().map(Part::cost).sum()
    }
}
