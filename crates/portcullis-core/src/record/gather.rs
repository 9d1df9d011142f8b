//! A cursor over the slices of a vectored write.

use std::io::IoSlice;

/// Hands out content fragment by fragment, from one slice where it can.
pub(super) struct Gather<'a> {
    /// What is left of the slice under the cursor.
    front: &'a [u8],
    rest: &'a [IoSlice<'a>],
    left: usize,
}

impl<'a> Gather<'a> {
    #[inline]
    pub(super) fn new(slices: &'a [IoSlice<'a>]) -> Self {
        let (front, rest): (&[u8], _) = match slices.split_first() {
            Some((first, rest)) => (first, rest),
            None => (&[], slices),
        };
        let sum = |sum: usize, slice: &IoSlice<'_>| sum.saturating_add(slice.len());
        Self {
            front,
            rest,
            left: rest.iter().fold(front.len(), sum),
        }
    }

    /// Bytes not handed out.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Takes the next `n` bytes if they stand in one slice.
    #[inline]
    pub(super) fn take_whole(&mut self, n: usize) -> Option<&'a [u8]> {
        self.advance();
        let (taken, front) = self.front.split_at_checked(n)?;
        self.front = front;
        self.left = self.left.wrapping_sub(n);
        Some(taken)
    }

    /// Takes as many bytes as `out` has and copies them there; so many must be left.
    pub(super) fn copy_to(&mut self, mut out: &mut [u8]) {
        debug_assert!(out.len() <= self.left, "more was asked for than is left");
        while !out.is_empty() {
            self.advance();
            let n = self.front.len().min(out.len());
            let (Some(taken), Some((place, after))) =
                (self.take_whole(n), out.split_at_mut_checked(n))
            else {
                return;
            };
            if n == 0 {
                return;
            }
            place.copy_from_slice(taken);
            out = after;
        }
    }

    /// Goes on to the next slice that is not empty.
    #[inline]
    fn advance(&mut self) {
        while self.front.is_empty()
            && let Some((front, rest)) = self.rest.split_first()
        {
            self.front = front;
            self.rest = rest;
        }
    }
}
