//! What was found, for people and for programs.

use std::fmt::Write as _;

use portcullis::NamedGroup;
use serde_json::{Map, Value, json};

use super::chain;
use super::checks::{Accepted, Offered, Seen};
use super::codes::{Over, group_name, scheme_name, suite_name};
use super::hello::{TLS_1_2, TLS_1_3};
use super::judge::Finding;
use super::library::Found;
use super::names::Meets;
use super::shown::{Shown, Staple};
use super::ssl2;
use crate::certificate;
use crate::text::{printable, printable_sentence};

pub(super) struct Report<'a> {
    pub(super) target: String,
    /// Of the server. Behind a proxy nobody knows it.
    pub(super) address: Option<String>,
    pub(super) proxy: Option<String>,
    pub(super) server_name: String,
    pub(super) starttls: Option<&'static str>,
    pub(super) seconds: f64,
    pub(super) connections: u32,
    /// The name that was said in place of the server's.
    pub(super) other_name: String,
    /// Why it has ended before its time, if it has.
    pub(super) ended: Option<String>,
    pub(super) failed_rules: Vec<String>,
    /// Rules of which nobody knows whether they are hit, and why.
    pub(super) undecided_rules: Vec<(String, String)>,
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
            ("client_renegotiation", &found.renegotiation),
        ];
        for (name, offered) in more {
            facts.insert(name.to_owned(), offered.as_ref().map(word).into());
        }
        for (name, resumption) in [
            ("resumption", &found.resumption),
            ("resumption_at_other_name", &found.at_other_name),
        ] {
            let resumption = resumption.iter();
            let resumption =
                resumption.map(|(version, offered)| (version_name(*version), word(offered)));
            facts.insert(name.to_owned(), resumption.collect::<Map<_, _>>().into());
        }
        let tickets = found.tickets.iter();
        let counts = tickets.map(|(version, own)| (version_name(*version), own.count.into()));
        facts.insert("tickets".to_owned(), counts.collect::<Map<_, _>>().into());
        let tickets = found.tickets.iter();
        let lifetimes = tickets.filter_map(|(version, own)| {
            let seconds = own.lifetime?.as_secs();
            Some((version_name(*version), seconds.into()))
        });
        facts.insert(
            "ticket_lifetime".to_owned(),
            lifetimes.collect::<Map<_, _>>().into(),
        );
        for (name, meets) in [
            ("at_other_name", &found.other_name),
            ("at_no_name", &found.no_name),
        ] {
            let meets = meets.as_ref().map(|meets| match meets.why() {
                Some(why) => unknown(why),
                None => meets.word().into(),
            });
            facts.insert(name.to_owned(), meets.into());
        }
        let forms = seen.forms.iter();
        let forms = forms.map(|(form, offered)| (form.name.to_owned(), word(offered)));
        facts.insert("hello".to_owned(), forms.collect::<Map<_, _>>().into());
        for (name, fact) in self.of_chain() {
            facts.insert(name.to_owned(), fact.as_ref().map(word).into());
        }
        facts.insert(
            "ocsp_status".to_owned(),
            found.shown.first().map(status).into(),
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
        for (name, bits) in [
            ("dh_bits", &seen.dh_bits),
            ("dh_bits_export", &seen.dh_bits_export),
        ] {
            let bits = bits.as_ref().map(|bits| match bits {
                Ok(bits) => Value::from(*bits),
                Err(why) => unknown(why),
            });
            facts.insert(name.to_owned(), bits.into());
        }
        let versions = seen
            .versions
            .iter()
            .filter_map(|(version, offered)| Some((version, offered.as_ref()?)));
        let protocols: Vec<_> = versions
            .map(|(version, offered)| json!({ "version": version_name(*version), "offered": offered.word(), "why": offered.why().map(printable) }))
            .collect();
        let mut suites: Vec<_> = seen
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
        if let Some(ciphers) = &seen.ssl2_ciphers {
            let accepted = ciphers.iter().flatten();
            let accepted = accepted
                .map(|cipher| json!({ "id": ssl2::id(*cipher), "name": ssl2::name(*cipher) }));
            let why = ciphers.as_ref().err().map(|why| printable(why));
            // A client chooses of what the server has.
            suites.push(json!({
                "version": version_name(ssl2::VERSION),
                "order": "client",
                "accepted": accepted.collect::<Vec<_>>(),
                "unknown": why,
                "broken": null,
            }));
        }
        let schemes = self.schemes().map(|(version, schemes)| {
            let mut value = list(schemes, scheme_name);
            value["version"] = version_name(version).into();
            value
        });
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
        let chain = |shown: &Shown| {
            let chain = shown.chain.iter();
            chain
                .map(|der| certificate::json(der, false))
                .collect::<Vec<_>>()
        };
        let first = found.shown.first();
        let others = found.shown.iter().skip(1).map(|other| {
            json!({ "chain": chain(other), "trusted": other.verdict.is_ok(), "proved": other.is_proved, "ocsp_status": status(other) })
        });
        let others = match &found.shown_unknown {
            Some(why) => unknown(why),
            None => others.collect::<Vec<_>>().into(),
        };
        let findings = self.findings.iter().map(|finding| json!({ "id": finding.id, "severity": finding.severity.word(), "text": printable_sentence(&finding.text) }));
        json!({
            "schema": "portcullis.scan/1",
            "target": self.target,
            "address": self.address,
            "proxy": self.proxy,
            "server_name": self.server_name,
            "other_name": self.other_name,
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
            "signature_schemes": schemes.collect::<Vec<_>>(),
            "certificates": first.map(chain).unwrap_or_default(),
            "certificates_proved": first.map(|shown| shown.is_proved),
            "other_certificates": others,
            "trusted": first.map(|shown| shown.verdict.is_ok()),
            "handshake_failed": found.failed.as_deref().map(printable_sentence),
            "facts": facts,
            "findings": findings.collect::<Vec<_>>(),
            "failed_rules": self.failed_rules,
            "undecided_rules": self.undecided_rules.iter().map(|(rule, why)| json!({ "rule": rule, "why": printable_sentence(why) })).collect::<Vec<_>>(),
        })
    }

    /// What all chains look like that were shown.
    fn of_chain(&self) -> [(&'static str, Option<Offered>); 2] {
        let shown = &self.found.shown;
        [
            ("chain_in_order", chain::order(shown)),
            ("chain_with_root", chain::root(shown)),
        ]
    }

    /// By the versions in which signatures are made so.
    fn schemes(&self) -> impl Iterator<Item = (u16, &Accepted)> {
        let new = self.found.schemes.iter().map(|schemes| (TLS_1_3, schemes));
        let old = self.seen.schemes.iter().map(|schemes| (TLS_1_2, schemes));
        new.chain(old)
    }

    pub(super) fn text(&self) -> String {
        let (seen, found) = (self.seen, self.found);
        let version_name = |version| seen.over.version_name(version);
        let mut text = format!("{:<30}{}", "target", self.target);
        if let Some(address) = &self.address {
            let _ = write!(text, " at {address}");
        }
        if let Some(proxy) = &self.proxy {
            let _ = write!(text, " through the proxy at {proxy}");
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
        if let Some(ciphers) = &seen.ssl2_ciphers {
            let name = format!("{} suite", version_name(ssl2::VERSION));
            for cipher in ciphers.iter().flatten() {
                say(&name, ssl2::name(*cipher));
            }
            if let Err(why) = ciphers {
                say(&name, format!("unknown: {}", printable(why)));
            }
        }
        for (version, groups) in &seen.groups {
            for line in lines(groups, group_name) {
                say(&format!("{} group", version_name(*version)), line);
            }
        }
        for (version, schemes) in self.schemes() {
            for line in lines(schemes, scheme_name) {
                say(&format!("{} signature", version_name(version)), line);
            }
        }
        for (name, bits) in [
            ("DHE prime", &seen.dh_bits),
            ("DHE prime for export", &seen.dh_bits_export),
        ] {
            match bits {
                Some(Ok(bits)) => say(name, format!("{bits} bits")),
                Some(Err(why)) => say(name, format!("unknown: {}", printable(why))),
                None => {}
            }
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
        for (version, offered) in &found.at_other_name {
            let name = format!("{} resumed elsewhere", version_name(*version));
            say(&name, said(offered));
        }
        for (version, tickets) in &found.tickets {
            let lifetime = tickets.lifetime.map(|lifetime| lifetime.as_secs());
            let lifetime = lifetime.map(|seconds| format!(", for {seconds} s"));
            let tickets = format!("{}{}", tickets.count, lifetime.unwrap_or_default());
            say(&format!("{} tickets", version_name(*version)), tickets);
        }
        for (name, offered) in [
            ("early data", &found.early_data),
            ("OCSP staple", &found.ocsp),
            ("encrypted hello", &found.ech),
            ("client renegotiation", &found.renegotiation),
        ] {
            if let Some(offered) = offered {
                say(name, said(offered));
            }
        }
        for (name, answer) in &found.alpn {
            say(&format!("ALPN {name}"), printable(answer));
        }
        for (form, offered) in &seen.forms {
            say(form.words, said(offered));
        }
        for (name, meets) in [
            (&*self.other_name, &found.other_name),
            ("no name", &found.no_name),
        ] {
            if let Some(meets) = meets {
                let what = match meets {
                    Meets::Refused(alert) => format!("refused: alert {alert}"),
                    Meets::Unknown(why) => format!("unknown: {}", printable(why)),
                    shown => shown.word().to_owned(),
                };
                say(&format!("at {name}"), what);
            }
        }
        for (name, fact) in self.of_chain() {
            if let Some(fact) = fact {
                say(&name.replace('_', " "), said(&fact));
            }
        }
        if let Some(why) = &found.failed {
            say("handshake", format!("FAILED: {}", printable_sentence(why)));
        }
        for (at, shown) in found.shown.iter().enumerate() {
            let verdict = match &shown.verdict {
                Ok(by) => format!("trusted, by {by}"),
                Err(why) => format!("NOT trusted: {}", printable_sentence(why)),
            };
            let name = match at {
                0 => "certificate",
                _ => "another certificate",
            };
            let _ = writeln!(text, "{name:<30}{verdict}");
            if !shown.is_proved {
                let why = "NOT PROVED: no handshake has shown that the server has its key";
                let _ = writeln!(text, "{name:<30}{why}");
            }
            let what = match (&shown.staple, shown.staple.word()) {
                (Staple::Unusable(why) | Staple::NotJudged(why), Some(word)) => Some(format!(
                    "{word}: the OCSP response {}",
                    printable_sentence(why)
                )),
                (_, word) => word.map(str::to_owned),
            };
            if let Some(what) = what {
                let _ = writeln!(text, "{:<30}{what}", "OCSP status");
            }
            for (number, der) in shown.chain.iter().enumerate() {
                text.push_str(&certificate::text(number, der));
            }
        }
        if let Some(why) = &found.shown_unknown {
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
        for (rule, why) in &self.undecided_rules {
            let _ = writeln!(text, "UNDECIDED {rule}: {}", printable_sentence(why));
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

/// What the OCSP response says; nothing if there is none.
fn status(shown: &Shown) -> Value {
    match shown.staple.why() {
        Some(why) => unknown(why),
        None => shown.staple.word().into(),
    }
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
