//! The judgement of a chain, certificate by certificate, from the anchor down.
//!
//! RFC 5280 §6. A walk is a machine that never waits: it goes on until there is something to be
//! judged ([`Pending`]), and goes on from there with what was decided. [`check`] is the walk that nobody listens
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
mod listen;
pub(super) mod policies;
mod signature;
mod steps;

pub(super) use constraints::MAX_COMPARISONS;
use finding::{About, Failures, Fault, Progress};
pub use gate::Gate;
pub use listen::{
    CertificateExtension, ChainWalk, Finding, Interest, Judgement, PathStart, Pending, WalkStep,
};
use steps::{Row, Subject};

use super::chain::PresentedChain;
use super::error::{CertificateError, CertificateErrorKind as Kind};
use super::explain;
use super::extension::BasicConstraints;
use super::path::{Bad, Found, MAX_PATHS, MAX_STEPS, Path, Search, Top, Vain, Wanted};
use super::signatures::{MAX_SIGNATURES, Signatures};
use super::time::Validity;
use crate::der;

/// Judges the chain of the server of a name, or of a client, with nobody to listen.
pub(super) fn check(wanted: Wanted<'_>) -> Result<Proof, CertificateError> {
    if wanted.policy.roots.is_empty() {
        return Err(CertificateError::new(Kind::NoTrustAnchors));
    }
    // Not moved from here on: it is large.
    let mut walk = Walk::new(wanted);
    walk.listening = false;
    loop {
        match walk.next(wanted) {
            Next::Judge(fault) => walk.refuse(wanted, fault),
            // Nobody is interested.
            Next::Path | Next::Extension { .. } | Next::Valid => {}
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
    /// When the walk would end the same; `None` if somebody has listened, who may think otherwise the next time.
    pub(super) valid: Option<Validity>,
    /// What was wrong and was accepted.
    pub(super) overrides: Vec<CertificateError>,
    pub(super) gate: Option<Gate>,
    /// The first path that webpki alone has refused.
    pub(super) disagreement: Option<CertificateError>,
}

/// How many intermediates there may be below a CA (RFC 5280 §4.2.1.9).
#[derive(Clone, Copy, Debug)]
struct Allowed {
    by: About,
    limit: usize,
    /// How many of them have not come yet.
    left: usize,
}

impl Allowed {
    const fn by(by: About, limit: usize) -> Self {
        let left = limit;
        Self { by, limit, left }
    }
}

/// Where a walk has come to.
enum Next {
    /// A path begins.
    Path,
    Judge(Fault),
    /// One of the certificate's that are not only for the walk.
    Extension {
        place: usize,
    },
    /// The certificate is good.
    Valid,
    Done(Result<(), CertificateError>),
}

/// What a walk knows between two steps. It borrows nothing, and goes on only with the same
/// [`Wanted`] that it began with.
#[derive(Debug)]
struct Walk {
    search: Search,
    signatures: Signatures,
    failures: Failures,
    /// The path that is judged.
    path: Option<(Path, Top)>,
    /// How far down it the walk is: so many above the leaf.
    above: usize,
    row: Row,
    /// What is left of the row before: there was a fault, and there may be others if that is accepted.
    rest: Option<(Row, usize)>,
    /// What is left of what the anchor and the CAs so far allow.
    allowed: Option<Allowed>,
    /// Comparisons of names with constraints that are left.
    comparisons: usize,
    /// Paths, and ways that lead nowhere, that were tried.
    tried: usize,
    /// Paths that were refused as a whole.
    refused: usize,
    may_sign: bool,
    /// When all of the path so far is valid.
    valid: Validity,
    gate: Option<Gate>,
    /// The first path that webpki alone has refused.
    disagreement: Option<CertificateError>,

    /// Whether somebody judges.
    listening: bool,
    interest: Interest,
    /// The next extension of the certificate.
    extension: usize,
    /// The certificates of the path that have a critical extension which somebody knows: a bit
    /// for each, the lowest for the leaf.
    critical: u64,
    overrides: Vec<CertificateError>,
    /// The ways without an anchor, which are judged when nothing is left to be searched.
    dead_ends: Vec<(Path, CertificateError)>,
    /// Why the path has no anchor.
    unknown: Option<CertificateError>,
    /// Whether the search is over.
    is_searched: bool,
}

impl Walk {
    /// With somebody who listens.
    fn new(wanted: Wanted<'_>) -> Self {
        let leaf = wanted.chain.end_entity();
        let fields = wanted.certificate(0);
        let mut walk = Self {
            search: Search::new(),
            signatures: Signatures::default(),
            failures: Failures::default(),
            path: None,
            above: 0,
            row: Row::FIRST,
            rest: None,
            allowed: None,
            comparisons: MAX_COMPARISONS,
            tried: 0,
            refused: 0,
            may_sign: true,
            valid: Validity::ALWAYS,
            gate: None,
            disagreement: None,
            listening: true,
            interest: Interest::default(),
            extension: 0,
            critical: 0,
            overrides: Vec::new(),
            dead_ends: Vec::new(),
            unknown: None,
            is_searched: false,
        };
        if fields.is_some_and(|fields| wanted.policy.roots.has_pinned(leaf, &fields)) {
            walk.begin(wanted, Path::LEAF, Top::Pinned);
            walk.tried = 1;
            walk.is_searched = true;
        }
        walk
    }

    /// Goes on until there is something to be judged.
    fn next(&mut self, wanted: Wanted<'_>) -> Next {
        loop {
            let Some((path, top)) = self.path else {
                match self.next_path(wanted) {
                    Some(next) => return next,
                    None => continue,
                }
            };
            if self.row == Row::DONE {
                match self.above.checked_sub(1) {
                    None => return Next::Done(Ok(())),
                    Some(below) => self.above = below,
                }
                self.row = Row::OF_NEXT;
            }
            if let Some(next) = self.judge(wanted, &path, top) {
                return next;
            }
        }
    }

    /// Goes on with the search, by one way.
    fn next_path(&mut self, wanted: Wanted<'_>) -> Option<Next> {
        if self.is_searched {
            let Some((path, why)) = self.dead_ends.pop() else {
                return Some(Next::Done(Err(self.failures.worst(wanted, self.tried))));
            };
            self.unknown = Some(why);
            self.begin(wanted, path, Top::Unknown);
            return self.interest.paths.then_some(Next::Path);
        }
        match self.search.next(wanted, &mut self.signatures) {
            Found::Path(top) => {
                let path = *self.search.path();
                self.tried += 1;
                self.begin(wanted, path, top);
                return self.interest.paths.then_some(Next::Path);
            }
            Found::Vain(why) => {
                self.tried += 1;
                let path = *self.search.path();
                let is_dead_end = matches!(why, Vain::NoIssuer) && self.listening;
                let signatures = &mut self.signatures;
                let mut error = || explain::in_vain(wanted, &path, why, signatures);
                if is_dead_end && self.dead_ends.len() < MAX_PATHS {
                    self.dead_ends.push((path, error()));
                }
                self.failures.add(Progress::in_vain(&path, why), error);
            }
            Found::Nothing => {
                self.is_searched = true;
                // The first is the likeliest; what comes last is taken first.
                self.dead_ends.reverse();
            }
            Found::TooManySignatures => self.give_up("signatures", MAX_SIGNATURES),
            Found::TooManySteps => self.give_up("steps", MAX_STEPS),
        }
        None
    }

    fn begin(&mut self, wanted: Wanted<'_>, path: Path, top: Top) {
        let limit = match top {
            Top::Root(at) => {
                let anchor = wanted.policy.roots.anchor(at);
                anchor.and_then(|(_, limits)| limits.path_length)
            }
            Top::Trusted(place) => wanted
                .certificate(place)
                .and_then(|anchor| BasicConstraints::of(&anchor).ok())
                .and_then(|constraints| constraints.path_length),
            Top::Pinned | Top::Unknown => None,
        };
        self.allowed = limit.map(|limit| Allowed::by(About::Anchor, limit));
        self.above = path.len().saturating_sub(1);
        self.row = Row::FIRST;
        self.rest = None;
        self.extension = 0;
        self.may_sign = true;
        self.valid = Validity::ALWAYS;
        self.critical = 0;
        self.overrides.clear();
        self.path = Some((path, top));
    }

    /// Takes the rows of one certificate, up to something that is to be judged. What is behind
    /// that comes next.
    fn judge(&mut self, wanted: Wanted<'_>, path: &Path, top: Top) -> Option<Next> {
        let subject = match Subject::new(wanted, path, top, self.above) {
            Ok(subject) => subject,
            // Nothing more can be said of it, and so it cannot be accepted.
            Err(fault) => return Some(Next::Judge(fault)),
        };
        while self.row != Row::DONE {
            if let Some((row, part)) = self.rest.take()
                && let Err(fault) = row.judge(self, wanted, &subject, part)
            {
                return Some(Next::Judge(fault));
            }
            let row = self.row;
            if row == Row::Extensions && self.interest.extensions {
                let place = self.extension;
                self.extension += 1;
                if subject.extension(place).is_some() {
                    return Some(Next::Extension { place });
                }
                self.extension = 0;
            }
            self.row = row.next(self.listening);
            if let Err(fault) = row.judge(self, wanted, &subject, 0) {
                return Some(Next::Judge(fault));
            }
            if row == Row::Valid && self.interest.valid {
                return Some(Next::Valid);
            }
        }
        None
    }

    /// Refuses the path for a fault, and looks for another one.
    fn refuse(&mut self, wanted: Wanted<'_>, fault: Fault) {
        let Some((path, top)) = self.path else {
            return;
        };
        let is_fatal = matches!(fault.kind, Kind::TooExpensive { .. });
        let bad = fault.bad;
        // An anchor with the issuer's name has not signed it: to those who trust parts of chains it is as if there were none.
        if self.interest.paths
            && matches!((&fault.kind, top), (Kind::BadSignature, Top::Root(_)))
            && bad == Bad::Edge(path.len().saturating_sub(1))
            && self.dead_ends.len() < MAX_PATHS
            && !self
                .dead_ends
                .iter()
                .any(|(own, _)| own.places().eq(path.places()))
        {
            let error = explain::unknown_issuer(wanted, path.head());
            self.dead_ends.push((path, error));
        }
        if matches!(fault.kind, Kind::Disagreement { .. }) {
            let error = fault.clone().into_error(wanted, &path, top);
            self.failures.add(Progress::DISAGREEMENT, || error.clone());
            self.disagreement.get_or_insert(error);
        }
        self.refuse_with(bad, is_fatal, || fault.into_error(wanted, &path, top));
    }

    fn refuse_with(&mut self, bad: Bad, is_fatal: bool, error: impl FnOnce() -> CertificateError) {
        let Some((path, top)) = self.path.take() else {
            return;
        };
        if is_fatal || top == Top::Pinned {
            self.failures.add(Progress::LAST, error);
            self.end_search();
            return;
        }
        let progress = match top {
            Top::Unknown if self.overrides.is_empty() => Progress::IN_VAIN_AND_JUDGED,
            _ => Progress::of(&path, self.above, self.row),
        };
        self.failures.add(progress, error);
        if bad == Bad::Path {
            self.refused += 1;
        }
        if self.refused > MAX_PATHS {
            self.give_up("paths", MAX_PATHS);
        } else if !self.is_searched {
            self.search.refuse(bad);
        }
    }

    /// There would be more of something than there may be.
    fn give_up(&mut self, what: &'static str, limit: usize) {
        let error = || CertificateError::new(Kind::TooExpensive { what, limit });
        self.failures.add(Progress::LAST, error);
        self.end_search();
    }

    /// Nothing else is tried.
    fn end_search(&mut self) {
        self.is_searched = true;
        self.dead_ends.clear();
    }

    /// What was proved, at the end of a walk.
    fn proof(&mut self, wanted: Wanted<'_>) -> Proof {
        let (path, top) = self.path.unwrap_or((Path::LEAF, Top::Pinned));
        let Wanted { policy, chain, .. } = wanted;
        if top == Top::Pinned {
            self.signatures.note_root(policy, chain.end_entity());
        }
        let chain = match self.overrides.is_empty() {
            true => self
                .signatures
                .commit(wanted, &path, anchor_key(wanted, top)),
            false => chain.clone(),
        };
        // Rules of somebody's own may find something else the next time.
        let is_repeatable = !self.listening && policy.host_names.is_none();
        Proof {
            chain,
            path,
            top,
            may_sign: self.may_sign,
            valid: is_repeatable.then_some(self.valid),
            overrides: core::mem::take(&mut self.overrides),
            gate: self.gate,
            disagreement: self.disagreement.take(),
        }
    }
}

/// The key at the end of a path, unless that is the leaf, whose signature nobody looks at.
fn anchor_key<'a>(wanted: Wanted<'a>, top: Top) -> Option<(&'a [u8], &'a [u8])> {
    match top {
        Top::Root(at) => {
            let (anchor, _) = wanted.policy.roots.anchor(at)?;
            der::public_key_info_contents(&anchor.subject_public_key_info)
        }
        Top::Trusted(place) => der::public_key_info(wanted.certificate(place)?.spki),
        Top::Pinned | Top::Unknown => None,
    }
}
