//! RFC 5280 §4.2.1.3: what the key may be used for.

use crate::der::{self, NotDer};
use crate::x509::certificate::Certificate;

/// 2.5.29.15
pub(super) const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";

/// The first eight bits, the first of them highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::x509) struct KeyUsage(u8);

impl KeyUsage {
    /// `None` without the extension: then every use is allowed.
    pub(in crate::x509) fn of(certificate: &Certificate<'_>) -> Result<Option<Self>, NotDer> {
        let value = certificate.extension(KEY_USAGE)?;
        value
            .map(|value| Self::read(value).ok_or(NotDer))
            .transpose()
    }

    pub(in crate::x509) fn read(value: &[u8]) -> Option<Self> {
        let bits = der::bits(der::only(value, der::BIT_STRING)?)?;
        // The RFC forbids that there is none; it allows nothing.
        Some(Self(bits.first().copied().unwrap_or_default()))
    }

    /// Bit 0.
    pub(in crate::x509) const fn digital_signature(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// Bit 2.
    pub(in crate::x509) const fn key_encipherment(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// Bit 4.
    pub(in crate::x509) const fn key_agreement(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// Bit 5.
    pub(in crate::x509) const fn key_cert_sign(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// Bit 6.
    pub(in crate::x509) const fn crl_sign(self) -> bool {
        self.0 & 0x02 != 0
    }
}
