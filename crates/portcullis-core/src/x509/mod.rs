//! Certificates: who the peer is and who we are.

/// Why a certificate chain is not accepted.
#[derive(Clone, Debug)]
pub struct CertificateError;

impl CertificateError {
    pub(crate) fn alert(&self) -> crate::AlertDescription {
        crate::AlertDescription::BAD_CERTIFICATE
    }
}

impl core::fmt::Display for CertificateError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("bad certificate")
    }
}

impl core::error::Error for CertificateError {}
