//! A walk that somebody listens to: each thing that is to be judged is a step, which may be
//! answered at any time.

use core::fmt;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::finding::Fault;
use super::gate::Gate;
use super::steps::{Subject, dotted, is_processed};
use super::{Next, Walk};
use crate::x509::chain::{MAX_CERTIFICATES, PresentedChain, VerifiedChain};
use crate::x509::error::{CertificateError, CertificateErrorKind as Kind, Purpose};
use crate::x509::ocsp::{self, StapleFault};
use crate::x509::path::{Bad, Path, Top, Wanted};
use crate::x509::policy::ChainPolicy;
use crate::x509::revocation::RevocationCheck;

/// The judgement of a peer's chain, step by step: a machine that never waits, so that each verdict
/// may come from wherever it likes, and whenever.
///
/// A candidate path is judged from the anchor down, certificate by certificate: what is wrong, the
/// extensions, and that it is good; at the end what OCSP responses say against it. When one is refused, the next candidate is tried, and whoever
/// keeps a state begins anew. What revocation lists say comes behind the walk: see [`RevocationCheck::fault`]. Without verdicts of somebody the walk comes to what
/// [`VerifyChain::check`](crate::question::VerifyChain::check) says. It is got from
/// [`VerifyChain::walk`](crate::question::VerifyChain::walk), which has an example, and outside of a handshake from
/// [`of_server`](Self::of_server) and [`of_client`](Self::of_client).
///
/// What a walk costs is bounded whatever the peer sends: signatures, steps of the search,
/// comparisons of names and paths are counted, and too many of them end it with
/// [`TooExpensive`](Kind::TooExpensive). With [`Interest::and_extensions`] there are at most 64 steps
/// more for each certificate.
pub struct ChainWalk {
    asked: Asked,
    walk: Box<Walk>,
    pending: Option<Waiting>,
    /// When all certificates are judged: what was proved, and what OCSP responses say against it, the peer's last.
    proved: Option<(Box<VerifiedChain>, Vec<StapleFault>)>,
    /// Of these, what was accepted.
    accepted: Vec<CertificateError>,
    /// When it is over.
    outcome: Option<Result<(), CertificateError>>,
}

/// What is walked.
struct Asked {
    chain: PresentedChain,
    purpose: Purpose,
    server_name: Option<ServerName<'static>>,
    now: UnixTime,
    policy: ChainPolicy,
}

impl Asked {
    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            chain: &self.chain,
            purpose: self.purpose,
            server_name: self.server_name.as_ref(),
            now: self.now,
            policy: &self.policy,
        }
    }
}

/// What waits for a verdict.
enum Waiting {
    Path,
    Fault(Fault),
    Extension {
        oid: Box<[u8]>,
        is_unknown: bool,
    },
    Valid,
    /// By an OCSP response, or for want of one.
    Staple(StapleFault),
}

/// Which of what a walk finds is a [step](WalkStep). What is wrong always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    pub(super) paths: bool,
    pub(super) extensions: bool,
    pub(super) valid: bool,
}

impl Interest {
    /// What is wrong, and nothing else.
    pub const ERRORS: Self = Self {
        paths: false,
        extensions: false,
        valid: false,
    };

    /// Everything.
    pub const ALL: Self = Self {
        paths: true,
        extensions: true,
        valid: true,
    };

    /// Also that a path begins.
    #[must_use]
    pub const fn and_paths(mut self) -> Self {
        self.paths = true;
        self
    }

    /// Also each extension that is not about what a CA may do.
    #[must_use]
    pub const fn and_extensions(mut self) -> Self {
        self.extensions = true;
        self
    }

    /// Also that a certificate is good.
    #[must_use]
    pub const fn and_valid(mut self) -> Self {
        self.valid = true;
        self
    }
}

/// What a [`ChainWalk`] has come to.
#[derive(Debug)]
#[non_exhaustive]
pub enum WalkStep<'w> {
    /// A candidate path begins. A listener that keeps a state begins anew.
    Path(PathStart<'w>),
    /// There is something to be judged about a certificate.
    Judge(Pending<'w>),
    /// It is over: [`conclude`](crate::question::VerifyChain::conclude).
    Done,
}

/// What was found about a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Something is wrong. By default that refuses the path.
    Bad(CertificateError),
    /// An extension. By default one that is critical and not processed refuses the path.
    Extension(CertificateExtension),
    /// A certificate of a CA is good.
    Valid,
    /// The peer's own certificate is good, and so the path.
    ValidPeer,
}

/// An extension of a certificate (RFC 5280 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateExtension {
    oid: String,
    critical: bool,
    processed: bool,
    value: Vec<u8>,
}

impl CertificateExtension {
    /// Its OID in dotted decimals.
    pub fn oid(&self) -> &str {
        &self.oid
    }

    /// Whether a certificate has to be refused where this is not processed.
    pub fn is_critical(&self) -> bool {
        self.critical
    }

    /// Whether the walk processes it.
    pub fn is_processed(&self) -> bool {
        self.processed
    }

    /// The contents of its extnValue, in DER as a rule.
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

impl ChainWalk {
    /// A walk through the chain of a server that is expected to have this name, outside of a
    /// handshake. See [`verify_server`](crate::x509::verify_server).
    pub fn of_server(
        chain: &PresentedChain,
        name: &ServerName<'_>,
        now: UnixTime,
        policy: &ChainPolicy,
    ) -> Self {
        Self::new(chain.clone(), Some(name.to_owned()), now, policy.clone())
    }

    /// The same of a client. See [`verify_client`](crate::x509::verify_client).
    pub fn of_client(chain: &PresentedChain, now: UnixTime, policy: &ChainPolicy) -> Self {
        Self::new(chain.clone(), None, now, policy.clone())
    }

    pub(crate) fn new(
        chain: PresentedChain,
        server_name: Option<ServerName<'static>>,
        now: UnixTime,
        policy: ChainPolicy,
    ) -> Self {
        let purpose = match server_name {
            Some(_) => Purpose::ServerAuth,
            None => Purpose::ClientAuth,
        };
        let asked = Asked {
            chain,
            purpose,
            server_name,
            now,
            policy,
        };
        let walk = Box::new(Walk::new(asked.wanted()));
        Self {
            asked,
            walk,
            pending: None,
            proved: None,
            accepted: Vec::new(),
            outcome: None,
        }
    }

    /// Sets which findings are steps. Default: [`Interest::ERRORS`].
    #[must_use]
    pub fn interest(mut self, interest: Interest) -> Self {
        self.walk.interest = interest;
        self
    }

    /// Goes on to what is to be judged next. What was not judged until then is judged by default.
    pub fn step(&mut self) -> WalkStep<'_> {
        self.advance();
        match self.pending {
            Some(Waiting::Path) => WalkStep::Path(PathStart { walk: self }),
            Some(_) => WalkStep::Judge(Pending { walk: self }),
            None => WalkStep::Done,
        }
    }

    /// What webpki, which is asked when everything else is good, has said. `None` before, or when
    /// the chain is refused.
    pub fn gate(&self) -> Option<Gate> {
        self.walk.gate
    }

    /// Whether everything that is judged by default is accepted.
    fn is_lax(&self) -> bool {
        self.asked.policy.lax.is_some()
    }

    /// What is still to be asked of revocation lists, if the policy has a [`crl_check`](ChainPolicy::crl_check). What is
    /// not judged yet is judged by default. In a handshake the question does this:
    /// [`VerifyChain::revocation_check_of`](crate::question::VerifyChain::revocation_check_of).
    ///
    /// # Errors
    /// Why the chain is not accepted, whatever the lists say.
    pub fn into_revocation_check(self) -> Result<RevocationCheck, CertificateError> {
        let (policy, now) = (self.asked.policy.clone(), self.asked.now);
        let proof = self.into_proof()?;
        Ok(RevocationCheck::of(proof, now, &policy))
    }

    /// The verdict. What is not judged yet is judged by default. Of a policy with a
    /// [`crl_check`](ChainPolicy::crl_check) it is that without any list: a
    /// [`RevocationCheck`] [asks for them](Self::into_revocation_check).
    ///
    /// # Errors
    /// Why the chain is not accepted.
    pub fn into_verdict(self) -> Result<VerifiedChain, CertificateError> {
        let (policy, now) = (&self.asked.policy, self.asked.now);
        let policy = policy.checks_crls().then(|| policy.clone());
        let proof = self.into_proof()?;
        match policy {
            Some(policy) => RevocationCheck::of(proof, now, &policy).conclude(),
            None => Ok(proof),
        }
    }

    /// The verdict but for revocation lists.
    pub(crate) fn into_proof(mut self) -> Result<VerifiedChain, CertificateError> {
        while self.outcome.is_none() {
            self.advance();
        }
        match (self.outcome, self.proved) {
            (Some(Err(error)), _) => Err(error),
            (_, Some((proof, _))) => Ok(proof.with_overrides(self.accepted)),
            // An end that is good comes behind a proof.
            (_, None) => Err(CertificateError::malformed_at(0)),
        }
    }

    /// When all certificates are judged. Then come the OCSP responses.
    fn prove(&mut self) {
        let proof = self.walk.proof(self.asked.wanted());
        let Asked {
            server_name,
            policy,
            now,
            ..
        } = &self.asked;
        let mut proof = VerifiedChain::proven(proof, server_name.clone(), policy);
        let mut faults = ocsp::look(&mut proof, *now, policy);
        faults.reverse();
        self.proved = Some((Box::new(proof), faults));
    }

    fn advance(&mut self) {
        if let Some(waiting) = self.pending.take() {
            self.by_default(waiting);
        }
        if self.outcome.is_some() {
            return;
        }
        if let Some((_, faults)) = &mut self.proved {
            match faults.pop() {
                Some(fault) => self.pending = Some(Waiting::Staple(fault)),
                None => self.outcome = Some(Ok(())),
            }
            return;
        }
        let wanted = self.asked.wanted();
        self.pending = Some(match self.walk.next(wanted) {
            Next::Path => Waiting::Path,
            Next::Judge(fault) => Waiting::Fault(fault),
            Next::Extension { place } => {
                let extension = self.walk.path.as_ref().and_then(|(path, top)| {
                    let subject = Subject::new(wanted, path, *top, self.walk.above).ok()?;
                    subject.extension(place)
                });
                match extension {
                    Some(own) => Waiting::Extension {
                        oid: own.oid.into(),
                        is_unknown: own.critical && !is_processed(wanted, own.oid),
                    },
                    None => Waiting::Valid,
                }
            }
            Next::Valid => Waiting::Valid,
            Next::Done(Ok(())) => {
                self.prove();
                return self.advance();
            }
            Next::Done(outcome) => {
                self.outcome = Some(outcome);
                return;
            }
        });
    }

    fn by_default(&mut self, waiting: Waiting) {
        match waiting {
            Waiting::Path | Waiting::Valid => {}
            waiting if self.is_lax() => self.accept(waiting),
            Waiting::Staple((_, error)) => self.refuse(error),
            Waiting::Fault(fault) => self.walk.refuse(self.asked.wanted(), fault),
            Waiting::Extension { oid, is_unknown } => {
                if is_unknown {
                    self.refuse_extension(&oid);
                }
            }
        }
    }

    fn accept(&mut self, waiting: Waiting) {
        let Some((path, top)) = self.walk.path else {
            return;
        };
        match waiting {
            Waiting::Path | Waiting::Valid => {}
            Waiting::Staple((_, error)) => self.accepted.push(error),
            Waiting::Fault(fault) => {
                if !fault.can_be_accepted {
                    self.walk.refuse(self.asked.wanted(), fault);
                    return;
                }
                let error = fault.into_error(self.asked.wanted(), &path, top);
                self.walk.overrides.push(error);
            }
            Waiting::Extension { is_unknown, .. } => {
                if is_unknown {
                    self.walk.critical |= 1 << self.walk.above;
                }
            }
        }
    }

    fn refuse_extension(&mut self, oid: &[u8]) {
        let kind = Kind::UnknownCriticalExtension { oid: dotted(oid) };
        let fault = Fault::of(kind, self.walk.above);
        self.walk.refuse(self.asked.wanted(), fault);
    }

    fn refuse(&mut self, error: CertificateError) {
        match self.proved {
            // Another path would not have other responses.
            Some(_) => self.outcome = Some(Err(error)),
            None => self.walk.refuse_with(Bad::Path, false, || error),
        }
    }

    fn path(&self) -> (Path, Top) {
        self.walk.path.unwrap_or((Path::LEAF, Top::Unknown))
    }
}

impl fmt::Debug for ChainWalk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainWalk")
            .field("chain", &self.asked.chain)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// A candidate path begins; dropped, it is walked.
#[derive(Debug)]
pub struct PathStart<'w> {
    walk: &'w mut ChainWalk,
}

impl PathStart<'_> {
    /// The certificates of the path below its anchor, root side first and the peer's own last.
    pub fn certificates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        let wanted = self.walk.asked.wanted();
        let (path, _) = self.walk.path();
        (0..path.len())
            .rev()
            .filter_map(move |above| wanted.der(path.place(above)?))
    }

    /// Whether the path leads to one of the [`Roots`](crate::x509::Roots), or to a certificate among
    /// them.
    pub fn is_anchored(&self) -> bool {
        !matches!(self.walk.path().1, Top::Unknown)
    }

    /// Walks it.
    pub fn go_on(self) {}

    /// Trusts the certificate with this place among the [`certificates`](Self::certificates) as
    /// an anchor: of it only name, key, dates, name constraints and pathLenConstraint count, and those above it
    /// no more. The last stands for the peer itself. A place that is not there is trusted not at
    /// all.
    pub fn trust(self, place: usize) {
        let walk = &mut self.walk.walk;
        let (path, top) = walk.path.unwrap_or((Path::LEAF, Top::Unknown));
        let above = path
            .len()
            .checked_sub(1)
            .and_then(|last| last.checked_sub(place));
        let (path, top) = match above {
            None => (path, top),
            Some(0) => (Path::LEAF, Top::Pinned),
            Some(above) => match path.place(above) {
                None => (path, top),
                Some(trusted) => {
                    let mut below = path;
                    below.truncate(above);
                    (below, Top::Trusted(trusted))
                }
            },
        };
        walk.begin(self.walk.asked.wanted(), path, top);
        self.walk.pending = None;
    }

    /// Refuses it, and lets the next be tried.
    pub fn skip(self, error: CertificateError) {
        self.walk.pending = None;
        self.walk.refuse(error);
    }
}

/// Something is to be judged; dropped, it is judged by default: what is [bad](Finding::Bad)
/// refuses the path, and so does an extension that is critical and not processed.
#[derive(Debug)]
pub struct Pending<'w> {
    walk: &'w mut ChainWalk,
}

impl Pending<'_> {
    /// What is to be judged, as a value of its own, which may go wherever the verdict comes from.
    pub fn judgement(&self) -> Judgement {
        let wanted = self.walk.asked.wanted();
        let (path, top) = self.walk.path();
        let above = match self.walk.pending {
            Some(Waiting::Staple((place, _))) => place,
            _ => self.walk.walk.above,
        };
        let finding = match &self.walk.pending {
            Some(Waiting::Fault(fault)) => {
                Finding::Bad(fault.clone().into_error(wanted, &path, top))
            }
            Some(Waiting::Staple((_, error))) => Finding::Bad(error.clone()),
            Some(Waiting::Extension { oid, .. }) => {
                Finding::Extension(extension(wanted, &path, above, oid))
            }
            _ if above == 0 => Finding::ValidPeer,
            _ => Finding::Valid,
        };
        let place = path.place(above).unwrap_or_default();
        Judgement {
            chain: self.walk.asked.chain.clone(),
            index: (place < MAX_CERTIFICATES).then_some(place),
            helper: match place < MAX_CERTIFICATES {
                true => None,
                false => wanted.der(place).cloned(),
            },
            position: path.len().saturating_sub(1).saturating_sub(above),
            finding,
        }
    }

    /// Accepts it, also if it is bad: that is among the
    /// [`overrides`](VerifiedChain::overrides) of the proof, and nothing else is skipped. That the work is too
    /// [expensive](Kind::TooExpensive) cannot be accepted, nor that a certificate cannot be read, has an extension twice, or
    /// has more than 64: then nobody could judge the rest.
    ///
    /// A chain that does not lead to an anchor rests on its highest certificate then.
    pub fn accept(self) {
        if let Some(waiting) = self.walk.pending.take() {
            self.walk.accept(waiting);
        }
    }

    /// Refuses the path for this. Where there is another one, that is tried.
    pub fn refuse(self, error: CertificateError) {
        self.walk.pending = None;
        self.walk.refuse(error);
    }

    /// Knows nothing of the extension: refuses the path if it is critical and not processed. What is no
    /// extension is judged by default.
    pub fn unknown(self) {
        match self.walk.pending.take() {
            Some(Waiting::Extension {
                oid,
                is_unknown: true,
            }) => self.walk.refuse_extension(&oid),
            Some(waiting) => self.walk.by_default(waiting),
            None => {}
        }
    }

    /// Judges by default.
    pub fn default(self) {
        if let Some(waiting) = self.walk.pending.take() {
            self.walk.by_default(waiting);
        }
    }
}

fn extension(wanted: Wanted<'_>, path: &Path, above: usize, oid: &[u8]) -> CertificateExtension {
    let certificate = path
        .place(above)
        .and_then(|place| wanted.certificate(place));
    let found = certificate.and_then(|certificate| {
        let mut extensions = certificate.extensions().map_while(Result::ok);
        extensions.find(|extension| extension.oid == oid)
    });
    CertificateExtension {
        oid: dotted(oid),
        critical: found.is_some_and(|extension| extension.critical),
        processed: is_processed(wanted, oid),
        value: found
            .map(|extension| extension.value.to_vec())
            .unwrap_or_default(),
    }
}

/// What is to be judged about one certificate.
#[derive(Clone, Debug)]
pub struct Judgement {
    chain: PresentedChain,
    index: Option<usize>,
    helper: Option<CertificateDer<'static>>,
    position: usize,
    finding: Finding,
}

impl Judgement {
    /// Something is wrong with a certificate of a path that was verified.
    pub(in crate::x509) fn of_path(
        chain: &PresentedChain,
        certificate: &CertificateDer<'static>,
        position: usize,
        error: &CertificateError,
    ) -> Self {
        let mut presented = chain.certificates().iter();
        let index = presented.position(|own| own == certificate);
        Self {
            chain: chain.clone(),
            index,
            helper: index.is_none().then(|| certificate.clone()),
            position,
            finding: Finding::Bad(error.clone()),
        }
    }

    /// The certificate, in DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        let presented = self
            .index
            .and_then(|index| self.chain.certificates().get(index));
        let certificate = presented.or(self.helper.as_ref());
        certificate.unwrap_or(self.chain.end_entity())
    }

    /// What was found.
    pub fn finding(&self) -> &Finding {
        &self.finding
    }

    /// Where the certificate stands on the path: 0 is right below the anchor.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Where it stands in what the peer sent: 0 is the peer's own. `None` if it is one of the policy's own
    /// [`intermediates`](ChainPolicy::intermediates).
    pub fn index(&self) -> Option<usize> {
        self.index
    }

    /// Its subject for people; empty if it cannot be parsed.
    pub fn subject(&self) -> String {
        crate::x509::subject(self.certificate()).unwrap_or_default()
    }
}
