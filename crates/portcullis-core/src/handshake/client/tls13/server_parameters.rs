//! What the server adds under encryption: EncryptedExtensions and CertificateRequest.
//!
//! RFC 8446 §4.3; RFC 7301, RFC 6066 §4, RFC 8449 for the extensions.

use super::super::super::{Cx, Next, expect, find, unexpected};
use super::Keyed;
use super::server_authentication::{WaitCertificate, on_certificate, on_resumption};
use crate::Violation;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::question::WantedIdentity;
use crate::record::HandshakeBytes;
use crate::version::Version;
use crate::wire::extension::{
    AlpnSelected, CertificateAuthorities, Extensions, MaxFragmentLength, Place, RecordSizeLimit,
    Request, ServerNameAcknowledgement, SignatureAlgorithms, SignatureAlgorithmsCert,
    check_request,
};
use crate::wire::{CertificateRequest, EncryptedExtensions, HandshakeType};

/// What EncryptedExtensions settled.
pub(super) struct Parameters {
    pub(super) alpn: Option<Box<[u8]>>,
}

pub(crate) struct WaitEncryptedExtensions {
    pub(in super::super) keyed: Box<Keyed>,
}

impl WaitEncryptedExtensions {
    pub(super) fn on_message(
        mut self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let EncryptedExtensions { extensions } = expect(&message)?;
        self.keyed
            .client
            .offer
            .check_extensions(&extensions, Place::EncryptedExtensions)?;
        let alpn = match find::<AlpnSelected<'_>>(&extensions)? {
            None => None,
            Some(selected) => Some(self.keyed.client.offer.check_protocol(selected.protocol)?),
        };
        if find::<ServerNameAcknowledgement>(&extensions).is_err() {
            return Err(Violation::ServerNameAckNotEmpty.into());
        }
        self.record_sizes(&extensions, cx)?;
        self.keyed.transcript.add(message.hashed());
        let parameters = Parameters { alpn };
        let Self { mut keyed } = self;
        match keyed.resumed.take() {
            None => Ok(WaitCertificateOrRequest { keyed, parameters }.into()),
            Some(resumed) => on_resumption(keyed, parameters, *resumed, cx),
        }
    }

    /// record_size_limit (RFC 8449): each side obeys the limit that the other announced.
    /// max_fragment_length (RFC 6066 §4): one limit for both.
    fn record_sizes(&self, extensions: &Extensions<'_>, cx: &mut Cx<'_>) -> Result<(), Abort> {
        // Not the configuration that a reviewer of the ServerHello has gone on with.
        let config = self.keyed.client.offer.config();
        let limit = find::<RecordSizeLimit>(extensions)?;
        let fragment = find::<MaxFragmentLength>(extensions)?;
        if limit.is_some() && fragment.is_some() {
            return Err(Violation::RecordSizeLimitWithMaxFragment.into());
        }
        if let Some(RecordSizeLimit(limit)) = limit {
            if !(64..=16_385).contains(&limit) {
                return Err(Violation::BadRecordSizeLimit.into());
            }
            cx.outgoing.set_record_size_limit(limit);
            if let Some(ours) = config.policy.record_size_limit {
                cx.incoming.set_record_size_limit(ours);
            }
        }
        if let Some(echoed) = fragment {
            let asked = config
                .max_fragment_length
                .filter(|length| MaxFragmentLength::from(*length) == echoed);
            let length = asked.ok_or(Violation::MaxFragmentLengthChanged)?.bytes();
            cx.outgoing
                .set_max_fragment(length.min(config.policy.max_fragment_sent));
            cx.incoming.set_max_fragment(length);
        }
        Ok(())
    }
}

pub(crate) struct WaitCertificateOrRequest {
    keyed: Box<Keyed>,
    parameters: Parameters,
}

impl WaitCertificateOrRequest {
    pub(super) fn on_message(
        mut self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        match message.typ() {
            HandshakeType::CERTIFICATE => {
                on_certificate(self.keyed, self.parameters, None, &message, cx)
            }
            HandshakeType::CERTIFICATE_REQUEST => {
                let wanted = wanted(&message)?;
                self.keyed.transcript.add(message.hashed());
                Ok(WaitCertificate {
                    keyed: self.keyed,
                    parameters: self.parameters,
                    wanted,
                }
                .into())
            }
            _ => Err(unexpected("certificate or certificate_request", &message)),
        }
    }
}

/// §4.3.2: what the server wants to see. Extensions that are unknown here are requests that
/// need no answer.
fn wanted(message: &HandshakeBytes) -> Result<Box<WantedIdentity>, Abort> {
    let request: CertificateRequest<'_> = expect(message)?;
    if !request.certificate_request_context.is_empty() {
        return Err(Violation::RequestContextNotEmpty.into());
    }
    check_request(&request.extensions, Request::CertificateRequest)?;
    let schemes = find::<SignatureAlgorithms<'_>>(&request.extensions)?
        .ok_or(Violation::RequestWithoutSignatureAlgorithms)?;
    let schemes = schemes.schemes.to_vec();
    let certificate_schemes =
        find::<SignatureAlgorithmsCert<'_>>(&request.extensions)?.map(|list| list.schemes.to_vec());
    let authorities = find::<CertificateAuthorities<'_>>(&request.extensions)?
        .map(|list| {
            list.authorities
                .iter()
                .map(|name| name.0.to_vec())
                .collect()
        })
        .unwrap_or_default();
    Ok(Box::new(WantedIdentity {
        version: Version::V1_3,
        server_name: None,
        schemes,
        certificate_schemes,
        authorities,
    }))
}
