//! What the server adds under encryption: EncryptedExtensions and CertificateRequest.
//!
//! RFC 8446 §4.3.

use std::sync::Arc;

use super::super::super::compressed::{check_list, chosen};
use super::super::super::{Cx, expect, find, unexpected};
use super::super::Next;
use super::super::parameters::{self, Parameters};
use super::Keyed;
use super::server_authentication::{WaitCertificate, on_certificate, on_key};
use crate::Violation;
use crate::config::Policy;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::question::{WantedCurves, WantedIdentity};
use crate::record::HandshakeBytes;
use crate::version::Version;
use crate::wire::extension::{
    CertificateAuthorities, CertificateType, EarlyData, OidFilters, Place, Request,
    SignatureAlgorithms, SignatureAlgorithmsCert, check_request,
};
use crate::wire::{CertificateRequest, EncryptedExtensions, ExtensionType, HandshakeType};
use crate::x509::{AcceptedTypes, CertificateFilter};

/// How many filters are looked at.
const MAX_FILTERS: usize = 64;

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
        self.keyed.client.on_ech_answer(&extensions)?;
        let mut parameters = parameters::take(&self.keyed.client, &extensions, cx)?;
        self.keyed.client.review_parameters(&parameters)?;
        parameters.best_group = parameters::best_group(&self.keyed.client, &extensions)?;
        let is_accepted = find::<EarlyData>(&extensions)?.is_some();
        self.keyed.on_early_data(is_accepted, &parameters, cx)?;
        self.keyed.transcript.add(message.hashed());
        let Self { mut keyed } = self;
        match keyed.by_key.take() {
            None => Ok(WaitCertificateOrRequest { keyed, parameters }.into()),
            Some(by_key) => on_key(keyed, parameters, *by_key, cx),
        }
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
            HandshakeType::CERTIFICATE | HandshakeType::COMPRESSED_CERTIFICATE => {
                on_certificate(self.keyed, self.parameters, None, &message, cx)
            }
            HandshakeType::CERTIFICATE_REQUEST => {
                let policy = &self.keyed.client.config.policy;
                let request: CertificateRequest<'_> = expect(&message)?;
                if !request.certificate_request_context.is_empty() {
                    return Err(Violation::RequestContextNotEmpty.into());
                }
                let wanted = wanted(&request, self.parameters.of_client, policy)?;
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
pub(super) fn wanted(
    request: &CertificateRequest<'_>,
    of_client: CertificateType,
    policy: &Policy,
) -> Result<Arc<WantedIdentity>, Abort> {
    check_request(&request.extensions, Request::CertificateRequest)?;
    check_list(&request.extensions)?;
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
    Ok(Arc::new(WantedIdentity {
        version: Version::V1_3,
        server_name: None,
        schemes,
        certificate_schemes,
        unsigned: Vec::new(),
        curves: WantedCurves::Any,
        types: AcceptedTypes::of([of_client].into_iter()),
        compression: chosen(policy, &request.extensions)?,
        // Whatever is in it: it should be empty.
        staples: request.extensions.contains(ExtensionType::STATUS_REQUEST),
        authorities,
        filters: filters(request)?,
    }))
}

/// §4.2.5: each object identifier is there once.
fn filters(request: &CertificateRequest<'_>) -> Result<Vec<CertificateFilter>, Violation> {
    let Some(list) = find::<OidFilters<'_>>(&request.extensions)? else {
        return Ok(Vec::new());
    };
    let mut filters: Vec<CertificateFilter> = Vec::new();
    for filter in list.filters {
        if filters.iter().any(|before| before.oid() == filter.oid) {
            return Err(Violation::DuplicateOidFilter);
        }
        // More would cost time in their square, and no server asks for so much.
        if filters.len() == MAX_FILTERS {
            return Err(Violation::TooManyOidFilters);
        }
        filters.push(CertificateFilter::read(filter.oid, filter.values)?);
    }
    Ok(filters)
}
