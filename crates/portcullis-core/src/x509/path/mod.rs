//! Which of the certificates that a peer sent may lead from its own to an anchor.
//!
//! RFC 4158, RFC 5280 §6. This looks for candidates, by name and key identifier, one at a time;
//! the [walk](super::walk) judges each as a whole. Where one issuer comes into question, nothing
//! but names is compared. Where there are several, their keys decide at once, so that the number
//! of ways to go on does not multiply: a path only grows by certificates that have signed what
//! is below. What was refused by itself is not tried again.

mod budget;

use core::cmp::Reverse;

use budget::Budget;
pub(super) use budget::{MAX_PATHS, MAX_STEPS};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificate::Certificate;
use super::chain::{MAX_CERTIFICATES, PresentedChain};
use super::error::Purpose;
use super::extension::{authority_key_identifier, subject_key_identifier};
use super::name;
use super::policy::{ChainPolicy, MAX_DEPTH};
use super::signatures::{Refused, Signatures, lacks_parameters};
use crate::der;
use crate::sort::sort_by_cached_key;

/// The leaf and its issuers.
pub(super) const MAX_PATH: usize = 1 + MAX_DEPTH;

/// What is looked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) chain: &'a PresentedChain,
    pub(super) purpose: Purpose,
    /// `None` for a client.
    pub(super) server_name: Option<&'a ServerName<'static>>,
    pub(super) now: UnixTime,
    pub(super) policy: &'a ChainPolicy,
}

impl<'a> Wanted<'a> {
    /// The certificate at a place: of the chain, or behind the last that a chain may have, of those that the policy
    /// brings along.
    pub(super) fn der(&self, place: usize) -> Option<&'a CertificateDer<'static>> {
        match place.checked_sub(MAX_CERTIFICATES) {
            None => self.chain.certificates().get(place),
            Some(helper) => self.policy.intermediates.get(helper),
        }
    }

    pub(super) fn certificate(&self, place: usize) -> Option<Certificate<'a>> {
        Certificate::read(self.der(place)?)
    }
}

/// Places in the peer's chain, from the leaf up; for some see [`Wanted::der`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    places: [u8; MAX_PATH],
    len: u8,
}

impl Path {
    /// The leaf alone.
    pub(super) const LEAF: Self = Self {
        places: [0; MAX_PATH],
        len: 1,
    };

    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    /// The place of the certificate so many above the leaf.
    pub(super) fn place(&self, above: usize) -> Option<usize> {
        let places = self.places.get(..self.len())?;
        places.get(above).copied().map(usize::from)
    }

    pub(super) fn places(&self) -> impl DoubleEndedIterator<Item = usize> + use<'_> {
        let places = self.places.get(..self.len()).unwrap_or_default();
        places.iter().copied().map(usize::from)
    }

    /// Of the certificate whose issuer is looked for.
    pub(super) fn head(&self) -> usize {
        self.places().next_back().unwrap_or_default()
    }

    const fn intermediates(&self) -> usize {
        self.len().saturating_sub(1)
    }

    /// There is room for as many as a policy allows.
    fn push(&mut self, place: u8) {
        if let Some(next) = self.places.get_mut(usize::from(self.len)) {
            *next = place;
            self.len += 1;
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.len = u8::try_from(len).map_or(self.len, |len| self.len.min(len));
    }
}

/// What stands at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Top {
    /// The anchor at this place of the roots.
    Root(usize),
    /// The leaf is trusted itself.
    Pinned,
    /// The certificate at this place of the chain, which somebody trusts.
    Trusted(usize),
    /// Nothing that is trusted.
    Unknown,
}

/// How a search goes on.
pub(super) enum Found {
    /// A path to an anchor.
    Path(Top),
    /// A way that was in vain.
    Vain(Vain),
    /// There is nothing more.
    Nothing,
    TooManySignatures,
    TooManySteps,
}

/// Why the way along the path leads nowhere.
#[derive(Clone, Copy, Debug)]
pub(super) enum Vain {
    /// Nobody has the name of the head's issuer.
    NoIssuer,
    /// The path would be longer than is allowed.
    TooDeep,
    /// There are several with the name of the head's issuer, and this one has not signed it.
    WrongIssuer { issuer: usize },
}

/// What was found bad about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// The certificate so many above the leaf, wherever it is.
    Certificate(usize),
    /// That certificate and its issuer do not go together.
    Edge(usize),
    /// The path as a whole.
    Path,
}

/// A search, between two paths.
#[derive(Debug)]
pub(super) struct Search {
    path: Path,
    frames: Frames,
    /// A bit for each certificate that is bad by itself.
    bad: u128,
    budget: Budget,
}

/// How far the search for the issuer of a certificate is.
#[derive(Clone, Debug)]
struct Frame {
    stage: Stage,
    candidates: Candidates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Of the anchors with the issuer's name so many were tried.
    Anchors(usize),
    /// The certificates with this name are to be found.
    Collect,
    /// So many of them were tried.
    Candidates(usize),
    /// The anchors that have this name in another encoding, from this one on.
    Renamed(usize),
    Done,
}

impl Search {
    pub(super) const fn new() -> Self {
        Self {
            path: Path::LEAF,
            frames: Frames::NEW,
            bad: 0,
            budget: Budget::new(),
        }
    }

    /// What the search has come to.
    pub(super) const fn path(&self) -> &Path {
        &self.path
    }

    /// Goes on to the next path, or the next way that is in vain.
    pub(super) fn next(&mut self, wanted: Wanted<'_>, signatures: &mut Signatures) -> Found {
        let roots = &wanted.policy.roots;
        loop {
            let Some(head) = self.head(wanted) else {
                return Found::Nothing;
            };
            match self.stage() {
                Stage::Anchors(tried) => match roots.named(head.issuer).nth(tried) {
                    Some(anchor) => {
                        self.go_to(Stage::Anchors(tried + 1));
                        return self.found(anchor);
                    }
                    None => self.go_to(Stage::Collect),
                },
                Stage::Collect => {
                    let Some(candidates) = self.candidates(wanted, &head) else {
                        return Found::TooManySteps;
                    };
                    let is_deep = self.path.intermediates() >= wanted.policy.effective_depth();
                    let has_anchors = !roots.named(head.issuer).is_empty();
                    self.go_to(match (candidates.is_empty() || is_deep, has_anchors) {
                        (false, _) => Stage::Candidates(0),
                        (true, false) => Stage::Renamed(0),
                        (true, true) => Stage::Done,
                    });
                    if is_deep && !candidates.is_empty() {
                        return Found::Vain(Vain::TooDeep);
                    }
                    if !has_anchors && candidates.is_empty() {
                        return Found::Vain(Vain::NoIssuer);
                    }
                    if let Some(frame) = self.frame() {
                        frame.candidates = candidates;
                    }
                }
                Stage::Candidates(tried) => {
                    self.go_to(Stage::Candidates(tried + 1));
                    if let Some(end) = self.try_candidate(wanted, signatures, &head, tried) {
                        return end;
                    }
                }
                Stage::Renamed(from) => {
                    if !self.budget.spend_on_anchors(roots.len(), head.issuer.len()) {
                        return Found::TooManySteps;
                    }
                    match roots.renamed(head.issuer, from) {
                        // Those with the very name were tried first.
                        Some(anchor) if roots.named(head.issuer).contains(&anchor) => {
                            self.go_to(Stage::Renamed(anchor + 1));
                        }
                        Some(anchor) => {
                            self.go_to(Stage::Renamed(anchor + 1));
                            return self.found(anchor);
                        }
                        None => self.go_to(Stage::Done),
                    }
                }
                Stage::Done => self.path.truncate(self.path.len().saturating_sub(1)),
            }
        }
    }

    /// Takes out of the search what was found bad about the path.
    pub(super) fn refuse(&mut self, bad: Bad) {
        match bad {
            Bad::Certificate(above) => {
                let place = self.path.place(above).unwrap_or_default();
                self.bad |= 1 << place;
                self.path.truncate(above);
            }
            // What was not signed by this issuer may be by another one.
            Bad::Edge(above) => self.path.truncate(above + 1),
            Bad::Path => {}
        }
    }

    fn found(&mut self, anchor: usize) -> Found {
        match self.budget.spend(1) {
            true => Found::Path(Top::Root(anchor)),
            false => Found::TooManySteps,
        }
    }

    /// The certificate whose issuer is looked for.
    fn head<'a>(&self, wanted: Wanted<'a>) -> Option<Certificate<'a>> {
        let above = self.path.len().checked_sub(1)?;
        wanted.certificate(self.path.place(above)?)
    }

    fn frame(&mut self) -> Option<&mut Frame> {
        self.frames.get_mut(self.path.len().checked_sub(1)?)
    }

    fn stage(&mut self) -> Stage {
        self.frame().map_or(Stage::Done, |frame| frame.stage)
    }

    fn go_to(&mut self, stage: Stage) {
        if let Some(frame) = self.frame() {
            frame.stage = stage;
        }
    }

    /// Makes the path longer by a candidate, if that is possible.
    fn try_candidate(
        &mut self,
        wanted: Wanted<'_>,
        signatures: &mut Signatures,
        head: &Certificate<'_>,
        tried: usize,
    ) -> Option<Found> {
        let candidates = &self.frame()?.candidates;
        let (place, several) = (candidates.place(tried), candidates.len() > 1);
        let Some(place) = place else {
            let has_anchors = !wanted.policy.roots.named(head.issuer).is_empty();
            self.go_to(match has_anchors {
                true => Stage::Done,
                false => Stage::Renamed(0),
            });
            return None;
        };
        let issuer = usize::from(place);
        if self.bad & (1 << place) != 0 {
            return None;
        }
        let fields = wanted.certificate(issuer)?;
        if several {
            signatures.expect_several_paths();
            let key = der::public_key_info(fields.spki);
            // One of DSA may have its group from further above, so only the path as a whole tells.
            let is_open = |(algorithm, _): &(&[u8], &[u8])| lacks_parameters(algorithm);
            let signed = match key.filter(is_open) {
                Some(_) => Some(Ok(())),
                None => key.map(|key| signatures.verify(wanted, head, key)),
            };
            match signed {
                Some(Ok(())) => {}
                Some(Err(Refused::TooMany)) => return Some(Found::TooManySignatures),
                Some(Err(Refused::Bad | Refused::Unsupported)) | None => {
                    return Some(Found::Vain(Vain::WrongIssuer { issuer }));
                }
            }
        }
        if !self.budget.spend(1) {
            return Some(Found::TooManySteps);
        }
        self.path.push(place);
        self.frames.begin(self.path.len().saturating_sub(1));
        None
    }

    /// The certificates that may have issued the head, the likeliest first; `None` if looking
    /// took too long.
    fn candidates(&mut self, wanted: Wanted<'_>, head: &Certificate<'_>) -> Option<Candidates> {
        let presented = wanted.chain.certificates().iter().enumerate().skip(1);
        let helpers = wanted.policy.intermediates.iter().enumerate();
        let helpers = helpers.map(|(at, certificate)| (MAX_CERTIFICATES + at, certificate));
        let mut found = Candidates::NONE;
        let mut to_sort = 0;
        for (place, certificate) in presented.chain(helpers) {
            let Some(fields) = Certificate::read(certificate) else {
                continue;
            };
            let mut read = 0;
            let is_next = self.bad & (1 << place) == 0
                && name::is_same(fields.subject, head.issuer, &mut read)
                && !self.is_on_path(wanted, &fields, &mut read);
            if !self.budget.spend_on_bytes(read) {
                return None;
            }
            if !is_next {
                continue;
            }
            to_sort += certificate.len();
            let mut earlier = found.places().iter().map(|place| usize::from(*place));
            let is_copy = |earlier| wanted.der(earlier) == Some(certificate);
            if !earlier.any(is_copy) {
                found.push(place);
            }
        }
        if found.len() > 1 {
            // The extensions of all of them are read.
            if !self.budget.spend_on_bytes(to_sort) {
                return None;
            }
            sort(wanted, head, &mut found);
        }
        Some(found)
    }

    /// RFC 4158 §5.2: a loop is the same name with the same key.
    fn is_on_path(&self, wanted: Wanted<'_>, fields: &Certificate<'_>, read: &mut usize) -> bool {
        self.path.places().any(|place| {
            wanted.certificate(place).is_some_and(|own| {
                own.spki == fields.spki && name::is_same(own.subject, fields.subject, read)
            })
        })
    }
}

/// RFC 4158 §3.5: what has the key that the head names, then what names none, then the
/// rest; of equal ones what is valid now. It is a hint, and excludes nothing.
fn sort(wanted: Wanted<'_>, head: &Certificate<'_>, candidates: &mut Candidates) {
    let named = authority_key_identifier(head);
    sort_by_cached_key(&mut candidates.several, |&place| {
        let fields = wanted.certificate(place.into());
        let own = fields.and_then(|fields| subject_key_identifier(&fields));
        let validity = fields.and_then(|fields| fields.validity());
        let fit = match (named, own) {
            (Some(named), Some(own)) if named == own => 0,
            (Some(_), Some(_)) => 2,
            _ => 1,
        };
        (
            fit,
            Reverse(validity.is_some_and(|validity| validity.contains(wanted.now))),
        )
    });
}

impl Frame {
    const NEW: Self = Self {
        stage: Stage::Anchors(0),
        candidates: Candidates::NONE,
    };
}

/// One for each certificate of the path. Only those of long paths are on the heap: the others take no
/// allocation, and all of them would be much to set up.
#[derive(Debug)]
struct Frames {
    few: [Frame; 3],
    more: Vec<Frame>,
}

impl Frames {
    const NEW: Self = Self {
        few: [const { Frame::NEW }; 3],
        more: Vec::new(),
    };

    fn get_mut(&mut self, above: usize) -> Option<&mut Frame> {
        match above.checked_sub(self.few.len()) {
            None => self.few.get_mut(above),
            Some(further) => self.more.get_mut(further),
        }
    }

    /// Of the certificate with which a path has grown.
    fn begin(&mut self, above: usize) {
        if above == self.few.len() + self.more.len() {
            self.more.push(Frame::NEW);
        } else if let Some(frame) = self.get_mut(above) {
            *frame = Frame::NEW;
        }
    }
}

/// Places in the peer's chain. Nearly always there is one at most, so only more are on the heap.
#[derive(Clone, Debug)]
struct Candidates {
    only: [u8; 1],
    /// How many there are in `only`.
    len: u8,
    several: Vec<u8>,
}

impl Candidates {
    const NONE: Self = Self {
        only: [0],
        len: 0,
        several: Vec::new(),
    };

    fn places(&self) -> &[u8] {
        match self.several.is_empty() {
            true => self.only.get(..usize::from(self.len)).unwrap_or_default(),
            false => &self.several,
        }
    }

    fn place(&self, at: usize) -> Option<u8> {
        self.places().get(at).copied()
    }

    fn len(&self) -> usize {
        self.places().len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn push(&mut self, place: usize) {
        let Ok(place) = u8::try_from(place) else {
            return;
        };
        match (self.len, self.several.is_empty()) {
            (0, _) => (self.only, self.len) = ([place], 1),
            (_, true) => self.several = self.only.iter().copied().chain([place]).collect(),
            (_, false) => self.several.push(place),
        }
    }
}
