//! RFC 7633: what a server promises by its certificate.

use crate::der::{self, INTEGER, Reader, SEQUENCE};
use crate::x509::certificate::Certificate;

/// 1.3.6.1.5.5.7.1.24
pub(super) const TLS_FEATURE: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x01\x18";

/// status_request, as the number of its extension.
const STATUS_REQUEST: usize = 5;

/// Whether a certificate says that an OCSP response comes with it where one is asked for. One that cannot be read
/// says so, too: it was meant to say something.
pub(in crate::x509) fn demands_staple(certificate: &Certificate<'_>) -> bool {
    match certificate.extension(TLS_FEATURE) {
        Ok(None) => false,
        Ok(Some(value)) => has_status_request(value).unwrap_or(true),
        Err(_) => true,
    }
}

fn has_status_request(value: &[u8]) -> Option<bool> {
    let mut features = Reader::new(der::only(value, SEQUENCE)?);
    let mut found = false;
    while !features.is_empty() {
        found |= der::unsigned(features.contents(INTEGER)?)? == STATUS_REQUEST;
    }
    Some(found)
}
