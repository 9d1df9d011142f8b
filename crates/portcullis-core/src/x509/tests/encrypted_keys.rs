//! Keys with a password, as OpenSSL 3.0 writes them: each is opened, or an error says what is wrong with it.
//!
//! The files in `reports/encrypted` are the throw-away key of `reports/pem`, written by `openssl pkcs8 -topk8` and
//! `openssl ec`; those whose name has `of_` are other throw-away keys.

use std::path::PathBuf;

use crate::error::Misuse;
use crate::x509::{Identity, PemIdentity, PrivateKey};

const PASSWORD: &[u8] = "Gruß aus 7".as_bytes();

const ALWAYS: &[&str] = &["default", "aes128_sha1", "aes192_sha384", "aes256_sha512"];
const WITH_SCRYPT: &[&str] = &["scrypt", "scrypt_twice"];
const WITH_LEGACY_KEYS: &[&str] = &[
    "pbes2_3des",
    "pbes2_des",
    "pbes2_rc2_128",
    "pbes2_rc2_64",
    "pbes2_rc2_40",
    "pbe_md5_des",
    "pbe_sha1_des",
    "pbe_md5_rc2_64",
    "pbe_sha1_rc2_64",
    "pbe_sha1_3des",
    "pbe_sha1_2des",
    "pbe_sha1_rc2_128",
    "pbe_sha1_rc2_40",
    "old_aes128",
    "old_aes192",
    "old_aes256",
    "old_des3",
    "old_des",
    "old_des_ede_cbc",
    "old_rc2_cbc",
    "old_rc2_64_cbc",
    "old_rc2_40_cbc",
];

fn file(name: &str) -> Vec<u8> {
    let folder = [env!("CARGO_MANIFEST_DIR"), "src/x509/tests/reports"];
    std::fs::read(folder.iter().collect::<PathBuf>().join(name)).unwrap()
}

fn encrypted(name: &str) -> Vec<u8> {
    file(&format!("encrypted/{name}.pem"))
}

fn open(key: &[u8], password: &[u8]) -> Result<Identity, Misuse> {
    PemIdentity::read(file("pem/chain.pem"), Some(key))?.identity(Some(password))
}

/// Those that this build reads, and those that need a feature it has not.
fn files() -> (Vec<&'static str>, Vec<(&'static str, &'static str)>) {
    let (mut read, mut refused) = (ALWAYS.to_vec(), Vec::new());
    for (names, feature, is_there) in [
        (WITH_SCRYPT, "scrypt", cfg!(feature = "scrypt")),
        (
            WITH_LEGACY_KEYS,
            "legacy-keys",
            cfg!(feature = "legacy-keys"),
        ),
    ] {
        match is_there {
            true => read.extend(names),
            false => refused.extend(names.iter().map(|name| (*name, feature))),
        }
    }
    (read, refused)
}

#[test]
fn what_openssl_writes_is_opened() {
    let (read, refused) = files();
    for name in read {
        let key = encrypted(name);
        let identity = open(&key, PASSWORD).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(identity.chain().len(), 2, "{name}");
    }
    for (name, feature) in refused {
        let error = open(&encrypted(name), PASSWORD).unwrap_err().to_string();
        assert!(
            error.contains(&format!("the feature `{feature}`")),
            "{name}: {error}"
        );
    }
}

#[test]
fn keys_of_every_kind_are_opened() {
    let kinds = ["of_rsa", "of_rsa_pss", "of_ed25519", "of_p384"];
    let more = [
        ("of_ed448", cfg!(feature = "curve448")),
        ("old_of_rsa", cfg!(feature = "legacy-keys")),
    ];
    let more = more.into_iter().filter(|(_, is_there)| *is_there);
    for name in kinds.into_iter().chain(more.map(|(name, _)| name)) {
        let key = PrivateKey::from_pem(encrypted(name), Some(PASSWORD));
        let key = key.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!key.schemes().is_empty(), "{name}");
    }
    let der = pem_to_der(&encrypted("of_ed25519"));
    PrivateKey::from_encrypted_der(&der, PASSWORD).unwrap();
}

#[test]
fn the_password_is_asked_for_only_if_it_is_needed() {
    let (chain, clear, key) = (
        file("pem/chain.pem"),
        file("pem/key.pem"),
        encrypted("default"),
    );
    for (text, needed) in [
        ([&*chain, &key].concat(), true),
        ([&*key, &chain].concat(), true),
        ([&*chain, &clear].concat(), false),
        ([&*key, &chain, &clear].concat(), false),
        // One that is in the clear and belongs to another certificate does not help.
        ([&*chain, &other_key(), &key].concat(), true),
        ([&*chain, &encrypted("of_rsa"), &key].concat(), true),
    ] {
        let read = PemIdentity::read(&text, None).unwrap();
        assert_eq!(read.needs_password(), needed);
        read.identity(Some(PASSWORD)).unwrap();
        assert_eq!(read.identity(None).is_err(), needed);
    }
    let error = Identity::from_pem(&chain, Some(&key))
        .unwrap_err()
        .to_string();
    assert!(error.contains("encrypted: give its password"), "{error}");
}

fn other_key() -> Vec<u8> {
    let made = rcgen::KeyPair::generate().unwrap();
    made.serialize_pem().into_bytes()
}

#[test]
fn a_wrong_password_is_told_from_a_damaged_file() {
    const WRONG: &str = "the password does not open the private key";
    let (read, _) = files();
    for name in read {
        let key = encrypted(name);
        // One wrong password in some 70,000 leaves padding and a SEQUENCE.
        for wrong in [&b""[..], b"Gruss aus 7"] {
            let error = open(&key, wrong).unwrap_err().to_string();
            assert!(error.contains(WRONG), "{name}: {error}");
        }
    }
    // Cut, as by a disk that is full.
    let whole = pem_to_der(&encrypted("default"));
    for cut in [1, 16, whole.len() / 2, whole.len() - 2] {
        let error = PrivateKey::from_encrypted_der(&whole[..whole.len() - cut], PASSWORD);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{cut}: {error}");
    }
}

/// RFC 7292 §B.1 has text, which OpenSSL takes for Latin-1 where it is not UTF-8.
#[cfg(feature = "legacy-keys")]
#[test]
fn passwords_of_pkcs12_are_text() {
    for name in ["pbe_sha1_3des", "pbe_sha1_rc2_40"] {
        open(&encrypted(name), b"Gru\xdf aus 7").expect(name);
    }
    open(&encrypted("default"), b"Gru\xdf aus 7").unwrap_err();
}

#[test]
fn what_is_not_supported_is_named() {
    let mut names = vec![("sha224", "a hash that is none of")];
    if cfg!(feature = "legacy-keys") {
        names.extend([
            ("pbes2_camellia", "a cipher that is none of"),
            ("old_camellia128", "a cipher that is none of"),
            ("pbe_sha1_rc4_128", "RC4"),
        ]);
    }
    for (name, expected) in names {
        let error = open(&encrypted(name), PASSWORD).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(error.contains("openssl pkcs8 -topk8"), "{name}: {error}");
    }
}

/// A file does not say how long it is computed with.
#[test]
fn costs_have_bounds() {
    let der = pem_to_der(&encrypted("aes256_sha512"));
    // 100,000 as an INTEGER of three bytes becomes one of the largest.
    let at = der
        .windows(5)
        .position(|five| five == [2, 3, 1, 0x86, 0xa0]);
    let at = at.unwrap();
    // Other iterations give another key, and a negative number is none.
    for (iterations, expected) in [
        ([0x00, 0x86, 0xa0], "the password does not open"),
        ([0x80, 0, 0], "is damaged"),
        ([0, 0, 0], "is damaged"),
    ] {
        let mut der = der.clone();
        der[at + 2..at + 5].copy_from_slice(&iterations);
        let error = PrivateKey::from_encrypted_der(&der, PASSWORD).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let huge = with_integer(&der, at, &[0x7f, 0xff, 0xff, 0xff]);
    let error = PrivateKey::from_encrypted_der(&huge, PASSWORD).unwrap_err();
    assert!(
        error.to_string().contains("of which at most 10000000"),
        "{error}"
    );
    if cfg!(feature = "scrypt") {
        let der = pem_to_der(&encrypted("scrypt"));
        // N of 16,384.
        let at = der
            .windows(4)
            .position(|four| four == [2, 2, 0x40, 0])
            .unwrap();
        // Behind it is r, of one byte, and then p.
        let passes = at + 4 + 3;
        for (at, value, expected) in [
            (
                at,
                &[0x40, 0, 0][..],
                "4096 MiB of scrypt, of which at most 256",
            ),
            (at, &[0x40, 1], "costs are not those of scrypt"),
            (at, &[0], "costs are not those of scrypt"),
            (passes, &[17], "17 passes of scrypt, of which at most 16"),
        ] {
            let der = with_integer(&der, at, value);
            let error = PrivateKey::from_encrypted_der(&der, PASSWORD).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}

/// The INTEGER at this place gets another value, and all that has it inside another length.
fn with_integer(der: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let old = 2 + usize::from(der[at + 1]);
    let element = crate::der::element(crate::der::INTEGER, value);
    replaced(der, at, at + old, &element).unwrap()
}

fn replaced(der: &[u8], from: usize, to: usize, with: &[u8]) -> Option<Vec<u8>> {
    let mut reader = crate::der::Reader::new(der);
    let mut out = Vec::new();
    while !reader.is_empty() {
        let start = der.len() - reader.rest().len();
        let element = reader.any()?;
        let end = der.len() - reader.rest().len();
        match (start, end) {
            (start, end) if (start, end) == (from, to) => out.extend_from_slice(with),
            (start, end) if start <= from && to <= end => {
                let head = element.whole.len() - element.contents.len();
                let inner = start + head;
                let contents = replaced(element.contents, from - inner, to - inner, with)?;
                out.extend(crate::der::element(element.tag, &contents));
            }
            _ => out.extend_from_slice(element.whole),
        }
    }
    Some(out)
}

#[test]
fn there_are_not_many_encrypted_keys_in_a_file() {
    let text = encrypted("of_rsa").repeat(9);
    let error = open(&text, PASSWORD).unwrap_err().to_string();
    assert!(error.contains("9 encrypted private keys"), "{error}");
}

/// Neither what is in the file, nor the password.
#[test]
fn no_error_has_a_secret() {
    let folder = [
        env!("CARGO_MANIFEST_DIR"),
        "src/x509/tests/reports/encrypted",
    ];
    let chain = file("pem/chain.pem");
    let mut errors = 0;
    for entry in std::fs::read_dir(folder.iter().collect::<PathBuf>()).unwrap() {
        let whole = std::fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8(whole.clone()).unwrap();
        let mut texts = vec![whole.clone(), whole[..whole.len() / 2].to_vec()];
        for (from, to) in [("M", "*"), (",", ";"), ("4,ENC", "4;ENC"), ("-END", "END")] {
            texts.push(text.replace(from, to).into_bytes());
        }
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.len() > 40 && !line.contains('-'))
            .collect();
        for text in texts {
            for password in [None, Some(&b"Secret-Word"[..]), Some(PASSWORD)] {
                let read = PemIdentity::read(&chain, Some(&text));
                let Err(error) = read.and_then(|read| read.identity(password)) else {
                    continue;
                };
                errors += 1;
                let said = format!("{error} {error:?}");
                assert!(
                    !said.contains("Secret-Word") && !said.contains("Gru"),
                    "{said}"
                );
                for line in &lines {
                    assert!(!said.contains(&line[..16]), "{said}");
                }
            }
        }
    }
    assert!(errors > 100, "{errors}");
}

fn pem_to_der(pem: &[u8]) -> Vec<u8> {
    use rustls_pki_types::pem::{SectionKind, from_buf};
    let mut text = String::from_utf8(pem.to_vec()).unwrap();
    text = text.replace("ENCRYPTED PRIVATE KEY", "PRIVATE KEY");
    let (kind, der) = from_buf(&mut text.as_bytes()).unwrap().unwrap();
    assert_eq!(kind, SectionKind::PrivateKey);
    der
}
