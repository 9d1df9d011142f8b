//! The judgement of a chain, certificate by certificate, from the anchor down.
//!
//! RFC 5280 §6. A walk is a machine that never waits: it goes on until there is something to be
//! judged, and goes on from there with a [`Verdict`]. [`check`] is the walk that nobody listens
//! to: every fault refuses the path, and the next one is tried.
//!
//! ```text
//! Searching -a path-> Judging -no more rows-> Done
//!     ^                  | a fault that is not overridden
//!     '------------------'
//! ```
//!
//! The [rows](steps::Row) are in [`steps`], in their order. When all of them are content, webpki
//! is asked, and may refuse ([`gate`]).

mod constraints;
mod finding;
mod gate;
mod steps;

pub(super) use constraints::MAX_COMPARISONS;
use finding::{About, Failures, Fault, Progress};
use steps::{Row, Subject};

use super::chain::PresentedChain;
use super::error::{CertificateError, CertificateErrorKind as Kind};
use super::explain;
use super::path::{Bad, Found, MAX_PATHS, MAX_STEPS, Path, Search, Top, Wanted};
use super::signatures::{MAX_SIGNATURES, Signatures};

/// Judges the chain of the server of a name, or of a client, with nobody to listen.
pub(super) fn check(wanted: Wanted<'_>) -> Result<Proof, CertificateError> {
    let mut walk = Walk::new(wanted)?;
    loop {
        match walk.next(wanted) {
            Next::Judge(fault) => walk.refuse(wanted, fault),
            Next::Done(proved) => return proved.map(|()| walk.proof(wanted)),
        }
    }
}

/// What a walk has found good.
pub(super) struct Proof {
    /// Shared with the connections whose peer has shown the same.
    pub(super) chain: PresentedChain,
    pub(super) path: Path,
    pub(super) top: Top,
    /// Whether the key usage lets the key sign.
    pub(super) may_sign: bool,
}

/// Where a walk has come to.
enum Next {
    Judge(Fault),
    Done(Result<(), CertificateError>),
}

/// What a walk knows between two steps. It borrows nothing, and goes on only with the same
/// [`Wanted`] that it began with.
struct Walk {
    search: Search,
    signatures: Signatures,
    failures: Failures,
    /// The path that is judged.
    path: Option<(Path, Top)>,
    /// How far down it the walk is: so many above the leaf.
    above: usize,
    row: Row,
    /// How many more intermediates the anchor and the CAs so far allow, and which of them does.
    allowed: Option<(usize, About)>,
    /// Comparisons of names with constraints that are left.
    comparisons: usize,
    /// Paths that were refused as a whole.
    refused: usize,
    may_sign: bool,
}

impl Walk {
    fn new(wanted: Wanted<'_>) -> Result<Self, CertificateError> {
        let roots = &wanted.policy.roots;
        if roots.is_empty() {
            return Err(CertificateError::new(Kind::NoTrustAnchors));
        }
        let leaf = wanted.chain.end_entity();
        let fields = wanted
            .certificate(0)
            .ok_or_else(|| CertificateError::malformed_at(0))?;
        let mut walk = Self {
            search: Search::new(),
            signatures: Signatures::default(),
            failures: Failures::default(),
            path: None,
            above: 0,
            row: Row::FIRST,
            allowed: None,
            comparisons: MAX_COMPARISONS,
            refused: 0,
            may_sign: true,
        };
        if roots.has_pinned(leaf, &fields) {
            walk.signatures.note_root(wanted.policy, leaf);
            walk.begin(wanted, Path::LEAF, Top::Pinned);
        }
        Ok(walk)
    }

    /// Goes on until there is something to be judged.
    fn next(&mut self, wanted: Wanted<'_>) -> Next {
        loop {
            let Some((path, top)) = self.path else {
                match self.search.next(wanted, &mut self.signatures) {
                    Found::Path(top) => {
                        let path = *self.search.path();
                        self.begin(wanted, path, top);
                    }
                    Found::Vain(why) => {
                        let path = self.search.path();
                        let signatures = &mut self.signatures;
                        self.failures.add(Progress::in_vain(path, why), || {
                            explain::in_vain(wanted, path, why, signatures)
                        });
                    }
                    Found::Nothing => return Next::Done(Err(self.failures.worst(wanted))),
                    Found::TooManySignatures => {
                        return Next::Done(Err(too_expensive("signatures", MAX_SIGNATURES)));
                    }
                    Found::TooManySteps => {
                        return Next::Done(Err(too_expensive("steps", MAX_STEPS)));
                    }
                }
                continue;
            };
            if let Some(fault) = self.judge(wanted, &path, top) {
                return Next::Judge(fault);
            }
            if self.row == Row::DONE && self.above == 0 {
                return Next::Done(Ok(()));
            }
        }
    }

    fn begin(&mut self, wanted: Wanted<'_>, path: Path, top: Top) {
        self.allowed = match top {
            Top::Root(at) => {
                let anchor = wanted.policy.roots.anchor(at);
                let limit = anchor.and_then(|(_, limits)| limits.path_length);
                limit.map(|limit| (limit, About::Anchor))
            }
            Top::Pinned => None,
        };
        self.above = path.len().saturating_sub(1);
        self.row = Row::FIRST;
        self.may_sign = true;
        self.path = Some((path, top));
    }

    /// Takes the rows of one certificate, up to a fault. What is behind it comes next.
    fn judge(&mut self, wanted: Wanted<'_>, path: &Path, top: Top) -> Option<Fault> {
        let subject = match Subject::new(wanted, path, top, self.above) {
            Ok(subject) => subject,
            // Nothing more can be said of it.
            Err(fault) => return Some(fault),
        };
        loop {
            let row = self.row;
            self.row = row.next();
            if let Err(fault) = row.judge(self, wanted, &subject) {
                return Some(fault);
            }
            if self.row == Row::DONE {
                if self.above > 0 {
                    self.above -= 1;
                    self.row = Row::OF_NEXT;
                }
                return None;
            }
        }
    }

    /// Refuses the path for a fault, and looks for another one.
    fn refuse(&mut self, wanted: Wanted<'_>, fault: Fault) {
        let Some((path, top)) = self.path.take() else {
            return;
        };
        let progress = Progress::of(&path, self.above, self.row);
        let bad = fault.bad;
        let is_fatal = matches!(fault.kind, Kind::TooExpensive { .. });
        let error = || fault.into_error(wanted, &path, top);
        match bad {
            // Nothing else is left of it.
            _ if is_fatal || top == Top::Pinned => {
                self.failures.add(Progress::LAST, error);
                self.search.refuse(Bad::Certificate(0));
                return;
            }
            Bad::Path => self.refused += 1,
            Bad::Certificate(_) | Bad::Edge(_) => {}
        }
        self.failures.add(progress, error);
        self.search.refuse(bad);
        if self.refused > MAX_PATHS {
            let error = || too_expensive("paths", MAX_PATHS);
            self.failures.add(Progress::LAST, error);
            self.search.refuse(Bad::Certificate(0));
        }
    }

    /// What was proved, at the end of a walk.
    fn proof(&self, wanted: Wanted<'_>) -> Proof {
        let (path, top) = self.path.unwrap_or((Path::LEAF, Top::Pinned));
        let Wanted { policy, chain, .. } = wanted;
        Proof {
            chain: self.signatures.commit(policy, chain, path.len()),
            path,
            top,
            may_sign: self.may_sign,
        }
    }
}

fn too_expensive(what: &'static str, limit: usize) -> CertificateError {
    CertificateError::new(Kind::TooExpensive { what, limit })
}
