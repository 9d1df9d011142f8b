//! How the handshakes of a connector or acceptor are run.

use std::num::NonZeroU16;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::config::{ClientConfig, Instructions, ServerConfig};
use portcullis_core::question::{Answer, Question};
use portcullis_core::x509::CrlCheck;
use portcullis_core::{KeyLogLine, Misuse};

use crate::accept::AddressLimits;
use crate::answers::{AnswerFuture, Questions, SharedAnswers};
use crate::crls::Crls;
use crate::early_data::Guard;
use crate::environment::Life;
use crate::error::Error;
#[cfg(feature = "key-log")]
use crate::key_log::KeyLog;
use crate::log_level::{LogLevel, wants_messages};
use crate::read::READS_PER_TURN;
use crate::send_limits::SendLimits;
use crate::server_sessions::ServerStore;

/// How the handshakes of a connector or acceptor are run. Cheap to clone: what is changed is copied before.
#[derive(Clone, Default)]
pub(crate) struct Conduct(Arc<Rules>);

impl Deref for Conduct {
    type Target = Rules;

    fn deref(&self) -> &Rules {
        &self.0
    }
}

impl DerefMut for Conduct {
    fn deref_mut(&mut self) -> &mut Rules {
        Arc::make_mut(&mut self.0)
    }
}

type Instruct = fn(&Conduct, Answer) -> Result<Answer, Misuse>;

#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) answers: SharedAnswers,
    /// How an answer that goes on with another configuration is completed: as a client or a server does it, so that a
    /// program with one of them is linked without the other.
    pub(crate) instruct: Instruct,
    /// Where revocation lists are from.
    pub(crate) crls: Option<Crls>,
    #[cfg(feature = "key-log")]
    pub(crate) key_log: Option<Arc<dyn KeyLog>>,
    /// Server: who answers what is asked about sessions.
    pub(crate) session_store: Option<ServerStore>,
    /// Server: who remembers which early data was accepted.
    pub(crate) replay_guard: Option<Guard>,
    pub(crate) handshake_timeout: Duration,
    /// Server: how long a client may be silent at first.
    pub(crate) first_byte_timeout: Duration,
    pub(crate) alert_timeout: Duration,
    pub(crate) hibernate_after: Option<Duration>,
    /// How many reads of the transport active delivery takes before others have their turn.
    pub(crate) reads_per_turn: NonZeroU16,
    pub(crate) send_limits: SendLimits,
    /// Whether the hello is encrypted, or may be: then no name stands in the log.
    pub(crate) is_hidden: bool,
    /// How much is logged of a connection.
    pub(crate) log: Option<LogLevel>,
    /// Server: what one address may have of a listener's connections.
    pub(crate) addresses: Option<AddressLimits>,
    /// Of the environment, if it is in one.
    pub(crate) life: Option<Arc<Life>>,
    /// Whether a peer that does not speak TLS is sent nothing.
    pub(crate) plaintext_fallback: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            answers: SharedAnswers::default(),
            instruct: |_, answer| Ok(answer),
            crls: None,
            #[cfg(feature = "key-log")]
            key_log: None,
            session_store: None,
            replay_guard: None,
            handshake_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(3),
            alert_timeout: Duration::from_secs(5),
            hibernate_after: None,
            reads_per_turn: READS_PER_TURN,
            send_limits: SendLimits::default(),
            is_hidden: false,
            log: None,
            addresses: None,
            life: None,
            plaintext_fallback: false,
        }
    }
}

impl Conduct {
    /// The hello is encrypted, or may be, or neither.
    pub(crate) fn hide(&mut self, on: bool) {
        if self.is_hidden != on {
            self.is_hidden = on;
        }
    }

    /// Whether something may begin: not in an environment that was shut down.
    pub(crate) fn check_life(&self) -> Result<(), Error> {
        self.life.as_ref().map_or(Ok(()), |life| life.check())
    }

    #[cfg(feature = "key-log")]
    fn wants_secrets(&self) -> bool {
        self.key_log.is_some()
    }

    #[cfg(feature = "key-log")]
    pub(crate) fn log_secret(&self, line: &KeyLogLine) {
        if let Some(key_log) = &self.key_log {
            key_log.log(line);
        }
    }

    #[cfg(not(feature = "key-log"))]
    const fn wants_secrets(&self) -> bool {
        false
    }

    /// The core tells none.
    #[cfg(not(feature = "key-log"))]
    pub(crate) const fn log_secret(&self, _: &KeyLogLine) {}

    /// How long a store may take that a handshake waits for: a dead one is to cost less than the
    /// full handshake that comes instead.
    pub(crate) fn store_timeout(&self) -> Duration {
        (self.handshake_timeout / 10).min(Duration::from_secs(1))
    }

    /// How long a handshake waits for revocation lists, which are fetched behind it if need be.
    fn crl_budget(&self) -> Duration {
        (self.handshake_timeout / 2).min(Duration::from_secs(5))
    }

    /// Somebody has lists, if the configuration wants some.
    fn check_crls(&self, check: CrlCheck) -> Result<(), Misuse> {
        if check.is_on() && self.crls.is_none() && !self.answers.questions().chain {
            return Err(Misuse::new(
                "crl_check: there is no CRL source; give one with `crls`, or use `CrlCheck::off`",
            ));
        }
        Ok(())
    }

    /// Whoever has lists is asked for some. Another configuration, chosen at a hello, need not want them.
    fn check_crls_wanted(&self, check: CrlCheck) -> Result<(), Misuse> {
        if !check.is_on() && self.crls.is_some() {
            return Err(Misuse::new(
                "crls: the configuration does not ask for revocation lists; give it a `crl_check`, or leave the \
                 source out",
            ));
        }
        Ok(())
    }

    /// A configuration that asks what the answers want to be asked and `more`, and reports what is logged. It is made
    /// once, and not for each connection.
    pub(crate) fn client_config(
        &self,
        config: &ClientConfig,
        more: Questions,
        take_tickets: bool,
    ) -> Result<ClientConfig, Misuse> {
        self.check_crls_wanted(config.crl_check())?;
        self.client_config_in_use(config, more, take_tickets)
    }

    fn client_config_in_use(
        &self,
        config: &ClientConfig,
        more: Questions,
        take_tickets: bool,
    ) -> Result<ClientConfig, Misuse> {
        self.check_crls(config.crl_check())?;
        let mut instructions = self.instructions(self.answers.questions().with(more));
        // A client is not asked about tickets: it looks for sessions before it connects.
        instructions.take_tickets = take_tickets;
        config.instructed(instructions)
    }

    /// The same for a server's; with a store what is asked about sessions is the store's.
    ///
    /// # Errors
    /// Also when the configuration resumes sessions in another way than by the store.
    pub(crate) fn server_config(
        &self,
        config: &ServerConfig,
        more: Questions,
    ) -> Result<ServerConfig, Misuse> {
        self.check_crls_wanted(config.crl_check())?;
        self.check_guard_wanted(config)?;
        self.server_config_in_use(config, more)
    }

    /// An answer that goes on with another configuration: it is asked for whatever the first one was, and its sessions
    /// are in the same store.
    pub(crate) fn instruct(&self, answer: Answer) -> Result<Answer, Misuse> {
        (self.instruct)(self, answer)
    }

    pub(crate) fn instruct_client(&self, answer: Answer) -> Result<Answer, Misuse> {
        answer.map_configuration(
            |config| Ok(config.clone()),
            |config| self.client_config_in_use(config, Questions::none(), false),
        )
    }

    pub(crate) fn instruct_server(&self, answer: Answer) -> Result<Answer, Misuse> {
        answer.map_configuration(
            |config| self.server_config_in_use(config, Questions::none()),
            |config| Ok(config.clone()),
        )
    }

    fn server_config_in_use(
        &self,
        config: &ServerConfig,
        more: Questions,
    ) -> Result<ServerConfig, Misuse> {
        let questions = self.answers.questions().with(more);
        self.check_crls(config.crl_check())?;
        self.check_early_data(config, questions)?;
        let mut instructions = self.instructions(questions);
        instructions.ask_user = questions.user;
        match self.session_store {
            Some(_) => instructions.session_store = true,
            None => {
                instructions.ask_tickets = questions.tickets;
                instructions.ask_sessions = questions.sessions;
            }
        }
        config.instructed(instructions)
    }

    /// What is the same in both roles.
    fn instructions(&self, questions: Questions) -> Instructions {
        let mut instructions = Instructions::default();
        instructions.pause_at_hello = questions.hello;
        instructions.ask_identity = questions.identity;
        instructions.ask_psk = questions.psk;
        instructions.ask_signature = questions.signature;
        instructions.ask_verification = questions.chain;
        instructions.observe_messages = wants_messages(self.log);
        #[cfg(feature = "key-log")]
        {
            instructions.key_log = self.wants_secrets();
        }
        instructions
    }

    /// Whoever remembers early data is asked. Another configuration, chosen at a hello, need not accept any.
    fn check_guard_wanted(&self, config: &ServerConfig) -> Result<(), Misuse> {
        if !config.asks_early_data() && self.replay_guard.is_some() {
            return Err(Misuse::new(
                "replay_guard: the configuration does not ask it; give it early_data(AntiReplay::asked()), or leave \
                 the guard out",
            ));
        }
        Ok(())
    }

    /// Somebody has to remember what was accepted, if the configuration wants to know.
    fn check_early_data(&self, config: &ServerConfig, questions: Questions) -> Result<(), Misuse> {
        if config.relies_on_single_use() {
            match &self.session_store {
                Some(store) if !store.gives_once() => {
                    return Err(Misuse::new(
                        "early_data: the configuration has AntiReplay::single_use_tickets(), and this session_store may give \
                         a ticket twice, after a restart or a fail-over (ServerSessionStore::gives_once); take \
                         AntiReplay::asked() and a `replay_guard`",
                    ));
                }
                None if !questions.tickets => {
                    return Err(Misuse::new(
                        "early_data: the configuration has AntiReplay::single_use_tickets(), and nobody keeps tickets; give \
                         the acceptor a `session_store`, or answers with `and_tickets`",
                    ));
                }
                _ => {}
            }
        }
        if config.asks_early_data() && self.replay_guard.is_none() && !questions.early_data {
            return Err(Misuse::new(
                "early_data: the configuration has AntiReplay::asked(), and nobody is there to be asked; give the \
                 acceptor a `replay_guard`, or answers with `and_early_data`",
            ));
        }
        Ok(())
    }

    /// The answer to a question, or who makes it.
    pub(crate) fn answer(&self, question: Question) -> Result<Answer, AnswerFuture> {
        let question = match (&self.crls, question) {
            (Some(crls), Question::VerifyChain(question)) if question.wants_crls() => {
                let budget = self.crl_budget();
                return Err(crls.answer(*question, self.answers.clone(), budget, self.log));
            }
            (None, Question::VerifyChain(question))
                if question.wants_crls() && !self.answers.questions().chain =>
            {
                return Ok(question.verify());
            }
            (_, question) => question,
        };
        match (&self.session_store, &self.replay_guard, question) {
            (_, Some(guard), Question::ClaimEarlyData(question)) => Err(guard.claim(*question)),
            (Some(store), _, question) => store.answer(question, &self.answers),
            (None, _, question) => self.answers.answer(question),
        }
    }
}

impl std::fmt::Debug for Conduct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conduct")
            .field("answers", &self.answers)
            .field("crls", &self.crls)
            .field("key_log", &self.wants_secrets())
            .field("session_store", &self.session_store.is_some())
            .field("replay_guard", &self.replay_guard.is_some())
            .field("handshake_timeout", &self.handshake_timeout)
            .field("first_byte_timeout", &self.first_byte_timeout)
            .field("alert_timeout", &self.alert_timeout)
            .field("hibernate_after", &self.hibernate_after)
            .field("reads_per_turn", &self.reads_per_turn)
            .field("send_limits", &self.send_limits)
            .field("log", &self.log)
            .field("in_environment", &self.life.is_some())
            .field("plaintext_fallback", &self.plaintext_fallback)
            .finish()
    }
}

/// The builder methods that connector and acceptor share.
macro_rules! conduct_options {
    () => {
        /// Decides what a handshake asks: certificates, signatures, trust, sessions. Default: as
        /// configured. There is one: a second call takes the place of the first.
        /// [`answers::together`](crate::answers::together) makes one of two.
        ///
        /// ```
        /// use portcullis::{ServerConfig, TlsAcceptor, answers};
        ///
        /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let (identity, _) = dev_identity();
        /// let config = ServerConfig::builder().ask_identity(true).build()?;
        /// let by_name = answers::identity_by_name(move |name| {
        ///     let identity = identity.clone();
        ///     async move { Ok(name.is_some().then_some(identity)) }
        /// });
        /// let acceptor = TlsAcceptor::new(config).answers(by_name);
        /// # Ok(())
        /// # }
        /// ```
        #[must_use]
        pub fn answers(mut self, answers: impl $crate::answers::Answers) -> Self {
            self.conduct.answers = $crate::answers::SharedAnswers::new(answers);
            self
        }

        /// Where revocation lists come from, for a configuration with a
        /// [`crl_check`](portcullis_core::config::ClientConfigBuilder::crl_check): without a source a handshake
        /// with such a configuration fails before it begins, unless
        /// [`verify_chain`](crate::answers::Answers::verify_chain) answers, and so does one with a source and
        /// a configuration that asks for no lists. Default: none.
        ///
        /// The source is asked when the peer's chain has been verified, up to half the time that the handshake may
        /// take and at most 5 seconds for all that one chain needs; then nothing more is known. What answers
        /// [`verify_chain`](crate::answers::Answers::verify_chain) is asked afterwards, and finds there what came of
        /// it.
        ///
        /// ```
        /// use std::sync::Arc;
        /// use portcullis::{ClientConfig, CrlCheck, CrlInput, MemoryCrls, TlsConnector};
        ///
        /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let (_, roots) = dev_identity();
        /// let crls = MemoryCrls::new();
        /// if let Err(error) = crls.insert(CrlInput::File("/etc/ssl/crls/ca.pem".into()), None) {
        ///     eprintln!("{error}");
        /// }
        /// let config = ClientConfig::builder(roots).crl_check(CrlCheck::chain()).build()?;
        /// let connector = TlsConnector::new(config).crls(Arc::new(crls));
        /// # Ok(())
        /// # }
        /// ```
        #[must_use]
        pub fn crls(mut self, source: std::sync::Arc<dyn $crate::CrlSource>) -> Self {
            self.conduct.crls = Some($crate::crls::Crls::new(source));
            self
        }

        /// How long a handshake may take, a connector's with the connecting before it. Default:
        /// 10 seconds. Zero is over at once; there is no infinite one, the longest are cut to
        /// 30 years.
        ///
        /// ```
        /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let (connector, _) = dev_ends();
        /// use std::time::Duration;
        ///
        /// let connector = connector.handshake_timeout(Duration::from_millis(50));
        /// let (_silent, transport) = tokio::io::duplex(4096);
        /// let error = connector.upgrade(transport, "localhost").await.unwrap_err();
        /// assert!(error.is_timeout());
        /// # Ok(())
        /// # }
        /// ```
        #[must_use]
        pub fn handshake_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.conduct.handshake_timeout = timeout;
            self
        }

        /// How long a handshake, or a read, that fails because of what the peer sent takes at
        /// most for its alert to arrive. Default: 5 seconds; the longest is 49 days.
        ///
        /// The alert is written and the transport's write side shut down. Then what the peer still
        /// sends is read and forgotten until it closes too, up to 64 KiB: a transport that is
        /// closed over unread bytes resets, and a peer may then never see its alert. A peer that
        /// closes when it gets the alert costs a round trip. No time is taken when no alert was
        /// sent, or the handshake has timed out.
        ///
        /// ```
        /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
        /// # fn main() {
        /// # let (_, acceptor) = dev_ends();
        /// use std::time::Duration;
        ///
        /// // A client that is refused has two seconds to read why.
        /// let acceptor = acceptor.alert_timeout(Duration::from_secs(2));
        /// # }
        /// ```
        #[must_use]
        pub fn alert_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.conduct.alert_timeout = timeout;
            self
        }

        /// How much is logged of connections: as the subscriber of `tracing` says unless this says less, or more; see
        /// [`LogLevel`](crate::LogLevel). It can be [changed](crate::TlsStream::set_log_level) while a connection
        /// lasts.
        #[must_use]
        pub fn log_level(mut self, level: $crate::LogLevel) -> Self {
            self.conduct.log = Some(level);
            self
        }

        /// For how long the transport of a connection may take nothing while something waits to be sent; then the
        /// connection fails, with [`Error::is_timeout`](crate::Error::is_timeout). Default: 5 minutes of a server, no limit
        /// of a client. `Duration::MAX` is none; milliseconds.
        ///
        /// A peer that does not read holds what was written for it, for as long as it likes. A byte that moves is enough
        /// to begin anew. Time is measured by the task that writes, flushes or reads, and it may be a quarter more.
        #[must_use]
        pub fn write_timeout(mut self, limit: std::time::Duration) -> Self {
            self.conduct.send_limits.set_write_timeout(Some(limit));
            self
        }

        /// How long a [`send`](crate::TlsStream::send) of streams, halves and handles may take: then it fails, and the
        /// connection goes on ([`send_timeout`](crate::TlsStream::send_timeout)). Default: no limit; milliseconds.
        /// Writing by `AsyncWrite` has none, nor have packets but those of a [`Handle`](crate::Handle).
        #[must_use]
        pub fn send_timeout(mut self, limit: std::time::Duration) -> Self {
            self.conduct.send_limits.set_send_timeout(Some(limit));
            self
        }

        /// Whether a send that takes longer than [`send_timeout`](Self::send_timeout) says ends the connection. Default:
        /// no.
        #[must_use]
        pub fn send_timeout_close(mut self, on: bool) -> Self {
            self.conduct.send_limits.closes = on;
            self
        }

        /// After how long without a byte in either direction a connection gives back what it can
        /// set up again, its ciphers above all. Default: never. Resolution: milliseconds;
        /// the longest time is 49 days.
        ///
        /// Time is measured by the task that waits to read: a connection, or a reading half with its
        /// writing half, hibernates while a task reads from it. The next record in a direction
        /// sets its cipher up again, for about two microseconds. That task has to be one of a
        /// Tokio runtime with its timer enabled, or reading panics.
        ///
        /// What is given back serves other connections. Whether the process becomes smaller is the
        /// allocator's affair: glibc's keeps pages on which anything else lives.
        #[must_use]
        pub fn hibernate_after(mut self, idle: std::time::Duration) -> Self {
            self.conduct.hibernate_after = Some(idle);
            self
        }

        /// How often [active delivery](crate::ActiveStream), a [mailbox](crate::Handle) and
        /// [`close`](crate::TlsStream::close) read from the transport before the other tasks of the thread have
        /// their turn. Default: 100, whatever a read brings; with 1 each read is one turn.
        ///
        /// It counts where the transport always has something. One that has nothing for once ends the turn, and so
        /// does Tokio's own budget, which its sockets have, and pipes in memory have not. It costs no credit. DTLS
        /// ignores it: what has come waits in an inbox there, and Tokio's budget stands in its place.
        ///
        /// ```
        /// use std::num::NonZeroU16;
        ///
        /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
        /// # fn main() {
        /// # let (connector, _) = dev_ends();
        /// let connector = connector.reads_per_turn(NonZeroU16::MIN);
        /// # }
        /// ```
        #[must_use]
        pub fn reads_per_turn(mut self, reads: std::num::NonZeroU16) -> Self {
            self.conduct.reads_per_turn = reads;
            self
        }

        /// Reports the secrets of every connection, for debugging. With them one can read it all.
        /// With feature `key-log`.
        #[cfg(feature = "key-log")]
        #[must_use]
        pub fn key_log(mut self, key_log: impl $crate::key_log::KeyLog) -> Self {
            self.conduct.key_log = Some(std::sync::Arc::new(key_log));
            self
        }
    };
}

pub(crate) use conduct_options;
