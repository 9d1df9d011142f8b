//! Asking a responder.
//!
//! RFC 6960 §4.1.1, as RFC 5019 §2.1 has it for those who staple: one certificate, SHA-1, no nonce, no signature, so
//! that a responder may have its answers ready. A nonce would keep somebody on the way to the responder from bringing
//! back an older answer that still counts. Most responders do not answer with it (RFC 5019 §4), so it could not be
//! demanded, and what is shown with a certificate is an older answer anyway to each client that gets it: what keeps the
//! older one out is that it does not take the place of a newer one, and that it counts for ten days at most.

use super::verify::SHA1;
use crate::crypto::md5_sha1::sha1;
use crate::der::{self, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE};
use crate::x509::certificate::Certificate;
use crate::x509::extension::alt_name::URI;
use crate::x509::revocation::serial_number;

/// authorityInfoAccess, 1.3.6.1.5.5.7.1.1, and in it id-ad-ocsp, 1.3.6.1.5.5.7.48.1.
const AUTHORITY_INFO_ACCESS: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x01\x01";
const OCSP: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x30\x01";

/// id-ad-caIssuers, 1.3.6.1.5.5.7.48.2.
const CA_ISSUERS: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x30\x02";

/// More responders of one certificate are not looked at.
const MAX_RESPONDERS: usize = 8;

/// What is sent to the responder to have an answer about this certificate of that issuer, both in DER; `None` if one
/// of them is no certificate.
pub fn ocsp_request(certificate: &[u8], issuer: &[u8]) -> Option<Vec<u8>> {
    let fields = Certificate::read(certificate)?;
    let issuer = Certificate::read(issuer)?;
    let (_, key) = der::public_key_info(issuer.spki)?;
    let octets = |bytes: &[u8]| der::element(OCTET_STRING, bytes);
    // RFC 3370 §2.1: with parameters, which are NULL.
    let algorithm = [der::element(OID, SHA1), vec![5, 0]].concat();
    let id = [
        der::sequence(&algorithm),
        octets(&sha1(fields.issuer)),
        octets(&sha1(key)),
        der::element(INTEGER, serial_number(certificate)?),
    ];
    // Request, requestList, TBSRequest, OCSPRequest.
    let requests = der::sequence(&der::sequence(&der::sequence(&id.concat())));
    Some(der::sequence(&der::sequence(&requests)))
}

/// The URIs of the responders that a certificate in DER names (RFC 5280 §4.2.2.1), at most eight.
pub fn ocsp_responders(certificate: &[u8]) -> Vec<String> {
    uris(Certificate::read(certificate).as_ref(), OCSP)
}

/// Whether a certificate says where that of its issuer is.
pub(in crate::x509) fn has_issuer_uri(certificate: &Certificate<'_>) -> bool {
    !uris(Some(certificate), CA_ISSUERS).is_empty()
}

/// Where a certificate says that something about its issuer is.
fn uris(fields: Option<&Certificate<'_>>, wanted: &[u8]) -> Vec<String> {
    let value = fields.and_then(|fields| fields.extension(AUTHORITY_INFO_ACCESS).ok().flatten());
    let contents = value.and_then(|value| der::only(value, SEQUENCE));
    let mut descriptions = Reader::new(contents.unwrap_or_default());
    let mut found = Vec::new();
    while let Some(description) = descriptions.contents(SEQUENCE) {
        let mut description = Reader::new(description);
        let (method, location) = (description.contents(OID), description.any());
        if let (Some(method), Some(location)) = (method, location)
            && method == wanted
            && location.tag == URI
            && location.contents.is_ascii()
            && found.len() < MAX_RESPONDERS
        {
            found.push(String::from_utf8_lossy(location.contents).into_owned());
        }
    }
    found
}
