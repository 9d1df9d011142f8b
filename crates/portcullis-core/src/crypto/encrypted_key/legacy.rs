//! How keys were encrypted before PBES2: with hashes and ciphers that are broken or short, so that such a file
//! protects a key little. It is read; nothing here writes one.
//!
//! RFC 8018 §6.1 (PBES1), RFC 7292 §B and §C (PKCS#12's), RFC 1421 §4.6.1.3 with what OpenSSL makes of it.

use md5::{Digest as _, Md5};
use rc2::Rc2;
use rc2::cipher::{Array, BlockCipherDecrypt as _};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::{Fault, Found, Opener, iterations};
use crate::der::{self, INTEGER, OCTET_STRING, Reader, SEQUENCE};

/// 1.2.840.113549.1.5
const PKCS5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5];
/// 1.2.840.113549.1.12.1
const PKCS12: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1];
/// 1.2.840.113549.3
const ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 3];
/// 1.3.14.3.2.7
const DES_CBC: &[u8] = &[0x2b, 0x0e, 3, 2, 7];

const SALT: usize = 8;
/// The block of SHA-1 (RFC 7292 §B.2).
const V: usize = 64;

/// RC2 with as many bytes of key as bits count.
const fn rc2(bits: usize) -> Cipher {
    Cipher::Rc2 {
        key: bits / 8,
        bits,
    }
}

/// What a key was encrypted with that has header lines. Its key is made with one round of MD5.
pub(super) fn dek_info(dek_info: &[u8], password: &[u8]) -> Found<Opener> {
    const DAMAGED: Fault = Fault::Damaged(
        "its DEK-Info line is not a cipher, a comma and an initialization vector in hex",
    );
    let comma = dek_info.iter().position(|byte| *byte == b',');
    let (name, hex) = dek_info
        .split_at_checked(comma.ok_or(DAMAGED)?)
        .ok_or(DAMAGED)?;
    let cipher = match name.trim_ascii() {
        b"AES-128-CBC" => Cipher::Aes128,
        b"AES-192-CBC" => Cipher::Aes192,
        b"AES-256-CBC" => Cipher::Aes256,
        b"DES-EDE3-CBC" => Cipher::TripleDes,
        b"DES-EDE-CBC" => Cipher::TwoKeyTripleDes,
        b"DES-CBC" => Cipher::Des,
        b"RC2-CBC" => rc2(128),
        b"RC2-64-CBC" => rc2(64),
        b"RC2-40-CBC" => rc2(40),
        _ => {
            return Err(Fault::Unsupported(
                "a cipher that is none of AES, DES, 3DES and RC2 with CBC",
            ));
        }
    };
    let iv = from_hex(hex.get(1..).unwrap_or_default().trim_ascii()).ok_or(DAMAGED)?;
    // RFC 1421 has no salt; OpenSSL takes the beginning of the vector for one.
    let salt = iv.get(..SALT).ok_or(DAMAGED)?;
    let length = cipher.key_length();
    let mut key = Zeroizing::new(Vec::with_capacity(length + 16));
    let mut hash = Zeroizing::new([0; 16]);
    while key.len() < length {
        let mut md5 = Md5::new();
        if !key.is_empty() {
            md5.update(*hash);
        }
        md5.update(password);
        md5.update(salt);
        hash.copy_from_slice(&md5.finalize());
        key.extend_from_slice(&*hash);
    }
    key.truncate(length);
    Ok(Opener { cipher, key, iv })
}

fn from_hex(hex: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pairs = hex.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

/// A scheme that names hash and cipher together.
pub(super) fn pbes1(oid: &[u8], parameters: &[u8], password: Option<&[u8]>) -> Found<Opener> {
    const DAMAGED: Fault =
        Fault::Damaged("its parameters are no salt and iterations (RFC 8018 §A.3)");
    let mut fields = Reader::new(parameters);
    let salt = fields.contents(OCTET_STRING).ok_or(DAMAGED)?;
    let count = fields.contents(INTEGER).and_then(der::unsigned);
    let count = iterations(count.ok_or(DAMAGED)?)?;
    if let Some(&[which]) = oid.strip_prefix(PKCS12) {
        let cipher = match which {
            3 => Cipher::TripleDes,
            4 => Cipher::TwoKeyTripleDes,
            5 => rc2(128),
            6 => rc2(40),
            _ => return Err(Fault::Unsupported("RC4, which is broken")),
        };
        let password = password.map(bmp_string).unwrap_or_default();
        let mut key = Zeroizing::new(vec![0; cipher.key_length()]);
        let mut iv = vec![0; cipher.block_length()];
        pkcs12(1, &password, salt, count, &mut key);
        pkcs12(2, &password, salt, count, &mut iv);
        return Ok(Opener { cipher, key, iv });
    }
    let password = password.unwrap_or_default();
    let (cipher, derived) = match oid.strip_prefix(PKCS5) {
        Some([3]) => (Cipher::Des, pbkdf1::<Md5>(password, salt, count)),
        Some([6]) => (rc2(64), pbkdf1::<Md5>(password, salt, count)),
        Some([10]) => (Cipher::Des, pbkdf1::<Sha1>(password, salt, count)),
        Some([11]) => (rc2(64), pbkdf1::<Sha1>(password, salt, count)),
        _ => return Err(Fault::Unsupported("an unknown scheme")),
    };
    let (key, iv) = derived.split_at_checked(8).ok_or(DAMAGED)?;
    let key = Zeroizing::new(key.to_vec());
    let iv = iv.get(..8).ok_or(DAMAGED)?.to_vec();
    Ok(Opener { cipher, key, iv })
}

/// RFC 8018 §5.1; what it gives is as long as the hash.
fn pbkdf1<D: md5::Digest>(password: &[u8], salt: &[u8], iterations: u32) -> Zeroizing<Vec<u8>> {
    let first = D::new().chain_update(password).chain_update(salt);
    let mut hash = Zeroizing::new(first.finalize().to_vec());
    for _ in 1..iterations {
        let next = D::digest(&*hash);
        hash.copy_from_slice(&next);
    }
    hash
}

/// RFC 7292 §B.1: UTF-16 with a zero at the end. What is not UTF-8 is taken for Latin-1, as OpenSSL does.
fn bmp_string(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut units = Zeroizing::new(Vec::with_capacity(2 * password.len() + 2));
    match core::str::from_utf8(password) {
        Ok(text) => units.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
        Err(_) => units.extend(password.iter().flat_map(|byte| [0, *byte])),
    }
    units.extend([0, 0]);
    units
}

/// RFC 7292 §B.2 with SHA-1; `purpose` is the ID of §B.3.
fn pkcs12(purpose: u8, password: &[u8], salt: &[u8], iterations: u32, out: &mut [u8]) {
    let whole_blocks = |bytes: &[u8]| bytes.len().div_ceil(V) * V;
    let (of_salt, of_password) = (whole_blocks(salt), whole_blocks(password));
    let mut i = Zeroizing::new(Vec::with_capacity(of_salt + of_password));
    i.extend(salt.iter().cycle().take(of_salt));
    i.extend(password.iter().cycle().take(of_password));
    for part in out.chunks_mut(20) {
        let mut hash = Zeroizing::new([0; 20]);
        let first = Sha1::new().chain_update([purpose; V]).chain_update(&*i);
        hash.copy_from_slice(&first.finalize());
        for _ in 1..iterations {
            let next = Sha1::digest(*hash);
            hash.copy_from_slice(&next);
        }
        part.iter_mut().zip(*hash).for_each(|(to, from)| *to = from);
        // Each block becomes its sum with the hash, and 1, as numbers of 512 bits.
        for block in i.chunks_mut(V) {
            let mut carry = 1;
            let mut addend = Zeroizing::new([0_u8; V]);
            let hashes = hash.iter().cycle();
            addend
                .iter_mut()
                .zip(hashes)
                .for_each(|(to, from)| *to = *from);
            for (digit, other) in block.iter_mut().zip(*addend).rev() {
                let sum = u16::from(*digit) + u16::from(other) + carry;
                let [high, low] = sum.to_be_bytes();
                *digit = low;
                carry = u16::from(high);
            }
        }
    }
}

/// Old ciphers in PBES2 (RFC 8018 §B.2).
pub(super) fn encryption_of<'a>(
    oid: &[u8],
    fields: &mut Reader<'a>,
    key_length: Option<usize>,
) -> Found<(Cipher, &'a [u8])> {
    const DAMAGED: Fault = Fault::Damaged("the parameters of its cipher are wrong (RFC 8018 §B.2)");
    let cipher = match (oid.strip_prefix(ENCRYPTION), oid) {
        (Some([7]), _) => Cipher::TripleDes,
        (_, DES_CBC) => Cipher::Des,
        (Some([2]), _) => return rc2_cbc(fields, key_length).ok_or(DAMAGED),
        _ => {
            return Err(Fault::Unsupported(
                "a cipher that is none of AES, DES, 3DES and RC2 with CBC",
            ));
        }
    };
    let iv = fields.contents(OCTET_STRING).ok_or(DAMAGED)?;
    fields.is_empty().then_some((cipher, iv)).ok_or(DAMAGED)
}

/// RFC 8018 §B.2.3: how many bits of the key count is a version.
fn rc2_cbc<'a>(fields: &mut Reader<'a>, key_length: Option<usize>) -> Option<(Cipher, &'a [u8])> {
    let mut parameters = Reader::new(fields.contents(SEQUENCE)?);
    let bits = match parameters.optional(INTEGER).map(der::unsigned) {
        None => 32,
        Some(Some(160)) => 40,
        Some(Some(120)) => 64,
        Some(Some(58)) => 128,
        _ => return None,
    };
    let key = key_length.unwrap_or(bits / 8);
    let iv = parameters.contents(OCTET_STRING)?;
    let is_right = (1..=128).contains(&key) && parameters.is_empty() && fields.is_empty();
    is_right.then_some((Cipher::Rc2 { key, bits }, iv))
}

/// Decrypts in place; gives how much is not padding.
pub(super) fn decrypt_rc2(cipher: Cipher, key: &[u8], iv: &[u8], data: &mut [u8]) -> Found<usize> {
    let Cipher::Rc2 { bits, .. } = cipher else {
        return Err(Fault::Unsupported("an unknown cipher"));
    };
    let rc2 = Rc2::new_with_eff_key_len(key, bits);
    let mut before: [u8; 8] = iv
        .try_into()
        .map_err(|_| Fault::Damaged("its initialization vector has a wrong length"))?;
    let (blocks, _) = data.as_chunks_mut::<8>();
    for block in blocks {
        let encrypted = *block;
        let mut plain = Array::from(encrypted);
        rc2.decrypt_block(&mut plain);
        for ((to, plain), before) in block.iter_mut().zip(plain).zip(before) {
            *to = plain ^ before;
        }
        before = encrypted;
    }
    let padding = data.last().copied().unwrap_or_default();
    let length = data.len().checked_sub(usize::from(padding));
    let length = length.filter(|_| (1..=8).contains(&padding));
    let is_padding = |length: &usize| {
        let tail = data.get(*length..).unwrap_or_default();
        tail.iter().all(|byte| *byte == padding)
    };
    length.filter(is_padding).ok_or(Fault::Password)
}
