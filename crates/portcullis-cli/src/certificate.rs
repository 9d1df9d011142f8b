//! What a certificate says, for people and for programs. Nothing is decided by it.
//!
//! RFC 5280 §4.1, §4.2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::CertificateDer;
use portcullis::pki_types::UnixTime;
use portcullis::x509;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::der_parser::oid::Oid;
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::{PublicKey, RSAPublicKey};
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::extensions::Extensions;
use crate::text::{hex, identifier, printable};

/// More names are not printed for people; programs get all.
const MOST_NAMES: usize = 128;

/// What is printed of a certificate. All text is safe for a terminal.
#[derive(Debug)]
pub(crate) struct Certificate {
    subject: String,
    issuer: String,
    serial: String,
    names: Vec<String>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    key: String,
    signature: String,
    is_authority: bool,
    purposes: Vec<String>,
    extensions: Extensions,
    sha256: [u8; 32],
    /// SHA-256 of the SubjectPublicKeyInfo: a pin holds as long as the key (RFC 7469 §2.4).
    spki_sha256: [u8; 32],
}

impl Certificate {
    /// Reads a certificate; `None` if it is none.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, read) = X509Certificate::from_der(der).ok()?;
        let authority = read.basic_constraints().ok().flatten();
        Some(Self {
            subject: printable(&read.subject().to_string()),
            issuer: printable(&read.issuer().to_string()),
            serial: identifier(read.raw_serial()),
            names: x509::subject_alt_names(der)
                .iter()
                .map(|name| printable(name))
                .collect(),
            not_before: read.validity().not_before.to_datetime(),
            not_after: read.validity().not_after.to_datetime(),
            key: key(read.public_key()),
            signature: name(&read.signature_algorithm.algorithm),
            is_authority: authority.is_some_and(|constraints| constraints.value.ca),
            purposes: purposes(&read),
            extensions: Extensions::read(der, &read),
            sha256: Sha256::digest(der).into(),
            spki_sha256: Sha256::digest(read.public_key().raw).into(),
        })
    }

    /// How many whole days are left; negative when it has expired.
    pub(crate) fn days_left(&self) -> i64 {
        let left = self.not_after - OffsetDateTime::now_utc();
        left.whole_seconds().div_euclid(24 * 60 * 60)
    }

    pub(crate) fn subject(&self) -> &str {
        match self.subject.is_empty() {
            true => "(empty)",
            false => &self.subject,
        }
    }

    /// The pin in the form of curl's `--pinnedpubkey`.
    fn pin(&self) -> String {
        format!("sha256//{}", STANDARD.encode(self.spki_sha256))
    }

    fn validity(&self) -> String {
        let days = self.days_left();
        let how = match days {
            _ if self.not_before > OffsetDateTime::now_utc() => "NOT YET VALID".to_owned(),
            ..0 => "EXPIRED".to_owned(),
            0 => "less than a day left".to_owned(),
            1 => "1 day left".to_owned(),
            _ => format!("{days} days left"),
        };
        format!(
            "{} to {} ({how})",
            date(self.not_before),
            date(self.not_after)
        )
    }

    /// One line for each fact.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let listed = |list: &[String]| match list.split_at_checked(MOST_NAMES) {
            _ if list.is_empty() => "none".to_owned(),
            Some((first, rest)) if !rest.is_empty() => {
                format!("{}, and {} more", first.join(", "), rest.len())
            }
            _ => list.join(", "),
        };
        let mut lines = vec![
            ("subject", self.subject().to_owned()),
            ("names", listed(&self.names)),
            ("issuer", self.issuer.clone()),
            ("serial", self.serial.clone()),
            ("valid", self.validity()),
            ("key", self.key.clone()),
            ("signature", self.signature.clone()),
        ];
        if self.is_authority {
            lines.push(("authority", "yes".to_owned()));
        }
        if !self.purposes.is_empty() {
            lines.push(("purposes", listed(&self.purposes)));
        }
        lines.extend(self.extensions.lines());
        lines.push(("SHA-256", hex(&self.sha256, ":")));
        lines.push(("pin", self.pin()));
        lines
    }

    pub(crate) fn json(&self) -> Value {
        let mut value = json!({
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "names": self.names,
            "not_before": date(self.not_before),
            "not_after": date(self.not_after),
            "days_left": self.days_left(),
            "key": self.key,
            "signature": self.signature,
            "authority": self.is_authority,
            "purposes": self.purposes,
            "sha256": hex(&self.sha256, ""),
            "spki_pin": self.pin(),
        });
        if let Some(object) = value.as_object_mut() {
            object.append(&mut self.extensions.json());
        }
        value
    }
}

/// The SubjectPublicKeyInfo of a certificate; `None` if it is none.
pub(crate) fn spki<'a>(der: &'a CertificateDer<'_>) -> Option<&'a [u8]> {
    let (_, read) = X509Certificate::from_der(der).ok()?;
    Some(read.tbs_certificate.subject_pki.raw)
}

/// Certificates as PEM, in their order.
pub(crate) fn pem<'a, 'd: 'a>(chain: impl IntoIterator<Item = &'a CertificateDer<'d>>) -> String {
    chain
        .into_iter()
        .map(|der| {
            let section = pem::Pem::new("CERTIFICATE", der.as_ref());
            let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
            pem::encode_config(&section, config)
        })
        .collect()
}

/// A certificate of a chain, by its place from 0 on, as one block of text.
pub(crate) fn text(place: usize, der: &CertificateDer<'_>) -> String {
    let mut text = format!("certificate {}\n", number(place));
    let lines = match Certificate::read(der) {
        Some(certificate) => certificate.lines(),
        None => vec![(
            "unreadable",
            format!("{} bytes that are no certificate", der.len()),
        )],
    };
    for (name, value) in lines {
        text.push_str(&format!("  {:<10} {value}\n", format!("{name}:")));
    }
    text
}

/// People count from 1, as errors do.
pub(crate) const fn number(place: usize) -> usize {
    place.saturating_add(1)
}

/// A certificate of a chain for programs; with its PEM, if that is wanted.
pub(crate) fn json(der: &CertificateDer<'_>, with_pem: bool) -> Value {
    let mut value = match Certificate::read(der) {
        Some(certificate) => certificate.json(),
        None => json!({ "unreadable": true }),
    };
    if let (true, Some(object)) = (with_pem, value.as_object_mut()) {
        object.insert("pem".to_owned(), pem([der]).into());
    }
    value
}

/// A time of a certificate's or a response's.
pub(crate) fn unix_date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).map_or_else(|_| "never".to_owned(), date)
}

fn date(time: OffsetDateTime) -> String {
    // Years have four digits in a certificate, which RFC 3339 can write.
    time.format(&Rfc3339).unwrap_or_default()
}

/// A key in words: what it is for, and how strong.
fn key(spki: &SubjectPublicKeyInfo<'_>) -> String {
    let algorithm = spki.algorithm.algorithm.to_id_string();
    let curve = || {
        let parameters = spki.algorithm.parameters.as_ref()?;
        Some(parameters.as_oid().ok()?.to_id_string())
    };
    let known = match &*algorithm {
        "1.2.840.10045.2.1" => match curve().as_deref() {
            Some("1.2.840.10045.3.1.7") => "ECDSA P-256",
            Some("1.3.132.0.34") => "ECDSA P-384",
            Some("1.3.132.0.35") => "ECDSA P-521",
            Some(other) => return format!("ECDSA on the curve {other}"),
            None => "ECDSA on a curve without a name",
        },
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        _ => match spki.parsed() {
            Ok(PublicKey::RSA(rsa)) => return format!("RSA {} bits", bits(rsa.modulus)),
            _ => return name(&spki.algorithm.algorithm),
        },
    };
    known.to_owned()
}

/// The group that a client has to have for the key (RFC 8422 §5.1): nothing of keys on no curve, or on one that has no
/// group of its own. `None`: it is not known.
pub(crate) fn curve(der: &CertificateDer<'_>) -> Option<Option<u16>> {
    let (_, read) = X509Certificate::from_der(der).ok()?;
    let algorithm = &read.public_key().algorithm;
    if algorithm.algorithm.to_id_string() != "1.2.840.10045.2.1" {
        return Some(None);
    }
    let curve = algorithm.parameters.as_ref()?.as_oid().ok()?;
    let group = match &*curve.to_id_string() {
        "1.2.840.10045.3.1.1" => 19,
        "1.3.132.0.33" => 21,
        "1.3.132.0.10" => 22,
        "1.2.840.10045.3.1.7" => 23,
        "1.3.132.0.34" => 24,
        "1.3.132.0.35" => 25,
        "1.3.36.3.3.2.8.1.1.7" => 26,
        "1.3.36.3.3.2.8.1.1.11" => 27,
        "1.3.36.3.3.2.8.1.1.13" => 28,
        _ => return None,
    };
    Some(Some(group))
}

/// How many bits an RSA key has, also one for RSASSA-PSS alone (RFC 4055 §1.2); nothing of others. `None`: it cannot be read.
pub(crate) fn rsa_bits(der: &CertificateDer<'_>) -> Option<Option<usize>> {
    let (_, read) = X509Certificate::from_der(der).ok()?;
    let spki = read.public_key();
    match &*spki.algorithm.algorithm.to_id_string() {
        "1.2.840.113549.1.1.1" | RSASSA_PSS => {
            let (_, rsa) = RSAPublicKey::from_der(&spki.subject_public_key.data).ok()?;
            Some(Some(bits(rsa.modulus)))
        }
        _ => Some(None),
    }
}

/// What a certificate was signed with, if that is broken: MD2, MD5 or SHA-1. Nobody relies on the signature of what signs
/// itself. `None`: it cannot be read.
pub(crate) fn broken_signature(der: &CertificateDer<'_>) -> Option<Option<&'static str>> {
    let (_, read) = X509Certificate::from_der(der).ok()?;
    let hash = match &*read.signature_algorithm.algorithm.to_id_string() {
        "1.2.840.113549.1.1.2" => Some("MD2"),
        "1.2.840.113549.1.1.4" | "1.3.14.3.2.3" => Some("MD5"),
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" | "1.3.14.3.2.29" => {
            Some("SHA-1")
        }
        RSASSA_PSS => match &read.signature_algorithm.parameters {
            Some(parameters) => {
                let parameters = RsaSsaPssParams::try_from(parameters).ok()?;
                broken_hash(&parameters.hash_algorithm_oid().to_id_string())
            }
            None => Some(PSS_DEFAULT),
        },
        _ => None,
    };
    Some(hash.filter(|_| read.subject() != read.issuer()))
}

const RSASSA_PSS: &str = "1.2.840.113549.1.1.10";
/// The hash of RSASSA-PSS where none is named (RFC 4055 §3.1).
const PSS_DEFAULT: &str = "SHA-1";

fn broken_hash(algorithm: &str) -> Option<&'static str> {
    match algorithm {
        "1.2.840.113549.2.2" => Some("MD2"),
        "1.2.840.113549.2.5" => Some("MD5"),
        "1.3.14.3.2.26" => Some("SHA-1"),
        _ => None,
    }
}

/// The length of a positive number.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let rest = number.get(zeros..).unwrap_or_default();
    let first = rest.first().map_or(0, |byte| byte.leading_zeros() as usize);
    (rest.len() * 8).saturating_sub(first)
}

/// What an object identifier is called, or its numbers.
fn name(oid: &Oid<'_>) -> String {
    let known = match &*oid.to_id_string() {
        "1.3.101.112" => Some("Ed25519"),
        "1.3.101.113" => Some("Ed448"),
        "2.16.840.1.101.3.4.3.17" => Some("ML-DSA-44"),
        "2.16.840.1.101.3.4.3.18" => Some("ML-DSA-65"),
        "2.16.840.1.101.3.4.3.19" => Some("ML-DSA-87"),
        _ => oid2sn(oid, oid_registry()).ok(),
    };
    known.map_or_else(|| oid.to_id_string(), str::to_owned)
}

/// The extended key usages (RFC 5280 §4.2.1.12).
fn purposes(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(usage)) = certificate.extended_key_usage() else {
        return Vec::new();
    };
    let usage = usage.value;
    let named = [
        (usage.any, "any"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let named = named.into_iter().filter(|(on, _)| *on);
    named
        .map(|(_, name)| name.to_owned())
        .chain(usage.other.iter().map(Oid::to_id_string))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A certificate with an RSA key of 1,024 bits, signed with SHA-1 by another one: `openssl x509 -req -sha1`.
    pub(crate) fn weak() -> CertificateDer<'static> {
        STANDARD.decode(WEAK).unwrap().into()
    }

    const WEAK: &str = "MIIBhzCB8QIBATANBgkqhkiG9w0BAQUFADANMQswCQYDVQQDDAJjYTAeFw0yNjExMzAxOTU0MzJaFw0yNjEyMDMxOTU0MzJaMAwxCjAIBgNVBAMMAWEwgZ8wDQYJKoZIhvcNAQEBBQADgY0AMIGJAoGBALHvpvncD6KSCOVkMNlNbu3Dz9EuSyv102W2zNGrb/gSCWeIzVb0NaZ+F23vyCXL4zFCceZ9q85j1XCjKrsLKZA2hbq/yjANXBuuO9w1kGdSrU9Fn6fAx62jzTSlDjJrIqstcPxIJqZdHU7w3V2rxH2MSUmQAAcx8b0AK1gRSiuFAgMBAAEwDQYJKoZIhvcNAQEFBQADgYEAp95wk8AW3hE+w1zBhVMFf1VhiJwctoQYcWewgP7K8ApHP7G2/yj0+APM698sB68nUvdxyhIxBgEN3R/51a4EZJbmaS4kobcQ51cpUR0/V+uwbEjZrP88ougPd47SgN0JLtQ+nemNMBpzOKZsK6fUUpM13ucyE75oWcUB+BzR1OQ=";

    /// An AlgorithmIdentifier.
    fn algorithm(oid: &[u8], parameters: &[u8]) -> Vec<u8> {
        let oid = [&[6, oid.len() as u8], oid].concat();
        let length = oid.len() + parameters.len();
        [&[0x30, length as u8], &*oid, parameters].concat()
    }

    /// The weak certificate, as if it had been signed otherwise.
    fn signed_with(algorithm: &[u8]) -> CertificateDer<'static> {
        let weak = weak();
        let (_, read) = X509Certificate::from_der(&weak).unwrap();
        let tbs: &[u8] = read.tbs_certificate.as_ref();
        let signature = [&[3, 0x81, 0x81, 0], &*read.signature_value.data].concat();
        let all = [tbs, algorithm, &signature].concat();
        let length = u16::try_from(all.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82], &length[..], &all].concat().into()
    }

    const RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

    /// The weak certificate, with a key for RSASSA-PSS alone, or what is to stand in its place.
    pub(crate) fn weak_pss(is_key: bool) -> CertificateDer<'static> {
        let mut der = weak().to_vec();
        let place = der.windows(9).position(|part| part == RSA).unwrap();
        der[place + 8] = 10;
        // Behind NULL and the head of the BIT STRING is RSAPublicKey.
        let key = place + 9 + 2 + 4;
        assert_eq!(der[key], 0x30);
        if !is_key {
            der[key] = 0x31;
        }
        der.into()
    }

    #[test]
    fn short_keys_and_broken_signatures_are_seen() {
        assert_eq!(rsa_bits(&weak()), Some(Some(1_024)));
        assert_eq!(broken_signature(&weak()), Some(Some("SHA-1")));
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::default().self_signed(&key);
        let made = made.unwrap();
        assert_eq!(rsa_bits(made.der()), Some(None));
        assert_eq!(broken_signature(made.der()), Some(None));
        let none = CertificateDer::from(vec![0x30, 0]);
        assert_eq!((rsa_bits(&none), broken_signature(&none)), (None, None));
    }

    #[test]
    fn a_key_for_pss_alone_is_as_short_as_another() {
        assert_eq!(rsa_bits(&weak_pss(true)), Some(Some(1_024)));
        assert_eq!(rsa_bits(&weak_pss(false)), None);
    }

    #[test]
    fn signatures_of_pss_and_under_old_names_are_broken_by_their_hash() {
        let pss = [&RSA[..8], &[10]].concat();
        // The first field of the parameters, in its tag, names the hash.
        let of_hash = |hash: &[u8]| {
            let hash = algorithm(hash, &[5, 0]);
            let field = [&[0xa0, hash.len() as u8], &*hash].concat();
            [&[0x30, field.len() as u8], &*field].concat()
        };
        let sha1 = of_hash(&[0x2b, 14, 3, 2, 26]);
        let md5 = of_hash(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 5]);
        let sha256 = of_hash(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]);
        for (oid, parameters, expected) in [
            (&*pss, &[0x30, 0][..], Some(Some("SHA-1"))),
            (&pss, &[], Some(Some("SHA-1"))),
            (&pss, &sha1, Some(Some("SHA-1"))),
            (&pss, &md5, Some(Some("MD5"))),
            (&pss, &sha256, Some(None)),
            // What the parameters are is not known.
            (&pss, &[4, 0], None),
            (&[0x2b, 14, 3, 2, 29], &[5, 0], Some(Some("SHA-1"))),
            (&[0x2b, 14, 3, 2, 3], &[5, 0], Some(Some("MD5"))),
        ] {
            let der = signed_with(&algorithm(oid, parameters));
            assert_eq!(broken_signature(&der), expected, "{oid:?} {parameters:?}");
        }
    }

    #[test]
    fn the_curve_of_a_key_is_a_group() {
        let algorithms = [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(23)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(24)),
            (&rcgen::PKCS_ED25519, None),
        ];
        for (algorithm, group) in algorithms {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let made = rcgen::CertificateParams::default().self_signed(&key);
            assert_eq!(curve(made.unwrap().der()), Some(group));
        }
        assert_eq!(curve(&CertificateDer::from(vec![0x30, 0])), None);
    }

    #[test]
    fn the_length_of_an_rsa_key_does_not_count_its_leading_zeros() {
        assert_eq!(bits(&[0, 0x80, 0]), 16);
        assert_eq!(bits(&[0, 0x7f, 0xff]), 15);
        assert_eq!(bits(&[0]), 0);
    }
}
