//! What a CertificateVerify signs.
//!
//! RFC 8446 §4.4.3.

use core::iter::repeat_n;
use core::ops::Deref;

use crate::crypto::hash::{Digest, HashAlgorithm};

const SPACES: usize = 64;
const CONTEXT: usize = 34;

/// 64 spaces, a context string, a zero byte, and the transcript hash.
pub(super) struct SignedContent {
    bytes: [u8; SPACES + CONTEXT + HashAlgorithm::MAX_OUTPUT_LEN],
    len: usize,
}

/// What `signer` signs.
pub(super) fn signed_content(signer: Signer, transcript: &Digest) -> SignedContent {
    let context: &[u8; CONTEXT] = match signer {
        Signer::Server => b"TLS 1.3, server CertificateVerify\0",
        Signer::Client => b"TLS 1.3, client CertificateVerify\0",
    };
    let hash = transcript.as_slice();
    let mut bytes = [0; SPACES + CONTEXT + HashAlgorithm::MAX_OUTPUT_LEN];
    let content = repeat_n(&b' ', SPACES).chain(context).chain(hash);
    for (to, from) in bytes.iter_mut().zip(content) {
        *to = *from;
    }
    SignedContent {
        bytes,
        len: SPACES + CONTEXT + hash.len(),
    }
}

impl Deref for SignedContent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

/// Whose CertificateVerify it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    Server,
    Client,
}
