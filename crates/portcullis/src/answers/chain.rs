//! The judge of the peer's chain, certificate by certificate.

use std::future::Future;

use portcullis_core::question::{Answer, VerifyChain};
use portcullis_core::x509::{
    CertificateError, ChainWalk, Interest, Judgement, RevocationCheck, WalkStep,
};
use rustls_pki_types::CertificateDer;

use super::{Answers, Questions, RevocationLists};

/// What comes of a judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is accepted, also if it was [bad](portcullis_core::x509::Finding::Bad): then it is among the
    /// overrides of the proof. Everything else about the chain is judged all the same.
    Valid,
    /// It is refused, and another path is tried, if there is one.
    Fail(CertificateError),
    /// It is judged by default: what is bad is refused, and so is a critical extension that is
    /// not processed.
    Unknown,
}

/// Judges what is found about the certificates of a peer, with a state that goes along: by the walk from the anchor to
/// the peer, by the OCSP responses that came along, and by the revocation lists that the configuration
/// [asks](crate::config::ClientConfigBuilder::crl_check), in this order.
///
/// Closures are judges by [`ChainAnswers::verify_fun`].
pub trait VerifyFun: Send + Sync + 'static {
    /// What is carried from one judgement to the next.
    type State: Clone + Send + 'static;

    /// The state at the beginning of each path that is tried.
    fn begin(&self) -> Self::State;

    /// Which findings are judged. Default: all.
    fn interest(&self) -> Interest {
        Interest::ALL
    }

    /// Judges one finding. Erlang's `verify_fun`: `{bad_cert, …}`, `{extension, …}`, `valid` and
    /// `valid_peer` are [`Finding`](portcullis_core::x509::Finding)s.
    ///
    /// # Cancel safety
    /// The future is dropped when the handshake is dropped or times out; there is no verdict then.
    fn judge(
        &self,
        judgement: Judgement,
        state: Self::State,
    ) -> impl Future<Output = (Verdict, Self::State)> + Send;
}

/// Knows which certificate of a chain without an anchor is trusted.
///
/// Closures are such by [`ChainAnswers::partial_chain`].
pub trait PartialChain: Send + Sync + 'static {
    /// Whether it is asked at all.
    fn is_asked(&self) -> bool {
        true
    }

    /// The place of the certificate that is trusted as an anchor, if one is. They come root side
    /// first, and the peer's own is the last.
    ///
    /// # Cancel safety
    /// The future is dropped when the handshake is dropped or times out; nothing is trusted then.
    fn trusted(
        &self,
        certificates: Vec<CertificateDer<'static>>,
    ) -> impl Future<Output = Option<usize>> + Send;
}

/// Nobody: everything is judged by default, and nothing is trusted.
#[derive(Clone, Copy, Debug)]
pub struct ByDefault;

impl VerifyFun for ByDefault {
    type State = ();

    fn begin(&self) {}

    fn interest(&self) -> Interest {
        Interest::ERRORS
    }

    async fn judge(&self, _: Judgement, (): ()) -> (Verdict, ()) {
        (Verdict::Unknown, ())
    }
}

impl PartialChain for ByDefault {
    fn is_asked(&self) -> bool {
        false
    }

    async fn trusted(&self, _: Vec<CertificateDer<'static>>) -> Option<usize> {
        None
    }
}

/// A closure that judges.
#[derive(Clone, Debug)]
pub struct Judge<S, F> {
    initial: S,
    judge: F,
}

impl<S, F, Fut> VerifyFun for Judge<S, F>
where
    S: Clone + Send + Sync + 'static,
    F: Fn(Judgement, S) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = (Verdict, S)> + Send,
{
    type State = S;

    fn begin(&self) -> S {
        self.initial.clone()
    }

    fn judge(&self, judgement: Judgement, state: S) -> impl Future<Output = (Verdict, S)> + Send {
        (self.judge)(judgement, state)
    }
}

/// A closure that knows which certificate is trusted.
#[derive(Clone, Debug)]
pub struct Trusted<F>(F);

impl<F, Fut> PartialChain for Trusted<F>
where
    F: Fn(Vec<CertificateDer<'static>>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Option<usize>> + Send,
{
    fn trusted(
        &self,
        certificates: Vec<CertificateDer<'static>>,
    ) -> impl Future<Output = Option<usize>> + Send {
        (self.0)(certificates)
    }
}

/// Answers about the peer's chain; see [`chain`].
#[derive(Clone, Debug)]
pub struct ChainAnswers<V = ByDefault, P = ByDefault> {
    judge: V,
    partial: P,
}

/// Answers that judge the peer's chain certificate by certificate, where the configuration's
/// verification alone is not what is wanted. A peer with a raw public key has no chain: it is
/// verified as configured.
///
/// ```
/// use portcullis::answers::{self, Verdict};
/// use portcullis::x509::{CertificateErrorKind, Finding};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (connector, _) = dev_ends();
/// // What has expired is accepted, and how often that was so is carried along.
/// let answers = answers::chain().verify_fun(0, |judgement, expired| async move {
///     match judgement.finding() {
///         Finding::Bad(error) if matches!(error.kind(), CertificateErrorKind::Expired { .. }) => {
///             (Verdict::Valid, expired + 1)
///         }
///         _ => (Verdict::Unknown, expired),
///     }
/// });
/// let connector = connector.answers(answers);
/// # Ok(())
/// # }
/// ```
pub fn chain() -> ChainAnswers {
    ChainAnswers {
        judge: ByDefault,
        partial: ByDefault,
    }
}

impl<V, P> ChainAnswers<V, P> {
    /// Lets a function judge: it gets what was found and the state, and gives a verdict and the
    /// state. Each path that is tried begins with the initial state.
    pub fn verify_fun<S, F, Fut>(self, initial: S, judge: F) -> ChainAnswers<Judge<S, F>, P>
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(Judgement, S) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = (Verdict, S)> + Send + 'static,
    {
        self.judge(Judge { initial, judge })
    }

    /// Lets somebody judge.
    pub fn judge<W: VerifyFun>(self, judge: W) -> ChainAnswers<W, P> {
        ChainAnswers {
            judge,
            partial: self.partial,
        }
    }

    /// Lets a function say which certificate of a chain that leads to no anchor is trusted: it
    /// gets the certificates, root side first, and gives the place of one, or `None`. Only name,
    /// key, dates, name constraints and pathLenConstraint of that one count, and what is below is judged as
    /// ever.
    pub fn partial_chain<F, Fut>(self, trusted: F) -> ChainAnswers<V, Trusted<F>>
    where
        F: Fn(Vec<CertificateDer<'static>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<usize>> + Send + 'static,
    {
        ChainAnswers {
            judge: self.judge,
            partial: Trusted(trusted),
        }
    }
}

impl<V: VerifyFun, P: PartialChain> ChainAnswers<V, P> {
    /// Walks to the end, for [`Answers`] of one's own that do something else besides. The walk
    /// has to be one without steps so far.
    ///
    /// # Cancel safety
    /// Dropped, the walk is where it was; it must not be walked on by these answers, because
    /// their state is lost.
    pub async fn drive(&self, walk: ChainWalk) -> ChainWalk {
        self.walk(walk).await.0
    }

    /// Walks to the end, and gives the state that the judge has come to.
    async fn walk(&self, walk: ChainWalk) -> (ChainWalk, V::State) {
        let mut walk = walk.interest(self.judge.interest().and_paths());
        let mut state = self.judge.begin();
        loop {
            match walk.step() {
                WalkStep::Path(start) => {
                    state = self.judge.begin();
                    if start.is_anchored() || !self.partial.is_asked() {
                        continue;
                    }
                    let certificates = start.certificates().cloned().collect();
                    match self.partial.trusted(certificates).await {
                        Some(place) => start.trust(place),
                        None => start.go_on(),
                    }
                }
                WalkStep::Judge(pending) => {
                    let judgement = pending.judgement();
                    let verdict;
                    (verdict, state) = self.judge.judge(judgement, state).await;
                    match verdict {
                        Verdict::Valid => pending.accept(),
                        Verdict::Fail(error) => pending.refuse(error),
                        Verdict::Unknown => pending.unknown(),
                    }
                }
                WalkStep::Done => return (walk, state),
                // By default.
                _ => {}
            }
        }
    }

    /// Asks lists about a path that was walked, and lets the judge judge what they say.
    async fn look(
        &self,
        mut check: RevocationCheck,
        mut state: V::State,
        lists: &RevocationLists,
    ) -> Option<RevocationCheck> {
        loop {
            check = lists.look(check).await?;
            let Some(judgement) = check.fault() else {
                return Some(check);
            };
            let verdict;
            (verdict, state) = self.judge.judge(judgement, state).await;
            match verdict {
                Verdict::Valid => check.accept(),
                Verdict::Fail(error) => check.refuse(error),
                Verdict::Unknown => return Some(check),
            }
        }
    }
}

impl<V: VerifyFun, P: PartialChain> Answers for ChainAnswers<V, P> {
    fn questions(&self) -> Questions {
        Questions::none().and_chain()
    }

    async fn verify_chain(&self, question: VerifyChain) -> Answer {
        let walk = self.drive(question.walk()).await;
        question.conclude(walk)
    }

    async fn verify_chain_with_lists(
        &self,
        question: VerifyChain,
        lists: RevocationLists,
    ) -> Answer {
        let (walk, state) = self.walk(question.walk()).await;
        let check = match question.revocation_check_of(walk) {
            Ok(check) => check,
            Err(error) => return question.refuse(error),
        };
        match self.look(check, state, &lists).await {
            Some(check) => question.with_revocation(check).verify(),
            // Without lists.
            None => question.verify(),
        }
    }
}
