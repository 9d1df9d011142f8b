//! The path that was verified, from the peer to the anchor.

use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::crypto::ID_DSA;
use crate::der;
use crate::x509::certificate::Certificate;
use crate::x509::signatures::lacks_parameters;

/// The path of a chain: place 0 is the peer's certificate, the last is the anchor.
#[derive(Debug, Default)]
pub(in crate::x509) struct CheckedPath {
    certificates: Vec<CertificateDer<'static>>,
    /// With its header, as that of the others.
    anchor_name: Vec<u8>,
    anchor_spki: Vec<u8>,
    /// Those that have the group of a key above, each with its place.
    inherited: Vec<(usize, Vec<u8>)>,
}

impl CheckedPath {
    pub(in crate::x509) fn new(
        certificates: impl Iterator<Item = CertificateDer<'static>>,
        anchor: &TrustAnchor<'_>,
    ) -> Self {
        let (name, spki) = (
            der::sequence(&anchor.subject),
            der::sequence(&anchor.subject_public_key_info),
        );
        Self::with(certificates, name, spki)
    }

    /// Below a certificate that is trusted itself, or below nothing that is.
    pub(in crate::x509) fn below(
        certificates: impl Iterator<Item = CertificateDer<'static>>,
        anchor: Option<Certificate<'_>>,
    ) -> Self {
        let (name, spki) =
            anchor.map_or((&[][..], &[][..]), |anchor| (anchor.subject, anchor.spki));
        Self::with(certificates, name.to_vec(), spki.to_vec())
    }

    fn with(
        certificates: impl Iterator<Item = CertificateDer<'static>>,
        anchor_name: Vec<u8>,
        anchor_spki: Vec<u8>,
    ) -> Self {
        let mut this = Self {
            certificates: certificates.collect(),
            anchor_name,
            anchor_spki,
            inherited: Vec::new(),
        };
        // RFC 3279 §2.3.2: from the anchor down.
        for place in (0..this.certificates.len()).rev() {
            let own = der::public_key_info(this.spki(place));
            let above = der::public_key_info(this.spki(place + 1));
            if let (Some((own, key)), Some((group, _))) = (own, above)
                && lacks_parameters(own)
                && group.starts_with(ID_DSA)
            {
                let spki = der::put_public_key_info(group, key);
                this.inherited.push((place, spki));
            }
        }
        this
    }

    /// Those below the anchor.
    pub(in crate::x509) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Whether there is an anchor: who has issued the last of the others.
    pub(super) fn has_anchor(&self) -> bool {
        !self.anchor_spki.is_empty()
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
        let mut inherited = self.inherited.iter();
        if let Some((_, spki)) = inherited.find(|(own, _)| *own == place) {
            return spki;
        }
        match self.certificate(place).map(Certificate::read) {
            Some(Some(certificate)) => certificate.spki,
            _ => &self.anchor_spki,
        }
    }
}
