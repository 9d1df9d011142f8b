//! Whether a certificate was taken back: certificate revocation lists.
//!
//! RFC 5280 §5, §6.3. A [`Crl`] is parsed once and shared. A [`RevocationCheck`] is a machine without I/O: it
//! asks for lists, one [`CrlQuery`] after the other, and ends in the proof of the chain or in what is wrong.

mod crl;
mod decide;
mod delta;
mod hash;
mod path;
mod query;
mod scope;
mod signer;

pub(super) use crl::serial_number;
pub use crl::{Crl, CrlError};
pub use hash::crl_issuer_hash;
pub(super) use path::CheckedPath;
pub use query::{CrlCheck, CrlQuery, CrlQueryKind, RevocationCheck};
pub use scope::RevocationReason;
pub(super) use signer::is_signed;

use super::name::CanonicalName;
use crate::der;

/// Whether two Names, with their headers, are the same (§7.1).
pub(super) fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    let canonical = |name| CanonicalName::new(der::only(name, der::SEQUENCE)?);
    one == other || canonical(one).is_some_and(|one| canonical(other) == Some(one))
}
