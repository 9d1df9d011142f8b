//! Comparisons and choices that take as long for one answer as for the other.
//!
//! For numbers below 2^31. A record is looked at byte by byte with these, a thousand times: the
//! choices of a library, each behind a call, would take longer than the record's cipher.

use core::hint::black_box;

/// Yes or no, as all bits or none.
#[derive(Clone, Copy)]
pub(super) struct Mask(u32);

impl Mask {
    /// The compiler does not learn that there are only two of them, so it makes no branch of one.
    fn new(bits: u32) -> Self {
        Self(black_box(bits))
    }

    #[inline]
    pub(super) fn less(a: u32, b: u32) -> Self {
        debug_assert!(a | b < 1 << 31);
        // The sign of the difference, in every bit.
        Self::new((a.wrapping_sub(b).cast_signed() >> 31).cast_unsigned())
    }

    #[inline]
    pub(super) fn equal(a: u32, b: u32) -> Self {
        Self::less(a ^ b, 1)
    }

    /// Of what was found out in constant time.
    pub(super) fn from_bool(yes: bool) -> Self {
        Self::new(u32::from(yes).wrapping_neg())
    }

    #[inline]
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[inline]
    pub(super) fn not(self) -> Self {
        Self(!self.0)
    }

    /// `value` if yes, else 0.
    #[inline]
    pub(super) fn keep(self, value: u32) -> u32 {
        self.0 & value
    }

    /// The same of a byte.
    #[inline]
    pub(super) fn keep_byte(self, value: u8) -> u8 {
        let [.., mask] = self.0.to_be_bytes();
        mask & value
    }

    /// Says it to everyone who can measure time.
    pub(super) fn reveal(self) -> bool {
        self.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_those_of_the_operators() {
        let values = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0xffff, (1 << 31) - 1];
        for (a, b) in values.iter().flat_map(|a| values.map(|b| (*a, b))) {
            let (less, equal) = (Mask::less(a, b), Mask::equal(a, b));
            assert_eq!(less.reveal(), a < b, "{a} < {b}");
            assert_eq!(equal.reveal(), a == b, "{a} == {b}");
            assert_eq!(less.not().reveal(), a >= b);
            assert!(!less.and(equal).reveal());
            assert_eq!(less.keep(77), if a < b { 77 } else { 0 });
            assert_eq!(equal.keep_byte(0xa5), if a == b { 0xa5 } else { 0 });
        }
        assert!(Mask::from_bool(true).reveal());
        assert!(!Mask::from_bool(false).reveal());
    }
}
