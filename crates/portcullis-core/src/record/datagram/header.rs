//! The headers of records over datagrams, and what their numbers are short for.
//!
//! RFC 9147 §4, §4.1, §4.2.2; RFC 6347 §4.1; RFC 9146 §4 for connection ids before DTLS 1.3.

use super::Discarded;
use super::connection_id::OwnIds;
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
        /// Bytes of the header: more than usual with [`ContentType::TLS12_CID`], which hides the type.
        length: usize,
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
    /// Bytes of the connection id, which is one of this side's.
    pub(super) id: usize,
    /// Bytes of the header.
    pub(super) length: usize,
}

/// Reads the header of the record at the front of `datagram`; gives how many bytes the record has. A connection
/// id in it is one of `own`.
///
/// # Errors
/// When the rest of the datagram is lost with it: nobody knows where the next record begins, or the record is of
/// another connection (§4).
pub(super) fn split(datagram: &[u8], own: &OwnIds) -> Result<(Header, usize), Discarded> {
    match datagram.first() {
        Some(20..=23 | 26 | 27) => plain(datagram, 0),
        Some(25) => plain(datagram, check_id(datagram.get(PLAIN - 2..), own)?),
        Some(first) if first & 0b1110_0000 == FIXED => unified(*first, datagram, own),
        _ => Err(Discarded::ForeignByte),
    }
}

/// How long the id is with which `behind` begins. Nothing in a header says that, so all of this side are of one
/// length.
fn check_id(behind: Option<&[u8]>, own: &OwnIds) -> Result<usize, Discarded> {
    let length = own.len().ok_or(Discarded::UnknownConnectionId)?;
    let id = behind.and_then(|bytes| bytes.get(..length));
    match own.contains(id.ok_or(Discarded::Malformed)?) {
        true => Ok(length),
        false => Err(Discarded::UnknownConnectionId),
    }
}

/// `id` bytes of a connection id stand before the length (RFC 9146 §4).
fn plain(datagram: &[u8], id: usize) -> Result<(Header, usize), Discarded> {
    let start = datagram.first_chunk::<{ PLAIN - 2 }>();
    let end = datagram.get(PLAIN - 2 + id..).and_then(<[u8]>::first_chunk);
    let (Some(&[typ, major, _, e1, e0, s5, s4, s3, s2, s1, s0]), Some(&[l1, l0])) = (start, end)
    else {
        return Err(Discarded::Malformed);
    };
    // §4: the version is ignored for all purposes; what is not even one of DTLS is something else.
    if major != 0xfe {
        return Err(Discarded::WrongVersion);
    }
    let length = PLAIN + id;
    let total = length + usize::from(u16::from_be_bytes([l1, l0]));
    if datagram.len() < total {
        return Err(Discarded::Malformed);
    }
    let header = Header::Plain {
        typ: ContentType(typ),
        epoch: u16::from_be_bytes([e1, e0]),
        sequence: u64::from_be_bytes([0, 0, s5, s4, s3, s2, s1, s0]),
        length,
    };
    Ok((header, total))
}

fn unified(first: u8, datagram: &[u8], own: &OwnIds) -> Result<(Header, usize), Discarded> {
    let id = match first & HAS_CONNECTION_ID {
        0 => 0,
        _ => check_id(datagram.get(1..), own)?,
    };
    let is_wide = first & HAS_16_BITS != 0;
    let number = if is_wide { 2 } else { 1 };
    let (length, total) = if first & HAS_LENGTH != 0 {
        let at = 1 + id + number;
        let Some(&[high, low]) = datagram.get(at..at + 2).and_then(<[u8]>::first_chunk) else {
            return Err(Discarded::Malformed);
        };
        let body = usize::from(u16::from_be_bytes([high, low]));
        (at + 2, at + 2 + body)
    } else {
        (1 + id + number, datagram.len())
    };
    if datagram.len() < total || total < length {
        return Err(Discarded::Malformed);
    }
    let header = Unified {
        epoch: first & EPOCH,
        is_wide,
        id,
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
    put_older(head, &[], typ, version, 0, sequence, body);
}

/// Writes the header that records of DTLS 1.2 and older have, protected or not (RFC 6347 §4.1), with this id,
/// if it has a byte (RFC 9146 §4). `head` has just the room for it.
pub(super) fn put_older(
    head: &mut [u8],
    id: &[u8],
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
    let start = [typ.0, major, minor, e1, e0, s5, s4, s3, s2, s1, s0];
    put_parts(head, &start, id, &[l1, l0]);
}

/// Writes the header of a protected record, its number as it is authenticated; `head` has just the room for it.
pub(super) fn put_unified(head: &mut [u8], id: &[u8], epoch: u16, sequence: u64, body: usize) {
    let [.., low_epoch] = epoch.to_be_bytes();
    let [.., s1, s0] = sequence.to_be_bytes();
    let [.., l1, l0] = body.to_be_bytes();
    let has_id = if id.is_empty() { 0 } else { HAS_CONNECTION_ID };
    let first = FIXED | has_id | HAS_16_BITS | HAS_LENGTH | low_epoch & EPOCH;
    put_parts(head, &[first], id, &[s1, s0, l1, l0]);
}

#[inline]
fn put_parts(head: &mut [u8], start: &[u8], id: &[u8], end: &[u8]) {
    debug_assert_eq!(head.len(), start.len() + id.len() + end.len());
    let (first, behind) = head.split_at_mut(start.len());
    let (middle, last) = behind.split_at_mut(id.len());
    first.copy_from_slice(start);
    middle.copy_from_slice(id);
    last.copy_from_slice(end);
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

    use super::super::ConnectionId;
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
        fn no_datagram_is_read_beyond_its_end(
            datagram in proptest::collection::vec(any::<u8>(), 0..40),
            ids in 0..4_usize,
        ) {
            // So short that some of what comes has them.
            let own = OwnIds::offer(ConnectionId::of(&[7; 3][..ids.min(1)]));
            if let Ok((header, total)) = split(&datagram, &own) {
                prop_assert!(total <= datagram.len());
                match header {
                    Header::Plain { length, .. } => {
                        prop_assert!(length >= PLAIN && total >= length);
                    }
                    Header::Unified(unified) => prop_assert!(total >= unified.length),
                }
            }
        }
    }

    #[test]
    fn first_bytes() {
        for first in 0..=u8::MAX {
            let datagram = [first; 14];
            let seen = split(&datagram, &OwnIds::default()).map(|(header, _)| header);
            match first {
                20..=23 | 26 | 27 => assert_eq!(seen, Err(Discarded::WrongVersion)),
                25 => assert_eq!(seen, Err(Discarded::UnknownConnectionId)),
                0x20..=0x3f if first & HAS_CONNECTION_ID != 0 => {
                    assert_eq!(seen, Err(Discarded::UnknownConnectionId));
                }
                0x20..=0x3f if first & HAS_LENGTH == 0 => assert!(seen.is_ok()),
                0x20..=0x3f => assert_eq!(seen, Err(Discarded::Malformed)),
                _ => assert_eq!(seen, Err(Discarded::ForeignByte)),
            }
        }
        assert_eq!(split(&[], &OwnIds::default()), Err(Discarded::ForeignByte));
    }

    #[test]
    fn written_headers_are_read() {
        for id in [&[][..], &[9, 8, 7]] {
            let own = OwnIds::offer(ConnectionId::of(id));
            let mut record = vec![0; UNIFIED + id.len()];
            put_unified(&mut record, id, 7, 0x01_02_03, 1);
            record.extend([9, 8]);
            let unified = Unified {
                epoch: 3,
                is_wide: true,
                id: id.len(),
                length: UNIFIED + id.len(),
            };
            let total = unified.length + 1;
            assert_eq!(split(&record, &own), Ok((Header::Unified(unified), total)));
            let typ = match id {
                [] => ContentType::HANDSHAKE,
                _ => ContentType::TLS12_CID,
            };
            let mut record = vec![0; PLAIN + id.len()];
            let version = ProtocolVersion::DTLS_1_2;
            put_older(&mut record, id, typ, version, 1, 0x01_02_03_04_05_06, 2);
            record.extend([1, 2, 3]);
            let plain = Header::Plain {
                typ,
                epoch: 1,
                sequence: 0x01_02_03_04_05_06,
                length: PLAIN + id.len(),
            };
            let total = PLAIN + id.len() + 2;
            assert_eq!(split(&record, &own), Ok((plain, total)));
            for end in 1..total {
                assert_eq!(split(&record[..end], &own), Err(Discarded::Malformed));
            }
        }
    }

    #[test]
    fn an_id_of_another_connection_ends_the_datagram() {
        let own = OwnIds::offer(ConnectionId::of(&[9, 8, 7]));
        let mut record = [0; UNIFIED + 3];
        put_unified(&mut record, &[9, 8, 6], 3, 0, 0);
        assert_eq!(split(&record, &own), Err(Discarded::UnknownConnectionId));
        let mut record = [0; PLAIN + 3];
        let (typ, version) = (ContentType::TLS12_CID, ProtocolVersion::DTLS_1_2);
        put_older(&mut record, &[9, 8, 6], typ, version, 1, 0, 0);
        assert_eq!(split(&record, &own), Err(Discarded::UnknownConnectionId));
    }
}
