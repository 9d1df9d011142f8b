//! The path that was verified, from the peer to the anchor.

use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::der;
use crate::x509::certificate::Certificate;

/// The path of a chain: place 0 is the peer's certificate, the last is the anchor.
#[derive(Debug, Default)]
pub(in crate::x509) struct CheckedPath {
    certificates: Vec<CertificateDer<'static>>,
    /// With its header, as that of the others.
    anchor_name: Vec<u8>,
    anchor_spki: Vec<u8>,
}

impl CheckedPath {
    pub(in crate::x509) fn new(
        certificates: impl Iterator<Item = CertificateDer<'static>>,
        anchor: &TrustAnchor<'_>,
    ) -> Self {
        Self {
            certificates: certificates.collect(),
            anchor_name: der::sequence(&anchor.subject),
            anchor_spki: der::sequence(&anchor.subject_public_key_info),
        }
    }

    /// Below a certificate that is trusted itself, or below nothing that is.
    pub(in crate::x509) fn below(
        certificates: impl Iterator<Item = CertificateDer<'static>>,
        anchor: Option<Certificate<'_>>,
    ) -> Self {
        let (name, spki) =
            anchor.map_or((&[][..], &[][..]), |anchor| (anchor.subject, anchor.spki));
        Self {
            certificates: certificates.collect(),
            anchor_name: name.to_vec(),
            anchor_spki: spki.to_vec(),
        }
    }

    /// Those below the anchor.
    pub(in crate::x509) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// How many there are with the anchor.
    pub(super) fn members(&self) -> usize {
        self.certificates.len() + 1
    }

    /// `None` for the anchor.
    pub(super) fn certificate(&self, place: usize) -> Option<&[u8]> {
        self.certificates.get(place).map(AsRef::as_ref)
    }

    pub(super) fn has(&self, certificate: &[u8]) -> bool {
        self.certificates
            .iter()
            .any(|own| own.as_ref() == certificate)
    }

    /// The Name, with its header.
    pub(in crate::x509) fn name(&self, place: usize) -> &[u8] {
        match self.certificate(place).map(Certificate::read) {
            Some(Some(certificate)) => certificate.subject,
            _ => &self.anchor_name,
        }
    }

    /// The SubjectPublicKeyInfo, with its header.
    pub(in crate::x509) fn spki(&self, place: usize) -> &[u8] {
        match self.certificate(place).map(Certificate::read) {
            Some(Some(certificate)) => certificate.spki,
            _ => &self.anchor_spki,
        }
    }
}
