//! AES-GCM of ring, where it is faster than the library's.
//!
//! With the feature `ring-aead`. AWS-LC has AES-GCM for VAES with registers of 512 bits and for a
//! block at a time; in between, for processors with VAES and without AVX-512, ring has code and AWS-LC
//! none (docs/performance.md). It seals and opens in place only.

use std::sync::LazyLock;

use ring::aead::{self, Aad, LessSafeKey, Nonce, Tag, UnboundKey};

use super::CryptoFailure;
use super::aead::{AeadAlgorithm, AeadError, IV_LEN, TAG_LEN};

/// Decided by the first key of the process.
static IS_FASTER: LazyLock<bool> = LazyLock::new(|| {
    let mask = std::env::var("OPENSSL_ia32cap").unwrap_or_default();
    is_for(masked(reported(), &mask))
});

/// Whether records with AES-GCM are protected by ring on this processor. It is the same as long as the
/// process lives.
pub(super) fn is_faster() -> bool {
    *IS_FASTER
}

/// CPUID's leaf 7, as AWS-LC keeps it: EBX below ECX.
mod leaf7 {
    pub(super) const AVX2: u64 = 1 << 5;
    pub(super) const AVX512F: u64 = 1 << 16;
    pub(super) const AVX512DQ: u64 = 1 << 17;
    pub(super) const AVX512BW: u64 = 1 << 30;
    pub(super) const AVX512VL: u64 = 1 << 31;
    pub(super) const VAES: u64 = 1 << (32 + 9);
    pub(super) const VPCLMULQDQ: u64 = 1 << (32 + 10);
    /// What ring's code needs.
    pub(super) const SHORT: u64 = AVX2 | VAES | VPCLMULQDQ;
    /// What AWS-LC's needs besides (`crypto_gcm_avx512_enabled`).
    pub(super) const LONG: u64 = AVX512F | AVX512DQ | AVX512BW | AVX512VL;
}

/// Those of these bits that the processor and the system have.
#[cfg(target_arch = "x86_64")]
fn reported() -> u64 {
    use leaf7::{AVX2, AVX512BW, AVX512DQ, AVX512F, AVX512VL, VAES, VPCLMULQDQ};
    use std::arch::is_x86_feature_detected as has;
    [
        (AVX2, has!("avx2")),
        (AVX512F, has!("avx512f")),
        (AVX512DQ, has!("avx512dq")),
        (AVX512BW, has!("avx512bw")),
        (AVX512VL, has!("avx512vl")),
        (VAES, has!("vaes")),
        (VPCLMULQDQ, has!("vpclmulqdq")),
    ]
    .into_iter()
    .filter_map(|(bit, is_there)| is_there.then_some(bit))
    .sum()
}

/// ring's code for other architectures is no faster.
#[cfg(not(target_arch = "x86_64"))]
fn reported() -> u64 {
    0
}

/// What is left by the variable that AWS-LC reads (`OPENSSL_cpuid_setup`): the comparison is with the
/// code that AWS-LC takes, and whoever forbids instructions to one library means the other too. Its second
/// value is this leaf's.
fn masked(reported: u64, variable: &str) -> u64 {
    let Some((_, second)) = variable.split_once(':') else {
        return reported;
    };
    let (is_inverted, number) = match second.strip_prefix('~') {
        Some(number) => (true, number),
        // Nothing can be added to what the processor has.
        None if second.starts_with('|') => return reported,
        None => (false, second),
    };
    let value = match number.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => number.parse(),
    };
    match value {
        Ok(value) if is_inverted => reported & !value,
        Ok(value) => reported & value,
        Err(_) => reported,
    }
}

fn is_for(bits: u64) -> bool {
    bits & leaf7::SHORT == leaf7::SHORT && bits & leaf7::LONG != leaf7::LONG
}

/// A key that is set up, on the heap: it is as large as the library's, which is there, too.
pub(super) struct RingKey(Box<LessSafeKey>);

impl RingKey {
    /// For another algorithm than AES-GCM there is none.
    pub(super) fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Option<Result<Self, CryptoFailure>> {
        let algorithm = match algorithm {
            AeadAlgorithm::Aes128Gcm => &aead::AES_128_GCM,
            AeadAlgorithm::Aes256Gcm => &aead::AES_256_GCM,
            AeadAlgorithm::ChaCha20Poly1305 | AeadAlgorithm::Ccm(_) => return None,
        };
        let key = UnboundKey::new(algorithm, key).map_err(|_| CryptoFailure::RecordKeys);
        Some(key.map(|key| Self(Box::new(LessSafeKey::new(key)))))
    }

    /// As [`AeadKey::seal_scatter`](super::aead::AeadKey::seal_scatter): the plaintext is copied to
    /// where it is sealed.
    pub(super) fn seal_scatter(
        &self,
        nonce: [u8; IV_LEN as usize],
        aad: &[u8],
        plaintext: &[u8],
        behind: &[u8],
        out: &mut [u8],
    ) -> Result<(), AeadError> {
        let split = out.split_at_mut_checked(plaintext.len());
        let (front, rest) = split.ok_or(AeadError)?;
        let split = rest.split_at_mut_checked(behind.len());
        let (end, tag) = split.ok_or(AeadError)?;
        // Before anything is put there that nobody would then seal.
        if tag.len() != TAG_LEN {
            return Err(AeadError);
        }
        front.copy_from_slice(plaintext);
        end.copy_from_slice(behind);
        self.seal_in_place(nonce, aad, out)
    }

    /// As [`AeadKey::seal_in_place`](super::aead::AeadKey::seal_in_place).
    pub(super) fn seal_in_place(
        &self,
        nonce: [u8; IV_LEN as usize],
        aad: &[u8],
        plaintext_and_tag: &mut [u8],
    ) -> Result<(), AeadError> {
        let split = plaintext_and_tag.split_last_chunk_mut::<TAG_LEN>();
        let (plaintext, tag) = split.ok_or(AeadError)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let made = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(aad), plaintext);
        tag.copy_from_slice(made.map_err(|_| AeadError)?.as_ref());
        Ok(())
    }

    /// As [`AeadKey::open_in_place`](super::aead::AeadKey::open_in_place). Of a forgery nothing is left.
    pub(super) fn open_in_place<'a>(
        &self,
        nonce: [u8; IV_LEN as usize],
        aad: &[u8],
        ciphertext_and_tag: &'a mut [u8],
    ) -> Result<&'a mut [u8], AeadError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .open_in_place(nonce, Aad::from(aad), ciphertext_and_tag)
            .map_err(|_| AeadError)
    }

    /// As [`AeadKey::open_into`](super::aead::AeadKey::open_into). Of a forgery nothing is left in
    /// `out`.
    pub(super) fn open_into(
        &self,
        nonce: [u8; IV_LEN as usize],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        out: &mut [u8],
    ) -> Result<(), AeadError> {
        if out.len() != ciphertext.len() {
            return Err(AeadError);
        }
        let tag = Tag::try_from(tag).map_err(|_| AeadError)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        out.copy_from_slice(ciphertext);
        self.0
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag, out, 0..)
            .map_err(|_| AeadError)?;
        Ok(())
    }
}

/// ring wipes nothing. What can be done without `unsafe` is to put another key where this one was; of
/// where the two stood on the way into their box, the stack, nothing is known.
impl Drop for RingKey {
    fn drop(&mut self) {
        const NONE: [u8; 32] = [0; 32];
        let algorithm = self.0.algorithm();
        let zeros = NONE.get(..algorithm.key_len());
        if let Some(Ok(none)) = zeros.map(|zeros| UnboundKey::new(algorithm, zeros)) {
            *self.0 = LessSafeKey::new(none);
            // Or the compiler would see that nobody reads it.
            core::hint::black_box(&self.0);
        }
    }
}

#[cfg(test)]
#[path = "ring_gcm_tests.rs"]
mod tests;
