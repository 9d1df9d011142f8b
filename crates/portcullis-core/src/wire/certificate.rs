//! Certificate: who the sender is.
//!
//! RFC 8446 §4.4.2. The form of TLS 1.2 and older is another.

use super::codec::{Cursor, DecodeError, put_vec8, put_vec16, put_vec24};
use super::extension::Extensions;
use super::handshake::{HandshakeMessage, put_message};
use super::handshake_type::HandshakeType;
use super::list::{Element, List};

/// One certificate and what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateEntry<'a> {
    /// `cert_data`: the DER of an X.509 certificate, at least one byte. Not parsed.
    pub cert_data: &'a [u8],
    /// An OCSP response, signed certificate timestamps.
    pub extensions: Extensions<'a>,
}

impl<'a> Element<'a> for CertificateEntry<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        match cursor.vec24()? {
            [] => Err(DecodeError),
            cert_data => Ok(Self {
                cert_data,
                extensions: Extensions::read(cursor)?,
            }),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_entry(out, self.cert_data, self.extensions.as_bytes());
    }
}

/// The certificate chain of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// What the request carried; empty from a server. 0 to 255 bytes.
    pub certificate_request_context: &'a [u8],
    /// The sender's own certificate first. May be empty, which a server may not do; that is not
    /// checked here.
    pub certificate_list: List<'a, CertificateEntry<'a>>,
}

impl Certificate<'_> {
    /// Writes the message from each certificate's DER and its already encoded extensions.
    pub fn put(
        out: &mut Vec<u8>,
        certificate_request_context: &[u8],
        entries: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
    ) {
        put_message(out, Self::TYPE, |out| {
            put_vec8(out, |out| {
                out.extend_from_slice(certificate_request_context)
            });
            put_vec24(out, |out| {
                for (cert_data, extensions) in entries {
                    put_entry(out, cert_data.as_ref(), extensions.as_ref());
                }
            });
        });
    }
}

impl<'a> HandshakeMessage<'a> for Certificate<'a> {
    const TYPE: HandshakeType = HandshakeType::CERTIFICATE;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                certificate_request_context: cursor.vec8()?,
                certificate_list: List::decode(cursor.vec24()?)?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| {
            out.extend_from_slice(self.certificate_request_context);
        });
        put_vec24(out, |out| {
            for entry in self.certificate_list {
                entry.put(out);
            }
        });
    }
}

fn put_entry(out: &mut Vec<u8>, cert_data: &[u8], extensions: &[u8]) {
    put_vec24(out, |out| out.extend_from_slice(cert_data));
    put_vec16(out, |out| out.extend_from_slice(extensions));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::extension::CertificateStatus;

    #[test]
    fn put_is_what_decode_reads() {
        let mut staple = Vec::new();
        CertificateStatus::put(&mut staple, b"ocsp");
        let mut out = Vec::new();
        Certificate::put(
            &mut out,
            b"ctx",
            [(b"leaf", &staple), (b"root", &Vec::new())],
        );
        let certificate = Certificate::decode(&out[4..]).unwrap();
        assert_eq!(certificate.certificate_request_context, b"ctx");
        let entries: Vec<_> = certificate.certificate_list.iter().collect();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].cert_data, b"leaf");
        let status = entries[0].extensions.find::<CertificateStatus<'_>>();
        assert_eq!(status.unwrap().unwrap().ocsp_response, b"ocsp");
        assert!(entries[1].extensions.is_empty());
        let mut again = Vec::new();
        certificate.encode(&mut again);
        assert_eq!(again, out);
        assert!(
            Certificate::decode(&[0, 0, 0, 0])
                .unwrap()
                .certificate_list
                .is_empty()
        );
        assert!(Certificate::decode(&[0, 0, 0, 5, 0, 0, 0, 0, 0]).is_err());
    }
}
