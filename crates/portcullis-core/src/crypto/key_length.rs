//! How long keys of RSA and DSA are, and have to be.
//!
//! RFC 8017 §A.1.1, §9.1.1; RFC 3279 §2.3.2.

use core::ops::RangeInclusive;

use rustls_pki_types::alg_id;

use super::pss_form;
use crate::SignatureScheme;
use crate::der::{self, Reader};

/// What a configuration may lower the minimum to, in bits.
pub(crate) const LEAST_KEY_BITS: u32 = 1_024;

/// The shortest keys that are accepted where nobody has lowered that, in bits.
pub(crate) const USUAL_KEY_BITS: u32 = 2_048;

/// The longest RSA keys that are accepted, in bits.
pub(crate) const MOST_RSA_BITS: usize = 8_192;

/// The longest primes of DSA that are accepted, in bits: FIPS 186-4 §4.2 has 3,072.
pub(crate) const MOST_DSA_BITS: usize = 4_096;

/// id-dsa.
pub(crate) const ID_DSA: &[u8] = &[der::OID, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];

/// The lengths of RSA keys that are accepted, in bits.
pub(crate) const fn rsa_bits(least: u32) -> RangeInclusive<usize> {
    least as usize..=MOST_RSA_BITS
}

/// The lengths of DSA keys that are accepted, in bits.
pub(crate) const fn dsa_bits(least: u32) -> RangeInclusive<usize> {
    least as usize..=MOST_DSA_BITS
}

/// The length of an RSA key of either form in bits; `None` for other keys.
pub(crate) fn modulus_bits(spki_der: &[u8]) -> Option<usize> {
    modulus_bits_of_contents(Reader::new(spki_der).contents(der::SEQUENCE)?)
}

/// The same, of a SubjectPublicKeyInfo without its header.
pub(crate) fn modulus_bits_of_contents(spki: &[u8]) -> Option<usize> {
    let mut spki = Reader::new(spki);
    let algorithm = spki.contents(der::SEQUENCE)?;
    if algorithm != alg_id::RSA_ENCRYPTION.as_ref() && pss_form::schemes(algorithm).is_none() {
        return None;
    }
    let (0, key) = spki.contents(der::BIT_STRING)?.split_first()? else {
        return None;
    };
    bits_of_encoded(key)
}

/// The length of a key that may encrypt, too; one in RSA-PSS form may not.
pub(crate) fn encrypting_bits(spki_der: &[u8]) -> Option<usize> {
    let (algorithm, key) = der::public_key_info(spki_der)?;
    let encrypts = algorithm == alg_id::RSA_ENCRYPTION.as_ref();
    encrypts.then(|| bits_of_encoded(key)).flatten()
}

/// The length of an RSAPublicKey.
pub(super) fn bits_of_encoded(public_key: &[u8]) -> Option<usize> {
    bits(Reader::new(Reader::new(public_key).contents(der::SEQUENCE)?).contents(der::INTEGER)?)
}

/// The length of the prime of a DSA key in bits; `None` for other keys, and for those without one.
pub(crate) fn prime_bits(spki_der: &[u8]) -> Option<usize> {
    let (algorithm, _) = der::public_key_info(spki_der)?;
    let parameters = algorithm.strip_prefix(ID_DSA)?;
    bits(Reader::new(Reader::new(parameters).contents(der::SEQUENCE)?).contents(der::INTEGER)?)
}

/// Of a number that is not negative.
fn bits(number: &[u8]) -> Option<usize> {
    let first = number.iter().position(|&byte| byte != 0)?;
    let zeros = usize::try_from(number.get(first)?.leading_zeros()).ok()?;
    Some((number.len() - first) * 8 - zeros)
}

/// Whether an RSA key has room for what the scheme signs: two hashes and two bytes, in one bit
/// less than the modulus has (RFC 8017 §9.1.1). Keys of other kinds always have.
pub(crate) fn key_is_long_enough(scheme: SignatureScheme, spki_der: &[u8]) -> bool {
    let hash = match scheme {
        SignatureScheme::RSA_PSS_RSAE_SHA256 | SignatureScheme::RSA_PSS_PSS_SHA256 => 32,
        SignatureScheme::RSA_PSS_RSAE_SHA384 | SignatureScheme::RSA_PSS_PSS_SHA384 => 48,
        SignatureScheme::RSA_PSS_RSAE_SHA512 | SignatureScheme::RSA_PSS_PSS_SHA512 => 64,
        _ => return true,
    };
    modulus_bits(spki_der).is_some_and(|bits| bits.saturating_sub(1).div_ceil(8) >= 2 * hash + 2)
}
