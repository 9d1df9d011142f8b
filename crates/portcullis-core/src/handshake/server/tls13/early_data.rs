//! Early data: whether it is accepted, and where it ends.
//!
//! RFC 8446 §4.2.10, §4.5, §8.

use std::sync::Arc;

use super::super::super::{Cx, expect, find, wrong_answer};
use super::super::requested::choose_protocol;
use super::super::{Next, decoded_hello};
use super::Negotiated;
use super::finished::WaitFinished;
use super::flight::{FlightSent, ProvedBy, send_flight};
use super::psk::Resumption;
use crate::SignatureScheme;
use crate::error::Abort;
use crate::information::{EarlyDataRejection, EarlyDataStatus};
use crate::key_schedule::{AddMessage, TrafficSecret};
use crate::question::{AnswerContent, ClaimEarlyData, Question, QuestionId};
use crate::record::{HandshakeBytes, Keys};
use crate::session::{
    AntiReplay, Claims, EarlyDataTerms, Filters, ReplayToken, ServerSession, token,
};
use crate::wire::EndOfEarlyData;
use crate::wire::extension::OfferedPsks;
use crate::x509::PeerProof;

/// Early data that is accepted unless somebody has claimed it before.
pub(super) struct Claimable {
    token: ReplayToken,
    terms: Arc<EarlyDataTerms>,
}

/// What the client offers early data for, when it has proved to have the key at `index`: the rules of
/// §4.2.10 and §8.3 but for the claim. Says in `negotiated` why there is none.
pub(super) fn claimable(
    negotiated: &mut Negotiated,
    index: usize,
    session: &ServerSession,
    cx: &Cx<'_>,
) -> Result<Option<Box<Claimable>>, Abort> {
    use EarlyDataRejection as Why;
    if negotiated.early_data != EarlyDataStatus::Rejected(Why::NotResumed) {
        return Ok(None);
    }
    let hello = decoded_hello(&negotiated.hello)?;
    let offered = find::<OfferedPsks<'_>>(&hello.extensions)?;
    let first = offered.and_then(|offered| {
        let identity = offered.identities.into_iter().next()?;
        Some((identity, offered.binders.into_iter().next()?))
    });
    let established = &session.established;
    let why = match (first, &established.early_data) {
        _ if negotiated.retried => Why::Retried,
        (Some((identity, binder)), Some(terms)) if index == 0 => {
            let protocol = choose_protocol(&negotiated.config, &hello)?;
            let window = negotiated.config.early_data.window();
            if established.suite != negotiated.suite {
                Why::OtherSuite
            } else if protocol.as_deref().unwrap_or_default() != terms.alpn() {
                Why::OtherProtocol
            } else if !session.is_as_old_as(identity.obfuscated_ticket_age, window, cx.now) {
                Why::TicketAge
            } else {
                return Ok(Some(Box::new(Claimable {
                    token: token(binder.0),
                    terms: Arc::clone(terms),
                })));
            }
        }
        (_, None) => Why::NotAllowed,
        _ => Why::NotResumed,
    };
    negotiated.early_data = EarlyDataStatus::Rejected(why);
    Ok(None)
}

impl Negotiated {
    /// A ticket that keys open can be opened again: it is not one of those that a store gives once.
    pub(super) fn opened_with_keys(&mut self) {
        let not_resumed = EarlyDataStatus::Rejected(EarlyDataRejection::NotResumed);
        let anti_replay = &self.config.early_data.anti_replay;
        if matches!(anti_replay, Some(AntiReplay(Claims::SingleUse)))
            && self.early_data == not_resumed
        {
            self.early_data = EarlyDataStatus::Rejected(EarlyDataRejection::NotAllowed);
        }
    }
}

/// Resumes the session, with early data if nobody has claimed it: the last decision before the flight.
pub(super) fn claim_and_resume(
    negotiated: Negotiated,
    server_name: Option<String>,
    resumption: Box<Resumption>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let Some(claimable) = &resumption.early_data else {
        return send_flight(negotiated, server_name, ProvedBy::Resumed(resumption), cx);
    };
    let options = &negotiated.config.early_data;
    let lifetime = options.lifetime();
    let is_first = match &options.anti_replay {
        None => false,
        Some(AntiReplay(Claims::SingleUse)) => true,
        Some(AntiReplay(Claims::Local(filters))) => {
            Filters::claim(filters, &claimable.token, cx.now, lifetime)
        }
        Some(AntiReplay(Claims::Asked)) => {
            let question = ClaimEarlyData {
                id: QuestionId::next(),
                token: claimable.token,
                lifetime,
                now: cx.now,
            };
            let paused = ClaimingEarlyData(Box::new((negotiated, server_name, resumption)));
            return Ok(Next::ask(
                Question::ClaimEarlyData(Box::new(question)),
                paused,
            ));
        }
    };
    claimed(negotiated, server_name, resumption, is_first, cx)
}

fn claimed(
    mut negotiated: Negotiated,
    server_name: Option<String>,
    resumption: Box<Resumption>,
    is_first: bool,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    negotiated.early_data = match is_first {
        true => EarlyDataStatus::Accepted,
        false => EarlyDataStatus::Rejected(EarlyDataRejection::Replayed),
    };
    send_flight(negotiated, server_name, ProvedBy::Resumed(resumption), cx)
}

/// Paused: somebody says whether the early data was accepted before.
pub(crate) struct ClaimingEarlyData(Box<(Negotiated, Option<String>, Box<Resumption>)>);

impl ClaimingEarlyData {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let (negotiated, server_name, resumption) = *self.0;
        match answer {
            AnswerContent::EarlyData(is_first) => {
                claimed(negotiated, server_name, resumption, is_first, cx)
            }
            _ => Err(wrong_answer()),
        }
    }
}

/// What early data comes under, if it is accepted, and how much of it may come. The transcript is the
/// ClientHello (§7.1).
pub(super) fn accepted(
    negotiated: &mut Negotiated,
    authentication: &ProvedBy,
) -> Result<Option<(TrafficSecret, u32)>, Abort> {
    let (EarlyDataStatus::Accepted, ProvedBy::Resumed(resumption)) =
        (negotiated.early_data, authentication)
    else {
        return Ok(None);
    };
    let aead = negotiated.suite.parameters()?.aead;
    let hello = negotiated.transcript.current();
    let secret = resumption.early.client_early_traffic_secret(aead, &hello);
    let terms = resumption.early_data.as_deref();
    Ok(secret.zip(terms.map(|claimable| claimable.terms.limit())))
}

/// Early data comes, or its end.
pub(crate) struct WaitEndOfEarlyData {
    pub(super) sent: Box<FlightSent>,
    pub(super) peer: Option<(PeerProof, SignatureScheme)>,
    /// For the client's Finished.
    pub(super) keys: Box<Keys>,
}

impl WaitEndOfEarlyData {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self {
            mut sent,
            peer,
            mut keys,
        } = self;
        let EndOfEarlyData = expect(&message)?;
        sent.answering.transcript.add(message.hashed());
        cx.incoming.install_read(keys.take())?;
        Ok(WaitFinished { sent, peer }.into())
    }
}
