//! What a client sends first over datagrams, as somebody sees it who passes it on.

use portcullis_core::wire::{FragmentHeader, HandshakeType};
use portcullis_core::{ClientHelloView, DatagramPeek, PeekedDatagram};

/// A record of a handshake in the clear with a fragment of the message.
fn record(message: &[u8], offset: usize, fragment: &[u8]) -> Vec<u8> {
    let length = |length: usize| u32::try_from(length).expect("it is short");
    let mut content = Vec::new();
    FragmentHeader {
        msg_type: HandshakeType::CLIENT_HELLO,
        length: length(message.len() - 4),
        message_seq: 1,
        fragment_offset: length(offset),
        fragment_length: length(fragment.len()),
    }
    .put(&mut content);
    content.extend(fragment);
    let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
    record.extend((content.len() as u16).to_be_bytes());
    record.extend(content);
    record
}

/// The same hello in fragments, in any order, with something else between them.
fn in_fragments(view: &ClientHelloView) {
    let message = view.raw_bytes();
    let body = &message[4..];
    for size in [100, 1_000, 16_384] {
        let starts = (0..).step_by(size);
        let mut pieces: Vec<_> = body
            .chunks(size)
            .zip(starts)
            .map(|(piece, at)| record(message, at, piece))
            .collect();
        for _ in 0..2 {
            let mut peek = DatagramPeek::new();
            let last = pieces.last().expect("a hello has a body").clone();
            for piece in &pieces[..pieces.len() - 1] {
                assert!(matches!(peek.on_datagram(piece), PeekedDatagram::More));
                let other = peek.on_datagram(b"no DTLS");
                assert!(matches!(other, PeekedDatagram::Dropped(_)));
            }
            match peek.on_datagram(&last) {
                PeekedDatagram::Hello(found) => assert_eq!(found.raw_bytes(), message),
                other => panic!("{other:?}"),
            }
            pieces.reverse();
        }
    }
}

/// Takes datagrams, each with its length in two bytes before it.
pub fn run(data: &[u8]) {
    let (mut rest, mut peek) = (data, DatagramPeek::new());
    while let Some((&[high, low], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(behind.len());
        let (datagram, behind) = behind.split_at(length);
        rest = behind;
        let begins = DatagramPeek::check(datagram);
        match peek.on_datagram(datagram) {
            PeekedDatagram::Hello(view) => {
                assert!(begins.is_ok());
                assert!(view.raw_bytes().len() <= 4 + DatagramPeek::MAX_HELLO);
                if let Some(name) = view.server_name() {
                    assert_eq!(name, name.to_ascii_lowercase());
                }
                in_fragments(&view);
            }
            PeekedDatagram::More => assert!(begins.is_ok()),
            PeekedDatagram::Dropped(why) => assert!(begins.is_ok() || begins == Err(why)),
        }
        // What is sealed is said to nobody else, whatever stands before it.
        if !DatagramPeek::is_said_to_anybody(datagram) {
            let with_more = [datagram, &[0x2c, 0, 0, 0, 0]].concat();
            assert!(!DatagramPeek::is_said_to_anybody(&with_more));
        }
    }
}
