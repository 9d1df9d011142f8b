use super::super::checks::{Order, Suites};
use super::super::codes;
use super::super::judge::findings;
use super::super::shown::{Shown, Staple};
use super::super::tolerance;
use super::*;

fn verdict(rule: &Rule, seen: &Seen, found: &Found, leaves: &[Value]) -> Verdict {
    let findings = &findings(seen, found, leaves);
    rule.verdict(Known {
        seen,
        found,
        leaves,
        findings,
    })
}

fn accepted(codes: &[u16]) -> Accepted {
    Accepted {
        codes: codes.to_vec(),
        ..Accepted::default()
    }
}

fn shown(verdict: Result<String, String>, is_proved: bool) -> Shown {
    Shown {
        chain: vec![certificate::tests::weak()],
        verdict,
        is_proved,
        staple: Staple::None,
    }
}

fn forms(offered: &Offered) -> Vec<(&'static tolerance::Form, Offered)> {
    let forms = [
        tolerance::RECORDS,
        tolerance::SEGMENTS,
        tolerance::AT_LENGTH,
        tolerance::AT_GREAT_LENGTH,
        tolerance::UNKNOWN_VALUES,
        tolerance::VERSION,
        tolerance::OLD_VERSION,
    ];
    forms.map(|form| (form, offered.clone())).into()
}

/// One that signs itself.
fn root() -> CertificateDer<'static> {
    let key = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::default().self_signed(&key);
    made.unwrap().der().clone()
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
        forms: forms(&Offered::No),
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
        renegotiation: Some(Offered::Yes),
        other_name: Some(Meets::Other),
        at_other_name: vec![(TLS_1_3, Offered::Yes)],
        // The first one in no order, and with a root.
        shown: [Staple::None, Staple::Revoked, Staple::NotKnown]
            .map(|staple| {
                let mut shown = shown(Err("self-signed".to_owned()), true);
                shown.chain.push(shown.chain[0].clone());
                shown.chain.push(root());
                Shown { staple, ..shown }
            })
            .into(),
        ..Found::default()
    };
    let mut names = std::collections::BTreeSet::new();
    for days in [-1, 1] {
        let leaf = serde_json::json!({ "days_left": days });
        let leaf = [
            serde_json::json!({ "days_left": 100, "must_staple": true }),
            leaf.clone(),
            leaf,
        ];
        for seen in [&seen, &old] {
            let findings = findings(seen, &found, &leaf);
            for finding in &findings {
                let rule: Rule = finding.id.parse().unwrap();
                let verdict = verdict(&rule, seen, &found, &leaf);
                assert_eq!(verdict, Verdict::Hit, "{rule:?}");
                names.insert(finding.id.clone());
            }
        }
    }
    // And no name is of nothing.
    let all: std::collections::BTreeSet<_> = FINDINGS.map(|(id, _)| id.to_owned()).into();
    assert_eq!(names, all);
}

#[test]
fn a_key_that_nobody_can_read_is_not_good() {
    let (key, signature) = ("certificate.weak-key", "certificate.weak-signature");
    let none = || CertificateDer::from(vec![0x30, 0]);
    let unread = |what: &str| {
        let why = format!("{what} of a certificate in a chain cannot be read");
        Verdict::Undecided(why)
    };
    for (rule, issuer, expected) in [
        (key, certificate::tests::weak_pss(true), Verdict::Hit),
        (key, certificate::tests::weak_pss(false), unread("the key")),
        (key, none(), unread("the key")),
        (signature, none(), unread("the signature")),
        ("bad", none(), unread("the key")),
    ] {
        let mut known = fine();
        known.1.shown[0].chain.push(issuer);
        assert_eq!(is(rule, &known), expected, "{rule}");
    }
}

#[test]
fn a_rule_about_groups_is_not_switched_off_by_what_is_unknown_of_others() {
    let (pq, curve) = (0x11ec, 0x001d);
    let unknown = Accepted {
        unknown: Some("late".to_owned()),
        ..accepted(&[curve])
    };
    let undecided = |why: &str| Verdict::Undecided(why.to_owned());
    for (new, groups, expected) in [
        (
            Offered::Yes,
            vec![(TLS_1_3, accepted(&[curve]))],
            Verdict::Hit,
        ),
        (
            Offered::Yes,
            vec![(TLS_1_3, accepted(&[pq, curve]))],
            Verdict::Passed,
        ),
        (
            Offered::Yes,
            vec![(TLS_1_3, unknown.clone())],
            undecided("groups: late"),
        ),
        (
            Offered::No,
            vec![(TLS_1_2, accepted(&[curve]))],
            Verdict::Hit,
        ),
        (Offered::No, vec![(TLS_1_2, unknown)], Verdict::Hit),
        (
            Offered::Unknown("mute".to_owned()),
            Vec::new(),
            undecided("TLSv1.3: mute"),
        ),
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
        let verdict = verdict(&Rule::NoPostQuantum, &seen, &found, &[]);
        assert_eq!(verdict, expected, "{seen:?}");
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
            verdict(&rule, &seen, &found, &[]) == Verdict::Hit
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

/// A server that declines everything but what is said here, and has one certificate for 100 days.
fn fine() -> (Seen, Found, Vec<Value>) {
    let strong = Shown {
        chain: vec![root()],
        ..shown(Ok("us".to_owned()), true)
    };
    let all = [ssl2::VERSION, 0x0300, 0x0301, 0x0302, TLS_1_2, TLS_1_3];
    let seen = Seen {
        versions: all
            .map(|version| (version, Some(Offered::of(version >= TLS_1_2))))
            .into(),
        suites: vec![Suites {
            version: TLS_1_2,
            order: Order::None,
            accepted: accepted(&[0xc02f]),
        }],
        groups: vec![(TLS_1_3, accepted(&[0x11ec]))],
        forms: forms(&Offered::Yes),
        facts: ["compression", "secure_renegotiation", "fallback_scsv"]
            .map(|name| (name, Offered::of(name != "compression")))
            .into(),
        ..Seen::default()
    };
    let found = Found {
        shown: vec![strong],
        schemes: Some(accepted(&[0x0403])),
        early_data: Some(Offered::No),
        renegotiation: Some(Offered::No),
        resumption: [TLS_1_3, TLS_1_2]
            .map(|version| (version, Offered::Yes))
            .into(),
        other_name: Some(Meets::Same),
        at_other_name: [TLS_1_3, TLS_1_2]
            .map(|version| (version, Offered::Yes))
            .into(),
        ..Found::default()
    };
    (seen, found, vec![serde_json::json!({ "days_left": 100 })])
}

fn is(rule: &str, (seen, found, leaves): &(Seen, Found, Vec<Value>)) -> Verdict {
    verdict(&rule.parse().unwrap(), seen, found, leaves)
}

#[test]
fn what_is_not_known_passes_no_rule_about_it() {
    type Change = fn(&mut Seen, &mut Found, &mut Vec<Value>);
    let late = |name: &str| Verdict::Undecided(format!("{name}: late"));
    fn unknown() -> Option<String> {
        Some("late".to_owned())
    }
    fn of_version(seen: &mut Seen, version: u16) {
        for (_, offered) in seen
            .versions
            .iter_mut()
            .filter(|(code, _)| *code == version)
        {
            *offered = Some(Offered::Unknown("late".to_owned()));
        }
    }
    fn of_fact(seen: &mut Seen, name: &str) {
        for (_, offered) in seen.facts.iter_mut().filter(|(fact, _)| *fact == name) {
            *offered = Offered::Unknown("late".to_owned());
        }
    }
    let changes: [(Change, &[&str], Verdict); 21] = [
        (
            |seen, _, _| of_version(seen, 0x0301),
            &[
                "bad",
                "version<1.2",
                "version.tls1.0",
                "compression",
                "fallback",
            ],
            late("TLSv1.0"),
        ),
        (
            |seen, _, _| of_version(seen, ssl2::VERSION),
            &[
                "bad",
                "version<1.2",
                "version.ssl2",
                "derived.drown",
                "suite=export",
            ],
            late("SSLv2"),
        ),
        (
            |seen, _, _| of_version(seen, TLS_1_3),
            &["warn", "version.no-tls1.3", "no-pq", "early-data"],
            late("TLSv1.3"),
        ),
        (
            |seen, _, _| seen.suites[0].accepted.unknown = unknown(),
            &["bad", "no-fs", "suite=rc4", "suite.cbc", "dh.short"],
            late("suites of TLSv1.2"),
        ),
        (
            |seen, _, _| seen.ssl2_ciphers = Some(Err("late".to_owned())),
            &["suite=export", "derived.beast"],
            late("suites of SSLv2"),
        ),
        (
            |seen, _, _| {
                seen.groups[0].1 = Accepted {
                    unknown: unknown(),
                    ..accepted(&[29])
                }
            },
            &["warn", "no-pq"],
            late("groups"),
        ),
        (
            |seen, _, _| seen.dh_bits_export = Some(Err("late".to_owned())),
            &["bad", "dh.short"],
            late("the prime of DHE"),
        ),
        (
            |seen, _, _| of_fact(seen, "secure_renegotiation"),
            &["bad", "renegotiation"],
            late("secure renegotiation"),
        ),
        (
            |seen, _, _| of_fact(seen, "fallback_scsv"),
            &["warn", "fallback"],
            late("fallback scsv"),
        ),
        (
            |_, found, _| found.renegotiation = Some(Offered::Unknown("late".to_owned())),
            &["warn", "renegotiation.client"],
            late("client renegotiation"),
        ),
        (
            |_, found, _| {
                found.early_data = None;
                found.failed = unknown();
            },
            &["warn", "early-data"],
            late("early data"),
        ),
        (
            |_, found, _| found.resumption[1].1 = Offered::Unknown("late".to_owned()),
            &["warn", "session.other-name"],
            late("TLSv1.2 resumption"),
        ),
        (
            |_, found, _| {
                found.resumption.clear();
                found.failed = unknown();
            },
            &["session.other-name"],
            late("resumption"),
        ),
        (
            |_, found, _| found.at_other_name[0].1 = Offered::Unknown("late".to_owned()),
            &["warn", "session.other-name"],
            late("TLSv1.3 resumption"),
        ),
        (
            |_, found, _| found.other_name = Some(Meets::Unknown("late".to_owned())),
            &["warn", "session.other-name"],
            late("what is shown at another name"),
        ),
        (
            |seen, _, _| seen.forms[2].1 = Offered::Unknown("late".to_owned()),
            &["warn", "hello.long"],
            late("hello of 4 KiB"),
        ),
        (
            |_, found, _| found.shown[0].staple = Staple::NotJudged("late".to_owned()),
            &["bad", "staple.missing", "staple.revoked", "staple.unusable"],
            late("the OCSP response"),
        ),
        (
            |_, found, _| found.shown_unknown = unknown(),
            &["bad", "untrusted", "expires<30d", "certificate.expired"],
            late("certificates of another kind"),
        ),
        (
            |_, found, _| {
                found.schemes = Some(Accepted {
                    unknown: unknown(),
                    ..accepted(&[1])
                })
            },
            &["bad", "untrusted", "expires<30d", "certificate.untrusted"],
            late("certificates of another kind in TLSv1.3"),
        ),
        (
            |_, found, _| found.shown[0].is_proved = false,
            &["bad", "untrusted", "expires<30d", "certificate.expires"],
            Verdict::Undecided(
                "no handshake has shown that the server has the certificate's key".to_owned(),
            ),
        ),
        (
            |_, found, leaves| {
                found.shown.clear();
                leaves.clear();
            },
            &["bad", "untrusted", "expires<30d"],
            Verdict::Undecided("no certificate was seen".to_owned()),
        ),
    ];
    let passed = "bad,warn,incomplete,version<1.2,suite=rc4,no-fs,no-pq,untrusted,expires<30d";
    let passed = passed.split(',');
    for rule in passed.chain(FINDINGS.iter().map(|(id, _)| *id)) {
        assert_eq!(is(rule, &fine()), Verdict::Passed, "{rule}");
    }
    for (change, rules, expected) in changes {
        let mut known = fine();
        change(&mut known.0, &mut known.1, &mut known.2);
        for rule in rules {
            assert_eq!(is(rule, &known), expected, "{rule}");
        }
    }
}

#[test]
fn a_session_at_another_name_matters_where_another_certificate_is_shown() {
    let rule = "session.other-name";
    for (meets, expected) in [
        (Meets::Same, Verdict::Passed),
        (Meets::Other, Verdict::Hit),
        (Meets::Refused("unrecognized_name".to_owned()), Verdict::Hit),
    ] {
        let mut known = fine();
        known.1.other_name = Some(meets);
        assert_eq!(is(rule, &known), expected);
        known.1.at_other_name = vec![(TLS_1_3, Offered::No)];
        assert_eq!(is(rule, &known), Verdict::Passed);
    }
}

#[test]
fn what_a_certificate_demands_is_looked_for() {
    for (staple, demanded, hit) in [
        (Staple::None, true, Some("staple.missing")),
        (Staple::None, false, None),
        (Staple::Good, true, None),
        (Staple::Revoked, true, Some("staple.revoked")),
        (Staple::NotKnown, false, Some("staple.unusable")),
        (
            Staple::Unusable("is over".to_owned()),
            false,
            Some("staple.unusable"),
        ),
    ] {
        let mut known = fine();
        known.1.shown[0].staple = staple.clone();
        known.2[0]["must_staple"] = demanded.into();
        for rule in ["staple.missing", "staple.revoked", "staple.unusable"] {
            let expected = match hit == Some(rule) {
                true => Verdict::Hit,
                false => Verdict::Passed,
            };
            assert_eq!(is(rule, &known), expected, "{rule} {staple:?}");
        }
    }
}

#[test]
fn who_has_no_certificate_is_known_to_have_none() {
    let (mut seen, mut found, _) = fine();
    found.shown.clear();
    found.schemes = None;
    seen.versions = vec![(TLS_1_3, Some(Offered::No)), (TLS_1_2, Some(Offered::Yes))];
    // TLS_ECDH_anon_WITH_AES_128_CBC_SHA.
    seen.suites[0].accepted = accepted(&[0xc018]);
    let mut known = (seen, found, Vec::new());
    assert_eq!(is("expires<30d", &known), Verdict::Passed);
    known.0.versions[1].1 = Some(Offered::No);
    known.0.suites.clear();
    let none = "no version is spoken, so no certificate was seen".to_owned();
    assert_eq!(is("expires<30d", &known), Verdict::Undecided(none));
}

#[test]
fn what_speaks_against_a_certificate_counts_whoever_has_shown_it() {
    let mut known = fine();
    known.1.shown = vec![shown(Err("self-signed".to_owned()), false)];
    known.2 = vec![serde_json::json!({ "days_left": 3 })];
    for rule in ["untrusted", "expires<30d", "certificate.untrusted", "bad"] {
        assert_eq!(is(rule, &known), Verdict::Hit, "{rule}");
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
