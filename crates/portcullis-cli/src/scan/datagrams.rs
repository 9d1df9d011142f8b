//! Answers that come in datagrams: fragments in any order, some of them twice, and whatever else comes to a port.
//!
//! Nothing is believed, and what cannot be read is passed over, as a client does that does not know who has sent it. RFC 6347
//! §4.1, §4.2; RFC 9147 §4, §5.

use std::collections::BTreeMap;

use super::codes::Over;
use super::reply::{Answer, Flight, MOST, Needs, alert, number, vector};

/// The longest datagram.
pub(super) const LONGEST: usize = 1 << 16;
/// What a datagram costs besides what is in it: the heads of IP and UDP. One may be empty.
const HEADS: usize = 28;

/// What has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// HelloVerifyRequest: the hello is to be said again with this (RFC 6347 §4.2.1).
    Cookie(Vec<u8>),
    Answer(Answer),
}

/// Reads an answer.
#[derive(Debug)]
pub(super) struct Reader {
    flight: Flight,
    /// By their numbers.
    messages: BTreeMap<u16, Message>,
    /// The number of the next one, once there is a ServerHello.
    next: Option<u16>,
    seen: usize,
    is_other: bool,
}

impl Reader {
    pub(super) fn new(needs: Needs) -> Self {
        Self {
            flight: Flight::new(needs, Over::Datagrams),
            messages: BTreeMap::new(),
            next: None,
            seen: 0,
            is_other: false,
        }
    }

    /// Whether there was something that is not DTLS, or none that can be read.
    pub(super) fn has_seen_other(&self) -> bool {
        self.is_other
    }

    /// Takes a datagram. `None`: the answer is not whole. An error says why it is none.
    pub(super) fn take(&mut self, datagram: &[u8]) -> Result<Option<Heard>, &'static str> {
        self.seen = self.seen.saturating_add(datagram.len() + HEADS);
        if self.seen > MOST {
            return Err("the answer is longer than 128 KiB");
        }
        let mut rest = datagram;
        while !rest.is_empty() {
            let Some((kind, epoch, body, behind)) = record(rest) else {
                self.is_other = true;
                break;
            };
            rest = behind;
            match (epoch, kind) {
                (0, 22) => {
                    if let Some(cookie) = self.fragments(body) {
                        return Ok(Some(Heard::Cookie(cookie)));
                    }
                }
                (0, 21) => match alert(body) {
                    Ok(Some(alert)) => return Ok(Some(Heard::Answer(alert))),
                    Ok(None) => {}
                    Err(_) => self.is_other = true,
                },
                // What is encrypted is for nobody here.
                _ => {}
            }
        }
        Ok(self.deliver()?.map(Heard::Answer))
    }

    /// Keeps the fragments of a record; a cookie is wanted at once.
    fn fragments(&mut self, mut body: &[u8]) -> Option<Vec<u8>> {
        while !body.is_empty() {
            let Some((fragment, behind)) = Fragment::read(body) else {
                self.is_other = true;
                return None;
            };
            body = behind;
            if fragment.kind == 3 {
                let is_whole = fragment.body.len() == fragment.length;
                if let (true, None, Some(cookie)) = (is_whole, self.next, cookie(fragment.body)) {
                    return Some(cookie);
                }
                continue;
            }
            // What was read is sent again until its sender hears more of us.
            if self.next.is_some_and(|next| fragment.number < next) {
                continue;
            }
            let message = self.messages.entry(fragment.number).or_insert(Message {
                kind: fragment.kind,
                length: fragment.length,
                parts: BTreeMap::new(),
            });
            if (message.kind, message.length) != (fragment.kind, fragment.length) {
                self.is_other = true;
                continue;
            }
            let part = message.parts.entry(fragment.at).or_default();
            if part.len() < fragment.body.len() {
                *part = fragment.body.to_vec();
            }
        }
        None
    }

    /// Reads what has come to be whole, from the ServerHello on.
    fn deliver(&mut self) -> Result<Option<Answer>, &'static str> {
        if self.next.is_none() {
            let is_hello =
                |(_, message): &(&u16, &Message)| message.kind == 2 && message.is_whole();
            let hello = self.messages.iter().find(is_hello);
            self.next = hello.map(|(number, _)| *number);
        }
        while let Some(next) = self.next {
            match self.messages.remove(&next) {
                Some(message) if message.is_whole() => {
                    // What was before it is of no use any more.
                    self.messages = self.messages.split_off(&next);
                    self.next = next.checked_add(1);
                    let answer = self.flight.take(message.kind, &message.body())?;
                    if answer.is_some() {
                        return Ok(answer);
                    }
                }
                Some(message) => {
                    self.messages.insert(next, message);
                    break;
                }
                None => break,
            }
        }
        Ok(None)
    }
}

/// A message, as far as it is there.
#[derive(Debug)]
struct Message {
    kind: u8,
    length: usize,
    /// By where they begin. They may overlap (RFC 6347 §4.2.3).
    parts: BTreeMap<usize, Vec<u8>>,
}

impl Message {
    fn is_whole(&self) -> bool {
        let mut whole = 0;
        for (at, part) in &self.parts {
            if *at > whole {
                return false;
            }
            whole = whole.max(at.saturating_add(part.len()));
        }
        whole == self.length
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (at, part) in &self.parts {
            let known = body.len().saturating_sub(*at);
            body.extend(part.get(known..).unwrap_or_default());
        }
        body
    }
}

/// A part of a message, inside of it.
struct Fragment<'a> {
    kind: u8,
    length: usize,
    number: u16,
    at: usize,
    body: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// The first one, and what is behind it.
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let ([kind, length @ .., high, low], rest) = bytes.split_first_chunk::<6>()?;
        let (at, rest) = rest.split_first_chunk::<3>()?;
        let mut rest = rest;
        let body = vector(&mut rest, 3)?;
        let fragment = Self {
            kind: *kind,
            length: of_three(*length),
            number: u16::from_be_bytes([*high, *low]),
            at: of_three(*at),
            body,
        };
        let is_inside = fragment.at.saturating_add(body.len()) <= fragment.length;
        (is_inside && fragment.length <= MOST).then_some((fragment, rest))
    }
}

fn of_three([high, middle, low]: [u8; 3]) -> usize {
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}

/// What is in a HelloVerifyRequest.
fn cookie(mut body: &[u8]) -> Option<Vec<u8>> {
    number(&mut body)?;
    let cookie = vector(&mut body, 1)?;
    body.is_empty().then(|| cookie.to_vec())
}

/// A type, an epoch, what is in it, and what is behind it.
type Record<'a> = (u8, u16, &'a [u8], &'a [u8]);

/// One record that is not encrypted, or has a head like one.
fn record(bytes: &[u8]) -> Option<Record<'_>> {
    let ([kind, major, _, high, low], rest) = bytes.split_first_chunk::<5>()?;
    if !(20..=26).contains(kind) || *major != 0xfe {
        return None;
    }
    let (_, mut rest) = rest.split_first_chunk::<6>()?;
    let body = vector(&mut rest, 2)?;
    Some((*kind, u16::from_be_bytes([*high, *low]), body, rest))
}

/// The alert that says that it was not meant, in its record.
pub(super) fn bye(record: u32) -> Vec<u8> {
    let mut datagram = vec![21, 0xfe, 0xfd, 0, 0, 0, 0];
    datagram.extend(record.to_be_bytes());
    datagram.extend([0, 2, 2, 90]);
    datagram
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A fragment in a record.
    fn fragment(kind: u8, number: u8, body: &[u8], from: usize, to: usize) -> Vec<u8> {
        let mut datagram = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number];
        let length = |of: usize| [0, (of >> 8) as u8, of as u8];
        datagram.extend(&length(12 + to - from)[1..]);
        datagram.push(kind);
        datagram.extend(length(body.len()));
        datagram.extend([0, number]);
        datagram.extend(length(from));
        datagram.extend(length(to - from));
        datagram.extend(&body[from..to]);
        datagram
    }

    /// ServerHello of DTLS 1.2, Certificate and ServerHelloDone, with numbers from this one on.
    fn flight(first: u8) -> Vec<(u8, u8, Vec<u8>)> {
        let mut hello = vec![0xfe, 0xfd];
        hello.extend([9; 32]);
        hello.extend([0, 0xc0, 0x2b, 0]);
        let mut chain = vec![0, 1, 3, 0, 1, 0];
        chain.extend([0x30; 256]);
        vec![
            (2, first, hello),
            (11, first + 1, chain),
            (14, first + 2, Vec::new()),
        ]
    }

    fn is_flight(heard: Option<Heard>) -> bool {
        let Some(Heard::Answer(Answer::Hello(hello))) = heard else {
            return false;
        };
        assert_eq!((hello.version, hello.suite), (0x0303, 0xc02b));
        assert_eq!(hello.chain, [vec![0x30; 256]]);
        true
    }

    #[test]
    fn fragments_come_in_any_order_and_twice() {
        for first in [0, 1] {
            let mut parts = Vec::new();
            for (kind, number, body) in flight(first) {
                let middle = body.len() / 2;
                // They overlap.
                let to = body.len().min(middle + 3);
                if middle > 0 {
                    parts.push(fragment(kind, number, &body, middle, body.len()));
                }
                parts.push(fragment(kind, number, &body, 0, to));
            }
            for turned in 0..parts.len() {
                let mut parts = parts.clone();
                parts.rotate_left(turned);
                let again = parts[0].clone();
                parts.insert(1, again);
                let mut reader = Reader::new(Needs::Flight);
                let (last, before) = parts.split_last().unwrap();
                for part in before {
                    assert_eq!(reader.take(part), Ok(None));
                }
                assert!(is_flight(reader.take(last).unwrap()), "{turned}");
                assert!(!reader.has_seen_other());
            }
        }
        // All in one datagram.
        let all = flight(1);
        let all = all.iter();
        let all: Vec<u8> = all
            .flat_map(|(kind, number, body)| fragment(*kind, *number, body, 0, body.len()))
            .collect();
        assert!(is_flight(Reader::new(Needs::Flight).take(&all).unwrap()));
    }

    #[test]
    fn a_cookie_is_heard_before_a_hello_alone() {
        let body = [0xfe, 0xff, 3, 7, 8, 9];
        let request = fragment(3, 0, &body, 0, body.len());
        let mut reader = Reader::new(Needs::Flight);
        let cookie = Ok(Some(Heard::Cookie(vec![7, 8, 9])));
        assert_eq!(reader.take(&request), cookie);
        assert_eq!(reader.take(&request), cookie);
        let (kind, number, hello) = &flight(1)[0];
        let hello = fragment(*kind, *number, hello, 0, hello.len());
        assert_eq!(reader.take(&hello), Ok(None));
        assert_eq!(reader.take(&request), Ok(None));
    }

    #[test]
    fn what_is_no_answer_is_passed_over_and_has_an_end() {
        let mut reader = Reader::new(Needs::Flight);
        let long = fragment(11, 0, &[0; 300], 0, 300);
        for other in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            &[],
            // A record of TLS, one that ends too early, and an alert that is none.
            &[22, 3, 3, 0, 1, 0],
            &long[..100],
            &[21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2],
            // A fragment that is not inside its message.
            &[
                22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 2, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1,
                0,
            ],
            // What is encrypted.
            &[21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40],
        ] {
            assert_eq!(reader.take(other), Ok(None), "{other:?}");
        }
        assert!(reader.has_seen_other());
        // A warning is none, and what comes after all that is an answer as before.
        let mut alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 112];
        assert_eq!(reader.take(&alert), Ok(None));
        alert[13..].copy_from_slice(&[2, 40]);
        assert_eq!(
            reader.take(&alert),
            Ok(Some(Heard::Answer(Answer::Alert(40))))
        );
        // A server that never comes to an end, with nothing and with much.
        for endless in [&[][..], &long] {
            let mut reader = Reader::new(Needs::Flight);
            let taken = (0..100_000).find(|_| reader.take(endless).is_err());
            assert!(taken.is_some());
            assert!(reader.seen <= MOST + long.len() + HEADS);
        }
        // A message that does not come here.
        let mut reader = Reader::new(Needs::Flight);
        let (kind, number, hello) = &flight(0)[0];
        assert_eq!(
            reader.take(&fragment(*kind, *number, hello, 0, hello.len())),
            Ok(None)
        );
        assert!(reader.take(&fragment(20, 1, &[0; 12], 0, 12)).is_err());
    }

    #[test]
    fn a_retry_of_the_newest_version_names_group_and_cookie() {
        let mut hello = vec![0xfe, 0xfd];
        hello.extend([
            0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65,
            0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2,
            0xc8, 0xa8, 0x33, 0x9c,
        ]);
        let extensions = [
            &[0, 43, 0, 2, 0xfe, 0xfc][..],
            &[0, 44, 0, 3, 0, 1, 7],
            &[0, 51, 0, 2, 0, 29],
        ];
        hello.extend([0, 0x13, 1, 0, 0, 19]);
        hello.extend(extensions.concat());
        let datagram = fragment(2, 0, &hello, 0, hello.len());
        let heard = Reader::new(Needs::Flight).take(&datagram).unwrap();
        let Some(Heard::Answer(Answer::Hello(hello))) = heard else {
            panic!("{heard:?}")
        };
        assert_eq!(
            (hello.version, hello.suite, hello.group),
            (0x0304, 0x1301, Some(29))
        );
        assert!(hello.has_cookie && hello.is_retry);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_panics(datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..20)) {
            let mut reader = Reader::new(Needs::Flight);
            for datagram in datagrams {
                if reader.take(&datagram).is_err() {
                    break;
                }
            }
        }

        /// The same of what is nearly right.
        #[test]
        fn nothing_that_is_nearly_right_panics(changes in proptest::collection::vec((0_usize..400, any::<u8>()), 0..5), cut in 0_usize..400) {
            let all = flight(0);
            let mut datagrams: Vec<_> = all.iter().map(|(kind, number, body)| fragment(*kind, *number, body, 0, body.len())).collect();
            let count = datagrams.len();
            for (at, with) in changes {
                let datagram = &mut datagrams[at % count];
                let at = at % datagram.len();
                datagram[at] = with;
            }
            datagrams[cut % count].truncate(cut);
            let mut reader = Reader::new(Needs::Flight);
            for datagram in &datagrams {
                let _ = reader.take(datagram);
            }
        }
    }
}
