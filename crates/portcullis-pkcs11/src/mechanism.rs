//! Which mechanism of PKCS#11 makes which signature of TLS.
//!
//! RFC 8446 §4.2.3; PKCS#11 3.0 (Current Mechanisms) §2.1.8, §2.1.10, §2.3.6, §2.3.14.

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512, digest};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use portcullis::SignatureScheme;

/// What the key in a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

const RSA: &[SignatureScheme] = &[
    SignatureScheme::RSA_PSS_RSAE_SHA256,
    SignatureScheme::RSA_PSS_RSAE_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

impl Kind {
    /// From the DER of CKA_EC_PARAMS: the name of a curve.
    pub(crate) fn of_curve(parameters: &[u8]) -> Option<Self> {
        match parameters {
            [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7] => Some(Self::P256),
            [6, 5, 0x2b, 0x81, 4, 0, 0x22] => Some(Self::P384),
            [6, 5, 0x2b, 0x81, 4, 0, 0x23] => Some(Self::P521),
            // RFC 8410; and the name that tokens had before.
            [6, 3, 0x2b, 0x65, 0x70] => Some(Self::Ed25519),
            [0x13, 12, name @ ..] if name == b"edwards25519" => Some(Self::Ed25519),
            _ => None,
        }
    }

    /// What it signs with these mechanisms of a token, best first.
    pub(crate) fn schemes(
        self,
        mechanisms: &[MechanismType],
        parts: Parts,
    ) -> Vec<SignatureScheme> {
        let own: &[_] = match self {
            Self::Rsa => RSA,
            Self::P256 => &[SignatureScheme::ECDSA_SECP256R1_SHA256],
            Self::P384 => &[SignatureScheme::ECDSA_SECP384R1_SHA384],
            Self::P521 => &[SignatureScheme::ECDSA_SECP521R1_SHA512],
            Self::Ed25519 => &[SignatureScheme::ED25519],
        };
        let is_there = |scheme: &&SignatureScheme| {
            let mechanism = mechanism(**scheme, parts).map(|own| own.mechanism_type());
            mechanism.is_some_and(|mechanism| mechanisms.contains(&mechanism))
        };
        own.iter().filter(is_there).copied().collect()
    }
}

/// How a token is given what it signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// At once, hashed before: any token can do that.
    One,
    /// In parts, which it hashes: there is room for a login before the first.
    Several,
}

fn pss(hash: MechanismType, mgf: PkcsMgfType, salt: usize) -> Option<PkcsPssParams> {
    Some(PkcsPssParams {
        hash_alg: hash,
        mgf,
        s_len: salt.try_into().ok()?,
    })
}

pub(crate) fn mechanism(scheme: SignatureScheme, parts: Parts) -> Option<Mechanism<'static>> {
    match parts {
        Parts::One => of_a_hash(scheme),
        Parts::Several => hashing(scheme),
    }
}

/// Those that hash. EdDSA has none (PKCS#11 3.0 §2.3.14).
fn hashing(scheme: SignatureScheme) -> Option<Mechanism<'static>> {
    let of_a_hash = of_a_hash(scheme)?;
    Some(match (scheme, of_a_hash) {
        (SignatureScheme::RSA_PSS_RSAE_SHA256, Mechanism::RsaPkcsPss(parameters)) => {
            Mechanism::Sha256RsaPkcsPss(parameters)
        }
        (SignatureScheme::RSA_PSS_RSAE_SHA384, Mechanism::RsaPkcsPss(parameters)) => {
            Mechanism::Sha384RsaPkcsPss(parameters)
        }
        (SignatureScheme::RSA_PSS_RSAE_SHA512, Mechanism::RsaPkcsPss(parameters)) => {
            Mechanism::Sha512RsaPkcsPss(parameters)
        }
        (SignatureScheme::RSA_PKCS1_SHA256, _) => Mechanism::Sha256RsaPkcs,
        (SignatureScheme::RSA_PKCS1_SHA384, _) => Mechanism::Sha384RsaPkcs,
        (SignatureScheme::RSA_PKCS1_SHA512, _) => Mechanism::Sha512RsaPkcs,
        (SignatureScheme::ECDSA_SECP256R1_SHA256, _) => Mechanism::EcdsaSha256,
        (SignatureScheme::ECDSA_SECP384R1_SHA384, _) => Mechanism::EcdsaSha384,
        (SignatureScheme::ECDSA_SECP521R1_SHA512, _) => Mechanism::EcdsaSha512,
        _ => return None,
    })
}

fn of_a_hash(scheme: SignatureScheme) -> Option<Mechanism<'static>> {
    Some(match scheme {
        SignatureScheme::RSA_PSS_RSAE_SHA256 => {
            Mechanism::RsaPkcsPss(pss(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32)?)
        }
        SignatureScheme::RSA_PSS_RSAE_SHA384 => {
            Mechanism::RsaPkcsPss(pss(MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48)?)
        }
        SignatureScheme::RSA_PSS_RSAE_SHA512 => {
            Mechanism::RsaPkcsPss(pss(MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64)?)
        }
        SignatureScheme::RSA_PKCS1_SHA256
        | SignatureScheme::RSA_PKCS1_SHA384
        | SignatureScheme::RSA_PKCS1_SHA512 => Mechanism::RsaPkcs,
        SignatureScheme::ECDSA_SECP256R1_SHA256
        | SignatureScheme::ECDSA_SECP384R1_SHA384
        | SignatureScheme::ECDSA_SECP521R1_SHA512 => Mechanism::Ecdsa,
        SignatureScheme::ED25519 => {
            Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519))
        }
        _ => return None,
    })
}

/// What the token gets to sign at once: a hash, for PKCS#1 with its name before it.
pub(crate) fn input(scheme: SignatureScheme, content: Vec<u8>) -> Vec<u8> {
    // RFC 8017 §9.2, note 1.
    let named = |algorithm: &'static digest::Algorithm, last: u8, length: u8| {
        let mut info = vec![0x30, 17 + length, 0x30, 13, 6, 9];
        info.extend([0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last, 5, 0, 4, length]);
        info.extend_from_slice(digest(algorithm, &content).as_ref());
        info
    };
    match scheme {
        SignatureScheme::RSA_PKCS1_SHA256 => named(&SHA256, 1, 32),
        SignatureScheme::RSA_PKCS1_SHA384 => named(&SHA384, 2, 48),
        SignatureScheme::RSA_PKCS1_SHA512 => named(&SHA512, 3, 64),
        SignatureScheme::RSA_PSS_RSAE_SHA256 | SignatureScheme::ECDSA_SECP256R1_SHA256 => {
            digest(&SHA256, &content).as_ref().to_vec()
        }
        SignatureScheme::RSA_PSS_RSAE_SHA384 | SignatureScheme::ECDSA_SECP384R1_SHA384 => {
            digest(&SHA384, &content).as_ref().to_vec()
        }
        SignatureScheme::RSA_PSS_RSAE_SHA512 | SignatureScheme::ECDSA_SECP521R1_SHA512 => {
            digest(&SHA512, &content).as_ref().to_vec()
        }
        _ => content,
    }
}

/// The signature as TLS has it: tokens give r and s of ECDSA side by side (RFC 8422 §5.4). `None` for what is no
/// such pair.
pub(crate) fn output(scheme: SignatureScheme, signature: Vec<u8>) -> Option<Vec<u8>> {
    let length = match scheme {
        SignatureScheme::ECDSA_SECP256R1_SHA256 => 32,
        SignatureScheme::ECDSA_SECP384R1_SHA384 => 48,
        SignatureScheme::ECDSA_SECP521R1_SHA512 => 66,
        _ => return Some(signature),
    };
    let (r, s) = signature.split_at_checked(length)?;
    if s.len() != length {
        return None;
    }
    let pair = [integer(r), integer(s)].concat();
    Some(element(0x30, &pair))
}

fn integer(digits: &[u8]) -> Vec<u8> {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = digits.get(zeros..).unwrap_or_default();
    let is_negative = digits.first().is_none_or(|digit| digit & 0x80 != 0);
    let sign: &[u8] = if is_negative { &[0] } else { &[] };
    element(2, &[sign, digits].concat())
}

/// None is longer than a pair of P-521, 138 bytes.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u8::try_from(contents.len()).unwrap_or(u8::MAX);
    let head: &[u8] = if length < 0x80 { &[] } else { &[0x81] };
    [&[tag], head, &[length], contents].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_der() {
        let scheme = SignatureScheme::ECDSA_SECP256R1_SHA256;
        let mut pair = vec![0; 64];
        (pair[31], pair[32]) = (0x7f, 0x80);
        let mut expected = vec![0x30, 38, 2, 1, 0x7f, 2, 33, 0, 0x80];
        expected.extend([0; 31]);
        assert_eq!(output(scheme, pair).unwrap(), expected);
        assert_eq!(
            output(scheme, vec![0; 64]).unwrap(),
            [0x30, 6, 2, 1, 0, 2, 1, 0]
        );
        for length in [0, 31, 63, 65, 96] {
            assert_eq!(output(scheme, vec![1; length]), None, "{length}");
        }
        let long = output(SignatureScheme::ECDSA_SECP521R1_SHA512, vec![0xff; 132]).unwrap();
        assert_eq!(long[..4], [0x30, 0x81, 138, 2]);
        assert_eq!(long.len(), 141);
    }

    #[test]
    fn curves_have_names() {
        assert_eq!(
            Kind::of_curve(&[6, 5, 0x2b, 0x81, 4, 0, 0x22]),
            Some(Kind::P384)
        );
        // secp256k1, and no name at all.
        assert_eq!(Kind::of_curve(&[6, 5, 0x2b, 0x81, 4, 0, 0x0a]), None);
        assert_eq!(Kind::of_curve(&[0x30, 0]), None);
    }
}
