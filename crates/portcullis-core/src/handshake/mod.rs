//! The handshake as states that own exactly their data.
//!
//! RFC 8446 §4 and Appendix A. A state's handler consumes it and gives what comes [`Next`]; a
//! paused state has no way to take a message. What is to be sent goes out through [`Cx`] in the
//! order of the calls, which is the order on the wire.

pub(crate) mod client;
mod negotiate;
mod offer;
mod parameters;
pub(crate) mod server;
mod signed_content;
mod table;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use offer::{Request, check_request};

use std::collections::VecDeque;
use std::sync::Arc;

use rustls_pki_types::UnixTime;

use crate::connection::Connection;
use crate::crypto::CryptoFailure;
use crate::crypto::key_exchange::RespondError;
use crate::crypto::random::Random;
use crate::error::{Abort, Reason, Stage};
use crate::information::{ConnectionInformation, Information};
use crate::key_schedule::{Transcript, TranscriptBuffer};
use crate::question::{AnswerContent, Question};
use crate::record::{HandshakeBytes, Incoming, Mailbox, Outgoing};
use crate::step::{Event, KeyLogLine};
use crate::wire::{HandshakeMessage, HandshakeType};
use crate::{Direction, Misuse, Violation};

/// The state of either role.
pub(crate) enum State {
    Client(client::State),
    Server(server::State),
}

impl State {
    pub(crate) fn stage(&self) -> Stage {
        match self {
            Self::Client(state) => state.stage(),
            Self::Server(state) => state.stage(),
        }
    }

    pub(crate) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        match self {
            Self::Client(state) => state.on_message(message, cx),
            Self::Server(state) => state.on_message(message, cx),
        }
    }

    pub(crate) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        if let AnswerContent::Refused(refusal) = answer {
            return Err(refusal.into());
        }
        match self {
            Self::Client(state) => state.on_answer(answer, cx),
            Self::Server(state) => state.on_answer(answer, cx),
        }
    }
}

/// What follows a message or an answer.
#[allow(
    clippy::large_enum_variant,
    reason = "a question is rare and moves once"
)]
pub(crate) enum Next {
    State(State),
    Ask(Question, State),
    Connected(Box<Outcome>),
}

impl Next {
    pub(crate) fn ask(question: Question, state: impl Into<State>) -> Self {
        Self::Ask(question, state.into())
    }
}

impl<S: Into<State>> From<S> for Next {
    fn from(state: S) -> Self {
        Self::State(state.into())
    }
}

/// What a finished handshake leaves.
pub(crate) struct Outcome {
    pub(crate) information: Information,
    pub(crate) key_update_at: u64,
}

impl Outcome {
    pub(crate) fn into_connection(
        self,
        incoming: Incoming,
        outgoing: Outgoing,
    ) -> Result<Connection, Abort> {
        let mailbox = Arc::new(Mailbox::default());
        let (reader, unread) = incoming.into_reader(Arc::clone(&mailbox))?;
        let (writer, transmit) = outgoing.into_writer(mailbox, self.key_update_at)?;
        Ok(Connection {
            reader,
            writer,
            information: ConnectionInformation(self.information),
            unread,
            transmit,
        })
    }
}

/// What a handler may touch besides its own state.
pub(crate) struct Cx<'a> {
    pub(crate) incoming: &'a mut Incoming,
    pub(crate) outgoing: &'a mut Outgoing,
    pub(crate) random: &'a mut Random,
    pub(crate) events: &'a mut VecDeque<Event>,
    pub(crate) now: UnixTime,
    pub(crate) observe: &'a mut bool,
    #[cfg(test)]
    pub(crate) tamper: &'a mut Option<tests::Tamper>,
}

impl Cx<'_> {
    /// Sends one handshake message and adds it to the transcript.
    pub(crate) fn send(&mut self, transcript: &mut Transcript, raw: &[u8]) {
        self.send_hashed(raw, |message| transcript.add(message));
    }

    /// Sends the first hello, when it is not known yet with what it will be hashed.
    pub(crate) fn send_first(&mut self, transcript: &mut TranscriptBuffer, raw: &[u8]) {
        self.send_hashed(raw, |message| transcript.add(message));
    }

    fn send_hashed(&mut self, raw: &[u8], mut hash: impl FnMut(&[u8])) {
        #[cfg(test)]
        if tests::tampered(self, raw, &mut hash) {
            return;
        }
        hash(raw);
        self.queue(raw);
    }

    fn queue(&mut self, raw: &[u8]) {
        if *self.observe {
            let typ = HandshakeType(raw.first().copied().unwrap_or_default());
            self.events.push_back(Event::Message {
                direction: Direction::Sent,
                typ,
                length: raw.len(),
            });
        }
        self.outgoing.handshake(raw);
    }

    /// Reports a secret, if the user wants to see secrets.
    pub(crate) fn log_secret(
        &mut self,
        wanted: bool,
        label: &'static str,
        client_random: &[u8; 32],
        secret: &[u8],
    ) {
        if wanted {
            self.events.push_back(Event::Secret(KeyLogLine::new(
                label,
                *client_random,
                secret,
            )));
        }
    }

    pub(crate) fn random_bytes<const N: usize>(&mut self) -> Result<[u8; N], Abort> {
        let mut bytes = [0; N];
        self.random
            .fill(&mut bytes)
            .map_err(|_| Abort(Reason::Crypto("random bytes")))?;
        Ok(bytes)
    }
}

/// The message as the type that is due here.
pub(crate) fn expect<'a, M: HandshakeMessage<'a>>(message: &'a HandshakeBytes) -> Result<M, Abort> {
    if message.typ() != M::TYPE {
        return Err(unexpected(M::TYPE.name().unwrap_or_default(), message));
    }
    Ok(M::decode(message.body())?)
}

/// A message that does not belong here.
pub(crate) fn unexpected(expected: &'static str, message: &HandshakeBytes) -> Abort {
    match message.typ().name() {
        Some(seen) => Abort(Reason::Unexpected { expected, seen }),
        None => Violation::UnknownHandshakeType.into(),
    }
}

/// An answer that does not fit its question: impossible by types, refused all the same.
pub(crate) fn wrong_answer() -> Abort {
    Misuse::new("the answer is of another kind than the question").into()
}

/// §4.4.3: a signature fits its length field, and there is one.
pub(crate) fn check_signature_length(signature: &[u8]) -> Result<(), Misuse> {
    if signature.is_empty() || signature.len() > usize::from(u16::MAX) {
        return Err(Misuse::new(format!(
            "a signature must have 1 to 65,535 bytes; the answer has {}",
            signature.len()
        )));
    }
    Ok(())
}

impl From<CryptoFailure> for Abort {
    fn from(failure: CryptoFailure) -> Self {
        Self(Reason::Crypto(failure.0))
    }
}

impl From<RespondError> for Abort {
    fn from(error: RespondError) -> Self {
        match error {
            RespondError::BadKeyShare => Violation::BadKeyShare.into(),
            RespondError::Crypto(failure) => failure.into(),
        }
    }
}
