//! Says that scrypt needs a feature.

use super::{Fault, Found};

pub(super) fn derive(
    _password: &[u8],
    _salt: &[u8],
    _costs: (usize, usize, usize),
    _key: &mut [u8],
) -> Found<()> {
    Err(Fault::NeedsFeature("scrypt", "scrypt"))
}
