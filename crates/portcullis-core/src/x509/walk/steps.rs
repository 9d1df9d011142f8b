//! What is asked about a certificate on a path, in order, one function for each row.
//!
//! RFC 5280 §6.1.3 to §6.1.5, RFC 8446 §4.4.2.2; a bare § means RFC 5280. The order is that of
//! Erlang's public_key, so that who knows its findings knows these.

use core::time::Duration;

use rustls_pki_types::UnixTime;

use super::constraints::{self, Accepted, Breach, MAX_COMPARISONS};
use super::finding::{About, Fault};
use super::gate::{self, Gate};
use super::policies::{MAX_NODES, Unfit};
use super::signature::signature;
use super::{Allowed, Walk};
use crate::der::{self, NotDer};
use crate::x509::certificate::{Certificate, Extension};
use crate::x509::error::CertificateErrorKind as Kind;
use crate::x509::explain;
use crate::x509::extension::alt_name::{DIRECTORY_NAME, DNS_NAME, IP_ADDRESS, MAIL_ADDRESS, URI};
use crate::x509::extension::name_constraints::NameConstraints;
use crate::x509::extension::policies::is_about_policies;
use crate::x509::extension::{
    BasicConstraints, ExtendedKeyUsage, GeneralNames, KeyUsage, Known, Unreadable,
};
use crate::x509::host_name;
use crate::x509::name;
use crate::x509::names::{MAX_PRINTED, alt_names, distinguished_name, printable};
use crate::x509::path::{Path, Top, Wanted};
use crate::x509::time::Validity;
use crate::x509::verify::may_exchange_keys;

/// The largest certificate that is read: its length has two bytes, its header four.
const MAX_CERTIFICATE: usize = 4 + 0xffff;

/// How long a Name may be, in bytes.
pub(super) const MAX_NAME: usize = 8_192;

/// Most subjectAltName entries kept in an error.
const MAX_NAMES: usize = 100;

/// What is asked. The first is about the anchor, the others about each certificate below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    AnchorDates,
    PathLength,
    Form,
    BasicConstraints,
    KeyUsage,
    Purpose,
    AltName,
    CriticalExtensions,
    /// Each of them, if somebody wants to know.
    Extensions,
    Dates,
    Signature,
    NameConstraints,
    /// Of the whole path, if somebody asks for some.
    Policies,
    HostName,
    /// It is good so far, if somebody wants to know.
    Valid,
    Gate,
    Done,
}

impl Row {
    pub(super) const FIRST: Self = Self::AnchorDates;
    /// Of a certificate below another one.
    pub(super) const OF_NEXT: Self = Self::PathLength;
    pub(super) const DONE: Self = Self::Done;

    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    /// What comes after it. Names are compared when the signature is known to be good, so that a
    /// bad one costs no comparison; whoever listens is told of both, names first.
    pub(super) const fn next(self, listening: bool) -> Self {
        match (self, listening) {
            (Self::AnchorDates, _) => Self::PathLength,
            (Self::PathLength, _) => Self::Form,
            (Self::Form, _) => Self::BasicConstraints,
            (Self::BasicConstraints, _) => Self::KeyUsage,
            (Self::KeyUsage, _) => Self::Purpose,
            (Self::Purpose, _) => Self::AltName,
            (Self::AltName, _) => Self::CriticalExtensions,
            (Self::CriticalExtensions, _) => Self::Extensions,
            (Self::Extensions, _) => Self::Dates,
            (Self::Dates, false) | (Self::NameConstraints, true) => Self::Signature,
            (Self::Dates, true) | (Self::Signature, false) => Self::NameConstraints,
            (Self::NameConstraints, false) | (Self::Signature, true) => Self::Policies,
            (Self::Policies, _) => Self::HostName,
            (Self::HostName, _) => Self::Valid,
            (Self::Valid, _) => Self::Gate,
            (Self::Gate | Self::Done, _) => Self::Done,
        }
    }

    /// Asks what the row asks, up to a fault. Where there is more than one to be found, what is behind it is left
    /// for [`rest`](Walk::rest), which gives the part of the row to go on with.
    pub(super) fn judge(
        self,
        walk: &mut Walk,
        wanted: Wanted<'_>,
        subject: &Subject<'_>,
        part: usize,
    ) -> Result<(), Fault> {
        match self {
            Self::AnchorDates => the_anchor(walk, wanted, subject),
            Self::PathLength => path_length(walk, wanted, subject),
            Self::Form => form(walk, subject, part),
            Self::BasicConstraints => basic_constraints(wanted, subject),
            Self::KeyUsage => key_usage(walk, wanted, subject),
            Self::Purpose => purpose(wanted, subject),
            Self::AltName => alt_name(subject),
            Self::CriticalExtensions => critical_extensions(walk, wanted, subject, part),
            Self::Dates => dates(walk, wanted, subject),
            Self::Signature => signature(walk, wanted, subject),
            Self::NameConstraints => name_constraints(walk, wanted, subject, part),
            Self::Policies => the_policies(wanted, subject),
            Self::HostName => the_host_name(wanted, subject),
            Self::Gate => the_gate(walk, wanted, subject),
            Self::Extensions | Self::Valid | Self::Done => Ok(()),
        }
    }
}

/// One certificate of a path.
pub(super) struct Subject<'a> {
    der: &'a [u8],
    pub(super) certificate: Certificate<'a>,
    known: Known<'a>,
    pub(super) path: &'a Path,
    pub(super) top: Top,
    /// So many above the leaf.
    pub(super) above: usize,
}

impl<'a> Subject<'a> {
    pub(super) fn new(
        wanted: Wanted<'a>,
        path: &'a Path,
        top: Top,
        above: usize,
    ) -> Result<Self, Fault> {
        let malformed = |what| Fault::unreadable(what, above);
        let place = path.place(above).unwrap_or_default();
        let read = wanted.der(place);
        let read = read.and_then(|der| Some((der, Certificate::read(der)?)));
        let (der, certificate) = read.ok_or_else(|| malformed("it is not DER-encoded X.509"))?;
        let known = Known::read(&certificate).map_err(|unreadable| {
            malformed(match unreadable {
                Unreadable::NotDer => "an extension of it",
                Unreadable::Twice => "an extension is in it twice",
                Unreadable::TooMany => "it has more than 64 extensions",
            })
        })?;
        Ok(Self {
            der,
            certificate,
            known,
            path,
            top,
            above,
        })
    }

    const fn is_leaf(&self) -> bool {
        self.above == 0
    }

    fn is_pinned(&self) -> bool {
        self.top == Top::Pinned
    }

    fn fault(&self, kind: Kind) -> Fault {
        Fault::of(kind, self.above)
    }

    fn malformed(&self, what: &'static str) -> Fault {
        self.fault(Kind::Malformed(what))
    }

    /// §6.1: "a certificate is self-issued if the same DN appears in the subject and issuer
    /// fields".
    fn is_self_issued(&self) -> bool {
        let certificate = &self.certificate;
        name::is_same(certificate.subject, certificate.issuer, &mut 0)
    }

    /// The extension at a place among those that somebody may know better: not about what a CA
    /// may do, which the walk itself decides.
    pub(super) fn extension(&self, place: usize) -> Option<Extension<'a>> {
        let extensions = self.certificate.extensions().map_while(Result::ok);
        let mut others = extensions.filter(|extension| !Known::is_for_the_walk(extension.oid));
        others.nth(place)
    }

    /// The critical ones that are not processed.
    fn unknown_extensions<'s>(
        &'s self,
        wanted: Wanted<'s>,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, 's> {
        let extensions = self.certificate.extensions().map_while(Result::ok);
        extensions
            .filter(move |own| own.critical && !is_processed(wanted, own.oid))
            .map(|own| own.oid)
    }

    /// That a critical extension is not processed.
    pub(super) fn unknown_extension(&self, oid: &[u8]) -> Fault {
        let oid = dotted(oid);
        self.fault(Kind::UnknownCriticalExtension { oid })
    }

    fn basic_constraints(&self) -> Result<BasicConstraints, Fault> {
        match self.known.basic_constraints.map(BasicConstraints::read) {
            None => Ok(BasicConstraints::default()),
            Some(read) => read.ok_or_else(|| self.malformed("its basic constraints")),
        }
    }

    fn alt_names(&self) -> Result<GeneralNames<'a>, Fault> {
        match self.known.alt_name.map(GeneralNames::read) {
            None => Ok(GeneralNames::default()),
            Some(read) => read.ok_or_else(|| self.malformed("its alternative names")),
        }
    }

    /// What a certificate of the path is called, or its anchor.
    fn name_above(&self, wanted: Wanted<'_>, which: About) -> String {
        let name = match (which, self.top) {
            (About::Certificate(above), _) => self
                .path
                .place(above)
                .and_then(|place| wanted.certificate(place))
                .map(|certificate| certificate.subject),
            (About::Anchor, Top::Trusted(place)) => wanted
                .certificate(place)
                .map(|certificate| certificate.subject),
            // As the certificate below it has it.
            (About::Anchor, Top::Root(_) | Top::Unknown) => wanted
                .certificate(self.path.head())
                .map(|certificate| certificate.issuer),
            (About::Anchor, Top::Pinned) | (About::Chain, _) => None,
        };
        name.map(distinguished_name).unwrap_or_default()
    }

    /// The subjects of the path, from the leaf up, and the anchor.
    fn names_of_path(&self, wanted: Wanted<'_>) -> Vec<String> {
        let certificates = (0..self.path.len()).map(About::Certificate);
        let all = certificates.chain([About::Anchor]);
        all.map(|which| self.name_above(wanted, which)).collect()
    }

    fn validity(&self) -> Result<Validity, Fault> {
        let validity = self.certificate.validity();
        validity.ok_or_else(|| self.malformed("a date in it"))
    }
}

/// An OID for people.
pub(super) fn dotted(oid: &[u8]) -> String {
    match der::dotted(oid) {
        Some(oid) => printable(&oid),
        None => "its name is no OID".to_owned(),
    }
}

/// There is an anchor, and it is as good as its dates, if they are known and count. Where another
/// one has issued the same, that is tried, too.
fn the_anchor(walk: &mut Walk, wanted: Wanted<'_>, subject: &Subject<'_>) -> Result<(), Fault> {
    let validity = match subject.top {
        Top::Pinned => return Ok(()),
        Top::Unknown => {
            let kind = match &walk.unknown {
                Some(error) => error.kind().clone(),
                None => explain::self_signed(wanted),
            };
            return Err(Fault::of_path(kind, About::Certificate(subject.above)));
        }
        Top::Root(at) => {
            let anchor = wanted.policy.roots.anchor(at);
            anchor.and_then(|(_, limits)| limits.validity)
        }
        Top::Trusted(place) => {
            let anchor = wanted.certificate(place);
            anchor.and_then(|anchor| anchor.validity())
        }
    };
    match validity {
        Some(validity) if wanted.policy.anchor_dates => {
            walk.valid = walk.valid.and(validity);
            is_valid(validity, wanted.now)
                .map_err(|kind| Fault::of_edge(kind, subject.above, About::Anchor))
        }
        _ => Ok(()),
    }
}

/// §6.1.4 (l), (m): there may be as many intermediates as each CA above allows. Those that a CA
/// issued to itself, to change its key, do not count.
fn path_length(walk: &mut Walk, wanted: Wanted<'_>, subject: &Subject<'_>) -> Result<(), Fault> {
    if subject.is_leaf() {
        return Ok(());
    }
    let verdict = match &mut walk.allowed {
        Some(allowed) if !subject.is_self_issued() => match allowed.left.checked_sub(1) {
            Some(less) => {
                allowed.left = less;
                Ok(())
            }
            None => {
                let kind = Kind::PathLength {
                    ca: subject.name_above(wanted, allowed.by),
                    allowed: allowed.limit,
                };
                Err(Fault::of_path(kind, About::Certificate(subject.above)))
            }
        },
        _ => Ok(()),
    };
    // What is wrong with them is said where they are asked for.
    let own = subject.basic_constraints().ok();
    if let Some(own) = own.and_then(|own| own.path_length)
        && walk.allowed.is_none_or(|allowed| own < allowed.left)
    {
        walk.allowed = Some(Allowed::by(About::Certificate(subject.above), own));
    }
    verdict
}

/// What can be said of the certificate without its extensions.
fn form(walk: &mut Walk, subject: &Subject<'_>, part: usize) -> Result<(), Fault> {
    type ToKind = fn(&'static str) -> Kind;
    const UNSUPPORTED: ToKind = Kind::Unsupported;
    const MALFORMED: ToKind = Kind::Malformed;
    let certificate = &subject.certificate;
    let longest_name = certificate.subject.len().max(certificate.issuer.len());
    let faults = [
        (
            subject.der.len() > MAX_CERTIFICATE,
            (UNSUPPORTED, "it is larger than 64 KiB"),
        ),
        // §6.1.4 (k) would let other means say that one of version 1 is of a CA: a peer is none.
        (
            certificate.version != 3,
            (UNSUPPORTED, "it is not X.509 version 3"),
        ),
        // §4.1.1.2.
        (
            certificate.signature_algorithm != certificate.signed_algorithm,
            (MALFORMED, "it names two different signature algorithms"),
        ),
        (
            longest_name > MAX_NAME,
            (MALFORMED, "a name in it is longer than 8 KiB"),
        ),
        (
            der::public_key_info(certificate.spki).is_none(),
            (MALFORMED, "its public key"),
        ),
    ];
    let mut faults = faults.into_iter().enumerate().skip(part);
    match faults.find(|(_, (is_there, _))| *is_there) {
        None => Ok(()),
        Some((part, (_, (kind, what)))) => {
            walk.rest = Some((Row::Form, part + 1));
            Err(subject.fault(kind(what)))
        }
    }
}

/// §6.1.4 (k): whoever has issued a certificate is a CA. And a CA is no peer, unless exactly this
/// certificate is trusted: tools set CA:TRUE on self-signed certificates of servers.
fn basic_constraints(wanted: Wanted<'_>, subject: &Subject<'_>) -> Result<(), Fault> {
    let is_ca = subject.basic_constraints()?.is_ca;
    if is_ca != subject.is_leaf() || subject.is_pinned() {
        return Ok(());
    }
    Err(
        subject.fault(match subject.is_leaf() && subject.is_self_issued() {
            true => explain::self_signed(wanted),
            false => Kind::WrongBasicConstraints,
        }),
    )
}

/// §6.1.4 (n): whoever has issued a certificate may sign certificates. RFC 8446 §4.4.2.2: the leaf
/// may sign; before TLS 1.3 a server's key may decrypt or agree instead (RFC 5246 §7.4.2), and
/// where it has to sign that is found out there.
fn key_usage(walk: &mut Walk, wanted: Wanted<'_>, subject: &Subject<'_>) -> Result<(), Fault> {
    let Some(value) = subject.known.key_usage else {
        return Ok(());
    };
    let usage = KeyUsage::read(value).ok_or_else(|| subject.malformed("its key usage"))?;
    if !subject.is_leaf() {
        return match usage.key_cert_sign() {
            true => Ok(()),
            false => Err(subject.fault(Kind::IssuerKeyUsage)),
        };
    }
    if usage.digital_signature() {
        return Ok(());
    }
    walk.may_sign = false;
    let is_server = wanted.server_name.is_some();
    match is_server && may_exchange_keys(&subject.certificate) {
        true => Ok(()),
        false => Err(subject.fault(Kind::KeyUsage)),
    }
}

/// §4.2.1.12: what the key may be used for, of the leaf and of every CA that says so, critical or
/// not (CVE-2024-53846).
fn purpose(wanted: Wanted<'_>, subject: &Subject<'_>) -> Result<(), Fault> {
    let Some(value) = subject.known.extended_key_usage else {
        return Ok(());
    };
    let usage =
        ExtendedKeyUsage::read(value).ok_or_else(|| subject.malformed("its extended key usage"))?;
    if usage.is_empty() {
        return Err(subject.malformed("its extended key usage is empty"));
    }
    let is_any = wanted.policy.any_purpose && usage.allows_any();
    let needed = wanted.purpose;
    match is_any || usage.allows(needed) {
        true => Ok(()),
        false => Err(subject.fault(Kind::WrongPurpose { needed })),
    }
}

/// §4.2.1.6: the alternative names can be read, and if they have to be understood, one is.
fn alt_name(subject: &Subject<'_>) -> Result<(), Fault> {
    const UNDERSTOOD: [u8; 5] = [DNS_NAME, IP_ADDRESS, MAIL_ADDRESS, URI, DIRECTORY_NAME];
    let names = subject.alt_names()?;
    let is_understood = names.iter().any(|name| UNDERSTOOD.contains(&name.tag));
    match is_understood || !subject.known.alt_name_is_critical {
        true => Ok(()),
        false => Err(subject.fault(Kind::UnknownCriticalExtension {
            oid: "2.5.29.17".to_owned(),
        })),
    }
}

/// §4.2: what is critical and is not processed refuses the certificate. Constraints that cannot
/// be read are no constraints.
fn critical_extensions(
    walk: &mut Walk,
    wanted: Wanted<'_>,
    subject: &Subject<'_>,
    part: usize,
) -> Result<(), Fault> {
    let mut fault = |part, fault| {
        walk.rest = Some((Row::CriticalExtensions, part));
        Err(fault)
    };
    if let Some(value) = subject.known.name_constraints
        && part == 0
        && NameConstraints::read(value).is_err()
    {
        return fault(1, subject.malformed("its name constraints"));
    }
    let about_policies = subject.known.critical_policy;
    let knows_policies = wanted.policy.policies.is_some();
    let mut unknown = subject.known.unknown;
    if !knows_policies {
        unknown = unknown.or(about_policies);
    }
    // A listener that wants to know of each is asked about it.
    if unknown.is_some() && !walk.interest.extensions {
        let mut all = subject.unknown_extensions(wanted).enumerate();
        if let Some((at, oid)) = all.nth(part.saturating_sub(1)) {
            return fault(at + 2, subject.unknown_extension(oid));
        }
    }
    // Of which webpki is not asked, or which it does not know.
    if subject.known.tls_feature_is_critical || knows_policies && about_policies.is_some() {
        walk.critical |= 1 << subject.above;
    }
    Ok(())
}

/// Whether somebody who listens need not be asked about a critical extension.
pub(super) fn is_processed(wanted: Wanted<'_>, oid: &[u8]) -> bool {
    Known::is_processed(oid) || wanted.policy.policies.is_some() && is_about_policies(oid)
}

/// §6.1.3 (a) (2).
fn dates(walk: &mut Walk, wanted: Wanted<'_>, subject: &Subject<'_>) -> Result<(), Fault> {
    let validity = subject.validity()?;
    walk.valid = walk.valid.and(validity);
    is_valid(validity, wanted.now).map_err(|kind| subject.fault(kind))
}

fn is_valid(validity: Validity, now: UnixTime) -> Result<(), Kind> {
    if validity.not_after < validity.not_before {
        return Err(Kind::Malformed("it ends before it begins"));
    }
    if validity.contains(now) {
        return Ok(());
    }
    // Before 1970 is before everything here.
    let time = |seconds| {
        UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    };
    let not_before = time(validity.not_before);
    Err(match now < not_before {
        true => Kind::NotYetValid { not_before, now },
        false => Kind::Expired {
            not_after: time(validity.not_after),
            now,
        },
    })
}

/// §6.1.3 (b), (c): the names are those that the anchor and each CA above may certify. A CA may
/// issue anything to itself, but the leaf is not meant.
fn name_constraints(
    walk: &mut Walk,
    wanted: Wanted<'_>,
    subject: &Subject<'_>,
    part: usize,
) -> Result<(), Fault> {
    if !subject.is_leaf() && subject.is_self_issued() {
        return Ok(());
    }
    let here = About::Certificate(subject.above);
    let read = |contents| NameConstraints::from_contents(contents);
    let of_anchor = match subject.top {
        Top::Pinned => return Ok(()),
        Top::Unknown => None,
        Top::Trusted(place) => constraints_of(wanted, place),
        Top::Root(at) => {
            let anchor = wanted.policy.roots.anchor(at);
            let contents = anchor.and_then(|(own, _)| own.name_constraints.as_deref());
            contents.map(read)
        }
    };
    let (first, accepted) = Accepted::of_part(part);
    // The anchor stands above the path.
    let issuers = (subject.above + 1..=subject.path.len()).rev();
    for (at, above) in issuers.enumerate().skip(first) {
        let accepted = match at == first {
            true => accepted,
            false => Accepted::NONE,
        };
        let (constraints, by) = match subject.path.place(above) {
            None => (of_anchor, About::Anchor),
            Some(place) => (constraints_of(wanted, place), About::Certificate(above)),
        };
        let breach = match constraints {
            None => continue,
            Some(Ok(constraints)) => constraints::check(
                constraints,
                &subject.certificate,
                &mut walk.comparisons,
                accepted,
            ),
            Some(Err(NotDer)) if by == About::Anchor => Err(Breach::Constraints),
            // It was said of that one.
            Some(Err(NotDer)) => continue,
        };
        let Err(breach) = breach else { continue };
        if accepted.has(breach) {
            continue;
        }
        walk.rest = Some((Row::NameConstraints, accepted.and(breach).part(at)));
        return Err(match breach {
            Breach::Forbidden => Fault::of_path(Kind::NameConstraints, here),
            Breach::Names => subject.malformed("its alternative names"),
            Breach::Subject => subject.malformed("its subject"),
            Breach::Constraints => {
                Fault::of_path(Kind::Malformed("its name constraints"), About::Anchor)
            }
            Breach::OtherNames => unsupported("otherNames", by),
            Breach::RegisteredIds => unsupported("registered IDs", by),
            Breach::RareNames => unsupported("names of a rare kind", by),
            Breach::TooMany => {
                let (what, limit) = ("comparisons of names", MAX_COMPARISONS);
                Fault::of_path(Kind::TooExpensive { what, limit }, About::Chain)
            }
        });
    }
    Ok(())
}

fn unsupported(names: &'static str, by: About) -> Fault {
    Fault::of_path(Kind::UnsupportedConstraint { names }, by)
}

fn constraints_of(wanted: Wanted<'_>, place: usize) -> Option<Result<NameConstraints<'_>, NotDer>> {
    let known = Known::read(&wanted.certificate(place)?).ok()?;
    known.name_constraints.map(NameConstraints::read)
}

/// RFC 9618: a policy that is asked for holds for the path, if one has to.
fn the_policies(wanted: Wanted<'_>, subject: &Subject<'_>) -> Result<(), Fault> {
    let policies = wanted.policy.policies.as_deref();
    let Some(policies) = policies.filter(|_| subject.is_leaf() && !subject.is_pinned()) else {
        return Ok(());
    };
    let fault = match (policies.check.0)(wanted, subject.path, policies) {
        Ok(()) => return Ok(()),
        Err(Unfit::NoPolicy(above)) => Fault::of_path(Kind::NoPolicy, About::Certificate(above)),
        Err(Unfit::NotAccepted) => Fault::of_path(Kind::PolicyNotAccepted, About::Chain),
        Err(Unfit::Malformed(above)) => {
            let kind = Kind::Malformed("what it says of certificate policies");
            Fault::of(kind, above)
        }
        Err(Unfit::MapsAnyPolicy(above)) => Fault::of(Kind::MapsAnyPolicy, above),
        Err(Unfit::TooMany) => {
            let (what, limit) = ("certificate policies", MAX_NODES);
            Fault::of_path(Kind::TooExpensive { what, limit }, About::Chain)
        }
    };
    Err(fault)
}

/// RFC 9525: a server has the name that was asked for.
fn the_host_name(wanted: Wanted<'_>, subject: &Subject<'_>) -> Result<(), Fault> {
    let name = wanted.server_name.filter(|_| wanted.policy.check_name);
    let Some(name) = name.filter(|_| subject.is_leaf()) else {
        return Ok(());
    };
    let names = subject.alt_names()?;
    let looked = match &wanted.policy.host_names {
        None if host_name::is_for(names, name) => Ok(()),
        None => Err(name.to_str().into_owned()),
        Some(rules) => rules.accept(names, name),
    };
    let Err(expected) = looked else {
        return Ok(());
    };
    let seen = alt_names(subject.der, MAX_NAMES, MAX_PRINTED);
    Err(subject.fault(Kind::NameMismatch { expected, seen }))
}

/// At the end of the path: whether webpki has anything to say against it. What somebody has
/// accepted against the rules it is not asked about.
fn the_gate(walk: &mut Walk, wanted: Wanted<'_>, subject: &Subject<'_>) -> Result<(), Fault> {
    if !subject.is_leaf() {
        return Ok(());
    }
    let verdict = match walk.overrides.is_empty() {
        true => gate::ask(wanted, subject.path, subject.top, walk.critical),
        false => Ok(Gate::NotAsked("something was accepted against the rules")),
    };
    match verdict {
        Ok(gate) => {
            walk.gate = Some(gate);
            Ok(())
        }
        Err(says) => {
            let path = subject.names_of_path(wanted);
            Err(Fault::of_path(
                Kind::Disagreement { says, path },
                About::Chain,
            ))
        }
    }
}
