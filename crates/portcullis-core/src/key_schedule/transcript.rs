//! The transcript hash.
//!
//! RFC 8446 §4.4.1.

use crate::crypto::hash::{Digest, HashAlgorithm, Hasher};

/// A handshake message as a transcript takes it.
#[derive(Clone, Copy)]
pub(crate) struct Hashed<'a> {
    /// Header and body, in one piece.
    pub(crate) message: &'a [u8],
    /// Over datagrams: its message_seq.
    pub(crate) message_seq: Option<u16>,
}

impl<'a> Hashed<'a> {
    /// Of a stream.
    pub(crate) const fn new(message: &'a [u8]) -> Self {
        Self {
            message,
            message_seq: None,
        }
    }

    /// What of it is hashed and signed before TLS 1.3: over datagrams with the header of a fragment that is
    /// the whole message (RFC 6347 §4.2.6).
    pub(super) fn put_before_tls13(self, mut put: impl FnMut(&[u8])) {
        let Some(message_seq) = self.message_seq else {
            return put(self.message);
        };
        let split = self.message.split_at_checked(HEADER);
        let (header, body) = split.unwrap_or((self.message, &[]));
        put(header);
        put(&message_seq.to_be_bytes());
        // It begins at its beginning, and is as long as it is.
        put(&[0; 3]);
        put(header.get(1..).unwrap_or_default());
        put(body);
    }
}

/// Of a message: type and length.
const HEADER: usize = 4;

/// What handshake messages are added to, in the order of the wire.
pub(crate) trait AddMessage {
    fn add(&mut self, message: Hashed<'_>);
}

/// The place of messages that no transcript has: those after the handshake (§4.6).
pub(crate) struct Unhashed;

impl AddMessage for Unhashed {
    fn add(&mut self, _: Hashed<'_>) {}
}

/// The messages before the hash is known: raw, as long as they are few.
#[derive(Default)]
pub(crate) struct TranscriptBuffer {
    messages: Vec<u8>,
    /// Over datagrams: where each begins, and its number.
    numbers: Vec<(usize, u16)>,
    /// The hash of so many bytes from the first one on, which a binder needed.
    begun: Option<Box<(Transcript, usize)>>,
}

impl TranscriptBuffer {
    pub(crate) const fn new() -> Self {
        Self {
            messages: Vec::new(),
            numbers: Vec::new(),
            begun: None,
        }
    }

    /// The messages so far begin with what this is the hash of, of so many bytes: what has been hashed for a binder
    /// is not hashed again.
    pub(crate) fn begin_with(&mut self, begun: Option<(Transcript, usize)>) {
        self.begun = begun.map(Box::new);
    }

    /// The suite is known: goes on as a running hash.
    pub(crate) fn start(&self, hash: HashAlgorithm) -> Transcript {
        let begun = self.begun.as_deref();
        let begun = begun.filter(|(transcript, _)| transcript.hash == hash);
        let (mut transcript, length) = match begun {
            Some((transcript, length)) => (transcript.clone(), *length),
            None => (Transcript::new(hash), 0),
        };
        transcript.add_bytes(self.messages.get(length..).unwrap_or_default());
        transcript
    }

    /// The messages as they are hashed before TLS 1.3.
    pub(super) fn into_messages(self) -> Vec<u8> {
        if self.numbers.is_empty() {
            return self.messages;
        }
        let mut bytes = Vec::new();
        let ends = self.numbers.iter().skip(1).map(|(start, _)| *start);
        let ends = ends.chain([self.messages.len()]);
        for (&(start, message_seq), end) in self.numbers.iter().zip(ends) {
            let hashed = Hashed {
                message: self.messages.get(start..end).unwrap_or_default(),
                message_seq: Some(message_seq),
            };
            hashed.put_before_tls13(|part| bytes.extend_from_slice(part));
        }
        bytes
    }
}

impl AddMessage for TranscriptBuffer {
    /// The caller bounds how many and how long.
    fn add(&mut self, hashed: Hashed<'_>) {
        if let Some(message_seq) = hashed.message_seq {
            self.numbers.push((self.messages.len(), message_seq));
        }
        self.messages.extend_from_slice(hashed.message);
    }
}

/// The running hash over all handshake messages, headers included.
#[derive(Clone)]
pub(crate) struct Transcript {
    hash: HashAlgorithm,
    running: Hasher,
    /// The hash of all that was added, once it has been asked for: keys and Finished of the next
    /// flight often need the same.
    current: Option<Digest>,
}

impl Transcript {
    const MESSAGE_HASH: u8 = 254;

    /// Starts before the first message, for callers that know the hash by then.
    pub(crate) fn new(hash: HashAlgorithm) -> Self {
        Self {
            hash,
            running: Hasher::new(hash),
            current: None,
        }
    }

    /// Adds a part of a message: a ClientHello is hashed up to its binders first (§4.2.11.2).
    pub(crate) fn add_bytes(&mut self, part: &[u8]) {
        self.running.update(part);
        self.current = None;
    }

    /// Bytes of the hash.
    pub(crate) const fn output_len(&self) -> usize {
        self.hash.output_len()
    }

    /// The hash of what has been added so far.
    pub(crate) fn current(&mut self) -> Digest {
        *self
            .current
            .get_or_insert_with(|| self.running.clone().finish())
    }

    /// Puts message_hash in the place of ClientHello1, which must be all that was added; called
    /// before HelloRetryRequest is added.
    pub(crate) fn replace_with_message_hash(&mut self) {
        let hello = self.current();
        *self = Self::after_hello(self.hash, &hello);
    }

    /// Starts behind a ClientHello1 with this hash, of which nothing else is left.
    pub(crate) fn after_hello(hash: HashAlgorithm, hello: &Digest) -> Self {
        let mut this = Self::new(hash);
        this.add_bytes(&[Self::MESSAGE_HASH, 0, 0, hello.len()]);
        this.add_bytes(hello.as_slice());
        this
    }
}

impl AddMessage for Transcript {
    fn add(&mut self, hashed: Hashed<'_>) {
        self.add_bytes(hashed.message);
    }
}

impl core::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Transcript").field(&self.hash).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash::hash;

    #[test]
    fn is_the_hash_of_the_concatenation() {
        for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha384] {
            let mut buffer = TranscriptBuffer::new();
            buffer.add(Hashed::new(b"one"));
            buffer.add(Hashed::new(b"two"));
            let mut transcript = buffer.start(algorithm);
            assert_eq!(transcript.current(), hash(algorithm, b"onetwo"));
            transcript.add(Hashed::new(b"three"));
            assert_eq!(transcript.current(), hash(algorithm, b"onetwothree"));
            assert_eq!(transcript.current(), hash(algorithm, b"onetwothree"));
        }
    }

    #[test]
    fn what_a_binder_needed_is_not_hashed_again() {
        for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha384] {
            let mut begun = Transcript::new(algorithm);
            begun.add_bytes(b"on");
            assert_eq!(begun.current(), hash(algorithm, b"on"));
            let mut buffer = TranscriptBuffer::new();
            buffer.add(Hashed::new(b"one"));
            buffer.begin_with(Some((begun, 2)));
            buffer.add(Hashed::new(b"two"));
            // A server may select no key, and a suite with another hash.
            for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha384] {
                let mut transcript = buffer.start(algorithm);
                assert_eq!(transcript.current(), hash(algorithm, b"onetwo"));
            }
            // Other bytes would be hashed again.
            let mut begun = Transcript::new(algorithm);
            begun.add_bytes(b"ON");
            buffer.begin_with(Some((begun, 2)));
            let mut transcript = buffer.start(algorithm);
            assert_eq!(transcript.current(), hash(algorithm, b"ONetwo"));
        }
    }

    #[test]
    fn message_hash_stands_for_the_first_hello() {
        let algorithm = HashAlgorithm::Sha384;
        let mut buffer = TranscriptBuffer::new();
        buffer.add(Hashed::new(b"hello 1"));
        let mut transcript = buffer.start(algorithm);
        transcript.replace_with_message_hash();
        transcript.add_bytes(b"retry");
        let mut expected = vec![254, 0, 0, 48];
        expected.extend_from_slice(hash(algorithm, b"hello 1").as_slice());
        expected.extend_from_slice(b"retry");
        assert_eq!(transcript.current(), hash(algorithm, &expected));
    }
}
