//! The twelve bytes before every fragment of a handshake message over datagrams.
//!
//! RFC 9147 §5.2; the same in RFC 6347 §4.2.2.

use super::codec::{Cursor, DecodeError, put_u16, put_u24};
use super::handshake_type::HandshakeType;

/// A fragment's place in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentHeader {
    /// The type of the message.
    pub msg_type: HandshakeType,
    /// How many bytes of body the whole message has; below 2^24.
    pub length: u32,
    /// Which message of its sender it is.
    pub message_seq: u16,
    /// Where in the body the fragment begins.
    pub fragment_offset: u32,
    /// How many bytes of it follow.
    pub fragment_length: u32,
}

impl FragmentHeader {
    /// The size of the header, in bytes.
    pub const SIZE: usize = 12;

    /// Reads a header and its fragment from the front of a record's content; gives what is behind them.
    ///
    /// # Errors
    /// When the header is not whole, the fragment is not all there, or is not inside of its message.
    pub fn split(content: &[u8]) -> Result<(Self, &[u8], &[u8]), DecodeError> {
        let mut cursor = Cursor::new(content);
        let header = Self {
            msg_type: HandshakeType(cursor.u8()?),
            length: cursor.u24()?,
            message_seq: cursor.u16()?,
            fragment_offset: cursor.u24()?,
            fragment_length: cursor.u24()?,
        };
        // Of 24 bits each: the sum has 25.
        if header.fragment_offset + header.fragment_length > header.length {
            return Err(DecodeError);
        }
        let length = usize::try_from(header.fragment_length).map_err(|_| DecodeError)?;
        let fragment = cursor.take(length)?;
        Ok((header, fragment, cursor.rest()))
    }

    /// Writes the header.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(self.msg_type.0);
        put_u24(out, self.length);
        put_u16(out, self.message_seq);
        put_u24(out, self.fragment_offset);
        put_u24(out, self.fragment_length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_inside_of_its_message() {
        let header = FragmentHeader {
            msg_type: HandshakeType::FINISHED,
            length: 0x01_00_02,
            message_seq: 7,
            fragment_offset: 0x01_00_00,
            fragment_length: 2,
        };
        let mut out = Vec::new();
        header.put(&mut out);
        assert_eq!(out, [20, 1, 0, 2, 0, 7, 1, 0, 0, 0, 0, 2]);
        out.extend([8, 9, 10]);
        let (read, fragment, rest) = FragmentHeader::split(&out).unwrap();
        assert_eq!((read, fragment, rest), (header, &[8, 9][..], &[10][..]));
        assert!(FragmentHeader::split(&out[..13]).is_err());
        assert!(FragmentHeader::split(&out[..11]).is_err());
        // One byte beyond the end of the message.
        out[8] = 1;
        assert!(FragmentHeader::split(&out).is_err());
        // Sums that would not fit into 24 bits.
        assert!(FragmentHeader::split(&[[0xff; 12], [0; 12]].concat()).is_err());
    }

    #[test]
    fn a_message_may_be_empty() {
        let empty = [14, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0];
        let (header, fragment, rest) = FragmentHeader::split(&empty).unwrap();
        assert_eq!((header.length, fragment, rest), (0, &[][..], &[][..]));
    }
}
