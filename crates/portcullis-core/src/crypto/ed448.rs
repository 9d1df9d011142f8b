//! Ed448.
//!
//! RFC 8032 §5.2; RFC 8410 §3, §4, §7 for keys and certificates. As [`curve448`](super::curve448).

use core::fmt;

use crrl::ed448::{PrivateKey, PublicKey};
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use zeroize::Zeroizing;

use crate::der::{self, OCTET_STRING, Reader, SEQUENCE};

/// The length of a private key and of a public one.
const LEN: usize = 57;

/// id-Ed448, without parameters.
pub(super) const ED448: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[der::OID, 3, 0x2b, 0x65, 0x71]);

/// A private key: the seed, and its public half.
pub(super) struct Ed448Key {
    seed: Zeroizing<[u8; LEN]>,
    public: [u8; LEN],
}

impl Ed448Key {
    /// Reads PKCS#8.
    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(der::only(pkcs8, SEQUENCE)?);
        fields.contents(der::INTEGER)?;
        fields.contents(SEQUENCE)?;
        let seed = der::only(fields.contents(OCTET_STRING)?, OCTET_STRING)?;
        let seed = Zeroizing::new(<[u8; LEN]>::try_from(seed).ok()?);
        let public = PrivateKey::from_seed(&*seed).public_key.encode();
        Some(Self { seed, public })
    }

    pub(super) const fn public(&self) -> &[u8] {
        &self.public
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let key = PrivateKey::from_seed(&*self.seed);
        key.sign_raw(message).to_vec()
    }
}

/// Verifies its signatures.
pub(super) struct Ed448;

impl fmt::Debug for Ed448 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ED448")
    }
}

impl SignatureVerificationAlgorithm for Ed448 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = PublicKey::decode(public_key).ok_or(InvalidSignature)?;
        // For a key of small order there are signatures that fit any message.
        let is_good = key.point.has_low_order() == 0 && key.verify_raw(signature, message);
        is_good.then_some(()).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        ED448
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        ED448
    }
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    fn pkcs8(seed: &[u8]) -> Vec<u8> {
        [&hex("3047020100300506032b6571043b0439"), seed].concat()
    }

    fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        Ed448.verify_signature(key, message, signature).is_ok()
    }

    /// RFC 8032 §7.4, "1 octet".
    #[test]
    fn the_rfcs_vector() {
        let seed = hex(
            "c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463a
             fbea67c5e8d2877c5e3bc397a659949ef8021e954e0a12274e",
        );
        let key = Ed448Key::from_pkcs8(&pkcs8(&seed)).unwrap();
        assert_eq!(
            key.public(),
            hex(
                "43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c086
                 6aea01eb00742802b8438ea4cb82169c235160627b4c3a9480"
            )
        );
        let signature = hex(
            "26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f435
             2541b143c4b981b7e18f62de8ccdf633fc1bf037ab7cd779805e0dbcc0aae1cb
             cee1afb2e027df36bc04dcecbf154336c19f0af7e0a6472905e799f1953d2a0f
             f3348ab21aa4adafd1d234441cf807c03a00",
        );
        assert_eq!(key.sign(&[3]), signature);
        assert!(verify(key.public(), &[3], &signature));
        assert!(!verify(key.public(), &[4], &signature));
        for at in [0, 56, 57, 112, 113] {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert!(!verify(key.public(), &[3], &changed), "{at}");
        }
        for len in [0, 113] {
            assert!(!verify(key.public(), &[3], &signature[..len]));
        }
    }

    #[test]
    fn keys_that_are_none() {
        for len in [0, 56, 58] {
            assert!(Ed448Key::from_pkcs8(&pkcs8(&vec![1; len])).is_none());
            assert!(!verify(&vec![1; len], b"", &[0; 114]));
        }
        // The neutral point, with which R = 0 and S = 0 would fit.
        let neutral = [&[1][..], &[0; 56]].concat();
        let zero = [&neutral[..], &[0; 57]].concat();
        assert!(!verify(&neutral, b"any", &zero));
    }
}
