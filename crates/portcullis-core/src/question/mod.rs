//! What the handshake asks, one struct for each question; answering consumes it.
//!
//! A question owns its data and is `Send + 'static`, so it can be answered in another task.
//! Each has a default answer. While one is open the handshake stands still; dropping it leaves
//! the handshake paused, and the driver's timeout ends it.

mod decrypt;
mod early_data;
mod psk;
mod raw_key;
mod sessions;
mod user;
mod verify_chain;
mod wanted;

pub use decrypt::Decrypt;
pub use early_data::ClaimEarlyData;
pub use psk::ChoosePsk;
pub(crate) use psk::Side as PskSide;
pub use raw_key::VerifyRawKey;
pub use sessions::{FindSession, IssueTickets, KeepSession, OpenTickets};
pub use user::LookUpUser;
pub use verify_chain::VerifyChain;
pub(crate) use wanted::{WantedCurves, WantedIdentity};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls_pki_types::{ServerName, UnixTime};
use zeroize::Zeroizing;

use crate::apart::Apart;
use crate::config::{ClientConfig, PreSharedKey, ServerConfig, SrpVerifier};
use crate::error::Refusal;
use crate::session::ServerSession;
use crate::signature_scheme::SignatureScheme;
use crate::wire::extension::CertificateType;
use crate::x509::{
    self, CertificateError, ChainPolicy, Identity, PresentedChain, RevocationCheck, VerifiedChain,
    VerifiedRawKey,
};
use crate::{ClientHelloView, NamedGroup, ServerHelloView};

/// Something the handshake wants to know before it goes on. Each is in a box of its own size: one that fitted the
/// largest would have what lay on the stack before, secrets too, in the place that another one leaves free.
#[derive(Debug)]
#[non_exhaustive]
pub enum Question {
    /// Server: which configuration serves this client? Asked with `pause_at_hello`.
    ChooseConfiguration(Box<ChooseConfiguration>),
    /// Client: go on with this server? Asked with `pause_at_hello`.
    ReviewServerHello(Box<ReviewServerHello>),
    /// Server: which session do these tickets stand for? Asked with `ask_tickets`.
    OpenTickets(Box<OpenTickets>),
    /// Server: what tickets stand for these sessions? Asked with `ask_tickets`.
    IssueTickets(Box<IssueTickets>),
    /// Server before TLS 1.3: which session has this id? Asked with `ask_sessions`.
    FindSession(Box<FindSession>),
    /// Server before TLS 1.3: this session could be resumed. Asked with `ask_sessions`.
    KeepSession(Box<KeepSession>),
    /// Which pre-shared key? Asked with `ask_psk`.
    ChoosePsk(Box<ChoosePsk>),
    /// Server: what is known of the user who logs in (SRP)? Asked with `ask_user`.
    LookUpUser(Box<LookUpUser>),
    /// Which certificate is shown to the peer? Asked with `ask_identity`.
    ChooseIdentity(Box<ChooseIdentity>),
    /// Server: was this early data accepted before? Asked with
    /// [`AntiReplay::asked`](crate::session::AntiReplay::asked).
    ClaimEarlyData(Box<ClaimEarlyData>),
    /// A signature with the identity's key. Asked for external keys, and with `ask_signature`.
    Sign(Box<Sign>),
    /// Server before TLS 1.3: a decryption with the identity's key. Asked for external keys, and with
    /// `ask_signature`.
    Decrypt(Box<Decrypt>),
    /// Is this the peer's chain to trust? Asked with `ask_verification`.
    VerifyChain(Box<VerifyChain>),
    /// Is this raw public key the peer's to trust? Asked with `ask_verification`.
    VerifyRawKey(Box<VerifyRawKey>),
}

impl Question {
    /// What the core itself would answer.
    pub fn default_answer(self) -> Answer {
        match self {
            Self::ChooseConfiguration(question) => question.keep(),
            Self::ReviewServerHello(question) => question.proceed(),
            Self::OpenTickets(question) => question.open_configured(),
            Self::IssueTickets(question) => question.seal_configured(),
            Self::FindSession(question) => question.none(),
            Self::KeepSession(question) => question.done(),
            Self::ChoosePsk(question) => question.choose_configured(),
            Self::LookUpUser(question) => question.choose_configured(),
            Self::ChooseIdentity(question) => question.choose_configured(),
            Self::ClaimEarlyData(question) => question.reject(),
            Self::Sign(question) => question.sign_with_local_key(),
            Self::Decrypt(question) => question.decrypt_with_local_key(),
            Self::VerifyChain(question) => question.verify(),
            Self::VerifyRawKey(question) => question.verify(),
        }
    }

    /// The answer for a store that takes too long, to a question that a store answers: it is as
    /// if the store knew no session and kept none, and could not say whether early data was accepted before. `None` for the others, to
    /// which the handshake cannot go on without an answer.
    pub fn late_answer(&self) -> Option<Answer> {
        match self {
            Self::OpenTickets(question) => Some(question.id.answer(AnswerContent::Session(None))),
            Self::IssueTickets(question) => {
                Some(question.id.answer(AnswerContent::Tickets(Vec::new())))
            }
            Self::FindSession(question) => Some(question.id.answer(AnswerContent::Session(None))),
            Self::ClaimEarlyData(question) => {
                Some(question.id.answer(AnswerContent::EarlyData(false)))
            }
            Self::KeepSession(question) => Some(question.id.answer(AnswerContent::Kept)),
            _ => None,
        }
    }

    pub(crate) fn id(&self) -> QuestionId {
        match self {
            Self::ChooseConfiguration(question) => question.id,
            Self::ReviewServerHello(question) => question.id,
            Self::OpenTickets(question) => question.id,
            Self::IssueTickets(question) => question.id,
            Self::FindSession(question) => question.id,
            Self::KeepSession(question) => question.id,
            Self::ChoosePsk(question) => question.id,
            Self::LookUpUser(question) => question.id,
            Self::ChooseIdentity(question) => question.id,
            Self::ClaimEarlyData(question) => question.id,
            Self::Sign(question) => question.id,
            Self::Decrypt(question) => question.id,
            Self::VerifyChain(question) => question.id,
            Self::VerifyRawKey(question) => question.id,
        }
    }
}

/// The answer to one question of one connection.
#[must_use = "an answer does nothing until it is given to its handshake"]
pub struct Answer {
    pub(crate) id: QuestionId,
    pub(crate) content: AnswerContent,
}

impl Answer {
    /// Takes the look into revocation lists that is still to be done before the answer can be given: it came of a
    /// [`walk`](VerifyChain::walk) on which somebody has accepted a fault, or taken another path, so that what was asked
    /// before is about something else. What it ends in goes back by [`with_revocation`](Self::with_revocation). Where
    /// nobody takes it the handshake goes on as if there were no lists.
    pub fn take_revocation_check(&mut self) -> Option<RevocationCheck> {
        let lost = || {
            let why =
                "somebody has taken the look into revocation lists, and has not brought it back";
            CertificateError::rejected(crate::AlertDescription::INTERNAL_ERROR, why)
        };
        match core::mem::replace(&mut self.content, AnswerContent::Proceed) {
            AnswerContent::Unasked(check) => {
                self.content = AnswerContent::Chain(Err(lost()));
                Some(check.into_inner())
            }
            other => {
                self.content = other;
                None
            }
        }
    }

    /// Says what a [look into revocation lists](Self::take_revocation_check) has ended in. One of another chain ends the
    /// handshake.
    pub fn with_revocation(mut self, check: RevocationCheck) -> Self {
        self.content = AnswerContent::Chain(check.conclude());
        self
    }

    /// The same, with what is made of the configuration that the handshake is to go on with; an answer that names none
    /// stays as it is. For those who drive handshakes and have [instructions](crate::config::Instructions) for each
    /// configuration, whoever has chosen it.
    ///
    /// # Errors
    /// Those of `server` and of `client`.
    pub fn map_configuration<E>(
        self,
        server: impl FnOnce(&ServerConfig) -> Result<ServerConfig, E>,
        client: impl FnOnce(&ClientConfig) -> Result<ClientConfig, E>,
    ) -> Result<Self, E> {
        let content = match self.content {
            AnswerContent::Configuration(config) => AnswerContent::Configuration(server(&config)?),
            AnswerContent::ProceedWith(config) => AnswerContent::ProceedWith(client(&config)?),
            other => other,
        };
        Ok(Self { content, ..self })
    }
}

impl AnswerContent {
    /// As it is when nobody says any more.
    pub(crate) fn settled(self) -> Self {
        match self {
            Self::Unasked(check) => Self::Chain(check.into_inner().conclude()),
            other => other,
        }
    }
}

/// Not what it says: tickets and signatures are nobody else's.
impl core::fmt::Debug for Answer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Answer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

pub(crate) enum AnswerContent {
    KeepConfiguration,
    Configuration(ServerConfig),
    Proceed,
    ProceedWith(ClientConfig),
    /// What somebody chose.
    Identity(Option<Identity>),
    /// What the core would choose by itself: the configuration's rules hold.
    ConfiguredIdentity(Option<(Identity, Option<SignatureScheme>)>),
    /// If there is one.
    Psk(Option<PreSharedKey>),
    /// If there is one.
    User(Option<SrpVerifier>),
    Signature(Vec<u8>),
    /// With its padding; empty if there is none.
    Decrypted(Zeroizing<Vec<u8>>),
    Chain(Result<VerifiedChain, CertificateError>),
    /// Lists are still to be asked. Boxed: hardly any answer has one.
    Unasked(Apart<RevocationCheck>),
    RawKey(Result<VerifiedRawKey, CertificateError>),
    /// With the keys of the configuration.
    ConfiguredTickets,
    Session(Option<(usize, Box<ServerSession>)>),
    Tickets(Vec<Vec<u8>>),
    /// The session is kept, or is not.
    Kept,
    /// Whether it is accepted.
    EarlyData(bool),
    Refused(Refusal),
}

/// Says which question of which connection is meant, so that answers cannot be mixed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QuestionId(u64);

impl QuestionId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn answer(self, content: AnswerContent) -> Answer {
        Answer { id: self, content }
    }
}

/// A ClientHello is here; nothing has been negotiated.
#[derive(Debug)]
pub struct ChooseConfiguration {
    pub(crate) id: QuestionId,
    pub(crate) hello: ClientHelloView,
    pub(crate) config: ServerConfig,
}

impl ChooseConfiguration {
    /// What the client sent.
    pub fn client_hello(&self) -> &ClientHelloView {
        &self.hello
    }

    /// The configuration the connection started with.
    pub fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// Goes on with the configuration the connection started with. The default.
    pub fn keep(self) -> Answer {
        self.id.answer(AnswerContent::KeepConfiguration)
    }

    /// Goes on with another configuration.
    pub fn use_config(self, config: ServerConfig) -> Answer {
        self.id.answer(AnswerContent::Configuration(config))
    }

    /// Ends the handshake.
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.id.answer(AnswerContent::Refused(refusal))
    }
}

/// The ServerHello is here; no certificate has been seen.
#[derive(Debug)]
pub struct ReviewServerHello {
    pub(crate) id: QuestionId,
    pub(crate) hello: ServerHelloView,
    pub(crate) config: ClientConfig,
}

impl ReviewServerHello {
    /// What the server sent.
    pub fn server_hello(&self) -> &ServerHelloView {
        &self.hello
    }

    /// The configuration the connection started with.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Goes on. The default.
    pub fn proceed(self) -> Answer {
        self.id.answer(AnswerContent::Proceed)
    }

    /// Goes on with other trust anchors, identities and questions. What the ClientHello has offered stays as it was,
    /// and the server may choose of that alone.
    ///
    /// Nothing that the server chooses is taken that this configuration does not have. The handshake fails, with
    /// [`Reason::Misuse`](crate::Reason::Misuse), which names the option, and the alert `internal_error`:
    /// * At once over `versions` and `cipher_suites`; in TLS 1.3 over `groups` and `psk_ke`; before it over
    ///   `extended_master_secret` and `secure_renegotiation`, where one is demanded that the server lacks, and over a suite
    ///   without certificates, where servers are verified; and over a pre-shared key or a session that this configuration
    ///   could not have offered.
    /// * When it is here, over `alpn` and `next_protocols`, where a configuration without protocols takes none;
    ///   `server_certificate_types`, and `client_certificate_types` if it is a raw public key; `signature_schemes`,
    ///   with one of which the server signs in this handshake; `certificate_compression`; `srtp`; and before TLS 1.3
    ///   over `groups`, for the key exchange and for an ECDSA key of the server's certificate.
    ///
    /// Of this configuration are also the least lengths of keys and primes, `padding_check`, `beast_mitigation`, whether
    /// the client may be asked for a certificate later (`post_handshake_authentication`), if that was offered, and all
    /// that is verified, asked and kept from here on, sessions too. Of the first one are the sizes of records and
    /// messages, the keys of Encrypted ClientHello, and a user of SRP.
    pub fn proceed_with(self, config: ClientConfig) -> Answer {
        self.id.answer(AnswerContent::ProceedWith(config))
    }

    /// Ends the handshake.
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.id.answer(AnswerContent::Refused(refusal))
    }
}

/// Which identity to show (RFC 8446 §4.4.2). A server is also asked before it resumes a session:
/// the identity decides whether it may.
#[derive(Debug)]
pub struct ChooseIdentity {
    pub(crate) id: QuestionId,
    pub(crate) configured: Vec<Identity>,
    pub(crate) hello: Option<ClientHelloView>,
    pub(crate) wanted: Arc<WantedIdentity>,
}

impl ChooseIdentity {
    /// Server: the whole ClientHello. Client: `None`.
    pub fn client_hello(&self) -> Option<&ClientHelloView> {
        self.hello.as_ref()
    }

    /// Server: the host name the client asked for, in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.wanted.server_name.as_deref()
    }

    /// The schemes the peer accepts in CertificateVerify.
    pub fn signature_schemes(&self) -> &[SignatureScheme] {
        &self.wanted.schemes
    }

    /// The schemes the peer accepts in certificates.
    pub fn certificate_signature_schemes(&self) -> &[SignatureScheme] {
        let other = self.wanted.certificate_schemes.as_ref();
        other.unwrap_or(&self.wanted.schemes)
    }

    /// The curves that the key of an ECDSA certificate may be on, as a client has listed them: the
    /// peer, or this side. `None` if any may do, as always in TLS 1.3 (RFC 8422 §5.1).
    pub fn certificate_curves(&self) -> Option<&[NamedGroup]> {
        self.wanted.curves.list()
    }

    /// Whether the peer accepts an identity of this type (RFC 7250); one that says nothing accepts
    /// [`CertificateType::X509`] alone.
    pub fn accepts_type(&self, typ: CertificateType) -> bool {
        self.wanted.types.has(typ)
    }

    /// The authorities the peer trusts, as DER-encoded names; empty if it did not say.
    pub fn certificate_authorities(&self) -> impl Iterator<Item = &[u8]> {
        self.wanted.authorities.iter().map(Vec::as_slice)
    }

    /// Whether the peer accepts the identity, as far as it has said: its key can sign with one of
    /// the [`signature_schemes`](Self::signature_schemes), or exchanges keys for a cipher suite where
    /// that is enough, and is on one of the
    /// [`certificate_curves`](Self::certificate_curves) if it is one for ECDSA.
    pub fn accepts(&self, identity: &Identity) -> bool {
        let wanted = &self.wanted;
        wanted.accepts(identity) && wanted.is_on_listed_curve(identity)
    }

    /// Shows the best of the configured identities. The default. A server with
    /// `refuse_unknown_names` refuses a client that asks for a name none of them has.
    pub fn choose_configured(self) -> Answer {
        let chosen = self.wanted.choose_any(&self.configured);
        self.id.answer(AnswerContent::ConfiguredIdentity(chosen))
    }

    /// Shows this identity. Its key must be able to sign with a scheme the peer accepts, and as a
    /// server's be on one of the [`certificate_curves`](Self::certificate_curves) if it is one for
    /// ECDSA.
    pub fn present(self, identity: Identity) -> Answer {
        self.id.answer(AnswerContent::Identity(Some(identity)))
    }

    /// Shows none: a client sends an empty list, a server ends the handshake.
    pub fn present_none(self) -> Answer {
        self.id.answer(AnswerContent::Identity(None))
    }

    /// Ends the handshake.
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.id.answer(AnswerContent::Refused(refusal))
    }
}

/// The handshake has to be signed (RFC 8446 §4.4.3).
#[derive(Debug)]
pub struct Sign {
    pub(crate) id: QuestionId,
    pub(crate) identity: Identity,
    pub(crate) scheme: SignatureScheme,
    pub(crate) content: Vec<u8>,
}

impl Sign {
    /// Whose key is to sign.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The scheme to sign with.
    pub fn scheme(&self) -> SignatureScheme {
        self.scheme
    }

    /// The bytes to sign, not hashed.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Signs with the identity's own key; refuses when that key is external. The default.
    pub fn sign_with_local_key(self) -> Answer {
        let content = match self.identity.sign(self.scheme, &self.content) {
            Ok(signature) => AnswerContent::Signature(signature),
            Err(error) => AnswerContent::Refused(Refusal::new(
                crate::AlertDescription::INTERNAL_ERROR,
                format!("signing with {}: {error}", self.scheme),
            )),
        };
        self.id.answer(content)
    }

    /// The signature, encoded as the scheme says (ECDSA: DER; Ed25519 and RSA: raw).
    pub fn signature(self, signature: Vec<u8>) -> Answer {
        self.id.answer(AnswerContent::Signature(signature))
    }

    /// Ends the handshake.
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.id.answer(AnswerContent::Refused(refusal))
    }
}

/// Who the peer must prove to be.
#[derive(Clone, Debug)]
pub(crate) enum ExpectedPeer {
    Server(ServerName<'static>),
    Client,
}

impl ExpectedPeer {
    pub(crate) fn verify(
        self,
        chain: &PresentedChain,
        policy: &ChainPolicy,
        now: UnixTime,
    ) -> Result<VerifiedChain, CertificateError> {
        let server_name = match self {
            Self::Server(name) => Some(name),
            Self::Client => None,
        };
        x509::verify_chain(chain, server_name, now, policy)
    }
}
