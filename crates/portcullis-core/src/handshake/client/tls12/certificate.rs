//! What the server shows of itself: Certificate, and an OCSP response with it.
//!
//! RFC 5246 §7.4.2, RFC 6066 §8.

use super::super::super::peer::presented_before_tls13;
use super::super::super::{Cx, Next, expect, unexpected};
use super::Negotiated;
use super::key_exchange::{WaitServerKeyExchange, on_server_key_exchange};
use crate::Violation;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::record::HandshakeBytes;
use crate::wire::HandshakeType;
use crate::wire::tls12::{Certificate, CertificateStatus};
use crate::x509::PresentedChain;

pub(crate) struct WaitCertificate {
    pub(super) negotiated: Box<Negotiated>,
}

impl WaitCertificate {
    pub(super) fn on_message(self, message: HandshakeBytes, _: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self { mut negotiated } = self;
        let certificate: Certificate<'_> = expect(&message)?;
        // §7.4.2: a client may have none, a server may not.
        let chain = presented_before_tls13(&certificate)?.ok_or(Violation::NoServerCertificate)?;
        if let Some(previous) = &negotiated.client.previous {
            previous.check_certificate(chain.certificates().first())?;
        }
        negotiated.transcript.add(message.hashed());
        let shown = Shown { negotiated, chain };
        Ok(match shown.negotiated.staples {
            true => WaitCertificateStatus(shown).into(),
            false => WaitServerKeyExchange(shown).into(),
        })
    }
}

/// The server has shown a chain, and has proved nothing.
pub(super) struct Shown {
    pub(super) negotiated: Box<Negotiated>,
    pub(super) chain: PresentedChain,
}

pub(crate) struct WaitCertificateStatus(Shown);

impl WaitCertificateStatus {
    pub(super) fn on_message(self, message: HandshakeBytes, _: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self(mut shown) = self;
        match message.typ() {
            HandshakeType::CERTIFICATE_STATUS => {
                let CertificateStatus(status) = expect(&message)?;
                shown.chain = shown.chain.with_ocsp_response(status.ocsp_response);
                shown.negotiated.transcript.add(message.hashed());
                Ok(WaitServerKeyExchange(shown).into())
            }
            // RFC 6066 §8: the server had none after all.
            HandshakeType::SERVER_KEY_EXCHANGE => on_server_key_exchange(shown, &message),
            _ => Err(unexpected(
                "certificate_status or server_key_exchange",
                &message,
            )),
        }
    }
}
