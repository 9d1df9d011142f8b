//! RSA signatures of TLS 1.1 and 1.0: PKCS#1 around MD5 and SHA-1, without a DigestInfo.
//!
//! RFC 4346 §7.4.3, RFC 8017 §8.2. The crypto library makes no such signature in its safe interface,
//! so this is the `rsa` crate, which computes in constant time and blinds what it signs since 0.10.
//! It is used here and nowhere else: not for decryption, where its padding check would be an oracle.

use core::fmt;
use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::RsaKeyPair;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::{BoxedUint, Pkcs1v15Sign};

use super::md5_sha1::md5_sha1;
use super::random::{Random, Unavailable};
use super::signature::{BadSignature, RSA_BITS};
use crate::der::{self, Reader};

/// A private key in the form that signs so, made when it is first asked for.
#[derive(Default)]
pub(super) struct LegacyKey(OnceLock<Option<Box<rsa::PrivateKey>>>);

impl LegacyKey {
    /// Signs with the key of `pair`, which is always the same.
    ///
    /// # Errors
    /// When the key cannot be read, or the result does not verify.
    pub(super) fn sign(&self, pair: &RsaKeyPair, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let key = self.0.get_or_init(|| private_key(pair).map(Box::new));
        let key = key.as_ref().ok_or(Unspecified)?;
        let digest = md5_sha1(message);
        key.sign_with_rng(
            &mut Blinding(Random::system()),
            Pkcs1v15Sign::new_unprefixed(),
            digest.as_slice(),
        )
        .map_err(|_| Unspecified)
    }
}

/// Reads RSAPrivateKey (RFC 8017 §A.1.2) out of PKCS#8.
fn private_key(pair: &RsaKeyPair) -> Option<rsa::PrivateKey> {
    let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(pair).ok()?;
    let mut info = Reader::new(Reader::new(pkcs8.as_ref()).contents(der::SEQUENCE)?);
    info.contents(der::INTEGER)?;
    info.contents(der::SEQUENCE)?;
    let key = info.contents(der::OCTET_STRING)?;
    let mut key = Reader::new(Reader::new(key).contents(der::SEQUENCE)?);
    key.contents(der::INTEGER)?;
    let modulus = unsigned(key.contents(der::INTEGER)?);
    let bits = u32::try_from(8 * modulus.len()).ok()?;
    let mut secret =
        |bits| BoxedUint::from_be_slice(unsigned(key.contents(der::INTEGER)?), bits).ok();
    let exponent = BoxedUint::from_be_slice_vartime(&secret(bits)?.to_be_bytes_trimmed_vartime());
    let private_exponent = secret(bits)?;
    let primes = vec![secret(bits)?, secret(bits)?];
    let modulus = BoxedUint::from_be_slice_vartime(modulus);
    rsa::PrivateKey::from_components(modulus, exponent, private_exponent, primes).ok()
}

/// Verifies with an RSAPublicKey (RFC 8017 §A.1.1).
///
/// # Errors
/// When the key is damaged or of a length that is not accepted, or the signature is wrong.
pub(super) fn verify(public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
    let key = public_key(public).ok_or(BadSignature)?;
    let digest = md5_sha1(message);
    key.verify(Pkcs1v15Sign::new_unprefixed(), digest.as_slice(), signature)
        .map_err(|_| BadSignature)
}

fn public_key(public: &[u8]) -> Option<rsa::PublicKey> {
    let mut key = Reader::new(Reader::new(public).contents(der::SEQUENCE)?);
    let modulus = unsigned(key.contents(der::INTEGER)?);
    let exponent = unsigned(key.contents(der::INTEGER)?);
    // Looked at before anything is computed with them.
    if modulus.len() > RSA_BITS.end() / 8 || exponent.len() > size_of::<u64>() || !key.is_empty() {
        return None;
    }
    rsa::PublicKey::new_with_size_limits(
        BoxedUint::from_be_slice_vartime(modulus),
        BoxedUint::from_be_slice_vartime(exponent),
        RSA_BITS,
    )
    .ok()
}

/// The bytes of an INTEGER without the zero that says that it is not negative.
fn unsigned(integer: &[u8]) -> &[u8] {
    match integer {
        [0, rest @ ..] => rest,
        whole => whole,
    }
}

/// Random bytes of this crate's source.
struct Blinding(Random);

impl TryRng for Blinding {
    type Error = Unavailable;

    fn try_next_u32(&mut self) -> Result<u32, Unavailable> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Unavailable> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Unavailable> {
        self.0.fill(out)
    }
}

impl TryCryptoRng for Blinding {}

impl fmt::Debug for LegacyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyKey(..)")
    }
}
