//! MD5 and SHA-1 side by side: the hash of the handshake before TLS 1.2.
//!
//! RFC 4346 §7.4.3, §7.4.9; RFC 2246 has the same. Two messages with one hash need a collision of
//! both at once; that is all there is to say for it.

use md5::{Digest as _, Md5};
use sha1::Sha1;

use super::hash::Digest;

/// A running hash; a copy of it goes on by itself.
#[derive(Clone)]
pub(crate) struct Md5Sha1 {
    md5: Md5,
    sha1: Sha1,
}

impl Md5Sha1 {
    /// The length of both outputs, in bytes.
    pub(crate) const OUTPUT_LEN: usize = 16 + 20;

    pub(crate) fn new() -> Self {
        Self {
            md5: Md5::new(),
            sha1: Sha1::new(),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha1.update(bytes);
    }

    /// `MD5(handshake_messages) + SHA-1(handshake_messages)`.
    pub(crate) fn finish(self) -> Digest {
        let mut both = [0; Self::OUTPUT_LEN];
        let (md5, sha1) = both.split_at_mut(16);
        md5.copy_from_slice(&self.md5.finalize());
        sha1.copy_from_slice(&self.sha1.finalize());
        Digest::truncating(&both)
    }
}

/// Hashes `bytes`.
#[cfg(any(test, feature = "ffi"))]
pub(crate) fn md5_sha1(bytes: &[u8]) -> Digest {
    let mut both = Md5Sha1::new();
    both.update(bytes);
    both.finish()
}

/// SHA-1 alone, which SRP is made with (RFC 5054 §2.4, §2.6).
pub(crate) fn sha1(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    /// RFC 1321 §A.5 and FIPS 180.
    #[test]
    fn known_answers() {
        for (message, expected) in [
            (
                &b""[..],
                "d41d8cd98f00b204e9800998ecf8427e da39a3ee5e6b4b0d3255bfef95601890afd80709",
            ),
            (
                b"abc",
                "900150983cd24fb0d6963f7d28e17f72 a9993e364706816aba3e25717850c26c9cd0d89d",
            ),
        ] {
            assert_eq!(md5_sha1(message).as_slice(), hex(expected));
        }
        let (mut parts, mut copy) = (Md5Sha1::new(), Md5Sha1::new());
        for part in [&b"a"[..], b"", b"bc"] {
            parts.update(part);
            copy = parts.clone();
        }
        assert_eq!(parts.finish(), copy.clone().finish());
        copy.update(b"d");
        assert_eq!(copy.finish(), md5_sha1(b"abcd"));
    }
}
