//! How certificates' signatures are verified that webpki knows nothing of: for whoever names their schemes.
//!
//! RFC 3279 §2.2.1, §2.2.3, RFC 4055 §3.1, §5, RFC 5758 §3. That are keys of authorities in RSA-PSS form, and
//! SHA-224 and SHA-1.

use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

use super::ecdsa::Curve;
use super::key_length::{USUAL_KEY_BITS, rsa_bits};
use super::pss_form::{
    UNRESTRICTED, WITHOUT_SALT_SHA256, WITHOUT_SALT_SHA384, WITHOUT_SALT_SHA512,
};
use super::rsa;
use super::signature::{BadSignature, verification_algorithm};
use super::verification::Algorithm;
use crate::SignatureScheme;

/// A row: which key signs how. Both are compared byte for byte.
#[derive(Debug)]
struct Named {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    scheme: SignatureScheme,
}

impl SignatureVerificationAlgorithm for Named {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if let Some(curve) = Curve::of(self.key.as_ref()) {
            let verified = curve.verify(self.scheme, public_key, message, signature);
            return verified.map_err(|BadSignature| InvalidSignature);
        }
        if let Some(algorithm) = verification_algorithm(self.scheme) {
            return algorithm.verify_signature(public_key, message, signature);
        }
        rsa::verify(
            self.scheme,
            public_key,
            rsa_bits(USUAL_KEY_BITS),
            message,
            signature,
        )
        .map_err(|BadSignature| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

macro_rules! named {
    ($($scheme:ident: $($key:expr => $signature:expr),+;)+) => {
        /// What verifies the signatures of certificates that a scheme stands for; nothing for those that
        /// webpki knows.
        pub(crate) fn named(scheme: SignatureScheme) -> &'static [Algorithm] {
            match scheme {
                $(SignatureScheme::$scheme => {
                    static ALGORITHMS: &[Algorithm] = &[$({
                        static ROW: Named = Named {
                            key: $key,
                            signature: $signature,
                            scheme: SignatureScheme::$scheme,
                        };
                        Algorithm::new(&ROW)
                    }),+];
                    ALGORITHMS
                })+
                _ => &[],
            }
        }
    };
}

named! {
    // Keys for any hash, and those for one, with the salt as OpenSSL writes it where it is told how long that
    // has to be, and where it is not.
    RSA_PSS_PSS_SHA256:
        UNRESTRICTED => alg_id::RSA_PSS_SHA256,
        alg_id::RSA_PSS_SHA256 => alg_id::RSA_PSS_SHA256,
        WITHOUT_SALT_SHA256 => alg_id::RSA_PSS_SHA256;
    RSA_PSS_PSS_SHA384:
        UNRESTRICTED => alg_id::RSA_PSS_SHA384,
        alg_id::RSA_PSS_SHA384 => alg_id::RSA_PSS_SHA384,
        WITHOUT_SALT_SHA384 => alg_id::RSA_PSS_SHA384;
    RSA_PSS_PSS_SHA512:
        UNRESTRICTED => alg_id::RSA_PSS_SHA512,
        alg_id::RSA_PSS_SHA512 => alg_id::RSA_PSS_SHA512,
        WITHOUT_SALT_SHA512 => alg_id::RSA_PSS_SHA512;
    ECDSA_SHA224:
        alg_id::ECDSA_P256 => ECDSA_SHA224,
        alg_id::ECDSA_P384 => ECDSA_SHA224,
        alg_id::ECDSA_P521 => ECDSA_SHA224;
    ECDSA_SHA1:
        alg_id::ECDSA_P256 => ECDSA_SHA1,
        alg_id::ECDSA_P384 => ECDSA_SHA1,
        alg_id::ECDSA_P521 => ECDSA_SHA1;
    // RFC 4055 §5: without parameters they "MUST be accepted" as well.
    RSA_PKCS1_SHA224:
        alg_id::RSA_ENCRYPTION => RSA_SHA224,
        alg_id::RSA_ENCRYPTION => RSA_SHA224_ABSENT;
    RSA_PKCS1_SHA1:
        alg_id::RSA_ENCRYPTION => RSA_SHA1,
        alg_id::RSA_ENCRYPTION => RSA_SHA1_ABSENT;
}

macro_rules! identifiers {
    ($($name:ident = $bytes:literal;)+) => {
        $(const $name: AlgorithmIdentifier = AlgorithmIdentifier::from_slice($bytes);)+
    };
}

identifiers! {
    ECDSA_SHA1 = b"\x06\x07\x2a\x86\x48\xce\x3d\x04\x01";
    ECDSA_SHA224 = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x01";
    RSA_SHA1 = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00";
    RSA_SHA1_ABSENT = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05";
    RSA_SHA224 = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e\x05\x00";
    RSA_SHA224_ABSENT = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e";
}
