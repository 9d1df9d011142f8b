//! One end of a conversation, and ours in particular.

use std::sync::Arc;

use portcullis_core::question::{Answer, Question};
use portcullis_core::session::{ClientSession, ServerSession};
use portcullis_core::x509::VerifiedChain;
use portcullis_core::{
    AlertDescription, AuthenticationStep, Connection, ConnectionInformation, Error, Event, Frame,
    Handshake, Opened, PostHandshakeAuthentication, ProtocolVersion, Reader, Reason, Refusal, Step,
    Writer,
};

use crate::codec;
use crate::observer::Secrets;
use crate::pki::{NOW, name};
use crate::plan::Plan;
use crate::settings::Settings;

/// What an end says about its connection once it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub suite: u16,
    pub group: u16,
    pub alpn: Option<Vec<u8>>,
    /// `None` before TLS 1.3 without the extended master secret.
    pub exporter: Option<[u8; 32]>,
    pub retried: bool,
}

/// What an end makes of what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is connected, and nothing was wrong until the end.
    Accepts,
    /// The kind of its error.
    Refuses(String),
    /// It was still waiting for something when its peer refused or hung up.
    Undecided,
}

/// A client or a server; nothing it does may take long or need a socket.
pub trait End {
    /// Takes bytes of the peer and does all that follows.
    fn receive(&mut self, bytes: &[u8]);
    /// The peer has closed its direction of the transport.
    fn eof(&mut self);
    /// Nothing has come for a while; whether that changed anything.
    fn idle(&mut self) -> bool;
    /// Sends close_notify, if there is a connection.
    fn close(&mut self);
    /// What it wants to be sent.
    fn take_sent(&mut self) -> Vec<u8>;
    fn secrets(&self) -> &Secrets;
    /// `None` before the end of the handshake.
    fn facts(&self) -> Option<Facts>;
    /// What it makes of what it was given.
    fn verdict(&self) -> Verdict;
    /// The application data it has read.
    fn received(&self) -> &[u8];
    /// The application data it has written.
    fn said(&self) -> &[u8];
}

/// Whether and how one question is answered otherwise than by default.
#[derive(Clone, Copy, Debug)]
struct Behaviour {
    /// Which one, from 0; `None`: no question.
    question: Option<u8>,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Refuse,
    Late,
    Never,
    Otherwise,
    Cancel,
}

impl Behaviour {
    /// Bits 0 to 2: which question; bit 3: whose; the rest: how.
    fn new(answers: u8, role: usize) -> Self {
        let how = match answers >> 4 {
            1 => Some(How::Refuse),
            2 => Some(How::Late),
            3 => Some(How::Never),
            4 => Some(How::Otherwise),
            5 => Some(How::Cancel),
            _ => None,
        };
        let mine = usize::from(answers >> 3 & 1) == role;
        Self {
            question: how.filter(|_| mine).map(|_| answers & 7),
            how: how.unwrap_or(How::Never),
        }
    }
}

/// Whether every question gets its default answer sooner or later.
pub fn answers_by_default(plan: &Plan) -> bool {
    !matches!(plan.answers >> 4, 1 | 3 | 4 | 5)
}

enum State {
    Handshake(Box<Handshake>),
    Connected(Box<Connected>),
    Failed,
}

struct Connected {
    reader: Reader,
    writer: Writer,
    information: Arc<ConnectionInformation>,
    input: Vec<u8>,
    /// Which way of opening comes next.
    in_place: bool,
    authentication: Option<PostHandshakeAuthentication>,
}

/// What a server has heard of its client after the handshake.
#[derive(Debug, Default)]
pub struct Heard {
    pub requests: usize,
    pub presented: Vec<VerifiedChain>,
    pub declined: usize,
}

/// Our client or server.
pub struct Ours {
    role: usize,
    state: State,
    behaviour: Behaviour,
    asked: u8,
    /// What was asked, for whoever reads a report.
    questions: Vec<String>,
    late: Option<Question>,
    key_updates: bool,
    /// How often a server asks after the handshake.
    asks_later: usize,
    heard: Heard,
    sent: Vec<u8>,
    secrets: Secrets,
    received: Vec<u8>,
    said: Vec<u8>,
    sessions: Vec<ClientSession>,
    kept: Vec<ServerSession>,
    error: Option<Error>,
    /// How often it may still be polled: grows with every byte it is fed.
    polls: usize,
}

impl Ours {
    pub fn client(settings: &Settings, plan: &Plan) -> Self {
        let sessions = settings.sessions.clone();
        let handshake =
            Handshake::client_resuming_seeded(settings.client(), name(), sessions, NOW, 1)
                .expect("a client can always start");
        Self::new(0, handshake, plan, 0)
    }

    pub fn server(settings: &Settings, plan: &Plan) -> Self {
        let handshake = Handshake::server_seeded(settings.server(), 2);
        Self::new(1, handshake, plan, settings.asks_later)
    }

    fn new(role: usize, handshake: Handshake, plan: &Plan, asks_later: usize) -> Self {
        let mut this = Self {
            role,
            state: State::Handshake(Box::new(handshake)),
            behaviour: Behaviour::new(plan.answers, role),
            asked: 0,
            questions: Vec::new(),
            late: None,
            key_updates: plan.flags.key_updates,
            asks_later,
            heard: Heard::default(),
            sent: Vec::new(),
            secrets: Secrets::default(),
            received: Vec::new(),
            said: Vec::new(),
            sessions: Vec::new(),
            kept: Vec::new(),
            error: None,
            polls: 64,
        };
        this.run();
        this
    }

    /// 0: a client, 1: a server.
    pub fn role(&self) -> usize {
        self.role
    }

    /// What was negotiated, for closer looks.
    pub fn information(&self) -> Option<&ConnectionInformation> {
        match &self.state {
            State::Connected(connected) => Some(&connected.information),
            _ => None,
        }
    }

    /// What a server has heard of its client after the handshake.
    pub fn heard(&self) -> &Heard {
        &self.heard
    }

    pub fn take_heard(&mut self) -> Heard {
        core::mem::take(&mut self.heard)
    }

    /// What was asked, in that order.
    pub fn questions(&self) -> &[String] {
        &self.questions
    }

    /// Why it failed, if it did.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    fn run(&mut self) {
        while let State::Handshake(handshake) = &mut self.state {
            self.polls = self.polls.checked_sub(1).expect("polling comes to an end");
            match handshake.poll() {
                Ok(Step::Transmit(bytes)) => {
                    assert!(!bytes.is_empty());
                    self.sent.extend_from_slice(&bytes);
                }
                Ok(Step::Event(Event::Secret(line))) => learn(&mut self.secrets, &line.to_line()),
                Ok(Step::Event(_)) => {}
                Ok(Step::Ask(question)) => self.on_question(question),
                Ok(Step::Connected) => self.connect(),
                Ok(Step::Wait { .. }) => return,
                Ok(step) => panic!("an unknown step: {step:?}"),
                Err(error) => self.fail(&error),
            }
        }
    }

    fn fail(&mut self, error: &Error) {
        let text = format!("{error} {error:?}");
        // An answer can be a mistake; what the peer sends cannot make us make one.
        if self.behaviour.question.is_none() {
            assert!(!text.contains("Misuse("), "{text}");
        }
        assert!(!text.contains("Crypto("), "{text}");
        if let State::Handshake(handshake) = &mut self.state {
            let again = handshake.poll().expect_err("an error stays");
            assert_eq!(format!("{again:?}"), format!("{error:?}"));
            handshake.receive(b"more", NOW);
            handshake.poll().expect_err("an error stays");
        }
        self.state = State::Failed;
        self.error = Some(error.clone());
    }

    fn on_question(&mut self, question: Question) {
        let index = self.asked;
        self.asked += 1;
        let name = format!("{question:?}");
        let name = name.split(|c: char| !c.is_alphanumeric()).next();
        self.questions.extend(name.map(str::to_owned));
        // A server with every option for questions: of tickets there are two, what is in one and what one is to be.
        assert!(
            self.asked <= 7,
            "a role asks too much: {:?}",
            self.questions
        );
        self.polls += 8;
        if let Question::IssueTickets(question) = &question {
            question.sessions().iter().for_each(codec::server_session);
            self.kept = question.sessions().to_vec();
        }
        if self.behaviour.question != Some(index) {
            return self.answer(question.default_answer());
        }
        match self.behaviour.how {
            How::Refuse => self.answer(refuse(question)),
            How::Otherwise => self.answer(otherwise(question)),
            How::Late => self.late = Some(question),
            How::Never => {}
            How::Cancel => {
                if let State::Handshake(handshake) = &mut self.state {
                    handshake.cancel();
                }
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        if let State::Handshake(handshake) = &mut self.state {
            handshake
                .answer(answer, NOW)
                .expect("the answer is for this question");
        }
    }

    fn connect(&mut self) {
        let State::Handshake(handshake) = core::mem::replace(&mut self.state, State::Failed) else {
            return;
        };
        let Connection {
            reader,
            writer,
            information,
            unread,
            transmit,
            authentication,
        } = handshake.into_connection().expect("the handshake is over");
        self.sent.extend_from_slice(&transmit);
        self.state = State::Connected(Box::new(Connected {
            reader,
            writer,
            information,
            input: Vec::new(),
            in_place: self.role == 0,
            authentication,
        }));
        let (first, second) = match self.role {
            0 => ("the first of the client", "and the last of the client"),
            _ => ("the first of the server", "and the last of the server"),
        };
        self.say(first.as_bytes());
        self.ask();
        // Before TLS 1.3 keys stay.
        if self.key_updates
            && let State::Connected(connected) = &mut self.state
            && connected.information.version() == ProtocolVersion::TLS_1_3
        {
            let mut out = vec![0; connected.writer.control_len()];
            let written = connected.writer.key_update(self.role == 0, &mut out);
            let written = written.expect("the writer is open");
            self.sent.extend_from_slice(&out[..written]);
        }
        self.say(second.as_bytes());
        self.open(&unread);
    }

    fn say(&mut self, data: &[u8]) {
        let State::Connected(connected) = &mut self.state else {
            return;
        };
        let mut out = vec![0; connected.writer.max_sealed_len(data.len())];
        let sealed = connected
            .writer
            .seal(data, &mut out)
            .expect("the writer is open");
        assert_eq!(sealed.consumed, data.len());
        self.sent.extend_from_slice(&out[..sealed.written]);
        self.said.extend_from_slice(data);
    }

    /// Opens what has come, and sends what that asks for.
    fn open(&mut self, bytes: &[u8]) {
        let State::Connected(connected) = &mut self.state else {
            return;
        };
        connected.input.extend_from_slice(bytes);
        let mut at = 0;
        while self.error.is_none() {
            match connected.open(at) {
                Ok(Some((len, data))) => {
                    at += len;
                    self.received.extend_from_slice(&data);
                }
                Ok(None) => break,
                Err(error) => {
                    let again = connected.reader.frame(&[]).expect_err("an error stays");
                    assert_eq!(format!("{again:?}"), format!("{error:?}"));
                    assert!(!format!("{error:?}").contains("Misuse("), "{error:?}");
                    self.error = Some(error);
                }
            }
        }
        while let Some(ticket) = connected.reader.take_ticket() {
            let session = ticket.into_session(NOW);
            codec::client_session(&session);
            self.sessions.push(session);
        }
        connected.input.drain(..at);
        if connected.reader.is_closed() {
            connected.input.clear();
        }
        assert!(self.error.is_some() || connected.input.len() < 5 + 16_384 + 2_048);
        if self.error.is_none() {
            self.authenticate();
        }
        self.drain();
    }

    /// Sends what the mailbox has.
    fn drain(&mut self) {
        let State::Connected(connected) = &mut self.state else {
            return;
        };
        while connected.reader.writer_has_work() {
            let mut out = vec![0; connected.writer.control_len()];
            match connected.writer.drain_mailbox(&mut out) {
                Ok(0) | Err(_) => break,
                Ok(written) => self.sent.extend_from_slice(&out[..written]),
            }
        }
    }

    /// Asks the client for its certificate, where it may be asked.
    fn ask(&mut self) {
        if let State::Connected(connected) = &self.state
            && let Some(authentication) = &connected.authentication
        {
            for _ in 0..self.asks_later {
                self.heard.requests += usize::from(authentication.request().is_ok());
            }
            self.drain();
        }
    }

    /// Deals with what has come of authentication after the handshake.
    fn authenticate(&mut self) {
        loop {
            let State::Connected(connected) = &self.state else {
                return;
            };
            let Some(mut authenticating) = connected
                .authentication
                .as_ref()
                .and_then(|authentication| authentication.take())
            else {
                return;
            };
            loop {
                match authenticating.poll(NOW) {
                    Ok(AuthenticationStep::Ask(question)) => {
                        let index = self.asked;
                        self.asked = self.asked.saturating_add(1);
                        let answer = match (self.behaviour.question, self.behaviour.how) {
                            (Some(other), _) if other != index => question.default_answer(),
                            (None, _) | (_, How::Late) => question.default_answer(),
                            (_, How::Refuse) => refuse(question),
                            (_, How::Otherwise) => otherwise(question),
                            (_, How::Never | How::Cancel) => {
                                authenticating.give_up();
                                break;
                            }
                        };
                        authenticating
                            .answer(answer, NOW)
                            .expect("the answer is for this question");
                    }
                    Ok(AuthenticationStep::Presented(chain)) => {
                        self.heard.presented.push(chain);
                        break;
                    }
                    Ok(AuthenticationStep::Declined) => {
                        self.heard.declined += 1;
                        break;
                    }
                    Ok(_) => break,
                    Err(error) => {
                        if self.behaviour.question.is_none() {
                            assert!(!format!("{error:?}").contains("Misuse("), "{error:?}");
                        }
                        self.error = Some(error);
                        return;
                    }
                }
            }
        }
    }
}

impl Connected {
    /// Opens the record at `at`: its length and its data.
    fn open(&mut self, at: usize) -> Result<Option<(usize, Vec<u8>)>, Error> {
        let Frame::Record { len, plaintext } = self.reader.frame(&self.input[at..])? else {
            return Ok(None);
        };
        let record = &mut self.input[at..at + len];
        self.in_place = !self.in_place;
        let data = if self.in_place {
            match self.reader.open_in_place(record)? {
                Opened::Data(range) => record[range].to_vec(),
                Opened::Nothing | Opened::Closed => Vec::new(),
            }
        } else {
            let mut out = vec![0; plaintext];
            match self.reader.open_into(record, &mut out)? {
                Opened::Data(range) => out[range].to_vec(),
                Opened::Nothing | Opened::Closed => Vec::new(),
            }
        };
        Ok(Some((len, data)))
    }
}

impl End for Ours {
    fn receive(&mut self, bytes: &[u8]) {
        // Each message has four bytes, and is at most an event, secrets, and bytes to send.
        self.polls += 16 + 4 * bytes.len();
        match &mut self.state {
            State::Handshake(handshake) => {
                handshake.receive(bytes, NOW);
                self.run();
            }
            State::Connected(_) => self.open(bytes),
            State::Failed => {}
        }
    }

    fn eof(&mut self) {
        self.polls += 16;
        match &mut self.state {
            State::Handshake(handshake) => {
                handshake.receive_eof();
                self.run();
                assert!(!matches!(self.state, State::Handshake(_)));
            }
            State::Connected(connected) => {
                let closed = connected.reader.is_closed();
                assert_eq!(connected.reader.eof().is_ok(), closed);
            }
            State::Failed => {}
        }
    }

    fn idle(&mut self) -> bool {
        let Some(question) = self.late.take() else {
            return false;
        };
        self.polls += 16;
        self.answer(question.default_answer());
        self.run();
        true
    }

    fn close(&mut self) {
        if let State::Connected(connected) = &mut self.state {
            let mut out = vec![0; connected.writer.control_len().max(1024)];
            if let Ok(written) = connected.writer.close_notify(&mut out) {
                self.sent.extend_from_slice(&out[..written]);
            }
        }
    }

    fn take_sent(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.sent)
    }

    fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn facts(&self) -> Option<Facts> {
        let information = self.information()?;
        // Not `tls_exporter`, which there is not where the connection may be renegotiated.
        let mut exporter = [0; 32];
        let label = b"EXPORTER-Channel-Binding";
        let exported = information.export_keying_material(label, Some(b""), &mut exporter);
        Some(Facts {
            suite: information.cipher_suite().0,
            group: information.group().map_or(0, |group| group.0),
            alpn: information.alpn_protocol().map(<[u8]>::to_vec),
            exporter: exported.ok().map(|()| exporter),
            retried: information.hello_retried(),
        })
    }

    fn verdict(&self) -> Verdict {
        match (self.error.as_ref().map(Error::reason), &self.state) {
            (
                Some(
                    Reason::AlertReceived(_) | Reason::ClosedInHandshake { .. } | Reason::Truncated,
                ),
                _,
            ) => Verdict::Undecided,
            (Some(Reason::Violation(violation) | Reason::Explained { violation, .. }), _) => {
                Verdict::Refuses(violation.name().into())
            }
            (Some(reason), _) => Verdict::Refuses(kind(&format!("{reason:?}"))),
            (None, State::Connected(_)) => Verdict::Accepts,
            (None, _) => Verdict::Undecided,
        }
    }

    fn received(&self) -> &[u8] {
        &self.received
    }

    fn said(&self) -> &[u8] {
        &self.said
    }
}

/// The sessions that a handshake which nobody disturbs leaves with the client, and with a server
/// that is asked for tickets.
pub fn sessions(settings: &Settings) -> (Vec<ClientSession>, Vec<ServerSession>) {
    let plan = Plan::default();
    let (mut client, mut server) = (Ours::client(settings, &plan), Ours::server(settings, &plan));
    for _ in 0..8 {
        server.receive(&client.take_sent());
        client.receive(&server.take_sent());
    }
    (client.sessions, server.kept)
}

/// An error without what differs from case to case: its first two names.
pub fn kind(error: &str) -> String {
    let mut names = error.split(|c: char| !c.is_alphanumeric());
    match (names.next(), names.next()) {
        (Some(name), Some(inner)) if !inner.is_empty() => format!("{name}({inner})"),
        (name, _) => name.unwrap_or_default().to_owned(),
    }
}

/// Takes one line of SSLKEYLOGFILE.
pub fn learn(secrets: &mut Secrets, line: &str) {
    let mut parts = line.split(' ');
    let (Some(label), Some(_), Some(secret)) = (parts.next(), parts.next(), parts.next()) else {
        panic!("the line is complete");
    };
    let secret: Vec<u8> = (0..secret.len() / 2)
        .map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).expect("hexadecimal"))
        .collect();
    secrets.learn(label, &secret);
}

fn refuse(question: Question) -> Answer {
    let refusal = Refusal::new(AlertDescription::ACCESS_DENIED, "no");
    match question {
        Question::ChooseConfiguration(question) => question.refuse(refusal),
        Question::ReviewServerHello(question) => question.refuse(refusal),
        Question::ChooseIdentity(question) => question.refuse(refusal),
        Question::Sign(question) => question.refuse(refusal),
        Question::OpenTickets(question) => question.refuse(refusal),
        Question::IssueTickets(question) => question.refuse(refusal),
        Question::ChoosePsk(question) => question.refuse(refusal),
        Question::LookUpUser(question) => question.refuse(refusal),
        Question::Decrypt(question) => question.refuse(refusal),
        other => other.default_answer(),
    }
}

/// An answer that is not the default one.
fn otherwise(question: Question) -> Answer {
    match question {
        Question::ChooseConfiguration(question) => {
            let config = question.config().to_builder().alpn(["h2"]);
            question.use_config(config.build().expect("a server's configuration"))
        }
        Question::ReviewServerHello(question) => {
            let config = question.config().to_builder().alpn(["other"]);
            question.proceed_with(config.build().expect("a client's configuration"))
        }
        Question::ChooseIdentity(question) => question.present_none(),
        Question::Sign(question) => question.signature(vec![7; 64]),
        Question::OpenTickets(question) => question.none(),
        Question::IssueTickets(question) => question.send(vec![b"a name".to_vec()]),
        Question::VerifyChain(question) => question.dangerous_accept_without_verification(),
        Question::VerifyRawKey(question) => question.dangerous_accept_without_verification(),
        Question::ChoosePsk(question) => question.none(),
        Question::LookUpUser(question) => question.unknown(),
        Question::Decrypt(question) => question.failed(),
        other => other.default_answer(),
    }
}
