//! A certificate chain as the peer sent it, and the proof that it was verified.
//!
//! RFC 8446 §4.4.2.

use std::sync::{Arc, OnceLock, Weak};

use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};

use super::certificate::Certificate;
use super::ct::{self, Sct, SctSource};
use super::error::{CertificateError, CertificateErrorKind as Kind};
use super::ocsp::{OcspError, OcspStatus, OcspVerdict, Statuses};
use super::path::{Path, Top};
use super::policy::{ChainPolicy, PolicyId};
use super::presented::Shown;
use super::revocation::CheckedPath;
use super::roots::Roots;
use super::signed_path::{Known, SignedPath};
use super::time::Validity;
use super::walk::{Gate, Proof};

/// Most certificates a peer may send in one chain.
///
/// The size of the handshake message bounds the bytes; this bounds the work.
pub const MAX_CERTIFICATES: usize = 64;

/// Refuses a chain of more than [`MAX_CERTIFICATES`].
pub(crate) fn check_length<T>(mut chain: impl Iterator<Item = T>) -> Result<(), CertificateError> {
    match chain.nth(MAX_CERTIFICATES) {
        None => Ok(()),
        Some(_) => Err(CertificateError::new(Kind::TooManyCertificates {
            limit: MAX_CERTIFICATES,
        })),
    }
}

/// The certificates a peer sent, leaf first, not verified. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedChain(Arc<Shown>);

#[derive(PartialEq, Eq, Debug)]
pub(super) struct Entries {
    /// Never empty.
    certificates: Vec<CertificateDer<'static>>,
    /// Boxed: hardly any chain has some.
    beside: Option<Box<Beside>>,
    /// Which signatures are known to be good.
    known: Known,
    /// What the first walk with nobody to listen has found, if it was good: the same walk ends the same.
    judged: Judged,
}

/// What came with the certificates of a chain.
#[derive(Default, PartialEq, Eq, Debug)]
struct Beside {
    /// One for each certificate, up to the last that has one.
    ocsp_responses: Vec<Option<Box<[u8]>>>,
    /// A SignedCertificateTimestampList about the first.
    scts: Option<Box<[u8]>>,
}

impl Beside {
    fn size(&self) -> usize {
        let responses = self.ocsp_responses.iter().flatten();
        let all = responses.chain(&self.scts);
        all.map(|one| one.len()).sum()
    }
}

static EMPTY: Entries = Entries {
    certificates: Vec::new(),
    beside: None,
    known: Known::new(),
    judged: Judged::new(),
};

impl Entries {
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// About how many bytes it has, with what came beside its certificates: sessions keep all of it.
    pub(super) fn size(&self) -> usize {
        let certificates = self.certificates.iter().map(|one| 3 + one.len());
        certificates.sum::<usize>() + self.beside.as_ref().map_or(0, |beside| beside.size())
    }

    pub(super) fn ocsp_response(&self, index: usize) -> Option<&[u8]> {
        self.beside.as_ref()?.ocsp_responses.get(index)?.as_deref()
    }

    pub(super) fn scts(&self) -> Vec<Sct> {
        let Some(leaf) = self.certificates.first() else {
            return Vec::new();
        };
        let mut scts = ct::in_certificate(leaf);
        if let Some(list) = self
            .beside
            .as_ref()
            .and_then(|beside| beside.scts.as_deref())
        {
            scts.extend(ct::of_list(list, SctSource::TlsExtension));
        }
        if let Some(response) = self.ocsp_response(0) {
            scts.extend(ct::in_response(response, leaf));
        }
        scts
    }

    /// The leaf's SubjectPublicKeyInfo, with its header.
    pub(super) fn end_entity_spki(&self) -> &[u8] {
        let leaf = self.certificates.first();
        let fields = leaf.and_then(|leaf| Certificate::read(leaf));
        fields.map(|fields| fields.spki).unwrap_or_default()
    }
}

impl PresentedChain {
    /// For [`Presented::kind`](super::presented::Presented::kind), which has looked, and of what came from a chain.
    pub(super) fn of(shown: Arc<Shown>) -> Self {
        Self(shown)
    }

    pub(super) fn into_shown(self) -> Arc<Shown> {
        self.0
    }

    pub(super) fn downgrade(&self) -> Weak<Shown> {
        Arc::downgrade(&self.0)
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn entries(&self) -> &Entries {
        match &*self.0 {
            Shown::Chain(entries) => entries,
            // The constructors refuse it.
            Shown::RawKey(_) => &EMPTY,
        }
    }

    /// Takes a chain without OCSP responses.
    ///
    /// # Errors
    /// When it is empty, longer than [`MAX_CERTIFICATES`], or the leaf is not a certificate.
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, CertificateError> {
        Self::from_entries(certificates.into_iter().map(|der| (der, None)))
    }

    /// Takes the entries of a Certificate message: each a certificate and, if one was stapled,
    /// the DER of its OCSP response (§4.4.2.1).
    ///
    /// # Errors
    /// When there are none, more than [`MAX_CERTIFICATES`], or the leaf is not a certificate.
    pub fn from_entries(
        entries: impl IntoIterator<Item = (CertificateDer<'static>, Option<Box<[u8]>>)>,
    ) -> Result<Self, CertificateError> {
        let entries = entries.into_iter().take(MAX_CERTIFICATES + 1);
        let count = entries.size_hint().0.max(1);
        Self::from_counted(entries, count)
    }

    /// The same, of entries of which there are `count`, not more than too many by one.
    pub(crate) fn from_counted(
        entries: impl Iterator<Item = (CertificateDer<'static>, Option<Box<[u8]>>)>,
        count: usize,
    ) -> Result<Self, CertificateError> {
        // Kept as long as the connection, so no more than is needed.
        let mut certificates = Vec::with_capacity(count);
        let mut beside: Option<Box<Beside>> = None;
        for (at, (certificate, ocsp_response)) in entries.enumerate() {
            certificates.push(certificate);
            if ocsp_response.is_some() {
                let responses = &mut beside.get_or_insert_default().ocsp_responses;
                responses.resize(at, None);
                responses.push(ocsp_response);
            }
        }
        check_length(certificates.iter())?;
        let Some(leaf) = certificates.first() else {
            return Err(CertificateError::new(Kind::Malformed(
                "there is no certificate in the chain",
            )));
        };
        if Certificate::read(leaf).is_none() {
            return Err(CertificateError::malformed_at(0));
        }
        Ok(Self(Arc::new(Shown::Chain(Entries {
            certificates,
            beside,
            known: Known::new(),
            judged: Judged::new(),
        }))))
    }

    /// Which signatures of the chain are known to be good.
    pub(super) fn known(&self) -> &Known {
        &self.entries().known
    }

    /// What a walk by this policy for the server of that name, or for a client, would find, if one has found it
    /// before and no date has passed since. `None` if that is not known.
    pub(crate) fn judged(
        &self,
        server_name: Option<&ServerName<'_>>,
        now: UnixTime,
        policy: &ChainPolicy,
    ) -> Option<VerifiedChain> {
        let (verified, valid) = self.entries().judged.0.get()?;
        let is_same = verified.is_for(server_name, policy.id) && valid.contains(now);
        is_same.then(|| VerifiedChain {
            chain: self.clone(),
            proof: Some(Proven {
                by: By::Chain,
                roots: policy.roots.clone(),
                intermediates: Arc::clone(&policy.intermediates),
            }),
            statuses: None,
        })
    }

    /// Keeps what a walk has found beside the chain, where nothing else is.
    fn note_judged(&self, verified: Verified, valid: Validity) -> By {
        let Some((known, _)) = self.entries().judged.0.get() else {
            // Of two at once one stays.
            let judged = &self.entries().judged.0;
            return match judged.set((verified, valid)) {
                Ok(()) => By::Chain,
                Err((verified, _)) => By::Own(Arc::new(verified)),
            };
        };
        match known.is_same(&verified) {
            true => By::Chain,
            false => By::Own(Arc::new(verified)),
        }
    }

    /// For those who read what was sealed: which signatures were found good before.
    pub(crate) fn note_signed(&self, path: SignedPath) {
        self.known().note(path);
    }

    /// The leaf: the certificate of the peer itself.
    pub fn end_entity(&self) -> &CertificateDer<'static> {
        match self.entries().certificates.first() {
            Some(leaf) => leaf,
            // The constructor refuses an empty chain.
            None => const { &CertificateDer::from_slice(&[]) },
        }
    }

    /// All certificates, leaf first, as sent.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.entries().certificates
    }

    /// What came with the leaf, in any order.
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        self.entries().certificates.get(1..).unwrap_or_default()
    }

    /// Adds the response that came for the peer's own certificate, in a message of its own (RFC 6066
    /// §8).
    pub(crate) fn with_ocsp_response(mut self, response: &[u8]) -> Self {
        if let Some(Shown::Chain(entries)) = Arc::get_mut(&mut self.0) {
            entries.beside.get_or_insert_default().ocsp_responses = vec![Some(response.into())];
        }
        self
    }

    /// Adds the SignedCertificateTimestampList that came in an extension (RFC 6962 §3.3.1).
    pub(crate) fn with_scts(mut self, list: Option<&[u8]>) -> Self {
        if let (Some(list), Some(Shown::Chain(entries))) = (list, Arc::get_mut(&mut self.0)) {
            entries.beside.get_or_insert_default().scts = Some(list.into());
        }
        self
    }

    /// The timestamps of logs that came with the peer's own certificate (RFC 6962 §3.3): in it, in an extension of TLS
    /// if they were [asked for](crate::config::ClientConfigBuilder::request_scts), and in its OCSP response. Nothing
    /// says that they are genuine: [`CtLogs::verify`](super::CtLogs::verify) does.
    pub fn scts(&self) -> Vec<Sct> {
        self.entries().scts()
    }

    /// The DER of the OCSP response stapled to the certificate at `index`, not verified.
    pub fn ocsp_response(&self, index: usize) -> Option<&[u8]> {
        self.entries().ocsp_response(index)
    }

    /// Whether one came with any certificate.
    pub(super) fn has_ocsp_responses(&self) -> bool {
        let beside = self.entries().beside.as_ref();
        beside.is_some_and(|beside| !beside.ocsp_responses.is_empty())
    }

    /// The leaf's SubjectPublicKeyInfo, with its header.
    pub fn end_entity_spki(&self) -> &[u8] {
        self.entries().end_entity_spki()
    }
}

impl core::fmt::Debug for PresentedChain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PresentedChain")
            .field("certificates", &self.entries().certificates.len())
            .field("subject", &super::subject(self.end_entity()))
            .finish()
    }
}

/// Proof that a chain was verified: only the verifier makes one. It holds for whom and by which
/// policy the chain was verified, and is worth nothing elsewhere. Cheap to clone.
#[derive(Clone, Debug)]
pub struct VerifiedChain {
    chain: PresentedChain,
    /// `None` if nobody verified it.
    proof: Option<Proven>,
    /// What OCSP responses say of the path. Hardly any chain has one.
    statuses: Option<Arc<Statuses>>,
}

/// What was verified, and by what.
#[derive(Clone, Debug)]
struct Proven {
    by: By,
    /// Among which the anchor is.
    roots: Roots,
    /// What the path may lead through besides the chain.
    intermediates: Arc<[CertificateDer<'static>]>,
}

/// Where it stands what was verified.
#[derive(Clone, Debug)]
enum By {
    /// Beside the chain.
    Chain,
    /// Here: something else stands beside the chain, or somebody has listened.
    Own(Arc<Verified>),
}

/// What the first walk with nobody to listen has found, if it was good, and when another one finds the same.
#[derive(Debug)]
struct Judged(OnceLock<(Verified, Validity)>);

impl Judged {
    const fn new() -> Self {
        Self(OnceLock::new())
    }
}

/// Chains that differ in it alone are the same.
impl PartialEq for Judged {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Judged {}

/// For what a chain was verified.
#[derive(Clone, Debug)]
struct Verified {
    /// `None` for a client.
    server_name: Option<ServerName<'static>>,
    policy: PolicyId,
    /// Whether the key usage lets the key sign.
    may_sign: bool,
    /// From the leaf up.
    path: Path,
    top: Top,
    /// Boxed: hardly any chain has some. Without them webpki agrees, of all of the path.
    besides: Option<Box<Besides>>,
}

/// What else there is to be said of a chain that is accepted.
#[derive(Clone, Debug)]
struct Besides {
    /// What was wrong and was accepted.
    overrides: Vec<CertificateError>,
    /// What webpki has said of the path.
    gate: Option<Gate>,
    /// Another path that webpki alone has refused.
    disagreement: Option<CertificateError>,
}

impl Verified {
    /// That webpki agrees, of all of the path.
    const fn agreed(path: &Path) -> Option<Gate> {
        Some(Gate::Agreed {
            certificates: path.len(),
        })
    }

    fn gate(&self) -> Option<Gate> {
        match &self.besides {
            Some(besides) => besides.gate,
            None => Self::agreed(&self.path),
        }
    }

    fn overrides(&self) -> &[CertificateError] {
        match &self.besides {
            Some(besides) => &besides.overrides,
            None => &[],
        }
    }

    /// Whether it is what a walk with nobody to listen has found, too.
    fn is_same(&self, other: &Self) -> bool {
        let path = self.path.places().eq(other.path.places());
        path && self.top == other.top
            && self.may_sign == other.may_sign
            && other.is_for(self.server_name.as_ref(), self.policy)
            && self.overrides().is_empty()
            && other.overrides().is_empty()
    }

    fn is_for(&self, server_name: Option<&ServerName<'_>>, policy: PolicyId) -> bool {
        self.policy == policy && self.server_name.as_ref() == server_name
    }
}

impl VerifiedChain {
    /// For the verifier, at the end of a verification that succeeded: as the chain of the server
    /// of that name, or of a client.
    pub(super) fn proven(
        proof: Proof,
        server_name: Option<ServerName<'static>>,
        policy: &ChainPolicy,
    ) -> Self {
        let agreed = Verified::agreed(&proof.path);
        let is_plain = proof.overrides.is_empty() && proof.disagreement.is_none();
        let besides = (!is_plain || proof.gate != agreed).then(|| {
            Box::new(Besides {
                overrides: proof.overrides,
                gate: proof.gate,
                disagreement: proof.disagreement,
            })
        });
        let verified = Verified {
            server_name,
            policy: policy.id,
            may_sign: proof.may_sign,
            path: proof.path,
            top: proof.top,
            besides,
        };
        let by = match proof.valid {
            Some(valid) => proof.chain.note_judged(verified, valid),
            None => By::Own(Arc::new(verified)),
        };
        Self {
            chain: proof.chain,
            proof: Some(Proven {
                by,
                roots: policy.roots.clone(),
                intermediates: Arc::clone(&policy.intermediates),
            }),
            statuses: None,
        }
    }

    fn verified(&self) -> Option<&Verified> {
        match &self.proof.as_ref()?.by {
            By::Chain => self.chain.entries().judged.0.get().map(|(own, _)| own),
            By::Own(own) => Some(own),
        }
    }

    /// Accepts a chain that **nobody verified**: anyone in the middle can impersonate the peer.
    ///
    /// For an application that verifies chains by rules of its own, and for tests.
    pub fn dangerous_accept_without_verification(chain: PresentedChain) -> Self {
        Self {
            chain,
            proof: None,
            statuses: None,
        }
    }

    /// Whether the verifier of this library proved the chain; `false` for one that was
    /// accepted without it, or although something was wrong.
    pub fn is_verified(&self) -> bool {
        self.proof.is_some() && self.overrides().is_empty()
    }

    /// What was wrong with the chain and was [accepted](crate::x509::Pending::accept) all the same.
    pub fn overrides(&self) -> &[CertificateError] {
        self.verified().map_or(&[], Verified::overrides)
    }

    /// What webpki, which is asked about a path that is good by the rules of this library, has said of this one. `None` if nobody
    /// verified the chain, or somebody has accepted it although webpki alone refuses it.
    pub fn gate(&self) -> Option<Gate> {
        self.verified()?.gate()
    }

    /// A path that is good by the rules of this library, and that webpki refuses
    /// ([`Disagreement`](super::CertificateErrorKind::Disagreement)): another one was accepted instead, or somebody has
    /// accepted it all the same. That is a mistake of one of the two.
    pub fn disagreement(&self) -> Option<&CertificateError> {
        let besides = self.verified()?.besides.as_ref()?;
        let is_it = |error: &&CertificateError| matches!(error.kind(), Kind::Disagreement { .. });
        let overridden = besides.overrides.iter().find(is_it);
        overridden.or(besides.disagreement.as_ref())
    }

    /// Adds what was wrong and was accepted when the walk was over.
    pub(super) fn with_overrides(mut self, more: Vec<CertificateError>) -> Self {
        if more.is_empty() {
            return self;
        }
        let Some(verified) = self.verified() else {
            return self;
        };
        let mut verified = verified.clone();
        let gate = verified.gate();
        let besides = verified.besides.get_or_insert_with(|| {
            Box::new(Besides {
                overrides: Vec::new(),
                gate,
                disagreement: None,
            })
        });
        besides.overrides.extend(more);
        if let Some(proof) = &mut self.proof {
            proof.by = By::Own(Arc::new(verified));
        }
        self
    }

    /// Whether an authority that leads to an anchor has signed all that the path says, or somebody trusts it. What was
    /// accepted, if anything was, leaves that as it is: it is about the peer's own certificate, and about no signature.
    pub(super) fn is_vouched_for(&self) -> bool {
        let is_harmless = |error: &CertificateError| {
            error.index() == Some(0)
                && matches!(
                    error.kind(),
                    Kind::Expired { .. }
                        | Kind::NotYetValid { .. }
                        | Kind::NameMismatch { .. }
                        | Kind::WrongPurpose { .. }
                        | Kind::KeyUsage
                )
        };
        self.verified().is_some_and(|verified| {
            verified.top != Top::Unknown && verified.overrides().iter().all(is_harmless)
        })
    }

    /// Whether the verifier has found that the key may sign.
    pub(crate) fn may_sign(&self) -> bool {
        self.verified().is_some_and(|verified| verified.may_sign)
    }

    /// The peer's own certificate.
    pub fn end_entity(&self) -> &CertificateDer<'static> {
        self.chain.end_entity()
    }

    /// The chain as the peer sent it, including certificates that were not needed.
    pub fn chain(&self) -> &PresentedChain {
        &self.chain
    }

    /// The certificates that were found to lead from the peer to an anchor: its own first, each
    /// issued by the next, and the last by the [`anchor`](Self::anchor). Empty if nobody verified
    /// the chain.
    pub fn path(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        let places = self
            .verified()
            .into_iter()
            .flat_map(|own| own.path.places());
        places.filter_map(|place| self.der(place))
    }

    /// The name and key among the [`Roots`] that have issued the last certificate of the
    /// [`path`](Self::path). `None` if nobody verified the chain, or it rests on something else.
    pub fn anchor(&self) -> Option<&TrustAnchor<'static>> {
        let roots = &self.proof.as_ref()?.roots;
        match self.verified()?.top {
            Top::Root(at) => roots.anchor(at).map(|(anchor, _)| anchor),
            Top::Pinned | Top::Trusted(_) | Top::Unknown => None,
        }
    }

    /// The certificate of the [`anchor`](Self::anchor), if it came to the roots with one; or that of
    /// the peer's which [somebody trusts](crate::x509::PathStart::trust).
    pub fn anchor_certificate(&self) -> Option<&CertificateDer<'static>> {
        let roots = &self.proof.as_ref()?.roots;
        match self.verified()?.top {
            Top::Root(at) => roots.certificate_of(at),
            Top::Trusted(place) => self.der(place),
            Top::Pinned | Top::Unknown => None,
        }
    }

    /// What the OCSP response says that came with the peer's own certificate, or why it says nothing; `None` if none
    /// came, or nobody wanted to know ([`OcspPolicy`](super::OcspPolicy)).
    pub fn ocsp_verdict(&self) -> Option<&Result<OcspVerdict, OcspError>> {
        self.status(0)
    }

    /// The same of the certificate at a place of the path.
    fn status(&self, place: usize) -> Option<&Result<OcspVerdict, OcspError>> {
        self.statuses.as_ref()?.get(place)?.as_ref()
    }

    /// What a response says of it, if that calls it good.
    pub(super) fn good_status(&self, place: usize) -> Option<&OcspVerdict> {
        let verdict = self.status(place)?.as_ref().ok()?;
        matches!(verdict.status(), OcspStatus::Good).then_some(verdict)
    }

    /// The verdict, which is kept longer than the proof.
    pub(super) fn take_ocsp_verdict(&mut self) -> Option<Box<Result<OcspVerdict, OcspError>>> {
        let mut verdict = Arc::unwrap_or_clone(self.statuses.take()?)
            .into_iter()
            .next()
            .flatten()?;
        if let Ok(verdict) = &mut verdict {
            verdict.forget_responder();
        }
        Some(Box::new(verdict))
    }

    pub(super) fn set_statuses(&mut self, statuses: Statuses) {
        self.statuses = Some(Arc::new(statuses));
    }

    fn der(&self, place: usize) -> Option<&CertificateDer<'static>> {
        match place.checked_sub(MAX_CERTIFICATES) {
            None => self.chain.certificates().get(place),
            Some(helper) => self.proof.as_ref()?.intermediates.get(helper),
        }
    }

    /// Whether the path is the same, and nothing was accepted that is wrong with it.
    pub(crate) fn has_path_of(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (self.verified(), other.verified()) else {
            return false;
        };
        self.is_verified()
            && other.proves(&self.chain)
            && own.top == others.top
            && own.path.places().eq(others.path.places())
    }

    /// The path, for those who look for it in revocation lists.
    pub(super) fn checked_path(&self) -> CheckedPath {
        let top = self.verified().map(|own| own.top);
        let read = |place: usize| Certificate::read(self.der(place)?);
        let path = self.path().cloned();
        match (self.anchor(), top) {
            (Some(anchor), _) => CheckedPath::new(path, anchor),
            (None, Some(Top::Trusted(place))) => CheckedPath::below(path, read(place)),
            // There is nothing below it.
            (None, Some(Top::Pinned)) => CheckedPath::below(core::iter::empty(), read(0)),
            (None, _) => CheckedPath::below(path, None),
        }
    }

    pub(crate) fn into_chain(self) -> PresentedChain {
        self.chain
    }

    /// Whether this is the proof of that chain and not of another connection's.
    pub(crate) fn proves(&self, chain: &PresentedChain) -> bool {
        self.chain.same(chain) || self.chain == *chain
    }

    /// Whether the chain was verified as that of the server of this name, or of a client, and as
    /// this policy demands. Where a configuration has no policy, every policy is more than it
    /// demands. A caller that accepts a chain without verification answers for it.
    pub(crate) fn is_for(
        &self,
        server_name: Option<&ServerName<'_>>,
        policy: Option<&ChainPolicy>,
    ) -> bool {
        self.verified().is_none_or(|verified| {
            let policy = policy.map_or(verified.policy, |policy| policy.id);
            verified.is_for(server_name, policy)
        })
    }
}
