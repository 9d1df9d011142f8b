//! What a CertificateVerify signs, and a ServerKeyExchange.
//!
//! RFC 8446 §4.4.3, RFC 5246 §7.4.3.

use core::ops::Deref;

use crate::crypto::hash::{Digest, HashAlgorithm};
use crate::role::Role;
use crate::wire::tls12::ServerParams;

const SPACES: usize = 64;
const CONTEXT: usize = 34;
const MAX_LEN: usize = SPACES + CONTEXT + HashAlgorithm::MAX_OUTPUT_LEN;

/// What a server signs before TLS 1.3: the randoms and its parameters (RFC 5246 §7.4.3).
pub(super) fn server_key_exchange_content(
    client_random: &[u8; 32],
    server_random: &[u8; 32],
    params: &ServerParams<'_>,
) -> Box<[u8]> {
    let mut content = [*client_random, *server_random].concat();
    params.put(&mut content);
    content.into_boxed_slice()
}

/// 64 spaces, a context string, a zero byte, and the transcript hash.
pub(super) struct SignedContent {
    bytes: [u8; MAX_LEN],
    len: usize,
}

/// What `signer` signs.
pub(super) fn signed_content(signer: Role, transcript: &Digest) -> SignedContent {
    let context: &[u8; CONTEXT] = match signer {
        Role::Server => b"TLS 1.3, server CertificateVerify\0",
        Role::Client => b"TLS 1.3, client CertificateVerify\0",
    };
    let mut content = SignedContent {
        bytes: [b' '; MAX_LEN],
        len: SPACES,
    };
    content.push(context);
    content.push(transcript.as_slice());
    content
}

impl SignedContent {
    /// There is room for the context and the longest hash.
    fn push(&mut self, part: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + part.len()) {
            room.copy_from_slice(part);
            self.len += part.len();
        }
    }
}

impl Deref for SignedContent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}
