//! Code points that mean nothing, sent so that peers keep ignoring what they do not know.
//!
//! RFC 8701 §2.

/// Whether a two-byte code point (suite, group, extension, version, scheme) is reserved for
/// GREASE: `0x0a0a`, `0x1a1a`, … `0xfafa`.
pub const fn is_grease(code_point: u16) -> bool {
    let [high, low] = code_point.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// One of them, by the upper half of a random byte.
pub(crate) const fn grease_point(random: u8) -> u16 {
    let byte = (random & 0xf0 | 0x0a) as u16;
    byte << 8 | byte
}

#[cfg(test)]
mod tests {
    use super::{grease_point, is_grease};

    #[test]
    fn each_byte_gives_one_of_them() {
        let mut all: Vec<_> = (0..=u8::MAX).map(grease_point).collect();
        assert!(all.iter().all(|point| is_grease(*point)));
        all.dedup();
        assert_eq!(all.len(), 16);
    }

    #[test]
    fn sixteen_of_them() {
        assert_eq!((0..=u16::MAX).filter(|point| is_grease(*point)).count(), 16);
        assert!(is_grease(0x0a0a) && is_grease(0xfafa) && !is_grease(0x0a1a));
    }
}
