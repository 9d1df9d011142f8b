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
