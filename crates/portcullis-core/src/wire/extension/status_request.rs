//! `status_request`: revocation status stapled to the certificate.
//!
//! RFC 6066 §8, RFC 8446 §4.4.2.1.

use super::{Extension, empty_extension};
use crate::code_point::code_points;
use crate::wire::codec::{Cursor, DecodeError, put_vec16, put_vec24};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{Element, List, put_list16};

code_points! {
    /// A kind of status.
    pub struct StatusType(u8) {
        /// RFC 6066 §8.
        OCSP = 1, "ocsp";
        /// RFC 6961; obsolete.
        OCSP_MULTI = 2, "ocsp_multi";
    }
}

/// The DER of a `ResponderID`, at least one byte. Not parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponderId<'a>(pub &'a [u8]);

impl<'a> Element<'a> for ResponderId<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        match cursor.vec16()? {
            [] => Err(DecodeError),
            id => Ok(Self(id)),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_vec16(out, |out| out.extend_from_slice(self.0));
    }
}

/// The client's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusRequest<'a> {
    /// An OCSP response is wanted.
    Ocsp {
        /// Responders the client trusts; none means any it can work out.
        responder_ids: List<'a, ResponderId<'a>>,
        /// The DER of OCSP `Extensions`; empty when there are none. Not parsed.
        request_extensions: &'a [u8],
    },
    /// A kind of status with a form of its own.
    Other {
        /// Not [`StatusType::OCSP`].
        status_type: StatusType,
        /// What follows it.
        request: &'a [u8],
    },
}

impl StatusRequest<'_> {
    /// Writes a request for an OCSP response from any responder.
    pub fn put(out: &mut Vec<u8>) {
        StatusRequest::Ocsp {
            responder_ids: List::default(),
            request_extensions: &[],
        }
        .encode(out);
    }
}

impl<'a> Extension<'a> for StatusRequest<'a> {
    const TYPE: ExtensionType = ExtensionType::STATUS_REQUEST;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(body);
        let status_type = StatusType(cursor.u8()?);
        if status_type != StatusType::OCSP {
            let request = cursor.rest();
            return Ok(Self::Other {
                status_type,
                request,
            });
        }
        let responder_ids = List::decode(cursor.vec16()?)?;
        let request_extensions = cursor.vec16()?;
        cursor.end()?;
        Ok(Self::Ocsp {
            responder_ids,
            request_extensions,
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ocsp {
                responder_ids,
                request_extensions,
            } => {
                out.push(StatusType::OCSP.0);
                put_list16::<ResponderId<'_>>(out, *responder_ids);
                put_vec16(out, |out| out.extend_from_slice(request_extensions));
            }
            Self::Other {
                status_type,
                request,
            } => {
                out.push(status_type.0);
                out.extend_from_slice(request);
            }
        }
    }
}

empty_extension! {
    /// In a CertificateRequest: the client is asked to staple. In a ServerHello of TLS 1.2 and
    /// older: a CertificateStatus message follows.
    StatusRequestEmpty = STATUS_REQUEST
}

/// The form beside a certificate in TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateStatus<'a> {
    /// The DER of an `OCSPResponse`, at least one byte. Not parsed.
    pub ocsp_response: &'a [u8],
}

impl CertificateStatus<'_> {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, ocsp_response: &[u8]) {
        CertificateStatus { ocsp_response }.encode(out);
    }
}

impl<'a> Extension<'a> for CertificateStatus<'a> {
    const TYPE: ExtensionType = ExtensionType::STATUS_REQUEST;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let (status_type, ocsp_response) = Cursor::whole(body, |cursor| {
            Ok((StatusType(cursor.u8()?), cursor.vec24()?))
        })?;
        if status_type != StatusType::OCSP || ocsp_response.is_empty() {
            return Err(DecodeError);
        }
        Ok(Self { ocsp_response })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.push(StatusType::OCSP.0);
        put_vec24(out, |out| out.extend_from_slice(self.ocsp_response));
    }
}
