//! Whether a certificate is revoked, as far as lists say.
//!
//! RFC 5280 §6.3.3; letters in brackets are its steps.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use super::crl::{Crl, serial_number};
use super::is_same_name;
use super::query::{Answered, CrlQuery, CrlQueryKind, RevocationCheck};
use super::scope::{DistributionPoint, Reasons, RevocationReason, directory_names};

use crate::der;
use crate::sort::sort_by;
use crate::x509::certificate::Certificate;
use crate::x509::error::{CertificateError, CertificateErrorKind as Kind};
use crate::x509::extension::BasicConstraints;
use crate::x509::extension::alt_name::DIRECTORY_NAME;
use crate::x509::names::{distinguished_name, printable};
use crate::x509::ocsp::OcspError;

/// More questions are not asked about one chain.
const MAX_QUERIES: usize = 64;
/// More lists are not looked at for one point.
const MAX_LISTS: usize = 16;
/// More signatures of lists, and of certificates that sign them, are not verified for one chain.
const MAX_SIGNATURES: usize = 100;
/// So many reasons are told.
const MAX_TOLD: usize = 6;
/// How long a query may take unless whoever drives the check says something else.
const BUDGET: core::time::Duration = core::time::Duration::from_secs(2);

/// A certificate that is looked for.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    der: &'a [u8],
    pub(super) fields: Certificate<'a>,
    serial: &'a [u8],
    is_ca: bool,
    /// The place of its issuer on the path.
    pub(super) issuer: usize,
    /// Whether it is that of a signer of lists.
    pub(super) is_signer: bool,
}

impl<'a> Subject<'a> {
    pub(super) fn read(der: &'a [u8], issuer: usize, is_signer: bool) -> Option<Self> {
        let fields = Certificate::read(der)?;
        Some(Self {
            der,
            fields,
            serial: serial_number(der)?,
            is_ca: BasicConstraints::of(&fields).is_ok_and(|own| own.is_ca),
            issuer,
            is_signer,
        })
    }
}

/// What became of a certificate.
pub(super) enum Status {
    Good,
    Revoked {
        reason: RevocationReason,
        date: UnixTime,
        list: Arc<Crl>,
    },
    /// What was tried.
    Undetermined(Vec<String>),
}

/// Why a decision does not go on.
pub(super) enum Halt {
    Ask(Box<CrlQuery>),
    /// Somebody may accept it: something is wrong with the certificate at a place of the path.
    Fault(usize, CertificateError),
    Refuse(CertificateError),
}

/// One decision, from its start to where the answers end.
pub(super) struct Decision<'a> {
    pub(super) check: &'a RevocationCheck,
    answers: core::slice::Iter<'a, Answered>,
    queries: usize,
    signatures: usize,
    /// Why there is no list, as the source has said.
    said: Vec<String>,
    pub(super) undetermined: Vec<CertificateError>,
    /// What was wrong and somebody has accepted.
    pub(super) overrides: Vec<CertificateError>,
}

impl<'a> Decision<'a> {
    pub(super) fn new(check: &'a RevocationCheck, answers: &'a [Answered]) -> Self {
        Self {
            check,
            answers: answers.iter(),
            queries: 0,
            signatures: 0,
            said: Vec::new(),
            undetermined: Vec::new(),
            overrides: Vec::new(),
        }
    }

    /// Looks for each certificate that has to be looked for, the one below the anchor first.
    pub(super) fn decide(&mut self) -> Result<(), Halt> {
        let check = self.check;
        let wanted = check.policy.crl_check;
        let path = &check.path;
        let last = path.certificates().len().saturating_sub(1);
        for place in (0..path.certificates().len()).rev() {
            if !wanted.is_on() || place > 0 && !wanted.is_of_chain() {
                continue;
            }
            // Somebody has accepted that it leads to no anchor: it is in the place of one.
            if place > 0 && place == last && !path.has_anchor() {
                continue;
            }
            let Some(certificate) = path.certificate(place) else {
                continue;
            };
            let subject = Subject::read(certificate, place + 1, false);
            let subject =
                subject.ok_or_else(|| Halt::Refuse(CertificateError::malformed_at(place)))?;
            let issuer = distinguished_name(subject.fields.issuer);
            let kind = match self.status(&subject)? {
                Status::Revoked { reason, date, list } => Some(Kind::Revoked {
                    reason,
                    date,
                    crl_number: list.number(),
                    crl_issuer: list.issuer_name(),
                }),
                Status::Good => self.by_response(place, None)?,
                Status::Undetermined(tried) => {
                    let unknown = Kind::RevocationUnknown { issuer, tried };
                    self.by_response(place, Some(unknown))?
                }
            };
            let Some(kind) = kind else {
                continue;
            };
            let is_undetermined = matches!(kind, Kind::RevocationUnknown { .. });
            let presented = check.proof.chain().certificates();
            let index = presented.iter().position(|own| own.as_ref() == subject.der);
            let error = match index {
                Some(index) => CertificateError::at(kind, index, subject.der),
                None => CertificateError::at_intermediate(kind, subject.der),
            };
            if is_undetermined && wanted.accepts_undetermined() {
                self.undetermined.push(error);
                continue;
            }
            match self.answers.next() {
                Some(Answered::Accepted) => self.overrides.push(error),
                _ => return Err(Halt::Fault(place, error)),
            }
        }
        Ok(())
    }

    /// What is wrong with a certificate that no list has, by the OCSP response that came with it: that stands for lists
    /// that are missing, and never against one that has the certificate. Of a responder whose own certificate has to
    /// be looked for (RFC 6960 §4.2.2.2.1) that is done here.
    fn by_response(&mut self, place: usize, unknown: Option<Kind>) -> Result<Option<Kind>, Halt> {
        let Some(verdict) = self.check.proof.good_status(place) else {
            return Ok(unknown);
        };
        let Some(responder) = verdict.unchecked_responder() else {
            return Ok(None);
        };
        let Some(subject) = Subject::read(responder, place + 1, true) else {
            return Ok(unknown);
        };
        Ok(match (self.status(&subject)?, unknown) {
            (Status::Good, _) => None,
            (Status::Revoked { .. }, _) => Some(Kind::BadStaple(OcspError::NotAuthorized {
                responder: verdict.responder().to_owned(),
                why: "its certificate was revoked",
            })),
            (Status::Undetermined(_), Some(Kind::RevocationUnknown { issuer, mut tried })) => {
                tried.push(format!(
                    "the OCSP response: it cannot be told whether the certificate of {} was revoked",
                    verdict.responder()
                ));
                Some(Kind::RevocationUnknown { issuer, tried })
            }
            (Status::Undetermined(_), unknown) => unknown,
        })
    }

    pub(super) fn status(&mut self, subject: &Subject<'_>) -> Result<Status, Halt> {
        let issuer = self.check.path.name(subject.issuer).to_vec();
        let mut tried = Vec::new();
        let mut covered = Reasons::NONE;
        if !subject.is_signer {
            self.said.clear();
        }
        let Some(points) = DistributionPoint::of(&subject.fields) else {
            return Ok(Status::Undetermined(vec![
                "its distribution points cannot be read".to_owned(),
            ]));
        };
        for point in &points {
            if covered == Reasons::ALL {
                break;
            }
            let issuers = match point.crl_issuer {
                Some(names) => directory_names(names).map(<[u8]>::to_vec).collect(),
                None => vec![issuer.clone()],
            };
            let kind = CrlQueryKind::Point;
            let revoked = self.at(subject, point, kind, issuers, &mut covered, &mut tried)?;
            if let Some(revoked) = revoked {
                return Ok(revoked);
            }
        }
        if covered != Reasons::ALL {
            let names = der::element(DIRECTORY_NAME, &issuer);
            let point = DistributionPoint::made_up(&names);
            let (kind, issuers) = (CrlQueryKind::Issuer, vec![issuer]);
            let revoked = self.at(subject, &point, kind, issuers, &mut covered, &mut tried)?;
            if let Some(revoked) = revoked {
                return Ok(revoked);
            }
        }
        if covered == Reasons::ALL {
            return Ok(Status::Good);
        }
        let mut told = core::mem::take(&mut self.said);
        told.append(&mut tried);
        told.dedup();
        told.truncate(MAX_TOLD);
        Ok(Status::Undetermined(told))
    }

    /// What is said at a point: by the lists that are found there first, and if these do not suffice by others.
    fn at(
        &mut self,
        subject: &Subject<'_>,
        point: &DistributionPoint<'_>,
        kind: CrlQueryKind,
        issuers: Vec<Vec<u8>>,
        covered: &mut Reasons,
        tried: &mut Vec<String>,
    ) -> Result<Option<Status>, Halt> {
        let uris = match kind {
            CrlQueryKind::Issuer => Vec::new(),
            _ => point.uris(),
        };
        let lists = self.ask(kind, uris.clone(), issuers.clone())?;
        let revoked = self.at_point(subject, point, &lists, covered, tried)?;
        if revoked.is_some() || lists.is_empty() || point.reasons.without(*covered).is_empty() {
            return Ok(revoked);
        }
        let kind = CrlQueryKind::Further(lists.clone());
        let mut further = self.ask(kind, uris, issuers)?;
        further.retain(|list| !lists.iter().any(|own| own.as_der() == list.as_der()));
        self.at_point(subject, point, &further, covered, tried)
    }

    /// What the lists at a point say, the newest first; what reasons they cover is added.
    fn at_point(
        &mut self,
        subject: &Subject<'_>,
        point: &DistributionPoint<'_>,
        lists: &[Arc<Crl>],
        covered: &mut Reasons,
        tried: &mut Vec<String>,
    ) -> Result<Option<Status>, Halt> {
        let mut complete: Vec<&Arc<Crl>> = lists.iter().filter(|list| !list.is_delta()).collect();
        sort_by(&mut complete, |one, other| one.order(other));
        for list in complete.into_iter().take(MAX_LISTS) {
            if let Some(why) = self.unfit(subject, point, list) {
                tried.push(told(list, why));
                continue;
            }
            // (a)
            let list = match self.current(subject, point, list)? {
                Ok(list) => list,
                Err(why) => {
                    tried.push(told(list, why));
                    continue;
                }
            };
            // (d), (e)
            let interim = point.reasons.and(list.scope().reasons);
            if interim.without(*covered).is_empty() {
                continue;
            }
            // (f), (g)
            let spki = match self.signer(subject, &list)? {
                Ok(spki) => spki,
                Err(why) => {
                    tried.push(told(&list, why));
                    continue;
                }
            };
            // (c), (h)
            let delta = self.delta(subject, &list, lists, &spki)?;
            let issuer = subject.fields.issuer;
            let in_delta = delta
                .as_ref()
                .and_then(|delta| delta.find(subject.serial, issuer));
            // (i), (j), (k)
            let (entry, found_in) = match (in_delta, &delta) {
                (Some(entry), Some(delta)) => (Some(entry), delta),
                _ => (list.find(subject.serial, issuer), &list),
            };
            match entry {
                Some(entry) if entry.reason != RevocationReason::RemoveFromCrl => {
                    return Ok(Some(Status::Revoked {
                        reason: entry.reason,
                        date: entry.date(),
                        list: Arc::clone(found_in),
                    }));
                }
                _ => {}
            }
            // (l)
            *covered = covered.or(interim);
        }
        Ok(None)
    }

    /// Why a list says nothing of this certificate at this point; dates and signature are not looked at.
    fn unfit(
        &self,
        subject: &Subject<'_>,
        point: &DistributionPoint<'_>,
        list: &Crl,
    ) -> Option<&'static str> {
        if let Some(why) = list.useless() {
            return Some(why);
        }
        let scope = list.scope();
        let issuer = subject.fields.issuer;
        // (b) (1)
        let is_of_issuer = match point.crl_issuer {
            Some(names) => {
                scope.is_indirect
                    && directory_names(names).any(|name| is_same_name(name, list.issuer()))
            }
            None => is_same_name(issuer, list.issuer()),
        };
        if !is_of_issuer {
            return Some("another issuer than the one that is wanted");
        }
        // (b) (2)
        if !scope.is_at(point, list.issuer(), issuer) {
            return Some("of another distribution point");
        }
        if !scope.has(subject.is_ca) {
            return Some("for other certificates (issuingDistributionPoint)");
        }
        None
    }

    /// The list, or a newer one in its place if it is over.
    fn current(
        &mut self,
        subject: &Subject<'_>,
        point: &DistributionPoint<'_>,
        list: &Arc<Crl>,
    ) -> Result<Result<Arc<Crl>, &'static str>, Halt> {
        let now = self.check.now;
        if list.is_from_future(now) {
            return Ok(Err(
                "from the future: correct the clock of this machine, or of its issuer",
            ));
        }
        if !list.is_stale(now) {
            return Ok(Ok(Arc::clone(list)));
        }
        let kind = CrlQueryKind::Fresh(Arc::clone(list));
        let newer = self.ask(kind, point.uris(), vec![list.issuer().to_vec()])?;
        let mut newer: Vec<_> = newer
            .into_iter()
            .filter(|newer| {
                newer.replaces(list) && !newer.is_stale(now) && !newer.is_from_future(now)
            })
            .filter(|newer| self.unfit(subject, point, newer).is_none())
            .collect();
        sort_by(&mut newer, |one, other| one.order(other));
        Ok(match (newer.into_iter().next(), list.next_update()) {
            (Some(newer), _) => Ok(newer),
            (None, Some(_)) => Err("it is over (nextUpdate), and there is no newer one"),
            (None, None) => Err("it does not say until when it is good (nextUpdate)"),
        })
    }

    /// The answer to a query, or the end of this decision.
    pub(super) fn ask(
        &mut self,
        kind: CrlQueryKind,
        uris: Vec<String>,
        issuers: Vec<Vec<u8>>,
    ) -> Result<Vec<Arc<Crl>>, Halt> {
        self.queries += 1;
        if self.queries > MAX_QUERIES {
            return Err(too_expensive("queries for revocation lists", MAX_QUERIES));
        }
        match self.answers.next() {
            Some(Answered::Lists(lists)) => Ok(lists.clone()),
            Some(Answered::Nothing(why)) => {
                if let Some(why) = why
                    && self.said.len() < MAX_TOLD
                {
                    self.said.push(printable(why));
                }
                Ok(Vec::new())
            }
            // Accepted is what is wrong, behind all queries about it.
            Some(Answered::Accepted) | None => Err(Halt::Ask(Box::new(CrlQuery {
                kind,
                uris,
                issuers,
                resumption: self.check.resumption,
                authenticated: self.check.authenticated,
                now: self.check.now,
                budget: BUDGET,
            }))),
        }
    }

    /// Counted also where a signature is remembered: the same answers lead the same way.
    pub(super) fn spend_signature(&mut self) -> Result<(), Halt> {
        self.signatures += 1;
        match self.signatures > MAX_SIGNATURES {
            true => Err(too_expensive(
                "signatures of revocation lists",
                MAX_SIGNATURES,
            )),
            false => Ok(()),
        }
    }
}

fn too_expensive(what: &'static str, limit: usize) -> Halt {
    Halt::Refuse(CertificateError::new(Kind::TooExpensive { what, limit }))
}

fn told(list: &Crl, why: &str) -> String {
    let issuer = list.issuer_name();
    match list.number() {
        Some(number) => format!("CRL {number} of {issuer}: {why}"),
        None => format!("CRL of {issuer}: {why}"),
    }
}
