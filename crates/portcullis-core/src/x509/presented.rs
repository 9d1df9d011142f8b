//! What a peer shows of itself, of whatever type, and the proof of it.
//!
//! RFC 8446 §4.4.2, RFC 7250 §4. A connection keeps one pointer to it.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::chain::{Entries, PresentedChain, VerifiedChain};
use super::ct::Sct;
use super::ocsp::{OcspError, OcspVerdict};
use super::raw_key::{RawPublicKey, VerifiedRawKey};
use super::signed_path::SignedPath;
use crate::wire::extension::CertificateType;

/// What a peer showed.
#[derive(PartialEq, Eq)]
pub(super) enum Shown {
    Chain(Entries),
    RawKey(Box<[u8]>),
}

/// What a [`Presented`] is.
pub(crate) enum Kind {
    Chain(PresentedChain),
    RawKey(RawPublicKey),
}

/// A chain or a raw public key, which nobody has judged. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Presented(Arc<Shown>);

impl From<PresentedChain> for Presented {
    fn from(chain: PresentedChain) -> Self {
        Self(chain.into_shown())
    }
}

impl From<RawPublicKey> for Presented {
    fn from(key: RawPublicKey) -> Self {
        Self(key.into_shown())
    }
}

impl Presented {
    /// The certificates, leaf first; none of a raw key.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        match &*self.0 {
            Shown::Chain(entries) => entries.certificates(),
            Shown::RawKey(_) => &[],
        }
    }

    /// Adds timestamps to a chain; to a raw key nothing.
    pub(crate) fn with_scts(self, list: Option<&[u8]>) -> Self {
        match self.kind() {
            Kind::Chain(chain) => {
                drop(self);
                chain.with_scts(list).into()
            }
            Kind::RawKey(_) => self,
        }
    }

    /// Adds the response that came for the peer's certificate; a raw key has no use for it.
    pub(crate) fn with_ocsp_response(self, response: &[u8]) -> Self {
        match self.kind() {
            Kind::Chain(chain) => {
                drop(self);
                chain.with_ocsp_response(response).into()
            }
            Kind::RawKey(_) => self,
        }
    }

    /// Which of the two it is.
    pub(crate) fn kind(&self) -> Kind {
        let shown = Arc::clone(&self.0);
        match &*self.0 {
            Shown::Chain(_) => Kind::Chain(PresentedChain::of(shown)),
            Shown::RawKey(_) => Kind::RawKey(RawPublicKey::of(shown)),
        }
    }

    /// Which signatures of a chain are known to be good.
    pub(crate) fn signed_path(&self) -> Option<SignedPath> {
        match self.kind() {
            Kind::Chain(chain) => chain.known().get().copied(),
            Kind::RawKey(_) => None,
        }
    }

    /// The SubjectPublicKeyInfo, if it is a raw key.
    pub(crate) fn raw_key(&self) -> Option<&[u8]> {
        match &*self.0 {
            Shown::Chain(_) => None,
            Shown::RawKey(spki) => Some(spki),
        }
    }

    /// About how many bytes it has, with what came beside its certificates.
    pub(crate) fn size(&self) -> usize {
        match &*self.0 {
            Shown::Chain(entries) => entries.size(),
            Shown::RawKey(spki) => 6 + spki.len(),
        }
    }

    /// What says who it is: the certificate of the peer itself, or its key.
    pub(crate) fn end_entity(&self) -> &[u8] {
        match &*self.0 {
            Shown::Chain(entries) => entries.certificates().first().map_or(&[], |leaf| leaf),
            Shown::RawKey(spki) => spki,
        }
    }

    pub(crate) fn scts(&self) -> Vec<Sct> {
        match &*self.0 {
            Shown::Chain(entries) => entries.scts(),
            Shown::RawKey(_) => Vec::new(),
        }
    }

    /// The OCSP response that came with the peer's own certificate.
    pub(crate) fn ocsp_response(&self) -> Option<&[u8]> {
        match &*self.0 {
            Shown::Chain(entries) => entries.ocsp_response(0),
            Shown::RawKey(_) => None,
        }
    }

    /// The peer's SubjectPublicKeyInfo, with its header.
    pub(crate) fn spki(&self) -> &[u8] {
        match &*self.0 {
            Shown::Chain(entries) => entries.end_entity_spki(),
            Shown::RawKey(spki) => spki,
        }
    }

    pub(crate) fn certificate_type(&self) -> CertificateType {
        match &*self.0 {
            Shown::Chain(_) => CertificateType::X509,
            Shown::RawKey(_) => CertificateType::RAW_PUBLIC_KEY,
        }
    }
}

impl core::fmt::Debug for Presented {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.kind() {
            Kind::Chain(chain) => chain.fmt(f),
            Kind::RawKey(key) => key.fmt(f),
        }
    }
}

/// The proof that what a peer showed is to be trusted.
#[derive(Clone, Debug)]
pub(crate) enum PeerProof {
    Chain(VerifiedChain),
    RawKey(VerifiedRawKey),
}

impl PeerProof {
    /// Whether an OCSP response that came with the peer's own certificate calls it good.
    pub(crate) fn is_called_good(&self) -> bool {
        match self {
            Self::Chain(chain) => chain.good_status(0).is_some(),
            Self::RawKey(_) => false,
        }
    }

    /// What the OCSP response says that came with the peer's own certificate.
    pub(crate) fn take_ocsp_verdict(&mut self) -> Option<Box<Result<OcspVerdict, OcspError>>> {
        match self {
            Self::Chain(chain) => chain.take_ocsp_verdict(),
            Self::RawKey(_) => None,
        }
    }

    /// The peer's SubjectPublicKeyInfo, with its header.
    pub(crate) fn spki(&self) -> &[u8] {
        match self {
            Self::Chain(chain) => chain.chain().end_entity_spki(),
            Self::RawKey(key) => key.key().spki(),
        }
    }

    /// The chain, if it is one: a raw key has no usage that could forbid something.
    pub(crate) fn chain(&self) -> Option<&PresentedChain> {
        match self {
            Self::Chain(chain) => Some(chain.chain()),
            Self::RawKey(_) => None,
        }
    }

    /// Whether it is known that the key may sign.
    pub(crate) fn may_sign(&self) -> bool {
        match self {
            Self::Chain(chain) => chain.may_sign(),
            Self::RawKey(_) => true,
        }
    }

    pub(crate) fn presented(&self) -> Presented {
        match self {
            Self::Chain(chain) => chain.chain().clone().into(),
            Self::RawKey(key) => key.key().clone().into(),
        }
    }

    pub(crate) fn into_presented(self) -> Presented {
        match self {
            Self::Chain(chain) => chain.into_chain().into(),
            Self::RawKey(key) => key.into_presented(),
        }
    }
}
