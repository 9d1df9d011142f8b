//! The pseudorandom functions before TLS 1.3.
//!
//! RFC 5246 §5: P_hash with the hash of the suite. RFC 2246 §5, RFC 4346 §5: P_MD5 xor P_SHA1, each
//! with half of the secret. The library has the former, too, over a context on the heap for each
//! HMAC, and sets its key up for each output.

use core::iter;

use sha1::{Digest as _, Sha1};
use zeroize::Zeroize as _;

use super::block_hash;
use super::hash::{Digest, HashAlgorithm, Hasher};
use super::hmac::{HmacKey, Mac, States};
use super::md5_sha1::Md5Sha1;
use super::secret::Secret;

/// What the pseudorandom function is made of, and what hashes the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrfHash {
    /// TLS 1.1 and 1.0, whatever the suite.
    Md5Sha1,
    /// TLS 1.2.
    Suite(HashAlgorithm),
}

impl From<HashAlgorithm> for PrfHash {
    fn from(hash: HashAlgorithm) -> Self {
        Self::Suite(hash)
    }
}

/// A secret, set up for as many outputs as need be.
pub(crate) enum PrfKey {
    Md5Sha1 {
        md5: States<block_hash::Md5>,
        sha1: States<block_hash::Sha1>,
    },
    Suite(HmacKey),
}

impl PrfKey {
    pub(crate) fn new(hash: PrfHash, secret: &[u8]) -> Self {
        match hash {
            PrfHash::Suite(hash) => Self::Suite(HmacKey::new(hash, secret)),
            PrfHash::Md5Sha1 => {
                // RFC 4346 §5: of an odd number of bytes the middle one is in both halves.
                let half = secret.len().div_ceil(2);
                let (front, _) = secret.split_at(half);
                let (_, back) = secret.split_at(secret.len() - half);
                Self::Md5Sha1 {
                    md5: short_or_hashed(front, |long| md5::Md5::digest(long)),
                    sha1: short_or_hashed(back, |long| Sha1::digest(long)),
                }
            }
        }
    }

    /// The key for somebody else, who need not set it up.
    pub(crate) fn copy(&self) -> Self {
        match self {
            Self::Md5Sha1 { md5, sha1 } => Self::Md5Sha1 {
                md5: md5.copy(),
                sha1: sha1.copy(),
            },
            Self::Suite(key) => Self::Suite(key.copy()),
        }
    }

    /// Moves the key and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        match self {
            Self::Md5Sha1 { md5, sha1 } => Self::Md5Sha1 {
                md5: md5.take(),
                sha1: sha1.take(),
            },
            Self::Suite(key) => Self::Suite(key.take()),
        }
    }

    /// Fills `out` with `PRF(key, label, seed)`; the seed is given in parts.
    pub(crate) fn prf(&self, label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
        match self {
            Self::Suite(key) => p_hash(key, label, seed, out, copy),
            Self::Md5Sha1 { md5, sha1 } => {
                p_hash(md5, label, seed, out, copy);
                p_hash(sha1, label, seed, out, |to, from| {
                    for (to, byte) in to.iter_mut().zip(from) {
                        *to ^= byte;
                    }
                });
            }
        }
    }
}

/// RFC 2104 §2: a key longer than a block is hashed. Both hashes have one of 64 bytes.
fn short_or_hashed<H: block_hash::BlockHash, D: AsMut<[u8]>>(
    key: &[u8],
    hash: impl FnOnce(&[u8]) -> D,
) -> States<H> {
    if key.len() <= H::EMPTY.as_ref().len() {
        return States::new(key);
    }
    // It stands for the key.
    let mut hashed = hash(key);
    let states = States::new(hashed.as_mut());
    hashed.as_mut().zeroize();
    states
}

fn copy(to: &mut [u8], from: &[u8]) {
    to.copy_from_slice(from);
}

/// `P_hash(key, label + seed)`; its bytes meet those in `out` by `put`, as many at once as the hash gives.
fn p_hash(
    key: &impl Mac,
    label: &[u8],
    seed: &[&[u8]],
    out: &mut [u8],
    put: impl Fn(&mut [u8], &[u8]),
) {
    let seed = || iter::once(label).chain(seed.iter().copied());
    let mut previous: Option<Secret> = None;
    let mut rest = out;
    while !rest.is_empty() {
        let a = match &previous {
            None => key.mac(seed()),
            Some(previous) => key.mac(iter::once(previous.as_slice())),
        };
        let block = key.mac(iter::once(a.as_slice()).chain(seed()));
        let (now, later) = rest.split_at_mut(rest.len().min(block.as_slice().len()));
        put(now, block.as_slice().split_at(now.len()).0);
        rest = later;
        previous = Some(a);
    }
}

/// A running hash of the handshake; a copy of it goes on by itself.
#[derive(Clone)]
pub(crate) enum HandshakeHasher {
    Md5Sha1(Md5Sha1),
    Suite(Hasher),
}

impl HandshakeHasher {
    pub(crate) fn new(hash: PrfHash) -> Self {
        match hash {
            PrfHash::Md5Sha1 => Self::Md5Sha1(Md5Sha1::new()),
            PrfHash::Suite(hash) => Self::Suite(Hasher::new(hash)),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5Sha1(both) => both.update(bytes),
            Self::Suite(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        match self {
            Self::Md5Sha1(both) => both.finish(),
            Self::Suite(mut hasher) => hasher.finish(),
        }
    }
}

impl core::fmt::Debug for PrfKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PrfKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{hmac, tls_prf};

    use super::*;
    use crate::crypto::hex;

    #[test]
    fn the_library_makes_the_same() {
        for (hash, library) in [
            (HashAlgorithm::Sha256, &tls_prf::P_SHA256),
            (HashAlgorithm::Sha384, &tls_prf::P_SHA384),
        ] {
            for secret_len in [1, 32, 48, 66, 128, 129] {
                let secret: Vec<u8> = (0..secret_len).collect();
                let key = PrfKey::new(hash.into(), &secret);
                for out_len in (0..=150).chain([1_000]) {
                    let mut out = vec![0; out_len];
                    key.prf(b"a label", &[b"a seed ", b"", b"of parts"], &mut out);
                    if out_len == 0 {
                        continue;
                    }
                    let expected = tls_prf::Secret::new(library, &secret)
                        .unwrap()
                        .derive(b"a label", b"a seed of parts", out_len)
                        .unwrap();
                    assert_eq!(out, expected.as_ref(), "{hash:?} {secret_len} {out_len}");
                }
            }
        }
    }

    #[test]
    fn hmac_of_old_hashes() {
        // RFC 2202 §2: a key longer than a block, and one shorter.
        for (key, message, expected) in [
            (
                vec![0x0b; 16],
                &b"Hi There"[..],
                "9294727a3638bb1c13f48ef8158bfc9d",
            ),
            (
                vec![0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
            ),
        ] {
            let states: States<block_hash::Md5> =
                short_or_hashed(&key, |long| md5::Md5::digest(long));
            assert_eq!(
                Mac::mac(&states, iter::once(message)).as_slice(),
                hex(expected)
            );
        }
        for key_len in [0, 1, 64, 65, 200] {
            let bytes = vec![7; key_len];
            let states: States<block_hash::Sha1> =
                short_or_hashed(&bytes, |long| Sha1::digest(long));
            let library = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes);
            for message_len in 0..=200 {
                let message = vec![9; message_len];
                let mac = Mac::mac(&states, message.chunks(7));
                assert_eq!(mac.as_slice(), hmac::sign(&library, &message).as_ref());
            }
        }
    }

    /// `openssl kdf -keylen 70 -kdfopt digest:MD5-SHA1 -kdfopt hexsecret:000102… -kdfopt seed:'master
    /// secret' -kdfopt seed:'a seed' TLS1-PRF` of OpenSSL 3.
    #[test]
    fn openssl_makes_the_same_before_tls_1_2() {
        for (secret_len, expected) in [
            (
                1_u8,
                "01e53d4c80b03daaf186288bf26c0764e953bae424e18dbd91492c72251232a0 \
                 94de95e0992dd5529bf4ade0e78b5ac3b6050b2ed7425095c2b99f2cd17388d8 \
                 a090cd4f750d",
            ),
            (
                32_u8,
                "61b5318e69738b1a69b4126667322477fd0b703458d1d91e48886a90bbc7f75a \
                 2528c41b5576a9c770efd01183174d84e96c2d6abeedec4d00205bf1cf8dfd54 \
                 02c52b54229f",
            ),
            (
                33_u8,
                "3ada850ff5283f3890d099a0f768ddb238e36c3d035f676c08c895bab7424d09 \
                 6753e5e38479fdfaf8aed8fdd92577f83c1b521348f5ce67a4e6fda94348b3cd \
                 774e751d192c",
            ),
            (
                48_u8,
                "7512a894a8e0609371ae95e89709ba1f13782efe003db51193fdd5198c62ac39 \
                 60aa1403facc133df24493a7eff84654b28dff3d90594937bffca30da3a39467 \
                 e5efe2a44720",
            ),
            (
                66_u8,
                "740c0f4010b393b9e2cdfdb65bc5b86e5cb340ae81d7871d9c9c7ef8dfe032f4 \
                 ffe7e5b24aca6f4502698966d2a2a66b958c9ab5a56347a7d07579923760ad4f \
                 df6ebc0291cd",
            ),
            (
                200_u8,
                "5b427cdce16ce739700da80857b0624948aaf76d7a97cf4d59e20b1b03c34dcf \
                 77c0b5479f54211fc0b48f39cc4908012a22dfe413890111610154cbf084f7dc \
                 f32226db6471",
            ),
        ] {
            let secret: Vec<u8> = (0..secret_len).collect();
            let mut out = [0; 70];
            let key = PrfKey::new(PrfHash::Md5Sha1, &secret);
            key.prf(b"master secret", &[b"a ", b"seed"], &mut out);
            assert_eq!(out.as_slice(), hex(expected), "{secret_len}");
        }
    }
}
