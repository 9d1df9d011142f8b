//! Whose pre-shared key the client uses.
//!
//! RFC 4279 §2, §5.1.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::super::{Cx, wrong_answer};
use super::super::Next;
use super::Negotiated;
use super::identity::choose_identity;
use super::key_exchange::{Exchanged, master_secret};
use super::resumption::{Resumption, resume};
use crate::config::PreSharedKey;
use crate::crypto::CryptoFailure;
use crate::error::Abort;
use crate::key_schedule::tls12::PremasterSecret;
use crate::psk::{Shared, SharedSecretName};
use crate::question::{AnswerContent, ChoosePsk, PskSide, Question, QuestionId};
use crate::{Misuse, Violation};

/// Takes the configured key of the identity, or asks for it. ClientKeyExchange is in.
pub(super) fn choose_psk(
    mut exchanged: Exchanged,
    identity: Box<[u8]>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let answering = &exchanged.answering;
    let policy = &answering.negotiated.config.policy;
    let configured = policy.psks.find_older(&identity).cloned();
    if !policy.asked.psk {
        return go_on(exchanged, identity, configured, cx);
    }
    let question = ask(
        &answering.negotiated,
        answering.server_name.as_deref(),
        (&identity, false),
        configured,
        cx,
    );
    exchanged.agreed = exchanged.agreed.map(PremasterSecret::boxed);
    let paused = ChoosingPsk(Box::new((exchanged, identity)));
    Ok(Next::ask(question, paused))
}

fn ask(
    negotiated: &Negotiated,
    server_name: Option<&str>,
    (identity, resumed): (&[u8], bool),
    configured: Option<PreSharedKey>,
    cx: &Cx<'_>,
) -> Question {
    Question::ChoosePsk(Box::new(ChoosePsk {
        id: QuestionId::next(),
        version: cx.dialect.code(negotiated.version),
        server_name: server_name.map(Box::from),
        side: PskSide::Server {
            identities: vec![identity.into()],
            resumed,
        },
        configured,
    }))
}

/// Paused: somebody looks for the key.
pub(crate) struct ChoosingPsk(Box<(Exchanged, Box<[u8]>)>);

impl ChoosingPsk {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let (exchanged, identity) = *self.0;
        let psk = key_in(answer, &identity)?;
        go_on(exchanged, identity, psk, cx)
    }
}

/// The key in an answer, which must be of the client's identity.
fn key_in(answer: AnswerContent, identity: &[u8]) -> Result<Option<PreSharedKey>, Abort> {
    let AnswerContent::Psk(psk) = answer else {
        return Err(wrong_answer());
    };
    match psk {
        Some(psk) if psk.identity() != identity => Err(Misuse::new(
            "the pre-shared key in the answer is of another identity than the client's; give it the \
             identity of the question",
        )
        .into()),
        psk => Ok(psk),
    }
}

fn go_on(
    exchanged: Exchanged,
    identity: Box<[u8]>,
    psk: Option<PreSharedKey>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    if let Some(psk) = psk {
        return master_secret(exchanged, Some((psk.key(), psk.name())), cx);
    }
    if !exchanged
        .answering
        .negotiated
        .config
        .hide_unknown_psk_identities
    {
        return Err(Violation::UnknownPskIdentity.into());
    }
    // RFC 4279 §2: as if the identity were known and the client's key wrong. Nobody has this one.
    let mut key = Zeroizing::new([0; 32]);
    cx.random
        .fill(key.as_mut_slice())
        .map_err(CryptoFailure::from)?;
    let nobody = Arc::new(SharedSecretName {
        kind: Shared::Psk,
        // In a renegotiation it has to be that of before, as if it were known.
        identity,
        digest: [0; 32],
    });
    master_secret(exchanged, Some((key.as_slice(), &nobody)), cx)
}

/// Goes on with a session that began with a pre-shared key, if a full handshake would take that key
/// today.
pub(super) fn resume_with_psk(
    negotiated: Negotiated,
    resumption: Box<Resumption>,
    name: Arc<SharedSecretName>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let policy = &negotiated.config.policy;
    if !policy.asked.psk {
        return match policy.psks.contains(&name) {
            true => resume(negotiated, resumption, cx),
            false => choose_identity(negotiated, cx),
        };
    }
    let configured = policy.psks.find_older(&name.identity).cloned();
    let server_name = resumption.server_name.as_deref();
    let question = ask(
        &negotiated,
        server_name,
        (&name.identity, true),
        configured,
        cx,
    );
    let paused = ReverifyingPsk(Box::new((negotiated, resumption, name)));
    Ok(Next::ask(question, paused))
}

/// Paused: somebody looks for the key that a session began with.
pub(crate) struct ReverifyingPsk(Box<(Negotiated, Box<Resumption>, Arc<SharedSecretName>)>);

impl ReverifyingPsk {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let (negotiated, resumption, name) = *self.0;
        match key_in(answer, &name.identity)? {
            Some(psk) if **psk.name() == *name => resume(negotiated, resumption, cx),
            // Another key by now, or none: a full handshake will say so.
            _ => choose_identity(negotiated, cx),
        }
    }
}
