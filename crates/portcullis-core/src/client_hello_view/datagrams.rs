//! The ClientHello at the front of a connection over datagrams that somebody else may answer.
//!
//! RFC 9147 §5.1, §5.2, §5.5; RFC 6347 §4.2. As over a stream nothing is judged here but syntax.

use super::ClientHelloView;
use crate::record::{
    Discarded, HelloPiece, Reassembly, Taken, first_hello_pieces, is_said_to_anybody,
};

/// The longest hello that is put together, in bytes: shares of all hybrids, and 8 KiB of tickets.
const MAX_HELLO: usize = 16 * 1024;
/// What pieces may cost besides their bytes.
const BESIDE: usize = 4 * 1024;

/// What a datagram of a client's was.
#[derive(Clone, Debug)]
pub enum PeekedDatagram {
    /// A part of a hello, of which more is to come, or what there was already.
    More,
    /// With it the hello is whole. What stands behind it was not looked at.
    Hello(ClientHelloView),
    /// Something else. Over datagrams anybody can have sent it, so it ends nothing: the hello may come yet.
    Dropped(Discarded),
}

/// Over datagrams what [`ClientHelloView::peek`] is over a stream: looks for a ClientHello in what a client has sent, for those who
/// pass the connection on, or decide who answers. It answers nothing, and knows nothing of the address that datagrams come from.
///
/// A hello may come in fragments, in any order, twice and in several datagrams (RFC 9147 §5.5). In the clear anybody can send
/// some: up to four hellos that contradict each other are put together beside each other, for each of the four message_seqs that a
/// hello may have. Held are at most 20 KiB in all, as they come. When there is more, the message_seq with the most is forgotten:
/// what others send with other ones alone forgets no hello that takes up to 5 KiB, 64 bytes for each of its fragments included.
///
/// ```
/// use portcullis_core::{DatagramPeek, PeekedDatagram};
///
/// let mut peek = DatagramPeek::new();
/// assert!(matches!(peek.on_datagram(b"no DTLS"), PeekedDatagram::Dropped(_)));
/// ```
#[derive(Debug, Default)]
pub struct DatagramPeek(Vec<(u16, Reassembly)>);

impl DatagramPeek {
    /// The longest hello that is found, in bytes, without the headers of records: 16 KiB.
    pub const MAX_HELLO: usize = MAX_HELLO;

    /// Nothing has come yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next datagram. A first hello is found, and one that a server has asked for, whichever begins. Never panics;
    /// the time is in proportion to what has come.
    pub fn on_datagram(&mut self, datagram: &[u8]) -> PeekedDatagram {
        let pieces = match first_hello_pieces(datagram) {
            Ok(pieces) => pieces,
            Err(why) => return PeekedDatagram::Dropped(why),
        };
        let message_seq = pieces.first().map_or(0, |piece| piece.header.message_seq);
        let peeked = match self.put(message_seq, pieces) {
            Ok(Some(view)) => {
                // The next one is looked at by itself.
                self.0 = Vec::new();
                return PeekedDatagram::Hello(view);
            }
            Ok(None) => PeekedDatagram::More,
            Err(why) => PeekedDatagram::Dropped(why),
        };
        while self.held() > MAX_HELLO + BESIDE {
            let all = self.0.iter().enumerate();
            let Some((at, _)) = all.max_by_key(|(_, (_, it))| it.held()) else {
                break;
            };
            self.0.swap_remove(at);
        }
        peeked
    }

    /// The hello, if it is whole with these pieces of it.
    fn put(
        &mut self,
        message_seq: u16,
        pieces: Vec<HelloPiece<'_>>,
    ) -> Result<Option<ClientHelloView>, Discarded> {
        let (mut peeked, mut at) = (Ok(None), self.0.len());
        if let Some(found) = self.0.iter().position(|(seq, _)| *seq == message_seq) {
            at = found;
        } else {
            let fresh = Reassembly::bounded(message_seq, MAX_HELLO, BESIDE);
            self.0.push((message_seq, fresh));
        }
        let Some((_, reassembly)) = self.0.get_mut(at) else {
            return peeked;
        };
        for piece in pieces {
            match reassembly.put(0, piece.header, piece.fragment) {
                Taken::New | Taken::Old => {}
                Taken::Dropped(why) => return Err(why),
                Taken::Broken(_) => return Err(Discarded::UnprotectedFault),
            }
        }
        // One that is none takes no other one with it.
        while let Some((_, mut message)) = reassembly.take_version() {
            match ClientHelloView::of(&mut message) {
                Ok(view) => return Ok(Some(view)),
                Err(_) => peeked = Err(Discarded::Malformed),
            }
        }
        peeked
    }

    /// In bytes.
    fn held(&self) -> usize {
        self.0.iter().map(|(_, it)| it.held()).sum()
    }

    /// Whether a datagram begins with a part of a ClientHello in the clear: with what does not, nobody begins a connection.
    ///
    /// # Errors
    /// Why not.
    pub fn check(datagram: &[u8]) -> Result<(), Discarded> {
        first_hello_pieces(datagram).map(drop)
    }

    /// Whether a datagram of a server's has nothing but what servers say to addresses that may be forged: HelloVerifyRequest (RFC
    /// 6347 §4.2.1), HelloRetryRequest (RFC 9147 §5.1), alerts in the clear, and what is no DTLS. A server that asks for cookies
    /// says anything else only where its cookie was read; of one that does not ask this says nothing.
    pub fn is_said_to_anybody(datagram: &[u8]) -> bool {
        is_said_to_anybody(datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{plain_alert, plain_message, plain_message_in_pieces};
    use crate::suite::CipherSuite;
    use crate::version::ProtocolVersion;
    use crate::wire::extension::{ServerName, put_extension};
    use crate::wire::{
        ExtensionType, HELLO_RETRY_REQUEST_RANDOM, HandshakeType, Syntax, put_message,
    };

    /// A ClientHello of DTLS, header included, whose extensions have so many bytes more.
    fn hello(name: &str, more: usize) -> Vec<u8> {
        let mut out = Vec::new();
        put_message(&mut out, HandshakeType::CLIENT_HELLO, |out| {
            out.extend(ProtocolVersion::DTLS_1_2.0.to_be_bytes());
            out.extend([3; 32]);
            out.extend([0, 0]);
            out.extend([0, 2]);
            out.extend(CipherSuite::TLS_AES_128_GCM_SHA256.0.to_be_bytes());
            out.extend([1, 0]);
            let mut extensions = Vec::new();
            ServerName::put(&mut extensions, name);
            put_extension(&mut extensions, ExtensionType(0x5555), |out| {
                out.resize(out.len() + more, 7);
            });
            out.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
            out.extend(extensions);
        });
        out
    }

    fn name(peeked: PeekedDatagram) -> String {
        match peeked {
            PeekedDatagram::Hello(view) => view.server_name().unwrap_or("none").to_owned(),
            other => panic!("{other:?}"),
        }
    }

    fn dropped(peeked: PeekedDatagram) -> Discarded {
        match peeked {
            PeekedDatagram::Dropped(why) => why,
            other => panic!("{other:?}"),
        }
    }

    fn is_more(peeked: &PeekedDatagram) -> bool {
        matches!(peeked, PeekedDatagram::More)
    }

    #[test]
    fn in_one_datagram_and_in_fragments_of_any_order_and_number() {
        let message = hello("one.test", 500);
        let whole = plain_message(0, 0, &message);
        match DatagramPeek::new().on_datagram(&whole) {
            PeekedDatagram::Hello(view) => assert_eq!(view.raw_bytes(), message),
            other => panic!("{other:?}"),
        }
        for longest in [26, 40, 256, 600] {
            let pieces = plain_message_in_pieces(500, 0, &message, longest);
            for reversed in [false, true] {
                let mut pieces = pieces.clone();
                if reversed {
                    pieces.reverse();
                }
                let mut peek = DatagramPeek::new();
                let last = pieces.pop().unwrap();
                for piece in &pieces {
                    assert!(is_more(&peek.on_datagram(piece)));
                    assert!(is_more(&peek.on_datagram(piece)), "twice");
                }
                assert_eq!(name(peek.on_datagram(&last)), "one.test");
            }
        }
        // Several records in a datagram, and early data behind the hello.
        let pieces = plain_message_in_pieces(500, 0, &message, 256);
        let together = [&pieces.concat()[..], &[0x2d, 0, 1, 0, 3, 1, 2, 3]].concat();
        assert_eq!(name(DatagramPeek::new().on_datagram(&together)), "one.test");
    }

    /// The hello that a server has asked for may be the first that is seen; what was begun before does not stand in its way.
    #[test]
    fn second_hellos_are_found_too() {
        let mut peek = DatagramPeek::new();
        let first = plain_message_in_pieces(9, 0, &hello("one.test", 500), 256);
        assert!(is_more(&peek.on_datagram(&first[0])));
        let second = plain_message(2, 1, &hello("two.test", 0));
        assert_eq!(name(peek.on_datagram(&second)), "two.test");
        let far = plain_message(2, 4, &hello("two.test", 0));
        assert_eq!(dropped(peek.on_datagram(&far)), Discarded::NoHello);
    }

    #[test]
    fn what_somebody_else_sends_between_keeps_no_hello_out() {
        let message = hello("one.test", 2_000);
        let pieces = plain_message_in_pieces(9, 0, &message, 700);
        let mut other = message.clone();
        other[20] ^= 1;
        let forged = plain_message_in_pieces(9, 0, &other, 700);
        let mut peek = DatagramPeek::new();
        assert!(is_more(&peek.on_datagram(&forged[0])));
        assert!(is_more(&peek.on_datagram(&pieces[0])));
        dropped(peek.on_datagram(b"no DTLS"));
        assert!(is_more(&peek.on_datagram(&pieces[1])));
        for piece in &pieces[2..pieces.len() - 1] {
            assert!(is_more(&peek.on_datagram(piece)));
        }
        let found = name(peek.on_datagram(&pieces[pieces.len() - 1]));
        assert_eq!(found, "one.test");
    }

    #[test]
    fn so_long_and_no_longer_and_what_is_held_has_a_bound() {
        let bare = hello("one.test", 0).len() - 4;
        for (length, is_found) in [(MAX_HELLO, true), (MAX_HELLO + 1, false)] {
            let message = hello("one.test", length - bare);
            let whole = plain_message(0, 0, &message);
            match DatagramPeek::new().on_datagram(&whole) {
                PeekedDatagram::Hello(_) => assert!(is_found),
                other => assert!(!is_found, "{other:?}"),
            }
        }
        // Fragments that never become a hello, each of another one.
        let mut peek = DatagramPeek::new();
        for at in 0..200_u32 {
            let mut message = hello("one.test", 16_000);
            message[10..14].copy_from_slice(&at.to_be_bytes());
            let pieces = plain_message_in_pieces(99, 0, &message, 9_000);
            peek.on_datagram(&pieces[(at % 2) as usize]);
            assert!(peek.held() <= MAX_HELLO + BESIDE, "{}", peek.held());
        }
        // Of all message_seqs.
        for seq in 0..16 {
            let pieces = plain_message_in_pieces(99, seq % 4, &hello("one.test", 16_000), 9_000);
            peek.on_datagram(&pieces[0]);
            assert!(peek.held() <= MAX_HELLO + BESIDE, "{}", peek.held());
        }
        assert!(peek.held() > 8_000 && peek.0.len() <= 4);
    }

    #[test]
    fn pieces_of_other_hellos_forget_none() {
        let pieces = plain_message_in_pieces(9, 0, &hello("one.test", 3_000), 700);
        let [first, .., last] = &pieces[..] else {
            panic!("{}", pieces.len());
        };
        let between = |peek: &mut DatagramPeek| {
            for piece in &pieces[1..pieces.len() - 1] {
                assert!(is_more(&peek.on_datagram(piece)));
            }
        };
        // A fragment of another message_seq, and so many that there is no room.
        let mut peek = DatagramPeek::new();
        assert!(is_more(&peek.on_datagram(first)));
        for seq in 1..4 {
            let forged = plain_message_in_pieces(99, seq, &hello("two.test", 16_000), 9_000);
            assert!(is_more(&peek.on_datagram(&forged[0])));
        }
        between(&mut peek);
        assert_eq!(name(peek.on_datagram(last)), "one.test");
        // What is whole and no hello, of this message_seq and of another one.
        for seq in [0, 1] {
            let mut peek = DatagramPeek::new();
            assert!(is_more(&peek.on_datagram(first)));
            let forged = plain_message(9, seq, &[1, 0, 0, 1, 0]);
            assert_eq!(dropped(peek.on_datagram(&forged)), Discarded::Malformed);
            between(&mut peek);
            assert_eq!(name(peek.on_datagram(last)), "one.test");
        }
    }

    #[test]
    fn something_else_is_dropped_by_its_name() {
        let message = hello("one.test", 0);
        let good = plain_message(0, 0, &message);
        let mut protected = good.clone();
        protected[4] = 1;
        let mut old = good.clone();
        old[1] = 3;
        let mut other = good.clone();
        other[13] = 2;
        let mut outside = good.clone();
        // A fragment that is not inside of its message.
        outside[21] = 9;
        for (datagram, why) in [
            (&b""[..], Discarded::NoHello),
            (b"GET / HTTP/1.1", Discarded::ForeignByte),
            (&good[..20], Discarded::Malformed),
            (&old, Discarded::WrongVersion),
            (&protected, Discarded::NoHello),
            (&other, Discarded::NoHello),
            (&outside, Discarded::Malformed),
            (
                &plain_alert(0, crate::AlertDescription::HANDSHAKE_FAILURE),
                Discarded::NoHello,
            ),
            (&[0x2d, 0, 1, 0, 3, 1, 2, 3], Discarded::NoHello),
        ] {
            assert_eq!(dropped(DatagramPeek::new().on_datagram(datagram)), why);
            assert_eq!(DatagramPeek::check(datagram), Err(why));
        }
        assert_eq!(DatagramPeek::check(&good), Ok(()));
        let mut short = message.clone();
        short.truncate(30);
        short[1..4].copy_from_slice(&[0, 0, 26]);
        let short = plain_message(0, 0, &short);
        let why = dropped(DatagramPeek::new().on_datagram(&short));
        assert_eq!(why, Discarded::Malformed);
        assert!(ClientHelloView::new(message.into(), Syntax::Dtls).is_ok());
    }

    #[test]
    fn what_a_server_says_to_anybody() {
        let message = |typ: HandshakeType, random: [u8; 32]| {
            let mut out = Vec::new();
            put_message(&mut out, typ, |out| {
                out.extend([0xfe, 0xfd]);
                out.extend(random);
                out.extend([0; 20]);
            });
            out
        };
        let verify = plain_message(0, 0, &message(HandshakeType::HELLO_VERIFY_REQUEST, [1; 32]));
        let retry = message(HandshakeType::SERVER_HELLO, HELLO_RETRY_REQUEST_RANDOM);
        let answer = message(HandshakeType::SERVER_HELLO, [1; 32]);
        let alert = plain_alert(0, crate::AlertDescription::HANDSHAKE_FAILURE);
        let sealed = [0x2d, 0, 1, 0, 3, 1, 2, 3];
        let with_id = [0x3d, 9, 9, 0, 1, 0, 3, 1, 2, 3];
        for (datagram, is_so) in [
            (verify.clone(), true),
            (plain_message(0, 0, &retry), true),
            (alert.clone(), true),
            ([&verify[..], &alert].concat(), true),
            (b"no DTLS".to_vec(), true),
            (Vec::new(), true),
            (plain_message(0, 1, &answer), false),
            (sealed.to_vec(), false),
            (with_id.to_vec(), false),
            ([&alert[..], &sealed].concat(), false),
            (
                plain_message(0, 1, &message(HandshakeType::CERTIFICATE, [1; 32])),
                false,
            ),
            (vec![20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1], false),
        ] {
            assert_eq!(
                DatagramPeek::is_said_to_anybody(&datagram),
                is_so,
                "{datagram:?}"
            );
        }
        // In pieces: what does not show it yet does not say so.
        let pieces = plain_message_in_pieces(9, 0, &retry, 45);
        assert!(pieces.iter().all(|it| is_said_to_anybody(it)));
        let pieces = plain_message_in_pieces(9, 0, &answer, 13 + 12 + 34);
        assert!(!is_said_to_anybody(&pieces[0]));
    }
}
