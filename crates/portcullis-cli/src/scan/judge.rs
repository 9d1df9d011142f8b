//! What is to be said against a server, and which of it ends a scan badly.

use std::str::FromStr;

use serde_json::Value;

use super::checks::{Offered, Seen};
use super::codes::{self, Over, Weakness};
use super::hello::{TLS_1_2, TLS_1_3};
use super::library::Found;
use super::ssl2;
use portcullis::NamedGroup;

/// How few days are worth a word.
const SOON: i64 = 30;
/// The shortest prime that resists (RFC 9325 §4.5).
const SHORTEST_PRIME: usize = 2_048;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Warn,
    Bad,
}

impl Severity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// Something that is to be said. Names stay as they are; new ones come.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) id: String,
    pub(super) severity: Severity,
    pub(super) text: String,
}

pub(super) fn findings(seen: &Seen, found: &Found, leaves: &[Value]) -> Vec<Finding> {
    use Severity::{Bad, Warn};
    let mut findings = Vec::new();
    let mut say = |id: &str, severity, text: String| {
        debug_assert!(FINDINGS.contains(&id), "{id} is no rule");
        findings.push(Finding {
            id: id.to_owned(),
            severity,
            text,
        });
    };
    let old = [
        (ssl2::VERSION, "6176"),
        (0x0300, "7568"),
        (0x0301, "8996"),
        (0x0302, "8996"),
    ];
    for (version, rfc) in old {
        if seen.offers(version) {
            let name = seen.over.version_name(version);
            let id = format!("version.{}", name.to_lowercase().replace('v', ""));
            say(&id, Bad, format!("{name} is not to be spoken (RFC {rfc})"));
        }
    }
    let is_known = seen
        .versions
        .iter()
        .any(|(version, offered)| *version == TLS_1_3 && *offered == Some(Offered::No));
    // Over datagrams few speak it yet, and nobody can be told to.
    if is_known && seen.over == Over::Stream {
        say(
            "version.no-tls1.3",
            Warn,
            "TLSv1.3 is not spoken".to_owned(),
        );
    }
    for (weakness, id) in Weakness::ALL {
        let mut weak: Vec<_> = seen
            .suites
            .iter()
            .flat_map(|suites| &suites.accepted.codes)
            .filter(|code| weakness.is_of(**code))
            .map(|code| codes::suite_name(*code))
            .collect();
        weak.sort();
        weak.dedup();
        let (severity, why) = match weakness {
            Weakness::Null => (Bad, "nothing is encrypted"),
            Weakness::Export => (Bad, "keys are short on purpose (FREAK)"),
            Weakness::Anonymous => (Bad, "nobody shows who it is"),
            Weakness::Rc4 => (Bad, "RC4 is broken (RFC 7465)"),
            Weakness::Des => (Bad, "DES, whose keys have 56 bits at most"),
            Weakness::TripleDes => (Bad, "blocks of 64 bits (SWEET32)"),
            Weakness::Cbc => (
                Warn,
                "CBC, whose padding leaks where it is not handled with care (LUCKY13)",
            ),
            Weakness::RsaKeyExchange => (
                Warn,
                "the secret is sent under the server's RSA key, whose padding leaks where it is not handled with care (ROBOT)",
            ),
            Weakness::NoForwardSecrecy => (
                Warn,
                "no forward secrecy: a key that is lost opens what was sent before",
            ),
        };
        if !weak.is_empty() {
            say(
                &format!("suite.{id}"),
                severity,
                format!("{why}: {}", weak.join(", ")),
            );
        }
    }
    if seen.suites.iter().any(|suites| {
        suites.version <= 0x0301
            && suites
                .accepted
                .codes
                .iter()
                .any(|code| Weakness::Cbc.is_of(*code))
    }) {
        say(
            "derived.beast",
            Warn,
            "CBC in TLSv1.0 or SSLv3 (BEAST), as is derived from what is offered".to_owned(),
        );
    }
    if seen.offers(ssl2::VERSION) {
        say(
            "derived.drown",
            Bad,
            "SSLv2, by which what is sent under the same RSA key elsewhere can be read (DROWN), as is derived from what is \
             offered"
                .to_owned(),
        );
    }
    for broken in seen.lists().filter_map(|list| list.broken) {
        say(
            "broken-choice",
            Bad,
            format!("{broken:#06x} was chosen, which was not offered"),
        );
    }
    if let Some(Ok(bits @ ..SHORTEST_PRIME)) = seen.dh_bits {
        say(
            "dh.short",
            Bad,
            format!("the prime of DHE has {bits} bits (LOGJAM)"),
        );
    }
    for (version, groups) in &seen.groups {
        let has_pq = groups
            .codes
            .iter()
            .any(|code| NamedGroup(*code).is_post_quantum());
        if *version == TLS_1_3 && !has_pq && groups.unknown.is_none() {
            say(
                "group.no-pq",
                Warn,
                "no group withstands a quantum computer".to_owned(),
            );
        }
    }
    let fact = |name: &str| {
        seen.facts
            .iter()
            .find_map(|(fact, offered)| (*fact == name).then_some(offered))
    };
    for (version, _) in seen.cookies.iter().filter(|(_, always)| !always) {
        say(
            "cookie.none",
            Warn,
            format!(
                "{} is spoken without a cookie: whoever forges an address has more sent to it than he sends (RFC 6347 \
                 §4.2.1, RFC 9147 §5.1)",
                seen.over.version_name(*version)
            ),
        );
    }
    if fact("compression") == Some(&Offered::Yes) {
        say("compression", Bad, "DEFLATE is chosen (CRIME)".to_owned());
    }
    if fact("secure_renegotiation") == Some(&Offered::No) {
        say(
            "renegotiation.insecure",
            Bad,
            "no secure renegotiation (RFC 5746)".to_owned(),
        );
    }
    if fact("fallback_scsv") == Some(&Offered::No)
        && seen
            .newest_older()
            .is_some_and(|version| version < TLS_1_2 || seen.offers(0x0302) || seen.offers(0x0301))
    {
        say(
            "fallback.unprotected",
            Warn,
            "a client can be made to take an older version (RFC 7507)".to_owned(),
        );
    }
    if found.early_data == Some(Offered::Yes) {
        say(
            "early-data",
            Warn,
            "early data is accepted, which can be sent again by others".to_owned(),
        );
    }
    for why in found.distrust() {
        say("certificate.untrusted", Bad, why.to_owned());
    }
    for leaf in leaves {
        match leaf["days_left"].as_i64() {
            Some(days @ ..0) => say(
                "certificate.expired",
                Bad,
                format!("expired {} days ago", days.saturating_neg()),
            ),
            Some(days @ ..SOON) => say(
                "certificate.expires",
                Warn,
                format!("expires in {days} days"),
            ),
            _ => {}
        }
    }
    findings
}

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

/// The names of all findings.
const FINDINGS: [&str; 28] = [
    "version.ssl2",
    "version.ssl3",
    "version.tls1.0",
    "version.tls1.1",
    "version.dtls1.0",
    "version.no-tls1.3",
    "suite.null",
    "suite.export",
    "suite.anonymous",
    "suite.rc4",
    "suite.des",
    "suite.3des",
    "suite.cbc",
    "suite.rsa-kx",
    "suite.no-fs",
    "derived.beast",
    "derived.drown",
    "broken-choice",
    "dh.short",
    "group.no-pq",
    "cookie.none",
    "compression",
    "renegotiation.insecure",
    "fallback.unprotected",
    "early-data",
    "certificate.untrusted",
    "certificate.expired",
    "certificate.expires",
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
                if FINDINGS.contains(&id) {
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
            let findings = FINDINGS.join(", ");
            let suites = Weakness::ALL.map(|(_, name)| name).join("|");
            format!(
                "no rule; there are bad, warn, incomplete, version<1.1|1.2|1.3, suite={suites}, no-pq, no-fs, untrusted, \
                 expires<DAYSd, {names}, and the names of findings: {findings}"
            )
        })
    }
}

impl Rule {
    /// Whether it is hit. What is unknown hits `incomplete` alone.
    pub(super) fn is_hit(
        &self,
        seen: &Seen,
        found: &Found,
        leaves: &[Value],
        findings: &[Finding],
    ) -> bool {
        let mut suites = seen.suites.iter().flat_map(|suites| &suites.accepted.codes);
        match self {
            Self::Bad => findings
                .iter()
                .any(|finding| finding.severity == Severity::Bad),
            Self::Warn => !findings.is_empty(),
            Self::Incomplete => !seen.is_complete() || !found.is_complete(),
            Self::Version(least) => {
                // There is no DTLS 1.1: older than that is what is older than 1.2.
                let least = match seen.over {
                    Over::Stream => *least,
                    Over::Datagrams => TLS_1_2.max(*least),
                };
                let mut versions = seen.versions.iter();
                versions
                    .any(|(version, offered)| *version < least && *offered == Some(Offered::Yes))
            }
            Self::Suite(weakness) => suites.any(|code| weakness.is_of(*code)),
            Self::NoPostQuantum => {
                let is_said = findings.iter().any(|finding| finding.id == "group.no-pq");
                // Without TLS 1.3 there is nothing to be said of its groups, and others tell as far as they are known.
                let is_older = seen.versions.contains(&(TLS_1_3, Some(Offered::No)));
                let lists = seen.groups.iter().map(|(_, groups)| groups);
                let mut known = lists
                    .filter(|groups| groups.unknown.is_none())
                    .flat_map(|groups| &groups.codes);
                is_said || is_older && !known.any(|code| NamedGroup(*code).is_post_quantum())
            }
            Self::Untrusted => found.distrust().next().is_some(),
            Self::Expires(days) => leaves
                .iter()
                .filter_map(|leaf| leaf["days_left"].as_i64())
                .any(|left| left < *days),
            Self::Finding(id) => findings.iter().any(|finding| finding.id == *id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{Accepted, Order, Suites};
    use super::*;

    fn accepted(codes: &[u16]) -> Accepted {
        Accepted {
            codes: codes.to_vec(),
            ..Accepted::default()
        }
    }

    #[test]
    fn every_finding_is_a_rule_by_its_name() {
        // A server that has it all.
        let all = codes::older_suites();
        let old = [ssl2::VERSION, 0x0300, 0x0301, 0x0302, TLS_1_2];
        let fact = |name, offered: &Offered| (name, offered.clone());
        let seen = Seen {
            versions: old
                .map(|version| (version, Some(Offered::Yes)))
                .into_iter()
                .chain([(TLS_1_3, Some(Offered::No))])
                .collect(),
            suites: old
                .map(|version| Suites {
                    version,
                    order: Order::Server,
                    accepted: Accepted {
                        broken: Some(1),
                        ..accepted(&all)
                    },
                })
                .to_vec(),
            groups: vec![(TLS_1_3, accepted(&[23]))],
            dh_bits: Some(Ok(512)),
            facts: vec![
                fact("compression", &Offered::Yes),
                fact("secure_renegotiation", &Offered::No),
                fact("fallback_scsv", &Offered::No),
            ],
            ..Seen::default()
        };
        // And one over datagrams.
        let old = Seen {
            over: Over::Datagrams,
            versions: vec![(0x0302, Some(Offered::Yes))],
            cookies: vec![(0x0302, false), (TLS_1_2, true)],
            ..Seen::default()
        };
        let found = Found {
            early_data: Some(Offered::Yes),
            verdict: Some(Err("self-signed".to_owned())),
            ..Found::default()
        };
        let mut names = std::collections::BTreeSet::new();
        for days in [-1, 1] {
            let leaf = serde_json::json!({ "days_left": days });
            let leaf = [serde_json::json!({ "days_left": 100 }), leaf];
            for seen in [&seen, &old] {
                let findings = findings(seen, &found, &leaf);
                for finding in &findings {
                    let rule: Rule = finding.id.parse().unwrap();
                    assert!(rule.is_hit(seen, &found, &leaf, &findings), "{rule:?}");
                    names.insert(finding.id.clone());
                }
            }
        }
        // And no name is of nothing.
        let all: std::collections::BTreeSet<_> = FINDINGS.map(str::to_owned).into();
        assert_eq!(names, all);
    }

    #[test]
    fn a_rule_about_groups_is_not_switched_off_by_what_is_unknown_of_others() {
        let (pq, curve) = (0x11ec, 0x001d);
        let unknown = Accepted {
            unknown: Some("late".to_owned()),
            ..accepted(&[curve])
        };
        for (new, groups, is_hit) in [
            (Offered::Yes, vec![(TLS_1_3, accepted(&[curve]))], true),
            (Offered::Yes, vec![(TLS_1_3, accepted(&[pq, curve]))], false),
            (Offered::Yes, vec![(TLS_1_3, unknown.clone())], false),
            (Offered::No, vec![(TLS_1_2, accepted(&[curve]))], true),
            (Offered::No, vec![(TLS_1_2, unknown)], true),
            (Offered::Unknown(String::new()), Vec::new(), false),
        ] {
            let seen = Seen {
                versions: vec![
                    (TLS_1_3, Some(new)),
                    (0x0300, Some(Offered::Unknown(String::new()))),
                ],
                groups,
                ..Seen::default()
            };
            let found = Found::default();
            let findings = findings(&seen, &found, &[]);
            let hit = Rule::NoPostQuantum.is_hit(&seen, &found, &[], &findings);
            assert_eq!(hit, is_hit, "{seen:?}");
        }
    }

    #[test]
    fn what_is_older_over_datagrams_is_older_than_what_does_not_exist() {
        for (version, hit) in [
            (0x0302, [true, true, true]),
            (TLS_1_2, [false, false, true]),
        ] {
            let seen = Seen {
                over: Over::Datagrams,
                versions: vec![(TLS_1_3, Some(Offered::No)), (version, Some(Offered::Yes))],
                ..Seen::default()
            };
            let found = Found::default();
            let hits = ["version<1.1", "version<1.2", "version<1.3"].map(|rule| {
                let rule: Rule = rule.parse().unwrap();
                rule.is_hit(&seen, &found, &[], &[])
            });
            assert_eq!(hits, hit, "{version:#06x}");
            let ids: Vec<_> = findings(&seen, &found, &[])
                .into_iter()
                .map(|finding| finding.id)
                .collect();
            assert_eq!(ids.contains(&"version.dtls1.0".to_owned()), hit[0]);
            assert!(!ids.contains(&"version.no-tls1.3".to_owned()));
        }
    }

    #[test]
    fn rules_are_read_or_explained() {
        assert_eq!("version<1.2".parse(), Ok(Rule::Version(TLS_1_2)));
        assert_eq!(
            "suite=rsa-kx".parse(),
            Ok(Rule::Suite(Weakness::RsaKeyExchange))
        );
        assert_eq!("expires<30d".parse(), Ok(Rule::Expires(30)));
        assert_eq!(
            "renegotiation".parse(),
            Ok(Rule::Finding("renegotiation.insecure".to_owned()))
        );
        for text in [
            "",
            "version<1.4",
            "suite=aes",
            "expires<30",
            "expires<0d",
            "expires<99999d",
            "good",
        ] {
            assert!(
                text.parse::<Rule>().unwrap_err().starts_with("no rule"),
                "{text}"
            );
        }
    }
}
