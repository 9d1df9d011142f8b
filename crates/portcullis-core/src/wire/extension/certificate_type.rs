//! `client_certificate_type` and `server_certificate_type`: how an end shows who it is.
//!
//! RFC 7250 §3.

use core::borrow::Borrow;

use super::{Extension, put_extension};
use crate::code_point::code_points;
use crate::wire::codec::{Cursor, DecodeError};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{List, code_point_elements, put_list8};

code_points! {
    /// How an end of a connection shows who it is (RFC 7250 §3).
    pub struct CertificateType(u8) {
        /// By a chain of X.509 certificates. What everybody does who says nothing.
        X509 = 0, "X509";
        /// By its public key alone (RFC 7250).
        RAW_PUBLIC_KEY = 2, "RawPublicKey";
    }
}

code_point_elements! { CertificateType: u8; }

/// The form of an extension in each hello.
macro_rules! certificate_type {
    ($(#[$meta:meta])* $list:ident, $selected:ident = $extension_type:ident) => {
        $(#[$meta])*
        ///
        /// The client's form: preferred ones first. That there is one is not checked here: it costs another
        /// alert than other faults of syntax.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $list<'a> {
            /// The list.
            pub types: List<'a, CertificateType>,
        }

        impl $list<'_> {
            /// Writes the extension.
            pub fn put(
                out: &mut Vec<u8>,
                types: impl IntoIterator<Item = impl Borrow<CertificateType>>,
            ) {
                put_extension(out, ExtensionType::$extension_type, |out| {
                    put_list8::<CertificateType>(out, types);
                });
            }
        }

        impl<'a> Extension<'a> for $list<'a> {
            const TYPE: ExtensionType = ExtensionType::$extension_type;

            fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
                let types = List::decode(Cursor::whole(body, Cursor::vec8)?)?;
                Ok(Self { types })
            }

            fn encode_body(&self, out: &mut Vec<u8>) {
                put_list8::<CertificateType>(out, self.types);
            }
        }

        $(#[$meta])*
        ///
        /// The server's form: what it has selected.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $selected(pub CertificateType);

        impl $selected {
            /// Writes the extension.
            pub fn put(out: &mut Vec<u8>, selected: CertificateType) {
                Self(selected).encode(out);
            }
        }

        impl Extension<'_> for $selected {
            const TYPE: ExtensionType = ExtensionType::$extension_type;

            fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
                Cursor::whole(body, Cursor::u8).map(|code| Self(CertificateType(code)))
            }

            fn encode_body(&self, out: &mut Vec<u8>) {
                out.push(self.0.0);
            }
        }
    };
}

certificate_type! {
    /// What the client can show (§3).
    ClientCertificateTypes, ClientCertificateTypeSelected = CLIENT_CERTIFICATE_TYPE
}

certificate_type! {
    /// What the client accepts of the server (§3).
    ServerCertificateTypes, ServerCertificateTypeSelected = SERVER_CERTIFICATE_TYPE
}
