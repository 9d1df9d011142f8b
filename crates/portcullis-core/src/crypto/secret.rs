//! Bytes that nobody may see: wiped on drop, not in `Debug`, compared in constant time.

use core::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::{ZeroizeOnDrop, Zeroizing, optimization_barrier};

use super::CryptoFailure;
use super::hash::{Digest, HashAlgorithm};

/// A secret of the key schedule; as long as the suite's hash, or shorter.
pub(crate) type Secret = Inline<{ HashAlgorithm::MAX_OUTPUT_LEN }>;

/// The result of a key exchange.
#[derive(Clone)]
pub(crate) enum SharedSecret {
    /// The longest of curves and ML-KEM is that of SecP384r1MLKEM1024: 48 + 32 bytes.
    Inline(Inline<80>),
    /// In the field of a prime it is as long as the prime.
    Heap(Zeroizing<Box<[u8]>>),
}

impl SharedSecret {
    /// Copies `from`.
    pub(crate) fn new(from: &[u8]) -> Self {
        Self::joined([from])
    }

    /// Copies the parts, one behind the other.
    pub(crate) fn joined<const N: usize>(parts: [&[u8]; N]) -> Self {
        let mut inline = Inline::empty();
        for part in parts {
            if inline.push(part).is_err() {
                return Self::Heap(Zeroizing::new(parts.concat().into()));
            }
        }
        Self::Inline(inline)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline(secret) => secret.as_slice(),
            Self::Heap(secret) => secret,
        }
    }
}

impl PartialEq for SharedSecret {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice().ct_eq(other.as_slice())
    }
}

impl Eq for SharedSecret {}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// Wipes the part of the stack that calls from here have used and will use. Where a value has unused bytes (a shorter
/// variant, a key schedule with fewer rounds), a move into a box takes along what an earlier call has left there, to
/// where nobody wipes it.
#[inline(never)]
pub(crate) fn wipe_stack() {
    /// Of the size, with the address to return to behind each 2 KiB: 8 KiB in all, more than the calls take that have
    /// keys. In pieces, which the C library sets faster than the whole as long as they have less than that.
    const PIECES: usize = if cfg!(debug_assertions) { 12 } else { 4 };
    const PIECE: usize = 2_040;

    #[inline(never)]
    fn wipe(pieces: usize) {
        let below = [0_u8; PIECE];
        optimization_barrier(&below);
        if pieces > 1 {
            wipe(pieces - 1);
            optimization_barrier(&below);
        }
    }

    wipe(PIECES);
}

/// At most `N` secret bytes, held inline.
#[derive(Clone)]
pub(crate) struct Inline<const N: usize> {
    bytes: [u8; N],
    /// At most `N`, which fits.
    len: u8,
}

impl<const N: usize> Inline<N> {
    pub(crate) const fn empty() -> Self {
        const { assert!(N <= u8::MAX as usize) };
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    /// Copies `from`.
    ///
    /// # Errors
    /// When it is longer than `N` bytes.
    pub(crate) fn new(from: &[u8]) -> Result<Self, CryptoFailure> {
        let mut secret = Self::empty();
        secret.push(from)?;
        Ok(secret)
    }

    /// Appends `part`.
    ///
    /// # Errors
    /// When more than `N` bytes would be held; nothing is changed then.
    pub(crate) fn push(&mut self, part: &[u8]) -> Result<(), CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::HoldingSecret;
        let room = self.bytes.get_mut(self.len.into()..).unwrap_or_default();
        room.get_mut(..part.len())
            .ok_or(FAILURE)?
            .copy_from_slice(part);
        self.len += u8::try_from(part.len()).map_err(|_| FAILURE)?;
        Ok(())
    }

    /// Zero bytes to be overwritten: `len` of them, or `N` if that is less.
    pub(crate) const fn zeros(len: usize) -> Self {
        let mut secret = Self::empty();
        #[allow(clippy::cast_possible_truncation, reason = "N fits")]
        let len = if len < N { len as u8 } else { N as u8 };
        secret.len = len;
        secret
    }

    /// Moves the secret and leaves zeros. A plain move leaves a copy, which nobody wipes where it
    /// is a move out of a box: that memory is freed as it is.
    pub(crate) fn take(&mut self) -> Self {
        core::mem::replace(self, Self::empty())
    }

    /// As [`take`](Self::take), straight to where it stays: nothing passes over the stack, whose
    /// bytes get into the memory of a later box with the unused part of what is moved there.
    pub(crate) fn take_from(&mut self, other: &mut Self) {
        self.bytes.copy_from_slice(&other.bytes);
        self.len = other.len;
        *other = Self::empty();
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&self.bytes)
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        let (used, _) = self.bytes.split_at_mut(N.min(self.len.into()));
        used
    }

    /// Drops what is behind the first `len` bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = u8::try_from(len).map_or(self.len, |len| self.len.min(len));
    }
}

impl From<Digest> for Secret {
    fn from(digest: Digest) -> Self {
        let (bytes, len) = digest.into_parts();
        Self { bytes, len }
    }
}

/// Comparison that takes as long for what differs in the first byte as for what is equal; only
/// how long either is may be learnt from it.
pub(crate) trait ConstantTimeEq {
    fn ct_eq(&self, other: &Self) -> bool;
}

impl ConstantTimeEq for [u8] {
    fn ct_eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self, other).is_ok()
    }
}

impl Secret {
    /// For what is derived like a secret but is then sent: verify_data.
    pub(crate) fn into_public(self) -> Digest {
        Digest::truncating(self.as_slice())
    }
}

impl<const N: usize> Drop for Inline<N> {
    fn drop(&mut self) {
        // Cheaper than `Zeroize`, whose volatile stores go byte by byte; the barrier keeps it.
        self.bytes = [0; N];
        optimization_barrier(&self.bytes);
    }
}

impl<const N: usize> ZeroizeOnDrop for Inline<N> {}

impl<const N: usize> ConstantTimeEq for Inline<N> {
    fn ct_eq(&self, other: &Self) -> bool {
        self.as_slice().ct_eq(other.as_slice())
    }
}

impl<const N: usize> PartialEq for Inline<N> {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other)
    }
}

impl<const N: usize> Eq for Inline<N> {}

impl<const N: usize> fmt::Debug for Inline<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_redacted_and_compared_by_content() {
        let mut secret = Inline::<4>::new(&[1, 2, 3]).unwrap();
        assert!(secret.push(&[4, 5]).is_err());
        assert_eq!(secret.as_slice(), [1, 2, 3]);
        secret.push(&[4]).unwrap();
        assert_eq!(secret, Inline::new(&[1, 2, 3, 4]).unwrap());
        assert_ne!(secret, Inline::new(&[1, 2, 3]).unwrap());
        assert!(Inline::<4>::new(&[0; 5]).is_err());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
