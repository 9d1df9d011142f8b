//! The pseudorandom function of TLS 1.2.
//!
//! RFC 5246 §5: P_hash with the hash of the suite. The library has it too, over a context on the
//! heap for each HMAC, and sets its key up for each output.

use core::iter;

use super::hmac::HmacKey;
use super::secret::Secret;

/// Fills `out` with `PRF(key, label, seed)`; the seed is given in parts.
pub(crate) fn prf(key: &HmacKey, label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
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
        for (to, byte) in now.iter_mut().zip(block.as_slice()) {
            *to = *byte;
        }
        rest = later;
        previous = Some(a);
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::tls_prf;

    use super::*;
    use crate::crypto::hash::HashAlgorithm;

    #[test]
    fn the_library_makes_the_same() {
        for (hash, library) in [
            (HashAlgorithm::Sha256, &tls_prf::P_SHA256),
            (HashAlgorithm::Sha384, &tls_prf::P_SHA384),
        ] {
            for secret_len in [1, 32, 48, 66, 128, 129] {
                let secret: Vec<u8> = (0..secret_len).collect();
                let key = HmacKey::new(hash, &secret);
                for out_len in (0..=150).chain([1_000]) {
                    let mut out = vec![0; out_len];
                    prf(&key, b"a label", &[b"a seed ", b"", b"of parts"], &mut out);
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
}
