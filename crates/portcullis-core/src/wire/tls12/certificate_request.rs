//! CertificateRequest: the server wants to know who the client is.
//!
//! RFC 5246 §7.4.4, RFC 8422 §5.5.

use core::borrow::Borrow;

use crate::code_point::code_points;
use crate::signature_scheme::SignatureScheme;
use crate::wire::codec::{Cursor, DecodeError};
use crate::wire::extension::{DistinguishedName, put_names};
use crate::wire::handshake::{HandshakeMessage, put_message};
use crate::wire::handshake_type::HandshakeType;
use crate::wire::list::{List, code_point_elements, put_list8, put_list16};

code_points! {
    /// A kind of client certificate, in the IANA registry "TLS ClientCertificateType Identifiers".
    pub struct ClientCertificateType(u8) {
        /// An RSA key.
        RSA_SIGN = 1, "rsa_sign";
        /// A DSA key.
        DSS_SIGN = 2, "dss_sign";
        /// A static DH key; not supported.
        RSA_FIXED_DH = 3, "rsa_fixed_dh";
        /// A static DH key; not supported.
        DSS_FIXED_DH = 4, "dss_fixed_dh";
        /// A key on an elliptic curve, Ed25519 and Ed448 included (RFC 8422 §5.5).
        ECDSA_SIGN = 64, "ecdsa_sign";
        /// A static ECDH key; not supported.
        RSA_FIXED_ECDH = 65, "rsa_fixed_ecdh";
        /// A static ECDH key; not supported.
        ECDSA_FIXED_ECDH = 66, "ecdsa_fixed_ecdh";
    }
}

code_point_elements! { ClientCertificateType: u8; }

/// The form of TLS 1.2; older ones have no signature algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateRequest<'a> {
    /// At least one.
    pub certificate_types: List<'a, ClientCertificateType>,
    /// At least one: this is the list of `signature_algorithms` (§7.4.1.4.1).
    pub supported_signature_algorithms: List<'a, SignatureScheme>,
    /// None means any.
    pub certificate_authorities: List<'a, DistinguishedName<'a>>,
}

impl CertificateRequest<'_> {
    /// Writes the message; there must be a type and a scheme. The authorities are the DER of names.
    pub fn put(
        out: &mut Vec<u8>,
        certificate_types: impl IntoIterator<Item = impl Borrow<ClientCertificateType>>,
        supported_signature_algorithms: impl IntoIterator<Item = impl Borrow<SignatureScheme>>,
        certificate_authorities: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) {
        put_message(out, Self::TYPE, |out| {
            put_list8::<ClientCertificateType>(out, certificate_types);
            put_list16::<SignatureScheme>(out, supported_signature_algorithms);
            put_names(out, certificate_authorities);
        });
    }
}

impl<'a> HandshakeMessage<'a> for CertificateRequest<'a> {
    const TYPE: HandshakeType = HandshakeType::CERTIFICATE_REQUEST;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                certificate_types: List::decode_non_empty(cursor.vec8()?)?,
                supported_signature_algorithms: List::decode_non_empty(cursor.vec16()?)?,
                certificate_authorities: List::decode(cursor.vec16()?)?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_list8::<ClientCertificateType>(out, self.certificate_types);
        put_list16::<SignatureScheme>(out, self.supported_signature_algorithms);
        put_names(out, self.certificate_authorities);
    }
}
