//! ECDH with the key of a certificate: the private half of an ECDSA key as the library agrees with it.
//!
//! RFC 4492 §2.1, §2.3, RFC 8422 §5.10. A key that stays is what invalid curves are for (Jager, Schwenk,
//! Somorovsky 2015): a point that is not on the key's own tells something of it, so no such point is multiplied.

use core::fmt;
use std::sync::OnceLock;

use aws_lc_rs::agreement;
use aws_lc_rs::encoding::{AsBigEndian as _, EcPrivateKeyBin};
use aws_lc_rs::signature::EcdsaKeyPair;

use super::key_exchange::{BadKeyShare, agree, library};
use super::secret::SharedSecret;
use super::signature_before_tls13::ecdsa_curve;
use crate::der;
use crate::named_group::NamedGroup;

/// A private key in the form that does this, made when it is first asked for.
#[derive(Default)]
pub(super) struct StaticKey(OnceLock<Option<agreement::PrivateKey>>);

impl StaticKey {
    /// What follows from the key of `pair`, which is always the same, and the peer's point.
    ///
    /// # Errors
    /// When the point is none of the key's curve; or when that has no key exchange here.
    pub(super) fn agree(
        &self,
        pair: &EcdsaKeyPair,
        curve: NamedGroup,
        peer: &[u8],
    ) -> Result<SharedSecret, BadKeyShare> {
        let key = self.0.get_or_init(|| private_key(pair, curve));
        agree(curve, key.as_ref().ok_or(BadKeyShare)?, peer)
    }
}

fn private_key(pair: &EcdsaKeyPair, curve: NamedGroup) -> Option<agreement::PrivateKey> {
    // The library wipes it.
    let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().ok()?;
    agreement::PrivateKey::from_private_key(library(curve)?, scalar.as_ref()).ok()
}

/// The curve and the point of an ECDSA key in a SubjectPublicKeyInfo.
pub(crate) fn point_in_key(spki_der: &[u8]) -> Option<(NamedGroup, &[u8])> {
    let (_, point) = der::public_key_info(spki_der)?;
    Some((ecdsa_curve(spki_der)?, point))
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::PrivateKeyDer;

    use super::*;
    use crate::crypto::PrivateKey;
    use crate::crypto::key_exchange::respond;
    use crate::crypto::random::Random;

    const CURVES: [(NamedGroup, &rcgen::SignatureAlgorithm); 3] = [
        (NamedGroup::SECP256R1, &rcgen::PKCS_ECDSA_P256_SHA256),
        (NamedGroup::SECP384R1, &rcgen::PKCS_ECDSA_P384_SHA384),
        (NamedGroup::SECP521R1, &rcgen::PKCS_ECDSA_P521_SHA512),
    ];

    /// The private half, and the SubjectPublicKeyInfo.
    fn key(algorithm: &'static rcgen::SignatureAlgorithm) -> (PrivateKey, Vec<u8>) {
        let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let der = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
        let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
        (PrivateKey::from_der(&der).unwrap(), spki)
    }

    #[test]
    fn both_sides_get_the_same_secret_again_and_again() {
        for (curve, algorithm) in CURVES {
            let (private, spki) = key(algorithm);
            let (found, point) = point_in_key(&spki).unwrap();
            assert_eq!(found, curve);
            for _ in 0..3 {
                let (theirs, secret) = respond(curve, point, &mut Random::system()).unwrap();
                assert!(private.agree(curve, &theirs).unwrap() == secret);
            }
        }
    }

    #[test]
    fn another_curve_and_another_kind_of_key_have_none() {
        let (private, spki) = key(CURVES[0].1);
        let (_, point) = point_in_key(&spki).unwrap();
        for (curve, algorithm) in &CURVES[1..] {
            let (_, other) = key(algorithm);
            let (_, other) = point_in_key(&other).unwrap();
            assert!(private.agree(CURVES[0].0, other).is_err(), "{curve}");
            // A key that said another curve than its own would have none there.
            let (again, _) = key(CURVES[0].1);
            assert!(again.agree(*curve, other).is_err(), "{curve}");
        }
        for group in [NamedGroup::X25519, NamedGroup::X25519_MLKEM768] {
            let (again, _) = key(CURVES[0].1);
            assert!(again.agree(group, point).is_err(), "{group}");
        }
        let (ed25519, spki) = key(&rcgen::PKCS_ED25519);
        assert!(ed25519.agree(CURVES[0].0, point).is_err());
        assert_eq!(point_in_key(&spki), None);
    }

    /// By whoever is in between, or by a wrong bit.
    #[test]
    fn a_point_off_the_curve_is_not_multiplied() {
        for (curve, algorithm) in CURVES {
            let (private, spki) = key(algorithm);
            let (_, point) = point_in_key(&spki).unwrap();
            for at in [1, point.len() / 2, point.len() - 1] {
                let mut off = point.to_vec();
                off[at] ^= 1;
                assert!(private.agree(curve, &off).is_err(), "{curve}, byte {at}");
            }
        }
    }
}
