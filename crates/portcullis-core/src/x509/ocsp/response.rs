//! A response, read in one pass and without copying.
//!
//! RFC 6960 §4.2.1, in DER (ITU-T X.690). What it means is [`verify`](super::verify)'s.

use super::MAX_OCSP_RESPONSE;
use super::error::OcspError;
use crate::der::{self, BIT_STRING, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, context};
use crate::x509::certificate::Extensions;
use crate::x509::revocation::RevocationReason;
use crate::x509::time::read_time;

/// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1
const BASIC: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x30\x01\x01";

const ENUMERATED: u8 = 0x0a;
/// `[0]` and `[2]`, IMPLICIT NULL.
const GOOD: u8 = 0x80;
const UNKNOWN: u8 = 0x82;

/// A BasicOCSPResponse that its responder was content with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Response<'a> {
    /// What is signed: `tbsResponseData`, with its header.
    pub(super) signed: &'a [u8],
    pub(super) responder: ResponderId<'a>,
    pub(super) produced_at: i64,
    /// The contents of `responses`.
    singles: &'a [u8],
    /// The contents of Extensions.
    extensions: &'a [u8],
    /// OID and parameters.
    pub(super) algorithm: &'a [u8],
    /// The contents of a BIT STRING.
    pub(super) signature: &'a [u8],
    /// The contents of `certs`.
    certificates: &'a [u8],
}

/// Who has signed.
#[derive(Clone, Copy, Debug)]
pub(super) enum ResponderId<'a> {
    /// A Name, with its header.
    Name(&'a [u8]),
    /// SHA-1 of the key, without what stands around it.
    Key(&'a [u8]),
}

/// What is said of one certificate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Single<'a> {
    pub(super) id: CertId<'a>,
    pub(super) status: Status,
    pub(super) this_update: i64,
    pub(super) next_update: Option<i64>,
    /// The contents of Extensions.
    extensions: &'a [u8],
}

/// Which certificate (§4.1.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct CertId<'a> {
    /// The contents of its OID.
    pub(super) hash: &'a [u8],
    pub(super) issuer_name: &'a [u8],
    pub(super) issuer_key: &'a [u8],
    /// The contents of an INTEGER.
    pub(super) serial: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Good,
    Revoked { reason: RevocationReason, date: i64 },
    Unknown,
}

impl<'a> Response<'a> {
    /// Reads an OCSPResponse.
    pub(super) fn read(response: &'a [u8]) -> Result<Self, OcspError> {
        if response.len() > MAX_OCSP_RESPONSE {
            return Err(OcspError::Malformed("it is longer than 64 KiB"));
        }
        let malformed = || OcspError::Malformed("it is not an OCSPResponse in DER");
        let fields = der::only(response, SEQUENCE).ok_or_else(malformed)?;
        let mut fields = Reader::new(fields);
        let status = match fields.contents(ENUMERATED) {
            Some(&[status]) => status,
            _ => return Err(malformed()),
        };
        // §4.2.1: one that failed says nothing else.
        if status != 0 {
            return Err(OcspError::NotSuccessful { status });
        }
        let bytes = fields.contents(context(0)).filter(|_| fields.is_empty());
        let bytes = bytes.and_then(|bytes| der::only(bytes, SEQUENCE));
        let mut bytes = Reader::new(bytes.ok_or_else(malformed)?);
        let (Some(typ), Some(basic), true) = (
            bytes.contents(OID),
            bytes.contents(OCTET_STRING),
            bytes.is_empty(),
        ) else {
            return Err(malformed());
        };
        if typ != BASIC {
            return Err(OcspError::UnknownType);
        }
        let this = Self::read_basic(basic)
            .ok_or(OcspError::Malformed("it is not a BasicOCSPResponse in DER"))?;
        // All of it is read once here, so that what is damaged is not found out half-way.
        let mut singles = Reader::new(this.singles);
        while !singles.is_empty() {
            Single::read(&mut singles)
                .ok_or(OcspError::Malformed("a status in it is not DER-encoded"))?;
        }
        let mut certificates = Reader::new(this.certificates);
        while !certificates.is_empty() {
            certificates.element(SEQUENCE).ok_or(OcspError::Malformed(
                "a certificate in it is not DER-encoded",
            ))?;
        }
        Ok(this)
    }

    fn read_basic(basic: &'a [u8]) -> Option<Self> {
        let mut fields = Reader::new(der::only(basic, SEQUENCE)?);
        let signed = fields.element(SEQUENCE)?;
        let algorithm = fields.contents(SEQUENCE)?;
        let signature = fields.contents(BIT_STRING)?;
        let certificates = match fields.optional(context(0)) {
            Some(certificates) => der::only(certificates, SEQUENCE)?,
            None => &[],
        };
        if !fields.is_empty() {
            return None;
        }
        let mut data = Reader::new(signed.contents);
        match data.optional(context(0)) {
            // v1, which is the default, and which some write.
            None | Some([INTEGER, 1, 0]) => {}
            Some(_) => return None,
        }
        let responder = data.any()?;
        let responder = match responder.tag {
            BY_NAME => {
                der::only(responder.contents, SEQUENCE)?;
                ResponderId::Name(responder.contents)
            }
            BY_KEY => ResponderId::Key(der::only(responder.contents, OCTET_STRING)?),
            _ => return None,
        };
        let produced_at = read_time(&mut data)?;
        let singles = data.contents(SEQUENCE)?;
        let extensions = extensions(&mut data)?;
        data.is_empty().then_some(Self {
            signed: signed.whole,
            responder,
            produced_at,
            singles,
            extensions,
            algorithm,
            signature,
            certificates,
        })
    }

    /// What it says, of one certificate after the other.
    pub(super) fn singles(&self) -> impl Iterator<Item = Single<'a>> {
        let mut rest = Reader::new(self.singles);
        // All were read.
        core::iter::from_fn(move || Single::read(&mut rest))
    }

    pub(super) fn extensions(&self) -> Extensions<'a> {
        Extensions::of(self.extensions)
    }

    /// The certificates that came with it.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = Reader::new(self.certificates);
        core::iter::from_fn(move || Some(rest.element(SEQUENCE)?.whole))
    }
}

/// `[1]` and `[2]`, EXPLICIT.
const BY_NAME: u8 = context(1);
const BY_KEY: u8 = context(2);

impl<'a> Single<'a> {
    fn read(responses: &mut Reader<'a>) -> Option<Self> {
        let mut fields = Reader::new(responses.contents(SEQUENCE)?);
        let id = CertId::read(fields.contents(SEQUENCE)?)?;
        let status = fields.any()?;
        let status = match (status.tag, status.contents) {
            (GOOD, []) => Status::Good,
            (UNKNOWN, []) => Status::Unknown,
            (REVOKED, info) => revoked(info)?,
            _ => return None,
        };
        let this_update = read_time(&mut fields)?;
        let next_update = match fields.optional(context(0)) {
            Some(next) => {
                let mut next = Reader::new(next);
                Some(read_time(&mut next).filter(|_| next.is_empty())?)
            }
            None => None,
        };
        let extensions = extensions(&mut fields)?;
        fields.is_empty().then_some(Self {
            id,
            status,
            this_update,
            next_update,
            extensions,
        })
    }

    pub(super) fn extensions(&self) -> Extensions<'a> {
        Extensions::of(self.extensions)
    }

    /// The value of one of its extensions, by the contents of its OID.
    pub(super) fn extension(&self, oid: &[u8]) -> Option<&'a [u8]> {
        let mut all = self.extensions().map_while(Result::ok);
        all.find(|extension| extension.oid == oid)
            .map(|extension| extension.value)
    }
}

/// `[1]`, IMPLICIT SEQUENCE.
const REVOKED: u8 = context(1);

/// RevokedInfo.
fn revoked(info: &[u8]) -> Option<Status> {
    let mut info = Reader::new(info);
    let date = read_time(&mut info)?;
    let reason = match info.optional(context(0)) {
        Some(reason) => match der::only(reason, ENUMERATED)? {
            [code @ 0..=0x7f] => RevocationReason::of(*code),
            _ => return None,
        },
        None => RevocationReason::Unspecified,
    };
    info.is_empty().then_some(Status::Revoked { reason, date })
}

/// The contents of `[1]` EXPLICIT Extensions; nothing if there are none. Each of them is read once.
fn extensions<'a>(fields: &mut Reader<'a>) -> Option<&'a [u8]> {
    let Some(extensions) = fields.optional(context(1)) else {
        return Some(&[]);
    };
    let contents = der::only(extensions, SEQUENCE)?;
    Extensions::of(contents)
        .all(|extension| extension.is_ok())
        .then_some(contents)
}

impl<'a> CertId<'a> {
    fn read(contents: &'a [u8]) -> Option<Self> {
        let mut fields = Reader::new(contents);
        let mut algorithm = Reader::new(fields.contents(SEQUENCE)?);
        let id = Self {
            hash: algorithm.contents(OID)?,
            issuer_name: fields.contents(OCTET_STRING)?,
            issuer_key: fields.contents(OCTET_STRING)?,
            serial: fields.contents(INTEGER)?,
        };
        fields.is_empty().then_some(id)
    }
}
