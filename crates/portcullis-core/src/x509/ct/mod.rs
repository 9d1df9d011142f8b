//! Certificate Transparency: promises of logs that they have a certificate.
//!
//! RFC 6962. [`Sct`] reads them wherever they come from, and [`CtLogs`] says which of them are kept by logs that
//! somebody trusts. No list of logs is here: those of the Web change every few months.

mod logs;
mod sct;

#[cfg(test)]
pub(super) use logs::without_timestamps;
pub use logs::{CtLogs, SctError};
pub use sct::{Sct, SctSource};
pub(super) use sct::{in_certificate, in_response, of_list};
