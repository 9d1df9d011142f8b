//! Whether a peer's certificate was revoked: what a handshake asks for lists, and a source answers.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::config::ClientConfig;
use portcullis_core::question::{Answer, VerifyChain};
use portcullis_core::session::ClientSession;
use portcullis_core::x509::{Crl, RevocationCheck};
use portcullis_crl_fetch::{CrlSource, Lookup, ask};
use rustls_pki_types::UnixTime;
use tokio::time::{Instant, timeout_at};

use crate::answers::{AnswerFuture, SharedAnswers};
use crate::log_level::{LogLevel, log_at};

/// Lists that have so many bytes together are verified where nobody waits for the thread.
const LONG: usize = 256 * 1024;

type Sifting = Pin<Box<dyn Future<Output = Vec<ClientSession>> + Send>>;

/// A source of lists, shared by the handshakes of a connector or acceptor and its clones. What asks it is called through
/// pointers alone: a program that has no source is linked without it.
#[derive(Clone)]
pub(crate) struct Crls {
    source: Arc<dyn CrlSource>,
    answer: fn(&Self, VerifyChain, SharedAnswers, Duration, Option<LogLevel>) -> AnswerFuture,
    sift: fn(Self, Vec<ClientSession>, ClientConfig, Duration) -> Sifting,
}

impl Crls {
    pub(crate) fn new(source: Arc<dyn CrlSource>) -> Self {
        Self {
            source,
            answer: Self::answer_by_lists,
            sift: |this, sessions, config, budget| {
                Box::pin(this.sift_by_lists(sessions, config, budget))
            },
        }
    }

    /// Looks for the peer's certificates in lists, for no longer than the budget, and lets the others answer: to them it
    /// is as if the configuration had decided.
    pub(crate) fn answer(
        &self,
        question: VerifyChain,
        others: SharedAnswers,
        budget: Duration,
        log: Option<LogLevel>,
    ) -> AnswerFuture {
        (self.answer)(self, question, others, budget, log)
    }

    fn answer_by_lists(
        &self,
        question: VerifyChain,
        others: SharedAnswers,
        budget: Duration,
        log: Option<LogLevel>,
    ) -> AnswerFuture {
        let lists = RevocationLists {
            source: Arc::clone(&self.source),
            budget,
            deadline: Instant::now() + budget,
            log,
        };
        Box::pin(async move {
            match others.questions().chain {
                false => lists.ask_about(question).await.verify(),
                true => others.verify_with_lists(question, lists).await,
            }
        })
    }

    /// Leaves those sessions that the configuration may offer: by what is in memory, nothing that their servers had
    /// shown is revoked. The others make room for a full handshake, in which more is asked.
    pub(crate) fn sift(
        self,
        sessions: Vec<ClientSession>,
        config: ClientConfig,
        budget: Duration,
    ) -> Sifting {
        (self.sift)(self, sessions, config, budget)
    }

    async fn sift_by_lists(
        self,
        mut sessions: Vec<ClientSession>,
        config: ClientConfig,
        budget: Duration,
    ) -> Vec<ClientSession> {
        let now = UnixTime::now();
        let mut at = 0;
        // In their place: each has a key in it.
        while let Some(session) = sessions.get_mut(at) {
            let is_offered = match session.revocation_check(&config, now) {
                Ok(None) => true,
                Ok(Some(check)) => look(&*self.source, check, budget, Instant::now() + budget)
                    .await
                    .is_some_and(|check| session.note_revocation(check)),
                // A full handshake will say why.
                Err(_) => false,
            };
            match is_offered {
                true => at += 1,
                false => drop(sessions.remove(at)),
            }
        }
        sessions
    }
}

/// The [source of revocation lists](crate::TlsConnector::crls) for one question about a peer's chain, and what is left
/// of the time that the handshake has for it: half of its timeout, 5 s at most, in all.
pub struct RevocationLists {
    source: Arc<dyn CrlSource>,
    budget: Duration,
    deadline: Instant,
    log: Option<LogLevel>,
}

impl RevocationLists {
    /// Looks for the certificates in lists, until there is nothing more to be asked or something is
    /// [wrong](RevocationCheck::fault). `None` if that was interrupted because the runtime shuts down: then nothing is
    /// known.
    ///
    /// # Cancel safety
    /// Dropped, the check is lost, and nothing else.
    pub async fn look(&self, check: RevocationCheck) -> Option<RevocationCheck> {
        let check = look(&*self.source, check, self.budget, self.deadline).await?;
        if check.fault().is_none() {
            for error in check.undetermined() {
                log_at!(self.log, WARN, %error, "accepted all the same");
            }
        }
        Some(check)
    }

    /// Looks for the certificates of the chain as the configuration verifies it, so that
    /// [`check`](VerifyChain::check) and [`verify`](VerifyChain::verify) say what lists say. If the chain is not to be
    /// trusted anyway nothing is asked.
    ///
    /// # Cancel safety
    /// Dropped, the question is lost.
    pub async fn ask_about(&self, question: VerifyChain) -> VerifyChain {
        match question.revocation_check() {
            Ok(check) => match self.look(check).await {
                Some(check) => question.with_revocation(check),
                None => question,
            },
            // Whoever answers finds out, too.
            Err(_) => question,
        }
    }

    /// Does what is [still to be done](Answer::take_revocation_check) before an answer is one.
    ///
    /// # Cancel safety
    /// Dropped, the answer is lost.
    pub async fn finish(&self, mut answer: Answer) -> Answer {
        match answer.take_revocation_check() {
            None => answer,
            Some(check) => match self.look(check).await {
                Some(check) => answer.with_revocation(check),
                // It says so.
                None => answer,
            },
        }
    }
}

impl fmt::Debug for RevocationLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationLists")
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// Answers what is asked; `None` if that was interrupted, so that nothing is known.
async fn look(
    source: &dyn CrlSource,
    mut check: RevocationCheck,
    budget: Duration,
    deadline: Instant,
) -> Option<RevocationCheck> {
    while let Some(query) = check.query() {
        let left = deadline.saturating_duration_since(Instant::now());
        let query = query.clone().within(left);
        let found = match timeout_at(deadline, ask(source, &query)).await {
            Ok(Lookup::Found(lists)) => Ok(lists),
            Ok(Lookup::NotAvailable(why)) => Err(why),
            Err(_) => Err(Some(format!(
                "the source of CRLs took longer than {budget:?}"
            ))),
        };
        let unverified = |list: &&Arc<Crl>| !list.is_verified();
        match found {
            Ok(lists) => {
                let bytes: usize = lists
                    .iter()
                    .filter(unverified)
                    .map(|list| list.bytes())
                    .sum();
                if bytes < LONG {
                    check.answer(lists);
                    continue;
                }
                let verifying = tokio::task::spawn_blocking(move || {
                    check.answer(lists);
                    check
                });
                check = verifying.await.ok()?;
            }
            Err(why) => check.answer_nothing(why),
        }
    }
    Some(check)
}

impl fmt::Debug for Crls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crls").finish_non_exhaustive()
    }
}
