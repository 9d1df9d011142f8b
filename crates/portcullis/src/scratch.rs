//! Memory that belongs to the thread, not to the connection.
//!
//! A connection uses a scratch area while it is being polled and owns nothing while it is idle.
//! An area is taken out of its slot while in use, so TLS inside TLS finds another one.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut, Range};

/// The most content of a record (RFC 8446 §5.1).
pub(crate) const PLAINTEXT: usize = 1 << 14;
/// A record of TLS 1.3 with as much content as may be and no padding: header, content, type, tag.
/// The areas are measured in these; before TLS 1.3 one can be 7 bytes longer, with CBC 63.
pub(crate) const FULL_RECORD: usize = 5 + PLAINTEXT + 1 + 16;
/// The longest record: header, content, and what CBC has at most: IV, MAC and padding. RFC 8446 §5.2
/// allows 256 bytes of expansion, and RFC 5246 §6.2.3 2,048, but what is longer than this is refused
/// on its header, and needs no room.
pub(crate) const RECORD: usize = 5 + PLAINTEXT + 16 + 48 + 256;
/// How many full records one call reads from the transport at most.
pub(crate) const READ_BATCH: usize = 6;
/// How many full records are sealed for one call that writes to the transport.
const WRITE_BATCH: usize = 4;
/// The part of an area that they take.
pub(crate) const WRITE_AREA: usize = WRITE_BATCH * FULL_RECORD + MESSAGES;
/// How much ciphertext may wait for the transport before a small write waits as well.
pub(crate) const GATHERED: usize = 8 * FULL_RECORD;
const AREA: usize = GATHERED + MESSAGES;
/// Room for a KeyUpdate or an alert before the records.
const MESSAGES: usize = 64;
/// Areas that a thread keeps besides the one in the slot: to read and to write, and the same for
/// TLS inside TLS.
const KEPT_AREAS: usize = 3;
/// Backlogs that a thread keeps, and how long they may be.
const KEPT_SPARES: usize = 8;
const KEPT_SPARE_CAPACITY: usize = 2 * RECORD;

thread_local! {
    /// The area that is taken first and given back last.
    static AREA_SLOT: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
    static AREAS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    #[allow(clippy::vec_box, reason = "they go to and fro in their boxes")]
    static SPARES: RefCell<Vec<Box<Kept>>> = const { RefCell::new(Vec::new()) };
}

/// An area of the current thread, for the time of one poll.
pub(crate) struct Scratch(Box<[u8]>);

impl Scratch {
    #[inline]
    pub(crate) fn take() -> Self {
        match AREA_SLOT.try_with(Cell::take) {
            Ok(Some(area)) => Self(area),
            _ => Self::another(),
        }
    }

    #[cold]
    fn another() -> Self {
        let kept = AREAS
            .try_with(|areas| areas.borrow_mut().pop())
            .ok()
            .flatten();
        Self(kept.unwrap_or_else(|| vec![0; AREA].into_boxed_slice()))
    }
}

impl Drop for Scratch {
    #[inline]
    fn drop(&mut self) {
        let area = std::mem::take(&mut self.0);
        if area.is_empty() {
            return;
        }
        // A thread that is ending keeps nothing.
        if let Ok(Some(other)) = AREA_SLOT.try_with(|slot| slot.replace(Some(area))) {
            keep(other);
        }
    }
}

#[cold]
fn keep(area: Box<[u8]>) {
    let _ = AREAS.try_with(|areas| {
        let mut areas = areas.borrow_mut();
        if areas.len() < KEPT_AREAS {
            areas.push(area);
        }
    });
}

impl Deref for Scratch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Bytes that a connection has to keep between polls. Empty, it owns no memory, and as nearly
/// every one is empty it is no larger than a pointer.
#[derive(Default)]
pub(crate) struct Backlog(Option<Box<Kept>>);

/// Never empty in a [`Backlog`].
#[derive(Default)]
struct Kept {
    /// An area stays as long as it is: what is behind the end costs nothing.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Kept {
    fn extend(&mut self, more: &[u8]) {
        if self.bytes.len() - self.end < more.len() && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        match self.bytes.get_mut(self.end..self.end + more.len()) {
            Some(room) => room.copy_from_slice(more),
            None => {
                self.bytes.truncate(self.end);
                self.bytes.extend_from_slice(more);
            }
        }
        self.end += more.len();
    }
}

impl Backlog {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Some(kept) => kept.end - kept.start,
            None => 0,
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Some(kept) => &kept.bytes[kept.start..kept.end],
            None => &[],
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Some(kept) => &mut kept.bytes[kept.start..kept.end],
            None => &mut [],
        }
    }

    /// Keeps a part of an area: with the area itself if that is more than a record, which saves
    /// the copy.
    pub(crate) fn keep(&mut self, mut scratch: Scratch, part: Range<usize>) {
        if self.is_empty() && part.len() > RECORD {
            let kept = self.0.insert(spare(false));
            kept.bytes = std::mem::take(&mut scratch.0).into_vec();
            kept.start = part.start;
            kept.end = part.end;
        } else {
            self.extend(&scratch[part]);
        }
    }

    pub(crate) fn extend(&mut self, more: &[u8]) {
        if more.is_empty() {
            return;
        }
        self.0.get_or_insert_with(|| spare(true)).extend(more);
    }

    /// Like [`extend`](Self::extend) where more will follow: what is more than a record gets an
    /// area of the thread.
    pub(crate) fn gather(&mut self, more: &[u8]) {
        let capacity = self.0.as_ref().map_or(0, |kept| kept.bytes.capacity());
        if capacity < AREA && self.len() + more.len() > RECORD {
            let mut larger = spare(false);
            larger.bytes = std::mem::take(&mut Scratch::take().0).into_vec();
            larger.extend(self.as_slice());
            recycle(self.0.replace(larger));
        }
        self.extend(more);
    }

    /// Forgets the first `count` bytes; the memory too, when they were the last.
    pub(crate) fn consume(&mut self, count: usize) {
        let rest = self.len().saturating_sub(count);
        if rest == 0 {
            recycle(self.0.take());
        } else if let Some(kept) = &mut self.0 {
            kept.start = kept.end - rest;
        }
    }

    /// Whether there is more memory than bytes.
    pub(crate) fn has_spare(&self) -> bool {
        let capacity = self.0.as_ref().map_or(0, |kept| kept.bytes.capacity());
        capacity > self.len()
    }

    /// Keeps no more memory than bytes.
    pub(crate) fn shrink(&mut self) {
        if let Some(kept) = &mut self.0 {
            kept.bytes.truncate(kept.end);
            kept.bytes.drain(..kept.start);
            kept.bytes.shrink_to_fit();
            kept.start = 0;
            kept.end = kept.bytes.len();
        }
    }

    /// Takes the first `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> bytes::Bytes {
        let count = count.min(self.len());
        if count > RECORD / 2
            && let Some(kept) = self
                .0
                .take_if(|kept| kept.start == 0 && kept.bytes.len() == count)
        {
            return kept.bytes.into();
        }
        let taken = bytes::Bytes::copy_from_slice(&self.as_slice()[..count]);
        self.consume(count);
        taken
    }
}

impl From<Vec<u8>> for Backlog {
    fn from(bytes: Vec<u8>) -> Self {
        let (start, end) = (0, bytes.len());
        Self((end > 0).then(|| Box::new(Kept { bytes, start, end })))
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        recycle(self.0.take());
    }
}

impl std::fmt::Debug for Backlog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// An empty one of the thread's. Memory is taken where there is some, unless it would only be
/// in the way.
fn spare(with_memory: bool) -> Box<Kept> {
    let take = |spares: &RefCell<Vec<Box<Kept>>>| {
        let mut spares = spares.borrow_mut();
        let find = |memory| {
            let mut all = spares.iter();
            all.rposition(|kept| (kept.bytes.capacity() > 0) == memory)
        };
        let at = with_memory.then(|| find(true)).flatten();
        let at = at.or_else(|| find(false))?;
        Some(spares.swap_remove(at))
    };
    SPARES.try_with(take).ok().flatten().unwrap_or_default()
}

fn recycle(kept: Option<Box<Kept>>) {
    let Some(mut kept) = kept else {
        return;
    };
    (kept.start, kept.end) = (0, 0);
    if kept.bytes.capacity() == AREA {
        let mut area = std::mem::take(&mut kept.bytes);
        area.resize(AREA, 0);
        drop(Scratch(area.into_boxed_slice()));
    } else if kept.bytes.capacity() > KEPT_SPARE_CAPACITY {
        return;
    }
    kept.bytes.clear();
    let _ = SPARES.try_with(|spares| {
        let mut spares = spares.borrow_mut();
        if spares.len() < KEPT_SPARES {
            spares.push(kept);
        }
    });
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nested_areas_are_different() {
        let mut outer = Scratch::take();
        outer[0] = 1;
        let mut inner = Scratch::take();
        inner[0] = 2;
        assert_eq!(outer[0], 1);
        drop(outer);
        drop(inner);
        assert!(Scratch::take().len() >= WRITE_BATCH.max(READ_BATCH) * FULL_RECORD);
    }

    #[test]
    fn a_large_part_keeps_its_area_until_it_is_consumed() {
        let mut scratch = Scratch::take();
        scratch[100] = 7;
        scratch[100 + RECORD] = 8;
        let place = scratch.as_ptr();
        let mut backlog = Backlog::default();
        backlog.keep(scratch, 100..101 + RECORD);
        assert_eq!(backlog.as_slice()[0], 7);
        assert_eq!(backlog.as_slice()[RECORD], 8);
        assert_eq!(backlog.as_slice().as_ptr(), place.wrapping_add(100));
        assert_ne!(Scratch::take().as_ptr(), place);
        backlog.extend(b"more");
        backlog.consume(RECORD + 1);
        assert_eq!(backlog.as_slice(), b"more");
        backlog.consume(4);
        let area = Scratch::take();
        assert!([area.as_ptr(), Scratch::take().as_ptr()].contains(&place));
        assert_eq!(area.len(), AREA);
    }

    #[test]
    fn a_small_part_leaves_its_area_to_the_thread() {
        let scratch = Scratch::take();
        let place = scratch.as_ptr();
        let mut backlog = Backlog::default();
        backlog.keep(scratch, 0..RECORD);
        assert_eq!(backlog.len(), RECORD);
        assert_eq!(Scratch::take().as_ptr(), place);
    }

    #[test]
    fn what_is_gathered_grows_into_an_area_and_gives_it_back() {
        let place = Scratch::take().as_ptr();
        let mut backlog = Backlog::default();
        let mut expected = Vec::new();
        for number in 0..200_u8 {
            backlog.gather(&[number; 300]);
            expected.extend([number; 300]);
            let capacity = backlog.0.as_ref().unwrap().bytes.capacity();
            assert_eq!(capacity == AREA, expected.len() > RECORD);
            backlog.consume(usize::from(number == 7));
        }
        assert_eq!(backlog.as_slice(), &expected[1..]);
        backlog.consume(expected.len());
        assert!(backlog.0.is_none());
        assert_eq!(Scratch::take().as_ptr(), place);
    }

    /// What is done with a backlog; numbers are of bytes.
    #[derive(Clone, Debug)]
    enum Step {
        Extend(usize),
        Gather(usize),
        /// A part of an area, from and to.
        Keep(usize, usize),
        Consume(usize),
        Take(usize),
        Shrink,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..40_000_usize).prop_map(Step::Extend),
            (0..2_000_usize).prop_map(Step::Gather),
            (0..2_000_usize, 2_000..AREA).prop_map(|(start, end)| Step::Keep(start, end)),
            (0..50_000_usize).prop_map(Step::Consume),
            (0..50_000_usize).prop_map(Step::Take),
            Just(Step::Shrink),
        ]
    }

    proptest! {
        /// A backlog is a queue of bytes, whatever memory it has.
        #[test]
        fn a_backlog_is_a_queue(steps in proptest::collection::vec(step(), 1..40)) {
            let mut backlog = Backlog::default();
            let mut queue = VecDeque::new();
            let mut next = 0_u8;
            let mut pattern = |count: usize| -> Vec<u8> {
                next = next.wrapping_add(1);
                (0..count).map(|at| (at % 251) as u8 ^ next).collect()
            };
            for step in steps {
                match step {
                    Step::Extend(count) => {
                        let bytes = pattern(count);
                        backlog.extend(&bytes);
                        queue.extend(bytes);
                    }
                    Step::Gather(count) if count > 0 => {
                        let bytes = pattern(count);
                        backlog.gather(&bytes);
                        queue.extend(bytes);
                    }
                    Step::Keep(start, end) => {
                        let mut scratch = Scratch::take();
                        scratch[start..end].copy_from_slice(&pattern(end - start));
                        queue.extend(&scratch[start..end]);
                        backlog.keep(scratch, start..end);
                    }
                    Step::Consume(count) => {
                        let count = count.min(queue.len());
                        backlog.consume(count);
                        queue.drain(..count);
                    }
                    Step::Take(count) => {
                        let count = count.min(queue.len());
                        prop_assert_eq!(backlog.take(count), queue.drain(..count).collect::<Vec<_>>());
                    }
                    Step::Shrink if !queue.is_empty() => {
                        backlog.shrink();
                        prop_assert!(!backlog.has_spare());
                    }
                    Step::Gather(_) | Step::Shrink => {}
                }
                prop_assert_eq!(backlog.len(), queue.len());
                prop_assert_eq!(backlog.is_empty(), queue.is_empty());
                prop_assert_eq!(backlog.as_slice(), &*queue.make_contiguous());
            }
        }
    }

    #[test]
    fn a_backlog_gives_its_memory_back() {
        let mut backlog = Backlog::default();
        backlog.extend(b"abc");
        backlog.extend(b"def");
        backlog.consume(2);
        assert_eq!(backlog.as_slice(), b"cdef");
        assert_eq!(&backlog.take(3)[..], b"cde");
        backlog.consume(1);
        assert!(backlog.is_empty());
        assert!(!backlog.has_spare() && backlog.0.is_none());
    }
}
