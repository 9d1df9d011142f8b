//! What is to be said against a server, and which of it ends a scan badly.

use serde_json::Value;

use super::chain;
use super::checks::{Offered, Seen};
use super::codes::{self, Over, Weakness};
use super::hello::{TLS_1_2, TLS_1_3};
use super::library::Found;
use super::shown::Staple;
use super::ssl2;
use crate::certificate;
use portcullis::NamedGroup;

/// How few days are worth a word.
const SOON: i64 = 30;
/// The shortest prime that resists (RFC 9325 §4.5).
const SHORTEST_PRIME: usize = 2_048;

/// The shortest key of RSA that resists (RFC 9325 §4.2).
const SHORTEST_KEY: usize = 2_048;

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

/// The names of all findings. They stay as they are; new ones come.
pub(super) const FINDINGS: [(&str, Severity); 42] = {
    use Severity::{Bad, Warn};
    [
        ("version.ssl2", Bad),
        ("version.ssl3", Bad),
        ("version.tls1.0", Bad),
        ("version.tls1.1", Bad),
        ("version.dtls1.0", Bad),
        ("version.no-tls1.3", Warn),
        ("suite.null", Bad),
        ("suite.export", Bad),
        ("suite.anonymous", Bad),
        ("suite.rc4", Bad),
        ("suite.des", Bad),
        ("suite.3des", Bad),
        ("suite.cbc", Warn),
        ("suite.rsa-kx", Warn),
        ("suite.no-fs", Warn),
        ("derived.beast", Warn),
        ("derived.drown", Bad),
        ("broken-choice", Bad),
        ("dh.short", Bad),
        ("group.no-pq", Warn),
        ("cookie.none", Warn),
        ("compression", Bad),
        ("renegotiation.insecure", Bad),
        ("renegotiation.client", Warn),
        ("fallback.unprotected", Warn),
        ("early-data", Warn),
        ("session.other-name", Warn),
        ("hello.records", Warn),
        ("hello.segments", Warn),
        ("hello.long", Warn),
        ("hello.unknown-values", Warn),
        ("hello.version", Warn),
        ("chain.order", Warn),
        ("chain.root", Warn),
        ("staple.revoked", Bad),
        ("staple.unusable", Warn),
        ("staple.missing", Bad),
        ("certificate.untrusted", Bad),
        ("certificate.expired", Bad),
        ("certificate.expires", Warn),
        ("certificate.weak-key", Bad),
        ("certificate.weak-signature", Bad),
    ]
};

/// Something that is to be said.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) id: String,
    pub(super) severity: Severity,
    pub(super) text: String,
}

pub(super) fn findings(seen: &Seen, found: &Found, leaves: &[Value]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |id: &str, text: String| {
        let known = FINDINGS.iter().find(|(known, _)| *known == id);
        debug_assert!(known.is_some(), "{id} is no rule");
        findings.push(Finding {
            id: id.to_owned(),
            severity: known.map_or(Severity::Bad, |(_, severity)| *severity),
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
            say(&id, format!("{name} is not to be spoken (RFC {rfc})"));
        }
    }
    let is_known = seen
        .versions
        .iter()
        .any(|(version, offered)| *version == TLS_1_3 && *offered == Some(Offered::No));
    // Over datagrams few speak it yet, and nobody can be told to.
    if is_known && seen.over == Over::Stream {
        say("version.no-tls1.3", "TLSv1.3 is not spoken".to_owned());
    }
    for (weakness, id) in Weakness::ALL {
        let mut weak: Vec<_> = seen
            .suites
            .iter()
            .flat_map(|suites| &suites.accepted.codes)
            .filter(|code| weakness.is_of(**code))
            .map(|code| codes::suite_name(*code))
            .collect();
        let ciphers = seen.ssl2_ciphers.iter().flatten().flatten();
        let ciphers = ciphers.filter(|cipher| ssl2::has(weakness, **cipher));
        weak.extend(ciphers.map(|cipher| ssl2::name(*cipher)));
        weak.sort();
        weak.dedup();
        let why = match weakness {
            Weakness::Null => "nothing is encrypted",
            Weakness::Export => "keys are short on purpose (FREAK)",
            Weakness::Anonymous => "nobody shows who it is",
            Weakness::Rc4 => "RC4 is broken (RFC 7465)",
            Weakness::Des => "DES, whose keys have 56 bits at most",
            Weakness::TripleDes => "blocks of 64 bits (SWEET32)",
            Weakness::Cbc => "CBC, whose padding leaks where it is not handled with care (LUCKY13)",
            Weakness::RsaKeyExchange => {
                "the secret is sent under the server's RSA key, whose padding leaks where it is not handled with care (ROBOT)"
            }
            Weakness::NoForwardSecrecy => {
                "no forward secrecy: a key that is lost opens what was sent before"
            }
        };
        if !weak.is_empty() {
            say(
                &format!("suite.{id}"),
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
            "CBC in TLSv1.0 or SSLv3 (BEAST), as is derived from what is offered".to_owned(),
        );
    }
    if seen.offers(ssl2::VERSION) {
        say(
            "derived.drown",
            "SSLv2, by which what is sent under the same RSA key elsewhere can be read (DROWN), as is derived from what is \
             offered"
                .to_owned(),
        );
    }
    for broken in seen.lists().filter_map(|list| list.broken) {
        say(
            "broken-choice",
            format!("{broken:#06x} was chosen, which was not offered"),
        );
    }
    let primes = [
        (&seen.dh_bits, ""),
        (&seen.dh_bits_export, " of the suites for export"),
    ];
    for (bits, of) in primes {
        if let Some(Ok(bits @ ..SHORTEST_PRIME)) = bits {
            say(
                "dh.short",
                format!("the prime of DHE{of} has {bits} bits (LOGJAM)"),
            );
        }
    }
    for (version, groups) in &seen.groups {
        let has_pq = groups
            .codes
            .iter()
            .any(|code| NamedGroup(*code).is_post_quantum());
        if *version == TLS_1_3 && !has_pq && groups.unknown.is_none() {
            say(
                "group.no-pq",
                "no group withstands a quantum computer".to_owned(),
            );
        }
    }
    let fact = |name: &str| seen.fact(name);
    for (version, _) in seen.cookies.iter().filter(|(_, always)| !always) {
        say(
            "cookie.none",
            format!(
                "{} is spoken without a cookie: whoever forges an address has more sent to it than he sends (RFC 6347 \
                 §4.2.1, RFC 9147 §5.1)",
                seen.over.version_name(*version)
            ),
        );
    }
    if fact("compression") == Some(&Offered::Yes) {
        say("compression", "DEFLATE is chosen (CRIME)".to_owned());
    }
    if fact("secure_renegotiation") == Some(&Offered::No) {
        say(
            "renegotiation.insecure",
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
            "a client can be made to take an older version (RFC 7507)".to_owned(),
        );
    }
    if found.renegotiation == Some(Offered::Yes) {
        say(
            "renegotiation.client",
            "a client may begin handshakes within a connection, which cost the server more than him (CVE-2011-1473)"
                .to_owned(),
        );
    }
    if found.early_data == Some(Offered::Yes) {
        say(
            "early-data",
            "early data is accepted, which can be sent again by others".to_owned(),
        );
    }
    let mut elsewhere = found.other_name.iter().filter(|meets| meets.is_elsewhere());
    let mut resumed = found.at_other_name.iter();
    if elsewhere.next().is_some() && resumed.any(|(_, offered)| *offered == Offered::Yes) {
        say(
            "session.other-name",
            "a session is resumed at another name, though another certificate or none is shown there: who was let in by \
             one name may be taken for let in by the other"
                .to_owned(),
        );
    }
    for (form, offered) in &seen.forms {
        if let (Some((id, why)), Offered::No) = (form.finding, offered) {
            say(id, why.to_owned());
        }
    }
    if chain::order(&found.shown) == Some(Offered::No) {
        say(
            "chain.order",
            "a certificate of the chain has not issued the one before it (RFC 5246 §7.4.2)"
                .to_owned(),
        );
    }
    if chain::root(&found.shown) == Some(Offered::Yes) {
        say(
            "chain.root",
            "a root is sent, of which nobody makes use: who trusts it has it".to_owned(),
        );
    }
    for (shown, leaf) in found.shown.iter().zip(leaves) {
        match &shown.staple {
            Staple::Revoked => say(
                "staple.revoked",
                "the responder says that the certificate was revoked".to_owned(),
            ),
            Staple::NotKnown => say(
                "staple.unusable",
                "the responder does not know the certificate".to_owned(),
            ),
            Staple::Unusable(why) => say("staple.unusable", format!("the OCSP response {why}")),
            Staple::None if leaf["must_staple"] == true => say(
                "staple.missing",
                "the certificate demands an OCSP response (RFC 7633), and none comes with it"
                    .to_owned(),
            ),
            _ => {}
        }
    }
    for why in found.distrust() {
        say("certificate.untrusted", why.to_owned());
    }
    for leaf in leaves {
        match leaf["days_left"].as_i64() {
            Some(days @ ..0) => say(
                "certificate.expired",
                format!("expired {} days ago", days.saturating_neg()),
            ),
            Some(days @ ..SOON) => say("certificate.expires", format!("expires in {days} days")),
            _ => {}
        }
    }
    let mut weak = std::collections::BTreeSet::new();
    for der in found.shown.iter().flat_map(|shown| &shown.chain) {
        if let Some(Some(bits @ ..SHORTEST_KEY)) = certificate::rsa_bits(der) {
            let what = "which is too short to be trusted";
            weak.insert((
                "certificate.weak-key",
                format!("an RSA key of {bits} bits, {what}"),
            ));
        }
        if let Some(Some(hash)) = certificate::broken_signature(der) {
            let what = "by which another one can be made that has it, too";
            weak.insert((
                "certificate.weak-signature",
                format!("a signature with {hash}, {what}"),
            ));
        }
    }
    for (id, text) in weak {
        say(id, text);
    }
    findings
}
