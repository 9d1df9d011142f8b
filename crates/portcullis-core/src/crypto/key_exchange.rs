//! Ephemeral key exchange: elliptic curves, ML-KEM, and both together; finite fields beside them.
//!
//! RFC 8446 §4.2.8.2, §7.4.2; RFC 7748; draft-ietf-tls-ecdhe-mlkem, draft-ietf-tls-mlkem.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::kem::{self, Ciphertext, DecapsulationKey, EncapsulationKey, EncapsulationKeyBytes};

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
enum Method {
    Curve(Curve),
    MlKem(MlKem),
    Hybrid(Curve, MlKem),
    /// What the crypto library does not have.
    Other,
}

impl Method {
    fn of(group: NamedGroup) -> Option<Self> {
        Some(match group {
            NamedGroup::X25519_MLKEM768 => Self::Hybrid(Curve::X25519, MlKem::MlKem768),
            NamedGroup::SECP256R1_MLKEM768 => Self::Hybrid(Curve::P256, MlKem::MlKem768),
            NamedGroup::SECP384R1_MLKEM1024 => Self::Hybrid(Curve::P384, MlKem::MlKem1024),
            NamedGroup::MLKEM768 => Self::MlKem(MlKem::MlKem768),
            NamedGroup::MLKEM1024 => Self::MlKem(MlKem::MlKem1024),
            NamedGroup::X25519 => Self::Curve(Curve::X25519),
            NamedGroup::SECP256R1 => Self::Curve(Curve::P256),
            NamedGroup::SECP384R1 => Self::Curve(Curve::P384),
            NamedGroup::SECP521R1 => Self::Curve(Curve::P521),
            NamedGroup::X448 if cfg!(feature = "curve448") => Self::Other,
            _ if cfg!(feature = "ffi") && group.is_brainpool() => Self::Other,
            _ if cfg!(feature = "finite-field") && group.is_finite_field() => Self::Other,
            _ => return None,
        })
    }
}

/// A private key of one handshake, with its share.
pub(crate) trait KeyPair: Send + Sync {
    /// What the peer is sent.
    fn share(&self) -> &[u8];

    /// The secret that follows from the peer's share.
    ///
    /// # Errors
    /// When the share is none.
    fn agree(&self, peer: &[u8]) -> Result<SharedSecret, BadKeyShare>;
}

/// Makes a key pair of [`Method::Other`].
fn other(group: NamedGroup, random: &mut Random) -> Result<Box<dyn KeyPair>, CryptoFailure> {
    match group {
        #[cfg(feature = "curve448")]
        NamedGroup::X448 => super::curve448::generate(random),
        #[cfg(feature = "ffi")]
        group if group.is_brainpool() => super::brainpool::generate(group, random),
        #[cfg(feature = "finite-field")]
        group => super::finite_field::generate(group, random),
        #[cfg(not(feature = "finite-field"))]
        _ => {
            let _ = random;
            Err(CryptoFailure::KeyShare)
        }
    }
}

// A hybrid's curve: ML-KEM stands first with X25519 and second with the NIST curves, in both
// shares and in the secret.
impl Curve {
    const fn ml_kem_first(self) -> bool {
        matches!(self, Self::X25519)
    }

    /// Splits a share into the curve's part and that of ML-KEM, `ml_kem_len` bytes long.
    fn split(self, share: &[u8], ml_kem_len: usize) -> Result<(&[u8], &[u8]), BadKeyShare> {
        if self.ml_kem_first() {
            let (ml_kem, point) = share.split_at_checked(ml_kem_len).ok_or(BadKeyShare)?;
            Ok((point, ml_kem))
        } else {
            share.split_at_checked(self.share_len()).ok_or(BadKeyShare)
        }
    }

    fn join_shares(self, point: &[u8], ml_kem: &[u8]) -> Vec<u8> {
        if self.ml_kem_first() {
            [ml_kem, point].concat()
        } else {
            [point, ml_kem].concat()
        }
    }

    fn join_secrets(self, curve: &SharedSecret, ml_kem: &SharedSecret) -> SharedSecret {
        let (first, second) = if self.ml_kem_first() {
            (ml_kem, curve)
        } else {
            (curve, ml_kem)
        };
        SharedSecret::joined([first.as_slice(), second.as_slice()])
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
            return PrivateKey::generate(self.library()).map_err(|_| CryptoFailure::KeyShare);
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
        Err(CryptoFailure::KeyShare)
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
            Ok(SharedSecret::new(secret))
        })
    }
}

/// What follows from a private key on this curve that stays, and a peer's point.
///
/// # Errors
/// When the point is not on the curve, or the group is none that has one.
pub(super) fn agree(
    group: NamedGroup,
    private: &PrivateKey,
    share: &[u8],
) -> Result<SharedSecret, BadKeyShare> {
    match Method::of(group) {
        Some(Method::Curve(curve)) => curve.agree(private, share),
        _ => Err(BadKeyShare),
    }
}

/// The library's name for a group that has a curve.
pub(super) fn library(group: NamedGroup) -> Option<&'static agreement::Algorithm> {
    match Method::of(group) {
        Some(Method::Curve(curve)) => Some(curve.library()),
        _ => None,
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

    /// A fresh key, and the encapsulation key that is its share.
    fn generate(self) -> Result<(DecapsulationKey, EncapsulationKeyBytes<'static>), CryptoFailure> {
        let failed = |_| CryptoFailure::KeyShare;
        let key = DecapsulationKey::generate(self.library()).map_err(failed)?;
        let public = key.encapsulation_key().map_err(failed)?;
        let share = public.key_bytes().map_err(failed)?;
        Ok((key, share))
    }

    /// The server's part: a ciphertext and the secret in it. The modulus check of FIPS 203 §7.2
    /// happens here.
    fn encapsulate(
        self,
        share: &[u8],
    ) -> Result<(Ciphertext<'static>, SharedSecret), RespondError> {
        let key = EncapsulationKey::new(self.library(), share).map_err(|_| BadKeyShare)?;
        let (ciphertext, secret) = key.encapsulate().map_err(|_| BadKeyShare)?;
        Ok((ciphertext, SharedSecret::new(secret.as_ref())))
    }

    fn decapsulate(
        self,
        key: &DecapsulationKey,
        ciphertext: &[u8],
    ) -> Result<SharedSecret, BadKeyShare> {
        if ciphertext.len() != self.ciphertext_len() {
            return Err(BadKeyShare);
        }
        let secret = key
            .decapsulate(Ciphertext::from(ciphertext))
            .map_err(|_| BadKeyShare)?;
        Ok(SharedSecret::new(secret.as_ref()))
    }
}

fn public_key(private: &PrivateKey) -> Result<agreement::PublicKey, CryptoFailure> {
    private
        .compute_public_key()
        .map_err(|_| CryptoFailure::KeyShare)
}

fn method(group: NamedGroup) -> Result<Method, CryptoFailure> {
    Method::of(group).ok_or(CryptoFailure::KeyShare)
}

/// How long a client's share of a group is at most, in bytes.
pub(crate) fn share_len(group: NamedGroup) -> usize {
    match Method::of(group) {
        Some(Method::Curve(curve)) => curve.share_len(),
        Some(Method::MlKem(ml_kem)) => ml_kem.encapsulation_key_len(),
        Some(Method::Hybrid(curve, ml_kem)) => curve.share_len() + ml_kem.encapsulation_key_len(),
        // A point of brainpoolP512r1.
        _ => (group.field_bits() as usize).div_ceil(8).max(129),
    }
}

/// The classical group inside of a hybrid.
pub(crate) fn classical_half(group: NamedGroup) -> Option<NamedGroup> {
    match Method::of(group) {
        Some(Method::Hybrid(curve, _)) => Some(curve.group()),
        _ => None,
    }
}

/// What goes to the peer: a key_exchange field.
pub(crate) enum Share {
    Point(agreement::PublicKey),
    Bytes(Vec<u8>),
}

impl Share {
    fn of(private: &PrivateKey) -> Result<Self, CryptoFailure> {
        public_key(private).map(Self::Point)
    }
}

impl core::ops::Deref for Share {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Point(point) => point.as_ref(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// The client's side, waiting for the server's share.
pub(crate) struct ActiveKeyExchange {
    group: NamedGroup,
    private: Private,
    share: Share,
}

/// What the share is the public half of.
enum Private {
    Curve(Curve, PrivateKey),
    MlKem(MlKem, DecapsulationKey),
    Hybrid(Curve, PrivateKey, MlKem, DecapsulationKey),
    Other(Box<dyn KeyPair>),
}

impl ActiveKeyExchange {
    /// Makes a fresh key pair for one of [`NamedGroup::SUPPORTED`].
    ///
    /// # Errors
    /// When the group is none of these, or there is no randomness.
    pub(crate) fn start(group: NamedGroup, random: &mut Random) -> Result<Self, CryptoFailure> {
        let (private, share) = match method(group)? {
            Method::Curve(curve) => {
                let private = curve.generate(random)?;
                let share = Share::of(&private)?;
                (Private::Curve(curve, private), share)
            }
            Method::MlKem(ml_kem) => {
                let (key, share) = ml_kem.generate()?;
                let share = Share::Bytes(share.as_ref().to_vec());
                (Private::MlKem(ml_kem, key), share)
            }
            Method::Hybrid(curve, ml_kem) => {
                let private = curve.generate(random)?;
                let (key, encapsulation_key) = ml_kem.generate()?;
                let point = public_key(&private)?;
                let share = curve.join_shares(point.as_ref(), encapsulation_key.as_ref());
                let private = Private::Hybrid(curve, private, ml_kem, key);
                (private, Share::Bytes(share))
            }
            Method::Other => {
                let pair = other(group, random)?;
                let share = Share::Bytes(pair.share().to_vec());
                (Private::Other(pair), share)
            }
        };
        Ok(Self {
            group,
            private,
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
        let Private::Hybrid(curve, _, ml_kem, _) = &self.private else {
            return None;
        };
        let (point, _) = curve
            .split(&self.share, ml_kem.encapsulation_key_len())
            .ok()?;
        Some((curve.group(), point))
    }

    /// The server answered in [`Self::group`]: gives the shared secret.
    ///
    /// # Errors
    /// When the server's share is no good.
    pub(crate) fn finish(&self, peer_public: &[u8]) -> Result<SharedSecret, BadKeyShare> {
        match &self.private {
            Private::Curve(curve, private) => curve.agree(private, peer_public),
            Private::MlKem(ml_kem, key) => ml_kem.decapsulate(key, peer_public),
            Private::Hybrid(curve, private, ml_kem, key) => {
                let (point, ciphertext) = curve.split(peer_public, ml_kem.ciphertext_len())?;
                let secret = curve.agree(private, point)?;
                let ml_kem_secret = ml_kem.decapsulate(key, ciphertext)?;
                Ok(curve.join_secrets(&secret, &ml_kem_secret))
            }
            Private::Other(pair) => pair.agree(peer_public),
        }
    }

    /// The server answered in the group of [`Self::classical_share`]: gives the shared secret.
    ///
    /// # Errors
    /// When the server's share is no good.
    pub(crate) fn finish_classical(&self, peer_public: &[u8]) -> Result<SharedSecret, BadKeyShare> {
        match &self.private {
            Private::Hybrid(curve, private, ..) => curve.agree(private, peer_public),
            Private::Curve(..) | Private::MlKem(..) | Private::Other(_) => Err(BadKeyShare),
        }
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
) -> Result<(Share, SharedSecret), RespondError> {
    match method(group)? {
        Method::Curve(curve) => {
            let private = curve.generate(random)?;
            let secret = curve.agree(&private, peer_public)?;
            Ok((Share::of(&private)?, secret))
        }
        Method::MlKem(ml_kem) => {
            let (ciphertext, secret) = ml_kem.encapsulate(peer_public)?;
            Ok((Share::Bytes(ciphertext.as_ref().to_vec()), secret))
        }
        Method::Hybrid(curve, ml_kem) => {
            let (point, encapsulation_key) =
                curve.split(peer_public, ml_kem.encapsulation_key_len())?;
            let private = curve.generate(random)?;
            let secret = curve.agree(&private, point)?;
            let (ciphertext, ml_kem_secret) = ml_kem.encapsulate(encapsulation_key)?;
            let secret = curve.join_secrets(&secret, &ml_kem_secret);
            let share = curve.join_shares(public_key(&private)?.as_ref(), ciphertext.as_ref());
            Ok((Share::Bytes(share), secret))
        }
        Method::Other => {
            let pair = other(group, random)?;
            let secret = pair.agree(peer_public)?;
            Ok((Share::Bytes(pair.share().to_vec()), secret))
        }
    }
}

#[cfg(test)]
#[path = "key_exchange_tests.rs"]
mod tests;
