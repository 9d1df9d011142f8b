//! The server in front (RFC 9849 §3.1, split mode): it decrypts the hello, and passes it to the server that it is for.
//!
//! §7.1, §7.1.1. It has keys of Encrypted ClientHello and none of TLS: of a connection it reads nothing but the hellos,
//! and whether the first answer asks for another one.

use std::collections::VecDeque;

use super::ech::{Ech, peel_with};
use crate::alert::AlertDescription;
use crate::client_hello_view::ClientHelloView;
use crate::dialect::Dialect;
use crate::ech::EchKeys;
use crate::error::{Abort, Error, Reason, Stage};
use crate::misuse::Misuse;
use crate::record::HandshakeBytes;
use crate::violation::Violation;
use crate::wire::{
    ContentType, HELLO_RETRY_REQUEST_RANDOM, HandshakeType, MAX_CIPHERTEXT_TLS12, MAX_PLAINTEXT,
    RecordHeader,
};

/// The longest ClientHello, and with it all that is kept of a client.
const MAX_HELLO: usize = 47 * 1024;
/// The longest that is kept of a server, which may have sent it with more.
const MAX_ANSWER: usize = 64 * 1024;

/// A connection as the server in front sees it, which decrypts hellos for others. It does no I/O.
///
/// [`receive_client`](Self::receive_client) and [`receive_backend`](Self::receive_backend) take bytes, and
/// [`poll`](Self::poll) says what is to be done, until it is [`FrontStep::Transparent`], or not for this front. Between
/// the two servers has to be something that others cannot read, or they see what was hidden.
pub struct EchFront {
    state: State,
    /// What has come and was not passed on.
    client: Vec<u8>,
    /// How much of that is known to be of a hello.
    begun: Begun,
    backend: Vec<u8>,
    out: VecDeque<FrontStep>,
    failed: Option<Error>,
}

enum State {
    FirstHello(EchKeys),
    /// The backend has the hello and has not answered.
    Answer(Box<Ech>),
    /// It has asked for another one.
    SecondHello(Box<Ech>),
    Transparent,
    Over,
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::FirstHello(_) => "FirstHello",
            Self::Answer(_) => "Answer",
            Self::SecondHello(_) => "SecondHello",
            Self::Transparent => "Transparent",
            Self::Over => "Over",
        })
    }
}

/// Not what they say: it was encrypted.
impl core::fmt::Debug for EchFront {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EchFront")
            .field("state", &self.state)
            .field("client", &self.client.len())
            .field("backend", &self.backend.len())
            .finish_non_exhaustive()
    }
}

/// What is to be done.
#[non_exhaustive]
pub enum FrontStep {
    /// Nothing before more has come, from either side.
    Wait,
    /// The hello was decrypted: this is what the client says, and to whom. What follows is for that server.
    Routed(ClientHelloView),
    /// It is not encrypted, or not for these keys, or no hello: all bytes that have come, for this side's own server, which
    /// has the same keys and tells the client of them.
    NotOurs(Vec<u8>),
    /// Bytes for the server behind.
    ToBackend(Vec<u8>),
    /// Bytes for the client.
    ToClient(Vec<u8>),
    /// From here on both directions are passed on as they are. Nothing more is to be given to this front.
    Transparent,
}

/// Of bytes how many there are, and of the hello nothing.
impl core::fmt::Debug for FrontStep {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (name, bytes) = match self {
            Self::Wait => return f.write_str("Wait"),
            Self::Routed(_) => return f.write_str("Routed(..)"),
            Self::Transparent => return f.write_str("Transparent"),
            Self::NotOurs(bytes) => ("NotOurs", bytes),
            Self::ToBackend(bytes) => ("ToBackend", bytes),
            Self::ToClient(bytes) => ("ToClient", bytes),
        };
        f.debug_tuple(name).field(&bytes.len()).finish()
    }
}

impl EchFront {
    /// A new connection. Keys that are replaced meanwhile do not count for it.
    pub fn new(keys: EchKeys) -> Self {
        Self {
            state: State::FirstHello(keys),
            client: Vec::new(),
            begun: Begun::default(),
            backend: Vec::new(),
            out: VecDeque::new(),
            failed: None,
        }
    }

    /// Takes bytes of the client.
    pub fn receive_client(&mut self, bytes: &[u8]) {
        self.client.extend_from_slice(bytes);
    }

    /// Takes bytes of the server behind.
    pub fn receive_backend(&mut self, bytes: &[u8]) {
        self.backend.extend_from_slice(bytes);
    }

    /// Goes on as far as possible.
    ///
    /// # Errors
    /// When the client breaks a rule once its hello was decrypted. The client is to be sent [`alert`](Self::alert), and both
    /// connections are to be closed.
    pub fn poll(&mut self) -> Result<FrontStep, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if let Some(step) = self.out.pop_front() {
            return Ok(step);
        }
        match self.advance() {
            Ok(()) => Ok(self.out.pop_front().unwrap_or(FrontStep::Wait)),
            Err(abort) => {
                self.state = State::Over;
                let error = abort.into_error(Stage::WaitClientHello);
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The record that tells the client why it is refused, after an error.
    pub fn alert(&self) -> Option<[u8; 7]> {
        let (_, AlertDescription(description)) = self.failed.as_ref()?.alert()?;
        Some([21, 3, 3, 0, 2, 2, description])
    }

    fn advance(&mut self) -> Result<(), Abort> {
        match core::mem::replace(&mut self.state, State::Over) {
            State::FirstHello(keys) => self.first_hello(keys),
            State::Answer(ech) => self.answer(ech),
            State::SecondHello(ech) => self.second_hello(ech),
            State::Transparent => {
                self.pass_on();
                Ok(())
            }
            State::Over => Err(Abort(Reason::Misuse(Misuse::new(
                "the connection was given to somebody else, or has failed",
            )))),
        }
    }

    fn first_hello(&mut self, keys: EchKeys) -> Result<(), Abort> {
        let found = match self.begun.hello(&self.client) {
            Hello::Incomplete if self.client.len() <= MAX_HELLO + MAX_HELLO / 4 => {
                self.state = State::FirstHello(keys);
                return Ok(());
            }
            Hello::Whole { message, length } => {
                peel_with(&keys.snapshot(), message, Dialect::Tls)?.map(|found| (found, length))
            }
            Hello::Incomplete | Hello::None => None,
        };
        let Some(((mut inner, ech), length)) = found else {
            let received = core::mem::take(&mut self.client);
            self.out.push_back(FrontStep::NotOurs(received));
            return Ok(());
        };
        self.client.drain(..length);
        let view = ClientHelloView::of(&mut inner)?;
        self.out.push_back(FrontStep::Routed(view));
        self.out.push_back(FrontStep::ToBackend(records(&inner)));
        self.state = State::Answer(ech);
        Ok(())
    }

    /// Whether the backend goes on, or asks for another hello.
    fn answer(&mut self, ech: Box<Ech>) -> Result<(), Abort> {
        // Early data, and the change_cipher_spec of compatibility. Whole records: behind one there may be another hello.
        self.pass_records(|_| true)?;
        let asks = match answer(&self.backend) {
            Some(asks) => asks,
            None if self.backend.len() > MAX_ANSWER => false,
            None => {
                self.state = State::Answer(ech);
                return Ok(());
            }
        };
        let answer = core::mem::take(&mut self.backend);
        self.out.push_back(FrontStep::ToClient(answer));
        self.state = match asks {
            true => State::SecondHello(ech),
            false => {
                self.pass_on();
                self.out.push_back(FrontStep::Transparent);
                State::Transparent
            }
        };
        Ok(())
    }

    fn second_hello(&mut self, mut ech: Box<Ech>) -> Result<(), Abort> {
        if !self.backend.is_empty() {
            let bytes = core::mem::take(&mut self.backend);
            self.out.push_back(FrontStep::ToClient(bytes));
        }
        // What is no handshake is passed by: early data that was under way, a change_cipher_spec, an alert.
        if self.begun.at == 0 {
            self.pass_records(|typ| typ != ContentType::HANDSHAKE)?;
            if matches!(self.client.first(), Some(&typ) if typ != ContentType::HANDSHAKE.0) {
                self.state = State::SecondHello(ech);
                return Ok(());
            }
        }
        let (message, length) = match self.begun.hello(&self.client) {
            Hello::Whole { message, length } => (message, length),
            Hello::Incomplete if self.client.len() <= MAX_HELLO + MAX_HELLO / 4 => {
                self.state = State::SecondHello(ech);
                return Ok(());
            }
            Hello::Incomplete => return Err(Violation::HandshakeMessageTooLong.into()),
            Hello::None => return Err(Violation::UnexpectedMessage.into()),
        };
        let inner = ech.peel_second(message, Dialect::Tls)?;
        self.client.drain(..length);
        self.out.push_back(FrontStep::ToBackend(records(&inner)));
        self.state = State::Transparent;
        self.pass_on();
        self.out.push_back(FrontStep::Transparent);
        Ok(())
    }

    /// Passes on the client's records of these types that are whole, up to the first of another one.
    fn pass_records(&mut self, is_passed: impl Fn(ContentType) -> bool) -> Result<(), Abort> {
        let mut at = 0;
        while let Some(&[typ, _, _, a, b]) = self.client.get(at..).and_then(<[u8]>::first_chunk) {
            if !is_passed(ContentType(typ)) {
                break;
            }
            let length = usize::from(u16::from_be_bytes([a, b]));
            if length > MAX_CIPHERTEXT_TLS12 {
                return Err(Violation::RecordTooLong.into());
            }
            let end = at + RecordHeader::SIZE + length;
            if end > self.client.len() {
                break;
            }
            at = end;
        }
        if at > 0 {
            let passed = self.client.drain(..at).collect();
            self.out.push_back(FrontStep::ToBackend(passed));
        }
        Ok(())
    }

    /// What has come too early for whoever passes it on.
    fn pass_on(&mut self) {
        self.state = State::Transparent;
        let (client, backend) = (
            core::mem::take(&mut self.client),
            core::mem::take(&mut self.backend),
        );
        if !client.is_empty() {
            self.out.push_back(FrontStep::ToBackend(client));
        }
        if !backend.is_empty() {
            self.out.push_back(FrontStep::ToClient(backend));
        }
    }
}

/// What stands at the front of a client's bytes.
enum Hello {
    Whole {
        message: HandshakeBytes,
        /// Of the records that it is in.
        length: usize,
    },
    Incomplete,
    /// Something else.
    None,
}

/// The ClientHello at the front of a client's bytes, as far as it was read: what comes later is read once, too.
#[derive(Default)]
struct Begun {
    /// Behind the last record that is whole.
    at: usize,
    message: Vec<u8>,
}

impl Begun {
    /// The ClientHello at the front, out of as many records as it takes, which have nothing else. `bytes` are those of
    /// the last time, and more.
    fn hello(&mut self, bytes: &[u8]) -> Hello {
        let found = self.read_on(bytes);
        if !matches!(found, Hello::Incomplete) {
            *self = Self::default();
        }
        found
    }

    fn read_on(&mut self, bytes: &[u8]) -> Hello {
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let is_started = match *rest {
                [] => true,
                [typ, 3, ..] => typ == ContentType::HANDSHAKE.0,
                [typ] => typ == ContentType::HANDSHAKE.0,
                _ => false,
            };
            if !is_started {
                return Hello::None;
            }
            let Some(&[_, _, _, a, b]) = rest.first_chunk::<{ RecordHeader::SIZE }>() else {
                return Hello::Incomplete;
            };
            let length = usize::from(u16::from_be_bytes([a, b]));
            if length == 0 || length > MAX_PLAINTEXT {
                return Hello::None;
            }
            let Some(content) = rest.get(RecordHeader::SIZE..RecordHeader::SIZE + length) else {
                return Hello::Incomplete;
            };
            self.message.extend_from_slice(content);
            self.at += RecordHeader::SIZE + length;
            if self.message.first() != Some(&HandshakeType::CLIENT_HELLO.0) {
                return Hello::None;
            }
            let Some(&[_, a, b, c]) = self.message.first_chunk() else {
                continue;
            };
            let whole = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
            if whole > MAX_HELLO || self.message.len() > whole {
                return Hello::None;
            }
            if self.message.len() == whole {
                return Hello::Whole {
                    message: core::mem::take(&mut self.message).into(),
                    length: self.at,
                };
            }
        }
    }
}

/// Whether the server asks for another hello; `None` while that is not known.
fn answer(bytes: &[u8]) -> Option<bool> {
    let &[typ, _, _, a, b] = bytes.first_chunk::<{ RecordHeader::SIZE }>()?;
    let length = usize::from(u16::from_be_bytes([a, b]));
    if typ != ContentType::HANDSHAKE.0 || length > MAX_CIPHERTEXT_TLS12 {
        return Some(false);
    }
    // Type, length and version stand before the random; a server cuts them if it likes, but then it asks for
    // nothing that this front would have to know.
    let hello = bytes.get(RecordHeader::SIZE..)?;
    let random = hello.get(6..38);
    match (hello.first(), random) {
        (Some(&typ), _) if typ != HandshakeType::SERVER_HELLO.0 => Some(false),
        (_, Some(random)) => Some(random == HELLO_RETRY_REQUEST_RANDOM),
        (_, None) if length < 38 && hello.len() >= length => Some(false),
        (_, None) => None,
    }
}

/// A hello in records of its own.
fn records(message: &HandshakeBytes) -> Vec<u8> {
    let mut out = Vec::new();
    for fragment in message.raw().chunks(MAX_PLAINTEXT) {
        let [a, b] = u16::try_from(fragment.len())
            .unwrap_or_default()
            .to_be_bytes();
        out.extend_from_slice(&[ContentType::HANDSHAKE.0, 3, 1, a, b]);
        out.extend_from_slice(fragment);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello in the smallest records, that come byte by byte: each is read once.
    #[test]
    fn what_was_read_of_a_hello_is_kept() {
        let message = [&[1, 0, 0, 100][..], &[7; 100]].concat();
        let records: Vec<u8> = message
            .iter()
            .flat_map(|byte| [22, 3, 1, 0, 1, *byte])
            .collect();
        let mut begun = Begun::default();
        for length in 0..records.len() {
            assert!(matches!(begun.hello(&records[..length]), Hello::Incomplete));
            let whole = length / 6;
            assert_eq!((begun.at, begun.message.len()), (whole * 6, whole));
        }
        match begun.hello(&records) {
            Hello::Whole {
                message: found,
                length,
            } => assert_eq!((found.raw(), length), (&message[..], records.len())),
            _ => panic!("it is whole"),
        }
        assert_eq!((begun.at, begun.message.len()), (0, 0));
    }
}
