//! RFC 5280 §4.2.1.12: what else the key may be used for.

use crate::der::{self, NotDer, Reader};
use crate::x509::certificate::Certificate;
use crate::x509::error::Purpose;

/// 2.5.29.37
pub(super) const EXTENDED_KEY_USAGE: &[u8] = b"\x55\x1d\x25";

/// id-kp-serverAuth, 1.3.6.1.5.5.7.3.1, and id-kp-clientAuth, 1.3.6.1.5.5.7.3.2.
const SERVER_AUTH: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x01";
const CLIENT_AUTH: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x02";

/// id-kp-OCSPSigning, 1.3.6.1.5.5.7.3.9
const OCSP_SIGNING: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x09";

/// 2.5.29.37.0
const ANY_EXTENDED_KEY_USAGE: &[u8] = b"\x55\x1d\x25\x00";

/// Whole OIDs, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::x509) struct ExtendedKeyUsage<'a>(&'a [u8]);

impl<'a> ExtendedKeyUsage<'a> {
    /// `None` without the extension.
    pub(in crate::x509) fn of(certificate: &Certificate<'a>) -> Result<Option<Self>, NotDer> {
        let value = certificate.extension(EXTENDED_KEY_USAGE)?;
        value
            .map(|value| Self::read(value).ok_or(NotDer))
            .transpose()
    }

    pub(in crate::x509) fn read(value: &'a [u8]) -> Option<Self> {
        let purposes = der::only(value, der::SEQUENCE)?;
        let mut reader = Reader::new(purposes);
        while !reader.is_empty() {
            reader.contents(der::OID)?;
        }
        Some(Self(purposes))
    }

    /// The RFC forbids that there is none.
    pub(in crate::x509) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// anyExtendedKeyUsage does not count: it would let a certificate for something else stand
    /// for a server.
    pub(in crate::x509) fn allows(&self, purpose: Purpose) -> bool {
        let wanted = match purpose {
            Purpose::ServerAuth => SERVER_AUTH,
            Purpose::ClientAuth => CLIENT_AUTH,
        };
        self.has(wanted)
    }

    /// RFC 6960 §4.2.2.2: any purpose does not mean this one.
    pub(in crate::x509) fn allows_ocsp_signing(&self) -> bool {
        self.has(OCSP_SIGNING)
    }

    /// Whether anyExtendedKeyUsage is among them.
    pub(in crate::x509) fn allows_any(&self) -> bool {
        self.has(ANY_EXTENDED_KEY_USAGE)
    }

    fn has(&self, wanted: &[u8]) -> bool {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(|| reader.contents(der::OID)).any(|purpose| purpose == wanted)
    }
}
