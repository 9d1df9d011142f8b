//! Everything a server's application may ask of a ClientHello.

use bytes::Bytes;
use portcullis_core::wire::{HandshakeType, put_message};
use portcullis_core::{ClientHelloView, Peek};

/// Takes the body of a ClientHello.
pub fn run(data: &[u8]) {
    let mut message = Vec::new();
    put_message(&mut message, HandshakeType::CLIENT_HELLO, |out| {
        out.extend_from_slice(data);
    });
    peek_at_parts(data);
    let view = ClientHelloView::from_message(Bytes::from(message.clone()));
    peek_in_records(&message, data, view.as_ref().ok());
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

/// The most of an input that is looked at in all of its parts.
const PARTS: usize = 512;

/// Takes what a connection may begin with: whatever has come so far, the answer is that of all of it, or asks for no more
/// than what a hello needs.
fn peek_at_parts(wire: &[u8]) {
    let all = ClientHelloView::peek(wire);
    let mut hello_from = 0;
    for length in 0..wire.len().min(PARTS) {
        match (ClientHelloView::peek(&wire[..length]), &all) {
            (Peek::More { at_least }, _) => {
                assert!(at_least > 0);
                hello_from = length + at_least;
            }
            (Peek::Hello(part), Peek::Hello(all)) => {
                assert!(length >= hello_from);
                assert_eq!(part.raw_bytes(), all.raw_bytes());
            }
            (Peek::NotTls, Peek::NotTls) | (Peek::Malformed, Peek::Malformed) => {}
            (part, all) => panic!("{part:?} of {length} bytes, {all:?} of all"),
        }
    }
}

/// The message in records, whose sizes are the bytes of the input itself: it is found as it was, or is none in any records.
fn peek_in_records(message: &[u8], sizes: &[u8], view: Option<&ClientHelloView>) {
    let mut wire = Vec::new();
    let mut rest = message;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (content, behind) = rest.split_at(rest.len().min(1 + usize::from(*size)));
        let length = content.len() as u16;
        wire.extend_from_slice(&[22, 3, 1]);
        wire.extend_from_slice(&length.to_be_bytes());
        wire.extend_from_slice(content);
        rest = behind;
    }
    let is_whole = !wire.is_empty() && wire.len() <= ClientHelloView::MAX_PEEKED;
    match (ClientHelloView::peek(&wire), view) {
        (Peek::Hello(found), Some(view)) => assert_eq!(found.raw_bytes(), view.raw_bytes()),
        (Peek::Malformed, Some(_)) => assert!(!is_whole),
        (Peek::Malformed, None) => {}
        // Without sizes there are no records.
        (Peek::More { .. }, _) => assert!(wire.is_empty()),
        (found, view) => panic!("{found:?} for {view:?}"),
    }
    peek_at_parts(&wire);
}
