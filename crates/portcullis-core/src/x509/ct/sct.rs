//! A signed certificate timestamp, and where it is found.
//!
//! RFC 6962 §3.2, §3.3.

use core::time::Duration;

use rustls_pki_types::UnixTime;

use crate::der::{self, OCTET_STRING};
use crate::wire::codec::Cursor;
use crate::x509::certificate::Certificate;
use crate::x509::ocsp::single_extension;

/// 1.3.6.1.4.1.11129.2.4.2 of a certificate, and .5 of an OCSP response.
pub(super) const OF_CERTIFICATE: &[u8] = b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02";
const OF_RESPONSE: &[u8] = b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x05";

/// More timestamps from one place are not looked at.
const MAX_SCTS: usize = 32;

/// From where a timestamp comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SctSource {
    /// The certificate itself: its authority has asked the log before it was issued.
    Certificate,
    /// An extension of TLS: the server has asked the log.
    TlsExtension,
    /// The OCSP response that came with the certificate.
    OcspResponse,
}

/// A signed certificate timestamp (RFC 6962 §3.2): a log says that it has, or will have, a certificate. Nothing says
/// that it is genuine: [`CtLogs::verify`](super::CtLogs::verify) does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sct {
    pub(super) source: SctSource,
    /// All of it.
    bytes: Box<[u8]>,
}

/// Its parts, if it is of version 1.
pub(super) struct Parts<'a> {
    pub(super) log: &'a [u8; 32],
    pub(super) timestamp: &'a [u8; 8],
    pub(super) extensions: &'a [u8],
    /// SignatureAndHashAlgorithm.
    pub(super) algorithm: &'a [u8; 2],
    pub(super) signature: &'a [u8],
}

impl Sct {
    /// From where it comes.
    pub fn source(&self) -> SctSource {
        self.source
    }

    /// As it is on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Which log it is: SHA-256 of its key; `None` of a version other than 1, and of what cannot be read.
    pub fn log_id(&self) -> Option<&[u8; 32]> {
        self.parts().map(|parts| parts.log)
    }

    /// When the log was given the certificate; `None` as above.
    pub fn timestamp(&self) -> Option<UnixTime> {
        let parts = self.parts()?;
        let since = Duration::from_millis(u64::from_be_bytes(*parts.timestamp));
        Some(UnixTime::since_unix_epoch(since))
    }

    pub(super) fn parts(&self) -> Option<Parts<'_>> {
        let read = Cursor::whole(&self.bytes, |cursor| {
            let version = cursor.u8()?;
            let parts = Parts {
                log: cursor.array()?,
                timestamp: cursor.array()?,
                extensions: cursor.vec16()?,
                algorithm: cursor.array()?,
                signature: cursor.vec16()?,
            };
            Ok((version, parts))
        });
        read.ok()
            .and_then(|(version, parts)| (version == 0).then_some(parts))
    }
}

/// Those in a SignedCertificateTimestampList; none if it is no list.
pub(in crate::x509) fn of_list(list: &[u8], source: SctSource) -> Vec<Sct> {
    let read = Cursor::whole(list, |cursor| {
        let mut list = Cursor::new(cursor.vec16()?);
        let mut all = Vec::new();
        while !list.is_empty() && all.len() < MAX_SCTS {
            let bytes = list.vec16()?.into();
            all.push(Sct { source, bytes });
        }
        if all.len() == MAX_SCTS {
            // The others are not looked at.
            list = Cursor::new(&[]);
        }
        list.end()?;
        Ok(all)
    });
    read.unwrap_or_default()
}

/// Those that stand in a certificate.
pub(in crate::x509) fn in_certificate(certificate: &[u8]) -> Vec<Sct> {
    let fields = Certificate::read(certificate);
    let value = fields.and_then(|fields| fields.extension(OF_CERTIFICATE).ok().flatten());
    let list = value.and_then(|value| der::only(value, OCTET_STRING));
    of_list(list.unwrap_or_default(), SctSource::Certificate)
}

/// Those that stand in an OCSP response about a certificate, whoever has signed that.
pub(in crate::x509) fn in_response(response: &[u8], certificate: &[u8]) -> Vec<Sct> {
    let value = single_extension(response, certificate, OF_RESPONSE);
    let list = value.and_then(|value| der::only(value, OCTET_STRING));
    of_list(list.unwrap_or_default(), SctSource::OcspResponse)
}
