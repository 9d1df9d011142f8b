//! How signatures are verified: webpki's algorithms, on a shorter way through the library.
//!
//! Given a message, the library sets up two contexts only to hash it; given its digest, none.
//! And a key that verifies often is parsed once ([`KeptKey`]).

use std::sync::OnceLock;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use webpki::aws_lc_rs as webpki;

use super::key_length::{USUAL_KEY_BITS, bits_of_encoded};
use crate::SignatureScheme;

/// An algorithm of webpki, and what stands behind it in the library.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Algorithm {
    webpki: &'static dyn SignatureVerificationAlgorithm,
    /// `None` where the message is not hashed first.
    hashed: Option<Prehashed>,
    /// That keys of RSA will do which neither of them takes.
    short: Option<Short>,
}

/// RSA keys shorter than the library has.
#[derive(Clone, Copy, Debug)]
struct Short {
    scheme: SignatureScheme,
    /// In bits.
    least: u32,
}

#[derive(Clone, Copy, Debug)]
struct Prehashed {
    library: &'static dyn VerificationAlgorithm,
    hash: &'static digest::Algorithm,
}

macro_rules! algorithms {
    ($($name:ident $(= $library:ident, $hash:ident)?;)*) => {
        $(
            pub(crate) static $name: Algorithm = Algorithm {
                webpki: webpki::$name,
                hashed: algorithms!(@ $($library, $hash)?),
                short: None,
            };
        )*

        #[cfg(test)]
        static ALL: &[&Algorithm] = &[$(&$name),*];
    };
    (@ $library:ident, $hash:ident) => {
        Some(Prehashed { library: &signature::$library, hash: &digest::$hash })
    };
    (@) => { None };
}

algorithms! {
    ECDSA_P256_SHA256 = ECDSA_P256_SHA256_ASN1, SHA256;
    ECDSA_P256_SHA384 = ECDSA_P256_SHA384_ASN1, SHA384;
    ECDSA_P256_SHA512 = ECDSA_P256_SHA512_ASN1, SHA512;
    ECDSA_P384_SHA256 = ECDSA_P384_SHA256_ASN1, SHA256;
    ECDSA_P384_SHA384 = ECDSA_P384_SHA384_ASN1, SHA384;
    ECDSA_P384_SHA512 = ECDSA_P384_SHA512_ASN1, SHA512;
    ECDSA_P521_SHA256 = ECDSA_P521_SHA256_ASN1, SHA256;
    ECDSA_P521_SHA384 = ECDSA_P521_SHA384_ASN1, SHA384;
    ECDSA_P521_SHA512 = ECDSA_P521_SHA512_ASN1, SHA512;
    RSA_PSS_2048_8192_SHA256_LEGACY_KEY = RSA_PSS_2048_8192_SHA256, SHA256;
    RSA_PSS_2048_8192_SHA384_LEGACY_KEY = RSA_PSS_2048_8192_SHA384, SHA384;
    RSA_PSS_2048_8192_SHA512_LEGACY_KEY = RSA_PSS_2048_8192_SHA512, SHA512;
    RSA_PKCS1_2048_8192_SHA256 = RSA_PKCS1_2048_8192_SHA256, SHA256;
    RSA_PKCS1_2048_8192_SHA384 = RSA_PKCS1_2048_8192_SHA384, SHA384;
    RSA_PKCS1_2048_8192_SHA512 = RSA_PKCS1_2048_8192_SHA512, SHA512;
    RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS = RSA_PKCS1_2048_8192_SHA256, SHA256;
    RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS = RSA_PKCS1_2048_8192_SHA384, SHA384;
    RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS = RSA_PKCS1_2048_8192_SHA512, SHA512;
    ED25519;
    ML_DSA_44;
    ML_DSA_65;
    ML_DSA_87;
}

/// Not one of webpki's: it takes any.
#[cfg(feature = "curve448")]
pub(crate) static ED448: Algorithm = Algorithm {
    webpki: &super::ed448::Ed448,
    hashed: None,
    short: None,
};

impl Prehashed {
    fn digest(&self, message: &[u8]) -> digest::Digest {
        digest::digest(self.hash, message)
    }
}

impl Algorithm {
    /// One that is not webpki's.
    pub(super) const fn new(webpki: &'static dyn SignatureVerificationAlgorithm) -> Self {
        Self {
            webpki,
            hashed: None,
            short: None,
        }
    }

    /// The same, that takes RSA keys from this many bits on for signatures of this scheme.
    #[must_use]
    pub(crate) fn with_short_keys(mut self, scheme: SignatureScheme, least: u32) -> Self {
        self.short = Some(Short { scheme, least });
        self
    }

    /// Whether the key is one that this takes only because it was told to.
    pub(crate) fn takes_as_short(&self, public_key: &[u8]) -> bool {
        self.short.is_some()
            && bits_of_encoded(public_key).is_some_and(|bits| bits < USUAL_KEY_BITS as usize)
    }

    /// Verifies with a key that is kept.
    pub(crate) fn verify_with(
        &self,
        key: &KeptKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let verified = self.verify_with_usual(key, message, signature);
        verified.or_else(|bad| self.verify_with_short(bad, &key.encoded, message, signature))
    }

    fn verify_with_short(
        &self,
        bad: InvalidSignature,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let Some(Short { scheme, least }) = self.short else {
            return Err(bad);
        };
        super::rsa::verify_short(scheme, public_key, least, message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn verify_with_usual(
        &self,
        key: &KeptKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if let Some(hashed) = &self.hashed
            && self.is_encoding(&key.encoded)
        {
            let verify = |parsed: &ParsedPublicKey| {
                let digest = hashed.digest(message);
                let verified = parsed.verify_digest_sig(&digest, signature);
                verified.map_err(|_| InvalidSignature)
            };
            let library = hashed.library;
            match key.parsed.get() {
                Some(parsed) if core::ptr::addr_eq(parsed.algorithm(), library) => {
                    return verify(parsed);
                }
                Some(_) => {}
                None => {
                    if let Ok(parsed) = ParsedPublicKey::new(library, &key.encoded) {
                        verify(&parsed)?;
                        // Another connection may have been first.
                        let _ = key.parsed.set(parsed);
                        return Ok(());
                    }
                }
            }
        }
        self.verify_usual(&key.encoded, message, signature)
    }

    fn verify_usual(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        match &self.hashed {
            Some(hashed) if self.is_encoding(public_key) => hashed
                .library
                .verify_digest_sig(public_key, &hashed.digest(message), signature)
                .map_err(|_| InvalidSignature),
            _ => self.webpki.verify_signature(public_key, message, signature),
        }
    }

    /// RFC 5480 §2.2: the forms of an EC point; the library would take more.
    fn is_encoding(&self, public_key: &[u8]) -> bool {
        match self.public_key_alg_id() {
            alg_id::ECDSA_P256 | alg_id::ECDSA_P384 | alg_id::ECDSA_P521 => {
                matches!(public_key.first(), Some(2..=4))
            }
            _ => true,
        }
    }
}

impl SignatureVerificationAlgorithm for Algorithm {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let verified = self.verify_usual(public_key, message, signature);
        verified.or_else(|bad| self.verify_with_short(bad, public_key, message, signature))
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.webpki.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.webpki.signature_alg_id()
    }
}

/// A public key that verifies again and again: parsed when it does so for the first time.
#[derive(Clone)]
pub(crate) struct KeptKey {
    /// The contents of `subjectPublicKey`.
    encoded: Box<[u8]>,
    /// For the algorithm that was the first to find a signature good; a key rarely has another.
    parsed: OnceLock<ParsedPublicKey>,
}

impl KeptKey {
    pub(crate) fn new(encoded: &[u8]) -> Self {
        Self {
            encoded: encoded.into(),
            parsed: OnceLock::new(),
        }
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}

#[cfg(test)]
impl From<&'static dyn SignatureVerificationAlgorithm> for Algorithm {
    fn from(webpki: &'static dyn SignatureVerificationAlgorithm) -> Self {
        Self::new(webpki)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair, RsaKeyPair};

    use super::*;

    #[test]
    fn each_is_what_webpki_uses() {
        for algorithm in ALL {
            let shown = format!("{:?}", algorithm.webpki);
            let Some(hashed) = algorithm.hashed else {
                // These have one algorithm for the key and for what it signs.
                assert_eq!(algorithm.public_key_alg_id(), algorithm.signature_alg_id());
                continue;
            };
            let library = format!("verification_alg: {:?}", hashed.library);
            assert!(shown.contains(&library), "{library} in {shown}");
        }
    }

    /// Good and bad signatures, with a key that is kept and with one that is not.
    #[test]
    fn a_kept_key_verifies_the_same() {
        let random = SystemRandom::new();
        let ecdsa = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let message = b"to be signed";
        let by_ecdsa = ecdsa.sign(&random, message).unwrap();
        let mut by_rsa = [[0; 256]; 2];
        for (padding, signature) in [
            &signature::RSA_PKCS1_SHA256 as &'static dyn signature::RsaEncoding,
            &signature::RSA_PSS_SHA256,
        ]
        .into_iter()
        .zip(&mut by_rsa)
        {
            rsa.sign(padding, &random, message, signature).unwrap();
        }
        let [pkcs1, pss] = &by_rsa;
        let (point, modulus) = (ecdsa.public_key().as_ref(), rsa.public_key().as_ref());
        for (key, signature, good) in [
            (point, by_ecdsa.as_ref(), &[&ECDSA_P256_SHA256][..]),
            (
                modulus,
                pkcs1,
                &[
                    &RSA_PKCS1_2048_8192_SHA256,
                    &RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
                ],
            ),
            (modulus, pss, &[&RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        ] {
            // Whichever algorithm comes first.
            for first in 0..ALL.len() {
                let kept = KeptKey::new(key);
                for algorithm in ALL.iter().cycle().skip(first).take(ALL.len()) {
                    let is_good = good.iter().any(|good| core::ptr::eq(*good, *algorithm));
                    for (message, signature, expected) in [
                        (&message[..], signature, is_good),
                        (b"another", signature, false),
                        (message, &signature[1..], false),
                    ] {
                        assert_eq!(
                            algorithm.verify_with(&kept, message, signature).is_ok(),
                            expected,
                            "{algorithm:?}"
                        );
                        let verdict = algorithm.verify_signature(key, message, signature);
                        assert_eq!(verdict.is_ok(), expected, "{algorithm:?}");
                        let webpki = algorithm.webpki;
                        let verdict = webpki.verify_signature(key, message, signature);
                        assert_eq!(verdict.is_ok(), expected, "{algorithm:?}");
                    }
                }
            }
        }
    }

    /// The library takes a key with its header and hybrid points as well.
    #[test]
    fn other_encodings_of_a_point_are_refused() {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        let key = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let message = b"to be signed";
        let signed = key.sign(&SystemRandom::new(), message).unwrap();
        let with_header: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        let point = key.public_key().as_ref();
        let mut hybrid = point.to_vec();
        hybrid[0] = 6 | point[64] & 1;
        for (encoded, expected) in [
            (point, true),
            (with_header.as_ref(), false),
            (&hybrid, false),
            (&[], false),
        ] {
            let kept = KeptKey::new(encoded);
            for _ in 0..2 {
                let verdict = ECDSA_P256_SHA256.verify_with(&kept, message, signed.as_ref());
                assert_eq!(verdict.is_ok(), expected);
            }
            let verdict = ECDSA_P256_SHA256.verify_signature(encoded, message, signed.as_ref());
            assert_eq!(verdict.is_ok(), expected);
        }
    }

    /// Numbers that make some verifiers take any message (CVE-2022-21449).
    #[test]
    fn signatures_of_zeros_are_refused() {
        let key = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let order = hex(b"00ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
        let numbers = [&[0][..], &[1], &order, &[0xff], &[]];
        for one in numbers {
            for other in numbers {
                let part = |number: &[u8]| [&[2, number.len() as u8][..], number].concat();
                let both = [part(one), part(other)].concat();
                let sealed = [&[0x30, both.len() as u8][..], &both].concat();
                let verdict =
                    ECDSA_P256_SHA256.verify_signature(key.public_key().as_ref(), b"m", &sealed);
                assert!(verdict.is_err(), "{sealed:02x?}");
            }
        }
        for length in [0, 1, 63, 64] {
            let key = key.public_key().as_ref();
            let verdict = ECDSA_P256_SHA256.verify_signature(key, b"m", &vec![0; length]);
            assert!(verdict.is_err(), "{length}");
        }
    }

    /// With the exponent 1 a signature is its message, with one of thousands of bits verifying
    /// takes seconds (CVE-2006-2940), and an even one belongs to no key.
    #[test]
    fn rsa_exponents_that_no_key_has_are_refused() {
        let random = SystemRandom::new();
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let (message, mut good) = (b"to be signed", [0; 256]);
        rsa.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut good)
            .unwrap();
        let encoded = rsa.public_key().as_ref();
        // The modulus, and behind it 65,537.
        let Some((front, [2, 3, 1, 0, 1])) = encoded.split_last_chunk() else {
            panic!("{encoded:02x?}")
        };
        let modulus = &front[4..];
        let with = |exponent: &[u8]| {
            let length = u16::try_from(exponent.len()).unwrap().to_be_bytes();
            let header = match length {
                [0, short @ 0..=0x7f] => vec![2, short],
                [0, short] => vec![2, 0x81, short],
                [high, low] => vec![2, 0x82, high, low],
            };
            let fields = [modulus, &header, exponent].concat();
            let length = u16::try_from(fields.len()).unwrap().to_be_bytes();
            [&[0x30, 0x82][..], &length, &fields].concat()
        };
        // EMSA-PKCS1-v1_5 (RFC 8017 §9.2).
        let digest = digest::digest(&digest::SHA256, message);
        let prefix = hex(b"003031300d060960864801650304020105000420");
        let mut itself = vec![0, 1];
        itself.resize(256 - prefix.len() - 32, 0xff);
        itself.extend([prefix.as_slice(), digest.as_ref()].concat());
        let long = [&[1][..], &[0; 255], &[1]].concat();
        for exponent in [&[1][..], &[0], &[2], &[1, 0], &[0xff], &long] {
            for signature in [&itself[..], &good] {
                let key = with(exponent);
                for _ in 0..2 {
                    let kept = KeptKey::new(&key);
                    let verdict = RSA_PKCS1_2048_8192_SHA256.verify_with(&kept, message, signature);
                    assert!(verdict.is_err(), "{exponent:02x?}");
                }
            }
        }
        let whole = with(&[1, 0, 1]);
        assert_eq!(whole, encoded);
        assert!(
            RSA_PKCS1_2048_8192_SHA256
                .verify_signature(&whole, message, &good)
                .is_ok()
        );
    }

    fn hex(text: &[u8]) -> Vec<u8> {
        let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
        let (pairs, _) = text.as_chunks();
        let pairs = pairs.iter();
        pairs
            .map(|[high, low]| digit(*high) << 4 | digit(*low))
            .collect()
    }
}
