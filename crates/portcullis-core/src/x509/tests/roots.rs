//! Trust anchors: loading them, and what is said when that fails.

use super::*;

#[test]
fn roots_from_pem() {
    let (one, two) = (Ca::root("one"), Ca::root("two"));
    let text = one.certificate.pem() + &two.certificate.pem() + &one.certificate.pem();
    let loaded = Roots::from_pem(text.as_bytes()).unwrap();
    assert_eq!(loaded.len(), 2);
    let subjects: Vec<&[u8]> = loaded.subjects().collect();
    assert_eq!(subjects.len(), 2);
    assert_eq!(subjects[0][0], 0x30);
    assert!(subjects[0].ends_with(b"one"));

    let mut more = loaded.clone();
    more.add_der(Ca::root("three").der()).unwrap();
    assert_eq!((loaded.len(), more.len()), (2, 3));
}

#[test]
fn roots_that_are_none() {
    let empty = Roots::from_pem(b"nothing here").unwrap_err().to_string();
    assert!(empty.contains("no certificate"), "{empty}");
    let damaged = Ca::root("one").certificate.pem()
        + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let damaged = Roots::from_pem(damaged.as_bytes()).unwrap_err().to_string();
    assert!(damaged.contains("certificate 2"), "{damaged}");
    assert!(Roots::empty().add_der(vec![0x30, 0]).is_err());
    let missing = Roots::from_pem_file("/no/such/roots.pem").unwrap_err();
    assert!(missing.to_string().contains("/no/such/roots.pem"));
}

/// A machine may have none, which is an error and not an empty set.
#[cfg(feature = "os-roots")]
#[test]
fn roots_of_the_system() {
    match Roots::os() {
        Ok(roots) => assert!(!roots.is_empty()),
        Err(error) => assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}"),
    }
}
