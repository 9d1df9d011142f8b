//! ACK: which records with handshake messages have come.
//!
//! RFC 9147 §7. It is no handshake message: it has a content type of its own.

use super::codec::{Cursor, DecodeError, put_vec16};
use super::list::{Element, List};

/// Which record (RFC 9147 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordNumber {
    /// 0 in the clear, 2 for the handshake, 3 and up for data.
    pub epoch: u64,
    /// Within the epoch.
    pub sequence_number: u64,
}

impl RecordNumber {
    /// Bytes of a number in an ACK.
    pub const SIZE: usize = 16;
}

impl Element<'_> for RecordNumber {
    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let number = |bytes: &[u8; 8]| u64::from_be_bytes(*bytes);
        Ok(Self {
            epoch: number(cursor.array()?),
            sequence_number: number(cursor.array()?),
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
    }
}

/// The content of an ACK record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// Any number of them, in any order (§7: ascending).
    pub record_numbers: List<'a, RecordNumber>,
}

impl<'a> Ack<'a> {
    /// Reads the content of a record.
    ///
    /// # Errors
    /// When it is not an ACK and nothing else.
    pub fn decode(content: &'a [u8]) -> Result<Self, DecodeError> {
        let record_numbers = List::decode(Cursor::whole(content, Cursor::vec16)?)?;
        Ok(Self { record_numbers })
    }

    /// Writes the content of a record; at most 4,095 numbers.
    pub fn put(out: &mut Vec<u8>, record_numbers: impl IntoIterator<Item = RecordNumber>) {
        put_vec16(out, |out| {
            for number in record_numbers {
                number.put(out);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let number = |epoch, sequence_number| RecordNumber {
            epoch,
            sequence_number,
        };
        let numbers = [number(0, 1), number(2, 0), number(2, u64::MAX)];
        let mut out = Vec::new();
        Ack::put(&mut out, numbers);
        assert_eq!(out.len(), 2 + 3 * RecordNumber::SIZE);
        assert!(Ack::decode(&out).unwrap().record_numbers.iter().eq(numbers));
        assert!(Ack::decode(&out[..out.len() - 1]).is_err());
        assert!(Ack::decode(&[0, 1, 7]).is_err());
        assert!(Ack::decode(&[0, 0, 0]).is_err());
        assert!(Ack::decode(&[]).is_err());
        assert_eq!(
            Ack::decode(&[0, 0]).unwrap().record_numbers.iter().count(),
            0
        );
    }
}
