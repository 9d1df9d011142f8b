//! X448.
//!
//! RFC 7748 §5, §6.2. The crypto library does not have the curve; `crrl` computes on it in a time that
//! depends on no secret.

use crrl::x448::{x448, x448_base};
use zeroize::Zeroizing;

use super::CryptoFailure;
use super::key_exchange::{BadKeyShare, KeyPair};
use super::random::Random;
use super::secret::SharedSecret;

/// The length of a scalar, a share and a secret.
const LEN: usize = 56;

struct X448 {
    scalar: Zeroizing<[u8; LEN]>,
    share: [u8; LEN],
}

/// A fresh key pair.
///
/// # Errors
/// When there is no randomness.
pub(super) fn generate(random: &mut Random) -> Result<Box<dyn KeyPair>, CryptoFailure> {
    let mut scalar = Box::new(X448 {
        scalar: Zeroizing::new([0; LEN]),
        share: [0; LEN],
    });
    random.fill(&mut *scalar.scalar)?;
    scalar.share = x448_base(&scalar.scalar);
    Ok(scalar)
}

impl KeyPair for X448 {
    fn share(&self) -> &[u8] {
        &self.share
    }

    fn agree(&self, peer: &[u8]) -> Result<SharedSecret, BadKeyShare> {
        let peer = peer.try_into().map_err(|_| BadKeyShare)?;
        let secret = Zeroizing::new(x448(peer, &self.scalar));
        // RFC 7748 §6.2, RFC 8446 §7.4.2: so it is for points of small order. All bytes are looked at.
        if secret.iter().fold(0, |all, byte| all | byte) == 0 {
            return Err(BadKeyShare);
        }
        Ok(SharedSecret::new(&*secret))
    }
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    fn pair(scalar: &str) -> Box<dyn KeyPair> {
        generate(&mut Random::script(hex(scalar))).unwrap()
    }

    /// RFC 7748 §6.2.
    #[test]
    fn the_rfcs_vector() {
        let alice = pair(
            "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28d
             d9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b",
        );
        let bob = pair(
            "1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d
             6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d",
        );
        let secret = hex("07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282b
             b60c0b56fd2464c335543936521c24403085d59a449a5037514a879d");
        assert_eq!(
            alice.share(),
            hex("9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c
                 22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0")
        );
        assert_eq!(alice.agree(bob.share()).unwrap().as_slice(), secret);
        assert_eq!(bob.agree(alice.share()).unwrap().as_slice(), secret);
    }

    /// The points of small order on the curve and on its twist, and those that are they once reduced.
    #[test]
    fn points_of_small_order_and_other_lengths_are_refused() {
        let pair = generate(&mut Random::seeded(1)).unwrap();
        let p_minus_1 = [&[0xfe][..], &[0xff; 27], &[0xfe], &[0xff; 27]].concat();
        let p = [&[0xff; 28][..], &[0xfe], &[0xff; 27]].concat();
        let p_plus_1 = [&[0; 28][..], &[0xff; 28]].concat();
        let one = [&[1][..], &[0; 55]].concat();
        for point in [vec![0; 56], one, p_minus_1, p, p_plus_1] {
            assert_eq!(pair.agree(&point), Err(BadKeyShare), "{point:02x?}");
        }
        for len in [0, 55, 57] {
            assert_eq!(pair.agree(&vec![5; len]), Err(BadKeyShare), "{len}");
        }
        assert!(pair.agree(&[5; 56]).is_ok());
    }
}
