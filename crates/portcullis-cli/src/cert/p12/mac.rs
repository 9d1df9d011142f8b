//! The MAC of a file: whoever has made it had the password.
//!
//! RFC 7292 §5.1, §B; for PBMAC1 RFC 9879, which is in [`pbmac1`].

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::der::{self, Elements, NULL, OCTET_STRING, SEQUENCE};
use super::{oids, pbmac1};

/// As many as an encrypted key may have, which takes a few seconds.
pub(super) const MOST_ITERATIONS: u32 = 10_000_000;
/// §B.3
const FOR_A_MAC: u8 = 3;

/// A hash, and its block.
struct Hash {
    oid: &'static [u8],
    digest: &'static digest::Algorithm,
    hmac: hmac::Algorithm,
}

const HASHES: [Hash; 5] = [
    Hash {
        oid: oids::SHA256,
        digest: &digest::SHA256,
        hmac: hmac::HMAC_SHA256,
    },
    Hash {
        oid: oids::SHA1,
        digest: &digest::SHA1_FOR_LEGACY_USE_ONLY,
        hmac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
    },
    Hash {
        oid: oids::SHA224,
        digest: &digest::SHA224,
        hmac: hmac::HMAC_SHA224,
    },
    Hash {
        oid: oids::SHA384,
        digest: &digest::SHA384,
        hmac: hmac::HMAC_SHA384,
    },
    Hash {
        oid: oids::SHA512,
        digest: &digest::SHA512,
        hmac: hmac::HMAC_SHA512,
    },
];

/// Whether a MAC is that of the contents. For an error, a sentence.
pub(super) fn verify(
    mut mac: Elements<'_>,
    password: Option<&[u8]>,
    contents: &[u8],
) -> Result<bool, String> {
    let mut read = || {
        let mut info = mac.within(SEQUENCE)?;
        let mut algorithm = info.within(SEQUENCE)?;
        let hash = algorithm.contents(der::OID)?;
        let value = info.contents(OCTET_STRING)?;
        let salt = mac.contents(OCTET_STRING)?;
        let iterations = match mac.is_empty() {
            true => 1,
            false => mac.number()?,
        };
        Some((hash, algorithm, value, salt, iterations))
    };
    let damaged = || "it is damaged: its MAC is none (RFC 7292 §4)".to_owned();
    let (hash, mut algorithm, value, salt, iterations) = read().ok_or_else(damaged)?;
    if hash == oids::PBMAC1 {
        let parameters = algorithm.within(SEQUENCE).ok_or_else(damaged)?;
        // Salt and iterations beside it count for nothing. No password is the same as one without characters.
        return match password {
            Some(password) => pbmac1::verify(parameters, value, password, contents),
            None => Ok(false),
        };
    }
    let hash = HASHES.iter().find(|known| known.oid == hash).ok_or(
        "its MAC is made with a hash that is none of SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512: make it anew with \
         `openssl pkcs12 -export`",
    )?;
    match iterations {
        0 => return Err(damaged()),
        1..=MOST_ITERATIONS => {}
        _ => return Err(too_many(iterations)),
    }
    let key = hash.key(password, salt, iterations);
    Ok(hmac::verify(&key, contents, value).is_ok())
}

pub(super) fn too_many(iterations: u32) -> String {
    format!(
        "its MAC needs {iterations} iterations, of which at most {MOST_ITERATIONS} are allowed: make it anew with `openssl \
         pkcs12 -export`"
    )
}

/// MacData, with SHA-256.
pub(super) fn make(password: &[u8], salt: &[u8], iterations: u32, contents: &[u8]) -> Vec<u8> {
    let [hash, ..] = &HASHES;
    let value = hmac::sign(&hash.key(Some(password), salt, iterations), contents);
    let algorithm = der::sequence(&[
        &der::element(der::OID, &[hash.oid]),
        &der::element(NULL, &[]),
    ]);
    let value = der::element(OCTET_STRING, &[value.as_ref()]);
    der::sequence(&[
        &der::sequence(&[&algorithm, &value]),
        &der::element(OCTET_STRING, &[salt]),
        &der::number(iterations),
    ])
}

impl Hash {
    /// §B.2: a key of the length of the hash, so that one round of the derivation is enough.
    fn key(&self, password: Option<&[u8]>, salt: &[u8], iterations: u32) -> hmac::Key {
        let block = self.digest.block_len();
        // No password has no zero at its end either, as libcrypto has it.
        let password = password.map(bmp_string).unwrap_or_default();
        let mut input = Zeroizing::new(vec![FOR_A_MAC; block]);
        let filled = |bytes: &[u8]| bytes.len().div_ceil(block) * block;
        let (of_salt, of_password) = (filled(salt), filled(&password));
        input.reserve_exact(of_salt + of_password);
        input.extend(salt.iter().cycle().take(of_salt));
        input.extend(password.iter().cycle().take(of_password));
        let mut hash = digest(self.digest, &input);
        for _ in 1..iterations {
            hash = digest(self.digest, hash.as_ref());
        }
        hmac::Key::new(self.hmac, hash.as_ref())
    }
}

/// §B.1: UTF-16 with a zero at the end. What is not UTF-8 is taken for Latin-1, as OpenSSL does.
fn bmp_string(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut units = Zeroizing::new(Vec::with_capacity(2 * password.len() + 2));
    match std::str::from_utf8(password) {
        Ok(text) => units.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
        Err(_) => units.extend(password.iter().flat_map(|byte| [0, *byte])),
    }
    units.extend([0, 0]);
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(mac: &[u8], password: &str, contents: &[u8]) -> Result<bool, String> {
        let mac = Elements(mac).within(SEQUENCE).unwrap();
        super::verify(mac, Some(password.as_bytes()), contents)
    }

    #[test]
    fn a_mac_is_of_its_password_and_contents() {
        let mac = make(b"swordfish", &[7; 16], 5, b"contents");
        assert_eq!(verify(&mac, "swordfish", b"contents"), Ok(true));
        assert_eq!(verify(&mac, "swordfisH", b"contents"), Ok(false));
        assert_eq!(verify(&mac, "swordfish", b"content"), Ok(false));
        let mac = make(b"", &[7; 16], 5, b"contents");
        assert_eq!(verify(&mac, "", b"contents"), Ok(true));
        let mac = Elements(&mac).within(SEQUENCE).unwrap();
        assert_eq!(super::verify(mac, None, b"contents"), Ok(false));
    }

    /// Before anything is computed.
    #[test]
    fn its_cost_has_a_bound() {
        let made = make(b"", &[7; 16], 5, b"");
        let last = made.len() - 3;
        assert_eq!(made[last..], [2, 1, 5]);
        let with = |iterations: &[u8]| {
            let fields = Elements(&made).contents(SEQUENCE).unwrap();
            let fields = &fields[..fields.len() - 3];
            verify(&der::sequence(&[fields, iterations]), "", b"")
        };
        assert_eq!(with(&der::number(5)), Ok(true));
        for (iterations, why) in [
            (der::number(0), "damaged"),
            (der::number(MOST_ITERATIONS + 1), "at most 10000000"),
            (vec![2, 5, 1, 0, 0, 0, 0], "at most 10000000"),
        ] {
            let error = with(&iterations).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
