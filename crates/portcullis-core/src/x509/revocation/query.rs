//! What is asked for lists, and the machine that asks.

use core::time::Duration;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::crl::Crl;
use super::decide::{Decision, Halt};
use super::path::CheckedPath;
use crate::x509::chain::{PresentedChain, VerifiedChain};
use crate::x509::error::CertificateError;
use crate::x509::policy::ChainPolicy;
use crate::x509::verify::verify_path;
use crate::x509::walk::Judgement;

/// Which certificates are looked for in revocation lists, and what becomes of a peer where that cannot be told.
/// Default: [`off`](Self::off).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrlCheck {
    scope: Option<Scope>,
    accepts_undetermined: bool,
}

type WithoutLists =
    fn(VerifiedChain, UnixTime, &ChainPolicy) -> Result<VerifiedChain, CertificateError>;

/// Of which certificates, and what decides.
#[derive(Clone, Copy)]
struct Scope {
    is_chain: bool,
    /// What reads lists is called through these pointers alone: a program that wants none is linked without it.
    decide: fn(&mut RevocationCheck),
    without_lists: WithoutLists,
}

impl Scope {
    const CHAIN: Self = Self {
        is_chain: true,
        decide: RevocationCheck::decide,
        without_lists: |proof, now, policy| RevocationCheck::of(proof, now, policy).conclude(),
    };
    const PEER: Self = Self {
        is_chain: false,
        ..Self::CHAIN
    };
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.is_chain == other.is_chain
    }
}

impl Eq for Scope {}

impl core::fmt::Debug for Scope {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self.is_chain {
            true => "Chain",
            false => "Peer",
        })
    }
}

impl CrlCheck {
    /// None.
    pub const fn off() -> Self {
        Self {
            scope: None,
            accepts_undetermined: false,
        }
    }

    /// Each on the way from the trust anchor to the peer, but for the anchor. What cannot be determined is refused.
    pub const fn chain() -> Self {
        Self {
            scope: Some(Scope::CHAIN),
            accepts_undetermined: false,
        }
    }

    /// That of the peer alone. What cannot be determined is refused.
    pub const fn peer() -> Self {
        Self {
            scope: Some(Scope::PEER),
            accepts_undetermined: false,
        }
    }

    /// As [`chain`](Self::chain), but what cannot be determined is accepted: whoever can keep the lists away from
    /// here, as an attacker on the path often can, is let in with a certificate that was revoked.
    pub const fn best_effort() -> Self {
        Self::chain().or_accept()
    }

    /// The same, but what cannot be determined is accepted.
    #[must_use]
    pub const fn or_accept(mut self) -> Self {
        self.accepts_undetermined = self.scope.is_some();
        self
    }

    /// Whether any is looked for.
    pub const fn is_on(self) -> bool {
        self.scope.is_some()
    }

    /// What becomes of a chain where there are no lists.
    pub(in crate::x509) fn without_lists(
        self,
        proof: VerifiedChain,
        now: UnixTime,
        policy: &ChainPolicy,
    ) -> Result<VerifiedChain, CertificateError> {
        match self.scope {
            Some(scope) => (scope.without_lists)(proof, now, policy),
            None => Ok(proof),
        }
    }

    pub(super) const fn is_of_chain(self) -> bool {
        matches!(self.scope, Some(Scope { is_chain: true, .. }))
    }

    /// Whether a peer is accepted of which nothing can be determined.
    pub const fn accepts_undetermined(self) -> bool {
        self.accepts_undetermined
    }
}

/// Which lists are wanted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CrlQueryKind {
    /// Those at a distribution point that the certificate names.
    Point,
    /// Those of an issuer, whatever point they are of.
    Issuer,
    /// Delta lists at a point that the certificate, or a list that is genuine, names.
    Delta,
    /// A newer one in the place of this one, which is over.
    Fresh(Arc<Crl>),
    /// Others than these, which were found at the point, or of the issuer where the query has no
    /// [`uris`](CrlQuery::uris), and do not suffice: not genuine, say, or for some reasons only.
    Further(Vec<Arc<Crl>>),
}

/// Wants revocation lists. What is answered is examined: it may be too much, or not genuine.
#[derive(Clone, Debug)]
pub struct CrlQuery {
    pub(super) kind: CrlQueryKind,
    pub(super) uris: Vec<String>,
    /// Names with their headers; at least one.
    pub(super) issuers: Vec<Vec<u8>>,
    pub(super) resumption: bool,
    pub(super) authenticated: bool,
    pub(super) now: UnixTime,
    pub(super) budget: Duration,
}

impl CrlQuery {
    /// Which lists are wanted.
    pub fn kind(&self) -> &CrlQueryKind {
        &self.kind
    }

    /// Where they are, as the certificate says; empty when they are wanted of an issuer. Unless this
    /// [is authenticated](Self::is_authenticated) it may be anybody who says so.
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// Who has issued them: DER-encoded Names, any of which will do.
    pub fn issuers(&self) -> impl Iterator<Item = &[u8]> {
        self.issuers.iter().map(Vec::as_slice)
    }

    /// Whether only what is in memory is to be given: a session is about to be resumed, and the alternative is a full
    /// handshake, or nobody who is trusted stands behind what is asked.
    pub fn is_memory_only(&self) -> bool {
        self.resumption || !self.authenticated
    }

    /// Whether an authority that leads to a trust anchor says by its signature where the lists are. Not so if somebody
    /// has accepted a chain with a fault that leaves that open: then nobody is asked over the network.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// The time of the handshake.
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// How long the handshake waits for an answer.
    pub fn budget(&self) -> Duration {
        self.budget
    }

    /// Wants only what is in memory.
    #[must_use]
    pub fn from_memory(mut self) -> Self {
        self.resumption = true;
        self
    }

    /// Sets how long the answer may take.
    #[must_use]
    pub fn within(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }
}

/// What came of a query.
#[derive(Clone, Debug)]
pub(super) enum Answered {
    Lists(Vec<Arc<Crl>>),
    Nothing(Option<String>),
    /// What was wrong here is accepted.
    Accepted,
}

/// A chain that was verified, and whose certificates are looked for in revocation lists: a machine without I/O.
///
/// [`query`](Self::query) says what it wants to know; it gets that by [`answer`](Self::answer) or
/// [`answer_nothing`](Self::answer_nothing); when there is nothing more it wants, [`conclude`](Self::conclude) gives
/// the proof. On the way somebody may be shown what is wrong ([`fault`](Self::fault)), and may
/// [accept](Self::accept) it.
#[derive(Debug)]
pub struct RevocationCheck {
    pub(super) proof: VerifiedChain,
    pub(super) path: Arc<CheckedPath>,
    pub(super) policy: Arc<ChainPolicy>,
    pub(super) now: UnixTime,
    pub(super) resumption: bool,
    /// Whether somebody who is trusted stands behind what the certificates say of lists.
    pub(super) authenticated: bool,
    answers: Vec<Answered>,
    state: State,
    /// What was accepted although it could not be determined.
    undetermined: Vec<CertificateError>,
    /// What somebody has accepted.
    overrides: Vec<CertificateError>,
}

#[derive(Debug)]
enum State {
    Asking(Box<CrlQuery>),
    /// Something is wrong with the certificate at a place of the path.
    Faulty(usize, CertificateError),
    Decided(Result<(), CertificateError>),
}

impl RevocationCheck {
    /// Verifies a chain but for revocation: that of the server of this name, or of a client.
    ///
    /// # Errors
    /// Why it is not accepted, whatever the lists say.
    pub fn begin(
        chain: &PresentedChain,
        server_name: Option<&ServerName<'_>>,
        now: UnixTime,
        policy: &ChainPolicy,
    ) -> Result<Self, CertificateError> {
        let proof = verify_path(chain, server_name.map(ServerName::to_owned), now, policy)?;
        Ok(Self::of(proof, now, policy))
    }

    /// Of a chain that was verified but for revocation. What was accepted although it is wrong excuses nothing here; but
    /// where it is still open who says where the lists are, they are asked for in memory alone.
    pub(crate) fn of(proof: VerifiedChain, now: UnixTime, policy: &ChainPolicy) -> Self {
        let mut this = Self {
            path: Arc::new(proof.checked_path()),
            authenticated: proof.is_vouched_for(),
            proof,
            policy: Arc::new(policy.clone()),
            now,
            resumption: false,
            answers: Vec::new(),
            state: State::Decided(Ok(())),
            undetermined: Vec::new(),
            overrides: Vec::new(),
        };
        this.advance();
        this
    }

    /// Asks for what is in memory only.
    #[must_use]
    pub(crate) fn of_resumption(mut self, resumption: bool) -> Self {
        self.resumption = resumption;
        self.advance();
        self
    }

    /// The time that counts.
    pub(crate) const fn now(&self) -> UnixTime {
        self.now
    }

    /// What it wants to know; `None` when it knows enough.
    pub fn query(&self) -> Option<&CrlQuery> {
        match &self.state {
            State::Asking(query) => Some(query),
            State::Faulty(..) | State::Decided(_) => None,
        }
    }

    /// These are the lists that it wants, or may be: what is not genuine, old, or about something else is passed over.
    pub fn answer(&mut self, lists: Vec<Arc<Crl>>) {
        self.answers.push(Answered::Lists(lists));
        self.advance();
    }

    /// There are none, for this reason if one is known, which becomes part of the error.
    pub fn answer_nothing(&mut self, why: Option<String>) {
        self.answers.push(Answered::Nothing(why));
        self.advance();
    }

    /// What is wrong with a certificate: that it is revoked, or that this cannot be told. [`conclude`](Self::conclude)
    /// refuses the chain for it; whoever may think otherwise goes on with [`accept`](Self::accept), and then there may be
    /// another [`query`](Self::query), or another fault.
    pub fn fault(&self) -> Option<Judgement> {
        let State::Faulty(place, error) = &self.state else {
            return None;
        };
        let certificates = self.path.certificates();
        let position = certificates.len().saturating_sub(place + 1);
        let certificate = certificates.get(*place)?;
        let chain = self.proof.chain();
        Some(Judgement::of_path(chain, certificate, position, error))
    }

    /// Accepts the [`fault`](Self::fault), if there is one: it is among the [`overrides`](VerifiedChain::overrides) of
    /// the proof, and everything else is looked at all the same.
    pub fn accept(&mut self) {
        if let State::Faulty(..) = self.state {
            self.answers.push(Answered::Accepted);
            self.advance();
        }
    }

    /// Refuses the chain.
    pub fn refuse(&mut self, error: CertificateError) {
        self.state = State::Decided(Err(error));
    }

    /// What was accepted although it could not be determined, as errors that would have been: with
    /// [`or_accept`](CrlCheck::or_accept).
    pub fn undetermined(&self) -> &[CertificateError] {
        &self.undetermined
    }

    /// The proof. What is still wanted then is answered with nothing.
    ///
    /// # Errors
    /// That a certificate is revoked, or that it cannot be told.
    pub fn conclude(mut self) -> Result<VerifiedChain, CertificateError> {
        while self.query().is_some() {
            self.answer_nothing(None);
        }
        match self.state {
            State::Decided(Ok(())) => Ok(self.proof.with_overrides(self.overrides)),
            State::Faulty(_, error) | State::Decided(Err(error)) => Err(error),
            // Every answer leads to an end, of which there is a bound.
            State::Asking(_) => Err(CertificateError::malformed_at(0)),
        }
    }

    fn advance(&mut self) {
        match self.policy.crl_check.scope {
            Some(scope) => (scope.decide)(self),
            None => self.state = State::Decided(Ok(())),
        }
    }

    /// Decides from the start, by the answers so far: a question is the place where these end. So there is no state
    /// in between, and the same answers always lead the same way.
    fn decide(&mut self) {
        let mut decision = Decision::new(self, &self.answers);
        let end = decision.decide();
        let undetermined = core::mem::take(&mut decision.undetermined);
        let overrides = core::mem::take(&mut decision.overrides);
        self.state = match end {
            Ok(()) => State::Decided(Ok(())),
            Err(Halt::Ask(query)) => State::Asking(query),
            Err(Halt::Fault(place, error)) => State::Faulty(place, error),
            Err(Halt::Refuse(error)) => State::Decided(Err(error)),
        };
        (self.undetermined, self.overrides) = (undetermined, overrides);
    }

    /// The certificates that came with the peer's, or are trusted.
    pub(super) fn others(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        let presented = self.proof.chain().certificates().iter();
        let helpers = self.policy.intermediates.iter();
        presented
            .chain(helpers)
            .chain(self.policy.roots.certificates())
    }
}
