//! What a walk finds wrong, and which of several failures is told.

use super::steps::Row;
use crate::x509::error::{CertificateError, CertificateErrorKind as Kind};
use crate::x509::explain;
use crate::x509::names::distinguished_name;
use crate::x509::path::{Bad, Path, Top, Vain, Wanted};

/// What is wrong with a path.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) about: About,
    /// What is not to be tried again.
    pub(super) bad: Bad,
    /// Whether what is behind it can be judged all the same.
    pub(super) can_be_accepted: bool,
}

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The certificate so many above the leaf.
    Certificate(usize),
    /// What stands at the end of the path.
    Anchor,
    Chain,
}

impl Fault {
    /// Of a certificate wherever it is.
    pub(super) const fn of(kind: Kind, above: usize) -> Self {
        Self::new(kind, About::Certificate(above), Bad::Certificate(above))
    }

    /// Of a certificate that cannot be read as a whole.
    pub(super) const fn unreadable(what: &'static str, above: usize) -> Self {
        let mut fault = Self::of(Kind::Malformed(what), above);
        fault.can_be_accepted = false;
        fault
    }

    /// Of a path, to be told of one of its certificates or of its end.
    pub(super) const fn of_path(kind: Kind, about: About) -> Self {
        Self::new(kind, about, Bad::Path)
    }

    /// Of a certificate together with its issuer.
    pub(super) const fn of_edge(kind: Kind, above: usize, about: About) -> Self {
        Self::new(kind, about, Bad::Edge(above))
    }

    const fn new(kind: Kind, about: About, bad: Bad) -> Self {
        Self {
            // The work that is left would be no less.
            can_be_accepted: !matches!(kind, Kind::TooExpensive { .. }),
            kind,
            about,
            bad,
        }
    }

    pub(super) fn into_error(self, wanted: Wanted<'_>, path: &Path, top: Top) -> CertificateError {
        match self.about {
            About::Certificate(above) => {
                let place = path.place(above).unwrap_or_default();
                explain::at(wanted, self.kind, place)
            }
            About::Anchor => {
                let name = match top {
                    // As the certificate below it has it.
                    Top::Root(_) | Top::Trusted(_) | Top::Unknown => {
                        wanted.certificate(path.head()).map(|head| head.issuer)
                    }
                    Top::Pinned => wanted.certificate(0).map(|leaf| leaf.subject),
                };
                let name = name.map(distinguished_name).unwrap_or_default();
                CertificateError::at_anchor(self.kind, &name)
            }
            About::Chain => CertificateError::new(self.kind),
        }
    }
}

/// How far a path has got: of several failures the one is told that got furthest; of equal ones
/// the first, because what fits best is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Progress {
    /// To an anchor, further than anything can, or to its end.
    stage: u8,
    /// How many certificates were reached.
    certificates: usize,
    row: u8,
}

impl Progress {
    /// Of what ends a search.
    pub(super) const LAST: Self = Self {
        stage: 2,
        certificates: 0,
        row: 0,
    };

    /// Of a path that is good but for webpki: whatever else there is, that is told.
    pub(super) const DISAGREEMENT: Self = Self {
        stage: 3,
        certificates: 0,
        row: 0,
    };

    /// Of a way without an anchor that somebody has refused: what was said then.
    pub(super) const IN_VAIN_AND_JUDGED: Self = Self {
        stage: 0,
        certificates: usize::MAX,
        row: 0,
    };

    /// Of a way without an anchor.
    pub(super) const fn in_vain(path: &Path, why: Vain) -> Self {
        Self {
            stage: 0,
            certificates: path.len(),
            row: match why {
                Vain::NoIssuer => 0,
                Vain::TooDeep => 1,
                Vain::WrongIssuer { .. } => 2,
            },
        }
    }

    /// Of a path that was judged down to a row.
    pub(super) const fn of(path: &Path, above: usize, row: Row) -> Self {
        Self {
            stage: 1,
            certificates: path.len().saturating_sub(above),
            row: row.number(),
        }
    }
}

/// The failures so far.
#[derive(Debug, Default)]
pub(super) struct Failures(Option<Box<(Progress, CertificateError)>>);

impl Failures {
    pub(super) fn add(&mut self, progress: Progress, error: impl FnOnce() -> CertificateError) {
        let worst = self.0.as_ref().map(|worst| worst.0);
        if worst.is_none_or(|worst| progress > worst) {
            self.0 = Some(Box::new((progress, error())));
        }
    }

    /// The one that is told, of so many paths.
    pub(super) fn worst(&self, wanted: Wanted<'_>, tried: usize) -> CertificateError {
        match &self.0 {
            // It is about none of them.
            Some(worst) if worst.0 == Progress::LAST => worst.1.clone(),
            Some(worst) => worst.1.clone().with_other_paths(tried.saturating_sub(1)),
            // A search that finds nothing says why.
            None => explain::at(wanted, explain::self_signed(wanted), 0),
        }
    }
}
