//! A thin face over aws-lc-rs.

mod signature;

#[allow(unused_imports, reason = "what the handshake needs of it")]
pub(crate) use signature::{BadSignature, scheme_fits_key, verify_tls13};
pub use signature::{PrivateKey, SignError};
