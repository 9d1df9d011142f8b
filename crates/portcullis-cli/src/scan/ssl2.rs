//! SSL 2, as far as it takes to see whether a server speaks it: its hello and the beginning of the answer.
//!
//! Hickman, "The SSL Protocol", 1995; RFC 6176 says why it is not to be spoken.

use super::reply::MOST;

/// The version, as protocols are numbered here.
pub(super) const VERSION: u16 = 0x0002;
/// All kinds of ciphers that there are.
const CIPHERS: [[u8; 3]; 7] = [
    [7, 0, 0xc0],
    [5, 0, 0x80],
    [3, 0, 0x80],
    [1, 0, 0x80],
    [6, 0, 0x40],
    [4, 0, 0x80],
    [2, 0, 0x80],
];

/// What a server says to the hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// SERVER-HELLO.
    Hello,
    /// ERROR, which is of SSL 2, too, but is no connection.
    Error,
    /// An alert of TLS, by its number.
    Alert(u8),
    /// Nothing: what is no TLS need not be answered by who speaks nothing else.
    Closed,
}

/// CLIENT-HELLO in its record, with a challenge.
pub(super) fn hello(challenge: &[u8; 16]) -> Vec<u8> {
    // Of the ciphers, of a session that there is none of, and of the challenge.
    let lengths = [CIPHERS.as_flattened().len(), 0, challenge.len()];
    let mut body = vec![1, 0, 2];
    for length in lengths {
        body.extend(u16::try_from(length).unwrap_or_default().to_be_bytes());
    }
    body.extend(CIPHERS.as_flattened());
    body.extend(challenge);
    let length = u16::try_from(body.len()).unwrap_or_default() | 0x8000;
    let mut record = length.to_be_bytes().to_vec();
    record.append(&mut body);
    record
}

/// Reads an answer, in any pieces.
#[derive(Debug, Default)]
pub(super) struct Reader {
    bytes: Vec<u8>,
    seen: usize,
}

impl Reader {
    /// Takes more bytes; no bytes are the end of all. `None`: the answer is not whole. An error says why it is none.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Option<Answer>, &'static str> {
        if bytes.is_empty() {
            return match self.seen {
                0 => Ok(Some(Answer::Closed)),
                _ => Err("closed within an answer"),
            };
        }
        self.seen = self.seen.saturating_add(bytes.len());
        if self.seen > MOST {
            return Err("the answer is longer than 128 KiB");
        }
        self.bytes.extend_from_slice(bytes);
        // What is only a warning ends nothing.
        while let [21, 3, _, 0, 2, 1, _, ..] = &*self.bytes {
            self.bytes.drain(..7);
        }
        let answer = match &*self.bytes {
            [] => None,
            // An alert of TLS, in a record of its own.
            [21] | [21, 3] | [21, 3, _, ..] if self.bytes.len() < 7 => None,
            [21, 3, _, 0, 2, _, code, ..] => Some(Answer::Alert(*code)),
            [high, rest @ ..] if high & 0x80 != 0 => match rest {
                [_, 0, ..] => Some(Answer::Error),
                // Whether a session is resumed, how the certificate is encoded, and the version.
                [low, 4, _, _, 0, 2, ..]
                    if usize::from(u16::from_be_bytes([high & 0x7f, *low])) >= 11 =>
                {
                    Some(Answer::Hello)
                }
                [] | [_] | [_, 4] | [_, 4, _] | [_, 4, _, _] | [_, 4, _, _, 0] => None,
                _ => return Err("what comes is neither SSLv2 nor TLS"),
            },
            _ => return Err("what comes is neither SSLv2 nor TLS"),
        };
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hello_has_all_ciphers_and_its_length() {
        let record = hello(&[7; 16]);
        assert_eq!(record.len(), 2 + 9 + 21 + 16);
        assert_eq!(record[..2], [0x80, 46]);
        assert_eq!(record[2..11], [1, 0, 2, 0, 21, 0, 0, 0, 16]);
        assert_eq!(record[32..], [7; 16]);
    }

    #[test]
    fn answers_in_any_pieces_are_the_same() {
        let hello = [0x80, 11, 4, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0];
        for (bytes, expected) in [
            (&hello[..], Ok(Some(Answer::Hello))),
            (&[0x80, 3, 0, 0, 1], Ok(Some(Answer::Error))),
            (&[21, 3, 0, 0, 2, 2, 70], Ok(Some(Answer::Alert(70)))),
            (
                &[21, 3, 0, 0, 2, 1, 112, 21, 3, 0, 0, 2, 2, 40],
                Ok(Some(Answer::Alert(40))),
            ),
            (&[], Ok(Some(Answer::Closed))),
            (&hello[..5], Err("closed within an answer")),
            (b"HTTP/1.1 400", Err("what comes is neither SSLv2 nor TLS")),
            // Another message, another version, and one that is too short for what it says.
            (&[0x80, 11, 2], Err("what comes is neither SSLv2 nor TLS")),
            (
                &[0x80, 11, 4, 0, 1, 3, 0],
                Err("what comes is neither SSLv2 nor TLS"),
            ),
            (
                &[0x80, 10, 4, 0, 1, 0, 2],
                Err("what comes is neither SSLv2 nor TLS"),
            ),
        ] {
            for piece in 1..=bytes.len().max(1) {
                let mut reader = Reader::default();
                let mut pieces = bytes.chunks(piece).chain([&[][..]]);
                let answer = pieces.find_map(|piece| reader.take(piece).transpose());
                assert_eq!(answer.transpose(), expected, "{bytes:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_panics(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..20)) {
            let mut reader = Reader::default();
            for piece in pieces {
                if reader.take(&piece) != Ok(None) {
                    break;
                }
            }
        }
    }
}
