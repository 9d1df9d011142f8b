//! The curves of RFC 5639, before TLS 1.3.
//!
//! RFC 7027. AWS-LC has them, and aws-lc-rs does not offer them.

use portcullis_ffi::{Curve, EcdhPrivateKey, Failed};

use super::CryptoFailure;
use super::key_exchange::{BadKeyShare, KeyPair};
use super::random::Random;
use super::secret::{Inline, SharedSecret};
use crate::NamedGroup;

/// The longest scalar and secret.
const MOST: usize = 64;

struct Brainpool {
    curve: Curve,
    private: EcdhPrivateKey,
    share: Vec<u8>,
}

impl From<Failed> for CryptoFailure {
    fn from(Failed: Failed) -> Self {
        Self::KeyShare
    }
}

/// The library's name of a group, if it is one of these.
fn curve(group: NamedGroup) -> Option<Curve> {
    Some(match group {
        NamedGroup::BRAINPOOLP256R1 => Curve::BrainpoolP256r1,
        NamedGroup::BRAINPOOLP384R1 => Curve::BrainpoolP384r1,
        NamedGroup::BRAINPOOLP512R1 => Curve::BrainpoolP512r1,
        _ => return None,
    })
}

/// A fresh key pair.
///
/// # Errors
/// When there is no randomness, or the group is none of these.
pub(super) fn generate(
    group: NamedGroup,
    random: &mut Random,
) -> Result<Box<dyn KeyPair>, CryptoFailure> {
    let curve = curve(group).ok_or(CryptoFailure::KeyShare)?;
    let private = match random.is_system() {
        true => EcdhPrivateKey::generate(curve)?,
        false => scripted(curve, random)?,
    };
    let share = private.public_key()?;
    Ok(Box::new(Brainpool {
        curve,
        private,
        share,
    }))
}

/// A scalar of random bytes that are none, for tests.
fn scripted(curve: Curve, random: &mut Random) -> Result<EcdhPrivateKey, CryptoFailure> {
    // Another attempt is needed if the scalar is not below the order.
    for _ in 0..32 {
        let mut scalar = Inline::<MOST>::zeros(curve.field_len());
        random.fill(scalar.as_mut_slice())?;
        if let Ok(key) = EcdhPrivateKey::from_scalar(curve, scalar.as_slice()) {
            return Ok(key);
        }
    }
    Err(CryptoFailure::KeyShare)
}

impl KeyPair for Brainpool {
    fn share(&self) -> &[u8] {
        &self.share
    }

    fn agree(&self, peer: &[u8]) -> Result<SharedSecret, BadKeyShare> {
        let mut secret = Inline::<MOST>::zeros(self.curve.field_len());
        let agreed = self.private.agree(peer, secret.as_mut_slice());
        agreed.map_err(|Failed| BadKeyShare)?;
        Ok(SharedSecret::new(secret.as_slice()))
    }
}
