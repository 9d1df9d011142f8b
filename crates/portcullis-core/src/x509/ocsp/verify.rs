//! What a response is worth for one certificate.
//!
//! RFC 6960 §3.2, §4.2.2: it is about this certificate of this issuer, it is of now, and whoever has signed it may
//! speak for the issuer.

use core::time::Duration;

use aws_lc_rs::digest;
use rustls_pki_types::UnixTime;

use super::TOLERATED;
use super::error::OcspError;
use super::response::{CertId, ResponderId, Response, Single, Status};
use crate::crypto::md5_sha1::sha1;
use crate::der;
use crate::x509::certificate::{Certificate, Extensions};
use crate::x509::extension::{ExtendedKeyUsage, KeyUsage};
use crate::x509::names::distinguished_name;
use crate::x509::policy::ChainPolicy;
use crate::x509::revocation::{RevocationReason, is_same_name, is_signed, serial_number};

/// More certificates that come with a response are not looked at.
const MAX_CERTIFICATES: usize = 8;

/// So many signatures are verified for the responses of one chain.
pub(super) const MAX_SIGNATURES: usize = 100;

/// How long a response counts that does not say until when it does, in seconds.
const WITHOUT_END: i64 = 24 * 3_600;

/// How long any response counts, in seconds: public authorities promise that a revocation is known after ten days
/// (CA/Browser Forum, Baseline Requirements §4.9.10).
const LONGEST: i64 = 10 * 24 * 3_600;

/// SHA-1 and SHA-256: 1.3.14.3.2.26, 2.16.840.1.101.3.4.2.1
pub(super) const SHA1: &[u8] = b"\x2b\x0e\x03\x02\x1a";
const SHA256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";
const SHA384: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x02";
const SHA512: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x03";

/// Extensions of a response, or of what it says of one certificate, that ask for nothing here: nonce, CRL references,
/// archive cutoff, service locator and extended revoke (§4.4), timestamps (RFC 6962 §3.3).
const UNDERSTOOD: [&[u8]; 6] = [
    b"\x2b\x06\x01\x05\x05\x07\x30\x01\x02",
    b"\x2b\x06\x01\x05\x05\x07\x30\x01\x03",
    b"\x2b\x06\x01\x05\x05\x07\x30\x01\x06",
    b"\x2b\x06\x01\x05\x05\x07\x30\x01\x07",
    b"\x2b\x06\x01\x05\x05\x07\x30\x01\x09",
    b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x05",
];

/// id-pkix-ocsp-nocheck: nobody need ask whether the certificate of a responder was revoked (§4.2.2.2.1).
const NO_CHECK: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x30\x01\x05";

/// Extensions that may be critical in the certificate of a responder: basicConstraints, keyUsage, subjectAltName,
/// extendedKeyUsage, and that nobody need ask.
const UNDERSTOOD_OF_RESPONDERS: [&[u8]; 5] = [
    b"\x55\x1d\x13",
    b"\x55\x1d\x0f",
    b"\x55\x1d\x11",
    b"\x55\x1d\x25",
    NO_CHECK,
];

/// What a responder says of a certificate (RFC 6960 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OcspStatus {
    /// It was not revoked.
    Good,
    /// It was.
    Revoked {
        /// Why.
        reason: RevocationReason,
        /// Since when.
        date: UnixTime,
    },
    /// The responder does not know it.
    Unknown,
}

/// What a response that is genuine and of now says of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspVerdict {
    status: OcspStatus,
    this_update: i64,
    next_update: Option<i64>,
    produced_at: i64,
    responder: String,
    /// The certificate that has signed, if its issuer wants it to be looked for in lists.
    unchecked: Option<Box<[u8]>>,
}

impl OcspVerdict {
    /// What the responder says.
    pub fn status(&self) -> OcspStatus {
        self.status
    }

    /// When that was known to be so.
    pub fn this_update(&self) -> UnixTime {
        time(self.this_update)
    }

    /// When there is something newer at the latest.
    pub fn next_update(&self) -> Option<UnixTime> {
        self.next_update.map(time)
    }

    /// When the response is over: its nextUpdate, a day after thisUpdate if it has none, and ten days after that in any
    /// case. As clocks differ, a handshake takes it for five minutes more.
    pub fn expires_at(&self) -> UnixTime {
        time(end(self.this_update, self.next_update))
    }

    /// When it was signed.
    pub fn produced_at(&self) -> UnixTime {
        time(self.produced_at)
    }

    /// Who has signed it: the distinguished name of the responder's certificate or of the issuer.
    pub fn responder(&self) -> &str {
        &self.responder
    }

    /// The responder's certificate, in DER, if whether that was revoked is still to be looked at: it is another one than
    /// the issuer's, and nothing in it says that this need not be (id-pkix-ocsp-nocheck, RFC 6960 §4.2.2.2.1). In a
    /// handshake the revocation lists that are asked about the peer are asked about it, too; where none are, it is
    /// good for as long as it says itself. `None` also when the handshake is over.
    pub fn unchecked_responder(&self) -> Option<&[u8]> {
        self.unchecked.as_deref()
    }

    /// No longer than the handshake.
    pub(in crate::x509) fn forget_responder(&mut self) {
        self.unchecked = None;
    }
}

/// Verifies an OCSP response about a certificate, both in DER: what it says, of which status so ever.
///
/// Whoever has signed it is the issuer itself, or has a certificate in the response that the issuer has signed with
/// its own key and that names the purpose OCSPSigning (RFC 6960 §4.2.2.2). Signatures are those that the policy has for
/// certificates; clocks may differ by five minutes. Of the policy nothing else counts.
///
/// # Errors
/// Why the response is not usable.
pub fn verify_ocsp_response(
    response: &[u8],
    certificate: &[u8],
    issuer: &[u8],
    now: UnixTime,
    policy: &ChainPolicy,
) -> Result<OcspVerdict, OcspError> {
    let issuer = Certificate::read(issuer).ok_or(OcspError::NoIssuer)?;
    let authority = Authority {
        name: issuer.subject,
        spki: issuer.spki,
    };
    let mut signatures = MAX_SIGNATURES;
    verify(
        response,
        certificate,
        authority,
        now,
        policy,
        &mut signatures,
    )
}

/// Who has issued a certificate.
#[derive(Clone, Copy)]
pub(in crate::x509) struct Authority<'a> {
    /// With its header.
    pub(in crate::x509) name: &'a [u8],
    /// The same.
    pub(in crate::x509) spki: &'a [u8],
}

/// Of signatures, `signatures` more may be verified.
pub(in crate::x509) fn verify(
    response: &[u8],
    certificate: &[u8],
    issuer: Authority<'_>,
    now: UnixTime,
    policy: &ChainPolicy,
    signatures: &mut usize,
) -> Result<OcspVerdict, OcspError> {
    let response = Response::read(response)?;
    let single = find(&response, certificate, issuer)?;
    check_extensions(response.extensions())?;
    check_extensions(single.extensions())?;
    check_dates(&response, &single, now)?;
    let (responder, unchecked) =
        check_signature(&response, certificate, issuer, now, policy, signatures)?;
    Ok(OcspVerdict {
        status: match single.status {
            Status::Good => OcspStatus::Good,
            Status::Unknown => OcspStatus::Unknown,
            Status::Revoked { reason, date } => {
                let date = time(date);
                OcspStatus::Revoked { reason, date }
            }
        },
        this_update: single.this_update,
        next_update: single.next_update,
        produced_at: response.produced_at,
        responder,
        unchecked,
    })
}

/// What it says of this certificate: the newest, and what revokes it before all else.
fn find<'a>(
    response: &Response<'a>,
    certificate: &[u8],
    issuer: Authority<'_>,
) -> Result<Single<'a>, OcspError> {
    let malformed = || OcspError::Malformed("the certificate that it is about is no certificate");
    let fields = Certificate::read(certificate).ok_or_else(malformed)?;
    let serial = serial_number(certificate).ok_or_else(malformed)?;
    let mut digests = Digests::new(&fields, issuer);
    let mut found: Option<Single<'a>> = None;
    let rank = |single: &Single<'_>| {
        let is_revoked = matches!(single.status, Status::Revoked { .. });
        (is_revoked, single.this_update)
    };
    for single in response.singles() {
        if single.id.serial == serial
            && digests.are_of(&single.id)
            && found.is_none_or(|found| rank(&found) < rank(&single))
        {
            found = Some(single);
        }
    }
    found.ok_or_else(|| not_about(serial, response))
}

/// Until when a response is shown with a certificate, by the responder's own word: whoever shows it need not know who has
/// issued the certificate but by name.
pub(in crate::x509) fn staple_ends(
    response: &[u8],
    certificate: &[u8],
) -> Result<UnixTime, OcspError> {
    let response = Response::read(response)?;
    let malformed = || OcspError::Malformed("the certificate that it is about is no certificate");
    let fields = Certificate::read(certificate).ok_or_else(malformed)?;
    let serial = serial_number(certificate).ok_or_else(malformed)?;
    let single = named(&response, &fields, serial).ok_or_else(|| not_about(serial, &response))?;
    let ends = single.next_update;
    Ok(time(
        ends.unwrap_or(single.this_update.saturating_add(WITHOUT_END)),
    ))
}

/// The value of an extension of what is said of a certificate, by the contents of its OID, whoever says it.
pub(in crate::x509) fn single_extension<'a>(
    response: &'a [u8],
    certificate: &[u8],
    oid: &[u8],
) -> Option<&'a [u8]> {
    let response = Response::read(response).ok()?;
    let fields = Certificate::read(certificate)?;
    named(&response, &fields, serial_number(certificate)?)?.extension(oid)
}

/// What is said of a certificate with that number, of whose issuer the name is known.
fn named<'a>(
    response: &Response<'a>,
    certificate: &Certificate<'_>,
    serial: &[u8],
) -> Option<Single<'a>> {
    response.singles().find(|single| {
        let name = Hash::of(single.id.hash).map(|hash| hash.digest(certificate.issuer));
        single.id.serial == serial && name.as_deref() == Some(single.id.issuer_name)
    })
}

fn not_about(serial: &[u8], response: &Response<'_>) -> OcspError {
    OcspError::OtherCertificate {
        serial: serial.iter().map(|byte| format!("{byte:02x}")).collect(),
        statuses: response.singles().count(),
    }
}

#[derive(Clone, Copy)]
enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// By the contents of its OID.
    fn of(oid: &[u8]) -> Option<Self> {
        match oid {
            SHA1 => Some(Self::Sha1),
            SHA256 => Some(Self::Sha256),
            SHA384 => Some(Self::Sha384),
            SHA512 => Some(Self::Sha512),
            _ => None,
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let digest = |algorithm, bytes| digest::digest(algorithm, bytes).as_ref().to_vec();
        match self {
            Self::Sha1 => sha1(bytes).to_vec(),
            Self::Sha256 => digest(&digest::SHA256, bytes),
            Self::Sha384 => digest(&digest::SHA384, bytes),
            Self::Sha512 => digest(&digest::SHA512, bytes),
        }
    }
}

/// What a CertID says of an issuer, computed when it is first needed.
struct Digests<'a> {
    /// As the certificate has it, and as the issuer has it itself: they may differ where names are folded.
    names: [&'a [u8]; 2],
    key: &'a [u8],
    /// By each hash.
    known: [Option<[Vec<u8>; 3]>; 4],
}

impl<'a> Digests<'a> {
    fn new(certificate: &Certificate<'a>, issuer: Authority<'a>) -> Self {
        let key = der::public_key_info(issuer.spki).map(|(_, key)| key);
        Self {
            names: [certificate.issuer, issuer.name],
            key: key.unwrap_or_default(),
            known: Default::default(),
        }
    }

    fn are_of(&mut self, id: &CertId<'_>) -> bool {
        let Some(hash) = Hash::of(id.hash) else {
            return false;
        };
        let [sha1, sha256, sha384, sha512] = &mut self.known;
        let known = match hash {
            Hash::Sha1 => sha1,
            Hash::Sha256 => sha256,
            Hash::Sha384 => sha384,
            Hash::Sha512 => sha512,
        };
        let [name, folded] = self.names;
        let key = self.key;
        let [name, folded, key] =
            known.get_or_insert_with(|| [name, folded, key].map(|part| hash.digest(part)));
        *key == *id.issuer_key && (*name == *id.issuer_name || *folded == *id.issuer_name)
    }
}

fn check_extensions(extensions: Extensions<'_>) -> Result<(), OcspError> {
    let mut extensions = extensions.map_while(Result::ok);
    let unknown = extensions.find(|one| one.critical && !UNDERSTOOD.contains(&one.oid));
    unknown.map_or(Ok(()), |unknown| {
        Err(OcspError::UnknownCriticalExtension {
            oid: der::dotted(unknown.oid).unwrap_or_else(|| "its name is no OID".to_owned()),
        })
    })
}

fn check_dates(
    response: &Response<'_>,
    single: &Single<'_>,
    now: UnixTime,
) -> Result<(), OcspError> {
    let at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let from = single.this_update.max(response.produced_at);
    if from > at.saturating_add(TOLERATED) {
        let from = time(from);
        return Err(OcspError::FromFuture { from, now });
    }
    // §4.2.2.1: this must not be, and what is not clear ends at once.
    let until = end(single.this_update, single.next_update);
    match at >= until.saturating_add(TOLERATED) {
        true => Err(OcspError::Over {
            until: time(until),
            now,
        }),
        false => Ok(()),
    }
}

/// When a response is over.
fn end(this_update: i64, next_update: Option<i64>) -> i64 {
    let said = next_update.unwrap_or(this_update.saturating_add(WITHOUT_END));
    said.min(this_update.saturating_add(LONGEST))
}

/// Who has signed a response, by name, and the certificate if it has to be looked for in lists.
type Signer = (String, Option<Box<[u8]>>);

/// §4.2.2.2: who has signed it, if that is the issuer or one whom it has named.
fn check_signature(
    response: &Response<'_>,
    certificate: &[u8],
    issuer: Authority<'_>,
    now: UnixTime,
    policy: &ChainPolicy,
    signatures: &mut usize,
) -> Result<Signer, OcspError> {
    let mut spend = || {
        *signatures = signatures.checked_sub(1).ok_or(OcspError::TooExpensive {
            limit: MAX_SIGNATURES,
        })?;
        Ok(())
    };
    let signed_by = |spki| {
        let Response {
            algorithm,
            signature,
            signed,
            ..
        } = *response;
        is_signed(algorithm, signature, signed, spki, policy)
    };
    let mut failure = None;
    if response.responder.is(issuer.name, issuer.spki) {
        spend()?;
        if signed_by(issuer.spki) {
            return Ok((distinguished_name(issuer.name), None));
        }
        failure = Some(OcspError::BadSignature {
            responder: distinguished_name(issuer.name),
        });
    }
    for (at, delegate) in response.certificates().enumerate() {
        if at >= MAX_CERTIFICATES {
            let limit = MAX_CERTIFICATES;
            return Err(OcspError::TooManyCertificates { limit });
        }
        let Some(fields) = Certificate::read(delegate) else {
            continue;
        };
        // The issuer's own was tried.
        if !response.responder.is(fields.subject, fields.spki) || fields.spki == issuer.spki {
            continue;
        }
        let responder = distinguished_name(fields.subject);
        // That of its certificate, and its own.
        spend()?;
        spend()?;
        failure = Some(match why_not(&fields, issuer, now) {
            _ if delegate == certificate => OcspError::NotAuthorized {
                responder,
                why: "no certificate speaks for itself",
            },
            Some(why) => OcspError::NotAuthorized { responder, why },
            None if !is_issued_by(&fields, issuer, policy) => OcspError::NotAuthorized {
                responder,
                why: "the key of the certificate's issuer has not signed its certificate",
            },
            None if signed_by(fields.spki) => {
                let is_exempt = fields.extension(NO_CHECK).is_ok_and(|own| own.is_some());
                return Ok((responder, (!is_exempt).then(|| delegate.into())));
            }
            None => OcspError::BadSignature { responder },
        });
    }
    Err(failure.unwrap_or_else(|| OcspError::NotAuthorized {
        responder: response.responder.to_string(),
        why: "it is not the issuer of the certificate, and no certificate of it came with the response",
    }))
}

/// Why a certificate does not make its owner a responder of that issuer; its signature is not looked at.
fn why_not(
    certificate: &Certificate<'_>,
    issuer: Authority<'_>,
    now: UnixTime,
) -> Option<&'static str> {
    if certificate.version != 3 || !is_understood(certificate) {
        return Some("its certificate is not supported");
    }
    if !is_same_name(certificate.issuer, issuer.name) {
        return Some("its certificate is of another issuer");
    }
    if !certificate
        .validity()
        .is_some_and(|validity| validity.contains(now))
    {
        return Some("its certificate is not valid now");
    }
    match ExtendedKeyUsage::of(certificate) {
        Ok(Some(usage)) if usage.allows_ocsp_signing() => {}
        _ => return Some("its certificate does not name the purpose OCSPSigning"),
    }
    match KeyUsage::of(certificate) {
        Ok(usage) if usage.is_none_or(KeyUsage::digital_signature) => None,
        _ => Some("its key may not sign (digitalSignature)"),
    }
}

fn is_understood(certificate: &Certificate<'_>) -> bool {
    certificate.extensions().all(|extension| {
        extension.is_ok_and(|one| !one.critical || UNDERSTOOD_OF_RESPONDERS.contains(&one.oid))
    })
}

fn is_issued_by(
    certificate: &Certificate<'_>,
    issuer: Authority<'_>,
    policy: &ChainPolicy,
) -> bool {
    let Certificate {
        tbs,
        signature_algorithm,
        signed_algorithm,
        signature,
        ..
    } = *certificate;
    signature_algorithm == signed_algorithm
        && is_signed(signature_algorithm, signature, tbs, issuer.spki, policy)
}

impl ResponderId<'_> {
    fn is(&self, name: &[u8], spki: &[u8]) -> bool {
        match *self {
            Self::Name(own) => is_same_name(own, name),
            Self::Key(own) => der::public_key_info(spki).is_some_and(|(_, key)| own == sha1(key)),
        }
    }
}

impl core::fmt::Display for ResponderId<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            Self::Name(name) => f.write_str(&distinguished_name(name)),
            Self::Key(digest) => {
                f.write_str("the key with the SHA-1 ")?;
                let mut shown = digest.iter().take(20);
                shown.try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

fn time(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}
