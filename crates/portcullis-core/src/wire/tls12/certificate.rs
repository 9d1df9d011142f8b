//! Certificate: who the sender is.
//!
//! RFC 5246 §7.4.2, §7.4.6.

use crate::wire::codec::{Cursor, DecodeError, put_vec24};
use crate::wire::handshake::{HandshakeMessage, put_message};
use crate::wire::handshake_type::HandshakeType;
use crate::wire::list::{Element, List};

/// The DER of an X.509 certificate, at least one byte. Not parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asn1Cert<'a>(pub &'a [u8]);

impl<'a> Element<'a> for Asn1Cert<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        match cursor.vec24()? {
            [] => Err(DecodeError),
            certificate => Ok(Self(certificate)),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_vec24(out, |out| out.extend_from_slice(self.0));
    }
}

/// The certificate chain of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The sender's own certificate first. May be empty, which a server may not do; that is not
    /// checked here.
    pub certificate_list: List<'a, Asn1Cert<'a>>,
}

impl Certificate<'_> {
    /// Writes the message from the DER of each certificate, of at least one byte.
    pub fn put(out: &mut Vec<u8>, certificates: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        put_message(out, Self::TYPE, |out| {
            put_vec24(out, |out| {
                for certificate in certificates {
                    Asn1Cert(certificate.as_ref()).put(out);
                }
            });
        });
    }
}

impl<'a> HandshakeMessage<'a> for Certificate<'a> {
    const TYPE: HandshakeType = HandshakeType::CERTIFICATE;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let certificate_list = List::decode(Cursor::whole(body, Cursor::vec24)?)?;
        Ok(Self { certificate_list })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec24(out, |out| {
            for certificate in self.certificate_list {
                certificate.put(out);
            }
        });
    }
}
