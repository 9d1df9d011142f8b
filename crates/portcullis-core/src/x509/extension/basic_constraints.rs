//! RFC 5280 §4.2.1.9: whether the subject is a CA, and how many may follow it.

use crate::der::{self, NotDer, Reader};
use crate::x509::certificate::Certificate;

/// 2.5.29.19
pub(super) const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";

/// Without the extension the subject is no CA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::x509) struct BasicConstraints {
    pub(in crate::x509) is_ca: bool,
    /// `pathLenConstraint`.
    pub(in crate::x509) path_length: Option<usize>,
}

impl BasicConstraints {
    pub(in crate::x509) fn of(certificate: &Certificate<'_>) -> Result<Self, NotDer> {
        match certificate.extension(BASIC_CONSTRAINTS)? {
            Some(value) => Self::read(value).ok_or(NotDer),
            None => Ok(Self::default()),
        }
    }

    pub(in crate::x509) fn read(value: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(der::only(value, der::SEQUENCE)?);
        let is_ca = match fields.optional(der::BOOLEAN) {
            Some(is_ca) => der::boolean(is_ca)?,
            None => false,
        };
        let path_length = match fields.is_empty() {
            true => None,
            false => Some(der::unsigned(fields.contents(der::INTEGER)?)?),
        };
        fields.is_empty().then_some(Self { is_ca, path_length })
    }
}
