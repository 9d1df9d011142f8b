//! What comes from a hostile node, or is cut anywhere; and files of options.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use erl_dist::message::Message;
use erl_dist::term::{Atom, Binary, FixInteger, ImproperList, List, Map, Pid, Reference, Term};
use futures_util::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use portcullis::x509::SubjectAltName;

use super::challenges::{Challenges, Side, Watch};
use super::frames::HandshakeFrames;
use super::link::{atom, tuple};
use super::node::{Cookie, is_of_host};
use super::options::OptionFile;
use super::terms::{Unsafe, check, to_send};

/// The version, then this.
fn term(bytes: &[u8]) -> Vec<u8> {
    [&[131], bytes].concat()
}

/// Each of these, decoded, has ended a process with the decoder that is below.
#[test]
fn six_bytes_do_not_end_the_process() {
    let refused = |bytes: &[u8], why| assert_eq!(check(&term(bytes)), Err(why), "{bytes:?}");
    // Lists, tuples and maps of four thousand million terms.
    refused(&[108, 0xff, 0xff, 0xff, 0xff], Unsafe::Short);
    refused(&[105, 0xff, 0xff, 0xff, 0xff], Unsafe::Short);
    refused(&[116, 0xff, 0xff, 0xff, 0xff], Unsafe::Short);
    // Of as many as there are bytes behind them, which are none of theirs.
    refused(&[108, 0, 0, 0, 3, 109, 0, 0, 0, 0], Unsafe::Short);
    // A distribution header, an atom of its cache, a compressed term, fragments.
    refused(&[68, 0], Unsafe::Tag(68));
    refused(&[82, 0], Unsafe::Tag(82));
    refused(&[80, 0, 0, 0, 0, 0x78, 0x9c], Unsafe::Tag(80));
    refused(&[69, 0], Unsafe::Tag(69));
    // Shifts by more than a byte has.
    refused(&[77, 0, 0, 0, 1, 0, 7], Unsafe::Bits(0));
    refused(&[77, 0, 0, 0, 1, 9, 7], Unsafe::Bits(9));
    // Binaries, integers, references and functions that are not there.
    refused(&[109, 0xff, 0xff, 0xff, 0xff], Unsafe::Short);
    refused(&[111, 0, 0, 0xff, 0xff, 0], Unsafe::Short);
    refused(&[111, 0xff, 0xff, 0xff, 0xff, 0], Unsafe::TooLargeInteger);
    refused(&[90, 0xff, 0xff, 119, 0], Unsafe::Short);
    refused(&[88, 104, 0], Unsafe::Tag(104));
    let closed_over = [&[112][..], &[0; 25], &[0xff; 4]].concat();
    refused(&closed_over, Unsafe::Short);
    // Nothing, other versions, and more than there is to a message.
    assert_eq!(check(&[]), Err(Unsafe::Short));
    assert_eq!(check(&[130, 106]), Err(Unsafe::Version(130)));
    assert_eq!(
        check(&[131, 106, 131, 106, 131, 106]),
        Err(Unsafe::Trailing)
    );
}

#[test]
fn terms_are_neither_too_deep_nor_too_many() {
    // Tuples of one in each other, and lists at the end of lists.
    for (open, close) in [
        (&[104, 1][..], &[106][..]),
        (&[108, 0, 0, 0, 1, 106], &[106]),
    ] {
        let nested = |depth: usize| term(&[open.repeat(depth), close.to_vec()].concat());
        assert!(check(&nested(255)).is_ok());
        assert_eq!(check(&nested(256)), Err(Unsafe::TooDeep));
        assert_eq!(check(&nested(1_000_000)), Err(Unsafe::TooDeep));
    }
    let list = |count: u32| {
        let nils = vec![106; count as usize + 1];
        term(&[&[108][..], &count.to_be_bytes(), &nils].concat())
    };
    // With the list itself and its end.
    assert!(check(&list((1 << 20) - 2)).is_ok());
    assert_eq!(check(&list((1 << 20) - 1)), Err(Unsafe::TooMany));
}

/// The decoder hashes a key as often as there are maps around it, and compares those with the same hash.
#[test]
fn keys_of_maps_do_not_cost_seconds() {
    let in_maps = |depth: usize, key: &[u8]| {
        let open = [116, 0, 0, 0, 1].repeat(depth);
        term(&[&open[..], key, &vec![106; depth]].concat())
    };
    let nils = [&[108, 0, 0x0f, 0x42, 0x40][..], &[106; 1_000_001]].concat();
    assert!(check(&in_maps(1, &nils)).is_ok());
    assert_eq!(check(&in_maps(250, &nils)), Err(Unsafe::TooCostly));
    // Few terms, and many bytes.
    let bytes = [&[109, 0, 0x10, 0, 0][..], &vec![7; 1 << 20]].concat();
    assert!(check(&in_maps(1, &bytes)).is_ok());
    assert_eq!(check(&in_maps(250, &bytes)), Err(Unsafe::TooCostly));
    // Keys that have one hash: `#{#{} => #{}}`, in each other on either side, as often as there are trees of a size.
    let many = |count: u32, key: &[u8]| {
        let pairs = [key, &[106]].concat().repeat(count as usize);
        term(&[&[116][..], &count.to_be_bytes(), &pairs].concat())
    };
    let tree = [116, 0, 0, 0, 1, 116, 0, 0, 0, 0, 116, 0, 0, 0, 0];
    assert!(check(&many(1000, &tree)).is_ok());
    assert_eq!(check(&many(50_000, &tree)), Err(Unsafe::TooCostly));
    // Many keys without maps are nothing unusual.
    assert!(check(&many(100_000, &[104, 2, 97, 1, 97, 2])).is_ok());
}

/// What the encoder below gets wrong.
#[test]
fn lists_are_sent_as_they_are() {
    let integers = |of: &[i32]| {
        let elements = of.iter().map(|value| FixInteger::from(*value).into());
        Term::from(List::from(elements.collect::<Vec<_>>()))
    };
    let negative = integers(&[-5, 7]);
    // Decoded, and made longer since.
    let mut string = Term::decode(&*term(&[107, 0, 1, b'a'])).expect("a term");
    if let Term::ByteList(list) = &mut string {
        list.bytes = vec![b'a'; 70_000];
    }
    let map = HashMap::from([(negative.clone(), tuple([negative.clone()]))]);
    for (sent, expected) in [
        (negative.clone(), negative.clone()),
        (integers(&[i32::MIN, 255]), integers(&[i32::MIN, 255])),
        (Map { map: map.clone() }.into(), Map { map }.into()),
        (string, integers(&[97; 70_000])),
        (
            ImproperList::from((vec![negative.clone()], negative.clone())).into(),
            ImproperList::from((vec![negative.clone()], negative.clone())).into(),
        ),
    ] {
        let mut bytes = Vec::new();
        let sent = to_send(sent).expect("a term");
        sent.encode(&mut bytes).expect("it is encoded");
        assert!(Term::decode(&*bytes).expect("a term") == expected);
    }
    let mut deep = negative;
    for _ in 0..300 {
        deep = tuple([deep]);
    }
    assert_eq!(to_send(deep), Err(Unsafe::TooDeep));
}

/// Names in certificates are compared as other clients do it.
#[test]
fn hosts_and_wildcards() {
    let certified = |dns: &str| [SubjectAltName::DnsName(dns.to_owned())];
    for (dns, host, expected) in [
        ("a.example.com", "A.example.com", true),
        ("*.example.com", "a.example.com", true),
        ("*.example.com", "*.example.com", false),
        ("*.example.com", ".example.com", false),
        ("*.example.com", "a.b.example.com", false),
        ("*.example.com", "example.com", false),
    ] {
        assert_eq!(is_of_host(&certified(dns), host), expected, "{dns}, {host}");
    }
}

#[test]
fn a_cookie_is_not_shown() {
    let shown = format!("{:?}", Cookie::from("a secret"));
    assert!(!shown.contains("secret"), "{shown}");
}

/// A client is asked a challenge that this node has asked somebody itself, in whichever part.
#[test]
fn own_challenges_are_not_answered() {
    let challenges = Challenges::default();
    let watch = |side| Watch::new(challenges.clone(), side);
    let asks = [b"N\0\0\0\0\0\0\0\0", &[1, 2, 3, 4][..], &[0; 8]].concat();
    let asks_long_ago = [b"n\0\x05\0\0\0\0", &[1, 2, 3, 4][..], b"a@b"].concat();
    let asks_back = [b"r", &[1, 2, 3, 4][..], &[0; 16]].concat();
    for (side, sent) in [
        (Side::Server, &asks),
        (Side::Server, &asks_long_ago),
        (Side::Client, &asks_back),
    ] {
        let mut open = watch(side);
        open.sent(sent);
        for asked in [&asks, &asks_long_ago] {
            // In pieces, too.
            for piece in [1, 4, 100] {
                let mut client = watch(Side::Client);
                client.comes(b"sok").expect("a status");
                client.came();
                let mut pieces = asked.chunks(piece);
                pieces
                    .try_for_each(|piece| client.comes(piece))
                    .expect_err("one of our own");
            }
        }
        drop(open);
        watch(Side::Client).comes(&asks).expect("nobody's");
    }
    // The name of a client, which has its creation where servers have challenges.
    let mut client = watch(Side::Client);
    client.sent(&asks);
    watch(Side::Client).comes(&asks).expect("nobody's");
}

/// Messages of all kinds that an honest node sends.
fn honest() -> Vec<Vec<u8>> {
    let pid = Pid::new("a@localhost", 1, 2, 3);
    let reference = Reference {
        node: Atom::from("a@localhost"),
        id: vec![1, 2, 3],
        creation: 4,
    };
    let tag = ImproperList::from((vec![atom("alias")], reference.clone().into()));
    let call = tuple([
        atom("$gen_call"),
        tuple([pid.clone().into(), tag.into()]),
        tuple([atom("is_auth"), atom("a@localhost")]),
    ]);
    let of_all_kinds: [&[u8]; 9] = [
        // Ports up to OTP 25 and behind, and `#{#{a => 1} => 2}`.
        &[89, 119, 1, b'a', 0, 0, 0, 1, 0, 0, 0, 5],
        &[120, 119, 1, b'a', 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 5],
        &[116, 0, 0, 0, 1, 116, 0, 0, 0, 1, 119, 1, b'a', 97, 1, 97, 2],
        // 2.5, -1, 2^64, a map, seven bits, `fun lists:sum/1`.
        &[70, 0x40, 4, 0, 0, 0, 0, 0, 0],
        &[98, 0xff, 0xff, 0xff, 0xff],
        &[110, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        &[116, 0, 0, 0, 1, 119, 1, b'a', 107, 0, 2, 1, 2],
        &[77, 0, 0, 0, 1, 7, 0xfe],
        &[
            113, 119, 5, b'l', b'i', b's', b't', b's', 119, 3, b's', b'u', b'm', 97, 1,
        ],
    ];
    let mut messages = vec![
        Message::reg_send(pid.clone(), Atom::from("net_kernel"), call),
        Message::send(pid.clone(), Binary::from(vec![1; 300]).into()),
        Message::link(pid.clone(), pid.clone()),
        Message::monitor_p(
            pid.clone(),
            erl_dist::term::PidOrAtom::Pid(pid.clone()),
            reference,
        ),
    ];
    for bytes in of_all_kinds {
        let decoded = Term::decode(&*term(bytes)).expect("a term");
        let list = List::from(vec![decoded, List::nil().into()]);
        messages.push(Message::send(pid.clone(), list.into()));
    }
    let encode = |message: Message| {
        let mut bytes = Vec::new();
        message.write_into(&mut bytes).expect("it is encoded");
        bytes
    };
    messages.into_iter().map(encode).collect()
}

#[test]
fn what_is_honest_passes_and_what_passes_is_decoded() {
    for message in honest() {
        assert!(check(&message).is_ok(), "{message:?}");
        assert!(Message::read_from(&mut &*message).is_ok());
        for end in 0..message.len() {
            // A message may end behind its first term.
            if check(&message[..end]).is_ok() {
                let _ = Message::read_from(&mut &message[..end]);
            }
        }
    }
    // Changed at random: what passes does not end this process.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("a small number")
    };
    let honest = honest();
    let mut passed = 0;
    for _ in 0..200_000 {
        let mut message = honest[random(honest.len())].clone();
        for _ in 0..=random(4) {
            let at = random(message.len());
            message[at] = match random(4) {
                0 => [68, 69, 77, 80, 82, 88, 104, 105, 106, 108, 112, 116][random(12)],
                1 => 0xff,
                _ => u8::try_from(random(256)).expect("a byte"),
            };
        }
        if check(&message).is_ok() {
            passed += 1;
            let _ = Message::read_from(&mut &*message);
        }
    }
    assert!(passed > 10_000, "{passed}");
}

/// A transport that gives and takes a byte or a few at a time.
struct Trickle {
    incoming: Vec<u8>,
    given: usize,
    outgoing: Vec<u8>,
    step: usize,
    is_ready: bool,
}

impl Trickle {
    fn new(incoming: Vec<u8>, step: usize) -> Self {
        Self {
            incoming,
            given: 0,
            outgoing: Vec::new(),
            step,
            is_ready: false,
        }
    }

    /// Every other time it is not.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.is_ready = !self.is_ready;
        match self.is_ready {
            true => Poll::Ready(()),
            false => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_ready(cx));
        let left = &self.incoming[self.given..];
        let count = left.len().min(self.step).min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.given += count;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_ready(cx));
        let count = bytes.len().min(self.step);
        self.outgoing.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn frames_cut_everywhere() {
    let contents: [&[u8]; 3] = [b"sok", b"", &[7; 300]];
    let long: Vec<u8> = contents
        .iter()
        .flat_map(|content| [&(content.len() as u32).to_be_bytes()[..], content].concat())
        .collect();
    let short: Vec<u8> = contents
        .iter()
        .flat_map(|content| [&(content.len() as u16).to_be_bytes()[..], content].concat())
        .collect();
    for step in [1, 2, 3, 5, 4096] {
        // What follows the last frame stays in the transport.
        let incoming = [&long[..], b"\0\0\0\x01p"].concat();
        let mut frames = HandshakeFrames::new(Trickle::new(incoming, step));
        let mut read = vec![0; short.len()];
        for piece in read.chunks_mut(step) {
            frames.read_exact(piece).await.expect("a frame");
        }
        assert_eq!(read, short);
        for content in contents {
            let length = (content.len() as u16).to_be_bytes();
            for piece in length.chunks(1).chain(content.chunks(step)) {
                frames.write_all(piece).await.expect("a piece");
            }
            frames.flush().await.expect("a frame");
        }
        let transport = frames.into_inner().expect("the end of a frame");
        assert_eq!(transport.outgoing, long);
        assert_eq!(&transport.incoming[transport.given..], b"\0\0\0\x01p");
    }
    // Cut short, at each byte: an end between two frames, an error within one.
    let between: Vec<usize> = vec![0, 7, 11, 315];
    for end in 0..=long.len() {
        let mut frames = HandshakeFrames::new(Trickle::new(long[..end].to_vec(), 4096));
        let ends_well = frames.read_to_end(&mut Vec::new()).await.is_ok();
        assert_eq!(ends_well, between.contains(&end), "{end}");
    }
}

#[tokio::test]
async fn frames_that_are_none() {
    // Longer than two bytes can say.
    let mut frames = HandshakeFrames::new(Trickle::new(vec![0, 1, 0, 0, 1], 4096));
    let error = frames.read_to_end(&mut Vec::new()).await;
    let error = error.expect_err("too long a frame");
    assert!(error.to_string().contains("65536"), "{error}");
    // Flushed, or left, within a frame.
    let mut frames = HandshakeFrames::new(Trickle::new(vec![0, 0, 0, 3, b's'], 4096));
    frames.write_all(&[0, 2, 1]).await.expect("a piece");
    frames.flush().await.expect_err("half a frame");
    assert!(frames.into_inner().is_err());
    let mut frames = HandshakeFrames::new(Trickle::new(vec![0, 0, 0, 3, b's'], 4096));
    frames.read_exact(&mut [0; 2]).await.expect("a length");
    assert!(frames.into_inner().is_err());
}

#[test]
fn files_of_options() {
    let why = |text: &str| match OptionFile::read(text) {
        Ok(_) => panic!("{text} is accepted"),
        Err(why) => why,
    };
    let section = |option: &str| format!("[{{server, [{option}]}}].");
    for option in ["list", "binary", "active", "packet", "nodelay", "deliver"] {
        let why = why(&section(&format!("{{{option}, 1}}")));
        assert!(why.contains("the distribution sets it"), "{why}");
    }
    for (text, part) in [
        (section("{verify_fun, {fun x:y/3, []}}"), "a fun is code"),
        (section("{verify, verify_none}"), "verify_peer"),
        (
            section("{fail_if_no_peer_cert, false}"),
            "without a certificate",
        ),
        (section("{certfile, cert}"), "is a string"),
        (section("{versions, ['tlsv1.1']}"), "neither"),
        (
            section("{ciphers, [\"TLS_NO_SUCH_SUITE\"]}"),
            "TLS_NO_SUCH_SUITE",
        ),
        (section("{depth, -1}"), "less than 0"),
        (section("{secure_renegotiate, false}"), "`true`"),
        (section("{reuse_sessions, save}"), "`true` or `false`"),
        (section("{hibernate_after, -1}"), "less than 0"),
        (section("{crl_check, peer}"), "revocation lists"),
        (section("{verify_fun, {m, f, []}}"), "not run here"),
        (section("{server_name_indication, disable}"), "the host"),
        ("[{other, []}].".to_owned(), "server and client"),
        ("[{server, []}]".to_owned(), "`.` is missing"),
        ("[{server, []}]. 1.".to_owned(), "more than one term"),
        ("[\n{server,\n [{depth 1}]}].".to_owned(), "line 3"),
        ("\"open".to_owned(), "is missing"),
        ("[".repeat(100), "nested"),
        ("% ".repeat(40_000), "more than"),
    ] {
        let why = why(&text);
        assert!(why.contains(part), "{why} for {part}");
    }
    let file = OptionFile::read(
        "%% As people write them.
        [{server, [{certfile, \"/no/such\"}, {verify, verify_peer}, {secure_renegotiate, true}]}, % and
         {client, [{depth, 2}, {versions, ['tlsv1.3', 'tlsv1.2']}, inet6, {hibernate_after, 500}]}].\n",
    );
    let Ok(file) = file else {
        panic!("it is not accepted");
    };
    // Each named, none silently.
    assert_eq!(file.ignored, ["client, inet6"]);
    let missing = |result: Result<_, String>| result.expect_err("a file is missing");
    assert!(missing(file.server.server().map(drop)).contains("/no/such"));
    assert!(missing(file.client.client().map(drop)).contains("cacertfile"));
}

/// What the manual lists for the command line (§1.4.4 of 10.7.3.3), each for the side that it is for.
#[test]
fn options_of_the_command_line() {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let why = |text: &str| {
        let mut options = OptionFile::default();
        options
            .add_arguments(&words(text))
            .expect_err("it is accepted")
    };
    for option in [
        "certfile /no/such",
        "keyfile /no/such",
        "password secret",
        "cacertfile /no/such",
        "verify verify_peer",
        "crl_check false",
        "crl_cache {ssl_crl_cache,{internal,[]}}",
        "reuse_sessions false",
        "secure_renegotiate true",
        "depth 3",
        "hibernate_after 500",
        "ciphers ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256",
    ] {
        for side in ["server", "client"] {
            let mut options = OptionFile::default();
            let added = options.add_arguments(&words(&format!("{side}_{option}")));
            assert_eq!(added, Ok(()), "{side}_{option}");
            let is_ignored = option.starts_with("crl_cache");
            assert_eq!(options.ignored.len(), usize::from(is_ignored), "{option}");
        }
    }
    let mut options = OptionFile::default();
    let all = words("server_fail_if_no_peer_cert true server_dhfile /no/such");
    assert_eq!(options.add_arguments(&all), Ok(()));
    assert_eq!(options.ignored, ["server_dhfile"]);
    for (text, part) in [
        ("client_fail_if_no_peer_cert true", "no option"),
        ("client_dhfile /no/such", "no option"),
        ("server_verify_fun {m,f,[]}", "not run here"),
        ("server_verify verify_none", "verify_peer"),
        ("server_crl_check true", "revocation lists"),
        ("client_depth many", "an integer"),
        ("client_depth 1..", "more than one term"),
        ("server_packet 4", "no option"),
        ("certfile /no/such", "`server_` or `client_`"),
        ("server_certfile", "its value is missing"),
        ("client_ciphers NO-SUCH-SUITE", "NO-SUCH-SUITE"),
    ] {
        let why = why(text);
        assert!(why.contains(part), "{why} for {part}");
    }
}
