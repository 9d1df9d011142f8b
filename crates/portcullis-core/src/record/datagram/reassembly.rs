//! Fragments become messages, once each and in order.
//!
//! RFC 9147 §5.2, §5.5.

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
    /// From the one that is due on.
    parts: VecDeque<Option<Part>>,
    held: usize,
    max_body: usize,
    beside: usize,
}

/// A message of which something has come.
#[derive(Debug)]
struct Part {
    header: FragmentHeader,
    epoch: u16,
    /// Apart from each other, in order.
    pieces: Vec<(usize, Vec<u8>)>,
}

impl Part {
    fn is_whole(&self) -> bool {
        let length = self.header.length as usize;
        match self.pieces.as_slice() {
            [(0, bytes)] => bytes.len() == length,
            _ => false,
        }
    }

    fn cost(&self) -> usize {
        let bytes: usize = self.pieces.iter().map(|(_, bytes)| bytes.len()).sum();
        bytes + self.pieces.len() * PIECE
    }

    /// What of `start..end` is not there.
    fn missing(&self, start: usize, end: usize) -> Vec<(usize, usize)> {
        let (mut at, mut gaps) = (start, Vec::new());
        for (piece, bytes) in &self.pieces {
            if *piece >= end {
                break;
            }
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
        let behind = self.pieces.partition_point(|(piece, _)| *piece < start);
        let before = behind.checked_sub(1).and_then(|at| self.pieces.get_mut(at));
        let at = match before {
            Some((piece, before)) if *piece + before.len() == start => {
                before.extend_from_slice(bytes);
                behind - 1
            }
            _ => {
                self.pieces.insert(behind, (start, bytes.to_vec()));
                behind
            }
        };
        // The gap before the next one may be closed.
        let end = start + bytes.len();
        if self
            .pieces
            .get(at + 1)
            .is_some_and(|(piece, _)| *piece == end)
        {
            let (_, next) = self.pieces.remove(at + 1);
            if let Some((_, piece)) = self.pieces.get_mut(at) {
                piece.extend_from_slice(&next);
            }
        }
    }
}

impl Reassembly {
    /// Begins with this message_seq; bodies have at most `max_body` bytes.
    pub(super) const fn new(next: u16, max_body: usize) -> Self {
        Self::bounded(next, max_body, BESIDE)
    }

    /// The same; so much may be held beyond the longest message.
    pub(crate) const fn bounded(next: u16, max_body: usize, beside: usize) -> Self {
        Self {
            next: Some(next),
            parts: VecDeque::new(),
            held: 0,
            max_body,
            beside,
        }
    }

    pub(super) fn set_max_body(&mut self, max_body: usize) {
        self.max_body = max_body;
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
        if header.length as usize > self.max_body {
            return match epoch {
                0 => Taken::Dropped(Discarded::UnprotectedFault),
                _ => Taken::Broken(Violation::HandshakeMessageTooLong),
            };
        }
        let at = usize::from(ahead);
        if self.parts.len() <= at {
            self.parts.resize_with(at + 1, || None);
        }
        if let Some(Some(part)) = self.parts.get(at) {
            let same =
                part.header.msg_type == header.msg_type && part.header.length == header.length;
            let is_all = header.fragment_length == header.length;
            match epoch.cmp(&part.epoch) {
                // What anybody can send makes no room for what only the peer can, and keeps none from it.
                core::cmp::Ordering::Less => {
                    return Taken::Dropped(Discarded::UnprotectedFault);
                }
                core::cmp::Ordering::Equal if same => {}
                // In the clear a message in one piece is worth more than one that somebody has begun.
                core::cmp::Ordering::Equal if epoch == 0 && is_all && !part.is_whole() => {
                    self.forget(at);
                }
                core::cmp::Ordering::Equal if epoch == 0 => {
                    return Taken::Dropped(Discarded::ContradictsFragment);
                }
                core::cmp::Ordering::Equal => {
                    return Taken::Broken(Violation::FragmentContradictsMessage);
                }
                core::cmp::Ordering::Greater => self.forget(at),
            }
        }
        if !self.make_room(at, fragment.len()) {
            return Taken::Dropped(Discarded::ReassemblyFull);
        }
        self.insert(at, epoch, header, fragment);
        Taken::New
    }

    fn insert(&mut self, at: usize, epoch: u16, header: FragmentHeader, fragment: &[u8]) {
        let Some(place) = self.parts.get_mut(at) else {
            return;
        };
        let part = place.get_or_insert_with(|| Part {
            header,
            epoch,
            pieces: Vec::new(),
        });
        let before = part.cost();
        let start = header.fragment_offset as usize;
        if header.length == 0 && part.pieces.is_empty() {
            part.pieces.push((0, Vec::new()));
        }
        for (from, to) in part.missing(start, start + fragment.len()) {
            let bytes = fragment.get(from - start..to - start).unwrap_or_default();
            part.insert(from, bytes);
        }
        let after = part.cost();
        self.held = self.held - before + after;
    }

    fn forget(&mut self, at: usize) {
        if let Some(part) = self.parts.get_mut(at).and_then(Option::take) {
            self.held -= part.cost();
        }
    }

    /// Whether there is room for a piece of the message at this place: those behind it make some.
    fn make_room(&mut self, at: usize, bytes: usize) -> bool {
        let most = self.max_body + self.beside;
        let mut farthest = self.parts.len();
        while self.held + bytes + PIECE > most {
            farthest -= 1;
            if farthest <= at {
                return false;
            }
            self.forget(farthest);
        }
        true
    }

    /// The message that is due, if it is whole and came in the epoch that is due. One of an older epoch is
    /// dropped: anybody could have sent it.
    pub(crate) fn pop(&mut self, epoch: u16) -> Option<HandshakeBytes> {
        let part = self.parts.front()?.as_ref()?;
        if part.epoch < epoch {
            self.forget(0);
            return None;
        }
        if part.epoch > epoch || !part.is_whole() {
            return None;
        }
        let part = self.parts.pop_front().flatten()?;
        self.held -= part.cost();
        self.next = self.next.and_then(|next| next.checked_add(1));
        if self.parts.is_empty() {
            self.parts = VecDeque::new();
        }
        let body = part.pieces.into_iter().next().map(|(_, bytes)| bytes);
        let body = body.unwrap_or_default();
        let mut message = Vec::with_capacity(HandshakeHeader::SIZE + body.len());
        crate::wire::put_message(&mut message, part.header.msg_type, |out| {
            out.extend_from_slice(&body);
        });
        Some(HandshakeBytes::of_datagrams(message))
    }

    /// Drops what came in an epoch before this one.
    pub(super) fn forget_before(&mut self, epoch: u16) {
        for at in 0..self.parts.len() {
            let is_older = |part: &Option<Part>| part.as_ref().is_some_and(|one| one.epoch < epoch);
            if self.parts.get(at).is_some_and(is_older) {
                self.forget(at);
            }
        }
    }

    /// Whether something is held of a message that came in this epoch or a later one.
    pub(super) fn holds(&self, epoch: u16) -> bool {
        let mut parts = self.parts.iter().flatten();
        parts.any(|part| part.epoch >= epoch)
    }

    /// Whether a message is missing before one that has come.
    pub(super) fn has_gap(&self) -> bool {
        let mut parts = self.parts.iter();
        let is_whole = |part: &Option<Part>| part.as_ref().is_some_and(Part::is_whole);
        let first_missing = parts.position(|part| !is_whole(part));
        let behind = first_missing.map_or(0, |at| at + 1);
        self.parts.iter().skip(behind).any(Option::is_some)
    }

    /// What is held, in bytes.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held
    }
}
