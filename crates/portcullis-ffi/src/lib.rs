//! What portcullis needs of AWS-LC, and aws-lc-rs has no safe interface for: AES-CCM (RFC 6655), RSA
//! with short keys, old hashes, and decryption without a check of the padding, DSA, and ECDH on the curves of
//! RFC 5639.
//!
//! This is the only crate of portcullis with `unsafe`. It is a safe face and nothing more: it knows no
//! protocol, and nothing a caller can pass is undefined behaviour. What it leaves to its callers is
//! said where it is, and is a matter of cryptography, never of memory.
//!
//! Rules for every call into C:
//! * A pointer goes with the length of the slice that it is of. An empty slice has a pointer that is
//!   not null, which the C code does not read.
//! * Only a result of 1 is a success.
//! * What failed leaves nothing in the thread's queue of errors, where a later call would find it.
//! * A handle of C is in one place of Rust, which frees it. AWS-LC overwrites with zeros what it frees.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod ccm;
mod dsa;
mod ecdh;
mod rsa;

use core::ffi::{CStr, c_int};
use core::fmt;

pub use ccm::{Ccm, TagLen};
pub use dsa::{DsaPrivateKey, DsaPublicKey};
pub use ecdh::{Curve, EcdhPrivateKey};
pub use rsa::{Hash, RsaPrivateKey, RsaPublicKey};

/// The version of AWS-LC, as it has it itself.
pub const AWS_LC_VERSION: &str = text(aws_lc_sys::AWSLC_VERSION_NUMBER_STRING);

const fn text(bytes: &'static [u8]) -> &'static str {
    match CStr::from_bytes_with_nul(bytes) {
        Ok(text) => match text.to_str() {
            Ok(text) => text,
            Err(_) => "",
        },
        Err(_) => "",
    }
}

/// The library refused its input, or failed. It does not say why: that could be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the crypto library refused its input or failed")
    }
}

impl core::error::Error for Failed {}

/// What a function of C has returned.
fn success(returned: c_int) -> Result<(), Failed> {
    if returned == 1 {
        return Ok(());
    }
    forget_errors();
    Err(Failed)
}

/// Empties the thread's queue of errors.
#[cold]
fn forget_errors() {
    // SAFETY: takes nothing, and touches nothing but what belongs to this thread.
    unsafe { aws_lc_sys::ERR_clear_error() }
}

/// A length as C wants it.
fn int(len: usize) -> Result<c_int, Failed> {
    len.try_into().map_err(|_| Failed)
}

/// Reads hex with white space in it, for test vectors.
#[cfg(test)]
fn hex(text: &str) -> Vec<u8> {
    let digits = text.chars().filter(|c| !c.is_whitespace());
    let digits: Vec<u8> = digits.map(|c| c.to_digit(16).unwrap() as u8).collect();
    assert!(digits.len().is_multiple_of(2));
    let pairs = digits.chunks(2);
    pairs.map(|pair| pair[0] << 4 | pair[1]).collect()
}
