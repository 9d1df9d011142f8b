//! Which of what was found ends a scan badly, and what has to be known for that to be said.

use std::str::FromStr;

use portcullis::{CertificateDer, NamedGroup};
use serde_json::Value;

use super::chain;
use super::checks::{Accepted, Offered, Seen};
use super::codes::{Over, Weakness};
use super::hello::{TLS_1_0, TLS_1_2, TLS_1_3};
use super::judge::{FINDINGS, Finding, Severity};
use super::library::Found;
use super::names::Meets;
use super::ssl2;
use super::suites::Suite;
use crate::certificate;

/// What ends a scan badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Bad,
    Warn,
    Incomplete,
    /// Spoken though older than this.
    Version(u16),
    Suite(Weakness),
    NoPostQuantum,
    Untrusted,
    /// In fewer days.
    Expires(i64),
    /// By the name of a finding.
    Finding(String),
}

/// Findings that have a shorter name as rules.
const SHORTER: [(&str, &str); 2] = [
    ("renegotiation", "renegotiation.insecure"),
    ("fallback", "fallback.unprotected"),
];

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let weakness = |name: &str| {
            Weakness::ALL
                .iter()
                .find(|(_, known)| *known == name)
                .map(|(weakness, _)| *weakness)
        };
        let rule = match text {
            "bad" => Some(Self::Bad),
            "warn" => Some(Self::Warn),
            "incomplete" => Some(Self::Incomplete),
            "no-pq" => Some(Self::NoPostQuantum),
            "no-fs" => Some(Self::Suite(Weakness::NoForwardSecrecy)),
            "untrusted" => Some(Self::Untrusted),
            _ => {
                let shorter = SHORTER.iter().find(|(name, _)| *name == text);
                let id = shorter.map_or(text, |(_, id)| *id);
                if FINDINGS.iter().any(|(known, _)| *known == id) {
                    Some(Self::Finding(id.to_owned()))
                } else if let Some(version) = text.strip_prefix("version<") {
                    match version {
                        "1.1" => Some(Self::Version(0x0302)),
                        "1.2" => Some(Self::Version(TLS_1_2)),
                        "1.3" => Some(Self::Version(TLS_1_3)),
                        _ => None,
                    }
                } else if let Some(name) = text.strip_prefix("suite=") {
                    weakness(name).map(Self::Suite)
                } else if let Some(days) = text.strip_prefix("expires<") {
                    let days = days.strip_suffix('d').unwrap_or_default();
                    let days = days.parse().ok().filter(|days| (1..=3_650).contains(days));
                    days.map(Self::Expires)
                } else {
                    None
                }
            }
        };
        rule.ok_or_else(|| {
            let names = SHORTER.map(|(name, _)| name).join(", ");
            let findings = FINDINGS.map(|(id, _)| id).join(", ");
            let suites = Weakness::ALL.map(|(_, name)| name).join("|");
            format!(
                "no rule; there are bad, warn, incomplete, version<1.1|1.2|1.3, suite={suites}, no-pq, no-fs, untrusted, \
                 expires<DAYSd, {names}, and the names of findings: {findings}"
            )
        })
    }
}

/// Whether it is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Hit,
    Passed,
    /// Nobody knows, for this reason.
    Undecided(String),
}

impl Verdict {
    fn of(is_hit: bool, unknown: impl FnOnce() -> Option<String>) -> Self {
        match is_hit {
            true => Self::Hit,
            false => unknown().map_or(Self::Passed, Self::Undecided),
        }
    }
}

/// All that is known of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) seen: &'a Seen,
    pub(super) found: &'a Found,
    /// What the certificates say.
    pub(super) leaves: &'a [Value],
    pub(super) findings: &'a [Finding],
}

impl Rule {
    /// Whether it is hit. What is known decides; a rule about what is not known is undecided, and never passed.
    pub(super) fn verdict(&self, known: Known<'_>) -> Verdict {
        let Known { seen, found, .. } = known;
        let suites = || seen.suites.iter().flat_map(|suites| &suites.accepted.codes);
        let ciphers = || seen.ssl2_ciphers.iter().flatten().flatten();
        match self {
            Self::Bad => known.of_severity(|severity| severity == Severity::Bad),
            Self::Warn => known.of_severity(|_| true),
            Self::Incomplete => Verdict::of(!seen.is_complete() || !found.is_complete(), || None),
            Self::Version(least) => {
                // There is no DTLS 1.1: older than that is what is older than 1.2.
                let least = match seen.over {
                    Over::Stream => *least,
                    Over::Datagrams => TLS_1_2.max(*least),
                };
                let mut versions = seen.versions.iter();
                let is_hit = versions
                    .any(|(version, offered)| *version < least && *offered == Some(Offered::Yes));
                Verdict::of(is_hit, || known.unknown_version(|version| version < least))
            }
            Self::Suite(weakness) => Verdict::of(
                suites().any(|code| weakness.is_of(*code))
                    || ciphers().any(|cipher| ssl2::has(*weakness, *cipher)),
                || known.unknown_suites(|_| true),
            ),
            Self::NoPostQuantum => {
                let is_said = known.has("group.no-pq");
                // Without TLS 1.3 there is nothing to be said of its groups, and others tell as far as they are known.
                let is_older = seen.versions.contains(&(TLS_1_3, Some(Offered::No)));
                let lists = seen.groups.iter().map(|(_, groups)| groups);
                let mut groups = lists
                    .filter(|groups| groups.unknown.is_none())
                    .flat_map(|groups| &groups.codes);
                let is_hit =
                    is_said || is_older && !groups.any(|code| NamedGroup(*code).is_post_quantum());
                Verdict::of(is_hit, || known.unknown_of("group.no-pq"))
            }
            Self::Untrusted => Verdict::of(found.distrust().next().is_some(), || {
                known.unknown_certificate()
            }),
            Self::Expires(days) => {
                let mut left = known
                    .leaves
                    .iter()
                    .filter_map(|leaf| leaf["days_left"].as_i64());
                Verdict::of(left.any(|left| left < *days), || {
                    known.unknown_certificate()
                })
            }
            Self::Finding(id) => Verdict::of(known.has(id), || known.unknown_of(id)),
        }
    }
}

impl Known<'_> {
    fn has(&self, id: &str) -> bool {
        self.findings.iter().any(|finding| finding.id == id)
    }

    fn of_severity(&self, is: impl Fn(Severity) -> bool) -> Verdict {
        let mut findings = self.findings.iter();
        let is_hit = findings.any(|finding| is(finding.severity));
        let ids = FINDINGS.iter().filter(|(_, severity)| is(*severity));
        Verdict::of(is_hit, || {
            let mut ids = ids.map(|(id, _)| *id);
            ids.find_map(|id| self.unknown_of(id))
        })
    }

    /// Why it is not known whether there is something to be found. What a server has chosen wrongly is seen or not.
    fn unknown_of(&self, id: &str) -> Option<String> {
        let found = self.found;
        let of_version = |wanted: u16| self.unknown_version(|version| version == wanted);
        let of_older = || self.unknown_version(|version| version <= TLS_1_2);
        let of_fact = |name: &str| {
            let fact = self.seen.fact(name).and_then(Offered::why);
            let fact = fact.map(|why| format!("{}: {why}", name.replace('_', " ")));
            fact.or_else(of_older)
        };
        let of_found = |offered: &Option<Offered>, name: &str, is_spoken: bool| match offered {
            Some(offered) => offered.why().map(|why| format!("{name}: {why}")),
            // What could not be asked about because nothing was agreed on.
            None => self
                .found
                .failed
                .as_deref()
                .filter(|_| is_spoken)
                .map(|why| format!("{name}: {why}")),
        };
        match id {
            "version.ssl2" | "derived.drown" => of_version(ssl2::VERSION),
            "version.ssl3" => of_version(0x0300),
            "version.tls1.0" => of_version(0x0301),
            "version.tls1.1" | "version.dtls1.0" => of_version(0x0302),
            "version.no-tls1.3" => of_version(TLS_1_3),
            "derived.beast" => self.unknown_suites(|version| version <= 0x0301),
            "dh.short" => {
                let prime = self.seen.primes().find_map(|bits| bits.as_ref().err());
                let prime = prime.map(|why| format!("the prime of DHE: {why}"));
                prime.or_else(|| self.unknown_suites(|version| version <= TLS_1_2))
            }
            "group.no-pq" => {
                let lists = self.seen.groups.iter();
                let of_new = lists.filter(|(version, groups)| {
                    let is_pq = |code: &u16| NamedGroup(*code).is_post_quantum();
                    *version == TLS_1_3 && !groups.codes.iter().any(is_pq)
                });
                let mut whys = of_new.filter_map(|(_, groups)| groups.unknown.as_ref());
                let why = whys.next().map(|why| format!("groups: {why}"));
                why.or_else(|| of_version(TLS_1_3))
            }
            "cookie.none" => match self.seen.over {
                Over::Stream => None,
                Over::Datagrams => self.unknown_version(|_| true),
            },
            "compression" => of_fact("compression"),
            "renegotiation.insecure" => of_fact("secure_renegotiation"),
            "renegotiation.client" => {
                let is_spoken = self.seen.newest_older().is_some();
                let renegotiation = &self.found.renegotiation;
                of_found(renegotiation, "client renegotiation", is_spoken).or_else(of_older)
            }
            "fallback.unprotected" => of_fact("fallback_scsv"),
            "early-data" => {
                let is_spoken = self.seen.offers(TLS_1_3);
                of_found(&self.found.early_data, "early data", is_spoken)
                    .or_else(|| of_version(TLS_1_3))
            }
            "session.other-name" => {
                let meets = found.other_name.as_ref().and_then(Meets::why);
                let meets = meets.map(|why| format!("what is shown at another name: {why}"));
                let at_own = || self.unknown_resumption(&found.resumption);
                let at_other = || self.unknown_resumption(&found.at_other_name);
                meets.or_else(at_own).or_else(at_other)
            }
            _ if id.starts_with("hello.") => {
                let mut forms = self.seen.forms.iter();
                let why = forms.find_map(|(form, offered)| {
                    let (finding, _) = form.finding?;
                    let why = offered.why().filter(|_| finding == id)?;
                    Some(format!("{}: {why}", form.words))
                });
                why.or_else(|| self.unknown_version(|version| version >= TLS_1_0))
            }
            "chain.order" | "chain.root" => {
                let is_read = chain::order(&found.shown);
                let why = is_read.as_ref().and_then(Offered::why).map(str::to_owned);
                self.unknown_certificate().or(why)
            }
            _ if id.starts_with("staple.") => {
                let mut whys = found.shown.iter().filter_map(|shown| shown.staple.why());
                let why = whys.next().map(|why| format!("the OCSP response: {why}"));
                self.unknown_certificate().or(why)
            }
            _ if id.starts_with("suite.") => self.unknown_suites(|_| true),
            "certificate.weak-key" => self
                .unknown_certificate()
                .or_else(|| self.unreadable("the key", |der| certificate::rsa_bits(der).is_none())),
            "certificate.weak-signature" => self.unknown_certificate().or_else(|| {
                self.unreadable("the signature", |der| {
                    certificate::broken_signature(der).is_none()
                })
            }),
            _ if id.starts_with("certificate.") => self.unknown_certificate(),
            _ => None,
        }
    }

    /// Why it is not known whether one of these versions is spoken.
    fn unknown_version(&self, is: impl Fn(u16) -> bool) -> Option<String> {
        let mut versions = self.seen.versions.iter().filter(|(code, _)| is(*code));
        versions.find_map(|(version, offered)| {
            let why = offered.as_ref()?.why()?;
            Some(format!("{}: {why}", self.seen.over.version_name(*version)))
        })
    }

    /// Why it is not known whether sessions are resumed, as far as versions are spoken that have them.
    fn unknown_resumption(&self, resumption: &[(u16, Offered)]) -> Option<String> {
        let why = resumption.iter().find_map(|(version, offered)| {
            let why = offered.why()?;
            let version = self.seen.over.version_name(*version);
            Some(format!("{version} resumption: {why}"))
        });
        // What could not be asked about because nothing was agreed on.
        let is_spoken = self.seen.offers(TLS_1_2) || self.seen.offers(TLS_1_3);
        let failed = self.found.failed.as_ref().filter(|_| is_spoken);
        why.or_else(|| failed.map(|why| format!("resumption: {why}")))
            .or_else(|| self.unknown_version(|version| version >= TLS_1_2))
    }

    /// Why it is not known which suites there are in these versions.
    fn unknown_suites(&self, is: impl Fn(u16) -> bool) -> Option<String> {
        let unknown = |version: u16, why: &str| {
            let version = self.seen.over.version_name(version);
            format!("suites of {version}: {why}")
        };
        let mut lists = self.seen.suites.iter();
        let of_list = lists.find_map(|suites| {
            let why = ends_early(&suites.accepted).filter(|_| is(suites.version))?;
            Some(unknown(suites.version, why))
        });
        let ciphers = self.seen.ssl2_ciphers.as_ref();
        let ciphers = ciphers.filter(|_| is(ssl2::VERSION));
        let of_ssl2 = || {
            let why = ciphers?.as_ref().err()?;
            Some(unknown(ssl2::VERSION, why))
        };
        of_list
            .or_else(of_ssl2)
            .or_else(|| self.unknown_version(is))
    }

    /// What is not known of a certificate in a chain that cannot be read.
    fn unreadable(&self, what: &str, is: impl Fn(&CertificateDer<'_>) -> bool) -> Option<String> {
        let mut chains = self.found.shown.iter().flat_map(|shown| &shown.chain);
        let is_unreadable = chains.any(is);
        is_unreadable.then(|| format!("{what} of a certificate in a chain cannot be read"))
    }

    /// Why there may be certificates that nobody has looked at, or that are another's.
    fn unknown_certificate(&self) -> Option<String> {
        let (seen, found) = (self.seen, self.found);
        if let Some(why) = &found.shown_unknown {
            return Some(format!("certificates of another kind: {why}"));
        }
        if let Some(why) = found.schemes.as_ref().and_then(ends_early) {
            return Some(format!("certificates of another kind in TLSv1.3: {why}"));
        }
        if found.shown.iter().any(|shown| !shown.is_proved) {
            return Some(
                "no handshake has shown that the server has the certificate's key".to_owned(),
            );
        }
        if self.leaves.iter().any(|leaf| leaf["days_left"].is_null()) {
            return Some("a certificate cannot be read".to_owned());
        }
        if !found.shown.is_empty() {
            return None;
        }
        let shows = |code: &u16| Suite::of(*code).is_some_and(Suite::has_certificate);
        let mut suites = seen.suites.iter().flat_map(|suites| &suites.accepted.codes);
        let is_spoken = |(_, offered): &(u16, Option<Offered>)| *offered == Some(Offered::Yes);
        let is_shown = seen.offers(TLS_1_3) || seen.offers(ssl2::VERSION) || suites.any(shows);
        self.unknown_suites(|_| true).or_else(|| {
            let none = match (is_shown, seen.versions.iter().any(is_spoken)) {
                (true, _) => "no certificate was seen",
                (false, false) => "no version is spoken, so no certificate was seen",
                // Nobody shows one with the suites that there are.
                (false, true) => return None,
            };
            Some(none.to_owned())
        })
    }
}

/// Why a list may be longer.
fn ends_early(list: &Accepted) -> Option<&str> {
    let broken = list.broken.map(|_| "what was chosen had not been offered");
    list.unknown.as_deref().or(broken)
}

#[cfg(test)]
mod tests;
