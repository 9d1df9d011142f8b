//! PBES2: a derivation of keys and a cipher, each named for itself.
//!
//! RFC 8018 §6.2, §A.2, §A.4, §B; RFC 7914 §7 for scrypt.

use core::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::{Fault, Found, Opener, identifier, iterations, legacy, memory_hard};
use crate::der::{self, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE};

/// 1.2.840.113549.1.5.13
pub(super) const ID_PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
/// 1.2.840.113549.1.5.12
const ID_PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
/// 1.3.6.1.4.1.11591.4.11
const ID_SCRYPT: &[u8] = &[0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11];
/// 1.2.840.113549.2
const DIGESTS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2];
/// 2.16.840.1.101.3.4.1
const AES: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1];

const DAMAGED: Fault = Fault::Damaged("its parameters are not those of PBES2 (RFC 8018 §A.4)");

/// What is left of the parameters of a derivation when its salt and costs are read.
struct Derivation<'a> {
    salt: &'a [u8],
    /// In bytes, if it is said.
    key_length: Option<usize>,
    costs: Costs,
}

enum Costs {
    Pbkdf2(pbkdf2::Algorithm, u32),
    /// N, r and p.
    Scrypt(usize, usize, usize),
}

pub(super) fn opener(parameters: &[u8], password: &[u8]) -> Found<Opener> {
    let (derivation, encryption) = both(parameters).ok_or(DAMAGED)?;
    let derivation = derivation_of(derivation)?;
    let (cipher, iv) = encryption_of(encryption, derivation.key_length)?;
    let length = cipher.key_length();
    // RFC 8018 §B.2: of all ciphers but RC2 the length follows.
    if derivation.key_length.is_some_and(|said| said != length) {
        return Err(Fault::Damaged(
            "its length of key is not that of its cipher",
        ));
    }
    let mut key = Zeroizing::new(vec![0; length]);
    match derivation.costs {
        Costs::Pbkdf2(function, iterations) => {
            let iterations = NonZeroU32::new(iterations).ok_or(DAMAGED)?;
            pbkdf2::derive(function, iterations, derivation.salt, password, &mut key);
        }
        Costs::Scrypt(n, r, p) => {
            memory_hard::derive(password, derivation.salt, (n, r, p), &mut key)?;
        }
    }
    let iv = iv.to_vec();
    Ok(Opener { cipher, key, iv })
}

/// The two AlgorithmIdentifiers.
fn both(parameters: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = Reader::new(parameters);
    let both = (fields.contents(SEQUENCE)?, fields.contents(SEQUENCE)?);
    fields.is_empty().then_some(both)
}

fn derivation_of(algorithm: &[u8]) -> Found<Derivation<'_>> {
    let (oid, parameters) = identifier(algorithm).ok_or(DAMAGED)?;
    match oid {
        ID_PBKDF2 => pbkdf2_of(parameters),
        ID_SCRYPT => scrypt_of(parameters).ok_or(DAMAGED),
        _ => Err(Fault::Unsupported(
            "a key derivation that is neither PBKDF2 nor scrypt",
        )),
    }
}

/// §A.2
fn pbkdf2_of(parameters: &[u8]) -> Found<Derivation<'_>> {
    let mut fields = Reader::new(parameters);
    let salt = fields.contents(OCTET_STRING).ok_or(DAMAGED)?;
    let count = fields.contents(INTEGER).and_then(der::unsigned);
    let count = iterations(count.ok_or(DAMAGED)?)?;
    let key_length = length(&mut fields).ok_or(DAMAGED)?;
    let function = match fields.optional(SEQUENCE) {
        Some(algorithm) => Reader::new(algorithm).contents(OID).ok_or(DAMAGED)?,
        None => &[],
    };
    if !fields.is_empty() {
        return Err(DAMAGED);
    }
    let function = match (function.strip_prefix(DIGESTS), function) {
        (Some([7]), _) | (_, []) => pbkdf2::PBKDF2_HMAC_SHA1,
        (Some([9]), _) => pbkdf2::PBKDF2_HMAC_SHA256,
        (Some([10]), _) => pbkdf2::PBKDF2_HMAC_SHA384,
        (Some([11]), _) => pbkdf2::PBKDF2_HMAC_SHA512,
        _ => {
            return Err(Fault::Unsupported(
                "PBKDF2 and a hash that is none of SHA-1, SHA-256, SHA-384 and SHA-512",
            ));
        }
    };
    let costs = Costs::Pbkdf2(function, count);
    Ok(Derivation {
        salt,
        key_length,
        costs,
    })
}

/// RFC 7914 §7.
fn scrypt_of(parameters: &[u8]) -> Option<Derivation<'_>> {
    let mut fields = Reader::new(parameters);
    let salt = fields.contents(OCTET_STRING)?;
    let mut number = || fields.contents(INTEGER).and_then(der::unsigned);
    let costs = Costs::Scrypt(number()?, number()?, number()?);
    let key_length = length(&mut fields)?;
    fields.is_empty().then_some(Derivation {
        salt,
        key_length,
        costs,
    })
}

/// An INTEGER that may be left out; `None` if it is no number.
fn length(fields: &mut Reader<'_>) -> Option<Option<usize>> {
    match fields.optional(INTEGER) {
        Some(contents) => der::unsigned(contents).map(Some),
        None => Some(None),
    }
}

/// §B.2, RFC 3565 §4.1: the cipher and its initialization vector.
fn encryption_of(algorithm: &[u8], key_length: Option<usize>) -> Found<(Cipher, &[u8])> {
    let mut fields = Reader::new(algorithm);
    let oid = fields.contents(OID).ok_or(DAMAGED)?;
    let cipher = match oid.strip_prefix(AES) {
        Some([2]) => Cipher::Aes128,
        Some([22]) => Cipher::Aes192,
        Some([42]) => Cipher::Aes256,
        _ => return legacy::encryption_of(oid, &mut fields, key_length),
    };
    let iv = fields.contents(OCTET_STRING).ok_or(DAMAGED)?;
    fields.is_empty().then_some((cipher, iv)).ok_or(DAMAGED)
}
