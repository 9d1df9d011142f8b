//! The decisions of a handshake, one asynchronous method for each question.
//!
//! An answer is made by a future that runs inside the handshake's own: dropping the handshake
//! drops it, and the handshake's timeout bounds it.

mod by_name;
mod chain;
mod signer;
mod together;

pub use by_name::{
    IdentityByName, PskByIdentity, SrpUserByName, identity_by_name, psk_by_identity,
    srp_user_by_name,
};
pub use chain::{ByDefault, ChainAnswers, Judge, PartialChain, Trusted, Verdict, VerifyFun, chain};
pub use signer::{Signer, SignerAndDecrypter, signer};
pub use together::{Together, together};

pub use crate::crls::RevocationLists;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use portcullis_core::question::{
    Answer, ChooseConfiguration, ChooseIdentity, ChoosePsk, ClaimEarlyData, Decrypt, FindSession,
    IssueTickets, KeepSession, LookUpUser, OpenTickets, Question, ReviewServerHello, Sign,
    VerifyChain, VerifyRawKey,
};
use portcullis_core::x509::PresentedChain;

/// Answers to the questions of a handshake.
///
/// Each method consumes its question, and the question makes the answer. Implement those you
/// need; the others answer as the core would by itself. Implementations may write
/// `async fn choose_identity(&self, question: ChooseIdentity) -> Answer`.
///
/// ```
/// use portcullis::question::{Answer, VerifyChain};
/// use portcullis::{Answers, Questions};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// struct Audited;
///
/// impl Answers for Audited {
///     fn questions(&self) -> Questions {
///         Questions::none().and_chain()
///     }
///
///     async fn verify_chain(&self, question: VerifyChain) -> Answer {
///         // Here may be a query to a service.
///         question.verify()
///     }
/// }
///
/// # let (connector, _) = dev_ends();
/// let connector = connector.answers(Audited);
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// The futures are dropped when the handshake is dropped or times out. Those of
/// [`open_tickets`](Self::open_tickets), [`issue_tickets`](Self::issue_tickets),
/// [`find_session`](Self::find_session), [`keep_session`](Self::keep_session) and
/// [`claim_early_data`](Self::claim_early_data) are dropped earlier, after a tenth of the
/// handshake's timeout or 1 second: the handshake goes on as if there were no session, without
/// tickets and without early data. A [`session_store`](crate::TlsAcceptor::session_store) answers the first four itself.
pub trait Answers: Send + Sync + 'static {
    /// Which questions are asked of these answers; the others are decided at once, as
    /// configured.
    fn questions(&self) -> Questions {
        Questions::all()
    }

    /// Server: the ClientHello is here; nothing has been negotiated.
    ///
    /// Another configuration is treated as that of the acceptor: these answers are asked the same questions, its sessions
    /// are in the acceptor's [`session_store`](crate::TlsAcceptor::session_store), and its early data is claimed from the
    /// [`replay_guard`](crate::TlsAcceptor::replay_guard) if it accepts some. So it must not contradict them, or the
    /// handshake ends: it has neither ticket keys for TLS 1.3 nor `resumption(false)` where there is a store.
    fn choose_configuration(
        &self,
        question: ChooseConfiguration,
    ) -> impl Future<Output = Answer> + Send {
        async { question.keep() }
    }

    /// Client: the ServerHello is here; no certificate has been seen. These answers are asked the same questions with
    /// another configuration as with the connector's.
    fn review_server_hello(
        &self,
        question: ReviewServerHello,
    ) -> impl Future<Output = Answer> + Send {
        async { question.proceed() }
    }

    /// Server: a client offers tickets; which session do they stand for? For a store of sessions
    /// that servers share, or that forgets a session once it was resumed.
    fn open_tickets(&self, question: OpenTickets) -> impl Future<Output = Answer> + Send {
        async { question.open_configured() }
    }

    /// Server: the client is authenticated and gets tickets for these sessions. The connection
    /// waits for the answer: a store that takes its time is better told of the sessions by a task
    /// of its own.
    fn issue_tickets(&self, question: IssueTickets) -> impl Future<Output = Answer> + Send {
        async { question.seal_configured() }
    }

    /// Server before TLS 1.3: a client names a session. For a store of sessions with a rule of its own
    /// which of them may be resumed (`reuse_session`); a plain store is a
    /// [`session_store`](crate::TlsAcceptor::session_store).
    fn find_session(&self, question: FindSession) -> impl Future<Output = Answer> + Send {
        async { question.none() }
    }

    /// Server before TLS 1.3: the handshake is over, and its session can be kept. The connection waits
    /// for the answer, as for that of [`issue_tickets`](Self::issue_tickets).
    fn keep_session(&self, question: KeepSession) -> impl Future<Output = Answer> + Send {
        async { question.done() }
    }

    /// The peer wants to see a certificate, or a client to resume a session, which it may if the
    /// identity would still fit.
    fn choose_identity(&self, question: ChooseIdentity) -> impl Future<Output = Answer> + Send {
        async { question.choose_configured() }
    }

    /// Which pre-shared key? A server is asked for that of the client's identity, also before it resumes a session
    /// that began with one; of TLS 1.3 in the place of a certificate, if the client offers keys. A client is asked
    /// before TLS 1.3 alone, with a cipher suite that has a key.
    fn choose_psk(&self, question: ChoosePsk) -> impl Future<Output = Answer> + Send {
        async { question.choose_configured() }
    }

    /// Server before TLS 1.3, with a cipher suite of SRP: what is known of the user who logs in? Asked also
    /// before a session is resumed in which the user had logged in.
    fn look_up_user(&self, question: LookUpUser) -> impl Future<Output = Answer> + Send {
        async { question.choose_configured() }
    }

    /// Server: a client sends early data, and the configuration has
    /// [`AntiReplay::asked`](crate::session::AntiReplay::asked): was it accepted before, by this server or
    /// another that opens the same tickets? The client waits for the answer. A
    /// [`replay_guard`](crate::TlsAcceptor::replay_guard) answers this itself. By default none is accepted.
    fn claim_early_data(&self, question: ClaimEarlyData) -> impl Future<Output = Answer> + Send {
        async { question.reject() }
    }

    /// The handshake has to be signed. Always asked for an identity with an external key.
    fn sign(&self, question: Sign) -> impl Future<Output = Answer> + Send {
        async { question.sign_with_local_key() }
    }

    /// Server before TLS 1.3, with RSA key exchange: the key has to decrypt what the client sent. Always asked
    /// for an identity with an [external key that
    /// decrypts](portcullis_core::x509::Identity::with_external_key_that_decrypts).
    ///
    /// The answer is the decrypted block with its padding. What takes the padding away, or treats a wrong one in any
    /// way otherwise than a right one, gives recorded connections away: see [`Decrypt`]. An error of the service
    /// that holds the key is [`refuse`](Decrypt::refuse)d; what it says of a ciphertext is
    /// [`failed`](Decrypt::failed).
    ///
    /// ```
    /// use portcullis::question::{Answer, Decrypt, Sign};
    /// use portcullis::{AlertDescription, Answers, Questions, Refusal};
    ///
    /// # struct Module;
    /// # impl Module {
    /// #     async fn sign(&self, _: &Sign) -> std::io::Result<Vec<u8>> { Ok(Vec::new()) }
    /// #     async fn raw_rsa(&self, _: &[u8]) -> std::io::Result<Vec<u8>> { Ok(Vec::new()) }
    /// # }
    /// struct Keys(Module);
    ///
    /// impl Answers for Keys {
    ///     fn questions(&self) -> Questions {
    ///         // Signatures and decryptions of external keys are asked for in any case.
    ///         Questions::none()
    ///     }
    ///
    ///     async fn sign(&self, question: Sign) -> Answer {
    ///         match self.0.sign(&question).await {
    ///             Ok(signature) => question.signature(signature),
    ///             Err(error) => question.refuse(unreachable_module(error)),
    ///         }
    ///     }
    ///
    ///     async fn decrypt(&self, question: Decrypt) -> Answer {
    ///         match self.0.raw_rsa(question.ciphertext()).await {
    ///             Ok(block) => question.decrypted(block),
    ///             Err(error) => question.refuse(unreachable_module(error)),
    ///         }
    ///     }
    /// }
    ///
    /// fn unreachable_module(error: std::io::Error) -> Refusal {
    ///     Refusal::new(AlertDescription::INTERNAL_ERROR, error.to_string())
    /// }
    /// ```
    fn decrypt(&self, question: Decrypt) -> impl Future<Output = Answer> + Send {
        async { question.decrypt_with_local_key() }
    }

    /// The peer has shown a certificate chain.
    fn verify_chain(&self, question: VerifyChain) -> impl Future<Output = Answer> + Send {
        async { question.verify() }
    }

    /// The same where the configuration [wants](VerifyChain::wants_crls) revocation lists, and there is a
    /// [source](crate::TlsConnector::crls) of them. By default lists are asked about the chain as the configuration
    /// verifies it, then [`verify_chain`](Self::verify_chain) answers, and if it has accepted what is wrong with the chain
    /// lists are asked about that.
    fn verify_chain_with_lists(
        &self,
        question: VerifyChain,
        lists: RevocationLists,
    ) -> impl Future<Output = Answer> + Send {
        async move {
            let question = lists.ask_about(question).await;
            let answer = self.verify_chain(question).await;
            lists.finish(answer).await
        }
    }

    /// The peer has shown a raw public key (RFC 7250), which the configuration accepts. Cancel safe as
    /// [`verify_chain`](Self::verify_chain) is.
    fn verify_raw_key(&self, question: VerifyRawKey) -> impl Future<Output = Answer> + Send {
        async { question.verify() }
    }
}

/// A set of questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    pub(crate) hello: bool,
    pub(crate) tickets: bool,
    pub(crate) sessions: bool,
    pub(crate) identity: bool,
    pub(crate) psk: bool,
    pub(crate) user: bool,
    pub(crate) signature: bool,
    pub(crate) chain: bool,
    pub(crate) early_data: bool,
}

impl Questions {
    /// No question but those that have no default answer: signatures and decryptions of external keys.
    pub const fn none() -> Self {
        Self {
            hello: false,
            tickets: false,
            sessions: false,
            identity: false,
            psk: false,
            user: false,
            signature: false,
            chain: false,
            early_data: false,
        }
    }

    /// Every question but those about [sessions](Self::and_sessions), since a server that asks about
    /// them gives its clients session ids, and about [early data](Self::and_early_data).
    pub const fn all() -> Self {
        Self {
            hello: true,
            tickets: true,
            sessions: false,
            identity: true,
            psk: true,
            user: true,
            signature: true,
            chain: true,
            early_data: false,
        }
    }

    /// Also [`Answers::choose_configuration`] of a server, [`Answers::review_server_hello`] of a
    /// client.
    #[must_use]
    pub const fn and_hello(mut self) -> Self {
        self.hello = true;
        self
    }

    /// Also [`Answers::open_tickets`] and [`Answers::issue_tickets`].
    #[must_use]
    pub const fn and_tickets(mut self) -> Self {
        self.tickets = true;
        self
    }

    /// Also [`Answers::find_session`] and [`Answers::keep_session`].
    #[must_use]
    pub const fn and_sessions(mut self) -> Self {
        self.sessions = true;
        self
    }

    /// Also [`Answers::choose_identity`].
    #[must_use]
    pub const fn and_identity(mut self) -> Self {
        self.identity = true;
        self
    }

    /// Also [`Answers::choose_psk`].
    #[must_use]
    pub const fn and_psk(mut self) -> Self {
        self.psk = true;
        self
    }

    /// Also [`Answers::look_up_user`].
    #[must_use]
    pub const fn and_user(mut self) -> Self {
        self.user = true;
        self
    }

    /// Also [`Answers::sign`] and [`Answers::decrypt`], for local keys too.
    #[must_use]
    pub const fn and_signature(mut self) -> Self {
        self.signature = true;
        self
    }

    /// Also [`Answers::verify_chain`] and [`Answers::verify_raw_key`].
    #[must_use]
    pub const fn and_chain(mut self) -> Self {
        self.chain = true;
        self
    }

    /// Also [`Answers::claim_early_data`], without which nobody can be asked.
    #[must_use]
    pub const fn and_early_data(mut self) -> Self {
        self.early_data = true;
        self
    }

    pub(crate) fn with(self, more: Self) -> Self {
        Self {
            hello: self.hello || more.hello,
            tickets: self.tickets || more.tickets,
            sessions: self.sessions || more.sessions,
            identity: self.identity || more.identity,
            psk: self.psk || more.psk,
            user: self.user || more.user,
            signature: self.signature || more.signature,
            chain: self.chain || more.chain,
            early_data: self.early_data || more.early_data,
        }
    }
}

pub(crate) type AnswerFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// [`Answers`] behind a pointer.
pub(crate) trait DynAnswers: Send + Sync {
    fn questions(&self) -> Questions;
    fn answer(self: Arc<Self>, question: Question) -> AnswerFuture;
    fn verify_with_lists(
        self: Arc<Self>,
        question: VerifyChain,
        lists: RevocationLists,
    ) -> AnswerFuture;
}

impl<A: Answers> DynAnswers for A {
    fn questions(&self) -> Questions {
        Answers::questions(self)
    }

    fn answer(self: Arc<Self>, question: Question) -> AnswerFuture {
        match question {
            Question::ChooseConfiguration(question) => {
                Box::pin(async move { self.choose_configuration(*question).await })
            }
            Question::ReviewServerHello(question) => {
                Box::pin(async move { self.review_server_hello(*question).await })
            }
            Question::OpenTickets(question) => {
                Box::pin(async move { self.open_tickets(*question).await })
            }
            Question::IssueTickets(question) => {
                Box::pin(async move { self.issue_tickets(*question).await })
            }
            Question::FindSession(question) => {
                Box::pin(async move { self.find_session(*question).await })
            }
            Question::KeepSession(question) => {
                Box::pin(async move { self.keep_session(*question).await })
            }
            Question::ChooseIdentity(question) => {
                Box::pin(async move { self.choose_identity(*question).await })
            }
            Question::ChoosePsk(question) => {
                Box::pin(async move { self.choose_psk(*question).await })
            }
            Question::LookUpUser(question) => {
                Box::pin(async move { self.look_up_user(*question).await })
            }
            Question::ClaimEarlyData(question) => {
                Box::pin(async move { self.claim_early_data(*question).await })
            }
            Question::Sign(question) => Box::pin(async move { self.sign(*question).await }),
            Question::Decrypt(question) => Box::pin(async move { self.decrypt(*question).await }),
            Question::VerifyChain(question) => {
                Box::pin(async move { self.verify_chain(*question).await })
            }
            Question::VerifyRawKey(question) => {
                Box::pin(async move { self.verify_raw_key(*question).await })
            }
            other => Box::pin(async { other.default_answer() }),
        }
    }

    fn verify_with_lists(
        self: Arc<Self>,
        question: VerifyChain,
        lists: RevocationLists,
    ) -> AnswerFuture {
        Box::pin(async move { self.verify_chain_with_lists(question, lists).await })
    }
}

/// Answers shared by the handshakes of a connector or acceptor; `None` answers as the core does.
#[derive(Clone, Default)]
pub(crate) struct SharedAnswers(Option<Arc<dyn DynAnswers>>);

impl SharedAnswers {
    pub(crate) fn new(answers: impl Answers) -> Self {
        Self(Some(Arc::new(answers)))
    }

    pub(crate) fn questions(&self) -> Questions {
        self.0
            .as_ref()
            .map_or(Questions::none(), |answers| answers.questions())
    }

    /// The answer, or the future that makes it.
    pub(crate) fn answer(&self, question: Question) -> Result<Answer, AnswerFuture> {
        match &self.0 {
            Some(answers) => Err(Arc::clone(answers).answer(question)),
            None => Ok(question.default_answer()),
        }
    }

    pub(crate) async fn verify_with_lists(
        &self,
        question: VerifyChain,
        lists: RevocationLists,
    ) -> Answer {
        match &self.0 {
            Some(answers) => Arc::clone(answers).verify_with_lists(question, lists).await,
            None => lists.ask_about(question).await.verify(),
        }
    }
}

impl std::fmt::Debug for SharedAnswers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Answers")
            .field(&self.0.as_ref().map(|answers| answers.questions()))
            .finish()
    }
}

/// Judges the peer's chain after it has been verified; see [`further_check`].
#[derive(Clone, Debug)]
pub struct FurtherCheck<F>(F);

/// Answers that verify the peer's chain as configured and then ask once more, e.g. a policy
/// service. An error ends the handshake with its alert. A peer with a raw public key has no chain: it is
/// verified as configured, and nobody is asked once more.
///
/// ```
/// use portcullis::x509::CertificateError;
/// use portcullis::{AlertDescription, answers};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (connector, _) = dev_ends();
/// let connector = connector.answers(answers::further_check(|chain| async move {
///     // Here may be a query to a service.
///     match chain.certificates().len() {
///         0..=4 => Ok(()),
///         _ => Err(CertificateError::rejected(AlertDescription::BAD_CERTIFICATE, "too long")),
///     }
/// }));
/// # Ok(())
/// # }
/// ```
pub fn further_check<F, Fut>(check: F) -> FurtherCheck<F>
where
    F: Fn(PresentedChain) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), portcullis_core::x509::CertificateError>> + Send + 'static,
{
    FurtherCheck(check)
}

impl<F, Fut> Answers for FurtherCheck<F>
where
    F: Fn(PresentedChain) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), portcullis_core::x509::CertificateError>> + Send + 'static,
{
    fn questions(&self) -> Questions {
        Questions::none().and_chain()
    }

    async fn verify_chain(&self, question: VerifyChain) -> Answer {
        let proof = match question.check() {
            Ok(proof) => proof,
            Err(error) => return question.refuse(error),
        };
        match (self.0)(question.chain().clone()).await {
            Ok(()) => question.accept(proof),
            Err(error) => question.refuse(error),
        }
    }
}
