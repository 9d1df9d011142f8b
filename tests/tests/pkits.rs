//! NIST's Public Key Interoperability Test Suite: paths, each with a verdict.
//!
//! Its files are not ours and are not committed: `tests/pkits.sh` downloads them to `target/pkits`.
//! In TLS's own mode policies and CRLs are not asked for, so tests that turn on them fail; they are listed, and a
//! test that is listed and passes is an error, too. In the suite's mode everything is asked for that it wants.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use portcullis::pki_types::{CertificateDer, UnixTime};
use portcullis_core::SignatureScheme;
use portcullis_core::x509::{
    CertificateError, CertificateErrorKind, CertificatePolicies, ChainPolicy, ChainWalk, Crl,
    CrlCheck, Finding, PresentedChain, RevocationCheck, Roots, WalkStep, verify_client,
};

/// 2026-11-29; the certificates are valid from 2010 to 2030.
const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_795_910_400));

/// Accepted by the suite, and refused by a TLS peer on purpose: DSA, and leaves that are CAs.
const STRICTER: &[&str] = &[
    "4.1.4",
    "4.1.5",
    "4.6.8",
    "4.6.14",
    "4.8.6",
    "4.8.6 part 2",
    "4.14.13",
];

/// Decided by policies, which are not asked for; critical extensions about them refuse a certificate.
const POLICIES: &[&str] = &[
    "4.8.1 part 3",
    "4.8.2 part 2",
    "4.8.3 part 2",
    "4.8.3 part 3",
    "4.8.4",
    "4.8.5",
    "4.8.9",
    "4.8.12",
    "4.8.14 part 2",
    "4.9.1",
    "4.9.2",
    "4.9.4",
    "4.9.6",
    "4.10.1.1",
    "4.10.3 part 2",
    "4.10.5",
    "4.10.6",
    "4.10.9",
    "4.10.11",
    "4.10.12",
    "4.10.12 part 2",
    "4.10.13",
    "4.10.13 part 2",
    "4.10.14",
    "4.11.2",
    "4.11.4",
    "4.11.7",
    "4.12.2",
    "4.12.3",
    "4.12.7",
    "4.12.9",
];

/// Refused for what a CRL says, or because there is none.
const CRLS: &[&str] = &[
    "4.4.1", "4.4.2", "4.4.3", "4.4.4", "4.4.5", "4.4.6", "4.4.8", "4.4.9", "4.4.10", "4.4.11",
    "4.4.12", "4.4.15", "4.4.18", "4.4.20", "4.4.21", "4.5.2", "4.5.5", "4.5.7", "4.7.4", "4.7.5",
    "4.14.2", "4.14.3", "4.14.6", "4.14.8", "4.14.9", "4.14.12", "4.14.14", "4.14.15", "4.14.16",
    "4.14.17", "4.14.20", "4.14.21", "4.14.23", "4.14.26", "4.14.27", "4.14.31", "4.14.32",
    "4.14.34", "4.14.35", "4.15.1", "4.15.3", "4.15.4", "4.15.6", "4.15.9", "4.15.10",
];

/// Paths whose last certificate is that of a CA. A peer in TLS is none; who accepts that one fault gets the suite's
/// verdict, also by lists.
const LEAF_IS_CA: &[&str] = &["4.6.8", "4.6.14", "4.8.6", "4.8.6 part 2", "4.14.13"];

/// The suite accepts it, and OpenSSL refuses it, too: who signs lists for others is the judge of its own certificate.
const OTHERWISE: &[&str] = &["4.14.30"];

struct Test {
    number: String,
    certificates: Vec<String>,
    lists: Vec<String>,
    is_valid: bool,
    policies: CertificatePolicies,
}

fn folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("target/pkits");
    let script = root.join("tests/pkits.sh");
    let status = Command::new("sh").arg(&script).arg(&folder).status();
    assert!(status.unwrap().success(), "{} failed", script.display());
    folder
}

/// What a test sets; without a word any policy will do.
fn policies(text: &str) -> CertificatePolicies {
    let setting = |name: &str| {
        let (_, rest) = text.split_once(&format!("info.{name}("))?;
        Some(rest.split_once(')')?.0)
    };
    let set = setting("SetInitialPolicySet").map(|names| names.trim_matches('"'));
    let mut policies = match set {
        None | Some("anyPolicy") => CertificatePolicies::any(),
        Some(names) => {
            let oids: Vec<_> = names
                .split(',')
                .map(|name| {
                    let number = name.trim().strip_prefix("NIST-test-policy-").unwrap();
                    format!("2.16.840.1.101.3.2.1.48.{number}")
                })
                .collect();
            CertificatePolicies::of(oids.iter().map(String::as_str)).unwrap()
        }
    };
    if setting("SetInitialExplicitPolicy") == Some("true") {
        policies = policies.require_explicit();
    }
    if setting("SetInitialPolicyMappingInhibit") == Some("true") {
        policies = policies.inhibit_mapping();
    }
    if setting("SetInitialInhibitAnyPolicy") == Some("true") {
        policies = policies.inhibit_any();
    }
    policies
}

/// The table is C++: a name, a list of certificates, a number and a verdict for each test.
fn tests(table: &str) -> Vec<Test> {
    let list = |text: &str, begin: &str| {
        let (_, rest) = text.split_once(begin)?;
        let (list, _) = rest.split_once('}')?;
        let names = list.split('"').skip(1).step_by(2);
        Some(names.map(str::to_owned).collect())
    };
    let body = |text: &str| {
        let text = text
            .split_once("this->RunTest")
            .map_or(text, |(own, _)| own);
        let number = text
            .split_once("test_number = \"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(number, _)| number.to_owned());
        let (_, verdict) = text.split_once("should_validate = ")?;
        Some(Test {
            number: number?,
            certificates: list(text, "certs[] = {")?,
            lists: list(text, "crls[] = {")?,
            is_valid: verdict.starts_with("true"),
            policies: policies(text),
        })
    };
    table
        .split("WRAPPED_TYPED_TEST_P(")
        .filter_map(body)
        .collect()
}

#[test]
fn every_path() {
    let folder = folder();
    let table = fs::read_to_string(folder.join("table.h")).unwrap();
    let tests = tests(&table);
    assert_eq!(tests.len(), 249);
    let mut differences = BTreeMap::new();
    let mut seen = BTreeMap::new();
    for test in &tests {
        // Some have parts, which differ in their policies.
        let parts = seen.entry(test.number.as_str()).or_insert(0);
        *parts += 1;
        let name = match parts {
            1 => test.number.clone(),
            part => format!("{} part {part}", test.number),
        };
        let read = |name: &String| {
            let file = folder.join("certs").join(format!("{name}.crt"));
            CertificateDer::from(fs::read(&file).unwrap_or_else(|_| panic!("{}", file.display())))
        };
        let mut chain: Vec<_> = test.certificates.iter().map(read).collect();
        let mut roots = Roots::empty();
        roots.add_der(chain.remove(0)).unwrap();
        // The peer's own first, the others in any order.
        let leaf = chain.pop().unwrap();
        let orders = [
            [vec![leaf.clone()], chain.clone()].concat(),
            [vec![leaf], chain.into_iter().rev().collect()].concat(),
        ];
        let policy = ChainPolicy::new(roots);
        let verdicts = orders.map(|chain| {
            let verdict =
                PresentedChain::new(chain).and_then(|chain| verify_client(&chain, NOW, &policy));
            if let Err(error) = &verdict {
                let is_split = matches!(error.kind(), CertificateErrorKind::Disagreement { .. });
                assert!(!is_split, "{}: {error}", test.number);
            }
            verdict.map(|_| ()).map_err(|error| error.to_string())
        });
        assert_eq!(verdicts[0].is_ok(), verdicts[1].is_ok(), "{}", test.number);
        let [verdict, _] = verdicts;
        if verdict.is_ok() != test.is_valid {
            differences.insert(name, verdict);
        }
    }
    let known = STRICTER.iter().chain(POLICIES).chain(CRLS);
    let mut known: Vec<&str> = known.copied().collect();
    known.sort_unstable();
    let found: Vec<&str> = differences.keys().map(String::as_str).collect();
    assert_eq!(found, known, "{differences:#?}");
}

/// As in TLS with revocation lists: only what policies decide differs, and what a peer in TLS may not be.
#[test]
fn every_path_with_lists_and_without_policies() {
    let folder = folder();
    let table = fs::read_to_string(folder.join("table.h")).unwrap();
    let mut differences = BTreeMap::new();
    let mut seen = BTreeMap::new();
    for test in &tests(&table) {
        let parts = seen.entry(test.number.clone()).or_insert(0);
        *parts += 1;
        let name = match parts {
            1 => test.number.clone(),
            part => format!("{} part {part}", test.number),
        };
        let read = |kind: &str, name: &String, end: &str| {
            let file = folder.join(kind).join(format!("{name}.{end}"));
            fs::read(&file).unwrap_or_else(|_| panic!("{}", file.display()))
        };
        let certificates = test.certificates.iter();
        let mut chain: Vec<_> = certificates
            .map(|name| CertificateDer::from(read("certs", name, "crt")))
            .collect();
        let mut roots = Roots::empty();
        roots.add_der(chain.remove(0)).unwrap();
        chain.reverse();
        let lists = test.lists.iter().map(|name| read("crls", name, "crl"));
        let lists: Vec<_> = lists
            .filter_map(|list| Crl::from_der(list).ok())
            .map(Arc::new)
            .collect();
        let policy = ChainPolicy::new(roots);
        let verdict =
            PresentedChain::new(chain).and_then(|chain| with_lists(&chain, &policy, &lists));
        if verdict.is_ok() != test.is_valid {
            differences.insert(name, verdict.map_err(|error| error.to_string()));
        }
    }
    let known = STRICTER.iter().chain(POLICIES).chain(OTHERWISE);
    let mut known: Vec<&str> = known.copied().collect();
    known.sort_unstable();
    let found: Vec<&str> = differences.keys().map(String::as_str).collect();
    assert_eq!(found, known, "{differences:#?}");
}

/// With policies, lists and DSA: as the suite says, in every order of the certificates.
#[test]
fn every_path_as_the_suite_asks() {
    let folder = folder();
    let table = fs::read_to_string(folder.join("table.h")).unwrap();
    let tests = tests(&table);
    let mut differences = BTreeMap::new();
    let mut seen = BTreeMap::new();
    for test in &tests {
        let parts = seen.entry(test.number.as_str()).or_insert(0);
        *parts += 1;
        let name = match parts {
            1 => test.number.clone(),
            part => format!("{} part {part}", test.number),
        };
        let read = |kind: &str, name: &String, end: &str| {
            let file = folder.join(kind).join(format!("{name}.{end}"));
            fs::read(&file).unwrap_or_else(|_| panic!("{}", file.display()))
        };
        let mut chain: Vec<_> = test
            .certificates
            .iter()
            .map(|name| CertificateDer::from(read("certs", name, "crt")))
            .collect();
        let mut roots = Roots::empty();
        roots.add_der(chain.remove(0)).unwrap();
        let leaf = chain.pop().unwrap();
        let lists = test.lists.iter().map(|name| read("crls", name, "crl"));
        // What is no list says nothing.
        let lists: Vec<_> = lists
            .filter_map(|list| Crl::from_der(list).ok())
            .map(Arc::new)
            .collect();
        let orders = [
            [vec![leaf.clone()], chain.clone()].concat(),
            [vec![leaf], chain.into_iter().rev().collect()].concat(),
        ];
        let schemes = [SignatureScheme::DEFAULT, &[SignatureScheme::DSA_SHA1]].concat();
        let policy = ChainPolicy::new(roots)
            .schemes(&schemes)
            .key_minimum(1_024)
            .policies(test.policies.clone());
        let is_ca = LEAF_IS_CA.contains(&name.as_str());
        let verdicts = orders.map(|chain| {
            let verdict = PresentedChain::new(chain).and_then(|chain| match is_ca {
                true => accepting_a_ca(&chain, &policy, &lists),
                false => with_lists(&chain, &policy, &lists),
            });
            if let Err(error) = &verdict {
                let is_split = matches!(error.kind(), CertificateErrorKind::Disagreement { .. });
                assert!(!is_split, "{name}: {error}");
            }
            verdict.map_err(|error| error.to_string())
        });
        assert_eq!(verdicts[0].is_ok(), verdicts[1].is_ok(), "{name}");
        let [verdict, _] = verdicts;
        if verdict.is_ok() != test.is_valid {
            differences.insert(name, verdict);
        }
    }
    let found: Vec<&str> = differences.keys().map(String::as_str).collect();
    assert_eq!(found, OTHERWISE, "{differences:#?}");
}

fn with_lists(
    chain: &PresentedChain,
    policy: &ChainPolicy,
    lists: &[Arc<Crl>],
) -> Result<(), CertificateError> {
    let policy = policy.clone().crl_check(CrlCheck::chain());
    let mut check = RevocationCheck::begin(chain, None, NOW, &policy)?;
    while check.query().is_some() {
        check.answer(lists.to_vec());
    }
    check.conclude().map(|_| ())
}

/// Accepts of the last certificate that it is a CA's, and nothing else.
fn accepting_a_ca(
    chain: &PresentedChain,
    policy: &ChainPolicy,
    lists: &[Arc<Crl>],
) -> Result<(), CertificateError> {
    let policy = policy.clone().crl_check(CrlCheck::chain());
    let mut walk = ChainWalk::of_client(chain, NOW, &policy);
    while let WalkStep::Judge(pending) = walk.step() {
        let judgement = pending.judgement();
        match judgement.finding() {
            Finding::Bad(error)
                if judgement.index() == Some(0)
                    && matches!(
                        error.kind(),
                        CertificateErrorKind::WrongBasicConstraints
                            | CertificateErrorKind::KeyUsage
                    ) =>
            {
                pending.accept();
            }
            _ => pending.default(),
        }
    }
    let mut check = walk.into_revocation_check()?;
    while check.query().is_some() {
        check.answer(lists.to_vec());
    }
    check.conclude().map(|_| ())
}
