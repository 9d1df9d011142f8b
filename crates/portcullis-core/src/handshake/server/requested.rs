//! What a client of any version has said of names, certificates and protocols.
//!
//! RFC 6066 §3, RFC 7301, RFC 8422 §5.1, RFC 8446 §4.2.3, §4.2.4.

use core::net::Ipv6Addr;
use std::sync::Arc;

use rustls_pki_types::UnixTime;

use super::super::{find, negotiate, wrong_answer};
use super::certificate_types::accepted;
use super::shortfall::no_protocol;
use crate::client_hello_view::host;
use crate::config::{AcknowledgeServerName, ServerOptions};
use crate::error::{Abort, quote};
use crate::question::{AnswerContent, WantedCurves, WantedIdentity};
use crate::rules::{Rules, Signatures};
use crate::version::Version;
use crate::wire::ClientHello;
use crate::wire::extension::{
    Alpn, CertificateAuthorities, ServerName, SignatureAlgorithms, SignatureAlgorithmsCert,
    StatusRequest, SupportedGroups,
};
use crate::x509::{Identity, Sha256Digest, Staple};
use crate::{SignatureScheme, Violation};

/// What the client said about certificates.
pub(super) fn wanted(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
    version: Version,
) -> Result<WantedIdentity, Abort> {
    let server_name = host_name_of(hello)?;
    let said =
        find::<SignatureAlgorithms<'_>>(&hello.extensions)?.map(|list| list.schemes.to_vec());
    let certificate_schemes =
        find::<SignatureAlgorithmsCert<'_>>(&hello.extensions)?.map(|list| list.schemes.to_vec());
    let (schemes, certificate_schemes) = match Rules::of(version).signatures {
        Signatures::Explicit if version == Version::V1_3 => {
            (said.unwrap_or_default(), certificate_schemes)
        }
        Signatures::Explicit => {
            let said = said.unwrap_or_else(|| SignatureScheme::IF_NOTHING_IS_SAID.to_vec());
            let certificate_schemes = certificate_schemes.or_else(|| Some(said.clone()));
            let mut schemes = said;
            schemes.retain(|scheme| config.policy.signs_with(*scheme, version));
            (schemes, certificate_schemes)
        }
        // What a client of several versions says is of certificates then.
        Signatures::ByKeyType => {
            let schemes = SignatureScheme::BEFORE_TLS12.to_vec();
            (schemes, certificate_schemes.or(said))
        }
    };
    let authorities = find::<CertificateAuthorities<'_>>(&hello.extensions)?
        .map(|list| {
            list.authorities
                .iter()
                .map(|name| name.0.to_vec())
                .collect()
        })
        .unwrap_or_default();
    let curves = match version {
        Version::V1_3 => WantedCurves::Any,
        // RFC 8422 §4: a client that lists none takes any.
        _ => find::<SupportedGroups<'_>>(&hello.extensions)?.map_or(WantedCurves::Any, |offered| {
            WantedCurves::listed(offered.groups.iter())
        }),
    };
    Ok(WantedIdentity {
        version,
        server_name,
        schemes,
        certificate_schemes,
        unsigned: Vec::new(),
        curves,
        types: accepted(hello)?,
        compression: None,
        staples: false,
        authorities,
        filters: Vec::new(),
    })
}

/// The host name the client asks for.
pub(super) fn host_name_of(hello: &ClientHello<'_>) -> Result<Option<String>, Abort> {
    match find::<ServerName<'_>>(&hello.extensions)? {
        None => Ok(None),
        Some(list) => host_name(list.host_name),
    }
}

/// RFC 6066 §3: ASCII, compared without case. Which characters a label has it does not say; applications look for names
/// in directories and databases, so nothing but letters, digits, hyphens and underscores between dots is let pass. An IPv6
/// address, which some clients send, is no name.
pub(super) fn host_name(name: &[u8]) -> Result<Option<String>, Abort> {
    if let Some(host) = host(name) {
        return Ok(Some(host));
    }
    match core::str::from_utf8(name).map(str::parse::<Ipv6Addr>) {
        Ok(Ok(_)) => Ok(None),
        _ => Err(Violation::BadServerName.explained(quote(name))),
    }
}

/// The OCSP response for a client that asks for one, if the identity has one that is not over (RFC 6066 §8).
pub(super) fn staple(
    identity: &Identity,
    hello: &ClientHello<'_>,
    now: UnixTime,
) -> Result<Option<Arc<Staple>>, Abort> {
    let Some(staple) = identity.staple(now) else {
        return Ok(None);
    };
    // Which responders a client trusts is not looked at: there is one response.
    Ok(match find::<StatusRequest<'_>>(&hello.extensions)? {
        Some(StatusRequest::Ocsp { .. }) => Some(staple),
        Some(StatusRequest::Other { .. }) | None => None,
    })
}

/// Refuses a name that no configured identity has, if that is wanted.
pub(super) fn check_name(config: &ServerOptions, server_name: Option<&str>) -> Result<(), Abort> {
    match server_name {
        Some(name)
            if config.refuse_unknown_names
                && !config
                    .identities
                    .iter()
                    .any(|identity| identity.has_name(name)) =>
        {
            Err(Violation::UnrecognizedName.explained(quote(name.as_bytes())))
        }
        _ => Ok(()),
    }
}

/// The identity in an answer, and with which scheme it signs if that is settled. An answer
/// that leaves the choice to the configuration has its rule for names, too.
pub(super) fn identity_in(
    answer: AnswerContent,
    config: &ServerOptions,
    wanted: &WantedIdentity,
) -> Result<(Option<Identity>, Option<SignatureScheme>), Abort> {
    match answer {
        AnswerContent::Identity(identity) => {
            if let Some(identity) = &identity {
                config.policy.check_identity(identity)?;
                wanted.check_type(identity)?;
            }
            Ok((identity, None))
        }
        AnswerContent::ConfiguredIdentity(chosen) => {
            check_name(config, wanted.server_name.as_deref())?;
            let (identity, scheme) = chosen.unzip();
            Ok((identity, scheme.flatten()))
        }
        _ => Err(wrong_answer()),
    }
}

/// Whether the client is told that its server name was used (RFC 6066 §3).
pub(super) fn acknowledges(
    config: &ServerOptions,
    identity: Option<&Identity>,
    server_name: Option<&str>,
) -> bool {
    server_name.is_some_and(|name| match config.acknowledge_server_name {
        AcknowledgeServerName::Known => identity.is_some_and(|identity| identity.has_name(name)),
        AcknowledgeServerName::Any => true,
        AcknowledgeServerName::Never => false,
    })
}

/// Whether a full handshake would show a certificate with the names of the one that a session
/// began with. Else a client could be led from the server it means to another one with the same
/// ticket keys, and would not see that from a certificate (§4.6.1).
///
/// Where identities are asked for, the answer decides that.
pub(super) fn would_show(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
    server_name: Option<&str>,
    names: &Sha256Digest,
    version: Version,
) -> Result<bool, Abort> {
    if config.policy.asked.identity {
        return Ok(true);
    }
    if check_name(config, server_name).is_err() {
        return Ok(false);
    }
    // Whatever the client wants, it is this one or none.
    if let [only] = config.identities.as_slice() {
        return Ok(only.names_digest() == names && accepted(hello)?.accepts(only));
    }
    let chosen = wanted(config, hello, version)?.choose(&config.identities);
    Ok(chosen.is_some_and(|(identity, _)| identity.names_digest() == names))
}

/// RFC 7301 §3.2: a client that asks for protocols gets one of them, or no connection.
pub(super) fn choose_protocol(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
) -> Result<Option<Box<[u8]>>, Abort> {
    let offered = find::<Alpn<'_>>(&hello.extensions)?;
    match offered {
        Some(offered) if !config.policy.alpn.is_empty() => {
            let protocol = negotiate::protocol(
                &config.policy.alpn,
                offered.protocols.iter().map(|name| name.0),
            )
            .ok_or_else(|| no_protocol(config, &offered))?;
            Ok(Some(protocol.into()))
        }
        _ => Ok(None),
    }
}
