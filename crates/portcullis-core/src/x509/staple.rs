//! The OCSP response that is shown with a chain. It may be replaced at any time, while connections begin.
//!
//! RFC 6066 §8, RFC 8446 §4.4.2.1.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rustls_pki_types::{CertificateDer, UnixTime};

use super::certificate;
use super::extension::demands_staple;
use super::identity::Identity;
use super::ocsp::staple_ends;
use super::present::CertificateMessages;
use crate::compression::CertificateCompression;
use crate::misuse::Misuse;
use crate::wire::Certificate;
use crate::wire::extension::{CertificateCompressionAlgorithm as Algorithm, CertificateStatus};

/// Where an identity keeps its response. An identity that never had one has nothing to look at but whether it had.
#[derive(Default)]
pub(super) struct StapleCell(OnceLock<RwLock<Option<Arc<Staple>>>>);

impl StapleCell {
    fn get(&self) -> Option<Arc<Staple>> {
        let held = self.0.get()?;
        held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, staple: Option<Arc<Staple>>) {
        let held = self.0.get_or_init(RwLock::default);
        *held.write().unwrap_or_else(PoisonError::into_inner) = staple;
    }
}

/// A response, and the messages that show it.
pub(crate) struct Staple {
    response: Box<[u8]>,
    ends: UnixTime,
    /// Certificate of TLS 1.3, with the response.
    message: Box<[u8]>,
    /// Of it, the compressed ones.
    messages: CertificateMessages,
}

impl Staple {
    fn new(chain: &[CertificateDer<'static>], response: Vec<u8>) -> Result<Self, Misuse> {
        let [leaf, ..] = chain else {
            return Err(Misuse::new(
                "a raw public key has no OCSP response: nobody has issued it",
            ));
        };
        let ends = staple_ends(&response, leaf)
            .map_err(|error| Misuse::new(format!("the OCSP response {error}")))?;
        Ok(Self::showing(chain, response, ends))
    }

    fn showing(chain: &[CertificateDer<'static>], response: Vec<u8>, ends: UnixTime) -> Self {
        let mut status = Vec::with_capacity(response.len() + 8);
        CertificateStatus::put(&mut status, &response);
        let sizes = chain.iter().map(|certificate| certificate.len() + 5);
        let mut message = Vec::with_capacity(sizes.sum::<usize>() + status.len() + 8);
        let entries = chain.iter().enumerate().map(|(at, certificate)| {
            let extensions: &[u8] = if at == 0 { &status } else { &[] };
            (certificate, extensions)
        });
        Certificate::put(&mut message, &[], entries);
        Self {
            response: response.into(),
            ends,
            message: message.into(),
            messages: CertificateMessages::default(),
        }
    }

    /// In DER.
    pub(crate) fn response(&self) -> &[u8] {
        &self.response
    }

    /// Certificate of TLS 1.3.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// The same compressed, if that was done and is worth it.
    pub(crate) fn compressed(&self, algorithm: Algorithm) -> Option<Arc<[u8]>> {
        self.messages.compressed(algorithm)
    }

    pub(super) fn compress(&self, algorithm: &CertificateCompression) {
        self.messages.compress(&self.message, algorithm);
    }
}

impl Identity {
    /// Shows this OCSP response, in DER, with the chain to peers that ask for one (RFC 6066 §8): see
    /// [`set_ocsp_response`](Self::set_ocsp_response).
    ///
    /// # Errors
    /// When it is none, its responder had no answer, or it is not about the chain's first certificate.
    pub fn with_ocsp_response(self, response: impl Into<Vec<u8>>) -> Result<Self, Misuse> {
        self.set_ocsp_response(Some(response.into()))?;
        Ok(self)
    }

    /// Sets the OCSP response, in DER, that is shown with the chain to peers that ask for one (RFC 6066 §8, RFC 8446
    /// §4.4.2.1), or that there is none any more. All clones of this identity show it from here on, also those in
    /// configurations that are in use: nothing has to be reloaded. Connections that began before are not touched.
    ///
    /// It is shown until its nextUpdate, and if it has none until a day after its thisUpdate; then none is. Whether it
    /// is genuine is not looked at here ([`verify_ocsp_response`](super::verify_ocsp_response)); what it says is shown,
    /// whatever that is. Where certificates are compressed this takes as long as compressing does, about 10 ms with
    /// brotli.
    ///
    /// # Errors
    /// When it is none, its responder had no answer, or it is not about the chain's first certificate. Then the one
    /// before stays.
    pub fn set_ocsp_response(&self, response: Option<Vec<u8>>) -> Result<(), Misuse> {
        let staple = response.map(|response| Staple::new(self.chain(), response));
        self.set_staple(staple.transpose()?);
        Ok(())
    }

    /// Shows these bytes as the OCSP response of the chain until then, **whatever they are**: nobody has looked whether
    /// a client can read them. For tests of clients.
    ///
    /// # Errors
    /// When they are none or 16 MiB and more, or the identity is a raw public key.
    pub fn dangerous_set_unread_ocsp_response(
        &self,
        bytes: impl Into<Vec<u8>>,
        until: UnixTime,
    ) -> Result<(), Misuse> {
        let bytes = bytes.into();
        // RFC 6066 §8.
        if !(1..1 << 24).contains(&bytes.len()) || self.chain().is_empty() {
            return Err(Misuse::new(
                "an OCSP response has at least one byte and fewer than 2^24, and a raw public key has none",
            ));
        }
        let staple = Staple::showing(self.chain(), bytes, until);
        self.set_staple(Some(staple));
        Ok(())
    }

    fn set_staple(&self, staple: Option<Staple>) {
        if let Some(staple) = &staple {
            for algorithm in self.compressions() {
                staple.compress(&algorithm);
            }
        }
        self.staple_cell().set(staple.map(Arc::new));
    }

    /// The OCSP response that is shown at this time.
    pub fn ocsp_response(&self, now: UnixTime) -> Option<Vec<u8>> {
        self.staple(now).map(|staple| staple.response.to_vec())
    }

    /// Whether a certificate of the chain says that it comes with an OCSP response where one is asked for (RFC 7633
    /// §4.2.2: what an authority says of itself counts for what it has issued). Without one, clients that ask refuse it.
    pub fn demands_ocsp_response(&self) -> bool {
        let mut chain = self.chain().iter();
        chain.any(|own| certificate::Certificate::read(own).is_some_and(|own| demands_staple(&own)))
    }

    pub(crate) fn staple(&self, now: UnixTime) -> Option<Arc<Staple>> {
        self.staple_cell().get().filter(|staple| now < staple.ends)
    }

    /// The one that is there, also if it is over.
    pub(super) fn any_staple(&self) -> Option<Arc<Staple>> {
        self.staple_cell().get()
    }
}
