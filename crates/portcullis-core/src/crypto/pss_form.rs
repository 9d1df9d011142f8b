//! RSA keys in RSA-PSS form, which sign with `rsa_pss_pss` schemes and nothing else.
//!
//! RFC 4055 §1.2, §3.1, §3.3; RFC 8446 §4.2.3.

use rustls_pki_types::AlgorithmIdentifier;

use crate::SignatureScheme;
use crate::der::{self, OID, Reader, SEQUENCE};

/// id-RSASSA-PSS, without parameters: a key for any hash.
pub(super) const UNRESTRICTED: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10]);

const MGF1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08";

/// The default of RFC 4055 §3.1.
const DEFAULT_SALT: usize = 20;

struct Row {
    scheme: [SignatureScheme; 1],
    /// Of the hash.
    oid: &'static [u8],
    len: usize,
}

const ROWS: [Row; 3] = [
    Row {
        scheme: [SignatureScheme::RSA_PSS_PSS_SHA256],
        oid: b"\x60\x86\x48\x01\x65\x03\x04\x02\x01",
        len: 32,
    },
    Row {
        scheme: [SignatureScheme::RSA_PSS_PSS_SHA384],
        oid: b"\x60\x86\x48\x01\x65\x03\x04\x02\x02",
        len: 48,
    },
    Row {
        scheme: [SignatureScheme::RSA_PSS_PSS_SHA512],
        oid: b"\x60\x86\x48\x01\x65\x03\x04\x02\x03",
        len: 64,
    },
];

/// With which schemes a key of this algorithm (OID and parameters) signs, the fastest first: all of TLS, the
/// one that its parameters leave, or none. `None`: it is another kind of key.
pub(super) fn schemes(algorithm: &[u8]) -> Option<&'static [SignatureScheme]> {
    const ALL: &[SignatureScheme] = &[
        SignatureScheme::RSA_PSS_PSS_SHA256,
        SignatureScheme::RSA_PSS_PSS_SHA384,
        SignatureScheme::RSA_PSS_PSS_SHA512,
    ];
    Some(match algorithm.strip_prefix(UNRESTRICTED.as_ref())? {
        [] => ALL,
        parameters => {
            let row = restricted_to(parameters);
            row.map_or(&[], |row| &row.scheme)
        }
    })
}

/// The hash that RSASSA-PSS-params leave, if TLS has a scheme for it: MGF1 with the same, and the salt as long,
/// of which the key says the least (RFC 4055 §3.3).
fn restricted_to(parameters: &[u8]) -> Option<&'static Row> {
    let mut fields = Reader::new(der::only(parameters, SEQUENCE)?);
    let hash = hash_in(fields.optional(der::context(0))?)?;
    let mut mask = Reader::new(der::only(fields.optional(der::context(1))?, SEQUENCE)?);
    let has_mgf1 = mask.contents(OID)? == MGF1 && hash_in(mask.any()?.whole)? == hash;
    let salt = match fields.optional(der::context(2)) {
        Some(salt) => der::unsigned(der::only(salt, der::INTEGER)?)?,
        None => DEFAULT_SALT,
    };
    // trailerField, which has one value.
    let trailer = match fields.optional(der::context(3)) {
        Some(trailer) => der::unsigned(der::only(trailer, der::INTEGER)?)?,
        None => 1,
    };
    let is_whole = mask.is_empty() && fields.is_empty();
    let row = ROWS.iter().find(|row| row.oid == hash)?;
    (has_mgf1 && is_whole && salt <= row.len && trailer == 1).then_some(row)
}

/// The OID of a hash in an AlgorithmIdentifier; its parameters are absent or NULL.
fn hash_in(identifier: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader::new(der::only(identifier, SEQUENCE)?);
    let oid = fields.contents(OID)?;
    let parameters = fields.any();
    let is_plain = parameters.is_none_or(|any| any.whole == [5, 0]) && fields.is_empty();
    is_plain.then_some(oid)
}

/// A key for one hash that says nothing of the salt.
pub(super) const WITHOUT_SALT_SHA256: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&with_hash(1));
/// The same.
pub(super) const WITHOUT_SALT_SHA384: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&with_hash(2));
/// The same.
pub(super) const WITHOUT_SALT_SHA512: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&with_hash(3));

/// id-RSASSA-PSS with the hash of SHA-2 whose OID ends so, MGF1 with it, and nothing about the salt.
const fn with_hash(hash: u8) -> [u8; 60] {
    #[rustfmt::skip]
    let identifier = [
        OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10,
        SEQUENCE, 47,
        der::context(0), 15,
        SEQUENCE, 13, OID, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 5, 0,
        der::context(1), 28,
        SEQUENCE, 26, OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8,
        SEQUENCE, 13, OID, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 5, 0,
    ];
    identifier
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::alg_id;

    use super::*;

    fn only(scheme: SignatureScheme) -> Option<Vec<SignatureScheme>> {
        Some(vec![scheme])
    }

    fn found(algorithm: &[u8]) -> Option<Vec<SignatureScheme>> {
        schemes(algorithm).map(<[_]>::to_vec)
    }

    #[test]
    fn a_key_says_which_hash_it_signs() {
        let all = found(UNRESTRICTED.as_ref()).unwrap();
        assert_eq!(all.len(), 3);
        let salted = [
            alg_id::RSA_PSS_SHA256,
            alg_id::RSA_PSS_SHA384,
            alg_id::RSA_PSS_SHA512,
        ];
        let without_salt = [
            WITHOUT_SALT_SHA256,
            WITHOUT_SALT_SHA384,
            WITHOUT_SALT_SHA512,
        ];
        for keys in [salted, without_salt] {
            for (key, scheme) in keys.iter().zip(&all) {
                assert_eq!(found(key.as_ref()), only(*scheme));
            }
        }
        assert_eq!(found(alg_id::RSA_ENCRYPTION.as_ref()), None);
        assert_eq!(found(alg_id::ECDSA_P256.as_ref()), None);
        assert_eq!(found(&[]), None);
    }

    /// RFC 4055 §3.3: a hash that TLS has no scheme for, another one in MGF1, a longer salt.
    #[test]
    fn other_parameters_leave_nothing() {
        let good = alg_id::RSA_PSS_SHA256.as_ref().to_vec();
        let (front, [0xa2, 3, 2, 1, 32]) = good.split_last_chunk().unwrap() else {
            panic!("{good:02x?}")
        };
        assert_eq!(front.len(), 60);
        let salt = |len| [front, &[0xa2, 3, 2, 1, len]].concat();
        for len in [0, 20, 32] {
            assert_eq!(found(&salt(len)), only(SignatureScheme::RSA_PSS_PSS_SHA256));
        }
        for len in [33, 0x7f, 0x80, 0xff] {
            assert_eq!(found(&salt(len)), Some(vec![]), "{len}");
        }
        // SHA-1, by default (§3.1).
        assert_eq!(
            found(&[UNRESTRICTED.as_ref(), &[SEQUENCE, 0]].concat()),
            Some(vec![])
        );
        // The hash, that of MGF1, MGF1 itself.
        for at in [27, 57, 44] {
            let mut other = good.clone();
            other[at] ^= 1;
            assert_eq!(found(&other), Some(vec![]), "{at}");
        }
        for end in 12..good.len() {
            assert_eq!(found(&good[..end]), Some(vec![]), "{end}");
        }
        let trailer = |value| {
            let mut whole = [&good[..], &[0xa3, 3, 2, 1, value]].concat();
            whole[12] += 5;
            whole
        };
        assert_eq!(
            found(&trailer(1)),
            only(SignatureScheme::RSA_PSS_PSS_SHA256)
        );
        assert_eq!(found(&trailer(2)), Some(vec![]));
        assert_eq!(found(&[&good[..], &[5, 0]].concat()), Some(vec![]));
    }
}
