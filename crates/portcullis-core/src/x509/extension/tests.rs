//! What the values of extensions mean, and which are refused.

use rcgen::{CertificateParams, CustomExtension, KeyPair};

use super::alt_name::GeneralNames;
use super::*;
use crate::der::NotDer;
use crate::x509::certificate::Certificate;
use crate::x509::error::Purpose;

#[test]
fn basic_constraints() {
    let of = |is_ca, path_length| Some(BasicConstraints { is_ca, path_length });
    for (value, expected) in [
        (&[0x30, 0][..], of(false, None)),
        (&[0x30, 3, 1, 1, 0xff], of(true, None)),
        (&[0x30, 6, 1, 1, 0xff, 2, 1, 0], of(true, Some(0))),
        (&[0x30, 7, 1, 1, 0xff, 2, 2, 0, 0x80], of(true, Some(128))),
        // The default, written out, and a limit without a CA: both are met.
        (&[0x30, 3, 1, 1, 0], of(false, None)),
        (&[0x30, 3, 2, 1, 5], of(false, Some(5))),
        // Anything but TRUE and FALSE, a negative or padded number, what follows.
        (&[0x30, 3, 1, 1, 1], None),
        (&[0x30, 2, 1, 0], None),
        (&[0x30, 6, 1, 1, 0xff, 2, 1, 0xff], None),
        (&[0x30, 7, 1, 1, 0xff, 2, 2, 0, 1], None),
        (&[0x30, 5, 1, 1, 0xff, 5, 0], None),
        (&[0x30, 0, 5, 0], None),
        (&[0x31, 0], None),
        (&[], None),
    ] {
        assert_eq!(BasicConstraints::read(value), expected, "{value:02x?}");
    }
}

#[test]
fn key_usage() {
    let read = |value: &[u8]| {
        let usage = KeyUsage::read(value)?;
        Some((usage.digital_signature(), usage.key_cert_sign()))
    };
    for (value, expected) in [
        (&[3, 2, 7, 0x80][..], Some((true, false))),
        (&[3, 2, 1, 0x06], Some((false, true))),
        (&[3, 3, 7, 0x84, 0x80], Some((true, true))),
        (&[3, 1, 0], Some((false, false))),
        // A bit that is not there must not be set: seven of these eight are padding.
        (&[3, 2, 7, 0x84], None),
        (&[3, 2, 8, 0], None),
        (&[3, 1, 1], None),
        (&[3, 0], None),
        (&[4, 2, 7, 0x80], None),
        (&[3, 2, 7, 0x80, 0], None),
    ] {
        assert_eq!(read(value), expected, "{value:02x?}");
    }
}

#[test]
fn extended_key_usage() {
    let server = [0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1];
    let usage = ExtendedKeyUsage::read(&server).unwrap();
    assert!(usage.allows(Purpose::ServerAuth) && !usage.allows(Purpose::ClientAuth));
    // anyExtendedKeyUsage, and only the beginning of an OID.
    for other in [
        &[0x30, 6, 6, 4, 0x55, 0x1d, 0x25, 0][..],
        &[0x30, 9, 6, 7, 0x2b, 6, 1, 5, 5, 7, 3],
        &[0x30, 0],
    ] {
        let usage = ExtendedKeyUsage::read(other).unwrap();
        assert!(!usage.allows(Purpose::ServerAuth) && !usage.allows(Purpose::ClientAuth));
        assert_eq!(usage.is_empty(), other.len() == 2);
    }
    let behind = [&server[..], &[5, 0]].concat();
    for bad in [&[][..], &server[1..], &behind, &[0x30, 2, 5, 0]] {
        assert_eq!(ExtendedKeyUsage::read(bad), None, "{bad:02x?}");
    }
}

#[test]
fn alternative_names() {
    let two = [0x30, 6, 0x82, 1, b'a', 0x86, 1, b'b'];
    let tags: Vec<_> = GeneralNames::read(&two)
        .unwrap()
        .iter()
        .map(|name| name.tag)
        .collect();
    assert_eq!(tags, [0x82, 0x86]);
    // Where one cannot be read nobody knows what the rest is.
    for bad in [&[0x30, 4, 0x82, 1, b'a', 0x86][..], &[0x30, 0, 5, 0], &[]] {
        assert_eq!(GeneralNames::read(bad), None, "{bad:02x?}");
    }
}

/// §4.2: one that is there twice could be read in two ways.
#[test]
fn an_extension_is_there_once() {
    let certificate = |values: &[&[u8]]| {
        let mut params = CertificateParams::default();
        params.custom_extensions = values
            .iter()
            .map(|value| CustomExtension::from_oid_content(&[2, 5, 29, 15], value.to_vec()))
            .collect();
        let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        signed.der().to_vec()
    };
    let usage = |der: &[u8]| KeyUsage::of(&Certificate::read(der).unwrap());
    let (one, other) = (&[3, 2, 7, 0x80][..], &[3, 2, 2, 0x04][..]);
    assert_eq!(usage(&certificate(&[])), Ok(None));
    assert_eq!(usage(&certificate(&[one])), Ok(KeyUsage::read(one)));
    assert_eq!(usage(&certificate(&[one, other])), Err(NotDer));
    assert_eq!(usage(&certificate(&[one, one])), Err(NotDer));
}
