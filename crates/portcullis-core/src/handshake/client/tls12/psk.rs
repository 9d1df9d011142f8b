//! Which pre-shared key this side uses.
//!
//! RFC 4279 §2, §5.2.

use super::super::super::{Cx, wrong_answer};
use super::super::Next;
use super::client_flight::{ServerProved, authenticate};
use crate::AlertDescription;
use crate::config::PreSharedKey;
use crate::error::{Abort, Refusal};
use crate::question::{AnswerContent, ChoosePsk, PskSide, Question, QuestionId};

/// Takes the configured key, or asks for one. The server has said everything.
pub(super) fn choose_psk(
    proved: ServerProved,
    hint: Option<Box<[u8]>>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let client = &proved.negotiated.client;
    let policy = &client.config.policy;
    let configured = policy.psks.of_older().next().cloned();
    if !policy.asked.psk {
        return go_on(proved, configured, cx);
    }
    let question = ChoosePsk {
        id: QuestionId::next(),
        version: cx.dialect.code(proved.negotiated.version),
        server_name: Some(client.name.to_str().into()),
        // RFC 4279 §3: an empty one is none.
        side: PskSide::Client {
            hint: hint.filter(|hint| !hint.is_empty()),
        },
        configured,
    };
    let paused = ChoosingPsk(Box::new(proved));
    Ok(Next::ask(Question::ChoosePsk(Box::new(question)), paused))
}

/// Paused: somebody chooses the key.
pub(crate) struct ChoosingPsk(Box<ServerProved>);

impl ChoosingPsk {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        match answer {
            AnswerContent::Psk(psk) => go_on(*self.0, psk, cx),
            _ => Err(wrong_answer()),
        }
    }
}

fn go_on(
    mut proved: ServerProved,
    psk: Option<PreSharedKey>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    if psk.is_none() {
        return Err(Refusal::new(
            AlertDescription::HANDSHAKE_FAILURE,
            "there is no pre-shared key for this server",
        )
        .into());
    }
    proved.psk = psk;
    // Nobody asks for a certificate where keys are shared.
    authenticate(proved, None, cx)
}
