//! Whether a peer's certificate was revoked: what a handshake asks for lists, and a source answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::question::{Question, VerifyChain};
use portcullis_core::x509::{Crl, RevocationCheck};
use portcullis_crl_fetch::{CrlSource, Lookup, ask};
use tokio::time::{Instant, timeout_at};

use crate::answers::{AnswerFuture, SharedAnswers};

/// Lists that have so many bytes together are verified where nobody waits for the thread.
const LONG: usize = 256 * 1024;

/// A source of lists, shared by the handshakes of a connector or acceptor and its clones.
#[derive(Clone)]
pub(crate) struct Crls(Arc<dyn CrlSource>);

impl Crls {
    pub(crate) fn new(source: Arc<dyn CrlSource>) -> Self {
        Self(source)
    }

    /// Looks for the peer's certificates in lists, for no longer than the budget, and lets the others answer: to them it
    /// is as if the configuration had decided.
    pub(crate) fn answer(
        &self,
        question: VerifyChain,
        others: SharedAnswers,
        budget: Duration,
    ) -> AnswerFuture {
        let source = Arc::clone(&self.0);
        Box::pin(async move {
            let question = match question.revocation_check() {
                Ok(check) => match look(&*source, check, budget).await {
                    Some(check) => question.with_revocation(check),
                    None => question,
                },
                // The chain is not to be trusted, which whoever answers finds out, too.
                Err(_) => question,
            };
            match others.questions().chain {
                false => question.verify(),
                true => match others.answer(Question::VerifyChain(question)) {
                    Ok(answer) => answer,
                    Err(answering) => answering.await,
                },
            }
        })
    }
}

/// Answers what is asked; `None` if that was interrupted, so that nothing is known.
async fn look(
    source: &dyn CrlSource,
    mut check: RevocationCheck,
    budget: Duration,
) -> Option<RevocationCheck> {
    let deadline = Instant::now() + budget;
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
    for error in check.undetermined() {
        tracing::warn!(%error, "accepted all the same");
    }
    Some(check)
}

impl fmt::Debug for Crls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crls").finish_non_exhaustive()
    }
}
