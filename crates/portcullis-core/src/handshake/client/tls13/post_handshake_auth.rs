//! The client is asked for its certificate after the handshake.
//!
//! RFC 8446 §4.6.2, §4.4.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use rustls_pki_types::UnixTime;

use super::super::super::post_handshake_auth::{
    AuthenticationId, AuthenticationStep, MAX_OPEN, Progress, locked,
};
use super::super::super::signed_content::signed_content;
use super::super::super::{check_signature_length, expect, wrong_answer};
use super::server_parameters::wanted;
use crate::config::ClientOptions;
use crate::crypto::hash::Digest;
use crate::error::Abort;
use crate::key_schedule::{AddMessage as _, Hashed, TrafficSecret, Transcript};
use crate::question::{AnswerContent, ChooseIdentity, Question, QuestionId, Sign, WantedIdentity};
use crate::record::{Authentication, HandshakeBytes, MAX_RUN};
use crate::role::Role;
use crate::wire::extension::CertificateType;
use crate::wire::{Certificate, CertificateRequest, CertificateVerify, Finished, HandshakeType};
use crate::x509::{Form, Identity, Sha256Digest};
use crate::{Misuse, SignatureScheme, Violation};

/// How many requests of one connection may cost a signature, or a question to somebody, who may be a person with a
/// PIN: each is work for its one record.
const MAX_COSTLY: u8 = 64;

/// A client that has offered to be asked.
pub(crate) struct PostHandshakeClient {
    /// Up to this side's Finished. What comes after it belongs to one request each (§4.4.1).
    transcript: Transcript,
    config: Arc<ClientOptions>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// How many have cost a signature or a question.
    costly: u8,
    /// Of the requests whose answers have not been sent.
    contexts: Vec<Box<[u8]>>,
    /// Those that nobody has taken.
    asked: VecDeque<Box<Asked>>,
    answers: VecDeque<Prepared>,
    /// The key of the certificate that was shown last.
    shown: Option<Arc<Sha256Digest>>,
}

/// A request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) id: AuthenticationId,
    context: Box<[u8]>,
    transcript: Transcript,
    wanted: Arc<WantedIdentity>,
    is_costly: bool,
}

/// Somebody chooses what to show.
#[derive(Debug)]
pub(crate) struct ChoosingLater(pub(in super::super::super) Asked);

/// Somebody holds the key.
#[derive(Debug)]
pub(crate) struct SigningLater {
    pub(in super::super::super) asked: Asked,
    messages: Vec<u8>,
    identity: Identity,
    scheme: SignatureScheme,
}

/// An answer, but for its Finished.
#[derive(Debug)]
struct Prepared {
    context: Box<[u8]>,
    messages: Vec<u8>,
    hash: Digest,
    shown: Option<Arc<Sha256Digest>>,
}

impl PostHandshakeClient {
    pub(in super::super::super) fn new(transcript: Transcript, config: Arc<ClientOptions>) -> Self {
        Self {
            transcript,
            config,
            state: Mutex::default(),
        }
    }

    pub(in super::super::super) fn next(&self) -> Option<Box<Asked>> {
        locked(&self.state).asked.pop_front()
    }

    pub(in super::super::super) fn begin(
        &self,
        mut asked: Asked,
        now: UnixTime,
    ) -> Result<Progress, Abort> {
        if self.config.policy.asked.identity {
            self.count(&mut asked);
            let question = ChooseIdentity {
                id: QuestionId::next(),
                configured: self.config.identities.clone(),
                hello: None,
                wanted: Arc::clone(&asked.wanted),
            };
            let question = Question::ChooseIdentity(Box::new(question));
            return Ok(Progress::ChooseIdentity(
                question,
                Box::new(ChoosingLater(asked)),
            ));
        }
        match asked.wanted.choose(&self.config.identities) {
            Some((identity, scheme)) => self.show(asked, identity, scheme, now),
            None => Ok(self.show_none(asked)),
        }
    }

    pub(in super::super::super) fn chosen(
        &self,
        ChoosingLater(asked): ChoosingLater,
        answer: AnswerContent,
        now: UnixTime,
    ) -> Result<Progress, Abort> {
        let (identity, scheme) = match answer {
            AnswerContent::Identity(identity) => (identity, None),
            AnswerContent::ConfiguredIdentity(chosen) => {
                let (identity, scheme) = chosen.unzip();
                (identity, scheme.flatten())
            }
            _ => return Err(wrong_answer()),
        };
        let Some(identity) = identity else {
            return Ok(self.show_none(asked));
        };
        self.config.policy.check_identity(&identity)?;
        asked.wanted.check_type(&identity)?;
        let scheme =
            scheme.or_else(|| identity.scheme_for(&asked.wanted.schemes, asked.wanted.version));
        match scheme {
            Some(scheme) => self.show(asked, identity, scheme, now),
            None => Err(Misuse::new(
                "the chosen identity's key cannot sign with any scheme the server accepts",
            )
            .into()),
        }
    }

    /// §4.4.2: an empty list.
    pub(in super::super::super) fn show_none(&self, asked: Asked) -> Progress {
        let mut messages = Vec::new();
        let nothing = core::iter::empty::<([u8; 0], [u8; 0])>();
        Certificate::put(&mut messages, &asked.context, nothing);
        self.prepare(asked, messages, None)
    }

    /// Once for each request.
    fn count(&self, asked: &mut Asked) {
        if !std::mem::replace(&mut asked.is_costly, true) {
            let mut state = locked(&self.state);
            state.costly = state.costly.saturating_add(1);
        }
    }

    fn show(
        &self,
        mut asked: Asked,
        identity: Identity,
        scheme: SignatureScheme,
        now: UnixTime,
    ) -> Result<Progress, Abort> {
        self.count(&mut asked);
        let staple = identity.staple(now).filter(|_| asked.wanted.staples);
        let messages = match &staple {
            Some(staple) => with_context(staple.message(), &asked.context),
            None => with_context(identity.certificate_message(Form::Tls13), &asked.context),
        };
        let mut transcript = asked.transcript.clone();
        transcript.add(Hashed::new(&messages));
        let content = signed_content(Role::Client, &transcript.current());
        if identity.is_external() || self.config.policy.asked.signature {
            let question = Sign {
                id: QuestionId::next(),
                identity: identity.clone(),
                scheme,
                content: content.to_vec(),
            };
            let paused = SigningLater {
                asked,
                messages,
                identity,
                scheme,
            };
            let question = Question::Sign(Box::new(question));
            return Ok(Progress::Sign(question, Box::new(paused)));
        }
        let signature = identity.sign(scheme, &content)?;
        self.prove(asked, messages, &identity, scheme, &signature)
    }

    pub(in super::super::super) fn signed(
        &self,
        paused: SigningLater,
        answer: AnswerContent,
    ) -> Result<Progress, Abort> {
        let AnswerContent::Signature(signature) = answer else {
            return Err(wrong_answer());
        };
        let SigningLater {
            asked,
            messages,
            identity,
            scheme,
        } = paused;
        self.prove(asked, messages, &identity, scheme, &signature)
    }

    fn prove(
        &self,
        asked: Asked,
        mut messages: Vec<u8>,
        identity: &Identity,
        scheme: SignatureScheme,
        signature: &[u8],
    ) -> Result<Progress, Abort> {
        check_signature_length(signature)?;
        CertificateVerify::put(&mut messages, scheme, signature);
        // Finished has its header and at most 48 bytes.
        if messages.len() > MAX_RUN - 64 {
            return Err(Misuse::new(format!(
                "the chosen identity's chain has {} bytes; after the handshake at most 32 KiB can be shown",
                messages.len()
            ))
            .into());
        }
        let shown = Some(Arc::clone(identity.key_digest()));
        Ok(self.prepare(asked, messages, shown))
    }

    fn prepare(
        &self,
        mut asked: Asked,
        messages: Vec<u8>,
        shown: Option<Arc<Sha256Digest>>,
    ) -> Progress {
        asked.transcript.add_bytes(&messages);
        let step = AuthenticationStep::Answered {
            shown: shown.is_some(),
        };
        let mut state = locked(&self.state);
        state.answers.push_back(Prepared {
            context: asked.context,
            messages,
            hash: asked.transcript.current(),
            shown,
        });
        Progress::Done(step)
    }
}

/// A Certificate that was encoded with an empty context, with this one.
fn with_context(message: &[u8], context: &[u8]) -> Vec<u8> {
    /// Type, length, and the length of the context.
    const HEAD: usize = 1 + 3 + 1;
    let rest = message.get(HEAD..).unwrap_or_default();
    let mut out = Vec::with_capacity(HEAD + context.len() + rest.len());
    crate::wire::put_message(&mut out, HandshakeType::CERTIFICATE, |out| {
        crate::wire::codec::put_vec8(out, |out| out.extend_from_slice(context));
        out.extend_from_slice(rest);
    });
    out
}

impl core::fmt::Debug for PostHandshakeClient {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PostHandshakeClient(..)")
    }
}

impl Authentication for PostHandshakeClient {
    fn longest(&self, typ: HandshakeType) -> Result<usize, Violation> {
        if typ != HandshakeType::CERTIFICATE_REQUEST {
            return Err(Violation::UnexpectedPostHandshakeMessage);
        }
        let state = locked(&self.state);
        // Those that nobody has begun with do not count yet: a few more are signed.
        if state.costly >= MAX_COSTLY {
            return Err(Violation::TooManySignaturesAsked);
        }
        match state.contexts.len() < MAX_OPEN {
            true => Ok(usize::MAX),
            false => Err(Violation::TooManyAuthenticationRequests),
        }
    }

    fn on_message(&self, message: &HandshakeBytes, _: &TrafficSecret) -> Result<bool, Abort> {
        let request: CertificateRequest<'_> = expect(message)?;
        // Only X.509 is shown here: a raw key was agreed on for the handshake.
        let wanted = wanted(&request, CertificateType::X509, &self.config.policy)?;
        let mut transcript = self.transcript.clone();
        transcript.add(message.hashed());
        let mut state = locked(&self.state);
        let context: Box<[u8]> = request.certificate_request_context.into();
        if state.contexts.contains(&context) {
            return Err(Violation::RequestContextReused.into());
        }
        state.contexts.push(context.clone());
        let id = AuthenticationId(state.next);
        state.next += 1;
        state.asked.push_back(Box::new(Asked {
            id,
            context,
            transcript,
            wanted,
            is_costly: false,
        }));
        Ok(false)
    }

    fn waiting(&self) -> usize {
        let state = locked(&self.state);
        let finished = 4 + self.transcript.output_len();
        state
            .answers
            .front()
            .map_or(0, |next| next.messages.len() + finished)
    }

    fn take(&self, secret: &TrafficSecret) -> Vec<u8> {
        let mut state = locked(&self.state);
        let Some(next) = state.answers.pop_front() else {
            return Vec::new();
        };
        state.contexts.retain(|context| *context != next.context);
        if next.shown.is_some() {
            state.shown = next.shown;
        }
        let mut messages = next.messages;
        let verify_data = secret.finished_key().verify_data(&next.hash);
        Finished::put(&mut messages, verify_data.as_slice());
        messages
    }

    /// Nothing follows an answer but an ACK.
    fn is_answered(&self) -> bool {
        false
    }

    fn shown(&self) -> Option<Arc<Sha256Digest>> {
        locked(&self.state).shown.clone()
    }
}
