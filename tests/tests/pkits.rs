//! NIST's Public Key Interoperability Test Suite: paths, each with a verdict.
//!
//! Its files are not ours and are not committed: `tests/pkits.sh` downloads them to `target/pkits`.
//! Policies and CRLs are not asked for, so tests that turn on them fail; they are listed, and a
//! test that is listed and passes is an error, too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use portcullis::pki_types::{CertificateDer, UnixTime};
use portcullis_core::x509::{
    CertificateErrorKind, ChainPolicy, PresentedChain, Roots, verify_client,
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

struct Test {
    number: String,
    certificates: Vec<String>,
    is_valid: bool,
}

fn folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("target/pkits");
    let script = root.join("tests/pkits.sh");
    let status = Command::new("sh").arg(&script).arg(&folder).status();
    assert!(status.unwrap().success(), "{} failed", script.display());
    folder
}

/// The table is C++: a name, a list of certificates, a number and a verdict for each test.
fn tests(table: &str) -> Vec<Test> {
    let body = |text: &str| {
        let certificates = text
            .split_once("certs[] = {")
            .and_then(|(_, rest)| rest.split_once('}'))
            .map(|(list, _)| {
                list.split('"')
                    .skip(1)
                    .step_by(2)
                    .map(str::to_owned)
                    .collect()
            });
        let number = text
            .split_once("test_number = \"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(number, _)| number.to_owned());
        let (_, verdict) = text.split_once("should_validate = ")?;
        Some(Test {
            number: number?,
            certificates: certificates?,
            is_valid: verdict.starts_with("true"),
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
