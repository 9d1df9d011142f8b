//! Key agreement on curves that aws-lc-rs does not have: brainpoolP256r1, P384r1 and P512r1.
//!
//! RFC 5639, RFC 7027; SEC 1 §3.3.1. AWS-LC multiplies on them with the code that it has for any curve over a
//! prime field, in a time that does not depend on the private key.

use core::fmt;
use core::ptr::{NonNull, null, null_mut};

use aws_lc_sys::{
    BIGNUM, BN_bin2bn, BN_clear_free, EC_GROUP, EC_KEY, EC_KEY_free, EC_KEY_generate_key,
    EC_KEY_get0_public_key, EC_KEY_new, EC_KEY_set_group, EC_KEY_set_private_key,
    EC_KEY_set_public_key, EC_POINT, EC_POINT_free, EC_POINT_mul, EC_POINT_new, EC_POINT_oct2point,
    EC_POINT_point2oct, EC_group_brainpoolP256r1, EC_group_brainpoolP384r1,
    EC_group_brainpoolP512r1, ECDH_compute_key, point_conversion_form_t,
};

use crate::{Failed, forget_errors, int, success};

/// A curve of RFC 5639 §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// brainpoolP256r1, §3.4.
    BrainpoolP256r1,
    /// brainpoolP384r1, §3.6.
    BrainpoolP384r1,
    /// brainpoolP512r1, §3.7.
    BrainpoolP512r1,
}

impl Curve {
    /// The length of a coordinate, a scalar and a secret, in bytes.
    pub const fn field_len(self) -> usize {
        match self {
            Self::BrainpoolP256r1 => 32,
            Self::BrainpoolP384r1 => 48,
            Self::BrainpoolP512r1 => 64,
        }
    }

    /// The length of a point in uncompressed form, in bytes.
    pub const fn point_len(self) -> usize {
        1 + 2 * self.field_len()
    }

    fn group(self) -> *const EC_GROUP {
        match self {
            // SAFETY: takes nothing; what it gives lives as long as the program, and is not changed.
            Self::BrainpoolP256r1 => unsafe { EC_group_brainpoolP256r1() },
            // SAFETY: as above.
            Self::BrainpoolP384r1 => unsafe { EC_group_brainpoolP384r1() },
            // SAFETY: as above.
            Self::BrainpoolP512r1 => unsafe { EC_group_brainpoolP512r1() },
        }
    }
}

/// The first byte of a point that has both coordinates (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

/// What C gave to us, or nothing.
fn handle<T>(pointer: *mut T) -> Result<NonNull<T>, Failed> {
    NonNull::new(pointer).ok_or_else(|| {
        forget_errors();
        Failed
    })
}

/// A key of AWS-LC that is ours alone and does not change any more.
struct Key(NonNull<EC_KEY>);

// SAFETY: no thread is special to a key.
unsafe impl Send for Key {}

// SAFETY: after its making only functions are called that take it as `const`, which ec_key.h allows concurrently;
// it caches nothing.
unsafe impl Sync for Key {}

impl Key {
    fn new(curve: Curve) -> Result<Self, Failed> {
        // SAFETY: takes nothing; what it gives is ours, or null.
        let key = Self(handle(unsafe { EC_KEY_new() })?);
        // SAFETY: the key is live and ours alone, the group static.
        success(unsafe { EC_KEY_set_group(key.0.as_ptr(), curve.group()) })?;
        Ok(key)
    }

    /// The public half, which lives as long as the key.
    fn public(&self) -> Result<*const EC_POINT, Failed> {
        // SAFETY: the key is live, and only read.
        let point = unsafe { EC_KEY_get0_public_key(self.0.as_ptr()) };
        if point.is_null() {
            Err(Failed)
        } else {
            Ok(point)
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key came from `EC_KEY_new` and is freed once; `OPENSSL_free` overwrites its numbers.
        unsafe { EC_KEY_free(self.0.as_ptr()) }
    }
}

struct Point(NonNull<EC_POINT>);

impl Point {
    fn new(curve: Curve) -> Result<Self, Failed> {
        // SAFETY: the group is static; what it gives is ours, or null.
        handle(unsafe { EC_POINT_new(curve.group()) }).map(Self)
    }
}

impl Drop for Point {
    fn drop(&mut self) {
        // SAFETY: it came from `EC_POINT_new`, and is freed once.
        unsafe { EC_POINT_free(self.0.as_ptr()) }
    }
}

struct Number(NonNull<BIGNUM>);

impl Number {
    fn new(bytes: &[u8]) -> Result<Self, Failed> {
        // SAFETY: reads as many bytes as the length says; null stands for a new number, which is ours, or null.
        handle(unsafe { BN_bin2bn(bytes.as_ptr(), bytes.len(), null_mut()) }).map(Self)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        // SAFETY: it came from `BN_bin2bn`, and is freed once, overwritten before.
        unsafe { BN_clear_free(self.0.as_ptr()) }
    }
}

/// A private key on one of the curves, with its public half.
///
/// Dropping it overwrites its numbers.
pub struct EcdhPrivateKey {
    curve: Curve,
    key: Key,
}

impl EcdhPrivateKey {
    /// Makes a key from random bytes of AWS-LC's generator.
    ///
    /// # Errors
    /// When there are none, or there is no memory.
    pub fn generate(curve: Curve) -> Result<Self, Failed> {
        let key = Key::new(curve)?;
        // SAFETY: the key is live, ours alone, and has its group.
        success(unsafe { EC_KEY_generate_key(key.0.as_ptr()) })?;
        Ok(Self { curve, key })
    }

    /// The key with this private half, [`field_len`](Curve::field_len) bytes, the most significant first.
    ///
    /// # Errors
    /// When it is 0, not below the order of the curve, or of another length.
    pub fn from_scalar(curve: Curve, scalar: &[u8]) -> Result<Self, Failed> {
        if scalar.len() != curve.field_len() {
            return Err(Failed);
        }
        let (key, public, scalar) = (Key::new(curve)?, Point::new(curve)?, Number::new(scalar)?);
        // SAFETY: all are live; the key takes a copy of the number, which has to be below the order and not 0.
        success(unsafe { EC_KEY_set_private_key(key.0.as_ptr(), scalar.0.as_ptr()) })?;
        let (place, scalar) = (public.0.as_ptr(), scalar.0.as_ptr());
        // SAFETY: all are live and of one group; null stands for no other point and number, and for room that the
        // function finds by itself.
        success(unsafe { EC_POINT_mul(curve.group(), place, scalar, null(), null(), null_mut()) })?;
        // SAFETY: both are live and of one group; the key takes a copy of the point.
        success(unsafe { EC_KEY_set_public_key(key.0.as_ptr(), place) })?;
        Ok(Self { curve, key })
    }

    /// The public half, uncompressed: [`point_len`](Curve::point_len) bytes.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn public_key(&self) -> Result<Vec<u8>, Failed> {
        let public = self.key.public()?;
        let mut out = vec![0; self.curve.point_len()];
        let (place, room) = (out.as_mut_ptr(), out.len());
        let form = point_conversion_form_t::POINT_CONVERSION_UNCOMPRESSED;
        // SAFETY: the point is live with its key, and of this group. Writes at most `room` bytes; null stands for
        // room that the function finds by itself.
        let written = unsafe {
            EC_POINT_point2oct(self.curve.group(), public, form, place, room, null_mut())
        };
        if written == out.len() {
            return Ok(out);
        }
        forget_errors();
        Err(Failed)
    }

    /// Writes to `secret` the x-coordinate of the point that follows from both keys.
    ///
    /// # Errors
    /// When `point` is no uncompressed point of this curve, which the peer that made it knows anyway, or `secret` has not
    /// [`field_len`](Curve::field_len) bytes. `secret` is not to be used then.
    pub fn agree(&self, point: &[u8], secret: &mut [u8]) -> Result<(), Failed> {
        let curve = self.curve;
        if point.len() != curve.point_len()
            || point.first() != Some(&UNCOMPRESSED)
            || secret.len() != curve.field_len()
        {
            return Err(Failed);
        }
        let (peer, bytes, len) = (Point::new(curve)?, point.as_ptr(), point.len());
        // SAFETY: the point is live and of this group. Reads `len` bytes, and refuses what is not on the curve; null
        // stands for room that the function finds by itself.
        success(unsafe {
            EC_POINT_oct2point(curve.group(), peer.0.as_ptr(), bytes, len, null_mut())
        })?;
        let (place, room) = (secret.as_mut_ptr(), secret.len());
        let (peer, key) = (peer.0.as_ptr(), self.key.0.as_ptr());
        // SAFETY: both are live and of one group, and the key has its private half. Writes at most `room` bytes; no
        // function stands for the x-coordinate as it is.
        let written = unsafe { ECDH_compute_key(place.cast(), room, peer, key, None) };
        if int(secret.len()) == Ok(written) {
            return Ok(());
        }
        forget_errors();
        Err(Failed)
    }
}

impl fmt::Debug for EcdhPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EcdhPrivateKey").field(&self.curve).finish()
    }
}

#[cfg(test)]
#[path = "ecdh_tests.rs"]
mod tests;
