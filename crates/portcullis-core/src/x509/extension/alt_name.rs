//! RFC 5280 §4.2.1.6: the names that a certificate is for.

use crate::der::{self, Element, NotDer, Reader};
use crate::x509::certificate::Certificate;

/// 2.5.29.17
pub(in crate::x509) const SUBJECT_ALT_NAME: &[u8] = b"\x55\x1d\x11";

/// The tags of GeneralName.
pub(in crate::x509) const OTHER_NAME: u8 = 0xa0;
pub(in crate::x509) const MAIL_ADDRESS: u8 = 0x81;
pub(in crate::x509) const DNS_NAME: u8 = 0x82;
pub(in crate::x509) const X400_ADDRESS: u8 = 0xa3;
pub(in crate::x509) const DIRECTORY_NAME: u8 = 0xa4;
pub(in crate::x509) const EDI_PARTY_NAME: u8 = 0xa5;
pub(in crate::x509) const URI: u8 = 0x86;
pub(in crate::x509) const IP_ADDRESS: u8 = 0x87;
pub(in crate::x509) const REGISTERED_ID: u8 = 0x88;

/// Each a GeneralName, or of a tag that there is not; with its header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::x509) struct GeneralNames<'a>(&'a [u8]);

impl<'a> GeneralNames<'a> {
    /// The subjectAltName; none without it.
    pub(in crate::x509) fn of_subject(certificate: &Certificate<'a>) -> Result<Self, NotDer> {
        match certificate.extension(SUBJECT_ALT_NAME)? {
            Some(value) => Self::read(value).ok_or(NotDer),
            None => Ok(Self::default()),
        }
    }

    pub(in crate::x509) fn read(value: &'a [u8]) -> Option<Self> {
        let names = der::only(value, der::SEQUENCE)?;
        let mut reader = Reader::new(names);
        while !reader.is_empty() {
            reader.any()?;
        }
        Some(Self(names))
    }

    pub(in crate::x509) fn iter(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || reader.any())
    }
}
