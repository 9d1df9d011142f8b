//! PEM files as people have them: each is read, or an error says what is wrong with it and where.
//!
//! The files in `reports/pem` are of the shapes that people reported to other projects; their keys
//! are throw-away keys.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;

use crate::error::Misuse;
use crate::x509::{Identity, Roots};

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src/x509/tests/reports", name]
        .iter()
        .collect()
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

fn identity(chain: &str, key: Option<&str>) -> Result<Identity, Misuse> {
    let (chain, key) = (file(chain), key.map(file));
    Identity::from_pem(&chain, key.as_deref())
}

fn said(result: Result<impl Sized, Misuse>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn chains_are_read_whole_or_named() {
    for (name, certificates) in [
        ("chain", 2),
        ("glued_chain", 2),
        ("bom_chain", 2),
        ("bom_single", 1),
        ("mid_bom", 2),
        ("trailing_tabs", 2),
    ] {
        let chain = format!("pem/{name}.pem");
        let identity = identity(&chain, Some("pem/key.pem")).unwrap();
        assert_eq!(identity.chain().len(), certificates, "{name}");
    }
    for (name, expected) in [
        ("x509_label_chain.pem", "the X509 CERTIFICATE on line 1"),
        ("lower_case_label.pem", "line 1 "),
        ("utf16_chain.pem", "UTF-16"),
        ("der_not_pem.der", "a certificate in DER"),
        ("pkcs12.p12", "PKCS#12"),
        ("damaged_second.pem", "begins on line 13 is damaged"),
        (
            "damaged_second_and_encrypted_key.pem",
            "begins on line 13 is damaged",
        ),
    ] {
        let error = said(identity(&format!("pem/{name}"), Some("pem/key.pem")));
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn roots_are_read_whole_or_named() {
    for (name, count) in [("root", 1), ("glued_roots", 2), ("bom_ca", 1)] {
        let roots = Roots::from_pem(file(&format!("pem/{name}.pem"))).unwrap();
        assert_eq!(roots.len(), count, "{name}");
    }
    for (name, expected) in [
        ("x509_label_root", "the X509 CERTIFICATE on line 1"),
        ("trusted_label_root", "openssl x509"),
        (
            "damaged_root_and_encrypted_key",
            "begins on line 11 is damaged",
        ),
    ] {
        let error = said(Roots::from_pem(file(&format!("pem/{name}.pem"))));
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn keys_are_read_or_named() {
    for name in ["key", "bom_key", "ec_explicit_sec1", "ec_explicit_pkcs8"] {
        identity("pem/chain.pem", Some(&format!("pem/{name}.pem"))).expect(name);
    }
    identity("pem/glued_key.pem", None).unwrap();
    identity(
        "pem/rsa_chain.pem",
        Some("pem/rsa_pkcs8_under_rsa_label.pem"),
    )
    .unwrap();
    for (name, expected) in [
        ("one_line_key_backslash_n.pem", "newlines written as \\n"),
        ("one_line_key_spaces.pem", "start a new line"),
        ("pkcs12.p12", "openssl pkcs12"),
    ] {
        let error = said(identity("pem/chain.pem", Some(&format!("pem/{name}"))));
        assert!(error.contains(expected), "{name}: {error}");
    }
}

/// Eight bytes of each key, as they are and as their base64: as text, in hex and in decimal.
fn forms_of_keys() -> HashSet<String> {
    let mut secrets = Vec::new();
    for name in [
        "key",
        "ec_explicit_sec1",
        "ec_explicit_pkcs8",
        "rsa_pkcs8_under_rsa_label",
    ] {
        let text = file(&format!("pem/{name}.pem"));
        let key = super::PrivateKeyDer::from_pem_slice(&text).unwrap();
        secrets.push(key.secret_der().to_vec());
        let lines = text.split(|byte| *byte == b'\n');
        secrets.extend(
            lines
                .filter(|line| !line.starts_with(b"-"))
                .map(<[u8]>::to_vec),
        );
    }
    let mut forms = HashSet::new();
    for eight in secrets.iter().flat_map(|secret| secret.windows(8)) {
        forms.extend(std::str::from_utf8(eight).map(str::to_owned));
        forms.insert(eight.iter().map(|byte| format!("{byte:02x}")).collect());
        let list = format!("{eight:?}");
        forms.insert(list.trim_matches(['[', ']']).to_owned());
    }
    forms
}

/// The text where its path is due.
fn as_path(text: &[u8]) -> PathBuf {
    String::from_utf8_lossy(text).into_owned().into()
}

/// Also where the key stands in the line that begins the section, or in the label.
#[test]
fn no_error_contains_a_key() {
    let mut files: Vec<Vec<u8>> = std::fs::read_dir(path("pem"))
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(files.len() >= 27, "{}", files.len());
    let key = String::from_utf8(file("pem/key.pem")).unwrap();
    for (from, to) in [
        ("\n", ""),
        ("\n", "\\r\\n"),
        ("KEY-----\n", "KEY"),
        ("BEGIN PRIVATE KEY-----\n", "BEGIN "),
        ("-----END", "----END"),
        ("M", "*"),
        ("-----END PRIVATE KEY-----\n", ""),
    ] {
        files.push(key.replace(from, to).into_bytes());
    }
    let forms = forms_of_keys();
    let (chain, good) = (file("pem/chain.pem"), file("pem/key.pem"));
    let mut errors = 0;
    for text in &files {
        for result in [
            Identity::from_pem(text, None).map(drop),
            Identity::from_pem(text, Some(&good)).map(drop),
            Identity::from_pem(&chain, Some(text)).map(drop),
            Roots::from_pem(text).map(drop),
            Identity::from_pem_file(as_path(text)).map(drop),
            Roots::from_pem_file(as_path(text)).map(drop),
        ] {
            let Err(error) = result else { continue };
            errors += 1;
            let said = format!("{error} {error:?}");
            let leak = forms.iter().find(|form| said.contains(*form));
            assert!(leak.is_none(), "{leak:?}: {said}");
        }
    }
    assert!(errors > 60, "{errors}");
}

#[test]
fn whatever_looks_like_a_section_is_read_or_named() {
    let good = String::from_utf8(file("pem/root.pem")).unwrap();
    for (line, expected) in [
        ("-----BEGIN CERTIFICATE", "five hyphens"),
        ("----BEGIN CERTIFICATE-----", "five hyphens"),
        ("----- BEGIN CERTIFICATE -----", "five hyphens"),
        ("------BEGIN CERTIFICATE-----", "five hyphens"),
        ("\u{2014}BEGIN CERTIFICATE\u{2014}", "five hyphens"),
        ("\"-----BEGIN CERTIFICATE-----", "alone on its line"),
        ("\0-----BEGIN CERTIFICATE-----", "alone on its line"),
        ("x -----BEGIN CERTIFICATE-----", "alone on its line"),
        ("-----BEGIN SOMETHING ELSE-----", "not known"),
        (
            "-----BEGIN CERTIFICATE-----",
            "no -----END CERTIFICATE----- line",
        ),
        ("-----END CERTIFICATE-----", "no -----BEGIN line"),
        (
            "-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----",
            "openssl pkcs7",
        ),
    ] {
        let error = said(Roots::from_pem(format!("{good}{line}\n").as_bytes()));
        assert!(error.contains(expected), "{line}: {error}");
        assert!(error.contains("line 11"), "{line}: {error}");
    }
    let prose = format!("--- begin of the list, -----\n{good}-- end\n");
    assert_eq!(Roots::from_pem(prose.as_bytes()).unwrap().len(), 1);
    let indented = good.replace('\n', "\r\n    ");
    assert_eq!(Roots::from_pem(indented.as_bytes()).unwrap().len(), 1);
    let cr = good.replace('\n', "\r");
    assert_eq!(Roots::from_pem(cr.as_bytes()).unwrap().len(), 1);
}

#[test]
fn harmless_sections_are_skipped_and_named_where_nothing_else_is() {
    let good = String::from_utf8(file("pem/root.pem")).unwrap();
    for label in [
        "X509 CRL",
        "EC PARAMETERS",
        "PUBLIC KEY",
        "CERTIFICATE REQUEST",
    ] {
        let other = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        let both = format!("{other}{good}");
        assert_eq!(
            Roots::from_pem(both.as_bytes()).unwrap().len(),
            1,
            "{label}"
        );
        let error = said(Roots::from_pem(other.as_bytes()));
        assert!(error.contains(&format!("the {label} on line 1")), "{error}");
    }
}

/// OpenSSL and Go pass over it too.
#[test]
fn a_section_behind_comment_signs_is_none() {
    let good = String::from_utf8(file("pem/root.pem")).unwrap();
    let hidden: String = good.lines().map(|line| format!("# {line}\n")).collect();
    let both = format!("{hidden}{good}");
    assert_eq!(Roots::from_pem(both.as_bytes()).unwrap().len(), 1);
    let error = said(Roots::from_pem(hidden.as_bytes()));
    assert!(error.contains("there is no certificate"), "{error}");
}

#[test]
fn leaves_that_peers_refuse_are_no_identity() {
    for (name, expected) in [
        ("version1_leaf", "version 3"),
        ("certificate_over_64k", "65549 bytes"),
    ] {
        let key = format!("{name}.key.pem");
        let error = said(identity(&format!("{name}.chain.pem"), Some(&key)));
        assert!(error.contains(expected), "{name}: {error}");
    }
}

/// A file costs what its length is, whatever stands in it (Go's CVE-2025-61723).
#[test]
fn no_file_is_expensive() {
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
    for (part, before, behind) in [
        ("-", "", ""),
        ("\n", CERTIFICATE, "-----END CERTIFICATE-----"),
        ("A", CERTIFICATE, ""),
        ("A\n", CERTIFICATE, ""),
        ("-----BEGIN ", "", ""),
        ("-- BEGIN x", "", ""),
        ("-----BEGIN CERTIFICATE-----\n", "", ""),
        ("-----BEGIN X509 CRL-----\n-----END X509 CRL-----", "", ""),
        ("-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n", "", ""),
        ("-----END ", "#", ""),
        ("a: b\n", CERTIFICATE, ""),
    ] {
        let text = [
            before,
            "\n",
            &part.repeat(500_000 / part.len()),
            "\n",
            behind,
        ]
        .concat();
        let started = super::paths::time();
        let read = crate::x509::pem::Contents::read(text.as_bytes())
            .map(|contents| contents.certificates.len());
        let elapsed = super::paths::time() - started;
        println!("{elapsed:>10.1?} {part:?}: {read:?}");
        assert!(
            elapsed < Duration::from_millis(500),
            "{part:?}: {elapsed:?}"
        );
    }
}

/// Each sentence to the letter: what is wrong, where, and what to do.
#[test]
fn sentences_about_files() {
    let chain = |name: &str| said(identity(&format!("pem/{name}"), Some("pem/key.pem")));
    let roots = |name: &str| said(Roots::from_pem(file(&format!("pem/{name}"))));
    let key = |name: &str| said(identity("pem/chain.pem", Some(&format!("pem/{name}"))));
    let own = |name: &str| {
        let key = format!("{name}.key.pem");
        said(identity(&format!("{name}.chain.pem"), Some(&key)))
    };
    for (says, expected) in [
        (
            chain("x509_label_chain.pem"),
            "the X509 CERTIFICATE on line 1 is an old label: write CERTIFICATE \
             instead, in both lines (RFC 7468 §5.1)",
        ),
        (
            chain("lower_case_label.pem"),
            "line 1 of the PEM contains the beginning of a section, which is not \
             read: write it with five hyphens and in capital letters, as in \
             -----BEGIN CERTIFICATE-----, and alone on its line",
        ),
        (
            chain("utf16_chain.pem"),
            "this is UTF-16 and not PEM: save it as ASCII or UTF-8, e.g. with \
             `iconv -f UTF-16 -t UTF-8`",
        ),
        (
            chain("der_not_pem.der"),
            "this is a certificate in DER and not PEM: convert it with `openssl \
             x509 -inform DER -in FILE -out certificate.pem`",
        ),
        (
            chain("pkcs12.p12"),
            "this is PKCS#12 and not PEM: convert it with `openssl pkcs12 -in FILE \
             -out both.pem -nodes`",
        ),
        (
            chain("damaged_second.pem"),
            "the CERTIFICATE that begins on line 13 is damaged: it is not base64",
        ),
        (
            chain("damaged_second_and_encrypted_key.pem"),
            "the CERTIFICATE that begins on line 13 is damaged: it is not base64",
        ),
        (
            roots("x509_label_root.pem"),
            "the X509 CERTIFICATE on line 1 is an old label: write CERTIFICATE \
             instead, in both lines (RFC 7468 §5.1)",
        ),
        (
            roots("trusted_label_root.pem"),
            "the TRUSTED CERTIFICATE on line 1 is OpenSSL's own format: convert it \
             with `openssl x509 -in FILE -out certificate.pem`",
        ),
        (
            roots("damaged_root_and_encrypted_key.pem"),
            "the CERTIFICATE that begins on line 11 is damaged: it is not base64",
        ),
        (
            key("one_line_key_backslash_n.pem"),
            "line 1 of the PEM has a whole section on it, with newlines written as \
             \\n: put real newlines there, e.g. with `printf '%b'`",
        ),
        (
            key("one_line_key_spaces.pem"),
            "line 1 of the PEM has more on it than the beginning of a section: \
             start a new line after it",
        ),
        (
            key("pkcs12.p12"),
            "this is PKCS#12 and not PEM: convert it with `openssl pkcs12 -in FILE \
             -out both.pem -nodes`",
        ),
        (
            key("utf16_chain.pem"),
            "this is UTF-16 and not PEM: save it as ASCII or UTF-8, e.g. with \
             `iconv -f UTF-16 -t UTF-8`",
        ),
        (
            key("der_not_pem.der"),
            "this is a certificate in DER and not PEM: convert it with `openssl \
             x509 -inform DER -in FILE -out certificate.pem`",
        ),
        (
            own("version1_leaf"),
            "the leaf, the first certificate of the chain, is not of X.509 version 3, which TLS 1.3 \
             requires: have it issued again, with a subjectAltName",
        ),
        (
            own("certificate_over_64k"),
            "the leaf, the first certificate of the chain, has 65549 bytes; more than 65535 are not \
             supported: have it issued for fewer names",
        ),
    ] {
        assert_eq!(says, expected);
    }
}
