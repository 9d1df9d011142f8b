//! Everything a server's application may ask of a ClientHello.

use bytes::Bytes;
use portcullis_core::wire::{HandshakeType, put_message};
use portcullis_core::{ClientHelloView, Peek};

/// Whatever a client sends first: a piece of it is not enough, or its answer is that of the whole.
fn look_at_pieces(received: &[u8]) {
    let whole = ClientHelloView::peek(received);
    let kind = |peek: &Peek| match peek {
        Peek::More { .. } => 0,
        Peek::Hello(_) => 1,
        Peek::NotTls => 2,
        Peek::Malformed => 3,
    };
    for length in [
        1,
        5,
        6,
        9,
        received.len() / 2,
        received.len().saturating_sub(1),
    ] {
        let Some(piece) = received.get(..length) else {
            continue;
        };
        match ClientHelloView::peek(piece) {
            Peek::More { at_least } => {
                assert!(at_least > 0);
                let end = received.len().min(length + at_least - 1);
                let almost = ClientHelloView::peek(&received[..end]);
                assert!(!matches!(almost, Peek::Hello(_)), "{length} {at_least}");
            }
            found => assert_eq!(kind(&found), kind(&whole), "{length}: {found:?} {whole:?}"),
        }
    }
}

/// The message in records of other sizes, and something behind it.
fn look_at_records(message: &[u8], is_hello: bool) {
    for size in [1, 7, 1_000, 16_384] {
        let mut records = Vec::new();
        for part in message.chunks(size) {
            records.extend([22, 3, 1]);
            records.extend((part.len() as u16).to_be_bytes());
            records.extend(part);
        }
        records.extend([23, 3, 3, 0, 1, 0]);
        if records.len() > ClientHelloView::MAX_PEEKED {
            continue;
        }
        match ClientHelloView::peek(&records) {
            Peek::Hello(view) => assert!(is_hello && view.raw_bytes() == message),
            Peek::Malformed => assert!(!is_hello),
            other => panic!("{other:?}"),
        }
    }
}

/// Takes the body of a ClientHello, and what a client sends.
pub fn run(data: &[u8]) {
    look_at_pieces(data);
    let mut message = Vec::new();
    put_message(&mut message, HandshakeType::CLIENT_HELLO, |out| {
        out.extend_from_slice(data);
    });
    let view = ClientHelloView::from_message(Bytes::from(message.clone()));
    look_at_records(&message, view.is_ok());
    let Ok(view) = view else {
        return;
    };
    assert_eq!(view.raw_bytes(), message);
    assert!(view.session_id().len() <= 32);
    let count = view.cipher_suites().count()
        + view.alpn_protocols().map(<[u8]>::len).sum::<usize>()
        + view.supported_versions().count()
        + view.groups().count()
        + view.key_share_groups().count()
        + view.signature_schemes().count()
        + view.certificate_authorities().count();
    // All of these are at least one byte each, and extensions do not overlap.
    assert!(count <= message.len());
    for (extension_type, body) in view.extensions() {
        assert_eq!(
            view.extension(extension_type).is_some(),
            view.extensions().any(|(other, _)| other == extension_type)
        );
        assert!(body.len() < message.len());
    }
    if let Some(name) = view.server_name() {
        assert_eq!(name, name.to_ascii_lowercase());
        assert!(!name.is_empty());
    }
    let (string, digest) = view.ja3();
    assert_eq!(string.bytes().filter(|byte| *byte == b',').count(), 4);
    assert_eq!(digest.len(), 32);
    // t13d1516h2_8daaf6152771_e5627efa2ab1
    let ja4 = view.ja4();
    let parts: Vec<_> = ja4.split('_').map(str::len).collect();
    assert_eq!(parts, [10, 12, 12], "{ja4}");
    let _ = format!("{view:?}");
}
