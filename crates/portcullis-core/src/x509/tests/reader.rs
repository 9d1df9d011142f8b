//! What the reader says of certificates, beside what x509-parser says of the same bytes.

use std::fs;
use std::path::Path;

use rcgen::{CidrSubnet, CustomExtension, DnValue, GeneralSubtree, NameConstraints, SanType};
use rustls_pki_types::pem::PemObject;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::der::NotDer;
use crate::x509::certificate::Certificate as Read;
use crate::x509::error::Purpose;
use crate::x509::extension::{
    self, BasicConstraints as ReadConstraints, ExtendedKeyUsage, KeyUsage,
};
use crate::x509::names::{alt_names, distinguished_name, ip_address};
use crate::x509::{SubjectAltName, subject};

/// How often one of the two reads what the other does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Differences {
    names: usize,
    dates: usize,
    extensions: usize,
}

/// Compares what both read, and fails where they read the same bytes in two ways. `None` if one of
/// them reads nothing.
fn compare(der: &[u8]) -> Option<Differences> {
    let ours = Read::read(der);
    let theirs = X509Certificate::from_der(der)
        .ok()
        .filter(|(rest, _)| rest.is_empty());
    let (ours, (_, theirs)) = (ours?, theirs?);
    let mut differences = Differences::default();

    assert_eq!(ours.tbs, theirs.tbs_certificate.as_ref());
    // They stop reading where they know enough.
    assert!(ours.spki.starts_with(theirs.public_key().raw));
    assert_eq!(ours.signature[1..], *theirs.signature_value.data);
    if ours.version != 0 {
        assert_eq!(u32::from(ours.version), theirs.version().0 + 1);
    }
    for (name, theirs) in [
        (ours.subject, theirs.subject()),
        (ours.issuer, theirs.issuer()),
    ] {
        assert!(name.starts_with(theirs.as_raw()));
        let is_whole = name == theirs.as_raw();
        differences.names += usize::from(!is_whole || !same_name(name, &theirs.to_string()));
    }
    match ours.validity() {
        Some(validity) => {
            assert_eq!(
                validity.not_before,
                theirs.validity().not_before.timestamp()
            );
            assert_eq!(validity.not_after, theirs.validity().not_after.timestamp());
        }
        None => differences.dates += 1,
    }
    differences.extensions += compare_extensions(der, &ours, &theirs);
    Some(differences)
}

/// Whether both print the same. Nothing is decided by it.
fn same_name(ours: &[u8], theirs: &str) -> bool {
    // They escape nothing.
    let ours = distinguished_name(ours).replace('\\', "");
    // As they write a type without a name.
    let theirs = theirs.replace("OID(2.5.4.97)", "organizationIdentifier");
    match ours.strip_suffix('…') {
        Some(shown) => theirs.starts_with(shown),
        None if theirs.is_empty() => ours == "an empty name",
        None => ours == theirs,
    }
}

fn compare_extensions(der: &[u8], ours: &Read<'_>, theirs: &X509Certificate<'_>) -> usize {
    let mut differences = 0;
    let mut note = |is_same: bool| differences += usize::from(!is_same);

    match (ReadConstraints::of(ours), theirs.basic_constraints()) {
        (Ok(ours), Ok(theirs)) => {
            let (is_ca, path_length) = theirs.map_or((false, None), |found| {
                (found.value.ca, found.value.path_len_constraint)
            });
            assert_eq!(ours.is_ca, is_ca);
            assert_eq!(ours.path_length, path_length.map(|length| length as usize));
        }
        (ours, theirs) => note(ours.is_err() && theirs.is_err()),
    }
    match (KeyUsage::of(ours), theirs.key_usage()) {
        (Ok(ours), Ok(theirs)) => {
            let of = |digital_signature, key_cert_sign| (digital_signature, key_cert_sign);
            assert_eq!(
                ours.map(|own| of(own.digital_signature(), own.key_cert_sign())),
                theirs
                    .map(|found| of(found.value.digital_signature(), found.value.key_cert_sign()))
            );
        }
        (ours, theirs) => note(ours.is_err() && theirs.is_err()),
    }
    let usage = ours.extension(b"\x55\x1d\x25").and_then(|value| {
        let read = value.map(|value| ExtendedKeyUsage::read(value).ok_or(NotDer));
        read.transpose()
    });
    match (usage, theirs.extended_key_usage()) {
        (Ok(ours), Ok(theirs)) => assert_eq!(
            ours.map(|own| (
                own.allows(Purpose::ServerAuth),
                own.allows(Purpose::ClientAuth)
            )),
            theirs.map(|found| (found.value.server_auth, found.value.client_auth))
        ),
        (ours, theirs) => note(ours.is_err() && theirs.is_err()),
    }
    let own = alt_names(der, usize::MAX, usize::MAX);
    match theirs.subject_alternative_name() {
        Ok(Some(found)) if own.len() == found.value.general_names.len() => {
            for (ours, theirs) in own.iter().zip(&found.value.general_names) {
                note(same_alt_name(ours, theirs));
            }
        }
        Ok(None) => assert_eq!(own, []),
        Ok(Some(_)) => {
            assert_eq!(own, []);
            note(false);
        }
        Err(_) => note(false),
    }
    for extension in theirs.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(theirs) => {
                note(extension::subject_key_identifier(ours) == Some(theirs.0));
            }
            ParsedExtension::AuthorityKeyIdentifier(theirs) => {
                let theirs = theirs.key_identifier.as_ref().map(|own| own.0);
                note(extension::authority_key_identifier(ours) == theirs);
            }
            _ => {}
        }
    }
    differences
}

fn same_alt_name(ours: &SubjectAltName, theirs: &GeneralName<'_>) -> bool {
    match (ours, theirs) {
        (SubjectAltName::DnsName(ours), GeneralName::DNSName(theirs))
        | (SubjectAltName::MailAddress(ours), GeneralName::RFC822Name(theirs))
        | (SubjectAltName::Uri(ours), GeneralName::URI(theirs)) => {
            // Escaped and cut characters are ours alone.
            assert!(ours == theirs || ours.contains('\\') || ours.ends_with('…'));
            true
        }
        (SubjectAltName::IpAddress(ours), GeneralName::IPAddress(theirs)) => {
            assert_eq!(Some(*ours), ip_address(theirs));
            true
        }
        (SubjectAltName::DirectoryName(ours), GeneralName::DirectoryName(theirs)) => {
            *ours == theirs.to_string()
        }
        (SubjectAltName::Other(_), GeneralName::IPAddress(theirs)) => ip_address(theirs).is_none(),
        (
            SubjectAltName::Other(_),
            GeneralName::OtherName(..)
            | GeneralName::X400Address(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::RegisteredID(_),
        ) => true,
        (SubjectAltName::Other(_), _) | (_, GeneralName::Invalid(..)) => false,
        (ours, theirs) => panic!("{ours} is {theirs}"),
    }
}

/// Certificates as rcgen makes them, with what it has to offer.
fn variety() -> Vec<CertificateDer<'static>> {
    let mut all = Vec::new();
    let mut params = leaf_params(&["a.example", "*.b.example", "192.0.2.1", "2001:db8::1"]);
    params.subject_alt_names.extend([
        SanType::Rfc822Name("who@example.com".try_into().unwrap()),
        SanType::URI("spiffe://example.com/who".try_into().unwrap()),
        SanType::OtherName((vec![1, 2, 3], "other".into())),
    ]);
    all.push(params);
    let mut ca = ca_params("CA of all");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(3));
    ca.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".into())],
        excluded_subtrees: vec![GeneralSubtree::IpAddress(CidrSubnet::V4(
            [10, 0, 0, 0],
            [255, 0, 0, 0],
        ))],
    });
    ca.use_authority_key_identifier_extension = true;
    all.push(ca);
    for value in [
        DnValue::Utf8String("Größe, Maß + \"Zeichen\"".into()),
        DnValue::PrintableString("Plain".try_into().unwrap()),
        DnValue::Ia5String("ia5@example".try_into().unwrap()),
        DnValue::TeletexString("teletex".try_into().unwrap()),
        DnValue::BmpString("Bmp Ω".try_into().unwrap()),
    ] {
        let mut params = named("first", &[]);
        for kind in [
            DnType::OrganizationName,
            DnType::OrganizationalUnitName,
            DnType::CountryName,
            DnType::LocalityName,
            DnType::StateOrProvinceName,
            DnType::from_oid(&[2, 5, 4, 5]),
            DnType::from_oid(&[2, 5, 4, 15]),
            DnType::from_oid(&[0, 9, 2342, 19_200_300, 100, 1, 25]),
            DnType::from_oid(&[1, 2, 840, 113_549, 1, 9, 1]),
            DnType::from_oid(&[2, 5, 4, 97]),
        ] {
            params.distinguished_name.push(kind, value.clone());
        }
        all.push(params);
    }
    for (not_before, not_after) in [(1950, 1951), (1969, 2049), (2049, 2050), (2050, 9999)] {
        let mut params = leaf_params(&["a.example"]);
        params.not_before = rcgen::date_time_ymd(not_before, 2, 28);
        params.not_after = rcgen::date_time_ymd(not_after, 12, 31);
        all.push(params);
    }
    let mut strange = named("strange", &[]);
    strange.custom_extensions = vec![
        CustomExtension::from_oid_content(&[2, 5, 29, 17], vec![0x30, 3, 0x87, 1, 7]),
        CustomExtension::from_oid_content(&[2, 5, 29, 37], vec![0x30, 0]),
        CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![]),
    ];
    all.push(strange);
    let key = KeyPair::generate().unwrap();
    all.into_iter()
        .map(|params| params.self_signed(&key).unwrap().der().clone())
        .collect()
}

/// Those of the reports beside this file.
fn reported() -> Vec<CertificateDer<'static>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/x509/tests/reports");
    certificates_in(&folder)
}

/// What the certificate authorities of the world have made of the standard.
fn of_system() -> Vec<CertificateDer<'static>> {
    certificates_in(Path::new("/usr/share/ca-certificates/mozilla"))
}

fn certificates_in(folder: &Path) -> Vec<CertificateDer<'static>> {
    let mut all = Vec::new();
    for file in fs::read_dir(folder).into_iter().flatten() {
        let path = file.unwrap().path();
        let is_text = path
            .extension()
            .is_some_and(|end| end == "pem" || end == "crt");
        let is_key = path.to_string_lossy().ends_with(".key.pem");
        if is_text && !is_key {
            all.extend(
                CertificateDer::pem_file_iter(path)
                    .unwrap()
                    .map(Result::unwrap),
            );
        }
    }
    all
}

#[test]
fn well_formed_certificates_are_read_the_same() {
    let (variety, reported, of_system) = (variety(), reported(), of_system());
    assert!(reported.len() > 30, "the reports are not where they were");
    if of_system.is_empty() {
        println!("ca-certificates is not installed: nothing of the system was read");
    }
    for certificate in variety.iter().chain(&reported).chain(&of_system) {
        let differences = compare(certificate).expect("both read it");
        assert_eq!(
            differences,
            Differences::default(),
            "{:?}",
            subject(certificate)
        );
    }
}

#[test]
fn damaged_certificates_are_not_read_in_two_ways() {
    // Not random, so that a difference is found again.
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 32).unwrap() % below
    };
    let (mut compared, mut changed) = (0, 0);
    let all = [variety(), reported()].concat();
    for certificate in all.iter().filter(|own| own.len() < 4_096) {
        for _ in 0..200 {
            let mut der = certificate.to_vec();
            for _ in 0..=random(2) {
                let at = random(der.len());
                der[at] = match random(3) {
                    0 => der[at] ^ (1 << random(8)),
                    1 => u8::try_from(random(256)).unwrap(),
                    _ => der[at].wrapping_add(1),
                };
            }
            changed += 1;
            compared += usize::from(compare(&der).is_some());
        }
    }
    // Most changes hit a name, a key or a signature.
    assert!(compared * 2 > changed, "{compared} of {changed}");
}
