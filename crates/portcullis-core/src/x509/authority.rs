//! Whether a certificate that nobody has judged may issue others.
//!
//! RFC 5280 §4.2.1.3, §4.2.1.9, §6.1.4 (k) to (n). This tells roots apart, and explains why there
//! is no path. What lies on one is judged by the [walk](super::walk).

use super::certificate::Certificate;
use super::error::CertificateErrorKind as Kind;
use super::extension::{BasicConstraints, KeyUsage};
use crate::der::NotDer;

/// §6.1.4 (k) and (n): the issuer of a certificate is a CA and, if its key usage is limited, may
/// sign certificates. It does not count whether the extensions are critical.
pub(super) fn check_issuer(certificate: &Certificate<'_>) -> Result<(), Kind> {
    let constraints = BasicConstraints::of(certificate)
        .map_err(|NotDer| Kind::Malformed("its basic constraints"))?;
    if !constraints.is_ca {
        return Err(Kind::WrongBasicConstraints);
    }
    match key_usage(certificate)? {
        Some(usage) if !usage.key_cert_sign() => Err(Kind::IssuerKeyUsage),
        _ => Ok(()),
    }
}

/// Whether a certificate that somebody trusts is that of an authority.
///
/// Versions 1 and 2 have no extension to say so. §6.1.4 (k) leaves it to other means, and that
/// somebody trusts one is such a means: as a peer's own certificate it could not be accepted.
pub(super) fn is_authority(certificate: &Certificate<'_>) -> bool {
    matches!(certificate.version, 1 | 2) || check_issuer(certificate).is_ok()
}

/// `pathLenConstraint`: how many intermediates a CA allows below it.
pub(super) fn path_length(certificate: &Certificate<'_>) -> Option<usize> {
    BasicConstraints::of(certificate).ok()?.path_length
}

pub(super) fn key_usage(certificate: &Certificate<'_>) -> Result<Option<KeyUsage>, Kind> {
    KeyUsage::of(certificate).map_err(|NotDer| Kind::Malformed("its key usage"))
}
