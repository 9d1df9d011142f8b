//! Handshake messages out of the records that carry them.
//!
//! RFC 8446 §4, §5.1: a message may be split over records, and a record may carry several.

use core::cmp::Ordering;

use bytes::{Bytes, BytesMut};

use crate::key_schedule::Hashed;
use crate::violation::Violation;
use crate::wire::{HandshakeType, Syntax};

/// Bytes of a handshake header: type and length.
pub(super) const MESSAGE_HEADER: usize = 4;

/// One complete handshake message with its header, as it came. Its memory is shared with what
/// came with it.
#[derive(PartialEq, Eq)]
pub(crate) struct HandshakeBytes(Memory);

#[derive(PartialEq, Eq)]
enum Memory {
    Own(BytesMut),
    Shared(Bytes),
    /// Put together of what came in datagrams, with its message_seq.
    #[cfg_attr(not(feature = "dtls"), allow(dead_code))]
    OfDatagrams(Bytes, u16),
}

impl HandshakeBytes {
    /// The type; whether it is known is for the state machine to say.
    pub(crate) fn typ(&self) -> HandshakeType {
        HandshakeType(self.raw().first().copied().unwrap_or_default())
    }

    /// The message without its header.
    pub(crate) fn body(&self) -> &[u8] {
        self.raw().get(MESSAGE_HEADER..).unwrap_or_default()
    }

    /// What goes into the transcript.
    pub(crate) fn hashed(&self) -> Hashed<'_> {
        Hashed {
            message: self.raw(),
            message_seq: match &self.0 {
                Memory::OfDatagrams(_, message_seq) => Some(*message_seq),
                Memory::Own(_) | Memory::Shared(_) => None,
            },
        }
    }

    /// Header and body.
    pub(crate) fn raw(&self) -> &[u8] {
        match &self.0 {
            Memory::Own(bytes) => bytes,
            Memory::Shared(bytes) | Memory::OfDatagrams(bytes, _) => bytes,
        }
    }

    /// A message that was put together, header and body.
    #[cfg(feature = "dtls")]
    pub(super) fn of_datagrams(message: impl Into<Bytes>, message_seq: u16) -> Self {
        Self(Memory::OfDatagrams(message.into(), message_seq))
    }

    /// How the message is to be read.
    pub(crate) fn syntax(&self) -> Syntax {
        match &self.0 {
            Memory::Own(_) | Memory::Shared(_) => Syntax::Tls,
            Memory::OfDatagrams(..) => Syntax::Dtls,
        }
    }

    /// The same for a question, without a copy.
    pub(crate) fn share(&mut self) -> Bytes {
        let bytes = match &mut self.0 {
            Memory::Own(bytes) => core::mem::take(bytes).freeze(),
            Memory::Shared(bytes) => bytes.clone(),
            Memory::OfDatagrams(bytes, _) => return bytes.clone(),
        };
        self.0 = Memory::Shared(bytes.clone());
        bytes
    }
}

impl From<Vec<u8>> for HandshakeBytes {
    /// A whole message of a stream.
    fn from(message: Vec<u8>) -> Self {
        Self(Memory::Shared(message.into()))
    }
}

impl HandshakeBytes {
    /// A whole message, which was encrypted in this one.
    pub(crate) fn inner(&self, message: Vec<u8>) -> Self {
        Self(match self.0 {
            Memory::Own(_) | Memory::Shared(_) => Memory::Shared(message.into()),
            Memory::OfDatagrams(_, message_seq) => Memory::OfDatagrams(message.into(), message_seq),
        })
    }
}

impl core::fmt::Debug for HandshakeBytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HandshakeBytes")
            .field("typ", &self.typ())
            .field("body_len", &self.body().len())
            .finish()
    }
}

/// Collects fragments until a message is complete.
///
/// Holds at most the largest message allowed and one record, and nothing when idle. Each byte
/// is moved a bounded number of times, however the peer cuts its records.
#[derive(Default)]
pub(super) struct Assembler {
    /// From the first message that was not taken.
    buffer: BytesMut,
}

impl Assembler {
    /// What waits.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Whether no byte waits.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The memory held, in bytes.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.buffer.capacity()
    }

    /// Adds the content of a record.
    pub(super) fn put(&mut self, content: BytesMut) {
        if self.buffer.is_empty() {
            self.buffer = content;
        } else {
            self.push(&content);
        }
    }

    /// Adds the content of a record that stands in memory of others.
    pub(super) fn push(&mut self, content: &[u8]) {
        let message = self.announced().unwrap_or_default();
        grow(&mut self.buffer, content.len(), message);
        self.buffer.extend_from_slice(content);
    }

    /// The length of the message that has begun, with its header.
    fn announced(&self) -> Option<usize> {
        let &[_, a, b, c] = self.buffer.first_chunk::<MESSAGE_HEADER>()?;
        Some(MESSAGE_HEADER + u32::from_be_bytes([0, a, b, c]) as usize)
    }

    /// The type of the message that has begun.
    pub(super) fn begun(&self) -> Option<HandshakeType> {
        self.buffer.first().copied().map(HandshakeType)
    }

    /// Whether less, exactly, or more than the next message is there.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    pub(super) fn held_of_message(&self, max_body: usize) -> Result<Ordering, Violation> {
        match self.announced() {
            None => Ok(Ordering::Less),
            Some(length) if length > MESSAGE_HEADER + max_body => {
                Err(Violation::HandshakeMessageTooLong)
            }
            Some(length) => Ok(self.buffer.len().cmp(&length)),
        }
    }

    /// Takes the next complete message.
    ///
    /// # Errors
    /// When its header announces more than `max_body` bytes, however few of them are there.
    pub(super) fn pop(&mut self, max_body: usize) -> Result<Option<HandshakeBytes>, Violation> {
        let Some(length) = self.announced() else {
            return Ok(None);
        };
        if length > MESSAGE_HEADER + max_body {
            return Err(Violation::HandshakeMessageTooLong);
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        Ok(Some(HandshakeBytes(Memory::Own(take(
            &mut self.buffer,
            length,
        )))))
    }
}

/// Makes room as a vector does, by doubling, but for no more than `most` bytes in all unless
/// there are more.
pub(super) fn grow(buffer: &mut BytesMut, additional: usize, most: usize) {
    let needed = buffer.len() + additional;
    if buffer.capacity() < needed {
        let room = (2 * buffer.len()).clamp(needed, most.max(needed));
        let mut grown = BytesMut::with_capacity(room);
        grown.extend_from_slice(buffer);
        *buffer = grown;
    }
}

/// Takes the first `length` bytes, of which there are so many; all of them with their memory,
/// which need not be shared then.
pub(super) fn take(buffer: &mut BytesMut, length: usize) -> BytesMut {
    if buffer.len() == length {
        core::mem::take(buffer)
    } else {
        buffer.split_to(length)
    }
}

impl core::fmt::Debug for Assembler {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Assembler")
            .field("waiting", &self.buffer.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(typ: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![typ, 0, (body.len() >> 8) as u8, body.len() as u8];
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn any_cut_gives_the_same_messages() {
        // An interpreter is slow.
        let long = if cfg!(miri) { 30 } else { 300 };
        let stream = [
            message(1, b"first"),
            message(2, b""),
            message(3, &vec![7; long]),
        ]
        .concat();
        for step in 1..=stream.len() {
            let mut assembler = Assembler::default();
            let mut seen = Vec::new();
            for fragment in stream.chunks(step) {
                assembler.push(fragment);
                while let Some(message) = assembler.pop(long).unwrap() {
                    seen.push((message.typ().0, message.body().to_vec()));
                }
            }
            assert!(assembler.is_empty());
            assert_eq!(
                seen,
                [(1, b"first".to_vec()), (2, vec![]), (3, vec![7; long])],
                "in steps of {step}"
            );
        }
    }

    #[test]
    fn a_message_too_long_is_refused_on_its_header() {
        let mut assembler = Assembler::default();
        assembler.push(&message(1, &[0; 10])[..3]);
        assert_eq!(assembler.pop(9), Ok(None));
        assembler.push(&[10]);
        assert_eq!(assembler.pop(9), Err(Violation::HandshakeMessageTooLong));
    }
}
