//! Everything a server's application may ask of a ClientHello.

use bytes::Bytes;
use portcullis_core::ClientHelloView;
use portcullis_core::wire::{HandshakeType, put_message};

/// Takes the body of a ClientHello.
pub fn run(data: &[u8]) {
    let mut message = Vec::new();
    put_message(&mut message, HandshakeType::CLIENT_HELLO, |out| {
        out.extend_from_slice(data);
    });
    let Ok(view) = ClientHelloView::from_message(Bytes::from(message.clone())) else {
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
