//! Why a certificate chain is refused, as one sentence for the operator.

use std::fmt;
use std::net::IpAddr;

use super::error::{CertificateError, CertificateErrorKind as Kind};
use super::names::SubjectAltName;
use super::time::Date;
use crate::crypto::{MOST_DSA_BITS, MOST_RSA_BITS};

impl CertificateError {
    fn which(&self) -> String {
        let subject = match self.subject() {
            Some(subject) if !subject.is_empty() => format!(" ({subject})"),
            _ => String::new(),
        };
        match self.index() {
            Some(0) => format!("the peer's certificate{subject}"),
            // People count from 1, and the first is the one above.
            Some(index) => format!("certificate {} of the peer's chain{subject}", index + 1),
            None if self.is_about_intermediate() => {
                format!("the intermediate certificate of this configuration{subject}")
            }
            None if self.subject().is_some() => format!("the trust anchor{subject}"),
            None => "the peer's certificate chain".to_owned(),
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sentence(f)?;
        match self.other_paths() {
            0 => Ok(()),
            1 => f.write_str(" (1 other path was tried)"),
            others => write!(f, " ({others} other paths were tried)"),
        }
    }
}

impl CertificateError {
    /// What is wrong, and what to do.
    fn write_sentence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = self.which();
        match self.kind() {
            Kind::Expired { not_after, now } => write!(
                f,
                "{which} expired on {} and the clock of this machine says {}: renew the \
                 certificate or correct the clock",
                Date(*not_after),
                Date(*now)
            ),
            Kind::NotYetValid { not_before, now } => write!(
                f,
                "{which} is valid from {} on and the clock of this machine says {}: wait or \
                 correct the clock",
                Date(*not_before),
                Date(*now)
            ),
            Kind::NameMismatch { expected, seen } => {
                write!(f, "{which} is not valid for {expected}: ")?;
                write_names(f, seen, expected)
            }
            Kind::NoPolicy => write!(
                f,
                "{which} is under no certificate policy that those above it allow, and one is required"
            ),
            Kind::PolicyNotAccepted => f.write_str(
                "the peer's certificate chain is under certificate policies, and none of them is one that this \
                 configuration accepts",
            ),
            Kind::MapsAnyPolicy => write!(
                f,
                "{which} says that anyPolicy is the same as another certificate policy, which no CA may"
            ),
            Kind::Malformed(what) => write!(f, "{which} is malformed: {what}"),
            Kind::MalformedKey => f.write_str(
                "the peer's raw public key is malformed: it is no SubjectPublicKeyInfo in DER",
            ),
            Kind::UntrustedKey { sha256, trusted } => write!(
                f,
                "the peer's raw public key (sha256/{sha256}) is not among the {trusted} that are trusted: \
                 have the key from its owner by another way, and add it with `RawKeys`"
            ),
            Kind::TooManyCertificates { limit } => write!(
                f,
                "{which} has more than {limit} certificates: the peer has to send only those \
                 that lead to its CA"
            ),
            Kind::PathTooDeep { limit } => write!(
                f,
                "{which} needs more than {limit} intermediate certificates to reach a trust \
                 anchor"
            ),
            Kind::PathLength { ca, allowed } => write!(
                f,
                "{which} is one intermediate certificate too many: {ca} allows {allowed} below itself \
                 (pathLenConstraint); the peer needs a certificate by a CA that is nearer to {ca}"
            ),
            Kind::TooExpensive { what, limit } => write!(
                f,
                "{which} is too expensive to verify, it takes more than {limit} {what}: the peer \
                 has to send only the certificates that lead to its CA"
            ),
            Kind::Unsupported(what) => write!(f, "{which} is not supported: {what}"),
            Kind::Rejected { message, .. } => {
                write!(f, "{which} was refused by the application: {message}")
            }
            Kind::Revoked {
                reason,
                date,
                crl_number,
                crl_issuer,
            } => {
                let number = crl_number.as_deref().unwrap_or("without a number");
                write!(
                    f,
                    "{which} was revoked on {} ({reason}), says the CRL {number} of {crl_issuer}: the peer needs \
                     another certificate",
                    Date(*date)
                )
            }
            Kind::RevocationUnknown { issuer, tried } => {
                write!(
                    f,
                    "whether {which} was revoked cannot be told: no CRL of {issuer}, or of whom it names, is there \
                     for all reasons"
                )?;
                if !tried.is_empty() {
                    write!(f, " ({})", tried.join("; "))?;
                }
                f.write_str(": provide the CRL, or accept that with `CrlCheck::best_effort`")
            }
            Kind::RevokedByResponder {
                reason,
                date,
                responder,
            } => write!(
                f,
                "{which} was revoked on {} ({reason}), says an OCSP response of {responder}: the peer needs another \
                 certificate",
                Date(*date)
            ),
            Kind::UnknownToResponder { responder } => write!(
                f,
                "{which} is unknown, says an OCSP response of {responder}: the peer needs a certificate that its CA \
                 knows"
            ),
            Kind::BadStaple(error) => write!(f, "the OCSP response of {which} {error}"),
            Kind::MissingStaple { demanded, unusable } => {
                let by = match demanded {
                    true => "TLS feature extension",
                    false => "`OcspPolicy::Require`",
                };
                match unusable {
                    None => write!(
                        f,
                        "{which} must come with an OCSP response ({by}) and has none: switch stapling on at \
                         its end"
                    ),
                    Some(why) => write!(
                        f,
                        "{which} must come with an OCSP response ({by}), and the one that came {why}"
                    ),
                }
            }
            Kind::Disagreement { says, .. } => write!(
                f,
                "{which} is refused although this library's own rules accept it: webpki says \
                 `{says}`. Please report this with the chain"
            ),
            _ => self.write_issuer(f, &which),
        }
    }

    /// That it does not lead to an anchor.
    fn write_issuer(&self, f: &mut fmt::Formatter<'_>, which: &str) -> fmt::Result {
        match self.kind() {
            Kind::UnknownIssuer {
                issuer,
                trust_anchors,
            } => write!(
                f,
                "{which} was issued by {issuer}, which is neither in the chain nor among the \
                 {trust_anchors} trust anchors: the peer has to send its intermediate \
                 certificates, or that CA has to be added to the roots"
            ),
            Kind::SelfSigned { trust_anchors } => write!(
                f,
                "{which} is self-signed and not among the {trust_anchors} trust anchors: add it \
                 to the roots if it is to be trusted"
            ),
            Kind::NoTrustAnchors => write!(
                f,
                "{which} cannot be verified because there are no trust anchors: configure roots"
            ),
            Kind::BadSignature => write!(
                f,
                "the signature of {which} does not verify: it is corrupt, or the CA that has the \
                 name of its issuer has another key"
            ),
            Kind::WrongIssuer { issuer } => write!(
                f,
                "{which} was issued by {issuer}, and none of the certificates of this name that \
                 the peer sent has signed it: the peer has to send the one that did"
            ),
            Kind::PinnedIssuer { issuer } => write!(
                f,
                "{which} was issued by {issuer}, which is trusted for itself alone because it is \
                 not a CA (basicConstraints, keyUsage): reissue that one as a CA, or add this one \
                 to the roots"
            ),
            _ => self.write_fitness(f, which),
        }
    }

    /// That it is not fit for what it is used for.
    fn write_fitness(&self, f: &mut fmt::Formatter<'_>, which: &str) -> fmt::Result {
        match self.kind() {
            Kind::WrongPurpose { needed } => write!(
                f,
                "{which} may not be used by a {needed}: its extended key usage has to include \
                 {}",
                needed.name()
            ),
            Kind::KeyUsage => write!(
                f,
                "{which} may not sign in TLS: its key usage has to include digitalSignature"
            ),
            Kind::NoKeyEncipherment => write!(
                f,
                "{which} may not be encrypted for: its key usage has to include keyEncipherment, or the \
                 cipher suite a key exchange with signatures"
            ),
            Kind::NoKeyAgreement => write!(
                f,
                "{which} may not be half of a secret: its key usage has to include keyAgreement, or the \
                 cipher suite a key exchange with signatures"
            ),
            Kind::IssuerKeyUsage => write!(
                f,
                "{which} may not issue certificates: its key usage has to include keyCertSign"
            ),
            Kind::WrongBasicConstraints if self.index() == Some(0) => write!(
                f,
                "{which} is that of a CA (basicConstraints): the peer has to send one of its own \
                 first"
            ),
            Kind::WrongBasicConstraints => write!(
                f,
                "{which} may not issue certificates: it is not a CA (basicConstraints)"
            ),
            Kind::NameConstraints => write!(
                f,
                "{which} contains a name its CA is not allowed to certify (name constraints)"
            ),
            Kind::UnsupportedConstraint { names } => write!(
                f,
                "{which} limits which {names} may be certified (name constraints), and such limits \
                 are not supported"
            ),
            _ => self.write_unsupported(f, which),
        }
    }

    /// That something in it is not supported.
    fn write_unsupported(&self, f: &mut fmt::Formatter<'_>, which: &str) -> fmt::Result {
        match self.kind() {
            Kind::RsaKeyLength { bits, least } => write!(
                f,
                "{which} has an RSA key of {bits} bits: {least} to {MOST_RSA_BITS} bits are accepted"
            ),
            Kind::DsaKeyLength { bits, least } => write!(
                f,
                "{which} has a DSA key of {bits} bits: {least} to {MOST_DSA_BITS} bits are accepted"
            ),
            Kind::UnsupportedSignature {
                algorithm,
                broken_hash: true,
            } => write!(
                f,
                "{which} is signed with {algorithm}, which is broken: reissue the certificate"
            ),
            Kind::UnsupportedSignature { algorithm, .. } => write!(
                f,
                "{which} is signed with {algorithm}, which is not supported for the issuer's key \
                 or not allowed by the configured schemes"
            ),
            Kind::SignatureParameters {
                algorithm,
                expected,
            } => write!(
                f,
                "{which} is signed with {algorithm}, whose parameters must be {expected} and are \
                 not: reissue the certificate"
            ),
            Kind::UnknownCriticalExtension { oid } => write!(
                f,
                "{which} has a critical extension that is not supported: {}",
                Extension(oid)
            ),
            // Said by those who ask here.
            Kind::Expired { .. }
            | Kind::NoPolicy
            | Kind::PolicyNotAccepted
            | Kind::MapsAnyPolicy
            | Kind::NotYetValid { .. }
            | Kind::NameMismatch { .. }
            | Kind::Malformed(_)
            | Kind::MalformedKey
            | Kind::UntrustedKey { .. }
            | Kind::Unsupported(_)
            | Kind::Rejected { .. }
            | Kind::Revoked { .. }
            | Kind::RevocationUnknown { .. }
            | Kind::RevokedByResponder { .. }
            | Kind::UnknownToResponder { .. }
            | Kind::BadStaple(_)
            | Kind::MissingStaple { .. }
            | Kind::Disagreement { .. }
            | Kind::TooManyCertificates { .. }
            | Kind::PathTooDeep { .. }
            | Kind::PathLength { .. }
            | Kind::TooExpensive { .. }
            | Kind::UnknownIssuer { .. }
            | Kind::SelfSigned { .. }
            | Kind::NoTrustAnchors
            | Kind::WrongIssuer { .. }
            | Kind::PinnedIssuer { .. }
            | Kind::BadSignature
            | Kind::WrongPurpose { .. }
            | Kind::KeyUsage
            | Kind::NoKeyEncipherment
            | Kind::NoKeyAgreement
            | Kind::IssuerKeyUsage
            | Kind::WrongBasicConstraints
            | Kind::NameConstraints
            | Kind::UnsupportedConstraint { .. } => Ok(()),
        }
    }
}

/// The names a certificate is valid for, at most five of them, where another was expected.
fn write_names(
    f: &mut fmt::Formatter<'_>,
    names: &[SubjectAltName],
    expected: &str,
) -> fmt::Result {
    const SHOWN: usize = 5;
    if names.is_empty() {
        return f.write_str(
            "it has no subjectAltName, and the common name is not looked at: reissue it with one",
        );
    }
    f.write_str("it is for ")?;
    for (at, name) in names.iter().take(SHOWN).enumerate() {
        write!(f, "{}{name}", if at == 0 { "" } else { ", " })?;
    }
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => f.write_str(" only")?,
        Some(more) => write!(f, " and {more} more names")?,
    }
    let address = expected.parse::<IpAddr>().is_ok();
    let is_of_kind = |name: &SubjectAltName| match name {
        SubjectAltName::DnsName(_) => !address,
        SubjectAltName::IpAddress(_) => address,
        _ => false,
    };
    match (names.iter().any(is_of_kind), address) {
        (true, _) => Ok(()),
        (false, true) => f.write_str(", not for an IP address"),
        (false, false) => f.write_str(", not for a DNS name"),
    }
}

/// An extension by its OID, and by its name if it is one that certificates of CAs have.
struct Extension<'a>(&'a str);

impl fmt::Display for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(oid) = self;
        let name = match *oid {
            "2.5.29.18" => "issuerAltName",
            "2.5.29.32" => "certificatePolicies",
            "2.5.29.33" => "policyMappings",
            "2.5.29.36" => "policyConstraints",
            "2.5.29.54" => "inhibitAnyPolicy",
            _ => return f.write_str(oid),
        };
        write!(f, "{name} ({oid})")
    }
}
