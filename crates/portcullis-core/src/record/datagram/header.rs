//! The headers of records over datagrams, and what their numbers are short for.
//!
//! RFC 9147 §4, §4.1, §4.2.2; RFC 6347 §4.1.

use super::Discarded;
use crate::version::ProtocolVersion;
use crate::wire::ContentType;

/// Bytes of the header of a record that is not protected.
pub(super) const PLAIN: usize = 13;
/// Bytes of the header that this side writes before a protected record: a number of 16 bits, and a length.
pub(super) const UNIFIED: usize = 5;
/// Sequence numbers have 48 bits (§4.2.1).
pub(super) const NUMBERS: u64 = 1 << 48;

/// The first three bits of the unified header.
const FIXED: u8 = 0b0010_0000;
const HAS_CONNECTION_ID: u8 = 0b0001_0000;
const HAS_16_BITS: u8 = 0b0000_1000;
const HAS_LENGTH: u8 = 0b0000_0100;
const EPOCH: u8 = 0b0000_0011;

/// What stands in front of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Plain {
        typ: ContentType,
        epoch: u16,
        sequence: u64,
    },
    Unified(Unified),
}

/// Of a protected record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unified {
    /// The two low bits of the epoch.
    pub(super) epoch: u8,
    /// Whether 16 bits of the number are there, or 8.
    pub(super) is_wide: bool,
    /// Bytes of the header.
    pub(super) length: usize,
}

/// Reads the header of the record at the front of `datagram`; gives how many bytes the record has.
///
/// # Errors
/// When the rest of the datagram is lost with it, because nobody knows where the next record begins.
pub(super) fn split(datagram: &[u8]) -> Result<(Header, usize), Discarded> {
    match datagram.first() {
        Some(20..=23 | 25 | 26) => plain(datagram),
        Some(first) if first & 0b1110_0000 == FIXED => unified(*first, datagram),
        _ => Err(Discarded::ForeignByte),
    }
}

fn plain(datagram: &[u8]) -> Result<(Header, usize), Discarded> {
    let Some(&[typ, major, _, e1, e0, s5, s4, s3, s2, s1, s0, l1, l0]) =
        datagram.first_chunk::<PLAIN>()
    else {
        return Err(Discarded::Malformed);
    };
    // §4: the version is ignored for all purposes; what is not even one of DTLS is something else.
    if major != 0xfe {
        return Err(Discarded::WrongVersion);
    }
    let total = PLAIN + usize::from(u16::from_be_bytes([l1, l0]));
    if datagram.len() < total {
        return Err(Discarded::Malformed);
    }
    let header = Header::Plain {
        typ: ContentType(typ),
        epoch: u16::from_be_bytes([e1, e0]),
        sequence: u64::from_be_bytes([0, 0, s5, s4, s3, s2, s1, s0]),
    };
    Ok((header, total))
}

fn unified(first: u8, datagram: &[u8]) -> Result<(Header, usize), Discarded> {
    // No connection id was given to the peer, so how long one is nobody knows.
    if first & HAS_CONNECTION_ID != 0 {
        return Err(Discarded::UnknownConnectionId);
    }
    let is_wide = first & HAS_16_BITS != 0;
    let number = if is_wide { 2 } else { 1 };
    let (length, total) = if first & HAS_LENGTH != 0 {
        let at = 1 + number;
        let Some(&[high, low]) = datagram.get(at..at + 2).and_then(<[u8]>::first_chunk) else {
            return Err(Discarded::Malformed);
        };
        let body = usize::from(u16::from_be_bytes([high, low]));
        (at + 2, at + 2 + body)
    } else {
        (1 + number, datagram.len())
    };
    if datagram.len() < total || total < length {
        return Err(Discarded::Malformed);
    }
    let header = Unified {
        epoch: first & EPOCH,
        is_wide,
        length,
    };
    Ok((Header::Unified(header), total))
}

/// Writes the header of a record that is not protected.
pub(super) fn put_plain(
    head: &mut [u8; PLAIN],
    typ: ContentType,
    version: ProtocolVersion,
    sequence: u64,
    body: usize,
) {
    put_older(head, typ, version, 0, sequence, body);
}

/// Writes the header that records of DTLS 1.2 and older have, protected or not (RFC 6347 §4.1).
pub(super) fn put_older(
    head: &mut [u8; PLAIN],
    typ: ContentType,
    version: ProtocolVersion,
    epoch: u16,
    sequence: u64,
    body: usize,
) {
    let [major, minor] = version.0.to_be_bytes();
    let [e1, e0] = epoch.to_be_bytes();
    let [_, _, s5, s4, s3, s2, s1, s0] = sequence.to_be_bytes();
    let [.., l1, l0] = body.to_be_bytes();
    *head = [typ.0, major, minor, e1, e0, s5, s4, s3, s2, s1, s0, l1, l0];
}

/// The header of a protected record, its number as it is authenticated.
pub(super) fn put_unified(epoch: u16, sequence: u64, body: usize) -> [u8; UNIFIED] {
    let [.., low_epoch] = epoch.to_be_bytes();
    let [.., s1, s0] = sequence.to_be_bytes();
    let [.., l1, l0] = body.to_be_bytes();
    let first = FIXED | HAS_16_BITS | HAS_LENGTH | low_epoch & EPOCH;
    [first, s1, s0, l1, l0]
}

/// The number whose last `bits` bits are `low`, nearest to the one that is due (§4.2.2).
pub(super) fn reconstruct(low: u64, bits: u32, due: u64) -> u64 {
    let span = 1_u64 << bits;
    let candidate = due & !(span - 1) | low;
    if candidate + span / 2 < due && candidate + span < NUMBERS {
        candidate + span
    } else if candidate > due + span / 2 && candidate >= span {
        candidate - span
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// §4.2.2, as it is written there: of all numbers with these bits the nearest.
        #[test]
        fn the_number_is_the_nearest(
            due in prop_oneof![0_u64..1_000, NUMBERS - 70_000..NUMBERS, 0..NUMBERS],
            low in any::<u16>(),
            is_wide: bool,
        ) {
            let bits = if is_wide { 16 } else { 8 };
            let span = 1_u128 << bits;
            let low = u128::from(low) % span;
            let seen = u128::from(reconstruct(low as u64, bits, due));
            prop_assert_eq!(seen % span, low);
            prop_assert!(seen < u128::from(NUMBERS) + span);
            let due = u128::from(due);
            for other in [seen.checked_sub(span), Some(seen + span)].into_iter().flatten() {
                if other < u128::from(NUMBERS) && seen < u128::from(NUMBERS) {
                    prop_assert!(seen.abs_diff(due) <= other.abs_diff(due));
                }
            }
        }

        #[test]
        fn no_datagram_is_read_beyond_its_end(datagram in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok((header, total)) = split(&datagram) {
                prop_assert!(total <= datagram.len());
                match header {
                    Header::Plain { .. } => prop_assert!(total >= PLAIN),
                    Header::Unified(unified) => prop_assert!(total >= unified.length),
                }
            }
        }
    }

    #[test]
    fn first_bytes() {
        for first in 0..=u8::MAX {
            let datagram = [first; 14];
            let seen = split(&datagram).map(|(header, _)| header);
            match first {
                20..=23 | 25 | 26 => assert_eq!(seen, Err(Discarded::WrongVersion)),
                0x20..=0x3f if first & HAS_CONNECTION_ID != 0 => {
                    assert_eq!(seen, Err(Discarded::UnknownConnectionId));
                }
                0x20..=0x3f if first & HAS_LENGTH == 0 => assert!(seen.is_ok()),
                0x20..=0x3f => assert_eq!(seen, Err(Discarded::Malformed)),
                _ => assert_eq!(seen, Err(Discarded::ForeignByte)),
            }
        }
        assert_eq!(split(&[]), Err(Discarded::ForeignByte));
    }

    #[test]
    fn written_headers_are_read() {
        let mut record = put_unified(7, 0x01_02_03, 1).to_vec();
        record.extend([9, 8]);
        let unified = Unified {
            epoch: 3,
            is_wide: true,
            length: UNIFIED,
        };
        assert_eq!(split(&record), Ok((Header::Unified(unified), 6)));
        let mut record = [0; PLAIN + 3];
        let head = record.first_chunk_mut().unwrap();
        let version = ProtocolVersion::DTLS_1_2;
        put_plain(
            head,
            ContentType::HANDSHAKE,
            version,
            0x01_02_03_04_05_06,
            2,
        );
        let plain = Header::Plain {
            typ: ContentType::HANDSHAKE,
            epoch: 0,
            sequence: 0x01_02_03_04_05_06,
        };
        assert_eq!(split(&record), Ok((plain, PLAIN + 2)));
        assert_eq!(split(&record[..PLAIN + 1]), Err(Discarded::Malformed));
    }
}
