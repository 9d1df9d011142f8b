//! The server asks for the client's certificate after the handshake.
//!
//! RFC 8446 §4.6.2, §4.4.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use rustls_pki_types::UnixTime;

use super::super::super::compressed::uncompressed;
use super::super::super::offer::check_scheme;
use super::super::super::peer::{Judge, check_signature, presented};
use super::super::super::post_handshake_auth::{
    AsksLater, AuthenticationId, AuthenticationStep, MAX_OPEN, Progress, locked,
};
use super::super::super::signed_content::signed_content;
use super::super::super::{expect, wrong_answer};
use super::client_authentication::was_requested;
use super::flight::put_certificate_request;
use super::tickets::{Recipe, check_tickets, put_ticket};
use crate::config::{ClientAuthentication, ServerOptions};
use crate::crypto::random::Random;
use crate::error::Abort;
use crate::information::ConnectionInformation;
use crate::key_schedule::{
    AddMessage as _, Hashed, ResumptionMasterSecret, TrafficSecret, Transcript,
};
use crate::question::{AnswerContent, IssueTickets, Question, QuestionId};
use crate::record::{Authentication, HandshakeBytes, MAX_RUN};
use crate::role::Role;
use crate::session::{MAX_TICKET, Peer, ServerSession};
use crate::wire::extension::CertificateType;
use crate::wire::{CertificateVerify, Finished, HandshakeType};
use crate::x509::{LeafDigests, PeerProof, Presented, PresentedKind, Sha256Digest, VerifiedChain};
use crate::{CryptoFailure, Misuse, SignatureScheme, Violation};

/// A server whose client may be asked.
pub(crate) struct PostHandshakeServer {
    /// Up to the client's Finished. What comes after it belongs to one request each (§4.4.1).
    transcript: Transcript,
    config: Arc<ServerOptions>,
    information: Arc<ConnectionInformation>,
    /// What tickets are made of, if any are.
    tickets: Option<Tickets>,
    state: Mutex<State>,
}

/// What the tickets of the authenticated client are made of.
pub(super) struct Tickets {
    pub(super) secret: ResumptionMasterSecret,
    pub(super) leaf: Option<Arc<LeafDigests>>,
    /// How many were made in the handshake.
    pub(super) count: u8,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// Requests that are not answered.
    requests: Vec<Requested>,
    /// What a client has begun to answer.
    flight: Option<Flight>,
    /// What nobody has taken.
    answered: VecDeque<Box<AnsweredLater>>,
    /// What waits to be sent, and if it is a request, which.
    out: VecDeque<(Option<AuthenticationId>, Vec<u8>)>,
    /// The request that was sent last, if nothing else was since.
    sent: Option<AuthenticationId>,
    /// Tickets that were made after the handshake.
    issued: u8,
}

#[derive(Debug)]
struct Requested {
    id: AuthenticationId,
    context: [u8; 16],
    transcript: Transcript,
}

/// Certificate has come.
#[derive(Debug)]
struct Flight {
    request: Requested,
    shown: Option<Presented>,
    /// CertificateVerify has, too.
    scheme: Option<SignatureScheme>,
}

/// The client has shown this and has the key, or has shown nothing.
#[derive(Debug)]
pub(crate) struct AnsweredLater {
    pub(crate) id: AuthenticationId,
    shown: Option<(Presented, SignatureScheme)>,
}

/// Somebody judges the chain.
#[derive(Debug)]
pub(crate) struct VerifyingLater(Presented, SignatureScheme);

/// Somebody keeps the session.
#[derive(Debug)]
pub(crate) struct IssuingLater {
    nonce: u8,
    session: ServerSession,
    chain: VerifiedChain,
}

impl PostHandshakeServer {
    pub(super) fn new(
        transcript: Transcript,
        config: Arc<ServerOptions>,
        information: Arc<ConnectionInformation>,
        tickets: Option<Tickets>,
    ) -> Self {
        Self {
            transcript,
            config,
            information,
            tickets,
            state: Mutex::default(),
        }
    }

    /// §4.6.1: the client that resumes from here on is the one that has authenticated.
    fn issue(
        &self,
        proof: PeerProof,
        scheme: SignatureScheme,
        now: UnixTime,
    ) -> Result<Progress, Abort> {
        let PeerProof::Chain(chain) = &proof else {
            return Err(Violation::CertificateTypeNotOffered.into());
        };
        let chain = chain.clone();
        let done = |chain| Ok(Progress::Done(AuthenticationStep::Presented(chain)));
        let Some(tickets) = &self.tickets else {
            return done(chain);
        };
        let nonce = {
            let mut state = locked(&self.state);
            // Each ticket has a nonce of its own (§4.6.1).
            let Some(nonce) = tickets.count.checked_add(state.issued) else {
                return done(chain);
            };
            state.issued = state.issued.saturating_add(1);
            nonce
        };
        let peer = Peer {
            shown: proof.into_presented(),
            scheme,
        };
        let random = &mut Random::system();
        let (config, information) = (&self.config, &self.information.0);
        let recipe = Recipe::new(config, information, Some(peer), now);
        let mut age_add = [0; 4];
        random.fill(&mut age_add).map_err(CryptoFailure::from)?;
        let Some(session) =
            recipe.session(&tickets.secret, tickets.leaf.clone(), nonce, age_add)?
        else {
            return done(chain);
        };
        if self.config.policy.asked.tickets {
            let mut names = vec![[0; 32]];
            let filled = random.fill(names.as_flattened_mut());
            filled.map_err(CryptoFailure::from)?;
            let question = IssueTickets {
                id: QuestionId::next(),
                sessions: vec![session.clone()],
                names,
            };
            let paused = IssuingLater {
                nonce,
                session,
                chain,
            };
            let question = Question::IssueTickets(Box::new(question));
            return Ok(Progress::IssueTicket(question, Box::new(paused)));
        }
        self.seal(nonce, &session, now)?;
        done(chain)
    }

    fn seal(&self, nonce: u8, session: &ServerSession, now: UnixTime) -> Result<(), Abort> {
        let random = &mut Random::system();
        if let Some(keys) = &self.config.ticket_keys
            && let Some(ticket) = keys.seal(&session.to_bytes(), now, random)?
        {
            self.send_ticket(nonce, session, &ticket);
        }
        Ok(())
    }

    fn send_ticket(&self, nonce: u8, session: &ServerSession, ticket: &[u8]) {
        let mut message = Vec::new();
        put_ticket(&mut message, nonce, session, ticket, self.config.grease);
        // A longer one has a chain that no ticket should have.
        if message.len() <= MAX_RUN {
            locked(&self.state).out.push_back((None, message));
        }
    }

    /// Certificate (§4.4.2): its context says which request it answers.
    fn on_certificate(&self, message: &HandshakeBytes) -> Result<Flight, Abort> {
        let mut room = Vec::new();
        let certificate = uncompressed(message, &self.config.policy, &mut room)?;
        let mut request = {
            let mut state = locked(&self.state);
            let context = certificate.certificate_request_context;
            let mut requests = state.requests.iter();
            let at = requests.position(|request| request.context == context);
            let at = at.ok_or(Violation::CertificateContextUnknown)?;
            state.requests.remove(at)
        };
        let shown = presented(&certificate, CertificateType::X509, |typ| {
            was_requested(&self.config, typ)
        })?;
        if let Some(shown) = &shown {
            check_filters(&self.config, shown)?;
        }
        request.transcript.add(message.hashed());
        Ok(Flight {
            request,
            shown,
            scheme: None,
        })
    }

    /// CertificateVerify (§4.4.3). Whether the chain is to be trusted is decided later, by whoever has a clock.
    fn on_verify(&self, mut flight: Flight, message: &HandshakeBytes) -> Result<Flight, Abort> {
        let verify: CertificateVerify<'_> = expect(message)?;
        let policy = &self.config.policy;
        let scheme = check_scheme(&policy.schemes, verify.algorithm)?;
        let content = signed_content(Role::Client, &flight.request.transcript.current());
        let shown = flight.shown.as_ref().map(Presented::kind);
        let Some(PresentedKind::Chain(chain)) = shown else {
            return Err(Violation::UnexpectedPostHandshakeMessage.into());
        };
        let proof = VerifiedChain::dangerous_accept_without_verification(chain);
        let proof = PeerProof::Chain(proof);
        check_signature(&proof, policy, scheme, &content, verify.signature)?;
        flight.request.transcript.add(message.hashed());
        flight.scheme = Some(scheme);
        Ok(flight)
    }

    /// Finished (§4.4.4), with the secret that is in force.
    fn on_finished(
        mut flight: Flight,
        message: &HandshakeBytes,
        secret: &TrafficSecret,
    ) -> Result<AnsweredLater, Abort> {
        let finished: Finished<'_> = expect(message)?;
        let hash = flight.request.transcript.current();
        if !secret.finished_key().verify(&hash, finished.verify_data) {
            return Err(Violation::FinishedMismatch.into());
        }
        Ok(AnsweredLater {
            id: flight.request.id,
            shown: flight.shown.zip(flight.scheme),
        })
    }
}

/// §4.2.5: the certificate has what was asked for. What is no certificate has nothing.
pub(in super::super) fn check_filters(
    config: &ServerOptions,
    shown: &Presented,
) -> Result<(), Violation> {
    let leaf = shown.certificates().first();
    let mut filters = config.oid_filters.iter();
    match filters.all(|one| leaf.is_some_and(|leaf| one.is_met(leaf))) {
        true => Ok(()),
        false => Err(Violation::OidFiltersNotMet),
    }
}

impl core::fmt::Debug for PostHandshakeServer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PostHandshakeServer(..)")
    }
}

impl AsksLater for PostHandshakeServer {
    fn request(&self) -> Result<AuthenticationId, Misuse> {
        if self.information.0.alpn.as_deref() == Some(b"h2") {
            return Err(Misuse::new(
                "request_client_certificate: HTTP/2 forbids it (RFC 9113 §9.2.3); offer http/1.1 alone where certificates \
                 are asked for, or ask in the handshake",
            ));
        }
        let mut context = [0; 16];
        Random::system()
            .fill(&mut context)
            .map_err(|_| Misuse::new("request_client_certificate: there are no random bytes"))?;
        let mut message = Vec::new();
        // They are as good as any: whoever sees the context sees these, too.
        let grease = context.first_chunk().filter(|_| self.config.grease);
        put_certificate_request(&mut message, &context, &self.config, grease.copied());
        if message.len() > MAX_RUN {
            return Err(Misuse::new(format!(
                "request_client_certificate: the request would have {} bytes with the names of all authorities, and \
                 may have 32 KiB; name fewer, or turn send_certificate_authorities off",
                message.len()
            )));
        }
        let mut transcript = self.transcript.clone();
        transcript.add(Hashed::new(&message));
        let mut state = locked(&self.state);
        let open = state.requests.len() + state.answered.len();
        if open + usize::from(state.flight.is_some()) >= MAX_OPEN {
            return Err(Misuse::new(format!(
                "request_client_certificate: the client has not answered {MAX_OPEN} requests yet; wait for one"
            )));
        }
        let id = AuthenticationId(state.next);
        state.next += 1;
        state.requests.push(Requested {
            id,
            context,
            transcript,
        });
        state.out.push_back((Some(id), message));
        Ok(id)
    }

    #[cfg(test)]
    fn contexts(&self) -> Vec<Vec<u8>> {
        let state = locked(&self.state);
        let requests = state.requests.iter();
        requests.map(|request| request.context.to_vec()).collect()
    }

    fn next(&self) -> Option<Box<AnsweredLater>> {
        locked(&self.state).answered.pop_front()
    }

    fn begin(&self, answered: AnsweredLater, now: UnixTime) -> Result<Progress, Abort> {
        let Some((shown, scheme)) = answered.shown else {
            return match &self.config.client_authentication {
                ClientAuthentication::Required(_) => Err(Violation::NoClientCertificate.into()),
                _ => Ok(Progress::Done(AuthenticationStep::Declined)),
            };
        };
        let judge = Judge::of_client(&self.config);
        match judge.verify(&shown, now)? {
            Some(proof) => self.issue(proof, scheme, now),
            None => {
                let question = judge.ask(&shown, now);
                let paused = VerifyingLater(shown, scheme);
                Ok(Progress::VerifyChain(question, Box::new(paused)))
            }
        }
    }

    fn judged(
        &self,
        VerifyingLater(shown, scheme): VerifyingLater,
        answer: AnswerContent,
        now: UnixTime,
    ) -> Result<Progress, Abort> {
        let proof = Judge::of_client(&self.config).on_answer(answer, &shown)?;
        self.issue(proof, scheme, now)
    }

    fn issued(
        &self,
        paused: IssuingLater,
        answer: AnswerContent,
        now: UnixTime,
    ) -> Result<Progress, Abort> {
        let IssuingLater {
            nonce,
            session,
            chain,
        } = paused;
        match answer {
            AnswerContent::ConfiguredTickets => self.seal(nonce, &session, now)?,
            AnswerContent::Tickets(tickets) => {
                check_tickets(&tickets, 1, MAX_TICKET)?;
                if let Some(ticket) = tickets.first() {
                    self.send_ticket(nonce, &session, ticket);
                }
            }
            _ => return Err(wrong_answer()),
        }
        Ok(Progress::Done(AuthenticationStep::Presented(chain)))
    }
}

impl Authentication for PostHandshakeServer {
    fn longest(&self, typ: HandshakeType) -> Result<usize, Violation> {
        use HandshakeType as T;
        let state = locked(&self.state);
        let is_certificate = matches!(typ, T::CERTIFICATE | T::COMPRESSED_CERTIFICATE);
        match (&state.flight, typ) {
            (_, T::CERTIFICATE_REQUEST) => Err(Violation::UnexpectedPostHandshakeMessage),
            (None, _) if is_certificate && !state.requests.is_empty() => Ok(usize::MAX),
            (None, _) => Err(Violation::UnaskedCertificate),
            (Some(flight), T::CERTIFICATE_VERIFY)
                if flight.shown.is_some() && flight.scheme.is_none() =>
            {
                Ok(usize::MAX)
            }
            (Some(flight), T::FINISHED) if flight.shown.is_some() == flight.scheme.is_some() => {
                Ok(usize::MAX)
            }
            (Some(_), _) => Err(Violation::AuthenticationInterleaved),
        }
    }

    fn on_message(&self, message: &HandshakeBytes, secret: &TrafficSecret) -> Result<bool, Abort> {
        // Only the reader comes here, so nobody else looks at it meanwhile.
        let flight = locked(&self.state).flight.take();
        let flight = match (flight, message.typ()) {
            (None, _) => self.on_certificate(message)?,
            (Some(flight), HandshakeType::FINISHED) => {
                let answered = Self::on_finished(flight, message, secret)?;
                locked(&self.state).answered.push_back(Box::new(answered));
                return Ok(false);
            }
            (Some(flight), _) => self.on_verify(flight, message)?,
        };
        locked(&self.state).flight = Some(flight);
        Ok(true)
    }

    fn waiting(&self) -> usize {
        let state = locked(&self.state);
        state.out.front().map_or(0, |(_, message)| message.len())
    }

    fn take(&self, _: &TrafficSecret) -> Vec<u8> {
        let mut state = locked(&self.state);
        let (request, message) = state.out.pop_front().unwrap_or_default();
        state.sent = request;
        message
    }

    fn is_answered(&self) -> bool {
        let state = locked(&self.state);
        let is_open = |sent| state.requests.iter().any(|request| request.id == sent);
        state.sent.is_some_and(|sent| !is_open(sent))
    }

    fn shown(&self) -> Option<Arc<Sha256Digest>> {
        None
    }
}
