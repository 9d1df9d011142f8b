//! All handshake messages: their hash, and for a while the messages themselves.
//!
//! RFC 5246 §7.4.8, §7.4.9.

use crate::crypto::hash::Digest;
use crate::crypto::prf::{HandshakeHasher, PrfHash};
use crate::key_schedule::{AddMessage, Hashed, TranscriptBuffer};

/// The running hash over all handshake messages, headers included, without HelloRequest. A client
/// may sign them with another hash than that of the suite, so they are kept until it cannot.
pub(crate) struct Transcript {
    running: HandshakeHasher,
    messages: Vec<u8>,
    /// Whether a CertificateVerify can still come.
    keeps_messages: bool,
}

impl Transcript {
    /// Starts before the first message.
    pub(crate) fn new(hash: PrfHash) -> Self {
        Self::after(TranscriptBuffer::new(), hash)
    }

    /// The suite is known: goes on after the messages in `buffer`.
    pub(crate) fn after(buffer: TranscriptBuffer, hash: PrfHash) -> Self {
        let messages = buffer.into_messages();
        let mut running = HandshakeHasher::new(hash);
        running.update(&messages);
        Self {
            running,
            messages,
            keeps_messages: true,
        }
    }

    /// The hash of what has been added so far.
    pub(crate) fn current(&self) -> Digest {
        self.running.clone().finish()
    }

    /// What a CertificateVerify signs (RFC 5246 §7.4.8): all that was added. Nothing once it was
    /// [forgotten](Self::forget_messages), which is what no signature is over.
    pub(crate) fn messages(&self) -> &[u8] {
        &self.messages
    }

    /// To be called as soon as it is known that no CertificateVerify will come, or it has come: a
    /// peer's chain is long.
    pub(crate) fn forget_messages(&mut self) {
        self.messages = Vec::new();
        self.keeps_messages = false;
    }
}

impl AddMessage for Transcript {
    /// The caller bounds how many and how long.
    fn add(&mut self, hashed: Hashed<'_>) {
        hashed.put_before_tls13(|part| {
            self.running.update(part);
            if self.keeps_messages {
                self.messages.extend_from_slice(part);
            }
        });
    }
}

impl core::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Transcript")
            .field("kept", &self.messages.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash::{HashAlgorithm, hash};
    use crate::crypto::md5_sha1::md5_sha1;

    #[test]
    fn is_the_hash_of_all_and_keeps_them_for_a_while() {
        for algorithm in [
            PrfHash::Md5Sha1,
            HashAlgorithm::Sha256.into(),
            HashAlgorithm::Sha384.into(),
        ] {
            let hash = |bytes: &[u8]| match algorithm {
                PrfHash::Md5Sha1 => md5_sha1(bytes),
                PrfHash::Suite(algorithm) => hash(algorithm, bytes),
            };
            let mut buffer = TranscriptBuffer::new();
            buffer.add(Hashed::new(b"one"));
            let mut transcript = Transcript::after(buffer, algorithm);
            transcript.add(Hashed::new(b"two"));
            assert_eq!(transcript.current(), hash(b"onetwo"));
            assert_eq!(transcript.messages(), b"onetwo");
            transcript.forget_messages();
            transcript.add(Hashed::new(b"three"));
            assert_eq!(transcript.messages(), b"");
            assert_eq!(transcript.current(), hash(b"onetwothree"));
            let mut buffer = TranscriptBuffer::new();
            for (message_seq, message) in [(1, b"\x01\0\0\x02AB"), (2, b"\x02\0\0\x02CD")] {
                let message_seq = Some(message_seq);
                buffer.add(Hashed {
                    message,
                    message_seq,
                });
            }
            let mut transcript = Transcript::after(buffer, algorithm);
            transcript.add(Hashed {
                message: b"\x0b\0\0\x01E",
                message_seq: Some(3),
            });
            assert_eq!(
                transcript.messages(),
                b"\x01\0\0\x02\0\x01\0\0\0\0\0\x02AB\
                \x02\0\0\x02\0\x02\0\0\0\0\0\x02CD\
                \x0b\0\0\x01\0\x03\0\0\0\0\0\x01E"
            );
            assert_eq!(transcript.current(), hash(transcript.messages()));
            let empty = Transcript::new(algorithm);
            assert_eq!(empty.current(), hash(b""));
            assert_eq!(empty.messages(), b"");
        }
    }
}
