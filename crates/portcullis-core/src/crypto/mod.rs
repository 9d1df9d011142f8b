//! A thin face over aws-lc-rs, and with the feature `ffi` over portcullis-ffi.
//!
//! Secrets here are zeroized on drop, absent from `Debug`, and compared in constant time. What
//! the library can only refuse for input that is a defect of ours comes back as
//! [`CryptoFailure`]; what a peer can provoke has an error type of its own without detail.

pub(crate) mod aead;
pub(crate) mod block_hash;
#[cfg(feature = "ffi")]
mod brainpool;
#[cfg(test)]
#[path = "by_name_tests.rs"]
mod by_name_tests;
pub(crate) mod cbc;
#[cfg(feature = "ffi")]
pub(crate) mod ccm;
#[cfg(not(feature = "ffi"))]
#[path = "no_ccm.rs"]
pub(crate) mod ccm;
#[cfg(feature = "curve448")]
mod curve448;
#[cfg(feature = "ffi")]
mod dsa;
#[cfg(not(feature = "ffi"))]
#[path = "no_dsa.rs"]
mod dsa;
mod ecdsa;
#[cfg(feature = "curve448")]
mod ed448;
pub(crate) mod encrypted_key;
#[cfg(feature = "finite-field")]
pub(crate) mod finite_field;
#[cfg(not(feature = "finite-field"))]
#[path = "no_finite_field.rs"]
pub(crate) mod finite_field;
pub(crate) mod hash;
pub(crate) mod hkdf;
pub(crate) mod hmac;
pub(crate) mod hpke;
pub(crate) mod key_exchange;
mod key_length;
#[cfg(feature = "legacy-ciphers")]
pub(crate) mod legacy;
#[cfg(not(feature = "legacy-ciphers"))]
#[path = "no_legacy.rs"]
pub(crate) mod legacy;
mod mask;
pub(crate) mod md5_sha1;
mod named_verification;
pub(crate) mod number_key;
pub(crate) mod prf;
mod private_key;
mod pss_form;
pub(crate) mod random;
pub(crate) mod record_mac;
#[cfg(feature = "ring-aead")]
mod ring_gcm;
#[cfg(not(feature = "ring-aead"))]
#[path = "no_ring_gcm.rs"]
mod ring_gcm;
#[cfg(feature = "ffi")]
mod rsa;
#[cfg(not(feature = "ffi"))]
#[path = "no_rsa.rs"]
mod rsa;
pub(crate) mod rsa_premaster;
pub(crate) mod secret;
mod signature;
mod signature_before_tls12;
mod signature_before_tls13;
pub(crate) mod srp_group;
mod static_ecdh;
#[cfg(test)]
mod timing;
pub(crate) mod verification;

pub use aead::aes_gcm;
#[doc(hidden)]
pub use encrypted_key::open_encrypted;
pub(crate) use key_length::{
    ID_DSA, LEAST_KEY_BITS, MOST_DSA_BITS, MOST_RSA_BITS, USUAL_KEY_BITS, dsa_bits,
    encrypting_bits, key_is_long_enough, modulus_bits, modulus_bits_of_contents, prime_bits,
    rsa_bits,
};
pub(crate) use named_verification::named;
pub use private_key::{PrivateKey, SignError};
pub(crate) use signature::{is_known_key, scheme_fits_key, verify_tls13, verify_with_short_key};
pub(crate) use signature_before_tls12::{HAS_RSA, scheme_before_tls12};
pub(crate) use signature_before_tls13::{
    ecdsa_curve, scheme_fits_key_before_tls13, verify_before_tls13,
};
pub(crate) use static_ecdh::point_in_key;

/// Whether DSA keys can sign and verify: as [`HAS_RSA`].
pub(crate) const HAS_DSA: bool = cfg!(feature = "ffi");

/// An operation of the crypto library that failed, although it cannot for the input it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CryptoFailure {
    /// The generator of random bytes has none.
    RandomBytes,
    /// A key share was to be made, or its public half.
    KeyShare,
    /// A secret or a key was to be derived from another (RFC 5869).
    KeyDerivation,
    /// A secret was longer than the place for it.
    HoldingSecret,
    /// The keys of records were to be set up.
    RecordKeys,
    /// A record was to be sealed.
    SealingRecord,
    /// A ticket was to be sealed.
    SealingTicket,
    /// A premaster secret was to be encrypted for the server's RSA key (RFC 5246 §7.4.7.1).
    EncryptingPremaster,
}

impl core::fmt::Display for CryptoFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::RandomBytes => "getting random bytes",
            Self::KeyShare => "making a key share",
            Self::KeyDerivation => "deriving a key",
            Self::HoldingSecret => "holding a secret",
            Self::RecordKeys => "setting up the keys of records",
            Self::SealingRecord => "sealing a record",
            Self::SealingTicket => "sealing a ticket",
            Self::EncryptingPremaster => "encrypting a premaster secret",
        })
    }
}

impl core::error::Error for CryptoFailure {}

/// Reads hex with white space in it, for test vectors.
#[cfg(test)]
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap())
        .collect();
    assert!(digits.len().is_multiple_of(2));
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
