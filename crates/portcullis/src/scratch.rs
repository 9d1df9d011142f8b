//! Memory that belongs to the thread, not to the connection.
//!
//! A connection uses a scratch area while it is being polled and owns nothing while it is idle.
//! An area is taken out of its slot while in use, so TLS inside TLS finds another one.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// The longest TLS 1.3 record: header, 2^14 bytes, 256 bytes of expansion (RFC 8446 §5.2).
pub(crate) const RECORD: usize = 5 + (1 << 14) + 256;
/// What one call reads from or writes to a socket at most, in bytes of plaintext.
pub(crate) const BATCH: usize = 64 * 1024;
/// The incomplete record from last time, and a batch with its expansion.
const AREA: usize = RECORD + BATCH + RECORD;
/// Areas that a thread keeps: one to read, one to write, and the same for TLS inside TLS.
const KEPT_AREAS: usize = 4;
/// Backlogs that a thread keeps, and how long they may be.
const KEPT_SPARES: usize = 8;
const KEPT_SPARE_CAPACITY: usize = 2 * RECORD;

thread_local! {
    static AREAS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An area of the current thread, for the time of one poll.
pub(crate) struct Scratch(Box<[u8]>);

impl Scratch {
    pub(crate) fn take() -> Self {
        let kept = AREAS
            .try_with(|areas| areas.borrow_mut().pop())
            .ok()
            .flatten();
        Self(kept.unwrap_or_else(|| vec![0; AREA].into_boxed_slice()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let area = std::mem::take(&mut self.0);
        // A thread that is ending keeps nothing.
        let _ = AREAS.try_with(|areas| {
            let mut areas = areas.borrow_mut();
            if areas.len() < KEPT_AREAS {
                areas.push(area);
            }
        });
    }
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

/// Bytes that a connection has to keep between polls. Empty, it owns no memory.
#[derive(Default)]
pub(crate) struct Backlog {
    bytes: Vec<u8>,
    start: usize,
}

impl Backlog {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    pub(crate) fn extend(&mut self, more: &[u8]) {
        if more.is_empty() {
            return;
        }
        if self.bytes.capacity() == 0 {
            self.bytes = spare();
        } else if self.start > 0 && self.bytes.capacity() - self.bytes.len() < more.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(more);
    }

    /// Forgets the first `count` bytes; the memory too, when they were the last.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.start = 0;
            recycle(std::mem::take(&mut self.bytes));
        }
    }

    /// Whether there is more memory than bytes.
    pub(crate) fn has_spare(&self) -> bool {
        self.bytes.capacity() > self.len()
    }

    /// Keeps no more memory than bytes.
    pub(crate) fn shrink(&mut self) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.shrink_to_fit();
    }

    /// Takes the first `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> bytes::Bytes {
        let count = count.min(self.len());
        if count == self.len() && self.start == 0 && count > RECORD / 2 {
            return std::mem::take(&mut self.bytes).into();
        }
        let taken = bytes::Bytes::copy_from_slice(&self.as_slice()[..count]);
        self.consume(count);
        taken
    }
}

impl From<Vec<u8>> for Backlog {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, start: 0 }
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        recycle(std::mem::take(&mut self.bytes));
    }
}

impl std::fmt::Debug for Backlog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

fn spare() -> Vec<u8> {
    SPARES
        .try_with(|spares| spares.borrow_mut().pop())
        .ok()
        .flatten()
        .unwrap_or_default()
}

fn recycle(mut bytes: Vec<u8>) {
    if bytes.capacity() == 0 || bytes.capacity() > KEPT_SPARE_CAPACITY {
        return;
    }
    bytes.clear();
    let _ = SPARES.try_with(|spares| {
        let mut spares = spares.borrow_mut();
        if spares.len() < KEPT_SPARES {
            spares.push(bytes);
        }
    });
}

#[cfg(test)]
mod tests {
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
        assert!(Scratch::take().len() >= BATCH + RECORD);
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
        assert_eq!(backlog.bytes.capacity(), 0);
    }
}
