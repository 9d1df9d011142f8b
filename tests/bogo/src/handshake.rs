//! Drives a handshake, and answers its questions as the flags say.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::question::{
    Answer, ChooseConfiguration, ChooseIdentity, Decrypt, Question, Sign, VerifyChain,
};
use portcullis_core::wire::HELLO_RETRY_REQUEST_RANDOM;
use portcullis_core::x509::CertificateError;
use portcullis_core::{
    AlertDescription, Connection, ConnectionInformation, DatagramConnection, Error, Handshake,
    Monotonic, ProtocolVersion, Reason, Refusal, SignatureScheme, Step,
};

use crate::credential::{self, Credential, Unfit};
use crate::early_data::Early;
use crate::options::Options;
use crate::transport::{Heard, Transport};
use crate::{Past, Stop};
use crate::{configuration, early_data, ech, first_hello, token};

/// What a handshake left, and what the shim saw of it.
pub(crate) struct Done {
    pub(crate) information: Arc<ConnectionInformation>,
    pub(crate) connection: Established,
    /// The credential that signed; `None` if none was asked for or shown.
    pub(crate) credential: Option<i32>,
    /// The verdict about the peer's chain; `None` if there was none to be verified.
    pub(crate) verified: Option<bool>,
    /// Whether the client has offered the ticket of a session of before TLS 1.3.
    pub(crate) offered_ticket: bool,
    /// Whether a server's session was kept by its id.
    pub(crate) kept_by_id: bool,
    pub(crate) early: Early,
    /// Server: how far the ticket's age is off, in seconds.
    pub(crate) ticket_age_skew: Option<i64>,
}

/// Over either transport.
pub(crate) enum Established {
    Stream(Box<Connection>),
    Datagrams(Box<DatagramConnection>),
}

pub(crate) struct Driver<'a> {
    options: &'a Options,
    /// Those after early data was rejected.
    retry: &'a Options,
    credentials: &'a [Credential],
    past: &'a Past,
    credential: Option<i32>,
    verified: Option<bool>,
    kept_by_id: bool,
    offers_session: bool,
    /// BoringSSL's word for a refusal of the shim itself.
    refused: Option<&'static str>,
    early: Early,
    ticket_age_skew: Option<i64>,
    /// Over datagrams: when the core gives up a peer that has begun to answer and says nothing more. BoringSSL never does.
    silence: Cell<Option<Monotonic>>,
}

/// RFC 9147 §5.8.2: no timer of a flight is longer.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How many times a delayed answer lets the handshake go round before it is given.
const DELAY: usize = 2;

impl<'a> Driver<'a> {
    pub(crate) fn new(
        options: &'a Options,
        retry: &'a Options,
        credentials: &'a [Credential],
        past: &'a Past,
    ) -> Self {
        Self {
            options,
            retry,
            credentials,
            past,
            credential: None,
            verified: None,
            kept_by_id: false,
            // Those of a hello that is encrypted are in none that somebody else can answer.
            offers_session: configuration::sessions(options, past).next().is_some()
                && options.ech.config_list.is_empty(),
            refused: None,
            early: Early::default(),
            ticket_age_skew: None,
            silence: Cell::new(None),
        }
    }

    /// Runs to the end.
    pub(crate) fn run(
        &mut self,
        mut handshake: Handshake,
        transport: &mut Transport,
    ) -> Result<Done, Stop> {
        self.early = Early::new(self.options, &handshake);
        self.early.start(self.options, &mut handshake)?;
        self.drive(&mut handshake, transport, &mut Vec::new())?;
        if self.options.handshake_never_done {
            return Err(Stop::failed("the handshake was completed"));
        }
        if self.options.no_op_extra_handshake && !matches!(handshake.poll(), Ok(Step::Connected)) {
            return Err(Stop::failed("polling again was not a no-op"));
        }
        self.done(handshake, transport)
    }

    /// Runs a handshake on a connection that has had one; gives the data that was under way, too.
    pub(crate) fn run_again(
        &mut self,
        mut handshake: Handshake,
        transport: &mut Transport,
    ) -> Result<(Done, Vec<u8>), Stop> {
        let mut data = Vec::new();
        self.drive(&mut handshake, transport, &mut data)?;
        if handshake.was_declined() {
            return Err(Stop::failed("the peer did not want what it had asked for"));
        }
        Ok((self.done(handshake, transport)?, data))
    }

    fn done(&self, handshake: Handshake, transport: &mut Transport) -> Result<Done, Stop> {
        let connection = self.establish(handshake, transport)?;
        let information = match &connection {
            Established::Stream(connection) => &connection.information,
            Established::Datagrams(connection) => &connection.information,
        };
        let information = Arc::clone(information);
        // A raw key that was shown has signed.
        let shown = information.local_certificate().is_some()
            || information.local_signature_scheme().is_some();
        // Without a question the core chose; there was only the default credential then.
        let credential = match shown {
            true => Some(self.credential.unwrap_or(-1)),
            false => self.number_of_psk(&information),
        };
        Ok(Done {
            information,
            connection,
            credential,
            verified: self.verified,
            kept_by_id: self.kept_by_id,
            early: self.early.clone(),
            ticket_age_skew: self.ticket_age_skew,
            offered_ticket: first_hello::offers_ticket(&transport.heard),
        })
    }

    fn establish(
        &self,
        handshake: Handshake,
        transport: &mut Transport,
    ) -> Result<Established, Stop> {
        if self.options.dtls {
            return match handshake.into_datagram_connection() {
                Ok(connection) => Ok(Established::Datagrams(Box::new(connection))),
                Err(error) => Err(self.failed(&error, transport)),
            };
        }
        let connection = handshake
            .into_connection()
            .map_err(|error| self.failed(&error, transport))?;
        if !connection.transmit.is_empty() {
            transport.send(&connection.transmit)?;
        }
        Ok(Established::Stream(Box::new(connection)))
    }

    /// The credential that is the pre-shared key of the connection.
    fn number_of_psk(&self, information: &ConnectionInformation) -> Option<i32> {
        let identity = information
            .psk_identity()
            .filter(|_| !information.is_resumed())?;
        let mut psks = self.options.imported_psks();
        let (number, _) = psks.find(|(_, psk)| psk.identity == identity)?;
        Some(number)
    }

    fn drive(
        &mut self,
        handshake: &mut Handshake,
        transport: &mut Transport,
        data: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        // A peer that has said why it stops may close before it reads what we send.
        let mut deaf: Option<Stop> = None;
        loop {
            match handshake.poll() {
                Ok(Step::Transmit(bytes)) => {
                    if let Err(stop) = self.early.transmit(&bytes, transport) {
                        deaf.get_or_insert(stop);
                    }
                }
                Ok(Step::Event(event)) => self.early.on_event(&event, self.options, handshake)?,
                Ok(Step::Data(bytes)) => data.extend_from_slice(&bytes),
                Ok(Step::EarlyData(bytes)) => Early::echo(self.options, handshake, &bytes)?,
                Ok(Step::Ask(question)) => {
                    let answer = self.delayed(question, handshake, transport)?;
                    handshake
                        .answer(answer, transport.now(self.past))
                        .map_err(|misuse| Stop::failed(misuse.to_string()))?;
                }
                Ok(Step::Connected) => {
                    return match deaf {
                        Some(stop) => Err(stop),
                        None => Ok(()),
                    };
                }
                Ok(Step::Wait { .. }) if self.options.dtls => {
                    self.wait(handshake, transport)?;
                }
                Ok(Step::Wait { .. }) => {
                    let bytes = transport.receive()?;
                    if bytes.is_empty() {
                        handshake.receive_eof();
                    } else {
                        transport.heard.extend_from_slice(&bytes);
                        handshake.receive(&bytes, self.past.now);
                    }
                }
                Ok(_) => return Err(Stop::failed("a step that the shim does not know")),
                Err(error) => return Err(self.failed(&error, transport)),
            }
        }
    }

    /// Over datagrams: until something comes, be it time.
    fn wait(&self, handshake: &mut Handshake, transport: &mut Transport) -> Result<(), Stop> {
        let deadline = handshake.deadline();
        if deadline.is_some_and(|due| due.0.saturating_sub(transport.clock()) > LONGEST_TIMEOUT) {
            self.silence.set(deadline);
        }
        let deadline = deadline.filter(|due| self.silence.get() != Some(*due));
        match transport.hear()? {
            Heard::Datagram(datagram) => {
                transport.heard.extend_from_slice(&datagram);
                handshake.receive(&datagram, transport.now(self.past));
            }
            // Nothing else is due.
            Heard::Time if deadline.is_none() => {}
            Heard::Time => {
                handshake.handle_timeout(transport.now_or(deadline, self.past));
            }
            Heard::Expectation(expected) => {
                transport.check_deadline(deadline, expected)?;
            }
            Heard::Mtu(bytes) => handshake.set_path_mtu(bytes),
            Heard::Timeout(initial) => handshake.set_initial_timeout(initial),
            Heard::End => handshake.receive_eof(),
        }
        Ok(())
    }

    /// Answers; in asynchronous tests only after the handshake was polled and fed meanwhile.
    fn delayed(
        &mut self,
        question: Question,
        handshake: &mut Handshake,
        transport: &mut Transport,
    ) -> Result<Answer, Stop> {
        if self.options.asynchronous {
            for _ in 0..DELAY {
                if !self.options.dtls && transport.has_ready() {
                    let bytes = transport.receive()?;
                    transport.heard.extend_from_slice(&bytes);
                    handshake.receive(&bytes, self.past.now);
                }
                match handshake.poll() {
                    Ok(Step::Wait { .. }) => {}
                    Ok(step) => {
                        return Err(Stop::failed(format!("{step:?} while a question is open")));
                    }
                    Err(error) => return Err(self.failed(&error, transport)),
                }
            }
        }
        if matches!(question, Question::Sign(_) | Question::Decrypt(_)) {
            self.use_key(handshake, transport)?;
        }
        match question {
            Question::ChooseConfiguration(question) => self.on_hello(*question),
            Question::ChooseIdentity(question) => self.on_identity(*question, transport),
            Question::Sign(question) => self.on_sign(*question),
            Question::Decrypt(question) => self.on_decrypt(*question),
            Question::VerifyChain(question) => Ok(
                match self.verdict(question.is_resumption(), false, handshake) {
                    Ok(()) => self.accept(*question, handshake)?,
                    Err(error) => question.refuse(error),
                },
            ),
            // BoringSSL's application is always asked about a raw key.
            Question::VerifyRawKey(question) => Ok(
                match self.verdict(question.is_resumption(), true, handshake) {
                    Ok(()) => question.dangerous_accept_without_verification(),
                    Err(error) => question.refuse(error),
                },
            ),
            Question::FindSession(question) => {
                let by_id = self.past.by_id.borrow();
                Ok(match by_id.get(question.session_id()).cloned() {
                    Some(session) => question.resume(session),
                    None => question.none(),
                })
            }
            Question::KeepSession(question) => {
                let (id, session) = (question.session_id().to_vec(), question.session().clone());
                self.past.by_id.borrow_mut().insert(id, session);
                self.kept_by_id = true;
                Ok(question.done())
            }
            Question::IssueTickets(question) if self.options.expect.ticket_age_skew.is_some() => {
                let sessions = question.names().iter().zip(question.sessions());
                let sessions = sessions.map(|(name, session)| (name.to_vec(), session.clone()));
                self.past.by_id.borrow_mut().extend(sessions);
                Ok(question.send_names())
            }
            Question::OpenTickets(question) if self.options.expect.ticket_age_skew.is_some() => {
                let by_id = self.past.by_id.borrow();
                let mut tickets = question.tickets().enumerate();
                let known = tickets.find_map(|(at, name)| Some((at, by_id.get(name)?.clone())));
                drop(tickets);
                Ok(match known {
                    Some((at, session)) => {
                        let heard = &transport.heard;
                        self.ticket_age_skew =
                            early_data::ticket_age_skew(heard, &session, self.past);
                        question.resume(at, session)
                    }
                    None => question.none(),
                })
            }
            Question::ClaimEarlyData(question) => Ok(question.accept()),
            question => Ok(question.default_answer()),
        }
    }

    /// The private key takes its time, in which what is due goes out.
    fn use_key(&self, handshake: &mut Handshake, transport: &mut Transport) -> Result<(), Stop> {
        let delay = self.options.private_key_delay_ms;
        if delay == 0 {
            return Ok(());
        }
        if !self.options.dtls {
            return Err(Stop::unimplemented("-private-key-delay-ms over a stream"));
        }
        transport.let_pass(Duration::from_millis(delay));
        let deadline = handshake.deadline();
        handshake.handle_timeout(transport.now_or(deadline, self.past));
        loop {
            match handshake.poll() {
                Ok(Step::Transmit(bytes)) => transport.send(&bytes)?,
                Ok(Step::Wait { .. }) => return Ok(()),
                Ok(step) => {
                    return Err(Stop::failed(format!("{step:?} while a question is open")));
                }
                Err(error) => return Err(self.failed(&error, transport)),
            }
        }
    }

    fn on_hello(&mut self, question: ChooseConfiguration) -> Result<Answer, Stop> {
        let options = self.options;
        let expected = &options.expect.advertised_alpn;
        let offered: Vec<u8> = question
            .client_hello()
            .alpn_protocols()
            .flat_map(|name| {
                let length = u8::try_from(name.len()).unwrap_or_default();
                std::iter::once(length).chain(name.iter().copied())
            })
            .collect();
        if !expected.is_empty() && *expected != offered {
            return Err(Stop::failed("the client advertised other protocols"));
        }
        if options.fail_early_callback {
            self.refused = Some(":CONNECTION_REJECTED:");
            let alert = AlertDescription::HANDSHAKE_FAILURE;
            return Ok(question.refuse(Refusal::new(alert, "-fail-early-callback")));
        }
        if options.select_empty_alpn {
            // The core does not take an empty name, so the application cannot go on.
            return match configuration::select_protocol(question.config(), b"") {
                Ok(_) => Err(Stop::failed("an empty protocol was selected")),
                Err(misuse) => {
                    self.refused = Some(":INVALID_ALPN_PROTOCOL:");
                    let alert = AlertDescription::INTERNAL_ERROR;
                    Ok(question.refuse(Refusal::new(alert, misuse.to_string())))
                }
            };
        }
        if options.fail_ddos_callback {
            self.refused = Some(":CONNECTION_REJECTED:");
            let alert = AlertDescription::INTERNAL_ERROR;
            return Ok(question.refuse(Refusal::new(alert, "-fail-ddos-callback")));
        }
        if configuration::prefers_certificate(options) && self.signs_for(&question) {
            let mut options = options.clone();
            for credential in &mut options.credentials {
                credential.psk = None;
            }
            let config = configuration::server_config(&options, self.credentials, self.past)?;
            return Ok(question.use_config(config));
        }
        Ok(question.keep())
    }

    /// Whether a certificate can be shown to the client.
    fn signs_for(&self, question: &ChooseConfiguration) -> bool {
        let offered: Vec<_> = question.client_hello().signature_schemes().collect();
        let mut own = self.credentials.iter().flat_map(Credential::schemes);
        own.any(|scheme| offered.contains(scheme))
    }

    fn on_identity(
        &mut self,
        question: ChooseIdentity,
        transport: &Transport,
    ) -> Result<Answer, Stop> {
        let options = self.options;
        let prefs = &options.expect.peer_verify_prefs;
        if !prefs.is_empty() && question.signature_schemes() != prefs {
            return Err(Stop::failed("the peer accepts other signature schemes"));
        }
        if let Some(expected) = &options.expect.client_ca_list {
            let names: Vec<String> = question.certificate_authorities().map(hex).collect();
            if names.join(",") != *expected {
                return Err(Stop::failed("the server named other authorities"));
            }
        }
        let types = &options.expect.certificate_types;
        if !types.is_empty() && first_hello::certificate_types(&transport.heard) != *types {
            return Err(Stop::failed(
                "the server asked for other types of certificates",
            ));
        }
        if options.fail_ocsp_callback && options.server {
            self.refused = Some(":OCSP_CB_ERROR:");
            let alert = AlertDescription::INTERNAL_ERROR;
            return Ok(question.refuse(Refusal::new(alert, "-fail-ocsp-callback")));
        }
        if options.fail_cert_callback {
            self.refused = Some(":CERT_CB_ERROR:");
            let alert = match options.fail_cert_callback_alert {
                0 => AlertDescription::INTERNAL_ERROR,
                alert => AlertDescription(alert),
            };
            return Ok(question.refuse(Refusal::new(alert, "-fail-cert-callback")));
        }
        let is_tls13 = !self.is_before_tls13(transport);
        match credential::choose(self.credentials, &question, is_tls13) {
            Ok(identity) => {
                self.credential = credential::number_of(self.credentials, identity);
                let identity = identity.clone();
                Ok(question.present(identity))
            }
            Err(Unfit::NothingConfigured) => Ok(question.present_none()),
            Err(unfit) => {
                // As BoringSSL: who has credentials and none that fits does not go on without.
                self.refused = Some(match unfit {
                    Unfit::NoMatchingIssuer => ":NO_MATCHING_ISSUER:",
                    Unfit::WrongCurve => ":WRONG_CURVE:",
                    Unfit::WrongType => ":UNKNOWN_CERTIFICATE_TYPE:",
                    // Before TLS 1.3 a server leaves out the suites that it has no key for.
                    _ if !is_tls13 && options.server => ":NO_SHARED_CIPHER:",
                    _ if !is_tls13 && self.has_other_keys(&transport.heard) => {
                        ":UNKNOWN_CERTIFICATE_TYPE:"
                    }
                    _ => ":NO_COMMON_SIGNATURE_ALGORITHMS:",
                });
                let alert = AlertDescription::HANDSHAKE_FAILURE;
                Ok(question.refuse(Refusal::new(alert, "no credential fits")))
            }
        }
    }

    /// Whether the server has asked for no key of the last credential's kind.
    fn has_other_keys(&self, heard: &[u8]) -> bool {
        let last = self.credentials.last().map(Credential::schemes);
        last.is_some_and(|schemes| first_hello::asks_for_other_keys(heard, schemes))
    }

    fn on_sign(&mut self, question: Sign) -> Result<Answer, Stop> {
        let scheme: SignatureScheme = question.scheme();
        let credential = credential::find(self.credentials, question.identity());
        if let Some(why) = credential.and_then(Credential::unusable) {
            return Err(Stop::unimplemented(format!("this credential: {why}")));
        }
        let signature =
            credential.and_then(|credential| credential.sign(scheme, question.content()));
        match signature {
            Some(signature) => Ok(question.signature(signature)),
            None => Err(Stop::failed(format!("cannot sign with {scheme}"))),
        }
    }

    fn on_decrypt(&mut self, question: Decrypt) -> Result<Answer, Stop> {
        let credential = credential::find(self.credentials, question.identity());
        if let Some(why) = credential.and_then(Credential::unusable) {
            return Err(Stop::unimplemented(format!("this credential: {why}")));
        }
        let decrypted = credential.and_then(|credential| credential.decrypt(question.ciphertext()));
        Ok(match decrypted {
            Some(block) => question.decrypted(block),
            None => question.failed(),
        })
    }

    /// On a chain or a raw key.
    fn verdict(
        &mut self,
        is_resumption: bool,
        counts: bool,
        handshake: &Handshake,
    ) -> Result<(), CertificateError> {
        // BoringSSL's application has another connection when early data is rejected.
        let options = match self.early.is_lost(handshake) {
            true => self.retry,
            false => self.options,
        };
        if is_resumption && !options.reverify_on_resume {
            // BoringSSL keeps the verdict with the session.
            self.verified = self.past.verified;
            return Ok(());
        }
        let refuses = options.verify_fail;
        self.verified = Some(!refuses);
        // SSL_VERIFY_NONE: the verdict is kept, and the connection too.
        let counts = counts || options.verify_peer || options.require_any_client_certificate;
        if refuses && counts {
            // The two callbacks of BoringSSL differ in nothing but the alert by default.
            let alert = match options.use_custom_verify_callback {
                true => AlertDescription::CERTIFICATE_UNKNOWN,
                false => AlertDescription::HANDSHAKE_FAILURE,
            };
            return Err(CertificateError::rejected(alert, "-verify-fail"));
        }
        if options.fail_ocsp_callback && !options.server && !is_resumption {
            let alert = AlertDescription::BAD_CERTIFICATE_STATUS_RESPONSE;
            return Err(CertificateError::rejected(alert, "-fail-ocsp-callback"));
        }
        Ok(())
    }

    /// As BoringSSL's application, and with what it looks at.
    fn accept(&self, question: VerifyChain, handshake: &Handshake) -> Result<Answer, Stop> {
        let options = match self.early.is_lost(handshake) {
            true => self.retry,
            false => self.options,
        };
        options.ech.judge(question)
    }

    /// What the hellos have led to, or would.
    fn version(&self, transport: &Transport) -> Option<ProtocolVersion> {
        first_hello::version(&transport.heard, self.options)
    }

    /// Whether that is TLS 1.2 or older.
    fn is_before_tls13(&self, transport: &Transport) -> bool {
        let version = self.version(transport);
        version.is_some_and(|version| version < ProtocolVersion::TLS_1_3)
    }

    /// What a failed handshake means to the runner.
    fn failed(&self, error: &Error, transport: &Transport) -> Stop {
        let options = match self.early.is_offered() {
            true => self.retry,
            false => self.options,
        };
        if let Err(stop) = ech::check_failed(options, error) {
            return stop;
        }
        let token = match error.reason() {
            Reason::Refused(_) => self.refused,
            _ => {
                let hellos = token::Hellos {
                    retried: was_retried(&transport.heard),
                    before_tls13: self.is_before_tls13(transport),
                    offers_session: self.offers_session,
                    dtls: options.dtls,
                    ed25519: first_hello::shows_ed25519(&transport.heard),
                };
                token::of(error, hellos)
            }
        };
        Stop::Failed {
            token,
            message: format!("{error}"),
        }
    }
}

/// Whether there is a HelloRetryRequest in what the peer sent in the clear.
fn was_retried(heard: &[u8]) -> bool {
    heard
        .windows(HELLO_RETRY_REQUEST_RANDOM.len())
        .any(|window| window == HELLO_RETRY_REQUEST_RANDOM)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
