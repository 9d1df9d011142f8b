//! What the server answers to the hello besides the cryptography: in EncryptedExtensions, and before
//! TLS 1.3 in its own hello.
//!
//! RFC 7301, RFC 6066 §3 and §4, RFC 8449.

use super::super::{Cx, find, srtp};
use super::hello::Client;
use crate::error::Abort;
use crate::srtp::Srtp;
use crate::wire::extension::{
    AlpnSelected, CertificateType, ClientCertificateTypeSelected, ExpectedTickets, Extensions,
    MaxFragmentLength, RecordSizeLimit, ServerCertificateTypeSelected, ServerNameAcknowledgement,
    SupportedGroups,
};
use crate::{NamedGroup, Violation};

/// What was settled.
pub(super) struct Parameters {
    pub(super) alpn: Option<Box<[u8]>>,
    pub(super) srtp: Option<Srtp>,
    /// What the server will show, if it shows something; it may be one that was not offered.
    pub(super) of_server: CertificateType,
    /// What it takes, if it asks for something.
    pub(super) of_client: CertificateType,
    /// The best of the groups that were offered, of those that the server says it has. Nothing is to be made of it before
    /// the handshake is over (RFC 8446 §4.2.7).
    pub(super) best_group: Option<NamedGroup>,
}

/// Takes the answers in `extensions`, which are among those that were offered.
pub(super) fn take(
    client: &Client,
    extensions: &Extensions<'_>,
    cx: &mut Cx<'_>,
) -> Result<Parameters, Abort> {
    let alpn = match find::<AlpnSelected<'_>>(extensions)? {
        None => None,
        Some(selected) => Some(client.offer.check_protocol(selected.protocol)?),
    };
    if find::<ServerNameAcknowledgement>(extensions).is_err() {
        return Err(Violation::ServerNameAckNotEmpty.into());
    }
    let srtp = srtp::take(&client.offer.config().policy, extensions)?;
    record_sizes(client, extensions, cx)?;
    // RFC 9149 §3: what the server means to send; as many as come are taken.
    let _ = find::<ExpectedTickets>(extensions)?;
    let (of_server, of_client) = certificate_types(client, extensions)?;
    Ok(Parameters {
        alpn,
        srtp,
        of_server,
        of_client,
        best_group: None,
    })
}

/// TLS 1.3: which of the groups that are offered the server says it has (RFC 8446 §4.2.7), the best by this side's order.
pub(super) fn best_group(
    client: &Client,
    extensions: &Extensions<'_>,
) -> Result<Option<NamedGroup>, Abort> {
    let Some(said) = find::<SupportedGroups<'_>>(extensions)? else {
        return Ok(None);
    };
    let mut own = client.offer.config().shareable_groups();
    Ok(own.find(|group| said.groups.iter().any(|one| one == *group)))
}

/// RFC 7250 §4.2: what the server has selected of what was offered; X.509 if it says nothing. Where it
/// resumes a session it shows nothing.
fn certificate_types(
    client: &Client,
    extensions: &Extensions<'_>,
) -> Result<(CertificateType, CertificateType), Abort> {
    let config = client.offer.config();
    let select = |selected: Option<CertificateType>, offered: &[CertificateType]| match selected {
        None => Ok(CertificateType::X509),
        Some(typ) if offered.contains(&typ) => Ok(typ),
        Some(typ) => Err(Violation::CertificateTypeNotOffered.explained(typ.to_string())),
    };
    let of_server = find::<ServerCertificateTypeSelected>(extensions)?;
    let of_client = find::<ClientCertificateTypeSelected>(extensions)?;
    Ok((
        select(of_server.map(|one| one.0), &config.accepted.types)?,
        select(of_client.map(|one| one.0), &config.client_certificate_types)?,
    ))
}

impl Parameters {
    /// Of a full handshake, in which the server shows something.
    pub(super) fn check_type(&self, client: &Client) -> Result<CertificateType, Abort> {
        if !client.offer.config().accepted.accepts(self.of_server) {
            return Err(Violation::CertificateTypeNotOffered.into());
        }
        client.review_type(self.of_server)?;
        Ok(self.of_server)
    }
}

/// record_size_limit (RFC 8449): each side obeys the limit that the other announced.
/// max_fragment_length (RFC 6066 §4): one limit for both.
fn record_sizes(
    client: &Client,
    extensions: &Extensions<'_>,
    cx: &mut Cx<'_>,
) -> Result<(), Abort> {
    // Not the configuration that a reviewer of the ServerHello has gone on with.
    let config = client.offer.config();
    let limit = find::<RecordSizeLimit>(extensions)?;
    let fragment = find::<MaxFragmentLength>(extensions)?;
    if limit.is_some() && fragment.is_some() {
        return Err(Violation::RecordSizeLimitWithMaxFragment.into());
    }
    if let Some(RecordSizeLimit(limit)) = limit {
        if !(64..=cx.most_record_size_limit()).contains(&limit) {
            return Err(Violation::BadRecordSizeLimit.into());
        }
        cx.limit_records(limit);
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
