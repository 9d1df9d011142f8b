//! What a CertificateVerify signs.
//!
//! RFC 8446 §4.4.3.

use crate::crypto::hash::Digest;

/// 64 spaces, a context string, a zero byte, and the transcript hash.
pub(super) fn signed_content(signer: Signer, transcript: &Digest) -> Vec<u8> {
    let context: &[u8] = match signer {
        Signer::Server => b"TLS 1.3, server CertificateVerify",
        Signer::Client => b"TLS 1.3, client CertificateVerify",
    };
    let hash = transcript.as_slice();
    let mut content = Vec::with_capacity(64 + context.len() + 1 + hash.len());
    content.resize(64, b' ');
    content.extend_from_slice(context);
    content.push(0);
    content.extend_from_slice(hash);
    content
}

/// Whose CertificateVerify it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    Server,
    Client,
}
