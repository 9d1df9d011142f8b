//! `signature_algorithms` and `signature_algorithms_cert`: which signatures are accepted.
//!
//! RFC 8446 §4.2.3.

use core::borrow::Borrow;

use super::{Extension, put_extension};
use crate::signature_scheme::SignatureScheme;
use crate::wire::codec::{Cursor, DecodeError};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{List, put_list16};

macro_rules! scheme_list {
    ($(#[$meta:meta])* $name:ident = $extension_type:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a> {
            /// `supported_signature_algorithms`: at least one, preferred ones first.
            pub schemes: List<'a, SignatureScheme>,
        }

        impl $name<'_> {
            /// Writes the extension.
            pub fn put(
                out: &mut Vec<u8>,
                schemes: impl IntoIterator<Item = impl Borrow<SignatureScheme>>,
            ) {
                put_extension(out, ExtensionType::$extension_type, |out| {
                    put_list16::<SignatureScheme>(out, schemes);
                });
            }
        }

        impl<'a> Extension<'a> for $name<'a> {
            const TYPE: ExtensionType = ExtensionType::$extension_type;

            fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
                let schemes = List::decode_non_empty(Cursor::whole(body, Cursor::vec16)?)?;
                Ok(Self { schemes })
            }

            fn encode_body(&self, out: &mut Vec<u8>) {
                put_list16::<SignatureScheme>(out, self.schemes);
            }
        }
    };
}

scheme_list! {
    /// For CertificateVerify, and for certificates unless the other extension is there.
    SignatureAlgorithms = SIGNATURE_ALGORITHMS
}

scheme_list! {
    /// For certificates.
    SignatureAlgorithmsCert = SIGNATURE_ALGORITHMS_CERT
}
