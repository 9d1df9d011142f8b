//! Whether the peer is who its certificates say, and whether that is enough.

use std::sync::Arc;

use rustls_pki_types::{ServerName, UnixTime};

use super::{Answer, AnswerContent, ExpectedPeer, QuestionId};
use crate::apart::Apart;
use crate::x509::{
    CertificateError, ChainPolicy, ChainWalk, PresentedChain, RevocationCheck, Roots, VerifiedChain,
};

/// The peer has shown a certificate chain.
#[derive(Debug)]
pub struct VerifyChain {
    pub(crate) id: QuestionId,
    pub(crate) chain: PresentedChain,
    pub(crate) purpose: ExpectedPeer,
    pub(crate) policy: Option<Arc<ChainPolicy>>,
    pub(crate) resumed: bool,
    pub(crate) now: UnixTime,
    /// What a check of revocation has ended in. Hardly any question has one.
    pub(crate) concluded: Option<Arc<Result<VerifiedChain, CertificateError>>>,
}

impl VerifyChain {
    /// The chain as the peer sent it: its own certificate first.
    pub fn chain(&self) -> &PresentedChain {
        &self.chain
    }

    /// The name the server must have; `None` when the peer is a client.
    pub fn server_name(&self) -> Option<&ServerName<'static>> {
        match &self.purpose {
            ExpectedPeer::Server(name) => Some(name),
            ExpectedPeer::Client => None,
        }
    }

    /// Whether the peer had shown the chain when the session began that is being resumed: that
    /// it has the key was proved then.
    pub fn is_resumption(&self) -> bool {
        self.resumed
    }

    /// The time of the handshake.
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// Whether the configuration wants certificates looked for in revocation lists
    /// ([`crl_check`](crate::config::ClientConfigBuilder::crl_check)), which is still to be done.
    pub fn wants_crls(&self) -> bool {
        let policy = self.policy.as_deref();
        self.concluded.is_none() && policy.is_some_and(ChainPolicy::checks_crls)
    }

    /// Verifies as configured up to where it asks for revocation lists. What this ends in,
    /// [`with_revocation`](Self::with_revocation) puts into the question. Without it [`check`](Self::check) and [`verify`](Self::verify) have no lists, so that
    /// nothing can be determined, and a configuration that does not accept that refuses.
    ///
    /// # Errors
    /// Why the chain is not to be trusted, whatever the lists say.
    pub fn revocation_check(&self) -> Result<RevocationCheck, CertificateError> {
        let Some(policy) = &self.policy else {
            return Err(CertificateError::rejected(
                crate::AlertDescription::INTERNAL_ERROR,
                "the configuration does not verify chains, so there is no path to look at",
            ));
        };
        let check = RevocationCheck::begin(&self.chain, self.server_name(), self.now, policy)?;
        Ok(check.of_resumption(self.resumed))
    }

    /// The same for what a [`walk`](Self::walk) of this question has come to. What is not judged yet is judged by
    /// default. Where something was accepted, lists are asked for in memory alone, unless that was only about dates,
    /// name or usage of the peer's own certificate: nobody goes where a stranger says that a list is.
    ///
    /// # Errors
    /// Why the chain is not to be trusted, whatever the lists say.
    pub fn revocation_check_of(
        &self,
        walk: ChainWalk,
    ) -> Result<RevocationCheck, CertificateError> {
        let proof = walk.into_proof()?;
        Ok(self.look_for(proof))
    }

    fn look_for(&self, proof: VerifiedChain) -> RevocationCheck {
        let none;
        let policy = match &self.policy {
            Some(policy) => policy,
            None => {
                none = ChainPolicy::new(Roots::empty());
                &none
            }
        };
        RevocationCheck::of(proof, self.now, policy).of_resumption(self.resumed)
    }

    /// From here on [`check`](Self::check) and [`verify`](Self::verify) say what this check has ended in. One of
    /// another chain ends the handshake.
    #[must_use]
    pub fn with_revocation(mut self, check: RevocationCheck) -> Self {
        self.concluded = Some(Arc::new(check.conclude()));
        self
    }

    /// Verifies as configured. The default.
    pub fn verify(self) -> Answer {
        let verdict = self.check();
        self.id.answer(AnswerContent::Chain(verdict))
    }

    /// Verifies as configured without answering yet, so that further checks can follow.
    ///
    /// # Errors
    /// Why the chain is not to be trusted.
    pub fn check(&self) -> Result<VerifiedChain, CertificateError> {
        if let Some(concluded) = &self.concluded {
            return (**concluded).clone();
        }
        match &self.policy {
            Some(policy) => self.purpose.clone().verify(&self.chain, policy, self.now),
            None => Ok(VerifiedChain::dangerous_accept_without_verification(
                self.chain.clone(),
            )),
        }
    }

    /// Verifies as configured step by step, so that each thing that is wrong, or that a certificate
    /// has, can be judged by rules of one's own. Where the configuration verifies nothing, everything is
    /// accepted that is not refused.
    ///
    /// ```
    /// # use portcullis_core as portcullis;
    /// use portcullis::question::{Answer, VerifyChain};
    /// use portcullis::x509::{CertificateErrorKind, Finding, WalkStep};
    ///
    /// fn answer(question: VerifyChain) -> Answer {
    ///     let mut walk = question.walk();
    ///     while let WalkStep::Judge(pending) = walk.step() {
    ///         let judgement = pending.judgement();
    ///         match judgement.finding() {
    ///             // The peer's own may have expired.
    ///             Finding::Bad(error)
    ///                 if judgement.index() == Some(0)
    ///                     && matches!(error.kind(), CertificateErrorKind::Expired { .. }) =>
    ///             {
    ///                 pending.accept();
    ///             }
    ///             _ => pending.default(),
    ///         }
    ///     }
    ///     question.conclude(walk)
    /// }
    /// ```
    pub fn walk(&self) -> ChainWalk {
        let policy = match &self.policy {
            Some(policy) => ChainPolicy::clone(policy),
            None => ChainPolicy::new(Roots::empty()).dangerous_lax(),
        };
        let name = self.server_name().cloned();
        ChainWalk::new(self.chain.clone(), name, self.now, policy)
    }

    /// Answers with what a [`walk`](Self::walk) of this question has come to. What is not judged yet is
    /// judged by default. One of another question ends the handshake.
    ///
    /// Where revocation lists are wanted, what they said ([`with_revocation`](Self::with_revocation)) holds for the path
    /// that they were asked about. For another one, and for one with a fault that was accepted, they are still to be
    /// asked: see [`Answer::take_revocation_check`].
    pub fn conclude(self, walk: ChainWalk) -> Answer {
        let content = match self.concluded_by(walk) {
            Ok(check) => AnswerContent::Unasked(Apart::new(check)),
            Err(verdict) => AnswerContent::Chain(verdict),
        };
        self.id.answer(content)
    }

    /// What is still to be asked, or the verdict.
    fn concluded_by(
        &self,
        walk: ChainWalk,
    ) -> Result<RevocationCheck, Result<VerifiedChain, CertificateError>> {
        let checks_crls = self.policy.as_deref().is_some_and(ChainPolicy::checks_crls);
        let known = match self.concluded.as_deref() {
            Some(Err(error)) => return Err(Err(error.clone())),
            Some(Ok(known)) => Some(known),
            None => None,
        };
        let proof = walk.into_proof().map_err(Err)?;
        match known.is_some_and(|known| proof.has_path_of(known)) || !checks_crls {
            true => Err(Ok(proof)),
            false => Ok(self.look_for(proof)),
        }
    }

    /// Accepts the peer with the proof that [`check`](Self::check) gave. One of another chain,
    /// for another name, or by another policy than the configuration's ends the handshake.
    pub fn accept(self, proof: VerifiedChain) -> Answer {
        self.id.answer(AnswerContent::Chain(Ok(proof)))
    }

    /// Accepts the peer without any proof.
    pub fn dangerous_accept_without_verification(self) -> Answer {
        let proof = VerifiedChain::dangerous_accept_without_verification(self.chain.clone());
        self.id.answer(AnswerContent::Chain(Ok(proof)))
    }

    /// Ends the handshake.
    pub fn refuse(self, error: CertificateError) -> Answer {
        self.id.answer(AnswerContent::Chain(Err(error)))
    }
}
