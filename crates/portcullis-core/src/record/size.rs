//! How much goes into a record, and how much padding: the one place that decides.
//!
//! RFC 8446 §5.1, §5.4; RFC 8449 §4 (`record_size_limit`); RFC 6066 §4 (`max_fragment_length`).

use super::protect::Protection;
use crate::wire::MAX_PLAINTEXT;

/// How records are padded, to hide how long their content is (RFC 8446 §5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PaddingPolicy {
    /// No padding.
    #[default]
    None,
    /// The content and its type are padded to a multiple of this many bytes, as far as the
    /// record may be that long. 0 and 1 pad nothing.
    Block(u16),
}

/// The limits on what this side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordSize {
    /// Bytes of content in a record, from `max_fragment_length` or this side's own limit.
    fragment: u16,
    /// Bytes of content and padding in a protected record, from `record_size_limit`.
    limit: u16,
    padding: PaddingPolicy,
}

impl Default for RecordSize {
    fn default() -> Self {
        Self {
            fragment: MAX_PLAINTEXT as u16,
            limit: MAX_PLAINTEXT as u16,
            padding: PaddingPolicy::None,
        }
    }
}

impl RecordSize {
    /// Takes the peer's `record_size_limit` of TLS 1.3: it counts the content type and the
    /// padding, and binds protected records only (RFC 8449 §4). Values below 64 were refused
    /// by the handshake.
    pub(super) fn set_record_size_limit(&mut self, limit: u16) {
        self.limit = limit.saturating_sub(1).clamp(1, MAX_PLAINTEXT as u16);
    }

    /// Bounds the content of every record, from `max_fragment_length` or configuration.
    pub(super) fn set_max_fragment(&mut self, limit: u16) {
        self.fragment = limit.clamp(1, MAX_PLAINTEXT as u16);
    }

    /// Sets how protected records are padded.
    pub(super) fn set_padding(&mut self, padding: PaddingPolicy) {
        self.padding = padding;
    }

    /// The most content in an unprotected record.
    pub(super) fn unprotected(&self) -> usize {
        self.fragment.into()
    }

    /// The most content in a protected record. Its padding counts as well, also with
    /// `max_fragment_length` (RFC 8446 §5.4).
    pub(super) fn protected(&self) -> usize {
        self.limit.min(self.fragment).into()
    }

    /// How many zeros follow `content` bytes and their type.
    #[inline]
    pub(super) fn padding(&self, content: usize) -> usize {
        match self.padding {
            PaddingPolicy::None | PaddingPolicy::Block(0 | 1) => 0,
            PaddingPolicy::Block(block) => {
                let padded = (content + 1).next_multiple_of(block.into()) - 1;
                padded.min(self.protected()).saturating_sub(content)
            }
        }
    }

    /// How long the record with `content` bytes becomes on the wire.
    #[inline]
    pub(super) fn record(&self, protection: &Protection, content: usize) -> usize {
        protection.record_len(content + self.padding(content))
    }

    /// The most content whose record has at most `room` bytes.
    pub(super) fn fitting(&self, protection: &Protection, room: usize) -> usize {
        let fitting = protection.fitting(room).min(self.protected());
        match self.padding {
            PaddingPolicy::Block(block @ 2..) if fitting < self.protected() => {
                let inner = fitting + 1;
                (inner - inner % usize::from(block)).saturating_sub(1)
            }
            _ => fitting,
        }
    }

    /// How long `content` bytes become on the wire, in as few records as possible.
    pub(super) fn sealed(&self, protection: &Protection, content: usize) -> usize {
        let fragment = self.protected();
        let tail = content % fragment;
        let full = (content / fragment).saturating_mul(self.record(protection, fragment));
        let front = match protection.mitigation().in_front(content) {
            // The rest may then need a block more or less.
            Some(_) => protection
                .record_len(1)
                .saturating_add(protection.record_len(1)),
            None => 0,
        };
        let full = full.saturating_add(front);
        full.saturating_add(match tail {
            0 => 0,
            tail => self.record(protection, tail),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::protection;
    use super::*;

    #[test]
    fn the_strictest_limit_wins() {
        let mut size = RecordSize::default();
        assert_eq!((size.unprotected(), size.protected()), (16384, 16384));
        size.set_record_size_limit(64);
        assert_eq!((size.unprotected(), size.protected()), (16384, 63));
        size.set_max_fragment(32);
        assert_eq!((size.unprotected(), size.protected()), (32, 32));
        size.set_record_size_limit(u16::MAX);
        size.set_max_fragment(u16::MAX);
        assert_eq!(size.protected(), 16384);
    }

    #[test]
    fn padding_never_outgrows_the_record() {
        let mut size = RecordSize::default();
        size.set_padding(PaddingPolicy::Block(100));
        assert_eq!(size.padding(1), 98);
        assert_eq!(size.padding(99), 0);
        assert_eq!(size.padding(100), 99);
        assert_eq!(size.padding(16384), 0);
        assert_eq!(size.padding(16383), 1);
        size.set_record_size_limit(64);
        assert_eq!(size.padding(10), 53);
        assert_eq!(size.padding(63), 0);
        assert_eq!(size.record(&protection(), 63), 64 + 21);
        size.set_padding(PaddingPolicy::Block(0));
        assert_eq!(size.padding(10), 0);
    }

    /// The peer refused such records with record_overflow.
    #[test]
    fn padding_never_outgrows_max_fragment_length() {
        let mut size = RecordSize::default();
        size.set_max_fragment(512);
        size.set_padding(PaddingPolicy::Block(1_000));
        assert_eq!(size.padding(10), 502);
        assert_eq!(size.padding(512), 0);
        let protection = protection();
        let longest = size.record(&protection, 512);
        assert_eq!(size.record(&protection, 10), longest);
        assert_eq!(size.fitting(&protection, longest), 512);
    }

    #[test]
    fn sealed_length_counts_every_record() {
        let mut size = RecordSize::default();
        let protection = protection();
        assert_eq!(size.sealed(&protection, 0), 0);
        assert_eq!(size.sealed(&protection, 1), 23);
        assert_eq!(size.sealed(&protection, 16385), 16406 + 23);
        size.set_padding(PaddingPolicy::Block(1000));
        assert_eq!(size.sealed(&protection, 16385), 16406 + 1021);
    }
}
