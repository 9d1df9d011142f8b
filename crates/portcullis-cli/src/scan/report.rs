//! What was found, for people and for programs.

use std::fmt::Write as _;

use portcullis::NamedGroup;
use serde_json::{Map, Value, json};

use super::checks::{Accepted, Offered, Seen};
use super::codes::{Over, group_name, scheme_name, suite_name};
use super::judge::Finding;
use super::library::Found;
use crate::certificate;
use crate::text::{printable, printable_sentence};

pub(super) struct Report<'a> {
    pub(super) target: String,
    pub(super) address: Option<String>,
    pub(super) server_name: String,
    pub(super) starttls: Option<&'static str>,
    pub(super) seconds: f64,
    pub(super) connections: u32,
    /// Why it has ended before its time, if it has.
    pub(super) ended: Option<String>,
    pub(super) failed_rules: Vec<String>,
    pub(super) seen: &'a Seen,
    pub(super) found: &'a Found,
    pub(super) findings: &'a [Finding],
}

impl Report<'_> {
    fn is_complete(&self) -> bool {
        self.ended.is_none() && self.seen.is_complete() && self.found.is_complete()
    }

    pub(super) fn json(&self) -> Value {
        let (seen, found) = (self.seen, self.found);
        let version_name = |version| seen.over.version_name(version);
        let mut facts = Map::new();
        for (name, offered) in seen.facts.iter().map(|(name, offered)| (*name, offered)) {
            facts.insert(name.to_owned(), word(offered));
        }
        let more = [
            ("ocsp_staple", &found.ocsp),
            ("early_data", &found.early_data),
            ("ech", &found.ech),
        ];
        for (name, offered) in more {
            facts.insert(name.to_owned(), offered.as_ref().map(word).into());
        }
        let resumption = found
            .resumption
            .iter()
            .map(|(version, offered)| (version_name(*version), word(offered)));
        facts.insert(
            "resumption".to_owned(),
            resumption.collect::<Map<_, _>>().into(),
        );
        let alpn = found
            .alpn
            .iter()
            .map(|(name, answer)| ((*name).to_owned(), Value::from(printable(answer))));
        facts.insert("alpn".to_owned(), alpn.collect::<Map<_, _>>().into());
        if seen.over == Over::Datagrams {
            let cookies = seen
                .cookies
                .iter()
                .map(|(version, always)| (version_name(*version), word(&Offered::of(*always))));
            facts.insert("cookie".to_owned(), cookies.collect::<Map<_, _>>().into());
        }
        let dh_bits = seen.dh_bits.as_ref().map(|bits| match bits {
            Ok(bits) => Value::from(*bits),
            Err(why) => unknown(why),
        });
        facts.insert("dh_bits".to_owned(), dh_bits.into());
        let versions = seen
            .versions
            .iter()
            .filter_map(|(version, offered)| Some((version, offered.as_ref()?)));
        let protocols: Vec<_> = versions
            .map(|(version, offered)| json!({ "version": version_name(*version), "offered": offered.word(), "why": offered.why().map(printable) }))
            .collect();
        let suites: Vec<_> = seen
            .suites
            .iter()
            .map(|suites| {
                let mut value = list(&suites.accepted, suite_name);
                value["version"] = version_name(suites.version).into();
                let order = &suites.order;
                value["order"] = order.why().map_or_else(|| order.word().into(), unknown);
                value
            })
            .collect();
        let groups: Vec<_> = seen
            .groups
            .iter()
            .map(|(version, groups)| {
                let mut value = list(groups, group_name);
                value["version"] = version_name(*version).into();
                value["post_quantum"] = groups
                    .codes
                    .iter()
                    .any(|code| NamedGroup(*code).is_post_quantum())
                    .into();
                value
            })
            .collect();
        let chain = found.chain.iter().map(|der| certificate::json(der, false));
        let others = found.others.iter().map(|other| {
            let chain = other.chain.iter().map(|der| certificate::json(der, false));
            json!({ "chain": chain.collect::<Vec<_>>(), "trusted": other.verdict.is_ok() })
        });
        let others = match &found.others_unknown {
            Some(why) => unknown(why),
            None => others.collect::<Vec<_>>().into(),
        };
        let findings = self.findings.iter().map(|finding| json!({ "id": finding.id, "severity": finding.severity.word(), "text": printable_sentence(&finding.text) }));
        json!({
            "schema": "portcullis.scan/1",
            "target": self.target,
            "address": self.address,
            "server_name": self.server_name,
            "starttls": self.starttls,
            "transport": match seen.over {
                Over::Stream => "tcp",
                Over::Datagrams => "udp",
            },
            "seconds": self.seconds,
            "connections": self.connections,
            "complete": self.is_complete(),
            "ended": self.ended,
            "protocols": protocols,
            "suites": suites,
            "groups": groups,
            "signature_schemes": seen.schemes.as_ref().map(|schemes| list(schemes, scheme_name)),
            "certificates": chain.collect::<Vec<_>>(),
            "other_certificates": others,
            "trusted": found.verdict.as_ref().map(Result::is_ok),
            "handshake_failed": found.failed.as_deref().map(printable_sentence),
            "facts": facts,
            "findings": findings.collect::<Vec<_>>(),
            "failed_rules": self.failed_rules,
        })
    }

    pub(super) fn text(&self) -> String {
        let (seen, found) = (self.seen, self.found);
        let version_name = |version| seen.over.version_name(version);
        let mut text = format!("{:<30}{}", "target", self.target);
        if let Some(address) = &self.address {
            let _ = write!(text, " at {address}");
        }
        if seen.over == Over::Datagrams {
            text.push_str(", over UDP");
        }
        if let Some(protocol) = self.starttls {
            let _ = write!(text, ", after {protocol}");
        }
        text.push('\n');
        let mut say = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<30}{value}");
        };
        for (version, offered) in &seen.versions {
            if let Some(offered) = offered {
                say(&version_name(*version), said(offered));
            }
        }
        for suites in &seen.suites {
            let name = version_name(suites.version);
            let order = match suites.order.why() {
                Some(why) => format!("unknown: {}", printable(why)),
                None => suites.order.word().to_owned(),
            };
            say(&format!("{name} order"), order);
            for line in lines(&suites.accepted, suite_name) {
                say(&format!("{name} suite"), line);
            }
        }
        for (version, groups) in &seen.groups {
            for line in lines(groups, group_name) {
                say(&format!("{} group", version_name(*version)), line);
            }
        }
        if let Some(schemes) = &seen.schemes {
            for line in lines(schemes, scheme_name) {
                say("signature", line);
            }
        }
        match &seen.dh_bits {
            Some(Ok(bits)) => say("DHE prime", format!("{bits} bits")),
            Some(Err(why)) => say("DHE prime", format!("unknown: {}", printable(why))),
            None => {}
        }
        for (name, offered) in &seen.facts {
            say(&name.replace('_', " "), said(offered));
        }
        for (version, always) in &seen.cookies {
            let name = format!("{} cookie", version_name(*version));
            say(&name, said(&Offered::of(*always)));
        }
        for (version, offered) in &found.resumption {
            say(
                &format!("{} resumption", version_name(*version)),
                said(offered),
            );
        }
        for (name, offered) in [
            ("early data", &found.early_data),
            ("OCSP staple", &found.ocsp),
            ("encrypted hello", &found.ech),
        ] {
            if let Some(offered) = offered {
                say(name, said(offered));
            }
        }
        for (name, answer) in &found.alpn {
            say(&format!("ALPN {name}"), printable(answer));
        }
        match &found.verdict {
            Some(Ok(by)) => say("certificate", format!("trusted, by {by}")),
            Some(Err(why)) => say(
                "certificate",
                format!("NOT trusted: {}", printable_sentence(why)),
            ),
            None => {}
        }
        if let Some(why) = &found.failed {
            say("handshake", format!("FAILED: {}", printable_sentence(why)));
        }
        for (number, der) in found.chain.iter().enumerate() {
            text.push_str(&certificate::text(number, der));
        }
        for other in &found.others {
            let verdict = match &other.verdict {
                Ok(by) => format!("trusted, by {by}"),
                Err(why) => format!("NOT trusted: {}", printable_sentence(why)),
            };
            let _ = writeln!(text, "{:<30}{verdict}", "another certificate");
            for (number, der) in other.chain.iter().enumerate() {
                text.push_str(&certificate::text(number, der));
            }
        }
        if let Some(why) = &found.others_unknown {
            let _ = writeln!(
                text,
                "{:<30}unknown: {}",
                "another certificate",
                printable(why)
            );
        }
        for finding in self.findings {
            let severity = finding.severity.word().to_uppercase();
            let _ = writeln!(
                text,
                "{severity:<5}{}: {}",
                finding.id,
                printable_sentence(&finding.text)
            );
        }
        let _ = writeln!(
            text,
            "{} connections in {:.1} s",
            self.connections, self.seconds
        );
        if let Some(why) = &self.ended {
            let _ = writeln!(text, "INCOMPLETE: {}", printable(why));
        } else if !self.is_complete() {
            text.push_str("INCOMPLETE: see what is unknown\n");
        }
        text
    }
}

fn word(offered: &Offered) -> Value {
    let word = || offered.word().into();
    offered.why().map_or_else(word, unknown)
}

fn unknown(why: &str) -> Value {
    json!({ "unknown": printable(why) })
}

fn said(offered: &Offered) -> String {
    match offered.why() {
        Some(why) => format!("unknown: {}", printable(why)),
        None => offered.word().to_owned(),
    }
}

fn list(accepted: &Accepted, name: impl Fn(u16) -> String) -> Value {
    let codes = accepted.codes.iter();
    let codes: Vec<_> = codes
        .map(|code| json!({ "id": format!("{code:#06x}"), "name": name(*code) }))
        .collect();
    let broken = accepted.broken.map(|code| format!("{code:#06x}"));
    json!({ "accepted": codes, "unknown": accepted.unknown.as_deref().map(printable), "broken": broken })
}

fn lines(accepted: &Accepted, name: impl Fn(u16) -> String) -> Vec<String> {
    let mut lines: Vec<_> = accepted.codes.iter().map(|code| name(*code)).collect();
    lines.extend(
        accepted
            .unknown
            .as_ref()
            .map(|why| format!("unknown whether there are more: {}", printable(why))),
    );
    lines
}
