//! Which certificate this client gets.
//!
//! RFC 8446 §4.4.2.2, RFC 6066 §3.

use core::net::Ipv6Addr;

use super::super::super::{Cx, Next, expect, find, wrong_answer};
use super::Negotiated;
use super::flight::{Authentication, send_flight};
use super::psk::Resumption;
use crate::client_hello_view::{ClientHelloView, host};
use crate::config::ServerOptions;
use crate::error::{Abort, quote};
use crate::question::{AnswerContent, ChooseIdentity, Question, QuestionId, WantedIdentity};
use crate::version::Version;
use crate::wire::ClientHello;
use crate::wire::extension::{
    CertificateAuthorities, ServerName, SignatureAlgorithms, SignatureAlgorithmsCert,
};
use crate::x509::{Identity, Sha256Digest};
use crate::{Misuse, Violation};

/// Goes on without a session: chooses an identity, or asks.
pub(super) fn choose_identity(negotiated: Negotiated, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    if negotiated.config.policy.asked.identity {
        return ask_identity(negotiated, None);
    }
    let wanted = wanted(&expect(&negotiated.hello)?)?;
    let config = &negotiated.config;
    check_schemes(&wanted)?;
    check_name(config, wanted.server_name.as_deref())?;
    let (identity, scheme) = wanted
        .choose(&config.identities)
        .ok_or(Violation::NoSharedSignatureScheme)?;
    let authentication = Authentication::Certificate(identity, scheme);
    send_flight(negotiated, wanted.server_name, authentication, cx)
}

/// Asks for an identity, also where a session could be resumed: an application that refuses the
/// client, or has no certificate with its name any more, must be able to do so here too.
pub(super) fn ask_identity(
    mut negotiated: Negotiated,
    session: Option<Box<Resumption>>,
) -> Result<Next, Abort> {
    let wanted = wanted(&expect(&negotiated.hello)?)?;
    if session.is_none() {
        check_schemes(&wanted)?;
    }
    let question = ChooseIdentity {
        id: QuestionId::next(),
        configured: negotiated.config.identities.clone(),
        hello: Some(ClientHelloView::new(negotiated.hello.share())?),
        wanted: wanted.clone(),
    };
    let paused = ChoosingIdentity(Box::new(UndecidedIdentity {
        negotiated,
        wanted,
        session,
    }));
    Ok(Next::ask(Question::ChooseIdentity(question), paused))
}

/// Refuses a name that no configured identity has, if that is wanted.
fn check_name(config: &ServerOptions, server_name: Option<&str>) -> Result<(), Abort> {
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
) -> Result<bool, Abort> {
    if config.policy.asked.identity {
        return Ok(true);
    }
    if check_name(config, server_name).is_err() {
        return Ok(false);
    }
    // Whatever the client wants, it is this one or none.
    if let [only] = config.identities.as_slice() {
        return Ok(only.names_digest() == names);
    }
    let chosen = wanted(hello)?.choose(&config.identities);
    Ok(chosen.is_some_and(|(identity, _)| identity.names_digest() == names))
}

/// §9.2: a certificate is shown only to a client that says what may sign. The list is never
/// empty (§4.2.3).
fn check_schemes(wanted: &WantedIdentity) -> Result<(), Violation> {
    match wanted.schemes.is_empty() {
        true => Err(Violation::SignatureAlgorithmsMissing),
        false => Ok(()),
    }
}

/// What the client said about certificates.
fn wanted(hello: &ClientHello<'_>) -> Result<WantedIdentity, Abort> {
    let server_name = host_name_of(hello)?;
    let schemes = find::<SignatureAlgorithms<'_>>(&hello.extensions)?
        .map(|list| list.schemes.to_vec())
        .unwrap_or_default();
    let certificate_schemes =
        find::<SignatureAlgorithmsCert<'_>>(&hello.extensions)?.map(|list| list.schemes.to_vec());
    let authorities = find::<CertificateAuthorities<'_>>(&hello.extensions)?
        .map(|list| {
            list.authorities
                .iter()
                .map(|name| name.0.to_vec())
                .collect()
        })
        .unwrap_or_default();
    Ok(WantedIdentity {
        version: Version::V1_3,
        server_name,
        schemes,
        certificate_schemes,
        authorities,
    })
}

/// The host name the client asks for.
pub(super) fn host_name_of(hello: &ClientHello<'_>) -> Result<Option<String>, Abort> {
    match find::<ServerName<'_>>(&hello.extensions)? {
        None => Ok(None),
        Some(list) => host_name(list.host_name),
    }
}

/// RFC 6066 §3: letters, digits, hyphens (and underscores) between dots; compared without case.
/// Applications look for it in directories and databases, so nothing else is let pass. An IPv6
/// address, which some clients send, is no name.
fn host_name(name: &[u8]) -> Result<Option<String>, Abort> {
    if let Some(host) = host(name) {
        return Ok(Some(host));
    }
    match core::str::from_utf8(name).map(str::parse::<Ipv6Addr>) {
        Ok(Ok(_)) => Ok(None),
        _ => Err(Violation::BadServerName.explained(quote(name))),
    }
}

/// Paused: the user chooses what to show.
pub(crate) struct ChoosingIdentity(Box<UndecidedIdentity>);

struct UndecidedIdentity {
    negotiated: Negotiated,
    wanted: WantedIdentity,
    /// What is resumed if the identity that would be shown fits.
    session: Option<Box<Resumption>>,
}

impl ChoosingIdentity {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let UndecidedIdentity {
            negotiated,
            wanted,
            session,
        } = *self.0;
        let (identity, scheme) = match answer {
            AnswerContent::Identity(identity) => (identity, None),
            AnswerContent::ConfiguredIdentity(chosen) => {
                check_name(&negotiated.config, wanted.server_name.as_deref())?;
                chosen.unzip()
            }
            _ => return Err(wrong_answer()),
        };
        // As in `would_show`.
        let shown = identity.as_ref().map(Identity::names_digest);
        if let Some(session) = session.filter(|session| shown == Some(&session.names)) {
            let authentication = Authentication::Resumed(session);
            return send_flight(negotiated, wanted.server_name, authentication, cx);
        }
        check_schemes(&wanted)?;
        let Some(identity) = identity else {
            return Err(Violation::NoSharedSignatureScheme.into());
        };
        let scheme = scheme
            .or_else(|| identity.scheme_for(&wanted.schemes, wanted.version))
            .ok_or_else(|| {
                Misuse::new(
                    "the chosen identity's key cannot sign with any scheme the client accepts",
                )
            })?;
        let authentication = Authentication::Certificate(identity, scheme);
        send_flight(negotiated, wanted.server_name, authentication, cx)
    }
}
