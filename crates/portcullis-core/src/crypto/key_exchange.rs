//! Ephemeral key exchange: elliptic curves, and curves with ML-KEM.
//!
//! RFC 8446 §4.2.8.2, §7.4.2; RFC 7748; draft-ietf-tls-ecdhe-mlkem.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::kem::{self, Ciphertext, DecapsulationKey, EncapsulationKey};

use super::CryptoFailure;
use super::random::Random;
use super::secret::{Inline, SharedSecret};
use crate::NamedGroup;

/// The peer's share has the wrong length, is not on the curve, is of small order, or is not an
/// encoding of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadKeyShare;

/// Why there is no answer to a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RespondError {
    /// The peer's fault.
    BadKeyShare,
    /// Not the peer's fault.
    Crypto(CryptoFailure),
}

impl From<BadKeyShare> for RespondError {
    fn from(BadKeyShare: BadKeyShare) -> Self {
        Self::BadKeyShare
    }
}

impl From<CryptoFailure> for RespondError {
    fn from(failure: CryptoFailure) -> Self {
        Self::Crypto(failure)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    X25519,
    P256,
    P384,
    P521,
}

#[derive(Clone, Copy)]
enum MlKem {
    MlKem768,
    MlKem1024,
}

/// What a group is made of.
#[derive(Clone, Copy)]
struct Method {
    curve: Curve,
    ml_kem: Option<MlKem>,
}

impl Method {
    fn of(group: NamedGroup) -> Option<Self> {
        let (curve, ml_kem) = match group {
            NamedGroup::X25519_MLKEM768 => (Curve::X25519, Some(MlKem::MlKem768)),
            NamedGroup::SECP256R1_MLKEM768 => (Curve::P256, Some(MlKem::MlKem768)),
            NamedGroup::SECP384R1_MLKEM1024 => (Curve::P384, Some(MlKem::MlKem1024)),
            NamedGroup::X25519 => (Curve::X25519, None),
            NamedGroup::SECP256R1 => (Curve::P256, None),
            NamedGroup::SECP384R1 => (Curve::P384, None),
            NamedGroup::SECP521R1 => (Curve::P521, None),
            _ => return None,
        };
        Some(Self { curve, ml_kem })
    }

    /// The order of the parts, in both shares and in the secret: ML-KEM stands first with
    /// X25519 and second with the NIST curves.
    const fn ml_kem_first(self) -> bool {
        matches!(self.curve, Curve::X25519)
    }

    /// Splits a share into the curve's part and that of ML-KEM, `ml_kem_len` bytes long.
    fn split(self, share: &[u8], ml_kem_len: usize) -> Result<(&[u8], &[u8]), BadKeyShare> {
        if self.ml_kem_first() {
            let (ml_kem, point) = share.split_at_checked(ml_kem_len).ok_or(BadKeyShare)?;
            Ok((point, ml_kem))
        } else {
            share
                .split_at_checked(self.curve.share_len())
                .ok_or(BadKeyShare)
        }
    }

    fn join_shares(self, point: &[u8], ml_kem: &[u8]) -> Vec<u8> {
        if self.ml_kem_first() {
            [ml_kem, point].concat()
        } else {
            [point, ml_kem].concat()
        }
    }

    fn join_secrets(
        self,
        curve: &SharedSecret,
        ml_kem: &[u8],
    ) -> Result<SharedSecret, CryptoFailure> {
        let (first, second) = if self.ml_kem_first() {
            (ml_kem, curve.as_slice())
        } else {
            (curve.as_slice(), ml_kem)
        };
        let mut joined = SharedSecret::new(first)?;
        joined.push(second)?;
        Ok(joined)
    }
}

impl Curve {
    const fn group(self) -> NamedGroup {
        match self {
            Self::X25519 => NamedGroup::X25519,
            Self::P256 => NamedGroup::SECP256R1,
            Self::P384 => NamedGroup::SECP384R1,
            Self::P521 => NamedGroup::SECP521R1,
        }
    }

    fn library(self) -> &'static agreement::Algorithm {
        match self {
            Self::X25519 => &agreement::X25519,
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
            Self::P521 => &agreement::ECDH_P521,
        }
    }

    /// The length of a coordinate, a scalar and a secret, in bytes.
    const fn field_len(self) -> usize {
        match self {
            Self::X25519 | Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn share_len(self) -> usize {
        match self {
            Self::X25519 => 32,
            _ => 1 + 2 * self.field_len(),
        }
    }

    fn generate(self, random: &mut Random) -> Result<PrivateKey, CryptoFailure> {
        if random.is_system() {
            return PrivateKey::generate(self.library())
                .map_err(|_| CryptoFailure("generating a key share"));
        }
        // More than one attempt is needed only if the scalar is not below the order.
        for _ in 0..32 {
            let mut scalar = Inline::<66>::zeros(self.field_len());
            random.fill(scalar.as_mut_slice())?;
            if let (Self::P521, Some(first)) = (self, scalar.as_mut_slice().first_mut()) {
                *first &= 1;
            }
            if let Ok(key) = PrivateKey::from_private_key(self.library(), scalar.as_slice()) {
                return Ok(key);
            }
        }
        Err(CryptoFailure("finding a private scalar"))
    }

    fn agree(self, private: &PrivateKey, share: &[u8]) -> Result<SharedSecret, BadKeyShare> {
        // The library would also take compressed points and SubjectPublicKeyInfo; §4.2.8.2
        // knows the uncompressed form alone.
        const UNCOMPRESSED: u8 = 4;
        if share.len() != self.share_len()
            || (self != Self::X25519 && share.first() != Some(&UNCOMPRESSED))
        {
            return Err(BadKeyShare);
        }
        // The library checks that the point is on the curve, and that the result of X25519 is
        // not zero (§7.4.2).
        let share = UnparsedPublicKey::new(self.library(), share);
        agreement::agree(private, share, BadKeyShare, |secret| {
            SharedSecret::new(secret).map_err(|_| BadKeyShare)
        })
    }
}

impl MlKem {
    fn library(self) -> &'static kem::Algorithm<kem::AlgorithmId> {
        match self {
            Self::MlKem768 => &kem::ML_KEM_768,
            Self::MlKem1024 => &kem::ML_KEM_1024,
        }
    }

    const fn encapsulation_key_len(self) -> usize {
        match self {
            Self::MlKem768 => 1184,
            Self::MlKem1024 => 1568,
        }
    }

    const fn ciphertext_len(self) -> usize {
        match self {
            Self::MlKem768 => 1088,
            Self::MlKem1024 => 1568,
        }
    }
}

fn public_key(private: &PrivateKey) -> Result<agreement::PublicKey, CryptoFailure> {
    private
        .compute_public_key()
        .map_err(|_| CryptoFailure("computing a key share"))
}

fn method(group: NamedGroup) -> Result<Method, CryptoFailure> {
    Method::of(group).ok_or(CryptoFailure("a group that is not supported"))
}

/// The client's side, waiting for the server's share.
pub(crate) struct ActiveKeyExchange {
    group: NamedGroup,
    method: Method,
    private: PrivateKey,
    decapsulation_key: Option<DecapsulationKey>,
    share: Vec<u8>,
}

impl ActiveKeyExchange {
    /// Makes a fresh key pair for one of [`NamedGroup::SUPPORTED`].
    ///
    /// # Errors
    /// When the group is none of these, or there is no randomness.
    pub(crate) fn start(group: NamedGroup, random: &mut Random) -> Result<Self, CryptoFailure> {
        let method = method(group)?;
        let private = method.curve.generate(random)?;
        let point = public_key(&private)?;
        let (decapsulation_key, share) = match method.ml_kem {
            None => (None, point.as_ref().to_vec()),
            Some(ml_kem) => {
                let failed = |_| CryptoFailure("generating an ML-KEM key");
                let key = DecapsulationKey::generate(ml_kem.library()).map_err(failed)?;
                let public = key.encapsulation_key().map_err(failed)?;
                let public = public.key_bytes().map_err(failed)?;
                let share = method.join_shares(point.as_ref(), public.as_ref());
                (Some(key), share)
            }
        };
        Ok(Self {
            group,
            method,
            private,
            decapsulation_key,
            share,
        })
    }

    pub(crate) const fn group(&self) -> NamedGroup {
        self.group
    }

    /// The key_exchange field of our KeyShareEntry.
    pub(crate) fn public_key(&self) -> &[u8] {
        &self.share
    }

    /// The curve of a hybrid group and the share that may be offered for it too, with the same
    /// key (draft-ietf-tls-ecdhe-mlkem); a server can then choose the curve alone.
    pub(crate) fn classical_share(&self) -> Option<(NamedGroup, &[u8])> {
        let ml_kem_len = self.method.ml_kem?.encapsulation_key_len();
        let (point, _) = self.method.split(&self.share, ml_kem_len).ok()?;
        Some((self.method.curve.group(), point))
    }

    /// The server answered in [`Self::group`]: gives the shared secret.
    ///
    /// # Errors
    /// When the server's share is no good.
    pub(crate) fn finish(self, peer_public: &[u8]) -> Result<SharedSecret, BadKeyShare> {
        let Self {
            method, private, ..
        } = &self;
        let (Some(ml_kem), Some(key)) = (method.ml_kem, &self.decapsulation_key) else {
            return method.curve.agree(private, peer_public);
        };
        let (point, ciphertext) = method.split(peer_public, ml_kem.ciphertext_len())?;
        if ciphertext.len() != ml_kem.ciphertext_len() {
            return Err(BadKeyShare);
        }
        let curve_secret = method.curve.agree(private, point)?;
        let ml_kem_secret = key
            .decapsulate(Ciphertext::from(ciphertext))
            .map_err(|_| BadKeyShare)?;
        method
            .join_secrets(&curve_secret, ml_kem_secret.as_ref())
            .map_err(|_| BadKeyShare)
    }

    /// The server answered in the group of [`Self::classical_share`]: gives the shared secret.
    ///
    /// # Errors
    /// When the server's share is no good.
    pub(crate) fn finish_classical(self, peer_public: &[u8]) -> Result<SharedSecret, BadKeyShare> {
        self.method.curve.agree(&self.private, peer_public)
    }
}

impl core::fmt::Debug for ActiveKeyExchange {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("ActiveKeyExchange")
            .field(&self.group)
            .finish()
    }
}

/// The server's side: answers the client's share with ours and gives the shared secret.
///
/// # Errors
/// When the client's share is no good; or, not by the client's fault, when the group is none of
/// [`NamedGroup::SUPPORTED`] or there is no randomness.
pub(crate) fn respond(
    group: NamedGroup,
    peer_public: &[u8],
    random: &mut Random,
) -> Result<(Vec<u8>, SharedSecret), RespondError> {
    let method = method(group)?;
    let Some(ml_kem) = method.ml_kem else {
        let private = method.curve.generate(random)?;
        let secret = method.curve.agree(&private, peer_public)?;
        return Ok((public_key(&private)?.as_ref().to_vec(), secret));
    };

    let (point, encapsulation_key) = method.split(peer_public, ml_kem.encapsulation_key_len())?;
    let encapsulation_key =
        EncapsulationKey::new(ml_kem.library(), encapsulation_key).map_err(|_| BadKeyShare)?;
    let private = method.curve.generate(random)?;
    let curve_secret = method.curve.agree(&private, point)?;
    // The modulus check of FIPS 203 §7.2 happens here.
    let (ciphertext, ml_kem_secret) = encapsulation_key.encapsulate().map_err(|_| BadKeyShare)?;
    let secret = method.join_secrets(&curve_secret, ml_kem_secret.as_ref())?;
    let share = method.join_shares(public_key(&private)?.as_ref(), ciphertext.as_ref());
    Ok((share, secret))
}

#[cfg(test)]
#[path = "key_exchange_tests.rs"]
mod tests;
