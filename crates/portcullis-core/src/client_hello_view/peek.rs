//! The ClientHello at the front of a connection that somebody else may answer.
//!
//! RFC 8446 §4.1.2, §5.1. Nothing is judged here but syntax: which versions, suites and groups a hello has, and whether it
//! may have them, is for the server that answers it.

use bytes::Bytes;

use super::ClientHelloView;
use crate::wire::{
    ContentType, HandshakeHeader, HandshakeType, MAX_PLAINTEXT, RecordHeader, Syntax,
};

/// What the first bytes of a connection are.
#[derive(Clone, Debug)]
pub enum Peek {
    /// The start of a ClientHello, as far as can be said.
    More {
        /// No ClientHello is whole before so many more bytes have come: 1 or more. Whoever waits for them looks at each
        /// byte a bounded number of times, however the client cuts its records.
        at_least: usize,
    },
    /// A whole ClientHello. What stands behind it was not looked at.
    Hello(ClientHelloView),
    /// Not TLS: another protocol, or SSL 2.
    NotTls,
    /// Records of TLS, but no ClientHello: another message or an alert, a hello that does not have the syntax, or one of
    /// more than [`MAX_PEEKED`](ClientHelloView::MAX_PEEKED) bytes.
    Malformed,
}

impl ClientHelloView {
    /// The most bytes in which [`peek`](Self::peek) looks for a hello, with the headers of its records: 64 KiB. A client
    /// with post-quantum shares sends less than 2 KiB.
    pub const MAX_PEEKED: usize = 64 * 1024;

    /// Looks for a ClientHello at the front of what a client has sent over TLS, and takes nothing: for those who pass the
    /// connection on, or decide who answers.
    ///
    /// `received` is all that has come so far, from the first byte. The hello may be cut into records (RFC 8446 §5.1)
    /// and come in pieces of any size: a piece is either not enough, or the answer is the one that all of it would
    /// give. A call allocates nothing unless the hello is whole, and never panics.
    ///
    /// ```
    /// use portcullis_core::{ClientHelloView, Peek};
    ///
    /// assert!(matches!(ClientHelloView::peek(&[22, 3, 1]), Peek::More { at_least: 47 }));
    /// assert!(matches!(ClientHelloView::peek(b"GET / HTTP/1.1\r\n"), Peek::NotTls));
    /// ```
    pub fn peek(received: &[u8]) -> Peek {
        match find(received) {
            Found::Whole(message) => match Self::new(message, Syntax::Tls) {
                Ok(view) => Peek::Hello(view),
                Err(_) => Peek::Malformed,
            },
            Found::Missing(at_least) if received.len() + at_least > Self::MAX_PEEKED => {
                Peek::Malformed
            }
            Found::Missing(at_least) => Peek::More { at_least },
            Found::NotTls => Peek::NotTls,
            Found::Malformed => Peek::Malformed,
        }
    }
}

enum Found {
    /// The message, header included.
    Whole(Bytes),
    /// So many bytes, or more.
    Missing(usize),
    NotTls,
    Malformed,
}

/// The least that a hello can be: version, random, no session id, one suite, one compression method.
const SHORTEST: usize = HandshakeHeader::SIZE + 2 + 32 + 1 + 4 + 2;

/// Looks for a whole ClientHello at the front.
fn find(received: &[u8]) -> Found {
    let mut rest = received;
    let mut header = [0; HandshakeHeader::SIZE];
    // Of the message: what was found, and what it has in all, as far as that is known.
    let (mut have, mut whole) = (0, SHORTEST);
    loop {
        if let Some(found) = refuse(rest, rest.len() == received.len()) {
            return found;
        }
        let Some(length) = length(rest) else {
            return Found::Missing(RecordHeader::SIZE - rest.len() + (whole - have));
        };
        // A record of a handshake has content (§5.1), and no more than that.
        if length == 0 || length > MAX_PLAINTEXT {
            return Found::Malformed;
        }
        let behind = rest.get(RecordHeader::SIZE..).unwrap_or_default();
        let (content, next) = behind.split_at(length.min(behind.len()));
        for (place, byte) in header.iter_mut().skip(have).zip(content) {
            *place = *byte;
        }
        have += content.len();
        let [typ, a, b, c] = header;
        if have > 0 && typ != HandshakeType::CLIENT_HELLO.0 {
            return Found::Malformed;
        }
        if have >= HandshakeHeader::SIZE {
            whole = HandshakeHeader::SIZE + u32::from_be_bytes([0, a, b, c]) as usize;
            if have >= whole {
                return Found::Whole(collect(received, whole));
            }
        }
        let cut = length - content.len();
        if cut > 0 {
            // What does not fit into this record needs another one.
            let lacking = whole - have;
            let another = if lacking > cut { RecordHeader::SIZE } else { 0 };
            return Found::Missing(lacking + another);
        }
        rest = next;
    }
}

/// What a record that begins so cannot be. What is no TLS shows in the first bytes of the first one.
fn refuse(record: &[u8], is_first: bool) -> Option<Found> {
    let not_tls = || match is_first {
        true => Some(Found::NotTls),
        false => Some(Found::Malformed),
    };
    let (&typ, behind) = record.split_first()?;
    let typ = ContentType(typ);
    let is_of_tls = matches!(
        typ,
        ContentType::CHANGE_CIPHER_SPEC
            | ContentType::ALERT
            | ContentType::HANDSHAKE
            | ContentType::APPLICATION_DATA
    );
    if !is_of_tls {
        return not_tls();
    }
    let &major = behind.first()?;
    if major != 3 {
        return not_tls();
    }
    (typ != ContentType::HANDSHAKE).then_some(Found::Malformed)
}

/// The length in a record's header, if that is there.
fn length(record: &[u8]) -> Option<usize> {
    let &[.., high, low] = record.first_chunk::<{ RecordHeader::SIZE }>()?;
    Some(u16::from_be_bytes([high, low]).into())
}

/// The first `whole` bytes of what the records have.
fn collect(received: &[u8], whole: usize) -> Bytes {
    let mut message = Vec::with_capacity(whole);
    let mut rest = received;
    while let Some(length) = length(rest)
        && message.len() < whole
    {
        let content = rest.get(RecordHeader::SIZE..).unwrap_or_default();
        let missing = whole - message.len();
        let content_here = content.get(..length.min(missing)).unwrap_or(content);
        message.extend_from_slice(content_here);
        rest = content.get(length..).unwrap_or_default();
    }
    message.into()
}
