//! Who the user is that logs in with a password.
//!
//! RFC 5054 §2.2, §2.5.1.

use std::sync::Arc;

use super::super::super::{Cx, find, wrong_answer};
use super::super::{Next, decoded_hello};
use super::Negotiated;
use super::flight::send_flight_to;
use super::identity::{Chosen, choose_identity};
use super::resumption::{Resumption, resume_with_peer};
use crate::config::SrpVerifier;
use crate::error::Abort;
use crate::psk::SharedSecretName;
use crate::question::{AnswerContent, LookUpUser, Question, QuestionId};
use crate::session::Peer;
use crate::wire::extension::SrpUser;
use crate::{Misuse, Violation};

/// What is settled before the user is known.
pub(super) struct Greeted {
    pub(super) negotiated: Negotiated,
    pub(super) chosen: Chosen,
    pub(super) server_name: Option<String>,
}

/// Takes the configured verifier of the user that the client names, or asks for it.
pub(super) fn look_up_user(greeted: Greeted, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    let negotiated = &greeted.negotiated;
    let hello = decoded_hello(&negotiated.hello)?;
    let user = find::<SrpUser<'_>>(&hello.extensions)?.ok_or(Violation::SrpUserMissing)?;
    let found = find_configured(negotiated, user.0);
    if !negotiated.config.policy.asked.user {
        let user = user.0.into();
        return go_on(greeted, user, found, cx);
    }
    let server_name = greeted.server_name.as_deref();
    let question = ask(negotiated, server_name, (user.0, false), found, cx);
    let user = user.0.into();
    let paused = LookingUpUser(Box::new((greeted, user)));
    Ok(Next::ask(question, paused))
}

fn find_configured(negotiated: &Negotiated, user: &[u8]) -> Option<SrpVerifier> {
    let users = negotiated.config.srp_users.as_ref();
    users.and_then(|users| users.find(user)).cloned()
}

fn ask(
    negotiated: &Negotiated,
    server_name: Option<&str>,
    (user, resumed): (&[u8], bool),
    configured: Option<SrpVerifier>,
    cx: &Cx<'_>,
) -> Question {
    Question::LookUpUser(Box::new(LookUpUser {
        id: QuestionId::next(),
        version: cx.dialect.code(negotiated.version),
        server_name: server_name.map(Box::from),
        user: user.into(),
        resumed,
        configured,
    }))
}

/// Paused: somebody looks for the user.
pub(crate) struct LookingUpUser(Box<(Greeted, Box<[u8]>)>);

impl LookingUpUser {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let (greeted, user) = *self.0;
        let found = verifier_in(answer, &user)?;
        go_on(greeted, user, found, cx)
    }
}

/// The verifier in an answer, which must be of the user.
fn verifier_in(answer: AnswerContent, user: &[u8]) -> Result<Option<SrpVerifier>, Abort> {
    let AnswerContent::User(found) = answer else {
        return Err(wrong_answer());
    };
    match found {
        Some(found) if found.user() != user => Err(Misuse::new(
            "the verifier in the answer is of another user than the client's; give it the name of the \
             question",
        )
        .into()),
        found => Ok(found),
    }
}

/// §2.5.1.3: a user who is not there gets what one who is would get, in the same time.
fn go_on(
    greeted: Greeted,
    user: Box<[u8]>,
    found: Option<SrpVerifier>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let Greeted {
        negotiated,
        chosen,
        server_name,
    } = greeted;
    let Some(users) = &negotiated.config.srp_users else {
        return Err(Misuse::new("a suite of SRP was chosen, and there are no users").into());
    };
    let simulated = users.simulate(&user);
    let verifier = found.unwrap_or(simulated);
    send_flight_to(negotiated, chosen, server_name, Some(verifier), cx)
}

/// Goes on with a session in which a user had logged in, if a full handshake would take the same password
/// today. The name in the hello does not count (§2.5.1.1).
pub(super) fn resume_with_user(
    negotiated: Negotiated,
    resumption: Box<Resumption>,
    name: Arc<SharedSecretName>,
    peer: Option<Peer>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let configured = find_configured(&negotiated, &name.identity);
    let session = KnownUser {
        negotiated,
        resumption,
        name,
        peer,
    };
    if !session.negotiated.config.policy.asked.user {
        return session.go_on(configured, cx);
    }
    let question = ask(
        &session.negotiated,
        session.resumption.server_name.as_deref(),
        (&session.name.identity, true),
        configured,
        cx,
    );
    Ok(Next::ask(question, ReverifyingUser(Box::new(session))))
}

struct KnownUser {
    negotiated: Negotiated,
    resumption: Box<Resumption>,
    name: Arc<SharedSecretName>,
    /// The client, if it had shown a certificate, too.
    peer: Option<Peer>,
}

impl KnownUser {
    fn go_on(self, found: Option<SrpVerifier>, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        match found {
            Some(found) if **found.name() == *self.name => {
                resume_with_peer(self.negotiated, self.resumption, self.peer, cx)
            }
            // Another password by now, or none: a full handshake will say so.
            _ => choose_identity(self.negotiated, cx),
        }
    }
}

/// Paused: somebody looks for the user who had logged in when a session began.
pub(crate) struct ReverifyingUser(Box<KnownUser>);

impl ReverifyingUser {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let session = *self.0;
        let found = verifier_in(answer, &session.name.identity)?;
        session.go_on(found, cx)
    }
}
