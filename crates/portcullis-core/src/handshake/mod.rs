//! The handshake as states that own exactly their data.
//!
//! RFC 8446 §4 and Appendix A. A state's handler consumes it and gives what comes [`Next`]; a
//! paused state has no way to take a message. What is to be sent goes out through [`Cx`] in the
//! order of the calls, which is the order on the wire.
//!
//! Five words for results. A handler returns a [`Next`] (a state, a state with a question, or the
//! end) or an [`Abort`], which has the reason and with it the alert. The end is an [`Outcome`]:
//! what becomes a [`Connection`] together with the keys that were installed. The caller of a
//! `Handshake` sees none of these: `poll` gives it a [`Step`](crate::Step), which says what to do
//! now, and on the way an [`Event`], which says what happened and asks for nothing.

mod again;
pub(crate) mod client;
mod compressed;
mod connection_ids;
#[cfg(feature = "dtls")]
mod datagram;
mod drive;
mod early_data;
mod external_psk;
#[cfg(feature = "dtls")]
mod gate;
mod handshake_keys;
mod machine;
mod negotiate;
mod offer;
mod older;
mod peer;
mod post_handshake_auth;
mod renegotiation;
mod secret_log;
pub(crate) mod server;
mod signed_content;
mod srtp;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod versions;

pub use drive::Handshake;
#[cfg(feature = "dtls")]
pub use gate::{Admission, CookiePolicy, CookieSecret, FrontedAnswer, FrontedHello, Gate, Verdict};
pub use post_handshake_auth::{
    Authenticating, AuthenticationId, AuthenticationStep, PostHandshakeAuthentication,
};
pub use server::{EchFront, FrontStep};

use std::collections::VecDeque;
use std::sync::Arc;

use rustls_pki_types::{ServerName, UnixTime};

use self::again::Ending;
use self::client::Unshown;
use self::machine::{End, Machine};
use self::post_handshake_auth::PostHandshakeEnd;
use self::renegotiation::{Kept, Settled};
use crate::config::Policy;
use crate::connection::Connection;
use crate::crypto::CryptoFailure;
use crate::crypto::key_exchange::RespondError;
use crate::crypto::random::Random;
use crate::dialect::Dialect;
use crate::error::{Abort, Error, Reason, Stage};
use crate::information::{ConnectionInformation, Exporter, Information};
use crate::key_schedule::{AddMessage, ExporterSecret, ResumptionMasterSecret};
use crate::psk::Shared;
use crate::question::Question;
use crate::record::{
    Another, Barred, ConnectionId, HandshakeBytes, Incoming, Later, Mailbox, Older, OnRequest,
    Outgoing, Tickets, ToWriter,
};
use crate::session::{ReceivedTicket, Resumable};
use crate::step::Event;
use crate::wire::extension::{Extension, Extensions};
use crate::wire::{HandshakeMessage, HandshakeType};
use crate::x509::Sha256Digest;
use crate::{AlertDescription, Direction, Misuse, Violation};

/// What follows a message or an answer in a role with the states `S`.
pub(crate) enum Next<S> {
    State(S),
    Ask(Question, S),
    Connected(Outcome),
}

impl<S> Next<S> {
    pub(crate) fn ask(question: Question, state: impl Into<S>) -> Self {
        Self::Ask(question, state.into())
    }
}

/// What a finished handshake leaves.
pub(crate) struct Outcome {
    information: Arc<ConnectionInformation>,
    key_update_at: u64,
    /// Client: what makes sessions of the tickets that may come. Before TLS 1.3: the session, and what
    /// another handshake begins with.
    later: Option<Box<Later>>,
    /// There if the client may be asked for a certificate later.
    authentication: Option<PostHandshakeEnd>,
}

impl Outcome {
    pub(crate) fn new(information: Information, key_update_at: u64) -> Self {
        Self {
            information: Arc::new(ConnectionInformation(information)),
            key_update_at,
            later: None,
            authentication: None,
        }
    }

    /// The connection as it was: the peer does not want another handshake, or has closed instead.
    pub(crate) fn unchanged(
        kept: &Kept,
        not_before: UnixTime,
        unanswered: Option<Box<dyn Machine>>,
    ) -> Self {
        let mut another = Another::new(kept.clone(), not_before);
        another.unanswered = unanswered.map(|one| Box::new(one) as _);
        let on_request = OnRequest::Accept(another);
        let older = Box::new(Older {
            session: None,
            on_request,
        });
        Self {
            key_update_at: kept.end.policy().key_update_at,
            information: Arc::clone(&kept.previous.information),
            later: Some(Box::new(Later::Older(older))),
            authentication: None,
        }
    }

    /// The exporter goes from where it stands to where it stays.
    pub(crate) fn exporting(mut self, exporter: &mut ExporterSecret) -> Self {
        let information = Arc::get_mut(&mut self.information);
        if let Some(Exporter::Tls13(secret)) = information.map(|own| &mut own.0.exporter) {
            secret.take_from(exporter);
        }
        self
    }

    pub(crate) fn information(&self) -> &Information {
        &self.information.0
    }

    /// A client keeps what makes sessions of tickets.
    pub(crate) fn resumable(
        mut self,
        secret: ResumptionMasterSecret,
        server_name: ServerName<'static>,
        shown: Option<Arc<Sha256Digest>>,
    ) -> Self {
        self.later = Some(Box::new(Later::Tls13(Tickets::new(Resumable {
            secret,
            server_name,
            information: Arc::clone(&self.information),
            shown,
        }))));
        self
    }

    /// Before TLS 1.3: a client has its session by now; and what the connection does when its peer
    /// wants another handshake.
    pub(crate) fn before_tls13(
        mut self,
        session: Option<ReceivedTicket>,
        end: impl End,
        settled: Settled,
        now: UnixTime,
    ) -> Self {
        let on_request = renegotiation::on_request(end, settled, &self.information, now);
        if session.is_some() || on_request.is_some() {
            let on_request = on_request.unwrap_or(OnRequest::Decline(Barred::Configuration));
            let older = Older {
                session,
                on_request,
            };
            self.later = Some(Box::new(Later::Older(Box::new(older))));
        }
        self
    }

    fn into_connection(
        self,
        incoming: &mut Incoming,
        outgoing: &mut Outgoing,
        ending: Ending,
    ) -> Result<Connection, Error> {
        let failed = |abort: Abort| abort.into_silent_error(Stage::Connected);
        let of_records = self.authentication.as_ref().map(|end| end.of_records());
        let mailbox = Arc::new(Mailbox::new(of_records));
        let taken = incoming.take_reader(Arc::clone(&mailbox));
        let (mut reader, unread) = taken.map_err(failed)?;
        let authentication = self.authentication.map(|end| {
            PostHandshakeAuthentication::new(end, ToWriter::Stream(Arc::clone(&mailbox)))
        });
        reader.keep(self.later);
        if ending == Ending::Closed {
            reader.close();
        }
        let taken = outgoing.take_writer(mailbox, self.key_update_at);
        let (mut writer, transmit) = taken.map_err(failed)?;
        // A peer that has declined is not asked again under the same key.
        if ending == Ending::New && reader.may_renegotiate() {
            let usual = self.key_update_at == Policy::KEY_UPDATE_AT;
            writer.renegotiate_at((!usual).then_some(self.key_update_at));
        }
        Ok(Connection {
            reader,
            writer,
            information: self.information,
            unread,
            transmit,
            authentication,
        })
    }
}

/// What a handler may touch besides its own state: what outlives the state, borrowed from the
/// [`Handshake`] for one message or one answer. A state keeps none of it, so it cannot send, read
/// the clock or draw random bytes but when it is its turn.
pub(crate) struct Cx<'a> {
    /// Keys for reading are installed here by the handler of the message before which they begin:
    /// the next record is opened with them.
    pub(crate) incoming: &'a mut Incoming,
    /// What is sent stands here in the order of the calls, keys for writing between.
    pub(crate) outgoing: &'a mut Outgoing,
    /// Where random bytes come from, so that a test or a replay can give them; private keys of key
    /// exchanges come from the crypto library.
    pub(crate) random: &'a mut Random,
    /// What the caller is told on the way; it may be read after the handler, never by one.
    pub(crate) events: &'a mut VecDeque<Event>,
    /// When the bytes or the answer came. Tickets and certificates of one handler are all judged at
    /// this time.
    pub(crate) now: UnixTime,
    /// The version codes and the label prefix of the transport.
    pub(crate) dialect: Dialect,
    /// Whether messages become events. It can be changed, because a server may go on with another
    /// configuration.
    pub(crate) observe: &'a mut bool,
    /// Which violations are told with another alert; of the configuration as well.
    pub(crate) alerts: &'a mut Vec<(Violation, AlertDescription)>,
    /// What both ends had before they met, once keys are made of it: from there on it shows whether that was
    /// the same.
    pub(crate) shared: &'a mut Option<Shared>,
    /// Why a client before TLS 1.3 has shown no certificate that the server has asked for: the server may go because of that.
    pub(crate) unshown: &'a mut Option<Unshown>,
    #[cfg(test)]
    pub(crate) tamper: &'a mut Option<tests::Tamper>,
}

impl Cx<'_> {
    /// Sends the handshake message that `put` writes, and adds it to `into`.
    pub(crate) fn send(&mut self, into: &mut impl AddMessage, put: impl FnOnce(&mut Vec<u8>)) {
        #[cfg(test)]
        let put = match tests::tampered(self, put, into) {
            Some(untouched) => untouched,
            None => return,
        };
        self.queue(into, put);
    }

    /// Writes the message to where it goes out from, and has it hashed there.
    fn queue(&mut self, into: &mut impl AddMessage, put: impl FnOnce(&mut Vec<u8>)) {
        let hashed = self.outgoing.handshake(put);
        into.add(hashed);
        if *self.observe {
            let message = hashed.message;
            let typ = HandshakeType(message.first().copied().unwrap_or_default());
            self.events.push_back(Event::Message {
                direction: Direction::Sent,
                typ,
                length: message.len(),
            });
        }
    }

    /// Takes the peer's record_size_limit. It counts content and type, and before TLS 1.3, which has
    /// no type there, content alone (RFC 8449 §4).
    pub(crate) fn limit_records(&mut self, theirs: u16) {
        let type_byte = u16::from(self.incoming.is_before_tls13());
        self.outgoing
            .set_record_size_limit(theirs.saturating_add(type_byte));
    }

    /// The largest record_size_limit that says something (RFC 8449 §4): the protocol's own.
    pub(crate) fn most_record_size_limit(&self) -> u16 {
        match self.incoming.is_before_tls13() {
            true => 16_384,
            false => 16_385,
        }
    }

    /// What this side wants on the peer's records, if it knows of connection ids (RFC 9146 §3), and whether it checks
    /// paths (RFC 9853 §3).
    pub(crate) fn connection_id(&self) -> Option<(ConnectionId, bool)> {
        self.incoming.connection_id()
    }

    /// Both sides know of connection ids, and the peer wants this one on what it receives: from the next keys on.
    /// With `checks_paths` both also answer when they are asked where they are (RFC 9853).
    ///
    /// # Errors
    /// When that is not what they have said in the handshake before.
    pub(crate) fn agree_connection_ids(
        &mut self,
        theirs: ConnectionId,
        checks_paths: bool,
    ) -> Result<(), Violation> {
        #[cfg(feature = "dtls")]
        {
            let is_same = self.outgoing.connection_id() == Some(theirs);
            if self.incoming.agreed_again(is_same, checks_paths)? {
                return Ok(());
            }
        }
        self.incoming.agree_connection_ids(theirs, checks_paths);
        self.outgoing.set_connection_id(theirs);
        Ok(())
    }

    /// Fills `out` with random bytes.
    pub(crate) fn fill_random(&mut self, out: &mut [u8]) -> Result<(), Abort> {
        self.random.fill(out).map_err(CryptoFailure::from)?;
        Ok(())
    }

    /// As many values of 32 random bytes.
    pub(crate) fn random_bytes<const N: usize>(&mut self) -> Result<[[u8; 32]; N], Abort> {
        let mut values = [[0; 32]; N];
        self.random
            .fill(values.as_flattened_mut())
            .map_err(CryptoFailure::from)?;
        Ok(values)
    }
}

/// The message as the type that is due here.
pub(crate) fn expect<'a, M: HandshakeMessage<'a>>(message: &'a HandshakeBytes) -> Result<M, Abort> {
    if message.typ() != M::TYPE {
        return Err(unexpected(M::TYPE.name().unwrap_or_default(), message));
    }
    Ok(M::decode_as(message.syntax(), message.body())?)
}

/// The extension, if it is there, well-formed.
pub(crate) fn find<'a, E: Extension<'a>>(
    extensions: &Extensions<'a>,
) -> Result<Option<E>, Violation> {
    extensions
        .find::<E>()
        .transpose()
        .map_err(|_| Violation::MalformedExtension)
}

/// A change_cipher_spec that does not belong here.
pub(crate) fn unexpected_change_cipher_spec() -> Abort {
    Violation::UnexpectedChangeCipherSpec.into()
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

impl From<RespondError> for Abort {
    fn from(error: RespondError) -> Self {
        match error {
            RespondError::BadKeyShare => Violation::BadKeyShare.into(),
            RespondError::Crypto(failure) => failure.into(),
        }
    }
}
