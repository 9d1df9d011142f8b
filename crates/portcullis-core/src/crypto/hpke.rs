//! Hybrid public key encryption, in base mode: the one who seals is not known to whoever opens.
//!
//! RFC 9180 §4, §5. The library has no HPKE in its safe interface, and what there is has no P-256; it is made here
//! from the key exchange, HKDF and the AEADs that are there.

use aws_lc_rs::agreement::PrivateKey;
use zeroize::Zeroizing;

use super::CryptoFailure;
use super::aead::{AeadAlgorithm, AeadKey, IV_LEN, TAG_LEN};
use super::hash::HashAlgorithm;
use super::hkdf::{LabelPrefix, Prk};
use super::hmac::HmacKey;
use super::key_exchange::{ActiveKeyExchange, agree, library};
use super::random::Random;
use super::secret::{Secret, SharedSecret};
use crate::named_group::NamedGroup;

/// What stands before every label (§4).
const VERSION: &[u8] = b"HPKE-v1";

/// base, the only mode here (§5).
const MODE_BASE: u8 = 0;

/// How a key is encapsulated (§7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kem {
    /// DHKEM(P-256, HKDF-SHA256).
    P256,
    /// DHKEM(X25519, HKDF-SHA256).
    X25519,
}

impl Kem {
    pub(crate) const fn from_id(id: u16) -> Option<Self> {
        match id {
            0x0010 => Some(Self::P256),
            0x0020 => Some(Self::X25519),
            _ => None,
        }
    }

    pub(crate) const fn id(self) -> u16 {
        match self {
            Self::P256 => 0x0010,
            Self::X25519 => 0x0020,
        }
    }

    const fn group(self) -> NamedGroup {
        match self {
            Self::P256 => NamedGroup::SECP256R1,
            Self::X25519 => NamedGroup::X25519,
        }
    }

    /// The hash of both KEMs.
    const HASH: HashAlgorithm = HashAlgorithm::Sha256;

    /// Whether the bytes have the form of a public key (§7.1.1): the library would also take others of P-256.
    pub(crate) fn is_public_key(self, key: &[u8]) -> bool {
        match self {
            Self::P256 => key.len() == 65 && key.first() == Some(&4),
            Self::X25519 => key.len() == 32,
        }
    }
}

/// How secrets are derived, and what seals (§7.2, §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) kdf: HashAlgorithm,
    pub(crate) aead: AeadAlgorithm,
}

impl Suite {
    /// `None` for what is not here: HKDF-SHA512, and AEAD 0xffff, which seals nothing.
    pub(crate) const fn from_ids(kdf: u16, aead: u16) -> Option<Self> {
        let kdf = match kdf {
            1 => HashAlgorithm::Sha256,
            2 => HashAlgorithm::Sha384,
            _ => return None,
        };
        let aead = match aead {
            1 => AeadAlgorithm::Aes128Gcm,
            2 => AeadAlgorithm::Aes256Gcm,
            3 => AeadAlgorithm::ChaCha20Poly1305,
            _ => return None,
        };
        Some(Self { kdf, aead })
    }

    pub(crate) const fn ids(self) -> (u16, u16) {
        let kdf = match self.kdf {
            HashAlgorithm::Sha256 => 1,
            HashAlgorithm::Sha384 => 2,
        };
        let aead = match self.aead {
            AeadAlgorithm::Aes128Gcm => 1,
            AeadAlgorithm::Aes256Gcm => 2,
            AeadAlgorithm::ChaCha20Poly1305 => 3,
            // `from_ids` gives none of them.
            AeadAlgorithm::Ccm(_) => 0xffff,
        };
        (kdf, aead)
    }
}

/// The public key, the encapsulated key, or what was sealed is no good; which of them is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HpkeError;

impl From<CryptoFailure> for HpkeError {
    fn from(_: CryptoFailure) -> Self {
        Self
    }
}

/// What stands before the scalar in a PrivateKeyInfo.
const PKCS8_X25519: &[u8] = &[
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20,
];

/// The same, with an ECPrivateKey (RFC 5915) without the public half.
const PKCS8_P256: &[u8] = &[
    0x30, 0x41, 2, 1, 0, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 3, 1, 7, 4, 0x27, 0x30, 0x25, 2, 1, 1, 4, 0x20,
];

/// A recipient's private key, which the library wipes.
pub(crate) struct HpkePrivateKey {
    kem: Kem,
    key: PrivateKey,
    public: Box<[u8]>,
}

impl HpkePrivateKey {
    /// Reads a scalar (§7.1.2).
    pub(crate) fn from_bytes(kem: Kem, scalar: &[u8]) -> Result<Self, HpkeError> {
        let library = library(kem.group()).ok_or(HpkeError)?;
        let key = PrivateKey::from_private_key(library, scalar).map_err(|_| HpkeError)?;
        let public = key.compute_public_key().map_err(|_| HpkeError)?;
        let public = public.as_ref().into();
        Ok(Self { kem, key, public })
    }

    /// Reads a PrivateKeyInfo (RFC 5208, RFC 8410 §7).
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, HpkeError> {
        if let Some(scalar) = der.strip_prefix(PKCS8_X25519) {
            // Attributes and the public half may stand behind it.
            let scalar = scalar.get(..32).ok_or(HpkeError)?;
            return Self::from_bytes(Kem::X25519, scalar);
        }
        let library = library(Kem::P256.group()).ok_or(HpkeError)?;
        let key = PrivateKey::from_private_key_der(library, der).map_err(|_| HpkeError)?;
        let public = key.compute_public_key().map_err(|_| HpkeError)?;
        let public = public.as_ref().into();
        Ok(Self {
            kem: Kem::P256,
            key,
            public,
        })
    }

    /// A PrivateKeyInfo of a scalar.
    pub(crate) fn pkcs8(kem: Kem, scalar: &[u8]) -> Zeroizing<Vec<u8>> {
        let prefix = match kem {
            Kem::X25519 => PKCS8_X25519,
            Kem::P256 => PKCS8_P256,
        };
        // In one piece: what grows leaves what it was.
        let mut der = Zeroizing::new(Vec::with_capacity(prefix.len() + scalar.len()));
        der.extend_from_slice(prefix);
        der.extend_from_slice(scalar);
        der
    }

    /// Makes a key, and gives its scalar for whoever keeps it.
    pub(crate) fn generate(
        kem: Kem,
        random: &mut Random,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), CryptoFailure> {
        // A scalar of P-256 is below its order but for one in 2^32.
        for _ in 0..32 {
            let mut scalar = Zeroizing::new(vec![0; 32]);
            random.fill(&mut scalar)?;
            if let Ok(key) = Self::from_bytes(kem, &scalar) {
                return Ok((key, scalar));
            }
        }
        Err(CryptoFailure::KeyShare)
    }

    pub(crate) const fn kem(&self) -> Kem {
        self.kem
    }

    pub(crate) fn public_key(&self) -> &[u8] {
        &self.public
    }
}

impl core::fmt::Debug for HpkePrivateKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("HpkePrivateKey").field(&self.kem).finish()
    }
}

/// What both sides have once the key is encapsulated, with the sequence number of the next message (§5.2).
struct Context {
    key: AeadKey,
    next: u64,
}

/// The sender's side: encapsulates a key once, then seals with it.
pub(crate) struct Sealer {
    context: Context,
    enc: Box<[u8]>,
}

impl Sealer {
    /// SetupBaseS (§5.1.1) for the holder of `public`.
    pub(crate) fn new(
        kem: Kem,
        public: &[u8],
        suite: Suite,
        info: &[u8],
        random: &mut Random,
    ) -> Result<Self, HpkeError> {
        if !kem.is_public_key(public) {
            return Err(HpkeError);
        }
        let ephemeral = ActiveKeyExchange::start(kem.group(), random)?;
        let agreed = ephemeral.finish(public).map_err(|_| HpkeError)?;
        let enc: Box<[u8]> = ephemeral.public_key().into();
        let shared = shared_secret(kem, &agreed, &enc, public)?;
        let context = Context::new(kem, suite, &shared, info)?;
        Ok(Self { context, enc })
    }

    /// The encapsulated key.
    pub(crate) fn enc(&self) -> &[u8] {
        &self.enc
    }

    /// Seals what stands in `out` before the place for the tag.
    pub(crate) fn seal_in_place(&mut self, aad: &[u8], out: &mut [u8]) -> Result<(), HpkeError> {
        let Context { key, next } = &mut self.context;
        key.seal_in_place(*next, aad, out).map_err(|_| HpkeError)?;
        *next += 1;
        Ok(())
    }
}

impl core::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Sealer(..)")
    }
}

/// The recipient's side.
pub(crate) struct Opener(Context);

impl Opener {
    /// SetupBaseR (§5.1.1).
    pub(crate) fn new(
        private: &HpkePrivateKey,
        enc: &[u8],
        suite: Suite,
        info: &[u8],
    ) -> Result<Self, HpkeError> {
        if !private.kem.is_public_key(enc) {
            return Err(HpkeError);
        }
        let agreed = agree(private.kem.group(), &private.key, enc).map_err(|_| HpkeError)?;
        let shared = shared_secret(private.kem, &agreed, enc, &private.public)?;
        Ok(Self(Context::new(private.kem, suite, &shared, info)?))
    }

    /// Counts messages that were opened by another of the same key.
    pub(crate) const fn behind(mut self, messages: u64) -> Self {
        self.0.next += messages;
        self
    }

    /// Opens a message; one that does not open is not counted.
    pub(crate) fn open(&mut self, aad: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, HpkeError> {
        let Context { key, next } = &mut self.0;
        let length = ciphertext.len().checked_sub(TAG_LEN).ok_or(HpkeError)?;
        let (sealed, tag) = ciphertext.split_at_checked(length).ok_or(HpkeError)?;
        let mut plaintext = vec![0; length];
        key.open_into(*next, aad, sealed, tag, &mut plaintext)
            .map_err(|_| HpkeError)?;
        *next += 1;
        Ok(plaintext)
    }
}

impl core::fmt::Debug for Opener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Opener(..)")
    }
}

/// LabeledExtract and LabeledExpand (§4) for one suite_id.
struct Labeled {
    hash: HashAlgorithm,
    suite_id: Vec<u8>,
}

impl Labeled {
    fn extract(&self, salt: &[u8], label: &[u8], ikm: &[u8]) -> Secret {
        let parts: [&[u8]; 4] = [VERSION, &self.suite_id, label, ikm];
        HmacKey::new(self.hash, salt).mac(parts.into_iter())
    }

    fn expand(
        &self,
        secret: &Secret,
        label: &[u8],
        info: &[u8],
        out: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        let length = u16::try_from(out.len()).map_err(|_| CryptoFailure::KeyDerivation)?;
        let length = length.to_be_bytes();
        // The prefix is of labels of TLS, of which there is none here.
        Prk::new(self.hash, LabelPrefix::Tls13, secret)
            .expand(&[&length, VERSION, &self.suite_id, label, info], out)
    }
}

/// ExtractAndExpand (§4.1).
fn shared_secret(
    kem: Kem,
    agreed: &SharedSecret,
    enc: &[u8],
    public: &[u8],
) -> Result<Secret, CryptoFailure> {
    let labeled = Labeled {
        hash: Kem::HASH,
        suite_id: [b"KEM".as_slice(), &kem.id().to_be_bytes()].concat(),
    };
    let eae_prk = labeled.extract(&[], b"eae_prk", agreed.as_slice());
    let kem_context = [enc, public].concat();
    let mut shared = Secret::zeros(Kem::HASH.output_len());
    labeled.expand(
        &eae_prk,
        b"shared_secret",
        &kem_context,
        shared.as_mut_slice(),
    )?;
    Ok(shared)
}

impl Context {
    /// KeySchedule (§5.1).
    fn new(kem: Kem, suite: Suite, shared: &Secret, info: &[u8]) -> Result<Self, CryptoFailure> {
        let (kdf, aead) = suite.ids();
        let ids = [kem.id(), kdf, aead].map(u16::to_be_bytes);
        let labeled = Labeled {
            hash: suite.kdf,
            suite_id: [b"HPKE".as_slice(), ids.as_flattened()].concat(),
        };
        let mut context = vec![MODE_BASE];
        for (label, input) in [(b"psk_id_hash".as_slice(), &[][..]), (b"info_hash", info)] {
            context.extend_from_slice(labeled.extract(&[], label, input).as_slice());
        }
        let secret = labeled.extract(shared.as_slice(), b"secret", &[]);
        let mut key = Secret::zeros(suite.aead.key_len().into());
        labeled.expand(&secret, b"key", &context, key.as_mut_slice())?;
        let mut base_nonce = [0; IV_LEN as usize];
        labeled.expand(&secret, b"base_nonce", &context, &mut base_nonce)?;
        Ok(Self {
            // Its nonces are those of §5.2: the base xor the sequence number.
            key: AeadKey::new(suite.aead, key.as_slice(), &base_nonce)?,
            next: 0,
        })
    }
}

/// A public key of nobody's: what an encapsulated key looks like (RFC 9849 §6.2).
pub(crate) fn fresh_public_key(kem: Kem, random: &mut Random) -> Result<Vec<u8>, CryptoFailure> {
    let pair = ActiveKeyExchange::start(kem.group(), random)?;
    Ok(pair.public_key().to_vec())
}

#[cfg(test)]
#[path = "hpke_tests.rs"]
mod tests;
