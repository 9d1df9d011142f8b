//! A role as the driver sees it: messages and answers go in, and what they have led to comes out.
//!
//! The driver names no role. So a program that has only clients is linked without the code of a
//! server, and the reverse; and what states own is dropped in one place, wherever handshakes are.

use std::sync::Arc;

use super::renegotiation::Previous;
use super::{Cx, Next, Outcome};
use crate::AlertDescription;
use crate::config::Policy;
use crate::error::{Abort, Stage};
use crate::question::{AnswerContent, Question};
use crate::record::HandshakeBytes;
use crate::role::Role;
use crate::version::ProtocolVersion;

/// The states of a role, of which one is entered at a time: what [`states!`](super::table::states)
/// makes of a table.
pub(crate) trait States: Sized + Send + Sync + 'static {
    const ROLE: Role;

    fn stage(&self) -> Stage;

    fn on_message(self, message: HandshakeBytes, cx: &mut Cx<'_>) -> Result<Next<Self>, Abort>;

    /// The peer changes its keys.
    fn on_change_cipher_spec(self, cx: &mut Cx<'_>) -> Result<Next<Self>, Abort>;

    fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next<Self>, Abort>;

    /// This side's hello, while nothing has answered it.
    fn hello(&self) -> Option<&dyn Hello>;
}

/// A ClientHello that has not been answered.
pub(crate) trait Hello {
    fn offered_versions(&self) -> &[ProtocolVersion];

    /// What may have cost this side the peer's alert.
    fn advice(&self, alert: AlertDescription) -> Option<String>;
}

/// A role, and where it stands.
pub(crate) trait Machine: Send + Sync {
    fn role(&self) -> Role;

    /// `None`: it stands nowhere any more.
    fn stage(&self) -> Option<Stage>;

    fn on_message(&mut self, message: HandshakeBytes, cx: &mut Cx<'_>) -> Result<Entered, Abort>;

    fn on_change_cipher_spec(&mut self, cx: &mut Cx<'_>) -> Result<Entered, Abort>;

    fn on_answer(&mut self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Entered, Abort>;

    fn hello(&self) -> Option<&dyn Hello>;
}

/// What a [`Next`] says to the driver.
pub(crate) enum Entered {
    State,
    Question(Question),
    Connected(Outcome),
}

/// The one machine that there is.
struct Standing<S>(Option<S>);

/// A machine that begins with this state.
pub(crate) fn begin<S: States>(state: S) -> Box<dyn Machine> {
    Box::new(Standing(Some(state)))
}

impl<S: States> Standing<S> {
    fn enter(&mut self, next: Next<S>) -> Entered {
        match next {
            Next::State(state) => {
                self.0 = Some(state);
                Entered::State
            }
            Next::Ask(question, state) => {
                self.0 = Some(state);
                Entered::Question(question)
            }
            Next::Connected(outcome) => Entered::Connected(outcome),
        }
    }
}

impl<S: States> Machine for Standing<S> {
    fn role(&self) -> Role {
        S::ROLE
    }

    fn stage(&self) -> Option<Stage> {
        self.0.as_ref().map(S::stage)
    }

    fn on_message(&mut self, message: HandshakeBytes, cx: &mut Cx<'_>) -> Result<Entered, Abort> {
        let Some(state) = self.0.take() else {
            return Ok(Entered::State);
        };
        Ok(self.enter(state.on_message(message, cx)?))
    }

    fn on_change_cipher_spec(&mut self, cx: &mut Cx<'_>) -> Result<Entered, Abort> {
        let Some(state) = self.0.take() else {
            return Ok(Entered::State);
        };
        Ok(self.enter(state.on_change_cipher_spec(cx)?))
    }

    fn on_answer(&mut self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Entered, Abort> {
        let Some(state) = self.0.take() else {
            return Ok(Entered::State);
        };
        Ok(self.enter(state.on_answer(answer, cx)?))
    }

    fn hello(&self) -> Option<&dyn Hello> {
        self.0.as_ref().and_then(S::hello)
    }
}

/// What a role begins another handshake with, on a connection of before TLS 1.3.
pub(crate) trait End: Send + Sync + 'static {
    fn policy(&self) -> &Policy;

    /// `asked`: the peer has asked for it.
    fn restart(
        &self,
        previous: Arc<Previous>,
        asked: bool,
        cx: &mut Cx<'_>,
    ) -> Result<Box<dyn Machine>, Abort>;
}
