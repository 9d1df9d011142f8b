//! Which certificate this client gets.
//!
//! RFC 8446 §4.4.2.2, RFC 6066 §3.

use std::sync::Arc;

use super::super::super::Cx;
use super::super::requested::{check_name, identity_in, wanted};
use super::super::shortfall::{no_identity, no_scheme, no_type};
use super::super::{Next, decoded_hello};
use super::Negotiated;
use super::early_data::claim_and_resume;
use super::flight::{ProvedBy, send_flight};
use super::psk::Resumption;
use crate::client_hello_view::ClientHelloView;
use crate::error::Abort;
use crate::question::{AnswerContent, ChooseIdentity, Question, QuestionId, WantedIdentity};
use crate::version::Version;
use crate::x509::{Identity, LeafDigests};
use crate::{Misuse, Violation};

/// Goes on without a session: chooses an identity, or asks.
pub(super) fn choose_identity(negotiated: Negotiated, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    if negotiated.config.policy.asked.identity {
        return ask_identity(negotiated, None);
    }
    let hello = decoded_hello(&negotiated.hello)?;
    let config = &negotiated.config;
    let wanted = wanted(config, &hello, Version::V1_3)?;
    check_schemes(&wanted)?;
    check_name(config, wanted.server_name.as_deref())?;
    let (identity, scheme) = wanted.choose(&config.identities).ok_or_else(|| {
        let version = cx.dialect.code(Version::V1_3);
        no_type(config, &wanted).unwrap_or_else(|| no_scheme(config, version, &hello))
    })?;
    let authentication = ProvedBy::Certificate(identity, scheme);
    send_flight(negotiated, wanted.server_name, authentication, cx)
}

/// Asks for an identity, also where a session could be resumed: an application that refuses the
/// client, or has no certificate with its name any more, must be able to do so here too.
pub(super) fn ask_identity(
    mut negotiated: Negotiated,
    session: Option<Box<Resumption>>,
) -> Result<Next, Abort> {
    let hello = decoded_hello(&negotiated.hello)?;
    let wanted = wanted(&negotiated.config, &hello, Version::V1_3)?;
    if session.is_none() {
        check_schemes(&wanted)?;
    }
    let question = ChooseIdentity {
        id: QuestionId::next(),
        configured: negotiated.config.identities.clone(),
        hello: Some(ClientHelloView::of(&mut negotiated.hello)?),
        wanted: wanted.clone().into(),
    };
    let paused = ChoosingIdentity(Box::new(UndecidedIdentity {
        negotiated,
        wanted,
        session,
    }));
    Ok(Next::ask(
        Question::ChooseIdentity(Box::new(question)),
        paused,
    ))
}

/// §9.2: a certificate is shown only to a client that says what may sign. The list is never
/// empty (§4.2.3).
fn check_schemes(wanted: &WantedIdentity) -> Result<(), Violation> {
    match wanted.schemes.is_empty() {
        true => Err(Violation::SignatureAlgorithmsMissing),
        false => Ok(()),
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
        let was_left = matches!(answer, AnswerContent::ConfiguredIdentity(_));
        let (identity, scheme) = identity_in(answer, &negotiated.config, &wanted)?;
        // As in `would_show`.
        let shown = identity.as_ref().map(Identity::names_digest);
        let is_same = |leaf: &Arc<LeafDigests>| shown == Some(&leaf.names);
        if let Some(mut session) =
            session.filter(|session| session.leaf.as_ref().is_some_and(is_same))
        {
            session.shown = identity.as_ref().map(Identity::certificate_type);
            return claim_and_resume(negotiated, wanted.server_name, session, cx);
        }
        check_schemes(&wanted)?;
        let Some(identity) = identity else {
            let hello = decoded_hello(&negotiated.hello)?;
            return Err(match negotiated.config.identities.as_slice() {
                identities if was_left && !identities.is_empty() => {
                    let version = cx.dialect.code(Version::V1_3);
                    no_type(&negotiated.config, &wanted)
                        .unwrap_or_else(|| no_scheme(&negotiated.config, version, &hello))
                }
                _ => no_identity(),
            });
        };
        let scheme = scheme
            .or_else(|| identity.scheme_for(&wanted.schemes, Version::V1_3))
            .ok_or_else(|| {
                Misuse::new(
                    "the chosen identity's key cannot sign with any scheme the client accepts",
                )
            })?;
        let authentication = ProvedBy::Certificate(identity, scheme);
        send_flight(negotiated, wanted.server_name, authentication, cx)
    }
}
