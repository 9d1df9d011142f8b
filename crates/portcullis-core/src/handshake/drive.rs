//! The contract: `receive`, `poll`, `answer`; after any call, poll until [`Step::Wait`],
//! [`Step::Connected`] or an error.

use std::collections::VecDeque;

use rustls_pki_types::{ServerName, UnixTime};

use super::again::Again;
use super::client::Unshown;
use super::machine::{Entered, Machine};
use super::{Cx, Outcome};
use crate::apart::Apart;
use crate::clock::Now;
use crate::config::{ClientConfig, Policy, ServerConfig};
use crate::connection::Connection;
use crate::crypto::random::Random;
use crate::crypto::secret::wipe_stack;
use crate::dialect::Dialect;
use crate::error::{Abort, Error, Misuse, Reason, Stage};
use crate::psk::Shared;
use crate::question::{Answer, AnswerContent, Question, QuestionId};
use crate::record::{Incoming, Message, Outgoing};
use crate::role::Role;
use crate::session::ClientSession;
use crate::step::{Event, Step};
use crate::version::Version;
use crate::wire::HandshakeType;
use crate::{AlertDescription, AlertLevel, Direction, Violation};

/// A TLS handshake under way, for either role.
///
/// It does no I/O and knows no clock: feed it with [`receive`](Self::receive), do what
/// [`poll`](Self::poll) says.
pub struct Handshake {
    /// `None`: the handshake is over, or what it stands at has a message or an answer.
    pub(super) machine: Option<Box<dyn Machine>>,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    random: Random,
    events: VecDeque<Event>,
    /// Apart: hardly any handshake asks, and a handshake may be dropped in many places.
    question: Option<Apart<Question>>,
    waiting_for: Option<QuestionId>,
    pub(super) outcome: Option<Outcome>,
    pub(super) error: Option<Error>,
    pub(super) now: Now,
    /// In a renegotiation.
    pub(super) again: Option<Apart<Again>>,
    /// Early data that has come and was not given out.
    #[expect(
        clippy::box_collection,
        reason = "one word in a handshake without early data"
    )]
    pub(super) early_data: Option<Box<Vec<u8>>>,
    /// Bytes received, in all.
    received: u64,
    /// Its last handshake message that was whole.
    last_message: Option<HandshakeType>,
    observe: bool,
    alerts: Vec<(Violation, AlertDescription)>,
    shared: Option<Shared>,
    unshown: Option<Unshown>,
    #[cfg(test)]
    tamper: Option<super::tests::Tamper>,
}

impl core::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Handshake")
            .field("stage", &self.stage())
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl Handshake {
    /// Starts as a client of the server `name`.
    ///
    /// # Errors
    /// When randomness or key generation fails.
    pub fn client(config: ClientConfig, name: ServerName<'static>) -> Result<Self, Error> {
        Self::client_with_random(config, name, Random::system())
    }

    /// Starts as a client of the server `name`, and offers to resume these sessions (RFC 8446
    /// §2.2). A session that cannot be resumed at the time `now` is left out: it is expired,
    /// with another server, its server's chain would not be accepted any more, or this side showed
    /// a certificate in it and has no identity with that key, unless `ask_identity` is on.
    ///
    /// # Errors
    /// When randomness or key generation fails; when a session is given and `session_tickets`
    /// is off.
    pub fn client_resuming(
        config: ClientConfig,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        now: UnixTime,
    ) -> Result<Self, Error> {
        Self::client_resuming_with_random(config, name, sessions, now, Random::system())
    }

    pub(crate) fn client_resuming_with_random(
        config: ClientConfig,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        now: UnixTime,
        random: Random,
    ) -> Result<Self, Error> {
        let mut this = Self::new_client(&config, random);
        this.now = now.into();
        this.start_client(config, name, sessions, false)?;
        Ok(this)
    }

    pub(crate) fn client_with_random(
        config: ClientConfig,
        name: ServerName<'static>,
        random: Random,
    ) -> Result<Self, Error> {
        let mut this = Self::new_client(&config, random);
        this.start_client(config, name, Vec::new(), false)?;
        Ok(this)
    }

    pub(super) fn new_client(config: &ClientConfig, random: Random) -> Self {
        Self::new(Role::Client, &config.0.policy, random)
    }

    pub(super) fn start_client(
        &mut self,
        config: ClientConfig,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        early_data: bool,
    ) -> Result<(), Error> {
        let started = super::client::start(config.0, name, sessions, early_data, &mut self.cx());
        // What was said is not sent.
        self.machine = Some(started.map_err(|abort| abort.into_silent_error(Stage::Start))?);
        Ok(())
    }

    /// Starts as a server.
    pub fn server(config: ServerConfig) -> Self {
        Self::server_with_random(config, Random::system())
    }

    pub(crate) fn server_with_random(config: ServerConfig, random: Random) -> Self {
        let mut this = Self::new(Role::Server, &config.0.policy, random);
        this.machine = Some(super::server::start(config.0));
        this
    }

    pub(super) fn new(role: Role, policy: &Policy, random: Random) -> Self {
        let incoming = Incoming::new(role, policy.max_handshake_size);
        Self::over(incoming, Outgoing::new(role), policy, random)
    }

    /// Over either transport.
    pub(super) fn over(
        mut incoming: Incoming,
        outgoing: Outgoing,
        policy: &Policy,
        random: Random,
    ) -> Self {
        incoming.set_strict_alert_levels(policy.strict_alert_levels);
        Self {
            machine: None,
            incoming,
            outgoing,
            random,
            events: VecDeque::new(),
            question: None,
            waiting_for: None,
            outcome: None,
            error: None,
            now: UnixTime::since_unix_epoch(core::time::Duration::ZERO).into(),
            again: None,
            early_data: None,
            received: 0,
            last_message: None,
            observe: policy.observe_messages,
            alerts: policy.alerts.clone(),
            shared: None,
            unshown: None,
            #[cfg(test)]
            tamper: None,
        }
    }

    pub(super) fn cx(&mut self) -> Cx<'_> {
        Cx {
            dialect: self.incoming.dialect(),
            incoming: &mut self.incoming,
            outgoing: &mut self.outgoing,
            random: &mut self.random,
            events: &mut self.events,
            now: self.now.wall,
            observe: &mut self.observe,
            alerts: &mut self.alerts,
            shared: &mut self.shared,
            unshown: &mut self.unshown,
            #[cfg(test)]
            tamper: &mut self.tamper,
        }
    }

    /// Takes bytes from the peer, and the time at which they came.
    ///
    /// They are kept until they are needed: feed no more while [`poll`](Self::poll) has
    /// something else to say than [`Step::Wait`].
    pub fn receive(&mut self, bytes: &[u8], now: impl Into<Now>) {
        self.now = now.into();
        self.received = self.received.saturating_add(bytes.len() as u64);
        if self.error.is_none() {
            if let Err(abort) = self.incoming.feed(bytes, self.now.monotonic) {
                self.outcome = None;
                self.fail(abort);
            }
            self.pass_notes();
        }
    }

    /// What has come over datagrams changes what is sent.
    pub(super) fn pass_notes(&mut self) {
        if let Some(notes) = self.incoming.take_notes() {
            self.outgoing.heed(notes, self.now.monotonic);
        }
    }

    /// The peer has closed the transport. A handshake that is not over fails with
    /// [`Reason::ClosedInHandshake`].
    pub fn receive_eof(&mut self) {
        if self.outcome.is_none() && self.error.is_none() {
            let peer = match self.role() {
                Some(Role::Client) => "server",
                Some(Role::Server) | None => "client",
            };
            self.fail(Abort(Reason::ClosedInHandshake {
                peer,
                received: self.received,
                after: self.last_message.and_then(HandshakeType::name),
            }));
        }
    }

    /// Whether the peer can go on without what is still to be transmitted: a server's tickets,
    /// which follow a handshake that is over for both (RFC 8446 §4.6.1). A transport that does not
    /// take them need not be waited for, and one that has failed has not failed the handshake.
    pub fn remainder_is_optional(&self) -> bool {
        let outcome = self.outcome.as_ref();
        outcome
            .map(Outcome::information)
            .is_some_and(|information| {
                // Before TLS 1.3 it is the server's Finished, which the client waits for.
                information.is_server && information.version == Version::V1_3
            })
    }

    /// What the handshake is waiting for, or doing.
    pub fn stage(&self) -> Stage {
        let machine = self.machine.as_ref();
        match (machine.and_then(|machine| machine.stage()), &self.outcome) {
            (Some(stage), _) => stage,
            (None, Some(_)) => Stage::Connected,
            (None, None) => Stage::Closed,
        }
    }

    /// Of this end, until the handshake is over.
    pub(super) fn role(&self) -> Option<Role> {
        self.machine.as_ref().map(|machine| machine.role())
    }

    /// Goes on as far as possible.
    ///
    /// # Errors
    /// When the handshake has failed: after the alert has been given out as
    /// [`Step::Transmit`], and from then on always the same error.
    pub fn poll(&mut self) -> Result<Step, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Step::Event(event));
            }
            if let Some(data) = self.again.as_mut().and_then(|again| again.data.take()) {
                return Ok(Step::Data(data));
            }
            #[cfg(feature = "dtls")]
            if let Some(data) = self.incoming.take_data() {
                return Ok(Step::Data(data));
            }
            if let Some(data) = self.early_data.take() {
                // As with a question: the client need not wait until somebody reads. Over datagrams the answer to its hello
                // is out, and has a timer, before anybody gets a message (RFC 9147 §5.8).
                self.outgoing.end_of_flight(false, self.now.monotonic);
                let bytes = self.take_output();
                if bytes.is_empty() {
                    return Ok(Step::EarlyData(*data));
                }
                self.early_data = Some(data);
                return Ok(Step::Transmit(bytes));
            }
            if let Some(question) = self.question.take() {
                // What is already said does not wait for the answer.
                let bytes = self.take_output();
                if bytes.is_empty() {
                    return Ok(Step::Ask(question.into_inner()));
                }
                self.question = Some(question);
                return Ok(Step::Transmit(bytes));
            }
            if self.error.is_none() && self.outcome.is_none() && self.waiting_for.is_none() {
                match self.advance() {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(abort) => {
                        self.fail(abort);
                        continue;
                    }
                }
            }
            // A pause is no end: what is said after it belongs to the same flight (RFC 9147 §5.8).
            if self.waiting_for.is_none() {
                let is_over = self.outcome.is_some();
                self.outgoing.end_of_flight(is_over, self.now.monotonic);
            } else {
                self.outgoing.pause();
            }
            let bytes = self.take_output();
            if !bytes.is_empty() {
                return Ok(Step::Transmit(bytes));
            }
            return match (&self.error, &self.outcome) {
                (Some(error), _) => Err(error.clone()),
                (None, Some(_)) => Ok(Step::Connected),
                (None, None) => Ok(Step::Wait {
                    deadline: self.outgoing.deadline(),
                }),
            };
        }
    }

    /// Answers an open question, at the time `now`: it may have taken its time, and what follows
    /// judges tickets and chains by it.
    ///
    /// # Errors
    /// When the answer belongs to another connection, or to no open question; the handshake is
    /// as it was.
    pub fn answer(&mut self, answer: Answer, now: impl Into<Now>) -> Result<(), Misuse> {
        if self.error.is_some() {
            // The handshake ended while the answer was on its way: nothing is left to decide.
            return Ok(());
        }
        if self.waiting_for != Some(answer.id) {
            return Err(Misuse::new(
                "this answer belongs to another connection, or its question was answered before",
            ));
        }
        if self.machine.is_none() {
            return Err(Misuse::new(
                "the handshake is over: there is nothing to answer",
            ));
        }
        self.waiting_for = None;
        self.question = None;
        self.now = now.into();
        self.step(|machine, cx| match answer.content {
            AnswerContent::Refused(refusal) => Err(refusal.into()),
            content => machine.on_answer(content.settled(), cx),
        });
        Ok(())
    }

    /// Gives up: the peer is sent the fatal alert `user_canceled`.
    pub fn cancel(&mut self) {
        if self.error.is_none() {
            self.outcome = None;
            self.fail(Abort(Reason::Cancelled));
        }
    }

    /// Takes the connection once [`poll`](Self::poll) has said [`Step::Connected`].
    ///
    /// # Errors
    /// When the handshake is not over.
    pub fn into_connection(mut self) -> Result<Connection, Error> {
        self.take_connection()
    }

    /// The same where the handshake stands. One that is moved, out of a box for example, leaves a
    /// copy of the connection's secrets behind, which nobody wipes.
    ///
    /// # Errors
    /// When the handshake is not over, or its connection was taken before.
    pub fn take_connection(&mut self) -> Result<Connection, Error> {
        let Some(outcome) = self.outcome.take() else {
            let sentence = "the handshake is not over, or its connection was taken before";
            return Err(Abort::from(Misuse::new(sentence)).into_silent_error(self.stage()));
        };
        let ending = self.ending();
        outcome.into_connection(&mut self.incoming, &mut self.outgoing, ending)
    }

    /// Takes the bytes received and not used, when a handshake has failed: for a driver that falls
    /// back to plain text.
    pub fn take_unread(&mut self) -> Vec<u8> {
        self.incoming.take_unread()
    }

    /// Takes the next message, if there is one. Whether anything happened.
    fn advance(&mut self) -> Result<bool, Abort> {
        // Over datagrams change_cipher_spec has no place among the messages, and may be lost: the keys change
        // where the state says so (RFC 6347 §4.1 has the epoch for that).
        if self.incoming.dialect() == Dialect::Dtls
            && self.machine.as_ref().and_then(|machine| machine.stage())
                == Some(Stage::WaitChangeCipherSpec)
        {
            self.step(|machine, cx| machine.on_change_cipher_spec(cx));
            return Ok(true);
        }
        let message = self.incoming.next(self.now.monotonic)?;
        self.pass_notes();
        let Some(message) = message else {
            return Ok(false);
        };
        match message {
            Message::Handshake(message) => {
                if self.has_crossed(&message)? {
                    return Ok(true);
                }
                if self.machine.is_none() {
                    return Ok(false);
                }
                self.last_message = Some(message.typ());
                if self.observe {
                    self.events.push_back(Event::Message {
                        direction: Direction::Received,
                        typ: message.typ(),
                        length: message.raw().len(),
                    });
                }
                self.step(|machine, cx| machine.on_message(message, cx));
            }
            Message::Alert { level, description } => self.on_alert(level, description)?,
            Message::ChangeCipherSpec => {
                if self.machine.is_none() {
                    return Ok(false);
                }
                self.note_changed_keys();
                self.step(|machine, cx| machine.on_change_cipher_spec(cx));
            }
            Message::ApplicationData(data) => self.on_data(data)?,
            Message::EarlyData(data) => self.early_data = Some(Box::new(data)),
        }
        Ok(true)
    }

    /// Gives the machine what has come.
    fn step(&mut self, take: impl FnOnce(&mut dyn Machine, &mut Cx<'_>) -> Result<Entered, Abort>) {
        let Some(mut machine) = self.machine.take() else {
            return;
        };
        let stage = machine.stage();
        let taken = take(&mut *machine, &mut self.cx());
        // The next step makes boxes where this one may have had keys.
        wipe_stack();
        match taken {
            Ok(entered) => {
                self.machine = Some(machine);
                self.enter(entered);
            }
            Err(abort) => self.fail_at(abort, stage.unwrap_or(Stage::Closed)),
        }
    }

    /// §6.1: user_canceled as a warning announces a close_notify; any other alert, and what
    /// calls itself fatal, ends the handshake. Before TLS 1.3 a warning is one (RFC 5246 §7.2.2), and
    /// a server may send it before it says what it speaks.
    fn on_alert(&mut self, level: AlertLevel, description: AlertDescription) -> Result<(), Abort> {
        if self.is_declined_by(level, description) {
            return Ok(());
        }
        let is_harmless = match description {
            AlertDescription::USER_CANCELED => true,
            AlertDescription::CLOSE_NOTIFY => false,
            _ => self.takes_warnings(),
        };
        if level == AlertLevel::FATAL || !is_harmless {
            return Err(Abort(Reason::AlertReceived(description)));
        }
        self.events.push_back(Event::Warning(description));
        Ok(())
    }

    /// Whether a warning leaves the handshake as it is.
    fn takes_warnings(&self) -> bool {
        let machine = self.machine.as_ref();
        let hello = machine.and_then(|machine| machine.hello());
        let offered = hello.map(|hello| hello.offered_versions());
        let offered = offered.unwrap_or_default().iter();
        self.incoming.is_before_tls13()
            || offered
                .filter_map(|one| Version::of(*one))
                .any(|one| one < Version::V1_3)
    }

    pub(super) fn take_output(&mut self) -> Vec<u8> {
        match self.outgoing.take(self.now.monotonic) {
            Ok(bytes) => bytes,
            Err(abort) => {
                let stage = self.stage();
                self.machine = None;
                self.outcome = None;
                self.error
                    .get_or_insert_with(|| abort.into_silent_error(stage));
                Vec::new()
            }
        }
    }

    fn enter(&mut self, entered: Entered) {
        match entered {
            Entered::State => {}
            Entered::Question(question) => {
                self.waiting_for = Some(question.id());
                self.question = Some(Apart::new(question));
            }
            Entered::Connected(outcome) => self.connected(outcome),
        }
    }

    pub(super) fn connected(&mut self, outcome: Outcome) {
        self.machine = None;
        self.outcome = Some(outcome);
    }

    pub(super) fn fail(&mut self, abort: Abort) {
        let stage = self.stage();
        self.fail_at(abort, stage);
    }

    #[cold]
    fn fail_at(&mut self, abort: Abort, stage: Stage) {
        // The message with the chain is what was waited for.
        let stage = match (&abort.0, stage) {
            (Reason::Certificate(_), Stage::ReverifyingChain) => stage,
            (Reason::Certificate(_), _) => Stage::VerifyingChain,
            _ => stage,
        };
        let error = match self.alert_instead(&abort.0) {
            Some(alert) => Error::new(stage, Some((Direction::Sent, alert)), abort.0),
            None => abort.into_error(stage),
        };
        let error = match self.advice(&error) {
            Some(advice) => error.with_advice(advice),
            None => error,
        };
        if let Some((Direction::Sent, alert)) = error.alert() {
            // A failure here leaves the peer without its alert; the error stays the first one.
            let _ = self.outgoing.alert(alert);
        }
        self.machine = None;
        self.question = None;
        self.waiting_for = None;
        self.error = Some(error);
    }
}

impl Handshake {
    /// What may be behind it, where the error does not say so.
    fn advice(&self, error: &Error) -> Option<String> {
        let machine = self.machine.as_ref();
        let of_hello = match (error.alert(), machine.and_then(|machine| machine.hello())) {
            (Some((Direction::Received, alert)), Some(hello)) => hello.advice(alert),
            _ => None,
        };
        let of_secret = || self.shared.filter(|_| error.may_be_of_another_secret());
        let of_secret = || Some(of_secret()?.advice().to_owned());
        let of_certificate = || match error.alert() {
            Some((Direction::Received, alert)) if self.unshown.is_some() => {
                self.unshown?.advice(alert).map(str::to_owned)
            }
            _ => None,
        };
        of_hello.or_else(of_secret).or_else(of_certificate)
    }

    /// What the configuration has the peer told in the place of the RFC's alert.
    fn alert_instead(&self, reason: &Reason) -> Option<AlertDescription> {
        let violation = reason.violation()?;
        let mut alerts = self.alerts.iter();
        let found = alerts.find(|(replaced, _)| *replaced == violation);
        found.map(|(_, alert)| *alert)
    }
}

/// What a test does to make one end break the rules.
#[cfg(test)]
impl Handshake {
    /// A client whose messages, from the first hello on, pass through `tamper`.
    pub(crate) fn client_tampering(
        config: ClientConfig,
        name: ServerName<'static>,
        random: Random,
        tamper: super::tests::Tamper,
    ) -> Self {
        Self::client_resuming_tampering(config, name, Vec::new(), random, tamper)
    }

    /// The same, offering these sessions.
    pub(crate) fn client_resuming_tampering(
        config: ClientConfig,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        random: Random,
        tamper: super::tests::Tamper,
    ) -> Self {
        let mut this = Self::new_client(&config, random);
        this.now = crate::testing::now().into();
        this.tamper = Some(tamper);
        this.start_client(config, name, sessions, false).unwrap();
        this
    }

    /// From here on all messages pass through `tamper`.
    pub(crate) fn tamper(&mut self, tamper: super::tests::Tamper) {
        self.tamper = Some(tamper);
    }

    /// Puts something on the wire, whatever the state.
    pub(crate) fn put(&mut self, put: &super::tests::Put) {
        super::tests::put(&mut self.cx(), put, &mut crate::key_schedule::Unhashed);
    }

    /// Makes the current read key as old as its cipher lets it become.
    pub(crate) fn wear_out_read_key(&mut self) {
        self.incoming.wear_out();
    }

    /// Bytes that are held for the peer's messages.
    pub(crate) fn held(&self) -> usize {
        self.incoming.held()
    }

    /// Bytes that are held for what may be sent again.
    #[cfg(feature = "dtls")]
    pub(crate) fn kept(&self) -> usize {
        self.outgoing.kept()
    }
}
