//! scrypt, whose cost is memory.
//!
//! RFC 7914.

use super::{Fault, Found};

/// The most memory, in mebibytes. OpenSSL writes keys that need 16.
const MOST_MEMORY: usize = 256;
/// The most passes over it, one after the other.
const MOST_PASSES: usize = 16;
const MEBIBYTE: usize = 1024 * 1024;

pub(super) fn derive(
    password: &[u8],
    salt: &[u8],
    (n, r, p): (usize, usize, usize),
    key: &mut [u8],
) -> Found<()> {
    const DAMAGED: Fault = Fault::Damaged("its costs are not those of scrypt (RFC 7914 §6)");
    // §2: N is a power of two and larger than 1.
    if !n.is_power_of_two() || n == 1 || r == 0 || p == 0 {
        return Err(DAMAGED);
    }
    let memory = n.saturating_mul(r).saturating_mul(128);
    if memory > MOST_MEMORY * MEBIBYTE {
        let asked = memory.div_ceil(MEBIBYTE);
        return Err(Fault::TooExpensive("MiB of scrypt", asked, MOST_MEMORY));
    }
    if p > MOST_PASSES {
        return Err(Fault::TooExpensive("passes of scrypt", p, MOST_PASSES));
    }
    let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| DAMAGED)?;
    let (Ok(r), Ok(p)) = (r.try_into(), p.try_into()) else {
        return Err(DAMAGED);
    };
    let parameters = scrypt::Params::new(log_n, r, p).map_err(|_| DAMAGED)?;
    scrypt::scrypt(password, salt, &parameters, key).map_err(|_| DAMAGED)
}
