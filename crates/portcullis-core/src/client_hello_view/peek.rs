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
    /// # use portcullis_core as portcullis;
    /// use portcullis::{ClientHelloView, Peek};
    ///
    /// assert!(matches!(ClientHelloView::peek(&[22, 3, 1]), Peek::More { at_least: 47 }));
    /// assert!(matches!(ClientHelloView::peek(b"GET / HTTP/1.1\r\n"), Peek::NotTls));
    /// ```
    pub fn peek(received: &[u8]) -> Peek {
        let received = received.get(..Self::MAX_PEEKED).unwrap_or(received);
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
            return Found::Missing(least(whole - have) - rest.len());
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
            // What does not fit into this record needs others.
            let lacking = whole - have;
            return Found::Missing(lacking.min(cut) + least(lacking.saturating_sub(cut)));
        }
        rest = next;
    }
}

/// How many bytes so much content takes at least, in records of its own.
fn least(content: usize) -> usize {
    content + RecordHeader::SIZE * content.div_ceil(MAX_PLAINTEXT)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::CipherSuite;
    use crate::version::ProtocolVersion;
    use crate::wire::extension::{ServerName, put_extension};
    use crate::wire::{ClientHello, ExtensionType, put_message};

    /// A ClientHello, header included.
    fn message(
        version: ProtocolVersion,
        suites: &[CipherSuite],
        extensions: impl FnOnce(&mut Vec<u8>),
    ) -> Vec<u8> {
        let mut out = Vec::new();
        ClientHello::put(&mut out, version, &[3; 32], &[4; 32], suites, extensions);
        out
    }

    fn usual(extensions: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let suites = [CipherSuite::TLS_AES_128_GCM_SHA256];
        message(ProtocolVersion::TLS_1_2, &suites, extensions)
    }

    /// One whose extensions fill it up to so many bytes.
    fn of_length(length: usize) -> Vec<u8> {
        let without = usual(|out| put_extension(out, ExtensionType(0x5555), |_| {}));
        let missing = length - without.len();
        usual(|out| {
            put_extension(out, ExtensionType(0x5555), |out| {
                out.resize(out.len() + missing, 7);
            });
        })
    }

    /// In records of at most so many bytes.
    fn records(message: &[u8], size: usize) -> Vec<u8> {
        let record = |content: &[u8]| {
            let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[22, 3, 1, high, low], content].concat()
        };
        message.chunks(size).flat_map(record).collect()
    }

    fn hello(received: &[u8]) -> ClientHelloView {
        match ClientHelloView::peek(received) {
            Peek::Hello(view) => view,
            other => panic!("{other:?}"),
        }
    }

    fn is_malformed(received: &[u8]) -> bool {
        matches!(ClientHelloView::peek(received), Peek::Malformed)
    }

    fn is_not_tls(received: &[u8]) -> bool {
        matches!(ClientHelloView::peek(received), Peek::NotTls)
    }

    #[test]
    fn in_segments_and_in_records_of_one_byte() {
        let message = usual(|out| ServerName::put(out, "example.com"));
        for size in [1, 2, 3, 4, 5, 46, message.len()] {
            let records = records(&message, size);
            for length in 0..records.len() {
                match ClientHelloView::peek(&records[..length]) {
                    // Not more than there is, so nobody waits for what does not come.
                    Peek::More { at_least } => assert!(
                        at_least > 0 && length + at_least <= records.len(),
                        "{at_least} behind {length} of {}",
                        records.len()
                    ),
                    other => panic!("{other:?} of {length} bytes"),
                }
            }
            let view = hello(&records);
            assert_eq!(view.raw_bytes(), message);
            assert_eq!(view.server_name(), Some("example.com"));
        }
    }

    /// Whatever a client sends, and however it comes: what is not enough asks for no more than makes a hello, and what is
    /// enough gives the answer of all of it.
    #[test]
    fn any_split_gives_the_same_answer() {
        let message = usual(|out| ServerName::put(out, "example.com"));
        for size in [7, 1000] {
            let good = [&records(&message, size)[..], b"behind it"].concat();
            for at in 0..good.len() {
                for value in [0, 1, 3, 22, 64, 255, good[at] ^ 1] {
                    let mut wire = good.clone();
                    wire[at] = value;
                    let whole = ClientHelloView::peek(&wire);
                    let mut hello_from = 0;
                    for length in 0..wire.len() {
                        match (ClientHelloView::peek(&wire[..length]), &whole) {
                            (Peek::More { at_least }, _) => hello_from = length + at_least,
                            (Peek::Hello(view), Peek::Hello(all)) => {
                                assert!(length >= hello_from);
                                assert_eq!(view.raw_bytes(), all.raw_bytes());
                            }
                            (Peek::NotTls, Peek::NotTls) | (Peek::Malformed, Peek::Malformed) => {}
                            (part, all) => panic!("{part:?} of {length} bytes, {all:?} of all"),
                        }
                    }
                }
            }
        }
    }

    /// Whoever waits for what is asked for looks at each byte a bounded number of times.
    #[test]
    fn the_smallest_records_are_looked_at_seldom() {
        let records = records(&of_length(10_000), 1);
        let (mut have, mut looks) = (0, 0);
        while let Peek::More { at_least } = ClientHelloView::peek(&records[..have]) {
            have += at_least;
            looks += 1;
        }
        hello(&records[..have]);
        assert!(looks < 60, "{looks}");
    }

    #[test]
    fn sixty_four_kib_and_one_byte_more() {
        let headers = 5 * RecordHeader::SIZE;
        for (size, headers) in [(MAX_PLAINTEXT, headers - 5), (16_000, headers)] {
            let most = ClientHelloView::MAX_PEEKED - headers;
            let whole = records(&of_length(most), size);
            assert_eq!(whole.len(), ClientHelloView::MAX_PEEKED);
            assert_eq!(hello(&whole).raw_bytes().len(), most);
            // Known when the length is, and of small records when there are too many.
            assert!(is_malformed(&records(&of_length(most + 1), size)[..10]));
        }
        assert!(is_malformed(&records(&of_length(20_000), 1)));
        let most = [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..]].concat();
        assert!(is_malformed(&most));
    }

    #[test]
    fn what_stands_behind_the_hello_is_not_looked_at() {
        let first = usual(|out| ServerName::put(out, "first"));
        let second = usual(|out| ServerName::put(out, "second"));
        // Two in one record, and two records; early data, an alert, and no TLS at all.
        let both = [&first[..], &second].concat();
        assert_eq!(hello(&records(&both, 1000)).server_name(), Some("first"));
        for behind in [
            &records(&second, 1000)[..],
            &[20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 9],
            &[21, 3, 3, 0, 2, 2, 0],
            b"GET / HTTP/1.1\r\n",
        ] {
            let received = [&records(&first, 20)[..], behind].concat();
            let view = hello(&received);
            assert_eq!(view.raw_bytes(), first);
        }
    }

    #[test]
    fn a_hello_that_only_another_server_can_answer() {
        let name = |out: &mut Vec<u8>| ServerName::put(out, "old.example");
        // No supported_versions and no key share; suites that nobody knows.
        for version in [ProtocolVersion(0x0300), ProtocolVersion::TLS_1_0] {
            let message = message(version, &[CipherSuite(0xeeee)], name);
            let view = hello(&records(&message, 1000));
            assert_eq!(view.server_name(), Some("old.example"));
            assert_eq!(view.legacy_version(), version);
            assert_eq!(view.supported_versions().count(), 0);
        }
        // No extensions at all.
        let mut old = Vec::new();
        put_message(&mut old, HandshakeType::CLIENT_HELLO, |out| {
            out.extend([3, 1]);
            out.extend([9; 32]);
            out.extend([0, 0, 2, 0, 5, 1, 0]);
        });
        assert_eq!(old.len(), SHORTEST);
        assert_eq!(hello(&records(&old, 1000)).server_name(), None);
    }

    #[test]
    fn something_else_comes_first() {
        for other in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"G",
            b"PROXY TCP4 ",
            b"\r\n\r\n\0\r\nQUIT\n",
            b"SSH-2.0-",
            // SSL 2, and what looks like TLS for a byte.
            &[0x80, 46, 1, 3, 1],
            &[22, 4, 0, 0, 5],
            &[21, 0],
            &[0],
            &[24, 3, 1],
        ] {
            assert!(is_not_tls(other), "{other:?}");
        }
        for wrong in [
            // An alert, change_cipher_spec, data.
            &[21, 3, 1, 0, 2, 2, 40][..],
            &[20, 3, 1],
            &[23, 3],
            // Another message, no content, too much of it.
            &[22, 3, 1, 0, 4, 2],
            &[22, 3, 1, 0, 0],
            &[22, 3, 1, 0x40, 1],
        ] {
            assert!(is_malformed(wrong), "{wrong:?}");
        }
        // In the middle of a hello.
        let message = usual(|_| {});
        let cut = &records(&message, 20)[..25];
        for wrong in [
            &[21, 3, 1, 0, 2, 2, 40][..],
            b"GET ",
            &[22, 2],
            &[22, 3, 1, 0, 0],
        ] {
            assert!(is_malformed(&[cut, wrong].concat()), "{wrong:?}");
        }
        // A hello that is none.
        let mut short = message.clone();
        short.truncate(30);
        short[1..4].copy_from_slice(&[0, 0, 26]);
        assert!(is_malformed(&records(&short, 1000)));
        let mut long = message;
        long.push(0);
        long[3] += 1;
        assert!(is_malformed(&records(&long, 1000)));
    }

    /// server_name as clients send it, whoever they are.
    #[test]
    fn names_as_they_come() {
        let name = |body: &[u8]| {
            let message = usual(|out| {
                put_extension(out, ExtensionType::SERVER_NAME, |out| {
                    out.extend_from_slice(body);
                });
            });
            let view = hello(&records(&message, 1000));
            view.server_name().map(ToOwned::to_owned)
        };
        let one = |host: &[u8]| {
            let [high, low] = u16::try_from(host.len()).unwrap().to_be_bytes();
            let [list_high, list_low] = u16::try_from(host.len() + 3).unwrap().to_be_bytes();
            let entry = [&[list_high, list_low, 0, high, low], host].concat();
            name(&entry)
        };
        assert_eq!(one(b"Example.COM"), Some("example.com".to_owned()));
        assert_eq!(one(b"example.com."), Some("example.com".to_owned()));
        // RFC 6066 §3 has none of these; an address of digits and dots looks like a name, and has no route.
        assert_eq!(one(b"192.0.2.1"), Some("192.0.2.1".to_owned()));
        assert_eq!(one(b"2001:db8::1"), None);
        assert_eq!(one(b"[::1]"), None);
        let long = [
            b"a".repeat(63),
            b"b".repeat(63),
            b"c".repeat(63),
            b"d".repeat(63),
        ]
        .join(&b'.');
        assert_eq!(long.len(), 255);
        assert_eq!(one(&long).map(|name| name.len()), Some(255));
        assert_eq!(one(b"exam\0ple.com"), None);
        assert_eq!(one(b""), None);
        assert_eq!(one(b"."), None);
        assert_eq!(one(b"*.example.com"), None);
        // Two names, and no list.
        assert_eq!(name(&[0, 8, 0, 0, 1, b'a', 0, 0, 1, b'b']), None);
        assert_eq!(name(&[]), None);
    }

    /// With Encrypted ClientHello it is the name of the front.
    #[test]
    fn the_name_outside_of_what_is_encrypted() {
        let message = usual(|out| {
            ServerName::put(out, "front.example");
            put_extension(out, ExtensionType::ENCRYPTED_CLIENT_HELLO, |out| {
                out.extend([0; 100]);
            });
        });
        let view = hello(&records(&message, 1000));
        assert_eq!(view.server_name(), Some("front.example"));
    }
}
