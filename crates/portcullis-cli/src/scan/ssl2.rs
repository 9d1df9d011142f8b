//! SSL 2, as far as it takes to see whether a server speaks it: its hello and the beginning of the answer.
//!
//! Hickman, "The SSL Protocol", 1995; RFC 6176 says why it is not to be spoken.

use super::codes::Weakness;
use super::reply::{MOST, number};

/// The version, as protocols are numbered here.
pub(super) const VERSION: u16 = 0x0002;

/// A kind of cipher, by its number.
pub(super) type Cipher = [u8; 3];

/// All kinds of ciphers that there are, with their names.
const CIPHERS: [(Cipher, &str); 8] = [
    ([7, 0, 0xc0], "SSL_CK_DES_192_EDE3_CBC_WITH_MD5"),
    ([5, 0, 0x80], "SSL_CK_IDEA_128_CBC_WITH_MD5"),
    ([3, 0, 0x80], "SSL_CK_RC2_128_CBC_WITH_MD5"),
    ([1, 0, 0x80], "SSL_CK_RC4_128_WITH_MD5"),
    ([8, 0, 0x80], "SSL_CK_RC4_64_WITH_MD5"),
    ([6, 0, 0x40], "SSL_CK_DES_64_CBC_WITH_MD5"),
    ([4, 0, 0x80], "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5"),
    ([2, 0, 0x80], "SSL_CK_RC4_128_EXPORT40_WITH_MD5"),
];

fn known(cipher: Cipher) -> Option<&'static str> {
    let mut known = CIPHERS.iter();
    known
        .find(|(known, _)| *known == cipher)
        .map(|(_, name)| *name)
}

/// The name, or the number of what has none.
pub(super) fn name(cipher: Cipher) -> String {
    known(cipher).map_or_else(|| id(cipher), str::to_owned)
}

/// The number in hexadecimal.
pub(super) fn id([high, middle, low]: Cipher) -> String {
    format!("0x{high:02x}{middle:02x}{low:02x}")
}

/// Whether a kind of cipher has this weakness: every key is sent under the server's RSA key. Of what is no kind nothing is
/// known.
pub(super) fn has(weakness: Weakness, cipher: Cipher) -> bool {
    known(cipher).is_some_and(|name| match weakness {
        Weakness::Null | Weakness::Anonymous => false,
        Weakness::Export => name.contains("_EXPORT40_"),
        Weakness::Rc4 => name.contains("_RC4_"),
        Weakness::Des => name.contains("_DES_64_"),
        Weakness::TripleDes => name.contains("_EDE3_"),
        Weakness::Cbc => name.contains("_CBC_"),
        Weakness::RsaKeyExchange | Weakness::NoForwardSecrecy => true,
    })
}

/// What a server says to the hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// SERVER-HELLO, and which of the kinds of ciphers the server has, too; or why that cannot be read.
    Hello(Result<Vec<Cipher>, &'static str>),
    /// ERROR, which is of SSL 2, too, but is no connection.
    Error,
    /// An alert of TLS, by its number.
    Alert(u8),
    /// Nothing: what is no TLS need not be answered by a server that speaks nothing else.
    Closed,
}

/// CLIENT-HELLO in its record, with a challenge.
pub(super) fn hello(challenge: &[u8; 16]) -> Vec<u8> {
    // Of the ciphers, of a session that there is none of, and of the challenge.
    let ciphers: Vec<u8> = CIPHERS.iter().flat_map(|(cipher, _)| *cipher).collect();
    let lengths = [ciphers.len(), 0, challenge.len()];
    let mut body = vec![1, 0, 2];
    for length in lengths {
        body.extend(u16::try_from(length).unwrap_or_default().to_be_bytes());
    }
    body.extend(ciphers);
    body.extend(challenge);
    let length = u16::try_from(body.len()).unwrap_or_default() | 0x8000;
    let mut record = length.to_be_bytes().to_vec();
    record.append(&mut body);
    record
}

const CUT: &str = "closed within an answer";
const BROKEN: &str = "a SERVER-HELLO that is not one";

/// What a SERVER-HELLO says of ciphers, behind its certificate.
fn ciphers(body: &[u8]) -> Option<Vec<Cipher>> {
    // Its type, whether a session is resumed, how the certificate is encoded, and the version.
    let (_, mut rest) = body.split_at_checked(5)?;
    let [certificate, ciphers, connection] =
        [number(&mut rest)?, number(&mut rest)?, number(&mut rest)?].map(usize::from);
    let (_, rest) = rest.split_at_checked(certificate)?;
    let (ciphers, rest) = rest.split_at_checked(ciphers)?;
    let (ciphers, odd) = ciphers.as_chunks::<3>();
    (odd.is_empty() && rest.len() == connection).then(|| ciphers.to_vec())
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
            return match (self.seen, &*self.bytes) {
                (0, _) => Ok(Some(Answer::Closed)),
                // That was one, as far as it came.
                (_, [0x80..=0xff, _, 4, _, _, 0, 2, ..]) => Ok(Some(Answer::Hello(Err(CUT)))),
                _ => Err(CUT),
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
                    let length = usize::from(u16::from_be_bytes([high & 0x7f, *low]));
                    let body = self.bytes.get(2..2 + length);
                    body.map(|body| Answer::Hello(ciphers(body).ok_or(BROKEN)))
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
        assert_eq!(record.len(), 2 + 9 + 24 + 16);
        assert_eq!(record[..2], [0x80, 49]);
        assert_eq!(record[2..11], [1, 0, 2, 0, 24, 0, 0, 0, 16]);
        assert_eq!(record[35..], [7; 16]);
    }

    #[test]
    fn answers_in_any_pieces_are_the_same() {
        let hello = [0x80, 11, 4, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0];
        // With a certificate of two bytes, two kinds of ciphers, and a name of the connection of one.
        let head = [0x80, 20, 4, 0, 1, 0, 2, 0, 2, 0, 6, 0, 1];
        let full = [&head[..], &[0x30, 0, 2, 0, 0x80, 9, 9, 9, 7]].concat();
        let odd = [&head[..10], &[5, 0, 2, 0x30, 0, 2, 0, 0x80, 9, 9, 7, 7]].concat();
        let two = vec![[2, 0, 0x80], [9, 9, 9]];
        for (bytes, expected) in [
            (&hello[..], Ok(Some(Answer::Hello(Ok(Vec::new()))))),
            (&full, Ok(Some(Answer::Hello(Ok(two))))),
            // What is said of lengths is not so, and what does not come to its end.
            (&odd, Ok(Some(Answer::Hello(Err(BROKEN))))),
            (&full[..15], Ok(Some(Answer::Hello(Err(CUT))))),
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
                let expected = expected.clone();
                let mut reader = Reader::default();
                let mut pieces = bytes.chunks(piece).chain([&[][..]]);
                let answer = pieces.find_map(|piece| reader.take(piece).transpose());
                assert_eq!(answer.transpose(), expected, "{bytes:?}");
            }
        }
    }

    #[test]
    fn kinds_of_ciphers_have_names_and_weaknesses() {
        use Weakness as W;
        let has = |cipher| {
            let all = W::ALL.iter().map(|(weakness, _)| *weakness);
            all.filter(|weakness| has(*weakness, cipher))
                .collect::<Vec<_>>()
        };
        let rsa = [W::RsaKeyExchange, W::NoForwardSecrecy];
        for (cipher, expected) in [
            ([2, 0, 0x80], vec![W::Export, W::Rc4]),
            ([4, 0, 0x80], vec![W::Export, W::Cbc]),
            ([6, 0, 0x40], vec![W::Des, W::Cbc]),
            ([7, 0, 0xc0], vec![W::TripleDes, W::Cbc]),
            ([5, 0, 0x80], vec![W::Cbc]),
        ] {
            assert_eq!(has(cipher), [&expected[..], &rsa].concat(), "{cipher:?}");
        }
        assert_eq!(name([1, 0, 0x80]), "SSL_CK_RC4_128_WITH_MD5");
        assert_eq!(name([9, 1, 0x80]), "0x090180");
        assert!(has([9, 1, 0x80]).is_empty());
    }

    proptest! {
        /// The same of what is nearly right.
        #[test]
        fn nothing_that_is_nearly_right_panics(at in 0_usize..22, with in any::<u8>(), cut in 0_usize..23) {
            let mut bytes = vec![0x80, 20, 4, 0, 1, 0, 2, 0, 2, 0, 6, 0, 1, 0x30, 0, 2, 0, 0x80, 9, 9, 9, 7];
            bytes[at] = with;
            bytes.truncate(cut);
            let mut reader = Reader::default();
            let _ = reader.take(&bytes);
            let _ = reader.take(&[]);
        }

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
