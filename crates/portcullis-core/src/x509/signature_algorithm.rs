//! The algorithms that sign certificates: one table.
//!
//! RFC 3279, RFC 4055, RFC 5758, RFC 8410; channel bindings from RFC 5929 §4.1.

use aws_lc_rs::digest;
use rustls_pki_types::alg_id;

use super::certificate::Certificate;
use crate::SignatureScheme;
use crate::der::{self, Reader};

/// What is known of a `signatureAlgorithm`.
#[derive(Clone, Copy)]
pub(super) struct SignatureAlgorithm {
    pub(super) name: &'static str,
    hash: Hash,
    /// The scheme that stands for it in signature_algorithms_cert; for ECDSA by the hash alone.
    pub(super) scheme: Option<SignatureScheme>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hash {
    /// MD5 and SHA-1: not to be used for anything.
    Broken,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    /// The algorithm signs the message itself.
    None,
}

const fn row(
    name: &'static str,
    hash: Hash,
    scheme: Option<SignatureScheme>,
) -> SignatureAlgorithm {
    SignatureAlgorithm { name, hash, scheme }
}

const RSASSA_PSS: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";

/// OID contents and what they mean; RSASSA-PSS is completed from its parameters.
#[rustfmt::skip]
const ALGORITHMS: &[(&[u8], SignatureAlgorithm)] = &[
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", row("ecdsa-with-SHA256", Hash::Sha256, Some(SignatureScheme::ECDSA_SECP256R1_SHA256))),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x03", row("ecdsa-with-SHA384", Hash::Sha384, Some(SignatureScheme::ECDSA_SECP384R1_SHA384))),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", row("ecdsa-with-SHA512", Hash::Sha512, Some(SignatureScheme::ECDSA_SECP521R1_SHA512))),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x01", row("ecdsa-with-SHA224", Hash::Sha224, Some(SignatureScheme::ECDSA_SHA224))),
    (b"\x2a\x86\x48\xce\x3d\x04\x01", row("ecdsa-with-SHA1", Hash::Broken, Some(SignatureScheme::ECDSA_SHA1))),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", row("sha256WithRSAEncryption", Hash::Sha256, Some(SignatureScheme::RSA_PKCS1_SHA256))),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", row("sha384WithRSAEncryption", Hash::Sha384, Some(SignatureScheme::RSA_PKCS1_SHA384))),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", row("sha512WithRSAEncryption", Hash::Sha512, Some(SignatureScheme::RSA_PKCS1_SHA512))),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e", row("sha224WithRSAEncryption", Hash::Sha224, Some(SignatureScheme::RSA_PKCS1_SHA224))),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", row("sha1WithRSAEncryption", Hash::Broken, Some(SignatureScheme::RSA_PKCS1_SHA1))),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", row("md5WithRSAEncryption", Hash::Broken, None)),
    (RSASSA_PSS, row("RSASSA-PSS", Hash::Broken, None)),
    (b"\x2b\x65\x70", row("Ed25519", Hash::None, Some(SignatureScheme::ED25519))),
    (b"\x2b\x65\x71", row("Ed448", Hash::None, Some(SignatureScheme::ED448))),
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x11", row("ML-DSA-44", Hash::None, Some(SignatureScheme::MLDSA44))),
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x12", row("ML-DSA-65", Hash::None, Some(SignatureScheme::MLDSA65))),
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x13", row("ML-DSA-87", Hash::None, Some(SignatureScheme::MLDSA87))),
    (b"\x2a\x86\x48\xce\x38\x04\x03", row("dsa-with-SHA1", Hash::Broken, Some(SignatureScheme::DSA_SHA1))),
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x01", row("dsa-with-SHA224", Hash::Sha224, Some(SignatureScheme::DSA_SHA224))),
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x02", row("dsa-with-SHA256", Hash::Sha256, Some(SignatureScheme::DSA_SHA256))),
];

const SHA256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";
const SHA384: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x02";
const SHA512: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x03";

impl SignatureAlgorithm {
    /// Looks up the contents of an AlgorithmIdentifier: an OID and its parameters.
    pub(super) fn find(algorithm: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(algorithm);
        let oid = fields.contents(der::OID)?;
        let (_, found) = ALGORITHMS.iter().find(|(known, _)| *known == oid)?;
        if oid != RSASSA_PSS {
            return Some(*found);
        }
        Some(match pss_hash(fields) {
            Some(SHA256) => row(
                "RSASSA-PSS with SHA-256",
                Hash::Sha256,
                Some(SignatureScheme::RSA_PSS_RSAE_SHA256),
            ),
            Some(SHA384) => row(
                "RSASSA-PSS with SHA-384",
                Hash::Sha384,
                Some(SignatureScheme::RSA_PSS_RSAE_SHA384),
            ),
            Some(SHA512) => row(
                "RSASSA-PSS with SHA-512",
                Hash::Sha512,
                Some(SignatureScheme::RSA_PSS_RSAE_SHA512),
            ),
            // RFC 4055 §3.1: without parameters it is SHA-1.
            _ => *found,
        })
    }

    /// What its parameters must be and are not, given the AlgorithmIdentifier it was found in.
    pub(super) fn wrong_parameters(&self, algorithm: &[u8]) -> Option<&'static str> {
        const NULL: &[u8] = &[0x05, 0x00];
        let oid = Reader::new(algorithm).element(der::OID)?.whole;
        let parameters = algorithm.get(oid.len()..)?;
        let (expected, right) = match self.name {
            name if name.starts_with("ecdsa-") => ("absent (RFC 5758 §3.2)", &[][..]),
            name if name.starts_with("dsa-") => ("absent (RFC 5758 §3.1)", &[][..]),
            name if name.starts_with("Ed") => ("absent (RFC 8410 §3)", &[][..]),
            name if name.starts_with("ML-DSA-") => ("absent (RFC 9881 §2)", &[][..]),
            // Without them it is accepted as well.
            name if name.ends_with("WithRSAEncryption") && !parameters.is_empty() => {
                ("NULL (RFC 4055 §5)", NULL)
            }
            // As OpenSSL signs with a key in RSA-PSS form if it is not told.
            name if name.starts_with("RSASSA-PSS with ") => {
                let right = match self.hash {
                    Hash::Sha256 => alg_id::RSA_PSS_SHA256,
                    Hash::Sha384 => alg_id::RSA_PSS_SHA384,
                    _ => alg_id::RSA_PSS_SHA512,
                };
                let is_right = algorithm == right.as_ref();
                return (!is_right).then_some(
                    "MGF1 with the same hash and a salt as long as that (RFC 8446 §4.2.3; in OpenSSL `-sigopt \
                     rsa_pss_saltlen:digest`)",
                );
            }
            _ => return None,
        };
        (parameters != right && !self.is_broken()).then_some(expected)
    }

    /// Whether it rests on MD5 or SHA-1 (RFC 8446 §4.4.2.4).
    pub(super) fn is_broken(&self) -> bool {
        self.hash == Hash::Broken
    }
}

/// `hashAlgorithm` in RSASSA-PSS-params.
fn pss_hash(mut parameters: Reader<'_>) -> Option<&[u8]> {
    let mut parameters = Reader::new(parameters.contents(der::SEQUENCE)?);
    let mut hash = Reader::new(parameters.optional(der::context(0))?);
    Reader::new(hash.contents(der::SEQUENCE)?).contents(der::OID)
}

/// The channel binding `tls-server-end-point`: the certificate's hash, by the hash function of
/// its own signature, with SHA-256 in place of MD5 and SHA-1 (RFC 5929 §4.1).
///
/// `None` where the RFC leaves it undefined: for Ed25519, ML-DSA and what is not known.
pub(crate) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = Certificate::read(certificate)?.signature_algorithm;
    let hash = match SignatureAlgorithm::find(algorithm)?.hash {
        Hash::Broken | Hash::Sha256 => &digest::SHA256,
        Hash::Sha224 => &digest::SHA224,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
        Hash::None => return None,
    };
    Some(digest::digest(hash, certificate).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_pki_types() {
        let known = [
            (
                alg_id::ECDSA_SHA256,
                SignatureScheme::ECDSA_SECP256R1_SHA256,
            ),
            (
                alg_id::ECDSA_SHA384,
                SignatureScheme::ECDSA_SECP384R1_SHA384,
            ),
            (
                alg_id::ECDSA_SHA512,
                SignatureScheme::ECDSA_SECP521R1_SHA512,
            ),
            (alg_id::RSA_PKCS1_SHA256, SignatureScheme::RSA_PKCS1_SHA256),
            (alg_id::RSA_PKCS1_SHA384, SignatureScheme::RSA_PKCS1_SHA384),
            (alg_id::RSA_PKCS1_SHA512, SignatureScheme::RSA_PKCS1_SHA512),
            (alg_id::RSA_PSS_SHA256, SignatureScheme::RSA_PSS_RSAE_SHA256),
            (alg_id::RSA_PSS_SHA384, SignatureScheme::RSA_PSS_RSAE_SHA384),
            (alg_id::RSA_PSS_SHA512, SignatureScheme::RSA_PSS_RSAE_SHA512),
            (alg_id::ED25519, SignatureScheme::ED25519),
            (alg_id::ED448, SignatureScheme::ED448),
            (alg_id::ML_DSA_44, SignatureScheme::MLDSA44),
            (alg_id::ML_DSA_65, SignatureScheme::MLDSA65),
            (alg_id::ML_DSA_87, SignatureScheme::MLDSA87),
        ];
        for (id, scheme) in known {
            let found = SignatureAlgorithm::find(id.as_ref()).unwrap();
            assert_eq!(found.scheme, Some(scheme));
            assert!(!found.is_broken());
        }
    }
}
