//! What this side has shown of itself.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use crate::SignatureScheme;
use crate::x509::{Identity, Sha256Digest};

/// Empty if the server asked for nothing, or this side had nothing to show.
#[derive(Default)]
pub(super) struct ShownIdentity {
    pub(super) chain: Option<Arc<[CertificateDer<'static>]>>,
    pub(super) scheme: Option<SignatureScheme>,
    pub(super) key: Option<Arc<Sha256Digest>>,
}

impl ShownIdentity {
    pub(super) fn new(identity: &Identity, scheme: SignatureScheme) -> Self {
        Self {
            chain: Some(identity.shared_chain()),
            scheme: Some(scheme),
            key: Some(Arc::clone(identity.key_digest())),
        }
    }
}
