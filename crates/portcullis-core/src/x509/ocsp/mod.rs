//! What a responder says of a certificate: that it is good, or was taken back.
//!
//! RFC 6960, as far as servers staple it (RFC 6066 §8, RFC 8446 §4.4.2.1), and RFC 7633, by which a certificate says
//! that it comes with such a response. [`response`] reads, [`verify`] says what a response is worth, [`judge()`] what
//! becomes of a chain, and [`request`] asks.

mod error;
mod judge;
mod request;
mod response;
mod verify;

pub use error::OcspError;
pub use judge::OcspPolicy;
pub(crate) use judge::Staples;
pub(super) use judge::{StapleFault, Statuses, judge, look};
pub(super) use request::has_issuer_uri;
pub use request::{ocsp_request, ocsp_responders};
pub use verify::{OcspStatus, OcspVerdict, verify_ocsp_response};
pub(super) use verify::{single_extension, staple_ends};

/// The longest response that is read, in bytes. One has 300 to 3,000.
pub const MAX_OCSP_RESPONSE: usize = 64 << 10;

/// How far clocks may differ, in seconds.
const TOLERATED: i64 = 300;
