//! A MAC whose key is derived as that of an encrypted key is.
//!
//! RFC 9879 (and RFC 9579 before it), RFC 8018 §5.2, §7.1, §A.2, §A.5.

use aws_lc_rs::hmac;
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::der::{self, Elements, OCTET_STRING, SEQUENCE};
use super::mac::{MOST_ITERATIONS, too_many};
use super::oids;

/// How long the key may be, in bytes: RFC 9879 calls a shorter one untrustworthy, and no hash makes use of a longer one.
const KEY: std::ops::RangeInclusive<u32> = 20..=64;

/// What a hash is called as HMAC, for the key and for the MAC.
struct Hash {
    oid: &'static [u8],
    hmac: hmac::Algorithm,
    /// RFC 8018 §5.2, of a password, a salt and a number of iterations.
    derive: fn(&[u8], &[u8], u32, &mut [u8]),
}

const HASHES: [Hash; 5] = [
    Hash {
        oid: oids::HMAC_SHA256,
        hmac: hmac::HMAC_SHA256,
        derive: pbkdf2_hmac::<Sha256>,
    },
    Hash {
        oid: oids::HMAC_SHA1,
        hmac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        derive: pbkdf2_hmac::<Sha1>,
    },
    Hash {
        oid: oids::HMAC_SHA224,
        hmac: hmac::HMAC_SHA224,
        derive: pbkdf2_hmac::<Sha224>,
    },
    Hash {
        oid: oids::HMAC_SHA384,
        hmac: hmac::HMAC_SHA384,
        derive: pbkdf2_hmac::<Sha384>,
    },
    Hash {
        oid: oids::HMAC_SHA512,
        hmac: hmac::HMAC_SHA512,
        derive: pbkdf2_hmac::<Sha512>,
    },
];

/// How the key is derived, and the MAC made.
struct Parameters<'a> {
    salt: &'a [u8],
    iterations: u32,
    key_length: Option<u32>,
    /// Names of hashes.
    of_key: &'a [u8],
    of_mac: &'a [u8],
}

impl<'a> Parameters<'a> {
    fn read(mut parameters: Elements<'a>) -> Option<Self> {
        let mut derivation = parameters.within(SEQUENCE)?;
        let mut mac = parameters.within(SEQUENCE)?;
        let is_pbkdf2 = derivation.contents(der::OID)? == oids::PBKDF2;
        let mut own = derivation.within(SEQUENCE)?;
        let salt = own.contents(OCTET_STRING)?;
        let iterations = own.number()?;
        let key_length = own.number();
        let of_key = match own.is_empty() {
            true => oids::HMAC_SHA1,
            false => own.within(SEQUENCE)?.contents(der::OID)?,
        };
        let read = Self {
            salt,
            iterations,
            key_length,
            of_key,
            of_mac: mac.contents(der::OID)?,
        };
        let is_whole = parameters.is_empty() && derivation.is_empty() && own.is_empty();
        (is_pbkdf2 && is_whole).then_some(read)
    }
}

/// Whether a MAC is that of the contents. For an error, a sentence. The password is what it is, without a zero at its end.
pub(super) fn verify(
    parameters: Elements<'_>,
    value: &[u8],
    password: &[u8],
    contents: &[u8],
) -> Result<bool, String> {
    let read = Parameters::read(parameters);
    let read =
        read.ok_or("it is damaged: its MAC is none (RFC 9879), or its key is not of PBKDF2")?;
    let find = |oid| {
        HASHES.iter().find(|known| known.oid == oid).ok_or(
            "its MAC is made with a hash that is none of SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512: make it anew with \
             `openssl pkcs12 -export`",
        )
    };
    let (of_key, of_mac) = (find(read.of_key)?, find(read.of_mac)?);
    let length = read.key_length.filter(|length| KEY.contains(length));
    let length = length.and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or_else(|| {
        format!(
            "the key of its MAC has to have {} to {} bytes, and to say so (RFC 9879): make it anew with `openssl pkcs12 \
             -export`",
            KEY.start(),
            KEY.end()
        )
    })?;
    if read.iterations == 0 {
        return Err("it is damaged: its MAC has no iterations".to_owned());
    }
    if read.iterations > MOST_ITERATIONS {
        return Err(too_many(read.iterations));
    }
    let mut key = Zeroizing::new(vec![0; length]);
    (of_key.derive)(password, read.salt, read.iterations, &mut key);
    let key = hmac::Key::new(of_mac.hmac, &key);
    Ok(hmac::verify(&key, contents, value).is_ok())
}

#[cfg(test)]
mod tests {
    use super::super::der::{NULL, element, number, sequence};
    use super::*;

    fn algorithm(oid: &[u8], parameters: &[u8]) -> Vec<u8> {
        sequence(&[&element(der::OID, &[oid]), parameters])
    }

    fn parameters(iterations: u32, length: &[u8], prf: &[u8], mac: &[u8]) -> Vec<u8> {
        let salt = element(OCTET_STRING, &[b"salt"]);
        let own = sequence(&[&salt, &number(iterations), length, prf]);
        [
            algorithm(oids::PBKDF2, &own),
            algorithm(mac, &element(NULL, &[])),
        ]
        .concat()
    }

    /// Before anything is computed.
    #[test]
    fn what_is_not_to_be_trusted_is_refused() {
        let prf = algorithm(oids::HMAC_SHA256, &element(NULL, &[]));
        let (few, key) = (2, number(32));
        let told = |parameters: &[u8]| verify(Elements(parameters), &[0; 32], b"p", b"contents");
        assert_eq!(
            told(&parameters(few, &key, &prf, oids::HMAC_SHA256)),
            Ok(false)
        );
        // SHA-1 is what a hash is that is not named.
        assert_eq!(
            told(&parameters(few, &key, &[], oids::HMAC_SHA256)),
            Ok(false)
        );
        for (parameters, why) in [
            (
                parameters(0, &key, &prf, oids::HMAC_SHA256),
                "no iterations",
            ),
            (
                parameters(MOST_ITERATIONS + 1, &key, &prf, oids::HMAC_SHA256),
                "at most 10000000",
            ),
            // As one of the invalid files of RFC 9879 §A.
            (
                parameters(few, &[], &prf, oids::HMAC_SHA256),
                "20 to 64 bytes",
            ),
            (
                parameters(few, &number(19), &prf, oids::HMAC_SHA256),
                "20 to 64 bytes",
            ),
            (
                parameters(few, &number(65), &prf, oids::HMAC_SHA256),
                "20 to 64 bytes",
            ),
            (
                parameters(few, &number(u32::MAX), &prf, oids::HMAC_SHA256),
                "20 to 64 bytes",
            ),
            (parameters(few, &key, &prf, oids::SHA256), "none of SHA-1"),
            (
                parameters(few, &key, &algorithm(oids::RSA, &[]), oids::HMAC_SHA256),
                "none of SHA-1",
            ),
            (
                [
                    algorithm(oids::PBES2, &sequence(&[])),
                    algorithm(oids::HMAC_SHA256, &[]),
                ]
                .concat(),
                "not of PBKDF2",
            ),
            (Vec::new(), "damaged"),
        ] {
            let error = told(&parameters).unwrap_err();
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
