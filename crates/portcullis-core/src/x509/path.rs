//! Which of the certificates that a peer sent lead from its own to an anchor.
//!
//! RFC 4158, RFC 5280 §6. This looks for candidates, by name and key identifier; webpki judges
//! each as a whole. Where one issuer comes into question, nothing but names is compared. Where
//! there are several, their keys decide at once, so that the number of ways to go on does not
//! multiply: a path only grows by certificates that have signed what is below.

use core::array::from_fn;
use core::cmp::Reverse;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use super::authority;
use super::certificate::Certificate;
use super::chain::{MAX_CERTIFICATES, PresentedChain};
use super::error::{CertificateErrorKind as Kind, Purpose};
use super::extension::alt_name::SUBJECT_ALT_NAME;
use super::extension::name_constraints::NAME_CONSTRAINTS;
use super::extension::{authority_key_identifier, subject_key_identifier};
use super::policy::{ChainPolicy, USUAL_ALGORITHMS, WEBPKI_DEPTH};
use super::revocation::CheckedPath;
use super::roots::Anchors;
use super::signatures::Signatures;

/// How many steps a search may take: to a certificate, or the judgement of a path. One takes ten
/// microseconds at most.
pub(super) const MAX_STEPS: usize = 1_000;

/// The comparison of names with constraints takes a step for this many pairs of bytes: a
/// thousand comparisons of the shortest.
const NAME_BYTES_PER_STEP: usize = 16_384;

/// The search for an anchor whose name is encoded otherwise takes a step for this many bytes of
/// the name, and for this many anchors.
const RENAMED_BYTES_PER_STEP: usize = 2_048;
const RENAMED_ANCHORS_PER_STEP: usize = 1_000;

/// What is looked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) chain: &'a PresentedChain,
    pub(super) purpose: Purpose,
    pub(super) now: UnixTime,
    pub(super) policy: &'a ChainPolicy,
    pub(super) signatures: &'a Signatures<'a>,
}

/// Places in the peer's chain, from the leaf up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    places: [usize; 1 + WEBPKI_DEPTH],
    len: usize,
}

impl Path {
    /// The leaf alone.
    pub(super) const LEAF: Self = Self {
        places: [0; 1 + WEBPKI_DEPTH],
        len: 1,
    };

    pub(super) fn places(&self) -> &[usize] {
        self.places.get(..self.len).unwrap_or_default()
    }

    /// Of the certificate whose issuer is looked for.
    pub(super) fn head(&self) -> usize {
        self.places().last().copied().unwrap_or_default()
    }

    fn intermediates(&self) -> usize {
        self.places().len().saturating_sub(1)
    }

    /// There is room for as many as webpki takes.
    fn push(&mut self, place: usize) {
        if let Some(next) = self.places.get_mut(self.len) {
            *next = place;
            self.len += 1;
        }
    }

    fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
    }
}

/// Why there is no path, or why not this one.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) path: Path,
    pub(super) why: Why,
}

#[derive(Clone, Debug)]
pub(super) enum Why {
    /// webpki refuses a path that leads to an anchor.
    Refused(webpki::Error),
    /// The certificate that could have issued the head by its name has not signed it.
    BadSignature {
        issuer: usize,
    },
    /// The certificate that could have issued the head by its name may not issue certificates.
    NotAnIssuer {
        issuer: usize,
        kind: Kind,
    },
    /// The path would be longer than is allowed.
    TooDeep,
    /// Nobody has the name of the head's issuer.
    NoIssuer,
    TooManySignatures,
    TooManySteps,
}

impl Failure {
    /// Of several failures the one is told that got furthest; of equal ones the first, because
    /// what fits best is tried first.
    fn rank(&self) -> (u8, usize, u8) {
        let (reached, of_equals) = match self.why {
            Why::TooManySignatures | Why::TooManySteps => (2, 0),
            // An anchor.
            Why::Refused(_) => (1, 0),
            Why::NotAnIssuer { .. } => (0, 3),
            Why::BadSignature { .. } => (0, 2),
            Why::TooDeep => (0, 1),
            Why::NoIssuer => (0, 0),
        };
        (reached, self.path.len, of_equals)
    }
}

/// A path to an anchor.
pub(super) struct Found {
    /// How many signatures it has; they are the last that were verified.
    pub(super) signatures: usize,
    /// If revocation is to be looked at.
    pub(super) path: Option<Box<CheckedPath>>,
}

/// How a search goes on.
enum Next {
    Found(Found),
    /// This way was in vain.
    GoOn,
    /// The search is too expensive.
    Stop,
}

/// Finds a path.
pub(super) fn find(
    wanted: Wanted<'_>,
    end_entity: &EndEntityCert<'_>,
    leaf: &Certificate<'_>,
) -> Result<Found, Box<Failure>> {
    let mut search = Search {
        wanted,
        end_entity,
        path: Path::LEAF,
        steps: 0,
        has_judged: false,
        failure: None,
    };
    match search.go_on_from(leaf) {
        Next::Found(found) => Ok(found),
        Next::GoOn | Next::Stop => {
            let without_candidates = Failure {
                path: Path::LEAF,
                why: Why::NoIssuer,
            };
            Err(Box::new(search.failure.unwrap_or(without_candidates)))
        }
    }
}

struct Search<'a> {
    wanted: Wanted<'a>,
    end_entity: &'a EndEntityCert<'a>,
    path: Path,
    steps: usize,
    has_judged: bool,
    failure: Option<Failure>,
}

impl Search<'_> {
    /// Looks for an issuer of the certificate at the head of the path.
    fn go_on_from(&mut self, head: &Certificate<'_>) -> Next {
        let roots = &self.wanted.policy.roots;
        let anchors = roots.named(head.issuer);
        if !anchors.is_empty() {
            match self.judge(anchors) {
                Next::GoOn => {}
                end => return end,
            }
        }
        let mut candidates = self.candidates(head);
        if !candidates.is_empty() {
            return self.try_each(head, &mut candidates);
        }
        if anchors.is_empty() {
            self.failed(Why::NoIssuer);
            // §7.1: the same name may be encoded in more than one way.
            let work = head.issuer.len() / RENAMED_BYTES_PER_STEP;
            if !self.spend(work + roots.len() / RENAMED_ANCHORS_PER_STEP) {
                return self.stop(Why::TooManySteps);
            }
            let renamed = roots.renamed(head.issuer);
            if !renamed.is_empty() {
                return self.judge(renamed.as_anchors());
            }
        }
        Next::GoOn
    }

    fn try_each(&mut self, head: &Certificate<'_>, candidates: &mut Candidates) -> Next {
        let Wanted {
            chain, signatures, ..
        } = self.wanted;
        if self.path.intermediates() >= self.wanted.policy.effective_depth() {
            self.failed(Why::TooDeep);
            return Next::GoOn;
        }
        let several = candidates.len > 1;
        if several {
            self.sort(head, candidates);
        }
        for &issuer in candidates.places() {
            let Some(fields) = fields_at(chain, issuer) else {
                continue;
            };
            if several && !signatures.is_signed_by(head, fields.spki) {
                self.failed(Why::BadSignature { issuer });
                if signatures.is_exhausted() {
                    return self.stop(Why::TooManySignatures);
                }
                continue;
            }
            if !self.spend(1) {
                return self.stop(Why::TooManySteps);
            }
            self.path.push(issuer);
            let next = self.go_on_from(&fields);
            if !matches!(next, Next::GoOn) {
                return next;
            }
            self.path.pop();
        }
        Next::GoOn
    }

    /// The certificates that may have issued the head, in the order of the chain.
    fn candidates(&mut self, head: &Certificate<'_>) -> Candidates {
        let chain = self.wanted.chain;
        let certificates = chain.certificates();
        let mut found = Candidates {
            places: [0; MAX_CERTIFICATES],
            len: 0,
        };
        for (place, certificate) in certificates.iter().enumerate().skip(1) {
            let Some(fields) = Certificate::read(certificate) else {
                continue;
            };
            if fields.subject != head.issuer || self.is_on_path(&fields) {
                continue;
            }
            let is_copy = |&earlier: &usize| certificates.get(earlier) == Some(certificate);
            if found.places().iter().any(is_copy) {
                continue;
            }
            match authority::check_issuer(&fields) {
                Ok(()) => found.push(place),
                Err(kind) => self.failed(Why::NotAnIssuer {
                    issuer: place,
                    kind,
                }),
            }
        }
        found
    }

    /// RFC 4158 §5.2: a loop is the same name with the same key.
    fn is_on_path(&self, fields: &Certificate<'_>) -> bool {
        self.path.places().iter().any(|&place| {
            fields_at(self.wanted.chain, place)
                .is_some_and(|own| own.subject == fields.subject && own.spki == fields.spki)
        })
    }

    /// RFC 4158 §3.5: what has the key that the head names, then what names none, then the
    /// rest; of equal ones what is valid now. It is a hint, and excludes nothing.
    fn sort(&self, head: &Certificate<'_>, candidates: &mut Candidates) {
        let Wanted { chain, now, .. } = self.wanted;
        let wanted = authority_key_identifier(head);
        let len = candidates.len;
        let places = candidates.places.get_mut(..len).unwrap_or_default();
        places.sort_by_cached_key(|&place| {
            let fields = fields_at(chain, place);
            let own = fields.and_then(|fields| subject_key_identifier(&fields));
            let validity = fields.and_then(|fields| fields.validity());
            let fit = match (wanted, own) {
                (Some(wanted), Some(own)) if wanted == own => 0,
                (Some(_), Some(_)) => 2,
                _ => 1,
            };
            (
                fit,
                Reverse(validity.is_some_and(|validity| validity.contains(now))),
            )
        });
    }

    /// Lets webpki judge the path to these anchors, which all have the name of the head's issuer.
    fn judge(&mut self, anchors: Anchors<'_>) -> Next {
        if !self.spend(self.steps_to_judge(anchors)) {
            return self.stop(Why::TooManySteps);
        }
        self.has_judged = true;
        match self.verify(anchors) {
            Ok(found) => Next::Found(found),
            Err(_) if self.wanted.signatures.is_exhausted() => self.stop(Why::TooManySignatures),
            Err(error) => {
                self.failed(Why::Refused(error));
                Next::GoOn
            }
        }
    }

    fn verify(&self, anchors: Anchors<'_>) -> Result<Found, webpki::Error> {
        let Wanted {
            chain,
            policy,
            signatures,
            ..
        } = self.wanted;
        let usage = match self.wanted.purpose {
            Purpose::ServerAuth => KeyUsage::server_auth(),
            Purpose::ClientAuth => KeyUsage::client_auth(),
        };
        let places = self.path.places();
        let intermediates: [CertificateDer<'_>; WEBPKI_DEPTH] = from_fn(|at| {
            let place = places.get(at + 1);
            let certificate = place.and_then(|&place| chain.certificates().get(place));
            CertificateDer::from(certificate.map_or(&[][..], |certificate| certificate.as_ref()))
        });
        let is_allowed = |path: &VerifiedPath<'_>| match anchors.allows(path) {
            true => Ok(()),
            false => Err(webpki::Error::PathLenConstraintViolated),
        };
        let judge = |algorithms: &[&dyn SignatureVerificationAlgorithm]| {
            let path = self.end_entity.verify_for_usage(
                algorithms,
                anchors.anchors(),
                intermediates
                    .get(..self.path.intermediates())
                    .unwrap_or_default(),
                self.wanted.now,
                usage,
                None,
                Some(&is_allowed),
            );
            // By reference: a path is large.
            match &path {
                Ok(path) => Ok(Found {
                    signatures: path.intermediate_certificates().count() + 1,
                    path: policy.crl_check.is_on().then(|| kept(path)),
                }),
                Err(error) => Err(error.clone()),
            }
        };
        let count = policy.algorithms.len();
        if count > USUAL_ALGORITHMS {
            let verifying: Vec<_> = (0..count).map(|at| signatures.algorithm(at)).collect();
            let verifying = verifying.iter();
            let algorithms: Vec<_> = verifying
                .map(|one| one as &dyn SignatureVerificationAlgorithm)
                .collect();
            return judge(&algorithms);
        }
        // On the stack: nearly all of them are in vain.
        let verifying: [_; USUAL_ALGORITHMS] = from_fn(|at| signatures.algorithm(at));
        let algorithms = verifying
            .each_ref()
            .map(|one| one as &dyn SignatureVerificationAlgorithm);
        judge(algorithms.get(..count).unwrap_or_default())
    }

    /// The first path is judged whatever it takes: webpki has limits of its own.
    fn steps_to_judge(&self, anchors: Anchors<'_>) -> usize {
        if !self.has_judged {
            return 1;
        }
        let (mut names, mut constraints) = (0, 0);
        for &place in self.path.places() {
            let Some(fields) = fields_at(self.wanted.chain, place) else {
                continue;
            };
            let length = |oid| fields.extension(oid).ok().flatten().map_or(0, <[u8]>::len);
            names += length(SUBJECT_ALT_NAME);
            constraints += length(NAME_CONSTRAINTS);
        }
        let of_anchor =
            |anchor: &TrustAnchor<'_>| anchor.name_constraints.as_ref().map(|own| own.len());
        constraints += anchors
            .anchors()
            .iter()
            .filter_map(of_anchor)
            .sum::<usize>();
        1 + names.saturating_mul(constraints) / NAME_BYTES_PER_STEP
    }

    fn spend(&mut self, steps: usize) -> bool {
        self.steps = self.steps.saturating_add(steps);
        self.steps <= MAX_STEPS
    }

    fn stop(&mut self, why: Why) -> Next {
        self.failed(why);
        Next::Stop
    }

    fn failed(&mut self, why: Why) {
        let failure = Failure {
            path: self.path,
            why,
        };
        let best = self.failure.as_ref().map(Failure::rank);
        if best.is_none_or(|best| failure.rank() > best) {
            self.failure = Some(failure);
        }
    }
}

#[cold]
fn kept(path: &VerifiedPath<'_>) -> Box<CheckedPath> {
    let leaf = path.end_entity().der();
    let above = path.intermediate_certificates().map(|one| one.der());
    Box::new(CheckedPath::new(
        core::iter::once(leaf).chain(above),
        path.anchor(),
    ))
}

/// Places in the peer's chain. Not a `Vec`, because nearly always there is one at most.
struct Candidates {
    places: [usize; MAX_CERTIFICATES],
    len: usize,
}

impl Candidates {
    fn places(&self) -> &[usize] {
        self.places.get(..self.len).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A chain has no more certificates than there is room for.
    fn push(&mut self, place: usize) {
        if let Some(next) = self.places.get_mut(self.len) {
            *next = place;
            self.len += 1;
        }
    }
}

pub(super) fn fields_at(chain: &PresentedChain, place: usize) -> Option<Certificate<'_>> {
    Certificate::read(chain.certificates().get(place)?)
}
