//! What servers answer, read without believing any of it.
//!
//! Bytes come in any pieces; more than [`MOST`] of them are not read. RFC 8446 §4.1.3, §6; RFC 5246 §7.4; RFC 8422 §5.4.

use super::codes::Over;
use super::suites::{Exchange, Suite};

/// The most bytes of an answer: a flight with a long chain has 20,000.
pub(super) const MOST: usize = 128 << 10;
/// What is said of servers of another protocol.
pub(super) const NOT_TLS: &str = "what comes is not TLS";
/// The random of a HelloRetryRequest (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// How far an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// ServerHello.
    Hello,
    /// All that a server says before the client does, before TLS 1.3.
    Flight,
}

/// An answer, as far as it is of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Hello(ServerHello),
    /// By its number.
    Alert(u8),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerHello {
    /// The one that is spoken.
    pub(super) version: u16,
    pub(super) suite: u16,
    pub(super) is_retry: bool,
    pub(super) compression: u8,
    /// Of `key_share`, or of ServerKeyExchange.
    pub(super) group: Option<u16>,
    /// How the server has signed its key exchange.
    pub(super) scheme: Option<u16>,
    /// How many bits its prime has.
    pub(super) prime_bits: Option<usize>,
    pub(super) extensions: Vec<u16>,
    /// What the server has shown, in DER if it is honest: nobody has proved anything with it.
    pub(super) chain: Vec<Vec<u8>>,
    /// Whether a certificate of the client is asked for.
    pub(super) asks_for_certificate: bool,
    /// Whether it came after a cookie, or asks for one: over datagrams.
    pub(super) has_cookie: bool,
}

/// Reads an answer.
#[derive(Debug)]
pub(super) struct Reader {
    flight: Flight,
    records: Vec<u8>,
    messages: Vec<u8>,
    seen: usize,
}

impl Reader {
    pub(super) fn new(needs: Needs) -> Self {
        Self {
            flight: Flight::new(needs, Over::Stream),
            records: Vec::new(),
            messages: Vec::new(),
            seen: 0,
        }
    }

    /// Takes more bytes; no bytes are the end of all. `None`: the answer is not whole. An error says why it is none.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Option<Answer>, &'static str> {
        if bytes.is_empty() {
            return Err("closed or reset without an alert");
        }
        self.seen = self.seen.saturating_add(bytes.len());
        if self.seen > MOST {
            return Err("the answer is longer than 128 KiB");
        }
        self.records.extend_from_slice(bytes);
        let records = std::mem::take(&mut self.records);
        let mut rest = &records[..];
        while let Some((kind, body, behind)) = record(rest)? {
            rest = behind;
            match kind {
                22 => {
                    self.messages.extend_from_slice(body);
                    if let Some(answer) = self.read_messages()? {
                        return Ok(Some(answer));
                    }
                }
                21 => {
                    if let Some(alert) = alert(body)? {
                        return Ok(Some(alert));
                    }
                }
                _ => return Err("a record that is neither handshake nor alert"),
            }
        }
        self.records = rest.to_vec();
        Ok(None)
    }

    fn read_messages(&mut self) -> Result<Option<Answer>, &'static str> {
        let messages = std::mem::take(&mut self.messages);
        let mut rest = &messages[..];
        while let Some((kind, body, behind)) = message(rest) {
            rest = behind;
            if let Some(answer) = self.flight.take(kind, body)? {
                return Ok(Some(answer));
            }
        }
        self.messages = rest.to_vec();
        Ok(None)
    }
}

/// The messages of an answer, one after the other.
#[derive(Debug)]
pub(super) struct Flight {
    needs: Needs,
    over: Over,
    hello: Option<ServerHello>,
}

impl Flight {
    pub(super) fn new(needs: Needs, over: Over) -> Self {
        Self {
            needs,
            over,
            hello: None,
        }
    }

    /// Takes the next message. `None`: the answer is not whole.
    pub(super) fn take(&mut self, kind: u8, body: &[u8]) -> Result<Option<Answer>, &'static str> {
        match (kind, &mut self.hello) {
            (2, hello @ None) => {
                let read = server_hello(body, self.over).ok_or("a ServerHello that is not one")?;
                if self.needs == Needs::Hello || read.version >= 0x0304 {
                    return Ok(Some(Answer::Hello(read)));
                }
                *hello = Some(read);
            }
            (11, Some(hello)) => hello.chain = certificates(body).unwrap_or_default(),
            (12, Some(hello)) => {
                // What cannot be read of it is not known.
                let _ = key_exchange(body, hello);
            }
            (13, Some(hello)) => hello.asks_for_certificate = true,
            (14, Some(hello)) => return Ok(Some(Answer::Hello(hello.clone()))),
            (22, Some(_)) => {}
            _ => return Err("a handshake message that does not come here"),
        }
        Ok(None)
    }
}

/// An alert that ends the handshake.
pub(super) fn alert(body: &[u8]) -> Result<Option<Answer>, &'static str> {
    match body {
        // What is only a warning does not end the handshake; unrecognized_name (112) is sent so.
        [1, code] if *code != 0 => Ok(None),
        [_, code] => Ok(Some(Answer::Alert(*code))),
        _ => Err("an alert of another length than 2"),
    }
}

/// A type, what is in it, and what is behind it.
type Part<'a> = (u8, &'a [u8], &'a [u8]);

/// One record, if it is whole.
fn record(bytes: &[u8]) -> Result<Option<Part<'_>>, &'static str> {
    match bytes {
        // So begins a record of SSL 2, which is asked about for itself.
        [0x80..=0xff, ..] => return Err("what comes is not TLS, but may be SSLv2"),
        [kind, ..] if !(20..=23).contains(kind) => return Err(NOT_TLS),
        [_, major, ..] if *major != 3 => return Err(NOT_TLS),
        _ => {}
    }
    let Some(([kind, _, _, high, low], rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length == 0 || length > (1 << 14) + 2_048 {
        return Err("a record that is empty or too long");
    }
    let whole = rest.split_at_checked(length);
    Ok(whole.map(|(body, behind)| (*kind, body, behind)))
}

fn message(bytes: &[u8]) -> Option<Part<'_>> {
    let ([kind, length @ ..], rest) = bytes.split_first_chunk::<4>()?;
    let [high, middle, low] = *length;
    let length = u32::from_be_bytes([0, high, middle, low]);
    let (body, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((*kind, body, behind))
}

/// The bytes behind a length, taken from the front.
pub(super) fn vector<'a>(from: &mut &'a [u8], of: usize) -> Option<&'a [u8]> {
    let (length, rest) = from.split_at_checked(of)?;
    let length = length
        .iter()
        .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    let (body, rest) = rest.split_at_checked(length)?;
    *from = rest;
    Some(body)
}

pub(super) fn number(from: &mut &[u8]) -> Option<u16> {
    let (number, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u16::from_be_bytes(*number))
}

fn server_hello(mut body: &[u8], over: Over) -> Option<ServerHello> {
    let mut hello = ServerHello {
        version: over.meant(number(&mut body)?),
        ..ServerHello::default()
    };
    let (random, rest) = body.split_first_chunk::<32>()?;
    body = rest;
    hello.is_retry = *random == RETRY;
    vector(&mut body, 1)?;
    hello.suite = number(&mut body)?;
    let (compression, rest) = body.split_first()?;
    (hello.compression, body) = (*compression, rest);
    if body.is_empty() {
        return Some(hello);
    }
    let mut extensions = vector(&mut body, 2)?;
    while !extensions.is_empty() {
        let code = number(&mut extensions)?;
        let mut value = vector(&mut extensions, 2)?;
        match code {
            43 => hello.version = over.meant(number(&mut value)?),
            44 => hello.has_cookie = true,
            51 => hello.group = Some(number(&mut value)?),
            _ => {}
        }
        hello.extensions.push(code);
    }
    Some(hello)
}

/// What is in Certificate before TLS 1.3 (RFC 5246 §7.4.2).
fn certificates(mut body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut list = vector(&mut body, 3)?;
    let mut chain = Vec::new();
    while !list.is_empty() {
        chain.push(vector(&mut list, 3)?.to_vec());
    }
    Some(chain)
}

/// What ServerKeyExchange says of the group and of the signature.
fn key_exchange(mut body: &[u8], hello: &mut ServerHello) -> Option<()> {
    let suite = Suite::of(hello.suite)?;
    if suite.has_hint() {
        vector(&mut body, 2)?;
    }
    match suite.exchange() {
        Exchange::Curve => {
            let (kind, rest) = body.split_first()?;
            body = rest;
            // A named curve.
            if *kind != 3 {
                return None;
            }
            hello.group = Some(number(&mut body)?);
            vector(&mut body, 1)?;
        }
        Exchange::Field => {
            let prime = vector(&mut body, 2)?;
            let zeros = prime.iter().take_while(|byte| **byte == 0).count();
            let first = prime.get(zeros)?;
            let bits = prime.len().saturating_sub(zeros).saturating_mul(8);
            hello.prime_bits = Some(bits.saturating_sub(first.leading_zeros() as usize));
            vector(&mut body, 2)?;
            vector(&mut body, 2)?;
        }
        Exchange::Other => return None,
    }
    if hello.version == 0x0303 && suite.is_signed() {
        hello.scheme = Some(number(&mut body)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A ServerHello of TLS 1.2, Certificate, ServerKeyExchange of P-256, CertificateRequest, ServerHelloDone.
    fn flight() -> Vec<u8> {
        let mut hello = vec![3, 3];
        hello.extend([9; 32]);
        hello.extend([0, 0xc0, 0x2b, 0, 0, 9, 0xff, 1, 0, 1, 0, 0, 23, 0, 0]);
        let exchange = [3, 0, 0x17, 2, 4, 4, 4, 3, 0, 1, 0];
        let mut messages = Vec::new();
        let chain = [0, 0, 7, 0, 0, 1, 0x30, 0, 0, 0];
        let all: [(u8, &[u8]); 5] = [
            (2, &hello),
            (11, &chain),
            (12, &exchange),
            (13, &[0]),
            (14, &[]),
        ];
        for (kind, body) in all {
            messages.extend([kind, 0, 0, body.len() as u8]);
            messages.extend(body);
        }
        let mut record = vec![22, 3, 3, 0, messages.len() as u8];
        record.extend(messages);
        record
    }

    #[test]
    fn a_flight_in_any_pieces_is_the_same() {
        let flight = flight();
        for piece in 1..flight.len() {
            let mut reader = Reader::new(Needs::Flight);
            let mut answers = flight
                .chunks(piece)
                .map(|piece| reader.take(piece).unwrap());
            let answer = answers.find_map(|answer| answer).unwrap();
            let Answer::Hello(hello) = answer else {
                panic!("{answer:?}")
            };
            assert_eq!((hello.version, hello.suite), (0x0303, 0xc02b));
            assert_eq!((hello.group, hello.scheme), (Some(0x17), Some(0x0403)));
            assert_eq!(hello.extensions, [0xff01, 23]);
            assert!(hello.asks_for_certificate && !hello.is_retry);
            assert_eq!(hello.chain, [vec![0x30], vec![]]);
        }
    }

    #[test]
    fn parameters_of_suites_that_are_not_spoken_here_are_read() {
        let read = |suite: u16, exchange: &[u8]| {
            let mut hello = ServerHello {
                version: 0x0303,
                suite,
                ..ServerHello::default()
            };
            let is_read = key_exchange(exchange, &mut hello).is_some();
            (is_read, hello.group, hello.prime_bits, hello.scheme)
        };
        let curve = [3, 0, 0x18, 1, 4, 6, 1, 0, 0];
        let hinted = [&[0, 2, 7, 7][..], &curve].concat();
        let field = [0, 2, 0x0f, 0xff, 0, 1, 2, 0, 1, 3, 4, 1, 0, 0];
        let group = Some(0x18);
        // CAMELLIA and ARIA over curves, with a hint, and without a signature.
        assert_eq!(read(0xc076, &curve), (true, group, None, Some(0x0601)));
        assert_eq!(read(0xc048, &curve), (true, group, None, Some(0x0601)));
        assert_eq!(read(0xc09a, &hinted), (true, group, None, None));
        assert_eq!(read(0xc015, &curve), (true, group, None, None));
        // And with primes: CAMELLIA, and SEED with nobody's signature.
        let bits = Some(12);
        assert_eq!(read(0x0045, &field), (true, None, bits, Some(0x0401)));
        assert_eq!(read(0x009b, &field), (true, None, bits, None));
        // There is none to read of RSA, nor of what has no name.
        for suite in [0x0041, 0xfafa] {
            assert_eq!(read(suite, &field), (false, None, None, None));
        }
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            &[22, 2, 0, 0, 1, 0],
            &[22, 3, 1, 0xff, 0xff],
            &[22, 3, 1, 0, 0],
            &[23, 3, 3, 0, 1, 0],
            &[21, 3, 3, 0, 1, 0],
            // A ServerHello that ends too early, and a message that does not come first.
            &[22, 3, 3, 0, 5, 2, 0, 0, 1, 3],
            &[22, 3, 3, 0, 4, 14, 0, 0, 0],
        ] {
            assert!(Reader::new(Needs::Flight).take(bytes).is_err(), "{bytes:?}");
        }
        // A server that never comes to an end.
        let mut reader = Reader::new(Needs::Flight);
        let endless = [22, 3, 3, 0, 4, 11, 0xff, 0xff, 0xff];
        assert!(reader.take(&flight()[..60]).is_ok());
        let taken = (0..100_000)
            .map(|_| reader.take(&endless))
            .find(Result::is_err);
        assert!(taken.is_some());
        assert!(reader.seen <= MOST + endless.len());
    }

    #[test]
    fn an_alert_is_its_number_and_a_warning_is_passed_over() {
        let mut reader = Reader::new(Needs::Hello);
        assert_eq!(reader.take(&[21, 3, 1, 0, 2, 1, 112]), Ok(None));
        assert_eq!(
            reader.take(&[21, 3, 1, 0, 2, 2, 40]),
            Ok(Some(Answer::Alert(40)))
        );
    }

    proptest! {
        #[test]
        fn nothing_that_comes_panics(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..20), flight in any::<bool>()) {
            let mut reader = Reader::new(if flight { Needs::Flight } else { Needs::Hello });
            for piece in pieces {
                if reader.take(&piece).is_err() {
                    break;
                }
            }
        }

        /// The same of what is nearly right.
        #[test]
        fn nothing_that_is_nearly_right_panics(at in 0_usize..100, with in any::<u8>(), cut in 0_usize..100) {
            let mut bytes = flight();
            let at = at % bytes.len();
            bytes[at] = with;
            bytes.truncate(cut.max(1));
            let mut reader = Reader::new(Needs::Flight);
            let whole = reader.take(&bytes);
            // In pieces it is the same, or fails the same way.
            let mut reader = Reader::new(Needs::Flight);
            let mut last = Ok(None);
            for byte in &bytes {
                last = reader.take(&[*byte]);
                if last != Ok(None) {
                    break;
                }
            }
            prop_assert_eq!(whole, last);
        }
    }
}
