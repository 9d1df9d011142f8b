//! Whether a certificate may issue others.
//!
//! RFC 5280 §4.2.1.3, §4.2.1.9, §6.1.4 (k) to (n). Each question is about one certificate, so
//! that a walk along a path asks it of each.

use super::error::CertificateErrorKind as Kind;
use crate::der::{self, CertificateFields, NotDer, Reader};

/// 2.5.29.15
pub(super) const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";
/// 2.5.29.19
const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";

/// RFC 5280 §4.2.1.3: bit 0 is the highest of the first byte.
pub(super) const DIGITAL_SIGNATURE: u8 = 0x80;
/// Bit 5.
const KEY_CERT_SIGN: u8 = 0x04;

/// §6.1.4 (k) and (n): who issues a certificate is a CA and, if its key usage is limited, may
/// sign certificates. It does not count whether the extensions are critical.
pub(super) fn check_issuer(fields: &CertificateFields<'_>) -> Result<(), Kind> {
    if !basic_constraints(fields)?.is_ca {
        return Err(Kind::WrongBasicConstraints);
    }
    match key_usage(fields)? {
        Some(usage) if usage & KEY_CERT_SIGN == 0 => Err(Kind::IssuerKeyUsage),
        _ => Ok(()),
    }
}

/// Whether a certificate that somebody trusts is that of an authority.
///
/// Versions 1 and 2 have no extension to say so. §6.1.4 (k) leaves it to other means, and that
/// somebody trusts one is such a means: as a peer's own certificate it could not be accepted.
pub(super) fn is_authority(fields: &CertificateFields<'_>) -> bool {
    matches!(fields.version, 1 | 2) || check_issuer(fields).is_ok()
}

/// `pathLenConstraint`: how many intermediates a CA allows below it.
pub(super) fn path_length(fields: &CertificateFields<'_>) -> Option<usize> {
    basic_constraints(fields).ok()?.path_length
}

#[derive(Clone, Copy, Default)]
struct BasicConstraints {
    is_ca: bool,
    path_length: Option<usize>,
}

fn basic_constraints(fields: &CertificateFields<'_>) -> Result<BasicConstraints, Kind> {
    const MALFORMED: Kind = Kind::Malformed("its basic constraints");
    let Some(value) = fields
        .extension(BASIC_CONSTRAINTS)
        .map_err(|NotDer| MALFORMED)?
    else {
        return Ok(BasicConstraints::default());
    };
    let mut outer = Reader::new(value);
    let mut inner = Reader::new(outer.contents(der::SEQUENCE).ok_or(MALFORMED)?);
    let is_ca = inner.optional(der::BOOLEAN).is_some_and(|ca| ca != [0]);
    // What has more bytes than a length of a path can have is no limit.
    let path_length = match inner.optional(der::INTEGER) {
        Some(&[length]) => Some(length.into()),
        _ => None,
    };
    if !outer.is_empty() || !inner.is_empty() {
        return Err(MALFORMED);
    }
    Ok(BasicConstraints { is_ca, path_length })
}

/// The first eight bits of the key usage, if there is one.
pub(super) fn key_usage(fields: &CertificateFields<'_>) -> Result<Option<u8>, Kind> {
    const MALFORMED: Kind = Kind::Malformed("its key usage");
    let Some(value) = fields.extension(KEY_USAGE).map_err(|NotDer| MALFORMED)? else {
        return Ok(None);
    };
    // The first byte counts the unused bits at the end.
    match Reader::new(value).contents(der::BIT_STRING) {
        Some([0..=7, first, ..]) => Ok(Some(*first)),
        // No bit is set: RFC 5280 forbids it, and it allows nothing.
        Some([0]) => Ok(Some(0)),
        _ => Err(MALFORMED),
    }
}
