//! What the server shows of itself: Certificate, and an OCSP response with it.
//!
//! RFC 5246 §7.4.2, RFC 6066 §8.

use super::super::super::peer::presented_before_tls13;
use super::super::super::{Cx, expect};
use super::super::Next;
use super::Negotiated;
use super::key_exchange::{WaitCertificateRequest, WaitServerKeyExchange};
use crate::Violation;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::record::HandshakeBytes;
use crate::suite::{NoCertificate, Presence};
use crate::wire::HandshakeType;
use crate::wire::tls12::CertificateStatus;
use crate::x509::Presented;

pub(crate) struct WaitCertificate {
    pub(super) negotiated: Box<Negotiated>,
}

impl WaitCertificate {
    pub(super) fn on_message(self, message: HandshakeBytes, _: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self { mut negotiated } = self;
        let typ = negotiated.parameters.check_type(&negotiated.client)?;
        let shown = presented_before_tls13(&message, typ)?;
        // §7.4.2: a client may have none, a server may not.
        let shown = shown.ok_or(Violation::NoServerCertificate)?;
        let shown = shown.with_scts(negotiated.scts.as_deref());
        if let Some(previous) = &negotiated.client.previous {
            previous.check_certificate(Some(&shown))?;
        }
        negotiated.transcript.add(message.hashed());
        Ok(match negotiated.staples {
            true => WaitCertificateStatus { negotiated, shown }.into(),
            false => complete(negotiated, shown).into(),
        })
    }
}

/// What goes on once the chain is complete, by the row of the key exchange.
enum Rest {
    WithParameters(WaitServerKeyExchange),
    Without(WaitCertificateRequest),
}

impl From<Rest> for Next {
    fn from(rest: Rest) -> Self {
        match rest {
            Rest::WithParameters(state) => state.into(),
            Rest::Without(state) => state.into(),
        }
    }
}

fn complete(negotiated: Box<Negotiated>, shown: Presented) -> Rest {
    let presence = negotiated.exchange.server_key_exchange();
    let shown = Shown {
        negotiated,
        identity: ServerIdentity::Shown(shown),
    };
    match presence {
        Presence::Never => Rest::Without(WaitCertificateRequest::after(shown)),
        Presence::Always | Presence::IfHinted => Rest::WithParameters(WaitServerKeyExchange(shown)),
    }
}

/// What the server has shown of itself; it has proved nothing.
pub(super) struct Shown {
    pub(super) negotiated: Box<Negotiated>,
    pub(super) identity: ServerIdentity,
}

pub(super) enum ServerIdentity {
    Shown(Presented),
    /// The row of the key exchange has no certificate.
    None(NoCertificate),
}

pub(crate) struct WaitCertificateStatus {
    negotiated: Box<Negotiated>,
    shown: Presented,
}

impl WaitCertificateStatus {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self {
            mut negotiated,
            shown,
        } = self;
        if message.typ() != HandshakeType::CERTIFICATE_STATUS {
            // RFC 6066 §8: the server had none after all.
            return match complete(negotiated, shown) {
                Rest::WithParameters(state) => state.on_message(message, cx),
                Rest::Without(state) => state.on_message(message, cx),
            };
        }
        let CertificateStatus(status) = expect(&message)?;
        let shown = shown.with_ocsp_response(status.ocsp_response);
        negotiated.transcript.add(message.hashed());
        Ok(complete(negotiated, shown).into())
    }
}
